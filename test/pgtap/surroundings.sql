-- surroundings.sql: what the server runs in and on: variables of its environment (test/run_pgtap sets them), and dependencies.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET client_min_messages = warning;

-- ---- the environment ----

SELECT is(twin.required_env('SITE_NAME'), 'Kraftwerk Süd 7', 'a variable that is listed');
SELECT is(twin.optional_env('SITE_NAME', 'elsewhere'), 'Kraftwerk Süd 7', '... has no need of a default');
SELECT is(twin.optional_env('CORS_ALLOWED_ORIGINS', 'https://twin.example'), 'https://twin.example', 'one that is not set has the default');
SELECT is(twin.optional_env('CORS_ALLOWED_ORIGINS'), NULL, '... which is nothing where none is given');
SELECT is(twin.optional_env('SITE_EMPTY', 'full'), 'full', 'one that is empty counts as not set');
SELECT throws_ok($$SELECT twin.required_env('CORS_ALLOWED_ORIGINS')$$, '55000', 'required environment variable "CORS_ALLOWED_ORIGINS" is not set', 'what is required and not set is an error');
SELECT throws_ok($$SELECT twin.required_env('SITE_EMPTY')$$, '55000', 'required environment variable "SITE_EMPTY" is not set', '... and so is what is empty');

SELECT throws_ok($$SELECT twin.required_env('SITE_OTHER')$$, '42501', 'environment variable "SITE_OTHER" is not readable', 'one that is set and not listed');
SELECT throws_ok($$SELECT twin.optional_env('SITE_NOWHERE', 'x')$$, '42501', 'environment variable "SITE_NOWHERE" is not readable', '... is refused as one that is not set is');
SELECT throws_ok($$SELECT twin.required_env('PATH')$$, '42501', NULL, 'PATH is refused');
SELECT throws_ok($$SELECT twin.required_env('Site_Name')$$, '42501', NULL, 'a name is taken as it is written');
SELECT throws_ok($$SELECT twin.required_env('JWT_ACCESS_TOKEN_EXPIRES')$$, '42501', NULL, 'a list takes the place of the one by default');
SELECT throws_ok(format('SELECT twin.%s(%L)', f, n), '42501', format('environment variable "%s" is not readable: its name speaks of a secret', n), f || ' never reads ' || n)
	FROM unnest(ARRAY['required_env', 'optional_env']) f, unnest(ARRAY['ENCRYPTION_KEY', 'ENCRYPTION_KEY_PREVIOUS', 'JWT_SECRET_KEY', 'JWT_SECRET_KEY_PREVIOUS', 'PGPASSWORD', 'encryption_key', 'API_TOKEN']) n;
SELECT throws_ok(format('SELECT twin.%s(%L)', f, n), '22023', 'not a name of an environment variable', f || ' refuses ' || left(n, 20))
	FROM unnest(ARRAY['required_env', 'optional_env']) f, unnest(ARRAY['', ' ', 'A=B', 'A B', '1A', 'Ä', 'SITE_NAME' || chr(10), '$(id)', repeat('A', 65)]) n;
SELECT throws_ok('SELECT twin.required_env(NULL)', '22004', NULL, 'null is no name');
SELECT throws_ok($$SELECT twin.optional_env(NULL, 'x')$$, '22004', NULL, '... with a default neither');

SELECT throws_ok(format('SELECT twin.%s(%L)', f, n), '42501', format('environment variable "%s" is not readable: its value looks like a secret', n), f || ' does not show what looks like a secret in ' || n)
	FROM unnest(ARRAY['required_env', 'optional_env']) f, unnest(ARRAY['SITE_HANDLE', 'SITE_LINK']) n;
SELECT throws_ok($$SELECT twin.required_env('SITE_LONG')$$, '54000', 'environment variable "SITE_LONG" has more than 4096 bytes', 'a value is bounded');
SELECT throws_ok($$SELECT twin.required_env('SITE_BYTES')$$, '22021', 'environment variable "SITE_BYTES" is not text in this database''s encoding', '... and text');

CREATE ROLE surroundings_admin IN ROLE twin_admin;
CREATE ROLE surroundings_auditor IN ROLE twin_auditor;
CREATE ROLE surroundings_viewer IN ROLE twin_viewer;
CREATE ROLE surroundings_nobody;
SELECT is(string_agg(r, ' ' ORDER BY r COLLATE "C"), 'admin auditor', 'who calls ' || f)
	FROM unnest(ARRAY['admin', 'auditor', 'viewer', 'nobody']) r, unnest(ARRAY['twin.required_env(text)', 'twin.optional_env(text, text)', 'twin.dependencies()']) f
	WHERE has_function_privilege('surroundings_' || r, f, 'EXECUTE') GROUP BY f ORDER BY f;
SET ROLE surroundings_admin;
SELECT is(twin.required_env('SITE_NAME'), 'Kraftwerk Süd 7', 'an administrator reads it');
SELECT throws_ok($$SELECT twin.required_env('ENCRYPTION_KEY')$$, '42501', NULL, '... and no key');
RESET ROLE;
SELECT throws_ok($$SET twin_security.environment_names = 'PATH'$$, '55P02', NULL, 'no session changes the list');

-- ---- dependencies ----

-- libjwt is loaded where it is of the interface that Debian 12 has; newer servers come from newer Debians
SELECT is((SELECT count(*) FROM twin.dependencies() WHERE product = 'libjwt'), CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 1::bigint ELSE 0 END, 'libjwt is one of them where it is of that interface');
SELECT results_eq($$SELECT product FROM twin.dependencies() WHERE product <> 'libjwt'$$, ARRAY['postgresql', 'openssl', 'libxcrypt', 'zxcvbn', 'jansson', 'libzstd'], 'what the extension runs on');
SELECT is((SELECT version FROM twin.dependencies() WHERE product = 'postgresql'), current_setting('server_version'), 'the server''s version');
SELECT ok(twin_internal.openssl_version() LIKE 'OpenSSL ' || version || ' %', 'OpenSSL''s is the loaded library''s') FROM twin.dependencies() WHERE product = 'openssl';
SELECT is(string_agg(product, ' ') FILTER (WHERE version !~ '^[0-9]+[.][0-9]' OR version IS NULL), NULL, 'every version is a number') FROM twin.dependencies();
SELECT is(string_agg(product, ' ') FILTER (WHERE file !~ '^lib[a-z]+[.]so[.][0-9.]+$' OR file IS NULL), 'postgresql', 'every library is told by its file') FROM twin.dependencies();
SELECT is(string_agg(product, ' ' ORDER BY product COLLATE "C") FILTER (WHERE built_with IS NULL AND product <> 'libjwt'), 'zxcvbn', 'all but these say what the extension was built with') FROM twin.dependencies();
SELECT is(count(*) FILTER (WHERE purpose IS NULL), 0::bigint, 'all are for something') FROM twin.dependencies();

-- one list for this and for the security check
DELETE FROM twin_internal.known_advisories;
SELECT is(count(*) FILTER (WHERE advisories IS NOT NULL OR fixed_in IS NOT NULL), 0::bigint, 'without advisories none is told') FROM twin.dependencies();
INSERT INTO twin_internal.known_advisories SELECT d.product, b.branch, b.number, 'CVE-0000-000' || b.place
	FROM twin.dependencies() d, LATERAL (SELECT string_to_array(substring(d.version FROM '^[0-9.]+'), '.')::integer[]) n (number),
		LATERAL (VALUES (1, 'any', n.number || 1), (2, n.number[1]::text, n.number[:1] || 99999), (3, 'any', n.number), (4, (n.number[1] + 1)::text, ARRAY[n.number[1] + 2]), (5, '0', ARRAY[99999])) b (place, branch, number)
	WHERE d.product IN ('postgresql', 'openssl', 'jansson', 'libzstd');
SELECT is(string_agg(product || ' ' || advisories, ', ' ORDER BY product COLLATE "C"), 'jansson CVE-0000-0001, CVE-0000-0002, libzstd CVE-0000-0001, CVE-0000-0002, openssl CVE-0000-0001, CVE-0000-0002, postgresql CVE-0000-0001, CVE-0000-0002',
	'told are those of its branch that it is too old for, in order') FROM twin.dependencies() WHERE advisories IS NOT NULL;
SELECT is(fixed_in, '2.99999', '... with the version that has all fixes') FROM twin.dependencies() WHERE product = 'jansson';
SELECT is(string_agg(status, ' ' ORDER BY check_id), 'fail warn pass warn warn', 'and the security check says the same')
	FROM twin.security_check() WHERE check_id IN ('VERSION-1', 'VERSION-3', 'VERSION-4', 'VERSION-7');

SELECT * FROM finish();
ROLLBACK;
