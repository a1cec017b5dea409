/*
 * route.c
 *		Paths of requests as limits compare them.
 */
#include "route.h"

#include <string.h>

static int
hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Takes one character of a path, which may be encoded; returns how many bytes it took. */
static size_t
take(const char *path, size_t length, char *c)
{
	int byte;

	*c = path[0];
	if (path[0] != '%' || length < 3 || hex_of(path[1]) < 0 || hex_of(path[2]) < 0)
		return 1;
	byte = hex_of(path[1]) * 16 + hex_of(path[2]);
	if (byte == 0)
		return 1; /* stays as it is written */
	*c = (char) byte;
	return 3;
}

size_t
route_read(const char *path, size_t length, char route[ROUTE_MAX])
{
	size_t written = 0;
	size_t at = 0;
	bool is_cut = false;

	while (at < length && !is_cut)
	{
		char c;

		at += take(path + at, length - at, &c);
		if (c == '\0')
			c = '?'; /* a path holds none */
		if (c == '/' && written > 0 && route[written - 1] == '/')
			continue;
		if (written == ROUTE_MAX)
			is_cut = true;
		else
			route[written++] = c;
	}
	if (!is_cut && written > 1 && route[written - 1] == '/')
		written--;
	return written;
}

unsigned
route_fits(const char *rule, size_t rule_length, const char *route, size_t length)
{
	if (rule_length == 0 || rule_length > ROUTE_RULE_MAX)
		return 0;
	if (rule[rule_length - 1] != '*')
		/* public: paths */
		return rule_length == length && memcmp(rule, route, length) == 0 ? ROUTE_RULE_MAX + 1 : 0;
	/* public: paths */
	if (rule_length - 1 > length || memcmp(rule, route, rule_length - 1) != 0)
		return 0;
	return (unsigned) rule_length;
}
