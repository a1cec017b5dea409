# shellcheck shell=bash
# watch.sh: an attack as it comes in: what rules make of it, what is done about it by
# itself, whom it is told, and where people look at it.  The attack is a real sshd log
# where there is one (demo/attack.awk), else one made up; it is replayed once.

NOTIFIER_CONF=$HOME_DIR/alert_config.json
NOTIFIER_LOG=$HOME_DIR/log/notifier.log
NOTIFIER_PID=$HOME_DIR/notifier.pid
RECEIVER_LOG=$HOME_DIR/log/receiver.log
RECEIVER_PID=$HOME_DIR/receiver.pid
ATTACK_LOG=$REPO/../shared/data/auth_log/auth.log

# A program of the demo that runs on, by its file of a process id: is it there, and is it that program?
runs_on() {
	local pid
	pid=$(cat "$1" 2>/dev/null) && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$2"
}

end_program() {
	local pid
	runs_on "$1" "$2" || return 0
	pid=$(cat "$1")
	kill "$pid"
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	rm -f "$1"
}

stop_notifier() {
	end_program "$NOTIFIER_PID" twin_notifier
	end_program "$RECEIVER_PID" receiver.pl
}

as_nobody() {
	setpriv --reuid nobody --regid nogroup --clear-groups -- "$@"
}

make_auditor() {
	local password
	[ -z "$(password_of iris)" ] || return 0
	password=$(ask 'SELECT twin.generate_password(20)')
	psql_as postgres >>"$LOG" 2>&1 <<<"SELECT twin.create_user('iris', '$password', role_name => 'auditor')" || die 'the auditor could not be made'
	(umask 077 && printf 'iris %s\n' "$password" >>"$ACCOUNTS")
}

# A receiver of webhooks, and the notifier that tells it; neither runs as anybody.
start_notifier() {
	local port end
	stop_notifier
	port=$(free_http_port) || give_up "no port is free from $FIRST_HTTP_PORT on"
	setsid setpriv --reuid nobody --regid nogroup --clear-groups -- perl "$REPO/demo/receiver.pl" "$port" >>"$RECEIVER_LOG" 2>&1 </dev/null 9>&- &
	echo $! >"$RECEIVER_PID"
	cat >"$NOTIFIER_CONF" <<-JSON
		{
			"poll_interval": 5,
			"channels": {
				"operators": {"type": "webhook", "url": "http://127.0.0.1:$port/alerts", "secret": "env_DEMO_WEBHOOK_SECRET", "min_severity": "high"},
				"mail": {"type": "smtp", "host": "env_DEMO_MAIL_SERVER", "from": "twin@example.org", "to": ["operators@example.org"]}
			}
		}
	JSON
	chmod 644 "$NOTIFIER_CONF"
	logged psql_as postgres -c 'ALTER ROLE twin_notifier LOGIN' || die 'the notifier could not be allowed in'
	note 'Whom to tell is a file; what is secret in it comes from the environment, and a channel that lacks it is off and says so:'
	prompt 'nobody' 'twin_notifier --config=alert_config.json --check'
	DEMO_WEBHOOK_SECRET=$(head -c 24 /dev/urandom | base64)
	export DEMO_WEBHOOK_SECRET
	as_nobody "$PG_BIN/twin_notifier" --config="$NOTIFIER_CONF" --check 2>&1 9>&- | indent || die 'the configuration of the notifier is not good'
	setsid setpriv --reuid nobody --regid nogroup --clear-groups -- "$PG_BIN/twin_notifier" --config="$NOTIFIER_CONF" \
		--dbname="host=$SOCKET_DIR port=$(cat "$HOME_DIR/port") user=twin_notifier dbname=$DATABASE" >>"$NOTIFIER_LOG" 2>&1 </dev/null 9>&- &
	echo $! >"$NOTIFIER_PID"
	unset DEMO_WEBHOOK_SECRET
	end=$((SECONDS + 120))
	until [ "$(ask 'SELECT count(*) FROM twin.alert_channels')" = 2 ]; do
		runs_on "$NOTIFIER_PID" twin_notifier && [ $SECONDS -lt $end ] || { tail -n 5 "$NOTIFIER_LOG" >>"$LOG"; die "the notifier did not begin; its own log is $NOTIFIER_LOG"; }
		sleep 0.1
	done
}

# time, user, address, how many times
attack_lines() {
	if [ -r "$ATTACK_LOG" ]; then
		awk -f "$REPO/demo/attack.awk" "$ATTACK_LOG"
	else
		awk 'BEGIN { for (i = 1; i <= 44; i++) for (j = 0; j < (i % 11 ? 6 : 3); j++)
			printf "Mar 29 2024 %02d:%02d:%02d\troot\t%s\t1\n", i / 4, j, i, (i % 2 ? "203.0.113." : "198.51.100.") i }'
	fi
}

replay_attack() {
	local addresses failures expected
	{
		echo "CREATE TEMP TABLE attack (at timestamp, username text, address inet, times integer);"
		echo '\copy attack FROM pstdin'
		attack_lines
		echo '\.'
		# as it was, moved so that it ends now
		echo "SELECT count(twin.record_event('login_failure', severity => 'medium', outcome => 'failure', action => 'ssh', username => nullif(username, ''), client_address => address,
	event_time => at AT TIME ZONE 'UTC' + (now() - (SELECT max(at) FROM attack) AT TIME ZONE 'UTC'))) AS failures, count(DISTINCT address) AS addresses
FROM attack, generate_series(1, times);"
		# what a rule over an hour must say of it
		echo "SELECT count(*) FROM (SELECT DISTINCT address FROM (SELECT address, at - lag(at, 4) OVER (PARTITION BY address ORDER BY at) AS took FROM attack, generate_series(1, times)) s
	WHERE took <= interval '1 hour') found;"
	} | psql_as postgres -A -t -F ' ' >"$HOME_DIR/attack" 2>>"$LOG" || die 'the attack could not be replayed'
	{ read -r failures addresses && read -r expected; } <"$HOME_DIR/attack"
	if [ -r "$ATTACK_LOG" ]; then
		note "Three weeks of a real server's sshd log, moved to end now and recorded by a log shipper (twin.record_event): $failures failed logins" \
			"from $addresses addresses. Of these, $expected failed five times within an hour:"
	else
		note "A made-up attack, recorded by a log shipper (twin.record_event): $failures failed logins from $addresses addresses." \
			"Of these, $expected failed five times within an hour:"
	fi
	await "$expected addresses were to raise an alert" "SELECT count(*) >= $expected AS so, count(*) AS alerts, (SELECT to_jsonb(s) FROM twin.stat_audit s) AS audit
FROM twin.alerts WHERE rule_name = 'failed_login_threshold' AND subject <> 'local'"
	sleep 1 # had there been one too many
	answer postgres "SELECT rule_name, severity, count(*) AS alerts, count(DISTINCT subject) AS addresses, sum(count) AS failures
FROM twin.alerts WHERE rule_name = 'failed_login_threshold' AND subject <> 'local' GROUP BY 1, 2;"
	[ "$(ask "SELECT count(DISTINCT subject) FROM twin.alerts WHERE rule_name = 'failed_login_threshold' AND subject <> 'local'")" = "$expected" ] ||
		die "$expected addresses were to raise an alert"
	await 'the attack was to be an incident, contained' "SELECT status = 'contained' AS so, incident_id, status, actions FROM twin.incidents WHERE incident_type = 'brute_force_attack' ORDER BY opened_at LIMIT 1"
}

under_attack() {
	part 1 'Rules, and who is told'
	answer postgres "SELECT rule_name, event_types[1] || CASE WHEN cardinality(event_types) > 1 THEN ', ...' ELSE '' END AS events,
	threshold AS n, subject AS per, severity, playbook FROM twin.alert_rules ORDER BY rule_name;"
	start_notifier

	part 2 'A real attack'
	if [ "$(ask "SELECT count(*) FROM twin.alerts WHERE rule_name = 'failed_login_threshold' AND subject <> 'local'")" -gt 0 ]; then
		note 'kept: the attack was replayed before'
	else
		replay_attack
	fi
	note 'One attack is one incident. Its playbook runs by itself and blocks the addresses for a time, here and at the gateway:'
	answer postgres "SELECT i.incident_id, i.incident_type, i.status, i.severity, i.owner, count(a.alert_id) AS alerts
FROM twin.incidents i JOIN twin.alerts a USING (incident_id) WHERE i.incident_type = 'brute_force_attack' GROUP BY 1, 2, 3, 4, 5 ORDER BY 1 LIMIT 3;"
	answer postgres "SELECT address, date_trunc('second', blocked_until - now()) AS ends_in, left(reason, 60) AS reason, count(*) OVER () AS of FROM twin.blocked_addresses ORDER BY address LIMIT 3;"
}

show_told() {
	note 'What the receiver got, each with a key by which it knows a message that comes twice:'
	await 'the receiver was to be told' "SELECT count(*) = 0 AS so, count(*) AS waiting, max(attempts) AS attempts, min(last_error) AS error
FROM twin.alert_deliveries WHERE channel = 'operators' AND state = 'pending'"
	prompt 'nobody' 'head -n 2 receiver.log'
	head -n 2 "$RECEIVER_LOG" | indent
	answer postgres "SELECT channel, state, count(*), max(attempts) AS attempts FROM twin.alert_deliveries GROUP BY 1, 2 ORDER BY 1, 2;"
}

show_doors() {
	local blocked
	part 3 'What a blocked address gets'
	note 'The gateway believes a proxy on this machine who its clients are. One of them was blocked, another was not:'
	blocked=$(ask "SELECT host(address) FROM twin.blocked_addresses WHERE family(address) = 4 ORDER BY address LIMIT 1")
	[ -n "$blocked" ] || die 'an address was to be blocked'
	call 403 - -H "X-Forwarded-For: $blocked" "$GATEWAY_URL/notices"
	call 200 - -H 'X-Forwarded-For: 192.0.2.77' "$GATEWAY_URL/notices"
}

show_playbook() {
	local incident
	part 4 'By hand: preview, do, undo'
	answer postgres "SELECT twin.open_incident('privilege_escalation', '{\"users\": [\"vito\"]}', dry_run => true);" -A -t
	incident=$(ask "SELECT twin.open_incident('privilege_escalation', '{\"users\": [\"vito\"]}')")
	note "So it is done ($incident), found to be a mistake, and undone, only what it did itself:"
	answer postgres "SELECT username, is_active FROM twin.users WHERE username = 'vito';"
	answer postgres "SELECT twin.revert_incident('$incident'), twin.close_incident('$incident', 'vito was on call');" -t
	answer postgres "SELECT username, is_active, (SELECT status FROM twin.incidents WHERE incident_id = '$incident') AS incident FROM twin.users WHERE username = 'vito';"
}

show_numbers() {
	local url=http://127.0.0.1:$ADMIN_PORT/metrics numbers='' end=$((SECONDS + 120))
	part 5 'Numbers for Prometheus, a page for people'
	prompt 'prometheus' "curl -s $url | grep ..."
	# where the database takes long the gateway answers without its numbers
	until grep -q '^twin_security_alerts_total' <<<"$numbers"; do
		[ $SECONDS -lt $end ] || { tail -n 5 "$GATEWAY_LOG" >>"$LOG"; die "the gateway was to tell the numbers of the database; seen: $(grep '^twin_gateway_database' <<<"$numbers")"; }
		sleep 0.2
		numbers=$(curl -s --max-time 10 "$url") || true
	done
	grep -E -m 12 '^twin_security_(alerts_total\{.*failed_login|blocked_addresses|address_refusals|incidents|logins_total|ring_fill|seal_lag)' <<<"$numbers" | indent
	make_auditor
	note "The console shows it as it happens: http://localhost:$(cat "$HOME_DIR/http_port")/console, as iris, an auditor ($ACCOUNTS has her password)."
	[ "$(curl -s -o /dev/null -w '%{http_code}' "$GATEWAY_URL/console")" = 200 ] || die 'the console was to be there'
}

show_watch() {
	under_attack
	show_told
	show_doors
	show_playbook
	show_numbers
}
