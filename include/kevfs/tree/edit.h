#ifndef KEVFS_TREE_EDIT_H
#define KEVFS_TREE_EDIT_H

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"
#include "kevfs/event/event.h"
#include "kevfs/store/kinds.h"
#include "kevfs/tree/listing.h"

/** The resource that pods stand under. */
#define KEV_EDIT_PODS "pods"

/**
 * The changes of the tree: what one event, pod or namespace means for all the directories that show it, with
 * their times, and for what the kernel holds of them. Each changes everything or nothing, under the tree's
 * lock, and leaves what went stale in the tree's batch (which must not be full).
 *
 * Times. An object's directory has the ctime of its newest revision ever; a pod without one, the pod's
 * creationTimestamp. Every other directory has the moment at which its membership last changed. Both grow
 * strictly with each change, since the kernel tells by them whether a listing that it keeps is still right.
 * Before the first resync is complete there are no such moments: the times are then made from what the
 * cluster says, so that the next mount of the same cluster says the same.
 */
struct kev_edit {
	struct kev_tree *tree;         /**< borrowed */
	const struct kev_kinds *kinds; /**< borrowed */
	int64_t when;                  /**< the moment of the change, ns */
	struct kev_buf directory;      /**< a directory's name */
	struct kev_buf file;           /**< an event's */
};

void kev_edit_init(struct kev_edit *edit, struct kev_tree *tree, const struct kev_kinds *kinds);
void kev_edit_fini(struct kev_edit *edit);

struct kev_object;
struct kev_namespace;

/** A pod, or a namespace, is there (and seen), or is not. @param created  ns, 0 unknown. @return 0 or -ENOMEM
 */
int kev_edit_pod(struct kev_edit *edit, struct kev_str namespace_, struct kev_str name, int64_t created,
	bool present) KEV_MUST_USE;
int kev_edit_namespace(
	struct kev_edit *edit, struct kev_str name, int64_t created, bool present) KEV_MUST_USE;

/** Until the first resync is complete. */
bool kev_edit_is_first_sync(const struct kev_edit *edit);

/** A time that grows: at least to, and more than it was. */
void kev_edit_advance(int64_t *time, int64_t to);

/** The membership of a directory changes now: its time. */
void kev_edit_touch(const struct kev_edit *edit, int64_t *mtime);

/** The thing begins, or ceases, to be there, and with it what is fixed in its directory: that goes stale.
 * What is not there anyway was not there before. */
void kev_edit_stale_fixed(struct kev_edit *edit, struct kev_place directory);

/** A directory begins, or ceases, to have that member: its time, and what goes stale. */
void kev_edit_change_member(
	struct kev_edit *edit, struct kev_place directory, int64_t *mtime, struct kev_str name);

/**
 * What an event's file name means in a directory has changed: its listing's time, and what goes stale.
 * @param event       that begins or ceases to be there, or the new revision
 * @param membership  the listing changes too: the name came or went, or is another event's now (another
 * st_ino)
 */
void kev_edit_change_entry(struct kev_edit *edit, struct kev_place directory, struct kev_listing *listing,
	struct kev_str file, const struct kev_event *event, bool membership);

/** Find or make the object whose directory's name is in edit->directory. On failure nothing that was made is
 * left. @return 0 or -ENOMEM */
int kev_edit_make_object(struct kev_edit *edit, struct kev_namespace *namespace_,
	struct kev_str resource_name, struct kev_object **out) KEV_MUST_USE;

/** What the object holds has changed: so it, and what it stands in, may begin or cease to be there. */
void kev_edit_show_object(struct kev_edit *edit, struct kev_object *object);

/** The store has the pod, or the namespace, no more. */
void kev_edit_end_pod(struct kev_edit *edit, struct kev_object *object);
void kev_edit_end_namespace(struct kev_edit *edit, struct kev_namespace *namespace_);

#endif
