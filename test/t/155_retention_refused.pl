# A run that cannot archive: the folder may not be written, or is not there. What needs an archive stays, with a reason, an event and
# an alert; what needs none goes; and when it can be, all of it is. Two databases are at it side by side; DROP EXTENSION ends a run.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $archives = PostgreSQL::Test::Utils::tempdir() . '/archives';
mkdir $archives;
my $node = new_node('refused', conf => "max_worker_processes = 16\nfsync = off\nrestart_after_crash = on\ntwin_security.retention_interval = 0\n"
		. "twin_security.archive_directory = '$archives'\n");
start_with($node, new_key());

sub poll { my ($query, $db) = @_; return $node->poll_query_until($db // 'postgres', $query) }
sub apply
{
	my ($db) = @_;
	my ($out, $err) = ('', '');
	$node->psql($db // 'postgres', 'CALL twin.apply_retention()', stdout => \$out, stderr => \$err);
	return $err;
}

my $tables = q{CREATE EXTENSION twin_security;
	CREATE TABLE kept (at timestamptz NOT NULL, v text) PARTITION BY RANGE (at);
	CREATE TABLE kept_2020 PARTITION OF kept FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
	INSERT INTO kept SELECT '2020-05-01'::timestamptz + n * interval '1 minute', md5(n::text) || md5((7 * n)::text) FROM generate_series(1, 20000) n;
	CREATE TABLE gone (at timestamptz NOT NULL);
	INSERT INTO gone SELECT '2020-05-01'::timestamptz + n * interval '1 minute' FROM generate_series(1, 100) n;
	SELECT twin.add_retention_policy('kept', '1 year', 'kept', 'at'), twin.add_retention_policy('gone', '1 year', 'gone', 'at', archive => false)};
sql($node, $tables);

# ---- a folder that may not be written, one that is not there ----

my %breaks = (
	'may not be written' => [ sub { chmod 0500, $archives }, sub { chmod 0700, $archives } ],
	'is not there' => [ sub { rename $archives, "$archives.away" }, sub { rename "$archives.away", $archives } ],
);
my $alerts = 0;
foreach my $how (sort keys %breaks)
{
	my ($break, $mend) = @{ $breaks{$how} };
	sql($node, q{UPDATE twin.alert_rules SET cooldown = '0' WHERE rule_name = 'retention_overdue'; INSERT INTO gone VALUES ('2020-06-01')});
	$break->();
	like(apply(), qr/WARNING/, "a folder that $how: the run says so");
	like(sql($node, q{SELECT state, failure FROM twin_internal.retention_items WHERE partition_name = 'public.kept_2020'}), qr/^due\|.*(?:archive|folder|directory|$archives)/i, '... and why');
	is(sql($node, 'SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM gone)'), '20000|0', '... keeps what needs an archive, and nothing else');
	ok(poll(qq{SELECT count(*) > $alerts FROM twin.alerts WHERE rule_name = 'retention_overdue'}), '... and raises an alert');
	$alerts = sql($node, q{SELECT count(*) FROM twin.alerts WHERE rule_name = 'retention_overdue'});
	$mend->();
}

sql($node, q{INSERT INTO kept VALUES (now(), 'today'), (now() + interval '1 year', 'next'); DELETE FROM kept WHERE v IN ('today', 'next')});
pass('partitions for now and the time after that were made meanwhile');

# ---- two databases, one folder ----

$node->safe_psql('postgres', 'CREATE DATABASE second');
sql($node, $tables, db => 'second');
my @calls = map { my $db = $_; my ($out, $err) = ('', ''); IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', $db ], '<', \undef, '>', \$out, '2>', \$err) } qw(postgres second);
$_->finish foreach @calls;
foreach my $db (qw(postgres second))
{
	is(sql($node, q{SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM gone), (SELECT string_agg(DISTINCT state, ',') FROM twin_internal.retention_items WHERE policy_name = 'kept')}, db => $db),
		'0|0|dropped', "$db: all is done");
	is(sql($node, q{SELECT v.ok, v.rows FROM twin_internal.retention_items i, twin.verify_archive(i.archive_file) v WHERE i.policy_name = 'kept'}, db => $db), 't|20000', "$db: an archive of its own");
}
isnt(sql($node, q{SELECT archive_file FROM twin_internal.retention_items WHERE policy_name = 'kept'}),
	sql($node, q{SELECT archive_file FROM twin_internal.retention_items WHERE policy_name = 'kept'}, db => 'second'), 'under names of their own');

# ---- DROP EXTENSION, DROP DATABASE while a run is on ----

sql($node, q{CREATE TABLE kept_2021 PARTITION OF kept FOR VALUES FROM ('2021-01-01') TO ('2022-01-01'); INSERT INTO kept SELECT '2021-05-01'::timestamptz FROM generate_series(1, 10);
	CREATE FUNCTION public.doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_sleep(100); RETURN NEW; END';
	CREATE TRIGGER doze BEFORE UPDATE ON twin_internal.retention_items FOR EACH ROW WHEN (NEW.state = 'verified') EXECUTE FUNCTION public.doze()}, db => 'second');
my ($out, $err) = ('', '');
my $call = IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'second' ], '<', \undef, '>', \$out, '2>', \$err);
ok(poll(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'twin_security retention' AND wait_event = 'PgSleep'}), 'a run is on');
my ($said, $refusal) = ('', '');
$node->psql('second', q{SET lock_timeout = '2s'; DROP EXTENSION twin_security}, stdout => \$said, stderr => \$refusal);
like($refusal, qr/lock timeout/, 'DROP EXTENSION waits for it');
is(sql($node, q{SELECT count(*) FROM kept}, db => 'second'), 10, 'and takes nothing along');
$node->safe_psql('postgres', 'DROP DATABASE second WITH (FORCE)');
eval { $call->finish };
ok(poll(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'twin_security retention'}), 'a database is dropped with its run');
is(apply(), '', 'others go on');

$node->stop;
done_testing();
