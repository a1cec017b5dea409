/*
 * gateway_crowd.c
 *		Many sockets at once.
 *
 *		gateway_crowd drip PORT SOCKETS			heads that come a byte every second, anew when one is refused
 *		gateway_crowd idle PORT SOCKETS PATH	one request each, then silence
 *		gateway_crowd busy PORT SOCKETS PATH REQUESTS	so many requests, then the end
 *
 * Prints a line when all are there or all is done; drip and idle stay until the
 * gateway has gone.
 */
#define _GNU_SOURCE

#include "http.h"

#define SOCKETS_MAX 4096
#define TURNS 20 /* a second: in each a part of the sockets has its turn */

static struct pollfd polls[SOCKETS_MAX];

/* Whether a socket was closed by the other side, or has been told why it will be. */
static bool
is_over(int fd)
{
	char text[4096];
	ssize_t count = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	return count >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static void
drip(const char *port, int count)
{
	static const char start[] = "GET /units HTTP/1.1\r\nHost: bench\r\nX-Slow: ";

	for (int turn = 0; poll(NULL, 0, 1000 / TURNS) == 0; turn = (turn + 1) % TURNS)
		for (int i = turn; i < count; i += TURNS)
		{
			if (is_over(polls[i].fd) || send(polls[i].fd, "a", 1, MSG_NOSIGNAL) != 1)
			{
				(void) close(polls[i].fd);
				polls[i].fd = dial(port);
				say(polls[i].fd, start, sizeof(start) - 1);
			}
		}
}

static void
take_answer(int fd)
{
	static char answer[ANSWER_MAX];
	size_t got = 0;

	while (got == 0 || answer_length(answer, got) == 0 || got < answer_length(answer, got))
	{
		ssize_t more = recv(fd, answer + got, sizeof(answer) - got, 0);

		if (more <= 0)
			give_up("an answer did not come");
		got += (size_t) more;
	}
	if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
	{
		(void) fprintf(stderr, "%.*s\n", (int) got, answer);
		exit(1);
	}
}

/* Each in turn, a part of them with a request on its way at once. */
static void
ask_all(const char *path, int count, long requests)
{
	const int part = count < 100 ? count : 100;

	for (long sent = 0; sent < requests; sent += part)
	{
		for (long i = sent; i < sent + part; i++)
			ask(polls[i % count].fd, path, "");
		for (long i = sent; i < sent + part; i++)
			take_answer(polls[i % count].fd);
	}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";
	bool drips = argc == 4 && strcmp(what, "drip") == 0;
	bool asks_on = argc == 6 && strcmp(what, "busy") == 0;
	int count = argc > 3 ? atoi(argv[3]) : 0;

	if (count < 1 || count > SOCKETS_MAX || !(drips || asks_on || (argc == 5 && strcmp(what, "idle") == 0)))
	{
		(void) fprintf(stderr, "usage: gateway_crowd drip PORT SOCKETS | idle PORT SOCKETS PATH | "
							   "busy PORT SOCKETS PATH REQUESTS\n");
		return 2;
	}
	for (int i = 0; i < count; i++)
		polls[i] = (struct pollfd){.fd = dial(argv[2]), .events = POLLIN};
	if (!drips)
		ask_all(argv[4], count, asks_on ? atol(argv[5]) : count);
	(void) printf("%d\n", count);
	(void) fflush(stdout);
	if (asks_on)
		return 0;
	if (drips)
		drip(argv[2], count);
	(void) poll(polls, (nfds_t) count, -1);
	return 0;
}
