/*
 * count.c
 *		Counts stored values per relation, column and key version, reading
 *		headers only: no key is needed and nothing is opened.
 */
#include "cipher/private.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef struct CountKey
{
	Oid relation;
	uint32 key_id;
	NameData column; /* empty for what belongs to no column */
} CountKey;

typedef struct CountRow
{
	CountKey key;
	int64 values;
} CountRow;

struct KeyCount
{
	HTAB *rows;
	CountRow *last; /* neighbouring values mostly share a row */
};

KeyCount *
count_new(void)
{
	HASHCTL control = {.keysize = sizeof(CountKey), .entrysize = sizeof(CountRow), .hcxt = CurrentMemoryContext};
	KeyCount *count = palloc0(sizeof(KeyCount));

	count->rows = hash_create("twin_security key count", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return count;
}

static void
add(KeyCount *count, Oid relation, const char *column, Datum value)
{
	struct varlena *stored = (struct varlena *) PG_DETOAST_DATUM_SLICE(value, 0, ENVELOPE_FIXED_SIZE);
	const uint8 *header = (const uint8 *) VARDATA_ANY(stored);
	CountKey key;
	bool found;

	memset(&key, 0, sizeof(key));
	key.relation = relation;
	/* a damaged value counts under key id 0, which no key has */
	if (VARSIZE_ANY_EXHDR(stored) == ENVELOPE_FIXED_SIZE)
		key.key_id = bytes_get_u32(header + 2);
	if (column)
		strlcpy(NameStr(key.column), column, NAMEDATALEN);
	if (count->last == NULL || memcmp(&count->last->key, &key, sizeof(key)) != 0) /* public: key ids */
	{
		count->last = hash_search(count->rows, &key, HASH_ENTER, &found);
		if (!found)
			count->last->values = 0;
	}
	count->last->values++;
	pfree(stored);
}

static void
count_array(KeyCount *count, Oid relation, const char *column, Datum value, Oid element)
{
	Datum *elements;
	bool *nulls;
	int length;
	int16 width;
	bool by_value;
	char align;

	get_typlenbyvalalign(element, &width, &by_value, &align);
	deconstruct_array(DatumGetArrayTypeP(value), element, width, by_value, align, &elements, &nulls, &length);
	for (int i = 0; i < length; i++)
		if (!nulls[i])
			count_value(count, relation, column, elements[i], element);
}

static void
count_composite(KeyCount *count, Oid relation, const char *column, Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc shape = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	Datum *fields = palloc(sizeof(Datum) * shape->natts);
	bool *nulls = palloc(sizeof(bool) * shape->natts);

	heap_deform_tuple(&tuple, shape, fields, nulls);
	for (int i = 0; i < shape->natts; i++)
		if (!nulls[i] && !TupleDescAttr(shape, i)->attisdropped)
			count_value(count, relation, column, fields[i], TupleDescAttr(shape, i)->atttypid);
	ReleaseTupleDesc(shape);
}

void
count_value(KeyCount *count, Oid relation, const char *column, Datum value, Oid type)
{
	type = getBaseType(type);
	if (type_of_oid(type) != NULL)
		add(count, relation, column, value);
	else if (OidIsValid(get_element_type(type)))
		count_array(count, relation, column, value, get_element_type(type));
	else if (type_is_rowtype(type))
		count_composite(count, relation, column, value);
}

CipherKeys *
cipher_keys_new(void)
{
	return count_new();
}

bool
cipher_keys_concern(Oid type)
{
	return type_holds_encrypted(type, false);
}

void
cipher_keys_add(CipherKeys *keys, Datum value, Oid type)
{
	count_value(keys, InvalidOid, NULL, value, type);
}

ArrayType *
cipher_keys_ids(const CipherKeys *keys)
{
	Datum *ids = palloc(sizeof(Datum) * (size_t) (hash_get_num_entries(keys->rows) + 1));
	HASH_SEQ_STATUS sequence;
	CountRow *row;
	int count = 0;

	hash_seq_init(&sequence, keys->rows);
	while ((row = hash_seq_search(&sequence)) != NULL)
		ids[count++] = Int32GetDatum((int32) row->key.key_id);
	return construct_array(ids, count, INT4OID, sizeof(int32), true, TYPALIGN_INT);
}

void
count_emit(KeyCount *count, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HASH_SEQ_STATUS sequence;
	CountRow *row;

	InitMaterializedSRF(fcinfo, 0);
	hash_seq_init(&sequence, count->rows);
	while ((row = hash_seq_search(&sequence)) != NULL)
	{
		Datum values[4];
		bool nulls[4] = {false, false, false, false};

		values[0] = ObjectIdGetDatum(row->key.relation);
		nulls[0] = !OidIsValid(row->key.relation);
		values[1] = NameGetDatum(&row->key.column);
		nulls[1] = NameStr(row->key.column)[0] == '\0';
		values[2] = Int32GetDatum((int32) row->key.key_id);
		values[3] = Int64GetDatum(row->values);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}
