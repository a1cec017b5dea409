/*
 * read_record.c
 *		Who reads or opens what: captured when it begins, because at its end roles
 *		and tokens may be others, or gone.
 */
#include "audit/read.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

StaticAssertDecl(READ_RECORD_MAX < EVENT_RECORD_MAX, "what is captured is copied out of a larger buffer");

/* Keeps a record; one that is too long, which none is, without its details. */
static void
keep(ReadRecord *record, EventRecord *of)
{
	uint8 encoded[EVENT_RECORD_MAX];
	size_t length;

	record->since = of->event_time;
	of->event_time = 0; /* so that records of the same are the same bytes */
	of->xid = 0;
	length = event_record_encode(of, encoded);
	if (length > READ_RECORD_MAX)
	{
		of->text[EVENT_DETAILS] = of->text[EVENT_REQUEST_ID] = bytes_of(NULL, 0);
		length = event_record_encode(of, encoded);
	}
	record->length = length > READ_RECORD_MAX ? 0 : length;
	memcpy(record->bytes, encoded, record->length);
}

static void
capture(ReadRecord *record, const SecurityEvent *event, Oid as_role)
{
	uint8 encoded[EVENT_RECORD_MAX];
	EventRecord captured;

	record->length = 0;
	if (!event_record_decode(bytes_of(encoded, event_capture_late(event, encoded)), &captured))
		return;
	if (OidIsValid(as_role))
		captured.effective_user = as_role;
	keep(record, &captured);
}

void
record_of_read(ReadRecord *record, Oid table, Oid as_role, CommandTag tag)
{
	char details[512] = "";
	SecurityEvent event = {.type = "read", .class = EVENT_ACCESS};

	event.resource = audited_name(table);
	event.action = tag == CMDTAG_UNKNOWN ? NULL : GetCommandTagName(tag);
	/* a view reads with its owner's rights; who asked the view is said beside it */
	if (OidIsValid(as_role) && as_role != GetUserId())
	{
		char *asker = GetUserNameFromId(GetUserId(), true);

		if (asker != NULL)
			(void) event_json_add(details, sizeof(details), "current_user", asker);
		event.details = details;
	}
	capture(record, &event, as_role);
}

void
record_of_opener(ReadRecord *record)
{
	SecurityEvent event = {.type = "decrypt", .class = EVENT_ACCESS};

	capture(record, &event, InvalidOid);
}

void
record_of_opening(ReadRecord *record, const ReadRecord *opener, const char *key_name, CommandTag tag)
{
	EventRecord of;
	const char *action = tag == CMDTAG_UNKNOWN ? NULL : GetCommandTagName(tag);

	record->length = 0;
	if (!event_record_decode(bytes_of(opener->bytes, opener->length), &of))
		return;
	of.event_time = opener->since;
	of.text[EVENT_RESOURCE] = bytes_of(key_name, strlen(key_name));
	if (action != NULL)
		of.text[EVENT_ACTION] = bytes_of(action, strlen(action));
	keep(record, &of);
}

void
record_set_failed(ReadRecord *record)
{
	if (record->length > 0)
		event_record_set_outcome(record->bytes, EVENT_FAILURE);
}
