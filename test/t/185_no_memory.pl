# Memory runs out: the n-th allocation of the libraries (OpenSSL, jansson, libcrypt, zxcvbn, zstd and the extension itself) fails, for each n until an operation
# gets by without.  Each time there is a clean error or the right answer, the session goes on, nothing secret is said, and nothing is kept that was to be given back.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Starve;
use Test::More;
use TwinTest;

plan skip_all => 'the allocator is watched by a sanitizer' if $ENV{SERVER_IS_SANITIZED};    # test/run_sanitized

my $archives = "$ENV{TESTDIR}/starved_archives";
mkdir $archives;
my $canary = canary();
my $key = new_key();
my $node = new_node('starving', conf => "twin_security.bcrypt_cost = 4\ntwin_security.archive_directory = '$archives'\ntwin_security.retention_interval = 0\nmax_worker_processes = 16\nrestart_after_crash = off\n");
start_with($node, $key, undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others', starve_of($node->basedir));
sql($node, qq{CREATE EXTENSION twin_security;
	CREATE TABLE kept (number integer, secret twin.encrypted_text(main), secret_tag twin.encrypted_text_eq(main));
	INSERT INTO kept SELECT n, '$canary' || n, '$canary' || n FROM generate_series(1, 20) n;
	SELECT twin.audit_table('kept');
	CREATE TABLE old (at timestamptz, note text);
	INSERT INTO old SELECT '2016-01-01 00:00Z'::timestamptz + n * interval '1 hour', md5(n::text) FROM generate_series(1, 500) n;
	SELECT twin.grant_key(k, 'postgres', p) FROM (VALUES ('main', 'decrypt'), ('environment', 'encrypt'), ('environment', 'decrypt')) g (k, p);
	SELECT twin.create_user('anna', '$canary Xy')});
my ($x, $y) = sql($node, q{BEGIN; SELECT twin.create_signing_key('ES256') IS NULL; SELECT k ->> 'x', k ->> 'y' FROM jsonb_array_elements(twin.jwks() -> 'keys') k WHERE k ->> 'kty' = 'EC' LIMIT 1; ROLLBACK}) =~ /([-\w]{43})\|([-\w]{43})/ or die 'no point of a curve';
my $token = sql($node, q{SELECT twin.issue_token('{"user_id": "77", "role": "viewer"}')});
my $file = sql($node, q{SELECT file FROM twin_internal.write_archive('old', NULL, NULL)});
my $sealed = sql($node, q{SELECT secret FROM kept WHERE number = 7});
my $whole = sql($node, qq{SELECT twin.encrypt_data('$canary')});
events_sealed($node);

# name, statement, what it answers; what else may be said
my @operations = (
	[ 'encrypt', "INSERT INTO kept VALUES (100, '$canary', '$canary') RETURNING secret::text = '$canary'", qr/^t$/ ],
	[ 'decrypt', qq{SELECT count(*) FROM kept WHERE secret::text = '$canary' || number}, qr/^20$/ ],
	[ 'equality', qq{SELECT number FROM kept WHERE secret_tag = '${canary}7'}, qr/^7$/ ],
	[ 'whole values', qq{SELECT twin.decrypt_data('$whole') = '$canary', length(twin.encrypt_data('x'))}, qr/^t\|40$/ ],
	[ 'a key is made', q{BEGIN; SELECT twin.create_key('another') IS NOT NULL; ROLLBACK}, qr/^t$/ ],
	[ 'a key is rotated', q{SET client_min_messages = error; BEGIN; SELECT twin.rotate_key('main') > 1; ROLLBACK}, qr/^t$/ ],
	[ 'a password is hashed', qq{SELECT twin.verify_password('$canary Xy', twin.hash_password('$canary Xy', 4))}, qr/^t$/ ],
	[ 'a password is judged', qq{SELECT acceptable, score FROM twin.check_password_strength('$canary Xy', 'anna')}, qr/^t\|\d$/ ],
	[ 'login', qq{SELECT twin_api.login('anna', '$canary Xy') ? 'access_token'}, qr/^t$/ ],
	[ 'login, wrong', qq{SELECT twin_api.login('anna', '$canary Zz') ->> 'error'}, qr/^invalid_credentials$/ ],
	[ 'a token is verified', qq{SELECT twin.verify_token('$token') ->> 'role'}, qr/^viewer$/ ],
	[ 'a token is issued', q{SELECT twin.verify_token(twin.issue_token('{"user_id": "77", "role": "viewer"}')) ->> 'user_id'}, qr/^77$/ ],
	[ 'a forged token', qq{SELECT twin.verify_token(overlay('$token' placing 'AAAA' from length('$token') - 5))}, qr/^TW5/ ],
	[ 'a key of an issuer', qq{SET client_min_messages = error; BEGIN; SELECT length(twin.add_verification_key('{"kty": "EC", "crv": "P-256", "x": "$x", "y": "$y", "use": "sig", "kid": "1", "alg": "ES256"}', 'https://issuer.example', 'twin')); ROLLBACK}, qr/^1$/, qr/^ERROR:\s+22023: the JWK is too weak/ ],    # OpenSSL does not always tell
	[ 'the log is verified', 'SELECT ok, reason FROM twin.verify_audit_log()', qr/^t\|$/ ],
	[ 'a proof', 'SELECT count(*) FROM twin.inclusion_proof((SELECT min(event_id) FROM twin.audit_log))', qr/^1$/ ],
	[ 'an archive is written', q{SELECT rows FROM twin_internal.write_archive('old', NULL, NULL)}, qr/^500$/ ],
	[ 'an archive is verified', qq{SELECT ok, rows FROM twin.verify_archive('$file')}, qr/^t\|500$/ ],
	[ 'an archive is read', qq{SELECT count(DISTINCT j ->> 'note') FROM twin.read_archive('$file') j}, qr/^500$/ ],
	[ 'a report', q{SELECT (twin.compliance_report(now() - interval '1 day', now()) ->> 'total_audit_events')::bigint > 0}, qr/^t$/ ],
	[ 'metrics', q{SELECT twin.metrics() ~ '# EOF'}, qr/^t$/ ],
	[ 'events for others', q{SELECT count(*) > 5 FROM twin.siem_events('ocsf', 0, 100)}, qr/^t$/ ]);

# What may be said when there is no memory: so, or where a library's answer does not tell, that it failed.
my $clean = qr/^ERROR:\s+(?:53200|XX000: the cryptographic library failed|XX000: the system gave no random bytes)/;
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe('\set VERBOSITY verbose');

# One attempt in a new backend, or in the one that is there: (what it printed, what went wrong, allocations asked for, refused).
sub attempt
{
	my ($statement, $n, $whose, $is_new) = @_;
	$session->{stderr} = '';
	$session->query('\c') if $is_new;
	my $pid = $session->query('SELECT pg_backend_pid()') =~ /(\d+)/ ? $1 : die 'no backend';
	starve($pid, $n, $whose);
	my $out = $session->query("$statement;");
	my @counts = starved();
	starve(0);
	my $err = join "\n", grep { /^(?:psql:[^ ]* )?(?:ERROR|FATAL|PANIC|WARNING)|server closed|connection/ } split /\n/, $session->{stderr};
	$session->{stderr} = '';
	$session->query('ROLLBACK') if $statement =~ /BEGIN/;
	$session->{stderr} = '';
	return ($out =~ s/^\s+|\s+$//gr, $err =~ s/^psql:[^ ]* //gmr, @counts, $pid);
}

my ($attempts, $most) = (0, 3000);
foreach my $operation (@operations)
{
	my ($name, $statement, $right, $also) = @$operation;
	my (@bad, $n);
	# of what it does again and again, some
	for ($n = 1; $n <= $most; $n += $n < 40 ? 1 : int($n / 8))
	{
		my ($out, $err, undef, $refused) = attempt($statement, $n, OF_LIBRARIES, 1);
		my $answer = $err =~ /^ERROR:\s+(TW\S+)/ ? $1 : $out;
		last if !$refused && $answer =~ $right;
		$attempts++;
		push @bad, "$n: out <$out> err <$err>" unless $answer =~ $right || ($out eq '' && ($err =~ $clean || ($also && $err =~ $also)));
		push @bad, "$n: says what is secret" if holds($err, $canary) || holds($err, $token);
		last if !$refused || $err =~ /server closed/;
	}
	is(join("\n", @bad[ 0 .. ($#bad > 5 ? 5 : $#bad) ]), '', "$name: " . ($n - 1) . ' allocations');
	cmp_ok($n, '<', $most, '... which is all of them');
}
cmp_ok($attempts, '>', 100, "$attempts allocations failed");

# ---- nothing is kept: the same failure again and again in one session ----

foreach my $operation (grep { $_->[0] =~ /^(?:decrypt|login|a token is issued|an archive is verified)$/ } @operations)
{
	my ($name, $statement) = @$operation;
	my $live = 0;
	foreach my $round (1 .. 30)
	{
		my (undef, undef, undef, undef, $kept) = attempt($statement, 1 + $round % 10, OF_LIBRARIES, $round == 1);
		$live += $kept if $round > 20;    # what a session keeps for good it has by then
	}
	cmp_ok($live, '<', 10, "$name: nothing is kept that was to be given back");
}
is($session->query('SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype IN (\'advisory\', \'relation\') AND NOT granted') =~ s/\s//gr, 0, 'no lock is waited for');
is($session->query(q{SELECT count(*) < 100 FROM pg_ls_dir('/proc/self/fd')}) =~ s/\s//gr, 't', 'no file stays open');
$session->quit;

# ---- the process that writes and seals events ----

foreach my $n (map { 4 * $_ } 1 .. 8)
{
	starve(-1, $n, OF_LIBRARIES, 'twin_security event writer');
	sql($node, qq{SELECT twin.record_event('starved', details => '{"n": "$n"}')});
	sql($node, "INSERT INTO kept VALUES (1000 + $n, 'x', 'y')");
	ok(events_sealed($node), "the writer goes on when its allocation $n fails");
	starve(0);
}
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'starved'}), 8, 'each event is there');
is(sql($node, 'SELECT ok, reason FROM twin.verify_audit_log()'), 't|', 'and the log is verified');
unlike(file_bytes($node->logfile), qr/terminated by signal|PANIC/, 'no process of the server ended by it');
is(holds(file_bytes($node->logfile), $canary), 0, 'nothing secret is in the log');
$node->stop;
done_testing();
