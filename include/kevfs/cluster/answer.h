#ifndef KEVFS_CLUSTER_ANSWER_H
#define KEVFS_CLUSTER_ANSWER_H

#include <jansson.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/**
 * JSON that the API server says of itself: discovery and refusals; and what credential plugins print. It is
 * small and rare, so it becomes jansson's tree; events do not pass here. What jansson frees is wiped.
 */

/**
 * Read one JSON object. Invalid UTF-8 counts as U+FFFD, as for Go.
 * @param out  new: json_decref() it
 * @return 0, -EINVAL (no JSON, or no object) or -ENOMEM
 */
int kev_answer_parse(struct kev_str text, json_t **out /* new */) KEV_MUST_USE;

static inline void kev_answer_decrefp(json_t **answer)
{
	json_decref(*answer);
}

/** The string at a key; borrowed; empty where there is none. It may hold NUL. */
struct kev_str kev_answer_string(const json_t *object, const char *key);

#endif
