/*
 * state.c
 *		The one row that says how far the sealer is, read and written by it alone:
 *		it is written back only where it still is what was read.
 */
#include "ledger/private.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define XID8_ARRAY_OID 271 /* pg_type has no name for it */

static LedgerPlan read_plan = LEDGER_PLAN(
	"SELECT s.size, s.nodes, s.epoch, s.origin, s.timeline, s.snapshot, s.snapshot_at, s.target, s.target_at, "
	"s.done_xid, s.done_id, s.own_writers, s.sweep_id, s.sweep_again_at, s.heartbeat_at, s.refused_at "
	"FROM twin_internal.ledger_state s",
	InvalidOid);

#define STATE_COLUMNS 16
#define STATE_TYPES                                                                                               \
	INT8OID, BYTEAOID, INT4OID, INT4OID, INT4OID, PG_SNAPSHOTOID, TIMESTAMPTZOID, PG_SNAPSHOTOID, TIMESTAMPTZOID, \
		XID8OID, INT8OID, XID8_ARRAY_OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID

static LedgerPlan write_plan =
	LEDGER_PLAN("UPDATE twin_internal.ledger_state SET size = $1, nodes = $2, epoch = $3, origin = $4, timeline = "
				"$5, snapshot = $6, "
				"snapshot_at = $7, target = $8, target_at = $9, done_xid = $10, done_id = $11, own_writers = $12, "
				"sweep_id = $13, "
				"sweep_again_at = $14, heartbeat_at = $15, refused_at = $16 WHERE size = $17",
				STATE_TYPES, INT8OID);
static LedgerPlan insert_plan = LEDGER_PLAN(
	"INSERT INTO twin_internal.ledger_state (size, nodes, epoch, origin, timeline, snapshot, snapshot_at, target, "
	"target_at, done_xid, done_id, own_writers, sweep_id, sweep_again_at, heartbeat_at, refused_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
	STATE_TYPES);

/* Takes the nodes of the right edge; rebuilt from the tiles where somebody changed them. */
static void
take_edge(LedgerState *state, Bytes nodes)
{
	TileSet *set;

	memset(&state->edge, 0, sizeof(state->edge));
	state->edge.size = state->stored_size;
	if (nodes.length != (size_t) pg_popcount64(state->stored_size) * DIGEST_SIZE)
	{
		set = tile_new_set(false);
		base_check(tile_edge(set, state->stored_size, &state->edge));
		pfree(set);
		return;
	}
	for (int level = 0, i = 0; level < MERKLE_LEVELS_MAX; level++)
		if ((state->stored_size >> level & 1) != 0)
			memcpy(state->edge.nodes[level].bytes, nodes.data + (size_t) DIGEST_SIZE * i++, DIGEST_SIZE);
}

bool
state_read(LedgerState *state)
{
	bool null;
	Datum nodes;
	Datum value;

	memset(state, 0, sizeof(*state));
	plan_run(&read_plan, NULL, NULL, false, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	/* what it points to stays until the end of the transaction */
	state->stored_size = (uint64) DatumGetInt64(plan_value(0, 1, NULL)) & (uint64) PG_INT64_MAX;
	nodes = plan_value(0, 2, NULL);
	state->epoch = DatumGetInt32(plan_value(0, 3, NULL));
	state->origin = DatumGetInt32(plan_value(0, 4, NULL));
	state->timeline = DatumGetInt32(plan_value(0, 5, NULL));
	state->snapshot = plan_value(0, 6, NULL);
	state->snapshot_at = DatumGetTimestampTz(plan_value(0, 7, NULL));
	state->target = plan_value(0, 8, &null);
	state->has_target = !null;
	value = plan_value(0, 9, &null);
	state->target_at = null ? 0 : DatumGetTimestampTz(value);
	value = plan_value(0, 10, &null);
	state->done_xid = null ? 0 : U64FromFullTransactionId(DatumGetFullTransactionId(value));
	value = plan_value(0, 11, &null);
	state->done_id = null ? PG_INT64_MIN : DatumGetInt64(value);
	state->own_writers = plan_value(0, 12, NULL);
	value = plan_value(0, 13, &null);
	state->is_sweeping = !null;
	state->sweep_id = DatumGetInt64(value);
	value = plan_value(0, 14, &null);
	state->sweep_again_at = null ? 0 : DatumGetTimestampTz(value);
	state->heartbeat_at = DatumGetTimestampTz(plan_value(0, 15, NULL));
	value = plan_value(0, 16, &null);
	state->refused_at = null ? 0 : DatumGetTimestampTz(value);
	take_edge(state, plan_bytes(nodes));
	return true;
}

/* The row as parameters. */
static void
fill_values(const LedgerState *state, Datum *values, char *nulls)
{
	uint8 nodes[MERKLE_LEVELS_MAX * DIGEST_SIZE];
	size_t length = 0;

	for (int level = 0; level < MERKLE_LEVELS_MAX; level++)
		if ((state->edge.size >> level & 1) != 0)
		{
			memcpy(nodes + length, state->edge.nodes[level].bytes, DIGEST_SIZE);
			length += DIGEST_SIZE;
		}
	memset(nulls, ' ', STATE_COLUMNS);
	values[0] = Int64GetDatum((int64) state->edge.size);
	values[1] = plan_bytea(bytes_of(nodes, length));
	values[2] = Int32GetDatum(state->epoch);
	values[3] = Int32GetDatum(state->origin);
	values[4] = Int32GetDatum(state->timeline);
	values[5] = state->snapshot;
	values[6] = TimestampTzGetDatum(state->snapshot_at);
	values[7] = state->target;
	values[8] = TimestampTzGetDatum(state->target_at);
	values[9] = FullTransactionIdGetDatum(FullTransactionIdFromU64(state->done_xid));
	values[10] = Int64GetDatum(state->done_id);
	if (!state->has_target)
		nulls[7] = nulls[8] = nulls[9] = nulls[10] = 'n';
	values[11] = state->own_writers;
	values[12] = Int64GetDatum(state->sweep_id);
	nulls[12] = state->is_sweeping ? ' ' : 'n';
	values[13] = TimestampTzGetDatum(state->sweep_again_at);
	nulls[13] = state->sweep_again_at != 0 ? ' ' : 'n';
	values[14] = TimestampTzGetDatum(state->heartbeat_at);
	values[15] = TimestampTzGetDatum(state->refused_at);
	nulls[15] = state->refused_at != 0 ? ' ' : 'n';
}

void
state_write(LedgerState *state)
{
	Datum values[STATE_COLUMNS + 1];
	char nulls[STATE_COLUMNS + 2];

	fill_values(state, values, nulls);
	values[STATE_COLUMNS] = Int64GetDatum((int64) state->stored_size);
	nulls[STATE_COLUMNS] = ' ';
	plan_run(&write_plan, values, nulls, false, SPI_OK_UPDATE);
	if (SPI_processed != 1)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("the state of the audit log changed while events were being sealed")));
	state->stored_size = state->edge.size;
}

void
state_insert(LedgerState *state)
{
	Datum values[STATE_COLUMNS];
	char nulls[STATE_COLUMNS + 1];

	fill_values(state, values, nulls);
	plan_run(&insert_plan, values, nulls, false, SPI_OK_INSERT);
	state->stored_size = state->edge.size;
}
