#ifndef KEVFS_TREE_REGROUP_H
#define KEVFS_TREE_REGROUP_H

#include "kevfs/tree/edit.h"
#include "kevfs/tree/view.h"

/**
 * A change's part in the views (view.h): with its revision an event may move from one group to another. Views
 * that are not sorted have no groups, and cost nothing but that their time changes. In two steps, since a
 * change is made whole or not at all.
 */
struct kev_regroup {
	struct kev_group *from[KEV_VIEW_KINDS]; /**< NULL: in none */
	struct kev_group *to[KEV_VIEW_KINDS];
};

/**
 * Find, and make, all that is needed. Uses edit->directory.
 * @param old, event  NULL: there is none
 * @return 0, or -ENOMEM: nothing that was made is left
 */
int kev_regroup_prepare(struct kev_edit *edit, struct kev_namespace *namespace_, const struct kev_event *old,
	const struct kev_event *event, struct kev_regroup *out) KEV_MUST_USE;

/** What changes in the namespace's directory of all events. */
struct kev_regroup_change {
	struct kev_event *old, *event; /**< borrowed; NULL: there is none */
	struct kev_str file;           /**< their file name */
	uint32_t hash;                 /**< of that */
	bool membership;               /**< that directory's listing changes */
};

/** Make the change. It cannot fail. */
void kev_regroup_commit(struct kev_edit *edit, struct kev_namespace *namespace_,
	const struct kev_regroup *regroup, const struct kev_regroup_change *change);

#endif
