/*
 * base.sql
 *		Schemas and database roles.  Plain CREATE: nothing that somebody planted
 *		beforehand is adopted.
 */

CREATE SCHEMA twin;
COMMENT ON SCHEMA twin IS 'twin_security: what applications and administrators may call';
GRANT USAGE ON SCHEMA twin TO PUBLIC;

CREATE SCHEMA twin_internal;
COMMENT ON SCHEMA twin_internal IS 'twin_security: tables and helpers; nobody has USAGE';

/*
 * Roles belong to the cluster, so a second database finds them there.  One that
 * could step around row security or make itself a superuser is refused.
 */
DO $$
DECLARE
	wanted name;
	existing record;
BEGIN
	FOREACH wanted IN ARRAY ARRAY['twin_admin', 'twin_auditor', 'twin_operator', 'twin_viewer', 'twin_anonymous',
								  'twin_gateway']
	LOOP
		SELECT rolsuper, rolbypassrls, rolcreaterole INTO existing FROM pg_catalog.pg_roles WHERE rolname = wanted;
		IF NOT FOUND THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN %s', wanted,
				CASE wanted WHEN 'twin_gateway' THEN 'NOINHERIT' ELSE 'INHERIT' END);
		ELSIF existing.rolsuper OR existing.rolbypassrls OR existing.rolcreaterole THEN
			RAISE EXCEPTION 'role "%" exists with SUPERUSER, BYPASSRLS or CREATEROLE', wanted
				USING ERRCODE = '42501', HINT = 'Drop it, or take these attributes away, and create the extension again.';
		END IF;
	END LOOP;
END
$$;

GRANT USAGE ON SCHEMA twin TO twin_admin, twin_auditor, twin_operator, twin_viewer;
