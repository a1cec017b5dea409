/*
 * base.h
 *		What every part stands on: the one door through which a library's status
 *		becomes an SQL error, the settings, and the shared memory areas.
 */
#ifndef TSEC_BASE_H
#define TSEC_BASE_H

#include "base/compat.h"
#include "base/lock_kind.h"
#include "common/status.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "postmaster/bgworker.h"
#include "utils/inval.h"

/* Whose an error is: what this library raises says so, and nobody else's RAISE of the same code can. */
#undef TEXTDOMAIN
#define TEXTDOMAIN "twin_security"

/* Schemas of the extension. */
#define TSEC_SCHEMA "twin"
#define TSEC_INTERNAL_SCHEMA "twin_internal"
#define TSEC_CONSOLE_SCHEMA "twin_console"

/* Called once from _PG_init, before every other part. */
extern void base_init(void);

/* Whether the library came through shared_preload_libraries, so that shared memory and workers exist. */
extern bool base_is_preloaded(void);

/* Raises 55000 with a hint when it did not; what names the feature that needs it. */
extern void base_require_preload(const char *what);

/* ---- clock.c: whoever only waits does not go by a clock that somebody sets ---- */

/* Milliseconds that only grow, the same in every process, greater than 0. */
extern int64 base_uptime_ms(void);

/*
 * Whether a time has come that was at most so far ahead when it was noted: one that is further ahead was noted by a clock
 * that was set back since.
 */
extern bool base_has_come(TimestampTz at, int64 ahead_ms);

/* ---- worker.c ---- */

/* A background worker with a database; restart: seconds, or BGW_NEVER_RESTART. */
extern BackgroundWorker base_worker(const char *function, const char *name, int restart_seconds);

/* Whether this process is such a worker: nobody sends it statements. */
extern bool base_is_worker(void);

/* Whatever was set for the database, in this worker a setting is this; one that this server's version has not is none. */
extern void base_override_setting(const char *name, const char *value);

/* ---- statement.c ---- */

/* For a worker that is in no transaction: runs one command as a client's would be run, in the current memory context. */
extern void base_run_at_top_level(const char *statement);

/* ---- role.c ---- */

/* Who was asking, and how deep his settings lie; an error restores both. */
typedef struct BaseCaller
{
	Oid user;
	int context;
	int level;
} BaseCaller;

/*
 * From here to base_return(): as a role, in a restricted operation with these flags of miscadmin.h besides, and with a
 * search_path of its own where one is given.
 */
extern void base_become_role(Oid role, int flags, const char *search_path, BaseCaller *caller);
extern void base_return(const BaseCaller *caller);

/* Sets something for as long as that role is at work. */
extern void base_set_for_role(const char *setting, const char *value);

/* The owner of a relation. */
extern Oid base_owner_of(Oid relation);

/* ---- lookup.c ---- */

/* A function of twin_internal by name and argument types, whoever asks; InvalidOid when there is none. */
extern Oid base_internal_function(const char *name, const Oid *arguments, int count);

/* Whether CREATE or ALTER EXTENSION runs a script of this extension. */
extern bool base_runs_own_script(void);

/* Raises 39P01 unless a function was called by a trigger; name is what SQL calls it. */
extern void base_require_trigger(FunctionCallInfo fcinfo, const char *name);

/* Has every session hear of a relation of ours by its relcache entry when this transaction commits; InvalidOid is none. */
extern void base_tell_sessions(Oid relation);

/*
 * Has a function called whenever this process hears that a relation changed (InvalidOid: any may have); argument is 0.
 * It notes and does no more.  From init functions, in place of CacheRegisterRelcacheCallback(): see watch.c.
 */
extern void base_watch_relations(RelcacheCallbackFunction watcher);

/* ---- table_cache.c ---- */

/* What a process keeps of a small table of schema twin.  Static; the first members are its owner's. */
typedef struct TableCache
{
	const char *table;
	void (*begin)(void); /* forgets the rows that there were; memory is good until then */
	bool (*take_row)(HeapTuple row, TupleDesc shape); /* a copy of what is needed; false: enough */
	MemoryContext context;
	Oid relation;
	uint64 generation;
	bool is_known;
} TableCache;

/* Has news of the table noted; from an init function. */
extern void base_add_table_cache(TableCache *cache);

/* Reads it; and reads it when there is news, which may be at any time, and leaves no pointer into its memory good. */
extern void base_read_table(TableCache *cache);
static inline void
base_refresh_table(TableCache *cache)
{
	if (unlikely(!cache->is_known))
		base_read_table(cache);
}

/* Whole seconds since 1970, as tokens count them. */
extern int64 base_seconds_now(void);

/* ---- restore.c ---- */

/* Whether this session restores a dump: has made the settings that pg_dump writes at the top of each, and no client makes. */
extern bool base_restores(void);

/* ---- client.c ---- */

/* The address of this connection's other end in numbers, good for ever; NULL for a unix socket and where there is no client. */
extern const char *base_client_address(void);

/* Whether the other end is a unix socket's. */
extern bool base_client_is_local(void);

/* ---- folder.c: folders that the server's administrator named for files of ours ---- */

/* Where a folder really lies, at most MAXPGPATH / 2 bytes.  False: errno says why.  Raises where that is in the data folder. */
extern bool base_find_folder(const char *setting, const char *path, char real[MAXPGPATH]);

/* Writes all of it; false: errno says why not. */
extern bool base_write_file(int file, const void *bytes, size_t length);

/* Brings a folder's entries to the disk; false: errno says why not. */
extern bool base_sync_folder(const char *path);

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

/* Whose sessions over the network must be encrypted. */
typedef enum RequireTls
{
	REQUIRE_TLS_OFF,
	REQUIRE_TLS_PROTECTED, /* superusers and the like, and members of the extension's roles */
	REQUIRE_TLS_ALL
} RequireTls;

extern bool setting_allow_session_identity;
extern char *setting_archive_directory; /* where archives go; empty: nothing is archived */
extern char *setting_archive_key;       /* empty: archives are not encrypted */
extern bool setting_audit_enabled;
extern bool setting_audit_logouts;
extern int setting_bcrypt_cost;
extern char *setting_checkpoint_directory;
extern int setting_checkpoint_interval; /* seconds */
extern char *setting_cluster_database;
extern char *setting_databases;
extern char *setting_environment_names;
extern int setting_event_ring_size;    /* kB */
extern char *setting_export_directory; /* where exports of the audit log go; empty: they do not */
extern int setting_hash_wait_timeout;  /* milliseconds */
extern int setting_heartbeat_interval; /* seconds */
extern char *setting_key_command;
extern int setting_key_message_limit;
extern int setting_limit_entries;
extern int setting_login_forget_after; /* seconds */
extern int setting_login_lockout;      /* seconds */
extern int setting_login_max_failures;
extern int setting_login_max_failures_per_address;
extern int setting_login_max_lockout; /* seconds */
extern int setting_max_blocks;
extern int setting_max_concurrent_hashes;
extern int setting_max_databases;
extern int setting_max_subscriptions;
extern int setting_monitor_memory;      /* kB */
extern int setting_password_min_length; /* characters */
extern int setting_password_min_score;
extern bool setting_redact;
extern char *setting_redact_names;
extern int setting_refresh_token_grace;    /* seconds */
extern int setting_refresh_token_lifetime; /* seconds */
extern int setting_require_tls;            /* RequireTls */
extern int setting_retention_interval;     /* seconds; 0: never by itself */
extern int setting_session_idle_timeout;   /* seconds */
extern int setting_session_max_lifetime;   /* seconds */
extern int setting_standby_spool_size;     /* kB; 0: none */
extern char *setting_token_audience;
extern char *setting_token_issuer;
extern int setting_token_leeway;    /* seconds */
extern int setting_token_lifetime;  /* seconds; 0 leaves it to the environment */
extern int setting_topic_ring_size; /* kB */
extern char *setting_trusted_proxies;

/* Changes whenever twin_security.redact_names was assigned. */
extern uint64 setting_redact_changes;

/* Changes whenever a token_ setting was assigned, for caches of what was judged by it. */
extern uint64 setting_token_changes;

/* ---- token_setting.c: twin_security.token ---- */

#define SETTING_TOKEN_MAX 8192

/* The token in force, unverified; NULL when there is none.  Good until the setting changes. */
extern const char *token_setting_value(void);

/* A number that changes with every change of it, those of rollbacks included. */
extern uint64 token_setting_changes(void);

/* Whether it will be gone at the end of the transaction. */
extern bool token_setting_is_local(void);

/* Sets it for the transaction, as SET LOCAL does. */
extern void token_setting_set(const char *value);

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
