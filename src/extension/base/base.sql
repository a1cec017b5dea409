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
								  'twin_gateway', 'twin_notifier']
	LOOP
		SELECT rolsuper, rolbypassrls, rolcreaterole INTO existing FROM pg_catalog.pg_roles WHERE rolname = wanted;
		IF NOT FOUND THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN %s', wanted,
				CASE wanted WHEN 'twin_gateway' THEN 'NOINHERIT' ELSE 'INHERIT' END);
			IF wanted = 'twin_gateway' THEN
				/* what a request may act in; without a token that warrants it none of these counts: identity/warrant.c */
				GRANT twin_anonymous, twin_viewer, twin_operator, twin_admin, twin_auditor TO twin_gateway;
				/* its parameters are tokens and passwords of requests: the server's log has none of them, whatever else it logs */
				ALTER ROLE twin_gateway SET log_parameter_max_length = 0;
				ALTER ROLE twin_gateway SET log_parameter_max_length_on_error = 0;
			END IF;
		ELSIF existing.rolsuper OR existing.rolbypassrls OR existing.rolcreaterole THEN
			RAISE EXCEPTION 'role "%" exists with SUPERUSER, BYPASSRLS or CREATEROLE', wanted
				USING ERRCODE = '42501', HINT = 'Drop it, or take these attributes away, and create the extension again.';
		END IF;
	END LOOP;
END
$$;

GRANT USAGE ON SCHEMA twin TO twin_admin, twin_auditor, twin_operator, twin_viewer;

/*
 * Which database this is, and since when. It does not travel with a dump; what replication brings gives way to what is
 * there. The name of the key made of JWT_SECRET_KEY holds the mark, so that a token of a copy of the database, or of the
 * extension before it was made anew, is not taken for one of ours though the secret is the same; and rows older than the
 * installation came with a restore: this server's memory knows nothing of them.
 */
CREATE TABLE twin_internal.installation (
	is_here boolean PRIMARY KEY DEFAULT true CHECK (is_here),
	mark uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	installed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE twin_internal.installation IS 'one row: a random mark of this database, drawn at CREATE EXTENSION, and when that was; never changed, never dumped';
INSERT INTO twin_internal.installation DEFAULT VALUES;

CREATE FUNCTION twin_internal.keep_as_it_is() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.keep_as_it_is() IS 'for triggers before rows are changed that are not to be: nothing changes, and nobody is stopped';
REVOKE ALL ON FUNCTION twin_internal.keep_as_it_is() FROM PUBLIC;
CREATE TRIGGER keep_installation BEFORE INSERT OR UPDATE OR DELETE ON twin_internal.installation
	FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_as_it_is();
ALTER TABLE twin_internal.installation ENABLE ALWAYS TRIGGER keep_installation;

/* For the extension's script. */
CREATE FUNCTION twin_internal.keep_from_publishers(rel regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER keep_from_publishers BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_as_it_is()', rel);
	EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER keep_from_publishers', rel);
END
$$;
COMMENT ON FUNCTION twin_internal.keep_from_publishers(regclass) IS 'has rows left out that a subscription brings to a table, because every database has its own of them';
REVOKE ALL ON FUNCTION twin_internal.keep_from_publishers(regclass) FROM PUBLIC;

--@include seeds.sql
--@include environment.sql
