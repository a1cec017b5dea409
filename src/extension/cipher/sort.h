/*
 * sort.h
 *		Private to the cipher: opened values that a sort keeps in memory.
 */
#ifndef TSEC_SORT_H
#define TSEC_SORT_H

#include "cipher/private.h"

/* An opened value, found by its canonical bytes and by its key. */
typedef struct Kept
{
	Datum value;  /* the opened value, or the pointer to one outside its tuple */
	bool outside; /* which of the two */
	uint32 size;  /* of the canonical bytes, or the digest of those of a value outside */
	const uint8 *canonical;
} Kept;

typedef struct KeptValues KeptValues;

/* An empty store in a memory context, for a sort with so many bytes of work_mem; see sort_kept.c for the last argument. */
extern KeptValues *kept_new(MemoryContext parent, const EncryptedType *type, int16 length, Size work_bytes,
							bool one_generation);

/* The key of an opened value, equal for equal values; 0 when it is not kept.  value is as the tuple has it. */
extern Datum kept_key(KeptValues *values, Datum value, Datum plain);

/* The value a key stands for; NULL when it is not, or no longer, there. */
extern const Kept *kept_find(const KeptValues *values, Datum key);

#endif /* TSEC_SORT_H */
