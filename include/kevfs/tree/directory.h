#ifndef KEVFS_TREE_DIRECTORY_H
#define KEVFS_TREE_DIRECTORY_H

#include "kevfs/base/str.h"
#include "kevfs/tree/role.h"

/**
 * The upper directories that people walk: the root, namespaces, resources. Made and found by their directory
 * names; under the tree's lock, like everything here.
 */
struct kev_tree;
struct kev_namespace;
struct kev_resource;

extern const struct kev_role kev_role_root;           /**< item: the tree */
extern const struct kev_role kev_role_namespace;      /**< a namespace */
extern const struct kev_role kev_role_namespace_link; /**< a namespace: its "events" */
extern const struct kev_role kev_role_resource;       /**< a resource */

/** Find. @return 0, -ENOENT or -ENOMEM */
int kev_namespace_find(struct kev_tree *tree, struct kev_str name, struct kev_namespace **out) KEV_MUST_USE;
int kev_resource_find(
	struct kev_namespace *namespace_, struct kev_str name, struct kev_resource **out) KEV_MUST_USE;

/** Find, or make one that is not there yet (reap it if nothing comes of it). @return 0 or -ENOMEM */
int kev_namespace_make(struct kev_tree *tree, struct kev_str name, struct kev_namespace **out) KEV_MUST_USE;
int kev_resource_make(
	struct kev_namespace *namespace_, struct kev_str name, struct kev_resource **out) KEV_MUST_USE;

/** Free it and those above it as far as they are not there, hold nothing, and no node number stands for them.
 */
void kev_namespace_reap(struct kev_namespace *namespace_);
void kev_resource_reap(struct kev_resource *resource);

/** What the roles of the tree, and those of a namespace, have in common. */
void kev_tree_hold(void *item);
void kev_tree_drop(void *item);
void kev_namespace_hold(void *item);
void kev_namespace_drop(void *item);
bool kev_namespace_there(const void *item);
bool kev_namespace_denied(const void *item);
int kev_namespace_name(const void *item, struct kev_buf *scratch, struct kev_str *out);

/** What the links of a namespace have in common. @param name  of the link, and of what it points at
 */
struct kev_place kev_namespace_link_parent(void *item);
void kev_namespace_link_attr(
	const struct kev_namespace *namespace_, struct kev_str name, struct kev_attr *out);
int kev_namespace_link_target(
	const struct kev_namespace *namespace_, struct kev_str name, struct kev_buf *out);

/** Free all namespaces and what they hold, whoever knows them: the end. */
void kev_directory_free_all(struct kev_tree *tree);

#endif
