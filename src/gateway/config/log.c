/*
 * log.c
 *		Lines of the log: JSON objects made in a buffer on the stack and written
 *		at once.
 *
 * A line is never longer than what a pipe takes whole, so every string has its
 * share of it, counted after escaping.
 */
#include "gateway/config/log.h"

#include "gateway/tool/scrub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 4096 /* PIPE_BUF of Linux */
#define SHARE_SHORT 128
#define SHARE_ROUTE 512
#define SHARE_DETAIL 2048
#define SHARE_EVENT 1024

typedef struct Line
{
	char bytes[LINE_SIZE];
	size_t length;
} Line;

static LogLevel log_level = LOG_INFO;
static int log_fd = STDERR_FILENO;

void
log_begin(LogLevel level)
{
	log_level = level;
}

void
log_to(int fd)
{
	log_fd = fd;
}

/* Appends, keeping two bytes for the end of the line; false when it does not fit. */
static bool
put(Line *line, const char *data, size_t length)
{
	if (length > sizeof(line->bytes) - 2 - line->length)
		return false;
	memcpy(line->bytes + line->length, data, length);
	line->length += length;
	return true;
}

/* The longest part of an escaped text that ends with a whole escape and a whole character. */
static size_t
whole_length(const char *escaped, size_t length, size_t share)
{
	size_t kept = 0;

	if (length <= share)
		return length;
	while (kept < share)
	{
		unsigned char c = (unsigned char) escaped[kept];
		size_t step = c == '\\'   ? (escaped[kept + 1] == 'u' ? 6 : 2)
					  : c >= 0xf0 ? 4
					  : c >= 0xe0 ? 3
					  : c >= 0xc0 ? 2
								  : 1;

		if (kept + step > share)
			break;
		kept += step;
	}
	return kept;
}

/* Adds "name":"value"; a value beyond its share is cut.  Nothing for NULL, nor where no room is left. */
static void
put_text(Line *line, Arena *arena, const char *name, const char *value, size_t share)
{
	size_t before = line->length;
	Text text;
	const char *bounded;
	bool fits;

	if (value == NULL)
		return;
	/* what lies behind the share is not even looked at */
	bounded = scrub_tokens(arena, arena_copy(arena, value, strnlen(value, share + 8192)));
	text_begin(&text, arena);
	text_json(&text, name);
	fits = put(line, ",", 1) && put(line, text.data, text.length) && put(line, ":\"", 2);
	text_begin(&text, arena);
	text_json(&text, bounded);
	fits =
		fits && put(line, text.data + 1, whole_length(text.data + 1, text.length - 2, share)) && put(line, "\"", 1);
	if (!fits)
		line->length = before;
}

static void
put_number(Line *line, const char *name, long long number)
{
	char text[64];
	int length = snprintf(text, sizeof(text), ",\"%s\":%lld", name, number);

	(void) put(line, text, (size_t) length);
}

/* {"time":"2026-01-02T03:04:05.678Z","level":"info" */
static void
begin(Line *line, LogLevel level)
{
	static const char *const names[] = {"crit", "error", "warn", "info"};
	char text[96];
	struct timespec now;
	struct tm parts;
	int length;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	(void) gmtime_r(&now.tv_sec, &parts);
	length = snprintf(text, sizeof(text), "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\",\"level\":\"%s\"",
					  parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
					  parts.tm_sec, (int) (now.tv_nsec / 1000000), names[level]);
	line->length = 0;
	(void) put(line, text, length > 0 && (size_t) length < sizeof(text) ? (size_t) length : 0);
}

/* One write; a log nobody reads must not stop the program, so what is not taken is lost. */
static void
end(Line *line)
{
	ssize_t written;

	memcpy(line->bytes + line->length, "}\n", 2);
	do
		written = write(log_fd, line->bytes, line->length + 2);
	while (written < 0 && errno == EINTR);
}

void
log_event(LogLevel level, const char *event, ...)
{
	Line line;
	Arena *arena;
	va_list fields;
	const char *name;

	if (level > log_level)
		return;
	arena = arena_new();
	begin(&line, level);
	put_text(&line, arena, "event", event, SHARE_SHORT);
	va_start(fields, event);
	while ((name = va_arg(fields, const char *)) != NULL)
		put_text(&line, arena, name, va_arg(fields, const char *), SHARE_EVENT);
	va_end(fields);
	end(&line);
	arena_free(arena);
}

void
log_request(const LoggedRequest *request)
{
	LogLevel level = request->status >= 500 ? LOG_ERROR : request->status >= 400 ? LOG_WARN : LOG_INFO;
	Line line;
	Arena *arena;

	if (level > log_level)
		return;
	arena = arena_new();
	begin(&line, level);
	put_text(&line, arena, "event", "request", SHARE_SHORT);
	put_text(&line, arena, "request_id", request->request_id, SHARE_SHORT);
	put_text(&line, arena, "method", request->method, SHARE_SHORT);
	/* a route never has a query, whoever calls */
	put_text(&line, arena, "route",
			 request->route == NULL ? NULL : arena_copy(arena, request->route, strcspn(request->route, "?#")),
			 SHARE_ROUTE);
	put_number(&line, "status", request->status);
	put_number(&line, "microseconds", (long long) request->microseconds);
	put_number(&line, "bytes", (long long) request->bytes);
	put_text(&line, arena, "role", request->role, SHARE_SHORT);
	put_text(&line, arena, "user_id", request->user_id, SHARE_SHORT);
	put_text(&line, arena, "client_address", request->client_address, SHARE_SHORT);
	put_text(&line, arena, "code", request->code, SHARE_SHORT);
	put_text(&line, arena, "error_id", request->error_id, SHARE_SHORT);
	put_text(&line, arena, "detail", request->detail, SHARE_DETAIL);
	end(&line);
	arena_free(arena);
}

/* Fills the pool of random bytes that ids are made of. */
static void
draw(unsigned char *bytes, size_t size)
{
	size_t got = 0;

	while (got < size)
	{
		ssize_t more = getrandom(bytes + got, size - got, 0);

		if (more > 0)
			got += (size_t) more;
		else if (errno != EINTR)
			abort(); /* ids that repeat would lead to the wrong line */
	}
}

void
log_new_id(char id[17])
{
	static const char digits[] = "0123456789abcdef";
	/* a request takes two ids, and a system call for each would cost more than all the rest of it */
	static unsigned char pool[512];
	static size_t left = 0;

	if (left == 0)
	{
		draw(pool, sizeof(pool));
		left = sizeof(pool);
	}
	for (size_t i = 0; i < 8; i++)
	{
		unsigned char byte = pool[--left];

		id[2 * i] = digits[byte >> 4];
		id[2 * i + 1] = digits[byte & 15];
	}
	id[16] = '\0';
}
