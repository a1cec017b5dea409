/*
 * query.h
 *		The query string of PostgREST's contract, as a tree.
 *
 *		select=id,site:sites!inner(name,...zone(*)),data->a->>0::int
 *		age=gte.18  name=not.ilike(any).{a*,b*}  or=(a.eq.1,not.and(b.is.null,c.in.(1,2)))
 *		sites.order=name.desc.nullslast  limit=10  offset=5  columns=a,b  on_conflict=a
 *
 * Reading says nothing about tables: names are as the client wrote them, and
 * nothing of it may enter SQL but quoted as an identifier or as a parameter.
 */
#ifndef GATEWAY_QUERY_H
#define GATEWAY_QUERY_H

#include "gateway/tool/problem.h"

#include <stdint.h>

/* Bounds; what exceeds one is PGRST100. */
#define QUERY_LENGTH_MAX 16384 /* bytes before decoding */
#define QUERY_DEPTH_MAX 8      /* embeddings and logic inside one another */
#define QUERY_ITEMS_MAX 1000   /* columns, conditions and values altogether */

/* -> or ->> with a key or an index. */
typedef struct JsonStep
{
	struct JsonStep *next;
	bool as_text;  /* ->> */
	bool is_index; /* the key is a whole number, digits with or without a minus, of any length */
	const char *key;
} JsonStep;

typedef struct Field
{
	const char *name; /* "*" is every column, in select only */
	JsonStep *steps;
} Field;

typedef enum JoinKind
{
	JOIN_DEFAULT, /* left */
	JOIN_LEFT,
	JOIN_INNER
} JoinKind;

/* One item of select. */
typedef struct SelectItem
{
	struct SelectItem *next;
	bool is_embedding;
	const char *alias; /* NULL when none */
	/* a column */
	Field field;      /* field.name may be NULL for a bare count() */
	const char *cast; /* NULL when none: a type's name of letters, digits, _, $ and blanks, as PostgREST takes it */
	const char *aggregate; /* "count", "sum", "avg", "min", "max"; NULL when none */
	const char *aggregate_cast;
	/* an embedding */
	const char *relation; /* or the column or constraint that leads there */
	const char *hint;     /* a foreign key or the relation between, NULL when none */
	JoinKind join;
	bool is_spread;
	struct SelectItem *items; /* NULL for rel() */
} SelectItem;

typedef enum Operator
{
	OPERATOR_EQ,
	OPERATOR_NEQ,
	OPERATOR_GT,
	OPERATOR_GTE,
	OPERATOR_LT,
	OPERATOR_LTE,
	OPERATOR_LIKE,
	OPERATOR_ILIKE,
	OPERATOR_MATCH,
	OPERATOR_IMATCH,
	OPERATOR_IN,
	OPERATOR_IS, /* value: null, not_null, true, false, unknown */
	OPERATOR_IS_DISTINCT,
	OPERATOR_CS,
	OPERATOR_CD,
	OPERATOR_OV,
	OPERATOR_SL,
	OPERATOR_SR,
	OPERATOR_NXR,
	OPERATOR_NXL,
	OPERATOR_ADJ,
	OPERATOR_FTS,
	OPERATOR_PLFTS,
	OPERATOR_PHFTS,
	OPERATOR_WFTS
} Operator;

typedef enum Quantifier
{
	QUANTIFIER_NONE,
	QUANTIFIER_ANY,
	QUANTIFIER_ALL
} Quantifier;

typedef struct Condition
{
	Field field;
	bool negated;
	Operator operator;
	Quantifier quantifier;
	const char *language; /* of fts and its kin; NULL when none */
	const char
		*value; /* * is already % for like and ilike; of a quantifier the whole array, as the database reads it */
	const char **values; /* of in (none for in.()), and the elements of a quantifier's array: there NULL is null */
	int value_count;
} Condition;

typedef enum LogicKind
{
	LOGIC_CONDITION,
	LOGIC_AND,
	LOGIC_OR
} LogicKind;

typedef struct Logic
{
	struct Logic *next; /* its sibling */
	LogicKind kind;
	bool negated;         /* of and, or; a condition has its own */
	Condition *condition; /* of LOGIC_CONDITION */
	struct Logic *parts;
} Logic;

typedef enum Direction
{
	DIRECTION_DEFAULT,
	DIRECTION_ASC,
	DIRECTION_DESC
} Direction;

typedef enum NullsOrder
{
	NULLS_DEFAULT,
	NULLS_FIRST,
	NULLS_LAST
} NullsOrder;

typedef struct OrderTerm
{
	struct OrderTerm *next;
	const char *relation; /* order=rel(col): a to-one embedding; NULL when none */
	Field field;
	Direction direction;
	NullsOrder nulls;
} OrderTerm;

/* What is said about one level: the relation itself, or an embedding by its path (alias or relation, "sites.zone"). */
typedef struct Scope
{
	struct Scope *next;
	const char **path; /* names from the top; NULL for the relation itself */
	int depth;
	Logic *conditions; /* all must hold */
	OrderTerm *order;
	bool has_limit;
	int64_t limit; /* 0 is legal */
	bool has_offset;
	int64_t offset;
} Scope;

/* A name and a value, decoded, in the order they came. */
typedef struct Parameter
{
	struct Parameter *next;
	const char *name;
	const char *value;
} Parameter;

typedef struct Query
{
	SelectItem *select; /* NULL without has_select is select=*, with it select= : no column at all */
	bool has_select;
	Scope *scopes; /* the first, always there, is the relation's own */
	const char **columns;
	int column_count;         /* -1 when columns= was not given */
	const char **on_conflict; /* this and columns: sorted, each once */
	int on_conflict_count;    /* -1 when not given */
	Parameter *arguments;     /* of a routine that is called by GET: what is no condition */
	const char *canonical;    /* the parameters sorted by name, encoded again: for Content-Location; "" when none */
} Query;

/*
 * Reads a raw query string ("" when there is none).  With for_routine, what
 * has no operator in front is an argument; what begins as one and goes on as
 * none (not.x, in.5, is.x) is an error, as in PostgREST.
 *
 * Of repeated parameters all conditions hold, the first select, columns,
 * on_conflict and order of a level counts, and the last limit and offset.
 * What is no number there counts as not given.
 *
 * False: PGRST100 (400) with "failed to parse ... (line 1, column N)" and what
 * was expected there; PGRST103 (416) for a negative limit of the relation
 * itself, 2201W and 2201X (400) for negative limits and offsets of embeddings,
 * 22P02 (400) for a quantifier's array that is none.
 */
extern bool query_read(Arena *arena, const char *raw, size_t length, bool for_routine, Query *query,
					   Problem *problem);

#endif /* GATEWAY_QUERY_H */
