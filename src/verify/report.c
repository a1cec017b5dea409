/*
 * report.c
 *		The problems and limits that a check found.
 */
#include "verify/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void
report_make_harmless(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char) *text < ' ' || (unsigned char) *text > '~')
			*text = '?';
}

Problem *
report_problem(Report *report, Verdict verdict, const char *file, const char *format, ...)
{
	static Problem not_kept;
	Problem *problem = &not_kept;
	va_list arguments;

	/* tampering outweighs what could not be read */
	if (report->verdict != VERDICT_TAMPERED)
		report->verdict = verdict;
	if (report->problem_count < PROBLEMS_MAX)
		problem = &report->problems[report->problem_count];
	report->problem_count++;
	*problem = (Problem){.verdict = verdict};
	(void) snprintf(problem->file, sizeof(problem->file), "%s", file);
	va_start(arguments, format);
	(void) vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	report_make_harmless(problem->file);
	report_make_harmless(problem->text);
	return problem;
}

void
report_leaf(Problem *problem, uint64_t index, Bytes bytes)
{
	Leaf leaf;

	problem->has_leaf = true;
	problem->leaf = index;
	if (bytes.data == NULL || !leaf_decode(bytes, &leaf))
		return;
	problem->has_event = true;
	problem->event_id = leaf.event_id;
	leaf_time(leaf.event_time, problem->event_time);
	(void) snprintf(problem->event_type, sizeof(problem->event_type), "%.*s",
					(int) (leaf.text[LEAF_TYPE].length < 63 ? leaf.text[LEAF_TYPE].length : 63),
					leaf.text[LEAF_TYPE].data != NULL ? (const char *) leaf.text[LEAF_TYPE].data : "");
	report_make_harmless(problem->event_type);
}

void
report_unproven(Report *report, const char *format, ...)
{
	char *text = report->unproven[report->unproven_count < UNPROVEN_MAX ? report->unproven_count : UNPROVEN_MAX - 1];
	va_list arguments;

	va_start(arguments, format);
	(void) vsnprintf(text, PROBLEM_TEXT_MAX, format, arguments);
	va_end(arguments);
	report_make_harmless(text);
	for (int i = 0; i < report->unproven_count && i < UNPROVEN_MAX; i++)
		if (report->unproven[i] != text && strcmp(report->unproven[i], text) == 0)
			return;
	if (report->unproven_count < UNPROVEN_MAX)
		report->unproven_count++;
}

void
report_free(Report *report)
{
	free(report->epochs);
	free(report->dropped);
	report->epochs = NULL;
	report->epoch_count = 0;
	report->dropped = NULL;
	report->dropped_count = 0;
}
