#ifndef KEVFS_CHECK_RIGHT_H
#define KEVFS_CHECK_RIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "check_run.h"

#include "kevfs/base/buf.h"
#include "kevfs/base/error.h"
#include "kevfs/store/store.h"

/** What the server lets us do with one resource: found out by doing it, since what it says of its rules
 * (SelfSubjectAccessReview) need not be all that it goes by. */
struct kev_check_right {
	enum kev_scope_kind kind;
	const char *namespace_; /**< borrowed; NULL: all */

	enum kev_check_access {
		KEV_CHECK_ALLOWED,
		KEV_CHECK_FORBIDDEN, /**< 403, or, where there is no such thing, 404 */
		KEV_CHECK_BROKEN,    /**< no answer, or one that makes no sense */
		KEV_CHECK_UNKNOWN,   /**< not asked */
	} list,
		watch;
	struct kev_error why; /**< of what is not allowed: the server's words */
	bool refused;         /**< it was a 401: the credential does not do any more */
	struct kev_buf first; /**< the first object of the list: JSON; empty: there is none */
	struct kev_buf resource_version;
	uint64_t count; /**< how many there are, about */
};

/** List one object of each, then watch for a second what may be listed. End each with
 * kev_check_right_fini(). */
void kev_check_right_find(struct kev_check *check, struct kev_check_right *rights, size_t count);
void kev_check_right_fini(struct kev_check_right *right);

/** May it be listed and watched? */
bool kev_check_right_is_full(const struct kev_check_right *right);

/** The beginning of the path of a request for it: "/api/v1/namespaces/shop/events". @return the buffer's
 * error
 */
int kev_check_right_append_path(const struct kev_check_right *right, struct kev_buf *out);

/** "events", "pods", "namespaces" */
const char *kev_check_right_name(enum kev_scope_kind kind);

#endif
