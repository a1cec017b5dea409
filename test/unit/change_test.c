/*
 * change_test.c
 *		Changed rows as bytes: what was written is read, whatever is damaged is
 *		refused, and columns that hold secrets are known by their names.
 */
#include "unit.h"

#include "common/change.h"

#define ROOM 65536

typedef struct Found
{
	int rows;
	int count;
	int sides;
	ChangeColumn columns[4];
	ChangeValue old[4];
	ChangeValue new[4];
} Found;

static bool
note(void *argument, Bytes columns, Bytes row, int number)
{
	Found *found = argument;

	found->rows++;
	return number + 1 == found->rows && change_read_columns(columns, found->columns, &found->count) &&
		   change_read_row(row, found->count, found->old, found->new, &found->sides);
}

/* Two columns, and so many rows of both sides: a number, and a text of a length; the new side has the same text. */
static size_t
write_rows(uint8_t *to, int rows, size_t length)
{
	static const uint8_t columns[] = {0,   2,   CHANGE_INTEGER, CHANGE_KEY, 2, 'i', 'd', 4,   'i', 'n',
									  't', '4', CHANGE_TEXT,    0,          1, 't', 4,   't', 'e', 'x',
									  't'};
	static uint8_t row[ROOM];
	uint8_t *at = to;

	*at++ = CHANGE_VERSION;
	at = change_put_piece(at, columns, sizeof(columns));
	for (int i = 0; i < rows; i++)
	{
		uint8_t number[4];
		uint8_t *in = row;

		bytes_put_u32(number, (uint32_t) i);
		*in++ = CHANGE_OLD | CHANGE_NEW;
		in = change_put_piece(in, number, sizeof(number));
		in = change_put_length(in, length);
		unit_fill(in, length, (uint32_t) i);
		in = change_put_mark(in + length, CHANGE_MARK_NULL);
		in = change_put_mark(in, CHANGE_MARK_SAME);
		at = change_put_piece(at, row, (size_t) (in - row));
	}
	return (size_t) (at - to);
}

static void
round_trips(void)
{
	static const size_t lengths[] = {0, 1, 230, 239, 240, 241, 1000, 20000};
	uint8_t *bytes = unit_memory(ROOM);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (int rows = 0; rows < 3; rows++)
		{
			size_t length = write_rows(bytes, rows, lengths[i]);
			Found found = {0};
			uint8_t *text = unit_memory(lengths[i] + 1);

			CHECK(change_split(bytes_of(bytes, length), note, &found));
			CHECK(found.rows == rows);
			if (rows > 0)
			{
				unit_fill(text, lengths[i], (uint32_t) rows - 1);
				CHECK(found.count == 2 && found.sides == (CHANGE_OLD | CHANGE_NEW));
				CHECK(found.columns[0].form == CHANGE_INTEGER && found.columns[0].flags == CHANGE_KEY);
				CHECK(found.columns[1].name.length == 1 && found.columns[1].name.data[0] == 't');
				CHECK(bytes_get_u32(found.old[0].bytes.data) == (uint32_t) rows - 1);
				CHECK(found.old[1].mark == CHANGE_MARK_LENGTH && found.old[1].bytes.length == lengths[i]);
				CHECK(memcmp(found.old[1].bytes.data, text, lengths[i]) == 0);
				CHECK(found.new[0].mark == CHANGE_MARK_NULL &&found.new[1].mark == CHANGE_MARK_SAME);
			}
			free(text);
		}
	free(bytes);
}

/* Cut anywhere, rows are refused or fewer; other versions, forms, flags, marks and sides are refused. */
static void
refuses_damage(void)
{
	uint8_t *bytes = unit_memory(ROOM);
	size_t length = write_rows(bytes, 2, 300);
	Found found;

	for (size_t cut = 0; cut < length; cut++)
	{
		uint8_t *exact = unit_memory(cut + 1);

		memcpy(exact, bytes, cut);
		found = (Found){0};
		CHECK(!change_split(bytes_of(exact, cut), note, &found) || found.rows < 2);
		free(exact);
	}
	static const struct
	{
		size_t at;
		uint8_t becomes;
	} damages[] = {
		{0, 2},   {1, 20},   {1, 255}, {3, 1},  {4, 0},    {4, CHANGE_FORMS}, {5, 2},    {5, 255},
		{6, 250}, {23, 241}, {28, 0},  {28, 4}, {29, 243}, {29, 245},         {29, 246}, {29, 254},
	};
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++)
	{
		uint8_t kept = bytes[damages[i].at];

		bytes[damages[i].at] = damages[i].becomes;
		found = (Found){0};
		CHECK(!change_split(bytes_of(bytes, length), note, &found));
		bytes[damages[i].at] = kept;
	}
	found = (Found){0};
	CHECK(change_split(bytes_of(bytes, length), note, &found));
	free(bytes);
}

/* A short value with a long length, and a new side that is as an old one that is not there. */
static void
has_one_form(void)
{
	static const uint8_t long_length[] = {CHANGE_NEW, CHANGE_MARK_LENGTH, 0, 0, 0, 1, 'x'};
	static const uint8_t short_length[] = {CHANGE_NEW, 1, 'x'};
	static const uint8_t same[] = {CHANGE_NEW, CHANGE_MARK_SAME};
	static const uint8_t same_old[] = {CHANGE_OLD, CHANGE_MARK_SAME};
	static const uint8_t more[] = {CHANGE_NEW, 1, 'x', 0};
	static const uint8_t none[] = {0};
	ChangeValue old[1];
	ChangeValue new[1];
	int sides;

	CHECK(change_read_row(bytes_of(short_length, sizeof(short_length)), 1, old, new, &sides));
	CHECK(!change_read_row(bytes_of(long_length, sizeof(long_length)), 1, old, new, &sides));
	CHECK(!change_read_row(bytes_of(same, sizeof(same)), 1, old, new, &sides));
	CHECK(!change_read_row(bytes_of(same_old, sizeof(same_old)), 1, old, new, &sides));
	CHECK(!change_read_row(bytes_of(more, sizeof(more)), 1, old, new, &sides));
	CHECK(!change_read_row(bytes_of(none, sizeof(none)), 0, old, new, &sides));
	CHECK(!change_read_row(bytes_of(none, 0), 0, old, new, &sides));
}

static void
bounds_rows(void)
{
	uint8_t *bytes = unit_memory(ROOM);
	Found found = {0};

	CHECK(change_split(bytes_of(bytes, write_rows(bytes, CHANGE_ROWS_MAX, 1)), note, &found));
	CHECK(found.rows == CHANGE_ROWS_MAX);
	found = (Found){0};
	CHECK(!change_split(bytes_of(bytes, write_rows(bytes, CHANGE_ROWS_MAX + 1, 1)), note, &found));
	free(bytes);
}

static void
knows_forms(void)
{
	static const uint8_t bytes[16] = {1};

	for (size_t length = 0; length <= 16; length++)
	{
		Bytes value = bytes_of(bytes, length);

		CHECK(change_fits(CHANGE_TEXT, value) && change_fits(CHANGE_BYTES, value));
		CHECK(change_fits(CHANGE_BOOLEAN, value) == (length == 1));
		CHECK(change_fits(CHANGE_INTEGER, value) == (length == 2 || length == 4 || length == 8));
		CHECK(change_fits(CHANGE_FLOAT, value) == (length == 4 || length == 8));
		CHECK(change_fits(CHANGE_DATE, value) == (length == 4));
		CHECK(change_fits(CHANGE_TIMESTAMP, value) == (length == 8) &&
			  change_fits(CHANGE_TIMESTAMPTZ, value) == (length == 8));
		CHECK(change_fits(CHANGE_UUID, value) == (length == 16));
	}
	CHECK(!change_fits(CHANGE_BOOLEAN, bytes_of("\2", 1)));
}

static void
knows_secrets(void)
{
	static const char *const secret[] = {
		"password",      "Password_Hash", "user_passwd", "api_key",       "APIKEY",         "apiKey",   "secret",
		"client-secret", "accessToken",   "token",       "refresh_token", "private_key",    "pwd",      "db pwd",
		"otp",           "card_pin",      "passphrase",  "credentials",   "encryption_key", "auth_key", "tokens"};
	static const char *const plain[] = {"name",        "id",         "token_id",    "password_changed_at",
										"token_count", "compass",    "spinner",     "opinion",
										"key",         "sort_key",   "note",        "",
										"_",           "value",      "secret_type", "token_expires",
										"passenger",   "pins_total", "api",         "topic"};
	char long_name[300];

	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		CHECK(change_is_secret_name(bytes_of(secret[i], strlen(secret[i]))));
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		CHECK(!change_is_secret_name(bytes_of(plain[i], strlen(plain[i]))));
	memset(long_name, 'x', sizeof(long_name));
	CHECK(change_is_secret_name(bytes_of(long_name, sizeof(long_name))));
	CHECK(!change_is_secret_name(bytes_of(long_name, 63)));
}

static const UnitCase cases[] = {
	{"rows come out as they went in", round_trips},
	{"damaged rows are refused", refuses_damage},
	{"there is one way to write a row", has_one_form},
	{"there are a thousand rows at most", bounds_rows},
	{"values have the length of their form", knows_forms},
	{"columns that hold secrets are known by name", knows_secrets},
};

UNIT_MAIN(cases)
