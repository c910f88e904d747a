#ifndef KEVFS_WATCH_KIND_WATCH_H
#define KEVFS_WATCH_KIND_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/http.h"
#include "kevfs/store/store.h"

/**
 * Keeps the store's kinds as API discovery says them. The server does not tell when they change: it is asked
 * at the start, and when an event is about a kind that is not known. Used by the feed's thread only.
 */
struct kev_kind_watch;

struct kev_kind_watch_config {
	struct kev_http *http; /**< borrowed, must outlive it, like all below */
	const struct kev_clock *clock;
	struct kev_store *store;
	bool patient; /**< never quiet: see kev_kind_watch_speak() */
	uint32_t (*random)(void *context);
	/** A question was answered, or has failed. */
	void (*answered)(void *context);
	void *context;
};

/** @return new, or NULL on ENOMEM */
struct kev_kind_watch *kev_kind_watch_create(const struct kev_kind_watch_config *config);
void kev_kind_watch_destroy(struct kev_kind_watch *watch);

/**
 * Ask the server, but not more than every 30 s.
 * @return true if a question is under way: answered() will follow
 */
bool kev_kind_watch_ask(struct kev_kind_watch *watch);

/** Was the first question answered? Where discovery is not permitted, or makes no sense, the built-in kinds
 * are the answer. Until then it is asked again and again. */
bool kev_kind_watch_ready(const struct kev_kind_watch *watch);

/** The server answers the watchers: if it has refused discovery so far, ask once more, since paths never
 * change.
 * @return true if it is asked: not ready again */
bool kev_kind_watch_retry(struct kev_kind_watch *watch);

/** The first sync is over, well: what has been done without is told now, and at once from here on. */
void kev_kind_watch_speak(struct kev_kind_watch *watch);

/** When kev_kind_watch_tick() has something to do: monotonic ns, INT64_MAX for never. */
int64_t kev_kind_watch_deadline(const struct kev_kind_watch *watch);
void kev_kind_watch_tick(struct kev_kind_watch *watch, int64_t now);

/** Monotonic ns of the last good answer, 0 before the first. */
int64_t kev_kind_watch_last(const struct kev_kind_watch *watch);

/** Why the last question failed; an empty text where it did not. Borrowed. */
const struct kev_error *kev_kind_watch_why(const struct kev_kind_watch *watch);

#endif
