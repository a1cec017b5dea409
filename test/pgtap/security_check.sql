-- security_check.sql: what twin.security_check() is not fooled by: names, callers, search paths; and what it does not accuse.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET client_min_messages = warning;
CREATE FUNCTION asked(id text) RETURNS TABLE (status text, object text, detail text, remediation text) LANGUAGE sql AS
	$$ SELECT c.status, c.object, c.detail, c.remediation FROM twin.security_check() c WHERE c.check_id = id $$;
CREATE FUNCTION judged(id text) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(a.status || coalesce(' ' || a.object, ''), ', ' ORDER BY a.status, a.object) FROM asked(id) a $$;
CREATE SCHEMA plant;

-- ---- who asks ----

CREATE ROLE check_auditor IN ROLE twin_auditor;
CREATE ROLE check_admin IN ROLE twin_admin;
CREATE ROLE check_stranger;
CREATE TABLE public.tokens (name text PRIMARY KEY, token text);
GRANT SELECT ON tokens TO PUBLIC;
INSERT INTO tokens VALUES ('of a tenant', twin.issue_token('{"user_id": "13", "role": "admin", "tenant_id": 1}')), ('of none', twin.issue_token('{"user_id": "14", "role": "admin"}'));
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
SET ROLE check_auditor;
SELECT isnt(judged('ROLE-1'), NULL, 'an auditor asks');
SET ROLE check_admin;
SELECT isnt(judged('ROLE-1'), NULL, 'an administrator asks');
SELECT twin.authenticate((SELECT token FROM tokens WHERE name = 'of none'));
SELECT isnt(judged('ROLE-1'), NULL, '... with a token of no tenant');
SELECT twin.authenticate((SELECT token FROM tokens WHERE name = 'of a tenant'));
SELECT throws_ok($$SELECT * FROM twin.security_check()$$, '42501', NULL, 'who belongs to a tenant does not');
SET LOCAL twin_security.token = '';
SET ROLE check_stranger;
SELECT throws_ok($$SELECT * FROM twin.security_check()$$, '42501', NULL, 'nor does anybody else');
RESET ROLE;
DROP TABLE tokens;

-- ---- who asks sees the same, whatever he puts in the way ----

CREATE TABLE plant.unit (id int, tenant_id bigint);
CREATE TEMP TABLE pg_policy (polrelid oid);
CREATE FUNCTION plant.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'nothing' $$;
SET search_path = pg_temp, plant, public, pg_catalog;
SELECT is(judged('TABLE-1'), 'fail plant.unit', 'a search_path changes nothing');
SET check_function_bodies = off;
SET search_path = public, pg_catalog;
SELECT is(judged('TABLE-1'), 'fail plant.unit', '... and names are qualified whatever it is');
SET twin_security.bcrypt_cost = 10;
SELECT is(judged('PASSWORD-4'), 'pass', 'what the session set is not what is judged');
RESET twin_security.bcrypt_cost;

-- ---- remedies are fit to be pasted, whatever names there are ----

CREATE TABLE plant."x""; DROP TABLE plant.unit; --" (id int, "tenant_id" int);
CREATE TABLE plant."{literal}; DROP TABLE plant.unit; --'" (id int, tenant_id int);
CREATE TABLE plant."two
DROP TABLE plant.unit; --" (id int, tenant_id int);
SELECT is((SELECT string_agg(remediation, ' ' ORDER BY object) FROM asked('TABLE-1') WHERE object LIKE '%literal%'),
	$$SELECT twin.protect_table('plant."{literal}; DROP TABLE plant.unit; --''"', tenant_column => 'tenant_id');$$, 'a placeholder in a name is a part of the name');
CREATE FUNCTION pasted(id text) RETURNS void LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN FOR r IN SELECT remediation FROM asked(id) LOOP EXECUTE r; END LOOP; END $$;
SELECT lives_ok($$SELECT pasted('TABLE-1')$$, 'remedies with such names are commands');
SELECT is(judged('TABLE-1'), 'pass', '... that mend');
SELECT has_table('plant', 'unit', '... and nothing else');
GRANT SELECT ON plant."{literal}; DROP TABLE plant.unit; --'", plant."two
DROP TABLE plant.unit; --", plant."x""; DROP TABLE plant.unit; --" TO PUBLIC;
SELECT lives_ok($$SELECT pasted('GRANT-2')$$, 'remedies of the catalogue, too');
SELECT is(judged('GRANT-2') ~ 'plant', false, '... mend');
CREATE LANGUAGE "two
DROP TABLE plant.unit; --" HANDLER plpgsql_call_handler;
SELECT is((SELECT count(*) FROM asked('GRANT-5') WHERE remediation ~ '[\n\r]'), 0::bigint, 'what is a comment stays one');
SELECT is((SELECT count(*) FROM asked('GRANT-5') WHERE remediation LIKE '--%two DROP%'), 1::bigint, '... with the name in it');
ALTER TABLE plant."two
DROP TABLE plant.unit; --" RENAME TO two;

-- ---- tables, views, partitions, functions ----

CREATE TABLE plant.parted (id int, tenant_id bigint) PARTITION BY LIST (id);
CREATE TABLE plant.part PARTITION OF plant.parted DEFAULT;
SELECT is(judged('TABLE-1'), 'fail plant.parted', 'of a partitioned table, it is told');
SELECT twin.protect_table('plant.parted', 'tenant_id');
SELECT is(judged('TABLE-1'), 'pass', '... and its partitions are not told besides');
SELECT is(judged('TABLE-7'), 'pass', 'a partition nobody may read is no way around');
CREATE VIEW plant.as_owner AS SELECT * FROM plant.parted;
CREATE VIEW plant.as_reader WITH (security_invoker = yes) AS SELECT * FROM plant.parted;
CREATE VIEW plant.over_view AS SELECT * FROM plant.as_reader;
SELECT is(judged('TABLE-5'), 'fail plant.as_owner', 'a view that its reader reads through is none');
CREATE TABLE plant.later (tenant text); ALTER TABLE plant.later ENABLE ROW LEVEL SECURITY; ALTER TABLE plant.later FORCE ROW LEVEL SECURITY;
CREATE POLICY narrow ON plant.later AS RESTRICTIVE USING (true);
SELECT is(judged('TABLE-6'), 'pass', 'a restrictive policy that is always true lets nobody in');
CREATE POLICY writing ON plant.later FOR INSERT WITH CHECK (true);
SELECT is(judged('TABLE-6'), 'warn writing on plant.later', 'a permissive one does, and be it to write');
CREATE FUNCTION plant.guarded() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT 1';
SELECT is(judged('FUNCTION-1') || judged('FUNCTION-2'), 'passpass', 'a function with a search_path that ends in pg_temp is right');
SELECT is(judged('GRANT-4'), 'fail plant.guarded()', '... and everybody''s, unless that was revoked');
ALTER FUNCTION plant.guarded() SET search_path = pg_temp, plant;
SELECT is(judged('FUNCTION-2'), 'warn plant.guarded()', 'pg_temp first is worse than none');
SELECT pasted('FUNCTION-2');
SELECT is((SELECT proconfig::text FROM pg_proc WHERE proname = 'guarded'), '{"search_path=plant, pg_temp"}', '... and is put last');
CREATE FUNCTION plant.ordinary() RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT is(judged('FUNCTION-1'), 'pass', 'a function that runs as its caller needs none');

-- ---- columns ----

CREATE TABLE plant.names (passwordhash_ok int, password_hash text, password_changed_at timestamptz, reset_token_expires timestamptz, "accessKey" bytea, api_key_id int, pin smallint, spin int, tokenizer text,
	has_email boolean, email_verified boolean, "firstName" varchar(20), contact_email text, mail_box text, secret_name text, cipher_secret twin.encrypted_text(main), secrets text[], dob date);
SELECT results_eq($$SELECT object FROM asked('COLUMN-1') ORDER BY 1$$, ARRAY['plant.names."accessKey"', 'plant.names.pin', 'plant.names.secrets'], 'columns for secrets');
SELECT results_eq($$SELECT object FROM asked('COLUMN-2') ORDER BY 1$$, ARRAY['plant.names."firstName"', 'plant.names.contact_email', 'plant.names.dob'], 'columns for personal data');
SELECT is(judged('COLUMN-3'), 'fail plant.names', 'a table that holds some is not audited');
ALTER TABLE plant.names ADD PRIMARY KEY (pin);
SELECT twin.audit_table('plant.names');
SELECT is(judged('COLUMN-3'), 'pass', '... and is');
CREATE DOMAIN plant.sealed AS twin.encrypted_text(main);
CREATE TABLE plant.in_domain (password plant.sealed);
SELECT is((SELECT count(*) FROM asked('COLUMN-1') WHERE object LIKE '%in_domain%'), 0::bigint, 'a domain over an encrypted type is encrypted');

-- ---- keys: partitions hold values, too ----

CREATE TABLE plant.sealed_parted (id int, v twin.encrypted_text(main)) PARTITION BY LIST (id);
CREATE TABLE plant.sealed_part PARTITION OF plant.sealed_parted DEFAULT;
SELECT twin.grant_key('main', current_user::regrole, 'encrypt');
INSERT INTO plant.sealed_parted VALUES (1, 'x');
SELECT twin.rotate_key('main');
SELECT twin.rotate_key('main');
SELECT is(judged('KEY-3'), 'pass', 'values under an old version are right');
UPDATE twin_internal.key_versions SET state = 'retired' WHERE key_name = 'main' AND version = 1;
SELECT is(judged('KEY-3'), 'fail main', '... and not when it is retired');
SELECT matches((SELECT detail FROM asked('KEY-3')), 'plant.sealed_part holds 1 values', '... which says where');

-- ---- accounts ----

INSERT INTO twin_internal.users (username, username_key, password_hash, role_name)
	SELECT n, lower(n), twin.hash_password(p, 4), 'viewer' FROM (VALUES ('anna', 'Ohv6oochu5ai'), ('Bob', 'Bob'), ('it''s me', 'changeme')) u (n, p);
SELECT is(judged('ACCOUNT-3'), 'fail Bob, fail it''s me', 'names and common words are guessed');
SELECT is((SELECT remediation FROM asked('ACCOUNT-3') WHERE object LIKE 'it%') LIKE 'SELECT twin.disable_user(''it''''s me'');%', true, 'a name with an apostrophe is quoted');
SELECT pasted('ACCOUNT-3');
SELECT is(judged('ACCOUNT-3'), 'pass', 'who cannot log in is not tried');
SELECT is((SELECT detail FROM asked('ACCOUNT-3')), '1 of 1 accounts that may log in have had the first 11 guesses, 1 all 41', '... and how many were, is told');
UPDATE twin_internal.users SET password_hash = '$2b$15$' || substr(password_hash, 8);
SELECT is(judged('ACCOUNT-3'), 'warn twin.users', 'where not all were tried nothing passes: here hashes that take too long');
SELECT results_eq($$ SELECT object, detail, remediation FROM asked('ACCOUNT-3') $$,
	$$ VALUES ('twin.users', '0 of 1 accounts that may log in have had the first 11 guesses, 0 all 41', 'SELECT * FROM twin.test_passwords(''1 minute''); -- and again, until no guesses are left') $$, '... which says how many were, and how all are');
SELECT is((SELECT count(*) FROM twin_internal.password_tests), 0::bigint, 'the check changes nothing');

-- as many as one likes
DELETE FROM twin_internal.users;
SELECT is(judged('ACCOUNT-3'), 'not_applicable', 'of no account there is nothing to judge');
INSERT INTO twin_internal.users (username, username_key, password_hash, role_name)
	SELECT n, lower(n), twin.hash_password(p, 10), 'viewer' FROM (VALUES ('anna', 'Ohv6oochu5ai'), ('berta', 'superman'), ('clara', 'clara')) u (n, p);
SELECT results_eq($$ SELECT * FROM twin.test_passwords('0') $$, $$ VALUES (3::bigint, 0::bigint, 0::bigint, 123::numeric::bigint) $$, 'without time nothing is tested');
SELECT results_eq($$ SELECT accounts, tested < 3, guessed <= 1, guesses_left BETWEEN 1 AND 122 FROM twin.test_passwords('0.3 seconds') $$, $$ VALUES (3::bigint, true, true, true) $$, 'in a little some is');
CREATE TABLE left_before AS SELECT guesses_left FROM twin.test_passwords('0');
SELECT cmp_ok((SELECT guesses_left FROM twin.test_passwords('0.3 seconds')), '<', (SELECT guesses_left FROM left_before), '... and it goes on from there');
SELECT results_eq($$ SELECT * FROM twin.test_passwords('5 minutes') $$, $$ VALUES (3::bigint, 3::bigint, 2::bigint, 0::bigint) $$, '... to the end');
SELECT is((SELECT string_agg(DISTINCT t.guesses::text, ' ') FROM twin_internal.password_tests t), '41', '... where no number tells which guess was right');
SELECT is(judged('ACCOUNT-3'), 'fail berta, fail clara', 'the check names whom it found');
UPDATE twin_internal.users SET password_hash = '$2b$15$' || substr(password_hash, 8) WHERE username = 'anna';
SELECT is((SELECT string_agg(a.username || ' ' || a.guesses, ' ' ORDER BY a.username) FROM twin_internal.tested_accounts a), 'anna 0 berta 41 clara 41', 'another hash begins anew');
UPDATE twin_internal.users SET username = 'Berta' WHERE username = 'berta';
SELECT is((SELECT string_agg(a.username || ' ' || a.guesses, ' ' ORDER BY a.username) FROM twin_internal.tested_accounts a WHERE a.username <> 'anna'), 'Berta 0 clara 41', '... and so does another name');
DELETE FROM twin_internal.users WHERE username <> 'clara';
SELECT results_eq($$ SELECT * FROM twin.test_passwords('0') $$, $$ VALUES (1::bigint, 1::bigint, 1::bigint, 0::bigint) $$, 'who is gone is forgotten');
SELECT is((SELECT count(*) FROM twin_internal.password_tests), 1::bigint, '... by the table, too');
SELECT throws_ok(format('SELECT twin.test_passwords(%L)', d), '22023', NULL, 'no duration: ' || coalesce(d, 'null')) FROM unnest(ARRAY['-1 second', '11 minutes', 'infinity', NULL]) d WHERE d IS DISTINCT FROM 'infinity';
SELECT function_privs_are('twin', 'test_passwords', '{interval}'::name[], r, CASE r WHEN 'twin_admin' THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and testing passwords') FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous}'::name[]) r;
SELECT throws_ok($$SELECT twin_internal.guess_passwords(ARRAY['a', NULL], ARRAY['b', 'c'], '{0,0}', 1)$$, '22023', NULL, 'lists have no nulls');
SELECT throws_ok($$SELECT twin_internal.guess_passwords(ARRAY['a'], ARRAY['b', 'c'], '{0}', 1)$$, '22023', NULL, '... and one length');
SELECT throws_ok($$SELECT twin_internal.guess_passwords(ARRAY['a'], ARRAY['b'], '{}', 1)$$, '22023', NULL, '... all three');
SELECT throws_ok($$SELECT twin_internal.guess_passwords(ARRAY[['a']], ARRAY[['b']], '{{0}}', 1)$$, '22023', NULL, '... and one dimension');
SELECT is((SELECT guesses FROM twin_internal.guess_passwords(ARRAY['a', repeat('x', 100)], ARRAY['no hash', twin.hash_password('y', 4)], '{0,0}', 10000)), 82, 'what is no hash, and no password, is passed over');
SELECT is((SELECT guesses FROM twin_internal.guess_passwords(ARRAY['a', 'a'], ARRAY[twin.hash_password('y', 4), twin.hash_password('y', 4)], '{-5,99}', 10000)), 41, 'numbers that are none are taken for the nearest');
SELECT is((SELECT guesses FROM twin_internal.guess_passwords(ARRAY['a'], ARRAY[twin.hash_password('y', 4)], '{0}', 0)), 0, 'without time nothing is tried');
UPDATE twin.rate_limits SET requests = 1000000 WHERE route = '/rpc/login';
SELECT is(judged('ACCOUNT-6'), 'fail /rpc/login', 'a limit that limits nothing is none');
SELECT pasted('ACCOUNT-6');
SELECT is(judged('ACCOUNT-6'), 'pass', '... until it is set');

-- ---- exceptions for a role or a database; ciphers ----

CREATE ROLE "Excepted One";
SELECT format('ALTER DATABASE %I SET log_min_messages = panic', current_database()) \gexec
SELECT format('ALTER ROLE "Excepted One" IN DATABASE %I SET session_replication_role = replica', current_database()) \gexec
ALTER ROLE "Excepted One" SET row_security = off;
ALTER ROLE "Excepted One" SET statement_timeout = 1000;
SELECT is(judged('ROLE-10'), format('fail "Excepted One", fail "Excepted One" in database %1$I, fail all roles in database %1$I', current_database()), 'settings that protect, and no others');
SELECT pasted('ROLE-10');
SELECT is(judged('ROLE-10'), 'pass', '... are what they were');
SELECT is(twin_internal.weak_ciphers(c), weak, 'ciphers: ' || c) FROM (VALUES ('HIGH:!aNULL', NULL), ('HIGH:MEDIUM:+3DES:!aNULL', 'MEDIUM'), ('ECDHE-RSA-AES256-GCM-SHA384:ECDHE+AESGCM:ECDHE+CHACHA20', NULL),
	('HIGH:+3DES', NULL), ('DES-CBC3-SHA', 'DES-CBC3-SHA'), ('ECDHE-RSA-DES-CBC3-SHA,AES128-SHA', 'ECDHE-RSA-DES-CBC3-SHA'), ('HIGH:medium:!MEDIUM', NULL), ('ALL:-all', NULL), ('ALL:!RC4', 'ALL'),
	('RC4-MD5:eNULL', 'ENULL, RC4-MD5'), ('ADH-AES128-SHA', 'ADH-AES128-SHA'), ('ECDHE+3DES', 'ECDHE+3DES'), ('', NULL), ('@SECLEVEL=2:HIGH', NULL)) v (c, weak);

-- ---- files ----

SELECT is((twin_internal.file_facts('/nowhere/at all')).mode, NULL, 'a file that is not there has no mode');
SELECT is((twin_internal.certificate_facts('/etc/passwd')).expires_at, NULL, 'what is no certificate has no end');
SELECT is((twin_internal.certificate_facts('/dev')).expires_at, NULL, '... nor has a folder');
SELECT is(twin_internal.mode_text(1517), '2755', 'modes are shown as chmod takes them');

-- what somebody typed into a search_path does not become a command
CREATE SCHEMA paths;
SELECT set_config('search_path', 'x;alter/**/role/**/somebody/**/superuser;--', true);
CREATE FUNCTION paths.planted() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS 'SELECT 1';
SELECT set_config('search_path', 'app_pg_temp, public', true);
CREATE FUNCTION paths.alike() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS 'SELECT 1';
SET search_path TO DEFAULT;
CREATE PROCEDURE paths.called() LANGUAGE sql SECURITY DEFINER SET search_path = pg_temp, public AS 'SELECT 1';
SELECT results_eq($$ SELECT object, remediation FROM twin.security_check() WHERE check_id = 'FUNCTION-2' AND object LIKE 'paths.%' ORDER BY object $$,
	$$ VALUES ('paths.alike()', 'ALTER ROUTINE paths.alike() SET search_path = app_pg_temp, public, pg_temp;'), ('paths.called()', 'ALTER ROUTINE paths.called() SET search_path = public, pg_temp;'),
		('paths.planted()', '-- ALTER ROUTINE paths.planted() SET search_path = (the schemas it uses), pg_temp;') $$, 'a planted search_path is no remedy, and one like another stays what it is');
CREATE TABLE paths.U&"tok\0003en" (password text);
SELECT ok(bool_and(remediation !~ E'[\\x01-\\x08\\x0b-\\x1f\\x7f]'), 'nor does a remedy press a key') FROM twin.security_check();

SELECT * FROM finish();
ROLLBACK;
