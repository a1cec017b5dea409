/*
 * filled.c
 *		See filled.h.  Nothing is copied or allocated; every index stays in its text.
 */
#include "filled.h"

#include <string.h>

bool
filled_has_words(const char *format)
{
	for (const char *c = format; *c != '\0'; c++)
	{
		if (*c == '%' && c[1] != '\0')
			c++;
		else if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z'))
			return true;
	}
	return false;
}

/* Finds the first and last %s and where the words before the last begin; the number of them, 0 where there is anything else. */
static size_t
count_places(const char *format, const char **first, const char **last, const char **between)
{
	size_t count = 0;

	for (const char *c = format; *c != '\0'; c++)
	{
		if (*c != '%')
			continue;
		if (c[1] != 's')
			return 0;
		if (count++ == 0)
			*first = c;
		else
			*between = *last + 2;
		*last = c++;
	}
	return count;
}

/* Where bytes stand in others for the last time; NULL when they do not. */
static const char *
find_last(const char *in, size_t in_length, const char *what, size_t length)
{
	if (length == 0 || length > in_length)
		return NULL;
	for (const char *at = in + (in_length - length);; at--)
	{
		if (memcmp(at, what, length) == 0) /* public: words of a message */
			return at;
		if (at == in)
			return NULL;
	}
}

bool
filled_last(const char *format, const char *text, Bytes *found)
{
	const char *first = NULL;
	const char *last = NULL;
	const char *between = NULL;
	size_t count = count_places(format, &first, &last, &between);
	size_t length = strlen(text);
	size_t before;
	size_t after;

	if (count == 0 || !filled_has_words(format))
		return false;
	before = (size_t) (first - format);
	after = strlen(last + 2);
	if (length < before + after || memcmp(text, format, before) != 0 || /* public: words of a message */
		memcmp(text + (length - after), last + 2, after) != 0)          /* public: words of a message */
		return false;
	text += before;
	length -= before + after;
	if (count > 1)
	{
		size_t words = (size_t) (last - between);
		const char *at = find_last(text, length, between, words);

		if (at == NULL)
			return false;
		length -= (size_t) (at - text) + words;
		text = at + words;
	}
	*found = bytes_of(text, length);
	return true;
}
