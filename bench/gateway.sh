#!/usr/bin/env bash
# The gateway beside the database without it, and beside itself in trouble. bench/run calls it:
#   test/with_gateway bench/gateway.sql bench/gateway.sh FOLDER
# FOLDER holds the compiled clients, the server's log, and what is written meanwhile. Rounds are interleaved; what is
# reported are medians of the rounds' own ratios. What a request costs in CPU time, in the gateway and in the sessions that
# serve it, is printed beside the rates: it says more where the machine has other work.
# BENCH_ROUNDS, BENCH_SECONDS and BENCH_REQUESTS shorten it; BENCH_STAGES names some of: idle rates beside feed growth.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$1
rounds=${BENCH_ROUNDS:-5}
seconds=${BENCH_SECONDS:-4}
requests=${BENCH_REQUESTS:-1000000}
connections=8 # to the database: of the gateway and of pgbench
keys=100000
port=${GATEWAY_URL##*:}
pgbench=$(${PG_CONFIG:-pg_config} --bindir)/pgbench
helper=
trap 'test -z "$helper" || kill "$helper" 2>/dev/null || true' EXIT
psql() { command psql -X -q -v ON_ERROR_STOP=1 "$@"; }
stages=${BENCH_STAGES:-idle rates beside feed growth}
median() { grep . | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
divide() { awk "BEGIN { print $1 / $2 }"; }
# report WHAT RATIOS AT_MOST AT_LEAST: either may be NULL, and both
report() { psql -c "CALL bench.report('$1', $(median <<<"$2"), $3, $4)"; }
token=$(curl -sf -H 'Content-Type: application/json' -d "{\"username\": \"vera\", \"password\": \"$GATEWAY_PASSWORD\"}" \
	"$GATEWAY_URL/api/auth/login" | sed -n 's/.*"access_token": "\([^"]*\)".*/\1/p')

# ---- rates ----

# Milliseconds of CPU time that processes have used (fields 14 and 15 of their stat, in ticks of 10 ms).
cpu_of() {
	local pid
	for pid in "$@"; do cat "/proc/$pid/stat"; done | awk '{ sub(/.*\) /, ""); used += 10 * ($12 + $13) } END { print used + 0 }'
}

# asks NAME CLIENTS PATH KEYS [TOKEN]: requests per second, into the variable rate
asks() {
	local of_gateway of_sessions pids out count
	pids=$(psql -Atc "SELECT pid FROM pg_stat_activity WHERE usename = 'twin_gateway'")
	of_gateway=$(cpu_of "$GATEWAY_PID")
	# shellcheck disable=SC2086 # a list
	of_sessions=$(cpu_of $pids)
	out=$(BENCH_PATH=$3 BENCH_KEYS=$4 BENCH_TOKEN=${5:-} wrk -t1 -c"$2" -d"${seconds}s" -s bench/gateway.lua "$GATEWAY_URL")
	if grep 'Non-2xx\|Socket errors' <<<"$out" >&2; then return 1; fi
	count=$(sed -n 's/ *\([0-9]*\) requests in.*/\1/p' <<<"$out")
	rate=$(sed -n 's|^Requests/sec: *||p' <<<"$out")
	# shellcheck disable=SC2086
	printf '%s\t%s\t%s\t%s\n' "$1" "$rate" "$(divide "1000 * ($(cpu_of "$GATEWAY_PID") - $of_gateway)" "$count")" \
		"$(divide "1000 * ($(cpu_of $pids) - $of_sessions)" "$count")" >>"$work/costs"
}

# The statements of one request, as the server saw them, as scripts of pgbench; its log shows values for as long as that takes.
capture() {
	local from
	psql -c "ALTER SYSTEM SET log_statement = 'all'" -c 'SELECT pg_reload_conf(), pg_sleep(1)' >/dev/null
	from=$(wc -l <"$work/log")
	curl -sf -o "$work/answer" -H "Authorization: Bearer $token" "$GATEWAY_URL$2${3:-}"
	tail -n "+$((from + 1))" "$work/log" | perl bench/gateway_capture.pl "$work/$1" "${@:3}"
	psql -c 'ALTER SYSTEM RESET log_statement' -c 'SELECT pg_reload_conf(), pg_sleep(1)' >/dev/null
}

# replays NAME STYLE: captured requests per second, into the variable rate
replays() {
	PGUSER=twin_gateway xargs -0 -a "$work/$1.variables" "$pgbench" -n -M prepared -c "$connections" -j 1 -T "$seconds" -D "keys=$keys" \
		-f "$work/$1.$2" >"$work/pgbench" 2>&1 || true
	rate=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$work/pgbench")
	if [ -z "$rate" ] || ! grep -q 'failed transactions: 0 ' "$work/pgbench"; then
		cat "$work/pgbench" >&2
		return 1
	fi
	printf '%s\t%s\t\t\n' "pgbench, $1, $2" "$rate" >>"$work/costs"
}

measure_rates() {
	local few='' many='' piped='' against_anonymous='' list='' plain pipelined open anonymous
	capture 'one row' '/units?unit_id=eq.' 4711
	capture '1000 rows' '/notices?limit=1000'
	for _ in $(seq "$rounds"); do
		replays 'one row' plain
		plain=$rate
		asks 'one row, token, 8 clients' 8 '/units?unit_id=eq.' "$keys" "$token"
		few+=$(divide "$rate" "$plain")$'\n'
		replays 'one row' pipelined
		pipelined=$rate
		asks 'one row, token, 64 clients' 64 '/units?unit_id=eq.' "$keys" "$token"
		many+=$(divide "$rate" "$plain")$'\n'
		piped+=$(divide "$rate" "$pipelined")$'\n'
		asks 'one row open to all, token, 64 clients' 64 '/notices?unit_id=eq.' "$keys" "$token"
		open=$rate
		asks 'one row open to all, anonymous, 64 clients' 64 '/notices?unit_id=eq.' "$keys"
		anonymous=$rate
		against_anonymous+=$(divide "$open" "$anonymous")$'\n'
		replays '1000 rows' plain
		plain=$rate
		asks '1000 rows, token, 8 clients' 8 '/notices?limit=1000' 0 "$token"
		list+=$(divide "$rate" "$plain")$'\n'
	done
	report 'GET of one row with a token, 8 clients / pgbench, the same statements' "$few" NULL 0.5
	report 'GET of one row with a token, 64 clients / pgbench, the same statements' "$many" NULL 0.5
	report 'GET of one row with a token, 64 clients / pgbench, the same statements in a pipeline' "$piped" NULL NULL
	report 'GET of one row with a token / anonymous' "$against_anonymous" NULL 0.9
	report 'GET of 1000 rows, 8 clients / pgbench, the same statements' "$list" NULL 0.7
	echo 'medians: requests a second, and microseconds of CPU time per request in the gateway and in its sessions'
	psql -c 'CREATE TEMP TABLE costs (what text, rate float8, gateway float8, sessions float8)' \
		-c "\\copy costs FROM '$work/costs' (NULL '')" -c 'SELECT what, m[1]::int AS per_second, m[2]::int AS gateway, m[3]::int AS sessions FROM (
			SELECT what, ARRAY[percentile_cont(0.5) WITHIN GROUP (ORDER BY rate), percentile_cont(0.5) WITHIN GROUP (ORDER BY gateway),
				percentile_cont(0.5) WITHIN GROUP (ORDER BY sessions)] AS m FROM costs GROUP BY what) c ORDER BY 1'
}

# ---- reads beside those who want to be in the way ----

# reads: p99 of 300 reads a second on 16 connections, in milliseconds, into the variable p99
reads() {
	BENCH_TOKEN=$token "$work/gateway_reader" "$port" '/units?unit_id=eq.' "$keys" 16 300 2 >"$work/times"
	p99=$(cut -d' ' -f2 "$work/times")
	echo "$1 $(cat "$work/times")" >>"$work/reads"
}
guess() { BENCH_GUESS=$1 exec wrk -t1 -c50 -d3600s -s bench/gateway.lua "$GATEWAY_URL" >/dev/null; }
drip() { exec "$work/gateway_crowd" drip "$port" 500 >/dev/null; }
stop_helper() {
	kill "$helper"
	wait "$helper" 2>/dev/null || true
	helper=
}

# beside WHAT COMMAND [ARGUMENT]: reads alone and while the command runs, in turn. A host that stops for a moment spoils a p99,
# so there are many short rounds, and the medians of both are compared.
beside() {
	local alone='' crowded=''
	for _ in $(seq "$((3 * rounds))"); do
		reads alone
		alone+=$p99$'\n'
		"${@:2}" &
		helper=$!
		sleep 1
		reads "$1"
		crowded+=$p99$'\n'
		stop_helper # fails where it did not last
		sleep 1
	done
	report "p99 of reads beside $1 / alone" "$(divide "$(median <<<"$crowded")" "$(median <<<"$alone")")" 2 NULL
}

# ---- memory ----

resident() { awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$GATEWAY_PID/status"; }

measure_idle() {
	BENCH_TOKEN=$token "$work/gateway_crowd" idle "$port" 1000 '/units?unit_id=eq.1' >"$work/crowd" &
	helper=$!
	until [ -s "$work/crowd" ]; do
		kill -0 "$helper"
		sleep 0.2
	done
	report 'resident memory with 1000 idle connections, MB' "$(resident)" 64 NULL
	stop_helper
}

# A first tenth lets caches and pools fill; what the rest adds is what would be lost.
measure_growth() {
	local before rest=$((requests - requests / 10))
	BENCH_TOKEN=$token "$work/gateway_crowd" busy "$port" 64 '/units?unit_id=eq.1' "$((requests / 10))" >/dev/null
	before=$(resident)
	BENCH_TOKEN=$token "$work/gateway_crowd" busy "$port" 64 '/units?unit_id=eq.1' "$rest" >/dev/null
	report 'growth of resident memory, bytes a request' "$(divide "($(resident) - $before) * 1048576" "$rest")" 1 NULL
}

# ---- WebSocket ----

# fan_out RATE MESSAGES: what 200 subscribers of one topic get of so many messages, published at a rate (0: as fast as can be)
fan_out() {
	local throttle=() delivered lost speed middle late
	BENCH_TOKEN=$token "$work/gateway_subscribers" "$port" 200 units.1 "$2" >"$work/subscribers" &
	helper=$!
	until grep -q ready "$work/subscribers"; do
		kill -0 "$helper"
		sleep 0.2
	done
	[ "$1" -eq 0 ] || throttle=(-R "$1")
	"$pgbench" -n -M prepared -c 1 -t "$2" "${throttle[@]}" -f "$work/publish" >"$work/pgbench" 2>&1
	wait "$helper"
	helper=
	read -r delivered lost speed middle late < <(tail -n 1 "$work/subscribers")
	[ "$1" -ne 0 ] || report '200 WebSockets of one topic: messages delivered a second' "$speed" NULL NULL
	[ "$1" -eq 0 ] || report "200 WebSockets, $1 messages a second: from publish() to the client, p50, ms" "$middle" NULL NULL
	[ "$1" -eq 0 ] || report "200 WebSockets, $1 messages a second: from publish() to the client, p99, ms" "$late" NULL NULL
	echo "200 WebSockets: $delivered delivered, $lost lost"
}

measure_beside() {
	beside '50 clients guessing passwords from one address' guess one
	beside '50 clients guessing passwords from 50 addresses' guess many
	beside '500 slow-drip sockets' drip
	echo 'reads beside: p50, p99 and the longest, in milliseconds, of each round'
	sort "$work/reads"
}

measure_feed() {
	local north
	north=$(psql -Atc "SELECT tenant_id FROM api.units WHERE unit_id = 1")
	echo "SELECT twin.publish('units.1', jsonb_build_object('at', extract(epoch FROM clock_timestamp())), $north);" >"$work/publish"
	fan_out 50 500
	fan_out 0 2000
}

for stage in $stages; do "measure_$stage"; done
