# Logins wait for passwords to be hashed and hold a connection to the database meanwhile; reads get theirs all the same.
# Nor does one address get all connections, whatever it asks for.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

# half a second of hashing, one at once
my $node = new_node('gateway_logins', conf => "twin_security.bcrypt_cost = 13\ntwin_security.max_concurrent_hashes = 1\ntwin_security.hash_wait_timeout = 60s\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'tests sign with this, and nobody else');
sql($node, q{
	CREATE EXTENSION twin_security;
	ALTER ROLE twin_gateway LOGIN;
	CREATE SCHEMA api;
	CREATE TABLE api.notices AS SELECT 1 AS notice_id;
	GRANT USAGE ON SCHEMA api TO twin_anonymous;
	GRANT SELECT ON api.notices TO twin_anonymous;
	CREATE FUNCTION api.rest(seconds int) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(seconds)'});
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $file = PostgreSQL::Test::Utils::tempdir() . '/gateway.conf';
open my $conf, '>', $file or die $!;
print $conf map { "$_\n" } sprintf('db-uri = "postgresql:///postgres?host=%s&port=%s&user=twin_gateway"', $node->host, $node->port),
	'db-schemas = "api"', 'db-anon-role = "twin_anonymous"', 'db-pool = 4', 'db-pool-acquisition-timeout = "60s"', 'server-host = "127.0.0.1"', "server-port = $port", 'server-trusted-proxies = "127.0.0.1"';
close $conf;
my $directory = `@{[ $ENV{PG_CONFIG} // 'pg_config' ]} --bindir`;
chomp $directory;
my $gateway = IPC::Run::start([ $ENV{GATEWAY_PROGRAM} // "$directory/twin_gateway", $file ], '2>', \my $log);
END { $gateway->kill_kill if $gateway }

# Sends a request and does not wait; the answer closes the connection.
sub send_request
{
	my ($head, $body) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or return;
	print $socket "$head\r\nHost: test\r\nConnection: close\r\n" . (defined $body ? 'Content-Length: ' . length($body) . "\r\n\r\n$body" : "\r\n");
	$socket->flush;
	return $socket;
}
sub answer { my ($socket) = @_; local $/; return $socket ? scalar(<$socket>) // '' : '' }
sub notices { return answer(send_request('GET /notices HTTP/1.1')) }

for (1 .. 300) { last if notices() =~ /^HTTP\/1.1 200/; select undef, undef, undef, 0.1 }
my @guesses = map { send_request("POST /api/auth/login HTTP/1.1\r\nContent-Type: application/json\r\nX-Forwarded-For: 198.51.100.$_", qq({"username": "user$_", "password": "wrong"})) } 1 .. 6;
my $hashing = "SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'twin_gateway' AND query LIKE '%login%' AND state <> 'idle'";
ok($node->poll_query_until('postgres', $hashing), 'passwords are being hashed');
like(notices(), qr/^HTTP\/1.1 200.*\[\{"notice_id":1\}\]/s, 'a read is answered meanwhile');
cmp_ok(scalar(IO::Select->new(@guesses)->can_read(0)), '<', 3, '... before logins that came earlier');
is(scalar(grep { answer($_) =~ /^HTTP\/1.1 401/ } @guesses), 6, 'logins wait for each other, and are answered');

my @rests = map { send_request("POST /rpc/rest HTTP/1.1\r\nContent-Type: application/json\r\nX-Forwarded-For: 2001:db8::$_", '{"seconds": 5}') } 1 .. 6;
my $resting = "FROM pg_stat_activity WHERE usename = 'twin_gateway' AND wait_event = 'PgSleep'";
ok($node->poll_query_until('postgres', "SELECT count(*) = 3 $resting"), 'one network makes three of four connections rest');
like(notices(), qr/^HTTP\/1.1 200/, 'another address is answered meanwhile');
is(sql($node, "SELECT count(*) $resting"), '3', '... by the connection that is kept for others');
is(scalar(grep { answer($_) =~ /^HTTP\/1.1 204/ } @rests), 6, 'who waits for its own is answered, too');
done_testing();
