/*
 * turns_test.c
 *		Whose turn it is: clients in turn, none has all, slow ones have a quarter,
 *		and whatever is done in whatever order, nobody is forgotten.
 */
#include "unit.h"

#include "gateway/db/turns.h"

#define SEED UINT64_C(0x9e3779b97f4a7c15)

static Turn turns_of[64];
static int used;

static Turn *
wait_as(Turns *turns, uint64_t client, bool is_slow)
{
	Turn *turn = &turns_of[used++];

	*turn = (Turn){.client = client, .is_slow = is_slow};
	turns_wait(turns, turn);
	return turn;
}

/* Begins the next; 0 when there is none. */
static uint64_t
begin_next(Turns *turns, Turn **which)
{
	Turn *turn = turns_next(turns);

	if (which != NULL)
		*which = turn;
	if (turn == NULL)
		return 0;
	turns_begin(turns, turn);
	return turn->client;
}

static void
in_turn(void)
{
	Turns *turns = turns_new(8, 6, SEED);

	used = 0;
	for (int i = 0; i < 4; i++)
		wait_as(turns, 7, false);
	wait_as(turns, 8, false);
	wait_as(turns, 9, false);
	CHECK(turns_waiting(turns) == 6 && turns_wanted(turns) == 6);
	CHECK(begin_next(turns, NULL) == 7, "who came first");
	CHECK(begin_next(turns, NULL) == 8, "then whoever has none");
	CHECK(begin_next(turns, NULL) == 9);
	CHECK(begin_next(turns, NULL) == 7, "and those who have as many as others");
	wait_as(turns, 8, false);
	CHECK(begin_next(turns, NULL) == 8, "fewer first");
	CHECK(begin_next(turns, NULL) == 7);
	CHECK(begin_next(turns, NULL) == 7);
	CHECK(turns_next(turns) == NULL && turns_waiting(turns) == 0);
	turns_free(turns);
}

static void
none_has_all(void)
{
	Turns *turns = turns_new(4, 3, SEED);
	Turn *first;

	used = 0;
	for (int i = 0; i < 5; i++)
		wait_as(turns, 7, i % 2 != 0 && i < 2);
	CHECK(begin_next(turns, &first) == 7 && begin_next(turns, NULL) == 7 && begin_next(turns, NULL) == 7);
	CHECK(turns_next(turns) == NULL && turns_waiting(turns) == 2, "the fourth connection is for others");
	CHECK(turns_first(turns) != NULL);
	wait_as(turns, 8, false);
	CHECK(begin_next(turns, NULL) == 8);
	turns_end(turns, first);
	CHECK(begin_next(turns, NULL) == 7, "one is done: its next goes on");
	CHECK(turns_next(turns) == NULL);
	wait_as(turns, 0, false);
	wait_as(turns, 0, false);
	CHECK(begin_next(turns, NULL) == 0 && turns_waiting(turns) == 2, "the gateway itself is not bounded");
	turns_free(turns);
}

static void
slow_ones(void)
{
	Turns *turns = turns_new(8, 6, SEED);
	Turn *first;
	Turn *mine;

	used = 0;
	for (uint64_t i = 0; i < 5; i++)
		wait_as(turns, 100 + i / 3, true);
	mine = wait_as(turns, 200, true);
	CHECK(turns_wanted(turns) == 2);
	CHECK(begin_next(turns, &first) == 100 && begin_next(turns, NULL) == 101, "a quarter of eight");
	CHECK(turns_next(turns) == NULL && turns_waiting(turns) == 4);
	wait_as(turns, 100, false);
	CHECK(begin_next(turns, NULL) == 100, "what is not slow goes on");
	turns_end(turns, first);
	CHECK(turns_next(turns) == mine, "whoever has none is before those who came earlier");
	turns_free(turns);

	turns = turns_new(1, 1, SEED);
	used = 0;
	wait_as(turns, 5, true);
	CHECK(begin_next(turns, NULL) == 5, "with one connection, too, somebody logs in");
	turns_free(turns);
}

static void
leaving(void)
{
	Turns *turns = turns_new(4, 3, SEED);
	Turn *one;
	Turn *two;
	Turn *three;

	used = 0;
	one = wait_as(turns, 7, false);
	two = wait_as(turns, 7, false);
	three = wait_as(turns, 7, false);
	turns_leave(turns, two);
	CHECK(turns_waiting(turns) == 2 && turns_next(turns) == one);
	turns_leave(turns, one);
	CHECK(turns_next(turns) == three);
	turns_leave(turns, three);
	CHECK(turns_next(turns) == NULL && turns_first(turns) == NULL && turns_waiting(turns) == 0);
	turns_free(turns);
}

/* A million steps by chance against the plainest bookkeeping. */
static void
by_chance(void)
{
	enum
	{
		CLIENTS = 6,
		MOST = 3,
		SIZE = 5
	};
	Turns *turns = turns_new(SIZE, MOST, SEED);
	int running[CLIENTS] = {0};
	int waiting = 0;
	int busy = 0;
	uint64_t state = SEED;
	enum
	{
		FREE,
		WAITS,
		RUNS
	} is[64] = {FREE};

	for (int step = 0; step < 1000000; step++)
	{
		int i;
		Turn *turn;

		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		i = (int) (state >> 33 & 63);
		turn = &turns_of[i];
		if (is[i] == FREE)
		{
			*turn = (Turn){.client = state >> 40 & 3 ? 1 + (state >> 42) % (CLIENTS - 1) : 1,
						   .is_slow = (state >> 50 & 7) == 0};
			turns_wait(turns, turn);
			is[i] = WAITS;
			waiting++;
		}
		else if (is[i] == RUNS)
		{
			running[turn->client]--;
			turns_end(turns, turn);
			is[i] = FREE;
			busy--;
		}
		else if ((state >> 40 & 7) == 0)
		{
			turns_leave(turns, turn);
			is[i] = FREE;
			waiting--;
		}
		while (busy < SIZE && (turn = turns_next(turns)) != NULL)
		{
			int least = MOST;

			for (int other = 0; other < 64; other++)
				if (is[other] == WAITS && !turns_of[other].is_slow && running[turns_of[other].client] < least)
					least = running[turns_of[other].client];
			turns_begin(turns, turn);
			if (is[turn - turns_of] != WAITS || running[turn->client] > least)
				CHECK(false, "step %d: the wrong one goes", step);
			is[turn - turns_of] = RUNS;
			if (++running[turn->client] > MOST)
				CHECK(false, "step %d: too many", step);
			waiting--;
			busy++;
		}
		for (int other = 0; other < 64 && busy < SIZE; other++)
			if (is[other] == WAITS && !turns_of[other].is_slow && running[turns_of[other].client] < MOST)
				CHECK(false, "step %d: a connection is idle and somebody waits", step);
		if (turns_waiting(turns) != waiting)
			CHECK(false, "step %d: somebody is forgotten", step);
	}
	CHECK(true);
	turns_free(turns);
}

static const UnitCase cases[] = {
	{"clients take turns", in_turn},          {"nobody has all connections", none_has_all},
	{"slow ones have a quarter", slow_ones},  {"who leaves the line", leaving},
	{"a million steps by chance", by_chance},
};

UNIT_MAIN(cases)
