/*
 * archive.c
 *		The leaves of one partition in the order of the tree, and the tree's nodes
 *		beside them, for whoever archives the partition.
 *
 * Nothing is archived that is not what was sealed: each row must make the leaves
 * that the tree has in their places, or it raises and the partition stays.
 */
#include "ledger/private.h"

#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

struct LedgerArchive
{
	WindowReader *reader;
	const Window *window;
	TileSet *leaves; /* of level 0, asked for in order */
	TileSet *nodes;
	int row;    /* of the window */
	int number; /* of the leaf in the row */
};

bool
ledger_is_partition(Oid relation)
{
	Oid events = get_relname_relid("events", get_namespace_oid(TSEC_INTERNAL_SCHEMA, false));

	return get_rel_relispartition(relation) && list_member_oid(get_partition_ancestors(relation), events);
}

/* Counts the rows, which must all be sealed, and says where their leaves lie. */
static void
survey(const char *partition, Portal sealed, LedgerArchived *archived)
{
	int64 first_leaf;
	int64 last_leaf;
	uint64 waiting;

	archived->rows = partition_survey(sealed, &first_leaf, &last_leaf, &waiting);
	archived->first_leaf = (uint64) first_leaf;
	archived->last_leaf = (uint64) last_leaf;
	if (waiting > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("%s cannot be archived yet", partition),
				 errdetail(UINT64_FORMAT " of its rows are not sealed.", waiting),
				 errhint("Rows are sealed within about two seconds of their transaction's commit, when the "
						 "library is preloaded; see twin.stat_audit.")));
}

/* Finds the first checkpoint that covers the leaves: the same one whenever it is asked for. */
static void
find_checkpoint(const char *partition, LedgerArchived *archived)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT c.epoch, c.note FROM twin_internal.checkpoints_of_log c WHERE c.size >= $1 "
					"ORDER BY c.size, c.epoch LIMIT 1",
					INT8OID);
	Datum values[] = {Int64GetDatum(archived->rows == 0 ? 0 : (int64) archived->last_leaf + 1)};
	LedgerEpoch epoch;
	Bytes note;

	plan_run(&plan, values, NULL, true, SPI_OK_SELECT);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("%s cannot be archived yet", partition),
				 errdetail("No signed checkpoint of the audit log covers its rows."),
				 errhint("Checkpoints are signed every twin_security.checkpoint_interval, when the library is "
						 "preloaded and ENCRYPTION_KEY is set.")));
	note = plan_bytes(plan_value(0, 2, NULL));
	archived->note = pnstrdup((const char *) note.data, note.length);
	epoch_read(DatumGetInt32(plan_value(0, 1, NULL)), true, &epoch);
	if (!epoch.has_key ||
		!key_verify(bytes_of(archived->note, note.length), epoch.public_key, &archived->checkpoint) ||
		strcmp(epoch.origin, archived->checkpoint.origin) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("a checkpoint of the audit log is not signed by its epoch's key"),
						errhint("twin.verify_audit_log() says what else was changed.")));
	base_check(note_write_key(epoch.origin, epoch.public_key, archived->key));
}

LedgerArchive *
ledger_archive_open(Oid partition, LedgerArchived *archived)
{
	LedgerArchive *archive = palloc0(sizeof(LedgerArchive));
	const char *name =
		quote_qualified_identifier(get_namespace_name(get_rel_namespace(partition)), get_rel_name(partition));
	Portal sealed;

	memset(archived, 0, sizeof(*archived));
	sealed = partition_open(name);
	survey(name, sealed, archived);
	find_checkpoint(name, archived);
	archive->reader = window_open_partition(name, sealed);
	archive->leaves = tile_new_set(true);
	archive->nodes = tile_new_set(true);
	return archive;
}

static void
refuse_row(const SealedRow *row)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("event " INT64_FORMAT " of the audit log is not what was sealed", row->record_id),
			 errdetail("Leaf " INT64_FORMAT " of the log's tree is another; nothing is archived.", row->first_leaf),
			 errhint("twin.verify_audit_log() says what else was changed.")));
}

bool
ledger_archive_next(LedgerArchive *archive, LedgerLeaf *leaf)
{
	const SealedRow *row;
	MerkleHash sealed;

	while (archive->window == NULL || archive->row == archive->window->count)
	{
		archive->window = window_next(archive->reader);
		archive->row = archive->number = 0;
		if (archive->window == NULL)
			return false;
	}
	row = &archive->window->rows[archive->row];
	if (archive->number == 0 && (row->seen != 1 || row->made != row->leaves))
		refuse_row(row);
	leaf->index = (uint64) row->first_leaf + (uint64) archive->number;
	leaf->begins_row = archive->number == 0;
	leaf->hash = &archive->window->hashes[row->place + archive->number];
	leaf->bytes = archive->window->leaves[row->place + archive->number];
	if (!tile_source(archive->leaves, 0, leaf->index, &sealed) ||
		memcmp(sealed.bytes, leaf->hash->bytes, DIGEST_SIZE) != 0) /* public: hashes of the log */
		refuse_row(row);
	if (++archive->number == row->leaves)
	{
		archive->row++;
		archive->number = 0;
	}
	return true;
}

void
ledger_archive_node(LedgerArchive *archive, int level, uint64 index, MerkleHash *node)
{
	if (!tile_source(archive->nodes, level, index, node))
		base_throw(TSEC_TREE_INCOMPLETE);
}

void
ledger_archive_close(LedgerArchive *archive)
{
	window_close(archive->reader);
	pfree(archive->leaves);
	pfree(archive->nodes);
	pfree(archive);
}

bool
ledger_origin(char origin[NOTE_ORIGIN_MAX + 1])
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT e.origin FROM twin_internal.epochs e ORDER BY e.epoch DESC LIMIT 1", InvalidOid);

	plan_run(&plan, NULL, NULL, true, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	strlcpy(origin, TextDatumGetCString(plan_value(0, 1, NULL)), NOTE_ORIGIN_MAX + 1);
	SPI_freetuptable(SPI_tuptable);
	return true;
}

bool
ledger_root_at(uint64 size, MerkleHash *root)
{
	TileSet *set = tile_new_set(true);
	bool found = merkle_root_at(size, tile_source, set, root) == TSEC_OK;

	pfree(set);
	return found;
}
