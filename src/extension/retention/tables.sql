/*
 * tables.sql
 *		Policies, and where each partition is on its way out.
 */

CREATE TABLE twin_internal.retention_policies (
	policy_name text COLLATE "C" PRIMARY KEY CHECK (policy_name ~ '^[a-z][a-z0-9_]{0,62}$'),
	event_class text COLLATE "C" CHECK (event_class IN ('audit', 'access', 'error')),	/* of the audit log; else a table */
	relation regclass,
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
 * One row per partition, or batch of rows, that is over its time. What is dropped stays here, with where its archive lies.
 */
CREATE TABLE twin_internal.retention_items (
	item_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	policy_name text COLLATE "C" NOT NULL,
	relation text NOT NULL,	/* schema.table, as quoted identifiers */
	partition_name text NOT NULL,	/* schema.table; of a batch the table's own name */
	partition oid,	/* NULL: a batch, or it is dropped */
	from_time timestamptz,
	to_time timestamptz NOT NULL,
	state text NOT NULL CHECK (state IN ('due', 'held', 'archived', 'verified', 'detached', 'dropped')),
	rows bigint,
	held_by bigint[] NOT NULL DEFAULT '{}',	/* legal holds */
	archive_file text,	/* in the folder for archives */
	archive_sha256 bytea,
	failure text,	/* why it does not go on; NULL: it does */
	failed_at timestamptz,
	changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE twin_internal.retention_items IS 'partitions, and batches of rows, that are over their time: how far each is on its way out';
COMMENT ON SEQUENCE twin_internal.retention_items_item_id_seq IS 'numbers of what retention takes out';
