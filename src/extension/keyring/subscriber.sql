/*
 * subscriber.sql
 *		A keyring that comes by logical replication: keys, key_versions and, if wanted, key_grants are published tables
 *		like any other. These triggers act only where changes are applied. They say so in WHEN and not by ENABLE
 *		REPLICA, which ALTER TABLE ... ENABLE TRIGGER ALL (pg_dump --disable-triggers) would turn into always.
 *
 * Messages are not replicated: each cluster counts what it seals itself, from nothing. Their sum is what the limit of
 * 2^32 is about, so every cluster that seals under one key has its part of twin_security.key_message_limit.
 */

CREATE FUNCTION twin_internal.begin_count() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.key_usage SELECT NEW.key_id, 0
		WHERE NOT EXISTS (SELECT FROM twin_internal.key_usage u WHERE u.key_id = NEW.key_id) ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.begin_count() IS 'begins this cluster''s own count of messages under a version that was replicated to it';
CREATE TRIGGER begin_count AFTER INSERT ON twin_internal.key_versions
	FOR EACH ROW WHEN (pg_catalog.current_setting('session_replication_role') = 'replica') EXECUTE FUNCTION twin_internal.begin_count();
ALTER TABLE twin_internal.key_versions ENABLE ALWAYS TRIGGER begin_count;

/* A publication FOR ALL TABLES sends the publisher's counts as well; its first copy is merged by mark_restored(). */
CREATE TRIGGER keep_count BEFORE UPDATE OR DELETE ON twin_internal.key_usage
	FOR EACH ROW WHEN (pg_catalog.current_setting('session_replication_role') = 'replica' AND pg_catalog.pg_trigger_depth() = 0)
	EXECUTE FUNCTION twin_internal.keep_as_it_is();
ALTER TABLE twin_internal.key_usage ENABLE ALWAYS TRIGGER keep_count;

CREATE FUNCTION twin_internal.take_grant() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	binary_one name;
BEGIN
	SELECT s.subname INTO binary_one FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid
		WHERE r.srrelid = TG_RELID AND s.subbinary;
	IF FOUND THEN
		RAISE EXCEPTION 'grants on keys are not taken from the binary subscription "%"', binary_one
			USING ERRCODE = '55000', DETAIL = 'In binary form a role is a number, which may be another role''s here.',
				  HINT = format('ALTER SUBSCRIPTION %I SET (binary = false).', binary_one);
	END IF;
	/* one that was given here already must not stop replication */
	IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM twin_internal.key_grants g
			WHERE g.context = NEW.context AND g.grantee = NEW.grantee AND g.privilege = NEW.privilege) THEN
		RETURN NULL;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.take_grant() IS 'takes a replicated grant; refuses roles by number, because a subscriber has other numbers';
CREATE TRIGGER take_grant BEFORE INSERT OR UPDATE ON twin_internal.key_grants
	FOR EACH ROW WHEN (pg_catalog.current_setting('session_replication_role') = 'replica') EXECUTE FUNCTION twin_internal.take_grant();
ALTER TABLE twin_internal.key_grants ENABLE ALWAYS TRIGGER take_grant;

/* Two clusters that both add versions to one key would give them the same numbers, and replication would stop. */
CREATE FUNCTION twin_internal.subscription_of(wanted name) RETURNS name
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.subname FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = s.oid
	WHERE r.srrelid = 'twin_internal.key_versions'::regclass
		AND EXISTS (SELECT FROM twin_internal.key_versions v JOIN twin_internal.key_usage u USING (key_id)
			WHERE v.key_name = wanted AND NOT u.made_here)
	LIMIT 1;
END;
COMMENT ON FUNCTION twin_internal.subscription_of(name) IS 'the subscription by which a key''s versions come; null for a key that is this database''s own';

CREATE FUNCTION twin_internal.check_own_key(wanted name) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	source name := twin_internal.subscription_of(wanted);
BEGIN
	IF source IS NOT NULL THEN
		RAISE EXCEPTION 'key "%" comes by subscription "%"', wanted, source
			USING ERRCODE = '55000',
				  HINT = 'Change it on the publisher; the change arrives from there. Once the subscription is dropped the key is this database''s own.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_own_key(name) IS 'raises 55000 for a key whose versions come by a subscription';
