# Retention under attack: tables whose owner would like to be somebody else, partitions that cannot be dropped, archives that are changed,
# replaced or taken away before the drop, a folder that others write to, and dumps of what was on its way out.
use strict;
use warnings;
use Fcntl qw(:flock);
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $archives = PostgreSQL::Test::Utils::tempdir();
my $key = new_key();
my $node = new_node('attacks', conf => "max_worker_processes = 16\nfsync = off\ntwin_security.archive_directory = '$archives'\ntwin_security.retention_interval = 0\ntwin_security.checkpoint_interval = 1\n");
start_with($node, $key);
sql($node, q{CREATE EXTENSION twin_security; CREATE ROLE mallory LOGIN IN ROLE twin_admin; CREATE ROLE other; GRANT CREATE ON SCHEMA public TO mallory});

sub apply
{
	my (%options) = @_;
	my ($out, $err) = ('', '');
	$node->psql($options{db} // 'postgres', 'CALL twin.apply_retention()', stdout => \$out, stderr => \$err, %options);
	return $err;
}
sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub gone { my ($table) = @_; return sql($node, "SELECT to_regclass('$table') IS NULL") }
sub state_of { my ($table) = @_; return sql($node, "SELECT state || coalesce(': ' || failure, '') FROM twin.retention_plan WHERE partition_name = '$table'") }
sub archive_of { my ($table) = @_; return sql($node, "SELECT archive_file FROM twin.retention_plan WHERE partition_name = '$table' ORDER BY changed_at DESC LIMIT 1") }
sub slurp { my ($file) = @_; open(my $handle, '<:raw', $file) or die "$file: $!"; local $/; return scalar <$handle>; }
sub spew { my ($file, $text) = @_; open(my $handle, '>:raw', $file) or die "$file: $!"; print $handle $text; close $handle; return; }

# ---- what an owner left in his table ----

# What is constant in indexes, constraints and statistics is computed when a statement is planned, by whoever plans it.
sql($node, q{SET ROLE mallory;
	CREATE TABLE seen (who name);
	CREATE FUNCTION rise() RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN
		IF (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN ALTER ROLE mallory SUPERUSER; END IF;
		RETURN 1; END $$;
	CREATE FUNCTION constant() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.rise(); END $$;
	CREATE TABLE parts (at timestamptz NOT NULL, v int) PARTITION BY RANGE (at);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2001-01-01Z') TO ('2001-02-01Z');
	INSERT INTO parts SELECT timestamptz '2001-01-01Z' + n * interval '1 minute', n FROM generate_series(1, 100) n;
	CREATE TABLE plain (at timestamptz NOT NULL, v int);
	INSERT INTO plain SELECT timestamptz '2001-01-01Z' + n * interval '1 minute', n FROM generate_series(1, 100) n;
	CREATE INDEX ON parts_1 ((public.constant()));
	CREATE INDEX ON plain ((public.constant()));
	CREATE INDEX ON plain (at) WHERE public.constant() = 1;
	CREATE STATISTICS of_plain ON (public.constant() + v) FROM plain;
	ALTER TABLE plain ADD CHECK (public.constant() = 1);
	ALTER TABLE parts_1 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY none ON parts_1 USING (public.constant() = 0);
	SELECT twin.add_retention_policy('parts', '1 year', 'parts', 'at'), twin.add_retention_policy('plain', '1 year', 'plain', 'at')});
unlike(apply(), qr/WARNING|ERROR/, 'tables with functions of their owner everywhere are archived and go');
is(sql($node, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}), 'f', '... and he is who he was');
is(sql($node, q{SET ROLE mallory; SELECT to_regclass('parts_1') IS NULL, (SELECT count(*) FROM plain)}), 't|0', '... without his rows');
is(sql($node, q{SELECT v.ok, v.rows FROM twin.archives() a, twin.verify_archive(a.file) v}), "t|100\nt|100", '... which are in archives, whatever a policy of his hides');
sql($node, q{SET ROLE mallory; SELECT twin.drop_retention_policy('plain'), twin.drop_retention_policy('parts'); DROP TABLE plain, parts});

# ---- what cannot go ----

sql($node, q{CREATE TABLE family (at timestamptz, v int); CREATE TABLE child (more text) INHERITS (family);
	INSERT INTO family VALUES ('2001-01-01Z', 1); INSERT INTO child VALUES ('2001-01-01Z', 2, 'more');
	SELECT twin.add_retention_policy('family', '1 year', 'family', 'at')});
unlike(apply(), qr/WARNING|ERROR/, 'a table that others inherit from');
is(sql($node, q{SELECT (SELECT count(*) FROM ONLY family), (SELECT count(*) FROM child)}), '0|1', '... loses its own rows, and not theirs, with columns that no archive would have');
sql($node, q{SELECT twin.drop_retention_policy('family')});

sql($node, q{CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
	CREATE TABLE mixed (at timestamptz NOT NULL) PARTITION BY RANGE (at);
	CREATE FOREIGN TABLE mixed_1 PARTITION OF mixed FOR VALUES FROM ('2001-01-01Z') TO ('2001-02-01Z') SERVER nowhere;
	CREATE TABLE mixed_2 PARTITION OF mixed FOR VALUES FROM ('2001-02-01Z') TO ('2001-03-01Z');
	CREATE TABLE mixed_3 PARTITION OF mixed FOR VALUES FROM ('2001-03-01Z') TO ('2001-04-01Z');
	ALTER TABLE mixed OWNER TO mallory; ALTER TABLE mixed_2 OWNER TO mallory; ALTER TABLE mixed_3 OWNER TO other;
	SELECT twin.add_retention_policy('mixed', '1 year', 'mixed', 'at', archive => false)});
like(apply(), qr/WARNING.*foreign table/s, 'a foreign partition');
is(sql($node, q{SELECT string_agg(inhrelid::regclass::text, ',' ORDER BY inhrelid) FROM pg_inherits WHERE inhparent = 'mixed'::regclass AND inhrelid::regclass::text ~ '_[0-9]$'}), 'mixed_1,mixed_3', '... stays one, and so does one of another owner');
sql($node, q{DROP TABLE mixed CASCADE; SELECT twin.drop_retention_policy('mixed')});

# ---- the archive, when everything is detached ----

my $worker = q{backend_type = 'twin_security retention'};
my $month = 0;
# months are made an hour after a database begins; events from here on go there
edit_log($node, q{SELECT twin_internal.add_event_partition(c, date_trunc('month', now() AT TIME ZONE 'UTC')) FROM unnest('{audit,access,error}'::text[]) c});
sql($node, q{SELECT twin.record_event('first')});
poll(q{SELECT count(*) = 1 FROM twin_internal.events WHERE event_type = 'first'}) or die 'not written';
sub new_partitions
{
	$month++;
	my $first = sprintf '%d-%02d-01', 2001 + int($month / 12), 1 + $month % 12;
	edit_log($node, qq{SELECT twin_internal.add_event_partition('error', '$first');
		INSERT INTO twin_internal.events (event_id, event_time, recorded_at, class, event_type, severity, outcome, application_made, details, origin, writer_xid)
			SELECT nextval('twin_internal.event_id_seq'), timestamptz '$first', timestamptz '$first' + n * interval '1 minute', 'error', 'old_event', 'info', 'success', false, '{}', (SELECT max(origin) FROM twin_internal.events), pg_current_xact_id() FROM generate_series(1, 20) n});
	sql($node, qq{CREATE TABLE IF NOT EXISTS readings (at timestamptz NOT NULL, v int) PARTITION BY RANGE (at);
		SET TimeZone = 'UTC';
		DO \$\$ BEGIN EXECUTE format('CREATE TABLE readings_$month PARTITION OF readings FOR VALUES FROM (%L) TO (%L)', timestamptz '$first', timestamptz '$first' + interval '1 month'); END \$\$;
		INSERT INTO readings SELECT timestamptz '$first' + n * interval '1 minute', n FROM generate_series(1, 100) n});
	poll(q{SELECT (SELECT max(c.size) FROM twin_internal.checkpoints c) > (SELECT max(s.first_leaf + s.leaves - 1) FROM twin_internal.sealed s JOIN twin_internal.events e ON e.event_id = s.record_id WHERE e.event_type = 'old_event')
		AND NOT EXISTS (SELECT FROM twin_internal.events e LEFT JOIN twin_internal.sealed s ON s.record_id = e.event_id WHERE e.event_type = 'old_event' AND s IS NULL)}) or die 'not sealed';
	return ("public.readings_$month", 'twin_internal.events_error_' . $first =~ s/-01$//r =~ tr/-/_/r);
}

# Ends a run when a partition is at a state.
sub stop_at
{
	my ($partition, $state) = @_;
	sql($node, qq{CREATE OR REPLACE FUNCTION public.doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_sleep(600); RETURN NEW; END';
		CREATE TRIGGER doze BEFORE UPDATE ON twin_internal.retention_items FOR EACH ROW WHEN (NEW.state = '$state' AND NEW.partition_name = '$partition') EXECUTE FUNCTION public.doze()});
	my ($out, $err) = ('', '');
	my $call = IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
	poll("SELECT count(*) = 1 FROM pg_stat_activity WHERE $worker AND wait_event = 'PgSleep'") or fail('it comes there');
	sql($node, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE $worker");
	eval { $call->finish };
	sql($node, 'DROP TRIGGER doze ON twin_internal.retention_items');
	return;
}
sub flip { my ($file) = @_; my $bytes = slurp($file); substr($bytes, length($bytes) / 2, 1) ^= "\1"; return spew($file, $bytes) }
sub manifest { my ($file) = @_; return $file =~ s/\.tsarc$/.manifest.json/r }

new_partitions();
sql($node, q{SELECT twin.add_retention_policy('readings', '1 year', 'readings', 'at')});
unlike(apply(), qr/WARNING|ERROR/, 'a run goes through');
# events that the writer did not write are told of
my $whole = q{SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log()};
my $as_before = sql($node, $whole);
my %change = (
	'one bit of the file' => sub { flip($_[0]) },
	'cut off' => sub { truncate($_[0], -s $_[0] >> 1) },
	'taken away' => sub { unlink $_[0] },
	'without its manifest' => sub { unlink manifest($_[0]) },
	'a link' => sub { rename $_[0], "$archives/away"; symlink "$archives/away", $_[0] },
	'a pipe' => sub { unlink $_[0]; system('mkfifo', $_[0]) },
	'one byte of the manifest' => sub { my $text = slurp(manifest($_[0])); $text =~ s/("sha256":\s*")(.)/$1 . ($2 eq '0' ? '1' : '0')/e or die; spew(manifest($_[0]), $text) },
	'the folder' => sub { rename $archives, "$archives.away" });
foreach my $what (sort keys %change)
{
	foreach my $of (0, 1)
	{
		my ($table, $log) = new_partitions();
		my $partition = $of ? $log : $table;
		stop_at($partition, 'dropped');
		is(state_of($partition), 'detached', "$what: $partition is detached");
		$change{$what}->("$archives/" . archive_of($partition));
		like(apply(), qr/partition again/, '... is a partition again');
		like(state_of($partition), qr/^due: /, '... and it is said why');
		is(sql($node, "SELECT count(*) FROM $partition"), $partition eq $log ? 20 : 100, '... with its rows');
		is(sql($node, $whole), $as_before, '... and the log is what it was') if $partition eq $log;
		rename "$archives.away", $archives if -d "$archives.away";
		unlike(apply(), qr/WARNING|ERROR/, '... the next run takes it');
		is(gone($partition), 't', '... away');
		is(sql($node, "SELECT ok, rows FROM twin.verify_archive('" . archive_of($partition) . "')"), $partition eq $log ? 't|20' : 't|100', '... with an archive of its own');
		unlink glob("$archives/away");
	}
}

# ---- somebody else writes to the folder ----

{
	my ($table, $log) = new_partitions();
	my @locked;
	foreach my $partition ($table, $log)
	{
		my $probe = sql($node, "SELECT file FROM twin_internal.write_archive('$partition', (SELECT from_time FROM twin_internal.partition_range('$partition')), (SELECT to_time FROM twin_internal.partition_range('$partition')))");
		unlink "$archives/$probe", manifest("$archives/$probe");
		open(my $lock, '>', "$archives/.$probe.new") or die $!;
		chmod 0666, "$archives/.$probe.new";
		flock($lock, LOCK_EX) or die $!;
		push @locked, $lock;
	}
	unlike(apply(), qr/WARNING|ERROR/, 'names that others are writing keep nothing from going');
	is(gone($table) . gone($log), 'tt', '... under other names');
	like(archive_of($_), qr/\.2\.tsarc$/, '... with a number') foreach $table, $log;
}

# ---- a dump of what is detached ----

{
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
	foreach my $of (0, 1)
	{
		my ($table, $log) = new_partitions();
		my $partition = $of ? $log : $table;
		stop_at($partition, 'dropped');
		is(state_of($partition), 'detached', "$partition is detached");
		foreach my $has_archives (0, 1)
		{
			my $db = "restored_${of}_$has_archives";
			run_command([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ]);
			$node->safe_psql('postgres', "CREATE DATABASE $db");
			my ($out, $err) = run_command([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-f', $dump, $db ]);
			unlike($err, qr/ERROR/, '... restored');
			rename $archives, "$archives.away" unless $has_archives;
			my $said = apply(db => $db);
			rename "$archives.away", $archives unless $has_archives;
			like($said, qr/partition again/, '... without archives it is a partition again') unless $has_archives;
			unlike($said, qr/renamed or attached|does not exist/, '... as itself');
			is(sql($node, "SELECT count(*) FROM $partition", db => $db), $of ? 20 : 100, '... with its rows') unless $has_archives;
			is(sql($node, "SELECT to_regclass('$partition') IS NULL", db => $db), 't', '... with them it goes') or diag($said) if $has_archives && !$of;
		}
		unlike(apply(), qr/WARNING|ERROR/, '... and in its own database');
		is(gone($partition), 't', '... it goes');
	}
}

ok(events_sealed($node), 'all is sealed');
is(sql($node, $whole), $as_before, 'and the log is what it was');
$node->stop;
done_testing();
