/*
 * convert_index.sql
 *		The indexes of a column that is converted, and of its partitions.
 */

/*
 * What each would read as on the other column.  Until the columns are swapped a new index bears the old one's OID in
 * its name, so that it meets no other's.
 */
CREATE VIEW twin_internal.encrypt_indexes AS
	SELECT x.indrelid, a.attname AS wanted, s.attname AS shadow, x.indexrelid, 'twin_sealed_' || x.indexrelid::text AS new_name,
		n.nspname AS schema_name, c.relname AS old_name, c.relkind,
		format('CREATE %sINDEX %s%I ON %s%s USING %s (%s)%s%s%s%s%s', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END,
			CASE WHEN c.relkind = 'i' THEN 'CONCURRENTLY ' ELSE '' END, 'twin_sealed_' || x.indexrelid::text,
			CASE WHEN c.relkind = 'I' THEN 'ONLY ' ELSE '' END, x.indrelid::regclass, m.amname,
			(SELECT string_agg(CASE WHEN k.attnum = a.attnum THEN quote_ident(s.attname) ELSE pg_get_indexdef(x.indexrelid, k.n::integer, false)
						|| CASE WHEN k.ordering <> 0 THEN format(' COLLATE %s', k.ordering::regcollation) ELSE '' END
						|| (SELECT format(' %I.%I', e.nspname, o.opcname) FROM pg_catalog.pg_opclass o
							JOIN pg_catalog.pg_namespace e ON e.oid = o.opcnamespace WHERE o.oid = k.opclass) END
					|| CASE WHEN m.amname = 'btree' AND k.option & 1 = 1 THEN ' DESC' ELSE '' END
					|| CASE WHEN m.amname = 'btree' AND k.option & 3 = 1 THEN ' NULLS LAST' WHEN m.amname = 'btree' AND k.option & 3 = 2 THEN ' NULLS FIRST' ELSE '' END,
					', ' ORDER BY k.n)
				FROM unnest(x.indkey::int2[], x.indoption::int2[], x.indclass::oid[], x.indcollation::oid[])
					WITH ORDINALITY k (attnum, option, opclass, ordering, n) WHERE k.n <= x.indnkeyatts),
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

/* (name, how, statement) of the steps that are still to be made: empty indexes of partitioned tables, those with rows, attachments. */
CREATE FUNCTION twin_internal.encrypt_missing_indexes(rel regclass, wanted name, shadow name) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH planned AS (
		SELECT i.*, format('%I.%I', i.schema_name, i.new_name) AS full_name,
			(SELECT c.oid FROM pg_class c WHERE c.relnamespace = i.schema_name::regnamespace AND c.relname = i.new_name) AS made
		FROM twin_internal.encrypt_tree(rel) r JOIN twin_internal.encrypt_indexes i ON i.indrelid = r AND i.wanted = $2 AND i.shadow = $3),
	steps AS (
		SELECT CASE p.relkind WHEN 'I' THEN 1 ELSE 2 END AS step, p.full_name, CASE p.relkind WHEN 'I' THEN 'here' ELSE 'worker' END AS how, p.statement
		FROM planned p
		WHERE p.made IS NULL OR (p.relkind = 'i' AND NOT EXISTS (SELECT FROM pg_index v WHERE v.indexrelid = p.made AND v.indisvalid))
		UNION ALL
		SELECT 3, p.full_name, 'here', format('ALTER INDEX %s ATTACH PARTITION %s', parent.full_name, p.full_name)
		FROM planned p JOIN pg_inherits h ON h.inhrelid = p.indexrelid JOIN planned parent ON parent.indexrelid = h.inhparent
		WHERE p.made IS NULL OR parent.made IS NULL OR NOT EXISTS (SELECT FROM pg_inherits g WHERE g.inhrelid = p.made AND g.inhparent = parent.made))
	SELECT coalesce(array_agg(p.part ORDER BY s.step, s.full_name, p.n), '{}')
	FROM steps s, unnest(ARRAY[s.full_name, s.how, s.statement]) WITH ORDINALITY p (part, n);
END;
COMMENT ON FUNCTION twin_internal.encrypt_missing_indexes(regclass, name, name) IS 'names and statements of the indexes a conversion has still to make';

/* The statement that removes what an interrupted concurrent build left. */
CREATE FUNCTION twin_internal.encrypt_drop_invalid(index_name text) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(format('DROP INDEX %s', index_name)), '{}')
	FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indexrelid = to_regclass(index_name) AND c.relkind = 'i' AND NOT x.indisvalid;
END;
COMMENT ON FUNCTION twin_internal.encrypt_drop_invalid(text) IS 'the statement that removes an index whose build was interrupted';

/* the statements are made for whoever converts his table; nobody can name what makes them */
GRANT SELECT ON twin_internal.encrypt_indexes TO PUBLIC;
