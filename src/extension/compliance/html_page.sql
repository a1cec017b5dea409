/*
 * html_page.sql
 *		twin.compliance_report_html(): the report as a page to read, print, sign and file.
 */

CREATE FUNCTION twin_internal.page_head(report jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format('<header class="head"><p class="kicker">Compliance report</p><h1>Database <bdi>%s</bdi></h1><p class="period">%s to %s</p><dl class="facts">'
			'<div><dt>Made at</dt><dd>%s</dd></div><div><dt>Made by</dt><dd><bdi>%s</bdi></dd></div><div><dt>Versions</dt><dd>twin_security %s, PostgreSQL %s</dd></div>'
			'<div><dt>Checkpoint, size</dt><dd>%s</dd></div><div><dt>Checkpoint, root</dt><dd><code>%s</code></dd></div><div><dt>Checkpoint, signed at</dt><dd>%s</dd></div></dl></header>',
		twin_internal.html_text(report #>> '{report,database}'), twin_internal.html_time((report #>> '{reporting_period,from}')::timestamptz),
		twin_internal.html_time((report #>> '{reporting_period,to}')::timestamptz), twin_internal.html_time((report #>> '{report,generated_at}')::timestamptz),
		twin_internal.html_text(report #>> '{report,generated_by}'), twin_internal.html_text(report #>> '{report,extension_version}'),
		twin_internal.html_text(report #>> '{report,server_version}'), coalesce(twin_internal.html_number((report #>> '{log,checkpoint,size}')::numeric), 'none'),
		coalesce(twin_internal.html_text(report #>> '{log,checkpoint,root}'), 'none'),
		coalesce(nullif(twin_internal.html_time((report #>> '{log,checkpoint,created_at}')::timestamptz), ''), 'nothing was signed yet'));
END;
COMMENT ON FUNCTION twin_internal.page_head(jsonb) IS 'what the report is of, and by whom, for its page';

/* What a reader must not miss. */
CREATE FUNCTION twin_internal.page_notes(report jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT string_agg(format('<p class="note%s">%s</p>', CASE WHEN n.is_good THEN ' good' END, n.note), '' ORDER BY n.place)
	FROM (VALUES
		(1, false, (report #>> '{reporting_period,is_widened}')::boolean, format('Asked for %s to %s. Retention has dropped events of an hour at the edge, so that hour is counted as a whole.',
			twin_internal.html_time((report #>> '{reporting_period,asked_from}')::timestamptz), twin_internal.html_time((report #>> '{reporting_period,asked_to}')::timestamptz))),
		(2, false, jsonb_array_length(report -> 'gaps') > 0, format('Recording was switched off %s times within this time: see Integrity of the log.', jsonb_array_length(report -> 'gaps'))),
		(3, false, (report ->> 'events_dropped')::numeric > 0, format('%s events found no room in memory and were dropped.', twin_internal.html_number((report ->> 'events_dropped')::numeric))),
		(4, false, report #> '{log,checkpoint}' = 'null', 'Nothing of the log has been signed: these figures cannot be checked against a checkpoint.'),
		(5, true, report #> '{log,checkpoint}' <> 'null', format('%s of %s events are under the checkpoint named above; %s were sealed after it, %s wait to be sealed.',
			twin_internal.html_number((report #>> '{log,covered_by_checkpoint}')::numeric), twin_internal.html_number((report ->> 'total_audit_events')::numeric),
			twin_internal.html_number((report #>> '{log,after_checkpoint}')::numeric), twin_internal.html_number((report #>> '{log,not_sealed}')::numeric)))
	) n (place, is_good, is_so, note) WHERE n.is_so;
END;
COMMENT ON FUNCTION twin_internal.page_notes(jsonb) IS 'what a reader of the report must not miss';

CREATE FUNCTION twin_internal.page_tiles(report jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT '<div class="tiles">' || string_agg(format('<div class="tile%s"><b>%s</b><span>%s</span></div>', CASE WHEN t.is_bad AND t.value > 0 THEN ' bad' END,
		twin_internal.html_number(t.value), t.name), '' ORDER BY t.place) || '</div>'
	FROM (VALUES
		(1, 'events', (report ->> 'total_audit_events')::numeric, false), (2, 'logins', (report #>> '{authentication_events,login_success}')::numeric, false),
		(3, 'failed logins', (report #>> '{authentication_events,login_failure}')::numeric, false), (4, 'accesses refused', (report #>> '{authorization_failures,total}')::numeric, false),
		(5, 'accesses to data', (SELECT sum(v::numeric) FROM jsonb_each_text(report -> 'data_access_events') d (k, v)), false),
		(6, 'values decrypted', (report #>> '{decryptions,values}')::numeric, false), (7, 'alerts', (report #>> '{alerts,total}')::numeric, false),
		(8, 'incidents', jsonb_array_length(report -> 'security_incidents')::numeric, true), (9, 'keys due for rotation', jsonb_array_length(report -> 'key_rotations_due')::numeric, true),
		(10, 'checks that fail', coalesce((report #>> '{security_check,by_status,fail}')::numeric, 0), true)) t (place, name, value, is_bad);
END;
COMMENT ON FUNCTION twin_internal.page_tiles(jsonb) IS 'the figures that the page of the report begins with';

CREATE FUNCTION twin_internal.page_events(report jsonb, OUT activity text, OUT logins text, OUT access text, OUT decryptions text) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	from_time timestamptz := report #>> '{reporting_period,from}';
	to_time timestamptz := report #>> '{reporting_period,to}';
	timeline jsonb := jsonb_set(report -> 'timeline', '{steps}', (SELECT coalesce(jsonb_agg(s || jsonb_build_object('other',
		(s ->> 'events')::numeric - (s ->> 'data_access')::numeric - (s ->> 'logins')::numeric - (s ->> 'failed_logins')::numeric - (s ->> 'denied')::numeric)), '[]')
		FROM jsonb_array_elements(report #> '{timeline,steps}') s));
BEGIN
	activity := twin_internal.html_columns('activity', 'Events', timeline, from_time, to_time, '{data_access,logins,failed_logins,denied,other}',
			'{access to data,logins,failed logins,accesses refused,others}', '{1,2,3,4,5}')
		|| twin_internal.html_beside(twin_internal.html_table('By type', twin_internal.html_members(report -> 'events_by_type'), '{name|type|name,events|events|number}', 'There were no events.'),
			twin_internal.html_table('By severity', twin_internal.html_members(report -> 'events_by_severity'), '{name|severity|status,events|events|number}', '')
			|| twin_internal.html_table('By outcome', twin_internal.html_members(report -> 'events_by_outcome'), '{name|outcome|name,events|events|number}', '')
			|| twin_internal.html_table('By class', twin_internal.html_members(report -> 'events_by_class'), '{name|class|name,events|events|number}', ''));
	logins := twin_internal.html_columns('logins', 'Logins', timeline, from_time, to_time, '{logins,failed_logins}', '{succeeded,failed}', '{2,3}')
		|| twin_internal.html_beside(twin_internal.html_table('By type', twin_internal.html_members(report -> 'authentication_events'), '{name|type|name,events|events|number}', ''),
			twin_internal.html_table('Failed logins by address', report #> '{failed_logins,by_address}', '{address|address|name,events|failed|number}', 'No login failed.', 12),
			twin_internal.html_table('Failed logins by user', report #> '{failed_logins,by_user}', '{name|user|name,events|failed|number}', 'No login of a known user failed.', 12))
		|| format('<p>%s failed logins were of nobody that is known.</p>', twin_internal.html_number((report #>> '{failed_logins,of_nobody_known}')::numeric));
	access := twin_internal.html_bars('users', 'Users and roles with most events', report #> '{events_by_user,top}', 'events', 1)
		|| twin_internal.html_table('By user and role', report #> '{events_by_user,top}',
			'{name|name|name,is|is a|text,events|events|number,logins|logins|number,failed_logins|failed|number,denied|refused|number,data_access|data|number}', 'Nobody did anything.')
		|| format('<p>%s events are of others, or of nobody.</p>', twin_internal.html_number((report #>> '{events_by_user,others}')::numeric))
		|| twin_internal.html_table('By table', report #> '{events_by_table,top}',
			'{name|table|name,create|create|number,read|read|number,update|update|number,delete|delete|number,truncate|truncate|number,rows_read|rows read|number}', 'No audited table was read or changed.');
	decryptions := twin_internal.html_bars('keys', 'Values opened, by key', report #> '{decryptions,by_key}', 'values', 4)
		|| twin_internal.html_beside(twin_internal.html_table('By key', report #> '{decryptions,by_key}', '{name|key|name,events|events|number,values|values|number}', 'No encrypted value was opened.'),
			twin_internal.html_table('By user and role', report #> '{decryptions,by_user}', '{name|name|name,is|is a|text,events|events|number,values|values|number}', ''));
END
$$;
COMMENT ON FUNCTION twin_internal.page_events(jsonb) IS 'sections of the page that count events';

CREATE FUNCTION twin_internal.page_state(report jsonb, OUT incidents text, OUT keys text, OUT integrity text, OUT retention text, OUT checks text) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	incidents := twin_internal.html_table('Incidents', report -> 'security_incidents',
			'{incident_id|incident|name,incident_type|type|text,severity|severity|status,status|status|status,opened_at|opened|time,closed_at|closed|time,alerts|alerts|number}', 'No incident was open within this time.')
		|| twin_internal.html_table('Alerts by rule', twin_internal.html_members(report #> '{alerts,by_rule}'), '{name|rule|name,events|alerts|number}', 'No alert was raised within this time.');
	keys := twin_internal.html_table('Due for rotation', report -> 'key_rotations_due',
		'{key_name|key|name,version|version|number,created_at|made|time,age_days|days|number,messages|messages|number,reason|why|text}', 'No key is due for rotation.');
	integrity := CASE WHEN report #> '{log,checkpoint}' = 'null' THEN '' ELSE format('<p>The log has %s leaves. Its newest signed checkpoint:</p><pre>%s</pre>'
			'<p class="after">Whoever kept an older one proves with <code>twin.consistency_proof()</code> that this log goes on from it.</p>',
			twin_internal.html_number((report #>> '{log,leaves}')::numeric), twin_internal.html_lines(report #>> '{log,checkpoint,note}')) END
		|| twin_internal.html_table('Times without recording', report -> 'gaps', '{from_time|from|time,to_time|to|time,switched_off_by|switched off by|text,event_id|event|text}',
			'Recording was not switched off within this time.')
		|| format('<p>%s events were dropped because memory was full.</p>', twin_internal.html_number((report ->> 'events_dropped')::numeric));
	retention := twin_internal.html_table('Policies', report #> '{retention,policies}', '{policy_name|policy|name,relation|of|text,keep|keeps|text,archive|archives|yes,enabled|enabled|yes,last_success|last success|time}', 'There is no policy.')
		|| twin_internal.html_table('Dropped within this time', report #> '{retention,dropped}',
			'{partition_name|partition|name,from_time|from|time,to_time|to|time,rows|rows|number,archive_file|archive|text}', 'Nothing was dropped within this time.')
		|| twin_internal.html_table('Runs within this time', report #> '{retention,runs}',
			'{started_at|started|time,finished_at|finished|time,items|items|number,rows|rows|number,failures|failures|number}', 'No run began within this time.')
		|| twin_internal.html_table('Legal holds', report -> 'legal_holds',
			'{case_ref|case|name,policy_name|policy|text,from_time|from|time,to_time|to|time,placed_by|placed by|text,placed_at|placed|time,released_at|released|time}', 'No legal hold was in force within this time.')
		|| twin_internal.html_table('What failed to go', report #> '{retention,failures}', '{partition_name|partition|name,state|state|text,failure|why|text,failed_at|since|time}',
			'No partition or batch failed to go.');
	checks := twin_internal.html_table('Points, now', twin_internal.html_members(report #> '{security_check,by_status}'), '{name|status|status,events|points|number}', '')
		|| twin_internal.html_table('What is not as it should be', report #> '{security_check,findings}',
			'{check_id|check|name,title|title|text,severity|severity|status,status|status|status,objects|objects|number}', 'Everything is as it should be.');
END
$$;
COMMENT ON FUNCTION twin_internal.page_state(jsonb) IS 'sections of the page that show how things stand';

CREATE FUNCTION twin_internal.html_lines(given text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT string_agg(twin_internal.html_text(l, 400), E'\n' ORDER BY o) FROM string_to_table(given, E'\n') WITH ORDINALITY t (l, o);
END;
COMMENT ON FUNCTION twin_internal.html_lines(text) IS 'lines of text of a page';

CREATE FUNCTION twin_internal.page_controls(controls jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT string_agg(f.part, '' ORDER BY f.place)
	FROM (SELECT min(o) AS place, format('<h3>%s</h3>', twin_internal.html_text(c ->> 'framework')) || string_agg(format('<div class="control"><h4>%s</h4><div><p><b>%s.</b> %s</p><p><code>%s</code></p></div></div>',
			twin_internal.html_text(c ->> 'id'), twin_internal.html_text(c ->> 'title'), twin_internal.html_text(c ->> 'evidence', 1000), twin_internal.html_text(c ->> 'query', 1500)), E'\n' ORDER BY o) AS part
		FROM jsonb_array_elements(controls) WITH ORDINALITY a (c, o) GROUP BY c ->> 'framework') f;
END;
COMMENT ON FUNCTION twin_internal.page_controls(jsonb) IS 'controls, their evidence and how to look at it again, for the page';

CREATE FUNCTION twin_internal.report_page(report jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH sections (place, name, title, kind, content) AS (
		SELECT s.* FROM twin_internal.page_events(report) e, twin_internal.page_state(report) t, LATERAL (VALUES
			(1, 'summary', 'Summary', '', twin_internal.page_tiles(report) || coalesce(twin_internal.page_notes(report), '')), (2, 'activity', 'Activity', '', e.activity),
			(3, 'authentication', 'Authentication', '', e.logins), (4, 'access', 'Users and data', '', e.access), (5, 'decryptions', 'Decryptions', '', e.decryptions),
			(6, 'incidents', 'Incidents and alerts', '', t.incidents), (7, 'keys', 'Keys', '', t.keys), (8, 'integrity', 'Integrity of the log', '', t.integrity),
			(9, 'retention', 'Retention', '', t.retention), (10, 'checks', 'Security check', '', t.checks),
			(11, 'controls', 'Controls', 'controls', '<p>For each control the evidence of this report, and the query that shows it again. Whether a control is met is for the auditor to say.</p>'
				|| twin_internal.page_controls(report -> 'controls')),
			(12, 'signatures', 'Signatures', 'signing', '<p>I have read this report and filed it with the checkpoint that it names.</p><div class="signatures"><div>Name, role</div><div>Date</div><div>Signature</div>'
				'<div>Name, role</div><div>Date</div><div>Signature</div></div>'),
			(13, 'figures', 'Figures of the charts', 'figures', twin_internal.html_table('By ' || (report #>> '{timeline,step}') || ' (UTC)', report #> '{timeline,steps}',
				'{at|from|time,events|events|number,data_access|data|number,logins|logins|number,failed_logins|failed|number,denied|refused|number}', 'There were no events.', 400))) s (place, name, title, kind, content)
	)
	SELECT '<!DOCTYPE html>' || E'\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>'
		'<meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''"/><meta name="viewport" content="width=device-width, initial-scale=1"/>'
		'<meta name="referrer" content="no-referrer"/><title>Compliance report: ' || twin_internal.html_text(report #>> '{report,database}') || ', '
		|| left(twin_internal.html_time((report #>> '{reporting_period,from}')::timestamptz), 10) || ' to ' || left(twin_internal.html_time((report #>> '{reporting_period,to}')::timestamptz), 10)
		|| '</title><style>' || twin_internal.html_style() || '</style></head><body><div class="page">' || twin_internal.page_head(report)
		|| '<nav aria-label="Contents"><h2>Contents</h2><ol>' || (SELECT string_agg(format('<li><a href="#%s">%s</a></li>', s.name, s.title), '' ORDER BY s.place) FROM sections s) || '</ol></nav><main>'
		|| (SELECT string_agg(format(E'\n<section id="%1$s"%2$s aria-labelledby="%1$s-heading"><h2 id="%1$s-heading">%3$s. %4$s</h2>%5$s</section>', s.name,
			CASE WHEN s.kind <> '' THEN format(' class="%s"', s.kind) END, s.place, s.title, s.content), '' ORDER BY s.place) FROM sections s)
		|| E'</main><footer><p>twin_security. Times are in UTC. The log is tamper-evident: what this page says can be checked against the checkpoint that it names.</p></footer></div></body></html>\n';
END;
COMMENT ON FUNCTION twin_internal.report_page(jsonb) IS 'the compliance report as a page';

CREATE FUNCTION twin.compliance_report_html(from_time timestamptz, to_time timestamptz) RETURNS text
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT twin_internal.report_page(twin.compliance_report(from_time, to_time));
END;
COMMENT ON FUNCTION twin.compliance_report_html(timestamptz, timestamptz) IS
	'twin.compliance_report() as one page of HTML that needs nothing else, in UTF-8: to read, print, sign and file';

REVOKE ALL ON FUNCTION twin_internal.page_head(jsonb), twin_internal.page_notes(jsonb), twin_internal.page_tiles(jsonb), twin_internal.page_events(jsonb), twin_internal.page_state(jsonb),
	twin_internal.html_lines(text), twin_internal.page_controls(jsonb), twin_internal.report_page(jsonb), twin.compliance_report_html(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.compliance_report_html(timestamptz, timestamptz) TO twin_admin, twin_auditor;
