/*
 * convert_state.c
 *		What a conversion is about, read from the catalogs: the column, its type
 *		and the encrypted one, and how far it is.
 */
#include "cipher/convert.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* What is appended to a column's name while its replacement is filled. */
#define SHADOW_SUFFIX "_sealed"

/* Plain types that become the encrypted form of another, as they would by assignment. */
static const Oid widened[][2] = {
	{VARCHAROID, TEXTOID}, {BPCHAROID, TEXTOID},   {INT2OID, INT8OID},
	{INT4OID, INT8OID},    {FLOAT4OID, FLOAT8OID}, {CIDROID, INETOID},
};

void
conversion_find_type(Conversion *conversion, Oid plain_type, bool searchable, MemoryContext context)
{
	Oid base = plain_type;
	Oid function;

	for (int i = 0; i < (int) lengthof(widened); i++)
		if (widened[i][0] == plain_type)
			base = widened[i][1];
	conversion->plain_type = plain_type;
	conversion->type = type_for_base(base, searchable);
	if (conversion->type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("there is no encrypted form of type %s", format_type_be(plain_type)),
				 errhint("Change the column first to one of text, bytea, jsonb, numeric, bigint, float8, date, "
						 "timestamptz, boolean, uuid, inet.")));
	conversion->converts = false;
	if (base == plain_type)
		return;
	if (find_coercion_pathway(base, plain_type, COERCION_ASSIGNMENT, &function) == COERCION_PATH_FUNC)
	{
		fmgr_info_cxt(function, &conversion->conversion, context);
		conversion->converts = true;
	}
}

Datum
conversion_base(Conversion *conversion, Datum plain)
{
	return conversion->converts ? FunctionCall1(&conversion->conversion, plain) : plain;
}

/* Names the column that is filled meanwhile. */
static void
name_shadow(Conversion *conversion)
{
	int room = NAMEDATALEN - 1 - (int) strlen(SHADOW_SUFFIX);
	int length = pg_mbcliplen(NameStr(conversion->column), (int) strlen(NameStr(conversion->column)), room);

	snprintf(NameStr(conversion->shadow), NAMEDATALEN, "%.*s%s", length, NameStr(conversion->column), SHADOW_SUFFIX);
}

/* Raises when a column is encrypted otherwise than is asked for. */
static void
check_same(const Conversion *conversion, const EncryptedType *type, int32 modifier, const char *what)
{
	if (modifier != conversion->modifier)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("column \"%s\" of \"%s\" %s under another key", NameStr(conversion->column),
							   get_rel_name(conversion->relation), what)));
	if (type->searchable != conversion->searchable)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("column \"%s\" of \"%s\" %s with another value of searchable",
							   NameStr(conversion->column), get_rel_name(conversion->relation), what)));
}

ConversionState
conversion_state(Conversion *conversion)
{
	AttrNumber number = get_attnum(conversion->relation, NameStr(conversion->column));
	Oid type;
	int32 modifier;
	Oid collation;
	Datum arguments[2];
	const bool nulls[2] = {false};
	Datum begun;

	if (number <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of \"%s\" does not exist", NameStr(conversion->column),
							   get_rel_name(conversion->relation))));
	conversion->modifier = keyring_modifier_of(conversion->key_name);
	get_atttypetypmodcoll(conversion->relation, number, &type, &modifier, &collation);
	conversion->type = type_of_oid(type);
	if (conversion->type != NULL)
	{
		check_same(conversion, conversion->type, modifier, "is encrypted already,");
		return CONVERSION_SWAPPED;
	}
	conversion_find_type(conversion, type, conversion->searchable, CurrentMemoryContext);
	arguments[0] = ObjectIdGetDatum(conversion->relation);
	arguments[1] = NameGetDatum(&conversion->column);
	if (!convert_ask_nullable("encrypt_trigger_arguments", 2, arguments, nulls, &begun))
	{
		name_shadow(conversion);
		return CONVERSION_PLAIN;
	}
	conversion->shadow = *DatumGetName(begun);
	number = get_attnum(conversion->relation, NameStr(conversion->shadow));
	if (number > 0)
		get_atttypetypmodcoll(conversion->relation, number, &type, &modifier, &collation);
	if (number <= 0 || type_of_oid(type) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the column \"%s\" of a conversion that has begun is missing", NameStr(conversion->shadow)),
				 errhint("Give it up with twin.cancel_encryption() and begin anew.")));
	check_same(conversion, type_of_oid(type), modifier, "is being encrypted already,");
	return CONVERSION_FILLING;
}
