/*
 * private.h
 *		What the files of the event part share among themselves.
 */
#ifndef TSEC_EVENT_PRIVATE_H
#define TSEC_EVENT_PRIVATE_H

#include "event/event.h"

#include "common/ring.h"

#include "port/atomics.h"

/* ---- area.c: the rings in shared memory ---- */

/* One database's ring and what is known about it.  Everything is atomic. */
typedef struct EventRing
{
	pg_atomic_uint32 database;     /* OID; 0 while nobody's */
	pg_atomic_uint32 reader;       /* process that alone may take events out; 0 while there is none */
	pg_atomic_uint64 reader_latch; /* its latch, 0 likewise */
	pg_atomic_uint64 emitted;      /* events that somebody wanted recorded */
	pg_atomic_uint64 written;
	pg_atomic_uint64 dropped;
	pg_atomic_uint64 reported; /* how many of these drops stand in the log */
	pg_atomic_uint64 retry_at; /* no writer is started before */
	pg_atomic_uint64
		absent_since; /* since when, of base_uptime_ms(), events wait for an extension that is not there */
	pg_atomic_uint64 maintain_at; /* when partitions are looked after next */
	pg_atomic_uint64 follow_at;   /* when followers are called next; 0: not before somebody wakes them */
	pg_atomic_uint32 failures;    /* writers started since one last did its work */
	pg_atomic_uint32 stumbles[EVENT_FOLLOWERS]; /* calls of a follower that failed since it was last done */
	pg_atomic_uint64 again_at[EVENT_FOLLOWERS]; /* such a one is not called before */
	pg_atomic_uint32 id_sequence;               /* of which last_id is */
	pg_atomic_uint32 written_table;             /* of which these sums are, see written.c */
	pg_atomic_uint64 written_from;              /* by transactions from this on; 0: by none yet */
	pg_atomic_uint64 written_sum;
	pg_atomic_uint64 round_sum;
	pg_atomic_uint64 sealed_sum;
	pg_atomic_uint64 last_id;       /* greatest id given; 0 while nobody knows */
	pg_atomic_uint64 waiting_since; /* the oldest event in the ring at the latest; 0: none */
	pg_atomic_uint64 served_at;     /* when a writer last did its work; 0: none has yet */
	pg_atomic_uint64 spooled;       /* events put into files, while this server was a standby */
	pg_atomic_uint64 clock_ahead;   /* the wall clock before the one that nobody sets, see clock.c */
	pg_atomic_uint64 clock_step;    /* it was set by so much, and nobody has told it yet */
	pg_atomic_uint64 clock_low;     /* the earliest that it was set to since somebody told */
} EventRing;

extern void area_init(void);
extern bool area_exists(void);
extern int area_count(void);
extern EventRing *area_ring(int index);   /* NULL for an index that is none */
extern Ring area_queue(EventRing *owner); /* its queue */

typedef struct Counted Counted;
extern Counted *area_counted(EventRing *owner); /* its events by kind */

/* The ring of a database, claimed for it when there is none yet; NULL when none is left. */
extern EventRing *area_ring_of(Oid database);
extern EventRing *area_find(Oid database); /* claims none */
/* A database's ring, remembered while it is still its own. */
extern EventRing *area_ring_for(Oid database);
extern EventRing *area_own(void); /* of this process's database, or of the cluster's where there is none */

/* How much of a ring an event may find taken: who can make many must not silence the rest by filling it. */
typedef enum EventShare
{
	SHARE_OWN,         /* all of it */
	SHARE_ANYBODY,     /* three quarters: each process makes few, see flood.c */
	SHARE_APPLICATION, /* half */
	SHARES
} EventShare;

/* Hands an encoded record to this process's database (or the cluster's, where there is none); counts what is refused. */
extern bool area_push(Bytes record, EventShare share);

/* Counts events of this process that could not even be handed over. */
extern void area_count_lost(uint64 count);

/* How much of this process's ring is taken, 0 to 1; 0 where it has none. */
extern double area_fill(void);
/* The same to the cluster's database. */
extern bool area_push_to_cluster(Bytes record, EventShare share);

/* Whether more than half of this process's ring is taken; how many events this process has pushed. */
extern bool area_is_crowded(void);
extern uint64 area_pushed(void);

/* Whether an application's event finds room, also when others come in between; if not, how far the writer has come. */
extern bool area_has_room(uint64 *taken_up_to);

/* Makes this process the ring's reader until it ends that (before it exits); false when there is another. */
extern bool area_become_reader(EventRing *ring);
extern void area_wake_reader(EventRing *ring);
extern void area_end_reading(EventRing *ring);

/* Whether this process reads its database's ring, and nobody else empties it. */
extern bool area_is_reader(void);

/* For the ring's reader: throws away all that was emitted so far, counted. */
extern void area_discard(EventRing *ring);

/* For the ring's reader: gives the ring of a database that is gone to whoever comes next. */
extern void area_release(EventRing *ring);

/* Who is woken when a ring without a reader gets an event; and the wake-up itself. */
extern void area_set_launcher(bool present);
extern void area_wake_launcher(void);

/* When the launcher last looked around, 0 where it is not there; notes that it does now. */
extern TimestampTz area_launcher_round(void);
extern void area_note_round(void);

/* Where events go that belong to no database. */
extern void area_set_cluster_database(Oid database);
extern Oid area_cluster_database(void);

/* Events dropped because no ring was left for their database and not told yet; notes that some were told. */
extern void area_count_homeless(void); /* one more; the launcher is woken for it, now and then */
extern uint64 area_homeless(void);
extern void area_note_homeless(uint64 reported);

/*
 * The writer in reserve says that it is there; which ring it is called to, -1 for none, and then it is not there any more.
 * The launcher calls it: false when it is busy, which it then knows that others wait for.
 */
extern void area_offer_reserve(void);
extern int area_reserve_ring(void);
extern bool area_call_reserve(int index);
extern bool area_reserve_is_asked(void);

/*
 * The process that puts a standby's events into files says that it is there.  Who asks it to finish its files is told a
 * number, 0 where it is not there; it finds the greatest that it was asked for, and says how far it has come.
 */
extern void area_offer_spooler(void);
extern uint64 area_ask_spooler(void);
extern uint64 area_spooler_asked(void);
extern void area_note_spooled(uint64 asked);
extern uint64 area_spooler_done(void);

/* Bytes that only processes of this server know. */
#define AREA_SECRET_SIZE 16
extern const uint8 *area_secret(void);

/* Since when something has been waiting in a ring, 0 for nothing; notes that the reader took some out. */
extern TimestampTz area_waiting_since(EventRing *ring);
extern void area_note_taken(EventRing *ring, TimestampTz rest_waits_since);

/* That an event told all drops up to so many (0: none did); it is itself an event that was emitted and written. */
extern void area_note_reported(EventRing *ring, uint64 drops);

/* ---- clock.c ---- */
extern void clock_begin(EventRing *ring);
extern void clock_look(EventRing *ring);

/* ---- counted.c: events by kind, of a ring's database ---- */

extern void counted_init(void);
extern Size counted_size(void);
extern void counted_begin(Counted *counted);  /* once, in new memory */
extern void counted_forget(Counted *counted); /* everything */
extern void counted_pushed(Counted *counted, Bytes encoded);
extern void counted_withheld(const SecurityEvent *event);

/* Of what is written as a row: once the transaction commits. */
extern void counted_record_at_end(const EventRecord *record);
extern void counted_row_at_end(EventClass class, const EventRow *row);

/* ---- id.c ---- */

/* Whether an id was given since the server started, or is known to be sealed. */
extern bool event_id_was_given(int64 id);

/* ---- written.c ---- */

/* Begins counting rows of a table, unless that has begun. */
extern void written_begin(EventRing *ring, Oid table);

/* What a row with such a digest adds to the sums. */
extern uint64 written_mark(const uint8 *digest);

/* ---- words.c ---- */

/* Whether a type is well formed; whether it is one that only the database itself may emit. */
extern bool words_valid_type(const char *type, size_t length);
extern bool words_reserved_type(const char *type);

/* ---- capture.c ---- */

/* Encodes an event with everything that is captured, into EVENT_RECORD_MAX bytes. */
extern size_t capture_event(const SecurityEvent *event, uint8 *record);

/* The name of the verified identity that acts, NULL where it has none; whether there is such an identity. */
extern const char *capture_verified_name(bool *is_verified);

/* The number of the user whom an event is about, as capture_event() takes it; 0 for none. */
extern int64 capture_user(const SecurityEvent *event);

/* ---- flood.c ---- */

/* Whether one more refusal of a type, of a user (0: nobody's), is recorded by this process; counts it when not. */
extern bool flood_allows(const char *type, int64 user_id);

/* ---- pending.c: records that wait for the end of their transaction, in memory that is bounded ---- */

/* A place among them. */
typedef struct PendingPlace
{
	uint64 position;
	uint64 number; /* records before it */
} PendingPlace;

/* For the current subtransaction; of no database: for the cluster's log.  May raise. */
extern void pending_add(Bytes record, bool of_no_database);
extern PendingPlace pending_end(void);

/* Where the records of a subtransaction and of its children begin. */
extern PendingPlace pending_of(SubTransactionId subtransaction);

/* Reads the record at a place into EVENT_RECORD_MAX bytes and goes on; false at the end, or when it cannot be read. */
extern bool pending_read(PendingPlace *place, uint8 *record, size_t *length, bool *of_no_database);

extern void pending_cut(PendingPlace end); /* forgets those from a place on */
extern void pending_give(SubTransactionId subtransaction, SubTransactionId parent);
extern void pending_forget(void);

/* ---- deferred.c ---- */

extern void deferred_init(void);

/* ---- slow.c ---- */

extern void slow_init(void);

/*
 * Waits until an application's event finds room, as long as the writer makes way: returns when it has not for a second.
 * Raises when the statement is cancelled.
 */
extern void slow_wait_for_room(void);

/*
 * Waits until the writer has given back all before a position of a ring, and takes the time from a patience in
 * milliseconds.  False once that is used up, the writer made no way for a second, or somebody ends the session or its
 * statement: then it is 0.
 */
extern bool slow_wait(Ring queue, uint64 position, int64 *patience_ms);

/* ---- redact.c ---- */

/* Takes secrets out of the server's log, when preloaded. */
extern void redact_init(void);

/* ---- launcher.c ---- */

extern void launcher_init(void);

/* ---- writer_batch.c ---- */

/* How far a writer is, beyond what the ring itself says. */
typedef struct Writer
{
	EventRing *ring;
	Ring queue;
	uint64 careful_until; /* up to here events are written one by one */
	uint64 stalled_at;    /* a position that somebody reserved and did not publish */
	uint64 stalled_limit; /* the ring's end when that was seen */
	int64 stalled_since;  /* of base_uptime_ms() */
	bool is_reserve;
	bool is_moving; /* rows of the overflow, and there are more */
	uint8 entry[RING_ENTRY_MAX];
} Writer;

/* A transaction of a worker, and what pg_stat_activity says of it. */
extern void writer_begin(const char *activity);
extern void writer_end(void);

extern bool writer_has_drops(const Writer *writer);

/* The record of an event that tells so many drops, in EVENT_RECORD_MAX bytes. */
extern Bytes writer_drops(uint64 count, uint8 *encoded);

/* Whether an error says that a row is not acceptable, rather than that nothing can be written now. */
extern bool writer_blames_row(int sqlstate);

/* Writes what there is; after a refusal one event at a time until the culprit is found. */
extern void writer_write_some(Writer *writer);

/* ---- writer.c ---- */

/* Registers the writer in reserve. */
extern void writer_init(void);

/* Waits of a ring whose writers fail: how long until the next. */
extern int64 launcher_delay_ms(uint32 failures);

/* Counts a writer that is started as one that fails, until it has done its work: nobody knows that it will.  When the next may be. */
extern TimestampTz launcher_note_start(EventRing *ring);

/* ---- follow.c ---- */

extern void follow_init(void);

/* Has a ring's followers called at a time, unless they are earlier. */
extern void follow_wake(EventRing *ring, TimestampTz at);

/* When they are due, DT_NOEND for not at all. */
extern TimestampTz follow_time(EventRing *ring);

/* How often they failed since they were last done, all together; forgets that. */
extern uint32 follow_stumbles(EventRing *ring);
extern void follow_forget(EventRing *ring);
extern void follow_hurry(EventRing *ring, TimestampTz now); /* has all of them called now */

/* In the writer, outside of a transaction: calls them if they are due; whether they were. */
extern bool follow_run(EventRing *ring);

/* ---- visit.c: for the launcher ---- */

/* Notes that a database is to be looked at once, whether it has followers' work to do. */
extern void visit_plan(Oid database);

/* Goes on with it; milliseconds until it must be called again. */
extern int64 visit_some(void);

/* ---- keep.c ---- */

/* In the postmaster, once the rings are laid out: takes in what waited at the last stop, and keeps it at the next. */
extern void keep_start(void);

/* ---- worker.c ---- */

/* For a worker of ours: what an administrator may have set must not keep events from being written. */
extern void worker_override_settings(void);

/* What each turn of such a process begins with: its latch, interrupts, and changed settings. */
extern void worker_begin_turn(void);

/* ---- store.c, guard.c ---- */

extern void store_init(void);
extern void guard_init(void);

/* Whether a table is one of the log's: has its guard. */
extern bool guard_is_log_table(Oid oid);

/* Whether this process's own code may change the log now; says that nobody else does. */
extern bool guard_is_open(void);
extern TSEC_NORETURN void guard_refuse(const char *table);

/* ---- guard_member.c ---- */

/* Raises when a command replaces or alters a function, a view or a schema of the extension. */
extern void guard_members(Node *command);

/* ---- guard_lock.c ---- */

extern void guard_lock_init(void);

/* ---- rows.c: for the writer, inside its transaction ---- */

typedef enum RowForm
{
	ROW_AS_IT_IS,
	ROW_ASIDE, /* into the overflow, past what somebody did to a partition */
	ROW_BARE,  /* there, without what the server may refuse: details and address */
	ROW_FORMS
} RowForm;

extern bool rows_ready(void);     /* whether the extension's tables are there */
extern void rows_announce(void);  /* that they will be, when this transaction commits */
extern bool rows_announced(void); /* whether somebody did, and has not ended */
extern Oid rows_table(void);      /* the table of events */
extern void rows_begin(void);     /* becomes the tables' owner */
extern void rows_end(void);       /* and is itself again */
extern uint64 rows_write(const EventRecord *record, RowForm form); /* what it adds to the sum of written rows */
extern TimestampTz rows_maintain(void);                            /* makes partitions; when to come again */

/* ---- partition.c ---- */

/* Whether a class of events has a partition for a time. */
extern bool partition_covers(const char *class_name, TimestampTz at);

#endif /* TSEC_EVENT_PRIVATE_H */
