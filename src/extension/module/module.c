/*
 * module.c
 *		Where the server enters: starts the parts in the order of PARTS.
 */
#include "account/account.h"
#include "audit/audit.h"
#include "base/base.h"
#include "cipher/cipher.h"
#include "compliance/compliance.h"
#include "event/event.h"
#include "identity/identity.h"
#include "keyring/keyring.h"
#include "ledger/ledger.h"
#include "limit/limit.h"
#include "metrics/metrics.h"
#include "monitor/monitor.h"
#include "password/password.h"
#include "request/request.h"
#include "retention/retention.h"
#include "token/token.h"
#include "topic/topic.h"

COMPAT_MODULE_MAGIC("twin_security", TWIN_VERSION);

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	base_init();
	event_init();
	password_init();
	limit_init();
	keyring_init();
	cipher_init();
	token_init();
	identity_init();
	account_init();
	request_init();
	topic_init();
	ledger_init();
	audit_init();
	monitor_init();
	retention_init();
	compliance_init();
	metrics_init();
}
