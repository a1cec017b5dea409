/*
 * witness.c
 *		That rows of the writer of events are sealed as it wrote them: the digest
 *		of a row is its leaf, made of what the insertion gave back and made again of
 *		what is there when it is sealed.
 *
 * Not counted are rows that sessions write themselves: of changes, and of
 * transactions with many commands.  They tell of the transaction that wrote them,
 * which no row of the writer does.
 */
#include "ledger/private.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/xid8.h"

static void
keep_leaf(void *argument, int number, const Leaf *leaf, Bytes bytes)
{
	base_check(merkle_leaf(bytes, argument));
}

static bool
is_sessions_own(HeapTuple tuple, TupleDesc shape, uint64 writer_xid)
{
	bool null;
	Datum told = heap_getattr(tuple, ROW_XID_COLUMN, shape, &null);

	return !null && U64FromFullTransactionId(DatumGetFullTransactionId(told)) == writer_xid;
}

/* An EventWitness: shows the leaf of a row that was just written. */
static bool
see_row(HeapTuple tuple, TupleDesc shape, uint8 digest[EVENT_WITNESS_SIZE])
{
	MerkleHash hash = {{0}};

	if (is_sessions_own(tuple, shape, U64FromFullTransactionId(GetTopFullTransactionId())))
		return false;
	(void) row_leaves(tuple, shape, keep_leaf, &hash);
	memcpy(digest, hash.bytes, EVENT_WITNESS_SIZE);
	return true;
}

uint64
witness_mark(HeapTuple tuple, TupleDesc shape, uint64 writer_xid, const MerkleHash *leaf)
{
	if (is_sessions_own(tuple, shape, writer_xid))
		return 0;
	return event_sealing_mark(writer_xid, leaf->bytes);
}

/* The greatest id that is sealed or will be, 0 for none; for a process that may have nothing to do with the ledger. */
static int64
greatest_sealed(void)
{
	bool null = true;
	Datum value = 0;
	int64 greatest;

	if (!OidIsValid(get_relname_relid("sealed", get_namespace_oid(TSEC_INTERNAL_SCHEMA, false))))
		return 0; /* it is just being made */
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	if (SPI_execute("SELECT greatest((SELECT pg_catalog.max(s.record_id) FROM twin_internal.sealed s), "
					"(SELECT pg_catalog.max(e.event_id) FROM twin_internal.events e), "
					"(SELECT pg_catalog.max(o.event_id) FROM ONLY twin_internal.events_overflow o))",
					false, 1) != SPI_OK_SELECT)
		elog(ERROR, "twin_security: the tree of events cannot be read");
	if (SPI_processed == 1)
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	greatest = null ? 0 : DatumGetInt64(value);
	SPI_finish();
	return greatest;
}

void
witness_init(void)
{
	StaticAssertStmt(EVENT_WITNESS_SIZE == DIGEST_SIZE, "a leaf's hash is a row's digest");
	event_set_witness(ROW_COLUMN_LIST, see_row);
	event_set_id_source(greatest_sealed);
}
