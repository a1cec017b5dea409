/*
 * siem.c
 *		A leaf of the log as a line for a SIEM system.  Which leaves these are, and
 *		who may ask for them, is said in SQL.
 */
#include "audit/private.h"

#include "common/siem.h"

#include "commands/dbcommands.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include <unistd.h>

#ifndef HOST_NAME_MAX
#define HOST_NAME_MAX 255
#endif

PG_FUNCTION_INFO_V1(tsec_siem_event);
extern PGDLLEXPORT Datum tsec_change_side(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum tsec_change_key(PG_FUNCTION_ARGS);

/* Text of the database as UTF-8, which leaves and formats are in. */
static Bytes
as_utf8(const char *text)
{
	const char *converted = pg_server_to_any(text, (int) strlen(text), PG_UTF8);

	return bytes_of(converted, strlen(converted));
}

static bytea *
bytea_of(Bytes bytes)
{
	bytea *value = palloc(VARHDRSZ + bytes.length);

	SET_VARSIZE(value, VARHDRSZ + bytes.length);
	memcpy(VARDATA(value), bytes.data, bytes.length);
	return value;
}

/* What a function says of a changed row; *null when it says nothing. */
static Datum
call(PGFunction function, const Leaf *leaf, int arguments, bool is_new, bool *null)
{
	LOCAL_FCINFO(fcinfo, 3);
	Datum result;

	InitFunctionCallInfoData(*fcinfo, NULL, arguments, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = PointerGetDatum(bytea_of(leaf->text[LEAF_COLUMNS]));
	fcinfo->args[1].value = PointerGetDatum(bytea_of(leaf->text[LEAF_ROW]));
	fcinfo->args[2].value = BoolGetDatum(is_new);
	for (int i = 0; i < arguments; i++)
		fcinfo->args[i].isnull = false;
	result = function(fcinfo);
	*null = fcinfo->isnull;
	return result;
}

/* One side of a changed row as JSON. */
static Bytes
side_of(const Leaf *leaf, bool is_new)
{
	bool null;
	Datum side = call(tsec_change_side, leaf, 3, is_new, &null);
	Jsonb *json;

	if (null)
		return bytes_of(NULL, 0);
	json = DatumGetJsonbP(side);
	return as_utf8(JsonbToCString(NULL, &json->root, VARSIZE(json)));
}

/* Takes what is known of the server; good for the transaction. */
static void
describe_server(SiemEvent *event)
{
	static char host[HOST_NAME_MAX + 1];

	if (host[0] == '\0' && gethostname(host, sizeof(host) - 1) != 0)
		strlcpy(host, "-", sizeof(host));
	event->host = host;
	event->database = (const char *) as_utf8(get_database_name(MyDatabaseId)).data;
	event->version = TWIN_VERSION;
}

/* siem_event(format, leaf_index, leaf) -> text */
Datum
tsec_siem_event(PG_FUNCTION_ARGS)
{
	char *format = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea *bytes = PG_GETARG_BYTEA_PP(2);
	SiemEvent event = {.leaf_index = PG_GETARG_INT64(1), .is_ascii = GetDatabaseEncoding() != PG_UTF8};
	int which = event_word(siem_format_names, SIEM_FORMATS, format);
	size_t room = 8192;
	char *line = palloc(room);
	size_t length;

	if (which == SIEM_FORMATS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown format of events")));
	if (!leaf_decode(bytes_of(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)), &event.leaf))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("leaf " INT64_FORMAT " of the audit log is no event", event.leaf_index),
						errhint("See twin.verify_audit_log().")));
	if (event.leaf.text[LEAF_COLUMNS].data != NULL && event.leaf.text[LEAF_ROW].data != NULL)
	{
		bool null;
		Datum key = call(tsec_change_key, &event.leaf, 2, false, &null);

		if (!null && event.leaf.text[LEAF_RECORD_ID].data == NULL)
			event.leaf.text[LEAF_RECORD_ID] = as_utf8(TextDatumGetCString(key));
		event.old_row = side_of(&event.leaf, false);
		event.new_row = side_of(&event.leaf, true);
	}
	describe_server(&event);
	length = siem_write((SiemFormat) which, &event, line, room);
	if (length > room)
	{
		if (length > MaxAllocSize - VARHDRSZ)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("event " INT64_FORMAT " is too long for a text", event.leaf.event_id)));
		pfree(line);
		line = palloc(length);
		(void) siem_write((SiemFormat) which, &event, line, length);
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(line, (int) length));
}
