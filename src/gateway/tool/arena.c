/*
 * arena.c
 *		Blocks that grow by doubling; the first serves most requests whole.
 */
#include "gateway/tool/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK ((size_t) 4096)
#define LARGEST_BLOCK ((size_t) 1 << 20)
#define ALIGNMENT ((size_t) 16)

typedef struct Block
{
	struct Block *next;
	size_t size;
	size_t used;
	_Alignas(16) char bytes[];
} Block;

typedef struct Release
{
	struct Release *next;
	void (*release)(void *argument);
	void *argument;
} Release;

struct Arena
{
	Block *blocks; /* newest first */
	Release *releases;
};

/* The machine has no memory left: nothing sensible can follow. */
static void *
must_have(void *memory)
{
	if (memory == NULL)
	{
		(void) fputs("twin_gateway: out of memory\n", stderr);
		abort();
	}
	return memory;
}

static Block *
new_block(Arena *arena, size_t size)
{
	Block *block = must_have(malloc(sizeof(Block) + size));

	block->size = size;
	block->used = 0;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

Arena *
arena_new(void)
{
	return must_have(calloc(1, sizeof(Arena)));
}

void
arena_free(Arena *arena)
{
	if (arena == NULL)
		return;
	for (Release *release = arena->releases; release != NULL; release = release->next)
		release->release(release->argument);
	while (arena->blocks != NULL)
	{
		Block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	free(arena);
}

void *
arena_alloc(Arena *arena, size_t size)
{
	Block *block = arena->blocks;
	size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	void *memory;

	if (rounded < size || rounded > SIZE_MAX - sizeof(Block))
		must_have(NULL);
	if (block == NULL || block->size - block->used < rounded)
	{
		size_t next = block == NULL ? FIRST_BLOCK : block->size * 2;

		if (next > LARGEST_BLOCK)
			next = LARGEST_BLOCK;
		block = new_block(arena, next > rounded ? next : rounded);
	}
	memory = block->bytes + block->used;
	block->used += rounded;
	return memset(memory, 0, size);
}

char *
arena_copy(Arena *arena, const char *data, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	if (length > 0)
		memcpy(copy, data, length);
	return copy;
}

char *
arena_string(Arena *arena, const char *string)
{
	return arena_copy(arena, string, strlen(string));
}

char *
arena_format(Arena *arena, const char *format, ...)
{
	va_list arguments;
	int length;
	char *made;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		must_have(NULL);
	made = arena_alloc(arena, (size_t) length + 1);
	va_start(arguments, format);
	(void) vsnprintf(made, (size_t) length + 1, format, arguments);
	va_end(arguments);
	return made;
}

void
arena_on_free(Arena *arena, void (*release)(void *argument), void *argument)
{
	Release *added = arena_alloc(arena, sizeof(Release));

	*added = (Release){.next = arena->releases, .release = release, .argument = argument};
	arena->releases = added;
}
