#include "kevfs/store/health.h"

#include <pthread.h>
#include <stdlib.h>

/* A moment on both clocks. */
struct moment {
	int64_t real, monotonic;
};

/* The watches of one kind. */
struct watches {
	unsigned count, connected;
	unsigned gone;       /* of those that are not connected: how many were before */
	int64_t since;       /* while all are connected, or were GRACE ago: real */
	struct moment ended; /* while some are not: when the first of them ended */
	bool broken;         /* … and it is known that they do not work */
	uint64_t reconnects, relists;
	struct kev_error error;
	int64_t error_time;
};

struct kev_health {
	const struct kev_clock *clock;
	int64_t started; /* real */

	pthread_mutex_t lock; /* protects everything below; a leaf */
	bool synced;
	int64_t since; /* since when it is synced, or not: real */
	struct watches watches[KEV_HEALTH_KINDS];
};

static struct moment now(const struct kev_health *health)
{
	return (struct moment){kev_clock_realtime(health->clock), kev_clock_monotonic(health->clock)};
}

struct kev_health *kev_health_create(const struct kev_clock *clock)
{
	struct kev_health *health = calloc(1, sizeof(*health));

	if (!health)
		return NULL;
	health->clock = clock;
	health->started = health->since = kev_clock_realtime(clock);
	pthread_mutex_init(&health->lock, NULL);
	return health;
}

void kev_health_destroy(struct kev_health *health)
{
	if (!health)
		return;
	pthread_mutex_destroy(&health->lock);
	free(health);
}

void kev_health_synced(struct kev_health *health)
{
	int64_t at = kev_clock_realtime(health->clock);

	pthread_mutex_lock(&health->lock);
	if (!health->synced)
		health->since = at;
	health->synced = true;
	pthread_mutex_unlock(&health->lock);
}

static bool is_connected(const struct watches *w, struct moment at)
{
	return w->connected == w->count ||
	       (!w->broken && at.monotonic - w->ended.monotonic < KEV_HEALTH_GRACE);
}

void kev_health_add(struct kev_health *health, enum kev_scope_kind kind)
{
	struct watches *w = &health->watches[kind];
	struct moment at = now(health);

	pthread_mutex_lock(&health->lock);
	w->count++;
	w->ended = at;
	w->broken = true;
	pthread_mutex_unlock(&health->lock);
}

void kev_health_connected(struct kev_health *health, enum kev_scope_kind kind)
{
	struct watches *w = &health->watches[kind];
	struct moment at = now(health);

	pthread_mutex_lock(&health->lock);
	if (w->gone > 0) {
		w->gone--;
		w->reconnects++;
	}
	if (w->connected + 1 == w->count) {
		if (!is_connected(w, at))
			w->since = at.real;
		w->broken = false;
	}
	w->connected++;
	pthread_mutex_unlock(&health->lock);
}

void kev_health_ended(struct kev_health *health, enum kev_scope_kind kind)
{
	struct watches *w = &health->watches[kind];
	struct moment at = now(health);

	pthread_mutex_lock(&health->lock);
	if (w->connected == w->count)
		w->ended = at;
	w->connected--;
	w->gone++;
	pthread_mutex_unlock(&health->lock);
}

void kev_health_failed(struct kev_health *health, enum kev_scope_kind kind, const struct kev_error *why)
{
	struct watches *w = &health->watches[kind];
	struct moment at = now(health);

	pthread_mutex_lock(&health->lock);
	w->broken = w->connected < w->count;
	w->error = *why;
	w->error_time = at.real;
	pthread_mutex_unlock(&health->lock);
}

void kev_health_listing(struct kev_health *health, enum kev_scope_kind kind, bool again)
{
	struct watches *w = &health->watches[kind];

	pthread_mutex_lock(&health->lock);
	/* Nobody lists what could be followed: something was missed. */
	w->broken = true;
	w->relists += again ? 1 : 0;
	pthread_mutex_unlock(&health->lock);
}

static void describe(const struct watches *w, struct moment at, struct kev_health_watch *out)
{
	bool connected = is_connected(w, at);

	*out = (struct kev_health_watch){.count = w->count,
		.connected = connected,
		.since = connected ? w->since : w->ended.real,
		.reconnects = w->reconnects,
		.relists = w->relists,
		.error = w->error,
		.error_time = w->error_time};
}

static bool is_stale_locked(const struct kev_health *health, struct moment at)
{
	return !health->synced || !is_connected(&health->watches[KEV_SCOPE_EVENTS], at);
}

void kev_health_get(struct kev_health *health, struct kev_health_state *out)
{
	struct moment at = now(health);

	pthread_mutex_lock(&health->lock);
	out->started = health->started;
	out->synced = health->synced;
	out->stale = is_stale_locked(health, at);
	for (int i = 0; i < KEV_HEALTH_KINDS; i++)
		describe(&health->watches[i], at, &out->watches[i]);
	out->since = health->since;
	if (health->synced && out->watches[KEV_SCOPE_EVENTS].since > out->since)
		out->since = out->watches[KEV_SCOPE_EVENTS].since;
	pthread_mutex_unlock(&health->lock);
}

bool kev_health_stale(struct kev_health *health)
{
	struct moment at = now(health);
	bool stale;

	pthread_mutex_lock(&health->lock);
	stale = is_stale_locked(health, at);
	pthread_mutex_unlock(&health->lock);
	return stale;
}
