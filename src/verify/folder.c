/*
 * folder.c
 *		What lies in an export's folder: exactly what its manifest says, no file less
 *		and none more.
 */
#include "verify/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether the manifest gives a file this name. */
static bool
is_listed(const Check *check, const char *name)
{
	char expected[MANIFEST_NAME_SIZE];
	SegmentHeader segment;
	uint64_t first;

	if (strcmp(name, MANIFEST_NAME) == 0 || strcmp(name, MANIFEST_CHECKPOINTS) == 0 ||
		strcmp(name, MANIFEST_KEYS) == 0 || strcmp(name, MANIFEST_DROPPED) == 0) /* public: a file's name */
		return true;
	/* the number of a segment follows from its first leaf */
	if (sscanf(name, "leaves-%19" SCNu64 ".seg", &first) != 1 || first < check->head.first_leaf)
		return false;
	first = first / SEGMENT_LEAVES_MAX - check->head.first_leaf / SEGMENT_LEAVES_MAX;
	if (first >= manifest_segments(&check->head))
		return false;
	manifest_file_name(&check->head, first, expected, &segment);
	return strcmp(name, expected) == 0;
}

static bool
check_entries(Check *check)
{
	int copy = fcntl(check->folder, F_DUPFD_CLOEXEC, 0);
	DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (entries == NULL)
	{
		report_problem(check->report, VERDICT_UNREADABLE, "", "the folder cannot be listed: %s", strerror(errno));
		return false;
	}
	while ((entry = readdir(entries)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !is_listed(check, entry->d_name))
			report_problem(check->report, VERDICT_TAMPERED, entry->d_name, "the manifest does not list this file");
	(void) closedir(entries);
	return true;
}

/* Reads every line of the manifest, and whether each file is there at its length; keeps those behind the segments. */
static bool
check_files(Check *check)
{
	uint64_t count = manifest_files(&check->head);
	uint64_t segments = manifest_segments(&check->head);
	ManifestFile *const others[] = {&check->checkpoints_file, &check->keys_file, &check->dropped_file};
	Bytes rest = check->file_lines;

	for (uint64_t number = 0; number < count; number++)
	{
		struct stat status;
		ManifestFile file;

		if (!manifest_read_file(&rest, &check->head, number, &file))
		{
			report_problem(check->report, VERDICT_TAMPERED, MANIFEST_NAME,
						   "the manifest is not as an export writes it where file %" PRIu64 " should stand", number);
			return false;
		}
		if (number >= segments)
			*others[number - segments] = file;
		if (fstatat(check->folder, file.name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		{
			Verdict verdict = errno == ENOENT ? VERDICT_TAMPERED : VERDICT_UNREADABLE;

			report_problem(check->report, verdict, file.name,
						   errno == ENOENT ? "the file is missing" : "the file cannot be looked at");
		}
		else if (!S_ISREG(status.st_mode))
			report_problem(check->report, VERDICT_TAMPERED, file.name, "this is not a file");
		else if ((uint64_t) status.st_size != file.bytes)
			report_problem(check->report, VERDICT_TAMPERED, file.name,
						   "the file has %" PRIu64 " bytes, the manifest says %" PRIu64, (uint64_t) status.st_size,
						   file.bytes);
	}
	if (!manifest_read_tail(&rest))
	{
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_NAME,
					   "the manifest is not as an export writes it behind its last file");
		return false;
	}
	return true;
}

bool
folder_open(Check *check)
{
	const char *name = check->options->folder;
	uint8_t sha256[DIGEST_SIZE];
	size_t length;

	check->folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (check->folder < 0)
	{
		report_problem(check->report, VERDICT_UNREADABLE, "", "the folder cannot be opened: %s", strerror(errno));
		return false;
	}
	check->manifest = reader_whole(check->folder, MANIFEST_NAME, MANIFEST_MAX, &length, sha256);
	if (check->manifest == NULL)
	{
		bool is_tampering = errno == ENOENT || errno == EFBIG || errno == EINVAL || errno == ELOOP;

		report_problem(check->report, is_tampering ? VERDICT_TAMPERED : VERDICT_UNREADABLE, MANIFEST_NAME,
					   errno == ENOENT ? "the manifest is missing"
					   : is_tampering  ? "this is not a manifest"
									   : "the manifest cannot be read");
		return false;
	}
	check->file_lines = bytes_of(check->manifest, length);
	if (!manifest_read_head(&check->file_lines, &check->head))
	{
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_NAME,
					   "the manifest is not as an export of version 1 writes it");
		return false;
	}
	check->report->first_leaf = check->head.first_leaf;
	check->report->leaves = check->head.leaves;
	return check_files(check) && check_entries(check);
}

void
folder_next(Check *check, uint64_t number, ManifestFile *file)
{
	/* these lines were read once */
	(void) manifest_read_file(&check->file_lines, &check->head, number, file);
}

Reader *
folder_read(Check *check, const ManifestFile *file)
{
	Reader *reader = reader_open(check->folder, file->name);

	/* what is missing or no file is written down already */
	if (reader == NULL && errno != ENOENT && errno != EINVAL && errno != ELOOP)
		report_problem(check->report, VERDICT_UNREADABLE, file->name, "the file cannot be opened: %s",
					   strerror(errno));
	return reader;
}

void
folder_finish(Check *check, const ManifestFile *file, Reader *reader)
{
	uint8_t sha256[DIGEST_SIZE];

	if (reader == NULL)
		return;
	if (!reader_finish(reader, sha256))
		report_problem(check->report, VERDICT_UNREADABLE, file->name, "the file cannot be read");
	else if (memcmp(sha256, file->sha256, DIGEST_SIZE) != 0) /* public: a digest of a file */
		report_problem(check->report, VERDICT_TAMPERED, file->name,
					   "the file's SHA-256 is not what the manifest says");
	reader_close(reader);
}
