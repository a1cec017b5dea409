/*
 * types.c
 *		The table of encrypted types, and their OIDs in this database.
 */
#include "cipher/private.h"

#include "access/tupdesc.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

enum
{
#define ENCRYPTED_TYPE(name, number, codec, sources) SLOT_##name,
#include "cipher/type_list.h"
#undef ENCRYPTED_TYPE
	SLOT_COUNT
};

StaticAssertDecl((int) SLOT_COUNT <= (int) KEYRING_INDEX_SLOTS, "every base type has an index key");

/* Storage-only forms first, then the searchable ones in the same order. */
static const EncryptedType types[] = {
#define ENCRYPTED_TYPE(name, number, codec, sources) {#name, number, false, SLOT_##name, &codec_##codec},
#include "cipher/type_list.h"
#undef ENCRYPTED_TYPE
#define ENCRYPTED_TYPE(name, number, codec, sources) {#name, number, true, SLOT_##name, &codec_##codec},
#include "cipher/type_list.h"
#undef ENCRYPTED_TYPE
};

static const char *const names[] = {
#define ENCRYPTED_TYPE(name, number, codec, sources) "encrypted_" #name,
#include "cipher/type_list.h"
#undef ENCRYPTED_TYPE
#define ENCRYPTED_TYPE(name, number, codec, sources) "encrypted_" #name "_eq",
#include "cipher/type_list.h"
#undef ENCRYPTED_TYPE
};

static Oid oids[lengthof(types)];
static bool oids_known = false;

static void
forget_oids(Datum argument, int cache, uint32 hash)
{
	oids_known = false;
}

void
types_init(void)
{
	CacheRegisterSyscacheCallback(TYPEOID, forget_oids, (Datum) 0);
}

static void
look_up_oids(void)
{
	Oid schema;

	if (oids_known)
		return;
	oids_known = true; /* first: what is read may already be void again */
	schema = get_namespace_oid(TSEC_SCHEMA, true);
	for (int i = 0; i < (int) lengthof(types); i++)
		oids[i] = !OidIsValid(schema) ? InvalidOid
									  : GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(names[i]),
														ObjectIdGetDatum(schema));
}

bool
types_exist(void)
{
	look_up_oids();
	return OidIsValid(oids[0]);
}

const EncryptedType *
type_of_oid(Oid oid)
{
	if (!OidIsValid(oid))
		return NULL;
	look_up_oids();
	for (int i = 0; i < (int) lengthof(types); i++)
		if (oids[i] == oid)
			return &types[i];
	return NULL;
}

bool
cipher_is_encrypted(Oid type)
{
	return type_of_oid(type) != NULL;
}

const EncryptedType *
type_for_base(Oid base, bool searchable)
{
	for (int i = 0; i < (int) lengthof(types); i++)
		if (types[i].codec->base_type == base && types[i].searchable == searchable)
			return &types[i];
	return NULL;
}

Oid
type_oid(const EncryptedType *type)
{
	look_up_oids();
	return oids[type - types];
}

const char *
type_name(const EncryptedType *type)
{
	return names[type - types];
}

/* Whether a type, or one inside its arrays and rows, is what is asked for. */
static bool
holds(Oid type, bool (*is_wanted)(Oid type, Oid wanted), Oid wanted)
{
	check_stack_depth();
	type = getBaseType(type);
	if (is_wanted(type, wanted))
		return true;
	if (OidIsValid(get_element_type(type)))
		return holds(get_element_type(type), is_wanted, wanted);
	if (get_typtype(type) == TYPTYPE_COMPOSITE)
	{
		TupleDesc shape = lookup_rowtype_tupdesc(type, -1);
		bool found = false;

		for (int i = 0; i < shape->natts && !found; i++)
			if (!TupleDescAttr(shape, i)->attisdropped)
				found = holds(TupleDescAttr(shape, i)->atttypid, is_wanted, wanted);
		ReleaseTupleDesc(shape);
		return found;
	}
	return false;
}

static bool
is_encrypted(Oid type, Oid unused)
{
	return type_of_oid(type) != NULL;
}

static bool
is_storage_only(Oid type, Oid unused)
{
	const EncryptedType *found = type_of_oid(type);

	return found != NULL && !found->searchable;
}

static bool
is_same(Oid type, Oid wanted)
{
	return type == wanted;
}

bool
type_holds_encrypted(Oid type, bool storage_only)
{
	return holds(type, storage_only ? is_storage_only : is_encrypted, InvalidOid);
}

bool
type_holds(Oid type, Oid wanted)
{
	return holds(type, is_same, wanted);
}

/* An encrypted type that a function must be declared with. */
static const EncryptedType *
expect_type(Oid oid, Oid function)
{
	const EncryptedType *type = type_of_oid(oid);

	if (type == NULL)
		elog(ERROR, "twin_security: function %u is not declared for an encrypted type", function);
	return type;
}

const EncryptedType *
type_of_argument(Oid function, int n)
{
	Oid *arguments;
	int count;

	(void) get_func_signature(function, &arguments, &count);
	return expect_type(n < count ? arguments[n] : InvalidOid, function);
}

const EncryptedType *
type_of_result(Oid function)
{
	return expect_type(get_func_rettype(function), function);
}

const EncryptedType *
type_of_function_name(Oid function, const char *suffix)
{
	char *name = get_func_name(function);

	for (int i = 0; name != NULL && i < (int) lengthof(types); i++)
	{
		size_t length = strlen(names[i]);

		if (strncmp(name, names[i], length) == 0 && strcmp(name + length, suffix) == 0)
			return &types[i];
	}
	elog(ERROR, "twin_security: function %u does not belong to an encrypted type", function);
}

void
type_base_compare(const EncryptedType *type, FmgrInfo *compare, MemoryContext context)
{
	fmgr_info_cxt(lookup_type_cache(type->codec->base_type, TYPECACHE_CMP_PROC)->cmp_proc, compare, context);
}

int32
modifier_of_expression(Node *expression)
{
	int32 modifier = exprTypmod(expression);

	(void) getBaseTypeAndTypmod(exprType(expression), &modifier);
	return modifier;
}

int32
declared_modifier(Node *call, int n)
{
	List *arguments;

	if (call != NULL && IsA(call, FuncExpr))
		arguments = ((FuncExpr *) call)->args;
	else if (call != NULL && IsA(call, OpExpr))
		arguments = ((OpExpr *) call)->args;
	else
		return NO_MODIFIER;
	if (n >= list_length(arguments))
		return NO_MODIFIER;
	return modifier_of_expression(list_nth(arguments, n));
}
