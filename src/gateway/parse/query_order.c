/*
 * query_order.c
 *		order=: columns, and columns of to-one embeddings.
 */
#include "gateway/parse/query_parts.h"

/* Takes .word when it stands there; takes nothing otherwise. */
static bool
dotted(Reader *reader, const char *shown)
{
	ReaderMark mark;

	reader_mark(reader, &mark);
	return reader_try(reader, &mark, query_dot(reader) && reader_word(reader, shown));
}

/* Reads direction and place of nulls, up to the end of a term. */
static bool
manner(Reader *reader, OrderTerm *term)
{
	if (dotted(reader, "\"asc\""))
		term->direction = DIRECTION_ASC;
	else if (dotted(reader, "\"desc\""))
		term->direction = DIRECTION_DESC;
	if (dotted(reader, "\"nullsfirst\""))
		term->nulls = NULLS_FIRST;
	else if (dotted(reader, "\"nullslast\""))
		term->nulls = NULLS_LAST;
	return reader_peek(reader, "\",\"") || reader_end(reader);
}

/* Reads relation(column).desc. */
static bool
related(Reader *reader, OrderTerm *term)
{
	return query_name(reader, &term->relation) && reader_byte(reader, '(', "\"(\"") &&
		   query_field(reader, &term->field) && reader_byte(reader, ')', "\")\"") && manner(reader, term);
}

/* Reads one term, blanks around. */
static bool
read_term(Reader *reader, OrderTerm *term)
{
	ReaderMark mark;

	reader_blanks(reader);
	reader_mark(reader, &mark);
	if (!reader_try(reader, &mark, related(reader, term)))
	{
		*term = (OrderTerm){0};
		if (!query_field(reader, &term->field) || !manner(reader, term))
			return false;
	}
	reader_blanks(reader);
	return true;
}

bool
query_order(Reader *reader, OrderTerm **terms)
{
	OrderTerm **tail = terms;

	do
	{
		*tail = arena_alloc(reader->arena, sizeof(OrderTerm));
		if (!reader_count(reader) || !read_term(reader, *tail))
			return false;
		tail = &(*tail)->next;
	} while (reader_byte(reader, ',', "\",\""));
	return true;
}
