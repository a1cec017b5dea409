/*
 * jsonscan.h
 *		Whether bytes are UTF-8, and whether they are JSON: looked at as they lie,
 *		without a tree of values and without changing a number.
 */
#ifndef TSEC_JSONSCAN_H
#define TSEC_JSONSCAN_H

#include "bytes.h"

#include <stdbool.h>

#define JSONSCAN_DEPTH_MAX 512 /* what nests deeper is not taken */

/* Bytes of the UTF-8 character (RFC 3629) that begins there, 0 when none does; of at least 1 byte. */
extern size_t jsonscan_character(const uint8_t *at, size_t left);

/* Whether a text is one JSON value (RFC 8259) in UTF-8; duplicate names are not looked for. */
extern bool jsonscan_valid(Bytes text);

#endif /* TSEC_JSONSCAN_H */
