/*
 * route.h
 *		Paths of requests as limits compare them.
 *
 * Two spellings of one path are one route: percent-encoding of what needs none,
 * doubled slashes and one at the end would otherwise be ways around a limit.
 */
#ifndef TSEC_ROUTE_H
#define TSEC_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a route; of longer paths only so much is compared, so no rule is one whole. */
#define ROUTE_MAX 256

/* Longest rule. */
#define ROUTE_RULE_MAX 255

/* Writes a path, without a query, as its route; returns the length.  No byte is a zero. */
extern size_t route_read(const char *path, size_t length, char route[ROUTE_MAX]);

/*
 * How closely a rule fits: 0 not at all; a rule that ends in '*' its length, for
 * routes that begin with the rest of it; any other more than all those, for the
 * one route that it is.
 */
extern unsigned route_fits(const char *rule, size_t rule_length, const char *route, size_t length);

#endif /* TSEC_ROUTE_H */
