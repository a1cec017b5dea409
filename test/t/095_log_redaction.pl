# The server's log holds no secret: a canary in every spelling, through every way in which a statement, its parameters
# or its errors reach the log, with all three formats on; and what is ordinary stands in them unchanged.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('redact', conf => <<'CONF');
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = 'log'
log_filename = 'server.log'
log_rotation_age = 0
log_rotation_size = 0
log_min_messages = notice
log_statement = all
log_duration = off
log_min_duration_statement = 0
log_error_verbosity = verbose
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_lock_waits = on
deadlock_timeout = 200ms
max_prepared_transactions = 0
twin_security.bcrypt_cost = 10
twin_security.redact_names = 'gate_code'
CONF
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'twin_security, auto_explain'\n"
	  . "auto_explain.log_min_duration = 0\nauto_explain.log_analyze = on\nauto_explain.log_verbose = on\nauto_explain.log_nested_statements = on\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'a secret of at least thirty-two bytes, for tests');
my $logs = $node->data_dir . '/log';

# Every canary that was used, and what it was used in.
my @used;
my $number = 0;
sub secret
{
	my ($where) = @_;
	my $canary = canary() . 'n' . ++$number;
	push @used, [ $canary, $where ];
	return $canary;
}

# Runs SQL with $C replaced by a canary, whatever comes of it; returns what the client saw.
sub run
{
	my ($text, %options) = @_;
	my $canary = secret($text);
	$text =~ s/\$C/$canary/g;
	my ($out, $err) = ('', '');
	$node->psql('postgres', $text, stdout => \$out, stderr => \$err, on_error_stop => 0, extra_params => $options{user} ? [ '-U', $options{user} ] : []);
	return ($out // '') . ($err // '');
}

run($_) foreach (
	q{CREATE EXTENSION twin_security},
	q{CREATE EXTENSION pgcrypto},
	q{CREATE EXTENSION dblink},
	q{CREATE EXTENSION postgres_fdw},
	q{CREATE TABLE u (name text, password text UNIQUE NOT NULL, n int CHECK (n < 10), gate_code text)},
	q{CREATE TABLE plain (a int PRIMARY KEY, b text)},
	q{INSERT INTO plain VALUES (1, 'x'), (2, 'y')},
	q{CREATE TABLE kept (a int NOT NULL CHECK (a < 10), b text); CREATE VIEW checked AS SELECT * FROM kept WHERE a < 5 WITH CHECK OPTION});

# ---- ordinary statements, looked for afterwards ----

my @ordinary = (
	q{SELECT b, 'it''s', E'\\n', "a" FROM plain WHERE a = 1 /* why's that */},
	q{UPDATE plain SET b = 'zürich 東京' WHERE b = 'y' -- don't},
	q{SELECT a / 0 FROM plain},
	q{INSERT INTO plain VALUES (1, 'twice')},
	q{SELECT no_such_column FROM plain},
	q{SELEC 1},
	q{SELECT 'pumps x units', $$dollar$$, 12345});
run($_) foreach @ordinary;

# ---- statements ----

my @statements = (
	q{CREATE ROLE r%d LOGIN PASSWORD '$C'},
	q{CREATE ROLE r%d PASSWORD E'\\x24$C\\''},
	q{CREATE USER r%d PASSWORD U&'$C'},
	q{create role r%d password$$$C$$},
	q{CREATE ROLE r%d PASSWORD $q$it's $C$q$},
	q{CREATE ROLE r%d PASSWORD 'x' 
	'$C'},
	q{CREATE ROLE r%d PASSWORD '$C},
	q{CREATE ROLE r%d PASSWORD "$C"},
	q{CREATE ROLE r%d PASSWORD $C},
	q{CREATE ROLE r%d PASWORD '$C'},
	q{CREATE ROLE r%d PASSWORD '$C' PASSWORD '$C'},
	q{CREATE ROL r%d PASSWROD '$C'},
	q{ALTER ROLE nobody_there PASSWORD '$C'},
	q{ALTER USER postgres WITH ENCRYPTED PASSWORD '$C' VALID UNTIL 'nonsense'},
	q{INSERT INTO u (name, password) VALUES ('bob', '$C')},
	q{INSERT INTO u (name, password) VALUES ('bob', '$C'), ('bob', '$C')},
	q{INSERT INTO u (name, password, n) VALUES ('bob', '$C', 11)},
	q{INSERT INTO u (password, n) VALUES ('x', '$C')},
	q{INSERT INTO u (password, n) VALUES ('$C', 'word')},
	q{UPDATE u SET password = '$C' || 1/0 WHERE name = 'bob'},
	q{SELECT * FROM u WHERE password = '$C'},
	q{SELECT * FROM u WHERE password = "$C"},
	q{SELECT * FROM u WHERE password = $C},
	q{SELECT * FROM u WHERE '$C' IN (password, name)},
	q{SELECT '$C'::int AS password},
	q~SELECT '{"password": "$C"'::json~,
	q{SELECT '{"password": $C}'::json},
	q{SELECT '{"a": 1, "api_key": "$C"}'::jsonb},
	q{SELECT * FROM json_to_record('{"token": "$C"}') AS x(token int)},
	q{UPDATE u SET gate_code = '$C'},
	q{SELECT twin.hash_password('$C')},
	q{SELECT twin.hash_password('$C', 99)},
	q{SELECT twin.check_password_strength('$C', 'someone'), 1 / 0},
	q{SELECT twin.verify_password('$C', '$2b$04$abcdefghijklmnopqrstuuQvYpeBSmb7VbzsVFpGc8YlRLmEJ6M2q')},
	q{SELECT twin_api.login('bob', '$C')},
	q{SELECT twin_api.login('$C')},
	q{SELECT twin.create_user('someone', '$C')},
	q{SELECT twin.set_password('no_such_user', '$C')},
	q{SELECT twin.verify_token('$C')},
	q{SELECT twin.authenticate('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIk$C.c2ln')},
	q{SELECT 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIk$C.c2ln' FROM nowhere},
	q{BEGIN; SET LOCAL twin_security.token = '$C'; SELECT twin.current_user_id(); COMMIT},
	q{SET twin_security.token = '$C'},
	q{SELECT set_config('twin_security.token', '$C', true)},
	q{SET my.password = $C},
	q{ALTER ROLE postgres SET my.secret = '$C'},
	q{ALTER SYSTEM SET primary_conninfo = 'host=h password=$C'},
	q{SELECT pg_reload_conf() /* password = $C */},
	q{SELECT crypt('$C', gen_salt('bf', 4))},
	q{SELECT pgp_sym_encrypt('x', '$C')},
	q{SELECT pgp_sym_decrypt('x', '$C')},
	q{SELECT hmac('a', '$C', 'sha256')},
	q{SELECT twin.encrypt_data('$C')},
	q{SELECT '$C'::twin.encrypted_text(main) / 2},
	q{SELECT dblink_connect('host=/nowhere user=bob password=$C')},
	q{SELECT dblink_connect('postgresql://bob:$C@127.0.0.1:1/x')},
	q{SELECT * FROM dblink('postgresql://bob:$C@127.0.0.1:1/x', 'SELECT 1') AS t(a int)},
	q{SELECT 'see https://bob:$C@example.org/x' FROM nowhere},
	q{SELECT 'curl -H "Authorization: Bearer $C"' FROM nowhere},
	q{CREATE SERVER s%d FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h', password '$C')},
	q{CREATE SERVER fs FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1')},
	q{CREATE USER MAPPING FOR postgres SERVER fs OPTIONS (user 'bob', password '$C')},
	q{CREATE FOREIGN TABLE ft (a int) SERVER fs; SELECT * FROM ft -- token $C},
	q{CREATE SUBSCRIPTION s%d CONNECTION 'host=127.0.0.1 port=1 user=bob password=$C' PUBLICATION p},
	q{CREATE SUBSCRIPTION s%d CONNECTION 'postgresql://bob:$C@127.0.0.1:1/x' PUBLICATION p WITH (connect = false)},
	q{ALTER SUBSCRIPTION s CONNECTION 'password=$C'},
	q{COPY u (name, password) FROM PROGRAM 'echo $C'},
	q{COPY u (password, n) FROM PROGRAM 'printf "$C\tword\n"'},
	q{COPY (SELECT 'password', '$C') TO '/nowhere/x'},
	q{DO $$ BEGIN PERFORM 1/0, '$C' AS password; END $$},
	q{DO $$ DECLARE password text := '$C'; BEGIN INSERT INTO u (name, password) VALUES ('x', password); RAISE NOTICE 'password=%', password; END $$},
	q{DO $$ BEGIN EXECUTE 'INSERT INTO u (password, n) VALUES (''$C'', 99)'; END $$},
	q{DO $$ BEGIN EXECUTE 'INSERT INTO u (password, n) VALUE (''$C'', 99)'; END $$},
	q{DO $$ BEGIN EXECUTE format('ALTER ROLE nobody_there PASSWORD %L', '$C'); END $$},
	q{DO $$ BEGIN EXECUTE 'SELECT * FROM u WHERE password = $1 AND 1/0 = 1' USING '$C'; PERFORM 1/0 FROM u WHERE password <> 'it''s $C'; END $$},
	q{DO $$ BEGIN RAISE WARNING 'connecting with "api_key": "%"', '$C'; END $$},
	q{DO $$ BEGIN RAISE EXCEPTION 'cannot connect' USING DETAIL = 'password=$C host=x', HINT = 'secret: $C'; END $$},
	q{CREATE FUNCTION f%d() RETURNS text LANGUAGE sql AS $$ SELECT password FROM u WHERE password = '$C' $$; SELECT f%d()},
	q{CREATE FUNCTION f%d() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM 1/0 FROM plain WHERE b <> ''$C'' AND ''token'' <> ''x''; END'; SELECT f%d()},
	q{PREPARE p%d AS INSERT INTO u (name, password) VALUES ($1, $2); EXECUTE p%d('bob', '$C'); EXECUTE p%d('bob', '$C')},
	q{PREPARE p%d AS SELECT $1::int; EXECUTE p%d('$C')},
	q{BEGIN; DECLARE c CURSOR FOR SELECT * FROM u WHERE password <> '$C'; FETCH ALL FROM c; COMMIT},
	q{EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM u WHERE password <> '$C'},
	q{SET auto_explain.log_format = json; SELECT * FROM u WHERE password <> '$C' AND "name" <> 'a"b'},
	q{SET auto_explain.log_format = xml; SELECT * FROM u WHERE password <> '$C' AND name <> 'a"<b'},
	q{SET auto_explain.log_format = yaml; SELECT * FROM u WHERE password <> '$C' AND name <> 'a"b'},
	q{SET standard_conforming_strings = off; SELECT 'a\\' password, \\'$C', 1/0},
	q{SET backslash_quote = on; SET escape_string_warning = on; SELECT 'a\\\\', 'password', '$C', 1/0},
	q{SET statement_timeout = '50ms'; SELECT pg_sleep(5) FROM u WHERE password <> '$C'},
	q{SET lc_messages = 'de_DE.utf8'; SELECT '$C'::int AS password},
	q{SELECT "o'brien", password FROM u WHERE name = '$C'},
	q{INSERT INTO kept VALUES (1, /* password */ '$C'); UPDATE kept SET a = 11},
	q{INSERT INTO kept VALUES (2, /* password */ '$C'); UPDATE kept SET a = NULL WHERE a = 2},
	q{INSERT INTO kept VALUES (3, /* password */ '$C'); UPDATE checked SET a = 7},
	qq{COPY kept FROM STDIN;\n1\t\$C\tmore\n\\.\n},
	qq{COPY kept FROM STDIN;\n\$C\tmore\n\\.\n},
	qq{COPY kept FROM STDIN;\n11\t\$C\n\\.\n},
	qq{CREATE TABLE "odd\n: name" (LIKE kept INCLUDING ALL); COPY "odd\n: name" FROM STDIN;\n11\t\$C\n\\.\n},
	q{COMMENT ON TABLE u IS 'the password is $C'},
	q{SELECT '-----BEGIN PRIVATE KEY----- $C' FROM nowhere},
	q{SELECT '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2$C' FROM nowhere});
foreach my $i (0 .. $#statements)
{
	my $text = $statements[$i];
	$text =~ s/%d/$i/g;
	run($text);
}

# ---- parameters ----

sub bench
{
	my ($mode, $text) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script';
	my $canary = secret("$mode: $text");
	open my $script, '>', $file or die $!;
	print $script $text;
	close $script;
	PostgreSQL::Test::Utils::run_log([ 'pgbench', '-n', '-t', '2', '-M', $mode, '-D', "c=$canary", '-D', 'p=password', '-f', $file,
			'-h', $node->host, '-p', $node->port, '-U', 'postgres', 'postgres' ]);
	return;
}
foreach my $mode (qw(extended prepared))    # in simple mode pgbench puts values where names stand
{
	bench($mode, $_) foreach (
		"INSERT INTO u (name, password) VALUES ('x', :c);\n",
		"SELECT * FROM u WHERE password = :c AND 1 / (length(:c) - length(:c)) = 1;\n",
		"SELECT CAST(:c AS int) AS token;\n",
		"SELECT twin_api.login('bob', :c);\n",
		"SELECT twin.verify_password(:c, 'x');\n",
		"SELECT set_config('twin_security.token', :c, true);\n",
		"SELECT :p, :c, 1 / (length(:c) - length(:c));\n");
}

# ---- several sessions: waits, a deadlock, a cancelled and a terminated one ----

my $canary = secret('deadlock');
my $one = $node->background_psql('postgres', on_error_stop => 0);
my $two = $node->background_psql('postgres', on_error_stop => 0);
$one->query(q{BEGIN; UPDATE plain SET b = 'one' WHERE a = 1});
$two->query(q{BEGIN; UPDATE plain SET b = 'two' WHERE a = 2});
$one->query_until(qr/begun/, "\\echo begun\nUPDATE plain SET b = '" . ('long ' x 300) . " password' WHERE a = 2;\n");
$two->query("UPDATE plain SET b = 'token $canary' WHERE a = 1;");
$one->query('ROLLBACK');
$two->query('ROLLBACK');
my $pid = $one->query('SELECT pg_backend_pid()');
my $doomed = secret('terminated');
$one->query_until(qr/begun/, "\\echo begun\nSELECT pg_sleep(100), 'password', '$doomed';\n");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $pid AND state = 'active' AND wait_event = 'PgSleep'");
run("SELECT pg_terminate_backend($pid)");
eval { $one->quit };
eval { $two->quit };

# ---- what the client and the session see is as it was ----

like(run(q{DO $$ BEGIN RAISE EXCEPTION 'password=$C' USING DETAIL = 'token: $C'; END $$}), qr/ERROR:  password=canary\w+\nDETAIL:  token: canary/, 'the client reads its own error whole');
like(run(q{CREATE FUNCTION warn() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'password'; RETURN 1; END $$;
	SELECT warn(), 'password', current_query() LIKE '%password%$C%'}), qr/^1\|password\|t/m, 'current_query() is what it was after a warning');

# ---- settings ----

my $pretty = secret('a name that was added while the server ran');
is(run('ALTER SYSTEM SET twin_security.redact_names = \'no;name\''), qq{psql:<stdin>:1: ERROR:  invalid value for parameter "twin_security.redact_names": "no;name"\nDETAIL:  It is a comma-separated list of at most 64 names of 3 to 63 letters, digits, "_" and "-".},
	'names are checked');
$node->append_conf('postgresql.conf', "twin_security.redact_names = 'pretty, lock-code'\n");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.redact_names') = 'pretty, lock-code'");
sql($node, "SELECT '$pretty' AS pretty, 1 AS lockcode");
my $shown = canary();
$node->append_conf('postgresql.conf', "twin_security.redact = off\n");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.redact') = 'off'");
sql($node, "SELECT '$shown' AS password");
fails_with($node, 'SET twin_security.redact = off', '55P02', 'cannot be changed now', 'nobody switches it off for himself');

# a server whose log could not be written to would hide what happened: everything was answered, and nothing died
is(sql($node, 'SELECT 1'), '1', 'the server is well');
$node->stop;

# ---- what the logs hold ----

my %log = map { $_ => file_bytes("$logs/server.$_") } qw(log csv json);
foreach my $format (qw(log csv json))
{
	my $log = $log{$format};
	cmp_ok(length($log), '>', 10000, "$format is written");
	unlike($log, qr/PANIC|server process .* was terminated/, "$format tells of no crash");
	foreach my $use (@used)
	{
		ok(index($log, $use->[0]) < 0, "$format: $use->[1]") or diag(join "\n", (grep { index($_, $use->[0]) >= 0 } split /\n/, $log)[ 0 .. 0 ]);
	}
	cmp_ok(index($log, $shown), '>=', 0, "$format: switched off, it is there");
}

my @json = map { decode_json($_) } split /\n/, $log{json};
foreach my $text (@ordinary)
{
	(my $csv = $text) =~ s/"/""/g;
	ok(index($log{log}, $text) >= 0, "unchanged: $text");
	ok(index($log{csv}, $csv) >= 0, '... in csvlog');
	utf8::decode(my $characters = $text);
	ok((grep { ($_->{message} // '') eq "statement: $characters" || ($_->{statement} // '') eq $characters } @json), '... in jsonlog');
}
like($log{log}, qr/CREATE ROLE r0 LOGIN PASSWORD '\*\*\*'/, 'what is left of a statement can be read');
like($log{log}, qr/ERROR:  22P02: invalid input syntax for type \*\*\*: "\*\*\*"/, '... and of an error');
like($log{log}, qr/ERROR:  22023: not a bcrypt hash\n/, '... what this extension says of a value without quoting it stays');
like($log{log}, qr/ERROR:  42601: syntax error at or near "\*\*\*"\n/, '... and what is wrong with a statement');
like($log{log}, qr/parameters: \$1 = '\*\*\*'/, '... and of parameters');
like($log{log}, qr/ERROR:  23514: new row for relation "kept" violates check constraint "kept_a_check"\n[^\n]*DETAIL:  \(withheld\)\n(?:[^\n]*(?:LOCATION|SCHEMA|TABLE|CONSTRAINT)[^\n]*\n)*[^\n]*STATEMENT:  UPDATE kept SET a = 11\n/, '... and of a row that a constraint refuses');
like($log{log}, qr/CONTEXT:  COPY kept, line 1: \(withheld\)\n/, '... and of a line that COPY cannot read');
like($log{log}, qr/ERROR:  40P01: deadlock detected\n.*DETAIL:  Process \d+ waits for ShareLock/s, '... and of a deadlock');
like($log{log}, qr/ERROR:  22012: division by zero\n.*STATEMENT:  SELECT a \/ 0 FROM plain/s, 'an ordinary error has its statement');
my ($zero) = grep { ($_->{state_code} // '') eq '42703' && ($_->{statement} // '') eq $ordinary[4] } @json;
is($zero->{cursor_position}, 8, '... and its position');
done_testing();
