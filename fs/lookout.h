#ifndef KEVFS_LOOKOUT_H
#define KEVFS_LOOKOUT_H

#include <stdbool.h>

#include "systemd.h"

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/store/health.h"
#include "kevfs/store/store.h"

/**
 * The thread that looks whether all others live, and tells systemd how it goes: STATUS when that has changed,
 * and WATCHDOG for as long as nothing hangs.
 *
 * What hangs: a FUSE request that is not answered, changes that are not carried into the tree, a feed that
 * does not look around when it was to, each for KEV_LOOKOUT_PATIENCE. That a server does not answer is
 * nobody's hanging: a restart would not help. Nor is it that a local reader holds a directory, so that the
 * kernel does not take an invalidation of it: that is told, and waited for.
 */
struct kev_lookout;

#define KEV_LOOKOUT_PATIENCE (60 * KEV_NS_PER_SEC)

struct kev_lookout_config {
	const struct kev_systemd *systemd; /**< borrowed, like all; it asks */
	const struct kev_clock *clock;
	struct kev_health *health;
	struct kev_store *store;
	bool fed; /**< there is a feed's thread */
};

/** @return new, or NULL on ENOMEM */
struct kev_lookout *kev_lookout_create(const struct kev_lookout_config *config);

/** Start the thread, all signals blocked in it. @return 0 or -errno */
int kev_lookout_start(struct kev_lookout *lookout) KEV_MUST_USE;

/** End the thread if it runs. Before what it looks at ends. */
void kev_lookout_destroy(struct kev_lookout *lookout);

/** What hangs, in words; NULL: nothing. @param now  monotonic ns */
const char *kev_lookout_hanging(const struct kev_lookout_config *config, int64_t now);

/** Append what is said of how it goes, on one line. @return 0 or the buffer's error */
int kev_lookout_describe(const struct kev_lookout_config *config, struct kev_buf *out);

#endif
