/*
 * config_write.c
 *		What is in force, what can be said, and a file that documents it: all
 *		from the one table.
 */
#include "gateway/config/setting.h"

#include <ctype.h>
#include <string.h>

void
config_write(const Config *config, FILE *to)
{
	for (int i = 0; setting_at(i) != NULL; i++)
	{
		fprintf(to, "%s = ", setting_at(i)->name);
		setting_write(setting_at(i), config, to);
		fputc('\n', to);
	}
	/* applications keep secrets of their own in these */
	for (const ConfigPair *pair = config->app_settings; pair != NULL; pair = pair->next)
		fprintf(to, "app.settings.%s = \"***\"\n", pair->name);
}

static void
write_standard(const Setting *setting, FILE *to)
{
	if (setting->kind == SETTING_BOOLEAN || setting->kind == SETTING_NUMBER || setting->kind == SETTING_COUNT ||
		(setting->kind == SETTING_DURATION &&
		 isdigit((unsigned char) setting->standard[strlen(setting->standard) - 1])))
		fputs(setting->standard, to);
	else
		setting_write_text(setting->standard, to);
}

void
config_help(FILE *to)
{
	for (int i = 0; setting_at(i) != NULL; i++)
	{
		const Setting *setting = setting_at(i);

		fprintf(to, "  %s = ", setting->name);
		write_standard(setting, to);
		fprintf(to, "\n      %s\n", setting->description);
	}
}

void
config_example(FILE *to)
{
	fputs("# twin_gateway: what it can be told, with what holds when nothing is said.\n"
		  "#\n"
		  "# Every name is also a variable of the environment, which wins: db-uri is PGRST_DB_URI or\n"
		  "# TWIN_GATEWAY_DB_URI.  Durations are seconds or have a unit (ms, s, min, h, d), sizes are bytes\n"
		  "# or have one (kB, MB, GB).  app.settings.NAME = \"value\" is set in every transaction.\n"
		  "# twin_gateway --check FILE says whether a file can be used.\n",
		  to);
	for (int i = 0; setting_at(i) != NULL; i++)
	{
		const Setting *setting = setting_at(i);

		fprintf(to, "\n# %s\n", setting->description);
		if (setting->words[0] != NULL)
		{
			fputs("# One of:", to);
			for (int word = 0; setting->words[word] != NULL; word++)
				fprintf(to, "%s %s", word > 0 ? "," : "", setting->words[word]);
			fputs(".\n", to);
		}
		if (setting->variable != NULL)
			fprintf(to, "# Also the variable %s of the environment.\n", setting->variable);
		fprintf(to, "# %s = ", setting->name);
		write_standard(setting, to);
		fputc('\n', to);
	}
}
