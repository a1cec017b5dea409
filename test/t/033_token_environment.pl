# Where JWT_SECRET_KEY comes from: each malformed value has its own answer, a running server shows it nowhere, the one
# before it goes on verifying, and JWT_ACCESS_TOKEN_EXPIRES counts unless the setting says otherwise.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $secret = canary() . ' is the secret of tokens';    # 24 + 24 bytes of text
my $node = new_node('tokens');
my $issue = q{SELECT twin.issue_token('{"user_id": 7}')};
my $lifetime = q{SELECT (c->>'exp')::bigint - (c->>'iat')::bigint FROM twin.verify_token(twin.issue_token('{}')) c};

sub start_tokens { my (%more) = @_; return start_with($node, $key, undef, %more); }
sub restart_tokens { $node->stop; return start_tokens(@_); }

# ---- missing and malformed ----

start_tokens();
sql($node, 'CREATE EXTENSION twin_security; CREATE ROLE somebody LOGIN');
fails_with($node, $issue, '55000', 'JWT_SECRET_KEY is not set', 'without a secret nothing is signed');
is(sql($node, 'SELECT count(*) FROM twin.verification_keys'), '0', 'and there is no key');
my %malformed = (
	'empty' => [ '', 'is not set' ],
	'31 bytes' => [ 'x' x 31, 'is shorter than 32 bytes' ],
	'1025 bytes' => [ 'x' x 1025, 'is longer than 1024 bytes' ],
	'5000 bytes' => [ 'x' x 5000, 'is longer than 1024 bytes' ]);
foreach my $what (sort keys %malformed)
{
	restart_tokens(JWT_SECRET_KEY => $malformed{$what}[0]);
	fails_with($node, $issue, '55000', $malformed{$what}[1], "$what: refused");
}
restart_tokens(JWT_SECRET_KEY => 'x' x 32, JWT_SECRET_KEY_PREVIOUS => 'short but not shown');
ok(length sql($node, $issue) > 100, '32 bytes are enough');
like(slurp_file($node->logfile), qr/JWT_SECRET_KEY_PREVIOUS is not usable/, 'a previous secret that is none is logged');
is(holds(slurp_file($node->logfile), 'short but not shown'), 0, 'and not shown');
restart_tokens(JWT_SECRET_KEY => 'x' x 1024);
ok(length sql($node, $issue) > 100, '1024 bytes are not too many');

# ---- shown nowhere ----

restart_tokens(JWT_SECRET_KEY => $secret);
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $token = $session->query_safe($issue);
$session->query_safe("SELECT twin.verify_token('$token')");
foreach my $pid (children_of($node))
{
	my $environment = root_reads($pid, 'environ') // file_bytes("/proc/$pid/environ");
	is(holds($environment, $secret) || holds(file_bytes("/proc/$pid/cmdline"), $secret), 0, "process $pid shows it nowhere");
}
is(sql($node, "SELECT count(*) FROM pg_settings WHERE setting LIKE '%secret of tokens%' OR reset_val LIKE '%secret of tokens%'"), '0', 'no setting holds it');
# (who has asked for settings is on its way out)
ok(comes_true($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%of tokens%' AND pid <> pg_backend_pid()"), 'nor the activity');
fails_with($node, "SELECT twin.verify_token('$token.x')", 'TW501', 'malformed', 'a refusal');
my ($out, $err);
$node->psql('postgres', "\\set VERBOSITY verbose\nSELECT twin.verify_token(overlay('$token' PLACING CASE substr('$token', 40, 1) WHEN 'x' THEN 'y' ELSE 'x' END FROM 40))", stdout => \$out, stderr => \$err);
like($err, qr/TW50\d/, 'another refusal');
unlike($err =~ s/LINE.*//sr, qr/eyJ/, 'no refusal quotes the token');
$session->quit;
$node->stop;
is(files_holding($secret, $node->data_dir, $node->logfile), '', 'it is in no file and not in the log');
is(files_holding(substr($token, -43), $node->data_dir), '', 'nor is a token');

# ---- replaced: the one before goes on verifying ----

start_tokens(JWT_SECRET_KEY => 'the secret that comes after it, not before', JWT_SECRET_KEY_PREVIOUS => $secret);
is(sql($node, "SELECT twin.verify_token('$token')->>'user_id'"), '7', 'the previous secret verifies');
isnt(sql($node, 'SELECT string_agg(kid, $$,$$ ORDER BY state) FROM twin.verification_keys'), '', 'both keys have names');
is(sql($node, 'SELECT string_agg(state, $$,$$ ORDER BY state) FROM twin.verification_keys'), 'signing,verifying', 'and states');
my $newer = sql($node, $issue);
restart_tokens(JWT_SECRET_KEY => 'the secret that comes after it, not before');
fails_with($node, "SELECT twin.verify_token('$token')", 'TW505', 'no key known', 'without it its tokens are refused');
is(sql($node, "SELECT twin.verify_token('$newer')->>'user_id'"), '7', 'the present one stays');
is(holds(slurp_file($node->logfile), $secret), 0, 'and nothing of it is in the log');

# ---- of this database, and of no copy of it ----

restart_tokens(JWT_SECRET_KEY => $secret, JWT_SECRET_KEY_PREVIOUS => $secret);
is(sql($node, "SELECT twin.verify_token('$token')->>'user_id'"), '7', 'the same secret in both variables is one key');
sql($node, 'CREATE DATABASE copy TEMPLATE postgres', db => 'template1');
fails_with($node, "SELECT twin.verify_token('$token')", 'TW505', 'no key known', 'a copy of the database does not take its tokens', db => 'copy');
my $copied = sql($node, $issue, db => 'copy');
is(sql($node, "SELECT twin.verify_token('$copied')->>'user_id'", db => 'copy'), '7', 'it has tokens of its own');
fails_with($node, "SELECT twin.verify_token('$copied')", 'TW505', 'no key known', '... which are nothing here');
sql($node, 'DELETE FROM twin_internal.installation; UPDATE twin_internal.installation SET mark = gen_random_uuid()');
is(sql($node, "SELECT twin.verify_token('$token')->>'user_id'"), '7', 'what marks the database is not changed by accident');
$session = $node->background_psql('copy', on_error_stop => 0);
is($session->query("SELECT twin.verify_token('$copied')->>'user_id'"), '7', 'a session that knows the key');
$session->query('SET client_min_messages = error; DROP EXTENSION twin_security CASCADE; CREATE EXTENSION twin_security');
session_fails($session, "SELECT twin.verify_token('$copied')", 'TW505', 'takes no token of before the extension was made anew');
$session->quit;
sql($node, 'DROP DATABASE copy');

# ---- lifetimes ----

is(sql($node, $lifetime), '3600', 'an hour by default');
restart_tokens(JWT_SECRET_KEY => $secret, JWT_ACCESS_TOKEN_EXPIRES => '900');
is(sql($node, $lifetime), '900', 'as the environment says');
is(sql($node, "SET twin_security.token_lifetime = '2min'; $lifetime"), '120', 'as the setting says');
foreach my $bad ('0', '-1', '15m', '1e3', '2592001', ' 900', 'abc')
{
	restart_tokens(JWT_SECRET_KEY => $secret, JWT_ACCESS_TOKEN_EXPIRES => $bad);
	fails_with($node, $issue, '55000', 'JWT_ACCESS_TOKEN_EXPIRES is not a number of seconds', "\"$bad\" is refused");
	is(sql($node, "SET twin_security.token_lifetime = 60; $lifetime"), '60', "\"$bad\": the setting helps") if $bad eq '15m';
}

# ---- without preloading ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
restart_tokens(JWT_SECRET_KEY => $secret, JWT_ACCESS_TOKEN_EXPIRES => '900');
is(sql($node, $lifetime), '900', 'without preloading each session reads the environment');
is(sql($node, "SELECT twin.verify_token('$token')->>'user_id'"), '7', 'and verifies what was signed before');
fails_with($node, "SELECT twin.issue_token('{}')", '42501', 'permission denied', 'nobody else issues', user => 'somebody');

# ---- another allocator ----

# libjwt, bound to its own dependencies, must not free what another allocator gave to jansson
my ($allocator) = grep { -e } map { "$_/libc_malloc_debug.so.0" } glob('/lib/*-linux-gnu'), '/lib64';
SKIP:
{
	skip 'no libc_malloc_debug.so.0 to preload', 2 unless $allocator;
	skip 'the allocator is watched by a sanitizer', 2 if $ENV{SERVER_IS_SANITIZED};    # test/run_sanitized
	restart_tokens(JWT_SECRET_KEY => $secret, LD_PRELOAD => $allocator, GLIBC_TUNABLES => 'glibc.malloc.check=3');
	my $made = sql($node, $issue);
	like($made, qr/^eyJ/, 'with another allocator preloaded tokens are signed');
	is(sql($node, "SELECT twin.verify_token('$made')->>'user_id'"), '7', 'and verify');
}

# ---- secrets of the keyring: the master key rotates, is wrong, is missing ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'twin_security'");
restart_tokens(JWT_SECRET_KEY => $secret);
my $oct = q({"kty":"oct","alg":"HS256","kid":"theirs","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"});
my $theirs = q(eyJhbGciOiJIUzI1NiIsImtpZCI6InRoZWlycyJ9.eyJleHAiOjQxMDI0NDQ4MDAsInN1YiI6ImEifQ.);
$theirs .= sql($node, qq{CREATE EXTENSION IF NOT EXISTS pgcrypto; SELECT translate(encode(hmac(rtrim('$theirs', '.'), '0123456789abcdef0123456789abcdef', 'sha256'), 'base64'), '+/=', '-_')});
sql($node, qq{SELECT twin.add_verification_key('$oct', claim_map => '{"roles": []}', max_lifetime => '3660 days');
	SELECT twin.use_signing_key(twin.create_signing_key('ES256'))});
fails_with($node, "SELECT twin.verify_token('$theirs')", 'TW509', 'longer than its key allows', 'a token of 2100 lives too long');
sql($node, qq{SELECT twin.remove_verification_key('theirs');
	SELECT twin.add_verification_key('$oct', claim_map => '{"roles": [], "require": ["sub"]}', max_lifetime => '3660 days')});
my $eternal = q(eyJhbGciOiJIUzI1NiIsImtpZCI6InRoZWlycyJ9.eyJzdWIiOiJhIn0.);
$eternal .= sql($node, qq{SELECT translate(encode(hmac(rtrim('$eternal', '.'), '0123456789abcdef0123456789abcdef', 'sha256'), 'base64'), '+/=', '-_')});
my $verify_theirs = "SELECT twin.verify_token('$eternal')->>'sub'";
is(sql($node, $verify_theirs), 'a', 'a token of an outside secret verifies');
my $ours = sql($node, $issue);
my $verify_ours = "SELECT twin.verify_token('$ours')->>'user_id'";
is(sql($node, $verify_ours), '7', 'and one of a key of our own');

my $next = new_key();
$node->stop;
start_with($node, $next, $key, JWT_SECRET_KEY => $secret);
is(sql($node, $verify_theirs), 'a', 'with the next ENCRYPTION_KEY and the one before');
cmp_ok(sql($node, 'SELECT twin.rotate_master_key()'), '>=', 3, 'secrets are rewrapped with the keys');
is(sql($node, 'SELECT count(DISTINCT wrapping_id) FROM (SELECT wrapping_id FROM twin_internal.key_versions WHERE wrapped IS NOT NULL UNION ALL SELECT wrapping_id FROM twin_internal.wrapped_secrets) x'),
	'1', 'all under one');
$node->stop;
start_with($node, $next, undef, JWT_SECRET_KEY => $secret);
is(sql($node, $verify_theirs), 'a', 'after that with the next alone');
ok(length sql($node, $issue) > 100, 'and signs');

$node->stop;
start_with($node, new_key(), undef, JWT_SECRET_KEY => $secret);
fails_with($node, $verify_theirs, 'TW101', 'wrong key', 'a wrong ENCRYPTION_KEY: the outside secret says so');
fails_with($node, $issue, 'TW101', 'wrong key', 'so does signing');
fails_with($node, "SELECT twin.create_signing_key()", 'TW101', 'wrong key', 'and no key is added under it');
is(sql($node, $verify_ours), '7', 'a public key goes on verifying');
$node->stop;
start_with($node, undef, undef, JWT_SECRET_KEY => $secret);
fails_with($node, $verify_theirs, '55000', 'ENCRYPTION_KEY is not set', 'without one it is said that it is missing');
is(sql($node, $verify_ours), '7', 'a public key goes on verifying');
fails_with($node, "SELECT twin.create_signing_key()", '55000', 'ENCRYPTION_KEY is not set', 'nothing is wrapped');
$node->stop;

done_testing();
