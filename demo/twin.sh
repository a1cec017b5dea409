# shellcheck shell=bash
# twin.sh: the demo's database: the extension, its keys, the schema, the roles and
# the units, all in one transaction, so that it is there whole or not at all.

extension_script() {
	local folder version
	folder=$("$PG_BIN/pg_config" --sharedir)/extension
	version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$folder/twin_security.control")
	sha256sum <"$folder/twin_security--$version.sql" | cut -c 1-64
}

make_twin() {
	local present
	present=$(psql_as postgres -d postgres -A -t -c "SELECT count(*) FROM pg_database WHERE datname = '$DATABASE'")
	[ "$present" -eq 1 ] || logged psql_as postgres -d postgres -c "CREATE DATABASE $DATABASE"

	if [ "$(ask "SELECT to_regclass('thermacore.imports') IS NOT NULL")" = t ]; then
		update_extension
		check_key
		say "kept: $(contents)"
		return
	fi
	{
		echo 'SET client_min_messages = warning; CREATE EXTENSION twin_security;'
		cat "$REPO/demo/schema.sql" "$REPO/demo/roles.sql" "$REPO/demo/units.sql"
	} | psql_as postgres --single-transaction -f - >>"$LOG" 2>&1 || die 'the demo schema could not be made'
	extension_script >"$HOME_DIR/extension"
	say 'keys made: contacts (people), readings (measured values)'
	say "made: $(contents)"
}

contents() {
	ask "SELECT format('%s tenants, %s users, %s units, %s sensors',
		(SELECT count(*) FROM thermacore.tenants), (SELECT count(*) FROM thermacore.users),
		(SELECT count(*) FROM thermacore.units), (SELECT count(*) FROM thermacore.sensors))"
}

# Whether what an earlier run sealed opens with the key of this one.
check_key() {
	local message
	if ! message=$(psql_as demo_operator -A -t 2>&1 >/dev/null <<<'SELECT client_name::text FROM thermacore.units LIMIT 1'); then
		give_up "the key in $ENV_FILE does not open the data: ${message%%$'\n'*}"
	fi
}

# A newer version's objects come through ALTER EXTENSION; a changed script of the same version cannot.
update_extension() {
	if [ "$(ask "SELECT installed_version = default_version FROM pg_available_extensions WHERE name = 'twin_security'")" = f ]; then
		logged psql_as postgres -c 'ALTER EXTENSION twin_security UPDATE'
		extension_script >"$HOME_DIR/extension"
		say 'updated the extension in the database'
	elif [ "$(cat "$HOME_DIR/extension" 2>/dev/null)" != "$(extension_script)" ]; then
		say 'note: the extension was made from other SQL of the same version; --clean and a new run take up the change'
	fi
}
