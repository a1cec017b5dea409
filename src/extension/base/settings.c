/*
 * settings.c
 *		Every setting of the extension, sorted by name.  None ever holds a secret.
 */
#include "base/settings.h"

#include "base/base.h"

#include "utils/guc.h"

char *setting_key_command;
int setting_key_message_limit;
char *setting_token_audience;
char *setting_token_issuer;
int setting_token_leeway;
int setting_token_lifetime;
uint64 setting_token_changes = 1;

typedef struct StringSetting
{
	const char *name;
	char **variable;
	const char *initial;
	GucContext context;
	int flags;
	const char *summary;
	const char *description;
	GucStringCheckHook check;
	GucStringAssignHook assign;
} StringSetting;

typedef struct IntegerSetting
{
	const char *name;
	int *variable;
	int initial;
	int least;
	int most;
	GucContext context;
	int flags;
	const char *summary;
	const char *description;
	GucIntAssignHook assign;
} IntegerSetting;

#define TOKEN_NAME_MAX 255

/* Names that stand in tokens are compared byte for byte, so they are plain ASCII in every encoding. */
static bool
check_token_name(char **value, void **extra, GucSource source)
{
	size_t length = strlen(*value);

	for (const char *c = *value; *c; c++)
		if (*c <= ' ' || *c > '~')
			length = 0;
	if (length > 0 && length <= TOKEN_NAME_MAX)
		return true;
	GUC_check_errdetail("It is 1 to %d printable ASCII characters without blanks.", TOKEN_NAME_MAX);
	return false;
}

static void
note_token_string(const char *value, void *extra)
{
	setting_token_changes++;
}

static void
note_token_integer(int value, void *extra)
{
	setting_token_changes++;
}

static const StringSetting strings[] = {
	{"twin_security.key_command", &setting_key_command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
	 "Command that prints the encryption key, for use with a secret manager.",
	 "Run by the shell in place of reading ENCRYPTION_KEY from the environment, once at server start when the "
	 "library is preloaded, else once per session. Prints one line: base64 of 32 bytes. %k is replaced by "
	 "ENCRYPTION_KEY; a command that holds %k is run again with ENCRYPTION_KEY_PREVIOUS and may print nothing then.",
	 NULL, NULL},
	{"twin_security.token_audience", &setting_token_audience, "twin_security", PGC_SUSET, 0,
	 "Audience (aud) of the tokens this database issues and, of those signed by its own keys, accepts.",
	 "Databases that share JWT_SECRET_KEY and must not take each other's tokens need different values "
	 "(ALTER DATABASE ... SET). Tokens of outside issuers are judged by what add_verification_key() was told.",
	 check_token_name, note_token_string},
	{"twin_security.token_issuer", &setting_token_issuer, "twin_security", PGC_SUSET, 0,
	 "Issuer (iss) of the tokens this database issues and, of those signed by its own keys, accepts.",
	 "A change refuses all tokens issued before it.", check_token_name, note_token_string},
};

static const IntegerSetting integers[] = {
	{"twin_security.key_message_limit", &setting_key_message_limit, 2000000000, 1000, 2147483647, PGC_SUSET, 0,
	 "Messages sealed under one key version after which the key rotates by itself.",
	 "Counted across all sessions. Sealing stops for good at 4294967296 (2^32), the limit for random 96-bit "
	 "nonces; a background worker rotates the key when this lower number is passed. A key of algorithm "
	 "xaes-256-gcm is counted, but neither rotates by itself nor stops.",
	 NULL},
	{"twin_security.token_leeway", &setting_token_leeway, 0, 0, 60, PGC_SUSET, GUC_UNIT_S,
	 "How far the clock of a token's issuer may differ from ours.",
	 "Added to a token's expiry and taken from the times it is not valid before. The clocks of a primary and its "
	 "standbys are the reason to raise it. A verification key can have a leeway of its own.",
	 note_token_integer},
	{"twin_security.token_lifetime", &setting_token_lifetime, 0, 0, 2592000, PGC_SUSET, GUC_UNIT_S,
	 "How long an access token is valid when issue_token() or login() is not told otherwise.",
	 "0, the default, means JWT_ACCESS_TOKEN_EXPIRES of the server's environment, in seconds, or 3600 without it. A "
	 "short life limits what a stolen token is good for; revocation works at once in either case.",
	 note_token_integer},
};

void
settings_init(void)
{
	for (int i = 0; i < (int) lengthof(strings); i++)
	{
		const StringSetting *row = &strings[i];

		DefineCustomStringVariable(row->name, row->summary, row->description, row->variable, row->initial,
								   row->context, row->flags, row->check, row->assign, NULL);
	}
	for (int i = 0; i < (int) lengthof(integers); i++)
	{
		const IntegerSetting *row = &integers[i];

		DefineCustomIntVariable(row->name, row->summary, row->description, row->variable, row->initial, row->least,
								row->most, row->context, row->flags, NULL, row->assign, NULL);
	}
	MarkGUCPrefixReserved("twin_security");
}
