/*
 * main.c
 *		twin_notifier: tells people of alerts, by mail, webhook and syslog.
 *
 * It hears of alerts (LISTEN twin_alerts), looks for itself now and then, claims
 * what is due, sends, and settles.  SIGHUP reads the configuration again,
 * SIGTERM and SIGINT stop it.  Its role in the database can do nothing else.
 */
#include "notifier/db.h"
#include "notifier/environment.h"
#include "notifier/log.h"

#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_CONFIG 2
#define AT_ONCE 4      /* deliveries of a channel on their way */
#define STOP_TIME 5000 /* milliseconds that what is on its way has when we stop */
#define UNSETTLED_TURN 1000

typedef struct Notifier
{
	const char *file;
	Config *config;
	Sender *sender;
	Db *db;
	int signals;
	Delivery *unsettled; /* the database was not there */
	unsigned registered; /* in which connection */
	int64_t look_at;     /* when to look for what is due */
	int64_t stop_at;     /* 0: it goes on */
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

static int
print_usage(FILE *to, int code)
{
	(void) fputs("usage: twin_notifier [--dbname=CONNECTION] [--config=FILE] [--once]\n"
				 "       twin_notifier [--config=FILE] --check | --test=CHANNEL\n"
				 "       twin_notifier --help | --version\n"
				 "\n"
				 "Tells people of the alerts of twin_security.\n"
				 "\n"
				 "  --config=FILE        whom to tell, and how (alert_config.json)\n"
				 "  --dbname=CONNECTION  a database, or a connection string without password; the environment\n"
				 "                       (PGHOST, PGPASSFILE, ...) says what it does not\n"
				 "  --once               tells what is due and ends: 1 when something could not be told\n"
				 "  --check              says whether the configuration is good, and which channels are on\n"
				 "  --test=CHANNEL       sends a channel a test, without a database: 1 when it was not taken\n",
				 to);
	return code;
}

/* ---- configuration ---- */

/* The file's text, which the caller wipes and frees; NULL after a complaint. */
static char *
read_file(const char *file, size_t *length, bool *is_open, FILE *complaints)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = malloc(CONFIG_SIZE_MAX + 2);
	struct stat about;
	ssize_t some = 1;

	if (text == NULL)
		abort(); /* out of memory */
	*length = 0;
	if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
		some = -1;
	while (some > 0 && *length <= CONFIG_SIZE_MAX)
	{
		some = read(fd, text + *length, CONFIG_SIZE_MAX + 1 - *length);
		*length += some > 0 ? (size_t) some : 0;
	}
	if (some < 0)
	{
		fprintf(complaints, "cannot be read: %s\n", fd >= 0 && errno == 0 ? "not a file" : strerror(errno));
		secret_wipe(text, *length);
		free(text);
		text = NULL;
	}
	else
		*is_open = (about.st_mode & S_IROTH) != 0;
	if (fd >= 0)
		(void) close(fd);
	return text;
}

/* NULL after complaints, each a line that begins with nothing but its place in the file. */
static Config *
load(const char *file, FILE *complaints)
{
	size_t length;
	bool is_open = false;
	char *text = (errno = 0, read_file(file, &length, &is_open, complaints));
	Config *config;

	if (text == NULL)
		return NULL;
	config = config_read(text, length, environment_value, NULL, complaints);
	secret_wipe(text, length);
	free(text);
	if (config != NULL && config->holds_secret && is_open)
	{
		fputs("it holds a secret, and everybody on this machine may read it: take the permission away, or say "
			  "env_NAME\n",
			  complaints);
		config_free(config);
		return NULL;
	}
	if (config != NULL)
		config->users = 1;
	return config;
}

/* Hands complaints to somebody, line by line. */
static Config *
load_saying(const char *file, void (*say)(const char *file, const char *line))
{
	char *text;
	size_t length;
	FILE *complaints = open_memstream(&text, &length);
	Config *config;
	char *rest = NULL;

	if (complaints == NULL)
		abort(); /* out of memory */
	config = load(file, complaints);
	if (fclose(complaints) != 0)
		abort(); /* out of memory */
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		say(file, line);
	free(text);
	return config;
}

static void
say_to_people(const char *file, const char *line)
{
	fprintf(stderr, "%s: %s\n", file, line);
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
forget(Config *config)
{
	if (--config->users == 0)
		config_free(config);
}

static void
reload(Notifier *notifier)
{
	Config *fresh = load_saying(notifier->file, say_to_log);

	if (fresh == NULL)
	{
		log_error("config_refused", "effect", "the one before stays in force", NULL);
		return;
	}
	forget(notifier->config);
	notifier->config = fresh;
	notifier->registered = 0;
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
		look_within(notifier, delay);
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
		/* there is room for another */
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

static void
claim_from(Notifier *notifier, Channel *channel)
{
	int room = AT_ONCE - sender_count(notifier->sender, channel->name);
	Delivery *delivery = room > 0 ? db_claim(notifier->db, notifier->config, channel, room) : NULL;

	while (delivery != NULL)
	{
		Delivery *rest = delivery->next;

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
}

static void
look(Notifier *notifier)
{
	notifier->look_at = now() + notifier->config->poll_interval * INT64_C(1000);
	for (size_t i = 0; i < notifier->config->count; i++)
		if (config_is_on(&notifier->config->channels[i]))
			claim_from(notifier, &notifier->config->channels[i]);
}

static void
turn(Notifier *notifier)
{
	bool is_up = db_step(notifier->db);

	settle_all(notifier, is_up);
	if (!is_up || notifier->stop_at != 0)
		return;
	if (notifier->registered != db_connections(notifier->db))
	{
		if (!db_register(notifier->db, notifier->config))
		{
			look_within(notifier, UNSETTLED_TURN);
			return;
		}
		notifier->registered = db_connections(notifier->db);
		notifier->look_at = 0;
	}
	if (db_heard(notifier->db) || now() >= notifier->look_at)
		look(notifier);
}

static void
wait_for_more(Notifier *notifier)
{
	struct curl_waitfd watches[2] = {{.fd = notifier->signals, .events = CURL_WAIT_POLLIN}};
	int64_t until = notifier->stop_at != 0 ? notifier->stop_at : notifier->look_at;
	int64_t left = until - now();
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
	/* it has looked, and nothing came of it */
	return notifier->once && is_idle && notifier->registered != 0 && notifier->look_at > now();
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

/* ---- the beginning ---- */

static int
serve(Notifier *notifier, const char *conninfo)
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
		return EXIT_FAILURE;
	}
	tell_channels(notifier->config);
	notifier->sender = sender_new();
	notifier->db = db_new(conninfo, notifier->sender);
	run(notifier);
	db_free(notifier->db);
	sender_free(notifier->sender);
	(void) close(notifier->signals);
	log_note("stopped", NULL);
	return notifier->once && notifier->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const char *
new_key(char key[40])
{
	unsigned char random[16] = {0};

	if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
		abort(); /* a key that repeats would be taken for the same message */
	(void) snprintf(key, 40, "test-");
	for (size_t i = 0; i < sizeof(random); i++)
		(void) snprintf(key + 5 + 2 * i, 3, "%02x", random[i]);
	return key;
}

/* Sends one channel a test, and says what became of it. */
static int
send_test(Config *config, const char *name)
{
	Channel *channel = NULL;
	Delivery *delivery = calloc(1, sizeof(Delivery));
	Sender *sender;
	char key[40];
	char raised_at[40];
	time_t seconds = time(NULL);
	struct tm parts = {0};
	bool good;

	for (size_t i = 0; i < config->count; i++)
		if (strcmp(config->channels[i].name, name) == 0) /* public: names */
			channel = &config->channels[i];
	if (delivery == NULL)
		abort(); /* out of memory */
	if (channel == NULL || channel->absent != NULL)
	{
		if (channel == NULL)
			(void) fputs("there is no such channel\n", stderr);
		else
			fprintf(stderr, "%s is off: the variable %s is absent or empty\n", name, channel->absent);
		free(delivery);
		return channel == NULL ? EXIT_CONFIG : EXIT_FAILURE;
	}
	(void) gmtime_r(&seconds, &parts);
	(void) strftime(raised_at, sizeof(raised_at), "%Y-%m-%dT%H:%M:%SZ", &parts);
	delivery->config = config;
	config->users++;
	delivery->channel = channel;
	delivery->alert = (Alert){.key = new_key(key),
							  .alert_id = "0",
							  .rule_name = "test",
							  .raised_at = raised_at,
							  .severity = "info",
							  .count = "0",
							  .event_ids = "[]",
							  .details = "{}",
							  .attempt = 1,
							  .is_test = true};
	(void) signal(SIGPIPE, SIG_IGN);
	sender = sender_new();
	sender_start(sender, delivery);
	while ((delivery = sender_take(sender)) == NULL)
		sender_wait(sender, NULL, 0, 1000);
	good = delivery->verdict == VERDICT_DELIVERED;
	fprintf(good ? stdout : stderr, "%s: %s\n", name, good ? "delivered" : delivery->error);
	delivery_free(delivery);
	sender_free(sender);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'}, {"dbname", required_argument, NULL, 'd'},
	{"once", no_argument, NULL, 'o'},         {"check", no_argument, NULL, 'k'},
	{"test", required_argument, NULL, 't'},   {"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};

int
main(int argc, char **argv)
{
	Notifier notifier = {.file = "alert_config.json"};
	const char *conninfo = NULL;
	const char *test = NULL;
	bool check = false;
	int option;
	int code = EXIT_SUCCESS;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'c':
				notifier.file = optarg;
				break;
			case 'd':
				conninfo = optarg;
				break;
			case 'o':
				notifier.once = true;
				break;
			case 'k':
				check = true;
				break;
			case 't':
				test = optarg;
				break;
			case 'h':
				return print_usage(stdout, EXIT_SUCCESS);
			case 'V':
				(void) puts("twin_notifier " TWIN_VERSION);
				return EXIT_SUCCESS;
			default:
				return print_usage(stderr, EXIT_CONFIG);
		}
	}
	if (optind < argc || (check && test != NULL))
		return print_usage(stderr, EXIT_CONFIG);
	if (conninfo != NULL && db_holds_password(conninfo))
	{
		(void) fputs(
			"--dbname holds a password, or cannot be read: arguments are for everybody to see, use PGPASSFILE\n",
			stderr);
		return EXIT_CONFIG;
	}
	/* what the environment and we ourselves hold is not for others of our user to read */
	secret_forbid_dumps();
	(void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	notifier.config = load_saying(notifier.file, say_to_people);
	if (notifier.config == NULL)
		return EXIT_CONFIG;
	if (check)
		config_print(notifier.config, stdout);
	else if (test != NULL)
		code = send_test(notifier.config, test);
	else
		code = serve(&notifier, conninfo);
	forget(notifier.config);
	environment_forget();
	return code;
}
