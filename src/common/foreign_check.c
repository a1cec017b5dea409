/*
 * foreign_check.c
 *		The form of foreign_check.h, read from left to right.
 */
#include "foreign_check.h"

#include <string.h>

/* Each of these moves the cursor over what it is called after, and leaves it alone when that does not stand there. */
static bool
word(const char **at, const char *expected)
{
	size_t length = strlen(expected);

	if (strncmp(*at, expected, length) != 0)
		return false;
	*at += length;
	return true;
}

/* A name in double quotes; those within it are doubled. */
static bool
quoted_name(const char **at)
{
	const char *c = *at;

	if (*c++ != '"')
		return false;
	for (; *c != '\0'; c++)
	{
		if (*c != '"')
			continue;
		if (c[1] != '"')
		{
			*at = c + 1;
			return true;
		}
		c++;
	}
	return false;
}

static bool
parameter(const char **at)
{
	const char *c = *at;

	if (*c++ != '$' || *c < '1' || *c > '9')
		return false;
	while (*c >= '0' && *c <= '9')
		c++;
	*at = c;
	return true;
}

/* One of the server's own operators. */
static bool
own_operator(const char **at)
{
	const char *c = *at;
	size_t length;

	if (!word(&c, " OPERATOR(pg_catalog."))
		return false;
	length = strspn(c, "+-*/<>=~!@#%^&|`?");
	if (length == 0 || c[length] != ')' || c[length + 1] != ' ')
		return false;
	*at = c + length + 2;
	return true;
}

static bool
condition(const char **at)
{
	if (quoted_name(at))
		return own_operator(at) && parameter(at);
	return parameter(at) && own_operator(at) && quoted_name(at);
}

bool
foreign_check_is(const char *statement)
{
	const char *at = statement;

	if (!word(&at, "SELECT 1 FROM "))
		return false;
	(void) word(&at, "ONLY ");
	if (!quoted_name(&at) || !word(&at, ".") || !quoted_name(&at) || !word(&at, " x WHERE "))
		return false;
	do
	{
		if (!condition(&at))
			return false;
	} while (word(&at, " AND "));
	return word(&at, " FOR KEY SHARE OF x") && *at == '\0';
}
