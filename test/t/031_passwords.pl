# Passwords where it takes more than one session: how many are hashed at once and in which order, what a cancelled or
# ended session gives back, encodings, logs, memory, and the list of the 10,000 most common passwords.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TwinTest;

my $node = new_node('passwords', conf => "max_connections = 40\n");
start_with($node, new_key());
sql($node, 'CREATE EXTENSION twin_security; CREATE TABLE done (who text, at timestamptz)');

sub settings
{
	my ($slots, $wait) = @_;
	sql($node, "ALTER SYSTEM SET twin_security.max_concurrent_hashes = $slots");
	sql($node, "ALTER SYSTEM SET twin_security.hash_wait_timeout = '$wait'");
	sql($node, 'SELECT pg_reload_conf()');
	$node->poll_query_until('postgres', "SELECT current_setting('twin_security.hash_wait_timeout')::interval = '$wait'::interval AND
		current_setting('twin_security.max_concurrent_hashes')::int = $slots") or die 'settings not loaded';
	return;
}

# A session that has begun a statement; its pid.
sub begin
{
	my ($sql, @setup) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe(join '; ', @setup, 'SELECT pg_backend_pid()');
	$session->query_until(qr/begun/, "\\set VERBOSITY sqlstate\n\\echo begun\n$sql;\n");
	return ($session, $pid);
}

sub is_waiting
{
	my ($pid) = @_;
	return $node->poll_query_until('postgres', "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid");
}

# A session that is stopped by the kernel while it hashes, and so keeps its slot until it is let go on.
sub hold_slot
{
	my ($session, $pid) = begin("SELECT length(twin.hash_password('holder', 15))");
	has_computed($pid, 15);    # of the seconds that cost 15 takes
	kill 'STOP', $pid;
	is(sql($node, "SELECT state || coalesce(wait_event_type, '') FROM pg_stat_activity WHERE pid = $pid"), 'active', 'a session is hashing');
	return ($session, $pid);
}

# The error or answer of a session whose statement was begun.
sub outcome
{
	my ($session) = @_;
	my $out = $session->query('\echo');
	my ($state) = $session->{stderr} =~ /(?:ERROR|FATAL):\s+(\w{5})/;
	$session->{stderr} = '';
	return $state // $out =~ s/\s+//gr;
}

my $quick = "SELECT length(twin.hash_password('x', 4))";

# ---- no more at once than the limit ----

settings(1, '200ms');
my ($holder, $holder_pid) = hold_slot();
my $began = time;
fails_with($node, $quick, 'TW301', 'too many passwords', 'the only slot is taken: busy');
cmp_ok(time - $began, '>=', 0.2, 'after the stated wait');
fails_with($node, "SELECT twin.verify_password('x', '\$2b\$05\$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')", 'TW301', 'too many',
	'verifying takes a turn as well');
fails_with($node, "SELECT twin.verify_password('x', NULL)", 'TW301', 'too many', 'and so does the hash of nobody');
is(sql($node, q{SELECT acceptable FROM twin.check_password_strength('kM4!xPq9vL')}), 't', 'strength does not');
settings(1, '0');
fails_with($node, $quick, 'TW301', 'too many', 'without waiting');
settings(2, '0');
is(sql($node, $quick), '60', 'a second slot, given by a reload, is free');
my ($second, $second_pid) = hold_slot();
fails_with($node, $quick, 'TW301', 'too many', 'and is the last: two hold, the third is refused');
kill 'CONT', $second_pid;
is(outcome($second), '60', 'the second holder ends');
$second->quit;
is(sql($node, $quick), '60', 'and its slot is free');

# ---- who waits can be cancelled, and the queue goes on ----

settings(1, '100s');
my ($cancelled, $cancelled_pid) = begin($quick);
my ($ended, $ended_pid) = begin($quick);
my ($timed, $timed_pid) = begin($quick, "SET statement_timeout = '300ms'");
is(outcome($timed), '57014', 'statement_timeout ends a wait');
ok(is_waiting($cancelled_pid) && is_waiting($ended_pid), 'two sessions wait');
sql($node, "SELECT pg_cancel_backend($cancelled_pid)");
is(outcome($cancelled), '57014', 'a wait can be cancelled');
sql($node, "SELECT pg_terminate_backend($ended_pid, 10000)");
is(sql($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $ended_pid"), '0', 'and a waiting session ended');
my @queue;
foreach my $place (1 .. 5)
{
	# long enough for the one before to take down its time, which it does after it has given its slot away
	my ($session, $pid) = begin("INSERT INTO done SELECT '$place', clock_timestamp() WHERE twin.hash_password('x', 11) IS NOT NULL");
	is_waiting($pid) or die 'does not wait';
	push @queue, $session;
}
is(sql($node, 'SELECT count(*) FROM done'), '0', 'five more wait');
kill 'CONT', $holder_pid;
is(outcome($holder), '60', 'the holder ends');
outcome($_) foreach @queue;
is(sql($node, q{SELECT string_agg(who, ' ' ORDER BY at) FROM done}), '1 2 3 4 5', 'they are served in the order in which they came');
settings(1, '0');
is(sql($node, $quick), '60', 'and no slot is lost');
$_->quit foreach $holder, $cancelled, $timed, @queue;
eval { $ended->quit };

# ---- who hashes is ended: after the hash, and the slot comes back ----

($holder, $holder_pid) = hold_slot();
sql($node, "SELECT pg_cancel_backend($holder_pid)");
kill 'CONT', $holder_pid;
is(outcome($holder), '57014', 'a cancelled session ends as soon as its hash is done');
is(sql($node, $quick), '60', 'the slot of a cancelled session is free');
$holder->quit;
($holder, $holder_pid) = hold_slot();
kill 'TERM', $holder_pid;
settings(1, '100s');
my ($heir, $heir_pid) = begin($quick);
ok(is_waiting($heir_pid), 'a session waits for the one that is told to end');
kill 'CONT', $holder_pid;
is(outcome($heir), '60', 'the slot of an ended session goes to the next');
eval { $holder->quit };
$heir->quit;

# a slot that is handed to a session which is cancelled, or ended, before it knows goes on to the next
foreach my $how ('cancel', 'terminate')
{
	settings(1, '100s');
	($holder, $holder_pid) = hold_slot();
	my ($unaware, $unaware_pid) = begin($quick);
	is_waiting($unaware_pid) or die 'does not wait';
	kill 'STOP', $unaware_pid;
	kill 'CONT', $holder_pid;
	is(outcome($holder), '60', 'the holder hands its slot to a session that sleeps');
	my ($next, $next_pid) = begin($quick);
	is_waiting($next_pid) or die 'does not wait';
	sql($node, "SELECT pg_${how}_backend($unaware_pid)");
	kill 'CONT', $unaware_pid;
	is(outcome($next), '60', "$how of that session: the next one gets it");
	eval { $_->quit } foreach $holder, $unaware, $next;
	settings(1, '0');
	is(sql($node, $quick), '60', 'and gives it back');
}
fails_with($node, "SET statement_timeout = '50ms'; SELECT twin.hash_password('x', 14)", '57014', 'statement timeout', 'statement_timeout holds as soon as a hash is done');
settings(1, '0');
is(sql($node, $quick), '60', 'no slot is lost');

# a failing statement: nothing is taken that is not given back
fails_with($node, "SELECT twin.verify_password('x', 'y') FROM generate_series(1, 10)", '22023', 'bcrypt', 'an error') for 1 .. 3;
is(sql($node, $quick), '60', 'leaves the slot free');

# the server's own bound on the queue
settings(3, '60s');
$node->command_ok([ 'pgbench', '-n', '-c', 20, '-j', 2, '-t', 20, '-f', write_script("SELECT twin.verify_password('x', twin.hash_password('x', 4));"),
		$node->connstr('postgres') ], '20 sessions share three slots');
settings(3, '0');
is(sql($node, $quick), '60', 'and leave them free');
settings(0, '5s');

sub write_script
{
	my ($sql) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script';
	append_to_file($file, $sql);
	return $file;
}

# ---- a login's time does not tell whose hash is old, broken or absent: at cost 10 each takes 64 times the work of cost 4 ----

my $cheap = sql($node, "SELECT twin.hash_password('x', 4)");
my %login = ('a hash of cost 4' => "'$cheap'", 'no hash' => 'NULL', 'a broken hash' => "'broken'");
my $elapsed = q{SET twin_security.bcrypt_cost = 10; DO $$ DECLARE t timestamptz := clock_timestamp(); ok boolean; BEGIN
	BEGIN %s; EXCEPTION WHEN invalid_parameter_value THEN NULL; END;
	CREATE TEMP TABLE taken AS SELECT 1000 * extract(epoch FROM clock_timestamp() - t) AS ms; END $$; SELECT ms FROM taken};
my ($bare) = sort { $a <=> $b } map { sql($node, sprintf $elapsed, "ok := twin.verify_password('x', '$cheap')") } 1 .. 5;
foreach my $what (sort keys %login)
{
	cmp_ok(sql($node, sprintf $elapsed, "ok := twin_internal.verify_login_password('x', $login{$what})"), '>', 8 * $bare, "a login with $what works as long as the others");
}
cmp_ok(sql($node, sprintf $elapsed, "ok := twin.verify_password('x', NULL)"), '>', 8 * $bare, 'so does verify_password() without a hash');

# ---- logs and statistics show no password ----

my $canary = canary();
my $log_from = -s $node->logfile;
my $script = write_script("SELECT twin.verify_password(:pw, 'no hash');");
foreach my $protocol ('extended', 'prepared')
{
	$node->command_fails([ 'pgbench', '-n', '-t', 1, '-M', $protocol, '-D', "pw='$canary'", '-f', $script, $node->connstr('postgres') ],
		"$protocol: a failing call with the password as a parameter");
}
my $log = substr(slurp_file($node->logfile), $log_from);
like($log, qr/not a bcrypt hash/, 'the error is in the log');
unlike($log, qr/$canary/, 'the password is not');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'twin_security,pg_stat_statements'\nlog_min_messages = debug5\nlog_error_verbosity = verbose\nlog_min_error_statement = panic");
restart_with($node, new_key());
$log_from = -s $node->logfile;
sql($node, q{CREATE EXTENSION pg_stat_statements; SET pg_stat_statements.track = 'all'; SELECT pg_stat_statements_reset()});
sql($node, "SELECT twin.verify_password('$canary', twin.hash_password('$canary', 4)), twin.check_password_strength('$canary', '$canary')");
foreach my $fails ("twin.hash_password('$canary' || repeat('x', 72))", "twin.hash_password('$canary', 99)", "twin.verify_password('$canary', 'x')",
	"twin.verify_password('x', '$canary')", "twin.password_needs_rehash('$canary')")
{
	unlike(answer_of($node, "SELECT $fails"), qr/$canary/, "the error of $fails does not quote it" =~ s/$canary/.../r);
}
unlike(sql($node, 'SELECT string_agg(s::text, chr(10)) FROM pg_stat_statements s'), qr/$canary/, 'pg_stat_statements does not show it');
unlike(substr(slurp_file($node->logfile), $log_from), qr/$canary/, 'neither does the log, at debug5');

# ---- encodings: UTF-8 whatever the database's ----

sql($node, 'ALTER SYSTEM RESET ALL');
$node->append_conf('postgresql.conf', "log_min_messages = warning");
restart_with($node, new_key());
foreach my $encoding ('LATIN1', 'WIN1252', 'SQL_ASCII', 'EUC_JP')
{
	sql($node, "CREATE DATABASE $encoding TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'");
	sql($node, 'CREATE EXTENSION twin_security', db => lc $encoding);
}
my $hash = sql($node, q{SELECT twin.hash_password('caf' || chr(233) || 's', 4)});
is(sql($node, "SELECT twin.verify_password('caf' || chr(233) || 's', '$hash')", db => 'latin1'), 't', 'LATIN1: the same hash as in UTF-8');
$hash = sql($node, q{SELECT twin.hash_password(chr(8364) || 'uro', 4)});
is(sql($node, "SELECT twin.verify_password(chr(128) || 'uro', '$hash')", db => 'win1252'), 't', 'WIN1252: the euro sign');
fails_with($node, q{SELECT twin.hash_password('a' || chr(129), 4)}, '22021', 'cannot be converted to UTF-8', 'WIN1252: a byte that is no character', db => 'win1252');
unlike(answer_of($node, q{SELECT twin.hash_password('a' || chr(129), 4)}, db => 'win1252'), qr/81/, 'which is not quoted');
is(sql($node, q{SELECT acceptable FROM twin.check_password_strength(repeat(chr(233), 36) || 'kM4!')}, db => 'latin1'), 'f',
	'LATIN1: 40 characters are 76 bytes of UTF-8');
fails_with($node, q{SELECT twin.hash_password(repeat(chr(233), 37), 4)}, '22023', 'longer than 72 bytes', 'LATIN1: 37 characters of two bytes', db => 'latin1');
# Openwall's vectors of bytes that are no UTF-8
my $a3 = '$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq';
is(sql($node, "SELECT twin.verify_password(E'\\xa3', '\$$_$a3')", db => 'sql_ascii'), 't', "SQL_ASCII: \$$_\$ takes bytes as they are") foreach qw(2a 2b 2y);
is(sql($node, q{SELECT twin.verify_password(repeat(E'\xaa', 72), '$2a$05$/OK.fbVrR/bpIqNJ5ianF.swQOIzjOiJ9GHEPuhEkvqrUyvWhEMx6')}, db => 'sql_ascii'), 't',
	'SQL_ASCII: 72 bytes of 8 bits');
is(sql($node, q{SELECT twin.verify_password(repeat(E'\x55\xaa\xff', 24), '$2a$05$/OK.fbVrR/bpIqNJ5ianF.9tQZzcJfm3uj2NvJ/n5xkhpqLrMpWCe')}, db => 'sql_ascii'), 't',
	'SQL_ASCII: another');

# ---- memory ----

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
sub resident { return file_bytes("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die 'no VmRSS' }
my $calls = q{DO $$ BEGIN FOR i IN 1 .. %d LOOP
	PERFORM twin.verify_password('x', '$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW');
	PERFORM twin.check_password_strength('password' || i, 'name', 'name@host.example');
	BEGIN PERFORM twin.verify_password('x', 'y'); EXCEPTION WHEN invalid_parameter_value THEN NULL; END;
	END LOOP; END $$};
SKIP:
{
	skip 'the memory of the server is not shown', 1 unless -r "/proc/$pid/status";
	$session->query_safe(sprintf $calls, 500);
	my $before = resident();
	$session->query_safe(sprintf $calls, 10000);
	cmp_ok(resident() - $before, '<', 2048, '10,000 verifications, estimates and errors leave no memory behind');
}
is($session->query_safe(q{SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'password'}), '0', 'no password stays in a memory context');
$session->quit;

# ---- the 10,000 most common passwords ----

my $list = ($ENV{TWIN_SHARED_DATA} // "$ENV{TWIN_SOURCE}/../shared/data") . '/passwords/common_10000.txt';
SKIP:
{
	skip "there is no $list", 6 unless -r $list;
	sql($node, 'CREATE TABLE common (position serial, password text)');
	sql($node, "\\copy common (password) from '$list' with (format csv, delimiter E'\\x01', quote E'\\x02')");
	is(sql($node, 'SELECT count(*) FROM common'), '10000', 'the list of common passwords');
	sql($node, 'CREATE TABLE checked AS SELECT position, password, s.* FROM common, twin.check_password_strength(password) s');
	is(sql($node, q{SELECT string_agg(password, ' ') FROM checked WHERE acceptable}) // '', '', 'not one of the 10,000 is acceptable by default');
	is(sql($node, q{SELECT string_agg(password, ' ') FROM common, twin.check_password_strength(upper(password)) s WHERE acceptable AND position <= 1000}) // '', '',
		'none of the first 1,000 in capital letters');
	my $accepted = 'SELECT count(*) FROM common, twin.check_password_strength(password) s WHERE acceptable';
	is(sql($node, "SET twin_security.password_min_score = 2; $accepted"), '0', 'none at score 2');
	note("accepted at score $_: ", sql($node, "SET twin_security.password_min_score = $_; $accepted")) foreach 0, 1;
	is(sql($node, "SET twin_security.password_min_score = 0; $accepted AND position <= 1000"), '0', 'at score 0 none of the first 1,000');
	is(sql($node, q{SELECT count(*) FROM checked WHERE length(password) >= 8 AND reasons <@ ARRAY['It is shorter than 8 characters.']}), '0',
		'what is refused says why');
}

# ---- without preloading: everything, but no bound ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\ntwin_security.limit_entries = 5000");
restart_with($node, new_key());
is(sql($node, q{SELECT twin.verify_password('x', twin.hash_password('x', 4)), length(twin.generate_password()), acceptable FROM twin.check_password_strength('x')}), 't|16|f',
	'works without preloading');

done_testing();
