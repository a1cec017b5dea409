/*
 * audit.h
 *		What is recorded without anybody asking for it: changes of audited tables,
 *		reads, decryptions, refusals, commands of administrators.
 */
#ifndef TSEC_AUDIT_H
#define TSEC_AUDIT_H

#include "event/event.h"

extern void audit_init(void);

#endif /* TSEC_AUDIT_H */
