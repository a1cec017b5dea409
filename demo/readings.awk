# readings.awk: turns a CSV file of readings into what COPY takes.
#	in		variables sep, time, clock, value, order, comma, columns (found by sniff.awk), sensor, refused and progress (files)
#	out		sensor TAB time TAB value, one line per reading
# A line that is no reading goes to the file "refused" with its number and the reason; the others go on.  The last line
# of that file counts: "= READINGS REFUSED".

# Looks at one record: sets when and what, or reason.
function read_record(line,    n) {
	reason = ""
	n = split_csv(line, sep, field)
	if (n == 0)
		reason = "a quote is not closed"
	else if (n != columns)
		reason = "columns: " n ", not " columns
	else if ((when = parse_time(field[time] (clock ? " " field[clock] : ""), order)) == "")
		reason = "no time"
	else if ((what = parse_number(field[value], comma)) == "")
		reason = trim(field[value]) == "" ? "no value" : "no number"
	return reason == ""
}

function take() {
	printf "%s\t%s\t%s\n", sensor, when, what
	good++
}

function refuse(number, line) {
	gsub(/[^ -~]/, "?", line)
	printf "line %d: %s: %s\n", number, reason, substr(line, 1, 80) > refused
	bad++
}

# A quoted field may run over several lines: while a quote is open, lines are held and put together, twenty at most.
function feed(number, line) {
	if (held == 0) {
		if (read_record(line))
			take()
		else if (is_open(line))
			hold(number, line)
		else
			refuse(number, line)
		return
	}
	hold(number, line)
	if (read_record(joined)) {
		held = 0
		take()
	} else if (held == 20 || split_csv(joined, sep, field) > 0)
		settle()
}

function is_open(line) {
	return split_csv(line, sep, field) == 0
}

function hold(number, line) {
	joined = held ? joined "\n" line : line
	held_line[++held] = line
	held_number[held] = number
}

# They made no reading together: refuses the first of them and looks at the others anew.
function settle(    i, count, line, number) {
	read_record(held_line[1])
	refuse(held_number[1], held_line[1])
	count = held
	for (i = 2; i <= count; i++) {
		line[i] = held_line[i]
		number[i] = held_number[i]
	}
	held = 0
	for (i = 2; i <= count; i++)
		feed(number[i], line[i])
}

{ sub(/\r$/, "") }
/^[ \t]*$/ && held == 0 { next }
!header_seen { header_seen = 1; next }
{ feed(NR, $0) }
NR % 10000 == 0 { print NR > progress; close(progress) }

END {
	while (held > 0)
		settle()
	printf "= %d %d\n", good, bad > refused
}
