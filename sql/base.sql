-- base: schemas, roles, settings, and how an error looks
\set SHOW_CONTEXT never
CREATE EXTENSION twin_security;

SELECT nspname, pg_get_userbyid(nspowner) = current_user AS owned_by_installer, nspacl IS NOT NULL AS has_acl
FROM pg_namespace WHERE nspname LIKE 'twin%' ORDER BY 1;

SELECT rolname, rolcanlogin, rolinherit, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname LIKE 'twin\_%' ORDER BY 1;

SELECT name, CASE WHEN length(setting) > 13 THEN left(setting, 10) || '...' ELSE setting END AS setting, context FROM pg_settings WHERE name LIKE 'twin\_security.%' ORDER BY 1;

-- the prefix is ours: a misspelt setting is refused
SET twin_security.no_such_setting = 1;
SET twin_security.key_message_limit = 1;

-- only a superuser reads how the key is fetched
CREATE ROLE base_user LOGIN;
SET ROLE base_user;
\set VERBOSITY sqlstate
SHOW twin_security.key_command;
\set VERBOSITY default
SELECT count(*) FROM pg_settings WHERE name = 'twin_security.key_command';
RESET ROLE;

-- every object of the extension carries a comment
SELECT pg_describe_object(classid, objid, 0) AS without_comment
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'twin_security')
	AND classid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass, 'pg_opclass'::regclass)
	AND obj_description(objid, classid::regclass::name) IS NULL
	AND NOT (classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type t WHERE t.oid = objid AND (t.typrelid <> 0 OR t.typelem <> 0)))
ORDER BY 1;

-- functions that run with their owner's rights pin the search path
SELECT p.oid::regprocedure AS unpinned
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('twin', 'twin_internal') AND p.prosecdef
	AND NOT coalesce(array_to_string(p.proconfig, ',') LIKE '%search_path=pg_catalog, pg_temp%', false);

-- a dropped extension leaves nothing, and can be created again
DROP EXTENSION twin_security;
SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'twin%';
SELECT count(*) FROM pg_operator o WHERE o.oprcode::text LIKE '%encrypted%';

-- a role that could step around everything is not adopted
ALTER ROLE twin_operator BYPASSRLS;
CREATE EXTENSION twin_security;
ALTER ROLE twin_operator NOBYPASSRLS;

-- neither is a schema that somebody planted
CREATE SCHEMA twin;
CREATE EXTENSION twin_security;
DROP SCHEMA twin;

CREATE EXTENSION twin_security;
DROP ROLE base_user;
