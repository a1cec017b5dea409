-- topic: its surface as outside users see it; one session publishes, subscribes and receives
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT p.oid::regprocedure AS function, pg_get_function_result(p.oid) AS result, p.provolatile AS volatile, p.proisstrict AS strict,
	p.proparallel AS parallel, p.prosecdef AS definer
FROM pg_proc p WHERE p.pronamespace = 'twin'::regnamespace
	AND p.proname IN ('publish', 'open_listener', 'close_listener', 'wake_listener', 'subscribe', 'unsubscribe', 'receive')
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT topic, subscribe_permission, publish_permission, tenant_bound, enabled FROM twin.topics ORDER BY 1;
SELECT name, setting, unit, context FROM pg_settings WHERE name IN ('twin_security.max_subscriptions', 'twin_security.topic_ring_size') ORDER BY 1;
-- names
SELECT twin.publish(t, '1') FROM (VALUES ('')) v (t);
SELECT twin.publish('units.*', '1');
SELECT twin.publish('units..1', '1');
SELECT twin.publish('nothing', '1');
SELECT twin.publish('units', '1');
SELECT twin.publish(NULL, '1');
SELECT twin.publish('units.1', NULL);
INSERT INTO twin.topics (topic, subscribe_permission) VALUES ('a b', 'read_units');
INSERT INTO twin.topics (topic, subscribe_permission) VALUES ('*', 'read_units');
INSERT INTO twin.topics (topic, subscribe_permission) VALUES ('a', NULL);
-- payloads
SELECT twin.publish('units.1', to_jsonb(repeat('x', 65534)));
SELECT twin.publish('units.1', to_jsonb(repeat('x', 65535)));
SELECT twin.publish('units.1', to_jsonb(repeat('x', 10000000)));
SELECT twin.publish('units.1', (repeat('[', 64) || repeat(']', 64))::jsonb);
SELECT twin.publish('units.1', (repeat('[', 65) || repeat(']', 65))::jsonb);
SELECT count(twin.publish('units.1', to_jsonb(repeat('x', 60000)))) FROM generate_series(1, 34);
SELECT count(twin.publish('units.1', to_jsonb(repeat('x', 60000)))) FROM generate_series(1, 35);
-- what needs a transaction that writes and ends here
BEGIN READ ONLY;
SELECT twin.publish('units.1', '1');
ROLLBACK;
-- a session without listener
SELECT twin.subscribe('x', '{units.1}');
SELECT twin.unsubscribe(1);
SELECT * FROM twin.receive('0');
SELECT twin.close_listener();
SELECT twin.wake_listener('x');
SELECT twin.wake_listener(repeat('0', 32));
-- a listener
SELECT length(twin.open_listener());
SELECT twin.open_listener() = twin.open_listener() AS "is one per session";
SELECT twin.issue_token('{"user_id": "1", "role": "viewer", "tenant_id": 1}') AS one \gset
SELECT twin.issue_token('{"user_id": "2", "role": "operator", "tenant_id": 2}') AS two \gset
SELECT twin.issue_token('{"user_id": "3", "role": "admin"}') AS whole \gset
SELECT twin.issue_token('{"user_id": "4"}') AS roleless \gset
SELECT twin.subscribe(:'one', '{units.1}');
SELECT twin.subscribe(:'two', '{units.*,control.7,units.1}');
SELECT twin.subscribe(:'whole', '{units.*,system,admin.users}');
SELECT twin.subscribe(NULL, '{units.1}');
SELECT twin.subscribe(:'one', NULL);
SELECT twin.subscribe(:'one', '{}');
SELECT twin.subscribe(:'one', '{units.1,NULL}');
SELECT twin.subscribe(:'one', '{units.1,units.**}');
SELECT twin.subscribe(:'one', '{units.1,nothing}');
SELECT twin.subscribe(:'one', '{units.1,control.7}');
SELECT twin.subscribe(:'two', '{admin.users}');
SELECT twin.subscribe(:'roleless', '{units.1}');
SELECT twin.unsubscribe(twin.subscribe(:'roleless', '{}'));
SELECT twin.subscribe('forged', '{units.1}');
SELECT twin.subscribe(repeat('x', 8193), '{units.1}');
SELECT twin.subscribe(:'one', array_agg('units.' || i)) FROM generate_series(1, 65) i;
SET twin_security.max_subscriptions = 3;
SELECT twin.subscribe(:'one', '{units.1}');
RESET twin_security.max_subscriptions;
-- messages; of a tenant, of all
SELECT twin.publish('units.1', '{"for": 1}', 1);
SELECT twin.publish('units.1', '{"for": 2}', 2);
SELECT twin.publish('units.1', '{"for": "all"}');
SELECT twin.publish('system', '{"for": "all, whoever says it"}', 1);
SELECT twin.publish('admin.users', '{"for": "no tenant"}');
SELECT subscriptions, topic, payload, published_at <= clock_timestamp() AS at, message_id > 1700000000000000 AS id, event FROM twin.receive('5 s');
-- a rollback, a savepoint, an exception
BEGIN;
SELECT twin.publish('units.1', '"before"');
SAVEPOINT s;
SELECT twin.publish('units.1', '"undone"');
SAVEPOINT t;
SELECT twin.publish('units.1', '"undone with it"');
RELEASE t;
ROLLBACK TO s;
SAVEPOINT u;
SELECT twin.publish('units.1', '"kept"');
RELEASE u;
DO $$ BEGIN PERFORM twin.publish('units.1', '"caught"'); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SELECT count(*) FROM twin.receive('0');
COMMIT;
BEGIN;
SELECT twin.publish('units.1', '"never"');
ROLLBACK;
SELECT subscriptions, payload FROM twin.receive('5 s', 1);
SELECT subscriptions, payload FROM twin.receive('5 s', 1);
SELECT count(*) FROM twin.receive('0');
-- what was received in a transaction that fails comes again
SELECT twin.publish('units.1', '"again"', 1);
BEGIN;
SELECT subscriptions, payload FROM twin.receive('5 s');
SELECT count(*) FROM twin.receive('0');
ROLLBACK;
SELECT subscriptions, payload FROM twin.receive('5 s');
-- and a subscription made in it is none
BEGIN;
SELECT twin.subscribe(:'one', '{units.9}') AS made \gset
SELECT twin.publish('units.9', '"to nobody but a pattern"');
SAVEPOINT s;
SELECT twin.subscribe(:'one', '{units.9}') > :made AS later;
ROLLBACK TO s;
COMMIT;
SELECT array_length(subscriptions, 1) FROM twin.receive('5 s');
SELECT twin.unsubscribe(:made), twin.unsubscribe(:made), twin.unsubscribe(-1);
-- limits of receive
SELECT * FROM twin.receive(NULL);
SELECT * FROM twin.receive('-1 s');
SELECT * FROM twin.receive('61 s');
SELECT * FROM twin.receive('1 month');
SELECT * FROM twin.receive('0', 0);
SELECT * FROM twin.receive('0', 10001);
SELECT * FROM twin.receive('0', NULL);
-- woken
SELECT twin.wake_listener(twin.open_listener());
SELECT count(*) FROM twin.receive('60 s');
-- closed: revoked; a permission taken away; a topic gone
SELECT twin.revoke_token(:'one');
SELECT twin.publish('units.1', '"after"', 1);
SELECT subscriptions IS NULL AS all, topic, payload, event FROM twin.receive('5 s');
SELECT twin.revoke_permission('operator', 'remote_control');
SELECT twin.publish('units.1', '"after"', 2);
SELECT topic, payload, event FROM twin.receive('5 s');
SELECT twin.grant_permission('operator', 'remote_control');
UPDATE twin.topics SET enabled = false WHERE topic = 'system';
SELECT topic, payload, event FROM twin.receive('5 s');
SELECT published > 40 AS published, delivered > 0 AS delivered, lost, listeners, subscriptions, ring_fill FROM twin.stat_topics;
-- a pattern covers what needs more than itself; that is not handed over
INSERT INTO twin.topics (topic, subscribe_permission, tenant_bound) VALUES ('units.secret.*', 'admin_panel', false), ('units.2', 'remote_control', false);
SELECT twin.subscribe(:'two', '{units.*}') > 0 AS operator, twin.subscribe(:'whole', '{units.*}') > 0 AS admin;
SELECT twin.publish('units.secret.1', '1'), twin.publish('units.2', '2'), twin.publish('units.3', '3');
SELECT array_length(subscriptions, 1), topic FROM twin.receive('5 s');
-- rows that came with the extension stay
DELETE FROM twin.topics WHERE topic = 'alerts';
DELETE FROM twin.topics WHERE topic = 'system';
UPDATE twin.topics SET topic = 'x' WHERE topic = 'alerts';
UPDATE twin.topics SET enabled = true WHERE topic = 'system';
DELETE FROM twin.topics WHERE topic IN ('units.secret.*', 'units.2');
SELECT topic, came_with_extension, seeded FROM twin.topics ORDER BY 1;
-- PREPARE TRANSACTION
BEGIN;
SELECT twin.publish('units.1', '1');
PREPARE TRANSACTION 'published';
SELECT twin.close_listener();
SELECT listeners, subscriptions FROM twin.stat_topics;
