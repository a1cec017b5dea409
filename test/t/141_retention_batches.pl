# Rows that go in batches, partitions beside a default one, the schedule, dumps: what others do meanwhile, what is restored, what is overdue.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $archives = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('batches', conf => "max_worker_processes = 16\nfsync = off\ntwin_security.archive_directory = '$archives'\ntwin_security.retention_interval = 0\n");
my $key = new_key();
start_with($node, $key);
sql($node, 'CREATE EXTENSION twin_security');

sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub apply
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', 'CALL twin.apply_retention()', stdout => \$out, stderr => \$err);
	return $err;
}
my $worker = q{backend_type = 'twin_security retention'};

# ---- batches ----

sql($node, q{CREATE ROLE owner; CREATE SCHEMA theirs AUTHORIZATION owner; CREATE TABLE theirs.told (who text, by text);
	CREATE TABLE theirs.readings (at timestamptz, id serial PRIMARY KEY, v int);
	ALTER TABLE theirs.readings OWNER TO owner; ALTER TABLE theirs.told OWNER TO owner;
	CREATE TABLE theirs.notes (reading int REFERENCES theirs.readings ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED); ALTER TABLE theirs.notes OWNER TO owner;
	ALTER TABLE theirs.readings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	INSERT INTO theirs.readings (at, v) SELECT '2020-01-01 00:00+00'::timestamptz + n * interval '1 minute', n FROM generate_series(1, 25000) n;
	INSERT INTO theirs.readings (at, v) VALUES (now(), 0), (NULL, 0), ('-infinity', 0); INSERT INTO theirs.notes VALUES (1), (25000)});
sql($node, q{CREATE FUNCTION theirs.tell() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO theirs.told VALUES (current_user, OLD.v); RETURN NULL; END$$;
	ALTER FUNCTION theirs.tell() OWNER TO owner; CREATE TRIGGER tell AFTER DELETE ON theirs.readings FOR EACH ROW WHEN (OLD.v % 5000 = 0) EXECUTE FUNCTION theirs.tell()});
sql($node, q{SELECT twin.add_retention_policy('readings', '1 year', 'theirs.readings', 'at', archive => false)});
my $said = apply();
is(() = $said =~ /rows of theirs\.readings are deleted/g, 3, 'rows go in batches') or diag($said);
unlike($said, qr/WARNING|ERROR/, '... in spite of forced row security and deferred triggers');
is(sql($node, 'SELECT count(*) FROM theirs.readings'), 3, '... and what has no time stays');
is(sql($node, 'SELECT count(*) FROM theirs.notes'), 0, '... what refers to them goes with them');
is(sql($node, 'SELECT DISTINCT who FROM theirs.told'), 'owner', '... triggers are the owner\'s');
is(sql($node, q{SELECT rows, state FROM twin.retention_plan WHERE policy_name = 'readings'}), '25000|dropped', '... which the plan shows');
is(sql($node, q{SELECT items, rows, failures FROM twin.retention_runs ORDER BY run_id DESC LIMIT 1}), '3|25000|0', '... and the run');
ok(events_written($node), 'events are written');
is(sql($node, q{SELECT sum((details ->> 'rows')::int) FROM twin.audit_log WHERE event_type = 'rows_expired'}), 25000, '... and the log');

# a trigger that would become somebody else
sql($node, q{CREATE FUNCTION theirs.rise() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET ROLE twin_admin; RETURN OLD; END$$;
	CREATE TRIGGER rise BEFORE DELETE ON theirs.readings FOR EACH ROW EXECUTE FUNCTION theirs.rise(); INSERT INTO theirs.readings (at, v) VALUES ('2020-01-01', 1)});
like(apply(), qr/WARNING.*cannot set parameter "role"/, 'a trigger becomes nobody else');
sql($node, q{DROP TRIGGER rise ON theirs.readings});

# archived, one that comes to a time that was archived, and one that a trigger keeps
sql($node, q{SELECT twin.set_retention_policy('readings', archive => true)});
unlike(apply(), qr/WARNING|ERROR/, 'archived');
sql($node, q{INSERT INTO theirs.readings (at, v) VALUES ('2020-01-01', 2)});
unlike(apply(), qr/WARNING|ERROR/, '... and once more at the same time');
is(sql($node, q{SELECT count(*), count(DISTINCT archive_file), sum(rows) FROM twin.retention_plan WHERE policy_name = 'readings' AND archive_file IS NOT NULL}), '2|2|2', '... in a file of its own');
sql($node, q{CREATE FUNCTION theirs.keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
	CREATE TRIGGER keep BEFORE DELETE ON theirs.readings FOR EACH ROW EXECUTE FUNCTION theirs.keep(); INSERT INTO theirs.readings (at, v) VALUES ('2020-01-01', 3)});
like(apply(), qr/WARNING.*0 rows were deleted of 1/, 'what a trigger keeps is not taken for gone');
sql($node, q{DROP TRIGGER keep ON theirs.readings});
unlike(apply(), qr/WARNING|ERROR/, '... and goes without it');

# somebody changes a row that is being deleted: it is tried again
{
	sql($node, q{INSERT INTO theirs.readings (at, v) VALUES ('2020-01-02', 4)});
	my $writer = $node->background_psql('postgres');
	$writer->query_safe(q{BEGIN; UPDATE theirs.readings SET v = 5, at = now() WHERE v = 4});
	my ($out, $err) = ('', '');
	my $call = IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
	poll("SELECT count(*) = 1 FROM pg_stat_activity WHERE $worker AND wait_event_type = 'Lock'") or fail('it waits');
	$writer->query_safe('COMMIT');
	$writer->quit;
	$call->finish;
	unlike($err, qr/WARNING|ERROR/, 'a row that changes meanwhile stays');
	is(sql($node, 'SELECT count(*) FROM theirs.readings WHERE v = 5'), 1, '... as it is now');
}

# ---- beside a default partition ----

sql($node, q{CREATE TABLE parts (at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE parts_2020 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
	CREATE TABLE parts_rest PARTITION OF parts DEFAULT; INSERT INTO parts VALUES ('2020-01-05'), ('2019-01-01');
	SELECT twin.add_retention_policy('parts', '1 month', 'parts', 'at')});
{
	my $writer = $node->background_psql('postgres');
	$writer->query_safe(q{BEGIN; INSERT INTO parts VALUES ('2018-01-01')});
	my ($out, $err) = ('', '');
	my $call = IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
	poll("SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'parts'::regclass") or fail('it waits');
	my $began = time;
	sql($node, q{INSERT INTO parts VALUES ('2018-01-02')});
	is_soon($began, 'who writes waits for a moment only');
	$writer->query_safe('COMMIT');
	$writer->quit;
	$call->finish;
	unlike($err, qr/WARNING|ERROR/, '... and the partition goes when it can');
}
is(sql($node, q{SELECT to_regclass('parts_2020') IS NULL, (SELECT count(*) FROM parts)}), 't|3', '... alone');
unlike(apply(), qr/WARNING|ERROR/, 'when nobody is in the way');
is(sql($node, q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'parts'::regclass}), 1, '... a table whose only partition is the default one gets no other');

# ---- a dump ----

my $dump = "$archives/dump.sql";
sql($node, q{SELECT twin.set_retention_policy('audit_logs', keep => '10 years'), twin.drop_retention_policy('error_logs')});
my $plan = q{SELECT jsonb_agg(to_jsonb(i) - 'changed_at' ORDER BY i.item_id) FROM twin_internal.retention_items i WHERE state = 'dropped'};
my $policies = q{SELECT string_agg(concat_ws(' ', policy_name, relation, keep, archive, enabled), ', ' ORDER BY policy_name) FROM twin.retention_policies};
my ($old_plan, $old_policies) = map { sql($node, $_) } $plan, $policies;
$node->command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'dumped');
sql($node, 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-f', $dump, 'copy' ], 'restored');
is(sql($node, $policies, db => 'copy'), $old_policies, 'policies are restored');
is(sql($node, $plan, db => 'copy'), $old_plan, '... and what is gone, with where it is archived');
is(sql($node, 'SELECT count(*) FROM twin.retention_runs', db => 'copy'), 0, '... but no runs: there were none');

# ---- by itself ----

sql($node, q{UPDATE twin_internal.retention_successes SET known_since = now() - interval '1 hour', succeeded_at = NULL;
	INSERT INTO theirs.readings (at, v) VALUES ('2020-01-03', 6)});
$node->append_conf('postgresql.conf', "twin_security.retention_interval = 2s\n");
$node->stop;
start_with($node, $key);
ok(poll(q{SELECT count(*) >= 2 FROM twin.retention_runs WHERE asked_by IS NULL AND finished_at IS NOT NULL}), 'policies are applied by themselves, again and again');
ok(poll(q{SELECT count(*) = 0 FROM theirs.readings WHERE v = 6}), '... and rows go');
ok(poll(q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'retention_overdue' AND details -> 'policies' ? 'readings'}), 'that it was overdue is told');
ok(poll(q{SELECT count(*) > 0 FROM twin.alerts WHERE rule_name = 'retention_overdue'}), '... as an alert');
sql($node, q{DROP EXTENSION twin_security CASCADE});
ok(poll("SELECT count(*) = 0 FROM pg_stat_activity WHERE $worker"), 'without the extension nothing runs');
unlike($node->psql('postgres', 'SELECT 1') . '', qr/[^0]/, 'and the server is well');
$node->stop;
done_testing();
