/*
 * ahead.sql
 *		Partitions that will be needed, of tables with a policy: as wide as the newest, for now and for the time after that.
 */

CREATE FUNCTION twin_internal.add_partition(parent regclass, first timestamptz, beyond timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' AS $$
DECLARE
	suffix text := to_char(first, CASE WHEN first + interval '28 days' <= beyond AND first = date_trunc('month', first) THEN '_YYYY_MM'
		WHEN first = date_trunc('day', first) AND first + interval '1 day' <= beyond THEN '_YYYY_MM_DD' ELSE '_YYYY_MM_DD_HH24MISS' END);
	named text := (SELECT format('%I.%I', n.nspname, left(c.relname, 63 - length(suffix)) || suffix) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = parent);
BEGIN
	PERFORM twin_internal.run_as_owner(parent, format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION)', named, parent));
	PERFORM twin_internal.run_exclusively(parent, format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', parent, named, first, beyond));
EXCEPTION WHEN OTHERS THEN
	RAISE LOG 'no partition of % is made ahead for % to %: %', parent, first, beyond, SQLERRM;
END
$$;
COMMENT ON FUNCTION twin_internal.add_partition(regclass, timestamptz, timestamptz) IS 'makes a partition as the table''s owner; where that cannot be, the log says why';

/* Months are as long as they are; what is older than now is not made up for. */
CREATE FUNCTION twin_internal.add_partitions_ahead(policy twin_internal.retention_policies) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
	moment timestamptz := clock_timestamp();
	newest record;
	first timestamptz;
	width interval;
BEGIN
	IF policy.relation IS NULL OR NOT twin_internal.is_partitioned_by(policy.relation, policy.time_column) THEN
		RETURN;
	END IF;
	SELECT r.from_time, r.to_time INTO newest FROM pg_inherits i CROSS JOIN LATERAL twin_internal.partition_range(i.inhrelid::regclass) r
		WHERE i.inhparent = policy.relation ORDER BY coalesce(r.to_time, CASE WHEN r.from_time IS NOT NULL THEN 'infinity'::timestamptz END) DESC NULLS LAST LIMIT 1;
	IF newest.from_time IS NULL OR newest.to_time IS NULL OR NOT isfinite(newest.from_time) OR NOT isfinite(newest.to_time) THEN
		RETURN;	/* there is none, or one has no end */
	END IF;
	first := newest.to_time;
	IF newest.from_time = date_trunc('month', newest.from_time) AND first = date_trunc('month', first) THEN
		width := make_interval(months => (extract(year FROM age(first, newest.from_time)) * 12 + extract(month FROM age(first, newest.from_time)))::integer);
		WHILE first + width <= moment LOOP
			first := first + width;
		END LOOP;
	ELSE
		width := first - newest.from_time;
		first := first + width * greatest(floor(extract(epoch FROM moment - first) / extract(epoch FROM width)), 0)::double precision;
	END IF;
	FOR n IN 1 .. 2 LOOP
		EXIT WHEN first > moment + width;
		PERFORM twin_internal.add_partition(policy.relation, first, first + width);
		first := first + width;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.add_partitions_ahead(twin_internal.retention_policies) IS 'makes the partitions of a table for now and the time after that';
