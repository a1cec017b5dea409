# Dumps carry armor and the wrapped keys: every way to dump and restore brings the stored bytes back unchanged, opens
# and seals nothing on the way, needs no key, and never mixes two databases' keys.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinShape;
use TwinTest;

my $key = new_key();
my $source = new_node('source');
start_with($source, $key);
my $roles = 'CREATE ROLE reader LOGIN; CREATE ROLE "Odd Role"';
sql($source, qq{
	$roles;
	CREATE EXTENSION twin_security;
	SELECT twin.create_key(k) FROM unnest('{pii,odd.key-1,doomed}'::text[]) k;
	SELECT twin.grant_key(k, 'reader', p) FROM unnest('{main,pii,odd.key-1}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	SELECT twin.grant_key('pii', '"Odd Role"', 'mask');
	CREATE DOMAIN email AS twin.encrypted_text_eq(pii) DEFAULT 'none' CHECK (VALUE <> 'never');
	CREATE TYPE person AS (name twin.encrypted_text(main), born twin.encrypted_date(pii));
	CREATE TABLE users (id int PRIMARY KEY, email email UNIQUE NOT NULL, name twin.encrypted_text(main) DEFAULT 'nobody',
		tags twin.encrypted_text_eq(main)[], serial twin.encrypted_bigint_eq("odd.key-1"), body twin.encrypted_jsonb(main),
		who person, CONSTRAINT not_blocked CHECK (email <> 'blocked'));
	CREATE INDEX users_serial ON users (serial);
	CREATE INDEX users_serial_hash ON users USING hash (serial);
	CREATE UNIQUE INDEX users_tag ON users (twin.blind_tag(serial));
	CREATE TABLE visits (email email REFERENCES users (email), at twin.encrypted_timestamptz(main));
	CREATE TABLE parts (email twin.encrypted_text_eq(pii), n int) PARTITION BY HASH (email);
	CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE FUNCTION seventh() RETURNS int STABLE BEGIN ATOMIC SELECT id FROM users WHERE email = 'u7'; END;
	CREATE VIEW third AS SELECT id FROM users WHERE email = 'u3';
	ALTER TABLE users ENABLE ROW LEVEL SECURITY;
	CREATE POLICY not_first ON users USING (email <> 'u1');
	GRANT ALL ON users TO reader;
	INSERT INTO users SELECT i, 'u' || i, 'name ' || i, ARRAY['even' || i % 2, 'tag' || i], i * 1000, jsonb_build_object('n', i),
		ROW('who ' || i, date '2000-01-01' + i)::person FROM generate_series(1, 20) i;
	SELECT twin.rotate_key('main'); SELECT twin.rotate_key('main');
	SELECT twin.rotate_key('pii'); SELECT twin.rotate_key('pii'); SELECT twin.rotate_key('pii');
	INSERT INTO users SELECT i, 'u' || i, 'name ' || i, NULL, i * 1000, NULL, NULL FROM generate_series(21, 30) i;
	INSERT INTO visits SELECT 'u' || i, now() FROM generate_series(1, 30) i;
	INSERT INTO parts SELECT 'u' || i, i FROM generate_series(1, 30) i;
	CREATE MATERIALIZED VIEW copies AS SELECT id, serial FROM users;
	SELECT twin.destroy_key('doomed')});

my $stored = q{SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (SELECT u::text FROM users u UNION ALL SELECT v::text FROM visits v
	UNION ALL SELECT p::text FROM parts p UNION ALL SELECT c::text FROM copies c) s (r)};
my $keys = q{SELECT key_id, key_name, version, state, context FROM twin.keys ORDER BY 1};
my $grants = 'SELECT key_name, grantee, privilege FROM twin_internal.key_grants JOIN twin_internal.keys USING (context) ORDER BY 1, 2::text, 3';
my $plain = q{SELECT md5(string_agg(concat(email::text, name::text, tags[2]::text, serial::bigint, body::jsonb, (who).born::date), ','
	ORDER BY id)) FROM users};
my $messages = 'SELECT key_id, messages FROM twin.keys ORDER BY 1';
my $triggers = q{SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'twin\_internal.%' AND NOT tgisinternal
	UNION ALL SELECT NULL, evtname, evtenabled FROM pg_event_trigger ORDER BY 1, 2};
my %was = map { $_ => sql($source, $_) } ($stored, $keys, $grants, $messages, $triggers);
my $plain_was = sql($source, $plain, user => 'reader');

# What must hold in a database that was restored, whether or not there is a key.
sub check_stored
{
	my ($node, $db, $how) = @_;
	my @db = (db => $db);
	is(sql($node, 'SELECT coalesce(sum(seals + opens), 0) FROM twin.stat_keyring', @db), '0',
		"$how: nothing was sealed or opened on the way");
	is(sql($node, $stored, @db), $was{$stored}, "$how: the stored values are the same bytes");
	is(sql($node, $keys, @db), $was{$keys}, "$how: so are the keys");
	is(sql($node, $grants, @db), $was{$grants}, "$how: and the grants");
	is(sql($node, $triggers, @db), $was{$triggers}, "$how: triggers fire where they did");
	my %now = sql($node, $messages, @db) =~ /^(-?\d+)\|(\d+)$/mg;
	my %then = $was{$messages} =~ /^(-?\d+)\|(\d+)$/mg;
	is(join(' ', grep { $now{$_} < $then{$_} } keys %then), '', "$how: no message counter went back");
	is(sql($node, 'SELECT count(*) FROM users JOIN visits USING (email)', @db), '30', "$how: joins work");
	return;
}

# What must hold where there is a key.
sub check_use
{
	my ($node, $db, $how) = @_;
	my @db = (db => $db);
	my @reader = (@db, user => 'reader');
	is(sql($node, $plain, @reader), $plain_was, "$how: everything opens");
	is(sql($node, q{SET enable_seqscan = off; SELECT id FROM users WHERE email = 'u9'; SELECT id FROM users WHERE serial = 11000;
		SELECT n FROM parts WHERE email = 'u5'}, @db), "9\n11\n5", "$how: indexes find plaintexts");
	is(sql($node, 'SELECT seventh(), id FROM third', @db), '7|3', "$how: constants in functions and views match");
	is(sql($node, 'SELECT count(*) FROM users', @reader), '29', "$how: so do those in policies");
	fails_with($node, "INSERT INTO users (id, email) VALUES (98, 'blocked')", '23514', 'not_blocked', "$how: in checks", @db);
	fails_with($node, "INSERT INTO users (id, email) VALUES (98, 'never')", '23514', 'email_check', "$how: in checks of domains", @db);
	fails_with($node, "INSERT INTO users (id, email) VALUES (98, 'u9')", '23505', 'users_email_key', "$how: unique still is", @db);
	fails_with($node, "INSERT INTO visits VALUES ('nobody', now())", '23503', 'foreign key', "$how: so are foreign keys", @db);
	is(answer_of($node, q{INSERT INTO users (id) VALUES (99) RETURNING email::text, name::text}, @reader), 'none|nobody',
		"$how: defaults work and new values are sealed");
	return;
}

# ---- into a cluster with the same key ----

my $target = new_node('target');
start_with($target, $key);
sql($target, $roles);
my $files = PostgreSQL::Test::Utils::tempdir();
my $from = "-d '" . $source->connstr('postgres') . "'";
my $psql = 'psql -X -q -v ON_ERROR_STOP=1';
my %ways = (
	plain => "pg_dump $from | $psql TO",
	inserts => "pg_dump --inserts $from | $psql TO",
	columns => "pg_dump --column-inserts --rows-per-insert=7 $from | $psql TO",
	custom => "pg_dump -Fc -Z0 $from -f $files/custom && pg_restore -j2 TO $files/custom",
	directory => "pg_dump -Fd -Z0 -j2 $from -f $files/directory && pg_restore -j2 TO $files/directory",
	separate => "pg_dump -s $from | $psql TO && pg_dump -a $from | $psql TO && $psql TO -c 'REFRESH MATERIALIZED VIEW copies'",
	sections => "pg_dump -Fc $from -f $files/sections && for part in pre-data data post-data; do "
	  . "pg_restore -e --section=\$part TO $files/sections || exit 1; done");

sub restore
{
	my ($node, $how, $db) = @_;
	my $to = "-d '" . $node->connstr($db) . "'";
	my ($out, $err);
	sql($node, "CREATE DATABASE $db");
	IPC::Run::run([ 'bash', '-o', 'pipefail', '-c', $ways{$how} =~ s{\bTO\b}{$to}gr ], '>', \$out, '2>', \$err);
	return ($?, $err);
}

foreach my $how (sort keys %ways)
{
	my ($status, $err) = restore($target, $how, $how);
	is($status, 0, "$how: dump and restore succeed") or do { diag(join '', grep { /error|ERROR/ } split /^/, $err); next };
	check_stored($target, $how, $how);
	check_use($target, $how, $how);
}
is(files_holding('name 7', $files), '', 'no dump holds a plaintext');
is(files_holding($key, $files), '', 'or the key');

# ---- COPY BINARY ----

sql($source, "COPY users TO '$files/users' (FORMAT binary); COPY (TABLE parts) TO '$files/parts' (FORMAT binary)");
sql($source, "CREATE TABLE again (LIKE users); COPY again FROM '$files/users' (FORMAT binary)");
is(sql($source, 'SELECT count(*) FROM users u JOIN again a ON u::text = a::text'), '30', 'COPY BINARY out and in gives the same bytes');
sql($target, "DELETE FROM parts; COPY parts FROM '$files/parts' (FORMAT binary)", db => 'plain');
is(sql($target, q{SELECT n FROM parts WHERE email = 'u5'}, db => 'plain'), '5', 'in another cluster as well');

# ---- into a cluster without a key ----

my $keyless = new_node('keyless');
start_with($keyless, undef);
sql($keyless, $roles);
foreach my $how ('plain', 'custom', 'separate')
{
	my ($status, $err) = restore($keyless, $how, $how);
	is($status, 0, "$how, without a key: succeeds") or do { diag(join '', grep { /error|ERROR/ } split /^/, $err); next };
	is(join('', grep { !/WARNING:|HINT:|DETAIL:/ } split /^/, $err), '', "$how, without a key: with warnings at most");
	check_stored($keyless, $how, "$how, without a key");
	my $armor = sql($source, 'SELECT email FROM users WHERE id = 9');
	is(sql($keyless, "SELECT id FROM users WHERE email = '$armor'", db => $how), '9', "$how, without a key: armor is found");
	fails_with($keyless, $plain, '55000', 'ENCRYPTION_KEY is not set', "$how, without a key: opening names what is missing",
		db => $how, user => 'reader');
	fails_with($keyless, "SELECT id FROM users WHERE email = 'u9'", '55000', 'ENCRYPTION_KEY is not set',
		"$how, without a key: so does searching a plaintext", db => $how);
}
restart_with($keyless, $key);
check_use($keyless, 'plain', 'with the key given later');
restart_with($keyless, new_key());
fails_with($keyless, $plain, 'TW101', 'wrong key', 'with another key it is a wrong key', db => 'plain', user => 'reader');

# ---- where keys were already used ----

sql($target, 'CREATE DATABASE used');
my @used = (db => 'used');
sql($target, q{CREATE EXTENSION twin_security; CREATE TABLE own (v twin.encrypted_text(main)); INSERT INTO own VALUES ('mine');
	SELECT twin.grant_key('main', 'postgres', 'decrypt')}, @used);
sql($target, 'CREATE DATABASE small');
sql($target, q{CREATE EXTENSION twin_security; CREATE TABLE theirs (v twin.encrypted_text(main)); INSERT INTO theirs VALUES ('theirs');
	SELECT twin.grant_key('main', 'reader', 'decrypt')}, db => 'small');
my $small = "-d '" . $target->connstr('small') . "'";
my $to = "-d '" . $target->connstr('used') . "'";
my %mixing = (
	'pg_restore' => "pg_restore $to $files/custom",
	'pg_restore of data alone' => "pg_dump -a $from -Fc | pg_restore $to",
	'psql' => "pg_dump $from | $psql $to",
	'pg_restore of a database with the same key names' => "pg_dump -Fc $small | pg_restore $to");
foreach my $how (sort keys %mixing)
{
	my ($used_keys, $used_grants) = map { sql($target, $_, @used) } ($keys, $grants);
	my ($out, $err);
	IPC::Run::run([ 'bash', '-o', 'pipefail', '-c', $mixing{$how} ], '>', \$out, '2>', \$err);
	isnt($?, 0, "$how, where keys were used: fails");
	like($err, qr/ERROR:.*exists|duplicate key value/, "$how, where keys were used: loudly");
	is(sql($target, $keys, @used), $used_keys, "$how, where keys were used: the keys are as they were");
	is(sql($target, $grants, @used), $used_grants, "$how, where keys were used: and the grants");
	is(sql($target, 'SELECT v::text FROM own', @used), 'mine', "$how, where keys were used: values open");
}
is(sql($target, 'SELECT count(*) FROM users', @used), '30', 'pg_restore goes on and loads the tables');
fails_with($target, 'SELECT email::text FROM users', 'TW105', 'does not hold', 'whose values say that their keys are missing', @used);

# ---- pg_upgrade ----

sql($source, q{SELECT twin.use_signing_key(twin.create_signing_key('ES256'));
	SELECT twin.create_tenant('north'); SELECT twin.create_user('ada', 'a long enough word 7', role_name => 'operator', tenant_id => (SELECT tenant_id FROM twin.tenants));
	CREATE TABLE plants (id int, tenant_id bigint); INSERT INTO plants SELECT 7, tenant_id FROM twin.tenants; INSERT INTO plants VALUES (8, 0);
	GRANT SELECT ON plants TO twin_operator; SELECT twin.protect_table('plants', 'tenant_id');
	UPDATE twin.rate_limits SET burst = 77 WHERE route = '*'; DELETE FROM twin.alert_rules WHERE rule_name = (SELECT min(rule_name) FROM twin.alert_rules);
	INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('ours', '{reading_rejected}')});
my $token = sql($source, q{SELECT twin.issue_token(jsonb_build_object('user_id', user_id::text, 'role', role_name, 'tenant_id', tenant_id), '1 hour') FROM twin.users});
my %kept = (
	accounts => 'SELECT user_id, username, role_name, tenant_id, created_at FROM twin.users',
	rules => 'SELECT rule_name, enabled FROM twin.alert_rules ORDER BY 1',
	limits => 'SELECT route, scope, burst FROM twin.rate_limits ORDER BY 1, 2',
	'protected tables' => 'SELECT relation, tenant_column, holds FROM twin.protected_tables',
	'the mark of this database' => 'SELECT mark, installed_at FROM twin_internal.installation',
	'who a token of before is, and what he sees' => qq{BEGIN; DO 'BEGIN PERFORM twin.authenticate(\$t\$$token\$t\$); END'; SET LOCAL ROLE twin_operator; SELECT twin.current_username(), id FROM plants; COMMIT});
my %kept_was = map { $_ => sql($source, $kept{$_}) } keys %kept;
like($kept_was{'who a token of before is, and what he sees'}, qr/^ada\|7$/, 'somebody to keep');
my $shape_was = shape_of($source, 'postgres');

my $upgraded = new_node('upgraded');
$source->stop;
{
	local $ENV{ENCRYPTION_KEY} = $key;
	my $bin = $source->config_data('--bindir');
	chdir $files;
	command_ok([ 'pg_upgrade', '-N', '-b', $bin, '-B', $bin, '-d', $source->data_dir, '-D', $upgraded->data_dir,
		'-p', $source->port, '-P', $upgraded->port, '-s', $source->host ], 'pg_upgrade');
}
start_with($upgraded, $key);
check_stored($upgraded, 'postgres', 'pg_upgrade');
check_use($upgraded, 'postgres', 'pg_upgrade');
is(sql($upgraded, $kept{$_}), $kept_was{$_}, "pg_upgrade: $_") foreach sort keys %kept;
is(join("\n", differences(loosely(shape_of($upgraded, 'postgres')), loosely($shape_was))), '', 'pg_upgrade: every member of the extension, and every table beside it');

done_testing();
