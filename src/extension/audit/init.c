/*
 * init.c
 *		Starts the part.
 */
#include "audit/audit.h"

void
audit_init(void)
{
}
