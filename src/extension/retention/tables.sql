/*
 * tables.sql
 *		Policies, and where each partition is on its way out.
 */

CREATE TABLE twin_internal.retention_policies (
	policy_name text COLLATE "C" PRIMARY KEY CHECK (policy_name ~ '^[a-z][a-z0-9_]{0,62}$'),
	event_class text COLLATE "C" UNIQUE CHECK (event_class IN ('audit', 'access', 'error')),	/* of the audit log; else a table */
	relation regclass UNIQUE,
	time_column name,
	keep interval NOT NULL CHECK (keep > interval '0'),
	archive boolean NOT NULL DEFAULT true,
	enabled boolean NOT NULL DEFAULT true,
	CHECK ((event_class IS NULL) = (relation IS NOT NULL) AND (relation IS NULL) = (time_column IS NULL))
);
COMMENT ON TABLE twin_internal.retention_policies IS 'how long rows are kept: of a class of the audit log, or of a table by one of its columns';

INSERT INTO twin_internal.retention_policies (policy_name, event_class, keep) VALUES
	('audit_logs', 'audit', '2557 days'),
	('access_logs', 'access', '1095 days'),
	('error_logs', 'error', '365 days');
SELECT twin_internal.keep_seeds('twin_internal.retention_policies', 'policy_name');

/*
 * One row per partition, or batch of rows, that is over its time. What is dropped stays here, with where its archive lies. A dump takes
 * that along, and what is detached, which no plan would find again; all else is planned anew where it is restored.
 */
CREATE TABLE twin_internal.retention_items (
	item_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	policy_name text COLLATE "C" NOT NULL,
	relation text NOT NULL,	/* schema.table, as quoted identifiers */
	partition_name text NOT NULL,	/* schema.table; of a batch the table's own name */
	partition regclass UNIQUE,	/* NULL: a batch, or it is dropped */
	from_time timestamptz NOT NULL,
	to_time timestamptz NOT NULL,
	next_time timestamptz,	/* of a batch: from where on it goes on; NULL: it begins */
	state text NOT NULL CHECK (state IN ('due', 'held', 'archived', 'verified', 'detached', 'dropped')),
	rows bigint,
	held_by bigint[] NOT NULL DEFAULT '{}',	/* legal holds */
	archive_file text,	/* in the folder for archives */
	archive_sha256 bytea,
	leaves_sha256 bytea,	/* of the set of leaves that is in the archive; of the audit log alone */
	bounds text,	/* with which it is attached again; from when it is about to be detached */
	failure text,	/* why it does not go on; NULL: it does */
	failed_at timestamptz,
	changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE twin_internal.retention_items IS 'partitions, and batches of rows, that are over their time: how far each is on its way out';
COMMENT ON SEQUENCE twin_internal.retention_items_item_id_seq IS 'numbers of what retention takes out';
CREATE INDEX retention_items_policy ON twin_internal.retention_items (policy_name, from_time);
SELECT twin_internal.keep_from_publishers('twin_internal.retention_items');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.retention_items', 'WHERE state IN (''detached'', ''dropped'')');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.retention_items_item_id_seq', '');

/* Of this database alone: where it is restored nothing has run. */
CREATE TABLE twin_internal.retention_runs (
	run_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	asked_by text,	/* NULL: it was time */
	started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	finished_at timestamptz,	/* NULL: it runs, or was cut short */
	items integer NOT NULL DEFAULT 0,	/* partitions and batches that are gone */
	rows bigint NOT NULL DEFAULT 0,	/* in them */
	failures integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE twin_internal.retention_runs IS 'each time policies were applied';
COMMENT ON SEQUENCE twin_internal.retention_runs_run_id_seq IS 'numbers of runs of retention';
SELECT twin_internal.keep_from_publishers('twin_internal.retention_runs');

CREATE TABLE twin_internal.retention_successes (
	policy_name text COLLATE "C" PRIMARY KEY,
	known_since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	succeeded_at timestamptz	/* NULL: never */
);
COMMENT ON TABLE twin_internal.retention_successes IS 'when each policy was applied last without a failure';
SELECT twin_internal.keep_from_publishers('twin_internal.retention_successes');

CREATE TABLE twin_internal.retention_schedule (
	is_here boolean PRIMARY KEY DEFAULT true CHECK (is_here),
	started_at timestamptz,	/* the last run by itself */
	told_at timestamptz,	/* that runs are overdue */
	trusted_until timestamptz,	/* a clock beyond this is not believed until somebody does; NULL: none has been seen yet */
	doubt_told_at timestamptz	/* that it is not */
);
COMMENT ON TABLE twin_internal.retention_schedule IS 'one row: when policies were applied last by themselves, when it was told last that they were not, and how far the clock is believed';
INSERT INTO twin_internal.retention_schedule DEFAULT VALUES;
SELECT twin_internal.keep_from_publishers('twin_internal.retention_schedule');
