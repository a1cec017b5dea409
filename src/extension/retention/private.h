/*
 * private.h
 *		What the files of retention share among themselves.
 */
#ifndef TSEC_RETENTION_PRIVATE_H
#define TSEC_RETENTION_PRIVATE_H

#include "retention/retention.h"

/* ---- owner.c: what is done to a table with its owner's rights ---- */

/* Who was asking, and his settings; an error restores both. */
typedef struct RetentionCaller
{
	Oid user;
	int context;
	int level;
} RetentionCaller;

/* From here to retention_resume_caller(): as who owns a table, in an operation that is restricted as maintenance of it is. */
extern void retention_become_owner(Oid relation, RetentionCaller *caller);
extern void retention_resume_caller(const RetentionCaller *caller);

/* Sets something for as long as the owner is at work. */
extern void retention_set_for_owner(const char *setting, const char *value);

/* ---- subject.c ---- */

extern void subject_init(void);

#endif /* TSEC_RETENTION_PRIVATE_H */
