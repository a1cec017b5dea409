-- newer_servers.sql: what PostgreSQL 16, 17 and 18 brought, and whether it is a way around. Each block runs on the versions that have its
-- matter, and says so where it does not; test/majors has them.
SELECT v.n >= 160000 AS has_16, v.n >= 170000 AS has_17, v.n >= 180000 AS has_18 FROM (SELECT current_setting('server_version_num')::integer) v (n) \gset

-- 18's log_connections is a list, and a session's from its beginning: each value has a session of its own
\if :has_18
\setenv PGOPTIONS '-c client_min_messages=warning -c log_connections=receipt,authentication,setup_durations'
\connect -reuse-previous=off
\ir shared/logged_logins.psql
\set logins_of_part :logins
\setenv PGOPTIONS '-c client_min_messages=warning -c log_connections=receipt,Authorization'
\connect -reuse-previous=off
\ir shared/logged_logins.psql
\set logins_of_list :logins
\setenv PGOPTIONS '-c client_min_messages=warning -c log_connections=all'
\connect -reuse-previous=off
\ir shared/logged_logins.psql
\set logins_of_all :logins
\setenv PGOPTIONS
\connect -reuse-previous=off
\endif

BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET client_min_messages = warning;
CREATE ROLE newer_app LOGIN;
CREATE ROLE newer_reader;
CREATE ROLE newer_stranger;
GRANT newer_app, newer_reader, newer_stranger TO CURRENT_USER;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
GRANT CREATE ON SCHEMA public TO newer_app;
SELECT twin.create_key('pii');
SELECT twin.grant_key('pii', r::regrole, p) FROM (VALUES ('newer_app', 'encrypt'), ('newer_reader', 'encrypt'), ('newer_reader', 'decrypt')) g (r, p);
CREATE TABLE client (id int PRIMARY KEY, email twin.encrypted_text_eq(pii), phone twin.encrypted_text(pii), note text);
INSERT INTO client SELECT i, 'mail ' || i, 'phone ' || i, 'note ' || i FROM generate_series(1, 10) i;
GRANT ALL ON client TO newer_app, newer_reader;
SELECT twin.create_decrypted_view('client', 'clients');
GRANT ALL ON clients TO newer_app, newer_reader;
SELECT twin.audit_table('client', reads => true);

-- what the statement before emitted
CREATE TEMP TABLE seen (emitted bigint);
INSERT INTO seen SELECT emitted FROM twin.stat_audit;
GRANT ALL ON seen TO PUBLIC;
CREATE FUNCTION events() RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
	now_emitted bigint := (SELECT emitted FROM twin.stat_audit);
	before bigint := (SELECT s.emitted FROM seen s);
BEGIN
	UPDATE seen SET emitted = now_emitted;
	RETURN now_emitted - before;
END $$;
GRANT EXECUTE ON FUNCTION events() TO PUBLIC;

-- ---- everywhere ----

CREATE FUNCTION judged(id text) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(c.status || coalesce(' ' || c.object, ''), ', ' ORDER BY c.object) FROM twin.security_check() c WHERE c.check_id = id AND c.status <> 'pass' $$;
SELECT is(judged('ROLE-6'), NULL, 'nobody has a role that steps around grants');
SELECT is(judged('AUDIT-8'), NULL, 'event triggers fire');

-- ---- 16: memberships that only pass on, or only inherit ----

\if :has_16
SELECT twin.add_verification_key('{"kty": "oct", "kid": "out", "alg": "HS256", "k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}',
	claim_map => '{"user": "sub", "role": "role", "tenant": null, "role_is": "database", "roles": ["newer_reader"]}');
\ir shared/outside_issuer.psql
GRANT EXECUTE ON FUNCTION outside(text) TO PUBLIC;
CREATE FUNCTION reader_token() RETURNS text LANGUAGE sql AS $$ SELECT outside(format('{"sub":"7","role":"newer_reader","exp":%s,"jti":"j1"}', (extract(epoch FROM now()) + 60)::bigint)) $$;
GRANT EXECUTE ON FUNCTION reader_token() TO PUBLIC;
GRANT newer_reader TO newer_app WITH SET FALSE, INHERIT FALSE, ADMIN TRUE;
SET SESSION AUTHORIZATION newer_app;
SELECT throws_ok('SELECT twin.authenticate(reader_token())', 'TW602', NULL, '16: a membership that is only passed on lets no token name its role');
RESET SESSION AUTHORIZATION;
GRANT newer_reader TO newer_app WITH SET TRUE;
SET SESSION AUTHORIZATION newer_app;
SELECT lives_ok('SELECT twin.authenticate(reader_token())', '16: one that may be taken on does');
RESET SESSION AUTHORIZATION;
SELECT set_config('twin_security.token', '', true);
REVOKE newer_reader FROM newer_app;
GRANT newer_reader TO newer_stranger WITH SET FALSE, INHERIT FALSE, ADMIN TRUE;
SET ROLE newer_stranger;
SELECT throws_ok($$SELECT twin.decrypt((SELECT 'x'::text::twin.encrypted_text(pii)))$$, '42501', NULL, '16: nor does such a membership use a grant on a key');
RESET ROLE;
GRANT newer_reader TO newer_stranger WITH INHERIT TRUE, SET FALSE;
SELECT is(has_table_privilege('newer_stranger', 'client', 'SELECT'), true, '16: one that inherits has table privileges');
SET ROLE newer_stranger;
SELECT is((SELECT phone::text FROM client WHERE id = 3), 'phone 3', '16: ... and uses grants on keys');
RESET ROLE;
REVOKE newer_reader FROM newer_stranger;
\else
SELECT skip('memberships WITH INHERIT and SET need PostgreSQL 16', 5);
\endif

-- ---- 17: COPY that ignores errors, MERGE that returns, JSON_TABLE, MAINTAIN, a switch for event triggers ----

\if :has_17
SELECT throws_ok($$COPY client (id, email) FROM PROGRAM 'echo "20,tsec1:AAAA"' WITH (FORMAT csv, ON_ERROR ignore)$$, '22P02', NULL, '17: COPY ... ON_ERROR ignore passes over no value that is not intact');
CREATE TABLE lines (id int, phone twin.encrypted_text(pii));
GRANT INSERT, SELECT ON lines TO newer_stranger;
GRANT pg_execute_server_program TO newer_stranger;
SET ROLE newer_stranger;
SELECT throws_ok($$COPY lines FROM PROGRAM 'echo "1,secret"' WITH (FORMAT csv, ON_ERROR ignore)$$, '42501', NULL, '17: ... nor a refusal of the key');
RESET ROLE;
REVOKE pg_execute_server_program FROM newer_stranger;

SELECT events() >= 0;
SET ROLE newer_reader;
MERGE INTO client c USING (VALUES (1, 'merged')) s (id, note) ON c.id = s.id WHEN MATCHED THEN UPDATE SET note = s.note RETURNING merge_action(), c.email;
RESET ROLE;
SELECT cmp_ok(events(), '>=', 1::bigint, '17: MERGE ... RETURNING is recorded as a reading');
SET ROLE newer_reader;
PREPARE merged AS MERGE INTO clients c USING (VALUES (2, 'phone two'), (30, 'phone thirty')) s (id, phone) ON c.id = s.id
	WHEN MATCHED THEN UPDATE SET phone = s.phone WHEN NOT MATCHED THEN INSERT (id, phone) VALUES (s.id, s.phone) RETURNING merge_action(), c.id, c.phone;
SELECT results_eq('merged', $$VALUES ('UPDATE', 2, 'phone two'), ('INSERT', 30, 'phone thirty')$$, '17: a decrypted view can be merged into');
SELECT is((SELECT string_agg(phone::text, ',' ORDER BY id) FROM client WHERE id IN (2, 30)), 'phone two,phone thirty', '17: ... and what was written is sealed');
SET ROLE newer_app;
SELECT throws_ok($$MERGE INTO clients c USING (VALUES (3)) s (id) ON c.id = s.id WHEN MATCHED THEN UPDATE SET note = 'seen' RETURNING c.phone$$, '42501', NULL,
	'17: MERGE ... RETURNING opens nothing without a grant');
SELECT throws_ok($$SELECT t.phone::text FROM JSON_TABLE('["x"]', '$[*]' COLUMNS (phone twin.encrypted_text(pii) PATH '$' NULL ON ERROR)) t$$, '42501', NULL, '17: JSON_TABLE seals, and opens nothing');
SET ROLE newer_stranger;
SELECT throws_ok($$SELECT JSON_VALUE('"secret"', '$' RETURNING twin.encrypted_text(pii) NULL ON ERROR)$$, '42501', NULL, '17: NULL ON ERROR swallows no refusal of the key');
RESET ROLE;

SELECT events() >= 0;
SET event_triggers = off;
SELECT is(events(), 1::bigint, '17: whoever switches event triggers off is recorded');
SET event_triggers = on;
SELECT is(events(), 1::bigint, '17: ... and on again');

GRANT pg_maintain TO newer_stranger;
SELECT is(judged('ROLE-6'), 'fail newer_stranger', '17: who may lock every table is found');
REVOKE pg_maintain FROM newer_stranger;
GRANT MAINTAIN ON client TO newer_stranger;
SET ROLE newer_stranger;
SELECT lives_ok('REINDEX TABLE client', '17: who maintains a table builds its indexes');
SELECT lives_ok('ANALYZE client', '17: ... and its statistics, without a key');
SELECT throws_ok('SELECT phone FROM client', '42501', NULL, '17: ... and reads nothing of it');
RESET ROLE;
SELECT throws_ok('SET ROLE newer_stranger; LOCK TABLE twin_internal.events IN ACCESS EXCLUSIVE MODE', '42501', NULL, '17: nobody else locks the log');
RESET ROLE;
\else
SELECT skip('ON_ERROR, MERGE ... RETURNING, JSON_TABLE, MAINTAIN and event_triggers need PostgreSQL 17', 15);
\endif

-- ---- 18: RETURNING old and new, virtual columns, constraints that are not enforced, what libraries say they are ----

\if :has_18
CREATE TABLE tokens (name text PRIMARY KEY, token text);
GRANT SELECT ON tokens TO PUBLIC;
INSERT INTO tokens VALUES ('one', twin.issue_token('{"user_id": "12", "role": "admin", "tenant_id": 1}'));
CREATE TABLE unit (id int PRIMARY KEY, tenant_id bigint NOT NULL, name text);
INSERT INTO unit VALUES (1, 1, 'ours'), (2, 2, 'theirs');
GRANT ALL ON unit TO newer_app;
SELECT twin.protect_table('unit', tenant_column => 'tenant_id', read_permission => 'read_units', insert_permission => 'write_units', update_permission => 'write_units', delete_permission => 'delete_units');
SET ROLE newer_app;
SELECT twin.authenticate((SELECT token FROM tokens));
PREPARE renamed AS UPDATE unit SET name = 'new' RETURNING old.id, old.name, new.name;
SELECT results_eq('renamed', $$VALUES (1, 'ours', 'new')$$, '18: RETURNING old shows rows of the own tenant');
SELECT throws_ok($$INSERT INTO unit VALUES (2, 1, 'mine') ON CONFLICT (id) DO UPDATE SET name = 'mine' RETURNING old.name$$, '42501', NULL, '18: ... and ON CONFLICT no other''s');
PREPARE gone AS DELETE FROM unit RETURNING old.id, new.id;
SELECT results_eq('gone', 'VALUES (1, NULL::int)', '18: ... nor does DELETE');
RESET ROLE;
SELECT set_config('twin_security.token', '', true);
SET ROLE newer_reader;
PREPARE rung AS UPDATE clients SET phone = 'rung' WHERE id = 4 RETURNING old.phone, new.phone;
SELECT results_eq('rung', $$VALUES ('phone 4'::text, 'rung'::text)$$, '18: an update of a decrypted view returns both');
SET ROLE newer_app;
SELECT throws_ok($$UPDATE clients SET phone = 'x' WHERE id = 5 RETURNING old.phone$$, '42501', NULL, '18: ... and opens neither without a grant');
RESET ROLE;

SELECT throws_ok('ALTER TABLE client ADD opened text GENERATED ALWAYS AS (phone::text) VIRTUAL', NULL, NULL, '18: no virtual column opens a value');
SELECT throws_ok('ALTER TABLE client ADD copied twin.encrypted_text(pii) GENERATED ALWAYS AS (phone) VIRTUAL', NULL, NULL, '18: ... or is of an encrypted type');
CREATE TABLE made (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) VIRTUAL, thrice int GENERATED ALWAYS AS (n * 3) STORED, secret text NOT NULL);
SELECT twin.audit_table('made');
INSERT INTO made (id, n, secret) VALUES (1, 7, 'plain');
UPDATE made SET n = 8;
SELECT is((SELECT jsonb_agg(e.new - 'secret' ORDER BY e.event_id) FROM twin.audit_log e WHERE e.resource = 'public.made' AND e.event_type IN ('create', 'update')),
	'[{"id": 1, "n": 7, "thrice": 21}, {"id": 1, "n": 8, "thrice": 24}]', '18: an image holds what the row holds, and no virtual column as if it were null');
SELECT is((SELECT e.diff FROM twin.audit_log e WHERE e.resource = 'public.made' AND e.event_type = 'update') ? 'twice', false, '18: ... nor does a difference');
CREATE TABLE opens (id int PRIMARY KEY, phone twin.encrypted_text(pii), n int, twice int GENERATED ALWAYS AS (n * 2) VIRTUAL);
SELECT twin.create_decrypted_view('opens', 'opened');
INSERT INTO opened (id, phone, n) VALUES (1, 'x', 21);
SELECT is((SELECT twice FROM opened), 42, '18: a decrypted view shows virtual columns');
SELECT throws_ok('INSERT INTO opened (id, twice) VALUES (2, 2)', '428C9', NULL, '18: ... and takes none');

SELECT is((SELECT m.version FROM pg_get_loaded_modules() m WHERE m.module_name = 'twin_security'), (SELECT extversion FROM pg_extension WHERE extname = 'twin_security'),
	'18: the library says what it is');
SELECT is(:'logins_of_part'::text, 'fail log_connections', '18: logins are not logged where log_connections lists other parts of a connection');
SELECT is(:'logins_of_list'::text, 'pass log_connections', '18: ... they are where it lists them');
SELECT is(:'logins_of_all'::text, 'pass log_connections', '18: ... or all');
\else
SELECT skip('RETURNING old and new, virtual columns, pg_get_loaded_modules() and log_connections as a list need PostgreSQL 18', 15);
\endif

SELECT * FROM finish();
ROLLBACK;
