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

/* Bytes from which on a value cannot be met by chance. */
#define SELF_EVIDENT 16

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

/*
 * Wipes a value from the kernel's environment block.  A short one only where
 * it is the whole of an entry; a long one wherever it stands: the name before
 * it may be overwritten by a process title, and it may be part of a URL.
 */
static void
wipe_from_block(const char *value, size_t length)
{
	char *block;
	size_t size;

	if (length == 0 || !environment_block(&block, &size))
		return;
	for (size_t at = 1; at + length < size;) /* a byte before it and one behind it are in the block */
	{
		char *found = memmem(block + at, size - at - 1, value, length);

		if (found == NULL)
			break;
		at = (size_t) (found - block) + 1;
		if (length >= SELF_EVIDENT || (found[-1] == '=' && found[length] == '\0'))
			secret_wipe(found, length);
	}
}

/* Wipes a variable's value in both places; the block is searched for a copy of it. */
static void
wipe_value(char *value, size_t length)
{
	char *pattern = malloc(length + 1);

	if (pattern != NULL)
	{
		memcpy(pattern, value, length + 1);
		secret_wipe(value, length);
		wipe_from_block(pattern, length);
		secret_wipe(pattern, length);
		free(pattern);
	}
	else
		secret_wipe(value, length);
}

size_t
secret_take_environment(const char *name, char *buffer, size_t size)
{
	size_t name_length = strlen(name);
	size_t length = 0;
	bool first = true;

	if (size > 0)
		buffer[0] = '\0';
	/* a name can stand in the environment more than once; getenv() would show the first only */
	for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
	{
		char *value;
		size_t value_length;

		if (strncmp(*entry, name, name_length) != 0 || (*entry)[name_length] != '=')
			continue;
		value = *entry + name_length + 1;
		value_length = strlen(value);
		if (first)
		{
			length = value_length;
			if (length < size)
				memcpy(buffer, value, length + 1);
			first = false;
		}
		wipe_value(value, value_length);
	}
	(void) unsetenv(name);
	return length == 0 || length < size ? length : size + 1;
}

void
secret_forbid_dumps(void)
{
	(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
