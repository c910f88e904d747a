#ifndef KEVFS_EVENT_COMPACT_H
#define KEVFS_EVENT_COMPACT_H

#include <stddef.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/str.h"

/**
 * Append valid JSON text without the white space that stands outside of its strings.
 * @return 0 or the buffer's error
 */
int kev_compact_append(struct kev_buf *out, struct kev_str json);

/** How many bytes kev_compact_append() would append. */
size_t kev_compact_size(struct kev_str json);

#endif
