/*
 * sql_call.c
 *		The call of a routine, as what stands behind FROM.
 *
 * Arguments are parameters of the types the routine declares, columns of the
 * body's JSON object (twin_body), or the body itself.
 */
#include "gateway/plan/sql.h"

#include <string.h>

/* The body as the one unnamed argument. */
static void
put_whole_body(Sql *sql)
{
	const Body *body = sql->job->request->body;
	const char *type = sql->job->routine->arguments[0].type;

	if (strcmp(type, "bytea") == 0)
	{
		static const char digits[] = "0123456789abcdef";
		char *hex = arena_alloc(sql->job->arena, 2 * body->raw_length + 3);

		hex[0] = '\\';
		hex[1] = 'x';
		for (size_t i = 0; i < body->raw_length; i++)
		{
			hex[2 + 2 * i] = digits[(unsigned char) body->raw[i] >> 4];
			hex[3 + 2 * i] = digits[(unsigned char) body->raw[i] & 15];
		}
		sql_value(sql, hex, 2 * body->raw_length + 2);
	}
	else if (body->json != NULL)
		sql_value(sql, body->json, body->json_length);
	else
		sql_value(sql, body->raw, body->raw_length);
	sql_put(sql, "::");
	sql_put(sql, type);
}

/* schema.routine(arguments) */
static void
put_call(Sql *sql)
{
	const Job *job = sql->job;

	sql_qualified(sql, job->routine->schema, job->routine->name);
	sql_put(sql, "(");
	if (job->call == CALL_BODY)
		put_whole_body(sql);
	for (int i = 0; i < job->argument_count; i++)
	{
		const Argument *argument = job->arguments[i];

		sql_put(sql, i > 0 ? ", " : "");
		sql_put(sql, argument->is_variadic ? "VARIADIC " : "");
		sql_name(sql, argument->name);
		sql_put(sql, " := ");
		if (job->call == CALL_JSON)
			sql_column(sql, "twin_body", argument->name);
		else
		{
			sql_text(sql, job->values[i]);
			sql_put(sql, "::");
			sql_put(sql, argument->type); /* as the catalog prints it */
		}
	}
	sql_put(sql, ")");
}

/* What a routine's arguments come from, when they are a JSON object's. */
static void
put_arguments(Sql *sql)
{
	const Job *job = sql->job;

	sql_put(sql, "pg_catalog.json_to_record(");
	sql_body(sql, job->request->body->kind == BODY_ARRAY ? "::pg_catalog.json->0" : "::pg_catalog.json");
	sql_put(sql, ") AS twin_body(");
	for (int i = 0; i < job->argument_count; i++)
		sql_member(sql, i == 0, job->arguments[i]->name, job->arguments[i]->type);
	sql_put(sql, ")");
}

/* The call as what stands behind FROM; a value that is no row is the column pgrst_scalar. */
void
sql_call(Sql *sql, const char *alias)
{
	if (sql->job->routine->returns_row)
	{
		if (sql->job->call == CALL_JSON)
		{
			put_arguments(sql);
			sql_put(sql, ", LATERAL ");
		}
		put_call(sql);
	}
	else
	{
		sql_put(sql, "(SELECT ");
		put_call(sql);
		sql_put(sql, " AS pgrst_scalar");
		if (sql->job->call == CALL_JSON)
		{
			sql_put(sql, " FROM ");
			put_arguments(sql);
		}
		sql_put(sql, ")");
	}
	sql_put(sql, " AS ");
	sql_name(sql, alias);
}
