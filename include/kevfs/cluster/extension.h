#ifndef KEVFS_CLUSTER_EXTENSION_H
#define KEVFS_CLUSTER_EXTENSION_H

#include <jansson.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/document.h"

/**
 * A part of a document as JSON, as kubectl's parser has it. It is bounded, whatever aliases make of it:
 * values, depth, bytes.
 * @param out  new: json_decref() it; untouched on error
 * @return 0, -ENOMEM, or -EINVAL with the error set
 */
int kev_extension_json(struct kev_document *document, const struct kev_document_node *node,
	json_t **out /* new */, struct kev_error *error) KEV_MUST_USE;

#endif
