# A revocation, a removed key and a rotation are in force at once in every session: in the next statement, in an open
# transaction of any isolation, in a statement that is already running; on a standby as soon as they arrive there.
# Dumps carry keys and revocations.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TwinTest;

my $key = new_key();
my $secret = 'the secret of these tokens is not of others';
my $primary = new_node('primary', allows_streaming => 1, conf => "max_prepared_transactions = 2\nmax_connections = 30\n");
start_with($primary, $key, undef, JWT_SECRET_KEY => $secret);
sql($primary, 'CREATE EXTENSION twin_security; CREATE ROLE reader LOGIN');
my $a = $primary->background_psql('postgres', on_error_stop => 0);
my $b = $primary->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'reader' ]);

my $count = 0;
sub token { my ($claims) = @_; $count++; return $a->query_safe("SELECT twin.issue_token('" . ($claims // qq({"user_id": $count})) . "')"); }
sub verify { my ($token) = @_; return "SELECT twin.verify_token('$token') IS NOT NULL"; }

# ---- the next statement, and an open transaction ----

foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my $token = token();
	$b->query_safe("BEGIN ISOLATION LEVEL $level; PREPARE p AS " . verify($token));
	is($b->query_safe('EXECUTE p'), 't', "$level: the token verifies");
	$a->query_safe("SELECT twin.revoke_token('$token')");
	session_fails($b, 'EXECUTE p', 'TW510', "$level: refused in the same transaction");
	$b->query_safe('ROLLBACK; DEALLOCATE p');
	session_fails($b, verify($token), 'TW510', "$level: and in the next");
}
foreach my $way ([ 'session', q({"user_id": 100, "sid": "s100"}), "twin_internal.revoke_session('s100')" ], [ 'user', q({"user_id": 101, "sid": "s101"}), "twin_internal.revoke_user('101')" ])
{
	my ($what, $claims, $call) = @$way;
	my $token = token($claims);
	my $other = token();
	$b->query_safe('BEGIN; ' . verify($token) . '; ' . verify($other));
	$a->query_safe("SELECT $call");
	is($b->query_safe(verify($other)), 't', "a $what: another's token stays");
	session_fails($b, verify($token), 'TW510', "a $what: refused in an open transaction");
	$b->query_safe('ROLLBACK');
}

# ---- what is not committed, and what is rolled back ----

my $token = token();
$b->query_safe(verify($token));
$a->query_safe("BEGIN; SELECT twin.revoke_token('$token')");
session_fails($a, verify($token), 'TW510', 'whoever revokes sees it at once');
is($b->query_safe(verify($token)), 't', 'nobody else before it is committed');
$a->query_safe('ROLLBACK');
is($a->query_safe(verify($token)), 't', 'rolled back, nobody');
$a->query_safe("BEGIN; SELECT twin.revoke_token('$token'); PREPARE TRANSACTION 'revocation'");
is($b->query_safe(verify($token)), 't', 'a prepared transaction has no effect yet');
$a->query_safe("COMMIT PREPARED 'revocation'");
session_fails($b, verify($token), 'TW510', 'COMMIT PREPARED brings it');

# ---- a statement that is already running ----

$token = token();
$b->query_safe('SET statement_timeout = 20000');
my $running = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $primary->connstr('postgres'), '-U', 'reader', '-c',
		qq{DO \$\$ DECLARE n int := 0; BEGIN LOOP PERFORM twin.verify_token('$token'); n := n + 1; PERFORM pg_sleep(0.005); EXIT WHEN n > 4000; END LOOP; END \$\$} ],
	'>', \my $running_out, '2>', \my $running_err);
$primary->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'reader' AND state = 'active' AND query LIKE 'DO%'");
sleep 0.2;
$a->query_safe("SELECT twin.revoke_token('$token')");
$running->finish;
like($running_err, qr/the token has been revoked/, 'a loop that was running is refused');

# ---- keys ----

my $by_environment = token();
my $kid = $a->query_safe("SELECT twin.create_signing_key('EdDSA')");
$a->query_safe("SELECT twin.use_signing_key('$kid')");
my $by_key = token();
is($b->query_safe(verify($by_environment)), 't', 'what the key before signed goes on verifying');
is($b->query_safe(verify($by_key)), 't', 'and so does the new key, without a restart');
$a->query_safe('SET client_min_messages = warning; SELECT twin.rotate_signing_key(); SELECT twin.rotate_signing_key()');
my $by_next = token();
my $by_next_too = token();
is($b->query_safe(verify($by_key)), 't', 'also after the next rotation');
$b->query_safe('BEGIN ISOLATION LEVEL SERIALIZABLE; ' . verify($by_key));
$a->query_safe("SELECT twin.retire_signing_key('$kid')");
session_fails($b, verify($by_key), 'TW505', 'a retired key refuses at once, in an open transaction');
$b->query_safe('ROLLBACK');
is($b->query_safe(verify($by_next)), 't', 'the others stay');

# ---- a standby ----

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
start_with($standby, $key, undef, JWT_SECRET_KEY => $secret);
my $s = $standby->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'reader' ]);
is($s->query_safe(verify($by_environment)), 't', 'a standby verifies by the environment');
is($s->query_safe(verify($by_next)), 't', 'and by a key of the table');
session_fails($s, verify($by_key), 'TW505', 'it knows what is retired');
session_fails($s, verify($token), 'TW510', 'and what is revoked');
$s->query_safe('BEGIN; ' . verify($by_environment));
$a->query_safe("SELECT twin.revoke_token('$by_environment')");
$primary->wait_for_catchup($standby);
session_fails($s, verify($by_environment), 'TW510', 'a revocation arrives in an open transaction of the standby');
$s->query_safe('ROLLBACK');
fails_with($standby, "SELECT twin.revoke_token('$by_next')", '25006', 'read-only', 'it revokes nothing itself');
$standby->stop;

# ---- a session whose first look meets the commit of a change ----

# It looks for the relation that carries the news while pg_class is locked, and is past having read the old state.
{
	my $raced = sql($primary, q{SELECT twin.issue_token('{"user_id": "racer", "sid": "race"}')});
	my $late = $primary->background_psql('postgres', on_error_stop => 0);
	$late->query_safe(qq{SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; PREPARE v AS SELECT twin.verify_token('$raced') IS NOT NULL;
		SELECT count(*) FROM twin_internal.token_keys, twin_internal.revocations, twin_internal.installation, twin_internal.wrapped_secrets;
		SELECT count(*) FROM twin_internal.revocations WHERE name >= 's:' AND name < 's;'; EXPLAIN EXECUTE v});
	foreach my $name ('token_keys', 'revocations', 'revocations_pkey', 'revocations_name_hash', 'installation', 'wrapped_secrets') { $late->query_safe("SELECT 'twin_internal.$name'::regclass") }
	my $changer = $primary->background_psql('postgres');
	$changer->query_safe(q{BEGIN; SELECT twin_internal.revoke_session('race'); LOCK pg_class IN ACCESS EXCLUSIVE MODE});
	$late->query_until(qr/begun/, "\\echo begun\nEXECUTE v;\n");
	sleep 1;
	$changer->query_safe('COMMIT');
	$changer->quit;
	$late->query('SELECT 1');
	$late->{stderr} = '';
	session_fails($late, 'EXECUTE v', 'TW510', 'what it read before the commit does not stay');
	$late->quit;
}

# ---- what an administrator did ----

events_written($primary);
is(sql($primary, q{SELECT string_agg(DISTINCT event_type || ' ' || outcome, ', ' ORDER BY event_type || ' ' || outcome) FROM twin.audit_log WHERE event_type LIKE 'token%' AND outcome = 'success'}),
	'token_key_created success, token_key_retired success, token_key_used success, token_revoked success', 'is recorded');

# ---- a dump ----

$a->query_safe(q(SELECT twin.add_verification_key('{"kty":"oct","alg":"HS256","kid":"theirs","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}', 'them', 'us', '{"roles": ["viewer"], "leeway": 3}')));
$a->query_safe("SELECT twin.revoke_token('$by_next_too')");
my $state = q{SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (SELECT k::text FROM twin_internal.token_keys k UNION ALL SELECT r::text FROM twin_internal.revocations r
	UNION ALL SELECT s::text FROM twin_internal.wrapped_secrets s) y (x)};
my $was = $a->query_safe($state);
my %ways = (
	plain => 'pg_dump FROM | psql -X -q -v ON_ERROR_STOP=1 TO',
	parallel => "pg_dump -Fd -j2 FROM -f DIR/d && pg_restore -j3 TO DIR/d",
	separate => 'pg_dump -s FROM | psql -X -q -v ON_ERROR_STOP=1 TO && pg_dump -a FROM | psql -X -q -v ON_ERROR_STOP=1 TO');
foreach my $how (sort keys %ways)
{
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my ($from, $to) = map { "-d '" . $primary->connstr($_) . "'" } 'postgres', $how;
	sql($primary, "CREATE DATABASE $how");
	run_pipe($ways{$how} =~ s/\bFROM\b/$from/gr =~ s/\bTO\b/$to/gr =~ s/\bDIR\b/$dir/gr);
	is(sql($primary, $state, db => $how), $was, "$how: keys, secrets and revocations are the same");
	is(sql($primary, verify($by_next), db => $how), 't', "$how: a token of before verifies");
	fails_with($primary, verify($by_next_too), 'TW510', 'revoked', "$how: a revoked one does not", db => $how);
	fails_with($primary, verify($by_environment), 'TW505', 'no key', "$how: one signed by the environment's secret is of the other database", db => $how);
	ok(length sql($primary, q{SELECT twin.issue_token('{}')}, db => $how) > 100, "$how: and the signing key signs");
	is(sql($primary, "SELECT count(*) FROM twin.verification_keys WHERE kid = 'theirs' AND issuer = 'them'", db => $how), '1', "$how: the outside key is there");
}
sql($primary, "ALTER DATABASE plain SET twin_security.token_audience = 'plain'");
fails_with($primary, verify($by_next), 'TW513', 'another audience', 'a database of another audience refuses the tokens of this one', db => 'plain');
$_->quit foreach $a, $b;
$primary->stop;

done_testing();
