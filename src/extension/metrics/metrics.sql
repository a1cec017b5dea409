/*
 * metrics.sql
 *		Numbers for those who watch the server from outside, as rows and as OpenMetrics text.
 *
 * Figures of this database, and the few that are the server's as a whole; with two databases each is asked. No number
 * belongs to a user, an address or a token, so a login without any right may read them. None costs counting rows of the
 * log: they stand in shared memory and in small tables. Who watches must not wait, nor lose everything for one thing that
 * fails: each source is read for itself, waits for no lock, and says in twin_security_scrape_error that it failed.
 */

--@include families.sql
--@include sources.sql
--@include watching.sql

CREATE FUNCTION twin_internal.metric_samples() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
	source text;
	began timestamptz := clock_timestamp();
BEGIN
	FOR source IN SELECT s.source_name FROM twin_internal.metric_sources s ORDER BY s.source_name LOOP
		BEGIN
			RETURN QUERY EXECUTE format('SELECT m.family, m.labels, m.value FROM twin_internal.%I() m WHERE m.value IS NOT NULL', 'metrics_of_' || source);
			value := 0;
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING 'metrics of source "%" cannot be read', source USING ERRCODE = SQLSTATE, DETAIL = SQLERRM;
			value := 1;
		END;
		family := 'twin_security_scrape_error';
		labels := ARRAY['source', source];
		RETURN NEXT;
	END LOOP;
	family := 'twin_security_scrape_duration_seconds';
	labels := '{}';
	value := extract(epoch FROM clock_timestamp() - began);
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION twin_internal.metric_samples() IS 'every number of every source; of a source that fails, what it gave before';

/* Each series is kept by whoever collects them, for ever: a family that grows without bound is cut, and that is a number too. */
CREATE FUNCTION twin_internal.stat_metrics() RETURNS TABLE(family text, kind text, unit text, help text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
BEGIN ATOMIC
	WITH samples AS MATERIALIZED (
		SELECT s.family, s.labels, s.value, row_number() OVER (PARTITION BY s.family ORDER BY s.labels) AS number,
			row_number() OVER (PARTITION BY s.family, s.labels) AS copy
		FROM twin_internal.metric_samples() s
	), shown AS (
		SELECT s.family, s.labels, s.value FROM samples s WHERE s.number <= 1000 AND s.copy = 1
		UNION ALL
		SELECT 'twin_security_scrape_dropped_series', '{}',
			count(*) FILTER (WHERE s.number > 1000 OR s.copy > 1 OR NOT EXISTS (SELECT FROM twin_internal.metric_families f WHERE f.family = s.family))
		FROM samples s
	)
	SELECT f.family, f.kind, f.unit, f.help, s.labels, s.value
	FROM twin_internal.metric_families f LEFT JOIN shown s USING (family)
	ORDER BY f.family, s.labels;
END;
COMMENT ON FUNCTION twin_internal.stat_metrics() IS 'the numbers with their families; a family without any has one row without a value';

CREATE VIEW twin.stat_metrics AS
	SELECT m.family || CASE m.kind WHEN 'counter' THEN '_total' ELSE '' END AS metric, m.kind, m.unit, pg_catalog.jsonb_object(m.labels) AS labels, m.value
	FROM twin_internal.stat_metrics() m WHERE m.value IS NOT NULL;
COMMENT ON VIEW twin.stat_metrics IS 'what twin.metrics() tells, as rows: docs/metrics.md says what each is';

/* ---- as text ---- */

/* Names are ours; values are cut, and made plain where the database does not know what its bytes mean. */
CREATE FUNCTION twin_internal.metric_labels(labels text[]) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce('{' || string_agg(labels[i] || '="' ||
			replace(replace(replace(left(CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN regexp_replace(labels[i + 1], '[^ -~]', '?', 'g') ELSE labels[i + 1] END, 200),
				E'\\', E'\\\\'), '"', E'\\"'), E'\n', E'\\n') || '"', ',' ORDER BY i) || '}', '')
	FROM generate_series(1, cardinality(labels), 2) i;
END;
COMMENT ON FUNCTION twin_internal.metric_labels(text[]) IS 'labels of a sample as OpenMetrics text, from names and values in turn';

CREATE FUNCTION twin.metrics(format text DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 AS $$
BEGIN
	IF format NOT IN ('openmetrics', 'prometheus') THEN
		RAISE EXCEPTION 'unknown format of metrics' USING ERRCODE = '22023',
			HINT = 'It is one of: openmetrics, prometheus; without one the text is good as both.';
	END IF;
	/* a counter's family has the suffix in Prometheus' text format and has none in OpenMetrics: a line about its type is true in one of them */
	RETURN (SELECT string_agg(f.head || coalesce(f.samples, ''), '' ORDER BY f.family COLLATE "C") FROM (
		SELECT m.family,
			format(CASE WHEN m.kind = 'counter' AND metrics.format IS NULL THEN E'# HELP %1$s %3$s\n' ELSE E'# HELP %1$s %3$s\n# TYPE %1$s %2$s\n' END,
				m.family || CASE WHEN m.kind = 'counter' AND metrics.format IS DISTINCT FROM 'openmetrics' THEN '_total' ELSE '' END, m.kind, m.help)
				|| CASE WHEN m.unit IS NULL THEN '' ELSE format(E'# UNIT %s %s\n', m.family, m.unit) END AS head,
			string_agg(m.family || CASE m.kind WHEN 'counter' THEN '_total' ELSE '' END || twin_internal.metric_labels(m.labels) || ' ' ||
				m.value::text || E'\n', '' ORDER BY m.labels COLLATE "C") FILTER (WHERE m.value IS NOT NULL) AS samples
		FROM twin_internal.stat_metrics() m GROUP BY m.family, m.kind, m.unit, m.help) f) || '# EOF';
END
$$;
COMMENT ON FUNCTION twin.metrics(text) IS 'numbers about this database for Prometheus and its like, as OpenMetrics text; needs no token, tells of no user';

REVOKE ALL ON FUNCTION twin.metrics(text), twin_internal.metric_samples(), twin_internal.stat_metrics(), twin_internal.metric_labels(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.metrics(text) TO twin_admin, twin_auditor, twin_gateway, pg_monitor;
GRANT EXECUTE ON FUNCTION twin_internal.stat_metrics() TO twin_admin, twin_auditor;
GRANT SELECT ON twin.stat_metrics TO twin_admin, twin_auditor;
