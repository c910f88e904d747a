#include "kevfs/watch/pulse.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"

/* Its answer is "ok". A page that a proxy shows instead is an answer, too, but need not be read. */
#define PATH "/livez?exclude=etcd"
#define ANSWER_MAX 4096

struct kev_pulse {
	struct kev_http *http;
	struct kev_http_transfer *transfer; /* NULL: nothing is asked */
	size_t received;
	int64_t asked; /* when that last began: monotonic ns; 0 never */
};

struct kev_pulse *kev_pulse_create(struct kev_http *http)
{
	struct kev_pulse *pulse = calloc(1, sizeof(*pulse));

	if (!pulse)
		return NULL;
	pulse->http = http;
	return pulse;
}

void kev_pulse_destroy(struct kev_pulse *pulse)
{
	if (!pulse)
		return;
	kev_http_cancel(pulse->http, pulse->transfer);
	free(pulse);
}

static int on_body(void *context, struct kev_str piece)
{
	struct kev_pulse *pulse = context;

	pulse->received += piece.len;
	return pulse->received > ANSWER_MAX ? -ECANCELED : 0;
}

static void on_done(void *context, const struct kev_http_result *result)
{
	struct kev_pulse *pulse = context;

	pulse->transfer = NULL;
	if (result->error && result->error != -ECANCELED)
		kev_log_info("is the server alive? %s", result->reason->text);
}

int64_t kev_pulse_deadline(const struct kev_pulse *pulse)
{
	int64_t since = kev_http_quiet_since(pulse->http);

	if (pulse->transfer || since == INT64_MAX)
		return INT64_MAX;
	/* It may have been answered on another connection than that which is quiet. */
	return (since > pulse->asked ? since : pulse->asked) + KEV_PULSE_AFTER;
}

void kev_pulse_tick(struct kev_pulse *pulse, int64_t at)
{
	const struct kev_http_request request = {.path = PATH,
		.accept = "*/*",
		.prompt = true,
		.total_timeout = KEV_PULSE_TIMEOUT,
		.body = on_body,
		.done = on_done,
		.context = pulse};

	if (at < kev_pulse_deadline(pulse))
		return;
	pulse->asked = at;
	pulse->received = 0;
	/* Without memory: the next time. */
	if (kev_http_start(pulse->http, &request, &pulse->transfer) != 0)
		pulse->transfer = NULL;
}
