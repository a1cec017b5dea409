/*
 * view.sql
 *		Views that show encrypted columns opened and can be written.
 */

CREATE FUNCTION twin.create_decrypted_view(rel regclass, view_name text) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_create_decrypted_view';
COMMENT ON FUNCTION twin.create_decrypted_view(regclass, text) IS
	'a view of a table for applications: encrypted columns read as their base types and are written in plain; the caller must own the table';

/* In the schema that everybody may use: the owner of a table makes the trigger, and so does whoever restores his dump. */
CREATE FUNCTION twin.write_decrypted_view() RETURNS trigger
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_write_decrypted_view';
COMMENT ON FUNCTION twin.write_decrypted_view() IS 'writes a row of a decrypted view into its table, with the privileges of whoever writes';

CREATE FUNCTION twin_internal.readable_probe(anyelement, integer) RETURNS anyelement
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_readable_probe';
COMMENT ON FUNCTION twin_internal.readable_probe(anyelement, integer) IS
	'its argument, for whoever may decrypt with the key of a type modifier; an error for everybody else';
