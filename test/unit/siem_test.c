/*
 * siem_test.c
 *		Events in the forms of SIEM systems, read again by readers of each form: what
 *		fields they have, and that hostile texts come back as they were.
 */
#include "unit.h"

#include "common/event_record.h"
#include "common/siem.h"
#include "siem_parse.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static Bytes
text(const char *from)
{
	return bytes_of(from, strlen(from));
}

static SiemEvent
event_of(const char *type)
{
	SiemEvent event = {.leaf_index = 41, .host = "scada-1", .database = "twin", .version = "1.0"};

	event.leaf.event_id = 17000;
	event.leaf.event_time = INT64_C(822960000123456); /* 2026-01-29T00:00:00.123456Z */
	event.leaf.recorded_at = INT64_C(822960001000000);
	event.leaf.flags = LEAF_HAS_PID | LEAF_HAS_USER_ID | LEAF_HAS_TENANT_ID;
	event.leaf.pid = 4711;
	event.leaf.user_id = 7;
	event.leaf.tenant_id = 3;
	event.leaf.text[LEAF_CLASS] = text("audit");
	event.leaf.text[LEAF_TYPE] = text(type);
	event.leaf.text[LEAF_SEVERITY] = text("high");
	event.leaf.text[LEAF_OUTCOME] = text("failure");
	event.leaf.text[LEAF_ACTION] = text("password");
	event.leaf.text[LEAF_RESOURCE] = text("api.units");
	event.leaf.text[LEAF_USERNAME] = text("bob");
	event.leaf.text[LEAF_SESSION_USER] = text("twin_gateway");
	event.leaf.text[LEAF_EFFECTIVE_USER] = text("twin_viewer");
	event.leaf.text[LEAF_CLIENT_ADDRESS] = text("203.0.113.7");
	event.leaf.text[LEAF_DETAILS] = text("{\"reason\": \"no\", \"n\": 1}");
	return event;
}

/* Writes an event into memory of exactly its size; the caller frees it. */
static char *
line_of(SiemFormat format, const SiemEvent *event, size_t *length)
{
	char *line;

	*length = siem_write(format, event, NULL, 0);
	line = unit_memory(*length);
	CHECK(siem_write(format, event, line, *length) == *length);
	CHECK(parse_is_line(line, *length, event->is_ascii), "%s: %.*s", siem_format_names[format], (int) *length, line);
	return line;
}

static json_t *
json_of(SiemFormat format, const SiemEvent *event)
{
	size_t length;
	char *line = line_of(format, event, &length);
	json_error_t error;
	json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	CHECK(json != NULL, "%s: %.*s", error.text, (int) length, line);
	free(line);
	return json;
}

static void
check_text(const json_t *json, const char *path, const char *wanted)
{
	size_t size;
	const char *got = parse_json_text(json, path, &size);

	CHECK(got != NULL && strcmp(got, wanted) == 0, "%s: %s", path, got ? got : "nothing");
}

static json_int_t
number_of(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json, name));
}

static void
native(void)
{
	static const char *const members[] = {"timestamp", "source", "event_type", "severity", "user",
										  "source_ip", "action", "resource",   "outcome",  "details"};
	SiemEvent event = event_of("login_failure");
	SiemEvent bare = {.host = "", .database = "", .version = ""};
	json_t *json = json_of(SIEM_NATIVE, &event);

	CHECK(json_object_size(json) == ROWS(members));
	check_text(json, "timestamp", "2026-01-29T00:00:00.123456Z");
	check_text(json, "source", "twin_security");
	check_text(json, "event_type", "login_failure");
	check_text(json, "severity", "high");
	check_text(json, "user", "bob");
	check_text(json, "source_ip", "203.0.113.7");
	check_text(json, "action", "password");
	check_text(json, "resource", "api.units");
	check_text(json, "outcome", "failure");
	check_text(json, "details/reason", "no");
	check_text(json, "details/_event/session_user", "twin_gateway");
	CHECK(number_of(json_object_get(json, "details"), "n") == 1);
	json_decref(json);
	/* an event that says nothing has all ten */
	json = json_of(SIEM_NATIVE, &bare);
	for (size_t i = 0; i < ROWS(members); i++)
		CHECK(json_object_get(json, members[i]) != NULL, "%s", members[i]);
	CHECK(json_is_null(json_object_get(json, "user")));
	json_decref(json);
}

/* Details keep their names beside what is added, whatever they are. */
static void
details_are_kept(void)
{
	static const char *const rows[][3] = {
		{"{}", NULL, NULL},
		{" { } ", NULL, NULL},
		{"{\"a\": \"\\u00e4\"}", "details/a", "\xc3\xa4"},
		{"{\"a\": \"x\\\"}\\\\\"}", "details/a", "x\"}\\"},
		{"{\"_event\": \"forged\", \"b\": \"c\"}", "details/details/_event", "forged"},
		{"{\"a\": {\"_event\": \"x\"}}", "details/details/a/_event", "x"},
		{"[1]", NULL, NULL},
		{"\"text\"", "details/details", "text"},
		{"{\"a\": \"line\n\"}", "details/details", "{\"a\": \"line\n\"}"},
		{"{\"a\": 1", "details/details", "{\"a\": 1"},
		{"}, \"user\": \"forged\", {", "details/details", "}, \"user\": \"forged\", {"},
		{"", "details/details", ""},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
	{
		SiemEvent event = event_of("x");
		json_t *json;

		event.leaf.text[LEAF_DETAILS] = text(rows[i][0]);
		json = json_of(SIEM_NATIVE, &event);
		if (rows[i][1] != NULL)
			check_text(json, rows[i][1], rows[i][2]);
		check_text(json, "details/_event/session_user", "twin_gateway");
		check_text(json, "user", "bob");
		json_decref(json);
	}
}

static void
ecs(void)
{
	SiemEvent event = event_of("login_failure");
	json_t *json = json_of(SIEM_ECS, &event);

	check_text(json, "@timestamp", "2026-01-29T00:00:00.123456Z");
	check_text(json, "ecs/version", "8.11.0");
	check_text(json, "event/kind", "event");
	check_text(json, "event/action", "login_failure");
	check_text(json, "event/outcome", "failure");
	check_text(json, "event/id", "17000");
	check_text(json, "user/name", "bob");
	check_text(json, "user/id", "7");
	check_text(json, "user/effective/name", "twin_viewer");
	check_text(json, "source/ip", "203.0.113.7");
	check_text(json, "organization/id", "3");
	check_text(json, "twin_security/details/reason", "no");
	CHECK(strcmp(json_string_value(json_array_get(json_object_get(json_object_get(json, "event"), "category"), 0)),
				 "authentication") == 0);
	CHECK(json_array_size(json_object_get(json_object_get(json, "event"), "type")) == 1);
	json_decref(json);
}

static void
ocsf(void)
{
	static const struct
	{
		const char *type;
		int class;
		int activity;
		const char *needs;
	} rows[] = {{"login_success", 3002, 1, "user"},
				{"logout", 3002, 2, "user"},
				{"user_created", 3001, 1, "user"},
				{"user_locked", 3001, 9, "user"},
				{"password_changed", 3001, 3, "user"},
				{"user_unlocked", 3001, 99, "user"},
				{"role_assigned", 3005, 1, "privileges"},
				{"key_revoked", 3005, 2, "privileges"},
				{"key_destroyed", 3004, 4, "entity"},
				{"configuration_change", 3004, 3, "entity"},
				{"role_revoked", 3005, 2, "privileges"},
				{"grant", 3005, 1, "privileges"},
				{"user_deleted", 3001, 6, "user"},
				{"extension_created", 6002, 1, "app"},
				{"extension_dropped", 6002, 2, "app"},
				{"extension_changed", 6002, 8, "app"},
				{"extension_of_ours", 6002, 99, "app"},
				{"library_loaded", 1005, 1, "module"},
				{"audit_enabled", 1008, 9, "log_name"},
				{"audit_disabled", 1008, 10, "log_name"},
				{"audit_export", 1008, 3, "log_name"},
				{"audit_epoch", 1008, 99, "log_provider"},
				{"server_file", 6005, 99, "table"},
				{"server_program", 6005, 99, "table"},
				{"ddl", 6005, 99, "table"},
				{"system_error", 0, 99, "metadata"},
				{"read", 6005, 1, "database"},
				{"truncate", 6005, 7, "table"},
				{"decrypt", 6005, 10, "table"},
				{"integrity_failure", 2004, 1, "finding_info"},
				{"heartbeat", 0, 99, "metadata"},
				{"of an application", 0, 99, "metadata"}};

	for (size_t i = 0; i < ROWS(rows); i++)
	{
		SiemEvent event = event_of(rows[i].type);
		json_t *json = json_of(SIEM_OCSF, &event);

		CHECK(number_of(json, "class_uid") == rows[i].class, "%s", rows[i].type);
		CHECK(number_of(json, "category_uid") == rows[i].class / 1000);
		CHECK(number_of(json, "activity_id") == rows[i].activity, "%s", rows[i].type);
		CHECK(number_of(json, "type_uid") == rows[i].class * 100 + rows[i].activity);
		CHECK(number_of(json, "severity_id") == 4 && number_of(json, "status_id") == 2);
		CHECK(number_of(json, "time") == INT64_C(1769644800123), "%lld", (long long) number_of(json, "time"));
		CHECK(json_object_get(json, rows[i].needs) != NULL, "%s", rows[i].type);
		check_text(json, "metadata/version", "1.3.0");
		check_text(json, "metadata/uid", "17000");
		check_text(json, "actor/user/name", "bob");
		check_text(json, "src_endpoint/ip", "203.0.113.7");
		check_text(json, "unmapped/details/reason", "no");
		json_decref(json);
	}
}

/* What is said of an outcome; a deed that was only begun has not failed. */
static void
outcomes(void)
{
	static const struct
	{
		const char *outcome;
		const char *ecs;
		int ocsf;
	} rows[] = {{"success", "success", 1}, {"failure", "failure", 2}, {"denied", "failure", 2},
				{"error", "failure", 2},   {"unknown", "unknown", 0}, {"of tomorrow", "unknown", 0},
				{"", "unknown", 0},        {NULL, "unknown", 0}};

	for (size_t i = 0; i < ROWS(rows); i++)
	{
		SiemEvent event = event_of("user_created");
		const char *word = rows[i].outcome;
		char to[4096];
		size_t length;
		size_t size;
		char *line;
		json_t *json;

		event.leaf.text[LEAF_OUTCOME] = word != NULL ? text(word) : bytes_of(NULL, 0);
		json = json_of(SIEM_ECS, &event);
		check_text(json, "event/outcome", rows[i].ecs);
		json_decref(json);
		json = json_of(SIEM_OCSF, &event);
		CHECK(number_of(json, "status_id") == rows[i].ocsf, "%s", word);
		if (word != NULL)
			check_text(json, "status_detail", word);
		json_decref(json);
		if (word == NULL)
			continue;
		json = json_of(SIEM_NATIVE, &event);
		check_text(json, "outcome", word);
		json_decref(json);
		line = line_of(SIEM_CEF, &event, &length);
		CHECK(parse_cef_value(line, length, "outcome", to, &size) && strcmp(to, word) == 0, "%s", to);
		free(line);
		line = line_of(SIEM_RFC5424, &event, &length);
		CHECK(parse_syslog_parameter(line, length, "outcome", to, &size) && strcmp(to, word) == 0, "%s", to);
		free(line);
	}
	CHECK(EVENT_OUTCOMES == 5, "another outcome has come: say above what it is to others");
}

/* What a type alone does not say. */
static void
meanings(void)
{
	SiemEvent event = event_of("grant");
	json_t *json;

	event.leaf.text[LEAF_ACTION] = text("REVOKE");
	json = json_of(SIEM_OCSF, &event);
	CHECK(number_of(json, "activity_id") == 2);
	json_decref(json);
	event.leaf.text[LEAF_ACTION] = text("GRANT");
	json = json_of(SIEM_OCSF, &event);
	CHECK(number_of(json, "activity_id") == 1);
	json_decref(json);
	event = event_of("library_loaded");
	event.leaf.text[LEAF_RESOURCE] = text("auto_explain");
	json = json_of(SIEM_OCSF, &event);
	check_text(json, "module/file/name", "auto_explain");
	json_decref(json);
	event = event_of("extension_created");
	json = json_of(SIEM_OCSF, &event);
	check_text(json, "app/name", "api.units");
	json_decref(json);
	event = event_of("audit_disabled");
	json = json_of(SIEM_OCSF, &event);
	check_text(json, "log_name", "twin.audit_log");
	json_decref(json);
	/* an account, by whose it is */
	event = event_of("user_locked");
	event.leaf.text[LEAF_RESOURCE] = text("account");
	json = json_of(SIEM_OCSF, &event);
	check_text(json, "user/name", "bob");
	json_decref(json);
	event.leaf.text[LEAF_RESOURCE] = text("alice");
	json = json_of(SIEM_OCSF, &event);
	check_text(json, "user/name", "alice");
	json_decref(json);
}

static void
cef(void)
{
	static const char *const headers[] = {
		"CEF:0", "twin_security", "twin_security", "1.0", "login|_fa\\il=ure", "login|_fa\\il=ure", "8"};
	static const char *const values[][2] = {{"rt", "1769644801000"},
											{"start", "1769644800123"},
											{"externalId", "17000"},
											{"suser", "bob"},
											{"src", "203.0.113.7"},
											{"act", "password"},
											{"cs1Label", "resource"},
											{"cs1", "api.units"},
											{"cn1", "41"},
											{"cs6", "3"},
											{"dvchost", "scada-1"},
											{"msg", "{\"reason\": \"no\", \"n\": 1}"}};
	SiemEvent event = event_of("login|_fa\\il=ure");
	size_t length;
	char *line = line_of(SIEM_CEF, &event, &length);
	char *to = unit_memory(length + 1);
	size_t size;

	for (int i = 0; i < CEF_HEADERS; i++)
		CHECK(parse_cef_header(line, length, i, to) > 0 && strcmp(to, headers[i]) == 0, "%s", to);
	for (size_t i = 0; i < ROWS(values); i++)
		CHECK(parse_cef_value(line, length, values[i][0], to, &size) && strcmp(to, values[i][1]) == 0, "%s: %s",
			  values[i][0], to);
	free(to);
	free(line);
	event.leaf.text[LEAF_CLIENT_ADDRESS] = text("2001:db8::1");
	line = line_of(SIEM_CEF, &event, &length);
	to = unit_memory(length + 1);
	CHECK(parse_cef_value(line, length, "c6a2", to, &size) && strcmp(to, "2001:db8::1") == 0);
	CHECK(!parse_cef_value(line, length, "src", to, &size));
	free(to);
	free(line);
}

static void
syslog_lines(void)
{
	static const char *const fields[] = {"<107>1", "2026-01-29T00:00:00.123456Z",      "scada-1", "twin_security",
										 "4711",   "a_type_that_is_longer_than_thirty"};
	SiemEvent event = event_of("a_type_that_is_longer_than_thirty_two_bytes");
	size_t length;
	char *line = line_of(SIEM_RFC5424, &event, &length);
	char *to = unit_memory(length + 1);
	size_t size;

	for (int i = 0; i < SYSLOG_FIELDS; i++)
		CHECK(parse_syslog_field(line, length, i, to) > 0 && strncmp(to, fields[i], 32) == 0 && strlen(to) <= 32,
			  "%s", to);
	CHECK(parse_syslog_parameter(line, length, "event_id", to, &size) && strcmp(to, "17000") == 0);
	CHECK(parse_syslog_parameter(line, length, "user", to, &size) && strcmp(to, "bob") == 0);
	CHECK(parse_syslog_parameter(line, length, NULL, to, &size) &&
		  memcmp(line + size, "\xef\xbb\xbf{\"timestamp\"", 15) == 0);
	free(to);
	free(line);
	/* nothing known: every field has its dash */
	event = (SiemEvent){.host = "", .database = "", .version = ""};
	line = line_of(SIEM_RFC5424, &event, &length);
	to = unit_memory(length + 1);
	CHECK(parse_syslog_field(line, length, 2, to) > 0 && strcmp(to, "-") == 0);
	CHECK(parse_syslog_field(line, length, 4, to) > 0 && strcmp(to, "-") == 0);
	CHECK(parse_syslog_field(line, length, 5, to) > 0 && strcmp(to, "-") == 0);
	free(to);
	free(line);
}

static void
every_severity(void)
{
	static const char *const pri[] = {"<110>1", "<109>1", "<108>1", "<107>1", "<106>1"};
	static const char *const cef_severities[] = {"1", "3", "5", "8", "10"};

	for (int i = 0; i < EVENT_SEVERITIES; i++)
	{
		SiemEvent event = event_of("x");
		char to[4096];
		size_t length;
		char *line;
		json_t *json;

		event.leaf.text[LEAF_SEVERITY] = text(event_severity_names[i]);
		line = line_of(SIEM_RFC5424, &event, &length);
		CHECK(parse_syslog_field(line, length, 0, to) > 0 && strcmp(to, pri[i]) == 0, "%s", to);
		free(line);
		line = line_of(SIEM_CEF, &event, &length);
		CHECK(parse_cef_header(line, length, 6, to) > 0 && strcmp(to, cef_severities[i]) == 0, "%s", to);
		free(line);
		json = json_of(SIEM_OCSF, &event);
		CHECK(number_of(json, "severity_id") == i + 1);
		json_decref(json);
	}
}

static void
times(void)
{
	static const struct
	{
		int64_t time;
		const char *text;
		long long milliseconds;
	} rows[] = {{0, "2000-01-01T00:00:00.000000Z", 946684800000}, {-1, "1999-12-31T23:59:59.999999Z", 946684799999}};

	for (size_t i = 0; i < ROWS(rows); i++)
	{
		SiemEvent event = event_of("x");
		json_t *json;

		event.leaf.event_time = rows[i].time;
		json = json_of(SIEM_OCSF, &event);
		CHECK(number_of(json, "time") == rows[i].milliseconds, "%lld", (long long) number_of(json, "time"));
		json_decref(json);
	}
	for (int i = 0; i < 2; i++)
		for (SiemFormat format = 0; format < SIEM_FORMATS; format++)
		{
			SiemEvent event = event_of("x");
			size_t length;

			event.leaf.event_time = i ? INT64_MIN : INT64_MAX;
			free(line_of(format, &event, &length));
		}
}

/* ---- hostile texts ---- */

static uint32_t state = 7;

static uint32_t
next(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % below;
}

/* A text of pieces that mean something somewhere; what a form makes of it: controls and invalid bytes by it. */
static size_t
make_hostile(char *to, char *json, char *cef_text, char *parameter)
{
	static const char *const pieces[] = {"a",
										 " ",
										 "=",
										 "|",
										 "\\",
										 "\"",
										 "]",
										 "[",
										 "\n",
										 "\r",
										 "\t",
										 "\x01",
										 "\x7f",
										 "{",
										 "}",
										 ",",
										 ":",
										 "\\n",
										 "cs1=",
										 " suser=",
										 "CEF:0|",
										 "<13>1 ",
										 "\xc3\xa4",
										 "\xe2\x80\xa8",
										 "\xf0\x9f\x98\x80",
										 "\xff",
										 "\xed\xa0\x80",
										 "\"}, \"user\": \"x",
										 "] [x y=\"",
										 "\xef\xbb\xbf",
										 "'",
										 "%s",
										 "\\u0000"};
	size_t count = next(12);

	*to = *json = *cef_text = *parameter = '\0';
	for (size_t i = 0; i < count; i++)
	{
		const char *piece = pieces[next(ROWS(pieces))];
		size_t bad = piece[0] == '\xff' ? 1 : piece[0] == '\xed' ? 3 : 0;
		bool control = (uint8_t) piece[0] < 0x20 || piece[0] == 0x7f;

		strcat(to, piece);
		for (size_t j = 0; j < bad; j++)
		{
			strcat(json, "\xef\xbf\xbd");
			strcat(cef_text, "\xef\xbf\xbd");
			strcat(parameter, "\xef\xbf\xbd");
		}
		if (bad > 0)
			continue;
		strcat(json, piece);
		strcat(cef_text, control && piece[0] != '\n' && piece[0] != '\r' ? " " : piece);
		strcat(parameter, control ? "?" : piece);
	}
	return strlen(to);
}

static void
hostile_texts_come_back(void)
{
	for (int i = 0; i < 20000; i++)
	{
		char hostile[4][512];
		SiemEvent event = event_of("x");
		size_t length = make_hostile(hostile[0], hostile[1], hostile[2], hostile[3]);
		char to[8192];
		size_t size;
		size_t line_length;
		char *line;
		json_t *json;

		event.leaf.text[LEAF_USERNAME] = bytes_of(hostile[0], length);
		event.leaf.text[LEAF_RESOURCE] = bytes_of(hostile[0], length);
		event.leaf.text[LEAF_TYPE] = bytes_of(hostile[0], length);
		event.leaf.text[LEAF_ACTION] = bytes_of(hostile[0], length);
		event.leaf.text[LEAF_SEVERITY] = bytes_of(hostile[0], length);
		event.leaf.text[LEAF_OUTCOME] = bytes_of(hostile[0], length);
		event.leaf.text[LEAF_CLIENT_ADDRESS] = bytes_of(hostile[0], length);
		event.leaf.text[LEAF_DETAILS] = bytes_of(hostile[0], length);
		json = json_of(SIEM_NATIVE, &event);
		check_text(json, "user", hostile[1]);
		check_text(json, "resource", hostile[1]);
		json_decref(json);
		json = json_of(SIEM_ECS, &event);
		check_text(json, "user/name", hostile[1]);
		json_decref(json);
		json = json_of(SIEM_OCSF, &event);
		check_text(json, "actor/user/name", hostile[1]);
		check_text(json, "unmapped/resource", hostile[1]);
		json_decref(json);
		line = line_of(SIEM_CEF, &event, &line_length);
		CHECK(parse_cef_value(line, line_length, "suser", to, &size) && strcmp(to, hostile[2]) == 0, "%.*s",
			  (int) line_length, line);
		CHECK(parse_cef_value(line, line_length, "cs1", to, &size) && strcmp(to, hostile[2]) == 0, "%.*s",
			  (int) line_length, line);
		CHECK(parse_cef_value(line, line_length, "externalId", to, &size) && strcmp(to, "17000") == 0);
		free(line);
		line = line_of(SIEM_RFC5424, &event, &line_length);
		CHECK(parse_syslog_parameter(line, line_length, "user", to, &size) && strcmp(to, hostile[3]) == 0, "%.*s",
			  (int) line_length, line);
		CHECK(parse_syslog_parameter(line, line_length, "resource", to, &size) && strcmp(to, hostile[3]) == 0);
		CHECK(parse_syslog_parameter(line, line_length, NULL, to, &size));
		free(line);
	}
}

/* Where the reader has no UTF-8, JSON still says everything. */
static void
ascii(void)
{
	SiemEvent event = event_of("x");
	json_t *json;
	size_t length;

	event.is_ascii = true;
	event.leaf.text[LEAF_USERNAME] = text("J\xc3\xbcrgen \xf0\x9f\x98\x80");
	event.leaf.text[LEAF_DETAILS] = text("{\"\xc3\xa4\": \"\xe6\x9d\x8e\"}");
	json = json_of(SIEM_NATIVE, &event);
	check_text(json, "user", "J\xc3\xbcrgen \xf0\x9f\x98\x80");
	check_text(json, "details/\xc3\xa4", "\xe6\x9d\x8e");
	json_decref(json);
	free(line_of(SIEM_CEF, &event, &length));
	free(line_of(SIEM_RFC5424, &event, &length));
}

static const UnitCase cases[] = {
	{"native", native},
	{"details keep their names", details_are_kept},
	{"Elastic Common Schema", ecs},
	{"OCSF", ocsf},
	{"outcomes", outcomes},
	{"meanings", meanings},
	{"Common Event Format", cef},
	{"syslog", syslog_lines},
	{"severities", every_severity},
	{"times", times},
	{"hostile texts come back", hostile_texts_come_back},
	{"plain ASCII", ascii},
};

UNIT_MAIN(cases)
