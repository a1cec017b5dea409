/*
 * client.c
 *		The other ends of connections, so that the sessions of one that is blocked
 *		can be ended.
 *
 * The server's own list of them cannot be read where nothing may fail, at the
 * end of a transaction.
 *
 * Locking: one LWLock, held shared while sessions are ended: who stands in the
 * list has not gone yet, so no signal reaches another process.
 */
#include "limit/private.h"

#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "replication/walsender.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include <signal.h>

typedef struct Client
{
	pid_t pid; /* 0: none */
	NetAddress address;
} Client;

typedef struct Clients
{
	LWLockPadded lock;
	int count;
	Client client[FLEXIBLE_ARRAY_MEMBER];
} Clients;

static Clients *clients = NULL;
static Client *own = NULL;

/* As the server counts them, which it does when its libraries are loaded. */
static int
backend_count(void)
{
	return MaxConnections + autovacuum_max_workers + 1 + max_worker_processes + max_wal_senders;
}

static void
initialise(void *memory)
{
	Clients *fresh = memory;
	int tranche = LWLockNewTrancheId();

	LWLockRegisterTranche(tranche, "twin_security_clients");
	LWLockInitialize(&fresh->lock.lock, tranche);
	fresh->count = backend_count();
	memset(fresh->client, 0, fresh->count * sizeof(Client));
}

static SharedArea area = {"twin_security clients", 0, initialise, (void **) &clients};

void
limit_clients_init(void)
{
	area.size = add_size(offsetof(Clients, client), mul_size(sizeof(Client), (Size) backend_count()));
	base_register_area(&area);
}

static void
forget_client(int code, Datum argument)
{
	LWLockAcquire(&clients->lock.lock, LW_EXCLUSIVE);
	own->pid = 0;
	LWLockRelease(&clients->lock.lock);
}

void
limit_note_client(const NetAddress *address)
{
	ptrdiff_t number = MyProc - ProcGlobal->allProcs;

	if (clients == NULL || own != NULL || number < 0 || number >= clients->count)
		return;
	own = &clients->client[number];
	LWLockAcquire(&clients->lock.lock, LW_EXCLUSIVE);
	own->address = *address;
	own->pid = MyProcPid;
	LWLockRelease(&clients->lock.lock);
	on_shmem_exit(forget_client, (Datum) 0);
}

int
limit_end_sessions(const AddressNetwork *network)
{
	int ended = 0;

	if (clients == NULL)
		return 0;
	LWLockAcquire(&clients->lock.lock, LW_SHARED);
	for (int i = 0; i < clients->count; i++)
	{
		const Client *client = &clients->client[i];
		AddressNetwork host;

		if (client->pid == 0 || client->pid == MyProcPid ||
			!address_network_make(&client->address, client->address.family == 4 ? 32 : 128, &host) ||
			!address_network_within(&host, network) || !limit_holds_block(&client->address))
			continue;
			/* as pg_terminate_backend() does: the whole process group, for what the session runs */
#ifdef HAVE_SETSID
		ended += kill(-client->pid, SIGTERM) == 0;
#else
		ended += kill(client->pid, SIGTERM) == 0;
#endif
	}
	LWLockRelease(&clients->lock.lock);
	return ended;
}
