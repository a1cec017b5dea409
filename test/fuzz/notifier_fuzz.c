/*
 * notifier_fuzz.c
 *		The notifier's configuration, and its messages of alerts of any text.
 *
 * A configuration is read or complained of, never both; what is read keeps its
 * bounds.  A mail has its headers and no others, in lines as they must be; a log
 * has no control characters.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "notifier/alert_config.h"
#include "notifier/message.h"

static const char *
lookup(void *argument, const char *name)
{
	return name[0] == 'N' ? NULL : argument;
}

static void
check_config(const char *text, size_t length, char *value)
{
	FILE *complaints = fopen("/dev/null", "w");
	Config *config;

	MUST(complaints != NULL);
	config = alert_config_read(text, length, lookup, value, complaints);
	MUST((config == NULL) == (ftell(complaints) > 0));
	if (config != NULL)
	{
		MUST(config->count >= 1 && config->count <= CONFIG_CHANNELS_MAX);
		for (size_t i = 0; i < config->count; i++)
		{
			const Channel *channel = &config->channels[i];

			MUST(channel->timeout >= 1 && channel->first_delay <= channel->last_delay);
			MUST(!alert_config_is_on(channel) || channel->kind != CHANNEL_WEBHOOK ||
				 strncmp(channel->url, "http", 4) == 0);
		}
		alert_config_print(config, complaints);
	}
	alert_config_free(config);
	fclose(complaints);
}

static void
check_mail(const char *mail, size_t length)
{
	size_t headers = 0;
	const char *body = strstr(mail, "\r\n\r\n");

	MUST(strlen(mail) == length && body != NULL);
	for (const char *line = mail; *line != '\0'; line = strstr(line, "\r\n") + 2)
	{
		const char *end = strstr(line, "\r\n");

		MUST(end != NULL && end - line <= 200);
		for (const char *at = line; at < end; at++)
			MUST((unsigned char) *at >= ' ' && (unsigned char) *at < 0x7f);
		headers += line < body && *line != ' ';
	}
	MUST(headers == 9);
}

static void
check_messages(const char *text)
{
	static char *to[] = {"d@e.f"};
	const Channel channel = {.from = "a@b.c", .to = {to, 1}};
	const Alert alert = {.key = "k",
						 .alert_id = "1",
						 .rule_name = text,
						 .raised_at = text,
						 .severity = text,
						 .subject = text,
						 .count = "1",
						 .event_ids = text,
						 .incident_id = text,
						 .details = text};
	char signature[MESSAGE_SIGNATURE_SIZE];
	size_t length;
	char *made = message_mail(&alert, &channel, 0, &length);

	check_mail(made, length);
	free(made);
	made = message_json(&alert, "c", &length);
	MUST(strlen(made) == length && memchr(made, '\n', length) == NULL);
	(void) message_sign(text, "i", "1", made, length, signature);
	free(made);
	made = message_syslog(&alert, 13, text, 1, &length);
	MUST(strlen(made) == length && length < 5000);
	for (size_t i = 0; i < length; i++)
		MUST((unsigned char) made[i] >= ' ' && made[i] != 0x7f);
	free(made);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = fuzz_copy(data, size);
	char *text = fuzz_memory(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	check_config(exact, size, text);
	check_messages(text);
	free(exact);
	free(text);
	return 0;
}
