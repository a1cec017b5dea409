/*
 * told.h
 *		JSON objects in settings, as PostgREST leaves them.
 *
 * A header of its own, because jansson's names collide with the server's where
 * both are included.
 */
#ifndef TSEC_REQUEST_TOLD_H
#define TSEC_REQUEST_TOLD_H

#include "request/private.h"

struct json_t;

typedef struct Told
{
	struct json_t *object; /* lives as long as the memory context in which it was read */
	bool is_there;
} Told;

/* Reads a setting; raises 22023 for one that holds no object, 54000 for one that is too long. */
extern Told told_read(const char *setting);

/* A member that is a string, as UTF-8; none when it is absent.  Raises 22023 when it is something else. */
extern RequestText told_text(const Told *told, const char *setting, const char *name);

/*
 * Whether the claims that PostgREST verified are those of a token: jti and sub
 * in both or in neither, and whatever else is in both equal, but for the role,
 * which PostgREST replaces by the one it chose.  True where nothing is told.
 */
extern bool told_agrees(const Told *told, Jsonb *claims);

/* Whether it is told that nobody asks: no claims but a role. */
extern bool told_nobody(const Told *told);

#endif /* TSEC_REQUEST_TOLD_H */
