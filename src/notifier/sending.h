/*
 * sending.h
 *		Private to send*.c: one delivery in libcurl's hands.
 */
#ifndef NOTIFIER_SENDING_H
#define NOTIFIER_SENDING_H

#include "notifier/sender.h"

#define ANSWER_MAX 65536 /* bytes of headers and body that a receiver may answer */

typedef struct Sending
{
	struct Sending *next;
	Delivery *delivery;
	CURL *easy;
	struct curl_slist *list; /* headers, or recipients */
	char *text;              /* what is sent */
	size_t length;
	size_t sent;
	size_t answered;
} Sending;

/* Each prepares the handle; false when it cannot be, the delivery says why. */
extern bool send_mail(Sending *sending);
extern bool send_post(Sending *sending);
extern bool send_log_stream(Sending *sending);

/* Tells a log by datagram, at once. */
extern void send_log_datagram(Delivery *delivery);

/* What became of it, from libcurl's result. */
extern void send_mail_done(Sending *sending, CURLcode result);
extern void send_post_done(Sending *sending, CURLcode result);
extern void send_log_done(Sending *sending, CURLcode result);

#endif /* NOTIFIER_SENDING_H */
