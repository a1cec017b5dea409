/*
 * checkpoint.c
 *		Signed sizes and roots of the tree, for others to keep.
 *
 * A checkpoint is signed only for a tree that the one before it is a part of,
 * the one in the database and the one that was exported last.  Where it is not,
 * somebody rewrote the log, and a signature would vouch for that.
 *
 * NOTIFY takes a lock of the whole cluster when its transaction commits, and needs
 * room in a queue that any session can fill: so no checkpoint depends on it.
 */
#include "ledger/private.h"

#include "keyring/keyring.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define TELL_AGAIN_MS (60 * 60 * 1000)
#define EXPORT_AT_ONCE 1000

/* So many checkpoints are looked at for one that holds: days of them, in some seconds. */
#define CANDIDATES_MAX 50000

/* What this process signed in the transaction that is open, and the newest that has committed and was not told yet. */
static char signed_now[NOTE_SIZE_MAX] = "";
static char untold[NOTE_SIZE_MAX] = "";

bool
checkpoint_newest(int32 epoch, bool read_only, LedgerCheckpoint *checkpoint)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT c.size, c.epoch, c.root, c.created_at, c.note FROM twin_internal.checkpoints_of_log c "
					"WHERE $1 IN (0, c.epoch) ORDER BY c.size DESC LIMIT 1",
					INT4OID);
	Datum values[] = {Int32GetDatum(epoch)};
	Bytes root;

	memset(checkpoint, 0, sizeof(*checkpoint));
	plan_run(&plan, values, NULL, read_only, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	checkpoint->size = (uint64) DatumGetInt64(plan_value(0, 1, NULL));
	checkpoint->epoch = DatumGetInt32(plan_value(0, 2, NULL));
	root = plan_bytes(plan_value(0, 3, NULL));
	memcpy(checkpoint->root.bytes, root.data, Min(root.length, DIGEST_SIZE));
	checkpoint->created_at = DatumGetTimestampTz(plan_value(0, 4, NULL));
	checkpoint->note = TextDatumGetCString(plan_value(0, 5, NULL));
	return true;
}

static bool
same_hash(const MerkleHash *one, const MerkleHash *other)
{
	return memcmp(one->bytes, other->bytes, DIGEST_SIZE) == 0; /* public: roots of the tree */
}

/* Why a tree is not one that a note's is a part of; NULL when it is. */
static const char *
contradiction(const LedgerState *state, const char *note, const LedgerEpoch *epoch, TileSet *set)
{
	Checkpoint old;
	MerkleHash root;

	if (!key_verify(bytes_of(note, strlen(note)), epoch->public_key, &old) || strcmp(old.origin, epoch->origin) != 0)
		return "the checkpoint before is not signed by this log";
	if (old.size > state->edge.size)
		return "the tree is smaller than at the checkpoint before";
	if (merkle_root_at(old.size, tile_source, set, &root) != TSEC_OK || !same_hash(&root, &old.root))
		return "the tree is not the one of the checkpoint before";
	return NULL;
}

bool
checkpoint_newest_good(const LedgerState *state, LedgerCheckpoint *checkpoint)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT c.size, c.epoch, c.note FROM twin_internal.checkpoints c WHERE c.size <= $1 "
					"ORDER BY c.size DESC, c.epoch DESC LIMIT $2",
					INT8OID, INT4OID);
	Datum values[] = {Int64GetDatum((int64) state->edge.size), Int32GetDatum(CANDIDATES_MAX)};
	TileSet *set = tile_new_set(false);
	SPITupleTable *table;
	uint64 found;
	bool is_good = false;

	memset(checkpoint, 0, sizeof(*checkpoint));
	plan_run(&plan, values, NULL, false, SPI_OK_SELECT);
	table = SPI_tuptable;
	found = SPI_processed;
	for (uint64 i = 0; i < found && !is_good; i++)
	{
		LedgerEpoch epoch;
		bool null;

		CHECK_FOR_INTERRUPTS();
		checkpoint->size = (uint64) DatumGetInt64(SPI_getbinval(table->vals[i], table->tupdesc, 1, &null));
		checkpoint->epoch = DatumGetInt32(SPI_getbinval(table->vals[i], table->tupdesc, 2, &null));
		checkpoint->note = TextDatumGetCString(SPI_getbinval(table->vals[i], table->tupdesc, 3, &null));
		is_good = epoch_find(checkpoint->epoch, false, &epoch) && epoch.has_key &&
				  contradiction(state, checkpoint->note, &epoch, set) == NULL;
	}
	pfree(set);
	return is_good;
}

/* The same of all that is known of this epoch. */
static const char *
any_contradiction(const LedgerState *state, const LedgerEpoch *epoch)
{
	TileSet *set = tile_new_set(false);
	LedgerCheckpoint last;
	MerkleHash by_edge;
	MerkleHash by_tiles;
	char exported[NOTE_SIZE_MAX];
	const char *reason = NULL;

	base_check(merkle_root(&state->edge, &by_edge));
	if (merkle_root_at(state->edge.size, tile_source, set, &by_tiles) != TSEC_OK || !same_hash(&by_edge, &by_tiles))
		reason = "the tree's nodes are not those that were sealed";
	if (reason == NULL && epoch->has_key && checkpoint_newest(state->epoch, false, &last))
		reason = contradiction(state, last.note, epoch, set);
	if (reason == NULL && epoch->has_key && export_note_wanted())
	{
		export_note_newest(epoch->origin, exported);
		if (exported[0] != '\0')
			reason = contradiction(state, exported, epoch, set);
	}
	pfree(set);
	return reason;
}

/* Tells that a checkpoint was refused, once in a while. */
static void
tell_refusal(LedgerState *state, const char *reason)
{
	char details[256] = "";
	SecurityEvent event = {.type = "integrity_failure",
						   .severity = EVENT_CRITICAL,
						   .outcome = EVENT_FAILURE,
						   .resource = "audit log",
						   .action = "checkpoint",
						   .details = details};

	if (state->refused_at != 0 && !base_has_come(TimestampTzPlusMilliseconds(state->refused_at, TELL_AGAIN_MS),
												 TELL_AGAIN_MS + EVENT_CLOCK_STEP_MS))
		return;
	ereport(LOG, (errmsg("no checkpoint of the audit log is signed: %s", reason),
				  errdetail("Somebody changed what was sealed, or the state of the sealer."),
				  errhint("Compare with the checkpoints that were exported; see twin.verify_audit_log().")));
	(void) event_json_add(details, sizeof(details), "reason", reason);
	(void) event_emit(&event);
	state->refused_at = GetCurrentTimestamp();
	state_write(state);
}

/* Signs the tree as it is; without an ENCRYPTION_KEY it stays unsigned, which heartbeats say. */
static void
sign(const LedgerState *state, LedgerEpoch *epoch)
{
	static LedgerPlan insert_plan = LEDGER_PLAN(
		"INSERT INTO twin_internal.checkpoints (size, epoch, root, note, created_at) VALUES ($1, $2, $3, $4, $5)",
		INT8OID, INT4OID, BYTEAOID, BYTEAOID, TIMESTAMPTZOID);
	Checkpoint checkpoint = {.size = state->edge.size};
	char text[NOTE_SIZE_MAX];
	Datum values[5];
	Status status;

	strlcpy(checkpoint.origin, epoch->origin, sizeof(checkpoint.origin));
	base_check(merkle_root(&state->edge, &checkpoint.root));
	status = key_sign(state->epoch, epoch, &checkpoint, text);
	if (status == TSEC_KEYRING_TAMPERED || status == TSEC_WRONG_KEY)
		base_throw_detail(status, "It is the key that signs checkpoints of the audit log.");
	if (status != TSEC_OK)
		return;
	values[0] = Int64GetDatum((int64) checkpoint.size);
	values[1] = Int32GetDatum(state->epoch);
	values[2] = plan_bytea(bytes_of(checkpoint.root.bytes, DIGEST_SIZE));
	values[3] = CStringGetTextDatum(text);
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	plan_run(&insert_plan, values, NULL, false, SPI_OK_INSERT);
	strlcpy(signed_now, text, sizeof(signed_now));
}

/* Makes a checkpoint if the tree grew and it is time; when to come again. */
static TimestampTz
make_if_due(LedgerState *state)
{
	TimestampTz due = 0;
	LedgerCheckpoint last;
	LedgerEpoch epoch;
	const char *reason;

	if (checkpoint_newest(0, false, &last))
	{
		if (last.size == state->edge.size && last.epoch == state->epoch)
			return DT_NOEND;
		due = TimestampTzPlusMilliseconds(last.created_at, (int64) setting_checkpoint_interval * 1000);
		/* a clock that was set back makes nobody wait for longer */
		if (due > GetCurrentTimestamp() && last.created_at <= GetCurrentTimestamp())
			return due;
	}
	epoch_read(state->epoch, false, &epoch);
	reason = any_contradiction(state, &epoch);
	if (reason != NULL)
	{
		tell_refusal(state, reason);
		return DT_NOEND;
	}
	sign(state, &epoch);
	if (state->refused_at != 0)
	{
		state->refused_at = 0;
		state_write(state);
	}
	return DT_NOEND;
}

/* Writes the files of what was not exported yet, the oldest first. */
static void
export_new(const LedgerState *state)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT c.size, c.created_at, c.note FROM twin_internal.checkpoints c "
										 "WHERE c.epoch = $1 AND c.size > $2 ORDER BY c.size LIMIT $3",
										 INT4OID, INT8OID, INT4OID);
	char newest[NOTE_SIZE_MAX];
	Checkpoint exported = {.size = 0};
	LedgerEpoch epoch;
	Datum values[3];

	if (!export_note_wanted())
		return;
	epoch_read(state->epoch, false, &epoch);
	export_note_newest(epoch.origin, newest);
	if (newest[0] != '\0' && !key_verify(bytes_of(newest, strlen(newest)), epoch.public_key, &exported))
		return; /* no checkpoint is signed until somebody looked at that */
	values[0] = Int32GetDatum(state->epoch);
	values[1] = Int64GetDatum((int64) exported.size);
	values[2] = Int32GetDatum(EXPORT_AT_ONCE);
	plan_run(&plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
		if (!export_note_write(epoch.origin, (uint64) DatumGetInt64(plan_value(i, 1, NULL)),
							   DatumGetTimestampTz(plan_value(i, 2, NULL)),
							   TextDatumGetCString(plan_value(i, 3, NULL))))
			return;
}

TimestampTz
checkpoint_step(void)
{
	LedgerState state;
	TimestampTz next = DT_NOEND;

	signed_now[0] = '\0';
	event_begin_work("signing a checkpoint of the audit log");
	if (state_read(&state))
		next = make_if_due(&state);
	event_end_work();
	if (signed_now[0] != '\0')
		strlcpy(untold, signed_now, sizeof(untold));
	/* only what has committed leaves the database */
	event_begin_work("exporting checkpoints of the audit log");
	if (state_read(&state))
		export_new(&state);
	event_end_work();
	return next;
}

TimestampTz
checkpoint_tell(void)
{
	/* asking for its fill gives back what of the queue was read */
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT pg_notify('twin_audit_checkpoint', $1) FROM pg_notification_queue_usage()", TEXTOID);
	Datum note;

	if (untold[0] == '\0')
		return DT_NOEND;
	event_begin_work("telling of a checkpoint of the audit log");
	note = CStringGetTextDatum(untold);
	plan_run(&plan, &note, NULL, false, SPI_OK_SELECT);
	event_end_work();
	untold[0] = '\0';
	return DT_NOEND;
}
