/*
 * archive_name.c
 *		Names of archives' files, and the times in them.
 */
#include "archive_manifest.h"

#include "leaf.h"

#include <stdio.h>
#include <string.h>

#define PART_MAX 72   /* of an identifier as it stands in a name */
#define PART_KEPT 55  /* of one that is cut */
#define PART_DIGEST 8 /* bytes of the digest behind it */
#define TIME_MAX 32   /* of a time */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$"

static bool
put_identifier(const char *name, char to[PART_MAX + 1])
{
	uint8_t digest[DIGEST_SIZE];
	size_t length = 0;
	bool is_cut = false;

	if (name[0] == '\0')
		return false;
	for (const char *at = name; *at != '\0'; at++)
	{
		bool is_plain = strchr(LETTERS, *at) != NULL;
		size_t size = is_plain ? 1 : 3;

		if (length + size > PART_MAX)
		{
			is_cut = true;
			break;
		}
		(void) snprintf(to + length, PART_MAX + 1 - length, is_plain ? "%c" : "%%%02X", (unsigned char) *at);
		length += size;
	}
	if (!is_cut)
		return true;
	if (digest_sha256(bytes_of(name, strlen(name)), digest) != TSEC_OK)
		return false;
	/* what stands for one byte is not cut in two */
	for (length = PART_KEPT; to[length - 1] == '%' || to[length - 2] == '%';)
		length--;
	to[length++] = '~';
	for (int i = 0; i < PART_DIGEST; i++, length += 2)
		(void) snprintf(to + length, 3, "%02x", digest[i]);
	return true;
}

/* A time without what separates its numbers, and without parts of a second that are 0. */
static void
put_time(const char *time, const char *none, char to[TIME_MAX + 1])
{
	size_t length = 0;

	if (time == NULL || strstr(time, "infinity") != NULL)
	{
		strcpy(to, none);
		return;
	}
	for (const char *at = time; *at != '\0' && length < TIME_MAX; at++)
	{
		if (strcmp(at, ".000000Z") == 0) /* public: a time */
			at += 7;
		if (*at == '-' && at == time)
			to[length++] = 'B';
		else if (*at != '-' && *at != ':')
			to[length++] = *at;
	}
	to[length] = '\0';
}

bool
archive_name(const ArchiveManifest *manifest, char name[ARCHIVE_FILE_NAME_SIZE])
{
	char schema[PART_MAX + 1];
	char partition[PART_MAX + 1];
	char from[TIME_MAX + 1];
	char to[TIME_MAX + 1];
	int length;

	if (!put_identifier(manifest->schema, schema) || !put_identifier(manifest->partition, partition))
		return false;
	put_time(manifest->from, "beginning", from);
	put_time(manifest->to, "end", to);
	length = snprintf(name, ARCHIVE_FILE_NAME_SIZE, "%s.%s.%s-%s", schema, partition, from, to);
	if (manifest->number > 1)
		(void) snprintf(name + length, ARCHIVE_FILE_NAME_SIZE - (size_t) length, ".%d", manifest->number);
	return true;
}

bool
archive_name_valid(const char *file)
{
	size_t length = strlen(file);
	size_t suffix = strlen(ARCHIVE_SUFFIX);

	return length > suffix && length < ARCHIVE_FILE_NAME_SIZE - 24 && file[0] != '.' && file[0] != '-' &&
		   strspn(file, LETTERS ".-%~") == length &&
		   strcmp(file + length - suffix, ARCHIVE_SUFFIX) == 0; /* public: a file's name */
}

void
archive_manifest_name(const char *file, char name[ARCHIVE_FILE_NAME_SIZE])
{
	(void) snprintf(name, ARCHIVE_FILE_NAME_SIZE, "%.*s" ARCHIVE_MANIFEST_SUFFIX,
					(int) (strlen(file) - strlen(ARCHIVE_SUFFIX)), file);
}

/* ---- times ---- */

#define EPOCH_DAYS 730425 /* from 0000-03-01 to 2000-01-01 */
#define YEAR_MAX 294276   /* that a server's time has */

/* Days since 2000-01-01 of a day of the calendar, of the year 0 or later. */
static int64_t
days_of(int year, unsigned month, unsigned day)
{
	int64_t from_march = year - (month <= 2);
	unsigned months = month > 2 ? month - 3 : month + 9;

	/* a year before the first March of all */
	if (from_march < 0)
		return (int64_t) (153 * months + 2) / 5 + day - 1 - 366 - EPOCH_DAYS;
	return 365 * from_march + from_march / 4 - from_march / 100 + from_march / 400 + (153 * months + 2) / 5 + day -
		   1 - EPOCH_DAYS;
}

bool
archive_time(const char *text, int64_t *time)
{
	char again[LEAF_TIME_SIZE];
	int year;
	unsigned month;
	unsigned day;
	unsigned hour;
	unsigned minute;
	unsigned second;
	unsigned fraction;

	/* public: words, and what a manifest says */
	if (strcmp(text, "infinity") == 0 || strcmp(text, "-infinity") == 0)
		*time = text[0] == '-' ? INT64_MIN : INT64_MAX;
	else if (strlen(text) >= LEAF_TIME_SIZE || strspn(text, "0123456789-:.TZ") != strlen(text) ||
			 sscanf(text, "%6d-%2u-%2uT%2u:%2u:%2u.%6uZ", &year, &month, &day, &hour, &minute, &second, &fraction) !=
				 7 ||
			 year < 0 || year > YEAR_MAX || month < 1 || month > 12)
		return false;
	else
		*time =
			((((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60) + second) * INT64_C(1000000) + fraction;
	leaf_time(*time, again);
	return strcmp(text, again) == 0; /* public: a time */
}
