/*
 * gateway_reader.c
 *		Reads of one row by key, so many a second whatever becomes of them, and how
 *		long they took.
 *
 *		gateway_reader PORT PATH KEYS CONNECTIONS READS_A_SECOND SECONDS
 *
 * PATH ends where the key, up to KEYS, follows.  A read counts from the moment
 * it was due: one that holds up others counts for them as well.  Prints "p50 p99
 * most" in milliseconds.
 */
#define _GNU_SOURCE

#include "http.h"
#include "timing.h"

#define CONNECTIONS_MAX 256

typedef struct Reader
{
	double due; /* 0: idle */
	size_t got;
	char answer[ANSWER_MAX];
} Reader;

static Reader readers[CONNECTIONS_MAX];
static struct pollfd polls[CONNECTIONS_MAX];
static double *times;
static size_t time_count;

/* Takes what has come; the read is over when the answer is whole. */
static void
take(int i)
{
	Reader *reader = &readers[i];
	ssize_t count = recv(polls[i].fd, reader->answer + reader->got, ANSWER_MAX - reader->got, 0);
	size_t length;

	if (count <= 0)
		give_up("a reader lost its connection");
	reader->got += (size_t) count;
	length = answer_length(reader->answer, reader->got);
	if (length == 0 || reader->got < length)
		return;
	if (strncmp(reader->answer, "HTTP/1.1 200", 12) != 0)
	{
		(void) fprintf(stderr, "%.*s\n", (int) reader->got, reader->answer);
		exit(1);
	}
	times[time_count++] = (now() - reader->due) / 1e6;
	reader->due = 0;
	reader->got = 0;
}

int
main(int argc, char **argv)
{
	int connections = argc == 7 ? atoi(argv[4]) : 0;
	double interval;
	size_t wanted;
	size_t sent = 0;
	double start;

	if (connections < 1 || connections > CONNECTIONS_MAX || atof(argv[5]) <= 0)
	{
		(void) fprintf(stderr, "usage: gateway_reader PORT PATH KEYS CONNECTIONS READS_A_SECOND SECONDS\n");
		return 2;
	}
	interval = 1e9 / atof(argv[5]);
	wanted = (size_t) (atof(argv[5]) * atof(argv[6]));
	times = calloc(wanted + 1, sizeof(double));
	if (times == NULL)
		give_up("memory");
	for (int i = 0; i < connections; i++)
		polls[i] = (struct pollfd){.fd = dial(argv[1]), .events = POLLIN};
	start = now();
	while (time_count < wanted)
	{
		double rest = start + (double) sent * interval - now();
		struct timespec patience = {0, rest > 0 ? (long) rest : 0};
		int idle = 0;

		while (idle < connections && readers[idle].due > 0)
			idle++;
		if (sent < wanted && idle < connections && rest <= 0)
		{
			char path[1024];

			(void) snprintf(path, sizeof(path), "%s%ld", argv[2], 1 + random() % atol(argv[3]));
			readers[idle].due = start + (double) sent++ * interval;
			ask(polls[idle].fd, path, "");
			continue;
		}
		if (ppoll(polls, (nfds_t) connections, sent < wanted && idle < connections ? &patience : NULL, NULL) < 0)
			give_up("poll");
		for (int i = 0; i < connections; i++)
			if (polls[i].revents != 0)
				take(i);
	}
	qsort(times, time_count, sizeof(double), compare);
	(void) printf("%.3f %.3f %.3f\n", times[time_count / 2], times[time_count * 99 / 100], times[time_count - 1]);
	return 0;
}
