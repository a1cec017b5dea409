# The disk is full: first the one that holds the tables, the standby's files and the exported checkpoints, then the one of WAL.  What was committed is there, each audited
# write is whole or not at all, events wait in memory and those that find no room there are counted, and with room again all goes on by itself.
use SmallDisk megabytes => 160;
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep);

my $small = $ENV{TWIN_SMALL_DISK};
plan skip_all => 'this machine lets no file system be made in a namespace' unless $small;

my $notes = "$small/notes";
mkdir $notes;
my $key = new_key();
my $node = new_node('full', allows_streaming => 1, conf => "twin_security.event_ring_size = 256kB\ntwin_security.checkpoint_interval = 1\ntwin_security.checkpoint_directory = '$notes'\n"
	  . "min_wal_size = 32MB\nmax_wal_size = 32MB\nwal_keep_size = 96MB\nrestart_after_crash = on\nmax_worker_processes = 16\n");

# Moves a folder of a server that is down to another file system.
sub move_to { my ($from, $to) = @_; system_or_bail('cp', '-a', $from, $to); system_or_bail('rm', '-rf', $from); symlink($to, $from) or die $!; return }
sub free_bytes { return (run_command([ 'df', '--output=avail', '-B1', $small ]))[0] =~ /(\d+)\s*$/ ? $1 : die 'df' }
sub fill
{
	my ($leave) = @_;
	open my $file, '>>:raw', "$small/ballast" or die $!;
	my $left = free_bytes() - $leave;
	syswrite($file, 'x' x $left) if $left > 0;
	close $file;
	return;
}
sub empty { unlink "$small/ballast"; return }


start_with($node, $key);
sql($node, q{CREATE EXTENSION twin_security;
	UPDATE twin.alert_rules SET enabled = false;
	CREATE TABLE readings (number bigserial PRIMARY KEY, secret twin.encrypted_text(main), filling text);
	ALTER TABLE readings ALTER filling SET STORAGE plain;
	SELECT twin.audit_table('readings');
	SELECT twin.grant_key('main', 'postgres', 'decrypt');
	CREATE ROLE app LOGIN;
	GRANT SELECT ON readings TO app});
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM twin_internal.checkpoints});
$node->backup('base');
$node->stop;
move_to($node->data_dir . '/base', "$small/base");
move_to($node->data_dir . '/pg_stat', "$small/pg_stat");
start_with($node, $key);

my $committed = 0;
sub write_row { my ($session) = @_; $session->{stderr} = ''; my $out = $session->query(q{INSERT INTO readings (secret, filling) VALUES ('a reading', repeat('x', 3000)) RETURNING 'written';}); return $out =~ /written/ ? ++$committed : 0 }
sub whole
{
	my ($on, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	events_sealed($on);
	is(sql($on, q{SELECT count(*), count(*) FILTER (WHERE secret::text = 'a reading') FROM readings}), "$committed|$committed", "$name: each row that was committed is there, and can be read");
	is(sql($on, q{SELECT coalesce(sum(coalesce(row_count, 1)), 0) FROM twin_internal.event_rows WHERE event_type = 'create' AND resource = 'public.readings'}), $committed, '... and has its event, and no other has');
	is(sql($on, 'SELECT ok, reason FROM twin.verify_audit_log()'), 't|', '... the log is verified');
	return is(sql($on, 'SELECT dropped FROM twin.stat_audit'), sql($on, q{SELECT coalesce(sum((details ->> 'dropped')::bigint), 0) FROM twin.audit_log WHERE event_type = 'events_dropped'
		AND event_time >= pg_postmaster_start_time()}), '... and what was dropped is counted in it');
}

# ---- no room for tables ----

my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe('SET client_min_messages = error');
write_row($session) for 1 .. 10;
whole($node, 'before');
my $from = -s $node->logfile;
fill(0);
my $failed = 0;
for (1 .. 400) { write_row($session) or $failed++; last if $failed > 3 }
cmp_ok($failed, '>', 3, 'with no room for tables, who writes is told');
like($session->{stderr}, qr/could not extend file .*No space left on device|No space left on device/, '... why');
my $refused = 0;
for (1 .. 1000) { $session->{stderr} = ''; $session->query(q{SELECT twin.record_event('while_full', details => jsonb_build_object('fill', repeat('y', 900)));}); $refused++ if $session->{stderr} =~ /ERROR/; last if $refused > 3 }
$node->connect_fails($node->connstr('nowhere'), 'somebody knocks') for 1 .. 3;
ok($node->poll_query_until('postgres', 'SELECT ring_fill > 0 FROM twin.stat_audit'), 'events wait in memory');
ok($node->wait_for_log(qr/No space left on device/, $from), '... which the server says');
is(sql($node, q{SELECT count(*) = 10 FROM readings WHERE number <= 10 AND secret::text = 'a reading'}), 't', '... and what is there is read');
my $waiting = sql($node, 'SELECT emitted - written - dropped, dropped FROM twin.stat_audit');
like($waiting, qr/^[1-9]\d*\|\d+$/, "... none is lost in silence: $waiting wait, and were dropped");
empty();
ok($node->poll_query_until('postgres', 'SELECT ring_fill = 0 FROM twin.stat_audit'), 'with room again they are written');
$session->{stderr} = '';
ok(write_row($session), '... and so is a row');
whole($node, 'after tables');
my ($log) = sql($node, 'SELECT origin FROM twin_internal.epochs ORDER BY epoch DESC LIMIT 1') =~ m{/([0-9a-f]{32})$};
ok($node->poll_query_until('postgres', qq{SELECT pg_read_file('$notes/$log.note') = convert_from(c.note, 'UTF8') FROM twin_internal.checkpoints c ORDER BY c.size DESC LIMIT 1}), '... the newest checkpoint is exported');
is(scalar(grep { -z $_ || file_bytes($_) !~ /\n\n\S+ \S+ \S+\n\z/ } glob "$notes/*.note $notes/*/*/*.note"), 0, '... and each is whole');
$session->quit;

# ---- no room for the files of a standby ----

my $standby = PostgreSQL::Test::Cluster->new('reading');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "twin_security.checkpoint_directory = ''\n");
mkdir "$small/spool";
symlink "$small/spool", $standby->data_dir . '/twin_security_spool' or die $!;
start_with($standby, $key);
my $app = $standby->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]);
fill(0);
session_fails($app, 'SELECT secret::text FROM readings', '42501', 'a refusal on a standby');
# there may be room in the last page of a file
my $no_room = qr/security events of this standby wait in memory: a file cannot be written: No space left on device/;
for (1 .. 300) { $app->query('SELECT secret::text FROM readings;'); last if $standby->log_contains($no_room); sleep 0.02 }
ok($standby->log_contains($no_room), '... waits in memory while there is no room, which its log says');
empty();
my $denied = q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'permission_denied' AND details ? 'standby_event'};
my $carried = 0;
for (1 .. 200)
{
	foreach my $content (split /\n/, sql($standby, q{SELECT encode(content, 'hex') FROM twin.standby_events()})) { sql($node, "SELECT twin.accept_standby_events('\\x$content')") }
	last if ($carried = sql($node, $denied)) > 0;
	sleep 0.1;
}
cmp_ok($carried, '>', 0, '... and with room again comes to the log, in files that are whole');
$app->quit;
$standby->stop;

# ---- no room when the server stops, for events that wait ----

fill(0);
sql($node, q{SELECT count(twin.record_event('before_the_end', details => jsonb_build_object('filling', repeat('z', 900)))) FROM generate_series(1, 50)});
ok($node->poll_query_until('postgres', 'SELECT ring_fill > 0 FROM twin.stat_audit'), 'an event waits while there is no room');
$from = -s $node->logfile;
$node->stop;
like(substr(file_bytes($node->logfile), $from), qr/[1-9]\d* security events that wait to be written are lost: "pg_stat\/twin_security_events" cannot be written: No space left on device/, '... and is lost when the server stops, which its log says');
empty();
is(join(' ', map { m{([^/]*)$} } glob "$small/pg_stat/twin_security_events*"), '', '... and no half file is there');
start_with($node, $key);
whole($node, 'after a stop');

# ---- no room for WAL ----

$node->stop;
unlink $node->data_dir . '/base' or die $!;
system_or_bail('mv', "$small/base", $node->data_dir . '/base');
move_to($node->data_dir . '/pg_wal', "$small/pg_wal");
start_with($node, $key);
$from = -s $node->logfile;
$session = $node->background_psql('postgres', on_error_stop => 0);
fill(0);
for (1 .. 200) { last unless eval { $session->query(q{INSERT INTO readings (secret, filling) SELECT 'a reading', repeat('x', 3000) FROM generate_series(1, 100) RETURNING 'written';}) =~ /written/ and $committed += 100 } }
ok($node->wait_for_log(qr/PANIC:  could not write to file "pg_wal\/xlogtemp/, $from), 'with no room for WAL the server stops, as PostgreSQL does');
eval { $session->quit };
eval { $node->stop('immediate', fail_ok => 1) };
empty();
unlink $node->data_dir . '/postmaster.pid' if $node->{_pid} && !kill 0, $node->{_pid};
start_with($node, $key);
whole($node, 'after WAL');
$node->stop;
done_testing();
