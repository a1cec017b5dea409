/*
 * check_files.sql
 *		Files that nobody else may read or change. Modes are numbers, and PostgreSQL 15 writes no octal ones: 448 is 0700, 488 is
 *		0750, 63 is 0077, 18 is 0022.
 */

CREATE VIEW twin_internal.check_file_1 AS
	SELECT CASE f.mode WHEN 448 THEN 'pass' WHEN 488 THEN 'warn' ELSE 'fail' END AS status, d.path AS object, 'the mode of the data folder is ' || twin_internal.mode_text(f.mode) AS detail
	FROM twin_internal.server_setting('data_directory') d (path), twin_internal.file_facts(d.path) f;
COMMENT ON VIEW twin_internal.check_file_1 IS 'a data folder that others may look into: 0700 is right, 0750 lets a group read';

CREATE VIEW twin_internal.check_file_2 AS
	SELECT 'fail' AS status, p.path AS object, CASE WHEN f.is_ours THEN 'the mode is ' || twin_internal.mode_text(f.mode) ELSE 'it belongs to neither the server''s user nor root' END AS detail
	FROM (SELECT twin_internal.server_setting(s.name) FROM (VALUES ('config_file'), ('hba_file'), ('ident_file')) s (name)
			UNION SELECT twin_internal.server_setting('data_directory') || '/postgresql.auto.conf') p (path), twin_internal.file_facts(p.path) f
	WHERE f.mode & 18 <> 0 OR NOT f.is_ours;
COMMENT ON VIEW twin_internal.check_file_2 IS 'files of the configuration that others may change';

/* Where Debian's pg_ctlcluster has it: beside postgresql.conf. */
CREATE VIEW twin_internal.check_file_3 AS
	SELECT CASE WHEN f.mode IS NULL THEN 'not_applicable' WHEN f.mode & 63 = 0 AND f.is_ours THEN 'pass' ELSE 'fail' END AS status, e.path AS object,
		CASE WHEN f.mode IS NULL THEN 'there is no file environment beside postgresql.conf' ELSE 'the mode is ' || twin_internal.mode_text(f.mode) END AS detail
	FROM (SELECT regexp_replace(twin_internal.server_setting('config_file'), '[^/]*$', 'environment')) e (path), twin_internal.file_facts(e.path) f;
COMMENT ON VIEW twin_internal.check_file_3 IS 'the file with ENCRYPTION_KEY and JWT_SECRET_KEY can be read by others';

CREATE VIEW twin_internal.check_file_4 AS
	SELECT 'fail' AS status, p.path AS object, 'the mode is ' || twin_internal.mode_text(f.mode) AS detail
	FROM (SELECT twin_internal.server_setting(s.name) FROM (VALUES ('twin_security.checkpoint_directory'), ('twin_security.export_directory'), ('twin_security.archive_directory')) s (name)) p (path),
		twin_internal.file_facts(p.path) f
	WHERE p.path <> '' AND f.mode & CASE WHEN p.path IN (twin_internal.server_setting('twin_security.export_directory'), twin_internal.server_setting('twin_security.archive_directory')) THEN 7 ELSE 2 END <> 0;
COMMENT ON VIEW twin_internal.check_file_4 IS 'folders of checkpoints that everybody may change, or of exports and archives that everybody may read';
