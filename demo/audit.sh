# shellcheck shell=bash
# audit.sh: a day of ordinary and of hostile work, as the audit log has it: sealed,
# exported, verified from files alone, and what becomes of it when a superuser edits
# one row.  Each run adds a day to the log.

CHECKPOINTS=$HOME_DIR/checkpoints
EXPORTS=$HOME_DIR/exports

make_audit() {
	local folder
	for folder in "$CHECKPOINTS" "$EXPORTS"; do
		install -d -o postgres -g postgres -m 750 "$folder"
	done
	logged psql_as postgres -c "ALTER SYSTEM SET twin_security.checkpoint_directory = '$CHECKPOINTS'" \
		-c "ALTER SYSTEM SET twin_security.export_directory = '$EXPORTS'" -c "ALTER SYSTEM SET twin_security.checkpoint_interval = '1s'" \
		-c 'SELECT pg_reload_conf()' || die 'the settings of the audit log could not be made'
	if [ "$(ask "SELECT count(*) FROM twin.audited_tables")" -gt 0 ]; then
		note 'kept: the audited tables'
		return
	fi
	answer postgres "SELECT twin.audit_table('thermacore.setpoints');" -t
	answer postgres "SELECT twin.audit_table('thermacore.units', reads => true);" -t
	answer postgres "SELECT twin.audit_table('api.readings', mode => 'digest');" -t
	answer postgres "SELECT relation, mode, reads, in_force FROM twin.audited_tables ORDER BY audited_since;"
}

# Waits until all that was done before is sealed.
await_seal() {
	local event
	event=$(ask "SELECT twin.record_event('demo_day', details => '{\"part\": \"$1\"}')")
	await 'events were to be sealed' "SELECT count(leaf_index) > 0 AS so, count(*) AS written, (SELECT to_jsonb(s) FROM twin.stat_audit s) AS audit FROM twin.audit_log WHERE event_id = $event"
}

ordinary_day() {
	part 1 'An ordinary day'
	make_audit
	DAY=$(ask 'SELECT now()')
	note 'An operator changes a set point, sensors bring a thousand readings, somebody reads who the customers are:'
	prompt 'demo_app, oleg' 'UPDATE thermacore.setpoints SET celsius = celsius + 0.5 WHERE unit_id = (SELECT min(unit_id) FROM thermacore.setpoints);'
	as oleg 'UPDATE thermacore.setpoints SET celsius = CASE WHEN celsius < 90 THEN celsius + 0.5 ELSE 20 END WHERE unit_id = (SELECT min(unit_id) FROM thermacore.setpoints);' >>"$LOG" || die 'oleg could not change a set point'
	answer postgres "INSERT INTO api.readings (tenant_id, unit_id, celsius)
SELECT u.tenant_id, u.unit_id, 20 + random() * 60 FROM generate_series(1, 1000), (SELECT * FROM api.units ORDER BY unit_id LIMIT 1) u;" -t
	answer demo_operator 'SELECT serial_number, client_name::text FROM thermacore.units LIMIT 2;'
	await_seal ordinary
	note 'What changed, by whom, and who read and decrypted how much (thousand readings are one event, with a root of their content):'
	answer postgres "SELECT event_type, resource, record_id AS key, coalesce(username, session_user_name) AS who, old->'celsius' AS old, new->'celsius' AS new,
	left((details - 'root')::text, 60) AS details
FROM twin.audit_log a WHERE recorded_at >= '$DAY' AND event_type IN ('create', 'update', 'read', 'decrypt') AND NOT application_made ORDER BY event_id;"
}

hostile_day() {
	part 2 'A hostile one'
	note 'Passwords are guessed, a viewer tries to delete and swallows the error, somebody asks without a right, a superuser switches settings:'
	for _ in 1 2; do psql_as demo_app -A -t <<<"SELECT twin_api.login('oleg', 'letmein')" >>"$LOG" 2>&1; done
	prompt 'demo_app, vera' "DO \$\$ BEGIN DELETE FROM thermacore.units; EXCEPTION WHEN insufficient_privilege THEN NULL; END \$\$;"
	as vera "DO \$\$ BEGIN DELETE FROM thermacore.units; EXCEPTION WHEN insufficient_privilege THEN NULL; END \$\$;" >>"$LOG" || die 'vera was to swallow the error'
	psql_as demo_viewer <<<'SELECT * FROM thermacore.setpoints' >>"$LOG" 2>&1 && die 'demo_viewer was to be refused'
	answer postgres "SET session_replication_role = replica; SET twin_security.bcrypt_cost = 10; RESET ALL;" -t
	answer postgres "BEGIN; ALTER TABLE thermacore.setpoints DISABLE TRIGGER ALL; ROLLBACK;" -t
	await_seal hostile
	answer postgres "SELECT event_type, severity, outcome, coalesce(username, session_user_name) AS who, left(resource, 40) AS resource, count(*)
FROM twin.audit_log a WHERE recorded_at >= '$DAY' AND event_type NOT IN ('create', 'update', 'read', 'decrypt', 'heartbeat', 'demo_day') AND event_type !~ '^login_success'
GROUP BY 1, 2, 3, 4, 5 ORDER BY min(event_id) LIMIT 24;"
}

prove_day() {
	local folder
	folder=day-$(date -u +%Y%m%dT%H%M%SZ)
	part 3 'Sealed, exported, verified from files alone'
	note 'Every event is a leaf of one tree, whose root is signed and leaves the database, for others to keep:'
	await 'a checkpoint was to take the day in' "SELECT size > leaf AS so, size, leaf FROM (SELECT split_part(twin.audit_checkpoint(), E'\\n', 2)::bigint AS size,
	(SELECT max(leaf_index) FROM twin.audit_log a WHERE recorded_at >= '$DAY' AND event_type = 'demo_day') AS leaf) s"
	answer postgres 'SELECT twin.audit_checkpoint();' -A -t
	ask 'SELECT twin.audit_public_key()' >"$HOME_DIR/audit.key"
	answer postgres "SELECT twin.export_audit_log('$folder') AS leaves;"
	prompt 'an auditor' "twin_verify exports/$folder --key audit.key"
	"$PG_BIN/twin_verify" "$EXPORTS/$folder" --key "$HOME_DIR/audit.key" 2>&1 | indent || die 'the export was to hold'
}

forge_day() {
	local event place
	part 4 'A superuser edits one row'
	event=$(ask "SELECT max(event_id) FROM twin.audit_log a WHERE recorded_at >= '$DAY' AND event_type = 'update'")
	place=$(ask "SELECT tableoid::regclass FROM (SELECT tableoid, event_id FROM twin_internal.events UNION ALL SELECT tableoid, event_id FROM twin_internal.events_overflow) e WHERE event_id = $event")
	note "The log's tables refuse him. He may force them open, which is an event of its own; here he blames somebody else for the set point, and undoes it:"
	prompt postgres "UPDATE $place SET username = 'vera' WHERE event_id = $event;"
	(psql_as postgres <<<"UPDATE $place SET username = 'vera' WHERE event_id = $event;" 2>&1 || true) |
		sed -n "s/^ERROR:  \(.*\)/       ${RED}refused${PLAIN}  \1/p"
	answer postgres "BEGIN; SELECT twin_internal.open_log();
UPDATE $place SET username = 'vera' WHERE event_id = $event;
SELECT * FROM twin.verify_audit_log();
ROLLBACK;" -q
	[ "$(ask 'SELECT ok FROM twin.verify_audit_log()')" = t ] || die 'the log was to hold'
	note 'Rolled back, all of it holds again:'
	answer postgres 'SELECT * FROM twin.verify_audit_log();'
}

show_audit() {
	ordinary_day
	hostile_day
	prove_day
	forge_day
}
