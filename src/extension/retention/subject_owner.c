/*
 * subject_owner.c
 *		Rows about a person, read and overwritten in tables of whoever owns them.
 *
 * Triggers, constraints, index expressions and types of a table are its owner's
 * code.  It runs as him and in a restricted operation, as where the server
 * itself maintains a table: never with the rights of the extension's owner.
 * Row security that is forced on the owner is not meant for what must not miss a
 * row.  What is sealed opens in the name of whoever is asking, by his grants.
 */
#include "retention/private.h"

#include "cipher/cipher.h"
#include "keyring/keyring.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_ask_as_owner);
PG_FUNCTION_INFO_V1(tsec_caller_owns);
PG_FUNCTION_INFO_V1(tsec_open_for_caller);

/*
 * Runs a query of one row and one column, whose value it returns.  Names in it are qualified; the path is there for
 * triggers, which find what stands beside their table.
 */
static Datum
ask(Oid relation, const char *query, Datum values[4], const char nulls[4], bool *null)
{
	static Oid types[4] = {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID};
	Oid owner = base_owner_of(relation);
	char *schema = get_namespace_name(get_rel_namespace(relation));
	BaseCaller caller;
	Datum answer;

	base_become_role(owner, SECURITY_NOFORCE_RLS, psprintf("%s, pg_temp", quote_identifier(schema)), &caller);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: SPI_connect failed");
	if (SPI_execute_with_args(query, lengthof(types), types, values, nulls, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "twin_security: a table's owner was asked in vain");
	answer = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, null);
	if (!*null)
		answer = SPI_datumTransfer(answer, false, -1);
	SPI_finish();
	base_return(&caller);
	return answer;
}

/* ask_as_owner(rel regclass, query text, subject text, from_time timestamptz, to_time timestamptz, other text) -> jsonb */
Datum
tsec_ask_as_owner(PG_FUNCTION_ARGS)
{
	Datum values[4];
	char nulls[4];
	bool null;
	Datum answer;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	for (int i = 0; i < (int) lengthof(values); i++)
	{
		values[i] = PG_GETARG_DATUM(i + 2);
		nulls[i] = PG_ARGISNULL(i + 2) ? 'n' : ' ';
	}
	answer = ask(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), values, nulls, &null);
	if (null)
		PG_RETURN_NULL();
	return answer;
}

/* caller_owns(rel regclass) -> boolean */
Datum
tsec_caller_owns(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compat_owns_relation(PG_GETARG_OID(0), GetOuterUserId()));
}

/* What a value of an encrypted type is inside, asked of the type's own function; the caller is who may, or is refused. */
static Datum
decrypted(Oid type, char *armor, int32 modifier, bool *null)
{
	Oid types[1] = {type};
	Datum values[1];
	Oid input;
	Oid parameter;
	Datum answer;

	/* as where a column of the type takes it in: a cast of text would seal it once more */
	getTypeInputInfo(type, &input, &parameter);
	values[0] = OidInputFunctionCall(input, armor, parameter, modifier);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: SPI_connect failed");
	if (SPI_execute_with_args("SELECT twin.decrypt($1)::text", 1, types, values, NULL, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "twin_security: a value could not be opened");
	answer = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, null);
	if (!*null)
		answer = SPI_datumTransfer(answer, false, -1);
	SPI_finish();
	return answer;
}

/* open_for_caller(armor text, type oid, modifier integer) -> text: null where he may not decrypt it */
Datum
tsec_open_for_caller(PG_FUNCTION_ARGS)
{
	Oid type = getBaseType(PG_GETARG_OID(1));
	int32 modifier = PG_GETARG_INT32(2);
	bool null = true;
	Datum answer = (Datum) 0;
	BaseCaller caller;

	if (!cipher_is_encrypted(type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("type %s is not encrypted", format_type_be(type))));
	base_become_role(GetOuterUserId(), SECURITY_LOCAL_USERID_CHANGE, "pg_catalog, pg_temp", &caller);
	if (keyring_allows_modifier(modifier, KEY_DECRYPT))
		answer = decrypted(type, text_to_cstring(PG_GETARG_TEXT_PP(0)), modifier, &null);
	base_return(&caller);
	if (null)
		PG_RETURN_NULL();
	return answer;
}
