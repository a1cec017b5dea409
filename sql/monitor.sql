-- monitor: rules, alerts
\set SHOW_CONTEXT never
\set VERBOSITY terse

-- the rules that there are from the start
SELECT rule_name, threshold, period, subject, severity, cooldown, playbook, is_automatic, enabled, detector FROM twin.alert_rules ORDER BY 1;

-- a rule that makes no sense is refused
INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('Bad name', '{login_failure}');
INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('bad', '{}');
INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('bad', NULL);
INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('bad', '{login_failure,NULL}');
INSERT INTO twin.alert_rules (rule_name, event_types, threshold) VALUES ('bad', '{login_failure}', 0);
INSERT INTO twin.alert_rules (rule_name, event_types, period) VALUES ('bad', '{login_failure}', '-1 hour');
INSERT INTO twin.alert_rules (rule_name, event_types, period) VALUES ('bad', '{login_failure}', '2 months');
INSERT INTO twin.alert_rules (rule_name, event_types, cooldown) VALUES ('bad', '{login_failure}', '-1 second');
INSERT INTO twin.alert_rules (rule_name, event_types, subject) VALUES ('bad', '{login_failure}', 'planet');
INSERT INTO twin.alert_rules (rule_name, event_types, detector) VALUES ('bad', '{login_failure}', 'learned');
\set VERBOSITY default
INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('bad', '{Login}');
INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('bad', '{login*failure}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"nothing": 1}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"details.": 1}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"action": {"a": 1}}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"action": [["a"]]}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"client_address": "10.0.0.0/99"}');
UPDATE twin.alert_rules SET event_types = '{"a b"}' WHERE rule_name = 'token_reuse';
\set VERBOSITY terse
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '[1]');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"action": {}}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"action": {"not": {"not": 1}}}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"action": {"not": 1, "or": 2}}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"action": {"not": [1, [2]]}}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"action": [{"not": 1}]}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('bad', '{x}', '{"client_address": {"not": ["10.0.0.0/99"]}}');
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) SELECT 'bad', '{x}', jsonb_object_agg('details.' || i, i) FROM generate_series(1, 33) i;

-- an application does not say what the monitor says
SELECT twin.record_event('alert_raised');
SELECT twin.record_event('incident_opened');
SELECT twin.record_event('address_blocked');

-- nor is anybody's word taken who has none
CREATE ROLE monitor_stranger;
GRANT twin_auditor TO monitor_stranger;
SET ROLE monitor_stranger;
SELECT count(*) > 0 AS reads FROM twin.alert_rules;
SELECT count(*) >= 0 AS reads FROM twin.alerts;
DELETE FROM twin.alert_rules;
INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('mine', '{x}');
SELECT twin_internal.raise_alert('by_hand', 'high', '192.0.2.1', 5, '{1000,2000}');
SELECT * FROM twin_internal.alerts;
RESET ROLE;
REVOKE twin_auditor FROM monitor_stranger;
SET ROLE monitor_stranger;
SELECT * FROM twin.alert_rules;
SELECT * FROM twin.alerts;
RESET ROLE;
DROP ROLE monitor_stranger;

-- an administrator of a tenant sees and changes none
BEGIN;
SET LOCAL ROLE twin_admin;
SELECT twin.authenticate(twin.issue_token('{"user_id": "7", "role": "admin", "tenant_id": 1}')) AS nobody;
SAVEPOINT s;
SELECT count(*) FROM twin.alerts;
ROLLBACK TO s;
SELECT count(*) FROM twin.alert_rules;
ROLLBACK TO s;
SELECT count(*) FROM twin.test_rule('token_reuse', now(), now());
ROLLBACK TO s;
UPDATE twin.alert_rules SET enabled = false;
ROLLBACK;

-- an alert
SELECT twin_internal.raise_alert('by_hand', 'high', '192.0.2.1', 5, '{1000,2000}') > 0 AS raised;
SELECT rule_name, severity, subject, count, event_ids, incident_id, details, is_false FROM twin.alerts WHERE rule_name = 'by_hand';

-- what rules count: waits until a number of alerts of rules of this test is there, then shows them
CREATE FUNCTION pg_temp.wait_for(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..200 LOOP
		EXIT WHEN (SELECT count(*) FROM twin.alerts WHERE rule_name LIKE 't\_%') >= n
			AND (SELECT p.next_leaf = l.size AND s.seal_lag = '0' AND s.ring_fill = 0 FROM twin_internal.monitor_position p, twin_internal.ledger_state l, twin.stat_audit s);
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;
INSERT INTO twin.alert_rules (rule_name, event_types, threshold, subject, conditions, cooldown) VALUES
	('t_any', '{t_one,t-two.*}', 3, 'any', '{}', '1 hour'),
	('t_address', '{t_address}', 2, 'address', '{}', '1 hour'),
	('t_user', '{t_user}', 2, 'user', '{}', '1 hour'),
	('t_detail', '{t_*}', 1, 'any', '{"details.kind": ["a", 5, true], "outcome": "denied"}', '0'),
	('t_network', '{t_*}', 1, 'any', '{"client_address": ["172.16.0.0/12", "2001:db8::/32"], "action": "look"}', '0'),
	('t_nothing', '{t_*}', 1, 'any', '{"resource": null, "action": "nothing", "application_made": true, "user_id": null}', '0'),
	('t_off', '{t_*}', 1, 'any', '{}', '0'),
	('t_own', '{alert_*,*}', 1, 'any', '{"resource": "t_any"}', '0'),
	('t_own_named', '{alert_raised}', 1, 'any', '{"resource": "t_any"}', '0');
UPDATE twin.alert_rules SET enabled = false WHERE rule_name = 't_off';
/* the same address, however it is written; a /64; a unix socket */
SELECT count(twin.record_event('t_address', client_address => a)) FROM unnest('{192.0.2.1,::ffff:192.0.2.1,2001:db8:0:1::1,2001:db8:0:1::2,2001:db8:0:2::1,192.0.2.2/24}'::inet[]) a;
SELECT count(twin.record_event('t_address')) FROM generate_series(1, 2);
/* out of order, and hours apart */
SELECT count(twin.record_event('t_one', event_time => '2026-01-01 00:00Z'::timestamptz + m * interval '1 minute')) FROM unnest('{0,200,100,59,159,58}'::int[]) m;
SELECT twin.record_event('t_tw') IS NOT NULL AS another;
SELECT count(twin.record_event('t_user', username => u)) FROM unnest('{a,b,a,A}'::text[]) u;
SELECT count(twin.record_event('t_detail', outcome => o, details => d)) FROM unnest('{denied,denied,success,denied,denied,denied}'::text[],
	'{"{\"kind\": \"a\"}", "{\"kind\": \"5\"}", "{\"kind\": \"a\"}", "{\"kind\": 5.0}", "{\"kind\": [5]}", "{}"}'::jsonb[]) x (o, d);
SELECT count(twin.record_event('t_look', action => a, client_address => c::inet)) FROM (VALUES ('look', '172.17.1.1'), ('look', '::ffff:172.17.1.1'), ('look', '2001:db8::7'), ('look', '172.33.0.1'), ('see', '172.17.1.1'), ('look', NULL)) x (a, c);
SELECT count(twin.record_event('t_look', action => 'nothing', resource => r)) FROM unnest('{NULL,x}'::text[]) r;
SELECT pg_temp.wait_for(13);
SELECT rule_name, subject, count, cardinality(event_ids) AS ids, details - '{first_event,last_event}'::text[] AS details FROM twin.alerts WHERE rule_name LIKE 't\_%' AND rule_name <> 't_any' ORDER BY rule_name, subject COLLATE "C", alert_id;
SELECT details ->> 'first_event' AS first, details ->> 'last_event' AS last, count FROM twin.alerts WHERE rule_name = 't_any';

-- rows that one statement changed are as many events
CREATE TABLE monitored (a int);
SELECT twin.audit_table('monitored');
INSERT INTO twin.alert_rules (rule_name, event_types, threshold, subject, conditions) VALUES ('t_rows', '{create}', 50, 'any', '{"resource": "public.monitored"}');
INSERT INTO monitored SELECT generate_series(1, 49);
SELECT pg_temp.wait_for(0);
SELECT count(*) FROM twin.alerts WHERE rule_name = 't_rows';
INSERT INTO monitored VALUES (50);
SELECT pg_temp.wait_for(14);
SELECT count FROM twin.alerts WHERE rule_name = 't_rows';
/* what was rolled back raises nothing */
INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('t_undone', '{delete}', '{"resource": "public.monitored"}');
BEGIN;
DELETE FROM monitored;
ROLLBACK;
SELECT twin.record_event('t_last') IS NOT NULL AS last;
SELECT pg_temp.wait_for(14);
SELECT count(*) FROM twin.alerts WHERE rule_name = 't_undone';

-- none of some values; and what a rule counts of each resource
INSERT INTO twin.alert_rules (rule_name, event_types, subject, conditions, cooldown) VALUES
	('n_one', '{n_*}', 'resource', '{"resource": {"not": "literal"}}', '0'),
	('n_some', '{n_*}', 'resource', '{"resource": {"not": ["main", "literal", null]}, "action": "look"}', '0'),
	('n_any', '{n_*}', 'resource', '{"resource": {"not": []}}', '1 hour'),
	('n_network', '{n_*}', 'resource', '{"client_address": {"not": ["local", "10.0.0.0/8"]}}', '0'),
	('n_who', '{n_*}', 'resource', '{"class": "audit", "effective_user_name": {"not": null}, "outer_user_name": {"not": "nobody"}, "token_id": null, "request_id": null, "action": "count"}', '1 hour'),
	('n_detail', '{n_*}', 'resource', '{"details.kind": {"not": [1, 2]}, "action": "count"}', '0');
SELECT count(twin.record_event('n_x', resource => r, action => 'look')) FROM unnest('{literal,main,other,NULL,other}'::text[]) r;
SELECT count(twin.record_event('n_x', resource => 'literal', action => 'look', client_address => c)) FROM unnest('{10.0.0.1,11.0.0.1}'::inet[]) c;
SELECT count(twin.record_event('n_x', resource => d::text, action => 'count', details => d)) FROM unnest('{"{\"kind\": 1}", "{\"kind\": 3}", "{\"kind\": [1]}", "{}"}'::jsonb[]) d;
SELECT pg_temp.wait_for(0);
SELECT rule_name, string_agg(coalesce(subject, '-') || ' ' || (details ->> 'subject_is'), ', ' ORDER BY alert_id) FROM twin.alerts WHERE rule_name LIKE 'n\_%' GROUP BY 1 ORDER BY 1;

-- a dry run
SELECT subject, count, cardinality(event_ids) AS ids FROM twin.test_rule('t_user', now() - interval '1 hour', now() + interval '1 hour');
SELECT subject, count FROM twin.test_rule('t_address', now() - interval '1 hour', now() + interval '1 hour') ORDER BY 1;
SELECT count(*) FROM twin.test_rule('t_user', now() + interval '1 hour', now() - interval '1 hour');
SELECT count(*) FROM twin.test_rule('nobodys', now(), now());
SELECT count(*) FROM twin.test_rule('unusual_access_patterns', now(), now());

-- how far rules are is not for anybody to say
UPDATE twin_internal.monitor_position SET next_leaf = next_leaf + 1000;
DELETE FROM twin_internal.monitor_position;
SELECT rules > 0 AS rules, watched > 0 AS watched, waiting >= 0 AS waiting, subjects > 0 AS subjects, room > 10000 AS room, displaced FROM twin.stat_rules;

-- every change of a rule is an event
DELETE FROM twin.alert_rules WHERE rule_name LIKE 't\_%';
SELECT pg_temp.wait_for(0);
SELECT resource, action, severity, count(*) FROM twin.audit_log WHERE event_type = 'alert_rule_changed' AND resource IN ('t_any', 't_off') GROUP BY 1, 2, 3 ORDER BY 1, 2;
DROP TABLE monitored;
