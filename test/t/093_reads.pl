# Reads of audited tables and decryptions: what is counted of which statement, for whom, and what is not.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $node = new_node('reads', conf => "max_prepared_transactions = 2\nwal_level = logical\ncompute_query_id = on\n");
start_with($node, new_key());
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE SCHEMA api;
	CREATE TABLE api.units (id integer PRIMARY KEY, name text, tenant integer, secret twin.encrypted_text(main));
	INSERT INTO api.units SELECT i, 'unit ' || i, i % 4, 'secret ' || i FROM generate_series(1, 1000) i;
	CREATE TABLE api."Odd ""names" (id integer);
	INSERT INTO api."Odd ""names" VALUES (1);
	CREATE TABLE api.plain AS SELECT i AS id FROM generate_series(1, 1000) i;
	CREATE TABLE api.readings (unit integer, day date, v integer) PARTITION BY RANGE (day);
	CREATE TABLE api.readings_1 PARTITION OF api.readings FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY LIST (unit);
	CREATE TABLE api.readings_1_1 PARTITION OF api.readings_1 FOR VALUES IN (1);
	CREATE TABLE api.readings_1_2 PARTITION OF api.readings_1 FOR VALUES IN (2);
	CREATE TABLE api.readings_2 PARTITION OF api.readings FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	INSERT INTO api.readings SELECT 1 + i % 2, '2026-01-01'::date + i % 50, i FROM generate_series(0, 99) i;
	CREATE TABLE api.base (id integer);
	CREATE TABLE api.heir (more text) INHERITS (api.base);
	INSERT INTO api.base VALUES (1), (2);
	INSERT INTO api.heir VALUES (3), (4), (5);
	CREATE TABLE api.children (unit integer REFERENCES api.units ON DELETE CASCADE, n integer);
	CREATE INDEX ON api.units (tenant);
	VACUUM ANALYZE api.units;
	CREATE ROLE owner NOLOGIN; CREATE ROLE alice LOGIN; CREATE ROLE carol LOGIN; CREATE ROLE bob NOLOGIN; GRANT bob TO alice;
	GRANT USAGE, CREATE ON SCHEMA api TO owner, bob, alice, carol;
	GRANT ALL ON ALL TABLES IN SCHEMA api TO owner, bob;
	SELECT twin.grant_key('main', r, 'decrypt') FROM unnest(ARRAY['owner', 'bob', current_user]::regrole[]) r;
	CREATE VIEW api.units_view AS SELECT * FROM api.units; ALTER VIEW api.units_view OWNER TO owner;
	CREATE VIEW api.units_invoker WITH (security_invoker) AS SELECT * FROM api.units; ALTER VIEW api.units_invoker OWNER TO owner;
	GRANT SELECT ON api.units_view, api.units_invoker TO alice, bob;
	CREATE FUNCTION api.definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT sum(length(secret::text)) FROM api.units WHERE id <= 3';
	ALTER FUNCTION api.definer() OWNER TO owner;
	CREATE FUNCTION api.opened(v twin.encrypted_text) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER AS 'BEGIN RETURN v::text; END';
	ALTER FUNCTION api.opened(twin.encrypted_text) OWNER TO owner;
	CREATE FUNCTION api.told(v text) RETURNS boolean LANGUAGE plpgsql STABLE COST 1000000 AS 'BEGIN RAISE NOTICE ''%'', v; RETURN false; END';
	CREATE FUNCTION api.fails_at(at integer, id integer) RETURNS integer LANGUAGE plpgsql STABLE AS 'BEGIN IF id = at THEN RAISE EXCEPTION ''no''; END IF; RETURN id; END';
});
sql($node, "SELECT twin.audit_table('$_', reads => true)") foreach 'api.units', 'api."Odd ""names"', 'api.readings', 'api.base';
sql($node, "SELECT twin.audit_table('api.children', reads => false)");

# Waits until nothing waits in the ring.
sub settle
{
	return events_written($node);
}

# What a session's statements left in the log: "type action resource details", events in order.
my $number = 0;
my $columns = q{e.event_type || CASE e.outcome WHEN 'success' THEN '' ELSE ' ' || e.outcome END || ' ' || coalesce(e.action, '-') || ' ' || e.resource || ' '
	|| coalesce(e.details->>'rows' || '/' || (e.details->>'filtered'), (e.details->>'values') || ' of ' || (e.details->>'versions')) || ' x' || (e.details->>'statements')};

sub events_of
{
	my ($statements, %options) = @_;
	my $name = 'case ' . ++$number;
	my $what = $options{columns} // $columns;
	$node->psql('postgres', $statements,
		extra_params => [ $options{role} ? ('-U', $options{role}) : () ], on_error_stop => 0,
		connstr => "host=@{[$node->host]} port=@{[$node->port]} dbname=postgres application_name='$name'");
	settle();
	return sql($node, "SELECT $what FROM twin.audit_log e WHERE e.application_name = '$name' AND e.event_type IN ('read', 'decrypt')
		AND e.class = 'access' ORDER BY e.event_id");
}

sub leaves
{
	my ($statements, $expected, $what, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(events_of($statements, %options), join("\n", @$expected), $what);
}

# ---- scans ----

leaves('SELECT * FROM api.units WHERE id < 10', ['read SELECT api.units 9/0 x1'], 'rows that a scan returned');
leaves(q{SELECT count(*) FROM api.units WHERE name LIKE '%7'}, ['read SELECT api.units 100/900 x1'], 'and those that its conditions took away');
leaves('SELECT * FROM api.units WHERE id = 5000', ['read SELECT api.units 0/0 x1'], 'a reading that finds nothing is one');
leaves('SELECT * FROM api.plain', [], 'other tables leave nothing');
leaves('SELECT * FROM api.units WHERE false', [], 'nor does a scan that is never run');
leaves('SELECT * FROM api."Odd ""names"', ['read SELECT api."Odd ""names" 1/0 x1'], 'names are quoted where they need it');
leaves('SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM api.units WHERE id < 50', ['read SELECT api.units 49/0 x1'], 'an index-only scan');
leaves('SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off; SELECT name FROM api.units WHERE tenant = 1',
	['read SELECT api.units 250/0 x1'], 'a bitmap scan counts rows of the table');
leaves('SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off; SELECT name FROM api.units WHERE tenant = 1 OR id < 3',
	['read SELECT api.units 251/0 x1'], 'so do two bitmaps');
leaves('SELECT count(*) FROM api.units TABLESAMPLE bernoulli (100)', ['read SELECT api.units 1000/0 x1'], 'a sample');
leaves(q{SELECT name FROM api.units WHERE ctid = '(0,1)'}, ['read SELECT api.units 1/0 x1'], 'a row by its place');
leaves('SELECT name FROM api.units LIMIT 3', ['read SELECT api.units 3/0 x1'], 'no more than were asked for');
leaves('SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET enable_memoize = off;
	SELECT count(*) FROM (SELECT id FROM api.plain LIMIT 20 OFFSET 0) p JOIN LATERAL (SELECT name FROM api.units u WHERE u.id = p.id OFFSET 0) u ON true',
	['read SELECT api.units 20/0 x1'], 'a scan that is run many times');
leaves('SELECT (SELECT name FROM api.units u WHERE u.id = p.id) FROM api.plain p WHERE p.id <= 30', ['read SELECT api.units 30/0 x1'], 'so is a subquery');
leaves('WITH c AS MATERIALIZED (SELECT * FROM api.units) SELECT count(*) FROM c a, c b WHERE a.id = b.id', ['read SELECT api.units 1000/0 x1'],
	'a table expression is read once, however often it is used');
leaves('SELECT count(*) FROM api.units a JOIN api.units b USING (id)', ['read SELECT api.units 2000/0 x1'], 'two scans of one table are one event');

# ---- the list of audited tables cannot be read ----

my $holder = $node->background_psql('postgres', on_error_stop => 0);
$holder->query_safe('BEGIN; LOCK TABLE twin_internal.audited_tables IN ACCESS EXCLUSIVE MODE');
my $late = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
$late->query(q{SET application_name = 'late'; SET lock_timeout = '50ms'; SET statement_timeout = '10s'});
$late->query('SELECT count(*) FROM api.units');
like($late->{stderr}, qr/55P03/, 'a statement that ends while the list is read');
$late->{stderr} = '';
$holder->query_safe('ROLLBACK');
$holder->quit;
$late->query_safe('SELECT count(*) FROM api.units');
$late->quit;
settle();
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE application_name = 'late' AND event_type = 'read' AND outcome = 'success'}), '1', 'does not keep the next ones from being recorded');

# ---- partitions and children ----

leaves('SELECT count(*) FROM api.readings', ['read SELECT api.readings 100/0 x1'], 'partitions count for their table');
leaves(q{SELECT count(*) FROM api.readings WHERE day < '2026-01-03' AND unit = 1}, ['read SELECT api.readings 2/30 x1'], 'those that were needed');
leaves('SELECT count(*) FROM api.readings_1_2', ['read SELECT api.readings 30/0 x1'], 'a partition of a partition that is read by its own name');
leaves('SELECT * FROM api.base', ['read SELECT api.base 5/0 x1'], 'children, too');
leaves('SELECT * FROM api.heir', ['read SELECT api.base 3/0 x1'], 'by their own name');
sql($node, 'ALTER TABLE api.heir NO INHERIT api.base');
leaves('SELECT * FROM api.heir', [], 'until they are none any more');
sql($node, 'ALTER TABLE api.heir INHERIT api.base');
leaves('SELECT * FROM api.heir', ['read SELECT api.base 3/0 x1'], 'and as soon as they are');
leaves('SELECT 1 FROM api.heir; ALTER TABLE api.heir NO INHERIT api.base; SELECT 1 FROM api.heir; ALTER TABLE api.heir INHERIT api.base; SELECT 1 FROM api.heir',
	[('read SELECT api.base 3/0 x1') x 2], 'within a session as well');

# ---- statements that change something ----

leaves('BEGIN; UPDATE api.units SET name = name WHERE id < 20; ROLLBACK', ['read UPDATE api.units 19/0 x1'], 'rows that an update found, of a transaction that was rolled back');
leaves('BEGIN; DELETE FROM api.units WHERE id < 20; ROLLBACK', ['read DELETE api.units 19/0 x1'], 'that a delete found');
leaves('BEGIN; SELECT 1 FROM api.units WHERE id < 20 FOR UPDATE; ROLLBACK', ['read SELECT FOR UPDATE api.units 19/0 x1'], 'that were locked');
leaves('BEGIN; INSERT INTO api.units (id) VALUES (5001), (5002); ROLLBACK', [], 'an insert reads nothing');
leaves(q{BEGIN; INSERT INTO api.units (id) VALUES (1), (2), (5001) ON CONFLICT (id) DO UPDATE SET name = 'x' RETURNING *; ROLLBACK}, ['read INSERT api.units 2/0 x1'],
	'but for the rows that ON CONFLICT found');
leaves('BEGIN; INSERT INTO api.units (id) VALUES (5001) ON CONFLICT (id) DO NOTHING; ROLLBACK', [], 'when it found any');
is(scalar(() = events_of('BEGIN; MERGE INTO api.units u USING (SELECT id FROM api.plain WHERE id <= 5) p ON u.id = p.id WHEN MATCHED THEN UPDATE SET name = u.name; ROLLBACK')
		=~ /^read MERGE api\.units \d+/mg), 1, 'a merge');
leaves('CREATE TABLE api.copied AS SELECT * FROM api.units WHERE id <= 4; DROP TABLE api.copied', ['read CREATE TABLE AS api.units 4/0 x1'], 'rows that go into a new table');
leaves('CREATE TABLE api.copied AS SELECT * FROM api.units WHERE id <= 4; INSERT INTO api.copied SELECT * FROM api.units WHERE id = 7; DROP TABLE api.copied',
	['read CREATE TABLE AS api.units 4/0 x1', 'read INSERT api.units 1/0 x1'], 'or into another one');

# ---- statements of other kinds ----

leaves('EXPLAIN SELECT * FROM api.units', [], 'EXPLAIN reads nothing');
leaves('EXPLAIN ANALYZE SELECT * FROM api.units', ['read EXPLAIN api.units 1000/0 x1'], 'EXPLAIN ANALYZE does');
leaves('COPY api.units TO STDOUT', ['read COPY api.units 1000/0 x1'], 'COPY');
leaves('COPY api.units (id) TO STDOUT', ['read COPY api.units 1000/0 x1'], 'of some columns');
leaves('COPY (SELECT secret::text FROM api.units WHERE id <= 6) TO STDOUT', ['read COPY api.units 6/0 x1', 'decrypt COPY main 6 of {"1": 6} x1'], 'of a query');
leaves('COPY api.readings_2 TO STDOUT', ['read COPY api.readings 38/0 x1'], 'of a partition');
leaves('COPY api.units TO STDOUT', [], 'a COPY that is refused reads nothing', role => 'carol');
leaves('PREPARE p AS SELECT name FROM api.units WHERE id <= $1; EXECUTE p(2); EXECUTE p(3); EXECUTE p(4); EXECUTE p(5); EXECUTE p(6); EXECUTE p(7); EXECUTE p(8)',
	[ map { "read EXECUTE api.units $_/0 x1" } 2 .. 8 ], 'a prepared statement, with its own plans and the generic one');
leaves('DO $$ BEGIN FOR i IN 1..10 LOOP PERFORM * FROM api.units WHERE id = i; END LOOP; END $$', ['read DO api.units 10/0 x10'],
	'what is run inside a statement is counted in its event');
leaves('SELECT twin.audit_table($$api.plain$$, reads => true); SELECT 1 FROM api.plain; SELECT twin.unaudit_table($$api.plain$$); SELECT 1 FROM api.plain',
	['read SELECT api.plain 1000/0 x1'], 'a table is audited from then on, and until then');
leaves('VACUUM ANALYZE api.units; ANALYZE api.units; REINDEX TABLE api.units; CREATE INDEX twice ON api.units (name); DROP INDEX api.twice; CLUSTER api.units USING units_pkey',
	[], 'maintenance is not counted, and opens nothing');
leaves('INSERT INTO api.children SELECT id, 1 FROM api.plain WHERE id <= 500; UPDATE api.children SET unit = unit + 1', [], 'nor are checks of foreign keys');
leaves('BEGIN; DELETE FROM api.units WHERE id = 3; ROLLBACK', ['read DELETE api.units 1/0 x1'], 'on either side');
leaves('BEGIN; SET LOCAL enable_seqscan = off; PREPARE TRANSACTION $$none$$; ROLLBACK PREPARED $$none$$', [], 'an empty transaction');
leaves('BEGIN; SELECT 1 FROM api.units WHERE id = 1; PREPARE TRANSACTION $$some$$; ROLLBACK PREPARED $$some$$', ['read SELECT api.units 1/0 x1'], 'one that is prepared');

# ---- errors ----

leaves('SELECT api.fails_at(500, id) FROM (SELECT id FROM api.units OFFSET 0) u', ['read failure SELECT api.units 500/0 x1'], 'what was read before an error');
leaves('SELECT 1 / (id - 1) FROM api.units', ['read failure SELECT api.units 0/0 x1'], 'a statement that fails at the first row has read the table all the same');
leaves('SELECT id FROM api.units WHERE api.told(name)', ['read SELECT api.units 0/1000 x1'], 'rows that a condition told of are among those it took away');
leaves(q{DO $$ BEGIN BEGIN PERFORM api.fails_at(7, id) FROM (SELECT id FROM api.units OFFSET 0) u; EXCEPTION WHEN raise_exception THEN END; PERFORM 1 FROM api.units WHERE id = 1; END $$},
	['read failure DO api.units 7/0 x1', 'read DO api.units 1/0 x1'], 'an error that is caught');
leaves('BEGIN; SELECT secret::text FROM api.units WHERE id = 1; SELECT 1 / 0; ROLLBACK', ['read SELECT api.units 1/0 x1', 'decrypt SELECT main 1 of {"1": 1} x1'],
	'an error later changes nothing');
leaves('BEGIN; SAVEPOINT s; SELECT secret::text FROM api.units WHERE id = 1; ROLLBACK TO s; COMMIT', ['read SELECT api.units 1/0 x1', 'decrypt SELECT main 1 of {"1": 1} x1'],
	'nor does a savepoint');
like(events_of(q{SET statement_timeout = 300; SELECT pg_sleep(0.01 + 0 * id) FROM (SELECT id FROM api.units OFFSET 0) u}), qr{^read failure SELECT api\.units \d+/0 x1$}, 'a statement that took too long');
leaves('SELECT * FROM api.units', [], 'who may not read reads nothing', role => 'carol');

# ---- cursors ----

leaves('BEGIN; DECLARE c CURSOR FOR SELECT name FROM api.units; FETCH 5 FROM c; FETCH 6 FROM c; CLOSE c; COMMIT', ['read DECLARE CURSOR api.units 11/0 x1'], 'a cursor is one reading');
leaves('BEGIN; DECLARE c CURSOR FOR SELECT name FROM api.units; FETCH 5 FROM c; ROLLBACK', ['read DECLARE CURSOR api.units 5/0 x1'], 'that ends with its transaction');
leaves('BEGIN; DECLARE c CURSOR FOR SELECT name FROM api.units; FETCH 5 FROM c; SELECT 1 / 0; ROLLBACK', ['read DECLARE CURSOR api.units 5/0 x1'], 'whatever ends that');
leaves('BEGIN; DECLARE c CURSOR FOR SELECT name FROM api.units; COMMIT', [], 'a cursor that nobody fetches from reads nothing');
leaves('BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT name FROM api.units; FETCH 5 FROM c; COMMIT; FETCH 5 FROM c; CLOSE c', ['read DECLARE CURSOR api.units 1005/0 x1'],
	'one that is held is read to its end, from its beginning');
leaves('BEGIN; DECLARE a CURSOR FOR SELECT name FROM api.units; DECLARE b CURSOR FOR SELECT id FROM api.base; FETCH 2 FROM a; FETCH 3 FROM b; FETCH 2 FROM a; CLOSE b; CLOSE a; COMMIT',
	['read DECLARE CURSOR api.base 3/0 x1', 'read DECLARE CURSOR api.units 4/0 x1'], 'two at a time');

# ---- who ----

my $who = q{e.event_type || ' ' || e.session_user_name || '/' || e.outer_user_name || '/' || e.effective_user_name || ' ' || coalesce(e.details->>'current_user', '-')};
leaves('SELECT name FROM api.units_view WHERE id = 1', ['read alice/alice/owner alice'], 'a view reads with its owner\'s rights', role => 'alice', columns => $who);
leaves('SET ROLE bob; SELECT name FROM api.units_invoker WHERE id = 1', ['read alice/bob/bob -'], 'unless it says otherwise', role => 'alice', columns => $who);
leaves('SELECT api.definer()', ['read alice/alice/owner -', 'decrypt alice/alice/owner -'], 'so does a function', role => 'alice', columns => $who);
leaves('SET ROLE bob; SELECT secret::text, api.opened(secret) FROM api.units WHERE id <= 2', ['decrypt alice/bob/bob -', 'decrypt alice/bob/owner -', 'read alice/bob/bob -'],
	'who opens may change within a statement', role => 'alice', columns => $who);
leaves('SET ROLE bob; SELECT name FROM api.units WHERE id = 1; RESET ROLE; SELECT name FROM api.units_view WHERE id = 1', ['read alice/bob/bob -', 'read alice/alice/owner alice'],
	'roles that are set', role => 'alice', columns => $who);
sql($node, q{CREATE POLICY mine ON api.units FOR SELECT TO bob USING (tenant = 1); ALTER TABLE api.units ENABLE ROW LEVEL SECURITY});
leaves('SET ROLE bob; SET enable_bitmapscan = off; SET enable_indexscan = off; SELECT name FROM api.units', ['read SELECT api.units 250/750 x1'], 'policies come before the count', role => 'alice');
leaves('SET ROLE bob; SET enable_bitmapscan = off; SET enable_indexscan = off; COPY api.units TO STDOUT', ['read COPY api.units 250/750 x1'], 'for COPY as well', role => 'alice');
sql($node, 'ALTER TABLE api.units DISABLE ROW LEVEL SECURITY');

# ---- decryptions ----

leaves('SELECT count(secret::text) FROM api.units', ['read SELECT api.units 1000/0 x1', 'decrypt SELECT main 1000 of {"1": 1000} x1'], 'values that a statement opened');
leaves('SELECT id FROM api.units ORDER BY secret LIMIT 1', ['read SELECT api.units 1000/0 x1', 'decrypt SELECT main 1000 of {"1": 1000} x1'], 'those that a sort opened');
leaves('SELECT min(secret) FROM api.units WHERE id <= 10', ['read SELECT api.units 10/0 x1', 'decrypt SELECT main 10 of {"1": 10} x1'], 'that an aggregate opened');
leaves('DO $$ DECLARE v twin.encrypted_text(main); t text; BEGIN SELECT secret INTO v FROM api.units WHERE id = 1; FOR i IN 1..25 LOOP t := v::text; END LOOP; END $$',
	['read DO api.units 1/0 x1', 'decrypt DO main 25 of {"1": 25} x1'], 'that expressions of PL/pgSQL opened');
leaves('CREATE TABLE api.opened AS SELECT id, secret::text FROM api.units WHERE id <= 3; DROP TABLE api.opened',
	['read CREATE TABLE AS api.units 3/0 x1', 'decrypt CREATE TABLE AS main 3 of {"1": 3} x1'], 'that went into another table');
leaves(q{SELECT 'x'::twin.encrypted_text::text; SELECT count(*) FROM api.plain WHERE 'a'::twin.encrypted_text < 'b'}, [], 'a literal is nobody\'s secret');
leaves('SELECT secret FROM api.units WHERE id <= 3', ['read SELECT api.units 3/0 x1'], 'values that nobody opened');
sql($node, 'GRANT SELECT ON api.units TO carol');
leaves('SELECT secret::text FROM api.units', ['read failure SELECT api.units 0/0 x1'], 'nor do those count that were refused', role => 'carol');
is(events_of('BEGIN; SELECT secret::text FROM api.units WHERE id <= 3; SELECT twin.rotate_key($$main$$), twin.rotate_key($$main$$); UPDATE api.units SET secret = $$new$$ WHERE id = 1;
	SELECT secret::text FROM api.units WHERE id <= 3; ROLLBACK') =~ /^decrypt SELECT main 3 of \{"1": 2, "2": 1\} x1$/m, 1, 'versions are told apart');
leaves(q{SELECT twin.grant_key('environment', current_user::regrole, 'encrypt'), twin.grant_key('environment', current_user::regrole, 'decrypt') \g /dev/null
	SELECT twin.decrypt_data(twin.encrypt_data('x'))}, ['decrypt SELECT environment 1 of {"1": 1} x1'], 'whole values');

# ---- what else an event says ----

is(events_of('SELECT 1 FROM api.units WHERE id = 1', columns => q{(e.details->>'query_id')::bigint <> 0}), 't', 'the number of the query');
is(events_of('SELECT 1 FROM api.units WHERE id = 1', columns => 'e.xid IS NULL'), 't', 'no transaction where there was none');
is(events_of('BEGIN; INSERT INTO api.children VALUES (1, 1); SELECT 1 FROM api.units WHERE id = 1; ROLLBACK', columns => 'e.xid IS NOT NULL'), 't', 'and which one');
is(events_of('SELECT 1 FROM api.units WHERE id = 1', columns => q{e.event_time <= e.recorded_at AND e.event_time > now() - interval '1 minute'}), 't', 'when');

# ---- workers ----

my $parallel = 'SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET enable_indexonlyscan = off; SET enable_bitmapscan = off; ';
like(sql($node, $parallel . 'EXPLAIN (COSTS OFF) SELECT count(secret::text) FROM api.units'), qr/Gather/, 'workers take part');
leaves($parallel . 'SELECT count(secret::text) FROM api.units', ['read SELECT api.units 1000/0 x1', 'decrypt SELECT main 1000 of {"1": 1000} x1'], 'what they read and open counts once');
leaves($parallel . 'SET parallel_leader_participation = off; SELECT count(secret::text) FROM api.units', ['read SELECT api.units 1000/0 x1', 'decrypt SELECT main 1000 of {"1": 1000} x1'],
	'also when they do all of it');
leaves($parallel . 'SET parallel_leader_participation = off; SELECT 1 / (count(secret::text) - 1000) FROM api.units',
	['read failure SELECT api.units 1000/0 x1', 'decrypt SELECT main 1000 of {"1": 1000} x1'], 'when the statement fails after them');
leaves($parallel . 'SET parallel_leader_participation = off; SELECT count(secret::text) FROM api.units; SELECT count(*) FROM api.units WHERE name < $$a$$', 
	['read SELECT api.units 1000/0 x1', 'decrypt SELECT main 1000 of {"1": 1000} x1', 'read SELECT api.units 0/1000 x1'], 'nothing of it is left to the next statement');
my ($failed) = events_of($parallel . 'SET parallel_leader_participation = off; SELECT sum(1 / (id - 900 + 0 * length(secret::text))) FROM api.units') =~ m{^read failure SELECT api\.units (\d+)/0 x1$}m;
ok(defined $failed && $failed > 0 && $failed <= 1000, 'when a worker fails: what it had read');
leaves($parallel . 'SELECT count(*) FROM api.readings', ['read SELECT api.readings 100/0 x1'], 'workers and partitions');

done_testing();
