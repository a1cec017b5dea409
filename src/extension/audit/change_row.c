/*
 * change_row.c
 *		Rows of an audited table as bytes (common/change.h), the same whatever the
 *		session's settings are.
 *
 * Values of fixed length are the rule and take no call; room for a whole side of
 * them is made at once.
 */
#include "audit/change.h"

#include "common/secret.h"
#include "keyring/keyring.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

/* Longer values are kept as their length and SHA-256. */
#define VALUE_MAX (256 * 1024)

/* The slot and name of the index key of which digests are made; the purpose keeps them apart from blind tags. */
#define DIGEST_SLOT (KEYRING_INDEX_SLOTS - 1)
#define DIGEST_KEY "bytea"
#define DIGEST_PURPOSE "twin_security audited value"

/* What types print must not depend on the session. */
static const char *const pins[][2] = {
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "iso_8601"},
	{"TimeZone", "UTC"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"lc_monetary", "C"},
	{"search_path", "pg_catalog, pg_temp"},
};

void
change_reserve(ChangeBuffer *buffer, size_t more)
{
	size_t wanted = buffer->length + more;
	size_t room = Max(buffer->room, 1024);

	if (likely(wanted <= buffer->room))
		return;
	while (room < wanted)
		room *= 2;
	buffer->data =
		buffer->data ? repalloc_huge(buffer->data, room) : MemoryContextAllocHuge(CurrentMemoryContext, room);
	buffer->room = room;
}

int
change_pin_settings(void)
{
	int level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(pins); i++)
		(void) set_config_option(pins[i][0], pins[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
change_begin(ChangeScribe *scribe, ChangePlan *plan)
{
	memset(scribe, 0, sizeof(*scribe));
	scribe->plan = plan;
	if (plan->allocates)
		scribe->per_row =
			AllocSetContextCreate(CurrentMemoryContext, "twin_security changed row", ALLOCSET_DEFAULT_SIZES);
	if (plan->needs_pins)
		scribe->guc_level = change_pin_settings();
}

void
change_end(ChangeScribe *scribe)
{
	if (scribe->guc_level > 0)
		AtEOXact_GUC(true, scribe->guc_level);
	if (scribe->per_row != NULL)
		MemoryContextDelete(scribe->per_row);
}

/* The number as bytes in the order of the network. */
static inline uint8 *
put_u16(uint8 *to, uint16 value)
{
	value = pg_hton16(value);
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

static inline uint8 *
put_u32(uint8 *to, uint32 value)
{
	value = pg_hton32(value);
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

static inline uint8 *
put_u64(uint8 *to, uint64 value)
{
	value = pg_hton64(value);
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

/* A value of no fixed length, as its bytes; in per-row memory where it has to be made. */
static Bytes
bytes_of_value(ChangePlanColumn *column, Datum value)
{
	struct varlena *whole;
	char *text;

	if (column->way == WAY_OUTPUT)
	{
		text = OutputFunctionCall(&column->output, value);
		return bytes_of(text, strlen(text));
	}
	whole = PG_DETOAST_DATUM_PACKED(value);
	return bytes_of(VARDATA_ANY(whole), VARSIZE_ANY_EXHDR(whole));
}

/* Appends a value that is not null and of fixed length, with its length; there is room. */
static inline uint8 *
put_fixed(uint8 *to, ColumnWay way, Datum value)
{
	switch (way)
	{
		case WAY_BOOLEAN:
			*to++ = 1;
			*to++ = DatumGetBool(value) ? 1 : 0;
			return to;
		case WAY_2:
			*to++ = 2;
			return put_u16(to, (uint16) DatumGetInt16(value));
		case WAY_4:
			*to++ = 4;
			return put_u32(to, (uint32) DatumGetInt32(value));
		case WAY_8:
			*to++ = 8;
			return put_u64(to, (uint64) DatumGetInt64(value));
		case WAY_FLOAT4:
		{
			float4 number = DatumGetFloat4(value);
			uint32 bits;

			memcpy(&bits, &number, sizeof(bits));
			*to++ = 4;
			return put_u32(to, bits);
		}
		case WAY_FLOAT8:
		{
			float8 number = DatumGetFloat8(value);
			uint64 bits;

			memcpy(&bits, &number, sizeof(bits));
			*to++ = 8;
			return put_u64(to, bits);
		}
		case WAY_UUID:
			*to++ = UUID_LEN;
			memcpy(to, DatumGetUUIDP(value)->data, UUID_LEN);
			return to + UUID_LEN;
		case WAY_REDACTED:
			return change_put_mark(to, CHANGE_MARK_REDACTED);
		default:
			elog(ERROR, "twin_security: a value has no fixed length");
	}
}

/* The keyed digest of a value, bound to its table and column: equal values of one column have equal digests. */
static uint8 *
put_digest(ChangeScribe *scribe, ChangePlanColumn *column, Datum value, uint8 *to)
{
	ChangeBuffer *input = &scribe->value;
	const char *table = scribe->plan->resource;
	MemoryContext before = MemoryContextSwitchTo(scribe->per_row);
	HmacKey *key;

	*input = (ChangeBuffer){0};
	change_reserve(input,
				   sizeof(DIGEST_PURPOSE) + strlen(table) + NAMEDATALEN + CHANGE_MARK_MAX + CHANGE_PIECE_HEAD + 2);
	memcpy(input->data, DIGEST_PURPOSE, sizeof(DIGEST_PURPOSE));
	input->length = sizeof(DIGEST_PURPOSE);
	memcpy(input->data + input->length, table, strlen(table) + 1);
	input->length += strlen(table) + 1;
	memcpy(input->data + input->length, NameStr(column->name), strlen(NameStr(column->name)) + 1);
	input->length += strlen(NameStr(column->name)) + 1;
	if (column->way == WAY_VARLENA || column->way == WAY_OUTPUT)
	{
		Bytes bytes = bytes_of_value(column, value);

		change_reserve(input, bytes.length);
		memcpy(input->data + input->length, bytes.data, bytes.length);
		input->length += bytes.length;
	}
	else
		input->length = (size_t) (put_fixed(input->data + input->length, column->way, value) - input->data);
	MemoryContextSwitchTo(before);
	key = keyring_index_key_if_any(DIGEST_SLOT, DIGEST_KEY);
	if (key == NULL)
		to = change_put_mark(to, CHANGE_MARK_NO_DIGEST);
	else
	{
		to = change_put_mark(to, CHANGE_MARK_DIGEST);
		base_check(hmac_sha256(key, bytes_of(input->data, input->length), to));
		to += DIGEST_SIZE;
	}
	secret_wipe(input->data, input->length);
	return to;
}

/* Appends a value of no fixed length. */
static void
append_bytes(ChangeBuffer *to, Bytes bytes, size_t rest)
{
	uint8 *at;

	if (bytes.length > VALUE_MAX)
	{
		at = change_put_mark(to->data + to->length, CHANGE_MARK_LONG);
		at = put_u64(at, bytes.length);
		base_check(digest_sha256(bytes, at));
		to->length = (size_t) (at + DIGEST_SIZE - to->data);
		return;
	}
	change_reserve(to, bytes.length + rest);
	at = change_put_piece(to->data + to->length, bytes.data, bytes.length);
	to->length = (size_t) (at - to->data);
}

/* Whether a column is the same in both sides. */
static inline bool
is_same(const ChangePlanColumn *column, const TupleTableSlot *old, const TupleTableSlot *new)
{
	int i = column->index;

	if (old->tts_isnull[i] || new->tts_isnull[i])
		return old->tts_isnull[i] && new->tts_isnull[i];
	if (column->by_value)
		return old->tts_values[i] == new->tts_values[i];
	return datum_image_eq(old->tts_values[i], new->tts_values[i], false, column->length);
}

/* Appends one side of a row; columns that are as in another side are marked so. */
static void
append_side(ChangeScribe *scribe, ChangeBuffer *to, TupleTableSlot *slot, TupleTableSlot *other)
{
	ChangePlan *plan = scribe->plan;

	for (int i = 0; i < plan->count; i++)
	{
		ChangePlanColumn *column = &plan->columns[i];
		uint8 *at = to->data + to->length;
		MemoryContext before;

		if (other != NULL && is_same(column, other, slot))
			at = change_put_mark(at, CHANGE_MARK_SAME);
		else if (column->way == WAY_REDACTED)
			at = change_put_mark(at, CHANGE_MARK_REDACTED);
		else if (slot->tts_isnull[column->index])
			at = change_put_mark(at, CHANGE_MARK_NULL);
		else if (column->is_digest)
			at = put_digest(scribe, column, slot->tts_values[column->index], at);
		else if (column->way == WAY_VARLENA || column->way == WAY_OUTPUT)
		{
			Bytes bytes;

			before = MemoryContextSwitchTo(scribe->per_row);
			bytes = bytes_of_value(column, slot->tts_values[column->index]);
			MemoryContextSwitchTo(before);
			append_bytes(to, bytes, 2 * plan->fixed);
			continue;
		}
		else
			at = put_fixed(at, column->way, slot->tts_values[column->index]);
		to->length = (size_t) (at - to->data);
	}
}

void
change_append_row(ChangeScribe *scribe, ChangeBuffer *to, TupleTableSlot *old, TupleTableSlot *new)
{
	size_t start = to->length;
	size_t length;
	uint8 head[CHANGE_PIECE_HEAD];
	size_t head_length;

	/* the row first, behind the one byte that its length mostly takes */
	change_reserve(to, 2 + CHANGE_PIECE_HEAD + 2 * scribe->plan->fixed);
	to->length = start + 1;
	to->data[to->length++] = (uint8) ((old ? CHANGE_OLD : 0) | (new ? CHANGE_NEW : 0));
	if (old != NULL)
		slot_getallattrs(old);
	if (new != NULL)
		slot_getallattrs(new);
	if (old != NULL)
		append_side(scribe, to, old, NULL);
	if (new != NULL)
		append_side(scribe, to, new, old);
	length = to->length - start - 1;
	head_length = (size_t) (change_put_length(head, length) - head);
	if (head_length > 1)
	{
		change_reserve(to, head_length);
		memmove(to->data + start + head_length, to->data + start + 1, length);
		to->length += head_length - 1;
	}
	memcpy(to->data + start, head, head_length);
	if (scribe->per_row != NULL)
		MemoryContextReset(scribe->per_row);
}
