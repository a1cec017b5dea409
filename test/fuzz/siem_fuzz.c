/*
 * siem_fuzz.c
 *		Leaves of the log in every form: the input is a leaf, or else the texts of one,
 *		with zeros between them.
 *
 * Whatever it says, each form is one line of UTF-8 that its reader takes apart:
 * JSON that parses, a CEF line and a syslog line with the event's number in them.
 */
#define FUZZ_LENGTH_MAX 2048
#include "fuzz.h"

#include "../unit/siem_parse.h"
#include "common/siem.h"

/* Takes the texts of an event apart. */
static void
take_texts(const uint8_t *data, size_t size, Leaf *leaf)
{
	memset(leaf, 0, sizeof(*leaf));
	for (int i = 0; i < LEAF_COLUMNS && size > 0; i++)
	{
		const uint8_t *end = memchr(data, 0, size);
		size_t length = end != NULL ? (size_t) (end - data) : size;

		if (length > 0)
			leaf->text[i] = bytes_of(data, length);
		data += length + (end != NULL);
		size -= length + (end != NULL);
	}
}

static void
check_json(const char *line, size_t length)
{
	json_error_t error;
	json_t *json = json_loadb(line, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);

	/* jansson takes neither numbers beyond a double nor as much nesting as JSON may have */
	MUST(json != NULL || strstr(error.text, "real number overflow") != NULL || strstr(error.text, "depth") != NULL ||
		 strstr(error.text, "too big") != NULL);
	MUST(jsonscan_valid(bytes_of(line, length)) || json == NULL);
	json_decref(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_copy(data, size);
	SiemEvent event = {
		.leaf_index = 41, .host = "h\xff \n", .database = "d\"b", .version = "1|0", .is_ascii = size % 2 != 0};
	char number[32];

	if (!leaf_decode(bytes_of(copy, size), &event.leaf))
		take_texts(copy, size, &event.leaf);
	event.old_row = event.leaf.text[LEAF_DETAILS];
	snprintf(number, sizeof(number), "%lld", (long long) event.leaf.event_id);
	for (SiemFormat format = 0; format < SIEM_FORMATS; format++)
	{
		size_t length = siem_write(format, &event, NULL, 0);
		char *line = fuzz_memory(length);
		char *to = fuzz_memory(length + 1);
		size_t got;

		MUST(siem_write(format, &event, line, length) == length);
		MUST(parse_is_line(line, length, event.is_ascii));
		if (format == SIEM_CEF)
			MUST(parse_cef_value(line, length, "externalId", to, &got) && strcmp(to, number) == 0);
		else if (format == SIEM_RFC5424)
		{
			MUST(parse_syslog_parameter(line, length, "event_id", to, &got) && strcmp(to, number) == 0);
			MUST(parse_syslog_parameter(line, length, NULL, to, &got));
			got += event.is_ascii ? 0 : 3;
			check_json(line + got, length - got);
		}
		else
			check_json(line, length);
		free(to);
		free(line);
	}
	free(copy);
	return 0;
}
