/*
 * foreign_check.h
 *		Recognises the statement by which the server checks a foreign key: it looks
 *		for one row by its key and returns none of its columns.
 */
#ifndef TSEC_FOREIGN_CHECK_H
#define TSEC_FOREIGN_CHECK_H

#include <stdbool.h>

/*
 * Whether a statement is, to the letter, of the form
 *	SELECT 1 FROM [ONLY] "schema"."table" x WHERE "column" OPERATOR(pg_catalog.op) $1 [AND ...] FOR KEY SHARE OF x
 * with column and parameter in either order.  Anything else it could be made to do, a cast or another operator among
 * them, is refused: whoever writes such a statement himself learns no more than that a key exists.
 */
extern bool foreign_check_is(const char *statement);

#endif /* TSEC_FOREIGN_CHECK_H */
