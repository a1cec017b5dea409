# Locks that stop who guesses and not who is guessed at: addresses where a user has logged in before, break-glass accounts
# behind a locked address, and what a promoted standby, a restored database and an extension made anew know of failures.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my %environment = (JWT_SECRET_KEY => 'a secret of at least thirty-two bytes, for tests');
my $node = new_node('lockouts', allows_streaming => 1, conf => "twin_security.bcrypt_cost = 6\ntwin_security.login_lockout = 600\nlisten_addresses = '127.0.0.1'\n");
start_with($node, $key, undef, %environment);
my $password = canary() . ' Xy';
sql($node, qq{
	CREATE EXTENSION twin_security;
	CREATE ROLE web LOGIN IN ROLE twin_anonymous;
	SELECT twin.create_role('keyholder', 'admin', NULL, true);
	SELECT twin.create_user('glass', '$password', role_name => 'keyholder');
	SELECT twin.create_user(u, '$password') FROM unnest('{anna,bert,carl}'::text[]) u});

# A login by the unix socket, where all the world is one stranger; and one from an address.
sub login
{
	my ($name, $given, %options) = @_;
	my $answer = decode_json(sql($node, "SELECT twin_api.login('$name', '$given')", user => 'web', %options));
	return $answer->{error} // 'let in';
}
sub from_home
{
	my ($name, $given) = @_;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-XAtq', '-h', '127.0.0.1', '-p', $node->port, '-U', 'web', '-d', 'postgres', '-c', "SELECT twin_api.login('$name', '$given')" ], '>', \$out, '2>', \$err);
	return decode_json($out)->{error} // 'let in';
}
sub tries { my ($how, $name, $count) = @_; return join ' ', map { $how->($name, 'wrong') } 1 .. $count }
sub is_locked { my ($name, $on, %options) = @_; return sql($on // $node, "SELECT locked_until IS NOT NULL FROM twin.users WHERE username = '$name'", %options) }

# ---- an address of one's own ----

is(from_home('anna', $password), 'let in', 'anna logs in at home');
tries(\&login, 'anna', 6);
is(is_locked('anna') . ' ' . login('anna', $password), 't invalid_credentials', 'strangers lock her account');
is(from_home('anna', $password), 'let in', '... and not at home');
is(from_home('bert', $password), 'let in', 'bert logs in there, too');
tries(\&login, 'bert', 6);
tries(\&from_home, 'bert', 5);
is(from_home('bert', $password), 'invalid_credentials', 'who guesses at home is locked out there');
is(from_home('anna', $password), 'let in', 'he alone');
sql($node, "SELECT twin.unlock_user('bert')");
is(login('bert', $password) . ' ' . from_home('bert', $password), 'let in let in', 'unlock_user ends both locks');
is(login('carl', $password), 'let in', 'carl logs in by the socket');
tries(\&login, 'carl', 5);
is(from_home('carl', $password) . ' ' . is_locked('carl'), 'invalid_credentials t', 'at an address that is new to him his lock holds');
$node->stop;
start_with($node, $key, undef, %environment);
is(is_locked('carl') . ' ' . from_home('anna', $password), 't let in', 'after a restart all is the same');
sql($node, "SELECT twin.set_password('anna', '$password!')");
tries(\&login, 'anna', 6);
is(from_home('anna', "$password!"), 'invalid_credentials', 'addresses of before a new password are not known');
sql($node, "SELECT twin.unlock_user(u) FROM unnest('{anna,carl}'::text[]) u");

# ---- break-glass behind a locked address ----

sql($node, 'ALTER SYSTEM SET twin_security.login_max_failures_per_address = 6; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.login_max_failures_per_address') = '6'");
is(tries(\&from_home, 'nobody', 5), join(' ', ('invalid_credentials') x 5), 'an address locks itself');
is(from_home('glass', $password), 'let in', 'a break-glass account gets in');
is(from_home('anna', "$password!") . ' ' . from_home('glass', 'wrong'), 'too_many_requests too_many_requests', 'others do not, and a wrong password is answered alike');
is(from_home('glass', $password), 'too_many_requests', 'there are few such tries');
is(login('glass', $password), 'let in', 'another address has none of it');

# ---- a standby, promoted ----

tries(\&login, 'carl', 5);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('lockouts_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
start_with($standby, $key, undef, %environment);
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is(is_locked('carl', $standby), 't', 'a standby shows the lock');
fails_with($standby, "SELECT twin_api.login('carl', 'wrong')", '25006', '', 'and lets nobody in', user => 'web');
$node->stop;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
$node = $standby;
is(login('carl', $password), 'invalid_credentials', 'promoted, it keeps to it');
is(is_locked('carl'), 't', '... and shows it');
is(login('anna', "$password!"), 'let in', 'others log in');

# ---- a database restored beside, and an extension made anew ----

my ($from, $to) = map { "-d '" . $node->connstr($_) . "'" } 'postgres', 'restored';
sql($node, 'CREATE DATABASE restored');
run_pipe("pg_dump $from | psql -X -q -v ON_ERROR_STOP=1 $to");
is(is_locked('carl', $node, db => 'restored') . ' ' . login('carl', $password, db => 'restored'), 't invalid_credentials', 'a database that is restored on a running server knows the lock');
tries(\&login, 'anna', 5);
is(is_locked('anna', $node, db => 'restored'), 'f', 'and nothing of what happens elsewhere');
sql($node, 'SET client_min_messages = warning; DROP EXTENSION twin_security CASCADE; CREATE EXTENSION twin_security');
sql($node, "SELECT twin.create_user('new_' || i, '$password') FROM generate_series(1, 4) i");
is(sql($node, 'SELECT count(locked_until) FROM twin.users'), '0', 'users of an extension made anew inherit no lock');
is(join(' ', map { login("new_$_", $password) } 1 .. 4), join(' ', ('let in') x 4), 'they log in');
$node->stop;

done_testing();
