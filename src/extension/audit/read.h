/*
 * read.h
 *		What the files share that account for reads of audited tables and for
 *		decryptions.
 *
 * Everything that is counted goes through read_tally.c's table of events to come,
 * which a signal handler empties too: so what it may meet half done is done
 * between tally_hold() and tally_release(), and raises nothing there.
 */
#ifndef TSEC_AUDIT_READ_H
#define TSEC_AUDIT_READ_H

#include "audit/private.h"

#include "executor/execdesc.h"
#include "tcop/cmdtag.h"

/* ---- read_table.c ---- */

extern void read_table_init(void);

/* The table whose reads are recorded and that a relation's rows count for; InvalidOid for none.  May read the catalog. */
extern Oid read_table_of(Oid relation);

/* ---- read_record.c: what will be an event, captured when it begins ---- */

#define READ_RECORD_MAX 1792

typedef struct ReadRecord
{
	TimestampTz since;
	size_t length; /* 0: nothing was captured */
	uint8 bytes[READ_RECORD_MAX];
} ReadRecord;

/* Captures a reading of a table by the rights of a role (InvalidOid: the current one).  May read the catalog. */
extern void record_of_read(ReadRecord *record, Oid table, Oid as_role, CommandTag tag);

/* Captures who opens values, of a key that is said later.  Raises nothing. */
extern void record_of_opener(ReadRecord *record);

/* What he opened under a key, in a kind of statement. */
extern void record_of_opening(ReadRecord *record, const ReadRecord *opener, const char *key_name, CommandTag tag);

/* Says that a reading ended in an error. */
extern void record_set_failed(ReadRecord *record);

/* ---- read_tally.c ---- */

typedef enum TallyMoment
{
	TALLY_STATEMENT_ENDED,
	TALLY_TIME_PASSED,
	TALLY_PROCESS_ENDS
} TallyMoment;

/* What was counted of a statement. */
typedef struct ReadCount
{
	uint64 query_id;   /* 0: none */
	uint64 statements; /* 0: of one that goes on */
	uint64 rows;
	uint64 filtered;
	uint64 values;
	int version; /* of the key that values lay under */
} ReadCount;

extern void tally_hold(void);
extern void tally_release(void);

/* Adds what was counted to the event that a record will be. */
extern void tally_add(const ReadRecord *record, const ReadCount *count);

/* Tells the events that are due. */
extern void tally_flush(TallyMoment moment);

/* Has tally_tick() called within TALLY_TICK_MS, unless that is arranged already. */
#define TALLY_TICK_MS 1500
extern void tally_arrange_tick(void);

/* What tally_tick() asks: adds what was counted since; whether it wants to be asked again. */
typedef bool (*TallySource)(void);
extern void tally_init(TallySource source);

/* ---- read_plan.c ---- */

/* Whether a query touches a table whose reads are recorded. */
extern bool query_concerns(const QueryDesc *query);

/* ---- read_query.c: rows that running queries have read ---- */

/* Begins and ends to count the rows of one that does, and that counts its nodes' rows. */
extern void query_begin(QueryDesc *query, CommandTag tag, uint64 query_id);
extern void query_end(QueryDesc *query);

/* Around what may fail: whether a query that goes without an end has failed. */
extern void query_runs(QueryDesc *query, bool runs);

extern bool query_any(void);
extern void query_count_all(void); /* what they have read so far */
extern void query_end_all(void);   /* the transaction was rolled back */

/* ---- read_open.c: values opened ---- */

extern void open_init(void);

/* Adds what was opened since; in a signal handler also while a statement goes on. */
extern void open_count(bool in_handler);

/* Adds what parallel workers that have ended opened. */
extern void open_count_workers(void);

/* ---- read_worker.c: what parallel workers tell their leader ---- */

typedef enum WorkerKind
{
	WORKER_OPENS,
	WORKER_ROWS,
	WORKER_KINDS
} WorkerKind;

typedef struct WorkerCount
{
	uint32 id; /* of the key's version, or the table's OID */
	const char *name;
	int version;
	uint64 count;
	uint64 filtered;
} WorkerCount;

extern void worker_init(void);

/* In a worker: adds to what its leader will find; false where there is no room. */
extern bool worker_tell(WorkerKind kind, const WorkerCount *count);

/* In a leader: takes what its workers told, once they have ended. */
typedef void (*WorkerVisitor)(void *argument, const WorkerCount *count);
extern void worker_take(WorkerKind kind, WorkerVisitor visitor, void *argument);

/* ---- read_copy.c: COPY table TO, which runs no query ---- */

typedef struct CopyRead CopyRead;

/* Begins to count where a statement is such a COPY of a table whose reads are recorded; else NULL. */
extern CopyRead *copy_begin(Node *statement, uint64 query_id);
extern void copy_end(CopyRead *copy, const QueryCompletion *completion); /* NULL: it failed */
extern void copy_count(void);                                            /* what it has read so far */

/* ---- read.c ---- */

extern void read_init(void);

/* The statement that the client sent, as far as it is known. */
extern CommandTag read_statement_tag(void);
extern uint64 read_statement_query_id(void);

#endif /* TSEC_AUDIT_READ_H */
