/*
 * verify_file_fuzz.c
 *		Single files of an auditor: a leaf and a proof, two checkpoints and a proof, an
 *		archive with its manifest, and lists of keys.
 *
 * A leaf that is said to be in the log is one of those that were ever signed for;
 * a log is said to have grown only from what it was.
 */
#define FUZZ_LENGTH_MAX 16384
#define _GNU_SOURCE
#include "made_log.h"

#include "common/archive_manifest.h"

#define FILES 3

static Log *log_made;
static VerifyKeys keys;
static char paths[FILES][400];
static Bytes files[FILES];

/* The bytes of a leaf as a file holds them, or as bytea prints them. */
static Bytes
leaf_of(Bytes file, uint8_t *room)
{
	size_t length = file.length;

	if (length == 0 || file.data[0] != '\\')
		return file;
	while (length > 0 && (file.data[length - 1] == '\n' || file.data[length - 1] == '\r'))
		length--;
	for (size_t i = 2; i + 1 < length; i += 2)
	{
		unsigned byte;
		char digits[3] = {(char) file.data[i], (char) file.data[i + 1], '\0'};

		if (sscanf(digits, "%2x", &byte) != 1)
			return file;
		room[i / 2 - 1] = (uint8_t) byte;
	}
	return bytes_of(room, length / 2 - 1);
}

static void
check_leaf(void)
{
	Report report = {0};

	verify_leaf(paths[0], paths[1], paths[2], &keys, &report);
	if (report.verdict == VERDICT_HOLDS)
	{
		uint8_t *room = fuzz_memory(files[0].length);
		int number = made_leaf(log_made, leaf_of(files[0], room));

		MUST(number >= 0 && (uint64_t) number == report.first_leaf);
		free(room);
	}
	report_free(&report);
}

static void
check_growth(void)
{
	Report report = {0};
	MerkleHash root;

	verify_growth(paths[0], paths[1], paths[2], &keys, &report);
	if (report.verdict == VERDICT_HOLDS)
	{
		MUST(report.newest.size <= MADE_LEAVES);
		log_root(log_made, report.newest.size, &root);
		MUST(memcmp(&root, &report.newest.root, sizeof(root)) == 0);
	}
	report_free(&report);
}

static void
check_archive(void)
{
	VerifyOptions options = {.keys = keys};
	Report report = {0};

	verify_archive(paths[0], &options, &report);
	MUST((report.verdict == VERDICT_HOLDS) == (report.problem_count == 0));
	report_free(&report);
}

static void
check_keys(void)
{
	VerifyKeys more = {0};
	ArchiveKeys archive_keys = {0};
	const char *why = NULL;

	if (!keys_add(&more, paths[0], &why))
		MUST(why != NULL);
	for (size_t i = 0; i < more.count; i++)
		for (size_t j = 0; j < i; j++)
			MUST(memcmp(more.keys[i].public_key, more.keys[j].public_key, NOTE_PUBLIC_SIZE) != 0);
	keys_free(&more);
	why = NULL;
	if (unseal_read_file(&archive_keys, paths[0], &why))
		MUST(archive_keys.text != NULL && archive_keys.length <= archive_keys.room);
	else
		MUST(why != NULL);
	unseal_free(&archive_keys);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Bytes input = bytes_of(data, size);
	uint8_t which = 0;
	uint8_t first = 0;

	if (log_made == NULL)
	{
		static VerifyKey key;

		log_made = made_log();
		key = made_key(log_made);
		keys = (VerifyKeys){&key, 1};
	}
	(void) umask(077); /* as keys of archives must be */
	for (int i = 0; i < FILES; i++)
	{
		const char *folder = i == 0 ? made_folder() : made_folder_name;

		files[i] = bytes_of(NULL, 0);
		if (!made_piece(&input, i == 0 ? &first : &which, &files[i]))
			files[i] = bytes_of(data, 0);
		(void) snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder,
						i == 0   ? "a" ARCHIVE_SUFFIX
						: i == 1 ? "a" ARCHIVE_MANIFEST_SUFFIX
								 : "c");
		log_write_file(folder, strrchr(paths[i], '/') + 1, files[i].data, files[i].length);
	}
	switch (first % 4)
	{
		case 0:
			check_leaf();
			break;
		case 1:
			check_growth();
			break;
		case 2:
			check_archive();
			break;
		default:
			check_keys();
	}
	return 0;
}
