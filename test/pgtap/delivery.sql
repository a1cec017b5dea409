-- delivery.sql: which channels are told of an alert, claims and what becomes of them, and who may do what.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;

-- ---- who may call what ----

SELECT function_privs_are('twin', f, a, r, CASE r WHEN 'twin_notifier' THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and ' || f)
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,twin_notifier,pg_monitor}'::name[]) r,
		(VALUES ('register_alert_channels', '{text,jsonb}'::name[]), ('claim_deliveries', '{text,integer,interval}'), ('settle_delivery', '{bigint,uuid,text,text,interval}')) v (f, a);
SELECT function_privs_are('twin', 'retry_delivery', '{bigint}', r, CASE r WHEN 'twin_admin' THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and retry_delivery')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,twin_notifier,pg_monitor}'::name[]) r;
SELECT table_privs_are('twin', v, r, CASE WHEN r IN ('twin_admin', 'twin_auditor') THEN '{SELECT}' ELSE '{}' END::name[], r || ' and ' || v)
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,twin_notifier,pg_monitor}'::name[]) r, unnest('{alert_deliveries,alert_channels}'::name[]) v;
SELECT is((SELECT array_agg(c.relname::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 'twin%' AND c.relkind IN ('r', 'v')
	AND has_table_privilege('twin_notifier', c.oid, 'SELECT,INSERT,UPDATE,DELETE') AND NOT has_table_privilege('twin_viewer', c.oid, 'SELECT')), NULL, 'the notifier reads no table and no view that others do not');
SELECT is(rolcanlogin OR rolsuper OR rolcreaterole OR rolbypassrls, false, 'its role is a group until a DBA lets it in') FROM pg_roles WHERE rolname = 'twin_notifier';
SELECT is((SELECT count(*)::int FROM pg_auth_members m WHERE m.member = 'twin_notifier'::regrole), 0, '... and member of nothing');

CREATE ROLE told LOGIN IN ROLE twin_notifier;
CREATE ROLE boss LOGIN IN ROLE twin_admin;
CREATE FUNCTION claimed(channel text, most int DEFAULT 10) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(rule_name || ' ' || coalesce(subject, '-') || ' ' || attempts, ',' ORDER BY alert_id) FROM twin.claim_deliveries(channel, most, '30 s') $$;
CREATE FUNCTION states() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
	SELECT string_agg(channel || ':' || alert_id - (SELECT min(alert_id) FROM twin.alerts) || ':' || state || ':' || attempts, ' ' ORDER BY alert_id, channel) FROM twin.alert_deliveries $$;
CREATE FUNCTION nth(n int) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT d.delivery_id FROM twin.alert_deliveries d ORDER BY d.alert_id, d.channel DESC OFFSET n LIMIT 1 $$;

-- ---- channels ----

SELECT twin_internal.raise_alert('before', 'high', NULL, 1, '{1}');
SELECT twin_internal.raise_alert('trifle', 'low', NULL, 1, '{1}');
SET SESSION AUTHORIZATION told;
SELECT throws_ok($$SELECT twin.register_alert_channels('main', '{}')$$, '22023', NULL, 'no array of channels');
SELECT throws_ok($$SELECT twin.register_alert_channels('main', (SELECT jsonb_agg('{}'::jsonb) FROM generate_series(1, 33)))$$, '22023', NULL, 'too many channels');
SELECT throws_ok(format($$SELECT twin.register_alert_channels('main', '[{"channel": "a", "kind": "webhook", "min_severity": "low", "max_age": "1 day", "is_on": true}]'::jsonb #- '{0,%s}')$$, k), '23502', NULL, 'a channel without ' || k)
	FROM unnest('{channel,kind,min_severity,max_age,is_on}'::text[]) k;
SELECT throws_ok(format($$SELECT twin.register_alert_channels('main', '[{"channel": "a", "kind": "webhook", "min_severity": "low", "max_age": "1 day", "is_on": true}]'::jsonb || '[]' #- '{0,%s}' || jsonb_build_array('{"channel": "b", "kind": "smtp", "min_severity": "low", "max_age": "1 day", "is_on": true}'::jsonb || %L))$$, 'nothing', v), s, NULL, 'a channel with ' || v)
	FROM (VALUES ('{"channel": "A b"}', '23514'), ('{"kind": "pigeon"}', '23514'), ('{"min_severity": "loud"}', '23514'), ('{"max_age": "-1 day"}', '23514'), ('{"rules": []}', '23514'), ('{"rules": [null]}', '23514'), ('{"max_age": "x"}', '22007')) x (v, s);
SELECT is(twin.register_alert_channels('main', '[{"channel": "chat", "kind": "webhook", "min_severity": "high", "max_age": "1 day", "is_on": true},
	{"channel": "mail", "kind": "smtp", "min_severity": "info", "rules": ["one", "two"], "max_age": "1 hour", "is_on": true}]'), 2, 'two channels are registered');
SELECT is(claimed('chat'), 'before - 1', 'a new channel is told of what nobody was told of, as far as it wants it');
SELECT is(claimed('mail'), NULL, '... and no other');
SELECT is(twin.register_alert_channels('main', '[{"channel": "mail", "kind": "smtp", "min_severity": "info", "rules": ["one", "two"], "max_age": "1 hour", "is_on": true},
	{"channel": "chat", "kind": "webhook", "min_severity": "high", "max_age": "1 day", "is_on": true}]'), 0, 'the same again changes nothing');
SELECT throws_ok($$SELECT * FROM twin.alert_deliveries$$, '42501', NULL, 'it does not see the deliveries of others');
SELECT throws_ok($$SELECT * FROM twin.alerts$$, '42501', NULL, '... nor alerts');
RESET SESSION AUTHORIZATION;
SELECT results_eq($$SELECT channel COLLATE "default", kind, min_severity, rules, notifier, is_on FROM twin.alert_channels ORDER BY 1$$,
	$$VALUES ('chat', 'webhook', 'high', NULL, 'main', true), ('mail', 'smtp', 'info', '{one,two}'::text[], 'main', true)$$, 'administrators see them');

-- ---- alerts ----

SELECT twin_internal.raise_alert('one', 'low', '10.0.0.1', 5, '{1,2}', '{"why": "x"}');
SELECT twin_internal.raise_alert('two', 'critical', 'bob', 5, (SELECT array_agg(i) FROM generate_series(1, 40) i), jsonb_build_object('long', repeat('x', 20000)));
SELECT twin_internal.raise_alert('three', 'medium', NULL, 5, '{1}');
SELECT is(states(), 'chat:0:pending:1 mail:2:pending:0 chat:3:pending:0 mail:3:pending:0', 'an alert is for channels that want its severity and its rule');
SET SESSION AUTHORIZATION told;
SELECT is((SELECT array_agg(rule_name || ' ' || severity || ' ' || count || ' ' || jsonb_array_length(event_ids) || ' ' || details::text ORDER BY alert_id)::text FROM twin.claim_deliveries('mail', 10, '1 minute')),
	(ARRAY['one low 5 2 {"why": "x"}', 'two critical 5 16 {"truncated": true}'])::text, 'who claims is given what there is to tell, bounded');
SELECT is(claimed('mail'), NULL, 'what is claimed is not claimed again');
SELECT is(claimed('chat'), 'two bob 1', 'each channel has its own');
SELECT throws_ok(format('SELECT twin.claim_deliveries(%L, %s, %L)', 'mail', n, l), '22023', NULL, 'no claim of ' || n || ' for ' || l) FROM (VALUES (0, '1 min'), (1001, '1 min'), (1, '0'), (1, '-1 min'), (1, '2 hours')) v (n, l);
RESET SESSION AUTHORIZATION;

-- ---- what becomes of them ----

CREATE TABLE claims AS SELECT d.delivery_id, d.claim, d.delivery_key FROM twin_internal.alert_deliveries d;
GRANT SELECT ON claims TO PUBLIC;
CREATE FUNCTION settled(which bigint, outcome text, error text DEFAULT NULL, retry_in interval DEFAULT NULL) RETURNS boolean LANGUAGE sql AS $$
	SELECT twin.settle_delivery(c.delivery_id, c.claim, outcome, error, retry_in) FROM claims c WHERE c.delivery_id = which $$;
SET SESSION AUTHORIZATION told;
SELECT is(settled(nth(0), 'delivered'), true, 'one is delivered');
SELECT is(settled(nth(0), 'dead'), false, '... and stays it');
SELECT is(settled(nth(1), 'retry', E'no\r\n\x01route \u202eto' || repeat('x', 1000), '10 s'), true, 'one is tried again later');
SELECT is(settled(nth(1), 'dead'), false, 'a claim is settled once');
SELECT is(settled(nth(2), 'released'), true, 'one was not tried');
SELECT is(settled(nth(3), 'dead', 'status 404'), true, 'one is given up');
SELECT throws_ok(format('SELECT settled(%s, %s)', nth(0), a), '22023', NULL, 'no outcome: ' || a) FROM unnest(ARRAY['NULL', $$'lost'$$, $$'retry', 'x'$$, $$'retry', 'x', '-1 s'$$, $$'retry', 'x', '2 days'$$]) a;
SELECT is(twin.settle_delivery(nth(1), gen_random_uuid(), 'dead'), false, 'not with a claim of one''s own invention');
RESET SESSION AUTHORIZATION;
SELECT is(states(), 'chat:0:delivered:1 mail:2:pending:1 chat:3:dead:1 mail:3:pending:0', 'each is in its state');
SELECT is((SELECT array_agg(d.delivered_at IS NOT NULL ORDER BY alert_id) FROM twin.alerts d), '{t,f,f,f,f}', 'the alert says when it was first delivered');
SELECT is((SELECT count(*)::int FROM twin.alert_deliveries WHERE (next_attempt_at IS NULL) <> (state <> 'pending')), 0, 'only what is pending has a next attempt');
SELECT is((SELECT length(last_error) || left(last_error, 14) FROM twin.alert_deliveries WHERE delivery_id = nth(1)), '200no???route ?to', 'the error is bounded and printable');
SELECT is((SELECT last_error FROM twin.alert_deliveries WHERE delivery_id = nth(3)), 'status 404', '... and kept');
SET SESSION AUTHORIZATION told;
SELECT is(claimed('mail'), 'two bob 1', 'what was released is there at once, as if it had not been tried');
SELECT is(claimed('chat'), NULL, 'what is dead is not tried');
RESET SESSION AUTHORIZATION;
UPDATE twin_internal.alert_deliveries SET next_attempt_at = clock_timestamp() WHERE channel = 'mail';
TRUNCATE claims;
INSERT INTO claims SELECT d.delivery_id, d.claim, d.delivery_key FROM twin_internal.alert_deliveries d;
SET SESSION AUTHORIZATION told;
SELECT is(claimed('mail'), 'one 10.0.0.1 2,two bob 2', 'a lease that ran out is another''s');
SELECT is(settled(nth(2), 'retry', 'late', '1 s'), false, '... and the first can settle no failure');
SELECT is(settled(nth(2), 'delivered'), true, '... but that it was told stays true');
RESET SESSION AUTHORIZATION;
SELECT is((SELECT count(DISTINCT delivery_key)::int FROM twin_internal.alert_deliveries), 4, 'each has a key of its own');
SELECT is((SELECT count(*)::int FROM claims c JOIN twin_internal.alert_deliveries d USING (delivery_id, delivery_key)), 4, '... that stays');

-- ---- trying again ----

SET SESSION AUTHORIZATION boss;
SELECT throws_ok('SELECT twin.retry_delivery(NULL)', '22004', NULL, 'no delivery at all');
SELECT throws_ok('SELECT twin.retry_delivery(-1)', '42704', NULL, 'no such delivery');
SELECT throws_ok(format('SELECT twin.retry_delivery(%s)', nth(0)), '55000', NULL, 'what is delivered is not delivered again');
SELECT throws_ok(format('SELECT twin.retry_delivery(%s)', nth(1)), '55000', NULL, 'nor what is being tried');
SELECT lives_ok(format('SELECT twin.retry_delivery(%s)', nth(3)), 'what was given up is tried again');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION told;
SELECT is(claimed('chat'), 'two bob 1', '... from the first attempt on');
RESET SESSION AUTHORIZATION;

-- ---- age, and channels that go ----

UPDATE twin_internal.alert_deliveries SET worth_since = worth_since - interval '61 minutes', next_attempt_at = clock_timestamp() WHERE state = 'pending';
SELECT is(claimed('mail') || claimed('chat'), NULL, 'the one channel gave up what is too old');
SELECT is(states(), 'chat:0:delivered:1 mail:2:dead:2 chat:3:pending:2 mail:3:delivered:2', '... the other not yet');
SET SESSION AUTHORIZATION boss;
SELECT twin.retry_delivery(nth(1));
RESET SESSION AUTHORIZATION;
SELECT is(claimed('mail'), 'one 10.0.0.1 1', 'who retries what is too old finds it worth it');
SELECT is(twin.register_alert_channels('other', '[{"channel": "log", "kind": "syslog", "min_severity": "info", "max_age": "1 day", "is_on": true}]'), 1, 'another notifier''s channel');
UPDATE twin_internal.alert_deliveries SET next_attempt_at = clock_timestamp() WHERE state = 'pending';
SELECT is(twin.register_alert_channels('main', '[{"channel": "mail", "kind": "smtp", "min_severity": "high", "max_age": "1 day", "is_on": false}]'), 2, 'a channel changes, one goes');
SELECT is((SELECT string_agg(channel || ' ' || notifier || ' ' || is_on, ',' ORDER BY channel) FROM twin.alert_channels), 'log other true,mail main false', '... and the other''s stays');
SELECT is((SELECT string_agg(state || ' ' || last_error, '') FROM twin.alert_deliveries WHERE channel = 'chat' AND state <> 'delivered'), 'dead the channel was removed', 'what it was to be told is given up');
SELECT is((SELECT count(*)::int FROM twin.alert_deliveries WHERE channel = 'log'), 3, 'the new channel is told of the three that nobody was told of');
DELETE FROM twin_internal.alerts;
SELECT is((SELECT count(*)::int FROM twin.alert_deliveries), 0, 'deliveries go with their alerts');

-- ---- who is told first ----

SELECT twin_internal.raise_alert('flood', 'medium', i::text, 1, '{1}') FROM generate_series(1, 40) i;
SELECT twin_internal.raise_alert('breach', s, s, 1, '{1}') FROM unnest('{high,critical}'::text[]) s;
CREATE TABLE told AS SELECT row_number() OVER () AS place, c.severity, c.subject FROM (SELECT (twin.claim_deliveries('log', 4, '1 minute')).*) c;
SELECT is((SELECT string_agg(severity, ' ' ORDER BY place) FROM told), 'critical high medium medium', 'what is worse is told before a flood that was there first');
SELECT is((SELECT array_agg(subject::int) FROM told WHERE severity = 'medium'), '{1,2}', '... of which the oldest are first');
SELECT twin_internal.raise_alert('breach', 'critical', i::text, 1, '{1}') FROM generate_series(1, 40) i;
SELECT is((SELECT string_agg(c.severity, ' ' ORDER BY c.severity) FROM twin.claim_deliveries('log', 4, '1 minute') c), 'critical critical critical medium', 'a flood of what is worst leaves the others a fourth');
SELECT setseed(0.5);
CREATE TABLE singly AS SELECT (twin.claim_deliveries('log', 1, '1 minute')).severity FROM generate_series(1, 32) i;
SELECT ok(count(*) BETWEEN 2 AND 16, '... also when they are claimed singly') FROM singly WHERE severity = 'medium';
DELETE FROM twin_internal.alerts;

-- ---- whose they are ----

SELECT set_config('twin_security.token', twin.issue_token('{"user_id": "1", "role": "admin", "tenant_id": 1}'), true) IS NOT NULL AS token \gset
SET SESSION AUTHORIZATION boss;
SELECT throws_ok('SELECT * FROM twin.alert_deliveries', '42501', NULL, 'a tenant''s administrator sees no deliveries');
SELECT throws_ok('SELECT * FROM twin.alert_channels', '42501', NULL, '... nor channels');
SELECT throws_ok('SELECT twin.retry_delivery(1)', '42501', NULL, '... nor retries');
RESET SESSION AUTHORIZATION;

SELECT * FROM finish();
ROLLBACK;
