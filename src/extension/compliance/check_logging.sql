/*
 * check_logging.sql
 *		The server's log says who came, from where and what failed; is kept; and keeps no secret.
 */

CREATE VIEW twin_internal.check_logging_1 AS
	SELECT CASE WHEN s.collector = 'on' OR s.destination ~ '(syslog|eventlog)' THEN 'pass' ELSE 'fail' END AS status, 'logging_collector' AS object,
		format('logging_collector is %s, log_destination is %s', s.collector, s.destination) AS detail
	FROM (SELECT twin_internal.server_setting('logging_collector') AS collector, twin_internal.server_setting('log_destination') AS destination) s;
COMMENT ON VIEW twin_internal.check_logging_1 IS 'messages go to where they may be lost';

CREATE VIEW twin_internal.check_logging_2 AS
	SELECT CASE WHEN s.destination ~ '(jsonlog|csvlog)' THEN 'pass' ELSE 'warn' END AS status, 'log_destination' AS object, 'log_destination is ' || s.destination AS detail
	FROM twin_internal.server_setting('log_destination') s (destination);
COMMENT ON VIEW twin_internal.check_logging_2 IS 'messages are text that whoever writes into them can forge lines of';

CREATE VIEW twin_internal.check_logging_7 AS
	SELECT CASE WHEN m.missing IS NULL OR m.destination !~ '(stderr|syslog|eventlog)' THEN 'pass' ELSE 'warn' END AS status, 'log_line_prefix' AS object,
		concat('log_line_prefix is ', quote_literal(m.prefix), ', ' || m.missing || ' missing') AS detail
	FROM (SELECT p.prefix, twin_internal.server_setting('log_destination') AS destination,
			(SELECT string_agg(w.what, ', ') FROM (VALUES ('%[tmn]', 'the time'), ('%[pc]', 'the process'), ('%u', 'the role'), ('%d', 'the database'), ('%[hr]', 'the address')) w (pattern, what)
				WHERE replace(p.prefix, '%%', '') !~ replace(w.pattern, '%', '%-?[0-9]*')) AS missing
		FROM twin_internal.server_setting('log_line_prefix') p (prefix)) m;
COMMENT ON VIEW twin_internal.check_logging_7 IS 'lines that do not say when, who, where and from where';

CREATE VIEW twin_internal.check_logging_10 AS
	SELECT CASE WHEN m.mode & 23 = 0 THEN 'pass' ELSE 'fail' END AS status, 'log_file_mode' AS object, 'log_file_mode is ' || twin_internal.mode_text(m.mode) AS detail
	FROM (SELECT twin_internal.server_setting('log_file_mode')::integer) m (mode);
COMMENT ON VIEW twin_internal.check_logging_10 IS 'files of the log that others may read, or the group may write (23 is 0027)';
