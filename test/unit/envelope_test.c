/*
 * envelope_test.c
 *		The stored form and its armor: what is written is read back, and
 *		anything shorter, longer, unknown or lookalike is refused by name.
 */
#include "unit.h"

#include "common/encode.h"
#include "common/envelope.h"

#define KEY_ID 0x80ff0142u

/* Every flag byte that may be stored or compared; all others are refused. */
static const uint8_t known_flags[] = {0, ENVELOPE_HAS_BLIND_TAG, ENVELOPE_HAS_BLIND_TAG | ENVELOPE_IS_PROBE};

#define KNOWN_FLAGS (sizeof(known_flags) / sizeof(known_flags[0]))

static bool
is_known_flag(unsigned flags)
{
	for (size_t i = 0; i < KNOWN_FLAGS; i++)
	{
		if (known_flags[i] == flags)
			return true;
	}
	return false;
}

/* A whole value of an algorithm with recognisable parts, in memory of exactly its size. */
static uint8_t *
value_of(AeadAlgorithm algorithm, uint8_t flags, size_t plain_length, size_t *length)
{
	uint8_t blind_tag[BLIND_TAG_SIZE];
	uint8_t nonce[AEAD_NONCE_MAX];
	uint8_t *value;
	size_t header;

	*length = envelope_size(algorithm, flags, plain_length);
	value = unit_memory(*length);
	unit_fill(value, *length, 9);
	memset(blind_tag, 'b', sizeof(blind_tag));
	memset(nonce, 'n', sizeof(nonce));
	header = envelope_write_header(value, algorithm, flags, KEY_ID, blind_tag, nonce);
	CHECK(header == envelope_header_size(algorithm, flags) && header <= *length, "flags %u: %zu", flags, header);
	return value;
}

static uint8_t *
value_with(uint8_t flags, size_t plain_length, size_t *length)
{
	return value_of(AEAD_AES_256_GCM, flags, plain_length, length);
}

static Status
parse(const uint8_t *value, size_t length)
{
	uint8_t *exact = unit_memory(length);
	Envelope envelope;
	Status status;

	memcpy(exact, value, length);
	status = envelope_parse(bytes_of(exact, length), &envelope);
	free(exact);
	return status;
}

/* The bytes a release has written are the bytes every later one must read. */
static void
layout_is_pinned(void)
{
	static const uint8_t blind_tag[BLIND_TAG_SIZE] = "sixteen bytes !!";
	static const uint8_t nonce[AEAD_NONCE_SIZE] = "twelve bytes";
	static const uint8_t long_nonce[AEAD_NONCE_MAX] = "twenty-four random bytes";
	uint8_t header[ENVELOPE_HEADER_MAX];

	CHECK(envelope_write_header(header, AEAD_AES_256_GCM, 0, KEY_ID, NULL, nonce) == 18);
	CHECK(unit_is_hex(header, 18, "01 00 80ff0142 7477656c7665206279746573"));
	CHECK(envelope_write_header(header, AEAD_AES_256_GCM, 1, KEY_ID, blind_tag, nonce) == 34);
	CHECK(unit_is_hex(header, 34, "01 01 80ff0142 7369787465656e206279746573202121 7477656c7665206279746573"));
	CHECK(envelope_write_header(header, AEAD_AES_256_GCM, 3, KEY_ID, blind_tag, NULL) == 22);
	CHECK(unit_is_hex(header, 22, "01 03 80ff0142 7369787465656e206279746573202121"));
	CHECK(envelope_write_header(header, AEAD_XAES_256_GCM, 0, KEY_ID, NULL, long_nonce) == 30);
	CHECK(unit_is_hex(header, 30, "02 00 80ff0142 7477656e74792d666f75722072616e646f6d206279746573"));
	CHECK(envelope_write_header(header, AEAD_XAES_256_GCM, 1, KEY_ID, blind_tag, long_nonce) == 46);
	CHECK(unit_is_hex(header, 46,
					  "02 01 80ff0142 7369787465656e206279746573202121 "
					  "7477656e74792d666f75722072616e646f6d206279746573"));
	CHECK(envelope_size(AEAD_AES_256_GCM, 0, 0) == 34 && envelope_size(AEAD_AES_256_GCM, 0, 5) == 39);
	CHECK(envelope_size(AEAD_AES_256_GCM, 1, 0) == 50 && envelope_size(AEAD_AES_256_GCM, 1, 5) == 55);
	CHECK(envelope_size(AEAD_AES_256_GCM, 3, 0) == 22 && envelope_size(AEAD_AES_256_GCM, 3, 5) == 22,
		  "a probe has no ciphertext");
	CHECK(envelope_size(AEAD_XAES_256_GCM, 0, 0) == 46 && envelope_size(AEAD_XAES_256_GCM, 0, 5) == 51);
	CHECK(envelope_size(AEAD_XAES_256_GCM, 1, 0) == ENVELOPE_OVERHEAD_MAX && ENVELOPE_OVERHEAD_MAX == 62);
	CHECK(armor_size(0) == 6 && armor_size(34) == 6 + 46);
}

/* Every algorithm with every flag it may have: a probe has one spelling. */
static const struct
{
	AeadAlgorithm algorithm;
	uint8_t flags;
} known_forms[] = {
	{AEAD_AES_256_GCM, 0},
	{AEAD_AES_256_GCM, ENVELOPE_HAS_BLIND_TAG},
	{AEAD_AES_256_GCM, ENVELOPE_HAS_BLIND_TAG | ENVELOPE_IS_PROBE},
	{AEAD_XAES_256_GCM, 0},
	{AEAD_XAES_256_GCM, ENVELOPE_HAS_BLIND_TAG},
};

#define KNOWN_FORMS (sizeof(known_forms) / sizeof(known_forms[0]))

static void
every_form_comes_back(void)
{
	for (size_t i = 0; i < KNOWN_FORMS; i++)
	{
		for (size_t plain = 0; plain <= 70; plain++)
		{
			AeadAlgorithm algorithm = known_forms[i].algorithm;
			size_t nonce_size = algorithm == AEAD_XAES_256_GCM ? 24 : 12;
			uint8_t flags = known_forms[i].flags;
			bool probe = flags & ENVELOPE_IS_PROBE;
			size_t length;
			uint8_t *value = value_of(algorithm, flags, plain, &length);
			Envelope got;

			if (CHECK(envelope_parse(bytes_of(value, length), &got) == TSEC_OK, "flags %u, %zu", flags, plain))
			{
				CHECK(got.algorithm == algorithm && got.flags == flags && got.key_id == KEY_ID);
				CHECK(got.blind_tag == (flags & ENVELOPE_HAS_BLIND_TAG ? value + 6 : NULL));
				CHECK(got.blind_tag == NULL || unit_is_filled(got.blind_tag, BLIND_TAG_SIZE, 'b'));
				CHECK(got.header.data == value && got.header.length == envelope_header_size(algorithm, flags));
				CHECK(got.nonce == (probe ? NULL : value + got.header.length - nonce_size));
				CHECK(got.nonce == NULL || unit_is_filled(got.nonce, nonce_size, 'n'));
				CHECK(got.cipher.data == value + got.header.length && got.cipher.length == (probe ? 0 : plain));
				CHECK(got.tag == (probe ? NULL : value + length - AEAD_TAG_SIZE));
			}
			free(value);
		}
	}
}

static void
truncation_at_every_length(void)
{
	for (size_t i = 0; i < KNOWN_FORMS; i++)
	{
		size_t length;
		size_t least = envelope_size(known_forms[i].algorithm, known_forms[i].flags, 0);
		uint8_t *value = value_of(known_forms[i].algorithm, known_forms[i].flags, 25, &length);

		for (size_t shorter = 0; shorter < least; shorter++)
			CHECK(parse(value, shorter) == TSEC_VALUE_TRUNCATED, "form %zu cut to %zu", i, shorter);
		/* from here on only the tag can tell */
		for (size_t shorter = least; shorter <= length; shorter++)
			CHECK(parse(value, shorter) == TSEC_OK, "form %zu cut to %zu", i, shorter);
		free(value);
	}
	/* too short for the fixed part: whatever the first bytes say */
	for (size_t length = 0; length < ENVELOPE_FIXED_SIZE; length++)
		CHECK(parse((const uint8_t *) "\xff\xff\xff\xff\xff", length) == TSEC_VALUE_TRUNCATED, "length %zu", length);
}

static void
probe_has_one_length(void)
{
	uint8_t value[60];

	memset(value, 'x', sizeof(value));
	(void) envelope_write_header(value, AEAD_AES_256_GCM, 3, KEY_ID, value + 40, NULL);
	for (size_t length = 0; length <= sizeof(value); length++)
		CHECK(parse(value, length) == (length == 22 ? TSEC_OK : TSEC_VALUE_TRUNCATED), "length %zu", length);
}

static void
every_algorithm_and_flag(void)
{
	size_t length;
	uint8_t *value = value_of(AEAD_XAES_256_GCM, ENVELOPE_HAS_BLIND_TAG, 10, &length);

	for (unsigned algorithm = 0; algorithm < 256; algorithm++)
	{
		for (unsigned flags = 0; flags < 256; flags++)
		{
			size_t whole = flags == 3 ? 22 : length;
			Status expected = TSEC_OK;

			if (algorithm != 1 && algorithm != 2)
				expected = TSEC_UNKNOWN_ALGORITHM;
			else if (!is_known_flag(flags) || (algorithm == 2 && flags == 3))
				expected = TSEC_UNKNOWN_FLAG;

			value[0] = (uint8_t) algorithm;
			value[1] = (uint8_t) flags;
			CHECK(parse(value, whole) == expected, "algorithm %u, flags %u", algorithm, flags);
		}
	}
	free(value);
}

/* Seals into an envelope and flips each bit of the whole stored value: parsing or opening must refuse it. */
static void
every_bit_of_a_stored_value_counts(void)
{
	for (unsigned form = 0; form < 4; form++)
	{
		AeadAlgorithm algorithm = form < 2 ? AEAD_AES_256_GCM : AEAD_XAES_256_GCM;
		uint8_t flags = form % 2 ? ENVELOPE_HAS_BLIND_TAG : 0;
		uint8_t raw[AEAD_KEY_SIZE] = {7};
		uint8_t plain[33] = "a reading of the thermal unit: 42";
		uint8_t opened[sizeof(plain) + BLIND_TAG_SIZE + AEAD_NONCE_MAX];
		AeadKey *key = NULL;
		Envelope envelope;
		size_t length;
		uint8_t *value = value_of(algorithm, flags, sizeof(plain), &length);

		CHECK(aead_new_for(algorithm, raw, &key) == TSEC_OK);
		CHECK(envelope_parse(bytes_of(value, length), &envelope) == TSEC_OK);
		CHECK(aead_seal(key, envelope.nonce, envelope.header, bytes_of(plain, sizeof(plain)),
						(uint8_t *) envelope.cipher.data, (uint8_t *) envelope.tag) == TSEC_OK);
		for (size_t bit = 0; bit <= length * 8; bit++)
		{
			bool whole = bit == length * 8; /* the last turn flips nothing */
			Status status;

			if (!whole)
				value[bit / 8] ^= (uint8_t) (1 << bit % 8);
			status = envelope_parse(bytes_of(value, length), &envelope);
			if (status == TSEC_OK && envelope.nonce != NULL)
				status = aead_open(key, envelope.nonce, envelope.header, envelope.cipher, envelope.tag, opened);
			CHECK((status == TSEC_OK) == whole, "form %u, bit %zu", form, bit);
			if (!whole)
				value[bit / 8] ^= (uint8_t) (1 << bit % 8);
		}
		CHECK(memcmp(opened, plain, sizeof(plain)) == 0);

		/* the other algorithm's number moves the nonce's end by twelve bytes: whatever the key, nothing opens */
		value[0] ^= AEAD_AES_256_GCM ^ AEAD_XAES_256_GCM;
		CHECK(envelope_parse(bytes_of(value, length), &envelope) == TSEC_OK);
		CHECK(envelope.algorithm != algorithm);
		CHECK(aead_open(key, envelope.nonce, envelope.header, envelope.cipher, envelope.tag, opened) ==
			  TSEC_INTEGRITY);
		aead_free(key);
		free(value);
	}
}

/* Reads armor from and into memory of exactly the stated sizes. */
static Status
read_armor(const char *text, size_t length, uint8_t **value, size_t *value_length)
{
	char *exact = unit_memory(length);
	Status status;

	memcpy(exact, text, length);
	*value = unit_memory(armor_value_bound(length));
	status = armor_read(exact, length, *value, value_length);
	free(exact);
	return status;
}

static void
armor_comes_back(void)
{
	for (size_t i = 0; i < KNOWN_FORMS; i++)
	{
		for (size_t plain = 0; plain <= 70; plain++)
		{
			size_t length;
			size_t got = 0;
			uint8_t *value = value_of(known_forms[i].algorithm, known_forms[i].flags, plain, &length);
			uint8_t *back;
			char *text = unit_memory(armor_size(length));

			armor_write(bytes_of(value, length), text);
			CHECK(armor_looks_like(text, armor_size(length)));
			CHECK(read_armor(text, armor_size(length), &back, &got) == TSEC_OK, "form %zu, %zu", i, plain);
			CHECK(got == length && memcmp(back, value, length) == 0, "form %zu, %zu", i, plain);
			CHECK(armor_value_bound(armor_size(length)) >= length);
			free(back);
			free(text);
			free(value);
		}
	}
}

/* Checks the status that one text is refused with. */
static void
refuses(const char *text, size_t length, Status expected)
{
	uint8_t *value;
	size_t value_length = 0;
	Status status = read_armor(text, length, &value, &value_length);

	CHECK(status == expected, "status %s for \"%.*s\"", status_info(status)->name, (int) length, text);
	free(value);
}

static void
lookalikes_are_refused(void)
{
	static const char *const begins_otherwise[] = {
		"",         "t",         "tsec1",    "tsec2:",    "tsec:",      "TSEC1:AQ",
		"Tsec1:AQ", " tsec1:AQ", "tsec1;AQ", "tsec11:AQ", "plain text", "\\x0100",
	};
	static const char *const only_looks_alike[] = {
		"tsec1:",  "tsec1: ",     "tsec1:A",           "tsec1:AQ",     "tsec1:AQAAAAAA",
		"tsec1:=", "tsec1:hello", "tsec1:hello world", "tsec1:tsec1:", "tsec1:AQAAAAAA==",
	};

	for (size_t i = 0; i < sizeof(begins_otherwise) / sizeof(begins_otherwise[0]); i++)
	{
		CHECK(!armor_looks_like(begins_otherwise[i], strlen(begins_otherwise[i])), "%s", begins_otherwise[i]);
		refuses(begins_otherwise[i], strlen(begins_otherwise[i]), TSEC_ARMOR_INVALID);
	}
	for (size_t i = 0; i < sizeof(only_looks_alike) / sizeof(only_looks_alike[0]); i++)
	{
		CHECK(armor_looks_like(only_looks_alike[i], strlen(only_looks_alike[i])), "%s", only_looks_alike[i]);
		refuses(only_looks_alike[i], strlen(only_looks_alike[i]), TSEC_ARMOR_INVALID);
	}
	for (size_t length = 0; length < ARMOR_PREFIX_SIZE; length++)
		CHECK(!armor_looks_like(ARMOR_PREFIX, length) && armor_value_bound(length) == 0, "%zu", length);
}

static void
damaged_armor_is_refused(void)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t length;
	uint8_t *value = value_with(0, 4, &length); /* 38 bytes: the last character has two spare bits */
	size_t size = armor_size(length);
	char *text = unit_memory(size + 1);
	char last;

	armor_write(bytes_of(value, length), text);
	/* cut so far that the structure misses bytes, or that no whole byte ends there */
	for (size_t shorter = 0; shorter < armor_size(envelope_size(AEAD_AES_256_GCM, 0, 0)); shorter++)
		refuses(text, shorter, TSEC_ARMOR_INVALID);

	/* one more character of any kind: no group ends behind it, or a byte that is no armor */
	for (unsigned extra = 0; extra < 256; extra++)
	{
		bool digit = extra < 128 && extra > 0 && strchr(digits, (int) extra) != NULL;

		text[size] = (char) extra;
		refuses(text, size + 1, digit ? TSEC_OK : TSEC_ARMOR_INVALID);
	}
	/* of the 64 last characters, those whose spare bits are zero: every fourth */
	last = text[size - 1];
	for (size_t place = 0; place < 64; place++)
	{
		text[size - 1] = digits[place];
		refuses(text, size, place % 4 == 0 ? TSEC_OK : TSEC_ARMOR_INVALID);
	}
	text[size - 1] = last;
	refuses(text, size, TSEC_OK);
	free(text);
	free(value);
}

static void
armor_of_the_unknown_keeps_its_name(void)
{
	size_t length;
	uint8_t *value = value_with(0, 4, &length);
	char *text = unit_memory(armor_size(length));

	value[0] = 3;
	armor_write(bytes_of(value, length), text);
	refuses(text, armor_size(length), TSEC_UNKNOWN_ALGORITHM);
	value[0] = AEAD_AES_256_GCM;
	value[1] = ENVELOPE_IS_PROBE;
	armor_write(bytes_of(value, length), text);
	refuses(text, armor_size(length), TSEC_UNKNOWN_FLAG);
	free(text);
	free(value);
}

static const UnitCase cases[] = {
	{"the layout on disk is pinned byte for byte", layout_is_pinned},
	{"every algorithm and flag combination comes back", every_form_comes_back},
	{"truncation at every length", truncation_at_every_length},
	{"a probe has exactly one length", probe_has_one_length},
	{"all 256 algorithms times all 256 flags", every_algorithm_and_flag},
	{"every flipped bit of a stored value is refused", every_bit_of_a_stored_value_counts},
	{"armor comes back for every flag and length", armor_comes_back},
	{"lookalikes of armor are refused", lookalikes_are_refused},
	{"cut, extended and non-canonical armor is refused", damaged_armor_is_refused},
	{"armor of an unknown algorithm or flag says so", armor_of_the_unknown_keeps_its_name},
};

UNIT_MAIN(cases)
