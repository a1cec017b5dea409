-- topic.sql: who may publish, as whom, and who may decide which topics there are.
-- (The extension is not committed here, so nothing is delivered: see test/t/061_topics.pl.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;

-- ---- who may call what ----

SELECT function_privs_are('twin', f, a, r, CASE WHEN r IN ('twin_admin', 'twin_gateway') THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and ' || f)
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,pg_monitor}'::name[]) r,
		(VALUES ('open_listener', '{}'::name[]), ('close_listener', '{}'), ('wake_listener', '{text}'), ('subscribe', '{text,text[]}'), ('unsubscribe', '{bigint}'),
			('receive', '{interval,integer}')) v (f, a);
SELECT function_privs_are('twin', 'publish', '{text,jsonb,bigint}', r, CASE WHEN r IN ('twin_admin', 'twin_operator', 'twin_viewer') THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and publish')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,pg_monitor}'::name[]) r;
SELECT table_privs_are('twin', 'topics', r, CASE r WHEN 'twin_admin' THEN '{SELECT,INSERT,UPDATE,DELETE}' WHEN 'twin_auditor' THEN '{SELECT}' ELSE '{}' END::name[], r || ' and topics')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,pg_monitor}'::name[]) r;

-- ---- who publishes in his own name ----

CREATE ROLE gateway_login LOGIN IN ROLE twin_gateway;
CREATE ROLE looker LOGIN IN ROLE twin_viewer;
CREATE ROLE runner LOGIN IN ROLE twin_operator;
CREATE ROLE boss LOGIN IN ROLE twin_admin;
CREATE ROLE app LOGIN;
CREATE ROLE stranger LOGIN;
GRANT EXECUTE ON FUNCTION twin.publish(text, jsonb, bigint) TO app;
CREATE TABLE tokens (name text PRIMARY KEY, token text);
GRANT SELECT ON tokens TO PUBLIC;
INSERT INTO tokens SELECT n, twin.issue_token(jsonb_strip_nulls(jsonb_build_object('user_id', '1', 'role', r, 'tenant_id', t)))
	FROM (VALUES ('viewer', 'viewer', 1), ('operator', 'operator', 1), ('admin', 'admin', 1), ('whole', 'admin', NULL), ('roleless', NULL, 1)) v (n, r, t);
CREATE FUNCTION be(login name, act_as name, who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ROLE NONE;
	EXECUTE format('SET LOCAL twin_security.token = %L', coalesce((SELECT token FROM tokens WHERE name = who), ''));
	EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', login);
	IF act_as IS NOT NULL THEN
		EXECUTE format('SET LOCAL ROLE %I', act_as);
	END IF;
END $$;
CREATE FUNCTION tries(login name, act_as name, who text, topic text, tenant bigint, wanted text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text := 'lives';
BEGIN
	BEGIN
		PERFORM be(login, act_as, who);
		PERFORM twin.publish(topic, '1', tenant);
		RAISE 'undo' USING ERRCODE = 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN NULL;
		WHEN OTHERS THEN got := SQLSTATE;
	END;
	RETURN is(got, wanted, format('%s as %s with token %s to %s of %s', login, act_as, who, topic, tenant));
END $$;
SELECT tries(login, act_as, who, topic, tenant, wanted) FROM (VALUES
	-- behind a gateway the token's role decides
	('gateway_login', 'twin_viewer', NULL, 'units.1', NULL::bigint, '42501'), ('gateway_login', 'twin_operator', NULL, 'units.1', NULL, '42501'),
	('gateway_login', NULL, NULL, 'units.1', NULL, '42501'), ('gateway_login', 'twin_admin', NULL, 'system', NULL, '42501'),
	('gateway_login', 'twin_viewer', 'viewer', 'units.1', NULL, '42501'), ('gateway_login', 'twin_operator', 'viewer', 'units.1', NULL, '42501'),
	('gateway_login', 'twin_operator', 'operator', 'units.1', NULL, 'lives'), ('gateway_login', 'twin_operator', 'operator', 'control.1', NULL, 'lives'),
	('gateway_login', 'twin_operator', 'operator', 'units.1', 1, 'lives'), ('gateway_login', 'twin_operator', 'operator', 'units.1', 2, '42501'),
	('gateway_login', 'twin_operator', 'operator', 'admin.x', NULL, '42501'), ('gateway_login', 'twin_admin', 'admin', 'admin.x', NULL, '42501'),
	('gateway_login', 'twin_admin', 'admin', 'units.1', NULL, 'lives'), ('gateway_login', 'twin_admin', 'admin', 'units.1', 2, '42501'),
	('gateway_login', 'twin_admin', 'whole', 'units.1', 2, 'lives'), ('gateway_login', 'twin_admin', 'whole', 'system', NULL, '42501'),
	('gateway_login', 'twin_viewer', 'roleless', 'units.1', NULL, '42501'),
	-- other logins without token: what their role in the twin may
	('looker', NULL, NULL, 'units.1', NULL, '42501'), ('runner', NULL, NULL, 'units.1', NULL, 'lives'), ('runner', NULL, NULL, 'units.1', 7, 'lives'),
	('runner', NULL, NULL, 'system', NULL, '42501'), ('boss', NULL, NULL, 'system', NULL, 'lives'), ('boss', NULL, 'viewer', 'units.1', NULL, '42501'),
	('app', NULL, NULL, 'units.1', NULL, 'lives'), ('app', NULL, NULL, 'system', NULL, 'lives'), ('stranger', NULL, NULL, 'units.1', NULL, '42501'),
	('runner', NULL, 'operator', 'units.1', NULL, 'lives'), ('runner', NULL, 'operator', 'units.1', 2, '42501'), ('app', NULL, 'viewer', 'units.1', NULL, '42501'),
	('runner', NULL, NULL, 'nothing', NULL, '42704')) v (login, act_as, who, topic, tenant, wanted);
SELECT be(session_user, NULL, NULL);

-- ---- functions of the database ----

CREATE FUNCTION tell() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ SELECT twin.publish('system', '1'), twin.publish('units.1', '1', 2) $$;
CREATE FUNCTION tell_myself() RETURNS void LANGUAGE sql AS $$ SELECT twin.publish('units.1', '1') $$;
CREATE FUNCTION calls(login name, act_as name, who text, call text, wanted text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text := 'lives';
BEGIN
	BEGIN
		PERFORM be(login, act_as, who);
		EXECUTE call;
		RAISE 'undo' USING ERRCODE = 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN NULL;
		WHEN OTHERS THEN got := SQLSTATE || ' ' || SQLERRM;
	END;
	RETURN matches(got, wanted, format('%s as %s with token %s: %s', login, act_as, who, call));
END $$;
SELECT calls('gateway_login', 'twin_viewer', 'viewer', 'SELECT tell()', 'lives');
SELECT calls('gateway_login', 'twin_anonymous', NULL, 'SELECT tell()', 'lives');
SELECT calls('gateway_login', 'twin_viewer', 'viewer', 'SELECT tell_myself()', '42501 permission denied to publish');
SELECT calls('stranger', NULL, NULL, 'SELECT tell()', 'lives');
-- whose owner is a user of the twin himself, or somebody that the login may be
CREATE FUNCTION tell_as_viewer() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ SELECT twin.publish('units.1', '1', 2) $$;
ALTER FUNCTION tell_as_viewer() OWNER TO twin_viewer;
CREATE FUNCTION tell_as_admin() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ SELECT twin.publish('system', '1'), twin.publish('units.1', '1', 2) $$;
ALTER FUNCTION tell_as_admin() OWNER TO twin_admin;
SELECT calls('gateway_login', NULL, NULL, 'SELECT tell_as_viewer()', '42501 permission denied');
SELECT calls('gateway_login', NULL, NULL, 'SELECT tell_as_admin()', '42501 permission denied');
SELECT calls('gateway_login', 'twin_viewer', 'viewer', 'SELECT tell_as_admin()', '42501 permission denied');
SELECT calls('stranger', NULL, NULL, 'SELECT tell_as_viewer()', '42501 permission denied to publish');
SELECT calls('stranger', NULL, NULL, 'SELECT tell_as_admin()', 'lives');

-- ---- which topics there are ----

SELECT calls('boss', NULL, NULL, $$INSERT INTO twin.topics (topic, subscribe_permission) VALUES ('new.*', 'read_units')$$, 'lives');
SELECT calls('gateway_login', 'twin_admin', 'whole', $$UPDATE twin.topics SET tenant_bound = false WHERE topic = 'units.*'$$, 'lives');
SELECT calls('gateway_login', 'twin_admin', 'admin', call, '42501 permission denied for topics')
	FROM unnest(ARRAY[$$INSERT INTO twin.topics (topic, subscribe_permission) VALUES ('new.*', 'read_units')$$, 'UPDATE twin.topics SET tenant_bound = false', 'DELETE FROM twin.topics']) call;
SELECT calls('gateway_login', 'twin_admin', w, call, '42501 permission denied for what twin_security shows')
	FROM unnest(ARRAY['UPDATE twin.topics SET tenant_bound = false', 'DELETE FROM twin.topics', 'SELECT * FROM twin.topics']) call, unnest(ARRAY[NULL, 'viewer']) w;
SELECT calls('runner', NULL, NULL, 'UPDATE twin.topics SET tenant_bound = false', '42501 permission denied for table topics');
SELECT calls('boss', NULL, NULL, $$UPDATE twin.topics SET tenant_bound = false WHERE topic = 'units.*'; DELETE FROM twin.topics WHERE topic = 'units.*'$$, '55000 topic "units.\*" came with');

-- ---- who may listen ----

SELECT calls('gateway_login', NULL, NULL, 'SELECT twin.open_listener()', 'lives');
SELECT calls('gateway_login', NULL, NULL, $$SELECT twin.subscribe('x', '{units.1}')$$, 'TW501');
SELECT calls('gateway_login', 'twin_admin', NULL, 'SELECT twin.open_listener()', '42501 permission denied for an administrative function');
SELECT calls('gateway_login', 'twin_admin', 'admin', $$SELECT twin.subscribe('x', '{units.1}')$$, '42501 permission denied for subscribe');
SELECT calls(l, NULL, NULL, 'SELECT * FROM twin.receive(''0'')', '42501 permission denied for function receive') FROM unnest('{looker,runner,app,stranger}'::text[]) l;
SELECT calls('gateway_login', NULL, NULL, f, '42501') FROM unnest(ARRAY['SELECT twin.create_tenant(''x'')', 'SELECT * FROM twin.stat_topics', 'SELECT twin.issue_token(''{}'')']) f;

SELECT * FROM finish();
ROLLBACK;
