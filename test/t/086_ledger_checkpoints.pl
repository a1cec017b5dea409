# Checkpoints of the audit log leave the database: as files outside of the data folder, each whole or not there, and by
# NOTIFY. None is signed for a log that somebody rewrote, and what was exported names a log that was cut. Without a key the
# log is sealed and says that nobody signed it.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep);

my $key = new_key();
my $folder = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('checkpoints', conf => "twin_security.checkpoint_interval = 1s\ntwin_security.heartbeat_interval = 1s\ntwin_security.checkpoint_directory = '$folder'\n");
start_with($node, $key);
sql($node, 'CREATE EXTENSION twin_security');
sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub record { my ($type) = @_; return sql($node, "SELECT twin.record_event('$type')") }
my $covered = q{SELECT EXISTS (SELECT FROM twin_internal.checkpoints_of_log c, twin_internal.sealed l, twin_internal.event_rows e
	WHERE l.record_id = e.event_id AND e.event_type = 'TYPE' AND c.size > l.first_leaf)};
sub covered { my ($type) = @_; return poll($covered =~ s/TYPE/$type/r) }
sub quiet { return sleep 2.5 }
sub notes { return sort map { glob "$_/*.note" } glob "$folder/*/*" }

# ---- NOTIFY and files ----

my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN twin_audit_checkpoint');
record('first');
ok(covered('first'), 'a checkpoint covers what was recorded');
my $told;
for (1 .. 100) { $told = $listener->query('SELECT 1'); last if $told =~ /Asynchronous/; sleep 0.1 }
like($told, qr/Asynchronous notification "twin_audit_checkpoint" with payload "twin_security\/audit\/postgres\/[0-9a-f]{32}\n\d+\n/, 'who listens is told');
$listener->quit;
my ($epoch) = sql($node, 'SELECT origin FROM twin_internal.epochs') =~ m{/([0-9a-f]{32})$};
ok(poll(q{SELECT true}) && -f "$folder/$epoch.note", 'the newest is a file');
my @notes = notes();
cmp_ok(scalar @notes, '>=', 1, 'and so is each one');
like($notes[0], qr{^\Q$folder\E/$epoch/\d{4}-\d\d-\d\d/\d{20}\.note$}, 'by day and size');
my ($size) = $notes[0] =~ m{/0*(\d+)\.note$};
is(file_bytes($notes[0]), sql($node, "SELECT convert_from(note, 'UTF8') FROM twin_internal.checkpoints WHERE size = $size"), 'as the database has it');
is((stat $notes[0])[2] & 0777, 0644, 'for others to read');
is(join(' ', glob("$folder/*.new $folder/*/*/*.new")), '', 'nothing is left half written');

# a folder that cannot be written to: they follow later
chmod 0500, $folder;
chmod 0500, $_ foreach glob("$folder/*/*"), glob("$folder/$epoch");
record('away');
ok(covered('away'), 'a folder that cannot be written to stops no checkpoint');
like(slurp_file($node->logfile), qr/cannot be exported/, 'the log says so');
chmod 0755, $folder, glob("$folder/$epoch"), glob("$folder/*/*");
record('back');
ok(covered('back'), 'when it can');
quiet();
my %files = map { m{/0*(\d+)\.note$} => 1 } notes();
is(join(' ', grep { !$files{$_} } split /\n/, sql($node, q{SELECT size FROM twin_internal.checkpoints WHERE created_at < now() - interval '2 seconds'})), '', 'the files that were missing follow');

# settings
fails_with($node, "ALTER SYSTEM SET twin_security.checkpoint_directory = '" . $node->data_dir . "/notes'", '22023', '', 'the data folder is refused');
fails_with($node, "SELECT twin.begin_audit_epoch('why not')", '55000', 'no checkpoint of the audit log was refused', 'a log that is signed begins no other epoch');
fails_with($node, "ALTER SYSTEM SET twin_security.checkpoint_directory = 'notes'", '22023', '', 'a relative path as well');
mkdir $node->data_dir . '/hidden';
symlink $node->data_dir . '/hidden', "$folder/link" or die $!;
sql($node, "ALTER SYSTEM SET twin_security.checkpoint_directory = '$folder/link'");
$node->reload;
sleep 0.5;
quiet();
record('linked');
covered('linked');
quiet();
is(join(' ', glob($node->data_dir . '/hidden/*')), '', 'a link that leads there is not followed');
like(slurp_file($node->logfile), qr/lies in the data folder/, 'and the log says so');
sql($node, 'ALTER SYSTEM RESET twin_security.checkpoint_directory');
$node->reload;
sleep 0.5;
record('home');
covered('home');
quiet();

# ---- rows that are not what they seem ----

my $victim = record('victim');
covered('victim');
sql($node, qq{SELECT twin_internal.open_log(); BEGIN; SELECT twin_internal.open_log();
	INSERT INTO twin_internal.events_overflow SELECT (jsonb_populate_record(e, jsonb_build_object('writer_xid', pg_current_xact_id()::text, 'severity', 'low'))).*
		FROM twin_internal.events_overflow e WHERE event_id = $victim; COMMIT});
record('beside');
ok(covered('beside'), 'an id that somebody used twice keeps nobody waiting');
ok(poll("SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'integrity_failure' AND severity = 'critical' AND record_id = '$victim'"), 'and is a critical event');
is(sql($node, 'SELECT ok, first_bad, reason FROM twin.verify_audit_log()'), "f|$victim|there are two events with this id", 'verification names it');
sql($node, "BEGIN; SELECT twin_internal.open_log(); DELETE FROM twin_internal.events_overflow WHERE event_id = $victim AND severity = 'low'; COMMIT");
is(sql($node, 'SELECT ok, first_bad, reason FROM twin.verify_audit_log()'), 't||', 'it was no more than that');

sleep 1.2;
sql($node, "SELECT twin.record_event('x')");
poll("SELECT count(*) > 2 FROM twin.audit_log WHERE event_type = 'heartbeat'");
my $forged = sql($node, qq{BEGIN; SELECT twin_internal.open_log();
	INSERT INTO twin_internal.events_overflow SELECT (jsonb_populate_record(e, jsonb_build_object('event_id', nextval('twin_internal.event_id_seq'), 'event_type', 'forged',
		'writer_xid', pg_current_xact_id()::text, 'recorded_at', recorded_at - interval '3 hours', 'event_time', event_time - interval '3 hours'))).*
		FROM twin_internal.events_overflow e WHERE event_id = $victim RETURNING event_id; COMMIT}) =~ s/\s//gr;
record('after');
covered('after');
ok(poll("SELECT count(*) = 1 FROM twin_internal.sealed WHERE record_id = $forged"), 'a back-dated row that somebody put there is sealed like others');
is(sql($node, 'SELECT ok, first_bad, reason FROM twin.verify_audit_log()'), "f|$forged|the event says that it was recorded before its transaction began", 'and contradicts a heartbeat');

# ---- a log that was rewritten is not signed ----

quiet();
$node->append_conf('postgresql.conf', 'twin_security.heartbeat_interval = 1h');
$node->reload;
sleep 1;
quiet();
my $signed = sql($node, 'SELECT max(size) FROM twin_internal.checkpoints');
my $kept = file_bytes("$folder/$epoch.note");
# all of the inside is made to fit: the tree begins anew, the checkpoints are gone
sql($node, q{BEGIN; SELECT twin_internal.open_log(); DELETE FROM twin_internal.sealed WHERE first_leaf >= 3; DELETE FROM twin_internal.checkpoints;
	UPDATE twin_internal.tiles SET hashes = substring(hashes FROM 1 FOR 96) WHERE level = 0 AND tile = 0; DELETE FROM twin_internal.tiles WHERE tile > 0 OR level > 0;
	DELETE FROM twin_internal.events_overflow e WHERE NOT EXISTS (SELECT FROM twin_internal.sealed s WHERE s.record_id = e.event_id);
	UPDATE twin_internal.ledger_state SET size = 3, nodes = (SELECT substring(hashes FROM 65 FOR 32) || sha256('\x01'::bytea || substring(hashes FROM 1 FOR 64)) FROM twin_internal.tiles WHERE level = 0 AND tile = 0),
		snapshot = pg_current_snapshot(), target = NULL, target_at = NULL, done_xid = NULL, done_id = NULL; COMMIT});
is(sql($node, 'SELECT ok, reason FROM twin.verify_audit_log()'), 'f|the log ends before its newest checkpoint (the one that was exported last)',
	'what was exported names a log that was cut, however well');
record('rewritten');
ok(poll("SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'integrity_failure' AND action = 'checkpoint'"), 'no checkpoint is signed, which is a critical event');
record('more');
sleep 2.5;
is(sql($node, 'SELECT count(*) FROM twin_internal.checkpoints'), '0', 'none');
is(sql($node, "SELECT count(*) FROM twin.audit_log WHERE event_type = 'integrity_failure' AND action = 'checkpoint'"), '1', 'told once, not all the time');
is(file_bytes("$folder/$epoch.note"), $kept, 'what was exported stays');

# ---- ... until somebody has looked, and says so ----

sql($node, 'CREATE ROLE dba LOGIN IN ROLE twin_admin; CREATE ROLE reader LOGIN IN ROLE twin_auditor');
sub as_role { my ($role, $query) = @_; return $node->psql('postgres', $query, extra_params => [ '-U', $role ]) }
sub fails_as { my ($role, $query, $state, $name) = @_; my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$query", extra_params => [ '-U', $role ]); return like($err, qr/ERROR:  $state/, $name) }
my $rewritten = 'f|the log ends before its newest checkpoint (the one that was exported last)';
fails_as('reader', "SELECT twin.begin_audit_epoch('x')", '42501', 'an auditor begins no epoch');
fails_as('dba', 'SELECT twin.begin_audit_epoch(NULL)', '22023', 'nobody does without a reason');
fails_as('dba', "SELECT twin.begin_audit_epoch(E' \\t')", '22023', '... a blank is none');
fails_as('dba', "SELECT twin.begin_audit_epoch(repeat('x', 1001))", '22023', '... nor a book');
sql($node, q{BEGIN; SELECT twin.begin_audit_epoch('never'); ROLLBACK});
is((as_role('dba', "SELECT twin.begin_audit_epoch('log was rewritten, case 42')"))[0], 0, 'an administrator does');
ok(poll('SELECT (SELECT max(epoch) FROM twin_internal.checkpoints) = 2'), 'the log is signed again');
my ($origin) = split /\n/, sql($node, 'SELECT twin.audit_checkpoint()');
is($origin, sql($node, 'SELECT origin FROM twin_internal.epochs WHERE epoch = 2'), '... under a new name');
unlike($origin, qr/$epoch/, '... which is another');
is(sql($node, q{SELECT severity, details ->> 'reason', details ->> 'because', details ->> 'requested_by', details ? 'checkpoint' FROM twin.audit_log WHERE event_type = 'audit_epoch' ORDER BY event_id DESC LIMIT 1}),
	'critical|requested|log was rewritten, case 42|dba|f', 'its first leaf says who asked and why, and that no checkpoint holds');
ok(poll(q{SELECT count(*) = 4 FROM twin.audit_log WHERE event_type = 'audit_epoch_requested'}), 'who asks is recorded before and after');
is(sql($node, q{SELECT string_agg(concat_ws(' ', severity, outcome, session_user_name = 'dba', details ->> 'because'), ', ' ORDER BY event_id) FROM twin.audit_log WHERE event_type = 'audit_epoch_requested'}),
	'critical unknown f never, critical failure f never, critical unknown t log was rewritten, case 42, critical success t log was rewritten, case 42', '... also when it came to nothing');
fails_as('dba', "SELECT twin.begin_audit_epoch('again')", '55000', 'an epoch that is signed is not ended');
like(sql($node, 'SELECT ok, reason FROM twin.verify_audit_log()'), qr/^(\Q$rewritten\E|f\|events before this heartbeat were changed, removed or added before they were sealed)$/, 'that the log was rewritten stays named');
my $since = sql($node, 'SELECT began_at FROM twin_internal.epochs WHERE epoch = 2');
is(sql($node, "SELECT ok, reason FROM twin.verify_audit_log('$since')"), 't|', 'what came since then holds');
record('second');
ok(covered('second') && -f "$folder/" . substr($origin, -32) . '.note', 'checkpoints of the new epoch are exported');

# the newest checkpoint is none of ours: the one before it is what the next epoch commits to
quiet();
my $good = sql($node, 'SELECT max(size) FROM twin_internal.checkpoints');
record('third');
covered('third');
quiet();
sql($node, q{BEGIN; SELECT twin_internal.open_log(); UPDATE twin_internal.checkpoints SET note = note || 'x' WHERE size > } . $good . '; COMMIT');
record('fourth');
ok(poll("SELECT refused_at IS NOT NULL FROM twin_internal.ledger_state"), 'a checkpoint that somebody changed is refused');
sql($node, "SELECT twin.begin_audit_epoch('a checkpoint was changed')");
ok(poll('SELECT (SELECT max(epoch) FROM twin_internal.checkpoints) = 3'), 'the log is signed again');
is(sql($node, q{SELECT split_part(details ->> 'checkpoint', E'\n', 2) FROM twin.audit_log WHERE event_type = 'audit_epoch' ORDER BY event_id DESC LIMIT 1}), $good, 'from the last checkpoint that holds');

# the sealer's state is not that of the tree: it goes on from the tree
quiet();
sql($node, q{BEGIN; SELECT twin_internal.open_log(); UPDATE twin_internal.ledger_state SET nodes = overlay(nodes PLACING '\x00112233'::bytea FROM 1); COMMIT});
record('fifth');
ok(poll("SELECT refused_at IS NOT NULL FROM twin_internal.ledger_state"), 'a state that somebody changed is not signed');
$good = sql($node, 'SELECT max(size) FROM twin_internal.checkpoints_of_log');
sql($node, "SELECT twin.begin_audit_epoch('the state was changed')");
ok(poll('SELECT (SELECT max(epoch) FROM twin_internal.checkpoints) = 4'), 'the log is signed again');
is(sql($node, q{SELECT split_part(details ->> 'checkpoint', E'\n', 2) FROM twin.audit_log WHERE event_type = 'audit_epoch' ORDER BY event_id DESC LIMIT 1}), $good, 'from the newest checkpoint');
$since = sql($node, 'SELECT began_at FROM twin_internal.epochs WHERE epoch = 4');
record('sixth');
covered('sixth');
is(sql($node, "SELECT ok, reason FROM twin.verify_audit_log('$since')"), 't|', 'and holds from there on');
$node->stop;

# ---- without a key ----

my $bare = new_node('bare', conf => "twin_security.checkpoint_interval = 1s\ntwin_security.heartbeat_interval = 1s\n");
start_with($bare, undef);
sql($bare, q{CREATE EXTENSION twin_security; SELECT twin.record_event('x')});
ok($bare->poll_query_until('postgres', "SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'heartbeat' AND details ->> 'signed' = 'no'"), 'without ENCRYPTION_KEY heartbeats say that nobody signs');
is(sql($bare, q{SELECT sealed > 1, checkpoint_age IS NULL, twin.audit_checkpoint() IS NULL, twin.audit_public_key() IS NULL FROM twin.stat_audit}), 't|t|t|t', 'the log is sealed and not signed');
is(sql($bare, q{SELECT ok FROM twin.verify_audit_log()}), 't', 'and can be verified');
like(slurp_file($bare->logfile), qr/the audit log is sealed but not signed: ENCRYPTION_KEY is not set/, "the server's log says so");
restart_with($bare, $key);
ok($bare->poll_query_until('postgres', 'SELECT twin.audit_checkpoint() IS NOT NULL'), 'with a key it is signed');
is(sql($bare, q{SELECT ok, reason FROM twin.verify_audit_log()}), 't|', 'from the beginning');
# and a key that is not the one it was signed with
my $size_before = sql($bare, 'SELECT max(size) FROM twin_internal.checkpoints');
restart_with($bare, new_key());
sql($bare, q{SELECT twin.record_event('y')});
ok($bare->poll_query_until('postgres', "SELECT sealed > $size_before + 1 FROM twin.stat_audit"), 'with a wrong key sealing goes on');
sleep 1.5;
is(sql($bare, 'SELECT max(size) FROM twin_internal.checkpoints'), $size_before, 'and nothing is signed with another');
like(slurp_file($bare->logfile), qr/wrong key/, 'the log says why');
$bare->stop;
done_testing();
