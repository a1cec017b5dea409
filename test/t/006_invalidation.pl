# What one session changes about keys and grants is in force in every other at once: in the next statement, in an open
# transaction, and (preloaded) in a statement that is already running; on a standby as soon as the change arrives there.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TwinTest;

my $key = new_key();
my $primary = new_node('primary', allows_streaming => 1,
	conf => "max_connections = 30\nshared_buffers = 16MB\nmax_prepared_transactions = 2\n");
start_with($primary, $key, undef, MALLOC_PERTURB_ => 165);
sql($primary, q{
	CREATE EXTENSION twin_security;
	SELECT twin.create_key(k) FROM unnest('{pii,doomed,brief}'::text[]) k;
	CREATE ROLE reader LOGIN; CREATE ROLE readers; CREATE ROLE member LOGIN; GRANT readers TO member;
	SELECT twin.grant_key(k, r, p) FROM unnest('{main,pii,doomed,brief,environment}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p,
		unnest('{reader,readers,postgres}'::regrole[]) r;
	CREATE TABLE t (id int, v twin.encrypted_text(main), e twin.encrypted_text_eq(pii), d twin.encrypted_text(doomed),
		b twin.encrypted_text(brief));
	INSERT INTO t SELECT i, 'v' || i, 'e' || i, 'd' || i, 'b' || i FROM generate_series(1, 200) i;
	CREATE INDEX ON t (e);
	GRANT ALL ON t TO reader, readers});
my $a = $primary->background_psql('postgres', on_error_stop => 0);
my %session = map { $_ => $primary->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', $_ ]) } qw(reader member);
my $b = $session{reader};
$a->query_safe('SET client_min_messages = warning');
my $open = 'SELECT v::text FROM t WHERE id = 1';
my $revoke = "SELECT twin.revoke_key('main', 'reader', 'decrypt')";
my $grant = "SELECT twin.grant_key('main', 'reader', 'decrypt')";
my $armor = sql($primary, 'SELECT v FROM t WHERE id = 1');
my $whole = sql($primary, "SELECT twin.encrypt_data('whole')");

# ---- the next statement ----

is($b->query_safe($open), 'v1', 'the reader reads');
$a->query_safe($revoke);
session_fails($b, $open, '42501', 'a revocation is in force in the next statement');
$a->query_safe($grant);
is($b->query_safe($open), 'v1', 'so is a grant');
$a->query_safe("SELECT twin.create_key('fresh'); SELECT twin.grant_key('fresh', 'reader', 'encrypt')");
like($b->query_safe("SELECT 'x'::text::twin.encrypted_text(fresh)"), qr/^tsec1:/, 'and a new key');

# ---- an open transaction ----

my %in_transaction = (
	'reading a table' => $open,
	'opening a constant' => "SELECT ('$armor'::twin.encrypted_text(main))::text",
	'a prepared statement' => 'EXECUTE p',
	'a cursor' => 'FETCH c');
foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	foreach my $what (sort keys %in_transaction)
	{
		$b->query_safe("BEGIN ISOLATION LEVEL $level; PREPARE p AS $open; DECLARE c CURSOR FOR SELECT v::text FROM t");
		like($b->query_safe($in_transaction{$what}), qr/^v1$/, "$level, $what: before");
		$a->query_safe($revoke);
		session_fails($b, $in_transaction{$what}, '42501', "$level, $what: refused in the same transaction");
		$b->query_safe('ROLLBACK; DEALLOCATE p');
		$a->query_safe($grant);
	}
}
$b->query_safe('BEGIN');
is($b->query_safe("SELECT twin.decrypt_data('$whole')"), 'whole', 'a whole value opens');
$a->query_safe("SELECT twin.revoke_key('environment', 'reader', 'decrypt')");
session_fails($b, "SELECT twin.decrypt_data('$whole')", '42501', 'and is refused in the same transaction');
$b->query_safe('ROLLBACK');

# ---- what was rolled back ----

$a->query_safe("BEGIN; $revoke");
is($b->query_safe($open), 'v1', 'an uncommitted revocation has no effect');
$a->query_safe('ROLLBACK');
is($b->query_safe($open), 'v1', 'nor has one that was rolled back');
my $own = "SELECT twin.revoke_key('main', 'postgres', 'decrypt')";
$a->query_safe("BEGIN; SAVEPOINT s; $own");
session_fails($a, $open, '42501', 'the session that revokes sees it at once');
$a->query_safe('ROLLBACK TO s');
is($a->query_safe($open), 'v1', 'and no longer after ROLLBACK TO');
$a->query_safe("ROLLBACK; BEGIN; $revoke; PREPARE TRANSACTION 'revocation'");
$b->query_safe('BEGIN');
is($b->query_safe($open), 'v1', 'a prepared transaction has no effect yet');
$a->query_safe("COMMIT PREPARED 'revocation'");
session_fails($b, $open, '42501', 'COMMIT PREPARED brings it');
$b->query_safe('ROLLBACK');
$a->query_safe($grant);

# ---- role membership ----

my $m = $session{member};
is($m->query_safe($open), 'v1', 'a member of a granted role reads');
foreach my $change (
	[ 'REVOKE readers FROM member', 'GRANT readers TO member' ],
	[ 'ALTER ROLE member NOINHERIT', 'ALTER ROLE member INHERIT' ])
{
	foreach my $what ('reading a table', 'opening a constant')
	{
		$m->query_safe("BEGIN; $in_transaction{$what}");
		$a->query_safe($change->[0]);
		session_fails($m, $in_transaction{$what}, '42501', "$change->[0]: in force in an open transaction, $what");
		$m->query_safe('ROLLBACK');
		session_fails($m, $in_transaction{$what}, '42501', "$change->[0]: in force in the next, $what");
		$a->query_safe($change->[1]);
		is($m->query_safe($in_transaction{$what}), 'v1', "$change->[1]: in force at once, $what");
	}
}

# ---- a running statement ----

# Starts a scan of 40 seconds that opens a value every half of one, runs SQL meanwhile; returns its error and duration.
sub cut
{
	my ($sql, $column, $name) = @_;
	my $scan = "SELECT $column\:\:text, pg_sleep(0.5) FROM t WHERE id <= 80";
	my $start = time;
	my $run = IPC::Run::start([ 'psql', '-X', '-o', '/dev/null', '-v', 'VERBOSITY=sqlstate', '-c', $scan,
			$primary->connstr('postgres') . ' user=reader' ], '>', \my $out, '2>', \my $err);
	$primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
		WHERE wait_event = 'PgSleep' AND usename = 'reader'}) or die;
	$a->query_safe($_) foreach ref $sql ? @$sql : $sql;
	$run->finish;
	is_soon($start, "$name: a running statement is cut");
	return $err;
}
like(cut($revoke, 'v', 'revoke_key'), qr/42501/, 'with 42501');
$a->query_safe($grant);
my @prepared = ('BEGIN', $revoke, "PREPARE TRANSACTION 'cut'", "COMMIT PREPARED 'cut'");
like(cut(\@prepared, 'v', 'revoke_key, in a prepared transaction'), qr/42501/, 'with 42501');
$a->query_safe($grant);
like(cut("SELECT twin.destroy_key('doomed')", 'd', 'destroy_key'), qr/TW102/, 'with TW102');

# ---- rotation, retirement, destruction ----

my $versions = "SELECT string_agg(version || ':' || \"values\", ' ' ORDER BY version) FROM twin.key_census('t') WHERE column_name = 'b'";
my $insert = "INSERT INTO t (b) VALUES ('new')";
$a->query_safe("SELECT twin.rotate_key('brief')");
$b->query_safe($insert);
is(sql($primary, $versions), '1:201', 'a published version seals nothing');
$b->query_safe('BEGIN');
$b->query_safe($insert);
$a->query_safe("SELECT twin.rotate_key('brief')");
$b->query_safe("$insert; COMMIT");
is(sql($primary, $versions), '1:202 2:1', 'a primary one does, in an open transaction as well');
my $held = $b->query_safe('SELECT b FROM t WHERE id = 2');
my $constant = "SELECT ('$held'::twin.encrypted_text(brief))::text";
$b->query_safe('BEGIN');
is($b->query_safe($constant), 'b2', 'values under the old version open');
$a->query_safe('UPDATE t SET b = NULL');
is($a->query_safe("SELECT twin.retire_key('brief', 1)"), '', 'the old version is retired');
session_fails($b, $constant, 'TW103', 'an armor somebody kept does not open any more, in an open transaction as well');
$b->query_safe('ROLLBACK');
session_fails($b, 'SELECT d::text FROM t WHERE id = 1', 'TW102', 'values under a destroyed key do not open');
session_fails($b, "INSERT INTO t (d) VALUES ('x')", 'TW102', 'and none are sealed under it');

# ---- many changes while others work ----

my $scripts = PostgreSQL::Test::Utils::tempdir();
append_to_file("$scripts/work", "INSERT INTO t (id, v, e) VALUES (5000, 'work', 'work' || :client_id) RETURNING v::text;\n"
	  . "SELECT e::text FROM t WHERE e = 'work' || :client_id LIMIT 1;\n");
append_to_file("$scripts/change", "SELECT twin.grant_key('pii', 'member', 'mask'); SELECT twin.revoke_key('pii', 'member', 'mask');\n");
my @pgbench = ('pgbench', '-n', '-T', 4, $primary->connstr('postgres'), '-f');
my $work = IPC::Run::start([ @pgbench, "$scripts/work", '-c', 4 ], '>&', \my $worked);
my $change = IPC::Run::start([ @pgbench, "$scripts/change" ], '>&', \my $changed);
ok($work->finish, 'sessions that seal, search and open go on while another grants and revokes all the time');
ok($change->finish, 'and so does that one');
is(sql($primary, q{SELECT count(v::text) = count(*) AND count(e::text) = count(*) FROM t WHERE e IS NOT NULL}), 't', 'everything opens');
$_->quit foreach $a, values %session;

# ---- a standby ----

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
start_with($standby, $key);
my @reader = (user => 'reader');
sub on_primary { sql($primary, $_[0]); return $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')) }

my $search = "SELECT id FROM t WHERE e = 'e7'";
is(sql($standby, "$open; $search", @reader), "v1\n7", 'a standby with the key opens values and finds literals');
is(sql($standby, "PREPARE p (text) AS SELECT id FROM t WHERE e = \$1; EXECUTE p ('e8')", @reader), '8', 'and parameters');
fails_with($standby, "SELECT twin.create_key('x')", '25006', 'read-only', 'it makes no keys');
$b = $standby->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'reader' ]);
$b->query_safe('BEGIN');
is($b->query_safe($open), 'v1', 'in an open transaction');
on_primary($revoke);
session_fails($b, $open, '42501', 'a revocation on the primary is in force on the standby');
$b->query_safe('ROLLBACK');
on_primary($grant);
$b->query_safe("BEGIN; $in_transaction{'opening a constant'}");
on_primary($revoke);
session_fails($b, $in_transaction{'opening a constant'}, '42501', 'also for a statement that touches no table');
$b->query_safe('ROLLBACK');
on_primary($grant);
is($b->query_safe($open), 'v1', 'so is a grant');
on_primary("SELECT twin.rotate_key('main'); SELECT twin.rotate_key('main'); INSERT INTO t (id, v) VALUES (1000, 'rotated')");
is($b->query_safe('SELECT v::text FROM t WHERE id = 1000'), 'rotated', 'and a rotation');
$b->quit;

restart_with($standby, undef);
is(sql($standby, 'SELECT v FROM t WHERE id = 1'), $armor, 'a standby without the key gives armor');
my $tagged = sql($primary, 'SELECT e FROM t WHERE id = 7');
is(sql($standby, "SELECT count(*) FROM t a JOIN t b USING (e) WHERE a.id = 7 AND a.e = '$tagged'"), '1', 'joins and compares it');
fails_with($standby, $open, '55000', 'ENCRYPTION_KEY is not set', 'opens nothing', @reader);
fails_with($standby, $search, '55000', 'ENCRYPTION_KEY is not set', 'and searches no plaintext', @reader);
restart_with($standby, new_key());
fails_with($standby, $open, 'TW101', 'wrong key', 'one with another key says so', @reader);

restart_with($standby, $key);
$b = $standby->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'reader' ]);
is($b->query_safe($search), '7', 'with the key again');
my $counted = sql($primary, "SELECT sum(messages) FROM twin.keys WHERE key_name = 'main'");
$primary->stop;
$standby->promote;
$b->query_safe("INSERT INTO t (id, v, e) VALUES (2000, 'promoted', 'promoted')");
is($b->query_safe("SELECT v::text FROM t WHERE e = 'promoted'"), 'promoted', 'after promotion a session that was there before seals');
is(sql($standby, "SELECT sum(messages) > $counted FROM twin.keys WHERE key_name = 'main'"), 't', 'and counts on from where the primary was');
sql($standby, "SELECT twin.create_key('afterwards')");
$b->quit;

done_testing();
