/*
 * archive_file.c
 *		Chunks of archive_file.h, written and read one at a time.
 */
#include "archive_file.h"

#include "secret.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#define LEVEL 3
#define MAGIC "TWINARCH"
#define VERSION 1
#define LAST ((uint32_t) 1 << 31)
#define STORED_MAX (ZSTD_COMPRESSBOUND(ARCHIVE_CHUNK) + AEAD_TAG_SIZE)
#define ASSOCIATED (ARCHIVE_HEADER_SIZE + ARCHIVE_CHUNK_HEAD)

void
archive_write_header(const ArchiveHeader *header, uint8_t to[ARCHIVE_HEADER_SIZE])
{
	memcpy(to, MAGIC, 8);
	bytes_put_u16(to + 8, VERSION);
	to[10] = (uint8_t) header->kind;
	to[11] = header->is_sealed;
	memcpy(to + 12, header->identity, ARCHIVE_IDENTITY_SIZE);
}

bool
archive_read_header(const uint8_t from[ARCHIVE_HEADER_SIZE], ArchiveHeader *header)
{
	static const uint8_t none[ARCHIVE_IDENTITY_SIZE] = {0};

	/* public: words of the form */
	if (memcmp(from, MAGIC, 8) != 0 || bytes_get_u16(from + 8) != VERSION || from[10] < ARCHIVE_LEAVES ||
		from[10] > ARCHIVE_ROWS || from[11] > 1)
		return false;
	header->kind = (ArchiveKind) from[10];
	header->is_sealed = from[11] == 1;
	memcpy(header->identity, from + 12, ARCHIVE_IDENTITY_SIZE);
	/* public: what stands in the file */
	return header->is_sealed || memcmp(header->identity, none, sizeof(none)) == 0;
}

/* What is sealed with a chunk, and its nonce. */
static void
bind_chunk(const uint8_t header[ARCHIVE_HEADER_SIZE], const uint8_t head[ARCHIVE_CHUNK_HEAD], uint64_t number,
		   uint8_t associated[ASSOCIATED], uint8_t nonce[AEAD_NONCE_SIZE])
{
	memcpy(associated, header, ARCHIVE_HEADER_SIZE);
	memcpy(associated + ARCHIVE_HEADER_SIZE, head, ARCHIVE_CHUNK_HEAD);
	bytes_put_u64(nonce, number);
	bytes_put_u32(nonce + 8, (bytes_get_u32(head) & LAST) != 0);
}

/* ---- writing ---- */

struct ArchiveWriter
{
	ArchiveSink sink;
	void *argument;
	ZSTD_CCtx *zstd;
	AeadKey *key; /* NULL: not sealed */
	uint8_t header[ARCHIVE_HEADER_SIZE];
	bool has_begun;
	uint64_t chunks;
	size_t held;
	uint8_t plain[ARCHIVE_CHUNK];
	uint8_t stored[ARCHIVE_CHUNK_HEAD + STORED_MAX];
	uint8_t frame[STORED_MAX]; /* before it is sealed */
};

Status
archive_writer_new(const ArchiveHeader *header, const uint8_t *key, ArchiveSink sink, void *argument,
				   ArchiveWriter **result)
{
	ArchiveWriter *writer = malloc(sizeof(ArchiveWriter));
	Status status = TSEC_NO_MEMORY;

	*result = NULL;
	if (writer == NULL)
		return TSEC_NO_MEMORY;
	writer->sink = sink;
	writer->argument = argument;
	writer->key = NULL;
	writer->has_begun = false;
	writer->chunks = 0;
	writer->held = 0;
	archive_write_header(header, writer->header);
	writer->zstd = ZSTD_createCCtx();
	if (writer->zstd != NULL && !ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, LEVEL)) &&
		!ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1)))
		status = header->is_sealed ? aead_new(key, &writer->key) : TSEC_OK;
	if (status != TSEC_OK)
	{
		archive_writer_free(writer);
		return status;
	}
	*result = writer;
	return TSEC_OK;
}

void
archive_writer_free(ArchiveWriter *writer)
{
	if (writer == NULL)
		return;
	(void) ZSTD_freeCCtx(writer->zstd);
	aead_free(writer->key);
	/* what is sealed may be a secret */
	secret_wipe(writer, sizeof(*writer));
	free(writer);
}

static Status
write_chunk(ArchiveWriter *writer, bool is_last)
{
	uint8_t *head = writer->stored;
	uint8_t *body = writer->stored + ARCHIVE_CHUNK_HEAD;
	size_t length = ZSTD_compress2(writer->zstd, writer->key != NULL ? writer->frame : body,
								   STORED_MAX - AEAD_TAG_SIZE, writer->plain, writer->held);
	size_t all;

	if (ZSTD_isError(length))
		return TSEC_NO_MEMORY;
	all = length + (writer->key != NULL ? AEAD_TAG_SIZE : 0);
	bytes_put_u32(head, (uint32_t) writer->held | (is_last ? LAST : 0));
	bytes_put_u32(head + 4, (uint32_t) all);
	if (writer->key != NULL)
	{
		uint8_t associated[ASSOCIATED];
		uint8_t nonce[AEAD_NONCE_SIZE];
		Status status;

		bind_chunk(writer->header, head, writer->chunks, associated, nonce);
		status = aead_seal(writer->key, nonce, bytes_of(associated, ASSOCIATED), bytes_of(writer->frame, length),
						   body, body + length);
		if (status != TSEC_OK)
			return status;
	}
	if (!writer->has_begun)
		writer->sink(writer->argument, bytes_of(writer->header, ARCHIVE_HEADER_SIZE));
	writer->has_begun = true;
	writer->chunks++;
	writer->held = 0;
	writer->sink(writer->argument, bytes_of(writer->stored, ARCHIVE_CHUNK_HEAD + all));
	return TSEC_OK;
}

Status
archive_write(ArchiveWriter *writer, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;

	while (length > 0)
	{
		size_t some = ARCHIVE_CHUNK - writer->held;

		/* a full chunk waits until it is known not to be the last */
		if (some == 0)
		{
			Status status = write_chunk(writer, false);

			if (status != TSEC_OK)
				return status;
			continue;
		}
		some = length < some ? length : some;
		memcpy(writer->plain + writer->held, from, some);
		writer->held += some;
		from += some;
		length -= some;
	}
	return TSEC_OK;
}

Status
archive_writer_end(ArchiveWriter *writer)
{
	return write_chunk(writer, true);
}

/* ---- reading ---- */

/* Memory that is wiped before it is given back. */
typedef struct Buffer
{
	uint8_t *bytes;
	size_t room;
} Buffer;

static void
free_buffer(Buffer *buffer)
{
	if (buffer->bytes != NULL)
		secret_wipe(buffer->bytes, buffer->room);
	free(buffer->bytes);
	*buffer = (Buffer){NULL, 0};
}

/* Makes room for so many bytes; those that are kept stay. */
static bool
widen_buffer(Buffer *buffer, size_t kept, size_t wanted)
{
	Buffer wider = {NULL, wanted > 2 * buffer->room ? wanted : 2 * buffer->room};

	if (wanted <= buffer->room)
		return true;
	wider.bytes = malloc(wider.room);
	if (wider.bytes == NULL)
		return false;
	if (kept > 0)
		memcpy(wider.bytes, buffer->bytes, kept);
	free_buffer(buffer);
	*buffer = wider;
	return true;
}

struct ArchiveReader
{
	ArchiveSource source;
	void *argument;
	ZSTD_DCtx *zstd;
	AeadKey *key;
	uint8_t raw[ARCHIVE_HEADER_SIZE];
	ArchiveHeader header;
	bool is_at_end; /* the last chunk was read */
	const char *fault;
	bool ran_out;
	uint64_t chunks;
	Buffer plain; /* what was not taken lies from begin to end */
	size_t begin;
	size_t end;
	Buffer stored;
	Buffer frame; /* of a chunk that was sealed */
};

static bool
fail(ArchiveReader *reader, const char *fault)
{
	if (reader->fault == NULL)
		reader->fault = fault;
	return false;
}

static bool
run_out(ArchiveReader *reader)
{
	reader->ran_out = reader->ran_out || reader->fault == NULL;
	return fail(reader, "there is not enough memory");
}

ArchiveReader *
archive_reader_new(ArchiveSource source, void *argument)
{
	ArchiveReader *reader = calloc(1, sizeof(ArchiveReader));

	if (reader == NULL)
		return NULL;
	reader->source = source;
	reader->argument = argument;
	reader->zstd = ZSTD_createDCtx();
	if (reader->zstd == NULL)
	{
		archive_reader_free(reader);
		return NULL;
	}
	return reader;
}

bool
archive_reader_begin(ArchiveReader *reader)
{
	if (reader->source(reader->argument, reader->raw, ARCHIVE_HEADER_SIZE) != ARCHIVE_HEADER_SIZE ||
		!archive_read_header(reader->raw, &reader->header))
		return fail(reader, "the file does not begin as an archive of version 1");
	return true;
}

void
archive_reader_free(ArchiveReader *reader)
{
	if (reader == NULL)
		return;
	(void) ZSTD_freeDCtx(reader->zstd);
	aead_free(reader->key);
	free_buffer(&reader->plain);
	free_buffer(&reader->stored);
	free_buffer(&reader->frame);
	free(reader);
}

const ArchiveHeader *
archive_header(const ArchiveReader *reader)
{
	return &reader->header;
}

Status
archive_reader_unseal(ArchiveReader *reader, const uint8_t key[AEAD_KEY_SIZE])
{
	return reader->header.is_sealed && reader->key == NULL ? aead_new(key, &reader->key) : TSEC_OK;
}

bool
archive_lacks_key(const ArchiveReader *reader)
{
	return reader->header.is_sealed && reader->key == NULL;
}

/* Reads the next chunk as it is stored, and what its lengths say. */
static bool
read_chunk(ArchiveReader *reader, uint8_t head[ARCHIVE_CHUNK_HEAD], size_t *plain, size_t *stored)
{
	size_t least = reader->header.is_sealed ? AEAD_TAG_SIZE + 1 : 1;
	bool is_last;
	uint8_t more;

	reader->chunks++;
	if (reader->source(reader->argument, head, ARCHIVE_CHUNK_HEAD) != ARCHIVE_CHUNK_HEAD)
		return fail(reader, "the file ends too early");
	*plain = bytes_get_u32(head) & ~LAST;
	*stored = bytes_get_u32(head + 4);
	is_last = (bytes_get_u32(head) & LAST) != 0;
	if (*plain > ARCHIVE_CHUNK || (!is_last && *plain != ARCHIVE_CHUNK) || *stored < least || *stored > STORED_MAX)
		return fail(reader, "a chunk has a length that none can have");
	if (!widen_buffer(&reader->stored, 0, *stored))
		return run_out(reader);
	if (reader->source(reader->argument, reader->stored.bytes, *stored) != *stored)
		return fail(reader, "the file ends too early");
	reader->is_at_end = is_last;
	if (is_last && reader->source(reader->argument, &more, 1) != 0)
		return fail(reader, "bytes follow the last chunk");
	return true;
}

/* Moves what was not taken to the front, and makes room for so many bytes behind it. */
static bool
make_room(ArchiveReader *reader, size_t length)
{
	size_t held = reader->end - reader->begin;

	if (reader->begin > 0 && held > 0)
		memmove(reader->plain.bytes, reader->plain.bytes + reader->begin, held);
	reader->begin = 0;
	reader->end = held;
	/* one byte more, for nothing is at hand in no memory */
	return widen_buffer(&reader->plain, held, held + length + 1) || run_out(reader);
}

/* Reads the next chunk, opens and expands it. */
static bool
next_chunk(ArchiveReader *reader)
{
	uint8_t head[ARCHIVE_CHUNK_HEAD];
	const uint8_t *frame;
	size_t plain;
	size_t length;
	size_t made;

	if (archive_lacks_key(reader))
		return fail(reader, "the archive is encrypted, and its key is not at hand");
	if (!read_chunk(reader, head, &plain, &length) || !make_room(reader, plain))
		return false;
	frame = reader->stored.bytes;
	if (reader->key != NULL)
	{
		uint8_t associated[ASSOCIATED];
		uint8_t nonce[AEAD_NONCE_SIZE];
		Status status;

		length -= AEAD_TAG_SIZE;
		if (!widen_buffer(&reader->frame, 0, length))
			return run_out(reader);
		bind_chunk(reader->raw, head, reader->chunks - 1, associated, nonce);
		status =
			aead_open(reader->key, nonce, bytes_of(associated, ASSOCIATED), bytes_of(reader->stored.bytes, length),
					  reader->stored.bytes + length, reader->frame.bytes);
		if (status == TSEC_NO_MEMORY || status == TSEC_LIBRARY_FAILURE)
			return run_out(reader);
		if (status != TSEC_OK)
			return fail(reader, "a chunk was altered, or is not of this file");
		frame = reader->frame.bytes;
	}
	/* one frame, and it alone: what follows one would be taken for more of it */
	if (ZSTD_findFrameCompressedSize(frame, length) != length || ZSTD_getFrameContentSize(frame, length) != plain)
		return fail(reader, "a chunk is not what its lengths say");
	made = ZSTD_decompressDCtx(reader->zstd, reader->plain.bytes + reader->end, plain, frame, length);
	if (ZSTD_isError(made) && ZSTD_getErrorCode(made) == ZSTD_error_memory_allocation)
		return run_out(reader);
	if (ZSTD_isError(made) || made != plain)
		return fail(reader, "a chunk cannot be expanded");
	reader->end += plain;
	return true;
}

bool
archive_need(ArchiveReader *reader, size_t wanted, Bytes *at_hand)
{
	while (reader->fault == NULL && reader->end - reader->begin < wanted && !reader->is_at_end)
		(void) next_chunk(reader);
	*at_hand = bytes_of(reader->plain.bytes == NULL ? (const uint8_t *) "" : reader->plain.bytes + reader->begin,
						reader->end - reader->begin);
	return reader->fault == NULL;
}

void
archive_take(ArchiveReader *reader, size_t length)
{
	reader->begin += length;
}

bool
archive_skim(ArchiveReader *reader)
{
	uint8_t head[ARCHIVE_CHUNK_HEAD];
	size_t plain;
	size_t stored;

	while (reader->fault == NULL && !reader->is_at_end)
		(void) read_chunk(reader, head, &plain, &stored);
	return reader->fault == NULL;
}

bool
archive_ran_out(const ArchiveReader *reader)
{
	return reader->ran_out;
}

const char *
archive_fault(const ArchiveReader *reader, uint64_t *chunk)
{
	*chunk = reader->fault != NULL ? reader->chunks : 0;
	return reader->fault;
}
