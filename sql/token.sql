-- token: issued, verified, refused, revoked; keys of our own and of others
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
CREATE ROLE token_admin LOGIN IN ROLE twin_admin;
CREATE ROLE token_nobody LOGIN;

-- a signer of the tests' own, so that any text can be signed: HMAC-SHA256 of RFC 2104
CREATE FUNCTION b64(b bytea) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
	$$ SELECT translate(encode(b, 'base64'), E'+/=\n', '-_') $$;
CREATE FUNCTION hmac256(m bytea, k bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
	i bytea := decode(repeat('36', 64), 'hex');
	o bytea := decode(repeat('5c', 64), 'hex');
BEGIN
	IF length(k) > 64 THEN
		k := sha256(k);
	END IF;
	FOR n IN 0 .. length(k) - 1 LOOP
		i := set_byte(i, n, get_byte(i, n) # get_byte(k, n));
		o := set_byte(o, n, get_byte(o, n) # get_byte(k, n));
	END LOOP;
	RETURN sha256(o || sha256(i || m));
END
$$;
\set secret 'tests sign with this, and nobody else'
CREATE FUNCTION sign(header text, payload text, secret text DEFAULT 'tests sign with this, and nobody else') RETURNS text LANGUAGE sql STABLE AS $$
	SELECT s || '.' || b64(hmac256(convert_to(s, 'UTF8'), convert_to(secret, 'UTF8')))
	FROM (SELECT b64(convert_to(header, 'UTF8')) || '.' || b64(convert_to(payload, 'UTF8'))) x (s) $$;
-- what comes of a token: its claims without times and id, or SQLSTATE and message
CREATE FUNCTION try(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (twin.verify_token(token) - '{iat,exp,jti}'::text[])::text;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE FUNCTION now_plus(seconds int) RETURNS bigint LANGUAGE sql AS $$ SELECT floor(extract(epoch FROM clock_timestamp()))::bigint + seconds $$;
CREATE FUNCTION claims(more jsonb DEFAULT '{}', less text[] DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT ((jsonb_build_object('user_id', '7', 'role', 'viewer', 'iat', now_plus(0), 'exp', now_plus(60), 'jti', 'one', 'iss', 'twin_security',
		'aud', 'twin_security', 'typ', 'access') || more) - less)::text $$;
\set hs256 '{"alg":"HS256"}'

-- issuing
SELECT twin.issue_token('{"user_id": 7, "role": "viewer", "tenant_id": 3, "sid": "s1", "ratio": 1.5, "note": "größe"}') AS token \gset
SELECT twin.verify_token(:'token') - '{iat,exp,jti}'::text[] AS claims;
SELECT (c->>'exp')::bigint - (c->>'iat')::bigint AS lifetime, jsonb_typeof(c->'user_id') AS user_id, c->>'jti' ~ '^[0-9a-f-]{36}$' AS jti
FROM twin.verify_token(:'token') c;
SELECT (c->>'exp')::bigint - (c->>'iat')::bigint AS lifetime FROM twin.verify_token(twin.issue_token('{}', '90 seconds')) c;
SET twin_security.token_lifetime = 120;
SELECT (c->>'exp')::bigint - (c->>'iat')::bigint AS lifetime FROM twin.verify_token(twin.issue_token('{}')) c;
RESET twin_security.token_lifetime;
SELECT twin.verify_token(twin.issue_token('{"user_id": null, "role": null, "tenant_id": null, "sid": null, "own": null}')) - '{iat,exp,jti}'::text[] AS nulls;
SELECT twin.issue_token('{"exp": 1}');
SELECT twin.issue_token('{"iat": 1}');
SELECT twin.issue_token('{"nbf": 1}');
SELECT twin.issue_token('{"jti": "x"}');
SELECT twin.issue_token('{"iss": "x"}');
SELECT twin.issue_token('{"aud": "x"}');
SELECT twin.issue_token('{"typ": "refresh"}');
SELECT twin.issue_token('[]');
SELECT twin.issue_token('7');
SELECT twin.issue_token(NULL);
SELECT twin.issue_token('{"user_id": true}');
SELECT twin.issue_token('{"user_id": ""}');
SELECT twin.issue_token('{"role": 7}');
SELECT twin.issue_token('{"tenant_id": "x"}');
SELECT twin.issue_token('{"tenant_id": 0}');
SELECT twin.issue_token('{"n": 123456789012345678901}');
SELECT twin.issue_token('{"n": 0.123456789012345678901}');
SELECT twin.issue_token('{"n": 1e400}');
SELECT twin.issue_token(jsonb_build_object('x', repeat('x', 9000)));
SELECT twin.issue_token('{}', '0');
SELECT twin.issue_token('{}', '-1 hour');
SELECT twin.issue_token('{}', '1 month');
SELECT twin.issue_token('{}', '31 days');
SELECT twin.issue_token('{}', '30 days') IS NOT NULL AS thirty_days;

-- a token that somebody else made with the secret, with and without kid
SELECT try(sign(:'hs256', claims()));
SELECT kid AS environment_kid FROM twin.verification_keys \gset
SELECT try(sign(format('{"alg":"HS256","typ":"JWT","kid":"%s"}', :'environment_kid'), claims()));

-- shape
SELECT n, try(t) FROM (VALUES (1, ''), (2, '.'), (3, '..'), (4, 'a.b'), (5, :'token' || '.'), (6, :'token' || '.x'), (7, '.' || :'token'), (8, :'token' || '='),
	(9, :'token' || ' '), (10, E'\n' || :'token'), (11, repeat('a', 8193)), (12, repeat('x', 9000000)), (13, repeat('.', 8192)), (14, replace(:'token', '.', '..'))) x (n, t);
-- the spare bits of the last character
SELECT try(overlay(:'token' PLACING substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
	strpos('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', right(:'token', 1)) + 1, 1) FROM length(:'token')));

-- header
SELECT h, try(sign(h, claims())) FROM unnest(ARRAY['{"alg":"none"}', '{"alg":"None"}', '{"alg":"NONE"}', '{"alg":"nOnE"}', '{"alg":""}', '{"alg":"hs256"}', '{"alg":"HS256 "}',
	'{"alg":"HS512"}', '{"alg":"RS256"}', '{"alg":"EdDSA"}', '{"alg":null}', '{"alg":["HS256"]}', '{}', '[]', '"HS256"', 'null', '{"alg":"HS256"', '{"alg":"HS256"} ', '{"alg":"HS256"}x',
	'{"alg":"HS256","alg":"HS256"}', '{"alg":"HS256","\u0061lg":"HS256"}', '{"alg":"HS256","crit":["exp"]}', '{"alg":"HS256","crit":[]}', '{"alg":"HS256","b64":true}',
	'{"alg":"HS256","jku":"https://x"}', '{"alg":"HS256","jwk":{"kty":"oct"}}', '{"alg":"HS256","x5u":"u"}', '{"alg":"HS256","x5c":[]}', '{"alg":"HS256","x5t#S256":"u"}',
	'{"alg":"HS256","zip":"DEF"}', '{"alg":"HS256","cty":"JWT"}', '{"alg":"HS256","typ":"JWT"}', '{"alg":"HS256","typ":"at+jwt"}', '{"alg":"HS256","typ":"JWE"}', '{"alg":"HS256","typ":7}',
	'{"alg":"HS256","kid":"nobody"}', '{"alg":"HS256","kid":7}', '{"alg":"HS256","kid":""}', '{"alg":"HS256","kid":"\u0000"}', '{"alg":"HS256","x":{"y":{"z":{"w":{}}}}}',
	'{"alg":"HS256","unknown":1}']) h;

-- signature
SELECT try(sign(:'hs256', claims(), 'another secret of thirty-two bytes'));
SELECT try(sign(:'hs256', claims(), ''));
SELECT try(regexp_replace(sign(:'hs256', claims()), '[^.]*$', ''));
SELECT try(regexp_replace(sign(:'hs256', claims()), '[^.]*$', b64('\x00')));
SELECT try(split_part(t, '.', 1) || '.' || b64(convert_to(claims('{"role":"admin"}'), 'UTF8')) || '.' || split_part(t, '.', 3)) FROM sign(:'hs256', claims()) t;
SELECT try('{"payload":"e30","signatures":[{"protected":"e30","signature":"e30"}]}');

-- payload
SELECT n, try(sign(:'hs256', p)) FROM unnest(ARRAY['', '[]', '"x"', 'null', '7', '{', claims() || ' x', claims() || E'\n', left(claims(), -1) || ', "exp": 1}',
	left(claims(), -1) || ', "a": {"b": 1, "b": 2}}', left(claims(), -1) || ', "a": "\u0000"}', left(claims(), -1) || ', "a": 99999999999999999999}', left(claims(), -1) || ', "a": 1e999}',
	left(claims(), -1) || ', "a": ' || repeat('[', 15) || repeat(']', 15) || '}', left(claims(), -1) || ', "a": ' || repeat('[', 16) || repeat(']', 16) || '}',
	left(claims(), -1) || ', "a": ' || repeat('[', 2500) || repeat(']', 2500) || '}', left(claims(), -1) || ', "a": [' || repeat('0,', 1100) || '0]}']) WITH ORDINALITY x (p, n);
-- odd forms of numbers, which jsonb would have made even
SELECT e, try(sign(:'hs256', left(claims('{}', '{exp}'), -1) || ', "exp": ' || e || '}')) FROM unnest(ARRAY['1e10', '1E10', '10000000000.0', '-0', '-0.0', '0x7fffffff', '01', '+1', '1.', '.5', 'NaN', 'Infinity', '9223372036854775807', '9223372036854775808',
	'"1"', 'true', '[]', '{}']) e;
SELECT try(split_part(t, '.', 1) || '.' || b64('\xff') || '.' || b64(hmac256(convert_to(split_part(t, '.', 1) || '.' || b64('\xff'), 'UTF8'), convert_to(:'secret', 'UTF8'))))
FROM sign(:'hs256', claims()) t;

-- claims: each wrong in its own way
SELECT m, try(sign(:'hs256', claims(m))) FROM unnest(ARRAY['{"exp": 1}', '{"exp": null}', '{"exp": "9999999999"}', '{"exp": 1e9}', '{"exp": 1.5}', '{"exp": -1}', '{"exp": 0}', '{"exp": true}',
	'{"exp": [9999999999]}', '{"exp": 253402300800}', '{"exp": 9999999999}', '{"iat": null}', '{"iat": "1"}', '{"iat": 1.5}', '{"iat": 9999999999, "exp": 9999999999}', '{"iat": 1}', '{"nbf": 9999999999}', '{"nbf": "1"}', '{"nbf": 1}',
	'{"iss": "somebody"}', '{"iss": 7}', '{"iss": ["twin_security"]}', '{"aud": "somebody"}', '{"aud": []}', '{"aud": ["a", "twin_security"]}', '{"aud": ["a", 7]}', '{"aud": 7}', '{"aud": {"a": 1}}',
	'{"typ": "refresh"}', '{"typ": "Access"}', '{"typ": 7}', '{"jti": 7}', '{"jti": ""}', '{"sid": 7}', '{"user_id": 7}', '{"user_id": true}', '{"user_id": {"id": 7}}', '{"user_id": ""}',
	'{"role": 7}', '{"role": true}', '{"role": {"a": 1}}', '{"role": [7]}', '{"role": []}', '{"role": ["viewer", "admin"]}', '{"role": ""}',
	'{"tenant_id": 7}', '{"tenant_id": "7"}', '{"tenant_id": "07"}', '{"tenant_id": "x"}', '{"tenant_id": -7}', '{"tenant_id": 1.5}', '{"tenant_id": true}', '{"tenant_id": "9223372036854775808"}']::jsonb[]) m;
SELECT l, try(sign(:'hs256', claims('{}', ARRAY[l]))) FROM unnest(ARRAY['exp', 'iat', 'jti', 'iss', 'aud', 'typ', 'user_id', 'role']) l;
SELECT try(sign(:'hs256', claims(jsonb_build_object('user_id', repeat('u', 256)))));
SELECT try(sign(:'hs256', claims(jsonb_build_object('role', repeat('r', 64)))));
-- leeway, and the second that is cut off
SELECT try(sign(:'hs256', claims(jsonb_build_object('exp', now_plus(0)))));
SET twin_security.token_leeway = 30;
SELECT try(sign(:'hs256', claims(jsonb_build_object('exp', now_plus(-10)))));
SELECT try(sign(:'hs256', claims(jsonb_build_object('iat', now_plus(20)))));
SELECT left(try(sign(:'hs256', claims(jsonb_build_object('nbf', now_plus(20))))), 1);
SELECT try(sign(:'hs256', claims(jsonb_build_object('exp', now_plus(-40)))));
RESET twin_security.token_leeway;
SELECT try(sign(:'hs256', claims(jsonb_build_object('nbf', now_plus(20)))));
SELECT left(try(sign(:'hs256', claims(jsonb_build_object('iat', now_plus(1))))), 10) AS the_second_that_is_cut_off;
-- a change of issuer or audience refuses what was cached
SELECT left(try(:'token'), 10);
SET twin_security.token_audience = 'elsewhere';
SELECT try(:'token');
RESET twin_security.token_audience;
SET twin_security.token_issuer = 'another';
SELECT try(:'token');
SET twin_security.token_issuer = 'with blank ';
SET twin_security.token_issuer = '';
RESET twin_security.token_issuer;
SELECT left(try(:'token'), 10);

-- refresh tokens are of another type, for both
SELECT token AS refresh_token FROM twin_internal.issue_token('{"user_id": 7, "sid": "s2"}', 'refresh', 3600) \gset
SELECT try(:'refresh_token');
SELECT twin_internal.verify_refresh_token(:'refresh_token') - '{iat,exp,jti}'::text[] AS claims;
SELECT twin_internal.verify_refresh_token(:'token');
SELECT twin_internal.issue_token('{}', 'other', 1);
SELECT twin_internal.issue_token('{}', 'refresh', 0);
SELECT twin_internal.issue_token('{}', 'refresh', 367 * 86400);
SELECT expires_at - issued_at AS lifetime FROM twin_internal.issue_token('{}', 'refresh', 366 * 86400);

-- revocation
SELECT twin.revoke_token(:'token');
SELECT try(:'token');
SELECT twin.revoke_token(twin.verify_token(t)->>'jti'), try(t) FROM twin.issue_token('{"user_id": 8}') t;
SELECT twin.issue_token('{"user_id": 9, "sid": "nine"}') AS nine \gset
SELECT twin.issue_token('{"user_id": 10, "sid": "ten"}') AS ten \gset
SELECT left(try(:'nine'), 1), left(try(:'ten'), 1);
SELECT twin_internal.revoke_session('nine');
SELECT try(:'nine'), left(try(:'ten'), 1);
SELECT try(twin.issue_token('{"user_id": 9, "sid": "nine"}')) AS the_session_is_over;
SELECT twin_internal.revoke_user('10');
SELECT try(:'nine'), try(:'ten');
-- who logs in anew in the same second is let in; twice as well
SELECT try(twin.issue_token('{"user_id": 10}'));
SELECT twin.issue_token('{"user_id": 10}') AS ten \gset
SELECT twin_internal.revoke_user('10');
SELECT try(:'ten');
SELECT try(twin.issue_token('{"user_id": 10}'));
SELECT try(:'refresh_token') AS still_a_refresh_token;
SELECT twin.revoke_token(:'refresh_token');
SELECT twin_internal.verify_refresh_token(:'refresh_token');
SELECT kind, count(*) FROM twin.revocations GROUP BY 1 ORDER BY 1;
BEGIN;
SELECT twin.issue_token('{}') AS t \gset
SELECT left(try(:'t'), 1);
SAVEPOINT s;
SELECT twin.revoke_token(:'t');
SELECT try(:'t');
ROLLBACK TO s;
SELECT left(try(:'t'), 1) AS rolled_back;
COMMIT;
SELECT twin.revoke_token('');
SELECT twin.revoke_token(NULL);
SELECT twin.revoke_token('with blank');
SELECT twin.revoke_token(repeat('x', 256));
SELECT twin.revoke_token('a.b.c');
SELECT twin.revoke_token(sign(:'hs256', claims(), 'another secret of thirty-two bytes'));
SELECT twin.revoke_token(sign(:'hs256', claims(jsonb_build_object('exp', now_plus(-10)))));
SELECT twin.purge_revocations() AS purged;
UPDATE twin_internal.revocations SET expires_at = '2000-01-01' WHERE name = 's:nine';
SELECT twin.purge_revocations() AS purged;
SELECT left(try(:'nine'), 1) AS forgotten;

-- keys: JWK that are refused, and why
CREATE FUNCTION try_key(jwk text, issuer text DEFAULT NULL, audience text DEFAULT NULL, map jsonb DEFAULT '{"roles": []}', lifetime interval DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN twin.add_verification_key(jwk::jsonb, issuer, audience, map, lifetime);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT n, try_key(jwk) FROM (VALUES
	(1, '{}'), (2, '[]'), (3, '{"kty":"oct"}'), (4, '{"kty":"oct","alg":"HS256"}'), (5, '{"kty":"oct","alg":"HS256","k":""}'), (6, '{"kty":"oct","alg":"HS256","k":"AAAA"}'),
	(7, '{"kty":"oct","alg":"HS256","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'), (8, '{"kty":"oct","alg":"HS512","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}'),
	(9, '{"kty":"oct","alg":"RS256","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}'), (10, '{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}'),
	(11, '{"kty":"oct","alg":"HS256","use":"enc","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}'),
	(12, '{"kty":"oct","alg":"HS256","key_ops":["encrypt"],"k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}'),
	(13, '{"kty":"oct","alg":"HS256","key_ops":["sign"],"k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}'),
	(14, '{"kty":"oct","alg":"HS256","kid":"","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}'),
	(15, '{"kty":"oct","alg":"HS256","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWZ"}'), (16, '{"kty":"oct","alg":"HS256","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}'),
	(17, '{"kty":"RSA","alg":"RS256","n":"AQAB","e":"AQAB"}'), (18, '{"kty":"OKP","crv":"Ed448","x":"AQAB"}'), (19, '{"kty":"OKP","crv":"Ed25519","x":"AQAB"}'),
	(20, '{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}'), (21, '{"kty":"EC","crv":"secp256k1","x":"AQAB","y":"AQAB"}'),
	(22, '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}'),
	(23, '{"kty":"OKP","crv":"Ed25519","alg":"ES256","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'), (24, '{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'),
	(25, '{"kty":"EC","crv":"P-256","x":"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY","y":"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgnw"}')) x (n, jwk);
SELECT count(*) AS none_of_them FROM twin_internal.token_keys;
\set other '{"kty":"oct","alg":"HS256","kid":"other","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}'
SELECT m, try_key(:'other', NULL, NULL, m) FROM unnest(ARRAY['[]', '{"users": "sub"}', '{"user": 7}', '{"user": []}', '{"user": ["a","b","c","d","e"]}', '{"user": [""]}', '{"role_is": "admin"}',
	'{"roles": "viewer"}', '{"roles": [7]}', '{"require": "exp"}', '{"require": [["exp"]]}', '{"leeway": -1}', '{"leeway": 301}', '{"leeway": 1.5}', '{"leeway": "1"}', '{"role": ""}']::jsonb[]) m;
SELECT try_key(:'other', ''), try_key(:'other', NULL, ''), try_key(:'other', lifetime => '0'), try_key(:'other', lifetime => '3661 days'), try_key(NULL), try_key(:'other', map => NULL);

-- an outside issuer
SELECT twin.add_verification_key(:'other', 'https://issuer', 'twin', '{"user": ["who", "id"], "role": ["realm_access", "roles"], "tenant": "https://issuer/tenant", "roles": ["operator", "viewer"], "require": ["exp", "who"], "leeway": 20}', '1 hour');
SELECT twin.add_verification_key(:'other');
\set header '{"alg":"HS256","kid":"other"}'
\set other_secret '0123456789abcdef0123456789abcdef'
CREATE FUNCTION outside(more jsonb DEFAULT '{}', less text[] DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT sign('{"alg":"HS256","kid":"other"}', ((jsonb_build_object('iss', 'https://issuer', 'aud', ARRAY['x', 'twin'], 'exp', now_plus(600), 'iat', now_plus(0), 'who', jsonb_build_object('id', '42'),
		'realm_access', jsonb_build_object('roles', ARRAY['offline_access', 'viewer', 'operator']), 'https://issuer/tenant', 5) || more) - less)::text, '0123456789abcdef0123456789abcdef') $$;
SELECT left(try(outside()), 1) AS accepted;
SELECT m, left(try(outside(m)), 60) FROM unnest(ARRAY['{"iss": "https://issuer/"}', '{"aud": "other"}', '{"aud": "twin"}', '{"realm_access": {"roles": ["admin"]}}', '{"realm_access": {"roles": "viewer"}}', '{"realm_access": {"roles": "admin"}}',
	'{"realm_access": {"roles": 7}}', '{"realm_access": 7}', '{"typ": "Bearer"}', '{"typ": "Refresh"}', '{"typ": "ID"}', '{"who": null}', '{"who": "x"}', '{"https://issuer/tenant": "x"}', '{"exp": 1}']::jsonb[]) m;
SELECT l, left(try(outside('{}', ARRAY[l])), 60) FROM unnest(ARRAY['iss', 'aud', 'exp', 'iat', 'who', 'realm_access', 'https://issuer/tenant']) l;
SELECT left(try(outside(jsonb_build_object('exp', now_plus(3700)))), 60) AS too_long, left(try(outside(jsonb_build_object('exp', now_plus(-10)))), 1) AS leeway, try(outside(jsonb_build_object('exp', now_plus(-30)))) AS no_more;
SELECT left(try(outside(jsonb_build_object('exp', now_plus(3700)), '{iat}')), 60) AS too_long_without_iat;
SELECT twin_internal.verify_refresh_token(outside('{"typ": "refresh"}'));
-- two keys of one algorithm: a token without kid is of the one that verifies it
SELECT try(sign('{"alg":"HS256"}', claims()));
SELECT try(sign('{"alg":"HS256"}', claims(), :'other_secret')) AS by_the_rules_of_its_key;
SELECT left(try(regexp_replace(t, '^[^.]*', '')), 5) AS no_header, try(sign('{"alg":"HS256"}', claims(), 'a secret of nobody, of thirty-two bytes')) AS of_neither FROM outside() t;
SELECT try(sign('{"alg":"HS384","kid":"other"}', claims()));
-- a token without jti is revoked by a digest
SELECT outside(jsonb_build_object('n', 1)) AS nameless \gset
SELECT left(try(:'nameless'), 1);
SELECT twin.revoke_token(:'nameless');
SELECT try(:'nameless');
SELECT left(subject, 7) FROM twin.revocations WHERE subject LIKE 'sha256%';
-- who is revoked is our user 42, and not an outside issuer's
SELECT twin_internal.revoke_user('42');
SELECT try(outside());
DELETE FROM twin_internal.revocations;
-- what was changed in the table is noticed, for a secret
SELECT left(try(outside()), 1);
BEGIN;
UPDATE twin_internal.token_keys SET claim_map = '{}' WHERE kid = 'other';
SELECT try(outside());
ROLLBACK;
BEGIN;
UPDATE twin_internal.token_keys SET issuer = NULL WHERE kid = 'other';
SELECT try(outside());
ROLLBACK;
BEGIN;
UPDATE twin_internal.token_keys SET algorithm = 'HS384' WHERE kid = 'other';
SELECT try(sign('{"alg":"HS384","kid":"other"}', claims()));
ROLLBACK;
BEGIN;
UPDATE twin_internal.token_keys SET is_own = true WHERE kid = 'other';
SELECT try(outside());
ROLLBACK;
BEGIN;
UPDATE twin_internal.wrapped_secrets SET name = 'twin' WHERE name = 'other';
SELECT try(outside());
ROLLBACK;
SELECT left(try(outside()), 1);
SELECT twin.rotate_master_key();
SELECT kid, algorithm, is_own, state, issuer, audience, claim_map, max_lifetime, public_key FROM twin.verification_keys WHERE NOT is_own;
SELECT count(*) AS secrets_that_show FROM twin.verification_keys k WHERE k::text LIKE '%MDEyMzQ1%' OR k::text LIKE '%0123456789abcdef%';
SELECT twin.remove_verification_key('other');
SELECT try(outside());
SELECT count(*) AS secrets FROM twin_internal.wrapped_secrets WHERE purpose !~ 'checkpoint|audit|ledger';
SELECT twin.remove_verification_key('other');
\set VERBOSITY sqlstate
SELECT twin.remove_verification_key(:'environment_kid');	-- the name differs from database to database
\set VERBOSITY default
-- what a map without roles, and one without exp, says
SELECT twin.add_verification_key(:'other', claim_map => '{"require": ["iat"], "role_is": "database"}');
SELECT left(try(outside('{"role": "anything"}', '{exp}')), 1) AS need_not_expire;
SELECT twin.revoke_token(outside('{"jti": "eternal"}', '{exp}'));
SELECT expires_at FROM twin.revocations WHERE subject = 'eternal';
SELECT twin.remove_verification_key('other');
-- RFC 8037 appendix A: thumbprint of the public key, and its signature over another text
SELECT twin.add_verification_key('{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}', claim_map => '{"roles": []}') AS thumbprint;
SELECT try('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg') AS verifies_but_no_claims;
SELECT try('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmd.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg') AS another_text;
-- the public key's text as a secret
SELECT try(sign('{"alg":"HS256","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}', claims(), '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo')) AS confused;
SELECT twin.remove_verification_key('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');

-- signing keys: published first, then used; the ones before go on verifying until they are retired
SELECT twin.issue_token('{"user_id": 1}') AS by_environment \gset
SELECT twin.jwks();
CREATE TEMP TABLE made (algorithm text, kid text, token text);
INSERT INTO made SELECT a, twin.create_signing_key(a) FROM unnest('{EdDSA,ES256,RS256,PS256,HS256}'::text[]) a;
SELECT algorithm, state FROM twin.verification_keys WHERE is_own ORDER BY created_at;
DO $$ DECLARE m record; BEGIN FOR m IN SELECT * FROM made LOOP
	PERFORM twin.use_signing_key(m.kid); UPDATE made SET token = twin.issue_token('{"user_id": 1}') WHERE kid = m.kid; END LOOP; END $$;
SELECT algorithm, convert_from(decode(rpad(translate(split_part(token, '.', 1), '-_', '+/'), (length(split_part(token, '.', 1)) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb - 'kid' AS header, try(token) FROM made;
SELECT algorithm, state FROM twin.verification_keys WHERE is_own ORDER BY created_at;
SELECT jsonb_object_keys(k) AS member, count(*) FROM jsonb_array_elements(twin.jwks()->'keys') k GROUP BY 1 ORDER BY 1;
-- a published key given back without its name gets the same one: the thumbprint
SELECT k->>'alg' AS algorithm, try_key((k - 'kid')::text) = '42710 there is a key "' || (k->>'kid') || '" already' AS same FROM jsonb_array_elements(twin.jwks()->'keys') k;
SELECT left(try(:'by_environment'), 1);
\set VERBOSITY sqlstate
SELECT twin.retire_signing_key(kid) FROM made WHERE algorithm = 'HS256';
\set VERBOSITY default
SELECT twin.retire_signing_key(kid) FROM made WHERE algorithm <> 'HS256';
SELECT algorithm, left(try(token), 40) FROM made;
\set VERBOSITY sqlstate
SELECT twin.use_signing_key(kid) FROM made WHERE algorithm = 'ES256';
\set VERBOSITY default
SELECT twin.use_signing_key('nobody');
SELECT twin.retire_signing_key(NULL);
SELECT twin.create_signing_key('none');
SELECT twin.create_signing_key('HS512');
SELECT twin.create_signing_key(NULL);
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT twin.rotate_signing_key() AS next_one \gset
RESET client_min_messages;
\set VERBOSITY default
SELECT state, algorithm FROM twin.verification_keys WHERE kid = :'next_one';
SELECT left(try(token), 1) FROM made WHERE algorithm = 'HS256';
SELECT twin.rotate_signing_key() = :'next_one' AS the_published_one;
SELECT state FROM twin.verification_keys WHERE kid = :'next_one';
SELECT left(try(token), 1) AS before_rotation FROM made WHERE algorithm = 'HS256';
SELECT left(try(twin.issue_token('{}')), 1) AS after_it;

-- in parallel workers
CREATE TABLE token_rows AS SELECT twin.issue_token(jsonb_build_object('user_id', i)) AS token FROM generate_series(1, 300) i;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');	-- from 16 on
SELECT count(DISTINCT twin.verify_token(token)->>'user_id') FROM token_rows;
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
BEGIN READ ONLY;
SELECT count(twin.verify_token(token)) FROM token_rows;
COMMIT;

-- who may
\c - token_nobody
SELECT left(twin.verify_token(:'by_environment')::text, 1), twin.jwks() IS NOT NULL;
SELECT twin.issue_token('{}');
SELECT twin.revoke_token('x');
SELECT twin.purge_revocations();
SELECT twin.add_verification_key('{}');
SELECT twin.remove_verification_key('x');
SELECT twin.create_signing_key();
SELECT twin.use_signing_key('x');
SELECT twin.rotate_signing_key();
SELECT twin.retire_signing_key('x');
SELECT * FROM twin.verification_keys;
SELECT * FROM twin.revocations;
SELECT * FROM twin_internal.token_keys;
SELECT twin_internal.revoke_user('1');
SET twin_security.token_issuer = 'x';
SET twin_security.token_leeway = 60;
\c - token_admin
SELECT left(twin.issue_token('{}'), 3);
SELECT twin.revoke_token('some-id');
SELECT count(*) > 0 AS keys FROM twin.verification_keys;
SELECT subject FROM twin.revocations WHERE subject = 'some-id';
SELECT count(*) FROM twin_internal.token_keys;
\c - :superuser
DROP ROLE token_admin, token_nobody;
DELETE FROM twin_internal.revocations;
