/*
 * anomaly_state.c
 *		Profiles and models as bytes, and back.  Whoever can write to the table that
 *		holds them may have written anything: what is read is what some writer could
 *		have written, or nothing.
 */
#include "anomaly_form.h"

#define COUNT_MAX 1e12f

/* ---- writing ---- */

static uint8_t *
put_u8(uint8_t *to, uint8_t value)
{
	*to = value;
	return to + 1;
}

static uint8_t *
put_u32(uint8_t *to, uint32_t value)
{
	bytes_put_u32(to, value);
	return to + 4;
}

static uint8_t *
put_u64(uint8_t *to, uint64_t value)
{
	bytes_put_u64(to, value);
	return to + 8;
}

static uint8_t *
put_float(uint8_t *to, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return put_u32(to, bits);
}

static uint8_t *
put_floats(uint8_t *to, const float *values, int count)
{
	for (int i = 0; i < count; i++)
		to = put_float(to, values[i]);
	return to;
}

static uint8_t *
put_usual(uint8_t *to, const AnomalyUsual *usual)
{
	for (int i = 0; i < ANOMALY_AMOUNTS; i++)
	{
		to = put_float(to, usual[i].count);
		to = put_float(to, usual[i].mean);
		to = put_float(to, usual[i].variance);
		to = put_float(to, usual[i].drift);
	}
	return to;
}

static uint8_t *
put_window(uint8_t *to, const AnomalyWindow *window)
{
	to = put_u32(to, window->hour);
	to = put_u32(to, window->events);
	to = put_u32(to, window->denials);
	for (int i = 0; i < ANOMALY_AMOUNTS; i++)
		to = put_u64(to, window->amounts[i]);
	to = put_u8(to, window->key_count);
	for (int i = 0; i < ANOMALY_WINDOW_KEYS; i++)
	{
		to = put_u64(to, window->keys[i].hash);
		to = put_u8(to, window->keys[i].sort);
		to = put_u8(to, window->keys[i].is_denied);
	}
	return to;
}

void
anomaly_write_profile(const AnomalyProfile *profile, uint8_t to[ANOMALY_PROFILE_SIZE])
{
	to = put_u8(to, ANOMALY_PROFILE_VERSION);
	to = put_u32(to, profile->since);
	to = put_u32(to, profile->last);
	to = put_u32(to, profile->windows);
	to = put_u32(to, profile->returned);
	to = put_float(to, profile->pause);
	to = put_float(to, profile->hour_usual);
	to = put_float(to, profile->denial_rate);
	to = put_float(to, profile->last_score);
	to = put_floats(to, profile->new_rate, ANOMALY_SORTS);
	to = put_floats(to, profile->hours, ANOMALY_HOURS);
	to = put_usual(to, profile->usual);
	for (int sort = 0; sort < ANOMALY_SORTS; sort++)
		for (int i = 0; i < ANOMALY_KNOWN; i++)
		{
			to = put_u64(to, profile->known[sort][i].hash);
			to = put_u32(to, profile->known[sort][i].since);
			to = put_u32(to, profile->known[sort][i].day);
		}
	for (int i = 0; i < ANOMALY_EXCUSES; i++)
	{
		to = put_u32(to, profile->excuses[i].hour);
		to = put_floats(to, profile->excuses[i].features, ANOMALY_FEATURES);
	}
	(void) put_window(to, &profile->window);
}

void
anomaly_write_model(const AnomalyModel *model, uint8_t to[ANOMALY_MODEL_SIZE])
{
	to = put_u8(to, ANOMALY_MODEL_VERSION);
	to = put_u64(to, model->seed);
	to = put_float(to, model->users);
	to = put_usual(to, model->usual);
	for (int i = 0; i < ANOMALY_SHARED; i++)
	{
		to = put_u64(to, model->shared[i].hash);
		to = put_float(to, model->shared[i].users);
	}
	to = put_u32(to, model->since_period);
	to = put_floats(to, &model->reached[0][0], ANOMALY_FEATURES * ANOMALY_STEPS);
	to = put_floats(to, &model->mass[0][0], ANOMALY_TREES * ANOMALY_NODES);
	(void) put_floats(to, &model->latest[0][0], ANOMALY_TREES * ANOMALY_NODES);
}

/* ---- reading: the length was compared before, so every piece is there ---- */

typedef struct Reader
{
	const uint8_t *at;
	bool is_good;
} Reader;

static uint8_t
get_u8(Reader *reader, uint8_t most)
{
	uint8_t value = *reader->at++;

	reader->is_good &= value <= most;
	return value;
}

static uint32_t
get_u32(Reader *reader)
{
	reader->at += 4;
	return bytes_get_u32(reader->at - 4);
}

/* An hour, or a day, of which anomaly.c writes no later ones. */
static uint32_t
get_time(Reader *reader)
{
	uint32_t value = get_u32(reader);

	reader->is_good &= value <= INT32_MAX;
	return value;
}

static uint64_t
get_u64(Reader *reader)
{
	reader->at += 8;
	return bytes_get_u64(reader->at - 8);
}

/* A number from least to most; no NaN, which no comparison lets pass. */
static float
get_float(Reader *reader, float least, float most)
{
	uint32_t bits = get_u32(reader);
	float value;

	memcpy(&value, &bits, sizeof(value));
	if (value >= least && value <= most)
		return value;
	reader->is_good = false;
	return 0;
}

static void
get_floats(Reader *reader, float *to, int count, float least, float most)
{
	for (int i = 0; i < count; i++)
		to[i] = get_float(reader, least, most);
}

static void
get_usual(Reader *reader, AnomalyUsual *usual)
{
	for (int i = 0; i < ANOMALY_AMOUNTS; i++)
	{
		usual[i].count = get_float(reader, 0, COUNT_MAX);
		usual[i].mean = get_float(reader, -64, 64);
		usual[i].variance = get_float(reader, 0, 64 * 64);
		usual[i].drift = get_float(reader, -8, 8);
	}
}

static void
get_window(Reader *reader, AnomalyWindow *window)
{
	window->hour = get_time(reader);
	window->events = get_u32(reader);
	window->denials = get_u32(reader);
	for (int i = 0; i < ANOMALY_AMOUNTS; i++)
		window->amounts[i] = get_u64(reader);
	window->key_count = get_u8(reader, ANOMALY_WINDOW_KEYS);
	for (int i = 0; i < ANOMALY_WINDOW_KEYS; i++)
	{
		window->keys[i].hash = get_u64(reader);
		window->keys[i].sort = get_u8(reader, ANOMALY_SORTS - 1);
		window->keys[i].is_denied = get_u8(reader, 1);
	}
}

bool
anomaly_read_profile(Bytes bytes, AnomalyProfile *profile)
{
	Reader reader = {bytes.data, bytes.length == ANOMALY_PROFILE_SIZE};

	if (!reader.is_good || get_u8(&reader, UINT8_MAX) != ANOMALY_PROFILE_VERSION)
		return false;
	memset(profile, 0, sizeof(*profile));
	profile->since = get_time(&reader);
	profile->last = get_time(&reader);
	profile->windows = get_u32(&reader);
	profile->returned = get_time(&reader);
	profile->pause = get_float(&reader, 0, 1e9f);
	profile->hour_usual = get_float(&reader, 0, COUNT_MAX);
	profile->denial_rate = get_float(&reader, 0, 100);
	profile->last_score = get_float(&reader, -1000, 1000);
	get_floats(&reader, profile->new_rate, ANOMALY_SORTS, 0, 1);
	get_floats(&reader, profile->hours, ANOMALY_HOURS, 0, COUNT_MAX);
	get_usual(&reader, profile->usual);
	for (int sort = 0; sort < ANOMALY_SORTS; sort++)
		for (int i = 0; i < ANOMALY_KNOWN; i++)
		{
			profile->known[sort][i].hash = get_u64(&reader);
			profile->known[sort][i].since = get_time(&reader);
			profile->known[sort][i].day = get_time(&reader);
		}
	for (int i = 0; i < ANOMALY_EXCUSES; i++)
	{
		profile->excuses[i].hour = get_time(&reader);
		get_floats(&reader, profile->excuses[i].features, ANOMALY_FEATURES, 0, ANOMALY_FEATURE_MAX);
	}
	get_window(&reader, &profile->window);
	return reader.is_good;
}

bool
anomaly_read_model(Bytes bytes, AnomalyModel *model)
{
	Reader reader = {bytes.data, bytes.length == ANOMALY_MODEL_SIZE};

	if (!reader.is_good || get_u8(&reader, UINT8_MAX) != ANOMALY_MODEL_VERSION)
		return false;
	anomaly_model_init(model, get_u64(&reader));
	model->users = get_float(&reader, 0, COUNT_MAX);
	get_usual(&reader, model->usual);
	for (int i = 0; i < ANOMALY_SHARED; i++)
	{
		model->shared[i].hash = get_u64(&reader);
		model->shared[i].users = get_float(&reader, 0, COUNT_MAX);
	}
	model->since_period = get_u32(&reader);
	get_floats(&reader, &model->reached[0][0], ANOMALY_FEATURES * ANOMALY_STEPS, 0, COUNT_MAX);
	get_floats(&reader, &model->mass[0][0], ANOMALY_TREES * ANOMALY_NODES, 0, COUNT_MAX);
	get_floats(&reader, &model->latest[0][0], ANOMALY_TREES * ANOMALY_NODES, 0, COUNT_MAX);
	return reader.is_good;
}
