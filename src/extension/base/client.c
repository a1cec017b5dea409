/*
 * client.c
 *		Who is at the other end of this process's connection.
 *
 * It is taken from the process's entry in pg_stat_activity, because the header
 * that describes a connection needs those of Kerberos.  Nothing here raises,
 * allocates or reads a catalog, so it may be asked at any time.
 */
#include "base/base.h"

#include "common/ip.h"
#include "miscadmin.h"
#include "utils/backend_status.h"

#include <netdb.h>
#include <sys/socket.h>

/* The other end; NULL while the entry is not filled in, and for processes without a client. */
static const SockAddr *
remote_end(void)
{
	return MyBEEntry != NULL && MyBEEntry->st_procpid == MyProcPid ? &MyBEEntry->st_clientaddr : NULL;
}

const char *
base_client_address(void)
{
	static char address[NI_MAXHOST];
	static bool known = false;
	const SockAddr *remote = remote_end();
	char *zone;

	if (remote == NULL)
		return NULL;
	if (!known)
	{
		if ((remote->addr.ss_family != AF_INET && remote->addr.ss_family != AF_INET6) ||
			pg_getnameinfo_all(&remote->addr, remote->salen, address, sizeof(address), NULL, 0, NI_NUMERICHOST) != 0)
			address[0] = '\0';
		zone = strchr(address, '%'); /* the link of an IPv6 address is no part of it */
		if (zone != NULL)
			*zone = '\0';
		known = true;
	}
	return address[0] == '\0' ? NULL : address;
}

bool
base_client_is_local(void)
{
	const SockAddr *remote = remote_end();

	return remote != NULL && remote->addr.ss_family == AF_UNIX;
}
