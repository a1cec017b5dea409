/*
 * http.h
 *		What the gateway's benchmark clients share: a socket to it, and one answer
 *		after the other.
 *
 * The token comes from the environment (BENCH_TOKEN): arguments are seen by
 * everybody on the machine.  A client that cannot go on says why and ends.
 */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t) 65536)

static void
give_up(const char *what)
{
	(void) fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* A connection to a port of this machine. */
static int
dial(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
		give_up("connect");
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void
say(int fd, const char *text, size_t length)
{
	if (send(fd, text, length, MSG_NOSIGNAL) != (ssize_t) length)
		give_up("send");
}

/* Sends GET path with further header lines, and the token where there is one. */
static inline void
ask(int fd, const char *path, const char *headers)
{
	const char *token = getenv("BENCH_TOKEN");
	char text[16384];
	int length = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: bench\r\n%s%s%s%s\r\n", path,
						  token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "",
						  token != NULL ? "\r\n" : "", headers);

	if (length < 0 || (size_t) length >= sizeof(text))
		give_up("a request is too long");
	say(fd, text, (size_t) length);
}

/* The length of the whole answer at the beginning of what was read; 0 while its head is not there. */
static inline size_t
answer_length(const char *text, size_t length)
{
	const char *end = memmem(text, length, "\r\n\r\n", 4);
	const char *size = end != NULL ? memmem(text, (size_t) (end - text) + 2, "\r\nContent-Length: ", 18) : NULL;

	if (end == NULL)
		return 0;
	return (size_t) (end - text) + 4 + (size != NULL ? strtoul(size + 18, NULL, 10) : 0);
}

#endif /* BENCH_HTTP_H */
