/*
 * delivery.h
 *		One delivery on its way: claimed from the database, sent, settled.
 */
#ifndef NOTIFIER_DELIVERY_H
#define NOTIFIER_DELIVERY_H

#include "notifier/message.h"
#include "notifier/policy.h"

typedef struct Delivery
{
	struct Delivery *next;
	Config *config; /* which it keeps */
	Channel *channel;
	Alert alert;
	char *texts; /* what the alert points into */
	const char *delivery_id;
	const char *claim;

	/* what became of it */
	Verdict verdict;
	char error[120];
	int64_t asked_for; /* seconds, by the receiver; 0: nothing */
} Delivery;

/* A delivery's end; text is made of words of ours, never of what a receiver or a variable says. */
extern void delivery_end(Delivery *delivery, Verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

extern void delivery_free(Delivery *delivery);

#endif /* NOTIFIER_DELIVERY_H */
