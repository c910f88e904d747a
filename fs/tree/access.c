#include "kevfs/tree/access.h"

#include <errno.h>

#include "kevfs/tree/control.h"
#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/path.h"

static void set_permitted(struct kev_namespace *namespace_, bool permitted)
{
	namespace_->permitted = permitted;
	namespace_->met = permitted;
	if (!permitted)
		kev_namespace_reap(namespace_);
}

/* The next member of a directory, or NULL. */
static void *next_item(const struct kev_members *members, uint64_t *cookie)
{
	uint32_t slot = kev_members_after(members, *cookie);

	if (slot == KEV_MEMBERS_NONE)
		return NULL;
	*cookie = kev_members_cookie(members, slot);
	return kev_members_item(members, slot);
}

void kev_access_restrict(struct kev_tree *tree, bool restricted)
{
	struct kev_namespace *namespace_;
	uint64_t cookie = 0;

	tree->restricted = restricted;
	while (!restricted && (namespace_ = next_item(&tree->namespaces.members, &cookie)))
		set_permitted(namespace_, false);
}

int kev_access_permit(struct kev_edit *edit, struct kev_str name, bool permitted)
{
	struct kev_namespace *namespace_;
	int r;

	kev_buf_clear(&edit->directory);
	if (kev_path_append_namespace(&edit->directory, name))
		return -ENOMEM;
	if (permitted)
		r = kev_namespace_make(edit->tree, kev_buf_str(&edit->directory), &namespace_);
	else
		r = kev_namespace_find(edit->tree, kev_buf_str(&edit->directory), &namespace_);
	if (!r)
		set_permitted(namespace_, permitted);
	return r == -ENOENT ? 0 : r;
}

void kev_access_unmark(struct kev_tree *tree)
{
	struct kev_namespace *namespace_;
	uint64_t cookie = 0;

	while ((namespace_ = next_item(&tree->namespaces.members, &cookie)))
		namespace_->met = false;
}

void kev_access_sweep(struct kev_tree *tree, bool restricted)
{
	struct kev_namespace *namespace_;
	uint64_t cookie = 0;

	tree->restricted = restricted;
	while ((namespace_ = next_item(&tree->namespaces.members, &cookie))) {
		if (!namespace_->met)
			set_permitted(namespace_, false);
	}
}

static void stale_entry(struct kev_edit *edit, struct kev_place directory, struct kev_str name)
{
	kev_stale_entry(edit->tree->batch, edit->tree->inodes, directory, name);
}

/* What is in its directories may be seen from now on, or may not. */
static void change(struct kev_edit *edit, struct kev_namespace *namespace_)
{
	struct kev_tree *tree = edit->tree;
	struct kev_str name = {namespace_->name, namespace_->len};

	kev_edit_touch(edit, &namespace_->resources.mtime);
	kev_edit_touch(edit, &namespace_->control_mtime);
	stale_entry(edit, (struct kev_place){&kev_role_root, tree}, name);
	stale_entry(edit, (struct kev_place){&kev_role_control_namespaces, tree}, name);
	kev_edit_stale_fixed(edit, (struct kev_place){&kev_role_namespace, namespace_});
	kev_edit_stale_fixed(edit, (struct kev_place){&kev_role_control_namespace, namespace_});
}

/* @return whether there was one more name in the namespace that is being told of */
static bool tell_resource(struct kev_edit *edit, struct kev_access_told *told)
{
	struct kev_namespace *namespace_ =
		kev_members_by_cookie(&edit->tree->namespaces.members, told->current);
	struct kev_resource *resource =
		namespace_ ? next_item(&namespace_->resources.members, &told->resource) : NULL;

	if (!resource)
		return false;
	stale_entry(edit, (struct kev_place){&kev_role_namespace, namespace_},
		(struct kev_str){resource->name, resource->len});
	return true;
}

bool kev_access_tell(struct kev_edit *edit, struct kev_access_told *told)
{
	struct kev_namespace *namespace_;

	while (!kev_stale_batch_full(edit->tree->batch)) {
		if (tell_resource(edit, told))
			continue;
		told->current = told->resource = 0;
		namespace_ = next_item(&edit->tree->namespaces.members, &told->namespace_);
		if (!namespace_)
			return false;
		if (namespace_->hidden == kev_namespace_denied(namespace_))
			continue;
		namespace_->hidden = !namespace_->hidden;
		change(edit, namespace_);
		told->current = namespace_->hidden ? told->namespace_ : 0;
	}
	return true;
}
