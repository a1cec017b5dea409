/*
 * made_log.h
 *		What the targets of twin_verify share, and their seeds: one small log, the same
 *		at every run and signed with a key that is known, and a folder for files.
 */
#ifndef TSEC_FUZZ_MADE_LOG_H
#define TSEC_FUZZ_MADE_LOG_H

#include "fuzz.h"

#include "../verify/log.h"
#include "verify/verify.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define MADE_LEAVES 12
#define MADE_PIECE_HEAD 3 /* of a file in an input: a byte that says which, and two for its length */

/* Two epochs under one key, some checkpoints; the leaves 3 and 4 were dropped, as leaf 8 says. */
static inline Log *
made_log(void)
{
	static const uint8_t seed[NOTE_SEED_SIZE] = {7};
	Log *log;

	log_seed(5);
	log = log_make(MADE_LEAVES, 2, 4, true);
	for (int i = 0; i < log->epoch_count; i++)
	{
		memcpy(log->epochs[i].seed, seed, sizeof(seed));
		MUST(note_public_key(seed, log->epochs[i].public_key) == TSEC_OK);
	}
	log_drop(log, 3, 2, 8);
	log_reseal(log, 0);
	return log;
}

/* The key that the auditor trusts. */
static inline VerifyKey
made_key(const Log *log)
{
	VerifyKey key;

	strcpy(key.name, log->epochs[0].name);
	memcpy(key.public_key, log->epochs[0].public_key, sizeof(key.public_key));
	return key;
}

/* The number of the made leaf of these bytes; -1: there is none. */
static inline int
made_leaf(const Log *log, Bytes bytes)
{
	for (int i = 0; i < MADE_LEAVES; i++)
		if (log->leaves[i].length == bytes.length && memcmp(log->leaves[i].bytes, bytes.data, bytes.length) == 0)
			return i;
	return -1;
}

static char made_folder_name[300];

static inline void
made_folder_empty(void)
{
	DIR *entries = opendir(made_folder_name);
	struct dirent *entry;

	MUST(entries != NULL);
	while ((entry = readdir(entries)) != NULL)
		if (entry->d_name[0] != '.')
			MUST(unlinkat(dirfd(entries), entry->d_name, 0) == 0);
	(void) closedir(entries);
}

static inline void
made_folder_remove(void)
{
	made_folder_empty();
	(void) rmdir(made_folder_name);
}

/* An empty folder in memory, if there is such a place. */
static inline const char *
made_folder(void)
{
	if (made_folder_name[0] == '\0')
	{
		const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");

		(void) snprintf(made_folder_name, sizeof(made_folder_name), "%.200s/twin_fuzz.XXXXXX",
						place != NULL ? place : "/tmp");
		MUST(mkdtemp(made_folder_name) != NULL);
		(void) atexit(made_folder_remove);
	}
	made_folder_empty();
	return made_folder_name;
}

/* Takes the next file off an input; false at its end. */
static inline bool
made_piece(Bytes *input, uint8_t *which, Bytes *piece)
{
	size_t length;

	if (input->length < MADE_PIECE_HEAD)
		return false;
	*which = input->data[0];
	length = (size_t) input->data[1] << 8 | input->data[2];
	if (length > input->length - MADE_PIECE_HEAD)
		length = input->length - MADE_PIECE_HEAD;
	*piece = bytes_of(input->data + MADE_PIECE_HEAD, length);
	*input = bytes_of(piece->data + length, input->length - MADE_PIECE_HEAD - length);
	return true;
}

#endif /* TSEC_FUZZ_MADE_LOG_H */
