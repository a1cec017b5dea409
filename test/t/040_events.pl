# Security events and their writer: what survives, what a full ring costs, and that nothing keeps the rest from being
# written - not a locked or missing table, not a row the server refuses, not a killed writer, not a lack of workers.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $key = new_key();
my $node = new_node('events', conf => "twin_security.event_ring_size = 64kB\nrestart_after_crash = on\nmax_worker_processes = 4\n"
	  . "listen_addresses = '127.0.0.1'\n");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	ALTER EVENT TRIGGER twin_security_guard_log DISABLE;	/* this test is about what somebody does to the log's tables all the same */
	CREATE ROLE app LOGIN IN ROLE twin_operator;
	CREATE TABLE secret (v twin.encrypted_text(main));
	INSERT INTO secret VALUES ('x');
	GRANT ALL ON secret TO app});

# Waits until nothing waits in the ring and no writer is at work on it.
sub settle { return events_written($node) }

sub events_of
{
	my ($type) = @_;
	return sql($node, "SELECT count(*) FROM twin.audit_log WHERE event_type = '$type'");
}
sub counters { return sql($node, 'SELECT written, dropped FROM twin.stat_audit') }

# Waits until there is no writer, in a session that is there already: each that comes is an event.
my $until_no_writer = q{DO $$ BEGIN PERFORM pg_sleep(0.5); FOR i IN 1..600 LOOP
	PERFORM pg_stat_clear_snapshot();
	EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'twin_security event writer');
	PERFORM pg_sleep(0.1);
	END LOOP; END $$};

# How many are left after a while.
sub writers_left
{
	return sql($node, "$until_no_writer; SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'twin_security event writer'");
}

sub writers { return sql($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'twin_security event writer'") }

# ---- who and from where ----

my ($out, $err);
$node->psql('postgres', q{SELECT twin.record_event('from_network')}, connstr => 'host=127.0.0.1 port=' . $node->port . ' dbname=postgres application_name=tester');
sql($node, q{SELECT twin.record_event('from_socket')}, user => 'app');
ok(settle(), 'events are written');
is(sql($node, q{SELECT client_address, application_name FROM twin.audit_log WHERE event_type = 'from_network'}), '127.0.0.1|tester', 'a network address');
is(sql($node, q{SELECT client_address IS NULL, session_user_name, outer_user_name, effective_user_name FROM twin.audit_log WHERE event_type = 'from_socket'}),
	't|app|app|app', 'a unix socket has none');
is(sql($node, q{CREATE FUNCTION wrapped() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT twin.record_event('wrapped') $$;
	SET ROLE app; SELECT wrapped() > 0}), 't', 'an event of a SECURITY DEFINER function');
settle();
is(sql($node, q{SELECT session_user_name, outer_user_name, effective_user_name FROM twin.audit_log WHERE event_type = 'wrapped'}), 'postgres|app|postgres',
	'tells the three roles apart');

# ---- a session that is terminated, a transaction that is prepared ----

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe(q{BEGIN; SELECT twin.record_event('orphan'); SELECT twin.create_key('orphan')});
sql($node, "SELECT pg_terminate_backend($pid, 5000)");
eval { $session->quit };
settle();
is(sql($node, q{SELECT event_type, outcome FROM twin.audit_log WHERE event_type = 'orphan' OR resource = 'orphan' ORDER BY 1}), "key_created|failure\norphan|success",
	'of a terminated session: what it recorded, and that its key was not made');

# ---- a writer is there while there is work, and not for ever ----

sql($node, q{SELECT twin.record_event('x')});
ok(comes_true($node, "SELECT ring_fill = 0 AND 1 = (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'twin_security event writer') FROM twin.stat_audit"), 'an event; its writer lingers');
is(writers_left(), '0', 'and is gone after a while');

# ---- a table that cannot be written to: nothing is lost as long as the ring has room ----

my $locker = $node->background_psql('postgres');
lock_log($locker, 'events_overflow', 'ACCESS EXCLUSIVE');
my $began = time;
sql($node, "SELECT twin.record_event('held_up') FROM generate_series(1, 30)");
is_soon($began, 'nobody waits for the writer');
sleep 2.5;
$locker->query_safe('COMMIT');
ok(settle(), 'the writer comes again');
is(events_of('held_up'), '30', 'and writes what waited, each once');
is(sql($node, 'SELECT count(*) = count(DISTINCT event_id) FROM twin.audit_log'), 't', 'under its own id');
sql($node, 'ALTER TABLE twin_internal.events_overflow RENAME TO elsewhere');
sql($node, "SELECT twin.record_event('misplaced') FROM generate_series(1, 20)");
sleep 1.5;
sql($node, 'ALTER TABLE twin_internal.elsewhere RENAME TO events_overflow');
ok(settle(), 'the same with a table that was gone');
is(events_of('misplaced'), '20', 'nothing lost');

# ---- a full ring ----

# (in sessions that are there already, for one that comes is an event)
my $denials = events_of('permission_denied');
my $owner = $node->background_psql('postgres', on_error_stop => 0);
my $app = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]);
ok(settle(), 'nothing waits');
sub ring_empties { return $owner->query_safe('DO $$ BEGIN WHILE (SELECT ring_fill > 0 FROM twin.stat_audit) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$') }
sub fill { return $owner->query_safe('SELECT ring_fill, dropped FROM twin.stat_audit') }
ring_empties();
lock_log($locker, 'events_overflow', 'ACCESS EXCLUSIVE');
$owner->query_safe("SELECT twin.record_event('fits') FROM generate_series(1, 32)");
is(fill(), '0.5|0', 'applications have filled the ring as far as they may');
is($owner->query_safe(q{SELECT sealed > 0, seal_lag > '0', checkpoint_age IS NULL FROM twin.stat_audit}), 't|t|f', 'whoever watches does not wait for the lock, and sees how long events wait in memory');
session_fails($owner, "SELECT twin.record_event('too_much');", '53000', 'an application is told that its event is not taken');
$app->query_safe(q{DO $$ BEGIN FOR i IN 1..16 LOOP BEGIN PERFORM v::text FROM secret; EXCEPTION WHEN insufficient_privilege THEN NULL; END; END LOOP; END $$});
is(fill(), '0.75|1', 'there is room for refusals');
session_fails($app, 'SELECT v::text FROM secret;', '42501', 'a refusal is still the same refusal') for 1 .. 3;
is(fill(), '0.75|4', 'anybody can cause one: they do not get all of it, and are counted');
# (what the database says of a transaction's end would be rows of it, and wait for the lock)
$owner->query_safe(q{SELECT set_config('session_replication_role', CASE i % 2 WHEN 0 THEN 'origin' ELSE 'replica' END, false) FROM generate_series(1, 17) i});
is(fill(), '1|5', 'the rest is for what the database itself has to say');
$locker->query_safe('COMMIT');
ring_empties();    # before a session comes, whose event would find no room
ok(settle(), 'the ring empties');
is($owner->query_safe('SELECT seal_lag IS NOT NULL FROM twin.stat_audit'), 't', 'and the lag is known again');
$_->quit for $owner, $app;
is(events_of('fits'), '32', 'what was taken is written');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'configuration_change' AND resource = 'session_replication_role'}), '16', 'of both');
is(events_of('permission_denied'), $denials + 16, '... and of refusals');
# by one event, or by two where the writer's turn came in between
is(sql($node, q{SELECT sum((details ->> 'dropped')::integer), severity, outcome, class, application_made FROM twin.audit_log WHERE event_type = 'events_dropped' GROUP BY 2, 3, 4, 5}),
	'5|high|error|audit|f', 'and an event tells how many were not');
my $told = events_of('events_dropped');
sql($node, "SELECT twin.record_event('x')");
settle();
is(events_of('events_dropped'), $told, 'once');
$locker->quit;

# ---- a flood of refusals ----

my $flooder = $node->background_psql('postgres', on_error_stop => 0);
my $many = q{DO $$ BEGIN FOR i IN 1..3000 LOOP BEGIN PERFORM twin.require_permission('read_units'); EXCEPTION WHEN insufficient_privilege THEN NULL; END; END LOOP; END $$};
$flooder->query_safe($many);
is(sql($node, "SELECT count(twin.record_event('beside_the_flood')) FROM generate_series(1, 20)"), '20', 'beside a flood there is room');
sql($node, q{DO $$ BEGIN PERFORM twin.require_permission('write_units'); EXCEPTION WHEN insufficient_privilege THEN NULL; END $$});
$flooder->quit;
ok(settle(), 'all is written');
is(events_of('beside_the_flood'), '20', "the others' events");
is(sql($node, "SELECT count(*) FROM twin.audit_log WHERE resource = 'write_units' AND event_type = 'permission_denied'"), '1', 'and the refusal of another session');
is(sql($node, "SELECT count(*) BETWEEN 20 AND 60 FROM twin.audit_log WHERE resource = 'read_units' AND event_type = 'permission_denied'"), 't', 'of the flood its beginning');
# (of what found no room, some may be the coming of others' sessions)
is(sql($node, q{SELECT sum(w) + sum(r) <= 3000 AND sum(w) + sum(r) + sum(d) >= 3000 FROM (SELECT CASE WHEN event_type = 'events_withheld' THEN (details->>'withheld')::int ELSE 0 END AS w, (resource = 'read_units')::int AS r, 0 AS d
	FROM twin.audit_log WHERE event_type = 'events_withheld' OR resource = 'read_units' UNION ALL SELECT 0, 0, dropped - 5 FROM twin.stat_audit) x}), 't', 'and how many more they were');

# ---- a row that the server refuses keeps nobody waiting ----

my $dropped_before = sql($node, 'SELECT dropped FROM twin.stat_audit');
sql($node, q{ALTER TABLE twin_internal.events_overflow ADD CHECK (event_type <> 'refused'),
	ADD CHECK (event_type <> 'half_refused' OR details ? 'unreadable')});
sql($node, q{SELECT twin.record_event(t, details => '{"a": "canary-of-details"}') FROM unnest('{good,half_refused,good,refused,good}'::text[]) t});
ok(settle(), 'the others are written');
is(sql($node, q{SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM twin.audit_log WHERE event_type ~ 'good|refused'}), 'good half_refused good good', 'in order');
is(sql($node, q{SELECT details FROM twin.audit_log WHERE event_type = 'half_refused'}), '{"unreadable": true}', 'one without what was refused');
is(sql($node, "SELECT dropped - $dropped_before FROM twin.stat_audit"), '1', 'the one that cannot be written is counted');
like(slurp_file($node->logfile), qr/a security event cannot be written as it is/, 'the log says so');
unlike(slurp_file($node->logfile), qr/canary-of-details/, 'and quotes nothing');
sql($node, 'ALTER TABLE twin_internal.events_overflow DROP CONSTRAINT events_overflow_event_type_check, DROP CONSTRAINT events_overflow_check');

# ---- nor does what somebody did to the tables ----

# (an hour after CREATE EXTENSION the writer would make the partitions)
edit_log($node, q{UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours'; SELECT twin_internal.maintain_event_partitions()});
sql($node, 'ALTER TABLE twin_internal.events DETACH PARTITION twin_internal.events_audit');
my $dropped = sql($node, 'SELECT dropped FROM twin.stat_audit');
sql($node, "SELECT twin.record_event('detached') FROM generate_series(1, 3)");
ok(settle(), 'with a table detached');
is(sql($node, "SELECT count(*) FROM twin_internal.events_overflow WHERE event_type = 'detached'"), '3', 'its events go into the overflow');
sql($node, "ALTER TABLE twin_internal.events ATTACH PARTITION twin_internal.events_audit FOR VALUES IN ('audit')");
my $month = sql($node, q{SELECT 'twin_internal.events_audit_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')});
sql($node, "ALTER TABLE $month ADD CONSTRAINT narrow CHECK (event_type <> 'narrowed') NOT VALID");
sql($node, "SELECT twin.record_event(t) FROM unnest('{narrowed,wide}'::text[]) t");
ok(settle(), 'with a constraint on a partition');
is(sql($node, "SELECT string_agg(event_type || ' ' || tableoid::regclass, ', ' ORDER BY event_type) FROM (SELECT event_type, tableoid FROM twin_internal.events_overflow UNION ALL SELECT event_type, tableoid FROM twin_internal.events) e WHERE event_type IN ('narrowed', 'wide')"),
	"narrowed twin_internal.events_overflow, wide $month", '... as well');
sql($node, "ALTER TABLE $month DROP CONSTRAINT narrow");
sql($node, qq{CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN IF NEW.event_type = 'raising' THEN RAISE 'no'; END IF; RETURN CASE WHEN NEW.event_type = 'swallowed' THEN NULL ELSE NEW END; END \$\$;
	CREATE TRIGGER swallow BEFORE INSERT ON $month FOR EACH ROW EXECUTE FUNCTION swallow()});
sql($node, "SELECT twin.record_event(t) FROM unnest('{swallowed,raising,plain}'::text[]) t");
ok(settle(), 'with a trigger that swallows or raises');
is(sql($node, "SELECT count(DISTINCT event_type) FROM (TABLE twin_internal.events UNION ALL TABLE twin_internal.events_overflow) e WHERE event_type IN ('swallowed', 'raising', 'plain')"), '3', '... none is lost');
is(sql($node, "SELECT dropped - $dropped FROM twin.stat_audit"), '0', 'nothing of all that was dropped');
sql($node, "DROP FUNCTION swallow() CASCADE");
# the report of drops is a row like others
sql($node, "ALTER TABLE twin_internal.events_overflow ADD CONSTRAINT no_report CHECK (event_type NOT IN ('events_dropped', 'lost')) NOT VALID; ALTER TABLE $month ADD CONSTRAINT no_report CHECK (event_type NOT IN ('events_dropped', 'lost')) NOT VALID");
sql($node, "SELECT twin.record_event('lost')");
ok(settle(), 'an event that nothing takes, and a report of it that nothing takes either,');
is(sql($node, "SELECT dropped - $dropped FROM twin.stat_audit"), '1', '... are counted');
is(writers_left(), '0', '... and keep no writer busy');
is(() = slurp_file($node->logfile) =~ /events were dropped, and no event can say so/g, 1, '... the log keeps the number, once');
sql($node, "ALTER TABLE twin_internal.events_overflow DROP CONSTRAINT no_report; ALTER TABLE $month DROP CONSTRAINT no_report");

# ---- a default that stops ordinary transactions stops no event ----

sql($node, "ALTER DATABASE postgres SET default_transaction_read_only = on; ALTER DATABASE postgres SET search_path = pg_temp");
writers_left();
fails_with($node, 'SELECT v::text FROM public.secret', '42501', '', 'a refusal in a read-only transaction', user => 'app');
ok(settle(), 'is written');
is(sql($node, "SELECT twin.record_event('read_only') > 0"), 't', 'an application records there, too');
ok(settle() && events_of('read_only') == 1, '... and finds it written');
sql($node, 'SET default_transaction_read_only = off; ALTER DATABASE postgres RESET ALL');

# ---- no worker is free ----

my $watcher = $node->background_psql('postgres');
my $parallel;
my $end_parallel = q{SET client_min_messages = error; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep.300'};
# a writer that was just on its way takes the slot: then the query runs alone, and another tries
foreach (1 .. 5)
{
	$parallel = IPC::Run::start([ 'psql', '-X', '-c', $until_no_writer, '-c', 'SET ' . parallel_mode($node) . ' = on', '-c', 'SELECT pg_sleep(300)', $node->connstr('postgres') ], '>', \$out, '2>', \$err);
	last if $watcher->query_safe(q{SELECT pg_sleep(0.5); DO $$ BEGIN FOR i IN 1..120 LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep.300' AND state = 'active');
		PERFORM pg_sleep(0.1);
		END LOOP; END $$; SELECT pg_sleep(0.2); SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}) =~ /1\s*\z/;
	$watcher->query_safe($end_parallel);
	$parallel->finish;
}
$watcher->query_safe("SELECT twin.record_event('no_worker')");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'no_worker'}), 'the writer in reserve writes');
is(sql($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), '1', '... while no worker is free');
$watcher->query_safe($end_parallel);
$parallel->finish;
$watcher->quit;
ok(settle(), 'all is written');
is(events_of('no_worker'), '1', '... once');
cmp_ok(scalar(() = slurp_file($node->logfile) =~ /no background worker is free to write security events/g), '<=', 1, 'the log says it once, if it lasts');

# ---- a key that rotates by itself, a wrong key, a keyring that was altered ----

sql($node, "SELECT twin.create_key('busy')");
sql($node, 'CREATE TABLE filled (v twin.encrypted_text(busy))');
# there is one slot: nobody comes in, and is recorded, until the key has rotated
sql($node, qq{SET twin_security.key_message_limit = 1000; $until_no_writer; SELECT pg_sleep(0.5);
	INSERT INTO filled SELECT i::text FROM generate_series(1, 1500) i;
	DO \$\$ BEGIN FOR i IN 1..300 LOOP EXIT WHEN EXISTS (SELECT FROM twin.keys WHERE key_name = 'busy' AND version = 2); PERFORM pg_sleep(0.1); END LOOP; PERFORM pg_sleep(2); END \$\$});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM twin.audit_log WHERE resource = 'busy' AND event_type IN ('key_published', 'key_rotated')}),
	'an automatic rotation is two events');
is(sql($node, q{SELECT event_type, outcome, details FROM twin.audit_log WHERE resource = 'busy' AND event_type <> 'key_created' ORDER BY event_id}),
	qq{key_published|success|{"version": 2, "automatic": true}\nkey_rotated|success|{"version": 2, "automatic": true}}, 'that say so');
sql($node, "SELECT twin.grant_key('main', 'app', 'decrypt')");
restart_with($node, new_key());
fails_with($node, 'SELECT v::text FROM secret', 'TW101', 'wrong key', 'a server with another key', user => 'app');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'wrong_key'}), 'tells of it');
is(sql($node, q{SELECT severity, outcome, action, resource, effective_user_name, details FROM twin.audit_log WHERE event_type = 'wrong_key'}),
	'high|failure|unwrap|main|app|{}', 'with the name of the key and nothing else of it');
restart_with($node, $key);
sql($node, "UPDATE twin_internal.key_versions SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1) WHERE key_name = 'main'");
fails_with($node, 'SELECT v::text FROM secret', 'TW106', 'integrity', 'a wrapped key that was altered', user => 'app');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'keyring_tampered' AND severity = 'critical' AND resource = 'main'}),
	'is told as well');

# ---- shutdown: what is in the ring is written first ----

sql($node, "SELECT twin.record_event('last_words') FROM generate_series(1, 30)");
$node->stop('fast');
start_with($node, $key);
is(events_of('last_words'), '30', 'a fast shutdown waits until events are written');
sql($node, "SELECT twin.record_event('last_words')");
sql($node, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'twin_security event writer'");
sql($node, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'twin_security event launcher'");
sql($node, "SELECT twin.record_event('last_words')");
ok(settle(), 'writer and launcher that are terminated come back');
is(events_of('last_words'), '32', 'nothing lost');

# ---- kill -9: the server starts anew, and the ring with it ----

sql($node, "SELECT twin.record_event('before_kill')");
settle();
my $kept = events_of('before_kill');
comes_true($node, "SELECT 1 = (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'twin_security event writer')");
kill_backend($node, sql($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'twin_security event writer'"));
is(events_of('before_kill'), $kept, 'what was written stays');
sql($node, "SELECT twin.record_event('after_kill')");
ok(settle(), 'events are written again');
is(events_of('after_kill'), '1', 'after a writer was killed');
$node->stop;

# ---- without preloading ----

my $bare = new_node('bare', preload => 0, conf => "twin_security.event_ring_size = 64kB\n");
start_with($bare, $key);
my $notice = (TwinTest::run_sql($bare, 'CREATE EXTENSION twin_security'))[1];
unlike($notice, qr/ring/, 'a setting of the ring is no mistake there');
fails_with($bare, "SELECT twin.record_event('x')", '55000', 'needs twin_security to be preloaded', 'an application cannot record');
fails_with($bare, 'SELECT * FROM twin.stat_audit', '55000', 'needs twin_security to be preloaded', 'there are no counters');
sql($bare, "SELECT twin.create_key('k'); SELECT twin.grant_key('k', 'postgres', 'decrypt'); SELECT twin.destroy_key('k')");
is(sql($bare, 'SELECT count(*) FROM twin.audit_log'), '0', 'keys are made and destroyed, and the log is empty');
$bare->stop;

# ---- what nobody could write before a stop ----

start_with($node, $key);
sql($node, 'ALTER TABLE twin_internal.events RENAME COLUMN details TO elsewhere');
sql($node, "SELECT twin.record_event('kept', details => jsonb_build_object('n', i)) FROM generate_series(1, 20) i");
sleep 1;
$node->stop('fast');
my $keep = $node->data_dir . '/pg_stat/twin_security_events';
ok(-s $keep, 'a clean stop keeps what waits to be written');
is(sprintf('%o', (stat $keep)[2] & 07777), '600', '... for the server alone to read');
start_with($node, $key);
ok(!-e $keep, 'the next start takes it in');
is(sql($node, 'SELECT ring_fill > 0, emitted > 20 FROM twin.stat_audit'), 't|t', '... where it waits again');    # and who came in
sql($node, 'ALTER TABLE twin_internal.events RENAME COLUMN elsewhere TO details');
ok($node->poll_query_until('postgres', q{SELECT count(DISTINCT details) = 20 AND count(*) = 20 FROM twin.audit_log WHERE event_type = 'kept'}), 'and is written, each once');
sql($node, 'ALTER TABLE twin_internal.events RENAME COLUMN details TO elsewhere');
sql($node, "SELECT twin.record_event('damaged')");
sleep 1;
$node->stop('fast');
my $bytes = slurp_file($keep);
foreach my $damage (substr($bytes, 0, -1), "x$bytes", substr($bytes, 0, 40) . chr(ord(substr($bytes, 40, 1)) ^ 1) . substr($bytes, 41), '', 'tsecev01', "tsecev01\0\0\0\1\xff\xff\xff\xff....")
{
	open my $file, '>', $keep or die;
	binmode $file;
	print $file $damage;
	close $file;
	my $length = -s $node->logfile;
	start_with($node, $key);
	like(substr(slurp_file($node->logfile), $length), qr/is damaged/, 'a damaged file is named, and the server starts');
	# (this session and the server's start are all there is)
	is(sql($node, 'SELECT emitted FROM twin.stat_audit') . ' ' . (-e $keep ? 1 : 0), '2 0', '... without it');
	$node->stop('fast');
}
start_with($node, $key);
sql($node, 'ALTER TABLE twin_internal.events RENAME COLUMN elsewhere TO details');
settle();
$node->stop('fast');
ok(!-e $keep, 'nothing waits, nothing is kept');

done_testing();
