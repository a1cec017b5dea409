/*
 * index_key.sql
 *		Rotating the key of blind tags.
 *
 * Tags made under two keys cannot be compared, so all of a base type's searchable values change in one transaction,
 * under locks that keep everybody out. What would be left behind with old tags is refused beforehand.
 */

CREATE FUNCTION twin_internal.retag_column(rel regclass, column_name name) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_retag_column';
COMMENT ON FUNCTION twin_internal.retag_column(regclass, name) IS 'makes the blind tags of a locked table anew; returns the values';

CREATE FUNCTION twin_internal.lock_relation(rel regclass) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_lock_relation';
COMMENT ON FUNCTION twin_internal.lock_relation(regclass) IS 'keeps everybody else out of a table or a materialised view until the transaction ends';

CREATE FUNCTION twin_internal.index_key_obstacles(searchable regtype) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT array_agg(o.reason) FROM (
		SELECT format('%s.%s holds such values inside %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, NULL))
			FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relkind IN ('r', 'm') AND a.attnum > 0 AND NOT a.attisdropped
				AND twin_internal.base_of_domain(a.atttypid) <> searchable
				AND twin_internal.holds_type(a.atttypid, searchable)
		UNION ALL
		SELECT format('%s compares with a constant of the type', concat_ws(', ', k.relation::text, k.object))
			FROM twin_internal.constants k
			WHERE k.object <> 'default' AND k.object NOT LIKE 'domain %' AND coalesce(k.type_name = (SELECT y.typname FROM pg_type y WHERE y.oid = searchable), true)
		UNION ALL
		SELECT 'another session has a temporary table with such values'
			FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relpersistence = 't' AND pg_is_other_temp_schema(c.relnamespace) AND NOT a.attisdropped
				AND twin_internal.holds_type(a.atttypid, searchable)
		UNION ALL
		SELECT format('%s is partitioned by such values', p.partrelid::regclass)
			FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs::int2[])
			WHERE twin_internal.base_of_domain(a.atttypid) = searchable
	) o (reason);
END;
COMMENT ON FUNCTION twin_internal.index_key_obstacles(regtype) IS 'what would keep old blind tags when an index key is rotated';

CREATE FUNCTION twin.rotate_index_key(base_type text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target twin_internal.keys := twin_internal.lock_key('index.' || base_type);
	searchable regtype := to_regtype(format('twin.%I', 'encrypted_' || base_type || '_eq'));
	obstacles text[];
	place record;
	retagged bigint := 0;
BEGIN
	obstacles := twin_internal.index_key_obstacles(searchable);
	IF obstacles IS NOT NULL THEN
		RAISE EXCEPTION 'the index key of % cannot be rotated as things are', base_type
			USING ERRCODE = '55000', DETAIL = array_to_string(obstacles, '; ') || '.',
				  HINT = 'Drop these, rotate, and make them anew: their blind tags are of the present key.';
	END IF;
	FOR place IN SELECT DISTINCT a.attrelid::regclass AS relation FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relkind IN ('r', 'm', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND twin_internal.base_of_domain(a.atttypid) = searchable ORDER BY 1
	LOOP
		PERFORM twin_internal.lock_relation(place.relation);
	END LOOP;
	UPDATE twin_internal.key_versions v SET state = 'destroyed', wrapped = NULL, wrapping_id = NULL
		WHERE v.key_name = target.key_name AND v.state = 'primary';
	PERFORM twin_internal.add_key_version(target.key_name, 'primary');
	PERFORM twin_internal.emit_event('index_key_rotated', target.key_name, 'rotate', NULL, 'medium');
	FOR place IN SELECT a.attrelid::regclass AS relation, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relkind IN ('r', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND twin_internal.base_of_domain(a.atttypid) = searchable
			/* a table goes over those that inherit from it as well */
			AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = c.oid AND p.relkind = 'r') ORDER BY 1, 2
	LOOP
		retagged := retagged + twin_internal.retag_column(place.relation, place.attname);
	END LOOP;
	RETURN retagged;
END
$$;
COMMENT ON FUNCTION twin.rotate_index_key(text) IS 'a new key for the blind tags of a base type: rewrites all its searchable values in one transaction, everybody else kept out; returns the values';

REVOKE ALL ON FUNCTION twin.rotate_index_key(text), twin_internal.retag_column(regclass, name), twin_internal.lock_relation(regclass),
	twin_internal.index_key_obstacles(regtype) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.rotate_index_key(text) TO twin_admin;
