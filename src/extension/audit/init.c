/*
 * init.c
 *		Starts the part.
 */
#include "audit/audit.h"
#include "audit/change.h"
#include "audit/live.h"
#include "audit/read.h"
#include "audit/security.h"

void
audit_init(void)
{
	audited_init();
	change_plan_init();
	security_init();
	read_init();
	live_init();
}
