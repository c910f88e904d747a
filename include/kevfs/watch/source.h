#ifndef KEVFS_WATCH_SOURCE_H
#define KEVFS_WATCH_SOURCE_H

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"

/** A file in place of a cluster: its bytes, and what its content says it is. */
struct kev_source;

/**
 * Open a file, and read its beginning.
 * @return 0 and a new source; -ENOENT, -EACCES, -EISDIR and the like, with a reason; -ENOMEM
 */
int kev_source_open(const char *path, struct kev_source **out, struct kev_error *error) KEV_MUST_USE;
void kev_source_close(struct kev_source *source);
static inline void kev_source_closep(struct kev_source **source)
{
	kev_source_close(*source);
}

/** Is it the recording of a watch: does it begin with an object whose first member is "type" or "object"?
 * Anything else is taken for a list. */
bool kev_source_is_recording(const struct kev_source *source);

/** A piece of the file, borrowed. Non-zero ends the reading. */
typedef int kev_source_fn(void *context, struct kev_str chunk, struct kev_error *error);

/**
 * Read the whole file from its beginning, in pieces. A second time only what can be rewound: no pipe.
 * @return 0; a callback's value; -errno with a reason (-ESPIPE: it cannot be rewound)
 */
int kev_source_read(
	struct kev_source *source, kev_source_fn *chunk, void *context, struct kev_error *error) KEV_MUST_USE;

#endif
