/*
 * redact_value.c
 *		What follows the name of a secret: an operator and a value, in SQL, JSON,
 *		headers, queries of addresses, connection strings.
 */
#include "redact_form.h"

#include <string.h>

/* Hides a value in double quotes, \" or ", whose first quote is here. */
static void
quoted_value(RedactWalk *walk)
{
	Bytes text = walk->text;
	bool slash = text.data[walk->at] == '\\';
	size_t begin = walk->at + (slash ? 2 : 1);

	walk->bare = true;
	redact_copy_to(walk, begin);
	for (size_t i = begin; i < text.length; i++)
	{
		if (text.data[i] == '"' && !slash && redact_is_at(walk, i + 1, '"'))
			i++;
		else if (text.data[i] == '\\' && (!slash || !redact_is_at(walk, i + 1, '"')))
			i++;
		else if (text.data[i] == '"' || (slash && text.data[i] == '\\'))
		{
			redact_hide_to(walk, i);
			redact_copy_to(walk, i + (slash ? 2 : 1));
			return;
		}
	}
	redact_hide_rest(walk);
}

/* Hides an object or array of JSON that begins here. */
static void
nested_value(RedactWalk *walk)
{
	Bytes text = walk->text;
	size_t depth = 0;
	bool in_string = false;

	for (size_t i = walk->at; i < text.length; i++)
	{
		uint8_t byte = text.data[i];

		if (in_string && byte == '\\')
			i++;
		else if (byte == '"')
			in_string = !in_string;
		else if (!in_string && (byte == '{' || byte == '['))
			depth++;
		else if (!in_string && (byte == '}' || byte == ']') && --depth == 0)
		{
			redact_hide_to(walk, i + 1);
			return;
		}
	}
	redact_hide_rest(walk);
}

/* Whether a value without quotes ends at a byte. */
static bool
ends_value(const RedactWalk *walk, size_t at, bool in_query)
{
	uint8_t byte = walk->text.data[at];

	if (redact_is_space(byte))
		return true;
	if (walk->form == REDACT_SQL)
		return !redact_is_word(byte) && byte != '.';
	if (byte == '&')
		return in_query;
	/* a quote, a comma or a bracket ends it where nothing of it follows */
	return strchr("\"',;)]}>", byte) != NULL && byte != 0 &&
		   (at + 1 == walk->text.length || !redact_is_word(walk->text.data[at + 1]));
}

/* Whether what stands without quotes in a statement can be no secret: a parameter, a column of something, a function. */
static bool
is_expression(const RedactWalk *walk, size_t end)
{
	static const char *const words[] = {"null", "default", "true", "false", "select", "case", "any", "all", "array"};
	Bytes text = walk->text;
	size_t next = redact_skip_blank(text, end);

	if (end == walk->at || (text.data[walk->at] == '$' && end - walk->at > 1) || redact_is_at(walk, next, '('))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (redact_word_at(text, walk->at, words[i]))
			return true;
	/* E'...' and the like, x.y */
	return redact_is_at(walk, end, '\'') || redact_is_at(walk, end, '&') ||
		   (memchr(text.data + walk->at, '.', end - walk->at) != NULL &&
			(text.data[walk->at] < '0' || text.data[walk->at] > '9'));
}

/* Hides a value without quotes, that of Authorization with the word before it. */
static void
bare_value(RedactWalk *walk, bool in_query)
{
	static const char *const schemes[] = {"basic", "bearer", "digest", "negotiate", "apikey", "token"};
	size_t end = walk->at;

	for (size_t i = 0; walk->form != REDACT_SQL && i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (redact_word_at(walk->text, walk->at, schemes[i]))
			end = redact_skip_blank(walk->text, walk->at + strlen(schemes[i]));
	while (end < walk->text.length && !ends_value(walk, end, in_query))
		end++;
	if (walk->form == REDACT_SQL && is_expression(walk, end))
		return;
	walk->bare =
		walk->bare || (end > walk->at && (walk->text.data[walk->at] < '0' || walk->text.data[walk->at] > '9'));
	redact_hide_to(walk, end);
}

/* Writes what stands between a name, whose end is here, and its value; false when no value follows. */
static bool
find_value(RedactWalk *walk)
{
	Bytes text = walk->text;
	size_t at = walk->at;
	bool has_operator = false;

	/* what closes the name: "name", name), 'name'::text */
	while (at < text.length && memchr("\\\"'`])", text.data[at], 6) != NULL && at - walk->at < 4)
		at++;
	at = redact_skip_blank(text, at);
	if (redact_is_at(walk, at, ':') && redact_is_at(walk, at + 1, ':'))
	{
		for (at += 2; at < text.length && redact_is_word(text.data[at]);)
			at++;
		at = redact_skip_blank(text, at);
	}
	while (at < text.length && memchr("=:>~", text.data[at], 4) != NULL)
	{
		has_operator = true;
		at++;
	}
	if (!has_operator && walk->form == REDACT_SQL && redact_word_at(text, at, "to"))
	{
		has_operator = true;
		at += 2;
	}
	at = redact_skip_blank(text, at);
	if (at == text.length || (!has_operator && (walk->form != REDACT_SQL || text.data[at] != '"')))
		return false;
	redact_copy_to(walk, at);
	return true;
}

/* The name of a secret was written: hides what is said to be its value, literals excepted, which the walk hides. */
void
redact_after_name(RedactWalk *walk, bool in_query)
{
	if (!find_value(walk))
		return;
	if (redact_is_at(walk, walk->at, '"') ||
		(redact_is_at(walk, walk->at, '\\') && redact_is_at(walk, walk->at + 1, '"')))
		quoted_value(walk);
	else if (walk->form != REDACT_SQL && (redact_is_at(walk, walk->at, '{') || redact_is_at(walk, walk->at, '[')))
		nested_value(walk);
	else if (redact_is_at(walk, walk->at, '\'') || (redact_is_at(walk, walk->at, '$') && redact_tag_end(walk) != 0))
		return;
	else
		bare_value(walk, in_query);
}
