/*
 * rates.sql
 *		How many requests there may be.
 *
 * Which rows are seeds stands in a table of its own: they travel with a dump only when they were changed, and then take the place of the new database's own.
 * Which seeds somebody deleted travels too. The global ones only keep one client from taking everything; of
 * logins only those count whose password is wrong.
 */

CREATE TABLE twin.rate_limits (
	route text COLLATE "C" NOT NULL CHECK (pg_catalog.octet_length(route) <= 255 AND (route = '*' OR route ~ '^/[!-)+-~]*[*]?$')),
	scope text COLLATE "C" NOT NULL CHECK (scope IN ('address', 'user')),
	requests integer NOT NULL CHECK (requests > 0),
	period interval NOT NULL CHECK (period BETWEEN interval '1 millisecond' AND interval '366 days'),
	burst integer NOT NULL CHECK (burst > 0),
	PRIMARY KEY (route, scope)
);
COMMENT ON TABLE twin.rate_limits IS
	'requests per period and at once (burst) from an address, or an IPv6 /64, or of a user; of a route the limit that fits most closely (a trailing * stands for anything) and the one of ''*'' hold both';

INSERT INTO twin.rate_limits (route, scope, requests, period, burst) VALUES
	('*', 'address', 1200000, '1 minute', 60000),
	('*', 'user', 1200000, '1 minute', 60000),
	('/rpc/login', 'address', 5, '1 minute', 5),
	('/api/auth/login', 'address', 5, '1 minute', 5);

CREATE TABLE twin_internal.rate_limit_seeds (
	route text COLLATE "C" NOT NULL,
	scope text COLLATE "C" NOT NULL,
	PRIMARY KEY (route, scope)
);
COMMENT ON TABLE twin_internal.rate_limit_seeds IS 'rows of twin.rate_limits that are as CREATE EXTENSION made them';
INSERT INTO twin_internal.rate_limit_seeds SELECT l.route, l.scope FROM twin.rate_limits l;

CREATE TABLE twin_internal.dropped_rate_limits (
	route text COLLATE "C" NOT NULL,
	scope text COLLATE "C" NOT NULL,
	PRIMARY KEY (route, scope)
);
COMMENT ON TABLE twin_internal.dropped_rate_limits IS 'seeds of twin.rate_limits that were deleted, so that a restore does not bring them back';

SELECT pg_catalog.pg_extension_config_dump('twin.rate_limits', 'WHERE (route, scope) NOT IN (SELECT s.route, s.scope FROM twin_internal.rate_limit_seeds s)');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.dropped_rate_limits', '');

/* Any change reaches every session, also on a standby and where it came by a subscription. */
CREATE FUNCTION twin_internal.rate_limits_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_rate_limits_changed';
COMMENT ON FUNCTION twin_internal.rate_limits_changed() IS 'tells every session to read twin.rate_limits again';
CREATE TRIGGER rate_limits_changed AFTER INSERT OR UPDATE OR DELETE ON twin.rate_limits
	FOR EACH ROW EXECUTE FUNCTION twin_internal.rate_limits_changed();
CREATE TRIGGER rate_limits_emptied AFTER TRUNCATE ON twin.rate_limits
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.rate_limits_changed();

CREATE TRIGGER require_warrant BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin.rate_limits
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.require_warrant();

/* A row that somebody brings takes the place of an untouched seed, and one that somebody changes is none any more. */
CREATE FUNCTION twin_internal.replace_rate_limit_seed() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		/* no seed any more, so that it is not taken for one that was deleted */
		DELETE FROM twin_internal.rate_limit_seeds s WHERE (s.route, s.scope) = (NEW.route, NEW.scope);
		IF FOUND THEN
			DELETE FROM twin.rate_limits l WHERE (l.route, l.scope) = (NEW.route, NEW.scope);
		END IF;
	ELSE
		DELETE FROM twin_internal.rate_limit_seeds s WHERE (s.route, s.scope) = (OLD.route, OLD.scope);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.replace_rate_limit_seed() IS 'lets a row that somebody brings take the place of the one CREATE EXTENSION made';
CREATE TRIGGER replace_seed BEFORE INSERT OR UPDATE ON twin.rate_limits
	FOR EACH ROW EXECUTE FUNCTION twin_internal.replace_rate_limit_seed();

CREATE FUNCTION twin_internal.note_dropped_rate_limit() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM twin_internal.rate_limit_seeds s WHERE (s.route, s.scope) = (OLD.route, OLD.scope);
	IF FOUND THEN
		INSERT INTO twin_internal.dropped_rate_limits VALUES (OLD.route, OLD.scope) ON CONFLICT DO NOTHING;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.note_dropped_rate_limit() IS 'remembers that a seed of twin.rate_limits was deleted';
CREATE TRIGGER note_dropped AFTER DELETE ON twin.rate_limits
	FOR EACH ROW EXECUTE FUNCTION twin_internal.note_dropped_rate_limit();

CREATE FUNCTION twin_internal.drop_rate_limit_seed() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM twin.rate_limits l USING twin_internal.rate_limit_seeds s
		WHERE (s.route, s.scope) = (NEW.route, NEW.scope) AND (l.route, l.scope) = (s.route, s.scope);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.drop_rate_limit_seed() IS 'deletes a seed of twin.rate_limits that was deleted where a dump comes from';
CREATE TRIGGER drop_seed AFTER INSERT ON twin_internal.dropped_rate_limits
	FOR EACH ROW EXECUTE FUNCTION twin_internal.drop_rate_limit_seed();

CREATE FUNCTION twin_internal.tell_rate_limits() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		PERFORM twin_internal.emit_event('rate_limit_changed', '*', 'truncate', '{"all": true}', 'medium');
	ELSIF TG_OP = 'DELETE' THEN
		PERFORM twin_internal.emit_event('rate_limit_changed', OLD.route, 'delete', to_jsonb(OLD), 'medium');
	ELSE
		PERFORM twin_internal.emit_event('rate_limit_changed', NEW.route, lower(TG_OP), to_jsonb(NEW), 'medium');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tell_rate_limits() IS 'emits an event for each change of twin.rate_limits';
CREATE TRIGGER tell_rate_limits AFTER INSERT OR UPDATE OR DELETE ON twin.rate_limits
	FOR EACH ROW EXECUTE FUNCTION twin_internal.tell_rate_limits();
CREATE TRIGGER tell_rate_limits_emptied AFTER TRUNCATE ON twin.rate_limits
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tell_rate_limits();

/* a subscription fires only these */
ALTER TABLE twin.rate_limits ENABLE ALWAYS TRIGGER rate_limits_changed, ENABLE ALWAYS TRIGGER rate_limits_emptied,
	ENABLE ALWAYS TRIGGER replace_seed, ENABLE ALWAYS TRIGGER note_dropped;
ALTER TABLE twin_internal.dropped_rate_limits ENABLE ALWAYS TRIGGER drop_seed;

CREATE FUNCTION twin.check_rate_limit(route text, subject text) RETURNS TABLE (allowed boolean, remaining integer, retry_after interval)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'tsec_check_rate_limit';
COMMENT ON FUNCTION twin.check_rate_limit(text, text) IS
	'takes one request from the limits of a route, those of addresses where the subject is one, else those of users (a number here, @name of an outside issuer''s); no rollback gives it back; remaining is null without limit';
