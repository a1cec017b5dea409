/*
 * convert_index.sql
 *		The indexes of a column that is converted.
 */

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

CREATE FUNCTION twin_internal.encrypt_index(index_name text) RETURNS regclass
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(to_regclass(index_name), 0::regclass);
END;
COMMENT ON FUNCTION twin_internal.encrypt_index(text) IS 'an index by its name, 0 when there is none';

/* the statements are made for whoever converts his table; nobody can name what makes them */
GRANT SELECT ON twin_internal.encrypt_indexes TO PUBLIC;
