/*
 * dependencies.sql
 *		What the extension runs on, in which version, and which security advisories are known for that: one list for
 *		twin.dependencies() and twin.security_check(). What is known is known as of this version of the extension.
 */

CREATE FUNCTION twin_internal.loaded_libraries() RETURNS TABLE (product text, version text, built_with text, file text)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_loaded_libraries';
COMMENT ON FUNCTION twin_internal.loaded_libraries() IS
	'the server and the libraries that are loaded: the version each says, or the one of its file''s name, and that of the headers the extension was built with';

/* fixed_in is the first version of a branch that has the fixes; distributions fix older ones, too, and say so in theirs. */
CREATE TABLE twin_internal.known_advisories (
	product text NOT NULL CHECK (product IN ('postgresql', 'openssl', 'libxcrypt', 'zxcvbn', 'jansson', 'libzstd', 'libjwt')),
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
	('openssl', '3.0', ARRAY[3, 0, 8], 'CVE-2022-4203, CVE-2022-4304, CVE-2022-4450, CVE-2023-0215, CVE-2023-0216, CVE-2023-0217, CVE-2023-0286, CVE-2023-0401'),
	('openssl', '3.0', ARRAY[3, 0, 9], 'CVE-2023-0464, CVE-2023-0465, CVE-2023-0466, CVE-2023-1255, CVE-2023-2650'),
	('openssl', '3.0', ARRAY[3, 0, 10], 'CVE-2023-2975, CVE-2023-3446, CVE-2023-3817'),
	('openssl', '3.0', ARRAY[3, 0, 12], 'CVE-2023-5363'),
	('openssl', '3.0', ARRAY[3, 0, 13], 'CVE-2023-5678, CVE-2023-6129, CVE-2023-6237, CVE-2024-0727'),
	('openssl', '3.0', ARRAY[3, 0, 14], 'CVE-2024-2511, CVE-2024-4603, CVE-2024-4741'),
	('openssl', '3.0', ARRAY[3, 0, 15], 'CVE-2024-5535, CVE-2024-6119'),
	('openssl', '3.0', ARRAY[3, 0, 16], 'CVE-2024-9143, CVE-2024-13176'),
	('openssl', '3.0', ARRAY[3, 0, 18], 'CVE-2025-9230, CVE-2025-9232'),
	('openssl', '3.0', ARRAY[3, 0, 19], 'CVE-2025-15467, CVE-2025-68160, CVE-2025-69418, CVE-2025-69419, CVE-2025-69420, CVE-2025-69421, CVE-2026-22795, CVE-2026-22796'),
	('jansson', 'any', ARRAY[2, 8], 'CVE-2016-4425'),
	('libzstd', 'any', ARRAY[1, 3, 8], 'CVE-2019-11922');
SELECT twin_internal.keep_from_publishers('twin_internal.known_advisories');

CREATE VIEW twin_internal.dependency_holes AS
	SELECT l.product, l.version, l.file, string_agg(a.advisories, ', ' ORDER BY a.fixed_in) AS advisories, array_to_string(max(a.fixed_in), '.') AS fixed_in
	FROM twin_internal.loaded_libraries() l, LATERAL (SELECT string_to_array(substring(l.version FROM '^[0-9]+(?:[.][0-9]+)*'), '.')::integer[]) n (number), twin_internal.known_advisories a
	WHERE a.product = l.product AND (a.branch = 'any' OR array_to_string(n.number, '.') || '.' LIKE a.branch || '.%') AND n.number < a.fixed_in
	GROUP BY l.product, l.version, l.file;
COMMENT ON VIEW twin_internal.dependency_holes IS 'of what is loaded: advisories whose fixes its version lacks, and the version that has all of them';

/* Purposes, in the order of the answer. */
CREATE VIEW twin_internal.dependency_purposes AS
	SELECT p.place, p.product, p.purpose FROM (VALUES
		(1, 'postgresql', 'the server'),
		(2, 'openssl', 'encryption, digests, signatures, random numbers, TLS'),
		(3, 'libxcrypt', 'bcrypt: hashes of passwords'),
		(4, 'zxcvbn', 'how strong a password is'),
		(5, 'jansson', 'JSON of tokens and keys'),
		(6, 'libzstd', 'compression of archives'),
		(7, 'libjwt', 'signs tokens; verifies none')) p (place, product, purpose);
COMMENT ON VIEW twin_internal.dependency_purposes IS 'what the extension needs each of its dependencies for';

CREATE FUNCTION twin.dependencies() RETURNS TABLE (product text, version text, built_with text, file text, purpose text, advisories text, fixed_in text)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT l.product, l.version, l.built_with, l.file, p.purpose, h.advisories, h.fixed_in
		FROM twin_internal.loaded_libraries() l JOIN twin_internal.dependency_purposes p ON p.product = l.product
			LEFT JOIN twin_internal.dependency_holes h ON h.product = l.product ORDER BY p.place;
	END;
COMMENT ON FUNCTION twin.dependencies() IS
	'the server and the libraries that are loaded, with their versions, those the extension was built with, and the security advisories known when it was made whose fixes they lack by their number; distributions fix without a new number';

REVOKE ALL ON FUNCTION twin_internal.loaded_libraries(), twin.dependencies() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.dependencies() TO twin_admin, twin_auditor;
