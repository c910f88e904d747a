#ifndef KEVFS_STORE_ARCHIVE_H
#define KEVFS_STORE_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/error.h"
#include "kevfs/store/history.h"
#include "kevfs/store/retained.h"
#include "kevfs/store/store.h"

/**
 * Keeps the history on disk equal to the store, in a thread of its own: neither who writes the store nor who
 * reads it ever waits for the disk. It follows a journal; where that overflows, since the disk is too slow or
 * refuses, it compares with the store as a whole when that works again. Then the history may lack revisions
 * that had been superseded meanwhile, never a current one.
 *
 * Without SQLite (meson's option state) there is none: kev_archive_open() says so.
 */
struct kev_archive;

struct kev_archive_config {
	const char *directory;        /**< absolute; borrowed, like all */
	struct kev_history_view view; /**< what the mount shows; used by kev_archive_open() only */
	struct kev_retain retain;     /**< the limits hold for superseded revisions, by themselves */
	const struct kev_clock *clock;
	struct kev_store *store; /**< must outlive it */
};

/** Was kevfs built with it? */
bool kev_archive_is_there(void);

/** Open, or make, the history; waits some seconds for another kevfs that is about to end. @return 0 and a new
 * archive, -ENOTSUP, or as kev_history_open() */
int kev_archive_open(const struct kev_archive_config *config, struct kev_archive **out,
	struct kev_error *error) KEV_MUST_USE;

/** Would kev_archive_open() do? Nothing is written. @return -ENOTSUP, or as kev_history_look() */
int kev_archive_look(
	const char *directory, const struct kev_history_view *view, struct kev_error *error) KEV_MUST_USE;

/** Had everything been there when it was written? Then it can be shown before the server was asked. */
bool kev_archive_complete(const struct kev_archive *archive);

/** What is loaded of superseded revisions at most, bytes. */
#define KEV_ARCHIVE_LOAD_MAX (64U << 20)

/**
 * Put into the store what the history holds: each revision, in the order in which they came, the older ones
 * to be superseded by the newer. What could not be seen in the end (kev_store_restrict()) cannot be seen now:
 * that the server does not permit it is as true as what it had said before. Before kev_archive_start(), and
 * before anybody else writes the store.
 */
int kev_archive_load(struct kev_archive *archive, struct kev_error *error) KEV_MUST_USE;

/** Follow the store from now on; all signals are blocked in the thread. Before the store's writer starts.
 * @return 0 or -errno */
int kev_archive_start(struct kev_archive *archive) KEV_MUST_USE;

/** The first sync is complete: what the store holds from now on is all there is. Any thread. */
void kev_archive_synced(struct kev_archive *archive);

/** How it goes. */
struct kev_archive_status {
	/** Revisions that this mount has written and that nothing takes back any more: neither kill -9 nor a
	 * power failure. */
	uint64_t acknowledged;
	/** Of the last of those, in the order in which they came (a list's is that of its names); "" before
	 * the first; longer ones are cut. */
	char resource_version[128];
	struct kev_history_counts past; /**< what is kept of superseded revisions */
	bool failing;                   /**< it cannot write, and tries again */
	struct kev_error why;           /**< of failing */
};

/** Any thread. */
void kev_archive_status(struct kev_archive *archive, struct kev_archive_status *out);

/** Write what is left (once, where it fails), end the thread, close the history; all else stays as it is. For
 * where the store's writer cannot be ended: what it still puts is not kept. */
void kev_archive_stop(struct kev_archive *archive);

/** The same, and free it. The store's writer has ended before. */
void kev_archive_destroy(struct kev_archive *archive);

#endif
