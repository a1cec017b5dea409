/*
 * init.c
 *		Starts the part.
 */
#include "metrics/metrics.h"

void
metrics_init(void)
{
	/* the gateway's login asks without a token, for its admin port; what it is told is nobody's */
	identity_let_logins_call("metrics");
}
