# A standby takes over, and the old primary follows it after pg_rewind; a base backup and archived WAL are restored by the
# drill in deploy/, which proves the audit log and a sample, and sees what does not hold.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep);

my $key = new_key();
my $a = new_node('a', allows_streaming => 1, has_archiving => 1, conf => "wal_log_hints = on\nwal_keep_size = 512MB\ntwin_security.checkpoint_interval = 1s\n");
start_with($a, $key);
sql($a, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE reader LOGIN;
	SELECT twin.create_key('pii'), twin.grant_key('pii', 'reader', 'decrypt');
	CREATE TABLE people (id int PRIMARY KEY, email twin.encrypted_text_eq(pii));
	GRANT SELECT ON people TO reader;
	SELECT twin.audit_table('people');
	INSERT INTO people SELECT i, 'p' || i || '@example.org' FROM generate_series(1, 50) i});
my $open = 'SELECT email::text FROM people WHERE id = 7';
my $whole = q{SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log()};
# Waits until a note covers an event that is recorded now; gives the note.
sub note_of
{
	my ($node, $type) = @_;
	my $id = sql($node, "SELECT twin.record_event('$type')");
	$node->poll_query_until('postgres', qq{SELECT EXISTS (SELECT FROM twin.audit_log e WHERE e.event_id = $id
		AND e.leaf_index < split_part(twin.audit_checkpoint(), E'\\n', 2)::bigint)}) or die 'no note';
	return sql($node, 'SELECT twin.audit_checkpoint()') . "\n";
}

# ---- a backup, and what came after it ----

$a->backup('base');
my $early = note_of($a, 'before_the_target');
sql($a, q{INSERT INTO people VALUES (100, 'late@example.org')});
my $target = sql($a, 'SELECT clock_timestamp()');
my $kept = note_of($a, 'after_the_target');
my $public = sql($a, 'SELECT twin.audit_public_key()') . "\n";
sql($a, 'SELECT pg_switch_wal()');
$a->poll_query_until('postgres', 'SELECT last_archived_wal IS NOT NULL FROM pg_stat_archiver') or die;
my $last = sql($a, 'SELECT pg_walfile_name(pg_switch_wal())');
$a->poll_query_until('postgres', "SELECT last_archived_wal >= '$last' FROM pg_stat_archiver") or die;

# ---- the drill ----

my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/$_->[0]", $_->[1]) foreach [ 'early.note', $early ], [ 'kept.note', $kept ], [ 'log.key', $public ];
(my $forged = $kept) =~ s/^(.*\n.*\n)(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e;
append_to_file("$folder/forged.note", $forged);
my $drill_key = $key;
sub drill
{
	my (@arguments) = @_;
	local %ENV = (%ENV, ENCRYPTION_KEY => $drill_key, TMPDIR => $folder);
	my ($out, $err) = ('', '');
	IPC::Run::run([ "$ENV{TWIN_SOURCE}/deploy/restore-drill", '--backup', $a->backup_dir . '/base', '--wal', $a->archive_dir, @arguments ], '>', \$out, '2>', \$err);
	note($out . $err);
	return ($? >> 8, $out . $err);
}
my @sample = ('--database', 'postgres', '--as', 'reader', '--sample', 'SELECT email::text FROM people');
my ($status, $said) = drill('--checkpoint', "$folder/kept.note", '--key', "$folder/log.key", @sample);
is($status, 0, 'the drill proves it all') or diag($said);
like($said, qr/^proved +$_/m, "... $_") foreach 'the backup is as its manifest says', 'it starts', 'postgres: the audit log is whole, \d+ leaves', 'postgres: it continues the note of \d+ leaves', 'postgres: reader opens the sample, 51 rows';
unlike($said, qr/example\.org/, 'and shows nothing of it');
is(join(' ', glob "$folder/restore-drill.*"), '', 'and takes the copy away');
($status, $said) = drill('--until', $target, '--checkpoint', "$folder/early.note", '--key', "$folder/log.key", @sample);
is($status, 0, 'to a point in time, too') or diag($said);
like($said, qr/opens the sample, 51 rows/, '... with what was there then');
($status, $said) = drill('--until', sql($a, "SELECT '$target'::timestamptz"), '--checkpoint', "$folder/kept.note", '--key', "$folder/log.key");
is($status, 1, 'a log that ends before the note that was kept is seen');
like($said, qr/^FAILED .*leaves are missing/m, '... and how much is missing');
($status, $said) = drill('--checkpoint', "$folder/forged.note", '--key', "$folder/log.key");
is($status, 1, 'one that is not that note\'s is seen');
$drill_key = new_key();
($status, $said) = drill(@sample);
is($status, 1, 'with another key ...');
like($said, qr/^FAILED .*the sample gives no row/m, '... nothing opens');
$drill_key = $key;
append_to_file($a->backup_dir . '/base/PG_VERSION', "\n");
($status, $said) = drill(@sample);
is($status, 1, 'a backup that was changed is seen');
like($said, qr/^FAILED .*not as its manifest says/m, '... by its manifest');

# ---- failover ----

$a->backup('second');
my $b = PostgreSQL::Test::Cluster->new('b');
$b->init_from_backup($a, 'second', has_streaming => 1);
start_with($b, $key);
$a->wait_for_catchup($b, 'replay', $a->lsn('insert'));
is(sql($b, $open, user => 'reader'), 'p7@example.org', 'a standby opens what the primary sealed');
$b->promote;
my $epochs = 'SELECT count(*) FROM twin_internal.epochs';
my $after = note_of($b, 'on_b');
isnt(sql($b, $epochs), sql($a, $epochs), 'the promoted server begins an epoch of its log');
is(sql($b, $whole), 't|', '... which is whole');
like(sql($b, q{SELECT string_agg(event_type, ' ') FROM twin.audit_log WHERE application_made}), qr/before_the_target after_the_target on_b/, '... and goes on');
# the old primary does not know, and goes on for a while
note_of($a, 'nobody_knows');
sql($a, q{INSERT INTO people VALUES (200, 'lost@example.org')});
$a->stop;
$b->safe_psql('postgres', 'CHECKPOINT');
PostgreSQL::Test::Utils::system_or_bail('pg_rewind', '--target-pgdata', $a->data_dir, '--source-server', $b->connstr('postgres'), '--no-sync');
$a->append_conf('postgresql.conf', 'port = ' . $a->port);
$a->enable_streaming($b);
start_with($a, $key);
sql($b, q{INSERT INTO people VALUES (300, 'new@example.org')});
note_of($b, 'both');
$b->wait_for_catchup($a, 'replay', $b->lsn('insert'));
is(sql($a, 'SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM people WHERE id > 50'), '100 300', 'after pg_rewind the old primary follows');
is(sql($a, 'SELECT email::text FROM people WHERE id = 300', user => 'reader'), 'new@example.org', '... opens what the new one sealed');
is(sql($a, $whole), 't|', '... and its log is whole');
is(sql($a, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'nobody_knows'}), '0', 'what nobody knew is not in it');
my $newest = sql($a, q{SELECT encode(convert_to(twin.audit_checkpoint(), 'UTF8'), 'hex')});
is(sql($b, "SELECT count(*) FROM twin_internal.checkpoints_of_log WHERE encode(note, 'hex') = '$newest'"), '1', 'both have one log');
is(sql($a, 'SELECT count(*) > 0 FROM twin.standby_events()'), 't', 'as a standby it writes down what happens there');
# as docs/standby.md carries them
my ($standby, $primary) = map { $_->connstr('postgres') } $a, $b;
my $carry = q{SELECT format('SELECT twin.accept_standby_events(%L);', content) FROM twin.standby_events()};
my $carried = 0;
$carried += $_ foreach split /\n/, `psql -XAtq -v ON_ERROR_STOP=1 -d "$standby" -c "$carry" | psql -XAtq -v ON_ERROR_STOP=1 -d "$primary"`;
cmp_ok($carried, '>', 0, 'which the new primary takes');
ok($b->poll_query_until('postgres', "SELECT count(*) = $carried FROM twin.audit_log WHERE details ? 'standby_event'"), 'into the log');
$a->stop;
$b->stop;
done_testing();
