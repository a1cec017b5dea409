/*
 * guess.sql
 *		Which accounts have had the passwords that everybody tries first, by security_check() a few at a time and by
 *		twin.test_passwords() as many as one likes.
 *
 * What was tried is remembered of a name with its hash: another password, another name, a hash of another cost begin anew.
 * Of what was found only that something was: neither the guess nor its number.
 */

CREATE TABLE twin_internal.password_tests (
	user_id bigint PRIMARY KEY,
	of_account bytea NOT NULL,	/* digest of the name and the hash */
	guesses integer NOT NULL CHECK (guesses > 0),	/* so many of the list; all of them where one was right */
	is_guessed boolean NOT NULL,
	tested_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE twin_internal.password_tests IS 'how many of the most common passwords were tried on an account, and whether one is right; not dumped: a copy tests its own';
SELECT twin_internal.keep_from_publishers('twin_internal.password_tests');

CREATE FUNCTION twin_internal.guess_count() RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_guess_count';
COMMENT ON FUNCTION twin_internal.guess_count() IS 'how many passwords are tried on an account: its name, and the most common ones';

CREATE FUNCTION twin_internal.guess_passwords(usernames text[], hashes text[], tried integer[], budget integer, OUT guesses integer,
	OUT tried_now integer[], OUT guessed boolean[]) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_guess_passwords';
COMMENT ON FUNCTION twin_internal.guess_passwords(text[], text[], integer[], integer) IS
	'goes on trying the most common passwords on accounts, for so many milliseconds: how many guesses were made, and of each account how many it has had, and whether one was right';

CREATE VIEW twin_internal.tested_accounts AS
	SELECT u.user_id, u.username, u.password_hash, substr(u.password_hash, 5, 2)::integer AS cost, d.of_account,
		coalesce(t.guesses, 0) AS guesses, coalesce(t.is_guessed, false) AS is_guessed
	FROM twin_internal.users u CROSS JOIN LATERAL (SELECT sha256(convert_to(u.username || ' ' || u.password_hash, getdatabaseencoding()))) d (of_account)
		LEFT JOIN twin_internal.password_tests t ON t.user_id = u.user_id AND t.of_account = d.of_account
	WHERE u.is_active;
COMMENT ON VIEW twin_internal.tested_accounts IS 'accounts that may log in, and how many guesses their present password has had';

/* Those that had the fewest first, in an order of chance: who asks twice and remembers nothing reaches others. */
CREATE FUNCTION twin_internal.guess_accounts(budget integer, highest_cost integer) RETURNS TABLE (user_id bigint, of_account bytea, guesses integer, is_guessed boolean, made integer)
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH chosen AS MATERIALIZED (
		SELECT a.*, row_number() OVER (ORDER BY a.guesses, a.place) AS number
		FROM (SELECT t.*, random() AS place FROM twin_internal.tested_accounts t
			WHERE t.guesses < twin_internal.guess_count() AND t.cost <= highest_cost ORDER BY t.guesses, place LIMIT 10000) a
	), result AS MATERIALIZED (
		SELECT g.* FROM (SELECT array_agg(c.username ORDER BY c.number) AS names, array_agg(c.password_hash ORDER BY c.number) AS hashes,
				array_agg(c.guesses ORDER BY c.number) AS tried FROM chosen c) l
			CROSS JOIN LATERAL twin_internal.guess_passwords(l.names, l.hashes, l.tried, budget) g
	)
	SELECT c.user_id, c.of_account, r.tried_now[c.number], r.guessed[c.number], r.guesses FROM chosen c CROSS JOIN result r WHERE r.tried_now[c.number] > c.guesses;
END;
COMMENT ON FUNCTION twin_internal.guess_accounts(integer, integer) IS
	'tries the most common passwords on accounts for so many milliseconds, on those first that had the fewest: which got further, how far, and how many guesses were made in all; remembers nothing';

CREATE FUNCTION twin.test_passwords(duration interval DEFAULT '10 seconds', OUT accounts bigint, OUT tested bigint, OUT guessed bigint, OUT guesses_left bigint) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made bigint;
BEGIN
	IF duration BETWEEN interval '0' AND interval '10 minutes' IS NOT TRUE THEN
		RAISE EXCEPTION 'passwords are tested for 10 minutes at most' USING ERRCODE = '22023', HINT = 'What was tested is remembered: call it again.';
	END IF;
	DELETE FROM twin_internal.password_tests t WHERE NOT EXISTS (SELECT FROM twin_internal.users u WHERE u.user_id = t.user_id);
	WITH results AS MATERIALIZED (
		SELECT g.* FROM twin_internal.guess_accounts((extract(epoch FROM duration) * 1000)::integer, 15) g
	), noted AS (
		INSERT INTO twin_internal.password_tests AS t (user_id, of_account, guesses, is_guessed)
			SELECT r.user_id, r.of_account, r.guesses, r.is_guessed FROM results r ORDER BY r.user_id
			ON CONFLICT (user_id) DO UPDATE SET of_account = excluded.of_account, guesses = excluded.guesses, is_guessed = excluded.is_guessed, tested_at = excluded.tested_at
				WHERE t.of_account <> excluded.of_account OR t.guesses < excluded.guesses
	)
	SELECT coalesce(max(r.made), 0) INTO made FROM results r;
	SELECT count(*), count(*) FILTER (WHERE a.guesses = twin_internal.guess_count()), count(*) FILTER (WHERE a.is_guessed), coalesce(sum(twin_internal.guess_count() - a.guesses), 0)
		INTO accounts, tested, guessed, guesses_left FROM twin_internal.tested_accounts a;
	PERFORM twin_internal.emit_event('passwords_tested', NULL, 'test', jsonb_build_object('guesses', made, 'accounts', accounts, 'tested', tested, 'guessed', guessed), 'low');
END
$$;
COMMENT ON FUNCTION twin.test_passwords(interval) IS
	'tries the most common passwords on all accounts for so long, going on where the last call ended: accounts that may log in, how many have had every guess, on how many one is right (security_check() names them), and guesses that are left; waits for no login';

REVOKE ALL ON FUNCTION twin_internal.guess_count(), twin_internal.guess_passwords(text[], text[], integer[], integer),
	twin_internal.guess_accounts(integer, integer), twin.test_passwords(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.test_passwords(interval) TO twin_admin;
