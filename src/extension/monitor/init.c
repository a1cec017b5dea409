/*
 * init.c
 *		Starts the part.
 */
#include "monitor/rule.h"
#include "monitor/block.h"
#include "monitor/private.h"
#include "monitor/unusual.h"

void
monitor_init(void)
{
	rule_init(); /* watches first */
	unusual_init();
	stream_init();
	announce_init(); /* what that raised */
	block_init();
	due_init();
	console_init();
}
