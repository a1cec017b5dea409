/*
 * init.c
 *		Starts the password part.
 */
#include "password/private.h"

void
password_init(void)
{
	slots_init();
}
