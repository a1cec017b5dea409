# shellcheck shell=bash
# cluster.sh: a PostgreSQL server of the quickstart's own.  It listens on a unix
# socket in its own folder and nowhere else; who may be whom is decided by the
# operating system's user (peer), so there is no password to guess or to leak.

DATA_DIR=$HOME_DIR/data
SOCKET_DIR=$HOME_DIR/run
SERVER_LOG=$HOME_DIR/log/server.log
ENV_FILE=$HOME_DIR/twin.env
DATABASE=twin
DEMO_ROLES=(demo_operator demo_writer demo_viewer demo_desk demo_app)
FIRST_PORT=54330
SERVER_WITH=() # what the server is started with, for one whose clock is set

as_postgres() {
	setpriv --reuid postgres --regid postgres --init-groups -- "$@" 9>&-
}

# psql_as ROLE [ARGUMENT...]: quiet, reads no personal settings, stops at the first error.
psql_as() {
	local role=$1
	shift
	"$PG_BIN/psql" -X -q -P pager=off -v ON_ERROR_STOP=1 -h "$SOCKET_DIR" -p "$(cat "$HOME_DIR/port")" -U "$role" -d "$DATABASE" "$@"
}

# One value, as the superuser.
ask() {
	psql_as postgres -A -t -c "$1"
}

# await WHAT SQL: waits until a query's column "so" is true, for two minutes, as machines may be slow; else ends with
# what was to be, and what the query's other columns showed.
await() {
	local end=$((SECONDS + 120))
	until [ "$(ask "SELECT so FROM ($2) seen")" = t ]; do
		[ $SECONDS -lt $end ] || die "$1; seen: $(ask "SELECT coalesce(string_agg((to_jsonb(seen) - 'so')::text, ', '), 'nothing') FROM ($2) seen")"
		sleep 0.1
	done
}

is_running() {
	[ -f "$DATA_DIR/PG_VERSION" ] && as_postgres "$PG_BIN/pg_ctl" status -D "$DATA_DIR" >/dev/null 2>&1
}

# The first port from FIRST_PORT on that nobody here listens on.  The server does not listen on it either, but its
# socket is named after it, and whoever opens TCP later finds it free.
free_port() {
	local port
	for ((port = FIRST_PORT; port < FIRST_PORT + 100; port++)); do
		if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && [ ! -e "/tmp/.s.PGSQL.$port" ] &&
			[ ! -e "/var/run/postgresql/.s.PGSQL.$port" ]; then
			printf '%d' "$port"
			return
		fi
	done
	return 1
}

# The encryption key, 32 random bytes, and the secret that signs tokens, in a file that only root reads.
make_key() {
	if [ -f "$ENV_FILE" ]; then
		say "kept: the encryption key in $ENV_FILE"
	elif [ -d "$DATA_DIR" ]; then
		give_up "$ENV_FILE is gone; without its key the data in $HOME_DIR stays closed. Put it back, or begin anew with --clean."
	else
		(
			umask 077
			{
				echo '# Made by the quickstart.  Without this key the data cannot be opened: keep a copy apart from backups.'
				printf 'ENCRYPTION_KEY=%s\n' "$(head -c 32 /dev/urandom | base64)"
				echo 'ENCRYPTION_KEY_PREVIOUS='
				printf 'JWT_SECRET_KEY=%s\n' "$(head -c 48 /dev/urandom | base64 -w 0)"
			} >"$ENV_FILE.new"
			mv "$ENV_FILE.new" "$ENV_FILE"
		)
		say "made an encryption key and a secret for tokens: $ENV_FILE (mode 600)"
	fi
	# a folder of an earlier version has no such secret yet
	grep -q '^JWT_SECRET_KEY=' "$ENV_FILE" || printf 'JWT_SECRET_KEY=%s\n' "$(head -c 48 /dev/urandom | base64 -w 0)" >>"$ENV_FILE"
	chown root: "$ENV_FILE"
	chmod 600 "$ENV_FILE"
}

# Who may be whom; written on every run, for a folder of an earlier version knows fewer roles.
allow_roles() {
	local role
	for role in postgres "${DEMO_ROLES[@]}"; do
		printf 'demo root %s\ndemo postgres %s\n' "$role" "$role"
	done | cat - <(printf 'demo nobody %s\n' twin_gateway twin_notifier) | as_postgres tee "$DATA_DIR/pg_ident.conf" >/dev/null
}

make_cluster() {
	as_postgres test -x "$HOME_DIR" || give_up "the user postgres cannot enter $HOME_DIR; name another folder in TWIN_DEMO_HOME"
	if [ -d "$DATA_DIR" ]; then
		say "kept: the data folder $DATA_DIR"
	else
		install -d -o postgres -g postgres -m 755 "$SOCKET_DIR"
		install -d -o postgres -g postgres -m 700 "${SERVER_LOG%/*}"
		rm -rf "$DATA_DIR.new"
		install -d -o postgres -g postgres -m 700 "$DATA_DIR.new"
		logged as_postgres "$PG_BIN/initdb" -D "$DATA_DIR.new" -U postgres --auth=peer --encoding=UTF8 --locale=C.UTF-8 \
			--data-checksums || die 'initdb failed'
		free_port >"$HOME_DIR/port" || give_up "no port is free from $FIRST_PORT on"

		as_postgres tee -a "$DATA_DIR.new/postgresql.conf" >/dev/null <<-CONF

			# from here on: written by the quickstart of twin_security
			shared_preload_libraries = 'twin_security'	# loads the key before the first session and wipes it from the environment
			listen_addresses = ''				# no network at all
			unix_socket_directories = '$SOCKET_DIR'
			port = $(cat "$HOME_DIR/port")
			cluster_name = 'twin_security demo'
			log_line_prefix = '%m [%p] %q%u@%d '
			timezone = 'UTC'
			shared_buffers = '512MB'			# the million rows of the last step, and their index
			maintenance_work_mem = '128MB'
			max_wal_size = '2GB'
		CONF
		as_postgres tee "$DATA_DIR.new/pg_hba.conf" >/dev/null <<-HBA
			# the operating system says who calls; pg_ident.conf says which role that may be
			local all all peer map=demo
		HBA
		mv "$DATA_DIR.new" "$DATA_DIR"
		say "made a data folder: $DATA_DIR"
	fi
	allow_roles
}

# Starts the server with the keys in its environment: never in an argument list, and nothing else of ours goes along.
# The library takes them in and wipes them before the first session.
launch() (
	local name line
	for name in $(compgen -e); do
		[ "$name" = PATH ] || unset "$name" 2>/dev/null || true
	done
	while read -r line; do
		case $line in
			ENCRYPTION_KEY=?* | ENCRYPTION_KEY_PREVIOUS=?* | JWT_SECRET_KEY=?* | JWT_SECRET_KEY_PREVIOUS=?* | JWT_ACCESS_TOKEN_EXPIRES=?*) export "${line?}" ;;
		esac
	done <"$ENV_FILE"
	as_postgres "${SERVER_WITH[@]}" "$PG_BIN/pg_ctl" start -D "$DATA_DIR" -l "$SERVER_LOG" -w -t 60 -s </dev/null >>"$LOG" 2>&1
)

start_cluster() {
	if is_running && [ "$(cat "$HOME_DIR/loaded" 2>/dev/null)" != "$(library_digest)" ]; then
		say 'the library is a new one: the server restarts to load it'
		stop_cluster
	fi
	if is_running; then
		logged as_postgres "$PG_BIN/pg_ctl" reload -D "$DATA_DIR" -s
		say 'kept: the server is running'
	else
		if ! launch; then
			tail -n 5 "$SERVER_LOG" >>"$LOG" 2>/dev/null || true
			die "the server did not start; its own log is $SERVER_LOG"
		fi
		library_digest >"$HOME_DIR/loaded"
		say "the server runs as the user postgres, on the socket $SOCKET_DIR/.s.PGSQL.$(cat "$HOME_DIR/port")"
	fi
}

stop_cluster() {
	logged as_postgres "$PG_BIN/pg_ctl" stop -D "$DATA_DIR" -m fast -w -t 60 -s || die 'the server did not stop'
}
