-- audit: see test/pgtap and test/t for what needs more than one session
\set SHOW_CONTEXT never
SELECT pg_get_function_arguments('twin.audit_table'::regproc) AS audit_table, pg_get_function_arguments('twin.unaudit_table'::regproc) AS unaudit_table;
CREATE TABLE audited_units (id integer PRIMARY KEY, name text, password text);
SELECT twin.audit_table('audited_units');
INSERT INTO audited_units VALUES (1, 'boiler', 'hidden'), (2, 'pump', NULL);
UPDATE audited_units SET name = 'pump 2' WHERE id = 2;
DELETE FROM audited_units WHERE id = 1;
TRUNCATE audited_units;
SELECT event_type, class, severity, outcome, action, record_id, old, new, diff, details FROM twin.audit_log WHERE resource = 'public.audited_units' AND event_type !~ '^(audit|ddl)'
ORDER BY event_id;
DROP TRIGGER twin_audit_insert ON audited_units;
SELECT twin.unaudit_table('audited_units');
INSERT INTO audited_units VALUES (3);
SELECT count(*) FROM twin.audit_log WHERE record_id = '3' AND resource = 'public.audited_units';
DROP TABLE audited_units;
