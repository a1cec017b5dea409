/*
 * password.sql
 *		Passwords: bcrypt, strength, generation.
 *
 * Hashing takes a turn that logins need too, so it is for applications and
 * administrators: nothing here is for PUBLIC.  None is IMMUTABLE: what is given
 * to them must not be evaluated, and shown, while a query is planned; and none
 * that hashes is STABLE, for the planner runs those to estimate.
 */

CREATE FUNCTION twin.hash_password(password text, cost integer DEFAULT NULL) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000000 AS 'MODULE_PATHNAME', 'tsec_hash_password';
COMMENT ON FUNCTION twin.hash_password(text, integer) IS 'bcrypt hash ($2b$) of a password of at most 72 bytes; cost 4 to 15, by default twin_security.bcrypt_cost';

CREATE FUNCTION twin.verify_password(password text, hash text) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000000 AS 'MODULE_PATHNAME', 'tsec_verify_password';
COMMENT ON FUNCTION twin.verify_password(text, text) IS 'whether a bcrypt hash ($2a$, $2b$, $2y$) is that of a password; never NULL, and a NULL hash takes as long as a real one';

CREATE FUNCTION twin_internal.verify_login_password(password text, hash text) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000000 AS 'MODULE_PATHNAME', 'tsec_verify_login_password';
COMMENT ON FUNCTION twin_internal.verify_login_password(text, text) IS 'verify_password() for logins: hashes of a lower cost, and none, take the time of the present cost';

CREATE FUNCTION twin.password_needs_rehash(hash text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsec_password_needs_rehash';
COMMENT ON FUNCTION twin.password_needs_rehash(text) IS 'whether a hash has a lower cost than twin_security.bcrypt_cost or another kind than $2b$';

CREATE FUNCTION twin.check_password_strength(password text, username text DEFAULT NULL, email text DEFAULT NULL)
	RETURNS TABLE(acceptable boolean, score integer, reasons text[])
	LANGUAGE c STABLE PARALLEL SAFE CALLED ON NULL INPUT ROWS 1 COST 10000 AS 'MODULE_PATHNAME', 'tsec_check_password_strength';
COMMENT ON FUNCTION twin.check_password_strength(text, text, text) IS 'whether a password may be chosen, its score from 0 to 4, and what is wrong with it in sentences';

CREATE FUNCTION twin.generate_password(length integer DEFAULT 16) RETURNS text
	LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsec_generate_password';
COMMENT ON FUNCTION twin.generate_password(integer) IS 'random password of letters, digits and !@#$%^&*, each equally likely; 8 to 72 characters, where 16, the default, stands for twin_security.password_min_length if that is more';

REVOKE ALL ON FUNCTION twin.hash_password(text, integer), twin.verify_password(text, text),
	twin_internal.verify_login_password(text, text), twin.password_needs_rehash(text),
	twin.check_password_strength(text, text, text), twin.generate_password(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.hash_password(text, integer), twin.verify_password(text, text) TO twin_admin, twin_operator;
GRANT EXECUTE ON FUNCTION twin.password_needs_rehash(text), twin.check_password_strength(text, text, text),
	twin.generate_password(integer) TO twin_admin, twin_operator, twin_viewer;
