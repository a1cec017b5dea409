/*
 * anomaly_year.c
 *		A year of simulated access; see anomaly_year.h.  Fixed before the model was
 *		tuned.
 */
#include "anomaly_year.h"

#include <math.h>
#include <string.h>

#define TABLES 48
#define FIRST_NEW_TABLE 40 /* these appear within the year */
#define ROLES 8
#define ROLE_TABLES 7
#define KEYS 6
#define COUNTRIES 30 /* 0 and 1: where the offices are */
#define TRIPS 3
#define LEAVES 4

typedef enum Work
{
	WORK_OFFICE,
	WORK_PART_TIME,
	WORK_SHIFTS, /* early, late and night, a week each */
	WORK_SERVICE /* a program */
} Work;

typedef struct Span
{
	int from; /* days, the last not included */
	int to;
	int country;
} Span;

typedef struct User
{
	Work work;
	int country;
	int first_day;
	int last_day;
	double begins; /* hour of local time */
	double hours;  /* a day's */
	double activity;
	double rows_mean; /* of ln */
	double rows_spread;
	double decrypts;    /* fraction of active hours */
	double values_mean; /* of ln */
	double changes;
	double overtime;
	double mobile;
	int role;
	int next_role;
	int role_day; /* when the role changes; YEAR_DAYS: never */
	bool on_call;
	bool reports;
	int on_call_week;
	int denied_from; /* a program that is denied something every hour */
	int denied_to;
	uint32_t home;
	Span trips[TRIPS];
	Span leaves[LEAVES];
	int starts[7];     /* the service's hours of the day, as bits in the first; part time: days at work */
	int night_of_call; /* a day on which a call came in */
	int call_hour;
	double day_factor;
	double today_begins;
	double today_ends;
	bool today_works;
	uint32_t today_address;
	int episode;
} User;

typedef struct Episode
{
	YearMisuse kind;
	int user;
	int from; /* days */
	int to;
	int hour; /* the first, local time */
	int hours;
	double factor;
	uint32_t address;
	int denials;
} Episode;

typedef struct Year
{
	uint64_t random;
	User users[YEAR_USERS];
	Episode episodes[YEAR_EPISODES];
	int role_tables[ROLES][ROLE_TABLES];
	int new_table_days[TABLES];
	uint64_t holidays[6]; /* bits of days */
	void (*take)(void *argument, const YearEvent *event);
	void *argument;
} Year;

const char *const year_misuse_names[MISUSES] = {"night work",    "new country",        "mass decryption",
												"slow scraping", "permission probing", "dormant account"};

static const int offset_hours[COUNTRIES] = {1, -5, 0, 1, 1, 2, 8, 9,  -6, -8, 5, 3,  10, -3, 2,
											7, 1,  1, 3, 8, 0, 5, -4, 2,  1,  9, 12, -5, 4,  6};

/* ---- chance ---- */

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t
draw(Year *year)
{
	uint64_t z = (year->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static double
uniform(Year *year)
{
	return (double) (draw(year) >> 11) / 9007199254740992.0;
}

static bool
chance(Year *year, double probability)
{
	return uniform(year) < probability;
}

static int
between(Year *year, int least, int most)
{
	return least + (int) (draw(year) % (uint64_t) (most - least + 1));
}

static double
span(Year *year, double least, double most)
{
	return least + (most - least) * uniform(year);
}

static double
normal(Year *year)
{
	return sqrt(-2 * log(1 - uniform(year))) * cos(6.283185307179586 * uniform(year));
}

static int
count_of(double value)
{
	return value < 1 ? 1 : value > 5e6 ? 5000000 : (int) value;
}

/* ---- addresses: a country's networks are 64 of /16 ---- */

static uint32_t
network_of(int country, int number)
{
	return (uint32_t) (20 + country * 6 + number / 16) << 24 | (uint32_t) (number * 13 % 256) << 16;
}

static uint32_t
office_address(const User *user)
{
	return network_of(user->country, 0) | 10;
}

static uint32_t
mobile_address(Year *year, int country)
{
	return network_of(country, between(year, 1, 6)) | (uint32_t) between(year, 1, 65534);
}

static uint32_t
home_address(Year *year, int country)
{
	return network_of(country, between(year, 7, 60)) | (uint32_t) between(year, 1, 65534);
}

/* A country that people travel to: some much more than others. */
static int
travel_country(Year *year)
{
	double u = uniform(year);

	return 2 + (int) (u * u * 18);
}

/* ---- who there is ---- */

static bool
in_span(const Span *spans, int count, int day, int *country)
{
	for (int i = 0; i < count; i++)
		if (day >= spans[i].from && day < spans[i].to)
		{
			if (country != NULL)
				*country = spans[i].country;
			return true;
		}
	return false;
}

static void
make_leaves(Year *year, User *user)
{
	int vacations = between(year, 2, 3);

	for (int i = 0; i < vacations; i++)
	{
		user->leaves[i].from = between(year, 10, YEAR_DAYS - 1);
		user->leaves[i].to = user->leaves[i].from + between(year, 5, 16);
	}
	if (chance(year, 0.04)) /* away for months, and back */
	{
		user->leaves[3].from = between(year, 30, 200);
		user->leaves[3].to = user->leaves[3].from + between(year, 50, 100);
	}
	if (chance(year, 0.35))
	{
		int trips = between(year, 1, TRIPS);

		for (int i = 0; i < trips; i++)
		{
			user->trips[i].from = between(year, 5, YEAR_DAYS - 1);
			user->trips[i].to = user->trips[i].from + between(year, 2, 7);
			user->trips[i].country = chance(year, 0.6) ? user->country : travel_country(year);
		}
	}
}

static void
make_work(Year *year, User *user)
{
	double kind = uniform(year);

	user->work = kind < 0.70 ? WORK_OFFICE : kind < 0.77 ? WORK_PART_TIME : kind < 0.92 ? WORK_SHIFTS : WORK_SERVICE;
	user->begins = 8.5 + normal(year) * 0.9;
	user->hours = 8 + normal(year) * 0.7;
	for (int i = 0; i < 5; i++)
		user->starts[i] = user->work != WORK_PART_TIME || chance(year, 0.55);
	if (user->work == WORK_PART_TIME)
		user->hours = span(year, 4, 7);
	if (user->work == WORK_SERVICE)
	{
		user->starts[0] = 0;
		for (int i = between(year, 1, 4); i > 0; i--)
			user->starts[0] |= 1 << between(year, 0, 23);
		if (chance(year, 0.5))
			user->starts[0] = 0xffffff;
	}
}

static void
make_user(Year *year, User *user)
{
	memset(user, 0, sizeof(*user));
	user->country = chance(year, 0.65) ? 0 : 1;
	user->first_day = chance(year, 0.8) ? 0 : between(year, 1, 280);
	user->last_day = chance(year, 0.05) ? between(year, 200, YEAR_DAYS) : YEAR_DAYS;
	make_work(year, user);
	user->activity = exp(0.7 + normal(year) * 0.5);
	user->rows_mean = 2.5 + normal(year) * 1.1;
	user->rows_spread = span(year, 0.7, 1.4);
	user->decrypts = chance(year, 0.4) ? span(year, 0.15, 0.8) : chance(year, 0.5) ? 0.01 : 0;
	user->values_mean = 1.8 + normal(year) * 0.9;
	user->changes = span(year, 0, 0.6);
	user->overtime = chance(year, 0.2) ? 0.2 : 0.04;
	user->mobile = chance(year, 0.3) ? span(year, 0.1, 0.5) : 0.03;
	user->role = between(year, 0, ROLES - 1);
	user->next_role = between(year, 0, ROLES - 1);
	user->role_day = chance(year, 0.12) ? between(year, 40, 330) : YEAR_DAYS;
	user->on_call = user->work == WORK_OFFICE && chance(year, 0.12);
	user->on_call_week = between(year, 0, 5);
	user->reports = chance(year, 0.15);
	user->denied_from = user->denied_to = -1;
	if (chance(year, user->work == WORK_SERVICE ? 0.3 : 0.03))
	{
		user->denied_from = between(year, 20, 330);
		user->denied_to = user->denied_from + between(year, 1, 25);
	}
	user->home = home_address(year, user->country);
	user->night_of_call = -1;
	user->episode = -1;
	if (user->work != WORK_SERVICE)
		make_leaves(year, user);
}

static bool
is_holiday(const Year *year, int day)
{
	return (year->holidays[day / 64] >> (day % 64) & 1) != 0;
}

/* A day that begins for a user: whether, when and from where he works. */
static void
begin_day(Year *year, User *user, int day)
{
	int weekday = day % 7;
	bool quarter_end = day % 91 >= 84;
	int country;

	user->today_works = false;
	user->day_factor = exp(normal(year) * 0.3) * (quarter_end ? 1.5 : 1) * (1 + 0.2 * sin(day * 6.2832 / 364));
	if (day < user->first_day || day >= user->last_day || in_span(user->leaves, LEAVES, day, NULL))
		return;
	if (user->work == WORK_SERVICE)
	{
		user->today_works = true;
		user->today_address = office_address(user);
		return;
	}
	if (chance(year, 0.02)) /* ill */
		return;
	user->today_begins = user->begins + normal(year) * 0.5;
	user->today_ends = user->today_begins + user->hours + normal(year) * 0.5;
	if (user->work == WORK_SHIFTS)
	{
		static const double shifts[3] = {6, 14, 22};

		user->today_works = (day + user->on_call_week) % 7 < 5;
		user->today_begins = shifts[(day / 7 + user->on_call_week) % 3];
		user->today_ends = user->today_begins + 8;
	}
	else if (weekday >= 5 || is_holiday(year, day))
	{
		user->today_works = chance(year, user->overtime * 0.4);
		user->today_begins = span(year, 8, 18);
		user->today_ends = user->today_begins + span(year, 1, 4);
	}
	else
	{
		user->today_works = user->starts[weekday] != 0;
		if (chance(year, user->overtime * (quarter_end ? 3 : 1)))
			user->today_ends += span(year, 1, 4);
	}
	user->today_address = chance(year, user->mobile) ? mobile_address(year, user->country)
						  : chance(year, 0.35)       ? user->home
													 : office_address(user);
	if (in_span(user->trips, TRIPS, day, &country))
		user->today_address = chance(year, 0.5) ? mobile_address(year, country) : home_address(year, country);
	if (user->on_call && (day / 7 + user->on_call_week) % 6 == 0 && chance(year, 0.25))
	{
		user->night_of_call = day;
		user->call_hour = between(year, 0, 5);
	}
	if (chance(year, 0.002)) /* a new line at home */
		user->home = home_address(year, user->country);
}

/* Whether a user is active in an hour of local time, from where and with how much. */
static bool
is_active(Year *year, User *user, int day, int hour, double *factor, uint32_t *address)
{
	*factor = user->day_factor;
	*address = user->today_address;
	if (user->night_of_call == day && (hour == user->call_hour || hour == user->call_hour + 1))
	{
		*address = user->home;
		*factor *= 1.5;
		return true;
	}
	if (!user->today_works)
		return false;
	if (user->work == WORK_SERVICE)
		return (user->starts[0] >> hour & 1) != 0 && !chance(year, 0.01);
	if (hour + 0.5 >= user->today_begins && hour + 0.5 < user->today_ends)
		return !chance(year, hour == 12 ? 0.4 : 0.12);
	/* a night shift ends on the next day, of which the hours come first */
	if (user->work == WORK_SHIFTS && user->today_begins == 22)
		return hour < 6 && !chance(year, 0.15);
	return chance(year, user->overtime * 0.02);
}

/* ---- what is done in an hour ---- */

static void
emit(Year *year, YearEvent *event, YearDeed deed, int table, double rows)
{
	event->deed = deed;
	event->table = table;
	event->rows = deed == YEAR_READ || deed == YEAR_DECRYPT || deed == YEAR_CHANGE ? count_of(rows) : 0;
	year->take(year->argument, event);
	event->time++;
}

static int
table_of(Year *year, const User *user, int day)
{
	int role = day >= user->role_day ? user->next_role : user->role;
	double u = uniform(year);
	int table = year->role_tables[role][(int) (u * u * ROLE_TABLES)];

	if (chance(year, 0.01))
		table = between(year, 0, FIRST_NEW_TABLE - 1);
	for (int new = FIRST_NEW_TABLE; new < TABLES; new ++)
		if (day >= year->new_table_days[new] && (new + role) % 3 == 0 && chance(year, 0.08))
			table = new;
	return table;
}

static double
volume(Year *year, const User *user, double mean, double factor)
{
	return exp(mean + normal(year) * user->rows_spread) * factor;
}

/* An hour of a user's usual work, with so much more read and decrypted. */
static void
work_hour(Year *year, User *user, int day, double more_rows, double more_values, YearEvent *event)
{
	int reads = 1 + (int) (user->activity * -log(1 - uniform(year)));
	double export = chance(year, 0.003) ? span(year, 8, 30) : 1;
	int month_day = day % 30;
	bool is_new = day >= user->role_day && day < user->role_day + 10;

	if (user->reports && month_day < 2 && chance(year, 0.15))
		export *= span(year, 5, 20);
	if (reads > 8)
		reads = 8;
	for (int i = 0; i < reads; i++)
		emit(year, event, YEAR_READ, table_of(year, user, day),
			 volume(year, user, user->rows_mean, more_rows * export));
	if (chance(year, user->decrypts) || more_values > 1)
		emit(year, event, YEAR_DECRYPT, (user->role + (chance(year, 0.2) ? 1 : 0)) % KEYS,
			 volume(year, user, user->values_mean, more_values * (export > 1 ? sqrt(export) * 1.5 : 1)));
	if (chance(year, user->changes))
		emit(year, event, YEAR_CHANGE, table_of(year, user, day), span(year, 1, 5));
	if (chance(year, is_new ? 0.04 : 0.004))
		for (int i = between(year, 1, 3); i > 0; i--)
			emit(year, event, YEAR_DENIED, between(year, 0, FIRST_NEW_TABLE - 1), 0);
	if (day >= user->denied_from && day < user->denied_to)
		for (int i = between(year, 1, 2); i > 0; i--)
			emit(year, event, YEAR_DENIED, year->role_tables[user->role][0], 0);
}

static void
begin_session(Year *year, User *user, YearEvent *event)
{
	if (user->work != WORK_SERVICE && chance(year, 0.04))
		emit(year, event, YEAR_LOGIN_FAILED, 0, 0);
	emit(year, event, YEAR_LOGIN, 0, 0);
}

/* ---- misuse ---- */

static void
choose_hours(Year *year, const User *user, Episode *episode)
{
	episode->hour = (int) user->begins + between(year, 0, 5);
	if (user->work == WORK_SERVICE)
		episode->hour = between(year, 8, 16);
	if (user->work == WORK_SHIFTS)
		episode->hour = (int) user->today_begins + 1;
	episode->hours = between(year, 1, 3);
	episode->to = episode->from + 1;
}

static void
make_episode(Year *year, Episode *episode)
{
	const User *user = &year->users[episode->user];

	choose_hours(year, user, episode);
	episode->address = 0; /* wherever the user is */
	episode->factor = 1;
	switch (episode->kind)
	{
		case MISUSE_NIGHT:
			episode->hour = between(year, 0, 2);
			episode->hours = between(year, 2, 4);
			episode->to = episode->from + between(year, 1, 2);
			episode->address = chance(year, 0.75) ? user->home : mobile_address(year, user->country);
			episode->factor = span(year, 1, 2);
			break;
		case MISUSE_COUNTRY:
			episode->hours = between(year, 1, 4);
			episode->to = episode->from + between(year, 1, 2);
			episode->address =
				home_address(year, chance(year, 0.6) ? between(year, 20, COUNTRIES - 1) : travel_country(year));
			break;
		case MISUSE_DECRYPT:
			episode->factor = span(year, 8, 40);
			break;
		case MISUSE_SCRAPING:
			episode->to = episode->from + between(year, 5, 10);
			episode->factor = span(year, 2, 4);
			episode->hours = 24; /* whenever the user is active */
			break;
		case MISUSE_PROBING:
			episode->hours = between(year, 1, 2);
			episode->denials = between(year, 4, 20);
			break;
		case MISUSE_DORMANT:
			episode->hours = between(year, 2, 4);
			episode->to = episode->from + between(year, 1, 2);
			episode->address = chance(year, 0.5)   ? user->home
							   : chance(year, 0.5) ? mobile_address(year, user->country)
												   : home_address(year, user->country);
			break;
		default:
			break;
	}
}

static bool
is_fit(const User *user, YearMisuse kind, int day)
{
	if (user->episode >= 0 || user->first_day > day - 28 || user->last_day < day + 12)
		return false;
	if (kind == MISUSE_NIGHT)
		return (user->work == WORK_OFFICE || user->work == WORK_PART_TIME) && !user->on_call;
	if (kind == MISUSE_DECRYPT)
		return user->decrypts >= 0.15;
	if (kind == MISUSE_DORMANT)
		return user->work != WORK_SERVICE && user->first_day < day - 150;
	return kind == MISUSE_PROBING || user->work != WORK_SERVICE;
}

static void
make_episodes(Year *year)
{
	for (int i = 0; i < YEAR_EPISODES; i++)
	{
		Episode *episode = &year->episodes[i];

		episode->kind = (YearMisuse) (i % MISUSES);
		do
		{
			episode->user = between(year, 0, YEAR_USERS - 1);
			episode->from = between(year, episode->kind == MISUSE_DORMANT ? 160 : YEAR_QUIET_DAYS, YEAR_DAYS - 13);
			if (episode->kind != MISUSE_NIGHT) /* on a working day */
				episode->from -= episode->from % 7 > 4 ? 2 : 0;
		} while (!is_fit(&year->users[episode->user], episode->kind, episode->from));
		year->users[episode->user].episode = i;
		if (episode->kind == MISUSE_DORMANT) /* the user left */
			year->users[episode->user].last_day = episode->from - between(year, 45, 120);
		make_episode(year, episode);
	}
}

/* An hour of misuse beside, or in, the user's own; whether the user's own work is part of it. */
static bool
misuse_hour(Year *year, User *user, int day, int hour, bool active, double factor, YearEvent *event)
{
	const Episode *episode = &year->episodes[user->episode];
	bool now =
		day >= episode->from && day < episode->to && hour >= episode->hour && hour < episode->hour + episode->hours;

	if (episode->kind == MISUSE_SCRAPING)
		now = active && day >= episode->from && day < episode->to;
	if (!now)
		return false;
	event->episode = user->episode;
	if (episode->address != 0)
		event->address = episode->address;
	if (hour == episode->hour)
		begin_session(year, user, event);
	switch (episode->kind)
	{
		case MISUSE_DECRYPT:
			work_hour(year, user, day, factor, factor * episode->factor, event);
			break;
		case MISUSE_SCRAPING:
			work_hour(year, user, day, factor * episode->factor, factor, event);
			if (chance(year, 0.3))
				emit(year, event, YEAR_READ, between(year, 0, FIRST_NEW_TABLE - 1),
					 volume(year, user, user->rows_mean, episode->factor));
			break;
		case MISUSE_PROBING:
			for (int i = 0; i < (episode->denials + episode->hours - 1) / episode->hours; i++)
				emit(year, event, YEAR_DENIED, between(year, 0, FIRST_NEW_TABLE - 1), 0);
			work_hour(year, user, day, factor, factor, event);
			break;
		default:
			work_hour(year, user, day, factor * episode->factor, factor * episode->factor, event);
			if (episode->kind == MISUSE_COUNTRY && chance(year, 0.4))
				emit(year, event, YEAR_READ, between(year, 0, FIRST_NEW_TABLE - 1),
					 volume(year, user, user->rows_mean, 1));
			break;
	}
	return true;
}

/* ---- the year ---- */

static void
make_year(Year *year)
{
	for (int role = 0; role < ROLES; role++)
		for (int i = 0; i < ROLE_TABLES; i++)
			year->role_tables[role][i] = between(year, 0, FIRST_NEW_TABLE - 1);
	for (int i = FIRST_NEW_TABLE; i < TABLES; i++)
		year->new_table_days[i] = between(year, 30, 340);
	for (int i = 0; i < 11; i++)
	{
		int day = between(year, 0, YEAR_DAYS - 1);

		year->holidays[day / 64] |= UINT64_C(1) << (day % 64);
	}
	for (int i = 0; i < YEAR_USERS; i++)
		make_user(year, &year->users[i]);
	make_episodes(year);
}

static void
run_hour(Year *year, int user_number, int hour_of_year)
{
	User *user = &year->users[user_number];
	int local = hour_of_year + offset_hours[user->country];
	int day = local / 24;
	int hour = local % 24;
	YearEvent event = {
		.time = (int64_t) hour_of_year * 3600 + between(year, 0, 3000), .user = user_number, .episode = -1};
	double factor;
	bool active;

	if (local < 0 || day >= YEAR_DAYS)
		return;
	if (hour == 0)
		begin_day(year, user, day);
	active = is_active(year, user, day, hour, &factor, &event.address);
	if (user->episode >= 0 && misuse_hour(year, user, day, hour, active, factor, &event))
		return;
	if (!active)
		return;
	if (user->work == WORK_SERVICE ? hour == 0 : chance(year, 0.2))
		begin_session(year, user, &event);
	work_hour(year, user, day, factor, factor, &event);
}

void
year_run(uint64_t seed, void (*take)(void *argument, const YearEvent *event), void *argument,
		 YearMisuse kinds[YEAR_EPISODES])
{
	static Year year;

	memset(&year, 0, sizeof(year));
	year.random = seed * UINT64_C(0xd1342543de82ef95) + 1;
	year.take = take;
	year.argument = argument;
	make_year(&year);
	for (int i = 0; i < YEAR_EPISODES; i++)
		kinds[i] = year.episodes[i].kind;
	for (int hour = 0; hour < YEAR_DAYS * 24; hour++)
		for (int user = 0; user < YEAR_USERS; user++)
			run_hour(&year, user, hour);
}
