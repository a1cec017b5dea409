# shellcheck shell=bash
# show.sh: what the extension does, on the demo twin: seven parts, each a question
# and its answer from the running server.  Whatever comes out otherwise than told
# stops the show.

WIDTH=112
AFTER_HEADING=''
UNIT=42

part() {
	printf '\n  %s%s. %s%s\n' "$BOLD" "$1" "$2" "$PLAIN"
	AFTER_HEADING=1
}

# A remark of one or more lines; what it is about follows.
note() {
	[ -n "$AFTER_HEADING" ] || printf '\n'
	AFTER_HEADING=''
	printf '     %s\n' "$@"
}

indent() {
	sed '/^ *$/d' | awk -v width=$WIDTH '{ sub(/ +$/, ""); print "       " (length($0) > width ? substr($0, 1, width - 3) "..." : $0) }'
}

prompt() {
	local margin
	margin=$(printf '%*s' $((${#1} + 8)) '')
	printf '     %s%s=>%s %s\n' "$CYAN" "$1" "$PLAIN" "${2//$'\n'/$'\n'$margin}"
}

# answer ROLE SQL [OPTION...]: runs a statement as a role that logs in by itself, and shows both.
answer() {
	local role=$1 sql=$2 result
	shift 2
	prompt "$role" "$sql"
	result=$(PGOPTIONS='-c client_min_messages=warning' psql_as "$role" -P footer=off -P null=- "$@" <<<"$sql" 2>&1) || {
		printf '%s\n' "$result" >>"$LOG"
		die "$role was to get an answer to: $sql"
	}
	indent <<<"$result"
}

# The same with one line per column, for values as they lie: sealed and long.
answer_sealed() {
	answer "$@" -x -t
}

# refusal ROLE SQLSTATE SQL: the same, for a statement that must be refused.
refusal() {
	local result
	prompt "$1" "$3"
	if result=$(psql_as "$1" -v VERBOSITY=verbose <<<"$3" 2>&1); then
		die "$1 was to be refused: $3"
	fi
	printf '%s\n' "$result" >>"$LOG"
	grep -q "ERROR:  $2: " <<<"$result" || die "$1 was to be refused with $2: $3"
	sed -n "s/^ERROR:  $2: \(.*\)/       ${RED}refused${PLAIN}  $2  \1/p" <<<"$result"
}

# How often the text on the standard input stands in the files of a folder or in one file.
occurrences() {
	local count
	count=$({ grep -raohF -f - "$1" 2>/dev/null || true; } | wc -l)
	case $count in
		0) printf 'not there' ;;
		1) printf 'once' ;;
		*) printf '%s times' "$(commas "$count")" ;;
	esac
}

# search WHAT: the row of part 1 about the text on the standard input.
search() {
	local text
	text=$(cat)
	EVERYWHERE=$(occurrences "$DATA_DIR" <<<"$text")
	printf '       %-40s %-16s %s\n' "$1" "$(occurrences "$TABLE_FILE" <<<"$text")" "$EVERYWHERE"
}

# The same about a text that must be nowhere.
search_in_vain() {
	search "$1"
	[ "$EVERYWHERE" = 'not there' ] || die "$1 stands in $DATA_DIR"
}

show_disk() {
	local serial offset email
	part 1 'What lies on the disk'
	note 'A row as it lies, and as it comes out without a cast; the superuser is no exception:'
	answer_sealed postgres "SELECT serial_number, client_email FROM thermacore.units WHERE unit_id = $UNIT;"
	ask CHECKPOINT
	TABLE_FILE=$DATA_DIR/$(ask "SELECT pg_relation_filepath('thermacore.units')")
	serial=$(ask "SELECT serial_number FROM thermacore.units WHERE unit_id = $UNIT")
	email=$(psql_as demo_operator -A -t <<<"SELECT client_email::text FROM thermacore.units WHERE unit_id = $UNIT")
	offset=$(grep -aboF "$serial" "$TABLE_FILE" | sed -n '1s/:.*//p')
	note "The same row in the table's file, $TABLE_FILE:"
	od -A d -t x1z -j "$((offset - offset % 16))" -N 160 "$TABLE_FILE" | head -n 10 | sed 's/^/       /'
	note 'Searched for, byte by byte:'
	printf '       %s%-40s %-16s %s%s\n' "$DIM" '' "in that file" 'in the whole data folder, log of changes included' "$PLAIN"
	search "$serial (not encrypted)" <<<"$serial"
	search_in_vain "$email" <<<"$email"
	search_in_vain "any client's mail domain" \
		< <(psql_as demo_operator -A -t <<<"SELECT DISTINCT substring(client_email::text, '@.*') FROM thermacore.units")
	search_in_vain "the server's encryption key" < <(sed -n 's/^ENCRYPTION_KEY=//p' "$ENV_FILE")
	search_environments
}

# Whether a process of the server still has the key in its environment or its arguments.
search_environments() {
	local process seen=0
	for process in $(head -n 1 "$DATA_DIR/postmaster.pid") $(ask 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()'); do
		cat "/proc/$process/environ" "/proc/$process/cmdline" >"$HOME_DIR/process" 2>/dev/null || continue
		seen=$((seen + 1))
		if grep -qaF -f <(sed -n 's/^ENCRYPTION_KEY=//p' "$ENV_FILE") "$HOME_DIR/process"; then
			die "process $process shows the key"
		fi
	done
	rm -f "$HOME_DIR/process"
	note "Looked into the environment and the arguments of $seen server processes: the key is in none."
}

show_granted() {
	part 2 'What a role with a grant on the keys sees'
	note 'demo_operator was granted "decrypt" on the keys contacts and readings. An explicit cast opens a value.'
	answer demo_operator "SELECT serial_number, client_contact::text, client_email::text, client_phone::text
FROM thermacore.units WHERE unit_id BETWEEN $UNIT AND $((UNIT + 2)) ORDER BY unit_id;"
	answer demo_operator "SELECT s.name AS sensor, count(*) AS readings, round(min(r.value::float8)::numeric, 2) AS lowest,
    round(avg(r.value::float8)::numeric, 2) AS average, round(max(r.value::float8)::numeric, 2) AS highest
FROM thermacore.sensor_readings r JOIN thermacore.sensors s USING (sensor_id)
GROUP BY s.name ORDER BY s.name LIMIT 6;"
}

show_refused() {
	part 3 'What all others get'
	note 'The writer may seal and never open. The viewer has no grant at all. Rows come out as they lie: sealed.'
	answer_sealed demo_viewer "SELECT serial_number, client_phone FROM thermacore.units WHERE unit_id = $UNIT;"
	refusal demo_viewer 42501 "SELECT client_phone::text FROM thermacore.units WHERE unit_id = $UNIT;"
	refusal demo_writer 42501 "SELECT client_phone::text FROM thermacore.units WHERE unit_id = $UNIT;"
	answer_sealed demo_writer 'BEGIN;
INSERT INTO thermacore.sensor_readings (sensor_id, recorded_at, value) VALUES (1, now(), 71.5) RETURNING value;
ROLLBACK;'
	note 'Nor does the superuser, and becoming somebody else by SET ROLE does not help him:'
	refusal postgres 42501 "SELECT client_phone::text FROM thermacore.units WHERE unit_id = $UNIT;"
	refusal postgres 42501 "SET ROLE demo_operator; SELECT client_phone::text FROM thermacore.units WHERE unit_id = $UNIT;"
	note 'He could grant himself the key with twin.grant_key: a deliberate act that leaves a row behind.'
}

show_lookup() {
	local email
	part 4 'Finding a client by e-mail, without opening anything'
	note 'Equal addresses carry equal tags (a keyed hash), and an index finds tags. So a role that may read the table' \
		'can ask for an address it knows, though it can open none:'
	email=$(psql_as demo_operator -A -t <<<"SELECT client_email::text FROM thermacore.units WHERE unit_id = $UNIT")
	answer demo_viewer "SELECT serial_number, name, location FROM thermacore.units WHERE client_email = '$email';"
	answer demo_viewer "EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT serial_number FROM thermacore.units WHERE client_email = '$email';" -t
}

# Puts a value back that part 5 damaged, also when the run that did it was cut short.
restore_value() {
	if [ -s "$HOME_DIR/damaged" ]; then
		printf "UPDATE thermacore.units SET client_contact = '%s' WHERE unit_id = $UNIT;\n" "$(cat "$HOME_DIR/damaged")" | psql_as postgres
		rm -f "$HOME_DIR/damaged"
	fi
}

show_damage() {
	local armor flipped
	part 5 'One bit changed by somebody who can write to the table'
	armor=$(ask "SELECT client_contact FROM thermacore.units WHERE unit_id = $UNIT")
	flipped=$(psql_as postgres -A -t <<-SQL
		SELECT 'tsec1:' || rtrim(translate(replace(encode(set_bit(b, 8 * 25 + 3, 1 - get_bit(b, 8 * 25 + 3)), 'base64'), E'\n', ''), '+/', '-_'), '=')
		FROM decode(translate(substr('$armor', 7), '-_', '+/') || repeat('=', -length(substr('$armor', 7)) & 3), 'base64') b
	SQL
	)
	printf '%s' "$armor" >"$HOME_DIR/damaged"
	note 'The contact of one unit, before and after:' "  ${armor:0:90}" "  ${flipped:0:90}"
	psql_as postgres <<<"UPDATE thermacore.units SET client_contact = '$flipped' WHERE unit_id = $UNIT;"
	note 'Reading it:'
	refusal demo_operator TW201 "SELECT serial_number, client_contact::text FROM thermacore.units WHERE unit_id = $UNIT;"
	note 'It is counted, too:'
	answer postgres "SELECT key_name, opens, integrity_failures FROM twin.stat_keyring WHERE key_name = 'contacts';"
	note 'Its neighbours, and the other values of the same row, open as before:'
	answer demo_operator "SELECT serial_number, client_contact::text FROM thermacore.units WHERE unit_id IN ($((UNIT - 1)), $((UNIT + 1))) ORDER BY unit_id;"
	answer demo_operator "SELECT serial_number, client_phone::text FROM thermacore.units WHERE unit_id = $UNIT;"
	restore_value
	note 'Put back:'
	answer demo_operator "SELECT serial_number, client_contact::text FROM thermacore.units WHERE unit_id = $UNIT;"
}

show_rotation() {
	local census="SELECT column_name, key_name, version, \"values\" FROM twin.key_census('thermacore.units');"
	part 6 'A new version of a key'
	if [ "$(ask "SELECT count(*) FROM twin.keys WHERE key_name = 'contacts'")" -gt 1 ]; then
		note 'kept: the key was rotated on an earlier run.'
	else
		note 'How many values lie under which version:'
		answer postgres "$census"
		note 'The first call publishes the version, so that every replica has it; the second seals under it from then on.'
		answer postgres "SELECT twin.rotate_key('contacts') AS published;"
		answer postgres "SELECT twin.rotate_key('contacts') AS primary_now;"
		note 'Twenty phone numbers are written anew; the others stay under version 1:'
		answer demo_operator 'UPDATE thermacore.units SET client_phone = client_phone::text WHERE unit_id <= 20;'
	fi
	note 'The census again, and the versions of the key:'
	answer postgres "$census"
	answer postgres "SELECT key_name, version, state, messages FROM twin.keys WHERE key_name = 'contacts' ORDER BY version;"
	note 'Values of both versions open:'
	answer demo_operator 'SELECT serial_number, client_phone::text FROM thermacore.units WHERE unit_id IN (20, 21) ORDER BY unit_id;'
}

show_all() {
	restore_value
	show_disk
	show_granted
	show_refused
	show_lookup
	show_damage
	show_rotation
	show_speed
}
