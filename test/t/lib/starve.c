/*
 * starve.c
 *		An allocator that says no once: preloaded into a server, a gateway or a notifier, it fails the n-th allocation that one
 *		process's libraries ask for.
 *
 * TWIN_STARVE names a file that test and processes share; its layout is below, and in Starve.pm.  Who asks is seen by
 * where the call comes from: the program itself (for a server: what is behind palloc()), the C library, or any other
 * library, which is where a null pointer is somebody's to look at.  Of what these have and did not give back it keeps count.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OF_LIBRARIES 1
#define OF_PROGRAM 2
#define OF_LIBC 4

typedef struct Starving
{
	int64_t pid;	 /* whose; 0: nobody's */
	int64_t fail_at; /* the allocation that fails, from 1 on; 0: none */
	int64_t whose;	 /* OF_... */
	int64_t asked;	 /* so many times, since it was set to 0 */
	int64_t failed;
	int64_t live; /* allocations of libraries that were not given back, since it was set to 0 */
	char kind[64]; /* where pid is -1: processes whose title begins so */
} Starving;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static volatile Starving *starving;
static pid_t own;
static int is_kind; /* 0: not looked yet */
static __thread int inside;

typedef struct Range
{
	uintptr_t from;
	uintptr_t to;
} Range;
static Range program;
static Range libc;
static Range loader;

/* Allocations of libraries, by address; one of another process is not given back here. */
#define PLACES 65536
static void *volatile held[PLACES];

static int
find_range(struct dl_phdr_info *info, size_t size, void *first)
{
	Range *range = *(int *) first ? &program : strstr(info->dlpi_name, "/libc.so") != NULL ? &libc : strstr(info->dlpi_name, "/ld-") != NULL ? &loader : NULL;

	(void) size;
	*(int *) first = 0;
	for (int i = 0; range != NULL && i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
		{
			uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

			if (range->from == 0 || from < range->from)
				range->from = from;
			if (from + info->dlpi_phdr[i].p_memsz > range->to)
				range->to = from + info->dlpi_phdr[i].p_memsz;
		}
	return 0;
}

static void
in_child(void)
{
	own = getpid();
	is_kind = 0;
}

__attribute__((constructor)) static void
begin(void)
{
	const char *name = getenv("TWIN_STARVE");
	int file = name != NULL ? open(name, O_RDWR | O_CLOEXEC) : -1;
	void *place;

	int first = 1;

	own = getpid();
	if (file < 0)
		return;
	place = mmap(NULL, sizeof(Starving), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (place == MAP_FAILED)
		return;
	dl_iterate_phdr(find_range, &first);
	pthread_atfork(NULL, NULL, in_child);
	starving = place;
}

/* Whether this process's title is the one that is meant; it is written once, soon after the process begins. */
static int
is_meant(void)
{
	char title[512];
	int file;
	ssize_t length;

	if (starving->pid == own)
		return 1;
	if (starving->pid != -1)
		return 0;
	if (is_kind != 0)
		return is_kind > 0;
	file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	length = file < 0 ? 0 : read(file, title, sizeof(title) - 1);
	if (file >= 0)
		close(file);
	title[length < 0 ? 0 : length] = '\0';
	if (strstr(title, ": ") == NULL)
		return 0; /* it has none yet */
	is_kind = strstr(title, (const char *) starving->kind) != NULL ? 1 : -1;
	return is_kind > 0;
}

static int
caller_kind(const void *caller)
{
	Dl_info info;

	if ((uintptr_t) caller >= program.from && (uintptr_t) caller < program.to)
		return OF_PROGRAM;
	if (((uintptr_t) caller >= libc.from && (uintptr_t) caller < libc.to) ||
		((uintptr_t) caller >= loader.from && (uintptr_t) caller < loader.to))
		return OF_LIBC;
	/* PL/pgSQL is the server's; libzxcvbn looks at nothing that it is given, for which the extension answers (password/strength.c) */
	if (dladdr(caller, &info) != 0 && info.dli_fname != NULL && (strstr(info.dli_fname, "/plpgsql.so") != NULL || strstr(info.dli_fname, "/libzxcvbn.so") != NULL))
		return OF_PROGRAM;
	return OF_LIBRARIES;
}

/* Whether this call is the one that fails; says whether it is a library's of a process that is meant. */
static int
is_refused(const void *caller, int *is_counted)
{
	int kind;
	int64_t asked;

	*is_counted = 0;
	if (starving == NULL || inside || starving->pid == 0)
		return 0;
	inside = 1;
	kind = is_meant() ? caller_kind(caller) : 0;
	inside = 0;
	*is_counted = kind == OF_LIBRARIES;
	if ((kind & starving->whose) == 0)
		return 0;
	asked = __atomic_add_fetch(&starving->asked, 1, __ATOMIC_RELAXED);
	if (asked != starving->fail_at)
		return 0;
	__atomic_add_fetch(&starving->failed, 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return 1;
}

static void
keep(void *given)
{
	if (given == NULL)
		return;
	for (size_t i = ((uintptr_t) given >> 4) % PLACES, tries = 0; tries < PLACES; i = (i + 1) % PLACES, tries++)
	{
		void *none = NULL;

		if (__atomic_compare_exchange_n(&held[i], &none, given, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		{
			__atomic_add_fetch(&starving->live, 1, __ATOMIC_RELAXED);
			return;
		}
	}
}

static void
forget(void *given)
{
	if (given == NULL || starving == NULL)
		return;
	/* places are never searched beyond a few hundred: what is held is little */
	for (size_t i = ((uintptr_t) given >> 4) % PLACES, tries = 0; tries < 512; i = (i + 1) % PLACES, tries++)
		if (held[i] == given)
		{
			held[i] = NULL;
			__atomic_add_fetch(&starving->live, -1, __ATOMIC_RELAXED);
			return;
		}
}

void *
malloc(size_t size)
{
	int is_counted;
	void *given = is_refused(__builtin_return_address(0), &is_counted) ? NULL : __libc_malloc(size);

	if (is_counted)
		keep(given);
	return given;
}

void *
calloc(size_t count, size_t size)
{
	int is_counted;
	void *given = is_refused(__builtin_return_address(0), &is_counted) ? NULL : __libc_calloc(count, size);

	if (is_counted)
		keep(given);
	return given;
}

void *
realloc(void *old, size_t size)
{
	int is_counted;
	void *given;

	if (is_refused(__builtin_return_address(0), &is_counted))
		return NULL; /* what was there stays */
	given = __libc_realloc(old, size);
	if (given != NULL || size == 0)
		forget(old);
	if (is_counted)
		keep(given);
	return given;
}

void
free(void *given)
{
	forget(given);
	__libc_free(given);
}
