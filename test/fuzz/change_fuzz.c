/*
 * change_fuzz.c
 *		Changed rows as they lie in the log, where a superuser may have forged them.
 *
 * What is read lies inside of the bytes, and written again it is the same bytes:
 * there is one way to write a row.
 */
#define FUZZ_LENGTH_MAX 2048
#include "fuzz.h"

#include "common/change.h"

typedef struct Seen
{
	const uint8_t *begin;
	const uint8_t *end;
	uint8_t *again; /* the rows written anew */
	int rows;
	ChangeColumn *columns;
	ChangeValue *old;
	ChangeValue *new;
} Seen;

static void
must_be_inside(const Seen *seen, Bytes bytes)
{
	MUST(bytes.data >= seen->begin && bytes.data <= seen->end && bytes.length <= (size_t) (seen->end - bytes.data));
}

static uint8_t *
put_value(uint8_t *to, const ChangeValue *value)
{
	if (value->mark == CHANGE_MARK_LENGTH)
		return change_put_piece(to, value->bytes.data, value->bytes.length);
	to = change_put_mark(to, (ChangeMark) value->mark);
	if (value->mark == CHANGE_MARK_LONG)
	{
		bytes_put_u64(to, value->length);
		to += 8;
	}
	if (value->bytes.length > 0)
		memcpy(to, value->bytes.data, value->bytes.length);
	return to + value->bytes.length;
}

/* Reads the columns and the row, and writes both again. */
static void
check_parts(Seen *seen, Bytes columns, Bytes row)
{
	uint8_t *again = fuzz_memory(columns.length + row.length + 1);
	uint8_t *at = again + 2;
	int count = 0;
	int sides;

	if (!change_read_columns(columns, seen->columns, &count))
	{
		free(again);
		return;
	}
	MUST(count <= CHANGE_COLUMNS_MAX);
	bytes_put_u16(again, (uint16_t) count);
	for (int i = 0; i < count; i++)
	{
		must_be_inside(seen, seen->columns[i].name);
		must_be_inside(seen, seen->columns[i].type);
		*at++ = (uint8_t) seen->columns[i].form;
		*at++ = seen->columns[i].flags;
		at = change_put_piece(at, seen->columns[i].name.data, seen->columns[i].name.length);
		at = change_put_piece(at, seen->columns[i].type.data, seen->columns[i].type.length);
		(void) change_is_secret_name(seen->columns[i].name);
	}
	MUST((size_t) (at - again) == columns.length && memcmp(again, columns.data, columns.length) == 0);
	if (change_read_row(row, count, seen->old, seen->new, &sides))
	{
		at = again;
		*at++ = (uint8_t) sides;
		for (int i = 0; (sides & CHANGE_OLD) && i < count; i++)
			at = put_value(at, &seen->old[i]);
		for (int i = 0; (sides & CHANGE_NEW) && i < count; i++)
		{
			if (seen->new[i].mark == CHANGE_MARK_LENGTH)
				(void) change_fits(seen->columns[i].form, seen->new[i].bytes);
			at = put_value(at, &seen->new[i]);
		}
		MUST((size_t) (at - again) == row.length && memcmp(again, row.data, row.length) == 0);
	}
	free(again);
}

static bool
see(void *argument, Bytes columns, Bytes row, int number)
{
	Seen *seen = argument;

	MUST(number == seen->rows++ && number < CHANGE_ROWS_MAX);
	must_be_inside(seen, columns);
	must_be_inside(seen, row);
	check_parts(seen, columns, row);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_copy(data, size);
	Seen seen = {.begin = exact, .end = exact + size};

	seen.columns = fuzz_memory(sizeof(ChangeColumn) * CHANGE_COLUMNS_MAX);
	seen.old = fuzz_memory(sizeof(ChangeValue) * CHANGE_COLUMNS_MAX);
	seen.new = fuzz_memory(sizeof(ChangeValue) * CHANGE_COLUMNS_MAX);
	(void) change_split(bytes_of(exact, size), see, &seen);
	free(seen.columns);
	free(seen.old);
	free(seen.new);
	free(exact);
	return 0;
}
