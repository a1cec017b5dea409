/*
 * refuse.c
 *		What the door itself says to a client, in the shape of PostgREST's errors.
 *
 * The code is HTTP and the status; the message is fixed text.  Nothing of the
 * request is repeated.
 */
#include "gateway/http/door.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *
phrase_of(int status)
{
	switch (status)
	{
		case 400:
			return "Bad Request";
		case 408:
			return "Request Timeout";
		case 413:
			return "Content Too Large";
		case 414:
			return "URI Too Long";
		case 415:
			return "Unsupported Media Type";
		case 417:
			return "Expectation Failed";
		case 431:
			return "Request Header Fields Too Large";
		case 501:
			return "Not Implemented";
		case 503:
			return "Service Unavailable";
		case 505:
			return "HTTP Version Not Supported";
		default:
			return "Internal Server Error";
	}
}

size_t
refusal_write(char *to, size_t size, int status, const char *why, bool with_body)
{
	char body[256];
	char date[64];
	time_t now = time(NULL);
	struct tm utc;
	int length;

	/* public: fixed text, which JSON takes as it is */
	length = snprintf(body, sizeof(body), "{\"code\":\"HTTP%d\",\"message\":\"%s\",\"details\":null,\"hint\":null}",
					  status, why);
	(void) strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
	length = snprintf(
		to, size,
		"HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n"
		"Content-Length: %d\r\nProxy-Status: PostgREST; error=HTTP%d\r\n%s\r\n%s",
		status, phrase_of(status), date, length, status, status == 503 ? "Retry-After: 1\r\n" : "",
		with_body ? body : "");
	return (size_t) length < size ? (size_t) length : size - 1;
}

void
door_refuse(Connection *connection, int status, const char *why)
{
	const Buffer *in = &connection->in;
	bool is_head = connection->exchange != NULL
					   ? connection->exchange->is_head
					   /* public: a method */
					   : in->end - in->begin > 4 && memcmp(in->data + in->begin, "HEAD ", 5) == 0;
	char text[REFUSAL_SIZE];

	exchange_free(connection->exchange);
	connection->exchange = NULL;
	connection->is_last = true;
	connection->state = STATE_ANSWERING;
	buffer_add(&connection->out, text, refusal_write(text, sizeof(text), status, why, !is_head));
	door_set_deadline(connection, connection->server->options.answer_timeout);
	server_refused(connection, status, why);
}
