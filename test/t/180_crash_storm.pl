# A storm of crashes: writers, a reader with a token, a rewrite and a run of retention are at work while one process of the server after the other is killed
# with -9, and the postmaster, also in the middle of recovery.  What a client was told is committed is there afterwards, opens, and has its events;
# the log is whole, no alert is lost or comes twice, and nothing is left behind.	STORM_ROUNDS=100 for more of it
use strict;
use warnings;
use File::Find;
use IPC::Run;
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;

my $key = new_key();
my $archives = PostgreSQL::Test::Utils::tempdir();
# autovacuum is always at something, and slow
my $node = new_node('storm', conf => "fsync = off\nrestart_after_crash = on\nmax_connections = 60\nmax_worker_processes = 16\nsynchronous_commit = on\nautovacuum = on\nautovacuum_naptime = 1s\n"
	  . "autovacuum_vacuum_threshold = 1\nautovacuum_vacuum_scale_factor = 0\nautovacuum_vacuum_cost_limit = 1\nautovacuum_vacuum_cost_delay = 50ms\n"
	  . "twin_security.archive_directory = '$archives'\ntwin_security.retention_interval = 0\ntwin_security.bcrypt_cost = 4\ntwin_security.checkpoint_interval = 1s\n");
sub start { return start_with($node, $key, undef, JWT_SECRET_KEY => 'tests sign with this, and nobody else') }
start();
my $password = canary() . 'Xy';
sql($node, qq{
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii');
	CREATE ROLE app LOGIN IN ROLE twin_operator;
	SELECT twin.grant_key('pii', r, p) FROM unnest('{app,postgres}'::regrole[]) r, unnest('{encrypt,decrypt}'::text[]) p;
	SELECT twin.create_tenant('North'), twin.create_tenant('South');
	SELECT twin.create_user('ann', '$password', 'ann\@example.org', 'operator', 1);
	CREATE TABLE readings (id bigint PRIMARY KEY, tenant_id bigint, secret twin.encrypted_text(pii), mail twin.encrypted_text_eq(pii) UNIQUE);
	CREATE TABLE marks (id bigint PRIMARY KEY);
	GRANT SELECT ON readings TO app;
	SELECT twin.protect_table('readings', tenant_column => 'tenant_id');
	SELECT twin.audit_table('readings', reads => true), twin.audit_table('marks');
	INSERT INTO twin.alert_rules (rule_name, event_types, conditions, subject, period, cooldown) VALUES ('marked', '{create}', '{"resource": "public.marks"}', 'any', '1 second', '0');
	CREATE TABLE live (id int PRIMARY KEY, secret twin.encrypted_text(pii));
	INSERT INTO live SELECT i, 'live ' || i FROM generate_series(1, 3000) i;
	CREATE TABLE stale (id bigserial PRIMARY KEY, at timestamptz, secret twin.encrypted_text(pii));
	INSERT INTO stale (at, secret) SELECT now(), 'kept ' || i FROM generate_series(1, 10) i;
	SELECT twin.add_retention_policy('stale', '1 year', 'stale', 'at');
	/* slow enough to be met at it */
	CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS \$\$BEGIN PERFORM pg_sleep(0.1); RETURN OLD; END\$\$;
	CREATE TRIGGER dawdle BEFORE DELETE ON stale FOR EACH ROW WHEN (OLD.id % 1000 = 0) EXECUTE FUNCTION dawdle();
	SELECT twin.block_address('203.0.113.9', '1 day', 'storm')});
my $token = sql($node, "SELECT twin_api.login('ann', '$password') ->> 'access_token'");
ok(events_sealed($node), 'the storm begins');

# ---- who is at work ----

my $scripts = PostgreSQL::Test::Utils::tempdir();
my %told;    # what somebody was told is committed, by kind: ids
my $next = 1;
my @strange;    # errors that are not of a server that goes away
my @running;

# Begins a session with a script; what it prints is what was committed before it was printed.
sub begin
{
	my ($name, @lines) = @_;
	my %session = (name => $name, out => '', err => '');
	open my $script, '>', "$scripts/$name" or die $!;
	print $script @lines;
	close $script;
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-h', $node->host, '-p', $node->port, '-U', $name =~ /^reader/ ? 'app' : 'postgres', '-f', "$scripts/$name", 'postgres' ],
		'<', \undef, '>', \$session{out}, '2>', \$session{err});
	push @running, \%session;
	return;
}

sub row { my ($id) = @_; return "($id, 1 + $id % 2, 'secret $id', 'mail $id')" }

sub begin_load
{
	my ($round) = @_;
	my $from = $next;
	$next += 30_000;
	begin('single', map { 'INSERT INTO readings VALUES ' . row($_) . " RETURNING 'single $_';\n" } $from .. $from + 5999);
	begin('batch', map { my $id = $from + 10_000 + 3 * $_; 'BEGIN; INSERT INTO readings VALUES ' . join(', ', map { row($id + $_) } 0 .. 2)
			  . "; UPDATE readings SET secret = 'changed $id' WHERE id = $id; DELETE FROM readings WHERE id = $id + 1; COMMIT;\n\\echo batch $id\n" } 0 .. 2999);
	begin('marker', map { "INSERT INTO marks VALUES ($_) RETURNING 'mark $_';\nSELECT pg_sleep(0.02) \\g /dev/null\n" } $from .. $from + 999);
	begin('reader', ("BEGIN; SET LOCAL twin_security.token = '$token';\nSELECT CASE WHEN count(*) = 0 THEN 'read' ELSE 'misread' END FROM "
			  . "(SELECT * FROM readings ORDER BY id DESC LIMIT 50) r WHERE tenant_id <> 1 OR secret::text NOT LIKE '% ' || id OR mail::text <> 'mail ' || id;\nCOMMIT;\n") x 2000);
	begin('rewriter', ($round % 3 == 1 ? "SELECT twin.rotate_key('pii') \\g /dev/null\nSELECT twin.rotate_key('pii') \\g /dev/null\n" : ''), "CALL twin.reencrypt_column('live', 'secret', 20, 400);\n");
	return;
}

sub end_load
{
	foreach my $session (splice @running)
	{
		eval { $session->{run}->finish };
		push @{ $told{$1} }, $2 while $session->{out} =~ /^(single|batch|mark|read|misread)(?: (\d+))?$/mg;
		push @strange, map { "$session->{name}: $_" } grep { /(?:ERROR|FATAL|PANIC): / && !/(?:FATAL|ERROR):  57P0[1-3]: / } split /\n/, $session->{err};
	}
	return;
}

# ---- and who dies ----

my @first = ('client backend', 'twin_security event writer', 'twin_security retention', 'postmaster', 'in recovery');
my @others = shuffle('autovacuum worker', 'twin_security event launcher', 'checkpointer', 'walwriter', 'background writer', 'in reserve');
my $rounds = $ENV{STORM_ROUNDS} // 8;
my @victims = (@first, @others);
my ($stale, $died) = (0, 0);
# a process of a kind, as soon as there is one
sub victim_of
{
	my ($kind) = @_;
	# (the writer in reserve has no session)
	return (grep { file_bytes("/proc/$_/cmdline") =~ /event writer in reserve/ } children_of($node))[0] // die 'there is none in reserve' if $kind eq 'in reserve';
	my $found = "FROM pg_stat_activity WHERE backend_type = '$kind' AND pid <> pg_backend_pid()";
	return sql($node, qq{DO \$\$ BEGIN FOR i IN 1..2000 LOOP EXIT WHEN EXISTS (SELECT $found); PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01); END LOOP; END \$\$;
		SELECT pg_stat_clear_snapshot(); SELECT pid $found ORDER BY random() LIMIT 1}) =~ /(\d+)\s*$/ ? $1 : die "there is no $kind";
}
foreach my $round (1 .. $rounds)
{
	my $kind = $victims[ ($round - 1) % @victims ];
	if ($kind eq 'twin_security retention')
	{
		$stale += 12_000;
		sql($node, q{INSERT INTO stale (at, secret) SELECT now() - interval '2 years' + i * interval '1 second', 'gone ' || i FROM generate_series(1, 12000) i});
	}
	begin_load($round);
	sleep 0.4 + rand 0.8;
	begin('retention', 'CALL twin.apply_retention();') if $kind eq 'twin_security retention';
	if ($kind eq 'postmaster')
	{
		kill_server($node);
		start();
	}
	elsif ($kind eq 'in recovery')
	{
		my $victim = victim_of('client backend');
		my $from = -s $node->logfile;
		kill 'KILL', $victim;
		$node->wait_for_log(qr/automatic recovery in progress/, $from);
		kill_server($node);
		start();
	}
	else
	{
		kill_backend($node, victim_of($kind));
	}
	$died++;
	end_load();
}
is($died, $rounds, 'they were killed');
ok(scalar @{ $told{$_} // [] } > 5 * $rounds, "there was a load: @{[ scalar @{ $told{$_} // [] } ]} of $_") foreach qw(single batch mark read);
is(join("\n", @strange), '', 'no client is told anything but that the server goes away');
is(scalar @{ $told{misread} // [] }, 0, 'a reader sees its own tenant, and plaintexts that belong to their rows');

# ---- what is there ----

ok(comes_true($node, q{SELECT s.ring_fill = 0 AND s.emitted = s.written + s.dropped AND s.seal_lag = '0' AND r.waiting = 0 FROM twin.stat_audit s, twin.stat_rules r}), 'afterwards everything is written, sealed and watched');
is(sql($node, q{SELECT count(*) FROM readings WHERE secret::text <> CASE WHEN id % 30000 > 10000 AND (id % 30000 - 10001) % 3 = 0 THEN 'changed ' ELSE 'secret ' END || id
	OR mail::text <> 'mail ' || id OR tenant_id <> 1 + id % 2}), '0', 'every value opens, and is what was written last');
open my $list, '>', "$scripts/told" or die $!;
print $list map({ "single\t$_\n" } @{ $told{single} }), map({ "batch\t$_\n" } @{ $told{batch} }), map({ "mark\t$_\n" } @{ $told{mark} });
close $list;
sql($node, "CREATE TABLE told (kind text, id bigint);\n\\copy told FROM '$scripts/told'");
is(sql($node, q{SELECT count(*) FROM told t WHERE NOT EXISTS (SELECT FROM readings r WHERE r.id = t.id) AND kind <> 'mark' OR kind = 'mark' AND NOT EXISTS (SELECT FROM marks m WHERE m.id = t.id)
	OR kind = 'batch' AND (EXISTS (SELECT FROM readings r WHERE r.id = t.id + 1) OR NOT EXISTS (SELECT FROM readings r WHERE r.id = t.id + 2))}), '0', 'everything is there that a client was told is committed');
# of the log: a create for each row, one for each that a batch deleted again, an update and a delete for each batch
sql($node, q{CREATE TABLE logged AS SELECT event_type, (new ->> 'id')::bigint AS created, (old ->> 'id')::bigint AS was, resource, event_id, leaf_index FROM twin.audit_log
	WHERE resource IN ('public.readings', 'public.marks') AND event_type IN ('create', 'update', 'delete'); CREATE INDEX ON logged (was); CREATE INDEX ON logged (created)});
is(sql($node, q{SELECT count(*) FROM logged WHERE leaf_index IS NULL}), '0', 'every change is sealed');
is(sql($node, q{SELECT count(*) FROM (SELECT id FROM readings EXCEPT ALL (SELECT created FROM logged WHERE resource = 'public.readings' AND event_type = 'create' EXCEPT ALL SELECT was FROM logged WHERE event_type = 'delete')
	UNION ALL (SELECT created FROM logged WHERE resource = 'public.readings' AND event_type = 'create' EXCEPT ALL SELECT was FROM logged WHERE event_type = 'delete' EXCEPT ALL SELECT id FROM readings)) x}), '0',
	'every committed row has its event in the log, once, and no other is there');
is(sql($node, q{SELECT count(*) FROM (SELECT was FROM logged WHERE event_type = 'update' EXCEPT ALL SELECT was - 1 FROM logged WHERE event_type = 'delete') x}), '0', '... of a transaction all or none');
is(sql($node, q{SELECT count(*) FROM (SELECT id FROM marks EXCEPT ALL SELECT l.created FROM twin.alerts a, unnest(a.event_ids) e LEFT JOIN logged l ON l.event_id = e WHERE a.rule_name = 'marked') x})
	  . ' ' . sql($node, q{SELECT (SELECT count(*) FROM twin.alerts WHERE rule_name = 'marked') - (SELECT count(*) FROM marks)}), '0 0', 'of each there is an alert, and of none two');
is(sql($node, q{SELECT ok, checked = (SELECT size FROM twin_internal.ledger_state), coalesce(reason, '') FROM twin.verify_audit_log()}), 't|t|', 'the log is whole');
is(sql($node, q{SELECT count(*) = count(DISTINCT event_id) AND count(*) = max(leaf_index) + 1 FROM twin.audit_leaves(0, 100000000)}), 't', 'each event has one leaf');

# ---- what was under way goes on ----

is(sql($node, q{CALL twin.reencrypt_column('live', 'secret'); SELECT count(*) = 3000 AND bool_and(secret::text = 'live ' || id) FROM live}), 't', 'the rewrite comes to its end');
is(sql($node, q{SELECT count(*), sum("values") FROM twin.key_census('live') c JOIN twin.keys k USING (key_name, version) WHERE k.state = 'primary'}), '1|3000', '... where all is under the newest version');
is(sql($node, q{SELECT count(*) FROM twin.stat_progress}), '0', '... and nobody is at it any more');
unlike((TwinTest::run_sql($node, 'CALL twin.apply_retention()'))[1], qr/WARNING|ERROR/, 'retention comes to its end');
is(sql($node, q{SELECT count(*), count(*) FILTER (WHERE secret::text LIKE 'kept %') FROM stale}), '10|10', '... where what is over its time is gone, and nothing else');
is(sql($node, q{SELECT count(DISTINCT e ->> 'id'), count(*) FROM twin.archives() a, twin.read_archive(a.file) e}), "$stale|$stale", '... all of it in archives, once');
is(sql($node, q{SELECT count(*) FROM twin.blocked_addresses WHERE address = '203.0.113.9'}), '1', 'who was blocked is');

# ---- and nothing is left behind ----

opendir my $folder, $archives or die $!;
is(join(' ', grep { !/^\.\.?$|\.tsarc$|\.manifest\.json$/ } readdir $folder), '', 'nothing half written among the archives');
closedir $folder;
my @left;
find({ no_chdir => 1, wanted => sub { push @left, $_ if -f $_ && m{pgsql_tmp|\.(?:new|part|tmp)$|twin_security_events|/pg_replslot/} } }, $node->data_dir);
is(join(' ', @left), '', 'nor in the data folder');
is(sql($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}) . sql($node, q{SELECT count(*) FROM pg_class WHERE relpersistence = 't'}) . sql($node, 'SELECT count(*) FROM pg_index WHERE NOT indisvalid'), '000', 'no lock, temporary table or index');
ok(comes_true($node, q{SELECT bool_and(is_up AND failures = 0) FROM twin.stat_workers}), 'the workers are at work');
unlike(file_bytes($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9:)\d+|server process.*exited with exit code [2-9]/, 'nothing died but what was killed');
$node->stop;

done_testing();
