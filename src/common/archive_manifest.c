/*
 * archive_manifest.c
 *		Writing and reading of an archive's manifest.
 */
#include "archive_manifest.h"

#include "encode.h"
#include "jsonwrite.h"
#include "strictjson.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT "twin_security archive"
#define VERSION 1
#define DEPTH_MAX 3
#define VALUES_MAX (2 * ARCHIVE_COLUMNS_MAX + 200)

/* ---- writing ---- */

static Bytes
text_of(const char *text)
{
	return bytes_of(text, strlen(text));
}

/* Begins a member, in a line of its own. */
static void
put_member(JsonWriter *writer, const char *name)
{
	jsonwrite_text(writer, writer->in_first ? "\n" : ",\n");
	writer->in_first = true;
	jsonwrite_name(writer, text_of(name));
}

static void
put_text(JsonWriter *writer, const char *name, const char *text)
{
	put_member(writer, name);
	if (text == NULL)
		jsonwrite_text(writer, "null");
	else
		jsonwrite_string(writer, text_of(text));
}

static void
put_number(JsonWriter *writer, const char *name, uint64_t number)
{
	put_member(writer, name);
	jsonwrite_unsigned(writer, number);
}

/* A number, a digest or a hash that archives of the other kind do not have. */
static void
put_number_if(JsonWriter *writer, bool there_is, const char *name, uint64_t number)
{
	if (there_is)
		put_number(writer, name, number);
	else
		put_text(writer, name, NULL);
}

static void
put_digest_if(JsonWriter *writer, bool there_is, const char *name, const uint8_t digest[DIGEST_SIZE])
{
	put_member(writer, name);
	if (there_is)
		jsonwrite_hex(writer, "", bytes_of(digest, DIGEST_SIZE));
	else
		jsonwrite_text(writer, "null");
}

static void
put_subtree(JsonWriter *writer, const ArchiveManifest *manifest)
{
	if (manifest->leaves == 0)
	{
		put_text(writer, "subtree", NULL);
		return;
	}
	put_member(writer, "subtree");
	jsonwrite_begin(writer);
	jsonwrite_name(writer, text_of("first"));
	jsonwrite_unsigned(writer, manifest->subtree_first);
	jsonwrite_name(writer, text_of("leaves"));
	jsonwrite_unsigned(writer, manifest->subtree_leaves);
	jsonwrite_name(writer, text_of("root"));
	jsonwrite_base64(writer, bytes_of(manifest->subtree_root.bytes, DIGEST_SIZE));
	jsonwrite_end(writer);
}

static void
put_columns(JsonWriter *writer, const ArchiveManifest *manifest)
{
	put_member(writer, "columns");
	jsonwrite_text(writer, "[");
	for (int i = 0; i < manifest->column_count; i++)
	{
		jsonwrite_text(writer, i == 0 ? "" : ",");
		jsonwrite_begin(writer);
		jsonwrite_name(writer, text_of("name"));
		jsonwrite_string(writer, text_of(manifest->columns[i].name));
		jsonwrite_name(writer, text_of("type"));
		jsonwrite_string(writer, text_of(manifest->columns[i].type));
		jsonwrite_end(writer);
	}
	jsonwrite_text(writer, "]");
}

static void
put_encryption(JsonWriter *writer, const ArchiveManifest *manifest)
{
	if (manifest->key_name == NULL)
	{
		put_text(writer, "encryption", NULL);
		return;
	}
	put_member(writer, "encryption");
	jsonwrite_begin(writer);
	jsonwrite_name(writer, text_of("key"));
	jsonwrite_string(writer, text_of(manifest->key_name));
	jsonwrite_name(writer, text_of("version"));
	jsonwrite_signed(writer, manifest->key_version);
	jsonwrite_name(writer, text_of("key_id"));
	jsonwrite_unsigned(writer, manifest->key_id);
	jsonwrite_name(writer, text_of("wrapped"));
	jsonwrite_base64(writer, bytes_of(manifest->wrapped, manifest->wrapped_length));
	jsonwrite_end(writer);
}

size_t
archive_manifest_write(const ArchiveManifest *manifest, char *to, size_t room)
{
	JsonWriter writer = {.to = to, .room = room};
	bool of_leaves = manifest->kind == ARCHIVE_LEAVES;

	jsonwrite_begin(&writer);
	put_text(&writer, "format", FORMAT);
	put_number(&writer, "version", VERSION);
	put_text(&writer, "kind", of_leaves ? "leaves" : "rows");
	put_text(&writer, "database", manifest->database);
	put_text(&writer, "log", manifest->log);
	put_text(&writer, "schema", manifest->schema);
	put_text(&writer, "partition", manifest->partition);
	put_text(&writer, "relation", manifest->relation);
	put_text(&writer, "time_column", manifest->time_column);
	put_text(&writer, "from", manifest->from);
	put_text(&writer, "to", manifest->to);
	put_number(&writer, "number", (uint64_t) manifest->number);
	put_number(&writer, "rows", manifest->rows);
	put_number_if(&writer, of_leaves, "leaves", manifest->leaves);
	put_number_if(&writer, of_leaves, "first_leaf", manifest->first_leaf);
	put_number_if(&writer, of_leaves, "last_leaf", manifest->last_leaf);
	put_digest_if(&writer, of_leaves, "leaf_set_sha256", manifest->leaf_set_sha256);
	put_subtree(&writer, manifest);
	put_digest_if(&writer, !of_leaves, "root", manifest->root.bytes);
	put_text(&writer, "checkpoint", manifest->checkpoint);
	put_text(&writer, "public_key", manifest->public_key);
	put_columns(&writer, manifest);
	put_text(&writer, "compression", "zstd");
	put_encryption(&writer, manifest);
	put_number(&writer, "bytes", manifest->bytes);
	put_digest_if(&writer, true, "sha256", manifest->sha256);
	jsonwrite_text(&writer, "\n");
	jsonwrite_end(&writer);
	jsonwrite_text(&writer, "\n");
	return writer.length;
}

/* ---- reading: members as far as they are there; that nothing else is, the comparison says ---- */

static uint64_t
get_number(const json_t *object, const char *name)
{
	json_int_t number = json_integer_value(json_object_get(object, name));

	return number < 0 ? 0 : (uint64_t) number;
}

static int
hex_value(char digit)
{
	return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : 0;
}

static void
get_digest(const json_t *object, const char *name, uint8_t digest[DIGEST_SIZE])
{
	const char *text = strictjson_text(object, name);

	if (text == NULL || strlen(text) != 2 * DIGEST_SIZE)
		return;
	for (int i = 0; i < DIGEST_SIZE; i++)
		digest[i] = (uint8_t) (hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
}

/* Bytes that stand as base64; 0 where they do not, or are more than the room. */
static size_t
get_base64(const json_t *object, const char *name, uint8_t *to, size_t room)
{
	const char *text = strictjson_text(object, name);
	uint8_t bytes[ARCHIVE_WRAPPED_MAX + 3];
	size_t length;

	if (text == NULL || decode_base64_bound(strlen(text)) > sizeof(bytes) ||
		decode_base64(text, strlen(text), bytes, &length) != TSEC_OK || length > room)
		return 0;
	memcpy(to, bytes, length);
	return length;
}

static bool
get_columns(const json_t *root, ArchiveManifest *manifest)
{
	const json_t *columns = json_object_get(root, "columns");
	size_t count = json_array_size(columns);
	ArchiveColumn *made;

	if (count > ARCHIVE_COLUMNS_MAX)
		return false;
	made = calloc(count + 1, sizeof(ArchiveColumn));
	if (made == NULL)
	{
		manifest->ran_out = true;
		return false;
	}
	manifest->owned_columns = made;
	manifest->columns = made;
	manifest->column_count = (int) count;
	for (size_t i = 0; i < count; i++)
	{
		const json_t *column = json_array_get(columns, i);

		made[i].name = strictjson_text(column, "name");
		made[i].type = strictjson_text(column, "type");
		if (made[i].name == NULL || made[i].type == NULL)
			return false;
	}
	return true;
}

static void
get_encryption(const json_t *root, ArchiveManifest *manifest)
{
	const json_t *encryption = json_object_get(root, "encryption");

	manifest->key_name = strictjson_text(encryption, "key");
	manifest->key_version = (int) get_number(encryption, "version");
	manifest->key_id = (uint32_t) get_number(encryption, "key_id");
	manifest->wrapped_length = get_base64(encryption, "wrapped", manifest->wrapped, sizeof(manifest->wrapped));
}

static void
get_members(const json_t *root, ArchiveManifest *manifest)
{
	const char *kind = strictjson_text(root, "kind");
	const json_t *subtree = json_object_get(root, "subtree");

	manifest->kind = kind != NULL && strcmp(kind, "rows") == 0 ? ARCHIVE_ROWS : ARCHIVE_LEAVES; /* public: a word */
	manifest->database = strictjson_text(root, "database");
	manifest->log = strictjson_text(root, "log");
	manifest->schema = strictjson_text(root, "schema");
	manifest->partition = strictjson_text(root, "partition");
	manifest->relation = strictjson_text(root, "relation");
	manifest->time_column = strictjson_text(root, "time_column");
	manifest->from = strictjson_text(root, "from");
	manifest->to = strictjson_text(root, "to");
	manifest->number = (int) get_number(root, "number");
	manifest->rows = get_number(root, "rows");
	manifest->leaves = get_number(root, "leaves");
	manifest->first_leaf = get_number(root, "first_leaf");
	manifest->last_leaf = get_number(root, "last_leaf");
	get_digest(root, "leaf_set_sha256", manifest->leaf_set_sha256);
	manifest->subtree_first = get_number(subtree, "first");
	manifest->subtree_leaves = get_number(subtree, "leaves");
	(void) get_base64(subtree, "root", manifest->subtree_root.bytes, DIGEST_SIZE);
	get_digest(root, "root", manifest->root.bytes);
	manifest->checkpoint = strictjson_text(root, "checkpoint");
	manifest->public_key = strictjson_text(root, "public_key");
	get_encryption(root, manifest);
	manifest->bytes = get_number(root, "bytes");
	get_digest(root, "sha256", manifest->sha256);
}

/* A time, or none. */
static bool
is_time(const char *text)
{
	int64_t time;

	return text == NULL || archive_time(text, &time);
}

static bool
is_sound(const ArchiveManifest *manifest)
{
	if (manifest->database == NULL || manifest->schema == NULL || manifest->partition == NULL ||
		manifest->relation == NULL || !is_time(manifest->from) || !is_time(manifest->to) || manifest->number < 1 ||
		manifest->number > ARCHIVE_NUMBER_MAX || (manifest->key_name != NULL && manifest->wrapped_length == 0))
		return false;
	if (manifest->kind == ARCHIVE_ROWS)
		return manifest->checkpoint == NULL && manifest->public_key == NULL;
	return manifest->checkpoint != NULL && manifest->public_key != NULL && manifest->column_count == 0 &&
		   manifest->time_column == NULL && manifest->first_leaf <= manifest->last_leaf &&
		   manifest->last_leaf < MERKLE_SIZE_MAX && (manifest->leaves > 0 || manifest->last_leaf == 0);
}

bool
archive_manifest_read(Bytes text, ArchiveManifest *manifest)
{
	json_t *root = NULL;
	char *again = NULL;
	bool is_one = false;

	memset(manifest, 0, sizeof(*manifest));
	if (text.length > ARCHIVE_MANIFEST_MAX)
		return false;
	root = strictjson_object((const char *) text.data, text.length, DEPTH_MAX, VALUES_MAX);
	again = malloc(text.length + 1);
	manifest->ran_out = again == NULL || (root == NULL && strictjson_failure(TSEC_OK) == TSEC_NO_MEMORY);
	if (root != NULL && again != NULL)
	{
		manifest->owned = root;
		get_members(root, manifest);
		is_one = get_columns(root, manifest) && is_sound(manifest) &&
				 archive_manifest_write(manifest, again, text.length) == text.length &&
				 memcmp(again, text.data, text.length) == 0; /* public: a manifest */
	}
	free(again);
	if (root != NULL && manifest->owned == NULL)
		json_decref(root);
	if (!is_one)
		archive_manifest_free(manifest);
	return is_one;
}

void
archive_manifest_free(ArchiveManifest *manifest)
{
	if (manifest->owned != NULL)
		json_decref(manifest->owned);
	free(manifest->owned_columns);
	manifest->owned = NULL;
	manifest->owned_columns = NULL;
}
