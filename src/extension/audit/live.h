/*
 * live.h
 *		Changes of tables for subscribers of the gateway's WebSockets.
 */
#ifndef TSEC_AUDIT_LIVE_H
#define TSEC_AUDIT_LIVE_H

#include "audit/private.h"

#include "topic/topic.h"

extern void live_init(void);

/* ---- live_shown.c; a row is a hash of table and key ---- */

extern bool live_was_shown(const TopicReader *reader, uint64 row);
extern void live_forget_shown(const TopicReader *reader, uint64 row);

/* Remembers a row, in place of the oldest. */
extern void live_note_shown(const TopicReader *reader, uint64 row);

#endif /* TSEC_AUDIT_LIVE_H */
