-- reads.sql: what it costs to read a table whose reads are recorded, and to open values, which always is.
\set ON_ERROR_STOP on
CREATE TABLE bench.unread AS SELECT i AS id, i AS v, repeat('x', 80) AS filler FROM generate_series(1, :rows) i;
CREATE TABLE bench.read AS TABLE bench.unread;
ALTER TABLE bench.unread ADD PRIMARY KEY (id);
ALTER TABLE bench.read ADD PRIMARY KEY (id);
CREATE TABLE bench.opened (v twin.encrypted_bigint(main));
INSERT INTO bench.opened SELECT i FROM generate_series(1, :rows) i;
VACUUM (ANALYZE, FREEZE) bench.unread, bench.read, bench.opened;
SELECT twin.audit_table('bench.read', reads => true) \g /dev/null
INSERT INTO bench.cases (grp, name, statement) VALUES
	('reads', 'plain', 'SELECT sum(v) FROM bench.unread'),
	('reads', 'recorded', 'SELECT sum(v) FROM bench.read');
CALL bench.run('reads', 7);
CALL bench.report('scan of a table whose reads are recorded / of a plain one (CPU time)', bench.cpu('reads', 'recorded') / bench.cpu('reads', 'plain'), NULL);
CALL bench.report('scan of a table whose reads are recorded / of a plain one (wall clock)', bench.wall('reads', 'recorded') / bench.wall('reads', 'plain'), NULL);
