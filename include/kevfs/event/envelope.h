#ifndef KEVFS_EVENT_ENVELOPE_H
#define KEVFS_EVENT_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/event/json.h"

/** What a watch line says of its object. */
enum kev_envelope_type {
	KEV_ENVELOPE_ADDED,
	KEV_ENVELOPE_MODIFIED,
	KEV_ENVELOPE_DELETED,  /**< the object is the old one, with the deletion's resourceVersion */
	KEV_ENVELOPE_BOOKMARK, /**< the object holds a resourceVersion and annotations, nothing else */
	KEV_ENVELOPE_ERROR,    /**< the object is a metav1.Status */
	KEV_ENVELOPE_UNKNOWN,  /**< a type of a later Kubernetes: log it and go on */
};

/** One line of a watch: {"type":"ADDED","object":{...}}. */
struct kev_envelope {
	enum kev_envelope_type type;
	uint32_t object; /**< token index of the object */
};

/**
 * Read the envelope of a scanned line.
 * @return 0, or -EINVAL (no object with a string "type" and an object "object"); *out is untouched on error
 * Source: apimachinery pkg/apis/meta/v1/watch.go (WatchEvent), pkg/watch/watch.go (EventType).
 */
int kev_envelope_read(const struct kev_json *json, struct kev_envelope *out) KEV_MUST_USE;

/**
 * Append .metadata.resourceVersion of the object at token index object.
 * @return 0, -EINVAL (absent, no string or empty; nothing is appended), or the buffer's error
 */
int kev_envelope_resource_version(
	const struct kev_json *json, uint32_t object, struct kev_buf *out) KEV_MUST_USE;

/** The same of .metadata.uid. */
int kev_envelope_uid(const struct kev_json *json, uint32_t object, struct kev_buf *out) KEV_MUST_USE;

/**
 * Append .kind of the object at token index object.
 * @return 0, -EINVAL (absent, no string or empty; nothing is appended), or the buffer's error
 */
int kev_envelope_kind(const struct kev_json *json, uint32_t object, struct kev_buf *out) KEV_MUST_USE;

/** Is the object a bookmark's that ends the initial events of a WatchList: annotated
 * k8s.io/initial-events-end: "true"? */
bool kev_envelope_is_initial_end(const struct kev_json *json, uint32_t object);

#endif
