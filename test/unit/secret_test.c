/*
 * secret_test.c
 *		Comparing, wiping, and taking a secret out of the environment.
 *
 * What the kernel shows as /proc/PID/environ is laid down by execve, so each
 * environment case runs in a child that was started with it:
 * secret_test --child MOVE SIZE LENGTH, where MOVE is one of stay, move and
 * title, SIZE is the buffer's and LENGTH is the answer that is expected.
 */
#define _GNU_SOURCE
#include "freed.h"
#include "unit.h"

#include "common/secret.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "TWIN_UNIT_SECRET"
#define VALUE "bXkgdmVyeSBzZWNyZXQga2V5IG9mIDMyIGJ5dGVzISE="
#define VALUE_LENGTH 44
/* A name that only begins alike, and that must be left alone. */
#define BYSTANDER NAME "_NOT"
#define BYSTANDER_VALUE "stays as it is"

extern char **environ;

static void
equal_sees_every_bit(void)
{
	uint8_t a[64];
	uint8_t b[64];

	unit_fill(a, sizeof(a), 1);
	memcpy(b, a, sizeof(a));
	CHECK(secret_equal(a, b, 0));
	for (size_t length = 1; length <= sizeof(a); length++)
	{
		CHECK(secret_equal(a, b, length), "length %zu", length);
		for (size_t bit = 0; bit < sizeof(a) * 8; bit++)
		{
			b[bit / 8] ^= (uint8_t) (1 << bit % 8);
			CHECK(secret_equal(a, b, length) == (bit / 8 >= length), "length %zu, bit %zu", length, bit);
			b[bit / 8] ^= (uint8_t) (1 << bit % 8);
		}
	}
}

static void
wipe_clears_that_and_no_more(void)
{
	for (size_t length = 0; length < 100; length++)
	{
		uint8_t memory[102];

		memset(memory, 'x', sizeof(memory));
		secret_wipe(memory + 1, length);
		CHECK(memory[0] == 'x' && memory[length + 1] == 'x', "length %zu", length);
		CHECK(unit_is_filled(memory + 1, length, 0), "length %zu", length);
	}
}

/* The kernel's block as anybody who may read it sees it. */
static size_t
read_kernel_block(char *block, size_t size)
{
	int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	while (fd >= 0 && length < size && (n = read(fd, block + length, size - length)) > 0)
		length += (size_t) n;
	if (fd >= 0)
		(void) close(fd);
	return length;
}

static bool
kernel_shows(const char *text)
{
	static char block[65536];

	return memmem(block, read_kernel_block(block, sizeof(block)), text, strlen(text)) != NULL;
}

/* Does what a server does that shows its state as the process title: moves its environment to the heap. */
static void
move_environment(void)
{
	size_t count = 0;
	char **moved;

	while (environ[count] != NULL)
		count++;
	moved = calloc(count + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++)
		moved[i] = strdup(environ[i]);
	environ = moved;
}

/* The child: takes the secret and looks at every place it must have left. */
static int
child_takes(const char *move, size_t size, size_t expected)
{
	char *buffer = unit_memory(size);
	char *value = getenv(NAME);
	size_t length = value ? strlen(value) : 0;
	char *kept = value ? strdup(value) : NULL;
	char *in_kernel_block = value ? value - strlen(NAME "=") : NULL;
	size_t answer;

	memset(buffer, '#', size);
	if (length > 0)
		CHECK(kernel_shows(kept), "the test would prove nothing otherwise");
	if (strcmp(move, "stay") != 0)
		move_environment();
	if (strcmp(move, "title") == 0)
		memset(in_kernel_block, ' ', strlen(NAME "="));
	value = getenv(NAME);
	freed.secret = length > 0 ? kept : NULL;
	freed.length = length;

	answer = secret_take_environment(NAME, buffer, size);
	CHECK(freed.found == 0, "a copy on the heap was freed as it was");
	CHECK(answer == expected, "%zu, not %zu", answer, expected);
	if (expected > 0 && expected <= size)
		CHECK(strcmp(buffer, kept) == 0 && strlen(buffer) == expected, "\"%s\"", buffer);
	else if (size > 0)
		CHECK(buffer[0] == '\0' && unit_is_filled((uint8_t *) buffer + 1, size - 1, '#'),
			  "an absent value, or one that does not fit, leaves an empty string");

	CHECK(getenv(NAME) == NULL);
	for (char **variable = environ; *variable != NULL; variable++)
		CHECK(strncmp(*variable, NAME "=", strlen(NAME "=")) != 0, "%s", *variable);
	if (length > 0)
	{
		CHECK(unit_is_filled((uint8_t *) value, length, 0), "the string getenv() found is wiped");
		CHECK(!kernel_shows(kept), "/proc/self/environ still shows the value");
		CHECK(!kernel_shows(kept + length / 2), "/proc/self/environ still shows the end of the value");
	}
	CHECK(getenv(BYSTANDER) != NULL && strcmp(getenv(BYSTANDER), BYSTANDER_VALUE) == 0);
	CHECK(kernel_shows(BYSTANDER "=" BYSTANDER_VALUE));
	CHECK(secret_take_environment(NAME, buffer, size) == 0, "there is nothing to take twice");
	(void) fflush(stdout);

	/* not exit(): the moved strings are never freed, as in a server */
	_exit(unit.failures > 0);
}

/* One environment: how the child treats it, what it holds, and what must come of it. */
typedef struct TakeCase
{
	const char *move;
	const char *variable; /* NULL: absent */
	const char *other;    /* one more variable, or NULL */
	size_t size;
	size_t expected;
} TakeCase;

static void
run_takes(const TakeCase *takes, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		char size[24];
		char expected[24];
		char *arguments[] = {"secret_test", "--child", (char *) takes[i].move, size, expected, NULL};
		char *variables[5] = {BYSTANDER "=" BYSTANDER_VALUE};
		int used = 1;
		int status = -1;
		pid_t child;

		(void) snprintf(size, sizeof(size), "%zu", takes[i].size);
		(void) snprintf(expected, sizeof(expected), "%zu", takes[i].expected);
		if (takes[i].variable != NULL)
			variables[used++] = (char *) takes[i].variable;
		if (takes[i].other != NULL)
			variables[used++] = (char *) takes[i].other;
		(void) fflush(stdout);
		child = fork();
		if (child == 0)
		{
			(void) execve("/proc/self/exe", arguments, variables);
			_exit(127);
		}
		CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0,
			  "environment %zu (%s, buffer of %zu): status %d", i, takes[i].move, takes[i].size, status);
	}
}

#define RUN_TAKES(takes) run_takes(takes, sizeof(takes) / sizeof((takes)[0]))

static void
value_is_taken(void)
{
	static const TakeCase takes[] = {
		{"stay", NAME "=" VALUE, NULL, 128, VALUE_LENGTH},
		{"move", NAME "=" VALUE, NULL, 128, VALUE_LENGTH},
		{"title", NAME "=" VALUE, NULL, 128, VALUE_LENGTH},
	};

	RUN_TAKES(takes);
}

static void
buffer_sizes(void)
{
	static const TakeCase takes[] = {
		{"stay", NAME "=" VALUE, NULL, VALUE_LENGTH + 1, VALUE_LENGTH},
		{"stay", NAME "=" VALUE, NULL, VALUE_LENGTH, VALUE_LENGTH + 1},
		{"move", NAME "=" VALUE, NULL, VALUE_LENGTH, VALUE_LENGTH + 1},
		{"title", NAME "=" VALUE, NULL, 10, 11},
		{"stay", NAME "=" VALUE, NULL, 1, 2},
		{"move", NAME "=" VALUE, NULL, 0, 1},
	};

	RUN_TAKES(takes);
}

static void
empty_and_absent(void)
{
	static const TakeCase takes[] = {
		{"stay", NAME "=", NULL, 128, 0},
		{"move", NAME "=", NULL, 128, 0},
		{"stay", NULL, NULL, 128, 0},
		{"move", NULL, NULL, 128, 0},
	};

	RUN_TAKES(takes);
}

static void
copies_under_other_names(void)
{
	static const TakeCase takes[] = {
		{"stay", NAME "=" VALUE, "TWIN_UNIT_COPY=" VALUE, 128, VALUE_LENGTH},
		{"move", NAME "=" VALUE, "TWIN_UNIT_COPY=" VALUE, 128, VALUE_LENGTH},
		{"move", NAME "=" VALUE, "TWIN_UNIT_URL=scheme://" VALUE "@host", 128, VALUE_LENGTH},
	};

	RUN_TAKES(takes);
}

static void
name_stands_twice(void)
{
	char first[] = NAME "=" VALUE;
	char second[] = NAME "=another";
	char other[] = NAME "_ELSE=kept";
	char *entries[] = {first, second, other, NULL};
	char **before = environ;
	char buffer[128];

	environ = entries;
	CHECK(secret_take_environment(NAME, buffer, sizeof(buffer)) == VALUE_LENGTH && strcmp(buffer, VALUE) == 0);
	CHECK(unit_is_filled((uint8_t *) first + strlen(NAME "="), VALUE_LENGTH, 0), "the first value is wiped");
	CHECK(unit_is_filled((uint8_t *) second + strlen(NAME "="), strlen("another"), 0), "and the second");
	CHECK(getenv(NAME) == NULL && strcmp(getenv(NAME "_ELSE"), "kept") == 0);
	environ = before;
}

static const UnitCase cases[] = {
	{"a name that stands there twice is wiped twice", name_stands_twice},
	{"secret_equal sees every bit within the length and none beyond", equal_sees_every_bit},
	{"secret_wipe clears that memory and no more", wipe_clears_that_and_no_more},
	{"a variable is taken and gone from getenv and /proc/self/environ", value_is_taken},
	{"a value that just fits, and values longer than the buffer", buffer_sizes},
	{"an empty and an absent variable", empty_and_absent},
	{"copies under other names leave /proc/self/environ as well", copies_under_other_names},
};

int
main(int count, char **arguments)
{
	if (count == 5 && strcmp(arguments[1], "--child") == 0)
		return child_takes(arguments[2], strtoul(arguments[3], NULL, 10), strtoul(arguments[4], NULL, 10));
	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
