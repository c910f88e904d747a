#ifndef KEVFS_TREE_LISTING_H
#define KEVFS_TREE_LISTING_H

#include "kevfs/tree/role.h"

struct kev_tree;

/** A directory's members, and when they last changed (its mtime). All zero is an empty one. */
struct kev_listing {
	struct kev_members members;
	int64_t mtime;
};

/** How the members of a directory, all in that role, are called in this tree. */
struct kev_naming kev_listing_naming(struct kev_tree *tree, const struct kev_role *role);

/** Find a member by its name. @return 0, -ENOENT or -ENOMEM */
int kev_listing_find(struct kev_tree *tree, const struct kev_listing *listing, const struct kev_role *role,
	struct kev_str name, void **out) KEV_MUST_USE;

/** Add a member that is not there. @return 0 or -ENOMEM */
int kev_listing_add(struct kev_tree *tree, struct kev_listing *listing, const struct kev_role *role,
	struct kev_str name, void *item) KEV_MUST_USE;

/** Remove a member that is there. */
void kev_listing_remove(
	struct kev_tree *tree, struct kev_listing *listing, struct kev_str name, const void *item);

#endif
