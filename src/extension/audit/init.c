/*
 * init.c
 *		Starts the part.
 */
#include "audit/audit.h"
#include "audit/live.h"
#include "audit/change.h"
#include "audit/security.h"

void
audit_init(void)
{
	live_init();
	audited_init();
	change_plan_init();
	security_init();
}
