-- types.sql: every encrypted type, every kind of value, every way in and out, driven by one table.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SELECT lives_ok($$SELECT twin.grant_key('main', current_user::regrole, 'decrypt')$$, 'the tester may decrypt');

CREATE TEMP TABLE samples (name text, base text, literal text);
INSERT INTO samples VALUES
	('text', 'text', ''), ('text', 'text', 'plain'), ('text', 'text', 'grüße 漢字 😀'), ('text', 'text', repeat('long ', 100000)), ('text', 'text', 'NULL'),
	('text', 'text', ' tsec1:not at the start'),
	('bytea', 'bytea', ''), ('bytea', 'bytea', '\x00'), ('bytea', 'bytea', '\xff00ff'),
	('jsonb', 'jsonb', 'null'), ('jsonb', 'jsonb', '{"a": [1, 2.50, {"b": "c"}], "d": false}'), ('jsonb', 'jsonb', '"text"'), ('jsonb', 'jsonb', '1e100'),
	('numeric', 'numeric', '0'), ('numeric', 'numeric', '0.000'), ('numeric', 'numeric', '-1.50'), ('numeric', 'numeric', 'NaN'), ('numeric', 'numeric', 'Infinity'),
	('numeric', 'numeric', '-Infinity'), ('numeric', 'numeric', repeat('9', 2000) || '.' || repeat('1', 2000)), ('numeric', 'numeric', '1e-16000'),
	('bigint', 'bigint', '0'), ('bigint', 'bigint', '-9223372036854775808'), ('bigint', 'bigint', '9223372036854775807'),
	('float8', 'float8', '0'), ('float8', 'float8', '-0'), ('float8', 'float8', 'NaN'), ('float8', 'float8', '-Infinity'), ('float8', 'float8', '5e-324'),
	('date', 'date', '2026-02-28'), ('date', 'date', 'infinity'), ('date', 'date', '-infinity'), ('date', 'date', '4714-11-24 BC'),
	('timestamptz', 'timestamptz', '2026-02-28 12:00:00.123456+00'), ('timestamptz', 'timestamptz', 'infinity'), ('timestamptz', 'timestamptz', '4714-11-24 00:00:00+00 BC'),
	('boolean', 'boolean', 'true'), ('boolean', 'boolean', 'false'),
	('uuid', 'uuid', '00000000-0000-0000-0000-000000000000'), ('uuid', 'uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
	('inet', 'inet', '0.0.0.0/0'), ('inet', 'inet', '192.168.1.5'), ('inet', 'inet', '192.168.1.5/24'), ('inet', 'inet', '::/0'), ('inet', 'inet', '2001:db8::1/64'), ('inet', 'inet', '::ffff:1.2.3.4');

-- Stores a sample by each way in and says which of them did not come back as the base type prints it.
CREATE FUNCTION pg_temp.ways(name text, base text, suffix text, literal text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	type text := 'twin.encrypted_' || name || suffix;
	expected text;
	got text;
	wrong text := '';
	way text;
	armor text;
BEGIN
	EXECUTE format('SELECT %L::%s::text', literal, base) INTO expected;
	EXECUTE format('CREATE TEMP TABLE way (n serial, way text, v %s(main)) ON COMMIT DROP', type);
	EXECUTE format('INSERT INTO way (way, v) VALUES (%L, %L)', 'literal', literal);
	EXECUTE format('PREPARE way_in (%s) AS INSERT INTO way (way, v) VALUES (%L, $1)', base, 'typed parameter');
	EXECUTE format('EXECUTE way_in (%L)', literal);
	DEALLOCATE way_in;
	EXECUTE format('PREPARE way_in (%s) AS INSERT INTO way (way, v) VALUES (%L, $1)', type, 'encrypted parameter');
	EXECUTE format('EXECUTE way_in (%L)', literal);
	DEALLOCATE way_in;
	EXECUTE format('INSERT INTO way (way, v) VALUES (%L, %L::%s)', 'base value', literal, base);
	EXECUTE format('INSERT INTO way (way, v) SELECT %L, x FROM (SELECT %L::%s) s (x)', 'select', literal, base);
	EXECUTE format('INSERT INTO way (way, v) SELECT %L, v FROM way WHERE n = 1', 'copy of the stored');
	EXECUTE 'SELECT format(''%s'', v) FROM way WHERE n = 1' INTO armor;
	EXECUTE format('INSERT INTO way (way, v) VALUES (%L, %L)', 'armor', armor);
	FOR way, got IN EXECUTE format('SELECT way, v::%s::text FROM way', base) LOOP
		IF got IS DISTINCT FROM expected THEN
			wrong := wrong || way || ' ';
		END IF;
	END LOOP;
	IF suffix <> '' THEN
		EXECUTE format('SELECT count(*)::text FROM way WHERE v = %L AND v = %L::%s AND %L::%s = v AND NOT v <> %L', literal, literal, base, literal, base, literal) INTO got;
		IF got <> (SELECT count(*)::text FROM way) THEN
			wrong := wrong || 'equality finds ' || got;
		END IF;
	END IF;
	DROP TABLE way;
	RETURN wrong;
EXCEPTION WHEN others THEN
	RETURN SQLSTATE || ' ' || left(SQLERRM, 200);
END $$;

SELECT is(pg_temp.ways(s.name, s.base, suffix, s.literal), '', 'encrypted_' || s.name || suffix || ': ' || left(s.literal, 40))
	FROM samples s CROSS JOIN unnest(ARRAY['', '_eq']) suffix;

-- equality agrees with the base type's, for every pair of samples of a type
CREATE FUNCTION pg_temp.disagreements(name text, base text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	result bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM samples a, samples b WHERE a.name = %1$L AND b.name = %1$L
		AND (a.literal::%2$s = b.literal::%2$s) IS DISTINCT FROM
			(a.literal::%2$s::twin.encrypted_%1$s_eq = b.literal::%2$s::twin.encrypted_%1$s_eq)', name, base) INTO result;
	RETURN result;
END $$;
SELECT is(pg_temp.disagreements(name, base), 0::bigint, 'equality of encrypted_' || name || '_eq is that of ' || base)
	FROM (SELECT DISTINCT name, base FROM samples) s;

SELECT * FROM finish();
ROLLBACK;
