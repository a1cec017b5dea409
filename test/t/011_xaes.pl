# Keys of XAES-256-GCM through what happens to a cluster: dumps and restores, another ENCRYPTION_KEY, the message limit,
# parallel queries, a crash; and a key that was made before there was an algorithm to choose.
use strict;
use warnings;
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('xaes');
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE app LOGIN;
	SELECT twin.create_key('long', 'xaes-256-gcm'), twin.create_key('short');
	SELECT twin.grant_key(k, 'app', p) FROM unnest('{long,short}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	CREATE TABLE people (id int PRIMARY KEY, email twin.encrypted_text_eq(long) UNIQUE, born twin.encrypted_date(long) DEFAULT '2000-01-01');
	CREATE TABLE visits (id int, email twin.encrypted_text_eq(short) REFERENCES people (email));
	GRANT ALL ON people, visits TO app;
	INSERT INTO people SELECT i, 'user ' || i, date '2000-01-01' + i FROM generate_series(1, 30) i;
	SELECT twin.rotate_key('long'); SELECT twin.rotate_key('long');
	INSERT INTO people SELECT i, 'user ' || i, date '2000-01-01' + i FROM generate_series(31, 40) i;
	INSERT INTO visits SELECT i, 'user ' || i FROM generate_series(1, 20) i});
my @app = (user => 'app');
my $stored = q{SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (SELECT p::text FROM people p UNION ALL SELECT v::text FROM visits v) s (r)};
my $keys = 'SELECT key_id, key_name, version, state, context, algorithm FROM twin.keys ORDER BY 1';
my $opens = q{SELECT count(*) FROM people WHERE email::text = 'user ' || id AND born::date = date '2000-01-01' + id};
my %was = map { $_ => sql($node, $_) } ($stored, $keys);
like($was{$keys}, qr/\|long\|1\|decrypt-only\|[^|]+\|xaes-256-gcm$/m, 'the first version of the key');
like($was{$keys}, qr/\|long\|2\|primary\|[^|]+\|xaes-256-gcm$/m, 'and the second');

# The first byte of armor, base64url of which is the first character and half of the next: 1 is "AQ", 2 is "Ag".
sub algorithms { return sql($node, "SELECT DISTINCT substr(format('%s', email), 7, 2) FROM $_[0]") }
is(algorithms('people'), 'Ag', 'values state algorithm 2');
is(algorithms('visits'), 'AQ', 'those under the other key algorithm 1');

# ---- dump and restore ----

my $target = new_node('target');
start_with($target, undef);
sql($target, 'CREATE ROLE app LOGIN');
my $files = PostgreSQL::Test::Utils::tempdir();
my %ways = (
	plain => "pg_dump FROM | psql -X -q -v ON_ERROR_STOP=1 TO",
	custom => "pg_dump -Fc FROM -f $files/custom && pg_restore -e -j2 TO $files/custom",
	data => "pg_dump -s FROM | psql -X -q -v ON_ERROR_STOP=1 TO && pg_dump -a FROM | psql -X -q -v ON_ERROR_STOP=1 TO");
my $from = "-d '" . $node->connstr('postgres') . "'";
foreach my $db (sort keys %ways)
{
	my $to = "-d '" . $target->connstr($db) . "'";
	my $command = $ways{$db} =~ s/\bFROM\b/$from/gr =~ s/\bTO\b/$to/gr;
	my ($out, $err);
	sql($target, "CREATE DATABASE $db");
	ok(IPC::Run::run([ 'bash', '-o', 'pipefail', '-c', $command ], '>', \$out, '2>', \$err), "$db: restored without a key")
	  || diag($err);
	is(sql($target, $stored, db => $db), $was{$stored}, "$db: the same bytes");
	is(sql($target, $keys, db => $db), $was{$keys}, "$db: the same keys, of the same algorithms");
	is(sql($target, 'SELECT count(*) FROM people JOIN visits USING (email)', db => $db), '20', "$db: joins across algorithms");
}
restart_with($target, $key);
foreach my $db (sort keys %ways)
{
	my @db = (db => $db, @app);
	is(sql($target, $opens, @db), '40', "$db: with the key everything opens");
	is(answer_of($target, "INSERT INTO people (id, email) VALUES (41, 'user 41') RETURNING substr(format('%s', email), 7, 2), email::text", @db),
		'Ag|user 41', "$db: new values are of the key's algorithm");
	is(sql($target, "SELECT id FROM people WHERE email = 'user 9'", @db), '9', "$db: and are found");
	fails_with($target, "UPDATE twin_internal.keys SET algorithm = 1 WHERE key_name = 'long'; SET ROLE app; $opens", 'TW106',
		'integrity check', "$db: the algorithm is bound to the key here as well", db => $db);
}
$target->stop;

# ---- another ENCRYPTION_KEY ----

my $next = new_key();
restart_with($node, $next, $key);
cmp_ok(sql($node, 'SELECT twin.rotate_master_key()'), '>', 3, 'every key is wrapped anew');
restart_with($node, $next);
my @same = map { [ grep { !/environment/ } split /\n/ ] } sql($node, $keys), $was{$keys};
is_deeply($same[0], $same[1], 'they are the same keys');
is(sql($node, $opens, @app), '40', 'and open as before');
sql($node, "UPDATE twin_internal.keys SET algorithm = 1 WHERE key_name = 'long'");
fails_with($node, $opens, 'TW106', 'integrity check', 'the new wrapping is bound to the algorithm', @app);
fails_with($node, "INSERT INTO people (id, email) VALUES (42, 'x')", 'TW106', 'integrity check', 'for sealing too', @app);
restart_with($node, new_key(), $next);
fails_with($node, 'SELECT twin.rotate_master_key()', 'TW106', 'integrity check', 'and for wrapping anew');
restart_with($node, $next);
sql($node, "UPDATE twin_internal.keys SET algorithm = 2 WHERE key_name = 'long'");
is(sql($node, $opens, @app), '40', 'put right, all opens');

# ---- the message limit ----

sql($node, q{ALTER SYSTEM SET twin_security.key_message_limit = 1000; SELECT pg_reload_conf();
	SELECT twin.create_key('busy', 'xaes-256-gcm'), twin.create_key('limited');
	SELECT twin.grant_key(k, 'app', p) FROM unnest('{busy,limited}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	CREATE TABLE busy (v twin.encrypted_text(busy)); CREATE TABLE limited (v twin.encrypted_text(limited)); GRANT ALL ON busy, limited TO app});
sub messages { return sql($node, "SELECT sum(messages) FROM twin.keys WHERE key_name = '$_[0]'") }
sub versions { return sql($node, "SELECT count(*) FROM twin.keys WHERE key_name = '$_[0]'") }
sql($node, 'INSERT INTO busy SELECT i::text FROM generate_series(1, 5000) i; INSERT INTO limited SELECT i::text FROM generate_series(1, 5000) i', @app);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM twin.keys WHERE key_name = 'limited'}), 'a key of AES-256-GCM rotates at its limit');
is(versions('busy'), '1', 'one of XAES-256-GCM, asked before it, does not');
cmp_ok(messages('busy'), '>=', 5000, 'but is counted');

# ---- counts in a parallel query, beyond 2^32, and after a crash ----

sql($node, q{CREATE TABLE names AS SELECT ('name ' || i)::name AS n FROM generate_series(1, 3000) i; ANALYZE names; GRANT ALL ON names TO app;
	UPDATE twin_internal.key_usage SET messages = 4294967296 WHERE key_id = (SELECT key_id FROM twin.keys WHERE key_name = 'busy')});
my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2; };
restart_with($node, $next);    # what sessions have left is forgotten: all must be reserved anew
# a function that seals and says it may run beside workers: the leader runs it above them, and cannot write the count there
sql($node, q{CREATE FUNCTION seal(name) RETURNS text LANGUAGE plpgsql PARALLEL RESTRICTED AS
	$$ BEGIN RETURN length($1::text::twin.encrypted_text(busy)::text); END $$});
my $query = 'SELECT sum(seal(n)::int) > 3000 FROM names';
like(sql($node, "$parallel EXPLAIN $query", @app), qr/Gather/, 'a parallel query');
my $before = messages('busy');
is(sql($node, "$parallel $query", @app), 't', 'seals in the leader beyond 2^32 messages');
cmp_ok(messages('busy') - $before, '>=', 3000, 'and they are reserved when it ends');

restart_with($node, $next);
$before = messages('busy');
my $session = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$session->query_safe('SELECT count(i::text::twin.encrypted_text(busy)) FROM generate_series(1, 20000) i');
my @pids = children_of($node);
kill 'KILL', @pids;
$node->kill9;
while (grep { -e "/proc/$_" } @pids) { select undef, undef, undef, 0.1 }
start_with($node, $next);
cmp_ok(messages('busy') - $before, '>=', 20000, 'after kill -9 all that was sealed is counted');
eval { $session->quit };

# ---- a key from before ----

# Its row was written when a wrapped key was bound to no algorithm: what AES-256-GCM keys are bound to never changes.
$node->stop;
start_with($node, encode_base64(pack('C*', 0 .. 31), ''));
sql($node, q{CREATE DATABASE elder});
sql($node, q{
	CREATE EXTENSION twin_security;
	INSERT INTO twin_internal.keys (key_name, modifier, kind, context) VALUES ('elder', 1269640878, 'data', 'c567ef76-1900-4bbe-88ca-296f23210ac3');
	INSERT INTO twin_internal.key_versions (key_id, key_name, version, state, wrapped, wrapping_id) VALUES (1960300269, 'elder', 1, 'primary',
		'\x01197b245aa11b44b1641f4c40ab5b654d38ae5d9887d20f923b45cd7c28a0f5ecaf88a5e4b4549af4938c74bd8d69aff3f738b9d47eda6e194068794b',
		'\x6e9631a2d4b24843ced565dc504397cf');
	INSERT INTO twin_internal.key_usage (key_id, messages) VALUES (1960300269, 64);
	SELECT twin.grant_key('elder', 'app', p) FROM unnest('{encrypt,decrypt}'::text[]) p;
	CREATE TABLE e (v twin.encrypted_text_eq(elder)); GRANT ALL ON e TO app;
	INSERT INTO e VALUES ('tsec1:AQF0187tzinvcbLaAE5fCCFSg8rVrEc1uM1_1i8jtOwk3nZb4ITJuUFzSzlJnNGOYoKdfkqdiSXIIEBTCA')}, db => 'elder');
is(sql($node, 'SELECT v::text FROM e', db => 'elder', @app), 'from before', 'an older key opens what it sealed');
is(answer_of($node, "INSERT INTO e VALUES ('from now') RETURNING v::text", db => 'elder', @app), 'from now', 'and seals');
is(sql($node, "SELECT algorithm FROM twin.keys WHERE key_name = 'elder'", db => 'elder'), 'aes-256-gcm', 'it is of the first algorithm');

done_testing();
