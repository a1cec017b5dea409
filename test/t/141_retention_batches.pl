# Rows that go in batches, partitions beside a default one, keys that archives need, the schedule, dumps: what others do meanwhile, what is restored,
# what is overdue.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $archives = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('batches', conf => "max_worker_processes = 16\nfsync = off\ntwin_security.archive_directory = '$archives'\ntwin_security.retention_interval = 0\n");
my $key = new_key();
start_with($node, $key);
sql($node, 'CREATE EXTENSION twin_security');

sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub apply
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', 'CALL twin.apply_retention()', stdout => \$out, stderr => \$err);
	return $err;
}
my $worker = q{backend_type = 'twin_security retention'};

# ---- batches ----

sql($node, q{CREATE ROLE owner; CREATE SCHEMA theirs AUTHORIZATION owner; CREATE TABLE theirs.told (who text, by text);
	CREATE TABLE theirs.readings (at timestamptz, id serial PRIMARY KEY, v int);
	ALTER TABLE theirs.readings OWNER TO owner; ALTER TABLE theirs.told OWNER TO owner;
	CREATE TABLE theirs.notes (reading int REFERENCES theirs.readings ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED); ALTER TABLE theirs.notes OWNER TO owner;
	ALTER TABLE theirs.readings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	INSERT INTO theirs.readings (at, v) SELECT '2020-01-01 00:00+00'::timestamptz + n * interval '1 minute', n FROM generate_series(1, 25000) n;
	INSERT INTO theirs.readings (at, v) VALUES (now(), 0), (NULL, 0), ('-infinity', 0); INSERT INTO theirs.notes VALUES (1), (25000)});
sql($node, q{CREATE FUNCTION theirs.tell() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO theirs.told VALUES (current_user, OLD.v); RETURN NULL; END$$;
	ALTER FUNCTION theirs.tell() OWNER TO owner; CREATE TRIGGER tell AFTER DELETE ON theirs.readings FOR EACH ROW WHEN (OLD.v % 5000 = 0) EXECUTE FUNCTION theirs.tell()});
sql($node, q{SELECT twin.add_retention_policy('readings', '1 year', 'theirs.readings', 'at', archive => false)});
my $said = apply();
is(() = $said =~ /rows of theirs\.readings are deleted/g, 3, 'rows go in batches') or diag($said);
unlike($said, qr/WARNING|ERROR/, '... in spite of forced row security and deferred triggers');
is(sql($node, 'SELECT count(*) FROM theirs.readings'), 3, '... and what has no time stays');
is(sql($node, 'SELECT count(*) FROM theirs.notes'), 0, '... what refers to them goes with them');
is(sql($node, 'SELECT DISTINCT who FROM theirs.told'), 'owner', '... triggers are the owner\'s');
is(sql($node, q{SELECT rows, state FROM twin.retention_plan WHERE policy_name = 'readings'}), '25000|dropped', '... which the plan shows');
is(sql($node, q{SELECT items, rows, failures FROM twin.retention_runs ORDER BY run_id DESC LIMIT 1}), '3|25000|0', '... and the run');
ok(events_written($node), 'events are written');
is(sql($node, q{SELECT sum((details ->> 'rows')::int) FROM twin.audit_log WHERE event_type = 'rows_expired'}), 25000, '... and the log');

# what is done is done, whatever comes after it
sql($node, q{INSERT INTO theirs.readings (at, v) SELECT '2020-01-01 00:00+00'::timestamptz + n * interval '1 minute', n FROM generate_series(1, 15000) n;
	CREATE FUNCTION theirs.fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not this one'; END$$;
	CREATE TRIGGER fail BEFORE DELETE ON theirs.readings FOR EACH ROW WHEN (OLD.v = 12345) EXECUTE FUNCTION theirs.fail()});
like(apply(), qr/NOTICE.*10000 rows of theirs\.readings are deleted.*WARNING.*not this one/s, 'a batch that fails');
is(sql($node, 'SELECT count(*) FROM theirs.readings WHERE v > 0'), 5000, '... keeps its rows, and the one before is gone for good');
sql($node, 'DROP TRIGGER fail ON theirs.readings');
unlike(apply(), qr/WARNING|ERROR/, '... the next run goes on there');
is(sql($node, 'SELECT count(*) FROM theirs.readings WHERE v > 0'), 0, '... to the end');

# a trigger that would become somebody else
sql($node, q{CREATE FUNCTION theirs.rise() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET ROLE twin_admin; RETURN OLD; END$$;
	CREATE TRIGGER rise BEFORE DELETE ON theirs.readings FOR EACH ROW EXECUTE FUNCTION theirs.rise(); INSERT INTO theirs.readings (at, v) VALUES ('2020-01-01', 1)});
like(apply(), qr/WARNING.*cannot set parameter "role"/, 'a trigger becomes nobody else');
sql($node, q{DROP TRIGGER rise ON theirs.readings});

# archived, one that comes to a time that was archived, and one that a trigger keeps
sql($node, q{SELECT twin.set_retention_policy('readings', archive => true)});
unlike(apply(), qr/WARNING|ERROR/, 'archived');
sql($node, q{INSERT INTO theirs.readings (at, v) VALUES ('2020-01-01', 2)});
unlike(apply(), qr/WARNING|ERROR/, '... and once more at the same time');
is(sql($node, q{SELECT count(*), count(DISTINCT archive_file), sum(rows) FROM twin.retention_plan WHERE policy_name = 'readings' AND archive_file IS NOT NULL}), '2|2|2', '... in a file of its own');
sql($node, q{CREATE FUNCTION theirs.keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
	CREATE TRIGGER keep BEFORE DELETE ON theirs.readings FOR EACH ROW EXECUTE FUNCTION theirs.keep(); INSERT INTO theirs.readings (at, v) VALUES ('2020-01-01', 3)});
like(apply(), qr/WARNING.*0 rows were deleted of 1/, 'what a trigger keeps is not taken for gone');
sql($node, q{DROP TRIGGER keep ON theirs.readings});
unlike(apply(), qr/WARNING|ERROR/, '... and goes without it');

# somebody changes a row that is being deleted: it is tried again
{
	sql($node, q{INSERT INTO theirs.readings (at, v) VALUES ('2020-01-02', 4)});
	my $writer = $node->background_psql('postgres');
	$writer->query_safe(q{BEGIN; UPDATE theirs.readings SET v = 5, at = now() WHERE v = 4});
	my ($out, $err) = ('', '');
	my $call = IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
	poll("SELECT count(*) = 1 FROM pg_stat_activity WHERE $worker AND wait_event_type = 'Lock'") or fail('it waits');
	$writer->query_safe('COMMIT');
	$writer->quit;
	$call->finish;
	unlike($err, qr/WARNING|ERROR/, 'a row that changes meanwhile stays');
	is(sql($node, 'SELECT count(*) FROM theirs.readings WHERE v = 5'), 1, '... as it is now');
}

# ---- beside a default partition ----

sql($node, q{CREATE TABLE parts (at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE parts_2020 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
	CREATE TABLE parts_rest PARTITION OF parts DEFAULT; INSERT INTO parts VALUES ('2020-01-05'), ('2019-01-01');
	SELECT twin.add_retention_policy('parts', '1 month', 'parts', 'at')});
{
	my $writer = $node->background_psql('postgres');
	$writer->query_safe(q{BEGIN; INSERT INTO parts VALUES ('2018-01-01')});
	my ($out, $err) = ('', '');
	my $call = IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
	poll("SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'parts'::regclass") or fail('it waits');
	my $began = time;
	sql($node, q{INSERT INTO parts VALUES ('2018-01-02')});
	is_soon($began, 'who writes waits for a moment only');
	$writer->query_safe('COMMIT');
	$writer->quit;
	$call->finish;
	unlike($err, qr/WARNING|ERROR/, '... and the partition goes when it can');
}
is(sql($node, q{SELECT to_regclass('parts_2020') IS NULL, (SELECT count(*) FROM parts)}), 't|3', '... alone');
unlike(apply(), qr/WARNING|ERROR/, 'when nobody is in the way');
is(sql($node, q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'parts'::regclass}), 1, '... a table whose only partition is the default one gets no other');

# ---- keys that archives need: that of the file, and those of values in it ----

sql($node, q{SELECT twin.create_key(k) FROM unnest('{archive,letters}'::text[]) k; SELECT twin.grant_key('letters', current_user::regrole, 'encrypt');
	CREATE TABLE letters (at timestamptz, body twin.encrypted_text(letters), copies twin.encrypted_text(letters)[]); INSERT INTO letters VALUES ('2020-01-01', 'x', NULL);
	ALTER SYSTEM SET twin_security.archive_key = 'archive';
	SELECT pg_reload_conf(), twin.add_retention_policy('letters', '1 year', 'letters', 'at')});
poll(q{SELECT current_setting('twin_security.archive_key') = 'archive'});
unlike(apply(), qr/WARNING|ERROR/, 'values of an encrypted column, in an encrypted archive');
sql($node, q{SELECT twin.rotate_key(k) FROM unnest('{archive,letters,archive,letters}'::text[]) k});
sql($node, q{INSERT INTO letters VALUES ('2020-01-02', NULL, '{y}')});
unlike(apply(), qr/WARNING|ERROR/, '... and in an array, after a rotation');
is(sql($node, q{SELECT k.key_name, k.version, f.is_whole, count(*) FROM twin_internal.key_files f JOIN twin.keys k USING (key_id) GROUP BY 1, 2, 3 ORDER BY 1, 2}),
	"archive|1|t|1\narchive|2|t|1\nletters|1|f|1\nletters|2|f|1", 'it is noted which versions each needs');
my ($letters) = sql($node, q{SELECT min(archive_file) FROM twin.retention_plan WHERE policy_name = 'letters'});
foreach my $key (qw(archive letters))
{
	fails_with($node, "SELECT twin.$_", '2BP01', "is needed by archives: 1.*\Q$letters\E", "$_: refused, and it says for which") foreach "retire_key('$key', 1)", "destroy_key('$key', 1)";
	fails_with($node, "SELECT twin.destroy_key('$key')", '2BP01', 'is needed by archives: 2', "destroy_key('$key'): refused for all of its versions");
}
is(sql($node, q{SELECT string_agg(state, ' ' ORDER BY key_name, version) FROM twin.keys WHERE key_name IN ('archive', 'letters')}), 'decrypt-only primary decrypt-only primary', '... and they are what they were');
sql($node, q{UPDATE twin_internal.key_versions SET created_at = now() - interval '3 years' WHERE key_name IN ('archive', 'letters')});
is(sql($node, q{SELECT twin_internal.findings_of('KEY-8')}), '[]', 'nobody is asked to retire what archives need');

# who archives, and who destroys meanwhile
my $version = q{(SELECT key_id FROM twin.keys WHERE key_name = 'archive' AND version = 2)};
my $archiver = $node->background_psql('postgres', on_error_stop => 0);
$archiver->query_safe("BEGIN; SELECT twin_internal.note_key_file('being.written.tsarc', $version, '{}')");
fails_with($node, q{SET lock_timeout = '200ms'; SELECT twin.destroy_key('archive', with_archives => true)}, '55P03', '', 'whoever destroys a key waits for an archive that is about to need it');
$archiver->query_safe('ROLLBACK');

# a legal hold on what is archived
my $hold = sql($node, q{SET client_min_messages = error; SELECT twin.place_legal_hold('letters', 'letters')});
fails_with($node, q{SELECT twin.destroy_key('archive', 1, with_archives => true)}, '55006', "is kept by legal holds $hold", 'what holds an archive keeps its key');
sql($node, "SELECT twin.release_legal_hold($hold, 'settled')");
my $held = sql($node, q{SET client_min_messages = error; SELECT twin.place_legal_hold('others', 'letters', now())});
$archiver->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql($node, qq{SELECT twin.destroy_key('archive', 1, with_archives => true), twin.destroy_key('letters', 1, with_archives => true)});
session_fails($archiver, q{SELECT twin_internal.note_key_file('too.late.tsarc', (SELECT key_id FROM twin.keys WHERE key_name = 'archive' AND version = 1), '{}');}, '40001', 'who comes too late with an old snapshot begins anew');
$archiver->quit;
fails_with($node, qq{SELECT twin_internal.note_key_file('too.late.tsarc', key_id, '{}') FROM twin.keys WHERE key_name = 'archive' AND version = 1}, '55000', 'the key of archive "too.late.tsarc" is gone', '... and is told');
is(sql($node, "SELECT ok, reason FROM twin.verify_archive('$letters')"), q{f|the archive's key has been destroyed}, 'whoever says that archives may go destroys them');
is(sql($node, 'SELECT count(*) FROM twin_internal.key_files'), '2', '... which is noted no more');
ok(events_written($node), 'events are written');
is(sql($node, q{SELECT string_agg(resource || ' ' || (details ->> 'archives'), ', ' ORDER BY resource) FROM twin.audit_log WHERE event_type = 'key_destroyed'}), 'archive 1, letters 1', '... and told');
sql($node, "SELECT twin.release_legal_hold($held, 'settled')");
# ---- what foreign keys refer to, which is locked when a partition is detached and when it is dropped ----

sql($node, q{CREATE TABLE sensors (id int PRIMARY KEY, seen int); INSERT INTO sensors VALUES (1, 0);
	CREATE TABLE sensed (at date NOT NULL, sensor int REFERENCES sensors) PARTITION BY RANGE (at);
	CREATE TABLE sensed_2020 PARTITION OF sensed FOR VALUES FROM ('2020-01-01') TO ('2020-02-01') PARTITION BY LIST (at);
	CREATE TABLE sensed_1 PARTITION OF sensed_2020 FOR VALUES IN ('2020-01-01'); CREATE TABLE sensed_2 PARTITION OF sensed_2020 FOR VALUES IN ('2020-01-02');
	CREATE TABLE sensed_now PARTITION OF sensed FOR VALUES FROM ('2021-01-01') TO (MAXVALUE);
	INSERT INTO sensed VALUES ('2020-01-01', 1), ('2020-01-02', 1);
	SELECT twin.add_retention_policy('sensed', '1 month', 'sensed', 'at', archive => false); CALL twin.apply_retention(true);
	INSERT INTO sensed VALUES ('2020-01-02', 1)});
is(sql($node, q{SELECT rows FROM twin.retention_plan WHERE policy_name = 'sensed'}), 2, 'a plan counts what is there');
{
	my ($changer, $reader, $writer) = map { $node->background_psql('postgres') } 1 .. 3;
	$changer->query_safe('BEGIN; UPDATE sensors SET seen = 1');
	$reader->query_safe('BEGIN; SELECT count(*) FROM sensors');
	$writer->query_safe(q{SET lock_timeout = '1s'});
	my ($out, $err) = ('', '');
	my $call = IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
	foreach my $step ([ $changer, 'detached', 'ShareRowExclusiveLock' ], [ $reader, 'dropped', 'AccessExclusiveLock' ])
	{
		my ($user, $what, $lock) = @$step;
		my $queued = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'sensors'::regclass AND mode = '$lock'";
		ok(poll($queued), "to be $what it waits for what its foreign key refers to");
		is(eval { $writer->query_safe(q{DO $$ DECLARE until timestamptz := clock_timestamp() + '1500 ms'; n int; BEGIN
			WHILE clock_timestamp() < until LOOP INSERT INTO sensors SELECT max(id) + 1 FROM sensors RETURNING id INTO n; COMMIT;
				INSERT INTO sensed VALUES (now(), n); COMMIT; PERFORM pg_sleep(0.01); END LOOP; END $$}); 'done' } // $@, 'done', '... shortly: no insert waits for a second meanwhile');
		ok(poll($queued), '... and again');
		$user->query_safe('COMMIT');
	}
	$call->finish;
	unlike($err, qr/WARNING|ERROR/, '... and it goes when it can');
	$_->quit foreach $changer, $reader, $writer;
}
is(sql($node, q{SELECT to_regclass('sensed_2020') IS NULL, (SELECT rows FROM twin.retention_plan WHERE policy_name = 'sensed')}), 't|3', '... and what is told is what was there then, in all of its partitions');

# ---- counted as they lie: pages that are visible to everybody, dead rows, rows of who failed, of this transaction, of another one ----

sql($node, q{CREATE TABLE counted (id int, v text); INSERT INTO counted SELECT n, 'v' FROM generate_series(1, 3000) n; VACUUM counted;
	UPDATE counted SET v = 'changed' WHERE id < 700 AND id % 7 = 0; DELETE FROM counted WHERE id < 500 AND id % 5 = 0; BEGIN; INSERT INTO counted SELECT 0 FROM generate_series(1, 100); ROLLBACK});
{
	my $other = $node->background_psql('postgres');
	$other->query_safe('BEGIN; DELETE FROM counted WHERE id > 2900; INSERT INTO counted SELECT 0 FROM generate_series(1, 10)');
	is(sql($node, q{BEGIN; DELETE FROM counted WHERE id = 1; INSERT INTO counted VALUES (0), (0), (0); SELECT twin_internal.count_rows('counted'), count(*) FROM counted; ROLLBACK}), '2903|2903', 'rows are counted where they lie');
	$other->quit;
}
fails_with($node, q{SELECT twin_internal.count_rows('twin.users')}, '42809', 'cannot be counted', '... of tables');

# ---- a dump ----

my $dump = "$archives/dump.sql";
sql($node, q{SELECT twin.set_retention_policy('audit_logs', keep => '10 years'), twin.drop_retention_policy('error_logs')});
my $plan = q{SELECT jsonb_agg(to_jsonb(i) - 'changed_at' ORDER BY i.item_id) FROM twin_internal.retention_items i WHERE state = 'dropped'};
my $policies = q{SELECT string_agg(concat_ws(' ', policy_name, relation, keep, archive, enabled), ', ' ORDER BY policy_name) FROM twin.retention_policies};
my $needs = q{SELECT string_agg(concat_ws(' ', k.key_name, k.version, f.file), ', ' ORDER BY f.file, k.key_name) FROM twin_internal.key_files f JOIN twin.keys k USING (key_id)};
my ($old_plan, $old_policies, $old_needs) = map { sql($node, $_) } $plan, $policies, $needs;
$node->command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'dumped');
sql($node, 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-f', $dump, 'copy' ], 'restored');
is(sql($node, $policies, db => 'copy'), $old_policies, 'policies are restored');
is(sql($node, $plan, db => 'copy'), $old_plan, '... and what is gone, with where it is archived');
is(sql($node, $needs, db => 'copy'), $old_needs, '... and which keys the archives need');
is(sql($node, 'SELECT count(*) FROM twin.retention_runs', db => 'copy'), 0, '... but no runs: there were none');

# ---- by itself ----

sql($node, q{UPDATE twin_internal.retention_successes SET known_since = now() - interval '1 hour', succeeded_at = NULL;
	INSERT INTO theirs.readings (at, v) VALUES ('2020-01-03', 6);
	CREATE TABLE days (at timestamptz NOT NULL) PARTITION BY RANGE (at);
	CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2020-01-01') TO ('2020-01-02');
	CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2020-01-02') TO ('2020-01-03');
	CREATE TABLE days_3 PARTITION OF days FOR VALUES FROM ('2020-01-03') TO ('2020-01-04');
	SELECT twin.add_retention_policy('days', '1 year', 'days', 'at', archive => false)});
$node->append_conf('postgresql.conf', "twin_security.retention_interval = 2s\n");
$node->stop;
start_with($node, $key);
ok(poll(q{SELECT count(*) >= 2 FROM twin.retention_runs WHERE asked_by IS NULL AND finished_at IS NOT NULL}), 'policies are applied by themselves, again and again');
ok(poll(q{SELECT count(*) = 0 FROM theirs.readings WHERE v = 6}), '... and rows go');
my $gone = q{twin_internal.retention_items WHERE policy_name = 'days' AND state = 'dropped'};
ok(poll("SELECT count(*) = 3 FROM $gone"), '... and partitions');
is(sql($node, "SELECT bool_and(changed_at - before >= interval '1 s') FROM (SELECT changed_at, lag(changed_at) OVER (ORDER BY changed_at) AS before FROM $gone) g"), 't', '... with a second of rest after each');
ok(poll(q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'retention_overdue' AND details -> 'policies' ? 'readings'}), 'that it was overdue is told');
ok(poll(q{SELECT count(*) > 0 FROM twin.alerts WHERE rule_name = 'retention_overdue'}), '... as an alert');
sql($node, q{DROP EXTENSION twin_security CASCADE});
ok(poll("SELECT count(*) = 0 FROM pg_stat_activity WHERE $worker"), 'without the extension nothing runs');
unlike($node->psql('postgres', 'SELECT 1') . '', qr/[^0]/, 'and the server is well');
$node->stop;
done_testing();
