#include "kevfs/store/changes.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/thread.h"
#include "kevfs/store/lost.h"

struct kev_changes {
	pthread_mutex_t lock; /* protects everything below; a leaf */
	pthread_cond_t cond;  /* something to take, or closed */
	struct kev_change *ring;
	size_t max;
	size_t first; /* the oldest one's place */
	size_t count;
	uint64_t bytes, bytes_max; /* of revisions that went: here only, they are still in memory */
	struct kev_lost lost;      /* what the logs tell of changes that were lost */
	bool resync;               /* changes were lost: nothing is kept until the reader has heard of it */
	bool finished;             /* nothing is to be waited for */
	bool closed;
};

bool kev_change_occurrence(const struct kev_change *change, struct kev_occurrence *out)
{
	if (!change->event || (change->kind != KEV_CHANGE_EVENT && change->kind != KEV_CHANGE_GONE))
		return false;
	*out = (struct kev_occurrence){
		.event = change->event, .kind = KEV_OCCURRENCE_SEEN, .when = change->when};
	if (change->kind == KEV_CHANGE_EVENT)
		return true;
	out->kind = change->gone ? KEV_OCCURRENCE_GONE : KEV_OCCURRENCE_BACK;
	out->object = change->object;
	out->when = change->gone ? change->gone : change->when;
	return true;
}

void kev_change_fini(struct kev_change *change)
{
	kev_event_unref(change->old);
	kev_event_unref(change->event);
	free(change->namespace_);
	free(change->name);
	*change = (struct kev_change){.kind = change->kind};
}

struct kev_changes *kev_changes_create(size_t max)
{
	struct kev_changes *changes = calloc(1, sizeof(*changes));

	if (!changes)
		return NULL;
	/* calloc: the kernel gives the pages of a large ring only as they are used. */
	changes->ring = calloc(max ? max : 1, sizeof(*changes->ring));
	if (!changes->ring) {
		free(changes);
		return NULL;
	}
	changes->max = max;
	changes->bytes_max = UINT64_MAX;
	changes->resync = true;
	pthread_mutex_init(&changes->lock, NULL);
	kev_thread_cond_init(&changes->cond);
	return changes;
}

/* How much memory a change holds that nobody else does. */
static uint64_t held_by(const struct kev_change *change)
{
	return change->old ? kev_event_size(change->old) : 0;
}

static void keep(struct kev_lost *lost, const struct kev_change *change)
{
	struct kev_occurrence occurrence;

	kev_lost_keep(lost, kev_change_occurrence(change, &occurrence) ? &occurrence : NULL, change->old);
}

static void drop_locked(struct kev_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		struct kev_change *change = &changes->ring[(changes->first + i) % changes->max];

		keep(&changes->lost, change);
		kev_change_fini(change);
	}
	changes->first = 0;
	changes->count = 0;
	changes->bytes = 0;
}

void kev_changes_destroy(struct kev_changes *changes)
{
	if (!changes)
		return;
	changes->lost.max = 0;
	drop_locked(changes);
	kev_lost_fini(&changes->lost);
	pthread_cond_destroy(&changes->cond);
	pthread_mutex_destroy(&changes->lock);
	free(changes->ring);
	free(changes);
}

static void lose_locked(struct kev_changes *changes)
{
	drop_locked(changes);
	changes->resync = true;
	pthread_cond_signal(&changes->cond);
}

void kev_changes_append(struct kev_changes *changes, struct kev_change *change)
{
	bool kept = false;

	pthread_mutex_lock(&changes->lock);
	if (!changes->resync &&
		(changes->count == changes->max || held_by(change) > changes->bytes_max - changes->bytes))
		lose_locked(changes);
	if (!changes->resync) {
		changes->bytes += held_by(change);
		changes->ring[(changes->first + changes->count) % changes->max] = *change;
		kept = true;
		/* A reader that is behind does not wait. */
		if (changes->count++ == 0)
			pthread_cond_signal(&changes->cond);
	} else {
		keep(&changes->lost, change);
	}
	pthread_mutex_unlock(&changes->lock);
	if (!kept)
		kev_change_fini(change);
}

void kev_changes_lose(struct kev_changes *changes)
{
	pthread_mutex_lock(&changes->lock);
	lose_locked(changes);
	pthread_mutex_unlock(&changes->lock);
}

/* @return false at the timeout */
static bool wait_locked(struct kev_changes *changes, const struct timespec *until)
{
	if (!until)
		return pthread_cond_wait(&changes->cond, &changes->lock) == 0;
	return pthread_cond_timedwait(&changes->cond, &changes->lock, until) != ETIMEDOUT;
}

size_t kev_changes_take(
	struct kev_changes *changes, struct kev_change *out, size_t max, int timeout_ms, bool *resync)
{
	struct timespec until =
		timeout_ms > 0 ? kev_thread_deadline(timeout_ms * KEV_NS_PER_MS) : (struct timespec){0, 0};
	size_t taken = 0;

	pthread_mutex_lock(&changes->lock);
	while (timeout_ms != 0 && !changes->closed && !changes->finished && !changes->resync &&
		changes->count == 0) {
		if (!wait_locked(changes, timeout_ms > 0 ? &until : NULL))
			break;
	}
	if (changes->resync && !changes->closed) {
		changes->resync = false;
		*resync = true;
	}
	for (; taken < max && changes->count > 0 && !changes->closed; taken++) {
		out[taken] = changes->ring[changes->first];
		changes->bytes -= held_by(&out[taken]);
		changes->first = (changes->first + 1) % changes->max;
		changes->count--;
	}
	pthread_mutex_unlock(&changes->lock);
	return taken;
}

void kev_changes_limit_bytes(struct kev_changes *changes, uint64_t max)
{
	changes->bytes_max = max;
}

void kev_changes_keep_lost(struct kev_changes *changes, uint64_t max)
{
	changes->lost.max = max;
}

size_t kev_changes_take_lost(struct kev_changes *changes, struct kev_record ***out, uint64_t *missing)
{
	struct kev_lost lost;

	pthread_mutex_lock(&changes->lock);
	lost = changes->lost;
	changes->lost = (struct kev_lost){.max = lost.max};
	pthread_mutex_unlock(&changes->lock);
	*missing = lost.missing;
	return kev_lost_take(&lost, out);
}

void kev_changes_finish(struct kev_changes *changes)
{
	pthread_mutex_lock(&changes->lock);
	changes->finished = true;
	pthread_cond_broadcast(&changes->cond);
	pthread_mutex_unlock(&changes->lock);
}

void kev_changes_close(struct kev_changes *changes)
{
	pthread_mutex_lock(&changes->lock);
	changes->closed = true;
	pthread_cond_broadcast(&changes->cond);
	pthread_mutex_unlock(&changes->lock);
}

bool kev_changes_closed(struct kev_changes *changes)
{
	bool closed;

	pthread_mutex_lock(&changes->lock);
	closed = changes->closed;
	pthread_mutex_unlock(&changes->lock);
	return closed;
}
