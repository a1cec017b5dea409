# shellcheck shell=bash
# sample.sh: readings of the machine at hand, where no file of readings is: load,
# processor, memory, and temperatures where it shows them.

SAMPLES=40

# One line "name value" per thing that can be measured now.
measure() {
	local path name label
	awk '{ print "load_1min", $1 }' /proc/loadavg
	awk '$1 == "cpu" { print "cpu_jiffies", $2 + $3 + $4 + $7 + $8, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat
	awk '$1 == "MemTotal:" { total = $2 } $1 == "MemAvailable:" { printf "memory_used_percent %.2f\n", 100 - 100 * $2 / total }' /proc/meminfo
	for path in /sys/class/thermal/thermal_zone*/temp /sys/class/hwmon/hwmon*/temp*_input; do
		[ -r "$path" ] || continue
		name=${path#/sys/class/*/}
		label=$(tr -c 'A-Za-z0-9\n' '_' <<<"temperature_${name%/*}_$(basename "$path")")
		awk -v name="$label" '{ print name, $1 / 1000 }' "$path" 2>/dev/null || true
	done
}

# Writes one CSV file per thing to $HOME_DIR/sample.
sample_machine() {
	local i now name first second busy=0 total=0
	rm -rf "$HOME_DIR/sample"
	mkdir "$HOME_DIR/sample"
	for ((i = 1; i <= SAMPLES; i++)); do
		now=$EPOCHREALTIME
		while read -r name first second; do
			if [ "$name" = cpu_jiffies ]; then
				if [ "$total" -gt 0 ] && [ "$second" -gt "$total" ]; then
					printf '%s,%d\n' "${now:0:14}" $((100 * (first - busy) / (second - total))) >>"$HOME_DIR/sample/cpu_busy_percent.csv"
				fi
				busy=$first total=$second
			else
				printf '%s,%s\n' "${now:0:14}" "$first" >>"$HOME_DIR/sample/$name.csv"
			fi
		done < <(measure)
		bar 'measuring (samples)' "$i" "$SAMPLES"
		sleep 0.1
	done
	clear_bar
	sed -i '1i time,value' "$HOME_DIR"/sample/*.csv
}
