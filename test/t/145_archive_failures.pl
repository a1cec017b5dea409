# Archives where something fails: a full disk, for one archive and for a whole run of retention, a folder that is gone, a cancel, kill -9 at random moments, two writers of
# one name.  Nothing that is half written has a name, nothing of it stays, and what is written then is whole.
use SmallDisk megabytes => 12;
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $base = "$ENV{TESTDIR}/archives_failing";
mkdir $base;
my $key = new_key();
my $node = new_node('failures', conf => "restart_after_crash = on\ntwin_security.archive_directory = '$base'\n");
start_with($node, $key);
sql($node, q{CREATE EXTENSION twin_security;
	CREATE TABLE readings (at timestamptz, v float8, note text);
	INSERT INTO readings SELECT '2016-01-01 00:00:00+00'::timestamptz + n * interval '1 minute', random(), md5(n::text) || md5((2 * n)::text) FROM generate_series(1, 200000) n});
my $write = q{twin_internal.write_archive('readings', NULL, NULL)};

sub files { opendir(my $folder, $base) or die $!; return join(' ', sort grep { !/^\.\.?$/ } readdir $folder); }
sub set { my ($name, $value) = @_; sql($node, "ALTER SYSTEM SET twin_security.$name = '$value'"); $node->reload;
	return $node->poll_query_until('postgres', "SELECT current_setting('twin_security.$name') = '$value'"); }
sub clear { unlink glob("$base/* $base/.*.new"); return; }

# ---- the disk is full: a write beyond the limit of a file's size fails as one on a full disk does ----

my ($postmaster) = file_bytes($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
SKIP:
{
	skip 'prlimit is not here', 4 unless -x '/usr/bin/prlimit';
	# each size ends in another place: in the file, at its end, in the manifest
	foreach my $limit (1000, 1000000, 5000000)
	{
		my $session = $node->background_psql('postgres', on_error_stop => 0);
		my $pid = $session->query_safe('SELECT pg_backend_pid()');
		system("prlimit --pid $pid --fsize=$limit") == 0 or die 'prlimit';
		session_fails($session, "SELECT $write;", '(?:XX000|53100|58030)', "no room behind $limit bytes") if $limit < 3000000;
		$session->query("SELECT $write;") if $limit > 3000000;
		$session->quit;
		is(files(), '', "$limit: nothing stays") if $limit < 3000000;
	}
	clear();
}

# ---- a whole run of retention on a disk that is full: in the file, in the manifest; and when there is room again ----

sub run_retention
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', 'CALL twin.apply_retention()', stdout => \$out, stderr => \$err);
	return $err;
}
SKIP:
{
	my $small = $ENV{TWIN_SMALL_DISK};
	skip 'this machine lets no file system be made in a namespace', 14 unless $small;
	my $ballast = "$small/ballast";
	# leaves so many bytes free
	my $fill = sub {
		my ($free) = @_;
		unlink $ballast;
		my ($left) = (run_command([ 'df', '--output=avail', '-B1', $small ]))[0] =~ /(\d+)\s*$/;
		open my $file, '>:raw', $ballast or die $!;
		print $file 'x' x ($left - $free) or die $!;
		close $file or die $!;
	};
	my $kept = sub { (run_command([ 'ls', '-A', $small ]))[0] };
	my $alerts = q{SELECT count(*) FROM twin.alerts WHERE rule_name = 'retention_overdue'};

	# hashes, which nothing makes smaller
	sql($node, q{CREATE TABLE rooms (at timestamptz, noise bytea) PARTITION BY RANGE (at);
		CREATE TABLE rooms_large PARTITION OF rooms FOR VALUES FROM ('2016-01-01 00:00:00+00') TO ('2016-02-01 00:00:00+00');
		CREATE TABLE rooms_small PARTITION OF rooms FOR VALUES FROM ('2016-02-01 00:00:00+00') TO ('2016-03-01 00:00:00+00');
		INSERT INTO rooms SELECT '2016-01-02 00:00:00+00'::timestamptz + n * interval '1 second', sha512(int4send(n)) || sha512(int8send(n)) || sha512(float8send(n)) FROM generate_series(1, 20000) n;
		INSERT INTO rooms SELECT '2016-02-02 00:00:00+00', 'x' FROM generate_series(1, 10);
		SELECT twin.add_retention_policy('rooms', '90 days', 'rooms', 'at');
		UPDATE twin.alert_rules SET cooldown = '1 second' WHERE rule_name = 'retention_overdue'});
	set('archive_directory', $small);
	$fill->(1 << 20);
	my $told = run_retention();
	like($told, qr/WARNING: +retention: cannot write ".*rooms_large.*": No space left on device.*Free space there/s, 'a run on a full disk says what is wrong, and what to do');
	is(sql($node, q{SELECT partition_name, state, failure ~ 'No space left on device' FROM twin.retention_plan WHERE policy_name = 'rooms' ORDER BY 1}),
		"public.rooms_large|due|t\npublic.rooms_small|dropped|", '... that partition stops, and the next one goes');
	is(sql($node, 'SELECT count(*), count(*) FILTER (WHERE noise = sha512(int4send(n)) || sha512(int8send(n)) || sha512(float8send(n))) FROM rooms,
		LATERAL (SELECT extract(epoch FROM at - \'2016-01-02 00:00:00+00\')::integer) s (n)'), '20000|20000', '... no row is lost');
	unlike($kept->(), qr/rooms_large/, '... nothing of the archive is left');
	ok($node->poll_query_until('postgres', "SELECT ($alerts) > 0"), '... and an alert says so');
	is(sql($node, q{SELECT count(*) FROM twin.retention_policies WHERE policy_name = 'rooms' AND last_success IS NULL}), '1', '... which is no success');

	# room for all of the archive, and for no manifest
	set('archive_directory', $base);
	my $file = sql($node, q{SELECT file FROM twin_internal.write_archive('rooms_large', '2016-01-01 00:00:00+00', '2016-02-01 00:00:00+00')});
	my $pages = int(((-s "$base/$file") + 4095) / 4096);
	clear();
	set('archive_directory', $small);
	$fill->(4096 * $pages);
	my $before = sql($node, $alerts);
	like(run_retention(), qr/retention: cannot write ".*manifest.*": No space left on device/s, 'a disk that is full before the manifest is written');
	unlike($kept->(), qr/rooms_large/, '... leaves no archive without one');
	is(sql($node, q{SELECT state, failure ~ 'manifest' FROM twin.retention_plan WHERE partition_name = 'public.rooms_large'}), 'due|t', '... and the partition where it was');
	ok($node->poll_query_until('postgres', "SELECT ($alerts) > $before"), '... with another alert');

	unlink $ballast;
	unlike(run_retention(), qr/WARNING/, 'with room again the next run goes on');
	is(sql($node, q{SELECT count(*), to_regclass('rooms_large') IS NULL FROM rooms}), '0|t', '... and the partition is dropped');
	is(sql($node, qq{SELECT v.ok, v.rows, (SELECT count(DISTINCT j ->> 'noise') FROM twin.read_archive('$file') j) FROM twin.verify_archive('$file') v}), 't|20000|20000', '... when all of it is in the archive');
	is(sql($node, q{SELECT last_success IS NOT NULL FROM twin.retention_policies WHERE policy_name = 'rooms'}), 't', '... and the run a success');
	sql($node, q{SELECT twin.drop_retention_policy('rooms'); DROP TABLE rooms});
	set('archive_directory', $base);
}
is(sql($node, "SELECT rows FROM $write"), '200000', 'with room it is written');
is(sql($node, q{SELECT ok, rows FROM twin.verify_archive('public.readings.beginning-end.tsarc')}), 't|200000', 'and whole');

# ---- the folder goes ----

clear();
rename $base, "$base.away";
fails_with($node, "SELECT $write", '58P01', 'there is no folder for archives', 'a folder that is gone');
rename "$base.away", $base;
symlink $node->data_dir, "$base.link";
set('archive_directory', "$base.link");
fails_with($node, "SELECT $write", '55000', 'lies in the data folder', 'a link into the data folder');
set('archive_directory', $base);

# ---- cancelled, by a timeout and by another session, and inside of a block that goes on ----

my $cancelled = 0;
foreach my $ms (20, 60, 120, 200, 300)
{
	my $answer = answer_of($node, "SET statement_timeout = ${ms}; SELECT $write");
	$cancelled++ if $answer =~ /^57014/;
	unlike(files(), qr/\.new/, "cancelled after $ms ms: nothing is half there");
	clear();
}
cmp_ok($cancelled, '>', 0, 'some were cancelled');
sql($node, qq{DO \$\$ BEGIN FOR i IN 1..200 LOOP BEGIN PERFORM twin_internal.write_archive('pg_catalog.pg_class', NULL, NULL, 'relname'); EXCEPTION WHEN datatype_mismatch THEN NULL; END; END LOOP;
	IF (SELECT count(*) FROM pg_ls_dir('/proc/self/fd')) > 150 THEN RAISE 'files stay open'; END IF; END \$\$});
ok(1, 'files do not stay open where errors are caught');

# ---- two writers of one name ----

my $one = $node->background_psql('postgres', on_error_stop => 0);
$one->query_until(qr/begun/, "\\echo begun\nSELECT $write;\n");
sleep 0.05;
my $second = answer_of($node, "SELECT rows FROM $write");
is($second, '200000', 'the second waits for nobody: it takes what the first wrote, or another name');
$one->quit;
like(files(), qr/^(?:public\.readings\.beginning-end\.2\.manifest\.json public\.readings\.beginning-end\.2\.tsarc )?public\.readings\.beginning-end\.manifest\.json public\.readings\.beginning-end\.tsarc$/, 'nothing is half there');
is(sql($node, q{SELECT bool_and(v.ok AND v.rows = 200000) FROM twin.archives() a, twin.verify_archive(a.file) v}), 't', '... and all is whole');
clear();

# ---- kill -9 ----

for my $round (1 .. 4)
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_until(qr/begun/, "\\echo begun\nSELECT $write;\n");
	sleep 0.03 + rand 0.25;
	kill 'KILL', $pid;
	eval { $session->quit };
	# the others are ended, and the server begins again
	sleep 0.3;
	for (1 .. 200) { last if system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) == 0; sleep 0.1; }
	my $left = files();
	is(sql($node, "SELECT rows FROM $write"), '200000', "round $round: written again");
	my $listed = sql($node, q{SELECT file FROM twin.archives() ORDER BY 1});
	like($listed, qr/^public\.readings\.beginning-end(?:\.2)?\.tsarc$/, "round $round: there is one");
	is(sql($node, "SELECT ok, rows FROM twin.verify_archive('$listed')"), 't|200000', "round $round: it is whole (left was: $left)");
	sql($node, "SELECT twin_internal.archive_matches('$listed', 'readings')");
	unlike(files(), qr/\.new/, "round $round: what was left is removed");
	clear();
}

done_testing();
