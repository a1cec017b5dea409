/*
 * views.c
 *		Views as ends of relationships: their columns followed to the tables they come from.
 */
#include "gateway/plan/views.h"

#include <stdlib.h>
#include <string.h>

static int
compare_views(const void *a, const void *b)
{
	const ViewFact *one = a;
	const ViewFact *two = b;

	return (one->oid > two->oid) - (one->oid < two->oid);
}

static const ViewFact *
find_view(const Facts *facts, long long oid)
{
	ViewFact wanted = {.oid = oid};

	return bsearch(&wanted, facts->views, (size_t) facts->view_count, sizeof(ViewFact), compare_views);
}

/* Follows a column through views to its table; false when it ends in an expression.  Views cannot be circular; the bound says so. */
static bool
follow(const Facts *facts, Origin *origin)
{
	for (int steps = 0; steps < 64; steps++)
	{
		const ViewFact *view = find_view(facts, origin->table);
		bool found = false;

		if (view == NULL)
			return true;
		for (int i = 0; i < view->count && !found; i++)
		{
			if (view->origins[i].number != origin->column)
				continue;
			origin->table = view->origins[i].table;
			origin->column = view->origins[i].column;
			found = true;
		}
		if (!found)
			return false;
	}
	return false;
}

const char *
views_column(const Relation *relation, int number)
{
	for (int i = 0; i < relation->real_count; i++)
	{
		if (relation->columns[i].number == number)
			return relation->columns[i].name;
	}
	return NULL;
}

/* The ways a view shows columns of a table: every choice among repeated ones, up to a bound. */
int
views_ends(const Relation *relation, const Origin *origins, int origin_count, long long table, const int *numbers,
		   int count, End *ends, int room)
{
	int made = 1;

	if (room < 1)
		return 0;
	ends[0] = (End){.relation = relation, .is_view = true};
	for (int i = 0; i < count; i++)
	{
		int before = made;
		int choices = 0;

		for (int j = 0; j < origin_count; j++)
		{
			const char *name;

			if (origins[j].table != table || origins[j].column != numbers[i] ||
				(name = views_column(relation, origins[j].number)) == NULL)
				continue;
			for (int k = 0; k < before; k++)
			{
				int at = choices * before + k;

				if (at >= room || at >= EXPANSIONS_MAX)
					break;
				if (choices > 0)
					ends[at] = ends[k];
				ends[at].columns[i] = name;
				made = at + 1;
			}
			choices++;
		}
		if (choices == 0)
			return 0;
	}
	return made;
}

/* Exposed views that show anything, with their columns followed to tables. */
int
views_shown(const Schema *schema, Facts *facts, Shown **shown)
{
	int count = 0;

	qsort(facts->views, (size_t) facts->view_count, sizeof(ViewFact), compare_views);
	*shown = arena_alloc(schema->arena, ((size_t) facts->view_count + 1) * sizeof(Shown));
	for (int i = 0; i < schema->relation_count; i++)
	{
		const Relation *relation = &schema->relations[i];
		const ViewFact *view = find_view(facts, relation->oid);
		Origin *origins;
		int kept = 0;

		if (view == NULL || view->count == 0)
			continue;
		origins = arena_alloc(schema->arena, (size_t) view->count * sizeof(Origin));
		for (int j = 0; j < view->count; j++)
		{
			origins[kept] = view->origins[j];
			kept += follow(facts, &origins[kept]);
		}
		(*shown)[count++] = (Shown){.relation = relation, .origins = origins, .count = kept};
	}
	return count;
}

/* All relations that show one end of a foreign key: the table when it is exposed, and views. */
int
views_all_ends(const Relation *table_relation, const Shown *shown, int shown_count, long long table,
			   const int *numbers, int count, End *ends)
{
	int made = 0;

	if (count > KEY_COLUMNS_MAX)
		return 0;
	if (table_relation != NULL)
	{
		ends[made] = (End){.relation = table_relation};
		for (int i = 0; i < count; i++)
		{
			if ((ends[made].columns[i] = views_column(table_relation, numbers[i])) == NULL)
				return 0;
		}
		made++;
	}
	for (int i = 0; i < shown_count; i++)
		made += views_ends(shown[i].relation, shown[i].origins, shown[i].count, table, numbers, count, ends + made,
						   ENDS_MAX - made);
	return made;
}
