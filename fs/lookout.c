#include "lookout.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/log.h"
#include "kevfs/base/thread.h"

/* How often the thread looks at least. */
#define TICK (KEV_NS_PER_SEC)

/* What only counts on is told this often at most. */
#define STATUS_INTERVAL (10 * KEV_NS_PER_SEC)

/* An invalidation takes microseconds. */
#define BLOCKED_TOLD (5 * KEV_NS_PER_SEC)

/* An error is 1 KiB. */
#define STATUS_MAX 2048

/* What is said of how it goes may differ by numbers: this is what else it says. */
enum mood { STARTING, SYNCING, IN_SYNC, NOT_CONNECTED, HALTED, HANGING };

struct kev_lookout {
	struct kev_lookout_config config;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* protects what follows; a leaf */
	pthread_cond_t cond;
	bool stopping;

	/* The thread's own. */
	enum mood mood;
	bool blocked;
	struct kev_buf told;   /* the last status */
	int64_t status_behind; /* monotonic ns: no other of the same mood before */
	int64_t watchdog_at;   /* monotonic ns: when it is due */
};

const char *kev_lookout_hanging(const struct kev_lookout_config *config, int64_t now)
{
	const struct kev_meter *meter = kev_store_meter(config->store);

	if (kev_meter_longest(meter, KEV_METER_ANSWERING, now) >= KEV_LOOKOUT_PATIENCE)
		return "a FUSE request is not answered";
	if (config->fed && !kev_meter_is_at(meter, KEV_METER_FEEDING))
		return "the thread that follows the cluster has ended";
	if (kev_meter_longest(meter, KEV_METER_FEEDING, now) >= KEV_LOOKOUT_PATIENCE)
		return "the thread that follows the cluster hangs";
	/* Who waits for the kernel hangs, too, but not by our fault. */
	if (kev_meter_longest(meter, KEV_METER_CARRYING, now) >= KEV_LOOKOUT_PATIENCE &&
		kev_meter_longest(meter, KEV_METER_NOTIFYING, now) < BLOCKED_TOLD)
		return "the thread that changes the tree hangs";
	return NULL;
}

static int64_t blocked_for(const struct kev_lookout_config *config)
{
	return kev_meter_longest(
		kev_store_meter(config->store), KEV_METER_NOTIFYING, kev_clock_monotonic(config->clock));
}

static enum mood find_mood(const struct kev_lookout_config *config, struct kev_health_state *state)
{
	kev_health_get(config->health, state);
	if (kev_lookout_hanging(config, kev_clock_monotonic(config->clock)))
		return HANGING;
	if (!state->synced)
		return SYNCING;
	if (state->late || !state->watches[KEV_SCOPE_EVENTS].connected)
		return NOT_CONNECTED;
	return state->held.halted_since ? HALTED : IN_SYNC;
}

static void append_reason(struct kev_buf *out, const struct kev_health_watch *events)
{
	if (events->error.text[0])
		kev_buf_printf(out, ": %s", events->error.text);
}

/* The clock may have been set back. */
static void append_stale(struct kev_buf *out, const struct kev_health_state *state, int64_t now)
{
	int64_t since = now > state->since ? (now - state->since) / KEV_NS_PER_SEC : 0;
	struct kev_error why;

	if (state->late) {
		kev_health_explain(state, &why);
		kev_buf_append_c(out, why.text);
		return;
	}
	kev_buf_printf(out, "not connected for %lld s", (long long)since);
	append_reason(out, &state->watches[KEV_SCOPE_EVENTS]);
}

static void describe(const struct kev_lookout_config *config, enum mood mood,
	const struct kev_health_state *state, struct kev_buf *out)
{
	const struct kev_health_watch *events = &state->watches[KEV_SCOPE_EVENTS];
	struct kev_store_counts counts;

	kev_store_counts(config->store, &counts);
	switch (mood) {
	case STARTING:
	case SYNCING:
		kev_buf_printf(out, "first sync: %zu events so far", counts.events);
		append_reason(out, events);
		return;
	case IN_SYNC:
		kev_buf_printf(out, "in sync: %zu events", counts.events);
		return;
	case NOT_CONNECTED:
		append_stale(out, state, kev_clock_realtime(config->clock));
		return;
	case HALTED:
		kev_buf_append_c(out, "nothing that changes is seen: local readers hold all directories that "
				      "can be held");
		return;
	case HANGING:
		kev_buf_append_c(out, kev_lookout_hanging(config, kev_clock_monotonic(config->clock)));
		return;
	}
}

/* @return whether it says that a reader holds a directory */
static bool append_blocked(const struct kev_lookout_config *config, struct kev_buf *out)
{
	int64_t blocked = blocked_for(config);

	if (blocked < BLOCKED_TOLD)
		return false;
	kev_buf_printf(out, "; a local reader has been holding a directory for %lld s",
		(long long)(blocked / KEV_NS_PER_SEC));
	return true;
}

int kev_lookout_describe(const struct kev_lookout_config *config, struct kev_buf *out)
{
	struct kev_health_state state;
	enum mood mood = find_mood(config, &state);

	describe(config, mood, &state, out);
	append_blocked(config, out);
	return out->error;
}

static void tell_status(struct kev_lookout *lookout, int64_t now)
{
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	struct kev_health_state state;
	enum mood mood = find_mood(&lookout->config, &state);
	bool blocked;

	kev_buf_init(&text, STATUS_MAX);
	describe(&lookout->config, mood, &state, &text);
	blocked = append_blocked(&lookout->config, &text);
	if (text.error || kev_str_eq(kev_buf_str(&text), kev_buf_str(&lookout->told)))
		return;
	if (mood == lookout->mood && blocked == lookout->blocked && now < lookout->status_behind)
		return;
	if (mood == HANGING && lookout->mood != HANGING)
		kev_log_error("%.*s", (int)text.len, text.data);
	kev_systemd_tell(lookout->config.systemd, "STATUS=%.*s", (int)text.len, text.data);
	lookout->mood = mood;
	lookout->blocked = blocked;
	lookout->status_behind = now + STATUS_INTERVAL;
	kev_buf_clear(&lookout->told);
	(void)kev_buf_append_str(&lookout->told, kev_buf_str(&text));
}

/* Half of the interval later it is due again; what hangs for a moment only is looked at the next time. */
static void tell_watchdog(struct kev_lookout *lookout, int64_t now)
{
	if (!lookout->config.systemd->watchdog || now < lookout->watchdog_at ||
		kev_lookout_hanging(&lookout->config, now))
		return;
	kev_systemd_tell(lookout->config.systemd, "WATCHDOG=1");
	lookout->watchdog_at = now + lookout->config.systemd->watchdog / 2;
}

/* Often enough for the watchdog, too. */
static int64_t tick(const struct kev_lookout *lookout)
{
	int64_t often = lookout->config.systemd->watchdog / 4;

	if (!often || often > TICK)
		return TICK;
	return often > KEV_NS_PER_MS ? often : KEV_NS_PER_MS;
}

static void *run(void *context)
{
	struct kev_lookout *lookout = context;

	pthread_setname_np(pthread_self(), "kevfs-lookout");
	pthread_mutex_lock(&lookout->lock);
	while (!lookout->stopping) {
		struct timespec until;
		int64_t now;

		pthread_mutex_unlock(&lookout->lock);
		now = kev_clock_monotonic(lookout->config.clock);
		tell_watchdog(lookout, now);
		tell_status(lookout, now);
		until = kev_thread_deadline(tick(lookout));
		pthread_mutex_lock(&lookout->lock);
		if (!lookout->stopping)
			pthread_cond_timedwait(&lookout->cond, &lookout->lock, &until);
	}
	pthread_mutex_unlock(&lookout->lock);
	return NULL;
}

struct kev_lookout *kev_lookout_create(const struct kev_lookout_config *config)
{
	struct kev_lookout *lookout = calloc(1, sizeof(*lookout));

	if (!lookout)
		return NULL;
	lookout->config = *config;
	lookout->mood = STARTING;
	kev_buf_init(&lookout->told, STATUS_MAX);
	pthread_mutex_init(&lookout->lock, NULL);
	kev_thread_cond_init(&lookout->cond);
	return lookout;
}

int kev_lookout_start(struct kev_lookout *lookout)
{
	int r = kev_thread_start(&lookout->thread, run, lookout);

	lookout->started = r == 0;
	return r;
}

void kev_lookout_destroy(struct kev_lookout *lookout)
{
	if (!lookout)
		return;
	pthread_mutex_lock(&lookout->lock);
	lookout->stopping = true;
	pthread_cond_signal(&lookout->cond);
	pthread_mutex_unlock(&lookout->lock);
	if (lookout->started)
		pthread_join(lookout->thread, NULL);
	pthread_cond_destroy(&lookout->cond);
	pthread_mutex_destroy(&lookout->lock);
	kev_buf_fini(&lookout->told);
	free(lookout);
}
