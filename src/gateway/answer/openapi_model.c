/*
 * openapi_model.c
 *		Types: what a relation's rows and a routine's arguments look like.
 */
#include "gateway/answer/openapi_part.h"

#include <stdio.h>
#include <string.h>

#define DESCRIPTION_MAX 16384
#define IDENTIFIER_MAX 256
#define NUMBER_MAX 64 /* digits of a default: nothing nests deep in so little */

const char *
part_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

const char *
part_type(const char *type)
{
	static const struct
	{
		const char *type;
		const char *openapi;
	} known[] = {{"boolean", "boolean"}, {"smallint", "integer"}, {"integer", "integer"},
				 {"bigint", "integer"},  {"numeric", "number"},   {"double precision", "number"},
				 {"real", "number"},     {"json", NULL},          {"jsonb", NULL}};
	size_t length = strlen(type);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		if (strcmp(known[i].type, type) == 0)
			return known[i].openapi;
	}
	return length > 2 && strcmp(type + length - 2, "[]") == 0 ? "array" : "string";
}

/* Adds "type", "items" and "format" of a type. */
static bool
add_type(json_t *schema, const char *type)
{
	const char *openapi = part_type(type);
	char element[IDENTIFIER_MAX];
	json_t *items;

	if (strlen(type) >= sizeof(element) || json_object_set_new(schema, "format", json_string(type)) != 0)
		return false;
	if (openapi == NULL)
		return true;
	if (json_object_set_new(schema, "type", json_string(openapi)) != 0)
		return false;
	if (strcmp(openapi, "array") != 0)
		return true;
	memcpy(element, type, strlen(type) - 2);
	element[strlen(type) - 2] = '\0';
	openapi = part_type(element);
	items = openapi == NULL ? json_pack("{}") : json_pack("{s:s}", "type", openapi);
	return json_object_set_new(schema, "items", items) == 0;
}

/*
 * The value a column has when none is given, where it is a constant: of strings without quotes and cast, of numbers
 * and booleans as they are; what is computed is shown as text for strings and left out for others.
 */
static json_t *
default_of(const char *type, const char *expression)
{
	const char *openapi = part_type(type);
	char value[1024];
	const char *cast;
	size_t length = strlen(expression);

	if (openapi == NULL || strcmp(openapi, "string") != 0)
		return length < NUMBER_MAX ? json_loads(expression, JSON_DECODE_ANY, NULL) : NULL;
	if (length >= sizeof(value))
		return NULL;
	cast = length > strlen(type) + 2 ? expression + length - strlen(type) - 2 : NULL;
	if (cast == NULL || strncmp(cast, "::", 2) != 0 || strcmp(cast + 2, type) != 0)
		return json_string(expression);
	length = (size_t) (cast - expression);
	while (length > 0 && expression[length - 1] == '\'')
		length--;
	while (length > 0 && *expression == '\'')
	{
		expression++;
		length--;
	}
	memcpy(value, expression, length);
	value[length] = '\0';
	return json_string(value);
}

/* A column's comment and what keys it is part of, in the words client generators look for. */
static json_t *
description_of(const json_t *column)
{
	const char *comment = part_text(column, "description");
	const char *table = part_text(column, "table");
	const char *key = part_text(column, "column");
	bool is_primary = json_is_true(json_object_get(column, "primary"));
	char text[DESCRIPTION_MAX];
	int length;

	if (!is_primary && (table == NULL || key == NULL))
		return comment == NULL ? NULL : json_string(comment);
	length = snprintf(text, sizeof(text), "%s%sNote:%s", comment == NULL ? "" : comment,
					  comment == NULL ? "" : "\n\n", is_primary ? "\nThis is a Primary Key.<pk/>" : "");
	if (length > 0 && (size_t) length < sizeof(text) && table != NULL && key != NULL)
		length += snprintf(text + length, sizeof(text) - (size_t) length,
						   "\nThis is a Foreign Key to `%s.%s`.<fk table='%s' column='%s'/>", table, key, table, key);
	/* one that does not fit is left out: half of it may end inside a character */
	return length > 0 && (size_t) length < sizeof(text) ? json_string(text) : NULL;
}

/* Sets a member unless there is nothing to set. */
static bool
set_known(json_t *object, const char *name, json_t *value)
{
	return value == NULL || json_object_set_new(object, name, value) == 0;
}

static json_t *
property_of(const json_t *column)
{
	const char *type = part_text(column, "type");
	const char *expression = part_text(column, "default");
	json_t *length = json_object_get(column, "length");
	json_t *labels = json_object_get(column, "enum");
	json_t *property = json_pack("{}");

	if (type != NULL && property != NULL && set_known(property, "description", description_of(column)) &&
		(expression == NULL || set_known(property, "default", default_of(type, expression))) &&
		(!json_is_array(labels) || json_object_set(property, "enum", labels) == 0) &&
		(!json_is_integer(length) || json_object_set(property, "maxLength", length) == 0) && add_type(property, type))
		return property;
	json_decref(property);
	return NULL;
}

/* An object schema: description, the properties made of a list, and which of them must be there. */
static json_t *
object_of(const json_t *described, const char *list, json_t *(*make)(const json_t *),
		  bool (*is_required)(const json_t *))
{
	const char *description = part_text(described, "description");
	json_t *schema = json_pack("{s:s, s:{}, s:[]}", "type", "object", "properties", "required");
	json_t *properties = json_object_get(schema, "properties");
	json_t *required = json_object_get(schema, "required");
	json_t *item;
	size_t i;
	bool is_good =
		schema != NULL && set_known(schema, "description", description == NULL ? NULL : json_string(description));

	json_array_foreach(json_object_get(described, list), i, item)
	{
		const char *name = part_text(item, "name");

		is_good = is_good && name != NULL && json_object_set_new(properties, name, make(item)) == 0 &&
				  (!is_required(item) || json_array_append_new(required, json_string(name)) == 0);
	}
	/* an empty list of what is required is none (JSON Schema, draft 4) */
	if (is_good && json_array_size(required) == 0)
		is_good = json_object_del(schema, "required") == 0;
	if (is_good)
		return schema;
	json_decref(schema);
	return NULL;
}

static bool
column_is_required(const json_t *column)
{
	return json_is_false(json_object_get(column, "nullable"));
}

static bool
argument_is_required(const json_t *argument)
{
	return json_is_true(json_object_get(argument, "required"));
}

static json_t *
argument_property(const json_t *argument)
{
	const char *type = part_text(argument, "type");
	json_t *property = json_pack("{}");

	if (type != NULL && property != NULL && add_type(property, type))
		return property;
	json_decref(property);
	return NULL;
}

json_t *
part_definition(const json_t *relation)
{
	return object_of(relation, "columns", property_of, column_is_required);
}

json_t *
part_arguments(const json_t *routine)
{
	return object_of(routine, "parameters", argument_property, argument_is_required);
}
