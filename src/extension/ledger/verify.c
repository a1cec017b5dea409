/*
 * verify.c
 *		Whether the log is as it was sealed: rows against leaves, leaves against
 *		the tree's nodes, these against every signed checkpoint, and that no row is
 *		there that was never sealed.
 *
 * Nothing that the tables say is believed but what a signature covers.  The first
 * fault in the order of leaves is named; what comes after it is not looked at.
 */
#include "ledger/verification.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_verify_audit_log);

void
verification_fault(Verification *check, const char *reason)
{
	if (check->is_bad)
		return;
	check->is_bad = true;
	check->reason = reason;
}

void
verification_fault_of(Verification *check, int64 event_id, const char *reason)
{
	if (check->is_bad)
		return;
	verification_fault(check, reason);
	check->names_event = true;
	check->first_bad = event_id;
}

static bool
same_hash(const MerkleHash *one, const MerkleHash *other)
{
	return memcmp(one->bytes, other->bytes, DIGEST_SIZE) == 0; /* public: nodes of the tree */
}

/* ---- leaves ---- */

/* Who is right where a row and its leaf differ: what the newest checkpoint signed. */
static const char *
judge_difference(Verification *check, uint64 leaf, const MerkleHash *by_row)
{
	LedgerCheckpoint newest;
	LedgerEpoch epoch;
	Checkpoint signed_one;
	MerkleHash path[MERKLE_PROOF_MAX];
	int length;

	if (!checkpoint_newest(0, true, &newest) || newest.size <= leaf || newest.size > check->size)
		return "the event, or its leaf, is not what was sealed";
	if (epoch_find(newest.epoch, true, &epoch) && epoch.has_key &&
		key_verify(bytes_of(newest.note, strlen(newest.note)), epoch.public_key, &signed_one) &&
		signed_one.size == newest.size &&
		merkle_inclusion(leaf, newest.size, tile_source, check->set, path, &length) == TSEC_OK &&
		merkle_inclusion_holds(by_row, leaf, newest.size, path, length, &signed_one.root))
		return "the event's leaf was changed, the event was not";
	return "the event was changed";
}

/* Whether the nodes above a leaf that completes tiles are what their children make. */
static void
verify_nodes(Verification *check, uint64 leaf, int64 event_id)
{
	for (int level = 8; level < MERKLE_LEVELS_MAX; level += 8)
	{
		uint64 count = leaf + 1;
		uint64 index;
		MerkleHash left;
		MerkleHash right;
		MerkleHash made;
		MerkleHash stored;

		if ((count & (((uint64) 1 << level) - 1)) != 0)
			return;
		index = (count >> level) - 1;
		if (!tile_source(check->set, level - 1, 2 * index, &left) ||
			!tile_source(check->set, level - 1, 2 * index + 1, &right) ||
			!tile_source(check->set, level, index, &stored) || merkle_node(&left, &right, &made) != TSEC_OK ||
			!same_hash(&made, &stored))
		{
			verification_fault_of(check, event_id, "a node of the tree above the event was changed");
			return;
		}
	}
}

/* Clears up whether a row is back-dated, now that a later time is known. */
static void
judge_suspicion(Verification *check, TimestampTz now)
{
	if (check->suspicion != NULL && now >= check->mark_at)
		verification_fault_of(check, check->suspect, check->suspicion);
	check->suspicion = NULL;
}

/* A row whose transaction began after a heartbeat cannot have been recorded before it. */
static void
verify_time(Verification *check, const SealedRow *row)
{
	if (row->is_epoch)
	{
		check->suspicion = NULL;
		check->mark_xid = 0;
	}
	else if (check->mark_xid != 0 && row->writer_xid >= check->mark_xid &&
			 TimestampTzPlusMilliseconds(row->recorded_at, EVENT_CLOCK_STEP_MS) < check->mark_at &&
			 (check->suspicion == NULL || row->recorded_at < check->suspect_at))
	{
		check->suspect_at = row->recorded_at;
		check->suspect = row->record_id;
		check->suspicion = "the event says that it was recorded before its transaction began";
	}
	if (row->next_xid != 0)
	{
		/* where the clock was set back, no row is older than it was */
		if (check->suspicion != NULL && row->clock_low != DT_NOEND)
		{
			if (check->suspect_at < TimestampTzPlusMilliseconds(row->clock_low, -EVENT_CLOCK_STEP_MS))
				verification_fault_of(check, check->suspect, check->suspicion);
			check->suspicion = NULL;
		}
		judge_suspicion(check, row->recorded_at);
		check->mark_xid = row->next_xid;
		check->mark_at = row->recorded_at;
	}
}

/*
 * The least id of a row that was to be sealed and has no leaf; false for none.  Rows of other origins than the state's are to
 * be swept up, and nobody has come to it while the state itself is another database's, as a dump left it.
 */
static bool
find_unsealed(const Verification *check, int64 *event_id)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT min(e.event_id) FROM twin_internal.ledger_state l, " EVENT_ROWS " e "
					"LEFT JOIN twin_internal.sealed s ON s.record_id = e.event_id "
					"WHERE s.record_id IS NULL AND e.recorded_at BETWEEN $1 AND $2 "
					"AND CASE WHEN e.origin = l.origin THEN pg_visible_in_snapshot(e.writer_xid, l.snapshot) "
					"OR e.writer_xid >= pg_snapshot_xmax(pg_current_snapshot()) AND " /* who is seen has begun */
					"e.writer_xid IS DISTINCT FROM pg_current_xact_id_if_assigned() "
					"ELSE l.origin = $3 AND l.sweep_id IS NULL AND l.sweep_again_at IS NULL END",
					TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID);
	Datum values[] = {TimestampTzGetDatum(check->from), TimestampTzGetDatum(check->to),
					  Int32GetDatum(event_origin())};
	bool null;

	plan_run(&plan, values, NULL, true, SPI_OK_SELECT);
	*event_id = DatumGetInt64(plan_value(0, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	return !null;
}

/* The least id of a row whose leaves lie outside of the tree; false for none. */
static bool
find_misplaced(const Verification *check, int64 *event_id)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT min(s.record_id) FROM twin_internal.sealed s "
										 "WHERE s.first_leaf < 0 OR s.first_leaf + s.leaves > $1",
										 INT8OID);
	Datum values[] = {Int64GetDatum((int64) check->size)};
	bool null;

	plan_run(&plan, values, NULL, true, SPI_OK_SELECT);
	*event_id = DatumGetInt64(plan_value(0, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	return !null;
}

/* Leaves that belong to no row: if a row is there that has none, or has some elsewhere, it is that. */
static void
fault_hole(Verification *check)
{
	int64 event_id;

	if (find_unsealed(check, &event_id) || find_misplaced(check, &event_id))
		verification_fault_of(check, event_id, "the event's place in the tree was taken away");
	else
		verification_fault(check, psprintf("leaf " UINT64_FORMAT " belongs to no event any more", check->next));
}

/* Whether each leaf of a row is there, what the row makes of it if it is (NULL: it is not), and the nodes above it. */
static void
verify_row_leaves(Verification *check, const SealedRow *row, const MerkleHash *by_row)
{
	for (int i = 0; i < row->leaves && !check->is_bad; i++)
	{
		MerkleHash stored;

		if (!tile_source(check->set, 0, check->next, &stored))
			verification_fault_of(check, row->record_id + i, "the event's leaf is missing");
		else if (by_row != NULL && !same_hash(&by_row[i], &stored))
			verification_fault_of(check, row->record_id + i, judge_difference(check, check->next, &by_row[i]));
		else
			verify_nodes(check, check->next, row->record_id + i);
		check->next++;
	}
}

static void
verify_row(Verification *check, const Window *window, const SealedRow *row)
{
	bool is_there = row->seen > 0 || row->is_kept;

	if (row->first_leaf != (int64) check->next)
	{
		if (row->first_leaf > (int64) check->next)
			fault_hole(check);
		else
			verification_fault_of(check, row->record_id, "the event's place in the tree is another's");
		return;
	}
	if (row->seen == 0 &&
		(row->leaves < 1 || retired_find(check->retired, check->next, (uint64) row->leaves) == NULL))
		verification_fault_of(check, row->record_id, "the event was deleted");
	else if (row->seen > 1)
		verification_fault_of(check, row->record_id, "there are two events with this id");
	else if (is_there && row->made != row->leaves)
		verification_fault_of(check, row->record_id, "the event, or its place in the tree, was changed");
	verify_row_leaves(check, row, is_there ? &window->hashes[row->place] : NULL);
	if (is_there)
		verify_time(check, row);
	if (row->tells_altered)
		verification_fault_of(check, row->record_id,
							  "events before this heartbeat were changed, removed or added before they were sealed");
}

static void
verify_leaves(Verification *check)
{
	WindowReader *reader = window_open((int64) check->begin, (int64) check->end, false);
	const Window *window;

	check->next = check->begin;
	check->retired = retired_open((int64) check->begin, (int64) check->end);
	while (!check->is_bad && (window = window_next(reader)) != NULL)
		for (int i = 0; i < window->count && !check->is_bad; i++)
		{
			const SealedRow *row = &window->rows[i];

			/* the first row may begin before what is looked at; or end before it, where there is nothing to look at */
			if (check->next == check->begin && row->first_leaf < (int64) check->begin)
			{
				if (row->first_leaf + row->leaves <= (int64) check->begin)
					continue;
				check->begin = check->next = (uint64) Max(row->first_leaf, 0);
			}
			verify_row(check, window, row);
		}
	if (!check->is_bad)
		judge_suspicion(check, GetCurrentTimestamp());
	if (!check->is_bad && check->next < check->end)
		fault_hole(check);
	window_close(reader);
	if (!retired_close(check->retired))
		verification_fault(check, "what is said to be of a dropped partition is not what an event of the log says");
}

/* ---- what is looked at ---- */

/* Leaves of a time: from the checkpoint before it to the one after it, and in any case those of its rows. */
static void
choose_leaves(Verification *check)
{
	static LedgerPlan plan = LEDGER_PLAN(
		"SELECT least((SELECT max(c.size) FROM twin_internal.checkpoints_of_log c WHERE c.created_at <= $1), "
		"r.first), "
		"greatest((SELECT min(c.size) FROM twin_internal.checkpoints_of_log c WHERE c.created_at > $2), r.beyond) "
		"FROM (SELECT min(s.first_leaf) AS first, max(s.first_leaf + s.leaves) AS beyond "
		"FROM " EVENT_ROWS " e JOIN twin_internal.sealed s ON s.record_id = e.event_id "
		"WHERE e.recorded_at BETWEEN $1 AND $2) r",
		TIMESTAMPTZOID, TIMESTAMPTZOID);
	Datum values[] = {TimestampTzGetDatum(check->from), TimestampTzGetDatum(check->to)};
	bool null;
	Datum value;

	check->end = check->size;
	if (check->is_whole)
		return;
	plan_run(&plan, values, NULL, true, SPI_OK_SELECT);
	value = plan_value(0, 1, &null);
	check->begin = null || TIMESTAMP_IS_NOBEGIN(check->from) ? 0 : (uint64) Max(DatumGetInt64(value), 0);
	value = plan_value(0, 2, &null);
	if (!TIMESTAMP_IS_NOEND(check->to))
		check->end = null ? check->begin : Min((uint64) DatumGetInt64(value), check->size);
	check->begin = Min(check->begin, check->end);
	SPI_freetuptable(SPI_tuptable);
}

/* Reads the sealer's state, which the tree's nodes must bear out. */
static bool
read_state(Verification *check, int32 *epoch)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT s.size, s.nodes, s.epoch FROM twin_internal.ledger_state s", InvalidOid);
	MerkleEdge edge;
	Bytes nodes;
	size_t length = 0;

	plan_run(&plan, NULL, NULL, true, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	check->size = (uint64) Max(DatumGetInt64(plan_value(0, 1, NULL)), 0);
	nodes = plan_bytes(plan_value(0, 2, NULL));
	*epoch = DatumGetInt32(plan_value(0, 3, NULL));
	if (tile_edge(check->set, check->size, &edge) != TSEC_OK)
	{
		verification_fault(check, "nodes of the tree are missing");
		return true;
	}
	for (int level = 0; level < MERKLE_LEVELS_MAX; level++)
		if ((check->size >> level & 1) != 0)
		{
			MerkleHash stored = {{0}};

			if (length + DIGEST_SIZE <= nodes.length)
				memcpy(stored.bytes, nodes.data + length, DIGEST_SIZE);
			if (!same_hash(&edge.nodes[level], &stored))
				verification_fault(check, "the sealer's state is not that of the tree");
			length += DIGEST_SIZE;
		}
	return true;
}

static void
verify(Verification *check)
{
	Verification state_fault;
	const char *wrong;
	int64 event_id;
	int32 epoch;

	check->set = tile_new_set(true);
	if (!read_state(check, &epoch))
	{
		if (epoch_has_remains())
			verification_fault(check, "the sealer's state is gone, and there was a tree");
		return;
	}
	/* a fault of one event says more than one of the tree, so events come first */
	state_fault = *check;
	check->is_bad = false;
	choose_leaves(check);
	verify_leaves(check);
	if (!check->is_bad && find_unsealed(check, &event_id))
		verification_fault_of(check, event_id, "the event was never sealed: somebody put it there");
	if (!check->is_bad)
		verification_checkpoints(check);
	if (!check->is_bad && TIMESTAMP_IS_NOEND(check->to))
		verification_exported(check, epoch);
	if (!check->is_bad && check->is_whole && (wrong = epoch_contradiction(epoch, &event_id)) != NULL)
	{
		if (event_id != 0)
			verification_fault_of(check, event_id, wrong);
		else
			verification_fault(check, wrong);
	}
	for (epoch--; !check->is_bad && check->is_whole && verification_ended_on_request(epoch); epoch--)
		verification_exported(check, epoch);
	if (!check->is_bad && state_fault.is_bad)
		verification_fault(check, state_fault.reason);
}

/* verify_audit_log(from_time, to_time) -> (ok, checked, first_bad, reason) */
Datum
tsec_verify_audit_log(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Verification check = {.from = DT_NOBEGIN, .to = DT_NOEND};
	Datum values[4];
	bool nulls[4] = {false, false, true, true};

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0))
		check.from = PG_GETARG_TIMESTAMPTZ(0);
	if (!PG_ARGISNULL(1))
		check.to = PG_GETARG_TIMESTAMPTZ(1);
	check.is_whole = TIMESTAMP_IS_NOBEGIN(check.from) && TIMESTAMP_IS_NOEND(check.to);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	verify(&check);
	values[0] = BoolGetDatum(!check.is_bad);
	values[1] = Int64GetDatum((int64) (check.next - check.begin));
	values[2] = Int64GetDatum(check.first_bad);
	nulls[2] = !check.names_event;
	if (check.reason != NULL)
	{
		values[3] = CStringGetTextDatum(check.reason);
		nulls[3] = false;
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	SPI_finish();
	return (Datum) 0;
}
