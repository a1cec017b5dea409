/*
 * window_test.c
 *		Counting in a window that slides, against the times themselves; and who makes room.
 */
#include "unit.h"

#include "common/siphash.h"
#include "common/window.h"

#define HOUR INT64_C(3600000000)

static const WindowPolicy five = {.threshold = 5, .period = HOUR};

/* Adds an event at a time; whether that is often enough. */
static bool
add(Window *window, const WindowPolicy *policy, int64_t time, int64_t id, int32_t weight, WindowCount *reached)
{
	return window_add(window, policy, &(WindowEvent){.time = time, .id = id, .weight = weight}, reached);
}

static void
the_fifth_within_the_period_counts(void)
{
	Window window = {.slots = 0};
	WindowCount reached;

	for (int i = 0; i < 4; i++)
		CHECK(!add(&window, &five, i * HOUR / 5, i, 1, &reached));
	CHECK(add(&window, &five, HOUR - 1, 4, 1, &reached));
	CHECK(reached.count == 5 && reached.ids == 5 && reached.id[0] == 0 && reached.id[4] == 4);
	CHECK(reached.first == 0 && reached.last == HOUR - 1);

	memset(&window, 0, sizeof(window));
	for (int i = 0; i < 4; i++)
		CHECK(!add(&window, &five, i * HOUR / 5, i, 1, &reached));
	CHECK(!add(&window, &five, HOUR, 4, 1, &reached), "an hour later is no more within the hour");
}

static void
the_same_event_counts_once(void)
{
	Window window = {.slots = 0};
	WindowCount reached;

	for (int i = 0; i < 20; i++)
		CHECK(!add(&window, &five, 7, 1, 1, &reached));
	CHECK(window_sum(&window) == 1);
}

static void
an_event_may_stand_for_many(void)
{
	Window window = {.slots = 0};
	WindowCount reached;

	CHECK(!add(&window, &five, 0, 1, 4, &reached));
	CHECK(add(&window, &five, 1, 2, 1, &reached) && reached.count == 5 && reached.ids == 2);
	CHECK(add(&window, &five, 2, 3, INT32_MAX, &reached) && reached.count == 5 + (int64_t) INT32_MAX);
	CHECK(add(&window, &five, 3, 4, INT32_MAX, &reached) && reached.count == 5 + 2 * (int64_t) INT32_MAX);
}

/* Times that are as far apart as can be, which nobody but a clock gone wrong says. */
static void
no_time_overflows(void)
{
	static const int64_t times[] = {INT64_MIN, INT64_MAX, 0, -1, INT64_MIN + 1, INT64_MAX - 1};
	Window window = {.slots = 0};
	WindowCount reached;

	for (int i = 0; i < 6; i++)
		CHECK(!add(&window, &five, times[i], i, 1, &reached));
	for (int i = 1; i < window.slots; i++)
		CHECK(window.time[i - 1] <= window.time[i]);
}

/* Whether some period of these times, each once, that holds the last of them holds so many. */
static bool
is_often(const int64_t *times, int count, int threshold, int64_t period)
{
	for (int from = 0; from < count; from++)
	{
		int within = 0;
		bool has_last = false;

		for (int i = 0; i < count; i++)
			if (times[i] >= times[from] && times[i] - times[from] < period)
			{
				within++;
				has_last |= i == count - 1;
			}
		if (has_last && within >= threshold)
			return true;
	}
	return false;
}

static uint32_t state = 1;

static uint32_t
random_number(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % below;
}

/* Up to sixteen slots exactly, also out of order, as long as not more than sixteen are of account. */
static void
counting_is_exact_up_to_sixteen(void)
{
	for (int round = 0; round < 2000; round++)
	{
		Window window = {.slots = 0};
		WindowPolicy policy = {.threshold = 1 + (int32_t) random_number(16), .period = 100};
		int64_t times[16];

		for (int i = 0; i < 16; i++)
		{
			WindowCount reached;
			bool often;

			times[i] = random_number(1000);
			often = is_often(times, i + 1, policy.threshold, policy.period);
			CHECK(add(&window, &policy, times[i], i, 1, &reached) == often, "round %d, event %d", round, i);
		}
	}
}

/* In order, and however many before: the times of the sixteen last are all that is needed. */
static void
counting_is_exact_in_order(void)
{
	for (int threshold = 1; threshold <= 16; threshold++)
	{
		Window window = {.slots = 0};
		WindowPolicy policy = {.threshold = threshold, .period = 100};
		int64_t times[2000];
		int64_t now = 0;

		for (int i = 0; i < 2000; i++)
		{
			WindowCount reached;
			int within = 0;

			times[i] = now += random_number(20);
			for (int j = i; j >= 0 && now - times[j] < 100; j--)
				within++;
			CHECK(add(&window, &policy, now, i, 1, &reached) == (within >= threshold));
		}
	}
}

/* Above sixteen: never when there are fewer, always when there are a fifteenth more. */
static void
large_thresholds_are_a_fifteenth_late_at_most(void)
{
	static const int32_t thresholds[] = {17, 31, 32, 33, 100, 1000, 999};

	for (int t = 0; t < 7; t++)
	{
		int32_t threshold = thresholds[t];
		int32_t slack = (threshold - 2) / 15;
		WindowPolicy policy = {.threshold = threshold, .period = 1000};
		Window window = {.slots = 0};
		static int64_t times[20000];
		int64_t now = 0;

		for (int i = 0; i < 20000; i++)
		{
			WindowCount reached;
			int within = 0;
			bool often;

			times[i] = now += random_number(i / 4000 % 2 == 0 ? 3 : 3000 / (uint32_t) threshold + 2);
			for (int j = i; j >= 0 && now - times[j] < 1000; j--)
				within++;
			often = add(&window, &policy, now, i, 1, &reached);
			if (within < threshold)
				CHECK(!often, "threshold %d, %d within", threshold, within);
			if (within >= threshold + slack)
				CHECK(often, "threshold %d, %d within", threshold, within);
		}
	}
}

/* Rows of statements, each of which is many: they are noticed, however their numbers fit the slots. */
static void
heavy_events_are_noticed(void)
{
	for (int32_t weight = 1; weight < 200; weight++)
	{
		Window window = {.slots = 0};
		WindowPolicy policy = {.threshold = 1000, .period = HOUR};
		WindowCount reached;
		int64_t sum = 0;
		bool often = false;

		for (int i = 0; !often && i < 2000; i++)
		{
			sum += weight;
			often = add(&window, &policy, i, i, weight, &reached);
			CHECK(!often || sum >= 1000);
		}
		CHECK(often && sum < 1000 + 67 + weight, "weight %d", weight);
	}
}

/* ---- many ---- */

#define BUCKETS 128

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = {3, 2, 1};
static WindowEntry table[BUCKETS * WINDOW_WAYS];

static bool
count_subject(uint64_t subject, int64_t now, int64_t id, bool *displaced)
{
	uint64_t hash = siphash(hash_key, &subject, sizeof(subject));
	WindowEntry *entry = window_place(&table[hash % BUCKETS * WINDOW_WAYS], hash, 1, now, displaced);
	WindowCount reached;

	entry->expires = now + HOUR;
	return add(&entry->window, &five, now, id, 1, &reached);
}

/* A million addresses that come once displace one another, and not those that are being counted. */
static void
a_flood_displaces_itself(void)
{
	bool displaced;
	int64_t id = 0;
	int counted = 0;
	int displacements = 0;

	for (uint64_t subject = 0; subject < 100; subject++)
		for (int i = 0; i < 4; i++)
			CHECK(!count_subject(subject, 1000, id++, &displaced));
	for (uint64_t subject = 1000; subject < 1001000; subject++)
	{
		if (count_subject(subject, 2000, id++, &displaced))
			counted++;
		displacements += displaced;
	}
	CHECK(counted == 0 && displacements > 990000);
	for (uint64_t subject = 0; subject < 100; subject++)
		CHECK(count_subject(subject, 3000, id++, &displaced) && !displaced);
}

static void
what_is_over_makes_room_first(void)
{
	WindowEntry bucket[WINDOW_WAYS] = {{0}};
	bool displaced;
	WindowEntry *entry;

	for (uint64_t hash = 1; hash <= WINDOW_WAYS; hash++)
	{
		entry = window_place(bucket, hash, 1, 0, &displaced);
		CHECK(!displaced);
		entry->expires = hash == 3 ? 10 : 100;
		entry->window = (Window){.slots = 1, .weight = {hash == 3 ? 100 : 1}};
	}
	CHECK(window_place(bucket, 99, 1, 50, &displaced) == &bucket[2] && !displaced);
	CHECK(window_find(bucket, 3, 1) == NULL && window_find(bucket, 99, 1) != NULL);
	CHECK(window_find(bucket, 99, 2) == NULL, "another database's");
	bucket[2].expires = 200;
	CHECK(window_place(bucket, 98, 1, 50, &displaced) != NULL && displaced);
	CHECK(window_place(bucket, 0, 1, 500, &displaced)->tag != 0, "the hash 0 is one like any other");
}

/* A window that is full of what is of a clock ahead takes nothing of the present until that is forgotten. */
static void
what_is_of_the_future_is_forgotten(void)
{
	const WindowPolicy twenty = {.threshold = 16, .period = HOUR};
	Window window = {.slots = 0};
	WindowCount reached;

	CHECK(!add(&window, &twenty, 1, 1, 1, &reached));
	for (int i = 0; i < 16; i++)
		(void) add(&window, &twenty, 1000 * HOUR + i, 100 + i, 1, &reached);
	CHECK(!add(&window, &twenty, 2, 2, 1, &reached) && window_sum(&window) == 16, "the present finds no room");
	window_forget_after(&window, 2 * HOUR);
	CHECK(window_sum(&window) == 0 && window.newest <= 2 * HOUR);
	for (int i = 0; i < 15; i++)
		CHECK(!add(&window, &twenty, 10 + i, 200 + i, 1, &reached));
	CHECK(add(&window, &twenty, 30, 300, 1, &reached) && reached.count == 16);
	window_forget_after(&window, 20);
	CHECK(window_sum(&window) == 11 && window.newest == 20, "what is not later stays");
}

static const UnitCase cases[] = {
	{"the fifth within the period counts", the_fifth_within_the_period_counts},
	{"the same event counts once", the_same_event_counts_once},
	{"an event may stand for many", an_event_may_stand_for_many},
	{"no time overflows", no_time_overflows},
	{"counting is exact up to sixteen", counting_is_exact_up_to_sixteen},
	{"counting is exact in order", counting_is_exact_in_order},
	{"large thresholds are a fifteenth late at most", large_thresholds_are_a_fifteenth_late_at_most},
	{"heavy events are noticed", heavy_events_are_noticed},
	{"a flood displaces itself", a_flood_displaces_itself},
	{"what is over makes room first", what_is_over_makes_room_first},
	{"what is of the future is forgotten", what_is_of_the_future_is_forgotten},
};

UNIT_MAIN(cases)
