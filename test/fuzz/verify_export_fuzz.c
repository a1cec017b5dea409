/*
 * verify_export_fuzz.c
 *		Exports of the audit log, as an auditor is given them: files one after another.
 *
 * What is said to hold, under the key that the auditor trusts, shows events of the
 * one log that was ever signed with it and no others, each at its place.
 */
#define FUZZ_LENGTH_MAX 16384
#define _GNU_SOURCE
#include "made_log.h"

#include <inttypes.h>

/* The file of a number: the four that every export has, and segments by their first leaf. */
static void
name_file(uint8_t which, char name[MANIFEST_NAME_SIZE])
{
	static const char *const names[] = {MANIFEST_NAME, MANIFEST_CHECKPOINTS, MANIFEST_KEYS, MANIFEST_DROPPED};

	if (which < 4)
		strcpy(name, names[which]);
	else
		(void) snprintf(name, MANIFEST_NAME_SIZE, "leaves-%019u.seg", which - 4u);
}

/* Each line is {"leaf_index":N, and an event as leaf_json() writes it. */
static void
check_events(const Log *log, const char *events)
{
	for (const char *line = events; *line != '\0'; line = strchr(line, '\n') + 1)
	{
		Leaf leaf;
		char json[2048];
		char expected[2048];
		uint64_t index;
		size_t length;

		MUST(sscanf(line, "{\"leaf_index\":%" SCNu64 ",", &index) == 1 && index < MADE_LEAVES);
		MUST(leaf_decode(bytes_of(log->leaves[index].bytes, log->leaves[index].length), &leaf));
		length = leaf_json(&leaf, json, sizeof(json));
		MUST(length < sizeof(json));
		length = (size_t) snprintf(expected, sizeof(expected), "{\"leaf_index\":%" PRIu64 ",%.*s\n", index,
								   (int) length - 1, json + 1);
		MUST(strncmp(line, expected, length) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Log *log;
	static VerifyKey key;
	Bytes input = bytes_of(data, size);
	Bytes piece;
	uint8_t which;
	char *events = NULL;
	size_t length = 0;
	VerifyOptions options = {.folder = made_folder(), .keys = {&key, 1}};
	Report report = {0};

	if (log == NULL)
	{
		log = made_log();
		key = made_key(log);
	}
	while (made_piece(&input, &which, &piece))
	{
		char name[MANIFEST_NAME_SIZE];

		name_file(which, name);
		log_write_file(options.folder, name, piece.data, piece.length);
	}
	options.events = open_memstream(&events, &length);
	MUST(options.events != NULL);
	verify_export(&options, &report);
	MUST(fclose(options.events) == 0);
	MUST((report.verdict == VERDICT_HOLDS) == (report.problem_count == 0));
	MUST(report.unproven_count <= UNPROVEN_MAX && report.verdict != VERDICT_USAGE);
	if (report.verdict == VERDICT_HOLDS && report.unproven_count == 0)
	{
		MUST(report.first_leaf + report.leaves <= MADE_LEAVES);
		check_events(log, events);
	}
	report_free(&report);
	free(events);
	return 0;
}
