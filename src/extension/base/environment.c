/*
 * environment.c
 *		Variables of the server's environment, for applications: required_env()
 *		and optional_env().
 *
 * Names come from twin_security.environment_names, and what speaks of a secret or
 * looks like one is refused besides (public_variable.h): keys come by the same
 * environment, and without preloading they stand in it until the first use.
 * No message holds a value.
 */
#include "base/base.h"

#include "common/public_variable.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_required_env);
PG_FUNCTION_INFO_V1(tsec_optional_env);

/* The first argument, which is the name of a variable that may be read. */
static char *
name_argument(FunctionCallInfo fcinfo)
{
	char *name;
	PublicVariable found;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the name of an environment variable must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	found = public_variable_name(bytes_of(name, strlen(name)));
	if (found == PUBLIC_VARIABLE_MALFORMED)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("not a name of an environment variable"),
						errhint("It has 1 to %d letters, digits and underscores, and does not begin with a digit.",
								PUBLIC_VARIABLE_NAME_MAX)));
	if (found == PUBLIC_VARIABLE_SECRET)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("environment variable \"%s\" is not readable: its name speaks of a secret", name),
						errhint("No setting makes it readable. What is no secret can have another name.")));
	if (!public_variable_listed(bytes_of(setting_environment_names, strlen(setting_environment_names)),
								bytes_of(name, strlen(name))))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("environment variable \"%s\" is not readable", name),
				 errhint("An administrator lists it in twin_security.environment_names.")));
	return name;
}

/* What stands in a variable; NULL when it is not set or empty. */
static text *
value_of(const char *name)
{
	const char *value = getenv(name);
	size_t length = value != NULL ? strlen(value) : 0;

	if (length == 0)
		return NULL;
	if (length > PUBLIC_VARIABLE_VALUE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("environment variable \"%s\" has more than %d bytes", name, PUBLIC_VARIABLE_VALUE_MAX)));
	if (public_variable_looks_secret(bytes_of(value, length)))
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("environment variable \"%s\" is not readable: its value looks like a secret", name),
			 errhint("Keys, tokens, hashes of passwords and addresses with a password in them stay in the server.")));
	if (!pg_verifymbstr(value, (int) length, true))
		ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
						errmsg("environment variable \"%s\" is not text in this database's encoding", name)));
	return cstring_to_text_with_len(value, (int) length);
}

/* required_env(name text) -> text: an error where there is none */
Datum
tsec_required_env(PG_FUNCTION_ARGS)
{
	char *name = name_argument(fcinfo);
	text *value = value_of(name);

	if (value == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("required environment variable \"%s\" is not set", name),
						errhint("Set it in the server's environment and restart the server.")));
	PG_RETURN_TEXT_P(value);
}

/* optional_env(name text, default_value text) -> text: the default where there is none */
Datum
tsec_optional_env(PG_FUNCTION_ARGS)
{
	text *value = value_of(name_argument(fcinfo));

	if (value != NULL)
		PG_RETURN_TEXT_P(value);
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(PG_GETARG_TEXT_P(1));
}
