/*
 * tables.sql
 *		The tree over all events: which leaf each row's events are, its nodes, its signed checkpoints, and how far the
 *		sealer is. All of it travels with a dump, so that a restored database goes on with the same tree.
 *
 * Only the sealer writes here, in the event writer's process. What somebody else changes is found by
 * twin.verify_audit_log(), and by whoever keeps a checkpoint.
 */

CREATE TABLE twin_internal.sealed (
	record_id bigint PRIMARY KEY,	/* event_id of a row of twin_internal.events */
	first_leaf bigint NOT NULL UNIQUE,
	leaves integer NOT NULL	/* the row's events are so many leaves from there on */
);
COMMENT ON TABLE twin_internal.sealed IS 'which leaves of the audit log''s tree a row''s events are';

/* As C2SP tlog-tiles: of levels 0, 8, 16 and so on of the tree, each 256 nodes side by side; the last of a level may have fewer. */
CREATE TABLE twin_internal.tiles (
	level smallint NOT NULL,
	tile bigint NOT NULL,
	hashes bytea NOT NULL,
	PRIMARY KEY (level, tile)
);
ALTER TABLE twin_internal.tiles ALTER hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE twin_internal.tiles IS 'nodes of full subtrees of the audit log''s tree: level 0 leaves, level 1 roots of 256 leaves, level 2 of 65536';

CREATE TABLE twin_internal.checkpoints (
	size bigint NOT NULL,
	epoch integer NOT NULL,
	root bytea NOT NULL,
	note bytea NOT NULL,	/* signed, as C2SP tlog-checkpoint: UTF-8 whatever the database's encoding */
	created_at timestamptz NOT NULL,
	PRIMARY KEY (size, epoch)
);
COMMENT ON TABLE twin_internal.checkpoints IS 'signed sizes and roots of the audit log''s tree';

CREATE TABLE twin_internal.epochs (
	epoch integer PRIMARY KEY,
	origin text NOT NULL,
	public_key bytea,	/* Ed25519; none until something was signed */
	first_leaf bigint NOT NULL,
	reason text NOT NULL,	/* created, restored, promoted, requested */
	began_at timestamptz NOT NULL
);
COMMENT ON TABLE twin_internal.epochs IS 'names under which the audit log''s tree was continued: a restored, upgraded or promoted database takes a new one';

/* What an epoch signed beyond the beginning of the next is of a tree that was given up: it stays as evidence. */
CREATE VIEW twin_internal.checkpoints_of_log AS
	SELECT c.* FROM twin_internal.checkpoints c LEFT JOIN twin_internal.epochs n ON n.epoch = c.epoch + 1 WHERE (c.size > n.first_leaf) IS NOT TRUE;
COMMENT ON VIEW twin_internal.checkpoints_of_log IS 'checkpoints of the tree that goes on';

CREATE TABLE twin_internal.epoch_requests (
	epoch integer PRIMARY KEY,	/* which is to end */
	reason text NOT NULL,
	requested_by text NOT NULL
);
COMMENT ON TABLE twin_internal.epoch_requests IS 'who asked that the audit log be continued in a new epoch, and why';

CREATE TABLE twin_internal.ledger_state (
	is_here boolean PRIMARY KEY DEFAULT true CHECK (is_here),
	size bigint NOT NULL,
	nodes bytea NOT NULL,	/* of the tree's right edge, the lowest first */
	epoch integer NOT NULL,
	origin integer NOT NULL,	/* whose transaction ids these are */
	timeline integer NOT NULL,
	snapshot pg_snapshot NOT NULL,	/* what it sees is sealed */
	snapshot_at timestamptz NOT NULL,
	target pg_snapshot,	/* what is being sealed, in several steps */
	target_at timestamptz,
	done_xid xid8,	/* of that, so far */
	done_id bigint,
	own_writers xid8[] NOT NULL DEFAULT '{}',	/* transactions of the sealer that the snapshot does not see: their rows are sealed */
	sweep_id bigint,	/* rows of other origins are looked through up to here; null: all of them */
	sweep_again_at timestamptz,	/* once more, for what a restore brought later */
	heartbeat_at timestamptz NOT NULL,
	refused_at timestamptz	/* when a checkpoint was last refused, and somebody was told */
);
COMMENT ON TABLE twin_internal.ledger_state IS 'one row: the right edge of the audit log''s tree, and which transactions are in it';

/*
 * Leaves whose events went with a partition. A row proves nothing by itself: it says what an event that is sealed itself says
 * of the same partition, and is verified against that.
 */
CREATE TABLE twin_internal.retired_leaves (
	event_id bigint PRIMARY KEY,	/* of the event "partition_dropped" */
	partition_name text NOT NULL,	/* with its schema; one that is attached again may go again */
	first_leaf bigint NOT NULL,
	last_leaf bigint NOT NULL,
	leaves bigint NOT NULL,
	leaf_set bytea NOT NULL,	/* src/common/leafset.h */
	archive_file text,
	archive_sha256 bytea,
	dropped_at timestamptz NOT NULL
);
CREATE INDEX retired_leaves_first_leaf ON twin_internal.retired_leaves (first_leaf);
ALTER TABLE twin_internal.retired_leaves ALTER leaf_set SET STORAGE EXTERNAL;
COMMENT ON TABLE twin_internal.retired_leaves IS 'which leaves of the audit log''s tree were events of partitions that were dropped';

/* Copies, made when the event is: what is verified by them can be when their own partition has gone. */
CREATE TABLE twin_internal.kept_events (LIKE twin_internal.events INCLUDING STORAGE, PRIMARY KEY (event_id));
COMMENT ON TABLE twin_internal.kept_events IS 'events that tell of the audit log itself: of epochs, of dropped partitions, of rows that were not sealed as they were written';

SELECT pg_catalog.pg_extension_config_dump('twin_internal.sealed', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.tiles', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.checkpoints', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.epochs', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.ledger_state', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.retired_leaves', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.kept_events', '');

/* Rows of events wherever they lie. */
CREATE VIEW twin_internal.event_rows AS
	SELECT * FROM twin_internal.events UNION ALL SELECT * FROM ONLY twin_internal.events_overflow;	/* a child is not the log's */
COMMENT ON VIEW twin_internal.event_rows IS 'rows of events, of partitions and overflow';

/*
 * What is visible and waits to be sealed: looked up by transaction, never by reading what is sealed. (Plans that must not be are costed so
 * high that the server would compile them, which takes seconds.)
 */
CREATE FUNCTION twin_internal.unsealed_since() RETURNS timestamptz
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
BEGIN ATOMIC
	SELECT greatest(s.snapshot_at, u.since)
	FROM twin_internal.ledger_state s, LATERAL (
		SELECT min(w.recorded_at) AS since FROM (
			(SELECT e.recorded_at FROM twin_internal.event_rows e
				WHERE e.origin = s.origin AND e.writer_xid >= pg_snapshot_xmax(s.snapshot)
					AND e.writer_xid < pg_snapshot_xmax(pg_current_snapshot())	/* what has not begun is never sealed; verification names it */
					AND e.writer_xid <> ALL (s.own_writers) LIMIT 1000)
			UNION ALL
			(SELECT e.recorded_at FROM pg_snapshot_xip(s.snapshot) x, twin_internal.event_rows e WHERE e.origin = s.origin AND e.writer_xid = x LIMIT 1000)) w
	) u
	WHERE u.since IS NOT NULL;
END;
COMMENT ON FUNCTION twin_internal.unsealed_since() IS 'since when rows have been waiting to be sealed; null when none is';
