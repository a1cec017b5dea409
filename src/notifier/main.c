/*
 * main.c
 *		twin_notifier: tells people of alerts, by mail, webhook and syslog.
 *
 * It hears of alerts (LISTEN twin_alerts), looks for itself now and then, claims
 * what is due, sends, and settles.  SIGHUP reads the configuration again,
 * SIGTERM and SIGINT stop it.  Its role in the database can do nothing else.
 */
#include "notifier/alert_config_file.h"
#include "notifier/db.h"
#include "notifier/environment.h"
#include "notifier/notifier.h"
#include "notifier/trial.h"

#include "common/secret.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define EXIT_CONFIG 2

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

static void
say_to_people(const char *file, const char *line)
{
	fprintf(stderr, "%s: %s\n", file, line);
}

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'}, {"dbname", required_argument, NULL, 'd'},
	{"once", no_argument, NULL, 'o'},         {"check", no_argument, NULL, 'k'},
	{"test", required_argument, NULL, 't'},   {"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};

typedef struct Wishes
{
	const char *file;
	const char *conninfo;
	const char *test; /* a channel */
	bool check;
	bool once;
	bool help;
	bool version;
} Wishes;

/* False when the arguments are not what they can be. */
static bool
read_arguments(int argc, char **argv, Wishes *wishes)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'c':
				wishes->file = optarg;
				break;
			case 'd':
				wishes->conninfo = optarg;
				break;
			case 'o':
				wishes->once = true;
				break;
			case 'k':
				wishes->check = true;
				break;
			case 't':
				wishes->test = optarg;
				break;
			case 'h':
				wishes->help = true;
				break;
			case 'V':
				wishes->version = true;
				break;
			default:
				return false;
		}
	}
	return optind == argc && !(wishes->check && wishes->test != NULL);
}

/* With a configuration that is good. */
static int
work(const Wishes *wishes, Config *config)
{
	static const int codes[] = {EXIT_SUCCESS, EXIT_FAILURE, EXIT_CONFIG};
	int code = EXIT_SUCCESS;

	if (!wishes->check && wishes->test == NULL)
		return notifier_run(wishes->file, config, wishes->conninfo, wishes->once);
	if (wishes->check)
		alert_config_print(config, stdout);
	else
		code = codes[trial_send(config, wishes->test)];
	alert_config_forget(config);
	return code;
}

int
main(int argc, char **argv)
{
	Wishes wishes = {.file = "alert_config.json"};
	Config *config;
	int code;

	if (!read_arguments(argc, argv, &wishes))
		return print_usage(stderr, EXIT_CONFIG);
	if (wishes.help)
		return print_usage(stdout, EXIT_SUCCESS);
	if (wishes.version)
	{
		(void) puts("twin_notifier " TWIN_VERSION);
		return EXIT_SUCCESS;
	}
	if (wishes.conninfo != NULL && db_holds_password(wishes.conninfo))
	{
		(void) fputs(
			"--dbname holds a password, or cannot be read: arguments are for everybody to see, use PGPASSFILE\n",
			stderr);
		return EXIT_CONFIG;
	}
	/* what the environment and we ourselves hold is not for others of our user to read */
	secret_forbid_dumps();
	(void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	config = alert_config_load(wishes.file, say_to_people);
	code = config == NULL ? EXIT_CONFIG : work(&wishes, config);
	environment_forget();
	return code;
}
