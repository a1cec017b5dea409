-- rewrite.sql: tables for re-encryption and conversion of a live column, and the plain batched UPDATE they stand beside.
-- Variables: rows.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT twin.create_key('rewrite'), twin.grant_key('rewrite', current_user::regrole, 'decrypt') \g /dev/null
CREATE TABLE rewrite_source AS SELECT i::bigint AS id, md5(i::text) AS v, md5(i::text) AS w FROM generate_series(1, :rows) i;
CREATE TABLE rewrite_encrypted (id bigint, v twin.encrypted_text(rewrite), w text);
CREATE TABLE rewrite_plain (id bigint, v bytea, w text);
ALTER TABLE rewrite_plain ALTER COLUMN v SET STORAGE external;
INSERT INTO rewrite_encrypted SELECT * FROM rewrite_source;
INSERT INTO rewrite_plain SELECT id, twin_internal.encrypted_text_send(v), w FROM rewrite_encrypted;
ALTER TABLE rewrite_encrypted ADD PRIMARY KEY (id);
ALTER TABLE rewrite_plain ADD PRIMARY KEY (id);
VACUUM ANALYZE rewrite_source, rewrite_encrypted, rewrite_plain;
CHECKPOINT;

-- as one would write it by hand: another value of the same width, 10,000 rows a transaction
CREATE PROCEDURE rewrite_plain_in_batches() LANGUAGE plpgsql AS $$
BEGIN
	FOR low IN 1..(SELECT max(id) FROM rewrite_plain) BY 10000 LOOP
		UPDATE rewrite_plain SET v = set_byte(v, 0, 255 - get_byte(v, 0)) WHERE id BETWEEN low AND low + 9999;
		COMMIT;
	END LOOP;
END $$;

-- from when to when a part of a round went on, to find the reads of that time
CREATE TABLE rewrite_phases (round integer, name text, began timestamptz DEFAULT clock_timestamp(), ended timestamptz);
-- pgbench's log, one line a read: latency in microseconds from the time it was due, and when it ended
CREATE TABLE rewrite_reads (client integer, transaction bigint, latency double precision, script integer, epoch bigint, us bigint, lag double precision);
