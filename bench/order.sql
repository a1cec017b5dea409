-- order.sql: sorting and adding up encrypted columns beside the plain columns of the same table.
-- Variables: rows, bare (the program).
\set ON_ERROR_STOP on
SET max_parallel_workers_per_gather = 0;
CREATE TABLE o (id integer, n bigint, en twin.encrypted_bigint(main), t text, et twin.encrypted_text(main));
INSERT INTO o SELECT i, k, k, md5(k::text), md5(k::text) FROM (SELECT i, hashint8extended(i, 0) AS k FROM generate_series(1, :rows) i) s;
VACUUM ANALYZE o;
CHECKPOINT;

-- OFFSET swallows the rows: what is timed is scan and sort
CREATE FUNCTION pg_temp.add_sorts(grp text, memory integer, names text[]) RETURNS void LANGUAGE sql AS $$
	INSERT INTO bench.cases (grp, name, setup, statement)
	SELECT grp, c.name, format('SET work_mem = %L', memory), format('SELECT id FROM o ORDER BY %I OFFSET %s', c.name, (SELECT count(*) FROM o))
	FROM unnest(names) c (name) $$;

-- memory for all; and the default 4MB, or less in proportion to the rows, so that a small trial spills as well
SELECT greatest(65536, :rows) AS enough, least(4096, greatest(64, 4096 * :rows::bigint / 1000000)) AS little \gset
SELECT pg_temp.add_sorts('sort', :enough, '{n,en}'), pg_temp.add_sorts('sort_text', :enough, '{t,et}'), pg_temp.add_sorts('spill', :little, '{n,en,t,et}') \g /dev/null

-- bytes of temporary files so far, so that no line says memory where the disk was used
CREATE FUNCTION pg_temp.written() RETURNS bigint LANGUAGE sql AS $$
	SELECT pg_stat_force_next_flush(); SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database() $$;
SELECT pg_temp.written() AS at_first \gset
CALL bench.run('sort', 7);
CALL bench.run('sort_text', 3, false);
SELECT pg_temp.written() AS in_memory \gset
CALL bench.run('spill', 2, false);
SELECT pg_temp.written() AS on_disk \gset
SELECT pg_size_pretty(:in_memory::bigint - :at_first) AS in_memory, pg_size_pretty(:on_disk::bigint - :in_memory) AS on_disk \gset
\echo temporary files of the sorts: :in_memory with work_mem :enough kB, :on_disk with :little kB
CALL bench.report('ORDER BY encrypted bigint / plain, in memory', bench.wall('sort', 'en') / bench.wall('sort', 'n'), 2.5);
CALL bench.report('ORDER BY encrypted bigint in memory, decryptions a row', bench.opens('sort', 'en') / :rows, 1.05);
CALL bench.report('ORDER BY encrypted text / plain, in memory', bench.wall('sort_text', 'et') / bench.wall('sort_text', 't'), 3);
CALL bench.report('ORDER BY encrypted text in memory, decryptions a row', bench.opens('sort_text', 'et') / :rows, 1.05);
CALL bench.report('ORDER BY encrypted bigint / plain, on disk', bench.wall('spill', 'en') / bench.wall('spill', 'n'), NULL);
CALL bench.report('ORDER BY encrypted bigint on disk, decryptions a row', bench.opens('spill', 'en') / :rows, NULL);
CALL bench.report('ORDER BY encrypted text / plain, on disk', bench.wall('spill', 'et') / bench.wall('spill', 't'), NULL);
CALL bench.report('ORDER BY encrypted text on disk, decryptions a row', bench.opens('spill', 'et') / :rows, NULL);

-- sum and avg above a scan that fetches the column, beside the bare opening of 8 bytes
CREATE TABLE bare_bigint (seal double precision, open double precision);
INSERT INTO bench.cases (grp, name, statement) VALUES
	('sum', 'count', 'SELECT count(en) FROM o'),
	('sum', 'bare', format('COPY bare_bigint FROM PROGRAM %L (DELIMITER '' '')', :'bare' || ' 8')),
	('sum', 'sum', 'SELECT sum(en) FROM o'),
	('sum', 'avg', 'SELECT avg(en) FROM o');
CALL bench.run('sum', 5);
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY open) AS bare_open FROM bare_bigint \gset
\echo bare OpenSSL AES-256-GCM, 8 bytes, kept context: open :bare_open ns
CALL bench.report('sum(encrypted bigint) above count() / bare GCM open of 8 B',
	(bench.wall('sum', 'sum') - bench.wall('sum', 'count')) * 1e6 / :rows / :bare_open, 1.8);
CALL bench.report('avg(encrypted bigint) above count() / bare GCM open of 8 B',
	(bench.wall('sum', 'avg') - bench.wall('sum', 'count')) * 1e6 / :rows / :bare_open, 1.8);
DROP TABLE o, bare_bigint;
