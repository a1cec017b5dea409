/*
 * siphash.c
 *		SipHash-2-4 with 64 bits of result.
 */
#include "siphash.h"

typedef struct SipState
{
	uint64_t a;
	uint64_t b;
	uint64_t c;
	uint64_t d;
} SipState;

static uint64_t
rotate(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

/* Eight bytes as a little-endian number; written so that compilers make one load of it. */
static uint64_t
read_word(const uint8_t *from)
{
	return (uint64_t) from[0] | (uint64_t) from[1] << 8 | (uint64_t) from[2] << 16 | (uint64_t) from[3] << 24 |
		   (uint64_t) from[4] << 32 | (uint64_t) from[5] << 40 | (uint64_t) from[6] << 48 | (uint64_t) from[7] << 56;
}

/* Fewer than eight. */
static uint64_t
read_rest(const uint8_t *from, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++)
		value |= (uint64_t) from[i] << (8 * i);
	return value;
}

/* The paper's SipRound. */
static void
mix(SipState *s, int rounds)
{
	for (int i = 0; i < rounds; i++)
	{
		s->a += s->b;
		s->c += s->d;
		s->b = rotate(s->b, 13) ^ s->a;
		s->d = rotate(s->d, 16) ^ s->c;
		s->a = rotate(s->a, 32);
		s->c += s->b;
		s->a += s->d;
		s->b = rotate(s->b, 17) ^ s->c;
		s->d = rotate(s->d, 21) ^ s->a;
		s->c = rotate(s->c, 32);
	}
}

static void
absorb(SipState *s, uint64_t word)
{
	s->d ^= word;
	mix(s, 2);
	s->a ^= word;
}

uint64_t
siphash(const uint8_t key[SIPHASH_KEY_SIZE], const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint64_t first = read_word(key);
	uint64_t second = read_word(key + 8);
	SipState s = {first ^ UINT64_C(0x736f6d6570736575), second ^ UINT64_C(0x646f72616e646f6d),
				  first ^ UINT64_C(0x6c7967656e657261), second ^ UINT64_C(0x7465646279746573)};
	size_t whole = length - length % 8;

	for (size_t i = 0; i < whole; i += 8)
		absorb(&s, read_word(bytes + i));
	absorb(&s, (uint64_t) length << 56 | read_rest(bytes + whole, length % 8));
	s.c ^= 0xff;
	mix(&s, 4);
	return s.a ^ s.b ^ s.c ^ s.d;
}
