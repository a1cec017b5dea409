# shellcheck shell=bash
# load.sh: readings from CSV files, through COPY, straight into the encrypted
# column.  A file is known by its digest: loading it again adds nothing.

# Real readings that lie beside the repository on some machines.
NAB_DIR=$REPO/../shared/data/nab

# A file as lines of text whatever it was: UTF-16 is converted, bytes that no text has are made visible.
as_plain_text() {
	case $(head -c 2 "$1" | od -A n -t x1 | tr -d ' ') in
		fffe | feff) iconv -f UTF-16 -t UTF-8 -c "$1" ;;
		*) cat "$1" ;;
	esac | tr '\000' '?'
}

# Finds out how a file is written; sets sep, time and the other variables of readings.awk.
sniff() {
	local form
	form=$({ as_plain_text "$1" 2>/dev/null || true; } | LC_ALL=C awk -f "$REPO/demo/csv.awk" -f "$REPO/demo/sniff.awk")
	[ "${form:0:1}" != '!' ] || give_up "no readings can be read from $1: ${form:1}"
	IFS=$'\034' read -r sep time clock value order comma columns time_name value_name <<<"$form"
}

# What psql reads: the data for COPY, and the bookkeeping in the same transaction.
import_script() {
	local counts
	echo 'BEGIN;'
	echo 'COPY thermacore.sensor_readings (sensor_id, recorded_at, value) FROM STDIN;'
	as_plain_text "$1" | LC_ALL=C awk -v sep="$sep" -v time="$time" -v clock="$clock" -v value="$value" -v order="$order" \
		-v comma="$comma" -v columns="$columns" -v sensor="$sensor" -v refused="$refused" -v progress="$progress" \
		-f "$REPO/demo/csv.awk" -f "$REPO/demo/readings.awk" || return
	printf '\\.\n'
	read -r _ counts <<<"$(tail -n 1 "$refused")"
	printf '\\set counted %d\n\\set refused %d\n' "${counts% *}" "${counts#* }"
	echo 'INSERT INTO thermacore.imports (digest, source, sensor_id, readings, refused)'
	echo "	VALUES (:'digest', :'label', :sensor, :counted, :refused);"
	echo 'SELECT :counted > 0 AND :counted = (SELECT count(*) FROM thermacore.sensor_readings'
	echo '	WHERE sensor_id = :sensor AND xmin = pg_current_xact_id()::xid) AS complete \gset'
	printf '\\if :complete\nCOMMIT;\n\\endif\n'
}

import_stream() {
	import_script "$file" | psql_as postgres -v digest="$digest" -v label="$label" -v sensor="$sensor"
}

lines_read() {
	cat "$progress" 2>/dev/null || echo 0
}

# import_file FILE UNIT: makes a sensor named after the file on that unit, and loads the file as its readings.
import_file() {
	local file=$1 unit=$2 label digest kept sensor refused progress
	local sep time clock value order comma columns time_name value_name readings bad
	label=$(basename "$file" .csv | tr -c 'A-Za-z0-9._\n-' '_')
	digest=$(sha256sum <"$file" | cut -c 1-64)
	kept=$(ask "SELECT readings FROM thermacore.imports WHERE digest = '$digest'")
	if [ -n "$kept" ]; then
		say "kept: $(commas "$kept") readings of $label"
		return
	fi
	sniff "$file"
	sensor=$(ask "INSERT INTO thermacore.sensors (unit_id, name) VALUES ($unit, '$label')
		ON CONFLICT (unit_id, name) DO UPDATE SET name = excluded.name RETURNING sensor_id")

	refused=$HOME_DIR/refused-$label.txt
	progress=$HOME_DIR/progress
	rm -f "$refused" "$progress"
	with_bar "sealing (lines)" "$(wc -l <"$file")" lines_read import_stream || die "the readings of $file were not loaded"
	rm -f "$progress"
	read -r _ readings bad <<<"$(tail -n 1 "$refused")"
	sed -i '$d' "$refused"
	[ "$readings" -gt 0 ] || give_up "not one line of $file is a reading; the reasons are in $refused"
	[ "$(ask "SELECT count(*) FROM thermacore.imports WHERE digest = '$digest'")" -eq 1 ] || die "the readings of $file were not loaded"
	say "$(commas "$readings") readings of $label sealed"
	say "  ${DIM}times from \"$(visible "$time_name")\", values from \"$(visible "$value_name")\"$PLAIN"
	if [ "$bad" -eq 0 ]; then
		rm -f "$refused"
	else
		say "  $(commas "$bad") lines are no readings and were left out; the first of them:"
		head -n 5 "$refused" | cut -c 1-110 | sed 's/^/          /'
		say "  all of them: $refused"
	fi
}

visible() {
	tr -cd ' -~' <<<"$1"
}

# load_readings [FILE]: the file, or the readings beside the repository, or what this machine measures about itself.
load_readings() {
	local file unit=1
	if [ -n "${1:-}" ]; then
		import_file "$1" 4
	elif compgen -G "$NAB_DIR/*.csv" >/dev/null; then
		for file in "$NAB_DIR"/*.csv; do
			import_file "$file" $unit
			unit=$((unit + 1))
		done
	elif [ "$(ask 'SELECT count(*) FROM thermacore.imports')" -gt 0 ]; then
		say 'kept: the readings of an earlier run'
	else
		say 'no file of readings was given: this machine measures itself for a few seconds'
		sample_machine
		for file in "$HOME_DIR"/sample/*.csv; do
			import_file "$file" 3
		done
		rm -rf "$HOME_DIR/sample"
	fi
}
