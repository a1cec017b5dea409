/*
 * log.c
 *		Lines of the log, each one write.
 */
#include "notifier/log.h"

#include "common/jsonwrite.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 4096 /* PIPE_BUF of Linux */
#define VALUE_MAX 500

static void
put(JsonWriter *writer, const char *name, const char *value)
{
	JsonWriter before = *writer;

	if (value == NULL)
		return;
	jsonwrite_name(writer, bytes_of(name, strlen(name)));
	jsonwrite_string(writer, bytes_of(value, strnlen(value, VALUE_MAX)));
	/* what has no room is left out whole; two bytes end the line */
	if (writer->length > writer->room - 2)
		*writer = before;
}

static void
write_line(const char *level, const char *event, va_list fields)
{
	char line[LINE_SIZE];
	char time_text[40];
	JsonWriter writer = {.to = line, .room = sizeof(line)};
	struct timespec now;
	struct tm parts = {0};
	const char *name;
	ssize_t written;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	(void) gmtime_r(&now.tv_sec, &parts);
	(void) strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	jsonwrite_begin(&writer);
	put(&writer, "time", time_text);
	put(&writer, "level", level);
	put(&writer, "event", event);
	while ((name = va_arg(fields, const char *)) != NULL)
		put(&writer, name, va_arg(fields, const char *));
	jsonwrite_text(&writer, "}\n");
	do
		written = write(STDERR_FILENO, line, writer.length);
	while (written < 0 && errno == EINTR);
}

void
log_error(const char *event, ...)
{
	va_list fields;

	va_start(fields, event);
	write_line("error", event, fields);
	va_end(fields);
}

void
log_note(const char *event, ...)
{
	va_list fields;

	va_start(fields, event);
	write_line("info", event, fields);
	va_end(fields);
}
