# shellcheck shell=bash
# decade.sh: what becomes of data in ten years: kept as long as it must be, archived, held for a court, forgotten for a
# person, and reported to an auditor.  The ten years pass in a twin of their own, on a server whose clock is set month by
# month (demo/clock.c): it is the database that writes down what time it is, so nothing else would do.

DECADE_YEARS=10

# Between these two everything is about the server of the ten years.
enter_decade() {
	TWIN_HOME=$HOME_DIR
	HOME_DIR=$TWIN_HOME/decade
	use_folder
}

leave_decade() {
	HOME_DIR=$TWIN_HOME
	use_folder
}

use_folder() {
	DATA_DIR=$HOME_DIR/data
	SOCKET_DIR=$HOME_DIR/run
	SERVER_LOG=$HOME_DIR/log/server.log
	CHECKPOINTS=$HOME_DIR/checkpoints
	EXPORTS=$HOME_DIR/exports
	ARCHIVES=$HOME_DIR/archives
	CLOCK=$HOME_DIR/clock
}

stop_decade() {
	[ -d "$HOME_DIR/decade" ] || return 0
	enter_decade
	! is_running || stop_cluster
	leave_decade
}

# set_clock SECONDS-SINCE-1970, of the server of the ten years alone
set_clock() {
	perl -e 'open(my $clock, "+<", $ARGV[0]) or die "$!\n"; syswrite($clock, pack("q", $ARGV[1] - time))' "$CLOCK" "$1"
}

make_decade() {
	local folder
	install -d -m 755 "$HOME_DIR"
	make_cluster
	if [ ! -e "$CLOCK" ]; then
		head -c 8 /dev/zero >"$CLOCK"
		logged gcc -O2 -fPIC -shared -o "$HOME_DIR/clock.so" "$REPO/demo/clock.c" || die 'the clock could not be built'
		for folder in "$CHECKPOINTS" "$EXPORTS" "$ARCHIVES"; do
			install -d -o postgres -g postgres -m 750 "$folder"
		done
		as_postgres tee -a "$DATA_DIR/postgresql.conf" >/dev/null <<-CONF
			shared_buffers = '128MB'
			max_locks_per_transaction = 256
			autovacuum = off				# years pass in seconds here
			twin_security.checkpoint_directory = '$CHECKPOINTS'
			twin_security.export_directory = '$EXPORTS'
			twin_security.archive_directory = '$ARCHIVES'
			twin_security.checkpoint_interval = '1s'
			twin_security.retention_interval = 0	# by hand, to be looked at
		CONF
	fi
}

# Month by month: logins, some of them wrong, readings, what an operator changes and reads.
live_through() {
	local first months=$((DECADE_YEARS * 12)) month began=$EPOCHREALTIME
	first=$(date -u -d "$(date -u +%Y-%m-01) $DECADE_YEARS years ago" +%s)
	set_clock "$first"
	SERVER_WITH=(env "LD_PRELOAD=$HOME_DIR/clock.so" "TWIN_CLOCK=$CLOCK")
	start_cluster
	make_twin
	logged psql_as postgres -f "$REPO/demo/decade.sql" || die 'the tables of the ten years could not be made'
	for ((month = 0; month <= months; month++)); do
		[ "$month" -eq 0 ] || set_clock "$(($(date -u -d "$(date -u -d "@$first" +%Y-%m-01) $month months" +%s) + 86400 * (month < months) + 60))"
		logged psql_as postgres -c "CALL thermacore.live_month($month)" || die "month $month could not be lived through"
		bar 'months' "$month" "$months"
	done
	clear_bar
	say "$(commas "$(ask 'SELECT count(*) FROM twin.audit_log')") events and $(commas "$(ask 'SELECT count(*) FROM thermacore.measurements')") readings of $DECADE_YEARS years, lived through in $(since "$began")"
	stop_cluster
	SERVER_WITH=()
	touch "$HOME_DIR/lived"
}

decade_begins() {
	make_decade
	if [ -e "$HOME_DIR/lived" ]; then
		say 'kept: the ten years'
	else
		live_through
	fi
	set_clock "$(date +%s)"
	start_cluster
}

# What is signed now is kept by somebody else, as is the proof that one old event is in the log.
keep_proofs() {
	part 1 'Before anything goes'
	[ ! -e "$HOME_DIR/before.note" ] || return 0
	await_seal decade
	for _ in $(seq 100); do
		[ "$(ask "SELECT split_part(twin.audit_checkpoint(), E'\\n', 2)::bigint > (SELECT max(leaf_index) FROM twin.audit_log)")" != t ] || break
		sleep 0.1
	done
	ask 'SELECT twin.audit_public_key()' >"$HOME_DIR/audit.key"
	ask 'SELECT twin.audit_checkpoint()' >"$HOME_DIR/before.note"
	ask "SELECT min(event_id) FROM twin.audit_log WHERE event_type = 'update'" >"$HOME_DIR/old_event"
	ask "SELECT l.leaf FROM twin.audit_log a, twin.audit_leaves(a.leaf_index, a.leaf_index) l WHERE a.event_id = $(cat "$HOME_DIR/old_event") AND l.event_id = a.event_id" >"$HOME_DIR/old.leaf"
	ask "SELECT to_jsonb(p) FROM twin.inclusion_proof($(cat "$HOME_DIR/old_event"), $(sed -n 2p "$HOME_DIR/before.note")) p" >"$HOME_DIR/old.proof"
	note 'An auditor keeps a signed checkpoint, one event of the first year, and the proof that it is in the log:'
	answer postgres "SELECT event_id, recorded_at::date, event_type, resource, leaf_index FROM twin.audit_log WHERE event_id = $(cat "$HOME_DIR/old_event");"
	note 'A court wants one quarter of four years ago kept, whatever the policies say:'
	answer postgres "SELECT twin.place_legal_hold('2026-CV-0117', 'access_logs', date_trunc('quarter', now() - interval '4 years'), date_trunc('quarter', now() - interval '4 years') + interval '3 months') AS hold_id;"
}

apply_policies() {
	part 2 'Policies'
	answer postgres "SELECT policy_name, relation, time_column, keep, archive FROM twin.retention_policies ORDER BY policy_name;"
	note 'What would go, and what a hold keeps:'
	prompt postgres 'CALL twin.apply_retention(dry_run => true);'
	logged psql_as postgres -c 'CALL twin.apply_retention(dry_run => true)' || die 'the plan could not be made'
	answer postgres "SELECT policy_name, state, count(*) AS partitions, sum(rows) AS rows, min(from_time)::date AS from, max(to_time)::date AS to, max(nullif(held_by::text, '{}')) AS held_by
FROM twin.retention_plan WHERE state IN ('due', 'held') GROUP BY 1, 2 ORDER BY 1, 2;"
	note 'Each partition is archived, the archive read back and compared, and only then the partition detached and dropped:'
	prompt postgres 'CALL twin.apply_retention();'
	logged psql_as postgres -c 'CALL twin.apply_retention()' || die 'the policies could not be applied'
	answer postgres "SELECT policy_name, state, count(*) AS partitions, sum(rows) AS rows, count(archive_file) AS archives FROM twin_internal.retention_items GROUP BY 1, 2 ORDER BY 1, 2;"
	[ "$(ask "SELECT count(*) FROM twin_internal.retention_items WHERE state NOT IN ('dropped', 'held')")" = 0 ] || die 'everything due was to be dropped or held'
	[ "$(ask "SELECT count(*) FROM twin.audit_log WHERE event_type = 'audit_disabled'")" = 0 ] || die 'nobody was to be alarmed by that'
}

read_back() {
	local archive copy
	part 3 'Read back, verified'
	archive=$(ask "SELECT archive_file FROM twin_internal.retention_items WHERE policy_name = 'audit_logs' AND state = 'dropped' ORDER BY from_time LIMIT 1")
	note 'The first month of the audit log, from its archive, next to the log as it is:'
	answer postgres "SELECT * FROM twin.verify_archive('$archive');"
	answer postgres "SELECT 'archive' AS where, min(e->>'recorded_at')::date AS from, max(e->>'recorded_at')::date AS to, count(*) FROM twin.read_archive('$archive') e
UNION ALL SELECT 'log', min(recorded_at)::date, max(recorded_at)::date, count(*) FROM twin.audit_log WHERE class = 'audit';"
	note 'From the file alone, with what the auditor kept from before the drop:'
	prompt 'an auditor' "twin_verify archive archives/$archive --key audit.key"
	"$PG_BIN/twin_verify" archive "$ARCHIVES/$archive" --key "$HOME_DIR/audit.key" 2>&1 | indent || die 'the archive was to hold'
	prompt 'an auditor' 'twin_verify --leaf old.leaf --proof old.proof --checkpoint before.note --key audit.key'
	"$PG_BIN/twin_verify" --leaf "$HOME_DIR/old.leaf" --proof "$HOME_DIR/old.proof" --checkpoint "$HOME_DIR/before.note" --key "$HOME_DIR/audit.key" 2>&1 | indent ||
		die 'the proof was to hold'
	answer postgres 'SELECT * FROM twin.verify_audit_log();'
	[ "$(ask 'SELECT ok FROM twin.verify_audit_log()')" = t ] || die 'the log was to hold'
	copy=$HOME_DIR/forged
	rm -rf "$copy" && install -d -m 700 "$copy"
	cp "$ARCHIVES/$archive" "$ARCHIVES/${archive%.tsarc}.manifest.json" "$copy/"
	perl -e 'open(my $file, "+<", $ARGV[0]) or die "$!\n"; my $at = int((-s $file) / 2); sysseek($file, $at, 0); sysread($file, my $byte, 1); sysseek($file, $at, 0); syswrite($file, chr(ord($byte) ^ 1))' "$copy/$archive"
	note 'One bit changed in a copy:'
	"$PG_BIN/twin_verify" archive "$copy/$archive" --key "$HOME_DIR/audit.key" 2>&1 | indent && die 'a changed archive was not to hold'
	rm -rf "$copy"
}

forget_person() {
	part 4 'One person'
	note 'Which columns say something of a person was said once, when the twin was made. Somebody asks what is held, and to be forgotten:'
	answer postgres "SELECT relation, column_name, subject_column FROM twin.subject_columns ORDER BY 1, 2;"
	answer postgres "SELECT jsonb_pretty(twin.export_subject('TC-BL-0001')->'tables');" -A -t
	answer postgres "SELECT jsonb_pretty(twin.erase_subject('TC-BL-0001', 'asked for it by letter'));" -A -t
	answer postgres "SELECT serial_number, client_name::text, client_email::text FROM thermacore.units WHERE serial_number = 'TC-BL-0001';"
}

report_to_auditor() {
	part 5 'The report'
	REPORT=$HOME_DIR/compliance-report.html
	answer postgres "SELECT r->'reporting_period' AS period, r->'total_audit_events' AS events, r->'authentication_events' AS authentication, r->'log'->'checkpoint'->'size' AS exact_for
FROM twin.compliance_report(now() - interval '1 year', now()) r;" -x
	ask "SELECT twin.compliance_report_html(now() - interval '$DECADE_YEARS years', now())" >"$REPORT"
	chmod 644 "$REPORT"
	note "All ten years as one page, to be read, printed and filed: $REPORT ($(($(stat -c %s "$REPORT") / 1024)) kB, nothing outside of it)"
}

show_decade() {
	enter_decade
	decade_begins
	keep_proofs
	apply_policies
	read_back
	forget_person
	report_to_auditor
	leave_decade
}
