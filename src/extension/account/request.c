/*
 * request.c
 *		What the gateway or PostgREST says of the request: request.headers and
 *		request.cookies, JSON objects of strings.
 *
 * Anybody may set them, so they are parsed under bounds and nothing is decided
 * by them alone: a token found here is verified, and a CSRF token compared.  An
 * object that is none counts as empty, since an error would quote it.
 */
#include "account/private.h"

#include "common/strictjson.h"

#include "mb/pg_wchar.h"
#include "utils/guc.h"

#define REQUEST_OBJECT_MAX 65536
#define REQUEST_MEMBERS_MAX 512

static AccountCookieSource cookie_source = NULL;

/* A member that is a string, copied as UTF-8. */
static bool
copy_member(const char *setting, const char *name, char *to, size_t size)
{
	const char *text = GetConfigOption(setting, true, false);
	int encoding = GetDatabaseEncoding();
	json_t *object;
	const char *value;
	bool fits = false;

	to[0] = '\0';
	if (text == NULL || *text == '\0' || strlen(text) > REQUEST_OBJECT_MAX)
		return false;
	/* jansson takes valid UTF-8 only */
	if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII)
		text = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	object = strictjson_object(text, strlen(text), 2, REQUEST_MEMBERS_MAX);
	if (object == NULL)
		return false;
	value = strictjson_text(object, name);
	if (value != NULL)
		fits = strlcpy(to, value, size) < size;
	json_decref(object);
	return fits;
}

bool
request_header(const char *name, char *to, size_t size)
{
	return copy_member("request.headers", name, to, size);
}

void
account_set_cookie_source(AccountCookieSource source)
{
	cookie_source = source;
}

bool
request_cookie(const char *name, char *to, size_t size)
{
	const char *hidden = cookie_source != NULL ? cookie_source(name) : NULL;

	if (hidden != NULL)
		return strlcpy(to, hidden, size) < size;
	return copy_member("request.cookies", name, to, size);
}
