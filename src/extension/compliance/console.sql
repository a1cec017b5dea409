/*
 * console.sql
 *		What the security console shows of it.
 */

CREATE FUNCTION twin_console.security_check() RETURNS TABLE (check_id text, title text, severity text, status text, object text, detail text, remediation text, reference text)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 150 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.check_id, c.title, c.severity, c.status, c.object, c.detail, c.remediation, c.reference FROM twin.security_check() c;
END;
COMMENT ON FUNCTION twin_console.security_check() IS 'what twin.security_check() finds';

REVOKE ALL ON FUNCTION twin_console.security_check() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_console.security_check() TO twin_admin, twin_auditor;
