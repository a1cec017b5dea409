/*
 * tree.h
 *		A request whose names were found: what stands between resolving and SQL.
 *
 * Only sql*.c make SQL of it.  Texts of the client (fields, aliases, casts,
 * values) are still as he wrote them here, so whoever writes SQL quotes them.
 */
#ifndef GATEWAY_TREE_H
#define GATEWAY_TREE_H

#include "gateway/plan/model.h"

#define NODE_SCOPES_MAX 4

/* One relation of the select tree: the root, or an embedding. */
typedef struct Node
{
	struct Node *next; /* its sibling */
	struct Node *parent;
	struct Node *children;
	const SelectItem *item; /* NULL for the root */
	const SelectItem *items;
	bool selects_all;         /* no select: "*" */
	const Relation *relation; /* NULL: rows of a routine that are no relation's */
	const Relationship *link; /* NULL for the root */
	const char *name;         /* of the key in the answer */
	const char *alias;        /* of the relation in SQL, different from every ancestor's */
	int number;               /* the root is 0 */
	bool is_many;
	bool is_inner;
	bool is_spread;
	bool is_empty;      /* rel(): filters, but does not show */
	bool is_aggregated; /* itself, or by what spreads into it */
	const Scope *scopes[NODE_SCOPES_MAX];
	int scope_count;
	bool has_limit;
	int64_t limit;
	int64_t offset;
} Node;

/* How a routine gets its arguments. */
typedef enum CallKind
{
	CALL_EMPTY,
	CALL_DIRECT, /* a parameter each */
	CALL_JSON,   /* columns of the body's object */
	CALL_BODY    /* the body is the one unnamed argument */
} CallKind;

typedef struct Job
{
	Arena *arena;
	const Schema *schema;
	const PlanLimits *limits;
	const ApiRequest *request;
	Plan *plan;
	Problem *problem;
	Node *root;
	int node_count;
	bool writes;                 /* POST, PATCH, PUT or DELETE of a relation */
	const MediaChoice *explains; /* the answer is a plan; NULL when it is not */
	/* a write */
	const Relation *relation;
	const Column **columns; /* of the body */
	int column_count;
	bool fills_defaults;
	const char **conflict; /* ON CONFLICT of an insert; NULL when there is none */
	int conflict_count;
	bool merges;
	/* a call */
	const Routine *routine;
	bool is_raw; /* its value is the body: a domain named like a media type */
	CallKind call;
	const Argument **arguments; /* those given */
	const char **values;        /* with CALL_DIRECT */
	int argument_count;
} Job;

/* resolve.c, embed.c: the select tree and what filters, orders and bounds it. */
extern bool resolve_tree(Job *job, const Relation *relation, const char *name);
extern const Relationship *resolve_link(Job *job, const Node *parent, const SelectItem *item);
/* The child of a path: by its key in the answer or its relation's name; NULL when there is none. */
extern Node *tree_child(const Node *node, const char *name);
/* The child of which a condition asks whether it is there; NULL when it asks about a column. */
extern Node *tree_asked_for(const Node *node, const Condition *condition);
/* The key of a column in the answer; NULL when the database names it ("*"). */
extern const char *tree_key(const SelectItem *item);
extern bool tree_is_scalar(const Routine *routine);

/* resolve_write.c, resolve_call.c, media.c */
extern bool resolve_write(Job *job);
extern bool resolve_call(Job *job);
extern bool choose_media(Job *job);
extern bool refuse_media(Job *job);

/* The statement, and the one that estimates how many rows there are. */
extern bool sql_statement(Job *job);
/* Whether a cast can be written: a type's name as SQL knows it, nothing else. */
extern bool sql_cast_is_safe(Arena *arena, const char *cast);

#endif /* GATEWAY_TREE_H */
