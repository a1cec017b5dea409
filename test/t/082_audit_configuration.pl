# What is said of the audit's own configuration: one event for what was asked for, whoever asks past our functions, and nothing that covers up a real weakening.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('configuration');
start_with($node, new_key());
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE TABLE units (id int PRIMARY KEY, name text);
	CREATE TABLE readings (id int, at date) PARTITION BY RANGE (id);
	CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (1) TO (10)});

# What was emitted up to now is written; each look is a login, and so an event of its own.
sub settle
{
	my $emitted = sql($node, 'SELECT emitted FROM twin.stat_audit');
	return $node->poll_query_until('postgres', "SELECT written + dropped >= $emitted FROM twin.stat_audit");
}

# What a piece of SQL leaves in the log, one line each.
sub recorded
{
	my ($name, $sql, @expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	settle();
	my $latest = sql($node, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log');
	$node->psql('postgres', $sql, on_error_stop => 0);
	settle();
	return is(sql($node, qq{SELECT concat_ws(' ', event_type, severity, outcome, action, resource, details ->> 'name') FROM twin.audit_log
		WHERE event_id > $latest AND event_type NOT IN ('login_success', 'heartbeat', 'alert_raised') ORDER BY event_id}), join("\n", @expected), $name);
}
sub on { my ($rel, $outcome) = @_; return join(' ', 'audit_enabled medium', $outcome // 'success', "audit_table public.$rel") }
sub by_hand { my ($rel, $type, $action) = @_; return "$type critical success $action public.$rel" }
sub off { my ($rel, $outcome) = @_; return join(' ', 'audit_disabled high', $outcome // 'success', "unaudit_table public.$rel") }

# ---- ours ----

recorded('audit_table()', q{SELECT twin.audit_table('units')}, on('units'));
recorded('... again, with other settings', q{SELECT twin.audit_table('units', reads => true)}, on('units'));
recorded('unaudit_table()', q{SELECT twin.unaudit_table('units')}, off('units'));
recorded('of a partitioned table', q{SELECT twin.audit_table('readings')}, on('readings'));
recorded('a partition that comes', 'CREATE TABLE readings_2 PARTITION OF readings FOR VALUES FROM (10) TO (20)', 'ddl info success CREATE TABLE readings_2');
is(sql($node, q{SELECT in_force FROM twin.audited_tables WHERE relation = 'readings'::regclass}), 't', '... is audited');
recorded('one that goes and stays audited', 'ALTER TABLE readings DETACH PARTITION readings_2',
	'ddl high unknown ALTER TABLE readings', on('readings_2'), 'ddl high success ALTER TABLE readings');
recorded('rolled back', q{BEGIN; SELECT twin.audit_table('units'), twin.unaudit_table('readings'); ROLLBACK}, on('units', 'failure'), off('readings', 'failure'));
recorded('a column that is renamed', q{SELECT twin.audit_table('units', '{name}'); ALTER TABLE units RENAME name TO called},
	on('units'), on('units'), 'ddl info success ALTER TABLE units name');
is(sql($node, q{SELECT details ->> 'skip_columns' FROM twin.audit_log WHERE resource = 'public.units' ORDER BY event_id DESC LIMIT 1}), '["called"]', '... is told by its new name');

# ---- a real weakening ----

my @disabled = ('ddl high unknown ALTER TABLE units', 'audit_disabled critical unknown ALTER TABLE public.units twin_audit_insert');
my @stays = ('audit_disabled critical success ALTER TABLE public.units twin_audit_insert', 'ddl high success ALTER TABLE units');
recorded('DISABLE TRIGGER', 'ALTER TABLE units DISABLE TRIGGER twin_audit_insert', @disabled, @stays);
recorded('... and ENABLE', 'ALTER TABLE units ENABLE TRIGGER twin_audit_insert', 'ddl high unknown ALTER TABLE units',
	'audit_enabled high unknown ALTER TABLE public.units twin_audit_insert', 'audit_enabled high success ALTER TABLE public.units twin_audit_insert', 'ddl high success ALTER TABLE units');
recorded('DISABLE TRIGGER in the transaction of audit_table()',
	q{BEGIN; SELECT twin.unaudit_table('units'), twin.audit_table('units'); ALTER TABLE units DISABLE TRIGGER twin_audit_insert; COMMIT; SELECT twin.unaudit_table('units')},
	@disabled, off('units'), on('units'), @stays, off('units'));
recorded('a row of the configuration deleted past our functions', q{SELECT twin.audit_table('units'); DELETE FROM twin_internal.audited_tables WHERE relation = 'units'::regclass}, on('units'), by_hand('units', 'audit_disabled', 'delete'));
recorded('... inserted', q{INSERT INTO twin_internal.audited_tables (relation, skip_columns, digest_columns, mode, reads) VALUES ('units', '{}', '{}', 'image', false)}, by_hand('units', 'audit_enabled', 'insert'));
recorded('... moved to another table', q{UPDATE twin_internal.audited_tables SET relation = 'readings_1' WHERE relation = 'units'::regclass; UPDATE twin_internal.audited_tables SET relation = 'units' WHERE relation = 'readings_1'::regclass},
	map { my ($from, $to) = @$_; by_hand($from, 'audit_disabled', 'update'), by_hand($to, 'audit_enabled', 'update') } [ 'units', 'readings_1' ], [ 'readings_1', 'units' ]);
my @names = map { "twin_audit_$_" } qw(delete insert row truncate update);
recorded('our function that drops triggers, while the table is audited', q{SELECT twin_internal.drop_audit_triggers('units')},
	(map { "audit_disabled critical unknown SELECT public.units $_" } @names), (map { "audit_disabled critical success SELECT public.units $_" } @names));
fails_with($node, q{SELECT twin_internal.add_audit_trigger('readings_2', 'mine')}, '42704', '"mine" is no trigger that audits', 'our function makes ours alone');
fails_with($node, q{SELECT twin_internal.add_audit_trigger('pg_class', 'twin_audit_row')}, '55000', 'relation with OID 1259 is not audited', '... on audited tables alone');
is(sql($node, q{SELECT cardinality(problems) FROM twin.audited_tables WHERE relation = 'units'::regclass}), '5', 'what is missing is seen');
recorded('audit_table() mends it', q{SELECT twin.audit_table('units')}, on('units'));
is(sql($node, q{SELECT bool_and(in_force) FROM twin.audited_tables}), 't', '... wholly');
sql($node, q{CREATE TABLE going (id int); SELECT twin.audit_table('going')});
my $dropped = sub { my ($outcome) = @_; return ((map { my $told = $_; map { "audit_disabled critical $told DROP TABLE public.going twin_audit_$_" } qw(row truncate delete update insert) } 'unknown', $outcome),
	"audit_disabled high $outcome drop public.going", "ddl info $outcome DROP TABLE going") };
recorded('an audited table dropped, and back', 'BEGIN; DROP TABLE going; ROLLBACK', $dropped->('failure'));
recorded('... and gone', 'DROP TABLE going', $dropped->('success'));
recorded('all of the configuration', q{BEGIN; TRUNCATE twin_internal.audited_tables; ROLLBACK; TRUNCATE twin_internal.audited_tables},
	'audit_disabled critical failure truncate twin_internal.audited_tables', 'audit_disabled critical success truncate twin_internal.audited_tables');
$node->stop;
done_testing();
