# shellcheck shell=bash
# access.sh: who is asking: two tenants and three roles at SQL level, each with a
# token of its own, and what does not work.  Passwords and tokens travel on psql's
# standard input: they stand in no argument list, and in files of mode 600 only.

ACCOUNTS=$HOME_DIR/accounts
PEOPLE='ada admin 1
oleg operator 1
vera viewer 1
bea admin 2
otto operator 2
vito viewer 2'

make_people() {
	local name role tenant
	if [ "$(ask "SELECT to_regclass('thermacore.setpoints') IS NOT NULL")" = t ]; then
		[ -s "$ACCOUNTS" ] || give_up "$ACCOUNTS is gone; begin anew with --clean"
		note 'kept: the people and their tokens'' table.'
		return
	fi
	(
		umask 077
		while read -r name role tenant; do
			printf '%s %s\n' "$name" "$(ask 'SELECT twin.generate_password(20)')"
		done <<<"$PEOPLE" >"$ACCOUNTS.new"
	)
	{
		echo 'SET client_min_messages = warning;'
		echo "SELECT twin.create_tenant(tenant_name) FROM thermacore.tenants WHERE tenant_id <= 2 ORDER BY tenant_id;"
		while read -r name role tenant && read -r _ password <&3; do
			printf "SELECT twin.create_user('%s', '%s', '%s@tenant%s.example.com', '%s', (SELECT t.tenant_id FROM twin.tenants t JOIN thermacore.tenants o USING (tenant_name) WHERE o.tenant_id = %s));\n" \
				"$name" "$password" "$name" "$tenant" "$role" "$tenant"
		done <<<"$PEOPLE" 3<"$ACCOUNTS.new"
		cat "$REPO/demo/access.sql"
	} | psql_as postgres --single-transaction -f - >>"$LOG" 2>&1 || die 'the accounts could not be made'
	mv "$ACCOUNTS.new" "$ACCOUNTS"
	note "Six people with passwords of their own ($ACCOUNTS, mode 600); nobody else, and no default one:"
}

password_of() {
	awk -v name="$1" '$1 == name { print $2 }' "$ACCOUNTS"
}

# What logs a person in and leaves the token in psql's variable.
login_script() {
	printf "SELECT coalesce(r ->> 'access_token', r ->> 'error') AS token FROM twin_api.login('%s', '%s') r \\\\gset\n" "$1" "$(password_of "$1")"
}

# as NAME SQL: a transaction of the application in the name of a person.
as() {
	{
		login_script "$1"
		echo "BEGIN; SELECT twin.authenticate(:'token') \\g /dev/null"
		printf '%s\nCOMMIT;\n' "$2"
	} | psql_as demo_app -A -t -F ' ' 2>>"$LOG"
}

show_people() {
	local name role tenant
	part 1 'Two tenants, three roles'
	make_people
	answer postgres "SELECT u.username, u.role_name, t.tenant_name, left(format('%s', u.email), 24) || '...' AS email, u.is_active
FROM twin.users u JOIN twin.tenants t USING (tenant_id) ORDER BY t.tenant_id, u.user_id;"
	note 'All of them come through one application login, demo_app, which is nobody by itself. Each logs in, and asks for all set points:'
	printf '       %s%-10s %-10s %-30s %6s %8s %9s %9s  %s%s\n' "$DIM" person role tenant rows tenants 'changes' 'deletes' 'the note of one unit' "$PLAIN"
	while read -r name role tenant; do
		show_person "$name" "$role"
	done <<<"$PEOPLE"
}

# One line of that table; what it changes is rolled back.
show_person() {
	local answers
	answers=$(as "$1" "SELECT tenant_name FROM thermacore.tenant_names WHERE tenant_id = twin.current_tenant_id();
		SELECT count(*) FROM thermacore.setpoints;
		SELECT count(DISTINCT tenant_id) FROM thermacore.setpoints;
		WITH u AS (UPDATE thermacore.setpoints SET celsius = celsius RETURNING 1) SELECT count(*) FROM u;
		SAVEPOINT before;
		WITH d AS (DELETE FROM thermacore.setpoints RETURNING 1) SELECT count(*) FROM d;
		ROLLBACK TO before;
		SELECT note::text FROM thermacore.setpoints ORDER BY unit_id LIMIT 1;") || answers+=$'\n(sealed)'
	mapfile -t answers <<<"$answers"
	printf '       %-10s %-10s %-30s %6s %8s %9s %9s  %s\n' "$1" "$2" "${answers[@]}"
	[ "${#answers[@]}" -eq 6 ] && [ "${answers[2]}" = 1 ] || die "$1 sees another tenant's rows"
}

# refused_as NAME SQLSTATE SQL: shows a statement that must be refused in a person's transaction.
refused_as() {
	local result
	prompt "demo_app, $1" "$3"
	if result=$({
		login_script "$1"
		echo "BEGIN; SELECT twin.authenticate(:'token') \\g /dev/null"
		printf '%s\n' "$3"
	} | psql_as demo_app -v VERBOSITY=verbose 2>&1); then
		die "$1 was to be refused: $3"
	fi
	grep -q "ERROR:  $2: " <<<"$result" || { printf '%s\n' "$result" >>"$LOG"; die "$1 was to be refused with $2: $3"; }
	sed -n "s/^\(psql:.*\)\{0,1\}ERROR:  $2: \(.*\)/       ${RED}refused${PLAIN}  $2  \2/p" <<<"$result"
}

show_walls() {
	part 2 'What does not work'
	note 'Without a token, or with claims that only a setting says, nobody is asking:'
	answer demo_app "SELECT count(*) AS rows, twin.current_user_id() FROM thermacore.setpoints;"
	answer demo_app "BEGIN; SET LOCAL request.jwt.claims = '{\"role\": \"admin\", \"tenant_id\": 2}';
SELECT count(*) AS rows FROM thermacore.setpoints; COMMIT;"
	note 'A token with one claim changed:'
	refused_as oleg TW506 "SELECT twin.authenticate(split_part(:'token', '.', 1) || '.' || rtrim(translate(replace(encode(convert_to(replace(
    convert_from(decode(translate(split_part(:'token', '.', 2), '-_', '+/') || repeat('=', -length(split_part(:'token', '.', 2)) & 3), 'base64'), 'UTF8'),
    'operator', 'admin'), 'UTF8'), 'base64'), E'\\n', ''), '+/', '-_'), '=') || '.' || split_part(:'token', '.', 3));"
	note "Another tenant's rows, its own rows moved there, another role:"
	refused_as oleg 42501 "INSERT INTO thermacore.setpoints VALUES (3, (SELECT max(tenant_id) FROM thermacore.setpoints) + 1, 90);"
	refused_as oleg 42501 'UPDATE thermacore.setpoints SET tenant_id = tenant_id + 1;'
	refused_as oleg 42501 'SET ROLE twin_admin;'
	note 'A wrong password, for somebody who is there and for somebody who is not:'
	answer demo_app "SELECT twin_api.login('oleg', 'letmein'), twin_api.login('nosuchperson', 'letmein');" -x -t
	note 'A session that was ended is over at once, everywhere:'
	refused_as vera TW510 "SELECT twin_api.logout() \\g /dev/null
COMMIT; BEGIN; SELECT twin.authenticate(:'token');"
}

show_record() {
	part 3 'What is on record'
	await 'the end of a session was to be on record' "SELECT count(*) > 0 AS so FROM twin.audit_log WHERE event_type = 'logout'"
	answer postgres "SELECT event_type, severity, outcome, username, details ->> 'reason' AS reason, count(*)
FROM twin.audit_log WHERE event_type ~ '^(login|logout|token|permission|user_created)' GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 4 LIMIT 24;"
}

show_access() {
	show_people
	show_walls
	show_record
}
