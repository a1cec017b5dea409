/*
 * config_fuzz.c
 *		Configuration files and values: what was read has names, values without
 *		what they must not hold, and lines in order; whatever a setting takes is
 *		within its range and can be written and read again.
 */
#define FUZZ_LENGTH_MAX 4096
#define _GNU_SOURCE
#include "fuzz.h"

#include "gateway/config/setting.h"

static FILE *nowhere;

static void
try_value(const Setting *setting, const char *value)
{
	Arena *arena = arena_new();
	Config config = {0};
	const char *why = NULL;

	if (!setting_read(arena, setting, value, &config, &why))
		MUST(why != NULL && why[0] != '\0');
	else
	{
		const char *field = (const char *) &config + setting->offset;

		if (setting->kind == SETTING_NUMBER || setting->kind == SETTING_DURATION || setting->kind == SETTING_SIZE ||
			setting->kind == SETTING_MODE)
			MUST(*(const int *) field >= setting->least && *(const int *) field <= setting->most);
		if (setting->kind == SETTING_LIST || setting->kind == SETTING_ORIGINS)
		{
			for (const char *const *item = *(const char *const *const *) field; *item != NULL; item++)
			{
				MUST((*item)[0] != '\0' && strchr(*item, ',') == NULL);
				MUST(setting->kind != SETTING_ORIGINS ||
					 (strchr(*item, '*') == NULL && strncmp(*item, "http", 4) == 0));
			}
		}
		setting_write(setting, &config, nowhere);
	}
	arena_free(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Arena *arena = arena_new();
	char *copy = fuzz_copy(data, size);
	ConfigLine *lines;
	Config config = {0};
	int last = 0;

	if (nowhere == NULL)
		nowhere = fopen("/dev/null", "w");
	(void) config_file_parse(arena, "f", copy, size, &lines, nowhere);
	for (const ConfigLine *line = lines; line != NULL; line = line->next)
	{
		const Setting *setting = setting_find(line->name);

		MUST(line->number > last && line->name[0] != '\0' && strlen(line->name) <= SETTING_NAME_MAX);
		MUST(strlen(line->value) <= size);
		last = line->number;
		(void) setting_nearest(line->name);
		MUST(setting_find_foreign(line->name) == NULL || setting_find(line->name) == NULL);
		if (setting != NULL)
			try_value(setting, line->value);
	}
	free(copy);
	/* every kind meets the bytes as one value */
	copy = arena_copy(arena, (const char *) data, strnlen((const char *) data, size));
	for (int i = 0; setting_at(i) != NULL; i++)
		try_value(setting_at(i), copy);
	config.server_trusted_proxies = config.server_host = config.server_auth_prefix = copy;
	config.openapi_server_proxy_uri = config.server_trace_header = config.db_pre_request = copy;
	(void) config_check(&config, nowhere);
	arena_free(arena);
	return 0;
}
