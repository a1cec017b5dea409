/*
 * rule_compile.c
 *		A row of twin.alert_rules, made ready to be held against events.
 *
 * The table's trigger compiles what somebody writes there, to refuse it; the writer compiles what it reads, because
 * nothing makes sure that the trigger was there.
 */
#include "monitor/rule.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define PATTERNS_MAX 100
#define TYPE_MAX 63

/* What the monitor does itself: seen only by rules that name it, so that no rule answers to itself. */
static const char *const own_prefixes[] = {"alert_", "incident_"};
static const char *const own_types[] = {"address_blocked", "address_unblocked"};

const char rule_incomplete[] = "a value is missing or out of its range";

/* ---- patterns of types ---- */

static bool
is_pattern(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

	if (strcmp(text, "*") == 0) /* public: a pattern */
		return true;
	if (length == 0 || length > TYPE_MAX || text[0] < 'a' || text[0] > 'z')
		return false;
	return text[length] == '\0' || (text[length] == '*' && text[length + 1] == '\0');
}

static const char *
compile_patterns(Datum array, Rule *rule)
{
	Datum *values;
	bool *nulls;
	int count;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	if (count < 1 || count > PATTERNS_MAX)
		return rule_incomplete;
	rule->patterns = palloc(count * sizeof(RulePattern));
	for (int i = 0; i < count; i++)
	{
		RulePattern *pattern = &rule->patterns[i];
		char *word = nulls[i] ? pstrdup("") : TextDatumGetCString(values[i]);

		if (!is_pattern(word))
			return psprintf("\"%.100s\" is neither a type of events nor the beginning of some (login_*)", word);
		pattern->length = strcspn(word, "*");
		pattern->is_prefix = word[pattern->length] == '*';
		pattern->text = word;
	}
	rule->pattern_count = count;
	return NULL;
}

static bool
is_own(const char *type)
{
	for (int i = 0; i < (int) lengthof(own_prefixes); i++)
		if (strncmp(type, own_prefixes[i], strlen(own_prefixes[i])) == 0)
			return true;
	for (int i = 0; i < (int) lengthof(own_types); i++)
		if (strcmp(type, own_types[i]) == 0) /* public: types of events */
			return true;
	return false;
}

static bool
is_of_type(const Rule *rule, const char *type)
{
	size_t length = strlen(type);

	for (int i = 0; i < rule->pattern_count; i++)
	{
		const RulePattern *pattern = &rule->patterns[i];

		if (length < pattern->length || (!pattern->is_prefix && length != pattern->length) ||
			memcmp(type, pattern->text, pattern->length) != 0) /* public: types of events */
			continue;
		if (!pattern->is_prefix || !is_own(type))
			return true;
	}
	return false;
}

bool
rule_matches(const Rule *rule, const WatchedEvent *event)
{
	return event->type != NULL && is_of_type(rule, event->type) &&
		   condition_holds(rule->conditions, rule->condition_count, event);
}

/* ---- the row ---- */

static int64
microseconds_of(Datum value)
{
	const Interval *interval = DatumGetIntervalP(value);

	return interval->time + USECS_PER_DAY * (interval->day + (int64) DAYS_PER_MONTH * interval->month);
}

static RuleSubject
subject_of(const char *word)
{
	if (strcmp(word, "address") == 0) /* public: a word of the table */
		return SUBJECT_ADDRESS;
	if (strcmp(word, "resource") == 0) /* public: likewise */
		return SUBJECT_RESOURCE;
	return strcmp(word, "user") == 0 ? SUBJECT_USER : SUBJECT_ANY; /* public: likewise */
}

/* What makes what a rule counts: when it changes, it counts anew. */
static uint64
hash_of(const Rule *rule, const Jsonb *conditions)
{
	StringInfoData whole;

	initStringInfo(&whole);
	appendStringInfo(&whole, "%s %d %d " INT64_FORMAT, rule->name, rule->subject, rule->policy.threshold,
					 rule->policy.period);
	for (int i = 0; i < rule->pattern_count; i++)
		appendStringInfo(&whole, " %s", rule->patterns[i].text);
	appendBinaryStringInfo(&whole, (const char *) conditions, (int) VARSIZE(conditions));
	return hash_bytes_extended((const unsigned char *) whole.data, whole.len, 0);
}

/* The columns that must not be null, which the table's constraints see to. */
static bool
take_values(HeapTuple row, TupleDesc shape, Datum *values)
{
	for (int i = RULE_NAME; i <= RULE_DETECTOR; i++)
	{
		bool null;

		values[i] = heap_getattr(row, i, shape, &null);
		if (null && i != RULE_PLAYBOOK && i != RULE_DESCRIPTION)
			return false;
	}
	return true;
}

const char *
rule_compile(HeapTuple row, TupleDesc shape, Rule *rule)
{
	Datum values[RULE_DETECTOR + 1];
	const char *wrong;
	Jsonb *conditions;

	memset(rule, 0, sizeof(*rule));
	if (shape->natts < RULE_DETECTOR || !take_values(row, shape, values))
		return rule_incomplete;
	rule->name = TextDatumGetCString(values[RULE_NAME]);
	rule->severity = TextDatumGetCString(values[RULE_SEVERITY]);
	rule->subject = subject_of(TextDatumGetCString(values[RULE_SUBJECT]));
	rule->policy.threshold = DatumGetInt32(values[RULE_THRESHOLD]);
	rule->policy.period = microseconds_of(values[RULE_PERIOD]);
	rule->cooldown = microseconds_of(values[RULE_COOLDOWN]);
	rule->is_enabled = DatumGetBool(values[RULE_ENABLED]);
	rule->is_threshold =
		strcmp(TextDatumGetCString(values[RULE_DETECTOR]), "threshold") == 0; /* public: a word of the table */
	if (rule->policy.threshold < 1 || rule->policy.period < 1 || rule->cooldown < 0)
		return rule_incomplete;
	conditions = DatumGetJsonbP(values[RULE_CONDITIONS]);
	wrong = compile_patterns(values[RULE_EVENT_TYPES], rule);
	if (wrong == NULL)
		wrong = condition_compile(conditions, &rule->conditions, &rule->condition_count);
	if (wrong == NULL)
		rule->hash = hash_of(rule, conditions);
	return wrong;
}
