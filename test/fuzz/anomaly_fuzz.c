/*
 * anomaly_fuzz.c
 *		Profiles and models that somebody tampered with, and any events upon them.
 *
 * What is taken is written again as it was; features and scores stay in their
 * range, and what was learned can be read again.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "common/anomaly.h"

#define EVENT_SIZE 13

static AnomalyModel model;
static AnomalyModel fresh;
static uint8_t model_bytes[ANOMALY_MODEL_SIZE];

/* Overwrites some of the bytes: 2 bytes say where, 1 how many, and these follow; returns what is left of the input. */
static Bytes
tamper(Bytes input, uint8_t *bytes, size_t size)
{
	size_t at;
	size_t count;

	if (input.length < 3)
		return bytes_of(input.data, 0);
	at = bytes_get_u16(input.data) % size;
	count = input.data[2] < input.length - 3 ? input.data[2] : input.length - 3;
	memcpy(bytes + at, input.data + 3, count < size - at ? count : size - at);
	return bytes_of(input.data + 3 + count, input.length - 3 - count);
}

static AnomalyEvent
event_of(const uint8_t *data)
{
	return (AnomalyEvent){.time = (int64_t) (int32_t) bytes_get_u32(data) * (data[12] & 64 ? 1000 : 60),
						  .deed = (AnomalyDeed) (data[12] % ANOMALY_DEEDS),
						  .rows = bytes_get_u32(data + 4),
						  .network = bytes_get_u16(data + 8),
						  .object = data[10],
						  .action = data[11]};
}

static void
check_score(const AnomalyProfile *profile)
{
	AnomalyScore score;

	anomaly_score(&model, profile, true, &score);
	MUST(score.score > -1000 && score.score < 1000);
	for (int i = 0; i < ANOMALY_FEATURES; i++)
		MUST(score.features[i] >= 0 && score.features[i] <= ANOMALY_FEATURE_MAX);
}

static void
check_again(const AnomalyProfile *profile)
{
	uint8_t bytes[ANOMALY_PROFILE_SIZE];
	uint8_t again[ANOMALY_PROFILE_SIZE];
	AnomalyProfile copy;

	anomaly_write_profile(profile, bytes);
	MUST(anomaly_read_profile(bytes_of(bytes, sizeof(bytes)), &copy));
	anomaly_write_profile(&copy, again);
	MUST(memcmp(bytes, again, sizeof(bytes)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_copy(data, size);
	Bytes input = bytes_of(exact, size);
	uint8_t bytes[ANOMALY_PROFILE_SIZE];
	AnomalyProfile profile;

	MUST(!anomaly_read_profile(input, &profile)); /* none is as short */
	anomaly_profile_init(&profile);
	anomaly_write_profile(&profile, bytes);
	if (fresh.seed == 0)
		anomaly_model_init(&fresh, 1);
	memcpy(&model, &fresh, sizeof(model));
	input = tamper(input, bytes, sizeof(bytes));
	/* the model is large: now and then */
	if (input.length > 0 && input.data[0] % 16 == 0)
	{
		anomaly_write_model(&model, model_bytes);
		input = tamper(input, model_bytes, sizeof(model_bytes));
		if (!anomaly_read_model(bytes_of(model_bytes, sizeof(model_bytes)), &model))
			memcpy(&model, &fresh, sizeof(model));
	}
	if (anomaly_read_profile(bytes_of(bytes, sizeof(bytes)), &profile))
		check_again(&profile);
	else
		anomaly_profile_init(&profile);
	for (; input.length >= EVENT_SIZE; input = bytes_of(input.data + EVENT_SIZE, input.length - EVENT_SIZE))
	{
		AnomalyEvent event = event_of(input.data);

		if (anomaly_is_over(&profile, event.time))
			anomaly_close(&model, &profile);
		anomaly_note(&profile, &event);
		check_score(&profile);
	}
	anomaly_close(&model, &profile);
	check_again(&profile);
	free(exact);
	return 0;
}
