/*
 * init.c
 *		Starts the part.
 */
#include "retention/private.h"

void
retention_init(void)
{
	retention_follow_init();
	subject_init();
}
