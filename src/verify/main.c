/*
 * main.c
 *		twin_verify: what it is asked, and what it answers.
 */
#include "verify/verify.h"

#include <jansson.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"twin_verify checks an audit log of twin_security from files alone.\n"
	"\n"
	"Usage:\n"
	"  twin_verify DIR [--key KEY]... [--witness FILE] [--events] [--json]\n"
	"  twin_verify archive FILE [--key KEY]... [--archive-keys FILE] [--events] [--json]\n"
	"  twin_verify --leaf FILE --proof FILE --checkpoint FILE [--key KEY]... [--json]\n"
	"  twin_verify --old FILE --proof FILE --checkpoint FILE [--key KEY]... [--json]\n"
	"\n"
	"The first checks an export, as twin.export_audit_log() writes it: every file, every\n"
	"event, every checkpoint and its signature, that each checkpoint extends the one\n"
	"before, and that the last covers the last event. The second checks an archive that\n"
	"retention wrote, FILE.tsarc and the manifest beside it: every byte, and that its\n"
	"events were in the log of a signed checkpoint. The third checks that one event is\n"
	"in the log (twin.inclusion_proof() as JSON), the fourth that the log of a\n"
	"checkpoint begins with that of an older one (twin.consistency_proof() as JSON).\n"
	"\n"
	"  -k, --key KEY          a verifier key that you trust, or a file of them, as\n"
	"                         twin.audit_public_key() prints it; may be given again\n"
	"  -w, --witness FILE     checkpoints that you kept elsewhere: the log must have been\n"
	"                         that, and must not end before\n"
	"  -a, --archive-keys FILE\n"
	"                         keys of encrypted archives, as twin.export_archive_key() prints\n"
	"                         them, one a line: a file that nobody else may read, or a pipe.\n"
	"                         Otherwise they are taken from TWIN_ARCHIVE_KEYS in the environment\n"
	"  -e, --events           print the events as lines of JSON; the report then goes to\n"
	"                         standard error. Trust them when the exit status is 0\n"
	"  -j, --json             the report as JSON\n"
	"      --leaf FILE        an event's leaf: bytes, or text as bytea prints\n"
	"      --proof FILE       a proof as JSON\n"
	"      --checkpoint FILE  a signed checkpoint\n"
	"      --old FILE         an older one\n"
	"  -h, --help             this\n"
	"  -V, --version          the version\n"
	"\n"
	"Exit status: 0 everything holds, 1 something was tampered with (the report names\n"
	"the file, leaf and event), 2 wrong usage, 3 something cannot be read. What was not\n"
	"proven, for want of a key or a witness, is said.\n";

enum
{
	OPTION_LEAF = 256,
	OPTION_PROOF,
	OPTION_CHECKPOINT,
	OPTION_OLD
};

static const struct option options_known[] = {
	{"key", required_argument, NULL, 'k'},
	{"witness", required_argument, NULL, 'w'},
	{"archive-keys", required_argument, NULL, 'a'},
	{"events", no_argument, NULL, 'e'},
	{"json", no_argument, NULL, 'j'},
	{"leaf", required_argument, NULL, OPTION_LEAF},
	{"proof", required_argument, NULL, OPTION_PROOF},
	{"checkpoint", required_argument, NULL, OPTION_CHECKPOINT},
	{"old", required_argument, NULL, OPTION_OLD},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

typedef struct Asked
{
	VerifyOptions options;
	const char *leaf;
	const char *proof;
	const char *checkpoint;
	const char *old;
	const char *archive;
	const char *archive_keys; /* a file */
	bool events;
	bool json;
} Asked;

static void
show_progress(void *argument, uint64_t done, uint64_t of)
{
	(void) argument;
	(void) fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " events (%d %%)", done, of,
				   (int) ((double) done * 100 / (double) of));
	if (done == of)
		(void) fputc('\n', stderr);
}

/* ---- the report ---- */

static void
print_dropped(const Report *report, FILE *to)
{
	for (size_t i = 0; i < report->dropped_count; i++)
		(void) fprintf(to,
					   "retired: %" PRIu64 " leaves of partition %s, dropped by event %" PRId64
					   " (%s): proven to have been "
					   "sealed, not what they said\n",
					   report->dropped[i].leaves, report->dropped[i].name, report->dropped[i].event_id,
					   report->dropped[i].event_time);
}

static void
print_export(const Report *report, FILE *to)
{
	(void) fprintf(to, "holds: %" PRIu64 " events", report->leaves);
	if (report->leaves > 0)
		(void) fprintf(to, " (leaves %" PRIu64 " to %" PRIu64 ")", report->first_leaf,
					   report->first_leaf + report->leaves - 1);
	if (report->has_times)
		(void) fprintf(to, ", recorded from %s to %s", report->first_time, report->last_time);
	(void) fprintf(to, "\n%" PRIu64 " checkpoints of %zu epochs, %" PRIu64 " of your notes\n", report->checkpoints,
				   report->epoch_count, report->witnesses);
	print_dropped(report, to);
}

static void
print_text(const Asked *asked, const Report *report, FILE *to)
{
	uint64_t kept = report->problem_count < PROBLEMS_MAX ? report->problem_count : PROBLEMS_MAX;

	for (uint64_t i = 0; i < kept; i++)
	{
		const Problem *problem = &report->problems[i];

		(void) fprintf(to, "%s: %s%s%s", problem->verdict == VERDICT_TAMPERED ? "TAMPERED" : "UNREADABLE",
					   problem->file, problem->file[0] != '\0' ? ": " : "", problem->text);
		if (problem->has_event)
			(void) fprintf(to, " (event %" PRId64 ", %s, %s)", problem->event_id, problem->event_type,
						   problem->event_time);
		(void) fputc('\n', to);
	}
	if (report->problem_count > kept)
		(void) fprintf(to, "and %" PRIu64 " more\n", report->problem_count - kept);
	if (report->verdict == VERDICT_HOLDS && asked->leaf != NULL)
		(void) fprintf(to, "holds: the event is leaf %" PRIu64 " of the log of %" PRIu64 " leaves\n",
					   report->first_leaf, report->newest.size);
	else if (report->verdict == VERDICT_HOLDS && asked->old != NULL)
		(void) fprintf(to, "holds: the log only grew, to %" PRIu64 " leaves\n", report->newest.size);
	else if (report->verdict == VERDICT_HOLDS && asked->archive != NULL)
		(void) fprintf(to, "holds: an archive of %" PRIu64 " rows\n", report->rows);
	else if (report->verdict == VERDICT_HOLDS)
		print_export(report, to);
	if (report->has_newest)
		(void) fprintf(to, "newest checkpoint: %s, size %" PRIu64 "\n", report->newest.origin, report->newest.size);
	for (int i = 0; i < report->unproven_count; i++)
		(void) fprintf(to, "not proven: %s\n", report->unproven[i]);
}

static json_t *
problems_json(const Report *report)
{
	json_t *problems = json_array();

	for (uint64_t i = 0; i < report->problem_count && i < PROBLEMS_MAX; i++)
	{
		const Problem *problem = &report->problems[i];
		json_t *object =
			json_pack("{s:s, s:s, s:s}", "kind", problem->verdict == VERDICT_TAMPERED ? "tampered" : "unreadable",
					  "file", problem->file, "message", problem->text);

		if (problem->has_leaf)
			(void) json_object_set_new(object, "leaf", json_integer((json_int_t) problem->leaf));
		if (problem->has_event)
		{
			(void) json_object_set_new(object, "event_id", json_integer(problem->event_id));
			(void) json_object_set_new(object, "event_time", json_string(problem->event_time));
			(void) json_object_set_new(object, "event_type", json_string(problem->event_type));
		}
		(void) json_array_append_new(problems, object);
	}
	return problems;
}

static void
print_json(const Report *report, FILE *to)
{
	json_t *unproven = json_array();
	json_t *epochs = json_array();
	json_t *dropped = json_array();
	json_t *root;

	for (int i = 0; i < report->unproven_count; i++)
		(void) json_array_append_new(unproven, json_string(report->unproven[i]));
	for (size_t i = 0; i < report->epoch_count; i++)
	{
		const Epoch *epoch = &report->epochs[i];
		char key[NOTE_KEY_SIZE_MAX] = "";

		(void) note_write_key(epoch->key.name, epoch->key.public_key, key);
		(void) json_array_append_new(epochs,
									 json_pack("{s:I, s:s, s:b}", "first_leaf", (json_int_t) epoch->first_leaf, "key",
											   key, "trusted", (int) epoch->is_trusted));
	}
	for (size_t i = 0; i < report->dropped_count; i++)
		(void) json_array_append_new(dropped, json_pack("{s:s, s:I, s:I, s:s}", "partition", report->dropped[i].name,
														"leaves", (json_int_t) report->dropped[i].leaves, "event_id",
														(json_int_t) report->dropped[i].event_id, "event_time",
														report->dropped[i].event_time));
	root =
		json_pack("{s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:o}", "holds",
				  report->verdict == VERDICT_HOLDS, "status", (int) report->verdict, "first_leaf",
				  (json_int_t) report->first_leaf, "leaves", (json_int_t) report->leaves, "rows",
				  (json_int_t) report->rows, "checkpoints", (json_int_t) report->checkpoints, "witnesses",
				  (json_int_t) report->witnesses, "epochs", epochs, "retired", dropped, "problems",
				  problems_json(report), "problem_count", (json_int_t) report->problem_count, "not_proven", unproven);
	if (report->has_newest)
		(void) json_object_set_new(
			root, "newest_checkpoint",
			json_pack("{s:s, s:I}", "origin", report->newest.origin, "size", (json_int_t) report->newest.size));
	if (report->has_times)
	{
		(void) json_object_set_new(root, "first_recorded_at", json_string(report->first_time));
		(void) json_object_set_new(root, "last_recorded_at", json_string(report->last_time));
	}
	(void) json_dumpf(root, to, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	(void) fputc('\n', to);
	json_decref(root);
}

/* ---- what is asked ---- */

static int
usage(const char *what, const char *argument)
{
	(void) fprintf(stderr, "twin_verify: %s%s%s\nTry \"twin_verify --help\".\n", what, argument != NULL ? ": " : "",
				   argument != NULL ? argument : "");
	return VERDICT_USAGE;
}

/* Reads the arguments; -1 when the program goes on. */
static int
read_arguments(int count, char **arguments, Asked *asked)
{
	int option;
	const char *why;

	while ((option = getopt_long(count, arguments, "k:w:a:ejhV", options_known, NULL)) != -1)
		switch (option)
		{
			case 'k':
				if (!keys_add(&asked->options.keys, optarg, &why))
				{
					(void) usage(why, optarg);
					return VERDICT_USAGE;
				}
				break;
			case 'w':
				asked->options.witness = optarg;
				break;
			case 'a':
				asked->archive_keys = optarg;
				break;
			case 'e':
				asked->events = true;
				break;
			case 'j':
				asked->json = true;
				break;
			case OPTION_LEAF:
				asked->leaf = optarg;
				break;
			case OPTION_PROOF:
				asked->proof = optarg;
				break;
			case OPTION_CHECKPOINT:
				asked->checkpoint = optarg;
				break;
			case OPTION_OLD:
				asked->old = optarg;
				break;
			case 'h':
				(void) fputs(help, stdout);
				return 0;
			case 'V':
				(void) puts("twin_verify (twin_security) " TWIN_VERSION);
				return 0;
			default:
				return usage("wrong option", NULL);
		}
	if (optind + 1 < count && strcmp(arguments[optind], "archive") == 0) /* public: a word of ours */
	{
		asked->archive = arguments[optind + 1];
		optind += 2;
	}
	else if (optind < count)
		asked->options.folder = arguments[optind++];
	if (optind < count)
		return usage("too many arguments", arguments[optind]);
	if (asked->archive != NULL && asked->options.witness != NULL)
		return usage("--witness goes with a folder", NULL);
	if (asked->archive == NULL && asked->archive_keys != NULL)
		return usage("--archive-keys goes with an archive", NULL);
	if (asked->options.folder != NULL || asked->archive != NULL)
		return asked->leaf == NULL && asked->old == NULL && asked->proof == NULL && asked->checkpoint == NULL
				   ? -1
				   : usage("an export or archive needs no proof", NULL);
	if ((asked->leaf != NULL) == (asked->old != NULL) || asked->proof == NULL || asked->checkpoint == NULL)
		return usage("a folder is needed, or --leaf or --old with --proof and --checkpoint", NULL);
	if (asked->events || asked->options.witness != NULL)
		return usage("--events and --witness go with a folder", NULL);
	return -1;
}

/* Keys of archives; a file comes before the environment, which is emptied of them all the same. */
static bool
take_archive_keys(Asked *asked)
{
	ArchiveKeys *keys = &asked->options.archive_keys;
	const char *why = NULL;

	if (unseal_take_environment(keys, &why) &&
		(asked->archive_keys == NULL || unseal_read_file(keys, asked->archive_keys, &why)))
		return true;
	(void) usage(why, asked->archive_keys);
	return false;
}

int
main(int count, char **arguments)
{
	static Asked asked;
	static Report report;
	FILE *to;
	int status = read_arguments(count, arguments, &asked);

	if (status >= 0)
		return status;
	if (asked.archive != NULL && !take_archive_keys(&asked))
		return VERDICT_UNREADABLE;
	to = asked.events ? stderr : stdout;
	asked.options.events = asked.events ? stdout : NULL;
	if (isatty(STDERR_FILENO) && !asked.events)
		asked.options.progress = show_progress;
	if (asked.archive != NULL)
		verify_archive(asked.archive, &asked.options, &report);
	else if (asked.leaf != NULL)
		verify_leaf(asked.leaf, asked.proof, asked.checkpoint, &asked.options.keys, &report);
	else if (asked.old != NULL)
		verify_growth(asked.old, asked.proof, asked.checkpoint, &asked.options.keys, &report);
	else
		verify_export(&asked.options, &report);
	if (asked.json)
		print_json(&report, to);
	else
		print_text(&asked, &report, to);
	if (fflush(stdout) != 0 || ferror(stdout) || fflush(stderr) != 0)
		status = VERDICT_UNREADABLE;
	else
		status = (int) report.verdict;
	report_free(&report);
	keys_free(&asked.options.keys);
	unseal_free(&asked.options.archive_keys);
	return status;
}
