#ifndef KEVFS_KERNEL_SESSION_H
#define KEVFS_KERNEL_SESSION_H

#include <stdbool.h>
#include <sys/types.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/store/changes.h"
#include "kevfs/tree/tree.h"

/** One mount: from the mountpoint through the loop to the unmount. */
struct kev_session;

struct kev_session_config {
	struct kev_tree *tree;         /**< borrowed */
	struct kev_changes *changes;   /**< borrowed */
	const struct kev_clock *clock; /**< borrowed */
	const char *source;            /**< what mount(8) and df show; borrowed */
	const char *mount_options; /**< further options for libfuse, comma-separated ("allow_other"), or NULL;
				      borrowed */
	uid_t uid;
	gid_t gid;
	mode_t umask;
	bool mtime_last; /**< as kev_ops_config */
	bool xattr;      /**< as kev_ops_config, with health */
	struct kev_health *health;
	struct kev_meter *meter; /**< told what is done; borrowed */
	/** Unmounts (MNT_DETACH) in our place, who may not any more by then. @return 0 or -errno. NULL: we do
	 */
	int (*unmount)(void *context);
	void *unmount_context;
	bool debug;         /**< libfuse prints every request */
	bool single_thread; /**< one thread answers */
	bool delayed; /**< mounted before the first sync: requests are parked until kev_session_synced() */
	int park_timeout; /**< seconds */
};

/**
 * @return 0 and a new session; -EINVAL (an option that libfuse refuses; it has said so on the log) or -ENOMEM
 */
int kev_session_create(const struct kev_session_config *config, struct kev_session **out,
	struct kev_error *error) KEV_MUST_USE;

/**
 * Mount, read-only, nosuid, nodev, with default_permissions.
 * @param mountpoint  absolute; borrowed for as long as the session lives
 * @return 0, or -errno with the reason
 */
int kev_session_mount(
	struct kev_session *session, const char *mountpoint, struct kev_error *error) KEV_MUST_USE;

/** For a delayed session: the store is complete now. Any thread, once, after the mount. */
void kev_session_synced(struct kev_session *session);

/**
 * Answer requests until the filesystem is unmounted or SIGINT, SIGTERM or SIGHUP comes. These must be blocked
 * in every thread by then (kev_session_block_signals()).
 * @return 0 or -errno
 */
int kev_session_run(struct kev_session *session) KEV_MUST_USE;

/** Unmount if it is still mounted, and free everything. Where something else is on the mountpoint by now,
 * that stays, and what other mounts there are of ours end with the connection. */
void kev_session_destroy(struct kev_session *session);

/** Block the signals that end a session, in this thread and those that it starts. Before that they end the
 * process, which is right: nothing is mounted yet. */
void kev_session_block_signals(void);

#endif
