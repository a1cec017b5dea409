/*
 * check_tls.sql
 *		Connections are encrypted, by protocols and with a key that hold.
 */

/* Who listens on no network has nothing to encrypt. */
CREATE VIEW twin_internal.check_tls_1 AS
	SELECT CASE WHEN a.addresses = '' THEN 'not_applicable' WHEN a.ssl = 'on' THEN 'pass' ELSE 'fail' END AS status, 'ssl' AS object,
		CASE WHEN a.addresses = '' THEN 'the server listens on no network' ELSE format('ssl is %s, listen_addresses is %s', a.ssl, a.addresses) END AS detail
	FROM (SELECT twin_internal.server_setting('ssl') AS ssl, twin_internal.server_setting('listen_addresses') AS addresses) a;
COMMENT ON VIEW twin_internal.check_tls_1 IS 'ssl is off';

/*
 * The words of a list in OpenSSL's form that take weak ciphers in, unless another takes the same out again. One that begins
 * with + takes nothing in.
 */
CREATE FUNCTION twin_internal.weak_ciphers(ciphers text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT string_agg(w.word, ', ' ORDER BY w.word)
		FROM regexp_split_to_table(upper(ciphers), '[:, ]+') w (word)
		WHERE w.word !~ '^[+!-]' AND w.word ~ '^(ALL|COMPLEMENTOFALL|COMPLEMENTOFDEFAULT|MEDIUM|LOW|EXP.*|[AE]?NULL.*|ADH.*|AECDH.*|ANULL.*|(.*[-+])?(3?DES|RC[24]|MD5|SEED|IDEA|NULL)([-+].*)?)$'
			AND NOT EXISTS (SELECT FROM regexp_split_to_table(upper(ciphers), '[:, ]+') o (word) WHERE o.word IN ('!' || w.word, '-' || w.word));
	END;
COMMENT ON FUNCTION twin_internal.weak_ciphers(text) IS 'which words of a list of ciphers take weak ones in; null where none does';
REVOKE ALL ON FUNCTION twin_internal.weak_ciphers(text) FROM PUBLIC;

/* TLS 1.3 has no weak ciphers, and its own list. */
CREATE VIEW twin_internal.check_tls_3 AS
	SELECT CASE WHEN w.weak IS NULL OR w.least = 'TLSv1.3' THEN 'pass' ELSE 'fail' END AS status, 'ssl_ciphers' AS object,
		'ssl_ciphers is ' || w.ciphers || CASE WHEN w.least = 'TLSv1.3' THEN '' ELSE coalesce(', with ' || w.weak, '') END AS detail
	FROM (SELECT c.ciphers, twin_internal.weak_ciphers(c.ciphers) AS weak, twin_internal.server_setting('ssl_min_protocol_version') AS least
		FROM twin_internal.server_setting('ssl_ciphers') c (ciphers)) w;
COMMENT ON VIEW twin_internal.check_tls_3 IS 'the list of ciphers has weak ones';

CREATE VIEW twin_internal.check_tls_5 AS
	SELECT CASE WHEN twin_internal.server_setting('ssl') = 'off' OR f.mode IS NULL THEN 'not_applicable'
			WHEN f.mode & 31 = 0 AND f.is_ours THEN 'pass' ELSE 'fail' END AS status,
		p.path AS object, CASE WHEN twin_internal.server_setting('ssl') = 'off' THEN 'ssl is off' WHEN f.mode IS NULL THEN 'the file of the key cannot be looked at'
			ELSE 'the mode of the key''s file is ' || twin_internal.mode_text(f.mode) END AS detail
	FROM twin_internal.server_setting('ssl_key_file') p (path), twin_internal.file_facts(p.path) f;
COMMENT ON VIEW twin_internal.check_tls_5 IS 'the server''s private key can be read by others: with root as its owner its group may (0640; 31 is 0037)';

CREATE VIEW twin_internal.check_tls_6 AS
	SELECT CASE WHEN twin_internal.server_setting('ssl') = 'off' THEN 'not_applicable' WHEN c.expires_at IS NULL THEN 'warn' WHEN c.expires_at < now() THEN 'fail'
			WHEN c.expires_at < now() + interval '30 days' THEN 'warn' ELSE 'pass' END AS status,
		p.path AS object, CASE WHEN twin_internal.server_setting('ssl') = 'off' THEN 'ssl is off' WHEN c.expires_at IS NULL THEN 'the certificate cannot be read'
			ELSE format('the certificate is good until %s', to_char(c.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')) END AS detail
	FROM twin_internal.server_setting('ssl_cert_file') p (path), twin_internal.certificate_facts(p.path) c;
COMMENT ON VIEW twin_internal.check_tls_6 IS 'the server''s certificate has expired, or does so within 30 days';

CREATE VIEW twin_internal.check_tls_7 AS
	SELECT CASE WHEN twin_internal.server_setting('ssl') = 'off' THEN 'not_applicable' WHEN c.security_bits IS NULL THEN 'warn' WHEN c.security_bits < 112 THEN 'fail' ELSE 'pass' END AS status,
		p.path AS object, CASE WHEN twin_internal.server_setting('ssl') = 'off' THEN 'ssl is off' WHEN c.security_bits IS NULL THEN 'the certificate cannot be read'
			ELSE format('the certificate''s key has %s bits, as good as %s of a symmetric key', c.key_bits, c.security_bits) END AS detail
	FROM twin_internal.server_setting('ssl_cert_file') p (path), twin_internal.certificate_facts(p.path) c;
COMMENT ON VIEW twin_internal.check_tls_7 IS 'the key of the server''s certificate is weaker than RSA with 2048 bits';

CREATE VIEW twin_internal.check_network_1 AS
	SELECT CASE WHEN a.addresses ~ '(^|[ ,])([*]|0[.]0[.]0[.]0|::)($|[ ,])' THEN 'warn' ELSE 'pass' END AS status, 'listen_addresses' AS object,
		'listen_addresses is ' || CASE a.addresses WHEN '' THEN 'empty' ELSE a.addresses END AS detail
	FROM twin_internal.server_setting('listen_addresses') a (addresses);
COMMENT ON VIEW twin_internal.check_network_1 IS 'the server listens on every address of the machine';

/* A word of a wide network, and whoever is in it says who he is. */
CREATE VIEW twin_internal.check_network_2 AS
	SELECT 'fail' AS status, w.word AS object, 'twin_security.trusted_proxies believes whoever connects from there about his address' AS detail
	FROM regexp_split_to_table(twin_internal.server_setting('twin_security.trusted_proxies'), '[, ]+') w (word)
	WHERE substring(w.word FROM '/([0-9]+)$')::integer < CASE WHEN strpos(w.word, ':') > 0 THEN 32 ELSE 8 END;
COMMENT ON VIEW twin_internal.check_network_2 IS 'networks of proxies that half of the world is in';
