/*
 * init.c
 *		Starts the part.
 */
#include "audit/security.h"

void
audit_init(void)
{
	security_init();
}
