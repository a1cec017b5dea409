/*
 * refusal.c
 *		Which errors are of security, and what is recorded of one.
 *
 * What a message was filled with is told only for messages of C code, whose
 * words are known and which name objects: never a detail, which may hold rows,
 * and never the text of a RAISE, which may hold anything.
 */
#include "audit/security.h"

#include "common/filled.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"

#define SQLSTATE(a, b, c, d, e) MAKE_SQLSTATE((a), (b), (c), (d), (e))

/* A kind of errors: one code, or all of a class where there is none. */
typedef struct Kind
{
	int sqlstate;
	int category;
	const char *type;
	EventClass class;
	EventSeverity severity;
	EventOutcome outcome;
	bool is_anybodys; /* of no interest one by one */
	bool has_object;  /* its message may be told */
	bool is_ours;     /* nobody but this library raises it, whoever uses its code */
} Kind;

static const Kind kinds[] = {
	{ERRCODE_INSUFFICIENT_PRIVILEGE, 0, "permission_denied", EVENT_ACCESS, EVENT_MEDIUM, EVENT_DENIED, false, true,
	 false},
	{0, SQLSTATE('2', '8', '0', '0', '0'), "permission_denied", EVENT_ACCESS, EVENT_MEDIUM, EVENT_DENIED, false, true,
	 false},
	/* the keyring and the values that it sealed */
	{SQLSTATE('T', 'W', '2', '0', '1'), 0, "integrity_failure", EVENT_AUDIT, EVENT_HIGH, EVENT_FAILURE, true, false,
	 true},
	{SQLSTATE('T', 'W', '1', '0', '6'), 0, "integrity_failure", EVENT_AUDIT, EVENT_CRITICAL, EVENT_FAILURE, true,
	 false, true},
	{SQLSTATE('T', 'W', '1', '0', '1'), 0, "wrong_key", EVENT_AUDIT, EVENT_HIGH, EVENT_FAILURE, true, false, true},
	/* damage, no resources, the system's errors */
	{0, SQLSTATE('X', 'X', '0', '0', '0'), "system_error", EVENT_ERROR, EVENT_HIGH, EVENT_FAULT, true, false, false},
	{ERRCODE_DISK_FULL, 0, "system_error", EVENT_ERROR, EVENT_HIGH, EVENT_FAULT, true, false, false},
	{ERRCODE_OUT_OF_MEMORY, 0, "system_error", EVENT_ERROR, EVENT_MEDIUM, EVENT_FAULT, true, false, false},
	{0, SQLSTATE('5', '8', '0', '0', '0'), "system_error", EVENT_ERROR, EVENT_HIGH, EVENT_FAULT, true, false, false},
};

static const Kind *
kind_of(int sqlstate)
{
	for (int i = 0; i < (int) lengthof(kinds); i++)
		if (kinds[i].sqlstate != 0 ? kinds[i].sqlstate == sqlstate
								   : kinds[i].category == ERRCODE_TO_CATEGORY(sqlstate))
			return &kinds[i];
	return NULL;
}

bool
refusal_is_one(int sqlstate)
{
	return kind_of(sqlstate) != NULL;
}

void
refusal_spell(int sqlstate, char text[6])
{
	for (int i = 0; i < 5; i++, sqlstate >>= 6)
		text[i] = PGUNSIXBIT(sqlstate);
	text[5] = '\0';
}

/* Adds what an error's message tells, where it is code's that names objects; copies the object's name. */
static void
tell_message(const Kind *kind, const ErrorData *error, char *details, size_t size, char *object, size_t object_size)
{
	const char *format = error->message_id;
	Bytes name;

	if (format == NULL || !filled_has_words(format))
		return;
	if (!kind->has_object || error->message == NULL)
	{
		(void) event_json_add(details, size, "message", format);
		return;
	}
	if (strstr(format, "row-level security") != NULL)
		(void) event_json_add(details, size, "reason", "rls_violation");
	(void) event_json_add(details, size, "message", error->message);
	if (filled_last(format, error->message, &name) && name.length > 0)
	{
		size_t length = Min(name.length, object_size - 1);

		memcpy(object, name.data, length);
		object[length] = '\0';
	}
}

/* Whether this process writes and seals events itself: what keeps it from doing so must not be one more event. */
static bool
is_our_worker(void)
{
	return MyBgworkerEntry != NULL &&
		   strcmp(MyBgworkerEntry->bgw_library_name, "twin_security") == 0; /* public: a library's name */
}

RefusalOrigin
refusal_origin(const ErrorData *error)
{
	if (error == NULL)
		return REFUSAL_SERVERS;
	if (error->domain != NULL && strcmp(error->domain, TEXTDOMAIN) == 0) /* public: this library's name */
		return REFUSAL_OURS;
	/* what passes on a text that came to it has no words of its own */
	return error->message_id != NULL && !filled_has_words(error->message_id) ? REFUSAL_RAISED : REFUSAL_SERVERS;
}

void
refusal_record(int sqlstate, RefusalOrigin origin, const ErrorData *error)
{
	const Kind *kind = kind_of(sqlstate);
	char details[EVENT_DETAILS_MAX + 1] = "";
	char object[2 * NAMEDATALEN] = "";
	char code[6];
	SecurityEvent event = {.action = watch_command(), .details = details};

	if (kind == NULL || !audit_is_on() || !presence_here() ||
		((kind->class == EVENT_ERROR || kind->is_ours) && is_our_worker()))
		return;
	if (kind->is_ours && error != NULL && origin != REFUSAL_OURS)
		return;
	refusal_spell(sqlstate, code);
	(void) event_json_add(details, sizeof(details), "sqlstate", code);
	if (error != NULL)
		tell_message(kind, error, details, sizeof(details), object, sizeof(object));
	event.type = kind->type;
	event.class = kind->class;
	event.severity = kind->severity;
	event.outcome = kind->outcome;
	event.is_anybodys = kind->is_anybodys;
	event.yields = true;
	/* the server's own faults are told by the server */
	event.application_made = kind->class == EVENT_ERROR && origin == REFUSAL_RAISED;
	event.resource = object[0] != '\0' ? object : NULL;
	(void) event_emit(&event);
	(void) event_take_told(); /* this error is all there is to tell */
}
