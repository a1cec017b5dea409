/*
 * notifier_test.c
 *		What of twin_notifier does no I/O: its configuration, its messages, its
 *		verdicts and delays.
 */
#include "unit.h"

#include "common/digest.h"
#include "notifier/alert_config.h"
#include "notifier/message.h"
#include "notifier/policy.h"

#define CHAT "\"chat\": {\"type\": \"webhook\", \"url\": \"https://example.org/x\"}"
#define SMTP "\"type\": \"smtp\", \"host\": \"mail\", \"from\": \"a@b.c\", \"to\": [\"d@e.f\"]"
#define SYSLOG "\"type\": \"syslog\""

/* Variables that there are. */
static const char *
lookup(void *argument, const char *name)
{
	if (strcmp(name, "PORT") == 0)
		return "2525";
	if (strcmp(name, "LINES") == 0)
		return "canary\r\nBcc: x";
	if (strcmp(name, "LONG") == 0)
		return argument;
	return strncmp(name, "NO_", 3) == 0 ? NULL : "canary";
}

/* What was written into a file, which it closes; the caller frees it. */
static char *
text_of(FILE *from)
{
	long length = ftell(from);
	char *text = unit_memory((size_t) length + 1);

	rewind(from);
	text[fread(text, 1, (size_t) length, from)] = '\0';
	fclose(from);
	return text;
}

/* Reads a text of exactly its size; complaints are the caller's to free. */
static Config *
read_text(const char *text, char **complaints)
{
	static char longer[CONFIG_TEXT_MAX + 2];
	size_t length = strlen(text);
	char *exact = unit_memory(length);
	FILE *to = tmpfile();
	Config *config;

	memset(longer, 'x', sizeof(longer) - 1);
	if (to == NULL)
		abort();
	memcpy(exact, text, length);
	config = alert_config_read(exact, length, lookup, longer, to);
	*complaints = text_of(to);
	free(exact);
	return config;
}

static void
good_configurations(void)
{
	char *complaints;
	Config *config =
		read_text("{\"notifier\": \"north\", \"poll_interval\": 7, \"channels\": {" CHAT ", \"mail\": {" SMTP
				  ", \"port\": \"env_PORT\", \"username\": \"u\", \"password\": \"env_P\","
				  " \"rules\": [\"a\", \"b\"], \"min_severity\": \"high\"},"
				  " \"off\": {" SMTP ", \"username\": \"env_NO_USER\", \"password\": \"env_P\"},"
				  " \"log\": {" SYSLOG ", \"transport\": \"tls\", \"host\": \"::1\", \"enabled\": false}}}",
				  &complaints);

	if (!CHECK(config != NULL, "%s", complaints))
	{
		free(complaints);
		return;
	}
	CHECK(complaints[0] == '\0' && config->count == 4 && strcmp(config->notifier, "north") == 0 &&
		  config->poll_interval == 7 && !config->holds_secret);
	CHECK(config->channels[0].kind == CHANNEL_WEBHOOK && config->channels[0].timeout == 15 &&
		  config->channels[0].max_attempts == 10 && alert_config_is_on(&config->channels[0]));
	CHECK(config->channels[1].port == 2525 && strcmp(config->channels[1].password, "canary") == 0 &&
		  config->channels[1].rules.count == 2 && config->channels[1].min_severity == 3 &&
		  config->channels[1].tls == SMTP_STARTTLS);
	CHECK(!alert_config_is_on(&config->channels[2]) && strcmp(config->channels[2].absent, "NO_USER") == 0);
	CHECK(!alert_config_is_on(&config->channels[3]) && config->channels[3].absent == NULL &&
		  alert_config_port(&config->channels[3]) == 6514 && config->channels[3].facility == 13);
	alert_config_free(config);
	free(complaints);
	config = read_text("{\"channels\": {\"mail\": {" SMTP ", \"username\": \"u\", \"password\": \"literal\"}}}",
					   &complaints);
	CHECK(config != NULL && config->holds_secret && alert_config_port(&config->channels[0]) == 587);
	alert_config_free(config);
	free(complaints);
}

/* Each with what the complaint begins with; none shows a value. */
static void
bad_configurations(void)
{
	static const char *const cases[][2] = {
		{"", "line 1, column 0: the file ends too early"},
		{"{", "line 1, column 1: the file ends too early"},
		{"[]", "must be an object"},
		{"{\"channels\": {" CHAT "}} x", "line 1, column 77: something follows the end"},
		{"{\"channels\":\n {" CHAT ",\n " CHAT "}}", "line 3, column 7: a name stands there twice"},
		{"{\"channels\": {\"a\": {\"type\": \"smtp\", \"password\": \"canary\n\"}}}", "line 1, column 55: not JSON"},
		{"{\"channels\": {\"a\": {\"type\": \"smtp\", \"password\": \"canary\xff\"}}}", "line 1, column "},
		{"{\"channels\": {\"a\": {\"type\": \"smtp\", \"password\": \"canary\\u0000\"}}}",
		 "line 1, column 62: a NUL character"},
		{"{\"channels\": {\"a\": {\"timeout\": 99999999999999999999}}}", "line 1, column 51: a number is too large"},
		{"{\"channels\": [[[[[[]]]]]]}", "not JSON, or larger"},
		{"{}", "channels: is missing"},
		{"{\"channels\": {}}", "channels: must be an object of 1 to 32"},
		{"{\"channels\": {" CHAT "}, \"canel\": 1}", "canel: unknown"},
		{"{\"channels\": {" CHAT "}, \"notifier\": \"a b\"}", "notifier: must be a name"},
		{"{\"channels\": {" CHAT "}, \"poll_interval\": 0}", "poll_interval: must be"},
		{"{\"channels\": {\"A\": {}}}", "channels.A: a name is made of"},
		{"{\"channels\": {\"a\\n\\u001b\": {}}}", "channels.a??: a name is made of"},
		{"{\"channels\": {\"a\": 1}}", "channels.a.type: must be smtp"},
		{"{\"channels\": {\"a\": {\"type\": \"canary\"}}}", "channels.a.type: must be smtp"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\"}}}", "channels.a.url: is missing"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"env_LINES\"}}}",
		 "channels.a.url: LINES must be UTF-8"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"env_LONG\"}}}",
		 "channels.a.url: LONG must be UTF-8"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"\"}}}", "channels.a.url: it must be UTF-8"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": 1}}}", "channels.a.url: must be a text"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"env_X\"}}}", "channels.a.url: must be https"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"file:///etc/passwd\"}}}",
		 "channels.a.url: must be https"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"https://u:canary@h/\"}}}",
		 "channels.a.url: must be https"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"https:///x\"}}}",
		 "channels.a.url: must be https"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"host\": \"h\"}}}",
		 "channels.a.host: unknown for type webhook"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"timeout\": 0}}}",
		 "channels.a.timeout: must be a whole number from 1 to 120"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"timeout\": 1.5}}}",
		 "channels.a.timeout: must be"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"timeout\": \"env_X\"}}}",
		 "channels.a.timeout: must be"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"timeout\": \"5\"}}}",
		 "channels.a.timeout: must be"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"first_delay\": 9, \"last_delay\": "
		 "8}}}",
		 "channels.a.last_delay: must not be below"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"min_severity\": \"canary\"}}}",
		 "channels.a.min_severity: must be one of"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"enabled\": 1}}}",
		 "channels.a.enabled: must be true or false"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"rules\": []}}}",
		 "channels.a.rules: must be an array"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://h/\", \"rules\": [1]}}}",
		 "channels.a.rules: must be a text"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"https://h/\", \"headers\": []}}}",
		 "channels.a.headers: must be an object"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"https://h/\", \"headers\": {\"a b\": \"x\"}}}}",
		 "channels.a.headers: one has a name"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"https://h/\", \"headers\": {\"X\": \"a\\r\\nY: "
		 "b\"}}}}",
		 "channels.a.headers: it must be"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"https://h/\", \"headers\": {\"content-LENGTH\": "
		 "\"1\"}}}}",
		 "channels.a.headers: content-"},
		{"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"http://127.0.0.1.x.org/\", \"headers\": {\"X\": "
		 "\"canary\"}}}}",
		 "channels.a.headers: they cross no network"},
		{"{\"channels\": {\"a\": {" SMTP ", \"password\": \"canary\"}}}",
		 "channels.a.username: username and password"},
		{"{\"channels\": {\"a\": {" SMTP ", \"username\": \"u\", \"password\": \"canary\", \"tls\": \"off\"}}}",
		 "channels.a.tls: a password crosses"},
		{"{\"channels\": {\"a\": {\"type\": \"smtp\", \"from\": \"a@b.c\", \"to\": [\"d@e.f\"]}}}",
		 "channels.a.host: is missing"},
		{"{\"channels\": {\"a\": {\"type\": \"smtp\", \"host\": \"h/x\", \"from\": \"a@b.c\", \"to\": [\"d@e.f\"]}}}",
		 "channels.a.host: must be"},
		{"{\"channels\": {\"a\": {\"type\": \"smtp\", \"host\": \"h\", \"from\": \"a b@c\", \"to\": [\"d@e.f\"]}}}",
		 "channels.a.from: must be an address"},
		{"{\"channels\": {\"a\": {\"type\": \"smtp\", \"host\": \"h\", \"from\": \"a@b\", \"to\": [\"x@y.z\", "
		 "\"<d@e.f>\"]}}}",
		 "channels.a.to: number 2 is no address"},
		{"{\"channels\": {\"a\": {" SYSLOG ", \"transport\": \"udp\", \"host\": \"localhost\"}}}",
		 "channels.a.host: must be a numeric"},
		{"{\"channels\": {\"a\": {" SYSLOG ", \"transport\": \"tcp\"}}}", "channels.a.host: is missing"},
		{"{\"channels\": {\"a\": {" SYSLOG ", \"transport\": \"unix\", \"path\": \"dev/log\"}}}",
		 "channels.a.path: must be"},
		{"{\"channels\": {\"a\": {" SYSLOG ", \"transport\": \"udp\", \"host\": \"::1\", \"port\": 65536}}}",
		 "channels.a.port: must be"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char *complaints;
		Config *config = read_text(cases[i][0], &complaints);

		CHECK(config == NULL && strncmp(complaints, cases[i][1], strlen(cases[i][1])) == 0, "%s: %s", cases[i][0],
			  complaints);
		CHECK(strstr(complaints, "canary") == NULL, "%s", complaints);
		alert_config_free(config);
		free(complaints);
	}
}

static void
showing(void)
{
	char *complaints;
	char *shown;
	FILE *to = tmpfile();
	Config *config =
		read_text("{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"https://canary/\", \"secret\": "
				  "\"canary\", \"headers\": {\"X\": \"canary\"}}, \"b\": {" SYSLOG
				  ", \"transport\": \"unix\", \"path\": \"env_NO_X\"}}}",
				  &complaints);

	CHECK(config != NULL, "%s", complaints);
	if (to == NULL || config == NULL)
		abort();
	alert_config_print(config, to);
	shown = text_of(to);
	CHECK(strstr(shown, "canary") == NULL && strstr(shown, "a: webhook, on,") != NULL &&
			  strstr(shown, " secret=set") != NULL &&
			  strstr(shown, "b: syslog, off (the variable NO_X is absent or empty)") != NULL,
		  "%s", shown);
	alert_config_free(config);
	free(complaints);
	free(shown);
}

static Alert
alert_about(const char *subject)
{
	return (Alert){.key = "00000000-0000-0000-0000-000000000001",
				   .alert_id = "5",
				   .rule_name = "rule",
				   .raised_at = "2026-01-02T03:04:05.678901Z",
				   .severity = "critical",
				   .subject = subject,
				   .count = "3",
				   .event_ids = "[1, 2]",
				   .details = "{\"a\": 1}"};
}

static void
posts(void)
{
	Alert alert = alert_about("x\xff\"\x01");
	size_t length;
	char *text = message_json(&alert, "chat", &length);

	CHECK(length == strlen(text) &&
			  strcmp(text,
					 "{\"channel\":\"chat\",\"delivery_id\":\"00000000-0000-0000-0000-000000000001\",\"alert_id\":5,"
					 "\"rule_name\":\"rule\",\"raised_at\":\"2026-01-02T03:04:05.678901Z\",\"severity\":\"critical\","
					 "\"subject\":\"x\xef\xbf\xbd\\\"\\u0001\",\"count\":3,\"event_ids\":[1, 2],\"incident_id\":null,"
					 "\"details\":{\"a\": 1},\"test\":false}") == 0,
		  "%s", text);
	free(text);
}

/* The example of the specification, and a secret that is its own bytes. */
static void
signatures(void)
{
	static const char body[] = "{\"test\": 2432232314}";
	char signature[MESSAGE_SIGNATURE_SIZE];

	CHECK(message_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body,
					   strlen(body), signature) &&
		  strcmp(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=") == 0);
	CHECK(!message_sign("whsec_not base64", "i", "1", body, strlen(body), signature));
	CHECK(message_sign("whatever", "i", "1", body, strlen(body), signature) && strlen(signature) == 47);
}

static void
logs(void)
{
	static const char *const subjects[] = {"plain", "a]\"\\b", "x\xff\n\x7f\xc2\x85"};
	static const char *const values[] = {"plain", "a\\]\\\"\\\\b", "x????"};

	for (size_t i = 0; i < 3; i++)
	{
		Alert alert = alert_about(subjects[i]);
		size_t length;
		char *text = message_syslog(&alert, 13, "my host", 7, &length);
		char wanted[600];

		snprintf(wanted, sizeof(wanted), " subject=\"%s\" count", values[i]);
		CHECK(strncmp(text,
					  "<106>1 2026-01-02T03:04:05.678901Z my?host twin_notifier 7 alert [alert@32473 delivery_id=\"",
					  86) == 0,
			  "%s", text);
		CHECK(length == strlen(text) && strstr(text, wanted) != NULL, "%s", text);
		free(text);
	}
}

static void
mails(void)
{
	static char *to[] = {"d@e.f", "g@h.i"};
	Channel channel = {.from = "a@b.c", .to = {to, 2}};
	Alert alert = alert_about("caf\xc3\xa9\xe2\x80\xae\r\nBcc: x");
	char *long_details = unit_memory(5000);
	size_t length;
	char *text;
	char *line;

	memset(long_details, '=', 4999);
	long_details[4999] = '\0';
	alert.details = long_details;
	text = message_mail(&alert, &channel, 1767323045, &length);
	CHECK(length == strlen(text));
	CHECK(strstr(text, "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nFrom: <a@b.c>\r\nTo: <d@e.f>,\r\n <g@h.i>\r\n"
					   "Subject: =?UTF-8?B?") == text,
		  "%s", text);
	CHECK(strstr(text, "\nBcc") == NULL && strstr(text, "caf=C3=A9\\u202e\\u000d\\u000aBcc: x\r\n") != NULL, "%s",
		  text);
	for (line = text; line != NULL && *line != '\0'; line = strstr(line, "\r\n") + 2)
		if (!CHECK(strstr(line, "\r\n") != NULL && strstr(line, "\r\n") - line <= 76, "%.100s", line))
			break;
	free(text);
	free(long_details);
}

static void
verdicts(void)
{
	static const struct
	{
		long status;
		Verdict verdict;
	} http[] = {{200, VERDICT_DELIVERED}, {204, VERDICT_DELIVERED}, {0, VERDICT_RETRY},   {100, VERDICT_RETRY},
				{301, VERDICT_DEAD},      {400, VERDICT_DEAD},      {404, VERDICT_DEAD},  {408, VERDICT_RETRY},
				{425, VERDICT_RETRY},     {429, VERDICT_RETRY},     {500, VERDICT_RETRY}, {599, VERDICT_RETRY}},
	  smtp[] = {{0, VERDICT_RETRY},   {250, VERDICT_RETRY}, {421, VERDICT_RETRY},
				{535, VERDICT_RETRY}, {550, VERDICT_DEAD},  {554, VERDICT_DEAD}};

	for (size_t i = 0; i < sizeof(http) / sizeof(http[0]); i++)
		CHECK(policy_http(http[i].status) == http[i].verdict, "%ld", http[i].status);
	for (size_t i = 0; i < sizeof(smtp) / sizeof(smtp[0]); i++)
		CHECK(policy_smtp(smtp[i].status) == smtp[i].verdict, "%ld", smtp[i].status);
}

static void
delays(void)
{
	for (int attempt = 1; attempt <= 100; attempt++)
	{
		int64_t whole = attempt > 8 ? 600000 : INT64_C(5000) << (attempt - 1);

		if (whole > 600000)
			whole = 600000;
		CHECK(policy_delay(attempt, 5, 600, 0, 0) == whole / 2, "%d", attempt);
		CHECK(policy_delay(attempt, 5, 600, 0, (uint32_t) whole / 2) == whole, "%d", attempt);
		CHECK(policy_delay(attempt, 5, 600, 0, UINT32_MAX) <= whole, "%d", attempt);
	}
	CHECK(policy_delay(1, 5, 600, 60, 0) == 60000);
	CHECK(policy_delay(1, 5, 600, 1, 0) == 2500);
	CHECK(policy_delay(1, 5, 600, INT64_MAX, 0) == 86400000);
	CHECK(policy_delay(100, 86400, 86400, 0, UINT32_MAX) <= 86400000);
}

static const UnitCase cases[] = {
	{"a good configuration is read", good_configurations},
	{"what is wrong is told by its place, never by its value", bad_configurations},
	{"what is in force is shown without secrets", showing},
	{"webhooks are sent JSON", posts},
	{"they are signed", signatures},
	{"lines of logs", logs},
	{"mails", mails},
	{"what an answer means", verdicts},
	{"how long is waited", delays},
};

UNIT_MAIN(cases)
