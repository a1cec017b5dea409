/*
 * late.c
 *		Events that are told later than they are captured: what was counted until
 *		a statement ended, say, of whoever began it.
 */
#include "event/private.h"

size_t
event_capture_late(const SecurityEvent *event, uint8 *record)
{
	return capture_event(event, record);
}

bool
event_emit_late(Bytes record)
{
	return area_exists() && area_push(record, SHARE_ANYBODY);
}

double
event_ring_fill(void)
{
	return area_fill();
}
