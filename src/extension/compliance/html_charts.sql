/*
 * html_charts.sql
 *		Texts, tables and charts of the page, from members of the report.
 */

/*
 * A text from wherever as text of the page: no markup, neither control characters (which XML does not have) nor those that turn the
 * direction of text around, and never endless.
 */
CREATE FUNCTION twin_internal.html_text(given text, longest integer DEFAULT 160) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(replace(replace(replace(replace(replace(
		regexp_replace(CASE WHEN length(given) > longest THEN left(given, longest) || '...' ELSE given END,
			E'[\\u0001-\\u0008\\u000B-\\u001F\\u007F-\\u009F\\u061C\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\uFEFF\\uFFFE\\uFFFF]', '?', 'g'),
		'&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'), '');
END;
COMMENT ON FUNCTION twin_internal.html_text(text, integer) IS 'a text as it may stand anywhere in a page';

CREATE FUNCTION twin_internal.html_number(given numeric) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(replace(to_char(given, 'FM999G999G999G999G999G990'), (SELECT substr(to_char(1000, 'FM9G990'), 2, 1)), ','), '');
END;
COMMENT ON FUNCTION twin_internal.html_number(numeric) IS 'a whole number with commas';

CREATE FUNCTION twin_internal.html_time(given timestamptz) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(to_char(given AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC', '');
END;
COMMENT ON FUNCTION twin_internal.html_time(timestamptz) IS 'a time in UTC';

/* columns: "member|heading|kind"; kind: name, text, number, time, yes (or no), status. What is longer than a page bears is in the report itself. */
CREATE FUNCTION twin_internal.html_table(caption text, members jsonb, columns text[], nothing text, longest integer DEFAULT 25) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN jsonb_array_length(members) = 0 THEN '<p class="none">' || twin_internal.html_text(nothing) || '</p>' ELSE
		'<div class="scroll"><table><caption>' || twin_internal.html_text(caption) || '</caption><thead><tr>'
			|| (SELECT string_agg(format('<th scope="col"%s>%s</th>', CASE WHEN split_part(c, '|', 3) = 'number' THEN ' class="number"' END, twin_internal.html_text(split_part(c, '|', 2))), '' ORDER BY o)
				FROM unnest(columns) WITH ORDINALITY u (c, o))
			|| '</tr></thead><tbody>'
			|| (SELECT string_agg('<tr>' || (SELECT string_agg(CASE split_part(c, '|', 3)
						WHEN 'name' THEN '<th scope="row"><bdi>' || twin_internal.html_text(m ->> split_part(c, '|', 1)) || '</bdi></th>'
						WHEN 'number' THEN '<td class="number">' || twin_internal.html_number((m ->> split_part(c, '|', 1))::numeric) || '</td>'
						WHEN 'time' THEN '<td class="time">' || twin_internal.html_time((m ->> split_part(c, '|', 1))::timestamptz) || '</td>'
						WHEN 'yes' THEN CASE (m ->> split_part(c, '|', 1))::boolean WHEN true THEN '<td>yes</td>' ELSE '<td>no</td>' END
						WHEN 'status' THEN format('<td><span class="badge %s">%1$s</span></td>', twin_internal.html_text(m ->> split_part(c, '|', 1)))
						ELSE '<td><bdi>' || twin_internal.html_text(m ->> split_part(c, '|', 1), 600) || '</bdi></td>' END, '' ORDER BY o)
					FROM unnest(columns) WITH ORDINALITY u (c, o)) || '</tr>', E'\n' ORDER BY n)
				FROM jsonb_array_elements(members) WITH ORDINALITY a (m, n) WHERE n <= longest)
			|| '</tbody></table>' || CASE WHEN jsonb_array_length(members) > longest THEN format('<p class="none">and %s more, in twin.compliance_report()</p>', jsonb_array_length(members) - longest) ELSE '' END
			|| '</div>' END;
END;
COMMENT ON FUNCTION twin_internal.html_table(text, jsonb, text[], text, integer) IS 'an array of objects as a table of a page, or what is said where there is none';

CREATE FUNCTION twin_internal.html_beside(VARIADIC pieces text[]) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT '<div class="beside">' || string_agg('<div>' || p || '</div>', '' ORDER BY o) || '</div>' FROM unnest(pieces) WITH ORDINALITY u (p, o);
END;
COMMENT ON FUNCTION twin_internal.html_beside(text[]) IS 'pieces of a page beside each other, where there is room';

/* An object of numbers as an array of objects, the largest first. */
CREATE FUNCTION twin_internal.html_members(counts jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(jsonb_agg(jsonb_build_object('name', e.key, 'events', e.value::numeric) ORDER BY e.value::numeric DESC, e.key), '[]') FROM jsonb_each_text(counts) e;
END;
COMMENT ON FUNCTION twin_internal.html_members(jsonb) IS 'an object of numbers as an array of name and events';

/* The least of 1, 2, 5, 10, 20 and so on that, four times, is as much as the largest. */
CREATE FUNCTION twin_internal.html_tick(largest numeric) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT min(m * 10::numeric ^ e) FROM generate_series(0, 18) e, unnest(ARRAY[1, 2, 5]) m WHERE m * 10::numeric ^ e * 4 >= largest;
END;
COMMENT ON FUNCTION twin_internal.html_tick(numeric) IS 'the distance between lines of a chart';

CREATE FUNCTION twin_internal.html_short(given numeric) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN given >= 1000000000 THEN trim_scale(round(given / 1000000000, 1))::text || 'G' WHEN given >= 1000000 THEN trim_scale(round(given / 1000000, 1))::text || 'M'
		WHEN given >= 10000 THEN trim_scale(round(given / 1000, 1))::text || 'k' ELSE twin_internal.html_number(given) END;
END;
COMMENT ON FUNCTION twin_internal.html_short(numeric) IS 'a number on the axis of a chart';

/*
 * Columns over time, each of several counts on top of each other. Steps without events are gaps, in their place. The figures
 * are in a table of the appendix, which the chart names.
 */
CREATE FUNCTION twin_internal.html_columns(chart text, title text, timeline jsonb, from_time timestamptz, to_time timestamptz, members text[], names text[], colors integer[]) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	step constant text := timeline ->> 'step';
	width constant interval := ('1 ' || step)::interval;
	first timestamp := date_trunc(step, from_time AT TIME ZONE 'UTC');
	places integer;
	wide numeric;
	tick numeric;
	bars text;
	lines text;
	labels text;
BEGIN
	/* a time of many centuries is shown from its first event on, and where events are centuries apart, up to its last */
	IF twin_internal.report_days(from_time, to_time) > 400 * extract(epoch FROM width) / 86400 THEN
		first := coalesce((SELECT greatest(min(e.at), max(e.at) - 399 * width)
			FROM (SELECT (s ->> 'at')::timestamptz AT TIME ZONE 'UTC' AS at FROM jsonb_array_elements(timeline -> 'steps') s) e), first);
	END IF;
	places := (SELECT count(*) FROM (SELECT FROM generate_series(0, 399) n WHERE first + n * width < to_time AT TIME ZONE 'UTC') p);
	wide := 900.0 / greatest(places, 1);
	SELECT twin_internal.html_tick(greatest(max((SELECT sum((s ->> m)::numeric) FROM unnest(members) m)), 1)) INTO tick FROM jsonb_array_elements(timeline -> 'steps') s;
	tick := coalesce(tick, 1);
	SELECT string_agg(format('<rect class="c%s" x="%s" y="%s" width="%s" height="%s"><title>%s: %s %s</title></rect>', colors[b.place], round(50 + b.number * wide + wide * 0.1, 2),
			round(220 - (b.below + b.value) / (tick * 4) * 200, 2), round(greatest(wide * 0.8, 0.5), 2), round(b.value / (tick * 4) * 200, 2),
			to_char(b.at, CASE step WHEN 'hour' THEN 'YYYY-MM-DD HH24:MI' WHEN 'month' THEN 'YYYY-MM' WHEN 'year' THEN 'YYYY' ELSE 'YYYY-MM-DD' END), twin_internal.html_number(b.value), names[b.place]), '')
		INTO bars
		FROM (SELECT g.number, g.at, m.place, (s ->> m.name)::numeric AS value,
				coalesce(sum((s ->> m.name)::numeric) OVER (PARTITION BY g.number ORDER BY m.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS below
			FROM (SELECT number, first + number * width AS at FROM generate_series(0, places - 1) number) g
				JOIN jsonb_array_elements(timeline -> 'steps') s ON (s ->> 'at')::timestamptz = g.at AT TIME ZONE 'UTC', unnest(members) WITH ORDINALITY m (name, place)) b
		WHERE b.value > 0;
	SELECT string_agg(format('<line class="grid" x1="50" x2="950" y1="%s" y2="%1$s"/><text class="axis" x="44" y="%s" text-anchor="end">%s</text>', 220 - n * 50, 224 - n * 50,
		twin_internal.html_short(tick * n)), '' ORDER BY n) INTO lines FROM generate_series(0, 4) n;
	SELECT string_agg(format('<text class="axis" x="%s" y="238" text-anchor="middle">%s</text>', round(50 + (number + 0.5) * wide, 1),
			to_char(first + number * width, CASE step WHEN 'hour' THEN 'MM-DD HH24:MI' WHEN 'month' THEN 'YYYY-MM' WHEN 'year' THEN 'YYYY' ELSE 'YYYY-MM-DD' END)), '')
		INTO labels FROM generate_series(0, places - 1, greatest(1, ceil(places / 9.0)::integer)) number;
	RETURN format('<figure><figcaption>%1$s, by %2$s (UTC)</figcaption><svg viewBox="0 0 960 246" role="img" aria-labelledby="%3$s-title">'
			'<title id="%3$s-title">%1$s, by %2$s</title>%4$s%5$s%6$s</svg><p class="legend">%7$s<a href="#figures">Figures</a></p></figure>', title, step, chart, lines, bars, labels,
		(SELECT string_agg(format('<span><i class="c%s"></i>%s</span>', colors[place], name), ' ' ORDER BY place) FROM unnest(names) WITH ORDINALITY n (name, place)));
END
$$;
COMMENT ON FUNCTION twin_internal.html_columns(text, text, jsonb, timestamptz, timestamptz, text[], text[], integer[]) IS 'a chart of counts over time';

/* The first twelve of a list, which is in order; all of it is in the table beside. */
CREATE FUNCTION twin_internal.html_bars(chart text, title text, members jsonb, amount text, color integer) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN count(*) = 0 THEN '' ELSE format(
		'<figure><figcaption>%1$s</figcaption><svg viewBox="0 0 960 %2$s" role="img" aria-labelledby="%3$s-title"><title id="%3$s-title">%1$s</title>%4$s</svg></figure>', title, count(*) * 26 + 6, chart,
		string_agg(format('<text class="name" x="232" y="%1$s" text-anchor="end">%2$s</text><rect class="c%3$s" x="240" y="%4$s" width="%5$s" height="16" rx="2"/><text class="value" x="%6$s" y="%1$s">%7$s</text>',
			b.number * 26 - 7, twin_internal.html_text(b.name, 28), color, b.number * 26 - 20, round(greatest(b.value / b.largest * 620, 1), 1), round(248 + greatest(b.value / b.largest * 620, 1), 1),
			twin_internal.html_number(b.value)), '' ORDER BY b.number)) END
	FROM (SELECT m ->> 'name' AS name, (m ->> amount)::numeric AS value, greatest(max((m ->> amount)::numeric) OVER (), 1) AS largest, n AS number
		FROM jsonb_array_elements(members) WITH ORDINALITY a (m, n) WHERE n <= 12) b;
END;
COMMENT ON FUNCTION twin_internal.html_bars(text, text, jsonb, text, integer) IS 'a chart of the largest members of a list';

REVOKE ALL ON FUNCTION twin_internal.html_text(text, integer), twin_internal.html_number(numeric), twin_internal.html_time(timestamptz),
	twin_internal.html_table(text, jsonb, text[], text, integer), twin_internal.html_members(jsonb), twin_internal.html_beside(text[]), twin_internal.html_tick(numeric), twin_internal.html_short(numeric),
	twin_internal.html_columns(text, text, jsonb, timestamptz, timestamptz, text[], text[], integer[]), twin_internal.html_bars(text, text, jsonb, text, integer) FROM PUBLIC;
