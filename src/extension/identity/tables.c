/*
 * tables.c
 *		Roles and permissions of the twin and the list of token-only logins, as
 *		this session last read them.
 *
 * The tables are small and read whole, with a catalog snapshot: always the
 * newest committed state plus the transaction's own changes.  Triggers on them
 * invalidate twin_internal.roles in every session's relation cache, on standbys
 * too; that is the news upon which everything is read again.
 *
 * Only twin_admin may write them; yet they are read as if anybody could: depth
 * is bounded, and a row that refers to nothing grants nothing.
 */
#include "identity/private.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(tsec_identity_changed);

/* Roles above one another at most; a circle ends here as well. */
#define INHERITANCE_MAX 16

/* Columns, in the order of tables.sql. */
enum
{
	ROLES_NAME = 1,
	ROLES_INHERITS,
	ROLES_DATABASE_ROLE,
	ROLES_IS_BREAK_GLASS
};

enum
{
	GRANTS_ROLE = 1,
	GRANTS_PERMISSION,
	GRANTS_GRANTED
};

enum
{
	LOGINS_NAME = 1
};

typedef struct Role
{
	char *name;
	char *inherits;    /* NULL when nothing */
	Oid database_role; /* InvalidOid when none */
	bool is_break_glass;
	List *permissions; /* of strings */
} Role;

static MemoryContext context = NULL;
static List *roles = NIL;
static List *token_only = NIL; /* of OIDs */
static bool known = false;
static uint64 generation = 1;

/* The last answer about this session's login. */
static struct
{
	Oid login;
	uint64 generation;
	bool token_only;
} login_memo;

static Oid roles_relation = InvalidOid;

static void
note_relation_change(Datum argument, Oid relation)
{
	if (OidIsValid(relation) && OidIsValid(roles_relation) && relation != roles_relation)
		return;
	known = false;
	roles_relation = InvalidOid;
	generation++;
}

/* A membership, a name: what was concluded from the tables may be another thing now. */
static void
note_role_change(Datum argument, int cache, uint32 hash)
{
	generation++;
}

void
tables_init(void)
{
	base_watch_relations(note_relation_change);
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, note_role_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, note_role_change, (Datum) 0);
}

uint64
tables_generation(void)
{
	return generation;
}

/* ---- reading ---- */

typedef void (*TakeRow)(TupleDesc shape, HeapTuple row);

/* A column of type text; NULL when null. */
static char *
string_of(TupleDesc shape, HeapTuple row, AttrNumber column)
{
	bool null;
	Datum value = heap_getattr(row, column, shape, &null);

	return null ? NULL : TextDatumGetCString(value);
}

/* A column of type regrole; InvalidOid when null. */
static Oid
role_of(TupleDesc shape, HeapTuple row, AttrNumber column)
{
	bool null;
	Datum value = heap_getattr(row, column, shape, &null);

	return null ? InvalidOid : DatumGetObjectId(value);
}

/* Hands every row of a table to a function; false when there is no such table. */
static bool
read_table(const char *schema, const char *name, TakeRow take, Oid *oid)
{
	Oid namespace = get_namespace_oid(schema, true);
	Oid relation_oid = OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
	Relation relation;
	SysScanDesc scan;
	HeapTuple row;

	if (oid != NULL)
		*oid = relation_oid;
	if (!OidIsValid(relation_oid))
		return false;
	relation = table_open(relation_oid, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
		take(RelationGetDescr(relation), row);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return true;
}

static Role *
find_role(const char *name)
{
	ListCell *cell;

	foreach(cell, roles)
	{
		Role *role = lfirst(cell);

		/* public: a role's name */
		if (strcmp(role->name, name) == 0)
			return role;
	}
	return NULL;
}

static void
take_role(TupleDesc shape, HeapTuple row)
{
	Role *role = palloc0(sizeof(Role));
	bool null;

	role->name = string_of(shape, row, ROLES_NAME);
	role->inherits = string_of(shape, row, ROLES_INHERITS);
	role->database_role = role_of(shape, row, ROLES_DATABASE_ROLE);
	role->is_break_glass = DatumGetBool(heap_getattr(row, ROLES_IS_BREAK_GLASS, shape, &null)) && !null;
	if (role->name != NULL)
		roles = lappend(roles, role);
}

static void
take_grant(TupleDesc shape, HeapTuple row)
{
	char *name = string_of(shape, row, GRANTS_ROLE);
	char *permission = string_of(shape, row, GRANTS_PERMISSION);
	Role *role = name != NULL ? find_role(name) : NULL;
	bool null;
	bool granted = DatumGetBool(heap_getattr(row, GRANTS_GRANTED, shape, &null));

	if (role != NULL && permission != NULL && !null && granted)
		role->permissions = lappend(role->permissions, permission);
}

static void
take_login(TupleDesc shape, HeapTuple row)
{
	Oid login = role_of(shape, row, LOGINS_NAME);

	if (OidIsValid(login))
		token_only = lappend_oid(token_only, login);
}

/* Reads everything when there is news, which leaves no Role good: once in each of the functions that others call. */
static void
refresh(void)
{
	MemoryContext fresh;
	MemoryContext outer;
	uint64 before;

	if (likely(known))
		return;
	fresh = AllocSetContextCreate(TopMemoryContext, "twin_security identity tables", ALLOCSET_SMALL_SIZES);
	outer = MemoryContextSwitchTo(fresh);
	before = generation; /* opening a table may itself bring news */
	roles = token_only = NIL;
	if (context != NULL)
		MemoryContextDelete(context);
	context = fresh;
	if (read_table(TSEC_INTERNAL_SCHEMA, "roles", take_role, &roles_relation))
	{
		(void) read_table(TSEC_INTERNAL_SCHEMA, "role_permissions", take_grant, NULL);
		(void) read_table(TSEC_SCHEMA, "token_only_logins", take_login, NULL);
	}
	MemoryContextSwitchTo(outer);
	known = before == generation;
}

/* ---- answers ---- */

/* The role a role inherits from; NULL at the end. */
static Role *
above(const Role *role)
{
	return role->inherits != NULL ? find_role(role->inherits) : NULL;
}

bool
tables_role_includes(const char *name, const char *wanted)
{
	int depth = 0;

	refresh();
	for (Role *role = find_role(name); role != NULL && depth < INHERITANCE_MAX; role = above(role), depth++)
		/* public: a role's name */
		if (strcmp(role->name, wanted) == 0)
			return true;
	return false;
}

static bool
role_permits(const char *name, const char *permission)
{
	int depth = 0;

	for (Role *role = find_role(name); role != NULL && depth < INHERITANCE_MAX; role = above(role), depth++)
	{
		ListCell *cell;

		foreach(cell, role->permissions)
			/* public: a permission's name */
			if (strcmp(lfirst(cell), permission) == 0)
				return true;
	}
	return false;
}

bool
tables_role_permits(const char *name, const char *permission)
{
	refresh();
	return role_permits(name, permission);
}

bool
tables_role_exceeds(const char *name, const char *other)
{
	int depth = 0;

	refresh();
	for (Role *role = find_role(name); role != NULL && depth < INHERITANCE_MAX; role = above(role), depth++)
	{
		ListCell *cell;

		foreach(cell, role->permissions)
			if (other == NULL || !role_permits(other, lfirst(cell)))
				return true;
	}
	return false;
}

bool
tables_role_is_break_glass(const char *name)
{
	const Role *role;

	refresh();
	role = find_role(name);
	return role != NULL && role->is_break_glass;
}

/* How many roles stand below one, itself included. */
static int
height(const Role *role)
{
	int depth = 0;

	for (; role != NULL && depth < INHERITANCE_MAX; role = above(role))
		depth++;
	return depth;
}

char *
tables_role_of(Oid database_role)
{
	const Role *best = NULL;
	ListCell *cell;

	refresh();
	foreach(cell, roles)
	{
		const Role *role = lfirst(cell);

		if (OidIsValid(role->database_role) && compat_stands_above(database_role, role->database_role) &&
			(best == NULL || height(role) > height(best)))
			best = role;
	}
	return best != NULL ? pstrdup(best->name) : NULL;
}

bool
tables_login_is_token_only(Oid login)
{
	ListCell *cell;
	uint64 before;
	bool found = false;

	refresh();
	if (login_memo.login == login && login_memo.generation == generation)
		return login_memo.token_only;
	before = generation; /* asking for memberships may itself bring news */
	/* a superuser who is a member of the gateway's role, to look after it, is not meant */
	foreach(cell, token_only)
		if (login == lfirst_oid(cell) ||
			(!superuser_arg(login) && is_member_of_role_nosuper(login, lfirst_oid(cell))))
			found = true;
	login_memo.login = login;
	login_memo.generation = before;
	login_memo.token_only = found;
	return found;
}

static bool
role_stands_for(const char *name, Oid database_role)
{
	int depth = 0;

	for (Role *role = find_role(name); role != NULL && depth < INHERITANCE_MAX; role = above(role), depth++)
		if (OidIsValid(role->database_role) && role->database_role == database_role)
			return true;
	return false;
}

bool
tables_role_stands_for(const char *name, Oid database_role)
{
	refresh();
	return role_stands_for(name, database_role);
}

Oid
tables_database_role(const char *name)
{
	int depth = 0;

	refresh();
	for (Role *role = find_role(name); role != NULL && depth < INHERITANCE_MAX; role = above(role), depth++)
		if (OidIsValid(role->database_role))
			return role->database_role;
	return InvalidOid;
}

bool
tables_login_exceeds(Oid login, const char *name)
{
	Oid auditor = get_role_oid("twin_auditor", true);
	ListCell *cell;

	refresh();
	/* no role of the twin stands for it */
	if (OidIsValid(auditor) && has_privs_of_role(login, auditor))
		return true;
	foreach(cell, roles)
	{
		Oid database_role = ((const Role *) lfirst(cell))->database_role;

		if (OidIsValid(database_role) && has_privs_of_role(login, database_role) &&
			(name == NULL || !role_stands_for(name, database_role)))
			return true;
	}
	return false;
}

/* identity_changed(): trigger that tells every session to read these tables again */
Datum
tsec_identity_changed(PG_FUNCTION_ARGS)
{
	base_require_trigger(fcinfo, "identity_changed");
	base_tell_sessions(get_relname_relid("roles", get_namespace_oid(TSEC_INTERNAL_SCHEMA, false)));
	PG_RETURN_POINTER(NULL);
}
