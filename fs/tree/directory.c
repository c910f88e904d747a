#include "kevfs/tree/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/control.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/logs.h"
#include "kevfs/tree/object.h"
#include "kevfs/tree/view.h"

/* The root. */

void kev_tree_hold(void *item)
{
	(void)item;
}

void kev_tree_drop(void *item)
{
	(void)item;
}

static uint64_t root_ino(const void *item)
{
	(void)item;
	return KEV_INO_ROOT;
}

static void root_attr(const void *item, struct kev_attr *out)
{
	const struct kev_tree *tree = item;

	out->mtime = out->ctime = tree->namespaces.mtime;
}

static const struct kev_members *root_members(const void *item)
{
	const struct kev_tree *tree = item;

	return &tree->namespaces.members;
}

static uint32_t root_listed(const void *item)
{
	const struct kev_tree *tree = item;

	return tree->listed;
}

static const struct kev_fixed root_fixed[] = {
	{.name = ".kevfs", .role = &kev_role_control, .hidden = true},
	{.name = "events.log", .role = &kev_role_root_log_link, .item = kev_logs_tree_itself},
	{.name = "events.jsonl", .role = &kev_role_root_jsonl_link, .item = kev_logs_tree_itself},
};

const struct kev_role kev_role_root = {
	.type = KEV_NODE_DIR,
	.ino = root_ino,
	.attr = root_attr,
	.fixed = root_fixed,
	.fixed_count = KEV_ARRAY_LEN(root_fixed),
	.members = root_members,
	.member = &kev_role_namespace,
	.listed = root_listed,
	.hold = kev_tree_hold,
	.drop = kev_tree_drop,
};

/* Namespaces. */

static void free_namespace(struct kev_namespace *namespace_)
{
	kev_members_fini(&namespace_->resources.members);
	kev_members_fini(&namespace_->events.members);
	kev_log_fini(&namespace_->log);
	free(namespace_);
}

int kev_namespace_find(struct kev_tree *tree, struct kev_str name, struct kev_namespace **out)
{
	void *item;
	int r = kev_listing_find(tree, &tree->namespaces, &kev_role_namespace, name, &item);

	if (!r)
		*out = item;
	return r;
}

int kev_namespace_make(struct kev_tree *tree, struct kev_str name, struct kev_namespace **out)
{
	struct kev_namespace *namespace_;
	int r = kev_namespace_find(tree, name, out);

	if (r != -ENOENT)
		return r;
	namespace_ = calloc(1, sizeof(*namespace_) + name.len);
	if (!namespace_)
		return -ENOMEM;
	namespace_->tree = tree;
	namespace_->hidden = tree->restricted;
	kev_view_init(namespace_);
	namespace_->len = (uint8_t)name.len;
	memcpy(namespace_->name, name.data, name.len);
	r = kev_listing_add(tree, &tree->namespaces, &kev_role_namespace, name, namespace_);
	if (r)
		free(namespace_);
	else
		*out = namespace_;
	return r;
}

void kev_namespace_reap(struct kev_namespace *namespace_)
{
	if (namespace_->shown || namespace_->present || namespace_->permitted || namespace_->known ||
		namespace_->resources.members.count)
		return;
	kev_listing_remove(namespace_->tree, &namespace_->tree->namespaces,
		(struct kev_str){namespace_->name, namespace_->len}, namespace_);
	free_namespace(namespace_);
}

void kev_namespace_hold(void *item)
{
	struct kev_namespace *namespace_ = item;

	namespace_->known++;
}

void kev_namespace_drop(void *item)
{
	struct kev_namespace *namespace_ = item;

	namespace_->known--;
	kev_namespace_reap(namespace_);
}

bool kev_namespace_there(const void *item)
{
	const struct kev_namespace *namespace_ = item;

	return namespace_->shown;
}

bool kev_namespace_denied(const void *item)
{
	const struct kev_namespace *namespace_ = item;

	return namespace_->tree->restricted && !namespace_->permitted;
}

int kev_namespace_name(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	const struct kev_namespace *namespace_ = item;

	(void)scratch;
	*out = (struct kev_str){namespace_->name, namespace_->len};
	return 0;
}

static struct kev_place namespace_parent(void *item)
{
	struct kev_namespace *namespace_ = item;

	return (struct kev_place){&kev_role_root, namespace_->tree};
}

static void namespace_attr(const void *item, struct kev_attr *out)
{
	const struct kev_namespace *namespace_ = item;

	out->mtime = out->ctime = namespace_->resources.mtime;
}

static const struct kev_members *namespace_members(const void *item)
{
	const struct kev_namespace *namespace_ = item;

	return &namespace_->resources.members;
}

static uint32_t namespace_listed(const void *item)
{
	const struct kev_namespace *namespace_ = item;

	return namespace_->listed;
}

static const struct kev_fixed namespace_fixed[] = {
	{.name = "events", .role = &kev_role_namespace_link},
	{.name = "events.log", .role = &kev_role_namespace_log_link, .item = kev_logs_namespace_itself},
	{.name = "events.jsonl", .role = &kev_role_namespace_jsonl_link, .item = kev_logs_namespace_itself},
	{.name = "by-type", .role = &kev_role_view_link, .item = kev_view_of_type},
	{.name = "by-reason", .role = &kev_role_view_link, .item = kev_view_of_reason},
	{.name = "by-node", .role = &kev_role_view_link, .item = kev_view_of_node},
};

const struct kev_role kev_role_namespace = {
	.type = KEV_NODE_DIR,
	.there = kev_namespace_there,
	.denied = kev_namespace_denied,
	.name = kev_namespace_name,
	.parent = namespace_parent,
	.attr = namespace_attr,
	.fixed = namespace_fixed,
	.fixed_count = KEV_ARRAY_LEN(namespace_fixed),
	.members = namespace_members,
	.member = &kev_role_resource,
	.listed = namespace_listed,
	.hold = kev_namespace_hold,
	.drop = kev_namespace_drop,
};

/* Links of a namespace into its part of .kevfs. Nothing about one ever changes, so the kernel may keep it. */

#define LINK_BEFORE "../.kevfs/namespaces/"

struct kev_place kev_namespace_link_parent(void *item)
{
	return (struct kev_place){&kev_role_namespace, item};
}

void kev_namespace_link_attr(
	const struct kev_namespace *namespace_, struct kev_str name, struct kev_attr *out)
{
	out->mtime = out->ctime = namespace_->born;
	out->size = sizeof(LINK_BEFORE) - 1 + namespace_->len + 1 + name.len;
}

int kev_namespace_link_target(
	const struct kev_namespace *namespace_, struct kev_str name, struct kev_buf *out)
{
	kev_buf_append_c(out, LINK_BEFORE);
	kev_buf_append(out, namespace_->name, namespace_->len);
	kev_buf_append_char(out, '/');
	return kev_buf_append_str(out, name);
}

static void link_attr(const void *item, struct kev_attr *out)
{
	kev_namespace_link_attr(item, KEV_STR("events"), out);
}

static int link_target(const void *item, struct kev_buf *out)
{
	return kev_namespace_link_target(item, KEV_STR("events"), out);
}

const struct kev_role kev_role_namespace_link = {
	.type = KEV_NODE_LINK,
	.there = kev_namespace_there,
	.parent = kev_namespace_link_parent,
	.attr = link_attr,
	.target = link_target,
	.hold = kev_namespace_hold,
	.drop = kev_namespace_drop,
};

/* Resources. */

static void free_resource(struct kev_resource *resource)
{
	kev_members_fini(&resource->objects.members);
	free(resource);
}

int kev_resource_find(struct kev_namespace *namespace_, struct kev_str name, struct kev_resource **out)
{
	void *item;
	int r = kev_listing_find(namespace_->tree, &namespace_->resources, &kev_role_resource, name, &item);

	if (!r)
		*out = item;
	return r;
}

int kev_resource_make(struct kev_namespace *namespace_, struct kev_str name, struct kev_resource **out)
{
	struct kev_resource *resource;
	int r = kev_resource_find(namespace_, name, out);

	if (r != -ENOENT)
		return r;
	resource = calloc(1, sizeof(*resource) + name.len);
	if (!resource)
		return -ENOMEM;
	resource->namespace_ = namespace_;
	resource->len = (uint8_t)name.len;
	memcpy(resource->name, name.data, name.len);
	r = kev_listing_add(namespace_->tree, &namespace_->resources, &kev_role_resource, name, resource);
	if (r)
		free(resource);
	else
		*out = resource;
	return r;
}

void kev_resource_reap(struct kev_resource *resource)
{
	struct kev_namespace *namespace_;

	if (resource->shown || resource->known || resource->objects.members.count)
		return;
	namespace_ = resource->namespace_;
	kev_listing_remove(namespace_->tree, &namespace_->resources,
		(struct kev_str){resource->name, resource->len}, resource);
	free_resource(resource);
	kev_namespace_reap(namespace_);
}

static void resource_hold(void *item)
{
	struct kev_resource *resource = item;

	resource->known++;
}

static void resource_drop(void *item)
{
	struct kev_resource *resource = item;

	resource->known--;
	kev_resource_reap(resource);
}

static bool resource_there(const void *item)
{
	const struct kev_resource *resource = item;

	return resource->shown;
}

static int resource_name(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	const struct kev_resource *resource = item;

	(void)scratch;
	*out = (struct kev_str){resource->name, resource->len};
	return 0;
}

static struct kev_place resource_parent(void *item)
{
	struct kev_resource *resource = item;

	return (struct kev_place){&kev_role_namespace, resource->namespace_};
}

static void resource_attr(const void *item, struct kev_attr *out)
{
	const struct kev_resource *resource = item;

	out->mtime = out->ctime = resource->objects.mtime;
}

static const struct kev_members *resource_members(const void *item)
{
	const struct kev_resource *resource = item;

	return &resource->objects.members;
}

static uint32_t resource_listed(const void *item)
{
	const struct kev_resource *resource = item;

	return resource->listed;
}

const struct kev_role kev_role_resource = {
	.type = KEV_NODE_DIR,
	.there = resource_there,
	.name = resource_name,
	.parent = resource_parent,
	.attr = resource_attr,
	.members = resource_members,
	.member = &kev_role_object,
	.listed = resource_listed,
	.hold = resource_hold,
	.drop = resource_drop,
};

/* The end. */

static void *item_at(const struct kev_listing *listing, uint32_t slot)
{
	return kev_members_item(&listing->members, slot);
}

static void free_resource_deep(struct kev_resource *resource)
{
	const struct kev_members *objects = &resource->objects.members;

	for (uint32_t at = kev_members_after(objects, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(objects, at))
		kev_object_free(item_at(&resource->objects, at));
	free_resource(resource);
}

static void free_namespace_deep(struct kev_namespace *namespace_)
{
	const struct kev_members *resources = &namespace_->resources.members;
	const struct kev_members *events = &namespace_->events.members;

	for (uint32_t at = kev_members_after(resources, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(resources, at))
		free_resource_deep(item_at(&namespace_->resources, at));
	for (uint32_t at = kev_members_after(events, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(events, at))
		kev_event_unref(item_at(&namespace_->events, at));
	free_namespace(namespace_);
}

void kev_directory_free_all(struct kev_tree *tree)
{
	const struct kev_members *namespaces = &tree->namespaces.members;

	for (uint32_t at = kev_members_after(namespaces, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(namespaces, at))
		free_namespace_deep(item_at(&tree->namespaces, at));
	kev_members_fini(&tree->namespaces.members);
}
