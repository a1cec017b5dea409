/*
 * filled.h
 *		Finding again what was filled into a message: "permission denied for table
 *		units" and its format give "units".
 */
#ifndef TSEC_FILLED_H
#define TSEC_FILLED_H

#include "bytes.h"

#include <stdbool.h>

/*
 * Gives what stands in a text for the last %s of its format; it points into the text.  False where the format holds any
 * other conversion or nothing but %s, and where the text is not of this format (it was translated).  Texts that were
 * filled in may hold anything: with more than one, the last one is taken to be as short as it can be.
 */
extern bool filled_last(const char *format, const char *text, Bytes *found);

/* Whether a format has words of its own around what is filled in. */
extern bool filled_has_words(const char *format);

#endif /* TSEC_FILLED_H */
