/*
 * archive_name.c
 *		Names of archives' files.
 */
#include "archive_manifest.h"

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
