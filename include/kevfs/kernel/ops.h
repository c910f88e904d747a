#ifndef KEVFS_KERNEL_OPS_H
#define KEVFS_KERNEL_OPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "kevfs/base/clock.h"
#include "kevfs/kernel/prefetch.h"
#include "kevfs/store/health.h"
#include "kevfs/tree/tree.h"

/**
 * The FUSE operations: each asks the tree, and replies once, at its end. None waits for the network; the
 * tree's lock is not held at a reply.
 *
 * What makes it fast (measured, kernel 6.18): nothing ever expires in the kernel's caches, since notify says
 * what went stale; open and opendir are answered ENOSYS, once, and never asked again (safe because the mount
 * is read-only); a listing brings the attributes with it.
 *
 * Parking (-o delay_sync): until the first sync is complete, every request but those by which umount(8) looks
 * at what it unmounts (the root's attributes, statfs), and those by which /.kevfs/status is read, waits in a
 * list, holding no thread, and is answered when kev_ops_release() is called, with EAGAIN when its time is
 * over, or with EINTR when its caller was interrupted. An empty tree is never shown where there is one.
 */
struct kev_ops;

struct kev_ops_config {
	struct kev_tree *tree;         /**< borrowed */
	const struct kev_clock *clock; /**< borrowed */
	uid_t uid;                     /**< owner of everything */
	gid_t gid;
	bool mtime_last;           /**< the mtime of an event is kev_attr.last */
	mode_t umask;              /**< taken away from 0444 and 0555 */
	bool xattr;                /**< events' files have extended attributes (xattr.h) */
	struct kev_health *health; /**< borrowed; NULL: nothing is ever stale */
	struct kev_meter *meter;   /**< told how long each took; borrowed; NULL: nobody is */
	bool parked;               /**< begin by parking */
	int park_timeout;          /**< seconds that a request waits at most */
};

/** At most this many requests wait; what comes on top is answered EAGAIN at once. */
#define KEV_OPS_PARKED_MAX 4096

/** @return new, or NULL on ENOMEM */
struct kev_ops *kev_ops_create(const struct kev_ops_config *config);

/** Requests that are still parked are answered EAGAIN, so call it before the session is destroyed. */
void kev_ops_destroy(struct kev_ops *ops);

/** What fuse_session_new() takes; its userdata is the struct kev_ops. */
const struct fuse_lowlevel_ops *kev_ops_table(void);

/** What gives the kernel files unasked. Borrowed from ops. */
struct kev_prefetch *kev_ops_prefetch(struct kev_ops *ops);

/** Is what is sent to the kernel next the answer to INIT? True once. */
bool kev_ops_answers_init(struct kev_ops *ops);

/** The tree is complete: answer what waits, and park nothing from now on. Any thread. */
void kev_ops_release(struct kev_ops *ops);

/** Answer the parked requests whose time is over or whose caller was interrupted. Called a few times a second
 * while requests are parked. */
void kev_ops_expire(struct kev_ops *ops);

#endif
