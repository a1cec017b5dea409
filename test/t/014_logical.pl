# Logical replication: encrypted columns arrive byte for byte and need no key to be applied; the keyring's own tables can
# be published, so that a subscriber which is meant to read has every version before values come that need it.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $many = q{
	max_replication_slots = 40
	max_worker_processes = 50
	max_logical_replication_workers = 40
	max_sync_workers_per_subscription = 4
	wal_retrieve_retry_interval = 100ms};
my $key = new_key();
my $publisher = new_node('publisher', allows_streaming => 'logical', conf => "$many\nmax_wal_senders = 40");
start_with($publisher, $key);
my $roles = 'CREATE ROLE reader LOGIN; CREATE ROLE replicator LOGIN REPLICATION';
sql($publisher, qq{
	$roles;
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii'), twin.create_key('brief'), twin.create_key('doomed');
	SELECT twin.grant_key(k, 'reader', p) FROM unnest('{main,pii,brief,doomed}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	CREATE TABLE people (id int PRIMARY KEY, email twin.encrypted_text_eq(pii) UNIQUE NOT NULL, name twin.encrypted_text(main),
		body twin.encrypted_jsonb(main), n int);
	CREATE TABLE by_index (email twin.encrypted_text_eq(pii) NOT NULL UNIQUE, name twin.encrypted_text(main));
	ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_email_key;
	CREATE TABLE whole (email twin.encrypted_text_eq(pii), serial twin.encrypted_bigint_eq(main), n int);
	ALTER TABLE whole REPLICA IDENTITY FULL;
	CREATE TABLE noted (id int PRIMARY KEY, note twin.encrypted_text(main));
	ALTER TABLE noted REPLICA IDENTITY FULL;
	CREATE TABLE listed (id int PRIMARY KEY, email twin.encrypted_text_eq(pii), secret twin.encrypted_text(main));
	CREATE TABLE filtered (id int PRIMARY KEY, email twin.encrypted_text_eq(pii));
	CREATE TABLE parts (email twin.encrypted_text_eq(pii) NOT NULL, name twin.encrypted_text(main), PRIMARY KEY (email)) PARTITION BY HASH (email);
	CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE TABLE emptied (id int PRIMARY KEY, email twin.encrypted_text_eq(pii));
	CREATE TABLE olds (id int PRIMARY KEY, v twin.encrypted_text(brief));
	CREATE TABLE doomed (id int PRIMARY KEY, v twin.encrypted_text(doomed));
	GRANT ALL ON ALL TABLES IN SCHEMA public TO reader;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO replicator;
	INSERT INTO people SELECT i, 'u' || i, 'name ' || i, jsonb_build_object('n', i), i FROM generate_series(1, 20) i;
	INSERT INTO people VALUES (100, 'toasted', repeat('long ', 5000), NULL, 0);
	INSERT INTO by_index SELECT 'u' || i, 'name ' || i FROM generate_series(1, 20) i;
	INSERT INTO whole SELECT 'u' || i % 10, i, i FROM generate_series(1, 20) i;
	INSERT INTO noted SELECT i, 'note ' || i FROM generate_series(1, 20) i;
	INSERT INTO listed SELECT i, 'u' || i, 'secret ' || i FROM generate_series(1, 20) i;
	INSERT INTO filtered SELECT i, 'u' || i FROM generate_series(1, 20) i;
	INSERT INTO parts SELECT 'u' || i, 'name ' || i FROM generate_series(1, 20) i;
	INSERT INTO emptied SELECT i, 'u' || i FROM generate_series(1, 20) i;
	INSERT INTO doomed VALUES (1, 'shred');
	CREATE PUBLICATION data FOR TABLE people, by_index, whole, noted, listed (id, email), filtered WHERE (id % 2 = 0), parts, emptied, olds, doomed
		WITH (publish_via_partition_root = true);
	CREATE PUBLICATION keyring FOR TABLE twin_internal.keys, twin_internal.key_versions, twin_internal.key_grants});

# ---- row filters and column lists ----

foreach my $filter (q{email = 'filtered out'}, q{email = 'filtered out'::text}, 'email IS NOT NULL', q{email::text = 'filtered out'})
{
	fails_with($publisher, "CREATE PUBLICATION refused FOR TABLE filtered WHERE ($filter)", '0A000',
		'invalid publication WHERE expression.*User-defined', "a row filter on an encrypted column is refused: $filter");
}
fails_with($publisher, 'CREATE PUBLICATION partial FOR TABLE whole (email); DELETE FROM whole', '42P10', 'Column list used by the publication',
	'a column list must hold the replica identity, here all columns');
sql($publisher, 'DROP PUBLICATION partial');

# ---- what arrives ----

my @tables = qw(people by_index whole noted parts emptied olds doomed);
my $stored = join ' UNION ALL ', map { "SELECT '$_ ' || r::text AS line FROM $_ r" } @tables;
$stored = "SELECT string_agg(line, E'\\n' ORDER BY line COLLATE \"C\") FROM ($stored
	UNION ALL SELECT concat_ws(' ', 'listed', id, email) FROM listed
	UNION ALL SELECT concat_ws(' ', 'filtered', id, email) FROM filtered WHERE id % 2 = 0) s";

# Every kind of change; what is sent again and again must differ, so there is a round number.
sub change_everything
{
	my ($round) = @_;
	return sql($publisher, qq{
		INSERT INTO people SELECT i, 'u' || i, 'name ' || i, jsonb_build_object('n', i), i FROM generate_series(21 + 100 * $round, 30 + 100 * $round) i;
		UPDATE people SET name = 'changed $round' WHERE id BETWEEN 1 AND 5;
		UPDATE people SET email = 'moved $round' WHERE id = 6;
		UPDATE people SET id = id + 1000 WHERE id = 6 + $round;
		UPDATE people SET n = n + 1 WHERE id = 100;
		DELETE FROM people WHERE id = 10 + $round;
		INSERT INTO by_index VALUES ('new $round', 'new $round');
		UPDATE by_index SET name = 'changed $round' WHERE email = 'u2';
		UPDATE by_index SET email = 'moved $round' WHERE email IN ('u3', 'moved ' || $round - 1);
		DELETE FROM by_index WHERE email = 'u' || 9 + $round;
		INSERT INTO whole VALUES ('new $round', $round, $round), (NULL, NULL, NULL);
		UPDATE whole SET n = n + 1 WHERE email = 'u2';
		UPDATE whole SET email = 'moved $round' WHERE serial = 5;
		UPDATE whole SET n = 1 WHERE email IS NULL;
		DELETE FROM whole WHERE serial = 9 + $round;
		UPDATE noted SET note = 'changed $round' WHERE id = 3;
		DELETE FROM noted WHERE id = 4 + $round;
		UPDATE listed SET email = 'moved $round' WHERE id = 3;
		UPDATE listed SET secret = 'moved $round' WHERE id = 4;
		UPDATE filtered SET id = id + 1 WHERE id = 18 + 2 * $round;
		UPDATE filtered SET email = 'moved $round' WHERE id IN (2, 3);
		DELETE FROM filtered WHERE id = 4 * $round;
		INSERT INTO parts SELECT i || ' new $round', 'new' FROM generate_series(1, 10) i;
		UPDATE parts SET email = 'moved $round' WHERE email = 'u' || 1 + $round;
		UPDATE parts SET name = 'changed' WHERE email = 'u5';
		DELETE FROM parts WHERE email = 'u' || 12 + $round;
		TRUNCATE emptied, olds;
		INSERT INTO emptied VALUES ($round, 'again $round');
		INSERT INTO olds VALUES ($round, 'old $round')});
}

# Copies the definitions as a newcomer would; the keyring's rows are not among them.
my $psql = 'psql -X -q -v ON_ERROR_STOP=1';
sub copy_schema
{
	my ($node, $db) = @_;
	sql($node, "CREATE DATABASE $db") if $db ne 'postgres';
	return run_pipe("pg_dump -s --no-publications -d '" . $publisher->connstr('postgres') . "' | $psql -d '" . $node->connstr($db) . "'");
}

sub apply_worker { return sql($_[0], "SELECT string_agg(pid::text, ' ' ORDER BY subname) FROM pg_stat_subscription WHERE relid IS NULL") }
sub errors { return sql($_[0], 'SELECT coalesce(sum(apply_error_count + sync_error_count), 0) FROM pg_stat_subscription_stats') }

my $open = 'SELECT email::text FROM people WHERE id = 1';

# ---- without any key ----

my $keyless = new_node('keyless', conf => $many);
start_with($keyless, undef);
sql($keyless, $roles);
like(copy_schema($keyless, 'postgres'), qr/WARNING:  ENCRYPTION_KEY is not set: no keys were made/, 'CREATE EXTENSION warns');
copy_schema($keyless, 'in_binary');
my %subscription = (postgres => 'keyless', in_binary => 'keyless_binary');
subscribe($keyless, $publisher, 'keyless', 'data');
subscribe($keyless, $publisher, 'keyless_binary', 'data', db => 'in_binary', with => 'binary = true');
my $worker = apply_worker($keyless);
foreach my $round (0 .. 2)
{
	change_everything($round) if $round;
	foreach my $db (sort keys %subscription)
	{
		catch_up($publisher, $subscription{$db});
		is(sql($keyless, $stored, db => $db), sql($publisher, $stored), "no key, $subscription{$db}, round $round: the same bytes");
	}
}
foreach my $db (sort keys %subscription)
{
	my @db = (db => $db);
	my $armor = sql($publisher, 'SELECT email FROM people WHERE id = 15');
	is(sql($keyless, 'SELECT count(*) FROM twin.keys', @db), '0', "$db: there are no keys");
	is(sql($keyless, "SET enable_seqscan = off; SELECT id FROM people WHERE email = '$armor'", @db), '15', "$db: armor is found, by index");
	is(sql($keyless, 'SELECT count(*) FROM people JOIN by_index USING (email)', @db),
		sql($publisher, 'SELECT count(*) FROM people JOIN by_index USING (email)'), "$db: joins work");
	is(sql($keyless, 'SELECT count(*), count(secret) FROM listed', @db), '20|0', "$db: a column that is not listed does not come");
	fails_with($keyless, q{SELECT id FROM people WHERE email = 'u15'}, '55000', 'ENCRYPTION_KEY is not set', "$db: a literal says what is missing", @db);
	fails_with($keyless, q{SELECT id FROM people WHERE email = 'u15'::text}, '55000', 'ENCRYPTION_KEY is not set', "$db: so does a plain value", @db);
	fails_with($keyless, $open, 'TW105', 'does not hold', "$db: reading raises", @db, user => 'reader');
	fails_with($keyless, q{INSERT INTO doomed VALUES (9, 'x')}, '55000', 'ENCRYPTION_KEY is not set', "$db: so does sealing", @db);
}
is(errors($keyless), '0', 'no worker ever failed');
is(apply_worker($keyless), $worker, 'or began anew');

# ---- a subscriber that reads: the keyring is published too ----

my $reading = new_node('reading', conf => $many);
start_with($reading, $key);
sql($reading, $roles);
copy_schema($reading, 'postgres');
my $own = sql($reading, 'SELECT count(*) FROM twin.keys');
isnt($own, '0', 'CREATE EXTENSION made keys there');
subscribe($reading, $publisher, 'refused', 'keyring', user => 'replicator', no_wait => 1);
$reading->wait_for_log(qr/could not start initial contents copy.*permission denied for schema twin_internal/);
sql($reading, 'DROP SUBSCRIPTION refused');
sql($publisher, 'GRANT USAGE ON SCHEMA twin_internal TO replicator;
	GRANT SELECT ON twin_internal.keys, twin_internal.key_versions, twin_internal.key_grants TO replicator');
my $log_from = -s $reading->logfile;
subscribe($reading, $publisher, 'reading', 'keyring, data', user => 'replicator');
unlike(slurp_file($reading->logfile, $log_from), qr/ERROR:/, 'a role with SELECT on them copies the keyring');
my $keys = 'SELECT key_id, key_name, version, state, context FROM twin.keys ORDER BY 1';
my $grants = 'SELECT key_name, grantee, privilege FROM twin_internal.key_grants JOIN twin_internal.keys USING (context) ORDER BY 1, 2::text, 3';
is(sql($reading, $_), sql($publisher, $_), 'the keys made there gave way to those that came') foreach $keys, $grants;
my @reader = (user => 'reader');
is(sql($reading, $open, @reader), 'u1', 'values open');
is(sql($reading, q{SELECT id FROM people WHERE email = 'u15'; SELECT name FROM parts WHERE email = 'none'}, @reader), '15', 'literals are found');
is(sql($reading, 'SELECT sum(messages) FROM twin.keys'), '64', 'a count of its own has begun, with these literals');
is(sql($reading, q{SELECT count(*) FROM twin.keys WHERE messages IS NULL}), '0', 'for every key');
is(sql($reading, $stored), sql($publisher, $stored), 'values are the same bytes');

# ---- rotation, in two steps; grants; a session that was there before ----

my $session = $reading->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'reader' ]);
my $now = sub { sql($publisher, $_[0]); return catch_up($publisher, 'reading') };
my $version = q{SELECT string_agg(version || ' ' || state, ', ' ORDER BY version) FROM twin.keys WHERE key_name = 'pii'};
is($session->query_safe("BEGIN; $open"), 'u1', 'a session on the subscriber reads');
$now->("SELECT twin.rotate_key('pii')");
is(sql($reading, $version), '1 primary, 2 published', 'a published version arrives before it is primary');
$now->(q{SELECT twin.rotate_key('pii'); INSERT INTO people (id, email) VALUES (200, 'rotated')});
is(sql($reading, $version), '1 decrypt-only, 2 primary', 'then it becomes primary');
is($session->query_safe('SELECT email::text FROM people WHERE id = 200'), 'rotated', 'the open transaction reads what it sealed');
$now->("SELECT twin.revoke_key('pii', 'reader', 'decrypt')");
session_fails($session, $open, '42501', 'a revocation is in force in the open transaction');
$session->query_safe('ROLLBACK');
$now->("SELECT twin.grant_key('pii', 'reader', 'decrypt')");
is($session->query_safe($open), 'u1', 'so is a grant');
my $armor = sql($publisher, 'SELECT email FROM people WHERE id = 1');
my $constant = "SELECT ('$armor'::twin.encrypted_text_eq(pii))::text";
is($session->query_safe("BEGIN; $constant"), 'u1', 'a statement that touches no table');
$now->("SELECT twin.revoke_key('pii', 'reader', 'decrypt')");
session_fails($session, $constant, '42501', 'hears of it as well');
$session->query_safe('ROLLBACK');
$now->("SELECT twin.grant_key('pii', 'reader', 'decrypt')");
$now->(q{SELECT twin.create_key('later'); SELECT twin.grant_key('later', 'reader', 'encrypt')});
like($session->query_safe(q{SELECT 'x'::text::twin.encrypted_text(later)}), qr/^tsec1:/, 'a key made later can be used');

# ---- a subscriber that writes ----

my $counted = sql($publisher, q{SELECT messages FROM twin.keys WHERE key_name = 'pii' AND state = 'primary'});
$session->query_safe(q{INSERT INTO people (id, email) SELECT 5000 + i, 'local' || i FROM generate_series(1, 100) i});
is($session->query_safe(q{SELECT string_agg(email::text, ' ' ORDER BY id) FROM people WHERE email IN ('local1', 'u15', 'rotated')}),
	'u15 rotated local1', 'it seals rows of its own under the same key and reads both');
$session->quit;
cmp_ok(sql($reading, q{SELECT messages FROM twin.keys WHERE key_name = 'pii' AND state = 'primary'}), '>=', 100, 'counts what it seals');
is(sql($publisher, q{SELECT messages FROM twin.keys WHERE key_name = 'pii' AND state = 'primary'}), $counted, 'and the publisher does not');
foreach my $call ("rotate_key('pii')", "destroy_key('pii')", "retire_key('pii', 1)", "rotate_key('literal')")
{
	fails_with($reading, "SELECT twin.$call", '55000', 'comes by subscription "reading"', "$call is the publisher's to do");
}
sql($reading, q{SELECT twin.create_key('local'); SELECT twin.rotate_key('local'); SELECT twin.rotate_key('local');
	SELECT twin.destroy_key('local', 1)});
is(sql($reading, q{SELECT string_agg(state, ' ' ORDER BY version) FROM twin.keys WHERE key_name = 'local'}), 'destroyed primary',
	'a key of its own is its own');


# ---- a keyring that is ahead of the data ----

copy_schema($reading, 'apart');
my @apart = (db => 'apart');
subscribe($reading, $publisher, 'apart_data', 'data', @apart);
fails_with($reading, $open, 'TW105', 'does not hold', 'data alone, with a key: reading says that the keyring is missing', @apart, @reader);
sql($reading, 'ALTER SUBSCRIPTION apart_data DISABLE', @apart);
$reading->poll_query_until('apart', q{SELECT count(pid) = 0 FROM pg_stat_subscription WHERE subname = 'apart_data'}) or die;
sql($publisher, q{INSERT INTO olds VALUES (50, 'before'); SELECT twin.rotate_key('brief'); SELECT twin.rotate_key('brief');
	UPDATE olds SET v = 'after'; SELECT twin.retire_key('brief', 1); SELECT twin.destroy_key('doomed')});
subscribe($reading, $publisher, 'apart_keyring', 'keyring', @apart);
is(sql($reading, q{SELECT string_agg(version || ' ' || state, ', ' ORDER BY version) FROM twin.keys WHERE key_name = 'brief'}, @apart),
	'1 retired, 2 primary', 'a version is retired before the values come that lay under it');
my $failed = errors($reading);
sql($reading, 'ALTER SUBSCRIPTION apart_data ENABLE', @apart);
catch_up($publisher, 'apart_data', 'reading');
is(errors($reading), $failed, 'they are applied, and so is what came after them');
is(sql($reading, $stored, @apart), sql($publisher, $stored), 'the bytes are the same');
is(sql($reading, 'SELECT DISTINCT v::text FROM olds', @apart, @reader), 'after', 'and open');
fails_with($reading, 'SELECT v::text FROM doomed', 'TW102', 'Key "doomed", version 1', "$_: a destruction has arrived", db => $_, @reader)
	foreach 'apart', 'postgres';
is(sql($reading, q{SELECT count(*) FROM twin_internal.key_versions WHERE key_name = 'doomed' AND wrapped IS NOT NULL}), '0', 'nothing of the key is left');

# ---- the keyring by a dump ----

copy_schema($reading, 'dumped');
my @dumped = (db => 'dumped');
run_pipe("pg_dump -a -t 'twin_internal.key*' -d '" . $publisher->connstr('postgres') . "' | $psql -d '" . $reading->connstr('dumped') . "'");
is(sql($reading, $_, @dumped), sql($publisher, $_), 'a dump of the keyring tables brings the keys') foreach $keys, $grants;
subscribe($reading, $publisher, 'dumped', 'data', @dumped);
is(sql($reading, "$open; SELECT id FROM people WHERE email = 'u15'", @dumped, @reader), "u1\n15", 'values open and are found');
sql($publisher, q{SELECT twin.rotate_key('pii'); SELECT twin.rotate_key('pii'); INSERT INTO people (id, email) VALUES (201, 'u201')});
catch_up($publisher, 'dumped', 'reading');
my $newest = 'SELECT email::text FROM people WHERE id = 201';
fails_with($reading, $newest, 'TW105', 'does not hold', 'a rotation does not come along', @dumped, @reader);
is(sql($reading, 'SELECT id FROM people WHERE email = (SELECT email FROM people WHERE id = 201)', @dumped), '201', 'though equality works');
is(sql($reading, $newest, @reader), 'u201', 'where the keyring is replicated it does');
sql($reading, q{INSERT INTO people (id, email) VALUES (6000, 'own')}, @dumped, @reader);
sql($reading, q{SELECT twin.rotate_key('main'); SELECT twin.rotate_key('main')}, @dumped);

# A whole dump where triggers of the origin do not fire, as restores are often run for speed.
sql($reading, 'CREATE DATABASE restored');
my @restored = (db => 'restored');
run_pipe("pg_dump --no-publications -d '" . $publisher->connstr('postgres') . "' | PGOPTIONS='-c session_replication_role=replica' $psql -d '"
	  . $reading->connstr('restored') . "'");
is(sql($reading, $_, @restored), sql($publisher, $_), 'a restore with session_replication_role = replica brings keys and values')
	foreach $keys, $grants, $stored;
my $messages = 'SELECT key_id, messages FROM twin.keys ORDER BY 1';
is(sql($reading, $messages, @restored), sql($publisher, $messages), 'and counts');
is(sql($reading, $open, @restored, @reader), 'u1', 'which open');

# ---- everything published ----

sql($publisher, 'CREATE PUBLICATION everything FOR ALL TABLES');
my $raise = q{SELECT twin_internal.raise_alert('by_hand', 'low', '%s', 1, '{1}')};
sql($publisher, sprintf($raise, 'before'));
copy_schema($reading, 'copied');
my @copied = (db => 'copied');
subscribe($reading, $publisher, 'copied', 'everything', @copied);
is(sql($reading, $_, @copied), sql($publisher, $_), 'FOR ALL TABLES brings the keyring as well') foreach $keys, $grants;
is(sql($reading, $open, @copied, @reader), 'u1', 'values open');
is(sql($reading, q{SELECT count(*) FILTER (WHERE event_id > 0), count(*) > 0 FROM twin_internal.event_rows}, @copied), '0|t', 'of the audit log nothing comes: it has events of its own');
sql($reading, sprintf($raise, 'own'), @copied);
sql($publisher, sprintf($raise, 'after') . q{; UPDATE twin_internal.alerts SET is_false = true});
catch_up($publisher, 'copied');
is(sql($reading, q{SELECT string_agg(subject || ' ' || is_false, ', ') FROM twin.alerts WHERE rule_name = 'by_hand'}, @copied), 'own false', 'nor of its alerts, whose numbers both have');
is(sql($_->[0], q{SELECT count(*) FROM twin_internal.wrapped_secrets WHERE purpose = 'audit log'}, db => $_->[1]), $_->[2], "$_->[3]")
	foreach [ $publisher, 'postgres', '1', 'nor its key, which the publisher has' ], [ $reading, 'copied', '0', '... and the subscriber has not' ];
my $later = q{SELECT messages FROM twin.keys WHERE key_name = 'later' ORDER BY version DESC LIMIT 1};
sql($reading, q{SELECT count(i::text::twin.encrypted_text(later)) FROM generate_series(1, 1000) i}, @copied);
my $here = sql($reading, $later, @copied);
cmp_ok($here, '>=', 1000, 'messages are counted');
sql($publisher, 'UPDATE twin_internal.key_usage SET messages = messages; SELECT count(1::bigint::twin.encrypted_bigint(later))');
catch_up($publisher, 'copied');
is(sql($reading, $later, @copied), $here, 'what happens to the count of the publisher changes nothing');
sql($publisher, q{SELECT twin.rotate_key('later'); SELECT twin.rotate_key('later')});
catch_up($publisher, 'copied');
is(sql($reading, $later, @copied), '0', 'a new version begins at nothing');
fails_with($reading, q{SELECT twin.rotate_key('later')}, '55000', 'comes by subscription', 'and is the publisher\'s', @copied);
sql($reading, 'ALTER SYSTEM SET twin_security.key_message_limit = 1000; SELECT pg_reload_conf()');
$log_from = -s $reading->logfile;
$reading->poll_query_until('postgres', q{SELECT current_setting('twin_security.key_message_limit') = '1000'}) or die;
is(sql($reading, q{SELECT count(i::text::twin.encrypted_text(later)) FROM generate_series(1, 3000) i}, @copied), '3000', 'at its message limit a subscriber seals on');
$reading->wait_for_log(qr/ERROR:  key "later" comes by subscription "copied"/, $log_from);
is(sql($reading, q{SELECT max(version) FROM twin.keys WHERE key_name = 'later'}, @copied), '2', 'and its log says where to rotate');
sql($reading, 'ALTER SYSTEM RESET twin_security.key_message_limit; SELECT pg_reload_conf()');

# ---- another key name on the subscriber ----

sql($reading, 'CREATE DATABASE renamed');
my @renamed = (db => 'renamed');
sql($reading, q{CREATE EXTENSION twin_security; SELECT twin.create_key('branch');
	SELECT twin.grant_key('branch', 'reader', 'decrypt');
	CREATE TABLE filtered (id int PRIMARY KEY, email twin.encrypted_text_eq(branch)); GRANT SELECT ON filtered TO reader}, @renamed);
sql($publisher, 'CREATE PUBLICATION few FOR TABLE filtered');
subscribe($reading, $publisher, 'renamed', 'few', @renamed);
my $filtered = q{SELECT string_agg(f::text, ' ' ORDER BY id) FROM filtered f WHERE id < 100};
is(sql($reading, $filtered, @renamed), sql($publisher, $filtered), 'values under a key that the subscriber does not know stay as they are');
fails_with($reading, 'SELECT email::text FROM filtered', 'TW105', 'does not hold', 'and do not open', @renamed, @reader);
subscribe($reading, $publisher, 'renamed_keyring', 'keyring', @renamed);
fails_with($reading, 'SELECT email::text FROM filtered', 'TW201', 'under key "pii", which is not the key of its column',
	'nor when it is known, because the column declares another', @renamed, @reader);
$log_from = -s $reading->logfile;
sql($publisher, q{INSERT INTO filtered VALUES (100, 'resealed')});
$reading->wait_for_log(qr/ERROR:  permission denied to decrypt with key "pii"/, $log_from);
is(sql($reading, 'SELECT count(*) FROM filtered WHERE id = 100', @renamed), '0', 'values under a known one wait until the owner of the subscription may open them');
sql($reading, q{SELECT twin.grant_key('pii', 'postgres', 'decrypt')}, @renamed);
catch_up($publisher, 'renamed');
is(sql($reading, 'SELECT email::text FROM filtered WHERE id = 100', @renamed, @reader), 'resealed', 'then they are sealed under the column\'s key');
sql($publisher, q{SELECT twin.grant_key('pii', 'postgres', 'decrypt'); SELECT twin.grant_key('later', 'reader', 'mask')});
catch_up($publisher, 'renamed_keyring');
is(sql($reading, q{SELECT count(*) FROM twin_internal.key_grants JOIN twin_internal.keys USING (context) WHERE key_name = 'later' AND privilege = 'mask'},
	@renamed), '1', 'a grant that was given on both sides does not stop replication');

# ---- keys made or lost on the wrong side ----

sql($reading, 'CREATE DATABASE used');
my @used = (db => 'used');
sql($reading, q{CREATE EXTENSION twin_security; CREATE TABLE mine (v twin.encrypted_text(main)); INSERT INTO mine VALUES ('mine');
	SELECT twin.grant_key('main', 'reader', 'decrypt'); GRANT SELECT ON mine TO reader}, @used);
$log_from = -s $reading->logfile;
subscribe($reading, $publisher, 'used', 'keyring', @used, no_wait => 1);
$reading->wait_for_log(qr/ERROR:  duplicate key value violates unique constraint "keys_pkey"/, $log_from);
is(sql($reading, 'SELECT v::text FROM mine', @used, @reader), 'mine', 'where a column key was used already, its row is not replaced: the copy fails');
sql($reading, 'DROP SUBSCRIPTION used', @used);

# ---- storage-only columns and REPLICA IDENTITY FULL ----

my $bare = 'CREATE TABLE bare (id int NOT NULL, v twin.encrypted_text(main)); ALTER TABLE bare REPLICA IDENTITY FULL';
sql($publisher, "$bare; INSERT INTO bare VALUES (1, 'one'), (2, 'two'); CREATE PUBLICATION bare FOR TABLE bare");
sql($reading, $bare);
subscribe($reading, $publisher, 'bare', 'bare');
sql($publisher, q{UPDATE bare SET v = 'new' WHERE id = 2});
catch_up($publisher, 'bare');
sql($reading, 'GRANT SELECT ON bare TO reader');
is(sql($reading, 'SELECT string_agg(v::text, $$ $$ ORDER BY id) FROM bare', @reader), 'one new',
	'storage-only columns find their row by its bytes, for which the apply worker needs no grant');
$log_from = -s $reading->logfile;
sql($publisher, q{UPDATE bare SET id = 3; UPDATE bare SET v = 'last' WHERE ctid = (SELECT max(ctid) FROM bare)});
$reading->wait_for_log(qr/ERROR:  permission denied to decrypt with key "main"/, $log_from);
pass('a limit: rows that only storage-only columns tell apart are compared by contents, which needs the key and a grant');
sql($reading, 'DROP SUBSCRIPTION bare');

# ---- partitions: leaves one by one, and through the root into other partitions ----

sql($publisher, 'CREATE PUBLICATION leaves FOR TABLE parts; CREATE PUBLICATION root FOR TABLE parts WITH (publish_via_partition_root = true)');
subscribe($reading, $publisher, 'leaves', 'leaves', @restored, with => 'copy_data = false');
sql($reading, 'CREATE TABLE parts (email twin.encrypted_text_eq(pii) PRIMARY KEY, name twin.encrypted_text(main)) PARTITION BY HASH (email);
	CREATE TABLE a PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 0); CREATE TABLE b PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 1);
	CREATE TABLE c PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 2)', @renamed);
subscribe($reading, $publisher, 'root', 'root', @renamed);
sql($publisher, q{INSERT INTO parts SELECT 'part' || i, 'new' FROM generate_series(1, 20) i; UPDATE parts SET email = 'other' WHERE email = 'part7';
	UPDATE parts SET name = 'changed' WHERE email IN ('part8', 'other'); DELETE FROM parts WHERE email = 'part9'});
catch_up($publisher, 'leaves', 'root');
my $parts = 'SELECT md5(string_agg(p::text, chr(10) ORDER BY p::text COLLATE "C")) FROM parts p';
is(sql($reading, $parts, @restored), sql($publisher, $parts), 'changes of partitions arrive');
is(sql($reading, $parts, @renamed), sql($publisher, $parts), 'and through the root in a table that is divided otherwise');
is(sql($reading, 'SELECT count(DISTINCT tableoid) FROM parts', @renamed), '3', 'into all of its partitions');

# ---- a grant to a role that is not there ----

$log_from = -s $reading->logfile;
sql($publisher, q{CREATE ROLE newcomer; SELECT twin.grant_key('pii', 'newcomer', 'decrypt')});
$reading->wait_for_log(qr/ERROR:  role "newcomer" does not exist/, $log_from);
sql($_, 'CREATE ROLE newcomer') foreach $reading, $keyless;
catch_up($publisher, 'reading');
is(sql($reading, q{SELECT count(*) FROM twin_internal.key_grants WHERE grantee = 'newcomer'::regrole}), '1', 'a grant waits until its role is there');

# ---- an end of the subscription ----

sql($reading, 'DROP SUBSCRIPTION reading');
is(sql($reading, q{SELECT twin.rotate_key('pii'); SELECT twin.rotate_key('pii')}), "4\n4", 'without its subscription the keyring is the database\'s own');
is(sql($reading, q{INSERT INTO people (id, email) VALUES (7000, 'alone') RETURNING email::text}, @reader), 'alone', 'and seals on');

# ---- another ENCRYPTION_KEY; binary ----

copy_schema($keyless, 'wrong');
my @wrong = (db => 'wrong');
$log_from = -s $keyless->logfile;
subscribe($keyless, $publisher, 'wrong', 'keyring, data', @wrong, with => 'binary = true', no_wait => 1);
$keyless->wait_for_log(qr/ERROR:  grants on keys are not taken from the binary subscription "wrong"/, $log_from);
is(sql($keyless, 'SELECT count(*) FROM twin_internal.key_grants', @wrong), '0', 'no grant comes to a role by its number');
sql($keyless, 'ALTER SUBSCRIPTION wrong SET (binary = false)', @wrong);
$keyless->poll_query_until('wrong', q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'}) or die;
catch_up($publisher, 'wrong');
is(sql($keyless, $_, @wrong), sql($publisher, $_), 'in text the keyring arrives where there is no key at all') foreach $keys, $grants;
fails_with($keyless, $open, '55000', 'ENCRYPTION_KEY is not set', 'what opens its values is what is missing', @wrong, @reader);
restart_with($keyless, new_key());
$failed = errors($keyless);
change_everything(3);
catch_up($publisher, 'wrong', 'keyless', 'keyless_binary');
is(sql($keyless, $stored, db => $_), sql($publisher, $stored), "with another ENCRYPTION_KEY, $_: changes are applied") foreach 'postgres', 'in_binary', 'wrong';
is(errors($keyless), $failed, 'no worker fails');
fails_with($keyless, $open, 'TW101', 'wrong key', 'reading says that the key is wrong', @wrong, @reader);
fails_with($keyless, q{SELECT id FROM people WHERE email = 'u15'}, 'TW101', 'wrong key', 'so does a literal', @wrong);
fails_with($keyless, $open, 'TW105', 'does not hold', 'without the keyring, that the value\'s key is not there', @reader);
restart_with($keyless, $key);
is(sql($keyless, $open, @wrong, @reader), 'u1', 'with the key that belongs to the keyring values open');
sql($keyless, q{SELECT twin.create_key('local'); SELECT twin.grant_key('local', 'reader', 'decrypt');
	CREATE TABLE local (v twin.encrypted_text(local)); INSERT INTO local VALUES ('mine'); GRANT SELECT ON local TO reader}, @wrong);
my $its_own = new_key();
my $both = "$open; SELECT v::text FROM local";
restart_with($keyless, $its_own, $key);
is(sql($keyless, $both, @wrong, @reader), "u1\nmine", 'so they do with a key of its own and the publisher\'s as the previous one');
is(sql($keyless, 'SELECT twin.rotate_master_key()', @wrong), '1', 'rotate_master_key() wraps only what was made there');
is(sql($keyless, $both, @wrong, @reader), "u1\nmine", 'all of it opens');
sql($publisher, q{SELECT twin.rotate_key('pii'); SELECT twin.rotate_key('pii'); INSERT INTO people (id, email) VALUES (202, 'u202')});
catch_up($publisher, 'wrong');
is(sql($keyless, 'SELECT email::text FROM people WHERE id = 202', @wrong, @reader), 'u202', 'and so does what the publisher makes later');
restart_with($keyless, $its_own);
is(sql($keyless, 'SELECT v::text FROM local', @wrong, @reader), 'mine', 'without the publisher\'s key it opens its own');
fails_with($keyless, $open, 'TW101', 'wrong key', 'and not the publisher\'s', @wrong, @reader);

# ---- rotation of the publisher's master key ----

my $next = new_key();
restart_with($keyless, $key, $its_own);
restart_with($publisher, $next, $key);
sql($publisher, q{SELECT twin.rotate_master_key(); INSERT INTO people (id, email) VALUES (203, 'u203')});
catch_up($publisher, 'wrong');
fails_with($keyless, $open, 'TW101', 'wrong key', 'rotate_master_key() on the publisher: a subscriber without the new key reads no more', @wrong, @reader);
is(sql($keyless, 'SELECT count(*) FROM people WHERE id = 203', @wrong), '1', 'though changes are applied');
restart_with($keyless, $key, $next);
is(sql($keyless, 'SELECT email::text FROM people WHERE id IN (1, 203) ORDER BY id', @wrong, @reader), "u1\nu203", 'with both keys it does');
is(sql($keyless, 'SELECT key_id, version, state FROM twin.keys WHERE key_name = $$environment$$ ORDER BY 1', @wrong),
	sql($publisher, 'SELECT key_id, version, state FROM twin.keys WHERE key_name = $$environment$$ ORDER BY 1'), 'it counts whole values by the same keys');

done_testing();
