/*
 * query.c
 *		The query string as a whole: which parameter is what, and for which level.
 *
 * The last word of a name decides (order, limit, offset, and, or), then the
 * names that are reserved at the top; everything else is a condition, or an
 * argument of a routine.  Parameters are read in the order in which PostgREST
 * looks at them, so that of two mistakes the same one is reported.
 */
#include "gateway/parse/query_parts.h"

#include <string.h>

typedef struct QueryReading
{
	Arena *arena;
	Query *query;
	Problem *problem;
	QueryPair *pairs;
	int count;
	int budget;
	bool for_routine;
} QueryReading;

/* The last name of a path by dots; quotes do not matter here. */
static const char *
last_word(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL ? dot + 1 : name;
}

static bool
is_one_of(const char *word, const char *const *words)
{
	while (*words != NULL && strcmp(word, *words) != 0)
		words++;
	return *words != NULL;
}

static bool
is_condition(const char *name)
{
	static const char *const by_level[] = {"order", "limit", "offset", "and", "or", NULL};
	static const char *const reserved[] = {"select", "columns", "on_conflict", NULL};

	return !is_one_of(last_word(name), by_level) && !is_one_of(name, reserved);
}

/* The value of the first parameter of a name; NULL when there is none. */
static const char *
first_value(const QueryReading *reading, const char *name)
{
	for (int i = 0; i < reading->count; i++)
	{
		if (strcmp(reading->pairs[i].name, name) == 0)
			return reading->pairs[i].value;
	}
	return NULL;
}

/* The scope of a path, made when it is new. */
static Scope *
scope_of(QueryReading *reading, const char **path, int depth)
{
	Scope *scope = reading->query->scopes;

	for (;; scope = scope->next)
	{
		int same = 0;

		while (same < depth && same < scope->depth && strcmp(path[same], scope->path[same]) == 0)
			same++;
		if (same == depth && depth == scope->depth)
			return scope;
		if (scope->next == NULL)
			break;
	}
	scope->next = arena_alloc(reading->arena, sizeof(Scope));
	scope->next->path = path;
	scope->next->depth = depth;
	return scope->next;
}

/* Adds a condition to those that must all hold. */
static void
add_condition(Scope *scope, Logic *logic)
{
	Logic **tail = &scope->conditions;

	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = logic;
}

/* Reads the path in front of a parameter's last word. */
static bool
read_path(QueryReading *reading, const char *name, const char ***path, int *depth, Field *field)
{
	Reader reader;

	reader_begin(&reader, reading->arena, name, &reading->budget);
	if (query_tree_path(&reader, path, depth, field) && reader.refusal == NULL)
		return true;
	return reader_problem(&reader, "tree path", name, reading->problem);
}

static bool
read_order(QueryReading *reading, const QueryPair *pair)
{
	Reader reader;
	const char **path = NULL;
	int depth;
	Field field;
	OrderTerm *terms = NULL;
	Scope *scope;

	if (!read_path(reading, pair->name, &path, &depth, &field))
		return false;
	reader_begin(&reader, reading->arena, pair->value, &reading->budget);
	if (!query_order(&reader, &terms) || reader.refusal != NULL)
		return reader_problem(&reader, "order", pair->value, reading->problem);
	scope = scope_of(reading, path, depth);
	if (scope->order == NULL) /* the first one counts */
		scope->order = terms;
	return true;
}

/* Reads the names in front of and, or; a not among them negates. */
static bool
read_logic_path(QueryReading *reading, const char *name, const char ***path, int *depth, const char **word)
{
	Reader reader;
	const char **names = arena_alloc(reading->arena, sizeof(char *) * (QUERY_DEPTH_MAX + 1));
	bool negated = false;
	bool success;

	*depth = 0;
	reader_begin(&reader, reading->arena, name, &reading->budget);
	while ((success = query_name(&reader, word)))
	{
		negated = negated || strcmp(*word, "not") == 0;
		if (!query_dot(&reader))
			break;
		if (strcmp(*word, "not") == 0)
			continue;
		if (*depth == QUERY_DEPTH_MAX)
		{
			success = reader_refuse(&reader, "PGRST100", "too many names in one path");
			break;
		}
		names[(*depth)++] = *word;
	}
	if (!success)
		return reader_problem(&reader, "logic path", name, reading->problem);
	if (negated)
		*word = arena_format(reading->arena, "not.%s", *word);
	*path = *depth > 0 ? names : NULL;
	return true;
}

static bool
read_logic(QueryReading *reading, const QueryPair *pair)
{
	Reader reader;
	const char **path = NULL;
	int depth;
	const char *word;
	Logic *logic;

	if (!read_logic_path(reading, pair->name, &path, &depth, &word))
		return false;
	reader_begin(&reader, reading->arena, arena_format(reading->arena, "%s%s", word, pair->value), &reading->budget);
	if (!query_logic(&reader, &logic, 1) || reader.refusal != NULL)
		return reader_problem(&reader, "logic tree", pair->value, reading->problem);
	add_condition(scope_of(reading, path, depth), logic);
	return true;
}

/* Adds an argument behind the others. */
static bool
add_argument(QueryReading *reading, const char *name, const char *value)
{
	Parameter **tail = &reading->query->arguments;

	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = arena_alloc(reading->arena, sizeof(Parameter));
	(*tail)->name = name;
	(*tail)->value = value;
	return true;
}

static bool
read_condition(QueryReading *reading, const QueryPair *pair)
{
	Reader reader;
	const char **path = NULL;
	int depth;
	Logic *logic = arena_alloc(reading->arena, sizeof(Logic));

	logic->kind = LOGIC_CONDITION;
	logic->condition = arena_alloc(reading->arena, sizeof(Condition));
	if (!read_path(reading, pair->name, &path, &depth, &logic->condition->field))
		return false;
	reader_begin(&reader, reading->arena, pair->value, &reading->budget);
	if (!reader_count(&reader) || !query_operation(&reader, false, logic->condition) || reader.refusal != NULL)
	{
		/* nothing of it looked like an operator */
		if (reading->for_routine && reader.at == 0 && reader.refusal == NULL)
			return add_argument(reading, logic->condition->field.name, pair->value);
		return reader_problem(&reader, "filter", pair->value, reading->problem);
	}
	add_condition(scope_of(reading, path, depth), logic);
	return true;
}

static bool
read_columns(QueryReading *reading, const char *parameter, const char ***columns, int *count)
{
	const char *value = first_value(reading, parameter);
	Reader reader;

	*count = -1;
	if (value == NULL)
		return true;
	reader_begin(&reader, reading->arena, value, &reading->budget);
	if (query_columns(&reader, columns, count) && reader.refusal == NULL)
		return true;
	return reader_problem(&reader, arena_format(reading->arena, "%s parameter", parameter), value, reading->problem);
}

static bool
read_select(QueryReading *reading)
{
	const char *value = first_value(reading, "select");
	Reader reader;

	reading->query->has_select = value != NULL;
	if (value == NULL)
		return true;
	reader_begin(&reader, reading->arena, value, &reading->budget);
	if (query_items(&reader, &reading->query->select, 0) && reader.refusal == NULL)
		return true;
	return reader_problem(&reader, "select parameter", value, reading->problem);
}

/* Remembers limit or offset of a level; the last one counts. */
typedef struct Range
{
	struct Range *next;
	Scope *scope;
	const char *limit;
	const char *offset;
} Range;

static bool
read_ranges(QueryReading *reading)
{
	Range *ranges = NULL;

	for (int i = 0; i < reading->count; i++)
	{
		const QueryPair *pair = &reading->pairs[i];
		const char *word = last_word(pair->name);
		const char **path;
		int depth;
		Field field;
		Scope *scope;
		Range *range;

		if (pair->value == NULL || (strcmp(word, "limit") != 0 && strcmp(word, "offset") != 0))
			continue;
		if (!read_path(reading, pair->name, &path, &depth, &field))
			return false;
		scope = scope_of(reading, path, depth);
		for (range = ranges; range != NULL && range->scope != scope; range = range->next)
			;
		if (range == NULL)
		{
			range = arena_alloc(reading->arena, sizeof(Range));
			*range = (Range){.next = ranges, .scope = scope};
			ranges = range;
		}
		*(strcmp(word, "limit") == 0 ? &range->limit : &range->offset) = pair->value;
	}
	for (; ranges != NULL; ranges = ranges->next)
	{
		if (!query_range(ranges->scope, ranges->limit, ranges->offset, reading->problem))
			return false;
	}
	return true;
}

/* Reads every parameter that has a value and whose name ends so; NULL is every condition. */
static bool
read_each(QueryReading *reading, const char *const *words, bool (*read)(QueryReading *, const QueryPair *))
{
	for (int i = 0; i < reading->count; i++)
	{
		const QueryPair *pair = &reading->pairs[i];

		if (pair->value == NULL ||
			!(words != NULL ? is_one_of(last_word(pair->name), words) : is_condition(pair->name)))
			continue;
		if (!read(reading, pair))
			return false;
	}
	return true;
}

bool
query_read(Arena *arena, const char *raw, size_t length, bool for_routine, Query *query, Problem *problem)
{
	static const char *const order[] = {"order", NULL};
	static const char *const logic[] = {"and", "or", NULL};
	QueryReading reading = {
		.arena = arena, .query = query, .problem = problem, .budget = QUERY_ITEMS_MAX, .for_routine = for_routine};

	*query = (Query){.scopes = arena_alloc(arena, sizeof(Scope)), .column_count = -1, .on_conflict_count = -1};
	if (length > QUERY_LENGTH_MAX)
		return problem_set(problem, 400, "PGRST100", "failed to parse the query string", "it is too long", NULL);
	if (length > 0 && raw[0] == '?')
	{
		raw++;
		length--;
	}
	if (!query_split(arena, raw, length, QUERY_ITEMS_MAX, &reading.pairs, &reading.count, problem))
		return false;
	query->canonical = query_canonical(arena, reading.pairs, reading.count);
	return read_each(&reading, order, read_order) && read_each(&reading, logic, read_logic) &&
		   read_columns(&reading, "columns", &query->columns, &query->column_count) && read_select(&reading) &&
		   read_each(&reading, NULL, read_condition) &&
		   read_columns(&reading, "on_conflict", &query->on_conflict, &query->on_conflict_count) &&
		   read_ranges(&reading);
}
