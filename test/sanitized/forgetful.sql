-- What this library keeps of catalogs and tables, asked where the server forgets all that it may (debug_discard_caches): a
-- pointer that outlives a look into a catalog is one into memory that was given back.  For a server with assertions:
--	CHECKER=assert test/run_sanitized test/with_server psql -Xq -v ON_ERROR_STOP=1 -f test/sanitized/forgetful.sql
\pset format unaligned
\pset tuples_only
CREATE EXTENSION twin_security;
SELECT twin.create_key('pii');
SELECT twin.add_verification_key('{"kty": "oct", "kid": "out", "alg": "HS256", "k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}',
	claim_map => '{"user": "sub", "role": "role", "tenant": "tenant_id", "role_is": "database", "roles": ["twin_operator"]}');
\ir ../pgtap/shared/outside_issuer.psql
SELECT outside(format('{"sub":"7","role":"twin_operator","tenant_id":1,"exp":%s,"jti":"j1"}', (extract(epoch FROM now()) + 3000)::bigint)) AS token \gset
SELECT twin.issue_token('{"user_id": "8", "role": "operator", "tenant_id": 1}') AS other \gset
CREATE TABLE person (id int PRIMARY KEY, tenant bigint, name text, email twin.encrypted_text_eq(pii), age twin.encrypted_bigint(pii));
SELECT twin.create_decrypted_view('person', 'people');
SELECT twin.protect_table('person', 'tenant', NULL, 'read_units', 'write_units', 'write_units', 'delete_units');
SELECT twin.audit_table('person');
GRANT SELECT, INSERT, UPDATE ON person, people TO twin_operator;
GRANT twin_operator TO CURRENT_USER;
SELECT twin.grant_key('pii', 'twin_operator', 'decrypt'), twin.grant_key('pii', 'twin_operator', 'encrypt');
SELECT twin.grant_key('pii', current_user::regrole, 'decrypt');
SELECT twin.grant_key_permission('pii', 'read_units', 'decrypt');
SELECT twin.feed_table('person', topic => 'people');
CREATE FUNCTION pg_temp.expect(what text, got text, wanted text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN IF got IS DISTINCT FROM wanted THEN RAISE EXCEPTION '%: % instead of %', what, got, wanted; END IF; END $$;

SET debug_discard_caches = 1;

\echo decrypted view
INSERT INTO people VALUES (1, 1, 'a', 'a@example.org', 30), (2, 1, 'b', 'b@example.org', 40);
UPDATE people SET age = age + 1 WHERE email = 'a@example.org';
UPDATE people SET name = 'c' WHERE id = 2;
SELECT pg_temp.expect('view', string_agg(p::text, ' ' ORDER BY id), '(1,1,a,a@example.org,31) (2,1,c,b@example.org,40)') FROM people p;
DELETE FROM people WHERE id = 2;

\echo whoever is asking
BEGIN;
SELECT twin.authenticate(:'token');
SELECT pg_temp.expect('role', twin.has_role('operator')::text || twin.has_role('viewer') || twin.has_role('admin'), 'truetruefalse');
SELECT pg_temp.expect('permission', twin.has_permission('read_units')::text || twin.has_permission('no such'), 'truefalse');
SELECT twin_internal.require_reach_of_role('viewer');
SELECT twin_internal.require_reach_of_role('operator');
DO $$ BEGIN
	PERFORM twin_internal.require_reach_of_role('admin');
	RAISE EXCEPTION 'whoever asks reaches the role admin';
EXCEPTION WHEN insufficient_privilege THEN
END $$;
SET LOCAL ROLE twin_operator;
SELECT id, email::text FROM person;
SELECT twin.publish('units.1', '1');
ROLLBACK;

\echo subscriptions
SELECT twin.open_listener() \g /dev/null
SELECT twin.subscribe(:'token', '{people,units.1}') AS one, twin.subscribe(:'other', '{people}') AS two \gset
UPDATE person SET name = 'd' WHERE id = 1;
SELECT pg_temp.expect('received', count(*)::text, '2') FROM twin.receive('5 s');
SELECT twin.unsubscribe(:one);
SELECT twin.close_listener();
\echo done
