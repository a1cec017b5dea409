/*
 * sql.c
 *		Names, literals, parameters, columns and conditions in SQL.
 *
 * Only plan/sql*.c put SQL together.  Whatever a client wrote goes through
 * sql_name(), sql_literal() or sql_value(), or through the grammar of types
 * (sql_type.c), which lets nothing pass but names and numbers.
 */
#include "gateway/plan/sql.h"

#include <stdlib.h>
#include <string.h>

void
sql_begin(Sql *sql, Job *job)
{
	*sql = (Sql){.job = job, .size = 16};
	text_begin(&sql->text, job->arena);
	sql->parameters = arena_alloc(job->arena, (size_t) sql->size * sizeof(SqlParameter));
}

void
sql_put(Sql *sql, const char *words)
{
	text_put(&sql->text, words);
}

/* Adds a text with one character doubled. */
static void
put_doubled(Sql *sql, const char *text, char special)
{
	const char *found;

	while ((found = strchr(text, special)) != NULL)
	{
		text_add(&sql->text, text, (size_t) (found - text + 1));
		text_char(&sql->text, special);
		text = found + 1;
	}
	text_put(&sql->text, text);
}

/* Adds an identifier, always quoted. */
void
sql_name(Sql *sql, const char *name)
{
	text_char(&sql->text, '"');
	put_doubled(sql, name, '"');
	text_char(&sql->text, '"');
}

void
sql_qualified(Sql *sql, const char *schema, const char *name)
{
	sql_name(sql, schema);
	text_char(&sql->text, '.');
	sql_name(sql, name);
}

/* A column of an alias; "*" is all of them. */
void
sql_column(Sql *sql, const char *alias, const char *name)
{
	sql_name(sql, alias);
	text_char(&sql->text, '.');
	if (strcmp(name, "*") == 0)
		text_char(&sql->text, '*');
	else
		sql_name(sql, name);
}

/* Adds a string constant that means the same whatever standard_conforming_strings is. */
void
sql_literal(Sql *sql, const char *text)
{
	bool escaped = strchr(text, '\\') != NULL;

	sql_put(sql, escaped ? " E'" : "'");
	for (; *text != '\0'; text++)
	{
		if (*text == '\'' || *text == '\\')
			text_char(&sql->text, *text);
		text_char(&sql->text, *text);
	}
	text_char(&sql->text, '\'');
}

/* Adds a parameter whose type the server infers. */
void
sql_value(Sql *sql, const char *value, size_t length)
{
	char digits[16];
	char *at = digits + sizeof(digits);
	unsigned number;

	if (sql->count == sql->size)
	{
		SqlParameter *more = arena_alloc(sql->job->arena, 2 * (size_t) sql->size * sizeof(SqlParameter));

		memcpy(more, sql->parameters, (size_t) sql->count * sizeof(SqlParameter));
		sql->parameters = more;
		sql->size *= 2;
	}
	sql->parameters[sql->count++] = (SqlParameter){.value = value, .length = length};
	*--at = '\0';
	for (number = (unsigned) sql->count; number > 0; number /= 10)
		*--at = (char) ('0' + number % 10);
	*--at = '$';
	sql_put(sql, at);
}

void
sql_text(Sql *sql, const char *value)
{
	sql_value(sql, value, value != NULL ? strlen(value) : 0);
}

void
sql_number(Sql *sql, int64_t value)
{
	sql_text(sql, arena_format(sql->job->arena, "%lld", (long long) value));
}

static bool
is_json(const Column *column)
{
	return column != NULL && (strcmp(column->base, "jsonb") == 0 || strcmp(column->base, "json") == 0);
}

/* Whether a step's key is an index the server takes. */
static bool
is_index(const char *key)
{
	size_t digits = strspn(key + (*key == '-'), "0123456789");

	return digits > 0 && digits < 10 && key[digits + (*key == '-')] == '\0';
}

void
sql_field(Sql *sql, const char *alias, const Relation *relation, const Field *field)
{
	bool converts = field->steps != NULL && !is_json(model_column(relation, field->name));

	if (converts)
		sql_put(sql, "pg_catalog.to_jsonb(");
	sql_column(sql, alias, field->name);
	if (converts)
		sql_put(sql, ")");
	for (const JsonStep *step = field->steps; step != NULL; step = step->next)
	{
		sql_put(sql, step->as_text ? "->>" : "->");
		if (step->is_index && is_index(step->key))
		{
			sql_put(sql, "(");
			sql_put(sql, step->key);
			sql_put(sql, ")");
		}
		else
			sql_literal(sql, step->key);
	}
}

/* The values as one array in PostgreSQL's notation; in.() is the empty one. */
static void
put_array(Sql *sql, const char **values, int count)
{
	Text text;

	text_begin(&text, sql->job->arena);
	text_char(&text, '{');
	for (int i = 0; i < count && !(count == 1 && values[0][0] == '\0'); i++)
	{
		text_put(&text, i > 0 ? ",\"" : "\"");
		for (const char *at = values[i]; *at != '\0'; at++)
		{
			if (*at == '"' || *at == '\\')
				text_char(&text, '\\');
			text_char(&text, *at);
		}
		text_char(&text, '"');
	}
	text_char(&text, '}');
	sql_put(sql, "(");
	sql_value(sql, text.data, text.length);
	sql_put(sql, ")");
}

static void
put_search(Sql *sql, const char *alias, const Relation *relation, const Condition *condition)
{
	static const char *const functions[] = {" @@ pg_catalog.to_tsquery(", " @@ pg_catalog.plainto_tsquery(",
											" @@ pg_catalog.phraseto_tsquery(",
											" @@ pg_catalog.websearch_to_tsquery("};
	const Column *column = model_column(relation, condition->field.name);
	bool converts = condition->field.steps != NULL || column == NULL || strcmp(column->base, "tsvector") != 0;

	if (converts)
	{
		sql_put(sql, "pg_catalog.to_tsvector(");
		if (condition->language != NULL)
		{
			sql_text(sql, condition->language);
			sql_put(sql, "::pg_catalog.regconfig, ");
		}
	}
	sql_field(sql, alias, relation, &condition->field);
	sql_put(sql, converts ? ")" : "");
	sql_put(sql, functions[condition->operator - OPERATOR_FTS]);
	if (condition->language != NULL)
	{
		sql_text(sql, condition->language);
		sql_put(sql, "::pg_catalog.regconfig, ");
	}
	sql_text(sql, condition->value);
	sql_put(sql, ")");
}

/* IS takes words, which no parameter can be. */
static const char *
word_of(const char *value)
{
	static const char *const words[][2] = {{"null", " IS NULL"},
										   {"not_null", " IS NOT NULL"},
										   {"true", " IS TRUE"},
										   {"false", " IS FALSE"},
										   {"unknown", " IS UNKNOWN"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcmp(words[i][0], value) == 0)
			return words[i][1];
	}
	return " IS NULL";
}

void
sql_condition(Sql *sql, const char *alias, const Relation *relation, const Condition *condition)
{
	static const char *const operators[] = {
		[OPERATOR_EQ] = " = ",      [OPERATOR_NEQ] = " <> ",      [OPERATOR_GT] = " > ",
		[OPERATOR_GTE] = " >= ",    [OPERATOR_LT] = " < ",        [OPERATOR_LTE] = " <= ",
		[OPERATOR_LIKE] = " LIKE ", [OPERATOR_ILIKE] = " ILIKE ", [OPERATOR_MATCH] = " ~ ",
		[OPERATOR_IMATCH] = " ~* ", [OPERATOR_IN] = " = ",        [OPERATOR_IS_DISTINCT] = " IS DISTINCT FROM ",
		[OPERATOR_CS] = " @> ",     [OPERATOR_CD] = " <@ ",       [OPERATOR_OV] = " && ",
		[OPERATOR_SL] = " << ",     [OPERATOR_SR] = " >> ",       [OPERATOR_NXR] = " &< ",
		[OPERATOR_NXL] = " &> ",    [OPERATOR_ADJ] = " -|- "};

	sql_put(sql, condition->negated ? "NOT (" : "");
	if (condition->operator>= OPERATOR_FTS)
		put_search(sql, alias, relation, condition);
	else
	{
		sql_field(sql, alias, relation, &condition->field);
		if (condition->operator== OPERATOR_IS)
			sql_put(sql, word_of(condition->value));
		else
		{
			sql_put(sql, operators[condition->operator]);
			if (condition->operator== OPERATOR_IN)
			{
				sql_put(sql, "ANY ");
				put_array(sql, condition->values, condition->value_count);
			}
			else if (condition->quantifier != QUANTIFIER_NONE)
			{
				sql_put(sql, condition->quantifier == QUANTIFIER_ALL ? "ALL (" : "ANY (");
				sql_text(sql, condition->value);
				sql_put(sql, ")");
			}
			else
				sql_text(sql, condition->value);
		}
	}
	sql_put(sql, condition->negated ? ")" : "");
}
