/*
 * pool.c
 *		Who gets a connection, who waits, and what happens when there is none.
 *
 * Connections are made when somebody waits, up to the size of the pool.  When
 * none can be made, requests are refused at once rather than left waiting, and
 * the next request that comes a second later tries again: a database that is
 * back is found by whoever asks first.
 *
 * Whose turn it is when a connection is free, turns.c says.
 */
#include "gateway/db/private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SWEEP_INTERVAL 5000 /* milliseconds */
#define RETRY_REST 1000     /* milliseconds between tries that requests cause */

struct Pool
{
	Loop *loop;
	PoolOptions options;
	Listener *listener;
	Link *links;
	int count; /* of links */
	Turns *turns;
	bool is_down;
	int64_t tried_at; /* the last connection that failed */
	int tries;
	Timer *retry;
	Timer *sweep;
	uint64_t timeouts;
};

static const LinkEvents events;

/* ---- the line ---- */

/* It waits no longer. */
static void
stop_timer(Job *job)
{
	if (job->timer != NULL)
		timer_cancel(job->timer);
	job->timer = NULL;
}

static void
run(Pool *pool, Link *link, Job *job)
{
	stop_timer(job);
	turns_begin(pool->turns, &job->turn);
	link_run(link, job);
}

static void
finish(Job *job, const PoolAnswer *answer)
{
	if (!job->is_forgotten)
		job->request.callback(job->request.argument, answer);
	free(job);
}

/* Ends a job that never ran. */
static void
refuse(Pool *pool, Job *job, PoolOutcome outcome, const char *why)
{
	PoolAnswer answer = {.outcome = outcome, .failed = -1, .why = why};

	stop_timer(job);
	turns_leave(pool->turns, &job->turn);
	finish(job, &answer);
}

static void
time_out(void *argument)
{
	Job *job = argument;

	job->timer = NULL;
	job->pool->timeouts++;
	refuse(job->pool, job, POOL_TIMEOUT, NULL);
}

static void
refuse_all(Pool *pool, const char *why)
{
	Turn *turn;

	while ((turn = turns_first(pool->turns)) != NULL)
		refuse(pool, (Job *) turn, POOL_DOWN, why);
}

/* ---- links ---- */

static void
add_link(Pool *pool)
{
	Link *link = link_open(pool->loop, &pool->options, &events, pool);

	link->next = pool->links;
	pool->links = link;
	pool->count++;
}

static void
drop_link(Pool *pool, Link *link)
{
	Link **at = &pool->links;

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	pool->count--;
	link_close(link);
}

static int
count_links(const Pool *pool, LinkState state)
{
	int count = 0;

	for (const Link *link = pool->links; link != NULL; link = link->next)
		count += link->state == state;
	return count;
}

static bool
is_old(const Pool *pool, const Link *link)
{
	return pool->options.max_lifetime > 0 && loop_now(pool->loop) - link->made_at > pool->options.max_lifetime;
}

/* Makes as many connections as are waited for. */
static void
make_links(Pool *pool)
{
	int making = count_links(pool, LINK_MAKING);

	while (making < turns_wanted(pool->turns) && pool->count < pool->options.size)
	{
		add_link(pool);
		making++;
	}
}

static Link *
find_idle(const Pool *pool)
{
	Link *link = pool->links;

	while (link != NULL && link->state != LINK_IDLE)
		link = link->next;
	return link;
}

/* Gives what connections are idle to those whose turn it is: one that ends may let more than one begin. */
static void
dispatch(Pool *pool)
{
	Link *link;
	Turn *turn;

	while ((link = find_idle(pool)) != NULL && (turn = turns_next(pool->turns)) != NULL)
		run(pool, link, (Job *) turn);
}

static void
link_idle(void *owner, Link *link)
{
	Pool *pool = owner;

	pool->is_down = false;
	pool->tries = 0;
	if (is_old(pool, link))
	{
		drop_link(pool, link);
		make_links(pool);
	}
	dispatch(pool);
}

static void
link_ended(void *owner, Link *link, Job *job, const PoolAnswer *answer)
{
	turns_end(((Pool *) owner)->turns, &job->turn);
	finish(job, answer);
}

static void
try_again(void *argument)
{
	Pool *pool = argument;

	pool->retry = NULL;
	if (pool->is_down && count_links(pool, LINK_MAKING) == 0)
		add_link(pool);
}

static void
link_lost(void *owner, Link *link, const char *why)
{
	Pool *pool = owner;
	bool was_made = link->idle_since != 0;

	if (!was_made)
	{
		pool->tried_at = loop_now(pool->loop);
		if (count_links(pool, LINK_IDLE) + count_links(pool, LINK_BUSY) == 0)
			pool->is_down = true;
	}
	if (pool->is_down)
	{
		refuse_all(pool, why);
		if (pool->retry == NULL)
			pool->retry = loop_after(pool->loop, db_rest(pool->tries++), try_again, pool);
	}
	drop_link(pool, link);
	if (!pool->is_down && was_made)
		make_links(pool);
}

static const LinkEvents events = {link_idle, link_ended, link_lost};

/* Connections that nobody has used for long, or that are old, go. */
static void
sweep(void *argument)
{
	Pool *pool = argument;
	Link *next;

	for (Link *link = pool->links; link != NULL; link = next)
	{
		next = link->next;
		if (link->state == LINK_IDLE &&
			(is_old(pool, link) || (pool->options.max_idletime > 0 &&
									loop_now(pool->loop) - link->idle_since > pool->options.max_idletime)))
			drop_link(pool, link);
	}
	pool->sweep = loop_after(pool->loop, SWEEP_INTERVAL, sweep, pool);
}

/* ---- what others call ---- */

/* A job is refused from the loop: whoever made it has not got hold of it yet. */
static void
refuse_down(void *argument)
{
	Job *job = argument;

	job->timer = NULL;
	refuse(job->pool, job, POOL_DOWN, "the database cannot be reached");
}

Job *
pool_run(Pool *pool, const PoolRequest *request)
{
	Job *job = db_alloc(sizeof(Job));

	*job = (Job){.turn = {.client = request->client, .is_slow = request->is_slow}, .pool = pool, .request = *request};
	turns_wait(pool->turns, &job->turn);
	dispatch(pool);
	if (job->link != NULL)
		return job;
	if (pool->is_down && (count_links(pool, LINK_MAKING) > 0 || loop_now(pool->loop) - pool->tried_at < RETRY_REST))
	{
		job->timer = loop_after(pool->loop, 0, refuse_down, job);
		return job;
	}
	job->timer = loop_after(pool->loop, pool->options.acquisition_timeout, time_out, job);
	make_links(pool);
	return job;
}

void
pool_cancel(Job *job)
{
	job->is_forgotten = true;
	if (job->link == NULL)
	{
		stop_timer(job);
		turns_leave(job->pool->turns, &job->turn);
		free(job);
	}
	else
		link_abandon(job->link);
}

PoolCounts
pool_counts(const Pool *pool)
{
	int64_t rest = pool->tried_at + RETRY_REST - loop_now(pool->loop);

	return (PoolCounts){.size = pool->options.size,
						.open = pool->count - count_links(pool, LINK_MAKING),
						.busy = count_links(pool, LINK_BUSY),
						.waiting = turns_waiting(pool->turns),
						.timeouts = pool->timeouts,
						.is_down = pool->is_down,
						.retry_after = rest > 0 ? (int) ((rest + 999) / 1000) : 1};
}

/* A string of the options lives as long as the pool: the configuration it came from may be replaced. */
static const char *
copy_of(const char *string)
{
	char *copy = string != NULL ? strdup(string) : NULL;

	if (string != NULL && copy == NULL)
		abort(); /* out of memory */
	return copy;
}

Pool *
pool_open(Loop *loop, const PoolOptions *options)
{
	Pool *pool = db_alloc(sizeof(Pool));
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t) sizeof(seed))
		abort(); /* the kernel has no random bytes */
	pool->turns = turns_new(options->size, options->per_client, seed);
	pool->loop = loop;
	pool->options = *options;
	pool->options.uri = copy_of(options->uri);
	pool->options.channel = copy_of(options->channel);
	pool->sweep = loop_after(loop, SWEEP_INTERVAL, sweep, pool);
	if (options->channel != NULL)
		pool->listener = listener_open(loop, &pool->options);
	return pool;
}

void
pool_close(Pool *pool)
{
	if (pool->listener != NULL)
		listener_close(pool->listener);
	timer_cancel(pool->sweep);
	if (pool->retry != NULL)
		timer_cancel(pool->retry);
	refuse_all(pool, "the gateway stops");
	while (pool->links != NULL)
	{
		Link *link = pool->links;
		Job *job = link->job;

		if (job != NULL)
		{
			PoolAnswer answer = {.outcome = POOL_LOST, .failed = -1, .why = "the gateway stops"};

			link->job = NULL;
			turns_end(pool->turns, &job->turn);
			finish(job, &answer);
		}
		drop_link(pool, link);
	}
	turns_free(pool->turns);
	free((char *) (uintptr_t) pool->options.uri);
	free((char *) (uintptr_t) pool->options.channel);
	free(pool);
}
