/*
 * schema_fuzz.c
 *		The catalog's JSON, and the rules of views that stand in it: what is read has
 *		names where names must be, relationships between its own relations whose
 *		columns pair up, and can be planned on; what is not says why.
 */
#define FUZZ_LENGTH_MAX 16384
#include "fuzz.h"

#include "../gateway/planned.h"
#include "gateway/plan/model.h"

static bool
is_of(const Schema *schema, const Relation *relation)
{
	return relation >= schema->relations && relation < schema->relations + schema->relation_count;
}

static void
check_columns(const Relation *relation, const char **columns, int count)
{
	MUST(count >= 0);
	for (int i = 0; i < count; i++)
		MUST(columns[i] != NULL && model_column(relation, columns[i]) != NULL);
}

static void
check_relation(const Schema *schema, const Relation *relation)
{
	MUST(relation->schema != NULL && relation->name != NULL && relation->real_count <= relation->column_count);
	MUST(model_relation(schema, relation->schema, relation->name) != NULL);
	for (int i = 0; i < relation->column_count; i++)
		MUST(relation->columns[i].name != NULL && model_column(relation, relation->columns[i].name) != NULL);
	check_columns(relation, relation->key, relation->key_count);
	for (int i = 0; i < relation->relationship_count; i++)
	{
		const Relationship *way = relation->relationships[i];

		MUST(way->from == relation && is_of(schema, way->to));
		MUST(way->is_computed || way->count >= 1);
		MUST((way->cardinality == MANY_TO_MANY) == (way->through != NULL));
		check_columns(way->from, way->own, way->count);
		if (way->through == NULL)
			check_columns(way->to, way->other, way->count);
		else
		{
			MUST(is_of(schema, way->through));
			check_columns(way->through, way->through_own, way->count);
			check_columns(way->through, way->through_other, way->count2);
			check_columns(way->to, way->other2, way->count2);
		}
	}
}

/* A request for a relation with what it is related to; whether it can be had is the planner's to say. */
static void
plan(const Schema *schema, const Relation *relation)
{
	char query[300];
	Asked asked = {.method = METHOD_GET, .path = relation->name, .query = query};
	Planned planned;

	if (relation->name[0] == '\0' || strncmp(relation->name, "rpc/", 4) == 0)
		return;
	(void) snprintf(query, sizeof(query), "select=*,%.100s(*)&limit=1",
					relation->relationship_count > 0 ? relation->relationships[0]->to->name : "a");
	planned = planned_request(schema, &asked, (PlanLimits){.aggregates = true});
	MUST(planned.ok || (planned.problem.status >= 300 && planned.problem.message != NULL));
	arena_free(planned.arena);
}

static void
check_origins(const char *rule)
{
	static Origin origins[ORIGINS_MAX];
	int count = origin_read(rule, origins);

	MUST(count >= 0 && count <= ORIGINS_MAX);
	for (int i = 0; i < count; i++)
		MUST(origins[i].number > 0 && origins[i].table > 0 && origins[i].column > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = fuzz_copy(data, size);
	char *text = fuzz_memory(size + 1);
	const char *why = NULL;
	Schema *schema = schema_read(exact, size, &why);

	if (schema == NULL)
		MUST(why != NULL);
	else
	{
		MUST(schema_relation_count(schema) == schema->relation_count);
		for (int i = 0; i < schema->relation_count; i++)
			check_relation(schema, &schema->relations[i]);
		for (int i = 0; i < schema->relation_count; i++)
			plan(schema, &schema->relations[i]);
		schema_release(schema);
	}
	memcpy(text, data, size);
	text[size] = '\0';
	check_origins(text);
	free(text);
	free(exact);
	return 0;
}
