/*
 * security.c
 *		Starts what records refusals, logins, commands and settings.  It writes to
 *		memory that is shared since the server started: without preloading there is
 *		none, and nothing of this is recorded.
 */
#include "audit/security.h"

void
security_init(void)
{
	if (!base_is_preloaded())
		return;
	shared_init();
	presence_init();
	report_init();
	watch_init();
	command_init();
	object_init();
	login_init();
	setting_init();
}
