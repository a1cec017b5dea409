/*
 * query_parts.h
 *		What the files of the query parser have of one another; nobody else needs it.
 *
 * Every function reads what its name says at the reader's place, by the
 * reader's rules (reader.h), and fills what it is given.
 */
#ifndef GATEWAY_QUERY_PARTS_H
#define GATEWAY_QUERY_PARTS_H

#include "gateway/parse/query.h"
#include "gateway/parse/reader.h"

/* ---- json_path.c: names and what leads into JSON ---- */

/* "any \"thing\"", or letters, digits, _, $, blanks between, dashes between. */
extern bool query_name(Reader *reader, const char **name);

/* Letters, digits, _, $ and blanks: of types and languages. */
extern bool query_identifier(Reader *reader, const char **identifier);

/* A text in double quotes with backslashes. */
extern bool query_quoted(Reader *reader, const char **text);

/* A name and its path, blanks around. */
extern bool query_field(Reader *reader, Field *field);

/* names.by.dots, the last one a field; without blanks. */
extern bool query_tree_path(Reader *reader, const char ***path, int *depth, Field *field);

/* names,by,commas: sorted, each once. */
extern bool query_columns(Reader *reader, const char ***columns, int *count);

extern bool query_dot(Reader *reader);

/* ---- query_select.c ---- */
extern bool query_items(Reader *reader, SelectItem **items, int depth);

/* ---- query_filter.c ---- */

/* not.eq.1 and the like; in logic a value ends at a comma or parenthesis. */
extern bool query_operation(Reader *reader, bool in_logic, Condition *condition);

/* ---- array_literal.c ---- */

/* The elements of an array as the database writes it, NULL for its NULL; false when it is none, or too many. */
extern bool query_array(Reader *reader, const char *literal, const char ***values, int *count);

/* ---- query_logic.c ---- */
extern bool query_logic(Reader *reader, Logic **logic, int depth);

/* ---- query_order.c ---- */
extern bool query_order(Reader *reader, OrderTerm **terms);

/* ---- query_range.c ---- */

/* limit= and offset= of one level, as written; NULL when not given. */
extern bool query_range(Scope *scope, const char *limit, const char *offset, Problem *problem);

/* ---- query_pairs.c ---- */
typedef struct QueryPair
{
	const char *name;
	const char *value; /* NULL: no equals sign */
} QueryPair;

/* Splits at & and ;, decodes; at most QUERY_ITEMS_MAX pairs. */
extern bool query_split(Arena *arena, const char *raw, size_t length, int maximum, QueryPair **pairs, int *count,
						Problem *problem);

/* Sorted by name, repeated names joined, encoded. */
extern const char *query_canonical(Arena *arena, const QueryPair *pairs, int count);

#endif /* GATEWAY_QUERY_PARTS_H */
