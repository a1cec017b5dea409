/*
 * rollup.sql
 *		How many events there were, by hour, day and month: counted once, when they are sealed, so that a report of years reads thousands of
 *		rows and not millions; and still there when retention has dropped the events themselves.
 *
 * Counts and the leaf up to which the log is counted change in one transaction: what is beyond that leaf, or not sealed yet, a report
 * counts itself (report_rows.sql), so that it always says what counting the log would. Both travel with a dump as part of the log.
 */

/*
 * One row per hour, and per day, and per month (in UTC), and
 *	type	type of event, outcome, class, severity
 *	user	user or role; of the type of event no more than login_success, login_failure, permission_denied, data, other
 *	table	type of event, table: of what changes or reads data; amount: rows that were read
 *	key		user or role, key: of decryptions; amount: values
 *	address	address: of failed logins
 * What a sort does not go by is empty.
 */
CREATE TABLE twin_internal.event_counts (
	span text COLLATE "C" NOT NULL CHECK (span IN ('hour', 'day', 'month')),
	since timestamptz NOT NULL,
	sort text COLLATE "C" NOT NULL CHECK (sort IN ('type', 'user', 'table', 'key', 'address')),
	event_type text COLLATE "C" NOT NULL,
	outcome text COLLATE "C" NOT NULL,
	class text COLLATE "C" NOT NULL,
	severity text COLLATE "C" NOT NULL,
	username text COLLATE "C" NOT NULL,
	is_role boolean NOT NULL,	/* of the database; else a user of the twin */
	object text COLLATE "C" NOT NULL,
	is_other boolean NOT NULL,	/* all whose names found no room, or that have none */
	events bigint NOT NULL,
	amount bigint NOT NULL,
	PRIMARY KEY (span, sort, since, event_type, outcome, class, severity, username, is_role, object, is_other)
) WITH (fillfactor = 70);
COMMENT ON TABLE twin_internal.event_counts IS 'how many events there were in each hour, day and month (UTC), by type, user, table, key and address';
SELECT twin_internal.guard_log_table('twin_internal.event_counts');

CREATE TABLE twin_internal.event_counts_position (
	is_here boolean PRIMARY KEY DEFAULT true CHECK (is_here),
	next_leaf bigint NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE twin_internal.event_counts_position IS 'one row: the leaf of the audit log that is counted next';
SELECT twin_internal.guard_log_table('twin_internal.event_counts_position');

SELECT pg_catalog.pg_extension_config_dump('twin_internal.event_counts', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.event_counts_position', '');

/* A number in details, as the extension writes them; what somebody changed there does not stop the counting. */
CREATE FUNCTION twin_internal.detail_number(details jsonb, name text) RETURNS bigint
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN details ->> name ~ '^[0-9]{1,12}$' THEN (details ->> name)::bigint ELSE 0 END;
END;
COMMENT ON FUNCTION twin_internal.detail_number(jsonb, text) IS 'a number among the details of an event; 0 where there is none';

/*
 * What is counted of a row of the log. Names are cut, so that an index holds them; whoever failed to log in as nobody that is known
 * is nobody, for anybody makes up such names.
 */
CREATE VIEW twin_internal.event_facts AS
	SELECT e.event_id, e.event_time, e.recorded_at, e.origin, e.writer_xid, e.class, e.event_type, e.severity, e.outcome, e.application_made,
		coalesce(e.row_count, 1)::bigint AS events,
		CASE WHEN e.username IS NOT NULL THEN left(e.username, 128) WHEN e.event_type <> 'login_failure' THEN e.session_user_name END AS username,
		e.username IS NULL AND e.session_user_name IS NOT NULL AND e.event_type <> 'login_failure' AS is_role,
		CASE WHEN e.event_type IN ('create', 'read', 'update', 'delete', 'truncate') AND NOT e.application_made THEN left(e.resource, 200) END AS table_name,
		CASE WHEN e.event_type = 'decrypt' AND NOT e.application_made THEN left(coalesce(e.resource, ''), 200) END AS key_name,
		CASE WHEN e.event_type = 'login_failure' THEN coalesce(host(e.client_address), 'local') END AS address,
		CASE WHEN e.application_made THEN 0 WHEN e.event_type = 'read' THEN twin_internal.detail_number(e.details, 'rows')
			WHEN e.event_type = 'decrypt' THEN twin_internal.detail_number(e.details, 'values') ELSE 0 END AS amount
	FROM twin_internal.event_rows e;
COMMENT ON VIEW twin_internal.event_facts IS 'of each row of the log what is counted of it';

CREATE FUNCTION twin_internal.fact_counts(fact_type text, fact_outcome text, fact_class text, fact_severity text, fact_username text, fact_is_role boolean,
		table_name text, key_name text, address text, OUT sort text, OUT event_type text, OUT outcome text, OUT class text, OUT severity text,
		OUT username text, OUT is_role boolean, OUT object text, OUT is_other boolean) RETURNS SETOF record
	LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT ROWS 3
BEGIN ATOMIC
	SELECT 'type', fact_type, fact_outcome, fact_class, fact_severity, '', false, '', false
	UNION ALL SELECT 'user', CASE WHEN fact_type IN ('login_success', 'login_failure', 'permission_denied') THEN fact_type
			WHEN table_name IS NOT NULL OR key_name IS NOT NULL THEN 'data' ELSE 'other' END,
		'', '', '', coalesce(fact_username, ''), fact_is_role, '', fact_username IS NULL
	UNION ALL SELECT 'table', fact_type, '', '', '', '', false, table_name, false WHERE table_name IS NOT NULL
	UNION ALL SELECT 'key', '', '', '', '', coalesce(fact_username, ''), fact_is_role, key_name, fact_username IS NULL WHERE key_name IS NOT NULL
	UNION ALL SELECT 'address', '', '', '', '', '', false, address, false WHERE address IS NOT NULL;
END;
COMMENT ON FUNCTION twin_internal.fact_counts(text, text, text, text, text, boolean, text, text, text) IS 'in which rows of twin_internal.event_counts a row of the log is counted';

/* Where counting is; it begins with the log, but in a restored database not before the dump has brought what it has. */
CREATE FUNCTION twin_internal.begin_event_counts() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	log_size bigint;
	place bigint;
BEGIN
	SELECT l.size INTO log_size FROM twin_internal.ledger_state l;
	IF NOT FOUND OR EXISTS (SELECT FROM twin_internal.event_state s WHERE s.is_restored AND s.created_at > clock_timestamp() - interval '1 hour') THEN
		RETURN NULL;
	END IF;
	SELECT p.next_leaf INTO place FROM twin_internal.event_counts_position p FOR UPDATE;
	IF NOT FOUND THEN
		place := 0;
		INSERT INTO twin_internal.event_counts_position (next_leaf) VALUES (place);
	ELSIF place > log_size THEN
		place := log_size;	/* the log was cut off */
		UPDATE twin_internal.event_counts_position SET next_leaf = place;
	END IF;
	RETURN place;
END
$$;
COMMENT ON FUNCTION twin_internal.begin_event_counts() IS 'the leaf of the audit log that is counted next; null while a dump is being restored';

/*
 * Of the names in an hour, a day, or a month, the first have rows of their own, thousands, and all others share some: whoever makes up names makes
 * no table grow, and sums stay right. The first of all months has no beginning that is a time: it is counted by its days alone. Types of the extension itself always have their own, and so have those that a report names.
 */
CREATE FUNCTION twin_internal.count_events(max_rows integer, max_names integer DEFAULT 5000) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	place bigint := twin_internal.begin_event_counts();
	ids bigint[];
	next_place bigint;
BEGIN
	SELECT array_agg(s.record_id ORDER BY s.record_id), max(s.first_leaf + s.leaves) INTO ids, next_place
		FROM (SELECT l.* FROM twin_internal.sealed l WHERE l.first_leaf >= place ORDER BY l.first_leaf LIMIT max_rows) s;
	IF ids IS NULL THEN
		RETURN 0;
	END IF;
	/* ids that lie together are looked up in one go (OFFSET 0), for each look-up searches every month */
	WITH ranges AS (
		SELECT min(g.id) AS first_id, max(g.id) AS last_id
		FROM (SELECT i.id, count(*) FILTER (WHERE i.is_apart) OVER (ORDER BY i.id) AS range
			FROM (SELECT u.id, u.id - lag(u.id) OVER (ORDER BY u.id) > 8000 AS is_apart FROM unnest(ids) u (id)) i) g
		GROUP BY g.range
	), facts AS MATERIALIZED (	/* of a flood few are different */
		SELECT date_trunc('hour', f.event_time, 'UTC') AS since, f.event_type, f.outcome, f.class, f.severity, f.username, f.is_role, f.table_name, f.key_name, f.address,
			f.application_made, sum(f.events) AS events, sum(f.amount) AS amount
		FROM ranges r CROSS JOIN LATERAL (SELECT e.* FROM twin_internal.event_facts e WHERE e.event_id BETWEEN r.first_id AND r.last_id OFFSET 0) f
		WHERE (f.event_id IN (SELECT s.id FROM unnest(ids) s (id))) IS TRUE	/* always by a hash table */
		GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	), counted AS MATERIALIZED (
		SELECT d.span, CASE WHEN d.span = 'month' AND f.since < '4712-01-01 00:00:00+00 BC' THEN '-infinity' ELSE date_trunc(d.span, f.since, 'UTC') END AS since, c.sort, c.event_type, c.outcome, c.class, c.severity, c.username, c.is_role, c.object, c.is_other,
			c.is_other OR c.sort = 'type' AND (NOT f.application_made OR f.event_type = ANY ('{login_success,login_failure,logout,token_refresh,token_reuse,token_revoked,permission_denied}')) AS has_room,
			sum(f.events) AS events, sum(f.amount) AS amount
		FROM facts f CROSS JOIN LATERAL twin_internal.fact_counts(f.event_type, f.outcome, f.class, f.severity, f.username, f.is_role, f.table_name, f.key_name, f.address) c
			CROSS JOIN (VALUES ('hour'), ('day'), ('month')) d (span)
		GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
	), known AS MATERIALIZED (	/* each is looked up; a join might read them all */
		SELECT n.*, n.has_room OR (SELECT o.events FROM twin_internal.event_counts o
				WHERE (o.span, o.sort, o.since, o.event_type, o.outcome, o.class, o.severity, o.username, o.is_role, o.object, o.is_other)
					= (n.span, n.sort, n.since, n.event_type, n.outcome, n.class, n.severity, n.username, n.is_role, n.object, n.is_other)) IS NOT NULL AS is_placed
		FROM counted n
	), placed AS MATERIALIZED (
		SELECT k.*, row_number() OVER (PARTITION BY k.span, k.since, k.sort, k.is_placed ORDER BY k.events DESC, k.username, k.object) AS number FROM known k
	), taken AS (
		SELECT h.span, h.since, h.sort, (SELECT count(*) FROM twin_internal.event_counts o WHERE (o.span, o.sort, o.since) = (h.span, h.sort, h.since)) AS names
		FROM (SELECT DISTINCT p.span, p.since, p.sort FROM placed p WHERE NOT p.is_placed) h
	), named AS (
		SELECT p.*, p.is_placed OR p.number + t.names <= max_names AS has_name FROM placed p LEFT JOIN taken t USING (span, since, sort)
	)
	INSERT INTO twin_internal.event_counts AS c
		SELECT n.span, n.since, n.sort, CASE WHEN n.has_name OR n.sort <> 'type' THEN n.event_type ELSE '' END, n.outcome, n.class, n.severity,
			CASE WHEN n.has_name THEN n.username ELSE '' END, n.has_name AND n.is_role,
			CASE WHEN n.has_name OR n.sort = 'key' THEN n.object ELSE '' END, n.is_other OR NOT n.has_name, sum(n.events), sum(n.amount)
		FROM named n GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
		ON CONFLICT (span, sort, since, event_type, outcome, class, severity, username, is_role, object, is_other)
			DO UPDATE SET events = c.events + excluded.events, amount = c.amount + excluded.amount;
	UPDATE twin_internal.event_counts_position SET next_leaf = next_place;
	RETURN cardinality(ids);
END
$$;
COMMENT ON FUNCTION twin_internal.count_events(integer, integer) IS 'counts so many more rows of the audit log, in the order of their leaves; how many there were';

REVOKE ALL ON FUNCTION twin_internal.detail_number(jsonb, text), twin_internal.fact_counts(text, text, text, text, text, boolean, text, text, text), twin_internal.begin_event_counts(),
	twin_internal.count_events(integer, integer) FROM PUBLIC;
