/*
 * planned.h
 *		What tests of the planner share: the fixture's schema, requests from texts, and the one property every
 *		statement must have: outside of quotes there is no word but ours and the catalog's.
 */
#ifndef TEST_PLANNED_H
#define TEST_PLANNED_H

#include "gateway/plan/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The schema of fixture.sql as schema_query() yields it; NULL when the file is not where tests run. */
static inline Schema *
planned_schema(void)
{
	static const char *const places[] = {"test/gateway/fixture.json", "../gateway/fixture.json"};
	static char json[1 << 20];
	const char *why;

	for (int i = 0; i < 2; i++)
	{
		FILE *file = fopen(places[i], "r");
		size_t length;

		if (file == NULL)
			continue;
		length = fread(json, 1, sizeof(json), file);
		(void) fclose(file);
		return schema_read(json, length, &why);
	}
	return NULL;
}

typedef struct Planned
{
	Arena *arena;
	bool ok;
	Plan plan;
	Problem problem;
	PlanLimits limits;
} Planned;

typedef struct Asked
{
	Method method;
	const char *path; /* "clients", "rpc/add", "" */
	const char *query;
	const char *prefer;
	const char *accept;
	const char *type;
	const char *body;
	size_t body_length; /* 0: to its end */
} Asked;

/* Reads and plans a request; free the arena. */
static inline Planned
planned_request(const Schema *schema, const Asked *asked, PlanLimits limits)
{
	Planned planned = {.arena = arena_new(), .limits = limits};
	Query query = {0};
	Preferences prefer = {0};
	RowRange range = {0};
	Body body = {0};
	ApiRequest request = {.method = asked->method, .schema = "test", .name = asked->path, .path = asked->path, .query = &query,
						  .prefer = &prefer, .range = &range, .body = &body};
	const char *text = asked->query != NULL ? asked->query : "";
	const char *data = asked->body != NULL ? asked->body : "";

	request.target = asked->path[0] == '\0' ? TARGET_ROOT : strncmp(asked->path, "rpc/", 4) == 0 ? TARGET_ROUTINE : TARGET_RELATION;
	if (request.target == TARGET_ROUTINE)
		request.name += 4;
	request.accepts = accept_read(planned.arena, asked->accept, &request.accept_count);
	planned.ok = query_read(planned.arena, text, strlen(text), request.target == TARGET_ROUTINE && asked->method != METHOD_POST, &query,
							&planned.problem) &&
				 prefer_read(planned.arena, &asked->prefer, asked->prefer != NULL, &prefer, &planned.problem) &&
				 body_read(planned.arena, content_type_read(planned.arena, asked->type), data,
						   asked->body_length > 0 ? asked->body_length : strlen(data), &body, &planned.problem) &&
				 plan_request(planned.arena, schema, &planned.limits, &request, &planned.plan, &planned.problem);
	return planned;
}

/* Skips a quoted part; NULL when it does not end. */
static inline const char *
planned_skip(const char *at, bool escapes)
{
	char quote = *at++;

	for (; *at != '\0'; at++)
	{
		if (escapes && *at == '\\' && at[1] != '\0')
			at++;
		else if (*at == quote && at[1] == quote)
			at++;
		else if (*at == quote)
			return at + 1;
	}
	return NULL;
}

/* Whether a word outside of quotes may stand in a statement: keywords, catalog functions, aliases of ours, the fixture's types. */
static inline bool
planned_word(const char *word, size_t length)
{
	static const char words[] =
		" select from where and or not as is null distinct true false unknown join left lateral on group by order asc desc nulls first last "
		"limit offset case when then else end exists insert into values default update set delete returning conflict do nothing excluded "
		"with materialized ordinality any all like ilike in variadic cast explain format json text analyze verbose settings buffers wal "
		"having coalesce nullif limit k h c p n s r name place letter value relname relnamespace nspname relkind relispartition oid proname "
		"pronamespace prokind body headers status total count location inserted pgrst_scalar e st_asgeojson "
		"pg_catalog int4 int8 float8 timestamptz bpchar numeric json_agg row_to_json json_strip_nulls json_build_object json_object_keys "
		"json_to_record json_to_recordset json_array_elements jsonb jsonb_to_record jsonb_build_object jsonb_array_elements to_jsonb "
		"to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery regconfig string_agg concat replace substr length max "
		"min sum avg set_config current_setting upper regexp_replace encode convert_to regexp_split_to_table operator nextval regclass "
		"pg_class pg_namespace pg_proc has_any_column_privilege has_table_privilege has_function_privilege "
		"integer test color short character varying double precision tsvector int4range date bytea xml ";
	char wanted[64];

	if (length > 5 && strncmp(word, "twin_", 5) == 0)
	{
		for (size_t i = 5; i < length; i++)
		{
			if (!islower((unsigned char) word[i]) && !isdigit((unsigned char) word[i]) && word[i] != '_')
				return false;
		}
		return true;
	}
	if (length > 40)
		return false;
	wanted[0] = ' ';
	for (size_t i = 0; i < length; i++)
		wanted[i + 1] = (char) tolower((unsigned char) word[i]);
	wanted[length + 1] = ' ';
	wanted[length + 2] = '\0';
	return strstr(words, wanted) != NULL;
}

/* Whether a statement is one statement of known words, with all parameters there; what is wrong goes to standard error. */
static inline bool
planned_sane(const char *sql, int parameters)
{
	int depth = 0;

	for (const char *at = sql; *at != '\0';)
	{
		if (*at == '"' || *at == '\'')
		{
			const char *end = planned_skip(at, *at == '\'' && at > sql && at[-1] == 'E');

			if (end == NULL)
			{
				fprintf(stderr, "a quote does not end: %.60s\n", at);
				return false;
			}
			at = end;
		}
		else if (isalpha((unsigned char) *at) || *at == '_')
		{
			const char *start = at;

			while (isalnum((unsigned char) *at) || *at == '_')
				at++;
			if (!planned_word(start, (size_t) (at - start)))
			{
				fprintf(stderr, "a foreign word: %.60s\n", start);
				return false;
			}
		}
		else if (*at == '$')
		{
			long number = strtol(at + 1, (char **) &at, 10);

			if (number < 1 || number > parameters)
			{
				fprintf(stderr, "no parameter $%ld\n", number);
				return false;
			}
		}
		else if (strchr(" .,()*:=<>~@&|+-[]0123456789", *at) == NULL || strncmp(at, "--", 2) == 0)
		{
			fprintf(stderr, "a foreign character: %.60s\n", at);
			return false;
		}
		else
		{
			depth += (*at == '(') - (*at == ')');
			if (depth < 0)
				return false;
			at++;
		}
	}
	return depth == 0;
}

#endif /* TEST_PLANNED_H */
