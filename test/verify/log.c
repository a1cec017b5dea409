/*
 * log.c
 *		Making a log and writing its export.  Errors of the system end the program:
 *		it is a tool of tests.
 */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

void
log_seed(uint64_t seed)
{
	state = seed * 2654435769u + 1;
}

uint64_t
log_random(uint64_t below)
{
	/* xorshift64* */
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return below == 0 ? 0 : (state * 2685821657736338717u >> 11) % below;
}

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(99);
}

static void *
memory(size_t size)
{
	void *made = calloc(1, size > 0 ? size : 1);

	must(made != NULL, "memory");
	return made;
}

LogLeaf
log_event(uint64_t index, const char *type, const char *details)
{
	Leaf leaf = {.flags = LEAF_HAS_PID | LEAF_HAS_XID,
				 .event_id = (int64_t) index * 1000 + 1000,
				 .event_time = INT64_C(848593080123456) + (int64_t) index * 1000,
				 .recorded_at = INT64_C(848593080123456) + (int64_t) index * 1001,
				 .xid = 700 + index,
				 .pid = 4711};
	char resource[64];
	LogLeaf made;

	(void) snprintf(resource, sizeof(resource), "api.units/%u", (unsigned) log_random(1u << 30));
	if (strcmp(type, "audit_disabled") == 0 || strcmp(type, "audit_enabled") == 0)
		(void) snprintf(resource, sizeof(resource), "twin_security.audit_enabled");
	leaf.text[LEAF_CLASS] = bytes_of("audit", 5);
	leaf.text[LEAF_TYPE] = bytes_of(type, strlen(type));
	leaf.text[LEAF_SEVERITY] = bytes_of("info", 4);
	leaf.text[LEAF_OUTCOME] = bytes_of("success", 7);
	leaf.text[LEAF_RESOURCE] = bytes_of(resource, strlen(resource));
	leaf.text[LEAF_USERNAME] = bytes_of("anna", 4);
	leaf.text[LEAF_DETAILS] = bytes_of(details, strlen(details));
	made.length = leaf_size(&leaf);
	made.bytes = memory(made.length);
	leaf_encode(&leaf, made.bytes);
	must(merkle_leaf(bytes_of(made.bytes, made.length), &made.hash) == TSEC_OK, "hash");
	return made;
}

/* The edge of the first leaves, by their sealed hashes. */
static void
edge_of(const Log *log, uint64_t size, MerkleEdge *edge)
{
	memset(edge, 0, sizeof(*edge));
	for (uint64_t i = 0; i < size; i++)
		must(merkle_append(edge, &log->leaves[i].hash, NULL, NULL) == TSEC_OK, "tree");
}

void
log_root(const Log *log, uint64_t size, MerkleHash *root)
{
	MerkleEdge edge;

	edge_of(log, size, &edge);
	must(merkle_root(&edge, root) == TSEC_OK, "root");
}

static const LogEpoch *
epoch_of(const Log *log, uint64_t size)
{
	int i = log->epoch_count - 1;

	while (i > 0 && log->epochs[i].first_leaf >= size)
		i--;
	return &log->epochs[i];
}

static void
sign_root(const Log *log, LogCheckpoint *checkpoint, const MerkleHash *root, const uint8_t seed[NOTE_SEED_SIZE])
{
	Checkpoint content = {.size = checkpoint->size, .root = *root};

	strcpy(content.origin, epoch_of(log, checkpoint->size)->name);
	must(note_sign(&content, seed, checkpoint->note) == TSEC_OK, "signature");
}

void
log_sign(const Log *log, LogCheckpoint *checkpoint, const uint8_t seed[NOTE_SEED_SIZE])
{
	MerkleHash root;

	log_root(log, checkpoint->size, &root);
	sign_root(log, checkpoint, &root, seed);
}

/* The event that begins an epoch: it holds the newest checkpoint before it. */
static LogLeaf
epoch_event(const Log *log, uint64_t index)
{
	char details[2 * NOTE_SIZE_MAX] = "{\"checkpoint\": \"";
	size_t length = strlen(details);
	const char *note = "";

	for (int i = 0; i < log->checkpoint_count && log->checkpoints[i].size <= index; i++)
		note = log->checkpoints[i].note;
	for (; *note != '\0'; note++)
		length += (size_t) snprintf(details + length, 3, *note == '\n' ? "\\n" : "%c", *note);
	(void) snprintf(details + length, sizeof(details) - length, "\"}");
	return log_event(index, "audit_epoch", details);
}

void
log_reseal(Log *log, uint64_t from)
{
	MerkleEdge edge;
	int next = 0;

	edge_of(log, from, &edge);
	while (next < log->checkpoint_count && log->checkpoints[next].size <= from)
		next++;
	for (uint64_t i = from; i < log->count; i++)
	{
		for (int e = 1; e < log->epoch_count; e++)
			if (log->epochs[e].first_leaf == i)
			{
				free(log->leaves[i].bytes);
				log->leaves[i] = epoch_event(log, i);
			}
		if (log->leaves[i].bytes != NULL)
			must(merkle_leaf(bytes_of(log->leaves[i].bytes, log->leaves[i].length), &log->leaves[i].hash) == TSEC_OK,
				 "hash");
		must(merkle_append(&edge, &log->leaves[i].hash, NULL, NULL) == TSEC_OK, "tree");
		for (; next < log->checkpoint_count && log->checkpoints[next].size == i + 1; next++)
		{
			MerkleHash root;

			must(merkle_root(&edge, &root) == TSEC_OK, "root");
			sign_root(log, &log->checkpoints[next], &root, epoch_of(log, i + 1)->seed);
		}
	}
}

Log *
log_make(uint64_t leaves, int epochs, int checkpoints, bool same_key)
{
	static const char *const types[] = {"update", "login_success", "permission_denied", "heartbeat"};
	Log *log = memory(sizeof(Log));

	log->leaves = memory(leaves * sizeof(LogLeaf));
	log->checkpoints = memory(LOG_CHECKPOINTS_MAX * sizeof(LogCheckpoint));
	log->count = leaves;
	for (int i = 0; i < epochs && leaves >= (uint64_t) epochs; i++)
	{
		LogEpoch *epoch = &log->epochs[log->epoch_count++];

		(void) snprintf(epoch->name, sizeof(epoch->name), "twin_security/audit/plant/%08x",
						(unsigned) log_random(1u << 31));
		must(note_make_key(epoch->seed, epoch->public_key) == TSEC_OK, "key");
		if (same_key && i > 0)
		{
			memcpy(epoch->seed, log->epochs[0].seed, sizeof(epoch->seed));
			memcpy(epoch->public_key, log->epochs[0].public_key, sizeof(epoch->public_key));
		}
		epoch->first_leaf = leaves * (uint64_t) i / (uint64_t) epochs;
	}
	for (uint64_t i = 0; i < leaves; i++)
		log->leaves[i] = log_event(i, types[log_random(4)], "{\"a\": 1}");
	for (uint64_t size = 1; size <= leaves && log->checkpoint_count < LOG_CHECKPOINTS_MAX; size++)
	{
		/* every epoch signs what it has first and last, and some of what is in between */
		bool wanted = size == leaves || log_random(leaves) < (uint64_t) checkpoints;

		for (int i = 0; i < log->epoch_count; i++)
			wanted = wanted || size == log->epochs[i].first_leaf || size == log->epochs[i].first_leaf + 1;
		if (wanted)
			log->checkpoints[log->checkpoint_count++].size = size;
	}
	log_reseal(log, 0);
	return log;
}

Log *
log_copy(const Log *log)
{
	Log *copy = memory(sizeof(Log));

	*copy = *log;
	copy->leaves = memory((log->count + 1) * sizeof(LogLeaf)); /* room for one more */
	copy->checkpoints = memory(LOG_CHECKPOINTS_MAX * sizeof(LogCheckpoint));
	memcpy(copy->checkpoints, log->checkpoints, (size_t) log->checkpoint_count * sizeof(LogCheckpoint));
	for (uint64_t i = 0; i < log->count; i++)
	{
		copy->leaves[i] = log->leaves[i];
		copy->leaves[i].bytes = memory(log->leaves[i].length);
		memcpy(copy->leaves[i].bytes, log->leaves[i].bytes, log->leaves[i].length);
	}
	return copy;
}

void
log_free(Log *log)
{
	for (uint64_t i = 0; i < log->count; i++)
		free(log->leaves[i].bytes);
	free(log->leaves);
	free(log->checkpoints);
	free(log);
}

/* ---- files ---- */

static FILE *
open_file(const char *folder, const char *name, const char *mode)
{
	char path[4096];
	FILE *file;

	(void) snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, mode);
	must(file != NULL, path);
	return file;
}

void
log_write_file(const char *folder, const char *name, const void *bytes, size_t length)
{
	FILE *file = open_file(folder, name, "wb");

	must(fwrite(bytes, 1, length, file) == length && fclose(file) == 0, name);
}

uint8_t *
log_read_file(const char *folder, const char *name, size_t *length)
{
	FILE *file = open_file(folder, name, "rb");
	uint8_t *bytes;
	long size = 0;

	must(fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0, name);
	bytes = memory((size_t) size);
	must(fread(bytes, 1, (size_t) size, file) == (size_t) size && fclose(file) == 0, name);
	*length = (size_t) size;
	return bytes;
}

void
log_write_manifest(const char *folder, const ManifestHead *head)
{
	FILE *file = open_file(folder, MANIFEST_NAME, "wb");
	uint64_t count = manifest_files(head);
	char text[MANIFEST_HEAD_MAX];

	must(fwrite(text, 1, manifest_write_head(head, text), file) > 0, MANIFEST_NAME);
	for (uint64_t i = 0; i < count; i++)
	{
		ManifestFile entry;
		SegmentHeader segment;
		uint8_t *bytes;
		size_t length;

		manifest_file_name(head, i, entry.name, &segment);
		bytes = log_read_file(folder, entry.name, &length);
		entry.bytes = length;
		must(digest_sha256(bytes_of(bytes, length), entry.sha256) == TSEC_OK, "digest");
		free(bytes);
		must(fwrite(text, 1, manifest_write_file(&entry, i + 1 == count, text), file) > 0, MANIFEST_NAME);
	}
	must(fputs(MANIFEST_TAIL, file) >= 0 && fclose(file) == 0, MANIFEST_NAME);
}

static void
write_segment(const Log *log, const char *folder, const char *name, const SegmentHeader *header)
{
	FILE *file = open_file(folder, name, "wb");
	uint8_t begin[SEGMENT_RECORD_SIZE];

	segment_write_header(header, begin);
	must(fwrite(begin, 1, SEGMENT_HEADER_SIZE, file) == SEGMENT_HEADER_SIZE, name);
	for (uint64_t i = header->first; i < header->first + header->count; i++)
	{
		SegmentRecord record = {log->leaves[i].hash, bytes_of(log->leaves[i].bytes, log->leaves[i].length)};

		if (log_is_dropped(log, i))
			record.leaf = bytes_of(NULL, 0);

		segment_write_record(&record, begin);
		must(fwrite(begin, 1, SEGMENT_RECORD_SIZE, file) == SEGMENT_RECORD_SIZE, name);
		must(record.leaf.data == NULL || fwrite(record.leaf.data, 1, record.leaf.length, file) == record.leaf.length,
			 name);
	}
	must(fclose(file) == 0, name);
}

/* Whether a leaf's event went with its partition. */
bool
log_is_dropped(const Log *log, uint64_t index)
{
	return log->drop_event > 0 && index >= log->drop_first && index < log->drop_first + log->drop_leaves;
}

static void
put_run(void *argument, const uint8_t *bytes, size_t length)
{
	LogSet *set = argument;

	memcpy(set->bytes + set->length, bytes, length);
	set->length += length;
}

static LogSet
dropped_set(const Log *log)
{
	LogSet set = {.length = LEAFSET_HEADER_SIZE};
	LeafSetWriter writer;

	leafset_begin(&writer, put_run, &set);
	must(leafset_add(&writer, log->drop_first, log->drop_leaves), "set");
	leafset_end(&writer, set.bytes);
	return set;
}

void
log_drop(Log *log, uint64_t first, uint64_t leaves, uint64_t event)
{
	char details[512];
	char hex[2 * DIGEST_SIZE + 1];
	uint8_t digest[DIGEST_SIZE];
	LogSet set;

	log->drop_first = first;
	log->drop_leaves = leaves;
	log->drop_event = event;
	set = dropped_set(log);
	must(digest_sha256(bytes_of(set.bytes, set.length), digest) == TSEC_OK, "digest");
	for (int i = 0; i < DIGEST_SIZE; i++)
		(void) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	(void) snprintf(details, sizeof(details),
					"{\"rows\": \"1\", \"leaves\": \"%llu\", \"partition\": \"twin_internal.events_audit_2019_11\", "
					"\"last_leaf\": \"%llu\", \"first_leaf\": \"%llu\", \"leaf_set_sha256\": \"%s\"}",
					(unsigned long long) leaves, (unsigned long long) (first + leaves - 1),
					(unsigned long long) first, hex);
	free(log->leaves[event].bytes);
	log->leaves[event] = log_event(event, "partition_dropped", details);
	log_reseal(log, first);
}

static void
write_dropped(const Log *log, uint64_t from, const char *folder)
{
	FILE *file = open_file(folder, MANIFEST_DROPPED, "wb");
	uint8_t begin[DROPPED_RECORD_SIZE];

	dropped_write_header(begin);
	must(fwrite(begin, 1, DROPPED_HEADER_SIZE, file) == DROPPED_HEADER_SIZE, MANIFEST_DROPPED);
	if (log->drop_event > 0 && log->drop_event < log->count && log->drop_first + log->drop_leaves > from)
	{
		LogSet set = dropped_set(log);
		const LogLeaf *event = &log->leaves[log->drop_event];
		DroppedRecord record = {.event_leaf = log->drop_event,
								.event = bytes_of(event->bytes, event->length),
								.set = bytes_of(set.bytes, set.length)};

		dropped_write_record(&record, begin);
		must(fwrite(begin, 1, sizeof(begin), file) == sizeof(begin) &&
				 (event->bytes == NULL || fwrite(event->bytes, 1, event->length, file) == event->length) &&
				 fwrite(set.bytes, 1, set.length, file) == set.length,
			 MANIFEST_DROPPED);
	}
	must(fclose(file) == 0, MANIFEST_DROPPED);
}

void
log_export(const Log *log, uint64_t from, const char *folder)
{
	ManifestHead head = {.first_leaf = from, .leaves = log->count - from};
	FILE *notes = open_file(folder, MANIFEST_CHECKPOINTS, "wb");
	FILE *keys = open_file(folder, MANIFEST_KEYS, "wb");
	bool is_first = true;

	edge_of(log, from, &head.left);
	for (uint64_t i = 0; i < manifest_segments(&head); i++)
	{
		char name[MANIFEST_NAME_SIZE];
		SegmentHeader segment;

		manifest_file_name(&head, i, name, &segment);
		write_segment(log, folder, name, &segment);
	}
	for (int i = 0; i < log->checkpoint_count; i++)
		if (log->checkpoints[i].size >= from)
			must(fputs(log->checkpoints[i].note, notes) >= 0, MANIFEST_CHECKPOINTS);
	for (int i = 0; i < log->epoch_count; i++)
	{
		char key[NOTE_KEY_SIZE_MAX];
		const LogEpoch *epoch = &log->epochs[i];

		/* the epochs whose checkpoints are here */
		if (i + 1 < log->epoch_count && log->epochs[i + 1].first_leaf < from)
			continue;
		must(note_write_key(epoch->name, epoch->public_key, key) == TSEC_OK, "key");
		must(fprintf(keys, "%llu %s\n", (unsigned long long) (is_first ? from : epoch->first_leaf), key) > 0,
			 MANIFEST_KEYS);
		is_first = false;
	}
	must(fclose(notes) == 0 && fclose(keys) == 0, "export");
	write_dropped(log, from, folder);
	log_write_manifest(folder, &head);
}
