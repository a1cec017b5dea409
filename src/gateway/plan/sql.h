/*
 * sql.h
 *		What sql*.c share: a statement that grows, with its parameters.
 *
 * Three ways lead into a statement and no other: sql_put() for words that stand
 * in these files or come from the catalog as SQL, sql_name() and sql_literal()
 * for names, sql_value() for values.
 */
#ifndef GATEWAY_SQL_H
#define GATEWAY_SQL_H

#include "gateway/plan/tree.h"

typedef struct Sql
{
	Job *job;
	Text text;
	SqlParameter *parameters;
	int count;
	int size;
	bool counts; /* conditions on an embedding ask with EXISTS: it is not joined */
} Sql;

extern void sql_begin(Sql *sql, Job *job);
extern void sql_put(Sql *sql, const char *words);
extern void sql_name(Sql *sql, const char *name);
extern void sql_qualified(Sql *sql, const char *schema, const char *name);
extern void sql_column(Sql *sql, const char *alias, const char *name);
extern void sql_literal(Sql *sql, const char *text);
extern void sql_value(Sql *sql, const char *value, size_t length);
extern void sql_text(Sql *sql, const char *value);
extern void sql_number(Sql *sql, int64_t value);
/* Opens or closes a cast: CAST(... AS type); nothing when there is none. */
extern void sql_cast_begin(Sql *sql, const char *cast);
extern void sql_cast_end(Sql *sql, const char *cast);
extern void sql_field(Sql *sql, const char *alias, const Relation *relation, const Field *field);
/* One condition on a column. */
extern void sql_condition(Sql *sql, const char *alias, const Relation *relation, const Condition *condition);

/* sql_read.c: the rows of a node, and the same for counting them. */
typedef enum Source
{
	SOURCE_RELATION,
	SOURCE_WRITTEN, /* twin_source, what a write or a counted call left */
	SOURCE_CALL
} Source;

/* A level's select list: commas, and which outputs GROUP BY names; sql_list.c. */
typedef struct List
{
	int outputs;
	Text group; /* " GROUP BY 1, 3" */
} List;

extern void sql_select_list(Sql *sql, const Node *node, Source source, List *list);
extern void sql_arrays(Sql *sql, const Node *node); /* of a to-many level that spreads: json_agg() of each output */
extern void sql_join_name(Sql *sql, const Node *node); /* twin_jN */
extern void sql_index(Sql *sql, int number);

extern void sql_rows(Sql *sql, const Node *node, Source source);
extern void sql_count_rows(Sql *sql, const Node *node, Source source);
/* " WHERE ..." or " AND ..." of a node's conditions; false when there are none. */
extern bool sql_where(Sql *sql, const Node *node, const char *alias, bool first);

/* sql_write.c: a data-changing statement; sql_call.c: a call as a table. */
extern void sql_body(Sql *sql, const char *type);
extern void sql_member(Sql *sql, bool first, const char *name, const char *type);
extern void sql_write(Sql *sql);
extern void sql_call(Sql *sql, const char *alias);
extern void sql_location(Sql *sql);

#endif /* GATEWAY_SQL_H */
