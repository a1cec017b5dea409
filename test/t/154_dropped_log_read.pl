# Those who read the log after retention dropped a part of it: exports, SIEM, leaves, rules and verification go on, with what is there; and a legal
# hold that is placed while a run is at its worst moment keeps what it names.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $archives = PostgreSQL::Test::Utils::tempdir();
my $exports = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('readers', conf => "max_worker_processes = 16\ntwin_security.retention_interval = 0\ntwin_security.checkpoint_interval = 1\n"
		. "twin_security.archive_directory = '$archives'\ntwin_security.export_directory = '$exports'\n");
my %clock = clock_of($node);
set_clock($node, -400 * 86400);
start_with($node, new_key(), undef, %clock);
sql($node, q{CREATE EXTENSION twin_security; CREATE TABLE things (id int PRIMARY KEY, v text); SELECT twin.audit_table('things')});

sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub sealed
{
	my ($what) = @_;
	my $event = sql($node, "SELECT twin.record_event('$what')");
	return poll("SELECT count(*) = 1 FROM twin_internal.sealed WHERE record_id = $event")
		&& comes_true($node, "SELECT split_part(twin.audit_checkpoint(), E'\\n', 2)::bigint = size FROM twin_internal.ledger_state");
}

# ---- five months ----

foreach my $month (0 .. 4)
{
	set_clock($node, (32 * $month - 400) * 86400);
	sql($node, qq{INSERT INTO things SELECT 1000 * $month + n, md5(n::text) FROM generate_series(1, 100) n; UPDATE things SET v = 'changed' WHERE id % 10 = 0});
	ok(sealed("month_$month"), "month $month is sealed");
	# rows wait in the overflow until their month is made
	poll(q{SELECT count(*) = 0 FROM ONLY twin_internal.events_overflow}) or die 'the overflow is not emptied' if $month;
}
set_clock($node, 0);
ok(sealed('today'), 'today is sealed');

# All events as a reader of SIEM gets them, in pages.
my $siem = q{WITH RECURSIVE pages AS (
		SELECT 0::bigint AS after, ARRAY(SELECT (s.event_id, md5(s.event))::text FROM twin.siem_events('native', 0, 500) s) AS got,
			(SELECT max(s.event_id) FROM twin.siem_events('native', 0, 500) s) AS last
		UNION ALL
		SELECT p.last, ARRAY(SELECT (s.event_id, md5(s.event))::text FROM twin.siem_events('native', p.last, 500) s),
			(SELECT max(s.event_id) FROM twin.siem_events('native', p.last, 500) s) FROM pages p WHERE p.last IS NOT NULL)
	SELECT unnest(got) FROM pages};
# (of one moment: each session that comes makes more of both)
sql($node, "BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TABLE siem_before AS $siem;
	CREATE TABLE leaves_before AS SELECT leaf_index, event_id, leaf FROM twin.audit_leaves(0, (SELECT size - 1 FROM twin_internal.ledger_state)); COMMIT");
cmp_ok(sql($node, 'SELECT count(*) FROM siem_before'), '>', 500, 'SIEM has the months');
sql($node, q{SELECT twin.set_retention_policy('audit_logs', keep => '200 days'), twin.set_retention_policy('access_logs', keep => '200 days'), twin.set_retention_policy('error_logs', keep => '200 days')});

# ---- a hold at the worst moments: when the archive is verified, and when the partition is detached ----

my $victim = sql($node, q{SELECT c.oid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = 'twin_internal.events_audit'::regclass ORDER BY c.relname OFFSET 1 LIMIT 1});
foreach my $state (qw(verified detached))
{
	my ($out, $err) = ('', '');
	sql($node, qq{CREATE FUNCTION public.wait_there() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(7); RETURN NEW; END';
		CREATE TRIGGER wait_there BEFORE UPDATE ON twin_internal.retention_items FOR EACH ROW
			WHEN (NEW.state = '$state' AND OLD.state <> '$state' AND NEW.partition_name = '$victim') EXECUTE FUNCTION public.wait_there()});
	my $keeper = $node->background_psql('postgres');
	$keeper->query_safe('SELECT pg_advisory_lock(7)');
	my $call = IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
	ok(poll(q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted}), "$state: the run waits") or diag($err);
	my $hold = sql($node, q{SELECT twin.place_legal_hold('case ' || clock_timestamp(), 'audit_logs')});
	$keeper->query_safe('SELECT pg_advisory_unlock(7)');
	$keeper->quit;
	$call->finish;
	is(sql($node, "SELECT state, held_by FROM twin.retention_plan WHERE partition_name = '$victim'"), "held|{$hold}", "$state: the hold wins");
	is(sql($node, "SELECT relispartition FROM pg_class WHERE oid = '$victim'::regclass"), 't', "$state: it is a partition");
	is(sql($node, 'SELECT ok, reason FROM twin.verify_audit_log()'), 't|', "$state: the log holds");
	sql($node, "SELECT twin.release_legal_hold($hold, 'over'); DROP TRIGGER wait_there ON twin_internal.retention_items; DROP FUNCTION public.wait_there()");
}

# ---- dropped ----

sql($node, 'CALL twin.apply_retention()');
is(sql($node, q{SELECT count(*) FROM twin.retention_plan WHERE state NOT IN ('dropped', 'held')}), 0, 'all that is over its time is dropped');
cmp_ok(sql($node, 'SELECT count(*) FROM twin_internal.retired_leaves'), '>=', 3, 'months of the log');
ok(sealed('after'), 'the log goes on');
is(sql($node, 'SELECT ok, reason FROM twin.verify_audit_log()'), 't|', 'and holds');

is(sql($node, qq{SELECT count(*) FROM ($siem) s (line) WHERE line NOT IN (SELECT unnest FROM siem_before)
	AND split_part(btrim(line, '()'), ',', 1)::bigint <= (SELECT max(event_id) FROM leaves_before)}), 0, 'SIEM gets nothing that it did not have');
my $left = sql($node, qq{SELECT count(*) FROM ($siem) s (line) JOIN siem_before b ON b.unnest = s.line});
is($left, sql($node, q{SELECT count(*) FROM twin.audit_leaves(0, (SELECT max(leaf_index) FROM leaves_before)) l WHERE l.leaf IS NOT NULL}), 'and all that is there, as it was, past what is not');
is(sql($node, q{SELECT count(*) FROM leaves_before b JOIN twin.audit_leaves(0, (SELECT max(leaf_index) FROM leaves_before)) l USING (leaf_index)
	WHERE l.event_id = b.event_id AND (l.leaf = b.leaf OR l.leaf IS NULL)}), sql($node, 'SELECT count(*) FROM leaves_before'), 'leaves are where they were, with their bytes or without');
is(sql($node, q{SELECT count(*) FROM leaves_before b WHERE b.leaf NOT IN (SELECT l.leaf FROM twin.audit_leaves(0, (SELECT max(leaf_index) FROM leaves_before)) l WHERE l.leaf IS NOT NULL)
	AND b.event_id NOT IN (SELECT (e ->> 'event_id')::bigint FROM twin.archives() a, twin.read_archive(a.file) e)}), 0, 'what is not in the log is in an archive');
is(sql($node, q{SELECT count(*) FROM twin.archives() a, twin.verify_archive(a.file) v WHERE NOT v.ok OR v.rows <> a.rows}), 0, 'archives verify');

sql($node, q{SELECT twin.export_audit_log('after')});
my ($report, $bad) = run_command([ 'twin_verify', "$exports/after" ]);
unlike($report . $bad, qr/TAMPERED|UNREADABLE/, 'an export holds');
like($report, qr/^retired: \d+ leaves of partition/m, 'and says what was dropped');

sql($node, q{INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('still_there', '{still_there}'); SELECT twin.record_event('still_there')});
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE rule_name = 'still_there'}), 'rules see what comes');
# a clock that jumps makes events wait for months to be sealed, which is told and is not meant here
is(sql($node, q{SELECT count(*) FROM twin.alerts a JOIN twin.audit_log l ON l.event_id = ANY (a.event_ids) WHERE a.rule_name = 'audit_silenced' AND l.event_type <> 'audit_sealing_delayed'}), 0, 'and nothing of all this alarmed anybody');

$node->stop;
done_testing();
