-- blocks.sql: which networks can be blocked, by whom, and what is said of them.
-- (Nothing is committed here, so nobody is turned away: see test/t/111_blocks.pl.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
SET client_min_messages = warning;

-- ---- who may ----

SELECT function_privs_are('twin', f, a, r, CASE r WHEN 'twin_admin' THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and ' || f)
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,pg_monitor}'::name[]) r,
		(VALUES ('block_address', '{inet,interval,text,boolean}'::name[]), ('unblock_address', '{inet}')) v (f, a);
SELECT table_privs_are('twin', 'blocked_addresses', r, CASE WHEN r IN ('twin_admin', 'twin_auditor') THEN '{SELECT}' ELSE '{}' END::name[], r || ' and blocked_addresses')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,pg_monitor}'::name[]) r;
SELECT table_privs_are('twin', 'never_blocked', r, CASE r WHEN 'twin_admin' THEN '{SELECT,INSERT,UPDATE,DELETE}' WHEN 'twin_auditor' THEN '{SELECT}' ELSE '{}' END::name[], r || ' and never_blocked')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,pg_monitor}'::name[]) r;

CREATE ROLE gateway_login LOGIN IN ROLE twin_gateway;
CREATE TABLE tokens AS SELECT n AS name, twin.issue_token(jsonb_strip_nulls(jsonb_build_object('user_id', '1', 'role', 'admin', 'tenant_id', t))) AS token
	FROM (VALUES ('tenants', 1), ('whole', NULL)) v (n, t);
GRANT SELECT ON tokens TO PUBLIC;
CREATE FUNCTION answer(who text, command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE format('SET LOCAL twin_security.token = %L', coalesce((SELECT token FROM tokens WHERE name = who), ''));
		SET LOCAL SESSION AUTHORIZATION gateway_login;
		SET LOCAL ROLE twin_admin;
		EXECUTE command;
		RAISE 'undo' USING ERRCODE = 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN RETURN 'lives';
		WHEN OTHERS THEN RETURN SQLSTATE;
	END;
END $$;
SELECT is(answer(who, command), wanted, format('%s: %s', coalesce(who, 'nobody'), command)) FROM (VALUES ('tenants', '42501'), (NULL, '42501'), ('whole', 'lives')) v (who, wanted),
	unnest('{"SELECT twin.block_address(''192.0.2.1'')","INSERT INTO twin.never_blocked VALUES (''192.0.2.1'')",TABLE twin.blocked_addresses,TABLE twin.never_blocked}'::text[]) command;

-- ---- what can be blocked ----

SELECT throws_ok(format('SELECT twin.block_address(%L)', a), '22023', m, a || ' is refused') FROM (VALUES
	('10.1.2.3/8', 'invalid network: 10.1.2.3/8'), ('::1/64', 'invalid network: ::1/64'), ('::ffff:10.1.2.3/120', 'invalid network: ::ffff:10.1.2.3/120'),
	('0.0.0.0/0', 'the network is too wide to be blocked'), ('64.0.0.0/7', 'the network is too wide to be blocked'), ('::/0', 'the network is too wide to be blocked'),
	('::ffff:0.0.0.0/96', 'the network is too wide to be blocked'), ('2000::/15', 'the network is too wide to be blocked'),
	('127.0.0.1', '127.0.0.1/32 is never blocked'), ('127.5.0.0/16', '127.5.0.0/16 is never blocked'), ('127.0.0.0/8', '127.0.0.0/8 is never blocked'),
	('::1', '::1/128 is never blocked'), ('::ffff:127.0.0.1', '127.0.0.1/32 is never blocked')) v (a, m);
SELECT throws_ok($$SELECT twin.block_address(NULL)$$, '22004', NULL, 'nothing cannot be blocked');
SELECT throws_ok($$SELECT twin.block_address('192.0.2.1', NULL)$$, '22004', NULL, 'nor for no time');
SELECT throws_ok($$SELECT twin.block_address('192.0.2.1', end_sessions => NULL)$$, '22004', NULL, 'and sessions end or do not');
SELECT throws_ok(format('SELECT twin.block_address(%L, %L)', '192.0.2.1', d), '22023', 'a block lasts longer than nothing and at most 10 years', 'a block cannot last ' || d)
	FROM unnest('{0,-1 second,"10 years 1 day","1 month -40 days"}'::text[]) d;
SELECT throws_ok($$SELECT twin.block_address('192.0.2.1', '1 hour', repeat('x', 1001))$$, '23514', NULL, 'a reason is bounded');
SELECT throws_ok($$SELECT twin.block_address('nonsense')$$, '22P02', NULL, 'what is no address is none');
SELECT is((SELECT count(*) FROM twin.blocked_addresses), 0::bigint, 'none of these left anything');
SELECT lives_ok(format('SELECT twin.block_address(%L, %L)', a, '10 years'), a || ' can be blocked') FROM
	unnest('{192.0.2.1,10.0.0.0/8,198.51.100.0/25,2001:db8::/64,2001:db8:1::1,::ffff:203.0.113.0/120}'::text[]) a;
SELECT set_eq('SELECT address::text FROM twin.blocked_addresses',
	'{192.0.2.1/32,10.0.0.0/8,198.51.100.0/25,2001:db8::/64,2001:db8:1::1/128,203.0.113.0/24}'::text[], 'and is shown, a mapped one as what it is');

-- ---- blocked again, and no more ----

SELECT lives_ok($$SELECT twin.block_address('192.0.2.2', '1 hour', 'first')$$);
SELECT lives_ok($$SELECT twin.block_address('192.0.2.2', '2 hours')$$);
SELECT is((SELECT row(reason, blocked_until - blocked_at > '119 minutes', blocked_by = session_user)::text FROM twin.blocked_addresses WHERE address = '192.0.2.2'), '(first,t,t)', 'blocked again it is blocked for longer, and the reason stays');
SELECT lives_ok($$SELECT twin.block_address('192.0.2.2', '1 second', 'second')$$);
SELECT is((SELECT row(reason, blocked_until - blocked_at > '119 minutes')::text FROM twin.blocked_addresses WHERE address = '192.0.2.2'), '(second,t)', 'never for less');
SELECT lives_ok($$SELECT twin.unblock_address('192.0.2.2')$$);
SELECT is_empty($$SELECT 1 FROM twin.blocked_addresses WHERE address = '192.0.2.2'$$, 'unblocked it is gone');
SELECT throws_ok($$SELECT twin.unblock_address('192.0.2.2')$$, '42704', '192.0.2.2/32 is not blocked', 'once');
SELECT throws_ok($$SELECT twin.unblock_address('10.1.1.1')$$, '42704', '10.1.1.1/32 is not blocked', 'and nothing is taken out of a wider block');
SELECT throws_ok($$SELECT twin.unblock_address(NULL)$$, '22004', NULL, 'nor is nothing unblocked');
SELECT lives_ok($$SELECT twin.block_address('192.0.2.2', '1 second', 'third')$$);
SELECT is((SELECT row(reason, blocked_until - blocked_at <= '1 second')::text FROM twin.blocked_addresses WHERE address = '192.0.2.2'), '(third,t)', 'what was over begins anew');
SELECT lives_ok($$SELECT twin.unblock_address('::ffff:203.0.113.0/120')$$, 'a mapped network is unblocked as what it is');

-- ---- who is never blocked ----

SELECT is(twin_internal.block_exemption('192.0.2.9'), NULL, 'most are not exempt');
INSERT INTO twin.never_blocked VALUES ('192.0.2.8/30', 'our gateways'), ('2001:db8:7::/48', NULL);
SELECT is(twin_internal.block_exemption('192.0.2.9'), '192.0.2.8/30 is in twin.never_blocked: our gateways');
SELECT is(twin_internal.block_exemption('2001:db8:7::1'), '2001:db8:7::/48 is in twin.never_blocked');
SELECT is(twin_internal.block_exemption('127.0.0.1'), 'loopback');
SELECT is(twin_internal.block_exemption('192.0.2.0/24'), NULL, 'a wider network is not');
SELECT throws_ok($$SELECT twin.block_address('192.0.2.9')$$, '22023', '192.0.2.9/32 is never blocked');
SELECT throws_ok($$SELECT twin.block_address('2001:db8:7:1::/64')$$, '22023', '2001:db8:7:1::/64 is never blocked');
SELECT lives_ok($$SELECT twin.block_address('192.0.2.0/24')$$, 'a network that holds one is blocked but for it');
SELECT throws_ok($$INSERT INTO twin.never_blocked VALUES ('::ffff:192.0.2.0/120')$$, '23514', NULL, 'an IPv4 network is written as one');

SELECT * FROM finish();
ROLLBACK;
