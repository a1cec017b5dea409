/*
 * mask_form.c
 *		The masks of each base type, made of the bytes its codec wrote: as text,
 *		and as a value of the base type that tells nothing the text does not.
 *
 *	 number, date	the begin of the range;	inet	the network part
 *	 text, jsonb	the masked text or document
 *	 nothing shown	NULL;	text, jsonb	"***";	uuid all zero;	bytea empty
 *
 * Nothing is decoded into memory that would have to be wiped: what a writer
 * keeps is on its stack or masked already.  Times are cut in UTC: in the
 * session's time zone, trying time zones would find the hour.
 */
#include "cipher/mask_private.h"

#include <math.h>
#include <sys/socket.h>

#include "common/secret.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define NETWORK_BITS_V4 24
#define NETWORK_BITS_V6 48

/* ---- text ---- */

static char *
text_mask(const Codec *codec, const MaskPattern *pattern, Bytes opened)
{
	char *masked = palloc(MASK_TEXT_MAX);
	size_t length = mask_text(pattern, opened, masked);
	char *converted = codec_from_utf8(masked, (int) length);

	return converted != NULL ? converted : pstrdup(MASK_FULL_TEXT);
}

static Datum
text_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	return CStringGetTextDatum(text_mask(codec, pattern, opened));
}

/* ---- numbers: each type writes its whole part, and ".1" for any fraction, into a buffer ---- */

#define DECIMAL_MAX (MASK_DIGITS_MAX + 8)
#define NUMERIC_HEADER 8
#define NUMERIC_GROUP 4 /* decimal digits in one of its digits */
#define NUMERIC_SIGN_PLUS 0x0000
#define NUMERIC_SIGN_MINUS 0x4000

/* A number as the codec wrote it, as decimal text; false for what is no finite number or too long. */
static bool
decimal_of(const Codec *codec, Bytes opened, char decimal[DECIMAL_MAX])
{
	if (codec == &codec_int8 && opened.length == 8)
	{
		snprintf(decimal, DECIMAL_MAX, INT64_FORMAT, (int64) bytes_get_u64(opened.data));
		return true;
	}
	if (codec == &codec_float8 && opened.length == 8)
	{
		uint64 bits = bytes_get_u64(opened.data);
		double number;

		memcpy(&number, &bits, sizeof(number));
		if (!(fabs(number) < 1e38))
			return false;
		snprintf(decimal, DECIMAL_MAX, "%.0f%s", trunc(number), number != trunc(number) ? ".1" : "");
		return true;
	}
	if (codec == &codec_numeric && opened.length >= NUMERIC_HEADER)
	{
		int groups = bytes_get_u16(opened.data);
		int weight = (int16) bytes_get_u16(opened.data + 2);
		int sign = bytes_get_u16(opened.data + 4);
		size_t used = 0;

		if (opened.length < (size_t) (NUMERIC_HEADER + 2 * groups) || weight > MASK_DIGITS_MAX / NUMERIC_GROUP ||
			(sign != NUMERIC_SIGN_PLUS && sign != NUMERIC_SIGN_MINUS))
			return false;
		used += snprintf(decimal, DECIMAL_MAX, "%s0", sign == NUMERIC_SIGN_MINUS ? "-" : "");
		for (int i = 0; i <= weight; i++)
			used += snprintf(decimal + used, DECIMAL_MAX - used, "%04u",
							 i < groups ? bytes_get_u16(opened.data + NUMERIC_HEADER + 2 * i) % 10000 : 0);
		if (groups > Max(weight + 1, 0))
			snprintf(decimal + used, DECIMAL_MAX - used, ".1");
		return true;
	}
	return false;
}

/* The range of an opened number. */
static bool
range_of(const Codec *codec, const MaskPattern *pattern, Bytes opened, MaskRange *range)
{
	char decimal[DECIMAL_MAX];
	bool fits = pattern->kind != MASK_FULL && decimal_of(codec, opened, decimal) &&
				mask_range(bytes_of(decimal, strlen(decimal)), pattern->width, range);

	secret_wipe(decimal, sizeof(decimal));
	return fits;
}

static char *
number_mask(const Codec *codec, const MaskPattern *pattern, Bytes opened)
{
	MaskRange range;

	return range_of(codec, pattern, opened, &range) ? psprintf("%s-%s", range.low, range.high) : NULL;
}

static Datum
int8_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	MaskRange range;

	*isnull = !range_of(codec, pattern, opened, &range);
	/* a range may begin below the least bigint: that one then stands for it */
	return *isnull ? (Datum) 0 : Int64GetDatum(strtoll(range.low, NULL, 10));
}

static Datum
float8_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	MaskRange range;

	*isnull = !range_of(codec, pattern, opened, &range);
	return *isnull ? (Datum) 0 : Float8GetDatum(strtod(range.low, NULL));
}

static Datum
numeric_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	MaskRange range;

	*isnull = !range_of(codec, pattern, opened, &range);
	return *isnull ? (Datum) 0
				   : DirectFunctionCall3(numeric_in, CStringGetDatum(range.low), ObjectIdGetDatum(InvalidOid),
										 Int32GetDatum(-1));
}

/* ---- dates ---- */

/* The begin of a day's year or month; false for what has none in our era. */
static bool
begin_of_period(const MaskPattern *pattern, int64 day, int *year, int *month, DateADT *begin)
{
	int unused;

	if (pattern->kind == MASK_FULL || !IS_VALID_DATE(day))
		return false;
	j2date((int) day + POSTGRES_EPOCH_JDATE, year, month, &unused);
	if (!pattern->month)
		*month = 1;
	*begin = date2j(*year, *month, 1) - POSTGRES_EPOCH_JDATE;
	return *year > 0;
}

/* The day of an opened date or time; false for infinity. */
static bool
day_of(Bytes opened, int64 *day)
{
	if (opened.length == 4)
	{
		DateADT date = (DateADT) bytes_get_u32(opened.data);

		*day = date;
		return !DATE_NOT_FINITE(date);
	}
	if (opened.length == 8)
	{
		int64 time = (int64) bytes_get_u64(opened.data);

		*day = time / USECS_PER_DAY - (time % USECS_PER_DAY < 0);
		return !TIMESTAMP_NOT_FINITE(time) && IS_VALID_TIMESTAMP(time);
	}
	return false;
}

static char *
date_mask(const Codec *codec, const MaskPattern *pattern, Bytes opened)
{
	int64 day;
	int year;
	int month;
	DateADT begin;

	if (!day_of(opened, &day) || !begin_of_period(pattern, day, &year, &month, &begin))
		return NULL;
	return pattern->month ? psprintf("%04d-%02d", year, month) : psprintf("%04d", year);
}

static Datum
date_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	int64 day;
	int year;
	int month;
	DateADT begin = 0;

	*isnull = !day_of(opened, &day) || !begin_of_period(pattern, day, &year, &month, &begin);
	return DateADTGetDatum(begin);
}

static Datum
timestamptz_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	DateADT begin = DatumGetDateADT(date_reveal(codec, pattern, opened, isnull));

	return TimestampTzGetDatum(begin * USECS_PER_DAY);
}

/* ---- addresses ---- */

#define INET_SIZE 18

static bool
is_address(const MaskPattern *pattern, Bytes opened)
{
	return pattern->kind != MASK_FULL && opened.length == INET_SIZE && (opened.data[0] == 4 || opened.data[0] == 6);
}

static char *
inet_mask(const Codec *codec, const MaskPattern *pattern, Bytes opened)
{
	char *masked;

	if (!is_address(pattern, opened))
		return NULL;
	masked = palloc(MASK_TEXT_MAX);
	(void) mask_address(opened.data + 2, opened.data[0] == 6, masked);
	return masked;
}

static Datum
inet_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	inet *address;
	bool is_v6;
	int bits;

	*isnull = !is_address(pattern, opened);
	if (*isnull)
		return (Datum) 0;
	is_v6 = opened.data[0] == 6;
	bits = is_v6 ? NETWORK_BITS_V6 : NETWORK_BITS_V4;
	address = palloc0(sizeof(inet));
	ip_family(address) = is_v6 ? PGSQL_AF_INET6 : PGSQL_AF_INET;
	ip_bits(address) = bits;
	memcpy(ip_addr(address), opened.data + 2, bits / 8);
	SET_INET_VARSIZE(address);
	return InetPGetDatum(address);
}

/* ---- jsonb, and what shows nothing ---- */

static char *
jsonb_mask(const Codec *codec, const MaskPattern *pattern, Bytes opened)
{
	size_t size = pattern->kind == MASK_FULL ? 0 : mask_json(opened, NULL);
	char *masked;
	char *converted;

	if (size == 0)
		return NULL;
	if (size >= MaxAllocSize)
		base_throw(TSEC_TOO_LONG);
	masked = palloc(size + 1);
	(void) mask_json(opened, masked);
	masked[size] = '\0';
	converted = codec_from_utf8(masked, (int) size);
	return converted;
}

static Datum
jsonb_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	char *masked = jsonb_mask(codec, pattern, opened);

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(masked != NULL ? masked : "\"" MASK_FULL_TEXT "\""));
}

static char *
no_mask(const Codec *codec, const MaskPattern *pattern, Bytes opened)
{
	return NULL;
}

static Datum
null_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	*isnull = true;
	return (Datum) 0;
}

static Datum
uuid_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	return UUIDPGetDatum(palloc0(sizeof(pg_uuid_t)));
}

static Datum
bytea_reveal(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull)
{
	return PointerGetDatum(cstring_to_text(""));
}

/* ---- the base types as rows ---- */

#define FITS(kind) (1u << MASK_##kind)
#define FITS_ALL (FITS(DEFAULT) | FITS(FULL))
#define FITS_NUMBER (FITS_ALL | FITS(NUMBER))
#define FITS_DATE (FITS_ALL | FITS(DATE))

static const MaskForm forms[] = {
	{&codec_text, ~0u, "default, full, email, card, phone, name, ip, number, date, partial", text_mask, text_reveal},
	{&codec_int8, FITS_NUMBER, "default, full, number", number_mask, int8_reveal},
	{&codec_float8, FITS_NUMBER, "default, full, number", number_mask, float8_reveal},
	{&codec_numeric, FITS_NUMBER, "default, full, number", number_mask, numeric_reveal},
	{&codec_date, FITS_DATE, "default, full, date", date_mask, date_reveal},
	{&codec_timestamptz, FITS_DATE, "default, full, date", date_mask, timestamptz_reveal},
	{&codec_inet, FITS_ALL | FITS(IP), "default, full, ip", inet_mask, inet_reveal},
	{&codec_jsonb, FITS_ALL, "default, full", jsonb_mask, jsonb_reveal},
	{&codec_bool, FITS_ALL, "default, full", no_mask, null_reveal},
	{&codec_uuid, FITS_ALL, "default, full", no_mask, uuid_reveal},
	{&codec_bytea, FITS_ALL, "default, full", no_mask, bytea_reveal},
};

const MaskForm *
mask_form_of(const EncryptedType *type)
{
	for (int i = 0; i < (int) lengthof(forms); i++)
		if (forms[i].codec == type->codec)
			return &forms[i];
	elog(ERROR, "twin_security: type %s has no masks", type_name(type));
}
