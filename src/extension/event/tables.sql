/*
 * tables.sql
 *		Where events lie: one table, by class and then by month; and beside it the overflow, for events of a month that
 *		has no partition. A missing partition is never an error.
 *
 * Indexes stand on the months and not on their parents: parents belong to the extension and would make their indexes a
 * second time when a dump attaches a month that brings its own.
 */

/* A row may hold up to a thousand events, of rows that one statement changed: they are numbered from its id on. */
CREATE SEQUENCE twin_internal.event_id_seq AS bigint INCREMENT BY 1000 MINVALUE -4503599627370000 START 1000 CYCLE;
COMMENT ON SEQUENCE twin_internal.event_id_seq IS 'ids of events; gaps are normal; below 0 while a dump is being restored; set back, it is moved on';

/*
 * A dump brings ids of its own, so what happens while it is restored is numbered where no dump has any: from a negative
 * number on that grows with time. The dump sets the sequence to where it was. pg_dump and pg_restore make their settings
 * in the session that runs this script; an administrator's session has hardly made these two.
 */
SELECT pg_catalog.setval('twin_internal.event_id_seq',
		-4503599627370000 + 1000000 * pg_catalog.floor(extract(epoch FROM pg_catalog.clock_timestamp() - timestamptz '2026-01-01 00:00:00+00'))::bigint, false)
	WHERE 2 = (SELECT pg_catalog.count(*) FROM pg_catalog.pg_settings s WHERE s.source = 'session' AND s.name IN ('row_security', 'xmloption'));

CREATE TABLE twin_internal.events (
	event_id bigint NOT NULL,
	event_time timestamptz NOT NULL,
	recorded_at timestamptz NOT NULL,
	class text NOT NULL,
	event_type text NOT NULL,
	severity text NOT NULL,
	outcome text NOT NULL,
	action text,
	resource text,
	record_id text,
	session_user_name text,
	outer_user_name text,
	effective_user_name text,
	user_id bigint,
	username text,
	tenant_id bigint,
	token_id text,
	client_address inet,
	application_name text,
	request_id text,
	xid xid8,
	application_made boolean NOT NULL,
	details jsonb NOT NULL,
	pid integer,
	origin integer NOT NULL,	/* of writer_xid: which cluster and database counts so */
	writer_xid xid8 NOT NULL,	/* the transaction that wrote the row, not the one it tells of */
	row_count integer,	/* so many events; NULL: the row is one */
	rows bytea	/* of changed rows: their columns and images */
) PARTITION BY LIST (class);
ALTER TABLE twin_internal.events ALTER rows SET STORAGE EXTERNAL;
COMMENT ON TABLE twin_internal.events IS 'security events, by class and month; recorded_at is when the row was written, event_time what the emitter says';

CREATE TABLE twin_internal.events_audit PARTITION OF twin_internal.events FOR VALUES IN ('audit') PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE twin_internal.events_audit IS 'what was done and refused: logins, permissions, keys, changes';
CREATE TABLE twin_internal.events_access PARTITION OF twin_internal.events FOR VALUES IN ('access') PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE twin_internal.events_access IS 'what was read';
CREATE TABLE twin_internal.events_error PARTITION OF twin_internal.events FOR VALUES IN ('error') PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE twin_internal.events_error IS 'what failed';

CREATE TABLE twin_internal.events_overflow (LIKE twin_internal.events INCLUDING STORAGE) WITH (toast_tuple_target = 8160);
COMMENT ON TABLE twin_internal.events_overflow IS 'events of a month that has no partition; they move there when it is made';
ALTER TABLE twin_internal.events_overflow REPLICA IDENTITY FULL;	/* rows move away from it, also where all tables are published */
CREATE INDEX events_overflow_event_id ON twin_internal.events_overflow (event_id);
CREATE INDEX events_overflow_event_time ON twin_internal.events_overflow (event_time);
CREATE INDEX events_overflow_writer ON twin_internal.events_overflow (origin, writer_xid, event_id);

/*
 * Not dumped: in a database that is being restored it says when CREATE EXTENSION ran there, and for an hour no
 * partition is made, so that none stands in the way of those that the dump brings.
 */
CREATE TABLE twin_internal.event_state (
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	is_restored boolean NOT NULL	/* by a dump that brings rows */
);
COMMENT ON TABLE twin_internal.event_state IS 'one row: when the extension was created in this database, and whether a dump did it';
INSERT INTO twin_internal.event_state (is_restored)
	SELECT last_value < 0 FROM twin_internal.event_id_seq;

SELECT pg_catalog.pg_extension_config_dump('twin_internal.event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.events_overflow', '');
