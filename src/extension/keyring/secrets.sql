/*
 * secrets.sql
 *		Secrets of other parts, wrapped like keys and rewrapped with them.
 */

CREATE TABLE twin_internal.wrapped_secrets (
	purpose text COLLATE "C" NOT NULL CHECK (pg_catalog.octet_length(purpose) BETWEEN 1 AND 255),
	name text COLLATE "C" NOT NULL CHECK (pg_catalog.octet_length(name) BETWEEN 1 AND 255),
	binding bytea NOT NULL CHECK (pg_catalog.length(binding) = 32),
	wrapped bytea NOT NULL CHECK (pg_catalog.length(wrapped) BETWEEN 29 AND 8221),
	wrapping_id bytea NOT NULL CHECK (pg_catalog.length(wrapping_id) = 16),
	PRIMARY KEY (purpose, name)
);
COMMENT ON TABLE twin_internal.wrapped_secrets IS 'secrets of other parts, wrapped under a key derived from ENCRYPTION_KEY and bound to their purpose, name and binding';
SELECT pg_catalog.pg_extension_config_dump('twin_internal.wrapped_secrets', '');

CREATE FUNCTION twin_internal.rewrap_secret(purpose text, name text, binding bytea, INOUT wrapped bytea, INOUT wrapping_id bytea) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_rewrap_secret';
COMMENT ON FUNCTION twin_internal.rewrap_secret(text, text, bytea, bytea, bytea) IS 'wraps a secret under the present ENCRYPTION_KEY';

CREATE FUNCTION twin_internal.store_secret(of_purpose text, named text, bound_to bytea, wrapped_as bytea, wrapped_by bytea) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	/* as for keys: what ENCRYPTION_KEY does not fit must not grow */
	PERFORM twin_internal.check_master_key(array_agg(i.wrapping_id)) FROM twin_internal.wrapping_ids() AS i (wrapping_id);
	INSERT INTO twin_internal.wrapped_secrets VALUES (of_purpose, named, bound_to, wrapped_as, wrapped_by);
END
$$;
COMMENT ON FUNCTION twin_internal.store_secret(text, text, bytea, bytea, bytea) IS 'keeps a wrapped secret; raises TW101 when ENCRYPTION_KEY does not fit what is there';
