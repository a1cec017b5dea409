/*
 * redact_write.c
 *		What is written of a text, into a buffer that may be too small.
 */
#include "redact_form.h"

#include "status.h"

#include <string.h>

void
redact_put(RedactWalk *walk, const void *bytes, size_t length)
{
	if (walk->is_full || length > walk->room - walk->length)
	{
		/* as much as fits, so that a long statement can be told from another */
		length = walk->is_full ? 0 : walk->room - walk->length;
		walk->is_full = true;
	}
	memcpy(walk->to + walk->length, bytes, length);
	walk->length += length;
}

void
redact_put_hidden(RedactWalk *walk)
{
	redact_put(walk, REDACT_HIDDEN, strlen(REDACT_HIDDEN));
}

/* Writes the text up to a place, and goes there. */
void
redact_copy_to(RedactWalk *walk, size_t end)
{
	redact_put(walk, walk->text.data + walk->at, end - walk->at);
	walk->at = end;
}

void
redact_hide_rest(RedactWalk *walk)
{
	redact_put_hidden(walk);
	walk->at = walk->text.length;
}

/* Hides up to a place, unless there is nothing to hide. */
void
redact_hide_to(RedactWalk *walk, size_t end)
{
	if (end > walk->at)
		redact_put_hidden(walk);
	walk->at = end;
}

bool
redact_is_at(const RedactWalk *walk, size_t at, char byte)
{
	return at < walk->text.length && walk->text.data[at] == (uint8_t) byte;
}

/* Cuts back to where a character ends, and says that there was more. */
void
redact_put_cut(RedactWalk *walk)
{
	size_t end = walk->length;
	size_t first = end;

	while (first > 0 && end - first < 4 && ((uint8_t) walk->to[first - 1] & 0xc0) == 0x80)
		first--;
	if (first > 0 && (uint8_t) walk->to[first - 1] >= 0xc0)
	{
		uint8_t lead = (uint8_t) walk->to[first - 1];
		size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

		if (end - (first - 1) < size)
			end = first - 1;
	}
	memcpy(walk->to + end, REDACT_CUT, sizeof(REDACT_CUT) - 1);
	walk->length = end + sizeof(REDACT_CUT) - 1;
}

/* Whether a message is a text, and behind it what a format says up to its next argument. */
static bool
begins_with(const char *message, const char *known, const char *format)
{
	size_t length = strlen(known);
	size_t next = strcspn(format, "%");

	/* public: texts that this program's source holds */
	if (strncmp(message, known, length) != 0 || strncmp(message + length, format, next) != 0)
		return false;
	return format[next] == '\0' ? message[length + next] == '\0' : next > 0;
}

/* What stands in a message for the "%s" that its format begins with, where everybody knows it; else NULL. */
static const char *
known_beginning(const char *format, const char *message)
{
	static const char *const others[] = {"syntax error"}; /* the server's parsers hand theirs over as an argument */

	if (message == NULL || format[0] != '%' || format[1] != 's')
		return NULL;
	for (int i = 0; i < TSEC_STATUS_COUNT; i++)
		if (begins_with(message, status_info((Status) i)->message, format + 2))
			return status_info((Status) i)->message;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (begins_with(message, others[i], format + 2))
			return others[i];
	return NULL;
}

size_t
redact_template(const char *format, const char *message, char *to, size_t room)
{
	RedactWalk walk = {.to = to, .room = room - sizeof(REDACT_CUT)};
	const char *known = known_beginning(format, message);

	if (known != NULL)
	{
		redact_put(&walk, known, strlen(known));
		format += strlen("%s");
	}

	for (const char *c = format; *c != '\0' && !walk.is_full; c++)
	{
		if (*c != '%')
		{
			redact_put(&walk, c, 1);
			continue;
		}
		c++;
		while (*c != '\0' && strchr("#0- +'123456789.*hlqjzt$", *c) != NULL)
			c++;
		if (*c == '\0')
			break;
		if (*c == '%')
			redact_put(&walk, c, 1);
		else
			redact_put_hidden(&walk);
	}
	if (walk.is_full)
		redact_put_cut(&walk);
	to[walk.length] = '\0';
	return walk.length;
}
