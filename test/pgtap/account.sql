-- account.sql: what a login gives, by body and by cookies; what its holder may do; what administrators see.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET LOCAL twin_security.bcrypt_cost = 10;

SELECT twin.create_tenant('south') AS tenant \gset
SELECT twin.create_user('Jürgen', 'correct horse battery staple', 'j@example.org', 'operator', :tenant) AS uid \gset
SELECT twin.create_user('boss', 'purple monkey dishwasher 9', role_name => 'admin') AS boss \gset

CREATE FUNCTION claims_of(token text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT convert_from(decode(rpad(translate(p, '-_', '+/'), (length(p) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb FROM (SELECT split_part(token, '.', 2)) s (p)
$$;
CREATE FUNCTION cookie(name text) RETURNS text LANGUAGE sql AS $$
	SELECT substring(h ->> 'Set-Cookie' from '=([^;]*);') FROM jsonb_array_elements(current_setting('response.headers')::jsonb) WITH ORDINALITY e (h, n)
	WHERE h ->> 'Set-Cookie' LIKE name || '=%' ORDER BY n DESC LIMIT 1
$$;
CREATE FUNCTION attributes(name text) RETURNS text LANGUAGE sql AS $$
	SELECT substring(h ->> 'Set-Cookie' from '; (.*)$') FROM jsonb_array_elements(current_setting('response.headers')::jsonb) WITH ORDINALITY e (h, n)
	WHERE h ->> 'Set-Cookie' LIKE name || '=%' ORDER BY n DESC LIMIT 1
$$;
CREATE FUNCTION forget_response() RETURNS void LANGUAGE sql AS $$ SELECT set_config('response.headers', '', true), set_config('response.status', '', true) $$;

-- ---- the body ----
SELECT twin_api.login('JÜRGEN', 'correct horse battery staple') AS l \gset
SELECT is((SELECT array_agg(k ORDER BY k COLLATE "C") FROM jsonb_object_keys(:'l'::jsonb) k), '{access_token,expires_in,refresh_token,token_type,user}', 'members of a login');
SELECT is(:'l'::jsonb -> 'user', jsonb_build_object('user_id', :'uid', 'username', 'Jürgen', 'role', 'operator', 'tenant_id', :tenant), 'the user, his number a string as in the token');
SELECT is(:'l'::jsonb -> 'token_type', '"Bearer"', 'of type Bearer');
SELECT is((:'l'::jsonb ->> 'expires_in')::int, 3600, 'for an hour');
SELECT is(coalesce(current_setting('response.status', true), ''), '', 'no status of its own');
SELECT is(coalesce(current_setting('response.headers', true), ''), '', 'no cookies');
SELECT is(claims_of(:'l'::jsonb ->> 'access_token') - '{iat,exp,jti,sid}'::text[],
	jsonb_build_object('user_id', :'uid', 'role', 'operator', 'tenant_id', :tenant, 'iss', 'twin_security', 'aud', 'twin_security', 'typ', 'access'), 'claims of the access token');
SELECT is(claims_of(:'l'::jsonb ->> 'refresh_token') - '{iat,exp,jti,sid,rot}'::text[],
	jsonb_build_object('user_id', :'uid', 'role', 'operator', 'tenant_id', :tenant, 'iss', 'twin_security', 'aud', 'twin_security', 'typ', 'refresh'), '... and of the refresh token');
SELECT matches(claims_of(:'l'::jsonb ->> 'refresh_token') ->> 'rot', '^[A-Za-z0-9_-]{22}$', '... with sixteen bytes that nobody can guess');
SELECT is(claims_of(:'l'::jsonb ->> 'access_token') ->> 'sid', claims_of(:'l'::jsonb ->> 'refresh_token') ->> 'sid', 'both of one session');
SELECT is((SELECT count(*) FROM twin.sessions WHERE session_id = (claims_of(:'l'::jsonb ->> 'access_token') ->> 'sid')::uuid AND user_id = :uid AND ended_at IS NULL), 1::bigint, '... which has a row');
SELECT cmp_ok((SELECT last_login FROM twin.users WHERE user_id = :uid), '>', (SELECT created_at FROM twin.users WHERE user_id = :uid), 'last_login is set');

-- ---- refusals ----
SELECT is(twin_api.login('jürgen', 'wrong'), '{"error": "invalid_credentials", "message": "wrong username or password"}', 'a refusal');
SELECT is(current_setting('response.status'), '401', '... is 401');
SELECT is(twin_api.login('jürgen', repeat('x', 73)) ->> 'error', 'invalid_credentials', '73 bytes are as wrong as any');
SELECT is(twin_api.login(n, 'x') ->> 'error', 'invalid_credentials', 'name: ' || coalesce(quote_literal(n), 'NULL'))
	FROM unnest(ARRAY['', ' ', NULL, repeat('x', 65), repeat('ü', 200), E'\u202e', 'ﬀ', E'j\u0301']) n;
SELECT ok(twin_api.login(E'ju\u0308rgen', 'correct horse battery staple') ? 'access_token', 'a name in another normal form is the same');
SELECT forget_response();

-- ---- who is logged in ----
SELECT throws_ok('SELECT twin_api.me()', '42501', 'nobody is logged in', 'nobody has no me()');
SELECT twin.authenticate(:'l'::jsonb ->> 'access_token');
SELECT is(twin.current_username(), 'Jürgen', 'current_username');
SELECT is(twin_api.me() - '{session_id,session_expires_at}'::text[], jsonb_build_object('user_id', :'uid', 'username', 'Jürgen', 'role', 'operator', 'tenant_id', :tenant,
	'permissions', '["read_units", "remote_control", "write_units"]'::jsonb), 'me');
SELECT is((twin_api.me() ->> 'session_expires_at')::timestamptz, (SELECT expires_at FROM twin_internal.sessions WHERE session_id = (twin_api.me() ->> 'session_id')::uuid), '... with the end of the session');

-- ---- another password ----
SELECT is(twin_api.change_password('wrong', 'another horse battery staple') ->> 'error', 'invalid_credentials', 'the old password is asked for');
SELECT throws_ok($$SELECT twin_api.change_password('correct horse battery staple', 'password')$$, '22023', 'the password is not acceptable', 'the new one must be good');
SELECT throws_ok($$SELECT twin_api.change_password('correct horse battery staple', 'correct horse battery staple')$$, '22023', 'the new password is the old one', '... and another');
SELECT forget_response();
SELECT twin_api.change_password('correct horse battery staple', 'another horse battery staple') AS c \gset
SELECT ok(:'c'::jsonb ? 'access_token' AND :'c'::jsonb ? 'refresh_token', 'a change gives tokens of a new session');
SELECT throws_ok(format('SELECT twin.verify_token(%L)', :'l'::jsonb ->> 'access_token'), 'TW510', NULL, '... and ends the old one');
SET LOCAL twin_security.token = '';
SELECT is(twin_api.refresh(:'l'::jsonb ->> 'refresh_token') ->> 'error', 'invalid_token', '... refresh token too');
SELECT lives_ok(format('SELECT twin.verify_token(%L)', :'c'::jsonb ->> 'access_token'), 'the new token holds, though issued in the same second');
SELECT is(twin_api.login('jürgen', 'correct horse battery staple') ->> 'error', 'invalid_credentials', 'the old password is void');
SELECT ok(twin_api.login('jürgen', 'another horse battery staple') ? 'access_token', 'the new one holds');

-- ---- leaving ----
SELECT twin.authenticate(:'c'::jsonb ->> 'access_token');
SELECT twin_api.logout();
SELECT throws_ok('SELECT twin.current_user_id()', 'TW510', NULL, 'after logout the token is refused, in its own transaction too');
SET LOCAL twin_security.token = '';
SELECT is(twin_api.refresh(:'c'::jsonb ->> 'refresh_token') ->> 'error', 'invalid_token', '... and the refresh token');
SELECT is((SELECT end_reason FROM twin.sessions WHERE session_id = (claims_of(:'c'::jsonb ->> 'access_token') ->> 'sid')::uuid), 'logout', '... and the session ended');
SELECT is(coalesce(current_setting('response.headers', true), ''), '', '... no cookie is cleared where none came');
SELECT twin_api.login('jürgen', 'another horse battery staple') AS a \gset
SELECT twin_api.login('jürgen', 'another horse battery staple') AS b \gset
SELECT twin.authenticate(:'a'::jsonb ->> 'access_token');
SELECT twin_api.logout_all();
SET LOCAL twin_security.token = '';
SELECT is(twin_api.refresh(t::jsonb ->> 'refresh_token') ->> 'error', 'invalid_token', 'logout_all ends all of them') FROM unnest(ARRAY[:'a', :'b']) t;
SELECT is((SELECT count(*) FROM twin.sessions WHERE user_id = :uid AND ended_at IS NULL), 0::bigint, '... and they are shown as ended');
SELECT twin_api.login('jürgen', 'another horse battery staple') AS a \gset
SELECT twin.authenticate(:'a'::jsonb ->> 'access_token');
SELECT lives_ok('SELECT twin.current_user_id()', 'a login in the same second holds');
SELECT twin_api.logout_all();
SELECT throws_ok('SELECT twin.current_user_id()', 'TW510', NULL, '... and can leave in it');
SET LOCAL twin_security.token = '';
SELECT is((SELECT count(*) FROM twin_internal.revocations WHERE name = 'v:' || :'uid'), 1::bigint, '... and a later one takes the place of an earlier');
SELECT is((SELECT sessions_since FROM twin_internal.users WHERE user_id = :uid) < (SELECT min(ended_at) FROM twin_internal.session_ends WHERE user_id = :uid), true, 'the user''s row is not touched');

-- ---- what is rolled back is of no use ----
SELECT twin_api.login('jürgen', 'another horse battery staple') ->> 'refresh_token' AS f \gset
SAVEPOINT thief;
SELECT twin_api.refresh(:'f') ->> 'refresh_token' AS r1 \gset
SELECT twin_api.refresh(:'r1') ->> 'refresh_token' AS r2 \gset
ROLLBACK TO thief;
SELECT twin_api.refresh(:'f') ->> 'refresh_token' AS v1 \gset
SELECT twin_api.refresh(:'v1') AS v2 \gset
SELECT isnt(claims_of(:'r1') ->> 'rot', claims_of(:'v1') ->> 'rot', 'a rotation that was rolled back does not come again');
SELECT is(twin_api.refresh(:'r2') ->> 'error', 'invalid_token', '... and its tokens are refused when the session has come to that number');
SELECT is((SELECT end_reason FROM twin.sessions WHERE session_id = (claims_of(:'f') ->> 'sid')::uuid), 'token_reuse', '... and end it');
SELECT twin_api.login('jürgen', 'another horse battery staple') ->> 'refresh_token' AS f \gset
SELECT twin_api.refresh(:'f') ->> 'refresh_token' AS v1 \gset
SELECT twin_api.refresh(:'v1') AS v2 \gset
SAVEPOINT thief;
SELECT twin_api.refresh(:'f') ->> 'error' AS said \gset
ROLLBACK TO thief;
SELECT is(:'said'::text, 'invalid_token', 'an old token is refused');
SELECT lives_ok(format('SELECT twin.verify_token(%L)', :'v2'::jsonb ->> 'access_token'), '... and the rollback undoes what that did to the session');
SELECT is(twin_api.refresh(:'v2'::jsonb ->> 'refresh_token') ->> 'error', 'invalid_token', '... but the next refresh ends it');
SELECT throws_ok(format('SELECT twin.verify_token(%L)', :'v2'::jsonb ->> 'access_token'), 'TW510', NULL, '... with its access tokens');
SELECT is((SELECT end_reason FROM twin.sessions WHERE session_id = (claims_of(:'f') ->> 'sid')::uuid), 'token_reuse', '... for the same reason');
SELECT is((SELECT locked FROM twin.stat_limits WHERE kind = 'session') >= 2, true, '... which is remembered');
-- the row alone makes no token: what it holds are digests, and random bytes that need the last token
SELECT twin_api.login('jürgen', 'another horse battery staple') ->> 'refresh_token' AS f \gset
SELECT is((SELECT current_digest FROM twin_internal.sessions WHERE session_id = (claims_of(:'f') ->> 'sid')::uuid), sha256((claims_of(:'f') ->> 'rot')::bytea), 'the row holds a digest');

-- ---- a clock that was set back ----
CREATE FUNCTION session_with(change text, OUT last text, OUT current text, OUT at text) LANGUAGE plpgsql AS $$
DECLARE
	sid uuid;
BEGIN
	last := twin_api.login('jürgen', 'another horse battery staple') ->> 'refresh_token';
	current := twin_api.refresh(last) ->> 'refresh_token';
	sid := claims_of(last) ->> 'sid';
	EXECUTE 'UPDATE twin_internal.sessions SET ' || change || ' WHERE session_id = $1' USING sid;
	at := sid;
END $$;
SELECT ok(twin_api.refresh(last) ? 'access_token', 'the last token holds within the grace') FROM session_with('rotated_at = clock_timestamp()');
SELECT ok(twin_api.refresh(last) ? 'access_token', '... and while the clock is behind by less than a second') FROM session_with('rotated_at = clock_timestamp() + interval ''900 ms''');
SELECT is(twin_api.refresh(last) ->> 'error', 'invalid_token', '... but not by more') FROM session_with('rotated_at = clock_timestamp() + interval ''1 min''');
SELECT is(twin_api.refresh(last) ->> 'error', 'invalid_token', '... nor after the grace') FROM session_with('rotated_at = clock_timestamp() - interval ''11 s''');
SELECT ok(twin_api.refresh(current) ? 'access_token', 'a session used half a minute ahead goes on') FROM session_with('last_used_at = clock_timestamp() + interval ''30 s''');
SELECT is(twin_api.refresh(current) ->> 'error', 'invalid_token', '... one used two minutes ahead does not') FROM session_with('last_used_at = clock_timestamp() + interval ''2 min''');
SELECT current, at FROM session_with('last_used_at = clock_timestamp() + interval ''2 min''') \gset
SELECT twin_api.refresh(:'current');
SELECT is((SELECT end_reason FROM twin.sessions WHERE session_id = :'at'), 'session_idle', '... because nobody knows how long it was idle');
SELECT forget_response();

-- ---- a token that no login made ----
SELECT twin.authenticate(twin.issue_token(jsonb_build_object('user_id', :'uid', 'role', 'viewer')));
SELECT is(twin_api.me() -> 'role', '"viewer"', 'its role is the token''s');
SELECT is(twin_api.me() -> 'session_id', 'null', 'it has no session');
SELECT lives_ok('SELECT twin_api.logout()', 'logout refuses that token');
SELECT throws_ok('SELECT twin.current_user_id()', 'TW510', NULL, '... from now on');
SET LOCAL twin_security.token = '';
SELECT set_config('twin_security.token', twin.issue_token(jsonb_build_object('user_id', :'uid', 'role', 'viewer', 'sid', 'no uuid''')), true);
SELECT is(twin_api.me() -> 'session_expires_at', 'null', 'a session that is none of ours has no end here');
SELECT lives_ok('SELECT twin_api.logout()', '... but can be ended');
SELECT set_config('twin_security.token', '', true);
-- of an outside issuer, with the number of one of our users
SELECT twin.add_verification_key('{"kty": "oct", "kid": "out", "alg": "HS256", "k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}', claim_map => '{"user": "sub", "role": "role", "tenant": null, "roles": ["admin"]}');
\ir shared/outside_issuer.psql
SELECT twin.authenticate(outside(format('{"sub":"%s","role":"admin","exp":%s,"jti":"j1"}', :'boss', (extract(epoch FROM now()) + 60)::bigint)));
SELECT is(twin.current_username(), :'boss', 'an outside issuer''s user is called as the token says, not like one of ours');
SELECT is(twin_api.me() -> 'username', 'null', '... and is none of ours');
SELECT throws_ok('SELECT twin_api.logout_all()', '42501', 'the token belongs to no account of this database', '... ends no sessions of ours');
SELECT throws_ok($$SELECT twin_api.change_password('another horse battery staple', 'correct horse battery staple')$$, '42501', NULL, '... changes no password of ours');
SELECT twin_api.logout();
SELECT set_config('twin_security.token', '', true);

-- ---- cookies ----
SELECT forget_response();
SELECT set_config('response.headers', '[{"X-Before": "1"}]', true);
SELECT twin_api.login('jürgen', 'another horse battery staple', use_cookies => true) AS k \gset
SELECT is((SELECT array_agg(k ORDER BY k COLLATE "C") FROM jsonb_object_keys(:'k'::jsonb) k), '{csrf_token,expires_in,token_type,user}', 'with cookies the body holds no token but the CSRF token');
SELECT is(current_setting('response.headers')::jsonb -> 0, '{"X-Before": "1"}', 'headers that are there stay');
CREATE FUNCTION headers_after(before text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('response.headers', before, true), twin_api.login('jürgen', 'another horse battery staple', true);
	RETURN current_setting('response.headers');
END $$;
SAVEPOINT headers;
SELECT is(jsonb_array_length(headers_after(h)), n + 3, 'headers before: ' || h)
	FROM (VALUES ('', 0), ('[]', 0), ('[ ]', 0), (E' [\n\t] ', 0), (' [ {"a": "1"} , {"b": "]"} ] ', 2), ('[{"a": "1"}]' || E'\n', 1), ('none', 0), ('[', 0), (']', 0)) v (h, n);
ROLLBACK TO headers;
SELECT is((SELECT array_agg(DISTINCT (SELECT count(*) FROM jsonb_object_keys(h))) FROM jsonb_array_elements(current_setting('response.headers')::jsonb) h), '{1}', 'each header is an object of one member');
SELECT matches(attributes('__Host-twin_access'), '^Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=3600$', 'the access cookie');
SELECT matches(attributes('__Host-twin_refresh'), '^Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=4[0-9]{4}$', 'the refresh cookie');
SELECT matches(attributes('__Host-twin_csrf'), '^Path=/; Secure; SameSite=Lax; Max-Age=4[0-9]{4}$', 'scripts may read the CSRF cookie');
SELECT is(cookie('__Host-twin_csrf'), :'k'::jsonb ->> 'csrf_token', '... which is that of the body');
SELECT isnt(claims_of(cookie('__Host-twin_access')) ->> 'csrf', :'k'::jsonb ->> 'csrf_token', 'the tokens carry its digest, not itself');
SELECT is(claims_of(cookie('__Host-twin_access')) ->> 'csrf', rtrim(translate(encode(sha256(convert_to(:'k'::jsonb ->> 'csrf_token', 'UTF8')), 'base64'), '+/', '-_'), '='), '... by SHA-256');
SELECT cookie('__Host-twin_access') AS access, cookie('__Host-twin_refresh') AS refresh, cookie('__Host-twin_csrf') AS csrf \gset
SELECT set_config('request.cookies', jsonb_build_object('__Host-twin_access', :'access', '__Host-twin_refresh', :'refresh', '__Host-twin_csrf', :'csrf')::text, true);
-- the cookie alone is no proof that the page asked
SELECT forget_response();
SELECT is(twin_api.refresh() ->> 'error', 'invalid_token', 'refresh by cookie without the header is refused');
CREATE FUNCTION refused_with(headers text, label text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM forget_response(), set_config('request.headers', headers, true);
	RETURN is(twin_api.refresh() ->> 'error', 'invalid_token', label);
END $$;
SELECT refused_with(jsonb_build_object('x-csrf-token', h)::text, 'header: ' || h)
	FROM unnest(ARRAY['', 'x', repeat('A', 43), left(:'csrf', 42), :'csrf' || 'A', claims_of(:'access') ->> 'csrf']) h;
SELECT refused_with(x, 'headers: ' || x) FROM unnest(ARRAY['', 'no json', '[]', '{"x-csrf-token": 1}', '{"x-csrf-token": null}', '{"a": {"b": {"c": 1}}}']) x;
SELECT forget_response();
SELECT set_config('request.headers', jsonb_build_object('x-csrf-token', :'csrf', 'user-agent', E'Mozilla\u00e4 ' || repeat('x', 1000))::text, true);
SELECT twin_api.refresh() AS r \gset
SELECT is((SELECT array_agg(k ORDER BY k COLLATE "C") FROM jsonb_object_keys(:'r'::jsonb) k), '{csrf_token,expires_in,token_type,user}', 'with it the answer comes by cookies too');
SELECT is(cookie('__Host-twin_csrf'), :'csrf', 'the CSRF token stays that of the session');
SELECT isnt(cookie('__Host-twin_refresh'), :'refresh', 'the refresh token rotates');
SELECT isnt(claims_of(cookie('__Host-twin_refresh')) ->> 'rot', claims_of(:'refresh') ->> 'rot', '... in what it carries');
SELECT cookie('__Host-twin_access') AS access \gset
SELECT twin.authenticate(:'access');
SELECT forget_response();
SELECT twin_api.logout();
SELECT is(cookie(c) || ' ' || attributes(c), w, 'logout clears ' || c) FROM (VALUES ('__Host-twin_access', ' Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0'),
	('__Host-twin_refresh', ' Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0'), ('__Host-twin_csrf', ' Path=/; Secure; SameSite=Lax; Max-Age=0')) v (c, w);
SELECT set_config('twin_security.token', '', true), set_config('request.cookies', '', true), forget_response();
-- a token of the body, planted as a cookie
SELECT twin_api.login('jürgen', 'another horse battery staple') AS p \gset
SELECT set_config('request.cookies', jsonb_build_object('__Host-twin_refresh', :'p'::jsonb ->> 'refresh_token')::text, true),
	set_config('request.headers', jsonb_build_object('x-csrf-token', repeat('A', 43))::text, true);
SELECT is(twin_api.refresh() ->> 'error', 'invalid_token', 'a token that was not issued for cookies is none');
SELECT set_config('request.cookies', '', true), forget_response();
SELECT twin_api.login('jürgen', 'another horse battery staple') AS p \gset
SELECT is((SELECT user_agent FROM twin.sessions WHERE session_id = (claims_of(:'p'::jsonb ->> 'access_token') ->> 'sid')::uuid), NULL, 'who says nothing has no user agent');
SELECT set_config('request.headers', jsonb_build_object('user-agent', E'Mozilla\u00e4\n' || repeat('x', 1000))::text, true);
SELECT twin_api.login('jürgen', 'another horse battery staple') AS p \gset
SELECT is((SELECT user_agent FROM twin.sessions WHERE session_id = (claims_of(:'p'::jsonb ->> 'access_token') ->> 'sid')::uuid), 'Mozilla???' || repeat('x', 246), 'what a client calls itself is cut and printable');

-- ---- rehash ----
SET LOCAL twin_security.bcrypt_cost = 11;
SELECT ok(twin_api.login('jürgen', 'another horse battery staple') ? 'access_token', 'a login after the cost has risen');
SELECT matches((SELECT password_hash FROM twin_internal.users WHERE user_id = :uid), '^\$2b\$11\$', '... hashes anew');
SELECT ok(twin_api.login('jürgen', 'another horse battery staple') ? 'access_token', '... and the password still holds');
SET LOCAL twin_security.bcrypt_cost = 10;
UPDATE twin_internal.users SET password_hash = twin.hash_password('another horse battery staple', 10) WHERE user_id = :uid;
SET LOCAL twin_security.bcrypt_cost = 11;
SELECT twin_api.login('jürgen', 'wrong');
SELECT matches((SELECT password_hash FROM twin_internal.users WHERE user_id = :uid), '^\$2b\$10\$', 'a wrong password does not');
SET LOCAL twin_security.bcrypt_cost = 10;
UPDATE twin_internal.users SET password_hash = twin.hash_password('another horse battery staple', 11) WHERE user_id = :uid;
SELECT is(twin.password_needs_rehash(password_hash), false, 'a hash of a higher cost is good enough for applications') FROM twin_internal.users WHERE user_id = :uid;
SELECT ok(twin_api.login('jürgen', 'another horse battery staple') ? 'access_token', 'a login after the cost was lowered');
SELECT matches((SELECT password_hash FROM twin_internal.users WHERE user_id = :uid), '^\$2b\$10\$', '... hashes anew too, for its time tells the cost');
-- damaged hashes, and one that would take a day: as any wrong password
CREATE FUNCTION login_with_hash(of_user bigint, hash text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	UPDATE twin_internal.users SET password_hash = hash WHERE user_id = of_user;
	PERFORM twin.unlock_user('jürgen');
	RETURN twin_api.login('jürgen', 'another horse battery staple');
END $$;
SELECT is(login_with_hash(:uid, h), '{"error": "invalid_credentials", "message": "wrong username or password"}', 'stored: ' || left(h, 7))
	FROM unnest(ARRAY['$2b$31$' || repeat('a', 53), '$2b$03$' || repeat('a', 53), '$2b$10$' || repeat('9', 53)]) h;
SELECT twin.set_password('jürgen', 'another horse battery staple');
SELECT ok(twin_api.login('jürgen', 'another horse battery staple') ? 'access_token', 'a new password mends it');

-- ---- administrators ----
SELECT is((SELECT username FROM twin.users WHERE email = 'j@example.org'), 'Jürgen', 'an address is found');
SELECT is((SELECT count(*) FROM twin.users WHERE email = 'J@example.org'), 0::bigint, '... exactly as it was given');
SELECT ok((SELECT count(*) FROM twin.sessions WHERE ended_at IS NULL) > 0, 'there are sessions');
SELECT twin.disable_tenant(:tenant);
SELECT is((SELECT count(*) FROM twin.sessions WHERE user_id = :uid AND ended_at IS NULL), 0::bigint, 'without their tenant none goes on');
SELECT is(twin_api.login('jürgen', 'another horse battery staple') ->> 'error', 'invalid_credentials', '... and none begins');
SELECT twin.enable_tenant(:tenant);
SELECT ok(twin_api.login('jürgen', 'another horse battery staple') ? 'access_token', '... until it is enabled again');
SELECT is(twin.purge_sessions(), 0::bigint, 'young ones are kept');
SELECT cmp_ok(twin.purge_sessions('0'), '>', 0::bigint, '... and can be purged');
SELECT is((SELECT count(*) FROM twin.sessions WHERE ended_at IS NOT NULL), 0::bigint, 'none that ended is left');
SELECT is((SELECT count(*) FROM twin.sessions), 1::bigint, 'the one that goes on is');
INSERT INTO twin_internal.session_ends (user_id, ended_at) VALUES (:boss, now() - interval '367 days'), (:uid, now() - interval '365 days');
SELECT twin.purge_sessions();
SELECT is((SELECT array_agg(user_id) FROM twin_internal.session_ends), ARRAY[:uid]::bigint[], 'of the times at which somebody logged out everywhere the last is kept, for as long as it may count');
SELECT cmp_ok((SELECT ended_at FROM twin_internal.session_ends), '>', now() - interval '1 hour', '... the last');
SELECT throws_ok($$SELECT twin.purge_sessions(NULL)$$, '22023', NULL, 'purging needs an interval');
UPDATE twin_internal.users SET password_hash = twin.hash_password('another horse battery staple', 10), role_name = 'gone' WHERE user_id = :uid;
SELECT is(twin_api.login('jürgen', 'another horse battery staple') ->> 'error', 'invalid_credentials', 'a role that is no more lets nobody in');
SELECT throws_ok(format('UPDATE twin_internal.users SET password_hash = %L', h), '23514', NULL, 'no hash: ' || h) FROM unnest(ARRAY['', 'x', 'plain password', '$2x$10$' || repeat('a', 53), '$1$abc']) h;
SELECT throws_ok('SELECT twin.disable_user(''boss'')', '55000', NULL, 'the last administrator stays');
SELECT is((SELECT count(*) FROM twin_internal.login_attempts WHERE user_id = :uid AND succeeded), 1::bigint, 'of successful logins the last one is kept');

-- what no user can reach
SELECT is((SELECT array_agg(r::text || ' ' || c.oid::regclass) FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway}'::regrole[]) r, pg_class c
	WHERE c.relnamespace = 'twin_internal'::regnamespace AND c.relname IN ('users', 'tenants', 'sessions', 'login_attempts', 'session_ends')
		AND has_table_privilege(r, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')), NULL, 'nobody has a privilege on the tables');
SELECT is((SELECT array_agg(p.oid::regprocedure) FROM pg_proc p WHERE p.pronamespace = 'twin_api'::regnamespace AND has_function_privilege('pg_monitor', p.oid, 'EXECUTE')), NULL, 'PUBLIC has nothing of twin_api');
SELECT * FROM finish();
ROLLBACK;
