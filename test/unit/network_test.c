/*
 * network_test.c
 *		Addresses, lists of trusted proxies, and who X-Forwarded-For says a
 *		request is from.
 */
#include "unit.h"

#include "common/network.h"

/* Reads a text in memory of exactly its size. */
static bool
reads(const char *text, NetAddress *address)
{
	size_t length = strlen(text);
	uint8_t *copy = unit_memory(length);
	bool answer;

	if (length > 0)
		memcpy(copy, text, length);
	answer = network_address((const char *) copy, length, address);
	free(copy);
	return answer;
}

static const char *
written(const char *text)
{
	static char buffer[NETWORK_TEXT_MAX];
	NetAddress address;

	if (!reads(text, &address))
		return "none";
	network_write(&address, buffer);
	return buffer;
}

static void
addresses_are_numbers(void)
{
	CHECK(strcmp(written("192.0.2.1"), "192.0.2.1") == 0);
	CHECK(strcmp(written("2001:DB8::1"), "2001:db8::1") == 0);
	CHECK(strcmp(written("::ffff:192.0.2.1"), "192.0.2.1") == 0, "a mapped address is what it stands for");
	CHECK(strcmp(written("::FFFF:c000:0201"), "192.0.2.1") == 0);
	CHECK(strcmp(written(""), "none") == 0);
	CHECK(strcmp(written("192.0.2"), "none") == 0);
	CHECK(strcmp(written("192.0.2.256"), "none") == 0);
	CHECK(strcmp(written("192.0.2.1 "), "none") == 0);
	CHECK(strcmp(written("0x7f.1"), "none") == 0);
	CHECK(strcmp(written("fe80::1%eth0"), "none") == 0);
	CHECK(strcmp(written("localhost"), "none") == 0);
	CHECK(strcmp(written("1234567890123456789012345678901234567890123456"), "none") == 0);
}

static void
subjects_are_what_a_subscriber_gets(void)
{
	uint8_t one[NETWORK_SUBJECT_MAX];
	uint8_t other[NETWORK_SUBJECT_MAX];
	NetAddress address;

	CHECK(reads("192.0.2.1", &address) && network_subject(&address, one) == 5);
	CHECK(reads("::ffff:192.0.2.1", &address) && network_subject(&address, other) == 5);
	CHECK(memcmp(one, other, 5) == 0);
	CHECK(reads("192.0.2.2", &address) && network_subject(&address, other) == 5 && memcmp(one, other, 5) != 0);
	CHECK(reads("2001:db8:0:1::1", &address) && network_subject(&address, one) == 9);
	CHECK(reads("2001:db8:0:1:ffff::2", &address) && network_subject(&address, other) == 9);
	CHECK(memcmp(one, other, 9) == 0, "the same /64");
	CHECK(reads("2001:db8:0:2::1", &address) && network_subject(&address, other) == 9 && memcmp(one, other, 9) != 0);
}

static bool
holds(const char *list, const char *text)
{
	NetAddress address;

	if (text == NULL)
		return network_list_holds(list, NULL);
	return reads(text, &address) && network_list_holds(list, &address);
}

static void
lists_hold_networks(void)
{
	const char *list = "local, 10.0.0.0/8 ,192.0.2.128/25,2001:db8::/33, ::1";

	CHECK(network_list_valid(list));
	CHECK(holds(list, NULL));
	CHECK(holds(list, "10.255.0.1") && !holds(list, "11.0.0.1"));
	CHECK(holds(list, "192.0.2.128") && holds(list, "192.0.2.255") && !holds(list, "192.0.2.127"));
	CHECK(holds(list, "2001:db8:7fff::1") && !holds(list, "2001:db8:8000::1"));
	CHECK(holds(list, "::1") && !holds(list, "::2"));
	CHECK(holds(list, "::ffff:10.0.0.1"), "a mapped address");
	CHECK(!holds("10.0.0.0/8", NULL) && !holds("local", "10.0.0.1"));
	CHECK(network_list_valid("") && network_list_valid("  ") && !holds("", NULL) && !holds("", "10.0.0.1"));
	CHECK(holds("0.0.0.0/0", "203.0.113.1") && !holds("0.0.0.0/0", "2001:db8::1"));
}

static void
lists_of_something_else_are_none(void)
{
	static const char *const wrong[] = {
		",",           "10.0.0.0/8,",         "10.0.0.0/33", "10.0.0.0/",      "10.0.0.0/8/8",
		"10.0.0.0/-1", "10.0.0.0/+8",         "10.0.0.0/8x", "2001:db8::/129", "localhost",
		"Local",       "::ffff:10.0.0.0/104", "/8",          "10.0.0.0 /8",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK(!network_list_valid(wrong[i]), "%s", wrong[i]);
}

static const char *
forwarded(const char *header, const char *trusted)
{
	static char buffer[NETWORK_TEXT_MAX];
	size_t length = strlen(header);
	uint8_t *copy = unit_memory(length);
	NetAddress client;
	bool known;

	if (length > 0)
		memcpy(copy, header, length);
	known = network_forwarded((const char *) copy, length, trusted, &client);
	free(copy);
	if (!known)
		return "unknown";
	network_write(&client, buffer);
	return buffer;
}

static void
the_client_is_the_last_that_is_no_proxy(void)
{
	const char *trusted = "10.0.0.0/8, 2001:db8::/32";

	CHECK(strcmp(forwarded("192.0.2.1", trusted), "192.0.2.1") == 0);
	CHECK(strcmp(forwarded("6.6.6.6, 192.0.2.1", trusted), "192.0.2.1") == 0,
		  "what stands before is the client's word");
	CHECK(strcmp(forwarded("6.6.6.6, 192.0.2.1 , 10.1.1.1", trusted), "192.0.2.1") == 0);
	CHECK(strcmp(forwarded("10.9.9.9, 192.0.2.1,10.1.1.1,2001:db8::1", trusted), "192.0.2.1") == 0);
	CHECK(strcmp(forwarded("10.9.9.9, 10.1.1.1", trusted), "10.9.9.9") == 0, "all are proxies: the first");
	CHECK(strcmp(forwarded("192.0.2.1:4711", trusted), "192.0.2.1") == 0);
	CHECK(strcmp(forwarded("[2001:db9::1]:4711", trusted), "2001:db9::1") == 0);
	CHECK(strcmp(forwarded("2001:db9::1", trusted), "2001:db9::1") == 0);
	CHECK(strcmp(forwarded("192.0.2.1, unknown", trusted), "unknown") == 0);
	CHECK(strcmp(forwarded("unknown, 192.0.2.1", trusted), "192.0.2.1") == 0);
	CHECK(strcmp(forwarded("unknown, 10.1.1.1", trusted), "unknown") == 0);
	CHECK(strcmp(forwarded("", trusted), "unknown") == 0);
	CHECK(strcmp(forwarded(",", trusted), "unknown") == 0);
	CHECK(strcmp(forwarded("192.0.2.1,", trusted), "unknown") == 0);
	CHECK(strcmp(forwarded("[", trusted), "unknown") == 0);
	CHECK(strcmp(forwarded("[]", trusted), "unknown") == 0);
	CHECK(strcmp(forwarded(":", trusted), "unknown") == 0);
	CHECK(strcmp(forwarded("6.6.6.6, 192.0.2.1", ""), "192.0.2.1") == 0);
}

static void
rows_of_proxies_are_bounded(void)
{
	char header[10 * 100] = "192.0.2.1";

	for (int i = 0; i < 63; i++)
		strcat(header, ",10.1.1.1");
	CHECK(strcmp(forwarded(header, "10.0.0.0/8"), "192.0.2.1") == 0);
	strcat(header, ",10.1.1.1");
	CHECK(strcmp(forwarded(header, "10.0.0.0/8"), "unknown") == 0);
}

static const UnitCase cases[] = {
	{"addresses are numbers", addresses_are_numbers},
	{"subjects are what a subscriber gets", subjects_are_what_a_subscriber_gets},
	{"lists hold networks", lists_hold_networks},
	{"lists of something else are none", lists_of_something_else_are_none},
	{"the client is the last that is no proxy", the_client_is_the_last_that_is_no_proxy},
	{"rows of proxies are bounded", rows_of_proxies_are_bounded},
};

UNIT_MAIN(cases)
