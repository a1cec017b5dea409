/*
 * settings.c
 *		Every setting of the extension, sorted by name.  None ever holds a secret.
 */
#include "base/settings.h"

#include "base/base.h"

#include "utils/guc.h"

bool setting_allow_session_identity;
char *setting_key_command;
int setting_key_message_limit;

typedef struct BooleanSetting
{
	const char *name;
	bool *variable;
	bool initial;
	GucContext context;
	int flags;
	const char *summary;
	const char *description;
} BooleanSetting;

typedef struct StringSetting
{
	const char *name;
	char **variable;
	const char *initial;
	GucContext context;
	int flags;
	const char *summary;
	const char *description;
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
} IntegerSetting;

static const BooleanSetting booleans[] = {
	{"twin_security.allow_session_identity", &setting_allow_session_identity, false, PGC_SUSET, 0,
	 "Lets twin_security.token be set for a whole session.",
	 "Off, a token counts for the transaction that set it, so that the next client of a pooled connection is nobody. "
	 "Unfit for connection pools."},
};

static const StringSetting strings[] = {
	{"twin_security.key_command", &setting_key_command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
	 "Command that prints the encryption key, for use with a secret manager.",
	 "Run by the shell in place of reading ENCRYPTION_KEY from the environment, once at server start when the "
	 "library is preloaded, else once per session. Prints one line: base64 of 32 bytes. %k is replaced by "
	 "ENCRYPTION_KEY; a command that holds %k is run again with ENCRYPTION_KEY_PREVIOUS and may print nothing then."},
};

static const IntegerSetting integers[] = {
	{"twin_security.key_message_limit", &setting_key_message_limit, 2000000000, 1000, 2147483647, PGC_SUSET, 0,
	 "Messages sealed under one key version after which the key rotates by itself.",
	 "Counted across all sessions. Sealing stops for good at 4294967296 (2^32), the limit for random 96-bit "
	 "nonces; a background worker rotates the key when this lower number is passed. A key of algorithm "
	 "xaes-256-gcm is counted, but neither rotates by itself nor stops."},
};

void
settings_init(void)
{
	for (int i = 0; i < (int) lengthof(booleans); i++)
	{
		const BooleanSetting *row = &booleans[i];

		DefineCustomBoolVariable(row->name, row->summary, row->description, row->variable, row->initial, row->context,
								 row->flags, NULL, NULL, NULL);
	}
	for (int i = 0; i < (int) lengthof(strings); i++)
	{
		const StringSetting *row = &strings[i];

		DefineCustomStringVariable(row->name, row->summary, row->description, row->variable, row->initial,
								   row->context, row->flags, NULL, NULL, NULL);
	}
	for (int i = 0; i < (int) lengthof(integers); i++)
	{
		const IntegerSetting *row = &integers[i];

		DefineCustomIntVariable(row->name, row->summary, row->description, row->variable, row->initial, row->least,
								row->most, row->context, row->flags, NULL, NULL, NULL);
	}
	token_setting_init();
	MarkGUCPrefixReserved("twin_security");
}
