/*
 * setting.c
 *		Every way to switch a setting that security depends on: SET, set_config(), a
 *		function's SET clause, RESET, the end of a transaction, a client's options,
 *		a configuration file.
 *
 * All of them end in the setting's assign hook, so that is where ours stands
 * before its own.  The server does not tell a hook whose it is, so each watched
 * setting has a function of its own out of a row of equal ones.  Nothing here
 * raises or allocates: an assign hook must not.
 *
 * Files change a setting in every process; of a database the first one to
 * notice tells its log.
 */
#include "audit/security.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/guc_tables.h"

#define TEXT_SIZE SETTING_TEXT_SIZE
#define PREFIX "twin_security."

/* Settings of the server that are watched besides all of ours, where its version has them. */
static const char *const others[] = {"session_replication_role", "row_security", "allow_system_table_mods",
									 "session_authorization", "event_triggers"};
static int others_count = 0;

typedef struct Watched
{
	struct config_generic *setting;
	int number;
	bool is_secret; /* its value is not told */
} Watched;

static Watched watched[SHARED_SETTINGS];
static int watched_count = 0;

/* A setting was changed outside of any statement: a file was read. */
static bool file_was_read = false;

/* ---- values as text ---- */

static void
copy_text(const Watched *row, const char *value, char text[TEXT_SIZE])
{
	if (row->is_secret)
		value = value == NULL || *value == '\0' ? "" : "(not told)";
	strlcpy(text, value == NULL ? "" : value, TEXT_SIZE);
}

static void
bool_text(const Watched *row, bool value, char text[TEXT_SIZE])
{
	copy_text(row, value ? "on" : "off", text);
}

static void
integer_text(const Watched *row, int value, char text[TEXT_SIZE])
{
	snprintf(text, TEXT_SIZE, "%d", value);
}

static void
enum_text(const Watched *row, int value, char text[TEXT_SIZE])
{
	const struct config_enum_entry *entry = ((struct config_enum *) row->setting)->options;

	while (entry->name != NULL && entry->val != value)
		entry++;
	copy_text(row, entry->name, text);
}

static void
current_text(const Watched *row, char text[TEXT_SIZE])
{
	switch (row->setting->vartype)
	{
		case PGC_BOOL:
			bool_text(row, *((struct config_bool *) row->setting)->variable, text);
			break;
		case PGC_INT:
			integer_text(row, *((struct config_int *) row->setting)->variable, text);
			break;
		case PGC_STRING:
			copy_text(row, *((struct config_string *) row->setting)->variable, text);
			break;
		case PGC_ENUM:
			enum_text(row, *((struct config_enum *) row->setting)->variable, text);
			break;
		default:
			text[0] = '\0';
	}
}

/* ---- telling ---- */

static bool
is_tellable(void)
{
	return IsUnderPostmaster && login_is_done() && OidIsValid(MyDatabaseId) && presence_here() && audit_is_on() &&
		   !IsParallelWorker();
}

static void
tell(const Watched *row, const char *old, const char *new, const char *action)
{
	char details[4 * TEXT_SIZE] = "";
	/* of the server's: what nobody but a superuser sets */
	bool takes_away =
		row->number < others_count && (row->setting->context == PGC_SUSET || row->setting->vartype == PGC_STRING);

	(void) event_json_add(details, sizeof(details), "old", old);
	(void) event_json_add(details, sizeof(details), "new", new);
	(void) event_emit(&(SecurityEvent){.type = "configuration_change",
									   .severity = takes_away ? EVENT_HIGH : EVENT_MEDIUM,
									   .action = action,
									   .resource = row->setting->name,
									   .details = details,
									   .yields = row->setting->context == PGC_USERSET && !takes_away});
}

/* A setting gets another value, told as text. */
static void
note(int number, const char *new)
{
	Watched *row = &watched[number];
	char old[TEXT_SIZE];

	if (!is_tellable())
		return;
	current_text(row, old);
	if (IsTransactionState() && (debug_query_string != NULL || watch_command() != NULL))
	{
		if (strcmp(old, new) != 0) /* public: values of settings; secret ones are not in it */
			tell(row, old, new, "SET");
	}
	else if (IsTransactionOrTransactionBlock() && !IsTransactionState())
	{
		if (strcmp(old, new) != 0) /* public: as above */
			tell(row, old, new, "end of SET");
	}
	else
		file_was_read = true;
}

/* ---- the row of functions ---- */

static struct
{
	int number;
	GucBoolAssignHook own;
} booleans[16];
static struct
{
	int number;
	GucIntAssignHook own;
} integers[48];
static struct
{
	int number;
	GucStringAssignHook own;
} strings[16];
static struct
{
	int number;
	GucEnumAssignHook own;
} enums[4];

/* clang-format off */
#define ASSIGN(kind, value_type, n) \
	static void \
	assign_##kind##_##n(value_type value, void *extra) \
	{ \
		char text[TEXT_SIZE]; \
\
		TEXT_OF_##kind(&watched[kind##s[n].number], value, text); \
		note(kind##s[n].number, text); \
		if (kind##s[n].own) \
			kind##s[n].own(value, extra); \
	}
#define TEXT_OF_boolean bool_text
#define TEXT_OF_integer integer_text
#define TEXT_OF_string copy_text
#define TEXT_OF_enum enum_text

#define FOUR(DO, kind, value, a, b, c, d) DO(kind, value, a) DO(kind, value, b) DO(kind, value, c) DO(kind, value, d)
#define SIXTEEN(DO, kind, value) FOUR(DO, kind, value, 0, 1, 2, 3) FOUR(DO, kind, value, 4, 5, 6, 7) \
	FOUR(DO, kind, value, 8, 9, 10, 11) FOUR(DO, kind, value, 12, 13, 14, 15)
#define MORE(DO, kind, value) FOUR(DO, kind, value, 16, 17, 18, 19) FOUR(DO, kind, value, 20, 21, 22, 23) \
	FOUR(DO, kind, value, 24, 25, 26, 27) FOUR(DO, kind, value, 28, 29, 30, 31) FOUR(DO, kind, value, 32, 33, 34, 35) \
	FOUR(DO, kind, value, 36, 37, 38, 39) FOUR(DO, kind, value, 40, 41, 42, 43) FOUR(DO, kind, value, 44, 45, 46, 47)
#define NAME(kind, value, n) assign_##kind##_##n,

SIXTEEN(ASSIGN, boolean, bool)
SIXTEEN(ASSIGN, integer, int)
MORE(ASSIGN, integer, int)
SIXTEEN(ASSIGN, string, const char *)
FOUR(ASSIGN, enum, int, 0, 1, 2, 3)

static const GucBoolAssignHook boolean_hooks[] = {SIXTEEN(NAME, boolean, bool)};
static const GucIntAssignHook integer_hooks[] = {SIXTEEN(NAME, integer, int) MORE(NAME, integer, int)};
static const GucStringAssignHook string_hooks[] = {SIXTEEN(NAME, string, const char *)};
static const GucEnumAssignHook enum_hooks[] = {FOUR(NAME, enum, int, 0, 1, 2, 3)};
/* clang-format on */

/* Puts ours before a setting's own hook; each kind of setting has so many places. */
#define PUT_BEFORE(kind, config, used)                                                 \
	do                                                                                 \
	{                                                                                  \
		if ((used) == lengthof(kind##s))                                               \
			elog(ERROR, "twin_security: too many settings to watch");                  \
		kind##s[used].number = number;                                                 \
		kind##s[used].own = ((struct config *) watched[number].setting)->assign_hook;  \
		((struct config *) watched[number].setting)->assign_hook = kind##_hooks[used]; \
		(used)++;                                                                      \
	} while (0)

static void
watch_setting(struct config_generic *setting)
{
	static size_t used[4];
	int number = watched_count;

	if (watched_count == SHARED_SETTINGS)
		elog(ERROR, "twin_security: too many settings to watch");
	watched[number].setting = setting;
	watched[number].number = number;
	/* a command may hold what it is to keep from others */
	watched[number].is_secret = (setting->flags & GUC_SUPERUSER_ONLY) != 0;
	switch (setting->vartype)
	{
		case PGC_BOOL:
			PUT_BEFORE(boolean, config_bool, used[0]);
			break;
		case PGC_INT:
			PUT_BEFORE(integer, config_int, used[1]);
			break;
		case PGC_STRING:
			PUT_BEFORE(string, config_string, used[2]);
			break;
		case PGC_ENUM:
			PUT_BEFORE(enum, config_enum, used[3]);
			break;
		default:
			return;
	}
	watched_count++;
}

/* ---- files ---- */

/* What tells one value from another; of secret ones, too. */
static uint64
hash_of(const Watched *row)
{
	char text[TEXT_SIZE];
	const char *value = text;

	if (row->setting->vartype == PGC_STRING)
		value = *((struct config_string *) row->setting)->variable;
	else
		current_text(row, text);
	return value == NULL ? 1 : hash_bytes_extended((const unsigned char *) value, (int) strlen(value), 0) | 1;
}

/* Whether a value is the cluster's: from a file, or what it is without any. */
static bool
is_clusters(const Watched *row)
{
	return row->setting->source < PGC_S_DATABASE;
}

/* Tells the log of a value that it has not heard of. */
static void
tell_file(AuditDatabase *database, int number)
{
	Watched *row = &watched[number];
	char text[TEXT_SIZE];
	char old[TEXT_SIZE];
	uint64 now = hash_of(row);
	uint64 before;

	if (!is_clusters(row))
		return;
	current_text(row, text);
	before = pg_atomic_read_u64(&database->settings[number]);
	if (before != now)
		shared_note_setting(number, now, text);
	if (before == now || !pg_atomic_compare_exchange_u64(&database->settings[number], &before, now))
		return;
	if (before == 0)
		return;
	/* this process may be younger than the change */
	shared_get_setting(number, before, old);
	tell(row, old, text, "configuration file");
}

static void
tell_files(void)
{
	AuditDatabase *database = is_tellable() ? shared_database() : NULL;

	for (int i = 0; database != NULL && i < watched_count; i++)
		tell_file(database, i);
	file_was_read = false;
}

void
setting_look(void)
{
	if (unlikely(file_was_read))
		tell_files();
}

void
setting_begin(void)
{
	tell_files();
	for (int i = 0; is_tellable() && i < watched_count; i++)
	{
		char value[TEXT_SIZE];

		/* what a database or role was given was recorded when it was; but who comes in with the triggers off says so */
		if (watched[i].setting->source != PGC_S_CLIENT &&
			(is_clusters(&watched[i]) || strcmp(watched[i].setting->name, others[0]) != 0)) /* public: names */
			continue;
		current_text(&watched[i], value);
		tell(&watched[i], "", value, "connect");
	}
}

void
setting_init(void)
{
	int count;
	struct config_generic **settings = compat_settings(&count);

	for (int i = 0; i < (int) lengthof(others); i++)
	{
		struct config_generic *setting = compat_find_setting_if_any(others[i]);

		if (setting != NULL)
			watch_setting(setting);
	}
	others_count = watched_count;
	for (int i = 0; i < count; i++)
		if (strncmp(settings[i]->name, PREFIX, strlen(PREFIX)) == 0 && /* public: names of settings */
			settings[i]->context != PGC_POSTMASTER && settings[i]->context != PGC_INTERNAL &&
			!(settings[i]->flags & GUC_NO_SHOW_ALL))
			watch_setting(settings[i]);
}
