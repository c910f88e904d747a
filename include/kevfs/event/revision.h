#ifndef KEVFS_EVENT_REVISION_H
#define KEVFS_EVENT_REVISION_H

#include <stdint.h>

#include "kevfs/base/str.h"

/**
 * What tells the revisions of an Event apart within a second, so that a time which the API gives in whole
 * seconds can carry it: the resourceVersion modulo 10^9, or of one that is no decimal number its hash. The
 * same in every process.
 * @return ns, 0 to 999,999,999
 */
int64_t kev_revision_ns(struct kev_str resource_version);

#endif
