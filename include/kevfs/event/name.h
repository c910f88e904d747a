#ifndef KEVFS_EVENT_NAME_H
#define KEVFS_EVENT_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/** 2014-06-06T00:00:00Z, the day of the first Kubernetes commit: no event is older. */
#define KEV_NAME_TIME_MIN 0x1374f336a28d0000LL

/** A recorder's clock may be this far ahead of the API server's. */
#define KEV_NAME_TIME_AHEAD (24LL * 3600 * 1000000000)

/** No creationTimestamp: no upper bound. */
#define KEV_NAME_NO_CREATION INT64_MIN

/**
 * Decode the time in an event's name, "<object>.<hex of UnixNano>".
 * The name is split at its last '.'; what stands before is not empty; the suffix matches [1-7][0-9a-f]{15};
 * the value v lies within KEV_NAME_TIME_MIN <= v <= created + KEV_NAME_TIME_AHEAD.
 * @param created  metadata.creationTimestamp in ns since the epoch, or KEV_NAME_NO_CREATION
 * @param out      ns since the epoch; untouched on error
 * @return 0, or -EINVAL where the name holds no time
 * Source: client-go tools/record/event.go and record/util/util.go ("%v.%x" of name and UnixNano).
 */
int kev_name_decode_time(struct kev_str name, int64_t created, int64_t *out) KEV_MUST_USE;

#endif
