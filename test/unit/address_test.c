/*
 * address_test.c
 *		Addresses, networks, what proxies may say, and counts.
 */
#define _GNU_SOURCE
#include "unit.h"

#include "gateway/http/address.h"

static const char *
round_trip(const char *text)
{
	static char written[ADDRESS_TEXT_SIZE];
	Address address;

	if (!address_read(text, strlen(text), &address))
		return "refused";
	address_write(&address, written);
	return written;
}

static void
addresses(void)
{
	static const char *const pairs[][2] = {
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1:80", "192.0.2.1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:DB8::1", "2001:db8::1"},
		{"[2001:db8::1]", "2001:db8::1"},
		{"[2001:db8::1]:443", "2001:db8::1"},
		{"::", "::"},
		{"", "refused"},
		{"192.0.2", "refused"},
		{"192.0.2.256", "refused"},
		{"192.0.2.1.5", "refused"},
		{"192.0.2.1:", "refused"},
		{"192.0.2.1:x", "refused"},
		{"192.0.2.1:123456", "refused"},
		{"192.0.2.01", "refused"},
		{" 192.0.2.1", "refused"},
		{"[2001:db8::1", "refused"},
		{"[2001:db8::1]x", "refused"},
		{"[]", "refused"},
		{"unknown", "refused"},
		{"_hidden", "refused"},
		{"localhost", "refused"},
		{"2001:db8::1%eth0", "refused"},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", "refused"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		CHECK(strcmp(round_trip(pairs[i][0]), pairs[i][1]) == 0, "%s: %s", pairs[i][0], round_trip(pairs[i][0]));
}

static uint64_t
client_of(const char *text)
{
	Address address;

	CHECK(address_read(text, strlen(text), &address));
	return address_client(&address);
}

static void
clients(void)
{
	CHECK(client_of("2001:db8::1") == client_of("2001:db8::ffff:1:2:3"));
	CHECK(client_of("2001:db8::1") != client_of("2001:db8:0:1::1"));
	CHECK(client_of("192.0.2.1") != client_of("192.0.2.2"));
	CHECK(client_of("192.0.2.1") == client_of("::ffff:192.0.2.1"));
}

static bool
holds(const char *list, const char *text)
{
	const char *why;
	Networks *networks = networks_read(list, &why);
	Address address;
	bool answer;

	if (!CHECK(networks != NULL, "%s: %s", list, why))
		return false;
	CHECK(text == NULL || address_read(text, strlen(text), &address));
	answer = networks_hold(networks, text != NULL ? &address : NULL);
	networks_free(networks);
	return answer;
}

static void
networks(void)
{
	static const char *const bad[] = {
		"x",   "10.0.0.0/33",        "10.0.0.0/", "::/129",       "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0/0x8",
		"a,b", "10.0.0.1,,10.0.0.2", "/8",        "10.0.0.0/1000"};
	const char *why;

	CHECK(!holds(NULL, "10.0.0.1") && !holds("", "10.0.0.1") && !holds("", NULL));
	CHECK(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
	CHECK(holds("10.1.2.0/23", "10.1.3.9") && !holds("10.1.2.0/23", "10.1.4.9"));
	CHECK(holds("192.0.2.1", "192.0.2.1") && !holds("192.0.2.1", "192.0.2.2"));
	CHECK(holds(" 127.0.0.1 , fd00::/8", "fd12::1") && !holds("127.0.0.1,fd00::/8", "fe12::1"));
	CHECK(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "2001:db8::1"));
	CHECK(holds("::/0", "2001:db8::1"));
	CHECK(holds("unix", NULL) && !holds("unix", "127.0.0.1") && holds("127.0.0.1, unix", NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		Networks *read = networks_read(bad[i], &why);

		CHECK(read == NULL, "%s", bad[i]);
		networks_free(read);
	}
}

static const char *
client_by(const char *first, const char *second, bool is_forwarded)
{
	static char written[ADDRESS_TEXT_SIZE];
	const char *why;
	Networks *trusted = networks_read("10.0.0.0/8, fd00::/8", &why);
	const char *values[2] = {first, second};
	Address address;
	bool known = forwarded_for(trusted, values, second != NULL ? 2 : 1, is_forwarded, &address);

	networks_free(trusted);
	if (!known)
		return "none";
	address_write(&address, written);
	return written;
}

static void
forwarded(void)
{
	static const struct
	{
		const char *first;
		const char *second;
		bool is_forwarded;
		const char *client;
	} cases[] = {
		{"192.0.2.1", NULL, false, "192.0.2.1"},
		{"198.51.100.9, 192.0.2.1", NULL, false, "192.0.2.1"},
		{"198.51.100.9", "192.0.2.1", false, "192.0.2.1"},
		{"198.51.100.9, 192.0.2.1, 10.0.0.5", NULL, false, "192.0.2.1"},
		{"192.0.2.1", "10.0.0.5,10.0.0.6", false, "192.0.2.1"},
		{"10.0.0.4, 10.0.0.5", NULL, false, "10.0.0.4"},
		{"192.0.2.1, rubbish, 10.0.0.5", NULL, false, "10.0.0.5"},
		{"192.0.2.1, rubbish", NULL, false, "none"},
		{"192.0.2.1,", NULL, false, "none"},
		{"", NULL, false, "none"},
		{"192.0.2.1:4711", NULL, false, "192.0.2.1"},
		{"[2001:db8::1]:4711, fd00::1", NULL, false, "2001:db8::1"},
		{"for=192.0.2.1", NULL, true, "192.0.2.1"},
		{"for=198.51.100.9, for=192.0.2.1;proto=https;by=203.0.113.43", NULL, true, "192.0.2.1"},
		{"proto=http; For=\"[2001:db8::1]:4711\"", NULL, true, "2001:db8::1"},
		{"for=192.0.2.1", "for=10.0.0.5", true, "192.0.2.1"},
		{"for=\"a,for=192.0.2.9\"", NULL, true, "none"},
		{"for=unknown", NULL, true, "none"},
		{"for=_secret, for=10.0.0.5", NULL, true, "10.0.0.5"},
		{"192.0.2.1", NULL, true, "none"},
		{"fort=192.0.2.1", NULL, true, "none"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const char *client = client_by(cases[i].first, cases[i].second, cases[i].is_forwarded);

		CHECK(strcmp(client, cases[i].client) == 0, "%s: %s", cases[i].first, client);
	}
}

/* More hops than are kept: the last ones count. */
static void
many_hops(void)
{
	char text[20000] = "192.0.2.1";

	for (int i = 0; i < 20; i++)
		strcat(text, ", 10.0.0.1");
	CHECK(strcmp(client_by(text, NULL, false), "192.0.2.1") == 0);
	for (int i = 0; i < 1000; i++)
		strcat(text, ", 10.0.0.1");
	CHECK(strcmp(client_by(text, NULL, false), "10.0.0.1") == 0);
}

static bool
is_https(const char *value, bool is_forwarded)
{
	return forwarded_https(&value, 1, is_forwarded);
}

static void
protocols(void)
{
	CHECK(is_https("https", false) && is_https("HTTPS", false) && !is_https("http", false));
	CHECK(is_https("http, https", false) && !is_https("https, http", false) && !is_https("", false));
	CHECK(is_https("for=1.2.3.4;proto=https", true) && !is_https("for=1.2.3.4;proto=http", true));
	CHECK(is_https("proto=\"https\"", true) && !is_https("proto=https, for=1.2.3.4", true));
	CHECK(!forwarded_https(NULL, 0, false));
}

static void
counts(void)
{
	AddressCounts *table = address_counts_new(16, 12345);

	for (uint64_t client = 0; client < 1000; client++)
	{
		CHECK(address_counts_add(table, client, 2));
		CHECK(address_counts_add(table, client, 2));
		CHECK(!address_counts_add(table, client, 2));
	}
	for (uint64_t client = 0; client < 1000; client += 2)
		address_counts_drop(table, client);
	for (uint64_t client = 0; client < 1000; client++)
		CHECK(address_counts_add(table, client, 2) == (client % 2 == 0));
	for (uint64_t client = 0; client < 500; client++)
	{
		address_counts_drop(table, client);
		address_counts_drop(table, client);
	}
	address_counts_drop(table, 1); /* none is left to drop */
	CHECK(address_counts_add(table, 1, 1) && !address_counts_add(table, 1, 1));
	CHECK(address_counts_add(table, 1, 0), "no bound");
	address_counts_free(table);
}

static const UnitCase cases[] = {
	{"addresses are read and written", addresses},
	{"what counts as one client", clients},
	{"networks", networks},
	{"whom a proxy names", forwarded},
	{"more hops than are kept", many_hops},
	{"https before the proxy", protocols},
	{"counts of clients", counts},
};

UNIT_MAIN(cases)
