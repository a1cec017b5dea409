/*
 * spool_state.c
 *		How far this database's log has taken the events of standbys, by stream: that
 *		is written in the transaction that writes them, so each is taken once.
 *
 * Standbys see it by replication, and remove what they need not keep any more.
 */
#include "event/spool.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

static Datum
stream_datum(const uint8 stream[SPOOL_STREAM_SIZE])
{
	bytea *value = palloc(VARHDRSZ + SPOOL_STREAM_SIZE);

	SET_VARSIZE(value, VARHDRSZ + SPOOL_STREAM_SIZE);
	memcpy(VARDATA(value), stream, SPOOL_STREAM_SIZE);
	return PointerGetDatum(value);
}

uint64
spool_taken(const uint8 stream[SPOOL_STREAM_SIZE])
{
	Oid types[] = {BYTEAOID};
	Datum values[] = {stream_datum(stream)};
	uint64 last = 0;
	bool null;

	if (SPI_execute_with_args("SELECT s.last_number FROM twin_internal.standby_streams s WHERE s.stream = $1",
							  lengthof(types), types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "twin_security: streams of standbys cannot be read");
	if (SPI_processed == 1)
		last = (uint64) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	return last;
}

void
spool_note_taken(const SpoolHeader *header, uint64 last)
{
	Oid types[] = {BYTEAOID, INT8OID, TEXTOID};
	Datum values[] = {stream_datum(header->stream), Int64GetDatum((int64) last), CStringGetTextDatum(header->server)};

	if (SPI_execute_with_args("INSERT INTO twin_internal.standby_streams AS s (stream, last_number, server) "
							  "VALUES ($1, $2, nullif($3, '')) ON CONFLICT (stream) DO UPDATE "
							  "SET last_number = excluded.last_number, taken_at = excluded.taken_at",
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "twin_security: streams of standbys cannot be noted");
}
