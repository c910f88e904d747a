#ifndef KEVFS_TREE_TREE_H
#define KEVFS_TREE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/str.h"
#include "kevfs/event/event.h"
#include "kevfs/store/archive.h"
#include "kevfs/store/changes.h"
#include "kevfs/store/health.h"
#include "kevfs/store/store.h"

/**
 * The tree that people see:
 *
 *   /<namespace>/<resource>/<object>/events/<event>      a regular file each
 *   /<namespace>/events -> ../.kevfs/namespaces/<namespace>/events
 *   /events.log, /events.jsonl, and the same in namespaces (logs.h)      links to files that grow
 *   /.kevfs/namespaces/<namespace>/events/<event>        the same nodes again; /.kevfs is never listed
 *   /.kevfs/status, metrics, version                     how kevfs is, made when it is looked up (report.h)
 *
 * Likewise by-type, by-reason and by-node, in groups (view.h). A namespace that may not be seen is listed,
 * and says EACCES to who looks into it (access.h).
 *
 * The tree is the kernel's picture: it changes only in kev_tree_apply() and kev_tree_resync(), which one
 * thread calls, and which say what the kernel must forget. Everything else is answered from memory, by any
 * thread, and waits for nothing but the tree's own lock.
 *
 * A node number is what FUSE calls nodeid (fuse_ino_t): a counter, never a pointer, never used again. A
 * directory or a link keeps its number for as long as the kernel knows it; every revision of an event is a
 * node of its own, which lives until the kernel forgets it: an open descriptor keeps its snapshot. attr.ino
 * (st_ino) is another thing: a stable hash, so that backup tools know a file again after a remount.
 */
struct kev_tree;

/** The root's node number (FUSE_ROOT_ID). */
#define KEV_TREE_ROOT 1

/** Both borrowed; must outlive the tree. @return new (only a root and .kevfs), or NULL on ENOMEM */
struct kev_tree *kev_tree_create(const struct kev_clock *clock, struct kev_store *store);
void kev_tree_destroy(struct kev_tree *tree);

/**
 * Let there be logs, before anything is in the tree. They rotate when so many bytes (of JSON) were appended
 * since they did last. What the first resync brought does not count for as long as the tree shows it: until
 * then it takes next to no memory.
 * @param max  0: no logs, as it is by itself
 */
void kev_tree_set_log_max(struct kev_tree *tree, uint64_t max);

/** What the reports in /.kevfs tell of, besides what the store holds. All borrowed. */
struct kev_tree_about {
	struct kev_health *health;
	const char *source;  /**< where all comes from, for people; any bytes */
	const char *server;  /**< what that came to: the API server's URL, or the file's path; or NULL */
	const char *version; /**< what /.kevfs/version says; NULL: the version alone */
	bool mtime_last;     /**< as the mount has it: -o mtime=last */
	struct kev_archive *archive; /**< or NULL */
};

/** Let there be reports. Before others use the tree. @param about  copied */
void kev_tree_set_about(struct kev_tree *tree, const struct kev_tree_about *about);

/**
 * Can it be answered before the first sync is complete: is it /.kevfs, or a report in it? All else would be
 * wrong by then.
 * @param name  in the directory node; empty: the node itself
 */
bool kev_tree_is_early(struct kev_tree *tree, uint64_t node, struct kev_str name);

enum kev_node_type { KEV_NODE_DIR, KEV_NODE_FILE, KEV_NODE_LINK };

/** The attributes of a node, but for those that mount options decide (owner, mode). */
struct kev_attr {
	enum kev_node_type type;
	uint64_t ino;   /**< st_ino: stable across mounts, never 0 */
	uint64_t size;  /**< of a file: of its content; of a link: of its target; of a directory: 0 */
	uint32_t nlink; /**< a file: 1 (a walk meets it once); a directory: 2 and its listed subdirectories,
			   or 1 where these are not counted */
	int64_t mtime;  /**< ns since the epoch; atime is the same */
	int64_t last;   /**< of an event: mtime's other choice, the second in which it was last seen and
			   kev_revision_ns(); else 0 */
	int64_t ctime;
	int64_t birth;  /**< of an event: its mtime; else 0, unknown */
	bool momentary; /**< the kernel must ask again each time */
};

struct kev_entry {
	uint64_t node;       /**< 0: there is no such name, and the kernel may remember that */
	uint64_t generation; /**< random, one per tree */
	bool momentary;      /**< the name means another thing each time: the kernel must ask again */
	struct kev_attr attr;
};

/**
 * Find a name. On success (node not 0) the node's lookup count is one higher: undo it with kev_tree_forget()
 * if the reply fails.
 * @return 0, -ENOTDIR, -EACCES (of what is in it, nobody may see anything: access.h), -ESTALE (no such node)
 * or -ENOMEM
 */
int kev_tree_lookup(
	struct kev_tree *tree, uint64_t parent, struct kev_str name, struct kev_entry *out) KEV_MUST_USE;

/** The kernel's lookup count of node falls by count. A node that is unknown is ignored. */
void kev_tree_forget(struct kev_tree *tree, uint64_t node, uint64_t count);

/** @return 0 or -ESTALE */
int kev_tree_getattr(struct kev_tree *tree, uint64_t node, struct kev_attr *out) KEV_MUST_USE;

/** Append a link's target. @return 0, -EINVAL (no link), -ESTALE, -ENOMEM */
int kev_tree_readlink(struct kev_tree *tree, uint64_t node, struct kev_buf *out) KEV_MUST_USE;

/** The event whose revision the node is. @return 0 and a new reference; -EISDIR, -EINVAL (a link) or -ESTALE
 */
int kev_tree_open(struct kev_tree *tree, uint64_t node, struct kev_event **out) KEV_MUST_USE;

/**
 * Read of a file: len bytes, less at its end.
 * @param got  bytes that were copied to out; untouched on error
 * @return 0, -EISDIR, -EINVAL (a link), -ESTALE or -ENOMEM
 */
int kev_tree_read(struct kev_tree *tree, uint64_t node, uint64_t offset, void *out, size_t len,
	size_t *got) KEV_MUST_USE;

/**
 * Called for each entry of a listing, in the order of cookies, under the tree's lock: it only copies.
 * @param next   the cookie to go on with behind this entry
 * @param entry  entry->node is 0 where the caller did not ask for nodes, and for "." and ".."
 * @return 0 to go on, 1 if the entry did not fit: it then counts as not given, and the listing ends
 */
typedef int kev_tree_emit_fn(
	void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next);

/**
 * List a directory from behind cookie (0: from its beginning), "." and ".." first. Cookies are counters,
 * never used again in the directory: what is neither created nor deleted meanwhile is given exactly once,
 * whatever else changes between two calls.
 * @param nodes  give nodes too: each entry given (but "." and "..") raises its node's lookup count by one, as
 * READDIRPLUS does
 * @return 0, -ENOTDIR, -EACCES, -ESTALE or -ENOMEM (what was given stays given)
 */
int kev_tree_readdir(struct kev_tree *tree, uint64_t node, uint64_t cookie, bool nodes,
	kev_tree_emit_fn *emit, void *context) KEV_MUST_USE;

/** What df shows. */
struct kev_tree_usage {
	uint64_t bytes; /**< sum of all events' sizes */
	uint64_t nodes; /**< events, directories and links that a walk meets */
};
void kev_tree_usage(struct kev_tree *tree, struct kev_tree_usage *out);

/** No entry is ever called that ('%' stands before two digits, a '~', a '.' or nothing: path.h). */
#define KEV_STALE_BARRIER "%!"

/** Room for a file name and its NUL. */
#define KEV_STALE_NAME_SIZE 256

/** What the kernel must be told after a change. */
enum kev_stale_kind {
	KEV_STALE_ENTRY,   /**< parent, name: what the name means, or that there is none
			      (fuse_lowlevel_notify_inval_entry) */
	KEV_STALE_LISTING, /**< node: a directory's cached listing and attributes
			      (fuse_lowlevel_notify_inval_inode(node, 0, 0)) */
	KEV_STALE_ATTR,    /**< node: only its attributes (fuse_lowlevel_notify_inval_inode(node, -1, 0)) */
	KEV_STALE_TAIL,    /**< node: a file's cached content from offset on, and so its attributes
			      (fuse_lowlevel_notify_inval_inode(node, offset, 0)) */
	KEV_STALE_SIZE,    /**< node: a file has grown to offset, before which stands a newline: that one is
			      given (fuse_lowlevel_notify_store(node, offset - 1)), then as ATTR */
};
struct kev_stale {
	enum kev_stale_kind kind;
	uint64_t node;                  /**< the directory, or the parent of the name; or a log's file */
	uint64_t offset;                /**< of TAIL and SIZE */
	char name[KEV_STALE_NAME_SIZE]; /**< NUL-terminated; "" but for ENTRY */
};

/**
 * Called for each thing that went stale, in order, WITHOUT the tree's lock, after the tree has changed. Only
 * nodes that the kernel knows, or is about to know, are named. The order matters: an ENTRY may stand there
 * for the lock that it takes (inode.h says why), so one is finished before the next begins.
 */
typedef void kev_tree_stale_fn(void *context, const struct kev_stale *stale);

/**
 * Apply changes from the journal. Idempotent: a change that the tree has seen already does nothing.
 * @param stale  may be NULL (before the mount)
 * @return 0, or -ENOMEM: the tree may then lack something, and the logs, and the caller follows later
 */
int kev_tree_apply(struct kev_tree *tree, const struct kev_change *changes, size_t count,
	kev_tree_stale_fn *stale, void *context) KEV_MUST_USE;

/**
 * The kernel was not told all that went stale in a directory: name everything in it, also what is in it no
 * more and the kernel knows. By the same thread. Nothing where the node is none that the kernel knows.
 * @return 0, or -ENOMEM or -ECANCELED: not all was named
 */
int kev_tree_refresh(
	struct kev_tree *tree, uint64_t node, kev_tree_stale_fn *stale, void *context) KEV_MUST_USE;

/** Append the path of a directory, a link or a log from the root on, "/" for the root: for people. Nothing
 * where the node is none that the kernel knows, or an event. @return 0 or the buffer's error */
int kev_tree_path(struct kev_tree *tree, uint64_t node, struct kev_buf *out) KEV_MUST_USE;

/** Between two calls of kev_tree_publish(). */
#define KEV_TREE_PUBLISH_MS 20

/**
 * One step of telling the kernel what was appended to logs that it knows (publish.h).
 * @return whether there is more to tell: then call it again, not before KEV_TREE_PUBLISH_MS have passed
 */
bool kev_tree_publish(struct kev_tree *tree, kev_tree_stale_fn *stale, void *context);

/**
 * Make the tree equal to the store, as a diff. The same in all else. Until the first resync is complete
 * nobody looks further than at the root's attributes: there is nothing yet that an answer could be right
 * about.
 */
int kev_tree_resync(struct kev_tree *tree, kev_tree_stale_fn *stale, void *context) KEV_MUST_USE;

/** The end comes: what takes long by the number of events (resync, follow, refresh) gives up soon, and
 * returns -ECANCELED. Any thread. */
void kev_tree_give_up(struct kev_tree *tree);

/**
 * What is due where a journal says "resync", or a change has failed: that, and then to log what it could not
 * hold as changes, or the logs had no memory for. What comes first of all, with the first sync, is brought
 * into the order of last seen.
 * @param missing  set to the number of revisions that are missing in the logs
 * @return as above
 */
int kev_tree_follow(struct kev_tree *tree, struct kev_changes *changes, uint64_t *missing,
	kev_tree_stale_fn *stale, void *context) KEV_MUST_USE;

#endif
