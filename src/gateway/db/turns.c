/*
 * turns.c
 *		Who waits for a connection, and whose turn it is.
 *
 * Each client that waits or runs has an entry with two lines of its own, for
 * ordinary and for slow turns; entries that wait in a kind are in that kind's
 * ring, in the order in which they were served last.  The search for the one
 * with the fewest connections ends at the first that has none, which in good
 * times is the first of all; at the worst it looks at every client that waits.
 */
#include "gateway/db/turns.h"

#include "gateway/http/address.h"

#include <stddef.h>
#include <stdlib.h>

#define CHAINS 1024 /* a power of two */
#define KINDS 2     /* ordinary, slow */

typedef struct TurnLine
{
	Turn *first;
	Turn *last;
	TurnClient *next; /* of the ring of clients that wait in this kind */
	TurnClient *previous;
} TurnLine;

struct TurnClient
{
	TurnClient *chained;
	uint64_t client;
	int running;
	TurnLine lines[KINDS];
};

typedef struct Ring
{
	TurnClient *first;
	TurnClient *last;
	int waiting;
} Ring;

struct Turns
{
	int connections;
	int per_client;
	uint64_t seed;
	uint64_t numbers;
	int slow; /* that run */
	Ring rings[KINDS];
	TurnClient *chains[CHAINS];
};

/* A quarter of the connections, one at least. */
static int
quarter(int connections)
{
	return connections / 4 > 0 ? connections / 4 : 1;
}

Turns *
turns_new(int connections, int per_client, uint64_t seed)
{
	Turns *turns = calloc(1, sizeof(Turns));

	if (turns == NULL)
		abort(); /* as arena.c does */
	turns->connections = connections;
	if (per_client == 0)
		per_client = connections > 1 ? connections - quarter(connections) : 1;
	turns->per_client = per_client;
	turns->seed = seed;
	return turns;
}

void
turns_free(Turns *turns)
{
	for (int i = 0; i < CHAINS; i++)
	{
		while (turns->chains[i] != NULL)
		{
			TurnClient *client = turns->chains[i];

			turns->chains[i] = client->chained;
			free(client);
		}
	}
	free(turns);
}

/* ---- clients ---- */

static TurnClient **
find_client(Turns *turns, uint64_t client)
{
	TurnClient **place = &turns->chains[address_client_hash(client, turns->seed) & (CHAINS - 1)];

	while (*place != NULL && (*place)->client != client)
		place = &(*place)->chained;
	return place;
}

static TurnClient *
get_client(Turns *turns, uint64_t client)
{
	TurnClient **place = find_client(turns, client);

	if (*place == NULL)
	{
		*place = calloc(1, sizeof(TurnClient));
		if (*place == NULL)
			abort(); /* as arena.c does */
		(*place)->client = client;
	}
	return *place;
}

/* Forgets a client of whom nothing is left. */
static void
drop_client(Turns *turns, TurnClient *client)
{
	TurnClient **place;

	if (client->running > 0 || client->lines[false].first != NULL || client->lines[true].first != NULL)
		return;
	place = find_client(turns, client->client);
	*place = client->chained;
	free(client);
}

/* ---- lines ---- */

static void
ring_add(Ring *ring, TurnClient *client, bool is_slow)
{
	TurnLine *line = &client->lines[is_slow];

	line->next = NULL;
	line->previous = ring->last;
	if (ring->last != NULL)
		ring->last->lines[is_slow].next = client;
	else
		ring->first = client;
	ring->last = client;
}

static void
ring_remove(Ring *ring, TurnClient *client, bool is_slow)
{
	TurnLine *line = &client->lines[is_slow];

	if (line->previous != NULL)
		line->previous->lines[is_slow].next = line->next;
	else
		ring->first = line->next;
	if (line->next != NULL)
		line->next->lines[is_slow].previous = line->previous;
	else
		ring->last = line->previous;
	line->next = line->previous = NULL;
}

void
turns_wait(Turns *turns, Turn *turn)
{
	Ring *ring = &turns->rings[turn->is_slow];
	TurnClient *client = get_client(turns, turn->client);
	TurnLine *line = &client->lines[turn->is_slow];

	turn->owner = client;
	turn->number = ++turns->numbers;
	turn->next = NULL;
	turn->previous = line->last;
	if (line->last != NULL)
		line->last->next = turn;
	else
	{
		line->first = turn;
		ring_add(ring, client, turn->is_slow);
	}
	line->last = turn;
	ring->waiting++;
}

/* Out of its line; the entry of its client stays. */
static void
take_out(Turns *turns, Turn *turn)
{
	Ring *ring = &turns->rings[turn->is_slow];
	TurnLine *line = &turn->owner->lines[turn->is_slow];

	if (turn->previous != NULL)
		turn->previous->next = turn->next;
	else
		line->first = turn->next;
	if (turn->next != NULL)
		turn->next->previous = turn->previous;
	else
		line->last = turn->previous;
	turn->next = turn->previous = NULL;
	ring->waiting--;
	if (line->first == NULL)
		ring_remove(ring, turn->owner, turn->is_slow);
}

void
turns_leave(Turns *turns, Turn *turn)
{
	TurnClient *client = turn->owner;

	take_out(turns, turn);
	turn->owner = NULL;
	drop_client(turns, client);
}

/* ---- turns ---- */

/* How many more slow ones may run. */
static int
slow_room(const Turns *turns)
{
	return quarter(turns->connections) - turns->slow;
}

/* Of a kind, the one whose client has the fewest connections, and not too many. */
static Turn *
next_of(const Turns *turns, bool is_slow)
{
	const TurnClient *best = NULL;

	for (const TurnClient *client = turns->rings[is_slow].first; client != NULL; client = client->lines[is_slow].next)
	{
		if (client->client != 0 && client->running >= turns->per_client)
			continue;
		if (best == NULL || client->running < best->running)
			best = client;
		if (best->running == 0)
			break;
	}
	return best != NULL ? best->lines[is_slow].first : NULL;
}

Turn *
turns_next(const Turns *turns)
{
	Turn *ordinary = next_of(turns, false);
	Turn *slow = slow_room(turns) > 0 ? next_of(turns, true) : NULL;

	if (ordinary == NULL || slow == NULL)
		return ordinary != NULL ? ordinary : slow;
	if (ordinary->owner->running != slow->owner->running)
		return ordinary->owner->running < slow->owner->running ? ordinary : slow;
	return ordinary->number < slow->number ? ordinary : slow;
}

void
turns_begin(Turns *turns, Turn *turn)
{
	TurnClient *client = turn->owner;
	Ring *ring = &turns->rings[turn->is_slow];

	take_out(turns, turn);
	if (client->lines[turn->is_slow].first != NULL)
	{
		/* behind the others, for its next */
		ring_remove(ring, client, turn->is_slow);
		ring_add(ring, client, turn->is_slow);
	}
	client->running++;
	turns->slow += turn->is_slow;
}

void
turns_end(Turns *turns, Turn *turn)
{
	TurnClient *client = turn->owner;

	client->running--;
	turns->slow -= turn->is_slow;
	turn->owner = NULL;
	drop_client(turns, client);
}

/* ---- counts ---- */

int
turns_waiting(const Turns *turns)
{
	return turns->rings[false].waiting + turns->rings[true].waiting;
}

Turn *
turns_first(const Turns *turns)
{
	const TurnClient *client = turns->rings[false].first;

	if (client != NULL)
		return client->lines[false].first;
	client = turns->rings[true].first;
	return client != NULL ? client->lines[true].first : NULL;
}

int
turns_wanted(const Turns *turns)
{
	int slow = turns->rings[true].waiting;
	int room = slow_room(turns);

	return turns->rings[false].waiting + (slow < room ? slow : room);
}
