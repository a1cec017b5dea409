# Every long operation is interrupted, again and again: by statement_timeout, a cancel, a lock that it does not get, pg_terminate_backend() and a client that
# vanishes.  It ends when it is told to, holds nothing afterwards, leaves nothing behind, and does its work when it is called again.
#	INTERRUPTED='^login' test/run_tap 183_interrupted.pl	for some of them
use strict;
use warnings;
use File::Find;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;

my $archives = PostgreSQL::Test::Utils::tempdir();
my $exports = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $exports;
my $node = new_node('interrupted', conf => "fsync = off\nmax_worker_processes = 16\nclient_connection_check_interval = 20ms\nmax_connections = 40\nwork_mem = 64kB\n"
	  . "twin_security.bcrypt_cost = 10\ntwin_security.retention_interval = 0\ntwin_security.checkpoint_interval = 1s\ntwin_security.archive_directory = '$archives'\ntwin_security.export_directory = '$exports'\n"
	  . "twin_security.login_max_failures = 1000\ntwin_security.login_max_failures_per_address = 1000\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'tests sign with this, and nobody else');
my $password = canary() . 'Xy';
sql($node, qq{
	SET client_min_messages = error;
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii'), twin.create_key('other');
	SELECT twin.grant_key(k, 'postgres', p) FROM unnest('{pii,other}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	SELECT twin.create_tenant('North'), twin.create_user('ann', '$password', 'ann\@example.org', 'operator', 1);
	CREATE TABLE sealed (id int PRIMARY KEY, v twin.encrypted_text_eq(pii));
	INSERT INTO sealed SELECT i, 'sealed ' || i FROM generate_series(1, 6000) i;
	CREATE TABLE turned (id int PRIMARY KEY, v twin.encrypted_text(other));
	INSERT INTO turned SELECT i, 'turned ' || i FROM generate_series(1, 6000) i;
	CREATE TABLE filled (id int, v twin.encrypted_text(pii));
	CREATE TABLE plain (id int);
	CREATE TABLE things (id int, v text);
	SELECT twin.audit_table('things');
	INSERT INTO things SELECT i, md5(i::text) FROM generate_series(1, 15000) i;
	CREATE TABLE old (at timestamptz, note text);
	INSERT INTO old SELECT '2016-01-01 00:00:00+00'::timestamptz + n * interval '1 minute', md5(n::text) FROM generate_series(1, 50000) n;
	CREATE TABLE stale (id bigserial PRIMARY KEY, at timestamptz, note text);
	SELECT twin.add_retention_policy('stale', '1 year', 'stale', 'at');
	CREATE TABLE people (id bigserial PRIMARY KEY, who text, name twin.encrypted_text(pii));
	SELECT twin.register_subject_column('people', 'name', 'who')});
sql($node, q{CREATE DATABASE made});
my $file = sql($node, q{SELECT a.file FROM twin_internal.write_archive('old', NULL, NULL) a});
ok(events_sealed($node), 'the log is sealed');

# name, what is run (%d: another number each time), what must be true before it (made so after each run that ended well), a table that it needs, where
my @operations = (
	[ 'sealing', q{INSERT INTO filled SELECT i, 'filled ' || i FROM generate_series(1, 15000) i}, 'TRUNCATE filled', 'filled' ],
	[ 'opening', q{SELECT count(*) FROM sealed, generate_series(1, 5) WHERE v::text > ''}, '', 'sealed' ],
	[ 'sorting', q{SELECT v::text FROM sealed ORDER BY v OFFSET 5999}, '', 'sealed' ],
	[ 'encrypt_column', q{CALL twin.encrypt_column('plain', 'v', 'pii', true, 500)},
		q{DROP TABLE plain; CREATE TABLE plain (id int PRIMARY KEY, v text UNIQUE); INSERT INTO plain SELECT i, 'plain ' || i FROM generate_series(1, 1000) i}, 'plain' ],
	[ 'reencrypt_column', q{CALL twin.reencrypt_column('turned', 'v', 500)}, q{SELECT twin.rotate_key('other'), twin.rotate_key('other')}, 'turned' ],
	[ 'rotate_index_key', q{SELECT twin.rotate_index_key('text')}, '', 'sealed' ],
	[ 'rotate_master_key', q{SELECT sum(twin.rotate_master_key()) >= 0 FROM generate_series(1, 200)}, '', 'twin_internal.key_versions' ],
	[ 'key_census', q{SELECT sum("values") FROM generate_series(1, 300) i, LATERAL (SELECT * FROM twin.key_census('sealed') WHERE i > 0) c}, '', 'sealed' ],
	[ 'hash_password', q{SELECT count(twin.hash_password('Umbrella-Gravel-' || i, 6)) FROM generate_series(1, 25) i}, '' ],
	[ 'login', qq{SELECT count(twin_api.login('ann', '$password')) FROM generate_series(1, 2)}, '', 'twin_internal.users' ],
	[ 'verify_audit_log', 'SELECT ok FROM twin.verify_audit_log()', '' ],
	[ 'audit_leaves', 'SELECT count(*) FROM twin.audit_leaves(0, 1000000)', '' ],
	[ 'audit_log', q{SELECT count(new) FROM twin.audit_log}, '' ],
	[ 'siem_events', q{SELECT count(*) FROM twin.siem_events('cef', 0, 100000)}, '' ],
	[ 'export_audit_log', q{SELECT twin.export_audit_log('export%d') > 10000}, '' ],
	[ 'compliance_report', q{SELECT count(twin.compliance_report(now() - interval '1 day', now() + i * interval '1 second')) FROM generate_series(1, 1) i}, '' ],
	[ 'compliance_report_html', q{SELECT count(twin.compliance_report_html(now() - interval '1 day', now() + i * interval '1 second')) FROM generate_series(1, 1) i}, '' ],
	[ 'security_check', q{SELECT count(*) > 100 FROM twin.security_check()}, '' ],
	[ 'write_archive', q{SELECT rows FROM twin_internal.write_archive('old', NULL, NULL)}, '', 'old' ],
	[ 'verify_archive', qq{SELECT ok FROM twin.verify_archive('$file')}, '' ],
	[ 'read_archive', qq{SELECT count(*) FROM twin.read_archive('$file')}, '' ],
	[ 'apply_retention', 'CALL twin.apply_retention()', q{INSERT INTO stale (at, note) SELECT '2020-01-01 00:00+00'::timestamptz + n * interval '1 minute', md5(n::text) FROM generate_series(1, 5000) n}, 'stale' ],
	[ 'export_subject', q{SELECT length(twin.export_subject('bob')::text) > 0}, q{INSERT INTO people (who, name) SELECT 'bob', 'bob ' || i FROM generate_series(1, 4000 - (SELECT count(*) FROM people WHERE who = 'bob')) i}, 'people' ],
	[ 'erase_subject', q{SELECT twin.erase_subject('carl', 'asked for it') IS NOT NULL}, q{DELETE FROM people WHERE who = 'carl'; INSERT INTO people (who, name) SELECT 'carl', 'carl ' || i FROM generate_series(1, 4000) i}, 'people' ],
	[ 'CREATE EXTENSION', 'CREATE EXTENSION twin_security', 'DROP EXTENSION IF EXISTS twin_security CASCADE', undef, 'made' ],
	[ 'DROP EXTENSION', 'DROP EXTENSION twin_security CASCADE', 'CREATE EXTENSION IF NOT EXISTS twin_security', undef, 'made' ]);
my $wanted = $ENV{INTERRUPTED} // '.';

my %control = map { $_ => $node->background_psql($_, on_error_stop => 0) } 'postgres', 'made';
my $quiet = 'SET client_min_messages = error';
$_->query($quiet) foreach values %control;
my $control = $control{postgres};
my $helpers = q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type IN ('twin_security retention', 'twin_security index build'))};
sub becomes_true
{
	my ($condition) = @_;
	my $seconds = $PostgreSQL::Test::Utils::timeout_default;
	return $control->query_safe(qq{DO \$\$ BEGIN FOR i IN 1 .. 100 * $seconds LOOP PERFORM pg_stat_clear_snapshot(); EXIT WHEN ($condition); PERFORM pg_sleep(0.01); END LOOP; END \$\$; $condition}) =~ /t\s*\z/;
}
my $number = 0;
my $is_ready;
sub statement_of
{
	my ($operation) = @_;
	my (undef, $run, $ready, undef, $db) = @$operation;
	if (!$is_ready && $ready)
	{
		$control{ $db // 'postgres' }->{stderr} = '';
		$control{ $db // 'postgres' }->query("$ready;");
		die "$ready: $control{ $db // 'postgres' }->{stderr}" if $control{ $db // 'postgres' }->{stderr} =~ /ERROR/;
	}
	$is_ready = 1;
	$number++;
	return ($run =~ s/%d/$number/r) . ';';
}
# Waits for the end of what a session was given: what it says of an interruption, '' when it came to its end.
sub end_of
{
	my ($session, $operation, $answer) = @_;
	my ($state) = $session->{stderr} =~ /ERROR:\s+(\w{5})/;
	my $said = $session->{stderr};
	$session->{stderr} = '';
	# (a cancel may meet what came after it: extensions are looked at anew)
	$is_ready = 0 if !$state && $said !~ /WARNING/ || $operation->[4];
	becomes_true($helpers) or die 'a helper stays';
	return $state // ($said =~ /FATAL|closed|terminating/ ? 'gone' : $said);
}
sub run_in
{
	my ($session, $operation, $before) = @_;
	my $statement = statement_of($operation);
	$session->query($before) if $before;
	my $began = time;
	my $answer = $session->query($statement);
	my $took = time - $began;
	$session->query('SET statement_timeout = 0; SET lock_timeout = 0;') if $before;
	return (end_of($session, $operation), $took, $answer);
}
# Everything that a session holds while it does nothing.
sub held_by
{
	my ($pid) = @_;
	my $held = $control->query_safe(qq{SELECT concat_ws(' ', (SELECT string_agg(locktype || ' ' || mode, ',') FROM pg_locks WHERE pid = $pid), backend_xid, backend_xmin, NULLIF(state, 'idle'))
		FROM pg_stat_activity WHERE pid = $pid}) =~ s/\s+\z//r;
	my @files = grep { m{\Q$archives\E|\Q$exports\E|pgsql_tmp} } split /\n/, root_reads($pid, 'fd') // '';
	return join ' ', $held, @files;
}
sub memory_of { my ($session) = @_; return $session->query_safe('SELECT sum(total_bytes) FROM pg_backend_memory_contexts') }
sub left_over
{
	my @left;
	find({ no_chdir => 1, wanted => sub { push @left, $_ if m{/pgsql_tmp/.|\.new$|\.part$} || m{^\Q$exports\E/\.} } }, $node->data_dir . '/base', $archives, $exports);
	return join ' ', @left;
}

foreach my $operation (@operations)
{
	my ($name, undef, undef, $table, $db) = @$operation;
	next unless $name =~ /$wanted/;
	my $session = $node->background_psql($db // 'postgres', on_error_stop => 0);
	$session->query("\\set VERBOSITY verbose\n$quiet;");
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my (%seen, @promptly);
	$is_ready = 0;
	my ($said) = run_in($session, $operation);
	my (undef, $whole) = run_in($session, $operation);
	is($said, '', sprintf('%s: takes %d ms', $name, $whole * 1000));
	foreach my $part ($db ? (0.1, 0.6) : (0.02, 0.1, 0.3, 0.7))
	{
		my ($outcome, $took) = run_in($session, $operation, sprintf('SET statement_timeout = %d;', $whole * $part * 1000 + 1));
		$seen{ $outcome || 'done' }++;
		push @promptly, $took if $outcome eq '57014';
	}
	foreach my $round (1)
	{
		my $statement = statement_of($operation);
		begin_query($session, $statement);
		$control->query_safe(sprintf('SELECT pg_sleep(%f); SELECT pg_cancel_backend(%d)', rand $whole, $pid));
		# a cancel that comes late meets what comes next
		$session->query('SELECT 1;') foreach 1, 2;
		$seen{ end_of($session, $operation) || 'done' }++;
	}
	if ($table)
	{
		$control->query_safe("BEGIN; LOCK TABLE $table IN ACCESS EXCLUSIVE MODE");
		my $statement = statement_of([ @$operation[ 0, 1 ] ]);
		$session->query('SET lock_timeout = 20; SET statement_timeout = 10000;');
		begin_query($session, $statement);
		$session->query('SELECT 1;');
		$control->query_safe('ROLLBACK');
		$session->query('SET lock_timeout = 0; SET statement_timeout = 0;');
		my $outcome = end_of($session, $operation);
		isnt($outcome, '57014', "$name: lock_timeout ends it");
		$seen{ $outcome || 'done' }++;
		# without one it may go on waiting, until it is told to end
		$control->query_safe("BEGIN; LOCK TABLE $table IN ACCESS EXCLUSIVE MODE");
		($outcome) = run_in($session, $operation, 'SET statement_timeout = 300;');
		$control->query_safe('ROLLBACK');
		$seen{ $outcome || 'done' }++;
	}
	my @unexpected = grep { !/^(?:done|57014|55P03|40P01)$/ && !/WARNING/ } keys %seen;
	is(join(' ', @unexpected), '', '... interrupted it says so: ' . join ' ', map { "$seen{$_} " . substr($_, 0, 40) =~ s/\s+/ /gr } sort keys %seen);
	# (what is quick is asked only whether it was interrupted at all: psql takes its time, too)
	ok((grep { $_ < 0.7 * $whole + 0.2 } @promptly), '... and ends long before it would have done');
	is(held_by($pid), '', '... and holds nothing');
	# the same again, and again: what was allocated is given back (but for what a catalog that is made anew leaves in caches)
	if (!$db)
	{
		run_in($session, $operation, sprintf('SET statement_timeout = %d;', $whole * 100 + 1));
		my $before = memory_of($session);
		run_in($session, $operation, sprintf('SET statement_timeout = %d;', $whole * $_ * 100 + 1)) foreach 1, 2, 1;
		cmp_ok(memory_of($session) - $before, '<=', 65536, '... nor takes memory each time');
	}
	foreach my $how ('terminate', 'vanish')
	{
		my ($out, $err) = ('', '');
		my $statement = statement_of($operation);
		my $victim = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($db // 'postgres') . ' application_name=victim', '-c', $quiet, '-c', $statement ], '<', \undef, '>', \$out, '2>', \$err);
		# it is met somewhere in the middle, if it is not quicker
		$control->query_safe(q{DO $$ BEGIN FOR i IN 1 .. 100 LOOP PERFORM pg_stat_clear_snapshot(); EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'victim');
			PERFORM pg_sleep(0.01); END LOOP; END $$; SELECT pg_sleep(} . rand($whole) . ')');
		$control->query_safe(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'}) if $how eq 'terminate';
		$victim->signal('KILL') if $how eq 'vanish';
		eval { $victim->finish };
		$is_ready = 0 if $how eq 'terminate' && $err eq '';
		ok(becomes_true(q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'victim')}), "... goes with its session ($how)");
		becomes_true($helpers);
		# whether one that vanished was done nobody knows: what it needs is made again
		$is_ready = 0 if $db || $how eq 'vanish' && $name ne 'encrypt_column' && $name ne 'apply_retention';
	}
	is(left_over(), '', '... leaves nothing behind');
	my ($again, undef, $answer) = run_in($session, $operation);
	is($again, '', '... and is done when it is called again');
	like($answer, qr/\A(?:t|[1-9]\d*|)\s*\z|^sealed \d+|^tsec1:/m, '... with its answer');
	$session->quit;
}
is($control->query_safe(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' OR mode = 'AccessExclusiveLock'}), '0', 'no lock is left');
ok(comes_true($node, q{SELECT ring_fill = 0 AND emitted = written + dropped AND dropped = 0 AND seal_lag = '0' FROM twin.stat_audit}), 'every event is written and sealed');
is($control->query_safe('SELECT ok FROM twin.verify_audit_log()'), 't', '... and the log is whole');
is($control->query_safe(q{SELECT count(*) FROM twin.stat_progress}), '0', 'nobody is at work');
$_->quit foreach values %control;
$node->stop;

done_testing();
