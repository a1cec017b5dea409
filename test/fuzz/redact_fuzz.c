/*
 * redact_fuzz.c
 *		Texts of the log: the first byte says how one is read, the rest of the first
 *		line is a list of added names, and what follows is the text.
 *
 * Where nothing is found nothing changes; what is written is no longer than its
 * room and than what the hiding marks can make of it; valid UTF-8 stays so; and
 * what was hidden is not found by its look again.
 */
#define FUZZ_LENGTH_MAX 2048
#include "fuzz.h"

#include "common/redact.h"

/* Whether bytes are UTF-8 as far as lead bytes and those that follow them go. */
static int
is_utf8(const uint8_t *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		size_t more = text[i] < 0x80   ? 0
					  : text[i] < 0xc2 ? 9
					  : text[i] < 0xe0 ? 1
					  : text[i] < 0xf0 ? 2
					  : text[i] < 0xf5 ? 3
									   : 9;

		if (more > 3 || i + more >= length)
			return 0;
		for (size_t j = 0; j < more; j++)
			if ((text[++i] & 0xc0) != 0x80)
				return 0;
	}
	return 1;
}

static void
check_write(Bytes text, RedactForm form, unsigned findings, const RedactNames *names, size_t room)
{
	char *to = fuzz_memory(room);
	size_t size = redact_write(text, form, findings, names, to, room, NULL);

	MUST(size < room && to[size] == '\0');
	MUST(size <= 4 * text.length + sizeof(REDACT_CUT));
	if (is_utf8(text.data, text.length))
		MUST(is_utf8((const uint8_t *) to, size));
	if (!(findings & (REDACT_SHAPE | REDACT_NAME)) && room > text.length + sizeof(REDACT_CUT))
		MUST(size == text.length && memcmp(to, text.data, size) == 0);
	/* of what nothing tells, what is hidden is not found again */
	if (!(findings & REDACT_NAME) && room > 4 * text.length)
	{
		char *again = fuzz_memory(room);

		MUST(redact_write(bytes_of(to, size), form, findings, names, again, room, NULL) <= size);
		free(again);
	}
	free(to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data + 1, '\n', size - 1) : NULL;
	RedactForm form;
	RedactNames names;
	char *list;
	Bytes text;
	unsigned findings;

	if (end == NULL)
		return 0;
	form = (RedactForm) (data[0] % 3);
	list = fuzz_memory((size_t) (end - data));
	memcpy(list, data + 1, (size_t) (end - data - 1));
	list[end - data - 1] = '\0';
	if (!redact_names_parse(list, &names))
		MUST(names.count == 0);
	MUST(names.count <= REDACT_NAMES_MAX);
	text = bytes_of(fuzz_copy(end + 1, size - (size_t) (end + 1 - data)), size - (size_t) (end + 1 - data));
	findings = redact_look(text, &names);
	check_write(text, form, findings, &names, 4 * text.length + 64);
	check_write(text, form, findings, &names, sizeof(REDACT_CUT) + 4 + data[0]);
	check_write(text, form, findings | REDACT_NAME, &names, 4 * text.length + 64);
	/* as a format */
	{
		char *format = fuzz_memory(text.length + 1);
		char *to = fuzz_memory(64);

		memcpy(format, text.data, text.length);
		format[text.length] = '\0';
		MUST(redact_template(format, NULL, to, 64) < 64);
		MUST(redact_template(format, list, to, 64) < 64);
		MUST(redact_template(list, format, to, 64) < 64);
		free(format);
		free(to);
	}
	free((void *) text.data);
	free(list);
	return 0;
}
