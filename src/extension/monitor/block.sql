/*
 * block.sql
 *		Networks that are blocked for a time, and those that never are.
 *
 * The tables are the truth; what is in force lies in shared memory, where the triggers bring it when a transaction
 * commits. A row stays for a while when it is over or was taken back, so that a network has one row whoever changes it.
 */

CREATE FUNCTION twin_internal.block_network(address inet) RETURNS cidr
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_block_network';
COMMENT ON FUNCTION twin_internal.block_network(inet) IS 'the network that an address with a mask, or one alone, stands for; one of IPv4 mapped into IPv6 is that of IPv4; raises 22023 where bits are set behind the mask';

CREATE FUNCTION twin_internal.block_target(address inet) RETURNS cidr
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_block_target';
COMMENT ON FUNCTION twin_internal.block_target(inet) IS 'the same, of a network that is to be blocked: raises 22023 where it is too wide; needs preloading';

CREATE FUNCTION twin_internal.block_own_addresses(network cidr) RETURNS inet[]
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_block_own_addresses';
COMMENT ON FUNCTION twin_internal.block_own_addresses(cidr) IS 'whoever asks: the other end of his connection, and of the request that it brings, as far as they lie in a network';

CREATE FUNCTION twin_internal.block_refusals(network cidr) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_block_refusals';
COMMENT ON FUNCTION twin_internal.block_refusals(cidr) IS 'how often this database''s block of a network turned somebody away since it was made, or the server was started';

CREATE FUNCTION twin_internal.end_sessions_of(network cidr) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_end_sessions_of';
COMMENT ON FUNCTION twin_internal.end_sessions_of(cidr) IS 'ends the sessions, but for this one, that come from a network and are blocked, once the transaction has committed';

CREATE FUNCTION twin_internal.forget_blocks() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_forget_blocks';
COMMENT ON FUNCTION twin_internal.forget_blocks() IS 'forgets what shared memory holds of this database, once the transaction has committed';
/* what an extension of before left behind */
SELECT twin_internal.forget_blocks();

CREATE FUNCTION twin_internal.blocks_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_blocks_changed';
COMMENT ON FUNCTION twin_internal.blocks_changed() IS 'brings changes of the tables of blocked networks to shared memory when the transaction commits';

/* ---- who is blocked ---- */

CREATE TABLE twin_internal.blocks (
	network cidr PRIMARY KEY CHECK (network = twin_internal.block_network(network)),
	blocked_at timestamptz NOT NULL,
	blocked_until timestamptz NOT NULL,
	reason text CHECK (pg_catalog.octet_length(reason) <= 1000),
	blocked_by text NOT NULL
);
COMMENT ON TABLE twin_internal.blocks IS 'networks that nobody is let in from until a time, and for a while after it';
CREATE INDEX blocks_until ON twin_internal.blocks (blocked_until);

/* ---- who never is ---- */

CREATE TABLE twin.never_blocked (
	network cidr PRIMARY KEY CHECK (network = twin_internal.block_network(network)),
	reason text CHECK (pg_catalog.octet_length(reason) <= 1000)
);
COMMENT ON TABLE twin.never_blocked IS 'networks that no block touches, a table one may edit: gateways, standbys, backups, administrators; a block of a wider network spares them. Loopback and unix sockets need no row';

CREATE TRIGGER require_warrant BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin.never_blocked
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.require_warrant();

CREATE FUNCTION twin_internal.tell_never_blocked() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		PERFORM twin_internal.emit_event('never_blocked_changed', '*', 'truncate', '{"all": true}', 'medium');
	ELSIF TG_OP = 'DELETE' THEN
		PERFORM twin_internal.emit_event('never_blocked_changed', OLD.network::text, 'delete', to_jsonb(OLD), 'medium');
	ELSE
		PERFORM twin_internal.emit_event('never_blocked_changed', NEW.network::text, lower(TG_OP), to_jsonb(NEW), 'medium');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tell_never_blocked() IS 'emits an event for each change of twin.never_blocked';
CREATE TRIGGER tell_never_blocked AFTER INSERT OR UPDATE OR DELETE ON twin.never_blocked
	FOR EACH ROW EXECUTE FUNCTION twin_internal.tell_never_blocked();
CREATE TRIGGER tell_never_blocked_emptied AFTER TRUNCATE ON twin.never_blocked
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tell_never_blocked();

/* ---- both ---- */

CREATE TRIGGER blocks_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.blocks
	FOR EACH ROW EXECUTE FUNCTION twin_internal.blocks_changed('blocked');
CREATE TRIGGER blocks_emptied AFTER TRUNCATE ON twin_internal.blocks
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.blocks_changed('blocked');
CREATE TRIGGER never_blocked_changed AFTER INSERT OR UPDATE OR DELETE ON twin.never_blocked
	FOR EACH ROW EXECUTE FUNCTION twin_internal.blocks_changed('exempt');
CREATE TRIGGER never_blocked_emptied AFTER TRUNCATE ON twin.never_blocked
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.blocks_changed('exempt');
/* a subscription fires only these */
ALTER TABLE twin_internal.blocks ENABLE ALWAYS TRIGGER blocks_changed, ENABLE ALWAYS TRIGGER blocks_emptied;
ALTER TABLE twin.never_blocked ENABLE ALWAYS TRIGGER never_blocked_changed, ENABLE ALWAYS TRIGGER never_blocked_emptied;

SELECT pg_catalog.pg_extension_config_dump('twin_internal.blocks', 'WHERE blocked_until > pg_catalog.now()');
SELECT pg_catalog.pg_extension_config_dump('twin.never_blocked', '');

/* ---- blocking ---- */

CREATE FUNCTION twin_internal.block_exemption(address inet) RETURNS text
	LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target cidr := twin_internal.block_network(address);
	listed twin.never_blocked%ROWTYPE;
	gateway record;
BEGIN
	IF target <<= cidr '127.0.0.0/8' OR target = cidr '::1' THEN
		RETURN 'loopback';
	END IF;
	SELECT n.* INTO listed FROM twin.never_blocked n WHERE target <<= n.network ORDER BY masklen(n.network) DESC LIMIT 1;
	IF FOUND THEN
		RETURN format('%s is in twin.never_blocked%s', listed.network, ': ' || listed.reason);
	END IF;
	/* it brings everybody's requests: where it does not tell whose, one client's guesses would shut all of them out */
	SELECT host(a.client_addr) AS address, a.usename AS login INTO gateway
		FROM pg_stat_activity a JOIN twin.token_only_logins l ON l.role_name = a.usesysid WHERE a.client_addr <<= target ORDER BY 1 LIMIT 1;
	RETURN CASE WHEN FOUND THEN format('The gateway %s is connected from %s', gateway.login, gateway.address) END;
END
$$;
COMMENT ON FUNCTION twin_internal.block_exemption(inet) IS 'why an address or network is never blocked; null where it can be';

CREATE FUNCTION twin.block_address(address inet, duration interval DEFAULT '1 hour', reason text DEFAULT NULL, end_sessions boolean DEFAULT true) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target cidr := twin_internal.block_target(address);
	moment timestamptz := clock_timestamp();
	until timestamptz := moment + duration;
	exemption text := twin_internal.block_exemption(target);
	own inet;
	spared text;
BEGIN
	IF duration IS NULL OR end_sessions IS NULL THEN
		RAISE EXCEPTION 'duration and end_sessions must not be null' USING ERRCODE = '22004';
	ELSIF until <= moment OR until > moment + interval '10 years' THEN
		RAISE EXCEPTION 'a block lasts longer than nothing and at most 10 years' USING ERRCODE = '22023';
	ELSIF exemption IS NOT NULL THEN
		RAISE EXCEPTION '% is never blocked', target USING ERRCODE = '22023', DETAIL = exemption || '.';
	END IF;
	SELECT a INTO own FROM unnest(twin_internal.block_own_addresses(target)) a WHERE twin_internal.block_exemption(a) IS NULL LIMIT 1;
	IF own IS NOT NULL THEN
		RAISE EXCEPTION 'this would block your own address, %', own
			USING ERRCODE = '22023', HINT = 'Block a narrower network, or add your address to twin.never_blocked first.';
	END IF;
	INSERT INTO twin_internal.blocks AS b VALUES (target, moment, until, block_address.reason, coalesce(twin.current_username(), session_user::text))
		ON CONFLICT (network) DO UPDATE SET
			blocked_at = CASE WHEN b.blocked_until > moment THEN b.blocked_at ELSE EXCLUDED.blocked_at END,
			/* what is automatic does not shorten what somebody meant to last */
			blocked_until = greatest(b.blocked_until, EXCLUDED.blocked_until),
			reason = CASE WHEN b.blocked_until > moment THEN coalesce(EXCLUDED.reason, b.reason) ELSE EXCLUDED.reason END,
			blocked_by = EXCLUDED.blocked_by
		RETURNING b.blocked_until INTO until;
	IF end_sessions THEN
		PERFORM twin_internal.end_sessions_of(target);
	END IF;
	PERFORM twin_internal.emit_event('address_blocked', target::text, 'block_address',
		jsonb_strip_nulls(jsonb_build_object('until', until, 'reason', block_address.reason, 'end_sessions', end_sessions)), 'medium');
	SELECT string_agg(n.network::text, ', ' ORDER BY n.network) INTO spared FROM (SELECT w.network FROM twin.never_blocked w WHERE w.network << target ORDER BY w.network LIMIT 20) n;
	IF spared IS NOT NULL THEN
		RAISE NOTICE '% is blocked but for what twin.never_blocked lists', target USING DETAIL = format('Not blocked: %s.', spared);
	END IF;
END
$$;
COMMENT ON FUNCTION twin.block_address(inet, interval, text, boolean) IS
	'from the commit on nobody is let in from an address or network, in any database: no connection, no request, no login; ends sessions from there. Of one that is blocked already the later end counts';

CREATE FUNCTION twin.unblock_address(address inet) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target cidr := twin_internal.block_network(address);
	wider cidr;
BEGIN
	IF address IS NULL THEN
		RAISE EXCEPTION 'an address must be given' USING ERRCODE = '22004';
	END IF;
	UPDATE twin_internal.blocks b SET blocked_until = clock_timestamp() WHERE b.network = target AND b.blocked_until > clock_timestamp();
	IF NOT FOUND THEN
		SELECT b.network INTO wider FROM twin_internal.blocks b WHERE b.network >> target AND b.blocked_until > clock_timestamp() LIMIT 1;
		RAISE EXCEPTION '% is not blocked', target USING ERRCODE = '42704',
			HINT = CASE WHEN wider IS NOT NULL THEN format('%s is, which holds it: unblock that, or add the address to twin.never_blocked.', wider)
				ELSE 'Blocks are lifted in the database where they were made.' END;
	END IF;
	PERFORM twin_internal.emit_event('address_unblocked', target::text, 'unblock_address', severity => 'medium');
END
$$;
COMMENT ON FUNCTION twin.unblock_address(inet) IS 'lifts the block of exactly this address or network, which this database made; wider ones stay';

CREATE VIEW twin.blocked_addresses AS
	SELECT b.network::inet AS address, b.blocked_at, b.blocked_until, b.reason, b.blocked_by, twin_internal.block_refusals(b.network) AS refusals
	FROM twin_internal.blocks b WHERE b.blocked_until > pg_catalog.clock_timestamp();
COMMENT ON VIEW twin.blocked_addresses IS 'blocks of this database that are in force, and how often each turned somebody away since it was made or the server was started';

REVOKE ALL ON FUNCTION twin_internal.block_network(inet), twin_internal.block_target(inet), twin_internal.block_own_addresses(cidr), twin_internal.block_refusals(cidr),
	twin_internal.end_sessions_of(cidr), twin_internal.forget_blocks(), twin_internal.blocks_changed(), twin_internal.tell_never_blocked(),
	twin_internal.block_exemption(inet), twin.block_address(inet, interval, text, boolean), twin.unblock_address(inet) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.block_address(inet, interval, text, boolean), twin.unblock_address(inet) TO twin_admin;
GRANT EXECUTE ON FUNCTION twin_internal.block_refusals(cidr) TO twin_admin, twin_auditor;
GRANT EXECUTE ON FUNCTION twin_internal.block_network(inet) TO twin_admin;	/* the table's check */
GRANT SELECT, INSERT, UPDATE, DELETE ON twin.never_blocked TO twin_admin;
GRANT SELECT ON twin.never_blocked, twin.blocked_addresses TO twin_auditor;
GRANT SELECT ON twin.blocked_addresses TO twin_admin;
