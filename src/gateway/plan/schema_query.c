/*
 * schema_query.c
 *		The statement that reads the database's catalog as one JSON value.
 *
 * It runs as the gateway's own login, which may read nothing but the catalog.
 * The outer CASE empties search_path for this one transaction before anything
 * else is evaluated, so types and defaults come out with their schemas; every
 * function and operator names its schema, so nothing planted on a search path
 * is called.  Works on PostgreSQL 15 to 18.
 */
#include "gateway/plan/schema.h"

#define C "pg_catalog."
#define EQ " OPERATOR(pg_catalog.=) "
#define NE " OPERATOR(pg_catalog.<>) "
#define CAT " OPERATOR(pg_catalog.||) "

static const char query[] =
	"SELECT CASE WHEN " C "set_config('search_path', '', true) IS NOT NULL THEN (WITH RECURSIVE "
	/* the relations of the exposed schemas */
	"rel AS MATERIALIZED (SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltype FROM " C "pg_class c JOIN " C
	"pg_namespace n ON n.oid" EQ "c.relnamespace WHERE n.nspname" EQ "ANY ($1::" C "text[]::" C
	"name[]) AND c.relkind" EQ "ANY ('{r,v,m,f,p}'::" C "\"char\"[]) AND NOT c.relispartition), "
	/* a domain's last base */
	"base AS MATERIALIZED (WITH RECURSIVE chain AS (SELECT t.oid, t.typbasetype FROM " C
	"pg_type t WHERE t.typtype" EQ "'d'::" C "\"char\" UNION ALL SELECT h.oid, t.typbasetype FROM chain h JOIN " C
	"pg_type t ON t.oid" EQ "h.typbasetype WHERE t.typtype" EQ "'d'::" C
	"\"char\") SELECT h.oid, h.typbasetype AS base FROM chain h JOIN " C "pg_type t ON t.oid" EQ
	"h.typbasetype WHERE t.typtype" NE "'d'::" C "\"char\"), "
	"col AS MATERIALIZED (SELECT a.attrelid, " C "json_agg(" C
	"json_build_object('number', a.attnum, 'name', a.attname, 'type', " C
	"format_type(a.atttypid, a.atttypmod), 'base', " C "format_type(COALESCE(b.base, a.atttypid), NULL), "
	"'nullable', NOT (a.attnotnull OR t.typnotnull), 'generated', a.attgenerated" NE "''::" C
	"\"char\" OR a.attidentity" EQ "'a'::" C "\"char\", 'default', CASE WHEN a.attgenerated" NE "''::" C
	"\"char\" THEN NULL WHEN a.attidentity" EQ "'d'::" C "\"char\" THEN " C
	"format('pg_catalog.nextval(%L::pg_catalog.regclass)', " C "quote_ident(sn.nspname)" CAT "'.'" CAT C
	"quote_ident(s.relname)) WHEN d.adbin IS NOT NULL THEN " C "pg_get_expr(d.adbin, d.adrelid) ELSE " C
	"pg_get_expr(t.typdefaultbin, 0) END, 'comment', de.description, 'enum', CASE WHEN bt.typtype" EQ "'e'::" C
	"\"char\" THEN (SELECT " C "json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM " C
	"pg_enum e WHERE e.enumtypid" EQ "bt.oid) END"
	") ORDER BY a.attnum) AS list FROM rel r JOIN " C "pg_attribute a ON a.attrelid" EQ "r.oid JOIN " C
	"pg_type t ON t.oid" EQ "a.atttypid LEFT JOIN base b ON b.oid" EQ "a.atttypid JOIN " C "pg_type bt ON bt.oid" EQ
	"COALESCE(b.base, a.atttypid) LEFT JOIN (" C "pg_depend i JOIN " C "pg_class s ON s.oid" EQ
	"i.objid AND s.relkind" EQ "'S'::" C "\"char\" JOIN " C "pg_namespace sn ON sn.oid" EQ
	"s.relnamespace) ON a.attidentity" EQ "'d'::" C "\"char\" AND i.classid" EQ "1259::" C "oid AND i.refclassid" EQ
	"1259::" C "oid AND i.refobjid" EQ "a.attrelid AND i.refobjsubid" EQ "a.attnum AND i.deptype" EQ "'i'::" C
	"\"char\" LEFT JOIN " C "pg_description de ON de.objoid" EQ "a.attrelid AND de.classoid" EQ "1259::" C
	"oid AND de.objsubid" EQ "a.attnum::" C "int4 LEFT JOIN " C "pg_attrdef d ON d.adrelid" EQ
	"a.attrelid AND d.adnum" EQ
	"a.attnum WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped GROUP BY a.attrelid), "
	"rels AS (SELECT " C "json_agg(" C "json_build_object('oid', r.oid::" C
	"int8, 'schema', r.nspname, 'name', r.relname, 'kind', r.relkind, 'comment', " C
	"obj_description(r.oid, 'pg_class'), 'updates', CASE WHEN r.relkind" EQ "ANY ('{r,p}'::" C
	"\"char\"[]) THEN 28 WHEN r.relkind" EQ "'m'::" C "\"char\" THEN 0 ELSE " C
	"pg_relation_is_updatable(r.oid, true) END, 'columns', COALESCE(c.list, '[]')) ORDER BY r.nspname, r.relname) AS "
	"list "
	"FROM rel r LEFT JOIN col c ON c.attrelid" EQ "r.oid), "
	/* keys of all tables: views of exposed schemas may show tables of others */
	"keys AS (SELECT " C "json_agg(" C "json_build_object('table', k.conrelid::" C "int8, 'primary', k.contype" EQ
	"'p'::" C "\"char\", 'columns', k.conkey)) AS list FROM " C "pg_constraint k WHERE k.contype" EQ
	"ANY ('{p,u}'::" C "\"char\"[]) AND k.conrelid OPERATOR(pg_catalog.>=) 16384::" C "oid), "
	"foreign_keys AS (SELECT " C "json_agg(" C "json_build_object('name', k.conname, 'table', k.conrelid::" C
	"int8, 'other', k.confrelid::" C
	"int8, 'columns', k.conkey, 'other_columns', k.confkey) ORDER BY k.conrelid, k.conname) AS list FROM " C
	"pg_constraint k WHERE k.contype" EQ "'f'::" C "\"char\" AND k.conparentid" EQ "0::" C "oid), "
	/* views, and the views below them */
	"view AS (SELECT r.oid FROM rel r WHERE r.relkind" EQ "ANY ('{v,m}'::" C
	"\"char\"[]) UNION SELECT c.oid FROM view v JOIN " C "pg_rewrite w ON w.ev_class" EQ "v.oid JOIN " C
	"pg_depend d ON d.classid" EQ "2618::" C "oid AND d.objid" EQ "w.oid AND d.refclassid" EQ "1259::" C "oid JOIN " C
	"pg_class c ON c.oid" EQ "d.refobjid AND c.relkind" EQ "ANY ('{v,m}'::" C "\"char\"[])), "
	"views AS (SELECT " C "json_agg(" C "json_build_object('oid', v.oid::" C "int8, 'rule', w.ev_action::" C
	"text)) AS list FROM view v JOIN " C "pg_rewrite w ON w.ev_class" EQ "v.oid AND w.ev_type" EQ "'1'::" C
	"\"char\" WHERE " C "octet_length(w.ev_action::" C "text) OPERATOR(pg_catalog.<) 1000000), "
	/* functions of one row: computed columns and relationships */
	"computed AS (SELECT " C "json_agg(" C
	"json_build_object('schema', n.nspname, 'name', p.proname, 'table', r.oid::" C "int8, 'other', o.oid::" C
	"int8, 'single', NOT p.proretset OR p.prorows" EQ "1::" C "float4, 'type', " C
	"format_type(p.prorettype, NULL), 'set', p.proretset) ORDER BY p.oid) AS list FROM " C
	"pg_proc p JOIN rel r ON r.reltype" EQ "p.proargtypes[0] JOIN " C "pg_namespace n ON n.oid" EQ
	"p.pronamespace LEFT JOIN rel o ON o.reltype" EQ "p.prorettype WHERE p.pronargs" EQ "1::" C
	"int2 AND p.prokind" EQ "'f'::" C "\"char\"), "
	"routines AS (SELECT " C "json_agg(" C "json_build_object('schema', n.nspname, 'name', p.proname, 'comment', " C
	"obj_description(p.oid, 'pg_proc'), 'volatility', p.provolatile, 'set', p.proretset, 'returns', " C
	"format_type(p.prorettype, NULL), 'base', " C "format_type(t.oid, NULL), 'domain', CASE WHEN rt.typtype" EQ
	"'d'::" C "\"char\" THEN rt.typname END, 'row', t.typtype" EQ "'c'::" C
	"\"char\" OR COALESCE(p.proargmodes OPERATOR(pg_catalog.&&) '{t,b,o}'::" C
	"\"char\"[], false), 'relation', t.typrelid::" C "int8, 'settings', p.proconfig, 'arguments', (SELECT " C
	"json_agg(" C "json_build_object('name', COALESCE(p.proargnames[x.place], ''), 'type', " C
	"format_type(x.type, NULL), 'required', x.input OPERATOR(pg_catalog.<=) (p.pronargs OPERATOR(pg_catalog.-) "
	"p.pronargdefaults), 'variadic', x.mode" EQ "'v'::" C
	"\"char\") ORDER BY x.place) FROM (SELECT u.type, u.place, COALESCE(p.proargmodes[u.place], 'i'::" C
	"\"char\") AS mode, " C "row_number() OVER (ORDER BY u.place) AS input FROM " C
	"unnest(COALESCE(p.proallargtypes, "
	"p.proargtypes::" C "oid[])) WITH ORDINALITY AS u(type, place) WHERE COALESCE(p.proargmodes[u.place], 'i'::" C
	"\"char\")" EQ "ANY ('{i,b,v}'::" C
	"\"char\"[])) x)) ORDER BY n.nspname, p.proname, p.pronargs, p.oid) AS list FROM " C "pg_proc p JOIN " C
	"pg_namespace n ON n.oid" EQ "p.pronamespace JOIN " C "pg_type rt ON rt.oid" EQ
	"p.prorettype LEFT JOIN base b ON b.oid" EQ "p.prorettype JOIN " C "pg_type t ON t.oid" EQ
	"COALESCE(b.base, p.prorettype) WHERE n.nspname" EQ "ANY ($1::" C "text[]::" C "name[]) AND p.prokind" EQ
	"'f'::" C "\"char\" AND p.prorettype" NE "ALL ('{2279,3838,2280,2281}'::" C "oid[])) "
	"SELECT " C "json_build_object('relations', COALESCE((SELECT list FROM rels), '[]'), 'keys', COALESCE((SELECT "
	"list FROM keys), "
	"'[]'), 'foreign_keys', COALESCE((SELECT list FROM foreign_keys), '[]'), 'views', COALESCE((SELECT list FROM "
	"views), '[]'), "
	"'computed', COALESCE((SELECT list FROM computed), '[]'), 'routines', COALESCE((SELECT list FROM routines), "
	"'[]'))) END";

const char *
schema_query(void)
{
	return query;
}
