/*
 * functions.c
 *		Identity as SQL sees it.
 */
#include "identity/private.h"

#include "event/event.h"
#include "token/token.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_authenticate);
PG_FUNCTION_INFO_V1(tsec_current_user_id);
PG_FUNCTION_INFO_V1(tsec_current_tenant_id);
PG_FUNCTION_INFO_V1(tsec_current_subject);
PG_FUNCTION_INFO_V1(tsec_current_claims);
PG_FUNCTION_INFO_V1(tsec_has_role);
PG_FUNCTION_INFO_V1(tsec_has_permission);
PG_FUNCTION_INFO_V1(tsec_require_permission);

/* authenticate(token text): from here to the end of the transaction the token says who is asking */
Datum
tsec_authenticate(PG_FUNCTION_ARGS)
{
	text *token;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a token is needed to authenticate"),
				 errhint("To be nobody again, end the transaction or use SET LOCAL twin_security.token = ''.")));
	token = PG_GETARG_TEXT_PP(0);
	base_check(identity_authenticate(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token)));
	(void) identity_current();
	PG_RETURN_VOID();
}

/* current_user_id() -> bigint */
Datum
tsec_current_user_id(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL || !identity->has_user_id)
		PG_RETURN_NULL();
	PG_RETURN_INT64(identity->user_id);
}

/* current_tenant_id() -> bigint */
Datum
tsec_current_tenant_id(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL || !identity->has_tenant)
		PG_RETURN_NULL();
	PG_RETURN_INT64(identity->tenant_id);
}

/* current_subject() -> text: the user as the token names him */
Datum
tsec_current_subject(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL || identity->user == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(identity->user));
}

/* current_claims() -> jsonb */
Datum
tsec_current_claims(PG_FUNCTION_ARGS)
{
	const char *token;
	const VerifiedToken *verified;

	if (identity_current() == NULL)
		PG_RETURN_NULL();
	token = token_setting_value();
	base_check(token_find(token, strlen(token), &verified));
	PG_RETURN_POINTER(PG_DETOAST_DATUM_COPY(JsonbPGetDatum(verified->claims)));
}

/* has_role(text) -> boolean */
Datum
tsec_has_role(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(identity_has_role(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* has_permission(text) -> boolean */
Datum
tsec_has_permission(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(identity_has_permission(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

void
identity_require_permission(const char *permission)
{
	if (identity_has_permission(permission))
		return;
	event_emit(&(SecurityEvent){.type = "permission_denied",
								.class = EVENT_ACCESS,
								.severity = EVENT_MEDIUM,
								.outcome = EVENT_DENIED,
								.action = "require_permission",
								.resource = permission,
								.is_anybodys = true});
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission \"%s\" is required", permission),
					identity_current() == NULL ? errdetail("Nobody is authenticated in this transaction.")
											   : errdetail("The role of the authenticated user does not hold it.")));
}

/* require_permission(text) */
Datum
tsec_require_permission(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a permission must be named")));
	identity_require_permission(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}
