/*
 * objects.sql
 *		What is somebody's own in this database: neither the server's nor an extension's. Names are quoted and qualified,
 *		fit for a command.
 */

/* One at a time; pg_settings prints all there are to look one up. */
CREATE FUNCTION twin_internal.server_setting(setting_name text) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsec_server_setting';
COMMENT ON FUNCTION twin_internal.server_setting(text) IS 'what sessions begin with, whatever this one set; null for an unknown name';
REVOKE ALL ON FUNCTION twin_internal.server_setting(text) FROM PUBLIC;

CREATE VIEW twin_internal.own_schemas AS
	SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_catalog.pg_namespace n
	WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(temp|toast)'
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e');
COMMENT ON VIEW twin_internal.own_schemas IS 'schemas that neither the server nor an extension made';

CREATE VIEW twin_internal.own_relations AS
	SELECT c.oid::regclass AS relation, c.relname, c.relkind, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relispartition,
		c.relpages
	FROM pg_catalog.pg_class c JOIN twin_internal.own_schemas n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
COMMENT ON VIEW twin_internal.own_relations IS 'tables and views that neither the server nor an extension made';

CREATE VIEW twin_internal.own_functions AS
	SELECT p.oid::regprocedure AS function, p.proowner, p.proacl, p.prosecdef, p.proconfig
	FROM pg_catalog.pg_proc p JOIN twin_internal.own_schemas n ON n.oid = p.pronamespace
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e');
COMMENT ON VIEW twin_internal.own_functions IS 'functions that neither the server nor an extension made';

/* Names as one writes them: camelCase is taken apart. Partitions have their table's columns. */
CREATE VIEW twin_internal.own_columns AS
	SELECT r.relation, r.relkind, a.attname, lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])', E'\\1_\\2', 'g')) AS words, a.atttypid,
		t.typcategory, twin_internal.holds_encrypted(a.atttypid) AS is_encrypted
	FROM twin_internal.own_relations r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.relation AND a.attnum > 0 AND NOT a.attisdropped
		JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
	WHERE r.relkind IN ('r', 'p', 'm', 'f') AND NOT r.relispartition;
COMMENT ON VIEW twin_internal.own_columns IS 'stored columns of own_relations, with the words of their names and whether they are encrypted';
