/*
 * siem.c
 *		What every form says of an event, and the native one.
 */
#include "siem_form.h"

#include "event_record.h"
#include "jsonscan.h"

#include <string.h>

#define EPOCH_1970_MILLISECONDS INT64_C(946684800000) /* of 2000-01-01, from which the server counts */

const char *const siem_format_names[SIEM_FORMATS] = {"native", "ecs", "ocsf", "cef", "rfc5424"};

bool
siem_is(Bytes text, const char *word)
{
	return text.data != NULL && text.length == strlen(word) &&
		   memcmp(text.data, word, text.length) == 0; /* public: words of the log */
}

Bytes
siem_user(const SiemEvent *event)
{
	static const LeafText names[] = {LEAF_USERNAME, LEAF_EFFECTIVE_USER, LEAF_SESSION_USER};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (siem_leaf_text(event, names[i]).data != NULL)
			return siem_leaf_text(event, names[i]);
	return bytes_of(NULL, 0);
}

int64_t
siem_milliseconds(int64_t time)
{
	int64_t milliseconds = time / 1000;

	/* before 2000, too, a part of a millisecond belongs to the one that has begun */
	if (time % 1000 < 0)
		milliseconds--;
	return milliseconds + EPOCH_1970_MILLISECONDS;
}

int
siem_severity(const SiemEvent *event)
{
	for (int i = 0; i < EVENT_SEVERITIES; i++)
		if (siem_is(siem_leaf_text(event, LEAF_SEVERITY), event_severity_names[i]))
			return i;
	return EVENT_INFO;
}

SiemOutcome
siem_outcome(const SiemEvent *event)
{
	static const SiemOutcome outcomes[EVENT_OUTCOMES] = {[EVENT_SUCCESS] = SIEM_SUCCESS,
														 [EVENT_FAILURE] = SIEM_FAILURE,
														 [EVENT_DENIED] = SIEM_FAILURE,
														 [EVENT_FAULT] = SIEM_FAILURE};

	for (int i = 0; i < EVENT_OUTCOMES; i++)
		if (siem_is(siem_leaf_text(event, LEAF_OUTCOME), event_outcome_names[i]))
			return outcomes[i];
	return SIEM_UNKNOWN;
}

/* ---- native ---- */

/* What the ten members of the native form and the details do not say. */
void
siem_write_rest(SiemOut *out, const SiemEvent *event)
{
	const Leaf *leaf = &event->leaf;
	char recorded[LEAF_TIME_SIZE];

	leaf_time(leaf->recorded_at, recorded);
	siem_number(out, "event_id", leaf->event_id);
	siem_number(out, "leaf_index", event->leaf_index);
	siem_word(out, "recorded_at", recorded);
	siem_word(out, "database", event->database);
	siem_text(out, "class", siem_leaf_text(event, LEAF_CLASS));
	siem_text(out, "record_id", siem_leaf_text(event, LEAF_RECORD_ID));
	siem_text(out, "session_user", siem_leaf_text(event, LEAF_SESSION_USER));
	siem_text(out, "outer_user", siem_leaf_text(event, LEAF_OUTER_USER));
	siem_text(out, "effective_user", siem_leaf_text(event, LEAF_EFFECTIVE_USER));
	if (leaf->flags & LEAF_HAS_USER_ID)
		siem_number(out, "user_id", leaf->user_id);
	if (leaf->flags & LEAF_HAS_TENANT_ID)
		siem_number(out, "tenant_id", leaf->tenant_id);
	siem_text(out, "token_id", siem_leaf_text(event, LEAF_TOKEN_ID));
	siem_text(out, "application_name", siem_leaf_text(event, LEAF_APPLICATION_NAME));
	siem_text(out, "request_id", siem_leaf_text(event, LEAF_REQUEST_ID));
	if (leaf->flags & LEAF_HAS_XID)
		siem_number_text(out, "xid", (int64_t) (leaf->xid & INT64_MAX));
	if (leaf->flags & LEAF_HAS_PID)
		siem_number(out, "pid", leaf->pid);
	siem_boolean(out, "application_made", (leaf->flags & LEAF_APPLICATION_MADE) != 0);
	siem_json(out, "old", event->old_row);
	siem_json(out, "new", event->new_row);
}

/* Whether bytes hold a text. */
static bool
holds(Bytes bytes, const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i + length <= bytes.length; i++)
		if (memcmp(bytes.data + i, text, length) == 0) /* public: a name */
			return true;
	return false;
}

/* What is between the braces of an object, to which a member is added; false where that cannot be. */
static bool
members_of(Bytes json, Bytes *members)
{
	size_t begin = 0;
	size_t end = json.length;

	if (json.data == NULL || !jsonscan_valid(json) || holds(json, "\"_event\""))
		return false;
	while (begin < end && json.data[begin] <= ' ')
		begin++;
	while (end > begin && json.data[end - 1] <= ' ')
		end--;
	if (begin == end || json.data[begin] != '{')
		return false;
	begin++;
	end--;
	while (begin < end && json.data[begin] <= ' ')
		begin++;
	*members = bytes_of(json.data + begin, end - begin);
	return true;
}

void
siem_write_native(SiemOut *out, const SiemEvent *event)
{
	Bytes details = siem_leaf_text(event, LEAF_DETAILS);
	Bytes members;
	char time[LEAF_TIME_SIZE];

	leaf_time(event->leaf.event_time, time);
	siem_open(out, NULL);
	siem_word(out, "timestamp", time);
	siem_word(out, "source", SIEM_PRODUCT);
	siem_text_or_null(out, "event_type", siem_leaf_text(event, LEAF_TYPE));
	siem_text_or_null(out, "severity", siem_leaf_text(event, LEAF_SEVERITY));
	siem_text_or_null(out, "user", siem_user(event));
	siem_text_or_null(out, "source_ip", siem_leaf_text(event, LEAF_CLIENT_ADDRESS));
	siem_text_or_null(out, "action", siem_leaf_text(event, LEAF_ACTION));
	siem_text_or_null(out, "resource", siem_leaf_text(event, LEAF_RESOURCE));
	siem_text_or_null(out, "outcome", siem_leaf_text(event, LEAF_OUTCOME));
	siem_open(out, "details");
	if (members_of(details, &members))
		siem_members(out, members);
	else
		siem_json(out, "details", details);
	siem_open(out, "_event");
	siem_write_rest(out, event);
	siem_close(out);
	siem_close(out);
	siem_close(out);
}

size_t
siem_write(SiemFormat format, const SiemEvent *event, char *to, size_t room)
{
	static void (*const writers[SIEM_FORMATS])(SiemOut *, const SiemEvent *) = {
		siem_write_native, siem_write_ecs, siem_write_ocsf, siem_write_cef, siem_write_rfc5424};
	SiemOut out = {.to = to, .room = room, .is_ascii = event->is_ascii};

	writers[format](&out, event);
	return out.length;
}
