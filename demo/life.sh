# shellcheck shell=bash
# life.sh: the life of a plaintext table of a million rows: converted while
# clients read and write it, brought to a new key version, counted, sorted,
# masked, and served to an application through a view.  A table that an earlier
# run converted is recognised; a conversion cut short goes on where it was.

CUSTOMERS=1000000
CUSTOMER=424242

# plain, converted, or neither yet: '-'
column_state() {
	ask "SELECT coalesce((SELECT CASE WHEN format_type(atttypid, NULL) ~ 'encrypted' THEN 'converted' ELSE 'plain' END
		FROM pg_attribute WHERE attrelid = to_regclass('thermacore.customers') AND attname = '$1'), '-')"
}

# What lies in the table's files: heap, out-of-line values and indexes.
customer_files() {
	ask "SELECT '$DATA_DIR/' || pg_relation_filepath(c.oid) FROM pg_class c
		WHERE c.oid IN (SELECT 'thermacore.customers'::regclass UNION SELECT indexrelid FROM pg_index WHERE indrelid = 'thermacore.customers'::regclass
			UNION SELECT reltoastrelid FROM pg_class WHERE oid = 'thermacore.customers'::regclass) AND c.relfilenode <> 0"
}

# in_files WHAT TEXT: how often a text stands there; sets FOUND.
in_files() {
	local file parts=()
	while read -r file; do
		parts+=("$file" "$file".[0-9]*)
	done < <(customer_files)
	FOUND=$({ LC_ALL=C grep -haoF "$2" -- "${parts[@]}" 2>/dev/null || true; } | wc -l)
	printf '       %-40s %14s\n' "$1" "$([ "$FOUND" -eq 0 ] && echo 'not there' || echo "$(commas "$FOUND") times")"
}

plaintext_in_files() {
	ask CHECKPOINT
	in_files 'e-mail addresses' '.example.net'
	MAILS=$FOUND
	in_files 'telephone numbers' ' 555 01'
	PHONES=$FOUND
}

# How many rows the conversion of a column has before it, when it begins now; 0 when an earlier run began it.
rows_before() {
	ask "SELECT CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'thermacore.customers'::regclass AND tgname = '~~twin_security_encrypt')
		OR '$(column_state "$1")' <> 'plain' THEN 0 ELSE (SELECT count(*) FROM thermacore.customers) END"
}

# call_with_progress WHAT SQL COUNT: runs a CALL; on a terminal one line shows twin.stat_progress. Then what it took.
call_with_progress() {
	local began=$EPOCHREALTIME phase count total ms
	prompt postgres "$2"
	set -m
	logged psql_as postgres -c "$2" &
	WORK=$!
	set +m
	while kill -0 "$WORK" 2>/dev/null; do
		if [ -t 1 ]; then
			ask 'SELECT command, coalesce(rows_done, 0), coalesce(rows_total, 0) FROM twin.stat_progress LIMIT 1' >"$HOME_DIR/progress"
			IFS='|' read -r phase count total <"$HOME_DIR/progress" || phase=''
			if [ -n "$phase" ]; then
				clear_bar
				# the total is an estimate
				bar "$phase" "$((total > 0 && count > total ? total : count))" "$((total > 0 ? total : count))"
			fi
		fi
		sleep 0.3
	done
	clear_bar
	wait "$WORK" || { WORK=''; die "it failed: $2"; }
	WORK=''
	ms=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
	# of what an earlier run began there is no rate to tell
	if [ "$3" -eq 0 ]; then
		printf '       an earlier run began it; the rest took %d.%d s\n' $((ms / 1000)) $((ms % 1000 / 100))
	else
		printf '       %s %s in %d.%d s: %s a second\n' "$(commas "$3")" "$1" $((ms / 1000)) $((ms % 1000 / 100)) "$(commas $(($3 * 1000 / ms)))"
	fi | tee -a "$HOME_DIR/conversion.new"
}

show_plain_table() {
	part 8 'A table of a million rows, as an application without encryption keeps it'
	if [ -f "$HOME_DIR/conversion" ]; then
		note 'kept: the table was made and converted on an earlier run. What it took then:'
		cat "$HOME_DIR/conversion"
		return
	fi
	if [ "$(column_state email)" = - ]; then
		{
			echo 'SET client_min_messages = warning;'
			cat "$REPO/demo/customers.sql"
		} | psql_as postgres --single-transaction -f - >>"$LOG" 2>&1 || die 'the customers could not be made'
		psql_as postgres -c 'VACUUM ANALYZE thermacore.customers'
	fi
	if [ "$(column_state email)" = converted ]; then
		note 'kept: an earlier run was cut short when the columns were converted; the same CALLs finish what is left.'
		return
	fi
	note "$(commas $CUSTOMERS) service customers, with a primary key, a unique index, NOT NULL, defaults and a comment:"
	answer demo_operator "SELECT customer_id, name, email::text, phone::text FROM thermacore.customers
WHERE customer_id IN ($CUSTOMER, $((CUSTOMER + 1)));"
	if [ "$(column_state phone)" = plain ]; then
		note 'Searched for in the files of the table and its indexes:'
		plaintext_in_files
		[ "$MAILS" -ge $CUSTOMERS ] && [ "$PHONES" -gt 0 ] || die 'the search does not find what is there'
	fi
}

show_conversion() {
	local inserts stored right
	[ ! -f "$HOME_DIR/conversion" ] || return 0
	part 9 'Converted, while clients read and write it'
	rm -f "$HOME_DIR/conversion.new"
	note 'Two programs use the table all the time and know nothing of this: demo_operator reads by e-mail and checks every' \
		'answer, demo_writer updates and inserts. Their statements are the same before, during and after.'
	psql_as demo_operator -A -t >"$HOME_DIR/signups" <<-SQL
		SELECT count(*) FROM thermacore.customers WHERE customer_id > $CUSTOMERS AND email::text LIKE 'signup.%'
	SQL
	start_clients
	note 'First the telephone numbers, which nobody searches; one customer in ten gave one:'
	call_with_progress 'rows looked at' "CALL twin.encrypt_column('thermacore.customers', 'phone', 'customers');" "$(rows_before phone)"
	if [ "$(ask "SELECT count(*) FROM twin.keys WHERE key_name = 'customers'")" -lt 2 ]; then
		note 'Life goes on: the key gets a new version (published, then primary). The clients do not notice:'
		answer postgres "SELECT twin.rotate_key('customers') AS published;"
		answer postgres "SELECT twin.rotate_key('customers') AS primary_now;"
	fi
	note 'Then the e-mail addresses, searchable, with their unique index, all of them under the new version:'
	call_with_progress 'addresses sealed' "CALL twin.encrypt_column('thermacore.customers', 'email', 'customers', searchable => true);" "$(rows_before email)"
	stop_clients

	note 'What the clients did meanwhile:'
	printf '       %s%-34s %12s %8s %14s%s\n' "$DIM" '' transactions errors slowest "$PLAIN"
	client_row reader 'read by e-mail, answer checked' 0
	client_row writer 'updated telephone and visit' 0
	client_row writer 'signed up a new customer' 1
	inserts=$DONE
	note 'Nothing was lost or mixed up: all addresses opened and compared, all new customers counted:'
	right=$(psql_as demo_operator -A -t <<-SQL
		SELECT count(*) FROM thermacore.customers c JOIN thermacore.customer_names p ON p.k = c.customer_id % 560
		WHERE c.customer_id <= $CUSTOMERS AND c.email::text = p.address || c.customer_id || '@home' || c.customer_id % 97 || '.example.net'
	SQL
	)
	stored=$(psql_as demo_operator -A -t <<-SQL
		SELECT count(*) - $(cat "$HOME_DIR/signups") FROM thermacore.customers
		WHERE customer_id > $CUSTOMERS AND email::text LIKE 'signup.%'
	SQL
	)
	printf '       %-40s %14s of %s\n' 'addresses as before' "$(commas "$right")" "$(commas $CUSTOMERS)" \
		'new customers in the table' "$(commas "$stored")" "$(commas "$inserts")"
	[ "$right" -eq $CUSTOMERS ] && [ "$stored" -eq "$inserts" ] || die 'the table is not what it was'
	note 'The same search in the files as above:'
	plaintext_in_files
	[ "$MAILS" -eq 0 ] && [ "$PHONES" -eq 0 ] || die 'plaintext stands in the files of the table'
	note 'The log of changes and backups of before still hold the plaintext, until they are recycled.'
	mv "$HOME_DIR/conversion.new" "$HOME_DIR/conversion"
	rm -rf "$CLIENTS_DIR" "$HOME_DIR/signups"
}

show_retirement() {
	local census="SELECT column_name, key_name, version, to_char(\"values\", 'FM999,999,999') AS values
FROM twin.key_census('thermacore.customers') WHERE key_name = 'customers' ORDER BY 1, 3;"
	part 10 'The end of an old key version'
	if [ "$(ask "SELECT state FROM twin.keys WHERE key_name = 'customers' AND version = 1")" = retired ]; then
		note 'kept: version 1 was retired on an earlier run.'
	else
		note 'How many values lie under which version:'
		answer postgres "$census"
		if [ "$(ask "SELECT count(*) FROM twin.key_census('thermacore.customers') WHERE key_name = 'customers' AND version = 1")" -gt 0 ]; then
			note 'The telephone numbers still need version 1, so it cannot end yet:'
			refusal postgres 55006 "SELECT twin.retire_key('customers', 1);"
		fi
		note 'They are brought under the primary version, and it can:'
		call_with_progress 'rows looked at' "CALL twin.reencrypt_column('thermacore.customers', 'phone');" \
			"$(ask 'SELECT count(*) FROM thermacore.customers')"
		answer postgres "$census"
		answer postgres "SELECT twin.retire_key('customers', 1);" -t
	fi
	answer postgres "SELECT version, state FROM twin.keys WHERE key_name = 'customers' ORDER BY version;"
}

show_order() {
	part 11 'Sums, order and masks of encrypted values'
	note 'What a contract is worth has a key of its own, "contracts". Whoever may open it may also count and sort:'
	answer demo_operator "SELECT to_char(sum(contract_value), 'FM9,999,999,990.00') AS sum,
    to_char(avg(contract_value), 'FM999,990.00') AS average, min(contract_value), max(contract_value)
FROM thermacore.customers WHERE customer_id <= $CUSTOMERS;"
	answer demo_operator "SELECT customer_id, name, contract_value::numeric FROM thermacore.customers
ORDER BY contract_value DESC, customer_id LIMIT 3;"
	refusal demo_desk 42501 'SELECT sum(contract_value) FROM thermacore.customers;'
	note 'demo_desk has "mask" on both keys and nothing else; what a mask hides is set per column:'
	psql_as postgres -o /dev/null <<-SQL
		SELECT twin.set_mask('thermacore.customers', 'contract_value', 'number(1000)');
		SELECT twin.set_mask('thermacore.customers', 'phone', 'partial(0,4)');
	SQL
	answer demo_desk "SELECT name, twin.mask(email) AS email, twin.mask(phone) AS phone,
    twin.mask(contract_value) AS contract_value FROM thermacore.customers WHERE customer_id = $CUSTOMER;"
}

show_application() {
	local email
	part 12 'An application on top: it sees a table of plain columns'
	if [ "$(ask "SELECT to_regclass('thermacore.customer_records') IS NULL")" = t ]; then
		psql_as postgres -o /dev/null <<-'SQL'
			SELECT twin.create_decrypted_view('thermacore.customers', 'thermacore.customer_records');
			GRANT SELECT, INSERT, UPDATE, DELETE ON thermacore.customer_records TO demo_operator;
			GRANT SELECT ON thermacore.customer_records TO demo_desk;
		SQL
	fi
	email=$(ask "SELECT thermacore.customer_email($CUSTOMER)")
	note 'A view made by twin.create_decrypted_view() is read and written in plain, by whoever has the grants. These are the' \
		'statements an object-relational mapper sends (Sequelize, in test/client/orm). It finds, through the index:'
	answer demo_operator "SELECT \"customer_id\", \"name\", \"email\", \"phone\" FROM \"thermacore\".\"customer_records\" AS \"customer\"
WHERE \"customer\".\"email\" = '$email' LIMIT 1;"
	answer demo_operator "EXPLAIN (COSTS OFF)
SELECT * FROM thermacore.customer_records WHERE email = '$email';" -t
	note 'It creates, saves and destroys:'
	answer demo_operator "PREPARE creates (text, text, text, numeric) AS
INSERT INTO \"thermacore\".\"customer_records\" (\"customer_id\", \"name\", \"email\", \"phone\", \"contract_value\")
VALUES (DEFAULT, \$1, \$2, \$3, \$4) RETURNING \"name\", \"email\", \"contract_value\";
BEGIN;
EXECUTE creates ('Nia Northfield', 'nia.northfield@home1.example.net', '+1 201 555 0199', 480);
UPDATE \"thermacore\".\"customer_records\" SET \"phone\" = '+1 201 555 0100'
WHERE \"email\" = 'nia.northfield@home1.example.net' RETURNING \"phone\";
DELETE FROM \"thermacore\".\"customer_records\"
WHERE \"email\" = 'nia.northfield@home1.example.net' RETURNING \"name\" AS gone;
COMMIT;"
	note 'The same view, asked by the desk, shows masks:'
	answer demo_desk "SELECT name, email, phone, contract_value FROM thermacore.customer_records WHERE customer_id = $CUSTOMER;"
}

# However the quickstart ends, neither clients nor a CALL go on without it.
leave_nothing_running() {
	[ -z "$WORK" ] || kill -INT -- "-$WORK" 2>/dev/null || true
	stop_clients
}

show_life() {
	trap leave_nothing_running EXIT
	show_plain_table
	show_conversion
	show_retirement
	show_order
	show_application
	trap - EXIT
	rm -f "$HOME_DIR/progress"
}
