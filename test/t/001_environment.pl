# Where ENCRYPTION_KEY comes from: every malformed value has its own error and never lets a plaintext through, a key
# command takes the variable's place, and a running server shows the key nowhere.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $canary = canary();
my $node = new_node('environment');
my $seal = "INSERT INTO t VALUES (2, '$canary')";
my $open = 'SELECT v::text FROM t WHERE id = 1';

# ---- CREATE EXTENSION without a key, and with a malformed one ----

start_with($node, undef);
my ($out, $err);
$node->psql('postgres', 'CREATE EXTENSION twin_security', stdout => \$out, stderr => \$err);
like($err, qr/WARNING:  ENCRYPTION_KEY is not set: no keys were made/, 'CREATE EXTENSION without a key warns');
is(sql($node, 'SELECT count(*) FROM twin.keys'), '0', 'and makes no keys');
sql($node, 'CREATE TABLE early (v twin.encrypted_text(main))');
fails_with($node, "INSERT INTO early VALUES ('$canary')", '55000', 'ENCRYPTION_KEY is not set', 'nothing is sealed then');
sql($node, 'DROP EXTENSION twin_security CASCADE');

restart_with($node, 'AAAA');
fails_with($node, 'CREATE EXTENSION twin_security', '55000', 'does not decode to exactly 32 bytes',
	'CREATE EXTENSION with a malformed key fails');
is(sql($node, "SELECT count(*) FROM pg_extension WHERE extname = 'twin_security'"), '0', 'and leaves no extension behind');

restart_with($node, undef);
$node->psql('postgres', 'CREATE EXTENSION twin_security');
restart_with($node, $key);
is(sql($node, 'SELECT twin.create_builtin_keys() > 3'), 't', 'the built-in keys can be made later');
is(sql($node, 'SELECT twin.create_builtin_keys()'), '0', 'and only once');
sql($node, q{CREATE TABLE t (id int PRIMARY KEY, v twin.encrypted_text(main));
	INSERT INTO t VALUES (1, 'first'); SELECT twin.grant_key('main', 'postgres', 'decrypt');
	SELECT twin.grant_key('environment', 'postgres', 'encrypt')});
is(sql($node, $open), 'first', 'a good key works');

# ---- malformed keys ----

(my $blank_inside = $key) =~ s/^(.{20})/$1 /;
my $loose = substr($key, 0, 42) . (substr($key, 42, 1) =~ tr{AEIMQUYcgkosw048}{BFJNRVZdhlptx159}r) . '=';
my %malformed = (
	'missing' => [ undef, 'ENCRYPTION_KEY is not set' ],
	'empty' => [ '', 'ENCRYPTION_KEY is not set' ],
	'white space inside' => [ $blank_inside, 'contains white space' ],
	'white space at the end' => [ "$key\n", 'contains white space' ],
	'not base64' => [ '!' . substr($key, 1), 'is not valid base64' ],
	'without padding' => [ $key =~ tr/=//dr, 'is not valid base64' ],
	'non-canonical base64' => [ $loose, 'is not valid base64' ],
	'31 bytes' => [ MIME::Base64::encode_base64(random_bytes(31), ''), 'does not decode to exactly 32 bytes' ],
	'33 bytes' => [ MIME::Base64::encode_base64(random_bytes(33), ''), 'does not decode to exactly 32 bytes' ],
	'all zero' => [ MIME::Base64::encode_base64("\0" x 32, ''), 'is all zero bytes' ],
	'5000 characters' => [ 'A' x 5000, 'does not decode to exactly 32 bytes' ]);
foreach my $what (sort keys %malformed)
{
	my ($value, $message) = @{ $malformed{$what} };
	restart_with($node, $value);
	fails_with($node, $seal, '55000', $message, "$what: the server starts, sealing says why it cannot");
	fails_with($node, "COPY t FROM STDIN;\n2\t$canary\n\\.\n", '55000', $message, "$what: so does COPY");
	fails_with($node, "SELECT twin.encrypt_data('$canary')", '55000', $message, "$what: so does encrypt_data");
	fails_with($node, $open, '55000', $message, "$what: so does reading");
	is(sql($node, 'SELECT count(*) FROM t'), '1', "$what: nothing was stored");
	is(holds(slurp_file($node->logfile), $value), 0, "$what: the value is not in the log") if $value && length $value > 40;
}
$node->stop;
is(files_holding($canary, $node->data_dir), '', 'no refused plaintext reached the disk');

# ---- a key command ----

my $secrets = PostgreSQL::Test::Utils::tempdir();
append_to_file("$secrets/ENCRYPTION_KEY", "$key\n");
sub start_with_command
{
	my ($command, @keys) = @_;
	$node->stop;
	$node->append_conf('postgresql.conf', "twin_security.key_command = '$command'");
	return start_with($node, @keys);
}
start_with_command("cat $secrets/ENCRYPTION_KEY");
is(sql($node, "$seal; DELETE FROM t WHERE id = 2; $open"), 'first', 'key_command gives the key');
start_with_command("cat $secrets/%k");
is(sql($node, $open), 'first', 'a previous key that the command does not have is no obstacle');
my $second = new_key();
rename "$secrets/ENCRYPTION_KEY", "$secrets/ENCRYPTION_KEY_PREVIOUS";
append_to_file("$secrets/ENCRYPTION_KEY", "$second\n");
restart_with($node, undef);
is(sql($node, $open), 'first', '%k gives the previous key as well');
start_with_command("cat $secrets/ENCRYPTION_KEY");
fails_with($node, $open, 'TW101', 'wrong key', 'without %k the previous key is not asked for');
foreach my $command ('exit 3', "cat $secrets/ENCRYPTION_KEY; exit 1", 'yes', "$secrets/absent")
{
	start_with_command($command);
	fails_with($node, $seal, '55000', 'twin_security.key_command failed', "key_command '$command' fails cleanly");
}
start_with_command("cat $secrets/ENCRYPTION_KEY $secrets/ENCRYPTION_KEY_PREVIOUS");
fails_with($node, $seal, '55000', 'contains white space', 'a second line is refused');
start_with_command("cat $secrets/ENCRYPTION_KEY_PREVIOUS", $second);
is(sql($node, $open), 'first', 'the command goes before the environment');
is(holds(sql($node, q{CREATE TEMP TABLE e (l text); COPY e FROM PROGRAM 'env'; SELECT * FROM e}), $second), 0,
	'a key left in the environment beside key_command is wiped all the same');
is(holds(slurp_file($node->logfile), $key), 0, 'the key a command printed is not in the log');

# ---- where a running server shows its key ----

start_with_command('');
$node->stop;
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
system('prlimit', '--pid', $$, '--core=unlimited');
start_with($node, $key, $second, TWIN_MARKER => 'marker in the environment');
my $session = $node->background_psql('postgres');
$session->query_safe($open);
my @pids = children_of($node);
cmp_ok(scalar(@pids), '>', 5, 'the processes of the server are found');
SKIP:
{
	skip 'only root can read /proc/PID/environ of these processes; test/run_tap as root does', 3 unless $ENV{TWIN_ROOT_READER};
	like(root_reads($pids[0], 'environ'), qr/marker in the environment/, 'root sees the environment of the postmaster');
	my @showing = grep { holds(root_reads($_, 'environ') . root_reads($_, 'cmdline'), $key) } @pids;
	is("@showing", '', 'the key stands in the environment or command line of no process');
	@showing = grep { holds(root_reads($_, 'environ') . root_reads($_, 'cmdline'), $second) } @pids;
	is("@showing", '', 'nor does the previous one');
}
my @dumpable = grep { open(my $memory, '<', "/proc/$_/mem") || -r "/proc/$_/environ" || (stat "/proc/$_/stat")[4] == $> } @pids;
is("@dumpable", '', 'no other process of the same user may read their memory');
ok(open(my $own, '<', '/proc/self/mem'), 'while it may read that of others');

my $environment = sql($node, q{CREATE TEMP TABLE e (l text); COPY e FROM PROGRAM 'env'; SELECT * FROM e});
like($environment, qr/TWIN_MARKER=marker/, 'programs that the server starts inherit its environment');
is(holds($environment, $key) + holds($environment, $second), 0, 'without the keys');
is(sql($node, q{COPY e FROM PROGRAM 'cat /proc/$PPID/environ /proc/$PPID/mem 2>&1 | grep -c "ermission denied"'}
	  =~ s/^/CREATE TEMP TABLE e (l text); /r . '; SELECT * FROM e'), '2', 'nor can they look into the server');
foreach my $view ('pg_settings', 'pg_file_settings', 'pg_stat_activity', 'pg_config')
{
	is(holds(sql($node, "SELECT v::text FROM $view v"), $key), 0, "the key is not in $view");
}
is(holds(slurp_file($node->logfile), $key), 0, 'nor in the log');

# a crashing backend leaves no core, and the next generation of processes still has the key
my $pid = $session->query_safe('SELECT pg_backend_pid()');
my $cores = PostgreSQL::Test::Utils::tempdir();
system("cd $cores && sh -c 'kill -SEGV \$\$'");
kill $ENV{SERVER_IS_SANITIZED} ? 'KILL' : 'SEGV', $pid;    # which a sanitizer takes for a finding (test/run_sanitized)
eval { $session->quit };
$node->poll_query_until('postgres', 'SELECT true') or die 'no restart after the crash';
SKIP:
{
	skip 'this machine writes no core files into the working directory', 1 unless glob "$cores/core*";
	is(join(' ', glob $node->data_dir . '/core*'), '', 'a crashing backend leaves no core file, as other processes do');
}
is(sql($node, $open), 'first', 'after a crash the server still has its key');
$node->stop;
is(files_holding($key, $node->data_dir), '', 'nor in the data directory');

# ---- before the extension is there to wipe ----

$node->append_conf('postgresql.conf', 'log_min_messages = debug3');
my $from = -s $node->logfile;
start_with($node, $key);
is(holds(slurp_file($node->logfile, $from), $key), 1, 'a stated limit: at debug3 PostgreSQL logs its environment as it starts');
$from = -s $node->logfile;
start_with_command("cat $secrets/ENCRYPTION_KEY_PREVIOUS");
is(sql($node, $open), 'first', 'where the key comes from a command');
is(holds(slurp_file($node->logfile, $from), $key), 0, 'not even that shows it');
sql($node, 'CREATE ROLE nobody LOGIN');
fails_with($node, 'SHOW twin_security.key_command', '42501', 'permission denied|must be superuser',
	'and the command is for superusers to see', user => 'nobody');
$node->append_conf('postgresql.conf', "log_min_messages = warning\ntwin_security.environment_names = 'TZ, ENCRYPTION_KEY'");
$from = -s $node->logfile;
start_with_command('');
like(slurp_file($node->logfile, $from), qr/"ENCRYPTION_KEY" speaks of a secret/, 'a list of readable variables with the key in it is refused');
is(sql($node, 'SHOW twin_security.environment_names'), 'CORS_ALLOWED_ORIGINS,JWT_ACCESS_TOKEN_EXPIRES', '... as a whole');
fails_with($node, q{SELECT twin.required_env('ENCRYPTION_KEY')}, '42501', 'its name speaks of a secret', '... and nothing shows the key');
fails_with($node, q{ALTER SYSTEM SET twin_security.environment_names = 'JWT_SECRET_KEY'}, '22023', 'invalid value.*speaks of a secret', 'nobody lists a key');
$node->stop;

# ---- without preloading ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\ntwin_security.environment_names = 'TZ'");
start_with($node, $key);
is(sql($node, "INSERT INTO t VALUES (3, 'third'); SELECT v::text FROM t ORDER BY id"), "first\nthird", 'works without preloading');
fails_with($node, 'SELECT * FROM twin.stat_keyring', '55000', 'needs twin_security to be preloaded', 'but has no counters');
my $show = q{CREATE TEMP TABLE e (l text); COPY e FROM PROGRAM 'env'; SELECT * FROM e};
fails_with($node, q{SELECT twin.required_env('ENCRYPTION_KEY')}, '42501', 'its name speaks of a secret', 'a session that has the key in its environment does not show it');
like(sql($node, $show), qr/\Q$key/, 'a stated limit: a session that has not used the key still has it in its environment');
unlike(sql($node, "$open; $show"), qr/\Q$key/, 'one that has used it has wiped it');
$session = $node->background_psql('postgres');
$pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe($open);
ok(!open(my $memory, '<', "/proc/$pid/mem"), 'and its memory cannot be read');
$session->quit;

done_testing();
