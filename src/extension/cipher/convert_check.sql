/*
 * convert_check.sql
 *		What stands in the way of converting a column.
 */

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
