# Sessions of the database: who came in, who was refused and why, a flood of those, and whose log knows.
use strict;
use warnings;
use IO::Socket::UNIX;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('logins', conf => "listen_addresses = '127.0.0.1'\nmax_connections = 20\n");
start_with($node, new_key());
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE word LOGIN PASSWORD 'right';
	CREATE ROLE nologin;
	CREATE ROLE few LOGIN CONNECTION LIMIT 0;
	CREATE ROLE stranger LOGIN;
	CREATE DATABASE other;
	CREATE DATABASE bare;
	CREATE DATABASE closed ALLOW_CONNECTIONS false;
	REVOKE CONNECT ON DATABASE other FROM PUBLIC});
sql($node, 'CREATE EXTENSION twin_security', db => 'other');
open my $hba, '>', $node->data_dir . '/pg_hba.conf' or die $!;
print $hba "local all word scram-sha-256\nlocal all barred reject\nlocal all all trust\nhost all word 127.0.0.1/32 scram-sha-256\n";
close $hba;
$node->reload;

sub settle { return events_written($node, db => $_[0]) }

my $latest = 0;
sub mark { settle(); $latest = sql($node, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log'); return }
sub refused
{
	my ($name, $connection, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	mark();
	my ($out, $err);
	my $code = $node->psql('postgres', 'SELECT 1', connstr => $connection, stdout => \$out, stderr => \$err);
	isnt($code, 0, "$name is refused") or diag($out);
	settle();
	return is(
		sql($node, "SELECT outcome, class, username, resource, client_address, details ->> 'sqlstate', details ->> 'method' FROM twin.audit_log WHERE event_type = 'login_failure' AND event_id > $latest"),
		$expected, "$name is recorded");
}

my $here = sprintf('host=%s port=%s', $node->host, $node->port);
{
	local $ENV{PGPASSWORD} = 'wrong';
	refused('a wrong password', "$here dbname=other user=word", 'failure|audit|word|other||28P01|scram-sha-256');
	refused('a wrong password from the network', 'host=127.0.0.1 port=' . $node->port . ' dbname=postgres user=word', 'failure|audit|word|postgres|127.0.0.1|28P01|scram-sha-256');
}
refused('an unknown role', "$here dbname=postgres user=nobody", 'failure|audit|nobody|postgres||28000|trust');
refused('a role that is none to log in', "$here dbname=postgres user=nologin", 'failure|audit|nologin|postgres||28000|trust');
refused('an unknown database', "$here dbname=nowhere", 'failure|audit|postgres|nowhere||3D000|trust');
refused('no line of pg_hba.conf', 'host=127.0.0.1 port=' . $node->port . ' dbname=postgres user=postgres', 'failure|audit|postgres|postgres|127.0.0.1|28000|implicit reject');
refused('a line that rejects', "$here dbname=postgres user=barred", 'failure|audit|barred|postgres||28000|reject');
refused('no CONNECT on the database', "$here dbname=other user=stranger", 'failure|audit|stranger|other||42501|trust');
refused('too many connections of a role', "$here dbname=postgres user=few", 'failure|audit|few|postgres||53300|trust');
refused('a database that takes none', "$here dbname=closed", 'failure|audit|postgres|closed||55000|trust');
is(sql($node, q{SELECT count(*) FROM twin.audit_log e WHERE e::text ~ 'wrong'}), '0', 'no password is recorded');
like(sql($node, q{SELECT string_agg(DISTINCT details ->> 'reason', ' ') FROM twin.audit_log WHERE event_type = 'login_failure'}), qr/password authentication failed for user "%s"/, 'but the reason');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'login_failure'}, db => 'other'), '0', 'connections refused belong to no database');

# ---- in ----

mark();
{
	local $ENV{PGPASSWORD} = 'right';
	my $out;
	$node->psql('postgres', 'SELECT 1', connstr => 'host=127.0.0.1 port=' . $node->port . ' dbname=postgres user=word application_name=tester', stdout => \$out);
	is($out, '1', 'who has the password is in');
}
settle();
is(sql($node, "SELECT class, outcome, action, resource, session_user_name, client_address, application_name, details ->> 'method', details ->> 'identity', details ->> 'encrypted' FROM twin.audit_log WHERE event_type = 'login_success' AND session_user_name = 'word' AND event_id > $latest"),
	'audit|success|connect|postgres|word|127.0.0.1|tester|scram-sha-256|word|false', 'and recorded');
sql($node, 'SELECT 1', db => 'other');
settle('other');
ok(sql($node, "SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'login_success' AND resource = 'other'", db => 'other') eq 't', 'in the log of its database');
is(sql($node, "SELECT count(*) FROM twin.audit_log WHERE resource = 'other' AND event_type = 'login_success'"), '0', 'and in no other');
sql($node, 'SELECT 1', db => 'bare') for 1 .. 3;
ok(comes_true($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'bare'"), 'where there is no log, nobody comes to write one');

# ---- out ----

is(sql($node, "SELECT count(*) FROM twin.audit_log WHERE event_type = 'logout'"), '0', 'who leaves is not recorded');
$node->append_conf('postgresql.conf', 'twin_security.audit_logouts = on');
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT current_setting('twin_security.audit_logouts')}, 'on'), '... unless wanted');
sql($node, 'SELECT pg_sleep(0.2)');
# (it leaves after psql has)
comes_true($node, q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'logout' AND resource = 'postgres' AND (details ->> 'seconds')::float > 0.2});
is(sql($node, q{SELECT count(*) > 0, bool_and((details ->> 'seconds')::float >= 0), bool_or((details ->> 'seconds')::float > 0.2) FROM twin.audit_log WHERE event_type = 'logout' AND resource = 'postgres'}), 't|t|t', 'and how long it was there');
$node->append_conf('postgresql.conf', 'twin_security.audit_logouts = off');
$node->reload;

# ---- what comes with a connection ----

mark();
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	sql($node, 'SELECT 1');
}
sql($node, 'ALTER ROLE postgres IN DATABASE other SET session_replication_role = replica');
sql($node, 'SELECT 1', db => 'other');
settle();
settle('other');
is(sql($node, "SELECT action, details ->> 'new', severity FROM twin.audit_log WHERE event_type = 'configuration_change' AND resource = 'session_replication_role' AND event_id > $latest"),
	'connect|replica|high', 'a setting out of the client\'s options');
like(sql($node, "SELECT action || ' ' || (details ->> 'new') FROM twin.audit_log WHERE event_type = 'configuration_change' AND resource = 'session_replication_role' LIMIT 1", db => 'other'),
	qr/connect replica/, 'and one that a role brings');
sql($node, 'ALTER ROLE postgres IN DATABASE other RESET session_replication_role');

# ---- who is refused before anybody asks for a password ----

my $socket = $node->host . '/.s.PGSQL.' . $node->port;

# A connection that says so much, and what the server answers until it waits or hangs up.
sub knock
{
	my ($version, $rest) = @_;
	my $client = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $socket) or die $!;
	$client->print(pack('NN', 8 + length $rest, $version) . $rest);
	my $answer = '';
	1 while $answer !~ /Z\x00\x00\x00\x05I\z/ && sysread($client, $answer, 8192, length $answer);
	return ($client, $answer);
}
sub refusals { return sql($node, "SELECT string_agg(concat_ws(' ', details ->> 'sqlstate', username, resource, n), ', ' ORDER BY details ->> 'sqlstate') FROM (SELECT details, username, resource, count(*) AS n FROM twin.audit_log WHERE event_type = 'login_failure' AND event_id > $latest GROUP BY 1, 2, 3) f") }
my $three = 196608;
mark();
my @held = map { [ knock($three, "user\0stranger\0database\0postgres\0\0") ] } 1 .. 25;
my $turned_away = grep { $_->[1] =~ /53300/ } @held;
$_->[0]->close foreach @held;
cmp_ok($turned_away, '>', 2, 'more clients than there is room for are turned away');
settle();
is(refusals(), "53300 stranger postgres $turned_away", '... and each is recorded');
mark();
(knock(9 << 16, "user\0stranger\0\0"))[0]->close;
(knock($three, "database\0postgres\0\0"))[0]->close;
settle();
is(refusals(), '0A000 1, 28000 postgres 1', 'so is who speaks another protocol, or names nobody');

# ---- a flood ----

mark();
for (1 .. 600) { (knock($three, "user\0nobody\0database\0postgres\0\0"))[0]->close }
is(sql($node, "SELECT count(twin.record_event('beside')) FROM generate_series(1, 20)"), '20', 'beside a flood of refused connections there is room');
settle();
my $recorded = sql($node, "SELECT count(*) FROM twin.audit_log WHERE event_type = 'login_failure' AND username = 'nobody' AND event_id > $latest");
my $withheld = sql($node, "SELECT sum((details ->> 'withheld')::int) FROM twin.audit_log WHERE event_type = 'events_withheld' AND event_id > $latest");
cmp_ok($recorded, '>=', 50, 'its beginning is recorded');	# of 60 at once some may have been taken before
cmp_ok($recorded, '<', 300, 'its rest is not');
cmp_ok($recorded + $withheld, '>=', 600, "but counted ($recorded, $withheld)");
is(sql($node, 'SELECT dropped FROM twin.stat_audit'), '0', 'nothing was dropped');

# ---- garbage on the port ----

mark();
my $stranger = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $socket);
$stranger->print("GET / HTTP/1.1\r\n\r\n");
my $rest = '';
1 while sysread($stranger, $rest, 8192, length $rest);
$stranger->close;
sql($node, 'SELECT 1');
settle();
is(sql($node, 'SELECT 1'), '1', 'garbage does no harm');
$node->stop;
done_testing();
