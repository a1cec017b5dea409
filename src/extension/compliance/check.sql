/*
 * check.sql
 *		twin.security_check(): the catalogue, and what each check finds.
 */

/*
 * What fails in a check is what that check says; the others go on. Names come from the catalogue, which nobody edits. A lock
 * that somebody holds is waited for a moment, no longer.
 */
CREATE FUNCTION twin_internal.findings_of(check_id text) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found jsonb;
BEGIN
	IF EXISTS (SELECT FROM twin_internal.setting_checks s WHERE s.check_id = $1) THEN
		found := (SELECT jsonb_agg(to_jsonb(f)) FROM twin_internal.setting_findings f WHERE f.check_id = $1);
	ELSE
		EXECUTE format('SELECT jsonb_agg(to_jsonb(f)) FROM twin_internal.%I f', 'check_' || lower(replace($1, '-', '_'))) INTO found;
	END IF;
	RETURN coalesce(found, '[]');
EXCEPTION WHEN OTHERS THEN
	RETURN jsonb_build_array(jsonb_build_object('status', 'warn', 'object', NULL, 'detail', format('the check itself failed: %s (%s)', SQLERRM, SQLSTATE)));
END
$$;
COMMENT ON FUNCTION twin_internal.findings_of(text) IS 'what one check finds, as an array of objects with status, object, detail and remedy; its failure is a finding';

/* All that settings say, at one look at them: findings by check; null: it failed, and each check says so. */
CREATE FUNCTION twin_internal.findings_of_settings() RETURNS jsonb
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT jsonb_object_agg(c.check_id, c.findings)
		FROM (SELECT f.check_id, jsonb_agg(to_jsonb(f)) AS findings FROM twin_internal.setting_findings f GROUP BY f.check_id) c);
EXCEPTION WHEN OTHERS THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.findings_of_settings() IS 'what the checks of settings find: an object whose members are what findings_of() says of each';

/*
 * Somebody pastes it. What begins with a comment stays one whatever lines a name has; nothing that a terminal takes for a key
 * comes along: what has such a character is handed out as a comment.
 */
CREATE FUNCTION twin_internal.fit_to_paste(remedy text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN remedy LIKE '--%' THEN regexp_replace(remedy, '[[:cntrl:]]', ' ', 'g')
			/* lines within quotes do no harm */
			WHEN remedy ~ E'[\\x01-\\x08\\x0b-\\x1f\\x7f]' THEN '-- (the name holds control characters) ' || regexp_replace(remedy, '[[:cntrl:]]', ' ', 'g')
			ELSE remedy END;
	END;
COMMENT ON FUNCTION twin_internal.fit_to_paste(text) IS 'a remedy as it may be pasted into a terminal';

/* One placeholder is put in once, so that a name with another in it stays a name. */
CREATE FUNCTION twin_internal.remedy_for(remedy text, object text) RETURNS text
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT filled.in_text
		FROM (SELECT CASE WHEN strpos(remedy, '{literal}') > 0 THEN replace(remedy, '{literal}', coalesce(quote_literal(object), '...'))
			ELSE replace(remedy, '{object}', coalesce(object, '...')) END) filled (in_text);
	END;
COMMENT ON FUNCTION twin_internal.remedy_for(text, text) IS 'a remedy of the catalogue for one object: its name for {object}, that as a string for {literal}';

CREATE FUNCTION twin.security_check() RETURNS TABLE (check_id text, title text, severity text, status text, object text, detail text, remediation text, reference text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' SET jit = off AS $$
#variable_conflict use_column
DECLARE
	asked twin.security_checks;
	findings jsonb;
	of_settings jsonb;
BEGIN
	PERFORM twin_internal.is_preloaded();	/* a library that was not has its settings from its first use on */
	of_settings := twin_internal.findings_of_settings();
	FOR asked IN SELECT c.* FROM twin.security_checks c LOOP
		findings := coalesce(of_settings -> asked.check_id, twin_internal.findings_of(asked.check_id));
		RETURN QUERY
			SELECT asked.check_id, asked.title, asked.severity, f.status, f.object, f.detail,
				twin_internal.fit_to_paste(coalesce(f.remedy, twin_internal.remedy_for(asked.remediation, f.object))), asked.reference
			FROM jsonb_to_recordset(findings) f (status text, object text, detail text, remedy text) WHERE f.status IN ('fail', 'warn') ORDER BY f.status, f.object;
		IF NOT FOUND THEN
			RETURN QUERY
				SELECT asked.check_id, asked.title, asked.severity, CASE WHEN bool_and(f.status = 'not_applicable') THEN 'not_applicable' ELSE 'pass' END, NULL::text,
					coalesce(string_agg(f.detail, '; ' ORDER BY f.object), 'nothing was found'), NULL::text, asked.reference
				FROM jsonb_to_recordset(findings) f (status text, object text, detail text);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin.security_check() IS
	'judges how this database is set up: for each check of twin.security_checks one row per object that is wrong, with a command that mends it, or one that says pass or not_applicable';

REVOKE ALL ON FUNCTION twin_internal.findings_of(text), twin_internal.findings_of_settings(), twin_internal.fit_to_paste(text), twin_internal.remedy_for(text, text), twin.security_check() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.security_check() TO twin_admin, twin_auditor;
GRANT SELECT ON twin.security_checks TO twin_admin, twin_auditor;
