/*
 * settings.c
 *		Every setting of the extension, sorted by name.  None ever holds a secret.
 */
#include "base/settings.h"

#include "base/base.h"

#include "miscadmin.h"
#include "utils/guc.h"

char *setting_cluster_database;
char *setting_databases;
int setting_event_ring_size;
char *setting_key_command;
int setting_key_message_limit;
int setting_max_databases;

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

static const StringSetting strings[] = {
	{"twin_security.cluster_database", &setting_cluster_database, "postgres", PGC_SIGHUP, 0,
	 "Database that records security events of no database.",
	 "Such are events from before a connection has its database, and the report of events that were dropped because "
	 "twin_security.max_databases is too low. They are recorded there if the extension exists there."},
	{"twin_security.databases", &setting_databases, "", PGC_SIGHUP, 0,
	 "Databases whose security events are recorded.",
	 "A comma-separated list of names; in a database that is not listed events are dropped and counted. When empty, "
	 "every database that has the extension records its events."},
	{"twin_security.key_command", &setting_key_command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
	 "Command that prints the encryption key, for use with a secret manager.",
	 "Run by the shell in place of reading ENCRYPTION_KEY from the environment, once at server start when the "
	 "library is preloaded, else once per session. Prints one line: base64 of 32 bytes. %k is replaced by "
	 "ENCRYPTION_KEY; a command that holds %k is run again with ENCRYPTION_KEY_PREVIOUS and may print nothing then."},
};

static const IntegerSetting integers[] = {
	{"twin_security.event_ring_size", &setting_event_ring_size, 2048, 64, 1048576, PGC_POSTMASTER, GUC_UNIT_KB,
	 "Shared memory per database for security events that wait to be written.",
	 "An event takes 1 to 8 kB, nearly always 1. When a database's share is full, further events are dropped and "
	 "counted, and nobody waits; the count is recorded as an event of its own. Applications may fill three "
	 "quarters."},
	{"twin_security.key_message_limit", &setting_key_message_limit, 2000000000, 1000, 2147483647, PGC_SUSET, 0,
	 "Messages sealed under one key version after which the key rotates by itself.",
	 "Counted across all sessions. Sealing stops for good at 4294967296 (2^32), the limit for random 96-bit "
	 "nonces; a background worker rotates the key when this lower number is passed. A key of algorithm "
	 "xaes-256-gcm is counted, but neither rotates by itself nor stops."},
	{"twin_security.max_databases", &setting_max_databases, 8, 1, 1024, PGC_POSTMASTER, 0,
	 "Databases that can record security events at the same time.",
	 "For each, twin_security.event_ring_size of shared memory is set aside. Events of further databases are "
	 "dropped, "
	 "and their number is recorded in twin_security.cluster_database."},
};

/* Settings of shared memory can be fixed only where there will be some; elsewhere they change nothing. */
static GucContext
possible_context(GucContext context)
{
	return context == PGC_POSTMASTER && !process_shared_preload_libraries_in_progress ? PGC_SIGHUP : context;
}

void
settings_init(void)
{
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
								row->most, possible_context(row->context), row->flags, NULL, NULL, NULL);
	}
	MarkGUCPrefixReserved("twin_security");
}
