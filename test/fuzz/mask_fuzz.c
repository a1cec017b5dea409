/*
 * mask_fuzz.c
 *		All masks of one text: the first line is read as a pattern, the rest is
 *		what is masked, by that pattern and by every standard one.
 *
 * A mask is zero-terminated valid UTF-8 and holds stars; what it shows of a
 * text besides them is no more than its pattern allows; a range holds its
 * number; masked JSON shows no digit outside of strings.
 */
#include "fuzz.h"

#include "common/mask.h"

static const char *const words[] = {
	"default",     "full",         "email",        "card",          "phone",
	"name",        "ip",           "number",       "number(2)",     "date",
	"date(month)", "partial(1,1)", "partial(2,4)", "partial(0,16)", "number(1000000000000000)"};

/* Number of characters of valid UTF-8; ends the run for any other. */
static size_t
characters_of(const char *text, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++)
	{
		uint8_t byte = (uint8_t) text[i];
		size_t more = byte < 0x80 ? 0 : byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;

		MUST(byte != 0 && (byte & 0xc0) != 0x80 && byte != 0xc0 && byte != 0xc1 && byte < 0xf5);
		MUST(i + more < length);
		for (size_t j = 0; j < more; j++)
			MUST(((uint8_t) text[++i] & 0xc0) == 0x80);
		count++;
	}
	return count;
}

/* Most characters a mask may have besides its stars. */
static size_t
most_shown(const MaskPattern *pattern, size_t length)
{
	switch (pattern->kind)
	{
		case MASK_FULL:
			return 0;
		case MASK_NAME:
			return 5;
		case MASK_DATE:
			return pattern->month ? 7 : 4;
		case MASK_PARTIAL:
			return pattern->first + pattern->last;
		case MASK_PHONE:
			return 8;
		case MASK_IP:
			return 15;
		case MASK_NUMBER:
			return 2 * (MASK_DIGITS_MAX + 1) + 1;
		case MASK_DEFAULT: /* an address may be written shorter than its mask */
			return length > 15 ? length : 15;
		default:
			return length;
	}
}

static void
check_text(const MaskPattern *pattern, const uint8_t *text, size_t length)
{
	char *masked = fuzz_memory(MASK_TEXT_MAX);
	size_t size = mask_text(pattern, bytes_of(text, length), masked);
	size_t stars = 0;

	MUST(size < MASK_TEXT_MAX && masked[size] == '\0');
	for (size_t i = 0; i < size; i++)
		stars += masked[i] == '*';
	MUST(stars >= 3 || pattern->kind == MASK_NAME || pattern->kind == MASK_NUMBER || pattern->kind == MASK_DATE);
	/* stars of the text itself may be among what is shown */
	MUST(characters_of(masked, size) - (stars < 3 ? 0 : 3) <= most_shown(pattern, length));
	/* a whole text is never among it, unless it is one that a mask could be itself */
	if (size == length && memcmp(masked, text, length) == 0)
		MUST(stars >= 3 || pattern->kind == MASK_NAME);
	free(masked);
}

static void
check_json(const uint8_t *json, size_t length)
{
	size_t size = mask_json(bytes_of(json, length), NULL);
	char *masked = fuzz_memory(size);
	int in_string = 0;

	MUST(size <= 5 * length);
	if (size > 0)
		MUST(mask_json(bytes_of(json, length), masked) == size);
	for (size_t i = 0; i < size; i++)
	{
		if (in_string && masked[i] == '\\')
			i++;
		else if (masked[i] == '"')
			in_string = !in_string;
		else if (!in_string)
			MUST(strchr("{}[],: \t\r\nnul", masked[i]) != NULL);
	}
	MUST(!in_string);
	free(masked);
}

/* An address shows its first three bytes, or its first six, and nothing else. */
static void
check_address(const uint8_t *data, bool is_v6)
{
	size_t size = is_v6 ? 16 : 4;
	uint8_t *address = fuzz_copy(data, size);
	char masked[MASK_TEXT_MAX];
	char again[MASK_TEXT_MAX];
	size_t length = mask_address(address, is_v6, masked);

	MUST(length < MASK_TEXT_MAX && strlen(masked) == length && strchr(masked, '*') != NULL);
	for (size_t i = is_v6 ? 6 : 3; i < size; i++)
		address[i] ^= 0xff;
	MUST(mask_address(address, is_v6, again) == length && strcmp(again, masked) == 0);
	free(address);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t first = end != NULL ? (size_t) (end - data) : 0;
	size_t begin = end != NULL ? first + 1 : 0;
	uint8_t *word = fuzz_copy(data, first);
	uint8_t *text = fuzz_copy(data + begin, size - begin);
	MaskPattern pattern;

	if (mask_parse((const char *) word, first, &pattern))
	{
		MUST(pattern.first <= MASK_KEEP_MAX && pattern.last <= MASK_KEEP_MAX && pattern.width <= MASK_WIDTH_MAX);
		check_text(&pattern, text, size - begin);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		MUST(mask_parse(words[i], strlen(words[i]), &pattern));
		check_text(&pattern, text, size - begin);
	}
	check_json(text, size - begin);
	if (size >= 4)
		check_address(data, false);
	if (size >= 16)
		check_address(data, true);
	free(word);
	free(text);
	return 0;
}
