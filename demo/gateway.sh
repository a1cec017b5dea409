# shellcheck shell=bash
# gateway.sh: twin_gateway in front of the demo's server, on this machine's own
# address only, as a user who owns nothing; and what a client sees of it.
# Passwords and tokens are handed to curl in files of mode 600.

GATEWAY_CONF=$HOME_DIR/gateway.conf
GATEWAY_LOG=$HOME_DIR/log/gateway.log
GATEWAY_PID=$HOME_DIR/gateway.pid
GATEWAY_USER=nobody
FIRST_HTTP_PORT=3000

gateway_is_running() {
	local pid
	# an earlier build's says (deleted) behind its name
	pid=$(cat "$GATEWAY_PID" 2>/dev/null) && [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == "$PG_BIN/twin_gateway"?( (deleted)) ]]
}

stop_gateway() {
	local pid
	gateway_is_running || return 0
	pid=$(cat "$GATEWAY_PID")
	kill "$pid"
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	rm -f "$GATEWAY_PID"
}

free_http_port() {
	local port
	for ((port = FIRST_HTTP_PORT; port < FIRST_HTTP_PORT + 100; port++)); do
		if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			printf '%d' "$port"
			return
		fi
	done
	return 1
}

make_api() {
	if [ "$(ask "SELECT to_regclass('api.units') IS NOT NULL")" = t ]; then
		say 'kept: the schema api'
		return
	fi
	psql_as postgres --single-transaction -f "$REPO/demo/api.sql" >>"$LOG" 2>&1 || die 'the schema api could not be made'
	say 'made the schema api: units and readings of two tenants, notices for anybody'
}

start_gateway() {
	local port end
	stop_gateway
	port=$(cat "$HOME_DIR/http_port" 2>/dev/null) && ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || port=$(free_http_port) ||
		give_up "no port is free from $FIRST_HTTP_PORT on"
	echo "$port" >"$HOME_DIR/http_port"
	FIRST_HTTP_PORT=$((port + 1))
	ADMIN_PORT=$(cat "$HOME_DIR/admin_port" 2>/dev/null) && ! (: <"/dev/tcp/127.0.0.1/$ADMIN_PORT") 2>/dev/null || ADMIN_PORT=$(free_http_port) ||
		give_up "no port is free from $FIRST_HTTP_PORT on"
	echo "$ADMIN_PORT" >"$HOME_DIR/admin_port"
	cat >"$GATEWAY_CONF" <<-CONF
		# written by the quickstart of twin_security
		db-uri = "postgresql:///$DATABASE?host=$SOCKET_DIR&port=$(cat "$HOME_DIR/port")&user=twin_gateway"
		db-schemas = "api"
		db-anon-role = "twin_anonymous"
		server-host = "127.0.0.1"
		server-port = $port
		server-user = "$GATEWAY_USER"
		server-trusted-proxies = "127.0.0.1"
		server-console-enabled = true
		admin-server-port = $ADMIN_PORT
	CONF
	logged "$PG_BIN/twin_gateway" --check "$GATEWAY_CONF" || die 'the configuration of the gateway is not good'
	setsid "$PG_BIN/twin_gateway" "$GATEWAY_CONF" >>"$GATEWAY_LOG" 2>&1 </dev/null 9>&- &
	echo $! >"$GATEWAY_PID"
	GATEWAY_URL=http://127.0.0.1:$port
	end=$((SECONDS + 120))
	until [ "$(curl -s -o /dev/null -w '%{http_code}' "$GATEWAY_URL/notices")" = 200 ]; do
		gateway_is_running && [ $SECONDS -lt $end ] || { tail -n 5 "$GATEWAY_LOG" >>"$LOG"; die "the gateway did not start; its own log is $GATEWAY_LOG"; }
		sleep 0.1
	done
	say "twin_gateway answers at $GATEWAY_URL, as the user $GATEWAY_USER; its log is $GATEWAY_LOG"
}

# Logs a person in; curl's header file with the token is named on standard output.
header_of() {
	local file=$HOME_DIR/token.$1
	(
		umask 077
		printf '{"username": "%s", "password": "%s"}' "$1" "$(password_of "$1")" |
			curl -s --fail-with-body -H 'Content-Type: application/json' -d @- "$GATEWAY_URL/api/auth/login" |
			sed -n 's/.*"access_token": *"\([^"]*\)".*/Authorization: Bearer \1/p' >"$file"
	)
	[ -s "$file" ] || die "$1 could not log in through the gateway"
	printf '%s' "$file"
}

# call EXPECTED PERSON ARGUMENT...: shows a request as one would type it, and its answer; PERSON - is nobody.
call() {
	local expected=$1 person=$2 answer shown='' argument token=()
	shift 2
	[ "$person" = - ] || token=(-H @"$HOME_DIR/token.$person")
	for argument in "$@"; do
		case $argument in
			*[\ \"\{]*) shown+=" '$argument'" ;;
			*\&* | *\?*) shown+=" \"$argument\"" ;;
			*) shown+=" $argument" ;;
		esac
	done
	printf '       %s$ curl -s%s%s%s\n' "$CYAN" "$([ "$person" = - ] || printf ' -H @%s' "token.$person")" "${shown//"$GATEWAY_URL"/"\$URL"}" "$PLAIN"
	answer=$(curl -s -w '\n%{http_code}' "${token[@]}" "$@") || die "curl $* failed"
	printf '%s\n' "${answer%$'\n'*}" | cut -c 1-160 | sed 's/^/         /'
	printf '         %s%s%s\n' "$([ "${answer##*$'\n'}" -lt 400 ] && echo "$GREEN" || echo "$RED")" "${answer##*$'\n'}" "$PLAIN"
	[ "${answer##*$'\n'}" = "$expected" ] || die "$expected was to be the answer"
}

show_gateway() {
	local unit
	note 'Nobody is asking:'
	call 200 - "$GATEWAY_URL/notices"
	call 401 - "$GATEWAY_URL/units?select=name"
	note 'Two people of two tenants ask the same:'
	header_of vera >/dev/null
	header_of vito >/dev/null
	header_of oleg >/dev/null
	call 200 vera "$GATEWAY_URL/units?select=unit_id,name,tenant_id&order=unit_id&limit=2"
	call 200 vito "$GATEWAY_URL/units?select=unit_id,name,tenant_id&order=unit_id&limit=2"
	note 'A viewer is refused; an operator writes a reading, and not into another tenant:'
	unit=$(ask 'SELECT min(unit_id) FROM api.units WHERE tenant_id = (SELECT min(tenant_id) FROM twin.tenants)')
	call 403 vera -H 'Content-Type: application/json' -d "{\"unit_id\": $unit, \"celsius\": 61.5}" "$GATEWAY_URL/readings"
	call 201 oleg -H 'Content-Type: application/json' -H 'Prefer: return=representation' -d "{\"unit_id\": $unit, \"celsius\": 61.5}" "$GATEWAY_URL/readings?select=unit_id,celsius,units(name)"
	call 403 oleg -H 'Content-Type: application/json' -d "{\"unit_id\": $unit, \"celsius\": 61.5, \"tenant_id\": 999}" "$GATEWAY_URL/readings"
}
