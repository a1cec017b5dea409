/*
 * secret.c
 *		Wiping, locked pages, and taking a secret out of the environment.
 *
 * The environment is the awkward part.  A program that moves its environment
 * (PostgreSQL does, to set the process title) leaves the kernel's block where
 * it was, and /proc/PID/environ shows that block, not what getenv() sees.  So
 * the block between env_start and env_end of /proc/self/stat is searched for
 * the value itself: the name in front of it may have been overwritten by a
 * process title already.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "secret.h"

#include <openssl/crypto.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Fields of /proc/PID/stat (proc(5)), counted from the one after the command name, which is field 3. */
#define STAT_FIELD_AFTER_COMMAND 3
#define STAT_FIELD_ENV_START 50
#define STAT_FIELD_ENV_END 51

void
secret_wipe(void *memory, size_t length)
{
	OPENSSL_cleanse(memory, length);
}

bool
secret_equal(const void *a, const void *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}

void *
secret_pages_new(size_t length, bool *locked)
{
	void *pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	(void) madvise(pages, length, MADV_DONTDUMP);
	*locked = secret_pages_lock(pages, length);
	return pages;
}

bool
secret_pages_lock(void *pages, size_t length)
{
	return mlock(pages, length) == 0;
}

void
secret_pages_free(void *pages, size_t length)
{
	secret_wipe(pages, length);
	(void) munmap(pages, length);
}

/* Finds the kernel's environment block of this process. */
static bool
environment_block(char **start, size_t *length)
{
	char stat[4096];
	char *at;
	unsigned long low = 0;
	unsigned long high = 0;
	ssize_t n;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	n = read(fd, stat, sizeof(stat) - 1);
	(void) close(fd);
	if (n <= 0)
		return false;
	stat[n] = '\0';

	/* the command name may hold blanks and parentheses: start behind the last one */
	at = strrchr(stat, ')');
	if (at == NULL)
		return false;
	at++;
	for (int field = STAT_FIELD_AFTER_COMMAND; field <= STAT_FIELD_ENV_END; field++)
	{
		while (*at == ' ')
			at++;
		if (field == STAT_FIELD_ENV_START)
			low = strtoul(at, NULL, 10);
		else if (field == STAT_FIELD_ENV_END)
			high = strtoul(at, NULL, 10);
		while (*at != ' ' && *at != '\0')
			at++;
	}
	if (low == 0 || high <= low)
		return false;
	*start = (char *) low;
	*length = high - low;
	return true;
}

/* Wipes every occurrence of a value in the kernel's environment block. */
static void
wipe_from_block(const char *value, size_t length)
{
	char *block;
	size_t left;

	if (length == 0 || !environment_block(&block, &left))
		return;
	while (left >= length)
	{
		char *found = memmem(block, left, value, length);

		if (found == NULL)
			break;
		secret_wipe(found, length);
		left -= (size_t) (found + length - block);
		block = found + length;
	}
}

size_t
secret_take_environment(const char *name, char *buffer, size_t size)
{
	char *value = getenv(name);
	size_t length;

	if (value == NULL)
		return 0;
	length = strlen(value);
	if (length < size)
		memcpy(buffer, value, length + 1);

	/* the copy first gives the pattern to look for, so the block goes before the string */
	if (length > 0)
	{
		char *pattern = malloc(length);

		if (pattern != NULL)
		{
			memcpy(pattern, value, length);
			secret_wipe(value, length);
			wipe_from_block(pattern, length);
			secret_wipe(pattern, length);
			free(pattern);
		}
		else
			secret_wipe(value, length);
	}
	(void) unsetenv(name);
	return length < size ? length : size + 1;
}

void
secret_forbid_dumps(void)
{
	(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
