/*
 * check_hba.sql
 *		pg_hba.conf as it stands in the file. Options of a line are never shown: passwords of directories are among them.
 */

CREATE VIEW twin_internal.hba_lines AS
	SELECT 'line ' || h.line_number AS object, h.type, h.database, h.user_name, h.address, h.netmask, h.auth_method, h.options, h.error,
		concat_ws(' ', h.type, array_to_string(h.database, ','), array_to_string(h.user_name, ','), h.address, h.auth_method) AS shown,
		h.type <> 'local' AND h.auth_method <> 'reject' AS is_network,
		CASE WHEN h.netmask IS NULL THEN h.address = 'all' ELSE h.netmask IN ('0.0.0.0', '::') END AS is_anywhere,
		h.address ~ '^127[.]' OR h.address = '::1' OR h.address IN ('localhost', 'samehost') AS is_loopback
	FROM pg_catalog.pg_hba_file_rules h;
COMMENT ON VIEW twin_internal.hba_lines IS 'lines of pg_hba.conf as they are shown, and what follows from their address';

CREATE VIEW twin_internal.check_hba_1 AS
	SELECT 'fail' AS status, l.object, l.error AS detail FROM twin_internal.hba_lines l WHERE l.error IS NOT NULL;
COMMENT ON VIEW twin_internal.check_hba_1 IS 'lines that the server cannot read: a reload keeps what was there before';

CREATE VIEW twin_internal.check_hba_2 AS
	SELECT 'fail' AS status, l.object, l.shown AS detail FROM twin_internal.hba_lines l WHERE l.auth_method = 'trust';
COMMENT ON VIEW twin_internal.check_hba_2 IS 'lines that let anybody in who says who he is';

CREATE VIEW twin_internal.check_hba_3 AS
	SELECT CASE l.auth_method WHEN 'md5' THEN 'warn' ELSE 'fail' END AS status, l.object, l.shown AS detail
	FROM twin_internal.hba_lines l WHERE l.auth_method IN ('md5', 'password');
COMMENT ON VIEW twin_internal.check_hba_3 IS 'lines that take a password in the clear, or hashed with MD5';

CREATE VIEW twin_internal.check_hba_4 AS
	SELECT 'fail' AS status, l.object, l.shown AS detail FROM twin_internal.hba_lines l WHERE l.is_network AND l.is_anywhere;
COMMENT ON VIEW twin_internal.check_hba_4 IS 'lines for every address there is';

CREATE VIEW twin_internal.check_hba_5 AS
	SELECT 'fail' AS status, l.object, l.shown AS detail
	FROM twin_internal.hba_lines l WHERE l.is_network AND l.type IN ('host', 'hostnossl', 'hostnogssenc') AND l.is_loopback IS NOT TRUE;
COMMENT ON VIEW twin_internal.check_hba_5 IS 'lines of the network that take connections without encryption';

CREATE VIEW twin_internal.check_hba_6 AS
	SELECT 'warn' AS status, l.object, l.shown AS detail
	FROM twin_internal.hba_lines l WHERE l.is_network AND l.is_loopback IS NOT TRUE AND 'all' = ANY (l.database) AND 'all' = ANY (l.user_name);
COMMENT ON VIEW twin_internal.check_hba_6 IS 'lines of the network for every role and every database, superusers among them';

CREATE VIEW twin_internal.check_hba_7 AS
	SELECT 'fail' AS status, l.object, l.shown AS detail FROM twin_internal.hba_lines l WHERE l.auth_method = 'ident' AND l.is_network;
COMMENT ON VIEW twin_internal.check_hba_7 IS 'lines that ask the client''s machine who its user is';

CREATE VIEW twin_internal.check_hba_8 AS
	SELECT 'warn' AS status, l.object, l.shown AS detail FROM twin_internal.hba_lines l
	WHERE l.is_network AND l.is_loopback IS NOT TRUE AND 'replication' = ANY (l.database) AND 'all' = ANY (l.user_name);
COMMENT ON VIEW twin_internal.check_hba_8 IS 'lines that let every role with REPLICATION copy the cluster over the network';

CREATE VIEW twin_internal.check_hba_9 AS
	SELECT 'warn' AS status, l.object, format('%s: the line has a secret of its own', l.shown) AS detail FROM twin_internal.hba_lines l
	WHERE EXISTS (SELECT FROM unnest(l.options) o WHERE o ~ '^(ldapbindpasswd|radiussecrets)=');
COMMENT ON VIEW twin_internal.check_hba_9 IS 'lines with the password of a directory in the clear';
