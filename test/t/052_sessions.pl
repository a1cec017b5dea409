# Sessions that a rollback cannot cheat: what somebody does in a transaction that he rolls back, or keeps open, neither
# hides that he copied a token nor holds up whoever throws him out. And logins that tell nobody more than they must.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TwinTest;

my $key = new_key();
my %environment = (JWT_SECRET_KEY => 'a secret of at least thirty-two bytes, for tests');
my $node = new_node('sessions', allows_streaming => 1, conf => "twin_security.bcrypt_cost = 10\nsession_preload_libraries = 'auto_explain'\n");
start_with($node, $key, undef, %environment);
my $password = canary();
sql($node, qq{
	CREATE EXTENSION twin_security;
	CREATE ROLE web LOGIN IN ROLE twin_anonymous; CREATE ROLE looker LOGIN IN ROLE twin_viewer;
	SELECT twin.create_user('boss', '$password', role_name => 'admin');
	SELECT twin.create_user(u, '$password') FROM unnest('{anna,bert,carl,dora}'::text[]) u});
my @web = (user => 'web');

sub login { return decode_json(sql($node, "SELECT twin_api.login('$_[0]', '$password')", @web)) }
sub refresh { return decode_json(sql($node, "SELECT twin_api.refresh('$_[0]')", @web)) }
sub verifies { return answer_of($node, "SELECT twin.verify_token('$_[0]->{access_token}') ->> 'typ'", user => 'looker') }
sub events { my ($where) = @_; events_written($node); return sql($node, "SELECT count(*) FROM twin.audit_log WHERE $where") }
sub setting { my ($name, $value) = @_; sql($node, "ALTER SYSTEM SET $name = $value; SELECT pg_reload_conf()"); $node->poll_query_until('postgres', "SELECT current_setting('$name') = '$value'"); return }

# ---- a copied token, presented where nothing is to be left of it ----

foreach my $how ('ROLLBACK', 'ROLLBACK TO a; COMMIT')
{
	my $first = login('anna');
	my $third = refresh(refresh($first->{refresh_token})->{refresh_token});
	is(sql($node, "BEGIN; SAVEPOINT a; SELECT twin_api.refresh('$first->{refresh_token}') ->> 'error'; $how", @web), 'invalid_token', "$how: an old token is refused");
	is(verifies($third), 'access', "$how: ... and what that did to the session is undone");
	my $before = events(q{event_type = 'token_reuse'});
	sql($node, "BEGIN; SELECT twin_api.refresh('$third->{refresh_token}'); ROLLBACK", @web);
	is(verifies($third), 'access', "$how: ... even twice");
	is(refresh($third->{refresh_token})->{error}, 'invalid_token', "$how: the next refresh is refused, whoever asks");
	like(verifies($third), qr/^TW510/, "$how: ... and ends the session with its access tokens");
	is(events(q{event_type = 'token_reuse' AND username = 'anna'}) - $before, 2, "$how: ... and says so, each time");
}
is(sql($node, q{SELECT string_agg(DISTINCT end_reason, ' ') FROM twin.sessions WHERE username = 'anna'}), 'token_reuse', 'for the reason that is shown');
# tokens made ahead
my $first = login('anna');
my $ahead = sql($node, "BEGIN; SELECT twin_api.refresh(twin_api.refresh('$first->{refresh_token}') ->> 'refresh_token') ->> 'refresh_token'; ROLLBACK", @web);
my $second = refresh($first->{refresh_token});
my $third = refresh($second->{refresh_token});
is(refresh($ahead)->{error}, 'invalid_token', 'a token made ahead in a transaction that was rolled back never becomes current');
like(verifies($third), qr/^TW510/, '... and ends the session');
# what remains, as the guide says
$first = login('anna');
my $kept = decode_json(sql($node, "BEGIN; SELECT twin_api.refresh('$first->{refresh_token}'); ROLLBACK", @web));
is(verifies($kept), 'access', 'an access token of a refresh that was rolled back holds');
sql($node, q{SELECT twin.end_sessions('anna')});
like(verifies($kept), qr/^TW510/, '... while its session does');

# ---- whoever logs out everywhere holds up nobody ----

my $thief = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'looker' ]);
my $stolen = login('bert');
$thief->query("BEGIN; SELECT twin.authenticate('$stolen->{access_token}'); SELECT twin_api.logout_all()");
sleep 1.1;
my $since = login('bert');
my $quick = q{SET lock_timeout = '3s'; };
unlike(answer_of($node, "$quick BEGIN; SELECT twin.authenticate('$since->{access_token}'); SELECT twin_api.logout_all(); ROLLBACK", user => 'looker'), qr/^\w{5}: /,
	'another session of the same user does so too');
unlike(answer_of($node, "${quick}BEGIN; $_; ROLLBACK"), qr/^\w{5}: /, "$_ does not wait") foreach q{SELECT twin.disable_user('bert')}, q{SELECT twin.end_sessions('bert')}, "SELECT twin.set_password('bert', '$password')",
	q{SELECT twin.assign_role('bert', 'operator')}, 'SELECT twin.purge_sessions()', 'SELECT twin.purge_revocations()';
is(verifies($stolen), 'access', 'as long as it has not committed, nothing ended');
$thief->query('COMMIT');
like(verifies($stolen), qr/^TW510/, 'when it has, what was begun before is over');
is(refresh($stolen->{refresh_token})->{error}, 'invalid_token', '... refresh tokens too');
ok(verifies($since) eq 'access' && exists refresh($since->{refresh_token})->{access_token}, 'what was begun meanwhile is not');
# a login that commits later than the end of a session that it began before
my $open = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'web' ]);
my $got = decode_json($open->query("BEGIN; SELECT twin_api.login('bert', '$password')"));
$thief->query("BEGIN; SELECT twin.authenticate('$since->{access_token}'); SELECT twin_api.logout_all(); COMMIT");
$open->query('COMMIT');
like(verifies($got), qr/^TW510/, 'a login that commits after the end but began before is over');
is(refresh($got->{refresh_token})->{error}, 'invalid_token', '... its session too');
is(sql($node, q{SELECT count(*) FROM twin.sessions WHERE username = 'bert' AND ended_at IS NULL}), '0', '... and is shown as ended');
$thief->quit;

# ---- another cost than the present one ----

sub cost_of { return sql($node, "SELECT substr(password_hash, 5, 2) FROM twin_internal.users WHERE username = '$_[0]'") }
sub store_cost { sql($node, "UPDATE twin_internal.users SET password_hash = twin.hash_password('$password', $_[1]) WHERE username = '$_[0]'"); return }
store_cost('carl', 11); login('carl');
is(cost_of('carl'), '10', 'a login makes the hash anew when it costs more');
setting('twin_security.bcrypt_cost', 11); login('carl');
is(cost_of('carl'), '11', '... and when it costs less');
setting('twin_security.bcrypt_cost', 10);
$open->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
sql($node, q{SELECT twin.unlock_user('carl')});
like($open->query("SELECT twin_api.login('carl', '$password') ? 'access_token'"), qr/^t/, 'a login whose snapshot is older than a change of the account goes on');
$open->query('COMMIT');
is(cost_of('carl'), '11', '... and leaves the hash to the next');
$open->quit;

# processor time of a login, in ticks, of which three steps of cost are eight times as many: an unknown name takes that of an account, and not the present cost's
sub ticks
{
	my ($name) = @_;
	my $session = $node->background_psql('postgres', extra_params => [ '-U', 'web' ]);
	my $pid = $session->query('SELECT pg_backend_pid()');
	my $began = (split / /, file_bytes("/proc/$pid/stat") =~ s/.*\) //sr)[11];
	$session->query("SELECT twin_api.login('$name', 'wrong')");
	my $took = (split / /, file_bytes("/proc/$pid/stat") =~ s/.*\) //sr)[11] - $began;
	$session->quit;
	return $took;
}
sql($node, q{UPDATE twin_internal.users SET password_hash = twin.hash_password('any', 13)});
my $known = ticks('dora');
my @unknown = map { ticks("nobody $_") } 1 .. 4;
cmp_ok($_, '>', $known / 3, 'an unknown name takes the time of an account of a higher cost') foreach @unknown;
sql($node, q{UPDATE twin_internal.users SET password_hash = twin.hash_password('any', 10)});
cmp_ok(ticks('nobody 1'), '<', $known / 3, '... and of a lower one when there is no other');
# of two costs the same name always takes the same, and names differ
sql($node, q{UPDATE twin_internal.users SET password_hash = twin.hash_password('any', 13) WHERE user_id % 2 = 0});
# (the machine may be busy: the shorter of two tries is nearer to the truth)
sub length_of { my ($name) = @_; my ($one, $other) = (ticks($name), ticks($name)); return ($one < $other ? $one : $other) > $known / 3 ? 'long' : 'short' }
my @times = map { my $name = "somebody $_"; [ length_of($name), length_of($name) ] } 1 .. 12;
is((grep { $_->[0] ne $_->[1] } @times), 0, 'a name takes the same time twice');
is(join(' ', sort keys %{{ map { $_->[0] => 1 } @times }}), 'long short', '... and of several names some take the one, some the other');
sql($node, qq{UPDATE twin_internal.users SET password_hash = twin.hash_password('$password', 10)});

# ---- a hash that cannot be verified ----

sql($node, q{UPDATE twin_internal.users SET password_hash = '$2b$31$' || substr(password_hash, 8) WHERE username = 'dora'});
is(login('dora')->{error}, 'invalid_credentials', 'a hash that would take a day is answered as a wrong password');
is(events(q{event_type = 'password_hash_unusable' AND severity = 'high' AND username = 'dora'}), '1', '... and auditors hear of it');
is(login('dora')->{error}, 'invalid_credentials', '... again') foreach 1 .. 4;
is(sql($node, q{SELECT locked_until > now() FROM twin.users WHERE username = 'dora'}), 't', '... and counted as one');
sql($node, "SELECT twin.set_password('dora', '$password')");
ok(exists login('dora')->{access_token}, 'a new password mends it');

# ---- plans hold no hash ----

setting($_->[0], $_->[1]) foreach [ 'auto_explain.log_nested_statements', 'on' ], [ 'auto_explain.log_verbose', 'on' ], [ 'auto_explain.log_min_duration', '0' ];
store_cost('carl', 11);
my $where = -s $node->logfile;
my $login = login('carl');
sql($node, qq{SELECT twin.create_user('emil', 'first $password'); SELECT twin.set_password('emil', 'next $password');
	BEGIN; SELECT twin.authenticate('$login->{access_token}'); SELECT twin_api.change_password('$password', 'other $password') IS NULL; COMMIT});
setting('auto_explain.log_min_duration', '-1');
my $log = substr(file_bytes($node->logfile), $where);
like($log, qr/UPDATE twin_internal\.users u SET password_hash = \$3/, 'plans are logged');
unlike($log, qr/\$2b\$1[01]\$/, '... without a hash');
unlike($log, qr/hash_new_password\('/, '... and without a password');
sql($node, "SELECT twin.set_password('carl', '$password')");

# ---- nothing to sign with ----

my $mute = new_node('mute', conf => "twin_security.bcrypt_cost = 10\n");
{ local %ENV = %ENV; delete $ENV{JWT_SECRET_KEY}; start_with($mute, $key) }
sql($mute, "CREATE EXTENSION twin_security; SELECT twin.create_user('anna', '$password')");
fails_with($mute, "SELECT twin_api.login($_)", '55000', 'JWT_SECRET_KEY', "without a secret: $_") foreach "'anna', '$password'", q{'anna', 'wrong'}, q{'nobody', 'wrong'};
is(sql($mute, q{SELECT sum(entries) FROM twin.stat_limits}), '0', '... and nothing is counted');
sql($mute, q{SELECT twin.create_signing_key('EdDSA'), twin.rotate_signing_key()});
is(sql($mute, "SELECT twin_api.login('anna', '$password') ? 'access_token'"), 't', 'a signing key is as good');
$mute->stop;

# ---- on a standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
start_with($standby, $key, undef, %environment);
$login = login('carl');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my $as = "BEGIN; SELECT twin.authenticate('$login->{access_token}'); ";
foreach my $call ("SELECT twin_api.login('carl', '$password')", "SELECT twin_api.refresh('$login->{refresh_token}')", "$as SELECT twin_api.logout()", "$as SELECT twin_api.logout_all()",
	"$as SELECT twin_api.change_password('$password', 'x')", q{SELECT twin.disable_user('carl')}, q{SELECT twin.unlock_user('carl')})
{
	my ($out, $err) = ('', '');
	$standby->psql('postgres', "\\set VERBOSITY verbose\n$call", stdout => \$out, stderr => \$err, on_error_stop => 0);
	my ($name) = $call =~ /(\w+)\([^(]*\)$/;
	like($err, qr/25006.*\n.*HINT:  Accounts change on the primary/, "standby: $name says where");
	unlike($err, qr/SQL statement|UPDATE|twin_internal\.users/, "standby: $name shows nothing of its inside");
}
is(sql($standby, "$as SELECT twin_api.me() ->> 'username'; COMMIT") =~ /carl/, 1, 'who is logged in is known there');

done_testing();
