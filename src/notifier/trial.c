/*
 * trial.c
 *		A test message for one channel, without a database.
 */
#include "notifier/trial.h"

#include "notifier/sender.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char *
new_key(char key[40])
{
	unsigned char random[16] = {0};

	if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
		abort(); /* a key that repeats would be taken for the same message */
	(void) snprintf(key, 40, "test-");
	for (size_t i = 0; i < sizeof(random); i++)
		(void) snprintf(key + 5 + 2 * i, 3, "%02x", random[i]);
	return key;
}

static Channel *
find_channel(const Config *config, const char *name)
{
	for (size_t i = 0; i < config->count; i++)
		if (strcmp(config->channels[i].name, name) == 0) /* public: names */
			return &config->channels[i];
	return NULL;
}

/* Sends, and waits for what becomes of it. */
static bool
send_and_say(Delivery *delivery)
{
	Sender *sender = sender_new();
	bool good;

	sender_start(sender, delivery);
	while ((delivery = sender_take(sender)) == NULL)
		sender_wait(sender, NULL, 0, 1000);
	good = delivery->verdict == VERDICT_DELIVERED;
	fprintf(good ? stdout : stderr, "%s: %s\n", delivery->channel->name, good ? "delivered" : delivery->error);
	delivery_free(delivery);
	sender_free(sender);
	return good;
}

TrialResult
trial_send(Config *config, const char *name)
{
	Channel *channel = find_channel(config, name);
	Delivery *delivery;
	char key[40];
	char raised_at[40];
	time_t seconds = time(NULL);
	struct tm parts = {0};

	if (channel == NULL)
	{
		(void) fputs("there is no such channel\n", stderr);
		return TRIAL_UNKNOWN;
	}
	if (channel->absent != NULL)
	{
		fprintf(stderr, "%s is off: the variable %s is absent or empty\n", name, channel->absent);
		return TRIAL_FAILED;
	}
	delivery = calloc(1, sizeof(Delivery));
	if (delivery == NULL)
		abort(); /* out of memory */
	(void) gmtime_r(&seconds, &parts);
	(void) strftime(raised_at, sizeof(raised_at), "%Y-%m-%dT%H:%M:%SZ", &parts);
	delivery->config = config;
	config->users++;
	delivery->channel = channel;
	delivery->alert = (Alert){.key = new_key(key),
							  .alert_id = "0",
							  .rule_name = "test",
							  .raised_at = raised_at,
							  .severity = "info",
							  .count = "0",
							  .event_ids = "[]",
							  .details = "{}",
							  .attempt = 1,
							  .is_test = true};
	(void) signal(SIGPIPE, SIG_IGN);
	return send_and_say(delivery) ? TRIAL_DELIVERED : TRIAL_FAILED;
}
