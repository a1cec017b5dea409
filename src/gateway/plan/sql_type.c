/*
 * sql_type.c
 *		Types, as a client writes them after ::.
 *
 * A type is a name SQL's grammar knows, or one or two names, which are quoted;
 * then numbers or names in brackets, and array bounds.  Nothing else passes.
 */
#include "gateway/plan/sql.h"

#include <ctype.h>
#include <string.h>

#define NAME_BYTES_MAX 1024 /* of a type's name as written */
#define ARRAY_BOUNDS_MAX 6

/* Names that only SQL's grammar knows; quoted they would mean another type or none. */
static const char *const grammar_types[][2] = {
	{"int", "int4"},
	{"integer", "int4"},
	{"bigint", "int8"},
	{"smallint", "int2"},
	{"real", "float4"},
	{"float", "float8"},
	{"double precision", "float8"},
	{"decimal", "numeric"},
	{"dec", "numeric"},
	{"boolean", "bool"},
	{"character varying", "varchar"},
	{"char varying", "varchar"},
	{"character", "bpchar"},
	{"char", "bpchar"},
	{"bit varying", "varbit"},
	{"timestamp with time zone", "timestamptz"},
	{"timestamp without time zone", "timestamp"},
	{"time with time zone", "timetz"},
	{"time without time zone", "time"},
};

static bool
is_word_byte(unsigned char c, bool first)
{
	return isalpha(c) || c == '_' || c >= 0x80 || (!first && (isdigit(c) || c == '$'));
}

/* Copies words up to a bracket, folded, with one blank between them and none around. */
static const char *
read_words(const char *at, char *words)
{
	size_t length = strlen(words);

	for (; *at != '\0' && strchr("()[]", *at) == NULL; at++)
	{
		if (*at == ' ' && (length == 0 || words[length - 1] == ' '))
			continue;
		if (length == 0 && words[0] != '\0')
			continue;
		words[length++] = (char) tolower((unsigned char) *at);
	}
	while (length > 0 && words[length - 1] == ' ')
		length--;
	words[length] = '\0';
	return at;
}

/* Writes name or schema.name, each quoted; false for anything else. */
static bool
put_type_name(Sql *sql, const char *words)
{
	int parts = 0;

	for (size_t i = 0; i < sizeof(grammar_types) / sizeof(grammar_types[0]); i++)
	{
		if (strcmp(grammar_types[i][0], words) == 0)
		{
			sql_put(sql, "pg_catalog.");
			sql_name(sql, grammar_types[i][1]);
			return true;
		}
	}
	do
	{
		const char *start = words;

		while (is_word_byte((unsigned char) *words, words == start))
			words++;
		if (words == start || ++parts > 2)
			return false;
		sql_put(sql, parts == 2 ? "." : "");
		sql_name(sql, arena_copy(sql->job->arena, start, (size_t) (words - start)));
	} while (*words++ == '.');
	return words[-1] == '\0';
}

/* Writes "(10, 2)" or "(name)"; the text begins behind the opening bracket.  NULL when it is neither. */
static const char *
put_modifiers(Sql *sql, const char *at)
{
	sql_put(sql, "(");
	for (;;)
	{
		const char *start;

		while (*at == ' ')
			at++;
		start = at;
		if (isdigit((unsigned char) *at))
		{
			while (isdigit((unsigned char) *at))
				at++;
			text_add(&sql->text, start, (size_t) (at - start));
		}
		else
		{
			while (is_word_byte((unsigned char) *at, at == start))
				at++;
			sql_name(sql, arena_copy(sql->job->arena, start, (size_t) (at - start)));
		}
		while (*at == ' ')
			at++;
		if (at == start || (*at != ',' && *at != ')'))
			return NULL;
		sql_put(sql, *at == ',' ? ", " : ")");
		if (*at++ == ')')
			return at;
	}
}

/* Writes a type; false when it is none. */
static bool
put_type(Sql *sql, const char *type)
{
	char words[NAME_BYTES_MAX] = "";
	const char *modifiers = NULL;
	const char *at;
	int bounds = 0;

	if (strlen(type) >= NAME_BYTES_MAX / 2)
		return false;
	at = read_words(type, words);
	if (*at == '(')
	{
		modifiers = at + 1;
		at = strchr(at, ')');
		if (at == NULL)
			return false;
		if (at[1] == ' ')
			strcat(words, " ");
		at = read_words(at + 1, words); /* timestamp(3) with time zone */
	}
	if (!put_type_name(sql, words))
		return false;
	if (modifiers != NULL && put_modifiers(sql, modifiers) == NULL)
		return false;
	if (modifiers == NULL && (strcmp(words, "char") == 0 || strcmp(words, "character") == 0))
		sql_put(sql, "(1)");
	for (; *at == '['; at++)
	{
		at++;
		while (isdigit((unsigned char) *at))
			at++;
		if (*at != ']' || ++bounds > ARRAY_BOUNDS_MAX)
			return false;
		sql_put(sql, "[]");
	}
	return *at == '\0';
}

bool
sql_cast_is_safe(Arena *arena, const char *cast)
{
	Job job = {.arena = arena};
	Sql scratch;

	if (cast == NULL)
		return true;
	sql_begin(&scratch, &job);
	return put_type(&scratch, cast);
}

void
sql_cast_begin(Sql *sql, const char *cast)
{
	if (cast != NULL)
		sql_put(sql, "CAST(");
}

/* Resolving has asked sql_cast_is_safe() for every cast, so this always writes a whole type. */
void
sql_cast_end(Sql *sql, const char *cast)
{
	if (cast == NULL)
		return;
	sql_put(sql, " AS ");
	(void) put_type(sql, cast);
	sql_put(sql, ")");
}
