/*
 * reader.c
 *		Reading through a window that grows to the largest piece asked for, and
 *		never beyond what the file itself holds.
 */
#include "verify/reader.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW ((size_t) 256 * 1024)

struct Reader
{
	int fd;
	uint64_t size;
	uint64_t left; /* to be read from the file */
	EVP_MD_CTX *digest;
	uint8_t *window;
	size_t room;
	size_t begin;
	size_t end;
	bool failed;
};

Reader *
reader_open(int folder, const char *name)
{
	struct stat status;
	Reader *reader;
	/* what an auditor names may be a link; what lies in an export may not */
	int fd =
		openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (folder == AT_FDCWD ? 0 : O_NOFOLLOW));

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
	{
		if (!S_ISREG(status.st_mode))
			errno = EINVAL;
		(void) close(fd);
		return NULL;
	}
	reader = calloc(1, sizeof(Reader));
	if (reader != NULL)
	{
		reader->fd = fd;
		reader->size = (uint64_t) status.st_size;
		reader->left = reader->size;
		reader->room = reader->size < WINDOW ? (size_t) reader->size + 1 : WINDOW;
		reader->window = malloc(reader->room);
		reader->digest = EVP_MD_CTX_new();
	}
	if (reader == NULL || reader->window == NULL || reader->digest == NULL ||
		EVP_DigestInit_ex(reader->digest, EVP_sha256(), NULL) != 1)
	{
		if (reader != NULL)
			reader_close(reader);
		else
			(void) close(fd);
		errno = ENOMEM;
		return NULL;
	}
	return reader;
}

uint64_t
reader_size(const Reader *reader)
{
	return reader->size;
}

/* Reads once into the room behind the window's end. */
static bool
fill(Reader *reader)
{
	size_t room = reader->room - reader->end;
	ssize_t got = read(reader->fd, reader->window + reader->end, reader->left < room ? (size_t) reader->left : room);

	if (got < 0 && errno == EINTR)
		return true;
	if (got <= 0)
	{
		/* shorter than when it was opened */
		reader->failed = got < 0;
		reader->left = 0;
		return false;
	}
	reader->failed = EVP_DigestUpdate(reader->digest, reader->window + reader->end, (size_t) got) != 1;
	reader->end += (size_t) got;
	reader->left -= (uint64_t) got;
	return !reader->failed;
}

Bytes
reader_need(Reader *reader, size_t wanted)
{
	size_t held = reader->end - reader->begin;

	if (held >= wanted || reader->left == 0 || reader->failed)
		return bytes_of(reader->window + reader->begin, held);
	if (wanted - held > reader->left)
		wanted = held + (size_t) reader->left;
	if (reader->begin > 0)
	{
		memmove(reader->window, reader->window + reader->begin, held);
		reader->begin = 0;
		reader->end = held;
	}
	if (wanted > reader->room)
	{
		uint8_t *larger = realloc(reader->window, wanted);

		if (larger == NULL)
		{
			reader->failed = true;
			return bytes_of(reader->window, held);
		}
		reader->window = larger;
		reader->room = wanted;
	}
	while (reader->end < wanted && reader->left > 0 && fill(reader))
		;
	return bytes_of(reader->window, reader->end);
}

void
reader_take(Reader *reader, size_t length)
{
	reader->begin += length;
}

bool
reader_failed(const Reader *reader)
{
	return reader->failed;
}

bool
reader_finish(Reader *reader, uint8_t sha256[DIGEST_SIZE])
{
	while (reader->left > 0 && !reader->failed)
	{
		reader->begin = 0;
		reader->end = 0;
		if (!fill(reader))
			break;
	}
	return !reader->failed && EVP_DigestFinal_ex(reader->digest, sha256, NULL) == 1;
}

void
reader_close(Reader *reader)
{
	if (reader == NULL)
		return;
	(void) close(reader->fd);
	EVP_MD_CTX_free(reader->digest);
	free(reader->window);
	free(reader);
}

uint8_t *
reader_whole(int folder, const char *name, size_t limit, size_t *length, uint8_t sha256[DIGEST_SIZE])
{
	Reader *reader = reader_open(folder, name);
	uint8_t *whole = NULL;
	Bytes bytes;

	if (reader == NULL)
		return NULL;
	if (reader->size > limit)
		errno = EFBIG;
	else
	{
		errno = EIO;
		bytes = reader_need(reader, (size_t) reader->size);
		if (reader_finish(reader, sha256) && (whole = malloc(bytes.length + 1)) != NULL)
		{
			memcpy(whole, bytes.data, bytes.length);
			whole[bytes.length] = '\0';
			*length = bytes.length;
		}
	}
	reader_close(reader);
	return whole;
}
