/*
 * origin.c
 *		Where a view's columns come from.
 *
 * pg_rewrite.ev_action is a query tree as the server prints its nodes:
 * ({QUERY :field value :field ({NODE ...} ...) ...}), with a backslash before
 * whatever could be mistaken.  Only the target list of the outermost query
 * counts; queries inside it, in FROM, WHERE or WITH, have target lists of their
 * own.  So depth is counted and nothing else is understood.
 *
 * The limit: a column that is an expression, or comes out of UNION, GROUP BY's
 * grouping columns (PostgreSQL 18) or a function, has no origin.
 */
#include "gateway/plan/model.h"

#include <stdlib.h>
#include <string.h>

/* The next piece: a bracket alone, or what stands between blanks and brackets; false at the end. */
static bool
next_piece(const char **text, const char **piece, size_t *length)
{
	const char *at = *text;

	while (*at == ' ' || *at == '\n')
		at++;
	*piece = at;
	if (*at == '\0')
		return false;
	if (strchr("(){}", *at) != NULL)
		at++;
	else
	{
		while (*at != '\0' && strchr(" \n(){}", *at) == NULL)
			at += *at == '\\' && at[1] != '\0' ? 2 : 1;
	}
	*length = (size_t) (at - *piece);
	*text = at;
	return true;
}

static bool
is_piece(const char *piece, size_t length, const char *word)
{
	return strlen(word) == length && strncmp(piece, word, length) == 0;
}

/* Depth of braces: the query is 1, an entry of its target list is 2. */
int
origin_read(const char *rule, Origin *origins)
{
	const char *piece;
	size_t length;
	int depth = 0;
	int count = 0;
	bool in_list = false;
	Origin entry = {0};

	while (next_piece(&rule, &piece, &length))
	{
		if (*piece == '{' && length == 1)
			depth++;
		else if (*piece == '}' && length == 1)
		{
			if (depth == 2 && in_list && entry.number > 0 && entry.table > 0 && entry.column > 0 &&
				count < ORIGINS_MAX)
				origins[count++] = entry;
			if (depth == 2)
				entry = (Origin){0};
			depth--;
		}
		else if (depth == 1 && *piece == ':')
			in_list = is_piece(piece, length, ":targetList");
		else if (depth == 2 && in_list && *piece == ':')
		{
			const char *value = rule;

			if (is_piece(piece, length, ":resno"))
				entry.number = atoi(value);
			else if (is_piece(piece, length, ":resorigtbl"))
				entry.table = strtoll(value, NULL, 10);
			else if (is_piece(piece, length, ":resorigcol"))
				entry.column = atoi(value);
		}
	}
	return count;
}
