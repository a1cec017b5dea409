/*
 * claim_map.c
 *		The JSON that an administrator gives with a verification key.
 *
 * A name is taken whole, dots and all, because issuers use URLs as names; a
 * claim inside of others is given as an array of names: ["realm_access",
 * "roles"].  "require" is the whole list: without "exp" in it a token need not
 * expire; a map without "require" asks for exp alone.
 */
#include "claims.h"

#include "strictjson.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH 3
#define VALUES 256

static bool
is_name(const json_t *value, size_t most)
{
	size_t length = json_string_length(value);

	return json_is_string(value) && length > 0 && length <= most;
}

/* Reads an array of names without repetition; false when it is anything else. */
static bool
read_names(const json_t *array, const char **names, int most, size_t length_most, int *count)
{
	if (!json_is_array(array) || json_array_size(array) > (size_t) most)
		return false;
	*count = 0;
	for (size_t i = 0; i < json_array_size(array); i++)
	{
		const json_t *value = json_array_get(array, i);

		if (!is_name(value, length_most))
			return false;
		names[(*count)++] = json_string_value(value);
	}
	return true;
}

static bool
read_path(const json_t *value, ClaimPath *path)
{
	path->count = 0;
	if (json_is_null(value))
		return true;
	if (is_name(value, CLAIM_TEXT_MAX))
	{
		path->names[path->count++] = json_string_value(value);
		return true;
	}
	return read_names(value, path->names, CLAIM_PATH_MAX, CLAIM_TEXT_MAX, &path->count) && path->count > 0;
}

static bool
read_role_is(const json_t *value, ClaimMap *map)
{
	const char *text = json_string_value(value);

	map->role_is_database = text != NULL && strcmp(text, "database") == 0;
	return map->role_is_database || (text != NULL && strcmp(text, "twin") == 0);
}

static bool
read_required(const json_t *value, ClaimMap *map)
{
	if (!read_names(value, map->required, CLAIM_REQUIRED_MAX, CLAIM_TEXT_MAX, &map->required_count))
		return false;
	map->needs_expiry = false;
	for (int i = 0; i < map->required_count; i++)
		if (strcmp(map->required[i], "exp") == 0)
			map->needs_expiry = true;
	return true;
}

static bool
read_leeway(const json_t *value, ClaimMap *map)
{
	json_int_t seconds = json_integer_value(value);

	map->leeway = (int) seconds;
	return json_is_integer(value) && seconds >= 0 && seconds <= CLAIM_LEEWAY_MAX;
}

static bool
read_member(const char *name, const json_t *value, ClaimMap *map)
{
	if (strcmp(name, "user") == 0)
		return read_path(value, &map->user);
	if (strcmp(name, "role") == 0)
		return read_path(value, &map->role);
	if (strcmp(name, "tenant") == 0)
		return read_path(value, &map->tenant);
	if (strcmp(name, "role_is") == 0)
		return read_role_is(value, map);
	if (strcmp(name, "roles") == 0)
	{
		map->lists_roles = true;
		return read_names(value, map->roles, CLAIM_ROLES_MAX, CLAIM_ROLE_MAX, &map->role_count);
	}
	if (strcmp(name, "require") == 0)
		return read_required(value, map);
	return strcmp(name, "leeway") == 0 && read_leeway(value, map);
}

Status
claim_map_read(const char *text, size_t length, ClaimMap **map)
{
	json_t *root;
	ClaimMap *made;
	const char *name;
	json_t *value;

	if (length > CLAIM_MAP_TEXT_MAX)
		return TSEC_CLAIM_MAP;
	root = strictjson_object(text, length, DEPTH, VALUES);
	if (root == NULL)
		return strictjson_failure(TSEC_CLAIM_MAP);
	made = calloc(1, sizeof(ClaimMap));
	if (made == NULL)
	{
		json_decref(root);
		return TSEC_NO_MEMORY;
	}
	made->text = root;
	made->user = (ClaimPath){{"sub"}, 1};
	made->role = (ClaimPath){{"role"}, 1};
	made->tenant = (ClaimPath){{"tenant_id"}, 1};
	made->needs_expiry = true;
	made->leeway = -1;
	json_object_foreach(root, name, value)
	{
		if (!read_member(name, value, made))
		{
			claim_map_free(made);
			return TSEC_CLAIM_MAP;
		}
	}
	*map = made;
	return TSEC_OK;
}

void
claim_map_free(ClaimMap *map)
{
	if (map == NULL)
		return;
	json_decref(map->text);
	free(map);
}
