/*
 * lock_kind.h
 *		Locks of the extension on what is no object of the server's: advisory locks of
 *		kinds of their own, by which nobody can take, wait for or hold them in SQL.
 */
#ifndef TSEC_BASE_LOCK_KIND_H
#define TSEC_BASE_LOCK_KIND_H

#include "miscadmin.h"
#include "storage/lock.h"

/* The fourth field of a lock's tag, where advisory locks of SQL have 1 and 2. */
typedef enum LockKind
{
	LOCK_OF_RETENTION = 3, /* of a database's runs */
	LOCK_OF_REWRITE = 70,  /* of a table that is being converted or re-encrypted */
	LOCK_OF_USER = 71,
	LOCK_OF_TENANT = 72,
	LOCK_OF_INCIDENT = 73, /* of a day and a number of it */
	LOCK_OF_TARGET = 74,   /* of what an incident's actions are about, by its hash */
} LockKind;

/* In this database; what it is about are 64 bits. */
static inline LOCKTAG
lock_tag_of(LockKind kind, uint64 what)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (what >> 32), (uint32) what, kind);
	return tag;
}

#endif
