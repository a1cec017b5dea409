/*
 * bytes.h
 *		A span of bytes, and big-endian numbers in it.
 */
#ifndef TSEC_BYTES_H
#define TSEC_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that somebody else owns. */
typedef struct Bytes
{
	const uint8_t *data;
	size_t length;
} Bytes;

static inline Bytes
bytes_of(const void *data, size_t length)
{
	Bytes span = {(const uint8_t *) data, length};

	return span;
}

static inline void
bytes_put_u16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t) (value >> 8);
	to[1] = (uint8_t) value;
}

static inline void
bytes_put_u32(uint8_t *to, uint32_t value)
{
	bytes_put_u16(to, (uint16_t) (value >> 16));
	bytes_put_u16(to + 2, (uint16_t) value);
}

static inline void
bytes_put_u64(uint8_t *to, uint64_t value)
{
	bytes_put_u32(to, (uint32_t) (value >> 32));
	bytes_put_u32(to + 4, (uint32_t) value);
}

static inline uint16_t
bytes_get_u16(const uint8_t *from)
{
	return (uint16_t) (((uint16_t) from[0] << 8) | from[1]);
}

static inline uint32_t
bytes_get_u32(const uint8_t *from)
{
	return ((uint32_t) bytes_get_u16(from) << 16) | bytes_get_u16(from + 2);
}

static inline uint64_t
bytes_get_u64(const uint8_t *from)
{
	return ((uint64_t) bytes_get_u32(from) << 32) | bytes_get_u32(from + 4);
}

#endif /* TSEC_BYTES_H */
