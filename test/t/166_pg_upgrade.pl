# pg_upgrade takes a cluster with the extension over as it is: keys and encrypted columns with their indexes, accounts and
# sessions, the audit log, its proofs and its partitions. Nothing of ours runs or writes on the way; afterwards everything
# goes on. From PostgreSQL 15 to 15 here; TWIN_NEWER_BIN names the programs of a newer version that has the extension.
use strict;
use warnings;
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinShape;
use TwinTest;

my $key = new_key();
my %secrets = (JWT_SECRET_KEY => unpack 'H*', random_bytes(32));
my $notes = PostgreSQL::Test::Utils::tempdir();
my $conf = "twin_security.checkpoint_directory = '$notes'\ntwin_security.checkpoint_interval = 1s\n";
my $old = new_node('old', conf => $conf);
start_with($old, $key, undef, %secrets);

sql($old, q{CREATE EXTENSION twin_security; CREATE ROLE reader LOGIN; CREATE DATABASE other});
sql($old, 'CREATE EXTENSION twin_security', db => 'other');
sql($old, q{
	SELECT twin.create_key('pii'); SELECT twin.grant_key('pii', 'reader', 'decrypt'); SELECT twin.grant_key('pii', 'postgres', 'encrypt');
	SELECT twin.create_tenant('north'); SELECT twin.create_user('ada', 'a long enough word 7', role_name => 'operator', tenant_id => (SELECT tenant_id FROM twin.tenants));
	CREATE TABLE people (id int PRIMARY KEY, email twin.encrypted_text_eq(pii) UNIQUE, born twin.encrypted_date(pii), tenant_id bigint DEFAULT 1);
	CREATE INDEX ON people USING hash (email);
	GRANT SELECT ON people TO reader, twin_operator; SELECT twin.protect_table('people', 'tenant_id'); 
	CREATE POLICY readers ON people FOR SELECT TO reader USING (true);
	SELECT twin.audit_table('people');
	INSERT INTO people SELECT i, 'p' || i || '@twin.example', date '2000-01-01' + i FROM generate_series(1, 200) i;
	SELECT twin.rotate_key('pii'); UPDATE people SET email = 'changed@twin.example' WHERE id = 200;
	SELECT twin.record_event('reading_rejected', 'medium');
	INSERT INTO twin.alert_rules (rule_name, event_types, threshold) VALUES ('ours', '{reading_rejected}', 5);
	CREATE TABLE plain (v text); CREATE VIEW opened AS SELECT id, email::text FROM people});
sql($old, q{INSERT INTO twin.rate_limits SELECT '/rpc/other', scope, requests, period, burst FROM twin.rate_limits LIMIT 1}, db => 'other');
my $token = sql($old, q{SELECT twin.issue_token(jsonb_build_object('user_id', user_id::text, 'role', role_name, 'tenant_id', tenant_id), '1 hour') FROM twin.users});
events_written($old);
$old->poll_query_until('postgres', q{SELECT count(*) = 0 FROM twin.verify_audit_log() WHERE NOT ok}) or die 'the log is not sealed';
$old->poll_query_until('postgres', q{SELECT twin.audit_checkpoint() IS NOT NULL}) or die 'no checkpoint';

# what must be the same, byte for byte, and what must still work
my %same = (
	'stored values' => [ 'postgres', q{SELECT md5(string_agg(p::text, chr(10) ORDER BY id)) FROM people p} ],
	'keys' => [ 'postgres', 'SELECT key_id, key_name, version, state, context FROM twin.keys ORDER BY 1' ],
	'accounts' => [ 'postgres', 'SELECT username, role_name, tenant_id, created_at FROM twin.users' ],
	'rules' => [ 'postgres', 'SELECT rule_name, enabled FROM twin.alert_rules ORDER BY 1' ],
	'limits of another database' => [ 'other', 'SELECT route, scope FROM twin.rate_limits ORDER BY 1, 2' ],
	'this database is this database' => [ 'postgres', 'SELECT mark, installed_at FROM twin_internal.installation' ],
	'who signs the log' => [ 'postgres', 'SELECT twin.audit_public_key()' ]);
my $first_events = q{SELECT count(*), md5(string_agg(concat_ws('|', event_id, event_type, recorded_at, leaf_index, details), chr(10) ORDER BY event_id)) FROM twin.audit_log WHERE event_id <= };
my $last_event = sql($old, 'SELECT max(event_id) FROM twin.audit_log WHERE leaf_index IS NOT NULL');
my %was = map { $_ => sql($old, $same{$_}[1], db => $same{$_}[0]) } keys %same;
my $log_was = sql($old, $first_events . $last_event);
my $plain_was = sql($old, 'SELECT md5(string_agg(email::text || born::date, chr(10) ORDER BY id)) FROM people', user => 'reader');
my $size_was = (split /\n/, sql($old, 'SELECT twin.audit_checkpoint()'))[1];
my $shape_was = shape_of($old, 'postgres');
$old->stop;

# ---- pg_upgrade ----

my $newer = $ENV{TWIN_NEWER_BIN};
my $new = new_node('new', conf => $conf, $newer ? (install_path => dirname($newer)) : ());
my $old_bin = $old->config_data('--bindir');
my $new_bin = $newer // $old_bin;
sub upgrade
{
	my ($out, $err) = ('', '');
	local $ENV{ENCRYPTION_KEY} = $key;
	local $ENV{JWT_SECRET_KEY} = $secrets{JWT_SECRET_KEY};
	chdir $notes or die $!;
	my $done = IPC::Run::run([ "$new_bin/pg_upgrade", '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old_bin, '-B', $new_bin,
			'-s', $new->host, '-p', $old->port, '-P', $new->port, @_ ], '>', \$out, '2>', \$err);
	return $done ? '' : "$out$err";
}
is(upgrade('--check'), '', 'pg_upgrade finds nothing to complain about');
is(upgrade(), '', 'pg_upgrade');
start_with($new, $key, undef, %secrets);

is(sql($new, $same{$_}[1], db => $same{$_}[0]), $was{$_}, "the same: $_") foreach sort keys %same;
is(join("\n", differences(shape_of($new, 'postgres'), $shape_was)), '', 'the same: every member of the extension') unless $newer;
is(sql($new, $first_events . $last_event), $log_was, 'the same: every event that was recorded');
is(sql($new, q{SELECT bool_and(ok) FROM twin.verify_audit_log()}), 't', 'the log verifies');
is(sql($new, 'SELECT md5(string_agg(email::text || born::date, chr(10) ORDER BY id)) FROM people', user => 'reader'), $plain_was, 'values open');
is(sql($new, q{SET enable_seqscan = off; SELECT id FROM people WHERE email = 'p7@twin.example'; EXPLAIN (COSTS off) SELECT id FROM people WHERE email = 'p7@twin.example'}) =~ s/\n.*(Index|Bitmap).*/ $1/sr, '7 Index', 'an index finds them');
fails_with($new, q{INSERT INTO people VALUES (201, 'p7@twin.example')}, '23505', 'email', 'unique still is');
is(sql($new, qq{BEGIN; DO \$\$ BEGIN PERFORM twin.authenticate('$token'); END \$\$; SET LOCAL ROLE twin_operator; SELECT twin.current_username(), count(*) FROM people; COMMIT}), 'ada|200', 'a token of before is good, and shows its tenant\'s rows');

# ---- it goes on ----

sql($new, q{UPDATE people SET email = 'after@twin.example' WHERE id = 199; SELECT twin.record_event('reading_rejected', 'medium')});
ok(events_written($new), 'events are written');
ok($new->poll_query_until('postgres', "SELECT bool_and(leaf_index IS NOT NULL) FROM twin.audit_log WHERE event_type = 'reading_rejected' AND event_id > $last_event"), '... and sealed');
is(sql($new, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'update' AND resource LIKE '%people%'}), '2', 'changes are audited');
ok($new->poll_query_until('postgres', "SELECT split_part(twin.audit_checkpoint(), chr(10), 2)::bigint > $size_was"), 'checkpoints are signed');
is(sql($new, q{SELECT bool_and(ok) FROM twin.verify_audit_log()}), 't', '... and the log verifies');
my $size_now = (split /\n/, sql($new, 'SELECT twin.audit_checkpoint()'))[1];
is(sql($new, "SELECT cardinality(twin.consistency_proof($size_was, $size_now)) > 0"), 't', 'and there is a proof from a checkpoint of before to one of now');
is(sql($new, 'SELECT twin.rotate_key(\'pii\') > 2'), 't', 'keys rotate');
$new->stop;

done_testing();
