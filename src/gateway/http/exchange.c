/*
 * exchange.c
 *		One request as the handler sees it, and what the handler says to it.
 *
 * The head was judged, so it is only taken apart here, in one copy that the
 * request's strings point into.  What the handler gives is judged as well:
 * nothing of it may add a line to the answer's head.
 */
#include "gateway/http/door.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_BODY ((size_t) 16384) /* reserved at first: a length that was promised costs nothing */
#define UPGRADE_HEAD_MAX 4096

/* ---- the request ---- */

const char *
request_header(const Request *request, const char *name)
{
	for (int i = 0; i < request->header_count; i++)
	{
		if (strcmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	}
	return NULL;
}

/* Takes the header lines apart; each loses its line end and its colon to zeros. */
static void
read_fields(Request *request, char *head, size_t length, size_t fields)
{
	Header *headers;
	GateField field;
	int count = 0;

	for (size_t at = fields; at < length; at++)
		count += head[at] == '\n';
	request->headers = headers = arena_alloc(request->arena, (size_t) count * sizeof(Header));
	for (size_t at = fields; gate_field(head, length, &at, &field);)
	{
		char *name = head + (field.name - head);

		for (size_t i = 0; i < field.name_length; i++)
		{
			if (name[i] >= 'A' && name[i] <= 'Z')
				name[i] = (char) (name[i] + ('a' - 'A'));
		}
		name[field.name_length] = '\0';
		head[field.value - head + (ptrdiff_t) field.value_length] = '\0';
		headers[request->header_count++] = (Header){field.name, field.value};
	}
}

/* Splits the target; one that came with scheme and authority may have neither path nor slash left. */
static void
read_target(Request *request, char *target)
{
	char *question;

	if (target[0] == '\0')
		target = arena_string(request->arena, strcmp(request->method, "OPTIONS") == 0 ? "*" : "/");
	else if (target[0] == '?')
		target = arena_format(request->arena, "/%s", target);
	request->target = target;
	question = strchr(target, '?');
	request->query = question != NULL ? question + 1 : "";
	request->path =
		question != NULL ? arena_copy(request->arena, target, (size_t) (question - target)) : request->target;
}

/* All values of a header, in order. */
static int
values_of(const Request *request, const char *name, const char **values)
{
	int count = 0;

	for (int i = 0; i < request->header_count; i++)
	{
		if (strcmp(request->headers[i].name, name) == 0)
			values[count++] = request->headers[i].value;
	}
	return count;
}

/*
 * Says who the client is: the peer, or whom a trusted peer names.  Forwarded counts only where a proxy wrote no
 * X-Forwarded-For: many leave the other header as the client sent it.
 */
static void
read_client(const Connection *connection, Request *request)
{
	const Networks *trusted = connection->server->trusted;
	bool known = connection->has_address;
	Address client = connection->address;

	request->is_tls = connection->tls != NULL;
	if (connection->is_trusted)
	{
		const char **values = arena_alloc(request->arena, (size_t) (request->header_count + 1) * sizeof(char *));
		int count = values_of(request, "x-forwarded-for", values);
		bool is_forwarded = count == 0;

		if (is_forwarded)
			count = values_of(request, "forwarded", values);
		known = forwarded_for(trusted, values, count, is_forwarded, &client) || known;
		count = values_of(request, "x-forwarded-proto", values);
		if (count > 0)
			request->is_tls = forwarded_https(values, count, false);
		else if (is_forwarded && (count = values_of(request, "forwarded", values)) > 0)
			request->is_tls = request->is_tls || forwarded_https(values, count, true);
	}
	request->client = known ? address_client(&client) : ADDRESS_CLIENT_NONE;
	if (known)
	{
		char *text = arena_alloc(request->arena, ADDRESS_TEXT_SIZE);

		address_write(&client, text);
		request->client_address = text;
	}
}

Exchange *
exchange_begin(Connection *connection, const char *data, size_t length)
{
	const GateHead *head = gate_head(connection->gate);
	Arena *arena = arena_new();
	Exchange *exchange = arena_alloc(arena, sizeof(Exchange));
	Request *request = &exchange->request;
	char *copy = arena_copy(arena, data, length);

	request->arena = arena;
	copy[head->method + head->method_length] = '\0';
	copy[head->target + head->target_length] = '\0';
	request->method = copy + head->method;
	/* public: a method */
	exchange->is_head = strcmp(request->method, "HEAD") == 0;
	read_fields(request, copy, length, head->fields);
	read_target(request, copy + head->target);
	read_client(connection, request);
	request->body = "";
	request->began_at = connection->began_at;
	exchange->connection = connection;
	return exchange;
}

void
exchange_add_body(Exchange *exchange, const char *data, size_t length)
{
	Request *request = &exchange->request;

	if (length >= exchange->body_size - request->body_length)
	{
		size_t size = exchange->body_size > 0 ? exchange->body_size : FIRST_BODY;

		while (size - request->body_length <= length)
			size *= 2;
		exchange->body = realloc(exchange->body, size);
		if (exchange->body == NULL)
			abort(); /* as arena.c does */
		exchange->body_size = size;
		request->body = exchange->body;
	}
	memcpy(exchange->body + request->body_length, data, length);
	request->body_length += length;
	exchange->body[request->body_length] = '\0';
}

void
exchange_free(Exchange *exchange)
{
	if (exchange == NULL)
		return;
	free(exchange->body);
	arena_free(exchange->request.arena);
}

const Request *
exchange_request(const Exchange *exchange)
{
	return &exchange->request;
}

void
exchange_on_gone(Exchange *exchange, void (*gone)(void *argument), void *argument)
{
	exchange->gone = gone;
	exchange->gone_argument = argument;
	if (exchange->connection == NULL && gone != NULL)
		gone(argument);
}

/* ---- the answer ---- */

static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (((unsigned char) *text < 0x20 && *text != '\t') || *text == 0x7f)
			return false;
	}
	return true;
}

static bool
is_name(const char *name)
{
	return *name != '\0' &&
		   name[strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] ==
			   '\0';
}

/* Headers that say where the answer ends and what becomes of the connection: they are ours to write. */
static bool
is_ours(const char *name)
{
	static const char *const ours[] = {"connection", "content-length",   "transfer-encoding",
									   "keep-alive", "proxy-connection", "trailer"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
	{
		if (strcasecmp(name, ours[i]) == 0)
			return true;
	}
	return false;
}

/* Copies the headers that are to be sent; NULL and why when they cannot be. */
static Header *
judge_headers(Exchange *exchange, const Header *headers, int count, size_t most, int *kept, const char **why)
{
	Header *chosen = arena_alloc(exchange->request.arena, ((size_t) count + 1) * sizeof(Header));
	size_t size = 0;

	*kept = 0;
	for (int i = 0; i < count; i++)
	{
		if (!is_name(headers[i].name) || !is_plain(headers[i].value))
		{
			*why = "answer has a malformed header";
			return NULL;
		}
		if (headers[i].value[0] == '\0' || is_ours(headers[i].name))
			continue;
		size += strlen(headers[i].name) + strlen(headers[i].value) + 4;
		chosen[(*kept)++] = headers[i];
	}
	exchange->head_size = size;
	if (size <= most)
		return chosen;
	*why = "answer has too many headers";
	return NULL;
}

/* An exchange whose client has gone ends with its answer. */
static bool
has_gone(Exchange *exchange)
{
	if (exchange->connection != NULL)
		return false;
	exchange_free(exchange);
	return true;
}

void
exchange_answer(Exchange *exchange, int status, const char *reason, const Header *headers, int header_count,
				const char *body, size_t body_length)
{
	Connection *connection = exchange->connection;
	const char *why = "answer has a malformed status";

	if (has_gone(exchange))
		return;
	exchange->status = status;
	exchange->reason = reason != NULL && reason[0] != '\0' ? reason : NULL;
	exchange->answer = body;
	exchange->answer_length = body_length;
	exchange->headers = judge_headers(exchange, headers, header_count, answers_max_head(connection->server->answers),
									  &exchange->header_count, &why);
	if (connection->server->is_draining)
		connection->is_last = true;
	if (exchange->headers == NULL || status < 200 || status > 999 ||
		(exchange->reason != NULL && (!is_plain(exchange->reason) || strlen(exchange->reason) > 1024)))
		door_refuse(connection, 500, why);
	else if (!answer_begin(connection))
		door_refuse(connection, 503, "no descriptors are left");
	else
	{
		connection->state = STATE_ANSWERING;
		door_set_deadline(connection, connection->server->options.answer_timeout);
		return; /* the rest happens once libmicrohttpd has written */
	}
	if (!connection->is_pumping)
		door_pump(connection);
}

void
exchange_tunnel(Exchange *exchange, const Header *headers, int header_count, TunnelReady ready, void *argument)
{
	Connection *connection = exchange->connection;
	const char *why = NULL;
	int ends[2] = {-1, -1};
	int kept;
	Header *chosen;

	if (connection == NULL)
	{
		ready(argument, -1);
		exchange_free(exchange);
		return;
	}
	chosen = judge_headers(exchange, headers, header_count, UPGRADE_HEAD_MAX, &kept, &why);
	if (chosen == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
	{
		ready(argument, -1);
		door_refuse(connection, why != NULL ? 500 : 503, why != NULL ? why : "no descriptors are left");
	}
	else
	{
		Text head;

		text_begin(&head, exchange->request.arena);
		text_put(&head, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n");
		for (int i = 0; i < kept; i++)
			text_format(&head, "%s: %s\r\n", chosen[i].name, chosen[i].value);
		text_put(&head, "\r\n");
		buffer_add(&connection->out, head.data, head.length);
		gate_tunnel(connection->gate);
		connection->tunnel = ends[0];
		connection->state = STATE_TUNNEL;
		connection->exchange = NULL;
		ready(argument, ends[1]);
		exchange_free(exchange);
	}
	if (!connection->is_pumping)
		door_pump(connection);
}
