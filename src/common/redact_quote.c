/*
 * redact_quote.c
 *		Quotes and comments of a text that tells of a secret.
 *
 * Where a quote can be read in two ways (a backslash before it, an identifier with
 * an apostrophe in it) nothing is guessed: what either reading would hide is hidden.
 */
#include "redact_form.h"

#include <string.h>

/* ---- white space and comments ---- */

/* Where a comment that begins here ends: SIZE_MAX when it does not, 0 when there is none. */
static size_t
comment_end(Bytes text, size_t at, size_t limit)
{
	int depth = 0;

	if (text.length - at < 2 || (text.data[at] != '-' && text.data[at] != '/'))
		return 0;
	if (text.data[at] == '-')
	{
		if (text.data[at + 1] != '-')
			return 0;
		while (at < limit && text.data[at] != '\n' && text.data[at] != '\r')
			at++;
		return at;
	}
	if (text.data[at + 1] != '*')
		return 0;
	for (; at + 1 < limit; at++)
	{
		if (text.data[at] == '/' && text.data[at + 1] == '*')
		{
			depth++;
			at++;
		}
		else if (text.data[at] == '*' && text.data[at + 1] == '/')
		{
			at++;
			if (--depth == 0)
				return at + 1;
		}
	}
	return SIZE_MAX;
}

size_t
redact_skip_blank(Bytes text, size_t at)
{
	size_t limit = text.length - at > BLANK_MAX ? at + BLANK_MAX : text.length;

	while (at < limit)
	{
		size_t end = redact_is_space(text.data[at]) ? at + 1 : comment_end(text, at, limit);

		if (end == 0 || end == SIZE_MAX)
			break;
		at = end;
	}
	return at;
}

/* Hides a comment that begins here; false when none does. */
bool
redact_comment(RedactWalk *walk)
{
	size_t end = walk->form == REDACT_SQL ? comment_end(walk->text, walk->at, walk->text.length) : 0;

	if (end == 0)
		return false;
	if (walk->text.data[walk->at] == '-')
	{
		redact_copy_to(walk, walk->at + 2);
		redact_hide_to(walk, end);
		return true;
	}
	redact_copy_to(walk, walk->at + 2);
	if (end == SIZE_MAX)
		redact_hide_rest(walk);
	else
	{
		redact_hide_to(walk, end - 2);
		redact_copy_to(walk, end);
	}
	return true;
}

/* How many backslashes stand right before a place is odd. */
static bool
is_escaped(Bytes text, size_t at, size_t begin)
{
	size_t count = 0;

	while (at > begin && text.data[--at] == '\\')
		count++;
	return count % 2 == 1;
}

/* ---- literals ---- */

/* Whether a quote begins an escape string, E'...'. */
static bool
has_escapes(const RedactWalk *walk)
{
	size_t at = walk->at;

	return at > 0 && redact_lower(walk->text.data[at - 1]) == 'e' &&
		   (at == 1 || !redact_is_word(walk->text.data[at - 2]));
}

/* In prose a quote between letters, or behind one, is an apostrophe. */
static bool
is_apostrophe(const RedactWalk *walk)
{
	return walk->form == REDACT_PROSE && walk->at > 0 && redact_is_word(walk->text.data[walk->at - 1]) &&
		   !has_escapes(walk);
}

/* '...': hidden with its quotes left; all the rest where its end cannot be told. */
void
redact_literal(RedactWalk *walk)
{
	Bytes text = walk->text;
	bool escapes = has_escapes(walk);
	bool apostrophe = is_apostrophe(walk);
	size_t begin = walk->at + 1;

	redact_copy_to(walk, begin);
	if (apostrophe)
		return;
	for (size_t i = begin; i < text.length; i++)
	{
		if (text.data[i] == '\\' && escapes)
			i++;
		else if (text.data[i] == '\'')
		{
			if (!escapes && is_escaped(text, i, begin))
				break;
			if (redact_is_at(walk, i + 1, '\''))
			{
				i++;
				continue;
			}
			redact_hide_to(walk, i);
			redact_copy_to(walk, i + 1);
			return;
		}
	}
	redact_hide_rest(walk);
}

/* Where the tag of a dollar quote that begins here ends; 0 when it is none. */
size_t
redact_tag_end(const RedactWalk *walk)
{
	size_t at = walk->at;

	if (at > 0 && redact_is_word(walk->text.data[at - 1]) && walk->text.data[at - 1] != '$')
		return 0;
	for (size_t i = at + 1; i < walk->text.length && i - at < TAG_MAX; i++)
	{
		uint8_t byte = walk->text.data[i];

		if (byte == '$')
			return i + 1;
		if (!redact_is_word(byte) || (i == at + 1 && byte >= '0' && byte <= '9'))
			return 0;
	}
	return 0;
}

/* Whether the tag here is that of the body opened last. */
static bool
closes_body(const RedactWalk *walk, size_t end)
{
	RedactSpan tag;

	if (walk->body_count == 0)
		return false;
	tag = walk->bodies[walk->body_count - 1];
	if (end - walk->at != tag.end - tag.begin)
		return false;
	/* public: tags of quotes */
	return memcmp(walk->text.data + walk->at, walk->text.data + tag.begin, tag.end - tag.begin) == 0;
}

/* Whether the languages that a text names, if any, have the quotes and comments of SQL. */
static bool
speaks_sql(Bytes text)
{
	static const char *const languages[] = {"sql", "plpgsql", "c", "internal"};

	for (size_t i = 0; i < text.length; i++)
	{
		bool is_known = false;
		size_t next;

		if (redact_lower(text.data[i]) != 'l' || !redact_word_at(text, i, "language"))
			continue;
		next = redact_skip_blank(text, i + strlen("language"));
		while (next < text.length && (text.data[next] == '\'' || text.data[next] == '"'))
			next++;
		for (size_t l = 0; l < sizeof(languages) / sizeof(languages[0]); l++)
			is_known = is_known || redact_word_at(text, next, languages[l]);
		if (!is_known)
			return false;
	}
	return true;
}

/* Whether what is in the dollar quote here is code, with literals of its own: DO $$, AS $$. */
static bool
opens_body(RedactWalk *walk)
{
	Bytes text = walk->text;
	size_t before = walk->at;

	if (walk->form != REDACT_SQL || walk->body_count == BODIES_MAX)
		return false;
	while (before > 0 && redact_is_space(text.data[before - 1]))
		before--;
	if (before < 2 || !(redact_word_at(text, before - 2, "do") || redact_word_at(text, before - 2, "as")))
		return false;
	if (walk->speech == SPEECH_UNKNOWN)
		walk->speech = speaks_sql(text) ? SPEECH_SQL : SPEECH_OTHER;
	return walk->speech == SPEECH_SQL;
}

/* $tag$...$tag$ */
void
redact_dollar(RedactWalk *walk)
{
	Bytes text = walk->text;
	size_t end = redact_tag_end(walk);
	size_t length = end - walk->at;
	const uint8_t *tag = text.data + walk->at;

	if (end == 0)
	{
		redact_copy_to(walk, walk->at + 1);
		return;
	}
	if (closes_body(walk, end))
	{
		walk->body_count--;
		redact_copy_to(walk, end);
		return;
	}
	if (opens_body(walk))
	{
		walk->bodies[walk->body_count++] = (RedactSpan){walk->at, end};
		redact_copy_to(walk, end);
		return;
	}
	redact_copy_to(walk, end);
	for (size_t i = end; text.length - i >= length; i++)
		if (text.data[i] == '$' && memcmp(text.data + i, tag, length) == 0) /* public: a quote's tag */
		{
			redact_hide_to(walk, i);
			redact_copy_to(walk, i + length);
			return;
		}
	redact_hide_rest(walk);
}

/* ---- double quotes ---- */

/* Whether the name of a secret is among some bytes. */
static bool
names_secret(const RedactWalk *walk, size_t begin, size_t end)
{
	Bytes part = bytes_of(walk->text.data, end);
	size_t ignored;

	for (size_t i = begin; i < end; i++)
		if (redact_marker(part, i, walk->more, &ignored))
			return true;
	return false;
}

/* "...": an identifier stays, and what could be something else is hidden. */
void
redact_identifier(RedactWalk *walk)
{
	Bytes text = walk->text;
	size_t begin = walk->at + 1;
	size_t end = begin;
	bool is_odd = false;

	for (; end < text.length; end++)
	{
		if (text.data[end] == '"' && !redact_is_at(walk, end + 1, '"'))
			break;
		if (text.data[end] == '"')
			end++;
		is_odd = is_odd || text.data[end] == '\'' || text.data[end] == '\\';
	}
	if (end >= text.length || text.data[end - 1] == '\\')
	{
		redact_hide_rest(walk);
		return;
	}
	redact_copy_to(walk, begin);
	if (is_odd)
	{
		redact_hide_to(walk, end);
		redact_copy_to(walk, end + 1);
	}
	else
	{
		bool names = names_secret(walk, begin, end);

		redact_copy_to(walk, end + 1);
		if (names)
			redact_after_name(walk, false);
	}
}

/* Of a context: a name stays; a statement is hidden, up to the last quote that could end it. */
void
redact_quoted_statement(RedactWalk *walk)
{
	Bytes text = walk->text;
	size_t end = walk->at + 1;

	while (end < text.length && (redact_is_word(text.data[end]) || text.data[end] == '.'))
		end++;
	if (redact_is_at(walk, end, '"'))
	{
		redact_copy_to(walk, end + 1);
		return;
	}
	if (walk->last_quote == SIZE_MAX)
	{
		walk->last_quote = 0;
		for (size_t i = 0; i < text.length; i++)
			if (text.data[i] == '"' && (i + 1 == text.length || text.data[i + 1] == '\n'))
				walk->last_quote = i;
	}
	redact_copy_to(walk, walk->at + 1);
	if (walk->last_quote < walk->at)
	{
		redact_hide_rest(walk);
		return;
	}
	redact_hide_to(walk, walk->last_quote);
	redact_copy_to(walk, walk->last_quote + 1);
}
