# Another ENCRYPTION_KEY than the one that wrapped the keys is told apart from damage and makes nothing; with the old
# one in ENCRYPTION_KEY_PREVIOUS the change is complete after rotate_master_key().  A superuser who edits the keyring's
# tables gets an error, never a plaintext.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my ($old_key, $new_key) = (new_key(), new_key());
my $canary = canary();
my $node = new_node('wrong_key');
start_with($node, $old_key);
sql($node, qq{
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii');
	CREATE ROLE reader LOGIN; CREATE ROLE stranger LOGIN;
	SELECT twin.grant_key(k, 'reader', p) FROM unnest('{main,pii,environment}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	CREATE TABLE t (id int PRIMARY KEY, v twin.encrypted_text(main), e twin.encrypted_text_eq(pii) UNIQUE);
	GRANT ALL ON t TO reader, stranger;
	INSERT INTO t VALUES (1, '$canary', 'one')});
my $whole = sql($node, "SELECT twin.encrypt_data('$canary')", user => 'reader');
my $armor = sql($node, 'SELECT v, e FROM t');
my $open = 'SELECT v::text, e::text FROM t WHERE id = 1';
my $inventory = q{SELECT md5(string_agg(v::text, ',' ORDER BY key_id)) FROM twin_internal.key_versions v};
my $keys_before = sql($node, $inventory);
is(sql($node, $open, user => 'reader'), "$canary|one", 'with the right key');

# ---- the wrong key ----

restart_with($node, $new_key);
my @reader = (user => 'reader');
fails_with($node, $open, 'TW101', 'wrong key', 'reading', @reader);
fails_with($node, "INSERT INTO t (id, v) VALUES (2, 'new')", 'TW101', 'wrong key', 'sealing a literal', @reader);
fails_with($node, "INSERT INTO t (id, v) SELECT 2, 'new'::text", 'TW101', 'wrong key', 'sealing by assignment', @reader);
fails_with($node, "COPY t (id, v) FROM STDIN;\n2\tnew\n\\.\n", 'TW101', 'wrong key', 'sealing in COPY', @reader);
fails_with($node, "SELECT 1 FROM t WHERE e = 'one'", 'TW101', 'wrong key', 'searching', @reader);
fails_with($node, "SELECT twin.create_key('stray')", 'TW101', 'wrong key', 'create_key');
fails_with($node, "SELECT twin.rotate_key('main')", 'TW101', 'wrong key', 'rotate_key');
fails_with($node, 'SELECT twin.rotate_master_key()', 'TW101', 'wrong key', 'rotate_master_key without the old key');
fails_with($node, "SELECT twin.encrypt_data('x')", '55000', 'new to this database', 'encrypt_data', @reader);
fails_with($node, "SELECT twin.decrypt_data('$whole')", 'TW201', 'integrity', 'decrypt_data', @reader);
sql($node, "SELECT twin.revoke_key('main', 'reader', 'decrypt')");
fails_with($node, $open, '(?:42501|TW101)', '', 'a revocation needs no key', @reader);
sql($node, "SELECT twin.grant_key('main', 'reader', 'decrypt')");
is(sql($node, 'SELECT v, e FROM t'), $armor, 'armor still comes out');
is(sql($node, 'SELECT count(*) FROM t a JOIN t b USING (e)'), '1', 'and compares');
is(sql($node, 'SELECT count(*) FROM t'), '1', 'nothing was stored');
is(sql($node, $inventory), $keys_before, 'and no key was made');

# ---- with the old key beside it ----

restart_with($node, $new_key, $old_key);
is(sql($node, $open, @reader), "$canary|one", 'with the old key as the previous one values open');
sql($node, "INSERT INTO t VALUES (2, 'second', 'two')", @reader);
is(sql($node, "SELECT v::text FROM t WHERE e = 'two'", @reader), 'second', 'and new ones are sealed and found');
sql($node, "SELECT twin.create_key('fresh')");
is(sql($node, "SELECT twin.decrypt_data('$whole')", @reader), $canary, 'decrypt_data tries the previous key');
fails_with($node, "SELECT twin.encrypt_data('x')", '55000', 'rotate_master_key', 'encrypt_data waits for rotate_master_key', @reader);
fails_with($node, 'SELECT twin.rotate_master_key()', '42501', 'permission denied', 'which is not for everybody', @reader);
my $expected = sql($node, q{SELECT (SELECT count(*) FROM twin_internal.key_versions WHERE wrapped IS NOT NULL AND wrapping_id <> twin_internal.master_key_id())
	+ (SELECT count(*) FROM twin_internal.wrapped_secrets WHERE wrapping_id <> twin_internal.master_key_id())});
cmp_ok($expected, '>', 3, 'there are keys to rewrap');
is(sql($node, 'SELECT twin.rotate_master_key()'), $expected, 'rotate_master_key says how many it rewrapped');
is(sql($node, 'SELECT twin.rotate_master_key()'), '0', 'and finds none the second time');
is(sql($node, 'SELECT v, e FROM t WHERE id = 1'), $armor, 'no stored value was touched');
my $new_whole = sql($node, "SELECT twin.encrypt_data('whole')", @reader);

restart_with($node, $new_key);
is(sql($node, "$open; SELECT v::text FROM t WHERE e = 'two'", @reader), "$canary|one\nsecond", 'then the new key suffices');
is(sql($node, "SELECT twin.decrypt_data('$new_whole')", @reader), 'whole', 'for whole values as well');
fails_with($node, "SELECT twin.decrypt_data('$whole')", 'TW201', 'integrity', 'those of the old key do not open any more', @reader);
is(sql($node, q{SELECT count(*), sum(messages) > 0 FROM twin.keys WHERE key_name = 'environment'}), '2|t',
	'messages of whole values are counted per ENCRYPTION_KEY');
restart_with($node, $old_key);
fails_with($node, $open, 'TW101', 'wrong key', 'the old key is a wrong key now', @reader);
restart_with($node, $new_key, 'not base64');
is(sql($node, $open, @reader), "$canary|one", 'an unusable previous key is no obstacle');
like(slurp_file($node->logfile), qr/ENCRYPTION_KEY_PREVIOUS is not usable: /, 'and is reported in the log');

# ---- a superuser edits the keyring ----

sql($node, q{SELECT twin.rotate_key('main'); SELECT twin.rotate_key('main');
	CREATE TABLE saved_keys AS TABLE twin_internal.keys; CREATE TABLE saved_versions AS TABLE twin_internal.key_versions});
my $undo = q{SET session_replication_role = replica;
	DELETE FROM twin_internal.key_versions; INSERT INTO twin_internal.key_versions TABLE saved_versions;
	DELETE FROM twin_internal.keys; INSERT INTO twin_internal.keys TABLE saved_keys;
	RESET session_replication_role; UPDATE twin_internal.keys SET kind = kind};
my $versions = 'UPDATE twin_internal.key_versions';
my $main = "key_name = 'main' AND version = 1";
my $pii = "key_name = 'pii' AND version = 1";
my $main_2 = "key_name = 'main' AND version = 2";
my $from = sub { my ($column, $row) = @_; "(SELECT $column FROM saved_versions WHERE $row)" };
my %tampering = (
	'a bit of a wrapped key flipped' => "$versions SET wrapped = set_bit(wrapped, 200, 1 - get_bit(wrapped, 200)) WHERE $main",
	'its format byte changed' => "$versions SET wrapped = set_byte(wrapped, 0, 2) WHERE $main",
	'a wrapped key removed' => "$versions SET wrapped = NULL WHERE $main",
	'wrapped keys of two keys exchanged' => "$versions SET wrapped = " . $from->('wrapped', $pii) . " WHERE $main;
		$versions SET wrapped = " . $from->('wrapped', $main) . " WHERE $pii",
	'wrapped keys of two versions exchanged' => "$versions SET wrapped = " . $from->('wrapped', $main_2) . " WHERE $main",
	'key ids of two keys exchanged' => "SET session_replication_role = replica;
		$versions SET key_id = 0 WHERE $main; $versions SET key_id = " . $from->('key_id', $main) . " WHERE $pii;
		$versions SET key_id = " . $from->('key_id', $pii) . " WHERE $main",
	'a version moved to another key' => "$versions SET key_name = 'fresh', version = 7, state = 'decrypt-only' WHERE $main",
	'an index key in place of a column key' => "$versions SET wrapped = " . $from->('wrapped', "key_name = 'index.text'") . " WHERE $main",
	'a column key called literal' => "UPDATE twin_internal.keys SET kind = 'literal' WHERE key_name = 'main'",
	'a column key called index' => "UPDATE twin_internal.keys SET kind = 'index' WHERE key_name = 'main'",
	'another context' => "UPDATE twin_internal.keys SET context = gen_random_uuid() WHERE key_name = 'main'",
	'another modifier' => "UPDATE twin_internal.keys SET modifier = 12345 WHERE key_name = 'main'");
my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'reader' ]);
my $open_main = 'SELECT v::text FROM t WHERE id = 1';
foreach my $what (sort keys %tampering)
{
	is($session->query_safe($open_main), $canary, "$what: fine before");
	sql($node, $tampering{$what});
	fails_with($node, $open_main, 'TW106', 'integrity check', "$what: noticed", @reader);
	session_fails($session, $open_main, 'TW106', "$what: noticed by a session that had opened the value")
	  unless $tampering{$what} =~ /replica/;
	foreach my $user ('stranger', 'postgres')
	{
		fails_with($node, $open_main, '(?:TW106|42501)', '', "$what: opens nothing for $user, who has no grant", user => $user);
	}
	sql($node, $undo);
}
sql($node, "$versions SET wrapping_id = '\\x00112233445566778899aabbccddeeff' WHERE $main");
fails_with($node, $open_main, 'TW101', 'wrong key', 'a foreign wrapping id is a wrong key', @reader);
sql($node, $undo);
sql($node, "UPDATE twin_internal.keys SET kind = 'data' WHERE key_name = 'literal'");
fails_with($node, "INSERT INTO t VALUES (3, 'x')", 'TW106', 'integrity check', 'the literal key is bound to its kind', @reader);
sql($node, $undo);
sql($node, "$versions SET wrapped = " . $from->('wrapped', "key_name = 'index.bytea'") . " WHERE key_name = 'index.text'");
fails_with($node, "SELECT 1 FROM t WHERE e = 'one'", 'TW106', 'integrity check', 'so is an index key to its base type', @reader);
sql($node, $undo);
is($session->query_safe($open_main), $canary, 'with the rows put back everything opens again');
$session->quit;
$node->stop;

done_testing();
