/*
 * leaf_change.c
 *		Changed rows as JSON, for people: values in the forms of change.h, which say
 *		for themselves how they are read.
 */
#include "leaf_change.h"

#include "change.h"
#include "jsonscan.h"
#include "leaf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ReadRow
{
	ChangeColumn columns[CHANGE_COLUMNS_MAX];
	ChangeValue old[CHANGE_COLUMNS_MAX];
	ChangeValue new[CHANGE_COLUMNS_MAX];
	int count;
	int sides;
} ReadRow;

static bool
side_fits(const ReadRow *row, const ChangeValue *values)
{
	for (int i = 0; i < row->count; i++)
		if (values[i].mark == CHANGE_MARK_LENGTH && !change_fits(row->columns[i].form, values[i].bytes))
			return false;
	return true;
}

static bool
read_row(Bytes columns, Bytes bytes, ReadRow *row)
{
	return change_read_columns(columns, row->columns, &row->count) &&
		   change_read_row(bytes, row->count, row->old, row->new, &row->sides) &&
		   ((row->sides & CHANGE_OLD) == 0 || side_fits(row, row->old)) &&
		   ((row->sides & CHANGE_NEW) == 0 || side_fits(row, row->new));
}

static int64_t
integer_of(Bytes bytes)
{
	return bytes.length == 2   ? (int16_t) bytes_get_u16(bytes.data)
		   : bytes.length == 4 ? (int32_t) bytes_get_u32(bytes.data)
							   : (int64_t) bytes_get_u64(bytes.data);
}

/* The shortest decimal number that is this one again; NaN and infinities are strings. */
static void
write_float(JsonWriter *writer, Bytes bytes)
{
	char text[40];
	double number;
	float single = 0;

	if (bytes.length == 4)
	{
		uint32_t bits = bytes_get_u32(bytes.data);

		memcpy(&single, &bits, sizeof(single));
		number = (double) single;
	}
	else
	{
		uint64_t bits = bytes_get_u64(bytes.data);

		memcpy(&number, &bits, sizeof(number));
	}
	if (!isfinite(number))
	{
		jsonwrite_text(writer, isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
		return;
	}
	for (int digits = bytes.length == 4 ? 6 : 15; digits <= 17; digits++)
	{
		(void) snprintf(text, sizeof(text), "%.*g", digits, number);
		if (bytes.length == 4 ? strtof(text, NULL) == single : strtod(text, NULL) == number)
			break;
	}
	jsonwrite_text(writer, text);
}

static void
write_time(JsonWriter *writer, ChangeForm form, int64_t value)
{
	char text[LEAF_TIME_SIZE];
	size_t length;

	if (form == CHANGE_DATE && (value == INT32_MAX || value == INT32_MIN))
		strcpy(text, value > 0 ? "infinity" : "-infinity");
	else if (form == CHANGE_DATE)
		leaf_day(value, text);
	else
		leaf_time(value, text);
	length = strlen(text);
	if (form == CHANGE_TIMESTAMP && text[length - 1] == 'Z')
		length--;
	jsonwrite_string(writer, bytes_of(text, length));
}

static void
write_uuid(JsonWriter *writer, const uint8_t *bytes)
{
	char text[40];

	(void) snprintf(text, sizeof(text), "\"%08x-%04x-%04x-%04x-%04x%08x\"", (unsigned) bytes_get_u32(bytes),
					(unsigned) bytes_get_u16(bytes + 4), (unsigned) bytes_get_u16(bytes + 6),
					(unsigned) bytes_get_u16(bytes + 8), (unsigned) bytes_get_u16(bytes + 10),
					(unsigned) bytes_get_u32(bytes + 12));
	jsonwrite_text(writer, text);
}

static void
write_form(JsonWriter *writer, ChangeForm form, Bytes bytes)
{
	switch (form)
	{
		case CHANGE_NUMBER:
			/* NaN and infinities are no JSON */
			if (bytes.length > 0 && (bytes.data[0] == '-' || (bytes.data[0] >= '0' && bytes.data[0] <= '9')))
				jsonwrite_json(writer, bytes);
			else
				jsonwrite_string(writer, bytes);
			break;
		case CHANGE_JSON:
			jsonwrite_json(writer, bytes);
			break;
		case CHANGE_BYTES:
			jsonwrite_hex(writer, "\\\\x", bytes);
			break;
		case CHANGE_BOOLEAN:
			jsonwrite_text(writer, bytes.data[0] != 0 ? "true" : "false");
			break;
		case CHANGE_INTEGER:
			jsonwrite_signed(writer, integer_of(bytes));
			break;
		case CHANGE_FLOAT:
			write_float(writer, bytes);
			break;
		case CHANGE_DATE:
		case CHANGE_TIMESTAMP:
		case CHANGE_TIMESTAMPTZ:
			write_time(writer, form, integer_of(bytes));
			break;
		case CHANGE_UUID:
			write_uuid(writer, bytes.data);
			break;
		default:
			jsonwrite_string(writer, bytes);
			break;
	}
}

/* Digests and values that were too long are objects. */
static void
write_digest(JsonWriter *writer, const ChangeValue *value)
{
	jsonwrite_begin(writer);
	jsonwrite_name(writer, bytes_of("digest", 6));
	if (value->mark == CHANGE_MARK_NO_DIGEST)
		jsonwrite_text(writer, "null");
	else
		jsonwrite_hex(writer, "", value->bytes);
	if (value->mark == CHANGE_MARK_LONG)
	{
		jsonwrite_name(writer, bytes_of("length", 6));
		jsonwrite_unsigned(writer, value->length);
	}
	jsonwrite_end(writer);
}

static void
write_side(JsonWriter *writer, const char *name, const ReadRow *row, const ChangeValue *values)
{
	jsonwrite_name(writer, bytes_of(name, 3));
	jsonwrite_begin(writer);
	for (int i = 0; i < row->count; i++)
	{
		const ChangeValue *value = values[i].mark == CHANGE_MARK_SAME ? &row->old[i] : &values[i];

		jsonwrite_name(writer, row->columns[i].name);
		if (value->mark == CHANGE_MARK_LENGTH)
			write_form(writer, row->columns[i].form, value->bytes);
		else if (value->mark == CHANGE_MARK_NULL)
			jsonwrite_text(writer, "null");
		else if (value->mark == CHANGE_MARK_REDACTED)
			jsonwrite_text(writer, "\"[redacted]\"");
		else
			write_digest(writer, value);
	}
	jsonwrite_end(writer);
}

bool
leaf_change_json(JsonWriter *writer, Bytes columns, Bytes row)
{
	ReadRow *read = malloc(sizeof(ReadRow));
	bool good = read != NULL && read_row(columns, row, read);

	if (good && (read->sides & CHANGE_OLD) != 0)
		write_side(writer, "old", read, read->old);
	if (good && (read->sides & CHANGE_NEW) != 0)
		write_side(writer, "new", read, read->new);
	free(read);
	return good;
}
