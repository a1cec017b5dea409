/*
 * seeds.c
 *		Writes the inputs the fuzzers start from: valid values of every algorithm,
 *		flag and a few lengths, each as stored bytes, as armor and in both base64
 *		forms; texts that masks show something of; bcrypt hashes; tokens, what they are
 *		made of, and keys; messages, and names of topics; queries, headers, bodies and
 *		paths of the gateway, and what WebSocket clients say.
 *
 *		seeds FOLDER
 */
#include "common/address_set.h"
#include "common/archive_key.h"
#include "common/archive_tally.h"
#include "common/change.h"
#include "common/dropped.h"
#include "common/encode.h"
#include "common/envelope.h"
#include "common/event_record.h"
#include "common/leaf.h"
#include "common/leafset.h"
#include "common/manifest.h"
#include "common/note.h"
#include "common/spool.h"
#include "common/topic_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder;

static void
write_seed(const char *kind, unsigned number, const void *data, size_t length)
{
	char path[4096];
	FILE *file;

	(void) snprintf(path, sizeof(path), "%s/%s-%u", folder, kind, number);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(data, 1, length, file) != length || fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
}

static const char *const foreign_checks[] = {
	"SELECT 1 FROM ONLY \"a\".\"b\" x WHERE \"c\" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x",
	"SELECT 1 FROM \"a\".\"b\"\"\" x WHERE $1 OPERATOR(pg_catalog.=) \"c\" AND $2 OPERATOR(pg_catalog.=) \"d\" FOR "
	"KEY SHARE OF x",
};

static const char *const usernames[] = {"anna",
										"J\xc3\xbcrgen M\xc3\xbcller",
										"anna@example.org",
										"\xf0\x9f\x98\x80 \xe5\xbc\xa0",
										"a\xe2\x80\x8bz",
										" a",
										"\xed\xa0\x80",
										"\xf4\x90\x80\x80"};

static const char *const variables[] = {"JWT_ACCESS_TOKEN_EXPIRES", "ENCRYPTION_KEY", "TZ, SITE_NAME ,LC_ALL",
										"a_p_i__k_e_y", "postgresql://reader@db.example:5432/twin"};

static const char *const topics[] = {"alerts", "units.1", "units.*", "a.b-c_d:e.*", "readings.7.temperature"};
/* A format, a zero and what it was filled to. */
#define FILLING(text)                              \
	{                                              \
		(const uint8_t *) (text), sizeof(text) - 1 \
	}
static const Bytes fillings[] = {
	FILLING("permission denied for table %s\0permission denied for table units"),
	FILLING("new row violates policy \"%s\" for table \"%s\"\0new row violates policy \"a\" for table \"b\""),
	FILLING("must be owner of %s\0must be owner of "),
	FILLING("%s\0x"),
};
static const char *const networks[] = {
	"192.0.2.1",
	"::ffff:10.0.0.1",
	"local, 10.0.0.0/8,2001:db8::/32",
	"6.6.6.6, 192.0.2.1, 10.1.1.1",
	"[2001:db8::1]:4711",
	"192.0.2.1:99",
	"unknown, 10.1.1.1",
};

typedef struct SetBytes
{
	uint8_t bytes[1024];
	size_t length;
} SetBytes;

static void
put_run(void *argument, const uint8_t *bytes, size_t length)
{
	SetBytes *to = argument;

	memcpy(to->bytes + to->length, bytes, length);
	to->length += length;
}

/* Sets of no run, of one and of several. */
static void
write_leafset_seeds(void)
{
	for (unsigned runs = 0; runs < 5; runs++)
	{
		SetBytes set = {.length = LEAFSET_HEADER_SIZE};
		LeafSetWriter writer;

		leafset_begin(&writer, put_run, &set);
		for (unsigned i = 0; i < runs; i++)
			(void) leafset_add(&writer, 100 * (i + 1) * (i + 1), 1 + 50 * i);
		leafset_end(&writer, set.bytes);
		write_seed("leafset", runs, set.bytes, set.length);
	}
}

/* Records of blocked networks. */
static void
write_blocks(void)
{
	AddressEntry entries[] = {
		{.network = {4, 8, {10}}, .kind = ADDRESS_BLOCKED, .owner = 1, .until = INT64_MAX},
		{.network = {6, 64, {0x20, 0x01, 0x0d, 0xb8}}, .kind = ADDRESS_EXEMPT, .owner = UINT32_MAX, .until = -1},
	};
	uint8_t record[ADDRESS_RECORD_SIZE];

	for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
	{
		address_record_write(&entries[i], record);
		write_seed("address_set", i, record, sizeof(record));
	}
}

static const char *const routes[] = {"/rpc/login", "//rpc/%6cogin/", "/%00%2f%", "/units"};

static const char *const masked[] = {
	"email\njohn@example.com",
	"card\n4111-1111-1111-1111",
	"phone\n+49 (30) 1234-567",
	"name\nJohn Doe",
	"name\n\xc3\x96zil O'Brien",
	"ip\n2001:db8:1::5",
	"number(5000)\n-43210.55",
	"date(month)\n1985-05-17 10:00:00+00",
	"partial(2,4)\nABCDEFG\xe6\x9d\x8e\xf0\x9f\x98\x80HIJKL",
	"\n{\"a\": [1, null, {\"b\\\"\": \"c\"}], \"d\": true}",
};

static const char *const logged[] = {
	"\1pin_code\nALTER ROLE bob PASSWORD E'hun\\'ter2' -- it's\n",
	"\3\nhost=h password='hunter2' postgresql://u:p@h Authorization: Bearer abc {\"token\": {\"a\": [1]}}",
	"\2\nSQL statement \"SELECT login('x')\"\nPL/pgSQL function f() line 1",
	"\1\nDO $a$ BEGIN EXECUTE $b$x$b$; U&\"x\" := \"secret\"::text; END $a$ LANGUAGE plpgsql /* /* */ */",
	("\1\nSELECT '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW', eyJhbGciOi.eyJz.c2ln -----BEGIN "
	 "PRIVATE KEY-----"),
};

/* texts of an event, in the order of a leaf's, with zeros between */
static const char event_texts[] = "audit\0login_failure\0high\0failure\0a=b|c\\\0api.units\0001\0bob\0x\0y\0anna\0t"
								  "\000203.0.113.7\0psql\0r\0{\"a\": \"b]\", \"n\": [1, {\"c\": null}]}";

#define HEAD "HTTP/1.1\r\nHost: a\r\n"

static const char *const requests[] = {
	("GET /a?b=c " HEAD "\r\nGET http://a " HEAD "Connection: close\r\n\r\n"),
	("POST /x " HEAD "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET / HTTP/1.0\r\n\r\n"),
	("\r\nPUT /x " HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"),
	"OPTIONS * HTTP/1.1\r\nHost:\t[::1]:80 \r\nX-Y: b, c\r\nContent-Encoding: identity\r\n\r\n",
};

static const char *const hops[] = {
	"192.0.2.1, 10.0.0.1:80, [2001:db8::1]:443",
	"for=192.0.2.1;proto=https, For=\"[2001:db8::1]:4711\";by=10.0.0.1",
	"10.0.0.0/8, fd00::/8, unix, 127.0.0.1",
};

static const char *const hashes[] = {
	"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
	"$2b$12$......................E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
	"$2x$04$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
	"$2y$31$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
};

static const char *const tokens[] = {
	"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwNjB9.c1LROH7eNQwUT8KMVEO52VC3WZ9e_AnDWbZ7aMmowV8",
	"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k\"}",
	"{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false,\"x5t#S256\":\"a\"}",
	"{\"user_id\":\"7\",\"role\":\"viewer\",\"tenant_id\":3,\"iat\":1700000000,\"exp\":1700000060,\"jti\":\"j\","
	"\"iss\":\"us\",\"aud\":"
	"\"us\",\"typ\":\"access\",\"sid\":\"s\"}",
	"{\"who\":{\"id\":42},\"role\":[\"a\",\"operator\"],\"iat\":1700000000,\"exp\":1700000060,\"nbf\":1,\"aud\":["
	"\"a\"]}",
	"{\"user\":\"sub\",\"role\":[\"a\",\"b\"],\"tenant\":null,\"role_is\":\"database\",\"roles\":[\"r\"],\"require\":"
	"[\"exp\"],\"leeway\":5}",
};

static const char *const keys[] = {
	"{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"k\",\"use\":\"sig\",\"key_ops\":[\"verify\"],\"k\":"
	"\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}",
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY\",\"y\":"
	"\"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw\"}",
	"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\""
	"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn"
	"jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6q"
	"MQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awap"
	"JzKnqDKgw\"}",
};

static const char *const notifiers[] = {
	"{\"channels\": {\"a\": {\"type\": \"webhook\", \"url\": \"https://h/\", \"headers\": {\"X\": \"env_X\"}, "
	"\"secret\": \"s\"}}}",
	"{\"channels\": {\"a\": {\"type\": \"smtp\", \"host\": \"h\", \"from\": \"a@b\", \"to\": [\"c@d\"], \"port\": "
	"\"env_NO\"}}}",
	"{\"poll_interval\": 5, \"notifier\": \"n\", \"channels\": {\"a\": {\"type\": \"syslog\", \"transport\": "
	"\"unix\", \"path\": \"/l\"}}}",
};
static const char *const configs[] = {
	"# comment\ndb-uri = \"host=h user=u\" # more\nserver-port = 3000\ndb-plan-enabled = true\n",
	"server-cors-allowed-origins = \"https://a.example, http://[::1]:8080\"\napp.settings.x = \"\\u00e9\\n\"\n",
	"server-head-timeout = \"250ms\"\nserver-max-body = \"10MB\"\nserver-unix-socket-mode = \"660\"\nmax-rows = 5\n",
	"10.0.0.0/8,::1",
	"https://example.com:8443/base",
};

static const char *const errors[] = {
	"23505\nduplicate key\nKey (id)=(1) already exists.\nhint",
	"PT429\ntoo many requests\nretry after 17 seconds",
	"PGRST\n{\"code\":\"1\",\"message\":\"m\",\"details\":\"d\",\"hint\":\"h\"}\n{\"status\":418,\"status_text\":"
	"\"t\","
	"\"headers\":{\"X-A\":\"b\"}}",
	"TW507\nthe token has expired",
	"XX000\neyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl",
};

static const char *const responses[] = {
	"[{\"Set-Cookie\":\"a=1\"},{\"Cache-Control\":\"no-store\"}]",
	"418",
	"id=eq.1&name=eq.%C3%A9",
	"https://app.example.com",
	"Content-Type, X-CSRF-Token",
};

static const char *const descriptions[] = {
	"{\"description\":\"T\\n\\nD\",\"relations\":[{\"name\":\"a\",\"insert\":true,\"columns\":[{\"name\":\"b\","
	"\"type\":"
	"\"text[]\",\"nullable\":false,\"default\":\"'x'::text\",\"length\":5,\"enum\":[\"x\"],\"primary\":true,"
	"\"table\":"
	"\"t\",\"column\":\"c\"}]}],\"routines\":[{\"name\":\"f\",\"volatile\":false,\"parameters\":[{\"name\":\"p\","
	"\"type\":\"integer[]\",\"required\":true,\"variadic\":true}]}]}",
	"{\"relations\":[],\"routines\":[]}",
};
/* a byte for the method, then path, query, Prefer, Accept, body */
static const char *const plans[] = {
	"\x60"
	"projects\nselect=id,n:name::text,clients!inner(*,...client_details(address)),tasks(count)&clients.name=eq.x&"
	"order=clients(name).desc&limit=2"
	"\ncount=exact\ntext/csv",
	"\xe0"
	"projects\nselect=client_id,budget.sum(),...clients(name)&or=(id.gt.1,not.and(name.is.null,id.in.(1,2)))"
	"\ncount=planned\n*/*",
	"\x62"
	"items\nselect=*&columns=name,id&on_conflict=id\nresolution=merge-duplicates,missing=default,return="
	"representation\n\n[{\"id\":1,\"name\":\"a\"}]",
	"\x63"
	"items\nid=eq.1&data->a->>b=eq.x\nreturn=representation\n\n{\"name\":\"a\"}",
	"\x64"
	"plants\nsite=eq.1&line=eq.1\n\n\n{\"site\":1,\"line\":1}",
	"\x65"
	"items\nid=fts(english).x&tags=cs.{a}\nhandling=strict,max-affected=1",
	"\x60"
	"rpc/find_projects\nclient=1&select=name,tasks(name)&tasks=not.is.null&limit=1\ncount=exact",
	"\x62"
	"rpc/raw_json\n\n\n\n{\"a\":1}",
	"\xe0"
	"Odd \"name\"\nselect=\"a b\",x:\"quo\\\"te\"&\"select\"=like(any).{a*}\n\napplication/vnd.pgrst.plan+json; "
	"options=analyze",
	"\x60"
	"documents\nselect=data->a->b->>0,body->-1&prose=phfts.x&order=body->>k.asc.nullslast",
};

static const char *const queries[] = {
	"select=id,a:b->c->>0::int,...d!inner(*),e:f!g!left(h.sum()::text,count())&id=eq.1&order=a.desc.nullslast,f(b)",
	"and=(a.not.in.(1,\"b,c\"),or(b.like(any).{x*,*y},not.and(c.is.not_null,d.fts(english).z)))&rel.not.or=(a.eq.1)",
	"rel.limit=5&rel.offset=2&limit=10&offset=0&columns=a,b&on_conflict=id&\"q.n\"=plfts.a%20b",
	"a=eq(all).{1,NULL,\"x\"}&b=not.isdistinct.1&c=imatch.^x&d=adj.(1,2)&e=cs.{1}&f=is.null&v=1",
};

static const char *const headers[] = {
	"return=representation, count=exact; resolution=merge-duplicates, handling=strict, timezone=UTC, tx=rollback",
	"missing=default,max-affected=5,handling=lenient",
	"application/vnd.pgrst.plan+json; for=\"text/csv\"; options=analyze|wal;q=0.5, */*;q=0.1",
	"application/vnd.pgrst.object+json;nulls=stripped, application/vnd.pgrst.array",
	"__Host-session=a.b.c; csrf=d; e=\"f\"",
	"items=0-24",
};

static const char *const spoken[] = {
	"{\"type\": \"subscribe\", \"topics\": [\"units.1\", \"a\\\"b\\\\\"], \"ref\": \"7\"}",
	"{\"type\": \"unsubscribe\", \"topics\": [\"alerts\"]}",
};

static const char *const raised[] = {
	"no eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl, and eyJ. none",
	"eyJhbGciOiJIUzI1NiJ9eyJhbGciOiJIUzI1NiJ9",
};

/* a catalog of three relations, a view among them, and a function */
#define CATALOG_COLUMNS                                                                                             \
	"\"columns\":[{\"number\":1,\"name\":\"id\",\"type\":\"integer\",\"base\":\"integer\"},{\"number\":2,\"name\":" \
	"\"a\",\"type\":\"integer\",\"base\":\"integer\",\"enum\":[\"x\"]}]}"
static const char *const catalogs[] = {
	"{\"relations\":[{\"oid\":1,\"schema\":\"test\",\"name\":\"r\",\"kind\":\"r\",\"updates\":28," CATALOG_COLUMNS
	",{\"oid\":2,\"schema\":\"test\",\"name\":\"s\",\"kind\":\"r\"," CATALOG_COLUMNS
	",{\"oid\":3,\"schema\":\"test\",\"name\":\"v\",\"kind\":\"v\"," CATALOG_COLUMNS
	"],\"routines\":[{\"schema\":\"test\",\"name\":\"f\",\"base\":\"integer\",\"returns\":\"integer\",\"volatility\":"
	"\"s\",\"arguments\":[{\"name\":\"p\",\"type\":\"integer\",\"required\":true}],\"settings\":[\"a=b\"]}],"
	"\"keys\":[{\"table\":1,\"primary\":true,\"columns\":[1]},{\"table\":2,\"primary\":true,\"columns\":[1,2]}],"
	"\"foreign_keys\":[{\"name\":\"k\",\"table\":2,\"other\":1,\"columns\":[2],\"other_columns\":[1]},{\"name\":"
	"\"l\","
	"\"table\":2,\"other\":2,\"columns\":[1],\"other_columns\":[1]}],"
	"\"views\":[{\"oid\":3,\"rule\":\"({QUERY :targetList ({TARGETENTRY :resno 1 :resorigtbl 1 :resorigcol 1} "
	"{TARGETENTRY "
	":resno 2 :resorigtbl 2 :resorigcol 2})})\"}],"
	"\"computed\":[{\"schema\":\"test\",\"name\":\"c\",\"type\":\"text\",\"table\":1,\"other\":null},{\"schema\":"
	"\"test\","
	"\"name\":\"d\",\"table\":1,\"other\":2,\"single\":true}]}",
	"({QUERY :cteList ({A :targetList ({B :resno 9})}) :targetList ({T :expr {V :x \\) } :resno 1 :resorigtbl 5 "
	":resorigcol 7}))",
};

static const char *const bodies[] = {
	"[{\"a\":1,\"b\\u00e9\":[true,null,{}]},{\"a\":-1.5e+3,\"b\\ud83d\\ude00\":\"\\n\"}]",
	"{\"a\":{\"b\":[[]]},\"a\":false}",
	"a,\"b,c\"\r\n1,\"x\"\"y\"\r\nNULL,\r\n",
	"a=1&b=x+y&a=%C3%A4;c",
};

static void
write_export_seeds(void)
{
	for (unsigned i = 0; i < 3; i++)
	{
		ManifestHead head = {.first_leaf = i * 3, .leaves = i * 40000};
		SegmentHeader header = {i, i + 1};
		SegmentRecord record = {.leaf = bytes_of("abc", i)};
		uint8_t bytes[SEGMENT_HEADER_SIZE + SEGMENT_RECORD_SIZE + 2];
		char text[MANIFEST_HEAD_MAX + 6 * MANIFEST_FILE_MAX];
		size_t length = manifest_write_head(&head, text);
		uint64_t count = manifest_files(&head);

		segment_write_header(&header, bytes);
		segment_write_record(&record, bytes + SEGMENT_HEADER_SIZE);
		memcpy(bytes + SEGMENT_HEADER_SIZE + SEGMENT_RECORD_SIZE, "abc", i);
		write_seed("segment", i, bytes, sizeof(bytes) - 2 + i);
		for (uint64_t number = 0; number < count; number++)
		{
			ManifestFile file = {.bytes = number};
			SegmentHeader segment;

			manifest_file_name(&head, number, file.name, &segment);
			length += manifest_write_file(&file, number + 1 == count, text + length);
		}
		strcpy(text + length, MANIFEST_TAIL);
		write_seed("manifest", i, text, strlen(text));
	}
}

static void
write_dropped_seeds(void)
{
	for (unsigned i = 0; i < 3; i++)
	{
		DroppedRecord record = {.event_leaf = i,
								.event = bytes_of("event", 5),
								.set = bytes_of("set", i),
								.path = bytes_of("0123456789abcdef0123456789abcdef", i / 2 * DIGEST_SIZE),
								.note = bytes_of("note", i)};
		uint8_t bytes[256];
		uint8_t *at = bytes + DROPPED_HEADER_SIZE;
		const Bytes pieces[] = {record.event, record.set, record.path, record.note};

		dropped_write_header(bytes);
		dropped_write_record(&record, at);
		at += DROPPED_RECORD_SIZE;
		for (int j = 0; j < 4; j++)
		{
			memcpy(at, pieces[j].data, pieces[j].length);
			at += pieces[j].length;
		}
		write_seed("dropped", i, bytes, (size_t) (at - bytes));
	}
}

static void
write_spool_seeds(void)
{
	SpoolHeader header = {.cluster = 1, .database = 5, .stream = {2}, .after = 3, .server = "b"};
	HmacKey *key;
	uint8_t bytes[512];
	uint8_t *at = bytes + SPOOL_HEADER_SIZE;
	uint8_t entry[SPOOL_ENTRY_MAX];
	size_t length;
	SpoolChain chain;

	if (hmac_new(bytes_of("key", 3), &key) != TSEC_OK || spool_begin(&chain, key, &header, bytes) != TSEC_OK)
		abort();
	for (unsigned i = 0; i < 3; i++)
	{
		if (spool_add(&chain, bytes_of("record", 6), entry, &length) != TSEC_OK)
			abort();
		memcpy(at, entry, length);
		at += length;
		if (spool_end(&chain, at) != TSEC_OK)
			abort();
		write_seed("spool", i, bytes, (size_t) (at - bytes) + SPOOL_END_SIZE);
	}
	hmac_free(key);
}

/* What the audit log shows to others. */
static void
write_log_seeds(void)
{
	static const uint8_t seed[NOTE_SEED_SIZE] = {7};
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	uint8_t proof[17 + 3 * DIGEST_SIZE] = {[7] = 2, [15] = 5, [16] = 1};
	char text[NOTE_SIZE_MAX];

	for (unsigned i = 0; i < 3; i++)
	{
		Checkpoint checkpoint = {.origin = "a/b", .size = i * 1234567};
		Leaf leaf = {.flags = LEAF_HAS_PID, .event_id = 1000, .event_time = (int64_t) i << 50, .pid = 7};
		uint8_t bytes[200];

		if (note_sign(&checkpoint, seed, text) != TSEC_OK)
			exit(1);
		write_seed("note", i, text, strlen(text));
		leaf.text[LEAF_CLASS] = bytes_of("audit", 5);
		leaf.text[LEAF_DETAILS] = bytes_of("{\"a\": [1, \"\\u00e4\"]}", 21);
		if (i > 0)
			leaf.text[LEAF_COLUMNS] = bytes_of("\x00\x02\x01\x01\x01n\x04text\x0b\x00\x01u\x04uuid", 18);
		leaf.text[LEAF_ROW] = bytes_of("\x03\x01"
									   "a\x10"
									   "0123456789abcdef\xf5\xff",
									   i == 0 ? 0 : 22);
		leaf_encode(&leaf, bytes);
		write_seed("leaf", i, bytes, leaf_size(&leaf));
		write_seed("proof", i, proof, 17 + i * DIGEST_SIZE);
	}
	if (note_public_key(seed, public_key) != TSEC_OK || note_write_key("a/b", public_key, text) != TSEC_OK)
		exit(1);
	write_seed("note", 3, text, strlen(text));
}

/* Rows of one column of every form, with values and with marks. */
static void
write_change_seeds(void)
{
	for (unsigned form = CHANGE_TEXT; form < CHANGE_FORMS; form++)
	{
		uint8_t bytes[200];
		uint8_t columns[] = {0, 1, (uint8_t) form, CHANGE_KEY, 1, 'c', 1, 't'};
		uint8_t row[] = {CHANGE_OLD | CHANGE_NEW, 4, 0, 0, 0, 1, CHANGE_MARK_SAME};
		uint8_t marked[] = {CHANGE_NEW, (uint8_t) (CHANGE_MARK_NO_DIGEST + form % 2)};
		uint8_t *at = bytes;

		*at++ = CHANGE_VERSION;
		at = change_put_piece(at, columns, sizeof(columns));
		at = change_put_piece(at, row, sizeof(row));
		at = change_put_piece(at, marked, sizeof(marked));
		write_seed("change", form, bytes, (size_t) (at - bytes));
	}
}

static const char *const paths[] = {"/", "/units", "/rpc/login", "/Server%20Today", "/%D9%85/x"};

static uint8_t archive_seed[512];
static size_t archive_seed_length;

static void
take_archive(void *argument, Bytes bytes)
{
	(void) argument;
	memcpy(archive_seed + archive_seed_length, bytes.data, bytes.length);
	archive_seed_length += bytes.length;
}

/* Small archives: of rows plain, of leaves sealed under the key that the target tries; and a manifest. */
static void
write_archive_seeds(void)
{
	static const char row[] = "\0\0\0\1x\377\377\377\377";
	ArchiveManifest manifest = {
		.kind = ARCHIVE_ROWS, .database = "d", .schema = "s", .partition = "p", .relation = "s.p", .number = 1};
	char text[2048];
	size_t length;

	for (unsigned i = 0; i < 3; i++)
	{
		ArchiveHeader header = {i == 2 ? ARCHIVE_LEAVES : ARCHIVE_ROWS, i == 1, {i == 1}};
		uint8_t key[AEAD_KEY_SIZE] = {0};
		uint8_t record[ARCHIVE_GAP_SIZE];
		MerkleHash node = {{0}};
		ArchiveWriter *writer;

		archive_write_header(&header, key);
		archive_seed_length = 0;
		if (archive_writer_new(&header, key, take_archive, NULL, &writer) != TSEC_OK)
			exit(1);
		archive_put_head(i == 2 ? ARCHIVE_LEAF : ARCHIVE_ROW, sizeof(row) - 1, record);
		(void) archive_write(writer, record, ARCHIVE_RECORD_HEAD);
		(void) archive_write(writer, row, sizeof(row) - 1);
		archive_put_gap(0, &node, record);
		(void) archive_write(writer, record, i == 2 ? ARCHIVE_GAP_SIZE : 0);
		(void) archive_writer_end(writer);
		archive_writer_free(writer);
		write_seed("archive", i, archive_seed, archive_seed_length);
	}
	/* the target puts the beginning there */
	length = archive_manifest_write(&manifest, text, sizeof(text));
	write_seed("archive-manifest", 0, strstr(text, "\"time_column\""),
			   (size_t) (text + length - strstr(text, "\"time_column\"")));
	/* an identity, and lines of keys among which is its own */
	memset(text, 'i', ARCHIVE_IDENTITY_SIZE);
	memcpy(text + ARCHIVE_IDENTITY_SIZE, "# x\n", 4);
	archive_key_write((const uint8_t *) text, (const uint8_t[AEAD_KEY_SIZE]){1}, text + ARCHIVE_IDENTITY_SIZE + 4);
	write_seed("archive-keys", 0, text, ARCHIVE_IDENTITY_SIZE + 4 + ARCHIVE_KEY_TEXT);
}

int
main(int count, char **arguments)
{
	static const uint8_t flags[] = {0, ENVELOPE_HAS_BLIND_TAG, ENVELOPE_HAS_BLIND_TAG | ENVELOPE_IS_PROBE};
	uint8_t tag[BLIND_TAG_SIZE];
	uint8_t nonce[AEAD_NONCE_MAX];
	unsigned number = 0;

	if (count != 2)
		return 2;
	folder = arguments[1];
	memset(tag, 'b', sizeof(tag));
	memset(nonce, 'n', sizeof(nonce));
	for (size_t i = 0; i < 2 * sizeof(flags); i++)
	{
		AeadAlgorithm algorithm = i < sizeof(flags) ? AEAD_AES_256_GCM : AEAD_XAES_256_GCM;
		uint8_t flag = flags[i % sizeof(flags)]; /* an XAES probe is not valid, and a seed all the same */

		for (size_t plain = 0; plain < 5; plain++)
		{
			uint8_t value[ENVELOPE_OVERHEAD_MAX + 5];
			char text[2 * sizeof(value)];
			size_t length = envelope_size(algorithm, flag, plain);

			memset(value, 'c', sizeof(value));
			(void) envelope_write_header(value, algorithm, flag, 0x80ff0142u, tag, nonce);
			armor_write(bytes_of(value, length), text);
			write_seed("armor", number, text, armor_size(length));
			write_seed("value", number, value, length);
			encode_base64(value, length, text);
			write_seed("base64", number, text, encode_base64_size(length));
			encode_base64url(value, length, text);
			write_seed("base64url", number, text, encode_base64url_size(length));
			number++;
		}
	}
	for (unsigned i = 0; i < sizeof(foreign_checks) / sizeof(foreign_checks[0]); i++)
		write_seed("foreign_check", i, foreign_checks[i], strlen(foreign_checks[i]));
	for (unsigned i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		write_seed("variable", i, variables[i], strlen(variables[i]));
	for (unsigned i = 0; i < sizeof(usernames) / sizeof(usernames[0]); i++)
		write_seed("user_name", i, usernames[i], strlen(usernames[i]));
	for (unsigned i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
		write_seed("network", i, networks[i], strlen(networks[i]));
	write_blocks();
	for (unsigned i = 0; i < sizeof(fillings) / sizeof(fillings[0]); i++)
		write_seed("filled", i, fillings[i].data, fillings[i].length);
	for (unsigned i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		write_seed("route", i, routes[i], strlen(routes[i]));
	for (unsigned i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
		write_seed("mask", i, masked[i], strlen(masked[i]));
	write_seed("siem", 0, event_texts, sizeof(event_texts) - 1);
	for (unsigned i = 0; i < sizeof(logged) / sizeof(logged[0]); i++)
		write_seed("redact", i, logged[i], strlen(logged[i]));
	for (number = 0; number < EVENT_TEXTS; number++)
	{
		EventRecord record = {.severity = EVENT_HIGH, .event_time = 7};
		uint8_t encoded[EVENT_RECORD_MAX];

		for (unsigned i = 0; i <= number; i++)
			record.text[i] = bytes_of("{\"a\": \"b\"}", i + 1);
		write_seed("event", number, encoded, event_record_encode(&record, encoded));
	}
	for (unsigned i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
	{
		TopicMessage message = {.has_tenant = i % 2,
								.tenant = i % 2 * 7,
								.is_bound = i % 3 == 0,
								.is_change = i % 4 == 0,
								.is_of_all = i % 2 == 0};
		uint8_t encoded[TOPIC_MESSAGE_MAX];

		message.topic = bytes_of(topics[i], strlen(topics[i]));
		message.payload = bytes_of("{\"a\": [1, \"\\\"\"]}", 16);
		write_seed("topic_message", 2 * i, topics[i], strlen(topics[i]));
		topic_message_encode(&message, encoded);
		write_seed("topic_message", 2 * i + 1, encoded, topic_message_size(&message));
	}
	for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		write_seed("gate", i, requests[i], strlen(requests[i]));
	for (unsigned i = 0; i < sizeof(hops) / sizeof(hops[0]); i++)
		write_seed("address", i, hops[i], strlen(hops[i]));
	for (unsigned i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		write_seed("bcrypt", i, hashes[i], strlen(hashes[i]));
	for (unsigned i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		write_seed("jwt", i, tokens[i], strlen(tokens[i]));
	for (unsigned i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		write_seed("query", i, queries[i], strlen(queries[i]));
	for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		write_seed("headers", i, headers[i], strlen(headers[i]));
	for (unsigned i = 0; i < sizeof(spoken) / sizeof(spoken[0]); i++)
		write_seed("words", i, spoken[i], strlen(spoken[i]));
	for (unsigned i = 0; i < sizeof(raised) / sizeof(raised[0]); i++)
		write_seed("scrub", i, raised[i], strlen(raised[i]));
	for (unsigned i = 0; i < sizeof(catalogs) / sizeof(catalogs[0]); i++)
		write_seed("schema", i, catalogs[i], strlen(catalogs[i]));
	for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		write_seed("body", i, bodies[i], strlen(bodies[i]));
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		write_seed("url", i, paths[i], strlen(paths[i]));
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		write_seed("jwk", i, keys[i], strlen(keys[i]));
	for (unsigned i = 0; i < sizeof(configs) / sizeof(configs[0]); i++)
		write_seed("config", i, configs[i], strlen(configs[i]));
	for (unsigned i = 0; i < sizeof(notifiers) / sizeof(notifiers[0]); i++)
		write_seed("notifier", i, notifiers[i], strlen(notifiers[i]));
	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		write_seed("error", i, errors[i], strlen(errors[i]));
	for (unsigned i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
		write_seed("respond", i, responses[i], strlen(responses[i]));
	for (unsigned i = 0; i < sizeof(descriptions) / sizeof(descriptions[0]); i++)
		write_seed("openapi", i, descriptions[i], strlen(descriptions[i]));
	for (unsigned i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		write_seed("plan", i, plans[i], strlen(plans[i]));
	write_change_seeds();
	write_leafset_seeds();
	write_dropped_seeds();
	write_spool_seeds();
	write_log_seeds();
	write_export_seeds();
	write_archive_seeds();
	return 0;
}
