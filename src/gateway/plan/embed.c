/*
 * embed.c
 *		Which relationship an embedding means, by PostgREST's rules: the other
 *		relation's name, the foreign key's name or its only column; a hint
 *		narrows it to a key, a column of either side or the junction.
 */
#include "gateway/plan/tree.h"

#include <string.h>

#define LEAST_SIMILAR 0.34

/* Whether a foreign key has one column, and it is this one. */
static bool
is_column(const Relationship *link, const char **columns, const char *name)
{
	return link->cardinality != MANY_TO_MANY && !link->is_computed && link->count == 1 &&
		   strcmp(columns[0], name) == 0;
}

static bool
is_constraint(const Relationship *link, const char *name)
{
	return link->cardinality != MANY_TO_MANY && !link->is_computed && strcmp(link->constraint, name) == 0;
}

static bool
is_view(const Relation *relation)
{
	return relation->kind == 'v' || relation->kind == 'm';
}

static bool
matches_hint(const Relationship *link, const char *hint)
{
	return is_constraint(link, hint) || is_column(link, link->own, hint) || is_column(link, link->other, hint) ||
		   (link->cardinality == MANY_TO_MANY && strcmp(link->through->name, hint) == 0);
}

static bool
matches(const Relationship *link, const char *target, const char *hint)
{
	bool by_name;

	if (link->is_computed)
		return strcmp(link->function, target) == 0;
	by_name = strcmp(link->to->name, target) == 0;
	if (link->is_self)
	{
		/* of the two ways of one key, the relation's name means the many, the column's name the one */
		if (hint == NULL)
			return (by_name && link->cardinality == ONE_TO_MANY) ||
				   (link->cardinality == MANY_TO_ONE && is_column(link, link->own, target));
		return by_name && link->cardinality == ONE_TO_MANY && is_column(link, link->other, hint);
	}
	if (hint != NULL)
		return by_name && matches_hint(link, hint);
	return by_name || (!is_view(link->to) && (is_constraint(link, target) || is_column(link, link->own, target)));
}

static void
put_columns(Text *text, const char *before, const char **columns, int count)
{
	text_put(text, before);
	text_char(text, '(');
	for (int i = 0; i < count; i++)
		text_format(text, "%s%s", i > 0 ? ", " : "", columns[i]);
	text_char(text, ')');
}

static void
put_member(Text *text, const char *name, const char *value)
{
	text_json(text, name);
	text_char(text, ':');
	text_json(text, value);
}

/* One way of several, as details show it. */
static void
describe(Arena *arena, Text *details, const Relationship *link)
{
	static const char *const names[] = {"one-to-many", "many-to-one", "one-to-one", "many-to-many"};
	Text how;

	text_begin(&how, arena);
	if (link->cardinality == MANY_TO_MANY)
	{
		text_format(&how, "%s using %s", link->through->name, link->constraint);
		put_columns(&how, "", link->through_own, link->count);
		text_format(&how, " and %s", link->constraint2);
		put_columns(&how, "", link->through_other, link->count2);
	}
	else
	{
		text_format(&how, "%s using %s", link->constraint, link->from->name);
		put_columns(&how, "", link->own, link->count);
		text_format(&how, " and %s", link->to->name);
		put_columns(&how, "", link->other, link->count);
	}
	text_char(details, '{');
	put_member(details, "cardinality", names[link->cardinality]);
	text_char(details, ',');
	put_member(details, "embedding", arena_format(arena, "%s with %s", link->from->name, link->to->name));
	text_char(details, ',');
	put_member(details, "relationship", how.data);
	text_char(details, '}');
}

static const Relationship *
ambiguous(Job *job, const Relation *from, const SelectItem *item, const Relationship **found, int count)
{
	Text details;
	Text hint;

	text_begin(&details, job->arena);
	text_begin(&hint, job->arena);
	text_char(&details, '[');
	text_format(&hint, "Try changing '%s' to one of the following: ", item->relation);
	for (int i = 0; i < count; i++)
	{
		const Relationship *link = found[i];

		text_put(&details, i > 0 ? "," : "");
		describe(job->arena, &details, link);
		text_format(&hint, "%s'%s!%s'", i > 0 ? ", " : "", link->to->name,
					link->cardinality == MANY_TO_MANY ? link->through->name : link->constraint);
	}
	text_char(&details, ']');
	text_put(&hint, ". Find the desired relationship in the 'details' key.");
	problem_set(job->problem, 300, "PGRST201",
				arena_format(job->arena,
							 "Could not embed because more than one relationship was found for '%s' and '%s'",
							 from->name, item->relation),
				details.data, hint.data);
	job->problem->details_are_json = true;
	return NULL;
}

typedef struct Neighbours
{
	const Relation *from;
	const char *target;
} Neighbours;

/* Names one hop away; the one asked for is skipped, for then the hint was wrong. */
static const char *
next_neighbour(const void *list, int index)
{
	const Neighbours *neighbours = list;
	const char *name;

	if (index >= neighbours->from->relationship_count)
		return NULL;
	name = neighbours->from->relationships[index]->to->name;
	return strcmp(name, neighbours->target) == 0 ? "" : name;
}

static const Relationship *
not_found(Job *job, const char *from_name, const Relation *from, const SelectItem *item)
{
	const char *schema = job->request->schema;
	const char *hint = item->hint != NULL ? arena_format(job->arena, " using the hint '%s'", item->hint) : "";
	const char *similar = NULL;

	if (from != NULL)
		similar = similar_name(item->relation, LEAST_SIMILAR, next_neighbour,
							   &(Neighbours){.from = from, .target = item->relation});
	problem_set(job->problem, 400, "PGRST200",
				arena_format(job->arena, "Could not find a relationship between '%s' and '%s' in the schema cache",
							 from_name, item->relation),
				arena_format(job->arena,
							 "Searched for a foreign key relationship between '%s' and '%s'%s in the schema '%s', "
							 "but no matches were found.",
							 from_name, item->relation, hint, schema),
				similar != NULL
					? arena_format(job->arena, "Perhaps you meant '%s' instead of '%s'.", similar, item->relation)
					: NULL);
	return NULL;
}

/* The relationship an item of select means from here; NULL and PGRST200 or PGRST201. */
const Relationship *
resolve_link(Job *job, const Node *parent, const SelectItem *item)
{
	const Relation *from = parent->relation;
	const Relationship **found;
	int count = 0;

	if (from == NULL)
		return not_found(job, parent->name, NULL, item);
	found = arena_alloc(job->arena, ((size_t) from->relationship_count + 1) * sizeof(*found));
	for (int i = 0; i < from->relationship_count; i++)
	{
		const Relationship *link = from->relationships[i];
		const char *schema = link->is_computed ? link->function_schema : link->to->schema;

		if (matches(link, item->relation, item->hint) && strcmp(schema, job->request->schema) == 0)
			found[count++] = link;
	}
	if (count == 0)
		return not_found(job, from->name, from, item);
	if (count > 1)
		return ambiguous(job, from, item, found, count);
	return found[0];
}
