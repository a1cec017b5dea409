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

-- a number that is none is text, and spoils nothing of its row
SELECT twin_internal.change_side('\x0003'::bytea || '\x02000161016e' || '\x01000462626262016e' || '\x0200026363016e', '\x02'::bytea || '\x03312d32' || '\x0479797979' || '\x03312d33', true);

-- what is remembered of tables goes with them
CREATE TABLE audit_rotated (id integer, at integer) PARTITION BY LIST (at);
SELECT twin.audit_table('audit_rotated');
DO $$
BEGIN
	FOR i IN 1..100 LOOP
		EXECUTE format('CREATE TABLE audit_rotated_%s PARTITION OF audit_rotated FOR VALUES IN (%s)', i, i);
		EXECUTE format('INSERT INTO audit_rotated_%s VALUES (1, %s)', i, i);
		EXECUTE format('DROP TABLE audit_rotated_%s', i);
	END LOOP;
END
$$;
SELECT count(*) < 80 AS few FROM pg_backend_memory_contexts WHERE name = 'twin_security audited table';
DROP TABLE audit_rotated;
