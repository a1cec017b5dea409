# attack.awk: failed logins of an sshd log as lines of COPY: time (of some year), user, address, how many times.
# "message repeated N times" stands for N of the message that it quotes.

function field(value) {
	gsub(/\\/, "\\\\", value)
	gsub(/\t/, "\\t", value)
	return value
}

/Failed password for / {
	times = 1
	if (match($0, /message repeated [0-9]+ times: \[/)) {
		times = substr($0, RSTART + 17, RLENGTH - 17) + 0
	}
	rest = $0
	sub(/^.*Failed password for (invalid user )?/, "", rest)
	if (!match(rest, / from [0-9a-f.:]+ port [0-9]+/)) {
		next
	}
	user = substr(rest, 1, RSTART - 1)
	split(substr(rest, RSTART + 6), words, " ")
	printf "%s %s 2024 %s\t%s\t%s\t%d\n", $1, $2, $3, field(user), words[1], times
}
