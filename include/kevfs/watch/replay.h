#ifndef KEVFS_WATCH_REPLAY_H
#define KEVFS_WATCH_REPLAY_H

#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/error.h"
#include "kevfs/store/store.h"

/**
 * Plays the recording of a watch: what the list held that it began with is there at once, and everything
 * behind it comes in a thread of its own, as it came then.
 *
 * Which lines were the list, the recording does not say, unless a bookmark ends it. What is known: a list has
 * ADDED lines only; the API server sends it in the order of namespace/name; and whatever comes after it is
 * newer. So of the ADDED lines that stand first, those are the list which are in that order, and all up to
 * the last whose resourceVersion is not the highest so far.
 *
 * When each of the others came, only Events themselves say: a line comes at the latest time that was met in
 * any line up to it; a deletion says no time, and follows the line before. The first comes at once, so that
 * nobody waits for what the recording itself waited for.
 *
 * Single Events (events.jsonl) are played in the same way, but from nothing: what a first sync brought stands
 * in them in order of last seen, so that each, at its time, is there when it was seen; and no rule could tell
 * it from what came later, since that is in the same order.
 */
struct kev_replay;

/** The speed at which it happened. */
#define KEV_REPLAY_SPEED_ONE 1000000U

struct kev_replay_config {
	const char *path;              /**< borrowed, like all */
	const char *const *namespaces; /**< only Events of these; NULL-terminated; NULL: all */
	uint64_t speed;                /**< at least 1, in units of 1 / KEV_REPLAY_SPEED_ONE */
	const struct kev_clock *clock; /**< how time goes: CLOCK_MONOTONIC but in tests */
	struct kev_store *store;       /**< written by the thread only, once it was started */
};

/**
 * Open a recording or single Events, and read all of it once, so that what is wrong with it is known before
 * it is played.
 * @return 0 and a new replay; -EINVAL (a list, or broken: error says in which line); what kev_source_open()
 * returns, and the like; -ENOMEM
 */
int kev_replay_create(const struct kev_replay_config *config, struct kev_replay **out,
	struct kev_error *error) KEV_MUST_USE;

/** Put what the recording begins with into the store (KEV_ORIGIN_FIRST_SYNC). @return as above */
int kev_replay_load(struct kev_replay *replay, struct kev_error *error) KEV_MUST_USE;

/** Start the thread that plays the rest, all signals blocked in it. @return 0 or -errno */
int kev_replay_start(struct kev_replay *replay) KEV_MUST_USE;

/** Stop the thread if it runs, also where it sleeps, and free everything. */
void kev_replay_destroy(struct kev_replay *replay);

#endif
