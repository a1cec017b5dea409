/*
 * alert_config_key.c
 *		The keys of a channel, what they must say together, and how they are shown.
 */
#include "notifier/alert_config_key.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define SMTP (1u << CHANNEL_SMTP)
#define WEBHOOK (1u << CHANNEL_WEBHOOK)
#define SYSLOG (1u << CHANNEL_SYSLOG)
#define ALL (SMTP | WEBHOOK | SYSLOG)

#define MAIL_ADDRESS_MAX 254 /* RFC 5321, 4.5.3.1.3 */
#define UNIX_PATH_MAX 107    /* sun_path of Linux */

const char *const alert_config_kinds[] = {"smtp", "webhook", "syslog", NULL};
const char *const alert_config_severities[] = {"info", "low", "medium", "high", "critical", NULL};
static const char *const tls_words[] = {"starttls", "implicit", "off", NULL};
static const char *const transports[] = {"udp", "tcp", "tls", "unix", NULL};

/* By their numbers in RFC 5424. */
const char *const alert_config_facilities[] = {"kern",   "user",   "mail",   "daemon",   "auth",   "syslog", "lpr",
											   "news",   "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "audit",
											   "alert",  "clock",  "local0", "local1",   "local2", "local3", "local4",
											   "local5", "local6", "local7", NULL};

#define AT(name) offsetof(Channel, name)

const Key alert_config_keys[] = {
	{"enabled", ALL, KEY_FLAG, AT(is_enabled), 0, NULL, 0, 0, 0},
	{"min_severity", ALL, KEY_WORD, AT(min_severity), 0, alert_config_severities, 0, 0, 0},
	{"rules", ALL, KEY_TEXTS, AT(rules), 0, NULL, 0, 0, 0},
	{"timeout", ALL, KEY_NUMBER, AT(timeout), 0, NULL, 1, 120, 15},
	{"max_attempts", ALL, KEY_NUMBER, AT(max_attempts), 0, NULL, 1, 100, 10},
	{"first_delay", ALL, KEY_NUMBER, AT(first_delay), 0, NULL, 1, 3600, 5},
	{"last_delay", ALL, KEY_NUMBER, AT(last_delay), 0, NULL, 1, 86400, 3600},
	{"max_age", ALL, KEY_NUMBER, AT(max_age), 0, NULL, 60, 2678400, 86400},
	{"ca_file", ALL, KEY_TEXT, AT(ca_file), 0, NULL, 0, 0, 0},
	{"host", SMTP | SYSLOG, KEY_TEXT, AT(host), 0, NULL, 0, 0, 0},
	{"port", SMTP | SYSLOG, KEY_NUMBER, AT(port), 0, NULL, 1, 65535, 0},
	{"tls", SMTP, KEY_WORD, AT(tls), 0, tls_words, 0, 0, SMTP_STARTTLS},
	{"from", SMTP, KEY_TEXT, AT(from), KEY_REQUIRED, NULL, 0, 0, 0},
	{"to", SMTP, KEY_TEXTS, AT(to), KEY_REQUIRED, NULL, 0, 0, 0},
	{"username", SMTP, KEY_TEXT, AT(username), 0, NULL, 0, 0, 0},
	{"password", SMTP, KEY_TEXT, AT(password), KEY_SECRET, NULL, 0, 0, 0},
	{"url", WEBHOOK, KEY_TEXT, AT(url), KEY_REQUIRED, NULL, 0, 0, 0},
	{"secret", WEBHOOK, KEY_TEXT, AT(secret), KEY_SECRET, NULL, 0, 0, 0},
	{"headers", WEBHOOK, KEY_HEADERS, AT(headers), KEY_SECRET, NULL, 0, 0, 0},
	{"transport", SYSLOG, KEY_WORD, AT(transport), KEY_REQUIRED, transports, 0, 0, 0},
	{"path", SYSLOG, KEY_TEXT, AT(path), 0, NULL, 0, 0, 0},
	{"facility", SYSLOG, KEY_WORD, AT(facility), 0, alert_config_facilities, 0, 0, 13},
};
const size_t alert_config_key_count = sizeof(alert_config_keys) / sizeof(alert_config_keys[0]);

int
alert_config_port(const Channel *channel)
{
	if (channel->port != 0)
		return channel->port;
	if (channel->kind == CHANNEL_SMTP)
		return channel->tls == SMTP_IMPLICIT ? 465 : 587;
	return channel->transport == SYSLOG_TLS ? 6514 : 514;
}

bool
alert_config_is_on(const Channel *channel)
{
	return channel->is_enabled && channel->absent == NULL;
}

/* ---- what they must say together ---- */

static bool
is_numeric(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* A name or a numeric address; it becomes part of a URL. */
static bool
is_host(const char *host)
{
	return is_numeric(host) ||
		   (strlen(host) <= 253 && host[0] != '-' && host[0] != '.' &&
			strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") == strlen(host));
}

/* The machine itself: what goes there crosses no network. */
static bool
is_loopback(const char *host, size_t length)
{
	return (length == 9 && strncmp(host, "localhost", 9) == 0) || (length == 3 && strncmp(host, "::1", 3) == 0) ||
		   (length > 4 && length < 16 && strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= length);
}

/* local@domain as headers hold it without quotes (RFC 5322, 3.4.1: dot-atom). */
static bool
is_mail_address(const char *address)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+-/=?^_`{|}~";
	size_t local = strspn(address, letters);

	return local > 0 && local <= 64 && address[local] == '@' && strlen(address) <= MAIL_ADDRESS_MAX &&
		   is_host(address + local + 1);
}

static void
check_smtp(Reading *reading, const Channel *channel)
{
	if (channel->host == NULL || !is_host(channel->host))
		alert_config_complain(reading, channel->name, "host",
							  channel->host == NULL ? "is missing" : "must be a name or a numeric address");
	else if (channel->password != NULL && channel->tls == SMTP_PLAIN &&
			 !is_loopback(channel->host, strlen(channel->host)))
		alert_config_complain(reading, channel->name, "tls", "a password crosses no network without TLS");
	if ((channel->username == NULL) != (channel->password == NULL))
		alert_config_complain(reading, channel->name, "username", "username and password need each other");
	if (!is_mail_address(channel->from))
		alert_config_complain(reading, channel->name, "from", "must be an address as alerts@example.org");
	for (size_t i = 0; i < channel->to.count; i++)
		if (!is_mail_address(channel->to.texts[i]))
			alert_config_complain(reading, channel->name, "to", "number %zu is no address", i + 1);
}

/* https://host[:port]/path, or http; a name and password in it would be taken for a host by people. */
static bool
is_url(const char *url)
{
	const char *host = strncmp(url, "https://", 8) == 0 ? url + 8 : strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
	size_t length;

	if (host == NULL)
		return false;
	for (const char *at = url; *at != '\0'; at++)
		if (*at <= ' ' || *at >= 0x7f || strchr("\"<>\\^`{|}#", *at) != NULL)
			return false;
	length = strcspn(host, "/?");
	return length > 0 && host[0] != ':' && memchr(host, '@', length) == NULL;
}

static void
check_header(Reading *reading, const Channel *channel, const char *line)
{
	static const char *const ours[] = {
		"content-", "host:",   "transfer-encoding:", "connection:", "expect:", "user-agent:", "idempotency-key:",
		"webhook-", "upgrade:"};
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
	size_t length = strspn(line, letters);

	if (length == 0 || line[length] != ':')
		alert_config_complain(reading, channel->name, "headers", "one has a name that no header can have");
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strncasecmp(line, ours[i], strlen(ours[i])) == 0)
			alert_config_complain(reading, channel->name, "headers", "%s is not for the configuration to say",
								  ours[i]);
}

static void
check_webhook(Reading *reading, const Channel *channel)
{
	if (!is_url(channel->url))
		alert_config_complain(reading, channel->name, "url",
							  "must be https:// or http://, without user, password, fragment and blanks");
	else if (channel->headers.count > 0 && strncmp(channel->url, "http://", 7) == 0 &&
			 !is_loopback(channel->url + 7, strcspn(channel->url + 7, ":/?")))
		alert_config_complain(reading, channel->name, "headers", "they cross no network without TLS");
	for (size_t i = 0; i < channel->headers.count; i++)
		check_header(reading, channel, channel->headers.texts[i]);
}

static void
check_syslog(Reading *reading, const Channel *channel)
{
	if (channel->transport == SYSLOG_UNIX)
	{
		if (channel->path == NULL || channel->path[0] != '/' || strlen(channel->path) > UNIX_PATH_MAX)
			alert_config_complain(reading, channel->name, "path", "must be that of a socket, of at most %d bytes",
								  UNIX_PATH_MAX);
	}
	else if (channel->host == NULL || !is_host(channel->host))
		alert_config_complain(reading, channel->name, "host",
							  channel->host == NULL ? "is missing" : "must be a name or a numeric address");
	/* asking for a name would keep the other channels waiting */
	else if (channel->transport == SYSLOG_UDP && !is_numeric(channel->host))
		alert_config_complain(reading, channel->name, "host", "must be a numeric address for udp");
}

void
alert_config_check(Reading *reading, const Channel *channel)
{
	static void (*const checks[])(Reading *, const Channel *) = {check_smtp, check_webhook, check_syslog};

	if (channel->last_delay < channel->first_delay)
		alert_config_complain(reading, channel->name, "last_delay", "must not be below first_delay");
	for (size_t i = 0; i < channel->rules.count; i++)
		if (strlen(channel->rules.texts[i]) > 63)
			alert_config_complain(reading, channel->name, "rules", "a rule's name has at most 63 bytes");
	checks[channel->kind](reading, channel);
}

/* ---- showing ---- */

static void
print_key(const Channel *channel, const Key *key, FILE *to)
{
	const char *at = (const char *) channel + key->offset;
	const char *text;

	switch (key->type)
	{
		case KEY_TEXT:
			text = *(char *const *) at;
			/* any text may have come from a variable, and then nobody but the administrator knows whether it is secret */
			if (text != NULL)
				fprintf(to, " %s=set", key->name);
			break;
		case KEY_NUMBER:
			fprintf(to, " %s=%d", key->name, *(const int *) at);
			break;
		case KEY_WORD:
			fprintf(to, " %s=%s", key->name, key->words[*(const int *) at]);
			break;
		case KEY_FLAG:
			break;
		case KEY_TEXTS:
		case KEY_HEADERS:
			if (((const TextList *) at)->count > 0)
				fprintf(to, " %s=%zu", key->name, ((const TextList *) at)->count);
			break;
	}
}

void
alert_config_print(const Config *config, FILE *to)
{
	fprintf(to, "notifier %s, poll_interval %d\n", config->notifier, config->poll_interval);
	for (size_t i = 0; i < config->count; i++)
	{
		const Channel *channel = &config->channels[i];

		fprintf(to, "%s: %s, ", channel->name, alert_config_kinds[channel->kind]);
		if (channel->absent != NULL)
			fprintf(to, "off (the variable %s is absent or empty)", channel->absent);
		else
			fputs(channel->is_enabled ? "on" : "off (enabled is false)", to);
		fputc(',', to);
		for (size_t k = 0; k < alert_config_key_count; k++)
			if ((alert_config_keys[k].kinds & (1u << channel->kind)) != 0)
				print_key(channel, &alert_config_keys[k], to);
		fputc('\n', to);
	}
}
