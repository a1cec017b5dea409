/*
 * admin.c
 *		New keys on their way into the table: a JWK that somebody gave, or a key
 *		made here.  Secrets are wrapped before SQL sees a row.
 */
#include "token/private.h"

#include "common/secret.h"

#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(tsec_read_verification_key);
PG_FUNCTION_INFO_V1(tsec_make_signing_key);

#define KEY_COLUMNS 6

/* UTF-8 as text of the database's encoding. */
static Datum
text_datum(const char *utf8)
{
	return CStringGetTextDatum(pg_any_to_server(utf8, (int) strlen(utf8), PG_UTF8));
}

static Datum
jsonb_datum(const char *utf8)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(pg_any_to_server(utf8, (int) strlen(utf8), PG_UTF8)));
}

static char *
utf8_of_jsonb(Jsonb *value)
{
	char *text = JsonbToCString(NULL, &value->root, (int) VARSIZE(value));

	return pg_server_to_any(text, (int) strlen(text), PG_UTF8);
}

static char *
utf8_of_text(text *value)
{
	char *given = text_to_cstring(value);

	return pg_server_to_any(given, (int) strlen(given), PG_UTF8);
}

/* Makes the row (kid, algorithm, public_key, binding, wrapped, wrapping_id); a secret is wrapped, bound to all of it. */
static Datum
make_row(FunctionCallInfo fcinfo, TokenKeyRow *row, Bytes secret)
{
	KeyringSecret bound = {.purpose = TOKEN_SECRET_PURPOSE, .name = row->kid};
	Datum values[KEY_COLUMNS] = {0};
	bool nulls[KEY_COLUMNS] = {false, false, true, true, true, true};
	TupleDesc shape;
	Datum public_key;
	bytea *wrapped;
	bytea *wrapping_id;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: function called without a row type");
	values[0] = text_datum(row->kid);
	values[1] = CStringGetTextDatum(jwt_algorithm_name(row->algorithm));
	if (row->public_text != NULL)
	{
		/* bound to as the table will give it back */
		public_key = jsonb_datum(row->public_text);
		row->public_text = utf8_of_jsonb(DatumGetJsonbP(public_key));
		values[2] = public_key;
		nulls[2] = false;
	}
	if (secret.length > 0)
	{
		bytea *binding = palloc(VARHDRSZ + DIGEST_SIZE);

		token_key_binding(row, bound.binding);
		SET_VARSIZE(binding, VARHDRSZ + DIGEST_SIZE);
		memcpy(VARDATA(binding), bound.binding, DIGEST_SIZE);
		keyring_wrap_secret(&bound, secret, &wrapped, &wrapping_id);
		values[3] = PointerGetDatum(binding);
		values[4] = PointerGetDatum(wrapped);
		values[5] = PointerGetDatum(wrapping_id);
		nulls[3] = nulls[4] = nulls[5] = false;
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls));
}

/* A parsed key that is freed with a memory context, whatever happens. */
static void
free_jwk(void *argument)
{
	jwk_free(argument);
}

static Jwk *
new_jwk(void)
{
	Jwk *jwk = palloc0(sizeof(Jwk));
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	callback->func = free_jwk;
	callback->arg = jwk;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return jwk;
}

static bool
is_secret_of_environment(Bytes secret)
{
	const TokenSecret *const ours[] = {token_secret_current(), token_secret_previous()};

	for (int i = 0; i < (int) lengthof(ours); i++)
		if (ours[i]->status == TSEC_OK && secret.length == ours[i]->length &&
			secret_equal(secret.data, ours[i]->bytes, secret.length))
			return true;
	return false;
}

/*
 * read_verification_key(jwk jsonb, issuer text, audience text, claim_map jsonb, max_lifetime bigint)
 *		-> (kid, algorithm, public_key, binding, wrapped, wrapping_id)
 */
Datum
tsec_read_verification_key(PG_FUNCTION_ARGS)
{
	char *given;
	TokenKeyRow row = {.is_own = false};
	ClaimMap *map;
	Jwk *jwk;
	Status status;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a verification key has a key, a claim map and a longest lifetime")));
	given = utf8_of_jsonb(PG_GETARG_JSONB_P(0));
	row.max_lifetime = PG_GETARG_INT64(4);
	jwk = new_jwk();
	status = jwk_read(given, strlen(given), jwk);
	secret_wipe(given, strlen(given));
	base_check(status);
	if (is_secret_of_environment(bytes_of(jwk->secret, jwk->secret_length)))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("this secret signs our own tokens already"),
						errdetail("It is JWT_SECRET_KEY or JWT_SECRET_KEY_PREVIOUS."),
						errhint("Who holds it needs no key of his own: his tokens say what ours do.")));
	row.kid = jwk->kid;
	row.algorithm = jwk->algorithm;
	row.public_text = jwk->public_text[0] ? jwk->public_text : NULL;
	row.issuer = PG_ARGISNULL(1) ? NULL : utf8_of_text(PG_GETARG_TEXT_PP(1));
	row.audience = PG_ARGISNULL(2) ? NULL : utf8_of_text(PG_GETARG_TEXT_PP(2));
	row.claim_map = utf8_of_jsonb(PG_GETARG_JSONB_P(3));
	base_check(claim_map_read(row.claim_map, strlen(row.claim_map), &map));
	claim_map_free(map);
	return make_row(fcinfo, &row, bytes_of(jwk->secret, jwk->secret_length));
}

/* The algorithms that create_signing_key() makes keys of. */
static bool
may_sign(JwtAlgorithm algorithm)
{
	return algorithm == JWT_EDDSA || algorithm == JWT_ES256 || algorithm == JWT_RS256 || algorithm == JWT_PS256 ||
		   algorithm == JWT_HS256;
}

/* Fills in what is public of a key made here. */
static Status
describe(JwtAlgorithm algorithm, Bytes bytes, Jwk *jwk)
{
	Status status = jwk_of_private(algorithm, bytes, &jwk->key);

	if (status != TSEC_OK)
		return status;
	if (jwt_is_symmetric(algorithm))
		return jwk_secret_kid(bytes, jwk->kid);
	return jwk_publish(jwk->key, jwk->public_text, jwk->kid);
}

/* make_signing_key(algorithm text) -> (kid, algorithm, public_key, binding, wrapped, wrapping_id) */
Datum
tsec_make_signing_key(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TokenKeyRow row = {.is_own = true, .claim_map = "{}", .max_lifetime = TOKEN_ACCESS_LIFETIME_MAX};
	uint8 bytes[JWK_PRIVATE_MAX];
	size_t length = 0;
	Jwk *jwk = new_jwk();
	Datum result = 0;
	Status status;

	if (!jwt_algorithm_find(name, &row.algorithm) || !may_sign(row.algorithm))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("tokens are not signed with algorithm \"%s\"", name),
						errhint("A signing key is of EdDSA, ES256, RS256, PS256 or HS256.")));
	status = jwk_generate(row.algorithm, bytes, &length);
	if (status == TSEC_OK)
		status = describe(row.algorithm, bytes_of(bytes, length), jwk);
	row.kid = jwk->kid;
	row.public_text = jwk->public_text[0] ? jwk->public_text : NULL;
	PG_TRY();
	{
		base_check(status);
		result = make_row(fcinfo, &row, bytes_of(bytes, length));
	}
	PG_FINALLY();
	{
		secret_wipe(bytes, sizeof(bytes));
	}
	PG_END_TRY();
	return result;
}
