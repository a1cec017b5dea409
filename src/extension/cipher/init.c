/*
 * init.c
 *		Starts the cipher.
 */
#include "cipher/private.h"

void
cipher_init(void)
{
	types_init();
	implied_init();
	view_init();
}
