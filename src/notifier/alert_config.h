/*
 * alert_config.h
 *		What alert_config.json says: whom to tell of alerts, and how.
 *
 * A text "env_NAME" anywhere stands for the variable of that name.  A channel
 * that needs a variable which is not there, or empty, is off and says so; the
 * others are not concerned.  Anything else that is wrong is complained of by
 * its place in the file, never by its value, and nothing of the file counts.
 */
#ifndef NOTIFIER_ALERT_CONFIG_H
#define NOTIFIER_ALERT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CONFIG_SIZE_MAX 65536
#define CONFIG_CHANNELS_MAX 32
#define CONFIG_TEXT_MAX 4096
#define CONFIG_TEXTS_MAX 50

typedef enum ChannelKind
{
	CHANNEL_SMTP,
	CHANNEL_WEBHOOK,
	CHANNEL_SYSLOG
} ChannelKind;

typedef enum SmtpTls
{
	SMTP_STARTTLS,
	SMTP_IMPLICIT,
	SMTP_PLAIN
} SmtpTls;

typedef enum SyslogTransport
{
	SYSLOG_UDP,
	SYSLOG_TCP,
	SYSLOG_TLS,
	SYSLOG_UNIX
} SyslogTransport;

typedef struct TextList
{
	char **texts;
	size_t count;
} TextList;

typedef struct Channel
{
	char *name;
	int kind;     /* ChannelKind */
	char *absent; /* the variable for want of which it is off; NULL: it is on */
	bool is_enabled;

	/* what it is told, and how patiently; seconds */
	int min_severity; /* of alert_config_severities */
	TextList rules;   /* none: all */
	int timeout;
	int max_attempts;
	int first_delay;
	int last_delay;
	int max_age;

	char *host;
	int port;      /* 0: alert_config_port() knows */
	char *ca_file; /* NULL: the system's */

	int tls; /* SmtpTls */
	char *from;
	TextList to;
	char *username;
	char *password;

	char *url;
	char *secret;     /* signs what is posted; NULL: nothing does */
	TextList headers; /* "Name: value" */

	int transport; /* SyslogTransport */
	char *path;    /* of the unix socket */
	int facility;  /* of alert_config_facilities */
} Channel;

typedef struct Config
{
	char *notifier;    /* whose channels these are: two programs with one name share the work */
	int poll_interval; /* seconds */
	Channel *channels;
	size_t count;
	bool holds_secret; /* the file says a secret itself, so not everybody may read it */
	int users;         /* who counts how long it is needed */
} Config;

extern const char *const alert_config_kinds[];
extern const char *const alert_config_severities[];
extern const char *const alert_config_facilities[];

/* The value of a variable, NULL when it is absent or empty; it stays where it is. */
typedef const char *(*ConfigLookup)(void *argument, const char *name);

/* Reads a file's text; NULL after complaints, each a line. */
extern Config *alert_config_read(const char *text, size_t length, ConfigLookup lookup, void *argument,
								 FILE *complaints);

/* Wipes what it holds. */
extern void alert_config_free(Config *config);

/* Prints what is in force, a line for each channel; secrets are not told. */
extern void alert_config_print(const Config *config, FILE *to);

/* The port, said or usual: 587 and 465 of mail, 514 and 6514 of logs. */
extern int alert_config_port(const Channel *channel);

/* Whether a channel takes part: it is enabled, and nothing is absent. */
extern bool alert_config_is_on(const Channel *channel);

#endif /* NOTIFIER_ALERT_CONFIG_H */
