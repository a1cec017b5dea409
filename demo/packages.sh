# shellcheck shell=bash
# packages.sh: installs the Debian packages that are missing, and nothing else.

# What the build and the server need.
PACKAGES=(gcc make libc6-dev libssl-dev libcrypt-dev libzxcvbn-dev libjansson-dev libzstd-dev libjwt-dev libpq-dev libmicrohttpd-dev libwslay-dev libseccomp-dev libcurl4-openssl-dev curl "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR")

# Debian makes and starts a cluster "main" when the server package arrives; this drop-in says no.
NO_MAIN_CLUSTER=/etc/postgresql-common/createcluster.d/twin_security-quickstart.conf

missing_packages() {
	local package
	for package in "${PACKAGES[@]}"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || printf '%s\n' "$package"
	done
}

# Percent of the installation, from the lines apt writes for front ends: downloads are its first half.
apt_percent() {
	awk -F : '$1 == "dlstatus" { p = $3 / 2 } $1 == "pmstatus" { p = 50 + $3 / 2 } END { printf "%d", p }' "$HOME_DIR/apt.status"
}

apt_install() {
	env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --no-upgrade \
		-o DPkg::Lock::Timeout=120 -o APT::Status-Fd=3 "$@" 3>"$HOME_DIR/apt.status" 9>&- </dev/null
}

install_packages() {
	local missing
	command -v dpkg-query >/dev/null || give_up "this is not a Debian system; needed are: ${PACKAGES[*]}"
	mapfile -t missing < <(missing_packages)
	if [ ${#missing[@]} -eq 0 ]; then
		say "all present: ${PACKAGES[*]}"
		return
	fi
	say "to install: ${missing[*]}"
	say 'asking the mirror for its package lists'
	logged apt-get update -o DPkg::Lock::Timeout=120 || die 'apt-get update failed; is the network there?'

	mkdir -p "${NO_MAIN_CLUSTER%/*}"
	echo 'create_main_cluster = false' >"$NO_MAIN_CLUSTER"
	: >"$HOME_DIR/apt.status"
	if ! with_bar 'installing (percent)' 100 apt_percent apt_install "${missing[@]}"; then
		rm -f "$NO_MAIN_CLUSTER"
		die 'apt-get install failed'
	fi
	rm -f "$NO_MAIN_CLUSTER" "$HOME_DIR/apt.status"
	say "installed ${#missing[@]} packages and what they depend on"
}
