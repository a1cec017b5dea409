/*
 * route_test.c
 *		Two spellings of one path are one route, and the closest rule fits best.
 */
#include "unit.h"

#include "common/route.h"

static bool
is_route(const char *path, const char *expected)
{
	size_t length = strlen(path);
	uint8_t *copy = unit_memory(length);
	char route[ROUTE_MAX];
	size_t got;

	if (length > 0)
		memcpy(copy, path, length);
	got = route_read((const char *) copy, length, route);
	free(copy);
	return got == strlen(expected) && memcmp(route, expected, got) == 0;
}

static void
spellings_of_one_path_are_one_route(void)
{
	CHECK(is_route("/rpc/login", "/rpc/login"));
	CHECK(is_route("/rpc/login/", "/rpc/login"));
	CHECK(is_route("//rpc///login//", "/rpc/login"));
	CHECK(is_route("/rpc/%6cog%69n", "/rpc/login"));
	CHECK(is_route("/rpc/%6Cogin", "/rpc/login"));
	CHECK(is_route("/rpc%2flogin%2F", "/rpc/login"));
	CHECK(is_route("/", "/"));
	CHECK(is_route("", ""));
	CHECK(is_route("/RPC/login", "/RPC/login"), "names differ in case");
	CHECK(is_route("/%256c", "/%6c"), "decoded once");
	CHECK(is_route("/%", "/%") && is_route("/%6", "/%6") && is_route("/%6g", "/%6g"));
	CHECK(is_route("/%00", "/%00"), "no zero");
}

static void
long_paths_are_cut(void)
{
	char path[2 * ROUTE_MAX];
	char route[ROUTE_MAX];

	memset(path, 'x', sizeof(path));
	CHECK(route_read(path, sizeof(path), route) == ROUTE_MAX);
	CHECK(route_fits(path, ROUTE_RULE_MAX, route, ROUTE_MAX) == 0, "no rule is a long one");
	CHECK(route_read("a\0b", 3, route) == 3 && memchr(route, '\0', 3) == NULL);
}

static unsigned
fit(const char *rule, const char *route)
{
	return route_fits(rule, strlen(rule), route, strlen(route));
}

static void
the_closest_rule_fits_best(void)
{
	CHECK(fit("/rpc/login", "/rpc/login") > fit("/rpc/login*", "/rpc/login"));
	CHECK(fit("/rpc/log*", "/rpc/login") > fit("/rpc/*", "/rpc/login"));
	CHECK(fit("/rpc/*", "/rpc/login") > fit("*", "/rpc/login"));
	CHECK(fit("*", "") > 0);
	CHECK(fit("/rpc/login", "/rpc/logins") == 0);
	CHECK(fit("/rpc/login", "/rpc/logi") == 0);
	CHECK(fit("/rpc/login*", "/rpc/logi") == 0);
	CHECK(fit("", "") == 0);
	CHECK(fit("/x*y", "/x*y") > 0, "a * in the middle is itself");
}

static const UnitCase cases[] = {
	{"spellings of one path are one route", spellings_of_one_path_are_one_route},
	{"long paths are cut", long_paths_are_cut},
	{"the closest rule fits best", the_closest_rule_fits_best},
};

UNIT_MAIN(cases)
