/*
 * similar.c
 *		"Perhaps you meant": the name that takes the fewest changes (Levenshtein), in proportion to its length.
 *
 * A stranger may ask for any name as often as he likes, so names over 63 bytes
 * have nothing similar, and names of very different length are not compared.
 */
#include "gateway/plan/model.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_BYTES 63

/* How many bytes must change, at most. */
static size_t
distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned char row[NAME_MAX_BYTES + 1];

	for (size_t j = 0; j <= b_length; j++)
		row[j] = (unsigned char) j;
	for (size_t i = 1; i <= a_length; i++)
	{
		unsigned char corner = row[0];

		row[0] = (unsigned char) i;
		for (size_t j = 1; j <= b_length; j++)
		{
			unsigned char above = row[j];
			unsigned char best =
				tolower((unsigned char) a[i - 1]) == tolower((unsigned char) b[j - 1]) ? corner : corner + 1;

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = above;
			row[j] = best;
		}
	}
	return row[b_length];
}

const char *
similar_name(const char *name, double least, SimilarNext next, const void *list)
{
	size_t length = strlen(name);
	const char *best = NULL;
	const char *other;

	if (length == 0 || length > NAME_MAX_BYTES)
		return NULL;
	for (int i = 0; (other = next(list, i)) != NULL; i++)
	{
		size_t other_length = strlen(other);
		size_t longer = length > other_length ? length : other_length;
		size_t shorter = length + other_length - longer;
		double score;

		if (other_length == 0 || other_length > NAME_MAX_BYTES || (double) shorter < least * (double) longer)
			continue;
		score = 1.0 - (double) distance(name, length, other, other_length) / (double) longer;
		if (score < least || (best != NULL && score <= least))
			continue;
		best = other;
		least = score;
	}
	return best;
}
