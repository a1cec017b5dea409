/*
 * websocket.c
 *		The handshake of a WebSocket (RFC 6455, 4.2): who has a token may listen.
 *
 * The token comes as Authorization, as the cookie of a login (then Origin must
 * be this server's or on the list, since a browser sends cookies wherever a page
 * connects from), or, for browsers without cookies, as the subprotocol
 * "bearer.TOKEN" beside "twin.v1".  Never in the URL: URLs are written to logs.
 * It is verified as that of any request is, before anything is answered.
 */
#include "gateway/serve/call.h"

#include "gateway/parse/headers.h"
#include "gateway/answer/cors.h"

#include "common/encode.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#define PROTOCOL "twin.v1"
#define PROTOCOL_TOKEN "bearer."
#define COOKIE "__Host-twin_access"
#define KEY_SIZE 16
#define KEY_LENGTH 24 /* of that in base64 */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define SHA1_SIZE 20
#define WORD_MAX 8300 /* a token, and what stands in front of it */

static const char who_sql[] =
	"SELECT pg_catalog.to_char(pg_catalog.to_timestamp((twin.current_claims() ->> 'exp')::pg_catalog.float8) "
	"AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";

/* ---- what the client says ---- */

/* Calls for each word of a list with commas; returns the first that is taken. */
static const char *
find_word(Arena *arena, const char *list, bool (*wanted)(const char *word))
{
	while (list != NULL && *list != '\0')
	{
		size_t blanks = strspn(list, " \t,");
		size_t length = strcspn(list + blanks, " \t,");
		const char *word;

		list += blanks;
		if (length == 0 || length > WORD_MAX)
			return NULL;
		word = arena_copy(arena, list, length);
		if (wanted(word))
			return word;
		list += length;
	}
	return NULL;
}

static bool
is_upgrade(const char *word)
{
	return strcasecmp(word, "upgrade") == 0;
}

static bool
is_websocket(const char *word)
{
	return strcasecmp(word, "websocket") == 0;
}

static bool
is_protocol(const char *word)
{
	return strcmp(word, PROTOCOL) == 0;
}

static bool
holds_token(const char *word)
{
	/* public: the words before a token */
	return strncmp(word, PROTOCOL_TOKEN, sizeof(PROTOCOL_TOKEN) - 1) == 0;
}

static bool
is_bearer(const char *authorization)
{
	return authorization != NULL && strncasecmp(authorization, "bearer ", 7) == 0;
}

static const char *
cookie_of(const Call *call, const char *name)
{
	const char *header = request_header(call->http, "cookie");

	for (const Cookie *cookie = header != NULL ? cookies_read(call->arena, header) : NULL; cookie != NULL;
		 cookie = cookie->next)
		if (strcmp(cookie->name, name) == 0)
			return cookie->value;
	return NULL;
}

/* The token, from wherever it may come; NULL and a problem when there is none that may be used. */
static const char *
token_of(Call *call)
{
	const char *authorization = request_header(call->http, "authorization");
	const char *word = find_word(call->arena, request_header(call->http, "sec-websocket-protocol"), holds_token);
	const char *cookie = cookie_of(call, COOKIE);

	if (is_bearer(authorization))
		return authorization + 7 + strspn(authorization + 7, " ");
	if (word != NULL)
		return call->bearer = word + sizeof(PROTOCOL_TOKEN) - 1;
	if (cookie == NULL)
		(void) problem_set(&call->problem, 401, "PGRST302", "A token is needed", NULL, NULL);
	else if (!cors_is_trusted(call->config->server_cors_allowed_origins, request_header(call->http, "origin"),
							  request_header(call->http, "host"), call->http->is_tls, true))
		(void) problem_set(&call->problem, 403, "HTTP403", "Sessions cannot be used from pages of this origin", NULL,
						   NULL);
	else
		return cookie;
	return NULL;
}

/* Whether it is a handshake at all; a problem says what is missing. */
static bool
is_handshake(Call *call)
{
	const Request *http = call->http;
	const char *version = request_header(http, "sec-websocket-version");
	const char *key = request_header(http, "sec-websocket-key");

	if (strcmp(http->method, "GET") != 0)
		return problem_set(&call->problem, 405, "PGRST117", "Only GET opens a WebSocket", NULL, NULL);
	if (find_word(call->arena, request_header(http, "upgrade"), is_websocket) == NULL ||
		find_word(call->arena, request_header(http, "connection"), is_upgrade) == NULL)
		return problem_set(&call->problem, 426, "HTTP426", "Here is a WebSocket", NULL,
						   "Connect with a WebSocket client.");
	if (version == NULL || strcmp(version, "13") != 0)
		return problem_set(&call->problem, 426, "HTTP426", "Only version 13 of the protocol is spoken", NULL, NULL);
	if (key == NULL || strlen(key) != KEY_LENGTH)
		return problem_set(&call->problem, 400, "HTTP400", "Sec-WebSocket-Key is not 16 bytes in base64", NULL, NULL);
	if (!feed_has_room(call->gateway->feed))
		return problem_set(&call->problem, 503, "HTTP503", "No more WebSockets are taken", NULL, NULL);
	return true;
}

/* ---- the answers ---- */

static void
refuse(Call *call)
{
	Answer *answer = error_from_problem(call->arena, &call->problem, &call->side);

	if (call->problem.status == 426)
	{
		(void) answer_add(answer, "Upgrade", "websocket");
		(void) answer_add(answer, "Sec-WebSocket-Version", "13");
	}
	call_answer(call, answer);
}

/* base64(SHA-1(key and a fixed text)): proof that this is a WebSocket server and no other (4.2.2). */
static const char *
accept_of(const Call *call)
{
	char *accept = arena_alloc(call->arena, encode_base64_size(SHA1_SIZE) + 1);
	char text[KEY_LENGTH + sizeof(ACCEPT_GUID)];
	unsigned char digest[SHA1_SIZE];
	unsigned int length = 0;

	memcpy(text, request_header(call->http, "sec-websocket-key"), KEY_LENGTH);
	memcpy(text + KEY_LENGTH, ACCEPT_GUID, sizeof(ACCEPT_GUID));
	if (EVP_Digest(text, sizeof(text) - 1, digest, &length, EVP_sha1(), NULL) != 1 || length != SHA1_SIZE)
		return NULL;
	encode_base64(digest, SHA1_SIZE, accept);
	return accept;
}

/* The door has given the client away. */
static void
joined(void *argument, int fd)
{
	Call *call = argument;

	feed_join(call->gateway->feed, fd, call->token, call->welcome);
}

static void
let_in(Call *call, const char *expires)
{
	Text welcome;
	Header headers[3];
	int count = 0;
	const char *protocol = find_word(call->arena, request_header(call->http, "sec-websocket-protocol"), is_protocol);
	const char *accept = accept_of(call);

	if (accept == NULL)
	{
		(void) problem_set(&call->problem, 500, "XX000", "the handshake's digest could not be made", NULL, NULL);
		refuse(call);
		return;
	}
	text_begin(&welcome, call->arena);
	text_put(&welcome, "{\"type\":\"welcome\",\"user_id\":");
	if (call->user_id != NULL)
		text_json(&welcome, call->user_id);
	else
		text_put(&welcome, "null");
	text_put(&welcome, ",\"role\":");
	text_json(&welcome, call->role);
	text_put(&welcome, ",\"expires_at\":");
	if (expires != NULL)
		text_json(&welcome, expires);
	else
		text_put(&welcome, "null");
	text_char(&welcome, '}');
	call->welcome = welcome.data;
	headers[count++] = (Header){"Upgrade", "websocket"};
	headers[count++] = (Header){"Sec-WebSocket-Accept", accept};
	if (protocol != NULL)
		headers[count++] = (Header){"Sec-WebSocket-Protocol", PROTOCOL};
	call_end(call, 101);
	exchange_tunnel(call->exchange, headers, count, joined, call);
}

static void
came_back(void *argument, const PoolAnswer *answer)
{
	Call *call = argument;

	call->job = NULL;
	if (answer->result_count > 0)
		admission_take(call, answer->results[0]);
	if (answer->outcome != POOL_DONE)
		call_answer(call, transact_refusal(call, answer));
	else if (!call->side.is_authenticated)
	{
		(void) problem_set(&call->problem, 401, "PGRST302", "A token is needed", NULL, NULL);
		refuse(call);
	}
	else
		let_in(call, PQgetisnull(answer->results[1], 0, 0) ? NULL : PQgetvalue(answer->results[1], 0, 0));
}

static void
client_gone(void *argument)
{
	Call *call = argument;

	if (call->job == NULL)
		return;
	pool_cancel(call->job);
	call->job = NULL;
	call_answer(call, answer_new(call->arena, CALL_CLIENT_GONE));
}

void
websocket_handshake(Call *call)
{
	if (!is_handshake(call) || (call->token = token_of(call)) == NULL)
	{
		refuse(call);
		return;
	}
	admission_add(call);
	call->statements[call->statement_count++] = (PoolStatement){.sql = who_sql, .prepare = true};
	call->job =
		pool_run(call->gateway->pool, &(PoolRequest){.begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
													 .statements = call->statements,
													 .count = call->statement_count,
													 .callback = came_back,
													 .argument = call,
													 .client = call->http->client});
	exchange_on_gone(call->exchange, client_gone, call);
}
