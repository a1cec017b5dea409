/*
 * words.c
 *		Types of events: how one is spelt, and which ones an application may not
 *		claim, because they say what this database itself did or found.
 *
 * What users do (login_success, logout, permission_denied, token_refresh and so
 * on) is not among them: an application with accounts of its own, a bastion or a
 * login log reports it to the same log and the same rules.  Such a row says
 * application_made.
 */
#include "event/private.h"

static const char *const reserved_types[] = {
	"address_blocked",
	"address_unblocked",
	"configuration_change",
	"create",
	"ddl",
	"decrypt",
	"delete",
	"events_dropped",
	"events_withheld",
	"grant",
	"heartbeat",
	"index_key_rotated",
	"integrity_failure",
	"library_loaded",
	"master_key_rotated",
	"read",
	"revocations_purged",
	"server_file",
	"server_program",
	"truncate",
	"update",
	"wrong_key",
};

static const char *const reserved_beginnings[] = {"alert_", "audit_",   "extension_", "incident_",
												  "key_",   "keyring_", "token_key_"};

bool
words_valid_type(const char *type, size_t length)
{
	if (length == 0 || length > event_text_max[EVENT_TYPE] || type[0] < 'a' || type[0] > 'z')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!((type[i] >= 'a' && type[i] <= 'z') || (type[i] >= '0' && type[i] <= '9') || type[i] == '_' ||
			  type[i] == '.' || type[i] == '-'))
			return false;
	return true;
}

bool
words_reserved_type(const char *type)
{
	for (int i = 0; i < (int) lengthof(reserved_beginnings); i++)
		if (strncmp(type, reserved_beginnings[i], strlen(reserved_beginnings[i])) == 0)
			return true;
	return event_word(reserved_types, lengthof(reserved_types), type) < (int) lengthof(reserved_types);
}
