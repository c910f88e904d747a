#ifndef KEVFS_KERNEL_XATTR_H
#define KEVFS_KERNEL_XATTR_H

#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"
#include "kevfs/store/health.h"
#include "kevfs/tree/tree.h"

/**
 * Extended attributes: what a getxattr or listxattr of a node says. Only the files of events have any, all of
 * them user.kevfs.*: what attribute.h has, and "stale", which is "1" while the server may have Events that
 * the tree has not, and else "0". They are made when they are asked for: the kernel never caches them.
 *
 * Of any other name it is said that the filesystem does not support it. So ls, cp and others that ask each
 * file for ACLs, capabilities and labels stop after the first: with ENODATA they would not.
 */

/** Who knows the answers; both borrowed. */
struct kev_xattr {
	struct kev_tree *tree;
	struct kev_health *health; /**< NULL: nothing is stale */
};

/**
 * Append the value of an attribute.
 * @param name  with its prefix
 * @return 0; -EOPNOTSUPP (not one of ours); -ENODATA (this node has none); -ESTALE; -E2BIG or -ENOMEM
 */
int kev_xattr_get(
	const struct kev_xattr *xattr, uint64_t node, struct kev_str name, struct kev_buf *out) KEV_MUST_USE;

/** Append the names, each with a NUL behind it; nothing where there are none. @return 0, -ESTALE, -E2BIG or
 * -ENOMEM */
int kev_xattr_list(const struct kev_xattr *xattr, uint64_t node, struct kev_buf *out) KEV_MUST_USE;

#endif
