/*
 * unusual.sql
 *		What is usual for whom, as it was learned from the log of events: see unusual.c.
 *
 * Profiles belong to the model of their seed, so they travel together, and take the place of what a new database has begun to
 * learn. What they hold of names are hashes; what they hold of habits is nobody's business, so the view shows neither.
 */

CREATE TABLE twin_internal.access_model (
	is_here boolean PRIMARY KEY DEFAULT true CHECK (is_here),
	seed bigint NOT NULL,
	model bytea NOT NULL
);
COMMENT ON TABLE twin_internal.access_model IS 'one row: what the access of all users has in common';
SELECT twin_internal.keep_from_publishers('twin_internal.access_model');

CREATE TABLE twin_internal.access_profiles (
	username text NOT NULL,
	is_role boolean NOT NULL,	/* of the database; else a user of the twin */
	profile bytea NOT NULL,
	window_events bigint[] NOT NULL,	/* the last ones of the hour that is open */
	since timestamptz NOT NULL,
	windows bigint NOT NULL,
	last_active timestamptz NOT NULL,
	last_score real NOT NULL,
	PRIMARY KEY (username, is_role)
) WITH (fillfactor = 50);
COMMENT ON TABLE twin_internal.access_profiles IS 'what is usual for whom; of ten thousand users at most, of whom the least recently active give way';
SELECT twin_internal.keep_from_publishers('twin_internal.access_profiles');

CREATE TABLE twin_internal.access_excuses (
	username text NOT NULL,
	is_role boolean NOT NULL,
	alert_id bigint NOT NULL,
	details jsonb NOT NULL,
	PRIMARY KEY (username, is_role, alert_id)
);
COMMENT ON TABLE twin_internal.access_excuses IS 'what analysts said of alerts, until the writer of events has taken it into the profiles, which only it writes: so it waits for nobody''s transaction';
SELECT twin_internal.keep_from_publishers('twin_internal.access_excuses');

SELECT pg_catalog.pg_extension_config_dump('twin_internal.access_excuses', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.access_model', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.access_profiles', '');

CREATE FUNCTION twin_internal.replace_access_learned() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_TABLE_NAME = 'access_model' THEN
		DELETE FROM twin_internal.access_model m WHERE m.seed <> NEW.seed;
	ELSE
		DELETE FROM twin_internal.access_profiles p WHERE p.username = NEW.username AND p.is_role = NEW.is_role;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.replace_access_learned() IS 'lets what a dump brings take the place of what was learned since CREATE EXTENSION';
CREATE TRIGGER replace_learned BEFORE INSERT ON twin_internal.access_model
	FOR EACH ROW EXECUTE FUNCTION twin_internal.replace_access_learned();
CREATE TRIGGER replace_learned BEFORE INSERT ON twin_internal.access_profiles
	FOR EACH ROW EXECUTE FUNCTION twin_internal.replace_access_learned();

CREATE VIEW twin.access_profiles AS
	SELECT p.username, p.is_role, p.since, p.windows, p.last_active, p.last_score FROM twin_internal.access_profiles p;
COMMENT ON VIEW twin.access_profiles IS
	'of whom it is known what access is usual: since when, from how many hours of activity, when he was active last, and how unusual the last whole hour was (an alert from 5.2 on); is_role: of the database, else a user of the twin';

CREATE FUNCTION twin_internal.excuse_access(profile bytea, details jsonb) RETURNS bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_excuse_access';
COMMENT ON FUNCTION twin_internal.excuse_access(bytea, jsonb) IS 'a profile, to which what the details of an alert name is as always';

CREATE FUNCTION twin.mark_alert_false(alert_id bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	alert twin_internal.alerts;
BEGIN
	IF mark_alert_false.alert_id IS NULL THEN
		RAISE EXCEPTION 'no alert is named' USING ERRCODE = '22004';
	END IF;
	SELECT a.* INTO alert FROM twin_internal.alerts a WHERE a.alert_id = mark_alert_false.alert_id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'alert % does not exist', mark_alert_false.alert_id USING ERRCODE = '42704';
	ELSIF alert.rule_name <> 'unusual_access_patterns' THEN
		RAISE EXCEPTION 'alert % was not learned, but raised by rule "%"', alert.alert_id, alert.rule_name
			USING ERRCODE = '55000', HINT = 'Change the rule in twin.alert_rules.';
	ELSIF alert.is_false THEN
		RETURN;
	END IF;
	/* tried here, so that who asks hears what is wrong with it */
	INSERT INTO twin_internal.access_excuses (username, is_role, alert_id, details)
		SELECT p.username, p.is_role, alert.alert_id, alert.details FROM twin_internal.access_profiles p
		WHERE p.username = alert.subject AND p.is_role = (alert.details->>'subject_is' = 'role') AND twin_internal.excuse_access(p.profile, alert.details) IS NOT NULL;
	UPDATE twin_internal.alerts a SET is_false = true WHERE a.alert_id = alert.alert_id;
	PERFORM twin_internal.emit_event('alert_marked_false', alert.rule_name, 'alert', jsonb_build_object('alert_id', alert.alert_id, 'subject', alert.subject), 'medium');
END
$$;
COMMENT ON FUNCTION twin.mark_alert_false(bigint) IS
	'says of an alert of rule unusual_access_patterns that it was none: such access of this user raises none again, for about three months';

REVOKE ALL ON FUNCTION twin_internal.replace_access_learned(), twin_internal.excuse_access(bytea, jsonb), twin.mark_alert_false(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.mark_alert_false(bigint) TO twin_admin;
GRANT SELECT ON twin.access_profiles TO twin_admin, twin_auditor;
