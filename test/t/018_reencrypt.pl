# Re-encrypting a column of a live table: under writers and readers, with crashes, at a rate, past rows that others hold.
use strict;
use warnings;
use IPC::Run qw(start finish timeout);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use TwinTest;

my $key = new_key();
my $node = new_node('reencrypt', conf => "fsync = off\nrestart_after_crash = on");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii'), twin.create_key('doomed');
	SELECT twin.grant_key(k, current_user::regrole, p) FROM unnest('{pii,doomed}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	CREATE ROLE owner LOGIN; GRANT CREATE ON SCHEMA public TO owner;
	CREATE TABLE plain (id int, email text, big text);
	INSERT INTO plain SELECT i, 'user' || i, CASE WHEN i % 50 = 0 THEN repeat('big' || i, 1500) END FROM generate_series(1, 4000) i;
	CREATE TABLE live (id int PRIMARY KEY, gone int, email twin.encrypted_text_eq(pii) NOT NULL UNIQUE, big twin.encrypted_text(pii), n int DEFAULT 0);
	INSERT INTO live SELECT id, 1, email, big FROM plain;
	ALTER TABLE live DROP gone;
	ALTER TABLE live OWNER TO owner;
	CREATE TABLE fired (n int);
	CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO fired VALUES (1); RETURN new; END$$;
	CREATE TRIGGER watch BEFORE UPDATE OF email ON live FOR EACH ROW EXECUTE FUNCTION fire();
	ALTER TABLE live ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY});
my $amcheck = sql($node, q{SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'});
sql($node, 'CREATE EXTENSION amcheck') if $amcheck;

sub rotate { my ($name) = @_; return sql($node, "SET client_min_messages = error; SELECT twin.rotate_key('$name') - twin.rotate_key('$name')"); }
sub old_values { return sql($node, qq{SELECT coalesce(sum("values"), 0) FROM twin.key_census('live') WHERE column_name = '$_[0]' AND key_name = 'pii'
	AND version < (SELECT max(version) FROM twin.keys WHERE key_name = 'pii' AND state = 'primary')}); }
sub check_values
{
	my ($name) = @_;
	is(sql($node, 'SELECT count(*) FROM plain p FULL JOIN live l USING (id) WHERE (p.email, p.big) IS DISTINCT FROM (l.email::text, l.big::text)'), '0', "$name: the values are the same");
	SKIP:
	{
		skip 'amcheck is not installed', 1 unless $amcheck;
		is(sql($node, q{SELECT bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = 'live'::regclass}), "\n", "$name: and the indexes consistent");
	}
	return;
}

# ---- under load ----

my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/other", "\\set id random(1, 4000)\nUPDATE live SET n = n + 1 WHERE id = :id;\n");
# rows are locked in both directions, as a deadlock would need
append_to_file("$folder/down", "\\set id random(20, 4000)\nBEGIN;\n" . join('', map { "UPDATE live SET n = n + 1 WHERE id = :id - $_;\n" } 0 .. 9) . "COMMIT;\n");
append_to_file("$folder/same", "\\set id random(1, 4000)\nUPDATE live SET email = 'user' || :id WHERE id = :id;\n");
append_to_file("$folder/read", "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT sum(hashtext(email::text)) AS s, sum(hashtext(big::text)) AS t FROM live \\gset a_\n"
	  . "SELECT 1 / (sum(hashtext(email::text)) = :a_s AND sum(hashtext(big::text)) = :a_t)::int FROM live;\nCOMMIT;\n");
append_to_file("$folder/find", "\\set id random(1, 4000)\nSELECT 1 / (count(*) = 1)::int FROM live WHERE email = 'user' || :id;\n");
my ($out, $err) = ('', '');
rotate('pii');
my $load = start([ 'pgbench', '-n', '-c', 4, '-T', 6, '-R', 300, '-h', $node->host, '-p', $node->port,
		map({ ('-f', "$folder/$_") } 'other@4', 'down@2', 'same@3', 'read@1', 'find@4'), 'postgres' ], '>', \$out, '2>', \$err);
sql($node, q{CALL twin.reencrypt_column('live', 'email', 200); CALL twin.reencrypt_column('live', 'big', 50)}, user => 'owner');
is(old_values('email') . ' ' . old_values('big'), '0 0', 'under load nothing is left under the old version');
finish($load);
is($err, '', 'no client is disturbed, by deadlocks or otherwise');
like($out, qr/number of failed transactions: 0 /, 'no transaction fails');
is(sql($node, q{SELECT twin.retire_key('pii', 1); SELECT state FROM twin.keys WHERE key_name = 'pii' AND version = 1}), "\nretired", 'the old version can be retired');
check_values('under load');
sql($node, 'TRUNCATE fired; ANALYZE live');
rotate('pii');
sql($node, q{CALL twin.reencrypt_column('live', 'email')}, user => 'owner');
is(sql($node, 'SELECT count(*) FROM fired'), '0', 'no trigger fires, and row security hides nothing: the owner needs no grant on the key');
is(old_values('email'), '0', 'and all is done');
my $size = sql($node, q{SELECT sum(pg_current_wal_insert_lsn() - '0/0')});
sql($node, q{CALL twin.reencrypt_column('live', 'email')});
cmp_ok(sql($node, q{SELECT pg_current_wal_insert_lsn() - '0/0'}) - $size, '<', 50_000, 'when there is nothing to do nothing is written');

# ---- crashes ----

# Starts the command in a session of its own and returns when it is seen at work.
sub begin_call
{
	my ($call) = @_;
	my %run = (out => '', err => '');
	$run{run} = start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-c', $call, '-c', q{SELECT 'ended'} ], '<', \undef, '>', \$run{out}, '2>', \$run{err}, timeout($PostgreSQL::Test::Utils::timeout_default));
	$node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM twin.stat_progress') or die;
	$run{pid} = sql($node, 'SELECT pid FROM twin.stat_progress');
	die 'it has ended' unless $run{pid} =~ /^\d+$/;
	return \%run;
}

rotate('pii');
my $left = 4000;
foreach my $time (1 .. 3)
{
	my $run = begin_call(q{CALL twin.reencrypt_column('live', 'email', 20, 800)});
	usleep(200_000 + rand 300_000);
	kill_backend($node, $run->{pid}) or die;
	eval { finish($run->{run}) };
	cmp_ok(old_values('email'), '<', $left, "killed $time times: it goes on where it was");
	$left = old_values('email');
}
sql($node, q{CALL twin.reencrypt_column('live', 'email')});
is(old_values('email'), '0', 'and comes to an end');
check_values('after crashes');

# ---- rate, progress, cancelling, one at a time ----

rotate('pii');
my $began = time;
my $run = begin_call(q{CALL twin.reencrypt_column('live', 'email', 100, 2000)});
finish($run->{run});
my $took = time - $began;
ok($took > 1.7 && $took < $PostgreSQL::Test::Utils::timeout_default / 6, sprintf '4000 rows at 2000 a second take about 2 seconds: %.1f', $took);
rotate('pii');
$run = begin_call(q{CALL twin.reencrypt_column('live', 'email', 10, 200)});
comes_true($node, 'SELECT rows_done > 0 FROM twin.stat_progress');
is(sql($node, q{SELECT command, relation, column_name, rows_done BETWEEN 1 AND 3999, rows_total > 0 FROM twin.stat_progress}), 're-encrypting|live|email|t|t', 'progress is seen');
is(sql($node, 'SELECT pid IS NOT NULL, command, relation FROM twin.stat_progress', user => 'owner'), 't||', 'others see that there is something and no more');
fails_with($node, q{CALL twin.reencrypt_column('live', 'big')}, '55006', 'another session', 'another session is refused, also for another column');
fails_with($node, q{CALL twin.encrypt_column('live', 'n', 'pii')}, '55006', 'another session', 'and another command');
sql($node, "SELECT pg_cancel_backend($run->{pid})");
finish($run->{run});
like($run->{err}, qr/57014/, 'it can be cancelled');
is(sql($node, q{SELECT (SELECT count(*) FROM twin.stat_progress) + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')}), '0', 'which leaves no lock and no entry');
sql($node, q{CALL twin.reencrypt_column('live', 'email')});
is(old_values('email'), '0', 'another session goes on');

# ---- rows that others hold ----

rotate('pii');
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; UPDATE live SET n = -1 WHERE id IN (10, 20)');
my $sharer = $node->background_psql('postgres');
$sharer->query_safe('BEGIN; SELECT FROM live WHERE id = 30 FOR KEY SHARE');
$run = begin_call(q{CALL twin.reencrypt_column('live', 'email', 500)});
$node->poll_query_until('postgres', q{SELECT command = 'waiting for rows' FROM twin.stat_progress}) or die;
cmp_ok(old_values('email'), '<=', 3, 'rows that others hold are passed over, all others done');
is(sql($node, q{SET lock_timeout = '2s'; UPDATE live SET n = -2 WHERE id = 40 RETURNING n}), '-2', 'while it waits it holds no other row');
$holder->query_safe('COMMIT');
$sharer->query_safe('COMMIT');
finish($run->{run});
like($run->{out}, qr/ended/, 'they are waited for in the end');
is(old_values('email') . sql($node, 'SELECT count(*) FROM live WHERE n = -1'), '02', 'and what was written to them stays');
$_->quit foreach $holder, $sharer;
check_values('held rows');

# a row that is moved behind the scan keeps its old value, and is found all the same
rotate('pii');
$run = begin_call(q{CALL twin.reencrypt_column('live', 'email', 1, 100)});
usleep(100_000);
sql($node, 'VACUUM live; UPDATE live SET n = n + 1 WHERE id > 3000');
sql($node, "SELECT pg_cancel_backend($run->{pid})");
finish($run->{run});
$run = begin_call(q{CALL twin.reencrypt_column('live', 'email', 50, 1500)});
sql($node, 'UPDATE live SET n = n + 1') for 1 .. 3;
finish($run->{run});
is(old_values('email'), '0', 'rows that are moved meanwhile are found');
check_values('moved rows');

# the column is replaced by one of another type in the middle
sql($node, q{CREATE TABLE changing (id int, v twin.encrypted_text(pii)); INSERT INTO changing SELECT i, 'x' FROM generate_series(1, 2000) i});
rotate('pii');
$run = begin_call(q{CALL twin.reencrypt_column('changing', 'v', 10, 300)});
sql($node, 'ALTER TABLE changing DROP v; ALTER TABLE changing ADD v int DEFAULT 7');
finish($run->{run});
like($run->{err}, qr/55000.*another type meanwhile/, 'a column that becomes another one ends the command');
$run = undef;
sql($node, q{ALTER TABLE changing DROP v; ALTER TABLE changing ADD v twin.encrypted_text(pii); UPDATE changing SET v = 'y'});
rotate('pii');
$run = begin_call(q{CALL twin.reencrypt_column('changing', 'v', 10, 300)});
sql($node, 'DROP TABLE changing');
finish($run->{run});
like($run->{err}, qr/42P01.*no such table/, 'so does a table that is dropped');

# ---- destroyed versions, partitions, arguments ----

sql($node, q{
	CREATE TABLE lost (id int, v twin.encrypted_text(doomed));
	INSERT INTO lost SELECT i, 'lost' FROM generate_series(1, 5) i});
rotate('doomed');
sql($node, q{INSERT INTO lost SELECT i, 'kept' FROM generate_series(6, 9) i; SELECT twin.destroy_key('doomed', 1)});
rotate('doomed');
($out, $err) = ('', '');
$node->psql('postgres', q{CALL twin.reencrypt_column('lost', 'v')}, stderr => \$err);
like($err, qr/WARNING:  5 values lie under destroyed key versions/, 'values of a destroyed version are counted and left');
is(sql($node, q{SELECT string_agg(v::text, ',') FROM lost WHERE id > 5}), 'kept,kept,kept,kept', 'the others are done');
sql($node, q{
	CREATE TABLE parted (id int, v twin.encrypted_text(pii)) PARTITION BY RANGE (id);
	CREATE TABLE parted1 (v twin.encrypted_text(pii), id int);
	ALTER TABLE parted ATTACH PARTITION parted1 FOR VALUES FROM (0) TO (100);
	CREATE TABLE parted2 PARTITION OF parted FOR VALUES FROM (100) TO (200);
	INSERT INTO parted SELECT i, 'p' || i FROM generate_series(1, 199) i;
	CREATE UNLOGGED TABLE parent (v twin.encrypted_text(pii)); CREATE TABLE child (more int) INHERITS (parent);
	INSERT INTO parent VALUES ('a'); INSERT INTO child VALUES ('b', 1);
	CREATE TABLE empty (v twin.encrypted_text(pii))});
rotate('pii');
sql($node, "CALL twin.reencrypt_column('$_', 'v', 7)") foreach qw(parted parent empty);
is(sql($node, q{SELECT count(DISTINCT version), sum("values") FROM twin.key_census('parted') WHERE key_name = 'pii'}), '1|199', 'partitions with columns in another order');
is(sql($node, q{SELECT count(*) FROM parted WHERE v::text = 'p' || id}), '199', 'keep their values');
is(sql($node, q{SELECT string_agg(v::text, '') FROM parent}), 'ab', 'children are done, too');
fails_with($node, "CALL twin.reencrypt_column($_->[0])", $_->[1], $_->[2], "refused: $_->[0]")
  foreach [ q{'live', 'n'}, '42809', 'not of an encrypted type' ], [ q{'live', 'none'}, '42703', 'does not exist' ], [ q{NULL, 'n'}, '42P01', 'no such table' ],
  [ q{'live', 'email', 0}, '22023', '1 to 1000000' ], [ q{'live', 'email', 10, 0}, '22023', 'at least 1 row' ], [ q{'twin.keys', 'state'}, '42809', 'is not a table' ];
fails_with($node, q{CALL twin.reencrypt_column('lost', 'v')}, '42501', 'must be owner', 'only the owner', user => 'owner');
fails_with($node, q{BEGIN; CALL twin.reencrypt_column('live', 'email')}, '25001', 'cannot run inside a transaction', 'not inside a transaction');

done_testing();
