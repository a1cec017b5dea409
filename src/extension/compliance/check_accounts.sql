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
 * A guess costs what a login does: half a second of them, of hashes of which one is not half a second by itself, besides what
 * test_passwords() remembers. An account passes that has had its name and the ten most common passwords.
 */
CREATE VIEW twin_internal.check_account_3 AS
	WITH now_tried AS MATERIALIZED (
		SELECT g.user_id, g.of_account, g.guesses, g.is_guessed FROM twin_internal.guess_accounts(500, 12) g
	), accounts AS MATERIALIZED (
		SELECT a.username, coalesce(n.guesses, a.guesses) AS guesses, coalesce(n.is_guessed, a.is_guessed) AS is_guessed
		FROM twin_internal.tested_accounts a LEFT JOIN now_tried n USING (user_id, of_account)
	), told AS (
		SELECT count(*) AS accounts, count(*) FILTER (WHERE a.guesses >= 11) AS first, count(*) FILTER (WHERE a.guesses = twin_internal.guess_count()) AS tested FROM accounts a
	)
	SELECT 'fail' AS status, a.username AS object, 'the password is among the most common ones, or the name itself' AS detail, NULL AS remedy FROM accounts a WHERE a.is_guessed
	UNION ALL
	SELECT CASE WHEN t.accounts = 0 THEN 'not_applicable' WHEN t.first < t.accounts THEN 'warn' ELSE 'pass' END, CASE WHEN t.first < t.accounts THEN 'twin.users' END,
		format('%s of %s accounts that may log in have had the first 11 guesses, %s all %s', t.first, t.accounts, t.tested, twin_internal.guess_count()),
		'SELECT * FROM twin.test_passwords(''1 minute''); -- and again, until no guesses are left'
	FROM told t;
COMMENT ON VIEW twin_internal.check_account_3 IS 'accounts whose password everybody would try first; and whether all have been tried';

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
