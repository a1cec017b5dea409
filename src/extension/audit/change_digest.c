/*
 * change_digest.c
 *		A statement's rows as one event: how many, from which key to which, and a
 *		root by which they are recognised.
 *
 * The root is RFC 6962's tree hash over chunks.  A chunk is the rows as
 * common/change.h writes them, each as a piece, in the order in which the
 * statement wrote them; it is full with CHUNK_ROWS rows or CHUNK_BYTES bytes.
 */
#include "audit/change.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#define CHUNK_ROWS 1000
#define CHUNK_BYTES 65536

/* Of an event's details; the partition's name comes in addition. */
#define DETAILS_MAX (EVENT_DETAILS_MAX - 512)

/* A column of the primary key, and its value in the least and in the greatest row. */
typedef struct KeyPart
{
	int index;
	Oid type;
	Oid collation;
	bool by_value;
	bool is_number; /* compared as the integer that it is */
	int16 length;
	FmgrInfo compare;
	Datum least;
	Datum greatest;
} KeyPart;

typedef struct DigestWriter
{
	ChangePlan *plan;
	ChangeBuffer chunk;
	int chunk_rows;
	int64 rows;
	MerkleEdge edge;
	int key_count;
	KeyPart *key; /* NULL: nothing seen yet */
} DigestWriter;

static void
end_chunk(DigestWriter *writer)
{
	MerkleHash leaf;

	base_check(merkle_leaf(bytes_of(writer->chunk.data, writer->chunk.length), &leaf));
	base_check(merkle_append(&writer->edge, &leaf, NULL, NULL));
	writer->chunk.length = 0;
	writer->chunk_rows = 0;
}

/* Finds out how the key is compared, and takes the first row's. */
static void
begin_key(DigestWriter *writer, TupleTableSlot *slot)
{
	ChangePlan *plan = writer->plan;

	writer->key = palloc0(sizeof(KeyPart) * Max(plan->key_count, 1));
	for (int i = 0; i < plan->key_count; i++)
	{
		KeyPart *part = &writer->key[i];
		Form_pg_attribute attribute = TupleDescAttr(slot->tts_tupleDescriptor, plan->key[i] - 1);
		TypeCacheEntry *type = lookup_type_cache(attribute->atttypid, TYPECACHE_CMP_PROC);

		if (!OidIsValid(type->cmp_proc) || slot->tts_isnull[plan->key[i] - 1])
			return; /* a key that nothing can be said of */
		part->index = plan->key[i] - 1;
		part->type = attribute->atttypid;
		part->collation = attribute->attcollation;
		part->by_value = attribute->attbyval;
		part->length = attribute->attlen;
		part->is_number = attribute->atttypid == INT8OID || attribute->atttypid == INT4OID ||
						  attribute->atttypid == INT2OID || attribute->atttypid == TIMESTAMPTZOID ||
						  attribute->atttypid == TIMESTAMPOID || attribute->atttypid == DATEOID;
		fmgr_info(type->cmp_proc, &part->compare);
		part->least = datumCopy(slot->tts_values[part->index], part->by_value, part->length);
		part->greatest = datumCopy(part->least, part->by_value, part->length);
	}
	writer->key_count = plan->key_count;
}

static inline int
compare_part(KeyPart *part, Datum value, Datum other)
{
	if (likely(part->is_number))
	{
		int64 one = part->length == 8   ? DatumGetInt64(value)
					: part->length == 4 ? DatumGetInt32(value)
										: DatumGetInt16(value);
		int64 two = part->length == 8   ? DatumGetInt64(other)
					: part->length == 4 ? DatumGetInt32(other)
										: DatumGetInt16(other);

		return one < two ? -1 : one > two;
	}
	return DatumGetInt32(FunctionCall2Coll(&part->compare, part->collation, value, other));
}

static inline void
keep(KeyPart *part, Datum *place, Datum value)
{
	if (part->by_value)
		*place = value;
	else
	{
		pfree(DatumGetPointer(*place));
		*place = datumCopy(value, false, part->length);
	}
}

/* Widens the range by a row. */
static inline void
note_key(DigestWriter *writer, TupleTableSlot *slot)
{
	int below = 0;
	int above = 0;

	if (unlikely(writer->key == NULL))
		begin_key(writer, slot);
	for (int i = 0; i < writer->key_count && below == 0; i++)
		below = compare_part(&writer->key[i], slot->tts_values[writer->key[i].index], writer->key[i].least);
	for (int i = 0; i < writer->key_count && above == 0; i++)
		above = compare_part(&writer->key[i], slot->tts_values[writer->key[i].index], writer->key[i].greatest);
	for (int i = 0; i < writer->key_count && below < 0; i++)
		keep(&writer->key[i], &writer->key[i].least, slot->tts_values[writer->key[i].index]);
	for (int i = 0; i < writer->key_count && above > 0; i++)
		keep(&writer->key[i], &writer->key[i].greatest, slot->tts_values[writer->key[i].index]);
}

/* Whether a column of the key is written openly. */
static bool
is_open(const ChangePlan *plan, int index)
{
	for (int i = 0; i < plan->count; i++)
		if (plan->columns[i].index == index)
			return !plan->columns[i].is_digest && plan->columns[i].way != WAY_REDACTED;
	return false;
}

/* Adds one end of the range, as an array of what the types print. */
static void
add_range(DigestWriter *writer, StringInfo details, const char *name, bool greatest)
{
	appendStringInfo(details, ", \"%s\": [", name);
	for (int i = 0; i < writer->key_count; i++)
	{
		KeyPart *part = &writer->key[i];
		Oid output;
		bool is_varlena;

		getTypeOutputInfo(part->type, &output, &is_varlena);
		if (i > 0)
			appendStringInfoString(details, ", ");
		if (is_open(writer->plan, part->index))
		{
			char *text = OidOutputFunctionCall(output, greatest ? part->greatest : part->least);

			escape_json(details, pnstrdup(text, (size_t) pg_mbcliplen(text, (int) strlen(text), 200)));
		}
		else
			appendStringInfoString(details, "\"[redacted]\"");
	}
	appendStringInfoChar(details, ']');
}

/* Writes what was seen. */
static void
finish(DigestWriter *writer, const ChangeDeed *deed)
{
	StringInfoData details;
	MerkleHash root;
	int length;
	char hex[2 * DIGEST_SIZE + 1];

	if (writer->chunk_rows > 0)
		end_chunk(writer);
	base_check(merkle_root(&writer->edge, &root));
	(void) hex_encode((const char *) root.bytes, DIGEST_SIZE, hex);
	hex[2 * DIGEST_SIZE] = '\0';
	initStringInfo(&details);
	appendStringInfo(&details, "{\"rows\": " INT64_FORMAT ", \"root\": \"%s\"", writer->rows, hex);
	length = details.len;
	if (writer->key_count > 0)
	{
		int level = change_pin_settings();

		add_range(writer, &details, "least", false);
		add_range(writer, &details, "greatest", true);
		AtEOXact_GUC(true, level);
	}
	if (details.len > DETAILS_MAX)
		details.len = length; /* keys of many long columns are left out rather than the rest */
	details.data[details.len] = '\0';
	appendStringInfoChar(&details, '}');
	change_write_event(writer->plan, deed, details.data);
}

void
change_write_digest(ChangePlan *plan, const ChangeDeed *deed, ChangeSource *source)
{
	DigestWriter writer = {.plan = plan};
	ChangeScribe scribe;
	TupleTableSlot *old;
	TupleTableSlot *new;

	change_begin(&scribe, plan);
	while (change_next(source, &old, &new))
	{
		change_append_row(&scribe, &writer.chunk, old, new);
		note_key(&writer, new ? new : old);
		writer.rows++;
		if (++writer.chunk_rows == CHUNK_ROWS || writer.chunk.length >= CHUNK_BYTES)
			end_chunk(&writer);
		CHECK_FOR_INTERRUPTS();
	}
	if (writer.rows > 0)
		finish(&writer, deed);
	change_end(&scribe);
}
