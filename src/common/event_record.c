/*
 * event_record.c
 *		Encoding and decoding of event_record.h's form.
 */
#include "event_record.h"

#include "ring.h"

#include <string.h>

#define VERSION 1
#define OUTCOME_AT 3
#define FIXED_SIZE (5 + 4 * 4 + 5 * 8)
#define NO_TEXT 0xffff

const char *const event_class_names[EVENT_CLASSES] = {"audit", "access", "error"};
const char *const event_severity_names[EVENT_SEVERITIES] = {"info", "low", "medium", "high", "critical"};
const char *const event_outcome_names[EVENT_OUTCOMES] = {"success", "failure", "denied", "error", "unknown"};

#define TYPE_MAX 63
#define ACTION_MAX 128
#define RESOURCE_MAX 1024
#define RECORD_ID_MAX 256
#define USERNAME_MAX 256
#define TOKEN_ID_MAX 128
#define REQUEST_ID_MAX 128
#define ADDRESS_MAX 64
#define APPLICATION_MAX 64

const uint16_t event_text_max[EVENT_TEXTS] = {TYPE_MAX,        ACTION_MAX,       RESOURCE_MAX,   RECORD_ID_MAX,
											  USERNAME_MAX,    TOKEN_ID_MAX,     REQUEST_ID_MAX, ADDRESS_MAX,
											  APPLICATION_MAX, EVENT_DETAILS_MAX};

_Static_assert(FIXED_SIZE + 2 * EVENT_TEXTS + TYPE_MAX + ACTION_MAX + RESOURCE_MAX + RECORD_ID_MAX + USERNAME_MAX +
					   TOKEN_ID_MAX + REQUEST_ID_MAX + ADDRESS_MAX + APPLICATION_MAX + EVENT_DETAILS_MAX <=
				   EVENT_RECORD_MAX,
			   "the longest record fits");
_Static_assert(EVENT_RECORD_MAX <= RING_ENTRY_MAX, "a record fits an entry of the ring");
_Static_assert(FIXED_SIZE == 61, "the form lies in shared memory between processes");

int
event_word(const char *const *names, int count, const char *word)
{
	int i = 0;

	while (i < count && strcmp(names[i], word) != 0)
		i++;
	return i;
}

size_t
event_record_encode(const EventRecord *record, uint8_t *to)
{
	const uint32_t numbers[] = {record->pid, record->session_user, record->outer_user, record->effective_user};
	const uint64_t longs[] = {(uint64_t) record->event_id, (uint64_t) record->event_time, (uint64_t) record->user_id,
							  (uint64_t) record->tenant_id, record->xid};
	uint8_t *at = to;

	*at++ = VERSION;
	*at++ = record->class_number;
	*at++ = record->severity;
	*at++ = record->outcome;
	*at++ = record->flags;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++, at += 4)
		bytes_put_u32(at, numbers[i]);
	for (size_t i = 0; i < sizeof(longs) / sizeof(longs[0]); i++, at += 8)
		bytes_put_u64(at, longs[i]);
	for (int i = 0; i < EVENT_TEXTS; i++)
	{
		Bytes text = record->text[i];

		if (text.data == NULL)
		{
			bytes_put_u16(at, NO_TEXT);
			at += 2;
			continue;
		}
		if (text.length > event_text_max[i])
			return 0;
		bytes_put_u16(at, (uint16_t) text.length);
		memcpy(at + 2, text.data, text.length);
		at += 2 + text.length;
	}
	return (size_t) (at - to);
}

/* Whether bytes begin as a record does. */
static bool
begins_well(Bytes bytes)
{
	const uint8_t *at = bytes.data;

	return bytes.length >= FIXED_SIZE && at[0] == VERSION && at[1] < EVENT_CLASSES && at[2] < EVENT_SEVERITIES &&
		   at[OUTCOME_AT] < EVENT_OUTCOMES && (at[4] & ~EVENT_FLAGS_ALL) == 0;
}

bool
event_record_kind(Bytes bytes, EventKind *kind)
{
	const uint8_t *at = bytes.data;
	size_t length;

	_Static_assert(EVENT_TYPE == 0, "the type is the first text");
	if (bytes.length < FIXED_SIZE + 2 || !begins_well(bytes))
		return false;
	length = bytes_get_u16(at + FIXED_SIZE);
	if (length == 0 || length > TYPE_MAX || length > bytes.length - FIXED_SIZE - 2)
		return false;
	*kind = (EventKind){.class_number = (EventClass) at[1],
						.outcome = (EventOutcome) at[OUTCOME_AT],
						.application_made = (at[4] & EVENT_APPLICATION_MADE) != 0,
						.type = bytes_of(at + FIXED_SIZE + 2, length)};
	return true;
}

bool
event_record_decode(Bytes bytes, EventRecord *record)
{
	const uint8_t *at = bytes.data;
	const uint8_t *end = bytes.data + bytes.length;

	if (!begins_well(bytes))
		return false;
	record->class_number = at[1];
	record->severity = at[2];
	record->outcome = at[OUTCOME_AT];
	record->flags = at[4];
	record->pid = bytes_get_u32(at + 5);
	record->session_user = bytes_get_u32(at + 9);
	record->outer_user = bytes_get_u32(at + 13);
	record->effective_user = bytes_get_u32(at + 17);
	record->event_id = (int64_t) bytes_get_u64(at + 21);
	record->event_time = (int64_t) bytes_get_u64(at + 29);
	record->user_id = (int64_t) bytes_get_u64(at + 37);
	record->tenant_id = (int64_t) bytes_get_u64(at + 45);
	record->xid = bytes_get_u64(at + 53);
	at += FIXED_SIZE;
	for (int i = 0; i < EVENT_TEXTS; i++)
	{
		uint16_t length;

		if (end - at < 2)
			return false;
		length = bytes_get_u16(at);
		at += 2;
		if (length == NO_TEXT)
		{
			record->text[i] = bytes_of(NULL, 0);
			continue;
		}
		if (length > event_text_max[i] || length > end - at)
			return false;
		record->text[i] = bytes_of(at, length);
		at += length;
	}
	return at == end && record->text[EVENT_TYPE].length > 0;
}

void
event_record_set_outcome(uint8_t *encoded, EventOutcome outcome)
{
	encoded[OUTCOME_AT] = (uint8_t) outcome;
}
