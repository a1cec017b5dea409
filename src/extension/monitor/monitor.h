/*
 * monitor.h
 *		Watching the log of events, and responding: rules, alerts, incidents,
 *		blocked addresses, unusual access.
 */
#ifndef TSEC_MONITOR_H
#define TSEC_MONITOR_H

#include "event/event.h"

#include "utils/jsonb.h"

extern void monitor_init(void);

/* ---- stream.c: the log of events, as it is sealed ---- */

/* An event as its row says; texts are NULL where the row has none, and all of it is good until the watcher returns. */
typedef struct WatchedEvent
{
	int64 event_id;
	uint64 leaf_index;
	TimestampTz event_time; /* what the emitter says; see recorded_at for when it was */
	TimestampTz recorded_at;
	const char *type;
	const char *severity;
	const char *outcome;
	const char *action;
	const char *resource;
	const char *record_id;
	const char *session_user_name;
	const char *username;
	const char *client_address; /* in numbers; NULL: by a unix socket, or from nowhere */
	const char *application_name;
	const char *class;
	const char *outer_user_name;
	const char *effective_user_name;
	const char *token_id;
	const char *request_id;
	int64 user_id;   /* 0: none */
	int64 tenant_id; /* 0: none */
	bool application_made;
	int32
		rows; /* events that this one stands for, numbered from its id and leaf on: 1, or rows that a statement changed */
	const Jsonb *details; /* NULL: none */
} WatchedEvent;

/* Told of every event once, in the order of the ledger; and of the end of each batch, before it commits. */
typedef void (*MonitorWatch)(const WatchedEvent *event);
typedef void (*MonitorBatchEnd)(void);

/*
 * Has every sealed event shown to a part of the monitor, at most MONITOR_WATCHERS; from an init function.
 *
 * It is called in the writer's process, as the owner of the extension's tables, connected to SPI, in the transaction that
 * moves the position: what it writes to tables is there if and only if it does not see these events again.  It may raise:
 * then what it wrote for the batch is rolled back, the batch's events come once more, each by itself, and those that it
 * raises for again are passed over.  What passes, such as a lock that somebody holds, costs no event: then the batch comes
 * again later, to all who watch.  What it keeps elsewhere must bear that, which leaf_index makes easy.
 */
#define MONITOR_WATCHERS 4
extern void monitor_add_watcher(MonitorWatch watch, MonitorBatchEnd end_of_batch);

/* ---- console.c ---- */

extern void console_init(void);

#endif /* TSEC_MONITOR_H */
