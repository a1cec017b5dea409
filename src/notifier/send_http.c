/*
 * send_http.c
 *		Webhooks and mail, as libcurl sends them.
 */
#include "notifier/sending.h"

#include <stdlib.h>
#include <string.h>

static void
add(Sending *sending, const char *line)
{
	struct curl_slist *longer = curl_slist_append(sending->list, line);

	if (longer == NULL)
		abort(); /* out of memory */
	sending->list = longer;
}

static void
add_pair(Sending *sending, const char *name, const char *value)
{
	char line[256];

	(void) snprintf(line, sizeof(line), "%s: %s", name, value);
	add(sending, line);
}

/* ---- webhooks ---- */

/* Counts what is answered, of which nothing is wanted; too much ends it. */
static size_t
take_answer(char *data, size_t size, size_t count, void *argument)
{
	Sending *sending = argument;

	sending->answered += size * count;
	return sending->answered <= ANSWER_MAX ? size * count : 0;
}

static bool
sign(Sending *sending)
{
	const Channel *channel = sending->delivery->channel;
	const char *key = sending->delivery->alert.key;
	char timestamp[24];
	char signature[MESSAGE_SIGNATURE_SIZE];

	(void) snprintf(timestamp, sizeof(timestamp), "%lld", (long long) time(NULL));
	if (!message_sign(channel->secret, key, timestamp, sending->text, sending->length, signature))
		return false;
	add_pair(sending, "webhook-id", key);
	add_pair(sending, "webhook-timestamp", timestamp);
	add_pair(sending, "webhook-signature", signature);
	return true;
}

bool
send_post(Sending *sending)
{
	Delivery *delivery = sending->delivery;
	const Channel *channel = delivery->channel;
	CURL *easy = sending->easy;

	sending->text = message_json(&delivery->alert, channel->name, &sending->length);
	add(sending, "Content-Type: application/json");
	add(sending, "Expect:");
	add_pair(sending, "Idempotency-Key", delivery->alert.key);
	for (size_t i = 0; i < channel->headers.count; i++)
		add(sending, channel->headers.texts[i]);
	if (channel->secret != NULL && !sign(sending))
	{
		delivery_end(delivery, VERDICT_RETRY, "the message cannot be signed");
		return false;
	}
	(void) curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void) curl_easy_setopt(easy, CURLOPT_URL, channel->url);
	(void) curl_easy_setopt(easy, CURLOPT_POST, 1L);
	(void) curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) sending->length);
	(void) curl_easy_setopt(easy, CURLOPT_POSTFIELDS, sending->text);
	(void) curl_easy_setopt(easy, CURLOPT_HTTPHEADER, sending->list);
	(void) curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void) curl_easy_setopt(easy, CURLOPT_USERAGENT, "twin_notifier/" TWIN_VERSION);
	(void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	(void) curl_easy_setopt(easy, CURLOPT_WRITEDATA, sending);
	(void) curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_answer);
	(void) curl_easy_setopt(easy, CURLOPT_HEADERDATA, sending);
	return true;
}

void
send_post_done(Sending *sending, CURLcode result)
{
	Delivery *delivery = sending->delivery;
	curl_off_t asked_for = 0;
	long status = 0;

	(void) curl_easy_getinfo(sending->easy, CURLINFO_RESPONSE_CODE, &status);
	(void) curl_easy_getinfo(sending->easy, CURLINFO_RETRY_AFTER, &asked_for);
	delivery->asked_for = asked_for > 0 ? asked_for : 0;
	/* a status is an answer, however badly what follows it ends */
	if (status < 200)
		delivery_end(delivery, VERDICT_RETRY, "%s", curl_easy_strerror(result));
	else
		delivery_end(delivery, policy_http(status), "status %ld%s", status,
					 status >= 300 && status <= 399 ? " (redirects are not followed)" : "");
}

/* ---- mail ---- */

static size_t
give_mail(char *room, size_t size, size_t count, void *argument)
{
	Sending *sending = argument;
	size_t left = sending->length - sending->sent;
	size_t some = size * count < left ? size * count : left;

	memcpy(room, sending->text + sending->sent, some);
	sending->sent += some;
	return some;
}

bool
send_mail(Sending *sending)
{
	Delivery *delivery = sending->delivery;
	const Channel *channel = delivery->channel;
	CURL *easy = sending->easy;
	const char *scheme = channel->tls == SMTP_IMPLICIT ? "smtps" : "smtp";
	const char *form = strchr(channel->host, ':') == NULL ? "%s://%s:%d" : "%s://[%s]:%d";
	char url[300];

	sending->text = message_mail(&delivery->alert, channel, time(NULL), &sending->length);
	(void) snprintf(url, sizeof(url), form, scheme, channel->host, alert_config_port(channel));
	for (size_t i = 0; i < channel->to.count; i++)
		add(sending, channel->to.texts[i]);
	(void) curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	(void) curl_easy_setopt(easy, CURLOPT_URL, url);
	(void) curl_easy_setopt(easy, CURLOPT_USE_SSL,
							(long) (channel->tls == SMTP_PLAIN ? CURLUSESSL_NONE : CURLUSESSL_ALL));
	if (channel->username != NULL)
	{
		(void) curl_easy_setopt(easy, CURLOPT_USERNAME, channel->username);
		(void) curl_easy_setopt(easy, CURLOPT_PASSWORD, channel->password);
	}
	(void) curl_easy_setopt(easy, CURLOPT_MAIL_FROM, channel->from);
	(void) curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, sending->list);
	/* whoever can be told is told, though somebody's mailbox is full */
	(void) curl_easy_setopt(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
	(void) curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	(void) curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_mail);
	(void) curl_easy_setopt(easy, CURLOPT_READDATA, sending);
	(void) curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) -1);
	(void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	(void) curl_easy_setopt(easy, CURLOPT_WRITEDATA, sending);
	return true;
}

void
send_mail_done(Sending *sending, CURLcode result)
{
	Delivery *delivery = sending->delivery;
	long reply = 0;

	(void) curl_easy_getinfo(sending->easy, CURLINFO_RESPONSE_CODE, &reply);
	if (result == CURLE_OK)
		delivery_end(delivery, VERDICT_DELIVERED, "delivered");
	else if (reply >= 400 && reply <= 599)
		delivery_end(delivery, policy_smtp(reply), "reply %ld: %s", reply, curl_easy_strerror(result));
	else
		delivery_end(delivery, VERDICT_RETRY, "%s", curl_easy_strerror(result));
}
