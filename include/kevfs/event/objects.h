#ifndef KEVFS_EVENT_OBJECTS_H
#define KEVFS_EVENT_OBJECTS_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"

/**
 * Splits a stream of JSON objects while it arrives, whether one stands on a line or on many, as kubectl and
 * the API server write the lines of a watch:
 *
 *   {"type":"ADDED","object":{...}}
 *   {"type":"MODIFIED","object":{...}}
 *
 * An object is only split off here (balanced brackets outside of strings); kev_json_scan() validates it.
 */
struct kev_objects;

/** Where an object begins. */
struct kev_objects_where {
	uint64_t line; /**< the first is 1 */
	uint64_t byte; /**< the first is 0 */
};

/**
 * Called with each object, in order.
 * @param text  raw, from '{' to '}', borrowed until the callback returns
 * @return 0 to go on; anything else ends the stream: kev_objects_feed() returns it
 */
typedef int kev_objects_fn(void *context, struct kev_str text, const struct kev_objects_where *where);

/** @return new, or NULL on ENOMEM */
struct kev_objects *kev_objects_create(kev_objects_fn *object, void *context /* borrowed */);
void kev_objects_destroy(struct kev_objects *objects);
static inline void kev_objects_destroyp(struct kev_objects **objects)
{
	kev_objects_destroy(*objects);
}

/**
 * Take the next bytes.
 * @return 0; -EINVAL (between objects there is more than white space: error says at which line and byte);
 * -ENOMEM; or what the callback returned (error is then untouched). A failure is final: every further call
 * returns it again.
 */
int kev_objects_feed(struct kev_objects *objects, struct kev_str text, struct kev_error *error) KEV_MUST_USE;

/**
 * The stream has ended. Its last object may be broken off, as when whoever wrote it was interrupted; but not
 * where another one, at the beginning of a line, seems to stand in what is left of it.
 * @param broken_off  set where the last one is broken off
 * @return 0; 1 (the last one is broken off); -EINVAL (an object that never ends: error says where it begins);
 * the failure of an earlier kev_objects_feed()
 */
int kev_objects_finish(struct kev_objects *objects, struct kev_objects_where *broken_off,
	struct kev_error *error) KEV_MUST_USE;

/** Objects left out so far because they are over KEV_JSON_TEXT_MAX. */
size_t kev_objects_oversized(const struct kev_objects *objects);

#endif
