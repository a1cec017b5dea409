# Denials that nobody can swallow: every kind by every way, each recorded once; ten thousand in a loop; and what is no denial.
use strict;
use warnings;
use IO::Socket::UNIX;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('refusals', conf => "wal_level = logical\nmax_worker_processes = 16\n", allows_streaming => 1);
start_with($node, new_key());
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE app LOGIN;
	CREATE ROLE other LOGIN;
	CREATE TABLE secret (a int, b int);
	INSERT INTO secret VALUES (1, 2);
	CREATE TABLE columns (a int, b int);
	GRANT SELECT (a) ON columns TO app;
	CREATE SCHEMA hidden;
	CREATE TABLE hidden.t (a int);
	CREATE TABLE fenced (owner text, canary text);
	ALTER TABLE fenced ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON fenced USING (owner = current_user) WITH CHECK (owner = current_user);
	GRANT ALL ON fenced TO app;
	CREATE FUNCTION denied() RETURNS int LANGUAGE sql AS 'SELECT 1';
	REVOKE ALL ON FUNCTION denied() FROM PUBLIC;
	CREATE SEQUENCE numbers;
	CREATE FUNCTION lends() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN SET LOCAL ROLE other; RETURN 1; END $$;
	CREATE FUNCTION as_other() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM secret';
	ALTER FUNCTION as_other() OWNER TO other;
	GRANT CREATE ON SCHEMA public TO app;
	CREATE TABLE policied (a int);
	INSERT INTO policied SELECT generate_series(1, 100000);
	ANALYZE policied;
	GRANT SELECT ON policied TO app;
});

sub settle { return events_written($node) }

# How many events of a kind a piece of SQL adds; the newest one's columns are kept.
my $latest = 0;
sub denials
{
	my $found = sql($node, "SELECT count(*) FROM twin.audit_log WHERE event_type = 'permission_denied' AND event_id > $latest");
	$latest = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
	return $found;
}
sub once
{
	my ($name, $sql, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $times = delete $options{times} // 1;
	settle();
	$latest = sql($node, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log');
	answer_of($node, $sql, user => 'app', %options);
	settle();
	return is(denials(), $times, $name);
}

# ---- kinds, reported ----

my @kinds = (
	[ 'a table', 'SELECT * FROM secret', 'secret' ],
	[ 'a column', 'SELECT b FROM columns', 'columns' ],
	[ 'a schema', 'SELECT * FROM hidden.t', 'hidden' ],
	[ 'a function', 'SELECT denied()', 'denied' ],
	[ 'a sequence', "SELECT nextval('numbers')", 'numbers' ],
	[ 'row security', "INSERT INTO fenced VALUES ('other', 'canary-of-a-row')", 'fenced' ],
	[ 'ownership', 'ALTER TABLE secret ADD c int', 'secret' ],
	[ 'a role', 'CREATE ROLE x', undef ],
	[ 'another role', 'SET ROLE other', undef ],
	[ 'a setting', "SET session_replication_role = 'replica'", 'session_replication_role' ],
	[ 'a program', "COPY fenced FROM PROGRAM 'true'", undef ],
	[ 'COPY', 'COPY secret TO STDOUT', 'secret' ],
	[ 'TRUNCATE', 'TRUNCATE secret', 'secret' ],
	[ 'LOCK', 'BEGIN; LOCK TABLE secret', 'secret' ],
	[ 'UPDATE', 'UPDATE secret SET a = 1', 'secret' ],
	[ 'MERGE', 'MERGE INTO secret s USING (SELECT 1) x ON true WHEN MATCHED THEN DELETE', 'secret' ],
	[ 'a default of the database', 'ALTER DATABASE postgres SET work_mem = 1024', 'postgres' ],
	[ 'a settings file', 'SELECT * FROM pg_file_settings', 'pg_file_settings' ],
	[ 'RAISE', q{DO $$ BEGIN RAISE insufficient_privilege USING MESSAGE = 'canary-of-a-message'; END $$}, undef ],
	[ 'decryption', q{SELECT twin.encrypt_data('x')}, undef ],
);
foreach my $kind (@kinds)
{
	my ($name, $sql, $resource) = @$kind;
	once("$name: reported", $sql);
	my $row = sql($node, "SELECT resource, outcome, session_user_name, effective_user_name FROM twin.audit_log WHERE event_type = 'permission_denied' ORDER BY event_id DESC LIMIT 1");
	is($row, ($resource // '') . '|denied|app|app', "$name: of what and of whom") if defined $resource;
	# the same, swallowed
	my $inner = $sql =~ s/^BEGIN; //r;
	next if $inner =~ /^(DO|COPY secret TO STDOUT)/;
	$inner =~ s/'/''/g;
	once("$name: swallowed", "DO \$\$ BEGIN EXECUTE '$inner'; EXCEPTION WHEN OTHERS THEN NULL; END \$\$");
}
is(sql($node, "SELECT count(*) FROM twin.audit_log e WHERE e::text ~ 'canary'"), '0', 'neither rows nor what somebody raised stand in the log');
is(sql($node, q{SELECT DISTINCT details ->> 'reason' FROM twin.audit_log WHERE resource = 'fenced' AND event_type = 'permission_denied'}), 'rls_violation', 'row security says so');
is(sql($node, q{SELECT DISTINCT details ->> 'sqlstate' FROM twin.audit_log WHERE event_type = 'permission_denied' AND resource = 'secret'}), '42501', 'and the code');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'permission_denied' AND action = 'SELECT' AND resource = 'secret'}), '2', 'what was done');

# ---- ways ----

sub many_lines { my ($sql) = @_; return $node->psql('postgres', $sql, extra_params => [ '-U', 'app' ], on_error_stop => 0) }
sub once_by
{
	my ($name, $sql, $times) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	settle();
	$latest = sql($node, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log');
	many_lines($sql);
	settle();
	return is(denials(), $times // 1, $name);
}
once_by('a savepoint', 'BEGIN; SAVEPOINT s; SELECT * FROM secret; ROLLBACK TO s; SELECT 1; COMMIT;');
once_by('a transaction that goes on to fail', 'BEGIN; SELECT * FROM secret; SELECT * FROM secret; ROLLBACK;');
once_by('a simple expression of PL/pgSQL', q{DO $$ DECLARE n int; BEGIN n := denied(); EXCEPTION WHEN OTHERS THEN NULL; END $$;});
once_by('a prepared statement', "PREPARE p AS SELECT * FROM secret;\nEXECUTE p;\nEXECUTE p;", 2);
once_by('a cursor', 'BEGIN; DECLARE c CURSOR FOR SELECT denied() FROM generate_series(1, 2); FETCH c; COMMIT;');
once_by('a nested block that is rethrown', q{DO $$ BEGIN BEGIN PERFORM * FROM secret; EXCEPTION WHEN insufficient_privilege THEN RAISE; END; EXCEPTION WHEN OTHERS THEN NULL; END $$;});
once_by('SECURITY DEFINER', 'SELECT as_other();');
is(sql($node, q{SELECT session_user_name, outer_user_name, effective_user_name FROM twin.audit_log WHERE event_type = 'permission_denied' ORDER BY event_id DESC LIMIT 1}), 'app|app|other', '... tells in whose name');
once_by('a function in a policy', q{CREATE FUNCTION asks() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM * FROM secret; RETURN true; EXCEPTION WHEN insufficient_privilege THEN RETURN true; END $$;
	CREATE TABLE mine (a int); INSERT INTO mine VALUES (1), (2); ALTER TABLE mine ENABLE ROW LEVEL SECURITY; ALTER TABLE mine FORCE ROW LEVEL SECURITY; CREATE POLICY p ON mine USING (asks()); SELECT count(*) FROM mine;}, 2);
once_by('a function while it is planned', q{CREATE FUNCTION folds() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM denied(); RETURN 1; EXCEPTION WHEN insufficient_privilege THEN RETURN 1; END $$;
	SELECT folds();});
SKIP:
{
	# a block that fails at COMMIT is foreseen by PostgreSQL, and not by an assertion of it (15.18, without any extension)
	skip 'a server with assertions ends itself at this', 1 if sql($node, 'SHOW debug_assertions') eq 'on';
	once_by('a deferred trigger, after an error', q{CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE n int; BEGIN n := denied(); RETURN NULL; EXCEPTION WHEN insufficient_privilege THEN RETURN NULL; END $$;
		CREATE TABLE waits (a int); CREATE CONSTRAINT TRIGGER late AFTER INSERT ON waits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
		SELECT 1 / 0; BEGIN; INSERT INTO waits VALUES (1); COMMIT;});
}
once_by('a procedure', q{CREATE PROCEDURE tries() LANGUAGE plpgsql AS $$ BEGIN PERFORM * FROM secret; COMMIT; EXCEPTION WHEN OTHERS THEN NULL; END $$; CALL tries();});
once_by('EXPLAIN ANALYZE', 'EXPLAIN ANALYZE SELECT denied();');
once_by('a parallel worker', "SET @{[ parallel_mode($node) ]} = on; " . q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	CREATE FUNCTION looks(int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN RETURN a FROM secret LIMIT 1; END $$;
	SELECT sum(looks(a)) FROM policied;});
once_by('a permission of ours', q{SELECT twin.require_permission('read_units');});
once_by('... swallowed', q{DO $$ BEGIN PERFORM twin.require_permission('read_units'); EXCEPTION WHEN OTHERS THEN NULL; END $$;});
once_by('... and then another', q{DO $$ BEGIN PERFORM twin.require_permission('read_units'); EXCEPTION WHEN OTHERS THEN BEGIN PERFORM * FROM secret; EXCEPTION WHEN OTHERS THEN NULL; END; END $$;}, 2);
once_by('no denial: a notice with its code', q{DO $$ BEGIN RAISE NOTICE USING ERRCODE = '42501', MESSAGE = 'x'; END $$; SELECT 1 / 0; SELECT * FROM nowhere;}, 0);

# ---- functions called by their number, past executor and commands ----

# As app, by the protocol's own message for that; what the server answers.
sub call_by_number
{
	my ($function, @arguments) = @_;
	my $oid = sql($node, "SELECT '$function'::regprocedure::oid");
	my $client = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $node->host . '/.s.PGSQL.' . $node->port) or die $!;
	my $answer = '';
	my $ready = sub { $answer = ''; 1 while $answer !~ /Z\x00\x00\x00\x05[IE]\z/ && sysread($client, $answer, 8192, length $answer) };
	my $startup = "user\0app\0database\0postgres\0\0";
	$client->print(pack('NN', 8 + length $startup, 196608) . $startup);
	$ready->();
	my $call = pack('Nnn', $oid, 0, scalar @arguments) . join('', map { pack('N', length) . $_ } @arguments) . pack('n', 0);
	$client->print('F' . pack('N', 4 + length $call) . $call);
	$ready->();
	$client->close;
	settle();
	return $answer;
}
settle();
$latest = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
like(call_by_number('denied()'), qr/42501/, 'a function called by its number is refused');
is(denials(), '1', '... and that is recorded, once');
sql($node, q{SELECT twin.grant_key('environment', 'app', 'encrypt'), twin.grant_key('environment', 'app', 'decrypt')});
my $sealed = sql($node, q{SELECT twin.encrypt_data('opened by number')}, user => 'app');
settle();
$latest = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
like(call_by_number('twin.decrypt_data(text)', $sealed), qr/opened by number/, 'one that opens a value opens it');
is(sql($node, "SELECT string_agg(concat_ws(' ', resource, session_user_name, details ->> 'values'), ', ') FROM twin.audit_log WHERE event_type = 'decrypt' AND event_id > $latest"), 'environment app 1', '... and that is counted');

# ---- ten thousand ----

settle();
my ($emitted, $dropped) = split /\|/, sql($node, 'SELECT emitted, dropped FROM twin.stat_audit');
$latest = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
sql($node, q{DO $$ BEGIN FOR i IN 1..10000 LOOP BEGIN PERFORM * FROM secret; EXCEPTION WHEN insufficient_privilege THEN NULL; END; END LOOP; END $$}, user => 'app');
settle();
is(denials(), '10000', 'ten thousand denials: none lost, none twice');
is(sql($node, 'SELECT dropped FROM twin.stat_audit'), $dropped, 'none dropped');

# ---- a ring that nobody empties: who goes on waits for a bounded time, and every one is counted ----

my $locker = $node->background_psql('postgres');
lock_log($locker, 'events_overflow', 'ACCESS EXCLUSIVE');
my $began = time;
sql($node, q{DO $$ BEGIN FOR i IN 1..3000 LOOP BEGIN PERFORM * FROM secret; EXCEPTION WHEN insufficient_privilege THEN NULL; END; END LOOP; END $$}, user => 'app');
is_soon($began, 'a writer that is stuck stops nobody');
$locker->quit;
settle();
my ($stored, $lost) = (denials(), sql($node, 'SELECT dropped FROM twin.stat_audit') - $dropped);
# (a few who came in meanwhile to look were not recorded either)
ok($stored >= 1500 && $stored + $lost >= 3000 && $stored + $lost <= 3005, "stored and counted are all there were ($stored, $lost)");
is(sql($node, q{SELECT sum((details ->> 'dropped')::int) FROM twin.audit_log WHERE event_type = 'events_dropped'}), $lost, 'and the log says how many');

# ---- a subscriber's worker ----

sql($node, 'CREATE DATABASE far');
sql($node, q{CREATE TABLE shipped (a int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE shipped}, db => 'far');
sql($node, q{SELECT pg_create_logical_replication_slot('s', 'pgoutput')}, db => 'far');
sql($node, q{CREATE TABLE shipped (a int PRIMARY KEY); ALTER TABLE shipped ENABLE ROW LEVEL SECURITY; CREATE ROLE subscriber LOGIN SUPERUSER});
# from 16 on a worker acts as the table's owner, and one without a superuser's rights asks for a password
my $as_subscriber = $node->pg_version < 16 ? '' : ', run_as_owner = true, password_required = false';
my $to_far = sprintf('host=%s port=%s dbname=far', $node->host, $node->port);
sql($node, "CREATE SUBSCRIPTION s CONNECTION '$to_far' PUBLICATION p WITH (create_slot = false, slot_name = 's', copy_data = false$as_subscriber)", user => 'subscriber');
sql($node, 'ALTER ROLE subscriber NOSUPERUSER');
$latest = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
sql($node, 'INSERT INTO shipped VALUES (1)', db => 'far');
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'permission_denied' AND resource = 'shipped' AND event_id > $latest"), 'a worker that applies changes is refused')
  or diag(sql($node, "SELECT event_type, resource, details FROM twin.audit_log WHERE event_id > $latest"));
sql($node, 'ALTER ROLE subscriber SUPERUSER; ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s');

$node->stop;
done_testing();
