/*
 * shmem.c
 *		The shared memory areas as a table, and whether there is any.
 *
 * Parts register their areas from _PG_init in the postmaster; the hooks below
 * ask for the space and lay it out.  Without preloading nothing is registered
 * and every area's address stays NULL.
 */
#include "base/base.h"
#include "base/settings.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#define AREAS_MAX 16

static const SharedArea *areas[AREAS_MAX];
static int area_count = 0;
static bool preloaded = false;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

bool
base_is_preloaded(void)
{
	return preloaded;
}

void
base_require_preload(const char *what)
{
	if (preloaded)
		return;
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("%s needs twin_security to be preloaded", what),
					errhint("Add twin_security to shared_preload_libraries and restart the server.")));
}

void
base_register_area(const SharedArea *area)
{
	if (!preloaded)
		return;
	if (area_count == AREAS_MAX)
		elog(ERROR, "twin_security: too many shared memory areas");
	areas[area_count++] = area;
}

static void
request_areas(void)
{
	if (previous_request_hook)
		previous_request_hook();
	for (int i = 0; i < area_count; i++)
		RequestAddinShmemSpace(MAXALIGN(areas[i]->size));
}

static void
lay_out_areas(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < area_count; i++)
	{
		bool found;

		*areas[i]->address = ShmemInitStruct(areas[i]->name, areas[i]->size, &found);
		if (!found)
			areas[i]->initialise(*areas[i]->address);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
base_init(void)
{
	settings_init();
	preloaded = process_shared_preload_libraries_in_progress;
	if (!preloaded)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_areas;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = lay_out_areas;
}
