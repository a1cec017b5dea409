/*
 * foreign_check_test.c
 *		The server's own checks of foreign keys are recognised; nothing that could
 *		show a row to somebody passes for one.
 */
#include "unit.h"

#include "common/foreign_check.h"

static void
checks_are_recognised(void)
{
	CHECK(foreign_check_is(
		"SELECT 1 FROM ONLY \"api\".\"units\" x WHERE \"id\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x"));
	CHECK(foreign_check_is(
			  "SELECT 1 FROM \"api\".\"units\" x WHERE \"id\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x"),
		  "of a partitioned table");
	CHECK(foreign_check_is(
			  "SELECT 1 FROM ONLY \"a\".\"b\" x WHERE $1 OPERATOR(pg_catalog.=) \"c\" AND $2 OPERATOR(pg_catalog.=) "
			  "\"d\" FOR KEY SHARE OF x"),
		  "whether rows refer to one that goes");
	CHECK(foreign_check_is(
			  "SELECT 1 FROM ONLY \"a\"\"b\".\"\"\"\" x WHERE \"c\" OPERATOR(pg_catalog.*<>) $12 FOR KEY SHARE OF x"),
		  "names may hold quotes");
}

static void
nothing_else_passes(void)
{
	static const char *const others[] = {
		"",
		"SELECT 1 FROM ",
		"SELECT 1 FROM ONLY \"a\".\"b\" x FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE  FOR KEY SHARE OF x",
		"SELECT 2 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x",
		"SELECT c FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x",
		"select 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY a.b x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(public.=) $1 FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=)$1 FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.) $1 FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\"::text OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1::text FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE leak(\"c\") OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) \"d\" FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $0 FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 OR true FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 AND leak(x) FOR KEY SHARE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x; SELECT 1",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x ",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR UPDATE OF x",
		"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1",
		"SELECT 1 FROM ONLY \"a\".\"b x WHERE c OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x",
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK(!foreign_check_is(others[i]), "%s", others[i]);
}

/* A form cut anywhere is none, and nothing behind its end is read. */
static void
every_beginning_is_refused(void)
{
	const char *whole = "SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x";

	for (size_t length = 0; length < strlen(whole); length++)
	{
		char *cut = (char *) unit_memory(length + 1);

		memcpy(cut, whole, length);
		cut[length] = '\0';
		CHECK(!foreign_check_is(cut));
		free(cut);
	}
}

static const UnitCase cases[] = {
	{"checks of foreign keys are recognised", checks_are_recognised},
	{"nothing else passes for one", nothing_else_passes},
	{"every beginning of one is refused", every_beginning_is_refused},
};

UNIT_MAIN(cases)
