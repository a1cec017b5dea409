/*
 * grants.c
 *		Who may use a key.
 *
 * A grant counts for the current role and its members.  A superuser counts as
 * a member only of roles he really was made a member of, and whoever logged in
 * as superuser is refused plaintext while acting as a role he is no member of:
 * SET ROLE and SET SESSION AUTHORIZATION open nothing to him.  Sealing reveals
 * nothing, so a superuser needs no grant for it.
 *
 * A grant may also name a permission of the verified identity instead of a
 * role; and in the sessions of token-only logins grants to roles count only
 * while there is one.  The part above that knows is asked through a KeyringAsker.
 *
 * Answers are remembered per key until roles, memberships, the keyring, the
 * acting role or who is asking change.
 */
#include "keyring/private.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/syscache.h"

static uint64 role_generation = 1;
static const KeyringAsker *asker = NULL;

static void (*asker_listener)(void) = NULL;

void
keyring_note_new_asker(void)
{
	if (asker_listener != NULL)
		asker_listener();
}

void
keyring_when_new_asker(void (*listener)(void))
{
	asker_listener = listener;
}

void
keyring_set_asker(const KeyringAsker *of_session)
{
	asker = of_session;
}

static void
note_role_change(Datum argument, int cache, uint32 hash)
{
	role_generation++;
}

void
grants_init(void)
{
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, note_role_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, note_role_change, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, note_role_change, (Datum) 0); /* pg_database_owner */
}

/* Whether a role has another's privileges, without the superuser's shortcut. */
static bool
has_role(Oid role, Oid grantee)
{
	return superuser_arg(role) ? is_member_of_role_nosuper(role, grantee) : has_privs_of_role(role, grantee);
}

/* Decides for the current role of a session, or, without who logged in, for any role. */
static bool
decide(List *grants, Oid current, Oid authenticated, KeyPrivilege privilege)
{
	bool roles_count = !OidIsValid(authenticated) || asker == NULL || asker->grants_count();
	ListCell *cell;

	if (privilege == KEY_ENCRYPT)
	{
		if (roles_count && superuser_arg(current))
			return true;
	}
	else if (OidIsValid(authenticated) && authenticated != current && superuser_arg(authenticated) &&
			 !is_member_of_role_nosuper(authenticated, current))
		return false;

	foreach(cell, grants)
	{
		const GrantRow *grant = lfirst(cell);

		if (!(grant->privileges & privilege))
			continue;
		if (grant->permission == NULL
				? roles_count && has_role(current, grant->grantee)
				: OidIsValid(authenticated) && asker != NULL && asker->holds_permission(grant->permission))
			return true;
	}
	return false;
}

/* Decides, and remembers what of it will stay true. */
static bool
ask(List *grants, GrantMemo *memo, KeyPrivilege privilege)
{
	uint64 before;
	bool allowed;
	Oid current = GetUserId();
	Oid authenticated = GetAuthenticatedUserId();
	uint64 asked_by = asker != NULL ? asker->generation() : 0;

	if (memo->current_user != current || memo->authenticated_user != authenticated ||
		memo->generation != role_generation || memo->asker != asked_by)
	{
		memo->current_user = current;
		memo->authenticated_user = authenticated;
		memo->generation = role_generation;
		memo->asker = asked_by;
		memo->asked = memo->allowed = 0;
	}
	if (memo->asked & privilege)
		return (memo->allowed & privilege) != 0;
	before = role_generation;
	allowed = decide(grants, current, authenticated, privilege);
	if (allowed)
		memo->allowed |= privilege;
	/* deciding reads catalogs, which may itself bring news */
	if (before == role_generation && (asker == NULL || asker->generation() == asked_by))
		memo->asked |= privilege;
	return allowed;
}

bool
grants_allow(List *grants, GrantMemo *memo, KeyPrivilege privilege)
{
	bool allowed;

	cache_hold();
	allowed = ask(grants, memo, privilege);
	cache_let_go();
	return allowed;
}

bool
grants_depend_on_asker(List *grants)
{
	ListCell *cell;

	if (asker == NULL)
		return false;
	foreach(cell, grants)
		if (((GrantRow *) lfirst(cell))->permission != NULL)
			return true;
	return asker->may_change();
}

bool
grants_allow_role(List *grants, Oid role, KeyPrivilege privilege)
{
	return decide(grants, role, InvalidOid, privilege);
}

void
grants_refuse(const char *key_name, KeyPrivilege privilege)
{
	const char *word = privilege == KEY_ENCRYPT ? "encrypt" : privilege == KEY_DECRYPT ? "decrypt" : "mask";

	tell_denied(key_name, word);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to %s with key \"%s\"", word, key_name),
			 errhint("An administrator can allow it with twin.grant_key('%s', 'ROLE', '%s').", key_name, word)));
}
