/*
 * check_tables.sql
 *		Rows belong to tenants, and nobody steps around the policies that say so: not the owner, no view, no partition, no function.
 */

CREATE VIEW twin_internal.check_table_1 AS
	SELECT DISTINCT ON (c.relation) 'fail' AS status, c.relation::text AS object, format('it has the column %I and no row-level security', c.attname) AS detail,
		format('SELECT twin.protect_table(%L, tenant_column => %L);', c.relation, c.attname) AS remedy
	FROM twin_internal.own_columns c JOIN pg_catalog.pg_class k ON k.oid = c.relation
	WHERE c.words ~ '^(tenant(_?(id|uuid|key))?|organi[sz]ation_id|org_id)$' AND c.relkind IN ('r', 'p') AND NOT k.relrowsecurity
	ORDER BY c.relation, c.words DESC;
COMMENT ON VIEW twin_internal.check_table_1 IS 'tables of several tenants without row-level security';

CREATE VIEW twin_internal.check_table_2 AS
	SELECT 'warn' AS status, r.relation::text AS object, 'row-level security is on and there is no policy: only who steps around it sees rows' AS detail
	FROM twin_internal.own_relations r WHERE r.relrowsecurity AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = r.relation);
COMMENT ON VIEW twin_internal.check_table_2 IS 'tables with row-level security and without policy';

CREATE VIEW twin_internal.check_table_3 AS
	SELECT 'fail' AS status, r.relation::text AS object, format('its owner %I sees every row', pg_get_userbyid(r.relowner)) AS detail
	FROM twin_internal.own_relations r WHERE r.relrowsecurity AND NOT r.relforcerowsecurity;
COMMENT ON VIEW twin_internal.check_table_3 IS 'tables whose owner no policy holds';

CREATE VIEW twin_internal.check_table_4 AS
	SELECT 'fail' AS status, p.relation::text AS object, 'its policies, grants or row-level security are not as twin.protect_table() wrote them' AS detail,
		format('BEGIN; SELECT twin.unprotect_table(%L); SELECT twin.protect_table(%L, %L, %L, %L, %L, %L, %L); COMMIT;', p.relation, p.relation, t.tenant_column, t.owner_column,
			t.read_permission, t.insert_permission, t.update_permission, t.delete_permission) AS remedy
	FROM twin.protected_tables p JOIN twin_internal.protected_tables t USING (relation) WHERE NOT p.holds;
COMMENT ON VIEW twin_internal.check_table_4 IS 'protected tables whose protection was changed';

/* Of a view in between, that one is told. */
CREATE VIEW twin_internal.check_table_5 AS
	SELECT 'fail' AS status, v.relation::text AS object,
		format('%s rows of %s as %I sees them', CASE v.relkind WHEN 'm' THEN 'keeps' ELSE 'shows' END, string_agg(DISTINCT t.oid::regclass::text, ', '), pg_get_userbyid(v.relowner)) AS detail,
		CASE v.relkind WHEN 'm' THEN format('-- it holds rows of everybody, for good: DROP MATERIALIZED VIEW %s;', v.relation) END AS remedy
	FROM twin_internal.own_relations v JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.relation
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
		JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relrowsecurity
	WHERE v.relkind IN ('v', 'm')
		AND NOT EXISTS (SELECT FROM pg_options_to_table(v.reloptions) o WHERE o.option_name = 'security_invoker' AND lower(o.option_value) IN ('true', 'on', 'yes', '1'))
	GROUP BY v.relation, v.relkind, v.relowner;
COMMENT ON VIEW twin_internal.check_table_5 IS 'views that show rows as their owner sees them, and materialized views that keep such';

CREATE VIEW twin_internal.check_table_6 AS
	SELECT 'warn' AS status, format('%I on %s', p.polname, r.relation) AS object, format('it lets pass every row for %s',
			CASE WHEN p.polroles = '{0}' THEN 'PUBLIC' ELSE (SELECT string_agg(quote_ident(pg_get_userbyid(x)), ', ') FROM unnest(p.polroles) x) END) AS detail,
		format('DROP POLICY %I ON %s;', p.polname, r.relation) AS remedy
	FROM pg_catalog.pg_policy p JOIN twin_internal.own_relations r ON r.relation = p.polrelid
	WHERE p.polpermissive AND (pg_get_expr(p.polqual, p.polrelid) = 'true' OR pg_get_expr(p.polwithcheck, p.polrelid) = 'true');
COMMENT ON VIEW twin_internal.check_table_6 IS 'permissive policies whose condition is always true: what other policies say does not count';

CREATE VIEW twin_internal.check_table_7 AS
	SELECT 'fail' AS status, c.relation::text AS object, format('a part of %s, which has row-level security, is open to %s', i.inhparent::regclass,
			string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', ')) AS detail,
		format('REVOKE ALL ON %s FROM %s;', c.relation, string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', ')) AS remedy
	FROM twin_internal.own_relations c JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.relation JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND p.relrowsecurity,
		aclexplode(c.relacl) a
	WHERE NOT c.relrowsecurity AND a.grantee <> c.relowner GROUP BY c.relation, i.inhparent;
COMMENT ON VIEW twin_internal.check_table_7 IS 'partitions that may be read by themselves: policies of their table do not count then';

CREATE VIEW twin_internal.check_function_1 AS
	SELECT 'fail' AS status, f.function::text AS object, 'SECURITY DEFINER without a search_path of its own' AS detail
	FROM twin_internal.own_functions f WHERE f.prosecdef AND NOT EXISTS (SELECT FROM unnest(f.proconfig) c WHERE c LIKE 'search_path=%');
COMMENT ON VIEW twin_internal.check_function_1 IS 'SECURITY DEFINER functions that find what their caller puts in their way';

/*
 * pg_temp is looked through first unless it is named; what is named last does no harm. The stored text is whoever made the
 * function's (SET ... FROM CURRENT keeps it as it was typed): only plain words of it go into a command.
 */
CREATE VIEW twin_internal.check_function_2 AS
	SELECT 'warn' AS status, f.function::text AS object, c.line AS detail,
		CASE WHEN c.line ~ '^search_path=("[^",[:cntrl:]]+"|[a-z_][a-z0-9_$]*)(, ("[^",[:cntrl:]]+"|[a-z_][a-z0-9_$]*))*$' THEN
			format('ALTER ROUTINE %s SET search_path = %s, pg_temp;', f.function, (SELECT coalesce(string_agg(w.word, ', ' ORDER BY w.place), 'pg_catalog')
				FROM string_to_table(substr(c.line, 13), ', ') WITH ORDINALITY w (word, place) WHERE w.word NOT IN ('pg_temp', '"pg_temp"'))) END AS remedy
	FROM twin_internal.own_functions f, unnest(f.proconfig) c (line)
	WHERE f.prosecdef AND c.line LIKE 'search_path=%' AND c.line !~ '"?pg_temp"?$';
COMMENT ON VIEW twin_internal.check_function_2 IS 'SECURITY DEFINER functions whose search_path does not end in pg_temp';
