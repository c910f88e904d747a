#ifndef KEVFS_CLUSTER_STATUS_H
#define KEVFS_CLUSTER_STATUS_H

#include <stdbool.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/str.h"

/** A metav1.Status: what the API server says when it refuses. */
struct kev_status {
	int code;               /**< 410; 0 where the text is no Status */
	struct kev_buf reason;  /**< "Expired"; owned */
	struct kev_buf message; /**< for a person, at most 1024 bytes; of a body that is no Status, its text
				   (at most 512 bytes, white space as single spaces); owned. Foreign:
				   whoever prints it escapes it. */
	int retry_after;        /**< details.retryAfterSeconds (at most 3600), else -1 */
	bool rv_too_large;      /**< details.causes has ResourceVersionTooLarge */
};

void kev_status_init(struct kev_status *status);
void kev_status_fini(struct kev_status *status);

/** Read a response body or an ERROR object of a watch, JSON or plain text. @return 0, or -ENOMEM with the
 * status untouched */
int kev_status_read(struct kev_status *status, struct kev_str body);

#endif
