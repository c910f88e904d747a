#ifndef KEVFS_TREE_LOGS_H
#define KEVFS_TREE_LOGS_H

#include "kevfs/tree/edit.h"
#include "kevfs/tree/role.h"

/**
 * Where the logs stand:
 *
 *   /events.log -> .kevfs/events.log                      likewise events.jsonl
 *   /<namespace>/events.log -> ../.kevfs/namespaces/<namespace>/events.log    likewise events.jsonl
 *   /<namespace>/<resource>/<object>/events.log -> .kevfs/events.log
 *
 * An object's .kevfs stands in its own directory, hidden as well: so the link holds where an object's
 * directory, or a namespace's, is all that somebody was given.
 *
 * All is under the tree's lock.
 */
extern const struct kev_role kev_role_root_log_link;        /**< item: the tree */
extern const struct kev_role kev_role_root_jsonl_link;      /**< the tree */
extern const struct kev_role kev_role_namespace_log_link;   /**< a namespace */
extern const struct kev_role kev_role_namespace_jsonl_link; /**< a namespace */
extern const struct kev_role kev_role_object_log_link;      /**< an object */
extern const struct kev_role kev_role_object_control;       /**< an object: its .kevfs */

/** Fixed entries' items: -ENOENT where there are no logs (-o log_max=0). */
int kev_logs_tree_itself(void *item, void **out);
int kev_logs_tree_current(void *item, void **out);
int kev_logs_tree_previous(void *item, void **out);
int kev_logs_namespace_itself(void *item, void **out);
int kev_logs_namespace_current(void *item, void **out);
int kev_logs_namespace_previous(void *item, void **out);
int kev_logs_object_itself(void *item, void **out);

/**
 * Append to the logs that a record belongs to: all, its namespace's, its object's as far as there are
 * such directories. But of what is there at first, all lacks what may not be seen. Whether the tree holds the
 * event (still) does not matter: a log tells of all that was seen.
 * @param when  ns, what the logs' mtime becomes
 * @return 0, or -ENOMEM: it is in none of them
 */
int kev_logs_append(
	struct kev_edit *edit, struct kev_record *record /* borrowed */, int64_t when) KEV_MUST_USE;

/** The same of a record of the first sync, while it is logged; but of its object's log it is only counted
 * what it would have: object_log.h. @param current  the tree has its event. @return 0, or -ENOMEM */
int kev_logs_append_first(struct kev_edit *edit, struct kev_record *record, bool current) KEV_MUST_USE;

/**
 * A record could not be appended: keep it until kev_tree_follow() tries again, up to log_max bytes of
 * events. What has no room is counted as missing. The applier's own, as what follows: without the lock, too.
 */
void kev_logs_keep(struct kev_tree *tree, struct kev_record *record /* borrowed */);

/** One more is missing: there was not even the memory for its record. */
void kev_logs_miss(struct kev_tree *tree);

/** Is anything kept, or missing? What comes then is kept as well: in the logs it belongs behind that. */
bool kev_logs_are_behind(const struct kev_tree *tree);

/** Take what is kept. As kev_changes_take_lost(), but missing is added to. */
size_t kev_logs_take_kept(struct kev_tree *tree, struct kev_record ***out, uint64_t *missing);

/** However full the logs are, there is one rotation in so long, and in a burst so many: each makes the tree
 * wait until those who follow have had time. */
#define KEV_LOGS_ROTATE_MS 200
#define KEV_LOGS_ROTATE_BURST 5

/** Is it time to rotate? */
bool kev_logs_full(const struct kev_tree *tree);

/** How far a rotation is. All zero: at its beginning. */
struct kev_rotation {
	uint64_t namespace_, resource, object; /**< cookies */
	bool begun;
};

/**
 * Rotate some logs, as far as the tree's batch has room for what goes stale. Between two calls the lock may
 * be let go, but nothing is appended. Before the first call all that was appended is published: who follows a
 * name lets go of the file that bore it when that does not grow.
 * @return whether there are more
 */
bool kev_logs_rotate(struct kev_tree *tree, struct kev_rotation *rotation);

#endif
