#ifndef KEVFS_EVENT_PRINT_H
#define KEVFS_EVENT_PRINT_H

#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/json.h"

/**
 * Append what `kubectl get event NAME -o json` prints of the Event object at token index: keys sorted
 * bytewise at every level, the last of duplicate keys, four spaces, Go's escapes, Go's shortest numbers,
 * without metadata.managedFields, with kind "Event" and apiVersion "v1" filled in where they are missing;
 * "}\n" at the end.
 * @return 0, -EINVAL (a number that no double holds: kubectl refuses it as well), -EMSGSIZE (over the
 * buffer's cap), -ENOMEM Source: encoding/json (Go), sigs.k8s.io/json, apimachinery unstructured; observed on
 * kubectl 1.27 to 1.36.
 */
int kev_print_event(const struct kev_json *json, uint32_t index, struct kev_buf *out) KEV_MUST_USE;

#endif
