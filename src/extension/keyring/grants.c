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
 * Answers are remembered per key until roles, memberships, the keyring or the
 * acting role change.
 */
#include "keyring/private.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/syscache.h"

static uint64 role_generation = 1;

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

static bool
decide(List *grants, Oid current, Oid authenticated, KeyPrivilege privilege)
{
	ListCell *cell;

	if (privilege == KEY_ENCRYPT)
	{
		if (superuser_arg(current))
			return true;
	}
	else if (OidIsValid(authenticated) && authenticated != current && superuser_arg(authenticated) &&
			 !is_member_of_role_nosuper(authenticated, current))
		return false;

	foreach(cell, grants)
	{
		const GrantRow *grant = lfirst(cell);

		if ((grant->privileges & privilege) && has_role(current, grant->grantee))
			return true;
	}
	return false;
}

bool
grants_allow(List *grants, GrantMemo *memo, KeyPrivilege privilege)
{
	Oid current = GetUserId();
	Oid authenticated = GetAuthenticatedUserId();

	if (memo->current_user != current || memo->authenticated_user != authenticated ||
		memo->generation != role_generation)
	{
		memo->current_user = current;
		memo->authenticated_user = authenticated;
		memo->generation = role_generation;
		memo->asked = memo->allowed = 0;
	}
	if (!(memo->asked & privilege))
	{
		uint64 before = role_generation;
		bool allowed = decide(grants, current, authenticated, privilege);

		if (allowed)
			memo->allowed |= privilege;
		/* deciding reads catalogs, which may itself bring news */
		if (before == role_generation)
			memo->asked |= privilege;
		return allowed;
	}
	return (memo->allowed & privilege) != 0;
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
