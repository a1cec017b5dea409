/*
 * worker.c
 *		What all background workers of the extension have in common: they use shared
 *		memory and a database, and begin when recovery has ended.
 */
#include "base/base.h"

#include "postmaster/bgworker.h"
#include "utils/guc.h"

BackgroundWorker
base_worker(const char *function, const char *name, int restart_seconds)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = restart_seconds;
	strlcpy(worker.bgw_library_name, "twin_security", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	strlcpy(worker.bgw_type, name, BGW_MAXLEN);
	return worker;
}

bool
base_is_worker(void)
{
	return MyBgworkerEntry != NULL &&
		   strcmp(MyBgworkerEntry->bgw_library_name, "twin_security") == 0; /* public: a library's name */
}

void
base_override_setting(const char *name, const char *value)
{
	if (compat_find_setting_if_any(name) != NULL)
		SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}
