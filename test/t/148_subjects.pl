# One person's data across sessions: what the log has of it, certificates, who waits for whom, tokens, who may.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use JSON::PP;

my @keys = (new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others');
my $node = new_node('subjects', conf => "log_min_messages = debug1\nlog_min_error_statement = panic\n");
start_with($node, @keys);
sql($node, q{CREATE EXTENSION twin_security; UPDATE twin.alert_rules SET enabled = false;
	CREATE ROLE clerk LOGIN IN ROLE twin_admin; CREATE ROLE owner LOGIN; GRANT CREATE ON SCHEMA public TO owner; ALTER ROLE twin_gateway LOGIN;
	CREATE TABLE people (id int PRIMARY KEY, who text, name text, email twin.encrypted_text_eq(main)); CREATE INDEX ON people (who);
	CREATE TABLE visits (at date, who text, note text) PARTITION BY RANGE (at);
	CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	CREATE TABLE summed (who text, id int PRIMARY KEY, name text);
	SELECT twin.audit_table('people'), twin.audit_table('visits'), twin.audit_table('summed', mode => 'digest');
	SELECT twin.create_user(n, 'Umbrella-Gravel-77!' || n, role_name => r) FROM (VALUES ('boss', 'admin'), ('second', 'admin'), ('bob', 'viewer')) v (n, r)});

sub logged { my ($text) = @_; events_written($node); return sql($node, "SELECT count(*) FROM twin.audit_log l WHERE l::text LIKE '%$text%'") }
sub in_rows { my ($text) = @_; return sql($node, "SELECT count(*) FROM twin_internal.event_records e WHERE position('$text'::bytea IN e.rows) > 0") }
sub quietly { return sql($node, "SET client_min_messages = 'error'; $_[0]") }

# ---- what the log has ----

my @secret = map { canary() } 1 .. 8;
my $session = $node->background_psql('postgres');
# the session knows how it writes these tables before they are registered
$session->query_safe("INSERT INTO people VALUES (1, 'bob', '$secret[0]', NULL); INSERT INTO visits VALUES ('2026-01-05', 'bob', '$secret[1]'); INSERT INTO visits_2 VALUES ('2026-02-05', 'bob', '$secret[1]')");
is(in_rows($secret[0]), '1', 'before it is registered the log has it as it is');
quietly(q{SELECT twin.register_subject_column('people', 'name', 'who'), twin.register_subject_column('people', 'email', 'who'), twin.register_subject_column('visits', 'note', 'who'), twin.register_subject_column('summed', 'name', 'who')});
$session->query_safe("INSERT INTO people VALUES (2, 'bob', '$secret[2]', '$secret[3]'); UPDATE people SET name = '$secret[4]' WHERE id = 2; INSERT INTO visits VALUES ('2026-01-06', 'bob', '$secret[5]'); INSERT INTO visits_2 VALUES ('2026-02-06', 'bob', '$secret[6]');
	INSERT INTO summed VALUES ('bob', 1, '$secret[7]')");
is(logged($_) . in_rows($_), '00', 'from then on it has digests, in a session that was there before') foreach @secret[ 2 .. 7 ];
like(sql($node, q{SELECT new FROM twin.audit_log WHERE resource = 'public.visits' AND new ->> 'at' = '2026-02-06'}), qr/"note": \{"digest": "[0-9a-f]{64}"\}/, '... of a partition, too');
is(sql($node, q{SELECT bool_and(new -> 'note' ? 'digest') FROM twin.audit_log WHERE resource LIKE 'public.visits%' AND new ->> 'at' IN ('2026-01-06', '2026-02-06')}), 't', '... whichever table was named');

# ---- erased ----

my $token = decode_json(sql($node, q{SET ROLE twin_anonymous; SELECT twin_api.login('bob', 'Umbrella-Gravel-77!bob')}))->{access_token};
is(sql($node, "BEGIN; SELECT twin.authenticate('$token'); SELECT twin.current_username(); COMMIT"), "\nbob", 'he is logged in');
is(sql($node, q{SELECT count(*) FROM twin.sessions}), '1', '... in one session');

my $other = $node->background_psql('postgres');
$other->query_safe("BEGIN; INSERT INTO people VALUES (3, 'bob', 'late', NULL)");
my $clerk = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'clerk' ]);
$clerk->query_until(qr/erasing/, "\\echo erasing\nSELECT twin.erase_subject('bob', 'request 17');\n");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'people'::regclass AND NOT granted}) or die;
pass('who erases waits for a row about him that is not committed yet');
$other->query_safe('COMMIT');
my ($answer) = $clerk->query('SELECT 1') =~ /^(\{.*\})$/m;
$answer = decode_json($answer);
is_deeply($answer->{erased}, { 'public.people' => { name => 3, email => 1 }, 'public.visits' => { note => 4 }, 'public.summed' => { name => 1 }, 'twin.users' => { username => 1, password => 1 }, 'twin.sessions' => { rows => 1 }, logins => { rows => 1 } },
	'... and erases it with the rest');
is(sql($node, q{SELECT count(*) FROM people WHERE name IS NOT NULL OR email IS NOT NULL}) . sql($node, q{SELECT count(*) FROM visits WHERE note IS NOT NULL}), '00', 'nothing is left');
is(logged($_) . in_rows($_), '00', 'what was overwritten is not in the log either') foreach @secret[ 2 .. 7 ];
is(in_rows($secret[0]), '1', 'what was sealed before stays');
my $kept = join ' ', map { $_->{what} } @{ $answer->{kept} };
like($kept, qr/by the subject.*by others/, '... and the answer says so');
fails_with($node, "BEGIN; SELECT twin.authenticate('$token'); SELECT twin.current_username()", '\w{5}', '', 'his token is refused');
like(sql($node, q{SET ROLE twin_anonymous; SELECT twin_api.login('bob', 'Umbrella-Gravel-77!bob')}), qr/"error"/, '... and his password');

# the certificate
my $certificate = q{FROM twin.audit_log WHERE event_type = 'subject_erased'};
events_written($node);
is(sql($node, "SELECT count(*), bool_and(session_user_name = 'clerk' AND outcome = 'success' AND severity = 'high') $certificate"), '1|t', 'one certificate');
is(sql($node, "SELECT details ->> 'certificate_id', details ->> 'subject_digest', details ->> 'reason', details -> 'erased' = '" . encode_json($answer->{erased}) . "' $certificate"),
	"$answer->{certificate_id}|$answer->{subject_digest}|request 17|t", '... says what was done');
is(sql($node, "SELECT count(*) $certificate AND audit_log::text ~ 'bob'"), '0', '... and names nobody');
$node->poll_query_until('postgres', "SELECT bool_and(leaf_index IS NOT NULL) $certificate");
is(sql($node, 'SELECT ok FROM twin.verify_audit_log()'), 't', '... and is sealed');
is(sql($node, "SELECT twin.subject_digest('$answer->{certificate_id}', 'bob')", user => 'clerk'), $answer->{subject_digest}, 'it can be shown to be about him');

# ---- all or nothing ----

sql($node, q{INSERT INTO people VALUES (4, 'eve', 'Eve', NULL); CREATE TABLE last (who text, name text NOT NULL CHECK (name <> '')); INSERT INTO last VALUES ('eve', 'Evelyn Canary Crane')});
quietly(q{SELECT twin.register_subject_column('last', 'name', 'who')});
fails_with($node, q{SELECT twin.erase_subject('eve', 'r')}, '23514', 'a column of "public.last" cannot be overwritten', 'a constraint refuses');
is(sql($node, q{SELECT name FROM people WHERE id = 4}), 'Eve', '... and all stays');
my $said = answer_of($node, q{SELECT twin.erase_subject('eve', 'r')});
unlike($said . file_bytes($node->logfile), qr/Evelyn Canary/, '... and neither error nor log quotes the row');
sql($node, q{ALTER TABLE last DROP CONSTRAINT last_name_check; BEGIN; SELECT twin.erase_subject('eve', 'r'); ROLLBACK});
events_written($node);
is(sql($node, "SELECT count(*) $certificate"), '1', 'what is rolled back leaves no certificate');
is(sql($node, q{SELECT name FROM people WHERE id = 4}), 'Eve', '... and did nothing');
foreach my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	fails_with($node, "BEGIN ISOLATION LEVEL $level; SELECT twin.erase_subject('eve', 'r')", '25001', 'READ COMMITTED', "none in $level, which might not see all");
}
fails_with($node, q{BEGIN READ ONLY; SELECT twin.erase_subject('eve', 'r')}, '25006', '', '... nor where nothing is written');

# ---- encrypted afterwards ----

sql($node, q{CREATE TABLE converted (id int PRIMARY KEY, who text, name text); INSERT INTO converted VALUES (1, 'kim', 'Kim'), (2, 'lee', 'Lee')});
quietly(q{SELECT twin.register_subject_column('converted', 'name', 'who'); SELECT twin.grant_key('main', 'postgres', 'encrypt'), twin.grant_key('main', 'postgres', 'decrypt')});
sql($node, q{CALL twin.encrypt_column('converted', 'name', 'main')});
is(sql($node, q{SELECT column_name FROM twin.subject_columns WHERE relation = 'converted'::regclass}), 'name', 'a column stays registered when it is encrypted');
sql($node, q{CALL twin.encrypt_column('converted', 'who', 'main', searchable => true)});
sql($node, q{SELECT twin.revoke_key('main', 'postgres', 'decrypt')});
is(sql($node, q{SELECT column_name FROM twin.subject_columns WHERE relation = 'converted'::regclass}), 'name', '... and when the one that names persons is');
is_deeply(decode_json(sql($node, q{SELECT twin.erase_subject('kim', 'r')}))->{erased}, { 'public.converted' => { name => 1 } }, '... and is erased');
is(sql($node, q{SELECT string_agg(id::text, ',') FROM converted WHERE name IS NULL}), '1', '... where it names him');
sql($node, q{ALTER TABLE converted DROP name});
sql($node, q{ALTER TABLE converted ADD name text});
is(sql($node, q{SELECT count(*) FROM twin_internal.subject_columns WHERE relation = 'converted'::regclass}), '0', 'one of the same name that comes later is another');
# what an open transaction did to other tables is nothing that an erasure waits for
my $ddl = $node->background_psql('postgres');
$ddl->query_safe('BEGIN; CREATE TABLE elsewhere (a int); CREATE TEMP TABLE t (a int)');
is(decode_json(sql($node, q{SET lock_timeout = '5s'; SELECT twin.erase_subject('nobody', 'r')}))->{erased}{x}, undef, 'an erasure waits for no command about other tables');
$ddl->quit;

# ---- given out ----

sql($node, q{SELECT twin.grant_key('main', 'clerk', 'decrypt'), twin.grant_key('main', 'clerk', 'encrypt'); GRANT UPDATE, SELECT ON people TO clerk; GRANT USAGE ON SCHEMA public TO clerk});
sql($node, "UPDATE people SET email = '$secret[3]' WHERE id = 4", user => 'clerk');
my $given = decode_json(sql($node, q{SELECT twin.export_subject('eve')}, user => 'clerk'));
is($given->{tables}{'public.people'}[0]{email}, $secret[3], 'who may decrypt has it open');
is_deeply(decode_json(sql($node, q{SELECT twin.export_subject('eve')}))->{tables}{'public.people'}[0]{email}, { sealed => JSON::PP::true }, '... and a superuser has not');
events_written($node);
is(sql($node, q{SELECT count(*), bool_and(details ? 'subject_digest' AND details ->> 'tables' = '2' AND audit_log::text !~ 'eve') FROM twin.audit_log WHERE event_type = 'subject_exported' AND outcome = 'success'}), '2|t', 'it is told, without him');
$given = decode_json(sql($node, q{SELECT twin.export_subject('second')}, user => 'clerk'));
is($given->{account}{username}, 'second', 'an account is given out');
ok(!(grep { /password_hash|\$2/ } sql($node, q{SELECT twin.export_subject('second')})), '... without its hash');

# ---- who may ----

my $tenant = sql($node, q{SELECT twin.create_tenant('north')});
sql($node, "SELECT twin.create_user('tess', 'Umbrella-Gravel-77!tess', role_name => 'admin', tenant_id => $tenant)");
my $tess = decode_json(sql($node, q{SET ROLE twin_anonymous; SELECT twin_api.login('tess', 'Umbrella-Gravel-77!tess')}))->{access_token};
foreach my $call (q{SELECT twin.erase_subject('second', 'r')}, q{SELECT twin.export_subject('second')}, q{SELECT twin.register_subject_column('people', 'name', 'who')}, q{SELECT twin.place_legal_hold('c')}, 'SELECT * FROM twin.legal_holds', 'SELECT * FROM twin.subject_keys')
{
	fails_with($node, "BEGIN; SET LOCAL ROLE twin_admin; SELECT twin.authenticate('$tess') \\g /dev/null\n$call", '42501', '', "not a tenant's administrator: $call", user => 'twin_gateway');
	fails_with($node, "BEGIN; SET LOCAL ROLE twin_admin; $call", '42501', '', '... nor a gateway without a token', user => 'twin_gateway');
}
fails_with($node, q{SELECT twin_internal.ask_as_owner('people', 'SELECT 1', 'x')}, '42501', '', 'nobody asks as somebody else', user => 'clerk');

# ---- an owner who is nobody ----

sql($node, q{CREATE TABLE mine (who text, name text); CREATE FUNCTION grab() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE owner SUPERUSER'; RETURN NEW; END $$;
	CREATE TRIGGER grab BEFORE UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION grab(); INSERT INTO mine VALUES ('hal', 'Hal')}, user => 'owner');
quietly(q{SELECT twin.register_subject_column('mine', 'name', 'who')});
fails_with($node, q{SELECT twin.erase_subject('hal', 'r')}, '42501', '', 'a trigger does not run with the rights of who erases');
is(sql($node, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'owner'}), 'f', '... and its owner is nobody still');
$_->quit foreach $session, $other, $clerk;

done_testing();
