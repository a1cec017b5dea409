/*
 * turns.h
 *		Who waits for a connection, and whose turn it is.
 *
 * Clients take turns: of those who wait, whoever has the fewest connections goes first, so one who asks for much
 * waits behind one who asks for little.  Besides, no client has all connections, however few others there are, and
 * what is slow (logins, whose passwords are hashed for long) has a quarter of them only.  Pure.
 */
#ifndef GATEWAY_TURNS_H
#define GATEWAY_TURNS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Turns Turns;
typedef struct TurnClient TurnClient;

/* Part of what waits and runs; client and is_slow are the caller's to fill, the rest is not. */
typedef struct Turn
{
	uint64_t client; /* address_client(); 0 is the gateway itself, which is not bounded */
	bool is_slow;
	struct Turn *next;
	struct Turn *previous;
	TurnClient *owner; /* NULL when it neither waits nor runs */
	uint64_t number;
} Turn;

/* Connections of which one client may have so many, 0: all but a quarter; the seed keeps strangers from choosing who shares a chain. */
extern Turns *turns_new(int connections, int per_client, uint64_t seed);
extern void turns_free(Turns *turns);

/* Into the line, and out of it unserved. */
extern void turns_wait(Turns *turns, Turn *turn);
extern void turns_leave(Turns *turns, Turn *turn);

/* Who may have a free connection now; NULL when nobody waits, or only such as have enough. */
extern Turn *turns_next(const Turns *turns);

/* Out of the line onto a connection, and done with it. */
extern void turns_begin(Turns *turns, Turn *turn);
extern void turns_end(Turns *turns, Turn *turn);

extern int turns_waiting(const Turns *turns);

/* The first of those who wait, whether they may run or not; NULL when there is none. */
extern Turn *turns_first(const Turns *turns);

/* How many connections those who wait could put to use, or a few more: what one client may not have is counted for others to come. */
extern int turns_wanted(const Turns *turns);

#endif /* GATEWAY_TURNS_H */
