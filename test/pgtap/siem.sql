-- siem.sql: who may export events, what is refused, and what an outcome is to others. (What else comes out of it: test/t/096_siem.pl, test/unit/siem_test.c.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

CREATE ROLE siem_shipper IN ROLE twin_auditor;
CREATE ROLE siem_stranger;
SELECT function_privs_are('twin', 'siem_events', ARRAY['text', 'bigint', 'integer'], r,
	CASE WHEN r IN ('twin_admin', 'twin_auditor', 'siem_shipper') THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and siem_events()')
	FROM unnest('{twin_admin,twin_operator,twin_viewer,twin_auditor,twin_anonymous,twin_gateway,siem_shipper,siem_stranger}'::name[]) r;
SELECT function_privs_are('twin_internal', 'siem_event', ARRAY['text', 'bigint', 'bytea'], r, '{}', r || ' and siem_event()')
	FROM unnest('{twin_admin,twin_auditor,siem_shipper,siem_stranger}'::name[]) r;
SET ROLE siem_shipper;
SELECT is_empty(format('SELECT * FROM twin.siem_events(%L)', f), 'nothing is sealed: ' || f) FROM unnest('{native,ecs,ocsf,cef,rfc5424}'::text[]) f;
SELECT throws_ok(format('SELECT * FROM twin.siem_events(%L)', f), '22023', 'unknown format of events', 'no format: ' || coalesce(f, 'null'))
	FROM unnest('{"",NATIVE,json,syslog,NULL}'::text[]) f;
SELECT throws_ok(format('SELECT * FROM twin.siem_events(%L, %s)', 'cef', a), '22023', NULL, 'nothing goes on after ' || a)
	FROM unnest('{-1,1,1000,9223372036854775807,"NULL"}'::text[]) a;
SELECT throws_ok($$ SELECT * FROM twin.siem_events('cef', 0, -1) $$, '22023', NULL, 'fewer than none');
SELECT throws_ok($$ SELECT * FROM twin.siem_events('cef', 0, NULL) $$, '22023', NULL, 'as many as nothing');
RESET ROLE;
SELECT throws_ok($$ SELECT twin_internal.siem_event('native', 0, '\x') $$, 'XX001', 'leaf 0 of the audit log is no event', 'bytes that are no event');

-- an event as the tree holds it (src/common/leaf.h)
CREATE FUNCTION siem_line(format text, type text, outcome text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT twin_internal.siem_event(format, 5, '\x010000' || int8send(17000) || decode(repeat('00', 5 * 8 + 4), 'hex') ||
		string_agg(coalesce(int4send(octet_length(t)) || convert_to(t, 'UTF8'), '\xffffffff'), '' ORDER BY i))
	FROM unnest(ARRAY['audit', type, 'medium', outcome, 'CREATE ROLE', 'bob'] || array_fill(NULL::text, ARRAY[12])) WITH ORDINALITY u(t, i)
$$;
SELECT is(siem_line('ecs', 'user_created', o)::jsonb #>> '{event,outcome}', e, 'ecs: ' || o) FROM (VALUES
	('success', 'success'), ('failure', 'failure'), ('denied', 'failure'), ('error', 'failure'), ('unknown', 'unknown')) v(o, e);
SELECT is(siem_line('ocsf', 'user_created', o)::jsonb ->> 'status_id', e, 'ocsf: ' || o) FROM (VALUES
	('success', '1'), ('failure', '2'), ('denied', '2'), ('error', '2'), ('unknown', '0')) v(o, e);
SELECT is(siem_line('native', 'user_created', 'unknown')::jsonb ->> 'outcome', 'unknown', 'native: unknown');
SELECT matches(siem_line('cef', 'user_created', 'unknown'), ' outcome=unknown ', 'cef: unknown');
SELECT matches(siem_line('rfc5424', 'user_created', 'unknown'), ' outcome="unknown" ', 'rfc5424: unknown');
SELECT is(siem_line('ocsf', t, 'success')::jsonb ->> 'type_uid', u, 'ocsf: ' || t) FROM (VALUES
	('audit_disabled', '100810'), ('extension_created', '600201'), ('library_loaded', '100501'), ('role_revoked', '300502'), ('server_program', '600599')) v(t, u);
SELECT * FROM finish();
ROLLBACK;
