/*
 * query_text.h
 *		A query that was read, written out so that tests can compare it: names in
 *		<>, values in «», whatever is not given left out.
 */
#ifndef TSEC_QUERY_TEXT_H
#define TSEC_QUERY_TEXT_H

#include "gateway/parse/query.h"

static const char *const operator_names[] = {
	"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch", "in",    "is",  "isdistinct",
	"cs", "cd",  "ov", "sl",  "sr", "nxr", "nxl",  "adj",   "fts",   "plfts",  "phfts", "wfts"};

static inline void
write_field(Text *text, const Field *field)
{
	text_format(text, "<%s>", field->name);
	for (const JsonStep *step = field->steps; step != NULL; step = step->next)
		text_format(text, "%s%s%s%s", step->as_text ? "->>" : "->", step->is_index ? "#" : "<", step->key,
					step->is_index ? "" : ">");
}

static inline void
write_items(Text *text, const SelectItem *item)
{
	for (const char *comma = ""; item != NULL; item = item->next, comma = ",")
	{
		text_put(text, comma);
		if (item->alias != NULL)
			text_format(text, "<%s>:", item->alias);
		if (item->is_embedding)
		{
			text_format(text, "%s<%s>", item->is_spread ? "..." : "", item->relation);
			if (item->hint != NULL)
				text_format(text, "!<%s>", item->hint);
			if (item->join != JOIN_DEFAULT)
				text_put(text, item->join == JOIN_INNER ? "!inner" : "!left");
			text_char(text, '(');
			write_items(text, item->items);
			text_char(text, ')');
			continue;
		}
		if (item->field.name != NULL)
			write_field(text, &item->field);
		if (item->cast != NULL)
			text_format(text, "::<%s>", item->cast);
		if (item->aggregate != NULL)
			text_format(text, ".%s()", item->aggregate);
		if (item->aggregate_cast != NULL)
			text_format(text, "::<%s>", item->aggregate_cast);
	}
}

static inline void
write_logic(Text *text, const Logic *logic)
{
	const Condition *condition = logic->condition;

	if (logic->kind != LOGIC_CONDITION)
	{
		text_format(text, "%s%s(", logic->negated ? "not " : "", logic->kind == LOGIC_AND ? "and" : "or");
		for (const Logic *part = logic->parts; part != NULL; part = part->next)
		{
			write_logic(text, part);
			if (part->next != NULL)
				text_put(text, ", ");
		}
		text_char(text, ')');
		return;
	}
	write_field(text, &condition->field);
	text_format(text, " %s%s", condition->negated ? "not " : "", operator_names[condition->operator]);
	if (condition->quantifier != QUANTIFIER_NONE)
		text_put(text, condition->quantifier == QUANTIFIER_ANY ? "(any)" : "(all)");
	if (condition->language != NULL)
		text_format(text, "(<%s>)", condition->language);
	if (condition->value != NULL)
		text_format(text, " «%s»", condition->value);
	if (condition->values != NULL)
	{
		text_put(text, " [");
		for (int i = 0; i < condition->value_count; i++)
			text_format(text, "%s%s%s%s", i > 0 ? "," : "", condition->values[i] != NULL ? "«" : "",
						condition->values[i] != NULL ? condition->values[i] : "null",
						condition->values[i] != NULL ? "»" : "");
		text_char(text, ']');
	}
}

static inline void
write_order(Text *text, const OrderTerm *term)
{
	static const char *const directions[] = {"", " asc", " desc"};
	static const char *const nulls[] = {"", " nullsfirst", " nullslast"};

	for (; term != NULL; term = term->next)
	{
		if (term->relation != NULL)
			text_format(text, "<%s>(", term->relation);
		write_field(text, &term->field);
		text_format(text, "%s%s%s%s", term->relation != NULL ? ")" : "", directions[term->direction],
					nulls[term->nulls], term->next != NULL ? ", " : "");
	}
}

static inline void
write_names(Text *text, const char *what, const char *const *names, int count)
{
	text_format(text, " %s(", what);
	for (int i = 0; i < count; i++)
		text_format(text, "%s<%s>", i > 0 ? "," : "", names[i]);
	text_char(text, ')');
}

static inline void
write_scope(Text *text, const Scope *scope)
{
	if (scope->depth > 0)
		write_names(text, "in", scope->path, scope->depth);
	for (const Logic *logic = scope->conditions; logic != NULL; logic = logic->next)
	{
		text_put(text, " where ");
		write_logic(text, logic);
	}
	if (scope->order != NULL)
	{
		text_put(text, " order ");
		write_order(text, scope->order);
	}
	if (scope->has_limit)
		text_format(text, " limit %lld", (long long) scope->limit);
	if (scope->has_offset)
		text_format(text, " offset %lld", (long long) scope->offset);
}

/* Everything but the canonical form; begins with a blank unless empty. */
static inline const char *
write_query(Arena *arena, const Query *query)
{
	Text text;

	text_begin(&text, arena);
	if (query->has_select)
	{
		text_put(&text, " select ");
		write_items(&text, query->select);
	}
	for (const Scope *scope = query->scopes; scope != NULL; scope = scope->next)
		write_scope(&text, scope);
	if (query->column_count >= 0)
		write_names(&text, "columns", query->columns, query->column_count);
	if (query->on_conflict_count >= 0)
		write_names(&text, "conflict", query->on_conflict, query->on_conflict_count);
	for (const Parameter *argument = query->arguments; argument != NULL; argument = argument->next)
		text_format(&text, " <%s>=«%s»", argument->name, argument->value);
	return text.data;
}

#endif /* TSEC_QUERY_TEXT_H */
