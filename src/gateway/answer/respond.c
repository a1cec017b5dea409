/*
 * respond.c
 *		The answer to a request that succeeded.
 */
#include "gateway/answer/respond.h"

#include "gateway/answer/error.h"

#include <stdlib.h>
#include <string.h>

static int64_t
number_of(const char *text, int64_t otherwise)
{
	return text == NULL ? otherwise : strtoll(text, NULL, 10);
}

bool
respond_judge(Arena *arena, const Plan *plan, const ResultRow *row, Problem *problem)
{
	int64_t count = number_of(row->count, 0);

	if (plan->is_put && count != 1)
		return problem_set(problem, 400, "PGRST115", "Payload values do not match URL in primary key column(s)", NULL,
						   NULL);
	if (plan->has_max_affected && count > plan->max_affected)
		return problem_set(problem, 400, "PGRST124", "Query result exceeds max-affected preference constraint",
						   arena_format(arena, "The query affects %lld rows", (long long) count), NULL);
	if (plan->is_single && plan->shape == SHAPE_ROWS && count != 1)
		return problem_set(problem, 406, "PGRST116", "Cannot coerce the result to a single JSON object",
						   arena_format(arena, "The result contains %lld rows", (long long) count), NULL);
	return true;
}

const char *
respond_content_range(Arena *arena, int64_t first, int64_t last, const int64_t *total)
{
	const char *rows = first <= last && (total == NULL || *total != 0)
						   ? arena_format(arena, "%lld-%lld", (long long) first, (long long) last)
						   : "*";

	return total == NULL ? arena_format(arena, "%s/*", rows)
						 : arena_format(arena, "%s/%lld", rows, (long long) *total);
}

/* ---- Preference-Applied (RFC 7240, 3) ---- */

#define APPLY_RESOLUTION 1
#define APPLY_MISSING 2
#define APPLY_RETURN 4
#define APPLY_MAX_AFFECTED 8

static void
apply(Text *text, const char *preference)
{
	if (preference != NULL)
		text_format(text, "%s%s", text->length > 0 ? ", " : "", preference);
}

static void
add_applied(Answer *answer, const Plan *plan, const Preferences *prefer, const AnswerSide *side, int which)
{
	static const char *const counts[] = {NULL, "count=exact", "count=planned", "count=estimated"};
	static const char *const returns[] = {NULL, "return=minimal", "return=headers-only", "return=representation"};
	static const char *const resolutions[] = {NULL, "resolution=merge-duplicates", "resolution=ignore-duplicates"};
	static const char *const missings[] = {NULL, "missing=default", "missing=null"};
	static const char *const handlings[] = {NULL, "handling=lenient", "handling=strict"};
	static const char *const ends[] = {NULL, "tx=commit", "tx=rollback"};
	Text text;

	text_begin(&text, answer->arena);
	if ((which & APPLY_RESOLUTION) && plan->is_upsert)
		apply(&text, resolutions[prefer->resolution]);
	if (which & APPLY_MISSING)
		apply(&text, missings[prefer->missing]);
	if (which & APPLY_RETURN)
		apply(&text, returns[prefer->answer]);
	apply(&text, counts[prefer->count]);
	if (side->may_choose_end)
		apply(&text, ends[prefer->transaction]);
	apply(&text, handlings[prefer->handling]);
	if (prefer->timezone != NULL)
		apply(&text, arena_format(answer->arena, "timezone=%s", prefer->timezone));
	if ((which & APPLY_MAX_AFFECTED) && prefer->has_max_affected && prefer->handling == HANDLING_STRICT)
		apply(&text, arena_format(answer->arena, "max-affected=%lld", (long long) prefer->max_affected));
	if (text.length > 0)
		(void) answer_add(answer, "Preference-Applied", text.data);
}

/* ---- what each kind of request is answered with ---- */

static void
add_body(Answer *answer, const Plan *plan, const ResultRow *row, const AnswerSide *side)
{
	(void) answer_add(answer, "Content-Type", plan->content_type);
	if (side->profile != NULL)
		(void) answer_add(answer, "Content-Profile", answer_url(answer->arena, side->profile));
	answer->body = row->body;
	answer->body_length = row->body_length;
}

static void
add_range(Answer *answer, int64_t first, int64_t last, const int64_t *total)
{
	(void) answer_add(answer, "Content-Range", respond_content_range(answer->arena, first, last, total));
}

/* Of reads and routines: 200, 206 when a known total is not all here, 416 (false) behind the end. */
static bool
fill_range(Answer *answer, const Plan *plan, const ResultRow *row, Problem *problem)
{
	int64_t count = number_of(row->count, 0);
	int64_t total = number_of(row->total, 0);

	add_range(answer, plan->offset, plan->offset + count - 1, row->total == NULL ? NULL : &total);
	answer->status = row->total != NULL && count < total ? 206 : 200;
	if (row->total == NULL || plan->offset <= total)
		return true;
	return problem_set(problem, 416, "PGRST103", "Requested range not satisfiable",
					   arena_format(answer->arena, "An offset of %lld was requested, but there are only %lld rows.",
									(long long) plan->offset, (long long) total),
					   NULL);
}

static bool
fill_read(Answer *answer, const Plan *plan, const ApiRequest *request, const ResultRow *row, const AnswerSide *side,
		  Problem *problem)
{
	const char *canonical = request->query->canonical;

	if (!fill_range(answer, plan, row, problem))
		return false;
	(void) answer_add(answer, "Content-Location",
					  arena_format(answer->arena, "/%s%s%s", answer_url(answer->arena, request->name),
								   canonical[0] == '\0' ? "" : "?", answer_url(answer->arena, canonical)));
	add_body(answer, plan, row, side);
	add_applied(answer, plan, request->prefer, side, 0);
	return true;
}

static bool
fill_routine(Answer *answer, const Plan *plan, const ApiRequest *request, const ResultRow *row,
			 const AnswerSide *side, Problem *problem)
{
	if (!fill_range(answer, plan, row, problem))
		return false;
	add_applied(answer, plan, request->prefer, side, APPLY_MAX_AFFECTED);
	if (plan->shape == SHAPE_VOID)
		answer->status = 204;
	else
		add_body(answer, plan, row, side);
	return true;
}

/* Of writes: rows there were, where they were to be counted; an estimate of what was written would be none. */
static const int64_t *
written_rows(const ApiRequest *request, const int64_t *count)
{
	PreferCount wanted = request->prefer->count;

	return wanted == COUNT_EXACT || wanted == COUNT_ESTIMATED ? count : NULL;
}

static void
fill_insert(Answer *answer, const Plan *plan, const ApiRequest *request, const ResultRow *row, const AnswerSide *side)
{
	int64_t count = number_of(row->count, 0);
	bool merged_all = request->prefer->resolution == RESOLUTION_MERGE && plan->is_upsert && row->inserted != NULL &&
					  number_of(row->inserted, 0) <= 0;

	answer->status = merged_all ? 200 : 201;
	if (plan->wants_location && row->location != NULL && row->location[0] != '\0')
		(void) answer_add(answer, "Location",
						  arena_format(answer->arena, "/%s?%s", answer_url(answer->arena, request->name),
									   answer_url(answer->arena, row->location)));
	add_range(answer, 1, 0, written_rows(request, &count));
	add_applied(answer, plan, request->prefer, side, APPLY_RESOLUTION | APPLY_MISSING | APPLY_RETURN);
	if (plan->wants_body)
		add_body(answer, plan, row, side);
}

static void
fill_put(Answer *answer, const Plan *plan, const ApiRequest *request, const ResultRow *row, const AnswerSide *side)
{
	answer->status = 204;
	add_applied(answer, plan, request->prefer, side, APPLY_RETURN);
	if (plan->wants_body)
	{
		answer->status = number_of(row->inserted, 0) > 0 ? 201 : 200;
		add_body(answer, plan, row, side);
	}
}

static void
fill_change(Answer *answer, const Plan *plan, const ApiRequest *request, const ResultRow *row, const AnswerSide *side)
{
	int64_t count = number_of(row->count, 0);
	bool is_update = plan->method == METHOD_PATCH;

	answer->status = plan->wants_body ? 200 : 204;
	if (is_update)
		add_range(answer, 0, count - 1, written_rows(request, &count));
	else
		add_range(answer, 1, 0, written_rows(request, &count));
	add_applied(answer, plan, request->prefer, side,
				(is_update ? APPLY_MISSING : 0) | APPLY_RETURN | APPLY_MAX_AFFECTED);
	if (plan->wants_body)
		add_body(answer, plan, row, side);
}

/* What the database set takes the place of what stands there. */
static bool
override(Answer *answer, const ResultRow *row, Problem *problem)
{
	Header headers[RESPOND_HEADERS_MAX];
	int count;
	int status = answer->status;

	if (!respond_read_status(row->status, &status, problem) ||
		!respond_read_headers(answer->arena, row->headers, headers, &count, problem))
		return false;
	answer->status = status;
	for (int i = 0; i < count; i++)
		answer_remove(answer, headers[i].name);
	for (int i = 0; i < count; i++)
		(void) answer_add(answer, headers[i].name, headers[i].value);
	return true;
}

static bool
fill(Answer *answer, const Plan *plan, const ApiRequest *request, const ResultRow *row, const AnswerSide *side,
	 Problem *problem)
{
	if (plan->is_explain)
		add_body(answer, plan, row, side);
	else if (plan->target == TARGET_ROUTINE)
		return fill_routine(answer, plan, request, row, side, problem);
	else if (plan->is_put)
		fill_put(answer, plan, request, row, side);
	else if (plan->method == METHOD_POST)
		fill_insert(answer, plan, request, row, side);
	else if (plan->method == METHOD_PATCH || plan->method == METHOD_DELETE)
		fill_change(answer, plan, request, row, side);
	else
		return fill_read(answer, plan, request, row, side, problem);
	return true;
}

Answer *
respond_row(Arena *arena, const Plan *plan, const ApiRequest *request, const ResultRow *row, const AnswerSide *side)
{
	Answer *answer = answer_new(arena, 200);
	Problem problem;

	if (!fill(answer, plan, request, row, side, &problem) || !override(answer, row, &problem))
	{
		Answer *refusal = error_from_problem(arena, &problem, side);

		/* RFC 9110, 15.5.17: 416 says how many there are */
		if (problem.status == 416)
			add_range(refusal, 1, 0, &(int64_t){number_of(row->total, 0)});
		return refusal;
	}
	if (answer->status == 204 || answer->status == 205 || answer->status == 304)
	{
		answer->body = NULL;
		answer->body_length = 0;
	}
	answer_finish(answer, side);
	return answer;
}

Answer *
respond_document(Arena *arena, const char *content_type, const char *body, size_t length, const AnswerSide *side)
{
	Answer *answer = answer_new(arena, 200);

	(void) answer_add(answer, "Content-Type", content_type);
	if (side->profile != NULL)
		(void) answer_add(answer, "Content-Profile", answer_url(arena, side->profile));
	answer->body = body;
	answer->body_length = length;
	answer_finish(answer, side);
	return answer;
}

Answer *
respond_options(Arena *arena, const char *allow, const AnswerSide *side)
{
	Answer *answer = answer_new(arena, 200);

	(void) answer_add(answer, "Allow", allow);
	answer_finish(answer, side);
	return answer;
}
