/*
 * mask.c
 *		The patterns as a table: how each is written, and who masks text by it.
 */
#include "mask_form.h"

#include <string.h>

/* What stands in a pattern's parentheses. */
typedef enum Parameters
{
	NO_PARAMETERS,
	WIDTH,   /* may be left out */
	PERIOD,  /* year or month; may be left out */
	KEEP_TWO /* two numbers */
} Parameters;

typedef struct PatternRow
{
	const char *name;
	MaskKind kind;
	Parameters parameters;
	MaskWriter *write; /* NULL: nothing of it is shown */
} PatternRow;

static MaskWriter write_by_form;

static const PatternRow patterns[] = {
	{"default", MASK_DEFAULT, NO_PARAMETERS, write_by_form},
	{"full", MASK_FULL, NO_PARAMETERS, NULL},
	{"email", MASK_EMAIL, NO_PARAMETERS, mask_write_email},
	{"card", MASK_CARD, NO_PARAMETERS, mask_write_card},
	{"phone", MASK_PHONE, NO_PARAMETERS, mask_write_phone},
	{"name", MASK_NAME, NO_PARAMETERS, mask_write_name},
	{"ip", MASK_IP, NO_PARAMETERS, mask_write_ip},
	{"number", MASK_NUMBER, WIDTH, mask_write_number},
	{"date", MASK_DATE, PERIOD, mask_write_date},
	{"partial", MASK_PARTIAL, KEEP_TWO, mask_write_partial},
};

#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

/* ---- reading a pattern ---- */

/* Takes a word off the front of a text. */
static bool
take_word(Bytes *from, const char *word)
{
	size_t length = strlen(word);

	if (from->length < length || memcmp(from->data, word, length) != 0) /* public: a pattern */
		return false;
	*from = bytes_of(from->data + length, from->length - length);
	return true;
}

/* Takes a decimal number without sign or leading zeroes off the front, at most this large. */
static bool
take_number(Bytes *from, uint64_t most, uint64_t *number)
{
	size_t digits = 0;

	*number = 0;
	while (digits < from->length && mask_is_digit(from->data[digits]))
	{
		*number = *number * 10 + (uint64_t) (from->data[digits] - '0');
		if (*number > most)
			return false;
		digits++;
	}
	if (digits == 0 || (digits > 1 && from->data[0] == '0'))
		return false;
	*from = bytes_of(from->data + digits, from->length - digits);
	return true;
}

/* Reads what stands between the parentheses. */
static bool
take_parameters(Bytes *from, Parameters parameters, MaskPattern *pattern)
{
	uint64_t first;
	uint64_t last;

	switch (parameters)
	{
		case WIDTH:
			return take_number(from, MASK_WIDTH_MAX, &pattern->width) && pattern->width >= MASK_WIDTH_MIN;
		case PERIOD:
			pattern->month = take_word(from, "month");
			return pattern->month || take_word(from, "year");
		case KEEP_TWO:
			if (!take_number(from, MASK_KEEP_MAX, &first) || !take_word(from, ",") ||
				!take_number(from, MASK_KEEP_MAX, &last))
				return false;
			pattern->first = (unsigned) first;
			pattern->last = (unsigned) last;
			return first + last > 0;
		default:
			return false;
	}
}

bool
mask_parse(const char *word, size_t length, MaskPattern *pattern)
{
	for (size_t i = 0; i < PATTERNS; i++)
	{
		Bytes rest = bytes_of(word, length);

		if (!take_word(&rest, patterns[i].name))
			continue;
		*pattern = (MaskPattern){.kind = patterns[i].kind};
		if (rest.length == 0)
			return patterns[i].parameters != KEEP_TWO;
		return take_word(&rest, "(") && take_parameters(&rest, patterns[i].parameters, pattern) &&
			   take_word(&rest, ")") && rest.length == 0;
	}
	return false;
}

/* ---- text under construction ---- */

void
mask_put(MaskOut *out, const void *bytes, size_t length)
{
	if (length >= MASK_TEXT_MAX - out->length)
	{
		out->overflow = true;
		return;
	}
	memcpy(out->text + out->length, bytes, length);
	out->length += length;
}

void
mask_put_text(MaskOut *out, const char *text)
{
	mask_put(out, text, strlen(text));
}

size_t
mask_character(Bytes text)
{
	uint8_t lead;
	size_t length;
	uint32_t code;

	if (text.length == 0 || text.data[0] == 0)
		return 0;
	lead = text.data[0];
	if (lead < 0x80)
		return 1;
	length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	if (lead < 0xc2 || lead > 0xf4 || length > text.length)
		return 0;
	code = lead & (0x7fu >> length);
	for (size_t i = 1; i < length; i++)
	{
		if ((text.data[i] & 0xc0) != 0x80)
			return 0;
		code = (code << 6) | (text.data[i] & 0x3fu);
	}
	if ((length == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) ||
		(length == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	return length;
}

size_t
mask_characters(Bytes text)
{
	size_t count = 0;

	while (text.length > 0)
	{
		size_t length = mask_character(text);

		if (length == 0)
			return SIZE_MAX;
		text = bytes_of(text.data + length, text.length - length);
		count++;
	}
	return count;
}

/* ---- masking text ---- */

/* Recognises text by its form, the narrow forms first. */
static bool
write_by_form(const MaskPattern *pattern, Bytes text, MaskOut *out)
{
	if (mask_looks_like_card(text))
		return mask_write_card(pattern, text, out);
	if (mask_looks_like_phone(text))
		return mask_write_phone(pattern, text, out);
	return mask_write_email(pattern, text, out) || mask_write_ip(pattern, text, out);
}

size_t
mask_text(const MaskPattern *pattern, Bytes text, char masked[MASK_TEXT_MAX])
{
	MaskOut out = {.text = masked};
	const PatternRow *row = NULL;

	for (size_t i = 0; i < PATTERNS; i++)
		if (patterns[i].kind == pattern->kind)
			row = &patterns[i];
	if (row == NULL || row->write == NULL || !row->write(pattern, text, &out) || out.overflow)
	{
		out = (MaskOut){.text = masked};
		mask_put_text(&out, MASK_FULL_TEXT);
	}
	masked[out.length] = '\0';
	return out.length;
}
