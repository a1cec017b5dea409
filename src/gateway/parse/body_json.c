/*
 * body_json.c
 *		JSON as a body: of what kind it is, and the keys of its outermost objects.
 *
 * The keys of the first object are sorted; those of every other are looked up
 * among them, first where the first object had its own, so that many rows of
 * one shape cost one comparison a key, and no choice of keys costs more than
 * their number's logarithm.
 */
#include "gateway/parse/body_parts.h"
#include "gateway/parse/json_scan.h"

#include <string.h>

typedef struct Rows
{
	Arena *arena;
	JsonScan scan;
	/* the first object's keys */
	bool has_first;
	bool has_too_many;
	const char **keys; /* as they came */
	int key_total;
	const char **sorted;
	int key_count;
	int *places;    /* where in sorted the key stands that came so-manyth */
	unsigned *seen; /* the last object that had a key, by its place */
	unsigned object;
	int different; /* keys the current object has of the first one's */
	bool keys_differ;
} Rows;

/* Remembers a key of the first object. */
static void
add_key(void *argument, const char *name, size_t length, int number)
{
	Rows *rows = argument;

	if (number < BODY_KEYS_MAX)
		rows->keys[rows->key_total++] = arena_copy(rows->arena, name, length);
	else
		rows->has_too_many = true;
}

/* How a name and a key stand to one another. */
static int
compare_key(const char *name, size_t length, const char *key)
{
	int order = strncmp(name, key, length); /* public: names of columns */

	return order != 0 ? order : key[length] == '\0' ? 0 : -1;
}

/* Where a name stands among the first object's keys; -1 when it does not. */
static int
place_of(const Rows *rows, const char *name, size_t length)
{
	int low = 0;
	int high = rows->key_count - 1;

	while (low <= high)
	{
		int middle = low + (high - low) / 2;
		int order = compare_key(name, length, rows->sorted[middle]);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

/* Looks a key of a later object up among those of the first. */
static void
check_key(void *argument, const char *name, size_t length, int number)
{
	Rows *rows = argument;
	int place = number < rows->key_total ? rows->places[number] : -1;

	/* a NUL in a key is refused at the end, whatever is found here */
	if (rows->keys_differ || rows->scan.has_nul)
		return;
	if (place < 0 || compare_key(name, length, rows->sorted[place]) != 0)
		place = place_of(rows, name, length);
	if (place < 0)
		rows->keys_differ = true;
	else if (rows->seen[place] != rows->object)
	{
		rows->seen[place] = rows->object;
		rows->different++;
	}
}

/* Reads the first object and makes its keys ready for others. */
static bool
read_first(Rows *rows)
{
	rows->keys = arena_alloc(rows->arena, sizeof(char *) * BODY_KEYS_MAX);
	rows->has_first = true;
	if (!scan_object(&rows->scan, add_key, rows))
		return false;
	rows->sorted = arena_alloc(rows->arena, sizeof(char *) * ((size_t) rows->key_total + 1));
	if (rows->key_total > 0)
		memcpy(rows->sorted, rows->keys, sizeof(char *) * (size_t) rows->key_total);
	rows->key_count = body_sort_keys(rows->sorted, rows->key_total);
	rows->places = arena_alloc(rows->arena, sizeof(int) * ((size_t) rows->key_total + 1));
	for (int i = 0; i < rows->key_total; i++)
		rows->places[i] = place_of(rows, rows->keys[i], strlen(rows->keys[i]));
	rows->seen = arena_alloc(rows->arena, sizeof(unsigned) * ((size_t) rows->key_count + 1));
	return true;
}

/* Reads an object behind the first. */
static bool
read_other(Rows *rows)
{
	rows->object++;
	rows->different = 0;
	if (!scan_object(&rows->scan, check_key, rows))
		return false;
	rows->keys_differ = rows->keys_differ || rows->different != rows->key_count;
	return true;
}

/* Reads the outermost array; what is no object in it is noted. */
static bool
read_rows(Rows *rows, bool *has_others, bool *is_empty)
{
	JsonScan *scan = &rows->scan;
	bool more = true;

	*has_others = false;
	if (!scan_enter(scan, '['))
		return false;
	scan_blanks(scan);
	*is_empty = scan_take(scan, ']');
	if (*is_empty)
		return true;
	while (more)
	{
		bool is_object = scan->s < scan->end && *scan->s == '{';

		*has_others = *has_others || !is_object;
		if (!(is_object ? rows->has_first ? read_other(rows) : read_first(rows) : scan_value(scan)) ||
			!scan_goes_on(scan, ']', &more))
			return false;
	}
	return true;
}

bool
body_read_json(Arena *arena, const char *data, size_t length, Body *body, Problem *problem)
{
	Rows rows = {.arena = arena, .scan = {.s = data, .end = data + length}};
	JsonScan *scan = &rows.scan;
	bool has_others = false;
	bool success;

	text_begin(&scan->scratch, arena);
	scan_blanks(scan);
	if (scan->s < scan->end && *scan->s == '{')
	{
		body->kind = BODY_OBJECT;
		success = read_first(&rows);
	}
	else if (scan->s < scan->end && *scan->s == '[')
	{
		body->kind = BODY_ARRAY;
		success = read_rows(&rows, &has_others, &body->is_empty_array);
	}
	else
	{
		body->kind = BODY_SCALAR;
		success = scan_value(scan);
	}
	scan_blanks(scan);
	if (!success || scan->s != scan->end)
		return body_refuse(problem, "Empty or invalid json", NULL);
	if (scan->has_nul)
		return problem_set(problem, 400, "22P05", "unsupported Unicode escape sequence",
						   "\\u0000 cannot be converted to text.", NULL);
	if (has_others)
		return body_refuse(problem, "All object keys must match", NULL);
	if (rows.has_too_many)
		return body_refuse(problem, "Too many keys in one object", NULL);
	body->json = data;
	body->json_length = length;
	body->keys = rows.sorted;
	body->key_count = rows.key_count;
	body->keys_differ = rows.keys_differ;
	return true;
}
