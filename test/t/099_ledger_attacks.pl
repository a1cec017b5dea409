# The audit log against who may do everything in SQL: ids that are set back, rows that go before they are sealed, locks that
# hold the sealer up, tables that put their rows beside the log's, a database that lets nobody in, workers that are all taken.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $key = new_key();
my $node = new_node('attacks', conf => "twin_security.event_ring_size = 64kB\nmax_worker_processes = 6\nmax_parallel_workers = 6\nmax_parallel_workers_per_gather = 4\n"
	  . "twin_security.checkpoint_interval = 1s\ntwin_security.heartbeat_interval = 1h\n");
start_with($node, $key);
sql($node, q{CREATE EXTENSION twin_security; CREATE ROLE low LOGIN; CREATE TABLE audited (id int PRIMARY KEY); CREATE TABLE closed (id int)});
sql($node, q{SELECT twin.audit_table('audited'); CREATE TABLE units (id bigserial PRIMARY KEY); SELECT twin.audit_table('units')});

sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub settle { return events_sealed($node) }
sub verified { return sql($node, q{SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log()}) }
my $forged = q{SELECT (jsonb_populate_record(e, jsonb_build_object(CHANGES))).* FROM twin_internal.events_overflow e WHERE e.event_type = 'template'};
sub forge { my ($changes) = @_; return $forged =~ s/CHANGES/$changes/r }
sql($node, q{SELECT twin.record_event('template')});
ok(settle(), 'all is sealed');
is(verified(), 't|', 'and whole');

# ---- nothing is put beside the log's tables, nor is it held up by LOCK ----

for my $command (
	'CREATE TABLE evil () INHERITS (twin_internal.events_overflow)',
	'CREATE TABLE evil PARTITION OF twin_internal.events_audit DEFAULT',
	'CREATE SCHEMA evil CREATE TABLE evil () INHERITS (twin_internal.events_overflow)',
	'ALTER TABLE closed INHERIT twin_internal.events_overflow',
	'ALTER TABLE twin_internal.events_audit ATTACH PARTITION closed DEFAULT',
	'CREATE INDEX ON twin_internal.events_overflow (pid)',
	'CREATE UNIQUE INDEX ON twin_internal.sealed (leaves)',
	'ALTER SEQUENCE twin_internal.event_id_seq RESTART 1000',
	'ALTER SEQUENCE twin_internal.event_id_seq INCREMENT BY 1',
	'ALTER TABLE twin_internal.event_id_seq RENAME TO gone',
	'ALTER EXTENSION twin_security DROP SEQUENCE twin_internal.event_id_seq',
	'LOCK twin_internal.ledger_state',
	'LOCK twin_internal.events IN SHARE MODE',
	'LOCK closed, twin_internal.tiles IN EXCLUSIVE MODE',
	'LOCK twin.audit_log',
	"DO 'BEGIN LOCK twin_internal.events_overflow; END'")
{
	fails_with($node, "BEGIN; $command", '42501', 'the audit log is not edited', "refused to everybody: $command");
}
sql($node, 'CREATE VIEW v AS SELECT size FROM twin_internal.ledger_state; CREATE VIEW w AS SELECT (SELECT max(size) FROM v) AS size');
fails_with($node, "BEGIN; LOCK $_", '42501', 'the audit log is not edited', "refused: LOCK through view $_") for qw(v w);
sql($node, 'BEGIN; LOCK closed; LOCK twin_internal.events, twin_internal.ledger_state IN ACCESS SHARE MODE; COMMIT');
sql($node, 'BEGIN; CREATE TABLE child () INHERITS (closed); CREATE INDEX ON closed (id); ROLLBACK');
pass('others are locked, inherited and indexed as ever, and pg_dump may look');
# who opened the log may; what is in such a child is not the log's
edit_log($node, 'CREATE TABLE child () INHERITS (twin_internal.events_overflow)');
sql($node, "INSERT INTO child " . forge(q{'event_id', 77001, 'event_type', 'login_success'}));
is(sql($node, 'SELECT count(*) FROM twin_internal.event_rows WHERE event_id = 77001'), '0', "rows of a child are none of the log's");
edit_log($node, 'DROP TABLE child');

# ---- nobody makes what reads and writes the log another ----

my $rows_of = sql($node, q{SELECT pg_get_viewdef('twin_internal.event_rows'::regclass)}) =~ s/;\s*\z//r;
my $hiding = "SELECT * FROM ($rows_of) z WHERE z.session_user_name IS DISTINCT FROM 'mal'";
my $nothing = q{() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'};
# which view a name is does not depend on what hides it
sql($node, 'CREATE SCHEMA beside; CREATE VIEW beside.event_rows AS SELECT 1 AS a');
for my $command (
	"CREATE OR REPLACE VIEW twin_internal.event_rows AS $hiding",
	"SET LOCAL search_path = twin_internal; CREATE OR REPLACE VIEW event_rows AS $hiding",
	"CREATE TEMP VIEW event_rows AS SELECT 1 AS a; SET LOCAL search_path = twin_internal; CREATE OR REPLACE VIEW event_rows AS $hiding",
	"DO \$\$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW twin.audit_log AS TABLE twin.audit_log'; END \$\$",
	'ALTER VIEW twin_internal.event_rows RENAME TO gone',
	'ALTER TABLE twin_internal.event_rows RENAME COLUMN pid TO gone',
	'ALTER VIEW twin_internal.event_records SET SCHEMA public',
	'ALTER VIEW twin.audit_log OWNER TO low',
	'ALTER VIEW twin.audit_log SET (security_barrier = true)',
	'CREATE RULE r AS ON INSERT TO twin_internal.event_rows DO INSTEAD NOTHING',
	q{CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO twin_internal.checkpoints_of_log DO INSTEAD TABLE twin_internal.checkpoints},
	'CREATE TRIGGER t INSTEAD OF INSERT ON twin_internal.event_rows FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
	"CREATE OR REPLACE FUNCTION twin_internal.guard_log_tables$nothing",
	"CREATE OR REPLACE FUNCTION twin_internal.guard_log_drop$nothing",
	"SET LOCAL search_path = twin_internal; CREATE OR REPLACE FUNCTION guard_log_tables$nothing",
	q{CREATE OR REPLACE FUNCTION twin_internal.unsealed_since() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'},
	q{CREATE FUNCTION twin.verify_audit_log() RETURNS boolean LANGUAGE sql AS 'SELECT true'},
	'ALTER FUNCTION twin.verify_audit_log RENAME TO gone',
	'ALTER FUNCTION twin.verify_audit_log SET SCHEMA public',
	'ALTER ROUTINE twin_internal.guard_log() OWNER TO low',
	'ALTER FUNCTION twin_internal.open_log() SECURITY DEFINER',
	'ALTER SCHEMA twin_internal RENAME TO gone',
	'ALTER SCHEMA twin OWNER TO low')
{
	fails_with($node, "BEGIN; $command", '42501', 'the audit log is not edited', "refused to everybody: $command");
	# what a dump sets lets its rows in, and alters nothing of the extension
	fails_with($node, "BEGIN; SET LOCAL check_function_bodies = off; SET LOCAL row_security = off; $command", '42501', 'the audit log is not edited', '... in a restore, too');
}
fails_with($node, "BEGIN; SELECT twin_internal.open_log(); COMMIT; CREATE OR REPLACE VIEW twin_internal.event_rows AS $hiding", '42501', 'the audit log is not edited', 'an open log is closed with its transaction');
edit_log($node, 'CREATE OR REPLACE VIEW twin_internal.event_rows AS TABLE twin_internal.event_rows; ROLLBACK');
sql($node, q{BEGIN; GRANT SELECT ON twin.audit_log TO low; REVOKE SELECT ON twin.audit_log FROM low; COMMENT ON VIEW twin.audit_log IS 'x'; SET LOCAL search_path = beside, twin_internal;
	CREATE OR REPLACE VIEW event_rows AS SELECT 2 AS a; CREATE VIEW beside.v AS SELECT 1 AS a; ALTER VIEW beside.v RENAME TO w; CREATE FUNCTION beside.guard_log() RETURNS int LANGUAGE sql AS 'SELECT 1';
	ALTER FUNCTION beside.guard_log() RENAME TO guard_other; ALTER SCHEMA beside RENAME TO elsewhere; ROLLBACK; DROP SCHEMA beside CASCADE});
pass('what is somebody else\'s is replaced and altered as ever; GRANT and COMMENT stay');

# ---- ids grow, whatever becomes of the sequence ----

sub newest { return sql($node, 'SELECT max(record_id) FROM twin_internal.sealed') }
for my $to ('1000, false', '1001', '9223372036854775000', '-4503599627370000')
{
	ok(settle(), "before setval($to)");
	my $before = newest();
	sql($node, "SELECT setval('twin_internal.event_id_seq', $to)");
	my $id = sql($node, q{SELECT twin.record_event('after_setval')});
	sql($node, q{INSERT INTO audited SELECT coalesce(max(id), 0) + 1 FROM audited});
	ok(settle(), "setval($to): what follows is sealed");
	cmp_ok($id, '>', $before, '... under greater ids');
	cmp_ok($id, '<', $before + 1_000_000, '... not far away');
	is(sql($node, "SELECT count(*) FROM twin_internal.sealed s JOIN twin_internal.event_rows e ON e.event_id = s.record_id WHERE e.event_id = $id"), '1', '... which others have not');
	is(verified(), 't|', '... and the log is whole');
}
is(sql($node, q{SELECT count(*) BETWEEN 4 AND 8 FROM twin.audit_log WHERE event_type = 'integrity_failure' AND action = 'sequence' AND severity = 'critical'}), 't', 'each time there is an alarm, and no storm of them');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'integrity_failure' AND action IS NULL}), '0', 'none says that ids were used twice');
# after a start the greatest id is taken from the tree
my $before = newest();
sql($node, "SELECT setval('twin_internal.event_id_seq', 1000)");
restart_with($node, $key);
cmp_ok(sql($node, q{SELECT twin.record_event('after_restart')}), '>', $before, 'a sequence that was set back before is found out, too');
ok(settle(), 'all is sealed');
# many at once
my $load = PostgreSQL::Test::Utils::tempdir() . '/ids.sql';
append_to_file($load, "INSERT INTO units DEFAULT VALUES;\n");
$node->command_ok([ 'pgbench', '-n', '-c', '6', '-t', '40', '-f', $load, '-h', $node->host, '-p', $node->port, 'postgres' ], 'ids taken at once');
ok(settle(), '... are sealed');
is(sql($node, q{SELECT count(*) = count(DISTINCT event_id) FROM twin_internal.event_rows}), 't', '... each once');

# ---- what is changed, removed or added before it is sealed ----

my $heartbeats = q{SELECT count(*) FROM twin.audit_log a JOIN twin_internal.sealed s ON s.record_id = a.event_id WHERE a.event_type = 'heartbeat' AND a.details ->> 'altered' = 'yes'};
is(sql($node, $heartbeats), '0', 'so far every event was sealed as it was written, across a restart');
is(verified(), 't|', 'and verification says so');
my $told = 0;
for my $deed (
	[ 'removed', q{DELETE FROM twin_internal.events_overflow e WHERE e.event_type IN ('removed', 'audit_log_opened') AND NOT EXISTS (SELECT FROM twin_internal.sealed s WHERE s.record_id = e.event_id)} ],
	[ 'changed', q{UPDATE twin_internal.events_overflow SET resource = 'elsewhere' WHERE event_type = 'changed'} ],
	[ 'hidden', q{UPDATE twin_internal.events_overflow SET event_type = 'create', xid = writer_xid WHERE event_type = 'hidden'} ])
{
	my ($type, $edit) = @$deed;
	my $holder = $node->background_psql('postgres');
	# a row that is locked holds the sealer up, as a superuser may do it
	$holder->query_safe('BEGIN; SELECT size FROM twin_internal.ledger_state FOR UPDATE');
	my $id = sql($node, "SELECT twin.record_event('$type')");
	poll("SELECT count(*) = 1 FROM twin_internal.event_rows WHERE event_id = $id");
	is(sql($node, "SELECT count(*) FROM twin_internal.sealed WHERE record_id = $id"), '0', "$type: written and not sealed");
	edit_log($node, $edit);
	my $edited = sql($node, 'SELECT clock_timestamp()');
	if ($type eq 'removed')
	{
		events_written($node);
		edit_log($node, $edit);
		ok(poll(q{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'audit_sealing_delayed' AND severity = 'critical'}), 'that nothing is sealed for ten seconds is an event');
		is(sql($node, q{SELECT seal_lag > '5 seconds' FROM twin.stat_audit}), 't', 'and a lag');
	}
	# who began to seal before that has given up
	poll("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'twin_security event writer' AND xact_start < '$edited'");
	$holder->query_safe('COMMIT');
	$holder->quit;
	$told++;
	ok(poll("SELECT ($heartbeats) = $told"), "$type: a heartbeat says so in the tree, at once");
	ok(poll("SELECT count(*) = $told FROM twin.audit_log WHERE event_type = 'integrity_failure' AND action = 'seal' AND severity = 'critical'"), '... and an alarm');
	is(verified(), 'f|events before this heartbeat were changed, removed or added before they were sealed', '... and verification');
}
ok(settle(), 'sealing goes on');
sleep 1.5;
is(sql($node, $heartbeats), $told, 'each is told once');
edit_log($node, "INSERT INTO twin_internal.events_overflow " . forge(q{'event_id', (SELECT last_value FROM twin_internal.event_id_seq) - 777, 'event_type', 'login_success', 'writer_xid', pg_current_xact_id()::text}));
sql($node, q{SELECT twin.record_event('x')});
ok(poll("SELECT ($heartbeats) = 1 + $told"), 'what somebody adds as if it had happened shows as well');

# ---- a row of the future ----

my $clean = new_node('future', conf => "twin_security.heartbeat_interval = 1h\n");
start_with($clean, $key);
sql($clean, q{CREATE EXTENSION twin_security; CREATE TABLE audited (id int); SELECT twin.audit_table('audited'); SELECT twin.record_event('template')});
ok(events_sealed($clean), 'another log');
is(sql($clean, q{BEGIN; INSERT INTO audited VALUES (1); SELECT ok FROM twin.verify_audit_log(); COMMIT}), 't', "a transaction's own rows are no fault");
edit_log($clean, "INSERT INTO twin_internal.events_overflow " . forge(q{'event_id', 5000777, 'writer_xid', '9000000000000'}));
is(sql($clean, 'SELECT ok, first_bad, reason FROM twin.verify_audit_log()'), 'f|5000777|the event was never sealed: somebody put it there', 'a row of a transaction that has not begun is found');
edit_log($clean, 'DELETE FROM twin_internal.events_overflow WHERE event_id = 5000777');
is(sql($clean, 'SELECT ok FROM twin.verify_audit_log()'), 't', 'and was all');

edit_log($clean, "INSERT INTO twin_internal.events_overflow " . forge(q{'event_id', 5000777, 'writer_xid', '9000000000000'}));
sleep 2;
is(sql($clean, q{SELECT seal_lag < '1 second' FROM twin.stat_audit}), 't', 'nor does it make a lag that grows for ever');
edit_log($clean, 'DELETE FROM twin_internal.events_overflow WHERE event_id = 5000777');

# ---- the tree's own tables ----

ok($clean->poll_query_until('postgres', 'SELECT count(*) > 0 FROM twin_internal.checkpoints'), 'a checkpoint');
my $begin = sql($clean, q{SELECT event_id FROM twin.audit_log WHERE event_type = 'audit_epoch'});
my $another = 'the epoch that this event begins is not the one it tells of';
for my $deed (
	[ 'DELETE FROM twin_internal.ledger_state', '|the sealer\'s state is gone, and there was a tree' ],
	[ 'DELETE FROM twin_internal.ledger_state; DELETE FROM twin_internal.checkpoints; DELETE FROM twin_internal.epochs', '|the sealer\'s state is gone, and there was a tree' ],
	(map { [ "DELETE FROM twin_internal.ledger_state; DELETE FROM twin_internal.checkpoints; DELETE FROM twin_internal.epochs; DELETE FROM twin_internal.sealed; DELETE FROM twin_internal.$_", '|the sealer\'s state is gone, and there was a tree' ] } qw(tiles events_overflow)),
	[ q{UPDATE twin_internal.epochs SET reason = 'restored'}, "$begin|$another" ],
	[ q{UPDATE twin_internal.epochs SET first_leaf = 1}, "$begin|$another" ],
	[ q{UPDATE twin_internal.epochs SET began_at = began_at - interval '1 microsecond'}, "$begin|$another" ],
	[ q{INSERT INTO twin_internal.epochs SELECT 7, origin, public_key, 2, reason, began_at FROM twin_internal.epochs}, '|an epoch is not one that the tree tells of' ],
	[ q{UPDATE twin_internal.ledger_state SET epoch = 7}, '|the sealer\'s state is not of the newest epoch' ],
	[ q{UPDATE twin_internal.checkpoints SET root = sha256(root)}, '|a checkpoint\'s row is not what it signed' ],
	[ q{UPDATE twin_internal.checkpoints SET size = size + 1 WHERE size = (SELECT max(size) FROM twin_internal.checkpoints)}, '|a checkpoint\'s row is not what it signed' ])
{
	my ($edit, $expected) = @$deed;
	is(sql($clean, "BEGIN; DO 'BEGIN PERFORM twin_internal.open_log(); END'; $edit; SELECT first_bad, reason FROM twin.verify_audit_log() WHERE NOT ok; ROLLBACK"), $expected, "found: $edit");
}
is(sql($clean, 'SELECT ok FROM twin.verify_audit_log()'), 't', 'and without them it is whole');

# ---- a database that lets nobody in ----

sql($clean, 'CREATE DATABASE shut');
sql($clean, 'CREATE EXTENSION twin_security; CREATE TABLE t ()', db => 'shut');
ok(events_sealed($clean, db => 'shut'), 'a third');
my $inside = $clean->background_psql('shut');
sql($clean, 'ALTER DATABASE shut ALLOW_CONNECTIONS false');
my $writer = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'twin_security event writer' AND datname = 'shut'};
ok($clean->poll_query_until('postgres', "SELECT ($writer) = 0"), 'its writer has gone');
my $size = $inside->query_safe('SELECT sealed FROM twin.stat_audit');
$inside->query_safe(q{SELECT twin.record_event('inside')});
my $is_sealed;
for (1 .. 600) { $is_sealed = $inside->query_safe("SELECT sealed > $size AND ring_fill = 0 FROM twin.stat_audit"); last if $is_sealed eq 't'; sleep 0.1 }
is($is_sealed, 't', 'where nobody may connect, the writer does');
$inside->quit;

# ---- autovacuum sees what a writer does that never rests ----

append_to_file($load . 2, "INSERT INTO audited VALUES (1);\n");
my ($out, $err) = ('', '');
my $busy = IPC::Run::start([ 'pgbench', '-n', '-c', '1', '-T', '300', '-R', '50', '-f', $load . 2, '-h', $clean->host, '-p', $clean->port, 'postgres' ], '>', \$out, '2>', \$err);
my $same = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'twin_security event writer' AND datname = 'postgres'};
# where all stands still for a second it may end, and another comes
my ($first, $then) = ('', 'nobody');
foreach (1 .. 30)
{
	comes_true($clean, "SELECT EXISTS ($same)");
	$first = sql($clean, $same);
	my $rows = sql($clean, q{SELECT n_tup_ins FROM pg_stat_all_tables WHERE relname = 'sealed'});
	comes_true($clean, "SELECT n_tup_ins > $rows + 100 FROM pg_stat_all_tables WHERE relname = 'sealed'") or last;
	$then = sql($clean, $same);
	last if $first ne '' && $then eq $first;
}
is($then, $first, 'the statistics know what was sealed while the writer is still the same');
$busy->kill_kill;
$clean->stop;

# ---- all workers are taken ----

ok(settle(), 'nothing waits');
my $until_no_writer = q{DO $$ BEGIN FOR i IN 1..900 LOOP PERFORM pg_stat_clear_snapshot();
	EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'twin_security event writer'); PERFORM pg_sleep(0.1); END LOOP; END $$};
sql($node, 'GRANT pg_read_all_stats TO low');
my $watcher = $node->background_psql('postgres');
my @takers = map { $node->background_psql('postgres', extra_params => [ '-U', 'low' ]) } 1 .. 4;
$_->query_safe('SET ' . parallel_mode($node) . ' = on') for @takers;
# who sleeps in a parallel worker keeps it
for my $taker (@takers)
{
	begin_query($taker, "$until_no_writer;\nSELECT pg_sleep(600);");
}
$watcher->query_safe(q{DO $$ BEGIN FOR i IN 1..900 LOOP PERFORM pg_stat_clear_snapshot();
	EXIT WHEN 3 <= (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'); PERFORM pg_sleep(0.1); END LOOP; END $$});
my $began = time;
fails_with($node, 'SELECT * FROM closed', '42501', '', 'a refusal', user => 'low');
ok(poll(q{SELECT count(*) > 0 FROM twin.audit_log a JOIN twin_internal.sealed s ON s.record_id = a.event_id WHERE a.event_type = 'permission_denied' AND a.resource LIKE '%closed%'}),
	'an event is written and sealed although all workers are taken');
is_soon($began, '... soon');
is($watcher->query_safe(q{SELECT count(*) >= 3 FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), 't', '... by the one in reserve: the others are still taken');
$watcher->quit;
$_->{run}->kill_kill for @takers;
$node->stop;
done_testing();
