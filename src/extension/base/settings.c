/*
 * settings.c
 *		Every setting of the extension, sorted by name.  None ever holds a secret.
 */
#include "base/settings.h"

#include "base/base.h"

#include "common/network.h"
#include "common/public_variable.h"
#include "common/redact.h"

#include "miscadmin.h"
#include "utils/guc.h"

bool setting_allow_session_identity;
char *setting_archive_directory;
char *setting_archive_key;
bool setting_audit_enabled;
bool setting_audit_logouts;
int setting_bcrypt_cost;
char *setting_checkpoint_directory;
int setting_checkpoint_interval;
char *setting_cluster_database;
char *setting_databases;
char *setting_environment_names;
int setting_event_ring_size;
char *setting_export_directory;
int setting_hash_wait_timeout;
int setting_heartbeat_interval;
char *setting_key_command;
int setting_key_message_limit;
int setting_limit_entries;
int setting_login_forget_after;
int setting_login_lockout;
int setting_login_max_failures;
int setting_login_max_failures_per_address;
int setting_login_max_lockout;
int setting_max_blocks;
int setting_max_concurrent_hashes;
int setting_max_databases;
int setting_max_subscriptions;
int setting_monitor_memory;
int setting_password_min_length;
int setting_password_min_score;
bool setting_redact;
uint64 setting_redact_changes = 1;
char *setting_redact_names;
int setting_refresh_token_grace;
int setting_refresh_token_lifetime;
int setting_require_tls;
int setting_retention_interval;
int setting_session_idle_timeout;
int setting_session_max_lifetime;
int setting_standby_spool_size;
char *setting_token_audience;
uint64 setting_token_changes = 1;
char *setting_token_issuer;
int setting_token_leeway;
int setting_token_lifetime;
int setting_topic_ring_size;
char *setting_trusted_proxies;

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

typedef struct EnumSetting
{
	const char *name;
	int *variable;
	int initial;
	const struct config_enum_entry *choices;
	GucContext context;
	int flags;
	const char *summary;
	const char *description;
} EnumSetting;

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

static const BooleanSetting booleans[] = {
	{"twin_security.allow_session_identity", &setting_allow_session_identity, false, PGC_SUSET, 0,
	 "Lets twin_security.token be set for a whole session.",
	 "Off, a token counts for the transaction that set it, so that the next client of a pooled connection is nobody. "
	 "Unfit for connection pools."},
	{"twin_security.audit_enabled", &setting_audit_enabled, true, PGC_SIGHUP, 0,
	 "Records changes, reads, refusals and commands.",
	 "A switch for emergencies. Off, nothing of these is recorded in any database of the cluster. Each database's "
	 "log says "
	 "since when and who did it, and twin.audit_gaps shows the gap."},
	{"twin_security.audit_logouts", &setting_audit_logouts, false, PGC_SIGHUP, 0,
	 "Records the end of every session of a database.",
	 "An event of type logout, with how long the session lasted. Its begin is recorded in any case."},
	{"twin_security.redact", &setting_redact, true, PGC_SIGHUP, 0, "Keeps secrets out of the server's log.",
	 "Passwords, tokens, keys and connection strings are replaced by *** in all that the server logs: messages, "
	 "details, contexts, statements and their parameters. A statement that names a secret loses all its literals. "
	 "Needs preloading."},
};

static const struct config_enum_entry require_tls_choices[] = {{"off", REQUIRE_TLS_OFF, false},
															   {"protected", REQUIRE_TLS_PROTECTED, false},
															   {"all", REQUIRE_TLS_ALL, false},
															   {"on", REQUIRE_TLS_PROTECTED, true},
															   {NULL, 0, false}};

static const EnumSetting enums[] = {
	{"twin_security.require_tls", &setting_require_tls, REQUIRE_TLS_OFF, require_tls_choices, PGC_SIGHUP, 0,
	 "Refuses sessions that come over the network without TLS.",
	 "\"protected\" refuses those of superusers, of roles with REPLICATION or BYPASSRLS, and of members of the roles "
	 "twin_*; \"all\" those of every role. Unix sockets and this machine's own addresses 127.0.0.0/8 and ::1 are no "
	 "network; encryption by GSSAPI is not TLS. It judges at connection, behind pg_hba.conf, whose hostssl lines "
	 "also "
	 "keep a password from being sent. Needs preloading."},
};

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

static bool
check_proxies(char **value, void **extra, GucSource source)
{
	if (network_list_valid(*value))
		return true;
	GUC_check_errdetail(
		"It is a comma-separated list of addresses, networks such as 10.0.0.0/8, and the word local.");
	return false;
}

/* A folder that whoever rewrites the data folder does not reach by accident: outside of it. */
static bool
check_outside_folder(char **value, void **extra, GucSource source)
{
	char path[MAXPGPATH];

	if (**value == '\0')
		return true;
	if (!is_absolute_path(*value) || strlen(*value) >= MAXPGPATH / 2)
	{
		GUC_check_errdetail("It is an absolute path of at most %d bytes.", MAXPGPATH / 2 - 1);
		return false;
	}
	strlcpy(path, *value, sizeof(path));
	canonicalize_path(path);
	if (DataDir != NULL && path_is_prefix_of_path(DataDir, path))
	{
		GUC_check_errdetail("It must not lie in the data folder.");
		return false;
	}
	return true;
}

/* A name that speaks of a secret is refused here, and again where the variable is read. */
static bool
check_environment_names(char **value, void **extra, GucSource source)
{
	Bytes culprit;

	switch (public_variable_list(bytes_of(*value, strlen(*value)), &culprit))
	{
		case PUBLIC_VARIABLE_GOOD:
			return true;
		case PUBLIC_VARIABLE_SECRET:
			GUC_check_errdetail("The name \"%.*s\" speaks of a secret.", (int) culprit.length,
								(const char *) culprit.data);
			return false;
		case PUBLIC_VARIABLE_MALFORMED:
			break;
	}
	GUC_check_errdetail(
		"It is a comma-separated list of at most %d names of at most %d letters, digits and underscores.",
		PUBLIC_VARIABLE_NAMES_MAX, PUBLIC_VARIABLE_NAME_MAX);
	return false;
}

static bool
check_redact_names(char **value, void **extra, GucSource source)
{
	RedactNames names;

	if (redact_names_parse(*value, &names))
		return true;
	GUC_check_errdetail(
		"It is a comma-separated list of at most %d names of 3 to %d letters, digits, \"_\" and \"-\".",
		REDACT_NAMES_MAX, REDACT_NAME_SIZE - 1);
	return false;
}

static void
note_redact_names(const char *value, void *extra)
{
	setting_redact_changes++;
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
	{"twin_security.archive_directory", &setting_archive_directory, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
	 "Folder outside of the data folder for archives of what retention takes out of the database.",
	 "An archive is a file and a manifest beside it, which say all that was in a partition; copy them to where they "
	 "are "
	 "kept for good. When empty, nothing that a policy wants archived is dropped.",
	 check_outside_folder, NULL},
	{"twin_security.archive_key", &setting_archive_key, "", PGC_SIGHUP, 0,
	 "Key of the keyring under which archives are encrypted.",
	 "When empty, archives are compressed and not encrypted: who can read the folder can read them.", NULL, NULL},
	{"twin_security.checkpoint_directory", &setting_checkpoint_directory, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
	 "Folder outside of the data folder in which signed checkpoints of the audit log are kept.",
	 "Each checkpoint is a file; an auditor copies them to where nobody of this machine can change them. When empty, "
	 "checkpoints stand in the database alone, and are told by NOTIFY twin_audit_checkpoint.",
	 check_outside_folder, NULL},
	{"twin_security.cluster_database", &setting_cluster_database, "postgres", PGC_SIGHUP, 0,
	 "Database that records security events of no database.",
	 "Such are events from before a connection has its database, and the report of events that were dropped because "
	 "twin_security.max_databases is too low. They are recorded there if it exists and has the extension.",
	 NULL, NULL},
	{"twin_security.databases", &setting_databases, "", PGC_SIGHUP, 0,
	 "Databases whose security events are recorded.",
	 "A comma-separated list of names; in a database that is not listed events are dropped and counted. When empty, "
	 "every database that has the extension records its events.",
	 NULL, NULL},
	{"twin_security.environment_names", &setting_environment_names, "CORS_ALLOWED_ORIGINS,JWT_ACCESS_TOKEN_EXPIRES",
	 PGC_SIGHUP, 0,
	 "Variables of the server's environment that twin.required_env() and twin.optional_env() may read.",
	 "A comma-separated list. Names that speak of a secret (with key, secret, pass, token, auth and the like in "
	 "them) are refused, and values that look like one are not shown.",
	 check_environment_names, NULL},
	{"twin_security.export_directory", &setting_export_directory, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
	 "Folder outside of the data folder under which twin.export_audit_log() makes folders.",
	 "Exports hold events as they are, for auditors to check with twin_verify. Files get the folder's group when it "
	 "has "
	 "the set-group-id bit, and nobody else reads them. When empty, nothing is exported.",
	 check_outside_folder, NULL},
	{"twin_security.key_command", &setting_key_command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
	 "Command that prints the encryption key, for use with a secret manager.",
	 "Run by the shell in place of reading ENCRYPTION_KEY from the environment, once at server start when the "
	 "library is preloaded, else once per session. Prints one line: base64 of 32 bytes. %k is replaced by "
	 "ENCRYPTION_KEY; a command that holds %k is run again with ENCRYPTION_KEY_PREVIOUS and may print nothing then.",
	 NULL, NULL},
	{"twin_security.redact_names", &setting_redact_names, "", PGC_SIGHUP, 0,
	 "Further names of secrets, for twin_security.redact.",
	 "A comma-separated list. Columns, keys, settings and functions whose name contains one of them are treated as "
	 "password, token, secret, api_key and the like are, in any case and with or without \"_\" and \"-\".",
	 check_redact_names, note_redact_names},
	{"twin_security.token_audience", &setting_token_audience, "twin_security", PGC_SUSET, 0,
	 "Audience (aud) of the tokens this database issues and, of those signed by its own keys, accepts.",
	 "Databases that share JWT_SECRET_KEY and must not take each other's tokens need different values "
	 "(ALTER DATABASE ... SET). Tokens of outside issuers are judged by what add_verification_key() was told.",
	 check_token_name, note_token_string},
	{"twin_security.token_issuer", &setting_token_issuer, "twin_security", PGC_SUSET, 0,
	 "Issuer (iss) of the tokens this database issues and, of those signed by its own keys, accepts.",
	 "A change refuses all tokens issued before it.", check_token_name, note_token_string},
	{"twin_security.trusted_proxies", &setting_trusted_proxies, "", PGC_SIGHUP, 0,
	 "Where connections come from whose word about the client's address is believed, and proxies in front of them.",
	 "Addresses, networks (10.0.0.0/8) and the word local for unix sockets. On a connection from there "
	 "twin.pre_request() takes the client's address from X-Forwarded-For: the last one that is not listed here. "
	 "Limits, "
	 "locks and events then know each client behind PostgREST; without it all of them are the one address that "
	 "PostgREST connects from. twin_gateway tells the address by itself.",
	 check_proxies, NULL},
};

static const IntegerSetting integers[] = {
	{"twin_security.bcrypt_cost", &setting_bcrypt_cost, 12, 10, 15, PGC_SUSET, 0,
	 "Work that hashing a password takes: the binary logarithm of bcrypt's rounds.",
	 "Each step doubles the time of a login; 12 is a quarter of a second on an ordinary core. Below 10 guessing is "
	 "too cheap, and above 15 one login keeps a process busy for several seconds, which nothing can cancel. "
	 "Hashes made at another cost still verify, and each is made anew at its account's next login; for those of "
	 "applications twin.password_needs_rehash() tells which cost less.",
	 NULL},
	{"twin_security.checkpoint_interval", &setting_checkpoint_interval, 10, 1, 86400, PGC_SIGHUP, GUC_UNIT_S,
	 "How often a checkpoint of the audit log is signed at most.",
	 "One is signed when the log has grown and the last is this old. What a checkpoint covers that somebody else "
	 "keeps "
	 "cannot be edited unseen any more.",
	 NULL},
	{"twin_security.event_ring_size", &setting_event_ring_size, 2048, 64, 1048576, PGC_POSTMASTER, GUC_UNIT_KB,
	 "Shared memory per database for security events that wait to be written.",
	 "An event takes 1 to 8 kB, nearly always 1. When a database's share is full, further events are dropped and "
	 "counted, and nobody waits; the count is recorded as an event of its own. Applications may fill three "
	 "quarters.",
	 NULL},
	{"twin_security.hash_wait_timeout", &setting_hash_wait_timeout, 5000, 0, 600000, PGC_SIGHUP, GUC_UNIT_MS,
	 "How long a password waits for its turn to be hashed.",
	 "While twin_security.max_concurrent_hashes passwords are being hashed, more wait in the order in which they "
	 "came. One that has waited this long fails with SQLSTATE TW301, which the gateway answers with 503. 0 does not "
	 "wait at all.",
	 NULL},
	{"twin_security.heartbeat_interval", &setting_heartbeat_interval, 300, 1, 86400, PGC_SIGHUP, GUC_UNIT_S,
	 "How often the audit log says that it is alive while there is nothing else to record.",
	 "A heartbeat is an event with the number of events dropped and digests of the triggers and settings that the "
	 "audit "
	 "depends on. While events are recorded there is one a minute, or as often as this if that is more often.",
	 NULL},
	{"twin_security.key_message_limit", &setting_key_message_limit, 2000000000, 1000, 2147483647, PGC_SUSET, 0,
	 "Messages sealed under one key version after which the key rotates by itself.",
	 "Counted across all sessions. Sealing stops for good at 4294967296 (2^32), the limit for random 96-bit "
	 "nonces; a background worker rotates the key when this lower number is passed. A key of algorithm "
	 "xaes-256-gcm is counted, but neither rotates by itself nor stops.",
	 NULL},
	{"twin_security.limit_entries", &setting_limit_entries, 16384, 1024, 16777216, PGC_POSTMASTER, 0,
	 "How many subjects of each kind the limits remember at once.",
	 "Accounts and addresses with failed logins, addresses and users with a rate limit, and sessions of which a "
	 "copied "
	 "refresh token came: five kinds with as many entries each, of 40 bytes. When there are more subjects, those "
	 "with the fewest failures are forgotten first, "
	 "and locked ones last.",
	 NULL},
	{"twin_security.login_forget_after", &setting_login_forget_after, 86400, 60, 31536000, PGC_SUSET, GUC_UNIT_S,
	 "Quiet time after which failed logins do not count any more.",
	 "Counted from the last failure or from the end of the lock, whichever is later. A successful login forgets the "
	 "failures of its account at once.",
	 NULL},
	{"twin_security.login_lockout", &setting_login_lockout, 60, 1, 86400, PGC_SUSET, GUC_UNIT_S,
	 "How long an account or address is locked when it reaches twin_security.login_max_failures.",
	 "Each failure after a lock locks again for twice as long, up to twin_security.login_max_lockout. Tries during a "
	 "lock are refused without being counted, so nobody prolongs a lock by hammering.",
	 NULL},
	{"twin_security.login_max_failures", &setting_login_max_failures, 5, 1, 1000, PGC_SUSET, 0,
	 "Failed logins after which an account is locked for a while.",
	 "No lock is for ever: its length is twin_security.login_lockout and grows with each failure after it.", NULL},
	{"twin_security.login_max_failures_per_address", &setting_login_max_failures_per_address, 20, 0, 100000,
	 PGC_SUSET, 0, "Failed logins, of whatever users, after which a network address is locked for a while.",
	 "More than twin_security.login_max_failures, because people share addresses; the locks grow as those of "
	 "accounts do. Logins from a locked address are answered with 429 at once. IPv6 addresses count by their "
	 "/64. Unix sockets and the logins of twin.token_only_logins bring many clients' requests and are not locked. "
	 "0 locks no address.",
	 NULL},
	{"twin_security.login_max_lockout", &setting_login_max_lockout, 3600, 1, 604800, PGC_SUSET, GUC_UNIT_S,
	 "The longest time that failed logins lock an account or address.",
	 "Where twin_security.login_lockout is longer, this one holds. Lowering it shortens locks in force.", NULL},
	{"twin_security.max_blocks", &setting_max_blocks, 131072, 1024, 16777216, PGC_POSTMASTER, 0,
	 "How many networks can be blocked, or exempt, at once.",
	 "In all databases together; each takes 60 bytes of shared memory.", NULL},
	{"twin_security.max_concurrent_hashes", &setting_max_concurrent_hashes, 0, 0, 1024, PGC_SIGHUP, 0,
	 "How many passwords may be hashed at once in the whole cluster.",
	 "Keeps a flood of logins from taking every core; the others wait in the order in which they came, for "
	 "twin_security.hash_wait_timeout. 0 means one less than the machine has cores, and at least one. Needs "
	 "preloading: without it nothing is bounded.",
	 NULL},
	{"twin_security.max_databases", &setting_max_databases, 8, 1, 1024, PGC_POSTMASTER, 0,
	 "Databases that can record security events at the same time.",
	 "For each, twin_security.event_ring_size of shared memory is set aside. Events of further databases are "
	 "dropped, "
	 "and their number is recorded in twin_security.cluster_database.",
	 NULL},
	{"twin_security.max_subscriptions", &setting_max_subscriptions, 10000, 1, 1000000, PGC_SUSET, 0,
	 "How many subscriptions to topics one session may hold.",
	 "Each WebSocket client of a gateway is one; twin.subscribe() refuses more. A subscription takes as much memory "
	 "as its token, and some 200 bytes and 40 for each topic besides. Lowering it ends none.",
	 NULL},
	{"twin_security.monitor_memory", &setting_monitor_memory, 16384, 1024, 4194304, PGC_POSTMASTER, GUC_UNIT_KB,
	 "Shared memory in which rules count events.",
	 "Of all databases. A rule takes about 400 bytes for each address or user that it counts. When it is full, those "
	 "make room that were counted least.",
	 NULL},
	{"twin_security.password_min_length", &setting_password_min_length, 8, 8, 72, PGC_SUSET, 0,
	 "Characters that a password must have at least.",
	 "twin.check_password_strength() finds shorter ones unacceptable, and twin.generate_password() makes none. The "
	 "longest password has 72 bytes, whatever its characters.",
	 NULL},
	{"twin_security.password_min_score", &setting_password_min_score, 3, 0, 4, PGC_SUSET, 0,
	 "Score that a password must reach, from 0 to 4.",
	 "0 is guessed with fewer than a thousand tries, 1 a million, 2 a hundred million, 3 ten thousand million, 4 "
	 "takes more. The thousand most common passwords and single words of the dictionary are refused at any score.",
	 NULL},
	{"twin_security.refresh_token_grace", &setting_refresh_token_grace, 10, 0, 300, PGC_SUSET, GUC_UNIT_S,
	 "How long a refresh token is served again after it was used.",
	 "For clients that lost the answer or asked twice at once. Afterwards a second use means that somebody copied "
	 "the token: the whole session ends, with an event of severity high. 0 allows no second use.",
	 NULL},
	{"twin_security.refresh_token_lifetime", &setting_refresh_token_lifetime, 43200, 60, 31536000, PGC_SUSET,
	 GUC_UNIT_S, "How long a refresh token is accepted at the longest.",
	 "Each refresh issues a new one; none outlives its session, which twin_security.session_max_lifetime bounds.",
	 NULL},
	{"twin_security.retention_interval", &setting_retention_interval, 86400, 0, 2592000, PGC_SIGHUP, GUC_UNIT_S,
	 "How often retention policies are applied by themselves.",
	 "0 leaves it to CALL twin.apply_retention(). Needs preloading.", NULL},
	{"twin_security.session_idle_timeout", &setting_session_idle_timeout, 7200, 60, 31536000, PGC_SUSET, GUC_UNIT_S,
	 "How long a session lasts after its login or its last refresh.",
	 "A client refreshes when its access token has expired, so this must be longer than those live (an hour, unless "
	 "JWT_ACCESS_TOKEN_EXPIRES or twin_security.token_lifetime say otherwise). Two hours leave a user about one of "
	 "inactivity, the most that NIST SP 800-63B-4 recommends at AAL2.",
	 NULL},
	{"twin_security.session_max_lifetime", &setting_session_max_lifetime, 43200, 60, 31536000, PGC_SUSET, GUC_UNIT_S,
	 "How long a session lasts at the longest before its user has to log in again.",
	 "Twelve hours are a long shift; 24 are the most that NIST SP 800-63B-4 recommends at AAL2. A session that is "
	 "open keeps the end that it was given.",
	 NULL},
	{"twin_security.standby_spool_size", &setting_standby_spool_size, 65536, 0, 1073741824, PGC_POSTMASTER,
	 GUC_UNIT_KB, "Disk space per database in which security events of a standby wait for the primary's log.",
	 "On a standby events are kept in files of the folder twin_security_spool of the data folder, signed with a key "
	 "that is derived from ENCRYPTION_KEY, until twin.accept_standby_events() has taken them on the primary, or the "
	 "standby is promoted. When so much waits, further events stay in memory and are dropped, and counted, once that "
	 "is full. 0 keeps them in memory alone.",
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
	{"twin_security.topic_ring_size", &setting_topic_ring_size, 4096, 512, 1048576, PGC_POSTMASTER, GUC_UNIT_KB,
	 "Shared memory per database for messages that twin.publish() delivers.",
	 "The newest messages stand in it, and publishers overwrite the oldest without waiting: a listener that has not "
	 "fetched them by then is told how many it lost. One transaction may publish half of it. Set aside for each of "
	 "twin_security.max_databases.",
	 NULL},
};

/* What sizes shared memory can only be defined while the server starts; otherwise it has no effect and may be anything. */
static GucContext
context_of(const IntegerSetting *row)
{
	if (row->context == PGC_POSTMASTER && !process_shared_preload_libraries_in_progress)
		return PGC_SIGHUP;
	return row->context;
}

void
settings_init(void)
{
	for (int i = 0; i < (int) lengthof(booleans); i++)
	{
		const BooleanSetting *row = &booleans[i];

		DefineCustomBoolVariable(row->name, row->summary, row->description, row->variable, row->initial, row->context,
								 row->flags, NULL, NULL, NULL);
	}
	for (int i = 0; i < (int) lengthof(enums); i++)
	{
		const EnumSetting *row = &enums[i];

		DefineCustomEnumVariable(row->name, row->summary, row->description, row->variable, row->initial, row->choices,
								 row->context, row->flags, NULL, NULL, NULL);
	}
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
								row->most, context_of(row), row->flags, NULL, row->assign, NULL);
	}
	token_setting_init();
	MarkGUCPrefixReserved("twin_security");
}
