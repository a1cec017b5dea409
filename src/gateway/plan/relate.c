/*
 * relate.c
 *		The relationships that embedding follows, derived as PostgREST derives them.
 *
 * A foreign key is many-to-one (one-to-one when its columns are a key of their
 * table) and the other way round.  A view that shows all columns of a key takes
 * part in it like the table itself.  Two many-to-one keys of one relation, all
 * of whose columns are in its primary key, make a many-to-many.  A function of
 * a row that yields rows is a relationship too, and hides what was found
 * between the same names.
 */
#include "gateway/plan/views.h"

#include <stdlib.h>
#include <string.h>

typedef struct Work
{
	Schema *schema;
	Facts *facts;
	Relationship *all;
	int count;
	int size;
} Work;

typedef struct OidSlot
{
	long long oid;
	int index;
} OidSlot;

static int
compare_oids(const void *a, const void *b)
{
	const OidSlot *one = a;
	const OidSlot *two = b;

	return (one->oid > two->oid) - (one->oid < two->oid);
}

static Relation *
by_oid(Work *work, const OidSlot *slots, long long oid)
{
	OidSlot wanted = {.oid = oid};
	const OidSlot *found =
		bsearch(&wanted, slots, (size_t) work->schema->relation_count, sizeof(OidSlot), compare_oids);

	return found != NULL ? &work->schema->relations[found->index] : NULL;
}

static Relationship *
add(Work *work)
{
	if (work->count == work->size)
	{
		Relationship *more = arena_alloc(work->schema->arena, 2 * (size_t) work->size * sizeof(Relationship));

		memcpy(more, work->all, (size_t) work->count * sizeof(Relationship));
		work->all = more;
		work->size *= 2;
	}
	return &work->all[work->count++];
}

static const char **
copy_names(Work *work, const char *const *names, int count)
{
	const char **copy = arena_alloc(work->schema->arena, ((size_t) count + 1) * sizeof(char *));

	memcpy(copy, names, (size_t) count * sizeof(char *));
	return copy;
}

static void
relate_foreign(Work *work, const ForeignFact *key, const OidSlot *slots, const Shown *shown, int shown_count)
{
	End *own = malloc(2 * ENDS_MAX * sizeof(End));
	End *other = own + ENDS_MAX;
	int own_count;
	int other_count;
	bool is_one = false;

	if (own == NULL)
		return;
	own_count = views_all_ends(by_oid(work, slots, key->table), shown, shown_count, key->table, key->numbers,
							   key->count, own);
	other_count = views_all_ends(by_oid(work, slots, key->other), shown, shown_count, key->other, key->other_numbers,
								 key->count, other);
	for (int i = 0; i < work->facts->key_count && !is_one; i++)
	{
		const KeyFact *unique = &work->facts->keys[i];
		bool same = unique->table == key->table && unique->count == key->count;

		for (int j = 0; j < unique->count && same; j++)
		{
			bool found = false;

			for (int k = 0; k < key->count; k++)
				found = found || key->numbers[k] == unique->numbers[j];
			same = found;
		}
		is_one = same;
	}
	for (int i = 0; i < own_count; i++)
	{
		for (int j = 0; j < other_count; j++)
		{
			const char **columns = copy_names(work, own[i].columns, key->count);
			const char **others = copy_names(work, other[j].columns, key->count);
			Relationship *there = add(work);

			*there = (Relationship){.from = own[i].relation,
									.to = other[j].relation,
									.cardinality = is_one ? ONE_TO_ONE : MANY_TO_ONE,
									.is_self = own[i].relation == other[j].relation,
									.constraint = key->name,
									.own = columns,
									.other = others,
									.count = key->count};
			*add(work) = (Relationship){.from = other[j].relation,
										.to = own[i].relation,
										.cardinality = is_one ? ONE_TO_ONE : ONE_TO_MANY,
										.is_self = own[i].relation == other[j].relation,
										.constraint = key->name,
										.own = others,
										.other = columns,
										.count = key->count};
		}
	}
	free(own);
}

static bool
in_key(const Relation *relation, const char **columns, int count)
{
	for (int i = 0; i < count; i++)
	{
		bool found = false;

		for (int j = 0; j < relation->key_count && !found; j++)
			found = strcmp(columns[i], relation->key[j]) == 0; /* public: names of columns */
		if (!found)
			return false;
	}
	return true;
}

static int
compare_from(const void *a, const void *b)
{
	const Relationship *one = *(const Relationship *const *) a;
	const Relationship *two = *(const Relationship *const *) b;
	int order;

	if (one->from != two->from)
		return one->from < two->from ? -1 : 1;
	if (one->to != two->to)
		return one->to < two->to ? -1 : 1;
	if (one->cardinality != two->cardinality)
		return (int) one->cardinality - (int) two->cardinality;
	order = strcmp(one->constraint, two->constraint);
	for (int i = 0; order == 0 && i < one->count && i < two->count; i++)
	{
		order = strcmp(one->own[i], two->own[i]);
		if (order == 0)
			order = strcmp(one->other[i], two->other[i]);
	}
	return order;
}

/* Pairs of a relation's keys; the list is sorted so that those of one relation stand together. */
static void
relate_many(Work *work)
{
	int direct = work->count;
	const Relationship **sorted = malloc(((size_t) direct + 1) * sizeof(*sorted));
	Relationship *fixed = arena_alloc(work->schema->arena, ((size_t) direct + 1) * sizeof(Relationship));

	if (sorted == NULL)
		return;
	memcpy(fixed, work->all, (size_t) direct * sizeof(Relationship)); /* adding moves the list */
	for (int i = 0; i < direct; i++)
		sorted[i] = &fixed[i];
	qsort(sorted, (size_t) direct, sizeof(*sorted), compare_from);
	for (int first = 0, end; first < direct; first = end)
	{
		for (end = first; end < direct && sorted[end]->from == sorted[first]->from; end++)
			;
		for (int i = first; i < end; i++)
		{
			const Relationship *one = sorted[i];

			if (one->cardinality != MANY_TO_ONE || !in_key(one->from, one->own, one->count))
				continue;
			for (int j = first; j < end; j++)
			{
				const Relationship *two = sorted[j];

				if (two->cardinality != MANY_TO_ONE || strcmp(one->constraint, two->constraint) == 0 ||
					!in_key(two->from, two->own, two->count))
					continue;
				*add(work) = (Relationship){.from = one->to,
											.to = two->to,
											.cardinality = MANY_TO_MANY,
											.is_self = one->to == two->to,
											.constraint = one->constraint,
											.own = one->other,
											.through_own = one->own,
											.count = one->count,
											.through = one->from,
											.constraint2 = two->constraint,
											.through_other = two->own,
											.other2 = two->other,
											.other = one->own,
											.count2 = two->count};
			}
		}
	}
	free(sorted);
}

/* Functions of a row; what was found between the same two names goes. */
static void
relate_computed(Work *work, const OidSlot *slots)
{
	for (int i = 0; i < work->facts->computed_count; i++)
	{
		const ComputedFact *fact = &work->facts->computed[i];
		const Relation *from = by_oid(work, slots, fact->table);
		const Relation *to = by_oid(work, slots, fact->other);

		if (from == NULL || to == NULL)
			continue;
		for (int j = 0; j < work->count; j++)
		{
			Relationship *there = &work->all[j];

			if (there->from == from && !there->is_computed && strcmp(there->to->name, fact->name) == 0 &&
				strcmp(there->to->schema, fact->schema) == 0)
				there->from = NULL;
		}
		*add(work) = (Relationship){.from = from,
									.to = to,
									.cardinality = fact->is_single ? MANY_TO_ONE : ONE_TO_MANY,
									.is_self = from == to,
									.constraint = "",
									.is_computed = true,
									.function_schema = fact->schema,
									.function = fact->name};
	}
}

/* Primary keys: a table's own; a view's are those of every table whose key it shows whole. */
static void
give_keys(Work *work, const OidSlot *slots, const Shown *shown, int shown_count)
{
	for (int i = 0; i < work->facts->key_count; i++)
	{
		const KeyFact *key = &work->facts->keys[i];
		Relation *table = by_oid(work, slots, key->table);

		if (!key->is_primary || key->count > KEY_COLUMNS_MAX)
			continue;
		if (table != NULL)
		{
			table->key = arena_alloc(work->schema->arena, (size_t) key->count * sizeof(char *));
			table->key_count = 0;
			for (int j = 0; j < key->count; j++)
				table->key[j] = views_column(table, key->numbers[j]);
			/* one whose columns are not all there is none */
			while (table->key_count < key->count && table->key[table->key_count] != NULL)
				table->key_count++;
			if (table->key_count < key->count)
				table->key_count = 0;
		}
		for (int j = 0; j < shown_count; j++)
		{
			Relation *view = by_oid(work, slots, shown[j].relation->oid);
			End ends[1];
			const char **longer;

			if (views_ends(view, shown[j].origins, shown[j].count, key->table, key->numbers, key->count, ends, 1) ==
				0)
				continue;
			longer = arena_alloc(work->schema->arena, (size_t) (view->key_count + key->count) * sizeof(char *));
			for (int k = 0; k < view->key_count; k++)
				longer[k] = view->key[k];
			for (int k = 0; k < key->count; k++)
				longer[view->key_count + k] = ends[0].columns[k];
			view->key = longer;
			view->key_count += key->count;
		}
	}
}

/* Hands every relation its own relationships, in the order ambiguities are told. */
static void
distribute(Work *work)
{
	Arena *arena = work->schema->arena;
	const Relationship **sorted = arena_alloc(arena, ((size_t) work->count + 1) * sizeof(*sorted));
	int kept = 0;

	for (int i = 0; i < work->count; i++)
	{
		if (work->all[i].from != NULL)
			sorted[kept++] = &work->all[i];
	}
	qsort(sorted, (size_t) kept, sizeof(*sorted), compare_from);
	for (int first = 0, end; first < kept; first = end)
	{
		Relation *relation = &work->schema->relations[sorted[first]->from - work->schema->relations];

		for (end = first; end < kept && sorted[end]->from == sorted[first]->from; end++)
			;
		relation->relationships = sorted + first;
		relation->relationship_count = end - first;
	}
	work->schema->relationship_count = kept;
}

void
relate(Schema *schema, Facts *facts)
{
	Work work = {.schema = schema, .facts = facts, .size = 64};
	OidSlot *slots = arena_alloc(schema->arena, ((size_t) schema->relation_count + 1) * sizeof(*slots));
	Shown *shown;
	int shown_count;

	for (int i = 0; i < schema->relation_count; i++)
		slots[i] = (OidSlot){.oid = schema->relations[i].oid, .index = i};
	qsort(slots, (size_t) schema->relation_count, sizeof(*slots), compare_oids);
	work.all = arena_alloc(schema->arena, (size_t) work.size * sizeof(Relationship));
	shown_count = views_shown(schema, facts, &shown);
	give_keys(&work, slots, shown, shown_count);
	for (int i = 0; i < facts->foreign_count; i++)
		relate_foreign(&work, &facts->foreign[i], slots, shown, shown_count);
	relate_many(&work);
	relate_computed(&work, slots);
	distribute(&work);
}
