/*
 * gap.c
 *		Times in which the audit was switched off, as the log itself tells of them:
 *		what is missing there was never recorded, and no proof says so.
 */
#include "verify/check.h"

#include "common/strictjson.h"

#include <string.h>

#define SWITCH "twin_security.audit_enabled"

static void
set_text(char *to, size_t size, const char *text)
{
	(void) snprintf(to, size, "%s", text != NULL ? text : "");
	report_make_harmless(to);
}

/* The gap that has no end yet, if it is one of those that are kept. */
static Gap *
open_gap(Report *report)
{
	return report->gap_is_open && report->gap_count <= GAPS_MAX ? &report->gaps[report->gap_count - 1] : NULL;
}

static void
begin_gap(Report *report, const Leaf *leaf, const char *from, const char *by)
{
	Gap *gap;

	report->gap_count++;
	report->gap_is_open = true;
	gap = open_gap(report);
	if (gap == NULL)
		return;
	*gap = (Gap){.event_id = leaf->event_id};
	set_text(gap->from, sizeof(gap->from), from);
	set_text(gap->by, sizeof(gap->by), by);
}

static void
end_gap(Report *report, const char *to)
{
	Gap *gap = open_gap(report);

	if (gap != NULL)
		set_text(gap->to, sizeof(gap->to), to);
	report->gap_is_open = false;
}

/* Switched on, or the server was started: that ends a gap, and may tell of one that began before what is read. */
static void
note_on(Report *report, const Leaf *leaf, const json_t *details)
{
	const char *from = strictjson_text(details, "off_from");
	const char *to = strictjson_text(details, from != NULL ? "off_to" : "server_started");

	if (!report->gap_is_open && from != NULL)
		begin_gap(report, leaf, from, NULL);
	end_gap(report, to);
}

void
gap_leaf(Report *report, const Leaf *leaf)
{
	json_t *details;

	if (!event_text_is(leaf, LEAF_RESOURCE, SWITCH))
		return;
	details = event_details(leaf, "audit_disabled");
	if (details != NULL)
	{
		/* a server that starts with it off says so once more */
		end_gap(report, strictjson_text(details, "since"));
		begin_gap(report, leaf, strictjson_text(details, "since"), strictjson_text(details, "by"));
	}
	else
	{
		details = event_details(leaf, "audit_enabled");
		if (details != NULL)
			note_on(report, leaf, details);
	}
	json_decref(details);
}
