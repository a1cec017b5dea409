/*
 * bcrypt.c
 *		What bcrypt itself costs: crypt_r() of libxcrypt at cost 12, as often as
 *		the argument says.  Prints nanoseconds per call.  The benchmark runs it
 *		between its own rounds, so that both meet the same neighbours.
 */
#include "timing.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
	static struct crypt_data work;
	int calls = argc > 1 ? atoi(argv[1]) : 1;
	double start = now();

	for (int i = 0; i < calls; i++)
	{
		const char *hash = crypt_r("correct horse battery", "$2b$12$abcdefghijklmnopqrstuu", &work);

		if (hash == NULL || strlen(hash) != 60)
			abort();
	}
	printf("%.0f\n", (now() - start) / calls);
	return 0;
}
