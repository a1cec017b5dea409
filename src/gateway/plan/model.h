/*
 * model.h
 *		The schema cache from inside: what the planner looks names up in.
 *
 * Everything lives in the schema's own arena and never changes once it was
 * read, so that requests share it without locks.  Nothing here comes from a
 * client.
 */
#ifndef GATEWAY_MODEL_H
#define GATEWAY_MODEL_H

#include "gateway/plan/schema.h"

typedef struct Relation Relation;

typedef struct Column
{
	const char *name;
	const char *type;     /* as SQL writes it, with modifier: "character varying(10)", "test.color[]" */
	const char *base;     /* the same without domains and modifier */
	const char *fallback; /* its DEFAULT as SQL; NULL when none */
	const char *comment;
	const char **labels; /* of an enum */
	int label_count;
	int number; /* attnum */
	bool nullable;
	bool generated;   /* always: stored, or an identity nobody may give */
	bool is_computed; /* a function of one row: not in "*" */
} Column;

/* Names in an open hash: the index of an element by its name. */
typedef struct NameTable
{
	int *slots; /* -1 is free */
	unsigned mask;
} NameTable;

typedef enum Cardinality
{
	ONE_TO_MANY,
	MANY_TO_ONE,
	ONE_TO_ONE,
	MANY_TO_MANY
} Cardinality;

/* A way from one relation to another.  Columns pair up: own[i] = other[i], through the junction where there is one. */
typedef struct Relationship
{
	const Relation *from;
	const Relation *to;
	Cardinality cardinality;
	bool is_self;
	const char *constraint;
	const char **own;
	const char **other;
	int count;
	/* MANY_TO_MANY: own[i] = through_own[i], through_other[i] = other2[i] */
	const Relation *through;
	const char *constraint2;
	const char **through_own;
	const char **other2;
	const char **through_other;
	int count2;
	/* a function of a row of "from" that yields rows of "to" */
	bool is_computed;
	const char *function_schema;
	const char *function;
} Relationship;

struct Relation
{
	const char *schema;
	const char *name;
	const char *comment;
	long long oid;
	char kind; /* as in pg_class: r, p, v, m, f */
	bool insertable;
	bool updatable;
	bool deletable;
	Column *columns; /* by number; computed ones last */
	int column_count;
	int real_count; /* without computed ones */
	NameTable column_names;
	const char **key; /* columns of the primary key, a view's too */
	int key_count;
	const Relationship **relationships;
	int relationship_count;
};

typedef struct Argument
{
	const char *name; /* "" when it has none */
	const char *type; /* to cast to: of any length */
	bool is_required;
	bool is_variadic;
} Argument;

typedef struct Routine
{
	const char *schema;
	const char *name;
	const char *comment;
	const Argument *arguments;
	int argument_count;
	int required_count;
	bool returns_set;
	bool returns_row; /* a composite type, TABLE or OUT parameters */
	bool returns_void;
	const char *return_type;
	const char *media; /* a domain named like a media type; NULL */
	bool returns_bytes;
	const Relation *relation; /* whose rows it returns, NULL */
	char volatility;          /* i, s, v */
	const char *isolation;
	const char **settings; /* name, value, ..., NULL */
} Routine;

struct Schema
{
	Arena *arena;
	int references;
	Relation *relations;
	int relation_count;
	NameTable relation_names;
	Routine *routines; /* sorted: those of one name stand together */
	int routine_count;
	NameTable routine_names; /* the first of a name */
	int relationship_count;
};

/* NULL when there is none of that name. */
extern const Relation *model_relation(const Schema *schema, const char *in, const char *name);
extern const Column *model_column(const Relation *relation, const char *name);
/* The routines of a name; false when there are none. */
extern bool model_routines(const Schema *schema, const char *in, const char *name, const Routine **first, int *count);

/* For whoever builds the model. */
extern void model_names(Arena *arena, NameTable *table, int count);
extern void model_index(Schema *schema);
extern void model_index_columns(Arena *arena, Relation *relation);

/* Whether two lists hold the same names, in any order. */
extern bool model_same_names(const char *const *a, int a_count, const char *const *b, int b_count);

/* The columns of a view and where they come from: origin.c. */
typedef struct Origin
{
	int number;      /* of the view's column */
	long long table; /* its relation's oid */
	int column;      /* its number there */
} Origin;

#define ORIGINS_MAX 1664 /* entries of a target list */

/*
 * Reads the origins out of a view's rule as pg_rewrite.ev_action prints it: the target list of the outermost query.
 * Returns how many were found (at most ORIGINS_MAX); 0 for a text that is none.
 */
extern int origin_read(const char *rule, Origin *origins);

/* Relationships from foreign keys, through views, junctions and functions; relate.c. */
typedef struct KeyFact
{
	long long table;
	bool is_primary;
	int *numbers;
	int count;
} KeyFact;

typedef struct ForeignFact
{
	const char *name;
	long long table;
	long long other;
	int *numbers;
	int *other_numbers;
	int count;
} ForeignFact;

typedef struct ViewFact
{
	long long oid;
	Origin *origins; /* in tables: views in between are looked through */
	int count;
} ViewFact;

typedef struct ComputedFact
{
	const char *schema;
	const char *name;
	long long table;
	long long other;
	bool is_single;
} ComputedFact;

typedef struct Facts
{
	KeyFact *keys;
	int key_count;
	ForeignFact *foreign;
	int foreign_count;
	ViewFact *views;
	int view_count;
	ComputedFact *computed;
	int computed_count;
} Facts;

extern void relate(Schema *schema, Facts *facts);

/* The name in a list that is most like another, NULL when none is at least that similar (0 to 1); similar.c. */
typedef const char *(*SimilarNext)(const void *list, int index); /* NULL at the end, "" to skip */
extern const char *similar_name(const char *name, double least, SimilarNext next, const void *list);

#endif /* GATEWAY_MODEL_H */
