/*
 * pages_test.c
 *		Pages for raw keys: locked, left out of core dumps, kept across fork.
 *		Built without AddressSanitizer, which turns mlock into nothing.
 */
#define _GNU_SOURCE
#include "unit.h"

#include "common/secret.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LENGTH 300

/* Whether the kernel holds a two-letter flag (proc(5), VmFlags) for the mapping an address lies in. */
static bool
page_has_flag(const void *address, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[1024];
	bool inside = false;
	bool found = false;

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
	{
		unsigned long low;
		unsigned long high;

		if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
			inside = (unsigned long) address >= low && (unsigned long) address < high;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
		{
			char wanted[] = {' ', flag[0], flag[1], ' ', '\0'};

			found = strstr(line, wanted) != NULL;
		}
	}
	if (maps != NULL)
		(void) fclose(maps);
	return found;
}

/* Runs a function in a child and tells whether it answered true. */
static bool
child_finds(bool (*check)(uint8_t *pages), uint8_t *pages)
{
	pid_t child;
	int status;

	(void) fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(check(pages) ? 0 : 1);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void
pages_are_locked_and_not_dumped(void)
{
	bool locked = false;
	uint8_t *pages = secret_pages_new(LENGTH, &locked);

	if (!CHECK(pages != NULL))
		return;
	CHECK((uintptr_t) pages % (uintptr_t) sysconf(_SC_PAGESIZE) == 0, "pages of their own");
	CHECK(unit_is_filled(pages, LENGTH, 0), "zeroed");
	CHECK(page_has_flag(pages, "lo") == locked, "said to be %s", locked ? "locked" : "not locked");
	CHECK(page_has_flag(pages, "dd"), "left out of core dumps");
	memset(pages, 'k', LENGTH);
	secret_pages_free(pages, LENGTH);
}

static bool
inherited_and_lockable(uint8_t *pages)
{
	bool kept = unit_is_filled(pages, LENGTH, 'k') && page_has_flag(pages, "dd");
	bool was_locked = page_has_flag(pages, "lo");
	bool locked = secret_pages_lock(pages, LENGTH);
	bool as_said = page_has_flag(pages, "lo") == locked;

	secret_wipe(pages, LENGTH);
	return kept && !was_locked && as_said;
}

static void
pages_survive_fork(void)
{
	bool locked = false;
	uint8_t *pages = secret_pages_new(LENGTH, &locked);

	if (!CHECK(pages != NULL))
		return;
	memset(pages, 'k', LENGTH);
	CHECK(child_finds(inherited_and_lockable, pages));
	CHECK(unit_is_filled(pages, LENGTH, 'k'), "what a child does to its copy stays with the child");
	secret_pages_free(pages, LENGTH);
}

static void
impossible_sizes_give_null(void)
{
	bool locked = true;

	CHECK(secret_pages_new(SIZE_MAX / 2, &locked) == NULL);
	CHECK(secret_pages_new(0, &locked) == NULL);
}

/* secret_pages_free wipes before it returns the pages: a second mapping of the same pages sees it. */
static bool
freed_pages_are_zero(uint8_t *ignored)
{
	uint8_t *pages = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint8_t *twin = mremap(pages, 0, LENGTH, MREMAP_MAYMOVE);

	(void) ignored;
	if (pages == MAP_FAILED || twin == MAP_FAILED)
		return false;
	memset(pages, 'k', LENGTH);
	if (!unit_is_filled(twin, LENGTH, 'k'))
		return false;
	secret_pages_free(pages, LENGTH);
	return unit_is_filled(twin, LENGTH, 0);
}

static void
freeing_wipes(void)
{
	CHECK(child_finds(freed_pages_are_zero, NULL));
}

static bool
is_not_dumpable(uint8_t *ignored)
{
	bool before = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;

	(void) ignored;
	secret_forbid_dumps();
	return before && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static void
dumps_are_forbidden(void)
{
	CHECK(child_finds(is_not_dumpable, NULL));
}

static const UnitCase cases[] = {
	{"pages are zeroed, locked as said, and left out of core dumps", pages_are_locked_and_not_dumped},
	{"pages survive fork and can be locked again", pages_survive_fork},
	{"an impossible size gives NULL", impossible_sizes_give_null},
	{"freeing wipes", freeing_wipes},
	{"a process can forbid dumps of itself", dumps_are_forbidden},
};

UNIT_MAIN(cases)
