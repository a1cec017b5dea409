/*
 * check_tokens.sql
 *		Tokens cannot be forged, and do not live for ever.
 */

CREATE VIEW twin_internal.check_token_1 AS
	SELECT CASE WHEN s.bits < 128 THEN 'fail' WHEN s.bits IS NOT NULL THEN 'pass' WHEN has.key_of_its_own THEN 'not_applicable' ELSE 'warn' END AS status, 'JWT_SECRET_KEY' AS object,
		CASE WHEN s.bits < 128 THEN format('JWT_SECRET_KEY has %s bytes and at most %s bits that have to be guessed', s.bytes, floor(s.bits))
			WHEN s.bits IS NOT NULL THEN format('JWT_SECRET_KEY has %s bytes and looks random', s.bytes)
			WHEN has.key_of_its_own THEN 'tokens are signed with a key of the database' ELSE 'there is nothing to sign tokens with' END AS detail
	FROM twin_internal.token_secret_strength(false) s, (SELECT EXISTS (SELECT FROM twin_internal.token_keys k WHERE k.state = 'signing')) has (key_of_its_own);
COMMENT ON VIEW twin_internal.check_token_1 IS 'the secret of tokens could be guessed, or there is none';

CREATE VIEW twin_internal.check_token_2 AS
	SELECT CASE WHEN t.lifetime <= '1 hour' THEN 'pass' WHEN t.lifetime <= '1 day' THEN 'warn' ELSE 'fail' END AS status, 'twin_security.token_lifetime' AS object,
		'access tokens live for ' || t.lifetime AS detail
	FROM twin_internal.token_lifetime() t (lifetime);
COMMENT ON VIEW twin_internal.check_token_2 IS 'access tokens live longer than an hour';

CREATE VIEW twin_internal.check_token_6 AS
	SELECT 'fail' AS status, k.kid AS object, format('%s of its tokens is not looked at', CASE WHEN k.issuer IS NULL AND k.audience IS NULL THEN 'neither issuer nor audience'
		WHEN k.issuer IS NULL THEN 'the issuer' ELSE 'the audience' END) AS detail
	FROM twin_internal.token_keys k WHERE NOT k.is_own AND k.state <> 'retired' AND (k.issuer IS NULL OR k.audience IS NULL);
COMMENT ON VIEW twin_internal.check_token_6 IS 'keys of outside issuers whose tokens for others are taken';

CREATE VIEW twin_internal.check_token_7 AS
	SELECT 'warn' AS status, 'JWT_SECRET_KEY_PREVIOUS' AS object, 'tokens of the previous secret are still taken' AS detail
	WHERE twin_internal.environment_kid(true) IS NOT NULL;
COMMENT ON VIEW twin_internal.check_token_7 IS 'the previous secret is still there';

CREATE VIEW twin_internal.check_token_8 AS
	SELECT 'warn' AS status, k.kid AS object, 'its tokens may live for ' || make_interval(secs => k.max_lifetime) AS detail
	FROM twin_internal.token_keys k WHERE NOT k.is_own AND k.state <> 'retired' AND k.max_lifetime > 86400;
COMMENT ON VIEW twin_internal.check_token_8 IS 'keys of outside issuers whose tokens may live longer than a day';

CREATE VIEW twin_internal.check_token_9 AS
	SELECT 'warn' AS status, k.kid AS object, 'has signed since ' || to_char(k.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS detail
	FROM twin_internal.token_keys k WHERE k.is_own AND k.state = 'signing' AND k.created_at < now() - interval '1 year';
COMMENT ON VIEW twin_internal.check_token_9 IS 'keys that have signed tokens for more than a year';
