/*
 * spool_carry.c
 *		Files of events from a standby to its primary, through SQL: what one server
 *		gives out the other takes in, whoever carries it.
 *
 * Whoever carries can read events, and keep them back; he can neither change nor
 * make any, nor have one taken twice.  A file leaves the standby once the primary's
 * log has all of it, which the standby learns by replication.
 */
#include "event/spool.h"

#include "access/xlog.h"
#include "catalog/pg_proc.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include <fcntl.h>
#include <unistd.h>

PG_FUNCTION_INFO_V1(tsec_standby_events);
PG_FUNCTION_INFO_V1(tsec_accept_standby_events);

/* Files that are given out in one call at most: who carries them calls again. */
#define FILES_MAX 64

/* How far the log has a stream as of now, whatever was committed when this statement or transaction began. */
static uint64
taken_of(const uint8 stream[SPOOL_STREAM_SIZE])
{
	uint64 taken;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	PushActiveSnapshot(GetLatestSnapshot());
	taken = spool_taken(stream);
	PopActiveSnapshot();
	SPI_finish();
	return taken;
}

static void
require_key(void)
{
	if (!spool_has_key())
		base_throw(TSEC_KEY_MISSING);
}

/* ---- on the standby ---- */

/* Tells of a file that is not as this server wrote it, and puts it aside. */
static void
put_aside(const SpoolName *name, SpoolVerdict verdict)
{
	spool_tell(name, spool_what(verdict), 0);
	ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("security events of this standby are not given out"),
					  errdetail("A file of them is refused: %s.", spool_what(verdict))));
	(void) spool_set_state(name, SPOOL_REFUSED);
}

/* Whether a standby keeps a file any longer: until the primary's log has all of it. */
static bool
is_kept(const SpoolName *name, Bytes bytes)
{
	SpoolHeader header;
	uint64 last;
	SpoolVerdict verdict = spool_check(bytes, &header, &last);

	if (verdict != SPOOL_IS_WHOLE && verdict != SPOOL_IS_CUT)
		put_aside(name, verdict);
	else if (last > taken_of(header.stream))
		return true;
	else
		spool_remove(name);
	return false;
}

/* standby_events() -> setof (file, content) */
Datum
tsec_standby_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int count = 0;
	ListCell *cell;

	base_require_preload("twin.standby_events()");
	InitMaterializedSRF(fcinfo, 0);
	require_key();
	if (RecoveryInProgress())
		(void) spool_finish_all();
	foreach(cell, spool_list())
	{
		const SpoolName *name = lfirst(cell);
		char path[MAXPGPATH];
		Datum values[2];
		bool nulls[2] = {false, false};
		bytea *content;
		Bytes bytes;

		if (name->database != MyDatabaseId || name->state != SPOOL_FINISHED || count == FILES_MAX)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (!spool_read_file(name, &bytes) && errno != EFBIG)
			ereport(ERROR, (errcode_for_file_access(), errmsg("security events of this standby cannot be read: %m")));
		/* on a primary they are its own, and its writer's to remove */
		if (RecoveryInProgress() && !is_kept(name, bytes))
			continue;
		spool_path(name, path);
		content = palloc(VARHDRSZ + bytes.length);
		SET_VARSIZE(content, VARHDRSZ + bytes.length);
		memcpy(VARDATA(content), bytes.data, bytes.length);
		values[0] = CStringGetTextDatum(path + strlen(SPOOL_FOLDER "/"));
		values[1] = PointerGetDatum(content);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		count++;
	}
	return (Datum) 0;
}

/* ---- on the primary ---- */

static TSEC_NORETURN void
refuse(SpoolVerdict verdict)
{
	SecurityEvent event = {.type = "integrity_failure",
						   .severity = EVENT_HIGH,
						   .outcome = EVENT_DENIED,
						   .action = "spool",
						   .resource = "standby events",
						   .is_anybodys = true};

	(void) event_emit(&event);
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("these are not security events of a standby"),
					errdetail("The file is refused: %s.", spool_what(verdict))));
}

/*
 * The number of the last event of a stream that is here, in files that wait for the log or in it: asked in this order, for
 * the writer, which waits for nobody, takes one away once it has committed what is in it.
 */
static uint64
last_here(const uint8 stream[SPOOL_STREAM_SIZE])
{
	uint64 last = 0;
	const SpoolName *newest = NULL;
	ListCell *cell;

	foreach(cell, spool_list())
	{
		const SpoolName *name = lfirst(cell);

		if (name->database == MyDatabaseId && name->state == SPOOL_FINISHED &&
			memcmp(name->stream, stream, SPOOL_STREAM_SIZE) == 0) /* public: names of files */
			newest = name;
	}
	if (newest != NULL)
	{
		SpoolHeader header;
		uint64 number;
		Bytes bytes;

		if (spool_read_file(newest, &bytes) && spool_check(bytes, &header, &number) <= SPOOL_IS_CHANGED)
			last = number;
	}
	return Max(last, taken_of(stream));
}

/* Puts a file where the writer finds it, whole or not at all; one session at a time. */
static void
store(const SpoolHeader *header, Bytes bytes)
{
	SpoolName name = spool_name_of(header);
	char path[MAXPGPATH];
	bool written;
	int failure;
	int file;

	if (!spool_has_room(MyDatabaseId))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many security events of standbys wait to be taken into the log"),
				 errhint("Try again; if it lasts, see the server's log and twin_security.standby_spool_size.")));
	name.state = SPOOL_OPEN;
	spool_path(&name, path);
	file = spool_make_folder() ? OpenTransientFile(path, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY) : -1;
	written = file >= 0 && base_write_file(file, bytes.data, bytes.length) && pg_fsync(file) == 0;
	failure = errno;
	if (file >= 0)
		(void) CloseTransientFile(file);
	if (!written || !spool_set_state(&name, SPOOL_FINISHED))
	{
		failure = written ? errno : failure;
		(void) unlink(path);
		errno = failure;
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not write file \"%s\": %m", path)));
	}
}

/* accept_standby_events(content, allow_gap) -> how many events are new */
Datum
tsec_accept_standby_events(PG_FUNCTION_ARGS)
{
	bytea *content = PG_GETARG_BYTEA_PP(0);
	bool allow_gap = PG_GETARG_BOOL(1);
	Bytes bytes = bytes_of(VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content));
	SpoolHeader header;
	SpoolVerdict verdict;
	uint64 last = 0;
	uint64 here;
	EventRing *ring;

	base_require_preload("twin.accept_standby_events()");
	PreventCommandDuringRecovery("twin.accept_standby_events()");
	require_key();
	verdict = bytes.length > SPOOL_FILE_MAX ? SPOOL_IS_UNSIGNED : spool_check(bytes, &header, &last);
	if (verdict != SPOOL_IS_WHOLE && verdict != SPOOL_IS_CUT)
		refuse(verdict);
	/* one after the other, until each transaction ends: they agree on what is here */
	LockDatabaseObject(ProcedureRelationId, fcinfo->flinfo->fn_oid, 0, ExclusiveLock);
	here = last_here(header.stream);
	if (last <= here)
		PG_RETURN_INT64(0);
	if (header.after > here && !allow_gap)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("security events before these have not come"),
						errdetail(UINT64_FORMAT " are missing.", header.after - here),
						errhint("Bring the standby's files in their order. If the others are lost, allow_gap takes "
								"these, and the log says how many are missing.")));
	store(&header, bytes);
	ring = area_own();
	if (ring != NULL)
		follow_wake(ring, GetCurrentTimestamp());
	PG_RETURN_INT64((int64) (last - Max(here, header.after)));
}
