# Background workers that fail each time they start: what is broken in one database is tried again less and less often, told in the log as often and no
# oftener, and by the metrics; it holds up no other database, and goes on by itself when it is mended.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Time::Local qw(timegm);
use TwinTest;

my $key = new_key();
my $node = new_node('loops', conf => "fsync = off\nmax_worker_processes = 24\nlog_timezone = 'UTC'\ntwin_security.checkpoint_interval = 1s\ntwin_security.retention_interval = 0\n");
start_with($node, $key);
my @databases = qw(writes seals watches retains away fine);
foreach my $db (@databases)
{
	sql($node, "CREATE DATABASE $db");
	# (this test is about what somebody does to the log's tables all the same)
	sql($node, q{CREATE EXTENSION twin_security; ALTER EVENT TRIGGER twin_security_guard_log DISABLE}, db => $db);
}
# sessions that are there already
my %in = map { $_ => $node->background_psql($_, on_error_stop => 0) } @databases;
my $wait = $PostgreSQL::Test::Utils::timeout_default;
sub comes
{
	my ($db, $condition) = @_;
	my $answer = $in{$db}->query(qq{DO \$wait\$ DECLARE began timestamptz := clock_timestamp(); BEGIN LOOP PERFORM pg_stat_clear_snapshot();
		IF ($condition) OR clock_timestamp() > began + interval '$wait seconds' THEN RETURN; END IF; PERFORM pg_sleep(0.05); END LOOP; END \$wait\$; SELECT ($condition) AS it});
	diag("$db: $condition") unless $answer =~ /^t$/m;
	return $answer =~ /^t$/m;
}
my $settled = q{SELECT ring_fill = 0 AND emitted = written + dropped AND seal_lag = '0' FROM twin.stat_audit};
foreach my $db (@databases)
{
	ok(comes($db, $settled), "$db: at rest");
}

# The times of lines of the log, in seconds.
sub times_of
{
	my ($of, $pattern) = @_;
	return map { /^(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)(\.\d+) .*$pattern/ ? timegm($6, $5, $4, $3, $2 - 1, $1) + $7 : () } split /\n/, file_bytes($of->logfile);
}
# Passes when tries lie apart: the pause is the one given at first, and twice the one before up to the last.  (What is known is when they failed.)
sub lie_apart
{
	my ($first, $last, $name, @times) = @_;
	my ($pause, $sum, @tries) = ($first, 0, shift @times);
	foreach my $time (@times)
	{
		next if $time - $tries[-1] < 0.1;    # what one try has to say
		push @tries, $time;
		next if @tries < 3;                   # the first was at work already
		$sum += $pause;
		$pause = $pause * 2 > $last ? $last : $pause * 2;
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(@tries > 2 && $tries[-1] - $tries[1] > 0.75 * $sum, sprintf '%s (%d in %.1f s)', $name, scalar @tries, $tries[-1] - $tries[1]);
}

# ---- broken ----

my ($locale) = $in{away}->query_safe(q{SELECT datctype FROM pg_database WHERE datname = current_database()}) =~ /(\S+)/;
sql($node, q{UPDATE pg_database SET datctype = 'nowhere' WHERE datname = 'away'});
sql($node, q{ALTER TABLE twin_internal.events_overflow RENAME TO elsewhere}, db => 'writes');
sql($node, q{ALTER TABLE twin_internal.ledger_state RENAME COLUMN size TO no_size}, db => 'seals');
sql($node, q{ALTER TABLE twin_internal.monitor_position RENAME COLUMN next_leaf TO no_leaf}, db => 'watches');
sql($node, q{CREATE TABLE begin_retention AS SELECT pg_get_functiondef('twin_internal.begin_retention(text)'::regprocedure) AS was;
	CREATE OR REPLACE FUNCTION twin_internal.begin_retention(asked_by text) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE 'nothing is retained here'; END$$}, db => 'retains');
$node->append_conf('postgresql.conf', "twin_security.retention_interval = 2s\n");
$node->reload;
my $record = q{SELECT count(twin.record_event('while_broken')) FROM generate_series(1, 20)};
# a writer that is there already would stay for as long as there is something to do each second
sql($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'twin_security event writer' AND datname = 'away'});
$in{$_}->query_safe($record) foreach @databases;
ok(comes($_, q{SELECT failures >= 4 FROM twin.stat_workers WHERE worker = 'event writer'}), "$_: failures are counted") foreach qw(writes away seals watches);
foreach my $turn (1 .. 3)
{
	my $began = time;
	$in{fine}->query_safe($record);
	ok(comes('fine', "SELECT count(*) = 20 * (1 + $turn) FROM twin.audit_log WHERE event_type = 'while_broken' AND leaf_index IS NOT NULL"), "beside them another database's events are written and sealed");
	is_soon($began, '... as ever');
}
ok(comes($_, q{SELECT NOT is_up FROM twin.stat_workers WHERE worker = 'event writer'}), "$_: a writer that does not come is told of") foreach qw(writes);
my $metrics = $in{writes}->query_safe('SELECT twin.metrics()');
like($metrics, qr/^twin_security_worker_failures\{worker="event_writer"\} [4-9]/m, '... by metrics, too');
like($metrics, qr/^twin_security_worker_up\{worker="event_writer"\} 0/m, '... as one that is not at work');
is($in{$_}->query_safe(q{SELECT dropped FROM twin_internal.stat_audit()}), '0', "$_: nothing is dropped") foreach qw(writes seals watches away);
ok(comes($_, q{SELECT emitted = written FROM twin_internal.stat_audit()}), "$_: events are written nevertheless") foreach qw(seals watches retains);

# ---- told, and not all the time ----

my %errors = (writes => qr/ERROR: .*events_overflow/, away => qr/FATAL:  database locale is incompatible/, seals => qr/ERROR: .*\bs\.size\b/, watches => qr/ERROR: .*next_leaf/);
lie_apart(0.5, $_ eq 'seals' || $_ eq 'watches' ? 8 : 60, "$_: tried again after pauses that double", times_of($node, $errors{$_})) foreach sort keys %errors;
lie_apart(2, 2, 'retains: tried again when it is due', times_of($node, qr/ERROR: .*nothing is retained here/));
foreach my $db (qw(writes away))
{
	my $log = file_bytes($node->logfile);
	my $told = () = $log =~ /LOG:  security events of database "$db" are not being written: \d+ writers in a row have failed/g;
	my @tries = times_of($node, $errors{$db});
	cmp_ok($told, '>=', 1, "$db: the log says what it means");
	cmp_ok($told, '<=', @tries - 2, '... not more often than it is tried');
	like($log, qr/database "$db" are not being written.*\n.*DETAIL:  They wait in shared memory\. Another writer is started now, and the next in \d+ seconds\.\n.*HINT:  .*twin\.stat_workers/, '... with what to look at');
}
my $told = () = file_bytes($node->logfile) =~ /a task of the writer of security events has failed 3 times in a row/g;
cmp_ok($told, '>=', 2, 'of tasks that fail it is told');
cmp_ok($told, '<', (() = file_bytes($node->logfile) =~ /ERROR: .*(?:\bsize\b|next_leaf)/g) / 2, '... once');
unlike(file_bytes($node->logfile), qr/database "(?:fine|seals|watches|retains|postgres)" are not being written/, 'nothing is said of others');

# ---- mended ----

sql($node, "UPDATE pg_database SET datctype = '$locale' WHERE datname = 'away'");
$in{writes}->query_safe(q{ALTER TABLE twin_internal.elsewhere RENAME TO events_overflow});
$in{seals}->query_safe(q{ALTER TABLE twin_internal.ledger_state RENAME COLUMN no_size TO size});
$in{watches}->query_safe(q{ALTER TABLE twin_internal.monitor_position RENAME COLUMN no_leaf TO next_leaf});
is($in{retains}->query_safe(q{SELECT count(*) FROM twin.retention_runs}), '0', 'no run has begun');
$in{retains}->query_safe(q{DO $$ BEGIN EXECUTE (SELECT was FROM begin_retention); END $$});
ok(comes('retains', q{SELECT count(*) > 0 FROM twin.retention_runs WHERE finished_at IS NOT NULL}), 'retains: mended, it runs when it is due next');
foreach my $db (@databases)
{
	ok(comes($db, $settled), "$db: mended, it goes on by itself");
	is($in{$db}->query_safe(q{SELECT count(*), count(DISTINCT event_id) FROM twin.audit_log WHERE event_type = 'while_broken'}), $db eq 'fine' ? '80|80' : '20|20', '... with every event, once');
	is($in{$db}->query_safe(q{SELECT ok, reason FROM twin.verify_audit_log()}), 't|', '... and the log is whole');
	ok(comes($db, q{SELECT bool_and(is_up AND failures = 0) AND (SELECT waiting = 0 FROM twin.stat_rules) FROM twin.stat_workers}), '... and nothing to complain of');
}
$_->quit foreach values %in;

# ---- a key whose rotation fails ----

sub rotate_fails { my ($how) = @_; return sql($node, qq{CREATE OR REPLACE FUNCTION $how}, db => 'fine') }
sql($node, q{CREATE TABLE rotation AS SELECT pg_get_functiondef('twin_internal.rotate_exhausted_key(name, integer)'::regprocedure) AS was;
	SELECT twin.create_key('busy'); CREATE TABLE filled (v twin.encrypted_text(busy))}, db => 'fine');
rotate_fails(q{twin_internal.rotate_exhausted_key(named name, exhausted integer) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'no rotation'; END$$});
my $fill = q{SET twin_security.key_message_limit = 1000; INSERT INTO filled SELECT i::text FROM generate_series(1, 400) i};
sql($node, $fill, db => 'fine') foreach 1 .. 12;
ok($node->poll_query_until('fine', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'twin_security key rotation')}), 'sessions that seal more than a key should');
my @tries = times_of($node, qr/ERROR: .*no rotation/);
cmp_ok(scalar @tries, '>=', 1, '... ask for its rotation, which fails');
ok(!(grep { $tries[$_] - $tries[ $_ - 1 ] < 9.5 } 1 .. $#tries), '... and not each of them anew (' . @tries . ' times)');
sql($node, q{DO $$ BEGIN EXECUTE (SELECT was FROM rotation); END $$}, db => 'fine');
my $rotated = q{SELECT count(*) > 0 FROM twin.keys WHERE key_name = 'busy' AND version = 2 AND state = 'primary'};
my $end = time + $wait;
while (sql($node, $rotated, db => 'fine') ne 't' && time < $end)
{
	sql($node, $fill, db => 'fine');
	sleep 0.3;
}
is(sql($node, $rotated, db => 'fine'), 't', 'mended, they ask again, and it rotates');
$node->stop;

# ---- no worker is free, and the one in reserve fails ----

my $full = new_node('full', conf => "fsync = off\nmax_worker_processes = 3\nmax_logical_replication_workers = 0\nlog_timezone = 'UTC'\n");
start_with($full, $key);
sql($full, 'CREATE EXTENSION twin_security');
sql($full, 'CREATE DATABASE writes');
sql($full, 'CREATE EXTENSION twin_security; ALTER EVENT TRIGGER twin_security_guard_log DISABLE', db => 'writes');
ok(events_sealed($full, db => $_), "$_: at rest, with the writer in reserve") foreach qw(postgres writes);
like(file_bytes($full->logfile), qr/LOG:  too many background workers/, '... for all places are taken when the server starts');
my $session = $full->background_psql('writes');
$session->query_safe(q{ALTER TABLE twin_internal.events_overflow RENAME TO elsewhere; SELECT twin.record_event('while_broken')});
my $other = $full->background_psql('postgres');
ok($session->query_safe(qq{DO \$\$ BEGIN FOR i IN 1..20 * $wait LOOP EXIT WHEN (SELECT failures >= 5 FROM twin.stat_workers WHERE worker = 'event writer'); PERFORM pg_sleep(0.05); END LOOP; END \$\$;
	SELECT failures >= 5 FROM twin.stat_workers WHERE worker = 'event writer'}) eq 't', 'failures of the writer in reserve are counted');
lie_apart(0.5, 60, '... it is called again after pauses that double', times_of($full, $errors{writes}));
sql($full, q{SELECT twin.record_event('beside')});
ok(events_sealed($full), '... and serves the other database meanwhile');
$session->query_safe('ALTER TABLE twin_internal.elsewhere RENAME TO events_overflow');
ok($full->poll_query_until('writes', q{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'while_broken'}), '... and this one, when it is mended');
$_->quit foreach $session, $other;
$full->stop;

done_testing();
