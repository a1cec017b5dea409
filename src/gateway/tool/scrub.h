/*
 * scrub.h
 *		Takes out of a text what looks like a token.
 *
 * No message of ours holds one; what a function of an application raises may,
 * and it must reach neither the log nor another client.
 */
#ifndef GATEWAY_SCRUB_H
#define GATEWAY_SCRUB_H

#include "gateway/tool/arena.h"

/*
 * The text with every signed token (RFC 7515, 3.1: base64url of a JSON object,
 * so it begins with "eyJ", then dots) replaced by "[token]"; the text itself
 * when there is none.  NULL stays NULL.
 */
extern const char *scrub_tokens(Arena *arena, const char *text);

#endif /* GATEWAY_SCRUB_H */
