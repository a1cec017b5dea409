/*
 * check_columns.sql
 *		Columns whose names say that they hold secrets or personal data: a name is a hint, and so is what is found.
 */

CREATE VIEW twin_internal.telling_columns AS
	SELECT c.*,
		c.words ~ '(^|_)(password|passwd|pwd|passphrase|passcode|secret|token|api_?key|apikey|private_?key|access_?key|signing_?key|credentials?|pin|pin_?code|cvv|cvc|otp_?seed|recovery_?code)s?(_|$)'
			AND c.words !~ '_(hash|hashes|hashed|digest|fingerprint|id|ids|kid|at|on|count|type|hint|length|policy|status|enabled|required|url|expires|expiry|lifetime|name|version)$'
			AND c.typcategory <> 'B' AND c.typcategory <> 'D' AND c.typcategory <> 'T' AS is_secret,
		c.words ~ '(^|_)(e_?mail|email|phone|mobile|telephone|ssn|social_security|national_id|tax_id|passport|driving_licen[cs]e|birth_?date|date_of_birth|birthday|dob|iban|bank_account|credit_card|card_number|first_?name|last_?name|surname|given_?name|family_?name|full_?name|home_address|postal_address|street_address|salary|diagnosis|religion)(_|$)'
			AND c.words !~ '_(id|ids|at|on|count|type|status|enabled|verified|required|hash|digest)$' AND c.typcategory <> 'B' AS is_personal
	FROM twin_internal.own_columns c;
COMMENT ON VIEW twin_internal.telling_columns IS 'own_columns, and whether their names and types let one expect a secret or personal data';

CREATE VIEW twin_internal.check_column_1 AS
	SELECT 'fail' AS status, format('%s.%I', c.relation, c.attname) AS object, 'its name is that of a secret, its type is ' || format_type(c.atttypid, NULL) AS detail,
		format('CALL twin.encrypt_column(%L, %L, ''main'');', c.relation, c.attname) AS remedy
	FROM twin_internal.telling_columns c WHERE c.is_secret AND NOT c.is_encrypted;
COMMENT ON VIEW twin_internal.check_column_1 IS 'columns for secrets that are not encrypted';

CREATE VIEW twin_internal.check_column_2 AS
	SELECT 'warn' AS status, format('%s.%I', c.relation, c.attname) AS object, 'its name is that of personal data, its type is ' || format_type(c.atttypid, NULL) AS detail,
		format('CALL twin.encrypt_column(%L, %L, ''main'', searchable => true);', c.relation, c.attname) AS remedy
	FROM twin_internal.telling_columns c WHERE c.is_personal AND NOT c.is_secret AND NOT c.is_encrypted;
COMMENT ON VIEW twin_internal.check_column_2 IS 'columns for personal data that are not encrypted';

CREATE VIEW twin_internal.check_column_3 AS
	SELECT 'fail' AS status, c.relation::text AS object, 'its changes are not recorded; it holds ' || string_agg(quote_ident(c.attname), ', ' ORDER BY c.attname) AS detail
	FROM twin_internal.telling_columns c
	WHERE (c.is_secret OR c.is_personal OR c.is_encrypted) AND c.relkind IN ('r', 'p') AND NOT twin_internal.is_audited(c.relation) GROUP BY c.relation;
COMMENT ON VIEW twin_internal.check_column_3 IS 'tables with secrets, personal data or encrypted columns that are not audited';
