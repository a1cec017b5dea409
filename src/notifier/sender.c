/*
 * sender.c
 *		What is on its way, and what has ended.
 */
#include "notifier/sending.h"

#include <stdlib.h>
#include <string.h>

struct Sender
{
	CURLM *multi;
	Sending *on_the_way;
	Delivery *ended;
};

Sender *
sender_new(void)
{
	Sender *sender = calloc(1, sizeof(Sender));

	if (sender == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(sender->multi = curl_multi_init()) == NULL)
		abort(); /* out of memory */
	return sender;
}

static void
end(Sender *sender, Delivery *delivery)
{
	delivery->next = sender->ended;
	sender->ended = delivery;
}

static void
let_go(Sender *sender, Sending *sending)
{
	for (Sending **at = &sender->on_the_way; *at != NULL; at = &(*at)->next)
	{
		if (*at == sending)
		{
			*at = sending->next;
			break;
		}
	}
	(void) curl_multi_remove_handle(sender->multi, sending->easy);
	curl_easy_cleanup(sending->easy);
	curl_slist_free_all(sending->list);
	free(sending->text);
	free(sending);
}

static Sending *
begin(Delivery *delivery)
{
	Sending *sending = calloc(1, sizeof(Sending));
	const Channel *channel = delivery->channel;

	if (sending == NULL || (sending->easy = curl_easy_init()) == NULL)
		abort(); /* out of memory */
	sending->delivery = delivery;
	(void) curl_easy_setopt(sending->easy, CURLOPT_PRIVATE, sending);
	(void) curl_easy_setopt(sending->easy, CURLOPT_TIMEOUT_MS, channel->timeout * 1000L);
	(void) curl_easy_setopt(sending->easy, CURLOPT_CONNECTTIMEOUT_MS, channel->timeout * 1000L);
	(void) curl_easy_setopt(sending->easy, CURLOPT_NOSIGNAL, 1L);
	/* a resolver that hangs does not keep us from ending */
	(void) curl_easy_setopt(sending->easy, CURLOPT_QUICK_EXIT, 1L);
	/* what the environment says of proxies and passwords is not the configuration */
	(void) curl_easy_setopt(sending->easy, CURLOPT_PROXY, "");
	(void) curl_easy_setopt(sending->easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	(void) curl_easy_setopt(sending->easy, CURLOPT_FRESH_CONNECT, 1L);
	(void) curl_easy_setopt(sending->easy, CURLOPT_FORBID_REUSE, 1L);
	(void) curl_easy_setopt(sending->easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	(void) curl_easy_setopt(sending->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	(void) curl_easy_setopt(sending->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (channel->ca_file != NULL)
		(void) curl_easy_setopt(sending->easy, CURLOPT_CAINFO, channel->ca_file);
	return sending;
}

void
sender_start(Sender *sender, Delivery *delivery)
{
	const Channel *channel = delivery->channel;
	bool good;
	Sending *sending;

	if (channel->kind == CHANNEL_SYSLOG && (channel->transport == SYSLOG_UDP || channel->transport == SYSLOG_UNIX))
	{
		send_log_datagram(delivery);
		end(sender, delivery);
		return;
	}
	sending = begin(delivery);
	good = channel->kind == CHANNEL_SMTP      ? send_mail(sending)
		   : channel->kind == CHANNEL_WEBHOOK ? send_post(sending)
											  : send_log_stream(sending);
	sending->next = sender->on_the_way;
	sender->on_the_way = sending;
	if (!good || curl_multi_add_handle(sender->multi, sending->easy) != CURLM_OK)
	{
		if (good)
			delivery_end(delivery, VERDICT_RETRY, "it cannot be begun");
		let_go(sender, sending);
		end(sender, delivery);
	}
}

/* Takes what libcurl is done with. */
static void
collect(Sender *sender)
{
	static void (*const done[])(Sending *, CURLcode) = {send_mail_done, send_post_done, send_log_done};
	const CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(sender->multi, &left)) != NULL)
	{
		CURLcode result = message->data.result;
		Sending *sending;
		Delivery *delivery;

		if (message->msg != CURLMSG_DONE ||
			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &sending) != CURLE_OK)
			continue;
		delivery = sending->delivery;
		done[delivery->channel->kind](sending, result);
		let_go(sender, sending);
		end(sender, delivery);
	}
}

void
sender_wait(Sender *sender, struct curl_waitfd *others, unsigned count, int milliseconds)
{
	int running;

	(void) curl_multi_poll(sender->multi, others, count, milliseconds, NULL);
	(void) curl_multi_perform(sender->multi, &running);
	collect(sender);
}

Delivery *
sender_take(Sender *sender)
{
	Delivery *delivery = sender->ended;

	if (delivery != NULL)
		sender->ended = delivery->next;
	return delivery;
}

int
sender_count(const Sender *sender, const char *channel)
{
	int count = 0;

	for (const Sending *sending = sender->on_the_way; sending != NULL; sending = sending->next)
		count += channel == NULL || strcmp(sending->delivery->channel->name, channel) == 0; /* public: names */
	return count;
}

void
sender_abandon(Sender *sender)
{
	while (sender->on_the_way != NULL)
	{
		Delivery *delivery = sender->on_the_way->delivery;

		delivery_end(delivery, VERDICT_RELEASED, "the notifier was stopped");
		let_go(sender, sender->on_the_way);
		end(sender, delivery);
	}
}

void
sender_free(Sender *sender)
{
	Delivery *delivery;

	sender_abandon(sender);
	while ((delivery = sender_take(sender)) != NULL)
		delivery_free(delivery);
	(void) curl_multi_cleanup(sender->multi);
	curl_global_cleanup();
	free(sender);
}
