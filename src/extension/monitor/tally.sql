/*
 * tally.sql
 *		How many alerts were raised, and how many deliveries there are, counted as they come and go: nobody counts rows, of
 *		which whoever attacks decides how many there are. Not dumped: a restore counts what it brings.
 *
 * Each statement adds a row of its own, so that nobody waits for somebody else's open transaction; the writer's process
 * adds them up.
 */

CREATE TABLE twin_internal.tallies (
	tally text NOT NULL,
	labels text[] NOT NULL,	/* names and values in turn */
	amount bigint NOT NULL
);
COMMENT ON TABLE twin_internal.tallies IS 'how many of something there are: of each tally and its labels the sum of its rows';
SELECT twin_internal.keep_from_publishers('twin_internal.tallies');

CREATE FUNCTION twin_internal.tally_alerts() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.tallies (tally, labels, amount)
		SELECT 'alerts', ARRAY['rule', r.rule_name, 'severity', r.severity], count(*) FROM come r GROUP BY r.rule_name, r.severity;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tally_alerts() IS 'counts alerts that are raised; those that are deleted were raised all the same';
CREATE TRIGGER tally_alerts AFTER INSERT ON twin_internal.alerts
	REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tally_alerts();

CREATE FUNCTION twin_internal.tally_deliveries() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO twin_internal.tallies (tally, labels, amount)
			SELECT 'deliveries', ARRAY['state', c.state], count(*) FROM come c GROUP BY c.state;
	ELSIF TG_OP = 'UPDATE' THEN
		INSERT INTO twin_internal.tallies (tally, labels, amount)
			SELECT 'deliveries', ARRAY['state', b.state], sum(b.amount)
				FROM (SELECT c.state, 1 AS amount FROM come c UNION ALL SELECT g.state, -1 FROM gone g) b GROUP BY b.state HAVING sum(b.amount) <> 0;
	ELSIF TG_OP = 'DELETE' THEN
		INSERT INTO twin_internal.tallies (tally, labels, amount)
			SELECT 'deliveries', ARRAY['state', g.state], -count(*) FROM gone g GROUP BY g.state;
	ELSE
		/* nobody else changes any: the table is locked */
		INSERT INTO twin_internal.tallies (tally, labels, amount)
			SELECT t.tally, t.labels, -sum(t.amount) FROM twin_internal.tallies t WHERE t.tally = 'deliveries' GROUP BY t.tally, t.labels;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tally_deliveries() IS 'counts deliveries by their state';
CREATE TRIGGER tally_come AFTER INSERT ON twin_internal.alert_deliveries
	REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tally_deliveries();
CREATE TRIGGER tally_changed AFTER UPDATE ON twin_internal.alert_deliveries
	REFERENCING NEW TABLE AS come OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tally_deliveries();
CREATE TRIGGER tally_gone AFTER DELETE ON twin_internal.alert_deliveries
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tally_deliveries();
CREATE TRIGGER tally_truncated AFTER TRUNCATE ON twin_internal.alert_deliveries
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tally_deliveries();

/* For the writer's process, whose transactions are read committed: elsewhere it could fail for what others did meanwhile. */
CREATE FUNCTION twin_internal.add_up_tallies() RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	most CONSTANT integer := 20000;
	parts tid[] := ARRAY(SELECT t.ctid FROM twin_internal.tallies t LIMIT most FOR UPDATE SKIP LOCKED);
BEGIN
	/* fewer are read as quickly as one */
	IF cardinality(parts) >= 500 THEN
		WITH old AS (DELETE FROM twin_internal.tallies t WHERE t.ctid = ANY (parts) RETURNING t.*)
		INSERT INTO twin_internal.tallies (tally, labels, amount)
			SELECT o.tally, o.labels, sum(o.amount) FROM old o GROUP BY o.tally, o.labels HAVING sum(o.amount) <> 0;
	END IF;
	/* whoever settles deliveries tells nobody */
	RETURN CASE WHEN cardinality(parts) = most THEN clock_timestamp()
		WHEN EXISTS (SELECT FROM twin_internal.alert_deliveries d WHERE d.state = 'pending') THEN clock_timestamp() + interval '1 minute' END;
END
$$;
COMMENT ON FUNCTION twin_internal.add_up_tallies() IS 'puts one row in the place of many, for each tally and its labels; returns when it is to be called again';

REVOKE ALL ON FUNCTION twin_internal.tally_alerts(), twin_internal.tally_deliveries(), twin_internal.add_up_tallies() FROM PUBLIC;
