/*
 * prepared.c
 *		Names of the statements a connection keeps prepared.
 *
 * The texts of a deployment are few: one for each shape of request.  A client
 * can make many shapes, so the set is bounded, by number and by length (a plan
 * takes some twenty times the room of its text in the server); when it is full,
 * the connection drops all of them and begins anew.  Long texts are nobody's
 * daily business and are not kept at all.
 */
#include "gateway/db/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256
#define LENGTH_MAX 16384
#define BYTES_MAX (2 * 1024 * 1024)

struct PreparedSet
{
	Prepared *buckets[BUCKETS];
	int count;
	size_t bytes; /* of all texts */
	unsigned long made;
};

PreparedSet *
prepared_new(void)
{
	return db_alloc(sizeof(PreparedSet));
}

void
prepared_forget(PreparedSet *set)
{
	for (int i = 0; i < BUCKETS; i++)
		while (set->buckets[i] != NULL)
		{
			Prepared *entry = set->buckets[i];

			set->buckets[i] = entry->next;
			free(entry);
		}
	set->count = 0;
	set->bytes = 0;
}

void
prepared_free(PreparedSet *set)
{
	if (set != NULL)
		prepared_forget(set);
	free(set);
}

/* FNV-1a; a client that makes its shapes collide slows down its own lookups, by PREPARED_MAX comparisons at most. */
static uint64_t
hash_of(const char *sql)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (const unsigned char *s = (const unsigned char *) sql; *s != '\0'; s++)
		hash = (hash ^ *s) * UINT64_C(1099511628211);
	return hash;
}

bool
prepared_is_full(const PreparedSet *set)
{
	return set->count >= PREPARED_MAX || set->bytes >= BYTES_MAX;
}

Prepared *
prepared_get(PreparedSet *set, const char *sql)
{
	uint64_t hash = hash_of(sql);
	Prepared **bucket = &set->buckets[hash % BUCKETS];
	Prepared *entry;
	size_t length;

	for (entry = *bucket; entry != NULL; entry = entry->next)
		if (entry->hash == hash && strcmp(entry->sql, sql) == 0)
			return entry;
	length = strlen(sql);
	if (prepared_is_full(set) || length > LENGTH_MAX)
		return NULL;
	entry = db_alloc(sizeof(Prepared) + length + 1);
	memcpy(entry->sql, sql, length + 1);
	entry->hash = hash;
	(void) snprintf(entry->name, sizeof(entry->name), "g%lu", ++set->made);
	entry->next = *bucket;
	*bucket = entry;
	set->count++;
	set->bytes += length;
	return entry;
}
