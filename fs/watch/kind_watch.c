#include "kevfs/watch/kind_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/cluster/discovery.h"
#include "kevfs/watch/backoff.h"

/* A kind that the server does not know either must not make every event a question. */
#define ASK_INTERVAL (30 * KEV_NS_PER_SEC)

struct kev_kind_watch {
	struct kev_kind_watch_config config;
	struct kev_discovery *discovery;
	struct kev_backoff backoff;
	struct kev_kinds *kinds; /* of the answer that is coming; NULL: no question is under way */
	bool ready;
	bool quiet;       /* until the first sync is over, its result is what is said */
	bool untold;      /* that discovery is refused */
	bool again;       /* a refusal was put to the server a second time */
	int64_t asked;    /* when the last question was sent */
	int64_t last;     /* when the last good answer came */
	int64_t deadline; /* of the next try of the first question */
	size_t refused;   /* what no plural can be */
	struct kev_error why;
};

static int on_resource(void *context, struct kev_str group, struct kev_str kind, struct kev_str plural)
{
	struct kev_kind_watch *watch = context;
	int r = kev_kinds_add(watch->kinds, group, kind, plural);

	if (r == -ENOMEM)
		return r;
	/* One that cannot be a directory's name stands verbatim, as a kind that is not known. */
	watch->refused += r ? 1 : 0;
	return 0;
}

static bool has_answered(int result)
{
	return result == 0 || result == -EALREADY;
}

/* Not permitted, or no API server's answer: the next try would be the same. */
static bool is_no_use(int result)
{
	return result == -EACCES || result == -EPROTO || result == -ENOENT;
}

static void publish(struct kev_kind_watch *watch)
{
	kev_log_info("API discovery: %zu kinds", kev_kinds_count(watch->kinds));
	if (watch->refused)
		kev_log_warning("API discovery: %zu kinds have a plural that cannot be one", watch->refused);
	kev_store_set_kinds(watch->config.store, watch->kinds);
	watch->kinds = NULL;
}

void kev_kind_watch_speak(struct kev_kind_watch *watch)
{
	if (watch->untold)
		kev_log_warning(
			"API discovery: %s; only the kinds that Kubernetes ships are known", watch->why.text);
	watch->untold = false;
	watch->quiet = false;
}

static void fail(struct kev_kind_watch *watch, int result)
{
	int64_t now = kev_clock_monotonic(watch->config.clock);
	int64_t wait;

	if (watch->ready) {
		kev_log_info("API discovery: %s", watch->why.text);
		return;
	}
	if (is_no_use(result) || watch->again) {
		watch->ready = true;
		watch->untold = true;
		if (!watch->quiet)
			kev_kind_watch_speak(watch);
		return;
	}
	wait = kev_backoff_next(&watch->backoff, KEV_BACKOFF_UNREACHABLE, now, -1,
		watch->config.random(watch->config.context));
	watch->deadline = now + wait;
	kev_log_info("API discovery: %s; next try in %.1f s", watch->why.text, (double)wait / KEV_NS_PER_SEC);
}

static void on_done(void *context, int result, const struct kev_error *error)
{
	struct kev_kind_watch *watch = context;

	watch->why = (struct kev_error){""};
	if (!has_answered(result))
		kev_error_set(&watch->why, "%s", error && error->text[0] ? error->text : strerror(-result));
	if (has_answered(result)) {
		watch->ready = true;
		watch->untold = false;
		watch->last = kev_clock_monotonic(watch->config.clock);
	}
	if (result == 0)
		publish(watch);
	else if (!has_answered(result))
		fail(watch, result);
	kev_kinds_unref(watch->kinds);
	watch->kinds = NULL;
	watch->config.answered(watch->config.context);
}

struct kev_kind_watch *kev_kind_watch_create(const struct kev_kind_watch_config *config)
{
	struct kev_kind_watch *watch = calloc(1, sizeof(*watch));
	struct kev_discovery_callbacks callbacks = {on_resource, on_done, watch};

	if (!watch)
		return NULL;
	watch->config = *config;
	watch->quiet = !config->patient;
	watch->deadline = INT64_MAX;
	watch->asked = INT64_MIN;
	kev_backoff_init(&watch->backoff);
	watch->discovery = kev_discovery_create(config->http, &callbacks);
	if (watch->discovery)
		return watch;
	kev_kind_watch_destroy(watch);
	return NULL;
}

void kev_kind_watch_destroy(struct kev_kind_watch *watch)
{
	if (!watch)
		return;
	kev_discovery_destroy(watch->discovery);
	kev_kinds_unref(watch->kinds);
	free(watch);
}

bool kev_kind_watch_ask(struct kev_kind_watch *watch)
{
	int64_t now = kev_clock_monotonic(watch->config.clock);

	if (watch->kinds)
		return true;
	if (watch->ready && now < watch->asked + ASK_INTERVAL)
		return false;
	watch->asked = now;
	watch->deadline = INT64_MAX;
	watch->refused = 0;
	watch->kinds = kev_kinds_create();
	if (watch->kinds && kev_discovery_start(watch->discovery) == 0)
		return true;
	kev_kinds_unref(watch->kinds);
	watch->kinds = NULL;
	kev_error_set(&watch->why, "out of memory");
	fail(watch, -ENOMEM);
	return false;
}

bool kev_kind_watch_retry(struct kev_kind_watch *watch)
{
	if (!watch->ready || watch->last || watch->again)
		return false;
	watch->again = true;
	watch->ready = false;
	kev_kind_watch_ask(watch);
	return true;
}

bool kev_kind_watch_ready(const struct kev_kind_watch *watch)
{
	return watch->ready;
}

int64_t kev_kind_watch_deadline(const struct kev_kind_watch *watch)
{
	return watch->deadline;
}

void kev_kind_watch_tick(struct kev_kind_watch *watch, int64_t now)
{
	if (now >= watch->deadline)
		kev_kind_watch_ask(watch);
}

int64_t kev_kind_watch_last(const struct kev_kind_watch *watch)
{
	return watch->last;
}

const struct kev_error *kev_kind_watch_why(const struct kev_kind_watch *watch)
{
	return &watch->why;
}
