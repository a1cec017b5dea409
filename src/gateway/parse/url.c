/*
 * url.c
 *		Percent-encoding and paths.
 */
#include "gateway/parse/url.h"

#include <string.h>

static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

const char *
url_decode(Arena *arena, const char *data, size_t length, bool is_form)
{
	char *decoded = arena_alloc(arena, length + 1);
	size_t at = 0;

	for (size_t i = 0; i < length; i++)
	{
		char byte = data[i];

		if (byte == '%')
		{
			int high = length - i > 2 ? hex_value(data[i + 1]) : -1;
			int low = length - i > 2 ? hex_value(data[i + 2]) : -1;

			if (high < 0 || low < 0)
				return NULL;
			byte = (char) (high << 4 | low);
			i += 2;
		}
		else if (byte == '+' && is_form)
			byte = ' ';
		decoded[at++] = byte;
	}
	return text_is_utf8(decoded, at) ? decoded : NULL;
}

void
url_encode(Text *text, const char *string)
{
	static const char digits[] = "0123456789ABCDEF";

	for (const unsigned char *s = (const unsigned char *) string; *s != '\0'; s++)
	{
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '-' ||
			*s == '_' || *s == '.' || *s == '~')
			text_char(text, (char) *s);
		else
		{
			char encoded[3] = {'%', digits[*s >> 4], digits[*s & 15]};

			text_add(text, encoded, sizeof(encoded));
		}
	}
}

bool
url_path_read(Arena *arena, const char *path, size_t length, UrlPath *result, Problem *problem)
{
	static const char invalid[] = "Invalid path specified in request URL";
	const char *slash;

	*result = (UrlPath){.kind = URL_ROOT};
	if (length > 0 && path[0] == '/')
	{
		path++;
		length--;
	}
	if (length == 0)
		return true;
	result->kind = URL_RELATION;
	slash = memchr(path, '/', length);
	if (slash != NULL)
	{
		const char *first = url_decode(arena, path, (size_t) (slash - path), false);

		if (first == NULL || strcmp(first, "rpc") != 0)
			return problem_set(problem, 404, "PGRST125", invalid, NULL, NULL);
		length -= (size_t) (slash + 1 - path);
		path = slash + 1;
		if (length == 0 || memchr(path, '/', length) != NULL)
			return problem_set(problem, 404, "PGRST125", invalid, NULL, NULL);
		result->kind = URL_ROUTINE;
	}
	result->name = url_decode(arena, path, length, false);
	if (result->name == NULL)
		return problem_set(problem, 400, "PGRST100", "failed to decode the path",
						   "a percent sign without two hexadecimal digits, a NUL, or bytes that are no UTF-8", NULL);
	return true;
}
