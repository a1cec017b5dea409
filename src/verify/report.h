/*
 * report.h
 *		Writing down what was found.  Texts of problems are formats with arguments
 *		of our own; what comes from files is made harmless first.
 */
#ifndef TWIN_VERIFY_REPORT_H
#define TWIN_VERIFY_REPORT_H

#include "verify/verify.h"

/* Writes a problem down and gives it back, for what is known besides; never NULL. */
extern Problem *report_problem(Report *report, Verdict verdict, const char *file, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Says which leaf it is, and which event when its bytes can be read (data NULL: they cannot). */
extern void report_leaf(Problem *problem, uint64_t index, Bytes leaf);

/* Characters that could speak to a terminal become question marks. */
extern void report_make_harmless(char *text);

/* Says that something is not proven; once. */
extern void report_unproven(Report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- gap.c ---- */

/* Notes what an event says of the audit being switched off or on. */
extern void gap_leaf(Report *report, const Leaf *leaf);

#endif /* TWIN_VERIFY_REPORT_H */
