/*
 * answer.c
 *		Collects headers, and adds those of every answer.
 */
#include "gateway/answer/answer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX 8192
#define NAME_MAX_LENGTH 128
#define REASON_MAX 128

Answer *
answer_new(Arena *arena, int status)
{
	Answer *answer = arena_alloc(arena, sizeof(Answer));

	answer->arena = arena;
	answer->status = status;
	return answer;
}

bool
answer_is_name(const char *name)
{
	size_t length = strnlen(name, NAME_MAX_LENGTH + 1);

	if (length == 0 || length > NAME_MAX_LENGTH)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) name[i];

		if (c >= 0x80 || (!isalnum(c) && strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return true;
}

bool
answer_is_value(const char *value)
{
	size_t length = strnlen(value, VALUE_MAX + 1);

	if (length > VALUE_MAX)
		return false;
	if (length > 0 && (isblank((unsigned char) value[0]) || isblank((unsigned char) value[length - 1])))
		return false;
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) value[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

bool
answer_add(Answer *answer, const char *name, const char *value)
{
	if (value == NULL || answer->header_count == ANSWER_HEADERS_MAX || !answer_is_name(name) ||
		!answer_is_value(value))
		return false;
	answer->headers[answer->header_count++] = (Header){name, value};
	return true;
}

const char *
answer_header(const Answer *answer, const char *name)
{
	for (int i = 0; i < answer->header_count; i++)
	{
		if (strcasecmp(answer->headers[i].name, name) == 0)
			return answer->headers[i].value;
	}
	return NULL;
}

void
answer_remove(Answer *answer, const char *name)
{
	int kept = 0;

	for (int i = 0; i < answer->header_count; i++)
	{
		if (strcasecmp(answer->headers[i].name, name) != 0)
			answer->headers[kept++] = answer->headers[i];
	}
	answer->header_count = kept;
}

void
answer_default(Answer *answer, const char *name, const char *value)
{
	if (answer_header(answer, name) == NULL)
		(void) answer_add(answer, name, value);
}

const char *
answer_reason(Arena *arena, const char *text)
{
	char *reason = arena_copy(arena, text, strnlen(text, REASON_MAX));
	bool is_empty = true;

	for (char *letter = reason; *letter != '\0'; letter++)
	{
		if (*letter < 0x20 || *letter > 0x7e)
			*letter = ' ';
		is_empty = is_empty && *letter == ' ';
	}
	return is_empty ? NULL : reason;
}

const char *
answer_url(Arena *arena, const char *raw)
{
	Text text;

	text_begin(&text, arena);
	for (; *raw != '\0'; raw++)
	{
		unsigned char c = (unsigned char) *raw;
		bool is_encoded = c == '%' && isxdigit((unsigned char) raw[1]) && isxdigit((unsigned char) raw[2]);

		if (is_encoded || (c < 0x80 && isalnum(c)) || (c < 0x80 && strchr("-._~!$&'()*+,;=:@/?", c) != NULL))
			text_char(&text, (char) c);
		else
			text_format(&text, "%%%02X", c);
	}
	return text.data;
}

void
answer_time(Answer *answer, const Timings *timings)
{
	const struct
	{
		const char *name;
		int64_t microseconds;
	} steps[] = {{"jwt", timings->jwt},
				 {"parse", timings->parse},
				 {"plan", timings->plan},
				 {"transaction", timings->transaction},
				 {"response", timings->response}};
	Text text;

	text_begin(&text, answer->arena);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
	{
		if (steps[i].microseconds >= 0)
			text_format(&text, "%s%s;dur=%lld.%lld", text.length > 0 ? ", " : "", steps[i].name,
						(long long) steps[i].microseconds / 1000, (long long) steps[i].microseconds % 1000 / 100);
	}
	if (text.length == 0)
		return;
	answer_remove(answer, "Server-Timing");
	(void) answer_add(answer, "Server-Timing", text.data);
}

void
answer_finish(Answer *answer, const AnswerSide *side)
{
	static const Header always[] = {
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
		{"Referrer-Policy", "no-referrer"},
	};

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		answer_default(answer, always[i].name, always[i].value);
	if (side->is_tls)
		answer_default(answer, "Strict-Transport-Security", "max-age=31536000");
	if (side->is_authenticated || answer->status == 401)
		answer_default(answer, "Cache-Control", "no-store");
	/* RFC 9110, 15.5.2: also where a function of the database answered so, as a login that failed */
	if (answer->status == 401)
		answer_default(answer, "WWW-Authenticate", "Bearer");
	answer_default(answer, "Vary",
				   arena_format(answer->arena, "Accept, Prefer, Range%s%s", side->varies_by_origin ? ", Origin" : "",
								side->varies_by_cookie ? ", Cookie" : ""));
	if (side->trace_name != NULL && side->trace_value != NULL)
		answer_default(answer, side->trace_name, side->trace_value);
	if (side->timings != NULL && answer_header(answer, "Server-Timing") == NULL)
		answer_time(answer, side->timings);
}
