#ifndef KEVFS_WATCH_DUMP_H
#define KEVFS_WATCH_DUMP_H

#include "kevfs/base/error.h"
#include "kevfs/store/store.h"

/**
 * Fill the store from a file: the output of `kubectl get events -A -o json` (kind List), the API server's own
 * list (EventList), or the recording of a watch, of which the final state is taken. Items of other kinds are
 * skipped, counted, and named in one warning.
 * @param namespaces  only Events of these; NULL-terminated; NULL: all
 * @return 0; -ENOENT, -EACCES, -EISDIR and the like; -EINVAL (neither, or broken off: error says at which
 * byte, or in which line); -ENOMEM. On failure the store may hold a part.
 */
int kev_dump_load(const char *path, struct kev_store *store, const char *const *namespaces,
	struct kev_error *error) KEV_MUST_USE;

#endif
