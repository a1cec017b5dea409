/*
 * main.c
 *		twin_gateway: PostgREST's contract over HTTP, in front of a database that
 *		verifies everything itself.
 */
#include <stdio.h>

int
main(int argc, char **argv)
{
	(void) argc;
	(void) argv;
	return puts("twin_gateway") < 0;
}
