/*
 * check_versions.sql
 *		Software without known holes: dependencies.sql knows them.
 */

/* The PostgreSQL project's own dates: five years after a branch's first release. */
CREATE TABLE twin_internal.branch_ends (
	branch integer PRIMARY KEY,
	ends date NOT NULL
);
COMMENT ON TABLE twin_internal.branch_ends IS 'until when branches of PostgreSQL get fixes; part of the extension, not of a dump';
SELECT twin_internal.keep_from_publishers('twin_internal.branch_ends');
INSERT INTO twin_internal.branch_ends VALUES (15, '2027-11-11'), (16, '2028-11-09'), (17, '2029-11-08'), (18, '2030-11-14');

CREATE VIEW twin_internal.check_version_1 AS
	SELECT 'fail' AS status, 'PostgreSQL ' || current_setting('server_version') AS object, format('%s: fixed in %s', d.advisories, d.fixed_in) AS detail
	FROM twin_internal.dependency_holes d WHERE d.product = 'postgresql'
	UNION ALL SELECT 'pass', NULL, 'PostgreSQL ' || current_setting('server_version');
COMMENT ON VIEW twin_internal.check_version_1 IS 'a PostgreSQL with known holes';

CREATE VIEW twin_internal.check_version_2 AS
	SELECT CASE WHEN e.ends IS NULL THEN 'warn' WHEN e.ends < now()::date THEN 'fail' WHEN e.ends < now()::date + 180 THEN 'warn' ELSE 'pass' END AS status, 'PostgreSQL ' || n.branch AS object,
		coalesce('gets fixes until ' || e.ends, 'is not a branch that is known here') AS detail
	FROM (SELECT current_setting('server_version_num')::integer / 10000) n (branch) LEFT JOIN twin_internal.branch_ends e USING (branch);
COMMENT ON VIEW twin_internal.check_version_2 IS 'a branch of PostgreSQL that gets no more fixes, or soon will not';

CREATE VIEW twin_internal.check_version_3 AS
	SELECT 'warn' AS status, twin_internal.openssl_version() AS object, format('%s: fixed in %s, or in the distribution''s package', d.advisories, d.fixed_in) AS detail
	FROM twin_internal.dependency_holes d WHERE d.product = 'openssl'
	UNION ALL SELECT 'pass', NULL, twin_internal.openssl_version();
COMMENT ON VIEW twin_internal.check_version_3 IS 'an OpenSSL with known holes';

/* Tokens are verified by code of the extension's own; libjwt signs. */
CREATE VIEW twin_internal.check_version_4 AS
	SELECT 'warn' AS status, d.file AS object, d.advisories AS detail FROM twin_internal.dependency_holes d WHERE d.product = 'libjwt'
	UNION ALL SELECT 'pass', NULL, coalesce((SELECT l.file || ' signs tokens, and verifies none' FROM twin_internal.loaded_libraries() l WHERE l.product = 'libjwt'), 'libjwt is not used');
COMMENT ON VIEW twin_internal.check_version_4 IS 'a libjwt with holes that matter here';

CREATE VIEW twin_internal.check_version_5 AS
	SELECT CASE WHEN e.extversion = a.default_version THEN 'pass' ELSE 'fail' END AS status, 'twin_security' AS object,
		format('version %s is installed, the files are of %s', e.extversion, coalesce(a.default_version, 'no version')) AS detail
	FROM pg_catalog.pg_extension e LEFT JOIN pg_available_extensions() a ON a.name = e.extname WHERE e.extname = 'twin_security';
COMMENT ON VIEW twin_internal.check_version_5 IS 'library and SQL of the extension are of different versions';

CREATE VIEW twin_internal.check_version_6 AS
	SELECT 'warn' AS status, quote_ident(e.extname) AS object, format('version %s is installed, %s is there', e.extversion, a.default_version) AS detail
	FROM pg_catalog.pg_extension e JOIN pg_available_extensions() a ON a.name = e.extname WHERE e.extname <> 'twin_security' AND e.extversion <> a.default_version;
COMMENT ON VIEW twin_internal.check_version_6 IS 'other extensions that wait for ALTER EXTENSION UPDATE';

CREATE VIEW twin_internal.check_version_7 AS
	SELECT 'warn' AS status, concat_ws(' ', d.product, d.version) AS object, format('%s: fixed in %s, or in the distribution''s package', d.advisories, d.fixed_in) AS detail
	FROM twin_internal.dependency_holes d WHERE d.product NOT IN ('postgresql', 'openssl', 'libjwt')
	UNION ALL SELECT 'pass', NULL, (SELECT string_agg(concat_ws(' ', l.product, l.version), ', ' ORDER BY l.product COLLATE "C") FROM twin_internal.loaded_libraries() l
		WHERE l.product NOT IN ('postgresql', 'openssl', 'libjwt'));
COMMENT ON VIEW twin_internal.check_version_7 IS 'another library with known holes';

CREATE VIEW twin_internal.check_server_1 AS
	SELECT 'warn' AS status, s.name AS object, 'what the files say takes a restart' AS detail FROM pg_catalog.pg_settings s WHERE s.pending_restart;
COMMENT ON VIEW twin_internal.check_server_1 IS 'settings that are not yet what the files say';

/* The line itself is not shown. */
CREATE VIEW twin_internal.check_server_2 AS
	SELECT 'fail' AS status, format('line %s of %s', f.sourceline, f.sourcefile) AS object, f.error AS detail FROM pg_catalog.pg_file_settings f
	WHERE f.error IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings s WHERE s.name = f.name AND s.pending_restart);
COMMENT ON VIEW twin_internal.check_server_2 IS 'lines of the configuration that the server cannot read';
