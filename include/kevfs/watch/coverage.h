#ifndef KEVFS_WATCH_COVERAGE_H
#define KEVFS_WATCH_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/config.h"
#include "kevfs/cluster/http.h"
#include "kevfs/store/health.h"
#include "kevfs/store/store.h"
#include "kevfs/watch/intake.h"

/**
 * What of the cluster is watched, and by which watchers: all of it at once where that is permitted, else its
 * namespaces one by one. The server decides, and may decide otherwise at any time.
 *
 * - Events are forbidden at the cluster scope: each namespace that is known gets a watcher of its own, and
 * where pods are forbidden there, too, one more for its pods. From then on the store shows what is permitted
 * only: a namespace whose events are forbidden, or are not watched, is denied (kev_store_restrict()). One
 * that is new is denied until its first list is complete, and nothing of it is held (intake.h); one that was
 * shown, until its own watcher is told so.
 * - Known are those that the namespaces' watcher shows, as they come and go; where it may not, those whose
 * events are here already and that of the context: "default" where it names none, as kubectl has it. With
 * namespaces to keep to these alone are known, and nothing is asked for at the cluster scope.
 * - Events are permitted at the cluster scope: first the namespaces' watchers are stopped, and only then the
 *   list is asked for. So it is as new as the last of their lines, and being a diff against what they
 * brought, it lets nothing be missed and nothing come twice. Until it is complete the tree stands still, as
 * stale.
 *
 * - A store that is restricted already (as the mount before has left it) stays so until the server has said
 * that all may be seen.
 *
 * Watches cost the server more than anything, so there are max_watches of namespaces at most. Pods give way
 * to events.
 *
 * Used by the feed's thread only.
 */
struct kev_coverage;

struct kev_coverage_config {
	struct kev_http *http; /**< borrowed, must outlive it, like all below */
	const struct kev_clock *clock;
	struct kev_store *store;
	struct kev_health *health;
	struct kev_intake *intake; /**< may be destroyed before, when nothing runs any more */
	const struct kev_cluster_config *cluster;
	const char *const *namespaces; /**< keep to these, NULL-terminated; NULL: to none */
	const char *field_selector;    /**< of events, or NULL */
	unsigned max_watches;          /**< of namespaces */
	int idle_timeout;              /**< as kev_watcher_config */
	bool shown, patient;           /**< as kev_feed_config */
	uint32_t (*random)(void *context);
	void *context;
};

/** @return 0 and new; -EINVAL (what is no name of a namespace), -E2BIG (more namespaces than max_watches;
 * where patience cannot help) or -ENOMEM */
int kev_coverage_create(const struct kev_coverage_config *config, struct kev_coverage **out,
	struct kev_error *error) KEV_MUST_USE;

/** Ends what is under way. */
void kev_coverage_destroy(struct kev_coverage *coverage);

/** Begin. */
void kev_coverage_start(struct kev_coverage *coverage);

/** When kev_coverage_tick() has something to do: monotonic ns, INT64_MAX for never. */
int64_t kev_coverage_deadline(const struct kev_coverage *coverage);

/** Do what is due, and go by what the server permits. Called after each kev_http_run(). */
void kev_coverage_tick(struct kev_coverage *coverage, int64_t at);

/** Are the first lists complete, or forbidden, and something may be seen? */
bool kev_coverage_settled(const struct kev_coverage *coverage);

/** The first sync has failed for good. @return 0: it has not; else why, as a negative errno */
int kev_coverage_failure(const struct kev_coverage *coverage, struct kev_error *why);

/** The first sync is over, well: as kev_watcher_speak(). */
void kev_coverage_speak(struct kev_coverage *coverage);

/** Something that came from the watchers was lost: list anew. */
void kev_coverage_relist(struct kev_coverage *coverage);

/** How far the lists are: those of events, but for last_byte. */
struct kev_coverage_progress {
	size_t items, remaining;
	int64_t last_byte; /**< monotonic ns of the last piece of any page; 0: none yet */
};
void kev_coverage_progress(const struct kev_coverage *coverage, struct kev_coverage_progress *out);

/** Why a request failed last of those that the first sync waits for; NULL where none did. Borrowed. */
const struct kev_error *kev_coverage_why(const struct kev_coverage *coverage);

#endif
