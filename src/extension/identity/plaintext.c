/*
 * plaintext.c
 *		Sessions that come over the network without TLS are turned away.
 *
 * The server asks when it knows that a client is who he says, and has no
 * database yet; so what decides is what the whole cluster knows: the catalogs of
 * roles, and the roles that the extension made in them.  Who did not prove
 * himself gets the server's own answer, so that nobody learns here which roles
 * there are.  By then a password that pg_hba.conf wants in the clear has
 * travelled: hostssl lines are the first door, and this one is behind them.
 */
#include "postgres.h"

/* the layout is the same with and without GSSAPI, whose headers are not at hand */
#undef ENABLE_GSS
#include "libpq/libpq-be.h"

#include "libpq/auth.h"

#include "identity/private.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include <netinet/in.h>

/* Whoever is a member of one can become it, so he counts as one. */
static const char *const own_roles[] = {"twin_admin",     "twin_auditor", "twin_operator", "twin_viewer",
										"twin_anonymous", "twin_gateway", "twin_notifier"};

static ClientAuthentication_hook_type previous_hook = NULL;

/* Whether the other end is on another machine, as far as its address tells. */
static bool
is_over_network(const SockAddr *end)
{
	const struct in6_addr *six = &((const struct sockaddr_in6 *) &end->addr)->sin6_addr;
	uint32 four;

	if (end->addr.ss_family == AF_INET6)
	{
		if (!IN6_IS_ADDR_V4MAPPED(six))
			return !IN6_IS_ADDR_LOOPBACK(six);
		return six->s6_addr[12] != IN_LOOPBACKNET;
	}
	if (end->addr.ss_family != AF_INET)
		return false;
	four = ntohl(((const struct sockaddr_in *) &end->addr)->sin_addr.s_addr);
	return four >> 24 != IN_LOOPBACKNET;
}

/* Whether somebody who reads along in a role's sessions, or changes them, is past what the extension protects. */
static bool
is_protected(Oid role)
{
	if (superuser_arg(role) || has_rolreplication(role) || has_bypassrls_privilege(role))
		return true;
	for (int i = 0; i < (int) lengthof(own_roles); i++)
	{
		Oid own = get_role_oid(own_roles[i], true);

		if (OidIsValid(own) && is_member_of_role_nosuper(role, own))
			return true;
	}
	return false;
}

static void
refuse_plaintext(Port *port, int status)
{
	if (previous_hook)
		previous_hook(port, status);
	if (status != STATUS_OK || setting_require_tls == REQUIRE_TLS_OFF || port->ssl_in_use ||
		!is_over_network(&port->raddr))
		return;
	if (setting_require_tls == REQUIRE_TLS_PROTECTED)
	{
		Oid role = get_role_oid(port->user_name, true);

		/* who does not exist is refused by the server */
		if (!OidIsValid(role) || !is_protected(role))
			return;
	}
	ereport(FATAL, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					errmsg("sessions of role \"%s\" over the network must be encrypted with TLS", port->user_name),
					errhint("Connect with sslmode=verify-full.")));
}

void
plaintext_init(void)
{
	if (!base_is_preloaded())
		return;
	previous_hook = ClientAuthentication_hook;
	ClientAuthentication_hook = refuse_plaintext;
}
