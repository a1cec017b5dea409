/*
 * verify_note.c
 *		Whether the tree is the one that the checkpoints were signed for: those in the
 *		table, and the one that was exported last.
 */
#include "ledger/verification.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* Whether a note is signed by its epoch and says what the tree's nodes say of that size; NULL, or what is wrong. */
static const char *
judge_note(Verification *check, const char *note, const LedgerEpoch *epoch, Checkpoint *signed_one)
{
	MerkleHash root;

	if (!epoch->has_key || !key_verify(bytes_of(note, strlen(note)), epoch->public_key, signed_one) ||
		strcmp(signed_one->origin, epoch->origin) != 0)
		return "a checkpoint's signature is not the log's";
	if (signed_one->size > check->size)
		return "the log ends before its newest checkpoint";
	if (merkle_root_at(signed_one->size, tile_source, check->set, &root) != TSEC_OK)
		return "nodes of the tree are missing";
	return memcmp(root.bytes, signed_one->root.bytes, DIGEST_SIZE) == 0 /* public: roots of the tree */
			   ? NULL
			   : "the tree is not the one that a checkpoint signed";
}

void
verification_checkpoints(Verification *check)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT c.size, c.epoch, c.root, c.note FROM twin_internal.checkpoints_of_log c WHERE c.size > "
					"$1 AND c.size <= $2 "
					"OR c.size = (SELECT max(m.size) FROM twin_internal.checkpoints_of_log m) ORDER BY c.size",
					INT8OID, INT8OID);
	/* with those of trees that were given up: somebody rewrote them, and that stays so */
	static LedgerPlan whole_plan = LEDGER_PLAN(
		"SELECT c.size, c.epoch, c.root, c.note FROM twin_internal.checkpoints c ORDER BY c.size, c.epoch",
		InvalidOid);
	Datum values[] = {Int64GetDatum((int64) check->begin), Int64GetDatum((int64) check->end)};
	Portal portal = check->is_whole ? plan_open(&whole_plan, NULL, NULL, true) : plan_open(&plan, values, NULL, true);
	LedgerEpoch epoch = {.has_key = false};
	int32 number = 0;

	while (!check->is_bad)
	{
		SPITupleTable *table;
		uint64 found;

		SPI_cursor_fetch(portal, true, 1000);
		if (SPI_processed == 0)
			break;
		table = SPI_tuptable;
		found = SPI_processed;
		for (uint64 i = 0; i < found && !check->is_bad; i++)
		{
			Checkpoint signed_one;
			bool null;
			Bytes root = plan_bytes(SPI_getbinval(table->vals[i], table->tupdesc, 3, &null));
			int32 of_epoch = DatumGetInt32(SPI_getbinval(table->vals[i], table->tupdesc, 2, &null));
			char *note = TextDatumGetCString(SPI_getbinval(table->vals[i], table->tupdesc, 4, &null));
			const char *wrong;

			if (of_epoch != number)
				(void) epoch_find(of_epoch, true, &epoch);
			number = of_epoch;
			wrong = judge_note(check, note, &epoch, &signed_one);
			if (wrong == NULL &&
				(signed_one.size != (uint64) DatumGetInt64(SPI_getbinval(table->vals[i], table->tupdesc, 1, &null)) ||
				 root.length != DIGEST_SIZE ||
				 memcmp(root.data, signed_one.root.bytes, DIGEST_SIZE) != 0)) /* public: roots of the tree */
				wrong = "a checkpoint's row is not what it signed";
			if (wrong != NULL)
				verification_fault(check, wrong);
			pfree(note);
		}
		SPI_freetuptable(table);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
}

/*
 * Checks the checkpoint that was exported last: it lies where a superuser's SQL does not reach.  It may be newer than
 * what this statement sees, so it is held against the tree as it is once the file has been read.
 */
void
verification_exported(Verification *check, int32 number)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT s.size FROM twin_internal.ledger_state s", InvalidOid);
	Verification now = {.set = tile_new_set(true)};
	char note[NOTE_SIZE_MAX];
	LedgerEpoch epoch;
	Checkpoint signed_one;
	const char *wrong;

	if (!export_note_wanted() || !epoch_find(number, true, &epoch))
		return; /* an epoch that is missing is a fault of the checkpoints */
	export_note_newest(epoch.origin, note);
	if (note[0] == '\0')
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	plan_run(&plan, NULL, NULL, true, SPI_OK_SELECT);
	now.size = SPI_processed == 0 ? 0 : (uint64) Max(DatumGetInt64(plan_value(0, 1, NULL)), 0);
	wrong = judge_note(&now, note, &epoch, &signed_one);
	PopActiveSnapshot();
	if (wrong != NULL)
		verification_fault(check, psprintf("%s (the one that was exported last)", wrong));
}

bool
verification_ended_on_request(int32 number)
{
	static LedgerPlan plan = LEDGER_PLAN(
		"SELECT true FROM twin_internal.epochs e WHERE e.epoch = $1 + 1 AND e.reason = 'requested'", INT4OID);
	Datum values[] = {Int32GetDatum(number)};

	plan_run(&plan, values, NULL, true, SPI_OK_SELECT);
	return SPI_processed > 0;
}
