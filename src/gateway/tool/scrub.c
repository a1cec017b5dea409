/*
 * scrub.c
 *		Texts without tokens.
 */
#include "gateway/tool/scrub.h"

#include <string.h>

#define TOKEN_START "eyJ"
#define TOKEN_LENGTH_LEAST 16 /* no header names its algorithm in less */
#define TOKEN_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="

const char *
scrub_tokens(Arena *arena, const char *text)
{
	const char *start = text == NULL ? NULL : strstr(text, TOKEN_START);
	const char *kept = text;
	Text scrubbed;
	bool found = false;

	while (start != NULL)
	{
		size_t length = strspn(start, TOKEN_LETTERS);

		if (length >= TOKEN_LENGTH_LEAST)
		{
			if (!found)
				text_begin(&scrubbed, arena);
			found = true;
			text_add(&scrubbed, kept, (size_t) (start - kept));
			text_put(&scrubbed, "[token]");
			kept = start + length;
		}
		start = strstr(start + length, TOKEN_START);
	}
	if (!found)
		return text;
	text_put(&scrubbed, kept);
	return scrubbed.data;
}
