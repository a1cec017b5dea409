/*
 * archive_input.c
 *		An archive that is read: its manifest, then its file from the first byte to
 *		the last.  What is wrong with either is said, not raised.
 */
#include "retention/archive.h"

#include "commands/dbcommands.h"
#include "common/cryptohash.h"
#include "common/secret.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* At an error the server has closed the file already, and freed the digest. */
static void
release(void *argument)
{
	ArchiveInput *input = argument;

	archive_judge_free(&input->judge);
	archive_reader_free(input->reader);
	if (input->has_manifest)
		archive_manifest_free(&input->manifest);
}

/* Opens a regular file; -1 where there is none, and its fault says so. */
static int
open_file(ArchiveInput *input, const char *name, const char *missing, struct stat *status)
{
	int file;

	snprintf(input->path, sizeof(input->path), "%s/%s", input->base, name);
	file = OpenTransientFile(input->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
	if (file < 0)
	{
		if (errno != ENOENT && errno != ELOOP)
			archive_refuse(input->path, "cannot open");
		input->fault = errno == ENOENT ? missing : "a symbolic link is no archive";
		return -1;
	}
	if (fstat(file, status) == 0 && S_ISREG(status->st_mode))
		return file;
	(void) CloseTransientFile(file);
	input->fault = "this is not a file";
	return -1;
}

static size_t
read_some(void *argument, uint8 *to, size_t wanted)
{
	ArchiveInput *input = argument;
	size_t got = 0;

	while (got < wanted)
	{
		ssize_t some = read(input->file, to + got, wanted - got);

		if (some < 0 && errno == EINTR)
			continue;
		if (some < 0)
			archive_refuse(input->path, "cannot read");
		if (some == 0)
			break;
		got += (size_t) some;
	}
	if (pg_cryptohash_update(input->hash, to, got) < 0)
		base_throw(TSEC_LIBRARY_FAILURE);
	input->bytes += got;
	CHECK_FOR_INTERRUPTS();
	return got;
}

bool
archive_input_manifest(ArchiveInput *input, const char *name)
{
	char manifest[ARCHIVE_FILE_NAME_SIZE];
	char expected[ARCHIVE_FILE_NAME_SIZE];
	struct stat status;
	uint8 *text;
	ssize_t length;
	int file;

	archive_manifest_name(name, manifest);
	file = open_file(input, manifest, "there is no such archive, or its manifest is missing", &status);
	if (file < 0)
		return false;
	text = palloc_extended(ARCHIVE_MANIFEST_MAX + 1, MCXT_ALLOC_HUGE);
	length = read(file, text, ARCHIVE_MANIFEST_MAX + 1);
	if (length < 0)
		archive_refuse(input->path, "cannot read");
	(void) CloseTransientFile(file);
	input->has_manifest = archive_manifest_read(bytes_of(text, (size_t) length), &input->manifest);
	pfree(text);
	if (!input->has_manifest && input->manifest.ran_out)
		base_throw(TSEC_NO_MEMORY);
	if (!input->has_manifest)
		input->fault = "the manifest is not as an archive of version 1 has it";
	else if (!archive_name(&input->manifest, expected) ||
			 strncmp(name, expected, strlen(expected)) != 0 || /* public: names of files */
			 strcmp(name + strlen(expected), ARCHIVE_SUFFIX) != 0)
		input->fault = "the manifest is that of another archive";
	return input->fault == NULL;
}

ArchiveInput *
archive_input_open(const char *name)
{
	ArchiveInput *input = palloc0(sizeof(ArchiveInput));
	struct stat status;

	if (!archive_name_valid(name))
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("not a name that an archive can have"),
						errdetail("It is the name of a file that ends with %s, without a folder.", ARCHIVE_SUFFIX),
						errhint("twin.archives() lists them.")));
	input->file = -1;
	input->callback.func = release;
	input->callback.arg = input;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &input->callback);
	archive_find_folder(input->base);
	if (!archive_input_manifest(input, name))
		return input;
	input->file = open_file(input, name, "the archive's file is missing", &status);
	if (input->file < 0)
		return input;
	if ((uint64) status.st_size != input->manifest.bytes)
	{
		input->fault = psprintf("the file has " UINT64_FORMAT " bytes, its manifest says " UINT64_FORMAT,
								(uint64) status.st_size, input->manifest.bytes);
		return input;
	}
	input->hash = pg_cryptohash_create(PG_SHA256);
	if (pg_cryptohash_init(input->hash) < 0)
		base_throw(TSEC_LIBRARY_FAILURE);
	input->reader = archive_reader_new(read_some, input);
	if (input->reader == NULL)
		base_throw(TSEC_NO_MEMORY);
	if (!archive_reader_begin(input->reader))
	{
		uint64 chunk;

		input->fault = archive_fault(input->reader, &chunk);
	}
	return input;
}

void
archive_input_unseal(ArchiveInput *input, bool asks)
{
	uint8 key[AEAD_KEY_SIZE];
	Status status;

	if (input->fault != NULL || !archive_header(input->reader)->is_sealed || input->manifest.key_name == NULL)
		return;
	input->fault = archive_secret_open(&input->manifest, archive_header(input->reader), asks, key);
	if (input->fault != NULL)
		return;
	status = archive_reader_unseal(input->reader, key);
	secret_wipe(key, sizeof(key));
	base_check(status);
}

/* Says what the judge found, and where. */
static bool
take_fault(ArchiveInput *input)
{
	const ArchiveJudge *judge = &input->judge;

	if ((input->reader != NULL && archive_ran_out(input->reader)) || note_ran_out() || judge->tally.runs == NULL)
		base_throw(TSEC_NO_MEMORY);
	if (judge->chunk > 0)
		input->fault = psprintf("%s (chunk " UINT64_FORMAT ", behind row " UINT64_FORMAT ")", judge->fault,
								judge->chunk, judge->tally.rows);
	else
		input->fault = judge->fault;
	return false;
}

bool
archive_input_begin(ArchiveInput *input)
{
	if (input->fault != NULL)
		return false;
	return archive_judge_begin(&input->judge, input->reader, &input->manifest) || take_fault(input);
}

/* Says whether what was read, which is all of it, has the digest that it should have. */
static const char *
check_digest(ArchiveInput *input)
{
	uint8 sha256[DIGEST_SIZE];

	if (pg_cryptohash_final(input->hash, sha256, DIGEST_SIZE) < 0)
		base_throw(TSEC_LIBRARY_FAILURE);
	if (memcmp(sha256, input->manifest.sha256, DIGEST_SIZE) != 0) /* public: a digest of a file */
		input->fault = "the file's SHA-256 is not what its manifest says";
	return input->fault;
}

const char *
archive_input_end(ArchiveInput *input)
{
	if (input->fault != NULL)
		return input->fault;
	if (!archive_judge_end(&input->judge))
	{
		(void) take_fault(input);
		return input->fault;
	}
	return check_digest(input);
}

const char *
archive_input_digest(ArchiveInput *input)
{
	static uint8 some[65536];

	if (input->fault != NULL)
		return input->fault;
	while (read_some(input, some, sizeof(some)) > 0)
		;
	return check_digest(input);
}

void
archive_input_close(ArchiveInput *input)
{
	if (input->file >= 0)
		(void) CloseTransientFile(input->file);
	input->file = -1;
	if (input->hash != NULL)
		pg_cryptohash_free(input->hash);
	input->hash = NULL;
}

bool
archive_is_own(const ArchiveManifest *manifest)
{
	static const Oid arguments[] = {TEXTOID, BYTEAOID};
	char origin[NOTE_ORIGIN_MAX + 1];
	uint8 key[NOTE_PUBLIC_SIZE] = {0};
	const char *log = manifest->log;
	bytea *bytes = palloc(VARHDRSZ + NOTE_PUBLIC_SIZE);
	Oid function = base_internal_function("is_own_log", arguments, lengthof(arguments));
	int length = 0;

	/* of the log it counts what the checkpoint is signed with */
	if (manifest->kind == ARCHIVE_LEAVES)
	{
		if (!note_read_key(bytes_of(manifest->public_key, strlen(manifest->public_key)), origin, key))
			return false;
		log = origin;
		length = NOTE_PUBLIC_SIZE;
	}
	/* nothing was signed yet */
	if (log == NULL)
		return strcmp(manifest->database, archive_utf8(get_database_name(MyDatabaseId))) == 0; /* public: names */
	SET_VARSIZE(bytes, VARHDRSZ + length);
	memcpy(VARDATA(bytes), key, (size_t) length);
	if (!OidIsValid(function))
		elog(ERROR, "twin_security: a function of the extension is missing");
	return DatumGetBool(OidFunctionCall2(function, CStringGetTextDatum(log), PointerGetDatum(bytes)));
}
