/*
 * rule_condition.c
 *		Conditions of a rule: fields of an event, each of which must be a value, or one of several; or {"not": ...}, none of
 *		them.
 *
 * A field is a column of the event by its name, or "details.NAME".  Values are compared as texts: 5 and "5" are the same;
 * null means that the event has no such value.  An address is compared as one, with addresses, networks and the word local.
 */
#include "monitor/rule.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#define DETAILS "details."
#define CONDITIONS_MAX 32
#define VALUES_MAX 1000

typedef enum FieldKind
{
	FIELD_TEXT,
	FIELD_NUMBER, /* int64, 0: none */
	FIELD_ROWS,
	FIELD_BOOLEAN,
	FIELD_ADDRESS,
	FIELD_DETAIL
} FieldKind;

typedef struct Field
{
	const char *name;
	FieldKind kind;
	size_t place;
} Field;

static const Field fields[] = {
	{"event_type", FIELD_TEXT, offsetof(WatchedEvent, type)},
	{"class", FIELD_TEXT, offsetof(WatchedEvent, class)},
	{"severity", FIELD_TEXT, offsetof(WatchedEvent, severity)},
	{"outcome", FIELD_TEXT, offsetof(WatchedEvent, outcome)},
	{"action", FIELD_TEXT, offsetof(WatchedEvent, action)},
	{"resource", FIELD_TEXT, offsetof(WatchedEvent, resource)},
	{"record_id", FIELD_TEXT, offsetof(WatchedEvent, record_id)},
	{"session_user_name", FIELD_TEXT, offsetof(WatchedEvent, session_user_name)},
	{"outer_user_name", FIELD_TEXT, offsetof(WatchedEvent, outer_user_name)},
	{"effective_user_name", FIELD_TEXT, offsetof(WatchedEvent, effective_user_name)},
	{"token_id", FIELD_TEXT, offsetof(WatchedEvent, token_id)},
	{"request_id", FIELD_TEXT, offsetof(WatchedEvent, request_id)},
	{"username", FIELD_TEXT, offsetof(WatchedEvent, username)},
	{"application_name", FIELD_TEXT, offsetof(WatchedEvent, application_name)},
	{"client_address", FIELD_ADDRESS, offsetof(WatchedEvent, client_address)},
	{"user_id", FIELD_NUMBER, offsetof(WatchedEvent, user_id)},
	{"tenant_id", FIELD_NUMBER, offsetof(WatchedEvent, tenant_id)},
	{"rows", FIELD_ROWS, offsetof(WatchedEvent, rows)},
	{"application_made", FIELD_BOOLEAN, offsetof(WatchedEvent, application_made)},
};

struct RuleCondition
{
	const char *detail; /* NULL: a column */
	const Field *field;
	const char **values; /* NULL: no value */
	int value_count;
	bool is_not; /* none of the values */
};

/* ---- compiling ---- */

static const char not_a_value[] = "a condition is a value, an array of values, or {\"not\": either}";

/* Where in the conditions' JSON the compiler is. */
typedef struct Place
{
	RuleCondition *condition; /* NULL: before the first */
	bool in_object;           /* of a condition */
	bool in_array;
} Place;

/* A scalar as text, NULL for null; false for what is none. */
static bool
scalar_text(const JsonbValue *value, const char **text)
{
	switch (value->type)
	{
		case jbvNull:
			*text = NULL;
			return true;
		case jbvBool:
			*text = value->val.boolean ? "true" : "false";
			return true;
		case jbvString:
			*text = pnstrdup(value->val.string.val, value->val.string.len);
			return true;
		case jbvNumeric:
			*text = DatumGetCString(DirectFunctionCall1(
				numeric_out, DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(value->val.numeric))));
			return true;
		default:
			return false;
	}
}

/* Adds a value that a field may have; NULL, or what is wrong with it. */
static const char *
add_value(RuleCondition *condition, const JsonbValue *json)
{
	const char *text;

	if (condition->value_count == VALUES_MAX)
		return psprintf("a condition has more than %d values", VALUES_MAX);
	if (!scalar_text(json, &text))
		return not_a_value;
	if (condition->detail == NULL && condition->field->kind == FIELD_ADDRESS && text != NULL &&
		(*text == '\0' || !network_list_valid(text)))
		return psprintf("\"%.100s\" in a condition is neither an address nor a network", text);
	condition->values[condition->value_count++] = text;
	return NULL;
}

/* Finds the field that a key names; false for none. */
static bool
find_field(const char *key, RuleCondition *condition)
{
	/* public: names of columns */
	if (strncmp(key, DETAILS, strlen(DETAILS)) == 0 && key[strlen(DETAILS)] != '\0')
	{
		condition->detail = key + strlen(DETAILS);
		return true;
	}
	for (int i = 0; i < (int) lengthof(fields); i++)
		if (strcmp(fields[i].name, key) == 0) /* public: names of columns */
			condition->field = &fields[i];
	return condition->field != NULL;
}

/* Takes a key: a field's name, or "not" within its condition.  NULL, or what is wrong with it. */
static const char *
take_key(Place *place, RuleCondition *next, const JsonbValue *key)
{
	char *name = pnstrdup(key->val.string.val, key->val.string.len);

	if (place->in_object)
	{
		if (place->condition->is_not || strcmp(name, "not") != 0) /* public: a word of conditions */
			return not_a_value;
		place->condition->is_not = true;
		return NULL;
	}
	place->condition = next;
	next->values = palloc(VALUES_MAX * sizeof(char *));
	return find_field(name, next) ? NULL : psprintf("\"%.100s\" is no field of an event", name);
}

/* Takes the beginning of an array or object, or their end. */
static const char *
take_bracket(Place *place, JsonbIteratorToken token)
{
	const char *wrong = NULL;

	if (place->condition == NULL)
		return NULL; /* that of all conditions */
	switch (token)
	{
		case WJB_BEGIN_OBJECT:
			if (place->in_object || place->in_array)
				wrong = not_a_value;
			place->in_object = true;
			break;
		case WJB_END_OBJECT:
			if (place->in_object && !place->condition->is_not)
				wrong = not_a_value;
			place->in_object = false;
			break;
		default:
			if (place->in_array && token == WJB_BEGIN_ARRAY)
				wrong = not_a_value;
			place->in_array = token == WJB_BEGIN_ARRAY;
			break;
	}
	return wrong;
}

const char *
condition_compile(const Jsonb *json, RuleCondition **conditions, int *count)
{
	JsonbIterator *iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
	JsonbIteratorToken token;
	JsonbValue value;
	Place place = {.condition = NULL};
	const char *wrong = NULL;

	*count = 0;
	*conditions = NULL;
	if (!JB_ROOT_IS_OBJECT(json))
		return "conditions are a JSON object";
	if (JB_ROOT_COUNT(json) > CONDITIONS_MAX)
		return psprintf("there are more than %d conditions", CONDITIONS_MAX);
	*conditions = palloc0((JB_ROOT_COUNT(json) + 1) * sizeof(RuleCondition));
	while (wrong == NULL && (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
		switch (token)
		{
			case WJB_KEY:
				wrong = take_key(&place, &(*conditions)[*count], &value);
				*count += place.in_object ? 0 : 1;
				break;
			case WJB_VALUE:
			case WJB_ELEM:
				wrong = add_value(place.condition, &value);
				break;
			default:
				wrong = take_bracket(&place, token);
				break;
		}
	return wrong;
}

/* ---- holding ---- */

/* What an event says in a field, NULL for nothing; false: something that equals no value. */
static bool
field_text(const RuleCondition *condition, const WatchedEvent *event, const char **text)
{
	const char *at;
	int64 number;
	JsonbValue found;

	*text = NULL;
	if (condition->detail != NULL)
	{
		if (event->details == NULL || !JB_ROOT_IS_OBJECT(event->details) ||
			getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &event->details->root), condition->detail,
										 (int) strlen(condition->detail), &found) == NULL)
			return true;
		return scalar_text(&found, text);
	}
	at = (const char *) event + condition->field->place;
	switch (condition->field->kind)
	{
		case FIELD_NUMBER:
			number = *(const int64 *) at;
			*text = number == 0 ? NULL : psprintf(INT64_FORMAT, number);
			return true;
		case FIELD_ROWS:
			*text = psprintf("%d", *(const int32 *) at);
			return true;
		case FIELD_BOOLEAN:
			*text = *(const bool *) at ? "true" : "false";
			return true;
		default:
			*text = *(const char *const *) at;
			return true;
	}
}

static bool
is_value(const RuleCondition *condition, const char *text, const char *value)
{
	NetAddress address;

	if (condition->detail == NULL && condition->field->kind == FIELD_ADDRESS && value != NULL)
	{
		if (text == NULL)
			return network_list_holds(value, NULL);
		return network_address(text, strlen(text), &address) && network_list_holds(value, &address);
	}
	if (text == NULL || value == NULL)
		return text == value;
	return strcmp(text, value) == 0; /* public: what the log says */
}

static bool
one_holds(const RuleCondition *condition, const WatchedEvent *event)
{
	const char *text;

	if (!field_text(condition, event, &text))
		return condition->is_not;
	for (int i = 0; i < condition->value_count; i++)
		if (is_value(condition, text, condition->values[i]))
			return !condition->is_not;
	return condition->is_not;
}

bool
condition_holds(const RuleCondition *conditions, int count, const WatchedEvent *event)
{
	for (int i = 0; i < count; i++)
		if (!one_holds(&conditions[i], event))
			return false;
	return true;
}
