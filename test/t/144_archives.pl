# Archives: a partition of the audit log and rows of tables as files, plain and encrypted; verified, compared with the
# live rows, read as jsonb beside the live log; by whom; damaged, edited, swapped and hostile files.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $base = "$ENV{TESTDIR}/archives";
mkdir $base;
chmod 0755, $base;
my $key = new_key();
my $node = new_node('archives', conf => "twin_security.checkpoint_interval = 1\n");
start_with($node, $key);
my $canary = canary();
sql($node, qq{
	CREATE EXTENSION twin_security;
	CREATE ROLE auditor LOGIN IN ROLE twin_auditor;
	CREATE ROLE boss LOGIN IN ROLE twin_admin;
	CREATE ROLE nobody LOGIN;
	SELECT twin.create_key('archive');
	CREATE TABLE units (id bigserial PRIMARY KEY, name text, secret twin.encrypted_text(main));
	SELECT twin.audit_table('units')});
# months are made an hour after a database begins; events from here on go there
edit_log($node, q{SELECT twin_internal.add_event_partition(c, date_trunc('month', now() AT TIME ZONE 'UTC')) FROM unnest('{audit,access,error}'::text[]) c});
sql($node, qq{SELECT twin.record_event('event_' || n, details => jsonb_build_object('n', n, 't', E'\\u00e4"\\\\', 'c', '$canary')) FROM generate_series(1, 300) n;
	INSERT INTO units (name) SELECT 'u' || n FROM generate_series(1, 50) n});
sql($node, qq{SELECT twin.record_event('more_' || n) FROM generate_series(1, 300) n}) for 1 .. 2;

sub slurp { my ($file) = @_; open(my $handle, '<:raw', $file) or die "$file: $!"; local $/; return scalar <$handle>; }
sub spew { my ($file, $text) = @_; open(my $handle, '>:raw', $file) or die "$file: $!"; print $handle $text; close $handle; return; }
sub set { my ($name, $value) = @_; sql($node, "ALTER SYSTEM SET twin_security.$name = '$value'"); $node->reload;
	return $node->poll_query_until('postgres', "SELECT current_setting('twin_security.$name') = '$value'"); }
sub files { opendir(my $folder, $base) or die $!; return join(' ', sort grep { !/^\.\.?$/ } readdir $folder); }
sub verify { my ($file) = @_; return sql($node, "SELECT ok, rows, coalesce(reason, '') FROM twin.verify_archive('$file')"); }

# A month that nothing is written to any more, with events as they were written above.
$node->poll_query_until('postgres', q{SELECT count(*) = 900 FROM twin_internal.events WHERE event_type LIKE 'event\_%' OR event_type LIKE 'more\_%'}) or die 'not written';
my $columns = q{class, event_type, severity, outcome, action, resource, record_id, session_user_name, outer_user_name, effective_user_name, user_id, username,
	tenant_id, token_id, client_address, application_name, request_id, xid, application_made, details, pid, origin, row_count, rows};
edit_log($node, qq{SELECT twin_internal.add_event_partition('audit', '2016-01-01');
	INSERT INTO twin_internal.events (event_id, event_time, recorded_at, writer_xid, $columns)
		SELECT nextval('twin_internal.event_id_seq'), e.event_time, '2016-01-15 00:00:00+00', pg_current_xact_id(), $columns FROM twin_internal.events e
		WHERE e.event_type LIKE 'event\\_%' OR e.event_type LIKE 'more\\_%' OR e.resource = 'public.units' AND e.event_type = 'create'});
my $part = 'events_audit_2016_01';
my $whole = "twin_internal.$part";
sub signed
{
	return $node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM $whole e LEFT JOIN twin_internal.sealed s ON s.record_id = e.event_id WHERE s IS NULL)
		AND (SELECT max(c.size) FROM twin_internal.checkpoints c) > (SELECT max(s.first_leaf + s.leaves - 1) FROM twin_internal.sealed s JOIN $whole e ON e.event_id = s.record_id)");
}
my $write = qq{twin_internal.write_archive('$whole', '2016-01-01', '2016-02-01')};

# ---- where to ----

fails_with($node, "SELECT $write", '55000', 'archives are switched off', 'off by default');
fails_with($node, q{SELECT * FROM twin.archives()}, '55000', 'archives are switched off', 'for readers, too');
set('archive_directory', $base);
chmod 0500, $base;
fails_with($node, "SELECT $write", '42501', 'cannot create', 'a folder that cannot be written to') if $> != 0;
chmod 0755, $base;

# Once its rows are sealed and a checkpoint covers them.
sub archive
{
	my ($what) = @_;
	for (1 .. 20)
	{
		signed();
		my $answer = answer_of($node, "SELECT file || ' ' || rows || ' ' || (leaf_set IS NOT NULL) FROM " . ($what // $write));
		return split / /, $answer unless $answer =~ /^\w{5}: /;
		die $answer unless $answer =~ /cannot be archived yet/;
	}
	return;
}
my ($file, $rows, $has_set) = archive();
is($file, "twin_internal.$part.20160101T000000Z-20160201T000000Z.tsarc", 'the name of an archive');
is($rows, '950', 'all events');
is($has_set, 'true', 'and which leaves they are');
(my $manifest = $file) =~ s/\.tsarc$/.manifest.json/;
is(files(), "$manifest $file", 'a file and its manifest, and nothing else');
is(sprintf('%o', (stat "$base/$file")[2] & 07777), '640', 'others cannot read it');
is(verify($file), "t|$rows|", 'it verifies');
cmp_ok(-s "$base/$file", '<', sql($node, "SELECT sum(length(l.leaf)) / 2 FROM twin.audit_log a, twin.audit_leaves(a.leaf_index, a.leaf_index) l WHERE a.recorded_at < '2017-01-01'"), '... and is half of its events, or less');
is(join(' ', archive()), "$file $rows true", 'archived again it is the same, with as many events');
like(slurp("$base/$manifest"), qr/"kind":"leaves".*"partition":"$part"/s, 'the manifest says what it is');
is(sql($node, qq{SELECT file, relation, partition_name, rows = $rows, encrypted, key_name, key_version, present, sha256 = sha256(pg_read_binary_file('$base/$file')), bytes = length(pg_read_binary_file('$base/$file'))
	FROM twin.archives()}), "$file|twin_internal.events_audit|$part|t|f|||t|t|t", 'it is listed');

# ---- read beside the live log ----

is(sql($node, qq{WITH archived AS (SELECT j FROM twin.read_archive('$file') j),
	live AS (SELECT l.* FROM twin.audit_log l WHERE l.recorded_at < '2017-01-01')
	SELECT count(*), count(*) = (SELECT count(*) FROM live),
		bool_and(l.event_id = (j->>'event_id')::bigint AND l.event_time = (j->>'event_time')::timestamptz AND l.event_type = j->>'event_type'
			AND l.details = j->'details' AND l.new IS NOT DISTINCT FROM j->'new'
			AND l.session_user_name = j->>'session_user_name' AND l.class = j->>'class')
	FROM archived JOIN live l ON l.leaf_index = (j->>'leaf_index')::bigint}), '950|t|t', 'rows are those of the live log');
like(sql($node, "SELECT count(*) FROM twin.read_archive('$file')", user => 'auditor'), qr/^\d+$/, 'an auditor reads it');
fails_with($node, "SELECT count(*) FROM twin.$_('$file')", '42501', 'permission denied', "not anybody: $_", user => 'nobody') foreach qw(read_archive verify_archive);
fails_with($node, "SELECT $write", '42501', 'permission denied', 'only retention writes', user => 'boss');
ok($node->poll_query_until('postgres', qq{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'archive_read' AND resource = '$file' AND session_user_name = 'auditor' AND class = 'access'}), 'reading is an event');

# ---- offline ----

my ($program) = run_command([ 'pg_config', '--bindir' ]);
$program .= '/twin_verify';
my $public = sql($node, 'SELECT twin.audit_public_key()');
sub offline { my ($out, $err) = run_command([ $program, 'archive', @_ ]); return ($? >> 8) . " $out$err"; }
like(offline("$base/$file", '--key', $public), qr/^0 holds: an archive of $rows rows\nnewest checkpoint: [^\n]*$/, 'an auditor verifies it without the database');
like(offline("$base/$file"), qr/^0 .*not proven: no key was given/s, 'without a key that is said');
like(offline("$base/$file", '--key', 'twin/other+c0ffee00+AAAA'), qr/^2 /, 'a key that is none');
my $events = offline("$base/$file", '--events', '--key', $public);
is(() = $events =~ /"event_type":"more_300"/g, 2, 'and reads its events');
like(offline("$base/$file", '--json', '--key', $public), qr/^0 \{\s+"holds": true,.*"rows": $rows,.*"not_proven": \[\]/s, 'JSON');
like(offline("$base/none.tsarc"), qr/^1 TAMPERED: none.tsarc: the manifest cannot be opened/, 'one that is not there');

# ---- again ----

my $table = q{twin_internal.write_archive('public.units', NULL, NULL)};
my ($plain) = archive($table);
is($plain, 'public.units.beginning-end.tsarc', 'a table');
my $before = slurp("$base/$plain");
is((archive($table))[0], $plain, 'the same rows again: what is there is taken');
is(slurp("$base/$plain"), $before, 'and is left as it is');
sql($node, "SELECT twin_internal.archive_matches('$plain', 'public.units')");
sql($node, q{UPDATE units SET name = 'changed' WHERE id = 7});
fails_with($node, "SELECT twin_internal.archive_matches('$plain', 'public.units')", 'XX001', 'is not what "units" holds.*row \d+ of it is not as it is in the table', 'a changed row is found');
my ($second) = archive($table);
is($second, 'public.units.beginning-end.2.tsarc', 'other rows of the same name get a number');
is(slurp("$base/$plain"), $before, 'what was there is never written over');
sql($node, "SELECT twin_internal.archive_matches('$second', 'public.units')");
sql($node, 'DELETE FROM units WHERE id = 50');
fails_with($node, "SELECT twin_internal.archive_matches('$second', 'public.units')", 'XX001', 'is not what "units" holds', 'a row that is gone is found');
sql($node, 'ALTER TABLE units ADD more int');
fails_with($node, "SELECT twin_internal.archive_matches('$second', 'public.units')", 'XX001', 'other columns', 'other columns are found');

# ---- values ----

sql($node, q{CREATE TABLE "Odd.Name/é" (id int, "a ""b" numeric(6,2), f float8, b boolean, t timestamptz, j jsonb, y bytea, s twin.encrypted_text(main), n text, arr int[]);
	SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY'; SET bytea_output = 'escape';
	INSERT INTO "Odd.Name/é" VALUES (1, 1.50, 'NaN', true, '2016-01-01 00:00:00+00', '{"k":[1,2]}', '\x00ff', 'geheim', E'q"\\\n', '{1,2}'), (2, NULL, 0.1, false, '2016-01-02 00:00:00+00', 'null', '', NULL, '', NULL),
		(3, 9, 1, NULL, '2016-02-01 00:00:00+00', '1', NULL, NULL, NULL, NULL), (4, 9, 1, NULL, NULL, '1', NULL, NULL, NULL, NULL)});
my ($odd, $odd_rows) = archive(q{twin_internal.write_archive('"Odd.Name/é"', '2016-01-01 00:00:00+00', '2016-02-01 00:00:00+00', 't')});
is("$odd $odd_rows", 'public.Odd%2EName%2F%C3%A9.20160101T000000Z-20160201T000000Z.tsarc 2', 'odd names, and a range of times');
is(sql($node, qq{SELECT j - 's' FROM twin.read_archive('$odd') j}),
	qq({"b": true, "f": "NaN", "j": {"k": [1, 2]}, "n": "q\\"\\\\n", "t": "2016-01-01 00:00:00+00", "y": "\\\\x00ff", "id": 1, "arr": "{1,2}", "a \\"b": 1.50}\n)
	. q({"b": false, "f": 0.1, "j": null, "n": "", "t": "2016-01-02 00:00:00+00", "y": "\\\\x", "id": 2, "arr": null, "a \\"b": null}), 'typed values, printed one way');
is(sql($node, qq{COPY (SELECT s FROM "Odd.Name/é" WHERE id = 1) TO STDOUT}), sql($node, qq{SELECT j->>'s' FROM twin.read_archive('$odd') j LIMIT 1}), 'encrypted columns are armor');
unlike(slurp("$base/$odd"), qr/geheim/, 'no plaintext');
is(verify($odd), 't|2|', 'and it verifies');
fails_with($node, q{SELECT twin_internal.write_archive('"Odd.Name/é"', NULL, now(), 'id')}, '42804', 'not a column of times', 'a column of another type');
sql($node, q{CREATE TABLE empty (at date); CREATE VIEW seen AS TABLE empty});
my ($empty) = archive(q{twin_internal.write_archive('empty', '2016-01-01', '2016-02-01', 'at')});
is(verify($empty), 't|0|', 'no rows');
fails_with($node, q{SELECT twin_internal.write_archive('seen', NULL, NULL)}, '42809', 'is not a table', 'a view');

# ---- who reads rows of tables ----

fails_with($node, "SELECT * FROM twin.read_archive('$plain')", '42501', 'which administrators read', 'not an auditor', user => 'auditor');
fails_with($node, "SELECT * FROM twin.read_archive('$plain')", '42501', 'may not read as a whole', 'not without SELECT', user => 'boss');
sql($node, 'GRANT SELECT ON units TO boss');
is(sql($node, "SELECT count(*) FROM twin.read_archive('$plain')", user => 'boss'), '50', 'with it');
sql($node, 'ALTER TABLE units ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON units USING (id < 3)');
fails_with($node, "SELECT * FROM twin.read_archive('$plain')", '42501', 'may not read as a whole', 'not past row security', user => 'boss');

# ---- encrypted ----

set('archive_key', 'archive');
rename "$base/$file", "$base/../kept.tsarc";
rename "$base/$manifest", "$base/../kept.json";
(my $sealed, $rows) = archive();
is($sealed, $file, 'encrypted');
is(verify($sealed), "t|$rows|", 'it verifies');
like(offline("$base/$sealed", '--key', $public), qr/^0 .*not proven: what the archive holds: it is encrypted/s, 'offline its form is checked, and that is said');
unlike(slurp("$base/$sealed"), qr/\Q$canary\E/, 'nothing is read from the file');
fails_with($node, "SELECT * FROM twin.read_archive('$sealed')", '42501', 'permission denied to decrypt', 'an auditor needs the key', user => 'auditor');
sql($node, q{SELECT twin.grant_key('archive', 'auditor', 'decrypt')});
is(sql($node, "SELECT count(*) > 900 FROM twin.read_archive('$sealed')", user => 'auditor'), 't', 'with it he reads');
sql($node, q{SELECT twin.rotate_key('archive')});
is(verify($sealed), "t|$rows|", 'rotation leaves archives as they are');
is(sql($node, "SELECT encrypted, key_name, key_version FROM twin.archives() WHERE file = '$sealed'"), 't|archive|1', '... and the list says which version they need');

# without the database: the key of that one file, from a file that is nobody else's to read or the environment
my $export = "SELECT twin.export_archive_key('$sealed')";
fails_with($node, $export, '42501', 'permission denied', 'who may not read an archive gets no key of it', user => 'nobody');
fails_with($node, $export, '42501', 'permission denied to decrypt', '... nor who may not decrypt', user => 'boss');
my $opens = sql($node, $export, user => 'auditor');
like($opens, qr{^[A-Za-z0-9+/]{64}$}, 'an auditor who may gets it');
ok($node->poll_query_until('postgres', qq{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'archive_key_exported' AND resource = '$sealed' AND session_user_name = 'auditor' AND severity = 'high'}), '... which is an event');
is(sql($node, "SELECT twin.export_archive_key('$odd') IS NULL"), 't', 'what is not encrypted has none');
my $keys = "$base/../keys";
spew($keys, "# keys\n\n" . ('A' x 64) . "\r\n$opens\n");
chmod 0600, $keys;
sub offline_with { my ($given, @more) = @_; local $ENV{TWIN_ARCHIVE_KEYS} = $given; return offline("$base/$sealed", '--key', $public, @more); }
my $proven = qr/^0 holds: an archive of $rows rows\nnewest checkpoint: [^\n]*$/;
like(offline("$base/$sealed", '--key', $public, '--archive-keys', $keys), $proven, 'with it all of the archive is proven offline');
like(offline_with($opens), $proven, '... from the environment as well');
like(offline_with($opens, '--events'), qr/\Q$canary\E/, '... and read');
like(offline_with('A' x 64), qr/^3 UNREADABLE: .*none of the archives' keys that were given/, 'the key of another archive is told from tampering');
like(offline_with(substr($opens, 0, 22) . 'A' x 42), qr/^(?:3 UNREADABLE: .*none of|1 TAMPERED: )/, '... one that was altered opens nothing');
like(offline_with($_), qr/^3 UNREADABLE: .*not as twin.export_archive_key/, 'what is no key is none') foreach 'x', substr($opens, 1), "${opens}A";
chmod 0640, $keys;
like(offline("$base/$sealed", '--archive-keys', $keys), qr/^3 twin_verify: others may read the file/, 'a file that others may read is not taken');
like(offline("$base/$sealed", '--archive-keys', "$keys.none"), qr/^3 twin_verify: No such file/, '... nor one that is not there');
my $damaged = slurp("$base/$sealed");
substr($damaged, length($damaged) / 2, 1) ^= "\x01";
mkdir "$base/../copied";
spew("$base/../copied/$sealed", $damaged);
spew("$base/../copied/$manifest", slurp("$base/$manifest"));
like(do { local $ENV{TWIN_ARCHIVE_KEYS} = $opens; offline("$base/../copied/$sealed") }, qr/^1 TAMPERED: .*a chunk was altered/, 'an altered chunk shows');

set('archive_key', 'nothing');
fails_with($node, "SELECT $table", '42704', 'names no key', 'a key that is not there');
set('archive_key', 'literal');
fails_with($node, "SELECT $table", '42809', 'built-in key', 'no built-in key');
set('archive_key', '');

# ---- files of attackers ----

my ($good_file, $good_manifest) = (slurp("$base/$file"), slurp("$base/$manifest"));
sub bad
{
	my ($bytes, $text, $reason, $title) = @_;
	spew("$base/$file", $bytes);
	spew("$base/$manifest", $text);
	like(verify($file), qr/^f\|\d+\|.*$reason/, $title);
	like(offline("$base/$file"), qr/^[13] (?:TAMPERED|UNREADABLE)/, "$title: offline, too") unless $reason =~ /^(?:other leaves|another number|not one of this)/;
	fails_with($node, "SELECT * FROM twin.read_archive('$file')", 'XX001', 'cannot be read', "$title: not read", user => 'auditor');
	return;
}
for my $at (0, 9, 30, 40, length($good_file) - 1, map { int rand length $good_file } 1 .. 5)
{
	my $bytes = $good_file;
	substr($bytes, $at, 1) ^= "\x10";
	bad($bytes, $good_manifest, '.', "byte $at");
}
bad(substr($good_file, 0, -1), $good_manifest, 'bytes, its manifest says', 'cut');
bad($good_file . 'x', $good_manifest, 'bytes, its manifest says', 'longer');
bad(slurp("$base/../kept.tsarc"), $good_manifest, 'bytes, its manifest says', 'swapped files');
(my $text = $good_manifest) =~ s/"rows":(\d+)/'"rows":' . ($1 - 1)/e;
bad($good_file, $text, 'another number of rows', 'rows that are too few');
($text = $good_manifest) =~ s/"sha256":"(.)/'"sha256":"' . ($1 eq 'a' ? 'b' : 'a')/e;
bad($good_file, $text, 'SHA-256', 'another digest');
($text = $good_manifest) =~ s/"leaf_set_sha256":"(.)/'"leaf_set_sha256":"' . ($1 eq 'a' ? 'b' : 'a')/e;
bad($good_file, $text, 'other leaves', 'other leaves');
($text = $good_manifest) =~ s/"from":"2016-01-01/"from":"2016-01-02/;
bad($good_file, $text, 'that of another archive', 'another time');
($text = $good_manifest) =~ s/"key_id":\d+/"key_id":1/;
bad($good_file, $text, 'not one of this database', 'another key');
bad($good_file, '{}', 'not as an archive', 'no manifest');
bad($good_file, '', 'not as an archive', 'an empty manifest');
bad('', $good_manifest, 'bytes, its manifest says', 'an empty file');
spew("$base/$manifest", $good_manifest);
unlink "$base/$file";
like(verify($file), qr/^f\|0\|the archive's file is missing/, 'a missing file');
is(sql($node, "SELECT present FROM twin.archives() WHERE file = '$file'"), 'f', 'is listed as missing');
symlink '/etc/passwd', "$base/$file";
like(verify($file), qr/^f\|0\|a symbolic link/, 'a link');
unlink "$base/$file";
mkdir "$base/$file";
like(verify($file), qr/^f\|0\|this is not a file/, 'a folder');
rmdir "$base/$file";
spew("$base/$file", $good_file);
is(verify($file), "t|$rows|", 'whole again');
edit_log($node, "INSERT INTO twin_internal.retired_leaves VALUES (1, '$whole', 0, 1, 2, '\\x00', '$file', sha256('another'), now())");
like(verify($file), qr/^f\|$rows\|the audit log says/, 'another file than the one that was dropped for');
edit_log($node, 'DELETE FROM twin_internal.retired_leaves');
fails_with($node, "SELECT * FROM twin.verify_archive('$_')", '42602', 'not a name that an archive can have', "not \"$_\"")
  foreach ('', '../a.tsarc', '/etc/passwd', 'a/b.tsarc', '.a.tsarc', 'a.json', 'x' x 300 . '.tsarc');
is(verify('none.tsarc'), 'f|0|there is no such archive, or its manifest is missing', 'none');

# ---- what was begun is removed; what others left has no say ----

spew("$base/.left.tsarc.new", 'x');
sql($node, q{INSERT INTO empty VALUES ('2016-01-05')});
my ($again) = archive(q{twin_internal.write_archive('empty', '2016-01-01', '2016-02-01', 'at')});
is($again, 'public.empty.20160101T000000Z-20160201T000000Z.2.tsarc', 'rows that came later');
ok(!-e "$base/.left.tsarc.new", 'what was left is removed');
unlike(files(), qr/\.new/, 'nothing is left');

# ---- an archive that is there is as good as one that is written ----

is(join(' ', archive()), "$file $rows true", 'taken with what is in it');

# ---- a row that was changed is not archived ----

my ($id) = sql($node, "SELECT event_id FROM $whole WHERE event_type = 'event_77'");
edit_log($node, "UPDATE $whole SET username = 'eve' WHERE event_id = $id");
fails_with($node, "SELECT twin_internal.write_archive('$whole', '2026-05-01', '2026-06-01')", '(XX001|55000)', '(not what was sealed|cannot be archived yet)', 'a changed event is named');
unlike(files(), qr/2026-05|20260501/, 'and nothing is left of it');

done_testing();
