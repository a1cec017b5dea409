/*
 * capture.c
 *		What is known of an event at the moment it is emitted: when, by which
 *		process and roles, from where, in whose name.
 *
 * Runs wherever somebody emits, so it reads only this process's own memory,
 * allocates nothing from the server and looks nothing up: roles stay OIDs until
 * the writer names them.
 */
#include "event/private.h"

#include "access/transam.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

static EventActorSource actor_sources[EVENT_ACTOR_SOURCES];
static int actor_source_count = 0;

void
event_add_actor_source(EventActorSource source)
{
	if (actor_source_count == EVENT_ACTOR_SOURCES)
		elog(ERROR, "twin_security: too many tell the actor of events");
	actor_sources[actor_source_count++] = source;
}

/* Takes a text, cut between characters where it is too long. */
static void
take(EventRecord *record, EventText which, const char *text)
{
	size_t length;

	if (text == NULL)
		return;
	length = strlen(text);
	if (length > event_text_max[which])
		length = (size_t) pg_mbcliplen(text, (int) Min(length, INT_MAX), event_text_max[which]);
	record->text[which] = bytes_of(text, length);
}

/*
 * Takes the roles, once this process has any.  A superuser may call himself another session's user: who it was that came
 * in stays the session's user here, and whom he plays is the outer one.
 */
static void
take_roles(EventRecord *record)
{
	Oid effective;
	int context;

	GetUserIdAndSecContext(&effective, &context);
	if (!OidIsValid(effective))
		return;
	record->effective_user = effective;
	record->session_user = GetAuthenticatedUserId();
	record->outer_user = GetOuterUserId();
}

/* Who acts, or, of user and tenant, whom the event says it is about: then the actor's name is not his. */
static EventActor
actor_of(const SecurityEvent *event)
{
	EventActor actor = {0};

	for (int i = 0; i < actor_source_count; i++)
		actor_sources[i](&actor);
	if (event->user_id != 0)
	{
		actor.has_user = true;
		actor.user_id = event->user_id;
		actor.has_tenant = event->tenant_id != 0;
		actor.tenant_id = event->tenant_id;
		actor.username = NULL;
	}
	return actor;
}

const char *
capture_verified_name(bool *is_verified)
{
	EventActor actor = actor_of(&(SecurityEvent){0});

	*is_verified = actor.is_verified;
	return actor.username;
}

int64
capture_user(const SecurityEvent *event)
{
	EventActor actor = actor_of(event);

	return actor.has_user ? actor.user_id : 0;
}

static void
take_actor(EventRecord *record, const SecurityEvent *event)
{
	EventActor actor = actor_of(event);

	if (actor.has_user)
	{
		record->flags |= EVENT_HAS_USER_ID;
		record->user_id = actor.user_id;
	}
	if (actor.has_tenant)
	{
		record->flags |= EVENT_HAS_TENANT_ID;
		record->tenant_id = actor.tenant_id;
	}
	take(record, EVENT_USERNAME, event->username ? event->username : actor.username);
	take(record, EVENT_TOKEN_ID, actor.token_id);
	take(record, EVENT_REQUEST_ID, actor.request_id);
	take(record, EVENT_CLIENT_ADDRESS,
		 event->client_address  ? event->client_address
		 : actor.client_address ? actor.client_address
								: base_client_address());
}

void
event_capture(const SecurityEvent *event, EventRecord *record)
{
	memset(record, 0, sizeof(*record));
	record->class_number = (uint8) event->class;
	record->severity = (uint8) event->severity;
	record->outcome = (uint8) event->outcome;
	record->flags = event->application_made ? EVENT_APPLICATION_MADE : 0;
	record->pid = (uint32) MyProcPid;
	record->event_id = event->event_id;
	record->event_time = event->has_event_time ? event->event_time : GetCurrentTimestamp();
	record->xid = U64FromFullTransactionId(GetTopFullTransactionIdIfAny());
	take_roles(record);
	take_actor(record, event);
	take(record, EVENT_TYPE, event->type);
	take(record, EVENT_ACTION, event->action);
	take(record, EVENT_RESOURCE, event->resource);
	take(record, EVENT_RECORD_ID, event->record_id);
	take(record, EVENT_APPLICATION_NAME, application_name);
}

size_t
capture_event(const SecurityEvent *event, uint8 *encoded)
{
	EventRecord record;
	char cut[EVENT_DETAILS_MAX];

	event_capture(event, &record);
	if (event->details != NULL && event->details[0] != '\0')
	{
		Bytes details = bytes_of(event->details, strlen(event->details));

		/* cut between characters it would be no JSON any more */
		if (details.length > EVENT_DETAILS_MAX)
			details = bytes_of(cut, event_json_cut(details, cut));
		record.text[EVENT_DETAILS] = details;
	}
	return event_record_encode(&record, encoded);
}

/* ---- errors that are told by who raises them ---- */

static bool told = false;

/* Notes an event whose emitter raises an error about the same next. */
static void
note_told(const SecurityEvent *event)
{
	static const char *const types[] = {"permission_denied", "integrity_failure", "wrong_key", "keyring_tampered"};

	if (!event->application_made && event->outcome != EVENT_SUCCESS)
		told = event_word(types, lengthof(types), event->type) < (int) lengthof(types);
}

bool
event_take_told(void)
{
	bool was_told = told;

	told = false;
	return was_told;
}

bool
event_emit(const SecurityEvent *event)
{
	uint8 encoded[EVENT_RECORD_MAX];
	EventShare share = event->application_made               ? SHARE_APPLICATION
					   : event->is_anybodys || event->yields ? SHARE_ANYBODY
															 : SHARE_OWN;
	Bytes record;

	note_told(event);
	if (!area_exists())
		return false;
	if (event->is_anybodys && !flood_allows(event->type, capture_user(event)))
	{
		counted_withheld(event);
		return false;
	}
	record = bytes_of(encoded, capture_event(event, encoded));
	return event->of_no_database ? area_push_to_cluster(record, share) : area_push(record, share);
}
