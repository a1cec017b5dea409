/*
 * run.sql
 *		Policies applied: partition by partition, step by step. Each step is a function of an item that does one thing, notes the new state
 *		and says which step is next; the worker (run.c) gives each a transaction of its own.
 *
 * Nothing is dropped that was not found in its archive again, read back from the disk, when nobody could write it any more. What turns
 * out to be held, or not over its time after all, is attached again.
 */

CREATE FUNCTION twin_internal.begin_retention(asked_by text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made bigint;
BEGIN
	IF asked_by IS NOT NULL THEN
		PERFORM twin_internal.trust_clock(interval '0', true);
	END IF;
	INSERT INTO twin_internal.retention_runs (asked_by) VALUES (begin_retention.asked_by) RETURNING run_id INTO made;
	PERFORM twin_internal.emit_event('retention_started', NULL, 'start', jsonb_build_object('run', made, 'asked_by', asked_by));
	RETURN made;
END
$$;
COMMENT ON FUNCTION twin_internal.begin_retention(text) IS 'notes that policies begin to be applied, and who asked';

CREATE FUNCTION twin_internal.next_retention_policy(after text) RETURNS text
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT min(p.policy_name) FROM twin_internal.retention_policies p WHERE p.enabled AND p.policy_name > after COLLATE "C";
END;
COMMENT ON FUNCTION twin_internal.next_retention_policy(text) IS 'the policy that is applied after another';

CREATE FUNCTION twin_internal.prepare_retention(policy_name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	policy twin_internal.retention_policies;
BEGIN
	SELECT * INTO policy FROM twin_internal.retention_policies p WHERE p.policy_name = prepare_retention.policy_name AND p.enabled;
	IF FOUND THEN
		PERFORM twin_internal.plan_retention(policy);
		PERFORM twin_internal.add_partitions_ahead(policy);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.prepare_retention(text) IS 'notes what is over its time by a policy, and makes partitions that will be needed';

/* What a step before could not do is begun anew: what was archived may not be what is there. */
CREATE FUNCTION twin_internal.next_retention_item(after bigint, OUT item_id bigint, OUT step text) RETURNS record
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT i.item_id, CASE WHEN i.state = 'detached' THEN 'drop' WHEN i.bounds IS NOT NULL THEN 'leave' WHEN i.partition IS NULL THEN 'batch'
			WHEN i.failure IS NULL AND i.state = 'archived' THEN 'verify' WHEN i.failure IS NULL AND i.state = 'verified' THEN 'leave' ELSE 'archive' END
	FROM twin_internal.retention_items i LEFT JOIN twin_internal.retention_policies p USING (policy_name)
	WHERE i.state <> 'dropped' AND i.item_id > after AND (p.enabled OR i.bounds IS NOT NULL) AND NOT (i.partition IS NULL AND i.state = 'held')
	ORDER BY i.item_id LIMIT 1;
END;
COMMENT ON FUNCTION twin_internal.next_retention_item(bigint) IS 'the partition or batch that comes after another, and the step that it is at';

/* ---- what steps have in common ---- */

CREATE FUNCTION twin_internal.retention_item(wanted bigint) RETURNS twin_internal.retention_items
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT i FROM twin_internal.retention_items i WHERE i.item_id = wanted AND i.state <> 'dropped');
END
$$;
COMMENT ON FUNCTION twin_internal.retention_item(bigint) IS 'a partition or batch that is on its way out';

/* Policies may have changed since it was planned, and the clock may have been set. */
CREATE FUNCTION twin_internal.overdue_policy(item twin_internal.retention_items) RETURNS twin_internal.retention_policies
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT p FROM twin_internal.retention_policies p WHERE p.policy_name = item.policy_name AND p.enabled AND item.to_time <= clock_timestamp() - p.keep
		AND clock_timestamp() <= (SELECT s.trusted_until FROM twin_internal.retention_schedule s)
		AND twin_internal.retention_name(twin_internal.retention_relation(p)) = item.relation);
END
$$;
COMMENT ON FUNCTION twin_internal.overdue_policy(twin_internal.retention_items) IS 'the policy by which a partition or batch is still over its time; null: it is not';

CREATE FUNCTION twin_internal.hold_retention(item twin_internal.retention_items, holds bigint[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE twin_internal.retention_items i SET state = 'held', held_by = holds, bounds = NULL, failure = NULL, changed_at = clock_timestamp() WHERE i.item_id = item.item_id;
	RAISE NOTICE '%: % is kept by legal holds %', item.policy_name, item.partition_name, array_to_string(holds, ', ');
END
$$;
COMMENT ON FUNCTION twin_internal.hold_retention(twin_internal.retention_items, bigint[]) IS 'notes that legal holds keep a partition';

CREATE FUNCTION twin_internal.retention_details(item twin_internal.retention_items) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_strip_nulls(jsonb_build_object('policy', item.policy_name, 'partition', item.partition_name, 'from', item.from_time, 'to', item.to_time,
		'rows', item.rows, 'archive_file', item.archive_file, 'archive_sha256', encode(item.archive_sha256, 'hex')));
END;
COMMENT ON FUNCTION twin_internal.retention_details(twin_internal.retention_items) IS 'what the event of a step says';

CREATE FUNCTION twin_internal.open_log_for_retention() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_open_log_for_retention';
COMMENT ON FUNCTION twin_internal.open_log_for_retention() IS 'lets this transaction change tables of the audit log';

/* The caller's transaction keeps everybody out of it, and has opened the log where it is one of its. */
CREATE FUNCTION twin_internal.attach_again(item twin_internal.retention_items, reason text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	parent regclass := to_regclass(item.relation);
BEGIN
	IF parent IS NULL THEN
		RAISE EXCEPTION 'table % is gone, of which % was a partition', item.relation, item.partition_name USING ERRCODE = '42P01';
	END IF;
	PERFORM twin_internal.run_exclusively(parent, format('ALTER TABLE %s ATTACH PARTITION %s %s', parent, item.partition, item.bounds));
	PERFORM twin_internal.emit_event('partition_attached', item.partition_name, 'retention', twin_internal.retention_details(item) || jsonb_build_object('reason', left(reason, 200)));
	RAISE NOTICE '%: % is a partition again: %', item.policy_name, item.partition_name, reason;
END
$$;
COMMENT ON FUNCTION twin_internal.attach_again(twin_internal.retention_items, text) IS 'takes a partition back that was detached';

/* Said before anything is done to it: detached, it would be neither there nor gone. */
CREATE FUNCTION twin_internal.check_retention_partition(item twin_internal.retention_items) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_partition_tree(item.partition) t JOIN pg_class c ON c.oid = t.relid WHERE c.relkind NOT IN ('r', 'p')) THEN
		RAISE EXCEPTION '% is a foreign table, or has such partitions', item.partition_name
			USING ERRCODE = '42809', DETAIL = 'Its rows are on another server, and would stay there.', HINT = 'Drop it there and here.';
	ELSIF NOT (SELECT pg_has_role(p.relowner, c.relowner, 'USAGE') FROM pg_class p, pg_class c WHERE p.oid = item.relation::regclass AND c.oid = item.partition) THEN
		RAISE EXCEPTION 'the owner of % does not own its partition %', item.relation, item.partition_name
			USING ERRCODE = '42501', DETAIL = 'Where it turns out to be held, he could not attach it again.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_retention_partition(twin_internal.retention_items) IS 'raises for a partition that could be detached, but not dropped or attached again';

/* ---- steps ---- */

CREATE FUNCTION twin_internal.retention_archive(wanted bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
	item twin_internal.retention_items := twin_internal.retention_item(wanted);
	policy twin_internal.retention_policies := twin_internal.overdue_policy(item);
	holds bigint[];
	archive record;
BEGIN
	IF policy.policy_name IS NULL OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = item.partition AND h.inhparent = item.relation::regclass) THEN
		DELETE FROM twin_internal.retention_items i WHERE i.item_id = wanted;
		RETURN NULL;
	END IF;
	PERFORM twin_internal.check_retention_partition(item);
	holds := twin_internal.holds_on(item.policy_name, item.partition, item.from_time, item.to_time);
	IF holds <> '{}' THEN
		PERFORM twin_internal.hold_retention(item, holds);
		RETURN NULL;
	END IF;
	UPDATE twin_internal.retention_items i SET state = 'due', held_by = '{}', archive_file = NULL, archive_sha256 = NULL, leaves_sha256 = NULL, failure = NULL,
		failed_at = NULL, changed_at = clock_timestamp() WHERE i.item_id = wanted;
	IF NOT policy.archive THEN
		RETURN 'leave';
	END IF;
	SELECT * INTO archive FROM twin_internal.write_archive(item.partition, item.from_time, item.to_time);
	UPDATE twin_internal.retention_items i SET state = 'archived', rows = archive.rows, archive_file = archive.file, archive_sha256 = archive.sha256,
		leaves_sha256 = sha256(archive.leaf_set) WHERE i.item_id = wanted RETURNING i.* INTO item;
	PERFORM twin_internal.note_key_file(archive.file, archive.key_id, archive.value_key_ids);
	PERFORM twin_internal.emit_event('partition_archived', item.partition_name, 'retention', twin_internal.retention_details(item));
	RAISE NOTICE '%: % rows of % are archived as %', item.policy_name, item.rows, item.partition_name, item.archive_file;
	RETURN 'verify';
END
$$;
COMMENT ON FUNCTION twin_internal.retention_archive(bigint) IS 'step: archives a partition that is over its time and not held';

CREATE FUNCTION twin_internal.retention_verify(wanted bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
	item twin_internal.retention_items := twin_internal.retention_item(wanted);
BEGIN
	IF item.item_id IS NULL THEN
		RETURN NULL;
	ELSIF twin_internal.retention_name(item.partition) IS NULL THEN
		DELETE FROM twin_internal.retention_items i WHERE i.item_id = wanted;
		RETURN NULL;
	END IF;
	PERFORM twin_internal.archive_matches(item.archive_file, item.partition);
	UPDATE twin_internal.retention_items i SET state = 'verified', changed_at = clock_timestamp() WHERE i.item_id = wanted;
	PERFORM twin_internal.emit_event('partition_verified', item.partition_name, 'retention', twin_internal.retention_details(item));
	RAISE NOTICE '%: the archive of % is verified', item.policy_name, item.partition_name;
	RETURN 'leave';
END
$$;
COMMENT ON FUNCTION twin_internal.retention_verify(bigint) IS 'step: reads an archive back and compares it with the partition';

/* Bounds are noted before: a table with them that is no partition was detached here, and not by somebody else. */
CREATE FUNCTION twin_internal.retention_leave(wanted bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' AS $$
DECLARE
	item twin_internal.retention_items := twin_internal.retention_item(wanted);
	policy twin_internal.retention_policies := twin_internal.overdue_policy(item);
	place record;
	holds bigint[];
BEGIN
	IF item.item_id IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT h.inhparent, h.inhdetachpending INTO place FROM pg_inherits h WHERE h.inhrelid = item.partition;
	IF place.inhdetachpending THEN
		RETURN 'detach';
	ELSIF place.inhparent IS NULL AND item.bounds IS NOT NULL AND twin_internal.retention_name(item.partition) IS NOT NULL THEN
		UPDATE twin_internal.retention_items i SET state = 'detached', changed_at = clock_timestamp() WHERE i.item_id = wanted;
		PERFORM twin_internal.emit_event('partition_detached', item.partition_name, 'retention', twin_internal.retention_details(item));
		RETURN 'drop';
	ELSIF policy.policy_name IS NULL OR place.inhparent IS NULL OR place.inhparent <> item.relation::regclass THEN
		DELETE FROM twin_internal.retention_items i WHERE i.item_id = wanted;
		RETURN NULL;
	END IF;
	holds := twin_internal.holds_on(item.policy_name, item.partition, item.from_time, item.to_time);
	IF holds <> '{}' THEN
		PERFORM twin_internal.hold_retention(item, holds);
		RETURN NULL;
	END IF;
	UPDATE twin_internal.retention_items i SET bounds = (SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class c WHERE c.oid = item.partition) WHERE i.item_id = wanted;
	RETURN 'detach';
END
$$;
COMMENT ON FUNCTION twin_internal.retention_leave(bigint) IS 'step: has a partition detached, and notes when it is';

/* Beside a default partition it is not done concurrently, and locks everybody out. */
CREATE FUNCTION twin_internal.retention_detach(wanted bigint, OUT owner oid, OUT command text) RETURNS record
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.relowner, format('ALTER TABLE %s DETACH PARTITION %s', twin_internal.retention_name(h.inhparent), twin_internal.retention_name(h.inhrelid))
			|| CASE WHEN h.inhdetachpending THEN ' FINALIZE' WHEN p.partdefid = 0 THEN ' CONCURRENTLY' ELSE '' END
	FROM twin_internal.retention_items i JOIN pg_inherits h ON h.inhrelid = i.partition JOIN pg_partitioned_table p ON p.partrelid = h.inhparent
		JOIN pg_class c ON c.oid = h.inhparent
	WHERE i.item_id = wanted;
END;
COMMENT ON FUNCTION twin_internal.retention_detach(bigint) IS 'the command that detaches a partition, and as whom';

/* Why what is detached, and locked, is not to be dropped; null: it is. What it raises is a reason, too. */
CREATE FUNCTION twin_internal.retention_objection(item twin_internal.retention_items, policy twin_internal.retention_policies, leaves bytea) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
BEGIN
	IF policy.policy_name IS NULL THEN
		RETURN 'no policy says any more that it is over its time';
	ELSIF policy.archive AND item.archive_file IS NULL THEN
		RETURN 'it is to be archived now';
	ELSIF item.archive_file IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM twin_internal.archive_unchanged(item.archive_file, item.archive_sha256);
	IF leaves IS NOT NULL THEN
		RETURN CASE WHEN item.leaves_sha256 IS DISTINCT FROM sha256(leaves) THEN 'events came to it after it was archived' END;
	END IF;
	PERFORM twin_internal.archive_matches(item.archive_file, item.partition);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.retention_objection(twin_internal.retention_items, twin_internal.retention_policies, bytea) IS 'why a partition is not to be dropped after all';

CREATE FUNCTION twin_internal.retention_drop(wanted bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' AS $$
DECLARE
	item twin_internal.retention_items := twin_internal.retention_item(wanted);
	policy twin_internal.retention_policies;
	is_log boolean := twin_internal.retention_class(item.policy_name) IS NOT NULL;
	holds bigint[];
	leaves bytea;
	objection text;
BEGIN
	IF item.item_id IS NULL THEN
		RETURN NULL;
	ELSIF twin_internal.retention_name(item.partition) IS NULL THEN
		DELETE FROM twin_internal.retention_items i WHERE i.item_id = wanted;	/* its owner dropped it */
		RETURN NULL;
	ELSIF twin_internal.retention_name(item.partition) <> item.partition_name OR EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = item.partition) THEN
		RAISE EXCEPTION 'table % was renamed or attached while it was being retired', item.partition_name
			USING ERRCODE = '55000', HINT = 'Rename it back, or drop it.';
	END IF;
	IF is_log THEN
		PERFORM twin_internal.open_log_for_retention();
	END IF;
	PERFORM twin_internal.run_exclusively(item.partition, format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', item.partition));
	LOCK TABLE twin_internal.legal_holds IN SHARE MODE;	/* none is placed from here on */
	policy := twin_internal.overdue_policy(item);
	holds := twin_internal.holds_on(item.policy_name, item.partition, item.from_time, item.to_time);
	IF holds <> '{}' THEN
		PERFORM twin_internal.attach_again(item, 'it is held');
		PERFORM twin_internal.hold_retention(item, holds);
		RETURN NULL;
	END IF;
	BEGIN
		leaves := CASE WHEN is_log THEN twin_internal.leaf_set_of(item.partition) END;
		objection := twin_internal.retention_objection(item, policy, leaves);
	EXCEPTION WHEN OTHERS THEN
		objection := SQLERRM;
	END;
	IF objection IS NOT NULL THEN
		PERFORM twin_internal.attach_again(item, objection);
		UPDATE twin_internal.retention_items i SET state = 'due', bounds = NULL, failure = objection, failed_at = clock_timestamp(), changed_at = clock_timestamp()
			WHERE i.item_id = wanted;
		RETURN NULL;
	END IF;
	/* a plan, and an archive with no row, say what was there before it was locked */
	IF item.archive_file IS NULL OR item.rows = 0 THEN
		item.rows := twin_internal.count_retention_rows(item, policy);
	END IF;
	/* an empty one had no leaves; what it had is asked of the partition, whatever was noted */
	IF is_log AND twin_internal.run_as_owner(item.partition, format('SELECT EXISTS (SELECT FROM %s)', item.partition))::boolean THEN
		PERFORM twin_internal.retire_leaves(item.partition_name, leaves, item.rows, item.archive_file, item.archive_sha256);
	ELSE
		PERFORM twin_internal.emit_event('partition_dropped', item.partition_name, 'retention', twin_internal.retention_details(item));
	END IF;
	/* what its foreign keys refer to is locked for it */
	PERFORM twin_internal.run_exclusively(item.partition, format('DROP TABLE %s', item.partition));
	UPDATE twin_internal.retention_items i SET state = 'dropped', rows = item.rows, partition = NULL, bounds = NULL, held_by = '{}', failure = NULL, failed_at = NULL,
		changed_at = clock_timestamp() WHERE i.item_id = wanted;
	PERFORM twin_internal.count_retired(item.rows);
	RAISE NOTICE '%: % is dropped with its % rows', item.policy_name, item.partition_name, item.rows;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.retention_drop(bigint) IS 'step: drops what is detached, when nothing holds it and its archive is what it is; else attaches it again';

CREATE FUNCTION twin_internal.count_retired(gone bigint) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE twin_internal.retention_runs r SET items = r.items + 1, rows = r.rows + gone WHERE r.run_id = (SELECT max(m.run_id) FROM twin_internal.retention_runs m);
END;
COMMENT ON FUNCTION twin_internal.count_retired(bigint) IS 'counts what is gone by the run that is going on';

--@include batch.sql
--@include ahead.sql

/* ---- how it went ---- */

CREATE FUNCTION twin_internal.fail_retention(policy text, wanted bigint, code text, message text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	item twin_internal.retention_items := twin_internal.retention_item(wanted);
BEGIN
	UPDATE twin_internal.retention_items i SET failure = message, failed_at = clock_timestamp(), changed_at = clock_timestamp() WHERE i.item_id = wanted;
	PERFORM twin_internal.emit_event('retention_failed', coalesce(item.partition_name, policy), 'retention', jsonb_strip_nulls(jsonb_build_object('policy', coalesce(policy, item.policy_name),
		'partition', item.partition_name, 'state', item.state, 'sqlstate', code, 'reason', left(message, 200))), 'high');
END
$$;
COMMENT ON FUNCTION twin_internal.fail_retention(text, bigint, text, text) IS 'notes why a policy, or a partition or batch, does not go on';

CREATE FUNCTION twin_internal.end_retention(run bigint, failed text[], failures integer, is_whole boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ended twin_internal.retention_runs;
BEGIN
	UPDATE twin_internal.retention_runs r SET finished_at = clock_timestamp(), failures = end_retention.failures WHERE r.run_id = run RETURNING r.* INTO ended;
	IF is_whole THEN
		INSERT INTO twin_internal.retention_successes AS s (policy_name, succeeded_at)
			SELECT p.policy_name, ended.finished_at FROM twin_internal.retention_policies p WHERE p.enabled AND p.policy_name <> ALL (failed)
				AND NOT EXISTS (SELECT FROM twin_internal.retention_items i WHERE i.policy_name = p.policy_name AND i.failure IS NOT NULL)
			ON CONFLICT (policy_name) DO UPDATE SET succeeded_at = excluded.succeeded_at;
	END IF;
	PERFORM twin_internal.emit_event('retention_finished', NULL, 'finish', jsonb_build_object('run', run, 'items', ended.items, 'rows', ended.rows, 'failures', failures, 'is_whole', is_whole));
END
$$;
COMMENT ON FUNCTION twin_internal.end_retention(bigint, text[], integer, boolean) IS 'notes how a run went, and which policies were applied without a failure';

--@include schedule.sql
