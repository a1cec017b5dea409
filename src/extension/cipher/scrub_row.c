/*
 * scrub_row.c
 *		Overwriting the values of dropped columns in a stored row.
 *
 * The row may be anything that lies on a page: every length in it is checked
 * against its end, and what is not understood is left as it is.
 */
#include "cipher/scrub.h"

#include "access/detoast.h"
#include "access/tupmacs.h"

static void
remember_toasted(ToastValues *values, Oid id)
{
	if (values->count == values->room)
	{
		values->room = Max(64, values->room * 2);
		values->ids =
			values->ids ? repalloc(values->ids, sizeof(Oid) * values->room) : palloc(sizeof(Oid) * values->room);
	}
	values->ids[values->count++] = id;
}

/* Overwrites a value of a dropped column, its length left alone. */
static void
blank_value(char *value, int length, Size size, ToastValues *toasted)
{
	if (length > 0)
		memset(value, 0, size);
	else if (length != -1)
		return;
	else if (VARATT_IS_1B_E(value))
	{
		struct varatt_external pointer;

		/* the pointer tells nothing, and the row's own end deletes what it points to */
		if (!VARATT_IS_EXTERNAL_ONDISK(value))
			return;
		VARATT_EXTERNAL_GET_POINTER(pointer, value);
		remember_toasted(toasted, pointer.va_valueid);
	}
	else if (VARATT_IS_1B(value))
		memset(value + 1, 0, size - 1);
	else
		memset(value + VARHDRSZ, 0, size - VARHDRSZ);
}

void
scrub_row(TupleDesc shape, HeapTupleHeader row, Size row_length, ToastValues *toasted)
{
	int count = Min(HeapTupleHeaderGetNatts(row), shape->natts);
	bool has_nulls = (row->t_infomask & HEAP_HASNULL) != 0;
	char *data = (char *) row + row->t_hoff;
	Size length = row_length - row->t_hoff;
	Size offset = 0;

	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute column = TupleDescAttr(shape, i);
		Size size;

		if (has_nulls && att_isnull(i, row->t_bits))
			continue;
		if (offset >= length)
			return; /* not a row we understand, here and below */
		offset = column->attlen == -1 ? att_align_pointer(offset, column->attalign, -1, data + offset)
									  : att_align_nominal(offset, column->attalign);
		if (offset >= length)
			return;
		size = att_addlength_pointer((Size) 0, column->attlen, data + offset);
		if (size == 0 || offset + size > length)
			return;
		if (column->attisdropped)
			blank_value(data + offset, column->attlen, size, toasted);
		offset += size;
	}
}
