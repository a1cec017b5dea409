/*
 * query_test.c
 *		Query strings as PostgREST reads them: what its own tests ask for,
 *		restated, and what they leave open.
 */
#include "unit.h"

#include "query_text.h"

#include <time.h>

typedef struct Good
{
	const char *raw;
	const char *read; /* as write_query() has it */
} Good;

typedef struct Bad
{
	const char *raw;
	const char *message;
	const char *details;
} Bad;

static bool
read_raw(Arena *arena, const char *raw, bool for_routine, Query *query, Problem *problem)
{
	size_t length = strlen(raw);
	char *exact = unit_memory(length);
	bool success;

	memcpy(exact, raw, length);
	success = query_read(arena, exact, length, for_routine, query, problem);
	free(exact);
	return success;
}

static void
check_good(const Good *rows, size_t count, bool for_routine)
{
	for (size_t i = 0; i < count; i++)
	{
		Arena *arena = arena_new();
		Query query;
		Problem problem = {0};
		bool success = read_raw(arena, rows[i].raw, for_routine, &query, &problem);

		if (CHECK(success, "%s: %s %s", rows[i].raw, problem.message, problem.details))
		{
			const char *read = write_query(arena, &query);

			CHECK(strcmp(read, rows[i].read) == 0, "%s:\n#  got %s\n# want %s", rows[i].raw, read, rows[i].read);
		}
		arena_free(arena);
	}
}

static void
check_bad(const Bad *rows, size_t count, bool for_routine)
{
	for (size_t i = 0; i < count; i++)
	{
		Arena *arena = arena_new();
		Query query;
		Problem problem = {0};

		if (CHECK(!read_raw(arena, rows[i].raw, for_routine, &query, &problem), "%s", rows[i].raw))
		{
			CHECK(problem.status == 400 && strcmp(problem.code, "PGRST100") == 0, "%s: %d %s", rows[i].raw,
				  problem.status, problem.code);
			CHECK(strcmp(problem.message, rows[i].message) == 0, "%s: %s", rows[i].raw, problem.message);
			CHECK(rows[i].details == NULL || strcmp(problem.details, rows[i].details) == 0, "%s: %s", rows[i].raw,
				  problem.details);
			CHECK(problem.hint == NULL);
		}
		arena_free(arena);
	}
}

#define GOOD(rows) check_good(rows, sizeof(rows) / sizeof((rows)[0]), false)
#define BAD(rows) check_bad(rows, sizeof(rows) / sizeof((rows)[0]), false)

static void
conditions(void)
{
	static const Good rows[] = {
		{"", ""},
		{"id=eq.5", " where <id> eq «5»"},
		{"?id=eq.5", " where <id> eq «5»"},
		{"id=not.eq.5&order=id", " where <id> not eq «5» order <id>"},
		{"k=like.*yx&extra=not.eq.u", " where <k> like «%yx» where <extra> not eq «u»"},
		{"k=ilike.xy*", " where <k> ilike «xy%»"},
		{"k=match.yx$", " where <k> match «yx$»"},
		{"k=imatch..*YY.*", " where <k> imatch «.*YY.*»"},
		{"k=not.imatch.^xy", " where <k> not imatch «^xy»"},
		{"id=gte.1&id=lt.3", " where <id> gte «1» where <id> lt «3»"},
		{"id=gt.1&id=lte.3&id=neq.2", " where <id> gt «1» where <id> lte «3» where <id> neq «2»"},
		{"id=eq.", " where <id> eq «»"},
		{"id=eq.a.b.c", " where <id> eq «a.b.c»"},
		{"id=eq.not.eq", " where <id> eq «not.eq»"},
		{"name=eq.a+b%20c", " where <name> eq «a b c»"},
		{"name=eq.%22quoted%22", " where <name> eq «\"quoted\"»"},
		{"name=eq.a=b=c", " where <name> eq «a=b=c»"},
		{"d=eq.2020-01-01T00:00:00%2B02:00", " where <d> eq «2020-01-01T00:00:00+02:00»"},
		{"%D9%87%D9%88=gt.0", " where <\xd9\x87\xd9\x88> gt «0»"},
		{"Just%20A%20Server=like.*91*", " where <Just A Server> like «%91%»"},
		{"%22*id*%22=eq.1", " where <*id*> eq «1»"},
		{"%22a.dotted.column%22=eq.1", " where <a.dotted.column> eq «1»"},
		{"%22a%5C%22b%5C%5Cc%22=eq.1", " where <a\"b\\c> eq «1»"},
		{"field-with_sep=eq.1", " where <field-with_sep> eq «1»"},
		{"a=eq.1;b=eq.2", " where <a> eq «1» where <b> eq «2»"},
		{"&&a=eq.1&", " where <a> eq «1»"},
		{"a", ""},
		{"projects.tasks.name=like.Design*", " in(<projects>,<tasks>) where <name> like «Design%»"},
		{"a.x=eq.1&a.y=eq.2&z=eq.3", " where <z> eq «3» in(<a>) where <x> eq «1» where <y> eq «2»"},
		{"%22a.b%22.c=eq.1", " in(<a.b>) where <c> eq «1»"},
		{"arr=cs.{2}", " where <arr> cs «{2}»"},
		{"arr=cd.{1,2,4}", " where <arr> cd «{1,2,4}»"},
		{"range=ov.[0,4]", " where <range> ov «[0,4]»"},
		{"range=sl.[9,10]", " where <range> sl «[9,10]»"},
		{"range=sr.[3,4]", " where <range> sr «[3,4]»"},
		{"range=nxr.[4,7]", " where <range> nxr «[4,7]»"},
		{"range=nxl.[4,7]", " where <range> nxl «[4,7]»"},
		{"range=adj.(3,10]", " where <range> adj «(3,10]»"},
		{"range=isdistinct.[1,3]", " where <range> isdistinct «[1,3]»"},
		{"range=not.isdistinct.[1,3]", " where <range> not isdistinct «[1,3]»"},
		/* what PostgREST's path parser leaves behind is not looked at */
		{"id[]=eq.1", " where <id> eq «1»"},
		{"a(b=eq.1", " where <a> eq «1»"},
	};

	GOOD(rows);
}

static void
is_and_searches(void)
{
	static const Good rows[] = {
		{"a=is.null", " where <a> is «null»"},
		{"a=not.is.null", " where <a> not is «null»"},
		{"a=is.not_null", " where <a> is «not_null»"},
		{"a=is.NOT_NULL", " where <a> is «not_null»"},
		{"a=is.true", " where <a> is «true»"},
		{"a=is.FAlSe", " where <a> is «false»"},
		{"a=is.UnKnOwN", " where <a> is «unknown»"},
		{"a=is.NULL", " where <a> is «null»"},
		{"v=fts.impossible", " where <v> fts «impossible»"},
		{"v=fts.fun%26!possible", " where <v> fts «fun&!possible»"},
		{"v=plfts.The%20Fat%20Rats", " where <v> plfts «The Fat Rats»"},
		{"v=wfts.fun%20and%20-possible", " where <v> wfts «fun and -possible»"},
		{"v=fts(french).amusant", " where <v> fts(<french>) «amusant»"},
		{"v=not.phfts(english).The%20Fat%20Cats", " where <v> not phfts(<english>) «The Fat Cats»"},
		{"v=fts(pg_catalog_1 x).a", " where <v> fts(<pg_catalog_1 x>) «a»"},
	};
	static const Bad bad[] = {
		{"done=is.nil", "\"failed to parse filter (is.nil)\" (line 1, column 5)",
		 "unexpected \"i\" expecting isVal: (null, not_null, true, false, unknown)"},
		{"done=is.ok", "\"failed to parse filter (is.ok)\" (line 1, column 4)",
		 "unexpected \"o\" expecting isVal: (null, not_null, true, false, unknown)"},
		{"done=is.", "\"failed to parse filter (is.)\" (line 1, column 4)",
		 "unexpected end of input expecting isVal: (null, not_null, true, false, unknown)"},
		{"v=fts().value", "\"failed to parse filter (fts().value)\" (line 1, column 5)",
		 "unexpected \")\" expecting operator (eq, gt, ...)"},
		{"v=fts(a-b).value", "\"failed to parse filter (fts(a-b).value)\" (line 1, column 6)", NULL},
		{"v=eq().value", "\"failed to parse filter (eq().value)\" (line 1, column 4)",
		 "unexpected \")\" expecting operator (eq, gt, ...)"},
		{"v=is().value", "\"failed to parse filter (is().value)\" (line 1, column 3)",
		 "unexpected \"(\" expecting operator (eq, gt, ...)"},
		{"v=in().value", "\"failed to parse filter (in().value)\" (line 1, column 3)",
		 "unexpected \"(\" expecting operator (eq, gt, ...)"},
		{"v=neq(any).{1}", "\"failed to parse filter (neq(any).{1})\" (line 1, column 4)",
		 "unexpected \"(\" expecting operator (eq, gt, ...)"},
	};

	GOOD(rows);
	BAD(bad);
}

static void
lists(void)
{
	static const Good rows[] = {
		{"id=in.(1,3,5)", " where <id> in [«1»,«3»,«5»]"},
		{"id=not.in.(2,4)", " where <id> not in [«2»,«4»]"},
		{"name=in.(%22Hebdon,%20John%22)", " where <name> in [«Hebdon, John»]"},
		{"name=in.(David White,\"Hebdon, John\")", " where <name> in [«David White»,«Hebdon, John»]"},
		{"name=in.(\"Double O Seven(007)\")", " where <name> in [«Double O Seven(007)»]"},
		{"name=in.(\"Double\\\"Quote\\\"McGraw\\\"\")", " where <name> in [«Double\"Quote\"McGraw\"»]"},
		{"name=in.(\"\\\\\")", " where <name> in [«\\»]"},
		{"name=in.(\"/\\\\Slash/\\\\Beast/\\\\\")", " where <name> in [«/\\Slash/\\Beast/\\»]"},
		{"name=in.(\"D\\a\\vid W\\h\\ite\")", " where <name> in [«David White»]"},
		{"name=in.(\")", " where <name> in [«\"»]"},
		{"name=in.(Double\"Quote\"McGraw\")", " where <name> in [«Double\"Quote\"McGraw\"»]"},
		{"name=in.(\"a\"b,c)", " where <name> in [«\"a\"b»,«c»]"},
		{"name=in.(\\)", " where <name> in [«\\»]"},
		{"name=in.(/\\Slash/\\Beast/\\)", " where <name> in [«/\\Slash/\\Beast/\\»]"},
		{"a=in.()", " where <a> in []"},
		{"a=not.in.()", " where <a> not in []"},
		{"a=in.(%20%20)", " where <a> in []"},
		{"a=in.(\"\")", " where <a> in []"},
		{"a=in.(,)", " where <a> in [«»,«»]"},
		{"a=in.( ,3,4)", " where <a> in [«»,«3»,«4»]"},
		{"a=in.( 1, 2,3 )", " where <a> in [«1»,« 2»,«3 »]"},
		{"a=in.%20(1)", " where <a> in [«1»]"},
		{"a=in.(1)junk", " where <a> in [«1»]"},
		{"id=eq(any).{1,2}", " where <id> eq(any) «{1,2}» [«1»,«2»]"},
		{"id=gt(all).{4,3}", " where <id> gt(all) «{4,3}» [«4»,«3»]"},
		{"id=gte(any).{}", " where <id> gte(any) «{}» []"},
		{"id=lt(all).{ }", " where <id> lt(all) «{ }» []"},
		{"id=lte(any).{NULL,null,\"null\",n\\ull}",
		 " where <id> lte(any) «{NULL,null,\"null\",n\\ull}» [null,null,«null»,«null»]"},
		{"k=like(any).{x*,*v}", " where <k> like(any) «{x%,%v}» [«x%»,«%v»]"},
		{"k=not.ilike(all).{X*,\"a, *b\"}", " where <k> not ilike(all) «{X%,\"a, %b\"}» [«X%»,«a, %b»]"},
		{"k=match(any).{^x,y$}", " where <k> match(any) «{^x,y$}» [«^x»,«y$»]"},
		{"k=imatch(any).{ a b , c }", " where <k> imatch(any) «{ a b , c }» [«a b»,«c»]"},
		{"k=eq(any).{{1,2},{3,4}}", " where <k> eq(any) «{{1,2},{3,4}}» [«1»,«2»,«3»,«4»]"},
		{"k=eq(any).{\"a\\\"b\",c\\,d\\ }", " where <k> eq(any) «{\"a\\\"b\",c\\,d\\ }» [«a\"b»,«c,d »]"},
	};
	static const Bad bad[] = {
		{"id=in.1,2", "\"failed to parse filter (in.1,2)\" (line 1, column 4)", "unexpected \"1\" expecting \"(\""},
		{"id=in.(1,2", "\"failed to parse filter (in.(1,2)\" (line 1, column 8)",
		 "unexpected end of input expecting \",\" or \")\""},
		{"id=in.", "\"failed to parse filter (in.)\" (line 1, column 4)", "unexpected end of input expecting \"(\""},
		{"id=in", "\"failed to parse filter (in)\" (line 1, column 3)",
		 "unexpected end of input expecting operator (eq, gt, ...)"},
		{"id=eq(some).{1}", "\"failed to parse filter (eq(some).{1})\" (line 1, column 4)",
		 "unexpected \"s\" expecting operator (eq, gt, ...)"},
	};
	static const char *const malformed[] = {
		"1",        "",         "{",     "{1",     "{1,}",   "{,1}", "{1}2",
		"{\"a\"b}", "{a\"b\"}", "{\"a}", "{{1},2", "{1,{2}", "{a\\", "{{{{{{{1}}}}}}}",
		"{\"\\",    "}",        "{}}",   "{1}{2}", "{1 {2}}"};

	GOOD(rows);
	BAD(bad);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
	{
		Arena *arena = arena_new();
		const char *message = arena_format(arena, "malformed array literal: \"%s\"", malformed[i]);
		Query query;
		Problem problem;

		CHECK(!read_raw(arena, arena_format(arena, "id=eq(any).%s", malformed[i]), false, &query, &problem) &&
				  problem.status == 400 && strcmp(problem.code, "22P02") == 0 &&
				  strcmp(problem.message, message) == 0,
			  "%s", malformed[i]);
		arena_free(arena);
	}
}

static void
no_conditions(void)
{
	static const Bad rows[] = {
		{"id=0", "\"failed to parse filter (0)\" (line 1, column 1)",
		 "unexpected \"0\" expecting \"not\" or operator (eq, gt, ...)"},
		{"id=val", "\"failed to parse filter (val)\" (line 1, column 1)",
		 "unexpected \"v\" expecting \"not\" or operator (eq, gt, ...)"},
		{"a.b=noop.0", "\"failed to parse filter (noop.0)\" (line 1, column 1)",
		 "unexpected \"o\" expecting \"not\" or operator (eq, gt, ...)"},
		{"id=", "\"failed to parse filter ()\" (line 1, column 1)",
		 "unexpected end of input expecting \"not\" or operator (eq, gt, ...)"},
		{"id=eq", "\"failed to parse filter (eq)\" (line 1, column 3)",
		 "unexpected end of input expecting operator (eq, gt, ...)"},
		{"id=EQ.1", "\"failed to parse filter (EQ.1)\" (line 1, column 1)",
		 "unexpected \"E\" expecting \"not\" or operator (eq, gt, ...)"},
		{"id=not.", "\"failed to parse filter (not.)\" (line 1, column 5)",
		 "unexpected end of input expecting operator (eq, gt, ...)"},
		{"id=not.not.eq.1", "\"failed to parse filter (not.not.eq.1)\" (line 1, column 5)",
		 "unexpected \"n\" expecting operator (eq, gt, ...)"},
		{"id=noteq.1", "\"failed to parse filter (noteq.1)\" (line 1, column 4)", NULL},
		{"id=%E2%82%AC.1", "\"failed to parse filter (\xe2\x82\xac.1)\" (line 1, column 1)",
		 "unexpected \"\\8364\" expecting \"not\" or operator (eq, gt, ...)"},
		{":=eq.1", "\"failed to parse tree path (:)\" (line 1, column 1)",
		 "unexpected \":\" expecting field name (* or [a..z0..9_$])"},
		{"=eq.1", "\"failed to parse tree path ()\" (line 1, column 1)",
		 "unexpected end of input expecting field name (* or [a..z0..9_$])"},
		{"a.=eq.1", "\"failed to parse tree path (a.)\" (line 1, column 3)",
		 "unexpected end of input expecting field name (* or [a..z0..9_$])"},
		{".a=eq.1", "\"failed to parse tree path (.a)\" (line 1, column 1)", NULL},
		{"*=eq.1", "\"failed to parse tree path (*)\" (line 1, column 1)", NULL},
		{"%22a=eq.1", "\"failed to parse tree path (\"a)\" (line 1, column 3)",
		 "unexpected end of input expecting \"\\\\\" or \"\\\"\""},
		{"a%ZZ=eq.1", "failed to decode the query string", NULL},
		{"a=eq.%", "failed to decode the query string", NULL},
		{"a=eq.%4", "failed to decode the query string", NULL},
		{"a=eq.%00", "failed to decode the query string", NULL},
		{"a=eq.%FF", "failed to decode the query string", NULL},
		{"a=eq.%C0%80", "failed to decode the query string", NULL},
		{"a=eq.%ED%A0%80", "failed to decode the query string", NULL},
		{"a=eq.\xff", "failed to decode the query string", NULL},
	};

	BAD(rows);
}

static void
selections(void)
{
	static const Good rows[] = {
		{"select=", " select "},
		{"select=*", " select <*>"},
		{"select=id", " select <id>"},
		{"select=id,name", " select <id>,<name>"},
		{"select=id,%20name%20,%20clients(*),%20tasks(id,%20name)",
		 " select <id>,<name>,<clients>(<*>),<tasks>(<id>,<name>)"},
		{"select", ""},
		{"select=a&select=b", " select <a>"},
		{"select=id,field-with_sep", " select <id>,<field-with_sep>"},
		{"select=myId:id", " select <myId>:<id>"},
		{"select=id::text", " select <id>::<text>"},
		{"select=myId:id::text", " select <myId>:<id>::<text>"},
		{"select=a::double precision,b::timestamp without time zone ",
		 " select <a>::<double precision>,<b>::<timestamp without time zone>"},
		{"select=a :b", " select <a>:<b>"},
		{"select=settings->>foo::json", " select <settings>->><foo>::<json>"},
		{"select=myFoo:settings->>foo::json", " select <myFoo>:<settings>->><foo>::<json>"},
		{"select=settings->foo->>int::integer", " select <settings>-><foo>->><int>::<integer>"},
		{"select=data->!@%23$%25^%26*_d->>!@%23$%25^%26*_e::integer",
		 " select <data>-><!@#$%^&*_d>->><!@#$%^&*_e>::<integer>"},
		{"select=data->>0::int,idx1:data->>1::int", " select <data>->>#0::<int>,<idx1>:<data>->>#1::<int>"},
		{"select=data->0->0->>1::int", " select <data>->#0->#0->>#1::<int>"},
		{"select=data->c->0->d->>4::int", " select <data>-><c>->#0-><d>->>#4::<int>"},
		{"select=data->0->0xy1->1->23-xy-45->1->xy-6->>0::int",
		 " select <data>->#0-><0xy1>->#1-><23-xy-45>->#1-><xy-6>->>#0::<int>"},
		{"select=data->>-1::int,data->0->>-2", " select <data>->>#-1::<int>,<data>->#0->>#-2"},
		{"select=a->\"b.c,d\"->>\"0\"", " select <a>-><b.c,d>->><0>"},
		{"select=a-> b ->> c d ", " select <a>-><b>->><c d>"},
		{"select=data->00000000000000000000001", " select <data>->#00000000000000000000001"},
		{"select=%22:arr-%3Eow::cast%22,%22(inside,parens)%22,%22a.dotted.column%22,%22%20%20col%20%20w%20%20space%"
		 "20%20%22",
		 " select <:arr->ow::cast>,<(inside,parens)>,<a.dotted.column>,<  col  w  space  >"},
		{"select=\"\"", " select <>"},
		{"select=$a_1,2", " select <$a_1>,<2>"},
		/* embeddings */
		{"select=client(id)", " select <client>(<id>)"},
		{"select=*,client(*,nested(*))", " select <*>,<client>(<*>,<nested>(<*>))"},
		{"select=*,...client(*),other(*)", " select <*>,...<client>(<*>),<other>(<*>)"},
		{"select=rel()", " select <rel>()"},
		{"select=alias:rel(*)", " select <alias>:<rel>(<*>)"},
		{"select=rel!hint(*)", " select <rel>!<hint>(<*>)"},
		{"select=rel!inner(*)", " select <rel>!inner(<*>)"},
		{"select=rel!left(*)", " select <rel>!left(<*>)"},
		{"select=rel!hint!inner(*)", " select <rel>!<hint>!inner(<*>)"},
		{"select=alias:rel!inner!hint(*)", " select <alias>:<rel>!<hint>!inner(<*>)"},
		{"select=rel!a!b(*)", " select <rel>!<a>(<*>)"},
		{"select=rel!left!inner(*)", " select <rel>!left(<*>)"},
		{"select=rel!\"left\"(*)", " select <rel>!<left>(<*>)"},
		{"select=...rel!hint!inner(*)", " select ...<rel>!<hint>!inner(<*>)"},
		{"select=...processes(factory_id,...process_costs(cost_sum:cost.sum()))",
		 " select ...<processes>(<factory_id>,...<process_costs>(<cost_sum>:<cost>.sum()))"},
		{"select=\"a b\":\"c(d\"(\"e,f\")", " select <a b>:<c(d>(<e,f>)"},
		{"select= rel( id , x:y )", " select <rel>(<id>,<x>:<y>)"},
		{"select=client:clients(clientId:id,name)", " select <client>:<clients>(<clientId>:<id>,<name>)"},
		{"select=a(b(c(d(e(f(g(h(i))))))))", " select <a>(<b>(<c>(<d>(<e>(<f>(<g>(<h>(<i>))))))))"},
		/* aggregates */
		{"select=count()", " select .count()"},
		{"select=cnt:count()", " select <cnt>:.count()"},
		{"select=count()::text", " select .count()::<text>"},
		{"select=c:count(),client_id", " select <c>:.count(),<client_id>"},
		{"select=count", " select <count>"},
		{"select=name,projects(count)'", " select <name>,<projects>(<count>)"},
		{"select=a.sum(),a.avg(),a.min(),a.max(),a.count()",
		 " select <a>.sum(),<a>.avg(),<a>.min(),<a>.max(),<a>.count()"},
		{"select=total:amount.sum()::text", " select <total>:<amount>.sum()::<text>"},
		{"select=jsonb_col->>key::integer.sum()", " select <jsonb_col>->><key>::<integer>.sum()"},
		{"select=s:jsonb_col->>key::integer.sum()::text", " select <s>:<jsonb_col>->><key>::<integer>.sum()::<text>"},
		{"select=a->0.sum()", " select <a>->#0.sum()"},
		{"select=name,r(total.max(),count())", " select <name>,<r>(<total>.max(),.count())"},
		/* PostgREST's ends with a parenthesis nobody opened */
		{"select=id)", " select <id>"},
		{"select=id),name", " select <id>"},
		{"select=rel(a)b", " select <rel>(<a>)"},
		/* ... and begins with what is nothing */
		{"select=,id", " select "},
		{"select=**", " select "},
		{"select=*!hint", " select "},
		{"select=...rel", " select "},
		/* PostgREST knows no index in front of a parenthesis */
		{"select=rel(data->0)", " select <rel>(<data>-><0>)"},
	};

	GOOD(rows);
}

static void
no_selections(void)
{
	static const Bad rows[] = {
		{"select=id,", "\"failed to parse select parameter (id,)\" (line 1, column 4)",
		 "unexpected end of input expecting \"...\", field name (* or [a..z0..9_$]), \"*\" or \"count()\""},
		{"select=id,clients(name[])", "\"failed to parse select parameter (id,clients(name[]))\" (line 1, column 16)",
		 "unexpected '[' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", \")\", \",\" or end of "
		 "input"},
		{"select=data->>-78xy", "\"failed to parse select parameter (data->>-78xy)\" (line 1, column 11)",
		 "unexpected 'x' expecting digit, \"->\", \"::\", \".\", \",\" or end of input"},
		{"select=data->>--34", "\"failed to parse select parameter (data->>--34)\" (line 1, column 9)",
		 "unexpected \"-\" expecting digit"},
		{"select=data->>-xy-4", "\"failed to parse select parameter (data->>-xy-4)\" (line 1, column 9)",
		 "unexpected \"x\" expecting digit"},
		{"select=data->(!@%23$%25^%26*_d->>!@%23$%25^%26*_e::integer",
		 "\"failed to parse select parameter (data->(!@#$%^&*_d->>!@#$%^&*_e::integer)\" (line 1, column 7)",
		 "unexpected \"(\" expecting \"-\", digit or any non reserved character different from: .,>()"},
		{"select=name!hint", "\"failed to parse select parameter (name!hint)\" (line 1, column 5)",
		 "unexpected '!' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", \")\", \",\" or end of "
		 "input"},
		{"select=name::", "\"failed to parse select parameter (name::)\" (line 1, column 7)",
		 "unexpected end of input expecting letter or digit"},
		{"select=rel(", "\"failed to parse select parameter (rel()\" (line 1, column 5)", NULL},
		{"select=rel(a", "\"failed to parse select parameter (rel(a)\" (line 1, column 6)", NULL},
		{"select=a:b:c", "\"failed to parse select parameter (a:b:c)\" (line 1, column 4)", NULL},
		{"select=alias:...rel(*)", "\"failed to parse select parameter (alias:...rel(*))\" (line 1, column 7)", NULL},
		{"select=rel->a(*)", "\"failed to parse select parameter (rel->a(*))\" (line 1, column 7)", NULL},
		{"select=a.std()", "\"failed to parse select parameter (a.std())\" (line 1, column 3)", NULL},
		{"select=a.sum", "\"failed to parse select parameter (a.sum)\" (line 1, column 6)", NULL},
		{"select=a-", "\"failed to parse select parameter (a-)\" (line 1, column 3)", NULL},
		{"select=\"a", "\"failed to parse select parameter (\"a)\" (line 1, column 3)",
		 "unexpected end of input expecting \"\\\\\" or \"\\\"\""},
		{"select=a'b", "\"failed to parse select parameter (a'b)\" (line 1, column 2)", NULL},
		{"select=count()x", "\"failed to parse select parameter (count()x)\" (line 1, column 6)", NULL},
		{"select=a b!", "\"failed to parse select parameter (a b!)\" (line 1, column 4)", NULL},
		{"select=a%09%0A", "\"failed to parse select parameter (a\t\n)\" (line 1, column 9)", NULL},
		{"select=a,%0A!", "\"failed to parse select parameter (a,\n!)\" (line 1, column 3)", NULL},
		{"select=\"%0A\"!", "\"failed to parse select parameter (\"\n\"!)\" (line 2, column 2)", NULL},
		{"select=%C3%A4!", "\"failed to parse select parameter (\xc3\xa4!)\" (line 1, column 2)", NULL},
		{"select=rel!(a)", "\"failed to parse select parameter (rel!(a))\" (line 1, column 4)", NULL},
		{"select=rel!leftx(a)", "\"failed to parse select parameter (rel!leftx(a))\" (line 1, column 4)", NULL},
	};

	BAD(rows);
}
static void
logic(void)
{
	static const Good rows[] = {
		{"or=(id.eq.1,id.eq.2)", " where or(<id> eq «1», <id> eq «2»)"},
		{"not.or=(id.eq.1,id.eq.2)", " where not or(<id> eq «1», <id> eq «2»)"},
		{"or=(id.eq.1,id.eq.2)&name=eq.entity 1", " where or(<id> eq «1», <id> eq «2») where <name> eq «entity 1»"},
		{"child_entities.or=(id.eq.1,name.eq.child entity 2)",
		 " in(<child_entities>) where or(<id> eq «1», <name> eq «child entity 2»)"},
		{"a.b.or=(id.eq.1)", " in(<a>,<b>) where or(<id> eq «1»)"},
		{"rel.not.and=(id.eq.1)", " in(<rel>) where not and(<id> eq «1»)"},
		{"not.rel.and=(id.eq.1)", " in(<rel>) where not and(<id> eq «1»)"},
		{"or=(and(name.eq.entity 2,id.eq.2),and(name.eq.entity 1,id.eq.1))",
		 " where or(and(<name> eq «entity 2», <id> eq «2»), and(<name> eq «entity 1», <id> eq «1»))"},
		{"or=(not.and(a.eq.2,id.eq.2),not.or(a.eq.1,id.eq.1))",
		 " where or(not and(<a> eq «2», <id> eq «2»), not or(<a> eq «1», <id> eq «1»))"},
		{"and=(id.eq.1,name.eq.x)&or=(id.eq.1,id.eq.2)",
		 " where and(<id> eq «1», <name> eq «x») where or(<id> eq «1», <id> eq «2»)"},
		{"and=(id.eq.1,id.neq.2))", " where and(<id> eq «1», <id> neq «2»)"},
		{"or=(name.like.*1,name.ilike.*ENTITY 2)", " where or(<name> like «%1», <name> ilike «%ENTITY 2»)"},
		{"or=(id.in.(1,2),id.in.(3,4))", " where or(<id> in [«1»,«2»], <id> in [«3»,«4»])"},
		{"or=(id.in.(\"1\",\"2\"),id.not.in.())", " where or(<id> in [«1»,«2»], <id> not in [])"},
		{"and=(name.is.null,arr.not.is.null)", " where and(<name> is «null», <arr> not is «null»)"},
		{"or=(v.plfts(german).Art%20Spass, v.not.fts(english).impossible)",
		 " where or(<v> plfts(<german>) «Art Spass», <v> not fts(<english>) «impossible»)"},
		{"and=(id.gte.2,arr.isdistinct.{1,2})", " where and(<id> gte «2», <arr> isdistinct «{1,2}»)"},
		{"or=(arr.cs.{1,2,3},arr.cd.{1})", " where or(<arr> cs «{1,2,3}», <arr> cd «{1}»)"},
		{"or=(arr.cs.{a{b,id.eq.1)", " where or(<arr> cs «{a{b», <id> eq «1»)"},
		{"or=(name.eq.\"(grandchild,entity,4)\",name.eq.\"a\\\"b\")",
		 " where or(<name> eq «(grandchild,entity,4)», <name> eq «a\"b»)"},
		{"or=(name.like.\"*ity,4*\",name.ilike.\"*ITY,5)\")",
		 " where or(<name> like «%ity,4%», <name> ilike «%ITY,5)»)"},
		{"or=(name.eq.\"a\"b,c.eq.1)", " where or(<name> eq «\"a\"b», <c> eq «1»)"},
		{"and=( and ( id.in.( 1, 2, 3 ) , id.eq.3 ) , or ( id.eq.2 , id.eq.3 ) )",
		 " where and(and(<id> in [«1»,« 2»,« 3 »], <id> eq «3 »), or(<id> eq «2 », <id> eq «3 »))"},
		{"or=(id.eq.1)", " where or(<id> eq «1»)"},
		{"or=(jsonb_col->a->>b.eq.foo, jsonb_col->>0.eq.bar)",
		 " where or(<jsonb_col>-><a>->><b> eq «foo», <jsonb_col>->>#0 eq «bar»)"},
		{"or=(\"a.b\".eq.1,\"and\".eq.2,or.eq.3)", " where or(<a.b> eq «1», <and> eq «2», <or> eq «3»)"},
		{"or=(id.eq(any).{1,2},name.like(all).{a*,*b})",
		 " where or(<id> eq(any) «{1,2}» [«1»,«2»], <name> like(all) «{a%,%b}» [«a%»,«%b»])"},
		{"or=(a.eq.,b.eq.)", " where or(<a> eq «», <b> eq «»)"},
		{"and=.eq.5", " where <and> eq «5»"},
		{"or=(a.eq.1)junk", " where or(<a> eq «1»)"},
		{"or=(a.eq.x.y.z)", " where or(<a> eq «x.y.z»)"},
		{"or=(and(and(and(and(and(and(a.eq.1)))))))", " where or(and(and(and(and(and(and(<a> eq «1»)))))))"},
	};
	static const Bad bad[] = {
		{"or=()", "\"failed to parse logic tree (())\" (line 1, column 4)",
		 "unexpected \")\" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, "
		 "or)"},
		{"or=(id.in.1,2,id.eq.3)", "\"failed to parse logic tree ((id.in.1,2,id.eq.3))\" (line 1, column 10)",
		 "unexpected \"1\" expecting \"(\""},
		{"or=)(", "\"failed to parse logic tree ()()\" (line 1, column 3)", "unexpected \")\" expecting \"(\""},
		{"and=(ord(id.eq.1,id.eq.1),id.eq.2)",
		 "\"failed to parse logic tree ((ord(id.eq.1,id.eq.1),id.eq.2))\" (line 1, column 7)",
		 "unexpected \"d\" expecting \"(\""},
		{"or=(id.eq.1,not.xor(id.eq.2,id.eq.3))",
		 "\"failed to parse logic tree ((id.eq.1,not.xor(id.eq.2,id.eq.3)))\" (line 1, column 16)",
		 "unexpected \"x\" expecting logic operator (and, or)"},
		{"and=", "\"failed to parse logic tree ()\" (line 1, column 4)", NULL},
		{"and=(a.eq.1", "\"failed to parse logic tree ((a.eq.1)\" (line 1, column 11)",
		 "unexpected end of input expecting \",\" or \")\""},
		{"and=(a.eq.1,)", "\"failed to parse logic tree ((a.eq.1,))\" (line 1, column 12)", NULL},
		{"and=(a.xx.1)", "\"failed to parse logic tree ((a.xx.1))\" (line 1, column 7)", NULL},
		{"not.and=(a.xx.1)", "\"failed to parse logic tree ((a.xx.1))\" (line 1, column 11)", NULL},
		{":.or=(a.eq.1)", "\"failed to parse logic path (:.or)\" (line 1, column 1)", NULL},
		{"and=(range.adj.(3,10],a.eq.1)",
		 "\"failed to parse logic tree ((range.adj.(3,10],a.eq.1))\" (line 1, column 20)", NULL},
	};

	GOOD(rows);
	BAD(bad);
}

static void
orders(void)
{
	static const Good rows[] = {
		{"order=id", " order <id>"},
		{"order=id.asc,name.desc", " order <id> asc, <name> desc"},
		{"order=name.desc.nullsfirst", " order <name> desc nullsfirst"},
		{"order=name.nullslast", " order <name> nullslast"},
		{"order=json_col->key.asc.nullslast", " order <json_col>-><key> asc nullslast"},
		{"order=json_col->!@%23$%25^%26*_a.asc.nullslast", " order <json_col>-><!@#$%^&*_a> asc nullslast"},
		{"order=data->>id.asc", " order <data>->><id> asc"},
		{"order=data->foo->>bar.nullsfirst", " order <data>-><foo>->><bar> nullsfirst"},
		{"order=numbers->0.desc", " order <numbers>->#0 desc"},
		{"order=numbers_mult->2->2.asc", " order <numbers_mult>->#2->#2 asc"},
		{"order=clients(json_col->key).desc.nullsfirst", " order <clients>(<json_col>-><key>) desc nullsfirst"},
		{"order=name,clients(name),id", " order <name>, <clients>(<name>), <id>"},
		{"order= id , name ", " order <id>, <name>"},
		{"order=\"a.b\".desc", " order <a.b> desc"},
		{"order=desc.desc", " order <desc> desc"},
		{"projects.order=id.asc&projects.tasks.order=id.desc",
		 " in(<projects>) order <id> asc in(<projects>,<tasks>) order <id> desc"},
		{"order=a&order=b", " order <a>"},
	};
	static const Bad bad[] = {
		{"order=", "\"failed to parse order ()\" (line 1, column 1)", NULL},
		{"order=id.ac", "\"failed to parse order (id.ac)\" (line 1, column 4)",
		 "unexpected \"c\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\""},
		{"order=id.descc", "\"failed to parse order (id.descc)\" (line 1, column 8)",
		 "unexpected 'c' expecting delimiter (.), \",\" or end of input"},
		{"order=id.nulsfist", "\"failed to parse order (id.nulsfist)\" (line 1, column 4)",
		 "unexpected \"n\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\""},
		{"order=id.nullslasttt", "\"failed to parse order (id.nullslasttt)\" (line 1, column 13)",
		 "unexpected 't' expecting \",\" or end of input"},
		{"order=id.smth34", "\"failed to parse order (id.smth34)\" (line 1, column 4)",
		 "unexpected \"s\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\""},
		{"order=id.asc.nlsfst", "\"failed to parse order (id.asc.nlsfst)\" (line 1, column 8)",
		 "unexpected \"l\" expecting \"nullsfirst\" or \"nullslast\""},
		{"order=id.asc.nullslasttt", "\"failed to parse order (id.asc.nullslasttt)\" (line 1, column 17)",
		 "unexpected 't' expecting \",\" or end of input"},
		{"order=id.asc.smth34", "\"failed to parse order (id.asc.smth34)\" (line 1, column 8)",
		 "unexpected \"s\" expecting \"nullsfirst\" or \"nullslast\""},
		{"order=clients(name,id)", "\"failed to parse order (clients(name,id))\" (line 1, column 8)",
		 "unexpected '(' expecting letter, digit, \"-\", \"->>\", \"->\", delimiter (.), \",\" or end of input"},
		{"order=a,", "\"failed to parse order (a,)\" (line 1, column 3)", NULL},
		{"order=a&order=b.x", "\"failed to parse order (b.x)\" (line 1, column 3)", NULL},
		{"(.order=a", "\"failed to parse tree path ((.order)\" (line 1, column 1)", NULL},
		/* of two mistakes PostgREST's first one: order, logic, columns, select, conditions, on_conflict */
		{"id=1&on_conflict=&select=a-&columns=&or=&order=", "\"failed to parse order ()\" (line 1, column 1)", NULL},
		{"id=1&on_conflict=&select=a-&columns=&or=", "\"failed to parse logic tree ()\" (line 1, column 3)", NULL},
		{"id=1&on_conflict=&select=a-&columns=", "\"failed to parse columns parameter ()\" (line 1, column 1)", NULL},
		{"id=1&on_conflict=&select=a-", "\"failed to parse select parameter (a-)\" (line 1, column 3)", NULL},
		{"id=1&on_conflict=", "\"failed to parse filter (1)\" (line 1, column 1)", NULL},
		{"id=eq.1&on_conflict=", "\"failed to parse on_conflict parameter ()\" (line 1, column 1)", NULL},
	};

	GOOD(rows);
	BAD(bad);
}

static void
columns_and_arguments(void)
{
	static const Good rows[] = {
		{"columns=id", " columns(<id>)"},
		{"columns=b, \"a,c\",a ,b", " columns(<a>,<a,c>,<b>)"},
		{"columns=a&columns=b", " columns(<a>)"},
		{"on_conflict=name,id", " conflict(<id>,<name>)"},
		{"columns=a(b", " columns(<a>)"},
		{"rel.columns=eq.1", " in(<rel>) where <columns> eq «1»"},
		{"rel.select=eq.1", " in(<rel>) where <select> eq «1»"},
	};
	static const Good arguments[] = {
		{"id=1", " <id>=«1»"},
		{"id=1&select=id,always_true", " select <id>,<always_true> <id>=«1»"},
		{"min=2&max=5&id=gt.3", " where <id> gt «3» <min>=«2» <max>=«5»"},
		{"v=a&v=b&v=c", " <v>=«a» <v>=«b» <v>=«c»"},
		{"v=", " <v>=«»"},
		{"v", ""},
		{"v=eq.a", " where <v> eq «a»"},
		{"v=eq", " <v>=«eq»"},
		{"v=eqx.1", " <v>=«eqx.1»"},
		{"v=a.b", " <v>=«a.b»"},
		{"v=is", " <v>=«is»"},
		{"v=fts(x", " <v>=«fts(x»"},
		{"v=not", " <v>=«not»"},
		{"v={1,2}", " <v>=«{1,2}»"},
		{"%22a%20b%22=x+y", " <a b>=«x y»"},
		{"rel.v=1", " <v>=«1»"},
		{"limit=1&order=a&v=x", " order <a> limit 1 <v>=«x»"},
	};
	static const Bad bad[] = {
		{"v=not.good", "\"failed to parse filter (not.good)\" (line 1, column 5)", NULL},
		{"v=in.5", "\"failed to parse filter (in.5)\" (line 1, column 4)", "unexpected \"5\" expecting \"(\""},
		{"v=is.x", "\"failed to parse filter (is.x)\" (line 1, column 4)", NULL},
		{"(=1", "\"failed to parse tree path (()\" (line 1, column 1)", NULL},
	};
	static const Bad refused[] = {
		{"columns=", "\"failed to parse columns parameter ()\" (line 1, column 1)",
		 "unexpected end of input expecting field name (* or [a..z0..9_$])"},
		{"columns=a,", "\"failed to parse columns parameter (a,)\" (line 1, column 3)", NULL},
		{"columns=*", "\"failed to parse columns parameter (*)\" (line 1, column 1)", NULL},
		{"columns=\"a\" b", "\"failed to parse columns parameter (\"a\" b)\" (line 1, column 5)", NULL},
	};

	GOOD(rows);
	check_good(arguments, sizeof(arguments) / sizeof(arguments[0]), true);
	check_bad(bad, sizeof(bad) / sizeof(bad[0]), true);
	BAD(refused);
}

static void
ranges(void)
{
	static const Good rows[] = {
		{"limit=3", " limit 3"},
		{"limit=0", " limit 0"},
		{"limit=-1x&offset=-2-", ""},
		{"offset=2&limit=3", " limit 3 offset 2"},
		{"limit=0&offset=5", " limit 0 offset 5"},
		{"limit=5&limit=7&offset=1&offset=2", " limit 7 offset 2"},
		{"limit= 5 &offset=+6", " limit 5 offset 6"},
		{"limit=", ""},
		{"limit", ""},
		{"limit=abc&offset=1.5", ""},
		{"limit=1e3", ""},
		{"offset=-4", " offset 0"},
		{"offset=-4&limit=10", " limit 6 offset 0"},
		{"offset=-4&limit=0", " limit 0 offset 0"},
		{"limit=9223372036854775807", " limit 9223372036854775807"},
		{"limit=99999999999999999999999", " limit 9223372036854775807"},
		{"rel.limit=2&rel.offset=1", " in(<rel>) limit 2 offset 1"},
		{"a.b.limit=2&a.limit=1&limit=9", " limit 9 in(<a>,<b>) limit 2 in(<a>) limit 1"},
		{"rel.limit=2&rel.x=eq.1", " in(<rel>) where <x> eq «1» limit 2"},
	};
	static const struct
	{
		const char *raw;
		int status;
		const char *code;
		const char *message;
	} bad[] = {
		{"limit=-1", 416, "PGRST103", "Requested range not satisfiable"},
		{"limit=-99999999999999999999", 416, "PGRST103", "Requested range not satisfiable"},
		{"limit=3&offset=-4", 416, "PGRST103", "Requested range not satisfiable"},
		{"limit=9223372036854775807&offset=-99999999999999999999", 416, "PGRST103",
		 "Requested range not satisfiable"},
		{"rel.limit=-1", 400, "2201W", "LIMIT must not be negative"},
		{"rel.offset=-1", 400, "2201X", "OFFSET must not be negative"},
	};

	GOOD(rows);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		Arena *arena = arena_new();
		Query query;
		Problem problem;

		CHECK(!read_raw(arena, bad[i].raw, false, &query, &problem) && problem.status == bad[i].status &&
				  strcmp(problem.code, bad[i].code) == 0 && strcmp(problem.message, bad[i].message) == 0,
			  "%s", bad[i].raw);
		arena_free(arena);
	}
}

static void
canonical(void)
{
	static const Good rows[] = {
		{"", ""},
		{"b=eq.1&a=eq.1", "a=eq.1&b=eq.1"},
		{"a=1&c=3&b=2&d", "a=1&b=2&c=3&d="},
		{"select=id,name&id=in.(1,2)", "id=in.%281%2C2%29&select=id%2Cname"},
		{"a=eq.2&b=eq.1&a=eq.1", "a=eq.2,eq.1&b=eq.1"},
		{"n=eq.a+b&m=eq.%2B", "m=eq.%2B&n=eq.a%20b"},
		{"%D9%87=eq.%c3%a4", "%D9%87=eq.%C3%A4"},
		{"a=-_.~&A=x", "A=x&a=-_.~"},
		{"a=eq.%22%0A%7f", "a=eq.%22%0A%7F"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Arena *arena = arena_new();
		Query query;
		Problem problem;

		if (CHECK(read_raw(arena, rows[i].raw, true, &query, &problem), "%s", rows[i].raw))
			CHECK(strcmp(query.canonical, rows[i].read) == 0, "%s: %s", rows[i].raw, query.canonical);
		arena_free(arena);
	}
}

/* Adds a text so many times. */
static void
repeat(Text *text, const char *what, int count)
{
	for (int i = 0; i < count; i++)
		text_put(text, what);
}

static void
bounds(void)
{
	static const struct
	{
		const char *before;
		const char *each;
		const char *after;
		const char *close;
		int allowed;
	} rows[] = {
		{"select=a", ",a", "", "", QUERY_ITEMS_MAX - 1},
		{"id=in.(1", ",1", ")", "", QUERY_ITEMS_MAX - 2},
		{"id=eq(any).{1", ",1", "}", "", QUERY_ITEMS_MAX - 2},
		{"", "a=eq.1&", "", "", QUERY_ITEMS_MAX},
		{"and=(a.eq.1", ",a.eq.1", ")", "", QUERY_ITEMS_MAX - 2},
		{"order=a", ",a", "", "", QUERY_ITEMS_MAX - 1},
		{"columns=a", ",a", "", "", QUERY_ITEMS_MAX - 1},
		{"select=a", "->b", "", "", QUERY_ITEMS_MAX - 1},
		{"select=", "a(", "b", ")", QUERY_DEPTH_MAX},
		{"and=(", "or(", "a.eq.1)", ")", QUERY_DEPTH_MAX - 2},
		{"", "a.", "b=eq.1", "", QUERY_DEPTH_MAX},
		{"", "a.", "or=(b.eq.1)", "", QUERY_DEPTH_MAX},
		{"", "a.", "limit=1", "", QUERY_DEPTH_MAX},
	};

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++)
	{
		size_t row = i / 2;
		int over = (int) i % 2;
		Arena *arena = arena_new();
		Query query;
		Problem problem = {.details = ""};
		Text text;

		text_begin(&text, arena);
		text_put(&text, rows[row].before);
		repeat(&text, rows[row].each, rows[row].allowed + over);
		text_put(&text, rows[row].after);
		repeat(&text, rows[row].close, rows[row].allowed + over);
		CHECK(read_raw(arena, text.data, false, &query, &problem) == (over == 0), "%s%s: %d too many: %s",
			  rows[row].before, rows[row].each, over, problem.details);
		CHECK(over == 0 || (strstr(problem.details, "too ") != NULL && strcmp(problem.code, "PGRST100") == 0), "%s",
			  problem.details);
		arena_free(arena);
	}
}

static void
lengths(void)
{
	Arena *arena = arena_new();
	Query query;
	Problem problem;
	Text text;

	text_begin(&text, arena);
	text_put(&text, "a=eq.");
	repeat(&text, "x", QUERY_LENGTH_MAX - 5);
	CHECK(read_raw(arena, text.data, false, &query, &problem));
	text_char(&text, 'x');
	CHECK(!read_raw(arena, text.data, false, &query, &problem) && strcmp(problem.code, "PGRST100") == 0);
	arena_free(arena);
}

/* No text of the greatest length may cost more than a moment: a quadratic parser would take seconds. */
static void
linear_time(void)
{
	static const char *const starts[] = {
		"select=", "id=in.(", "id=eq(any).", "or=(", "order=", "columns=", "", "a=like.", "on_conflict=", "and="};
	static const char *const pieces[] = {"a",    "(",     "\"",  "\"\\",       "\"\\,",   ",\"",         "a-",
										 "->",   "->>a",  "->1", "a:",         "!a",      " ",           "\\",
										 "{",    "{1,",   "a(",  "a,",         "a.eq.{,", "a.in.(",      "and(",
										 "not.", "...",   ".",   "a.b.",       "&",       ";",           "a=eq.1&",
										 "*",    "a::b",  "a::", "count()",    "%41",     "a.limit=1&",  "\xc3\xa4",
										 "{\"",  "{a,\"", ",",   "a.order=b&", "+",       "a.sum()::b,", "a b "};
	clock_t worst = 0;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
	{
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++)
		{
			Arena *arena = arena_new();
			Query query;
			Problem problem;
			Text text;
			clock_t began;

			text_begin(&text, arena);
			text_put(&text, starts[i]);
			repeat(&text, pieces[j], (int) ((QUERY_LENGTH_MAX - text.length) / strlen(pieces[j])));
			began = clock();
			(void) query_read(arena, text.data, text.length, i % 2 == 0, &query, &problem);
			began = clock() - began;
			CHECK(began < CLOCKS_PER_SEC / 4, "%s%s...: %ld ms", starts[i], pieces[j],
				  (long) (began * 1000 / CLOCKS_PER_SEC));
			worst = began > worst ? began : worst;
			arena_free(arena);
		}
	}
	printf("# the slowest took %ld microseconds\n", (long) (worst * 1000000 / CLOCKS_PER_SEC));
}

int
main(void)
{
	static const UnitCase cases[] = {
		{"conditions", conditions},
		{"is and full text searches", is_and_searches},
		{"lists and quantifiers", lists},
		{"what is no condition", no_conditions},
		{"selections", selections},
		{"what is no selection", no_selections},
		{"logic", logic},
		{"order", orders},
		{"columns, on_conflict, arguments of routines", columns_and_arguments},
		{"limit and offset", ranges},
		{"the canonical form", canonical},
		{"bounds", bounds},
		{"the longest query", lengths},
		{"linear time", linear_time},
	};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
