# Reads and decryptions of processes that go on, wait, die or come in crowds: when they stand in the log, and what is lost.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $key = new_key();
my $node = new_node('crowds', allows_streaming => 'logical', conf => "twin_security.event_ring_size = 64kB\nrestart_after_crash = on\n");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE TABLE units (id integer PRIMARY KEY, name text, secret twin.encrypted_text(main));
	INSERT INTO units SELECT i, 'unit ' || i, 'secret ' || i FROM generate_series(1, 1000) i;
	CREATE TABLE others AS SELECT id FROM units;
	VACUUM ANALYZE units;
	SELECT twin.grant_key('main', current_user::regrole, 'decrypt');
	SELECT twin.audit_table('units', reads => true), twin.audit_table('others', reads => true);
	CREATE FUNCTION slow(id integer) RETURNS integer LANGUAGE plpgsql STABLE COST 1000 AS 'BEGIN PERFORM pg_sleep(0.02); RETURN id; END';
});

sub settle
{
	return events_written($node);
}

# What the log says of a session, by its application's name.
sub log_of
{
	my ($name, $what, $where) = @_;
	return sql($node, "SELECT $what FROM twin.audit_log e WHERE application_name = '$name' AND event_type IN ('read', 'decrypt') AND " . ($where // 'true'));
}
my $rows = q{coalesce(sum((details->>'rows')::bigint), 0)};
my $values = q{coalesce(sum((details->>'values')::bigint), 0)};
my $statements = q{coalesce(sum((details->>'statements')::bigint), 0)};

# Whether the log says something soon: within two seconds, and as long as a crowded machine takes.  Without being told to, it never would.
sub says_soon
{
	my ($session, $what, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $began = time;
	sleep 0.05 while log_of($session, $what) ne $expected && time - $began < $PostgreSQL::Test::Utils::timeout_default / 6;
	return is(log_of($session, $what), $expected, $name);
}

sub session_of
{
	my ($name) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_safe("SET application_name = '$name'");
	return $session;
}

# Waits until a session has been reading for a while.
sub reads
{
	my ($name) = @_;
	comes_true($node, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '$name' AND wait_event = 'PgSleep')");
	return sleep 0.5;
}

# ---- within two seconds ----

my $session = session_of('cursor');
$session->query_safe('BEGIN; DECLARE c CURSOR FOR SELECT secret::text FROM units');
$session->query_safe('FETCH 7 FROM c');
says_soon('cursor', "$rows || ' ' || $values", '7 7', 'what was fetched of an open cursor, while its session does nothing');
is(log_of('cursor', q{string_agg(coalesce(details->>'running', '-') || ' ' || (details->>'statements'), ',')}, q{event_type = 'read'}), 'true 0', 'the reading goes on');
sleep 2;
is(log_of('cursor', 'count(*)', q{event_type = 'read'}), '1', 'nothing new is no event');
$session->query_safe('FETCH 3 FROM c');
says_soon('cursor', "$rows || ' ' || $values", '10 10', 'and what was fetched next');
$session->query_safe('FETCH 2 FROM c');
$session->query_safe('COMMIT');
says_soon('cursor', "$rows || ' ' || $values || ' ' || $statements", '12 12 ' . (1 + log_of('cursor', 'count(*)', q{event_type = 'decrypt'})), 'the rest when it ends');
$session->quit;

$session = session_of('long');
$session->query_until(qr/began/, "\\echo began\nSELECT sum(slow(id)) FROM units WHERE id <= 300;\n");
says_soon('long', "$rows > 30 AND $rows < 300 AND $statements = 0", 't', 'a statement that runs: what it has read so far, before it ends');
$session->quit;
says_soon('long', "$rows || ' ' || $statements", '300 1', 'all of it when it has');

$session = session_of('copy');
$session->query_until(qr/began/, "\\echo began\nCOPY (SELECT slow(id) FROM units WHERE id <= 200) TO STDOUT;\n");
says_soon('copy', "$rows > 20 AND $rows < 200", 't', 'a COPY that runs');
$session->quit;

# ---- sessions that are ended ----

$session = session_of('terminated');
$session->query_until(qr/began/, "\\echo began\nSELECT count(slow(id)), count(secret::text) FROM units;\n");
reads('terminated');
is(sql($node, q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'terminated'}), '1', 'a session that is terminated');
says_soon('terminated', "count(*) > 1 AND $rows > 5 AND abs($rows - $values) < 2 AND bool_or(outcome = 'failure')", 't', 'what it had read and opened');
eval { $session->quit };

$session = session_of('cancelled');
$session->query_until(qr/began/, "\\echo began\nSELECT count(slow(id)) FROM units;\n");
reads('cancelled');
is(sql($node, q{SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE application_name = 'cancelled' AND state = 'active'}), '1', 'a statement that is cancelled');
says_soon('cancelled', "$rows > 5 AND bool_and(outcome = 'failure') AND $statements = 1", 't', 'what it had read');
$session->quit;

$session = session_of('left open');
$session->query_safe('BEGIN; DECLARE c CURSOR FOR SELECT secret::text FROM units; FETCH 4 FROM c');
sql($node, q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'left open'});
says_soon('left open', "$rows || ' ' || $values || ' ' || bool_and(outcome = 'success')", '4 4 true', 'a session with a cursor that is terminated while it waits');
eval { $session->quit };

# ---- procedures ----

sql($node, q{CREATE PROCEDURE steps() LANGUAGE plpgsql AS 'BEGIN FOR i IN 1..3 LOOP PERFORM secret::text FROM units WHERE id <= i; IF i = 2 THEN ROLLBACK; ELSE COMMIT; END IF; END LOOP; END'});
$session = session_of('steps');
$session->query_safe('CALL steps()');
$session->quit;
settle();
is(log_of('steps', "$rows || ' ' || $values || ' ' || bool_and(outcome = 'success') || ' ' || string_agg(DISTINCT action, ',')"), '6 6 true CALL', 'transactions within a procedure');

# ---- programs ----

{
	local $ENV{PGAPPNAME} = 'pg_dump';
	$node->command_ok([ 'pg_dump', '-f', '/dev/null', '-t', 'units', '-t', 'others', $node->connstr('postgres') ], 'a dump');
}
settle();
is(log_of('pg_dump', "string_agg(resource || ' ' || action || ' ' || (details->>'rows'), ', ' ORDER BY resource)"), 'public.others COPY 1000, public.units COPY 1000', 'is two readings');
sql($node, q{CREATE PUBLICATION all_of_it FOR TABLE units; SELECT pg_create_logical_replication_slot('s', 'pgoutput'); UPDATE units SET name = name WHERE id = 1});
is(sql($node, q{SET application_name = 'decoding'; SELECT count(*) > 0 FROM pg_logical_slot_get_binary_changes('s', NULL, NULL, 'proto_version', '1', 'publication_names', 'all_of_it')}), 't', 'changes that are decoded');
settle();
is(log_of('decoding', 'count(*)'), '0', 'are no reading');
sql($node, q{SELECT pg_drop_replication_slot('s')});

# ---- crowds ----

# Several sessions read and open, each in the same few statements, while nobody writes events.
sub crowd
{
	my ($name, $clients, $times) = @_;
	my $script = $node->basedir . "/$name.sql";
	append_to_file($script, "SELECT name FROM units WHERE id = 5;\nSELECT secret::text FROM units WHERE id IN (6, 7);\nSELECT id FROM others LIMIT 3;\n");
	local $ENV{PGAPPNAME} = $name;
	$node->command_ok([ 'pgbench', '-n', '-M', 'prepared', '-c', $clients, '-t', $times, '-f', $script, 'postgres' ], "$clients sessions, $times times");
	return;
}
my $locker = $node->background_psql('postgres');
my $dropped = sql($node, 'SELECT dropped FROM twin.stat_audit');
lock_log($locker, 'events_overflow', 'SHARE');
crowd('held up', 4, 250);
$locker->query_safe('COMMIT');
ok(settle(), 'events are written again');
is(sql($node, 'SELECT dropped FROM twin.stat_audit'), $dropped, 'none was dropped, though the ring holds 64');
is(log_of('held up', "$rows || ' ' || $values || ' ' || $statements"), join(' ', 4 * 250 * 6, 4 * 250 * 2, 4 * 250 * 4), 'every row and value of every statement was counted');
cmp_ok(log_of('held up', 'count(*)'), '<', 200, 'in few events');
is(log_of('held up', "string_agg(DISTINCT resource || ' ' || event_type, ', ')"), 'main decrypt, public.others read, public.units read', 'which say of what');

crowd('in a hurry', 4, 500);
ok(settle(), 'a crowd, with the writer at work');
is(sql($node, 'SELECT dropped FROM twin.stat_audit'), $dropped, 'none was dropped');
is(log_of('in a hurry', "$rows || ' ' || $values || ' ' || $statements"), join(' ', 4 * 500 * 6, 4 * 500 * 2, 4 * 500 * 4), 'all was counted');

# a session that waits behind a full ring has its events told within two seconds of there being room
lock_log($locker, 'events_overflow', 'SHARE');
sql($node, q{DO $$ BEGIN LOOP PERFORM twin.record_event('filler'); END LOOP; EXCEPTION WHEN insufficient_resources THEN END $$});    # all that applications get
cmp_ok(sql($node, 'SELECT ring_fill FROM twin.stat_audit'), '>=', 0.5, 'half of the ring is taken');
sql($node, q{CREATE ROLE nobody LOGIN; GRANT SELECT ON units TO nobody});
run_pipe(q{for i in 1 2 3 4 5 6 7 8 9 10; do psql -qX -U nobody -d '} . $node->connstr('postgres') . q{' -c 'SELECT secret::text FROM units' >/dev/null 2>&1 || true; done});
$session = session_of('patient');
$session->query_safe('SELECT 1 FROM units') for 1 .. 10;
sleep 2;
$locker->query_safe('COMMIT');
says_soon('patient', "$rows || ' ' || $statements", '10000 10', 'an idle session\'s events wait for room in the ring');
is(log_of('patient', 'count(*)') <= 2, 1, 'joined');
$session->quit;
settle();

# ---- off ----

sql($node, 'ALTER SYSTEM SET twin_security.audit_enabled = off');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('twin_security.audit_enabled') = 'off'});
sql($node, q{SET application_name = 'off'; SELECT count(secret::text) FROM units; COPY others TO STDOUT});
sql($node, 'ALTER SYSTEM RESET twin_security.audit_enabled');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('twin_security.audit_enabled') = 'on'});
sql($node, q{SET application_name = 'on'; SELECT count(secret::text) FROM units});
settle();
is(log_of('off', 'count(*)'), '0', 'switched off, nothing is counted');
is(log_of('on', "$rows || ' ' || $values"), '1000 1000', 'switched on again, nothing of before');

# ---- a crash ----

$session = session_of('killed');
$session->query_safe('SELECT count(*) FROM others');
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_until(qr/began/, "\\echo began\nSELECT count(slow(id)) FROM units;\n");
says_soon('killed', "coalesce(sum((details->>'rows')::bigint) FILTER (WHERE resource = 'public.units'), 0) > 60", 't', 'a statement that runs');
my $so_far = log_of('killed', $rows, q{resource = 'public.units'});
kill_backend($node, $pid);
eval { $session->quit };
is(log_of('killed', $rows, q{resource = 'public.others'}), '1000', 'a process is killed: what was told before is there');
cmp_ok($so_far, '>', 60, 'so is what its last statement had read, but for the last two seconds');
cmp_ok(log_of('killed', $rows, q{resource = 'public.units'}), '>=', $so_far, '...');
sql($node, q{SET application_name = 'afterwards'; SELECT count(secret::text) FROM units});
settle();
is(log_of('afterwards', "$rows || ' ' || $values"), '1000 1000', 'and the server counts again');

# ---- without preloading ----

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
restart_with($node, $key);
is(sql($node, 'SELECT count(secret::text) FROM units'), '1000', 'without preloading a table is read as ever');
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'twin_security'");
restart_with($node, $key);

# ---- a standby ----

$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
start_with($standby, $key);
is(sql($standby, 'SELECT count(secret::text) FROM units'), '1000', 'on a standby, too');
$standby->stop;

done_testing();
