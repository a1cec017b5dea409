/*
 * console.c
 *		Tells subscribers of a topic that the log of events has grown.
 *
 * The message says nothing of the events: whoever may read the log reads what
 * is new as himself (twin_console.events()), so that the topic shows nobody
 * anything, and a flood of events is one message a batch.  When the log grows is
 * itself something that is known of all tenants: who belongs to one is not told.
 */
#include "monitor/monitor.h"

#include "topic/topic.h"

#define TOPIC "admin.log" /* of the pattern admin.*, for whoever holds admin_panel */

static bool has_grown = false;

static void
see_event(const WatchedEvent *event)
{
	has_grown = true;
}

static void
see_end(void)
{
	if (has_grown)
		(void) topic_publish_news(TOPIC, "{}");
	has_grown = false;
}

void
console_init(void)
{
	monitor_add_watcher(see_event, see_end);
}
