/*
 * siem_json.c
 *		Events as the Elastic Common Schema 8 and as OCSF 1.3 have them.  What neither
 *		has a place for stands under the product's name (ECS) or in "unmapped" (OCSF).
 */
#include "siem_form.h"

#include "event_record.h"

#define ECS_VERSION "8.11.0"
#define OCSF_VERSION "1.3.0"
#define LOG_NAME "twin.audit_log"

/* ---- Elastic Common Schema ---- */

void
siem_write_ecs(SiemOut *out, const SiemEvent *event)
{
	/* as Elastic's own rules count: 21 low, 47 medium, 73 high, 99 critical */
	static const int severities[EVENT_SEVERITIES] = {0, 21, 47, 73, 99};
	static const char *const outcomes[] = {
		[SIEM_UNKNOWN] = "unknown", [SIEM_SUCCESS] = "success", [SIEM_FAILURE] = "failure"};
	static const char *const levels[EVENT_SEVERITIES] = {"info", "notice", "warning", "error", "critical"};
	const Leaf *leaf = &event->leaf;
	const SiemKind *kind = siem_kind(event);
	char time[LEAF_TIME_SIZE];
	char recorded[LEAF_TIME_SIZE];

	leaf_time(leaf->event_time, time);
	leaf_time(leaf->recorded_at, recorded);
	siem_open(out, NULL);
	siem_word(out, "@timestamp", time);
	siem_open(out, "ecs");
	siem_word(out, "version", ECS_VERSION);
	siem_close(out);
	siem_open(out, "event");
	siem_number_text(out, "id", leaf->event_id);
	siem_word(out, "kind", kind->ocsf_class == SIEM_FINDING ? "alert" : "event");
	siem_words(out, "category", kind->categories);
	siem_words(out, "type", kind->types);
	siem_text(out, "action", siem_leaf_text(event, LEAF_TYPE));
	siem_word(out, "outcome", outcomes[siem_outcome(event)]);
	siem_number(out, "severity", severities[siem_severity(event)]);
	siem_number(out, "sequence", event->leaf_index);
	siem_word(out, "created", recorded);
	siem_word(out, "module", SIEM_PRODUCT);
	siem_word(out, "dataset", SIEM_PRODUCT ".audit");
	siem_word(out, "provider", "postgresql");
	siem_close(out);
	siem_open(out, "log");
	siem_word(out, "level", levels[siem_severity(event)]);
	siem_close(out);
	siem_open(out, "user");
	siem_text(out, "name", siem_user(event));
	if (leaf->flags & LEAF_HAS_USER_ID)
		siem_number_text(out, "id", leaf->user_id);
	if (siem_leaf_text(event, LEAF_EFFECTIVE_USER).data != NULL)
	{
		siem_open(out, "effective");
		siem_text(out, "name", siem_leaf_text(event, LEAF_EFFECTIVE_USER));
		siem_close(out);
	}
	siem_close(out);
	if (siem_leaf_text(event, LEAF_CLIENT_ADDRESS).data != NULL)
	{
		siem_open(out, "source");
		siem_text(out, "ip", siem_leaf_text(event, LEAF_CLIENT_ADDRESS));
		siem_close(out);
	}
	if (leaf->flags & LEAF_HAS_TENANT_ID)
	{
		siem_open(out, "organization");
		siem_number_text(out, "id", leaf->tenant_id);
		siem_close(out);
	}
	if (leaf->flags & LEAF_HAS_PID)
	{
		siem_open(out, "process");
		siem_number(out, "pid", leaf->pid);
		siem_close(out);
	}
	siem_open(out, "host");
	siem_word(out, "hostname", event->host);
	siem_close(out);
	siem_open(out, "service");
	siem_word(out, "type", "postgresql");
	siem_word(out, "name", event->database);
	siem_close(out);
	siem_open(out, SIEM_PRODUCT);
	siem_write_rest(out, event);
	siem_text(out, "severity", siem_leaf_text(event, LEAF_SEVERITY));
	siem_text(out, "outcome", siem_leaf_text(event, LEAF_OUTCOME));
	siem_text(out, "action", siem_leaf_text(event, LEAF_ACTION));
	siem_text(out, "resource", siem_leaf_text(event, LEAF_RESOURCE));
	siem_json(out, "details", siem_leaf_text(event, LEAF_DETAILS));
	siem_close(out);
	siem_close(out);
}

/* ---- OCSF ---- */

static void
write_user(SiemOut *out, const SiemEvent *event, Bytes name)
{
	siem_open(out, "user");
	siem_text(out, "name", name.data != NULL ? name : bytes_of("", 0));
	if (event->leaf.flags & LEAF_HAS_USER_ID && name.data == siem_user(event).data)
		siem_number_text(out, "uid", event->leaf.user_id);
	siem_close(out);
}

/* What the class of the event asks for. */
static void
write_class(SiemOut *out, const SiemEvent *event, const SiemKind *kind)
{
	Bytes resource = siem_leaf_text(event, LEAF_RESOURCE);
	/* what was done to "account" was done to the user's own */
	Bytes object = resource.data != NULL && !siem_is(resource, "account") ? resource : siem_user(event);

	switch (kind->ocsf_class)
	{
		case SIEM_FINDING:
			siem_open(out, "finding_info");
			siem_text(out, "title", siem_leaf_text(event, LEAF_TYPE));
			siem_number_text(out, "uid", event->leaf.event_id);
			siem_close(out);
			break;
		case SIEM_AUTHENTICATION:
			write_user(out, event, siem_user(event));
			siem_open(out, "service");
			siem_word(out, "name", "postgresql");
			siem_close(out);
			break;
		case SIEM_ACCOUNT:
			write_user(out, event, object);
			break;
		case SIEM_PRIVILEGES:
		{
			Bytes privilege = siem_leaf_text(event, LEAF_ACTION);

			write_user(out, event, object);
			siem_texts(out, "privileges", privilege.data != NULL ? privilege : siem_leaf_text(event, LEAF_TYPE));
			break;
		}
		case SIEM_ENTITY:
			siem_open(out, "entity");
			siem_text(out, "name", object.data != NULL ? object : siem_leaf_text(event, LEAF_TYPE));
			siem_close(out);
			break;
		case SIEM_APPLICATION:
			siem_open(out, "app");
			siem_text(out, "name", object.data != NULL ? object : siem_leaf_text(event, LEAF_TYPE));
			siem_word(out, "vendor_name", "unknown");
			siem_close(out);
			break;
		case SIEM_LIBRARY:
			siem_open(out, "module");
			siem_number(out, "load_type_id", 1); /* by the system's loader */
			siem_open(out, "file");
			siem_text(out, "name", object.data != NULL ? object : siem_leaf_text(event, LEAF_TYPE));
			siem_number(out, "type_id", 1); /* a regular file */
			siem_close(out);
			siem_close(out);
			break;
		case SIEM_LOG:
			siem_word(out, "log_name", LOG_NAME);
			siem_word(out, "log_provider", SIEM_PRODUCT);
			break;
		case SIEM_DATASTORE:
			siem_number(out, "type_id", resource.data != NULL ? 3 : 1); /* table, database */
			siem_open(out, "database");
			siem_word(out, "name", event->database);
			siem_number(out, "type_id", 1); /* relational */
			siem_close(out);
			if (resource.data == NULL)
				break;
			siem_open(out, "table");
			siem_text(out, "name", resource);
			siem_close(out);
			break;
	}
}

void
siem_write_ocsf(SiemOut *out, const SiemEvent *event)
{
	const SiemKind *kind = siem_kind(event);

	siem_open(out, NULL);
	siem_number(out, "class_uid", kind->ocsf_class);
	siem_number(out, "category_uid", kind->ocsf_class / 1000);
	siem_number(out, "activity_id", kind->ocsf_activity);
	siem_text(out, "activity_name", siem_leaf_text(event, LEAF_TYPE));
	siem_number(out, "type_uid", kind->ocsf_class * INT64_C(100) + kind->ocsf_activity);
	siem_number(out, "severity_id", siem_severity(event) + 1);
	siem_text(out, "severity", siem_leaf_text(event, LEAF_SEVERITY));
	siem_number(out, "time", siem_milliseconds(event->leaf.event_time));
	siem_number(out, "status_id", siem_outcome(event));
	siem_text(out, "status_detail", siem_leaf_text(event, LEAF_OUTCOME));
	siem_open(out, "metadata");
	siem_word(out, "version", OCSF_VERSION);
	siem_open(out, "product");
	siem_word(out, "name", SIEM_PRODUCT);
	siem_word(out, "vendor_name", SIEM_PRODUCT);
	siem_word(out, "version", event->version);
	siem_close(out);
	siem_number_text(out, "uid", event->leaf.event_id);
	siem_number(out, "sequence", event->leaf_index);
	siem_number(out, "logged_time", siem_milliseconds(event->leaf.recorded_at));
	siem_text(out, "event_code", siem_leaf_text(event, LEAF_TYPE));
	siem_word(out, "log_name", LOG_NAME);
	if (event->leaf.flags & LEAF_HAS_TENANT_ID)
		siem_number_text(out, "tenant_uid", event->leaf.tenant_id);
	siem_close(out);
	siem_open(out, "actor");
	write_user(out, event, siem_user(event));
	siem_close(out);
	siem_open(out, "src_endpoint");
	if (siem_leaf_text(event, LEAF_CLIENT_ADDRESS).data != NULL)
		siem_text(out, "ip", siem_leaf_text(event, LEAF_CLIENT_ADDRESS));
	else
		siem_word(out, "name", "local");
	siem_close(out);
	siem_open(out, "device");
	siem_word(out, "hostname", event->host);
	siem_number(out, "type_id", 1); /* server */
	siem_close(out);
	write_class(out, event, kind);
	siem_open(out, "unmapped");
	siem_write_rest(out, event);
	siem_text(out, "action", siem_leaf_text(event, LEAF_ACTION));
	siem_text(out, "resource", siem_leaf_text(event, LEAF_RESOURCE));
	siem_json(out, "details", siem_leaf_text(event, LEAF_DETAILS));
	siem_close(out);
	siem_close(out);
}
