-- seeds.sql: rows that come with the extension give way to a restore and to nobody else: a row of the same key is refused, passed over or updated as it asks to be.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

CREATE TABLE seeded (rel text, row_of text, columns text, target text, change text, changed text);
INSERT INTO seeded VALUES
	('twin.rate_limits', $$('*', 'user', 1, '1 day', 1)$$, 'route, scope, requests, period, burst', 'route, scope', 'burst = excluded.burst', $$burst FROM twin.rate_limits WHERE route = '*' AND scope = 'user'$$),
	('twin.alert_rules', $$('token_reuse', '{x}')$$, 'rule_name, event_types', 'rule_name', 'threshold = excluded.threshold + 1', $$threshold FROM twin.alert_rules WHERE rule_name = 'token_reuse'$$),
	('twin.playbooks', $$('data_breach', 'info')$$, 'playbook, severity', 'playbook', 'severity = excluded.severity', $$severity FROM twin.playbooks WHERE playbook = 'data_breach'$$),
	('twin_internal.retention_policies', $$('audit_logs', 'audit', '1 day')$$, 'policy_name, event_class, keep', 'policy_name', 'keep = excluded.keep', $$keep FROM twin_internal.retention_policies WHERE policy_name = 'audit_logs'$$),
	('twin.topics', $$('system', 'read_units', 'mine')$$, 'topic, subscribe_permission, description', 'topic', 'description = excluded.description', $$description FROM twin.topics WHERE topic = 'system'$$);

CREATE FUNCTION value_of(changed text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE answer text; BEGIN EXECUTE 'SELECT ' || changed INTO STRICT answer; RETURN answer; END $$;
CREATE FUNCTION is_untouched(rel text) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(s.key::text, ' ') FROM twin_internal.seeds s WHERE s.table_name = rel AND NOT s.is_untouched $$;
CREATE TABLE before AS SELECT s.rel, value_of(s.changed) AS value FROM seeded s;

SELECT throws_ok(format('INSERT INTO %s (%s) VALUES %s', s.rel, s.columns, s.row_of), '23505', NULL, 'a row of a seed''s key is refused: ' || s.rel) FROM seeded s;
SELECT lives_ok(format('INSERT INTO %s (%s) VALUES %s ON CONFLICT DO NOTHING', s.rel, s.columns, s.row_of), 'ON CONFLICT DO NOTHING: ' || s.rel) FROM seeded s;
SELECT is(value_of(s.changed), b.value, '... keeps the seed: ' || s.rel) FROM seeded s JOIN before b USING (rel);
SELECT is(is_untouched(s.rel), NULL, '... as one that nobody touched: ' || s.rel) FROM seeded s;
SELECT is((SELECT count(*) FROM twin_internal.dropped_seeds), 0::bigint, '... nor is one remembered as deleted');
SELECT lives_ok(format('INSERT INTO %s AS r (%s) VALUES %s ON CONFLICT (%s) DO UPDATE SET %s', s.rel, s.columns, s.row_of, s.target, s.change), 'ON CONFLICT DO UPDATE: ' || s.rel) FROM seeded s;
SELECT isnt(value_of(s.changed), b.value, '... updates the seed: ' || s.rel) FROM seeded s JOIN before b USING (rel);
SELECT isnt(is_untouched(s.rel), NULL, '... which is touched then, and travels with a dump: ' || s.rel) FROM seeded s WHERE s.rel <> 'twin.topics';
SELECT is(threshold::text || cardinality(event_types)::text, '21', '... in the columns that it names') FROM twin.alert_rules WHERE rule_name = 'token_reuse';

-- with the settings of a dump it is a restore (all ways of restoring: test/t/118_seeds.pl)
SAVEPOINT s;
SET LOCAL check_function_bodies = off;
SELECT throws_ok($$ INSERT INTO twin.playbooks (playbook) VALUES ('brute_force_attack') $$, '23505', NULL, 'one setting is not enough');
SET LOCAL row_security = off;
SELECT lives_ok($$ INSERT INTO twin.playbooks (playbook, description) VALUES ('brute_force_attack', 'restored') $$, 'who restores brings his own');
SELECT throws_ok($$ INSERT INTO twin.playbooks (playbook) VALUES ('brute_force_attack') $$, '23505', NULL, '... once');
SELECT throws_ok($$ INSERT INTO twin.playbooks (playbook) VALUES ('data_breach') $$, '23505', NULL, '... and over none that somebody has changed');
SELECT is((SELECT p.description FROM twin.playbooks p WHERE p.playbook = 'brute_force_attack'), 'restored', '... and has it');
ROLLBACK TO s;
-- ... which anybody can make
CREATE ROLE tap_inserter;
GRANT USAGE ON SCHEMA twin TO tap_inserter;
GRANT INSERT, SELECT ON twin.playbooks TO tap_inserter;
SAVEPOINT s;
SET LOCAL ROLE tap_inserter;
SET LOCAL check_function_bodies = off;
SET LOCAL row_security = off;
SELECT throws_ok($$ INSERT INTO twin.playbooks (playbook, description) VALUES ('brute_force_attack', 'mine') $$, '23505', NULL, 'who may not delete puts nothing in the place of a seed');
ROLLBACK TO s;

-- deleted, and made again
DELETE FROM twin.playbooks WHERE playbook = 'privilege_escalation';
SELECT lives_ok($$ INSERT INTO twin.playbooks (playbook) VALUES ('privilege_escalation') $$, 'a seed that was deleted is free for another');
SELECT is((SELECT count(*) FROM twin_internal.dropped_seeds), 0::bigint, '... and is not deleted any more');
SELECT function_privs_are('twin_internal', 'is_bringing_rows', '{}'::name[], r, '{}', r || ' does not ask') FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer}'::name[]) r;
SELECT * FROM finish();
ROLLBACK;
