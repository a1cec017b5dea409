/*
 * event_record_test.c
 *		Events as bytes: what goes in comes out, whatever is damaged is refused,
 *		and the little JSON is always JSON.
 */
#include "unit.h"

#include "common/event_record.h"
#include "common/mask.h"

/* A record with every member set; texts of the stated length, at most what each may have. */
static void
fill_record(EventRecord *record, uint8_t *memory, size_t length)
{
	*record = (EventRecord){EVENT_ERROR, EVENT_CRITICAL, EVENT_FAULT, EVENT_FLAGS_ALL, 1,  2,
							3,           UINT32_MAX,     INT64_MAX,   INT64_MIN,       -1, 7,
							UINT64_MAX,  {{NULL, 0}}};
	for (int i = 0; i < EVENT_TEXTS; i++)
	{
		size_t own = length < event_text_max[i] ? length : event_text_max[i];

		unit_fill(memory, own, (uint32_t) i + 1);
		record->text[i] = bytes_of(memory, own);
		memory += own;
	}
}

static bool
same(const EventRecord *a, const EventRecord *b)
{
	for (int i = 0; i < EVENT_TEXTS; i++)
		if ((a->text[i].data == NULL) != (b->text[i].data == NULL) || a->text[i].length != b->text[i].length ||
			(a->text[i].length > 0 && memcmp(a->text[i].data, b->text[i].data, a->text[i].length) != 0))
			return false;
	return a->class_number == b->class_number && a->severity == b->severity && a->outcome == b->outcome &&
		   a->flags == b->flags && a->pid == b->pid && a->session_user == b->session_user &&
		   a->outer_user == b->outer_user && a->effective_user == b->effective_user && a->event_id == b->event_id &&
		   a->event_time == b->event_time && a->user_id == b->user_id && a->tenant_id == b->tenant_id &&
		   a->xid == b->xid;
}

static void
round_trips(void)
{
	static const size_t lengths[] = {1, 2, 63, 64, 1024, EVENT_DETAILS_MAX};
	uint8_t *memory = unit_memory(EVENT_RECORD_MAX);
	uint8_t *encoded = unit_memory(EVENT_RECORD_MAX);
	EventRecord record;
	EventRecord again;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (int absent = 0; absent <= EVENT_TEXTS; absent++)
		{
			size_t length;

			fill_record(&record, memory, lengths[i]);
			if (absent > 0 && absent < EVENT_TEXTS)
				record.text[absent] = bytes_of(absent % 2 ? NULL : memory, 0);
			length = event_record_encode(&record, encoded);
			CHECK(length > 0 && length <= EVENT_RECORD_MAX);
			CHECK(event_record_decode(bytes_of(encoded, length), &again));
			CHECK(same(&record, &again), "length %zu absent %d", lengths[i], absent);
		}
	fill_record(&record, memory, 9);
	{
		size_t length = event_record_encode(&record, encoded);

		event_record_set_outcome(encoded, EVENT_FAILURE);
		CHECK(event_record_decode(bytes_of(encoded, length), &again));
	}
	CHECK(again.outcome == EVENT_FAILURE);
	again.outcome = record.outcome;
	CHECK(same(&record, &again));
	free(memory);
	free(encoded);
}

/* Whether the kind of a record is what decoding it says. */
static bool
same_kind(const EventRecord *record, const EventKind *kind)
{
	return kind->class_number == record->class_number && kind->outcome == record->outcome &&
		   kind->application_made == ((record->flags & EVENT_APPLICATION_MADE) != 0) &&
		   kind->type.length == record->text[EVENT_TYPE].length &&
		   memcmp(kind->type.data, record->text[EVENT_TYPE].data, kind->type.length) == 0;
}

static void
kinds(void)
{
	uint8_t *memory = unit_memory(EVENT_RECORD_MAX);
	uint8_t *encoded = unit_memory(EVENT_RECORD_MAX);
	EventRecord record;
	EventKind kind;
	size_t length;

	for (int flags = 0; flags <= EVENT_FLAGS_ALL; flags++)
		for (size_t type = 1; type <= event_text_max[EVENT_TYPE]; type++)
		{
			fill_record(&record, memory, 9);
			record.flags = (uint8_t) flags;
			record.class_number = (uint8_t) (type % EVENT_CLASSES);
			record.outcome = (uint8_t) (type % EVENT_OUTCOMES);
			record.text[EVENT_TYPE] = bytes_of(memory, type);
			length = event_record_encode(&record, encoded);
			CHECK(event_record_kind(bytes_of(encoded, length), &kind));
			CHECK(same_kind(&record, &kind), "flags %d type of %zu bytes", flags, type);
		}
	record.text[EVENT_TYPE] = bytes_of(NULL, 0);
	length = event_record_encode(&record, encoded);
	CHECK(!event_record_kind(bytes_of(encoded, length), &kind), "no type");
	fill_record(&record, memory, 9);
	length = event_record_encode(&record, encoded);
	for (size_t cut = 0; cut < length; cut++)
	{
		uint8_t *exact = unit_memory(cut);

		memcpy(exact, encoded, cut);
		/* what follows the type is not looked at */
		CHECK(event_record_kind(bytes_of(exact, cut), &kind) == (cut >= 61 + 2 + record.text[EVENT_TYPE].length),
			  "cut at %zu", cut);
		free(exact);
	}
	for (int i = 0; i < 5; i++)
	{
		uint8_t kept = encoded[i];

		encoded[i] = 0xff;
		CHECK(!event_record_kind(bytes_of(encoded, length), &kind), "byte %d", i);
		encoded[i] = kept;
	}
	free(memory);
	free(encoded);
}

static void
too_long(void)
{
	uint8_t *memory = unit_memory(EVENT_RECORD_MAX);
	uint8_t *encoded = unit_memory(EVENT_RECORD_MAX);

	for (int i = 0; i < EVENT_TEXTS; i++)
	{
		EventRecord record;

		fill_record(&record, memory, 5);
		record.text[i] = bytes_of(memory, (size_t) event_text_max[i] + 1);
		CHECK(event_record_encode(&record, encoded) == 0, "text %d", i);
	}
	free(memory);
	free(encoded);
}

/* Every shorter, longer and altered record is refused, or decodes to texts inside of it. */
static void
damage(void)
{
	uint8_t *memory = unit_memory(EVENT_RECORD_MAX);
	uint8_t *encoded = unit_memory(EVENT_RECORD_MAX);
	EventRecord record;
	size_t length;

	fill_record(&record, memory, 9);
	length = event_record_encode(&record, encoded);
	for (size_t cut = 0; cut < length; cut++)
	{
		uint8_t *exact = unit_memory(cut);

		memcpy(exact, encoded, cut);
		CHECK(!event_record_decode(bytes_of(exact, cut), &record), "cut at %zu", cut);
		free(exact);
	}
	encoded[length] = 0;
	CHECK(!event_record_decode(bytes_of(encoded, length + 1), &record), "one byte more");
	for (size_t at = 0; at < length; at++)
		for (int bit = 0; bit < 8; bit++)
		{
			uint8_t *exact = unit_memory(length);

			memcpy(exact, encoded, length);
			exact[at] ^= (uint8_t) (1 << bit);
			if (event_record_decode(bytes_of(exact, length), &record))
			{
				CHECK(record.class_number < EVENT_CLASSES && record.severity < EVENT_SEVERITIES &&
					  record.outcome < EVENT_OUTCOMES && record.flags <= EVENT_FLAGS_ALL);
				for (int i = 0; i < EVENT_TEXTS; i++)
					CHECK(record.text[i].data == NULL ||
						  (record.text[i].data >= exact &&
						   record.text[i].data + record.text[i].length <= exact + length));
			}
			free(exact);
		}
	encoded[0] = 2;
	CHECK(!event_record_decode(bytes_of(encoded, length), &record), "another version");
	free(memory);
	free(encoded);
}

static void
words(void)
{
	CHECK(event_word(event_severity_names, EVENT_SEVERITIES, "info") == EVENT_INFO);
	CHECK(event_word(event_severity_names, EVENT_SEVERITIES, "critical") == EVENT_CRITICAL);
	CHECK(event_word(event_severity_names, EVENT_SEVERITIES, "Critical") == EVENT_SEVERITIES);
	CHECK(event_word(event_outcome_names, EVENT_OUTCOMES, "error") == EVENT_FAULT);
	CHECK(event_word(event_outcome_names, EVENT_OUTCOMES, "") == EVENT_OUTCOMES);
	CHECK(event_word(event_class_names, EVENT_CLASSES, "access") == EVENT_ACCESS);
}

static bool
quotes_to(const char *text, size_t room, const char *wanted, size_t wanted_taken)
{
	char *to = unit_memory(room);
	size_t taken;
	size_t length = event_json_quote(bytes_of(text, strlen(text)), to, room, &taken);
	bool good = length == strlen(wanted) && memcmp(to, wanted, length) == 0 && taken == wanted_taken;

	free(to);
	return good;
}

static void
quoting(void)
{
	char zero[] = {'a', 0, 'b'};
	char to[16];
	size_t taken;

	CHECK(quotes_to("", 2, "\"\"", 0));
	CHECK(quotes_to("abc", 5, "\"abc\"", 3));
	CHECK(quotes_to("abc", 4, "\"ab\"", 2));
	CHECK(quotes_to("abc", 2, "\"\"", 0));
	CHECK(quotes_to("a\"b\\c", 20, "\"a\\\"b\\\\c\"", 5));
	CHECK(quotes_to("a\"b", 4, "\"a\"", 1), "an escape is never halved");
	CHECK(quotes_to("\n\x1f\x7f", 30, "\"\\u000a\\u001f\\u007f\"", 3));
	CHECK(quotes_to("\n", 8, "\"\\u000a\"", 1));
	CHECK(quotes_to("\n", 7, "\"\"", 0));
	CHECK(quotes_to("a\xc3\xa4z", 6, "\"a\xc3\xa4z\"", 4));
	CHECK(quotes_to("a\xc3\xa4z", 5, "\"a\xc3\xa4\"", 3));
	CHECK(quotes_to("a\xc3\xa4z", 4, "\"a\"", 1) || quotes_to("a\xc3\xa4z", 4, "\"\"", 0),
		  "a character is never halved");
	CHECK(event_json_quote(bytes_of(zero, 3), to, sizeof(to), &taken) == 10 && memcmp(to, "\"a\\u001ab\"", 10) == 0);
	CHECK(event_json_quote(bytes_of("x", 1), to, 1, &taken) == 0 && taken == 0);
}

static void
adding(void)
{
	char object[40] = "";
	char whole[] = "{\"a\":\"b\",\"c\":\"d\\\"e\"}";

	CHECK(event_json_add(object, sizeof(object), "a", "b") && strcmp(object, "{\"a\":\"b\"}") == 0, "%s", object);
	CHECK(event_json_add(object, sizeof(object), "c", "d\"e") && strcmp(object, whole) == 0, "%s", object);
	CHECK(!event_json_add(object, sizeof(object), "long", "0123456789012345") && strcmp(object, whole) == 0, "%s",
		  object);
	CHECK(!event_json_add(object, sizeof(object), "0123456789012345", "") && strcmp(object, whole) == 0, "%s",
		  object);
	for (size_t size = 1; size < 40; size++)
	{
		char *exact = unit_memory(size);

		exact[0] = '\0';
		if (event_json_add(exact, size, "name", "value"))
			CHECK(size >= 17 && strcmp(exact, "{\"name\":\"value\"}") == 0, "size %zu", size);
		else
			CHECK(size < 19 && exact[0] == '\0', "size %zu", size);
		free(exact);
	}
}

static void
cutting(void)
{
	static const char *const pieces[] = {"x", "\"", "\\", "\xc3\xa4", "\n", "{\"a\": 1}, "};

	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)
	{
		size_t size = strlen(pieces[p]);
		size_t count = 2 * EVENT_DETAILS_MAX / size;
		char *json = unit_memory(count * size);
		char *to = unit_memory(EVENT_DETAILS_MAX);
		size_t length;

		for (size_t i = 0; i < count; i++)
			memcpy(json + i * size, pieces[p], size);
		length = event_json_cut(bytes_of(json, count * size), to);
		CHECK(length <= EVENT_DETAILS_MAX && length > 30, "%zu", length);
		CHECK(memcmp(to, "{\"truncated\": true, \"beginning\": \"", 34) == 0);
		CHECK(to[length - 1] == '}' && to[length - 2] == '"');
		CHECK(mask_json(bytes_of(to, length), NULL) > 0);
		if (pieces[p][0] != '\xc3')
			CHECK(length > EVENT_DETAILS_MAX - 8, "it is not cut more than it must: %zu", length);
		free(json);
		free(to);
	}
}

static const UnitCase cases[] = {
	{"records come out as they went in", round_trips},
	{"the kind of a record is read alone", kinds},
	{"texts that are too long are refused", too_long},
	{"damaged records are refused or stay inside", damage},
	{"words", words},
	{"JSON strings", quoting},
	{"JSON objects", adding},
	{"details that are too long become JSON that says so", cutting},
};

UNIT_MAIN(cases)
