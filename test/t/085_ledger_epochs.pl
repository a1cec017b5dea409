# The audit log goes on with the same tree after dump and restore, pg_upgrade and promotion, under a new name whose first
# leaf holds the last checkpoint; what was recorded while the dump was being restored is sealed, too; a standby writes nothing.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep);

my $key = new_key();
my $conf = "twin_security.checkpoint_interval = 1s\nmax_prepared_transactions = 2\n";
my $node = new_node('primary', allows_streaming => 1, conf => $conf);
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE TABLE units (id integer PRIMARY KEY, name text);
	SELECT twin.audit_table('units');
	INSERT INTO units SELECT i, 'unit' FROM generate_series(1, 300) i;
	SELECT twin.record_event('early') FROM generate_series(1, 300)});

sub settle
{
	my ($where, $db) = @_;
	return comes_true($where, q{SELECT s.ring_fill = 0 AND s.emitted = s.written + s.dropped AND s.seal_lag = '0' AND s.sealed = c.size AND c.size > 1
		FROM twin.stat_audit s, twin_internal.checkpoints c ORDER BY c.size DESC LIMIT 1}, db => $db);
}
my $whole = q{SELECT ok, checked = (SELECT size FROM twin_internal.ledger_state), coalesce(reason, '') FROM twin.verify_audit_log()};
my $epochs = q{SELECT string_agg(epoch || ' ' || reason, ', ' ORDER BY epoch) FROM twin_internal.epochs};
# the epoch's first leaf, and whether the checkpoint in it is the newest of before
my $beginning = q{SELECT a.event_type, a.details ->> 'reason', a.details ->> 'size' = e.first_leaf::text,
	a.details ->> 'checkpoint' || chr(8212) || ' ' || (a.details ->> 'signature') || E'\n' = (SELECT convert_from(c.note, 'UTF8') FROM twin_internal.checkpoints c WHERE c.epoch < e.epoch ORDER BY c.size DESC LIMIT 1)
	FROM twin_internal.epochs e, twin.audit_leaves(e.first_leaf, e.first_leaf) l JOIN twin.audit_log a USING (event_id) ORDER BY e.epoch DESC LIMIT 1};
my $key_of = q{SELECT split_part(twin.audit_public_key(), '+', 3)};

ok(settle($node), 'a log');
# (each session that comes to ask makes the tree grow)
my $checkpoint = sql($node, 'SELECT twin.audit_checkpoint()');
my $size = (split /\n/, $checkpoint)[1];
my $leaves = "SELECT md5(string_agg(leaf_index || ' ' || event_id || ' ' || leaf::text, ',' ORDER BY leaf_index)) FROM twin.audit_leaves(0, $size - 1)";
my $leaves_were = sql($node, $leaves);
my $public = sql($node, $key_of);
is(sql($node, $epochs), '1 created', 'in its first epoch');

# ---- dump and restore ----

my $files = PostgreSQL::Test::Utils::tempdir();
my $from = "-d '" . $node->connstr('postgres') . "'";
my $psql = 'psql -X -q -v ON_ERROR_STOP=1';
my %ways = (
	plain => "pg_dump $from | $psql TO",
	single => "pg_dump $from | $psql -1 TO",
	custom => "pg_dump -Fc $from -f $files/custom && pg_restore -e -j2 TO $files/custom",
	separate => "pg_dump -s $from | $psql TO && sleep 4 && pg_dump -a $from | $psql TO");
foreach my $how (sort keys %ways)
{
	my @db = (db => $how);
	sql($node, "CREATE DATABASE $how");
	my $to = "-d '" . $node->connstr($how) . "'";
	is(run_pipe($ways{$how} =~ s{\bTO\b}{$to}gr), '', "$how: dump and restore without a word");
	ok($node->poll_query_until($how, 'SELECT count(*) = 2 FROM twin_internal.epochs'), "$how: an epoch begins");
	is(sql($node, $epochs, @db), '1 created, 2 restored', "$how: once");
	ok(settle($node, $how), "$how: the log goes on");
	is(sql($node, $leaves, @db), $leaves_were, "$how: the leaves are the same");
	is(sql($node, $beginning, @db), 'audit_epoch|restored|t|t', "$how: the epoch's first leaf holds the last checkpoint");
	is(sql($node, "SELECT convert_from(note, 'UTF8') FROM twin_internal.checkpoints WHERE size = $size", @db), $checkpoint, "$how: which is there");
	is(sql($node, $key_of, @db), $public, "$how: under the same key");
	isnt(sql($node, q{SELECT split_part(twin.audit_checkpoint(), E'\n', 1)}, @db), (split /\n/, $checkpoint)[0], "$how: and another name");
	sql($node, q{INSERT INTO units VALUES (1000, 'restored'); SELECT twin.record_event('late')}, @db);
	ok(settle($node, $how), "$how: it records");
	is(sql($node, $whole, @db), 't|t|', "$how: and the log is whole");
	is(sql($node, q{SELECT count(*) = count(DISTINCT event_id) FROM twin.audit_log}, @db), 't', "$how: every event has its own id");
	is(sql($node, "SELECT ok FROM (SELECT twin.consistency_proof($size, size) IS NOT NULL AS ok FROM twin_internal.ledger_state) p", @db), 't', "$how: it is the same tree that grew");
}
is(sql($node, q{SELECT ok FROM twin.verify_audit_log()}), 't', 'the source goes on');

# a dump of what is sealed in part: the rest is sealed in the new epoch
sql($node, 'CREATE DATABASE partial');
{
	my $locker = $node->background_psql('postgres');
	lock_log($locker, 'ledger_state', 'EXCLUSIVE');
	sql($node, q{INSERT INTO units SELECT i, 'unsealed' FROM generate_series(2000, 2100) i});
	my $to = "-d '" . $node->connstr('partial') . "'";
	run_pipe("pg_dump $from | $psql $to");
	$locker->query_safe('COMMIT');
	$locker->quit;
}
ok(settle($node, 'partial'), 'partial: the log goes on');
is(sql($node, $whole, db => 'partial'), 't|t|', 'partial: and is whole');
is(sql($node, q{SELECT count(*) FROM twin.audit_log a JOIN twin.audit_leaves(0, 100000) l USING (event_id) WHERE a.new ->> 'name' = 'unsealed'}, db => 'partial'), '101',
	'partial: with what had not been sealed');
sql($node, "DROP DATABASE $_") foreach keys %ways, 'partial';

# ---- a standby, and its promotion ----

settle($node);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
start_with($standby, $key);
sql($node, q{INSERT INTO units VALUES (5000, 'replicated')});
settle($node);
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is(sql($standby, $whole), 't|t|', 'on a standby the log can be verified');
my $replicated = sql($standby, 'SELECT twin.audit_checkpoint()');
is(sql($node, q{SELECT convert_from(note, 'UTF8') FROM twin_internal.checkpoints WHERE size = } . (split /\n/, $replicated)[1]), $replicated, 'with the checkpoints of the primary');
like(sql($standby, 'SELECT (p).tree_size > 0 FROM (SELECT twin.inclusion_proof(event_id) AS p FROM twin.audit_leaves(5, 5)) x'), qr/^t$/, 'and proofs');
is(sql($standby, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'twin_security event%'"), '0', 'and nothing is written there');
my $open = $node->background_psql('postgres');
$open->query_safe(q{BEGIN; INSERT INTO units VALUES (6000, 'never committed')});
sql($node, q{INSERT INTO units VALUES (6001, 'just committed')});
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$node->stop('immediate');
eval { $open->quit };
$standby->promote;
ok($standby->poll_query_until('postgres', q{SELECT count(*) = 2 FROM twin_internal.epochs}), 'after promotion an epoch begins');
ok(settle($standby), 'the log goes on');
is(sql($standby, $epochs), '1 created, 2 promoted', 'once');
is(sql($standby, $beginning), 'audit_epoch|promoted|t|t', "the epoch's first leaf holds the last checkpoint");
is(sql($standby, $whole), 't|t|', 'the log is whole');
is(sql($standby, q{SELECT count(*) FROM twin.audit_log a JOIN twin.audit_leaves(0, 100000) l USING (event_id) WHERE a.new ->> 'name' LIKE '% committed'}), '1',
	'what committed last is sealed, once');
restart_with($standby, $key);
sql($standby, q{SELECT twin.record_event('later')});
ok(settle($standby), 'and goes on after a restart');
is(sql($standby, 'SELECT count(*) FROM twin_internal.epochs'), '2', 'in the same epoch');
$standby->stop;

# ---- pg_upgrade: another cluster, the same tables ----

my $upgraded = new_node('upgraded', conf => $conf);
start_with($node, $key);
ok(settle($node), 'the primary goes on by itself');
is(sql($node, $whole), 't|t|', 'and is whole');
$node->stop;
{
	local $ENV{ENCRYPTION_KEY} = $key;
	my $bin = $node->config_data('--bindir');
	chdir $files;
	my $next = sub { my ($id) = run_command([ 'pg_controldata', $node->data_dir ]); return $id =~ /NextXID: *(\S+)/ ? $1 : 'none' };
	my $before = $next->();
	command_ok([ 'pg_upgrade', '-N', '-b', $bin, '-B', $bin, '-d', $node->data_dir, '-D', $upgraded->data_dir,
		'-p', $node->port, '-P', $upgraded->port, '-s', $node->host ], 'pg_upgrade');
	# the new cluster goes on from there; what the old one gave out meanwhile would be given out twice
	is($next->(), $before, 'pg_upgrade: nobody took a transaction id of the old cluster');
}
start_with($upgraded, $key);
ok($upgraded->poll_query_until('postgres', q{SELECT count(*) = 2 FROM twin_internal.epochs}), 'pg_upgrade: an epoch begins by itself');
ok(settle($upgraded), 'pg_upgrade: the log goes on');
is(sql($upgraded, $leaves), $leaves_were, 'pg_upgrade: the leaves are the same');
is(sql($upgraded, $beginning), 'audit_epoch|restored|t|t', "pg_upgrade: the epoch's first leaf holds the last checkpoint");
is(sql($upgraded, $whole), 't|t|', 'pg_upgrade: and the log is whole');
$upgraded->stop;
done_testing();
