#ifndef KEVFS_WATCH_RECORDING_H
#define KEVFS_WATCH_RECORDING_H

#include <stdbool.h>
#include <stddef.h>

#include "kevfs/base/error.h"
#include "kevfs/event/objects.h"
#include "kevfs/watch/source.h"

/** A line of a recording. Where it returns -EINVAL, error says why; in which line is put before it. */
typedef int kev_recording_fn(
	void *context, struct kev_str text, const struct kev_objects_where *where, struct kev_error *error);

/** What a reading has left out. */
struct kev_recording_end {
	size_t oversized;               /**< lines over KEV_JSON_TEXT_MAX */
	bool broken_off;                /**< the last line, as when kubectl was interrupted */
	struct kev_objects_where where; /**< that one begins */
};

/**
 * Read a recording, or single Events, from the beginning, line by line; a "line" may be one, or
 * pretty-printed on many.
 * @param end  untouched on error
 * @return 0; -EINVAL (not a stream of objects, or broken off in its first one); -ENOMEM; what the callback or
 * kev_source_read() returned
 */
int kev_recording_read(struct kev_source *source, kev_recording_fn *line, void *context,
	struct kev_recording_end *end, struct kev_error *error) KEV_MUST_USE;

/** Log what a reading has left out, if anything. */
void kev_recording_report(const struct kev_recording_end *end, const char *path);

#endif
