/*
 * private.h
 *		What the files of the ledger share among themselves.
 *
 * All but the SQL functions run in the event writer's process, in a transaction
 * that event_begin_work() began: as the tables' owner, connected to SPI.
 */
#ifndef TSEC_LEDGER_PRIVATE_H
#define TSEC_LEDGER_PRIVATE_H

#include "ledger/ledger.h"

#include "common/leaf.h"
#include "common/merkle.h"
#include "common/note.h"

#include "executor/spi.h"

/* ---- plan.c: statements, prepared once in a process ---- */

typedef struct LedgerPlan
{
	const char *sql;
	Oid types[20]; /* of parameters, up to InvalidOid */
	SPIPlanPtr kept;
} LedgerPlan;

#define LEDGER_PLAN(text, ...)                  \
	{                                           \
		.sql = (text), .types = { __VA_ARGS__ } \
	}

/* Runs one with all parameters given; nulls may be NULL.  Raises unless the answer is this SPI code. */
extern void plan_run(LedgerPlan *plan, Datum *values, const char *nulls, bool read_only, int expected);

/* Opens a cursor on one. */
extern Portal plan_open(LedgerPlan *plan, Datum *values, const char *nulls, bool read_only);

/* A value of a row of SPI_tuptable, null as 0; it must not be null where is_null is NULL. */
extern Datum plan_value(uint64 row, int column, bool *is_null);

extern Datum plan_bytea(Bytes bytes);
extern Bytes plan_bytes(Datum bytea_value);

/* ---- row.c: rows of events as leaves ---- */

/* Where they lie: not the view event_rows, which somebody could make another. */
#define EVENT_ROWS "(TABLE twin_internal.events UNION ALL TABLE ONLY twin_internal.events_overflow)"

/* Columns that row_leaves() wants, in its order. */
#define ROW_COLUMN_LIST                                                                                        \
	"e.event_id, e.event_time, e.recorded_at, e.row_count, e.user_id, e.tenant_id, e.xid, e.pid, "             \
	"e.application_made, "                                                                                     \
	"e.class, e.event_type, e.severity, e.outcome, e.action, e.resource, e.record_id, e.session_user_name, "   \
	"e.outer_user_name, e.effective_user_name, e.username, e.token_id, e.client_address, e.application_name, " \
	"e.request_id, e.details, e.rows"
#define ROW_COLUMNS 26
#define ROW_XID_COLUMN 7 /* their places, from 1 on */
#define ROW_TYPE_COLUMN 11

/* Told of each event of a row: its number in it, its canonical bytes (good until the next one) and what they say. */
typedef void (*RowVisitor)(void *argument, int number, const Leaf *leaf, Bytes bytes);

/* Visits a row's events and returns how many they are.  What it allocates is the current memory context's. */
extern int row_leaves(HeapTuple tuple, TupleDesc shape, RowVisitor visitor, void *argument);

extern int64 row_id(HeapTuple tuple, TupleDesc shape);

/* About how many leaves and bytes a row is, without making them. */
extern void row_estimate(HeapTuple tuple, TupleDesc shape, int64 *leaves, int64 *bytes);

/* ---- witness.c: rows that the writer of events wrote, against those that are sealed ---- */

extern void witness_init(void);

/* What a row of this origin adds to the sum of sealed ones: 0 for one that a session wrote in its own transaction. */
extern uint64 witness_mark(HeapTuple tuple, TupleDesc shape, uint64 writer_xid, const MerkleHash *leaf);

/* ---- tile.c: nodes as they are stored ---- */

#define TILE_LEVELS 8 /* levels 0, 8, ... 56 of the tree */
#define TILE_HASHES_SIZE (MERKLE_TILE_WIDTH * DIGEST_SIZE)

typedef struct Tile
{
	int64 number; /* -1: none */
	int count;    /* nodes in it */
	bool is_new;  /* and not written */
	uint8 hashes[TILE_HASHES_SIZE];
} Tile;

/* The tiles of each level that are being filled, or were read last. */
typedef struct TileSet
{
	bool read_only; /* as the statement sees them that asks, not as this transaction left them */
	Tile tiles[TILE_LEVELS];
} TileSet;

extern TileSet *tile_new_set(bool read_only);

/* For merkle_append(): keeps a new node; full tiles are written.  The argument is a TileSet. */
extern void tile_keep(void *argument, int level, uint64_t index, const MerkleHash *node);

/* Writes what is not written. */
extern void tile_flush(TileSet *set);

/* For roots and proofs: finds a node, or makes it out of stored ones.  The argument is a TileSet. */
extern bool tile_source(void *argument, int level, uint64_t index, MerkleHash *node);

/* The right edge of a tree, from its tiles.  TSEC_TREE_INCOMPLETE: they are not all there. */
extern Status tile_edge(TileSet *set, uint64 size, MerkleEdge *edge);

/* ---- state.c: how far the sealer is ---- */

typedef struct LedgerState
{
	MerkleEdge edge;
	int32 epoch;
	int32 origin;
	int32 timeline;
	Datum snapshot; /* pg_snapshot */
	TimestampTz snapshot_at;
	bool has_target;
	Datum target;
	TimestampTz target_at;
	uint64 done_xid;
	int64 done_id;
	Datum own_writers; /* xid8[] */
	bool is_sweeping;
	int64 sweep_id;
	TimestampTz sweep_again_at; /* 0: not */
	TimestampTz heartbeat_at;
	TimestampTz refused_at; /* 0: never */
	uint64 stored_size;     /* as it was read, for writing it back */
	/* not stored */
	uint64 sealed_sum; /* of the writer's rows that this transaction sealed, see written.c of events */
	bool is_altered;   /* what the round sealed is not what the writer wrote */
} LedgerState;

/* Reads it; false when there is none yet. */
extern bool state_read(LedgerState *state);
extern void state_write(LedgerState *state);
extern void state_insert(LedgerState *state);

/* ---- seal.c ---- */

/* Most leaves, and bytes of rows, that are sealed in one transaction; a row is sealed as a whole. */
#define SEAL_LEAVES_MAX 10000
#define SEAL_BYTES_MAX (16 * 1024 * 1024)

/* Seals some of what is new.  True when there may be more; *sealed counts leaves. */
extern bool seal_some(LedgerState *state, uint64 *sealed);

/* Seals some of what other origins left; as above. */
extern bool seal_sweep(LedgerState *state, uint64 *sealed);

/* Writes an event and seals it at once; the state is not written. */
extern void seal_event(LedgerState *state, const SecurityEvent *event);

/* Tells, when the transaction has committed, of rows that cannot be sealed because their ids are. */
extern void seal_tell_duplicates(void);

/* ---- epoch.c ---- */

/* Reads the state, and begins an epoch where one is due.  False: this database has none yet, and must wait for a restore. */
extern bool epoch_enter(LedgerState *state);

/* The words of SQL that give when an epoch began as its leaf says it: to the microsecond, in UTC. */
#define EPOCH_BEGAN_AT(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* Origin and public key (has_key) of an epoch. */
typedef struct LedgerEpoch
{
	char origin[NOTE_ORIGIN_MAX + 1];
	bool has_key;
	uint8 public_key[NOTE_PUBLIC_SIZE];
	int64 first_leaf;
} LedgerEpoch;
extern bool epoch_find(int32 number, bool read_only, LedgerEpoch *epoch); /* false, without a key: there is none */
extern void epoch_read(int32 number, bool read_only, LedgerEpoch *epoch);

/* ---- request.c: a new epoch because somebody asks for it ---- */

typedef struct EpochRequest
{
	const char *reason;
	const char *requested_by;
} EpochRequest;

/* Whether somebody asked that an epoch end. */
extern bool request_find(int32 epoch, EpochRequest *request);

/* Forgets that, and tells why it cannot be. */
extern void request_refuse(int32 epoch, const char *reason);

/* A restore is given so long; what it brings later than that is looked for once more. */
#define RESTORE_MS (60 * 60 * 1000)

/* ---- heartbeat.c ---- */

/* Whether one is due; is_growing says that something was sealed since. */
extern bool heartbeat_due(const LedgerState *state, bool is_growing);

/* Beats; where the clock had been set back since the last one, to where it was, else DT_NOEND. */
extern void heartbeat_beat(LedgerState *state, TimestampTz clock_low);

/* Whether a time lies so far before the last heartbeat that a clock which is corrected is no reason. */
extern bool heartbeat_is_behind(const LedgerState *state, TimestampTz at);

/* When one is due at the latest. */
extern TimestampTz heartbeat_next(const LedgerState *state);

/* ---- key.c ---- */

/* note_verify(), which raises 53200 where there was no memory for it: that is no forgery. */
extern bool key_verify(Bytes note, const uint8 public_key[NOTE_PUBLIC_SIZE], Checkpoint *checkpoint);

/* Signs in the name of an epoch, whose key is made if it has none.  TSEC_KEY_MISSING and so on: nothing can be signed. */
extern Status key_sign(int32 number, LedgerEpoch *epoch, const Checkpoint *checkpoint, char text[NOTE_SIZE_MAX]);

/* ---- checkpoint.c ---- */

/* Makes one if it is due, in a transaction of its own, and exports what was not exported.  When the next will be due. */
extern TimestampTz checkpoint_step(void);

/* A follower: tells who listens of the newest checkpoint; one that could not be told before another came is not told. */
extern TimestampTz checkpoint_tell(void);

/* The newest one of all, or of an epoch (0: of any); false when there is none. */
typedef struct LedgerCheckpoint
{
	uint64 size;
	int32 epoch;
	MerkleHash root;
	TimestampTz created_at;
	const char *note;
} LedgerCheckpoint;
extern bool checkpoint_newest(int32 epoch, bool read_only, LedgerCheckpoint *checkpoint);

/* The newest one that is signed by its epoch and that this tree goes on from; false when there is none. */
extern bool checkpoint_newest_good(const LedgerState *state, LedgerCheckpoint *checkpoint);

/* ---- export_note.c: files for others to keep ---- */

/* Whether a folder was named and may be used; says in the log why not. */
extern bool export_note_wanted(void);

/* Size of the newest checkpoint exported of a log, 0 if none; its text into note, "" if none. */
extern void export_note_newest(const char *origin, char note[NOTE_SIZE_MAX]);

/* Writes one; false when it could not be, which the log says. */
extern bool export_note_write(const char *origin, uint64 size, TimestampTz created_at, const char *note);

/* ---- retired.c: leaves of partitions that were dropped ---- */

/* Leaves that an event says were dropped. */
typedef struct RetiredSet
{
	int64 event_id;
	Bytes event; /* its leaf's bytes */
	bool is_sealed;
	uint64 event_leaf; /* where it is, then */
	Bytes bytes;       /* the set, as leafset.h writes it */
} RetiredSet;

typedef struct RetiredReader RetiredReader;

/* Reads the sets that leaves from first to before end are in.  Only within a statement that reads. */
extern RetiredReader *retired_open(int64 first, int64 end);

/* The set that these leaves are in, all of them; NULL: none.  Asked for ascending leaves; good until it is asked again. */
extern const RetiredSet *retired_find(RetiredReader *reader, uint64 first, uint64 leaves);

/* Instead: the next set, good until the next is asked for; NULL at the end. */
extern const RetiredSet *retired_next(RetiredReader *reader);

/* Reads the others, too; false when one was among them all that no event of the log tells of so. */
extern bool retired_close(RetiredReader *reader);

/* ---- partition.c: rows of one partition in the order of their leaves ---- */

/* Columns that partition_open() reads, which are null where a row is not sealed: those come first. */
enum
{
	PARTITION_RECORD_ID = 1,
	PARTITION_FIRST_LEAF,
	PARTITION_LEAVES
};

/* A cursor on them that goes forward and backward; the partition's name as SQL writes it. */
extern Portal partition_open(const char *partition);

/* Counts them, and those that are not sealed, and says where the others lie; the cursor is at its beginning again. */
extern uint64 partition_survey(Portal portal, int64 *first_leaf, int64 *last_leaf, uint64 *waiting);

/* ---- window.c: sealed rows in the order of their leaves, some at a time ---- */

/* A row of twin_internal.sealed, and what the row of events with its id says today. */
typedef struct SealedRow
{
	int64 record_id;
	int64 first_leaf;
	int32 leaves;
	int seen;        /* rows with that id */
	bool is_visited; /* what follows is known */
	bool is_kept;    /* there is no such row, but a copy of it */
	int made;        /* leaves that the first of them makes */
	int place;       /* of its leaves in the window */
	TimestampTz recorded_at;
	uint64 writer_xid;
	uint64 next_xid;       /* of a heartbeat, else 0 */
	TimestampTz clock_low; /* a heartbeat that says how far the clock had been set back; else DT_NOEND */
	bool is_epoch;
	bool tells_altered; /* a heartbeat that says so of what is before it */
} SealedRow;

typedef struct Window
{
	SealedRow *rows; /* by leaf */
	int count;
	MerkleHash *hashes; /* of the leaves that today's rows make */
	Bytes *leaves;      /* these themselves, where they are wanted */
} Window;

typedef struct WindowReader WindowReader;

/* Reads the rows that the leaves from first to before end belong to.  Only within a statement that reads. */
extern WindowReader *window_open(int64 first, int64 end, bool wants_leaves);

/* The same of the rows of one partition, all of which are sealed, with their leaves; what partition_open() gave is closed with it. */
extern WindowReader *window_open_partition(const char *partition, Portal sealed);

/* The next ones, good until it is called again; NULL at the end. */
extern const Window *window_next(WindowReader *reader);
extern void window_close(WindowReader *reader);

#endif /* TSEC_LEDGER_PRIVATE_H */
