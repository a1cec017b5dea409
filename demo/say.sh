# shellcheck shell=bash
# say.sh: how the quickstart talks.  Numbered steps, elapsed time, a bar for long
# work; colours and redrawn lines on a terminal only.  What commands print goes
# to $LOG.
# shellcheck disable=SC2034 # variables are used by the other files

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' CYAN=$'\e[36m' PLAIN=$'\e[0m'
else
	BOLD='' DIM='' GREEN='' RED='' CYAN='' PLAIN=''
fi

LOG=/dev/null
STEP_NAME='starting'
WORK=''
STEP_NUMBER=0
STEP_COUNT=1
STARTED=$EPOCHREALTIME
STEP_STARTED=$EPOCHREALTIME

# Seconds since a moment, with one decimal.
since() {
	local tenths=$(((${EPOCHREALTIME/./} - ${1/./}) / 100000))
	printf '%d.%d s' $((tenths / 10)) $((tenths % 10))
}

# 1234567 -> 1,234,567
commas() {
	local digits=$1 grouped=''
	while [ ${#digits} -gt 3 ]; do
		grouped=,${digits: -3}$grouped
		digits=${digits:0:-3}
	done
	printf '%s%s' "$digits" "$grouped"
}

step() {
	STEP_NAME=$1
	STEP_NUMBER=$((STEP_NUMBER + 1))
	STEP_STARTED=$EPOCHREALTIME
	printf '\n%s[%d/%d] %s%s\n' "$BOLD" "$STEP_NUMBER" "$STEP_COUNT" "$1" "$PLAIN"
}

# One line about the work of a step.
say() {
	printf '      %s\n' "$*"
}

# The last line of a step: what came of it, and how long it took.
done_step() {
	printf '      %sdone%s in %s%s\n' "$GREEN" "$PLAIN" "$(since "$STEP_STARTED")" "${1:+: $1}"
}

# Ends with a message, the step it happened in and where to read more.
die() {
	trap - ERR
	printf '\n%sSTOPPED%s in step "%s": %s\n' "$RED$BOLD" "$PLAIN" "$STEP_NAME" "$1" >&2
	if [ -s "$LOG" ]; then
		printf 'The last lines of the log:\n' >&2
		tail -n 8 "$LOG" | cut -c 1-160 | sed 's/^/    /' >&2
		printf 'The whole log: %s\n' "$LOG" >&2
	fi
	exit 1
}

# The same where the log has nothing to add.
give_up() {
	LOG=/dev/null
	die "$1"
}

# bar WHAT DONE TOTAL: redraws one line on a terminal.
bar() {
	local filled
	[ -t 1 ] || return 0
	filled=$(($3 > 0 ? $2 * 30 / $3 : 0))
	printf '\r      %-24s [%-30s] %s of %s  %s ' "$1" "$(printf '%*s' $((filled > 30 ? 30 : filled)) '' | tr ' ' '#')" \
		"$(commas "$2")" "$(commas "$3")" "$(since "$STEP_STARTED")"
}

clear_bar() {
	if [ -t 1 ]; then printf '\r\e[K'; fi
}

# Runs a command with its output in the log.
logged() {
	printf '+ %s\n' "$*" >>"$LOG"
	"$@" >>"$LOG" 2>&1
}

# with_bar WHAT TOTAL COUNTER COMMAND...: runs a command, COUNTER prints how far it is.
# Without a terminal it says so every ten seconds.
with_bar() {
	local what=$1 total=$2 counter=$3 ticks=0
	shift 3
	# in a process group of its own, so that all of it can be interrupted
	set -m
	logged "$@" &
	WORK=$!
	set +m
	while kill -0 "$WORK" 2>/dev/null; do
		bar "$what" "$("$counter")" "$total"
		sleep 0.2
		ticks=$((ticks + 1))
		if [ ! -t 1 ] && [ $((ticks % 50)) -eq 0 ]; then
			say "$what: $("$counter") of $total after $(since "$STEP_STARTED")"
		fi
	done
	clear_bar
	wait "$WORK" && WORK=''
}

interrupted() {
	trap '' INT TERM HUP
	clear_bar
	if [ -n "$WORK" ]; then
		kill -INT -- "-$WORK" 2>/dev/null || true
		wait "$WORK" 2>/dev/null || true
	fi
	printf '\ninterrupted in step "%s"; run it again to go on\n' "$STEP_NAME" >&2
	exit 130
}
