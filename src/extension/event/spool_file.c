/*
 * spool_file.c
 *		The folder of files in which a standby keeps its events: names, sizes, and
 *		what can be done to one.
 *
 * What stands there that has no such name is nobody's, and left alone.
 */
#include "event/spool.h"

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#include <sys/stat.h>
#include <unistd.h>

#define STREAM_DIGITS (2 * SPOOL_STREAM_SIZE)
#define AFTER_DIGITS 16

static const char *const endings[SPOOL_STATES] = {
	[SPOOL_FINISHED] = "", [SPOOL_OPEN] = ".open", [SPOOL_REFUSED] = ".refused"};

void
spool_path(const SpoolName *name, char path[MAXPGPATH])
{
	char stream[STREAM_DIGITS + 1];

	hex_encode((const char *) name->stream, SPOOL_STREAM_SIZE, stream);
	stream[STREAM_DIGITS] = '\0';
	snprintf(path, MAXPGPATH, SPOOL_FOLDER "/%u.%s.%016llx%s", name->database, stream,
			 (unsigned long long) name->after, endings[name->state]);
}

SpoolName
spool_name_of(const SpoolHeader *header)
{
	SpoolName name = {.database = header->database, .after = header->after, .state = SPOOL_FINISHED};

	memcpy(name.stream, header->stream, SPOOL_STREAM_SIZE);
	return name;
}

/* Reads so many hexadecimal digits; false when these are not there. */
static bool
take_digits(const char **at, int digits, uint64 *value)
{
	*value = 0;
	for (int i = 0; i < digits; i++, (*at)++)
	{
		const char *found = **at == '\0' ? NULL : strchr("0123456789abcdef", **at);

		if (found == NULL)
			return false;
		*value = *value << 4 | (uint64) (strlen("0123456789abcdef") - strlen(found));
	}
	return true;
}

/* What a name in the folder says; false when it is none of ours. */
static bool
parse_name(const char *text, SpoolName *name)
{
	char path[MAXPGPATH];
	const char *at = text;
	uint64 value;

	memset(name, 0, sizeof(*name));
	for (; *at >= '0' && *at <= '9' && at - text < 10; at++)
		name->database = name->database * 10 + (Oid) (*at - '0');
	if (*at++ != '.')
		return false;
	for (int i = 0; i < SPOOL_STREAM_SIZE; i++)
	{
		if (!take_digits(&at, 2, &value))
			return false;
		name->stream[i] = (uint8) value;
	}
	if (*at++ != '.' || !take_digits(&at, AFTER_DIGITS, &name->after))
		return false;
	for (name->state = SPOOL_FINISHED; name->state < SPOOL_STATES; name->state++)
	{
		spool_path(name, path);
		/* public: names of files; this way no file has two */
		if (strcmp(path + strlen(SPOOL_FOLDER "/"), text) == 0)
			return true;
	}
	return false;
}

static int
compare(const ListCell *a, const ListCell *b)
{
	const SpoolName *one = lfirst(a);
	const SpoolName *other = lfirst(b);
	int order = memcmp(one->stream, other->stream, SPOOL_STREAM_SIZE); /* public: names of files */

	if (one->database != other->database)
		return one->database < other->database ? -1 : 1;
	if (order != 0)
		return order;
	return one->after < other->after ? -1 : one->after > other->after;
}

List *
spool_list(void)
{
	DIR *folder = AllocateDir(SPOOL_FOLDER);
	List *names = NIL;
	struct dirent *entry;
	SpoolName name;

	if (folder == NULL && errno == ENOENT)
		return NIL;
	while ((entry = ReadDir(folder, SPOOL_FOLDER)) != NULL)
		if (parse_name(entry->d_name, &name))
			names = lappend(names, memcpy(palloc(sizeof(name)), &name, sizeof(name)));
	FreeDir(folder);
	list_sort(names, compare);
	return names;
}

bool
spool_has_room(Oid database)
{
	uint64 size = SPOOL_FILE_FULL;
	ListCell *cell;

	foreach(cell, spool_list())
	{
		const SpoolName *name = lfirst(cell);
		char path[MAXPGPATH];
		struct stat file;

		spool_path(name, path);
		if (name->database == database && stat(path, &file) == 0)
			size += Max((uint64) file.st_size, SPOOL_FILE_LEAST);
	}
	return size <= (uint64) setting_standby_spool_size * 1024;
}

bool
spool_read_file(const SpoolName *name, Bytes *bytes)
{
	char path[MAXPGPATH];
	uint8 *read = palloc(SPOOL_FILE_MAX + 1);
	size_t length;
	int failure;
	FILE *file;

	spool_path(name, path);
	file = AllocateFile(path, PG_BINARY_R);
	if (file == NULL)
		return false;
	errno = 0;
	length = fread(read, 1, SPOOL_FILE_MAX + 1, file);
	failure = ferror(file) ? (errno != 0 ? errno : EIO) : length > SPOOL_FILE_MAX ? EFBIG : 0;
	FreeFile(file);
	*bytes = bytes_of(read, length);
	errno = failure;
	return failure == 0;
}

bool
spool_make_folder(void)
{
	return MakePGDirectory(SPOOL_FOLDER) == 0 ? base_sync_folder(".") : errno == EEXIST;
}

bool
spool_set_state(const SpoolName *name, SpoolState state)
{
	SpoolName renamed = *name;
	char from[MAXPGPATH];
	char to[MAXPGPATH];

	renamed.state = state;
	spool_path(name, from);
	spool_path(&renamed, to);
	return durable_rename(from, to, LOG) == 0;
}

void
spool_remove(const SpoolName *name)
{
	char path[MAXPGPATH];

	spool_path(name, path);
	(void) durable_unlink(path, LOG);
}
