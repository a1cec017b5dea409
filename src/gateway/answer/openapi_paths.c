/*
 * openapi_paths.c
 *		Operations, and the parameters they share by reference.
 */
#include "gateway/answer/openapi_part.h"

#include <stdio.h>
#include <string.h>

#define NAME_SIZE 320 /* "rowFilter." and two identifiers of 63 bytes, or what a stranger says in their place */

typedef struct CommonParameter
{
	const char *name; /* in the document */
	const char *header_or_query;
	const char *called; /* in the request */
	const char *description;
	const char *choices[5];
} CommonParameter;

static const CommonParameter common_parameters[] = {
	{"preferParams", "header", "Prefer", "Preference", {"params=single-object"}},
	{"preferReturn", "header", "Prefer", "Preference", {"return=representation", "return=minimal", "return=none"}},
	{"preferCount", "header", "Prefer", "Preference", {"count=none"}},
	{"preferPost",
	 "header",
	 "Prefer",
	 "Preference",
	 {"return=representation", "return=minimal", "return=none", "resolution=ignore-duplicates",
	  "resolution=merge-duplicates"}},
	{"select", "query", "select", "Filtering Columns", {NULL}},
	{"on_conflict", "query", "on_conflict", "On Conflict", {NULL}},
	{"order", "query", "order", "Ordering", {NULL}},
	{"range", "header", "Range", "Limiting and Pagination", {NULL}},
	{"rangeUnit", "header", "Range-Unit", "Limiting and Pagination", {NULL}},
	{"offset", "query", "offset", "Limiting and Pagination", {NULL}},
	{"limit", "query", "limit", "Limiting and Pagination", {NULL}},
};

bool
part_add_common_parameters(json_t *parameters)
{
	for (size_t i = 0; i < sizeof(common_parameters) / sizeof(common_parameters[0]); i++)
	{
		const CommonParameter *common = &common_parameters[i];
		json_t *parameter =
			json_pack("{s:s, s:s, s:b, s:s, s:s}", "name", common->called, "description", common->description,
					  "required", 0, "in", common->header_or_query, "type", "string");

		if (common->choices[0] != NULL)
		{
			json_t *choices = json_pack("[]");

			for (int choice = 0; choice < 5 && common->choices[choice] != NULL; choice++)
				(void) json_array_append_new(choices, json_string(common->choices[choice]));
			if (json_object_set_new(parameter, "enum", choices) != 0)
			{
				json_decref(parameter);
				return false;
			}
		}
		if (strcmp(common->name, "rangeUnit") == 0 &&
			json_object_set_new(parameter, "default", json_string("items")) != 0)
		{
			json_decref(parameter);
			return false;
		}
		if (json_object_set_new(parameters, common->name, parameter) != 0)
			return false;
	}
	return true;
}

/* "#/definitions/" or "#/parameters/" and a name, escaped as a JSON pointer needs it (RFC 6901, 3). */
static json_t *
reference(const char *where, const char *name)
{
	char text[2 * NAME_SIZE + 32];
	size_t length = (size_t) snprintf(text, sizeof(text), "#/%s/", where);

	for (; *name != '\0' && length + 3 < sizeof(text); name++)
	{
		if (*name == '~' || *name == '/')
		{
			text[length++] = '~';
			text[length++] = *name == '~' ? '0' : '1';
		}
		else
			text[length++] = *name;
	}
	if (*name != '\0')
		return NULL;
	text[length] = '\0';
	return json_pack("{s:s}", "$ref", text);
}

/* "body.units", "rowFilter.units.id"; false when it does not fit. */
static bool
join(char *to, const char *kind, const char *relation, const char *column)
{
	int length = column == NULL ? snprintf(to, NAME_SIZE, "%s.%s", kind, relation)
								: snprintf(to, NAME_SIZE, "%s.%s.%s", kind, relation, column);

	return length > 0 && length < NAME_SIZE;
}

bool
part_add_relation_parameters(json_t *parameters, const json_t *relation)
{
	const char *name = part_text(relation, "name");
	char full[NAME_SIZE];
	json_t *column;
	json_t *body;
	size_t i;

	if (name == NULL || !join(full, "body", name, NULL))
		return false;
	body = json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", name, "description", name, "required", 0, "in", "body",
					 "schema", reference("definitions", name));
	if (json_object_set_new(parameters, full, body) != 0)
		return false;
	json_array_foreach(json_object_get(relation, "columns"), i, column)
	{
		const char *called = part_text(column, "name");
		const char *description = part_text(column, "description");
		json_t *filter;

		if (called == NULL || !join(full, "rowFilter", name, called))
			return false;
		filter = json_pack("{s:s, s:b, s:s, s:s}", "name", called, "required", 0, "in", "query", "type", "string");
		if (description != NULL && json_object_set_new(filter, "description", json_string(description)) != 0)
		{
			json_decref(filter);
			return false;
		}
		if (json_object_set_new(parameters, full, filter) != 0)
			return false;
	}
	return true;
}

/* The first line of a comment is the summary, what follows (without empty lines between) the description. */
static bool
add_comment(json_t *operation, const char *comment)
{
	size_t line;
	const char *rest;

	if (comment == NULL)
		return true;
	line = strcspn(comment, "\n");
	rest = comment + line + strspn(comment + line, "\n");
	return json_object_set_new(operation, "summary", json_stringn(comment, line)) == 0 &&
		   (*rest == '\0' || json_object_set_new(operation, "description", json_string(rest)) == 0);
}

/* An operation on a relation: its tag, comment, the one good answer, and parameters by reference. */
static json_t *
relation_operation(const json_t *relation, const char *status, const char *meaning, bool has_filters, bool has_body,
				   const char *const *common)
{
	const char *name = part_text(relation, "name");
	json_t *operation = json_pack("{s:[s], s:[], s:{s:{s:s}}}", "tags", name, "parameters", "responses", status,
								  "description", meaning);
	json_t *parameters = json_object_get(operation, "parameters");
	json_t *column;
	char full[NAME_SIZE];
	size_t i;
	bool is_good = operation != NULL && add_comment(operation, part_text(relation, "description"));

	json_array_foreach(json_object_get(relation, "columns"), i, column)
	{
		const char *called = part_text(column, "name");

		if (has_filters)
			is_good = is_good && called != NULL && join(full, "rowFilter", name, called) &&
					  json_array_append_new(parameters, reference("parameters", full)) == 0;
	}
	if (has_body)
		is_good = is_good && join(full, "body", name, NULL) &&
				  json_array_append_new(parameters, reference("parameters", full)) == 0;
	for (; *common != NULL; common++)
		is_good = is_good && json_array_append_new(parameters, reference("parameters", *common)) == 0;
	if (is_good)
		return operation;
	json_decref(operation);
	return NULL;
}

json_t *
part_root_path(void)
{
	return json_pack("{s:{s:[s], s:s, s:[s, s], s:{s:{s:s}}}}", "get", "tags", "Introspection", "summary",
					 "OpenAPI description (this document)", "produces", "application/openapi+json",
					 "application/json", "responses", "200", "description", "OK");
}

static bool
allows(const json_t *relation, const char *what)
{
	return json_is_true(json_object_get(relation, what));
}

json_t *
part_relation_path(const json_t *relation)
{
	static const char *const get[] = {"select", "order", "range",       "rangeUnit",
									  "offset", "limit", "preferCount", NULL};
	static const char *const post[] = {"select", "preferPost", NULL};
	static const char *const change[] = {"preferReturn", NULL};
	const char *name = part_text(relation, "name");
	json_t *path = json_pack("{}");
	json_t *read;
	bool is_good;

	if (name == NULL)
	{
		json_decref(path);
		return NULL;
	}
	read = relation_operation(relation, "200", "OK", true, false, get);
	is_good = json_object_set_new(path, "get", read) == 0;
	if (is_good)
	{
		json_t *answers = json_object_get(read, "responses");

		is_good = json_object_set_new(
					  json_object_get(answers, "200"), "schema",
					  json_pack("{s:s, s:o}", "type", "array", "items", reference("definitions", name))) == 0 &&
				  json_object_set_new(answers, "206", json_pack("{s:s}", "description", "Partial Content")) == 0;
	}
	if (allows(relation, "insert"))
		is_good =
			is_good &&
			json_object_set_new(path, "post", relation_operation(relation, "201", "Created", false, true, post)) == 0;
	if (allows(relation, "update"))
		is_good = is_good &&
				  json_object_set_new(path, "patch",
									  relation_operation(relation, "204", "No Content", true, true, change)) == 0;
	if (allows(relation, "delete"))
		is_good = is_good &&
				  json_object_set_new(path, "delete",
									  relation_operation(relation, "204", "No Content", true, false, change)) == 0;
	if (is_good)
		return path;
	json_decref(path);
	return NULL;
}

static json_t *
routine_operation(const json_t *routine)
{
	char tag[NAME_SIZE];
	json_t *operation;
	int length = snprintf(tag, sizeof(tag), "(rpc) %s", part_text(routine, "name"));

	if (length < 0 || (size_t) length >= sizeof(tag))
		return NULL;
	operation = json_pack("{s:[s], s:[s, s, s], s:[], s:{s:{s:s}}}", "tags", tag, "produces", "application/json",
						  "application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json",
						  "parameters", "responses", "200", "description", "OK");
	if (operation != NULL && add_comment(operation, part_text(routine, "description")))
		return operation;
	json_decref(operation);
	return NULL;
}

/* An argument in a query; arrays are written as PostgreSQL does, but those of a variadic one are repeated. */
static json_t *
query_argument(const json_t *argument)
{
	const char *name = part_text(argument, "name");
	const char *type = part_text(argument, "type");
	const char *openapi = type == NULL ? NULL : part_type(type);
	int required = json_is_true(json_object_get(argument, "required"));
	char element[NAME_SIZE];

	if (name == NULL || type == NULL || strlen(type) >= sizeof(element))
		return NULL;
	if (json_is_true(json_object_get(argument, "variadic")) && openapi != NULL && strcmp(openapi, "array") == 0)
	{
		memcpy(element, type, strlen(type) - 2);
		element[strlen(type) - 2] = '\0';
		openapi = part_type(element);
		return json_pack("{s:s, s:b, s:s, s:s, s:s, s:{s:s, s:s}}", "name", name, "required", required, "in", "query",
						 "type", "array", "collectionFormat", "multi", "items", "type",
						 openapi == NULL ? "string" : openapi, "format", element);
	}
	if (openapi == NULL || strcmp(openapi, "array") == 0)
		openapi = "string";
	return json_pack("{s:s, s:b, s:s, s:s, s:s}", "name", name, "required", required, "in", "query", "type", openapi,
					 "format", type);
}

json_t *
part_routine_path(const json_t *routine)
{
	json_t *path;
	json_t *get;
	json_t *post;
	json_t *argument;
	size_t i;
	bool is_good;

	if (part_text(routine, "name") == NULL)
		return NULL;
	path = json_pack("{}");
	post = routine_operation(routine);
	is_good = json_object_set_new(path, "post", post) == 0 &&
			  json_object_set_new(post, "parameters",
								  json_pack("[{s:s, s:b, s:s, s:o}, o]", "name", "args", "required", 1, "in", "body",
											"schema", part_arguments(routine),
											reference("parameters", "preferParams"))) == 0;
	if (is_good && json_is_false(json_object_get(routine, "volatile")))
	{
		get = routine_operation(routine);
		is_good = json_object_set_new(path, "get", get) == 0;
		json_array_foreach(json_object_get(routine, "parameters"), i, argument)
		{
			is_good =
				is_good && json_array_append_new(json_object_get(get, "parameters"), query_argument(argument)) == 0;
		}
	}
	if (is_good)
		return path;
	json_decref(path);
	return NULL;
}
