-- protect.sql: protect_table: two tenants and three roles, each sees and changes its own rows and nothing else.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET client_min_messages = warning;
CREATE ROLE prot_owner;
CREATE ROLE prot_app;
CREATE ROLE prot_other;
GRANT prot_owner, prot_app, prot_other TO CURRENT_USER;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
CREATE TABLE tokens (name text PRIMARY KEY, token text);
GRANT SELECT ON tokens TO PUBLIC;
INSERT INTO tokens VALUES
	('v1', twin.issue_token('{"user_id": "11", "role": "viewer", "tenant_id": 1}')),
	('o1', twin.issue_token('{"user_id": "12", "role": "operator", "tenant_id": 1}')),
	('a1', twin.issue_token('{"user_id": "13", "role": "admin", "tenant_id": 1}')),
	('v2', twin.issue_token('{"user_id": "21", "role": "viewer", "tenant_id": 2}')),
	('o2', twin.issue_token('{"user_id": "22", "role": "operator", "tenant_id": 2}')),
	('a2', twin.issue_token('{"user_id": "23", "role": "admin", "tenant_id": 2}')),
	('homeless', twin.issue_token('{"user_id": "31", "role": "admin"}'));
CREATE FUNCTION be(wanted text) RETURNS void LANGUAGE sql AS $$ SELECT twin.authenticate((SELECT token FROM tokens WHERE name = wanted)) $$;
CREATE FUNCTION be_nobody() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET LOCAL twin_security.token = ''; END $$;
CREATE FUNCTION public.touched(statement text) RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE n bigint; BEGIN EXECUTE statement; GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END $$;
CREATE SCHEMA plant AUTHORIZATION prot_owner;
GRANT USAGE ON SCHEMA plant TO PUBLIC;
SET ROLE prot_owner;
SET search_path = plant, public;
CREATE TABLE unit (id int PRIMARY KEY, tenant_id bigint NOT NULL, name text NOT NULL, UNIQUE (tenant_id, name));
INSERT INTO unit SELECT i, 1 + i % 2, 'unit ' || i FROM generate_series(1, 20) i;
CREATE TABLE note (id int GENERATED ALWAYS AS IDENTITY, tenant int, author text, body text);
CREATE TABLE serial_note (id serial, tenant int, body text);
GRANT SELECT, INSERT ON unit TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON unit TO prot_app;

-- ---- what it refuses ----

SELECT throws_ok($$SELECT twin.protect_table(NULL)$$, '22004', NULL, 'a table');
SELECT throws_ok($$SELECT twin.protect_table('unit')$$, '22023', NULL, 'something to protect by');
SELECT throws_ok($$SELECT twin.protect_table('unit', read_permission => 'read_units')$$, '22023', NULL, '... for every command');
SELECT throws_ok($$SELECT twin.protect_table('unit', 'nosuch')$$, '42703', NULL, 'a column that is there');
SELECT throws_ok($$SELECT twin.protect_table('unit', 'name')$$, '42804', NULL, 'a tenant is a number');
SELECT throws_ok($$SELECT twin.protect_table('unit', 'tenant_id', read_permission => 'nosuch')$$, '42704', NULL, 'a permission that is there');
CREATE VIEW shown AS SELECT * FROM unit;
SELECT throws_ok($$SELECT twin.protect_table('shown', 'tenant_id')$$, '42809', NULL, 'no view');
CREATE TEMP TABLE passing (tenant_id int);
SELECT throws_ok($$SELECT twin.protect_table('passing', 'tenant_id')$$, '42809', NULL, 'no temporary table');
CREATE TABLE base (tenant_id int);
CREATE TABLE heir () INHERITS (base);
SELECT throws_ok($$SELECT twin.protect_table('base', 'tenant_id')$$, '0A000', NULL, 'no inheritance');
SELECT throws_ok($$SELECT twin.protect_table('heir', 'tenant_id')$$, '0A000', NULL, '... from either side');
CREATE POLICY mine ON note USING (author = 'me');
SELECT throws_ok($$SELECT twin.protect_table('note', 'tenant')$$, '55000', NULL, 'no permissive policy that would be widened');
DROP POLICY mine ON note;
CREATE POLICY narrow ON note AS RESTRICTIVE USING (body <> 'hidden');
SET ROLE prot_other;
SELECT throws_ok($$SELECT twin.protect_table('unit', 'tenant_id')$$, '42501', NULL, 'nobody else''s table');
RESET ROLE;
SELECT throws_ok($$SELECT twin.protect_table('pg_catalog.pg_class', 'relpages')$$, '42501', NULL, 'no system table');
SELECT throws_ok($$SELECT twin.protect_table('twin_internal.roles', 'seeded')$$, '42501', NULL, '... and none of the extension');
SELECT is((SELECT count(*) FROM twin.protected_tables), 0::bigint, 'nothing of that left a trace');

-- ---- protected ----

SET ROLE prot_owner;
SELECT lives_ok($$SELECT twin.protect_table('unit', 'tenant_id', NULL, 'read_units', 'write_units', 'write_units', 'delete_units')$$, 'protected');
RESET ROLE;
SELECT results_eq($$SELECT relation::text COLLATE "C", tenant_column::text COLLATE "C", owner_column::text COLLATE "C", permissions, holds FROM twin.protected_tables$$,
	$$VALUES ('unit'::text COLLATE "C", 'tenant_id'::text COLLATE "C", NULL::text COLLATE "C", '{"read": "read_units", "insert": "write_units", "update": "write_units", "delete": "delete_units"}'::jsonb, true)$$,
	'the view says by what, and that it holds');
SELECT is((SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = 'unit'::regclass AND a.grantee = 0), 0::bigint, 'PUBLIC has nothing');
SELECT set_eq($$SELECT a.grantee::regrole::text, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = 'unit'::regclass AND a.grantee::regrole::text LIKE 'twin%'$$,
	$$VALUES ('twin_viewer', 'SELECT'), ('twin_operator', 'SELECT'), ('twin_operator', 'INSERT'), ('twin_operator', 'UPDATE'),
		('twin_admin', 'SELECT'), ('twin_admin', 'INSERT'), ('twin_admin', 'UPDATE'), ('twin_admin', 'DELETE')$$, 'grants follow the permissions');
SET ROLE prot_app;
SELECT is((SELECT count(*) FROM unit), 0::bigint, 'nobody sees nothing');
SELECT throws_ok($$INSERT INTO unit VALUES (100, 1, 'x')$$, '42501', NULL, '... and writes nothing');
SELECT lives_ok($$SELECT be('v1')$$);
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM unit), '{1}', 'a viewer sees his tenant');
SELECT is((SELECT count(*) FROM unit), 10::bigint, '... all of it');
SELECT throws_ok($$INSERT INTO unit VALUES (100, 1, 'x')$$, '42501', NULL, '... inserts nothing');
SELECT is(public.touched($$UPDATE unit SET name = name || '!'$$), 0::bigint, '... updates nothing');
SELECT is(public.touched($$DELETE FROM unit$$), 0::bigint, '... deletes nothing');
SELECT lives_ok($$SELECT be('o1')$$);
SELECT lives_ok($$INSERT INTO unit VALUES (101, 1, 'new')$$, 'an operator inserts');
SELECT throws_ok($$INSERT INTO unit VALUES (102, 2, 'new')$$, '42501', NULL, '... not for another tenant');
SELECT is(public.touched($$UPDATE unit SET name = name || '!'$$), 11::bigint, '... updates his tenant''s');
SELECT throws_ok($$UPDATE unit SET tenant_id = 2 WHERE id = 101$$, '42501', NULL, '... and moves none to another tenant');
SELECT is(public.touched($$DELETE FROM unit$$), 0::bigint, '... deletes nothing');
SELECT throws_ok($$INSERT INTO unit VALUES (1, 1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'stolen'$$, '42501', NULL, 'an upsert reaches no other tenant''s row');
SELECT lives_ok($$SELECT be('a2')$$);
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM unit), '{2}', 'the other tenant''s admin sees his');
SELECT is((SELECT count(*) FROM unit WHERE name LIKE '%!'), 0::bigint, '... which nobody touched');
SELECT is(public.touched('DELETE FROM unit WHERE id IN (1, 2)'), 1::bigint, '... and deletes his alone');
SELECT lives_ok($$SELECT be('homeless')$$);
SELECT is((SELECT count(*) FROM unit), 0::bigint, 'whoever has no tenant sees none');
SELECT lives_ok($$SELECT be_nobody()$$);
SELECT set_config('request.jwt.claims', '{"tenant_id": 2, "role": "admin"}', true);
SELECT is((SELECT count(*) FROM unit), 0::bigint, 'claims in a setting are nobody''s');
RESET ROLE;
SET ROLE prot_owner;
SELECT is((SELECT count(*) FROM unit), 0::bigint, 'the owner is nobody as well');
RESET ROLE;
SET ROLE twin_viewer;
SELECT lives_ok($$SELECT be('v1')$$);
SELECT throws_ok($$DELETE FROM plant.unit$$, '42501', NULL, 'in the viewer''s database role a delete is refused aloud');
SELECT is((SELECT count(*) FROM plant.unit), 11::bigint, '... and reading works');
RESET ROLE;

-- ---- what leaks ----

CREATE FUNCTION public.loud(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN INSERT INTO heard VALUES ($1); RETURN true; END $$;
CREATE TEMP TABLE heard (v text);
GRANT ALL ON heard TO prot_app;
GRANT EXECUTE ON FUNCTION public.loud(text) TO PUBLIC;
SET ROLE prot_app;
SELECT lives_ok($$SELECT be('v1')$$);
SELECT is((SELECT count(*) FROM unit WHERE public.loud(name)), 11::bigint, 'a leaky function, cheaper than any policy ...');
SELECT is((SELECT count(*) FROM heard WHERE v ~ '^unit (\d*[13579])!?$'), 0::bigint, '... hears nothing of the other tenant');
SELECT lives_ok($$SELECT count(*) FROM unit WHERE 1 / (tenant_id - 2) < 5$$, 'an error tells nothing of the other tenant''s rows');
CREATE TEMP TABLE copied AS SELECT * FROM unit;
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM copied), '{1}', 'a copy holds what was seen');
DECLARE held CURSOR WITH HOLD FOR SELECT tenant_id FROM unit;
SELECT lives_ok($$SELECT be('v2')$$);
SELECT is((SELECT count(*) FROM unit), 9::bigint, 'a new token, new rows');
CLOSE held;
SELECT is((SELECT array_agg(DISTINCT most_common_vals::text) FROM pg_stats WHERE tablename = 'unit' AND schemaname = 'plant'), NULL, 'statistics of a protected table are hidden');
RESET ROLE;
SELECT throws_ok($$SET ROLE twin_admin; TRUNCATE plant.unit$$, '42501', NULL, 'TRUNCATE, which no policy looks at, is not granted');
RESET ROLE;

-- ---- a view, a definer's function ----

SET ROLE prot_owner;
ALTER VIEW shown SET (security_invoker = true);
CREATE VIEW owned AS SELECT * FROM unit;
GRANT SELECT ON shown, owned TO prot_app;
CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = plant, pg_temp AS 'SELECT count(*) FROM unit';
GRANT EXECUTE ON FUNCTION counted() TO PUBLIC;
SET ROLE prot_app;
SELECT lives_ok($$SELECT be('v2')$$);
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM shown), '{2}', 'through an invoker''s view the same');
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM owned), '{2}', 'through an owner''s view the same: it is forced');
SELECT is(counted(), 9::bigint, 'in a definer''s function the same');
SELECT lives_ok($$SELECT be_nobody()$$);
SELECT is(counted(), 0::bigint, '... and nobody is nobody there');
RESET ROLE;

-- ---- generic plans ----

SET ROLE prot_app;
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE tenants AS SELECT array_agg(DISTINCT tenant_id) FROM unit;
SELECT lives_ok($$SELECT be('v1')$$);
SELECT results_eq('EXECUTE tenants', $$VALUES ('{1}'::bigint[])$$, 'a generic plan for one ...');
SELECT lives_ok($$SELECT be('v2')$$);
SELECT results_eq('EXECUTE tenants', $$VALUES ('{2}'::bigint[])$$, '... is right for another');
SELECT lives_ok($$SELECT be_nobody()$$);
SELECT results_eq('EXECUTE tenants', $$VALUES (NULL::bigint[])$$, '... and for nobody');
RESET plan_cache_mode;
RESET ROLE;

-- ---- a policy that comes later ----

SET ROLE prot_owner;
CREATE POLICY wide ON unit USING (true) WITH CHECK (true);
SET ROLE prot_app;
SELECT lives_ok($$SELECT be('v1')$$);
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM unit), '{1}', 'a permissive policy widens nothing');
SET ROLE prot_owner;
DROP POLICY wide ON unit;
DROP POLICY twin_security_read ON unit;
RESET ROLE;
SELECT is((SELECT holds FROM twin.protected_tables WHERE relation = 'plant.unit'::regclass), false, 'a policy that went is noticed');
SET ROLE prot_owner;
SELECT lives_ok($$SELECT twin.protect_table('unit', 'tenant_id', NULL, 'read_units', 'write_units', 'write_units', 'delete_units')$$, 'protected anew');
ALTER TABLE unit NO FORCE ROW LEVEL SECURITY;
RESET ROLE;
SELECT is((SELECT holds FROM twin.protected_tables WHERE relation = 'plant.unit'::regclass), false, 'no longer forced is noticed');
ALTER TABLE plant.unit FORCE ROW LEVEL SECURITY;
SELECT is((SELECT holds FROM twin.protected_tables WHERE relation = 'plant.unit'::regclass), true, '... and forced again');
GRANT SELECT ON plant.unit TO PUBLIC;
SELECT is((SELECT holds FROM twin.protected_tables WHERE relation = 'plant.unit'::regclass), false, 'a grant to PUBLIC is noticed');
REVOKE SELECT ON plant.unit FROM PUBLIC;

-- ---- owners ----

SET ROLE prot_owner;
SELECT lives_ok($$SELECT twin.protect_table('note', 'tenant', 'author', NULL, NULL, NULL, 'delete_units')$$, 'by tenant and owner, beside a restrictive policy');
SELECT lives_ok($$SELECT twin.protect_table('serial_note', 'tenant')$$, 'by tenant alone');
SELECT is(has_sequence_privilege('twin_viewer', 'serial_note_id_seq', 'USAGE'), true, 'the sequence of a serial column comes along');
GRANT ALL ON note TO prot_app;
SET ROLE prot_app;
SELECT lives_ok($$SELECT be('v1')$$);
SELECT lives_ok($$INSERT INTO note (tenant, author, body) VALUES (1, '11', 'mine')$$, 'one''s own');
SELECT throws_ok($$INSERT INTO note (tenant, author, body) VALUES (1, '12', 'his')$$, '42501', NULL, 'not in another''s name');
SELECT throws_ok($$INSERT INTO note (tenant, author, body) VALUES (1, '11', 'hidden')$$, '42501', NULL, 'the other policy goes on applying');
SELECT lives_ok($$SELECT be('o1')$$);
SELECT is((SELECT count(*) FROM note), 0::bigint, 'a colleague sees nothing of it');
RESET ROLE;

-- ---- partitions ----

SET ROLE prot_owner;
CREATE TABLE reading (tenant_id int NOT NULL, at date NOT NULL, value float8) PARTITION BY RANGE (at);
CREATE TABLE reading_1 PARTITION OF reading FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE reading_2 PARTITION OF reading FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY LIST (tenant_id);
CREATE TABLE reading_2_1 PARTITION OF reading_2 FOR VALUES IN (1);
SELECT throws_ok($$SELECT twin.protect_table('reading_1', 'tenant_id')$$, '42809', NULL, 'a partition comes with its table');
SELECT lives_ok($$SELECT twin.protect_table('reading', 'tenant_id', read_permission => 'read_units')$$, 'a partitioned table');
CREATE TABLE reading_2_2 PARTITION OF reading_2 FOR VALUES IN (2);
CREATE TABLE reading_3 (tenant_id int NOT NULL, at date NOT NULL, value float8);
ALTER TABLE reading ATTACH PARTITION reading_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
RESET ROLE;
SELECT set_eq($$SELECT relation::text, holds FROM twin.protected_tables WHERE relation::text LIKE 'reading%'$$,
	$$SELECT t, true FROM unnest('{reading,reading_1,reading_2,reading_2_1,reading_2_2,reading_3}'::text[]) t$$, 'every partition is protected, later ones too');
INSERT INTO plant.reading SELECT t, '2026-01-10'::date + 20 * m, 1 FROM generate_series(1, 2) t, generate_series(0, 3) m;
GRANT SELECT ON ALL TABLES IN SCHEMA plant TO prot_app;
SET ROLE prot_app;
SELECT lives_ok($$SELECT be('v2')$$);
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM reading), '{2}', 'through the table');
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM reading_1), '{2}', 'through a partition itself');
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM reading_2_1), NULL, '... of another tenant');
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM reading_3), '{2}', '... that was attached later');
RESET ROLE;
DROP TABLE plant.reading_3;
SELECT is((SELECT count(*) FROM twin.protected_tables WHERE relation::text LIKE 'reading%'), 5::bigint, 'a dropped one leaves the list');

-- ---- what opens by falling ----

SET ROLE prot_owner;
CREATE TABLE falls (tenant int, other int);
INSERT INTO falls VALUES (1, 1), (2, 2);
SELECT lives_ok($$SELECT twin.protect_table('falls', 'tenant', read_permission => 'read_units')$$);
GRANT SELECT ON falls TO prot_app;
ALTER TABLE falls DROP COLUMN tenant CASCADE;
RESET ROLE;
SET ROLE prot_app;
SELECT lives_ok($$SELECT be('v1')$$);
SELECT is((SELECT count(*) FROM falls), 0::bigint, 'without its tenant column a table shows nothing');
RESET ROLE;
SELECT is((SELECT holds FROM twin.protected_tables WHERE relation = 'falls'::regclass), false, '... and does not hold');
SELECT is((SELECT count(DISTINCT d.refobjid) FROM pg_policy p JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
		AND d.refclassid = 'pg_proc'::regclass WHERE p.polrelid = 'unit'::regclass AND p.polname = 'twin_security_all'), 1::bigint,
	'the permissive policy goes with the extension');
SET ROLE prot_owner;
CREATE TABLE tree (tenant int, b text) PARTITION BY LIST (tenant);
SELECT lives_ok($$SELECT twin.protect_table('tree', 'tenant')$$);
RESET ROLE;
CREATE SCHEMA late CREATE TABLE branch PARTITION OF plant.tree FOR VALUES IN (1);
SELECT is((SELECT holds FROM twin.protected_tables WHERE relation = 'late.branch'::regclass), true, 'a partition that came with its schema');
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
SELECT throws_ok($$CREATE FOREIGN TABLE far PARTITION OF plant.tree FOR VALUES IN (2) SERVER nowhere$$, '42809', NULL, 'a foreign partition is refused');
CREATE SEQUENCE counter;
CREATE MATERIALIZED VIEW copied_view AS SELECT 1 AS tenant;
SELECT throws_ok($$SELECT twin.protect_table('counter', 'tenant')$$, '42809', NULL, 'no sequence');
SELECT throws_ok($$SELECT twin.protect_table('copied_view', 'tenant')$$, '42809', NULL, 'no materialized view');
SET ROLE prot_owner;
CREATE TABLE spied (tenant int);
GRANT TRUNCATE, TRIGGER, REFERENCES, SELECT ON spied TO prot_other;
SELECT lives_ok($$SELECT twin.protect_table('spied', 'tenant')$$);
SELECT is(has_table_privilege('prot_other', 'spied', 'TRUNCATE, TRIGGER, REFERENCES'), false, 'what no policy looks at is revoked');
SELECT is(has_table_privilege('prot_other', 'spied', 'SELECT'), true, '... and nothing else');
GRANT SELECT (tenant) ON spied TO PUBLIC;
RESET ROLE;
SELECT is((SELECT holds FROM twin.protected_tables WHERE relation = 'plant.spied'::regclass), false, 'a grant on a column is noticed');
REVOKE SELECT (tenant) ON plant.spied FROM PUBLIC;
CREATE TABLE plant.heir_of_spied () INHERITS (plant.spied);
SELECT is((SELECT holds FROM twin.protected_tables WHERE relation = 'plant.spied'::regclass), false, 'an heir is noticed');
DROP TABLE plant.heir_of_spied;
SET ROLE prot_owner;
SELECT lives_ok($$SELECT twin.unprotect_table('spied')$$);
SELECT is(has_table_privilege('prot_other', 'spied', 'TRUNCATE'), true, 'and given back');
CREATE POLICY twin_security_all ON spied USING (true);
SELECT lives_ok($$SELECT twin.protect_table('spied', 'tenant')$$, 'policies of an earlier protection are taken over');
RESET ROLE;

-- ---- taken back ----

SET ROLE prot_other;
SELECT throws_ok($$SELECT twin.unprotect_table('plant.unit')$$, '42501', NULL, 'by the owner alone');
SET ROLE prot_owner;
SELECT lives_ok($$SELECT twin.unprotect_table('unit'), twin.unprotect_table('reading')$$);
SELECT throws_ok($$SELECT twin.unprotect_table('unit')$$, '42704', NULL, 'once');
RESET ROLE;
SELECT is((SELECT (relrowsecurity, relforcerowsecurity) FROM pg_class WHERE oid = 'plant.unit'::regclass), (false, false), 'row security is as it was');
SELECT set_eq($$SELECT a.privilege_type FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = 'plant.unit'::regclass AND a.grantee = 0$$,
	$$VALUES ('SELECT'), ('INSERT')$$, 'PUBLIC has what it had');
SELECT is((SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = 'plant.unit'::regclass AND a.grantee::regrole::text LIKE 'twin%'), 0::bigint, 'grants are gone');
SELECT is((SELECT count(*) FROM pg_policy WHERE polname LIKE 'twin%' AND polrelid::regclass::text LIKE 'reading%'), 0::bigint, 'no policy is left on any partition');
SET ROLE prot_app;
SELECT is((SELECT count(DISTINCT tenant_id) FROM unit), 2::bigint, 'and everybody sees everything again');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
