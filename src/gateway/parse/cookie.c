/*
 * cookie.c
 *		Cookie: pairs with semicolons between (RFC 6265, 4.2.1 and 5.4).
 *
 * A value is taken as it stands, quotes included, for that is what a browser
 * was told.  A pair whose name is no token, or whose value holds a control
 * character or is no UTF-8, is left out: no user agent sends it.
 */
#include "gateway/parse/headers.h"

#include <string.h>

#define COOKIES_MAX 100

/* Whether bytes are a token (RFC 9110, 5.6.2). */
static bool
is_token(const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) data[i];

		if (byte <= ' ' || byte >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", byte) != NULL)
			return false;
	}
	return length > 0;
}

static bool
is_value(const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) data[i];

		if (byte < ' ' || byte == 0x7f)
			return false;
	}
	return text_is_utf8(data, length);
}

Cookie *
cookies_read(Arena *arena, const char *value)
{
	Cookie *first = NULL;
	Cookie **tail = &first;
	int count = 0;

	while (value != NULL && *value != '\0' && count < COOKIES_MAX)
	{
		size_t whole = strcspn(value, ";");
		size_t start = strspn(value, " \t");
		size_t name = start < whole ? strcspn(value + start, "=;") : 0;
		size_t end = whole;

		while (end > start && (value[end - 1] == ' ' || value[end - 1] == '\t'))
			end--;
		if (start + name < end && value[start + name] == '=' && is_token(value + start, name) &&
			is_value(value + start + name + 1, end - start - name - 1))
		{
			Cookie *cookie = arena_alloc(arena, sizeof(Cookie));

			cookie->name = arena_copy(arena, value + start, name);
			cookie->value = arena_copy(arena, value + start + name + 1, end - start - name - 1);
			*tail = cookie;
			tail = &cookie->next;
			count++;
		}
		value += whole + (value[whole] == ';');
	}
	return first;
}
