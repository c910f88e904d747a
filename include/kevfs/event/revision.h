#ifndef KEVFS_EVENT_REVISION_H
#define KEVFS_EVENT_REVISION_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/str.h"

/**
 * What tells the revisions of an Event apart within a second, so that a time which the API gives in whole
 * seconds can carry it: the resourceVersion modulo 10^9, or of one that is no decimal number its hash. The
 * same in every process.
 * @return ns, 0 to 999,999,999
 */
int64_t kev_revision_ns(struct kev_str resource_version);

/**
 * Does the second resourceVersion lie before the first? Both are of one resource. Those that are no decimal
 * numbers ([1-9][0-9]*, of any length) have no order: of them, none does.
 */
bool kev_revision_goes_back(struct kev_str from, struct kev_str to);

/** Append the number before a resourceVersion: a watch from there begins with what has that one. @return 0;
 * -EINVAL (it is no decimal number, or 1: from 0 on means something else; nothing is appended), or the
 * buffer's error */
int kev_revision_append_before(struct kev_str resource_version, struct kev_buf *out);

#endif
