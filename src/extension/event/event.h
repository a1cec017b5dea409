/*
 * event.h
 *		Security events: logins, refusals, key operations.  Any code of the
 *		server may emit one at any time; a background worker writes it in its own
 *		transaction, so that it survives whatever becomes of the emitter's.
 */
#ifndef TSEC_EVENT_H
#define TSEC_EVENT_H

#include "base/base.h"
#include "common/digest.h"
#include "common/event_record.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"

/* What an emitter says; the rest (when, who, from where) is captured.  Left out members mean: none, info, success. */
typedef struct SecurityEvent
{
	const char *type; /* at most 63 bytes, lower case, as login_failure */
	EventClass class;
	EventSeverity severity;
	EventOutcome outcome;
	const char *action;
	const char *resource; /* what it was done to: a key's name, a table */
	const char *record_id;
	int64 user_id;              /* whom it is about; 0, with no tenant: the actor's */
	int64 tenant_id;            /* 0: none */
	const char *username;       /* of the product's user; else the actor's */
	const char *client_address; /* else that of the connection */
	const char *details;        /* JSON; see event_json_add() */
	bool has_event_time;        /* else: now */
	TimestampTz event_time;
	int64 event_id; /* 0: taken when it is written */
	bool application_made;
	bool is_anybodys;    /* a refusal that anybody can cause at no cost: see flood.c */
	bool yields;         /* anybody can cause it, but each is recorded: a quarter of the ring is left to others */
	bool of_no_database; /* goes where events go that belong to no database, whatever this process is connected to */
} SecurityEvent;

/* Who acts, as far as a part above knows it.  Texts must stay until the next call. */
typedef struct EventActor
{
	bool is_verified; /* somebody is named, by number, text or both, and not by himself */
	bool has_user;
	bool has_tenant;
	int64 user_id;
	int64 tenant_id;
	const char *username;
	const char *token_id;
	const char *request_id;
	const char *client_address; /* where it is not that of the connection */
} EventActor;

/* Fills in what it knows; called for every event, so it is quick, raises nothing and reads no catalog. */
typedef void (*EventActorSource)(EventActor *actor);

extern void event_init(void);

/* Adds one who tells something of the actor, at most EVENT_ACTOR_SOURCES; from the init function of a part above. */
#define EVENT_ACTOR_SOURCES 4
extern void event_add_actor_source(EventActorSource source);

/*
 * Emits an event: never raises, never waits, takes no lock, needs no
 * transaction and no catalog.  Texts that are too long are cut.  False when it
 * was not taken: the ring is full (counted, and reported in the log of events),
 * or the library was not preloaded.
 */
extern bool event_emit(const SecurityEvent *event);

/*
 * Whether the error that is being raised now was told by the code that raises it, with an event that event_emit() took
 * right before.  Asked once per error: the answer is forgotten with it.
 */
extern bool event_take_told(void);

/*
 * Waits, a second at most, while the ring is more than half full and this process has filled much of it: so that who
 * makes events in a loop (each recorded) does not have them dropped.  Interrupts end it; raises nothing.
 */
extern void event_slow_down(void);

/*
 * Emits an event with the end of the transaction or subtransaction that is
 * running: as it is on commit (also PREPARE), with outcome "failure" on
 * rollback.  For operations that are true only when they commit.  Many of one
 * transaction are rows of it, which fails where the log cannot be written.  May
 * raise out of memory, or of disk.
 */
extern void event_emit_at_end(const SecurityEvent *event);

/* ---- counted.c: events by kind, since the server started ---- */

/* Counts what is worth counting and is no event; deed: a word that is written in the code. */
extern void event_count_deed(const char *deed);

/* ---- late.c: events that are told later than they are captured; safe in signal handlers ---- */

/* Captures an event into EVENT_RECORD_MAX bytes; what is told may have other details and another time (event_record.h). */
extern size_t event_capture_late(const SecurityEvent *event, uint8 *record);

/* Tells such a record, as one that many can cause: it finds no room where three quarters of the ring are taken. */
extern bool event_emit_late(Bytes record);

/* How much of this database's ring is taken, 0 to 1. */
extern double event_ring_fill(void);

/* ---- rows of twin_internal.events, for those who write them themselves ---- */

/* A row may stand for so many events, numbered from its id on. */
#define EVENT_ID_STEP 1000

/* The next row's id, a multiple of EVENT_ID_STEP; not taken back by a rollback.  Raises where the sequence is missing. */
extern int64 event_take_id(void);

/* The sequence that they come from; InvalidOid where it is missing. */
extern Oid event_id_sequence(void);

/* Tells that an id has a leaf, so that no later one is smaller. */
extern void event_note_sealed_id(int64 id);

/* Who is asked for the greatest id in the log (0: none), as the tables' owner, once after the server's start. */
extern void event_set_id_source(int64 (*source)(void));

/* Which cluster and database the transaction ids of rows written here belong to. */
extern int32 event_origin(void);

/* The columns of a row, in the table's order. */
typedef enum EventColumn
{
	EVENT_COLUMN_ID,
	EVENT_COLUMN_TIME,
	EVENT_COLUMN_RECORDED_AT,
	EVENT_COLUMN_CLASS,
	EVENT_COLUMN_TYPE,
	EVENT_COLUMN_SEVERITY,
	EVENT_COLUMN_OUTCOME,
	EVENT_COLUMN_ACTION,
	EVENT_COLUMN_RESOURCE,
	EVENT_COLUMN_RECORD_ID,
	EVENT_COLUMN_SESSION_USER,
	EVENT_COLUMN_OUTER_USER,
	EVENT_COLUMN_EFFECTIVE_USER,
	EVENT_COLUMN_USER_ID,
	EVENT_COLUMN_USERNAME,
	EVENT_COLUMN_TENANT_ID,
	EVENT_COLUMN_TOKEN_ID,
	EVENT_COLUMN_CLIENT_ADDRESS,
	EVENT_COLUMN_APPLICATION_NAME,
	EVENT_COLUMN_REQUEST_ID,
	EVENT_COLUMN_XID,
	EVENT_COLUMN_APPLICATION_MADE,
	EVENT_COLUMN_DETAILS,
	EVENT_COLUMN_PID,
	EVENT_COLUMN_ORIGIN,
	EVENT_COLUMN_WRITER_XID,
	EVENT_COLUMN_ROW_COUNT,
	EVENT_COLUMN_ROWS,
	EVENT_COLUMNS
} EventColumn;

typedef struct EventRow
{
	Datum values[EVENT_COLUMNS];
	bool nulls[EVENT_COLUMNS];
} EventRow;

/* What event_emit() captures, details left out.  Its texts belong to the event and to this process: use them at once. */
extern void event_capture(const SecurityEvent *event, EventRecord *record);

/*
 * Fills a row in, in the current memory context; this transaction is its writer.  The id is left null where the record
 * has none, a bare row has neither details nor address.  Raises what the server says of those.
 */
extern void event_fill_row(const EventRecord *record, TimestampTz recorded_at, bool bare, EventRow *row);

/* ---- store.c: rows written past SQL, in the transaction that is running ---- */

typedef struct EventStore EventStore;

/* Opens where rows of a class lie now: the month's partition, or the overflow when there is none. */
extern EventStore *event_store_open(EventClass class);

/* When its rows say they were recorded. */
extern TimestampTz event_store_time(const EventStore *store);

/* Writes one; its recorded_at is the store's time. */
extern void event_store_insert(EventStore *store, EventRow *row);

extern void event_store_close(EventStore *store);

/* ---- guard.c: nobody edits the log ---- */

/* Lets this process's own code change the log's tables until the end of the transaction. */
extern void event_open_log(void);

/* The same for as long as the caller says, also when something is raised; returns how it was before. */
extern bool event_switch_log(bool is_open);

/* ---- follow.c: what the writer's process does besides ---- */

/*
 * A part above does a bounded piece of work, in transactions of its own, and says when to call it again: 0 for at once
 * (what waits in memory is written in between), DT_NOEND for not before somebody wakes it.  What it raises is logged
 * and tried again later.  It is not called while the server stops.
 */
typedef TimestampTz (*EventFollower)(void);

/* Adds one, at most EVENT_FOLLOWERS; from the init function of a part above. */
#define EVENT_FOLLOWERS 12
extern void event_add_follower(EventFollower follower);

/* For a follower: begins a transaction as the owner of the extension's tables, ready for SPI; and commits it. */
extern void event_begin_work(const char *activity);
extern void event_end_work(void);

/* In such a transaction: writes an event as a row, whose id it returns. */
extern int64 event_write(const SecurityEvent *event);

/* Has followers called within a second of this transaction's commit: it wrote rows.  Without preloading nobody follows. */
extern void event_wake_writer_at_commit(void);

/* ---- spool_check.c: what standbys write down, signed ---- */

/* The key that signs it, or the one that did before the master key was rotated; NULL where there is none. */
typedef HmacKey *(*EventSpoolKey)(bool previous);
extern void event_set_spool_key(EventSpoolKey source);

/* ---- written.c: that what the writer wrote is what is sealed ---- */

#define EVENT_WITNESS_SIZE 32

/* Makes a digest of a row, of which it is given the columns that it asks for (of "e"), as it is stored; false for none. */
typedef bool (*EventWitness)(HeapTuple tuple, TupleDesc shape, uint8 digest[EVENT_WITNESS_SIZE]);
extern void event_set_witness(const char *columns, EventWitness witness);

/*
 * For the follower that seals, in the writer's process: a round begins, which takes in all that was written so far; what
 * a row counts that it seals; whether, at the end of the round, with so much since the last commit, that is not what was
 * written; so much was committed, and whether the difference is in the log now.
 */
extern void event_sealing_begins(void);
extern uint64 event_sealing_mark(uint64 writer_xid, const uint8 digest[EVENT_WITNESS_SIZE]);
extern bool event_sealing_differs(uint64 sum);
extern void event_sealing_settle(uint64 sum, bool was_told);

/* ---- clock.c: that the wall clock was set ---- */

/* Less than this is none of it: clocks are corrected, and transactions take their time. */
#define EVENT_CLOCK_STEP_MS 60000

typedef struct EventClock
{
	int64 step;      /* by so many microseconds, back where it is negative */
	TimestampTz low; /* so early rows may say that they are; DT_NOEND: no earlier than what is known */
} EventClock;

/* For the follower that seals: what was noticed since the last time; false for nothing.  And that it is in the log. */
extern bool event_clock_was_set(EventClock *clock);
extern void event_clock_settle(const EventClock *clock);
/* An epoch of the log begins: how early it was before, under whichever log, is of no row of it. */
extern void event_clock_begin(void);

/* How often they are called at most while rows are being written. */
#define EVENT_FOLLOW_MS 1000

/* This database's events since the server started. */
typedef struct EventCounts
{
	uint64 emitted;
	uint64 written;
	uint64 dropped;
} EventCounts;
extern EventCounts event_counts(void);

#endif /* TSEC_EVENT_H */
