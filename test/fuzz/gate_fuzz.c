/*
 * gate_fuzz.c
 *		The gate: the verdict does not depend on how the bytes were cut, what has
 *		passed has one reading, and what it lets through stays within its bounds.
 */
#define FUZZ_LENGTH_MAX 2048
#include "fuzz.h"

#include "gateway/http/gate.h"

#include <stdbool.h>
#include <strings.h>

static const GateLimits limits = {.max_head = 300, .max_target = 100, .max_body = 200, .max_headers = 8};

typedef struct Outcome
{
	size_t passed;
	size_t content_length;
	size_t requests;
	int status;
	GatePhase phase;
	bool between;
	uint8_t *content;
} Outcome;

/* A head that has passed: every line ends in CR LF, no control, one Host at most, fields that can be read. */
static void
check_head(const char *head, size_t length, const GateHead *facts)
{
	size_t at = facts->fields;
	size_t hosts = 0;
	size_t lengths = 0;
	size_t lines = 0;
	GateField field;

	MUST(length <= limits.max_head && length >= 4 && memcmp(head + length - 4, "\r\n\r\n", 4) == 0);
	MUST(facts->target + facts->target_length <= length && facts->target_length <= limits.max_target);
	for (size_t i = 0; i < length; i++)
	{
		MUST(head[i] != '\0' && head[i] != 0x7f);
		MUST(head[i] != '\n' || head[i - 1] == '\r');
		MUST(head[i] != '\r' || head[i + 1] == '\n');
	}
	while (gate_field(head, length, &at, &field))
	{
		lines++;
		MUST(field.name_length > 0 && field.name[field.name_length] == ':');
		MUST(memchr(field.name, ' ', field.name_length) == NULL);
		hosts += field.name_length == 4 && strncasecmp(field.name, "host", 4) == 0;
		lengths += field.name_length == 14 && strncasecmp(field.name, "content-length", 14) == 0;
	}
	MUST(at == length - 2 && lines <= (size_t) limits.max_headers);
	MUST(hosts == 1 || (facts->is_old && hosts == 0));
	MUST(lengths <= 1 && !(lengths == 1 && facts->is_chunked) && facts->content_length <= limits.max_body);
}

/* Feeds all of it, step bytes more each time (0: a step that changes). */
static Outcome
feed(const uint8_t *data, size_t size, size_t step)
{
	Gate *gate = fuzz_memory(gate_size());
	Outcome outcome = {.content = fuzz_memory(size)};
	size_t there = 0;
	size_t body = 0;
	bool in_head = true;

	memset(gate, 0, gate_size());
	gate_begin(gate, &limits);
	for (size_t round = 0;; round++)
	{
		char *window = fuzz_copy(data + outcome.passed, there - outcome.passed);
		size_t used = gate_feed(gate, window, there - outcome.passed);
		size_t content = gate_content(gate);

		MUST(used <= there - outcome.passed && content <= used);
		memcpy(outcome.content + outcome.content_length, window + used - content, content);
		outcome.content_length += content;
		body += content;
		if (used > 0 && in_head)
		{
			check_head(window, used, gate_head(gate));
			in_head = false;
			body = 0;
		}
		MUST(body <= limits.max_body);
		outcome.passed += used;
		if (used > 0 && gate_between(gate))
		{
			MUST(gate_head(gate)->is_chunked || body == gate_head(gate)->content_length);
			outcome.requests++;
			in_head = true;
		}
		free(window);
		if (gate_phase(gate) == GATE_REFUSED || (used == 0 && there == size))
			break;
		if (used == 0)
		{
			size_t more = step > 0 ? step : 1 + (round * 7 + there) % 13;

			there = size - there < more ? size : there + more;
		}
	}
	outcome.status = gate_status(gate);
	outcome.phase = gate_phase(gate);
	outcome.between = gate_between(gate);
	MUST((outcome.phase == GATE_REFUSED) == (outcome.status != 0 && gate_why(gate) != NULL));
	MUST(outcome.phase != GATE_REFUSED || gate_feed(gate, "GET", 3) == 0);
	free(gate);
	return outcome;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = {1, 0};
	Outcome whole = feed(data, size, size + 1);

	for (size_t i = 0; i < 2; i++)
	{
		Outcome cut = feed(data, size, steps[i]);

		MUST(whole.passed == cut.passed && whole.content_length == cut.content_length &&
			 whole.requests == cut.requests && whole.status == cut.status && whole.phase == cut.phase &&
			 whole.between == cut.between);
		MUST(memcmp(whole.content, cut.content, whole.content_length) == 0);
		free(cut.content);
	}
	free(whole.content);
	return 0;
}
