/*
 * manifest.c
 *		Writing and reading of a manifest.  Reading takes each piece as writing spells
 *		it, and nothing else.
 */
#include "manifest.h"

#include "encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HASH_TEXT 44 /* base64 of 32 bytes */
#define HEAD_BEGIN "{\n  \"format\": \"twin_security audit export\",\n  \"version\": 1,\n  \"first_leaf\": "
#define HEAD_LEAVES ",\n  \"leaves\": "
#define HEAD_LEFT ",\n  \"left\": ["
#define HEAD_END "],\n  \"files\": [\n"
#define FILE_BEGIN "    {\"name\": \""
#define FILE_BYTES "\", \"bytes\": "
#define FILE_HASH ", \"sha256\": \""

/* Behind the segments. */
static const char *const others[] = {MANIFEST_CHECKPOINTS, MANIFEST_KEYS, MANIFEST_DROPPED};
#define OTHERS (sizeof(others) / sizeof(*others))

_Static_assert(sizeof(HEAD_BEGIN HEAD_LEAVES HEAD_LEFT HEAD_END) + 40 + MERKLE_LEVELS_MAX * (HASH_TEXT + 4) <
				   MANIFEST_HEAD_MAX,
			   "the longest head fits");

/* Segments end at multiples of their size; the first and the last may be shorter. */
uint64_t
manifest_segments(const ManifestHead *head)
{
	if (head->leaves == 0)
		return 0;
	return (head->first_leaf + head->leaves - 1) / SEGMENT_LEAVES_MAX - head->first_leaf / SEGMENT_LEAVES_MAX + 1;
}

uint64_t
manifest_files(const ManifestHead *head)
{
	return manifest_segments(head) + OTHERS;
}

void
manifest_file_name(const ManifestHead *head, uint64_t number, char name[MANIFEST_NAME_SIZE], SegmentHeader *segment)
{
	uint64_t all = manifest_segments(head);
	uint64_t begin = (head->first_leaf / SEGMENT_LEAVES_MAX + number) * SEGMENT_LEAVES_MAX;
	uint64_t end = begin + SEGMENT_LEAVES_MAX;

	*segment = (SegmentHeader){0, 0};
	if (number >= all)
	{
		(void) snprintf(name, MANIFEST_NAME_SIZE, "%s", others[number - all < OTHERS ? number - all : OTHERS - 1]);
		return;
	}
	if (begin < head->first_leaf)
		begin = head->first_leaf;
	if (end > head->first_leaf + head->leaves)
		end = head->first_leaf + head->leaves;
	segment->first = begin;
	segment->count = (uint32_t) (end - begin);
	(void) snprintf(name, MANIFEST_NAME_SIZE, "leaves-%019" PRIu64 ".seg", begin);
}

size_t
manifest_write_head(const ManifestHead *head, char to[MANIFEST_HEAD_MAX])
{
	size_t length = (size_t) snprintf(to, MANIFEST_HEAD_MAX, HEAD_BEGIN "%" PRIu64 HEAD_LEAVES "%" PRIu64 HEAD_LEFT,
									  head->first_leaf, head->leaves);
	bool is_first = true;

	for (int level = MERKLE_LEVELS_MAX - 1; level >= 0; level--)
	{
		char hash[HASH_TEXT + 1];

		if ((head->first_leaf >> level & 1) == 0)
			continue;
		encode_base64(head->left.nodes[level].bytes, DIGEST_SIZE, hash);
		hash[HASH_TEXT] = '\0';
		length += (size_t) snprintf(to + length, MANIFEST_HEAD_MAX - length, "%s\"%s\"", is_first ? "" : ", ", hash);
		is_first = false;
	}
	return length + (size_t) snprintf(to + length, MANIFEST_HEAD_MAX - length, HEAD_END);
}

size_t
manifest_write_file(const ManifestFile *file, bool is_last, char to[MANIFEST_FILE_MAX])
{
	char hash[2 * DIGEST_SIZE + 1];

	for (int i = 0; i < DIGEST_SIZE; i++)
		(void) snprintf(hash + 2 * i, 3, "%02x", file->sha256[i]);
	return (size_t) snprintf(to, MANIFEST_FILE_MAX, FILE_BEGIN "%s" FILE_BYTES "%" PRIu64 FILE_HASH "%s\"}%s\n",
							 file->name, file->bytes, hash, is_last ? "" : ",");
}

/* ---- reading ---- */

static bool
take_literal(Bytes *text, const char *literal)
{
	size_t length = strlen(literal);

	if (text->length < length || memcmp(text->data, literal, length) != 0) /* public: words of the form */
		return false;
	*text = bytes_of(text->data + length, text->length - length);
	return true;
}

static bool
take_number(Bytes *text, uint64_t *number)
{
	size_t length = 0;

	*number = 0;
	for (; length < text->length && text->data[length] >= '0' && text->data[length] <= '9'; length++)
	{
		unsigned digit = (unsigned) text->data[length] - '0';

		if (*number > ((uint64_t) MERKLE_SIZE_MAX - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	if (length == 0 || (length > 1 && text->data[0] == '0'))
		return false;
	*text = bytes_of(text->data + length, text->length - length);
	return true;
}

static bool
take_hash(Bytes *text, MerkleHash *hash)
{
	uint8_t bytes[HASH_TEXT / 4 * 3 + 3];
	size_t length;

	if (!take_literal(text, "\"") || text->length < HASH_TEXT ||
		decode_base64((const char *) text->data, HASH_TEXT, bytes, &length) != TSEC_OK || length != DIGEST_SIZE)
		return false;
	memcpy(hash->bytes, bytes, DIGEST_SIZE);
	*text = bytes_of(text->data + HASH_TEXT, text->length - HASH_TEXT);
	return take_literal(text, "\"");
}

bool
manifest_read_head(Bytes *text, ManifestHead *head)
{
	bool is_first = true;

	memset(head, 0, sizeof(*head));
	if (!take_literal(text, HEAD_BEGIN) || !take_number(text, &head->first_leaf) ||
		!take_literal(text, HEAD_LEAVES) || !take_number(text, &head->leaves) || !take_literal(text, HEAD_LEFT) ||
		head->leaves > (uint64_t) MERKLE_SIZE_MAX - head->first_leaf)
		return false;
	for (int level = MERKLE_LEVELS_MAX - 1; level >= 0; level--)
	{
		if ((head->first_leaf >> level & 1) == 0)
			continue;
		if ((!is_first && !take_literal(text, ", ")) || !take_hash(text, &head->left.nodes[level]))
			return false;
		is_first = false;
	}
	head->left.size = head->first_leaf;
	return take_literal(text, HEAD_END);
}

static int
hex_value(uint8_t digit)
{
	return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool
manifest_read_file(Bytes *text, const ManifestHead *head, uint64_t number, ManifestFile *file)
{
	SegmentHeader segment;

	manifest_file_name(head, number, file->name, &segment);
	if (!take_literal(text, FILE_BEGIN) || !take_literal(text, file->name) || !take_literal(text, FILE_BYTES) ||
		!take_number(text, &file->bytes) || !take_literal(text, FILE_HASH) || text->length < 2 * DIGEST_SIZE)
		return false;
	for (int i = 0; i < DIGEST_SIZE; i++)
	{
		int high = hex_value(text->data[2 * i]);
		int low = hex_value(text->data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		file->sha256[i] = (uint8_t) (high << 4 | low);
	}
	*text = bytes_of(text->data + 2 * DIGEST_SIZE, text->length - 2 * DIGEST_SIZE);
	return take_literal(text, number + 1 == manifest_files(head) ? "\"}\n" : "\"},\n");
}

bool
manifest_read_tail(Bytes *text)
{
	return take_literal(text, MANIFEST_TAIL) && text->length == 0;
}
