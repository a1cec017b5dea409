# Rows that CREATE EXTENSION makes give way to those of a dump, whichever way it is restored, and to those of a publisher;
# what was changed, deleted and added arrives, and neither collides nor is lost.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('seeds', allows_streaming => 'logical', conf => "twin_security.audit_enabled = off\nmax_worker_processes = 32\nmax_logical_replication_workers = 8\ntwin_security.max_databases = 16\n");
start_with($node, $key);
sql($node, q{CREATE EXTENSION twin_security;
	UPDATE twin.rate_limits SET burst = 9 WHERE route = '/rpc/login'; DELETE FROM twin.rate_limits WHERE route = '*' AND scope = 'user'; INSERT INTO twin.rate_limits VALUES ('/own', 'user', 2, '1 day', 1);
	INSERT INTO twin.alert_rules (rule_name, event_types, threshold) VALUES ('token_reuse', '{token_reuse}', 7), ('own', '{x}', 1) ON CONFLICT (rule_name) DO UPDATE SET threshold = excluded.threshold;
	DELETE FROM twin.alert_rules WHERE rule_name = 'admin_actions';
	UPDATE twin.playbooks SET description = 'mine' WHERE playbook = 'data_breach'; DELETE FROM twin.playbooks WHERE playbook = 'brute_force_attack'; INSERT INTO twin.playbooks (playbook) VALUES ('own');
	DELETE FROM twin.playbooks WHERE playbook = 'privilege_escalation'; INSERT INTO twin.playbooks (playbook, description) VALUES ('privilege_escalation', 'made again');
	UPDATE twin_internal.retention_policies SET keep = '99 days' WHERE policy_name = 'error_logs'; DELETE FROM twin_internal.retention_policies WHERE policy_name = 'access_logs';
	UPDATE twin.topics SET description = 'mine', enabled = false WHERE topic = 'system'; INSERT INTO twin.topics (topic, subscribe_permission) VALUES ('own', 'read_units');
	SELECT twin.create_role('own', 'viewer', 'made here'), twin.create_permission('own', 'made here'), twin.grant_permission('own', 'own'), twin.grant_permission('viewer', 'own'),
		twin.revoke_permission('operator', 'write_units'), twin.grant_permission('viewer', 'write_units')});

# all that there is, in words
my $rows = join ' UNION ALL ', map { "SELECT '$_->[0] ' || (SELECT string_agg(concat_ws(' ', $_->[1]), ', ' ORDER BY $_->[1]) FROM $_->[0] t)" }
	['twin.rate_limits', 't.route, t.scope, t.burst'], ['twin.alert_rules', 't.rule_name, t.threshold'], ['twin.playbooks', 't.playbook, t.description'],
	['twin_internal.retention_policies', 't.policy_name, t.keep'], ['twin.topics', 't.topic, t.description, t.enabled'], ['twin.roles', 't.role_name, t.inherits, t.description'],
	['twin.permissions', 't.permission_name, t.description'], ['twin.role_permissions', 't.role_name, t.permission_name, t.held_by'];
my $expected = sql($node, $rows);
like($expected, qr{^twin\.rate_limits \* address 60000, /api/auth/login address 5, /own user 1, /rpc/login address 9$}m, 'changed, deleted and added: limits');
like($expected, qr/^twin\.playbooks data_breach mine, own, privilege_escalation made again$/m, '... playbooks');
like($expected, qr/token_reuse 7/, '... a rule by ON CONFLICT DO UPDATE');

like($expected, qr/own own own.*, viewer own viewer.*, viewer write_units viewer/, '... permissions of roles, given');
unlike($expected, qr/operator write_units operator/, '... and taken');

my $files = PostgreSQL::Test::Utils::tempdir();
my $psql = 'psql -X -q -v ON_ERROR_STOP=1';
my %ways = (
	plain => "pg_dump FROM | $psql TO",
	inserts => "pg_dump --inserts FROM | $psql TO",
	column_inserts => "pg_dump --column-inserts --rows-per-insert=2 FROM | $psql TO",
	passing_over => "pg_dump --inserts --on-conflict-do-nothing FROM | $psql TO",
	data_apart => "pg_dump -s FROM | $psql TO && pg_dump -a FROM | $psql TO",
	single => "pg_dump -Fc FROM -f $files/single && pg_restore -e -1 TO $files/single",
	custom => "pg_dump -Fc FROM -f $files/custom && pg_restore -e -j3 TO $files/custom",
	inserts_custom => "pg_dump -Fc --inserts FROM -f $files/inserts && pg_restore -e -j3 TO $files/inserts",
	directory => "pg_dump -Fd -j2 FROM -f $files/directory && pg_restore -e -j3 TO $files/directory",
);
foreach my $how (sort keys %ways)
{
	sql($node, "CREATE DATABASE $how");
	my ($from, $to) = map { "-d '" . $node->connstr($_) . "'" } 'postgres', $how;
	eval { run_pipe($ways{$how} =~ s/\bFROM\b/$from/gr =~ s/\bTO\b/$to/gr); 1 } or diag($@);
	is(sql($node, $rows, db => $how), $expected, "$how: as it was");
	fails_with($node, q{INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('integrity_failure', '{x}')}, '23505', 'duplicate key', "$how: then a seed is a row like any other", db => $how);
	sql($node, "DROP DATABASE $how WITH (FORCE)") unless $how eq 'custom';
}
sql($node, 'CREATE DATABASE again');
run_pipe(q{pg_dump -d '} . $node->connstr('custom') . q{' | } . $psql . q{ -d '} . $node->connstr('again') . q{'});
is(sql($node, $rows, db => 'again'), $expected, 'a dump of what was restored says the same');

# ---- pg_dump -a --disable-triggers ----

# it switches off what makes way for a dump's rows; who wants it for tables of their own that refer to each other restores as a replica instead
sql($node, q{CREATE TABLE hens (name text PRIMARY KEY, egg text); CREATE TABLE eggs (name text PRIMARY KEY, hen text NOT NULL REFERENCES hens);
	INSERT INTO hens VALUES ('hen'); INSERT INTO eggs VALUES ('egg', 'hen'); UPDATE hens SET egg = 'egg'; ALTER TABLE hens ALTER egg SET NOT NULL, ADD FOREIGN KEY (egg) REFERENCES eggs});
sql($node, 'CREATE DATABASE triggers_off');
my ($from, $to) = map { "-d '" . $node->connstr($_) . "'" } 'postgres', 'triggers_off';
run_pipe("pg_dump -s $from | $psql $to");
my $fresh = sql($node, $rows, db => 'triggers_off');
my %refused;
foreach my $options ('', '--disable-triggers')
{
	eval { run_pipe("pg_dump -a $options $from 2>$files/warnings | $psql -1 $to") };
	($refused{$options}) = $@ =~ /^(ERROR: .*)/m;
}
like($refused{''}, qr/violates foreign key constraint/, 'tables that refer to each other are not restored one after the other');
like($refused{'--disable-triggers'}, qr/duplicate key value violates unique constraint/, '... nor with --disable-triggers, where rows of CREATE EXTENSION were changed');
is(sql($node, $rows, db => 'triggers_off') . sql($node, 'SELECT count(*) FROM hens', db => 'triggers_off'), "${fresh}0", '... and nothing has changed');
run_pipe("pg_dump -a $from 2>$files/warnings | PGOPTIONS='-c session_replication_role=replica' $psql -1 $to");
is(sql($node, $rows, db => 'triggers_off'), $expected, 'in the role of a replica: as it was');
is(sql($node, 'SELECT h.name, h.egg, e.hen FROM hens h, eggs e', db => 'triggers_off'), 'hen|egg|hen', '... and so are the others');

# ---- from a publisher ----

sql($node, 'CREATE DATABASE reading');
sql($node, 'CREATE EXTENSION twin_security', db => 'reading');
sql($node, q{CREATE PUBLICATION limits FOR TABLE twin.rate_limits; SELECT pg_create_logical_replication_slot('reading', 'pgoutput')});
my $connection = $node->connstr('postgres') =~ s/'/''/gr;
sql($node, "CREATE SUBSCRIPTION reading CONNECTION '$connection user=postgres' PUBLICATION limits WITH (create_slot = false, slot_name = 'reading')", db => 'reading');
$node->poll_query_until('reading', q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')}) or die;
is(sql($node, q{SELECT burst FROM twin.rate_limits WHERE route = '/rpc/login'}, db => 'reading'), '9', 'what a subscription copies takes the place of a seed');
is(sql($node, q{SELECT count(*) FROM twin.rate_limits WHERE route = '/own'}, db => 'reading'), '1', '... and what it adds is added');
sql($node, 'ALTER SUBSCRIPTION reading DISABLE; ALTER SUBSCRIPTION reading SET (slot_name = NONE); DROP SUBSCRIPTION reading', db => 'reading');
$node->stop;
done_testing();
