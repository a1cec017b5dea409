/*
 * siphash.h
 *		SipHash-2-4 (Aumasson and Bernstein 2012): a keyed hash for tables whose
 *		keys strangers choose.  Without the key nobody can aim two subjects at
 *		one place.
 */
#ifndef TSEC_SIPHASH_H
#define TSEC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY_SIZE 16

extern uint64_t siphash(const uint8_t key[SIPHASH_KEY_SIZE], const void *data, size_t length);

#endif /* TSEC_SIPHASH_H */
