/*
 * views.h
 *		Which relations show a key: the table, and views that show all of its columns.
 */
#ifndef GATEWAY_VIEWS_H
#define GATEWAY_VIEWS_H

#include "gateway/plan/model.h"

#define EXPANSIONS_MAX 16 /* ways a view may show one key */
#define ENDS_MAX 64       /* relations that show one end of a foreign key, times expansions */
#define KEY_COLUMNS_MAX 32

/* A relation that shows one end of a foreign key, and as which columns. */
typedef struct End
{
	const Relation *relation;
	const char *columns[KEY_COLUMNS_MAX];
	bool is_view;
} End;

/* An exposed view, with its columns followed to tables. */
typedef struct Shown
{
	const Relation *relation;
	const Origin *origins;
	int count;
} Shown;

extern int views_shown(const Schema *schema, Facts *facts, Shown **shown);
/* The name of a relation's column by its number; NULL when it has none. */
extern const char *views_column(const Relation *relation, int number);
/* The ways a view shows columns of a table, at most room; 0 when it does not show them all. */
extern int views_ends(const Relation *relation, const Origin *origins, int origin_count, long long table,
					  const int *numbers, int count, End *ends, int room);
/* All relations that show columns of a table; at most ENDS_MAX. */
extern int views_all_ends(const Relation *table_relation, const Shown *shown, int shown_count, long long table,
						  const int *numbers, int count, End *ends);

#endif /* GATEWAY_VIEWS_H */
