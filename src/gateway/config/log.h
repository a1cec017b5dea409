/*
 * log.h
 *		One JSON object a line on standard error: of requests, and of the program
 *		itself.
 *
 * Never a token, password, cookie, body or query string's value: a request is
 * named by its route.  Strings of strangers are bounded and escaped; a line is
 * at most 4096 bytes and one write, so lines of several processes never mix.
 */
#ifndef GATEWAY_LOG_H
#define GATEWAY_LOG_H

#include "gateway/config/config.h"

/* What will be logged: events up to the level; requests: crit none, error those answered with 5xx, warn 4xx too, info all. */
extern void log_begin(LogLevel level);

/* Where to, in place of standard error: a file descriptor that stays open. */
extern void log_to(int fd);

/* An event of the program: {"time":...,"level":"info","event":"listening","port":3000}; fields: name, value, name, value, NULL (text). */
extern void log_event(LogLevel level, const char *event, ...) __attribute__((sentinel));

typedef struct LoggedRequest
{
	const char *request_id;
	const char *method;
	const char *route; /* "/units", "/rpc/login": the path without query */
	int status;
	int64_t microseconds;
	const char *role;    /* NULL when nobody */
	const char *user_id; /* NULL when nobody */
	const char *client_address;
	const char *code;     /* of the error; NULL when none */
	const char *error_id; /* given to the user for an error whose detail only the log has */
	const char *detail;   /* ... that detail */
	size_t bytes;         /* of the body sent */
} LoggedRequest;

extern void log_request(const LoggedRequest *request);

/* A random id of 16 hexadecimal digits, for requests and errors. */
extern void log_new_id(char id[17]);

#endif /* GATEWAY_LOG_H */
