# twin_security
#	make, make install, make installcheck	as with any PostgreSQL extension
#	make format		lays the C code out with the pinned clang-format
#	make bench		benchmarks, ratios within one run
#	make readme		the figures in README.md and docs/, from what bench and check have saved
#	make fuzz		every parser for ten minutes (SECONDS_EACH=600), and what of the sources was reached
#	make sbom		twin_security.cdx.json: what was built, and what it was built with (CycloneDX)
#	make majors		the tests on newer PostgreSQL majors, in roots of newer Debians (test/majors)
#	make freeze		this version is released: its script never changes again
#
# PARTS orders objects, install script and tests, and is the law of includes:
# a part includes only common/ and the parts before it.

EXTENSION = twin_security
EXTENSION_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" twin_security.control)
PARTS = base event password limit keyring cipher token identity account topic request ledger audit monitor retention compliance metrics module

COMMON = $(patsubst %.c,%.o,$(sort $(wildcard src/common/*.c)))
MODULE_big = twin_security
OBJS = $(COMMON) $(foreach part,$(PARTS),$(patsubst %.c,%.o,$(sort $(wildcard src/extension/$(part)/*.c))))

EXTENSION_SCRIPT = sql/extension/twin_security--$(EXTENSION_VERSION).sql
DATA_built = $(EXTENSION_SCRIPT)
DATA = $(filter-out $(EXTENSION_SCRIPT),$(wildcard sql/extension/*.sql))
DOCS = README.md

PG_CPPFLAGS = -I$(srcdir)/src -I$(srcdir)/src/extension -DTWIN_VERSION='"$(EXTENSION_VERSION)"'
# the same bytes wherever it is built, and whenever (test/reproducible)
SAME_BYTES = -ffile-prefix-map=$(CURDIR)=. -Wdate-time
PG_CFLAGS = -std=gnu11 -Wextra -Wno-unused-parameter $(SAME_BYTES)
ifneq (,$(findstring clang,$(CC)))
# the server was built with gcc: its headers' attributes and its flags are not all clang's
PG_CFLAGS += -Wno-ignored-attributes -Wno-ignored-optimization-argument -Wno-unknown-warning-option
endif
# twin_gateway: a program of its own that sees src/common and no header of the server
GATEWAY = $(patsubst %.c,%.o,$(sort $(wildcard src/gateway/*.c src/gateway/*/*.c))) src/console/files.o
GATEWAY_CFLAGS = -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wno-unused-parameter -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 \
	-DTWIN_VERSION='"$(EXTENSION_VERSION)"' $(SAME_BYTES) $(COPT)
GATEWAY_LIBS = -lmicrohttpd -lwslay -lpq -lssl -lcrypto -ljansson -lseccomp

# twin_verify: the auditor's program; it sees src/common, and neither server nor network
VERIFY = $(patsubst %.c,%.o,$(sort $(wildcard src/verify/*.c)))

# twin_notifier: tells people of alerts; src/common, libpq and libcurl
NOTIFIER = $(patsubst %.c,%.o,$(sort $(wildcard src/notifier/*.c)))

SHLIB_LINK = -lcrypt -lzxcvbn -ljansson -lzstd -lcrypto -Wl,--version-script=$(srcdir)/src/extension/exports.map

# Tests run on a private server of their own; TEST_SERVER=existing uses the running one, as PGPORT and so on say.
REGRESS = $(filter-out module,$(PARTS)) privileges
ifneq ($(TEST_SERVER),existing)
REGRESS_OPTS = --outputdir=tmp_check --temp-instance=tmp_check/instance --temp-config=$(srcdir)/test/server.conf --encoding=UTF8 --no-locale
endif
EXTRA_CLEAN = src/console/files.c src/console/files.c.new twin_gateway twin_notifier twin_verify http_echo twin_security.cdx.json $(GATEWAY) $(NOTIFIER) $(VERIFY) tmp_check \
	test/unit/build test/fuzz/build sql/extension/twin_security--$(EXTENSION_VERSION).sql

# No bitcode: inlined by the JIT, our functions would look for symbols that the module keeps to itself.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# initdb refuses root, so the test programs run as postgres then.
ifneq ($(TEST_SERVER),existing)
pg_regress_installcheck = bash $(srcdir)/test/as_postgres $(top_builddir)/src/test/regress/pg_regress \
	--inputdir=$(srcdir) --bindir='$(bindir)' $(pg_regress_locale_flags) $(EXTRA_REGRESS_OPTS)
endif

PART_SQL = $(wildcard $(foreach part,$(PARTS),src/extension/$(part)/*.sql src/extension/$(part)/*.sql.in))

$(EXTENSION_SCRIPT): $(PART_SQL) src/extension/assemble.awk src/extension/cipher/type_list.h src/extension/cipher/aggregate_list.txt Makefile
	@mkdir -p $(@D)
	{ printf '%s\n' '\echo Use "CREATE EXTENSION twin_security" to load this file. \quit'; \
	for part in $(PARTS); do \
		test ! -f src/extension/$$part/$$part.sql || \
		awk -v part=src/extension/$$part -v list=src/extension/cipher/type_list.h -f src/extension/assemble.awk || exit 1; \
	done; } > $@.new
	mv $@.new $@

# every object depends on every header: few files, and no wrong build ever
$(OBJS): $(wildcard src/common/*.h src/extension/*/*.h)

src/gateway/%.o: src/gateway/%.c $(wildcard src/common/*.h src/gateway/*.h src/gateway/*/*.h) Makefile
	$(CC) $(GATEWAY_CFLAGS) -I$(srcdir)/src -I$(includedir) -c -o $@ $<

# the security console is part of the program: it needs no folder
CONSOLE_FILES = $(sort $(wildcard src/console/*.html src/console/*.css src/console/*.js src/console/*.svg))
src/console/files.c: $(CONSOLE_FILES) src/console/embed Makefile
	src/console/embed $(CONSOLE_FILES) >$@.new
	mv $@.new $@
src/console/files.o: src/console/files.c src/gateway/serve/console.h
	$(CC) $(GATEWAY_CFLAGS) -I$(srcdir)/src -c -o $@ $<

twin_gateway: $(GATEWAY) $(filter-out src/common/archive_%,$(COMMON))
	$(CC) $(GATEWAY_CFLAGS) -pie -Wl,-z,relro,-z,now -o $@ $^ -L$(libdir) $(GATEWAY_LIBS) -lcrypt

# its HTTP server alone, with a handler that says what it understood: for tests and benchmarks of the server
http_echo: test/client/http_echo.c $(filter src/gateway/http/%,$(GATEWAY)) $(filter src/gateway/tool/%,$(GATEWAY))
	$(CC) $(GATEWAY_CFLAGS) -I$(srcdir)/src -pie -o $@ $^ -lmicrohttpd -lssl -lcrypto

src/notifier/%.o: src/notifier/%.c $(wildcard src/common/*.h src/notifier/*.h) Makefile
	$(CC) $(GATEWAY_CFLAGS) -I$(srcdir)/src -I$(includedir) -c -o $@ $<

NOTIFIER_COMMON = $(foreach name,digest encode jsonscan jsonwrite secret strictjson,src/common/$(name).o)
twin_notifier: $(NOTIFIER) $(NOTIFIER_COMMON)
	$(CC) $(GATEWAY_CFLAGS) -pie -Wl,-z,relro,-z,now -o $@ $^ -L$(libdir) -lpq -lcurl -ljansson -lcrypto

src/verify/%.o: src/verify/%.c $(wildcard src/common/*.h src/verify/*.h) Makefile
	$(CC) $(GATEWAY_CFLAGS) -I$(srcdir)/src -c -o $@ $<

# the parts of src/common that it needs: no more libraries than libcrypto, jansson and libzstd
VERIFY_COMMON = $(foreach name,merkle merkle_proof note note_key leaf leaf_json leaf_change leaf_time change jsonscan jsonwrite segment manifest leafset dropped archive_file archive_key archive_manifest archive_name archive_record archive_tally aead xaes digest encode library secret strictjson,src/common/$(name).o)
twin_verify: $(VERIFY) $(VERIFY_COMMON)
	$(CC) $(GATEWAY_CFLAGS) -pie -Wl,-z,relro,-z,now -o $@ $^ -lcrypto -ljansson -lzstd

all: twin_gateway twin_notifier twin_verify
install: install-gateway install-notifier install-verify
uninstall: uninstall-gateway uninstall-notifier uninstall-verify

.PHONY: install-gateway uninstall-gateway
install-gateway: twin_gateway
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) twin_gateway '$(DESTDIR)$(bindir)/twin_gateway'
uninstall-gateway:
	rm -f '$(DESTDIR)$(bindir)/twin_gateway'

.PHONY: install-notifier uninstall-notifier
install-notifier: twin_notifier
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) twin_notifier '$(DESTDIR)$(bindir)/twin_notifier'
uninstall-notifier:
	rm -f '$(DESTDIR)$(bindir)/twin_notifier'

.PHONY: install-verify uninstall-verify
install-verify: twin_verify
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) twin_verify '$(DESTDIR)$(bindir)/twin_verify'
uninstall-verify:
	rm -f '$(DESTDIR)$(bindir)/twin_verify'

.PHONY: format bench readme majors fuzz sbom freeze
format:
	clang-format -i $(wildcard src/common/*.[ch] src/extension/*/*.[ch] src/gateway/*.[ch] src/gateway/*/*.[ch] src/notifier/*.[ch] src/verify/*.[ch] bench/*.[ch] test/unit/*.[ch] test/fuzz/*.[ch] test/verify/*.[ch])

sbom: all
	deploy/sbom '$(PG_CONFIG)' >twin_security.cdx.json.new
	mv twin_security.cdx.json.new twin_security.cdx.json

freeze: $(EXTENSION_SCRIPT)
	test/check/frozen --add $(EXTENSION_SCRIPT) $(wildcard sql/extension/*--$(EXTENSION_VERSION).sql)

bench: all
	bash bench/run

readme:
	bench/readme

majors:
	test/majors

fuzz: SECONDS_EACH ?= 600
fuzz:
	env -u MAKEFLAGS -u MAKELEVEL $(MAKE) --no-print-directory -C test/fuzz long SECONDS_EACH=$(SECONDS_EACH)
	env -u MAKEFLAGS -u MAKELEVEL $(MAKE) --no-print-directory -C test/fuzz coverage
