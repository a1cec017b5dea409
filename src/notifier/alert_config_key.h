/*
 * alert_config_key.h
 *		Private to alert_config*.c: the keys that a channel may have, as rows of a table,
 *		and the state of reading.
 */
#ifndef NOTIFIER_ALERT_CONFIG_KEY_H
#define NOTIFIER_ALERT_CONFIG_KEY_H

#include "notifier/alert_config.h"

#include <jansson.h>

typedef enum KeyType
{
	KEY_TEXT,
	KEY_NUMBER,
	KEY_WORD, /* an int: the place in a list of words */
	KEY_FLAG,
	KEY_TEXTS,
	KEY_HEADERS
} KeyType;

#define KEY_REQUIRED 1
#define KEY_SECRET 2

typedef struct Key
{
	const char *name;
	unsigned kinds; /* bits: 1 << ChannelKind */
	KeyType type;
	size_t offset; /* in Channel */
	unsigned flags;
	const char *const *words;
	int least; /* of a number */
	int most;
	int standard;
} Key;

extern const Key alert_config_keys[];
extern const size_t alert_config_key_count;

typedef struct Reading
{
	ConfigLookup lookup;
	void *argument;
	FILE *complaints;
	int complained;
	bool holds_secret;
} Reading;

#define CONFIG_COMPLAINTS_MAX 20 /* more are not printed */

/* Memory, zeroed; a text of one's own.  Without memory the program ends. */
extern void *alert_config_take(size_t size);
extern char *alert_config_copy(const char *text);

/* Where a channel has what a key says. */
extern void *alert_config_field(const Channel *channel, const Key *key);

/* Complains of a place: channel and key may be NULL. */
extern void alert_config_complain(Reading *reading, const char *channel, const char *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Reads a value into the channel, or complains. */
extern void alert_config_read_key(Reading *reading, Channel *channel, const Key *key, json_t *value);

/* What a channel's settings must say together. */
extern void alert_config_check(Reading *reading, const Channel *channel);

#endif /* NOTIFIER_ALERT_CONFIG_KEY_H */
