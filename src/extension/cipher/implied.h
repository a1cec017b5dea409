/*
 * implied.h
 *		What the files of the planner hook share; implied.c has the rule.
 */
#ifndef TSEC_CIPHER_IMPLIED_H
#define TSEC_CIPHER_IMPLIED_H

#include "cipher/private.h"

#include "nodes/params.h"
#include "nodes/parsenodes.h"

/* One call of the planner. */
typedef struct Planning
{
	ParamListInfo params;
	bool depends_on_grants; /* a comparison was found, whether or not anything was added */
} Planning;

/* Where a query stands, and what is known of it. */
typedef struct Level
{
	Planning *planning;
	Query *query;
	bool in_exists; /* the planner turns EXISTS into a join unless an outer column is used too deep in it */
} Level;

/* One comparison of a column with an expression. */
typedef struct Comparison
{
	Oid operator; /* with the column on the left */
	Oid collation;
	Node *column;
	Node *plain;
	bool is_array; /* column = ANY (plain) */
} Comparison;

/* ---- implied.c ---- */

/* Remembers what a plan of this session was made for: whether whoever was asking may decrypt with a key. */
extern void implied_note_asker(int32 modifier, bool allowed);

/* ---- implied_tag.c ---- */

/* Whether a subquery does nothing but filter and join, so that a condition on its rows may stand in its WHERE. */
extern bool implied_only_filters(const Query *query);

/* The comparison of tags that one of values implies, and the query it belongs to; NULL when there is none. */
extern Expr *implied_by(Level *level, const Comparison *comparison, bool descend, Query **place);

#endif /* TSEC_CIPHER_IMPLIED_H */
