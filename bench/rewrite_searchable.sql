-- rewrite_searchable.sql: once, because it takes long: conversion of a column with a unique index to a searchable one.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE TABLE rewrite_searchable (id bigint, v text, w text);
INSERT INTO rewrite_searchable SELECT * FROM rewrite_source;
ALTER TABLE rewrite_searchable ADD PRIMARY KEY (id), ADD UNIQUE (v);
VACUUM ANALYZE rewrite_searchable;
CHECKPOINT;
INSERT INTO rewrite_phases (round, name) VALUES (1, 'searchable');
CALL twin.encrypt_column('rewrite_searchable', 'v', 'rewrite', searchable => true);
UPDATE rewrite_phases SET ended = clock_timestamp() WHERE ended IS NULL;
