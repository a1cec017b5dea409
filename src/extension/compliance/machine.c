/*
 * machine.c
 *		What a security check has to know of the machine and SQL does not show:
 *		who may touch a file, which OpenSSL is loaded, what the server's
 *		certificate is good for.  Nothing here tells what a file holds.
 */
#include "compliance/compliance.h"

#include "access/htup_details.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

PG_FUNCTION_INFO_V1(tsec_file_facts);
PG_FUNCTION_INFO_V1(tsec_openssl_version);
PG_FUNCTION_INFO_V1(tsec_certificate_facts);

static Datum
row_of(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc shape;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls));
}

/* An absolute path; a relative one is one of the data folder's, which the server works in. */
static char *
path_argument(FunctionCallInfo fcinfo)
{
	char *path = text_to_cstring(PG_GETARG_TEXT_PP(0));

	canonicalize_path(path);
	return path;
}

/* file_facts(path text) -> (mode integer, is_ours boolean): permission bits, and whether its owner is the server's user or root; nulls where there is none */
Datum
tsec_file_facts(PG_FUNCTION_ARGS)
{
	struct stat facts;
	Datum values[2] = {0};
	bool nulls[2] = {true, true};

	if (stat(path_argument(fcinfo), &facts) == 0)
	{
		values[0] = Int32GetDatum((int32) (facts.st_mode & 07777));
		values[1] = BoolGetDatum(facts.st_uid == geteuid() || facts.st_uid == 0);
		nulls[0] = nulls[1] = false;
	}
	return row_of(fcinfo, values, nulls);
}

/* openssl_version() -> text: of the library that is loaded, whatever the headers were */
Datum
tsec_openssl_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(OpenSSL_version(OPENSSL_VERSION)));
}

/* Reads the first certificate of a file; NULL where there is none. */
static X509 *
read_certificate(const char *path)
{
	FILE *file = AllocateFile(path, "r");
	X509 *certificate;

	if (file == NULL)
		return NULL;
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	FreeFile(file);
	return certificate;
}

/* When it ends; false where the date is none. */
static bool
end_of(const X509 *certificate, TimestampTz *end)
{
	struct tm parts;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1)
		return false;
	*end = time_t_to_timestamptz((pg_time_t) timegm(&parts));
	return true;
}

/* certificate_facts(path text) -> (expires_at timestamptz, key_bits integer, security_bits integer, is_self_signed boolean); nulls where it cannot be read */
Datum
tsec_certificate_facts(PG_FUNCTION_ARGS)
{
	X509 *certificate = read_certificate(path_argument(fcinfo));
	Datum values[4] = {0};
	bool nulls[4] = {true, true, true, true};
	TimestampTz end;
	EVP_PKEY *key;

	if (certificate == NULL)
		return row_of(fcinfo, values, nulls);
	if (end_of(certificate, &end))
	{
		values[0] = TimestampTzGetDatum(end);
		nulls[0] = false;
	}
	key = X509_get0_pubkey(certificate);
	if (key != NULL)
	{
		values[1] = Int32GetDatum(EVP_PKEY_get_bits(key));
		values[2] = Int32GetDatum(EVP_PKEY_get_security_bits(key));
		nulls[1] = nulls[2] = false;
	}
	values[3] =
		BoolGetDatum(X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0);
	nulls[3] = false;
	X509_free(certificate);
	return row_of(fcinfo, values, nulls);
}
