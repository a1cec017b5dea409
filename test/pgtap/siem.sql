-- siem.sql: who may export events, and what is refused. (What comes out of it: test/t/096_siem.pl, test/unit/siem_test.c.)
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
SELECT * FROM finish();
ROLLBACK;
