# shellcheck shell=bash
# build.sh: builds the extension in a copy, so that the repository stays as it is,
# and installs it where this machine's PostgreSQL looks for extensions.

# The files the build reads, relative to the repository; what an earlier build left there is not among them.
build_inputs() {
	local version inputs=(Makefile twin_security.control README.md src)
	version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$REPO/twin_security.control")
	# a fresh clone has no folder of scripts: there is no released one yet
	[ ! -d "$REPO/sql/extension" ] || inputs+=(sql/extension)
	(cd "$REPO" && find "${inputs[@]}" -type f ! -name '*.o' ! -name '*.bc' \
		! -name "twin_security--$version.sql" -print0) | LC_ALL=C sort -z
}

# One digest over all of them.
source_digest() {
	build_inputs | (cd "$REPO" && xargs -0 sha256sum) | sha256sum | cut -c 1-64
}

installed_library() {
	printf '%s/twin_security.so' "$("$PG_BIN/pg_config" --pkglibdir)"
}

library_digest() {
	sha256sum 2>/dev/null <"$(installed_library)" | cut -c 1-64
}

objects_built() {
	find "$BUILD_DIR" -name '*.o' | wc -l
}

build_and_install() {
	local digest sources
	digest=$(source_digest)
	if [ -f "$HOME_DIR/installed" ] && [ "$(cat "$HOME_DIR/installed")" = "$digest $(library_digest)" ]; then
		say 'kept: this source is built and installed already'
		return
	fi
	rm -rf "$HOME_DIR"/build.*
	BUILD_DIR=$(mktemp -d "$HOME_DIR/build.XXXXXX")
	build_inputs | tar -c -C "$REPO" --null -T - | tar -x -C "$BUILD_DIR" --no-same-owner
	sources=$(find "$BUILD_DIR/src" -name '*.c' | wc -l)
	with_bar 'compiling (files)' "$sources" objects_built \
		make -C "$BUILD_DIR" -j "$(nproc)" PG_CONFIG="$PG_BIN/pg_config" || die 'the build failed'
	say "compiled $sources files"
	logged make -C "$BUILD_DIR" install PG_CONFIG="$PG_BIN/pg_config" || die 'the installation failed'
	rm -rf "$BUILD_DIR"
	say "installed $(installed_library)"
	echo "$digest $(library_digest)" >"$HOME_DIR/installed"
}
