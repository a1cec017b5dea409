/*
 * private.h
 *		What the files of retention share among themselves.
 */
#ifndef TSEC_RETENTION_PRIVATE_H
#define TSEC_RETENTION_PRIVATE_H

#include "retention/retention.h"

/* ---- owner.c: what is done to a table with its owner's rights ---- */

/* As who owns a table, until base_return(): past row security that is forced on him, as where the server maintains it. */
extern void retention_become_owner(Oid relation, BaseCaller *caller);

/* ---- subject.c ---- */

extern void subject_init(void);

#endif /* TSEC_RETENTION_PRIVATE_H */
