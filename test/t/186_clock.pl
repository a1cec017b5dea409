# The clock is set while the server runs: by a day, a month and ten years, forward and back, for a moment between two sealings, and while the server is down.  Nothing
# audited is lost, the log stays what it was and is told of each, retention drops nothing because of it, and nobody waits for a time that was meant by another clock.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;

my ($hour, $day, $year) = (3600, 86400, 365 * 86400);
my $node = new_node('clock', conf => "twin_security.login_lockout = 600\ntwin_security.checkpoint_interval = 1\ntwin_security.retention_interval = 2s\nmax_worker_processes = 16\n");
my @keys = (new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others', clock_of($node));
start_with($node, @keys);

# ---- before there is a log ----

# the launcher of the server looks at the clock for all databases; of its last two rounds the second began after this
sql($node, 'CREATE DATABASE other');
sql($node, 'CREATE EXTENSION twin_security', db => 'other');
foreach my $at (-$hour, 0)
{
	set_clock($node, $at);
	foreach (1 .. 2)
	{
		my $now = (split /\n/, sql($node, q{SELECT twin.record_event('wakes'); SELECT clock_timestamp()}, db => 'other'))[-1];
		comes_true($node, "SELECT last_round > '$now' FROM twin.stat_workers WHERE worker = 'event launcher'", db => 'other') or die 'no launcher';
	}
}
my $password = canary() . ' Xy';
sql($node, qq{CREATE EXTENSION twin_security;
	CREATE TABLE readings (number bigint PRIMARY KEY, secret twin.encrypted_text(main));
	SELECT twin.audit_table('readings');
	CREATE TABLE measured (at timestamptz);
	INSERT INTO measured VALUES (clock_timestamp());
	SELECT twin.add_retention_policy('measured', '30 days', 'measured', 'at', archive => false);
	CREATE ROLE web LOGIN IN ROLE twin_anonymous;
	SELECT twin.create_user(u, '$password') FROM unnest('{anna,bert}'::text[]) u;
	UPDATE twin.alert_rules SET cooldown = '1 hour' WHERE rule_name = 'clock_moved'});

my $rows = 0;
sub audited { $rows++; return sql($node, "INSERT INTO readings VALUES ($rows, 'reading $rows')") }
sub verified
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(comes_true($node, q{SELECT seal_lag = '0' FROM twin.stat_audit}), "$name: all is sealed");
	is(sql($node, 'SELECT ok, reason FROM twin.verify_audit_log()'), 't|', "$name: the log is verified");
	return is(sql($node, q{SELECT (SELECT count(*) FROM readings), (SELECT coalesce(sum(coalesce(row_count, 1)), 0) FROM twin_internal.events_audit WHERE event_type = 'create' AND resource = 'public.readings')
		+ (SELECT coalesce(sum(coalesce(row_count, 1)), 0) FROM ONLY twin_internal.events_overflow WHERE event_type = 'create' AND resource = 'public.readings')}), "$rows|$rows", "$name: each row has its event");
}
sub told
{
	my ($seconds, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $most = $seconds + 60;
	return ok($node->poll_query_until('postgres', qq{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'clock_moved' AND severity = 'high'
		AND (details ->> 'seconds')::bigint BETWEEN $seconds - 60 AND $most}), "$name: told by how much");
}

audited();
verified('before');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'heartbeat' AND details ? 'clock_low'}), '0', 'a log that begins has nothing to excuse: an earlier clock is of no row of it');

# ---- forward and back: what was sealed by a later clock ----

my $at = 0;
foreach my $jump ([ $day, 'a day forward' ], [ -$day, 'and back' ], [ 2 * $day, 'beyond what was sealed before' ], [ -2 * $day - $hour, 'an hour behind' ], [ $hour, 'as it was' ],
	[ 32 * $day, 'over the end of a month' ], [ -32 * $day, 'and back over it' ], [ 10 * $year, 'ten years' ], [ -10 * $year, 'and back' ])
{
	my ($by, $name) = @$jump;
	$at += $by;
	set_clock($node, $at);
	audited();
	told($by, $name);
	verified($name);
	is(sql($node, q{SELECT count(*), (SELECT count(*) > 0 FROM twin.retention_runs WHERE finished_at > clock_timestamp()) FROM measured}), '1|f', "$name: retention drops nothing")
	  if $by == 10 * $year || $by == 32 * $day;
}
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM ONLY twin_internal.events_overflow}), 'events of months without partitions have found theirs');

# rules count anew: those of the future, and what was told then, do not count
set_clock($node, 10 * $year);
my $refused = q{SELECT count(twin.record_event('permission_denied', username => 'zed')) FROM generate_series(1, 12)};
my $alerts = q{SELECT count(*) FROM twin.alerts WHERE rule_name = 'permission_denied_threshold' AND subject = 'zed'};
sql($node, $refused);
ok($node->poll_query_until('postgres', "SELECT ($alerts) = 1"), 'an alert under a clock that is ahead');
set_clock($node, 0);
sql($node, $refused);
ok($node->poll_query_until('postgres', "SELECT ($alerts) = 2"), '... keeps nobody from being told when it is set right');

# ---- a moment between two sealings: nobody of the sealer's saw it ----

my $clock_low = q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'heartbeat' AND details ? 'clock_low'};
my $before = sql($node, $clock_low);
my $holder = $node->background_psql('postgres');
lock_log($holder, 'sealed', 'SHARE');
set_clock($node, -$hour);
audited();
set_clock($node, 0);
audited();
$holder->query_safe('COMMIT');
verified('a clock that was wrong for a moment');
ok($node->poll_query_until('postgres', "SELECT ($clock_low) > $before"), '... of which the next heartbeat says how far');
$holder->quit;

# ---- a server that starts under a wrong clock, which is set right before anything is sealed ----

$before = sql($node, $clock_low);
$node->stop;
set_clock($node, -20 * $year);
start_with($node, @keys);
audited();
told(-20 * $year, 'a clock without a battery');
verified('a clock without a battery');
set_clock($node, 0);
audited();
verified('set right');
cmp_ok(sql($node, $clock_low), '>', $before, '... the log says how far it was behind');
is(sql($node, q{SELECT count(*) > 0 FROM twin.alerts WHERE rule_name = 'clock_moved' AND raised_at BETWEEN clock_timestamp() - interval '1 hour' AND clock_timestamp()}), 't', 'an alert tells of it');

# ---- retention ----

my $age = q{SELECT clock_timestamp() - at FROM measured};
my $runs = q{SELECT count(*) FROM twin.retention_runs WHERE asked_by IS NULL AND started_at <= clock_timestamp()};
$before = sql($node, $runs);
ok($node->poll_query_until('postgres', "SELECT ($runs) > $before"), 'retention goes on');
set_clock($node, 40 * $day);
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'retention_doubted' AND event_time > clock_timestamp() - interval '1 minute'}), 'with forty days gone at once it doubts the clock');
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM twin.alerts WHERE rule_name = 'retention_overdue' AND raised_at > clock_timestamp() - interval '1 hour' AND raised_at <= clock_timestamp()}), '... which is an alert');
is(sql($node, 'SELECT count(*) FROM measured'), '1', '... and drops nothing');
set_clock($node, 0);
ok($node->poll_query_until('postgres', "SELECT ($runs) > $before"), 'set back, it goes on');
is(sql($node, 'SELECT count(*) FROM measured'), '1', '... with nothing to drop');
set_clock($node, 40 * $day);
my $said = '';
# (not while a run by itself is on)
for (my $end = time + $PostgreSQL::Test::Utils::timeout_default; time < $end; sleep 0.1)
{
	$said = (run_sql_said('CALL twin.apply_retention()'))[1];
	last if $said !~ /are being applied/;
}
like($said, qr/measured/, 'an administrator is believed');
is(sql($node, 'SELECT count(*) FROM measured'), '0', '... and what is over its time goes');
set_clock($node, 0);

sub run_sql_said { my ($sql) = @_; my ($out, $err) = ('', ''); $node->psql('postgres', $sql, stdout => \$out, stderr => \$err); return ($out, $err) }

# ---- people: tokens, sessions, locks, blocks, limits ----

sub login { my ($name, $given) = @_; return decode_json(sql($node, "SELECT twin_api.login('$name', '$given')", user => 'web')) }
sub refresh { my ($pair) = @_; return decode_json(sql($node, "SELECT twin_api.refresh('$pair->{refresh_token}')", user => 'web')) }
sub me { my ($pair) = @_; return answer_of($node, "BEGIN; SELECT twin.authenticate('$pair->{access_token}'); SELECT twin.current_username(); COMMIT") =~ s/^\s+|\s+$//gr }

my $now = login('anna', $password);
is(me($now), 'anna', 'who has a token is known');
set_clock($node, 10 * $year);
like(me($now), qr/^TW/, 'ten years later it has expired');
my $later = login('anna', $password);
is(me($later), 'anna', '... and a new one is good');
login('bert', 'wrong') foreach 1 .. 6;
is(login('bert', $password)->{error}, 'invalid_credentials', 'an account is locked');
sql($node, q{SELECT twin.block_address('203.0.113.7', '1 hour')});
is(sql($node, q{SELECT string_agg(allowed::text, ' ') FROM generate_series(1, 3), LATERAL twin.check_rate_limit('/login', 'somebody')}), 'true true true', 'a limit');
set_clock($node, 0);
like(me($later), qr/^TW/, 'back in the past, a token of the future is none');
is(me($now), 'anna', '... and the one of the present is');
isnt(refresh($later)->{error}, undef, '... nor is the session of the future');
is(me(login('anna', $password)), 'anna', '... who logs in again is known');
is(sql($node, q{SELECT locked_until BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 hour' FROM twin.users WHERE username = 'bert'}), 't', 'a lock lasts as long as it was meant to');
sql($node, q{SELECT twin.unlock_user('bert')});
is(sql($node, q{SELECT bool_and(allowed) FROM twin.check_rate_limit('/login', 'somebody')}), 't', 'a limit goes by what has gone by');
is(sql($node, q{SELECT count(*) FROM twin.blocked_addresses}), '1', 'a block ends by the clock');
sql($node, q{SELECT twin.unblock_address('203.0.113.7')});
is(sql($node, q{SELECT count(*) FROM twin.blocked_addresses}), '0', '... or when somebody ends it');

# who left, or was sent away, under a clock that was ahead: nobody can tell tokens of before from those of after
set_clock($node, $year);
my $ahead = login('bert', $password);
sql($node, qq{BEGIN; SELECT twin.authenticate('$ahead->{access_token}'); SELECT twin_api.logout_all(); COMMIT});
sql($node, qq{SELECT twin.set_password('anna', '$password!')});
set_clock($node, 0);
fails_with($node, "SELECT twin_api.login('bert', '$password')", '55000', 'a token issued now would be refused', 'who left under a clock that was ahead is told so', user => 'web');
fails_with($node, "SELECT twin_api.login('anna', '$password!')", '55000', 'set back', '... and who has a new password', user => 'web');
sql($node, file_bytes("$ENV{TWIN_SOURCE}/docs/failure.md") =~ /```sql\n(-- whose sessions.*?)```/s ? $1 : die 'the documents have no remedy');
is(me(login($_->[0], $_->[1])), $_->[0], "$_->[0] logs in when an administrator is sure") foreach [ 'bert', $password ], [ 'anna', "$password!" ];
like(me($ahead), qr/^TW/, '... and what was given out before is not good');

# ---- processes ----

is(sql($node, q{SELECT bool_and(is_up) FROM twin_internal.stat_workers()}), 't', 'all processes are at work');
audited();
verified('at the end');

# ---- who writes a row of an older time while the clock is set is not covered by that ----

set_clock($node, -$hour);
my $forged = edit_log($node, q{INSERT INTO twin_internal.events_overflow SELECT (jsonb_populate_record(e, jsonb_build_object('event_id', nextval('twin_internal.event_id_seq'), 'event_type', 'forged',
	'xid', pg_current_xact_id()::text, 'writer_xid', pg_current_xact_id()::text, 'recorded_at', clock_timestamp() - interval '3 hours'))).*
	FROM twin_internal.events_audit e WHERE e.event_type = 'create' ORDER BY e.event_id DESC LIMIT 1 RETURNING event_id}) =~ s/\s//gr;
audited();
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM twin_internal.sealed WHERE record_id = $forged"), 'a row of three hours before, while the clock is one behind');
set_clock($node, 0);
audited();
comes_true($node, q{SELECT seal_lag = '0' FROM twin.stat_audit});
is(sql($node, 'SELECT ok, first_bad, reason FROM twin.verify_audit_log()'), "f|$forged|the event says that it was recorded before its transaction began", '... is told from those of the clock');
$node->stop;
done_testing();
