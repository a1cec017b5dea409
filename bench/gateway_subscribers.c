/*
 * gateway_subscribers.c
 *		WebSockets that subscribe to one topic, and how long its messages took to
 *		reach them all.
 *
 *		gateway_subscribers PORT SOCKETS TOPIC MESSAGES
 *
 * Each of MESSAGES says in payload.at, in seconds of the epoch, when it was
 * published.  Prints "ready" when everybody is subscribed; then, when all have
 * everything or nothing has come for five seconds, "deliveries lost a_second p50
 * p99", the last two in milliseconds.
 */
#define _GNU_SOURCE

#include "http.h"
#include "timing.h"

#define SOCKETS_MAX 1024
#define SILENCE 5000 /* milliseconds */

typedef struct Subscriber
{
	size_t got;
	char data[ANSWER_MAX];
} Subscriber;

static Subscriber *subscribers;
static struct pollfd polls[SOCKETS_MAX];
static double *times;
static size_t time_count;
static size_t time_most;
static int subscribed;

static double
wall(void)
{
	struct timespec t;

	(void) clock_gettime(CLOCK_REALTIME, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* What the server says: messages of the topic count, and that one is subscribed. */
static void
hear(const char *text, size_t length)
{
	const char *at = memmem(text, length, "\"at\": ", 6);

	if (memmem(text, length, "\"type\":\"subscribed\"", 19) != NULL)
		subscribed++;
	else if (at != NULL && time_count < time_most)
		times[time_count++] = (wall() - strtod(at + 6, NULL)) * 1000;
}

/* Takes frames apart; a server's are not masked (RFC 6455, 5.2). */
static void
take(int i)
{
	Subscriber *subscriber = &subscribers[i];
	unsigned char *data = (unsigned char *) subscriber->data;
	ssize_t count = recv(polls[i].fd, data + subscriber->got, ANSWER_MAX - subscriber->got, 0);
	size_t at = 0;

	if (count <= 0)
		give_up("a subscriber lost its connection");
	subscriber->got += (size_t) count;
	while (subscriber->got - at >= 2)
	{
		size_t length = data[at + 1] & 0x7f;
		size_t head = 2;

		if (length == 126)
		{
			if (subscriber->got - at < 4)
				break;
			length = (size_t) data[at + 2] << 8 | data[at + 3];
			head = 4;
		}
		if (length > ANSWER_MAX / 2)
			give_up("a message is too long");
		if (subscriber->got - at < head + length)
			break;
		if ((data[at] & 0x0f) == 1)
			hear(subscriber->data + at + head, length);
		at += head + length;
	}
	memmove(data, data + at, subscriber->got - at);
	subscriber->got -= at;
}

/* Shakes hands and subscribes; the mask of the message is zero, so it is sent as it is. */
static int
join(const char *port, const char *topic)
{
	char text[1024];
	char frame[256] = {(char) 0x81};
	size_t got = 0;
	int fd = dial(port);
	int length = snprintf(frame + 6, sizeof(frame) - 6, "{\"type\":\"subscribe\",\"topics\":[\"%s\"]}", topic);

	if (length < 0 || length > 125)
		give_up("the topic is too long");
	frame[1] = (char) (0x80 | length);
	ask(fd, "/ws",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: YmVuY2htYXJrIGNsaWVudA==\r\n");
	/* byte by byte: what follows the head is a frame */
	while (got < 4 || memcmp(text + got - 4, "\r\n\r\n", 4) != 0)
	{
		if (got == sizeof(text) || recv(fd, text + got, 1, 0) != 1)
			give_up("handshake");
		got++;
	}
	if (strncmp(text, "HTTP/1.1 101", 12) != 0)
	{
		(void) fprintf(stderr, "%.*s\n", (int) got, text);
		exit(1);
	}
	say(fd, frame, (size_t) length + 6);
	return fd;
}

/* Takes what comes until a count is reached; false when nothing came for too long. */
static bool
listen_to(int sockets, const int *few, const size_t *many, size_t wanted)
{
	while ((few != NULL ? (size_t) *few : *many) < wanted)
	{
		if (poll(polls, (nfds_t) sockets, SILENCE) <= 0)
			return false;
		for (int i = 0; i < sockets; i++)
			if (polls[i].revents != 0)
				take(i);
	}
	return true;
}

int
main(int argc, char **argv)
{
	int sockets = argc == 5 ? atoi(argv[2]) : 0;
	double first;
	double last;

	if (sockets < 1 || sockets > SOCKETS_MAX || atol(argv[4]) < 1)
	{
		(void) fprintf(stderr, "usage: gateway_subscribers PORT SOCKETS TOPIC MESSAGES\n");
		return 2;
	}
	time_most = (size_t) sockets * strtoul(argv[4], NULL, 10);
	subscribers = calloc((size_t) sockets, sizeof(Subscriber));
	times = calloc(time_most, sizeof(double));
	if (subscribers == NULL || times == NULL)
		give_up("memory");
	for (int i = 0; i < sockets; i++)
		polls[i] = (struct pollfd){.fd = join(argv[1], argv[3]), .events = POLLIN};
	if (!listen_to(sockets, &subscribed, NULL, (size_t) sockets))
		give_up("not everybody could subscribe");
	(void) printf("ready\n");
	(void) fflush(stdout);
	(void) poll(polls, (nfds_t) sockets, 60000);
	first = now();
	last = listen_to(sockets, NULL, &time_count, time_most) ? now() : now() - SILENCE * 1e6;
	if (time_count == 0)
		give_up("no message came");
	qsort(times, time_count, sizeof(double), compare);
	(void) printf("%zu %zu %.0f %.3f %.3f\n", time_count, time_most - time_count,
				  (double) time_count * 1e9 / (last - first), times[time_count / 2], times[time_count * 99 / 100]);
	return 0;
}
