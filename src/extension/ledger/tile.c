/*
 * tile.c
 *		Nodes of the tree as they are stored: of every eighth level, 256 side by
 *		side.  Those in between are made of them.
 *
 * What the table holds is not believed: a tile that is shorter than it should be
 * has no node there, one that was changed makes roots that no checkpoint has.
 */
#include "ledger/private.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

static LedgerPlan read_plan =
	LEDGER_PLAN("SELECT t.hashes FROM twin_internal.tiles t WHERE t.level = $1 AND t.tile = $2", INT2OID, INT8OID);
static LedgerPlan write_plan =
	LEDGER_PLAN("INSERT INTO twin_internal.tiles (level, tile, hashes) VALUES ($1, $2, $3) "
				"ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes",
				INT2OID, INT8OID, BYTEAOID);

TileSet *
tile_new_set(bool read_only)
{
	TileSet *set = palloc0(sizeof(TileSet));

	set->read_only = read_only;
	for (int level = 0; level < TILE_LEVELS; level++)
		set->tiles[level].number = -1;
	return set;
}

/* Reads a tile; one that is not there has no nodes. */
static void
read_tile(TileSet *set, int level, int64 number)
{
	Tile *tile = &set->tiles[level];
	Datum values[] = {Int16GetDatum(level), Int64GetDatum(number)};
	Datum stored;
	Bytes hashes;

	tile->number = number;
	tile->is_new = false;
	tile->count = 0;
	memset(tile->hashes, 0, sizeof(tile->hashes));
	plan_run(&read_plan, values, NULL, set->read_only, SPI_OK_SELECT);
	if (SPI_processed == 1)
	{
		stored = PointerGetDatum(PG_DETOAST_DATUM_PACKED(plan_value(0, 1, NULL)));
		hashes = plan_bytes(stored);
		tile->count = (int) Min(hashes.length / DIGEST_SIZE, MERKLE_TILE_WIDTH);
		memcpy(tile->hashes, hashes.data, (size_t) tile->count * DIGEST_SIZE);
		/* whoever walks along the tree reads many */
		if (stored != plan_value(0, 1, NULL))
			pfree(DatumGetPointer(stored));
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
write_tile(Tile *tile, int level)
{
	Datum values[] = {Int16GetDatum(level), Int64GetDatum(tile->number),
					  plan_bytea(bytes_of(tile->hashes, (size_t) tile->count * DIGEST_SIZE))};

	plan_run(&write_plan, values, NULL, false, SPI_OK_INSERT);
	pfree(DatumGetPointer(values[2]));
	tile->is_new = false;
}

void
tile_keep(void *argument, int level, uint64_t index, const MerkleHash *node)
{
	TileSet *set = argument;
	Tile *tile = &set->tiles[level / 8];
	int64 number = (int64) (index / MERKLE_TILE_WIDTH);
	int place = (int) (index % MERKLE_TILE_WIDTH);

	if (level % 8 != 0)
		return;
	if (tile->number != number)
	{
		if (tile->is_new)
			write_tile(tile, level / 8);
		if (place > 0)
			read_tile(set, level / 8, number);
		else
			tile->number = number;
	}
	/* what is missing in front of it stays zero, and what should not be behind it goes */
	memcpy(tile->hashes + (size_t) place * DIGEST_SIZE, node->bytes, DIGEST_SIZE);
	tile->count = place + 1;
	tile->is_new = true;
	if (tile->count == MERKLE_TILE_WIDTH)
		write_tile(tile, level / 8);
}

void
tile_flush(TileSet *set)
{
	for (int level = 0; level < TILE_LEVELS; level++)
		if (set->tiles[level].is_new)
			write_tile(&set->tiles[level], level);
}

bool
tile_source(void *argument, int level, uint64_t index, MerkleHash *node)
{
	TileSet *set = argument;
	Tile *tile = &set->tiles[level / 8];
	int width = 1 << (level % 8); /* stored nodes below it */
	uint64 first = index * (uint64) width;
	int place = (int) (first % MERKLE_TILE_WIDTH);
	MerkleHash nodes[MERKLE_TILE_WIDTH / 2];

	if (tile->number != (int64) (first / MERKLE_TILE_WIDTH))
	{
		Assert(!tile->is_new);
		read_tile(set, level / 8, (int64) (first / MERKLE_TILE_WIDTH));
	}
	if (place + width > tile->count)
		return false;
	memcpy(nodes, tile->hashes + (size_t) place * DIGEST_SIZE, (size_t) width * DIGEST_SIZE);
	for (; width > 1; width /= 2)
		for (int i = 0; i < width / 2; i++)
			base_check(merkle_node(&nodes[2 * i], &nodes[2 * i + 1], &nodes[i]));
	*node = nodes[0];
	return true;
}

Status
tile_edge(TileSet *set, uint64 size, MerkleEdge *edge)
{
	memset(edge, 0, sizeof(*edge));
	edge->size = size;
	for (int level = 0; level < MERKLE_LEVELS_MAX; level++)
		if ((size >> level & 1) != 0 && !tile_source(set, level, (size >> level) - 1, &edge->nodes[level]))
			return TSEC_TREE_INCOMPLETE;
	return TSEC_OK;
}
