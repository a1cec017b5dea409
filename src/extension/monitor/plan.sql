/*
 * plan.sql
 *		What a playbook would do about an incident, before anybody does it.
 *
 * Nobody is locked out who must come in: the last administrator, break-glass accounts, addresses that are never blocked.
 */

/* ---- whom and what it concerns ---- */

/* The texts of a list in details, and of its singular: {"users": ["a", "b"], "user": "c"}. */
CREATE FUNCTION twin_internal.incident_list(details jsonb, many text, one text) RETURNS SETOF text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	listed jsonb := coalesce(details -> many, '[]');
BEGIN
	IF jsonb_typeof(listed) <> 'array' OR jsonb_typeof(details -> one) <> 'string'
		OR EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(listed) WHEN 'array' THEN listed ELSE '[]' END) e
			WHERE jsonb_typeof(e) <> 'string' OR octet_length(e #>> '{}') NOT BETWEEN 1 AND 256) THEN
		RAISE EXCEPTION 'invalid "%" in an incident''s details', many
			USING ERRCODE = '22023', HINT = format('Name them as {"%s": ["...", "..."]}, texts of 1 to 256 bytes.', many);
	ELSIF jsonb_array_length(listed) > 1000 THEN
		RAISE EXCEPTION 'too many "%" in an incident''s details', many USING ERRCODE = '54000', HINT = 'One incident has at most 1000.';
	END IF;
	RETURN QUERY SELECT jsonb_array_elements_text(listed) UNION SELECT details ->> one WHERE details ->> one IS NOT NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.incident_list(jsonb, text, text) IS 'texts that an incident''s details name; raises 22023 for anything else';

/* An address or network as it is compared and shown. */
CREATE FUNCTION twin_internal.incident_address(given text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	/* of IPv4 mapped into IPv6, too, what a block of it says */
	RETURN abbrev(twin_internal.block_network(network(given::inet))::inet);
EXCEPTION WHEN data_exception THEN
	RAISE EXCEPTION '"%" is no address', left(given, 64) USING ERRCODE = '22023', HINT = 'Name addresses or networks, such as 192.0.2.1 or 2001:db8::/64.';
END
$$;
COMMENT ON FUNCTION twin_internal.incident_address(text) IS 'an address or network in the one spelling; raises 22023';

/* Details as an incident keeps them: both lists there, each in one spelling. */
CREATE FUNCTION twin_internal.incident_details(details jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF jsonb_typeof(details) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'details of an incident are not an object' USING ERRCODE = '22023', HINT = 'Such as {"addresses": ["192.0.2.1"], "users": ["mallory"]}.';
	ELSIF octet_length(details::text) > 65536 THEN
		RAISE EXCEPTION 'details of an incident are too long' USING ERRCODE = '54000', HINT = 'At most 65536 bytes.';
	END IF;
	RETURN details - 'address' - 'user' || jsonb_build_object(
		'addresses', ARRAY(SELECT DISTINCT twin_internal.incident_address(a) FROM twin_internal.incident_list(details, 'addresses', 'address') a ORDER BY 1),
		'users', ARRAY(SELECT DISTINCT u FROM twin_internal.incident_list(details, 'users', 'user') u ORDER BY 1));
END
$$;
COMMENT ON FUNCTION twin_internal.incident_details(jsonb) IS 'details of an incident with the lists addresses and users; raises 22023';

/* What a playbook's steps do, one row per member of the lists that they concern. */
CREATE FUNCTION twin_internal.plan_incident(steps jsonb, details jsonb) RETURNS TABLE (step integer, action text, target text, argument jsonb)
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.ordinality::integer, k.action, t.target, s.value - 'step'
	FROM jsonb_array_elements(steps) WITH ORDINALITY s JOIN twin_internal.playbook_steps() k ON k.step = s.value ->> 'step'
		CROSS JOIN LATERAL (SELECT '' WHERE k.list IS NULL UNION ALL
			SELECT jsonb_array_elements_text(details -> k.list) WHERE k.list IS NOT NULL) t (target)
	ORDER BY 1, 3;
END;
COMMENT ON FUNCTION twin_internal.plan_incident(jsonb, jsonb) IS 'the actions that steps of a playbook mean for an incident';

/* ---- foreseen ---- */

CREATE FUNCTION twin_internal.incident_user(named text) RETURNS twin_internal.users
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_user twin_internal.users;
BEGIN
	SELECT u.* INTO found_user FROM twin_internal.users u WHERE u.username_key = (SELECT n.username_key FROM twin_internal.account_name(named) n);
	RETURN found_user;
EXCEPTION WHEN invalid_parameter_value THEN	/* which no user has as his name */
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.incident_user(text) IS 'a user by name; null for none';

/* Whether without these users nobody could administer: as keep_an_admin() will decide. */
CREATE FUNCTION twin_internal.leaves_no_admin(leaving bigint[]) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH admins AS (
		SELECT u.tenant_id, u.user_id = ANY (leaving) AS leaves
		FROM twin_internal.users u LEFT JOIN twin_internal.tenants t ON t.tenant_id = u.tenant_id
		WHERE u.is_active AND (u.tenant_id IS NULL OR t.is_active) AND u.role_name IN (SELECT twin_internal.roles_including('admin'))
	)
	SELECT EXISTS (SELECT FROM admins l WHERE l.leaves) AND NOT EXISTS (SELECT FROM admins r WHERE NOT r.leaves
		AND (r.tenant_id IS NULL OR NOT EXISTS (SELECT FROM admins w WHERE w.leaves AND w.tenant_id IS NULL)));
END;
COMMENT ON FUNCTION twin_internal.leaves_no_admin(bigint[]) IS 'whether no active user with the role admin would be left without these';

/* What block_address() would say. */
CREATE FUNCTION twin_internal.block_refusal(address inet) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target cidr;
BEGIN
	target := twin_internal.block_target(address);
	RETURN coalesce(twin_internal.block_exemption(target),
		(SELECT format('this would block your own address, %s', min(host(a))) FROM unnest(twin_internal.block_own_addresses(target)) a WHERE twin_internal.block_exemption(a) IS NULL HAVING count(*) > 0));
EXCEPTION WHEN invalid_parameter_value OR object_not_in_prerequisite_state THEN	/* too wide; without preloading */
	RETURN SQLERRM;
END
$$;
COMMENT ON FUNCTION twin_internal.block_refusal(inet) IS 'why an address or network cannot be blocked by whoever asks; null when it can';

/* Why an action must not be done; null when it may. leaving: users that others of the plan disable before. */
CREATE FUNCTION twin_internal.refusal_of(action text, target text, leaving bigint[]) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_user twin_internal.users;
BEGIN
	IF action = 'block_address' THEN
		RETURN twin_internal.block_refusal(target::inet);
	ELSIF action = 'enhance_monitoring' THEN
		RETURN CASE WHEN NOT twin_internal.is_preloaded() THEN 'reads are not recorded without preloading' END;
	ELSIF action NOT IN ('disable_user', 'end_sessions') THEN
		RETURN NULL;
	END IF;
	found_user := twin_internal.incident_user(target);
	RETURN CASE
		WHEN found_user.user_id IS NULL THEN 'there is no such user'
		WHEN action = 'end_sessions' THEN NULL
		WHEN EXISTS (SELECT FROM twin_internal.roles r WHERE r.role_name = found_user.role_name AND r.is_break_glass) THEN 'a break-glass account is never disabled'
		WHEN found_user.is_active AND found_user.role_name IN (SELECT twin_internal.roles_including('admin')) AND twin_internal.leaves_no_admin(leaving || found_user.user_id) THEN 'no administrator would be left who can log in'
	END;
END
$$;
COMMENT ON FUNCTION twin_internal.refusal_of(text, text, bigint[]) IS 'why a playbook''s action must not be done; null when it may';

/* One line per action that would be taken. */
CREATE FUNCTION twin_internal.preview_incident(incident_type text, severity text, steps jsonb, details jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	lines text[] := ARRAY[format('would open an incident of type %s, severity %s', incident_type, severity)];
	leaving bigint[] := '{}';
	planned record;
	refusal text;
BEGIN
	FOR planned IN SELECT p.* FROM twin_internal.plan_incident(steps, details) p LOOP
		refusal := coalesce(twin_internal.refusal_of(planned.action, planned.target, leaving),
			CASE WHEN planned.action = 'disable_user' AND NOT (twin_internal.incident_user(planned.target)).is_active THEN 'is disabled already' END);
		lines := lines || (concat_ws(' ', CASE WHEN refusal IS NULL THEN 'would' ELSE 'would not' END, planned.action, nullif(planned.target, ''),
			(SELECT '(' || string_agg(j.key || ': ' || j.value, ', ' ORDER BY j.key) || ')' FROM jsonb_each_text(planned.argument) j)) || coalesce(': ' || refusal, ''));
		IF planned.action = 'disable_user' AND refusal IS NULL THEN
			leaving := leaving || (twin_internal.incident_user(planned.target)).user_id;
		END IF;
	END LOOP;
	RETURN array_to_string(lines, E'\n');
END
$$;
COMMENT ON FUNCTION twin_internal.preview_incident(text, text, jsonb, jsonb) IS 'what opening an incident would do, one line per action; changes nothing';

REVOKE ALL ON FUNCTION twin_internal.incident_list(jsonb, text, text), twin_internal.incident_address(text), twin_internal.incident_details(jsonb),
	twin_internal.plan_incident(jsonb, jsonb), twin_internal.incident_user(text), twin_internal.leaves_no_admin(bigint[]),
	twin_internal.block_refusal(inet), twin_internal.refusal_of(text, text, bigint[]), twin_internal.preview_incident(text, text, jsonb, jsonb) FROM PUBLIC;
