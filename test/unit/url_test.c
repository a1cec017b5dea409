/*
 * url_test.c
 *		Paths and percent-encoding.
 */
#include "unit.h"

#include "gateway/parse/url.h"

static void
paths(void)
{
	static const struct
	{
		const char *path;
		int status; /* 0: good */
		UrlKind kind;
		const char *name;
	} rows[] = {
		{"/", 0, URL_ROOT, NULL},
		{"", 0, URL_ROOT, NULL},
		{"/units", 0, URL_RELATION, "units"},
		{"/rpc", 0, URL_RELATION, "rpc"},
		{"/rpc/login", 0, URL_ROUTINE, "login"},
		{"/rp%63/login", 0, URL_ROUTINE, "login"},
		{"/Server%20Today", 0, URL_RELATION, "Server Today"},
		{"/a+b", 0, URL_RELATION, "a+b"},
		{"/a%2Fb", 0, URL_RELATION, "a/b"},
		{"/rpc/a%2fb", 0, URL_ROUTINE, "a/b"},
		{"/%2e%2E", 0, URL_RELATION, ".."},
		{"/Escap3e;", 0, URL_RELATION, "Escap3e;"},
		{"/%D9%85%D9%88", 0, URL_RELATION, "\xd9\x85\xd9\x88"},
		{"/%22%27--", 0, URL_RELATION, "\"'--"},
		{"/invalid/nested/paths", 404, 0, NULL},
		{"/units/", 404, 0, NULL},
		{"//", 404, 0, NULL},
		{"//units", 404, 0, NULL},
		{"/rpc/", 404, 0, NULL},
		{"/rpc/a/", 404, 0, NULL},
		{"/rpc/a/b", 404, 0, NULL},
		{"/RPC/a", 404, 0, NULL},
		{"/%zz/a", 404, 0, NULL},
		{"/%", 400, 0, NULL},
		{"/a%2", 400, 0, NULL},
		{"/a%2g", 400, 0, NULL},
		{"/%00", 400, 0, NULL},
		{"/rpc/a%00", 400, 0, NULL},
		{"/%ff", 400, 0, NULL},
		{"/%c3", 400, 0, NULL},
		{"/%c0%af", 400, 0, NULL},
		{"/%ed%a0%80", 400, 0, NULL},
		{"/%f4%90%80%80", 400, 0, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Arena *arena = arena_new();
		size_t length = strlen(rows[i].path);
		char *exact = unit_memory(length);
		UrlPath path;
		Problem problem = {0};
		bool success;

		memcpy(exact, rows[i].path, length);
		success = url_path_read(arena, exact, length, &path, &problem);
		free(exact);
		CHECK(success == (rows[i].status == 0), "%s", rows[i].path);
		if (success)
			CHECK(path.kind == rows[i].kind && (path.name == NULL) == (rows[i].name == NULL) &&
					  (path.name == NULL || strcmp(path.name, rows[i].name) == 0),
				  "%s: %d %s", rows[i].path, path.kind, path.name);
		else
			CHECK(problem.status == rows[i].status &&
					  strcmp(problem.code, problem.status == 404 ? "PGRST125" : "PGRST100") == 0,
				  "%s: %d %s", rows[i].path, problem.status, problem.code);
		arena_free(arena);
	}
}

static void
there_and_back(void)
{
	Arena *arena = arena_new();
	char every[256];
	Text text;
	const char *back;

	/* every character of one byte, and one of each other length */
	for (int i = 1; i < 128; i++)
		every[i - 1] = (char) i;
	strcpy(every + 127, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	text_begin(&text, arena);
	url_encode(&text, every);
	CHECK(strspn(text.data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%") == text.length);
	for (int is_form = 0; is_form < 2; is_form++)
	{
		back = url_decode(arena, text.data, text.length, is_form == 1);
		CHECK(back != NULL && strcmp(back, every) == 0);
	}
	back = url_decode(arena, "a+b%2B", 6, true);
	CHECK(back != NULL && strcmp(back, "a b+") == 0);
	back = url_decode(arena, "a+b%2B", 6, false);
	CHECK(back != NULL && strcmp(back, "a+b+") == 0);
	CHECK(url_decode(arena, "a\0b", 3, false) == NULL);
	arena_free(arena);
}

int
main(void)
{
	static const UnitCase cases[] = {{"paths", paths}, {"encoding and decoding", there_and_back}};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
