#ifndef KEVFS_WATCH_DUMP_H
#define KEVFS_WATCH_DUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/error.h"
#include "kevfs/event/form.h"
#include "kevfs/store/store.h"
#include "kevfs/watch/recorded.h"

/**
 * Fill the store from a file: the output of `kubectl get events -A -o json` (kind List), the API server's own
 * list (EventList), the recording of a watch, of which the final state is taken, or single Events, one behind
 * the other (events.jsonl). Of the latter two, every revision is put, in order. All may be compressed. Items
 * of other kinds are skipped, counted, and named in one warning.
 * @param path  as of kev_source_open()
 * @param namespaces  only Events of these; NULL-terminated; NULL: all
 * @return 0; -ENOENT, -EACCES, -EISDIR and the like; -EINVAL (none of these, or broken off: error says at
 * which byte, or in which line); -EBADMSG, -EOPNOTSUPP (as of kev_unpack_read()); -ENOMEM. On failure the
 * store may hold a part.
 */
int kev_dump_load(const char *path, struct kev_store *store, const char *const *namespaces,
	struct kev_error *error) KEV_MUST_USE;

/** What a file turned out to be. */
struct kev_dump_found {
	enum kev_form form;
	const struct kev_recorded_counts *counts;
	size_t oversized;     /**< objects that were left out before they came so far */
	uint64_t broken_line; /**< where the end of a stream is broken off, and left out; 0: it is not */
};

/** The same, but what would be logged is told.
 * @param found  called once, if the file could be read */
int kev_dump_examine(const char *path, struct kev_store *store, const char *const *namespaces,
	void (*found)(void *context, const struct kev_dump_found *what), void *context,
	struct kev_error *error) KEV_MUST_USE;

#endif
