# The export of the audit log and twin_verify on it: whole and in parts, by whom and where to, what an auditor holds
# against it, a superuser's edit that is named, proofs for outsiders.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $base = "$ENV{TESTDIR}/exports";
mkdir $base;
chmod 0755, $base;
my $key = new_key();
my $node = new_node('export', conf => "twin_security.checkpoint_interval = 1\n");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE auditor LOGIN IN ROLE twin_auditor;
	CREATE ROLE nobody LOGIN;
	SELECT twin.record_event('event_' || n, details => jsonb_build_object('n', n, 't', E'\u00e4"\\\\')) FROM generate_series(1, 300) n});
my ($program) = run_command([ 'pg_config', '--bindir' ]);
$program .= '/twin_verify';

sub verify
{
	my (@arguments) = @_;
	my ($out, $err) = run_command([ $program, @arguments ]);
	return ($? >> 8, "$out$err");
}

# The newest checkpoint's leaves.  Each session is an event, so checkpoints go on while the test looks.
sub signed { return sql($node, 'SELECT max(size) FROM twin_internal.checkpoints') }

# Waits until checkpoints cover so many leaves.
sub sign
{
	my ($leaves) = @_;
	$node->poll_query_until('postgres', "SELECT max(size) >= $leaves FROM twin_internal.checkpoints") or die 'nothing is signed';
	return;
}

# The note of a checkpoint.
sub note_of { my ($leaves) = @_; return sql($node, "SELECT convert_from(note, 'UTF8') FROM twin_internal.checkpoints WHERE size = $leaves") . "\n" }

sub slurp { my ($file) = @_; open(my $handle, '<:raw', $file) or die "$file: $!"; local $/; return scalar <$handle>; }
sub spew { my ($file, $text) = @_; open(my $handle, '>:raw', $file) or die "$file: $!"; print $handle $text; close $handle; return $file; }
sub export { my ($name, $more) = @_; return sql($node, "SELECT twin.export_audit_log('$name'" . ($more // '') . ')', user => 'auditor'); }

# ---- where to, and by whom ----

fails_with($node, q{SELECT twin.export_audit_log('a')}, '55000', 'exports of the audit log are switched off', 'off by default');
my $data = $node->data_dir;
fails_with($node, "ALTER SYSTEM SET twin_security.export_directory = '$data/exports'", '22023', 'invalid value', 'not in the data folder');
fails_with($node, q{ALTER SYSTEM SET twin_security.export_directory = 'exports'}, '22023', 'invalid value', 'not a relative path');
$node->append_conf('postgresql.conf', "twin_security.export_directory = '$base'");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.export_directory') <> ''");
sign(300);
foreach my $name ('', '.', '..', '../a', 'a/b', '/tmp/a', '.hidden', 'a b', "a\\n", 'x' x 101)
{
	fails_with($node, "SELECT twin.export_audit_log('$name')", '42602', 'not a name that an export can have', "not as \"$name\"");
}
fails_with($node, q{SELECT twin.export_audit_log('a')}, '42501', 'permission denied for function', 'not by anybody', user => 'nobody');
fails_with($node, q{SELECT twin.export_audit_log(NULL)}, '22004', 'a name and a first leaf are needed', 'a name is needed');
fails_with($node, q{SELECT twin.export_audit_log('a', -1)}, '22023', 'no such leaves', 'leaves are counted from 0');
fails_with($node, q{SELECT twin.export_audit_log('a', 5, 4)}, '22023', 'no such leaves', 'and upwards');
fails_with($node, q{SELECT twin.export_audit_log('a', 1000000)}, '22023', 'covers \d+ leaves', 'not from beyond the end');
fails_with($node, q{SELECT twin.export_audit_log('a', 0, 1000000)}, '55000', 'no signed checkpoint of the audit log covers leaf 999999 yet', 'nor up to there');
mkdir "$base/taken";
spew("$base/file", 'x');
symlink "$base/nowhere", "$base/link";
fails_with($node, "SELECT twin.export_audit_log('$_')", '58P02', 'there is an export', "never over what is there: $_") foreach qw(taken file link);
chmod 0500, $base;
fails_with($node, q{SELECT twin.export_audit_log('a')}, '42501', 'cannot be exported to', 'a folder that cannot be written to');
chmod 0755, $base;

# ---- a whole export ----

my $first = signed();
my $size = export('whole');
ok($size >= $first && $size <= signed(), "an auditor exports all that is signed: $size leaves");
is(join(' ', sort map { s{.*/}{}r } glob("$base/{,.}*")), '. .. file link taken whole', 'nothing else lies there');
is(join(' ', sort map { s{.*/}{}r } glob("$base/whole/*")), 'checkpoints.txt dropped.bin keys.txt leaves-0000000000000000000.seg manifest.json', 'its files');
is(sprintf('%o %o', (stat "$base/whole")[2] & 07777, (stat "$base/whole/manifest.json")[2] & 07777), '750 640', 'owner and group read them');
my $public = spew("$ENV{TESTDIR}/log.key", sql($node, 'SELECT twin.audit_public_key()', user => 'auditor') . "\n");
my $witness = spew("$ENV{TESTDIR}/log.witness", note_of($size));
my ($status, $out) = verify("$base/whole", '--key', $public, '--witness', $witness);
is($status, 0, 'it holds') or diag($out);
like($out, qr/holds: $size events \(leaves 0 to @{[ $size - 1 ]}\)/, 'all of it');
unlike($out, qr/not proven/, 'and nothing is left unproven');
($status, $out) = verify("$base/whole", '--key', $public, '--events');
is(scalar(() = $out =~ /"event_type":"event_\d+"/g), 300, 'the events are in it');
like($out, qr/"event_type":"event_7".*"details":\{"n": 7, "t": "\xc3\xa4\\"\\\\"\}/, 'as they were');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'audit_export' AND details->>'name' = 'whole'}),
	'that it was exported is an event');

# ---- parts ----

sql($node, q{SELECT twin.record_event('later') FROM generate_series(1, 50)});
sign($size + 50);
$first = signed();
my $later = $size + export('part', ", $size");
ok($later >= $first && $later <= signed(), 'an export goes on where one ended, to the newest checkpoint');
is((verify("$base/part", '--key', $public, '--witness', $witness))[0], 0, 'and holds against what was seen then');
my $newer = spew("$ENV{TESTDIR}/newer.witness", slurp($witness) . note_of($later));
is((verify("$base/part", '--key', $public, '--witness', $newer))[0], 0, 'and against both');
cmp_ok(export('middle', ', 17, 100'), '>=', 83, 'a part goes on to the next checkpoint');
($status, $out) = verify("$base/middle", '--key', $public);
is($status, 0, 'and holds') or diag($out);
is(sql($node, q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT max(size) AS signed FROM twin_internal.checkpoints \gset
	SELECT twin.export_audit_log('none', :signed); COMMIT}), '0', 'an export of no leaves');
my $given = spew("$ENV{TESTDIR}/given", sql($node, 'SELECT twin.audit_checkpoint()', user => 'auditor') . "\n");
export('given');
is((verify("$base/given", '--key', $public, '--witness', $given))[0], 0, 'an auditor is given the note of a checkpoint');
cmp_ok((slurp($given) =~ /\A[^\n]+\n(\d+)\n/)[0], '>=', $later, 'the newest');
($status, $out) = verify("$base/whole", '--key', $public, '--witness', $newer);
is($status, 1, 'an old export is no answer to a newer note');
like($out, qr/TAMPERED: the export ends at leaf $size, but your note says .*its tail was cut, or it was rolled back/, 'which is said');

# ---- proofs for outsiders ----

my $event = sql($node, q{SELECT event_id FROM twin.audit_log WHERE event_type = 'event_123'});
my $proof = spew("$ENV{TESTDIR}/proof.json", sql($node, "SELECT row_to_json(p) FROM twin.inclusion_proof($event) p"));
my ($index, $tree) = slurp($proof) =~ /"leaf_index":(\d+),"tree_size":(\d+)/;	# of this one: checkpoints go on
my $note = spew("$ENV{TESTDIR}/note", note_of($tree));
my $leaf = spew("$ENV{TESTDIR}/leaf", sql($node, "SELECT leaf FROM twin.audit_leaves($index, $index)") . "\n");
my @proof = ('--proof', $proof, '--checkpoint', $note, '--key', $public);
($status, $out) = verify('--leaf', $leaf, @proof);
is($status, 0, 'an event is in the log') or diag($out);
like($out, qr/holds: the event is leaf $index of the log of $tree leaves/, 'at its leaf');
is((verify('--leaf', spew("$ENV{TESTDIR}/raw", pack('H*', substr(slurp($leaf), 2) =~ s/\s//gr)), @proof))[0], 0, 'its leaf as bytes');
my $other = spew("$ENV{TESTDIR}/other", sql($node, "SELECT leaf FROM twin.audit_leaves($index + 1, $index + 1)"));
is((verify('--leaf', $other, @proof))[0], 1, 'another event is not there');
my $old = spew("$ENV{TESTDIR}/old", slurp($witness));
my $growth = spew("$ENV{TESTDIR}/growth.json", sql($node, "SELECT to_json(twin.consistency_proof($size, $later))"));
my $now = spew("$ENV{TESTDIR}/now", note_of($later));
is((verify('--old', $old, '--proof', $growth, '--checkpoint', $now, '--key', $public))[0], 0, 'the log only grew');
is((verify('--old', $now, '--proof', $growth, '--checkpoint', $old, '--key', $public))[0], 1, 'and not the other way round');

# ---- a log that goes on elsewhere ----

sql($node, 'CREATE DATABASE restored');
my $dump = "$ENV{TESTDIR}/log.dump";
command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a dump');
command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'is restored');
ok($node->poll_query_until('restored', q{SELECT count(*) > 0 FROM twin_internal.checkpoints c JOIN twin_internal.epochs e ON e.epoch = c.epoch
	WHERE e.reason = 'restored'}), 'its log goes on in an epoch of its own');
sql($node, q{SELECT twin.export_audit_log('restored')}, db => 'restored');
($status, $out) = verify("$base/restored", '--key', $public, '--witness', $newer);
is($status, 0, 'under the same key, with the same beginning') or diag($out);
like($out, qr/ checkpoints of 2 epochs, 2 of your notes$/m, 'which the notes of before bear out');

# ---- a superuser edits one row, loses one, and rolls back ----

# What a superuser does who says openly that he edits the log; events lie in one of two tables.
sub as_superuser
{
	my ($statement) = @_;
	my $twin = $statement =~ s/twin_internal\.events\b/twin_internal.events_overflow/r;
	return sql($node, "BEGIN; SELECT twin_internal.open_log(); $statement; $twin; COMMIT");
}
my ($bad_id, $bad_leaf) = split /\|/, sql($node, q{SELECT l.event_id, s.first_leaf FROM twin.audit_log l JOIN twin_internal.sealed s ON s.record_id = l.event_id
	WHERE l.event_type = 'event_200'});
as_superuser("UPDATE twin_internal.events SET outcome = 'denied' WHERE event_id = $bad_id");
export('edited');
($status, $out) = verify("$base/edited", '--key', $public, '--witness', $newer);
is($status, 1, 'an edited row is found');
like($out, qr/^TAMPERED: leaves-0{19}\.seg: the event of leaf $bad_leaf is not what was sealed \(event $bad_id, event_200, 20\S+Z\)$/m, 'and named');
is(scalar(() = $out =~ /^TAMPERED/mg), 1, 'it alone');
as_superuser("UPDATE twin_internal.events SET outcome = 'success' WHERE event_id = $bad_id");
as_superuser("DELETE FROM twin_internal.events WHERE event_id = $bad_id");
export('lost');
($status, $out) = verify("$base/lost", '--key', $public);
like("$status $out", qr/^1 TAMPERED: \S+: the event of leaf $bad_leaf is missing: it was sealed, and is not in the log$/m, 'a deleted row is named');
as_superuser("DELETE FROM twin_internal.sealed WHERE record_id = $bad_id");
export('forgotten');
($status, $out) = verify("$base/forgotten", '--key', $public);
like("$status $out", qr/^1 TAMPERED: \S+: the event of leaf $bad_leaf is missing/m, 'also when its place is gone');
as_superuser("UPDATE twin_internal.checkpoints SET note = convert_to(replace(convert_from(note, 'UTF8'), 'A', 'B'), 'UTF8')");
export('notes');
is((verify("$base/notes", '--key', $public))[0], 1, 'changed checkpoints are found');
$node->stop;
done_testing();
