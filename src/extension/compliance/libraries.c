/*
 * libraries.c
 *		What this extension runs on: versions as the loaded libraries say them,
 *		and those of the headers it was built with.
 *
 * Some libraries cannot say their version; then it is what the name of the loaded
 * file ends in, which is their interface's.
 */
#include "compliance/compliance.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include <crypt.h>
#include <dlfcn.h>
#include <openssl/crypto.h>
#include <zstd.h>
#include <zxcvbn.h>

/* The server declares a function of this name, too; neither is called here. */
#define json_object json_object_of_jansson
#include <jansson.h>
#undef json_object

PG_FUNCTION_INFO_V1(tsec_loaded_libraries);

typedef struct Library
{
	const char *product;
	const char *version;    /* NULL: it does not say */
	const char *built_with; /* NULL: its headers do not say */
	uintptr_t function;     /* where one of its own is loaded; 0: none is known */
	const char *path;       /* where no function is known */
} Library;

/* The file that a library was loaded from, with all of its version; NULL when it is not a file. */
static char *
file_of(const Library *library)
{
	const char *path = library->path;
	Dl_info where;
	char *resolved;
	char *name;

	if (library->function != 0)
		path = dladdr((void *) library->function, &where) != 0 ? where.dli_fname : NULL;
	if (path == NULL)
		return NULL;
	resolved = realpath(path, NULL); /* of malloc(): it may be longer than MAXPGPATH */
	name = pstrdup(resolved != NULL ? resolved : path);
	free(resolved);
	return last_dir_separator(name) != NULL ? last_dir_separator(name) + 1 : name;
}

/* What follows ".so." in a file's name; NULL when nothing does. */
static const char *
version_of_file(const char *file)
{
	const char *suffix = file != NULL ? strstr(file, ".so.") : NULL;

	return suffix != NULL ? suffix + 4 : NULL;
}

static void
put_library(FunctionCallInfo fcinfo, const Library *library)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *file = file_of(library);
	const char *columns[4] = {library->product, library->version, library->built_with, file};
	Datum values[4] = {0};
	bool nulls[4];

	if (columns[1] == NULL)
		columns[1] = version_of_file(file);
	for (int i = 0; i < 4; i++)
	{
		nulls[i] = columns[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(columns[i]);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* loaded_libraries() -> (product text, version text, built_with text, file text) */
Datum
tsec_loaded_libraries(PG_FUNCTION_ARGS)
{
	const Library libraries[] = {
		{"postgresql", GetConfigOption("server_version", false, false), PG_VERSION, 0, NULL},
		{"openssl", OpenSSL_version(OPENSSL_VERSION_STRING), OPENSSL_VERSION_STR, (uintptr_t) OpenSSL_version, NULL},
		{"libxcrypt", NULL, XCRYPT_VERSION_STR, (uintptr_t) crypt_r, NULL},
		{"zxcvbn", NULL, NULL, (uintptr_t) ZxcvbnMatch, NULL},
		{"jansson", jansson_version_str(), JANSSON_VERSION, (uintptr_t) jansson_version_str, NULL},
		{"libzstd", ZSTD_versionString(), ZSTD_VERSION_STRING, (uintptr_t) ZSTD_versionString, NULL},
		{"libjwt", NULL, NULL, 0, token_libjwt_path()},
	};

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(libraries); i++)
		if (libraries[i].version != NULL || libraries[i].function != 0 || libraries[i].path != NULL)
			put_library(fcinfo, &libraries[i]);
	return (Datum) 0;
}
