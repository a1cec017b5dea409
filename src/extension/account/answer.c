/*
 * answer.c
 *		What functions of twin_api return: JSON, the status of the response, and
 *		cookies, through the settings that the gateway and PostgREST read
 *		(response.status, response.headers), for this transaction only.
 *
 * A refusal is returned and not raised, so that what it recorded commits.
 * Names and values put into headers are ASCII of a known alphabet.
 */
#include "account/private.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#define HEADERS "response.headers"
#define BLANKS " \t\n\r" /* of JSON */

static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* Adds a header of the response after those that are there: an array of objects with one member each. */
static void
add_header(const char *name, const char *value)
{
	const char *present = GetConfigOption(HEADERS, true, false);
	size_t length = present != NULL ? strlen(present) : 0;
	size_t begin = length > 0 ? strspn(present, BLANKS) : 0;
	StringInfoData headers;

	while (length > begin && strchr(BLANKS, present[length - 1]) != NULL)
		length--;
	initStringInfo(&headers);
	appendStringInfoChar(&headers, '[');
	if (length - begin > 2 && present[begin] == '[' && present[length - 1] == ']')
	{
		begin++;
		begin += strspn(present + begin, BLANKS);
		if (begin < length - 1)
		{
			appendBinaryStringInfo(&headers, present + begin, (int) (length - 1 - begin));
			appendStringInfoChar(&headers, ',');
		}
	}
	appendStringInfo(&headers, "{\"%s\": ", name);
	escape_json(&headers, value);
	appendStringInfoString(&headers, "}]");
	set_local(HEADERS, headers.data);
}

/* Sets a cookie for so many seconds, or has it forgotten for 0. */
static void
add_cookie(const char *name, const char *value, bool for_scripts, int64 seconds)
{
	add_header("Set-Cookie", psprintf("%s=%s; Path=/; %sSecure; SameSite=Lax; Max-Age=" INT64_FORMAT, name, value,
									  for_scripts ? "" : "HttpOnly; ", seconds));
}

void
answer_clear_cookies(void)
{
	add_cookie(ACCOUNT_COOKIE_ACCESS, "", false, 0);
	add_cookie(ACCOUNT_COOKIE_REFRESH, "", false, 0);
	add_cookie(ACCOUNT_COOKIE_CSRF, "", true, 0);
}

void
answer_member(StringInfo json, const char *name, const char *json_value)
{
	appendStringInfoChar(json, json->len > 0 ? ',' : '{');
	escape_json(json, name);
	appendStringInfo(json, ": %s", json_value != NULL ? json_value : "null");
}

void
answer_text(StringInfo json, const char *name, const char *value)
{
	StringInfoData quoted;

	if (value == NULL)
	{
		answer_member(json, name, NULL);
		return;
	}
	initStringInfo(&quoted);
	escape_json(&quoted, value);
	answer_member(json, name, quoted.data);
}

/* Ids are as in tokens: the user's a string, because numbers of JavaScript end at 2^53, the tenant's a number. */
void
answer_user(StringInfo json, const Account *account)
{
	answer_text(json, "user_id", psprintf(INT64_FORMAT, account->user_id));
	answer_text(json, "username", account->username);
	answer_text(json, "role", account->role);
	answer_member(json, "tenant_id", account->has_tenant ? psprintf(INT64_FORMAT, account->tenant_id) : NULL);
}

Datum
answer_finish(StringInfo json)
{
	appendStringInfoChar(json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json->data));
}

Datum
answer_tokens(const Account *account, const TokenPair *pair)
{
	int64 expires_in = pair->access.expires_at - pair->access.issued_at;
	int64 refresh_in = pair->refresh.expires_at - pair->refresh.issued_at;
	StringInfoData json;
	StringInfoData user;

	initStringInfo(&json);
	initStringInfo(&user);
	if (pair->csrf == NULL)
	{
		answer_text(&json, "access_token", pair->access.token);
		answer_text(&json, "refresh_token", pair->refresh.token);
	}
	else
	{
		add_cookie(ACCOUNT_COOKIE_ACCESS, pair->access.token, false, expires_in);
		add_cookie(ACCOUNT_COOKIE_REFRESH, pair->refresh.token, false, refresh_in);
		add_cookie(ACCOUNT_COOKIE_CSRF, pair->csrf, true, refresh_in);
		answer_text(&json, "csrf_token", pair->csrf);
	}
	answer_text(&json, "token_type", "Bearer");
	answer_member(&json, "expires_in", psprintf(INT64_FORMAT, expires_in));
	answer_user(&user, account);
	appendStringInfoChar(&user, '}');
	answer_member(&json, "user", user.data);
	return answer_finish(&json);
}

Datum
answer_blocked(void)
{
	const StatusInfo *status = status_info(TSEC_REQUEST_BLOCKED);

	return answer_refusal(status->http, "forbidden", status->message, 0);
}

Datum
answer_refusal(int status, const char *error, const char *message, int64 retry_after)
{
	StringInfoData json;

	initStringInfo(&json);
	set_local("response.status", psprintf("%d", status));
	if (retry_after > 0)
		add_header("Retry-After", psprintf(INT64_FORMAT, retry_after));
	answer_text(&json, "error", error);
	answer_text(&json, "message", message);
	return answer_finish(&json);
}
