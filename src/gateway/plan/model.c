/*
 * model.c
 *		Looking names up in the schema cache: open hashes, half full at most.
 */
#include "gateway/plan/model.h"

#include <string.h>

/* FNV-1a: the names in the tables are the database's own, so nobody can make them collide from outside. */
static unsigned
hash_name(const char *in, const char *name)
{
	unsigned hash = 2166136261u;

	for (; *in != '\0'; in++)
		hash = (hash ^ (unsigned char) *in) * 16777619u;
	hash = (hash ^ '.') * 16777619u;
	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char) *name) * 16777619u;
	return hash ^ hash >> 15;
}

void
model_names(Arena *arena, NameTable *table, int count)
{
	unsigned size = 2;

	while (size < 2 * (unsigned) count)
		size *= 2;
	table->slots = arena_alloc(arena, size * sizeof(*table->slots));
	table->mask = size - 1;
	for (unsigned i = 0; i < size; i++)
		table->slots[i] = -1;
}

/* Puts an index in the first free slot of its name. */
static void
insert_name(NameTable *table, const char *in, const char *name, int index)
{
	unsigned slot = hash_name(in, name) & table->mask;

	while (table->slots[slot] >= 0)
		slot = (slot + 1) & table->mask;
	table->slots[slot] = index;
}

void
model_index_columns(Arena *arena, Relation *relation)
{
	model_names(arena, &relation->column_names, relation->column_count);
	for (int i = 0; i < relation->column_count; i++)
		insert_name(&relation->column_names, "", relation->columns[i].name, i);
}

static bool
same_routine_name(const Routine *a, const Routine *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->schema, b->schema) == 0;
}

void
model_index(Schema *schema)
{
	model_names(schema->arena, &schema->relation_names, schema->relation_count);
	for (int i = 0; i < schema->relation_count; i++)
		insert_name(&schema->relation_names, schema->relations[i].schema, schema->relations[i].name, i);
	model_names(schema->arena, &schema->routine_names, schema->routine_count);
	for (int i = 0; i < schema->routine_count; i++)
	{
		if (i == 0 || !same_routine_name(&schema->routines[i - 1], &schema->routines[i]))
			insert_name(&schema->routine_names, schema->routines[i].schema, schema->routines[i].name, i);
	}
}

const Relation *
model_relation(const Schema *schema, const char *in, const char *name)
{
	unsigned slot = hash_name(in, name) & schema->relation_names.mask;
	int index;

	while ((index = schema->relation_names.slots[slot]) >= 0)
	{
		const Relation *relation = &schema->relations[index];

		if (strcmp(relation->name, name) == 0 && strcmp(relation->schema, in) == 0)
			return relation;
		slot = (slot + 1) & schema->relation_names.mask;
	}
	return NULL;
}

const Column *
model_column(const Relation *relation, const char *name)
{
	unsigned slot;
	int index;

	if (relation == NULL)
		return NULL;
	slot = hash_name("", name) & relation->column_names.mask;
	while ((index = relation->column_names.slots[slot]) >= 0)
	{
		if (strcmp(relation->columns[index].name, name) == 0)
			return &relation->columns[index];
		slot = (slot + 1) & relation->column_names.mask;
	}
	return NULL;
}

bool
model_routines(const Schema *schema, const char *in, const char *name, const Routine **first, int *count)
{
	unsigned slot = hash_name(in, name) & schema->routine_names.mask;
	int index;

	while ((index = schema->routine_names.slots[slot]) >= 0)
	{
		const Routine *routine = &schema->routines[index];

		if (strcmp(routine->name, name) == 0 && strcmp(routine->schema, in) == 0)
		{
			*first = routine;
			*count = 1;
			while (index + *count < schema->routine_count && same_routine_name(routine, routine + *count))
				(*count)++;
			return true;
		}
		slot = (slot + 1) & schema->routine_names.mask;
	}
	return false;
}

bool
model_same_names(const char *const *a, int a_count, const char *const *b, int b_count)
{
	if (a_count != b_count)
		return false;
	for (int i = 0; i < a_count; i++)
	{
		bool found = false;

		for (int j = 0; j < b_count && !found; j++)
			found = strcmp(a[i], b[j]) == 0;
		if (!found)
			return false;
	}
	return true;
}
