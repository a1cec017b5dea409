/*
 * convert.sql
 *		Commands that rewrite a live table, and how far they are.
 */

CREATE FUNCTION twin_internal.stat_progress(OUT pid integer, OUT command text, OUT relation regclass, OUT column_name name, OUT rows_done bigint,
	OUT rows_total bigint, OUT started_at timestamptz) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_stat_progress';
COMMENT ON FUNCTION twin_internal.stat_progress() IS 'commands under way in this database';

CREATE VIEW twin.stat_progress AS SELECT pid, command, relation, column_name, rows_done, rows_total, started_at FROM twin_internal.stat_progress();
COMMENT ON VIEW twin.stat_progress IS 'how far encrypt_column and reencrypt_column are; rows_total is the planner''s estimate; needs preloading';
GRANT SELECT ON twin.stat_progress TO PUBLIC;

CREATE PROCEDURE twin.reencrypt_column(rel regclass, column_name name, batch_rows integer DEFAULT 10000, max_rows_per_second integer DEFAULT NULL)
	LANGUAGE c AS 'MODULE_PATHNAME', 'tsec_reencrypt_column';
COMMENT ON PROCEDURE twin.reencrypt_column(regclass, name, integer, integer) IS 'brings every value of a column under the primary version of its key, in batches with commits, while others read and write';

/* ---- converting a column: what is decided is decided here, what is done is done by convert.c ---- */

/* What stands in the way of converting a column, in words; empty when nothing does. */
CREATE FUNCTION twin_internal.encrypt_obstacles(rel regclass, wanted name, shadow name, searchable boolean) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(o.reason), '{}') FROM (
		SELECT 'it is a generated column' FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = wanted AND a.attgenerated <> ''
		UNION ALL SELECT 'it is an identity column' FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = wanted AND a.attidentity <> ''
		UNION ALL SELECT format('the column "%s", which conversion would use, exists', shadow) FROM pg_attribute a
			WHERE a.attrelid = rel AND a.attname = shadow
		UNION ALL SELECT 'the table is a partition: convert its partitioned table ' || i.inhparent::regclass
			FROM pg_inherits i WHERE i.inhrelid = rel AND (SELECT c.relispartition FROM pg_class c WHERE c.oid = rel)
		UNION ALL SELECT 'the table inherits from, or is inherited by, another table'
			FROM pg_class c WHERE c.oid = rel AND c.relkind = 'r' AND NOT c.relispartition
				AND EXISTS (SELECT FROM pg_inherits i WHERE rel IN (i.inhrelid, i.inhparent))
		UNION ALL SELECT 'the partitioned table has foreign tables as partitions'
			FROM pg_class c WHERE c.oid = rel AND c.relkind = 'p'
				AND EXISTS (SELECT FROM pg_partition_tree(rel) t JOIN pg_class p ON p.oid = t.relid WHERE p.relkind = 'f')
		UNION ALL SELECT 'it is part of the partition key' FROM pg_partitioned_table p, pg_attribute a
			WHERE p.partrelid = rel AND a.attrelid = rel AND a.attname = wanted
				AND (a.attnum = ANY (p.partattrs::int2[]) OR EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass
					AND d.refobjid = rel AND d.refobjsubid = a.attnum AND d.classid = 'pg_class'::regclass AND d.objid = rel))
		UNION ALL SELECT format('%s: a %s index cannot stand on encrypted values', x.indexrelid::regclass, m.amname)
			FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am m ON m.oid = c.relam, pg_attribute a
			WHERE x.indrelid = rel AND a.attrelid = rel AND a.attname = wanted AND a.attnum = ANY (x.indkey::int2[]) AND m.amname NOT IN ('btree', 'hash')
		UNION ALL SELECT format('%s: an index needs searchable => true', x.indexrelid::regclass)
			FROM pg_index x, pg_attribute a
			WHERE NOT searchable AND x.indrelid = rel AND a.attrelid = rel AND a.attname = wanted AND a.attnum = ANY (x.indkey::int2[])
		UNION ALL SELECT format('%s: it uses the column in an expression or a condition', x.indexrelid::regclass)
			FROM pg_index x, pg_attribute a
			WHERE x.indrelid = rel AND a.attrelid = rel AND a.attname = wanted AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)
				AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid
					AND d.refclassid = 'pg_class'::regclass AND d.refobjid = rel AND d.refobjsubid = a.attnum)
				AND (NOT a.attnum = ANY (x.indkey::int2[]) OR x.indexprs IS NOT NULL
					OR position(quote_ident(wanted) IN coalesce(pg_get_expr(x.indpred, rel), '')) > 0)
		UNION ALL SELECT format('%s: it has an operator class or a collation of its own', x.indexrelid::regclass)
			FROM pg_index x, pg_attribute a, unnest(x.indkey::int2[], x.indclass::oid[], x.indcollation::oid[]) k (attnum, opclass, ordering)
			WHERE x.indrelid = rel AND a.attrelid = rel AND a.attname = wanted AND k.attnum = a.attnum AND k.opclass IS NOT NULL
				AND (NOT (SELECT o.opcdefault FROM pg_opclass o WHERE o.oid = k.opclass) OR k.ordering <> a.attcollation)
		UNION ALL SELECT format('%s: it is %s', x.indexrelid::regclass, w.what)
			FROM pg_index x, pg_attribute a, LATERAL (SELECT 'the table''s replica identity' WHERE x.indisreplident
				UNION ALL SELECT 'what the table is clustered by' WHERE x.indisclustered
				UNION ALL SELECT 'an exclusion constraint' WHERE x.indisexclusion
				UNION ALL SELECT 'a deferrable constraint' WHERE NOT x.indimmediate) w (what)
			WHERE x.indrelid = rel AND a.attrelid = rel AND a.attname = wanted AND a.attnum = ANY (x.indkey::int2[])
		UNION ALL SELECT format('constraint "%s": a key of a partitioned table cannot be built beforehand', k.conname)
			FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid AND c.relkind = 'p', pg_attribute a
			WHERE k.conrelid = rel AND k.contype IN ('p', 'u') AND a.attrelid = rel AND a.attname = wanted AND a.attnum = ANY (k.conkey)
		UNION ALL SELECT 'its collation makes different texts equal, which blind tags cannot'
			FROM pg_attribute a JOIN pg_collation l ON l.oid = a.attcollation
			WHERE searchable AND a.attrelid = rel AND a.attname = wanted AND NOT l.collisdeterministic
		UNION ALL SELECT DISTINCT format('%s uses it', pg_describe_object(d.classid, d.objid, d.objsubid))
			FROM pg_depend d JOIN pg_attribute a ON a.attrelid = rel AND a.attname = wanted
			WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = rel AND d.refobjsubid = a.attnum
				/* what is carried over: its default, its indexes, and the keys and unique constraints these serve */
				AND NOT (d.classid = 'pg_attrdef'::regclass AND d.deptype = 'a'
					AND EXISTS (SELECT FROM pg_attrdef f WHERE f.oid = d.objid AND f.adrelid = rel AND f.adnum = a.attnum))
				AND NOT (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_index x WHERE x.indexrelid = d.objid))
				AND NOT (d.classid = 'pg_constraint'::regclass AND EXISTS (SELECT FROM pg_constraint k WHERE k.oid = d.objid
					AND k.conrelid = rel AND k.contype IN ('p', 'u')))
				AND NOT (d.classid = 'pg_class'::regclass AND d.objid = rel)
		UNION ALL SELECT format('%s refers to it', pg_describe_object('pg_constraint'::regclass, k.oid, 0))
			FROM pg_constraint k, pg_attribute a
			WHERE k.contype = 'f' AND a.attrelid = rel AND a.attname = wanted AND k.confrelid = rel AND a.attnum = ANY (k.confkey)
		UNION ALL SELECT format('trigger "%s" names it', t.tgname)
			FROM pg_trigger t, pg_attribute a
			WHERE t.tgrelid = rel AND a.attrelid = rel AND a.attname = wanted AND a.attnum = ANY (t.tgattr::int2[])
	) o (reason);
END;
COMMENT ON FUNCTION twin_internal.encrypt_obstacles(regclass, name, name, boolean) IS 'why a column cannot be converted';

/* Roles that may write to a table but not encrypt under a key are to be found before their writes fail. */
CREATE FUNCTION twin_internal.encrypt_writers(rel regclass, wanted name) RETURNS regrole[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(DISTINCT w.role::regrole), '{}') FROM (
		SELECT c.relowner FROM pg_class c WHERE c.oid = rel
		UNION ALL SELECT g.grantee FROM pg_class c, aclexplode(c.relacl) g WHERE c.oid = rel AND g.privilege_type IN ('INSERT', 'UPDATE')
		UNION ALL SELECT g.grantee FROM pg_attribute a, aclexplode(a.attacl) g
			WHERE a.attrelid = rel AND a.attname = wanted AND g.privilege_type IN ('INSERT', 'UPDATE')) w (role)
	WHERE w.role <> 0;
END;
COMMENT ON FUNCTION twin_internal.encrypt_writers(regclass, name) IS 'roles with INSERT or UPDATE on a table or column, the owner included';

/* The statements that begin a conversion. */
CREATE FUNCTION twin_internal.encrypt_prepare(rel regclass, wanted name, shadow name, of_type text) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT array_remove(ARRAY[
		format('ALTER TABLE %s ADD COLUMN %I %s', rel, shadow, of_type)
			|| CASE WHEN of_type ~ '^twin\.encrypted_text' AND a.attcollation <> 'pg_catalog."default"'::regcollation
				THEN format(' COLLATE %s', a.attcollation::regcollation) ELSE '' END,
		CASE WHEN a.attnotnull THEN format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%I IS NOT NULL) NOT VALID', rel, shadow, shadow) END,
		format('CREATE TRIGGER "~~twin_security_encrypt" BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION twin.encrypt_on_write(%L, %L)',
			rel, wanted, shadow),
		format('ALTER TABLE %s ENABLE ALWAYS TRIGGER "~~twin_security_encrypt"', rel)], NULL)
	FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = wanted;
END;
COMMENT ON FUNCTION twin_internal.encrypt_prepare(regclass, name, name, text) IS 'the statements that begin a conversion';

/* The indexes a conversion makes anew: (name to be, old index, statement). */
CREATE VIEW twin_internal.encrypt_indexes AS
	SELECT x.indrelid, a.attname AS wanted, s.attname AS shadow, x.indexrelid, left(c.relname, 52) || '_sealed' AS new_name, n.nspname AS schema_name,
		format('CREATE %sINDEX %s%I ON %s%s USING %s (%s)%s%s%s%s%s', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END,
			CASE WHEN c.relkind = 'i' THEN 'CONCURRENTLY ' ELSE '' END, left(c.relname, 52) || '_sealed',
			'', x.indrelid::regclass, m.amname,
			(SELECT string_agg(CASE WHEN k.attnum = a.attnum THEN quote_ident(s.attname) ELSE pg_get_indexdef(x.indexrelid, k.n::integer, false) END
					|| CASE WHEN m.amname = 'btree' AND k.option & 1 = 1 THEN ' DESC' ELSE '' END
					|| CASE WHEN m.amname = 'btree' AND k.option & 3 = 1 THEN ' NULLS LAST' WHEN m.amname = 'btree' AND k.option & 3 = 2 THEN ' NULLS FIRST' ELSE '' END,
					', ' ORDER BY k.n)
				FROM unnest(x.indkey::int2[], x.indoption::int2[]) WITH ORDINALITY k (attnum, option, n) WHERE k.n <= x.indnkeyatts),
			(SELECT ' INCLUDE (' || string_agg(quote_ident(CASE WHEN k.attnum = a.attnum THEN s.attname ELSE i.attname END), ', ' ORDER BY k.n) || ')'
				FROM unnest(x.indkey::int2[]) WITH ORDINALITY k (attnum, n) JOIN pg_catalog.pg_attribute i ON i.attrelid = x.indrelid AND i.attnum = k.attnum
				WHERE k.n > x.indnkeyatts HAVING count(*) > 0),
			CASE WHEN x.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' ELSE '' END,
			' WITH (' || array_to_string(c.reloptions, ', ') || ')',
			(SELECT ' TABLESPACE ' || quote_ident(t.spcname) FROM pg_catalog.pg_tablespace t WHERE t.oid = c.reltablespace),
			' WHERE ' || pg_get_expr(x.indpred, x.indrelid)) AS statement
	FROM pg_catalog.pg_index x
		JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_catalog.pg_am m ON m.oid = c.relam
		JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey::int2[])
		JOIN pg_catalog.pg_attribute s ON s.attrelid = x.indrelid;
COMMENT ON VIEW twin_internal.encrypt_indexes IS 'indexes on a column, as they would read on another';

/* Names and statements, in pairs, of the indexes that are still to be made. */
CREATE FUNCTION twin_internal.encrypt_missing_indexes(rel regclass, wanted name, shadow name) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(p.part ORDER BY i.new_name, p.n), '{}')
	FROM twin_internal.encrypt_indexes i, unnest(ARRAY[format('%I.%I', i.schema_name, i.new_name), i.statement]) WITH ORDINALITY p (part, n)
	WHERE i.indrelid = rel AND i.wanted = $2 AND i.shadow = $3
		AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_index v ON v.indexrelid = c.oid
			WHERE c.relnamespace = i.schema_name::regnamespace AND c.relname = i.new_name AND v.indrelid = rel AND v.indisvalid);
END;
COMMENT ON FUNCTION twin_internal.encrypt_missing_indexes(regclass, name, name) IS 'names and statements of the indexes a conversion has still to make';

/* The statements that put the encrypted column in the plain one's place; its default, sealed where it is constant, comes from the caller. */
CREATE FUNCTION twin_internal.encrypt_swap(rel regclass, wanted name, shadow name, new_default text) RETURNS text[]
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT array_agg(s.statement ORDER BY s.step) FILTER (WHERE s.statement IS NOT NULL) FROM (
		SELECT 1, format('DROP TRIGGER "~~twin_security_encrypt" ON %s', rel)
		UNION ALL SELECT 2, format('ALTER TABLE %s DROP CONSTRAINT %I', rel, k.conname) FROM pg_constraint k JOIN twin_internal.encrypt_indexes i ON i.indexrelid = k.conindid
			WHERE i.indrelid = rel AND i.wanted = $2 AND i.shadow = $3 AND k.contype IN ('p', 'u')
		UNION ALL SELECT 3, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', rel, shadow) FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = wanted AND a.attnotnull
		UNION ALL SELECT 4, format('ALTER TABLE %s DROP CONSTRAINT %I', rel, k.conname) FROM pg_constraint k WHERE k.conrelid = rel AND k.conname = shadow AND k.contype = 'c'
		UNION ALL SELECT 5, CASE WHEN new_default IS NOT NULL THEN format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', rel, shadow, new_default) END
		UNION ALL SELECT 6, format('COMMENT ON COLUMN %s.%I IS %L', rel, shadow, col_description(rel, a.attnum)) FROM pg_attribute a
			WHERE a.attrelid = rel AND a.attname = wanted AND col_description(rel, a.attnum) IS NOT NULL
		UNION ALL SELECT 7, format('GRANT %s (%I) ON %s TO %s%s', g.privilege_type, shadow, rel, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END,
				CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
			FROM pg_attribute a, aclexplode(a.attacl) g WHERE a.attrelid = rel AND a.attname = wanted
		UNION ALL SELECT 8, format('ALTER TABLE %s DROP COLUMN %I', rel, wanted)
		UNION ALL SELECT 9, format('ALTER TABLE %s RENAME COLUMN %I TO %I', rel, shadow, wanted)
		UNION ALL SELECT 10, format('ALTER INDEX %I.%I RENAME TO %I', i.schema_name, i.new_name, c.relname)
			FROM twin_internal.encrypt_indexes i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = rel AND i.wanted = $2 AND i.shadow = $3
		UNION ALL SELECT 11, CASE c.relkind WHEN 'i' THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I', rel, k.conname,
				CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, c.relname) END
			FROM pg_constraint k JOIN twin_internal.encrypt_indexes i ON i.indexrelid = k.conindid JOIN pg_class c ON c.oid = i.indexrelid
			WHERE i.indrelid = rel AND i.wanted = $2 AND i.shadow = $3 AND k.contype IN ('p', 'u')
	) s (step, statement);
END;
COMMENT ON FUNCTION twin_internal.encrypt_swap(regclass, name, name, text) IS 'the statements that put the encrypted column in the place of the plain one';

CREATE FUNCTION twin.encrypt_on_write() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_encrypt_on_write';
COMMENT ON FUNCTION twin.encrypt_on_write() IS 'while a column is converted: seals what is written to the plain column into the one that will replace it';

CREATE PROCEDURE twin.encrypt_column(rel regclass, column_name name, key_name text, searchable boolean DEFAULT false, batch_rows integer DEFAULT 10000,
	max_rows_per_second integer DEFAULT NULL)
	LANGUAGE c AS 'MODULE_PATHNAME', 'tsec_encrypt_column';
COMMENT ON PROCEDURE twin.encrypt_column(regclass, name, text, boolean, integer, integer) IS 'converts a plain column of a live table to an encrypted one, in batches with commits; called again it goes on where it was interrupted';

CREATE FUNCTION twin.cancel_encryption(rel regclass, column_name name) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_cancel_encryption';
COMMENT ON FUNCTION twin.cancel_encryption(regclass, name) IS 'gives up a conversion that was interrupted: the plain column stays, the half-filled encrypted one goes';

CREATE FUNCTION twin_internal.encrypt_has_check(rel regclass, shadow name) RETURNS boolean
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = rel AND k.conname = shadow AND k.contype = 'c' AND NOT k.convalidated);
END;
COMMENT ON FUNCTION twin_internal.encrypt_has_check(regclass, name) IS 'whether the check that stands for NOT NULL is still to be validated';

CREATE FUNCTION twin_internal.encrypt_trigger_fires(rel regclass) RETURNS boolean
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT count(*) > 0 AND bool_and(EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = r.oid AND t.tgname = '~~twin_security_encrypt'
			AND t.tgenabled = 'A' AND t.tgfoid = 'twin.encrypt_on_write()'::regprocedure))
	FROM pg_class r WHERE r.oid = rel OR r.oid IN (SELECT p.relid FROM pg_partition_tree(rel) p);
END;
COMMENT ON FUNCTION twin_internal.encrypt_trigger_fires(regclass) IS 'whether the trigger of a conversion is in force on a table and all its partitions';

CREATE FUNCTION twin_internal.encrypt_trigger_arguments(rel regclass, wanted name) RETURNS name
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT convert_from(substring(t.tgargs FROM position('\x00'::bytea IN t.tgargs) + 1 FOR length(t.tgargs) - position('\x00'::bytea IN t.tgargs) - 1),
		getdatabaseencoding())::name
	FROM pg_trigger t
	WHERE t.tgrelid = rel AND t.tgname = '~~twin_security_encrypt' AND t.tgfoid = 'twin.encrypt_on_write()'::regprocedure
		AND substring(t.tgargs FROM 1 FOR position('\x00'::bytea IN t.tgargs) - 1) = convert_to(wanted::text, getdatabaseencoding());
END;
COMMENT ON FUNCTION twin_internal.encrypt_trigger_arguments(regclass, name) IS 'the column that a column''s conversion fills; null when it has not begun';

CREATE FUNCTION twin_internal.encrypt_default(rel regclass, wanted name) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
		WHERE a.attrelid = rel AND a.attname = wanted;
END;
COMMENT ON FUNCTION twin_internal.encrypt_default(regclass, name) IS 'the default of a column, with names as they are found without a search path';

CREATE FUNCTION twin_internal.encrypt_cancel(rel regclass, wanted name) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN s.shadow IS NULL THEN '{}' ELSE ARRAY[
		format('DROP TRIGGER "~~twin_security_encrypt" ON %s', rel),
		format('ALTER TABLE %s DROP COLUMN %I CASCADE', rel, s.shadow)] END
	FROM (SELECT twin_internal.encrypt_trigger_arguments(rel, wanted) AS shadow) s;
END;
COMMENT ON FUNCTION twin_internal.encrypt_cancel(regclass, name) IS 'the statements that give a conversion up';

CREATE FUNCTION twin_internal.encrypt_index(index_name text) RETURNS regclass
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(to_regclass(index_name), 0::regclass);
END;
COMMENT ON FUNCTION twin_internal.encrypt_index(text) IS 'an index by its name, 0 when there is none';

/* the statements are made for whoever converts his table; nobody can name what makes them */
GRANT SELECT ON twin_internal.encrypt_indexes TO PUBLIC;
