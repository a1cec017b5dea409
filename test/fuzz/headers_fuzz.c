/*
 * headers_fuzz.c
 *		Prefer, Accept, Content-Type, Range, Cookie: any text has a reading within
 *		its bounds.
 */
#include "fuzz.h"

#include "gateway/parse/headers.h"

static void
check_prefer(Arena *arena, const char *value, size_t size)
{
	const char *values[2] = {value, arena_copy(arena, value, size / 2)};
	Preferences read;
	Problem problem;
	bool success = prefer_read(arena, values, 2, &read, &problem);

	MUST(read.unknown_count >= 0 && read.unknown_count <= 64);
	MUST(success == (read.handling != HANDLING_STRICT || read.unknown_count == 0));
	if (!success)
		MUST(problem.status == 400 && strcmp(problem.code, "PGRST122") == 0);
	MUST(read.timezone == NULL || read.timezone[0] != '\0');
	for (int i = 0; i < read.unknown_count; i++)
		MUST(read.unknown[i][0] != '\0' && strchr(read.unknown[i], ',') == NULL);
}

static void
check_choice(const MediaChoice *choice)
{
	MUST((unsigned) choice->media <= MEDIA_OTHER && choice->name != NULL);
	MUST(choice->media == MEDIA_PLAN || (!choice->plan_is_json && choice->plan_options == 0));
	MUST(choice->media != MEDIA_PLAN || choice->plan_of != MEDIA_PLAN);
}

static void
check_media(Arena *arena, const char *value)
{
	int count;
	MediaChoice *choices = accept_read(arena, value, &count);
	MediaChoice type = content_type_read(arena, value);

	MUST(count >= 1 && count <= 32);
	for (int i = 0; i < count; i++)
		check_choice(&choices[i]);
	check_choice(&type);
}

static void
check_cookies(Arena *arena, const char *value)
{
	int count = 0;

	for (Cookie *cookie = cookies_read(arena, value); cookie != NULL; cookie = cookie->next)
	{
		count++;
		MUST(cookie->name[0] != '\0' && strpbrk(cookie->name, " =;\t") == NULL);
		MUST(strchr(cookie->value, ';') == NULL && text_is_utf8(cookie->value, strlen(cookie->value)));
	}
	MUST(count <= 100);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Arena *arena = arena_new();
	/* a header's value holds no NUL: it ends there; memory of exactly its size */
	const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
	size_t length = nul != NULL ? (size_t) (nul - data) : size;
	char *value = fuzz_memory(length + 1);
	RowRange range;
	Problem problem;

	memcpy(value, data, length);
	value[length] = '\0';
	check_prefer(arena, value, length);
	check_media(arena, value);
	check_cookies(arena, value);
	if (range_read(value, &range, &problem))
		MUST(!range.given || (range.first >= 0 && (!range.has_last || range.last >= range.first)));
	else
		MUST(problem.status == 416);
	arena_free(arena);
	free(value);
	return 0;
}
