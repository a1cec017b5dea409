/*
 * query_fuzz.c
 *		Query strings: whatever a stranger writes is refused with what clients know,
 *		or becomes a tree within its bounds whose texts are UTF-8, and whose
 *		canonical form reads the same again.
 */
#define FUZZ_LENGTH_MAX 2048
#include "fuzz.h"

#include "gateway/parse/query.h"

static int items;

static void
check_text(const char *text)
{
	MUST(text != NULL && text_is_utf8(text, strlen(text)));
}

static void
check_field(const Field *field)
{
	check_text(field->name);
	for (const JsonStep *step = field->steps; step != NULL; step = step->next)
	{
		check_text(step->key);
		if (step->is_index)
			MUST(strspn(step->key + (step->key[0] == '-'), "0123456789") ==
					 strlen(step->key) - (step->key[0] == '-') &&
				 step->key[step->key[0] == '-'] != '\0');
		items++;
	}
}

/* A type's name holds nothing that could end it. */
static void
check_type(const char *type)
{
	if (type == NULL)
		return;
	check_text(type);
	MUST(strpbrk(type, "\"'();:,.-*/\\") == NULL);
}

static void
check_items(const SelectItem *item, int depth)
{
	MUST(depth <= QUERY_DEPTH_MAX);
	for (; item != NULL; item = item->next)
	{
		items++;
		if (item->is_embedding)
		{
			check_text(item->relation);
			MUST(item->field.name == NULL && item->aggregate == NULL && (!item->is_spread || item->alias == NULL));
			check_items(item->items, depth + 1);
			continue;
		}
		MUST(item->items == NULL && item->relation == NULL && item->hint == NULL && item->join == JOIN_DEFAULT);
		MUST(item->field.name != NULL || item->aggregate != NULL);
		if (item->field.name != NULL)
			check_field(&item->field);
		check_type(item->cast);
		check_type(item->aggregate_cast);
	}
}

static void
check_condition(const Condition *condition)
{
	items++;
	check_field(&condition->field);
	MUST((unsigned) condition->operator<= OPERATOR_WFTS);
	if (condition->operator== OPERATOR_IN)
		MUST(condition->value == NULL && condition->values != NULL && condition->quantifier == QUANTIFIER_NONE);
	else
		check_text(condition->value);
	if (condition->operator== OPERATOR_LIKE || condition->operator== OPERATOR_ILIKE)
		MUST(strchr(condition->value, '*') == NULL);
	check_type(condition->language);
	MUST(condition->value_count >= 0 && condition->value_count <= QUERY_ITEMS_MAX);
	for (int i = 0; i < condition->value_count; i++, items++)
	{
		if (condition->values[i] != NULL)
			check_text(condition->values[i]);
		else
			MUST(condition->quantifier != QUANTIFIER_NONE);
	}
}

static void
check_logic(const Logic *logic, int depth)
{
	MUST(depth <= QUERY_DEPTH_MAX);
	for (; logic != NULL; logic = logic->next)
	{
		MUST((logic->kind == LOGIC_CONDITION) == (logic->condition != NULL));
		MUST((logic->kind == LOGIC_CONDITION) == (logic->parts == NULL));
		if (logic->condition != NULL)
			check_condition(logic->condition);
		check_logic(logic->parts, depth + 1);
	}
}

static void
check_query(const Query *query)
{
	items = 0;
	check_items(query->select, 0);
	for (const Scope *scope = query->scopes; scope != NULL; scope = scope->next)
	{
		MUST((scope == query->scopes) == (scope->depth == 0) && scope->depth <= QUERY_DEPTH_MAX);
		for (int i = 0; i < scope->depth; i++)
			check_text(scope->path[i]);
		check_logic(scope->conditions, 1);
		for (const OrderTerm *term = scope->order; term != NULL; term = term->next, items++)
			check_field(&term->field);
		MUST(scope->limit >= 0 && scope->offset >= 0);
	}
	for (int i = 0; i < query->column_count; i++, items++)
		MUST(i == 0 || strcmp(query->columns[i - 1], query->columns[i]) < 0);
	for (int i = 0; i < query->on_conflict_count; i++, items++)
		MUST(i == 0 || strcmp(query->on_conflict[i - 1], query->on_conflict[i]) < 0);
	for (const Parameter *argument = query->arguments; argument != NULL; argument = argument->next)
	{
		check_text(argument->name);
		check_text(argument->value);
	}
	MUST(items <= QUERY_ITEMS_MAX);
}

static void
check(const char *raw, size_t size, bool for_routine)
{
	Arena *arena = arena_new();
	Query query;
	Query again;
	Problem problem = {0};

	if (!query_read(arena, raw, size, for_routine, &query, &problem))
	{
		MUST(problem.status == 400 || problem.status == 416);
		check_text(problem.code);
		check_text(problem.message);
		MUST(problem.details == NULL || text_is_utf8(problem.details, strlen(problem.details)));
	}
	else
	{
		check_query(&query);
		MUST(strspn(query.canonical, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%&=,") ==
			 strlen(query.canonical));
		/* repeated names are joined, and then it is another query: read it all the same */
		if (query_read(arena, query.canonical, strlen(query.canonical), for_routine, &again, &problem))
			MUST(strcmp(query.canonical, again.canonical) == 0 || strchr(query.canonical, ',') != NULL);
	}
	arena_free(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *input = fuzz_copy(data, size);

	check(input, size, false);
	check(input, size, true);
	free(input);
	return 0;
}
