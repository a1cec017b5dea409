/*
 * anomaly_test.c
 *		What a profile takes for unusual, what it gets used to, and that it comes
 *		back from its bytes as it was.
 */
#include "unit.h"

#include "common/anomaly.h"

#define MONDAY INT64_C(1704067200) /* in seconds since 1970 */
#define HOUR 3600
#define DAY (24 * HOUR)
#define WEEKS 12
#define NOW (MONDAY + WEEKS * 7 * DAY)
#define USERS 20

static AnomalyModel model;
static AnomalyProfile profiles[USERS];
static uint8_t model_bytes[ANOMALY_MODEL_SIZE];

/* An hour of work: rows vary with the hour, but not by much. */
static void
work(AnomalyProfile *profile, int64_t time, uint64_t network, uint32_t rows, uint32_t values)
{
	AnomalyEvent event = {
		.time = time, .deed = ANOMALY_READ, .rows = rows, .network = network, .object = 1, .action = 1};

	if (anomaly_is_over(profile, time))
		anomaly_close(&model, profile);
	anomaly_note(profile, &event);
	event.deed = ANOMALY_DECRYPT;
	event.rows = values;
	event.object = 2;
	anomaly_note(profile, &event);
}

/* Twenty users work from nine to five on weekdays for twelve weeks. */
static void
learn(void)
{
	anomaly_model_init(&model, 1);
	for (int user = 0; user < USERS; user++)
		anomaly_profile_init(&profiles[user]);
	for (int day = 0; day < WEEKS * 7; day++)
		for (int hour = 9; hour < 17 && day % 7 < 5; hour++)
			for (int user = 0; user < USERS; user++)
				work(&profiles[user], MONDAY + day * (int64_t) DAY + hour * HOUR, 10 + (uint64_t) user % 3,
					 (uint32_t) (20 + (user * 7 + day * 5 + hour * 3) % 30), (uint32_t) (5 + (day + hour) % 7));
	for (int user = 0; user < USERS; user++)
		anomaly_close(&model, &profiles[user]);
}

static AnomalyScore
score_of(const AnomalyProfile *profile)
{
	AnomalyScore score;

	anomaly_score(&model, profile, true, &score);
	return score;
}

static int
greatest_part(const AnomalyScore *score)
{
	int greatest = 0;

	for (int i = 1; i < ANOMALY_FEATURES; i++)
		if (score->parts[i] > score->parts[greatest])
			greatest = i;
	return greatest;
}

static void
an_hour_as_always_is_nothing(void)
{
	learn();
	for (int user = 0; user < USERS; user++)
	{
		work(&profiles[user], NOW + 10 * HOUR, 10 + (uint64_t) user % 3, 30, 8);
		CHECK(score_of(&profiles[user]).score < ANOMALY_ALERT / 2, "user %d: %f", user,
			  (double) score_of(&profiles[user]).score);
	}
}

static void
each_misuse_names_its_feature(void)
{
	AnomalyScore score;

	learn();
	work(&profiles[0], NOW + 10 * HOUR, 10, 30, 5000);
	score = score_of(&profiles[0]);
	CHECK(score.score >= ANOMALY_ALERT && greatest_part(&score) == ANOMALY_VALUES, "%f", (double) score.score);

	work(&profiles[1], NOW + 10 * HOUR, 11, 50000, 8);
	score = score_of(&profiles[1]);
	CHECK(score.score >= ANOMALY_ALERT && greatest_part(&score) == ANOMALY_ROWS, "%f", (double) score.score);

	work(&profiles[2], NOW + 2 * HOUR, 12, 30, 8);
	score = score_of(&profiles[2]);
	CHECK(greatest_part(&score) == ANOMALY_HOUR && score.features[ANOMALY_HOUR] > 3);

	work(&profiles[3], NOW + 10 * HOUR, 99, 30, 8);
	score = score_of(&profiles[3]);
	CHECK(score.score >= ANOMALY_ALERT && greatest_part(&score) == ANOMALY_NETWORK, "%f", (double) score.score);

	work(&profiles[4], NOW + 90 * (int64_t) DAY + 10 * HOUR, 11, 30, 8);
	score = score_of(&profiles[4]);
	CHECK(score.score >= ANOMALY_ALERT && greatest_part(&score) == ANOMALY_PAUSE, "%f", (double) score.score);

	work(&profiles[5], NOW + 10 * HOUR, 12, 30, 8);
	for (uint64_t i = 0; i < 12; i++)
		anomaly_note(
			&profiles[5],
			&(AnomalyEvent){.time = NOW + 10 * HOUR, .deed = ANOMALY_DENIED, .object = 500 + i, .action = 1});
	score = score_of(&profiles[5]);
	CHECK(score.score >= ANOMALY_ALERT && score.parts[ANOMALY_DENIALS] > 0, "%f", (double) score.score);
}

/* Twice and a half as much, hour by hour: no hour stands out, the days do. */
static void
slow_scraping_shows_in_days(void)
{
	learn();
	work(&profiles[0], NOW + 9 * HOUR, 10, 90, 8);
	CHECK(score_of(&profiles[0]).features[ANOMALY_ROWS] < 5);
	for (int i = 1; i < 24; i++)
		work(&profiles[0], NOW + (i / 8) * (int64_t) DAY + (9 + i % 8) * HOUR, 10, 90, 8);
	CHECK(score_of(&profiles[0]).features[ANOMALY_TREND] > 3, "%f",
		  (double) score_of(&profiles[0]).features[ANOMALY_TREND]);
}

static void
what_is_new_does_not_stay_new(void)
{
	learn();
	for (int day = 0; day < 21; day++)
		for (int hour = 9; hour < 17; hour++)
			work(&profiles[0], NOW + day * (int64_t) DAY + hour * HOUR, 77, 400, 8);
	CHECK(score_of(&profiles[0]).score < ANOMALY_ALERT, "%f", (double) score_of(&profiles[0]).score);
}

static void
who_is_new_alarms_nobody(void)
{
	AnomalyProfile profile;

	learn();
	anomaly_profile_init(&profile);
	for (int i = 0; i < 24; i++)
	{
		work(&profile, NOW + (i / 8) * (int64_t) DAY + (10 + i % 8) * HOUR, 10, 60, 9);
		CHECK(score_of(&profile).score < ANOMALY_ALERT, "window %d: %f", i, (double) score_of(&profile).score);
	}
}

static void
the_first_user_alarms_nobody(void)
{
	AnomalyProfile profile;

	anomaly_model_init(&model, 1);
	anomaly_profile_init(&profile);
	CHECK(score_of(&profile).score == 0, "nothing was heard of him");
	for (int i = 0; i < 100; i++)
	{
		work(&profile, NOW + i * HOUR, 10, (uint32_t) (60 + i % 9), 9);
		CHECK(score_of(&profile).score < ANOMALY_ALERT, "window %d: %f", i, (double) score_of(&profile).score);
	}
}

static void
what_was_excused_is_not_counted_again(void)
{
	AnomalyScore score;

	learn();
	work(&profiles[0], NOW + 10 * HOUR, 10, 30, 5000);
	score = score_of(&profiles[0]);
	CHECK(score.score >= ANOMALY_ALERT);
	anomaly_excuse(&profiles[0], profiles[0].window.hour, score.features);
	CHECK(score_of(&profiles[0]).score < ANOMALY_ALERT, "%f", (double) score_of(&profiles[0]).score);
	anomaly_close(&model, &profiles[0]);
	work(&profiles[0], NOW + DAY + 10 * HOUR, 10, 30, 5000);
	CHECK(score_of(&profiles[0]).score < ANOMALY_ALERT, "%f", (double) score_of(&profiles[0]).score);
	work(&profiles[0], NOW + DAY + 10 * HOUR, 55, 30, 10);
	CHECK(score_of(&profiles[0]).features[ANOMALY_NETWORK] > 3, "another thing is no less unusual for it");
	anomaly_close(&model, &profiles[0]);
	anomaly_excuse(&profiles[1], 1, score.features);
	work(&profiles[1], NOW + 10 * HOUR, 11, 30, 5000);
	CHECK(score_of(&profiles[1]).score >= ANOMALY_ALERT, "an excuse of half a century ago");
}

static void
excuses_take_the_place_of_the_oldest(void)
{
	float features[ANOMALY_FEATURES] = {1};
	AnomalyProfile profile;

	anomaly_profile_init(&profile);
	for (uint32_t hour = 0; hour < 3 * ANOMALY_EXCUSES; hour++)
		anomaly_excuse(&profile, hour, features);
	for (int i = 0; i < ANOMALY_EXCUSES; i++)
		CHECK(profile.excuses[i].hour >= 2 * ANOMALY_EXCUSES, "%u", profile.excuses[i].hour);
}

static void
windows_are_hours(void)
{
	AnomalyProfile profile;
	AnomalyEvent event = {.time = NOW + HOUR - 1, .deed = ANOMALY_READ, .rows = 5};

	anomaly_profile_init(&profile);
	CHECK(!anomaly_is_over(&profile, INT64_MAX), "none is open");
	anomaly_note(&profile, &event);
	CHECK(!anomaly_is_over(&profile, NOW + HOUR - 1) && anomaly_is_over(&profile, NOW + HOUR));
	CHECK(!anomaly_is_over(&profile, NOW - DAY), "late");
	CHECK(anomaly_is_over(&profile, NOW - 3 * DAY), "the clock was wrong");
	anomaly_close(&model, &profile);
	CHECK(profile.windows == 1 && profile.window.events == 0);
	anomaly_close(&model, &profile);
	CHECK(profile.windows == 1, "nothing to close");
}

/* Who is told of late was not away in between. */
static void
what_is_told_late_ends_no_pause(void)
{
	learn();
	work(&profiles[0], NOW - 60 * (int64_t) DAY + 10 * HOUR, 10, 30, 8);
	work(&profiles[0], NOW + 10 * HOUR, 10, 30, 8);
	CHECK(score_of(&profiles[0]).features[ANOMALY_PAUSE] == 0, "%f",
		  (double) score_of(&profiles[0]).features[ANOMALY_PAUSE]);
}

/* Whatever the clock says, and however many keys there are. */
static void
any_event_is_borne(void)
{
	static const int64_t times[] = {INT64_MIN, -1, 0, NOW, INT64_MAX, NOW, NOW + HOUR};
	AnomalyProfile profile;

	anomaly_model_init(&model, 1);
	anomaly_profile_init(&profile);
	for (uint64_t i = 0; i < 20000; i++)
	{
		AnomalyEvent event = {.time = times[i % 7],
							  .deed = (AnomalyDeed) (i % ANOMALY_DEEDS),
							  .rows = UINT32_MAX,
							  .network = i + 1,
							  .object = i * i + 1,
							  .action = i % 90};
		AnomalyScore score;

		if (anomaly_is_over(&profile, event.time))
			anomaly_close(&model, &profile);
		anomaly_note(&profile, &event);
		anomaly_score(&model, &profile, false, &score);
		CHECK(score.score > -100 && score.score < 100, "%f", (double) score.score);
		CHECK(profile.window.key_count <= ANOMALY_WINDOW_KEYS);
	}
}

static void
bytes_keep_everything(void)
{
	static AnomalyModel model_again;
	uint8_t bytes[ANOMALY_PROFILE_SIZE];
	AnomalyProfile again;
	AnomalyScore before;
	AnomalyScore after;

	learn();
	work(&profiles[0], NOW + 2 * HOUR, 98, 3000, 5000);
	anomaly_excuse(&profiles[0], 7, (float[ANOMALY_FEATURES]){1, 2, 3});
	before = score_of(&profiles[0]);
	anomaly_write_profile(&profiles[0], bytes);
	anomaly_write_model(&model, model_bytes);
	CHECK(anomaly_read_profile(bytes_of(bytes, sizeof(bytes)), &again));
	CHECK(anomaly_read_model(bytes_of(model_bytes, sizeof(model_bytes)), &model_again));
	anomaly_score(&model_again, &again, true, &after);
	CHECK(memcmp(&before, &after, sizeof(before)) == 0);
}

/* One byte too few or many, another version, and numbers that no writer writes. */
static void
damaged_bytes_are_refused(void)
{
	uint8_t bytes[ANOMALY_PROFILE_SIZE + 1] = {0};
	AnomalyProfile profile;

	learn();
	anomaly_write_profile(&profiles[0], bytes);
	CHECK(anomaly_read_profile(bytes_of(bytes, ANOMALY_PROFILE_SIZE), &profile));
	CHECK(!anomaly_read_profile(bytes_of(bytes, ANOMALY_PROFILE_SIZE - 1), &profile));
	CHECK(!anomaly_read_profile(bytes_of(bytes, ANOMALY_PROFILE_SIZE + 1), &profile));
	CHECK(!anomaly_read_profile(bytes_of(NULL, 0), &profile));
	bytes[0]++;
	CHECK(!anomaly_read_profile(bytes_of(bytes, ANOMALY_PROFILE_SIZE), &profile));
	bytes[0]--;
	bytes_put_u32(bytes + 17, 0x7fc00000); /* a NaN for the pause */
	CHECK(!anomaly_read_profile(bytes_of(bytes, ANOMALY_PROFILE_SIZE), &profile));
	bytes_put_u32(bytes + 17, 0);
	bytes[ANOMALY_PROFILE_SIZE - 1 - ANOMALY_WINDOW_KEYS * 10] = ANOMALY_WINDOW_KEYS + 1;
	CHECK(!anomaly_read_profile(bytes_of(bytes, ANOMALY_PROFILE_SIZE), &profile));

	anomaly_write_model(&model, model_bytes);
	CHECK(anomaly_read_model(bytes_of(model_bytes, sizeof(model_bytes)), &model));
	CHECK(!anomaly_read_model(bytes_of(model_bytes, sizeof(model_bytes) - 1), &model));
	bytes_put_u32(model_bytes + sizeof(model_bytes) - 4, 0xbf800000); /* less than nothing came by */
	CHECK(!anomaly_read_model(bytes_of(model_bytes, sizeof(model_bytes)), &model));
}

int
main(void)
{
	static const UnitCase cases[] = {
		{"an hour as always is nothing", an_hour_as_always_is_nothing},
		{"each misuse names its feature", each_misuse_names_its_feature},
		{"slow scraping shows in days", slow_scraping_shows_in_days},
		{"what is new does not stay new", what_is_new_does_not_stay_new},
		{"who is new alarms nobody", who_is_new_alarms_nobody},
		{"the first user alarms nobody", the_first_user_alarms_nobody},
		{"what was excused is not counted again", what_was_excused_is_not_counted_again},
		{"excuses take the place of the oldest", excuses_take_the_place_of_the_oldest},
		{"windows are hours", windows_are_hours},
		{"what is told late ends no pause", what_is_told_late_ends_no_pause},
		{"any event is borne", any_event_is_borne},
		{"bytes keep everything", bytes_keep_everything},
		{"damaged bytes are refused", damaged_bytes_are_refused},
	};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
