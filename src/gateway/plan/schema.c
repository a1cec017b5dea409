/*
 * schema.c
 *		From the catalog's JSON to the schema cache.
 *
 * The JSON comes from schema_query(), over a connection of our own: it is
 * checked so that a gateway newer or older than its statement says why instead
 * of crashing, not against an enemy.
 */
#include "gateway/plan/model.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct Reader
{
	Arena *arena;
	const char *why;
} Reader;

static const char *
text_of(Reader *reader, const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? arena_string(reader->arena, text) : NULL;
}

/* A member that must be there. */
static const char *
name_of(Reader *reader, const json_t *object, const char *name)
{
	const char *text = text_of(reader, object, name);

	if (text == NULL)
		reader->why = arena_format(reader->arena, "the catalog's JSON has no \"%s\"", name);
	return text != NULL ? text : "";
}

static long long
number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static bool
flag_of(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

/* A list that must be there. */
static const json_t *
list_of(Reader *reader, const json_t *object, const char *name)
{
	const json_t *list = json_object_get(object, name);

	if (!json_is_array(list))
		reader->why = arena_format(reader->arena, "the catalog's JSON has no list \"%s\"", name);
	return list;
}

static int *
numbers_of(Reader *reader, const json_t *object, const char *name, int *count)
{
	const json_t *list = json_object_get(object, name);
	int *numbers = arena_alloc(reader->arena, (json_array_size(list) + 1) * sizeof(*numbers));

	*count = (int) json_array_size(list);
	for (int i = 0; i < *count; i++)
		numbers[i] = (int) json_integer_value(json_array_get(list, (size_t) i));
	return numbers;
}

static const char **
texts_of(Reader *reader, const json_t *object, const char *name, int *count)
{
	const json_t *list = json_object_get(object, name);
	const char **texts = arena_alloc(reader->arena, (json_array_size(list) + 1) * sizeof(*texts));

	*count = 0;
	for (size_t i = 0; i < json_array_size(list); i++)
	{
		const char *text = json_string_value(json_array_get(list, i));

		if (text != NULL)
			texts[(*count)++] = arena_string(reader->arena, text);
	}
	return texts;
}

/* Computed columns of a relation: functions of one row of it that yield no rows. */
static int
add_computed(Reader *reader, const json_t *computed, long long oid, Column *columns)
{
	int count = 0;

	for (size_t i = 0; i < json_array_size(computed); i++)
	{
		const json_t *one = json_array_get(computed, i);

		if (number_of(one, "table") != oid || flag_of(one, "set") || !json_is_null(json_object_get(one, "other")))
			continue;
		if (columns != NULL)
			columns[count] = (Column){.name = name_of(reader, one, "name"),
									  .type = name_of(reader, one, "type"),
									  .base = name_of(reader, one, "type"),
									  .nullable = true,
									  .generated = true,
									  .is_computed = true};
		count++;
	}
	return count;
}

static void
read_relation(Reader *reader, const json_t *one, const json_t *computed, Relation *relation)
{
	const json_t *columns = list_of(reader, one, "columns");
	int updates = (int) number_of(one, "updates");

	relation->schema = name_of(reader, one, "schema");
	relation->name = name_of(reader, one, "name");
	relation->comment = text_of(reader, one, "comment");
	relation->oid = number_of(one, "oid");
	relation->kind = name_of(reader, one, "kind")[0];
	relation->updatable = (updates & 1 << 2) != 0; /* 1 << CMD_UPDATE and so on */
	relation->insertable = (updates & 1 << 3) != 0;
	relation->deletable = (updates & 1 << 4) != 0;
	relation->real_count = (int) json_array_size(columns);
	relation->column_count = relation->real_count + add_computed(reader, computed, relation->oid, NULL);
	relation->columns = arena_alloc(reader->arena, ((size_t) relation->column_count + 1) * sizeof(Column));
	for (int i = 0; i < relation->real_count; i++)
	{
		const json_t *from = json_array_get(columns, (size_t) i);
		Column *column = &relation->columns[i];

		column->number = (int) number_of(from, "number");
		column->name = name_of(reader, from, "name");
		column->type = name_of(reader, from, "type");
		column->base = name_of(reader, from, "base");
		column->fallback = text_of(reader, from, "default");
		column->comment = text_of(reader, from, "comment");
		column->nullable = flag_of(from, "nullable");
		column->generated = flag_of(from, "generated");
		column->labels = texts_of(reader, from, "enum", &column->label_count);
	}
	add_computed(reader, computed, relation->oid, relation->columns + relation->real_count);
	model_index_columns(reader->arena, relation);
}

/* Types that take a length to mean one when it is not said. */
static const char *
any_length(const char *type)
{
	if (strcmp(type, "character") == 0)
		return "character varying";
	if (strcmp(type, "character[]") == 0)
		return "character varying[]";
	if (strcmp(type, "bit") == 0)
		return "bit varying";
	if (strcmp(type, "bit[]") == 0)
		return "bit varying[]";
	return type;
}

/* Whether a routine can be called with names for its arguments, or with one that has none. */
static bool
is_callable(const Routine *routine)
{
	static const char *const bodies[] = {"bytea", "json", "jsonb", "text", "xml"};
	int unnamed = 0;

	for (int i = 0; i < routine->argument_count; i++)
		unnamed += routine->arguments[i].name[0] == '\0';
	if (unnamed == 0)
		return true;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
	{
		if (routine->argument_count == 1 && strcmp(routine->arguments[0].type, bodies[i]) == 0)
			return true;
	}
	return false;
}

/* SET clauses: the isolation level apart, the rest as names and values. */
static void
read_settings(Reader *reader, const json_t *one, Routine *routine)
{
	int count;
	int kept = 0;
	const char **settings = texts_of(reader, one, "settings", &count);

	if (count == 0)
		return;
	routine->settings = arena_alloc(reader->arena, (2 * (size_t) count + 1) * sizeof(char *));
	for (int i = 0; i < count; i++)
	{
		const char *equals = strchr(settings[i], '=');
		const char *name;

		if (equals == NULL)
			continue;
		name = arena_copy(reader->arena, settings[i], (size_t) (equals - settings[i]));
		if (strcmp(name, "default_transaction_isolation") == 0)
		{
			routine->isolation = equals + 1;
			continue;
		}
		routine->settings[kept++] = name;
		routine->settings[kept++] = equals + 1;
	}
	if (kept == 0)
		routine->settings = NULL;
}

static const Relation *
relation_of_oid(const Schema *schema, long long oid)
{
	for (int i = 0; oid > 0 && i < schema->relation_count; i++)
	{
		if (schema->relations[i].oid == oid)
			return &schema->relations[i];
	}
	return NULL;
}

static bool
read_routine(Reader *reader, const Schema *schema, const json_t *one, Routine *routine)
{
	const json_t *arguments = json_object_get(one, "arguments");
	const char *base = name_of(reader, one, "base");
	const char *domain = text_of(reader, one, "domain");
	Argument *list = arena_alloc(reader->arena, (json_array_size(arguments) + 1) * sizeof(Argument));

	*routine = (Routine){.schema = name_of(reader, one, "schema"),
						 .name = name_of(reader, one, "name"),
						 .comment = text_of(reader, one, "comment"),
						 .arguments = list,
						 .argument_count = (int) json_array_size(arguments),
						 .returns_set = flag_of(one, "set"),
						 .returns_row = flag_of(one, "row"),
						 .returns_void = strcmp(base, "void") == 0,
						 .return_type = name_of(reader, one, "returns"),
						 .returns_bytes = strcmp(base, "bytea") == 0,
						 .volatility = name_of(reader, one, "volatility")[0]};
	for (int i = 0; i < routine->argument_count; i++)
	{
		const json_t *from = json_array_get(arguments, (size_t) i);

		list[i] = (Argument){.name = name_of(reader, from, "name"),
							 .type = any_length(name_of(reader, from, "type")),
							 .is_required = flag_of(from, "required"),
							 .is_variadic = flag_of(from, "variadic")};
		routine->required_count += list[i].is_required;
	}
	if (domain != NULL && strchr(domain, '/') != NULL && !routine->returns_row)
		routine->media = domain;
	routine->relation = relation_of_oid(schema, number_of(one, "relation"));
	read_settings(reader, one, routine);
	return is_callable(routine);
}

static int
compare_routines(const void *a, const void *b)
{
	const Routine *one = a;
	const Routine *two = b;
	int order = strcmp(one->schema, two->schema);

	if (order == 0)
		order = strcmp(one->name, two->name);
	return order != 0 ? order : one->argument_count - two->argument_count;
}

static void
read_facts(Reader *reader, const json_t *root, Facts *facts)
{
	const json_t *keys = list_of(reader, root, "keys");
	const json_t *foreign = list_of(reader, root, "foreign_keys");
	const json_t *views = list_of(reader, root, "views");
	const json_t *computed = list_of(reader, root, "computed");
	Origin *origins = malloc(ORIGINS_MAX * sizeof(*origins));

	facts->keys = arena_alloc(reader->arena, (json_array_size(keys) + 1) * sizeof(KeyFact));
	facts->foreign = arena_alloc(reader->arena, (json_array_size(foreign) + 1) * sizeof(ForeignFact));
	facts->views = arena_alloc(reader->arena, (json_array_size(views) + 1) * sizeof(ViewFact));
	facts->computed = arena_alloc(reader->arena, (json_array_size(computed) + 1) * sizeof(ComputedFact));
	for (size_t i = 0; i < json_array_size(keys); i++)
	{
		const json_t *one = json_array_get(keys, i);
		KeyFact *key = &facts->keys[facts->key_count++];

		*key = (KeyFact){.table = number_of(one, "table"), .is_primary = flag_of(one, "primary")};
		key->numbers = numbers_of(reader, one, "columns", &key->count);
	}
	for (size_t i = 0; i < json_array_size(foreign); i++)
	{
		const json_t *one = json_array_get(foreign, i);
		ForeignFact *key = &facts->foreign[facts->foreign_count++];
		int others;

		*key = (ForeignFact){
			.name = name_of(reader, one, "name"), .table = number_of(one, "table"), .other = number_of(one, "other")};
		key->numbers = numbers_of(reader, one, "columns", &key->count);
		key->other_numbers = numbers_of(reader, one, "other_columns", &others);
		if (others != key->count || key->count < 1)
			reader->why = "a foreign key whose columns do not pair up";
	}
	for (size_t i = 0; i < json_array_size(views) && origins != NULL; i++)
	{
		const json_t *one = json_array_get(views, i);
		const char *rule = json_string_value(json_object_get(one, "rule"));
		ViewFact *view = &facts->views[facts->view_count++];

		*view = (ViewFact){.oid = number_of(one, "oid"), .count = rule != NULL ? origin_read(rule, origins) : 0};
		view->origins = arena_alloc(reader->arena, ((size_t) view->count + 1) * sizeof(Origin));
		memcpy(view->origins, origins, (size_t) view->count * sizeof(Origin));
	}
	for (size_t i = 0; i < json_array_size(computed); i++)
	{
		const json_t *one = json_array_get(computed, i);

		if (number_of(one, "other") == 0)
			continue;
		facts->computed[facts->computed_count++] = (ComputedFact){.schema = name_of(reader, one, "schema"),
																  .name = name_of(reader, one, "name"),
																  .table = number_of(one, "table"),
																  .other = number_of(one, "other"),
																  .is_single = flag_of(one, "single")};
	}
	free(origins);
}

/* Fills a schema; false and why in the reader. */
static bool
read_all(Reader *reader, const json_t *root, Schema *schema)
{
	const json_t *relations = list_of(reader, root, "relations");
	const json_t *routines = list_of(reader, root, "routines");
	Facts facts = {0};

	schema->relations = arena_alloc(reader->arena, (json_array_size(relations) + 1) * sizeof(Relation));
	for (size_t i = 0; i < json_array_size(relations); i++)
		read_relation(reader, json_array_get(relations, i), json_object_get(root, "computed"),
					  &schema->relations[schema->relation_count++]);
	schema->routines = arena_alloc(reader->arena, (json_array_size(routines) + 1) * sizeof(Routine));
	for (size_t i = 0; i < json_array_size(routines); i++)
		schema->routine_count +=
			read_routine(reader, schema, json_array_get(routines, i), &schema->routines[schema->routine_count]);
	qsort(schema->routines, (size_t) schema->routine_count, sizeof(Routine), compare_routines);
	model_index(schema);
	read_facts(reader, root, &facts);
	if (reader->why != NULL)
		return false;
	relate(schema, &facts);
	return true;
}

Schema *
schema_read(const char *json, size_t length, const char **why)
{
	Arena *arena = arena_new();
	Reader reader = {.arena = arena};
	Schema *schema = arena_alloc(arena, sizeof(*schema));
	json_error_t error;
	json_t *root = json_loadb(json, length, 0, &error);

	schema->arena = arena;
	schema->references = 1;
	if (json_is_object(root) && read_all(&reader, root, schema))
	{
		json_decref(root);
		return schema;
	}
	*why = reader.why != NULL && strncmp(reader.why, "a foreign", 9) == 0
			   ? "the catalog's JSON has a foreign key whose columns do not pair up"
			   : "the catalog's JSON is not what the statement yields";
	json_decref(root);
	arena_free(arena);
	return NULL;
}

Schema *
schema_hold(Schema *schema)
{
	__atomic_add_fetch(&schema->references, 1, __ATOMIC_RELAXED);
	return schema;
}

void
schema_release(Schema *schema)
{
	if (schema != NULL && __atomic_sub_fetch(&schema->references, 1, __ATOMIC_ACQ_REL) == 0)
		arena_free(schema->arena);
}

int
schema_relation_count(const Schema *schema)
{
	return schema->relation_count;
}

int
schema_relationship_count(const Schema *schema)
{
	return schema->relationship_count;
}

int
schema_routine_count(const Schema *schema)
{
	return schema->routine_count;
}
