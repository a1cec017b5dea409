/*
 * types.c
 *		The table of encrypted types, and their OIDs in this database.
 */
#include "cipher/private.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

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
