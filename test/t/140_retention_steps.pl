# Retention, step by step: killed with -9 while each state is written, and while it detaches, it goes on where it was; nothing is lost and
# nothing goes twice. Held, changed or taken away meanwhile: it is attached again, or left alone. One that fails keeps no other from going.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $archives = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('retention', conf => "max_worker_processes = 16\nfsync = off\nrestart_after_crash = on\ntwin_security.archive_directory = '$archives'\ntwin_security.retention_interval = 0\n");
start_with($node, new_key());
sql($node, 'CREATE EXTENSION twin_security');

sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
my $worker = q{backend_type = 'twin_security retention'};

# What a CALL says besides failing.
sub apply
{
	my (%options) = @_;
	my ($out, $err) = ('', '');
	$node->psql('postgres', 'CALL twin.apply_retention()', stdout => \$out, stderr => \$err, %options);
	return $err;
}

# The worker sleeps while it notes a change that fits, and holds no lock that would end it.
sub sleep_at
{
	my ($condition) = @_;
	sql($node, qq{CREATE OR REPLACE FUNCTION public.doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_sleep(600); RETURN NEW; END';
		CREATE TRIGGER doze BEFORE UPDATE ON twin_internal.retention_items FOR EACH ROW WHEN ($condition) EXECUTE FUNCTION public.doze()});
	return;
}
sub kill_worker
{
	my ($condition) = @_;
	poll("SELECT count(*) = 1 FROM pg_stat_activity WHERE $worker AND $condition") or return fail("the worker is there: $condition");
	my $began = sql($node, 'SELECT pg_postmaster_start_time() || (SELECT max(backend_start)::text FROM pg_stat_activity WHERE backend_type = \'checkpointer\')');
	my $pid = sql($node, "SELECT pid FROM pg_stat_activity WHERE $worker");
	kill 'KILL', $pid =~ /^\d+$/ ? $pid : die 'the worker has gone';
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	while (time < $end)
	{
		my ($now, $err) = ('', '');
		sleep 0.2;
		$node->psql('postgres', 'SELECT pg_postmaster_start_time() || (SELECT max(backend_start)::text FROM pg_stat_activity WHERE backend_type = \'checkpointer\')', stdout => \$now, stderr => \$err);
		return pass('the server recovers') if $now ne '' && $now ne $began;
	}
	return fail('the server recovers');
}
sub call_in_background
{
	my ($out, $err) = ('', '');
	return IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
}

# A month of the log with events, and one of a table.
my $month = 0;
sub new_partitions
{
	$month++;
	my $first = sprintf '%d-%02d-01', 2000 + int($month / 12), 1 + $month % 12;
	edit_log($node, qq{SELECT twin_internal.add_event_partition('error', '$first')});
	sql($node, qq{CREATE TABLE IF NOT EXISTS readings (at timestamptz NOT NULL, v int) PARTITION BY RANGE (at);
		SET TimeZone = 'UTC';
		DO \$\$ BEGIN EXECUTE format('CREATE TABLE readings_$month PARTITION OF readings FOR VALUES FROM (%L) TO (%L)', timestamptz '$first', timestamptz '$first' + interval '1 month'); END \$\$;
		INSERT INTO readings SELECT timestamptz '$first' + n * interval '1 minute', n FROM generate_series(1, 100) n});
	return ("readings_$month", 'events_error_' . $first =~ s/-01$//r =~ tr/-/_/r);
}
new_partitions();
sql($node, q{SELECT twin.add_retention_policy('readings', '1 year', 'readings', 'at')});
my $failures = q{SELECT coalesce(string_agg(failure, '; '), '') FROM twin.retention_plan WHERE state <> 'dropped' OR failure IS NOT NULL};
unlike(apply(), qr/WARNING|ERROR/, 'a run goes through');
is(sql($node, $failures), '', '... to the end');

# ---- killed while a state is written ----

foreach my $at ([ archived => q{NEW.state = 'archived'} ], [ verified => q{NEW.state = 'verified' AND OLD.state = 'archived'} ], [ leaving => 'NEW.bounds IS NOT NULL AND OLD.bounds IS NULL' ],
	[ detached => q{NEW.state = 'detached'} ], [ dropped => q{NEW.state = 'dropped'} ])
{
	my ($name, $condition) = @$at;
	foreach my $of ('readings', 'events')
	{
		my ($table, $log) = new_partitions();
		my $partition = $of eq 'events' ? "twin_internal.$log" : "public.$table";
		sleep_at("$condition AND NEW.partition_name = '$partition'");
		my $call = call_in_background();
		kill_worker(q{wait_event = 'PgSleep'});
		eval { $call->finish };
		is(sql($node, "SELECT to_regclass('$partition') IS NOT NULL"), 't', "$name, $of: what is killed drops nothing");
		sql($node, 'DROP TRIGGER doze ON twin_internal.retention_items');
		unlike(apply(), qr/WARNING|ERROR/, "$name, $of: the next run goes on");
		is(sql($node, $failures), '', '... to the end');
		is(sql($node, "SELECT to_regclass('$partition') IS NULL, (SELECT state || rows FROM twin.retention_plan WHERE partition_name = '$partition')"),
			't|dropped' . ($of eq 'events' ? 0 : 100), '... where it is gone');
		is(sql($node, "SELECT count(*) FROM twin_internal.retention_items WHERE partition_name IN ('public.$table', 'twin_internal.$log') AND state = 'dropped'"), 2, '... once');
	}
}

# ---- killed while it waits to detach: somebody has read the table and goes on ----

{
	my ($table) = new_partitions();
	my $reader = $node->background_psql('postgres');
	$reader->query_safe('BEGIN; SELECT count(*) FROM readings');
	my $call = call_in_background();
	poll(q{SELECT count(*) = 1 FROM pg_inherits WHERE inhdetachpending}) or fail('it waits');
	is(sql($node, 'SELECT count(*) FROM readings'), 0, 'what is being detached is out of sight');
	sql($node, q{INSERT INTO readings VALUES ('2000-02-01 00:01+00', 1)}, on_error_stop => 0) if 0;
	kill_worker('true');
	eval { $reader->quit };
	eval { $call->finish };
	is(sql($node, q{SELECT count(*) FROM pg_inherits WHERE inhdetachpending}), 1, 'half detached');
	unlike(apply(), qr/WARNING|ERROR/, '... it is taken to the end');
	is(sql($node, "SELECT to_regclass('public.$table') IS NULL"), 't', '... where it is gone');
	is(sql($node, $failures), '', '... and nothing is left');
}

# ---- who goes away while he waits ----

{
	my ($table, $log) = new_partitions();
	sleep_at("NEW.state = 'verified' AND NEW.partition_name = 'public.$table'");
	my $call = call_in_background();
	poll(qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE $worker AND wait_event = 'PgSleep'});
	fails_with($node, 'CALL twin.apply_retention()', '55006', 'being applied', 'a second run is refused');
	fails_with($node, 'CALL twin.apply_retention(true)', '55006', 'being applied', '... and a plan, too');
	sql($node, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL twin.apply%' AND pid <> pg_backend_pid()});
	eval { $call->finish };
	sql($node, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE $worker");
	ok(poll("SELECT count(*) = 0 FROM pg_stat_activity WHERE $worker"), 'who is gone is not worked for');
	is(sql($node, "SELECT state FROM twin.retention_plan WHERE partition_name = 'public.$table'"), 'archived', '... beyond the step');
	sql($node, 'DROP TRIGGER doze ON twin_internal.retention_items');
	unlike(apply(), qr/WARNING|ERROR/, '... and the next run goes on');
}

# ---- what changes between detaching and dropping ----

# Stops the worker when a partition is detached, changes something, and lets another run go on.
sub change_when_detached
{
	my ($table, $change) = @_;
	sleep_at("NEW.state = 'dropped' AND NEW.partition_name = 'public.$table'");
	my $call = call_in_background();
	kill_worker(q{wait_event = 'PgSleep'});
	eval { $call->finish };
	sql($node, 'DROP TRIGGER doze ON twin_internal.retention_items');
	is(sql($node, "SELECT state FROM twin.retention_plan WHERE partition_name = 'public.$table'"), 'detached', 'it is detached');
	sql($node, $change);
	return apply();
}
my $attached = q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'readings'::regclass AND inhrelid = 'public.%s'::regclass};
{
	my ($table) = new_partitions();
	like(change_when_detached($table, "INSERT INTO $table VALUES ((SELECT max(at) FROM $table), 0)"), qr/partition again/, 'a row that came after it was archived brings it back');
	is(sql($node, sprintf $attached, $table), 1, '... as a partition');
	like(sql($node, "SELECT state || ': ' || failure FROM twin.retention_plan WHERE partition_name = 'public.$table'"), qr/^due: /, '... and it is said why');
	sql($node, "DELETE FROM $table WHERE v = 0");
	unlike(apply(), qr/WARNING|ERROR/, '... the next run takes it');

	($table) = new_partitions();
	like(change_when_detached($table, q{SELECT twin.set_retention_policy('readings', keep => '100 years')}), qr/partition again/, 'one that is not over its time any more is a partition again');
	is(sql($node, sprintf $attached, $table), 1, '... with its bounds');
	sql($node, q{SELECT twin.set_retention_policy('readings', keep => '1 year')});
	unlike(apply(), qr/WARNING|ERROR/, '... until it is');
	is(sql($node, "SELECT to_regclass('public.$table') IS NULL"), 't', '... and goes');

	($table) = new_partitions();
	like(change_when_detached($table, q{SELECT twin.drop_retention_policy('readings')}), qr/partition again/, 'so is one whose policy is gone');
	is(sql($node, sprintf $attached, $table), 1, '... with its bounds');
	sql($node, q{SELECT twin.add_retention_policy('readings', '1 year', 'readings', 'at')});
	apply();

	($table) = new_partitions();
	like(change_when_detached($table, "ALTER TABLE $table RENAME TO precious"), qr/WARNING.*renamed/, 'one that got another name is left alone');
	is(sql($node, 'SELECT count(*) FROM precious'), 100, '... with its rows');
	sql($node, "ALTER TABLE precious RENAME TO $table");
	unlike(apply(), qr/WARNING|ERROR/, '... until it has its own again');

	($table) = new_partitions();
	unlike(change_when_detached($table, "DROP TABLE $table"), qr/WARNING|ERROR/, 'one that somebody dropped is none');
	is(sql($node, "SELECT count(*) FROM twin.retention_plan WHERE partition_name = 'public.$table'"), 0, '... any more');
}

# ---- one that fails ----

{
	my ($bad) = new_partitions();
	my ($good, $log) = new_partitions();
	sql($node, qq{CREATE TABLE referring (at timestamptz, v int); ALTER TABLE readings ADD UNIQUE (at, v);
		ALTER TABLE referring ADD FOREIGN KEY (at, v) REFERENCES readings (at, v); INSERT INTO referring SELECT at, v FROM $bad LIMIT 1});
	like(apply(), qr/WARNING.*referenc|WARNING.*violates/s, 'a partition that something refers to is not detached');
	is(sql($node, "SELECT to_regclass('public.$good') IS NULL, to_regclass('twin_internal.$log') IS NULL"), 't|t', '... others go');
	is(sql($node, "SELECT count(*) FROM $bad"), 100, '... and it stays');
	is(sql($node, sprintf $attached, $bad), 1, '... where it was');
	ok(events_written($node), 'events are written');
	is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'retention_failed' AND details ->> 'partition' = 'public.} . $bad . q{'}), 1, '... which is an event');
	ok(poll(q{SELECT count(*) > 0 FROM twin.alerts WHERE rule_name = 'retention_overdue'}), '... and an alert');
	is(sql($node, q{SELECT last_success < (SELECT max(started_at) FROM twin.retention_runs) FROM twin.retention_policies WHERE policy_name = 'readings'}), 't', '... no success of that policy');
	is(sql($node, q{SELECT last_success > (SELECT max(started_at) FROM twin.retention_runs) FROM twin.retention_policies WHERE policy_name = 'error_logs'}), 't', '... while another has one');
	sql($node, 'DROP TABLE referring');
	unlike(apply(), qr/WARNING|ERROR/, 'it goes when nothing refers to it');
}

# nowhere to archive to: nothing goes
{
	my ($table, $log) = new_partitions();
	$node->append_conf('postgresql.conf', "twin_security.archive_directory = ''");
	$node->reload;
	poll(q{SELECT current_setting('twin_security.archive_directory') = ''});
	like(apply(), qr/WARNING.*archive_directory/s, 'without a folder for archives');
	is(sql($node, "SELECT count(*) FROM $table, pg_class WHERE relname = '$log'"), 100, '... nothing goes');
	sql($node, q{SELECT twin.set_retention_policy('readings', archive => false), twin.set_retention_policy('error_logs', archive => false)});
	unlike(apply(), qr/WARNING|ERROR/, '... but what need not be archived');
	is(sql($node, "SELECT to_regclass('public.$table') IS NULL, to_regclass('twin_internal.$log') IS NULL"), 't|t', '... does');
}

ok(events_sealed($node), 'all is sealed');
is(sql($node, q{SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log()}), 't|', 'and the log is whole');
$node->stop;
done_testing();
