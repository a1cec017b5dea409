/*
 * worker.c
 *		What the launcher and the writers have in common: they mind no setting that
 *		could stop them, whoever made it and where.
 */
#include "event/private.h"

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"

/* What an administrator may have set for the database must not keep events from being written. */
void
worker_override_settings(void)
{
	static const char *const overrides[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"default_tablespace", ""},
		{"default_table_access_method", "heap"},
		{"restrict_nonsystem_relation_kind", ""},
		{"session_replication_role", "origin"},
		{"exit_on_error", "off"},
		{"jit", "off"},
		{"enable_seqscan",
		 "off"}, /* what followers look for they find by index, whatever the planner thinks of new tables */
		{"enable_bitmapscan", "off"},
		{"enable_hashjoin", "off"},
		{"enable_mergejoin", "off"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"transaction_timeout", "0"},
		{"lock_timeout", "500ms"},       /* rather than make DROP EXTENSION wait */
		{"deadlock_timeout", "20ms"},    /* and who finds a deadlock dies in it: we, not DROP EXTENSION */
		{"synchronous_commit", "local"}, /* a standby that is away must not fill the ring */
	};

	for (int i = 0; i < (int) lengthof(overrides); i++)
		base_override_setting(overrides[i][0], overrides[i][1]);
}

void
worker_begin_turn(void)
{
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}
