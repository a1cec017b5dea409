/*
 * read_query.h
 *		A query that reads audited tables, as long as it runs.  All of it lies in
 *		the query's own memory.
 */
#ifndef TSEC_AUDIT_READ_QUERY_H
#define TSEC_AUDIT_READ_QUERY_H

#include "audit/read.h"

#include "lib/ilist.h"
#include "nodes/execnodes.h"

/* An audited table, read by the rights of one role. */
typedef struct ReadTarget
{
	Oid table;
	Oid as_role;
	bool conflicts; /* counted are rows that ON CONFLICT found */
	uint64 rows;    /* counted so far */
	uint64 filtered;
	ReadRecord record;
} ReadTarget;

/* A node of the plan that reads of one. */
typedef struct ReadScan
{
	PlanState *node;
	ReadTarget *target;
} ReadScan;

typedef struct ReadQuery
{
	MemoryContextCallback callback;
	dlist_node link;
	QueryDesc *query;
	uint64 query_id;
	CommandTag tag;
	bool is_parallel;
	bool has_run;
	int running; /* it is being run, so many times over */
	List *targets;
	List *scans;
	Bitmapset *seen; /* nodes that were looked at: several may refer to one subplan */
} ReadQuery;

/* Finds the nodes of its plan that read audited tables, in the current memory context. */
extern void query_find_scans(ReadQuery *reading);

#endif /* TSEC_AUDIT_READ_QUERY_H */
