-- reach.sql: how far an administrator reaches: by his permissions, in his tenant, and up to his own role; what of it is an event.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET LOCAL twin_security.bcrypt_cost = 10;
SET LOCAL client_min_messages = warning;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;

-- south has an admin, one who may only write users, and a viewer; so has north; no tenant has root and clerk
SELECT twin.create_tenant('south') AS south \gset
SELECT twin.create_tenant('north') AS north \gset
SELECT twin.create_role('clerk', 'viewer'), twin.grant_permission('clerk', 'write_users');
SELECT twin.create_role('glass', NULL, NULL, true);
SELECT twin.create_role('curator', 'admin'), twin.create_permission('curate'), twin.grant_permission('curator', 'curate');
CREATE FUNCTION make(username text, role text, tenant bigint) RETURNS bigint LANGUAGE sql AS $$
	SELECT twin.create_user(username, 'correct horse battery staple', username || '@example.org', role, tenant) $$;
SELECT make('root', 'admin', NULL) AS root, make('desk', 'clerk', NULL) AS desk \gset
SELECT make('sue', 'admin', :south) AS sue, make('sam', 'clerk', :south) AS sam, make('sal', 'viewer', :south) AS sal,
	make('sid', 'curator', :south) AS sid, make('saf', 'glass', :south) AS saf \gset
SELECT make('nora', 'admin', :north) AS nora, make('ned', 'viewer', :north) AS ned, make('nell', 'viewer', :north) AS nell \gset
INSERT INTO twin_internal.sessions (user_id, expires_at, current_digest) SELECT u.user_id, now() + interval '1 hour', '' FROM twin_internal.users u;
CREATE TABLE tokens (name text PRIMARY KEY, token text);
GRANT SELECT ON tokens TO PUBLIC;
INSERT INTO tokens SELECT u.username, twin.issue_token(jsonb_strip_nulls(jsonb_build_object('user_id', u.user_id::text, 'role', u.role_name, 'tenant_id', u.tenant_id)))
	FROM twin_internal.users u;
INSERT INTO tokens VALUES ('looker', twin.issue_token(jsonb_build_object('user_id', '997', 'role', 'viewer', 'tenant_id', :south))), ('roleless', twin.issue_token('{"user_id": "999"}')), ('stray', twin.issue_token('{"user_id": "998", "role": "admin", "tenant_id": 987654}'));
CREATE FUNCTION become(who text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('role', 'none', true), set_config('twin_security.token', '', true);
	SELECT set_config('twin_security.token', t.token, true), set_config('role', 'twin_admin', true) FROM tokens t WHERE t.name = who $$;
GRANT twin_admin TO CURRENT_USER;

-- every function of users, with a user's name
CREATE TABLE act (name text PRIMARY KEY, call text);
GRANT SELECT ON act TO PUBLIC;
INSERT INTO act VALUES ('set_password', $$SELECT twin.set_password(%L, 'purple monkey dishwasher 9')$$), ('disable_user', 'SELECT twin.disable_user(%L)'),
	('enable_user', 'SELECT twin.enable_user(%L)'), ('unlock_user', 'SELECT twin.unlock_user(%L)'), ('assign_role', $$SELECT twin.assign_role(%L, 'viewer')$$),
	('end_sessions', 'SELECT twin.end_sessions(%L)'), ('set_email', 'SELECT twin.set_email(%L, NULL)'), ('delete_user', 'SELECT twin.delete_user(%L)');
SELECT is((SELECT array_agg(name ORDER BY name) FROM act) || '{create_user}', (SELECT array_agg(p.proname::text ORDER BY p.proname = 'create_user', p.proname) FROM pg_proc p
	WHERE p.pronamespace = 'twin'::regnamespace AND p.prosrc ~ 'find_user|hold_user|create_user'), 'all of them are tried here');
-- every other that is not for everybody
CREATE TABLE whole (call text);
GRANT SELECT ON whole TO PUBLIC;
INSERT INTO whole SELECT format('SELECT twin.%I(%s)', p.proname, (SELECT coalesce(string_agg(CASE t WHEN 'text'::regtype THEN '''x''' WHEN 'int'::regtype THEN '1' ELSE 'NULL::' || t::regtype END, ', '), '') FROM unnest(p.proargtypes) t))
	FROM pg_proc p WHERE p.pronamespace = 'twin'::regnamespace AND NOT has_function_privilege('pg_monitor', p.oid, 'EXECUTE')
		AND has_function_privilege('twin_admin', p.oid, 'EXECUTE') AND p.prokind = 'f' AND p.proname NOT IN (SELECT name FROM act) AND p.proname NOT IN ('create_user',
		'check_password_strength', 'generate_password', 'hash_password', 'password_needs_rehash', 'publish', 'record_event', 'verify_password', 'accept_standby_events');
INSERT INTO whole VALUES ($$SELECT twin.accept_standby_events('x', false)$$);	-- of nothing it makes nothing
SELECT cmp_ok((SELECT count(*) FROM whole), '>=', 30::bigint, 'there are many');
SELECT ok((SELECT bool_or(call ~ f) FROM whole), f || ' is among them') FROM unnest('{issue_token,create_tenant,disable_tenant,create_role,drop_role,create_permission,grant_permission,
	revoke_permission,create_key,destroy_key,grant_key,grant_key_permission,add_verification_key,purge_sessions,purge_revocations,unlock_address,set_mask,rotate_master_key}'::text[]) f;

CREATE FUNCTION tries(who text, whom text, wanted text, label text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	a record;
BEGIN
	FOR a IN SELECT * FROM act ORDER BY name LOOP
		RETURN NEXT throws_ok(format(a.call, whom), wanted, CASE wanted WHEN '42704' THEN format('user "%s" does not exist', whom) END, who || ': ' || a.name || ' ' || label);
	END LOOP;
END $$;

-- ---- permissions ----

SELECT become('sal');
SELECT tries('viewer', 'sal', '42501', 'needs a permission');
SELECT throws_ok($$SELECT twin.create_user('new', 'correct horse battery staple')$$, '42501', 'permission "write_users" is required', '... and so does create_user');
SELECT become('roleless');
SELECT tries('no role', 'sal', '42501', 'needs a permission');
SELECT become('desk');
SELECT throws_ok($$SELECT twin.delete_user('sal')$$, '42501', 'permission "delete_users" is required', 'who writes users does not delete them');
SELECT lives_ok($$SELECT twin.unlock_user('sal'), twin.unlock_user('nell')$$, '... writes all of them, where he has no tenant');
SET LOCAL twin_security.token = 'forged';
SELECT throws_ok($$SELECT twin.unlock_user('sal')$$, 'TW501', NULL, 'a forged token is not nobody');
SELECT throws_ok($$SELECT twin.create_tenant('x')$$, 'TW501', NULL, '... nor for what concerns all');
SELECT throws_ok($$SELECT * FROM twin.users$$, 'TW501', NULL, '... nor for what is shown');

-- ---- tenants ----

SELECT become('sue');
SELECT tries('tenant''s admin', 'ned', '42704', 'of another tenant''s user: there is none');
SELECT tries('tenant''s admin', 'root', '42704', 'of one without tenant: there is none');
SELECT tries('tenant''s admin', 'nobody', '42704', 'of nobody');
SELECT throws_ok($$SELECT twin.set_password('ned', 'password')$$, '42704', NULL, 'a weak password tells nothing either');
SELECT throws_ok($$SELECT twin.set_password('nobody', 'password')$$, '42704', NULL, '... as of nobody');
SELECT throws_ok($$SELECT twin.set_email('ned', 'no address')$$, '42704', NULL, 'a bad address neither');
SELECT throws_ok($$SELECT twin.assign_role('ned', 'nosuch')$$, '42704', 'user "ned" does not exist', '... nor a bad role');
SELECT is((SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid::bigint = :ned), 0::bigint, 'and no login of his waits');
SELECT make('new', 'operator', NULL) AS new \gset
SELECT is((SELECT tenant_id FROM twin.users WHERE user_id = :new), :south::bigint, 'whom a tenant''s admin makes is of his tenant');
SELECT make('new2', 'viewer', :south) AS new2 \gset
SELECT is((SELECT tenant_id FROM twin.users WHERE user_id = :new2), :south::bigint, '... where he says so too');
SELECT throws_ok(format('SELECT make(%L, %L, %s)', 'new3', 'viewer', :north), '42704', format('tenant %s does not exist', :north), 'no other tenant is there for him');
SELECT throws_ok($$SELECT make('new3', 'viewer', 987654)$$, '42704', 'tenant 987654 does not exist', '... as one that is not');
SELECT lives_ok(format(call, 'new')) FROM act ORDER BY name = 'delete_user', name;
SELECT is((SELECT count(*) FROM twin.users WHERE user_id = :new), 0::bigint, 'he does all of it in his own');
SELECT throws_ok(call, '42501', NULL, 'not for a tenant''s admin: ' || call) FROM whole;
SELECT throws_ok($$SELECT twin.create_tenant('x')$$, '42501', 'permission denied for create_tenant', 'the error names it');
SELECT throws_ok($$DO $d$ BEGIN PERFORM twin.create_tenant('x'); END $d$ $$, '42501', NULL, '... in a block');
CREATE FUNCTION pg_temp.sneak() RETURNS bigint LANGUAGE sql AS $$ SELECT twin.create_tenant('x') $$;
SELECT throws_ok('SELECT pg_temp.sneak()', '42501', NULL, '... in a function of his');
SELECT throws_ok($$SELECT count(*) FROM generate_series(1, 2) g WHERE twin.issue_token('{"user_id": "1", "role": "admin"}') IS NULL$$, '42501', NULL, '... in a condition');
SELECT throws_ok('LOCK TABLE twin.' || t, '42501', 'permission denied for ' || t, 'he keeps nobody waiting: ' || t) FROM unnest('{alert_rules,playbooks,never_blocked,rate_limits}'::text[]) t;
SELECT throws_ok($$COPY twin.never_blocked TO '/dev/null'$$, '42501', 'permission denied for never_blocked', '... nor does he copy what he does not read');
SELECT throws_ok($$INSERT INTO twin.token_only_logins VALUES ('twin_viewer')$$, '42501', 'permission denied for token_only_logins', 'no login is put on the list');
SELECT throws_ok($$DELETE FROM twin.token_only_logins$$, '42501', NULL, '... or taken off it');
SELECT lives_ok($$SELECT twin.hash_password('correct horse battery staple', 10), twin.generate_password(), twin.check_password_strength('x')$$, 'what concerns nobody he may call');
RESET ROLE;
SELECT throws_ok($$SELECT twin.create_tenant('x')$$, '42501', NULL, 'a superuser with a tenant''s token is that tenant''s');
SELECT throws_ok($$TRUNCATE twin.token_only_logins$$, '42501', NULL, '... for the list as well');
SELECT become('stray');
SELECT throws_ok($$SELECT make('new3', 'viewer', NULL)$$, '42704', 'tenant 987654 does not exist', 'a tenant that is not here gets no users');

-- ---- roles ----

SELECT become('sue');
SELECT throws_ok($$SELECT make('new3', 'curator', NULL)$$, '42501', 'permission denied for role "curator" of the twin', 'nobody gives what he lacks');
SELECT throws_ok($$SELECT twin.assign_role('sue', 'curator')$$, '42501', NULL, '... to himself neither');
SELECT tries('admin', 'sid', '42501', 'of one whose role is above his');
SELECT throws_ok($$SELECT make('new3', 'glass', NULL)$$, '42501', NULL, 'no break-glass role within a tenant');
SELECT throws_ok($$SELECT twin.assign_role('sal', 'glass')$$, '42501', NULL, '... given');
SELECT tries('admin', 'saf', '42501', 'of a break-glass account');
SELECT become('sam');
SELECT throws_ok($$SELECT make('new3', 'operator', NULL)$$, '42501', NULL, 'a clerk makes no operator');
SELECT throws_ok($$SELECT twin.assign_role('sal', 'admin')$$, '42501', NULL, '... and no admin');
SELECT throws_ok($$SELECT twin.set_password('sue', 'purple monkey dishwasher 9')$$, '42501', NULL, 'he takes no admin''s account over');
SELECT lives_ok($$SELECT make('new4', 'clerk', NULL), twin.assign_role('sal', 'clerk')$$, 'what he has he may give');
SELECT become('root');
SELECT lives_ok($$SELECT twin.assign_role('sal', 'glass')$$, 'an admin without tenant gives a break-glass role that holds nothing');
SELECT throws_ok($$SELECT twin.disable_user('sid')$$, '42501', NULL, 'he touches nobody above him');
SELECT lives_ok($$SELECT twin.disable_user('ned'), twin.create_tenant('east'), twin.create_role('x'), twin.drop_role('x'), twin.unlock_address('192.0.2.1')$$, '... and administers all else');
SELECT lives_ok($$INSERT INTO twin.token_only_logins VALUES ('twin_viewer')$$);
-- what is granted counts at once
RESET ROLE;
SELECT set_config('twin_security.token', '', true);
SELECT twin.grant_permission('admin', 'curate');
SELECT become('root');
SELECT lives_ok($$SELECT twin.disable_user('sid')$$, 'granted what he lacked, he may');
RESET ROLE;
SELECT set_config('twin_security.token', '', true);
SELECT twin.revoke_permission('admin', 'curate'), twin.enable_user('sid'), twin.enable_user('ned'), twin.assign_role('sal', 'viewer');

-- ---- nobody ----

SET ROLE twin_admin;
SELECT lives_ok($$SELECT twin.disable_user('sid'), twin.enable_user('sid'), twin.assign_role('saf', 'viewer'), twin.assign_role('saf', 'glass'), twin.create_tenant('west')$$, 'without identity the grants decide');
SELECT is((SELECT count(DISTINCT coalesce(tenant_id, 0)) FROM twin.users), 3::bigint, '... and show everybody');
RESET ROLE;
CREATE FUNCTION wrapped(named text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ SELECT twin.unlock_user(named) $$;
ALTER FUNCTION wrapped(text) OWNER TO twin_admin;
SELECT become('looker');
SELECT throws_ok($$SELECT wrapped('sal')$$, '42501', NULL, 'a SECURITY DEFINER function gives no permission');
SELECT become('sue');
SELECT throws_ok($$SELECT wrapped('ned')$$, '42704', NULL, '... and no other tenant');

-- ---- what is shown ----

SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM twin.users), ARRAY[:south]::bigint[], 'a tenant''s admin sees its users');
SELECT ok((SELECT count(*) > 2 AND bool_and(username LIKE 's%' OR username LIKE 'new%') FROM twin.sessions), '... its sessions');
SELECT is((SELECT array_agg(tenant_name) FROM twin.tenants), '{south}', '... and itself');
SELECT is((SELECT count(*) FROM twin.users WHERE username = 'ned' OR user_id = :ned OR email = 'ned@example.org'), 0::bigint, 'nobody else in any way');
SELECT throws_ok('SELECT * FROM twin.audit_log', '42501', 'permission denied for audit_log', 'not the log of all');
SELECT throws_ok('SELECT count(*) FROM twin.revocations', '42501', NULL, '... nor all revocations');
SELECT throws_ok('SELECT 1 FROM (SELECT * FROM twin.revocations) r', '42501', NULL, '... in whatever query');
SELECT throws_ok('SELECT * FROM twin.access_profiles', '42501', 'permission denied for access_profiles', '... nor anybody''s habits');
SELECT throws_ok('SELECT * FROM twin.subject_columns', '42501', 'permission denied for subject_columns', '... nor where data of persons lies');
SELECT throws_ok('SELECT * FROM twin.' || v, '42501', 'permission denied for ' || v, '... nor what concerns all, or when anybody does something: ' || v)
	FROM unnest('{alerts,incidents,blocked_addresses,enhanced_monitoring,playbooks,alert_rules,stat_audit,stat_events,stat_topics}'::text[]) v;
SELECT throws_ok('SELECT twin.mark_alert_false(1)', '42501', 'permission denied for mark_alert_false', '... nor decides about them');
SELECT lives_ok('SELECT * FROM twin.keys', 'what shows nobody he may see');
CREATE TABLE pg_temp.seen (t text);
CREATE FUNCTION pg_temp.peek(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN INSERT INTO seen VALUES (t); RETURN true; END $$;
SELECT count(*) FROM twin.users WHERE pg_temp.peek(username);
SELECT count(*) FROM twin.sessions WHERE pg_temp.peek(username);
SELECT count(*) FROM twin.tenants WHERE pg_temp.peek(tenant_name);
SELECT is((SELECT array_agg(DISTINCT t) FROM pg_temp.seen WHERE t IN ('ned', 'nora', 'root', 'north')), NULL, 'a condition of his looks at nobody else either');
SELECT ok((SELECT count(*) FROM pg_temp.seen) > 2, '... but at his own');
SELECT become('sam');
SELECT is((SELECT count(*) FROM twin.users) + (SELECT count(*) FROM twin.sessions), 0::bigint, 'without read_users nobody is shown');
SELECT is((SELECT count(*) FROM twin.tenants), 1::bigint, '... but the tenant');
SELECT become('root');
SELECT ok((SELECT count(DISTINCT coalesce(tenant_id, 0)) = 3 FROM twin.users) AND (SELECT count(*) > 2 FROM twin.tenants) AND (SELECT count(*) > 5 FROM twin.sessions), 'an admin without tenant sees everybody');
SELECT lives_ok('SELECT count(*) FROM twin.audit_log', '... and the log');
SELECT lives_ok('SELECT count(*) FROM twin.' || v, '... and ' || v) FROM unnest('{incidents,enhanced_monitoring,playbooks,stat_audit}'::text[]) v;
RESET ROLE;
SELECT set_config('twin_security.token', '', true);
SET enable_seqscan = off;
CREATE FUNCTION plan_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP plan := plan || line || E'\n'; END LOOP;
	RETURN plan;
END $$;
SELECT alike(plan_of($$SELECT * FROM twin.users WHERE email = 'ned@example.org'$$), '%users_email%', 'an address is found by its index');
SELECT alike(plan_of($$SELECT * FROM twin.users WHERE user_id = 1$$), '%users_pkey%', '... a number by its own');
RESET enable_seqscan;

-- ---- the last administrator ----

SELECT twin.assign_role('root', 'admin');
SELECT throws_ok($$SELECT twin.delete_user('root')$$, '55000', NULL, 'an admin of a tenant does not replace the last one of none');
SELECT lives_ok($$SELECT twin.disable_user('sue')$$, 'one of a tenant may go while there is any');
SELECT make('root2', 'admin', NULL) AS root2 \gset
SELECT lives_ok($$SELECT twin.delete_user('root2'), twin.enable_user('sue')$$, 'so may one of several');

-- ---- deleting ----

SELECT make('gone', 'viewer', :south) AS gone \gset
INSERT INTO twin_internal.sessions (user_id, expires_at, current_digest) VALUES (:gone, now() + interval '1 hour', '');
INSERT INTO twin_internal.login_attempts (user_id, succeeded) VALUES (:gone, true), (:gone, false);
SELECT twin.issue_token(jsonb_build_object('user_id', :'gone', 'role', 'viewer')) AS token \gset
SELECT twin.delete_user('GONE');
SELECT is((SELECT count(*) FROM twin_internal.users WHERE user_id = :gone) + (SELECT count(*) FROM twin_internal.sessions WHERE user_id = :gone)
	+ (SELECT count(*) FROM twin_internal.login_attempts WHERE user_id = :gone), 0::bigint, 'of a deleted user nothing is left');
SELECT throws_ok(format('SELECT twin.verify_token(%L)', :'token'), 'TW510', NULL, '... and his tokens are refused');
SELECT cmp_ok(make('gone', 'viewer', :south), '>', :gone::bigint, 'his number does not come back with his name');
INSERT INTO twin_internal.login_attempts (user_id, succeeded) VALUES (:gone, true);
SELECT twin.purge_sessions();
SELECT is((SELECT count(*) FROM twin_internal.login_attempts WHERE user_id = :gone), 0::bigint, 'what a login under way left of him is purged');

-- ---- e-mail, and passwords like it ----

SELECT lives_ok($$SELECT twin.set_email('sal', 'quorvexian.thripold@example.org')$$);
SELECT is((SELECT username FROM twin.users WHERE email = 'quorvexian.thripold@example.org'), 'sal', 'the new address is found');
SELECT throws_ok($$SELECT twin.set_email('sal', 'nora@example.org')$$, '23505', 'another user has this e-mail address', 'one address is one user''s');
SELECT throws_ok($$SELECT twin.set_password('sal', 'quorvexian.thripold')$$, '22023', 'the password is not acceptable', 'a password is judged by the stored address');
SELECT lives_ok($$SELECT twin.set_password('sue', 'quorvexian.thripold')$$, '... of that user');
SELECT twin.set_email('sal', NULL);
SELECT is((SELECT email IS NULL FROM twin.users WHERE username = 'sal'), true, 'an address can be taken away');
SELECT lives_ok($$SELECT twin.set_password('sal', 'quorvexian.thripold')$$, '... and is nothing to judge by any more');
UPDATE twin_internal.users SET email = 'quorvexian.thripold@example.org' WHERE username = 'sal';
UPDATE twin_internal.key_versions SET state = 'destroyed', wrapped = NULL, wrapping_id = NULL WHERE key_name = 'main';
SELECT lives_ok($$SELECT twin.set_password('sal', 'quorvexian.thripold')$$, 'where it cannot be opened it is gone on without');

-- ---- names of tenants ----

SELECT throws_ok(format('SELECT twin.create_tenant(%L)', n), '22023', 'invalid tenant name', 'name: ' || quote_literal(n))
	FROM unnest(ARRAY['', ' ', 'a ', E'a\u200bb', E'a\u200f', E'\u202ea', E'a\u2066b', E'a\u2069', E'\ufeffa', E'a\tb', E'a\u00a0b', repeat('ü', 129)]) n;
SELECT lives_ok(format('SELECT twin.create_tenant(%L)', n), 'name: ' || n) FROM unnest(ARRAY['a b', 'Straße', repeat('ü', 128)]) n;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT lives_ok($$SELECT twin.create_tenant('backslashes')$$, 'strings may be written in the old way');
SELECT lives_ok($$SELECT twin.create_key('indexes')$$, '... for names of keys too');

SELECT * FROM finish();
ROLLBACK;
