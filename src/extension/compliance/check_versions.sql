/*
 * check_versions.sql
 *		Software without known holes. What is known is known as of this version of the extension.
 */

/* fixed_in is the first version of a branch that has the fixes; distributions fix older ones, too, and say so in theirs. */
CREATE TABLE twin_internal.known_advisories (
	product text NOT NULL CHECK (product IN ('postgresql', 'openssl', 'libjwt')),
	branch text NOT NULL,
	fixed_in integer[] NOT NULL,
	advisories text NOT NULL,
	PRIMARY KEY (product, branch, fixed_in)
);
COMMENT ON TABLE twin_internal.known_advisories IS 'security advisories per product and branch, and the version that is free of them; part of the extension, not of a dump';

INSERT INTO twin_internal.known_advisories
	SELECT 'postgresql', a.branch, ARRAY[a.branch::integer, a.minor], a.advisories FROM (VALUES
		('15', 2, 'CVE-2022-41862'), ('15', 3, 'CVE-2023-2454, CVE-2023-2455'), ('15', 4, 'CVE-2023-39417, CVE-2023-39418'),
		('15', 5, 'CVE-2023-5868, CVE-2023-5869, CVE-2023-5870'), ('15', 6, 'CVE-2024-0985'), ('15', 7, 'CVE-2024-4317'), ('15', 8, 'CVE-2024-7348'),
		('15', 9, 'CVE-2024-10976, CVE-2024-10977, CVE-2024-10978, CVE-2024-10979'), ('15', 11, 'CVE-2025-1094'), ('15', 13, 'CVE-2025-4207'),
		('15', 14, 'CVE-2025-8713, CVE-2025-8714, CVE-2025-8715'), ('15', 15, 'CVE-2025-12817, CVE-2025-12818'), ('15', 16, 'the security release of February 2026'),
		('15', 18, 'CVE-2026-6472, CVE-2026-6473, CVE-2026-6474, CVE-2026-6475, CVE-2026-6477, CVE-2026-6478, CVE-2026-6479, CVE-2026-6637'),
		('16', 1, 'CVE-2023-5868, CVE-2023-5869, CVE-2023-5870'), ('16', 2, 'CVE-2024-0985'), ('16', 3, 'CVE-2024-4317'), ('16', 4, 'CVE-2024-7348'),
		('16', 5, 'CVE-2024-10976, CVE-2024-10977, CVE-2024-10978, CVE-2024-10979'), ('16', 7, 'CVE-2025-1094'), ('16', 9, 'CVE-2025-4207'),
		('16', 10, 'CVE-2025-8713, CVE-2025-8714, CVE-2025-8715'), ('16', 11, 'CVE-2025-12817, CVE-2025-12818'), ('16', 12, 'the security release of February 2026'),
		('16', 14, 'CVE-2026-6472, CVE-2026-6473, CVE-2026-6474, CVE-2026-6475, CVE-2026-6477, CVE-2026-6478, CVE-2026-6479, CVE-2026-6637, CVE-2026-6638'),
		('17', 1, 'CVE-2024-10976, CVE-2024-10977, CVE-2024-10978, CVE-2024-10979'), ('17', 3, 'CVE-2025-1094'), ('17', 5, 'CVE-2025-4207'),
		('17', 6, 'CVE-2025-8713, CVE-2025-8714, CVE-2025-8715'), ('17', 7, 'CVE-2025-12817, CVE-2025-12818'), ('17', 8, 'the security release of February 2026'),
		('17', 10, 'CVE-2026-6472, CVE-2026-6473, CVE-2026-6474, CVE-2026-6475, CVE-2026-6476, CVE-2026-6477, CVE-2026-6478, CVE-2026-6479, CVE-2026-6637, CVE-2026-6638'),
		('18', 1, 'CVE-2025-12817, CVE-2025-12818'), ('18', 2, 'the security release of February 2026'),
		('18', 4, 'CVE-2026-6472, CVE-2026-6473, CVE-2026-6474, CVE-2026-6475, CVE-2026-6476, CVE-2026-6477, CVE-2026-6478, CVE-2026-6479, CVE-2026-6637, CVE-2026-6638')) a (branch, minor, advisories);
INSERT INTO twin_internal.known_advisories VALUES
	('openssl', '1.1', ARRAY[1, 1, 2], 'OpenSSL 1.1 has had no public fixes since September 2023'),
	('openssl', '3.0', ARRAY[3, 0, 7], 'CVE-2022-3602, CVE-2022-3786'),
	('openssl', '3.0', ARRAY[3, 0, 8], 'CVE-2023-0286');

/* The PostgreSQL project's own dates: five years after a branch's first release. */
CREATE TABLE twin_internal.branch_ends (
	branch integer PRIMARY KEY,
	ends date NOT NULL
);
COMMENT ON TABLE twin_internal.branch_ends IS 'until when branches of PostgreSQL get fixes; part of the extension, not of a dump';
SELECT twin_internal.keep_from_publishers('twin_internal.known_advisories');
SELECT twin_internal.keep_from_publishers('twin_internal.branch_ends');
INSERT INTO twin_internal.branch_ends VALUES (15, '2027-11-11'), (16, '2028-11-09'), (17, '2029-11-08'), (18, '2030-11-14');

CREATE VIEW twin_internal.check_version_1 AS
	SELECT 'fail' AS status, 'PostgreSQL ' || current_setting('server_version') AS object, format('%s: fixed in %s', string_agg(a.advisories, ', ' ORDER BY a.fixed_in), array_to_string(max(a.fixed_in), '.')) AS detail
	FROM (SELECT current_setting('server_version_num')::integer) n (number), twin_internal.known_advisories a
	WHERE a.product = 'postgresql' AND a.branch = (n.number / 10000)::text AND ARRAY[n.number / 10000, n.number % 10000] < a.fixed_in HAVING count(*) > 0
	UNION ALL SELECT 'pass', NULL, 'PostgreSQL ' || current_setting('server_version');
COMMENT ON VIEW twin_internal.check_version_1 IS 'a PostgreSQL with known holes';

CREATE VIEW twin_internal.check_version_2 AS
	SELECT CASE WHEN e.ends IS NULL THEN 'warn' WHEN e.ends < now()::date THEN 'fail' WHEN e.ends < now()::date + 180 THEN 'warn' ELSE 'pass' END AS status, 'PostgreSQL ' || n.branch AS object,
		coalesce('gets fixes until ' || e.ends, 'is not a branch that is known here') AS detail
	FROM (SELECT current_setting('server_version_num')::integer / 10000) n (branch) LEFT JOIN twin_internal.branch_ends e USING (branch);
COMMENT ON VIEW twin_internal.check_version_2 IS 'a branch of PostgreSQL that gets no more fixes, or soon will not';

CREATE VIEW twin_internal.check_version_3 AS
	SELECT 'warn' AS status, v.name AS object, format('%s: fixed in %s, or in the distribution''s package', string_agg(a.advisories, ', ' ORDER BY a.fixed_in), array_to_string(max(a.fixed_in), '.')) AS detail
	FROM (SELECT twin_internal.openssl_version()) v (name), LATERAL (SELECT regexp_match(v.name, '([0-9]+)[.]([0-9]+)[.]([0-9]+)')::integer[]) n (number), twin_internal.known_advisories a
	WHERE a.product = 'openssl' AND a.branch = concat_ws('.', n.number[1], n.number[2]) AND n.number < a.fixed_in GROUP BY v.name
	UNION ALL SELECT 'pass', NULL, twin_internal.openssl_version();
COMMENT ON VIEW twin_internal.check_version_3 IS 'an OpenSSL with known holes';

/* Tokens are verified by code of the extension's own; libjwt signs. Its file says the version of its interface, and that is all one can see. */
CREATE VIEW twin_internal.check_version_4 AS
	SELECT 'warn' AS status, v.file AS object, string_agg(a.advisories, ', ') AS detail
	FROM (SELECT twin_internal.libjwt_file()) v (file), LATERAL (SELECT string_to_array(substring(v.file FROM 'so[.]([0-9.]+)$'), '.')::integer[]) n (number), twin_internal.known_advisories a
	WHERE a.product = 'libjwt' AND n.number < a.fixed_in GROUP BY v.file
	UNION ALL SELECT 'pass', NULL, coalesce(twin_internal.libjwt_file() || ' signs tokens, and verifies none', 'libjwt is not used');
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

CREATE VIEW twin_internal.check_server_1 AS
	SELECT 'warn' AS status, s.name AS object, 'what the files say takes a restart' AS detail FROM pg_catalog.pg_settings s WHERE s.pending_restart;
COMMENT ON VIEW twin_internal.check_server_1 IS 'settings that are not yet what the files say';

/* The line itself is not shown. */
CREATE VIEW twin_internal.check_server_2 AS
	SELECT 'fail' AS status, format('line %s of %s', f.sourceline, f.sourcefile) AS object, f.error AS detail FROM pg_catalog.pg_file_settings f
	WHERE f.error IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings s WHERE s.name = f.name AND s.pending_restart);
COMMENT ON VIEW twin_internal.check_server_2 IS 'lines of the configuration that the server cannot read';
