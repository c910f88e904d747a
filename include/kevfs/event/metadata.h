#ifndef KEVFS_EVENT_METADATA_H
#define KEVFS_EVENT_METADATA_H

#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/json.h"

/** What kevfs keeps of a pod or a namespace: of a PartialObjectMetadata. */
struct kev_metadata {
	struct kev_buf namespace_; /**< owned; empty for a Namespace */
	struct kev_buf name;
	struct kev_buf resource_version;
	int64_t created; /**< creationTimestamp, ns since the epoch; 0 where unset */
};

void kev_metadata_init(struct kev_metadata *metadata);
void kev_metadata_fini(struct kev_metadata *metadata);

/**
 * Read .metadata of the object at token index into a struct that is used again and again.
 * @return 0, -EINVAL (no object, no metadata.name), -EMSGSIZE (a name over 4096 bytes), -ENOMEM; the content
 * is undefined on error
 */
int kev_metadata_read(
	struct kev_metadata *metadata, const struct kev_json *json, uint32_t index) KEV_MUST_USE;

#endif
