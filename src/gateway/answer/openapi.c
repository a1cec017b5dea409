/*
 * openapi.c
 *		Puts the OpenAPI document together.
 */
#include "gateway/answer/openapi.h"

#include "common/strictjson.h"
#include "gateway/answer/openapi_part.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8
#define MIME_TYPES                                                                                               \
	"application/json", "application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json", \
		"text/csv"

/* Adds scheme, host with port, and base path: the proxy's where one is configured (config_check has judged its form). */
static bool
add_place(json_t *document, Arena *arena, const OpenapiPlace *place)
{
	bool is_tls = place->is_tls;
	const char *host = place->host;
	const char *base = "/";

	if (place->proxy_uri != NULL)
	{
		const char *authority = strstr(place->proxy_uri, "://");
		size_t length;

		is_tls = strncmp(place->proxy_uri, "https", 5) == 0;
		authority = authority == NULL ? place->proxy_uri : authority + 3;
		length = strcspn(authority, "/");
		base = authority[length] == '\0' ? "/" : authority + length;
		host = arena_copy(arena, authority, length);
		if (strrchr(host, ':') == NULL || strchr(host, ']') > strrchr(host, ':'))
			host = arena_format(arena, "%s:%d", host, is_tls ? 443 : 80);
	}
	else
	{
		if (host == NULL || host[0] == '*' || host[0] == '!')
			host = "0.0.0.0";
		host = arena_format(arena, strchr(host, ':') == NULL ? "%s:%d" : "[%s]:%d", host, place->port);
	}
	return json_object_set_new(document, "host", json_string(host)) == 0 &&
		   json_object_set_new(document, "basePath", json_string(base)) == 0 &&
		   json_object_set_new(document, "schemes", json_pack("[s]", is_tls ? "https" : "http")) == 0;
}

/* The schema's comment: its first line is the title. */
static bool
add_info(json_t *document, const json_t *description, const OpenapiPlace *place)
{
	const char *comment = part_text(description, "description");
	size_t line = comment == NULL ? 0 : strcspn(comment, "\n");
	const char *rest = comment == NULL ? "" : comment + line + strspn(comment + line, "\n");
	json_t *info = json_pack("{s:s, s:s}", "version", place->version, "description",
							 comment == NULL ? "This is a dynamic API generated from a database schema" : rest);

	if (info == NULL ||
		json_object_set_new(info, "title",
							comment == NULL ? json_string("PostgREST API") : json_stringn(comment, line)) != 0)
	{
		json_decref(info);
		return false;
	}
	return json_object_set_new(document, "info", info) == 0;
}

static bool
add_security(json_t *document)
{
	return json_object_set_new(document, "securityDefinitions",
							   json_pack("{s:{s:s, s:s, s:s, s:s}}", "JWT", "type", "apiKey", "in", "header", "name",
										 "Authorization", "description",
										 "Add the token prepending \"Bearer \" (without quotes) to it")) == 0 &&
		   json_object_set_new(document, "security", json_pack("[{s:[]}]", "JWT")) == 0;
}

static bool
add_relations(json_t *document, Arena *arena, const json_t *relations)
{
	json_t *paths = json_object_get(document, "paths");
	json_t *definitions = json_object_get(document, "definitions");
	json_t *parameters = json_object_get(document, "parameters");
	json_t *relation;
	size_t i;

	json_array_foreach(relations, i, relation)
	{
		const char *name = part_text(relation, "name");

		if (name == NULL ||
			json_object_set_new(paths, arena_format(arena, "/%s", name), part_relation_path(relation)) != 0 ||
			json_object_set_new(definitions, name, part_definition(relation)) != 0 ||
			!part_add_relation_parameters(parameters, relation))
			return false;
	}
	return true;
}

static bool
add_routines(json_t *document, Arena *arena, const json_t *routines)
{
	json_t *paths = json_object_get(document, "paths");
	json_t *routine;
	size_t i;

	json_array_foreach(routines, i, routine)
	{
		const char *name = part_text(routine, "name");

		if (name == NULL ||
			json_object_set_new(paths, arena_format(arena, "/rpc/%s", name), part_routine_path(routine)) != 0)
			return false;
	}
	return true;
}

static json_t *
document_of(Arena *arena, const json_t *description, const OpenapiPlace *place)
{
	json_t *document = json_pack("{s:s, s:[s, s, s, s], s:[s, s, s, s], s:{}, s:{}, s:{}, s:{s:s, s:s}}", "swagger",
								 "2.0", "consumes", MIME_TYPES, "produces", MIME_TYPES, "paths", "definitions",
								 "parameters", "externalDocs", "description", "PostgREST Documentation", "url",
								 "https://docs.postgrest.org/en/stable/references/api.html");

	if (document != NULL && add_place(document, arena, place) && add_info(document, description, place) &&
		(!place->security_active || add_security(document)) &&
		json_object_set_new(json_object_get(document, "paths"), "/", part_root_path()) == 0 &&
		part_add_common_parameters(json_object_get(document, "parameters")) &&
		add_relations(document, arena, json_object_get(description, "relations")) &&
		add_routines(document, arena, json_object_get(description, "routines")))
		return document;
	json_decref(document);
	return NULL;
}

const char *
openapi_document(Arena *arena, const char *json, size_t length, const OpenapiPlace *place, size_t *document_length)
{
	json_t *description = strictjson_object(json, length, DEPTH_MAX, UINT_MAX);
	json_t *document = NULL;
	const char *answer = NULL;

	if (json_is_array(json_object_get(description, "relations")) &&
		json_is_array(json_object_get(description, "routines")))
		document = document_of(arena, description, place);
	if (document != NULL)
	{
		char *text = json_dumps(document, JSON_COMPACT);

		if (text != NULL)
		{
			*document_length = strlen(text);
			answer = arena_copy(arena, text, *document_length);
		}
		free(text);
	}
	json_decref(document);
	json_decref(description);
	return answer;
}
