-- compliance_report.sql: who may ask for the report and of which times, what it has of an empty log, and the pieces of its page.
-- (Figures: test/t/150_compliance_report.pl; the page and its controls: test/t/151_compliance_page.pl.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

-- who may
SELECT function_privs_are('twin', f, '{"timestamp with time zone","timestamp with time zone"}', r, CASE WHEN r IN ('twin_admin', 'twin_auditor') THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and ' || f)
	FROM unnest('{compliance_report,compliance_report_html}'::name[]) f, unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway}'::name[]) r;
SELECT is(count(*), 0::bigint, 'nothing of it is for everybody') FROM pg_proc p WHERE p.pronamespace = 'twin_internal'::regnamespace AND p.proname ~ '^(report_|html_|page_|count_events|uncounted_|fact_counts)'
	AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0));
SET ROLE twin_auditor;
SELECT lives_ok($$ SELECT twin.compliance_report('2026-01-01', '2026-02-01') $$, 'an auditor reports');
SELECT throws_ok($$ UPDATE twin_internal.event_counts SET events = 0 $$, '42501', NULL, '... and changes nothing');
RESET ROLE;
SELECT throws_ok($$ UPDATE twin_internal.event_counts SET events = 0 $$, '42501', 'the audit log is not edited', 'what was counted is part of the log');
SELECT throws_ok($$ TRUNCATE twin_internal.event_counts_position $$, '42501', 'the audit log is not edited', '... and how far, too');

-- of which times
SELECT throws_ok(format('SELECT twin.compliance_report(%L, %L)', f, t), '22023', m, concat_ws(' to ', f, t)) FROM (VALUES
	('2026-02-01', '2026-02-01', 'from_time is not before to_time'), ('2026-02-02', '2026-02-01', 'from_time is not before to_time'), ('2126-02-02', NULL, 'from_time is not before to_time'),
	('-infinity', '2026-02-01', 'a report is of a finite time'), ('2026-02-01', 'infinity', 'a report is of a finite time'), ('infinity', NULL, 'a report is of a finite time')) v (f, t, m);
SELECT is((r #>> '{reporting_period,to}')::timestamptz, statement_timestamp(), 'NULL as to_time is now') FROM twin.compliance_report('2020-01-01', NULL) r;
SELECT is(r #>> '{reporting_period,is_widened}', 'false', 'NULL is nothing to widen') FROM twin.compliance_report(NULL, NULL) r;
SELECT is((r #>> '{reporting_period,from}')::timestamptz, '2020-01-01 00:30:17.5+00'::timestamptz, 'times are as they were asked for') FROM twin.compliance_report('2020-01-01 00:30:17.5+00', '2020-01-01 00:31+00') r;
SELECT lives_ok($$ SELECT twin.compliance_report_html('4713-01-01 BC', '294270-01-01') $$, 'all times that there are');
SET TimeZone = 'Asia/Kathmandu';
SELECT is((p.whole_from, p.whole_to), ('2020-01-01 02:00+00'::timestamptz, '2020-01-01 05:00+00'::timestamptz), 'hours are those of UTC, where clocks differ by three quarters, too')
	FROM twin_internal.report_period('2020-01-01 01:10+00', '2020-01-01 05:15+00') p;
SELECT is(whole_from, whole_to, 'a time without a whole hour') FROM twin_internal.report_period('2020-01-01 01:10+00', '2020-01-01 01:50+00');
RESET TimeZone;

-- of an empty time
SELECT is(ARRAY(SELECT k FROM jsonb_object_keys(r) k ORDER BY k COLLATE "C"), '{alerts,authentication_events,authorization_failures,controls,data_access_events,decryptions,events_by_class,events_by_outcome,events_by_severity,events_by_table,events_by_type,events_by_user,events_dropped,failed_logins,gaps,key_rotations_due,legal_holds,log,report,reporting_period,retention,security_check,security_incidents,timeline,total_audit_events}', 'members of the report')
	FROM twin.compliance_report('1990-01-01', '1990-02-01') r;
SELECT is(r -> 'total_audit_events', '0', 'no events') FROM twin.compliance_report('1990-01-01', '1990-02-01') r;
SELECT is(r -> 'authentication_events', '{"logout": 0, "token_reuse": 0, "login_failure": 0, "login_success": 0, "token_refresh": 0, "token_revoked": 0}', 'every type has its number') FROM twin.compliance_report('1990-01-01', '1990-02-01') r;
SELECT is(r -> 'data_access_events', '{"read": 0, "create": 0, "delete": 0, "update": 0, "decrypt": 0, "truncate": 0}', '... of access to data, too') FROM twin.compliance_report('1990-01-01', '1990-02-01') r;
SELECT is(r -> 'authorization_failures', '{"total": 0, "by_type": {"permission_denied": 0}}', '... and of refusals') FROM twin.compliance_report('1990-01-01', '1990-02-01') r;
SELECT is(twin_internal.report_step('2026-01-01', '2026-01-01'::timestamptz + i), s, i || ' in steps') FROM (VALUES (interval '1 hour', 'hour'), ('3 days', 'hour'), ('4 days', 'day'), ('92 days', 'day'), ('366 days', 'week'), ('9 years', 'month'), ('30 years', 'year')) v (i, s);

-- keys: by age and by messages
SELECT is(twin_internal.report_keys(), '[]', 'new keys need no rotation');
UPDATE twin_internal.key_versions SET created_at = now() - interval '400 days' WHERE key_name = 'main';
SELECT is(twin_internal.report_keys() #- '{0,created_at}' #- '{0,messages}', '[{"key_name": "main", "version": 1, "age_days": 400, "reason": "older than a year"}]', 'an old one does');

-- incidents that were open, whenever they were opened
SELECT twin.open_incident('other', '{"n": 1}') FROM generate_series(1, 2);
UPDATE twin_internal.incidents SET opened_at = '2026-01-10', closed_at = '2026-01-20' WHERE incident_id LIKE '%-0001';
UPDATE twin_internal.incidents SET opened_at = '2026-01-15' WHERE incident_id LIKE '%-0002';
SELECT is(jsonb_array_length(twin_internal.report_incidents(f::timestamptz, t::timestamptz)), n, concat(f, ' to ', t)) FROM (VALUES ('2026-01-01', '2026-01-10', 0), ('2026-01-01', '2026-01-11', 1), ('2026-01-16', '2026-01-17', 2), ('2026-01-21', '2026-01-22', 1)) v (f, t, n);

-- pieces of the page
SELECT is(twin_internal.html_text(E'<a href="x" title=''y''>&amp;</a>'), '&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;', 'text is not markup');
SELECT is(twin_internal.html_text(E'a\u202egnp.exe\u0001\u2066\u200b\uFEFF b\u0085'), 'a?gnp.exe???? b?', '... turns nothing around, and is XML');
SELECT is(length(twin_internal.html_text(repeat('<', 100000))), 160 * 4 + 3, '... and not endless');
SELECT is(twin_internal.html_text(NULL), '', 'no text');
SELECT is(twin_internal.html_number(n), t, t) FROM (VALUES (0, '0'), (999, '999'), (1000, '1,000'), (12345678901234, '12,345,678,901,234')) v (n, t);
SELECT is(twin_internal.html_tick(n)::bigint, t::bigint, n::text) FROM (VALUES (1, 1), (4, 1), (5, 2), (17, 5), (41, 20), (4000000, 1000000), (4000001, 2000000)) v (n, t);
SELECT is(twin_internal.fill_evidence('{a.b} of {c}, {nothing} {log.checkpoint.size}', '{"a": {"b": "{c}"}, "c": 3}'), '{c} of 3, 0 (none)', 'evidence is filled in once');
SELECT is(count(*), count(DISTINCT (framework, control_id)), 'each control once') FROM twin_internal.report_controls;
SELECT is(count(*), 31::bigint, '... all of them') FROM twin_internal.report_controls;
SELECT is((SELECT string_agg(c.control_id, ' ' ORDER BY c.place) FROM twin_internal.report_controls c WHERE c.framework = f), ids, f) FROM (VALUES
	('NIST SP 800-53', 'AU-2 AU-3 AU-4 AU-5 AU-6 AU-8 AU-9 AU-10 AU-11 AU-12 AC-7 IA-2'), ('IEC 62443-3-3', 'SR 2.8 SR 2.9 SR 2.10 SR 2.11 SR 2.12 SR 6.1'), ('NERC CIP-007-6', 'R4.1 R4.2 R4.3 R4.4'),
	('GDPR', 'Art. 5(1)(f) Art. 15 Art. 17 Art. 30 Art. 32 Art. 33'), ('SOX 404', 'ITGC access ITGC change ITGC operations')) v (f, ids);
SELECT is(string_agg(f, ', ' ORDER BY f), 'GDPR, IEC 62443-3-3, NERC CIP-007-6, NIST SP 800-53, SOX 404', '... of five standards') FROM (SELECT DISTINCT framework FROM twin_internal.report_controls) c (f);
SELECT is((SELECT array_agg(m[1]) FROM regexp_matches(twin_internal.html_columns('c', 't', format('{"step": "year", "steps": [%s{"at": "2026-01-01T00:00:00Z", "n": 1}]}', e)::jsonb, '4713-01-01 BC', '2026-06-01', '{n}', '{n}', '{1}'), '<title>(\d+): ', 'g') m), w,
	'a chart of all times: ' || l) FROM (VALUES ('', '{2026}'::text[], 'one event'), ('{"at": "1990-01-01T00:00:00Z", "n": 1}, ', '{1990,2026}', 'centuries'), ('{"at": "0100-01-01T00:00:00Z", "n": 1}, ', '{2026}', 'what an application says was long ago hides nothing of today')) v (e, w, l);
SELECT alike(twin_internal.html_table('c', jsonb_agg(jsonb_build_object('n', i)), '{n|n|number}', ''), '%and 5 more, in twin.compliance_report()%', 'what is left out of a table is said') FROM generate_series(1, 30) i;

SELECT * FROM finish();
ROLLBACK;
