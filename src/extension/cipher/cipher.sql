/*
 * cipher.sql
 *		The encrypted types, their census, and what keeps columns honest.
 *
 * Operators stand in pg_catalog: they are found whatever the search_path, and
 * before any that somebody planted for the same types.
 */

CREATE FUNCTION twin_internal.key_modifier_in(cstring[]) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_key_modifier_in';
COMMENT ON FUNCTION twin_internal.key_modifier_in(cstring[]) IS 'type modifier of a key name or of #hex';

CREATE FUNCTION twin_internal.key_modifier_out(integer) RETURNS cstring
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_key_modifier_out';
COMMENT ON FUNCTION twin_internal.key_modifier_out(integer) IS 'key name of a type modifier, or #hex';

CREATE FUNCTION twin_internal.encrypted_analyze(internal) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_encrypted_analyze';
COMMENT ON FUNCTION twin_internal.encrypted_analyze(internal) IS 'statistics without values: null fraction, width, number of distinct values';

CREATE FUNCTION twin_internal.probe_support(internal) RETURNS internal
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_probe_support';
COMMENT ON FUNCTION twin_internal.probe_support(internal) IS 'planner support: column = plain value becomes column = probe';

CREATE FUNCTION twin_internal.order_options(internal) RETURNS void
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_order_options';
COMMENT ON FUNCTION twin_internal.order_options(internal) IS 'refuses indexes in the order of what encrypted values hold';

--@each_type storage.sql.in
--@each_type searchable.sql.in
--@include mask.sql

/* ---- aggregates ---- */

--@each_transition transition.sql.in
--@each_aggregate aggregate.sql.in

--@include view.sql

/* ---- census ---- */

CREATE FUNCTION twin_internal.holds_encrypted(type oid) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_holds_encrypted';
COMMENT ON FUNCTION twin_internal.holds_encrypted(oid) IS 'whether values of a type can contain encrypted ones';

CREATE FUNCTION twin_internal.holds_type(type oid, wanted oid) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_holds_type';
COMMENT ON FUNCTION twin_internal.holds_type(oid, oid) IS 'whether values of a type can contain those of another';

CREATE FUNCTION twin_internal.base_of_domain(type oid) RETURNS oid
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_base_of_domain';
COMMENT ON FUNCTION twin_internal.base_of_domain(oid) IS 'the type under a domain, else the type itself';

CREATE FUNCTION twin_internal.census(relations regclass[], descend boolean, OUT relation regclass, OUT column_name name, OUT key_id integer,
	OUT "values" bigint) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_census';
COMMENT ON FUNCTION twin_internal.census(regclass[], boolean) IS 'stored values per column and key id, all tables (and, on demand, their children) under one snapshot';

CREATE FUNCTION twin_internal.wait_for_transactions() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_wait_for_transactions';
COMMENT ON FUNCTION twin_internal.wait_for_transactions() IS 'waits for every transaction of this database that is running now';

CREATE FUNCTION twin_internal.constants_in(tree pg_node_tree, OUT relation regclass, OUT type_name name, OUT key_id integer,
	OUT "values" bigint) RETURNS SETOF record
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_constants_in';
COMMENT ON FUNCTION twin_internal.constants_in(pg_node_tree) IS 'encrypted constants in a stored expression or query, per key id';

CREATE FUNCTION twin_internal.armor_key_id(armor text) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_armor_key_id';
COMMENT ON FUNCTION twin_internal.armor_key_id(text) IS 'key id that armor was sealed under, null when it is none';

/* Encrypted constants in the catalogs: relation is null for what belongs to no table, column_name set for defaults. */
CREATE VIEW twin_internal.constants AS
	SELECT t.relation, t.column_name, t.object, c.key_id, c."values", c.type_name
	FROM (
		SELECT d.adrelid::regclass, a.attname, 'default', d.adbin
			FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
		UNION ALL SELECT nullif(k.conrelid, 0)::regclass, NULL, 'constraint ' || k.conname, k.conbin FROM pg_catalog.pg_constraint k
		UNION ALL SELECT i.indrelid::regclass, NULL, 'index ' || i.indexrelid::regclass, i.indexprs FROM pg_catalog.pg_index i
		UNION ALL SELECT i.indrelid::regclass, NULL, 'index ' || i.indexrelid::regclass, i.indpred FROM pg_catalog.pg_index i
		UNION ALL SELECT p.polrelid::regclass, NULL, 'policy ' || p.polname, p.polqual FROM pg_catalog.pg_policy p
		UNION ALL SELECT p.polrelid::regclass, NULL, 'policy ' || p.polname, p.polwithcheck FROM pg_catalog.pg_policy p
		UNION ALL SELECT r.ev_class::regclass, NULL, 'rule ' || r.rulename, r.ev_action FROM pg_catalog.pg_rewrite r
		UNION ALL SELECT r.ev_class::regclass, NULL, 'rule ' || r.rulename, r.ev_qual FROM pg_catalog.pg_rewrite r
		UNION ALL SELECT g.tgrelid::regclass, NULL, 'trigger ' || g.tgname, g.tgqual FROM pg_catalog.pg_trigger g
		UNION ALL SELECT b.oid::regclass, NULL, 'partition bound', b.relpartbound FROM pg_catalog.pg_class b
		UNION ALL SELECT s.stxrelid::regclass, NULL, 'statistics ' || s.stxname, s.stxexprs FROM pg_catalog.pg_statistic_ext s
		UNION ALL SELECT NULL, NULL, 'function ' || f.oid::regprocedure, f.prosqlbody FROM pg_catalog.pg_proc f
		UNION ALL SELECT NULL, NULL, 'arguments of ' || f.oid::regprocedure, f.proargdefaults FROM pg_catalog.pg_proc f
		UNION ALL SELECT NULL, NULL, 'domain ' || y.oid::regtype, y.typdefaultbin FROM pg_catalog.pg_type y
		UNION ALL SELECT q.prrelid::regclass, NULL, 'publication', q.prqual FROM pg_catalog.pg_publication_rel q
		UNION ALL SELECT x.partrelid::regclass, NULL, 'partition key', x.partexprs FROM pg_catalog.pg_partitioned_table x
	) t (relation, column_name, object, tree), twin_internal.constants_in(t.tree) c
	WHERE t.tree IS NOT NULL
	UNION ALL
	SELECT NULL, NULL, f.object, twin_internal.armor_key_id(m.armor[1]), 1, NULL
	FROM (SELECT 'function ' || p.oid::regprocedure, p.prosrc FROM pg_catalog.pg_proc p
			UNION ALL SELECT 'aggregate ' || g.aggfnoid, g.agginitval FROM pg_catalog.pg_aggregate g) f (object, source),
		pg_catalog.regexp_matches(f.source, 'tsec1:[A-Za-z0-9_-]+', 'g') m (armor)
	WHERE twin_internal.armor_key_id(m.armor[1]) IS NOT NULL;
COMMENT ON VIEW twin_internal.constants IS 'encrypted constants in the catalogs of this database, per object and key id';

CREATE FUNCTION twin.key_census(rel regclass) RETURNS TABLE (column_name name, key_name text, version integer, "values" bigint)
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.column_name, v.key_name::text, v.version, sum(c."values")::bigint
	FROM (SELECT s.column_name, s.key_id, s."values" FROM twin_internal.census(ARRAY[rel], true) s
		UNION ALL SELECT k.column_name, k.key_id, k."values" FROM twin_internal.constants k WHERE k.relation = rel) c
		LEFT JOIN twin_internal.key_versions v USING (key_id)
	GROUP BY c.column_name, v.key_name, v.version
	ORDER BY c.column_name, v.key_name, v.version;
END;
COMMENT ON FUNCTION twin.key_census(regclass) IS 'how many values of a table lie under which key version, constants of its defaults, checks and policies included; reads headers only';

CREATE FUNCTION twin.retire_key(key_name text, version integer) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	target twin_internal.keys := twin_internal.lock_key($1);
	retiring twin_internal.key_versions;
	holders regclass[];
	users text;
BEGIN
	SELECT * INTO retiring FROM twin_internal.key_versions v WHERE v.key_name = target.key_name AND v.version = $2;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'key "%" has no version %', target.key_name, $2 USING ERRCODE = '42704';
	ELSIF retiring.state = 'retired' THEN
		RETURN;
	ELSIF target.kind <> 'data' THEN
		RAISE EXCEPTION 'versions of key "%" are not retired', target.key_name
			USING ERRCODE = '22023', HINT = 'Only column keys have versions to retire; sessions hold literals for as long as they live.';
	ELSIF retiring.state <> 'decrypt-only' THEN
		RAISE EXCEPTION 'version % of key "%" is %', $2, target.key_name, retiring.state
			USING ERRCODE = '55000', HINT = 'Only a decrypt-only version can be retired; rotate the key first.';
	END IF;

	/* what a transaction sealed before the version became decrypt-only may be visible only once it has ended */
	PERFORM twin_internal.wait_for_transactions();
	IF EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relpersistence = 't' AND pg_is_other_temp_schema(c.relnamespace) AND NOT a.attisdropped
				AND twin_internal.holds_encrypted(a.atttypid)) THEN
		RAISE EXCEPTION 'another session has a temporary table with encrypted columns'
			USING ERRCODE = '55006', HINT = 'Its values cannot be counted from here; try again when the session has ended.';
	END IF;
	SELECT coalesce(array_agg(DISTINCT a.attrelid::regclass), '{}') INTO holders
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relkind IN ('r', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND twin_internal.holds_encrypted(a.atttypid);

	SELECT string_agg(u.place || ': ' || u.total, ', ') INTO users FROM (
		SELECT s.relation || '.' || s.column_name AS place, sum(s."values") AS total
			FROM twin_internal.census(holders, false) s WHERE s.key_id = retiring.key_id GROUP BY 1
		UNION ALL
		SELECT concat_ws(', ', k.relation::text, k.object), sum(k."values")
			FROM twin_internal.constants k WHERE k.key_id = retiring.key_id GROUP BY 1
		ORDER BY 1 LIMIT 20) u;
	IF users IS NOT NULL THEN
		RAISE EXCEPTION 'version % of key "%" is still in use', $2, target.key_name
			USING ERRCODE = '55006', DETAIL = 'Values per place: ' || users || '.',
				  HINT = 'Re-encrypt these values under the primary version first; twin.key_census(table) counts them.';
	END IF;
	PERFORM twin_internal.refuse_for_files(target.key_name, $2, 'Keep it as long as them; twin.destroy_key() takes it away after that, with_archives => true.');
	UPDATE twin_internal.key_versions v SET state = 'retired' WHERE v.key_id = retiring.key_id;
	PERFORM twin_internal.emit_event('key_retired', target.key_name, 'retire', jsonb_build_object('version', retiring.version));
END
$$;
COMMENT ON FUNCTION twin.retire_key(text, integer) IS 'ends the use of a decrypt-only version; refused while any stored value or catalog constant lies under it, or an archive needs it';

--@include convert.sql
--@include index_key.sql

/* ---- no column without a key ---- */

CREATE FUNCTION twin_internal.check_ddl() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_check_ddl';
COMMENT ON FUNCTION twin_internal.check_ddl() IS 'refuses columns of encrypted types that name no key';
CREATE EVENT TRIGGER twin_security_check_ddl ON ddl_command_end EXECUTE FUNCTION twin_internal.check_ddl();
ALTER EVENT TRIGGER twin_security_check_ddl ENABLE ALWAYS;	/* restores are run with session_replication_role = replica */
COMMENT ON EVENT TRIGGER twin_security_check_ddl IS 'twin_security: no encrypted column without a key';

/* ---- the keys that exist without anybody creating them ---- */

CREATE FUNCTION twin.create_builtin_keys() RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted record;
	made integer := 0;
BEGIN
	FOR wanted IN
		SELECT * FROM (VALUES ('main'::name, 'data'), ('literal', 'literal'), ('environment', 'environment')) v (name, kind)
		UNION ALL
		SELECT ('index.' || b.base)::name, 'index' FROM unnest(ARRAY[
			--@each_type_name
		]::text[]) b (base)
	LOOP
		IF NOT EXISTS (SELECT FROM twin_internal.keys k WHERE k.key_name = wanted.name) THEN
			PERFORM twin_internal.make_key(wanted.name, wanted.kind);
			UPDATE twin_internal.keys k SET replaceable = true WHERE k.key_name = wanted.name;
			UPDATE twin_internal.key_versions v SET replaceable = true WHERE v.key_name = wanted.name;
			made := made + 1;
		END IF;
	END LOOP;
	RETURN made;
END
$$;
COMMENT ON FUNCTION twin.create_builtin_keys() IS 'makes the keys main, literal, environment and the index keys where they are missing; CREATE EXTENSION does it when ENCRYPTION_KEY is there';

DO $$
BEGIN
	IF twin_internal.master_key_present() THEN
		PERFORM twin.create_builtin_keys();
	ELSE
		RAISE WARNING 'ENCRYPTION_KEY is not set: no keys were made'
			USING HINT = 'Nothing can be encrypted until it is set and twin.create_builtin_keys() was called, or keys were restored from a dump.';
	END IF;
END
$$;

REVOKE ALL ON FUNCTION twin_internal.census(regclass[], boolean), twin_internal.wait_for_transactions(),
	twin_internal.constants_in(pg_node_tree), twin_internal.holds_encrypted(oid), twin_internal.armor_key_id(text),
	twin_internal.check_ddl(), twin.key_census(regclass), twin.retire_key(text, integer), twin.create_builtin_keys() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.retire_key(text, integer), twin.create_builtin_keys() TO twin_admin;
GRANT EXECUTE ON FUNCTION twin.key_census(regclass) TO twin_admin, twin_auditor;
