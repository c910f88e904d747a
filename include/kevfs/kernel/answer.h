#ifndef KEVFS_KERNEL_ANSWER_H
#define KEVFS_KERNEL_ANSWER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "kevfs/kernel/prefetch.h"
#include "kevfs/kernel/stat.h"
#include "kevfs/store/health.h"
#include "kevfs/store/meter.h"
#include "kevfs/tree/tree.h"

/** How each request is answered: the tree is asked, and there is one reply, at the end. */

struct kev_answer_config {
	struct kev_tree *tree;         /**< borrowed */
	struct kev_health *health;     /**< borrowed; NULL: nothing is ever stale */
	struct kev_prefetch *prefetch; /**< borrowed */
	bool xattr;                    /**< events' files have extended attributes (xattr.h) */
	struct kev_stat_config stat;
};

struct kev_request;

/** Replies. @return 0, or -errno where that was the reply */
typedef int kev_answer_fn(const struct kev_answer_config *config, const struct kev_request *request);

/** One request, as it came in: enough to answer it now or later. */
struct kev_request {
	fuse_req_t req;
	enum kev_meter_operation operation;
	kev_answer_fn *answer;
	int64_t arrived; /**< monotonic ns */
	fuse_ino_t node;
	size_t size;
	off_t offset;
	char name[256]; /**< of a lookup, or of an extended attribute */
};

kev_answer_fn kev_answer_lookup;
kev_answer_fn kev_answer_getattr;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
kev_answer_fn kev_answer_statx;
#endif
kev_answer_fn kev_answer_readlink;
kev_answer_fn kev_answer_read;
kev_answer_fn kev_answer_readdir;
kev_answer_fn kev_answer_readdirplus;
kev_answer_fn kev_answer_statfs;
kev_answer_fn kev_answer_getxattr;
kev_answer_fn kev_answer_listxattr;

/** Reply with an error. @param r  -errno. @return r */
int kev_answer_refuse(const struct kev_request *request, int r);

#endif
