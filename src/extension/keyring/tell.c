/*
 * tell.c
 *		What the keyring tells the log of security events: uses of keys that were
 *		refused, and values or keys that are not what they ought to be.
 *
 * Told at once and whatever becomes of the transaction; never a key, never a
 * value.  Changes of keys are told by the SQL functions that make them.
 */
#include "keyring/private.h"

#include "event/event.h"

void
tell_denied(const char *key_name, const char *action)
{
	SecurityEvent event = {.type = "permission_denied",
						   .severity = EVENT_MEDIUM,
						   .outcome = EVENT_DENIED,
						   .action = action,
						   .resource = key_name,
						   .is_anybodys = true};

	(void) event_emit(&event);
}

void
tell_integrity_failure(const char *key_name)
{
	SecurityEvent event = {.type = "integrity_failure",
						   .severity = EVENT_HIGH,
						   .outcome = EVENT_FAILURE,
						   .action = "decrypt",
						   .resource = key_name,
						   .is_anybodys = true};

	(void) event_emit(&event);
}

void
tell_unwrap_failure(Status status, const char *key_name)
{
	SecurityEvent event = {.severity = EVENT_HIGH,
						   .outcome = EVENT_FAILURE,
						   .action = "unwrap",
						   .resource = key_name,
						   .is_anybodys = true};

	if (status == TSEC_WRONG_KEY)
		event.type = "wrong_key";
	else if (status == TSEC_KEYRING_TAMPERED)
	{
		event.type = "keyring_tampered";
		event.severity = EVENT_CRITICAL;
	}
	else
		return; /* a key that is missing, retired or destroyed is no attack */
	(void) event_emit(&event);
}
