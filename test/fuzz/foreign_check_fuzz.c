/*
 * foreign_check_fuzz.c
 *		What passes for a check of a foreign key has its ends, calls no function
 *		outside quotes and holds no second statement.
 */
#include "fuzz.h"

#include "common/foreign_check.h"

/* The text outside of double quotes. */
static void
drop_names(const char *from, char *to)
{
	int inside = 0;

	for (; *from != '\0'; from++)
	{
		if (*from == '"')
			inside = !inside;
		else if (!inside)
			*to++ = *from;
	}
	*to = '\0';
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char begin[] = "SELECT 1 FROM ";
	static const char end[] = " FOR KEY SHARE OF x";
	char *text = fuzz_memory(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	if (foreign_check_is(text))
	{
		size_t length = strlen(text);
		char *bare = fuzz_memory(size + 1);

		MUST(strncmp(text, begin, sizeof(begin) - 1) == 0);
		MUST(strcmp(text + length - (sizeof(end) - 1), end) == 0);
		drop_names(text, bare);
		MUST(strchr(bare, ';') == NULL && strchr(bare, ':') == NULL && strchr(bare, '\'') == NULL);
		for (const char *open = strchr(bare, '('); open != NULL; open = strchr(open + 1, '('))
			MUST(strncmp(open, "(pg_catalog.", 12) == 0);
		free(bare);
	}
	free(text);
	return 0;
}
