/*
 * openapi_query.c
 *		The statement that describes a schema to the caller.
 *
 * It runs as the switched role and reads catalogs everybody may read, so it
 * shows nothing the role could not find out; $2 narrows it to what the role
 * may use.  A column is listed when the role may read, insert or update it.
 */
#include "gateway/answer/openapi.h"

/* clang-format off */
static const char query[] =
"WITH space AS ("
" SELECT n.oid, pg_catalog.obj_description(n.oid, 'pg_namespace') AS description"
" FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::pg_catalog.text"
" AND (NOT $2::pg_catalog.bool OR pg_catalog.has_schema_privilege(n.oid, 'USAGE'))),"
" relations AS ("
" SELECT c.oid, c.relname, pg_catalog.obj_description(c.oid, 'pg_class') AS description,"
"  pg_catalog.pg_relation_is_updatable(c.oid, true) AS events"
" FROM pg_catalog.pg_class c JOIN space s ON c.relnamespace = s.oid"
" WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition"
" AND (NOT $2::pg_catalog.bool"
"  OR pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')"
"  OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE'))),"
" columns AS ("
" SELECT a.attrelid, pg_catalog.json_agg(pg_catalog.json_build_object("
"   'name', a.attname,"
"   'type', pg_catalog.format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, NULL),"
"   'nullable', NOT (a.attnotnull OR t.typnotnull),"
"   'default', CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,"
"   'length', CASE WHEN a.atttypid IN ('pg_catalog.varchar'::pg_catalog.regtype, 'pg_catalog.bpchar'::pg_catalog.regtype)"
"    AND a.atttypmod > 4 THEN a.atttypmod - 4 END,"
"   'enum', (SELECT pg_catalog.json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e"
"    WHERE e.enumtypid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END),"
"   'description', pg_catalog.col_description(a.attrelid, a.attnum),"
"   'primary', EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'p'"
"    AND a.attnum = ANY (k.conkey)),"
"   'table', f.relname, 'column', f.attname) ORDER BY a.attnum) AS list"
" FROM relations r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped"
" JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
" LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
" LEFT JOIN LATERAL (SELECT fc.relname, fa.attname FROM pg_catalog.pg_constraint k"
"   JOIN pg_catalog.pg_class fc ON fc.oid = k.confrelid"
"   JOIN pg_catalog.pg_attribute fa ON fa.attrelid = k.confrelid AND fa.attnum = k.confkey[1]"
"   WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum] AND k.conparentid = 0"
"   ORDER BY k.conname LIMIT 1) f ON true"
" WHERE NOT $2::pg_catalog.bool OR pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT, INSERT, UPDATE')"
" GROUP BY a.attrelid),"
" routines AS ("
" SELECT DISTINCT ON (p.proname) p.proname, pg_catalog.json_build_object("
"   'name', p.proname, 'description', pg_catalog.obj_description(p.oid, 'pg_proc'), 'volatile', p.provolatile = 'v',"
"   'parameters', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object("
"      'name', i.name, 'type', pg_catalog.format_type(i.type, NULL),"
"      'required', i.place <= p.pronargs - p.pronargdefaults AND i.mode <> 'v', 'variadic', i.mode = 'v') ORDER BY i.place)"
"     FROM (SELECT u.name, u.type, coalesce(u.mode, 'i') AS mode, pg_catalog.row_number() OVER (ORDER BY u.at) AS place"
"       FROM ROWS FROM (pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::pg_catalog.oid[])),"
"        pg_catalog.unnest(p.proargnames), pg_catalog.unnest(p.proargmodes)) WITH ORDINALITY u(type, name, mode, at)"
"       WHERE coalesce(u.mode, 'i') IN ('i', 'b', 'v')) i WHERE i.name <> '')) AS routine"
" FROM pg_catalog.pg_proc p JOIN space s ON p.pronamespace = s.oid"
" WHERE p.prokind = 'f' AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype,"
"  'pg_catalog.event_trigger'::pg_catalog.regtype)"
" AND (NOT $2::pg_catalog.bool OR pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))"
" ORDER BY p.proname, p.pronargs DESC, p.oid)"
" SELECT pg_catalog.json_build_object("
"  'description', (SELECT s.description FROM space s),"
"  'relations', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object("
"    'name', r.relname, 'description', r.description,"
"    'insert', r.events & 8 <> 0 AND (NOT $2::pg_catalog.bool OR pg_catalog.has_table_privilege(r.oid, 'INSERT')"
"     OR pg_catalog.has_any_column_privilege(r.oid, 'INSERT')),"
"    'update', r.events & 4 <> 0 AND (NOT $2::pg_catalog.bool OR pg_catalog.has_table_privilege(r.oid, 'UPDATE')"
"     OR pg_catalog.has_any_column_privilege(r.oid, 'UPDATE')),"
"    'delete', r.events & 16 <> 0 AND (NOT $2::pg_catalog.bool OR pg_catalog.has_table_privilege(r.oid, 'DELETE')),"
"    'columns', c.list) ORDER BY r.relname), '[]'::pg_catalog.json)"
"   FROM relations r LEFT JOIN columns c ON c.attrelid = r.oid),"
"  'routines', (SELECT coalesce(pg_catalog.json_agg(f.routine ORDER BY f.proname), '[]'::pg_catalog.json) FROM routines f))";
/* clang-format on */

const char *
openapi_query(void)
{
	return query;
}
