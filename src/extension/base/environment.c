/*
 * environment.c
 *		What functions may read of the server's environment: the variables that
 *		the administrator listed, and never one that could hold a secret.
 *
 * The keys come by the same way and are wiped from it; the list refuses their
 * names, and all that sound like them, before anybody could ask.
 */
#include "base/base.h"

#include "base/settings.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_required_env);
PG_FUNCTION_INFO_V1(tsec_optional_env);

#define NAME_SIZE 64

/* In whatever case: a name with one of these in it is a secret's. */
static const char *const secret_words[] = {"KEY", "SECRET", "PASS", "PWD", "TOKEN", "CREDENTIAL", "PRIVATE", "SALT"};

/* Takes the next name of a list; false at its end.  is_name says whether it can be a variable's. */
static bool
next_name(const char **list, char name[NAME_SIZE], bool *is_name)
{
	size_t length;

	*list += strspn(*list, " \t,");
	length = strcspn(*list, " \t,");
	if (length == 0)
		return false;
	*is_name = length < NAME_SIZE;
	strlcpy(name, *list, Min(length + 1, NAME_SIZE));
	for (const char *c = name; *c; c++)
		if (!(*c == '_' || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
			  (c > name && *c >= '0' && *c <= '9')))
			*is_name = false;
	*list += length;
	return true;
}

static bool
is_of_secret(const char *name)
{
	char upper[NAME_SIZE];

	for (size_t i = 0; i < NAME_SIZE; i++)
	{
		upper[i] = pg_ascii_toupper((unsigned char) name[i]);
		if (name[i] == '\0')
			break;
	}
	for (size_t i = 0; i < lengthof(secret_words); i++)
		if (strstr(upper, secret_words[i]) != NULL)
			return true;
	return false;
}

EnvironmentFault
environment_list_fault(const char *list)
{
	char name[NAME_SIZE];
	bool is_name;

	while (next_name(&list, name, &is_name))
	{
		if (!is_name)
			return ENVIRONMENT_NO_NAME;
		if (is_of_secret(name))
			return ENVIRONMENT_SECRET;
	}
	return ENVIRONMENT_FINE;
}

static bool
is_listed(const char *wanted)
{
	const char *list = setting_readable_environment;
	char name[NAME_SIZE];
	bool is_name;

	while (next_name(&list, name, &is_name))
		/* public: names of variables */
		if (is_name && !is_of_secret(name) && strcmp(name, wanted) == 0)
			return true;
	return false;
}

/* The value of a listed variable; NULL where it is not set. */
static text *
value_of(const char *name)
{
	const char *value;

	if (!is_listed(name))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("environment variable \"%s\" may not be read", name),
				 errhint("An administrator lists what may be read in twin_security.readable_environment.")));
	value = getenv(name);
	if (value == NULL)
		return NULL;
	pg_verifymbstr(value, strlen(value), false);
	return cstring_to_text(value);
}

Datum
tsec_required_env(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text *value = value_of(name);

	if (value == NULL || VARSIZE_ANY_EXHDR(value) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("environment variable \"%s\" is not set", name),
						errhint("Set it where the server is started, and restart it.")));
	PG_RETURN_TEXT_P(value);
}

Datum
tsec_optional_env(PG_FUNCTION_ARGS)
{
	text *value;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	value = value_of(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (value != NULL && VARSIZE_ANY_EXHDR(value) > 0)
		PG_RETURN_TEXT_P(value);
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(1));
}
