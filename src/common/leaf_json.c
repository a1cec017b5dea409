/*
 * leaf_json.c
 *		A leaf as JSON, for people.  What it is written from may come from anywhere,
 *		so the result is JSON in UTF-8 whatever the bytes are.
 */
#include "leaf.h"

#include "encode.h"
#include "jsonscan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EPOCH_DAYS 730425 /* from 0000-03-01 to 2000-01-01 */
#define DAY_MICROSECONDS INT64_C(86400000000)
#define REPLACEMENT "\xef\xbf\xbd"

static const char *const text_names[LEAF_TEXTS] = {"class",           "event_type",
												   "severity",        "outcome",
												   "action",          "resource",
												   "record_id",       "session_user_name",
												   "outer_user_name", "effective_user_name",
												   "username",        "token_id",
												   "client_address",  "application_name",
												   "request_id",      "details",
												   "columns",         "row"};

typedef struct Writer
{
	char *to;
	size_t room;
	size_t length; /* also of what has no room */
} Writer;

static void
put(Writer *writer, const char *bytes, size_t length)
{
	if (writer->length <= writer->room && length <= writer->room - writer->length)
		memcpy(writer->to + writer->length, bytes, length);
	writer->length += length;
}

static void
put_text(Writer *writer, const char *text)
{
	put(writer, text, strlen(text));
}

static void
put_string(Writer *writer, Bytes text)
{
	put(writer, "\"", 1);
	for (size_t i = 0; i < text.length;)
	{
		size_t size = jsonscan_character(text.data + i, text.length - i);
		uint8_t byte = text.data[i];
		char escaped[8];

		if (size == 0)
		{
			put_text(writer, REPLACEMENT);
			i++;
			continue;
		}
		if (byte == '"' || byte == '\\')
			put(writer, "\\", 1);
		if (byte < ' ' || byte == 0x7f)
		{
			(void) snprintf(escaped, sizeof(escaped), "\\u%04x", byte);
			put_text(writer, escaped);
		}
		else
			put(writer, (const char *) text.data + i, size);
		i += size;
	}
	put(writer, "\"", 1);
}

/* Begins a member; numbers follow bare. */
static void
put_name(Writer *writer, const char *name)
{
	put_text(writer, writer->length > 1 ? ",\"" : "\"");
	put_text(writer, name);
	put_text(writer, "\":");
}

static void
put_signed(Writer *writer, const char *name, int64_t number)
{
	char text[24];

	put_name(writer, name);
	(void) snprintf(text, sizeof(text), "%" PRId64, number);
	put_text(writer, text);
}

static void
put_base64(Writer *writer, Bytes bytes)
{
	char group[4 * 64];

	put(writer, "\"", 1);
	while (bytes.length > 0)
	{
		size_t some = bytes.length < 3 * 64 ? bytes.length : 3 * 64;

		encode_base64(bytes.data, some, group);
		put(writer, group, encode_base64_size(some));
		bytes = bytes_of(bytes.data + some, bytes.length - some);
	}
	put(writer, "\"", 1);
}

void
leaf_time(int64_t time, char text[LEAF_TIME_SIZE])
{
	int64_t days = time / DAY_MICROSECONDS;
	int64_t rest = time % DAY_MICROSECONDS;
	int64_t era;
	unsigned day_of_era;
	unsigned year_of_era;
	unsigned day_of_year;
	unsigned month;
	long long year;

	if (time == INT64_MAX || time == INT64_MIN)
	{
		strcpy(text, time > 0 ? "infinity" : "-infinity");
		return;
	}
	if (rest < 0)
	{
		rest += DAY_MICROSECONDS;
		days--;
	}
	/* years that begin with March, in eras of 400 of them */
	days += EPOCH_DAYS;
	era = (days >= 0 ? days : days - 146096) / 146097;
	day_of_era = (unsigned) (days - era * 146097);
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * day_of_year + 2) / 153;
	year = (long long) (era * 400 + year_of_era) + (month >= 10 ? 1 : 0);
	(void) snprintf(text, LEAF_TIME_SIZE, "%04lld-%02u-%02uT%02u:%02u:%02u.%06uZ", year,
					month < 10 ? month + 3 : month - 9, day_of_year - (153 * month + 2) / 5 + 1,
					(unsigned) (rest / 3600000000), (unsigned) (rest / 60000000 % 60),
					(unsigned) (rest / 1000000 % 60), (unsigned) (rest % 1000000));
}

static void
put_time(Writer *writer, const char *name, int64_t time)
{
	char text[LEAF_TIME_SIZE];

	leaf_time(time, text);
	put_name(writer, name);
	put_string(writer, bytes_of(text, strlen(text)));
}

size_t
leaf_json(const Leaf *leaf, char *to, size_t room)
{
	Writer writer = {.to = to, .room = room};

	put_text(&writer, "{");
	put_signed(&writer, "event_id", leaf->event_id);
	put_time(&writer, "event_time", leaf->event_time);
	put_time(&writer, "recorded_at", leaf->recorded_at);
	for (int i = 0; i < LEAF_TEXTS; i++)
	{
		Bytes text = leaf->text[i];

		if (text.data == NULL)
			continue;
		put_name(&writer, text_names[i]);
		if (i == LEAF_COLUMNS || i == LEAF_ROW)
			put_base64(&writer, text);
		else if (i == LEAF_DETAILS && jsonscan_valid(text))
			put(&writer, (const char *) text.data, text.length);
		else
			put_string(&writer, text);
	}
	if ((leaf->flags & LEAF_HAS_USER_ID) != 0)
		put_signed(&writer, "user_id", leaf->user_id);
	if ((leaf->flags & LEAF_HAS_TENANT_ID) != 0)
		put_signed(&writer, "tenant_id", leaf->tenant_id);
	if ((leaf->flags & LEAF_HAS_XID) != 0)
	{
		char text[24];

		put_name(&writer, "xid");
		(void) snprintf(text, sizeof(text), "%" PRIu64, leaf->xid);
		put_text(&writer, text);
	}
	if ((leaf->flags & LEAF_HAS_PID) != 0)
		put_signed(&writer, "pid", leaf->pid);
	put_name(&writer, "application_made");
	put_text(&writer, (leaf->flags & LEAF_APPLICATION_MADE) != 0 ? "true}" : "false}");
	return writer.length;
}
