/*
 * convert_trigger.c
 *		The trigger of a conversion: whatever is written to the plain column is
 *		sealed into the one that will take its place.
 *
 * It fires last of its kind, so it sees what will be stored, and in every
 * replication role.  The writer needs encrypt on the key.
 */
#include "cipher/convert.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(tsec_encrypt_on_write);

/* Whether a column holds the same bytes in two rows. */
static bool
is_unchanged(TupleDesc shape, HeapTuple old, HeapTuple new, AttrNumber number)
{
	bool old_null;
	bool new_null;
	Datum before = heap_getattr(old, number, shape, &old_null);
	Datum after = heap_getattr(new, number, shape, &new_null);
	Form_pg_attribute column = TupleDescAttr(shape, number - 1);

	if (old_null || new_null)
		return old_null && new_null;
	return datum_image_eq(before, after, column->attbyval, column->attlen);
}

/* Begins what the trigger function keeps between rows. */
static Conversion *
begin_trigger(FmgrInfo *flinfo, const TriggerData *data)
{
	Conversion *conversion = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Conversion));
	TupleDesc shape = RelationGetDescr(data->tg_relation);
	AttrNumber shadow;
	AttrNumber plain;

	if (data->tg_trigger->tgnargs != 2)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("encrypt_on_write takes two columns")));
	conversion->relation = RelationGetRelid(data->tg_relation);
	namestrcpy(&conversion->column, data->tg_trigger->tgargs[0]);
	namestrcpy(&conversion->shadow, data->tg_trigger->tgargs[1]);
	plain = SPI_fnumber(shape, NameStr(conversion->column));
	shadow = SPI_fnumber(shape, NameStr(conversion->shadow));
	if (plain <= 0 || shadow <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("a column of the conversion is missing"),
						errhint("Was it renamed? Give it back its name, or call twin.cancel_encryption().")));
	conversion->modifier = TupleDescAttr(shape, shadow - 1)->atttypmod;
	conversion->type = type_of_oid(TupleDescAttr(shape, shadow - 1)->atttypid);
	if (conversion->type == NULL)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("column \"%s\" is not of an encrypted type", NameStr(conversion->shadow))));
	conversion_find_type(conversion, TupleDescAttr(shape, plain - 1)->atttypid, conversion->type->searchable,
						 flinfo->fn_mcxt);
	flinfo->fn_extra = conversion;
	return conversion;
}

Datum
tsec_encrypt_on_write(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Conversion *conversion = fcinfo->flinfo->fn_extra;
	TupleDesc shape;
	HeapTuple row;
	int plain;
	int shadow;
	Datum value;
	bool null;
	bool sealed_null;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) || TRIGGER_FIRED_BY_DELETE(data->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("encrypt_on_write is a trigger before insert or update of rows")));
	if (conversion == NULL)
		conversion = begin_trigger(fcinfo->flinfo, data);
	shape = RelationGetDescr(data->tg_relation);
	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
	plain = SPI_fnumber(shape, NameStr(conversion->column));
	shadow = SPI_fnumber(shape, NameStr(conversion->shadow));
	value = heap_getattr(row, plain, shape, &null);
	(void) heap_getattr(row, shadow, shape, &sealed_null);

	/* what is there stays: sealing again would only cost */
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event) && null == sealed_null &&
		is_unchanged(shape, data->tg_trigtuple, row, (AttrNumber) plain) &&
		is_unchanged(shape, data->tg_trigtuple, row, (AttrNumber) shadow))
		return PointerGetDatum(row);
	if (!null)
		value =
			PointerGetDatum(value_seal(conversion->type, conversion_base(conversion, value), conversion->modifier));
	return PointerGetDatum(heap_modify_tuple_by_cols(row, shape, 1, &shadow, &value, &null));
}
