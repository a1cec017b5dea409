/*
 * send_log.c
 *		Logs: datagrams (RFC 5426, and the socket of a local daemon), or a stream
 *		with counted octets (RFC 6587, and RFC 5425 over TLS), for which libcurl
 *		makes the connection.
 *
 * No log answers: delivered means that the system took it.
 */
#include "notifier/sending.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HOST_SIZE 256

static char *
make_line(const Delivery *delivery, size_t *length)
{
	char host[HOST_SIZE];

	if (gethostname(host, sizeof(host)) != 0)
		host[0] = '\0';
	host[sizeof(host) - 1] = '\0';
	return message_syslog(&delivery->alert, delivery->channel->facility, host, (long) getpid(), length);
}

/* ---- datagrams ---- */

typedef union Address
{
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
	struct sockaddr_un local;
} Address;

static socklen_t
address_of(const Channel *channel, Address *address)
{
	in_port_t port = htons((uint16_t) alert_config_port(channel));

	*address = (Address){0};
	if (channel->transport == SYSLOG_UNIX)
	{
		address->local.sun_family = AF_UNIX;
		/* its length was looked at with the configuration */
		(void) snprintf(address->local.sun_path, sizeof(address->local.sun_path), "%s", channel->path);
		return sizeof(address->local);
	}
	if (inet_pton(AF_INET, channel->host, &address->four.sin_addr) == 1)
	{
		address->four.sin_family = AF_INET;
		address->four.sin_port = port;
		return sizeof(address->four);
	}
	(void) inet_pton(AF_INET6, channel->host, &address->six.sin6_addr);
	address->six.sin6_family = AF_INET6;
	address->six.sin6_port = port;
	return sizeof(address->six);
}

void
send_log_datagram(Delivery *delivery)
{
	Address address;
	socklen_t address_length = address_of(delivery->channel, &address);
	size_t length;
	char *line = make_line(delivery, &length);
	int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* connected, so that a port nobody listens at can be told of */
	if (fd < 0 || connect(fd, &address.any, address_length) != 0 || send(fd, line, length, MSG_NOSIGNAL) < 0)
		delivery_end(delivery, VERDICT_RETRY, "%s", strerror(errno));
	else
		delivery_end(delivery, VERDICT_DELIVERED, "delivered");
	if (fd >= 0)
		(void) close(fd);
	free(line);
}

/* ---- streams ---- */

bool
send_log_stream(Sending *sending)
{
	Delivery *delivery = sending->delivery;
	const Channel *channel = delivery->channel;
	const char *scheme = channel->transport == SYSLOG_TLS ? "https" : "http";
	const char *form = strchr(channel->host, ':') == NULL ? "%s://%s:%d" : "%s://[%s]:%d";
	char url[300];
	size_t length;
	char *line = make_line(delivery, &length);

	/* "LENGTH LINE" */
	if (asprintf(&sending->text, "%zu %s", length, line) < 0)
		abort(); /* out of memory */
	sending->length = strlen(sending->text);
	free(line);
	(void) snprintf(url, sizeof(url), form, scheme, channel->host, alert_config_port(channel));
	(void) curl_easy_setopt(sending->easy, CURLOPT_PROTOCOLS_STR, scheme);
	(void) curl_easy_setopt(sending->easy, CURLOPT_URL, url);
	/* the connection is ours until the handle goes */
	(void) curl_easy_setopt(sending->easy, CURLOPT_CONNECT_ONLY, 1L);
	(void) curl_easy_setopt(sending->easy, CURLOPT_FORBID_REUSE, 0L);
	(void) curl_easy_setopt(sending->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	return true;
}

void
send_log_done(Sending *sending, CURLcode result)
{
	size_t sent = 0;

	if (result == CURLE_OK)
		result = curl_easy_send(sending->easy, sending->text, sending->length, &sent);
	/* a new connection takes that much at once */
	if (result == CURLE_OK && sent == sending->length)
		delivery_end(sending->delivery, VERDICT_DELIVERED, "delivered");
	else
		delivery_end(sending->delivery, VERDICT_RETRY, "%s",
					 result == CURLE_OK ? "the connection took a part only" : curl_easy_strerror(result));
}
