-- identity.sql: who is asking: what a token gives, how long, and that nothing else gives it.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET client_min_messages = warning;
CREATE ROLE id_app;
CREATE ROLE id_gate;
CREATE ROLE id_outside;
CREATE ROLE id_member;
GRANT id_app, id_gate, id_outside, id_member TO CURRENT_USER;
GRANT id_member TO id_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
CREATE TABLE tokens (name text PRIMARY KEY, token text);
GRANT SELECT ON tokens TO PUBLIC;
INSERT INTO tokens VALUES
	('viewer', twin.issue_token('{"user_id": "11", "role": "viewer", "tenant_id": 1}')),
	('operator', twin.issue_token('{"user_id": "12", "role": "operator", "tenant_id": 1}')),
	('admin', twin.issue_token('{"user_id": "13", "role": "admin", "tenant_id": 2}')),
	('stranger', twin.issue_token('{"user_id": "14", "role": "janitor"}')),
	('nobody', twin.issue_token('{"role": "viewer"}'));
CREATE FUNCTION token(wanted text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT token FROM tokens WHERE name = wanted $$;

CREATE FUNCTION plan_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP plan := plan || line || E'\n'; END LOOP;
	RETURN plan;
END $$;

-- ---- nobody ----

SELECT is(twin.current_user_id(), NULL, 'without a token there is no user');
SELECT is(twin.current_tenant_id(), NULL, '... no tenant');
SELECT is(twin.current_claims(), NULL, '... no claims');
SELECT is(twin.has_role('viewer'), false, '... no role');
SELECT is(twin.has_permission('read_units'), false, '... no permission');
SELECT throws_ok($$SELECT twin.require_permission('read_units')$$, '42501', NULL, '... and what requires one is refused');

-- ---- what a token gives ----

SAVEPOINT a;
SELECT lives_ok($$SELECT twin.authenticate(token('operator'))$$, 'a token of ours authenticates');
SELECT is(twin.current_user_id(), 12::bigint, 'the user is the token''s');
SELECT is(twin.current_subject(), '12', '... as text, too');
SELECT is(twin.current_tenant_id(), 1::bigint, 'so is the tenant');
SELECT is(twin.current_claims() ->> 'role', 'operator', 'claims are those of the token');
SELECT is(ARRAY[twin.has_role('viewer'), twin.has_role('operator'), twin.has_role('admin'), twin.has_role('janitor')],
	ARRAY[true, true, false, false], 'an operator is a viewer, and no admin');
SELECT is((SELECT array_agg(p.permission_name ORDER BY p.permission_name COLLATE "C") FROM twin.permissions p WHERE twin.has_permission(p.permission_name)),
	'{read_units,remote_control,write_units}', 'an operator''s permissions');
SELECT lives_ok($$SELECT twin.require_permission('remote_control')$$, 'what he may is let through');
SELECT throws_ok($$SELECT twin.require_permission('delete_units')$$, '42501', 'permission "delete_units" is required', 'what he may not is refused');
SELECT lives_ok($$SELECT twin.authenticate(token('admin'))$$, 'another token takes its place');
SELECT is((twin.current_user_id(), twin.current_tenant_id()), (13::bigint, 2::bigint), '... whole');
SELECT is((SELECT count(*) FROM twin.permissions p WHERE twin.has_permission(p.permission_name)), 8::bigint, 'an admin has all eight');
ROLLBACK TO a;
SELECT is(twin.current_user_id(), NULL, 'rolled back with its savepoint: nobody');
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SAVEPOINT b;
SELECT lives_ok($$SELECT twin.authenticate(token('admin'))$$);
ROLLBACK TO b;
SELECT is(twin.current_user_id(), 11::bigint, 'a savepoint brings back who was there before');
SELECT is((SELECT array_agg(p.permission_name) FROM twin.permissions p WHERE twin.has_permission(p.permission_name)), '{read_units}', 'a viewer reads');
SELECT lives_ok($$SELECT twin.authenticate(token('stranger'))$$, 'a role nobody knows is a verified user''s all the same');
SELECT is(ARRAY[twin.has_role('janitor'), twin.has_permission('read_units')], ARRAY[false, false], '... and means nothing');
SELECT lives_ok($$SELECT twin.authenticate(token('nobody'))$$, 'a token may name no user');
SELECT is((twin.current_user_id(), twin.current_tenant_id(), twin.has_role('viewer')), (NULL::bigint, NULL::bigint, true), '... and gives what it has');
SELECT throws_ok($$SELECT twin.authenticate(NULL)$$, '22004', NULL, 'no token is not silently the last one');
SELECT lives_ok($$SET LOCAL twin_security.token = ''$$, 'one can be nobody again');
SELECT is(twin.current_user_id(), NULL, '... at once');

-- ---- refused tokens ----

SELECT throws_ok($$SELECT twin.authenticate('x')$$, 'TW501', NULL, 'no token');
SELECT throws_ok($$SELECT twin.authenticate('')$$, 'TW501', NULL, 'nothing at all');
SELECT throws_ok($$SELECT twin.authenticate(overlay(token('admin') placing 'xxxx' from length(token('admin')) - 10))$$, 'TW506', NULL, 'another signature');
SELECT throws_ok($$SELECT twin.authenticate(repeat('x', 9000000))$$, 'TW502', NULL, 'nine megabytes');
SELECT is(twin.current_user_id(), NULL, 'a refused token leaves nobody');
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SELECT throws_ok($$SELECT twin.authenticate(token('admin') || 'x')$$, NULL, NULL, 'a refused one ...');
SELECT is(twin.current_user_id(), 11::bigint, '... leaves who was there');
SET LOCAL twin_security.token = 'forged';
SELECT throws_ok($$SELECT twin.current_user_id()$$, 'TW501', NULL, 'a forged setting is no identity but an error');
SELECT throws_ok($$SELECT twin.has_permission('read_units')$$, 'TW501', NULL, '... for permissions as well');
SET LOCAL twin_security.token = '';

-- ---- the setting ----

SELECT throws_ok($$SELECT set_config('twin_security.token', repeat('x', 8193), true)$$, '22023', NULL, 'the setting takes no more than a token can be');
SELECT throws_ok($$ALTER ROLE id_app SET twin_security.token = 'abc'$$, '55P02', 'parameter "twin_security.token" cannot be set this way', 'not for a role');
SELECT throws_ok(format('ALTER DATABASE %I SET twin_security.token = ''abc''', current_database()), '55P02', NULL, 'not for a database');
SELECT throws_ok($$CREATE FUNCTION f() RETURNS int LANGUAGE sql SET twin_security.token = 'abc' AS 'SELECT 1'$$, '55P02', NULL, 'not for a function');
SELECT lives_ok($$SELECT set_config('twin_security.token', token('operator'), true)$$, 'set locally it counts');
SELECT is(twin.current_user_id(), 12::bigint, '... like authenticate()');
SET ROLE id_app;
SELECT throws_ok($$SHOW twin_security.token$$, '42501', NULL, 'nobody reads it');
SELECT throws_ok($$SELECT current_setting('twin_security.token')$$, '42501', NULL, '... in any way');
SELECT is((SELECT count(*) FROM pg_settings WHERE name = 'twin_security.token'), 0::bigint, '... pg_settings included');
SELECT is(twin.current_user_id(), 12::bigint, 'any role may ask who he is');
RESET ROLE;
SET LOCAL twin_security.token = '';
SELECT lives_ok($$SELECT set_config('twin_security.token', token('operator'), false)$$, 'for a session it can be set ...');
SELECT throws_ok($$SELECT twin.current_user_id()$$, 'TW601', NULL, '... and does not count');
SET LOCAL twin_security.allow_session_identity = on;
SELECT is(twin.current_user_id(), 12::bigint, '... unless the administrator allows it');
SET LOCAL twin_security.allow_session_identity = off;
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SELECT is(twin.current_user_id(), 11::bigint, 'a local one over it counts');
SELECT set_config('twin_security.token', '', false);
SELECT is(twin.current_user_id(), NULL, 'emptied: nobody');
SET ROLE id_app;
SELECT throws_ok($$SET twin_security.allow_session_identity = on$$, '42501', NULL, 'nobody allows it himself');
RESET ROLE;

-- ---- other settings say nothing ----

SELECT set_config('request.jwt.claims', '{"user_id": "13", "role": "admin", "tenant_id": 2}', true);
SELECT set_config('request.jwt.claim.role', 'admin', true);
SELECT is((twin.current_user_id(), twin.has_role('admin')), (NULL::bigint, false), 'request.jwt.claims is nobody''s word');

-- ---- shadows ----

SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
CREATE SCHEMA shadow;
CREATE FUNCTION shadow.has_permission(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION shadow.current_tenant_id() RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint';
CREATE TEMP TABLE roles (role_name text, inherits text, database_role name);
CREATE TEMP TABLE role_permissions (role_name text, permission_name text, granted boolean);
INSERT INTO pg_temp.role_permissions VALUES ('viewer', 'delete_units', true);
SET LOCAL search_path = shadow, pg_temp, public;
SELECT is((twin.current_tenant_id(), twin.has_permission('delete_units')), (1::bigint, false), 'what shadows names changes nothing');
RESET search_path;

-- ---- own roles and permissions ----

SET LOCAL twin_security.token = '';
SELECT lives_ok($$SELECT twin.create_permission('read_alarms', 'see alarms'), twin.create_role('janitor', 'viewer', 'keeps the place')$$);
SELECT lives_ok($$SELECT twin.grant_permission('janitor', 'read_alarms')$$);
SELECT lives_ok($$SELECT twin.authenticate(token('stranger'))$$);
SELECT is(ARRAY[twin.has_role('janitor'), twin.has_role('viewer'), twin.has_role('operator'), twin.has_permission('read_alarms'), twin.has_permission('read_units')],
	ARRAY[true, true, false, true, true], 'an own role inherits and is granted');
SELECT lives_ok($$SELECT twin.revoke_permission('viewer', 'read_units')$$);
SELECT is(twin.has_permission('read_units'), false, 'what is revoked from the one it inherits from is gone at once');
SELECT lives_ok($$SELECT twin.grant_permission('viewer', 'read_units')$$);
SELECT is(twin.has_permission('read_units'), true, '... and back');
SELECT is((SELECT held_by FROM twin.role_permissions WHERE role_name = 'admin' AND permission_name = 'read_units'), 'viewer', 'the view tells where a permission comes from');
SELECT throws_ok($$SELECT twin.create_role('janitor')$$, '42710', NULL, 'a role once');
SELECT throws_ok($$SELECT twin.create_role('Bad Name')$$, '42602', NULL, 'a name like a name');
SELECT throws_ok($$SELECT twin.create_role('x', 'nosuch')$$, '42704', NULL, 'from a role that is there');
SELECT throws_ok($$SELECT twin.grant_permission('nosuch', 'read_units')$$, '42704', NULL, 'to a role that is there');
SELECT throws_ok($$SELECT twin.grant_permission('viewer', 'nosuch')$$, '42704', NULL, 'a permission that is there');
SELECT throws_ok($$SELECT twin.drop_role('viewer')$$, '22023', NULL, 'the three stay');
SELECT lives_ok($$SELECT twin.create_role('helper', 'janitor')$$);
SELECT throws_ok($$SELECT twin.drop_role('janitor')$$, '2BP01', NULL, 'one that is inherited from stays');
SELECT lives_ok($$SELECT twin.drop_role('helper'), twin.drop_role('janitor')$$, 'others go');
SELECT is(twin.has_permission('read_units'), false, '... with what they gave');
UPDATE twin_internal.roles SET inherits = 'admin' WHERE role_name = 'viewer';
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SELECT is(ARRAY[twin.has_role('operator'), twin.has_role('nosuch')], ARRAY[true, false], 'a circle ends');
UPDATE twin_internal.roles SET inherits = NULL WHERE role_name = 'viewer';
SET ROLE id_app;
SELECT throws_ok($$SELECT twin.create_role('mine')$$, '42501', NULL, 'roles are for twin_admin to make');
SELECT throws_ok($$SELECT twin.grant_permission('viewer', 'admin_panel')$$, '42501', NULL, '... and permissions to grant');
SELECT throws_ok($$INSERT INTO twin.token_only_logins VALUES ('id_app')$$, '42501', NULL, '... and logins to list');
SELECT throws_ok($$SELECT * FROM twin_internal.roles$$, '42501', NULL, 'tables are out of reach');
RESET ROLE;

-- ---- keys for whoever holds a permission ----

SET LOCAL twin_security.token = '';
DO $$ BEGIN PERFORM twin.create_key('alarm'); END $$;
CREATE TABLE alarm (v twin.encrypted_text_eq(alarm));
GRANT SELECT, INSERT ON alarm TO id_app;
INSERT INTO alarm VALUES ('smoke');
CREATE INDEX ON alarm (v);
SELECT twin.grant_key_permission('alarm', 'remote_control', 'decrypt');
SET ROLE id_app;
SELECT throws_ok($$SELECT v::text FROM alarm$$, '42501', NULL, 'nobody opens nothing');
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SELECT throws_ok($$SELECT v::text FROM alarm$$, '42501', NULL, 'a viewer lacks the permission');
SELECT lives_ok($$SELECT twin.authenticate(token('operator'))$$);
SELECT is((SELECT v::text FROM alarm), 'smoke', 'an operator has it');
SELECT is((SELECT count(*) FROM alarm WHERE v::text = 'smoke'), 1::bigint, '... in conditions as well');
SELECT throws_ok($$INSERT INTO alarm VALUES ('x')$$, '42501', NULL, '... to read, not to write');
SET LOCAL twin_security.token = '';
SELECT throws_ok($$SELECT v::text FROM alarm$$, '42501', NULL, 'and no longer than he is there');
PREPARE find_alarm(text) AS SELECT count(*) FROM alarm WHERE v::text = $1;
SET LOCAL plan_cache_mode = force_generic_plan;
SELECT throws_ok($$EXECUTE find_alarm('smoke')$$, '42501', NULL, 'a statement planned for nobody opens nothing');
SELECT lives_ok($$SELECT twin.authenticate(token('operator'))$$);
SELECT results_eq($$EXECUTE find_alarm('smoke')$$, $$VALUES (1::bigint)$$, 'the same statement finds for the operator');
SELECT alike(plan_of('EXECUTE find_alarm(''smoke'')'), '%probe%', '... by the tag that he may compare');
SET LOCAL twin_security.token = '';
SELECT throws_ok($$EXECUTE find_alarm('smoke')$$, '42501', NULL, '... and for nobody not again');
RESET ROLE;
SELECT twin.revoke_key_permission('alarm', 'remote_control', 'decrypt');
SET ROLE id_app;
SELECT lives_ok($$SELECT twin.authenticate(token('operator'))$$);
SELECT throws_ok($$SELECT v::text FROM alarm$$, '42501', NULL, 'revoked: at once');
RESET ROLE;
SET LOCAL twin_security.token = '';
SELECT throws_ok($$SELECT twin.grant_key_permission('alarm', 'remote_control', 'own')$$, '22023', NULL, 'a privilege there is');
SELECT throws_ok($$SELECT twin.grant_key_permission('nosuch', 'remote_control', 'decrypt')$$, '42704', NULL, 'a key there is');

-- ---- a statement kept for several ----

SELECT twin.grant_key_permission('alarm', 'remote_control', 'decrypt'), twin.grant_key_permission('alarm', 'read_units', 'mask');
SET ROLE id_app;
PREPARE find_shown(text) AS SELECT count(*) FROM alarm WHERE twin.reveal(v) = $1;
SELECT lives_ok($$SELECT twin.authenticate(token('operator'))$$);
SELECT results_eq($$EXECUTE find_shown('smoke')$$, $$VALUES (1::bigint)$$, 'planned for one who may decrypt');
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SELECT results_eq($$EXECUTE find_shown('smoke')$$, $$VALUES (0::bigint)$$, '... it compares masks for one who may not');
SELECT lives_ok($$SELECT twin.authenticate(token('operator'))$$);
SELECT results_eq($$EXECUTE find_shown('smoke')$$, $$VALUES (1::bigint)$$, '... and values again');
RESET ROLE;
SET LOCAL twin_security.token = '';
SELECT twin.revoke_key_permission('alarm', 'remote_control', 'decrypt'), twin.revoke_key_permission('alarm', 'read_units', 'mask');

-- ---- token-only logins ----

SELECT twin.grant_key('alarm', 'id_gate', 'decrypt');
SELECT twin.grant_key('alarm', 'id_gate', 'encrypt');
SELECT twin.grant_key('alarm', 'id_member', 'decrypt');
GRANT SELECT, INSERT ON alarm TO id_gate, id_member;
GRANT id_member TO id_gate;
SET SESSION AUTHORIZATION id_gate;
SELECT is((SELECT v::text FROM alarm), 'smoke', 'a grant to a login counts');
RESET SESSION AUTHORIZATION;
INSERT INTO twin.token_only_logins VALUES ('id_gate');
SET SESSION AUTHORIZATION id_gate;
SELECT throws_ok($$SELECT v::text FROM alarm$$, '42501', NULL, '... for a token-only login not by itself');
SELECT throws_ok($$INSERT INTO alarm VALUES ('x')$$, '42501', NULL, '... for sealing neither');
SELECT throws_ok($$SELECT v::text FROM alarm WHERE v = 'smoke'$$, '42501', NULL, '... in no way');
SET LOCAL twin_security.token = 'forged';
SELECT throws_ok($$SELECT v::text FROM alarm$$, '42501', NULL, '... with no forged token');
SET LOCAL twin_security.token = '';
SAVEPOINT c;
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SELECT is((SELECT v::text FROM alarm), 'smoke', '... only while a token verifies');

-- ---- what an owner leaves in his table ----

ROLLBACK TO c;
RESET SESSION AUTHORIZATION;
CREATE TABLE bait (a int);
INSERT INTO bait VALUES (1);
CREATE FUNCTION swallow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM twin.issue_token('{"user_id": "1", "role": "admin"}'); RETURN 1; END $$;
ALTER TABLE bait OWNER TO twin_admin;
SELECT throws_ok('CREATE INDEX ON bait (swallow(a))', '42501', 'permission denied for an administrative function of twin_security', 'an index that a superuser makes calls nothing in the owner''s name');
ALTER TABLE bait OWNER TO CURRENT_USER;
SELECT lives_ok('CREATE INDEX ON bait (swallow(a))', '... but in his own');
SET SESSION AUTHORIZATION id_gate;
SAVEPOINT c;
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);

-- ---- the sealed role ----

SELECT throws_ok($$SET ROLE id_member$$, '42501', NULL, 'the role is sealed: SET ROLE');
SELECT throws_ok($$SET LOCAL ROLE id_member$$, '42501', NULL, '... SET LOCAL ROLE');
SELECT throws_ok($$SELECT set_config('role', 'id_member', true)$$, '42501', NULL, '... set_config');
SELECT throws_ok($$SELECT set_config('role', 'id_member', true), v::text FROM alarm$$, '42501', NULL, '... in the middle of a statement');
SELECT throws_ok($$SET SESSION AUTHORIZATION id_gate$$, '42501', NULL, '... SET SESSION AUTHORIZATION');
SELECT throws_ok($$SELECT set_config('session_authorization', 'id_gate', true)$$, '42501', NULL, '... as a setting');
SELECT throws_ok($$RESET ROLE$$, '42501', NULL, '... RESET ROLE');
SELECT throws_ok($$SET ROLE TO DEFAULT$$, '42501', NULL, '... TO DEFAULT');
SELECT throws_ok($$SET ROLE NONE$$, '42501', NULL, '... NONE');
SELECT throws_ok($$RESET SESSION AUTHORIZATION$$, '42501', NULL, '... RESET SESSION AUTHORIZATION');
SELECT throws_ok($$DO $d$ BEGIN SET LOCAL ROLE id_member; END $d$ $$, '42501', NULL, '... in a block');
SELECT throws_ok($$DO $d$ BEGIN EXECUTE 'RESET ROLE'; END $d$ $$, '42501', NULL, '... by EXECUTE');
SELECT is((SELECT v::text FROM alarm), 'smoke', 'nothing of this broke the request');
ROLLBACK TO c;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION public.as_member() RETURNS text LANGUAGE sql SET role = 'id_member' AS $$ SELECT current_user::text $$;
CREATE FUNCTION public.definer() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT current_user::text $$;
GRANT EXECUTE ON FUNCTION public.as_member(), public.definer() TO PUBLIC;
SELECT twin.grant_key('alarm', 'twin_viewer', 'decrypt');
SELECT twin.grant_key('alarm', 'twin_admin', 'decrypt');
GRANT SELECT ON alarm TO twin_viewer, twin_admin;
GRANT twin_viewer, twin_admin TO id_gate;
SET SESSION AUTHORIZATION id_gate;
SAVEPOINT w;
SET ROLE id_member;
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SELECT throws_ok($$SELECT v::text FROM alarm$$, '42501', NULL, 'a role that the token does not warrant opens nothing');
ROLLBACK TO w;
SET ROLE twin_admin;
SELECT throws_ok($$SELECT twin.grant_key('alarm', 'id_gate', 'decrypt')$$, '42501', 'permission denied for an administrative function of twin_security', 'nobody is no administrator');
SELECT throws_ok($$SELECT twin.issue_token('{"user_id": "1", "role": "admin"}')$$, '42501', NULL, '... issues no token');
SELECT throws_ok($$DELETE FROM twin.token_only_logins$$, '42501', NULL, '... takes itself off no list');
SELECT throws_ok($$SELECT * FROM twin.keys$$, '42501', NULL, '... and is shown nothing');
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SELECT throws_ok($$SELECT twin.grant_key('alarm', 'id_gate', 'decrypt')$$, '42501', NULL, 'a viewer in an administrator''s role neither');
SELECT throws_ok($$SELECT v::text FROM alarm$$, '42501', NULL, '... whose keys stay shut');
ROLLBACK TO w;
SET ROLE twin_admin;
SELECT lives_ok($$SELECT twin.authenticate(token('admin'))$$);
SELECT is((SELECT v::text FROM alarm), 'smoke', 'an admin''s token warrants it');
SELECT lives_ok($$SELECT * FROM twin.keys$$, '... what it shows as well');
ROLLBACK TO w;
SELECT throws_ok('COPY twin.topics TO $$/dev/null$$', '42501', 'permission denied for what twin_security shows', '... copies nothing');
SELECT throws_ok('LOCK TABLE twin.rate_limits', '42501', 'permission denied for what twin_security shows', '... and keeps nobody waiting');
SELECT throws_ok('ALTER ROLE twin_admin SET search_path = public', '42501', 'permission denied to change a role', '... changes no role''s settings');
RESET ROLE;
SELECT throws_ok('ALTER ROLE id_gate SET statement_timeout = 1', '42501', NULL, '... nor its own');
SET ROLE twin_viewer;
SELECT throws_ok('DROP OWNED BY twin_viewer', '42501', 'permission denied to change a role', '... and takes no grants from everybody in it');
RESET ROLE;
-- a function of its own making, in a role that it was granted
SET ROLE twin_admin;
CREATE FUNCTION pg_temp.issue() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT twin.issue_token('{"user_id": "1", "role": "admin"}') $$;
CREATE FUNCTION pg_temp.open_alarm() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT v::text FROM alarm $$;
CREATE FUNCTION pg_temp.show() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT count(*) FROM twin.keys $$;
RESET ROLE;
SELECT throws_ok('SELECT pg_temp.issue()', '42501', 'permission denied for an administrative function of twin_security', 'a SECURITY DEFINER function that it made as an administrator is none');
SELECT throws_ok('SELECT pg_temp.open_alarm()', '42501', NULL, '... opens nothing');
SELECT throws_ok('SELECT pg_temp.show()', '42501', 'permission denied for what twin_security shows', '... and is shown nothing');
SET ROLE twin_viewer;
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$);
SELECT is((SELECT v::text FROM alarm), 'smoke', 'a viewer''s token opens what is granted to viewers');
SELECT throws_ok('SELECT pg_temp.issue()', '42501', 'permission denied for an administrative function of twin_security', '... and makes no administrator of it');
SELECT throws_ok('SELECT pg_temp.show()', '42501', NULL, '... who is shown nothing');
ROLLBACK TO w;
SET ROLE twin_viewer;
SET LOCAL twin_security.token = 'x';
SELECT throws_ok($$SELECT v::text FROM alarm$$, '42501', NULL, 'a forged one warrants nothing');
ROLLBACK TO w;
SET ROLE twin_viewer;
SAVEPOINT d;
SELECT lives_ok($$SELECT twin.authenticate(token('viewer'))$$, 'sealed in the role that was set before');
SELECT is(current_user::text, 'twin_viewer', '... it stays');
SELECT is((SELECT v::text FROM alarm), 'smoke', '... and its grants count');
SELECT throws_ok($$SELECT public.as_member()$$, '42501', NULL, 'a function''s SET clause is refused');
SELECT isnt(public.definer(), 'twin_viewer', 'SECURITY DEFINER works as ever');
SELECT throws_ok($$SELECT set_config('role', NULL, true), v::text FROM alarm$$, '42501', NULL, 'a reset in the middle of a statement opens nothing');
SELECT throws_ok($$SELECT set_config('role', NULL, true), (SELECT public.definer())$$, '42501', NULL, '... and calls nothing that begins a statement');
SAVEPOINT e;
SELECT set_config('role', NULL, true);
ROLLBACK TO e;
SELECT is(current_user::text, 'twin_viewer', 'rolled back, it goes on');
SELECT set_config('role', NULL, true);
ROLLBACK TO d;
RESET SESSION AUTHORIZATION;
SELECT is((SELECT current_user = session_user), true, 'the seal went with its savepoint');

SELECT * FROM finish();
ROLLBACK;
