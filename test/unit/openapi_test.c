/*
 * openapi_test.c
 *		The OpenAPI document: PostgREST's shape, from a description of a schema.
 */
#include "unit.h"

#include "gateway/answer/openapi.h"
#include "gateway/answer/openapi_part.h"

static Arena *arena;

static const char description[] =
	"{\"description\": \"Twin API\\n\\nUnits and readings.\", \"relations\": ["
	"{\"name\": \"units\", \"description\": \"Thermal units\\n\\nOne row each.\", \"insert\": true, \"update\": true,"
	" \"delete\": false, \"columns\": ["
	"{\"name\": \"id\", \"type\": \"bigint\", \"nullable\": false, \"default\": "
	"\"nextval('units_id_seq'::regclass)\","
	" \"length\": null, \"enum\": null, \"description\": null, \"primary\": true, \"table\": null, \"column\": null},"
	"{\"name\": \"site\", \"type\": \"integer\", \"nullable\": false, \"default\": \"7\", \"length\": null, "
	"\"enum\": null,"
	" \"description\": \"Where it is\", \"primary\": false, \"table\": \"sites\", \"column\": \"id\"},"
	"{\"name\": \"state\", \"type\": \"api.state\", \"nullable\": true, \"default\": \"'on'::api.state\", "
	"\"length\": null,"
	" \"enum\": [\"on\", \"off\"], \"description\": null, \"primary\": false, \"table\": null, \"column\": null},"
	"{\"name\": \"label\", \"type\": \"character varying\", \"nullable\": true, \"default\": null, \"length\": 20,"
	" \"enum\": null, \"description\": null, \"primary\": false, \"table\": null, \"column\": null},"
	"{\"name\": \"tags\", \"type\": \"text[]\", \"nullable\": true, \"default\": null, \"length\": null, \"enum\": "
	"null,"
	" \"description\": null, \"primary\": false, \"table\": null, \"column\": null},"
	"{\"name\": \"extra\", \"type\": \"jsonb\", \"nullable\": true, \"default\": \"'{}'::jsonb\", \"length\": null,"
	" \"enum\": null, \"description\": null, \"primary\": false, \"table\": null, \"column\": null}]},"
	"{\"name\": \"a/b~c\", \"description\": null, \"insert\": false, \"update\": false, \"delete\": false, "
	"\"columns\": null}],"
	" \"routines\": ["
	"{\"name\": \"add\", \"description\": \"Adds\", \"volatile\": false, \"parameters\": ["
	"{\"name\": \"a\", \"type\": \"integer\", \"required\": true, \"variadic\": false},"
	"{\"name\": \"b\", \"type\": \"integer[]\", \"required\": false, \"variadic\": true}]},"
	"{\"name\": \"reset\", \"description\": null, \"volatile\": true, \"parameters\": null}]}";

static const OpenapiPlace place = {.host = "!4", .port = 3000, .version = "1.2"};

static json_t *
made(const OpenapiPlace *where)
{
	size_t length = 0;
	const char *text = openapi_document(arena, description, strlen(description), where, &length);
	json_t *document = NULL;

	if (CHECK(text != NULL && strlen(text) == length))
		document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json_is_object(document));
	return document;
}

/* The value at a path of names and indexes by blanks, as JSON text; "none" when there is none. */
static const char *
at(json_t *document, const char *path)
{
	char *names = arena_string(arena, path);
	char *text;
	const char *kept;

	for (char *name = strtok(names, " "); name != NULL; name = strtok(NULL, " "))
	{
		if (json_is_array(document))
			document = json_array_get(document, (size_t) atoi(name));
		else
			document = json_object_get(document, name);
	}
	if (document == NULL)
		return "none";
	text = json_dumps(document, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	kept = arena_string(arena, text);
	free(text);
	return kept;
}

#define AT(path, wanted) CHECK(strcmp(at(document, path), wanted) == 0, "%s: %s", path, at(document, path))

static void
head(void)
{
	json_t *document = made(&place);

	AT("swagger", "\"2.0\"");
	AT("info", "{\"description\":\"Units and readings.\",\"title\":\"Twin API\",\"version\":\"1.2\"}");
	AT("host", "\"0.0.0.0:3000\"");
	AT("basePath", "\"/\"");
	AT("schemes", "[\"http\"]");
	AT("securityDefinitions", "none");
	AT("security", "none");
	AT("consumes 1", "\"application/vnd.pgrst.object+json;nulls=stripped\"");
	AT("produces 3", "\"text/csv\"");
	json_decref(document);
}

static void
places(void)
{
	static const struct
	{
		OpenapiPlace place;
		const char *host;
		const char *base;
		const char *schemes;
	} wanted[] = {
		{{.host = "127.0.0.1", .port = 80, .is_tls = true, .version = "1"},
		 "\"127.0.0.1:80\"",
		 "\"/\"",
		 "[\"https\"]"},
		{{.host = "::1", .port = 80, .version = "1"}, "\"[::1]:80\"", "\"/\"", "[\"http\"]"},
		{{.host = NULL, .port = 80, .version = "1"}, "\"0.0.0.0:80\"", "\"/\"", "[\"http\"]"},
		{{.proxy_uri = "https://a.example/base", .version = "1"}, "\"a.example:443\"", "\"/base\"", "[\"https\"]"},
		{{.proxy_uri = "http://a.example", .version = "1"}, "\"a.example:80\"", "\"/\"", "[\"http\"]"},
		{{.proxy_uri = "https://a.example:8443", .version = "1"}, "\"a.example:8443\"", "\"/\"", "[\"https\"]"},
		{{.proxy_uri = "https://[::1]/x", .version = "1"}, "\"[::1]:443\"", "\"/x\"", "[\"https\"]"},
		{{.proxy_uri = "https://[::1]:8443/x", .version = "1"}, "\"[::1]:8443\"", "\"/x\"", "[\"https\"]"},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
	{
		json_t *document = made(&wanted[i].place);

		AT("host", wanted[i].host);
		AT("basePath", wanted[i].base);
		AT("schemes", wanted[i].schemes);
		json_decref(document);
	}
}

static void
security(void)
{
	json_t *document = made(&(OpenapiPlace){.host = "*", .port = 1, .version = "1", .security_active = true});

	AT("securityDefinitions JWT in", "\"header\"");
	AT("securityDefinitions JWT name", "\"Authorization\"");
	AT("securityDefinitions JWT type", "\"apiKey\"");
	AT("security", "[{\"JWT\":[]}]");
	json_decref(document);
}

static void
definitions(void)
{
	json_t *document = made(&place);

	AT("definitions units type", "\"object\"");
	AT("definitions units description", "\"Thermal units\\n\\nOne row each.\"");
	AT("definitions units required", "[\"id\",\"site\"]");
	AT("definitions units properties id",
	   "{\"description\":\"Note:\\nThis is a Primary Key.<pk/>\",\"format\":\"bigint\",\"type\":\"integer\"}");
	AT("definitions units properties site", "{\"default\":7,\"description\":\"Where it is\\n\\nNote:\\nThis is a "
											"Foreign Key to `sites.id`.<fk table='sites' "
											"column='id'/>\",\"format\":\"integer\",\"type\":\"integer\"}");
	AT("definitions units properties state",
	   "{\"default\":\"on\",\"enum\":[\"on\",\"off\"],\"format\":\"api.state\",\"type\":\"string\"}");
	AT("definitions units properties label",
	   "{\"format\":\"character varying\",\"maxLength\":20,\"type\":\"string\"}");
	AT("definitions units properties tags",
	   "{\"format\":\"text[]\",\"items\":{\"type\":\"string\"},\"type\":\"array\"}");
	AT("definitions units properties extra", "{\"format\":\"jsonb\"}");
	AT("definitions a/b~c", "{\"properties\":{},\"type\":\"object\"}");
	json_decref(document);
}

static void
paths(void)
{
	json_t *document = made(&place);

	AT("paths / get tags", "[\"Introspection\"]");
	AT("paths /units get tags", "[\"units\"]");
	AT("paths /units get summary", "\"Thermal units\"");
	AT("paths /units get description", "\"One row each.\"");
	AT("paths /units get parameters 0", "{\"$ref\":\"#/parameters/rowFilter.units.id\"}");
	AT("paths /units get parameters 12", "{\"$ref\":\"#/parameters/preferCount\"}");
	AT("paths /units get parameters 13", "none");
	AT("paths /units get responses", "{\"200\":{\"description\":\"OK\",\"schema\":{\"items\":{\"$ref\":\"#/"
									 "definitions/units\"},\"type\":\"array\"}},"
									 "\"206\":{\"description\":\"Partial Content\"}}");
	AT("paths /units post parameters", "[{\"$ref\":\"#/parameters/body.units\"},{\"$ref\":\"#/parameters/"
									   "select\"},{\"$ref\":\"#/parameters/preferPost\"}]");
	AT("paths /units post responses", "{\"201\":{\"description\":\"Created\"}}");
	AT("paths /units patch responses", "{\"204\":{\"description\":\"No Content\"}}");
	AT("paths /units delete", "none");
	AT("paths /a/b~c get parameters 0", "{\"$ref\":\"#/parameters/select\"}");
	AT("paths /a/b~c get responses 200 schema items", "{\"$ref\":\"#/definitions/a~1b~0c\"}");
	AT("paths /a/b~c post", "none");
	AT("paths /rpc/add get tags", "[\"(rpc) add\"]");
	AT("paths /rpc/add get parameters 0",
	   "{\"format\":\"integer\",\"in\":\"query\",\"name\":\"a\",\"required\":true,\"type\":\"integer\"}");
	AT("paths /rpc/add get parameters 1",
	   "{\"collectionFormat\":\"multi\",\"in\":\"query\",\"items\":{\"format\":\"integer\",\"type\":\"integer\"},"
	   "\"name\":\"b\",\"required\":false,\"type\":\"array\"}");
	AT("paths /rpc/add post parameters 0 schema required", "[\"a\"]");
	AT("paths /rpc/add post parameters 0 schema properties b",
	   "{\"format\":\"integer[]\",\"items\":{\"type\":\"integer\"},\"type\":\"array\"}");
	AT("paths /rpc/add post parameters 1", "{\"$ref\":\"#/parameters/preferParams\"}");
	AT("paths /rpc/reset get", "none");
	AT("paths /rpc/reset post parameters 0 schema", "{\"properties\":{},\"type\":\"object\"}");
	json_decref(document);
}

static void
parameters(void)
{
	json_t *document = made(&place);

	AT("parameters preferReturn enum", "[\"return=representation\",\"return=minimal\",\"return=none\"]");
	AT("parameters rangeUnit default", "\"items\"");
	AT("parameters limit", "{\"description\":\"Limiting and Pagination\",\"in\":\"query\",\"name\":\"limit\","
						   "\"required\":false,\"type\":\"string\"}");
	AT("parameters body.units", "{\"description\":\"units\",\"in\":\"body\",\"name\":\"units\",\"required\":false,"
								"\"schema\":{\"$ref\":\"#/definitions/units\"}}");
	AT("parameters rowFilter.units.site", "{\"description\":\"Where it is\",\"in\":\"query\",\"name\":\"site\","
										  "\"required\":false,\"type\":\"string\"}");
	json_decref(document);
}

static void
types(void)
{
	static const char *const wanted[][2] = {
		{"text", "string"},    {"boolean", "boolean"}, {"smallint", "integer"},
		{"bigint", "integer"}, {"numeric", "number"},  {"double precision", "number"},
		{"real", "number"},    {"uuid[]", "array"},    {"timestamp with time zone", "string"},
		{"[]", "string"},      {"", "string"},         {"twin.encrypted_text_eq", "string"}};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		CHECK(strcmp(part_type(wanted[i][0]), wanted[i][1]) == 0, "%s", wanted[i][0]);
	CHECK(part_type("json") == NULL && part_type("jsonb") == NULL);
}

static void
not_a_description(void)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"relations\":[]}",
		"{\"relations\":{},\"routines\":[]}",
		"{\"relations\":[{}],\"routines\":[]}",
		"{\"relations\":[1],\"routines\":[]}",
		"{\"relations\":[{\"name\":\"a\",\"columns\":[{\"name\":\"b\"}]}],\"routines\":[]}",
		"{\"relations\":[{\"name\":\"a\",\"columns\":[{\"type\":\"b\"}]}],\"routines\":[]}",
		"{\"relations\":[],\"routines\":[{}]}",
		"{\"relations\":[],\"routines\":[{\"name\":\"a\",\"volatile\":false,\"parameters\":[{\"name\":\"b\"}]}]}",
		"{\"relations\":[],\"routines\":[]",
	};
	size_t length;
	static const char empty[] = "{\"relations\":[],\"routines\":[]}";
	Text deep;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK(openapi_document(arena, texts[i], strlen(texts[i]), &place, &length) == NULL, "%s", texts[i]);
	CHECK(openapi_document(arena, empty, strlen(empty), &place, &length) != NULL);
	text_begin(&deep, arena);
	for (int i = 0; i < 5000; i++)
		text_put(&deep, "{\"relations\":[");
	CHECK(openapi_document(arena, deep.data, deep.length, &place, &length) == NULL);
}

static const UnitCase cases[] = {
	{"head", head},         {"where the API is", places},
	{"security", security}, {"definitions", definitions},
	{"paths", paths},       {"parameters", parameters},
	{"types", types},       {"what is no description", not_a_description},
};

int
main(void)
{
	int status;

	arena = arena_new();
	status = unit_run(cases, sizeof(cases) / sizeof(cases[0]));
	arena_free(arena);
	return status;
}
