/*
 * compliance.h
 *		Whether the database is set up as it should be, and what an auditor wants
 *		shown.  Nothing of C is offered to other parts: SQL calls what is here.
 */
#ifndef TSEC_COMPLIANCE_H
#define TSEC_COMPLIANCE_H

#include "event/event.h"
#include "password/password.h"
#include "token/token.h"

extern void compliance_init(void);

#endif /* TSEC_COMPLIANCE_H */
