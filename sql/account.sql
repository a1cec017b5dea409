-- account: its surface as outside users see it, and every refusal of what administrators give
CREATE EXTENSION IF NOT EXISTS twin_security;
SET twin_security.bcrypt_cost = 10;
SELECT p.oid::regprocedure AS function, pg_get_function_result(p.oid) AS result, p.provolatile AS volatile, p.proisstrict AS strict,
	p.proparallel AS parallel, p.prosecdef AS definer, p.proconfig AS config
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'twin_api' OR n.nspname = 'twin' AND p.proname IN ('create_tenant', 'disable_tenant', 'enable_tenant', 'create_user', 'set_password',
	'disable_user', 'enable_user', 'unlock_user', 'assign_role', 'end_sessions', 'set_email', 'delete_user', 'unlock_address', 'purge_sessions', 'current_username')
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT c.relname AS view, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attrelid IN ('twin.users'::regclass, 'twin.tenants'::regclass, 'twin.sessions'::regclass) ORDER BY c.relname, a.attnum;
SELECT name, setting, unit, context FROM pg_settings WHERE name ~ 'twin_security.(login_max_failures_per|refresh|session)' ORDER BY 1;
-- no default account
SELECT count(*) FROM twin.users;
SELECT count(*) FROM twin.tenants;
-- tenants
SELECT twin.create_tenant('Kraftwerk Süd');
SELECT twin.create_tenant('Kraftwerk Süd');
SELECT twin.create_tenant(NULL);
SELECT twin.create_tenant('');
SELECT twin.create_tenant(' blank');
SELECT twin.create_tenant(E'two\nlines');
SELECT twin.create_tenant(repeat('x', 257));
SELECT twin.create_tenant(E'Kraft\u200bwerk');
SELECT twin.disable_tenant(77);
SELECT twin.enable_tenant(NULL);
-- users
SELECT twin.create_user('Anna', 'correct horse battery staple', 'anna@example.org', 'operator', 1);
SELECT twin.create_user('boss', 'purple monkey dishwasher 9', role_name => 'admin');
SELECT user_id, username, email IS NOT NULL AS has_email, role_name, tenant_id, is_active, locked_until, last_login FROM twin.users ORDER BY 1;
SELECT twin.create_user('anna', 'correct horse battery staple');
SELECT twin.create_user('ＡＮＮＡ', 'correct horse battery staple');
SELECT twin.create_user('Аnna', 'correct horse battery staple') > 0 AS "Cyrillic A is another letter";
SELECT twin.create_user('', 'correct horse battery staple');
SELECT twin.create_user(NULL, 'correct horse battery staple');
SELECT twin.create_user(' anna', 'correct horse battery staple');
SELECT twin.create_user(E'an\u200bna', 'correct horse battery staple');
SELECT twin.create_user(E'an\tna', 'correct horse battery staple');
SELECT twin.create_user(repeat('x', 65), 'correct horse battery staple');
SELECT twin.create_user('carl', NULL);
SELECT twin.create_user('carl', 'password');
SELECT twin.create_user('carl', 'carl');
SELECT twin.create_user('carl', repeat('long pass ', 8));
SELECT twin.create_user('carl', 'correct horse battery staple', 'no address');
SELECT twin.create_user('carl', 'correct horse battery staple', 'anna@example.org');
SELECT twin.create_user('carl', 'correct horse battery staple', role_name => 'emperor');
SELECT twin.create_user('carl', 'correct horse battery staple', tenant_id => 77);
SELECT twin.set_password('nobody', 'correct horse battery staple');
SELECT twin.set_password('anna', 'short');
SELECT twin.assign_role('anna', 'emperor');
SELECT twin.unlock_user(E'\x01');
SELECT twin.purge_sessions(interval '-1 day');
-- e-mail is found by plaintext, shown as stored, and opened by whoever may
SELECT username FROM twin.users WHERE email = 'anna@example.org';
SELECT left(format('%s', email), 6) AS armor FROM twin.users WHERE username = 'Anna';
SET ROLE twin_auditor;
SELECT email::text FROM twin.users WHERE username = 'Anna';
RESET ROLE;
-- the last administrator
SELECT twin.disable_user('boss');
SELECT twin.assign_role('boss', 'viewer');
SELECT twin.create_user('deputy', 'purple monkey dishwasher 8', role_name => 'admin', tenant_id => 1) > 0 AS deputy;
SELECT twin.disable_user('boss');
SELECT twin.disable_tenant(1);
SELECT twin.enable_tenant(1);
SELECT twin.enable_user('BOSS');
-- another address, and a user who leaves
SELECT twin.set_email('boss', 'boss@example.org');
SELECT twin.set_email('boss', 'anna@example.org');
SELECT twin.set_email('boss', 'no address');
SELECT twin.set_email('boss', NULL);
SELECT twin.set_email('nobody', NULL);
SELECT twin.delete_user('boss');
SELECT twin.delete_user('deputy');
SELECT twin.delete_user('deputy');
SELECT twin.unlock_address('192.0.2.1');
SELECT twin.unlock_address('192.0.2.0/24');
SELECT twin.unlock_address(NULL);
-- a role that users have stays
SELECT twin.create_role('fitter', inherits => 'operator');
SELECT twin.assign_role('anna', 'fitter');
SELECT twin.drop_role('fitter');
SELECT twin.assign_role('anna', 'operator'), twin.drop_role('fitter');
-- login
SELECT jsonb_pretty(l || '{"access_token": "...", "refresh_token": "..."}') FROM twin_api.login('anna', 'correct horse battery staple') l;
SELECT twin_api.login('anna', 'wrong'), current_setting('response.status') AS status;
SELECT twin_api.login('nobody', 'wrong'), current_setting('response.status') AS status;
SELECT twin_api.login(NULL, NULL), current_setting('response.status') AS status;
SELECT twin_api.login('anna', NULL), current_setting('response.status') AS status;
SELECT twin_api.refresh('not a token'), current_setting('response.status') AS status;
SELECT twin_api.refresh(), current_setting('response.status') AS status;
SELECT twin_api.me();
SELECT twin_api.logout();
SELECT twin_api.logout_all();
SELECT twin_api.change_password('a', 'b');
SELECT twin.current_username();
-- who may not
SET ROLE twin_viewer;
SELECT * FROM twin.users;
SELECT password_hash FROM twin_internal.users;
SELECT twin_internal.end_sessions(1);
SELECT twin.create_user('eve', 'correct horse battery staple', role_name => 'admin');
SET ROLE twin_anonymous;
SELECT twin_api.me();
SELECT twin_api.login('anna', 'wrong') ->> 'error' AS error;
SET ROLE twin_auditor;
SELECT twin_api.login('anna', 'wrong');
SELECT count(*) FROM twin.users;
RESET ROLE;
