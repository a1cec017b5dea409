/*
 * error_status.c
 *		SQLSTATEs and what HTTP calls them: tables, and the few whose message
 *		decides.
 */
#include "gateway/answer/error.h"

#include "common/status.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct Mapping
{
	const char *prefix; /* of the SQLSTATE; the first that fits counts */
	int status;
} Mapping;

/* docs.postgrest.org, "HTTP Status Codes" */
static const Mapping mappings[] = {
	{"08", 503},    {"09", 500}, {"0L", 403},    {"0P", 403}, {"23503", 409}, {"23505", 409}, {"25006", 405},
	{"25", 500},    {"28", 403}, {"2D", 500},    {"38", 500}, {"39", 500},    {"3B", 500},    {"40", 500},
	{"53400", 500}, {"53", 503}, {"54", 500},    {"55", 500}, {"57P01", 503}, {"57", 500},    {"58", 500},
	{"F0", 500},    {"HV", 500}, {"P0001", 400}, {"P0", 500}, {"XX", 500},    {"42P01", 404}, {"42P17", 500},
};

static bool
begins(const char *text, const char *prefix)
{
	return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool
ends(const char *text, const char *suffix)
{
	size_t length = text == NULL ? 0 : strlen(text);

	return length >= strlen(suffix) && strcmp(text + length - strlen(suffix), suffix) == 0;
}

/* The row of our own list for an error; NULL when it is none of ours. */
static const StatusInfo *
own_row(const char *sqlstate, const char *message)
{
	for (int status = 1; status < TSEC_STATUS_COUNT; status++)
	{
		const StatusInfo *row = status_info((Status) status);

		if (strcmp(row->sqlstate, sqlstate) == 0 &&
			(begins(sqlstate, "TW") || (message != NULL && strcmp(row->message, message) == 0)))
			return row;
	}
	return NULL;
}

/* PTxyz: xyz, where it is a status that can end a request. */
static int
raised_status(const char *digits)
{
	int status = 0;

	for (int i = 0; i < 3; i++)
	{
		if (!isdigit((unsigned char) digits[i]))
			return 500;
		status = status * 10 + (digits[i] - '0');
	}
	return digits[3] == '\0' && status >= 200 && status <= 599 ? status : 500;
}

int
error_status(const char *sqlstate, const char *message, bool is_authenticated)
{
	const StatusInfo *row;

	if (sqlstate == NULL || strlen(sqlstate) != 5)
		return 500;
	if (begins(sqlstate, "PT"))
		return raised_status(sqlstate + 2);
	if (strcmp(sqlstate, "42501") == 0)
		return is_authenticated ? 403 : 401;
	row = own_row(sqlstate, message);
	if (row != NULL)
		return row->http;
	if (begins(sqlstate, "TW"))
		return 500;
	if (strcmp(sqlstate, "21000") == 0)
		return ends(message, "requires a WHERE clause") ? 400 : 500;
	if (strcmp(sqlstate, "22023") == 0)
		return begins(message, "role") && ends(message, "does not exist") ? 401 : 400;
	if (strcmp(sqlstate, "42883") == 0)
		return begins(message, "function xmlagg(") ? 406 : 404;
	for (size_t i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++)
	{
		if (begins(sqlstate, mappings[i].prefix))
			return mappings[i].status;
	}
	return 400;
}

bool
error_is_own(const char *sqlstate, const char *message, int status)
{
	static const char *const classes[] = {"08", "53", "57", "58", "F0", "HV", "XX"};

	if (sqlstate == NULL || strlen(sqlstate) != 5)
		return true;
	/* query_canceled: the request took too long, which its sender can change */
	if (strcmp(sqlstate, "57014") == 0)
		return false;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		if (begins(sqlstate, classes[i]))
			return true;
	}
	return status >= 500 && (begins(sqlstate, "TW") || own_row(sqlstate, message) != NULL);
}

typedef struct TokenError
{
	const char *sqlstate;
	const char *code;
	const char *message; /* PostgREST's, which clients look for; NULL keeps ours */
} TokenError;

static const TokenError token_errors[] = {
	{"TW501", "PGRST301", NULL},
	{"TW502", "PGRST301", NULL},
	{"TW503", "PGRST301", "Unsupported token type"},
	{"TW504", "PGRST301", "Wrong or unsupported encoding algorithm"},
	{"TW505", "PGRST301", "No suitable key or wrong key type"},
	{"TW506", "PGRST301", "JWT cryptographic operation failed"},
	{"TW507", "PGRST303", "JWT expired"},
	{"TW508", "PGRST303", "JWT not yet valid"},
	{"TW509", "PGRST303", NULL},
	{"TW510", "PGRST303", NULL},
	{"TW511", "PGRST303", NULL},
	{"TW512", "PGRST303", NULL},
	{"TW513", "PGRST303", "JWT not in audience"},
	{"TW514", "PGRST303", NULL},
	{"TW515", "PGRST303", NULL},
	{"TW516", "PGRST303", NULL},
	{"TW517", "PGRST301", NULL},
	{"TW801", "PGRST302", "Anonymous access is disabled"},
	{"TW805", "PGRST301", NULL},
};

const char *
error_token_code(const char *sqlstate, const char **message)
{
	for (size_t i = 0; sqlstate != NULL && i < sizeof(token_errors) / sizeof(token_errors[0]); i++)
	{
		if (strcmp(token_errors[i].sqlstate, sqlstate) != 0)
			continue;
		if (token_errors[i].message != NULL)
			*message = token_errors[i].message;
		return token_errors[i].code;
	}
	return NULL;
}

int
error_retry_after(const char *text)
{
	const char *phrase = text == NULL ? NULL : strstr(text, "retry after ");
	int seconds = 0;

	if (phrase == NULL)
		return 0;
	for (phrase += 12; isdigit((unsigned char) *phrase) && seconds <= 86400; phrase++)
		seconds = seconds * 10 + (*phrase - '0');
	/* a fraction is rounded up: one that comes too early is refused again */
	if (*phrase == '.' && isdigit((unsigned char) phrase[1]))
	{
		seconds++;
		phrase += 1 + strspn(phrase + 1, "0123456789");
	}
	if (!begins(phrase, " second"))
		return 0;
	return seconds > 86400 ? 86400 : seconds;
}
