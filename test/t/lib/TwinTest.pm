# What the TAP tests share: servers that are given an ENCRYPTION_KEY, statements with their SQLSTATE, and searches for
# a plaintext in every form it could have been written in.
package TwinTest;

use strict;
use warnings;

use Exporter 'import';
use Fcntl qw(:flock);
use File::Find;
use IPC::Run;
use MIME::Base64 qw(encode_base64 decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(random_bytes new_key canary new_node start_with restart_with begin_query sql edit_log lock_log comes_true events_written events_sealed events_counted is_soon kill_server kill_backend fails_with answer_of session_fails
  clock_of set_clock time_passes parallel_mode holds files_holding children_of has_computed root_reads file_bytes armor_of_bytes bytes_of_armor
  run_pipe subscribe catch_up);

# ---- what a machine that is slow or crowded would make fail by chance ----

{
	no warnings 'redefine';

	# A session's time is its statements': it may be open for as long as the test takes.
	my $background_psql = \&PostgreSQL::Test::Cluster::background_psql;
	my $quit = \&PostgreSQL::Test::BackgroundPsql::quit;
	*PostgreSQL::Test::Cluster::background_psql = sub { my $session = $background_psql->(@_); $session->set_query_timer_restart; return $session };
	*PostgreSQL::Test::BackgroundPsql::quit = sub { $_[0]{timeout}->start; return $quit->(@_) };

	# Who asks again and again asks less and less often: each time a process begins here and one of the server, which writes that it did.
	*PostgreSQL::Test::Cluster::poll_query_until = sub {
		my ($node, $db, $query, $expected) = @_;
		my ($out, $err, $rest) = ('', '', 0.05);
		my $end = time + $PostgreSQL::Test::Utils::timeout_default;
		$expected //= 't';
		while (1)
		{
			$node->psql($db, $query, stdout => \$out, stderr => \$err);
			return 1 if $out eq $expected && $err eq '';
			last if time > $end;
			sleep $rest;
			$rest *= 1.5 if $rest < 0.4;
		}
		diag("asked in vain: $query\nexpected: $expected\nanswered: $out\nerror: $err");
		return 0;
	};

	# A psql that is refused ends before it has read what it was to say, and IPC::Run dies of that: what it answered counts.
	my $write = \&IPC::Run::_write;
	*IPC::Run::_write = sub { return eval { $write->(@_) } // ($@ =~ /^Broken pipe/ ? length $_[1] : die $@) };
}

# Gives a session something to do, and goes on.
sub begin_query
{
	my ($session, $query) = @_;
	$session->{timeout}->start;
	$session->{stdin} .= "$query\n";
	return $session->{run}->pump_nb;
}

# What initdb makes is the same for every node but for the identifier of the cluster: test/run_tap has one made, which a test's first node
# copies, so that two of a test are never taken for one.
my $has_copied = 0;
sub init_node
{
	my ($node, %options) = @_;
	my $system = \&PostgreSQL::Test::Utils::system_or_bail;

	no warnings 'redefine';
	local *PostgreSQL::Test::Utils::system_or_bail = sub {
		return $system->(@_) if $_[0] ne 'initdb' || !$ENV{TWIN_TEMPLATE} || $options{extra} || $has_copied++;
		return $system->('cp', '-a', '--reflink=auto', $ENV{TWIN_TEMPLATE}, $node->data_dir);
	};
	return $node->init(extra => [ '-E', 'UTF8', '--no-locale' ], %options);
}

sub random_bytes
{
	my ($length) = @_;
	open my $random, '<:raw', '/dev/urandom' or die $!;
	read($random, my $bytes, $length) == $length or die 'no random bytes';
	return $bytes;
}

sub new_key { return encode_base64(random_bytes(32), ''); }

# A plaintext that stands nowhere by chance.
sub canary { return 'canary' . unpack('H*', random_bytes(9)); }

# A cluster that was not started yet.  preload => 0 leaves the library out, install_path => another PostgreSQL's folder;
# the rest goes to init().
sub new_node
{
	my ($name, %options) = @_;
	my $preload = delete $options{preload} // 1;
	my $conf = delete $options{conf} // '';
	my $node = PostgreSQL::Test::Cluster->new($name, map { $options{$_} ? ($_ => delete $options{$_}) : () } 'install_path');

	init_node($node, %options);
	$node->append_conf('postgresql.conf', "autovacuum = off\njit = off\nshared_buffers = 16MB\nlog_statement = none\nmax_locks_per_transaction = 256\n$conf");
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'twin_security'") if $preload;
	return $node;
}

# Starts a server with these keys in its environment; undef means absent.
sub start_with
{
	my ($node, $key, $previous, %more) = @_;
	local %ENV = (%ENV, %more);
	delete @ENV{qw(ENCRYPTION_KEY ENCRYPTION_KEY_PREVIOUS)};
	$ENV{ENCRYPTION_KEY} = $key if defined $key;
	$ENV{ENCRYPTION_KEY_PREVIOUS} = $previous if defined $previous;
	return $node->start(fail_ok => 1) || die 'the server does not start';    # which ends this test, and no other
}

sub restart_with
{
	my ($node, @keys) = @_;
	$node->stop;
	return start_with($node, @keys);
}

# What the setting is called with which every query has a parallel worker: from 16 on otherwise.
sub parallel_mode { my ($node) = @_; return $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query' }

# A clock for a server of its own, demo/clock.c: gives what start_with() takes.  set_clock() sets it by so many seconds; time_passes() has so many pass.
sub clock_of
{
	my ($node) = @_;
	my $folder = $node->basedir;
	my $library = "$folder/clock.so";

	PostgreSQL::Test::Utils::system_or_bail('gcc', '-O2', '-fPIC', '-shared', '-o', $library, "$ENV{TWIN_SOURCE}/demo/clock.c");
	chmod 0755, $folder, $library;
	set_clock($node, 0);
	return (LD_PRELOAD => $library, TWIN_CLOCK => "$folder/clock");
}

sub set_clock { my ($node, $seconds) = @_; return write_clock($node, $seconds) }

# The clock that measures how long something takes goes on, too; set_clock() leaves it as it is.
sub time_passes { my ($node, $seconds) = @_; return write_clock($node, $seconds, $seconds) }

sub write_clock
{
	my ($node, @numbers) = @_;
	my $file = $node->basedir . '/clock';

	# the same file: servers have it mapped
	open my $clock, -e $file ? '+<:raw' : '>:raw', $file or die "$file: $!";
	syswrite($clock, pack('q*', @numbers)) == 8 * @numbers or die "$file: $!";
	close $clock;
	return;
}

# Runs SQL that must succeed and returns what it prints.  user => and db => choose the connection.
sub sql
{
	my ($node, $sql, %options) = @_;
	my ($out, $err) = run_sql($node, $sql, %options);
	die "failed: $sql\n$err" if $err =~ /^(?:psql:[^\n]*)?(?:ERROR|FATAL|PANIC):/m;
	return $out;
}

# The same in one transaction that may change the tables of the audit log, which is an event by itself (audit_log_opened).
sub edit_log
{
	my ($node, $sql, %options) = @_;
	return sql($node, "BEGIN; DO 'BEGIN PERFORM twin_internal.open_log(); END'; $sql; COMMIT", %options);
}

# Locks a table of the audit log in a background session, whose transaction stays open: nothing waits in memory by then.
sub lock_log
{
	my ($session, $table, $mode) = @_;
	return $session->query_safe(qq{BEGIN; SELECT twin_internal.open_log(); DO 'BEGIN WHILE (SELECT ring_fill > 0 FROM twin_internal.stat_audit()) LOOP PERFORM pg_sleep(0.01); END LOOP; END';
		LOCK TABLE twin_internal.$table IN $mode MODE});
}

sub run_sql
{
	my ($node, $sql, %options) = @_;
	my ($out, $err);
	$node->psql(
		$options{db} // 'postgres', $sql,
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 1,
		extra_params => [ '-v', 'VERBOSITY=verbose', $options{user} ? ('-U', $options{user}) : () ]);
	return ($out // '', $err // '');
}

# "SQLSTATE message" of what SQL fails with, or what it prints.
sub answer_of
{
	my ($node, $sql, %options) = @_;
	my ($out, $err) = run_sql($node, $sql, %options);
	return $err =~ /(?:ERROR|FATAL):\s+(\w{5}: .*)/s ? $1 : $out;
}

# Passes when SQL fails with an SQLSTATE and, when given, a message.  Nothing may be printed before the failure.
sub fails_with
{
	my ($node, $sql, $state, $message, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like(answer_of($node, $sql, %options), qr/\A$state: .*$message/s, $name);
}

# The same in a background session, whose VERBOSITY is set here.
sub session_fails
{
	my ($session, $sql, $state, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$session->{stderr} = '';
	my $out = $session->query("\\set VERBOSITY sqlstate\n$sql");
	my $err = $session->{stderr};
	$session->{stderr} = '';
	return ok($err =~ /ERROR:\s+$state/ && $out !~ /\S/, $name) || diag("printed: $out\nerror: $err");
}

# Every spelling under which a secret would count as leaked.
sub spellings
{
	my ($secret) = @_;
	my $hex = unpack 'H*', $secret;
	my @base64;
	foreach my $before (0 .. 2)    # base64 depends on where the secret begins, and at both ends on the neighbours
	{
		my $text = encode_base64('-' x $before . $secret, '');
		$text =~ s/=*$//;
		push @base64, substr($text, $before + ($before > 0), -1);
	}
	return map { quotemeta } ($secret, $hex, uc $hex, @base64);
}

# Whether text or bytes hold a secret in any spelling.
sub holds
{
	my ($haystack, $secret) = @_;
	my $pattern = join '|', spellings($secret);
	return $haystack =~ /$pattern/ ? 1 : 0;
}

sub file_bytes
{
	my ($path) = @_;
	open my $file, '<:raw', $path or return '';    # a running server removes files under our eyes
	local $/;
	return scalar(<$file>) // '';
}

# Runs a shell pipeline that must succeed in every part; returns standard error.
sub run_pipe
{
	my ($command) = @_;
	my ($out, $err);
	IPC::Run::run([ 'bash', '-o', 'pipefail', '-c', $command ], '>', \$out, '2>', \$err) or die "failed: $command\n$err";
	return $err;
}

# Makes a subscription and waits for its first copy.  db, user (on the publisher) and with => options.
sub subscribe
{
	my ($subscriber, $publisher, $name, $publications, %options) = @_;
	my $from = $publisher->connstr('postgres') . ' user=' . ($options{user} // 'postgres');
	my $with = $options{with} ? "WITH ($options{with})" : '';
	$from =~ s/'/''/g;
	sql($subscriber, "CREATE SUBSCRIPTION $name CONNECTION '$from' PUBLICATION $publications $with", db => $options{db});
	return if $options{no_wait};
	$subscriber->poll_query_until($options{db} // 'postgres',
		"SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')") or die "$name does not copy";
	return catch_up($publisher, $name);
}

# Waits until subscriptions have applied all that was written so far.
sub catch_up
{
	my ($publisher, @names) = @_;
	$publisher->wait_for_catchup($_) foreach @names;
	return;
}

# Waits until a condition is true, in one session: each that begins is an event, for which who waits for events would wait, too.
sub comes_true
{
	my ($node, $condition, %options) = @_;
	my $seconds = $PostgreSQL::Test::Utils::timeout_default;
	my ($out, $err) = run_sql($node, qq{DO \$wait\$ DECLARE began timestamptz := clock_timestamp(); BEGIN LOOP PERFORM pg_stat_clear_snapshot();
		IF ($condition) THEN RETURN; END IF;
		IF clock_timestamp() > began + interval '$seconds seconds' THEN RAISE 'it does not come true'; END IF;
		PERFORM pg_sleep(0.02); END LOOP; END \$wait\$}, %options);
	diag("$condition\n$err") if $err =~ /ERROR|FATAL/;
	return $err !~ /ERROR|FATAL/;
}

# Waits until all events that were emitted are written, or sealed as well.
sub events_written { my ($node, %options) = @_; return comes_true($node, 'SELECT ring_fill = 0 AND emitted = written + dropped FROM twin.stat_audit', %options) }

sub events_sealed { my ($node, %options) = @_; return comes_true($node, q{SELECT ring_fill = 0 AND emitted = written + dropped AND seal_lag = '0' FROM twin.stat_audit}, %options) }

# ... and counted for reports.
sub events_counted
{
	my ($node, %options) = @_;
	events_written($node, %options);
	return comes_true($node, q{SELECT twin_internal.unsealed_since() IS NULL AND p.next_leaf = l.size
		FROM twin_internal.event_counts_position p, twin_internal.ledger_state l}, %options);
}

# Passes when little time has gone by, for a crowded machine: whoever waits where nobody should waits much longer, or for ever.
sub is_soon
{
	my ($began, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return cmp_ok(time - $began, '<', $PostgreSQL::Test::Utils::timeout_default / 6, $name);
}

# Kills the postmaster, and waits until its children have noticed: whatever has its name and no postmaster any more.
sub kill_server
{
	my ($node) = @_;
	my $name = $node->name;
	my $parent_of = sub { return file_bytes("/proc/$_[0]/stat") =~ /^\d+ \(.*\) \S (\d+) /s ? $1 : 0 };
	my $is_left = sub { return file_bytes("/proc/$_[0]/cmdline") =~ /^postgres: \Q$name\E: / && file_bytes('/proc/' . $parent_of->($_[0]) . '/cmdline') !~ /\0-D\0/ };
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	my ($postmaster) = children_of($node);

	$node->kill9;
	sleep 0.02 while kill(0, $postmaster) && time < $end;    # until somebody has reaped it, its number is taken
	sleep 0.02 while (grep { $is_left->($_) } map { m{/proc/(\d+)} } glob '/proc/[0-9]*') && time < $end;
	return;
}

# Kills a process of the server, which begins anew.
sub kill_backend
{
	my ($node, $pid) = @_;
	my $from = -s $node->logfile;
	die 'no process to kill' unless $pid && $pid =~ /^\d+$/ && kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $from);
	return $node->poll_query_until('postgres', 'SELECT true');
}

# The files below folders that hold a secret in any spelling.
sub files_holding
{
	my ($secret, @folders) = @_;
	my @found;
	find({ no_chdir => 1, wanted => sub { push @found, $_ if -f $_ && holds(file_bytes($_), $secret) } }, @folders);
	return join ' ', sort @found;
}

# The postmaster of a node and all its children.
sub children_of
{
	my ($node) = @_;
	my ($postmaster) = file_bytes($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @pids = ($postmaster);
	foreach my $stat (glob '/proc/[0-9]*/stat')
	{
		push @pids, $1 if file_bytes($stat) =~ /^(\d+) \(.*\) \S $postmaster /s;
	}
	return @pids;
}

# Waits until a process has computed for so many hundredths of a second, from now on.
sub has_computed
{
	my ($pid, $ticks) = @_;
	my $so_far = sub { return (split / /, file_bytes("/proc/$pid/stat") =~ s/.*\) //sr)[11] // die 'no process' };
	my $until = $so_far->() + $ticks;
	sleep 0.01 while $so_far->() < $until;
	return;
}

# What root sees in /proc/PID/environ or cmdline, or of the links in fd (a process that holds keys shows them to nobody else); undef when nobody runs as root for us (see test/run_tap).
sub root_reads
{
	my ($pid, $file) = @_;
	my $reader = $ENV{TWIN_ROOT_READER} or return undef;
	# one question at a time, whatever runs beside it
	open my $turn, '<', $reader or die $!;
	flock($turn, LOCK_EX) or die $!;
	open my $ask, '>', "$reader/ask" or die $!;
	print $ask "$pid $file\n";
	close $ask;
	return decode_base64(file_bytes("$reader/answer"));
}

# Armor and stored bytes.
sub armor_of_bytes
{
	(my $text = encode_base64($_[0], '')) =~ tr{+/=}{-_}d;
	return "tsec1:$text";
}

sub bytes_of_armor
{
	(my $text = $_[0]) =~ s/^tsec1:// or die 'not armor';
	$text =~ tr{-_}{+/};
	return decode_base64($text . '=' x (-length($text) % 4));
}

1;
