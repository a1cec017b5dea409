/*
 * batch.sql
 *		Rows that are over their time, of a table that is not partitioned by it: some at a time, oldest first.
 *
 * One transaction archives rows, reads the archive back and deletes them, all by one snapshot: what comes to the table, or changes,
 * meanwhile is not deleted. No file stands for two batches. Triggers and policies of the table are its owner's, and have no more
 * rights than he.
 */

/* The first row's time, and one beyond the last's of so many rows from there on. */
CREATE FUNCTION twin_internal.retention_bounds(policy twin_internal.retention_policies, item twin_internal.retention_items, OUT first timestamptz, OUT beyond timestamptz) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	rows_of text := twin_internal.retention_rows(policy.relation);
	many integer := CASE WHEN policy.archive THEN 100000 ELSE 10000 END;	/* each batch of archived rows is a file */
BEGIN
	first := twin_internal.run_as_owner(policy.relation, format('SELECT pg_catalog.min(%1$I) FROM %2$s WHERE %1$I >= $1 AND %1$I < $2 AND %1$I > ''-infinity''',
		policy.time_column, rows_of), coalesce(item.next_time, item.from_time), item.to_time);
	IF first IS NULL THEN
		RETURN;
	END IF;
	beyond := least(item.to_time, interval '1 microsecond' + twin_internal.run_as_owner(policy.relation, format('SELECT %1$I FROM %2$s WHERE %1$I >= $1 AND %1$I < $2 ORDER BY %1$I OFFSET %3$s LIMIT 1',
		policy.time_column, rows_of, many - 1), first, item.to_time)::timestamptz);
	/* rows that came to a time after it was archived */
	WHILE policy.archive AND EXISTS (SELECT FROM twin_internal.retention_items i WHERE i.relation = item.relation AND i.from_time = first AND i.to_time = beyond AND i.archive_file IS NOT NULL) LOOP
		first := first - interval '1 microsecond';
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.retention_bounds(twin_internal.retention_policies, twin_internal.retention_items) IS 'the times between which the next batch of rows is; null: there is none';

/* What is left to do is noted in the item: from where on; a batch of archived rows has an item of its own. */
CREATE FUNCTION twin_internal.retention_batch(wanted bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
	item twin_internal.retention_items := twin_internal.retention_item(wanted);
	policy twin_internal.retention_policies := twin_internal.overdue_policy(item);
	batch twin_internal.retention_items := item;
	archive record;
	archived bigint;
	bounds record;
BEGIN
	IF policy.policy_name IS NULL THEN
		DELETE FROM twin_internal.retention_items i WHERE i.item_id = wanted;
		RETURN NULL;
	END IF;
	SELECT * INTO bounds FROM twin_internal.retention_bounds(policy, item);
	IF bounds.first IS NULL THEN
		PERFORM twin_internal.end_batches(item);
		RETURN NULL;
	END IF;
	batch.from_time := bounds.first;
	batch.to_time := bounds.beyond;
	batch.held_by := twin_internal.holds_on(policy.policy_name, policy.relation, batch.from_time, batch.to_time);
	batch.rows := NULL;
	IF batch.held_by = '{}' THEN
		batch.state := 'dropped';
		IF policy.archive THEN
			SELECT * INTO archive FROM twin_internal.write_archive(policy.relation, batch.from_time, batch.to_time, policy.time_column);
			PERFORM twin_internal.archive_matches(archive.file, policy.relation);
			PERFORM twin_internal.note_key_file(archive.file, archive.key_id, archive.value_key_ids);
			archived := archive.rows;
			batch.archive_file := archive.file;
			batch.archive_sha256 := archive.sha256;
		END IF;
		SET CONSTRAINTS ALL IMMEDIATE;	/* no trigger runs later, with other rights */
		batch.rows := twin_internal.run_as_owner(policy.relation, format('DELETE FROM %2$s WHERE %1$I >= $1 AND %1$I < $2', policy.time_column, twin_internal.retention_rows(policy.relation)),
			batch.from_time, batch.to_time);
		IF batch.rows <> archived THEN
			RAISE EXCEPTION '% rows were deleted of % that are archived', batch.rows, archived
				USING ERRCODE = '55000', DETAIL = 'A trigger or a rule of the table keeps some, or deletes others.';
		END IF;
		PERFORM twin_internal.emit_event('rows_expired', batch.partition_name, 'retention', twin_internal.retention_details(batch));
		PERFORM twin_internal.count_retired(batch.rows);
		RAISE NOTICE '%: % rows of % are deleted, up to %', batch.policy_name, batch.rows, batch.partition_name, batch.to_time;
	ELSE
		batch.state := 'held';
		RAISE NOTICE '%: rows of % from % to % are kept by legal holds %', batch.policy_name, batch.partition_name, batch.from_time, batch.to_time, array_to_string(batch.held_by, ', ');
	END IF;
	IF policy.archive OR batch.state = 'held' THEN
		INSERT INTO twin_internal.retention_items (policy_name, relation, partition_name, from_time, to_time, state, rows, held_by, archive_file, archive_sha256)
			VALUES (batch.policy_name, batch.relation, batch.partition_name, batch.from_time, batch.to_time, batch.state, batch.rows, batch.held_by, batch.archive_file, batch.archive_sha256);
	END IF;
	UPDATE twin_internal.retention_items i SET next_time = batch.to_time, rows = CASE WHEN NOT policy.archive THEN coalesce(item.rows, 0) + coalesce(batch.rows, 0) END,
		failure = NULL, failed_at = NULL, changed_at = clock_timestamp() WHERE i.item_id = wanted;
	RETURN 'batch';
END
$$;
COMMENT ON FUNCTION twin_internal.retention_batch(bigint) IS 'step: archives and deletes rows that are over their time and not held';

CREATE FUNCTION twin_internal.end_batches(item twin_internal.retention_items) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF item.rows > 0 THEN
		UPDATE twin_internal.retention_items i SET state = 'dropped', next_time = NULL, changed_at = clock_timestamp() WHERE i.item_id = item.item_id;
	ELSE
		DELETE FROM twin_internal.retention_items i WHERE i.item_id = item.item_id;
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.end_batches(twin_internal.retention_items) IS 'notes that there are no more rows to delete';
