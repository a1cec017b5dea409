# Blocked addresses: who connects from one, asks from one or logs in from one is turned away from the commit on, in every
# database, through restarts and crashes; and nobody else is. In a network of its own, for loopback is never blocked.
use strict;
use warnings;
# before anything is redirected
BEGIN
{
	my @unshare = qw(unshare --map-current-user --keep-caps --net);
	if (!$ENV{TWIN_OWN_NETWORK} && system("@unshare ip link >/dev/null 2>&1") == 0)
	{
		$ENV{TWIN_OWN_NETWORK} = 1;
		exec @unshare, $^X, map({ "-I$_" } @INC), $0 or die "unshare: $!";
	}
}
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

plan skip_all => 'no network of our own is to be had here' unless $ENV{TWIN_OWN_NETWORK};
system("ip link set lo up && for i in 1 2 3; do ip addr add 10.99.0.\$i/32 dev lo; done && ip -6 addr add fd00:99::1/128 dev lo nodad") == 0 or die 'no addresses';

my $key = new_key();
my $node = new_node('blocks', allows_streaming => 1, conf => "listen_addresses = '127.0.0.1,10.99.0.1,10.99.0.2,10.99.0.3,fd00:99::1'\nrestart_after_crash = on\n"
	  . "twin_security.trusted_proxies = 'local'\nmax_prepared_transactions = 5\ntwin_security.max_blocks = 1024\nmax_connections = 40\n");
append_to_file($node->data_dir . '/pg_hba.conf', "host all typist 10.99.0.0/16 scram-sha-256\nhost all all 10.99.0.0/16 trust\nhost all all fd00:99::/64 trust\nhost all all 127.0.0.1/32 trust\n");
start_with($node, $key, undef, JWT_SECRET_KEY => 'a secret key of our own, long enough');
sql($node, "CREATE EXTENSION twin_security; CREATE DATABASE other; CREATE DATABASE bare; CREATE ROLE typist LOGIN PASSWORD 'right'; CREATE ROLE gateway LOGIN IN ROLE twin_gateway");
sql($node, 'CREATE EXTENSION twin_security', db => 'other');

# What a statement says that is run over an address, from which it then comes.
sub from
{
	my ($address, %options) = @_;
	my ($out, $err) = ('', '');
	my $at = $options{at} // $node;
	local $ENV{PGPASSWORD} = $options{password} // '';
	IPC::Run::run([ 'psql', '-XAtq', '-d', "host=$address port=" . $at->port . ' dbname=' . ($options{db} // 'postgres') . ' user=' . ($options{user} // getpwuid($<)), '-c', $options{sql} // 'SELECT 1' ],
		'>', \$out, '2>', \$err);
	chomp $out;
	return $out if $out ne '';
	return $err =~ /FATAL: +(.*)/ ? $1 : $err;
}
my $refused = 'connections from this address are refused';
sub is_out { my ($address, $name, %options) = @_; return is(from($address, %options), $refused, $name) }
sub is_in { my ($address, $name, %options) = @_; return is(from($address, %options), '1', $name) }
sub comes_to
{
	my ($address, $wanted, %options) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	sleep 0.1 while from($address, %options) ne $wanted && time < $until;
	return from($address, %options) eq $wanted;
}
sub over_network { my ($address) = @_; local $ENV{PGHOSTADDR} = $address; return $node->background_psql('postgres', on_error_stop => 0) }
sub is_gone { my ($session) = @_; my $gone = !eval { $session->query_safe('SELECT 1'); 1 }; eval { $session->{run}->kill_kill }; return $gone }

# ---- from the commit on, and only then ----

is_in('10.99.0.1', 'at first everybody comes in');
my $admin = $node->background_psql('postgres', on_error_stop => 0);
{
	sql($node, 'ALTER ROLE twin_gateway LOGIN');
	local $ENV{PGHOSTADDR} = '10.99.0.3';
	my $gateway = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'twin_gateway' ]);
	fails_with($node, "SELECT twin.block_address('$_')", '22023', 'never blocked.*The gateway twin_gateway is connected from 10.99.0.3', "not a gateway's address: $_") foreach qw(10.99.0.3 10.99.0.0/24);
	$gateway->quit;
}
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'twin_gateway')});
$admin->query_safe("BEGIN; SELECT twin.block_address('10.99.0.1')");
is_in('10.99.0.1', 'a block that is not committed is none');
$admin->query_safe('ROLLBACK');
is_in('10.99.0.1', 'nor one that was rolled back');
$admin->query_safe("BEGIN; SAVEPOINT a; SELECT twin.block_address('10.99.0.1'); ROLLBACK TO a; SAVEPOINT b; SELECT twin.block_address('10.99.0.2'); RELEASE b; COMMIT");
is_in('10.99.0.1', 'nor one of a savepoint that was');
is_out('10.99.0.2', 'what was committed is in force at once');
is_out('10.99.0.2', "in $_ too", db => $_) foreach qw(other bare);
is_out('10.99.0.2', 'a right password is answered', user => 'typist', password => 'right');
is_out('10.99.0.2', 'like a wrong one', user => 'typist', password => 'wrong');
is_in($_, "not so from $_") foreach qw(10.99.0.1 10.99.0.3 127.0.0.1 fd00:99::1);
is(sql($node, 'SELECT address, refusals FROM twin.blocked_addresses'), '10.99.0.2|5', 'the block is shown, and how many it turned away');
sql($node, q{SELECT twin.block_address('10.99.0.2', '2 hours')});
is(sql($node, 'SELECT refusals FROM twin.blocked_addresses'), '5', 'blocked for longer it is the same block');
from('10.99.0.2') foreach 1 .. 6;
ok(events_written($node), 'what is recorded');
is(sql($node, q{SELECT count(*), min(outcome), min(client_address) FROM twin.audit_log WHERE event_type = 'address_refused'}), '5|denied|10.99.0.2',
	'of refusals one by one is bounded, whichever database they were for');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'login_failure' AND client_address = '10.99.0.2'}), '0', 'and they are no failed logins');
is(sql($node, q{SELECT string_agg(event_type || ' ' || outcome, ', ' ORDER BY event_id) FROM twin.audit_log WHERE resource IN ('10.99.0.1/32', '10.99.0.2/32')}),
	'address_blocked failure, address_blocked failure, address_blocked success, address_blocked success', 'and so is what was blocked, or came to nothing');
fails_with($node, q{SELECT twin.unblock_address('10.99.0.2')}, '42704', 'not blocked', 'a database lifts its own blocks only', db => 'other');
sql($node, q{SELECT twin.block_address('10.99.0.2')}, db => 'other');
sql($node, q{SELECT twin.unblock_address('10.99.0.2')});
is_out('10.99.0.2', 'what two databases block');
sql($node, q{SELECT twin.unblock_address('10.99.0.2')}, db => 'other');
is_in('10.99.0.2', 'both must let in');
fails_with($node, q{BEGIN; SELECT twin.block_address('10.99.0.2'); PREPARE TRANSACTION 'p'}, '0A000', 'cannot PREPARE', 'a prepared transaction has no end to wait for');

# ---- sessions that are there ----

my @sessions = map { over_network($_) } qw(10.99.0.1 10.99.0.2 10.99.0.3 127.0.0.1);
$_->query_safe('SELECT 1') foreach @sessions;
sql($node, q{INSERT INTO twin.never_blocked VALUES ('10.99.0.3', 'ours'); SELECT twin.block_address('10.99.0.1', end_sessions => false)});
is($sessions[0]->query_safe('SELECT 1'), '1', 'a session stays where it may');
is_out('10.99.0.1', 'though no other begins');
my ($status, $out, $err) = $node->psql('postgres', q{\set VERBOSITY verbose
	SELECT twin.block_address('10.99.0.0/24')});
like($err, qr/NOTICE.*10\.99\.0\.0\/24 is blocked but for what twin\.never_blocked lists\nDETAIL: +Not blocked: 10\.99\.0\.3\/32/, 'who is spared is told');
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE client_addr IN ('10.99.0.1', '10.99.0.2')});
ok(is_gone($sessions[0]) && is_gone($sessions[1]), 'sessions of a network that is blocked end');
is($sessions[2]->query_safe('SELECT 1'), '1', 'not that of one that never is');
is_in('10.99.0.3', 'which comes in as well');
is($sessions[3]->query_safe('SELECT 1'), '1', 'nor others');
sql($node, 'DELETE FROM twin.never_blocked');
is_out('10.99.0.3', 'until it may be blocked');
sql($node, q{INSERT INTO twin.never_blocked VALUES ('10.99.0.2/31', 'ours')}, db => 'other');
is_out('10.99.0.3', 'and what another database never blocks this one does');
sql($node, 'TRUNCATE twin.never_blocked', db => 'other');
sql($node, q{SELECT twin.unblock_address('10.99.0.0/24'); SELECT twin.unblock_address('10.99.0.1')});
$_->quit foreach @sessions[ 2, 3 ];

# ---- himself ----

like(from('10.99.0.1', sql => "SELECT twin.block_address('10.99.0.0/24')"), qr/this would block your own address/, 'nobody blocks himself');
sql($node, q{INSERT INTO twin.never_blocked VALUES ('10.99.0.1')});
is(from('10.99.0.1', sql => "SET client_min_messages = error; SELECT twin.block_address('10.99.0.0/24') IS NULL"), 'f', 'but for whom no block touches');
is_in('10.99.0.1', 'who comes in again');
sql($node, q{SELECT twin.unblock_address('10.99.0.0/24'); DELETE FROM twin.never_blocked});

# ---- requests and logins ----

my $begin = sub { return "SELECT request_id IS NOT NULL FROM twin.begin_request('GET', '/x', '{}', '{}', '$_[0]', 'public', 'twin_anonymous')" };
sql($node, "SELECT twin.create_user('joe', 'correct horse battery', 'joe\@example.org'); SELECT twin.block_address('203.0.113.0/24'); SELECT twin.block_address('2001:db8:5::/64')");
sql($node, $begin->('203.0.112.1'), user => 'gateway');
fails_with($node, $begin->($_), 'TW804', 'requests from this address are refused', "no request from $_", user => 'gateway') foreach qw(203.0.113.9 ::ffff:203.0.113.9 2001:db8:5::77);
sql($node, q{SELECT twin.block_address('203.0.113.7')}, db => 'other');
fails_with($node, $begin->('203.0.113.7'), 'TW804', 'refused', 'whichever database blocks it', user => 'gateway');
my $pre = sub { return qq(BEGIN; SELECT set_config('request.headers', '{"x-forwarded-for": "$_[0]"}', true); SELECT 'lives' FROM (SELECT twin.pre_request()) p) };
like(sql($node, $pre->('203.0.112.1'), user => 'gateway'), qr/lives/, 'others may through PostgREST');
like(answer_of($node, $pre->('203.0.113.9'), user => 'gateway'), qr/^PT403: forbidden$/m, 'the blocked may not');

sql($node, 'ALTER ROLE twin_gateway LOGIN; GRANT twin_anonymous TO twin_gateway; CREATE SCHEMA api; CREATE TABLE api.notices AS SELECT 1 AS notice_id; GRANT USAGE ON SCHEMA api TO twin_anonymous; GRANT SELECT ON api.notices TO twin_anonymous');
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $gateway_conf = PostgreSQL::Test::Utils::tempdir() . '/gateway.conf';
append_to_file($gateway_conf, join("\n", sprintf('db-uri = "postgresql:///postgres?host=%s&port=%s&user=twin_gateway"', $node->host, $node->port), 'db-schemas = "api"',
	'db-anon-role = "twin_anonymous"', 'server-host = "127.0.0.1"', "server-port = $port", 'server-trusted-proxies = "127.0.0.1"', ''));
chomp(my $directory = `@{[ $ENV{PG_CONFIG} // 'pg_config' ]} --bindir`);
my $gateway = IPC::Run::start([ $ENV{GATEWAY_PROGRAM} // "$directory/twin_gateway", $gateway_conf ], '2>', \my $gateway_log);
END { $gateway->kill_kill if $gateway }
sub notices
{
	my ($client) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or return '';
	print $socket "GET /notices HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: $client\r\nConnection: close\r\n\r\n";
	$socket->flush;
	local $/;
	return <$socket> // '';
}
for (1 .. 300) { last if notices('203.0.112.1') =~ /^HTTP\/1.1 200/; sleep 0.1 }
like(notices('203.0.112.1'), qr/^HTTP\/1.1 200.*notice_id/s, 'a request through the gateway');
like(notices('203.0.113.9'), qr/^HTTP\/1.1 403 .*TW804(?!.*203\.0)/s, 'from a blocked address is forbidden');
sql($node, q{SELECT twin.unblock_address('203.0.113.0/24')});
like(notices('203.0.113.9'), qr/^HTTP\/1.1 200/, 'until it is not any more');
$gateway->kill_kill;
undef $gateway;
my $session = over_network('10.99.0.1');
my $login = q{SELECT a->>'error', a ? 'access_token', current_setting('response.status', true) FROM (SELECT twin_api.login('joe', 'correct horse battery') a) l;};
is($session->query_safe("BEGIN; $login COMMIT"), '|t|', 'a login');
sql($node, q{SELECT twin.block_address('10.99.0.1', end_sessions => false)});
is($session->query_safe("BEGIN; $login COMMIT"), 'forbidden|f|403', 'is refused in a session that stays');
is($session->query_safe(q{BEGIN; SELECT a->>'error' FROM (SELECT twin_api.refresh('x') a) r; COMMIT}), 'forbidden', 'as is a refresh');
is($session->query_safe(q{SELECT count(*) FROM twin_internal.failures_of('address', '10.99.0.1') WHERE failures > 0}), '0', 'and counts as nothing');
$session->quit;
sql($node, q{SELECT twin.unblock_address('10.99.0.1')});

# ---- it ends by itself ----

sql($node, q{SELECT twin.block_address('fd00:99::/64')});
is_out('fd00:99::1', 'an IPv6 network is blocked');
sql($node, q{UPDATE twin_internal.blocks SET blocked_until = clock_timestamp() + interval '0.2 seconds' WHERE network = 'fd00:99::/64'});
ok(comes_to('fd00:99::1', '1'), 'and when that is over not any more');
is(sql($node, q{SELECT count(*) FROM twin.blocked_addresses WHERE address = 'fd00:99::/64'}), '0', 'nor shown');

# ---- many, and no room ----

my $many = q{DO $$ BEGIN FOR i IN 0..%d LOOP PERFORM twin.block_address('198.18.0.0'::inet + i, '%s'); END LOOP; END $$};
fails_with($node, sprintf($many, 1100, '1 hour'), '53400', 'too many networks are blocked', 'there is no room for more than fit');
is(sql($node, q{SELECT count(*) FROM twin.blocked_addresses WHERE address <<= '198.18.0.0/15'}), '0', 'and none of them stays');
sql($node, sprintf($many, 999, '1 hour'));
foreach my $i (1 .. 40)
{
	last if answer_of($node, "SELECT twin.block_address('198.19.9.$i')") =~ /^53400/;
}
fails_with($node, q{SELECT twin.block_address('198.19.10.1')}, '53400', 'too many networks', 'when the last place is taken there is no other');
sql($node, q{SELECT twin.block_address('198.18.3.1', '2 hours'); SELECT twin.unblock_address('198.18.3.2'); SELECT twin.block_address('198.19.10.1')});
fails_with($node, $begin->($_), 'TW804', 'refused', 'what is blocked can be blocked for longer, and what is lifted makes room', user => 'gateway') foreach qw(198.18.3.1 198.19.10.1);
sql($node, q{UPDATE twin_internal.blocks SET blocked_until = clock_timestamp() + interval '0.2 seconds' WHERE network <<= '198.18.0.0/16' AND blocked_until > now()});
sleep 0.3;
sql($node, sprintf($many, 950, '1 hour') =~ s/198\.18/198.19/r);
fails_with($node, $begin->('198.19.3.1'), 'TW804', 'refused', 'what is over makes room', user => 'gateway');
sql($node, 'DELETE FROM twin_internal.blocks WHERE network <<= $$198.18.0.0/15$$');

# ---- many at once ----

my $script = PostgreSQL::Test::Utils::tempdir() . '/script';
append_to_file($script, q{\set a random(1, 3)
SELECT CASE WHEN random() < 0.5 THEN twin.block_address(('10.99.0.' || :a)::inet, end_sessions => false) ELSE twin.unblock_address(b.address) END
	FROM (VALUES (1)) v LEFT JOIN twin.blocked_addresses b ON b.address = ('10.99.0.' || :a)::inet;
});
# who unblocks what another has unblocked meanwhile fails, which is no harm
IPC::Run::run([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 100, '-f', $script, $node->connstr('postgres') ], '>', \$out, '2>', \$err) foreach 1 .. 3;
my %blocked = map { $_ => 1 } split /\n/, sql($node, q{SELECT host(address) FROM twin.blocked_addresses WHERE address <<= '10.99.0.0/24'});
is(from("10.99.0.$_"), $blocked{"10.99.0.$_"} ? $refused : '1', "10.99.0.$_ is what the table says") foreach 1 .. 3;
sql($node, 'DELETE FROM twin_internal.blocks');
is_in("10.99.0.$_", 'a row that goes lets in') foreach 1 .. 3;

# ---- what outlasts the server ----

sql($node, q{SELECT twin.block_address('10.99.0.1', reason => 'to stay'), twin.block_address('10.99.0.2'), twin.block_address('10.99.0.3')});
sql($node, q{SELECT twin.unblock_address('10.99.0.2'); INSERT INTO twin.never_blocked VALUES ('10.99.0.3')});
# nobody reads the tables
$node->append_conf('postgresql.conf', "twin_security.databases = 'nowhere'\n");
sub all_holds
{
	my ($after) = @_;
	is_out('10.99.0.1', "$after who was blocked is, before any table is read");
	is_in('10.99.0.2', "$after not who was let in");
	is_in('10.99.0.3', "$after nor who never is");
	return;
}
$admin->quit;
restart_with($node, $key);
all_holds('after a restart');
$session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
my $log = -s $node->logfile;
kill 'KILL', $pid;
$node->wait_for_log(qr/database system is ready to accept connections/, $log);
eval { $session->quit };
all_holds('after a crash of a backend');
sql($node, q{SELECT twin.block_address('10.99.0.2'); SELECT twin.unblock_address('10.99.0.1')});
$node->stop('immediate');
start_with($node, $key);
is_out('10.99.0.2', 'after kill what was committed last holds');
is_in('10.99.0.1', '... in both directions');

# the file is gone, or wrong: the tables bring it back
$node->append_conf('postgresql.conf', "twin_security.databases = ''\n");
my $file = $node->data_dir . '/pg_stat/twin_security_blocks';
$node->stop;
unlink $file or die $!;
start_with($node, $key);
ok(comes_to('10.99.0.2', $refused), 'without the file what is blocked is read from the table');
$node->stop;
open my $handle, '+<:raw', $file or die $!;
seek $handle, 20, 0;
print $handle 'x';
close $handle;
append_to_file($file, 'rest');
$log = -s $node->logfile;
start_with($node, $key);
ok(comes_to('10.99.0.2', $refused), 'and when it is damaged');
like(slurp_file($node->logfile, $log), qr/2 records of file "pg_stat\/twin_security_blocks" are damaged/, '... which is told');
sql($node, q{SELECT twin.unblock_address('10.99.0.2'); DELETE FROM twin.never_blocked});
ok(comes_to('10.99.0.2', '1'), 'let in again');

# ---- what goes with its database ----

sql($node, q{SELECT twin.block_address('10.99.0.1'), twin.block_address('10.99.0.2', '1 day', 'to be restored'), twin.block_address('10.99.0.3', '1 second')}, db => 'other');
sleep 1.1;
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('other') ], 'a dump');
is_out('10.99.0.1', 'another database blocks');
sql($node, 'BEGIN; DROP EXTENSION twin_security CASCADE; ROLLBACK', db => 'other');
is_out('10.99.0.1', 'so it does though an extension was nearly dropped');
sql($node, 'DROP EXTENSION twin_security CASCADE', db => 'other');
is_in('10.99.0.1', 'when it is dropped its blocks go');
sql($node, 'CREATE DATABASE third');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('third'), $dump ], 'a restore');
is_out('10.99.0.2', 'brings them back');
is(sql($node, 'SELECT address, reason FROM twin.blocked_addresses ORDER BY address', db => 'third'), "10.99.0.1|\n10.99.0.2|to be restored\n203.0.113.7|", '... those in force');
sql($node, 'DROP DATABASE third WITH (FORCE)');
ok(comes_to('10.99.0.2', '1'), 'when a database is dropped its blocks go');

# ---- a standby ----

sql($node, q{SELECT twin.block_address('10.99.0.1')});
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
start_with($standby, $key);
is_out('10.99.0.1', 'what a base backup brought holds on a standby', at => $standby);
is_in('10.99.0.2', 'where others come in', at => $standby);
sql($node, q{SELECT twin.block_address('10.99.0.2'); SELECT twin.unblock_address('10.99.0.1')});
ok(comes_to('10.99.0.2', $refused, at => $standby), 'what is blocked later comes there as well');
ok(comes_to('10.99.0.1', '1', at => $standby), 'and what is lifted');
sql($node, q{INSERT INTO twin.never_blocked VALUES ('10.99.0.2')});
ok(comes_to('10.99.0.2', '1', at => $standby), 'and who is never blocked');
sql($node, q{CREATE DATABASE late});
sql($node, q{DELETE FROM twin.never_blocked; SELECT twin.block_address('10.99.0.3')});
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
ok(comes_to('10.99.0.3', $refused, at => $standby), 'again');
$node->stop;
$standby->restart;
is_out('10.99.0.3', 'a standby that is restarted knows at once', at => $standby);
$standby->promote;
sql($standby, q{SELECT twin.block_address('10.99.0.1'); SELECT twin.unblock_address('10.99.0.3')});
is_out('10.99.0.1', 'once promoted it blocks', at => $standby);
is_in('10.99.0.3', 'and lets in at once', at => $standby);
$standby->stop;
done_testing();
