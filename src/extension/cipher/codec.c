/*
 * codec.c
 *		Values of the base types as bytes: portable between machines, and of one
 *		length wherever the type has one, so that lengths do not tell values.
 *
 *	 text, bytea, jsonb	codec_text.c
 *	 numeric			as numeric_send, padded with zeroes to a multiple of 16: up
 *						to 16 digits look alike
 *	 bigint, timestamptz	8 bytes, big-endian;	float8	its 8 IEEE bytes
 *	 date				4 bytes;	boolean	1 byte;		uuid	16 bytes
 *	 inet				family, prefix length, 16 bytes of address
 *
 * canonical() gives equal bytes to values that are equal by the base type's
 * own "=": numeric without scale, jsonb with such numbers, float8 with one
 * zero and one NaN.  Decoding checks every length: a value can be authentic
 * and still come from a database that thought differently.
 */
#include "cipher/private.h"

#include <sys/socket.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/inet.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define NUMERIC_PADDING 16
#define NUMERIC_HEADER 8
#define INET_SIZE 18

static TSEC_NORETURN void
throw_bad_length(void)
{
	base_throw_detail(TSEC_INTEGRITY, "The plaintext has not the form its type has.");
}

static void
use_small(Plain *plain, size_t length)
{
	plain->data = plain->small;
	plain->length = length;
}

/* ---- numbers of fixed width ---- */

static void
int8_encode(Datum value, Plain *plain)
{
	bytes_put_u64(plain->small, (uint64) DatumGetInt64(value));
	use_small(plain, 8);
}

static Datum
int8_decode(const uint8 *data, size_t length)
{
	if (length != 8)
		throw_bad_length();
	return Int64GetDatum((int64) bytes_get_u64(data));
}

static void
float8_encode(Datum value, Plain *plain)
{
	float8 number = DatumGetFloat8(value);
	uint64 bits;

	memcpy(&bits, &number, sizeof(bits));
	bytes_put_u64(plain->small, bits);
	use_small(plain, 8);
}

static void
float8_canonical(Datum value, Plain *plain)
{
	float8 number = DatumGetFloat8(value);

	if (isnan(number))
		number = get_float8_nan();
	else if (number == 0)
		number = 0; /* minus zero equals zero */
	float8_encode(Float8GetDatum(number), plain);
}

static Datum
float8_decode(const uint8 *data, size_t length)
{
	uint64 bits;
	float8 number;

	if (length != 8)
		throw_bad_length();
	bits = bytes_get_u64(data);
	memcpy(&number, &bits, sizeof(number));
	return Float8GetDatum(number);
}

static void
date_encode(Datum value, Plain *plain)
{
	bytes_put_u32(plain->small, (uint32) DatumGetDateADT(value));
	use_small(plain, 4);
}

static Datum
date_decode(const uint8 *data, size_t length)
{
	if (length != 4)
		throw_bad_length();
	return DateADTGetDatum((DateADT) bytes_get_u32(data));
}

static void
bool_encode(Datum value, Plain *plain)
{
	plain->small[0] = DatumGetBool(value) ? 1 : 0;
	use_small(plain, 1);
}

static Datum
bool_decode(const uint8 *data, size_t length)
{
	if (length != 1 || data[0] > 1)
		throw_bad_length();
	return BoolGetDatum(data[0] == 1);
}

const Codec codec_int8 = {.base_type = INT8OID, .encode = int8_encode, .decode = int8_decode};
const Codec codec_timestamptz = {.base_type = TIMESTAMPTZOID, .encode = int8_encode, .decode = int8_decode};
const Codec codec_float8 = {
	.base_type = FLOAT8OID, .encode = float8_encode, .decode = float8_decode, .canonical = float8_canonical};
const Codec codec_date = {.base_type = DATEOID, .encode = date_encode, .decode = date_decode};
const Codec codec_bool = {.base_type = BOOLOID, .encode = bool_encode, .decode = bool_decode};

/* ---- uuid and inet ---- */

static void
uuid_encode(Datum value, Plain *plain)
{
	plain->data = DatumGetUUIDP(value)->data;
	plain->length = UUID_LEN;
}

static Datum
uuid_decode(const uint8 *data, size_t length)
{
	pg_uuid_t *uuid;

	if (length != UUID_LEN)
		throw_bad_length();
	uuid = palloc(sizeof(pg_uuid_t));
	memcpy(uuid->data, data, UUID_LEN);
	return UUIDPGetDatum(uuid);
}

static void
inet_encode(Datum value, Plain *plain)
{
	inet *address = DatumGetInetPP(value);

	memset(plain->small, 0, INET_SIZE);
	plain->small[0] = ip_family(address) == PGSQL_AF_INET ? 4 : 6;
	plain->small[1] = ip_bits(address);
	memcpy(plain->small + 2, ip_addr(address), ip_addrsize(address));
	use_small(plain, INET_SIZE);
}

static Datum
inet_decode(const uint8 *data, size_t length)
{
	inet *address;

	if (length != INET_SIZE || (data[0] != 4 && data[0] != 6) || data[1] > (data[0] == 4 ? 32 : 128))
		throw_bad_length();
	address = palloc0(sizeof(inet));
	ip_family(address) = data[0] == 4 ? PGSQL_AF_INET : PGSQL_AF_INET6;
	ip_bits(address) = data[1];
	memcpy(ip_addr(address), data + 2, ip_addrsize(address));
	SET_INET_VARSIZE(address);
	return InetPGetDatum(address);
}

const Codec codec_uuid = {.base_type = UUIDOID, .encode = uuid_encode, .decode = uuid_decode};
const Codec codec_inet = {.base_type = INETOID, .encode = inet_encode, .decode = inet_decode};

/* ---- numeric ---- */

static void
numeric_encode(Datum value, Plain *plain)
{
	bytea *sent = DatumGetByteaP(DirectFunctionCall1(numeric_send, value));
	size_t length = VARSIZE(sent) - VARHDRSZ;
	size_t padded = TYPEALIGN(NUMERIC_PADDING, length);
	uint8 *to = padded <= sizeof(plain->small) ? plain->small : palloc(padded);

	memcpy(to, VARDATA(sent), length);
	memset(to + length, 0, padded - length);
	pfree(sent);
	plain->data = to;
	plain->length = padded;
}

static void
numeric_canonical(Datum value, Plain *plain)
{
	char *digits = numeric_normalize(DatumGetNumeric(value));

	plain->data = (const uint8 *) digits;
	plain->length = strlen(digits);
}

static Datum
numeric_decode(const uint8 *data, size_t length)
{
	StringInfoData message;
	size_t used;

	if (length < NUMERIC_HEADER)
		throw_bad_length();
	used = NUMERIC_HEADER + 2 * (size_t) bytes_get_u16(data);
	if (TYPEALIGN(NUMERIC_PADDING, used) != length)
		throw_bad_length();
	message.data = (char *) data;
	message.len = (int) used;
	message.maxlen = (int) used;
	message.cursor = 0;
	return DirectFunctionCall3(numeric_recv, PointerGetDatum(&message), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

const Codec codec_numeric = {
	.base_type = NUMERICOID, .encode = numeric_encode, .decode = numeric_decode, .canonical = numeric_canonical};
