/*
 * strictjson.c
 *		The scan in front of jansson, and jansson with its strict flags.
 */
#include "strictjson.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What the claims of our own tokens take, twice over. */
#define FIRST_BLOCK_SIZE 8192

bool
strictjson_fits(const char *text, size_t length, unsigned depth, unsigned values)
{
	unsigned level = 0;
	unsigned count = 1;
	bool in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		char c = text[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		switch (c)
		{
			case '"':
				in_string = true;
				break;
			case '{':
			case '[':
				if (++level > depth || ++count > values)
					return false;
				break;
			case '}':
			case ']':
				if (level == 0)
					return false;
				level--;
				break;
			case ',':
				if (++count > values)
					return false;
				break;
			default:
				break;
		}
	}
	return true;
}

/* Whether memory was out while the last text was read: jansson calls that a text that is malformed. */
static bool ran_out = false;
static json_malloc_t usual_malloc = NULL;

static void *
noting_malloc(size_t size)
{
	void *place = usual_malloc(size);

	if (place == NULL)
		ran_out = true;
	return place;
}

Status
strictjson_failure(Status malformed)
{
	return ran_out ? TSEC_NO_MEMORY : malformed;
}

/* Reads a text, allocating with a function that notes when there is none left. */
static json_t *
load(const char *text, size_t length)
{
	json_free_t usual_free;
	json_t *root;

	/* others in this process use jansson as well: nothing of theirs may come between the two calls */
	json_get_alloc_funcs(&usual_malloc, &usual_free);
	json_set_alloc_funcs(noting_malloc, usual_free);
	root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	json_set_alloc_funcs(usual_malloc, usual_free);
	/* jansson 2.14 may leave a member out, and say nothing */
	if (ran_out && root != NULL)
	{
		json_decref(root);
		root = NULL;
	}
	return root;
}

json_t *
strictjson_object(const char *text, size_t length, unsigned depth, unsigned values)
{
	json_t *root;

	ran_out = false;
	/* jansson overlooks a NUL behind a number */
	if (!strictjson_fits(text, length, depth, values) || (length > 0 && memchr(text, 0, length) != NULL))
		return NULL;
	root = load(text, length);
	if (root != NULL && !json_is_object(root))
	{
		json_decref(root);
		root = NULL;
	}
	return root;
}

typedef struct Block
{
	struct Block *next;
	max_align_t bytes[];
} Block;

struct JsonArena
{
	Block *more; /* what did not fit */
	size_t used;
	max_align_t first[FIRST_BLOCK_SIZE / sizeof(max_align_t)];
};

/* Where jansson allocates while it reads into an arena; the library has one pair of functions for all. */
static JsonArena *reading_into = NULL;

static void *
arena_malloc(size_t size)
{
	JsonArena *arena = reading_into;
	size_t aligned = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	Block *block;

	if (aligned < size)
		return NULL;
	if (aligned <= sizeof(arena->first) - arena->used)
	{
		void *place = (uint8_t *) arena->first + arena->used;

		arena->used += aligned;
		return place;
	}
	block = malloc(sizeof(Block) + aligned);
	if (block == NULL)
		return NULL;
	block->next = arena->more;
	arena->more = block;
	return block->bytes;
}

static void
arena_keep(void *place)
{
	/* all of it goes with the arena */
	(void) place;
}

void
strictjson_arena_empty(JsonArena *arena)
{
	while (arena->more != NULL)
	{
		Block *block = arena->more;

		arena->more = block->next;
		free(block);
	}
	arena->used = 0;
}

JsonArena *
strictjson_arena_new(void)
{
	JsonArena *arena = malloc(sizeof(JsonArena));

	if (arena != NULL)
	{
		arena->more = NULL;
		arena->used = 0;
	}
	return arena;
}

void
strictjson_arena_free(JsonArena *arena)
{
	if (arena != NULL)
		strictjson_arena_empty(arena);
	free(arena);
}

json_t *
strictjson_object_in(JsonArena *arena, const char *text, size_t length, unsigned depth, unsigned values)
{
	json_malloc_t kept_malloc;
	json_free_t kept_free;
	json_t *root;

	strictjson_arena_empty(arena);
	json_get_alloc_funcs(&kept_malloc, &kept_free);
	reading_into = arena;
	json_set_alloc_funcs(arena_malloc, arena_keep);
	root = strictjson_object(text, length, depth, values);
	json_set_alloc_funcs(kept_malloc, kept_free);
	reading_into = NULL;
	return root;
}

const char *
strictjson_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}
