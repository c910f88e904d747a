#ifndef KEVFS_TREE_EDIT_EVENT_H
#define KEVFS_TREE_EDIT_EVENT_H

#include "kevfs/tree/edit.h"

/** The changes of the tree that an event means: edit.h. */

/**
 * old became event (NULL: there was none, there is none any more), unless the tree has seen that already: a
 * journal may begin before the snapshot that a resync took. Of two revisions the later ctime is the later.
 * @return 0 or -ENOMEM (nothing is changed)
 */
int kev_edit_change_event(struct kev_edit *edit, struct kev_event *old /* borrowed */,
	struct kev_event *event /* borrowed */) KEV_MUST_USE;

/** The store has this revision: put it in the place of whatever there is, and mark it as seen. */
int kev_edit_put_event(struct kev_edit *edit, struct kev_event *event /* borrowed */) KEV_MUST_USE;

/** Does the tree hold this revision? @return 0 or -ENOMEM */
int kev_edit_is_current(struct kev_edit *edit, const struct kev_event *event, bool *current) KEV_MUST_USE;

/** Find what an event stands under, or would. @param object  NULL where there is none, and so namespace_
 * @return 0 or -ENOMEM */
int kev_edit_find_owner(struct kev_edit *edit, const struct kev_event *event,
	struct kev_namespace **namespace_, struct kev_object **object) KEV_MUST_USE;

/** Remove an event that the tree holds. */
int kev_edit_delete_event(struct kev_edit *edit, struct kev_event *event) KEV_MUST_USE;

#endif
