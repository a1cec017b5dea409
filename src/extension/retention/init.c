/*
 * init.c
 *		Starts the part.
 */
#include "retention/private.h"

void
retention_init(void)
{
	subject_init();
}
