/*
 * check_keys.sql
 *		Keys are there, young, not worn out, and not in use after their end.
 */

CREATE VIEW twin_internal.check_key_1 AS
	SELECT 'fail' AS status, v.key_name::text AS object, format('version %s has sealed since %s', v.version, to_char(v.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS detail
	FROM twin_internal.key_versions v JOIN twin_internal.keys k USING (key_name)
	WHERE v.state = 'primary' AND k.kind IN ('data', 'environment') AND v.created_at < now() - interval '1 year';
COMMENT ON VIEW twin_internal.check_key_1 IS 'keys that were not rotated for a year';

/* 2^32 messages is the end for random nonces of 96 bits; XAES has longer ones. */
CREATE VIEW twin_internal.check_key_2 AS
	SELECT CASE WHEN u.messages >= 4294967296 * 0.8 THEN 'fail' ELSE 'warn' END AS status, v.key_name::text AS object,
		format('version %s: %s of 4294967296 messages, rotation is due at %s', v.version, u.messages, l.most) AS detail
	FROM twin_internal.key_versions v JOIN twin_internal.keys k USING (key_name) JOIN twin_internal.key_usage u USING (key_id),
		(SELECT twin_internal.server_setting('twin_security.key_message_limit')::bigint) l (most)
	WHERE v.state = 'primary' AND k.algorithm = 1 AND u.messages > l.most;
COMMENT ON VIEW twin_internal.check_key_2 IS 'keys that have sealed too much';

/* Only headers of values are read, and no table above 8 MB. */
CREATE VIEW twin_internal.check_key_3 AS
	SELECT 'fail' AS status, v.key_name::text AS object, format('version %s is %s, and %s holds %s values of it', v.version, v.state, s.relation, s.held) AS detail,
		format('SELECT * FROM twin.key_census(%L); -- then restore these values from before the version was retired, or delete them', s.relation) AS remedy
	FROM (SELECT c.relation, c.key_id, sum(c."values") AS held FROM
			(SELECT array_agg(r.relation) AS relations FROM twin_internal.own_relations r WHERE r.relkind = 'r' AND pg_relation_size(r.relation) <= 8388608
				AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.relation AND a.attnum > 0 AND NOT a.attisdropped AND twin_internal.holds_encrypted(a.atttypid))) t,
			twin_internal.census(t.relations, false) c
		WHERE EXISTS (SELECT FROM twin_internal.key_versions x WHERE x.state IN ('retired', 'destroyed')) GROUP BY 1, 2) s
		JOIN twin_internal.key_versions v USING (key_id) WHERE v.state IN ('retired', 'destroyed')
	UNION ALL
	SELECT 'fail', v.key_name::text, format('version %s is %s and has opened %s values since the server started', v.version, v.state, u.opens), NULL
	FROM twin_internal.key_versions v JOIN twin_internal.stat_keyring() u USING (key_id) WHERE v.state IN ('retired', 'destroyed') AND u.opens > 0 AND twin_internal.is_preloaded();
COMMENT ON VIEW twin_internal.check_key_3 IS 'values under keys that are retired or destroyed';

CREATE VIEW twin_internal.check_key_4 AS
	SELECT CASE WHEN p.present THEN 'pass' ELSE 'fail' END AS status, 'ENCRYPTION_KEY' AS object,
		CASE WHEN p.present THEN 'the server was given an ENCRYPTION_KEY' ELSE 'the server was given no ENCRYPTION_KEY' END AS detail
	FROM twin_internal.master_key_present() p (present);
COMMENT ON VIEW twin_internal.check_key_4 IS 'there is no ENCRYPTION_KEY';

CREATE VIEW twin_internal.check_key_5 AS
	SELECT CASE WHEN NOT twin_internal.master_key_present() THEN 'not_applicable' WHEN o.others > 0 THEN 'fail' ELSE 'pass' END AS status, 'ENCRYPTION_KEY' AS object,
		CASE WHEN NOT twin_internal.master_key_present() THEN 'the server was given no ENCRYPTION_KEY'
			WHEN o.others > 0 THEN format('%s wrapped keys and secrets lie under another ENCRYPTION_KEY', o.others) ELSE 'all keys lie under the present one' END AS detail
	FROM (SELECT CASE WHEN twin_internal.master_key_present() THEN (SELECT count(*) FROM (
		SELECT v.wrapping_id FROM twin_internal.key_versions v WHERE v.wrapped IS NOT NULL UNION ALL SELECT s.wrapping_id FROM twin_internal.wrapped_secrets s) w
		WHERE w.wrapping_id <> twin_internal.master_key_id()) END) o (others);
COMMENT ON VIEW twin_internal.check_key_5 IS 'keys that the present ENCRYPTION_KEY does not open: twin.rotate_master_key() has not run';

CREATE VIEW twin_internal.check_key_6 AS
	SELECT 'warn' AS status, format('%I of %I', k.key_name, r.rolname) AS object, 'a superuser was granted decrypt' AS detail,
		format('SELECT twin.revoke_key(%L, %L, ''decrypt'');', k.key_name, g.grantee) AS remedy
	FROM twin_internal.key_grants g JOIN twin_internal.keys k USING (context) JOIN pg_catalog.pg_roles r ON r.oid = g.grantee WHERE g.privilege = 'decrypt' AND r.rolsuper;
COMMENT ON VIEW twin_internal.check_key_6 IS 'superusers that read what is encrypted';

CREATE VIEW twin_internal.check_key_7 AS
	SELECT 'fail' AS status, s.key_name AS object, format('%s values that somebody changed were refused since the server started', s.integrity_failures) AS detail
	FROM twin.stat_keyring s WHERE s.integrity_failures > 0 AND twin_internal.is_preloaded()
	UNION ALL SELECT 'not_applicable', NULL, 'needs preloading' WHERE NOT twin_internal.is_preloaded();
COMMENT ON VIEW twin_internal.check_key_7 IS 'keys under which changed values were found';

/* What is rotated is finished: values were sealed anew. */
/* What archives need stays as long as they do. */
CREATE VIEW twin_internal.check_key_8 AS
	SELECT 'warn' AS status, v.key_name::text AS object, format('version %s, made %s, still opens values', v.version, to_char(v.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS detail,
		format('SELECT twin.retire_key(%L, %s); -- which says what is to be re-encrypted before', v.key_name, v.version) AS remedy
	FROM twin_internal.key_versions v WHERE v.state = 'decrypt-only' AND v.created_at < now() - interval '2 years'
		AND NOT EXISTS (SELECT FROM twin_internal.key_files f WHERE f.key_id = v.key_id);
COMMENT ON VIEW twin_internal.check_key_8 IS 'old versions that were not retired a year after their rotation was due';
