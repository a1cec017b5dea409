# shellcheck shell=bash
# clients.sh: applications at work: pgbench as the demo's roles, reading and
# writing the customers at a steady rate.  Every read checks its answer, so a
# wrong or missing row counts as an error.

CLIENTS_DIR=$HOME_DIR/clients
READER=''
WRITER=''

# start_client NAME ROLE RATE SCRIPT...: sets STARTED_CLIENT.
start_client() {
	local name=$1 role=$2 rate=$3 script scripts=()
	shift 3
	for script in "$@"; do
		scripts+=(-f "$CLIENTS_DIR/$script")
	done
	"$PG_BIN/pgbench" -n -c 2 -T 3600 -R "$rate" -l --log-prefix "$CLIENTS_DIR/$name" "${scripts[@]}" \
		-h "$SOCKET_DIR" -p "$(cat "$HOME_DIR/port")" -U "$role" "$DATABASE" >"$CLIENTS_DIR/$name.out" 2>&1 </dev/null 9>&- &
	STARTED_CLIENT=$!
}

start_clients() {
	rm -rf "$CLIENTS_DIR"
	mkdir "$CLIENTS_DIR"
	cat >"$CLIENTS_DIR/read.sql" <<-'SQL'
		\set n random(1, 1000000)
		SELECT (customer_id = :n AND email::text = thermacore.customer_email(:n))::integer AS right
			FROM thermacore.customers WHERE email = thermacore.customer_email(:n) \gset
		SELECT 1 / :right;
	SQL
	cat >"$CLIENTS_DIR/update.sql" <<-'SQL'
		\set n random(1, 1000000)
		UPDATE thermacore.customers SET phone = '+1 201 555 01' || to_char(:n % 100, 'FM00'), last_visit = current_date
			WHERE customer_id = :n;
	SQL
	cat >"$CLIENTS_DIR/insert.sql" <<-'SQL'
		INSERT INTO thermacore.customers (name, email, contract_value)
			VALUES ('New Customer', 'signup.' || gen_random_uuid() || '@home.example.net', 120);
	SQL
	start_client reader demo_operator 100 read.sql
	READER=$STARTED_CLIENT
	start_client writer demo_writer 50 update.sql insert.sql
	WRITER=$STARTED_CLIENT
}

# pgbench's own alarm ends it in good order: what is under way is finished, the log is written.
stop_clients() {
	local client
	for client in $READER $WRITER; do
		kill -ALRM "$client" 2>/dev/null || true
		wait "$client" || printf 'client %s ended with %d\n' "$client" $? >>"$LOG"
	done
	READER='' WRITER=''
}

# client_row NAME LABEL SCRIPT: transactions, errors and the slowest of one script; sets DONE.
client_row() {
	local errors slowest
	read -r DONE slowest < <(cat "$CLIENTS_DIR/$1".[0-9]* |
		awk -v script="$3" '$4 == script { n++; if ($3 > most) most = $3 } END { print n + 0, most / 1000 }')
	errors=$(grep -cE 'ERROR|FATAL|aborted|expected one row' "$CLIENTS_DIR/$1.out" || true)
	printf '       %-34s %12s %8s %14s\n' "$2" "$(commas "$DONE")" "$errors" "$(printf '%.0f ms' "$slowest")"
	if [ "$errors" -ne 0 ] || [ "$DONE" -eq 0 ]; then
		cat "$CLIENTS_DIR/$1.out" >>"$LOG"
		die 'the clients met errors'
	fi
}
