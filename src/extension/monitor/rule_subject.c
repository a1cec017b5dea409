/*
 * rule_subject.c
 *		Whom an event is about, and as what it counts for him.
 */
#include "monitor/rule.h"

#include "mb/pg_wchar.h"

/* Of a name only so much is counted by. */
#define SUBJECT_MAX 512

/* What an address counts as: IPv6 by its /64, and no address is that of a unix socket. */
static char *
address_subject(const WatchedEvent *event)
{
	char text[NETWORK_TEXT_MAX];
	NetAddress address;

	if (event->client_address == NULL ||
		!network_address(event->client_address, strlen(event->client_address), &address))
		return pstrdup("local");
	if (address.family == 6)
		memset(address.bytes + 8, 0, 8);
	network_write(&address, text);
	return address.family == 6 ? psprintf("%s/64", text) : pstrdup(text);
}

static char *
clipped(const char *name)
{
	return pnstrdup(name, pg_mbcliplen(name, (int) strlen(name), SUBJECT_MAX));
}

bool
rule_find_subject(const Rule *rule, const WatchedEvent *event, RuleSubjectOf *about)
{
	about->subject = NULL;
	about->subject_is = "any";
	if (rule->subject == SUBJECT_ADDRESS)
	{
		about->subject_is = "address";
		about->subject = address_subject(event);
	}
	else if (rule->subject == SUBJECT_USER)
	{
		const char *name = event->username != NULL ? event->username : event->session_user_name;

		if (name == NULL)
			return false;
		/* a role of the database may have the name of somebody's account */
		about->subject_is = event->username != NULL ? "user" : "role";
		about->subject = clipped(name);
	}
	else if (rule->subject == SUBJECT_RESOURCE && event->resource != NULL)
	{
		about->subject_is = "resource";
		about->subject = clipped(event->resource);
	}
	return true;
}

WindowEvent
rule_window_event(const WatchedEvent *event)
{
	/* who says that it will be tomorrow makes nobody else wait until then */
	return (WindowEvent){
		.time = Min(event->event_time, event->recorded_at), .id = event->event_id, .weight = event->rows};
}
