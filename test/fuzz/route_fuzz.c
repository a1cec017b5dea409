/*
 * route_fuzz.c
 *		Paths of strangers: a route is short, holds no zero and no doubled slash,
 *		does not depend on a slash at the end, and is itself a rule that fits it.
 */
#include "fuzz.h"

#include "common/route.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	char *longer = fuzz_memory(size + 1);
	char route[ROUTE_MAX];
	char other[ROUTE_MAX];
	size_t length = route_read(copy, size, route);

	MUST(length <= ROUTE_MAX && length <= size);
	for (size_t i = 0; i < length; i++)
		MUST(route[i] != '\0' && (i == 0 || route[i] != '/' || route[i - 1] != '/'));
	memcpy(longer, copy, size);
	longer[size] = '/';
	if (length > 0 && length < ROUTE_MAX)
	{
		MUST(route_read(longer, size + 1, other) == length);
		MUST(memcmp(route, other, length) == 0);
		if (length <= ROUTE_RULE_MAX)
			MUST(route_fits(route, length, route, length) > 0);
	}
	MUST(route_fits("*", 1, route, length) == 1);
	free(longer);
	free(copy);
	return 0;
}
