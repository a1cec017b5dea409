# sniff.awk: finds out how a CSV file of readings is written, from its header and
# its first lines.  Prints  SEPARATOR TIME_COLUMN CLOCK_COLUMN VALUE_COLUMN ORDER COMMA HEADER_COLUMNS TIME_NAME VALUE_NAME
# separated by \034, or a line that begins with "!" and says what is missing.

{ sub(/\r$/, "") }
NR == 1 { sub(/^\357\273\277/, "") }
/^[ \t]*$/ { next }
header == "" { header = $0; next }
{ sample[++kept] = $0 }
kept == 1000 { exit }

function name_of(column) {
	return tolower(trim(title[column]))
}

# How many of the sample's lines have a time, or a number, in a column.
function times_in(column, order,    i, n, count) {
	for (i = 1; i <= kept; i++) {
		n = split_csv(sample[i], sep, field)
		if (n >= column && parse_time(field[column] (clock && column == date ? " " field[clock] : ""), order) != "")
			count++
	}
	return count + 0
}

function numbers_in(column,    i, n, count) {
	for (i = 1; i <= kept; i++) {
		n = split_csv(sample[i], sep, field)
		if (n >= column && parse_number(field[column], comma) != "")
			count++
	}
	return count + 0
}

END {
	if (kept == 0) {
		print "!there is no line after the header"
		exit
	}
	# the separator that divides the header into most columns, and the first lines into as many
	candidates = split(", ; \t |", candidate, " ")
	candidate[3] = "\t"
	candidate[4] = "|"
	for (c = 1; c <= 4; c++) {
		columns = split_csv(header, candidate[c], field)
		agree = 0
		for (i = 1; i <= kept; i++)
			agree += split_csv(sample[i], candidate[c], field) == columns
		score = columns < 2 ? 0 : columns * (1 + 10 * agree / kept)
		if (score > best) {
			best = score
			sep = candidate[c]
		}
	}
	if (sep == "") {
		print "!its header has a single column; looked for , ; tab and | between columns"
		exit
	}
	columns = split_csv(header, sep, title)
	comma = sep != ","

	# from here on only whole lines count
	all = kept
	kept = 0
	for (i = 1; i <= all; i++)
		if (split_csv(sample[i], sep, field) == columns)
			sample[++kept] = sample[i]
	if (kept == 0) {
		print "!its header has " columns " columns, and no line has as many"
		exit
	}

	for (i = 1; i <= columns; i++) {
		if (name_of(i) == "date")
			date = i
		if (name_of(i) == "time")
			clock = i
	}
	if (!date || !clock || times_in(clock, "mdy") > 0)
		clock = 0

	# the columns of times and of values: by name if one says so, else the first that holds mostly such
	for (i = 1; i <= columns; i++) {
		mdy = times_in(i, "mdy")
		dmy = times_in(i, "dmy")
		hits = mdy > dmy ? mdy : dmy
		rank = name_of(i) ~ /^(timestamp|datetime|date_time|time|ts|recorded_at)$/ ? 3 : name_of(i) ~ /time|date|stamp/ ? 2 : 1
		if (hits * (rank == 1 ? 2 : 5) >= kept && rank > best_time) {
			best_time = rank
			time = i
			order = dmy > mdy ? "dmy" : "mdy"
		}
	}
	if (!time) {
		print "!no column holds times (known: ISO 8601, 31.12.2024 23:59, 12/31/2024 23:59, seconds or milliseconds since 1970)"
		exit
	}
	if (time != date)
		clock = 0

	for (i = 1; i <= columns; i++) {
		if (i == time || i == clock)
			continue
		rank = name_of(i) ~ /^(value|reading|measurement)$/ ? 3 : name_of(i) ~ /value|reading|temp|measure/ ? 2 : name_of(i) ~ /(^|_)id$/ ? 0.5 : 1
		if (numbers_in(i) * (rank < 2 ? 2 : 5) >= kept && rank > best_value) {
			best_value = rank
			value = i
		}
	}
	if (!value) {
		print "!no column beside the time holds numbers"
		exit
	}
	OFS = "\034"
	print sep, time, clock + 0, value, order, comma, columns, trim(title[time]), trim(title[value])
}
