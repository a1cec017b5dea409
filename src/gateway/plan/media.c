/*
 * media.c
 *		The type of the answer: the first the client accepts that can be made.
 */
#include "gateway/plan/tree.h"

#include <string.h>

static bool
choose_one(Job *job, const MediaChoice *choice)
{
	Plan *plan = job->plan;
	const Routine *routine = job->routine;

	/* a routine that returns a domain named like a media type yields just that, to those who ask for it */
	if (routine != NULL && routine->media != NULL && !routine->returns_set &&
		(strcmp(routine->media, "*/*") == 0 || (choice->name != NULL && strcmp(choice->name, routine->media) == 0)))
	{
		plan->media = choice->media == MEDIA_ANY ? MEDIA_OTHER : choice->media;
		plan->content_type = strcmp(routine->media, "*/*") == 0                           ? "application/octet-stream"
							 : choice->media == MEDIA_OTHER || choice->media == MEDIA_ANY ? routine->media
																						  : media_name(choice->media);
		plan->body_is_hex = routine->returns_bytes;
		job->is_raw = true;
		return true;
	}
	switch (choice->media)
	{
		case MEDIA_ANY:
			plan->media = MEDIA_JSON;
			break;
		case MEDIA_JSON:
		case MEDIA_CSV:
		case MEDIA_ARRAY_STRIP:
		case MEDIA_OBJECT:
		case MEDIA_OBJECT_STRIP:
		case MEDIA_GEOJSON:
			plan->media = choice->media;
			break;
		case MEDIA_PLAN:
			if (!job->limits->plans || choice->plan_of == MEDIA_OTHER)
				return false;
			plan->media = choice->plan_of == MEDIA_ANY ? MEDIA_JSON : choice->plan_of;
			plan->is_explain = true;
			plan->content_type = arena_format(job->arena, "%s; charset=utf-8", choice->name);
			job->explains = choice;
			return true;
		default:
			return false;
	}
	plan->content_type = media_name(plan->media);
	return true;
}

/* 406, with what was asked for. */
bool
refuse_media(Job *job)
{
	Text text;

	text_begin(&text, job->arena);
	text_put(&text, "None of these media types are available: ");
	for (int i = 0; i < job->request->accept_count; i++)
		text_format(&text, "%s%s", i > 0 ? ", " : "",
					job->request->accepts[i].name != NULL ? job->request->accepts[i].name : "*/*");
	return problem_set(job->problem, 406, "PGRST107", text.data, NULL, NULL);
}

bool
choose_media(Job *job)
{
	Plan *plan = job->plan;

	for (int i = 0; i < job->request->accept_count; i++)
	{
		if (choose_one(job, &job->request->accepts[i]))
		{
			plan->is_single =
				(plan->media == MEDIA_OBJECT || plan->media == MEDIA_OBJECT_STRIP) && plan->shape == SHAPE_ROWS;
			return true;
		}
	}
	return refuse_media(job);
}
