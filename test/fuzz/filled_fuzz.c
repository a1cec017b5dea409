/*
 * filled_fuzz.c
 *		A format and a message, with a zero between: what is found lies in the
 *		message, with the words of the format before and after it.
 */
#include "fuzz.h"

#include "common/filled.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *format = fuzz_memory(size + 1);
	const char *text;
	Bytes found;

	memcpy(format, data, size);
	format[size] = '\0';
	text = strlen(format) < size ? format + strlen(format) + 1 : "";
	if (filled_last(format, text, &found))
	{
		const char *after = strrchr(format, '%') + 2;

		MUST((const char *) found.data >= text);
		MUST((const char *) found.data + found.length + strlen(after) == text + strlen(text));
		MUST(strcmp((const char *) found.data + found.length, after) == 0);
		MUST(filled_has_words(format));
	}
	free(format);
	return 0;
}
