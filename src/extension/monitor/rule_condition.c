/*
 * rule_condition.c
 *		Conditions of a rule: fields of an event, each of which must be a value, or one of several.
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
	{"severity", FIELD_TEXT, offsetof(WatchedEvent, severity)},
	{"outcome", FIELD_TEXT, offsetof(WatchedEvent, outcome)},
	{"action", FIELD_TEXT, offsetof(WatchedEvent, action)},
	{"resource", FIELD_TEXT, offsetof(WatchedEvent, resource)},
	{"record_id", FIELD_TEXT, offsetof(WatchedEvent, record_id)},
	{"session_user_name", FIELD_TEXT, offsetof(WatchedEvent, session_user_name)},
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
};

/* ---- compiling ---- */

static const char not_a_value[] = "a condition is a value, or an array of values";

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

const char *
condition_compile(const Jsonb *json, RuleCondition **conditions, int *count)
{
	JsonbIterator *iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
	JsonbIteratorToken token;
	JsonbValue value;
	RuleCondition *condition = NULL;
	const char *wrong = NULL;
	bool in_array = false;

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
				condition = &(*conditions)[(*count)++];
				condition->values = palloc(VALUES_MAX * sizeof(char *));
				if (!find_field(pnstrdup(value.val.string.val, value.val.string.len), condition))
					wrong = psprintf("\"%.*s\" is no field of an event", Min(value.val.string.len, 100),
									 value.val.string.val);
				break;
			case WJB_VALUE:
			case WJB_ELEM:
				wrong = add_value(condition, &value);
				break;
			case WJB_BEGIN_OBJECT:
			case WJB_BEGIN_ARRAY:
				if (in_array || (condition != NULL && token == WJB_BEGIN_OBJECT))
					wrong = not_a_value;
				in_array = token == WJB_BEGIN_ARRAY;
				break;
			case WJB_END_ARRAY:
				in_array = false;
				break;
			default:
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
		return false;
	for (int i = 0; i < condition->value_count; i++)
		if (is_value(condition, text, condition->values[i]))
			return true;
	return false;
}

bool
condition_holds(const RuleCondition *conditions, int count, const WatchedEvent *event)
{
	for (int i = 0; i < count; i++)
		if (!one_holds(&conditions[i], event))
			return false;
	return true;
}
