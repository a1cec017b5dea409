/*
 * change.h
 *		Changes of audited tables, from the triggers to the log.
 *
 *	 change.c			the triggers: which rows there are
 *	 change_plan.c		how each column of a table is written, remembered
 *	 change_row.c		rows as bytes (common/change.h)
 *	 change_image.c		these bytes as rows of the log
 *	 change_digest.c	or as their number, range and root
 *	 change_read.c		rows of the log as people read them
 *	 change_json.c		values of columns as jsonb
 */
#ifndef TSEC_AUDIT_CHANGE_H
#define TSEC_AUDIT_CHANGE_H

#include "audit/private.h"
#include "audit/audited.h"
#include "common/change.h"
#include "common/merkle.h"

#include "executor/tuptable.h"
#include "utils/jsonb.h"

/* ---- change_plan.c ---- */

/* How a value becomes bytes. */
typedef enum ColumnWay
{
	WAY_BOOLEAN,
	WAY_2, /* an integer passed by value, or what is one inside */
	WAY_4,
	WAY_8,
	WAY_FLOAT4,
	WAY_FLOAT8,
	WAY_UUID,
	WAY_VARLENA, /* its bytes are the value */
	WAY_OUTPUT,  /* what the type prints */
	WAY_REDACTED
} ColumnWay;

typedef struct ChangePlanColumn
{
	int index; /* in the row, from 0 */
	ColumnWay way;
	bool is_digest; /* the bytes are not kept, but a keyed digest of them */
	bool by_value;
	int16 length;
	FmgrInfo output; /* of WAY_OUTPUT */
	NameData name;
} ChangePlanColumn;

typedef struct ChangePlan
{
	Oid relation;
	bool is_current;   /* false: made again when it is asked for */
	bool is_forgotten; /* goes with its last user */
	int users;         /* statements that hold it */
	AuditMode mode;
	Oid audited_as;
	int count;
	ChangePlanColumn *columns;
	int key_count;
	AttrNumber *key;      /* of the primary key */
	bool allocates;       /* making bytes takes memory */
	bool needs_pins;      /* what a type prints depends on settings */
	size_t fixed;         /* bytes of a side, those of values of no fixed length left out */
	uint8 *columns_bytes; /* the columns as common/change.h writes them */
	size_t columns_length;
	char *resource;  /* name of the table as which it is audited */
	char *partition; /* its own, when that is another */
	MemoryContext memory;
} ChangePlan;

extern void change_plan_init(void);

/* How a relation's changes are written; NULL when it is not audited.  Held until released. */
extern ChangePlan *change_plan_of(Relation relation);
extern void change_plan_release(ChangePlan *plan);

/* ---- change_row.c ---- */

/* Bytes that grow. */
typedef struct ChangeBuffer
{
	uint8 *data;
	size_t length;
	size_t room;
} ChangeBuffer;

/* What one trigger call works with. */
typedef struct ChangeScribe
{
	ChangePlan *plan;
	MemoryContext per_row;
	int guc_level;      /* 0: no setting was pinned */
	ChangeBuffer value; /* of a digest */
} ChangeScribe;

extern void change_begin(ChangeScribe *scribe, ChangePlan *plan);
extern void change_end(ChangeScribe *scribe);

/* Appends a row as a piece; either side may be absent.  The slots' values are taken out here. */
extern void change_append_row(ChangeScribe *scribe, ChangeBuffer *to, TupleTableSlot *old, TupleTableSlot *new);

/* Sets what types print by, until AtEOXact_GUC() of the level that comes back. */
extern int change_pin_settings(void);

extern void change_reserve(ChangeBuffer *buffer, size_t more);

/* ---- change_image.c, change_digest.c ---- */

/* What happened, as the log calls it. */
typedef struct ChangeDeed
{
	const char *type;   /* create, update, delete, truncate */
	const char *action; /* the command */
} ChangeDeed;

/* Takes rows until there are no more. */
typedef struct ChangeSource ChangeSource;
extern bool change_next(ChangeSource *source, TupleTableSlot **old, TupleTableSlot **new);

extern void change_write_images(ChangePlan *plan, const ChangeDeed *deed, ChangeSource *source);
extern void change_write_digest(ChangePlan *plan, const ChangeDeed *deed, ChangeSource *source);

/* Writes an event without rows. */
extern void change_write_event(ChangePlan *plan, const ChangeDeed *deed, const char *details);

/* ---- change_json.c ---- */

extern void change_push_key(JsonbParseState **state, const char *name, size_t length);

/* What a column held, as a member's value; digests and long values as objects. */
extern void change_push_value(JsonbParseState **state, const ChangeColumn *column, const ChangeValue *value);

/* What a column of the key held, as a part of the record's id. */
extern void change_set_key(JsonbValue *to, const ChangeColumn *column, const ChangeValue *value);

#endif /* TSEC_AUDIT_CHANGE_H */
