/*
 * watch.c
 *		Where statements, plans and functions begin: each is a place to see that
 *		errors are seen, that the switch stands as the log knows it, and that who
 *		makes events without end waits for them to be written.
 *
 * Hooks do next to nothing; what they call says why.
 */
#include "audit/security.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "tcop/cmdtag.h"

static ExecutorStart_hook_type previous_start = NULL;
static planner_hook_type previous_planner = NULL;
static post_parse_analyze_hook_type previous_analyze = NULL;

static const char *command = NULL;
static TimestampTz command_of = 0;

const char *
watch_command(void)
{
	return command_of == GetCurrentStatementStartTimestamp() ? command : NULL;
}

static void
note_command(const char *name)
{
	command = name;
	command_of = GetCurrentStatementStartTimestamp();
}

/* Where anything begins. */
static inline void
begin_anything(void)
{
	report_watch();
	presence_look();
	switch_look();
	setting_look();
}

static const char *
name_of(CmdType type)
{
	static const char *const names[] = {[CMD_SELECT] = "SELECT",
										[CMD_UPDATE] = "UPDATE",
										[CMD_INSERT] = "INSERT",
										[CMD_DELETE] = "DELETE",
										[CMD_MERGE] = "MERGE"};

	return (int) type < (int) lengthof(names) ? names[type] : NULL;
}

static void
start(QueryDesc *query, int flags)
{
	begin_anything();
	event_slow_down();
	note_command(name_of(query->operation));
	if (previous_start)
		previous_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
	/* here it is known that he may, and nothing is written yet */
	if (unlikely(query->plannedstmt->resultRelations != NIL) && !(flags & EXEC_FLAG_EXPLAIN_ONLY))
		catalog_look(query->plannedstmt);
}

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo parameters)
{
	begin_anything();
	note_command(name_of(query->commandType));
	return previous_planner ? previous_planner(query, text, options, parameters)
							: standard_planner(query, text, options, parameters);
}

static void
analyzed(ParseState *state, Query *query, JumbleState *jumble)
{
	begin_anything();
	if (previous_analyze)
		previous_analyze(state, query, jumble);
}

void
watch_begin(const char *name)
{
	begin_anything();
	event_slow_down();
	note_command(name);
}

void
watch_init(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
	previous_planner = planner_hook;
	planner_hook = plan;
	previous_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = analyzed;
}
