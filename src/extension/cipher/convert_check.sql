/*
 * convert_check.sql
 *		What stands in the way of converting a column.
 */

/* A table and its partitions, those that are partitioned themselves included. */
CREATE FUNCTION twin_internal.encrypt_tree(rel regclass) RETURNS SETOF regclass
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT rel UNION SELECT p.relid FROM pg_partition_tree(rel) p;
END;
COMMENT ON FUNCTION twin_internal.encrypt_tree(regclass) IS 'a table and all its partitions';

CREATE FUNCTION twin_internal.encrypt_default(rel regclass, wanted name) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
		WHERE a.attrelid = rel AND a.attname = wanted;
END;
COMMENT ON FUNCTION twin_internal.encrypt_default(regclass, name) IS 'the default of a column, with names as they are found without a search path';

CREATE FUNCTION twin_internal.encrypt_trigger_arguments(rel regclass, wanted name) RETURNS name
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT convert_from(substring(t.tgargs FROM position(decode('00', 'hex') IN t.tgargs) + 1 FOR length(t.tgargs) - position(decode('00', 'hex') IN t.tgargs) - 1),
		getdatabaseencoding())::name
	FROM pg_trigger t
	WHERE t.tgrelid = rel AND t.tgname = '~~twin_security_encrypt' AND t.tgfoid = 'twin.encrypt_on_write()'::regprocedure
		AND substring(t.tgargs FROM 1 FOR position(decode('00', 'hex') IN t.tgargs) - 1) = convert_to(wanted::text, getdatabaseencoding());
END;
COMMENT ON FUNCTION twin_internal.encrypt_trigger_arguments(regclass, name) IS 'the column that a column''s conversion fills; null when it has not begun';

/* What stands in the way of converting a column, in words; empty when nothing does. */
CREATE FUNCTION twin_internal.encrypt_obstacles(rel regclass, wanted name, shadow name, searchable boolean) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(DISTINCT o.reason), '{}') FROM (
		SELECT 'it is a generated column' FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = wanted AND a.attgenerated <> ''
		UNION ALL SELECT 'it is an identity column' FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = wanted AND a.attidentity <> ''
		UNION ALL SELECT format('the column "%s", which conversion would use, exists', shadow) FROM pg_attribute a
			WHERE a.attrelid = rel AND a.attname = shadow
		UNION ALL SELECT 'the table is temporary' FROM pg_class c WHERE c.oid = rel AND c.relpersistence = 't'
		UNION ALL SELECT format('%s does not store its rows in a heap', c.oid::regclass) FROM twin_internal.encrypt_tree(rel) r
			JOIN pg_class c ON c.oid = r JOIN pg_am m ON m.oid = c.relam WHERE m.amname <> 'heap'
		UNION ALL SELECT format('another column of the table is being converted: %s', convert_from(substring(t.tgargs FROM 1 FOR position(decode('00', 'hex') IN t.tgargs) - 1),
				getdatabaseencoding()))
			FROM pg_trigger t WHERE t.tgrelid = rel AND t.tgname = '~~twin_security_encrypt' AND twin_internal.encrypt_trigger_arguments(rel, wanted) IS NULL
		UNION ALL SELECT format('trigger "%s" of %s fires after the one that seals what is written', t.tgname, r)
			FROM twin_internal.encrypt_tree(rel) r JOIN pg_trigger t ON t.tgrelid = r
			WHERE t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgname > '~~twin_security_encrypt'
		UNION ALL SELECT format('%s has a security label of provider "%s"', pg_describe_object(l.classoid, l.objoid, l.objsubid), l.provider)
			FROM twin_internal.encrypt_tree(rel) r JOIN pg_attribute a ON a.attrelid = r AND a.attname = wanted
			JOIN pg_seclabel l ON l.classoid = 'pg_class'::regclass AND l.objoid = r AND l.objsubid = a.attnum
		UNION ALL SELECT format('partition %s has a default of its own for it', r)
			FROM twin_internal.encrypt_tree(rel) r
			WHERE twin_internal.encrypt_default(r, wanted) IS DISTINCT FROM twin_internal.encrypt_default(rel, wanted)
		UNION ALL SELECT 'the table is a partition: convert its partitioned table ' || i.inhparent::regclass
			FROM pg_inherits i WHERE i.inhrelid = rel AND (SELECT c.relispartition FROM pg_class c WHERE c.oid = rel)
		UNION ALL SELECT 'the table inherits from, or is inherited by, another table'
			FROM pg_class c WHERE c.oid = rel AND c.relkind = 'r' AND NOT c.relispartition
				AND EXISTS (SELECT FROM pg_inherits i WHERE rel IN (i.inhrelid, i.inhparent))
		UNION ALL SELECT 'the partitioned table has foreign tables as partitions'
			FROM pg_class c WHERE c.oid = rel AND c.relkind = 'p'
				AND EXISTS (SELECT FROM pg_partition_tree(rel) t JOIN pg_class p ON p.oid = t.relid WHERE p.relkind = 'f')
		/* in the dependencies a key's column depends on its table */
		UNION ALL SELECT format('it is part of the partition key of %s', r)
			FROM twin_internal.encrypt_tree(rel) r JOIN pg_partitioned_table p ON p.partrelid = r
				JOIN pg_attribute a ON a.attrelid = r AND a.attname = wanted
			WHERE a.attnum = ANY (p.partattrs::int2[]) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = r
				AND d.objsubid = a.attnum AND d.refclassid = 'pg_class'::regclass AND d.refobjid = r AND d.refobjsubid = 0 AND d.deptype = 'i')
		UNION ALL SELECT format('%s: a %s index cannot stand on encrypted values', x.indexrelid::regclass, m.amname)
			FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am m ON m.oid = c.relam, pg_attribute a
			WHERE x.indrelid IN (SELECT twin_internal.encrypt_tree(rel)) AND a.attrelid = x.indrelid AND a.attname = wanted AND a.attnum = ANY (x.indkey::int2[]) AND m.amname NOT IN ('btree', 'hash')
		UNION ALL SELECT format('%s: an index needs searchable => true', x.indexrelid::regclass)
			FROM pg_index x, pg_attribute a
			WHERE NOT searchable AND x.indrelid IN (SELECT twin_internal.encrypt_tree(rel)) AND a.attrelid = x.indrelid AND a.attname = wanted AND a.attnum = ANY (x.indkey::int2[])
		/* an index that has it as a key, and no expression with it, depends on it once */
		UNION ALL SELECT format('%s: it uses the column in an expression or a condition', x.indexrelid::regclass)
			FROM pg_index x JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attname = wanted
			WHERE x.indrelid IN (SELECT twin_internal.encrypt_tree(rel)) AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)
				AND (SELECT count(*) FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid
					AND d.refclassid = 'pg_class'::regclass AND d.refobjid = x.indrelid AND d.refobjsubid = a.attnum)
					> CASE WHEN a.attnum = ANY (x.indkey::int2[]) THEN 1 ELSE 0 END
		UNION ALL SELECT format('%s: it has an operator class or a collation of its own', x.indexrelid::regclass)
			FROM pg_index x, pg_attribute a, unnest(x.indkey::int2[], x.indclass::oid[], x.indcollation::oid[]) k (attnum, opclass, ordering)
			WHERE x.indrelid IN (SELECT twin_internal.encrypt_tree(rel)) AND a.attrelid = x.indrelid AND a.attname = wanted AND k.attnum = a.attnum AND k.opclass IS NOT NULL
				AND (NOT (SELECT o.opcdefault FROM pg_opclass o WHERE o.oid = k.opclass) OR k.ordering <> a.attcollation)
		UNION ALL SELECT format('%s: it is %s', x.indexrelid::regclass, w.what)
			FROM pg_index x, pg_attribute a, LATERAL (SELECT 'the table''s replica identity' WHERE x.indisreplident
				UNION ALL SELECT 'what the table is clustered by' WHERE x.indisclustered
				UNION ALL SELECT 'an exclusion constraint' WHERE x.indisexclusion
				UNION ALL SELECT 'a deferrable constraint' WHERE NOT x.indimmediate) w (what)
			WHERE x.indrelid IN (SELECT twin_internal.encrypt_tree(rel)) AND a.attrelid = x.indrelid AND a.attname = wanted AND a.attnum = ANY (x.indkey::int2[])
		UNION ALL SELECT format('constraint "%s": a key of a partitioned table cannot be built beforehand', k.conname)
			FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid AND c.relkind = 'p', pg_attribute a
			WHERE k.conrelid = rel AND k.contype IN ('p', 'u') AND a.attrelid = rel AND a.attname = wanted AND a.attnum = ANY (k.conkey)
		UNION ALL SELECT 'its collation makes different texts equal, which blind tags cannot'
			FROM pg_attribute a JOIN pg_collation l ON l.oid = a.attcollation
			WHERE searchable AND a.attrelid = rel AND a.attname = wanted AND NOT l.collisdeterministic
		UNION ALL SELECT DISTINCT format('%s uses it', pg_describe_object(d.classid, d.objid, d.objsubid))
			FROM twin_internal.encrypt_tree(rel) r JOIN pg_attribute a ON a.attrelid = r AND a.attname = wanted
				JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = r AND d.refobjsubid = a.attnum
			/* what is carried over: its default, its indexes, and the keys and unique constraints these serve */
			WHERE NOT (d.classid = 'pg_attrdef'::regclass AND d.deptype = 'a'
					AND EXISTS (SELECT FROM pg_attrdef f WHERE f.oid = d.objid AND f.adrelid = r AND f.adnum = a.attnum))
				AND NOT (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_index x WHERE x.indexrelid = d.objid))
				AND NOT (d.classid = 'pg_constraint'::regclass AND EXISTS (SELECT FROM pg_constraint k WHERE k.oid = d.objid
					AND k.conrelid = r AND k.contype IN ('p', 'u', 'n')))
		UNION ALL SELECT DISTINCT format('%s depends on %s, which is made anew', pg_describe_object(d.classid, d.objid, d.objsubid), i.relname)
			FROM pg_index x JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attname = wanted AND a.attnum = ANY (x.indkey::int2[])
				JOIN pg_class i ON i.oid = x.indexrelid LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u')
				JOIN pg_depend d ON (d.refclassid = 'pg_class'::regclass AND d.refobjid = x.indexrelid)
					OR (d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid)
			WHERE x.indrelid IN (SELECT twin_internal.encrypt_tree(rel)) AND d.deptype = 'n'
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
