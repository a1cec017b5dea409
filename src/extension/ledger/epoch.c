/*
 * epoch.c
 *		Under which name the tree grows.  A database that came out of a dump, an
 *		upgrade or a promotion goes on with the tree it brought, under a new name:
 *		whoever it was copied from may go on under the old one.
 *
 * An epoch's first leaf is an event that holds the last checkpoint before it.
 */
#include "ledger/private.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#define ORIGIN_PREFIX "twin_security/audit/"
#define MARK_SIZE 16
#define XID8_ARRAY_OID 271

/* Appends a name with all that an origin must not have as %XX. */
static void
append_name(StringInfo to, const char *name)
{
	for (const unsigned char *c = (const unsigned char *) name; *c; c++)
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_' ||
			*c == '-' || *c == '.')
			appendStringInfoChar(to, (char) *c);
		else
			appendStringInfo(to, "%%%02X", *c);
}

static char *
new_origin(void)
{
	StringInfoData origin;
	uint8 mark[MARK_SIZE];

	if (!pg_strong_random(mark, sizeof(mark)))
		base_throw(TSEC_NO_RANDOM);
	initStringInfo(&origin);
	appendStringInfoString(&origin, ORIGIN_PREFIX);
	append_name(&origin, get_database_name(MyDatabaseId));
	appendStringInfoChar(&origin, '/');
	for (int i = 0; i < MARK_SIZE; i++)
		appendStringInfo(&origin, "%02x", mark[i]);
	return origin.data;
}

/* When the extension was created here, and whether a dump did it. */
static TimestampTz
created_at(bool *is_restored)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT s.created_at, s.is_restored FROM twin_internal.event_state s", InvalidOid);

	*is_restored = false;
	plan_run(&plan, NULL, NULL, false, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return 0;
	*is_restored = DatumGetBool(plan_value(0, 2, NULL));
	return DatumGetTimestampTz(plan_value(0, 1, NULL));
}

/* Whether a dump is being restored, and not all of it is here that the tree must go on from. */
static bool
awaits_restore(const LedgerState *state)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT $1 = 0 OR EXISTS (SELECT FROM twin_internal.sealed s WHERE s.first_leaf + s.leaves = $1 "
					"AND s.first_leaf < $1 "
					"AND s.first_leaf = (SELECT max(m.first_leaf) FROM twin_internal.sealed m)) "
					"AND EXISTS (SELECT FROM twin_internal.tiles t WHERE t.level = 0 AND t.tile = ($1 - 1) / 256)",
					INT8OID);
	Datum values[1];
	bool is_restored;
	TimestampTz since = created_at(&is_restored);

	if (!is_restored ||
		base_has_come(TimestampTzPlusMilliseconds(since, RESTORE_MS), RESTORE_MS + EVENT_CLOCK_STEP_MS))
		return false;
	if (state == NULL)
		return true;
	values[0] = Int64GetDatum((int64) state->stored_size);
	plan_run(&plan, values, NULL, false, SPI_OK_SELECT);
	return !DatumGetBool(plan_value(0, 1, NULL));
}

/* The row of a new epoch, which keeps the key of the one before; returns when it began, as its leaf will say it. */
static const char *
insert_epoch(const LedgerState *state, const char *origin, const char *reason)
{
	static LedgerPlan plan =
		LEDGER_PLAN("INSERT INTO twin_internal.epochs (epoch, origin, public_key, first_leaf, reason, began_at) "
					"VALUES ($1, $2, (SELECT p.public_key FROM twin_internal.epochs p WHERE p.epoch = $1 - 1), $3, "
					"$4, clock_timestamp()) RETURNING " EPOCH_BEGAN_AT("began_at"),
					INT4OID, TEXTOID, INT8OID, TEXTOID);
	Datum values[] = {Int32GetDatum(state->epoch), CStringGetTextDatum(origin),
					  Int64GetDatum((int64) state->edge.size), CStringGetTextDatum(reason)};

	plan_run(&plan, values, NULL, false, SPI_OK_INSERT_RETURNING);
	return TextDatumGetCString(plan_value(0, 1, NULL));
}

/* Adds a checkpoint: what is signed, and the signature without its dash, which not every database's encoding has. */
static void
add_checkpoint(char *details, size_t room, const char *note)
{
	const char *dash = strstr(note, "\n\n");
	const char *signature = dash == NULL ? NULL : strchr(dash + 2, ' ');

	if (signature == NULL)
		elog(ERROR, "twin_security: a checkpoint is not signed");
	(void) event_json_add(details, room, "checkpoint", pnstrdup(note, (Size) (dash + 2 - note)));
	signature++;
	(void) event_json_add(details, room, "signature", pnstrdup(signature, strcspn(signature, "\n")));
}

static void
seal_beginning(LedgerState *state, const char *origin, const char *reason, const char *began_at,
			   const EpochRequest *request)
{
	char number[24];
	char size[24];
	char details[EVENT_DETAILS_MAX + 1] = "";
	SecurityEvent event = {.type = "audit_epoch",
						   .severity = request != NULL ? EVENT_CRITICAL : EVENT_MEDIUM,
						   .resource = "audit log",
						   .details = details};
	LedgerCheckpoint last;

	snprintf(number, sizeof(number), "%d", state->epoch);
	snprintf(size, sizeof(size), UINT64_FORMAT, state->edge.size);
	(void) event_json_add(details, sizeof(details), "epoch", number);
	(void) event_json_add(details, sizeof(details), "origin", origin);
	(void) event_json_add(details, sizeof(details), "reason", reason);
	(void) event_json_add(details, sizeof(details), "size", size);
	(void) event_json_add(details, sizeof(details), "began_at", began_at);
	if (request != NULL)
	{
		(void) event_json_add(details, sizeof(details), "because", request->reason);
		(void) event_json_add(details, sizeof(details), "requested_by", request->requested_by);
	}
	if (request != NULL ? checkpoint_newest_good(state, &last) : checkpoint_newest(0, false, &last))
		add_checkpoint(details, sizeof(details), last.note);
	seal_event(state, &event);
}

/* Has all that is here and has no leaf sealed, whichever origin it is of. */
static void
forget_transactions(LedgerState *state)
{
	bool is_restored;
	TimestampTz since = created_at(&is_restored);

	state->snapshot = DirectFunctionCall1(pg_snapshot_in, CStringGetDatum("3:3:"));
	state->snapshot_at = DT_NOBEGIN;
	state->has_target = false;
	state->own_writers = PointerGetDatum(construct_empty_array(XID8OID));
	state->is_sweeping = true;
	state->sweep_id = PG_INT64_MIN;
	state->sweep_again_at = is_restored ? TimestampTzPlusMilliseconds(since, RESTORE_MS) : 0;
}

static void
begin_epoch(LedgerState *state, const char *reason, bool is_first, const EpochRequest *request)
{
	char *origin = new_origin();
	const char *began_at;
	bool knows_transactions = !is_first && state->origin == event_origin();

	state->epoch++;
	state->origin = event_origin();
	state->timeline = (int32) GetWALInsertionTimeLine();
	event_clock_begin();
	state->heartbeat_at = GetCurrentTimestamp();
	state->refused_at = 0;
	if (!knows_transactions)
		forget_transactions(state);
	began_at = insert_epoch(state, origin, reason);
	seal_beginning(state, origin, reason, began_at, request);
	if (is_first)
		state_insert(state);
	else
		state_write(state);
	ereport(LOG, (errmsg("the audit log of database \"%s\" goes on as %s", get_database_name(MyDatabaseId), origin)));
}

/* Begins the epoch that somebody asked for: with the nodes that the tiles have, whatever the sealer's state says. */
static void
begin_requested(LedgerState *state, const EpochRequest *request)
{
	TileSet *set = tile_new_set(false);
	MerkleEdge edge;

	if (tile_edge(set, state->edge.size, &edge) == TSEC_OK)
	{
		state->edge = edge;
		begin_epoch(state, "requested", false, request);
	}
	else
		request_refuse(state->epoch, "nodes of the tree are missing");
	pfree(set);
}

bool
epoch_enter(LedgerState *state)
{
	EpochRequest request;

	if (!state_read(state))
	{
		if (awaits_restore(NULL))
			return false;
		begin_epoch(state, "created", true, NULL);
	}
	else if (state->origin != event_origin())
	{
		if (awaits_restore(state))
			return false;
		begin_epoch(state, "restored", false, NULL);
	}
	else if (state->timeline != (int32) GetWALInsertionTimeLine())
		begin_epoch(state, "promoted", false, NULL);
	else if (request_find(state->epoch, &request))
		begin_requested(state, &request);
	return true;
}

bool
epoch_find(int32 number, bool read_only, LedgerEpoch *epoch)
{
	static LedgerPlan plan = LEDGER_PLAN(
		"SELECT e.origin, e.public_key, e.first_leaf FROM twin_internal.epochs e WHERE e.epoch = $1", INT4OID);
	Datum values[] = {Int32GetDatum(number)};
	bool null;
	Datum key;

	memset(epoch, 0, sizeof(*epoch));
	plan_run(&plan, values, NULL, read_only, SPI_OK_SELECT);
	if (SPI_processed != 1)
		return false;
	strlcpy(epoch->origin, TextDatumGetCString(plan_value(0, 1, NULL)), sizeof(epoch->origin));
	key = plan_value(0, 2, &null);
	if (!null && plan_bytes(key).length == NOTE_PUBLIC_SIZE)
	{
		memcpy(epoch->public_key, plan_bytes(key).data, NOTE_PUBLIC_SIZE);
		epoch->has_key = true;
	}
	epoch->first_leaf = DatumGetInt64(plan_value(0, 3, NULL));
	SPI_freetuptable(SPI_tuptable);
	return true;
}

void
epoch_read(int32 number, bool read_only, LedgerEpoch *epoch)
{
	if (!epoch_find(number, read_only, epoch))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("the audit log's epoch %d is missing", number)));
}
