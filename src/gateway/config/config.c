/*
 * config.c
 *		Reads the configuration: the file, then the environment, which wins.
 *
 * A name is PGRST_NAME or TWIN_GATEWAY_NAME in the environment; two ways of
 * saying one thing that differ are an error, since one of them would be lost.
 * No complaint quotes a value: one of them is the way into the database.
 */
#include "gateway/config/setting.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_FILE_MAX ((size_t) 1 << 20)
#define APP_PREFIX "app.settings."
#define APP_NAME_MAX 63

/* Where the value of a setting was said. */
typedef struct Said
{
	const char *place;
	const char *value;
	bool in_environment;
} Said;

typedef struct Reading
{
	Arena *arena;
	Config *config;
	FILE *errors;
	bool failed;
	Said said[SETTINGS_MAX]; /* as setting_at() */
} Reading;

__attribute__((format(printf, 3, 4))) static void
complain(Reading *reading, const char *place, const char *format, ...)
{
	va_list arguments;

	reading->failed = true;
	fprintf(reading->errors, "%s: ", place);
	va_start(arguments, format);
	vfprintf(reading->errors, format, arguments);
	va_end(arguments);
	fputc('\n', reading->errors);
}

/* The whole of a regular file; NULL and why.  Says whether others than its owner and group may read it. */
static char *
read_whole(Arena *arena, const char *path, size_t *length, bool *is_open, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	char *data = NULL;

	*why = NULL;
	*length = 0;
	if (fd < 0)
	{
		*why = arena_string(arena, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &status) != 0)
		*why = arena_string(arena, strerror(errno));
	else if (!S_ISREG(status.st_mode))
		*why = "not a regular file";
	else if ((uintmax_t) status.st_size > CONFIG_FILE_MAX)
		*why = "larger than 1 MB";
	else
	{
		*is_open = (status.st_mode & S_IROTH) != 0;
		data = arena_alloc(arena, (size_t) status.st_size + 1);
		while (*length < (size_t) status.st_size)
		{
			ssize_t got = read(fd, data + *length, (size_t) status.st_size - *length);

			if (got < 0 && errno == EINTR)
				continue;
			if (got < 0)
				*why = arena_string(arena, strerror(errno));
			if (got <= 0)
				break;
			*length += (size_t) got;
		}
	}
	(void) close(fd);
	return *why == NULL ? data : NULL;
}

/* The place of a setting in the table. */
static int
index_of(const Setting *setting)
{
	return (int) (setting - setting_at(0));
}

/* app.settings.NAME becomes a setting of the database's transaction, so NAME is what the server takes for one. */
static bool
is_app_name(const char *name)
{
	bool begins = true;

	if (name[0] == '\0' || strlen(name) > APP_NAME_MAX)
		return false;
	for (; *name != '\0'; name++)
	{
		bool is_letter = isalpha((unsigned char) *name) || *name == '_';

		if (!is_letter && (begins || (!isdigit((unsigned char) *name) && *name != '$' && *name != '.')))
			return false;
		begins = *name == '.';
	}
	return !begins;
}

/* The environment comes after the file, so a second value of a name takes the place of the first. */
static void
say_app(Reading *reading, const char *place, const char *name, const char *value)
{
	ConfigPair **pair = &reading->config->app_settings;

	if (!is_app_name(name))
	{
		complain(reading, place, "the name behind " APP_PREFIX " must be letters, digits and _ with dots between");
		return;
	}
	if (strlen(value) > SETTING_VALUE_MAX)
	{
		complain(reading, place, APP_PREFIX "%s: the value is too long", name);
		return;
	}
	while (*pair != NULL && strcmp((*pair)->name, name) != 0)
		pair = &(*pair)->next;
	if (*pair == NULL)
		*pair = arena_alloc(reading->arena, sizeof(ConfigPair));
	(*pair)->name = arena_string(reading->arena, name);
	(*pair)->value = arena_string(reading->arena, value);
}

/* Takes one name and its value, from wherever. */
static void
say(Reading *reading, const char *place, const char *name, const char *value, bool in_environment)
{
	const Setting *setting = setting_find(name);
	const ForeignSetting *foreign = setting_find_foreign(name);
	const char *nearest;
	Said *said;

	if (strncmp(name, APP_PREFIX, strlen(APP_PREFIX)) == 0)
	{
		say_app(reading, place, name + strlen(APP_PREFIX), value);
		return;
	}
	if (setting == NULL && foreign != NULL)
	{
		if (foreign->is_refused)
			complain(reading, place, "%s has no place here: %s", name, foreign->why);
		else
			fprintf(reading->errors, "warning: %s: %s is ignored: %s\n", place, name, foreign->why);
		return;
	}
	if (setting == NULL)
	{
		nearest = setting_nearest(name);
		complain(reading, place, "unknown name %.96s%s%s%s", name, nearest == NULL ? "" : "; did you mean ",
				 nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
		return;
	}
	said = &reading->said[index_of(setting)];
	if (said->value != NULL && said->in_environment == in_environment && strcmp(said->value, value) != 0)
	{
		complain(reading, place, "%s is also said, and differs, at %s", setting->name, said->place);
		return;
	}
	*said = (Said){arena_string(reading->arena, place), arena_string(reading->arena, value), in_environment};
}

static void
read_file(Reading *reading, const char *file, bool *is_open)
{
	const char *why;
	size_t length;
	ConfigLine *lines;
	char *data = read_whole(reading->arena, file, &length, is_open, &why);

	if (data == NULL)
	{
		complain(reading, file, "cannot be read: %s", why);
		return;
	}
	if (!config_file_parse(reading->arena, file, data, length, &lines, reading->errors))
		reading->failed = true;
	for (; lines != NULL; lines = lines->next)
		say(reading, arena_format(reading->arena, "%s:%d", file, lines->number), lines->name, lines->value, false);
}

/* PGRST_DB_URI becomes db-uri, PGRST_APP_SETTINGS_x app.settings.x; NULL for what is none of ours. */
static const char *
name_of_variable(Arena *arena, const char *variable, size_t length)
{
	static const char *const prefixes[] = {"PGRST_", "TWIN_GATEWAY_"};

	for (int i = 0; setting_at(i) != NULL; i++)
	{
		const char *own = setting_at(i)->variable;

		if (own != NULL && strlen(own) == length && strncmp(own, variable, length) == 0)
			return setting_at(i)->name;
	}
	for (int i = 0; i < 2; i++)
	{
		size_t prefix = strlen(prefixes[i]);
		char *name;

		if (length <= prefix || strncmp(variable, prefixes[i], prefix) != 0)
			continue;
		name = arena_copy(arena, variable + prefix, length - prefix);
		if (strncmp(name, "APP_SETTINGS_", 13) == 0)
			return arena_format(arena, APP_PREFIX "%s", name + 13);
		for (char *letter = name; *letter != '\0'; letter++)
			*letter = (char) (*letter == '_' ? '-' : tolower((unsigned char) *letter));
		return name;
	}
	return NULL;
}

static void
read_environment(Reading *reading, char *const *environment)
{
	for (; environment != NULL && *environment != NULL; environment++)
	{
		const char *equals = strchr(*environment, '=');
		const char *name;
		size_t length;

		if (equals == NULL)
			continue;
		length = (size_t) (equals - *environment);
		name = name_of_variable(reading->arena, *environment, length);
		if (name != NULL)
			say(reading,
				arena_format(reading->arena, "environment variable %.*s", (int) (length > 128 ? 128 : length),
							 *environment),
				name, equals + 1, true);
	}
}

/* db-uri = "@path": the file holds it, with white space around. */
static void
read_uri_file(Reading *reading, const char *place)
{
	const char *why;
	bool is_open = false;
	size_t length;
	char *data = read_whole(reading->arena, reading->config->db_uri + 1, &length, &is_open, &why);
	char *end = data + length;

	if (data == NULL)
	{
		complain(reading, place, "db-uri: the file behind @ cannot be read: %s", why);
		return;
	}
	while (end > data && isspace((unsigned char) end[-1]))
		*--end = '\0';
	while (isspace((unsigned char) *data))
		data++;
	if (*data == '\0' || strlen(data) != (size_t) (end - data) || length > SETTING_VALUE_MAX)
		complain(reading, place, "db-uri: the file behind @ must hold one connection string");
	else
		reading->config->db_uri = data;
	if (is_open)
		fprintf(reading->errors, "warning: %s: everybody on this machine may read the file behind @\n", place);
}

/* Whether a connection string says a password in any of libpq's ways. */
static bool
has_password(const char *uri)
{
	const char *authority = strstr(uri, "://");
	const char *at = authority == NULL ? NULL : strchr(authority + 3, '@');
	const char *colon = authority == NULL ? NULL : strchr(authority + 3, ':');

	return strstr(uri, "password") != NULL || (at != NULL && colon != NULL && colon < at);
}

/* Gives every field what was said for it, or what holds otherwise. */
static void
apply(Reading *reading, bool file_is_open)
{
	for (int i = 0; setting_at(i) != NULL; i++)
	{
		const Setting *setting = setting_at(i);
		const Said *said = &reading->said[i];
		/* an empty value means what no value means, but for a list, which it empties */
		bool is_unsaid = said->value == NULL || (said->value[0] == '\0' && setting->kind != SETTING_LIST);
		const char *place = is_unsaid ? "default" : said->place;
		const char *why;

		if (!setting_read(reading->arena, setting, is_unsaid ? setting->standard : said->value, reading->config,
						  &why))
			complain(reading, place, "%s: %s", setting->name, why);
		else if (setting->offset == offsetof(Config, db_uri) && !is_unsaid)
		{
			if (!said->in_environment && file_is_open && has_password(reading->config->db_uri))
				fprintf(reading->errors,
						"warning: %s: everybody on this machine may read this file with its password\n", place);
			if (reading->config->db_uri[0] == '@')
				read_uri_file(reading, place);
		}
	}
}

bool
config_read(Arena *arena, const char *file, char *const *environment, Config *config, FILE *errors)
{
	Reading *reading = arena_alloc(arena, sizeof(Reading));
	bool file_is_open = false;

	*config = (Config){0};
	*reading = (Reading){.arena = arena, .config = config, .errors = errors};
	if (file != NULL)
		read_file(reading, file, &file_is_open);
	read_environment(reading, environment);
	apply(reading, file_is_open);
	/* what could not be read would be complained of a second time */
	return !reading->failed && config_check(config, errors);
}
