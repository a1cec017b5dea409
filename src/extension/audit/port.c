/*
 * port.c
 *		What is known of the connection of this process before it is in, and how
 *		it proved who it is.
 *
 * The only file that sees the server's own description of a connection.  Its
 * layout is the same with and without GSSAPI, whose headers are not at hand.
 */
#include "postgres.h"

#undef ENABLE_GSS
#include "libpq/libpq-be.h"

#include "libpq/auth.h"
#include "libpq/hba.h"
#include "libpq/libpq.h"

#include "audit/security.h"

#include "common/ip.h"
#include "miscadmin.h"

#include <netdb.h>
#include <sys/socket.h>

static ClientAuthentication_hook_type previous_hook = NULL;
static void (*listener)(void) = NULL;

/* After authentication, whatever its outcome; what was refused is told by its error. */
static void
note_authentication(Port *port, int status)
{
	if (previous_hook)
		previous_hook(port, status);
	if (status == STATUS_OK)
		listener();
}

void
port_init(void (*authenticated)(void))
{
	listener = authenticated;
	previous_hook = ClientAuthentication_hook;
	ClientAuthentication_hook = note_authentication;
}

/* The other end in numbers; NULL where it has no address. */
static const char *
address_of(const Port *port)
{
	static char address[NI_MAXHOST];
	char *zone;

	if (port->raddr.addr.ss_family != AF_INET && port->raddr.addr.ss_family != AF_INET6)
		return NULL;
	if (pg_getnameinfo_all(&port->raddr.addr, port->raddr.salen, address, sizeof(address), NULL, 0, NI_NUMERICHOST) !=
		0)
		return NULL;
	zone = strchr(address, '%'); /* the link of an IPv6 address is no part of it */
	if (zone != NULL)
		*zone = '\0';
	return address;
}

bool
port_info(PortInfo *info)
{
	const Port *port = MyProcPort;

	memset(info, 0, sizeof(*info));
	if (port == NULL)
		return false;
	info->address = address_of(port);
	info->database = port->database_name;
	info->user = port->user_name;
	/* the lines of pg_hba.conf are gone once a session is there */
	info->method = !login_is_done() && port->hba != NULL ? hba_authname(port->hba->auth_method) : NULL;
	info->identity = COMPAT_CLIENT_IDENTITY(port);
	info->is_encrypted = port->ssl_in_use;
	return true;
}
