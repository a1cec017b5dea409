# Identity across connections: how long it lasts in a pool, in procedures, cursors and parallel workers, on a standby;
# and that nothing a client can set before or beside a token makes one.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $secret = 'a secret of at least thirty-two bytes, for tests';
my $node = new_node('identity', allows_streaming => 1, conf => "max_prepared_transactions = 2\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => $secret);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE app LOGIN; CREATE ROLE gate LOGIN NOINHERIT; CREATE ROLE vip; GRANT vip, twin_viewer, twin_admin TO gate;
	SELECT twin.create_key('pii');
	SELECT twin.grant_key('pii', r::regrole, 'decrypt') FROM unnest('{app,gate,vip,twin_viewer}'::text[]) r;
	CREATE TABLE unit (id int PRIMARY KEY, tenant_id bigint NOT NULL, v twin.encrypted_text(pii));
	INSERT INTO unit SELECT i, 1 + i % 2, 'v' || i FROM generate_series(1, 20000) i;
	SELECT twin.protect_table('unit', 'tenant_id', read_permission => 'read_units');
	GRANT SELECT ON unit TO app, gate, vip;
	INSERT INTO twin.token_only_logins VALUES ('gate');
	ANALYZE unit});
sub token_of
{
	my ($claims, $lifetime) = @_;
	return sql($node, "SELECT twin.issue_token('$claims'" . ($lifetime ? ", '$lifetime'" : '') . ')');
}
my $viewer = token_of('{"user_id": "11", "role": "viewer", "tenant_id": 1}');
my $admin = token_of('{"user_id": "23", "role": "admin", "tenant_id": 2}');
my @app = (user => 'app');
my @gate = (user => 'gate');
my $who = q{SELECT coalesce(twin.current_user_id()::text, 'nobody')};

# ---- how long ----

my $pooled = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]);
is($pooled->query("BEGIN; SELECT twin.authenticate('$viewer'); $who; COMMIT"), "\n11", 'in the transaction');
is($pooled->query($who), 'nobody', 'the next one of the connection is nobody');
is($pooled->query("BEGIN; SELECT twin.authenticate('$viewer'); ROLLBACK; $who"), "\nnobody", '... after a rollback too');
$pooled->query("BEGIN; SELECT twin.authenticate('$viewer'); SELECT 1/0; COMMIT");
$pooled->{stderr} = '';
is($pooled->query($who), 'nobody', '... and after an error');
is($pooled->query("SELECT twin.authenticate('$viewer')"), '', 'a statement alone');
is($pooled->query($who), 'nobody', '... is a transaction of its own');
is($pooled->query("SET twin_security.token = '$viewer'"), '', 'a whole session ...');
session_fails($pooled, $who, 'TW601', '... is refused where it would count');
$pooled->query('DISCARD ALL');
is($pooled->query($who), 'nobody', 'DISCARD ALL forgets it');
$pooled->quit;

sql($node, q{CREATE PROCEDURE through_commit(INOUT said text) LANGUAGE plpgsql AS $$
	BEGIN said := coalesce(twin.current_user_id()::text, 'nobody'); COMMIT; said := said || ' ' || coalesce(twin.current_user_id()::text, 'nobody'); END $$});
is(sql($node, "SET twin_security.token = ''; DO \$\$ BEGIN PERFORM twin.authenticate('$viewer'); COMMIT; ASSERT twin.current_user_id() IS NULL; END \$\$; $who", @app), 'nobody', 'COMMIT in a block ends it');
is(sql($node, "BEGIN; SELECT twin.authenticate('$viewer'); DECLARE c CURSOR FOR SELECT DISTINCT tenant_id FROM unit; FETCH ALL FROM c; COMMIT", @app), "\n1", 'a cursor in it');

# ---- parallel workers ----

my $workers = 'SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL max_parallel_workers_per_gather = 2;';
my $explained = sql($node, "BEGIN; $workers SELECT twin.authenticate('$viewer'); EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT count(v::text) FROM unit WHERE twin.current_tenant_id() = tenant_id", @app);
like($explained, qr/Workers Launched: [12]/, 'workers run');
is(sql($node, "BEGIN; $workers SELECT twin.authenticate('$viewer'); SELECT count(v::text), min(tenant_id), max(tenant_id) FROM unit WHERE twin.current_tenant_id() = tenant_id AND twin.has_permission('read_units')", @app),
	"\n10000|1|1", '... and know who is asking');
my $parallel_mode = parallel_mode($node);
is(sql($node, "BEGIN; $workers SELECT twin.authenticate('$viewer'); SET LOCAL $parallel_mode = on; $who", @app), "\n11", '... forced ones too');
is(sql($node, "BEGIN; $workers SELECT count(*) FROM unit", @app), '0', 'nobody is nobody in workers');
like(answer_of($node, "BEGIN; $workers SET LOCAL $parallel_mode = on; SET LOCAL twin_security.token = 'forged'; $who", @app), qr/^TW501/, 'a forged token is refused in a worker');

# ---- before the session ----

{
	local $ENV{PGOPTIONS} = "-c twin_security.token=$viewer";
	my ($out, $err);
	$node->psql('postgres', $who, stdout => \$out, stderr => \$err, extra_params => [ '-U', 'app' ]);
	like($err, qr/parameter "twin_security.token" cannot be set this way/, 'PGOPTIONS is refused');
	ok(!holds($err, $viewer), '... without repeating it');
	local $ENV{PGOPTIONS} = '-c twin_security.allow_session_identity=on';
	$node->psql('postgres', $who, stdout => \$out, stderr => \$err, extra_params => [ '-U', 'app' ]);
	like($err, qr/permission denied to set parameter/, 'nobody allows himself session-wide tokens');
}
fails_with($node, "ALTER ROLE app SET twin_security.token = '$viewer'", '55P02', 'cannot be set this way', 'not for a role');
fails_with($node, "ALTER SYSTEM SET twin_security.token = '$viewer'", '55P02', 'cannot be changed', 'not for the system');
$node->append_conf('postgresql.conf', "twin_security.token = 'planted'");
$node->reload;
is(sql($node, $who, @app), 'nobody', 'a file says nothing');
ok(file_bytes($node->logfile) !~ /planted/, '... and is not repeated in the log');
$node->adjust_conf('postgresql.conf', 'twin_security.token', undef);
$node->reload;
sql($node, 'ALTER ROLE app SET twin_security.allow_session_identity = on');
is(sql($node, "SET twin_security.token = '$viewer'; BEGIN; $who; COMMIT; $who", @app), "11\n11", 'where the administrator allows it, a session has one');
sql($node, 'ALTER ROLE app RESET twin_security.allow_session_identity');

# ---- time ----

my $brief = token_of('{"user_id": "11", "role": "viewer", "tenant_id": 1}', '2 seconds');
like(answer_of($node, "BEGIN; SELECT twin.authenticate('$brief'); $who; SELECT pg_sleep(3); SELECT count(*) FROM unit", @app), qr/^TW507/, 'a token that expires under way counts no longer');
fails_with($node, "SELECT twin.authenticate('$brief')", 'TW507', 'expired', '... nor afterwards', @app);

# ---- revoked ----

my $doomed = token_of('{"user_id": "77", "role": "viewer", "tenant_id": 1}');
my $other = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]);
is($other->query("BEGIN; SELECT twin.authenticate('$doomed'); $who"), "\n77", 'a token in use');
sql($node, "SELECT twin.revoke_token('$doomed')");
session_fails($other, 'SELECT count(*) FROM unit', 'TW510', '... revoked elsewhere, counts no longer in the next statement');
$other->quit;

# ---- the gateway's login ----

is(sql($node, "BEGIN; SELECT twin.authenticate('$viewer'); SELECT v::text FROM unit ORDER BY id LIMIT 1", @gate), "\nv2", 'with a token it opens');
fails_with($node, 'SELECT twin.decrypt(v) FROM (SELECT (\'x\'::twin.encrypted_text(pii)) AS v) t', '42501', '', 'without one nothing', @gate);
fails_with($node, "BEGIN; SET LOCAL ROLE vip; SELECT twin.decrypt(v) FROM (SELECT v FROM unit) t UNION ALL SELECT ('x'::twin.encrypted_text(pii))::text", '42501', '', '... in another role neither', @gate);
fails_with($node, "BEGIN; SELECT twin.authenticate('$viewer') \\g /dev/null\nSET LOCAL ROLE vip", '42501', 'cannot be changed', 'authenticated, its role is sealed', @gate);
is(sql($node, "BEGIN; SET LOCAL ROLE twin_viewer; SELECT twin.authenticate('$viewer'); SELECT current_user; COMMIT; SELECT current_user", @gate), "\ntwin_viewer\ngate", 'set before, it stays until the end');
is(sql($node, "BEGIN; SET LOCAL ROLE twin_viewer; SELECT twin.authenticate('$viewer'); $workers SELECT count(v::text), current_user FROM unit", @gate), "\n10000|twin_viewer", '... in workers too');
fails_with($node, "BEGIN; SET LOCAL ROLE vip; SELECT twin.authenticate('$viewer') \\g /dev/null\nSELECT count(v::text) FROM unit", '42501', 'permission denied to decrypt', 'a role that the token does not warrant opens nothing', @gate);
fails_with($node, "SET twin_security.token = '$viewer'; SET $parallel_mode = on; $_", 'TW601', '', "a session's token counts in no worker: $_", @gate)
  foreach $who, 'SELECT count(v::text) FROM unit';
# a login that inherits what it was granted has more than its token's role
sql($node, q{CREATE ROLE heir LOGIN; GRANT twin_viewer, twin_admin TO heir; INSERT INTO twin.token_only_logins VALUES ('heir'); SELECT twin.create_tenant('heirless')});
my @heir = (user => 'heir');
fails_with($node, "BEGIN; SELECT twin.authenticate('$viewer') \\g /dev/null\nSELECT twin.create_tenant('more')", '42501', 'NOINHERIT', "a viewer's token does not open what the login inherits", @heir);
fails_with($node, "BEGIN; SELECT twin.authenticate('$viewer') \\g /dev/null\nTABLE twin.tenants", '42501', 'NOINHERIT', '... nor what it may see', @heir);
is(sql($node, "BEGIN; SET LOCAL ROLE twin_viewer; SELECT twin.authenticate('$viewer') \\g /dev/null\nSELECT count(v::text) FROM unit", @heir), '10000', 'in the role of the token it does its work');
sql($node, 'GRANT twin_viewer, twin_admin TO heir WITH INHERIT FALSE') if sql($node, 'SHOW server_version_num') >= 160000;    # of memberships that there are
sql($node, 'ALTER ROLE heir NOINHERIT; GRANT SELECT ON unit TO heir; SELECT twin.grant_key($$pii$$, $$heir$$, $$decrypt$$)');
is(sql($node, "BEGIN; SELECT twin.authenticate('$viewer') \\g /dev/null\nSELECT count(v::text) FROM unit", @heir), '10000', '... and in its own, once it inherits nothing');
# the gateway's own role, once somebody may log in with it
sql($node, 'CREATE ROLE edge LOGIN NOINHERIT IN ROLE twin_gateway');
is(sql($node, "BEGIN; SET LOCAL ROLE twin_viewer; SELECT twin.authenticate('$viewer') \\g /dev/null\nSELECT count(v::text), current_user FROM unit", user => 'edge'), '10000|twin_viewer', 'a member of twin_gateway acts in the role of a token');
fails_with($node, "BEGIN; SET LOCAL ROLE twin_admin; SELECT twin.create_tenant('none')", '42501', 'token-only', '... and administers nothing without one', user => 'edge');
# what comes around every check on the way is undone at the commit
sql($node, q{CREATE TABLE diary (who name DEFAULT current_user, what text); GRANT INSERT, SELECT ON diary TO gate, twin_viewer});
fails_with($node, "BEGIN; SET LOCAL ROLE twin_viewer; SELECT twin.authenticate('$viewer') \\g /dev/null\n"
	. "INSERT INTO diary (what) SELECT 'y' FROM (SELECT set_config('role', NULL, true) c OFFSET 0) q WHERE c IS NOT NULL;\nCOMMIT", '42501', 'cannot be changed',
	'a role reset inside of a statement does not commit', @gate);
is(sql($node, 'SELECT count(*) FROM diary'), '0', '... nor does what it wrote');
fails_with($node, "BEGIN; SET LOCAL ROLE twin_viewer; SELECT twin.authenticate('$viewer') \\g /dev/null\n"
	. "INSERT INTO diary (what) SELECT 'y' FROM (SELECT set_config('role', NULL, true) c OFFSET 0) q WHERE c IS NOT NULL;\nPREPARE TRANSACTION 'sneaked'", '42501', 'cannot be changed',
	'... nor is it prepared', @gate);
is(sql($node, "BEGIN; SET LOCAL ROLE twin_viewer; SELECT twin.authenticate('$viewer') \\g /dev/null\nINSERT INTO diary (what) VALUES ('two phases'); PREPARE TRANSACTION 'kept';\n"
	. "$who; SELECT current_user; SET ROLE vip; SELECT current_user; SET ROLE twin_viewer; COMMIT PREPARED 'kept'; TABLE diary", @gate), "nobody\ngate\nvip\ntwin_viewer|two phases",
	'a transaction that was prepared leaves nobody and no seal behind, and is committed as who it was');
sql($node, 'TRUNCATE diary');
sql($node, 'ALTER ROLE gate RENAME TO gate_2');
fails_with($node, 'SELECT twin.decrypt(v) FROM (SELECT (\'x\'::twin.encrypted_text(pii)) AS v) t', '42501', '', 'a renamed login stays on the list', user => 'gate_2');
sql($node, 'ALTER ROLE gate_2 RENAME TO gate');
sql($node, q{CREATE FUNCTION sneak() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('role', NULL, true); RETURN (SELECT count(*) FROM unit); END $$});
fails_with($node, "BEGIN; SET LOCAL ROLE vip; SELECT twin.authenticate('$viewer') \\g /dev/null\nSELECT sneak()", '42501', 'cannot be changed', 'a function that resets it is refused', @gate);
fails_with($node, "BEGIN; SET LOCAL ROLE vip; SELECT twin.authenticate('$viewer') \\g /dev/null\nSET LOCAL SESSION AUTHORIZATION DEFAULT", '42501', 'cannot be changed', '... and so is SESSION AUTHORIZATION DEFAULT', @gate);
is(sql($node, "BEGIN; SET LOCAL ROLE vip; SELECT twin.authenticate('$viewer'); ROLLBACK; SET ROLE vip; SELECT current_user", @gate), "\nvip", 'the next transaction may again');

# ---- a standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
start_with($standby, new_key(), undef, JWT_SECRET_KEY => $secret);
is(sql($standby, "BEGIN; SELECT twin.authenticate('$admin'); SELECT DISTINCT tenant_id FROM unit; SELECT twin.has_permission('admin_panel')", @app), "\n2\nt", 'a standby knows who is asking');
my $reader = $standby->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]);
is($reader->query("BEGIN; SELECT twin.authenticate('$admin'); SELECT twin.has_permission('admin_panel')"), "\nt", 'there ...');
sql($node, "SELECT twin.revoke_permission('admin', 'admin_panel')");
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($reader->query("SELECT twin.has_permission('admin_panel')"), 'f', '... a permission taken on the primary is gone at once');
$reader->quit;
$standby->stop;

# ---- events that applications record carry the verified name ----

sql($node, q{
	GRANT twin_operator TO app;
	CREATE EXTENSION pgcrypto;
	SELECT twin.create_user('anna', 'Nine lives, 9 cats', role_name => 'viewer');
	SELECT twin.add_verification_key('{"kty":"oct","alg":"HS256","kid":"theirs","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}', 'them', claim_map => '{"user": "sub", "roles": ["viewer"]}')});
my $anna = token_of(sql($node, q{SELECT json_build_object('user_id', user_id::text, 'role', 'viewer') FROM twin.users WHERE username = 'anna'}));
my $theirs = sql($node, q{WITH b AS (SELECT translate(encode('{"alg":"HS256","kid":"theirs"}', 'base64'), '+/=' || chr(10), '-_') || '.' ||
		translate(encode(convert_to('{"iss":"them","sub":"otto","exp":' || floor(extract(epoch FROM now()))::bigint + 600 || '}', 'UTF8'), 'base64'), '+/=' || chr(10), '-_') AS t)
	SELECT t || '.' || translate(encode(hmac(t, '0123456789abcdef0123456789abcdef', 'sha256'), 'base64'), '+/=', '-_') FROM b});
my %tokens = (account => $anna, number => token_of('{"user_id": "77", "role": "viewer"}'), text => token_of('{"user_id": "bob", "role": "viewer"}'), outside => $theirs, unnamed => token_of('{"role": "viewer"}'));
my %claims = (none => '', same => ", username => 'anna'", other => ", username => 'mallory'", more => q{, username => 'mallory', details => '{"a": 1}'}, twice => q{, username => 'mallory', details => '{"claimed_username": "anna"}'});
foreach my $case (
	[ 'account none', 'anna|{}' ], [ 'account same', 'anna|{}' ], [ 'account other', 'anna|{"claimed_username": "mallory"}' ], [ 'account more', 'anna|{"a": 1, "claimed_username": "mallory"}' ],
	[ 'account twice', 'anna|{"claimed_username": "mallory"}' ], [ 'number other', '|{"claimed_username": "mallory"}' ], [ 'text other', 'bob|{"claimed_username": "mallory"}' ],
	[ 'outside other', 'otto|{"claimed_username": "mallory"}' ], [ 'outside none', 'otto|{}' ], [ 'unnamed other', 'mallory|{}' ], [ 'nobody other', 'mallory|{}' ])
{
	my ($name, $wanted) = @$case;
	my ($token, $claim) = split / /, $name;
	my $begin = $token eq 'nobody' ? '' : "SELECT 1 FROM (SELECT twin.authenticate('$tokens{$token}')) a;";
	my ($id) = sql($node, "BEGIN; $begin SELECT twin.record_event('door_opened'$claims{$claim}); COMMIT", @app) =~ /(\d+)$/;
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM twin.audit_log WHERE event_id = $id");
	is(sql($node, "SELECT username, details FROM twin.audit_log WHERE event_id = $id AND application_made"), $wanted, "token: $token, claimed: $claim");
}
my $bound = token_of('{"user_id": "77", "role": "viewer", "tenant_id": 5}');
my ($bound_id) = sql($node, "BEGIN; SELECT 1 FROM (SELECT twin.authenticate('$bound')) a; SELECT twin.record_event('door_opened'); COMMIT", @app) =~ /(\d+)$/;
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM twin.audit_log WHERE event_id = $bound_id");
is(sql($node, "SELECT user_id, tenant_id, token_id = twin.verify_token('$bound') ->> 'jti' FROM twin.audit_log WHERE event_id = $bound_id"), '77|5|t', '... and the user, the tenant and the token');
my $long = q{'door_opened', username => 'mallory', details => jsonb_build_object('a', repeat('x', 5100))};
is(answer_of($node, "BEGIN; SELECT twin.record_event($long) > 0; COMMIT", @app), 't', 'details that just fit');
fails_with($node, "BEGIN; SELECT twin.authenticate('$anna'); SELECT twin.record_event($long)", '54000', 'details of a security event are too long', '... do not where the name is kept beside them', @app);

# ---- a dump ----

sql($node, q{SELECT twin.create_role('auditor_2', 'viewer'), twin.create_permission('see_all'), twin.grant_permission('auditor_2', 'see_all')});
sql($node, 'CREATE DATABASE copied');
run_pipe('pg_dump -Fc -d ' . "'" . $node->connstr('postgres') . "' | pg_restore -d '" . $node->connstr('copied') . "' --exit-on-error");
is(sql($node, $_, db => 'copied'), sql($node, $_), "dumped and restored: $_")
  foreach ('SELECT role_name, inherits, database_role FROM twin.roles ORDER BY 1', 'SELECT * FROM twin.role_permissions ORDER BY 1, 2',
	'SELECT * FROM twin.token_only_logins ORDER BY 1', 'SELECT relation, tenant_column, permissions, holds FROM twin.protected_tables');
$viewer = sql($node, q{SELECT twin.issue_token('{"user_id": "11", "role": "viewer", "tenant_id": 1}')}, db => 'copied');
is(sql($node, "BEGIN; SELECT twin.authenticate('$viewer'); SELECT DISTINCT tenant_id FROM unit", db => 'copied', @app), "\n1", '... protects there as well');

$node->stop;
done_testing();
