# What is published is received after commit by those who may, in order, and by nobody else; a listener that is too slow is
# told; a token that is revoked or expired, a user who is disabled, a permission that is taken away ends a subscription
# before the next message; crashes, restarts, standbys, dumps and other databases change none of that.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;

my $key = new_key();
my %secret = (JWT_SECRET_KEY => 'the secret of these tokens is not of others');
my $node = new_node('topics', allows_streaming => 1,
	conf => "max_connections = 40\nmax_prepared_transactions = 2\nrestart_after_crash = on\ntwin_security.topic_ring_size = 512kB\ntwin_security.max_databases = 2\ntwin_security.bcrypt_cost = 10\nlog_min_error_statement = panic\n");
start_with($node, $key, undef, %secret);
sql($node, 'CREATE EXTENSION twin_security; ALTER ROLE twin_gateway LOGIN; CREATE TABLE units (id int PRIMARY KEY, tenant_id bigint)');

my $serial = 0;
sub token
{
	my ($role, $tenant, $lifetime) = @_;
	$serial++;
	return sql($node, sprintf q{SELECT twin.issue_token('{"user_id": "%d", "role": "%s"%s}', %s)}, $serial + 1000, $role, defined $tenant ? qq(, "tenant_id": $tenant) : '', $lifetime ? "'$lifetime'" : 'NULL');
}

# A session of the gateway that listens.
sub listener
{
	my (%options) = @_;
	my $session = $node->background_psql($options{db} // 'postgres', on_error_stop => 0, extra_params => [ '-U', $options{user} // 'twin_gateway' ]);
	$session->{listener_name} = $session->query_safe('SELECT twin.open_listener()');
	return $session;
}
sub subscribe_to { my ($session, $token, @topics) = @_; return $session->query_safe("SELECT twin.subscribe('$token', '{" . join(',', @topics) . "}')"); }
my $row = q{coalesce(array_to_string(subscriptions, ','), 'all') || ' ' || coalesce(topic, '-') || ' ' || payload || ' ' || event};
sub receive { my ($session, $wait, $max) = @_; return $session->query_safe("SELECT $row FROM twin.receive('" . ($wait // '0') . "', " . ($max // 1000) . ")"); }
sub begin_receive { my ($session, $wait) = @_; begin_query($session, "SELECT $row FROM twin.receive('$wait');"); return comes_true($node, q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Extension' AND query ~ 'twin.receive')}); }
sub end_receive { my ($session) = @_; my $out = $session->query_safe('SELECT'); $out =~ s/\s+\z//; return $out; }
sub stat_of { my ($column, $db) = @_; return sql($node, "SELECT $column FROM twin.stat_topics", db => $db); }

# ---- after commit, and not before; two listeners; who waits ----

my $a = listener();
my $b = listener();
my $one = subscribe_to($a, token('viewer', 1), 'units.*');
my $two = subscribe_to($b, token('viewer', 2), 'units.*');
my $both = subscribe_to($b, token('viewer', 1), 'units.7', 'alerts');
my $publisher = $node->background_psql('postgres', on_error_stop => 0);
begin_receive($a, '60 s');
my $began = time;
$publisher->query_safe(q{BEGIN; INSERT INTO units VALUES (1, 1); SELECT twin.publish('units.7', '{"n": 1}', 1)});
is(receive($b, '700 ms'), '', 'nothing is received before the commit');
$publisher->query_safe('COMMIT');
is(end_receive($a), "$one units.7 {\"n\": 1} message", 'who waits receives it after the commit');
is_soon($began, '... at once');
is(receive($b, '5 s'), "$both units.7 {\"n\": 1} message", 'the other listener, for whom of its clients it is');
$publisher->query_safe(q{BEGIN; SELECT twin.publish('units.7', '2', 1); ROLLBACK; BEGIN; SELECT twin.publish('units.7', '3', 1); SAVEPOINT s; SELECT twin.publish('units.7', '4', 1); ROLLBACK TO s; SELECT twin.publish('units.7', '5', 2); COMMIT});
is(receive($a, '5 s'), "$one units.7 3 message", 'nothing of what was rolled back');
is(receive($b, '5 s'), "$both units.7 3 message\n$two units.7 5 message", '... and the rest in order');
session_fails($publisher, q{BEGIN; SELECT twin.publish('units.7', '6', 1); PREPARE TRANSACTION 'p'}, '0A000', 'what is published is not prepared');
$publisher->query_safe(q{BEGIN; SAVEPOINT s; SELECT twin.publish('units.7', '6', 1); ROLLBACK TO s; INSERT INTO units VALUES (9, 1); PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'});
is(receive($a) . receive($b), '', 'what published nothing is');

# woken by another session, also before it waits
begin_receive($a, '60 s');
$began = time;
is(sql($node, "SELECT twin.wake_listener('$a->{listener_name}')", user => 'twin_gateway'), 't', 'another session wakes it');
is(end_receive($a), '', '... and it returns');
is_soon($began, '... at once');
sql($node, "SELECT twin.wake_listener('$a->{listener_name}')", user => 'twin_gateway');
$began = time;
receive($a, '60 s');
is_soon($began, 'a wake-up is not lost when nobody waits yet');
is(sql($node, "SELECT twin.wake_listener('" . ('0' x 32) . "')", user => 'twin_gateway'), 'f', 'a name that is guessed wakes nobody');

# a cancelled receive loses nothing
sql($node, q{SELECT twin.publish('units.7', '"kept"', 1)});
$a->query(q{BEGIN; SELECT count(*) FROM twin.receive('0'); SELECT 1 / 0; ROLLBACK});
$a->{stderr} = '';
is(receive($a, '5 s'), "$one units.7 \"kept\" message", 'what a failed transaction received is received again');
begin_receive($a, '30 s');
sql($node, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'twin_gateway' AND state = 'active'});
$a->query('SELECT');
$a->{stderr} = '';
sql($node, q{SELECT twin.publish('units.7', '"after the cancel"', 1)});
is(receive($a, '5 s'), "$one units.7 \"after the cancel\" message", 'a cancelled receive can be called again');
receive($b);

# ---- order of each publisher, with eight at once ----

my $file = PostgreSQL::Test::Utils::tempdir() . '/script';
append_to_file($file, "\\set n random(1, 1000000)\nBEGIN;\nSELECT twin.publish('units.o', jsonb_build_array(:client_id, nextval('counter_:client_id')), 1), twin.publish('units.o', jsonb_build_array(:client_id, nextval('counter_:client_id')), 1);\nCOMMIT;\n");
sql($node, "CREATE SEQUENCE counter_$_") foreach 0 .. 7;
$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 100, '-f', $file, $node->connstr('postgres') ], 'eight sessions publish');
my %next;
my $disorder = 0;
my $count = 0;
while (my $rows = receive($a, '1 s', 97))
{
	foreach (split /\n/, $rows)
	{
		/units\.o \[(\d+), (\d+)\] message$/ or die $_;
		$disorder++ if $2 != ++$next{$1};
		$count++;
	}
}
is($count, 1600, 'every message is received once');
is($disorder, 0, '... in the order of its publisher');
receive($b, '0', 10000);

# ---- tokens that end ----

my $brief = token('viewer', 1, '6 s');
my ($short, $unheard) = map { subscribe_to($_, $brief, 'alerts') } $a, $b;
begin_receive($a, '60 s');
my $expired = '{"code": "TW507", "reason": "token_expired"} closed';
is(end_receive($a), "$short - $expired", 'a token that expires ends its subscription, also while nothing comes');
sql($node, q{SELECT twin.publish('alerts', '"late"', 1)});
is(join("\n", sort split /\n/, receive($b, '5 s')), join("\n", sort "$unheard - $expired", "$both alerts \"late\" message"), 'nothing is handed over after that');
is(receive($a), '', '... to anybody');

sub ends_by
{
	my ($what, $token, $sql, $expected) = @_;
	my $id = subscribe_to($a, $token, 'alerts', 'control.1');
	my $other = subscribe_to($a, token('viewer', 1), 'alerts');
	sql($node, q{SELECT twin.publish('alerts', '"before"', 1)});
	is(receive($a, '5 s'), "$id,$other alerts \"before\" message", "$what: before");
	# the message follows it, in another session, before the listener looks
	sql($node, $sql);
	sql($node, q{SELECT twin.publish('alerts', '"after"', 1)});
	is(join("\n", sort split /\n/, receive($a, '5 s')), join("\n", sort ("$id $expected closed", "$other alerts \"after\" message")), "$what: at once, and for nobody else");
	# and while it waits
	if ($what eq 'a token is revoked')
	{
		my $again = subscribe_to($a, $token = token('operator', 1), 'alerts');
		begin_receive($a, '60 s');
		my $start = time;
		sql($node, "SELECT twin.revoke_token('$token')");
		like(end_receive($a), qr/^$again - .*token_revoked.* closed$/, "$what: while it waits");
		is_soon($start, '... soon');
	}
	$a->query_safe("SELECT twin.unsubscribe($other)");
	return;
}
my $revoked = '- {"code": "TW510", "reason": "token_revoked"}';
my $doomed = token('operator', 1);
ends_by('a token is revoked', $doomed, "SELECT twin.revoke_token('$doomed')", $revoked);
sql($node, q{SELECT twin.create_tenant('south'); SELECT twin.create_user('olga', 'correct horse battery staple', NULL, 'operator', 1)});
my $login = q{SELECT twin_api.login('olga', 'correct horse battery staple') ->> 'access_token'};
ends_by('the user is disabled', sql($node, $login), q{SELECT twin.disable_user('olga')}, $revoked);
sql($node, q{SELECT twin.enable_user('olga'); SELECT pg_sleep(1.1)});
ends_by('another role is assigned', sql($node, $login), q{SELECT twin.assign_role('olga', 'viewer')}, $revoked);
ends_by('a permission is taken away', token('operator', 1), q{SELECT twin.revoke_permission('operator', 'remote_control')}, 'control.1 {"code": "42501", "reason": "permission_denied"}');
sql($node, q{SELECT twin.grant_permission('operator', 'remote_control')});
ends_by('a topic needs another permission', token('operator', 1), q{UPDATE twin.topics SET subscribe_permission = 'admin_panel' WHERE topic = 'control.*'}, 'control.1 {"code": "42501", "reason": "permission_denied"}');
ends_by('a topic is disabled', token('admin', 1), q{UPDATE twin.topics SET enabled = false WHERE topic = 'control.*'}, 'control.1 {"code": "42704", "reason": "topic_gone"}');
sql($node, q{UPDATE twin.topics SET subscribe_permission = 'remote_control', enabled = true WHERE topic = 'control.*'});
ends_by('a role loses what it inherits', token('operator', 1), q{UPDATE twin_internal.roles SET inherits = NULL WHERE role_name = 'operator'}, 'alerts {"code": "42501", "reason": "permission_denied"}');
sql($node, q{UPDATE twin_internal.roles SET inherits = 'viewer' WHERE role_name = 'operator'});
sql($node, q{SELECT twin.create_signing_key('EdDSA') AS kid \gset
	SELECT twin.use_signing_key(:'kid'); CREATE TABLE kids AS SELECT :'kid' AS kid});
my $signed = token('operator', 1);
sql($node, q{SET client_min_messages = error; SELECT twin.rotate_signing_key(), twin.rotate_signing_key()});
ends_by('the key of its token is retired', $signed, q{SET client_min_messages = error; SELECT twin.retire_signing_key(kid) FROM kids}, '- {"code": "TW505", "reason": "token_refused"}');

# ---- tenants, and a viewer whose row is told by a trigger ----

sql($node, q{
	GRANT INSERT ON units TO twin_viewer; GRANT USAGE ON SCHEMA public TO twin_viewer;
	CREATE FUNCTION tell_unit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM twin.publish('units.' || NEW.id, to_jsonb(NEW), NEW.tenant_id); RETURN NULL; END $$;
	CREATE TRIGGER tell_unit AFTER INSERT ON units FOR EACH ROW EXECUTE FUNCTION tell_unit()});
receive($a); receive($b);
my $viewer = token('viewer', 1);
my $no_tenant = subscribe_to($b, token('admin'), 'units.*');
sql($node, "BEGIN; SET LOCAL twin_security.token = '$viewer'; SET LOCAL ROLE twin_viewer; INSERT INTO units VALUES (100, 1); COMMIT", user => 'twin_gateway');
is(receive($a, '5 s'), "$one units.100 {\"id\": 100, \"tenant_id\": 1} message", "a viewer's row is told by a trigger");
is(receive($b, '1 s'), '', "... to his tenant, neither to others' nor to who has none");
fails_with($node, "BEGIN; SET LOCAL twin_security.token = '$viewer'; SET LOCAL ROLE twin_viewer; SELECT twin.publish('units.100', '1'); COMMIT", '42501', 'publish to topic', 'he publishes nothing himself', user => 'twin_gateway');
my $operator = token('operator', 2);
sql($node, "BEGIN; SET LOCAL twin_security.token = '$operator'; SET LOCAL ROLE twin_operator; SELECT twin.publish('units.5', '\"of two\"'); COMMIT", user => 'twin_gateway');
is(receive($a, '1 s') . receive($b, '5 s'), "$two units.5 \"of two\" message", "an operator reaches his tenant's");
sql($node, q{SELECT twin.publish('units.5', '"to all"')});
is(receive($b, '5 s'), "$two,$no_tenant units.5 \"to all\" message", 'what is of no tenant reaches all');
my $before = stat_of('published');
receive($a);

# ---- overflow ----

# the log's own messages may come in between
my $published = stat_of('published');
is(sql($node, q{SET statement_timeout = 0; DO $$ BEGIN FOR i IN 1..1700 LOOP PERFORM twin.publish('units.big', to_jsonb(repeat('x', 61000)), 1); COMMIT; END LOOP; END $$; SELECT 'done'}), 'done', 'a hundred megabytes wait for nobody');
my $least = stat_of('published') - $published; # one more may come right after it was asked
my $rows = receive($a, '5 s', 10000);
my ($lost) = $rows =~ /^all - \{"lost": (\d+)\} lost$/m;
my $got = () = $rows =~ /^$one units\.big .* message$/mg;
my ($all, $others) = (stat_of('published') - $published, scalar(() = $rows =~ /^(?!$one units\.big|all - \{)/mg));
cmp_ok($all, '>=', 1700, 'all of it is published');
ok($lost + $got + $others >= $least && $lost + $got + $others <= $all + $published - $before, 'a listener that was too slow is told how many it lost')
	|| diag("$lost + $got + $others of $all, $before to $published");
cmp_ok($got, '>=', 7, '... and gets the newest');
like($rows, qr/\Aall - \{"lost"/, '... told first');
is(stat_of('lost'), $lost, '... which is counted');
cmp_ok(stat_of('ring_fill'), '==', 1, 'the other listener is behind by all');
like(receive($b, '0', 10000), qr/\Aall - \{"lost": \d+\} lost\z/, 'it is told as well, and gets none of another tenant');
# (each listener may be behind by what the log itself says meanwhile; and who asks in a session of his own is an event)
my $tries = 0;
until ($publisher->query_safe('SELECT ring_fill FROM twin.stat_topics') =~ /^0\s*$/ || ++$tries == 20) { receive($_, '0', 10000) foreach $a, $b; sleep 0.05 }
cmp_ok($tries, '<', 20, 'and has caught up');
# one that keeps up, with a publisher that gives it time
my $pump = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
		q{DO $$ BEGIN FOR i IN 1..200 LOOP PERFORM twin.publish('units.big', to_jsonb(repeat('x', 10000)), 1); COMMIT; PERFORM pg_sleep(0.005); END LOOP; END $$} ]);
($lost, $got) = (0, 0);
my $until = time + $PostgreSQL::Test::Utils::timeout_default;
while ($lost + $got < 200 && time < $until) { $rows = receive($a, '1 s'); $lost += $1 while $rows =~ /"lost": (\d+)/g; $got += () = $rows =~ / message$/mg; }
$pump->finish;
is($lost + $got, 200, 'nothing is unaccounted for while both are at it');

# ---- thousands of subscriptions ----

sql($node, q{CREATE TABLE clients AS SELECT i, twin.issue_token(jsonb_build_object('user_id', (10000 + i)::text, 'role', 'viewer', 'tenant_id', i % 2 + 1)) AS token FROM generate_series(1, 5000) i; GRANT SELECT ON clients TO twin_gateway});
my $c = listener(user => 'postgres');
is($c->query_safe(q{SELECT count(twin.subscribe(token, ARRAY['units.' || i, 'alerts'])) FROM clients}), '5000', '5,000 subscriptions');
cmp_ok(stat_of('subscriptions'), '>=', 5000, '... are counted');
cmp_ok($c->query_safe(q{SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'twin_security subscriptions'}), '<', 10_000_000, '... in less than ten megabytes');
sql($node, q{SELECT twin.publish('alerts', '1', 1), twin.publish('alerts', '2'), twin.publish('units.4999', '3', 2), twin.publish('units.4999', '4', 1)});
is($c->query_safe(q{SELECT string_agg(payload::text || ':' || array_length(subscriptions, 1), ' ') FROM twin.receive('5 s')}), '1:2500 2:5000 3:1', 'each gets what is his');
$c->query_safe(q{SET client_min_messages = error; SELECT count(twin.revoke_token(token)) FROM clients WHERE i % 5 = 0});
sql($node, q{SELECT twin.publish('alerts', '5')});
is($c->query_safe(q{SELECT string_agg(n || ' ' || event, ', ' ORDER BY event) FROM (SELECT event, sum(array_length(subscriptions, 1)) AS n FROM twin.receive('5 s') GROUP BY event) x}), '1000 closed, 4000 message', 'a thousand that are revoked end before the next message');
is($c->query_safe(q{SELECT count(twin.unsubscribe(s)) FROM generate_series(1, 5000) s}), '5000', 'all leave');
cmp_ok($c->query_safe(q{SELECT used_bytes FROM pg_backend_memory_contexts WHERE name = 'twin_security subscriptions'}), '<', 100_000, '... and leave no memory behind');

# ---- too much ----

fails_with($node, q{SELECT twin.publish('units.1', to_jsonb(repeat('x', 60000))) FROM generate_series(1, 5)}, '54000', 'publishes too much', 'half of the ring is the most of one transaction');
$c->query_safe('SET twin_security.max_subscriptions = 2; SELECT ' . join(', ', map { "twin.subscribe('$viewer', '{units.$_}')" } 1 .. 2));
session_fails($c, "SELECT twin.subscribe('$viewer', '{units.1}')", '53400', 'more subscriptions than are allowed are refused');
my @crowd = map { listener() } 1 .. 29;
fails_with($node, 'SELECT twin.open_listener()', '53400', '32 sessions listen', 'so are more listeners');
$_->quit foreach @crowd;
$node->poll_query_until('postgres', 'SELECT listeners = 3 FROM twin.stat_topics');
is(stat_of('listeners'), 3, 'who goes leaves his place');

# ---- other databases ----

receive($a);
sql($node, 'CREATE DATABASE other; CREATE DATABASE third');
sql($node, 'CREATE EXTENSION twin_security', db => $_) foreach 'other', 'third';
my $foreign = sql($node, q{SELECT twin.issue_token('{"user_id": "1", "role": "admin", "tenant_id": 1}')}, db => 'other');
my $o = listener(db => 'other');
my $theirs = subscribe_to($o, $foreign, 'units.*');
session_fails($o, "SELECT twin.subscribe('$viewer', '{units.*}')", 'TW505', 'a token of another database opens nothing');
sql($node, q{SELECT twin.publish('units.1', '"here"')});
sql($node, q{SELECT twin.publish('units.1', '"there"')}, db => 'other');
is(receive($o, '5 s'), "$theirs units.1 \"there\" message", 'a database hears its own messages');
is(receive($a, '5 s'), "$one units.1 \"here\" message", '... each');
is(sql($node, "SELECT twin.wake_listener('$a->{listener_name}')", db => 'other'), 'f', 'nor wakes one listeners of another');
fails_with($node, q{SELECT twin.publish('units.1', '1')}, '53400', 'no shared memory is left', 'a third finds no room', db => 'third');
$o->quit;
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'other'");
sql($node, 'DROP DATABASE other');
is(sql($node, q{SELECT twin.publish('units.1', '1')}, db => 'third'), '', '... until one is dropped');
is(stat_of('published', 'third'), 1, 'whose counters are not inherited');

# ---- what leaves no trace ----

my $canary = canary();
my $token = token('operator', 1);
append_to_file("$file.json", "\"$canary\"\n");
sql($node, "CREATE TEMP TABLE t (p jsonb); \\copy t FROM '$file.json'\nSELECT twin.publish('units.1', p, 1) FROM t");
foreach my $wrong ("twin.publish('units..', p)", "twin.publish('nothing', p)", "twin.publish('units.1', (repeat('[', 70) || p || repeat(']', 70))::jsonb)", "twin.publish('units.1', to_jsonb(repeat(p::text, 10000)))")
{
	fails_with($node, "CREATE TEMP TABLE t (p jsonb); \\copy t FROM '$file.json'\nSELECT $wrong FROM t", '\w{5}', '.', "$wrong fails");
}
ok(comes_true($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%' || substr('$canary', 1, 10) || '%' AND pid <> pg_backend_pid()"), 'a payload is not seen in pg_stat_activity');
ok(!holds(slurp_file($node->logfile), $canary), '... nor in the log');
my $lines = receive($a, '5 s');
like($lines, qr/$canary/, '... but is received');
session_fails($a, "SELECT twin.subscribe('$token.', '{units.1}')", 'TW501', 'a token with a dot too many is refused');
ok(!holds(slurp_file($node->logfile), $token), 'no token stands in the log');
events_written($node);
is(sql($node, q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'token_refused' AND action = 'subscribe' AND resource = 'TW501'}), 't', 'a refused subscription is an event');
is(sql($node, q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'topic_changed' AND resource = 'control.*'}), 't', 'so is a changed topic');

# ---- a dump ----

sql($node, q{DROP TRIGGER tell_unit ON units; UPDATE twin.topics SET enabled = false WHERE topic = 'system'; INSERT INTO twin.topics (topic, subscribe_permission, tenant_bound) VALUES ('plant.*', 'read_units', false)});
my $state = q{SELECT string_agg(t::text, ' ' ORDER BY topic) FROM twin.topics t};
my $was = sql($node, $state);
my %ways = (
	whole => 'pg_dump FROM | psql -X -q -v ON_ERROR_STOP=1 TO',
	separate => 'pg_dump -s FROM | psql -X -q -v ON_ERROR_STOP=1 TO && pg_dump -a FROM | psql -X -q -v ON_ERROR_STOP=1 TO');
foreach my $how (sort keys %ways)
{
	my ($from, $to) = map { "-d '" . $node->connstr($_) . "'" } 'postgres', $how;
	sql($node, "CREATE DATABASE $how");
	run_pipe($ways{$how} =~ s/\bFROM\b/$from/gr =~ s/\bTO\b/$to/gr);
	is(sql($node, $state, db => $how), $was, "$how: topics are the same");
	sql($node, "DROP DATABASE $how");
}

# ---- a standby ----

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
start_with($standby, $key, undef, %secret);
fails_with($standby, q{SELECT twin.publish('units.1', '1')}, '25006', 'during recovery', 'a standby publishes nothing');
fails_with($standby, 'SELECT twin.open_listener()', '55000', 'nothing is published on a standby', '... and says so to who would listen');
$standby->promote;
is(sql($standby, q{SELECT length(twin.open_listener())}), '32', 'once promoted it has listeners');
$standby->stop;

# ---- crash, restart ----

my $id_of = "SELECT message_id FROM twin.receive('5 s') WHERE event = 'message'";
sql($node, q{SELECT twin.publish('units.1', '1', 1)});
my $last_id = $a->query_safe($id_of);
my $victim = $b->query_safe('SELECT pg_backend_pid()');
kill_backend($node, $victim) or die 'no recovery';
is(stat_of('listeners'), 0, 'after a listener was killed nobody listens');
foreach my $session ($a, $b, $c, $publisher) { eval { $session->quit } }
$a = listener();
$one = subscribe_to($a, token('viewer', 1), 'units.*');
sql($node, q{SELECT twin.publish('units.1', '1', 1)});
my $next_id = $a->query_safe($id_of);
cmp_ok($next_id, '>', $last_id, 'numbers of messages go on growing');
$a->quit;
$node->stop;
start_with($node, $key, undef, %secret);
$a = listener();
$one = subscribe_to($a, token('viewer', 1), 'units.*');
sql($node, q{SELECT twin.publish('units.1', '1', 1)});
cmp_ok($a->query_safe($id_of), '>', $next_id, '... over a restart, too');
$a->quit;
$node->stop;

# ---- without preloading ----

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', undef);
$node->adjust_conf('postgresql.conf', $_, undef) foreach 'twin_security.topic_ring_size', 'twin_security.max_databases', 'twin_security.bcrypt_cost';
start_with($node, $key, undef, %secret);
fails_with($node, q{SELECT twin.publish('units.1', '1')}, '55000', 'needs twin_security to be preloaded', 'without preloading nothing is published, and that is said');
fails_with($node, 'SELECT twin.open_listener()', '55000', 'needs twin_security to be preloaded', '... nor received');
fails_with($node, 'SELECT * FROM twin.stat_topics', '55000', 'needs twin_security to be preloaded', '... nor counted');
$node->stop;

done_testing();
