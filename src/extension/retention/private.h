/*
 * private.h
 *		What the files of retention share among themselves.
 */
#ifndef TSEC_RETENTION_PRIVATE_H
#define TSEC_RETENTION_PRIVATE_H

#include "retention/retention.h"

/* ---- subject.c ---- */

extern void subject_init(void);

#endif /* TSEC_RETENTION_PRIVATE_H */
