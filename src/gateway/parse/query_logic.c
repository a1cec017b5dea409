/*
 * query_logic.c
 *		and= and or=: trees of conditions.
 */
#include "gateway/parse/query_parts.h"

/* Reads column.operator.value. */
static bool
leaf(Reader *reader, Condition *condition)
{
	return query_field(reader, &condition->field) && query_dot(reader) && query_operation(reader, true, condition);
}

/* Takes not. when it stands there. */
static bool
negation(Reader *reader)
{
	ReaderMark outer;
	ReaderMark mark;
	bool negated;

	reader_mark(reader, &outer);
	reader_mark(reader, &mark);
	negated = reader_try(reader, &mark, reader_word(reader, "\"not\"") && query_dot(reader));
	(void) reader_label(reader, &outer, true, "negation operator (not)");
	return negated;
}

/* Takes and, or. */
static bool
logic_word(Reader *reader, LogicKind *kind)
{
	ReaderMark outer;
	ReaderMark mark;
	bool success;

	reader_mark(reader, &outer);
	reader_mark(reader, &mark);
	success = reader_try(reader, &mark, reader_word(reader, "\"and\""));
	*kind = success ? LOGIC_AND : LOGIC_OR;
	if (!success)
		success = reader_word(reader, "\"or\"");
	return reader_label(reader, &outer, success, "logic operator (and, or)");
}

/* Takes one byte, blanks around. */
static bool
lexeme(Reader *reader, char byte, const char *label)
{
	reader_blanks(reader);
	if (!reader_byte(reader, byte, label))
		return false;
	reader_blanks(reader);
	return true;
}

bool
query_logic(Reader *reader, Logic **logic, int depth)
{
	Logic *made = arena_alloc(reader->arena, sizeof(Logic));
	Logic **tail = &made->parts;
	ReaderMark mark;

	*logic = made;
	if (depth > QUERY_DEPTH_MAX)
		return reader_refuse(reader, "PGRST100", "conditions stand too deep inside one another");
	if (!reader_count(reader))
		return false;
	made->condition = arena_alloc(reader->arena, sizeof(Condition));
	reader_mark(reader, &mark);
	if (reader_try(reader, &mark, leaf(reader, made->condition)))
		return true;
	made->condition = NULL;
	made->negated = negation(reader);
	if (!logic_word(reader, &made->kind) || !lexeme(reader, '(', "\"(\""))
		return false;
	for (;;)
	{
		size_t at;

		if (!query_logic(reader, tail, depth + 1))
			return false;
		tail = &(*tail)->next;
		at = reader->at;
		if (!lexeme(reader, ',', "\",\""))
			return reader->at == at && lexeme(reader, ')', "\")\"");
	}
}
