/*
 * redact.c
 *		The walk over a text: looks for what tells of secrets, and writes the text
 *		with them hidden.
 */
#include "redact_form.h"

#include <string.h>

/* How far back the beginning of a name is looked for. */
#define NAME_MAX_BACK 64

/* Takes a step over a text that tells of a secret. */
static void
step(RedactWalk *walk)
{
	uint8_t byte = walk->text.data[walk->at];
	size_t name_end;

	if (byte == '\'')
		redact_literal(walk);
	else if (byte == '"' && walk->form == REDACT_SQL)
		redact_identifier(walk);
	else if (byte == '"' && walk->form == REDACT_CONTEXT)
		redact_quoted_statement(walk);
	else if (byte == '$')
		redact_dollar(walk);
	else if (redact_comment(walk))
		return;
	else if (redact_marker(walk->text, walk->at, walk->more, &name_end) && name_end > 0)
	{
		size_t begin = walk->at;

		while (begin > 0 && redact_is_word(walk->text.data[begin - 1]) && walk->at - begin < NAME_MAX_BACK)
			begin--;
		redact_copy_to(walk, name_end);
		redact_after_name(walk, begin > 0 && memchr("?&", walk->text.data[begin - 1], 2) != NULL);
	}
	else
		redact_copy_to(walk, walk->at + 1);
}

size_t
redact_write(Bytes text, RedactForm form, unsigned findings, const RedactNames *more, char *to, size_t room,
			 bool *bare)
{
	RedactWalk walk = {.text = text,
					   .form = form,
					   .more = more,
					   .to = to,
					   .room = room - sizeof(REDACT_CUT),
					   .last_quote = SIZE_MAX};

	while (walk.at < text.length && !walk.is_full)
	{
		RedactSpan hidden;

		if (redact_shape(text, walk.at, &hidden))
		{
			redact_copy_to(&walk, hidden.begin);
			redact_hide_to(&walk, hidden.end);
		}
		else if (findings & REDACT_NAME)
			step(&walk);
		else
			redact_copy_to(&walk, redact_next(text, walk.at + 1, more));
	}
	if (walk.is_full)
		redact_put_cut(&walk);
	to[walk.length] = '\0';
	if (bare != NULL)
		*bare = *bare || walk.bare;
	return walk.length;
}

/* ---- looking ---- */

/* Whether a word that begins here is nearly "password": it begins with pa, ps or pw, and has s and w in it. */
static bool
is_typo(Bytes text, size_t at)
{
	size_t end = at;
	bool has_s = false;
	bool has_w = false;

	if (redact_lower(text.data[at]) != 'p' || (at > 0 && redact_is_word(text.data[at - 1])))
		return false;
	for (; end < text.length && end - at <= 12 && redact_is_word(text.data[end]); end++)
	{
		has_s = has_s || redact_lower(text.data[end]) == 's';
		has_w = has_w || redact_lower(text.data[end]) == 'w';
	}
	return has_s && has_w && end - at >= 4 && end - at <= 12;
}

unsigned
redact_look(Bytes text, const RedactNames *more)
{
	unsigned found = 0;
	size_t ignored;

	for (size_t i = 0; i < text.length && found != (REDACT_SHAPE | REDACT_NAME | REDACT_TYPO); i++)
	{
		RedactSpan hidden;

		i = redact_next(text, i, more);
		if (i == text.length)
			break;
		if (redact_shape(text, i, &hidden))
		{
			found |= REDACT_SHAPE;
			i = hidden.end > i ? hidden.end - 1 : i;
			continue;
		}
		if (!(found & REDACT_NAME) && redact_marker(text, i, more, &ignored))
			found |= REDACT_NAME;
		if (!(found & REDACT_TYPO) && is_typo(text, i))
			found |= REDACT_TYPO;
	}
	return found;
}
