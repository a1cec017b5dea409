# How far an administrator reaches, across sessions: by tokens on a gateway's login, with old snapshots, while others log
# in and refresh; and what of it stands in the log of events.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my %environment = (JWT_SECRET_KEY => 'a secret of at least thirty-two bytes, for tests');
my $node = new_node('reach', conf => "twin_security.audit_enabled = off\ntwin_security.bcrypt_cost = 10\nlisten_addresses = '127.0.0.1'\n");
start_with($node, $key, undef, %environment);
my $password = canary() . ' Xy';
sql($node, qq{
	CREATE EXTENSION twin_security;
	CREATE ROLE web LOGIN IN ROLE twin_anonymous; CREATE ROLE dba LOGIN IN ROLE twin_admin; CREATE ROLE gate LOGIN NOINHERIT;
	GRANT twin_anonymous, twin_viewer, twin_operator, twin_admin TO gate; INSERT INTO twin.token_only_logins VALUES ('gate');
	SELECT twin.create_tenant(t) FROM unnest('{south,north}'::text[]) t;
	SELECT twin.create_user(u, '$password', u || '\@example.org', 'admin') FROM unnest('{boss,second}'::text[]) u;
	SELECT twin.create_user('sue', '$password', role_name => 'admin', tenant_id => 1), twin.create_user('sal', '$password', tenant_id => 1),
		twin.create_user('ned', '$password', tenant_id => 2), twin.create_user('fay', '$password', tenant_id => 2)});

sub login { my ($name) = @_; return decode_json(sql($node, "SELECT twin_api.login('$name', '$password')", user => 'web')) }
sub events { my ($where) = @_; events_written($node); return sql($node, "SELECT coalesce(string_agg(format('%s %s %s %s %s', event_type, resource, severity, outcome, details), E'\n' ORDER BY event_id), '') FROM twin.audit_log WHERE $where") }

# ---- behind a gateway ----

# What one answers, in one transaction of the gateway's login in the role of his token; the SQLSTATE of an error.
sub through_gate
{
	my ($token, $query) = @_;
	return answer_of($node, "BEGIN; SET LOCAL ROLE twin_admin; SELECT twin.authenticate('$token') \\g /dev/null\n$query; COMMIT", user => 'gate');
}
my $sue = login('sue')->{access_token};
my $boss = login('boss')->{access_token};
my $sal = login('sal')->{access_token};
like(answer_of($node, q{SET ROLE twin_admin; SELECT twin.disable_user('sal')}, user => 'gate'), qr/^42501/, 'a gateway without a token administers nothing');
like(through_gate($sal, q{SELECT twin.disable_user('sal')}), qr/^42501/, '... nor with a viewer\'s');
is(through_gate($sue, q{SELECT string_agg(username, ' ' ORDER BY username) FROM twin.users}), 'sal sue', 'a tenant\'s admin sees his users through it');
is(through_gate($sue, 'SELECT string_agg(DISTINCT username, \' \' ORDER BY username) FROM twin.sessions'), 'sal sue', '... and their sessions');
is(through_gate($boss, 'SELECT count(*) FROM twin.users'), '6', 'an admin of no tenant sees all');
like(through_gate($sue, q{SELECT twin.disable_user('ned')}), qr/^42704/, 'another tenant\'s user is nobody');
like(through_gate($sue, q{SELECT twin.issue_token('{"user_id": "1", "role": "admin"}')}), qr/^42501/, 'no token is issued that has no tenant');
like(through_gate($sue, q{SELECT twin.grant_permission('viewer', 'write_users')}), qr/^42501/, 'no role is changed');
like(through_gate($sue, q{SELECT count(*) FROM twin.audit_log}), qr/^42501/, 'the log of all is not shown');
is(through_gate($boss, q{SELECT count(*) > 0 FROM twin.audit_log}), 't', '... but to an admin of no tenant');
is(through_gate($sue, "SET LOCAL @{[ parallel_mode($node) ]} = on; SELECT tenant_name FROM twin.tenants"), 'south', 'workers know the tenant too');
through_gate($sue, qq{SELECT twin.create_user('new', '$password')});
is(sql($node, q{SELECT tenant_id FROM twin.users WHERE username = 'new'}), '1', 'whom he makes is of his tenant');
is(events(q{event_type = 'permission_denied' AND action = 'administer' AND tenant_id = 1 AND username = 'sue'}), join("\n", map { "permission_denied $_ medium denied {}" } 'issue_token', 'grant_permission', 'audit_log'),
	'each refusal is an event with who was refused');

# ---- the last administrator, in whatever snapshot ----

foreach my $isolation ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query("\\set VERBOSITY sqlstate\nBEGIN ISOLATION LEVEL $isolation; SELECT count(*) FROM twin.users");
	sql($node, q{SELECT twin.disable_user('second')});
	$session->query(q{SELECT twin.disable_user('boss')});
	$session->query('COMMIT');
	$session->quit;
	is(sql($node, q{SELECT string_agg(username, ' ' ORDER BY username) FROM twin.users WHERE is_active AND role_name = 'admin' AND tenant_id IS NULL}), 'boss', "$isolation: the last one stays");
	sql($node, q{SELECT twin.enable_user(u) FROM unnest('{boss,second}'::text[]) u});
}
fails_with($node, q{SELECT twin.disable_user('second') \g /dev/null
	SELECT twin.delete_user('boss')}, '55000', 'no administrator', 'an admin of a tenant does not take his place');
sql($node, q{SELECT twin.enable_user('second')});

# ---- who is deleted is out, and nobody waits ----

my $open = $node->background_psql('postgres', extra_params => [ '-U', 'web' ]);
my $got = $open->query("BEGIN; SELECT twin_api.login('ned', '$password') ->> 'access_token'");
$got =~ s/\s//g;
my $kept = login('ned');
my $admin = $node->background_psql('postgres', on_error_stop => 0);
$admin->query(q{SET lock_timeout = '5s'; BEGIN; SELECT twin.delete_user('ned')});
my $waiting = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'web' ]);
$waiting->query_until(qr/began/, "\\echo began\nSELECT twin_api.refresh('$kept->{refresh_token}') ->> 'error' AS said;\n");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%twin_api.refresh%' AND pid <> pg_backend_pid()});
$admin->query('COMMIT');
is(sql($node, q{SELECT count(*) FROM twin.users WHERE username = 'ned'}), '0', 'a user is deleted while a login of his is open');
like($waiting->query('SELECT 1'), qr/invalid_token/, 'a refresh that waited is refused');
$open->query('COMMIT');
like(answer_of($node, "SELECT twin.verify_token('$_')"), qr/^TW510/, 'his tokens are refused') foreach $got, $kept->{access_token};
is(login('ned')->{error}, 'invalid_credentials', '... and he does not log in');
is(sql($node, q{SELECT count(*) FROM twin.sessions WHERE username IS NULL OR username = 'ned'}), '0', 'no session of his is shown');
$waiting->query_until(qr/began/, "\\echo began\nSELECT 1;\n");
# the other order: a refresh under way, with its session's row
$kept = login('fay');
$open->query("BEGIN; SELECT twin_api.refresh('$kept->{refresh_token}') ->> 'token_type'");
sql($node, q{SET lock_timeout = '5s'; SELECT twin.delete_user('fay')});
$open->query('COMMIT');
like(answer_of($node, "SELECT twin.verify_token('$kept->{access_token}')"), qr/^TW510/, 'a refresh under way keeps nobody');
is(sql($node, q{SELECT count(*) FROM twin.sessions WHERE username IS NULL OR username = 'fay'}), '0', '... and no session shown');
cmp_ok(sql($node, "SELECT twin.create_user('ned', '$password')"), '>', 6, 'a number comes back to nobody');
$_->quit foreach $open, $admin, $waiting;
# who waited for a deletion finds another of the name, or nobody
$admin = $node->background_psql('postgres', on_error_stop => 0);
$waiting = $node->background_psql('postgres', on_error_stop => 0);
$admin->query(qq{BEGIN; SELECT twin.delete_user('ned'); SELECT twin.create_user('ned', '$password', role_name => 'operator')});
$waiting->query_until(qr/began/, "\\echo began\nSELECT twin.disable_user('ned');\n");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%disable_user%' AND pid <> pg_backend_pid()});
$admin->query('COMMIT');
$waiting->query('SELECT 1');
is(sql($node, q{SELECT role_name, is_active FROM twin.users WHERE username = 'ned'}), 'operator|f', 'who waited for a deletion acts on the next of the name');
$_->quit foreach $admin, $waiting;

# ---- an address is unlocked ----

sub over_network
{
	my ($sql) = @_;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-XAtq', '-h', '127.0.0.1', '-p', $node->port, '-U', 'web', '-d', 'postgres', '-c', $sql ], '>', \$out, '2>', \$err);
	return $out . $err;
}
over_network(q{SELECT twin_api.login('nobody' || i, 'wrong') FROM generate_series(1, 21) i});
my $try = "SELECT coalesce(twin_api.login('sal', '$password') ->> 'error', 'in')";
is(over_network($try), "too_many_requests\n", 'an address is locked');
sql($node, q{SELECT twin.unlock_address('127.0.0.2')}, user => 'dba');
is(over_network($try), "too_many_requests\n", 'unlocking another changes nothing');
sql($node, q{SELECT twin.unlock_address('127.0.0.1')}, user => 'dba');
is(over_network($try), "in\n", 'unlocked, people log in');
is(sql($node, q{SELECT locked FROM twin.stat_limits WHERE kind = 'address'}), '0', '... and no lock is left');
like(answer_of($node, q{SELECT twin.unlock_address('127.0.0.1')}, user => 'web'), qr/^42501/, 'not for anybody');

# ---- changes of what people may are events ----

events('true');
my $before = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
sql($node, q{
	SELECT twin.create_permission('curate'), twin.create_role('curator', 'viewer'), twin.create_role('glass', NULL, NULL, true);
	SELECT twin.grant_permission('curator', 'curate'); SELECT twin.grant_permission('curator', 'curate');
	SELECT twin.revoke_permission('curator', 'curate'); SELECT twin.revoke_permission('curator', 'curate');
	SELECT twin.grant_permission('curator', 'curate');
	SELECT twin.drop_role('curator');
	SELECT twin.grant_key_permission('main', 'read_users', 'decrypt'); SELECT twin.grant_key_permission('main', 'read_users', 'decrypt');
	SELECT twin.revoke_key_permission('main', 'read_users', 'decrypt'); SELECT twin.revoke_key_permission('main', 'read_users', 'decrypt');
	SELECT twin.set_email('sal', 'secret@example.org'), twin.unlock_address('192.0.2.7');
	INSERT INTO twin.token_only_logins VALUES ('web'), ('dba'); UPDATE twin.token_only_logins SET role_name = 'twin_viewer' WHERE role_name = 'web'::regrole;
	DELETE FROM twin.token_only_logins WHERE role_name = 'dba'::regrole;
	BEGIN; TRUNCATE twin.token_only_logins; ROLLBACK});
# (who came in, and that the log is alive, is told beside)
is(events("event_id > $before AND event_type NOT IN ('login_success', 'heartbeat', 'alert_raised')"), join("\n",
	'permission_created curate info success {}', 'role_created curator medium success {"inherits": "viewer", "break_glass": false}',
	'role_created glass high success {"inherits": null, "break_glass": true}', 'permission_granted curate medium success {"role": "curator"}',
	'permission_revoked curate medium success {"role": "curator"}', 'permission_granted curate medium success {"role": "curator"}', 'role_dropped curator medium success {}',
	'key_granted main medium success {"privilege": "decrypt", "permission": "read_users"}', 'key_revoked main medium success {"privilege": "decrypt", "permission": "read_users"}',
	'user_changed sal info success {"field": "email"}', 'address_unlocked 192.0.2.7 info success {}', 'token_only_login_added web medium success {}', 'token_only_login_added dba medium success {}',
	'token_only_login_removed web high success {}', 'token_only_login_added twin_viewer medium success {}', 'token_only_login_removed dba high success {}',
	'token_only_login_removed  high failure {"all": true}'), 'each change once, with what it was');
is(events(q{event_type = 'user_deleted' AND resource = 'fay'}) =~ /user_deleted fay medium success .*"tenant_id": 2/, 1, 'who was deleted');
ok(!holds(sql($node, q{SELECT string_agg(a::text, '') FROM twin.audit_log a}), 'secret@example.org'), 'no address is among them');

# ---- without preloading, and without ENCRYPTION_KEY ----

my $bare = new_node('reach_bare', preload => 0);
start_with($bare, $key, undef, %environment);
sql($bare, "CREATE EXTENSION twin_security; SELECT twin.create_user('anna', '$password'); SELECT twin.set_email('anna', 'a\@example.org'); SELECT twin.delete_user('anna')");
is(sql($bare, 'SELECT count(*) FROM twin.users'), '0', 'without preloading users are administered all the same');
fails_with($bare, q{SELECT twin.unlock_address('192.0.2.1')}, '55000', 'preloaded', '... but there are no locks');
sql($bare, "SELECT twin.create_user('anna', '$password', 'quorvexian.thripold\@example.org')");
$bare->stop('fast'); start_with($bare, undef, undef, %environment);
sql($bare, q{SELECT twin.set_password('anna', 'quorvexian.thripold')});
pass('without ENCRYPTION_KEY a password is changed without a look at the address');
$bare->stop('fast'); start_with($bare, $key, undef, %environment);
fails_with($bare, q{SELECT twin.set_password('anna', 'quorvexian.thripold')}, '22023', 'not acceptable', '... with it, judged by it');

# ---- other encodings ----

sql($node, q{CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
sql($node, 'CREATE EXTENSION twin_security', db => 'latin');
is(sql($node, q{SELECT twin.create_tenant('Stra' || chr(223) || 'e') > 0}, db => 'latin'), 't', 'a tenant in LATIN1');
fails_with($node, q{SELECT twin.create_tenant('a' || chr(173) || 'b')}, '22023', 'invalid tenant name', '... with no soft hyphen', db => 'latin');

done_testing();
