/*
 * unit.h
 *		What a unit test needs and no more: a table of named cases, checks that
 *		say where they failed, and TAP on standard output for prove.
 *
 * A case is a function that calls CHECK as often as it likes and becomes one
 * line of TAP.  A case in which no check ran fails, so that a loop over
 * nothing is never taken for a success.
 */
#ifndef TSEC_UNIT_H
#define TSEC_UNIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_COMPLAINTS_MAX 10

typedef struct UnitCase
{
	const char *name;
	void (*run)(void);
} UnitCase;

/* The case that runs now. */
static struct
{
	unsigned long checks;
	unsigned long failures;
} unit;

/* CHECK(condition) or CHECK(condition, "format", ...) to say with which data; gives back the condition. */
#define CHECK(condition, ...) unit_check((condition), __FILE__, __LINE__, #condition, " " __VA_ARGS__)

__attribute__((format(printf, 5, 6))) static inline bool
unit_check(bool holds, const char *file, int line, const char *condition, const char *format, ...)
{
	va_list arguments;

	unit.checks++;
	if (holds)
		return true;
	if (unit.failures++ >= UNIT_COMPLAINTS_MAX)
		return false;
	/* standard error: prove shows it, and hides comments on standard output */
	fprintf(stderr, "# %s:%d: not so: %s;", file, line, condition);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return false;
}

/* Runs the cases in order; the answer is the program's exit status. */
static inline int
unit_run(const UnitCase *cases, size_t count)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < count; i++)
	{
		bool passed;

		memset(&unit, 0, sizeof(unit));
		cases[i].run();
		passed = unit.failures == 0 && unit.checks > 0;
		failed += !passed;
		printf("%s %zu - %s\n# %lu checks, %lu failed\n", passed ? "ok" : "not ok", i + 1, cases[i].name, unit.checks,
			   unit.failures);
	}
	printf("1..%zu\n", count);
	return failed > 0;
}

#define UNIT_MAIN(cases)                                            \
	int main(void)                                                  \
	{                                                               \
		return unit_run(cases, sizeof(cases) / sizeof((cases)[0])); \
	}

/* Memory of exactly this size, so that the sanitizer sees the first byte beyond it. */
static inline void *
unit_memory(size_t length)
{
	void *memory = malloc(length > 0 ? length : 1);

	if (memory == NULL)
		abort();
	return memory;
}

/* Bytes written in hexadecimal into memory of exactly their size; the caller frees it.  Blanks are skipped. */
static inline uint8_t *
unit_hex(const char *hex, size_t *length)
{
	uint8_t *bytes = unit_memory(strlen(hex) / 2);
	unsigned value;

	*length = 0;
	for (; *hex != '\0'; hex += *hex == ' ' ? 1 : 2)
	{
		if (*hex == ' ')
			continue;
		if (sscanf(hex, "%2x", &value) != 1 || hex[1] == '\0')
			abort();
		bytes[(*length)++] = (uint8_t) value;
	}
	return bytes;
}

/* Whether memory equals bytes written in hexadecimal. */
static inline bool
unit_is_hex(const void *memory, size_t length, const char *hex)
{
	size_t wanted;
	uint8_t *bytes = unit_hex(hex, &wanted);
	bool same = wanted == length && memcmp(bytes, memory, length) == 0;

	free(bytes);
	return same;
}

/* Whether memory holds one byte value and nothing else. */
static inline bool
unit_is_filled(const uint8_t *memory, size_t length, uint8_t value)
{
	for (size_t i = 0; i < length; i++)
	{
		if (memory[i] != value)
			return false;
	}
	return true;
}

/* Bytes that look random and are the same at every run. */
static inline void
unit_fill(uint8_t *memory, size_t length, uint32_t seed)
{
	uint32_t state = seed * 2654435761u + 1;

	for (size_t i = 0; i < length; i++)
	{
		state = state * 1664525u + 1013904223u;
		memory[i] = (uint8_t) (state >> 24);
	}
}

#endif /* TSEC_UNIT_H */
