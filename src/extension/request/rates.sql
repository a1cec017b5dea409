/*
 * rates.sql
 *		How many requests there may be.
 *
 * Of those that are there from the start the global ones only keep one client from taking everything; of logins only those count whose password is wrong.
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

SELECT twin_internal.keep_seeds('twin.rate_limits', 'route', 'scope');

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
ALTER TABLE twin.rate_limits ENABLE ALWAYS TRIGGER rate_limits_changed, ENABLE ALWAYS TRIGGER rate_limits_emptied;

CREATE FUNCTION twin.check_rate_limit(route text, subject text) RETURNS TABLE (allowed boolean, remaining integer, retry_after interval)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'tsec_check_rate_limit';
COMMENT ON FUNCTION twin.check_rate_limit(text, text) IS
	'takes one request from the limits of a route, those of addresses where the subject is one, else those of users (a number here, @name of an outside issuer''s); no rollback gives it back; remaining is null without limit';
