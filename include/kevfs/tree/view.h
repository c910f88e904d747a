#ifndef KEVFS_TREE_VIEW_H
#define KEVFS_TREE_VIEW_H

#include "kevfs/base/defs.h"
#include "kevfs/event/event.h"
#include "kevfs/tree/role.h"

/**
 * The events of a namespace once more, in groups:
 *
 *   /.kevfs/namespaces/<namespace>/by-type/Warning/<event>
 *   /<namespace>/by-type -> ../.kevfs/namespaces/<namespace>/by-type
 *
 * An event without a node is in no group of by-node. A group's name is foreign, and escaped like an event's
 * (path.h): an empty type or reason is "%".
 *
 * A view costs memory only where it is used: it is sorted when the kernel first asks for what is in it (to
 * look it up is not to ask: `ls -l` does that to every link's target), and the groups go when the kernel has
 * forgotten the view's directory and all of them. In between, regroup.h keeps them true. A group that is
 * empty is not there; one that the kernel knows lives on, and comes back as the same thing.
 *
 * So that nothing goes stale by sorting, the number of a view's subdirectories is not told by its nlink, and
 * its time is, until then, that of the directory of all events.
 *
 * Under the tree's lock, like everything here.
 */
struct kev_namespace;
struct kev_view;
struct kev_group;

enum kev_view_kind { KEV_VIEW_TYPE, KEV_VIEW_REASON, KEV_VIEW_NODE };
#define KEV_VIEW_KINDS 3

extern const struct kev_role kev_role_view;      /**< item: a view */
extern const struct kev_role kev_role_view_link; /**< a view: the link to it, in /<namespace> */
extern const struct kev_role kev_role_group;     /**< a group */

/** Make the views of a new namespace; they hold nothing. */
void kev_view_init(struct kev_namespace *namespace_);

/** A namespace's views, as kev_fixed.item takes them. @return 0 */
int kev_view_of_type(void *namespace_, void **out);
int kev_view_of_reason(void *namespace_, void **out);
int kev_view_of_node(void *namespace_, void **out);

/** The name of a view's directory and link. */
struct kev_str kev_view_name(enum kev_view_kind kind);

/** The name of the group in which an event stands. @param out  borrowed from the event or scratch
 * @return 0; -ENOENT: in none; -ENOMEM */
int kev_view_group_name(enum kev_view_kind kind, const struct kev_event *event, struct kev_buf *scratch,
	struct kev_str *out) KEV_MUST_USE;

/** Find a group of a sorted view. @return 0, -ENOENT or -ENOMEM */
int kev_group_find(const struct kev_view *view, struct kev_str name, struct kev_group **out) KEV_MUST_USE;

/** Find, or make one that is not there yet (reap it if nothing comes of it). @return 0 or -ENOMEM */
int kev_group_make(struct kev_view *view, struct kev_str name, struct kev_group **out) KEV_MUST_USE;

/** Make sure that one event can be added to it without failing. @return 0 or -ENOMEM */
int kev_group_reserve(struct kev_group *group) KEV_MUST_USE;

/** Free it if it is empty and no node number stands for it. */
void kev_group_reap(struct kev_group *group);

#endif
