# csv.awk: what sniff.awk and readings.awk share.  Plain POSIX awk (Debian's is mawk).

# Splits a line into field[1..n] and returns n, or 0 when a quote is left open.
function split_csv(line, sep, field,    n, rest, at, text) {
	if (index(line, "\"") == 0)
		return split(line, field, "[" sep "]")
	n = 0
	rest = line
	while (1) {
		if (match(rest, /^[ ]*"/)) {
			rest = substr(rest, RLENGTH + 1)
			text = ""
			while ((at = index(rest, "\"")) > 0 && substr(rest, at + 1, 1) == "\"") {
				text = text substr(rest, 1, at)
				rest = substr(rest, at + 2)
			}
			if (at == 0)
				return 0
			field[++n] = text substr(rest, 1, at - 1)
			rest = substr(rest, at + 1)
			at = index(rest, sep)
			text = at ? substr(rest, 1, at - 1) : rest
			if (text !~ /^[ ]*$/)
				return 0
		} else {
			at = index(rest, sep)
			field[++n] = at ? substr(rest, 1, at - 1) : rest
		}
		if (at == 0)
			return n
		rest = substr(rest, at + 1)
	}
}

function trim(text) {
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}

# A number as float8 takes it, or "" when it is none.
function parse_number(text, comma,    number) {
	text = trim(text)
	if (comma)
		sub(/,/, ".", text)
	if (text !~ /^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$/)
		return ""
	number = text + 0
	if (number < 0)
		number = -number
	if (number > 1e308 || (number < 1e-300 && text ~ /^[^eE]*[1-9]/))
		return ""
	return text
}

function days_in(year, month) {
	if (month == 2)
		return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31
}

# Seconds since 1970 to a date and time, with whatever follows the seconds.
function from_epoch(seconds, tail,    days, year, month) {
	days = int(seconds / 86400)
	seconds -= days * 86400
	for (year = 1970; days >= 365 + (days_in(year, 2) == 29); year++)
		days -= 365 + (days_in(year, 2) == 29)
	for (month = 1; days >= days_in(year, month); month++)
		days -= days_in(year, month)
	return sprintf("%04d-%02d-%02d %02d:%02d:%02d%s+00", year, month, days + 1,
		int(seconds / 3600), int(seconds % 3600 / 60), seconds % 60, tail)
}

# A moment as timestamptz takes it, or "" when it is none: ISO 8601, 31.12.2024, 12/31/2024 (order: "dmy" or "mdy"),
# seconds or milliseconds since 1970.
function parse_time(text, order,    part, date, clock, zone, half, hour) {
	text = trim(text)
	if (text ~ /^[0-9]+([.][0-9]+)?$/ && match(text, /^[0-9]+/)) {
		if (RLENGTH == 13 && length(text) == 13)
			return from_epoch(substr(text, 1, 10) + 0, "." substr(text, 11))
		return RLENGTH == 9 || RLENGTH == 10 ? from_epoch(substr(text, 1, RLENGTH) + 0, substr(text, RLENGTH + 1, 7)) : ""
	}
	if (!match(text, /^[0-9]+[-\/.][0-9]+[-\/.][0-9]+/))
		return ""
	date = substr(text, 1, RLENGTH)
	text = substr(text, RLENGTH + 1)
	if (split(date, part, /[-\/.]/) != 3)
		return ""
	if (date ~ /^[0-9][0-9][0-9][0-9][-\/]/)
		date = part[1] SUBSEP part[2] SUBSEP part[3]
	else if (date ~ /[.]/ || order == "dmy")
		date = part[3] SUBSEP part[2] SUBSEP part[1]
	else
		date = part[3] SUBSEP part[1] SUBSEP part[2]
	split(date, part, SUBSEP)
	if (length(part[1]) != 4 || part[1] < 1 || length(part[2]) > 2 || part[2] < 1 || part[2] > 12 ||
			length(part[3]) > 2 || part[3] < 1 || part[3] > days_in(part[1] + 0, part[2] + 0))
		return ""
	date = sprintf("%04d-%02d-%02d", part[1], part[2], part[3])

	if (text == "")
		return date " 00:00:00+00"
	if (!match(text, /^([T ]|, )[0-9][0-9]?:[0-9][0-9](:[0-9][0-9]([.,][0-9]+)?)?/))
		return ""
	clock = substr(text, 2, RLENGTH - 1)
	zone = trim(substr(text, RLENGTH + 1))
	sub(/^ /, "", clock)
	sub(/,/, ".", clock)
	split(clock, part, ":")
	hour = part[1] + 0
	if (zone ~ /^[AaPp][Mm]$/) {
		if (hour < 1 || hour > 12)
			return ""
		half = zone ~ /^[Pp]/ ? 12 : 0
		hour = hour % 12 + half
		zone = ""
	}
	if (hour > 23 || part[2] > 59 || part[3] + 0 >= 60)
		return ""
	if (zone == "" || zone == "Z" || zone == "z" || zone == "UTC" || zone == "GMT")
		zone = "+00"
	else if (zone !~ /^[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?$/)
		return ""
	return sprintf("%s %02d:%s:%s%s", date, hour, part[2], part[3] == "" ? "00" : part[3], zone)
}
