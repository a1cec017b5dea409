/*
 * spool.c
 *		Writing and reading files of events that wait for a log.
 */
#include "spool.h"

#include "secret.h"

#include <string.h>

static const uint8_t magic[8] = {'T', 'W', 'S', 'P', 'O', 'O', 'L', '1'};

#define SIGNED_SIZE (SPOOL_HEADER_SIZE - DIGEST_SIZE)

/* What comes next in the chain: a length and its bytes, under the next number. */
static Status
next_mac(const SpoolChain *chain, Bytes record, uint8_t mac[DIGEST_SIZE])
{
	uint8_t text[DIGEST_SIZE + 8 + 4 + SPOOL_RECORD_MAX];

	memcpy(text, chain->mac, DIGEST_SIZE);
	bytes_put_u64(text + DIGEST_SIZE, chain->number + 1);
	bytes_put_u32(text + DIGEST_SIZE + 8, (uint32_t) record.length);
	if (record.length > 0)
		memcpy(text + DIGEST_SIZE + 12, record.data, record.length);
	return hmac_sha256(chain->key, bytes_of(text, DIGEST_SIZE + 12 + record.length), mac);
}

Status
spool_begin(SpoolChain *chain, HmacKey *key, const SpoolHeader *header, uint8_t to[SPOOL_HEADER_SIZE])
{
	uint8_t *at = to;
	Status status;

	memset(to, 0, SPOOL_HEADER_SIZE);
	memcpy(at, magic, sizeof(magic));
	at += sizeof(magic);
	bytes_put_u64(at, header->cluster);
	bytes_put_u32(at + 8, header->database);
	at += 12;
	memcpy(at, header->stream, SPOOL_STREAM_SIZE);
	at += SPOOL_STREAM_SIZE;
	bytes_put_u64(at, header->after);
	for (size_t i = 0; i < SPOOL_SERVER_SIZE - 1 && header->server[i] != '\0'; i++)
		at[8 + i] = (uint8_t) header->server[i];
	*chain = (SpoolChain){.key = key, .number = header->after};
	status = hmac_sha256(key, bytes_of(to, SIGNED_SIZE), chain->mac);
	memcpy(to + SIGNED_SIZE, chain->mac, DIGEST_SIZE);
	return status;
}

Status
spool_add(SpoolChain *chain, Bytes record, uint8_t to[SPOOL_ENTRY_MAX], size_t *length)
{
	uint8_t mac[DIGEST_SIZE];
	Status status;

	*length = 0;
	if (record.length == 0 || record.length > SPOOL_RECORD_MAX)
		return TSEC_TOO_LONG;
	status = next_mac(chain, record, mac);
	if (status != TSEC_OK)
		return status;
	bytes_put_u32(to, (uint32_t) record.length);
	memcpy(to + 4, record.data, record.length);
	memcpy(to + 4 + record.length, mac, DIGEST_SIZE);
	memcpy(chain->mac, mac, DIGEST_SIZE);
	chain->number++;
	*length = 4 + record.length + DIGEST_SIZE;
	return TSEC_OK;
}

Status
spool_end(SpoolChain *chain, uint8_t to[SPOOL_END_SIZE])
{
	bytes_put_u32(to, 0);
	return next_mac(chain, bytes_of(NULL, 0), to + 4);
}

bool
spool_peek(Bytes from, SpoolHeader *header)
{
	const uint8_t *at = from.data + sizeof(magic);

	if (from.length < SPOOL_HEADER_SIZE ||
		memcmp(from.data, magic, sizeof(magic)) != 0) /* public: words of the form */
		return false;
	header->cluster = bytes_get_u64(at);
	header->database = bytes_get_u32(at + 8);
	at += 12;
	memcpy(header->stream, at, SPOOL_STREAM_SIZE);
	at += SPOOL_STREAM_SIZE;
	header->after = bytes_get_u64(at);
	memcpy(header->server, at + 8, SPOOL_SERVER_SIZE);
	return header->server[SPOOL_SERVER_SIZE - 1] == '\0';
}

bool
spool_open(SpoolChain *chain, HmacKey *key, Bytes *from, SpoolHeader *header)
{
	if (!spool_peek(*from, header))
		return false;
	*chain = (SpoolChain){.key = key, .number = header->after};
	if (hmac_sha256(key, bytes_of(from->data, SIGNED_SIZE), chain->mac) != TSEC_OK ||
		!secret_equal(chain->mac, from->data + SIGNED_SIZE, DIGEST_SIZE))
		return false;
	*from = bytes_of(from->data + SPOOL_HEADER_SIZE, from->length - SPOOL_HEADER_SIZE);
	return true;
}

SpoolAnswer
spool_read(SpoolChain *chain, Bytes *from, Bytes *record)
{
	uint8_t mac[DIGEST_SIZE];
	size_t length;

	*record = bytes_of(NULL, 0);
	if (from->length < 4)
		return SPOOL_CUT;
	length = bytes_get_u32(from->data);
	if (length > SPOOL_RECORD_MAX)
		return SPOOL_CHANGED;
	if (from->length < 4 + length + DIGEST_SIZE)
		return SPOOL_CUT;
	if (next_mac(chain, bytes_of(from->data + 4, length), mac) != TSEC_OK ||
		!secret_equal(mac, from->data + 4 + length, DIGEST_SIZE))
		return SPOOL_CHANGED;
	if (length == 0)
		return from->length == SPOOL_END_SIZE ? SPOOL_END : SPOOL_CHANGED;
	*record = bytes_of(from->data + 4, length);
	*from = bytes_of(from->data + 4 + length + DIGEST_SIZE, from->length - 4 - length - DIGEST_SIZE);
	memcpy(chain->mac, mac, DIGEST_SIZE);
	chain->number++;
	return SPOOL_RECORD;
}
