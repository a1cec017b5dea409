# twin_security.require_tls: who comes over the network without TLS is refused, whatever pg_hba.conf lets in; and who is
# nobody's learns nothing. The server is made by deploy/image/start_database from deploy/postgresql.conf, in a network
# of its own, which has an address that is not the loopback's.
use strict;
use warnings;
use Test::More;
my $address;

# before PostgreSQL's modules take standard output for themselves
BEGIN
{
	$address = '10.77.1.2';
	unless ($ENV{TWIN_OWN_NETWORK})
	{
		my @own = qw(unshare --user --map-current-user --keep-caps --net);
		my $setup = "PATH=\$PATH:/usr/sbin:/sbin; ip link set lo up && ip addr add $address/32 dev lo";

		plan skip_all => 'this machine gives its users no network of their own (unshare --user --net)'
		  unless system("@own bash -c '$setup' 2>/dev/null") == 0;
		$ENV{TWIN_OWN_NETWORK} = 1;
		exec @own, 'bash', '-c', "$setup && exec \"\$@\"", 'bash', $^X, (map { "-I$_" } @INC), $0 or die $!;
	}
}

use IPC::Run;
use POSIX ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);
use TwinTest;

my $deploy = "$ENV{TWIN_SOURCE}/deploy";
my $place = PostgreSQL::Test::Utils::tempdir_short();
my $patience = $PostgreSQL::Test::Utils::timeout_default;
chomp(my $bin = `@{[ $ENV{PG_CONFIG} // 'pg_config' ]} --bindir`);
chomp(my $me = `id -un`);

sub write_file { my ($name, $text) = @_; open my $file, '>', "$place/$name" or die "$name: $!"; print $file $text; close $file or die $!; return }

# ---- certificates ----

my @certificates = ("$deploy/certificates", "$place/tls");
command_ok([ @certificates, @$_ ], "certificates: @$_") foreach [ 'ca' ], [ 'server', 'database', $address, 'localhost' ], [ 'client', 'member' ];
is((join ' ', map { sprintf '%04o', (stat "$place/tls/$_.key")[2] & 07777 } qw(ca database member)), '0600 0600 0600', 'nobody else reads their keys');
command_fails_like([ @certificates, 'client', 'member' ], qr/there already/, 'nothing is overwritten');
command_fails_like([ @certificates, @$_ ], qr/not a (?:name|host)/, "refused: @$_") foreach [ 'client', '../x' ], [ 'client', "x\nCA:TRUE" ], [ 'server', 'y', 'a,DNS:b' ], [ 'server', 'y', "a\n" ];
is((join ' ', sort grep { !/^(?:ca|database|member)[.](?:key|crt)$/ } map { s{.*/}{}r } glob "$place/tls/{.[!.],}*"), '', '... and leaves nothing behind');
my $ca = "$place/tls/ca.crt";
command_ok([ 'openssl', 'verify', '-CAfile', $ca, '-purpose', @$_ ], "openssl verifies: @$_") foreach [ 'sslserver', "$place/tls/database.crt" ], [ 'sslclient', "$place/tls/member.crt" ];
command_fails([ 'openssl', 'verify', '-CAfile', $ca, '-purpose', @$_ ], "... and not: @$_") foreach [ 'sslclient', "$place/tls/database.crt" ], [ 'sslserver', "$place/tls/member.crt" ];

# ---- the server ----

mkdir "$place/$_" or die $! foreach qw(conf run evidence);
mkdir "$place/evidence/$_", 0750 or die $! foreach qw(checkpoints archives exports wal);
write_file('encryption_key', new_key() . "\n");
write_file('jwt_secret_key', new_key());
my $conf = file_bytes("$deploy/postgresql.conf");
$conf =~ s{/etc/postgresql/tls/}{$place/tls/}g;
$conf =~ s{/var/lib/twin_security/}{$place/evidence/}g;
write_file('conf/postgresql.conf', $conf . "unix_socket_directories = '$place/run'\nfsync = off\nlisten_addresses = '127.0.0.1, ::1, $address'\n"
	  . "twin_security.cluster_database = postgres\nlogging_collector = off\ntwin_security.readable_environment = 'TWIN_REGION, TWIN_EMPTY,TWIN_ABSENT,TWIN_ODD'\n");
write_file('conf/pg_hba.conf', join "\n", "local all $me peer", 'local all all trust', 'host all pw 10.77.1.0/24 scram-sha-256',
	map({ "host all,replication all $_ trust" } "$address/32", '127.0.0.1/32', '::1/128'), '');
my $postmaster;

sub begin
{
	$postmaster = fork // die $!;
	if ($postmaster == 0)
	{
		delete @ENV{ grep { /^PG|KEY/ } keys %ENV };
		%ENV = (%ENV, PGDATA => "$place/data", TWIN_CONF => "$place/conf", TWIN_PG_BIN => $bin, ENCRYPTION_KEY_FILE => "$place/encryption_key",
			JWT_SECRET_KEY_FILE => "$place/jwt_secret_key", TWIN_REGION => 'north', TWIN_EMPTY => '', TWIN_ODD => "\xff\xfe", TWIN_PASSWORD => 'nobody reads this');
		open STDOUT, '>>', "$place/log" or die $!;
		open STDERR, '>&', \*STDOUT or die $!;
		exec "$deploy/image/start_database" or POSIX::_exit(127);
	}
	my $end = time + $patience;
	until (run_log([ "$bin/pg_isready", '-q', '-h', "$place/run" ]))
	{
		die "the server does not start:\n" . file_bytes("$place/log") if time > $end || waitpid($postmaster, POSIX::WNOHANG()) != 0;
		sleep 0.1;
	}
	return;
}

sub finish { kill INT => $postmaster; waitpid $postmaster, 0; my $status = $?; undef $postmaster; return $status }
END { my $status = $?; if ($postmaster) { kill QUIT => $postmaster; waitpid $postmaster, 0; } $? = $status; }

# What a connection is told: "in (TLS)", "in (plain)", or the error.
sub knock
{
	my ($who, $where, $tls, $more) = @_;
	my ($out, $err) = ('', '');
	local %ENV = (%ENV, HOME => $place);
	delete @ENV{ grep { /^PG(?!PASSWORD|OPTIONS)/ } keys %ENV };
	IPC::Run::run([ "$bin/psql", '-XAtq', '-c', ($more // '') =~ /replication/ ? 'IDENTIFY_SYSTEM' : q{SELECT 'in (' || CASE WHEN ssl THEN 'TLS' ELSE 'plain' END || ')' FROM pg_stat_ssl WHERE pid = pg_backend_pid()},
		'-d', "host=$where port=5432 dbname=postgres user='$who' sslmode=$tls sslrootcert=$ca " . ($more // '') ], '>', \$out, '2>', \$err, IPC::Run::timeout($patience));
	chomp $out;
	return $err ne '' ? $err : ($more // '') =~ /replication/ ? 'in' : $out;
}

sub ask
{
	my ($sql, $user) = @_;
	my ($out, $err);
	local %ENV = %ENV;
	delete @ENV{ grep { /^PG/ } keys %ENV };
	IPC::Run::run([ "$bin/psql", '-XAtq', '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1', '-h', "$place/run", '-U', $user // 'postgres', '-d', 'postgres' ], '<', \$sql, '>', \$out, '2>', \$err);
	chomp $out;
	return $err =~ /(?:ERROR|FATAL):\s+(\w{5}: .*)/s ? $1 : $out;
}

sub until_true
{
	my ($sql) = @_;
	my $end = time + $patience;
	until (ask($sql) eq 't') { die "never true: $sql" if time > $end; sleep 0.05; }
	return;
}

# Has a setting in force in the sessions that come.
sub requires
{
	my ($value) = @_;
	ask("ALTER SYSTEM SET twin_security.require_tls = $value; SELECT pg_reload_conf()");
	return until_true(qq{SELECT current_setting('twin_security.require_tls') = '@{[ $value eq '"on"' ? 'protected' : $value ]}'});
}

begin();
is(ask('SHOW data_checksums'), 'on', 'a container without a cluster makes one');
is(ask(q{SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('ssl', 'twin_security.require_tls', 'password_encryption', 'hba_file')}),
	"$place/conf/pg_hba.conf scram-sha-256 on all", '... with the settings of deploy/');
is(ask(q{CREATE EXTENSION twin_security;
	CREATE ROLE plain LOGIN; CREATE ROLE member LOGIN; GRANT twin_viewer TO member; CREATE ROLE middle; GRANT twin_auditor TO middle; CREATE ROLE "Odd 'Role'" LOGIN NOINHERIT; GRANT middle TO "Odd 'Role'";
	CREATE ROLE copier LOGIN REPLICATION; CREATE ROLE around LOGIN BYPASSRLS; CREATE ROLE pw LOGIN IN ROLE twin_admin PASSWORD 'correct horse battery';
	ALTER ROLE twin_gateway LOGIN; ALTER ROLE twin_notifier LOGIN; UPDATE twin.alert_rules SET enabled = false WHERE rule_name = 'failed_login_threshold'}), '', 'roles');
like(ask('SELECT twin.decrypt_data(twin.encrypt_data(\'x\'))'), qr/^42501/, 'and the keys are there: what is missing is a grant');

# ---- who is refused ----

my $refused = qr/FATAL:  sessions of role ".*" over the network must be encrypted with TLS\nHINT:  Connect with sslmode=verify-full[.]/;
my @protected = ('postgres', 'member', "Odd \\'Role\\'", 'copier', 'around', 'twin_gateway', 'twin_notifier');

foreach my $role (@protected, 'plain')
{
	like(knock($role, $address, 'disable'), $refused, "all: $role is refused without TLS");
	is(knock($role, $address, 'verify-full'), 'in (TLS)', '... and let in with it');
}
like(knock('copier', $address, 'disable', 'replication=true'), $refused, 'all: who copies the cluster, too');
is(knock('copier', $address, 'verify-full', 'replication=true'), 'in', '... comes by TLS');
is(knock('plain', '127.0.0.1', 'disable'), 'in (plain)', 'this machine is no network');
is(knock('member', 'localhost', 'disable'), 'in (plain)', '... by its name');
SKIP:
{
	skip 'this machine speaks no IPv6', 1 unless -e '/proc/net/if_inet6';
	is(knock('member', '::1', 'disable'), 'in (plain)', '... and by IPv6');
}
is(knock('member', "$place/run", 'disable'), 'in (plain)', '... nor is a socket');
{
	local $ENV{PGOPTIONS} = '-c twin_security.require_tls=off';
	like(knock('postgres', $address, 'disable'), $refused, 'a session does not say for itself what it requires');
}
like(ask('SET twin_security.require_tls = off'), qr/^55P02/, '... later neither');
like(ask('ALTER ROLE member SET twin_security.require_tls = off'), qr/^55P02/, '... nor does a role');

# ---- who is nobody's learns nothing ----

like(knock('nosuch', $address, 'disable'), $refused, 'all: a name that nobody has is refused as all are');
{
	local $ENV{PGPASSWORD} = 'wrong';
	my $wrong = knock('pw', $address, 'disable');
	like($wrong, qr/password authentication failed for user "pw"/, 'who does not know the password is told that');
	unlike($wrong, qr/TLS/, '... and nothing else');
	$ENV{PGPASSWORD} = 'correct horse battery';
	like(knock('pw', $address, 'disable'), $refused, 'who knows it is told what is missing');
}

# ---- protected ----

requires('protected');
like(knock($_, $address, 'disable'), $refused, "protected: $_ is refused without TLS") foreach @protected;
like(knock('copier', $address, 'disable', 'replication=true'), $refused, '... and who copies the cluster');
is(knock('plain', $address, 'disable'), 'in (plain)', '... and who is no member of anything is not');
my $nosuch = knock('nosuch', $address, 'disable');
like($nosuch, qr/role "nosuch" does not exist/, 'protected: a name that nobody has is the server\'s to refuse');
unlike($nosuch, qr/TLS/, '... in its own words');
ask('GRANT twin_operator TO plain');
like(knock('plain', $address, 'disable'), $refused, 'who becomes a member is protected from then on');
ask('REVOKE twin_operator FROM plain');
is(knock('plain', $address, 'disable'), 'in (plain)', '... and who ceases to be one is not');
requires('"on"');
is(ask('SHOW twin_security.require_tls'), 'protected', 'on is protected');

# ---- off, and on record ----

requires('off');
is(knock($_, $address, 'disable'), 'in (plain)', "off: $_ comes as he likes") foreach 'postgres', 'plain';
until_true(q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'login_failure' AND details ->> 'reason' LIKE 'sessions of role%TLS' AND client_address = '10.77.1.2' AND username = 'member'
	AND details ->> 'encrypted' = 'false' AND details ->> 'sqlstate' = '28000'});
pass('refusals are on record, with who and from where');
is(ask(q{SELECT status || ': ' || detail FROM twin.security_check() WHERE check_id = 'TLS-8'}), 'warn: twin_security.require_tls is off', 'the check warns of off');
requires('protected');
is(ask(q{SELECT status FROM twin.security_check() WHERE check_id = 'TLS-8'}), 'pass', '... and of nothing else');

# ---- what functions may read of the environment ----

is(ask(q{SELECT twin.required_env('TWIN_REGION')}), 'north', 'a variable that is listed');
is(ask(q{SELECT twin.optional_env('TWIN_REGION', 'south')}), 'north', '... comes before the fallback');
is(ask(q{SELECT twin.optional_env('TWIN_ABSENT', 'south'), twin.optional_env('TWIN_EMPTY', 'east'), twin.optional_env('TWIN_ABSENT', NULL) IS NULL, twin.required_env(NULL) IS NULL}), 'south|east|t|t', 'what is not set has one');
like(ask(qq{SELECT twin.required_env('$_')}), qr/^42704: .*environment variable "$_" is not set/, "$_ is required") foreach qw(TWIN_ABSENT TWIN_EMPTY);
like(ask(qq{SELECT twin.required_env('$_')}), qr/^42501: .*environment variable "$_" may not be read/, "'$_' is not listed") foreach qw(TWIN_PASSWORD PATH ENCRYPTION_KEY JWT_SECRET_KEY twin_region TWIN_REGIO TWIN_REGION2), '', 'TWIN_REGION,TWIN_EMPTY';
like(ask(q{SELECT twin.optional_env('PATH', 'x')}), qr/^42501/, '... and has no fallback');
like(ask(q{SELECT twin.required_env('TWIN_ODD')}), qr/^22021/, 'what is no text of this database is none');
like(ask("ALTER SYSTEM SET twin_security.readable_environment = '$_'"), qr/^22023: .*never readable/s, "'$_' is never listed") foreach qw(ENCRYPTION_KEY jwt_secret_key DB_PASSWORD my_Token PGPASSFILE AWS_CREDENTIALS), 'TWIN_REGION, ENCRYPTION_KEY_PREVIOUS';
like(ask("ALTER SYSTEM SET twin_security.readable_environment = '$_'"), qr/^22023: .*comma-separated/s, "'$_' is no list") foreach 'a b;c', '1A', 'A=B', 'x' x 64;
is(ask(q{SELECT twin.required_env('TWIN_REGION')}, 'member'), 'north', 'roles of the twin may ask');
like(ask(q{SELECT twin.required_env('TWIN_REGION')}, 'plain'), qr/^42501: .*permission denied/, '... and others not');

# ---- again ----

is(finish(), 0, 'it ends as a container does');
begin();
is(ask(q{SELECT count(*) FROM pg_roles WHERE rolname = 'member'}), 1, 'what is there is kept');
is(finish(), 0, 'the end');
unlike(file_bytes("$place/log"), qr/PANIC|TRAP|signal 11/, 'nothing crashed');
done_testing();
