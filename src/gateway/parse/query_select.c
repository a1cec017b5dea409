/*
 * query_select.c
 *		select=: columns, aggregates, embeddings and what is spread.
 *
 * An item is tried as something spread, as an embedding, and then as a
 * column; the first two are decided by the parenthesis behind their name, so
 * no item is read more often than these few times, however deep it lies.
 */
#include "gateway/parse/query_parts.h"

#include <string.h>

/* Takes !inner, !left or !hint. */
static bool
parameter(Reader *reader, SelectItem *item)
{
	ReaderMark mark;
	const char *hint;

	if (!reader_byte(reader, '!', "\"!\""))
		return false;
	reader_mark(reader, &mark);
	if (reader_try(reader, &mark, reader_word(reader, "\"left\"")))
	{
		if (item->join == JOIN_DEFAULT)
			item->join = JOIN_LEFT;
		return true;
	}
	reader_mark(reader, &mark);
	if (reader_try(reader, &mark, reader_word(reader, "\"inner\"")))
	{
		if (item->join == JOIN_DEFAULT)
			item->join = JOIN_INNER;
		return true;
	}
	reader_mark(reader, &mark);
	if (!reader_try(reader, &mark, query_name(reader, &hint)))
		return false;
	if (item->hint == NULL)
		item->hint = hint;
	return true;
}

/* Takes up to two parameters and looks for the parenthesis that makes an embedding. */
static bool
parameters(Reader *reader, SelectItem *item)
{
	for (int i = 0; i < 2; i++)
	{
		size_t at = reader->at;

		if (!parameter(reader, item) && reader->at != at)
			return false;
	}
	return reader_peek(reader, "\"(\"");
}

/* Takes a name and the colon that makes it an alias. */
static bool
alias(Reader *reader, const char **name)
{
	ReaderMark mark;
	const char *read;

	reader_mark(reader, &mark);
	if (!reader_try(reader, &mark,
					query_name(reader, &read) && reader_byte(reader, ':', "\":\"") && reader_not(reader, ':')))
		return false;
	*name = read;
	return true;
}

/* Reads the head of ...relation(. */
static bool
spread(Reader *reader, SelectItem *item)
{
	reader_blanks(reader);
	return reader_word(reader, "\"...\"") && query_name(reader, &item->relation) && parameters(reader, item);
}

/* Reads the head of alias:relation!hint(. */
static bool
relation(Reader *reader, SelectItem *item)
{
	reader_blanks(reader);
	(void) alias(reader, &item->alias);
	if (!query_name(reader, &item->relation) || strcmp(item->relation, "count") == 0)
		return false;
	return parameters(reader, item);
}

/* Whether an item ends here. */
static bool
item_ends(Reader *reader)
{
	return reader_peek(reader, "\")\"") || reader_peek(reader, "\",\"") || reader_end(reader);
}

/* Takes ::type when there is one; false when it is broken. */
static bool
cast(Reader *reader, const char **type)
{
	size_t at = reader->at;

	if (reader_word(reader, "\"::\""))
		return query_identifier(reader, type);
	return reader->at == at;
}

static bool
star(Reader *reader, SelectItem *item)
{
	if (!reader_byte(reader, '*', "\"*\"") || !item_ends(reader))
		return false;
	item->field.name = "*";
	return true;
}

/* Reads alias:count()::type. */
static bool
bare_count(Reader *reader, SelectItem *item)
{
	(void) alias(reader, &item->alias);
	if (!reader_word(reader, "\"count()\"") || !cast(reader, &item->aggregate_cast) || !item_ends(reader))
		return false;
	item->aggregate = "count";
	return true;
}

/* Takes .sum() and its like. */
static bool
aggregate(Reader *reader, const char **name)
{
	static const char *const names[] = {"\"sum\"", "\"avg\"", "\"count\"", "\"max\"", "\"min\""};
	static const char *const plain[] = {"sum", "avg", "count", "max", "min"};

	if (!reader_byte(reader, '.', "\".\""))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		ReaderMark mark;

		reader_mark(reader, &mark);
		if (reader_try(reader, &mark, reader_word(reader, names[i])))
		{
			*name = plain[i];
			return reader_word(reader, "\"()\"");
		}
	}
	return false;
}

/* Reads alias:column->path::type.sum()::type. */
static bool
column(Reader *reader, SelectItem *item)
{
	ReaderMark mark;

	(void) alias(reader, &item->alias);
	if (!query_field(reader, &item->field) || !cast(reader, &item->cast))
		return false;
	reader_mark(reader, &mark);
	(void) reader_try(reader, &mark, aggregate(reader, &item->aggregate));
	if (mark.at == reader->at)
		item->aggregate = NULL;
	return cast(reader, &item->aggregate_cast) && item_ends(reader);
}

/* Reads a column of any kind, blanks around. */
static bool
plain_item(Reader *reader, SelectItem *item)
{
	ReaderMark mark;

	reader_blanks(reader);
	reader_mark(reader, &mark);
	if (!reader_try(reader, &mark, star(reader, item)))
	{
		reader_mark(reader, &mark);
		if (!reader_try(reader, &mark, bare_count(reader, item)))
		{
			*item = (SelectItem){0};
			if (!column(reader, item))
				return false;
		}
	}
	reader_blanks(reader);
	return true;
}

/* Reads one item of any kind. */
static bool
read_item(Reader *reader, SelectItem *item, int depth)
{
	ReaderMark mark;

	reader_mark(reader, &mark);
	item->is_embedding = item->is_spread = reader_try(reader, &mark, spread(reader, item));
	if (!item->is_spread)
	{
		*item = (SelectItem){0};
		reader_mark(reader, &mark);
		item->is_embedding = reader_try(reader, &mark, relation(reader, item));
	}
	if (!item->is_embedding)
	{
		*item = (SelectItem){0};
		return plain_item(reader, item);
	}
	if (!reader_byte(reader, '(', "\"(\""))
		return false;
	if (depth >= QUERY_DEPTH_MAX)
		return reader_refuse(reader, "PGRST100", "embeddings stand too deep inside one another");
	return query_items(reader, &item->items, depth + 1) && reader_byte(reader, ')', "\")\"");
}

bool
query_items(Reader *reader, SelectItem **items, int depth)
{
	SelectItem **tail = items;

	*items = NULL;
	for (;;)
	{
		SelectItem *item = arena_alloc(reader->arena, sizeof(SelectItem));
		size_t at = reader->at;

		if (!read_item(reader, item, depth))
			return tail == items && reader->at == at && reader->refusal == NULL; /* rel() and select= */
		if (!reader_count(reader))
			return false;
		*tail = item;
		tail = &item->next;
		at = reader->at;
		reader_blanks(reader);
		if (!reader_byte(reader, ',', "\",\""))
			return reader->at == at;
		reader_blanks(reader);
	}
}
