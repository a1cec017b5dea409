/*
 * alert_config_file.c
 *		Reads the file of the configuration, and says what is wrong with it.
 */
#include "notifier/alert_config_file.h"

#include "notifier/environment.h"

#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file's text, which the caller wipes and frees; NULL after a complaint. */
static char *
read_file(const char *file, size_t *length, bool *is_open, FILE *complaints)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = malloc(CONFIG_SIZE_MAX + 2);
	struct stat about;
	ssize_t some = 1;

	if (text == NULL)
		abort(); /* out of memory */
	*length = 0;
	if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
		some = -1;
	while (some > 0 && *length <= CONFIG_SIZE_MAX)
	{
		some = read(fd, text + *length, CONFIG_SIZE_MAX + 1 - *length);
		*length += some > 0 ? (size_t) some : 0;
	}
	if (some < 0)
	{
		fprintf(complaints, "cannot be read: %s\n", fd >= 0 && errno == 0 ? "not a file" : strerror(errno));
		secret_wipe(text, *length);
		free(text);
		text = NULL;
	}
	else
		*is_open = (about.st_mode & S_IROTH) != 0;
	if (fd >= 0)
		(void) close(fd);
	return text;
}

/* NULL after complaints, each a line that begins with nothing but its place in the file. */
static Config *
load(const char *file, FILE *complaints)
{
	size_t length;
	bool is_open = false;
	char *text = (errno = 0, read_file(file, &length, &is_open, complaints));
	Config *config;

	if (text == NULL)
		return NULL;
	config = alert_config_read(text, length, environment_value, NULL, complaints);
	secret_wipe(text, length);
	free(text);
	if (config != NULL && config->holds_secret && is_open)
	{
		fputs("it holds a secret, and everybody on this machine may read it: take the permission away, or say "
			  "env_NAME\n",
			  complaints);
		alert_config_free(config);
		return NULL;
	}
	if (config != NULL)
		config->users = 1;
	return config;
}

Config *
alert_config_load(const char *file, void (*say)(const char *file, const char *line))
{
	char *text;
	size_t length;
	FILE *complaints = open_memstream(&text, &length);
	Config *config;
	char *rest = NULL;

	if (complaints == NULL)
		abort(); /* out of memory */
	config = load(file, complaints);
	if (fclose(complaints) != 0 || text == NULL)
		abort(); /* out of memory, of which fclose() does not always tell */
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		say(file, line);
	free(text);
	return config;
}

void
alert_config_forget(Config *config)
{
	if (--config->users == 0)
		alert_config_free(config);
}
