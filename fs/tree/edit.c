#include "kevfs/tree/edit.h"

#include <errno.h>

#include "kevfs/tree/control.h"
#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/object.h"
#include "kevfs/tree/path.h"

void kev_edit_init(struct kev_edit *edit, struct kev_tree *tree, const struct kev_kinds *kinds)
{
	*edit = (struct kev_edit){.tree = tree, .kinds = kinds};
	kev_buf_init(&edit->directory, KEV_PATH_NAME_MAX);
	kev_buf_init(&edit->file, KEV_PATH_NAME_MAX);
}

void kev_edit_fini(struct kev_edit *edit)
{
	kev_buf_fini(&edit->directory);
	kev_buf_fini(&edit->file);
}

bool kev_edit_is_first_sync(const struct kev_edit *edit)
{
	return !edit->tree->synced;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* A creationTimestamp by a clock that is ahead of ours; or by somebody who wants his directory on top for
 * ever. */
static int64_t not_in_the_future(const struct kev_edit *edit, int64_t created)
{
	return created < edit->when ? created : edit->when;
}

void kev_edit_advance(int64_t *time, int64_t to)
{
	int64_t least = 0;

	if (__builtin_add_overflow(*time, 1, &least))
		least = INT64_MAX;
	*time = later(to, least);
}

void kev_edit_touch(const struct kev_edit *edit, int64_t *mtime)
{
	if (!kev_edit_is_first_sync(edit))
		kev_edit_advance(mtime, edit->when);
}

static void stale_entry(struct kev_edit *edit, struct kev_place directory, struct kev_str name)
{
	kev_stale_entry(edit->tree->batch, edit->tree->inodes, directory, name);
}

static void stale_listing(struct kev_edit *edit, struct kev_place directory)
{
	kev_stale_listing(edit->tree->batch, edit->tree->inodes, directory);
}

static void stale_attr(struct kev_edit *edit, struct kev_place directory)
{
	kev_stale_attr(edit->tree->batch, edit->tree->inodes, directory);
}

/* The directory begins, or ceases, to have an entry of that name. */
static void stale_member(struct kev_edit *edit, struct kev_place directory, struct kev_str name)
{
	stale_entry(edit, directory, name);
	stale_listing(edit, directory);
}

void kev_edit_stale_fixed(struct kev_edit *edit, struct kev_place directory)
{
	if (!kev_inodes_find_place(edit->tree->inodes, directory))
		return;
	for (size_t i = 0; i < directory.role->fixed_count; i++) {
		struct kev_place place;

		if (kev_place_fixed(directory, &directory.role->fixed[i], &place) != -ENOENT)
			stale_entry(edit, directory, kev_str_c(directory.role->fixed[i].name));
	}
	stale_listing(edit, directory);
}

void kev_edit_change_member(
	struct kev_edit *edit, struct kev_place directory, int64_t *mtime, struct kev_str name)
{
	kev_edit_touch(edit, mtime);
	stale_member(edit, directory, name);
}

static void count(uint32_t *listed, bool more)
{
	if (more)
		(*listed)++;
	else
		(*listed)--;
}

static void count_nodes(struct kev_edit *edit, bool more, uint64_t nodes)
{
	if (more)
		edit->tree->usage.nodes += nodes;
	else
		edit->tree->usage.nodes -= nodes;
}

/* From here upwards: what comes to be there, or to be gone, because of what it holds. */

static void show_namespace(struct kev_edit *edit, struct kev_namespace *namespace_)
{
	struct kev_tree *tree = edit->tree;
	struct kev_str name = {namespace_->name, namespace_->len};
	bool shown = namespace_->present || namespace_->listed > 0;

	if (shown == namespace_->shown)
		return;
	namespace_->shown = shown;
	count(&tree->listed, shown);
	count_nodes(edit, shown, KEV_VIEW_KINDS + (tree->log_max ? 4 : 2)); /* and its links */
	kev_edit_touch(edit, &namespace_->resources.mtime);
	kev_edit_touch(edit, &namespace_->control_mtime);
	kev_edit_touch(edit, &tree->namespaces.mtime);
	if (!namespace_->born && !kev_edit_is_first_sync(edit))
		namespace_->born = edit->when;
	if (!namespace_->events.mtime)
		namespace_->events.mtime = namespace_->born;
	kev_edit_stale_fixed(edit, (struct kev_place){&kev_role_namespace, namespace_});
	kev_edit_stale_fixed(edit, (struct kev_place){&kev_role_control_namespace, namespace_});
	stale_member(edit, (struct kev_place){&kev_role_root, tree}, name);
	stale_member(edit, (struct kev_place){&kev_role_control_namespaces, tree}, name);
}

static void show_resource(struct kev_edit *edit, struct kev_resource *resource)
{
	struct kev_namespace *namespace_ = resource->namespace_;
	bool shown = resource->listed > 0;

	if (shown == resource->shown)
		return;
	resource->shown = shown;
	count(&namespace_->listed, shown);
	count_nodes(edit, shown, 1);
	kev_edit_touch(edit, &namespace_->resources.mtime);
	stale_member(edit, (struct kev_place){&kev_role_namespace, namespace_},
		(struct kev_str){resource->name, resource->len});
	show_namespace(edit, namespace_);
}

/* Its time changed. Without a listing of its own the events directory has the same. */
static void stale_object_times(struct kev_edit *edit, struct kev_object *object)
{
	stale_attr(edit, (struct kev_place){&kev_role_object, object});
	if (!object->events)
		stale_attr(edit, (struct kev_place){&kev_role_object_events, object});
}

void kev_edit_show_object(struct kev_edit *edit, struct kev_object *object)
{
	struct kev_resource *resource = object->resource;
	bool shown = object->pod || kev_object_event_count(object) > 0;

	if (shown == object->shown)
		return;
	object->shown = shown;
	if (!shown) {
		/* Whoever holds it sees it become empty; if it comes back, it begins anew. */
		object->revised = false;
		kev_edit_touch(edit, &object->mtime);
		stale_object_times(edit, object);
	}
	kev_edit_stale_fixed(edit, (struct kev_place){&kev_role_object, object});
	count(&resource->listed, shown);
	count_nodes(edit, shown, edit->tree->log_max ? 3 : 2); /* its events directory, its log's link */
	kev_edit_touch(edit, &resource->objects.mtime);
	stale_member(edit, (struct kev_place){&kev_role_resource, resource},
		(struct kev_str){object->name, object->len});
	show_resource(edit, resource);
}

void kev_edit_change_entry(struct kev_edit *edit, struct kev_place directory, struct kev_listing *listing,
	struct kev_str file, const struct kev_event *event, bool membership)
{
	if (membership) {
		kev_edit_touch(edit, &listing->mtime);
		if (kev_edit_is_first_sync(edit))
			listing->mtime = later(listing->mtime, kev_event_ctime(event));
		stale_listing(edit, directory);
	}
	stale_entry(edit, directory, file);
}

int kev_edit_make_object(struct kev_edit *edit, struct kev_namespace *namespace_,
	struct kev_str resource_name, struct kev_object **out)
{
	struct kev_resource *resource;
	int r = kev_resource_make(namespace_, resource_name, &resource);

	if (r) {
		kev_namespace_reap(namespace_);
		return r;
	}
	r = kev_object_make(resource, kev_buf_str(&edit->directory), out);
	if (r)
		kev_resource_reap(resource);
	return r;
}

/* The pod's creationTimestamp, as long as that is the object's time. */
static void date_pod(struct kev_edit *edit, struct kev_object *object, int64_t created)
{
	int64_t before = object->mtime;

	if (object->revised)
		return;
	created = not_in_the_future(edit, created);
	if (kev_edit_is_first_sync(edit) || object->shown)
		object->mtime = later(before, created);
	else if (before)
		kev_edit_advance(&object->mtime, created);
	else
		object->mtime = created ? created : edit->when;
	if (object->mtime != before)
		stale_object_times(edit, object);
}

static int put_pod(
	struct kev_edit *edit, struct kev_str name, int64_t created, struct kev_namespace *namespace_)
{
	struct kev_object *object;
	int r;

	/* The namespace is found: the buffer is free for the next name. */
	kev_buf_clear(&edit->directory);
	if (kev_path_append_object(&edit->directory, KEV_STR(""), KEV_STR(""), name)) {
		kev_namespace_reap(namespace_);
		return -ENOMEM;
	}
	r = kev_edit_make_object(edit, namespace_, KEV_STR(KEV_EDIT_PODS), &object);
	if (r)
		return r;
	date_pod(edit, object, created);
	object->pod = true;
	object->seen = true;
	kev_edit_show_object(edit, object);
	return 0;
}

int kev_edit_pod(
	struct kev_edit *edit, struct kev_str namespace_, struct kev_str name, int64_t created, bool present)
{
	struct kev_namespace *directory;
	struct kev_resource *resource;
	struct kev_object *object;
	int r;

	kev_buf_clear(&edit->directory);
	if (kev_path_append_namespace(&edit->directory, namespace_))
		return -ENOMEM;
	if (present) {
		r = kev_namespace_make(edit->tree, kev_buf_str(&edit->directory), &directory);
		return r ? r : put_pod(edit, name, created, directory);
	}
	r = kev_namespace_find(edit->tree, kev_buf_str(&edit->directory), &directory);
	if (!r)
		r = kev_resource_find(directory, KEV_STR(KEV_EDIT_PODS), &resource);
	kev_buf_clear(&edit->directory);
	if (!r && kev_path_append_object(&edit->directory, KEV_STR(""), KEV_STR(""), name))
		return -ENOMEM;
	if (!r)
		r = kev_object_find(resource, kev_buf_str(&edit->directory), &object);
	if (!r)
		kev_edit_end_pod(edit, object);
	return r == -ENOENT ? 0 : r;
}

void kev_edit_end_pod(struct kev_edit *edit, struct kev_object *object)
{
	object->pod = false;
	kev_edit_show_object(edit, object);
	kev_object_reap(object);
}

int kev_edit_namespace(struct kev_edit *edit, struct kev_str name, int64_t created, bool present)
{
	struct kev_namespace *namespace_;
	int r;

	kev_buf_clear(&edit->directory);
	if (kev_path_append_namespace(&edit->directory, name))
		return -ENOMEM;
	if (present)
		r = kev_namespace_make(edit->tree, kev_buf_str(&edit->directory), &namespace_);
	else
		r = kev_namespace_find(edit->tree, kev_buf_str(&edit->directory), &namespace_);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (!present) {
		kev_edit_end_namespace(edit, namespace_);
		return 0;
	}
	namespace_->present = true;
	namespace_->seen = true;
	namespace_->created = not_in_the_future(edit, created);
	show_namespace(edit, namespace_);
	return 0;
}

void kev_edit_end_namespace(struct kev_edit *edit, struct kev_namespace *namespace_)
{
	namespace_->present = false;
	namespace_->created = 0;
	show_namespace(edit, namespace_);
	kev_namespace_reap(namespace_);
}
