# Converting a column of a live table: while clients write and read, with crashes at many moments, and what of the
# plaintext is left on disk afterwards, on the primary and on a standby.
use strict;
use warnings;
use IPC::Run qw(start finish pump timeout);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use TwinTest;

my $key = new_key();
my $node = new_node('convert', allows_streaming => 1,
	conf => "max_worker_processes = 16\nfsync = off\nrestart_after_crash = on\nmax_connections = 40\nwal_keep_size = 1GB");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii');
	SELECT twin.grant_key('pii', current_user::regrole, p) FROM unnest('{encrypt,decrypt}'::text[]) p;
	CREATE TABLE live (id int PRIMARY KEY, email text NOT NULL UNIQUE, note text, n int NOT NULL DEFAULT 0);
	CREATE TABLE log (at bigserial, id int, email text, note text);
	INSERT INTO live SELECT i, 'old' || i, CASE WHEN i % 3 = 0 THEN repeat('note' || i, 900) WHEN i % 3 = 1 THEN 'note' || i END FROM generate_series(1, 3000) i;
	INSERT INTO log (id, email, note) SELECT id, email, note FROM live});

# ---- clients ----

# Every change of live is written down in log, in the same transaction.  Both forms of the column take the same text.
my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/insert", q{\set id :client_id * 1000000 + random(10000, 900000)
BEGIN;
WITH new AS (INSERT INTO live (id, email, note) VALUES (:id, 'new' || :id, repeat('n' || :id, :id % 700)) ON CONFLICT (id) DO NOTHING RETURNING id)
INSERT INTO log (id, email, note) SELECT id, 'new' || :id, repeat('n' || :id, :id % 700) FROM new;
COMMIT;
});
append_to_file("$folder/update", q{\set id random(1, 3000)
\set to random(1, 1000000000)
BEGIN;
WITH new AS (UPDATE live SET email = 'upd' || :id || '-' || :to, note = CASE WHEN :to % 2 = 0 THEN repeat('u' || :to, 500) END WHERE id = :id RETURNING id)
INSERT INTO log (id, email, note) SELECT id, 'upd' || :id || '-' || :to, CASE WHEN :to % 2 = 0 THEN repeat('u' || :to, 500) END FROM new;
COMMIT;
});
append_to_file("$folder/other", q{\set id random(1, 3000)
UPDATE live SET n = n + 1 WHERE id = :id;
});
append_to_file("$folder/delete", q{\set id random(1, 3000)
BEGIN;
WITH old AS (DELETE FROM live WHERE id = :id AND :id % 5 = 0 RETURNING id) INSERT INTO log (id) SELECT id FROM old;
COMMIT;
});
# a snapshot sees the same twice, and never an empty column that must not be empty
append_to_file("$folder/read", q{BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS a, sum(hashtext(email::text)) AS s, sum(hashtext(note::text)) AS t FROM live \gset one_
SELECT 1 / (count(*) = :one_a AND sum(hashtext(email::text)) = :one_s AND sum(hashtext(note::text)) = :one_t)::int FROM live;
COMMIT;
});

my $compare = q{
	WITH want AS (SELECT DISTINCT ON (id) id, email, note FROM log ORDER BY id, at DESC)
	SELECT count(*) FROM (SELECT * FROM want WHERE email IS NOT NULL) w FULL JOIN live l USING (id)
	WHERE (w.email, coalesce(w.note, '')) IS DISTINCT FROM (l.email::text, coalesce(l.note::text, ''))};

sub run_clients
{
	my ($seconds) = @_;
	my %clients = (out => '', err => '');
	$clients{run} = start([ 'pgbench', '-n', '-c', 4, '-j', 1, '-T', $seconds, '-R', 400, '-h', $node->host, '-p', $node->port,
			map({ ('-f', "$folder/$_") } 'insert@6', 'update@8', 'other@8', 'delete@1', 'read@1'), 'postgres' ], '>', \$clients{out}, '2>', \$clients{err});
	return \%clients;
}

my $clients = run_clients(300);
my $began = time;
sql($node, q{CALL twin.encrypt_column('live', 'email', 'pii', true, 50, 1500)});
my $between = time - $began;
sql($node, q{CALL twin.encrypt_column('live', 'note', 'pii', false, 100)});
note sprintf '%.1f s, %.1f s', $between, time - $began - $between;
comes_true($node, 'SELECT count(*) > 4000 FROM log');
$clients->{run}->signal('ALRM');    # as if their time were over
finish($clients->{run});
ok(time - $began < 250, 'both columns are converted while the clients work');
is($clients->{err} =~ s/^pgbench:.*progress.*\n//mgr, '', 'no client fails') or diag($clients->{out});
like($clients->{out}, qr/number of failed transactions: 0 /, 'and no transaction');
cmp_ok(sql($node, 'SELECT count(*) FROM log'), '>', 4000, 'they have written something');
is(sql($node, $compare), '0', 'every row holds what was last written');
is(sql($node, q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'live'::regclass AND NOT attisdropped AND attnum > 0 AND atttypid::regtype::text LIKE 'twin.%'}), '2', 'in encrypted columns');
fails_with($node, q{INSERT INTO live (id, email) SELECT -1, email::text FROM live LIMIT 1}, '23505', 'live_email_key', 'the unique constraint holds');
fails_with($node, 'INSERT INTO live (id) VALUES (-1)', '23502', 'null value', 'and NOT NULL');

# ---- crashes ----

my $canary = canary();
my @canaries = map { "$canary$_" } qw(Row Toast Gone Missing Stat);
sql($node, qq{
	CREATE TABLE crash (id int PRIMARY KEY, filler text);
	INSERT INTO crash SELECT i, 'f' || i FROM generate_series(1, 400) i;
	ALTER TABLE crash ADD secret text NOT NULL DEFAULT '${canary}Missing';
	CREATE INDEX crash_secret ON crash USING hash (secret);
	ALTER TABLE crash ALTER secret SET STORAGE external, ALTER secret SET DEFAULT '${canary}Default';
	INSERT INTO crash SELECT i, 'f' || i, CASE i % 4 WHEN 0 THEN repeat('${canary}Toast', 200) || i WHEN 1 THEN '${canary}Gone' WHEN 2 THEN '${canary}Stat' ELSE '${canary}Row' || i END
		FROM generate_series(401, 4000) i;
	ANALYZE crash;
	DELETE FROM crash WHERE secret = '${canary}Gone';
	UPDATE crash SET filler = 'again' WHERE id % 7 = 0;
	CREATE TABLE want AS SELECT id, secret FROM crash WHERE false;
	CREATE TABLE hashes AS SELECT id, md5(secret) AS hash FROM crash;
	CHECKPOINT});
my $data = $node->data_dir;
isnt(files_holding($_, "$data/base"), '', "$_ is on disk before") foreach @canaries;
# defaults are stored as lists of bytes
my $listed = join ' ', unpack 'C*', "${canary}Default";
sub files_listing { return join ' ', grep { index(file_bytes($_), $listed) >= 0 } glob "$_[0]/base/*/*"; }
isnt(files_listing($data), '', 'so is the default');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('follower');
$standby->init_from_backup($node, 'base', has_streaming => 1);
start_with($standby, $key);

my $call = q{CALL twin.encrypt_column('crash', 'secret', 'pii', true, 20, 900)};

# Runs the command in a session of its own; when it has been in a phase for some seconds, kills its backend, or all of the
# server.  Whether it was killed, and not at its end before.
sub call_and_kill
{
	my ($phase, $after, $whole) = @_;
	my $watch = $node->background_psql('postgres');
	my ($out, $err, $pid, $since) = ('', '');
	my $run = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \"$call;\nSELECT 'ended';\n", '>', \$out, '2>', \$err, timeout($PostgreSQL::Test::Utils::timeout_default));
	while ($out !~ /ended/)
	{
		my $seen = $watch->query(qq{SELECT pid FROM twin.stat_progress WHERE command = '$phase'});
		$since //= time if $seen;
		$pid ||= $seen;
		last if $since && time - $since >= $after;
		$run->pump_nb;
		usleep(1000);
	}
	my @victims = $out =~ /ended/ ? () : $whole ? children_of($node) : $pid;
	my $log_from = -s $node->logfile;
	kill 'KILL', @victims;
	eval { finish($run) };
	eval { $watch->{run}->kill_kill };
	return 0 unless @victims;
	if ($whole)
	{
		for (my $tries = 0; $tries < 6000 && grep({ kill 0, $_ } @victims); $tries++) { usleep(10_000); }
		unlink "$data/postmaster.pid";
		$node->_update_pid(0);
		start_with($node, $key);
	}
	else
	{
		$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_from);
		$node->poll_query_until('postgres', 'SELECT true') or die 'no restart';
	}
	is(sql($node, 'SELECT count(*) FROM crash c JOIN hashes h USING (id) WHERE md5(c.secret::text) IS DISTINCT FROM h.hash'), '0',
		($whole ? 'server' : 'backend') . " killed, $phase: the values are there");
	return 1;
}

ok(call_and_kill('encrypting', 0.1 + rand(0.5), $_ == 3), 'it was killed in the middle') foreach 1 .. 4;
my $filled = sql($node, 'SELECT count(*) FROM crash WHERE secret_sealed IS NOT NULL');
cmp_ok($filled, '>', 0, "what was done stays done: $filled");
# an open transaction keeps an index build waiting
foreach my $whole (0, 1)
{
	my $writer = $node->background_psql('postgres');
	$writer->query_safe(q{BEGIN; UPDATE crash SET filler = 'open' WHERE id = 1});
	ok(call_and_kill('building indexes', 0.3, $whole), 'killed while it builds an index');
	eval { $writer->{run}->kill_kill };
}
is(sql($node, q{SELECT count(*) FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE c.relname LIKE 'twin\_sealed%' AND NOT x.indisvalid}), '1', 'which is left half-built');
my $scrubs = 0;
for (1 .. 8) { $scrubs += call_and_kill('overwriting old values', 0, $_ % 2) if $scrubs < 2; }
cmp_ok($scrubs, '>', 0, "killed $scrubs times while it overwrites old values");
sql($node, $call);
is(sql($node, 'SELECT count(*) || \' \' || count(*) FILTER (WHERE md5(c.secret::text) = h.hash) FROM crash c FULL JOIN hashes h USING (id)'), '3100 3100', 'in the end every value is there');
is(sql($node, q{SELECT pg_get_indexdef('crash_secret'::regclass)}), 'CREATE INDEX crash_secret ON public.crash USING hash (secret)', 'with its index');
is(sql($node, "SET enable_seqscan = off; SELECT count(*) FROM crash WHERE secret = '${canary}Stat'"), '900', 'which finds them');
is(sql($node, q{SELECT count(*) FROM pg_class WHERE relname LIKE 'twin\_sealed%'}) . sql($node, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE '~%'}), '00', 'and nothing is left of the conversion');

# ---- waiting for others ----

my $second = canary();
sql($node, qq{CREATE TABLE late (id int, secret text); INSERT INTO late SELECT i, '$second' || i FROM generate_series(1, 500) i});
my $reader = $node->background_psql('postgres', on_error_stop => 0);
my $caller = $node->background_psql('postgres', on_error_stop => 0);
$reader->query_safe("BEGIN; DECLARE c CURSOR FOR SELECT * FROM pg_attrdef; FETCH 1 FROM c");
$reader->query_safe('SELECT txid_current()');
$caller->query_until(qr/begun/, qq{\\echo begun\nCALL twin.encrypt_column('late', 'secret', 'pii');\n});
$node->poll_query_until('postgres', q{SELECT command = 'waiting for old snapshots' FROM twin.stat_progress}) or die;
pass('that it waits for a transaction is seen in stat_progress');
is(sql($node, q{SELECT relation || ' ' || column_name FROM twin.stat_progress}), 'late secret', 'and on which table');
fails_with($node, q{CALL twin.encrypt_column('late', 'secret', 'pii')}, '55006', 'another session', 'another session is refused meanwhile');
fails_with($node, q{SELECT twin.cancel_encryption('late', 'secret')}, '55006', 'another session', 'giving up is, too');
$reader->query_safe('COMMIT');
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM twin.stat_progress') or die;
$_->quit foreach $reader, $caller;
sql($node, q{CALL twin.encrypt_column('late', 'secret', 'pii')});
is(sql($node, q{SELECT count(*) FROM late WHERE secret::text = '} . $second . q{' || id}), '500', 'then it goes on');

# ---- what is left on disk ----

sql($node, 'CHECKPOINT; CHECKPOINT');
is(files_holding($_, grep { -e } map { "$data/$_" } qw(base global pg_xact pg_stat pg_stat_tmp pg_twophase pg_logical pg_replslot)), '', "$_ is nowhere in tables and catalogs")
  foreach $canary, $second;
is(files_listing($data), '', 'nor is the default');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
sql($standby, 'CHECKPOINT');
is(files_holding($_, $standby->data_dir . '/base'), '', "$_ is in no file of the standby") foreach $canary, $second;
is(files_listing($standby->data_dir), '', 'nor is the default');
is(sql($standby, 'SELECT count(*) FROM crash c JOIN hashes h USING (id) WHERE md5(c.secret::text) = h.hash'), '3100', 'where the values are read as well');
isnt(files_holding($canary, "$data/pg_wal"), '', 'a stated limit: WAL holds the plaintext');
isnt(files_holding($canary, $node->backup_dir), '', 'and so do backups');
$standby->stop;
# what ends it: another segment, a checkpoint, and the removal of those before it, which the server does by itself when nothing keeps them
sql($node, 'SELECT pg_switch_wal(); CHECKPOINT');
run_pipe("pg_archivecleanup $data/pg_wal " . sql($node, q{SELECT redo_wal_file FROM pg_control_checkpoint()}));
# segments made beforehand for later use are old ones renamed
unlink grep { m{/([0-9A-F]{24})$} && $1 gt sql($node, 'SELECT pg_walfile_name(pg_current_wal_lsn())') } glob "$data/pg_wal/0*";
is(files_holding($canary, "$data/pg_wal"), '', 'another segment, a checkpoint, and the old segments removed: WAL holds it no more');

done_testing();
