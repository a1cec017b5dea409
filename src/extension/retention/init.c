/*
 * init.c
 *		Starts the part.
 */
#include "retention/private.h"
#include "retention/run.h"

void
retention_init(void)
{
	retention_follow_init();
	subject_init();
}
