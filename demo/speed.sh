# shellcheck shell=bash
# speed.sh: what sealing and opening cost on this machine, next to a plain table
# in the same run.  Rates differ from machine to machine; the ratio is the figure.

SPEED_ROWS=200000
SPEED_LOOKUPS=5000
SPEED_TURNS=3

# Milliseconds of the last statement that psql timed, for the script on the standard input.
milliseconds() {
	psql_as "$1" -A -t | awk '/^Time: / { last = $2 } END { print last }'
}

# Empties a table and loads it by COPY from the client.
time_load() {
	{
		printf 'TRUNCATE demo_speed.%s;\n\\timing on\nCOPY demo_speed.%s (recorded_at, value) FROM STDIN;\n' "$1" "$1"
		cat "$HOME_DIR/speed.tsv"
		printf '\\.\n'
	} | milliseconds postgres
}

time_scan() {
	milliseconds demo_operator <<-SQL
		SET max_parallel_workers_per_gather = 0;
		\timing on
		SELECT sum(value::float8) FROM demo_speed.$1;
	SQL
}

# Searches through the index for as many addresses as SPEED_LOOKUPS says, each by itself.
time_lookup() {
	milliseconds demo_operator <<-SQL
		\timing on
		DO \$\$ BEGIN FOR i IN 1..$SPEED_LOOKUPS LOOP
			PERFORM FROM demo_speed.$1_clients WHERE email = 'client' || i || '@example.com';
		END LOOP; END \$\$;
	SQL
}

# comparison WHAT COUNT UNIT MEASURE: the least time of several turns, plain and sealed taken alternately.
comparison() {
	local turn plain='' sealed=''
	for ((turn = 1; turn <= SPEED_TURNS; turn++)); do
		bar "$1" "$turn" "$SPEED_TURNS"
		plain+=$("$4" plain)$'\n'
		sealed+=$("$4" sealed)$'\n'
	done
	clear_bar
	plain=$(sort -g <<<"${plain%$'\n'}" | head -n 1)
	sealed=$(sort -g <<<"${sealed%$'\n'}" | head -n 1)
	plain=$(awk -v n="$2" -v ms="$plain" 'BEGIN { printf "%d %s", n * 1000 / ms, ms }')
	sealed=$(awk -v n="$2" -v ms="$sealed" 'BEGIN { printf "%d %s", n * 1000 / ms, ms }')
	printf '       %-34s %12s %12s  %-12s' "$1" "$(commas "${plain% *}")" "$(commas "${sealed% *}")" "$3"
	awk -v plain="${plain#* }" -v sealed="${sealed#* }" 'BEGIN { printf "%.2f\n", plain / sealed }'
}

show_speed() {
	part 7 'What it costs here'
	psql_as postgres <<-SQL
		SET client_min_messages = warning;
		DROP SCHEMA IF EXISTS demo_speed CASCADE;
		CREATE SCHEMA demo_speed;
		CREATE TABLE demo_speed.plain (recorded_at timestamptz, value float8);
		CREATE TABLE demo_speed.sealed (recorded_at timestamptz, value twin.encrypted_float8(readings));
		CREATE TABLE demo_speed.plain_clients (email text);
		CREATE TABLE demo_speed.sealed_clients (email twin.encrypted_text_eq(contacts));
		INSERT INTO demo_speed.plain_clients SELECT 'client' || i || '@example.com' FROM generate_series(1, $SPEED_LOOKUPS) i;
		INSERT INTO demo_speed.sealed_clients SELECT email FROM demo_speed.plain_clients;
		CREATE INDEX ON demo_speed.plain_clients (email);
		CREATE INDEX ON demo_speed.sealed_clients (email);
		ANALYZE demo_speed.plain_clients, demo_speed.sealed_clients;
		GRANT USAGE ON SCHEMA demo_speed TO demo_operator;
		GRANT SELECT ON ALL TABLES IN SCHEMA demo_speed TO demo_operator;
	SQL
	psql_as demo_operator <<<"COPY (SELECT recorded_at, value::float8 FROM thermacore.sensor_readings LIMIT $SPEED_ROWS) TO STDOUT" |
		awk -v rows=$SPEED_ROWS '{ line[NR] = $0 } END { for (i = 0; i < rows; i++) print line[1 + i % NR] }' >"$HOME_DIR/speed.tsv"
	note "The demo's readings, repeated to $(commas $SPEED_ROWS) rows; the best of $SPEED_TURNS turns:"
	# shellcheck disable=SC2153 # PLAIN is a colour
	printf '       %s%-34s %12s %12s  %-12s%s%s\n' "$DIM" '' plain sealed '' 'sealed : plain' "$PLAIN"
	comparison 'loading by COPY' "$SPEED_ROWS" 'rows/s' time_load
	comparison 'reading all, sum(value)' "$SPEED_ROWS" 'rows/s' time_scan
	comparison 'finding by e-mail, index' "$SPEED_LOOKUPS" 'searches/s' time_lookup
	ask "SELECT format('       %34s %12s %12s  %12s%s', rpad('room on disk', 34), round(p / 1e6, 1), round(s / 1e6, 1), rpad('MB', 12), round(s / p, 2))
		FROM (SELECT pg_table_size('demo_speed.plain')::numeric p, pg_table_size('demo_speed.sealed') s) sizes"
	psql_as postgres <<<'SET client_min_messages = warning; DROP SCHEMA demo_speed CASCADE;'
	rm -f "$HOME_DIR/speed.tsv"
}
