/*
 * sender.h
 *		Tells channels, any number at a time, and waits for none: one libcurl multi
 *		handle drives them all.
 */
#ifndef NOTIFIER_SENDER_H
#define NOTIFIER_SENDER_H

#include "notifier/delivery.h"

#include <curl/curl.h>

typedef struct Sender Sender;

extern Sender *sender_new(void);

/* What is on its way is dropped; it is not settled. */
extern void sender_free(Sender *sender);

/* Begins to send; the delivery is the sender's until sender_take() gives it back. */
extern void sender_start(Sender *sender, Delivery *delivery);

/* A delivery that has ended; NULL when there is none. */
extern Delivery *sender_take(Sender *sender);

/* How many of a channel are on their way; NULL: of all. */
extern int sender_count(const Sender *sender, const char *channel);

/* Gives up what is on its way: each is released. */
extern void sender_abandon(Sender *sender);

/* Drives what is on its way for so many milliseconds, or until one of these can be read (events: CURL_WAIT_*). */
extern void sender_wait(Sender *sender, struct curl_waitfd *others, unsigned count, int milliseconds);

#endif /* NOTIFIER_SENDER_H */
