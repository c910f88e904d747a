#ifndef KEVFS_WATCH_FEED_H
#define KEVFS_WATCH_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/config.h"
#include "kevfs/store/health.h"
#include "kevfs/store/store.h"

/** The thread that keeps the store equal to the cluster: discovery, lists, watches. The only user of curl. */
struct kev_feed;

/** How far the first sync is. Called from the feed's thread, at most ten times a second. */
struct kev_feed_progress {
	size_t events;    /**< received so far */
	size_t remaining; /**< as the server estimates; 0 if it does not */
};

struct kev_feed_config {
	const struct kev_cluster_config *cluster; /**< borrowed */
	const struct kev_clock *clock;            /**< borrowed */
	struct kev_store *store;                  /**< borrowed */
	struct kev_health *health;                /**< told how the watches are; borrowed */
	const char *const *namespaces;            /**< only these, NULL-terminated and borrowed; NULL: all */
	const char *field_selector;               /**< of events, or NULL; borrowed */
	unsigned max_watches;                     /**< of namespaces one by one, at most: see coverage.h */
	int sync_timeout;                         /**< seconds without a byte, during the first sync */
	/** What the store holds is shown already: what the first sync brings is as new as what the watches
	 * do, and has later ctimes than all that was shown. */
	bool shown;
	bool patient; /**< delay_sync: failures of the first sync are retried for ever */
	void (*progress)(void *context, const struct kev_feed_progress *progress); /**< may be NULL */
	/** The first sync is complete (result 0), or has failed for good (not where patient). Exactly once,
	 * from the feed's thread. */
	void (*synced)(void *context, int result, const struct kev_error *error);
	void *context; /**< borrowed */
};

/** @return 0 and a new feed; -EINVAL (certificate, key), -E2BIG (more namespaces than max_watches) or
 * -ENOMEM. Starts no thread. */
int kev_feed_create(
	const struct kev_feed_config *config, struct kev_feed **out, struct kev_error *error) KEV_MUST_USE;

/** Start the thread, all signals blocked in it. @return 0 or -errno */
int kev_feed_start(struct kev_feed *feed) KEV_MUST_USE;

/**
 * Stop the thread if it runs. It waits for no network, but it may for a file: a certificate, say, on a server
 * that is dead.
 * @return whether it has ended within so many ms; if not, it must not be destroyed, and all that it was given
 * must stay: the thread may go on yet. It calls nobody back by then
 */
bool kev_feed_stop(struct kev_feed *feed, int timeout_ms) KEV_MUST_USE;

/** Stop the thread if it runs, however long that takes, and free everything. */
void kev_feed_destroy(struct kev_feed *feed);

#endif
