/*
 * siem_kind.c
 *		What types of events mean in the words of others: categories and types of the
 *		Elastic Common Schema, classes and activities of OCSF.
 */
#include "siem_form.h"

#include <string.h>

#define OTHER 99 /* an activity that OCSF has no number for */

/* Classes of OCSF 1.3. */
#define BASE 0
#define FINDING 2004
#define ACCOUNT 3001
#define AUTHENTICATION 3002
#define ENTITY 3004
#define PRIVILEGES 3005
#define DATASTORE 6005

/* The first that fits counts. */
static const SiemKind kinds[] = {
	{"login_success", "authentication", "start", AUTHENTICATION, 1},
	{"login_failure", "authentication", "start", AUTHENTICATION, 1},
	{"login_*", "authentication", "info", AUTHENTICATION, OTHER},
	{"connection_*", "authentication network", "connection denied", AUTHENTICATION, 1},
	{"logout", "authentication session", "end", AUTHENTICATION, 2},
	{"sessions_ended", "session", "end", AUTHENTICATION, 2},
	{"token_refresh", "authentication session", "info", AUTHENTICATION, 3},
	{"token_reuse", "authentication intrusion_detection", "denied", FINDING, 1},
	{"token_refused", "authentication", "denied", AUTHENTICATION, OTHER},
	{"token_revoked", "session", "end", AUTHENTICATION, OTHER},
	{"token_key_*", "configuration", "change", ENTITY, 3},
	{"token_*", "configuration", "change", ENTITY, 3},
	{"permission_denied", "database", "access denied", DATASTORE, OTHER},
	{"permission_granted", "iam", "admin change", PRIVILEGES, 1},
	{"permission_revoked", "iam", "admin change", PRIVILEGES, 2},
	{"permission_*", "iam", "admin change", ENTITY, OTHER},
	{"integrity_failure", "database intrusion_detection", "info", FINDING, 1},
	{"keyring_tampered", "database intrusion_detection", "info", FINDING, 1},
	{"wrong_key", "database", "error", FINDING, 1},
	{"user_created", "iam", "creation user", ACCOUNT, 1},
	{"user_enabled", "iam", "change user", ACCOUNT, 2},
	{"user_disabled", "iam", "change user", ACCOUNT, 5},
	{"user_deleted", "iam", "deletion user", ACCOUNT, 6},
	{"user_locked", "iam", "change user", ACCOUNT, 9},
	{"user_*", "iam", "change user", ACCOUNT, OTHER},
	{"password_changed", "iam", "change user", ACCOUNT, 3},
	{"role_assigned", "iam", "admin change user", PRIVILEGES, 1},
	{"role_*", "iam", "admin change", ENTITY, OTHER},
	{"tenant_*", "iam", "admin change", ENTITY, OTHER},
	{"key_created", "configuration", "admin creation", ENTITY, 1},
	{"key_destroyed", "configuration", "admin deletion", ENTITY, 4},
	{"key_granted", "iam", "admin change", PRIVILEGES, 1},
	{"key_revoked", "iam", "admin change", PRIVILEGES, 2},
	{"key_*", "configuration", "admin change", ENTITY, 3},
	{"master_key_*", "configuration", "admin change", ENTITY, 3},
	{"index_key_*", "configuration", "admin change", ENTITY, 3},
	{"create", "database", "creation", DATASTORE, 6},
	{"read", "database", "access", DATASTORE, 1},
	{"update", "database", "change", DATASTORE, 2},
	{"delete", "database", "deletion", DATASTORE, 7},
	{"truncate", "database", "deletion", DATASTORE, 7},
	{"decrypt", "database", "access", DATASTORE, 10},
	{"grant", "iam", "admin change", PRIVILEGES, 1},
	{"ddl", "configuration database", "change", DATASTORE, OTHER},
	{"configuration_change", "configuration", "change", ENTITY, 3},
	{"audit_*", "configuration", "change", ENTITY, 3},
	{"extension_*", "configuration package", "change", ENTITY, OTHER},
	{"library_*", "configuration library", "change", ENTITY, OTHER},
	{"rate_limit_*", "configuration", "change", ENTITY, 3},
	{"topic_*", "configuration", "change", ENTITY, 3},
	{"alert*", "intrusion_detection", "info", FINDING, 1},
	{"incident*", "intrusion_detection", "info", FINDING, 1},
	{"system_error", "database", "error", BASE, OTHER},
	{"events_*", "database", "error", BASE, OTHER},
};

static const SiemKind any = {"*", "database", "info", BASE, OTHER};

const SiemKind *
siem_kind(const SiemEvent *event)
{
	Bytes type = siem_leaf_text(event, LEAF_TYPE);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		size_t length = strlen(kinds[i].type);

		if (siem_is(type, kinds[i].type))
			return &kinds[i];
		if (kinds[i].type[length - 1] == '*' && type.data != NULL && type.length >= length - 1 &&
			memcmp(type.data, kinds[i].type, length - 1) == 0) /* public: words of the log */
			return &kinds[i];
	}
	return &any;
}
