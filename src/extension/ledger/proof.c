/*
 * proof.c
 *		What auditors ask for in SQL: leaves, proofs, the key.
 *
 * They read with the snapshot of the statement that asks, so that a proof and
 * the checkpoint beside it are of one moment.
 */
#include "ledger/private.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_audit_leaves);
PG_FUNCTION_INFO_V1(tsec_audit_public_key);
PG_FUNCTION_INFO_V1(tsec_inclusion_proof);
PG_FUNCTION_INFO_V1(tsec_consistency_proof);

static void
connect_spi(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
}

/* Leaves of the tree as it is now. */
static uint64
tree_size(void)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT s.size FROM twin_internal.ledger_state s", InvalidOid);

	plan_run(&plan, NULL, NULL, true, SPI_OK_SELECT);
	return SPI_processed == 0 ? 0 : (uint64) DatumGetInt64(plan_value(0, 1, NULL));
}

/* audit_leaves(first_index, last_index) -> (leaf_index, event_id, leaf) */
Datum
tsec_audit_leaves(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int64 first = Max(PG_GETARG_INT64(0), 0);
	int64 last = PG_GETARG_INT64(1);
	WindowReader *reader;
	const Window *window;

	InitMaterializedSRF(fcinfo, 0);
	if (last < first || last == PG_INT64_MAX)
		last = last < first ? first - 1 : PG_INT64_MAX - 1;
	connect_spi();
	reader = window_open(first, last + 1, true);
	while ((window = window_next(reader)) != NULL)
		for (int i = 0; i < window->count; i++)
		{
			const SealedRow *row = &window->rows[i];

			for (int j = 0; j < Min(row->leaves, EVENT_ID_STEP); j++)
			{
				Bytes leaf = window->leaves[row->place + j];
				Datum values[] = {Int64GetDatum(row->first_leaf + j), Int64GetDatum(row->record_id + j), (Datum) 0};
				bool nulls[] = {false, false, leaf.data == NULL};

				if (row->first_leaf + j < first || row->first_leaf + j > last)
					continue;
				if (leaf.data != NULL)
					values[2] = plan_bytea(leaf);
				tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
				if (leaf.data != NULL)
					pfree(DatumGetPointer(values[2]));
			}
		}
	window_close(reader);
	SPI_finish();
	return (Datum) 0;
}

/* audit_public_key() -> text */
Datum
tsec_audit_public_key(PG_FUNCTION_ARGS)
{
	static LedgerPlan plan = LEDGER_PLAN(
		"SELECT e.epoch FROM twin_internal.epochs e WHERE e.public_key IS NOT NULL ORDER BY e.epoch DESC LIMIT 1",
		InvalidOid);
	char key[NOTE_KEY_SIZE_MAX];
	LedgerEpoch epoch = {.has_key = false};

	connect_spi();
	plan_run(&plan, NULL, NULL, true, SPI_OK_SELECT);
	if (SPI_processed == 1)
		epoch_read(DatumGetInt32(plan_value(0, 1, NULL)), true, &epoch);
	SPI_finish();
	if (!epoch.has_key)
		PG_RETURN_NULL();
	base_check(note_write_key(epoch.origin, epoch.public_key, key));
	PG_RETURN_TEXT_P(cstring_to_text(key));
}

/* A proof as an array of hashes. */
static Datum
array_of(const MerkleHash *path, int length)
{
	Datum hashes[MERKLE_PROOF_MAX];

	for (int i = 0; i < length; i++)
		hashes[i] = plan_bytea(bytes_of(path[i].bytes, DIGEST_SIZE));
	return PointerGetDatum(length == 0 ? construct_empty_array(BYTEAOID)
									   : construct_array(hashes, length, BYTEAOID, -1, false, TYPALIGN_INT));
}

/* The leaf of an event; raises when it has none. */
static uint64
leaf_of(int64 event_id)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT s.record_id, s.first_leaf, s.leaves FROM twin_internal.sealed s "
										 "WHERE s.record_id <= $1 ORDER BY s.record_id DESC LIMIT 1",
										 INT8OID);
	Datum values[] = {Int64GetDatum(event_id)};
	int64 number = -1;

	plan_run(&plan, values, NULL, true, SPI_OK_SELECT);
	if (SPI_processed == 1)
		number = event_id - DatumGetInt64(plan_value(0, 1, NULL));
	if (number < 0 || number >= DatumGetInt32(plan_value(0, 3, NULL)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("event " INT64_FORMAT " is not in the audit log's tree", event_id),
						errhint("An event is sealed within about two seconds of its transaction's commit.")));
	return (uint64) (DatumGetInt64(plan_value(0, 2, NULL)) + number);
}

static void
refuse_size(int64 size, uint64 now)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("the audit log's tree has never had this size and what was asked for in it"),
					errdetail("Asked for: " INT64_FORMAT ". The tree has " UINT64_FORMAT " leaves.", size, now)));
}

/* inclusion_proof(event_id, tree_size) -> (leaf_index, tree_size, path) */
Datum
tsec_inclusion_proof(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MerkleHash path[MERKLE_PROOF_MAX];
	LedgerCheckpoint newest;
	uint64 now;
	uint64 size;
	uint64 leaf;
	int length;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	connect_spi();
	leaf = leaf_of(PG_GETARG_INT64(0));
	now = tree_size();
	size = now;
	if (!PG_ARGISNULL(1))
		size = (uint64) Max(PG_GETARG_INT64(1), 0);
	else if (checkpoint_newest(0, true, &newest) && newest.size > leaf && newest.size <= now)
		size = newest.size;
	if (size > now || leaf >= size)
		refuse_size((int64) size, now);
	base_check(merkle_inclusion(leaf, size, tile_source, tile_new_set(true), path, &length));
	values[0] = Int64GetDatum((int64) leaf);
	values[1] = Int64GetDatum((int64) size);
	values[2] = array_of(path, length);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	SPI_finish();
	return (Datum) 0;
}

/* consistency_proof(old_size, new_size) -> bytea[] */
Datum
tsec_consistency_proof(PG_FUNCTION_ARGS)
{
	int64 old_size = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	int64 new_size = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	MerkleHash path[MERKLE_PROOF_MAX];
	uint64 now;
	int length;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	connect_spi();
	now = tree_size();
	if (old_size < 0 || new_size < old_size || (uint64) new_size > now)
		refuse_size(old_size < 0 || (uint64) old_size > now ? old_size : new_size, now);
	base_check(
		merkle_consistency((uint64) old_size, (uint64) new_size, tile_source, tile_new_set(true), path, &length));
	SPI_finish();
	PG_RETURN_DATUM(array_of(path, length));
}
