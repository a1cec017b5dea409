/*
 * check_accounts.sql
 *		Accounts of the twin: used, with passwords that nobody guesses, and locked for a while when somebody tries.
 */

CREATE VIEW twin_internal.active_users AS
	SELECT u.user_id, u.username, u.password_hash, u.role_name, u.tenant_id, u.created_at,
		(SELECT max(a.attempted_at) FROM twin_internal.login_attempts a WHERE a.user_id = u.user_id AND a.succeeded) AS last_login
	FROM twin_internal.users u WHERE u.is_active;
COMMENT ON VIEW twin_internal.active_users IS 'accounts that may log in, with their last login';

CREATE VIEW twin_internal.check_account_1 AS
	SELECT 'warn' AS status, u.username AS object, 'last login ' || to_char(u.last_login AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS detail
	FROM twin_internal.active_users u WHERE u.last_login < now() - interval '90 days';
COMMENT ON VIEW twin_internal.check_account_1 IS 'accounts that nobody used for 90 days';

CREATE VIEW twin_internal.check_account_2 AS
	SELECT 'warn' AS status, u.username AS object, format('made %s, no login so far', to_char(u.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS detail
	FROM twin_internal.active_users u WHERE u.last_login IS NULL AND u.created_at < now() - interval '30 days';
COMMENT ON VIEW twin_internal.check_account_2 IS 'accounts made 30 days ago that nobody ever used';

/*
 * A guess costs what a login does: half a second of them in an order of chance, so that one check after the other reaches
 * everybody; and of hashes of which one is not half a second by itself.
 */
CREATE VIEW twin_internal.check_account_3 AS
	WITH testable AS MATERIALIZED (
		SELECT array_agg(u.username ORDER BY u.place) AS names, array_agg(u.password_hash ORDER BY u.place) AS hashes
		FROM (SELECT a.*, random() AS place FROM twin_internal.active_users a WHERE substr(a.password_hash, 5, 2) <= '12' ORDER BY place LIMIT 10000) u
	), found AS MATERIALIZED (
		SELECT t.names, g.guesses, g.accounts, g.guessed FROM testable t, twin_internal.guess_passwords(t.names, t.hashes, 500) g
	)
	SELECT 'fail' AS status, f.names[i] AS object, 'the password is among the most common ones, or the name itself' AS detail FROM found f, unnest(f.guessed) i
	UNION ALL
	SELECT 'pass', NULL, format('%s guesses; %s of %s active accounts had one at least', f.guesses, f.accounts, (SELECT count(*) FROM twin_internal.active_users)) FROM found f
		WHERE f.accounts > 0
	UNION ALL
	SELECT 'not_applicable', NULL, 'no account could be tried' WHERE NOT EXISTS (SELECT FROM found f WHERE f.accounts > 0);
COMMENT ON VIEW twin_internal.check_account_3 IS 'accounts whose password everybody would try first, among those that could be tried';

CREATE VIEW twin_internal.check_account_4 AS
	SELECT 'warn' AS status, u.username AS object, format('the hash is %s of cost %s', substr(u.password_hash, 1, 4), substr(u.password_hash, 5, 2)::integer) AS detail
	FROM twin_internal.active_users u WHERE substr(u.password_hash, 5, 2)::integer < twin_internal.server_setting('twin_security.bcrypt_cost')::integer;
COMMENT ON VIEW twin_internal.check_account_4 IS 'passwords that were hashed at a lower cost than new ones are; a login hashes anew';

CREATE VIEW twin_internal.check_account_6 AS
	SELECT 'fail' AS status, w.route AS object, 'no limit per address holds logins' AS detail
	FROM (VALUES ('/rpc/login'), ('/api/auth/login')) w (route) WHERE NOT EXISTS (SELECT FROM twin.rate_limits l WHERE l.scope = 'address' AND l.route = w.route
		AND l.requests / greatest(extract(epoch FROM l.period), 1) * 60 <= 60);
COMMENT ON VIEW twin_internal.check_account_6 IS 'logins without a limit, or with one of more than 60 a minute';

CREATE VIEW twin_internal.check_account_7 AS
	SELECT 'warn' AS status, u.username AS object, 'the account may administer, and belongs to a tenant that is not active' AS detail
	FROM twin_internal.active_users u JOIN twin_internal.tenants t USING (tenant_id) WHERE NOT t.is_active AND u.role_name = 'admin';
COMMENT ON VIEW twin_internal.check_account_7 IS 'administrators of tenants that are not there any more';

CREATE VIEW twin_internal.check_account_8 AS
	SELECT 'warn' AS status, u.username AS object, format('its role %s is never locked out', u.role_name) AS detail
	FROM (SELECT a.*, count(*) OVER () AS holders FROM twin_internal.active_users a JOIN twin_internal.roles r USING (role_name) WHERE r.is_break_glass) u WHERE u.holders > 2;
COMMENT ON VIEW twin_internal.check_account_8 IS 'more than two accounts that break glass';
