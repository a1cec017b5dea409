# What happens on a standby comes to the primary's log: kept in signed files, carried by anybody, taken once, in order, and
# not when somebody changed it; told when there was no room; what is left when the standby is promoted its own log takes.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep);

my $key = new_key();
my $primary = new_node('primary', allows_streaming => 1, conf => "twin_security.event_ring_size = 64kB\n");
start_with($primary, $key);
sql($primary, q{
	CREATE EXTENSION twin_security;
	UPDATE twin.alert_rules SET enabled = false;
	CREATE ROLE app LOGIN;
	CREATE TABLE secret (v twin.encrypted_text(main));
	INSERT INTO secret VALUES ('x');
	GRANT ALL ON secret TO app;
	CREATE DATABASE other});
sql($primary, 'CREATE EXTENSION twin_security', db => 'other');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('reading');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
# two small files at most: a third finds no room
$standby->append_conf('postgresql.conf', 'twin_security.standby_spool_size = 260kB');
start_with($standby, $key);
my $folder = $standby->data_dir . '/twin_security_spool';
my $here = sql($primary, q{SELECT oid FROM pg_database WHERE datname = 'postgres'});
my $watcher = $standby->background_psql('postgres', on_error_stop => 0);
my @apps = map { $standby->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]) } 1 .. 3;

$watcher->query_safe('SET client_min_messages = error');

sub replay { return $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')) }
sub refused { return session_fails($apps[0], "SELECT v::text FROM secret /* $_[0] */", '42501', "a refusal on the standby: $_[0]") }
# Files of the standby, in hexadecimal: [name, content].
sub files { return map { [ split /\|/ ] } split /\n/, $watcher->query_safe(q{SELECT file, encode(content, 'hex') FROM twin.standby_events()}) }
sub accept_of { my ($content, $gap) = @_; return "SELECT twin.accept_standby_events('\\x$content'" . ($gap ? ', true' : '') . ')' }
sub carry { return map { sql($primary, accept_of($_->[1])) } files() }
# Events of the standby in a log, once no file waits there.
sub taken
{
	my ($node, $what) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last unless grep { m{/$here\.[^/]*(?<!refused)$} } glob($node->data_dir . '/twin_security_spool/*');
		sleep 0.1;
	}
	return sql($node, "SELECT $what FROM twin.audit_log WHERE details ? 'standby_event'");
}
my $denied = q{count(*) FILTER (WHERE event_type = 'permission_denied')};

# ---- carried ----

refused('first');
my @first = files();
is(scalar @first, 1, 'what happened lies in a file');
cmp_ok(sql($primary, accept_of($first[0][1])), '>=', 5, 'which the primary takes: who came in, and the refusal');
is(taken($primary, "$denied, min(details->>'standby'), count(DISTINCT details->>'standby_event') = count(*), bool_and(event_time < recorded_at)"), '1|reading|t|t',
	'and its log says where, when, and which');
is(sql($primary, q{SELECT session_user_name, resource, severity FROM twin.audit_log WHERE details ? 'standby_event' AND event_type = 'permission_denied'}), 'app|main|medium',
	'who, and what was refused');
is(sql($primary, accept_of($first[0][1])), '0', 'brought again nothing is new');
is(taken($primary, $denied), '1', 'and nothing is written twice');
replay();
is(scalar files(), 0, 'the standby keeps it no longer');
is(join(' ', glob "$folder/*"), '', '... on its disk either');
ok(events_sealed($primary), 'it is sealed');
is(sql($primary, 'SELECT ok, reason FROM twin.verify_audit_log()'), 't|', 'and the log is whole');

# ---- by somebody who means ill ----

refused('second');
my ($second) = files();
refused('third');
my @both = files();
is(scalar @both, 2, 'a file that was given out is finished: the next event begins another');
fails_with($primary, accept_of($both[1][1]), '55000', 'before these have not come', 'one that was left out is missed');
my $changed = $second->[1] =~ s/^(.{400})(.)/$1 . ($2 eq '0' ? '1' : '0')/er;
fails_with($primary, accept_of($_), 'XX001', 'not security events of a standby', 'what was changed, or made up, is refused') foreach $changed, '00', '', 'ff' x 400_000;
fails_with($primary, accept_of($second->[1]), 'XX001', 'another cluster or database', 'what belongs to another database, too', db => 'other');
fails_with($primary, accept_of($second->[1]), '42501', 'permission denied', 'not everybody may bring some', user => 'app');
session_fails($apps[1], 'SELECT * FROM twin.standby_events()', '42501', '... or take them');
fails_with($standby, accept_of($second->[1]), '25006', 'recovery', 'and a standby takes none');
ok(events_written($primary), 'what was tried ...');
is(sql($primary, q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'integrity_failure' AND action = 'spool' AND outcome = 'denied'}), 't', '... is in the log');
my $cut = substr($second->[1], 0, length($second->[1]) - 2 * 36);
is(sql($primary, accept_of($cut)), '1', 'of one that was cut off what is there is taken');
is(taken($primary, $denied), '2', 'into the log');
ok(events_written($primary), '... where it is told');
is(sql($primary, q{SELECT details->>'reason' FROM twin.audit_log WHERE event_type = 'integrity_failure' AND details ? 'file'}) =~ /^its end is missing/, 1, 'that its end is missing');
is(sql($primary, accept_of($both[1][1])), '1', 'then the next one is in turn');
is(taken($primary, $denied), '3', 'and taken');

# ---- interrupted ----

carry();
replay();
files();
my $known = taken($primary, $denied);
refused('one file');
files();
refused('another file');
my @waiting = files();
my ($holder, $other) = map { $primary->background_psql('postgres', on_error_stop => 0) } 1, 2;
# whoever gives files out looks what the log has
lock_log($holder, 'standby_streams', 'ACCESS EXCLUSIVE');
replay();
foreach my $setting ('statement_timeout', 'lock_timeout')
{
	$watcher->query_safe("SET $setting = 50");
	session_fails($watcher, 'SELECT * FROM twin.standby_events()', $setting =~ /lock/ ? '55P03' : '57014', "on the standby $setting ends it");
	$watcher->query_safe("RESET $setting");
}
$holder->query_safe('ROLLBACK');
replay();
is(join(' ', map { $_->[0] } files()), join(' ', map { $_->[0] } @waiting), '... and what was to be given out is, when it is called again');
# whoever takes one in waits for the others who do
cmp_ok($holder->query_safe('BEGIN; ' . accept_of($waiting[0][1])), '>', 0, 'somebody takes the first in, and does not commit');
foreach my $setting ('statement_timeout', 'lock_timeout')
{
	$other->query_safe("SET $setting = 50");
	session_fails($other, accept_of($waiting[1][1]), $setting =~ /lock/ ? '55P03' : '57014', "on the primary $setting ends who waits");
	$other->query_safe("RESET $setting");
}
my $pid = $other->query_safe('SELECT pg_backend_pid()');
begin_query($other, accept_of($waiting[1][1]) . ';');
ok(comes_true($primary, "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted)"), 'a session that is ended meanwhile ...');
sql($primary, "SELECT pg_terminate_backend($pid, 60000)");
eval { $other->quit };
is(taken($primary, $denied) - $known, 1, '... brings nothing: the log has the first alone');
$holder->query_safe('ROLLBACK');
$holder->quit;
is(sql($primary, accept_of($waiting[0][1])), '0', 'what was brought is there, though that transaction was rolled back');
is(sql($primary, accept_of($waiting[1][1])), '1', 'called again it takes the rest');
is(taken($primary, "$denied - $known, count(DISTINCT details->>'standby_event') = count(*)"), '2|t', '... and each event is there once');

# ---- no room ----

replay();
foreach (1 .. 2)
{
	sql($standby, 'SELECT 1', db => 'other');
	files();
}
is(scalar(grep { !m{/$here\.} } glob "$folder/*"), 2, 'a database whose events nobody carries takes no room of others');
refused('fourth');
files();
refused('fifth');
is(scalar files(), 2, 'as many files as there may be');
refused('sixth');
ok($standby->poll_query_until('postgres', q{SELECT ring_fill > 0 FROM twin.stat_audit}), 'then events stay in memory');
ok($standby->wait_for_log(qr/WARNING: .*security events of this standby wait in memory: as many of database $here as/), 'which the log of the server says');
my $many = q{DO $$ BEGIN FOR i IN 1..30 LOOP BEGIN PERFORM v::text FROM secret; EXCEPTION WHEN insufficient_privilege THEN NULL; END; END LOOP; END $$};
$_->query_safe($many) foreach @apps;
my $dropped = $watcher->query_safe('SELECT dropped FROM twin.stat_audit');
cmp_ok($dropped, '>', 0, 'and what finds no room there is dropped and counted');
carry();
taken($primary, 'count(*)');
replay();
files();    # which gives their room back
ok($standby->poll_query_until('postgres', q{SELECT ring_fill = 0 FROM twin.stat_audit}), 'with room again they are written down');
carry();
is(taken($primary, q{sum((details->>'dropped')::int) FILTER (WHERE event_type = 'events_dropped'), } . "$denied > 5"), "$dropped|t", 'and the log has them, and how many were dropped');

# ---- a crash of the standby ----

replay();
files();
my $before = sql($primary, "SELECT $denied FROM twin.audit_log WHERE details ? 'standby_event'");
refused('before the crash');
ok($standby->poll_query_until('postgres', q{SELECT ring_fill = 0 FROM twin.stat_audit}), 'it is on the disk');
is(scalar(grep { /\.open$/ } glob "$folder/*"), 1, '... in a file that was not finished');
$_->quit foreach $watcher, @apps;
$standby->stop('immediate');
start_with($standby, $key);
$watcher = $standby->background_psql('postgres', on_error_stop => 0);
$watcher->query_safe('SET client_min_messages = error');
@apps = ($standby->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]));
is(scalar(grep { $_ > 0 } carry()), 2, 'the next start finds it, and begins another');
is(taken($primary, "$denied - $before"), '1', 'and the log has it');
replay();
is(scalar files(), 0, 'nothing is left');

# ---- on the standby itself ----

refused('changed on its disk');
files();
my ($file) = glob "$folder/$here.*";
my $bytes = file_bytes($file);
substr($bytes, 250, 1) ^= "\1";
open(my $to, '+<:raw', $file) or die $!;
print $to $bytes;
close $to;
is(scalar files(), 0, 'a file that was changed there is not given out');
ok(-f "$file.refused", 'but kept');
is($watcher->query_safe('SELECT count(*) FROM twin.standby_events()'), 1, 'and told in the next');
fails_with($primary, accept_of((files())[0][1]), '55000', 'are missing', 'which is missed on the primary');
cmp_ok(sql($primary, accept_of((files())[0][1], 1)), '>', 0, 'until somebody lets what is lost be lost');
is(taken($primary, q{count(*) FILTER (WHERE event_type = 'integrity_failure' AND action = 'spool')}), '1', 'the standby told of it');
ok(events_written($primary), 'and the primary');
cmp_ok(sql($primary, q{SELECT details->>'missing' FROM twin.audit_log WHERE event_type = 'integrity_failure' AND details ? 'missing'}), '>', 0, '... of what is missing');

# ---- beside the writer ----

replay();
files();
my $early = $primary->background_psql('postgres', on_error_stop => 0);
$early->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
refused('while a transaction is open');
carry();
taken($primary, 'count(*)');
replay();
files();
refused('for that transaction');
cmp_ok($early->query_safe(accept_of((files())[-1][1])), '>', 0, 'what was taken since a transaction began is not missing for it');
$early->query_safe('COMMIT');
$early->quit;
taken($primary, 'count(*)');

# ---- promotion ----

replay();
files();
refused('one file');
files();
refused('another');
$before = sql($primary, "SELECT $denied FROM twin.audit_log");
$primary->stop;
$standby->promote;
cmp_ok(taken($standby, $denied), '>', 0, 'a promoted standby takes what it had written down');
ok(events_written($standby), 'and what was in memory');
is(sql($standby, "SELECT $denied FROM twin.audit_log") - $before, 2, '... all of it');
ok(events_sealed($standby), 'seals it');
is(sql($standby, 'SELECT ok, reason FROM twin.verify_audit_log()'), 't|', 'and its log is whole');
is(sql($standby, q{SELECT count(*) = count(DISTINCT event_id), count(*) FILTER (WHERE details ? 'standby_event') = count(DISTINCT details->>'standby_event') FROM twin.audit_log}), 't|t', 'with each event once');
is(sql($standby, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'twin_security standby spooler'}), '0', 'nothing is written down any more');
$_->quit foreach $watcher, @apps;
$standby->stop;
done_testing();
