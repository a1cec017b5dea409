-- rewrite_round.sql: one round of rewriting live tables, while pgbench reads two of them.
-- Variables: round, idle (seconds).
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT twin.rotate_key('rewrite'), twin.rotate_key('rewrite') \g /dev/null
CREATE TABLE rewrite_storage (id bigint, v text, w text);
INSERT INTO rewrite_storage SELECT * FROM rewrite_source;
ALTER TABLE rewrite_storage ADD PRIMARY KEY (id);
VACUUM ANALYZE rewrite_storage;
CHECKPOINT;

-- reads that were held up until here are not idle ones
SELECT pg_sleep(1) \g /dev/null
INSERT INTO rewrite_phases (round, name) VALUES (:round, 'idle');
SELECT pg_sleep(:idle) \g /dev/null
UPDATE rewrite_phases SET ended = clock_timestamp() WHERE ended IS NULL;

INSERT INTO rewrite_phases (round, name) VALUES (:round, 'encrypted');
CALL twin.reencrypt_column('rewrite_encrypted', 'v');
UPDATE rewrite_phases SET ended = clock_timestamp() WHERE ended IS NULL;

INSERT INTO rewrite_phases (round, name) VALUES (:round, 'plain');
CALL rewrite_plain_in_batches();
UPDATE rewrite_phases SET ended = clock_timestamp() WHERE ended IS NULL;

INSERT INTO rewrite_phases (round, name) VALUES (:round, 'storage');
CALL twin.encrypt_column('rewrite_storage', 'v', 'rewrite');
UPDATE rewrite_phases SET ended = clock_timestamp() WHERE ended IS NULL;

DROP TABLE rewrite_storage;
VACUUM rewrite_encrypted, rewrite_plain;
