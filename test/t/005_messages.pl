# Messages per key version are counted across sessions, and the number in twin.keys is never lower than what was sealed:
# not after ROLLBACK, kill -9, restart, in read-only transactions, in parallel queries.  A key rotates by itself at
# key_message_limit, and nothing is ever sealed beyond 2^32.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('messages', conf => "wal_writer_delay = 10s\nautovacuum = off\nmax_connections = 30");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE app LOGIN;
	SELECT twin.grant_key('main', 'app', p), twin.grant_key('environment', 'app', p) FROM unnest('{encrypt,decrypt}'::text[]) p;
	CREATE TABLE t (v twin.encrypted_text(main), e twin.encrypted_text_eq(main));
	GRANT ALL ON t TO app});
my @app = (user => 'app');

# Messages counted in the table, and seals counted by the server since it started.
sub messages { return sql($node, "SELECT sum(messages) FROM twin.keys WHERE key_name = '$_[0]'") }
sub seals { return sql($node, "SELECT seals FROM twin.stat_keyring WHERE key_name = '$_[0]'") }

sub script
{
	my ($clients, $transactions, $sql, @more) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script';
	append_to_file($file, $sql);
	return [ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions, '-M', 'prepared', '-f', $file, @more,
		$node->connstr('postgres') . ' user=app' ];
}

# Seals values with no trace in any table.
sub seal_and_forget { my ($n) = @_; return "SELECT count(i::text::twin.encrypted_text(main)) FROM generate_series(1, $n) i" }

# kill -9 of every process of the server at the same moment, and recovery.
sub crash_and_recover
{
	my @pids = children_of($node);
	kill 'KILL', @pids;
	$node->kill9;
	while (grep { -e "/proc/$_" } @pids) { select undef, undef, undef, 0.1 }
	return start_with($node, $key);
}

# ---- sessions ----

is(messages('main'), '0', 'a new key has sealed nothing');
$node->command_ok(script(8, 100, 'INSERT INTO t (v) VALUES (:client_id);'), '8 sessions seal 100 values each');
is(seals('main'), '800', 'all of them were counted');
cmp_ok(messages('main'), '>=', 800, 'and reserved');
my $before = messages('main');
sql($node, seal_and_forget(1), @app) for 1 .. 30;
cmp_ok(messages('main') - $before, '<=', 64, 'what a session leaves unspent, the next ones spend');
cmp_ok(messages('main'), '>=', 830, 'and no more than that');
is(seals('main'), '830', 'seals of all of them');
sql($node, 'BEGIN; INSERT INTO t SELECT i::text FROM generate_series(1, 5000) i; ROLLBACK', @app);
cmp_ok(messages('main'), '>=', 5830, 'a rolled back transaction has counted');
sql($node, 'BEGIN; SAVEPOINT s; INSERT INTO t SELECT i::text FROM generate_series(1, 5000) i; ROLLBACK TO s; COMMIT', @app);
cmp_ok(messages('main'), '>=', 10830, 'so has a subtransaction');
sql($node, 'DO $$ BEGIN INSERT INTO t SELECT i::text FROM generate_series(1, 5000) i; RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN NULL; END $$', @app);
cmp_ok(messages('main'), '>=', 15830, 'and an exception block');
is(seals('main'), '15830', 'seals that were rolled back are seals');

sql($node, 'BEGIN READ ONLY; ' . join('; ', map { "SELECT FROM t WHERE e = 'value $_' LIMIT 0" } 1 .. 500) . '; COMMIT', @app);
cmp_ok(seals('literal'), '>=', 500, 'literals of a read-only transaction are seals');
cmp_ok(messages('literal'), '>=', seals('literal'), 'and are reserved');
sql($node, 'SET default_transaction_read_only = on; ' . seal_and_forget(5000), @app);
cmp_ok(messages('main'), '>=', 20830, 'sealing in a read-only transaction is counted');

# the cast through the input function is parallel restricted: the leader runs it above the workers
my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2; };
my $query = 'SELECT count(n::twin.encrypted_text) FROM names';
sql($node, q{CREATE TABLE names AS SELECT ('name ' || i)::name AS n FROM generate_series(1, 3000) i; ANALYZE names;
	GRANT ALL ON names TO app});
like(sql($node, "$parallel EXPLAIN $query", @app), qr/Gather/, 'a parallel query');
my $literals = seals('literal');
is(sql($node, "$parallel $query", @app), '3000', 'seals in the leader');
cmp_ok(seals('literal') - $literals, '>=', 3000, 'these are seals');
cmp_ok(messages('literal'), '>=', seals('literal'), 'and are reserved, when the session has ended at the latest');
sql($node, "$parallel SET @{[ parallel_mode($node) ]} = on; SELECT twin.encrypt_data('x') FROM generate_series(1, 100)", @app);
cmp_ok(messages('environment'), '>=', seals('environment'), 'whole values as well');

# ---- restarts and crashes ----

my %was = map { $_ => messages($_) } qw(main literal environment);
restart_with($node, $key);
is(join(' ', grep { messages($_) < $was{$_} } keys %was), '', 'a restart loses no count');

my $session = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
my $sealed = messages('main');
is($session->query_safe(seal_and_forget(7000)), '7000', 'values were sealed and sent to the client, nothing was written');
crash_and_recover();
cmp_ok(messages('main'), '>=', $sealed + 7000, 'after kill -9 they are counted');
eval { $session->quit };

$session = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$sealed = messages('environment');
is(length $session->query_safe("SELECT string_agg(twin.encrypt_data('x'), '') FROM generate_series(1, 500)"), 20000,
	'the same for whole values');
crash_and_recover();
cmp_ok(messages('environment'), '>=', $sealed + 500, 'after kill -9 these are counted as well');
eval { $session->quit };

sql($node, 'TRUNCATE t');
$sealed = messages('main');
my $load = IPC::Run::start(script(8, 100000, 'INSERT INTO t SELECT i::text FROM generate_series(1, 20) i;'), '>', \my $out, '2>&1');
$node->poll_query_until('postgres', 'SELECT count(*) > 3000 FROM t') or die;
crash_and_recover();
$load->finish;
cmp_ok(messages('main') - $sealed, '>=', sql($node, 'SELECT count(*) FROM t'), 'kill -9 under load: no value without its count');
is(sql($node, 'SELECT count(v::text) = count(*) FROM t', @app), 't', 'and all values open');

# ---- rotation at the limit ----

sql($node, q{ALTER SYSTEM SET twin_security.key_message_limit = 1000; SELECT pg_reload_conf();
	SELECT twin.create_key('busy'); SELECT twin.grant_key('busy', 'app', p) FROM unnest('{encrypt,decrypt}'::text[]) p;
	CREATE TABLE b (id int, v twin.encrypted_text_eq(busy)); GRANT ALL ON b TO app});
my $rotated = q{SELECT count(*) = 2 FROM twin.keys WHERE key_name = 'busy' AND (version, state) IN ((1, 'decrypt-only'), (2, 'primary'))};
my @sessions = map { $node->background_psql('postgres', extra_params => [ '-U', 'app' ]) } 1, 2;
$_->query_safe("INSERT INTO b SELECT 1, i::text FROM generate_series(1, 300) i") foreach @sessions;
is(sql($node, $rotated), 'f', 'below the limit a key stays');
$_->query_safe("INSERT INTO b SELECT 2, i::text FROM generate_series(1, 600) i") foreach @sessions;
ok($node->poll_query_until('postgres', $rotated), 'two sessions pass the limit: the key rotates by itself, once');
# what is counted ahead for both sessions is not to use up that one as well
sql($node, q{ALTER SYSTEM SET twin_security.key_message_limit = 100000; SELECT pg_reload_conf()});
$_->query_safe("INSERT INTO b SELECT 3, i::text FROM generate_series(1, 10) i") foreach @sessions;
like(sql($node, "SELECT version, sum(values) FROM twin.key_census('b') GROUP BY 1 ORDER BY 1"), qr/\A1\|\d{3,4}\n2\|\d+\z/,
	'the same sessions seal under the new version');
is(sql($node, 'SELECT count(v::text) FROM b', @app), '1820', 'values under both open');
is(sql($node, q{SELECT count(*) FROM b WHERE v = '5'}, @app), '6', 'and are found');
$_->quit foreach @sessions;
sql($node, q{ALTER SYSTEM SET twin_security.key_message_limit = 1000; SELECT pg_reload_conf()});
sql($node, "SELECT twin.encrypt_data(i::text) FROM generate_series(1, 3000) i", @app);
is(sql($node, q{SELECT count(*) FROM twin.keys WHERE key_name = 'environment'}), '1', 'ENCRYPTION_KEY cannot rotate by itself');
sql($node, 'BEGIN READ ONLY; ' . join('; ', map { "SELECT FROM t WHERE e = 'value $_' LIMIT 0" } 1 .. 1500) . '; COMMIT', @app);
ok($node->poll_query_until('postgres', q{SELECT count(*) > 1 FROM twin.keys WHERE key_name = 'literal'}),
	'the key of literals rotates, even when read-only transactions use it up');

# ---- the hard limit ----

$node->append_conf('postgresql.conf', 'max_worker_processes = 0');    # nobody is there to rotate
restart_with($node, $key);
sql($node, q{SELECT twin.create_key('limited'); SELECT twin.grant_key('limited', 'app', 'encrypt');
	CREATE TABLE l (v twin.encrypted_text(limited)); GRANT ALL ON l TO app;
	UPDATE twin_internal.key_usage SET messages = 4294967296 - 100
		WHERE key_id = (SELECT key_id FROM twin.keys WHERE key_name = 'limited')});
@sessions = map { $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]) } 1, 2;
foreach my $round (1 .. 70)
{
	$_->query('INSERT INTO l SELECT 1::text') foreach @sessions;
}
is(sql($node, 'SELECT count(*) FROM l'), '100', 'two sessions seal the last 100 messages of a key between them, and not one more');
session_fails($_, "INSERT INTO l SELECT 'x'::text", 'TW104', 'then sealing is refused') foreach @sessions;
fails_with($node, "COPY l FROM STDIN;\nx\n\\.\n", 'TW104', 'as many messages as it safely may', 'in a new session as well', @app);
is(messages('limited'), '4294967296', 'the count stands at 2^32');
like(slurp_file($node->logfile), qr/no background worker is free to rotate key "limited"/, 'that it could not rotate is in the log');
$_->quit foreach @sessions;
restart_with($node, $key);
fails_with($node, "INSERT INTO l SELECT 'x'::text", 'TW104', 'Call twin.rotate_key', 'a restart changes nothing', @app);
is(sql($node, 'SELECT count(*) FROM l'), '100', 'nothing was sealed beyond the limit');
sql($node, q{SELECT twin.rotate_key('limited'); SELECT twin.rotate_key('limited')});
sql($node, "INSERT INTO l SELECT 'x'::text", @app);
is(sql($node, q{SELECT version, "values" FROM twin.key_census('l')}), "1|100\n2|1", 'rotating the key ends it');

# ---- without preloading ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
restart_with($node, $key);
$sealed = messages('main');
sql($node, seal_and_forget(100), @app) for 1 .. 3;
cmp_ok(messages('main'), '>=', $sealed + 300, 'without preloading messages are counted all the same');

done_testing();
