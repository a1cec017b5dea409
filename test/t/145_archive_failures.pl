# Archives where something fails: a full disk, a folder that is gone, a cancel, kill -9 at random moments, two writers of
# one name.  Nothing that is half written has a name, nothing of it stays, and what is written then is whole.
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
	skip 'prlimit is not here', 6 unless -x '/usr/bin/prlimit';
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
	# a real one, where a file system can be made
	my $small = "$ENV{TESTDIR}/small";
	mkdir $small;
	skip 'no file system can be made here', 2 unless $> == 0 && system("mount -t tmpfs -o size=2m none $small 2>/dev/null") == 0;
	set('archive_directory', $small);
	fails_with($node, "SELECT $write", '53100', 'cannot write', 'a full disk');
	is((run_command([ 'ls', '-A', $small ]))[0], '', 'nothing stays on it');
	set('archive_directory', $base);
	system("umount $small");
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
	kill_backend($node, $pid);    # the others are ended, and the server begins again
	eval { $session->quit };
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
