/*
 * siem_kind.c
 *		What types of events mean in the words of others: categories and types of the
 *		Elastic Common Schema, classes and activities of OCSF.
 */
#include "siem_form.h"

#include <string.h>

#define OTHER 99 /* an activity that OCSF has no number for */

/* Every type that the extension emits has a row of its own (test/check/event_types); the first that fits counts. */
static const SiemKind kinds[] = {
	/* who comes in */
	{"login_success", "authentication", "start", SIEM_AUTHENTICATION, 1, NULL},
	{"login_failure", "authentication", "start", SIEM_AUTHENTICATION, 1, NULL},
	{"login_*", "authentication", "info", SIEM_AUTHENTICATION, OTHER, NULL},
	{"connection_*", "authentication network", "connection denied", SIEM_AUTHENTICATION, 1, NULL},
	{"logout", "authentication session", "end", SIEM_AUTHENTICATION, 2, NULL},
	{"sessions_ended", "session", "end", SIEM_AUTHENTICATION, 2, NULL},
	{"token_refresh", "authentication session", "info", SIEM_AUTHENTICATION, 3, NULL},
	{"token_reuse", "authentication intrusion_detection", "denied", SIEM_FINDING, 1, NULL},
	{"token_refused", "authentication", "denied", SIEM_AUTHENTICATION, OTHER, NULL},
	{"token_revoked", "session", "end", SIEM_AUTHENTICATION, OTHER, NULL},
	{"revocations_purged", "configuration", "deletion", SIEM_ENTITY, 4, NULL},
	{"token_key_added", "configuration", "creation", SIEM_ENTITY, 1, NULL},
	{"token_key_created", "configuration", "creation", SIEM_ENTITY, 1, NULL},
	{"token_key_used", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"token_key_retired", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"token_key_removed", "configuration", "deletion", SIEM_ENTITY, 4, NULL},
	{"token_only_login_added", "iam", "admin change user", SIEM_ENTITY, 3, NULL},
	{"token_only_login_removed", "iam", "admin change user", SIEM_ENTITY, 3, NULL},
	{"token_*", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"address_locked", "authentication network", "denied info", SIEM_AUTHENTICATION, OTHER, NULL},
	{"address_unlocked", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"address_blocked", "configuration", "creation", SIEM_ENTITY, 1, NULL},
	{"address_unblocked", "configuration", "deletion", SIEM_ENTITY, 4, NULL},
	{"never_blocked_changed", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"address_refused", "network", "access denied", SIEM_BASE, OTHER, NULL},
	{"rate_limited", "network", "access denied", SIEM_BASE, OTHER, NULL},
	{"csrf_refused", "authentication web", "access info", SIEM_AUTHENTICATION, OTHER, NULL},
	{"claims_disagree", "authentication web", "access info", SIEM_AUTHENTICATION, OTHER, NULL},
	/* what somebody may */
	{"permission_denied", "database", "access denied", SIEM_DATASTORE, OTHER, NULL},
	{"permission_created", "iam", "admin creation", SIEM_ENTITY, 1, NULL},
	{"permission_granted", "iam", "admin change", SIEM_PRIVILEGES, 1, NULL},
	{"permission_revoked", "iam", "admin change", SIEM_PRIVILEGES, 2, NULL},
	{"permission_*", "iam", "admin change", SIEM_ENTITY, OTHER, NULL},
	{"grant", "iam", "admin change", SIEM_PRIVILEGES, 2, "REVOKE"},
	{"grant", "iam", "admin change", SIEM_PRIVILEGES, 1, NULL},
	{"user_created", "iam", "creation user", SIEM_ACCOUNT, 1, NULL},
	{"user_enabled", "iam", "change user", SIEM_ACCOUNT, 2, NULL},
	{"user_disabled", "iam", "change user", SIEM_ACCOUNT, 5, NULL},
	{"user_deleted", "iam", "deletion user", SIEM_ACCOUNT, 6, NULL},
	{"user_locked", "iam", "change user", SIEM_ACCOUNT, 9, NULL},
	{"user_unlocked", "iam", "change user", SIEM_ACCOUNT, OTHER, NULL},
	{"user_changed", "iam", "change user", SIEM_ACCOUNT, OTHER, NULL},
	{"user_updated", "iam", "change user", SIEM_ACCOUNT, OTHER, NULL},
	{"user_*", "iam", "change user", SIEM_ACCOUNT, OTHER, NULL},
	{"password_changed", "iam", "change user", SIEM_ACCOUNT, 3, NULL},
	{"password_hash_unusable", "iam", "info user", SIEM_ACCOUNT, OTHER, NULL},
	{"passwords_tested", "iam", "info", SIEM_ACCOUNT, OTHER, NULL},
	{"role_assigned", "iam", "admin change user", SIEM_PRIVILEGES, 1, NULL},
	{"role_revoked", "iam", "admin change user", SIEM_PRIVILEGES, 2, NULL},
	{"role_created", "iam", "admin creation", SIEM_ENTITY, 1, NULL},
	{"role_dropped", "iam", "admin deletion", SIEM_ENTITY, 4, NULL},
	{"role_*", "iam", "admin change", SIEM_ENTITY, OTHER, NULL},
	{"tenant_created", "iam", "admin creation", SIEM_ENTITY, 1, NULL},
	{"tenant_enabled", "iam", "admin change", SIEM_ENTITY, 3, NULL},
	{"tenant_disabled", "iam", "admin change", SIEM_ENTITY, 3, NULL},
	{"tenant_*", "iam", "admin change", SIEM_ENTITY, OTHER, NULL},
	/* keys */
	{"key_created", "configuration", "admin creation", SIEM_ENTITY, 1, NULL},
	{"key_published", "configuration", "admin change", SIEM_ENTITY, 3, NULL},
	{"key_rotated", "configuration", "admin change", SIEM_ENTITY, 3, NULL},
	{"key_retired", "configuration", "admin change", SIEM_ENTITY, 3, NULL},
	{"key_destroyed", "configuration", "admin deletion", SIEM_ENTITY, 4, NULL},
	{"key_granted", "iam", "admin change", SIEM_PRIVILEGES, 1, NULL},
	{"key_revoked", "iam", "admin change", SIEM_PRIVILEGES, 2, NULL},
	{"key_*", "configuration", "admin change", SIEM_ENTITY, 3, NULL},
	{"master_key_rotated", "configuration", "admin change", SIEM_ENTITY, 3, NULL},
	{"index_key_rotated", "configuration", "admin change", SIEM_ENTITY, 3, NULL},
	{"integrity_failure", "database intrusion_detection", "info", SIEM_FINDING, 1, NULL},
	{"keyring_tampered", "database intrusion_detection", "info", SIEM_FINDING, 1, NULL},
	{"wrong_key", "database", "error", SIEM_FINDING, 1, NULL},
	/* data */
	{"create", "database", "creation", SIEM_DATASTORE, 6, NULL},
	{"read", "database", "access", SIEM_DATASTORE, 1, NULL},
	{"update", "database", "change", SIEM_DATASTORE, 2, NULL},
	{"delete", "database", "deletion", SIEM_DATASTORE, 7, NULL},
	{"truncate", "database", "deletion", SIEM_DATASTORE, 7, NULL},
	{"decrypt", "database", "access", SIEM_DATASTORE, 10, NULL},
	{"server_file", "database file", "access", SIEM_DATASTORE, OTHER, NULL},
	{"server_program", "database process", "start", SIEM_DATASTORE, OTHER, NULL},
	/* what administrators do */
	{"ddl", "configuration database", "change", SIEM_DATASTORE, OTHER, NULL},
	{"configuration_change", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"rate_limit_changed", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"rate_limit_*", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"playbook_changed", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"topic_changed", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"topic_removed", "configuration", "deletion", SIEM_ENTITY, 4, NULL},
	{"topic_*", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"extension_created", "package", "installation", SIEM_APPLICATION, 1, NULL},
	{"extension_dropped", "package", "deletion", SIEM_APPLICATION, 2, NULL},
	{"extension_changed", "package", "change", SIEM_APPLICATION, 8, NULL},
	{"extension_*", "package", "change", SIEM_APPLICATION, OTHER, NULL},
	{"library_loaded", "library", "start", SIEM_LIBRARY, 1, NULL},
	/* what must be kept, and what is held about one person */
	{"legal_hold_placed", "configuration", "creation", SIEM_ENTITY, 1, NULL},
	{"legal_hold_released", "configuration", "deletion", SIEM_ENTITY, 4, NULL},
	{"subject_column_registered", "configuration", "creation", SIEM_ENTITY, 1, NULL},
	{"subject_column_unregistered", "configuration", "deletion", SIEM_ENTITY, 4, NULL},
	{"subject_key_registered", "configuration", "creation", SIEM_ENTITY, 1, NULL},
	{"subject_key_unregistered", "configuration", "deletion", SIEM_ENTITY, 4, NULL},
	{"subject_erased", "database", "deletion", SIEM_DATASTORE, 7, NULL},
	{"subject_exported", "database", "access", SIEM_DATASTORE, 1, NULL},
	/* the log itself */
	{"monitoring_enhanced", "configuration", "change", SIEM_LOG, OTHER, NULL},
	{"monitoring_restored", "configuration", "change", SIEM_LOG, OTHER, NULL},
	{"audit_enabled", "configuration", "change", SIEM_LOG, 9, NULL},
	{"audit_disabled", "configuration", "change", SIEM_LOG, 10, NULL},
	{"retention_policy_changed", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"retention_started", "process", "start", SIEM_BASE, OTHER, NULL},
	{"retention_finished", "process", "end", SIEM_BASE, OTHER, NULL},
	{"retention_failed", "process", "error", SIEM_BASE, OTHER, NULL},
	{"retention_overdue", "process", "error", SIEM_BASE, OTHER, NULL},
	{"retention_doubted", "process", "error", SIEM_BASE, OTHER, NULL},
	{"partition_archived", "database", "info", SIEM_DATASTORE, OTHER, NULL},
	{"partition_verified", "database", "info", SIEM_DATASTORE, OTHER, NULL},
	{"partition_detached", "database", "change", SIEM_DATASTORE, OTHER, NULL},
	{"partition_attached", "database", "change", SIEM_DATASTORE, OTHER, NULL},
	{"partition_dropped", "database", "deletion", SIEM_DATASTORE, 4, NULL},
	{"rows_expired", "database", "deletion", SIEM_DATASTORE, 4, NULL},
	{"audit_export", "configuration", "access", SIEM_LOG, 3, NULL},
	{"archive_read", "database", "access", SIEM_DATASTORE, 1, NULL},
	{"archive_key_exported", "database", "access", SIEM_DATASTORE, 10, NULL},
	{"audit_log_opened", "configuration", "change", SIEM_LOG, OTHER, NULL},
	{"partition_dropped", "configuration database", "deletion", SIEM_ENTITY, 4, NULL},
	{"audit_epoch", "configuration", "info", SIEM_LOG, OTHER, NULL},
	{"audit_epoch_requested", "configuration", "change", SIEM_LOG, OTHER, NULL},
	{"audit_sealing_delayed", "configuration", "error", SIEM_LOG, OTHER, NULL},
	{"clock_moved", "host", "change", SIEM_BASE, OTHER, NULL},
	{"audit_*", "configuration", "change", SIEM_LOG, OTHER, NULL},
	{"heartbeat", "database", "info", SIEM_BASE, OTHER, NULL},
	{"events_dropped", "database", "error", SIEM_BASE, OTHER, NULL},
	{"events_withheld", "database", "info", SIEM_BASE, OTHER, NULL},
	{"system_error", "database", "error", SIEM_BASE, OTHER, NULL},
	{"alert_raised", "intrusion_detection", "info", SIEM_FINDING, 1, NULL},
	{"alert_rule_changed", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"alert_channel_changed", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"alert_delivery_failed", "configuration", "error", SIEM_BASE, OTHER, NULL},
	{"alert_delivery_retried", "configuration", "change", SIEM_ENTITY, 3, NULL},
	{"alert_marked_false", "intrusion_detection", "info", SIEM_FINDING, 2, NULL},
	{"alert*", "intrusion_detection", "info", SIEM_FINDING, 1, NULL},
	{"incident_opened", "intrusion_detection", "info", SIEM_FINDING, 1, NULL},
	{"incident_action", "intrusion_detection", "info", SIEM_FINDING, 2, NULL},
	{"incident_approved", "intrusion_detection", "info", SIEM_FINDING, 2, NULL},
	{"incident_contained", "intrusion_detection", "info", SIEM_FINDING, 2, NULL},
	{"incident_reverted", "intrusion_detection", "info", SIEM_FINDING, 2, NULL},
	{"incident_noted", "intrusion_detection", "info", SIEM_FINDING, 2, NULL},
	{"incident_assigned", "intrusion_detection", "info", SIEM_FINDING, 2, NULL},
	{"incident_closed", "intrusion_detection", "info", SIEM_FINDING, 3, NULL},
	{"incident_failed", "intrusion_detection", "error", SIEM_FINDING, OTHER, NULL},
	{"incident*", "intrusion_detection", "info", SIEM_FINDING, 1, NULL},
};

static const SiemKind any = {"*", "database", "info", SIEM_BASE, OTHER, NULL};

const SiemKind *
siem_kind(const SiemEvent *event)
{
	Bytes type = siem_leaf_text(event, LEAF_TYPE);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		size_t length = strlen(kinds[i].type);

		if (kinds[i].action != NULL && !siem_is(siem_leaf_text(event, LEAF_ACTION), kinds[i].action))
			continue;
		if (siem_is(type, kinds[i].type))
			return &kinds[i];
		if (kinds[i].type[length - 1] == '*' && type.data != NULL && type.length >= length - 1 &&
			memcmp(type.data, kinds[i].type, length - 1) == 0) /* public: words of the log */
			return &kinds[i];
	}
	return &any;
}
