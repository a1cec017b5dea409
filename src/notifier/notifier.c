/*
 * notifier.c
 *		The turns of the program: hear, settle, claim, send, wait.
 */
#include "notifier/notifier.h"

#include "notifier/alert_config_file.h"
#include "notifier/db.h"
#include "notifier/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Deliveries of a channel on their way; datagrams are gone when they are sent. */
#define AT_ONCE 4
#define AT_ONCE_DATAGRAMS 64

/* Milliseconds. */
#define STOP_TIME 5000      /* that what is on its way has when we stop */
#define UNSETTLED_TURN 1000 /* until what could not be settled is tried again */
#define REGISTER_LEAST 500  /* half of what is waited for after the first refusal */
#define REGISTER_MOST 30000
#define REST 100        /* between two looks that notices cause: anybody may send them */
#define ONCE_TIME 10000 /* that --once has to reach the database */

#define AGENDA_MAX 64

typedef struct Notifier
{
	const char *file;
	Config *config;
	Sender *sender;
	Db *db;
	int signals;
	Delivery *unsettled; /* the database was not there */
	unsigned registered; /* in which connection */
	bool is_known;       /* in any, at least those of before */
	bool is_up;
	int64_t register_at;
	int64_t register_rest; /* the database may say no for long */
	int64_t began_at;
	int64_t looked_at;
	int64_t look_at;            /* when to look for what is due */
	int64_t agenda[AGENDA_MAX]; /* the soonest attempts to come that we know of; 0: none */
	bool has_more;              /* some channel may have more that is due than there was room for */
	int64_t stop_at;            /* 0: it goes on */
	bool once;
	bool failed; /* a delivery was not made, for --once */
} Notifier;

static int64_t
now(void)
{
	struct timespec time;

	(void) clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000) + time.tv_nsec / 1000000;
}

static void
say_to_log(const char *file, const char *line)
{
	log_error("config_complaint", "file", file, "why", line, NULL);
}

static void
tell_channels(const Config *config)
{
	for (size_t i = 0; i < config->count; i++)
	{
		const Channel *channel = &config->channels[i];

		if (channel->absent != NULL)
			log_error("channel_off", "channel", channel->name, "absent", channel->absent, NULL);
		else
			log_note(channel->is_enabled ? "channel_on" : "channel_off", "channel", channel->name, NULL);
	}
}

static void
reload(Notifier *notifier)
{
	Config *fresh = alert_config_load(notifier->file, say_to_log);

	if (fresh == NULL)
	{
		log_error("config_refused", "effect", "the one before stays in force", NULL);
		return;
	}
	alert_config_forget(notifier->config);
	notifier->config = fresh;
	notifier->registered = 0;
	notifier->register_at = 0;
	log_note("config_reloaded", NULL);
	tell_channels(fresh);
}

/* ---- one turn ---- */

static void
hear_signals(Notifier *notifier)
{
	struct signalfd_siginfo signal;

	while (read(notifier->signals, &signal, sizeof(signal)) == (ssize_t) sizeof(signal))
	{
		if (signal.ssi_signo == SIGHUP)
			reload(notifier);
		else if (notifier->stop_at == 0)
		{
			log_note("stopping", NULL);
			notifier->stop_at = now() + STOP_TIME;
		}
	}
}

static void
look_within(Notifier *notifier, int64_t milliseconds)
{
	if (now() + milliseconds < notifier->look_at)
		notifier->look_at = now() + milliseconds;
}

/* Notes that an attempt is to follow; of too many the latest are left to the next look. */
static void
plan(Notifier *notifier, int64_t milliseconds)
{
	int64_t at = now() + milliseconds;
	size_t place = 0;

	look_within(notifier, milliseconds);
	for (size_t i = 0; i < AGENDA_MAX; i++)
	{
		if (notifier->agenda[i] == 0)
		{
			notifier->agenda[i] = at;
			return;
		}
		if (notifier->agenda[i] > notifier->agenda[place])
			place = i;
	}
	if (at < notifier->agenda[place])
		notifier->agenda[place] = at;
}

/* Tells the database, and the log, what became of a delivery; false when the database is not there. */
static bool
settle(Notifier *notifier, Delivery *delivery)
{
	static const char *const events[] = {"delivered", "not_delivered", "given_up", "released"};
	const Channel *channel = delivery->channel;
	uint32_t chance = 0;
	int64_t delay;

	if (getrandom(&chance, sizeof(chance), 0) < 0)
		chance = 0;
	if (delivery->verdict == VERDICT_RETRY && delivery->alert.attempt >= channel->max_attempts)
		delivery->verdict = VERDICT_DEAD;
	delay =
		policy_delay(delivery->alert.attempt, channel->first_delay, channel->last_delay, delivery->asked_for, chance);
	if (!db_settle(notifier->db, delivery, delay))
		return false;
	if (delivery->verdict == VERDICT_RETRY)
		plan(notifier, delay);
	(delivery->verdict == VERDICT_DELIVERED ? log_note : log_error)(
		events[delivery->verdict], "channel", channel->name, "delivery_id", delivery->delivery_id, "why",
		delivery->verdict == VERDICT_DELIVERED ? NULL : delivery->error, NULL);
	notifier->failed = notifier->failed || delivery->verdict != VERDICT_DELIVERED;
	delivery_free(delivery);
	return true;
}

static void
settle_all(Notifier *notifier, bool is_up)
{
	Delivery *delivery;

	while ((delivery = sender_take(notifier->sender)) != NULL)
	{
		delivery->next = notifier->unsettled;
		notifier->unsettled = delivery;
		if (notifier->has_more)
			look_within(notifier, 0);
	}
	while (is_up && (delivery = notifier->unsettled) != NULL)
	{
		Delivery *rest = delivery->next;

		if (!settle(notifier, delivery))
			return;
		notifier->unsettled = rest;
	}
}

/* An attempt beyond the last: whoever made that one did not live to say what became of it. */
static bool
is_worn(const Delivery *delivery)
{
	return delivery->alert.attempt > delivery->channel->max_attempts;
}

static int
room_of(const Notifier *notifier, const Channel *channel)
{
	if (channel->kind == CHANNEL_SYSLOG && (channel->transport == SYSLOG_UDP || channel->transport == SYSLOG_UNIX))
		return AT_ONCE_DATAGRAMS;
	return AT_ONCE - sender_count(notifier->sender, channel->name);
}

static void
claim_from(Notifier *notifier, Channel *channel)
{
	int room = room_of(notifier, channel);
	Delivery *delivery = room > 0 ? db_claim(notifier->db, notifier->config, channel, room) : NULL;

	while (delivery != NULL)
	{
		Delivery *rest = delivery->next;

		room--;
		if (is_worn(delivery))
		{
			delivery_end(delivery, VERDICT_DEAD, "the notifier ended during the last attempt");
			delivery->next = notifier->unsettled;
			notifier->unsettled = delivery;
		}
		else
			sender_start(notifier->sender, delivery);
		delivery = rest;
	}
	notifier->has_more = notifier->has_more || room <= 0;
}

static void
look(Notifier *notifier)
{
	notifier->looked_at = now();
	notifier->look_at = notifier->looked_at + notifier->config->poll_interval * INT64_C(1000);
	for (size_t i = 0; i < AGENDA_MAX; i++)
	{
		if (notifier->agenda[i] <= notifier->looked_at)
			notifier->agenda[i] = 0;
		else
			look_within(notifier, notifier->agenda[i] - notifier->looked_at);
	}
	notifier->has_more = false;
	for (size_t i = 0; i < notifier->config->count && db_step(notifier->db); i++)
		if (alert_config_is_on(&notifier->config->channels[i]))
			claim_from(notifier, &notifier->config->channels[i]);
}

/* Tells the database which channels there are: in each connection, as they may have been removed meanwhile. */
static void
register_channels(Notifier *notifier)
{
	Registration registration = db_register(notifier->db, notifier->config);

	if (registration == REGISTRATION_DONE)
	{
		notifier->registered = db_connections(notifier->db);
		notifier->register_rest = REGISTER_LEAST;
	}
	else if (registration == REGISTRATION_WAITS)
		log_error("channels_wait", "why", "somebody else holds the list of channels", NULL);
	if (registration == REGISTRATION_DONE || (registration == REGISTRATION_WAITS && !notifier->is_known))
	{
		notifier->is_known = true;
		notifier->look_at = 0;
	}
	if (registration == REGISTRATION_DONE)
		return;
	notifier->register_rest =
		notifier->register_rest * 2 > REGISTER_MOST ? REGISTER_MOST : notifier->register_rest * 2;
	notifier->register_at = now() + notifier->register_rest;
}

static bool
is_registered(const Notifier *notifier)
{
	return notifier->registered == db_connections(notifier->db);
}

static void
turn(Notifier *notifier)
{
	bool heard;

	notifier->is_up = db_step(notifier->db);
	heard = db_heard(notifier->db);
	settle_all(notifier, notifier->is_up);
	if (!notifier->is_up || notifier->stop_at != 0)
		return;
	if (!is_registered(notifier) && now() >= notifier->register_at)
		register_channels(notifier);
	/* a change that cannot be made yet keeps nobody from being told who was told before */
	if (!notifier->is_known)
		return;
	if (heard)
		look_within(notifier, notifier->looked_at + REST - now());
	if (now() >= notifier->look_at)
		look(notifier);
}

/* When there is something to do that nobody tells us of. */
static int64_t
next_turn(const Notifier *notifier)
{
	if (notifier->stop_at != 0)
		return notifier->stop_at;
	if (!notifier->is_up)
		return now() + UNSETTLED_TURN;
	if (!notifier->is_known || (!is_registered(notifier) && notifier->register_at < notifier->look_at))
		return notifier->register_at;
	return notifier->look_at;
}

static void
wait_for_more(Notifier *notifier)
{
	struct curl_waitfd watches[2] = {{.fd = notifier->signals, .events = CURL_WAIT_POLLIN}};
	int64_t left = next_turn(notifier) - now();
	int milliseconds = left < 0 ? 0 : left > 3600000 ? 3600000 : (int) left;
	unsigned count = 1;

	if (notifier->unsettled != NULL && milliseconds > UNSETTLED_TURN)
		milliseconds = UNSETTLED_TURN;
	count += db_watch(notifier->db, &watches[1], &milliseconds);
	sender_wait(notifier->sender, watches, count, milliseconds);
}

static bool
is_over(const Notifier *notifier)
{
	bool is_idle = sender_count(notifier->sender, NULL) == 0 && notifier->unsettled == NULL;

	if (notifier->stop_at != 0)
		return is_idle || now() >= notifier->stop_at;
	if (notifier->registered == 0)
		return notifier->once && now() >= notifier->began_at + ONCE_TIME;
	/* it has looked, and nothing came of it */
	return notifier->once && is_idle && notifier->look_at > now();
}

static void
run(Notifier *notifier)
{
	Delivery *delivery;

	for (;;)
	{
		hear_signals(notifier);
		turn(notifier);
		if (is_over(notifier))
			break;
		wait_for_more(notifier);
	}
	/* others may take it at once */
	sender_abandon(notifier->sender);
	settle_all(notifier, db_step(notifier->db));
	while ((delivery = notifier->unsettled) != NULL)
	{
		notifier->unsettled = delivery->next;
		delivery_free(delivery);
	}
}

/* ---- beginning and end ---- */

static bool
open_signals(Notifier *notifier)
{
	sigset_t heard;

	(void) sigemptyset(&heard);
	(void) sigaddset(&heard, SIGHUP);
	(void) sigaddset(&heard, SIGINT);
	(void) sigaddset(&heard, SIGTERM);
	(void) signal(SIGPIPE, SIG_IGN);
	/* before the resolver's threads begin, which inherit it */
	if (sigprocmask(SIG_BLOCK, &heard, NULL) != 0 ||
		(notifier->signals = signalfd(-1, &heard, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
	{
		log_error("cannot_begin", "why", strerror(errno), NULL);
		return false;
	}
	return true;
}

int
notifier_run(const char *file, Config *config, const char *conninfo, bool once)
{
	Notifier notifier = {
		.file = file, .config = config, .began_at = now(), .register_rest = REGISTER_LEAST, .once = once};

	if (!open_signals(&notifier))
	{
		alert_config_forget(config);
		return EXIT_FAILURE;
	}
	tell_channels(config);
	notifier.sender = sender_new();
	notifier.db = db_new(conninfo, notifier.sender);
	run(&notifier);
	db_free(notifier.db);
	sender_free(notifier.sender);
	alert_config_forget(notifier.config);
	(void) close(notifier.signals);
	log_note("stopped", NULL);
	return once && (notifier.failed || notifier.registered == 0) ? EXIT_FAILURE : EXIT_SUCCESS;
}
