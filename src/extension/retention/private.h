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

/*
 * From here to retention_resume_caller(): as a role, in a restricted operation with these flags of miscadmin.h besides,
 * and with a search_path of its own.
 */
extern void retention_become_role(Oid role, int flags, const char *search_path, RetentionCaller *caller);

/* The same as who owns a table, past row security that is forced on him, as where the server maintains it. */
extern void retention_become_owner(Oid relation, RetentionCaller *caller);
extern void retention_resume_caller(const RetentionCaller *caller);

/* The owner of a relation; and the name of its schema, where schema is not NULL. */
extern Oid retention_owner_of(Oid relation, char **schema);

/* Sets something for as long as the owner is at work. */
extern void retention_set_for_owner(const char *setting, const char *value);

/* ---- subject.c ---- */

extern void subject_init(void);

#endif /* TSEC_RETENTION_PRIVATE_H */
