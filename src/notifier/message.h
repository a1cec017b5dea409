/*
 * message.h
 *		An alert as each kind of channel is told of it.  Whatever an alert holds, a
 *		message has the form it should: subjects are names that strangers typed.
 */
#ifndef NOTIFIER_MESSAGE_H
#define NOTIFIER_MESSAGE_H

#include "notifier/alert_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct Alert
{
	const char *key; /* by which the receiver knows it again */
	const char *alert_id;
	const char *rule_name;
	const char *raised_at; /* RFC 3339 in UTC */
	const char *severity;
	const char *subject; /* NULL when it is about nobody */
	const char *count;
	const char *event_ids;   /* a JSON array */
	const char *incident_id; /* NULL when it belongs to none */
	const char *details;     /* a JSON object */
	int attempt;
	bool is_test;
} Alert;

/*
 * The character of UTF-8 that text begins with (U+FFFD where there is none), how many bytes it has (0 then), and whether it
 * is shown as it is: controls are not, and what makes a reader see letters in another order or not at all.
 */
extern size_t message_character(const char *text, size_t length, uint32_t *character, bool *is_shown);

/* Each gives a text that the caller frees, and its length. */
extern char *message_json(const Alert *alert, const char *channel, size_t *length);
extern char *message_mail(const Alert *alert, const Channel *channel, time_t now, size_t *length);
extern char *message_syslog(const Alert *alert, int facility, const char *host, long pid, size_t *length);

#define MESSAGE_SIGNATURE_SIZE 48

/*
 * The header webhook-signature of https://www.standardwebhooks.com: HMAC-SHA256
 * over "id.timestamp.body".  A secret that begins with "whsec_" is base64, any
 * other its own bytes.  False when it cannot be made.
 */
extern bool message_sign(const char *secret, const char *id, const char *timestamp, const char *body, size_t length,
						 char signature[MESSAGE_SIGNATURE_SIZE]);

#endif /* NOTIFIER_MESSAGE_H */
