/*
 * plan.sql
 *		What is over its time: the partitions of a table whose upper bound is, or rows by their column.
 *
 * Columns without a time zone are read as UTC. What a table's owner may have made (policies, triggers, indexes with functions of his)
 * runs with his rights and not with the extension's: run_as_owner().
 */

CREATE FUNCTION twin_internal.partition_range(partition regclass, OUT from_time timestamptz, OUT to_time timestamptz) RETURNS record
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_partition_range';
COMMENT ON FUNCTION twin_internal.partition_range(regclass) IS 'the bounds of a partition by range of one column that is a time; null: there is none';

CREATE FUNCTION twin_internal.run_as_owner(rel regclass, command text, VARIADIC times timestamptz[] DEFAULT '{}') RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_run_as_owner';
COMMENT ON FUNCTION twin_internal.run_as_owner(regclass, text, timestamptz[]) IS 'runs a command with parameters as the owner of a table, with no more rights than maintenance of it has; returns the first value of the first row, or how many rows it changed';

/*
 * For what locks others out. Who comes while a lock is waited for waits behind it, though who has it would not mind him: so it is waited for
 * shortly, and again after a pause in which others get through.
 */
CREATE FUNCTION twin_internal.run_exclusively(rel regclass, command text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
BEGIN
	FOR n IN 1 .. 10 LOOP
		BEGIN
			PERFORM twin_internal.run_as_owner(rel, command);
			RETURN;
		EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
			IF n = 10 THEN
				RAISE;
			END IF;
		END;
		PERFORM pg_sleep(0.4);
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.run_exclusively(regclass, text) IS 'runs a command that locks others out as the owner of a table; nobody waits for longer than 200 ms behind it at a time';

CREATE FUNCTION twin_internal.is_partitioned_by(rel regclass, time_column name) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
		WHERE p.partrelid = rel AND p.partstrat = 'r' AND p.partnatts = 1 AND a.attname = time_column);
END;
COMMENT ON FUNCTION twin_internal.is_partitioned_by(regclass, name) IS 'whether a table is partitioned by range of just this column';

CREATE FUNCTION twin_internal.retention_name(rel regclass) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = rel);
END
$$;
COMMENT ON FUNCTION twin_internal.retention_name(regclass) IS 'a table''s name with its schema, as quoted identifiers; null: it is gone';

/* Tables that inherit from it have rows of their own, with columns that it does not know. */
CREATE FUNCTION twin_internal.retention_rows(rel regclass) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || twin_internal.retention_name(rel) FROM pg_class c WHERE c.oid = rel;
END;
COMMENT ON FUNCTION twin_internal.retention_rows(regclass) IS 'a table in a FROM clause: with its partitions, and without tables that inherit from it';

CREATE FUNCTION twin_internal.overdue_partitions(policy twin_internal.retention_policies) RETURNS TABLE(partition regclass, from_time timestamptz, to_time timestamptz)
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC'
BEGIN ATOMIC
	SELECT i.inhrelid::regclass, coalesce(r.from_time, '-infinity'), r.to_time
	FROM pg_inherits i CROSS JOIN LATERAL twin_internal.partition_range(i.inhrelid::regclass) r
	WHERE i.inhparent = twin_internal.retention_relation(policy) AND NOT i.inhdetachpending AND r.to_time <= clock_timestamp() - policy.keep;
END;
COMMENT ON FUNCTION twin_internal.overdue_partitions(twin_internal.retention_policies) IS 'partitions all of whose rows are over their time';

CREATE FUNCTION twin_internal.plan_partitions(policy twin_internal.retention_policies, parent regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	/* no longer over its time: the policy or the clock changed, or somebody took it away */
	DELETE FROM twin_internal.retention_items i WHERE i.policy_name = policy.policy_name AND i.state <> 'dropped' AND i.bounds IS NULL
		AND (i.partition IS NULL OR i.partition NOT IN (SELECT o.partition FROM twin_internal.overdue_partitions(policy) o));
	INSERT INTO twin_internal.retention_items AS i (policy_name, relation, partition_name, partition, from_time, to_time, state)
		SELECT policy.policy_name, twin_internal.retention_name(parent), twin_internal.retention_name(o.partition), o.partition, o.from_time, o.to_time, 'due'
		FROM twin_internal.overdue_partitions(policy) o ORDER BY o.to_time
		ON CONFLICT (partition) DO UPDATE SET policy_name = excluded.policy_name, relation = excluded.relation, partition_name = excluded.partition_name,
			from_time = excluded.from_time, to_time = excluded.to_time
			WHERE (i.policy_name, i.relation, i.partition_name, i.from_time, i.to_time)
				<> (excluded.policy_name, excluded.relation, excluded.partition_name, excluded.from_time, excluded.to_time) AND i.bounds IS NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.plan_partitions(twin_internal.retention_policies, regclass) IS 'notes which partitions are over their time';

/* Rows that say that they are of no time at all stay. */
CREATE FUNCTION twin_internal.plan_rows(policy twin_internal.retention_policies, parent regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	beyond timestamptz := clock_timestamp() - policy.keep;
	first timestamptz := twin_internal.run_as_owner(parent, format('SELECT pg_catalog.min(%1$I) FROM %2$s WHERE %1$I > ''-infinity'' AND %1$I < $1', policy.time_column, twin_internal.retention_rows(parent)), beyond);
BEGIN
	DELETE FROM twin_internal.retention_items i WHERE i.policy_name = policy.policy_name AND i.state <> 'dropped' AND i.bounds IS NULL;
	INSERT INTO twin_internal.retention_items (policy_name, relation, partition_name, from_time, to_time, state)
		SELECT policy.policy_name, twin_internal.retention_name(parent), twin_internal.retention_name(parent), first, beyond, 'due' WHERE first IS NOT NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.plan_rows(twin_internal.retention_policies, regclass) IS 'notes whether rows are over their time';

CREATE FUNCTION twin_internal.plan_retention(policy twin_internal.retention_policies) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' AS $$
DECLARE
	parent regclass := twin_internal.retention_relation(policy);
BEGIN
	IF twin_internal.retention_name(parent) IS NULL THEN
		RAISE EXCEPTION 'the table of retention policy "%" is gone', policy.policy_name USING ERRCODE = '42P01', HINT = 'twin.drop_retention_policy() ends it.';
	ELSIF policy.event_class IS NOT NULL OR twin_internal.is_partitioned_by(parent, policy.time_column) THEN
		PERFORM twin_internal.plan_partitions(policy, parent);
	ELSE
		PERFORM twin_internal.plan_rows(policy, parent);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.plan_retention(twin_internal.retention_policies) IS 'notes what is over its time by a policy';

CREATE FUNCTION twin_internal.count_rows(rel regclass) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_count_rows';
COMMENT ON FUNCTION twin_internal.count_rows(regclass) IS 'how many rows a table has, with those of its partitions and children; nothing of its owner''s runs for it';

/* How many rows one is for, of the log how many events. */
CREATE FUNCTION twin_internal.count_retention_rows(item twin_internal.retention_items, policy twin_internal.retention_policies) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
BEGIN
	IF item.partition IS NOT NULL AND policy.event_class IS NULL THEN
		RETURN twin_internal.count_rows(item.partition);
	ELSIF item.partition IS NOT NULL THEN
		RETURN twin_internal.run_as_owner(item.partition, format('SELECT coalesce(pg_catalog.sum(coalesce(e.row_count, 1)), 0)::bigint FROM %s e', item.partition));
	END IF;
	RETURN twin_internal.run_as_owner(policy.relation, format('SELECT pg_catalog.count(*) FROM %2$s WHERE %1$I >= $1 AND %1$I < $2', policy.time_column, twin_internal.retention_rows(policy.relation)),
		item.from_time, item.to_time);
END
$$;
COMMENT ON FUNCTION twin_internal.count_retention_rows(twin_internal.retention_items, twin_internal.retention_policies) IS 'counts the rows that are over their time';

CREATE FUNCTION twin_internal.show_retention() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' AS $$
DECLARE
	policy twin_internal.retention_policies;
	item twin_internal.retention_items;
	holds bigint[];
	number bigint;
BEGIN
	FOR policy IN SELECT * FROM twin_internal.retention_policies p WHERE p.enabled ORDER BY p.policy_name LOOP
		BEGIN
			PERFORM twin_internal.plan_retention(policy);
			FOR item IN SELECT * FROM twin_internal.retention_items i WHERE i.policy_name = policy.policy_name AND i.state <> 'dropped' ORDER BY i.to_time, i.item_id LOOP
				number := twin_internal.count_retention_rows(item, policy);
				holds := twin_internal.holds_on(policy.policy_name, coalesce(item.partition, policy.relation), item.from_time, item.to_time);
				UPDATE twin_internal.retention_items i SET rows = number, held_by = holds,
						state = CASE WHEN i.state IN ('due', 'held') THEN CASE holds WHEN '{}' THEN 'due' ELSE 'held' END ELSE i.state END
					WHERE i.item_id = item.item_id;
				IF holds = '{}' OR item.partition IS NULL THEN
					RAISE NOTICE '%: % rows of % from % to % would go%', policy.policy_name, number, item.partition_name, item.from_time, item.to_time,
						CASE WHEN holds <> '{}' THEN ', but for what legal holds ' || array_to_string(holds, ', ') || ' keep' ELSE '' END;
				ELSE
					RAISE NOTICE '%: % rows of % from % to % are kept by legal holds %', policy.policy_name, number, item.partition_name, item.from_time,
						item.to_time, array_to_string(holds, ', ');
				END IF;
			END LOOP;
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING 'retention policy "%" would fail: %', policy.policy_name, SQLERRM;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.show_retention() IS 'notes what is over its time, counts it, and says what would go';

REVOKE ALL ON FUNCTION twin_internal.partition_range(regclass), twin_internal.run_as_owner(regclass, text, timestamptz[]), twin_internal.run_exclusively(regclass, text),
	twin_internal.is_partitioned_by(regclass, name), twin_internal.count_rows(regclass),
	twin_internal.retention_name(regclass), twin_internal.retention_rows(regclass), twin_internal.overdue_partitions(twin_internal.retention_policies),
	twin_internal.plan_partitions(twin_internal.retention_policies, regclass), twin_internal.plan_rows(twin_internal.retention_policies, regclass),
	twin_internal.plan_retention(twin_internal.retention_policies),
	twin_internal.count_retention_rows(twin_internal.retention_items, twin_internal.retention_policies), twin_internal.show_retention() FROM PUBLIC;
