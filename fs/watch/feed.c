#include "kevfs/watch/feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/hash.h"
#include "kevfs/base/log.h"
#include "kevfs/base/thread.h"
#include "kevfs/cluster/http.h"
#include "kevfs/watch/coverage.h"
#include "kevfs/watch/intake.h"
#include "kevfs/watch/kind_watch.h"
#include "kevfs/watch/pulse.h"

#define USER_AGENT "kevfs/" KEVFS_VERSION

/* How long events may wait for the answer to a question about their kind. */
#define HOLD_MAX (5 * KEV_NS_PER_SEC)

#define PROGRESS_INTERVAL (100 * KEV_NS_PER_MS)

/* The thread looks around at least this often. */
#define SLEEP_MAX_MS 60000

struct kev_feed {
	struct kev_feed_config config;
	struct kev_http *http;
	struct kev_intake *intake;
	struct kev_kind_watch *kinds;
	struct kev_pulse *pulse;
	struct kev_coverage *coverage;
	pthread_t thread;
	bool started;
	atomic_bool stopping, ended;

	/* The thread's own. */
	struct kev_hash_key random;
	uint64_t random_count;
	bool synced;
	struct kev_meter_mark *mark; /* by which it is seen that the thread lives */
	int64_t since;               /* when the thread started, or had a credential to ask with */
	int64_t hold_until;          /* while events wait for an answer; INT64_MAX if none does */
	int64_t expire_at;           /* when what is retained is looked at next */
	int64_t progress_behind;
	int failure; /* of the first sync, for good */
	struct kev_error why;
};

static uint32_t next_random(void *context)
{
	struct kev_feed *feed = context;

	feed->random_count++;
	return (uint32_t)kev_hash_sip13(&feed->random, &feed->random_count, sizeof(feed->random_count));
}

static int64_t now(const struct kev_feed *feed)
{
	return kev_clock_monotonic(feed->config.clock);
}

/* Let the events through that waited. */
static void release(struct kev_feed *feed)
{
	feed->hold_until = INT64_MAX;
	kev_intake_release(feed->intake);
}

static void on_answered(void *context)
{
	release(context);
}

static bool on_unknown_kind(void *context)
{
	struct kev_feed *feed = context;

	if (!kev_kind_watch_ask(feed->kinds))
		return false;
	feed->hold_until = now(feed) + HOLD_MAX;
	return true;
}

static int create_coverage(struct kev_feed *feed, struct kev_error *error)
{
	const struct kev_coverage_config config = {.http = feed->http,
		.clock = feed->config.clock,
		.store = feed->config.store,
		.health = feed->config.health,
		.intake = feed->intake,
		.cluster = feed->config.cluster,
		.namespaces = feed->config.namespaces,
		.field_selector = feed->config.field_selector,
		.max_watches = feed->config.max_watches,
		.idle_timeout = feed->config.sync_timeout,
		.shown = feed->config.shown,
		.patient = feed->config.patient,
		.random = next_random,
		.context = feed};

	return kev_coverage_create(&config, &feed->coverage, error);
}

static int set_up(struct kev_feed *feed, struct kev_error *error)
{
	struct kev_kind_watch_config kinds = {.clock = feed->config.clock,
		.store = feed->config.store,
		.patient = feed->config.patient,
		.random = next_random,
		.answered = on_answered,
		.context = feed};
	int r = kev_http_create(feed->config.cluster, feed->config.clock, USER_AGENT, &feed->http, error);

	if (r)
		return r;
	kinds.http = feed->http;
	feed->kinds = kev_kind_watch_create(&kinds);
	feed->intake = kev_intake_create(feed->config.store, on_unknown_kind, feed);
	feed->pulse = kev_pulse_create(feed->http);
	if (!feed->kinds || !feed->intake || !feed->pulse)
		return -ENOMEM;
	if (feed->config.shown)
		kev_intake_go_live(feed->intake);
	return create_coverage(feed, error);
}

int kev_feed_create(const struct kev_feed_config *config, struct kev_feed **out, struct kev_error *error)
{
	struct kev_feed *feed = calloc(1, sizeof(*feed));
	int r;

	if (!feed)
		return -ENOMEM;
	feed->config = *config;
	feed->random = kev_hash_random_key();
	feed->hold_until = feed->expire_at = INT64_MAX;
	atomic_init(&feed->stopping, false);
	atomic_init(&feed->ended, false);
	r = set_up(feed, error);
	if (r) {
		kev_feed_destroy(feed);
		return r;
	}
	*out = feed;
	return 0;
}

/* When the first sync has gone without a byte for too long. */
static int64_t sync_deadline(const struct kev_feed *feed)
{
	int64_t last = feed->since;
	struct kev_coverage_progress progress;

	if (feed->synced || feed->config.patient)
		return INT64_MAX;
	kev_coverage_progress(feed->coverage, &progress);
	if (progress.last_byte > last)
		last = progress.last_byte;
	if (kev_kind_watch_last(feed->kinds) > last)
		last = kev_kind_watch_last(feed->kinds);
	return last + feed->config.sync_timeout * KEV_NS_PER_SEC;
}

/* The first sync waits for nothing but this: say what it was. */
static void time_out(struct kev_feed *feed)
{
	const struct kev_error *why = kev_coverage_why(feed->coverage);

	if (!why)
		why = kev_kind_watch_why(feed->kinds);
	feed->failure = -ETIMEDOUT;
	if (why->text[0])
		/* Mostly it says already for how long. */
		kev_error_set(&feed->why, "%s; so the first sync is given up (sync_timeout=%d)", why->text,
			feed->config.sync_timeout);
	else
		kev_error_set(&feed->why, "%s: no answer for %d s (sync_timeout)",
			feed->config.cluster->server, feed->config.sync_timeout);
}

/* What is retained may be let go by the wall clock; it may be set, so this looks anew each time. */
static void expire(struct kev_feed *feed, int64_t at)
{
	int64_t wait = kev_store_expire(feed->config.store);

	feed->expire_at = wait < INT64_MAX - at ? at + wait : INT64_MAX;
}

static void tick(struct kev_feed *feed, int64_t at)
{
	if (at >= feed->hold_until)
		release(feed);
	/* Whose it was nobody knows. */
	if (kev_intake_take_lost(feed->intake))
		kev_coverage_relist(feed->coverage);
	kev_coverage_tick(feed->coverage, at);
	if (!feed->failure && !feed->synced)
		feed->failure = kev_coverage_failure(feed->coverage, &feed->why);
	kev_kind_watch_tick(feed->kinds, at);
	kev_pulse_tick(feed->pulse, at);
	/* A plugin has a timeout of its own. */
	if (kev_http_is_waiting(feed->http, NULL))
		feed->since = at;
	if (at >= sync_deadline(feed) && !feed->failure)
		time_out(feed);
	expire(feed, at);
}

static void tell_progress(struct kev_feed *feed, int64_t at)
{
	struct kev_coverage_progress progress;

	if (feed->synced || !feed->config.progress || at < feed->progress_behind)
		return;
	kev_coverage_progress(feed->coverage, &progress);
	feed->config.progress(
		feed->config.context, &(struct kev_feed_progress){progress.items, progress.remaining});
	feed->progress_behind = at + PROGRESS_INTERVAL;
}

static void check_synced(struct kev_feed *feed)
{
	struct kev_store_counts counts;

	/* Who is told of it may be gone when this comes late. */
	if (feed->synced || atomic_load(&feed->stopping) || !kev_coverage_settled(feed->coverage) ||
		kev_kind_watch_retry(feed->kinds) || !kev_kind_watch_ready(feed->kinds))
		return;
	feed->synced = true;
	kev_health_synced(feed->config.health);
	kev_intake_go_live(feed->intake);
	kev_kind_watch_speak(feed->kinds);
	kev_coverage_speak(feed->coverage);
	kev_store_counts(feed->config.store, &counts);
	kev_log_info("in sync with %s: %zu events, %zu pods, %zu namespaces", feed->config.cluster->server,
		counts.events, counts.pods, counts.namespaces);
	feed->config.synced(feed->config.context, 0, NULL);
}

/* @return ms until something is to be done, rounded up */
static int sleep_ms(const struct kev_feed *feed, int64_t at)
{
	int64_t next = at + SLEEP_MAX_MS * KEV_NS_PER_MS;
	const int64_t others[] = {feed->hold_until, feed->expire_at, kev_kind_watch_deadline(feed->kinds),
		kev_coverage_deadline(feed->coverage), kev_pulse_deadline(feed->pulse), sync_deadline(feed)};

	for (size_t i = 0; i < KEV_ARRAY_LEN(others); i++)
		next = others[i] < next ? others[i] : next;
	return next <= at ? 0 : (int)((next - at + KEV_NS_PER_MS - 1) / KEV_NS_PER_MS);
}

static void run_http(struct kev_feed *feed)
{
	const struct timespec moment = {0, 100 * KEV_NS_PER_MS};
	int64_t at = now(feed);
	int sleep = sleep_ms(feed, at), r;

	kev_meter_renew(feed->mark, at + sleep * KEV_NS_PER_MS);
	r = kev_http_run(feed->http, sleep);
	kev_meter_renew(feed->mark, now(feed));
	if (!r)
		return;
	/* No memory or no descriptors: it may pass. */
	kev_log_error("the network cannot be used: %s", strerror(-r));
	nanosleep(&moment, NULL);
}

static void *run(void *context)
{
	struct kev_feed *feed = context;

	pthread_setname_np(pthread_self(), "kevfs-feed");
	feed->since = now(feed);
	feed->mark = kev_meter_begin(kev_store_meter(feed->config.store), KEV_METER_FEEDING, feed->since);
	kev_kind_watch_ask(feed->kinds);
	kev_coverage_start(feed->coverage);
	while (!atomic_load(&feed->stopping) && !feed->failure) {
		run_http(feed);
		tick(feed, now(feed));
		tell_progress(feed, now(feed));
		if (!feed->failure)
			check_synced(feed);
	}
	if (feed->failure && !feed->synced && !atomic_load(&feed->stopping))
		feed->config.synced(feed->config.context, feed->failure, &feed->why);
	kev_meter_end(feed->mark);
	atomic_store(&feed->ended, true);
	return NULL;
}

int kev_feed_start(struct kev_feed *feed)
{
	int r = kev_thread_start(&feed->thread, run, feed);

	feed->started = r == 0;
	return r;
}

static void tell_to_end(struct kev_feed *feed)
{
	atomic_store(&feed->stopping, true);
	if (feed->started)
		kev_http_wakeup(feed->http);
}

bool kev_feed_stop(struct kev_feed *feed, int timeout_ms)
{
	const struct timespec tick = {0, KEV_NS_PER_MS};

	if (!feed || !feed->started)
		return true;
	tell_to_end(feed);
	for (int waited = 0; !atomic_load(&feed->ended); waited++) {
		if (waited >= timeout_ms)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

void kev_feed_destroy(struct kev_feed *feed)
{
	if (!feed)
		return;
	tell_to_end(feed);
	if (feed->started)
		pthread_join(feed->thread, NULL);
	kev_intake_destroy(feed->intake);
	kev_coverage_destroy(feed->coverage);
	kev_kind_watch_destroy(feed->kinds);
	kev_pulse_destroy(feed->pulse);
	kev_http_destroy(feed->http);
	free(feed);
}
