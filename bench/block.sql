-- block.sql: what it costs to ask whether an address is blocked while 100000 networks of many lengths are, beside none:
-- requests of one session, and connections one after the other, in the rounds that bench/run makes.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE ROLE bench_door LOGIN NOINHERIT;
GRANT twin_anonymous TO bench_door;
INSERT INTO twin.token_only_logins VALUES ('bench_door');
GRANT USAGE ON SCHEMA bench TO bench_door;
CREATE TABLE bench.block_times (kind text, round integer, microseconds double precision);
CREATE TABLE bench.block_connections (kind text, round integer, per_second double precision);
GRANT INSERT ON bench.block_times TO bench_door;

-- 100000 networks with prefixes of 17 to 32 bits, none of which holds an address that is asked about
CREATE PROCEDURE bench.block_many() LANGUAGE sql AS $$
	INSERT INTO twin_internal.blocks SELECT DISTINCT ON (network) network, now(), now() + interval '1 day', NULL, 'bench'
		FROM (SELECT network(set_masklen('64.0.0.0'::inet + (i * 2654435761 % 1073741824), (17 + i % 16)::integer)) AS network FROM generate_series(1::bigint, 120000) i) n LIMIT 100000
$$;
CREATE PROCEDURE bench.block_none() LANGUAGE sql AS 'TRUNCATE twin_internal.blocks';
CREATE PROCEDURE bench.block_round(of_kind text, of_round integer) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
BEGIN
	COMMIT;
	began := clock_timestamp();
	FOR i IN 1..4000 LOOP
		PERFORM role_name FROM twin.begin_request('GET', '/units', '{}', '{}', '203.0.113.7', 'public', 'twin_anonymous');
		COMMIT;
	END LOOP;
	INSERT INTO bench.block_times VALUES (of_kind, of_round, 1e6 * extract(epoch FROM clock_timestamp() - began) / 4000);
END $$;

