/*
 * leaf_json.c
 *		A leaf as JSON, for people: the columns of twin.audit_log, old and new of a
 *		changed row, and what cannot be read as that in base64.
 */
#include "leaf.h"

#include "leaf_change.h"

#include <string.h>

static const char *const text_names[LEAF_TEXTS] = {"class",           "event_type",
												   "severity",        "outcome",
												   "action",          "resource",
												   "record_id",       "session_user_name",
												   "outer_user_name", "effective_user_name",
												   "username",        "token_id",
												   "client_address",  "application_name",
												   "request_id",      "details",
												   "columns",         "row"};

static void
put_name(JsonWriter *writer, const char *name)
{
	jsonwrite_name(writer, bytes_of(name, strlen(name)));
}

static void
put_signed(JsonWriter *writer, const char *name, int64_t number)
{
	put_name(writer, name);
	jsonwrite_signed(writer, number);
}

static void
put_time(JsonWriter *writer, const char *name, int64_t time)
{
	char text[LEAF_TIME_SIZE];

	leaf_time(time, text);
	put_name(writer, name);
	jsonwrite_string(writer, bytes_of(text, strlen(text)));
}

static void
put_texts(JsonWriter *writer, const Leaf *leaf)
{
	for (int i = 0; i < LEAF_COLUMNS; i++)
	{
		if (leaf->text[i].data == NULL)
			continue;
		put_name(writer, text_names[i]);
		if (i == LEAF_DETAILS)
			jsonwrite_json(writer, leaf->text[i]);
		else
			jsonwrite_string(writer, leaf->text[i]);
	}
	if (leaf->text[LEAF_COLUMNS].data != NULL && leaf->text[LEAF_ROW].data != NULL &&
		leaf_change_json(writer, leaf->text[LEAF_COLUMNS], leaf->text[LEAF_ROW]))
		return;
	for (int i = LEAF_COLUMNS; i <= LEAF_ROW; i++)
	{
		if (leaf->text[i].data == NULL)
			continue;
		put_name(writer, text_names[i]);
		jsonwrite_base64(writer, leaf->text[i]);
	}
}

size_t
leaf_json(const Leaf *leaf, char *to, size_t room)
{
	JsonWriter writer = {.to = to, .room = room};

	jsonwrite_begin(&writer);
	put_signed(&writer, "event_id", leaf->event_id);
	put_time(&writer, "event_time", leaf->event_time);
	put_time(&writer, "recorded_at", leaf->recorded_at);
	put_texts(&writer, leaf);
	if ((leaf->flags & LEAF_HAS_USER_ID) != 0)
		put_signed(&writer, "user_id", leaf->user_id);
	if ((leaf->flags & LEAF_HAS_TENANT_ID) != 0)
		put_signed(&writer, "tenant_id", leaf->tenant_id);
	if ((leaf->flags & LEAF_HAS_XID) != 0)
	{
		put_name(&writer, "xid");
		jsonwrite_unsigned(&writer, leaf->xid);
	}
	if ((leaf->flags & LEAF_HAS_PID) != 0)
		put_signed(&writer, "pid", leaf->pid);
	put_name(&writer, "application_made");
	jsonwrite_text(&writer, (leaf->flags & LEAF_APPLICATION_MADE) != 0 ? "true" : "false");
	jsonwrite_end(&writer);
	return writer.length;
}
