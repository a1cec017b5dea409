# Behind PgBouncer in transaction mode: mixed transactions of three tenants and of nobody over four connections, and each
# sees its own tenant's rows and no other's; a token set for a session is nobody's identity.  POOLED_TRANSACTIONS=100000
# for as many as docs/scaling.md speaks of.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep);

my ($bouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'PgBouncer is not installed' unless $bouncer;
my $transactions = $ENV{POOLED_TRANSACTIONS} // 20_000;
my ($clients, $pool) = (20, 4);
my $node = new_node('pooled', conf => "fsync = off\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'a secret of at least thirty-two bytes, for tests');
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE app LOGIN;
	CREATE TABLE unit (id bigserial PRIMARY KEY, tenant_id bigint NOT NULL, name text);
	INSERT INTO unit (tenant_id, name) SELECT 1 + i % 3, 'u' || i FROM generate_series(1, 30) i;
	SELECT twin.protect_table('unit', 'tenant_id');
	GRANT SELECT, INSERT, DELETE ON unit TO app; GRANT USAGE ON SEQUENCE unit_id_seq TO app;
	ALTER TABLE unit SET (autovacuum_enabled = off);
	CREATE TABLE seen (tenant bigint);
	GRANT INSERT ON seen TO app;
	CREATE FUNCTION must_be(tenant bigint) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE seen bigint[] := ARRAY(SELECT DISTINCT u.tenant_id FROM unit u);
	BEGIN
		IF twin.current_tenant_id() IS DISTINCT FROM tenant OR seen <> array_remove(ARRAY[tenant], NULL) OR (twin.current_user_id() IS NULL) <> (tenant IS NULL) THEN
			RAISE 'tenant % is tenant % and sees %', tenant, twin.current_tenant_id(), seen;
		END IF;
	END $$});
my @tokens = map { sql($node, qq(SELECT twin.issue_token('{"user_id": "1$_", "role": "operator", "tenant_id": $_}', '1 day'))) } 1 .. 3;

my $folder = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$folder/users", qq("app" ""\n));
append_to_file("$folder/pgbouncer.ini", join "\n", '[databases]', sprintf('postgres = host=%s port=%s', $node->host, $node->port), '[pgbouncer]', 'listen_addr =', "listen_port = $port",
	"unix_socket_dir = $folder", 'auth_type = trust', "auth_file = $folder/users", 'pool_mode = transaction', "default_pool_size = $pool", 'max_client_conn = 100', 'ignore_startup_parameters = extra_float_digits,options', "logfile = $folder/log", '');
my $pooler = IPC::Run::start([ $bouncer, '-q', "$folder/pgbouncer.ini" ], '2>', \my $said);
END { $pooler->kill_kill if $pooler }

# What a client of the pool is told.
sub pooled
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-h', $folder, '-p', $port, '-U', 'app', '-d', 'postgres' ], '<', \$sql, '>', \$out, '2>', \$err);
	chomp $out;
	return $err =~ /(?:ERROR|FATAL):\s+(\w{5}: .*)/ ? $1 : $out;
}
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default) { last if pooled('SELECT 1') eq '1'; sleep 0.1 }
is(pooled('SELECT must_be(NULL)'), '', 'through the pooler nobody is nobody');
is(pooled("BEGIN; SELECT twin.authenticate('$tokens[0]'); SELECT must_be(1); COMMIT"), "\n", 'and a tenant itself');

# Runs so many transactions of every kind; what it said of failures.
sub bench
{
	my ($mode, $count, %scripts) = @_;
	my ($out, $err) = ('', '');
	my @files;
	foreach my $name (sort keys %scripts)
	{
		append_to_file("$folder/$mode.$name", $scripts{$name});
		push @files, '-f', "$folder/$mode.$name" . ($name =~ /^read/ ? '@6' : '@1');
	}
	my $done = IPC::Run::run([ 'pgbench', '-n', '-M', $mode, '-c', $clients, '-j', '1', '-t', int($count / $clients), '-h', $folder, '-p', $port, '-U', 'app', @files, 'postgres' ], '>', \$out, '2>', \$err);
	my ($processed) = $out =~ m{transactions actually processed: (\d+)/};
	is($processed, $clients * int($count / $clients), "$mode: every transaction saw what is its own");
	is($done ? '' : $err, '', "$mode: and none failed");
	return;
}
# The kinds: readers, writers, who changes his mind, who shows a second token, nobody.
sub kinds
{
	my ($and) = @_;
	my %kinds = (nobody => 'SELECT must_be(NULL);', nobody_for_long => join($and, 'BEGIN', 'SELECT must_be(NULL)', 'SELECT must_be(NULL)', 'COMMIT;'));
	foreach my $tenant (1 .. 3)
	{
		my $other = $tenant % 3 + 1;
		my ($token, $second) = @tokens[ $tenant - 1, $other - 1 ];
		$kinds{"read_$tenant"} = join $and, 'BEGIN', "SET LOCAL twin_security.token = '$token'", "SELECT must_be($tenant)", 'COMMIT;';
		$kinds{"write_$tenant"} = join $and, 'BEGIN', "SELECT twin.authenticate('$token')", "INSERT INTO unit (tenant_id, name) VALUES ($tenant, 'new')", "SELECT must_be($tenant)",
		  "DELETE FROM unit WHERE name = 'new'", 'COMMIT;';
		$kinds{"back_$tenant"} = join $and, 'BEGIN', "SELECT twin.authenticate('$token')", "SELECT must_be($tenant)", 'ROLLBACK;';
		$kinds{"again_$tenant"} = join $and, 'BEGIN', "SELECT twin.authenticate('$token')", 'SAVEPOINT s', "SELECT twin.authenticate('$second')", "SELECT must_be($other)", 'ROLLBACK TO s',
		  "SELECT must_be($tenant)", 'COMMIT;';
	}
	return %kinds;
}
bench('simple', 0.9 * $transactions, kinds(" \\;\n"));
bench('extended', 0.1 * $transactions, kinds(";\n"));
cmp_ok(sql($node, q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'}), '<=', $pool, 'over a few connections');

# ---- errors, and who leaves in the middle ----

like(pooled("BEGIN; SELECT twin.authenticate('$tokens[1]'); SELECT 1/0"), qr/^22012/, 'a transaction that fails');
is(pooled('SELECT must_be(NULL)'), '', '... leaves nobody behind') foreach 1 .. $pool;
foreach my $round (1 .. $pool)
{
	my $gone = IPC::Run::start([ 'psql', '-XAtq', '-h', $folder, '-p', $port, '-U', 'app', '-d', 'postgres' ], '<', \my $in, '>', \my $out, '2>', \my $err);
	$in = "BEGIN; SELECT twin.authenticate('$tokens[2]'); SELECT 'in', twin.current_tenant_id();\n";
	$gone->pump until $out =~ /in\|3/;
	$gone->kill_kill;
}
is(pooled('SELECT must_be(NULL)'), '', 'nor does a client that is gone') foreach 1 .. 2 * $pool;

# ---- a token for the whole session would be the next client's, too ----

is(pooled("SET twin_security.token = '$tokens[0]'"), '', 'a client that says SET instead of SET LOCAL');
my %answers;
$answers{ pooled('SELECT count(*) FROM unit') }++ foreach 1 .. 4 * $pool;
is(join(' | ', sort map { s/^(TW601).*/$1/r } keys %answers) =~ /^(?:0 \| )?TW601$/, 1, 'makes nobody him: who comes to that connection is refused') or diag(explain(\%answers));
sql($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'});
for (1 .. 100) { last if pooled('SELECT must_be(NULL)') eq ''; sleep 0.1 }
is(pooled('SELECT must_be(NULL)'), '', 'until that connection is gone');
$pooler->kill_kill;
undef $pooler;
$node->stop;
done_testing();
