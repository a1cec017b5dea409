/*
 * query_filter.c
 *		What stands behind a column: not., an operator, a quantifier or a
 *		language, a value.
 *
 * A value of a parameter goes to the end of the parameter; one inside and= or
 * or= ends at a comma or a parenthesis, unless quotes or braces hold it together.
 */
#include "gateway/parse/query_parts.h"

#include <string.h>

typedef struct OperatorName
{
	const char *shown;
	Operator operator;
} OperatorName;

/* The order matters where one name begins another. */
static const OperatorName searches[] = {
	{"\"fts\"", OPERATOR_FTS},
	{"\"plfts\"", OPERATOR_PLFTS},
	{"\"phfts\"", OPERATOR_PHFTS},
	{"\"wfts\"", OPERATOR_WFTS},
};

static const OperatorName simple[] = {
	{"\"neq\"", OPERATOR_NEQ}, {"\"cs\"", OPERATOR_CS},   {"\"cd\"", OPERATOR_CD},
	{"\"ov\"", OPERATOR_OV},   {"\"sl\"", OPERATOR_SL},   {"\"sr\"", OPERATOR_SR},
	{"\"nxr\"", OPERATOR_NXR}, {"\"nxl\"", OPERATOR_NXL}, {"\"adj\"", OPERATOR_ADJ},
};

static const OperatorName quantifiable[] = {
	{"\"eq\"", OPERATOR_EQ},       {"\"gte\"", OPERATOR_GTE},     {"\"gt\"", OPERATOR_GT},
	{"\"lte\"", OPERATOR_LTE},     {"\"lt\"", OPERATOR_LT},       {"\"like\"", OPERATOR_LIKE},
	{"\"ilike\"", OPERATOR_ILIKE}, {"\"match\"", OPERATOR_MATCH}, {"\"imatch\"", OPERATOR_IMATCH},
};

/* Takes the first name of a table that stands here. */
static bool
one_of(Reader *reader, const OperatorName *names, size_t count, Operator *operator)
{
	for (size_t i = 0; i < count; i++)
	{
		ReaderMark mark;

		reader_mark(reader, &mark);
		if (reader_try(reader, &mark, reader_word(reader, names[i].shown)))
		{
			*operator= names[i].operator;
			return true;
		}
	}
	return false;
}

#define ONE_OF(reader, names, operator) one_of(reader, names, sizeof(names) / sizeof((names)[0]), operator)

/* Where a value of a list or of logic ends. */
static size_t
end_of_value(const Reader *reader)
{
	return reader->at + strcspn(reader->text + reader->at, ",)");
}

/* Takes everything up to a place. */
static const char *
take(Reader *reader, size_t end)
{
	const char *taken = arena_copy(reader->arena, reader->text + reader->at, end - reader->at);

	if (end != reader->at)
		reader_move(reader, end);
	(void) reader_expect(reader, NULL);
	return taken;
}

/* Takes a quoted value with a comma, a parenthesis or the end behind it. */
static bool
quoted_value(Reader *reader, const char **value)
{
	ReaderMark mark;
	bool success;

	reader_mark(reader, &mark);
	success = query_quoted(reader, value);
	if (success && reader->at < reader->length && end_of_value(reader) != reader->at)
		success = reader_reject(reader, reader->at, reader->at + 1);
	return reader_try(reader, &mark, success);
}

/* Takes {...} without braces inside. */
static bool
braced_value(Reader *reader, const char **value)
{
	ReaderMark mark;
	size_t end;

	reader_mark(reader, &mark);
	if (!reader_word(reader, "\"{\""))
		return reader_try(reader, &mark, false);
	end = reader->at + strcspn(reader->text + reader->at, "{}");
	if (reader->text[end] != '}')
	{
		reader_move(reader, end);
		return reader_try(reader, &mark, reader_expect(reader, "\"}\""));
	}
	*value = arena_copy(reader->arena, reader->text + mark.at, end + 1 - mark.at);
	reader_move(reader, end + 1);
	return reader_try(reader, &mark, true);
}

/* Takes a value; it may be empty. */
static void
value_of(Reader *reader, bool in_logic, Condition *condition)
{
	if (!in_logic)
		condition->value = take(reader, reader->length);
	else if (!quoted_value(reader, &condition->value) && !braced_value(reader, &condition->value))
		condition->value = take(reader, end_of_value(reader));
}

/* Takes an operator's name and the dot behind it, or nothing. */
static bool
dotted(Reader *reader, const char *shown)
{
	ReaderMark mark;

	reader_mark(reader, &mark);
	return reader_try(reader, &mark, reader_word(reader, shown) && query_dot(reader));
}

/* Reads (1,"2",3); one empty element is no element, as PostgREST has it. */
static bool
list(Reader *reader, Condition *condition)
{
	int room = 8;
	const char **values;

	reader_blanks(reader);
	if (!reader_byte(reader, '(', "\"(\""))
		return false;
	reader_blanks(reader);
	values = arena_alloc(reader->arena, sizeof(char *) * (size_t) room);
	do
	{
		const char **value;

		if (!reader_count(reader))
			return false;
		if (condition->value_count == room)
		{
			const char **more = arena_alloc(reader->arena, sizeof(char *) * 2 * (size_t) room);

			memcpy(more, values, sizeof(char *) * (size_t) room);
			values = more;
			room *= 2;
		}
		value = &values[condition->value_count];
		if (!quoted_value(reader, value))
			*value = take(reader, end_of_value(reader));
		condition->value_count++;
	} while (reader_byte(reader, ',', "\",\""));
	reader_blanks(reader);
	if (!reader_byte(reader, ')', "\")\""))
		return false;
	reader_blanks(reader);
	condition->operator= OPERATOR_IN;
	condition->values = values;
	if (condition->value_count == 1 && values[0][0] == '\0')
		condition->value_count = 0;
	return true;
}

/* Takes a word in any case. */
static bool
word_in_any_case(Reader *reader, const char *word)
{
	ReaderMark mark;

	reader_mark(reader, &mark);
	for (const char *s = word; *s != '\0'; s++)
	{
		char byte = reader->text[reader->at];

		if (byte != *s && byte != (*s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s))
			return reader_try(reader, &mark, reader_expect(reader, word));
		reader_move(reader, reader->at + 1);
	}
	return reader_try(reader, &mark, true);
}

/* Reads what stands behind is. */
static bool
is_value(Reader *reader, Condition *condition)
{
	static const char *const words[] = {"null", "not_null", "true", "false", "unknown"};
	ReaderMark mark;
	bool success = false;

	reader_mark(reader, &mark);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !success; i++)
	{
		success = word_in_any_case(reader, words[i]);
		if (success)
			condition->value = words[i];
	}
	condition->operator= OPERATOR_IS;
	return reader_label(reader, &mark, success, "isVal: (null, not_null, true, false, unknown)");
}

/* Reads fts(language).value. */
static bool
search(Reader *reader, bool in_logic, Condition *condition)
{
	ReaderMark mark;

	if (!ONE_OF(reader, searches, &condition->operator))
		return false;
	reader_mark(reader, &mark);
	if (!reader_try(reader, &mark,
					reader_byte(reader, '(', "\"(\"") && query_identifier(reader, &condition->language) &&
						reader_byte(reader, ')', "\")\"")))
		condition->language = NULL;
	if (!query_dot(reader))
		return false;
	value_of(reader, in_logic, condition);
	return true;
}

/* Reads cs.value. */
static bool
plain(Reader *reader, bool in_logic, Condition *condition)
{
	if (!ONE_OF(reader, simple, &condition->operator) || !query_dot(reader))
		return false;
	value_of(reader, in_logic, condition);
	return true;
}

/* Takes (any) or (all). */
static bool
quantifier(Reader *reader, Quantifier *taken)
{
	ReaderMark mark;
	ReaderMark inner;
	bool any;

	reader_mark(reader, &mark);
	if (!reader_byte(reader, '(', "\"(\""))
		return reader_try(reader, &mark, false);
	reader_mark(reader, &inner);
	any = reader_try(reader, &inner, reader_word(reader, "\"any\""));
	if (!reader_try(reader, &mark, (any || reader_word(reader, "\"all\"")) && reader_byte(reader, ')', "\")\"")))
		return false;
	*taken = any ? QUANTIFIER_ANY : QUANTIFIER_ALL;
	return true;
}

/* Writes the wildcard of LIKE in place of the one that needs no encoding. */
static const char *
wildcards(Arena *arena, const char *value)
{
	char *copy = arena_string(arena, value);

	for (char *s = strchr(copy, '*'); s != NULL; s = strchr(s + 1, '*'))
		*s = '%';
	return copy;
}

/* Reads eq(any).value. */
static bool
quantified(Reader *reader, bool in_logic, Condition *condition)
{
	if (!ONE_OF(reader, quantifiable, &condition->operator))
		return false;
	(void) quantifier(reader, &condition->quantifier);
	if (!query_dot(reader))
		return false;
	value_of(reader, in_logic, condition);
	if (condition->operator== OPERATOR_LIKE || condition->operator== OPERATOR_ILIKE)
		condition->value = wildcards(reader->arena, condition->value);
	return condition->quantifier == QUANTIFIER_NONE ||
		   query_array(reader, condition->value, &condition->values, &condition->value_count);
}

/* Reads an operator of any kind and what belongs to it. */
static bool
operation(Reader *reader, bool in_logic, Condition *condition)
{
	ReaderMark mark;

	if (dotted(reader, "\"in\""))
		return list(reader, condition);
	if (dotted(reader, "\"is\""))
		return is_value(reader, condition);
	if (dotted(reader, "\"isdistinct\""))
	{
		condition->operator= OPERATOR_IS_DISTINCT;
		value_of(reader, in_logic, condition);
		return true;
	}
	reader_mark(reader, &mark);
	if (reader_try(reader, &mark, search(reader, in_logic, condition)))
		return true;
	reader_mark(reader, &mark);
	if (reader_try(reader, &mark, plain(reader, in_logic, condition)))
		return true;
	reader_mark(reader, &mark);
	return reader_try(reader, &mark, quantified(reader, in_logic, condition));
}

bool
query_operation(Reader *reader, bool in_logic, Condition *condition)
{
	ReaderMark mark;

	condition->negated = dotted(reader, "\"not\"");
	reader_mark(reader, &mark);
	return reader_label(reader, &mark, operation(reader, in_logic, condition), "operator (eq, gt, ...)");
}
