# Accounts across sessions: what counts a failed login cannot be undone by its client, and survives a restart; who was
# disabled is out at once; refresh tokens rotate, and a copied one ends its session; nothing secret is left anywhere.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my %environment = (JWT_SECRET_KEY => 'a secret of at least thirty-two bytes, for tests');
my $node = new_node('accounts', conf => "twin_security.audit_enabled = off\ntwin_security.bcrypt_cost = 6\ntwin_security.login_lockout = 600\nlisten_addresses = '127.0.0.1'\n");
start_with($node, $key, undef, %environment);
my $password = canary() . ' Xy';
sql($node, qq{
	CREATE EXTENSION twin_security;
	CREATE ROLE web LOGIN IN ROLE twin_anonymous; CREATE ROLE looker LOGIN IN ROLE twin_viewer; CREATE ROLE gate LOGIN NOINHERIT;
	GRANT twin_anonymous, twin_viewer TO gate; INSERT INTO twin.token_only_logins VALUES ('gate');
	SELECT twin.create_tenant('south');
	SELECT twin.create_user('boss', '$password', role_name => 'admin');
	SELECT twin.create_role('keyholder', 'admin', NULL, true);
	SELECT twin.create_user('glass', '$password', role_name => 'keyholder');
	SELECT twin.create_user(u, '$password', u || '\@example.org', 'operator', 1) FROM unnest('{anna,bert,carl,dora,emil,fred,gina,hugo}'::text[]) u});
my @web = (user => 'web');

sub quote { return "'" . ($_[0] =~ s/'/''/gr) . "'" }

# The JSON of a login, as twin_anonymous.
sub login
{
	my ($name, $given, %options) = @_;
	return decode_json(sql($node, 'SELECT twin_api.login(' . quote($name) . ', ' . quote($given) . ')', @web, %options));
}
sub ok_login { return exists login(@_)->{access_token} }
sub refused { my $answer = login(@_); return join ' ', $answer->{error} // 'let in', sort grep { $_ ne 'error' && $_ ne 'message' } keys %$answer }
sub failures { return sql($node, "SELECT failures FROM twin_internal.login_attempts JOIN twin_internal.users USING (user_id) WHERE username = '$_[0]' ORDER BY attempted_at DESC LIMIT 1") }
sub is_locked { return sql($node, "SELECT locked_until > now() FROM twin.users WHERE username = '$_[0]'") eq 't' ? 1 : 0 }
sub refresh { return decode_json(sql($node, 'SELECT twin_api.refresh(' . quote($_[0]) . ')', @web)) }
sub claims { return decode_json(decode_base64((split /\./, $_[0])[1] =~ tr{-_}{+/}r)) }
sub verifies { my ($token) = @_; return answer_of($node, "SELECT twin.verify_token('$token') ->> 'typ'", user => 'looker') }
sub events { my ($where) = @_; events_written($node); return sql($node, "SELECT count(*) FROM twin.audit_log WHERE $where") }

# A session that hashes, stopped in the middle: its turn is taken until it is released.
sub occupy
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query('SELECT pg_backend_pid()');
	$session->query_until(qr/began/, "\\echo began\nSELECT twin.hash_password('keeps the only turn', 15);\n");
	has_computed($pid, 20);
	kill 'STOP', $pid;
	return { session => $session, pid => $pid };
}
sub release
{
	my ($busy) = @_;
	kill 'CONT', $busy->{pid};
	return $busy->{session}->quit;
}

# ---- one answer for all, and a lock that ends ----

is(refused('anna', 'wrong'), 'invalid_credentials', 'a wrong password');
is(refused('nobody', $password), 'invalid_credentials', 'a user that is none');
ok(ok_login('anna', $password), 'the right one');
my @tries = map { refused('anna', 'wrong') } 1 .. 4;
ok(!is_locked('anna'), 'four failures do not lock: a login forgot the first');
push @tries, refused('anna', 'wrong');
ok(is_locked('anna'), 'the fifth does');
push @tries, refused('anna', $password), refused('Anna', 'wrong');
is(join(',', @tries), join(',', ('invalid_credentials') x 7), 'the answer is the same before, at, and during the lock, the right password included');
ok(ok_login('bert', $password), 'others log in, from the same unix socket too');
my $until = sql($node, "SELECT locked_until FROM twin.users WHERE username = 'anna'");
refused('anna', 'wrong') foreach 1 .. 3;
is(sql($node, "SELECT abs(extract(epoch FROM locked_until - '$until')) < 1 FROM twin.users WHERE username = 'anna'"), 't', 'hammering prolongs no lock');
sql($node, "SELECT twin.unlock_user('ANNA')");
ok(!is_locked('anna') && ok_login('anna', $password), 'unlock_user ends it');

sql($node, 'ALTER SYSTEM SET twin_security.login_lockout = 1; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.login_lockout') = '1s'");
my @lengths;
refused('carl', 'wrong') foreach 1 .. 4;
foreach (1 .. 3)
{
	# from before the password is hashed, which takes its time beside others
	my $length = sql($node, q{BEGIN; SELECT twin_api.login('carl', 'wrong') IS NULL;
		SELECT floor(extract(epoch FROM max(locked_until) - now())) FROM twin_internal.login_attempts WHERE user_id = (SELECT user_id FROM twin.users WHERE username = 'carl'); COMMIT});
	push @lengths, (split /\n/, $length)[1];
	$node->poll_query_until('postgres', "SELECT locked_until IS NULL FROM twin.users WHERE username = 'carl'");
}
is("@lengths", '1 2 4', 'each failure after a lock locks for twice as long');
ok(ok_login('carl', $password), '... and it ends by itself');
sql($node, 'ALTER SYSTEM RESET twin_security.login_lockout; SELECT pg_reload_conf()');

refused('glass', 'wrong') foreach 1 .. 8;
ok(!is_locked('glass') && ok_login('glass', $password), 'an account of a break-glass role is never locked');

# ---- nothing a client does undoes a failure ----

sql($node, q{BEGIN; SELECT twin_api.login('dora', 'wrong'); ROLLBACK}, @web);
sql($node, q{BEGIN; SAVEPOINT a; SELECT twin_api.login('dora', 'wrong'); ROLLBACK TO a; COMMIT}, @web);
my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'web' ]);
my $pid = $session->query('SELECT pg_backend_pid()');
sql($node, 'ALTER SYSTEM SET twin_security.max_concurrent_hashes = 1; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.max_concurrent_hashes') = '1'");
my $busy = occupy();
like(answer_of($node, q{SET statement_timeout = '1s'; SELECT twin_api.login('dora', 'wrong')}, @web), qr/^57014/, 'a login that is cut by statement_timeout');
$session->query_until(qr/began/, "\\echo began\nSELECT twin_api.login('dora', 'wrong');\n");
$node->poll_query_until('postgres', "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid");
sql($node, "SELECT pg_terminate_backend($pid)");
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
is(sql($node, "SELECT sum(entries) FROM twin.stat_limits WHERE kind = 'account'") > 0, 1, 'the limits remember');
release($busy);
refused('dora', 'wrong');
is(failures('dora'), '5', 'four of them counted');
ok(is_locked('dora'), '... rolled back, cancelled and killed: the fifth locked');
eval { $session->quit };

# ---- every path hashes: with no turn free, each is told so, and nothing is counted ----

sql($node, q{ALTER SYSTEM SET twin_security.hash_wait_timeout = 0; SELECT pg_reload_conf(); SELECT twin.disable_user('emil')});
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.hash_wait_timeout') = '0'");
$busy = occupy();
my %path = ('unknown user' => q{'nobody', 'x'}, 'wrong password' => q{'bert', 'wrong'}, 'right password' => "'bert', " . quote($password),
	locked => q{'dora', 'x'}, disabled => "'emil', " . quote($password), 'no password' => q{'bert', NULL}, 'no name' => q{NULL, 'x'},
	'too long a password' => q{'bert', repeat('x', 10000000)}, 'too long a name' => q{repeat('x', 10000000), 'x'});
my %said = map { $_ => answer_of($node, "SELECT twin_api.login($path{$_})", @web) } sort keys %path;
like($said{$_}, qr/^TW301/, "$_: hashes as any other") foreach sort keys %said;
release($busy);
sql($node, 'ALTER SYSTEM RESET twin_security.hash_wait_timeout; ALTER SYSTEM RESET twin_security.max_concurrent_hashes; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.hash_wait_timeout') = '5s'");
refused('bert', 'wrong') foreach 1 .. 4;
ok(!is_locked('bert'), 'who could not be tried is not counted');
ok(ok_login('bert', $password), '... and logs in');

# ---- by address ----

my @network = (host => '127.0.0.1');
sub network_answer
{
	my ($sql, $user) = @_;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-XAtq', '-h', '127.0.0.1', '-p', $node->port, '-U', $user, '-d', 'postgres', '-c', $sql ], '>', \$out, '2>', \$err);
	return $out . $err;
}
my $try = q{SELECT twin_api.login('nobody' || i, 'wrong') ->> 'error', current_setting('response.status') FROM generate_series(1, 22) i};
is(network_answer($try, 'web'), "invalid_credentials|401\n" x 20 . "too_many_requests|429\n" x 2, 'twenty failures lock an address, whoever they were for');
like(network_answer(q{SELECT twin_api.login('bert', 'wrong'); SELECT current_setting('response.headers', true)}, 'web'), qr/too_many/, 'any login from there is answered with 429');
like(network_answer(q{BEGIN; SELECT twin_api.login('bert', 'wrong') ->> 'error'; SELECT current_setting('response.headers')::jsonb -> 0 ->> 'Retry-After'}, 'web'), qr/\n[1-9][0-9]*\n/, '... with Retry-After');
ok(ok_login('bert', $password), 'a unix socket is not an address of one client');
is(network_answer("SET ROLE twin_anonymous; SELECT twin_api.login('bert', " . quote($password) . ") ? 'access_token'", 'gate'), "t\n", 'nor is that of a token-only login');
is(events(q{event_type = 'address_locked'}), '1', 'the lock is an event, once');

# ---- a restart forgets no lock ----

refused('fred', 'wrong') foreach 1 .. 5;
refused('gina', 'wrong') foreach 1 .. 4;
$node->stop('fast'); start_with($node, $key, undef, %environment);
ok(is_locked('fred'), 'a lock is shown after a restart');
is(refused('fred', $password), 'invalid_credentials', '... and holds');
refused('gina', 'wrong');
ok(is_locked('gina'), 'failures count on');
sql($node, "SELECT twin.unlock_user(u) FROM unnest('{fred,gina}'::text[]) u");
$node->stop('immediate'); start_with($node, $key, undef, %environment);
ok(!is_locked('fred') && !is_locked('gina') && ok_login('fred', $password), 'an unlocked one stays unlocked, after a crash too');

# ---- refresh ----

my $first = login('hugo', $password);
my $second = refresh($first->{refresh_token});
ok(exists $second->{access_token} && $second->{refresh_token} ne $first->{refresh_token}, 'a refresh token rotates');
is(claims($second->{access_token})->{sid}, claims($first->{access_token})->{sid}, '... in the same session');
my $again = refresh($first->{refresh_token});
ok(exists $again->{refresh_token}, 'the last one is served again within the grace');
my $third = refresh($second->{refresh_token});
ok(exists $third->{refresh_token} && exists refresh($again->{refresh_token})->{refresh_token}, '... and both answers go on');
is(refresh($first->{refresh_token})->{error}, 'invalid_token', 'an older one is refused');
is(refresh($third->{refresh_token})->{error}, 'invalid_token', '... and ended the session');
is(verifies($third->{access_token}) =~ /^TW510/, 1, '... with its access tokens');
is(events(q{event_type = 'token_reuse' AND severity = 'high' AND username = 'hugo'}), '1', '... with an event');
is(sql($node, q{SELECT end_reason FROM twin.sessions WHERE username = 'hugo'}), 'token_reuse', '... and a reason');
is(refresh(login('hugo', $password)->{access_token})->{error}, 'invalid_token', 'an access token is no refresh token');
like(verifies(login('hugo', $password)->{refresh_token}), qr/^TW511/, 'nor the other way round');

sql($node, 'ALTER SYSTEM SET twin_security.refresh_token_grace = 0; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.refresh_token_grace') = '0'");
$first = login('hugo', $password);
refresh($first->{refresh_token});
is(refresh($first->{refresh_token})->{error}, 'invalid_token', 'without grace no second use');
sql($node, 'ALTER SYSTEM RESET twin_security.refresh_token_grace; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.refresh_token_grace') = '10s'");

# two at once: the second waits for the first, and both are served
$first = login('hugo', $password);
my $one = $node->background_psql('postgres', extra_params => [ '-U', 'web' ]);
my $two = $node->background_psql('postgres', extra_params => [ '-U', 'web' ]);
my $ask = "SELECT twin_api.refresh('$first->{refresh_token}') ->> 'refresh_token'";
my $answer = $one->query("BEGIN; $ask");
$two->query_until(qr/began/, "\\echo began\n$ask;\n\\echo done\n");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%twin_api.refresh%'}), 'of two refreshes at once the second waits');
$one->query('COMMIT');
my $other = $two->query('SELECT 1');
my ($late) = $other =~ /(\S+\.\S+\.\S+)/;
ok($late && $late ne $answer, 'both are served');
is(join(' ', map { exists refresh($_)->{refresh_token} ? 'served' : 'refused' } $answer, $late), 'served served', '... and both answers go on');
$one->quit; $two->quit;

# limits of a session
$first = login('hugo', $password);
my $sid = claims($first->{access_token})->{sid};
sql($node, "UPDATE twin_internal.sessions SET last_used_at = now() - interval '2 hours 1 second' WHERE session_id = '$sid'");
is(refresh($first->{refresh_token})->{error}, 'invalid_token', 'an idle session is over');
$first = login('hugo', $password);
$sid = claims($first->{access_token})->{sid};
sql($node, "UPDATE twin_internal.sessions SET expires_at = now() WHERE session_id = '$sid'");
is(refresh($first->{refresh_token})->{error}, 'invalid_token', 'one that lasted too long is over');
sql($node, "ALTER SYSTEM SET twin_security.session_max_lifetime = 60; SELECT pg_reload_conf()");
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.session_max_lifetime') = '1min'");
$first = login('hugo', $password);
ok($first->{expires_in} <= 60, 'no token outlives its session');
sql($node, 'ALTER SYSTEM RESET twin_security.session_max_lifetime; SELECT pg_reload_conf()');
is(sql($node, "BEGIN; SELECT twin_api.login('hugo', " . quote($password) . ") ->> 'refresh_token' AS t \\gset\nROLLBACK;\nSELECT twin_api.refresh(:'t') ->> 'error'"), 'invalid_token',
	'a login that was rolled back has no session');

# ---- out at once ----

sub live { my ($login) = @_; return verifies($login->{access_token}) eq 'access' ? 'in' : 'out' }
my %out = (
	disable_user => q{SELECT twin.disable_user('bert')},
	set_password => "SELECT twin.set_password('bert', " . quote($password) . ')',
	assign_role => q{SELECT twin.assign_role('bert', 'viewer')},
	end_sessions => q{SELECT twin.end_sessions('bert')},
	disable_tenant => 'SELECT twin.disable_tenant(1)');
my $reader = $node->background_psql('postgres', extra_params => [ '-U', 'looker' ], on_error_stop => 0);
foreach my $how (sort keys %out)
{
	my $login = login('bert', $password);
	my $other = login('bert', $password);
	my $mine = "SELECT coalesce(twin.verify_token('$login->{access_token}') ->> 'typ', '')";
	is($reader->query($mine), 'access', "$how: before it the token verifies, in a session that keeps it");
	sql($node, $out{$how});
	session_fails($reader, $mine, 'TW510', "$how: after it not, in the same session");
	is(join(' ', map { refresh($_->{refresh_token})->{error} } $login, $other), 'invalid_token invalid_token', "$how: no session of his goes on");
	sql($node, q{SELECT twin.enable_user('bert'), twin.enable_tenant(1), twin.assign_role('bert', 'operator')});
	is(live($login), 'out', "$how: earlier tokens stay refused");
	my $new = login('bert', $password);
	ok(live($new) eq 'in' && exists refresh($new->{refresh_token})->{access_token}, "$how: a login right after it works");
}
is(live(login('boss', $password)), 'in', 'others stay');
$reader->quit;

# an open transaction with a login in it makes no administrator wait, and what it got is void
my $open = $node->background_psql('postgres', extra_params => [ '-U', 'web' ]);
my $got = $open->query("BEGIN; SELECT twin_api.login('bert', " . quote($password) . ") ->> 'access_token'");
sql($node, "SET lock_timeout = '5s'; SELECT twin.disable_user('bert')");
$open->query('COMMIT');
like(verifies($got), qr/^TW510/, 'a login whose transaction ended after disable_user is out too');
sql($node, q{SELECT twin.enable_user('bert')});
# and a login waits for an administrator, and hears what he did
my $admin = $node->background_psql('postgres');
$admin->query(q{BEGIN; SELECT twin.disable_user('bert')});
$open->query_until(qr/began/, "\\echo began\nSELECT twin_api.login('bert', " . quote($password) . ") ->> 'error' AS said;\n");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%twin_api.login%' AND pid <> pg_backend_pid()}), 'a login waits for the administrator who is at it');
$admin->query('COMMIT');
like($open->query('SELECT 1'), qr/invalid_credentials/, '... and is refused');
sql($node, q{SELECT twin.enable_user('bert')});
$open->quit;

# two administrators cannot disable each other
sql($node, "SELECT twin.create_user('second', " . quote($password) . ", role_name => 'admin'); SELECT twin.disable_user('glass')");
my $rival = $node->background_psql('postgres', on_error_stop => 0);
$admin->query(q{BEGIN; SELECT twin.disable_user('boss')});
$rival->query_until(qr/began/, "\\set VERBOSITY sqlstate\n\\echo began\nSELECT twin.disable_user('second');\n");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%disable_user%'});
$admin->query('COMMIT');
$rival->query('SELECT 1');
is(sql($node, q{SELECT string_agg(username || is_active, ' ' ORDER BY username) FROM twin.users WHERE username IN ('boss', 'second')}), 'bossfalse secondtrue',
	'of two administrators who disable each other one stays');
sql($node, q{SELECT twin.enable_user('boss'), twin.enable_user('glass')});
$admin->quit; $rival->quit;

# ---- a passer-by learns nothing, and breaks nothing ----

my @strange = ("' OR 1=1 --", "anna'; DROP TABLE twin_internal.users; --", '%', "an\\na", '$1', "\xd0\xb0nna", "anna\xe2\x80\x8b", 'anna ', ' anna', "a\nb", '{}', '(null)');
is(join(',', map { refused($_, $password) } @strange), join(',', ('invalid_credentials') x @strange), 'strange names are nobody');
ok(ok_login("AN\xef\xbc\xae\xef\xbc\xa1", $password), 'a name counts without regard to case and width');
like(answer_of($node, "BEGIN READ ONLY; SELECT twin_api.login('anna', 'wrong')", @web), qr/^25006/, 'not in a transaction that could not record it');
is(sql($node, q{BEGIN; SELECT pg_current_xact_id_if_assigned() IS NULL; SELECT twin_api.login('nobody', 'x') IS NULL; SELECT pg_current_xact_id_if_assigned() IS NULL; ROLLBACK;
	BEGIN; SELECT twin_api.login('anna', 'x') IS NULL; SELECT pg_current_xact_id_if_assigned() IS NULL; ROLLBACK}, @web), "t\nf\nf\nf\nf", 'a failure writes, whoever it was for');
sql($node, q{CREATE DATABASE trap; ALTER DATABASE trap OWNER TO web});
sql($node, "CREATE EXTENSION twin_security; SELECT twin.create_user('anna', " . quote($password) . "); GRANT CREATE ON SCHEMA public TO web", db => 'trap');
my $trap = q{
	CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''planted''; END';
	CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''planted''; END';
	CREATE FUNCTION public.planted(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''planted''; END';
	CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.planted);
	CREATE TEMP TABLE users (user_id bigint, username text, password_hash text);
	CREATE TEMP TABLE login_attempts (a int);
	SET search_path = pg_temp, public, pg_catalog, twin, twin_api;
};
is(sql($node, "$trap SELECT twin_api.login('anna', " . quote($password) . ") ? 'access_token'", @web, db => 'trap'), 't', 'planted functions, operators and tables are not used');
is(refused('anna', $password, db => 'trap'), 'let in access_token expires_in refresh_token token_type user', 'a second database has accounts of its own');
is(refused('bert', $password, db => 'trap'), 'invalid_credentials', '... and not those of the first');
like(verifies(login('anna', $password, db => 'trap')->{access_token}), qr/^TW505/, '... whose tokens are not taken for those of the first, though one secret signs both');

foreach my $query ('SELECT * FROM twin.users', 'SELECT * FROM twin.sessions', 'SELECT * FROM twin_internal.users', 'SELECT * FROM twin_internal.sessions',
	q{SELECT twin_internal.hold_user('anna')}, q{SELECT twin.set_password('anna', 'correct horse battery staple')}, q{SELECT twin_internal.set_password(1, 'x')},
	'TABLE twin_internal.login_attempts', q{SELECT twin.disable_user('anna')}, q{SELECT twin_internal.lock_account(1, 1)})
{
	like(answer_of($node, $query, user => $_), qr/^42501/, "$_ may not: $query") foreach 'looker', 'web';
}
is(sql($node, q{SELECT count(*) FROM twin.users WHERE username = 'anna' AND email = 'anna@example.org'}), '1', 'an e-mail address is found');

# the ring is full: a login goes on
my $quiet = new_node('quiet', conf => "twin_security.bcrypt_cost = 6\ntwin_security.event_ring_size = 64\ntwin_security.databases = 'elsewhere'\n");
start_with($quiet, $key, undef, %environment);
sql($quiet, "CREATE EXTENSION twin_security; SELECT twin.create_user('anna', " . quote($password) . ')');
sql($quiet, q{SELECT count(twin_internal.emit_event('flood', 'x', details => to_jsonb(repeat('x', 4000)))) FROM generate_series(1, 200)});
is(sql($quiet, "SELECT twin_api.login('anna', " . quote($password) . ") ? 'access_token', twin_api.login('anna', 'wrong') ->> 'error'"), 't|invalid_credentials', 'a full ring stops no login');

# without preloading
my $bare = new_node('bare', preload => 0);
start_with($bare, $key, undef, %environment);
sql($bare, "CREATE EXTENSION twin_security; SELECT twin.create_user('anna', " . quote($password) . ')');
fails_with($bare, "SELECT twin_api.login('anna', " . quote($password) . ')', '55000', 'preloaded', 'without preloading nobody logs in');
is(sql($bare, 'SELECT username, locked_until FROM twin.users'), 'anna|', '... but accounts can be administered');

# without ENCRYPTION_KEY
my $keyless = new_node('keyless');
start_with($keyless, undef, undef, %environment);
my ($out, $err) = ('', '');
$keyless->psql('postgres', 'CREATE EXTENSION twin_security', stderr => \$err);
is(() = $err =~ /WARNING/g, 1, 'without ENCRYPTION_KEY the extension says so once');
is(sql($keyless, "SELECT twin.create_user('anna', " . quote($password) . "); SELECT twin_api.login('anna', " . quote($password) . ") ? 'access_token'"), "1\nt", '... and people log in');
fails_with($keyless, "SELECT twin.create_user('bert', " . quote($password) . ", 'bert\@example.org')", '55000', 'ENCRYPTION_KEY', '... but no address is stored');

# ---- dump and restore ----

my $left = login('hugo', $password);
sql($node, "BEGIN; SELECT twin.authenticate('$left->{access_token}'); SELECT twin_api.logout_all(); COMMIT", user => 'looker');
is(sql($node, 'SELECT count(*) FROM twin_internal.session_ends'), '1', 'somebody logged out everywhere');
my $kept = login('bert', $password);
refused('carl', 'wrong') foreach 1 .. 2;
my $files = PostgreSQL::Test::Utils::tempdir();
my $accounts = q{SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (SELECT u::text FROM twin_internal.users u UNION ALL SELECT t::text FROM twin_internal.tenants t
	UNION ALL SELECT s::text FROM twin_internal.sessions s UNION ALL SELECT a::text FROM twin_internal.login_attempts a UNION ALL SELECT e::text FROM twin_internal.session_ends e) x (r)};
my $was = sql($node, $accounts);
my $sessions = sql($node, 'SELECT session_id, ended_at IS NOT NULL FROM twin.sessions ORDER BY 1');
my $from = "-d '" . $node->connstr('postgres') . "'";
my %ways = (plain => "pg_dump $from | psql -X -q -v ON_ERROR_STOP=1 TO", custom => "pg_dump -Fc $from -f $files/dump && pg_restore -j2 TO $files/dump");
foreach my $how (sort keys %ways)
{
	sql($node, "CREATE DATABASE $how");
	my $to = "-d '" . $node->connstr($how) . "'";
	run_pipe($ways{$how} =~ s/\bTO\b/$to/r);
	is(sql($node, $accounts, db => $how), $was, "$how: a restore brings all of it back");
	is(sql($node, 'SELECT session_id, ended_at IS NOT NULL FROM twin.sessions ORDER BY 1', db => $how), $sessions, "$how: sessions that ended have ended");
	ok(ok_login('bert', $password, db => $how), "$how: people log in");
	is(sql($node, "SELECT twin_api.refresh('$kept->{refresh_token}') ->> 'error'", db => $how), 'invalid_token', "$how: ... anew, for it may be a copy beside the original");
	is(sql($node, 'SELECT twin.create_user(\'new\', ' . quote($password) . ') > (SELECT max(user_id) FROM twin_internal.users WHERE username <> \'new\'), twin.create_tenant(\'new\') > 1', db => $how),
		't|t', "$how: numbers go on");
	is(sql($node, q{SELECT username FROM twin.users WHERE email = 'anna@example.org'}, db => $how), 'anna', "$how: addresses are found");
	fails_with($node, q{SELECT twin.drop_role('keyholder')}, '2BP01', 'users have', "$how: roles that users have stay", db => $how);
}

# ---- nothing secret is left ----

my $hash = sql($node, q{SELECT substr(password_hash, 30) FROM twin_internal.users WHERE username = 'bert'});
my $log = file_bytes($node->logfile);
my %secret = (password => $password, hash => $hash, 'access token' => (split /\./, $kept->{access_token})[2], 'refresh token' => (split /\./, $kept->{refresh_token})[2]);
events('true');
my $audit = sql($node, 'SELECT string_agg(a::text, E\'\n\') FROM twin.audit_log a');
foreach my $what (sort keys %secret)
{
	# a statement that fails is logged with its text, which is the client's doing: of ours none failed that held one
	ok(!holds($audit, $secret{$what}), "no $what in the events");
	ok(!holds(join('', grep { !/STATEMENT:/ } split /^/, $log), $secret{$what}), "no $what in the log but in statements of clients");
}
ok(!holds(sql($node, q{SELECT string_agg(s::text, '') FROM pg_stat_activity s}, user => 'looker'), $password), 'nor in what others see of a session');
is(events(q{event_type = 'login_failure' AND username IS NULL AND (details ->> 'reason') = 'unknown_user'}) > 0, 1, 'who is no user is not named');
is(events(q{event_type IN ('login_success', 'user_created', 'user_disabled', 'user_enabled', 'user_unlocked', 'password_changed', 'role_assigned', 'tenant_created',
	'tenant_disabled', 'tenant_enabled', 'sessions_ended', 'account_locked', 'token_refresh')}) > 0, 1, 'there are events');
is(sql($node, q{SELECT string_agg(DISTINCT event_type, ' ' ORDER BY event_type) FROM twin.audit_log WHERE event_type !~ '^(key|index|events|token_refused|role_created|token_only|audit_|alert_|incident_|heartbeat|configuration)'}),
	'account_locked address_locked login_failure login_success logout password_changed role_assigned sessions_ended tenant_created tenant_disabled tenant_enabled token_refresh token_reuse user_created user_disabled user_enabled user_unlocked',
	'of every kind');
is(sql($node, q{SELECT DISTINCT severity FROM twin.audit_log WHERE username = 'glass' AND event_type LIKE 'login%'}), 'high', 'whatever happens at a break-glass account is of severity high');

done_testing();
