/*
 * init.c
 *		Starts the part.
 */
#include "monitor/rule.h"
#include "monitor/block.h"
#include "monitor/private.h"

void
monitor_init(void)
{
	rule_init(); /* watches first */
	stream_init();
	block_init();
	incident_init();
	console_init();
}
