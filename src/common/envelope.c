/*
 * envelope.c
 *		Reading and writing the stored form and its armor.  No input is
 *		trusted: every length is checked before a byte behind it is touched.
 */
#include "envelope.h"

#include "encode.h"

#include <assert.h>
#include <string.h>

static_assert(ENVELOPE_HEADER_MAX == 46 && ENVELOPE_OVERHEAD_MAX == 62, "the layout is on disk");
static_assert(sizeof(ARMOR_PREFIX) - 1 == ARMOR_PREFIX_SIZE, "the prefix is in every dump");

size_t
envelope_header_size(AeadAlgorithm algorithm, uint8_t flags)
{
	return ENVELOPE_FIXED_SIZE + (flags & ENVELOPE_HAS_BLIND_TAG ? BLIND_TAG_SIZE : 0) +
		   (flags & ENVELOPE_IS_PROBE ? 0 : aead_nonce_size(algorithm));
}

size_t
envelope_size(AeadAlgorithm algorithm, uint8_t flags, size_t plain_length)
{
	return envelope_header_size(algorithm, flags) + (flags & ENVELOPE_IS_PROBE ? 0 : plain_length + AEAD_TAG_SIZE);
}

size_t
envelope_write_header(uint8_t *to, AeadAlgorithm algorithm, uint8_t flags, uint32_t key_id, const uint8_t *blind_tag,
					  const uint8_t *nonce)
{
	uint8_t *at = to;

	*at++ = (uint8_t) algorithm;
	*at++ = flags;
	bytes_put_u32(at, key_id);
	at += 4;
	if (flags & ENVELOPE_HAS_BLIND_TAG)
	{
		memcpy(at, blind_tag, BLIND_TAG_SIZE);
		at += BLIND_TAG_SIZE;
	}
	if (!(flags & ENVELOPE_IS_PROBE))
	{
		size_t size = aead_nonce_size(algorithm);

		memcpy(at, nonce, size);
		at += size;
	}
	return (size_t) (at - to);
}

Status
envelope_parse(Bytes value, Envelope *result)
{
	const uint8_t *at = value.data;
	AeadAlgorithm algorithm;
	uint8_t flags;
	size_t header;

	if (value.length < ENVELOPE_FIXED_SIZE)
		return TSEC_VALUE_TRUNCATED;
	if (at[0] != AEAD_AES_256_GCM && at[0] != AEAD_XAES_256_GCM)
		return TSEC_UNKNOWN_ALGORITHM;
	algorithm = (AeadAlgorithm) at[0];
	flags = at[1];
	if (flags != 0 && flags != ENVELOPE_HAS_BLIND_TAG && flags != (ENVELOPE_HAS_BLIND_TAG | ENVELOPE_IS_PROBE))
		return TSEC_UNKNOWN_FLAG;
	if ((flags & ENVELOPE_IS_PROBE) && algorithm != AEAD_AES_256_GCM)
		return TSEC_UNKNOWN_FLAG;
	header = envelope_header_size(algorithm, flags);
	if (value.length < envelope_size(algorithm, flags, 0))
		return TSEC_VALUE_TRUNCATED;
	if ((flags & ENVELOPE_IS_PROBE) && value.length != header)
		return TSEC_VALUE_TRUNCATED;

	result->algorithm = algorithm;
	result->flags = flags;
	result->key_id = bytes_get_u32(at + 2);
	result->blind_tag = flags & ENVELOPE_HAS_BLIND_TAG ? at + ENVELOPE_FIXED_SIZE : NULL;
	result->header = bytes_of(at, header);
	if (flags & ENVELOPE_IS_PROBE)
	{
		result->nonce = NULL;
		result->cipher = bytes_of(at + header, 0);
		result->tag = NULL;
	}
	else
	{
		result->nonce = at + header - aead_nonce_size(algorithm);
		result->cipher = bytes_of(at + header, value.length - header - AEAD_TAG_SIZE);
		result->tag = at + value.length - AEAD_TAG_SIZE;
	}
	return TSEC_OK;
}

bool
armor_looks_like(const char *text, size_t length)
{
	return length >= ARMOR_PREFIX_SIZE && memcmp(text, ARMOR_PREFIX, ARMOR_PREFIX_SIZE) == 0; /* public: prefix */
}

size_t
armor_size(size_t value_length)
{
	return ARMOR_PREFIX_SIZE + encode_base64url_size(value_length);
}

void
armor_write(Bytes value, char *text)
{
	memcpy(text, ARMOR_PREFIX, ARMOR_PREFIX_SIZE);
	encode_base64url(value.data, value.length, text + ARMOR_PREFIX_SIZE);
}

size_t
armor_value_bound(size_t length)
{
	return length < ARMOR_PREFIX_SIZE ? 0 : decode_base64_bound(length - ARMOR_PREFIX_SIZE);
}

Status
armor_read(const char *text, size_t length, uint8_t *value, size_t *value_length)
{
	Envelope envelope;
	Status status;

	if (!armor_looks_like(text, length) ||
		decode_base64url(text + ARMOR_PREFIX_SIZE, length - ARMOR_PREFIX_SIZE, value, value_length) != TSEC_OK)
		return TSEC_ARMOR_INVALID;
	status = envelope_parse(bytes_of(value, *value_length), &envelope);
	return status == TSEC_VALUE_TRUNCATED ? TSEC_ARMOR_INVALID : status;
}
