/*
 * block_change.c
 *		Changes of what is blocked, kept until the transaction commits.
 *
 * Triggers note each changed row; a savepoint that is rolled back takes its
 * notes along.  Right after the commit, while the rows are still locked, they go
 * to shared memory: so of two who change the same row the second comes second
 * there as well.
 */
#include "monitor/block.h"

#include "access/htup_details.h"
#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_blocks_changed);

/* Columns, in the order of block.sql. */
#define BLOCKS_UNTIL 3

typedef struct Note
{
	SubTransactionId within;
	bool ends_sessions; /* that is all it does */
	bool is_reserved;
	BlockChange change;
} Note;

static Note *notes = NULL;
static int note_count = 0;
static int note_room = 0;

/* The tables that this transaction changes, of which a standby's reader is to hear. */
static Oid changed[ADDRESS_KINDS];

/* The database that this transaction drops. */
static Oid dropped_database = InvalidOid;

static object_access_hook_type previous_hook = NULL;

static void
add_note(const BlockChange *change, bool ends_sessions)
{
	if (note_count == note_room)
	{
		int room = Max(2 * note_room, 16);

		if (notes == NULL)
			notes = MemoryContextAlloc(TopTransactionContext, room * sizeof(Note));
		else
			notes = repalloc_huge(notes, (Size) room * sizeof(Note));
		note_room = room;
	}
	notes[note_count++] =
		(Note){.within = GetCurrentSubTransactionId(), .ends_sessions = ends_sessions, .change = *change};
}

void
block_end_sessions(const AddressNetwork *network)
{
	add_note(&(BlockChange){.network = *network}, true);
}

void
block_forget_all(void)
{
	add_note(&(BlockChange){.kind = ADDRESS_FREE}, false);
}

/* ---- the trigger ---- */

static void
note_change(const AddressNetwork *network, AddressKind kind, TimestampTz until)
{
	add_note(&(BlockChange){.network = *network, .kind = kind, .until = until}, false);
	if (until == 0)
		return;
	/* once it is committed nothing may fail */
	if (!limit_reserve_block(network, kind, &notes[note_count - 1].is_reserved))
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("too many networks are blocked"),
						errhint("Unblock some, block networks in place of single addresses, or raise "
								"twin_security.max_blocks.")));
}

/* Waits until whoever wrote a version of the row last has brought it to shared memory: he holds his lock until then. */
static void
wait_for_writer(HeapTuple row)
{
	TransactionId writer = HeapTupleHeaderGetXmin(row->t_data);

	if (!TransactionIdIsNormal(writer) || TransactionIdIsCurrentTransactionId(writer))
		return;
	if (TransactionIdFollowsOrEquals(writer, TransactionXmin))
		writer = SubTransGetTopmostTransaction(writer);
	if (!TransactionIdIsCurrentTransactionId(writer))
		XactLockTableWait(writer, NULL, NULL, XLTW_None);
}

/* What a version of a row says; false when that is nothing, or was over already. */
static bool
read_row(TupleDesc shape, HeapTuple row, BlockChange *change)
{
	bool null;
	Datum value = heap_getattr(row, 1, shape, &null);

	if (null || !block_network(DatumGetInetPP(value), &change->network))
		return false;
	change->until = DT_NOEND;
	if (change->kind == ADDRESS_BLOCKED)
		change->until = DatumGetTimestampTz(heap_getattr(row, BLOCKS_UNTIL, shape, &null));
	return change->until > GetCurrentTimestamp();
}

/* Notes what becomes of a row, of which either version may be missing. */
static void
note_row(TupleDesc shape, HeapTuple old, HeapTuple new, AddressKind kind)
{
	BlockChange before = {.kind = kind};
	BlockChange after = {.kind = kind};
	bool was_there = old != NULL && read_row(shape, old, &before);
	bool is_there = new != NULL &&read_row(shape, new, &after);
	bool is_same = memcmp(&before.network, &after.network, sizeof(AddressNetwork)) == 0; /* public: networks */

	/* what was over is nowhere; one that stays is not let in between */
	if (was_there && !(is_there && is_same))
		note_change(&before.network, kind, 0);
	if (is_there)
		note_change(&after.network, kind, after.until);
}

/* blocks_changed(kind): trigger of both tables */
Datum
tsec_blocks_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	AddressKind kind;
	TupleDesc shape;

	base_require_trigger(fcinfo, "blocks_changed");
	kind = trigger->tg_trigger->tgnargs == 1 && strcmp(trigger->tg_trigger->tgargs[0], "exempt") == 0
			   ? ADDRESS_EXEMPT
			   : ADDRESS_BLOCKED; /* public: a word of ours */
	shape = RelationGetDescr(trigger->tg_relation);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		add_note(&(BlockChange){.kind = kind}, false);
	else if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		note_row(shape, NULL, trigger->tg_trigtuple, kind);
	else
	{
		wait_for_writer(trigger->tg_trigtuple);
		note_row(shape, trigger->tg_trigtuple,
				 TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : NULL, kind);
	}
	changed[kind] = RelationGetRelid(trigger->tg_relation);
	PG_RETURN_POINTER(NULL);
}

/* ---- what goes with something else ---- */

static void
note_drop(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_hook)
		previous_hook(access, class, object, sub, argument);
	if (access != OAT_DROP)
		return;
	if (class == DatabaseRelationId)
		dropped_database = object;
	else if (class == ExtensionRelationId && object == get_extension_oid("twin_security", true))
		block_forget_all();
}

/* ---- the end of the transaction ---- */

/* Gives back what notes from a number on reserved, and forgets them. */
static void
cut_notes(int from)
{
	int reserved = 0;

	for (int i = from; i < note_count; i++)
		reserved += notes[i].is_reserved;
	note_count = from;
	if (reserved > 0)
		limit_change_blocks(MyDatabaseId, NULL, 0, reserved);
}

/* Brings the notes to shared memory, in their order; then nobody new comes in, and who is in goes. */
static void
apply_notes(void)
{
	for (int i = 0; i < note_count;)
	{
		BlockChange some[1024];
		int reserved = 0;
		int count = 0;

		for (; i < note_count && count < (int) lengthof(some); i++)
		{
			if (notes[i].ends_sessions)
				continue;
			some[count++] = notes[i].change;
			reserved += notes[i].is_reserved;
		}
		limit_change_blocks(MyDatabaseId, some, count, reserved);
	}
	for (int i = 0; i < note_count; i++)
		if (notes[i].ends_sessions)
			(void) limit_end_sessions(&notes[i].change.network);
}

static void
forget_notes(void)
{
	/* their memory goes with the transaction */
	notes = NULL;
	note_count = note_room = 0;
	dropped_database = InvalidOid;
	memset(changed, 0, sizeof(changed));
}

/* Once, at the end: after each command it would have every statement planned anew. */
static void
tell_readers(void)
{
	for (int kind = 0; kind < ADDRESS_KINDS; kind++)
		base_tell_sessions(changed[kind]);
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	if (likely(note_count == 0 && !OidIsValid(dropped_database)))
	{
		if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
			forget_notes();
		return;
	}
	if (event == XACT_EVENT_PRE_PREPARE && note_count > 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot PREPARE a transaction that has changed which addresses are blocked")));
	if (event == XACT_EVENT_PRE_COMMIT)
		tell_readers();
	else if (event == XACT_EVENT_COMMIT)
	{
		apply_notes();
		if (OidIsValid(dropped_database))
			limit_change_blocks(dropped_database, &(BlockChange){.kind = ADDRESS_FREE}, 1, 0);
		forget_notes();
	}
	else if (event == XACT_EVENT_ABORT)
	{
		cut_notes(0);
		forget_notes();
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
	int first = note_count;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	while (first > 0 && notes[first - 1].within == mine)
		first--;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		cut_notes(first);
	else
		for (int i = first; i < note_count; i++)
			notes[i].within = parent;
}

void
block_change_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	previous_hook = object_access_hook;
	object_access_hook = note_drop;
}
