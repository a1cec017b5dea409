/*
 * watch.c
 *		Changes of relations, told to every part that asked.
 *
 * A process has ten places for relation cache callbacks (fifteen and more in
 * later versions of the server), the server itself takes some, and a worker of
 * logical replication needs more of them later: so all parts share one.
 */
#include "base/base.h"

#include "utils/inval.h"

#define WATCHERS_MAX 16

static RelcacheCallbackFunction watchers[WATCHERS_MAX];
static int watcher_count = 0;

static void
tell_watchers(Datum argument, Oid relation)
{
	for (int i = 0; i < watcher_count; i++)
		watchers[i](argument, relation);
}

void
base_watch_relations(RelcacheCallbackFunction watcher)
{
	if (watcher_count == WATCHERS_MAX)
		elog(FATAL, "twin_security: out of places for watchers of relations");
	if (watcher_count == 0)
		CacheRegisterRelcacheCallback(tell_watchers, (Datum) 0);
	watchers[watcher_count++] = watcher;
}
