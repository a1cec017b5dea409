/*
 * base.h
 *		What every part stands on: the one door through which a library's status
 *		becomes an SQL error, the settings, and the shared memory areas.
 */
#ifndef TSEC_BASE_H
#define TSEC_BASE_H

#include "base/compat.h"
#include "common/status.h"

#include "fmgr.h"

/* Schemas of the extension. */
#define TSEC_SCHEMA "twin"
#define TSEC_INTERNAL_SCHEMA "twin_internal"

/* Called once from _PG_init, before every other part. */
extern void base_init(void);

/* Whether the library came through shared_preload_libraries, so that shared memory and workers exist. */
extern bool base_is_preloaded(void);

/* Raises 55000 with a hint when it did not; what names the feature that needs it. */
extern void base_require_preload(const char *what);

/* ---- errors.c ---- */

/* Raises the status as an SQL error with its SQLSTATE, message and hint.  TSEC_OK is an internal error. */
extern TSEC_NORETURN void base_throw(Status status);

/* The same with a detail, which must hold no secret and no plaintext. */
extern TSEC_NORETURN void base_throw_detail(Status status, const char *format, ...) pg_attribute_printf(2, 3);

/* Returns when the status is TSEC_OK. */
static inline void
base_check(Status status)
{
	if (unlikely(status != TSEC_OK))
		base_throw(status);
}

/* ---- settings.c: every setting of the extension, prefix "twin_security." ---- */

extern char *setting_key_command;
extern int setting_key_message_limit;
extern char *setting_token_audience;
extern char *setting_token_issuer;
extern int setting_token_leeway;   /* seconds */
extern int setting_token_lifetime; /* seconds; 0 leaves it to the environment */

/* Changes whenever a token_ setting was assigned, for caches of what was judged by it. */
extern uint64 setting_token_changes;

/* ---- shmem.c ---- */

/* One area of shared memory, owned by the part that registers it. */
typedef struct SharedArea
{
	const char *name;
	Size size;
	void (*initialise)(void *memory); /* called once, under AddinShmemInitLock */
	void **address;                   /* set in every process; stays NULL without preloading */
} SharedArea;

/* Registers an area; call it from the part's init function. */
extern void base_register_area(const SharedArea *area);

#endif /* TSEC_BASE_H */
