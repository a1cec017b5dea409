/*
 * archive_read.c
 *		What archives hold, as rows of jsonb, for who may read it; and which archives
 *		there are.
 *
 * These run as whoever asks: an encrypted archive opens for who may decrypt with
 * its key, as a column does.  Nothing is given out before all of the archive was
 * read and proven.
 */
#include "retention/archive.h"

#include "catalog/namespace.h"
#include "common/archive_key.h"
#include "common/jsonscan.h"
#include "common/jsonwrite.h"
#include "common/leaf.h"
#include "common/secret.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include <sys/stat.h>

PG_FUNCTION_INFO_V1(tsec_read_archive);
PG_FUNCTION_INFO_V1(tsec_export_archive_key);
PG_FUNCTION_INFO_V1(tsec_archives);

/* ---- who may ---- */

static void
refuse(const char *name, const char *why)
{
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for archive \"%s\"", name),
					errdetail_internal("%s", why)));
}

/* The table whose rows were archived, if it is still there. */
static Oid
table_of(const ArchiveManifest *manifest)
{
	const char *name = pg_any_to_server(manifest->relation, (int) strlen(manifest->relation), PG_UTF8);
	List *names;

	/* it was quoted when it was written, and may have been edited since */
	if (!SplitIdentifierString(pstrdup(name), '.', &names) || list_length(names) != 2)
		return InvalidOid;
	return get_relname_relid(lsecond(names), get_namespace_oid(linitial(names), true));
}

/* Archives of the log are for who reads the log; rows of a table for administrators who may read all of the table. */
static void
check_reader(const char *name, const ArchiveManifest *manifest)
{
	Oid table;

	if (superuser())
		return;
	if (!archive_is_own(manifest))
		refuse(name, "It is not of this database's log.");
	if (manifest->kind == ARCHIVE_LEAVES)
		return;
	if (!has_privs_of_role(GetUserId(), get_role_oid("twin_admin", false)))
		refuse(name, "It holds rows of a table, which administrators read.");
	table = table_of(manifest);
	if (OidIsValid(table) && (pg_class_aclcheck(table, GetUserId(), ACL_SELECT) != ACLCHECK_OK ||
							  check_enable_rls(table, GetUserId(), true) == RLS_ENABLED))
		refuse(name, "It holds rows of a table that the current role may not read as a whole.");
}

/* ---- rows ---- */

/* Whether a type's values are JSON as they are printed. */
static bool
is_json_type(const char *type)
{
	static const char *const types[] = {"smallint", "integer",          "bigint", "numeric",
										"real",     "double precision", "json",   "jsonb"};
	size_t length = strcspn(type, "(");

	for (int i = 0; i < (int) lengthof(types); i++)
		/* public: names of types */
		if (strlen(types[i]) == length && strncmp(types[i], type, length) == 0)
			return true;
	return false;
}

static void
write_value(JsonWriter *writer, const char *type, Bytes value)
{
	if (value.data == NULL)
		jsonwrite_text(writer, "null");
	else if (strcmp(type, "boolean") == 0) /* public: the name of a type */
		jsonwrite_text(writer, value.length == 1 && value.data[0] == 't' ? "true" : "false");
	else if (is_json_type(type) && jsonscan_valid(value)) /* NaN and infinities are none */
		jsonwrite_bytes(writer, (const char *) value.data, value.length);
	else
		jsonwrite_string(writer, value);
}

static void
write_row(JsonWriter *writer, const ArchiveManifest *manifest, Bytes row)
{
	jsonwrite_begin(writer);
	for (int i = 0; i < manifest->column_count; i++)
	{
		const ArchiveColumn *column = &manifest->columns[i];
		Bytes value;

		if (!archive_get_column(&row, &value))
			break;
		jsonwrite_name(writer, bytes_of(column->name, strlen(column->name)));
		write_value(writer, column->type, value);
	}
	jsonwrite_end(writer);
}

/* A leaf as twin.audit_log has it. */
static void
write_leaf(JsonWriter *writer, uint64 index, Bytes bytes)
{
	Leaf leaf;
	size_t room;
	char *json;

	jsonwrite_begin(writer);
	jsonwrite_name(writer, bytes_of("leaf_index", 10));
	jsonwrite_unsigned(writer, index);
	if (!leaf_decode(bytes, &leaf))
	{
		jsonwrite_name(writer, bytes_of("leaf", 4));
		jsonwrite_base64(writer, bytes);
		jsonwrite_end(writer);
		return;
	}
	room = leaf_json(&leaf, NULL, 0);
	json = MemoryContextAllocHuge(CurrentMemoryContext, room);
	(void) leaf_json(&leaf, json, room);
	/* its members behind ours */
	jsonwrite_text(writer, ",");
	jsonwrite_bytes(writer, json + 1, room - 1);
}

static void
write_record(JsonWriter *writer, const ArchiveInput *input, const ArchiveRecord *record)
{
	if (record->kind == ARCHIVE_ROW)
		write_row(writer, &input->manifest, record->bytes);
	else
		write_leaf(writer, input->judge.tally.edge.size - 1, record->bytes);
}

static Datum
jsonb_of(const ArchiveInput *input, const ArchiveRecord *record)
{
	JsonWriter writer = {.room = 0};
	char *text;

	write_record(&writer, input, record);
	if (writer.length >= MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("a row of the archive is too long for jsonb")));
	text = palloc(writer.length + 1);
	writer = (JsonWriter){.to = text, .room = writer.length};
	write_record(&writer, input, record);
	text[writer.length] = '\0';
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(pg_any_to_server(text, (int) writer.length, PG_UTF8)));
}

static void
tell(const char *name, const ArchiveInput *input)
{
	char details[512] = "";
	char rows[24];
	SecurityEvent event = {.type = "archive_read",
						   .class = EVENT_ACCESS,
						   .severity = EVENT_LOW,
						   .action = "read_archive",
						   .resource = name,
						   .details = details};

	snprintf(rows, sizeof(rows), UINT64_FORMAT, archive_tally_rows(&input->judge.tally));
	(void) event_json_add(details, sizeof(details), "rows", rows);
	(void) event_json_add(details, sizeof(details), "relation", input->manifest.relation);
	(void) event_emit(&event);
}

/* read_archive(file) -> setof jsonb */
Datum
tsec_read_archive(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(outer, "archive", ALLOCSET_DEFAULT_SIZES);
	MemoryContext of_row = AllocSetContextCreate(context, "row of an archive", ALLOCSET_DEFAULT_SIZES);
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ArchiveInput *input;
	ArchiveRecord record;
	const char *reason;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	MemoryContextSwitchTo(context);
	input = archive_input_open(name);
	if (input->fault == NULL)
		check_reader(name, &input->manifest);
	archive_input_unseal(input, true);
	if (archive_input_begin(input))
		while (archive_judge_next(&input->judge, &record))
		{
			Datum value;
			bool null = false;

			if (record.kind == ARCHIVE_GAP)
				continue;
			MemoryContextSwitchTo(of_row);
			value = jsonb_of(input, &record);
			tuplestore_putvalues(result->setResult, result->setDesc, &value, &null);
			MemoryContextSwitchTo(context);
			MemoryContextReset(of_row);
		}
	reason = archive_input_end(input);
	if (reason != NULL)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("archive \"%s\" cannot be read", name),
						errdetail_internal("%s.", reason)));
	tell(name, input);
	archive_input_close(input);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return (Datum) 0;
}

/* ---- what reads one elsewhere ---- */

/* export_archive_key(file) -> text */
Datum
tsec_export_archive_key(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ArchiveInput *input = archive_input_open(name);
	const char *fault = input->fault;
	uint8 key[AEAD_KEY_SIZE];
	text *result;

	if (fault == NULL)
	{
		check_reader(name, &input->manifest);
		if (!archive_header(input->reader)->is_sealed)
		{
			archive_input_close(input);
			PG_RETURN_NULL();
		}
		fault = input->manifest.key_name == NULL
					? "its manifest names no key"
					: archive_secret_open(&input->manifest, archive_header(input->reader), true, key);
	}
	if (fault != NULL)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("the key of archive \"%s\" cannot be exported", name),
						errdetail_internal("%s.", fault)));
	result = palloc(VARHDRSZ + ARCHIVE_KEY_TEXT);
	SET_VARSIZE(result, VARHDRSZ + ARCHIVE_KEY_TEXT);
	archive_key_write(archive_header(input->reader)->identity, key, VARDATA(result));
	secret_wipe(key, sizeof(key));
	archive_input_close(input);
	(void) event_emit(&(SecurityEvent){.type = "archive_key_exported",
									   .class = EVENT_AUDIT,
									   .severity = EVENT_HIGH,
									   .action = "export_archive_key",
									   .resource = name});
	PG_RETURN_TEXT_P(result);
}

/* ---- which there are ---- */

static void
put_time(const char *text, Datum *value, bool *null)
{
	int64 time = 0;

	*null = text == NULL || !archive_time(text, &time);
	*value = TimestampTzGetDatum(time);
}

static Datum
server_text(const char *utf8)
{
	return CStringGetTextDatum(pg_any_to_server(utf8, (int) strlen(utf8), PG_UTF8));
}

/* Adds the archive of a manifest, where it is one of this database. */
static void
list_archive(const char *base, const char *name, ReturnSetInfo *result)
{
	ArchiveInput input = {.has_manifest = false, .file = -1};
	const ArchiveManifest *manifest = &input.manifest;
	char path[MAXPGPATH + ARCHIVE_FILE_NAME_SIZE];
	struct stat status;
	Datum values[12] = {0};
	bool nulls[12] = {false};
	bytea *sha256 = palloc(VARHDRSZ + DIGEST_SIZE);

	strlcpy(input.base, base, sizeof(input.base));
	if (!archive_name_valid(name))
		return;
	if (!archive_input_manifest(&input, name))
		ereport(WARNING, (errmsg("archive \"%s\" is left out", name), errdetail_internal("%s.", input.fault)));
	else if (archive_is_own(manifest) || superuser())
	{
		snprintf(path, sizeof(path), "%s/%s", base, name);
		SET_VARSIZE(sha256, VARHDRSZ + DIGEST_SIZE);
		memcpy(VARDATA(sha256), manifest->sha256, DIGEST_SIZE);
		values[0] = CStringGetTextDatum(name);
		values[1] = server_text(manifest->relation);
		values[2] = server_text(manifest->partition);
		put_time(manifest->from, &values[3], &nulls[3]);
		put_time(manifest->to, &values[4], &nulls[4]);
		values[5] = Int64GetDatum((int64) archive_manifest_rows(manifest));
		values[6] = Int64GetDatum((int64) manifest->bytes);
		values[7] = BoolGetDatum(manifest->key_name != NULL);
		values[8] = PointerGetDatum(sha256);
		values[9] = BoolGetDatum(lstat(path, &status) == 0 && S_ISREG(status.st_mode));
		nulls[10] = nulls[11] = manifest->key_name == NULL;
		if (manifest->key_name != NULL)
		{
			values[10] = server_text(manifest->key_name);
			values[11] = Int32GetDatum(manifest->key_version);
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	if (input.has_manifest)
		archive_manifest_free(&input.manifest);
}

/* archives() -> (file, relation, partition_name, from_time, to_time, rows, bytes, encrypted, sha256, present, key_name, key_version) */
Datum
tsec_archives(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(outer, "archive", ALLOCSET_DEFAULT_SIZES);
	char base[MAXPGPATH];
	DIR *entries;
	struct dirent *entry;

	InitMaterializedSRF(fcinfo, 0);
	archive_find_folder(base);
	entries = AllocateDir(base);
	while ((entry = ReadDir(entries, base)) != NULL)
	{
		size_t length = strlen(entry->d_name);
		size_t suffix = strlen(ARCHIVE_MANIFEST_SUFFIX);

		CHECK_FOR_INTERRUPTS();
		/* public: names of files */
		if (length <= suffix || strcmp(entry->d_name + length - suffix, ARCHIVE_MANIFEST_SUFFIX) != 0)
			continue;
		MemoryContextSwitchTo(context);
		list_archive(base, psprintf("%.*s" ARCHIVE_SUFFIX, (int) (length - suffix), entry->d_name), result);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
	}
	FreeDir(entries);
	MemoryContextDelete(context);
	return (Datum) 0;
}
