/*
 * redact_test.c
 *		Secrets in text: what is hidden in every spelling, what stays byte for byte,
 *		and that no canary survives whatever a generator makes around it.
 */
#include "unit.h"

#include "common/redact.h"

#include <time.h>

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* A text as it is and as it is written; NULL: it must stay as it is, and bear nothing. */
typedef struct Row
{
	RedactForm form;
	const char *text;
	const char *written;
} Row;

#define SQL REDACT_SQL
#define PROSE REDACT_PROSE
#define CONTEXT REDACT_CONTEXT

/* Writes a text in memory of exactly its size; the caller frees what comes back. */
static char *
written(RedactForm form, const char *text, size_t length, unsigned findings, const RedactNames *more, bool *bare)
{
	size_t room = 4 * length + 64;
	char *copy = unit_memory(length);
	char *to = unit_memory(room);
	size_t size;

	memcpy(copy, text, length);
	size = redact_write(bytes_of(copy, length), form, findings, more, to, room, bare);
	CHECK(strlen(to) == size, "%s", text);
	free(copy);
	return to;
}

static void
check_row(const Row *row, const RedactNames *more)
{
	size_t length = strlen(row->text);
	unsigned findings = redact_look(bytes_of(row->text, length), more);
	const char *wanted = row->written ? row->written : row->text;
	char *to = written(row->form, row->text, length, findings, more, NULL);

	CHECK(!(findings & (REDACT_SHAPE | REDACT_NAME)) == (row->written == NULL), "%s: found %u", row->text, findings);
	CHECK(strcmp(to, wanted) == 0, "%s\n#   gives %s\n#   not   %s", row->text, to, wanted);
	free(to);
}

static void
check_rows(const Row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_row(&rows[i], NULL);
}

static void
what_is_ordinary_stays(void)
{
	static const Row rows[] = {
		{SQL, "SELECT * FROM units WHERE name = 'pump 7' AND x < $1", NULL},
		{SQL, "INSERT INTO readings (unit_id, value) VALUES (1, 20.5), (2, E'\\'')", NULL},
		{SQL, "SET password_encryption = 'scram-sha-256'", NULL},
		{SQL, "SET twin_security.token_lifetime = '1h'", NULL},
		{SQL, "SET SESSION AUTHORIZATION 'bob'", NULL},
		{SQL, "CREATE SCHEMA AUTHORIZATION bob", NULL},
		{SQL, "SELECT token_id, tokenId FROM t WHERE token_type = 'x'", NULL},
		{SQL, "UPDATE s SET secretary = 'Jane'", NULL},
		{SQL, "SELECT 'pumpway' AS compass, 'bypass', surpass FROM t", NULL},
		{SQL, "GRANT EXECUTE ON FUNCTION f(text) TO bob", NULL},
		{SQL, "CREATE TABLE t (login text, v text DEFAULT 'x')", NULL},
		{SQL, "CREATE TRIGGER t BEFORE INSERT ON x EXECUTE FUNCTION f('a')", NULL},
		{SQL, "SELECT $1, $2 FROM t -- don't", NULL},
		{SQL, "SELECT 'eyJ', 'md5', '$2b$', 'basic training', 'Bearer of news'", NULL},
		{SQL, "COPY t FROM 'http://host:5432/path?x=@y'", NULL},
		{PROSE, "checkpoint complete: wrote 3 buffers (0.0%); 0 WAL file(s) added", NULL},
		{PROSE, "could not connect to http://[::1]:80/a@b or http://h:80/@", NULL},
		{PROSE, "user's table doesn't exist", NULL},
		{CONTEXT, "PL/pgSQL function f(integer) line 3 at SQL statement", NULL},
		{CONTEXT, "SQL statement \"SELECT 'a'\"\nPL/pgSQL function f() line 3 at PERFORM", NULL},
		{PROSE, "", NULL},
	};

	check_rows(rows, ROWS(rows));
}

static void
what_the_server_says_of_passwords_stays(void)
{
	static const char *const rows[] = {
		"password authentication failed for user \"bob\"",
		"User \"bob\" has no password assigned.",
		"permission denied for table tokens",
		"relation \"secrets\" does not exist",
		"the user's password isn't right",
		"column \"password\" of relation \"u\" does not exist",
	};

	for (size_t i = 0; i < ROWS(rows); i++)
	{
		char *to = written(PROSE, rows[i], strlen(rows[i]), REDACT_NAME, NULL, NULL);

		CHECK(strcmp(to, rows[i]) == 0, "%s gives %s", rows[i], to);
		free(to);
	}
}

static void
shapes(void)
{
	static const Row rows[] = {
		{PROSE, "got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln_-x here", "got *** here"},
		{SQL, "SELECT f('eyJhbGciOiJIUzI1NiJ9.eyJz')", "SELECT f('***')"},
		{PROSE, "--eyJhbGciOiJIUzI1NiJ9.eyJz", "--***"},
		{SQL, "SELECT '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW'", "SELECT '***'"},
		{SQL, "SELECT '$6$salt$abcdefghijklmnopqrstuv'", "SELECT '***'"},
		{SQL, "SELECT '$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA'", "SELECT '***'"},
		{SQL, "SELECT 'SCRAM-SHA-256$4096:abc$def:ghi'", "SELECT '***'"},
		{SQL, "SELECT 'md5d41d8cd98f00b204e9800998ecf8427e'", "SELECT '***'"},
		{SQL, "SELECT md5('x'), 'md5d41d8cd98f00b204e9800998ecf8427ef'", NULL},
		{PROSE, "to postgresql://bob:hun:ter@2@host:5432/db failed", "to postgresql://bob:***@host:5432/db failed"},
		{PROSE, "to https://bob:hun/ter2@host/x", "to https://bob:***@host/x"},
		{SQL, "SELECT f('redis://:hunter2@h')", "SELECT f('redis://:***@h')"},
		{PROSE, "curl -H Bearer abcdefghijklmnopqrstu", "curl -H Bearer ***"},
		{PROSE, "BEARER aBc123.x-y~z+/=", "BEARER ***"},
		{PROSE, "Basic dTpw", "Basic ***"},
		{PROSE, "a -----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- b",
		 "a -----BEGIN RSA PRIVATE KEY***-----END RSA PRIVATE KEY----- b"},
		{PROSE, "-----BEGIN PRIVATE KEY-----\nabc", "-----BEGIN PRIVATE KEY***"},
		{PROSE, "-----BEGIN CERTIFICATE-----\nabc", NULL},
		{PROSE, "x ghp_abcdefghijklmnopqrstuvwxyz0123456789 y", "x *** y"},
	};

	check_rows(rows, ROWS(rows));
}

static void
roles(void)
{
	static const Row rows[] = {
		{SQL, "CREATE ROLE bob LOGIN PASSWORD 'hunter2' VALID UNTIL '2030-01-01'",
		 "CREATE ROLE bob LOGIN PASSWORD '***' VALID UNTIL '***'"},
		{SQL, "ALTER USER bob WITH ENCRYPTED PASSWORD E'hun\\'ter2' NOLOGIN",
		 "ALTER USER bob WITH ENCRYPTED PASSWORD E'***' NOLOGIN"},
		{SQL, "alter role bob password'hun''ter2';", "alter role bob password'***';"},
		{SQL, "ALTER ROLE bob PASSWORD U&'hun\\0074er2' UESCAPE '!'",
		 "ALTER ROLE bob PASSWORD U&'***' UESCAPE '***'"},
		{SQL, "ALTER ROLE bob PASSWORD $$hunter2$$; SELECT 1", "ALTER ROLE bob PASSWORD $$***$$; SELECT 1"},
		{SQL, "ALTER ROLE bob PASSWORD $t$hunter$$2$t$", "ALTER ROLE bob PASSWORD $t$***$t$"},
		{SQL, "ALTER ROLE bob PASSWORD 'hun'\n\t'ter2'", "ALTER ROLE bob PASSWORD '***'\n\t'***'"},
		{SQL, "ALTER ROLE bob PASSWORD E'hun'\n'ter\\'2' x", "ALTER ROLE bob PASSWORD E'***'\n'***"},
		{SQL, "ALTER ROLE bob PASSWORD /* ' */ 'hunter2' -- it's\n;",
		 "ALTER ROLE bob PASSWORD /*****/ '***' --***\n;"},
		{SQL, "ALTER ROLE bob PASSWROD 'hunter2'", "ALTER ROLE bob PASSWROD '***'"},
		{SQL, "CREATE /* x */ ROLE bob PSWD 'hunter2'", "CREATE /*****/ ROLE bob PSWD '***'"},
		{SQL, "ALTER ROLE bob PASSWORD \"hunter2\"", "ALTER ROLE bob PASSWORD \"***\""},
		{SQL, "ALTER ROLE bob PASSWORD NULL", "ALTER ROLE bob PASSWORD NULL"},
		{SQL, "ALTER ROLE \"o'brien\" PASSWORD 'hunter2'", "ALTER ROLE \"***\" PASSWORD '***'"},
		{SQL, "ALTER ROLE bob PASSWORD 'hunter2", "ALTER ROLE bob PASSWORD '***"},
		{SQL, "ALTER ROLE bob PASSWORD 'C:\\' VALID UNTIL 'hunter2'", "ALTER ROLE bob PASSWORD '***"},
		{SQL, "CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'u', password 'hunter2')",
		 "CREATE USER MAPPING FOR bob SERVER s OPTIONS (user '***', password '***')"},
		{SQL, "CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2' PUBLICATION p",
		 "CREATE SUBSCRIPTION s CONNECTION '***' PUBLICATION p"},
		{SQL, "ALTER SYSTEM SET primary_conninfo = 'host=h password=hunter2'",
		 "ALTER SYSTEM SET primary_conninfo = '***'"},
		{SQL, "EXECUTE ins(1, 'hunter2')", "EXECUTE ins(1, '***')"},
		{SQL, "statement: EXECUTE \"ins\"('hunter2')", "statement: EXECUTE \"ins\"('***')"},
	};

	check_rows(rows, ROWS(rows));
}

static void
statements(void)
{
	static const Row rows[] = {
		{SQL, "INSERT INTO u (name, password) VALUES ('bob', 'hunter2')",
		 "INSERT INTO u (name, password) VALUES ('***', '***')"},
		{SQL, "SELECT 'hunter2' = u.\"passWord\" FROM u", "SELECT '***' = u.\"passWord\" FROM u"},
		{SQL, "UPDATE u SET pwd = 12345, n = 3 WHERE id = 7", "UPDATE u SET pwd = ***, n = 3 WHERE id = 7"},
		{SQL, "SELECT * FROM u WHERE password = $1 AND n = 'x'", "SELECT * FROM u WHERE password = $1 AND n = '***'"},
		{SQL, "SELECT * FROM u WHERE u.password = s.password", "SELECT * FROM u WHERE u.password = s.password"},
		{SQL, "SELECT * FROM u WHERE password = \"hunter2\"", "SELECT * FROM u WHERE password = \"***\""},
		{SQL, "SELECT * FROM u WHERE password = hunter2", "SELECT * FROM u WHERE password = ***"},
		{SQL, "SELECT * FROM u WHERE \"my password\"::text = hunter2",
		 "SELECT * FROM u WHERE \"my password\"::text = ***"},
		{SQL, "SET twin_security.token = 'abc'", "SET twin_security.token = '***'"},
		{SQL, "SET LOCAL my.secret TO hunter2", "SET LOCAL my.secret TO ***"},
		{SQL, "SELECT set_config('twin_security.token', 'abc', true)", "SELECT set_config('***', '***', true)"},
		{SQL, "SELECT twin_api.login('bob', 'hunter2')", "SELECT twin_api.login('***', '***')"},
		{SQL, "select TWIN_API . \"login\" (username => 'bob', 'hunter2')",
		 "select TWIN_API . \"login\" (username => '***', '***')"},
		{SQL, "SELECT twin.hash_password('hunter2')", "SELECT twin.hash_password('***')"},
		{SQL, "SELECT score FROM twin.check_password_strength('hunter2', 'bob')",
		 "SELECT score FROM twin.check_password_strength('***', '***')"},
		{SQL, "SELECT crypt('hunter2', gen_salt('bf'))", "SELECT crypt('***', gen_salt('***'))"},
		{SQL, "SELECT pgp_sym_encrypt(x, 'hunter2')", "SELECT pgp_sym_encrypt(x, '***')"},
		{SQL, "SELECT hmac('a', 'hunter2', 'sha256')", "SELECT hmac('***', '***', '***')"},
		{SQL, "SELECT 'x'::twin.encrypted_text(pii)", "SELECT '***'::twin.encrypted_text(pii)"},
		{SQL, "SELECT twin.encrypt_data('x')", "SELECT twin.encrypt_data('***')"},
		{SQL, "SELECT U&\"\\0070assword\" FROM u WHERE x = 'hunter2'", "SELECT U&\"***\" FROM u WHERE x = '***'"},
		{SQL, "DO $$ DECLARE password text := 'hunter2'; n int := 3; BEGIN END $$",
		 "DO $$ DECLARE password text := '***'; n int := 3; BEGIN END $$"},
		{SQL, "DO $a$ BEGIN EXECUTE $b$ALTER ROLE bob PASSWORD 'hunter2'$b$; END $a$ LANGUAGE plpgsql",
		 "DO $a$ BEGIN EXECUTE $b$***$b$; END $a$ LANGUAGE plpgsql"},
		{SQL, "DO LANGUAGE plpython3u $$ # don't\npassword = 'hunter2' $$", "DO LANGUAGE plpython3u $$***$$"},
		{SQL, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT login('hunter2') $$",
		 "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT login('***') $$"},
		{SQL, "INSERT INTO notes VALUES ('my password is hunter2')", "INSERT INTO notes VALUES ('***')"},
		{SQL, "SELECT token, '' FROM t", "SELECT token, '' FROM t"},
		{SQL, "duration: 0.1 ms  statement: SELECT login('a','b')",
		 "duration: 0.1 ms  statement: SELECT login('***','***')"},
		{SQL, "{\"Query Text\": \"SELECT login('a','b')\", \"Plan\": 1}", "{\"Query Text\": \"***\", \"Plan\": 1}"},
		{SQL, "{\"Query Text\": \"SELECT \\\"a\\\", login('a')\"}", "{\"Query Text\": ***"},
	};

	check_rows(rows, ROWS(rows));
}

static void
prose(void)
{
	static const Row rows[] = {
		{PROSE, "password=hunter2 host=h", "password=*** host=h"},
		{PROSE, "host=h password='hun ter2' user=u", "host=h password='***' user=u"},
		{PROSE, "parameter \"primary_conninfo\" changed to \"host=h password=hunter2\"",
		 "parameter \"primary_conninfo\" changed to \"host=h password=***\""},
		{PROSE, "password=hun\"ter2 x", "password=*** x"},
		{PROSE, "Password: hunter2", "Password: ***"},
		{PROSE, "{\"user\": \"bob\", \"password\": \"hun\\\"ter2\", \"n\": 1}",
		 "{\"user\": \"bob\", \"password\": \"***\", \"n\": 1}"},
		{PROSE, "{\\\"password\\\": \\\"hunter2\\\", \\\"n\\\": 1}", "{\\\"password\\\": \\\"***\\\", \\\"n\\\": 1}"},
		{PROSE, "{\"password\": 12345, \"a\": 1}", "{\"password\": ***, \"a\": 1}"},
		{PROSE, "{\"credentials\": {\"a\": \"x}\", \"b\": [1]}, \"n\": 1}", "{\"credentials\": ***, \"n\": 1}"},
		{PROSE, "{\"credentials\": {\"a\": 1", "{\"credentials\": ***"},
		{PROSE, "GET /x?api_key=hunter2&page=2 HTTP/1.1", "GET /x?api_key=***&page=2 HTTP/1.1"},
		{PROSE, "/x?a=1&access_token=hunter2", "/x?a=1&access_token=***"},
		{PROSE, "password=hunter2&more", "password=***"},
		{PROSE, "Authorization: Basic dTpw, x", "Authorization: ***, x"},
		{PROSE, "authorization: token hunter2", "authorization: ***"},
		{PROSE, "X-Api-Key: hunter2", "X-Api-Key: ***"},
		{PROSE, "Cookie: a=b; c", "Cookie: ***; c"},
		{PROSE, "clientSecret=hunter2", "clientSecret=***"},
		{PROSE, "ENCRYPTION_KEY=abc", "ENCRYPTION_KEY=***"},
		{PROSE, "PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"},
		{PROSE, "line 5: \"host all all ldap ldapbindpasswd=\"hun ter2\" x\"",
		 "line 5: \"host all all ldap ldapbindpasswd=\"***\" x\""},
		{PROSE, "invalid value for parameter \"twin_security.token\": \"hunter2\"",
		 "invalid value for parameter \"twin_security.token\": \"***\""},
		{PROSE, "line 3, column password: \"hunter2\"", "line 3, column password: \"***\""},
		{PROSE, "executing UPDATE u SET password = 'o''brien'", "executing UPDATE u SET password = '***'"},
		{SQL, "parameters: $1 = 'bob', $2 = 'x password'", "parameters: $1 = '***', $2 = '***'"},
		{CONTEXT,
		 "SQL statement \"SELECT \"a\" || 'x\"y' || 'hunter2', login('x')\"\nPL/pgSQL function f() line 3 at PERFORM",
		 "SQL statement \"***\"\nPL/pgSQL function f() line 3 at PERFORM"},
		{CONTEXT, "SQL function \"login_token\" statement 1", "SQL function \"login_token\" statement 1"},
		{CONTEXT, "unnamed portal with parameters: $1 = 'x', $2 = 'password'",
		 "unnamed portal with parameters: $1 = '***', $2 = '***'"},
	};

	check_rows(rows, ROWS(rows));
}

static void
what_follows_may_be_a_name(void)
{
	static const struct
	{
		const char *text;
		bool bare;
	} rows[] = {
		{"SELECT * FROM u WHERE password = \"hunter2\"", true}, {"SELECT * FROM u WHERE password = hunter2", true},
		{"SELECT * FROM u WHERE password = 'hunter2'", false},  {"SELECT * FROM u WHERE password = 12", false},
		{"SELECT * FROM u WHERE password = $1", false},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
	{
		bool bare = false;

		free(written(SQL, rows[i].text, strlen(rows[i].text), REDACT_NAME, NULL, &bare));
		CHECK(bare == rows[i].bare, "%s", rows[i].text);
	}
}

static void
typing_errors_are_seen(void)
{
	static const char *const near[] = {"pasword", "passwrod", "PASWRD", "psswd", "passwort"};
	static const char *const far[] = {"pumps", "power", "units", "previous_wire_sensors", "ps"};

	for (size_t i = 0; i < ROWS(near); i++)
		CHECK(redact_look(bytes_of(near[i], strlen(near[i])), NULL) & REDACT_TYPO, "%s", near[i]);
	for (size_t i = 0; i < ROWS(far); i++)
		CHECK(!(redact_look(bytes_of(far[i], strlen(far[i])), NULL) & REDACT_TYPO), "%s", far[i]);
}

static void
names_can_be_added(void)
{
	static const char *const bad[] = {
		"a",    "a b",   "ab,,abc",
		"abc,", "'abc'", "_a_",
		",",    "abc;",  "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"};
	static const Row rows[] = {
		{SQL, "UPDATE s SET pin_code = 1234, x = 'a'", "UPDATE s SET pin_code = ***, x = '***'"},
		{PROSE, "door-CODE: 99, x", "door-CODE: ***, x"},
		{PROSE, "{\"userPinCode\": \"99\"}", "{\"userPinCode\": \"***\"}"},
		{SQL, "SELECT gpio_pin FROM t WHERE n = 'x'", NULL},
	};
	static const Row plain = {SQL, "UPDATE s SET pin_code = 1234", NULL};
	RedactNames names;
	char many[8 * REDACT_NAMES_MAX + 1] = "";

	check_row(&plain, NULL);
	CHECK(redact_names_parse(" PIN_Code , door-code,\xc3\xbcxx", &names) && names.count == 3);
	CHECK(strcmp(names.names[0], "pincode") == 0 && strcmp(names.names[1], "doorcode") == 0);
	for (size_t i = 0; i < ROWS(rows); i++)
		check_row(&rows[i], &names);
	for (size_t i = 0; i < ROWS(bad); i++)
		CHECK(!redact_names_parse(bad[i], &names) && names.count == 0, "%s", bad[i]);
	CHECK(redact_names_parse("", &names) && names.count == 0);
	CHECK(redact_names_parse("  ", &names) && names.count == 0);
	for (int i = 0; i < REDACT_NAMES_MAX; i++)
		strcat(many, i > 0 ? ",abcd" : "abcd");
	CHECK(redact_names_parse(many, &names) && names.count == REDACT_NAMES_MAX);
	strcat(many, ",more");
	CHECK(!redact_names_parse(many, &names));
}

/* Every word of the tables, alone and within others. */
static void
every_word_tells(void)
{
	static const char *const names[] = {"accesskey",    "access_key",
										"API-Key",      "authkey",
										"authKey",      "client_credentials",
										"x_cvc",        "cvv",
										"encrypted",    "encryption_key",
										"jwt",          "myJwt",
										"kennwort",     "masterkey",
										"mot_de_passe", "otp",
										"db_pass",      "passcode",
										"passPhrase",   "oldpasswd",
										"passwords",    "Passwort",
										"private-key",  "pw",
										"pwd1",         "secrets",
										"shared_key",   "signing_key",
										"sslkey",       "tokens",
										"totp",         "SECRET",
										"secret_key"};
	static const char *const functions[] = {"authenticate", "create_account",  "createUser", "crypt",
											"decrypt",      "pgp_pub_encrypt", "hmac",       "my_login",
											"logon",        "register_user",   "sign_in",    "signup"};

	for (size_t i = 0; i < ROWS(names); i++)
	{
		char text[200];

		snprintf(text, sizeof(text), "INSERT INTO t (a, %s) VALUES (1, 'x')", names[i]);
		CHECK(redact_look(bytes_of(text, strlen(text)), NULL) & REDACT_NAME, "%s", text);
	}
	for (size_t i = 0; i < ROWS(functions); i++)
	{
		char text[200];

		snprintf(text, sizeof(text), "SELECT %s ('x')", functions[i]);
		CHECK(redact_look(bytes_of(text, strlen(text)), NULL) & REDACT_NAME, "%s", text);
		snprintf(text, sizeof(text), "SELECT %s FROM t", functions[i]);
		CHECK(!(redact_look(bytes_of(text, strlen(text)), NULL) & REDACT_NAME), "%s", text);
	}
}

/* ---- bounds ---- */

static void
what_has_no_room_is_cut(void)
{
	const char *text = "ALTER ROLE \xc3\xbc\xe6\x9d\x8e\xf0\x9f\x98\x80z PASSWORD 'hunter2'";
	Bytes bytes = bytes_of(text, strlen(text));

	for (size_t room = sizeof(REDACT_CUT) + 4; room < 80; room++)
	{
		char *to = unit_memory(room);
		size_t size = redact_write(bytes, SQL, redact_look(bytes, NULL), NULL, to, room, NULL);

		CHECK(size < room && to[size] == '\0' && strlen(to) == size, "%zu", room);
		CHECK(strstr(to, "hunter2") == NULL);
		CHECK((strstr(to, REDACT_CUT) != NULL) == (strstr(to, "'***'") == NULL), "%zu: %s", room, to);
		for (size_t i = 0; i < size; i++)
			if ((uint8_t) to[i] >= 0xc0)
			{
				size_t more = (uint8_t) to[i] >= 0xf0 ? 3 : (uint8_t) to[i] >= 0xe0 ? 2 : 1;

				for (size_t j = 1; j <= more; j++)
					CHECK(((uint8_t) to[i + j] & 0xc0) == 0x80, "%zu: %s", room, to);
			}
		free(to);
	}
}

static void
formats(void)
{
	/* a format, the message (NULL: unknown), what is written */
	static const char *const rows[][3] = {
		{"%s at or near \"%s\"", NULL, "*** at or near \"***\""},
		{"%s at or near \"%s\"", "syntax error at or near \"hunter2\"", "syntax error at or near \"***\""},
		{"%s at or near \"%s\"", "syntax errors at or near \"hunter2\"", "*** at or near \"***\""},
		{"%s at or near \"%s\"", "hunter2 at or near \"x\"", "*** at or near \"***\""},
		{"%s at end of input", "syntax error at end of input", "syntax error at end of input"},
		{"%s at end of input", "syntax error at end of input hunter2", "*** at end of input"},
		{"%s", "not a bcrypt hash", "not a bcrypt hash"},
		{"%s", "not a bcrypt hash: hunter2", "***"},
		{"%s", "hunter2: not a bcrypt hash", "***"},
		{"%s", "not a bcrypt", "***"},
		{"%s", "hunter2", "***"},
		{"%s", "", "***"},
		{"%s%s", "not a bcrypt hashhunter2", "******"},
		{"%d: %s", "1: not a bcrypt hash", "***: ***"},
		{"invalid input syntax for type %s: \"%s\"", "invalid input syntax for type json: \"hunter2\"",
		 "invalid input syntax for type ***: \"***\""},
		{"100%% of %-5.*f and %lld%m", NULL, "100% of *** and ******"},
		{"nothing", "nothing", "nothing"},
		{"nothing", "hunter2", "nothing"},
		{"%", "x", ""},
		{"", "x", ""},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
	{
		char to[200];

		CHECK(redact_template(rows[i][0], rows[i][1], to, sizeof(to)) == strlen(rows[i][2]) &&
				  strcmp(to, rows[i][2]) == 0,
			  "%s: %s", rows[i][0], to);
	}
}

/* Much of whatever makes a walk look ahead: done at once, or not within hours. */
#define TIMES_ORDINARY 5

/* A square of 200,000 bytes would take thousands of times as long. */
static void
time_is_linear(void)
{
	static const char *const pieces[] = {"select password from a ",
										 "://a:b",
										 "://x:y://@x:y://",
										 "eyJ-",
										 "eyJa-",
										 "password /* ",
										 "$1$a",
										 "bearer a",
										 "password",
										 "pass-",
										 "\"",
										 "\"a",
										 "$a$",
										 "DO $$ ",
										 "password='",
										 "password={\"",
										 "create/*",
										 "execute a",
										 "-----begin private key",
										 "password=\\",
										 "p_a_s_s_",
										 "'a' ",
										 "\"password\"=",
										 "basic ",
										 "do $a$ as $b$ password",
										 "sk-",
										 "SCRAM-SHA-256$",
										 "--password ",
										 "/*",
										 "secret(",
										 "token\"\"'"};

	const size_t size = 200000;
	char *text = unit_memory(size);
	char *to = unit_memory(4 * size + 64);
	clock_t ordinary = 0;

	for (size_t i = 0; i < ROWS(pieces); i++)
	{
		clock_t began;

		for (size_t j = 0; j < size; j++)
			text[j] = pieces[i][j % strlen(pieces[i])];
		began = clock();
		(void) redact_look(bytes_of(text, size), NULL);
		for (int form = REDACT_PROSE; form <= REDACT_CONTEXT; form++)
			CHECK(redact_write(bytes_of(text, size), (RedactForm) form, REDACT_NAME, NULL, to, 4 * size + 64, NULL) >
				  0);
		if (i == 0)
			ordinary = clock() - began + 1;
		else
			CHECK(clock() - began < TIMES_ORDINARY * ordinary, "%s: %ld of %ld", pieces[i], (long) (clock() - began),
				  (long) ordinary);
	}
	free(text);
	free(to);
}

/* ---- no canary survives ---- */

#define CANARY "Xq7canaryZw"

static uint32_t state = 1;

static const char *
one_of(const char *const *rows, size_t count)
{
	state = state * 1664525u + 1013904223u;
	return rows[(state >> 16) % count];
}

#define ONE_OF(rows) one_of(rows, ROWS(rows))

/* A statement with the canary in it, in some spelling. */
static void
make_statement(char *to, size_t room)
{
	static const char *const names[] = {"password",    "PassWord",   "user_password",     "\"password\"", "api_key",
										"apiKey",      "secret",     "\"Client Secret\"", "access_token", "pwd",
										"private_key", "passphrase", "u.passwd"};
	static const char *const blanks[] = {" ", "\n", "\t ", " /* it's */ ", " -- don't\n", "  ", " /* /* \" */ */ "};
	static const char *const literals[] = {"'" CANARY "'",
										   "'it''s " CANARY "'",
										   "'" CANARY " \"'",
										   "E'\\'" CANARY "'",
										   "E'\\\\''" CANARY "'",
										   "e'a' \n 'b" CANARY "'",
										   "U&'\\0041" CANARY "'",
										   "$$" CANARY "$$",
										   "$q$it's $$ \" " CANARY "$q$",
										   "N'" CANARY "'",
										   "('x' || '" CANARY "')",
										   "'" CANARY "'::text",
										   "CAST('" CANARY "' AS text)",
										   "lower('" CANARY "')",
										   "'\xc3\xbc\xe6\x9d\x8e" CANARY "'",
										   "'-- " CANARY "'",
										   "'/* " CANARY "'",
										   "'C:\\\\" CANARY "'"};
	static const char *const others[] = {"'x'",     "1",    "\"Col\"",    "$1",     "'it''s'",     "E'\\n'",
										 "$$a'b$$", "NULL", "\"a\"\"b\"", "'a\"b'", "'{\"a\": 1}'"};
	static const char *const forms[] = {
		"INSERT INTO t (a,%1$s%2$s)%1$sVALUES (%4$s,%1$s%3$s)",
		"UPDATE t SET a = %4$s, %2$s%1$s=%1$s%3$s WHERE b =%4$s",
		"SELECT %4$s FROM t WHERE %3$s%1$s=%1$s%2$s AND %4$s = 1",
		"SELECT f(%2$s%1$s=>%1$s%3$s, %4$s)",
		"SELECT twin_api.login(%4$s,%1$s%3$s) -- %2$s",
		"SELECT %4$s, set_password%1$s(%4$s,%1$s%3$s), %2$s",
		"ALTER%1$sROLE bob%1$sPASSWORD%1$s%3$s /*%2$s*/ VALID UNTIL %4$s",
		"DO $body$ BEGIN x := %4$s; %2$s%1$s:=%1$s%3$s; END $body$",
		"SELECT %4$s; SELECT %2$s FROM t WHERE %2$s IN (%4$s,%1$s%3$s)",
		"WITH x AS (SELECT %3$s%1$sAS%1$s%2$s) SELECT %4$s",
	};
	const char *form = ONE_OF(forms);
	const char *blank = ONE_OF(blanks);
	const char *name = ONE_OF(names);
	const char *value = ONE_OF(literals);
	const char *other = ONE_OF(others);
	size_t length = 0;

	for (const char *c = form; *c != '\0'; c++)
	{
		const char *piece = c;
		size_t size = 1;

		if (*c == '%')
		{
			piece = c[1] == '1' ? blank : c[1] == '2' ? name : c[1] == '3' ? value : other;
			size = strlen(piece);
			c += 3;
		}
		if (length + size >= room)
			abort();
		memcpy(to + length, piece, size);
		length += size;
	}
	to[length] = '\0';
}

static void
no_canary_survives(void)
{
	for (int i = 0; i < 100000; i++)
	{
		char statement[1024];
		char line[2048];
		char *to;
		unsigned findings;

		make_statement(statement, sizeof(statement));
		findings = redact_look(bytes_of(statement, strlen(statement)), NULL);
		if (!CHECK(findings & REDACT_NAME, "%s", statement))
			continue;
		to = written(SQL, statement, strlen(statement), findings, NULL, NULL);
		CHECK(strstr(to, "canary") == NULL, "%s\n#   gives %s", statement, to);
		/* what is written tells of nothing more */
		free(to);
		(void) snprintf(line, sizeof(line), "SQL statement \"%s\"\nPL/pgSQL function f() line 1 at PERFORM",
						statement);
		to = written(CONTEXT, line, strlen(line), findings, NULL, NULL);
		CHECK(strstr(to, "canary") == NULL && strstr(to, "\nPL/pgSQL function f() line 1 at PERFORM") != NULL,
			  "%s\n#   gives %s", line, to);
		free(to);
		/* cut anywhere */
		state = state * 1664525u + 1013904223u;
		to = written(SQL, statement, (state >> 8) % (strlen(statement) + 1), REDACT_NAME, NULL, NULL);
		CHECK(strstr(to, "canary") == NULL, "%s\n#   cut gives %s", statement, to);
		free(to);
	}
}

/* What was written stays as it is when it is written again. */
static void
writing_twice_is_writing_once(void)
{
	for (int i = 0; i < 20000; i++)
	{
		char statement[1024];
		char *once;
		char *twice;

		make_statement(statement, sizeof(statement));
		once = written(SQL, statement, strlen(statement), REDACT_NAME, NULL, NULL);
		twice = written(SQL, once, strlen(once), REDACT_NAME, NULL, NULL);
		CHECK(strcmp(once, twice) == 0, "%s\n#   then %s", once, twice);
		free(once);
		free(twice);
	}
}

static const UnitCase cases[] = {
	{"what is ordinary stays byte for byte", what_is_ordinary_stays},
	{"what the server says of passwords stays", what_the_server_says_of_passwords_stays},
	{"secrets by their look", shapes},
	{"passwords of roles, connections, mappings", roles},
	{"statements that name a secret", statements},
	{"prose, JSON, headers, connection strings", prose},
	{"what follows a name may be one of the database", what_follows_may_be_a_name},
	{"every word of the tables tells", every_word_tells},
	{"typing errors are seen", typing_errors_are_seen},
	{"names can be added", names_can_be_added},
	{"what has no room is cut", what_has_no_room_is_cut},
	{"formats without their arguments", formats},
	{"time is linear", time_is_linear},
	{"no canary survives", no_canary_survives},
	{"writing twice is writing once", writing_twice_is_writing_once},
};

UNIT_MAIN(cases)
