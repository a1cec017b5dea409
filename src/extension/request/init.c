/*
 * init.c
 *		Starts the part.
 */
#include "request/private.h"

#include "identity/identity.h"

void
request_init(void)
{
	current_init();
	rates_init();
	reload_init();
	/* a gateway asks for what it does not do as a request, such as opening a WebSocket */
	identity_let_logins_call("check_rate_limit");
}
