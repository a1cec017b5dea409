/*
 * resolve_call.c
 *		Which routine of a name a call means: by the names of its arguments, else the one with a single unnamed parameter.
 */
#include "gateway/plan/tree.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_SIMILAR_NAME 0.75
#define LEAST_SIMILAR_ARGUMENTS 0.34

typedef struct Given
{
	const char **names; /* each once */
	int count;
	bool differ; /* between the objects of an array: it can only be one argument as a whole */
} Given;

static bool
has_name(const Given *given, const char *name)
{
	for (int i = 0; i < given->count; i++)
	{
		if (strcmp(given->names[i], name) == 0)
			return true;
	}
	return false;
}

/* The names of a call's arguments: parameters of a GET, keys of a body or columns=. */
static void
read_given(Job *job, Given *given)
{
	const Query *query = job->request->query;
	const Body *body = job->request->body;
	int count = 0;

	if (job->request->method != METHOD_POST)
	{
		for (const Parameter *argument = query->arguments; argument != NULL; argument = argument->next)
			count++;
		given->names = arena_alloc(job->arena, ((size_t) count + 1) * sizeof(char *));
		for (const Parameter *argument = query->arguments; argument != NULL; argument = argument->next)
		{
			if (!has_name(given, argument->name))
				given->names[given->count++] = argument->name;
		}
		return;
	}
	if (query->column_count >= 0)
		*given = (Given){.names = query->columns, .count = query->column_count};
	else if (body != NULL && body->keys_differ)
		given->differ = true;
	else if (body != NULL && (body->kind == BODY_OBJECT || body->kind == BODY_ARRAY))
		*given = (Given){.names = body->keys, .count = body->key_count};
}

/* Media whose body can only be one unnamed argument. */
static bool
is_whole(Media media)
{
	return media == MEDIA_TEXT || media == MEDIA_XML || media == MEDIA_OCTETS;
}

static Media
body_media(const Job *job)
{
	return job->request->method == METHOD_POST && job->request->body != NULL ? job->request->body->type.media
																			 : MEDIA_ANY;
}

/* Whether every given name is a parameter, and every required one is given. */
static bool
takes_names(const Job *job, const Routine *routine, const Given *given)
{
	int required = 0;
	int known = 0;

	if (routine->argument_count == 0)
		return given->count == 0 && !is_whole(body_media(job));
	for (int i = 0; i < routine->argument_count; i++)
	{
		bool is_given = has_name(given, routine->arguments[i].name);

		if (routine->arguments[i].name[0] == '\0')
			return false;

		known += is_given;
		required += is_given && routine->arguments[i].is_required;
	}
	return known == given->count && required == routine->required_count;
}

static bool
takes_body(const Job *job, const Routine *routine)
{
	const char *type;

	if (job->request->method != METHOD_POST || routine->argument_count != 1 || routine->arguments[0].name[0] != '\0')
		return false;
	type = routine->arguments[0].type;
	switch (body_media(job))
	{
		case MEDIA_JSON:
		case MEDIA_ANY:
			return strcmp(type, "json") == 0 || strcmp(type, "jsonb") == 0;
		case MEDIA_TEXT:
			return strcmp(type, "text") == 0;
		case MEDIA_XML:
			return strcmp(type, "xml") == 0;
		case MEDIA_OCTETS:
			return strcmp(type, "bytea") == 0;
		default:
			return false;
	}
}

static const char *
join_names(Arena *arena, const char **names, int count)
{
	Text text;

	text_begin(&text, arena);
	for (int i = 0; i < count; i++)
		text_format(&text, "%s%s", i > 0 ? ", " : "", names[i]);
	return text.data;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static const char *
sorted_names(Arena *arena, const char **names, int count)
{
	const char **sorted = arena_alloc(arena, ((size_t) count + 1) * sizeof(char *));

	if (count > 0)
		memcpy(sorted, names, (size_t) count * sizeof(char *));
	qsort(sorted, (size_t) count, sizeof(char *), compare_names);
	return join_names(arena, sorted, count);
}

typedef struct Named
{
	const Job *job;
	const Routine *first; /* of one name; NULL for all names of the schema */
	int count;
} Named;

static const char *
next_routine(const void *list, int index)
{
	const Named *named = list;
	const Schema *schema = named->job->schema;

	if (index >= schema->routine_count)
		return NULL;
	return strcmp(schema->routines[index].schema, named->job->request->schema) == 0 ? schema->routines[index].name
																					: "";
}

static const char *
next_arguments(const void *list, int index)
{
	const Named *named = list;
	const Routine *routine = named->first + index;
	const char **names;

	if (index >= named->count)
		return NULL;
	names = arena_alloc(named->job->arena, ((size_t) routine->argument_count + 1) * sizeof(char *));
	for (int i = 0; i < routine->argument_count; i++)
		names[i] = routine->arguments[i].name;
	return sorted_names(named->job->arena, names, routine->argument_count);
}

static bool
no_routine(Job *job, const Given *given, const Routine *first, int count)
{
	Arena *arena = job->arena;
	const char *schema = job->request->schema;
	const char *name = job->request->name;
	const char *names = join_names(arena, given->names, given->count);
	bool is_post = job->request->method == METHOD_POST;
	Media media = body_media(job);
	bool whole = is_post && is_whole(media);
	Named named = {.job = job, .first = first, .count = count};
	const char *with;
	const char *after = "";
	const char *hint = NULL;

	if (whole)
		with = arena_format(arena, " with a single unnamed %s parameter",
							media == MEDIA_TEXT  ? "text"
							: media == MEDIA_XML ? "xml"
												 : "bytea");
	else
	{
		with = given->count > 0 ? arena_format(arena, " with parameter%s %s", given->count > 1 ? "s" : "", names)
								: " without parameters";
		if (is_post && media == MEDIA_JSON)
			after = " or with a single unnamed json/jsonb parameter";
		if (count == 0)
			hint = similar_name(name, LEAST_SIMILAR_NAME, next_routine, &named);
		else
		{
			hint = similar_name(sorted_names(arena, given->names, given->count), LEAST_SIMILAR_ARGUMENTS,
								next_arguments, &named);
			hint = hint != NULL ? arena_format(arena, "%s(%s)", name, hint) : NULL;
		}
	}
	return problem_set(
		job->problem, 404, "PGRST202",
		arena_format(arena, "Could not find the function %s.%s%s in the schema cache", schema, name,
					 whole              ? ""
					 : given->count > 0 ? arena_format(arena, "(%s)", names)
										: " without parameters"),
		arena_format(arena, "Searched for the function %s.%s%s%s, but no matches were found in the schema cache.",
					 schema, name, with, after),
		hint != NULL ? arena_format(arena, "Perhaps you meant to call the function %s.%s", schema, hint) : NULL);
}

static bool
ambiguous(Job *job, const Routine **found, int count)
{
	Text text;

	text_begin(&text, job->arena);
	text_put(&text, "Could not choose the best candidate function between: ");
	for (int i = 0; i < count; i++)
	{
		text_format(&text, "%s%s.%s(", i > 0 ? ", " : "", found[i]->schema, found[i]->name);
		for (int j = 0; j < found[i]->argument_count; j++)
			text_format(&text, "%s%s => %s", j > 0 ? ", " : "", found[i]->arguments[j].name,
						found[i]->arguments[j].type);
		text_char(&text, ')');
	}
	return problem_set(
		job->problem, 300, "PGRST203", text.data, NULL,
		"Try renaming the parameters or the function itself in the database so function overloading can be resolved");
}

static bool
choose(Job *job, const Given *given)
{
	const Routine *first = NULL;
	int count = 0;
	const Routine **found;
	int found_count = 0;

	model_routines(job->schema, job->request->schema, job->request->name, &first, &count);
	found = arena_alloc(job->arena, ((size_t) count + 1) * sizeof(*found));
	for (int i = 0; i < count; i++)
	{
		if (!given->differ && takes_names(job, &first[i], given))
			found[found_count++] = &first[i];
	}
	job->call = CALL_JSON;
	if (found_count == 0)
	{
		for (int i = 0; i < count; i++)
		{
			if (takes_body(job, &first[i]))
				found[found_count++] = &first[i];
		}
		job->call = CALL_BODY;
	}
	if (found_count == 0 && given->differ && count > 0)
		return problem_set(job->problem, 400, "PGRST102", "All object keys must match", NULL, NULL);
	if (found_count == 0)
		return no_routine(job, given, first, count);
	if (found_count > 1)
		return ambiguous(job, found, found_count);
	job->routine = found[0];
	return true;
}

/* Arguments that came as texts: parameters of a GET, fields of a form; NULL when they are a JSON object's. */
static const Parameter *
texts_given(const Job *job)
{
	if (job->request->method != METHOD_POST)
		return job->request->query->arguments;
	return job->request->body != NULL ? job->request->body->fields : NULL;
}

/* An array literal of a variadic parameter's values. */
static const char *
variadic_value(Job *job, const char *name)
{
	Text text;
	bool first = true;

	text_begin(&text, job->arena);
	text_char(&text, '{');
	for (const Parameter *given = texts_given(job); given != NULL; given = given->next)
	{
		if (strcmp(given->name, name) != 0)
			continue;
		text_put(&text, first ? "\"" : ",\"");
		first = false;
		for (const char *at = given->value; *at != '\0'; at++)
		{
			if (*at == '"' || *at == '\\')
				text_char(&text, '\\');
			text_char(&text, *at);
		}
		text_char(&text, '"');
	}
	text_char(&text, '}');
	return text.data;
}

static const char *
last_value(Job *job, const char *name)
{
	const char *value = NULL;

	for (const Parameter *given = texts_given(job); given != NULL; given = given->next)
	{
		if (strcmp(given->name, name) == 0)
			value = given->value;
	}
	return value;
}

/* The arguments that are given, in the routine's order. */
static void
give_arguments(Job *job, const Given *given)
{
	const Routine *routine = job->routine;
	size_t size = (size_t) routine->argument_count + 1;

	if (job->call == CALL_BODY)
		return;
	job->call = job->request->method == METHOD_POST && texts_given(job) == NULL ? CALL_JSON : CALL_DIRECT;
	job->arguments = arena_alloc(job->arena, size * sizeof(*job->arguments));
	job->values = arena_alloc(job->arena, size * sizeof(*job->values));
	for (int i = 0; i < routine->argument_count; i++)
	{
		const Argument *argument = &routine->arguments[i];

		if (!has_name(given, argument->name))
			continue;
		job->arguments[job->argument_count] = argument;
		if (job->call == CALL_DIRECT)
			job->values[job->argument_count] =
				argument->is_variadic ? variadic_value(job, argument->name) : last_value(job, argument->name);
		job->argument_count++;
	}
	if (job->argument_count == 0)
		job->call = CALL_EMPTY;
}

bool
tree_is_scalar(const Routine *routine)
{
	return !routine->returns_row;
}

bool
resolve_call(Job *job)
{
	const ApiRequest *request = job->request;
	Plan *plan = job->plan;
	Given given = {0};

	if (request->method == METHOD_PATCH || request->method == METHOD_PUT || request->method == METHOD_DELETE)
	{
		static const char *const names[] = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"};

		return problem_set(job->problem, 405, "PGRST101",
						   arena_format(job->arena, "Cannot use the %s method on RPC", names[request->method]), NULL,
						   NULL);
	}
	read_given(job, &given);
	if (!choose(job, &given))
		return false;
	give_arguments(job, &given);
	plan->read_only = request->method != METHOD_POST || job->routine->volatility != 'v';
	plan->isolation = job->routine->isolation;
	plan->settings = (const char **) job->routine->settings;
	plan->wants_body = request->method != METHOD_HEAD;
	plan->shape = job->routine->returns_void                                   ? SHAPE_VOID
				  : tree_is_scalar(job->routine) && !job->routine->returns_set ? SHAPE_SCALAR
																			   : SHAPE_ROWS;
	if (request->prefer->handling == HANDLING_STRICT && request->prefer->has_max_affected)
	{
		if (!job->routine->returns_set)
			return problem_set(
				job->problem, 400, "PGRST128",
				"Function must return SETOF or TABLE when max-affected preference is used with handling=strict", NULL,
				NULL);
		plan->has_max_affected = true;
		plan->max_affected = request->prefer->max_affected;
	}
	return true;
}
