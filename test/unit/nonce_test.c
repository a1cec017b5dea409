/*
 * nonce_test.c
 *		The nonce pool: no nonce twice, not across refills and not across forks.
 *		A nonce used twice under one key gives the key's authentication away.
 */
#define _GNU_SOURCE
#include "unit.h"

#include "common/aead.h"

#include <sys/wait.h>
#include <unistd.h>

#define PER_PROCESS (2 * NONCE_POOL_COUNT + 5)

static int
compare_nonces(const void *a, const void *b)
{
	return memcmp(a, b, AEAD_NONCE_SIZE);
}

/* Equal neighbours after sorting. */
static size_t
count_repeats(uint8_t *nonces, size_t count)
{
	size_t repeats = 0;

	qsort(nonces, count, AEAD_NONCE_SIZE, compare_nonces);
	for (size_t i = 1; i < count; i++)
		repeats += compare_nonces(nonces + (i - 1) * AEAD_NONCE_SIZE, nonces + i * AEAD_NONCE_SIZE) == 0;
	return repeats;
}

static bool
take(NoncePool *pool, uint8_t *nonces, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (nonce_take(pool, nonces + i * AEAD_NONCE_SIZE) != TSEC_OK)
			return false;
	}
	return true;
}

static void
nonces_never_repeat(void)
{
	enum
	{
		count = 100 * NONCE_POOL_COUNT + 1
	};
	NoncePool *pool = calloc(1, sizeof(NoncePool));
	uint8_t *nonces = unit_memory((size_t) count * AEAD_NONCE_SIZE);

	CHECK(take(pool, nonces, count));
	CHECK(count_repeats(nonces, count) == 0);
	free(nonces);
	free(pool);
}

static void
every_place_of_the_pool_is_random(void)
{
	NoncePool pool = {0};
	uint8_t nonce[AEAD_NONCE_SIZE];

	for (unsigned i = 0; i < 2 * NONCE_POOL_COUNT; i++)
	{
		memset(nonce, 0, sizeof(nonce));
		CHECK(nonce_take(&pool, nonce) == TSEC_OK);
		CHECK(!unit_is_filled(nonce, sizeof(nonce), 0), "nonce %u", i);
	}
}

/* No bytes of the pool go into two nonces: the end of one is the beginning of a neighbour by chance alone. */
static void
neighbours_share_no_bytes(void)
{
	NoncePool pool = {0};
	uint8_t nonces[NONCE_POOL_COUNT][AEAD_NONCE_SIZE];

	CHECK(take(&pool, nonces[0], NONCE_POOL_COUNT));
	for (size_t shared = 1; shared < AEAD_NONCE_SIZE; shared++)
	{
		unsigned forward = 0;
		unsigned backward = 0;

		for (size_t i = 1; i < NONCE_POOL_COUNT; i++)
		{
			forward += memcmp(nonces[i - 1] + AEAD_NONCE_SIZE - shared, nonces[i], shared) == 0;
			backward += memcmp(nonces[i] + AEAD_NONCE_SIZE - shared, nonces[i - 1], shared) == 0;
		}
		/* expected: one in 256 or fewer */
		CHECK(forward < NONCE_POOL_COUNT / 4 && backward < NONCE_POOL_COUNT / 4, "%zu bytes shared", shared);
	}
}

/*
 * Takes nonces in this process and in depth more, each forked from the one
 * before with the pool as it stands, and leaves them all in shared pages.
 */
static bool
take_through_forks(NoncePool *pool, int to, int depth)
{
	uint8_t nonces[PER_PROCESS * AEAD_NONCE_SIZE];
	int children = depth > 0 ? 2 : 0;
	bool good = true;

	for (int i = 0; i < children; i++)
	{
		pid_t child = fork();
		int status;

		if (child == 0)
			_exit(take_through_forks(pool, to, depth - 1) ? 0 : 1);
		good &= child > 0 && waitpid(child, &status, 0) == child && status == 0;
	}
	/* the parent goes on with the pool it shared: that is where a copy would show */
	good &= take(pool, nonces, PER_PROCESS);
	return good && write(to, nonces, sizeof(nonces)) == (ssize_t) sizeof(nonces);
}

static void
forks_do_not_share_a_pool(unsigned taken_before)
{
	enum
	{
		processes = 7 /* one, its two children, their four */
	};
	NoncePool pool = {0};
	uint8_t first[AEAD_NONCE_SIZE];
	size_t size = (size_t) processes * PER_PROCESS * AEAD_NONCE_SIZE;
	uint8_t *nonces = unit_memory(size);
	size_t got = 0;
	FILE *collected = tmpfile();

	if (!CHECK(collected != NULL))
		return;
	for (unsigned i = 0; i < taken_before; i++)
		CHECK(nonce_take(&pool, first) == TSEC_OK);
	(void) fflush(stdout);
	CHECK(take_through_forks(&pool, fileno(collected), 2));
	rewind(collected);
	got = fread(nonces, 1, size, collected);
	CHECK(got == size, "%zu of %zu bytes", got, size);
	CHECK(count_repeats(nonces, got / AEAD_NONCE_SIZE) == 0, "%u taken before the fork", taken_before);
	(void) fclose(collected);
	free(nonces);
}

static void
forks_before_first_use(void)
{
	forks_do_not_share_a_pool(0);
}

static void
forks_of_a_full_and_a_used_pool(void)
{
	forks_do_not_share_a_pool(1);
	forks_do_not_share_a_pool(NONCE_POOL_COUNT / 2);
	forks_do_not_share_a_pool(NONCE_POOL_COUNT - 1);
	forks_do_not_share_a_pool(NONCE_POOL_COUNT);
}

/* The case of never having drawn must come first: drawing once starts the watch over forks. */
static const UnitCase cases[] = {
	{"seven processes forked before the first nonce share none", forks_before_first_use},
	{"seven processes forked from a pool in use share none", forks_of_a_full_and_a_used_pool},
	{"nonces never repeat across a hundred refills", nonces_never_repeat},
	{"neighbouring nonces share no bytes", neighbours_share_no_bytes},
	{"every place of the pool holds random bytes", every_place_of_the_pool_is_random},
};

UNIT_MAIN(cases)
