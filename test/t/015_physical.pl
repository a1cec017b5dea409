# Copies of a whole cluster: base backups, standbys with and without the key and their promotion, rotation of the master
# key under them, and recovery to a time before a key was destroyed. (pg_upgrade: 003 and 167.)
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my ($old_key, $new_key) = (new_key(), new_key());
# what was written of a destroyed key is to be found for certain
my $primary = new_node('primary', allows_streaming => 1, has_archiving => 1, conf => "wal_keep_size = 1GB\n");
start_with($primary, $old_key);
sql($primary, q{
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii'), twin.create_key('doomed');
	CREATE ROLE reader LOGIN;
	SELECT twin.grant_key(k, 'reader', p) FROM unnest('{main,pii,doomed}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	CREATE TABLE t (id int, v twin.encrypted_text(main), e twin.encrypted_text_eq(pii), d twin.encrypted_text_eq(doomed));
	CREATE INDEX ON t (e);
	GRANT ALL ON t TO reader;
	INSERT INTO t SELECT i, 'v' || i, 'e' || i, 'd' || i % 10 FROM generate_series(1, 100) i});
my @reader = (user => 'reader');
my $open = 'SELECT v::text FROM t WHERE id = 1';
my $search = q{SELECT id FROM t WHERE e = 'e7'};
my $shredded = 'SELECT d::text FROM t WHERE id = 1';
my $stored = q{SELECT md5(string_agg(r::text, ' ' ORDER BY id)) FROM t r WHERE id <= 100};
my $stored_was = sql($primary, $stored);
my $tag = sql($primary, 'SELECT e FROM t WHERE id = 7');

sub copy_of
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init_from_backup($primary, 'base', %options);
	return $node;
}

sub messages
{
	my ($node, $name) = @_;
	return sql($node, "SELECT sum(messages) FROM twin.keys WHERE key_name = '$name'");
}

# ---- base backup, standbys ----

$primary->backup('base');
my $keyed = copy_of('keyed', has_streaming => 1);
start_with($keyed, $old_key);
my $bare = copy_of('bare', has_streaming => 1);
start_with($bare, undef);
sub arrived { $primary->wait_for_catchup($_, 'replay', $primary->lsn('insert')) foreach @_; return }

# What a copy without the key does and does not do.
sub check_bare
{
	my ($node, $how) = @_;
	is(sql($node, $stored), $stored_was, "$how: the stored bytes");
	is(sql($node, "SET enable_seqscan = off; SELECT id FROM t WHERE e = '$tag'"), '7', "$how: armor is found by index");
	is(sql($node, 'SELECT count(*) FROM t a JOIN t b ON a.e = b.e WHERE a.id <= 100'), '100', "$how: joins work");
	is(sql($node, 'SELECT count(*) FROM (SELECT DISTINCT d FROM t WHERE id <= 100) s'), '10', "$how: so does DISTINCT");
	fails_with($node, $_, '55000', 'ENCRYPTION_KEY is not set', "$how: refused: $_", @reader)
	  foreach $open, 'SELECT twin.decrypt(e) FROM t', $search, "$search\:\:text",
	  q{PREPARE p (text) AS SELECT id FROM t WHERE e = $1; EXECUTE p ('e7')}, q{SELECT 'x'::twin.encrypted_text};
	return;
}
check_bare($bare, 'a standby without the key');
is(sql($keyed, "$open; $search; $shredded", @reader), "v1\n7\nd1", 'a standby with the key opens and finds');
fails_with($keyed, q{SELECT 'x'::text::twin.encrypted_text(main)}, '25006', 'during recovery', 'it seals nothing for columns', @reader);

# ---- a key is destroyed ----

my $wrapped = sql($primary, q{SELECT encode(wrapped, 'hex') FROM twin_internal.key_versions WHERE key_name = 'doomed'});
sql($primary, q{SELECT pg_create_restore_point('before'); SELECT twin.destroy_key('doomed'); VACUUM FULL twin_internal.key_versions;
	CHECKPOINT; SELECT pg_switch_wal()});
arrived($keyed, $bare);
fails_with($keyed, $shredded, 'TW102', 'Key "doomed", version 1', 'destruction reaches a standby', @reader);
is(sql($keyed, q{SELECT count(*) FROM t WHERE d = 'd1'}), '10', 'where equality goes on working');
is(files_holding(pack('H*', $wrapped), $primary->data_dir . '/base'), '', 'after VACUUM FULL the wrapped key is in no table');
isnt(files_holding(pack('H*', $wrapped), $primary->data_dir . '/pg_wal'), '', 'a stated limit: WAL holds it');
isnt(files_holding(pack('H*', $wrapped), $primary->backup_dir), '', 'and so does a base backup');
sql($primary, 'CREATE DATABASE restored');
run_pipe(join ' | ', "pg_dump -d '" . $primary->connstr('postgres') . "'", "psql -X -q -v ON_ERROR_STOP=1 -d '" . $primary->connstr('restored') . "'");
my $versions = 'SELECT key_id, key_name, version, state FROM twin.keys ORDER BY 1';
my @restored = (db => 'restored');
is(sql($primary, $_, @restored), sql($primary, $_), 'a dump brings destroyed keys as such') foreach $versions, $stored;
fails_with($primary, $shredded, 'TW102', 'Key "doomed", version 1', 'whose values stay closed', @restored, @reader);
is(sql($primary, q{SELECT count(*) FROM t WHERE d = 'd1'}, @restored), '10', 'and are found');
fails_with($primary, q{INSERT INTO t (d) VALUES ('x')}, 'TW102', 'Key "doomed" has no version left that seals', 'none are sealed', @restored);

# ---- rotation of the master key under standbys ----

my $rotating = $keyed->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'reader' ]);
is($rotating->query_safe($open), 'v1', 'a session on the standby that has the old key only');
restart_with($bare, $new_key, $old_key);
restart_with($primary, $new_key, $old_key);
is(sql($_, "$open; $search", @reader), "v1\n7", $_->name . ': before rotate_master_key() every server opens') foreach $primary, $keyed, $bare;
cmp_ok(sql($primary, 'SELECT twin.rotate_master_key()'), '>', 0, 'rotate_master_key()');
arrived($keyed, $bare);
session_fails($rotating, $open, 'TW101', 'that session is told of a wrong key');
session_fails($rotating, $search, 'TW101', 'when it searches as well');
is(sql($keyed, $stored), $stored_was, 'armor goes on being replicated');
is(sql($bare, "$open; $search", @reader), "v1\n7", 'a standby that was given both keys before opens');
$rotating->quit;
restart_with($keyed, $old_key, $new_key);
is(sql($keyed, "$open; $search", @reader), "v1\n7", 'whichever of them is the previous one');
sql($primary, q{SELECT twin.rotate_key('pii'); SELECT twin.rotate_key('pii'); INSERT INTO t (id, e) VALUES (200, 'rotated')});
arrived($keyed, $bare);
is(sql($keyed, 'SELECT e::text FROM t WHERE id = 200', @reader), 'rotated', 'versions made since open there too');
restart_with($primary, $new_key);
restart_with($keyed, $new_key);
is(sql($_, "$open; $search", @reader), "v1\n7", $_->name . ': then the old key can go') foreach $primary, $keyed;
sql($primary, q{INSERT INTO t (id, e) VALUES (201, 'after')});
arrived($keyed, $bare);
is(sql($keyed, q{SELECT id FROM t WHERE e = 'after'}), '201', 'all along replication went on');

# ---- promotion of both ----

restart_with($bare, undef);
my %was = map { $_ => messages($primary, $_) } qw(main pii literal);
sql($keyed, join '; ', map { "SELECT FROM t WHERE e = 'value $_' LIMIT 0" } 1 .. 500);
$primary->stop;
$keyed->promote;
my $keys_before = sql($keyed, $versions);
is(join(' ', grep { messages($keyed, $_) < $was{$_} } keys %was), '', 'promoted with the key: no count is lower than the primary\'s');
sql($keyed, q{INSERT INTO t (id, v, e) SELECT 300 + i, 'new', 'new' FROM generate_series(1, 500) i}, @reader);
is(sql($keyed, q{SELECT v::text FROM t WHERE e = 'new' LIMIT 1}, @reader), 'new', 'it seals, opens and finds');
cmp_ok(messages($keyed, $_), '>=', $was{$_} + 500, "$_: counts on from there") foreach 'main', 'pii';
cmp_ok(messages($keyed, 'literal'), '>=', $was{literal} + 500, 'what it sealed as a standby is counted now');
is(sql($keyed, $versions), $keys_before, 'no key was made');
sql($keyed, q{SELECT twin.rotate_key('main'); SELECT twin.rotate_key('main'); INSERT INTO t (id, v) VALUES (900, 'more')});

$bare->promote;
check_bare($bare, 'promoted without the key');
fails_with($bare, $_, '55000', 'ENCRYPTION_KEY is not set', "refused: $_")
  foreach q{INSERT INTO t (v) VALUES ('x')}, q{INSERT INTO t (v) SELECT 'x'::text}, "COPY t (id, v) FROM STDIN;\n1\tx\n\\.\n",
  q{SELECT twin.create_key('new')}, q{SELECT twin.rotate_key('main')}, 'SELECT twin.rotate_master_key()';
sql($bare, 'CREATE TABLE kept (LIKE t); ALTER TABLE kept ADD UNIQUE (e);
	INSERT INTO kept SELECT * FROM t; UPDATE t SET id = id; DELETE FROM t WHERE id = 100');
is(sql($bare, 'SELECT count(*) FROM kept JOIN t USING (e, id)'), '101', 'rows are copied, changed and deleted without it');
sql($bare, q{SELECT twin.revoke_key('pii', 'reader', 'decrypt'), twin.grant_key('pii', 'reader', 'decrypt')});
restart_with($bare, $new_key);
is(sql($bare, "$open; $search", @reader), "v1\n7", 'restarted with the key it opens and finds');
sql($bare, q{INSERT INTO t (id, v, e) SELECT 300 + i, 'new', 'new' FROM generate_series(1, 100) i}, @reader);
cmp_ok(messages($bare, $_), '>=', $was{$_} + 100, "$_: and counts on") foreach 'main', 'pii';

# ---- two branches of one history ----

sql($bare, q{SELECT twin.rotate_key('main'); SELECT twin.rotate_key('main'); INSERT INTO t (id, v) VALUES (900, 'more')});
my $newest = q{SELECT max(version) FROM twin.keys WHERE key_name = 'main'};
is(sql($bare, $newest), sql($keyed, $newest), 'both branches have a version of the same number');
my $foreign = sql($keyed, 'SELECT v FROM t WHERE id = 900');
sql($bare, "UPDATE t SET v = '$foreign' WHERE id = 900");
fails_with($bare, 'SELECT v::text FROM t WHERE id = 900', 'TW105', 'does not hold', 'but not of the same id: a value of the other branch is not misread', @reader);

# ---- recovery to a time before the key was destroyed ----

my $past = copy_of('past', has_restoring => 1, standby => 0);
$past->append_conf('postgresql.conf', "recovery_target_name = 'before'\nrecovery_target_action = 'promote'");
start_with($past, undef);
$past->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die;
check_bare($past, 'recovered without a key');
restart_with($past, $new_key);
fails_with($past, $shredded, 'TW101', 'wrong key', 'the master key of today does not open what was wrapped then', @reader);
restart_with($past, $new_key, $old_key);
is(sql($past, "$open; $search; $shredded", @reader), "v1\n7\nd1", 'a stated limit: with the one of then a destroyed key is back');
cmp_ok(messages($past, 'pii'), '<', $was{pii}, 'and messages sealed since are not counted');

done_testing();
