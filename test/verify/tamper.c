/*
 * tamper.c
 *		Tries the verifier on thousands of random tamperings of exports: each must be
 *		found, and what nobody touched must hold.
 *
 *		tamper FOLDER COUNT SEED [PROGRAM COUNT_OF_PROGRAM]
 *		tamper export FOLDER LEAVES FROM [LEAF TYPE DETAILS FLAGS]
 *
 * The second only makes an export, with FOLDER.key and FOLDER.witness, and in it an
 * event of this type with these details and more flags.
 *
 * FOLDER is an empty folder of its own.  A careless tamperer changes a file and
 * leaves the manifest; a careful one writes it anew; one who holds the database
 * rewrites leaves, tree and checkpoints too, and signs with a key of his own.
 * With PROGRAM, so many of the tamperings are given to twin_verify as well.
 *
 * Prints TAP: one line for each kind, and one for what was not touched.
 */
#include "log.h"

#include "verify/verify.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *folder; /* of the export */
static char key_path[4096];
static char witness_path[4096];
static const char *program;

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(99);
}

/* ---- an export, and what an auditor holds of it ---- */

typedef struct Case
{
	Log *log;
	uint64_t from;
	ManifestHead head;
	VerifyKeys keys;
} Case;

static void
read_head(Case *tried)
{
	size_t length;
	uint8_t *text = log_read_file(folder, MANIFEST_NAME, &length);
	Bytes rest = bytes_of(text, length);

	must(manifest_read_head(&rest, &tried->head), "head of the manifest");
	free(text);
}

static void
empty_folder(void)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;

	must(entries != NULL, folder);
	while ((entry = readdir(entries)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			must(unlinkat(dirfd(entries), entry->d_name, 0) == 0, entry->d_name);
	(void) closedir(entries);
}

static void
write_auditor(const Case *tried)
{
	FILE *keys = fopen(key_path, "w");
	FILE *witness = fopen(witness_path, "w");
	const Log *log = tried->log;

	must(keys != NULL && witness != NULL, key_path);
	for (int i = 0; i < log->epoch_count; i++)
	{
		char key[NOTE_KEY_SIZE_MAX];

		must(note_write_key(log->epochs[i].name, log->epochs[i].public_key, key) == TSEC_OK, "key");
		must(fprintf(keys, "%s\n", key) > 0, "keys");
	}
	/* the newest, and one of those before */
	for (int i = 0; i < log->checkpoint_count; i++)
		if (i + 1 == log->checkpoint_count || i == log->checkpoint_count / 2)
			must(fputs(log->checkpoints[i].note, witness) >= 0, "witness");
	must(fclose(keys) == 0 && fclose(witness) == 0, "auditor's files");
}

/* Drops some leaves, so that an event behind them says so; none that begins an epoch. */
static void
drop_some(Log *log, uint64_t from)
{
	uint64_t first = log_random(log->count);
	uint64_t leaves = 1 + log_random(log->count / 3 + 1);
	uint64_t event = first + leaves + log_random(log->count);

	/* something else stays that can be changed */
	if (event >= log->count || event < from || log->count - from < leaves + 2)
		return;
	for (int i = 0; i < log->epoch_count; i++)
		if (log->epochs[i].first_leaf == event ||
			(log->epochs[i].first_leaf >= first && log->epochs[i].first_leaf < first + leaves))
			return;
	log_drop(log, first, leaves, event);
}

static void
begin_case(Case *tried, uint64_t leaves, int epochs, int checkpoints, bool same_key, uint64_t from, bool drops)
{
	const char *why;

	*tried = (Case){.log = log_make(leaves, epochs, checkpoints, same_key), .from = from};
	if (drops)
		drop_some(tried->log, from);
	empty_folder();
	log_export(tried->log, from, folder);
	read_head(tried);
	write_auditor(tried);
	must(keys_add(&tried->keys, key_path, &why), "keys");
}

static void
end_case(Case *tried)
{
	keys_free(&tried->keys);
	log_free(tried->log);
}

/* ---- asking the verifier ---- */

static Report last_report;

static Verdict
ask(const Case *tried, bool with_key, bool with_witness)
{
	VerifyOptions options = {.folder = folder, .witness = with_witness ? witness_path : NULL};
	Verdict verdict;

	if (with_key)
		options.keys = tried->keys;
	report_free(&last_report);
	memset(&last_report, 0, sizeof(last_report));
	verify_export(&options, &last_report);
	verdict = last_report.verdict;
	return verdict;
}

static int
ask_program(void)
{
	pid_t child = fork();
	int status;

	must(child >= 0, "fork");
	if (child == 0)
	{
		must(freopen("/dev/null", "w", stdout) != NULL, "output");
		(void) execl(program, program, folder, "--key", key_path, "--witness", witness_path, (char *) NULL);
		_exit(98);
	}
	must(waitpid(child, &status, 0) == child, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

/* ---- careless and careful changes of files ---- */

/* The name of a file of the export, at random; with the manifest or without. */
static void
any_file(const Case *tried, bool with_manifest, char name[MANIFEST_NAME_SIZE])
{
	uint64_t all = manifest_files(&tried->head);
	uint64_t number = log_random(all + (with_manifest ? 1 : 0));
	SegmentHeader segment;

	if (number == all)
		strcpy(name, MANIFEST_NAME);
	else
		manifest_file_name(&tried->head, number, name, &segment);
}

typedef size_t (*Change)(uint8_t *bytes, size_t length); /* in place, with room for 64 more; the new length */

static size_t
flip_bit(uint8_t *bytes, size_t length)
{
	if (length > 0)
		bytes[log_random(length)] ^= (uint8_t) (1 << log_random(8));
	return length;
}

static size_t
change_byte(uint8_t *bytes, size_t length)
{
	if (length > 0)
		bytes[log_random(length)] += (uint8_t) (1 + log_random(255));
	return length;
}

static size_t
cut_end(uint8_t *bytes, size_t length)
{
	(void) bytes;
	return length - (log_random(2) ? 1 : log_random(length)) * (length > 0);
}

static size_t
add_end(uint8_t *bytes, size_t length)
{
	size_t more = 1 + log_random(60);

	for (size_t i = 0; i < more; i++)
		bytes[length + i] = log_random(2) ? '\n' : (uint8_t) log_random(256);
	return length + more;
}

static size_t
insert_bytes(uint8_t *bytes, size_t length)
{
	size_t at = log_random(length + 1);
	size_t more = 1 + log_random(40);

	memmove(bytes + at + more, bytes + at, length - at);
	for (size_t i = 0; i < more; i++)
		bytes[at + i] = (uint8_t) log_random(256);
	return length + more;
}

static size_t
remove_bytes(uint8_t *bytes, size_t length)
{
	size_t at = log_random(length);
	size_t less = length > 0 ? 1 + log_random(length - at < 100 ? length - at : 100) : 0;

	memmove(bytes + at, bytes + at + less, length - at - less);
	return length - less;
}

static size_t
swap_bytes(uint8_t *bytes, size_t length)
{
	size_t half = length / 2;
	size_t one = log_random(half);
	size_t other = half + log_random(length - half);
	size_t some = length - other < 40 ? length - other : 40;

	some = half - one < some ? half - one : some;
	for (size_t i = 0; i < some; i++)
	{
		uint8_t kept = bytes[one + i];

		bytes[one + i] = bytes[other + i];
		bytes[other + i] = kept;
	}
	return length;
}

static const Change changes[] = {flip_bit, flip_bit,     change_byte,  cut_end,
								 add_end,  insert_bytes, remove_bytes, swap_bytes};

/* Changes a file at random; false when that changed nothing. */
static bool
change_file(const Case *tried, bool careful)
{
	char name[MANIFEST_NAME_SIZE];
	size_t length;
	size_t new_length;
	uint8_t *old;
	uint8_t *bytes;
	bool changed;

	any_file(tried, !careful, name);
	old = log_read_file(folder, name, &length);
	bytes = malloc(length + 64);
	must(bytes != NULL, "memory");
	memcpy(bytes, old, length);
	new_length = changes[log_random(sizeof(changes) / sizeof(changes[0]))](bytes, length);
	changed = new_length != length || memcmp(old, bytes, length) != 0;
	log_write_file(folder, name, bytes, new_length);
	if (careful)
		log_write_manifest(folder, &tried->head);
	free(old);
	free(bytes);
	return changed;
}

static bool
careless(Case *tried)
{
	return change_file(tried, false);
}

static bool
careful(Case *tried)
{
	return change_file(tried, true);
}

static bool
delete_file(Case *tried)
{
	char name[MANIFEST_NAME_SIZE];
	char path[4096];

	any_file(tried, true, name);
	(void) snprintf(path, sizeof(path), "%s/%s", folder, name);
	must(unlink(path) == 0, path);
	return true;
}

static bool
add_file(Case *tried)
{
	static const char *const names[] = {
		"leaves-0000000000000065536.seg", "leaves-0.seg", "notes", ".hidden", "manifest.json~",
		"leaves-9223372036854775807.seg"};

	(void) tried;
	log_write_file(folder, names[log_random(6)], "x", 1);
	return true;
}

static bool
link_file(Case *tried)
{
	char name[MANIFEST_NAME_SIZE];
	char path[4096];
	char target[sizeof(key_path) + 8];

	/* to the very same bytes */
	any_file(tried, true, name);
	(void) snprintf(path, sizeof(path), "%s/%s", folder, name);
	(void) snprintf(target, sizeof(target), "%s.linked", key_path);
	must(rename(path, target) == 0 && symlink(target, path) == 0, path);
	return true;
}

static bool
swap_files(Case *tried)
{
	char one[MANIFEST_NAME_SIZE];
	char other[MANIFEST_NAME_SIZE];
	uint8_t *first;
	uint8_t *second;
	size_t first_length;
	size_t second_length;

	any_file(tried, true, one);
	any_file(tried, true, other);
	first = log_read_file(folder, one, &first_length);
	second = log_read_file(folder, other, &second_length);
	log_write_file(folder, one, second, second_length);
	log_write_file(folder, other, first, first_length);
	free(first);
	free(second);
	return strcmp(one, other) != 0;
}

/* ---- a manifest that says something else ---- */

static bool
change_head(Case *tried)
{
	ManifestHead head = tried->head;
	char text[MANIFEST_HEAD_MAX];
	size_t length;
	uint8_t *old = log_read_file(folder, MANIFEST_NAME, &length);
	Bytes rest = bytes_of(old, length);
	ManifestHead ignored;
	FILE *file;
	char path[4096];

	switch (log_random(3))
	{
		case 0:
			head.leaves += log_random(2) ? 1 : (uint64_t) -1;
			break;
		case 1:
			head.first_leaf ^= (uint64_t) 1 << log_random(4);
			break;
		default:
			for (int level = 0; level < MERKLE_LEVELS_MAX; level++)
				if ((head.first_leaf >> level & 1) != 0)
					head.left.nodes[level].bytes[log_random(32)] ^= 1;
	}
	must(manifest_read_head(&rest, &ignored), MANIFEST_NAME);
	(void) snprintf(path, sizeof(path), "%s/%s", folder, MANIFEST_NAME);
	file = fopen(path, "wb");
	must(file != NULL && fwrite(text, 1, manifest_write_head(&head, text), file) > 0 &&
			 fwrite(rest.data, 1, rest.length, file) == rest.length && fclose(file) == 0,
		 path);
	free(old);
	return memcmp(&head, &tried->head, sizeof(head)) != 0;
}

/* ---- a log that somebody rewrote in the database, and exported as it is then ---- */

static void
export_again(Log *log, const Case *tried)
{
	empty_folder();
	log_export(log, tried->from, folder);
	log_free(log);
}

static uint64_t
any_leaf(const Case *tried)
{
	uint64_t i;

	/* of one that was dropped nothing is there to be changed, and the event that says so stands in two files */
	do
		i = tried->from + log_random(tried->log->count - tried->from);
	while (log_is_dropped(tried->log, i) || (tried->log->drop_event > 0 && i == tried->log->drop_event));
	return i;
}

static bool
edit_leaf(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = any_leaf(tried);
	bool with_hash = log_random(2) != 0;

	log->leaves[i].bytes[log_random(log->leaves[i].length)] ^= 1;
	if (with_hash)
		must(merkle_leaf(bytes_of(log->leaves[i].bytes, log->leaves[i].length), &log->leaves[i].hash) == TSEC_OK,
			 "hash");
	export_again(log, tried);
	return true;
}

/* Only the bytes were changed: the verifier must say which event it was. */
static bool
edit_row(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = any_leaf(tried);
	Verdict verdict;

	/* it was an instant earlier or later */
	log->leaves[i].bytes[18] ^= 1;
	export_again(log, tried);
	verdict = ask(tried, true, true);
	if (verdict != VERDICT_TAMPERED || last_report.problem_count != 1 || !last_report.problems[0].has_leaf ||
		last_report.problems[0].leaf != i || last_report.problems[0].event_id != (int64_t) i * 1000 + 1000)
	{
		(void) fprintf(stderr, "# leaf %" PRIu64 " was edited, and named was: %s\n", i, last_report.problems[0].text);
		/* shown as not found */
		empty_folder();
		log_export(tried->log, tried->from, folder);
	}
	return true;
}

static bool
lose_row(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = any_leaf(tried);

	free(log->leaves[i].bytes);
	log->leaves[i].bytes = NULL;
	export_again(log, tried);
	return true;
}

static bool
delete_leaf(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = any_leaf(tried);

	if (log->count - tried->from < 2)
	{
		log_free(log);
		return false;
	}
	free(log->leaves[i].bytes);
	memmove(&log->leaves[i], &log->leaves[i + 1], (log->count - i - 1) * sizeof(LogLeaf));
	log->count--;
	export_again(log, tried);
	return true;
}

static bool
insert_leaf(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = tried->from + log_random(log->count - tried->from + 1);

	memmove(&log->leaves[i + 1], &log->leaves[i], (log->count - i) * sizeof(LogLeaf));
	log->leaves[i] = log_event(i, "login_success", "{}");
	log->count++;
	export_again(log, tried);
	return true;
}

static bool
swap_leaves(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = any_leaf(tried);
	uint64_t j = any_leaf(tried);
	LogLeaf kept = log->leaves[i];

	log->leaves[i] = log->leaves[j];
	log->leaves[j] = kept;
	/* with their hashes, or without */
	if (log_random(2))
	{
		MerkleHash hash = log->leaves[i].hash;

		log->leaves[i].hash = log->leaves[j].hash;
		log->leaves[j].hash = hash;
	}
	export_again(log, tried);
	return i != j;
}

/* Rewrites history from somewhere on, tree and checkpoints included, under a key of his own. */
static bool
fork_log(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = any_leaf(tried);

	for (int e = 0; e < log->epoch_count; e++)
		must(note_make_key(log->epochs[e].seed, log->epochs[e].public_key) == TSEC_OK, "key");
	free(log->leaves[i].bytes);
	log->leaves[i] = log_event(i, "nothing_happened", "{}");
	log_reseal(log, log_random(2) ? 0 : i);
	export_again(log, tried);
	return true;
}

/* The same, but under the right key: who stole it is found by the auditor's notes alone. */
static bool
fork_with_key(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = any_leaf(tried);

	free(log->leaves[i].bytes);
	log->leaves[i] = log_event(i, "nothing_happened", "{}");
	log_reseal(log, i);
	export_again(log, tried);
	return true;
}

/* The roots are right again, and the signatures those of before. */
static bool
fork_without_key(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = any_leaf(tried);

	free(log->leaves[i].bytes);
	log->leaves[i] = log_event(i, "nothing_happened", "{}");
	log_reseal(log, i);
	for (int c = 0; c < log->checkpoint_count; c++)
		strcpy(strstr(log->checkpoints[c].note, "\n\n"), strstr(tried->log->checkpoints[c].note, "\n\n"));
	export_again(log, tried);
	return true;
}

/* Rolls the log back to one of its checkpoints, or somewhere between two. */
static bool
cut_tail(Case *tried)
{
	Log *log = log_copy(tried->log);
	bool with_checkpoints = log_random(2) != 0;
	uint64_t end = tried->from + log_random(log->count - tried->from);

	if (with_checkpoints)
		end = log->checkpoints[log_random((uint64_t) log->checkpoint_count - 1)].size;
	if (end < tried->from || end == log->count || log->checkpoint_count < 2)
	{
		log_free(log);
		return false;
	}
	for (uint64_t i = end; i < log->count; i++)
		free(log->leaves[i].bytes);
	log->count = end;
	while (log->checkpoint_count > 1 && with_checkpoints && log->checkpoints[log->checkpoint_count - 1].size > end)
		log->checkpoint_count--;
	while (log->epoch_count > 1 && with_checkpoints && log->epochs[log->epoch_count - 1].first_leaf >= end)
		log->epoch_count--;
	export_again(log, tried);
	return true;
}

/* The last checkpoint goes, and its leaves stay. */
static bool
drop_last_checkpoint(Case *tried)
{
	Log *log = log_copy(tried->log);

	log->checkpoint_count--;
	export_again(log, tried);
	return true;
}

static bool
change_checkpoints(Case *tried)
{
	Log *log = log_copy(tried->log);
	int first = 0;
	int one;
	int other;
	uint8_t seed[NOTE_SEED_SIZE];
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	LogCheckpoint kept;

	while (log->checkpoints[first].size < tried->from)
		first++;
	one = first + (int) log_random((uint64_t) (log->checkpoint_count - first));
	other = first + (int) log_random((uint64_t) (log->checkpoint_count - first));
	kept = log->checkpoints[one];
	switch (log_random(5))
	{
		case 0: /* two change places */
			log->checkpoints[one] = log->checkpoints[other];
			log->checkpoints[other] = kept;
			break;
		case 1: /* one stands twice */
			memmove(&log->checkpoints[one + 1], &log->checkpoints[one],
					(size_t) (log->checkpoint_count - one) * sizeof(kept));
			log->checkpoint_count++;
			other = -1;
			break;
		case 2: /* one is signed by somebody else */
			must(note_make_key(seed, public_key) == TSEC_OK, "key");
			log_sign(log, &log->checkpoints[one], seed);
			other = -1;
			break;
		case 3: /* a size that it does not have, signed by somebody else */
			must(note_make_key(seed, public_key) == TSEC_OK, "key");
			log->checkpoints[one].size = tried->from + 1 + log_random(log->count - tried->from);
			log_sign(log, &log->checkpoints[one], seed);
			other = -1;
			break;
		default: /* a signature of another one */
			strcpy(strstr(log->checkpoints[one].note, "\n\n"), strstr(tried->log->checkpoints[other].note, "\n\n"));
	}
	export_again(log, tried);
	return one != other;
}

/* Goes on with leaves of his own, in an epoch of his own. */
static bool
append_epoch(Case *tried)
{
	Log *log = log_copy(tried->log);
	LogEpoch *epoch = &log->epochs[log->epoch_count++];
	LogCheckpoint *checkpoint = &log->checkpoints[log->checkpoint_count++];

	strcpy(epoch->name, "twin_security/audit/plant/mine");
	must(note_make_key(epoch->seed, epoch->public_key) == TSEC_OK, "key");
	epoch->first_leaf = log->count;
	log->leaves[log->count] = log_event(log->count, "audit_epoch", "{}");
	log->count++;
	checkpoint->size = log->count;
	log_reseal(log, log->count - 1);
	export_again(log, tried);
	return true;
}

/* Claims other boundaries between epochs, or another one. */
static bool
change_epochs(Case *tried)
{
	Log *log = log_copy(tried->log);
	int e = (int) log_random((uint64_t) log->epoch_count);

	switch (log_random(3))
	{
		case 0:
			if (e == 0)
				e = log->epoch_count - 1;
			log->epochs[e].first_leaf += log_random(2) ? 1 : (uint64_t) -1;
			if (e == 0 || log->epochs[e].first_leaf <= tried->from)
				e = -1;
			break;
		case 1:
			log->epochs[e].public_key[log_random(32)] ^= 1;
			if (e + 1 < log->epoch_count && log->epochs[e + 1].first_leaf < tried->from)
				e = -1;
			break;
		default:
			log->epochs[e].name[26 + log_random(8)] ^= 1;
			if (e + 1 < log->epoch_count && log->epochs[e + 1].first_leaf < tried->from)
				e = -1;
	}
	export_again(log, tried);
	return e >= 0;
}

/* Takes away one leaf more than was dropped, and says that it was. */
static bool
widen_drop(Case *tried)
{
	Log *log = log_copy(tried->log);
	uint64_t i = log->drop_first + log->drop_leaves;

	if (log->drop_event == 0 || i < tried->from || i == log->drop_event)
	{
		log_free(log);
		return false;
	}
	log->drop_leaves++;
	export_again(log, tried);
	return true;
}

/* Takes away leaves, and names an event that says nothing of the kind. */
static bool
invent_drop(Case *tried)
{
	Log *log = log_copy(tried->log);

	if (log->drop_event > 0 || log->count - tried->from < 2)
	{
		log_free(log);
		return false;
	}
	log->drop_event = log->count - 1;
	log->drop_leaves = 1;
	log->drop_first = tried->from + log_random(log->drop_event - tried->from);
	export_again(log, tried);
	return true;
}

/* ---- the run ---- */

static int
make_export(int count, char **arguments)
{
	Case made;

	folder = arguments[2];
	(void) snprintf(key_path, sizeof(key_path), "%s.key", folder);
	(void) snprintf(witness_path, sizeof(witness_path), "%s.witness", folder);
	begin_case(&made, strtoull(arguments[3], NULL, 10), 2, 20, true, strtoull(arguments[4], NULL, 10), false);
	/* events put into it: leaf, type, details, flags */
	for (; count > 5; count -= 4, arguments += 4)
	{
		uint64_t i = strtoull(arguments[5], NULL, 10);

		free(made.log->leaves[i].bytes);
		made.log->leaves[i] = log_event(i, arguments[6], arguments[7]);
		made.log->leaves[i].bytes[2] |= (uint8_t) strtoul(arguments[8], NULL, 10);
		log_reseal(made.log, i);
		empty_folder();
		log_export(made.log, made.from, folder);
		write_auditor(&made);
	}
	end_case(&made);
	return 0;
}

static const struct
{
	const char *name;
	bool (*tamper)(Case *tried);
	int share;
} kinds[] = {
	{"a file changed", careless, 6},
	{"a file changed, and the manifest fits", careful, 8},
	{"a file deleted", delete_file, 1},
	{"a file added", add_file, 1},
	{"a file is a link", link_file, 1},
	{"two files swapped", swap_files, 1},
	{"another head of the manifest", change_head, 2},
	{"a row edited, and named", edit_row, 3},
	{"a leaf edited", edit_leaf, 3},
	{"a row lost", lose_row, 2},
	{"a leaf deleted", delete_leaf, 2},
	{"a leaf inserted", insert_leaf, 2},
	{"two leaves swapped", swap_leaves, 2},
	{"a fork under another key", fork_log, 3},
	{"a fork under the stolen key", fork_with_key, 2},
	{"a fork with old signatures", fork_without_key, 2},
	{"the tail cut, or the log rolled back", cut_tail, 3},
	{"the last checkpoint dropped", drop_last_checkpoint, 1},
	{"checkpoints changed", change_checkpoints, 3},
	{"an epoch appended", append_epoch, 2},
	{"epochs changed", change_epochs, 2},
	{"more is said to be dropped", widen_drop, 2},
	{"what was deleted is said to be dropped", invent_drop, 2},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Fewer tries need not meet a log that every kind can be done to. */
#define SHORT_RUN 1000

static size_t
any_kind(void)
{
	int all = 0;
	int at;
	size_t i = 0;

	for (size_t k = 0; k < KINDS; k++)
		all += kinds[k].share;
	at = (int) log_random((uint64_t) all);
	while (at >= kinds[i].share)
		at -= kinds[i++].share;
	return i;
}

/* A kind that was not there yet, so that a short run has all of them; else any. */
static size_t
rare_kind(const unsigned long done[KINDS])
{
	size_t first = (size_t) log_random(KINDS);

	for (size_t i = 0; i < KINDS; i++)
		if (done[(first + i) % KINDS] == 0)
			return (first + i) % KINDS;
	return any_kind();
}

int
main(int count, char **arguments)
{
	unsigned long wanted = count > 2 ? strtoul(arguments[2], NULL, 10) : 0;
	unsigned long by_program = count > 5 ? strtoul(arguments[5], NULL, 10) : 0;
	unsigned long done[KINDS] = {0};
	unsigned long missed[KINDS] = {0};
	unsigned long alarms = 0;
	unsigned long untouched = 0;
	unsigned long program_wrong = 0;
	unsigned long program_asked = 0;
	unsigned long tried_all = 0;
	int failed = 0;

	if (count >= 5 && count % 4 == 1 && strcmp(arguments[1], "export") == 0)
		return make_export(count, arguments);
	if (count != 4 && count != 6)
		return 2;
	folder = arguments[1];
	(void) snprintf(key_path, sizeof(key_path), "%s.key", folder);
	(void) snprintf(witness_path, sizeof(witness_path), "%s.witness", folder);
	log_seed(strtoull(arguments[3], NULL, 10));
	program = count == 6 ? arguments[4] : NULL;
	while (tried_all < wanted)
	{
		Case tried;
		uint64_t leaves = 3 + log_random(log_random(4) ? 40 : 400);
		int epochs = 1 + (int) log_random(3);
		uint64_t from = log_random(2) ? 0 : log_random(leaves - 1);

		/* once, two files of leaves */
		if (tried_all == 0)
			leaves = SEGMENT_LEAVES_MAX + 500, from = 300;
		begin_case(&tried, leaves, epochs, 6, log_random(2) != 0, from, log_random(2) != 0);
		for (int i = 0; i < 4; i++, untouched++)
			if (ask(&tried, i % 2 != 0, i / 2 != 0) != VERDICT_HOLDS)
			{
				alarms++;
				(void) fprintf(stderr, "# %" PRIu64 " leaves from %" PRIu64 ": %s: %s\n", leaves, from,
							   last_report.problems[0].file, last_report.problems[0].text);
			}
		for (int i = 0; i < 40 && tried_all < wanted; i++)
		{
			size_t kind = i % 2 ? rare_kind(done) : any_kind();
			Verdict verdict;

			if (!kinds[kind].tamper(&tried))
			{
				empty_folder();
				log_export(tried.log, tried.from, folder);
				continue;
			}
			tried_all++;
			done[kind]++;
			verdict = ask(&tried, true, true);
			if (verdict != VERDICT_TAMPERED)
			{
				missed[kind]++;
				(void) fprintf(stderr, "# not found (%d): %s, %" PRIu64 " leaves from %" PRIu64 ", tampering %lu\n",
							   (int) verdict, kinds[kind].name, leaves, from, tried_all);
				if (getenv("TAMPER_STOP") != NULL)
					return 1;
			}
			if (program != NULL && program_asked < by_program && log_random(wanted) < 2 * by_program)
			{
				program_asked++;
				program_wrong += ask_program() != VERDICT_TAMPERED;
			}
			empty_folder();
			log_export(tried.log, tried.from, folder);
		}
		/* the export is what it was, and so is the answer */
		untouched++;
		alarms += ask(&tried, true, true) != VERDICT_HOLDS;
		if (program != NULL)
			program_wrong += ask_program() != VERDICT_HOLDS;
		end_case(&tried);
	}
	for (size_t k = 0; k < KINDS; k++)
	{
		bool good = missed[k] == 0 && (done[k] > 0 || wanted < SHORT_RUN);

		failed += !good;
		printf("%s %zu - %s: %lu, all found\n", good ? "ok" : "not ok", k + 1, kinds[k].name, done[k]);
	}
	printf("%s %zu - %lu untouched exports hold\n", alarms == 0 && untouched > 0 ? "ok" : "not ok", KINDS + 1,
		   untouched);
	failed += alarms > 0;
	printf("%s %zu - the program says the same of %lu\n",
		   program_wrong == 0 && program_asked >= by_program / 2 ? "ok" : "not ok", KINDS + 2, program_asked);
	failed += program_wrong > 0 || program_asked < by_program / 2;
	printf("1..%zu\n", KINDS + 2);
	report_free(&last_report);
	return failed > 0;
}
