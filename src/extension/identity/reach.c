/*
 * reach.c
 *		How far an identity reaches: one that carries a tenant administers that
 *		tenant, never the whole; and nobody gives, or touches, what is above him.
 *
 * What is refused to a tenant's administrator is every function of schema twin
 * that is not for everybody and is not named here or by a part above
 * (identity_let_tenants_call()), and what shows other tenants' people.  It is
 * decided in the hooks of warrant.c, which see every call, and not in the
 * functions: keys and tokens lie below identity and cannot ask it; and a
 * function that somebody adds and forgets about is refused, not open.  What is
 * named answers for the tenant by itself: see account/reach.sql.  Who is
 * nobody, with no token at all, is bound by his grants alone.
 */
#include "identity/private.h"

#include "event/event.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(tsec_may);
PG_FUNCTION_INFO_V1(tsec_require_reach_of_role);

/* Of the parts below: what neither changes nor shows anything of anybody. */
static const char *const harmless[] = {
	"check_password_strength", "generate_password", "hash_password", "optional_env",
	"password_needs_rehash",   "record_event",      "required_env",  "verify_password",
};

/* Views that show people of every tenant, how many of them did something, or when. */
static const char *const of_all_tenants[] = {
	"access_profiles",   "alert_channels",      "alert_deliveries", "alert_rules", "alerts",        "audit_log",
	"blocked_addresses", "enhanced_monitoring", "incidents",        "legal_holds", "never_blocked", "playbooks",
	"retention_plan",    "retention_policies",  "retention_runs",   "revocations", "stat_audit",    "stat_events",
	"stat_metrics",      "stat_topics",         "subject_columns",  "subject_keys"};

/* What parts above named; of strings that stay. */
static List *let_tenants = NIL;
static List *let_logins = NIL;

static void
add_name(List **names, const char *function)
{
	MemoryContext outer = MemoryContextSwitchTo(TopMemoryContext);

	*names = lappend(*names, unconstify(char *, function));
	MemoryContextSwitchTo(outer);
}

void
identity_let_tenants_call(const char *function)
{
	add_name(&let_tenants, function);
}

void
identity_let_logins_call(const char *function)
{
	add_name(&let_logins, function);
}

static bool
is_among(const char *name, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		/* public: names of functions and views */
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool
is_listed(const char *name, const List *names)
{
	ListCell *cell;

	foreach(cell, names)
		/* public: names of functions */
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

static bool
tenants_may_call(const char *name)
{
	return is_listed(name, let_tenants) || is_among(name, harmless, lengthof(harmless));
}

bool
reach_logins_may_call(Oid function)
{
	char *name;

	if (token_setting_value() != NULL || OidIsValid(GetCurrentRoleId()))
		return false;
	name = get_func_name(function);
	return name != NULL && is_listed(name, let_logins);
}

/* Records that somebody reached too far. */
static void
tell_denied(const char *action, const char *resource)
{
	event_emit(&(SecurityEvent){.type = "permission_denied",
								.class = EVENT_ACCESS,
								.severity = EVENT_MEDIUM,
								.outcome = EVENT_DENIED,
								.action = action,
								.resource = resource,
								.is_anybodys = true});
}

void
reach_require_whole(const char *what)
{
	const Identity *identity = identity_current();

	if (identity == NULL || !identity->has_tenant)
		return;
	tell_denied("administer", what);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for %s", what),
					errdetail("The authenticated user belongs to a tenant, and this concerns all of them.")));
}

void
reach_check_function(Oid function)
{
	char *name = get_func_name(function);

	if (name != NULL && !tenants_may_call(name))
		reach_require_whole(name);
}

void
reach_check_relation(Oid relation)
{
	char *name = get_rel_name(relation);

	if (name != NULL && is_among(name, of_all_tenants, lengthof(of_all_tenants)))
		reach_require_whole(name);
}

/* may(permission text) -> boolean: whether whoever is asking holds it; true for nobody, who is bound by his grants alone */
Datum
tsec_may(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(identity_current() == NULL || identity_has_permission(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* require_reach_of_role(role text): raises 42501 where whoever is asking may neither give a role nor touch whose it is */
Datum
tsec_require_reach_of_role(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();
	char *role = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const char *why = NULL;

	if (identity == NULL)
		PG_RETURN_VOID();
	if (tables_role_exceeds(role, identity->role))
		why = "It holds a permission that the role of the authenticated user lacks.";
	else if (identity->has_tenant && tables_role_is_break_glass(role))
		why = "It is a break-glass role, and the authenticated user belongs to a tenant.";
	if (why == NULL)
		PG_RETURN_VOID();
	tell_denied("reach", role);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied for role \"%s\" of the twin", role), errdetail_internal("%s", why)));
}
