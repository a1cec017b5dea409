/*
 * rule.h
 *		What the files share that watch the log and count.
 */
#ifndef TSEC_MONITOR_RULE_H
#define TSEC_MONITOR_RULE_H

#include "monitor/monitor.h"

#include "common/network.h"
#include "common/window.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "executor/spi.h"

/* ---- stream.c ---- */

extern void stream_init(void);

/*
 * Does something in a subtransaction.  False: it raised, which the log says, and it is undone.  What stands in the way and
 * passes (locks, full disks) it raises itself, so that the whole batch comes again later; for hours, not for ever.
 */
extern bool stream_try(void (*work)(void *argument), void *argument, const char *what);

/* For who watches first: has the batch end with the event that is shown, because what it leads to takes time. */
extern void stream_end_here(void);

/* ---- stream_read.c ---- */

/* Runs a statement, prepared once in this process, and raises unless the answer is this SPI code; nulls may be NULL. */
extern void stream_run(SPIPlanPtr *kept, const char *sql, int count, Oid *types, Datum *values, const char *nulls,
					   int expected);

/* A batch: rows of the ledger, in its order, and what their events say. */
typedef struct StreamBatch
{
	WatchedEvent *events;
	bool *found;
	int *by_id; /* places, in the order of ids */
	int count;
} StreamBatch;

/* Where this database's stream is; at the log's end when it has not begun, or that was cut off.  False: it must wait. */
extern bool stream_read_position(int64 *position);
extern void stream_write_position(int64 position);

/* Takes the tables that a batch may write to, before its events are counted: who has locked one costs no counting again. */
extern void stream_hold_tables(void);

/* Columns of a row "e" for stream_row_event(), and where such rows lie. */
#define STREAM_COLUMNS                                                                               \
	"e.event_id, e.event_time, e.recorded_at, e.user_id, e.tenant_id, e.application_made, "          \
	"e.client_address, e.details, e.event_type, e.severity, e.outcome, e.action, e.resource, "       \
	"e.record_id, e.username, e.session_user_name, e.application_name, e.class, e.outer_user_name, " \
	"e.effective_user_name, e.token_id, e.request_id, coalesce(e.row_count, 1)::bigint"
#define STREAM_ROWS "(TABLE twin_internal.events UNION ALL TABLE ONLY twin_internal.events_overflow) e"

/* What a row of SPI_tuptable says, in copies; the leaf is left as it is. */
extern void stream_row_event(uint64 row, WatchedEvent *event);

/* Reads so many of the ledger's rows, from a leaf on and before another; and then what their events say. */
extern void stream_read_ledger(StreamBatch *batch, int64 first, int64 end, int rows);
extern void stream_read_events(StreamBatch *batch);

/* ---- windows.c: windows in shared memory, which reflect the log up to a leaf ---- */

extern void windows_init(void);

/*
 * From which leaf on this database's windows do not reflect the log.  When that is before the position, because the
 * server was started since or a batch was rolled back, the log is counted again up to there first.
 */
extern int64 windows_leaf(int64 position);

/* A batch is about to be counted; it is committed, and they reflect the log up to this leaf. */
extern void windows_begin(void);
extern void windows_settle(int64 next_leaf);

/* What keeps the stream from going on from a leaf: kept in shared memory, because each attempt may be another process's. */
typedef struct StreamTrouble
{
	int64 leaf;
	int64 since;    /* of base_uptime_ms(); 0: nothing does */
	int32 attempts; /* that failed for what does not pass */
} StreamTrouble;

/* What is known of a leaf; and notes it. */
extern StreamTrouble windows_trouble(int64 leaf);
extern void windows_note_trouble(const StreamTrouble *trouble);

/*
 * Counts an event of a subject of a rule, known by a hash that nobody can aim at.  True: often enough, and not told yet for
 * the rule's cooldown.  What is of a time that has not come is of a clock that was set back since, and does not count.
 */
extern bool windows_count(uint64 hash, const WindowPolicy *policy, int64 cooldown, const WindowEvent *event,
						  WindowCount *reached);
extern uint64 windows_hash(const void *data, Size length);

/* From when on a subject may be told again. */
extern void windows_quiet(uint64 hash, int64 until);

/* ---- rule_compile.c: a row of twin.alert_rules ---- */

/* Columns, in the order of tables.sql. */
enum
{
	RULE_NAME = 1,
	RULE_EVENT_TYPES,
	RULE_THRESHOLD,
	RULE_PERIOD,
	RULE_SUBJECT,
	RULE_SEVERITY,
	RULE_COOLDOWN,
	RULE_PLAYBOOK,
	RULE_ENABLED,
	RULE_CONDITIONS,
	RULE_IS_AUTOMATIC,
	RULE_DESCRIPTION,
	RULE_DETECTOR
};

typedef enum RuleSubject
{
	SUBJECT_ANY,
	SUBJECT_ADDRESS,
	SUBJECT_USER,
	SUBJECT_RESOURCE
} RuleSubject;

/* "login_failure", "token_*" */
typedef struct RulePattern
{
	const char *text; /* without the star */
	size_t length;
	bool is_prefix;
} RulePattern;

typedef struct RuleCondition RuleCondition;

typedef struct Rule
{
	const char *name;
	const char *severity;
	RulePattern *patterns;
	int pattern_count;
	RuleCondition *conditions;
	int condition_count;
	RuleSubject subject;
	WindowPolicy policy;
	int64 cooldown; /* microseconds */
	bool is_enabled;
	bool is_threshold; /* decided by counting */
	uint64 hash;       /* of all that makes what it counts */
} Rule;

/* What is wrong with a row that the table's constraints refuse. */
extern const char rule_incomplete[];

/* Compiles a row, in the current memory context.  NULL, or what is wrong with it. */
extern const char *rule_compile(HeapTuple row, TupleDesc shape, Rule *rule);

/* Whether an event is one of those that a rule counts. */
extern bool rule_matches(const Rule *rule, const WatchedEvent *event);

/* ---- rule_condition.c: fields of events and what they must be ---- */

extern const char *condition_compile(const Jsonb *json, RuleCondition **conditions, int *count);
extern bool condition_holds(const RuleCondition *conditions, int count, const WatchedEvent *event);

/* ---- rule_subject.c ---- */

typedef struct RuleSubjectOf
{
	char *subject;          /* NULL: anybody */
	const char *subject_is; /* any, address, user (of the product), role (of the database), resource */
} RuleSubjectOf;

/* Whom an event is about, for a rule, in the current memory context; false: nobody. */
extern bool rule_find_subject(const Rule *rule, const WatchedEvent *event, RuleSubjectOf *about);

/* An event as it counts in a window. */
extern WindowEvent rule_window_event(const WatchedEvent *event);

/* ---- rule.c ---- */

extern void rule_init(void);

/* A batch begins with a leaf; rules are read again when they were changed. */
extern void rule_begin_batch(int64 leaf);

/* Counts an event and raises nothing. */
extern void rule_count_again(const WatchedEvent *event);

#endif /* TSEC_MONITOR_RULE_H */
