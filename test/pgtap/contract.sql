-- contract.sql: the signatures and result columns that outside users rely on.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

-- name, arguments (with names), result
CREATE TEMP TABLE signatures (name text, arguments text, result text);
INSERT INTO signatures VALUES
	('generate_key', '', 'text'),
	('create_key', 'key_name text, algorithm text DEFAULT ''aes-256-gcm''::text', 'integer'),
	('rotate_key', 'key_name text', 'integer'),
	('retire_key', 'key_name text, version integer', 'void'),
	('destroy_key', 'key_name text, version integer DEFAULT NULL::integer, with_archives boolean DEFAULT false', 'void'),
	('grant_key', 'key_name text, role_name regrole, privilege text', 'void'),
	('revoke_key', 'key_name text, role_name regrole, privilege text', 'void'),
	('rotate_master_key', '', 'integer'),
	('key_census', 'rel regclass', 'TABLE(column_name name, key_name text, version integer, "values" bigint)'),
	('encrypt_data', 'plaintext text', 'text'),
	('decrypt_data', 'ciphertext text', 'text'),
	('hash_password', 'password text, cost integer DEFAULT NULL::integer', 'text'),
	('verify_password', 'password text, hash text', 'boolean'),
	('password_needs_rehash', 'hash text', 'boolean'),
	('check_password_strength', 'password text, username text DEFAULT NULL::text, email text DEFAULT NULL::text',
		'TABLE(acceptable boolean, score integer, reasons text[])'),
	('generate_password', 'length integer DEFAULT 16', 'text'),
	('record_event', 'event_type text, severity text DEFAULT ''info''::text, outcome text DEFAULT ''success''::text, action text DEFAULT NULL::text, resource text DEFAULT NULL::text, username text DEFAULT NULL::text, client_address inet DEFAULT NULL::inet, event_time timestamp with time zone DEFAULT NULL::timestamp with time zone, details jsonb DEFAULT ''{}''::jsonb', 'bigint'),
	('siem_events', 'format text, after bigint DEFAULT 0, max_events integer DEFAULT 1000', 'TABLE(event_id bigint, event text)'),
	('issue_token', 'claims jsonb, lifetime interval DEFAULT NULL::interval', 'text'),
	('verify_token', 'token text', 'jsonb'),
	('revoke_token', 'token_or_jti text', 'void'),
	('add_verification_key', 'jwk jsonb, issuer text DEFAULT NULL::text, audience text DEFAULT NULL::text, claim_map jsonb DEFAULT ''{}''::jsonb, max_lifetime interval DEFAULT NULL::interval', 'text'),
	('jwks', '', 'jsonb'),
	('authenticate', 'token text', 'void'),
	('current_user_id', '', 'bigint'),
	('current_tenant_id', '', 'bigint'),
	('current_claims', '', 'jsonb'),
	('has_role', 'role_name text', 'boolean'),
	('has_permission', 'permission_name text', 'boolean'),
	('require_permission', 'permission_name text', 'void'),
	('protect_table', 'rel regclass, tenant_column name DEFAULT NULL::name, owner_column name DEFAULT NULL::name, read_permission text DEFAULT NULL::text, insert_permission text DEFAULT NULL::text, update_permission text DEFAULT NULL::text, delete_permission text DEFAULT NULL::text', 'void'),
	('unprotect_table', 'rel regclass', 'void'),
	('create_tenant', 'tenant_name text', 'bigint'),
	('create_user', 'username text, password text, email text DEFAULT NULL::text, role_name text DEFAULT ''viewer''::text, tenant_id bigint DEFAULT NULL::bigint', 'bigint'),
	('set_password', 'username text, password text', 'void'),
	('disable_user', 'username text', 'void'),
	('enable_user', 'username text', 'void'),
	('unlock_user', 'username text', 'void'),
	('assign_role', 'username text, role_name text', 'void'),
	('current_username', '', 'text'),
	('pre_request', '', 'void'),
	('begin_request', 'method text, path text, headers jsonb, cookies jsonb, client_address inet, schema_name text, anonymous_role name DEFAULT ''twin_anonymous''::name, extra_search_path text[] DEFAULT NULL::text[], settings text[] DEFAULT NULL::text[], route text DEFAULT NULL::text', 'TABLE(role_name name, user_id bigint, request_id text)'),
	('check_rate_limit', 'route text, subject text', 'TABLE(allowed boolean, remaining integer, retry_after interval)');
SELECT is(pg_get_function_arguments(p.oid), s.arguments, s.name || ' takes ' || s.arguments)
	FROM signatures s LEFT JOIN pg_proc p ON p.proname = s.name AND p.pronamespace = 'twin'::regnamespace;
SELECT is(pg_get_function_result(p.oid), s.result, s.name || ' returns ' || s.result)
	FROM signatures s LEFT JOIN pg_proc p ON p.proname = s.name AND p.pronamespace = 'twin'::regnamespace;
SELECT is(pg_get_function_arguments(p.oid) || ' -> ' || pg_get_function_result(p.oid), s.signature, 'twin_api.' || s.name)
	FROM (VALUES ('login', 'username text, password text, use_cookies boolean DEFAULT false -> jsonb'), ('refresh', 'refresh_token text DEFAULT NULL::text -> jsonb'),
		('logout', ' -> void'), ('logout_all', ' -> void'), ('me', ' -> jsonb')) s (name, signature)
	LEFT JOIN pg_proc p ON p.proname = s.name AND p.pronamespace = 'twin_api'::regnamespace;

CREATE TEMP TABLE views (name text, columns text);
INSERT INTO views VALUES
	('keys', 'key_id integer, key_name text, version integer, state text, created_at timestamp with time zone, messages bigint, context uuid, algorithm text'),
	('stat_keyring', 'key_name text, seals bigint, opens bigint, integrity_failures bigint'),
	('audit_log', 'event_id bigint, event_time timestamp with time zone, recorded_at timestamp with time zone, class text, event_type text, severity text, outcome text, action text, resource text, record_id text, session_user_name text, outer_user_name text, effective_user_name text, user_id bigint, username text, tenant_id bigint, token_id text, client_address inet, application_name text, request_id text, xid xid8, application_made boolean, old jsonb, new jsonb, diff jsonb, details jsonb, leaf_index bigint'),
	('users', 'user_id bigint, username text, email twin.encrypted_text_eq(main), role_name text, tenant_id bigint, is_active boolean, locked_until timestamp with time zone, created_at timestamp with time zone, last_login timestamp with time zone'),
	('rate_limits', 'route text, scope text, requests integer, period interval, burst integer'),
	('tenants', 'tenant_id bigint, tenant_name text, is_active boolean, created_at timestamp with time zone'),
	('stat_audit', 'emitted bigint, written bigint, dropped bigint, ring_fill double precision, sealed bigint, seal_lag interval, checkpoint_age interval');
SELECT is((SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
	FROM pg_attribute a WHERE a.attrelid = ('twin.' || v.name)::regclass AND a.attnum > 0), v.columns, 'columns of ' || v.name)
	FROM views v;

-- every type of the design, both forms; a decrypt() that gives back the base type
CREATE TEMP TABLE types (name text, base regtype);
INSERT INTO types VALUES ('text', 'text'), ('bytea', 'bytea'), ('jsonb', 'jsonb'), ('numeric', 'numeric'), ('bigint', 'bigint'),
	('float8', 'float8'), ('date', 'date'), ('timestamptz', 'timestamptz'), ('boolean', 'boolean'), ('uuid', 'uuid'), ('inet', 'inet');
SELECT has_type('twin', 'encrypted_' || t.name || suffix, 'encrypted_' || t.name || suffix || ' exists')
	FROM types t, unnest(ARRAY['', '_eq']) suffix;
SELECT is(p.prorettype::regtype, t.base, 'decrypt(encrypted_' || t.name || suffix || ') gives ' || t.base)
	FROM types t, unnest(ARRAY['', '_eq']) suffix
	LEFT JOIN pg_proc p ON p.proname = 'decrypt' AND p.pronamespace = 'twin'::regnamespace
WHERE p.proargtypes[0] = ('twin.encrypted_' || t.name || suffix)::regtype;

-- the way in is an assignment cast, the way out an explicit one; never an implicit one
SELECT is(c.castcontext, 'a', t.base || ' to encrypted_' || t.name || suffix || ' by assignment')
	FROM types t CROSS JOIN unnest(ARRAY['', '_eq']) suffix
	LEFT JOIN pg_cast c ON c.castsource = t.base AND c.casttarget = ('twin.encrypted_' || t.name || suffix)::regtype;
SELECT is(c.castcontext, 'e', 'encrypted_' || t.name || suffix || ' to ' || target || ' explicitly')
	FROM types t CROSS JOIN unnest(ARRAY['', '_eq']) suffix
	CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[t.base, 'text', 'varchar', 'bpchar']::regtype[])) o (target)
	LEFT JOIN pg_cast c ON c.castsource = ('twin.encrypted_' || t.name || suffix)::regtype AND c.casttarget = target;
SELECT is_empty($$SELECT castsource::regtype, casttarget::regtype FROM pg_cast
	WHERE castcontext = 'i' AND castsource <> casttarget AND (castsource::regtype::text LIKE 'twin.%' OR casttarget::regtype::text LIKE 'twin.%')$$,
	'no implicit cast from or to an encrypted type');

-- operators: the plaintext order for all, equality and the tag order for the searchable types
SELECT is((SELECT string_agg(o.oprname, ' ' ORDER BY o.oprname COLLATE "C") FROM pg_operator o
	WHERE o.oprleft = o.oprright AND o.oprleft = ('twin.encrypted_' || t.name || suffix)::regtype),
	CASE suffix WHEN '_eq' THEN '< <= <> = == > >= ~<=~ ~<~ ~>=~ ~>~' ELSE '< <= == > >=' END,
	'operators of encrypted_' || t.name || suffix) FROM types t CROSS JOIN unnest(ARRAY['', '_eq']) suffix;
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
	WHERE o.oprleft = o.oprright AND o.oprleft::regtype::text LIKE 'twin.encrypted%' AND o.oprname IN ('=', '<>', '~<~', '~<=~', '~>~', '~>=~')
		AND NOT (p.proleakproof AND p.provolatile = 'i' AND p.proparallel = 's')$$,
	'comparisons of blind tags are leakproof, immutable and parallel safe');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
	WHERE (o.oprleft::regtype::text LIKE 'twin.encrypted%' OR o.oprright::regtype::text LIKE 'twin.encrypted%') AND o.oprname IN ('<', '<=', '==', '>', '>=')
		AND (p.proleakproof OR p.provolatile <> 's' OR p.proparallel <> 's' OR o.oprcanmerge OR o.oprcanhash)$$,
	'comparisons that open are stable, never leakproof, and no join is made of them');

SELECT * FROM finish();
ROLLBACK;
