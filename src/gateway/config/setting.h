/*
 * setting.h
 *		One row for every setting: what --help prints, what the example file
 *		documents, what a value may be.
 *
 * Whoever adds a setting adds a field to Config and a row to setting_table.c,
 * which is sorted by name; reading, writing and the help follow the rows.
 */
#ifndef GATEWAY_SETTING_H
#define GATEWAY_SETTING_H

#include "gateway/config/config.h"

#define SETTING_VALUE_MAX 8192 /* bytes of any value */
#define SETTING_LIST_MAX 256   /* items of a list */
#define SETTING_NAME_MAX 96    /* bytes of any name */
#define SETTINGS_MAX 128       /* rows of the table */

typedef enum SettingKind
{
	SETTING_TEXT,       /* const char *; NULL when empty */
	SETTING_LIST,       /* const char **: by comma, ends with NULL */
	SETTING_ORIGINS,    /* const char **: scheme://host[:port], as browsers write them */
	SETTING_BOOLEAN,    /* bool */
	SETTING_NUMBER,     /* int */
	SETTING_COUNT,      /* int64_t */
	SETTING_DURATION,   /* int, milliseconds; a bare number is seconds */
	SETTING_SIZE,       /* int, bytes */
	SETTING_LARGE_SIZE, /* int64_t, bytes */
	SETTING_MODE,       /* int: permissions in octal */
	SETTING_WORD,       /* const char *: one of words */
	SETTING_CHOICE      /* an enum: the place among words */
} SettingKind;

typedef struct Setting
{
	const char *name;
	const char *alias;    /* an older name PostgREST knows; NULL none */
	const char *variable; /* of the environment, besides PGRST_NAME and TWIN_GATEWAY_NAME; NULL none */
	SettingKind kind;
	size_t offset; /* in Config */
	int64_t least; /* of numbers, milliseconds, bytes, permissions */
	int64_t most;
	const char *words[5]; /* ends with NULL */
	const char *standard; /* what holds when nobody says anything, as the file would say it; "" is nothing */
	bool is_secret;       /* printed as stars */
	const char *description;
} Setting;

/* A name of PostgREST's that means nothing here. */
typedef struct ForeignSetting
{
	const char *name;
	bool is_refused; /* because whoever wrote it relies on it; otherwise a warning */
	const char *why;
} ForeignSetting;

extern const Setting *setting_at(int index); /* NULL behind the last */
extern const Setting *setting_find(const char *name);
extern const ForeignSetting *setting_find_foreign(const char *name);

/* The known name that is most like another; NULL when none is. */
extern const char *setting_nearest(const char *name);

/* Reads a value into its field.  False and why it cannot be; why may live in the arena. */
extern bool setting_read(Arena *arena, const Setting *setting, const char *value, Config *config, const char **why);

/* Writes a setting's value as the file has it. */
extern void setting_write(const Setting *setting, const Config *config, FILE *to);

/* Writes a text in the file's quotes. */
extern void setting_write_text(const char *text, FILE *to);

/* What fields say together: complaints and warnings, each a line.  False when there is a complaint. */
extern bool config_check(const Config *config, FILE *errors);

/* ---- the file ---- */

/* One "name = value". */
typedef struct ConfigLine
{
	struct ConfigLine *next;
	int number; /* from 1 */
	const char *name;
	const char *value; /* without quotes, escapes resolved */
} ConfigLine;

/*
 * Reads the text of a file: no I/O but for complaints, which begin with
 * "place:line: ".  The lines that could be read are given even then.  False
 * when there was a complaint.
 */
extern bool config_file_parse(Arena *arena, const char *place, const char *data, size_t length, ConfigLine **lines,
							  FILE *errors);

#endif /* GATEWAY_SETTING_H */
