#include "kevfs/tree/settle.h"

#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void settle_resource(struct kev_resource *resource)
{
	const struct kev_members *objects = &resource->objects.members;

	for (uint32_t at = kev_members_after(objects, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(objects, at)) {
		const struct kev_object *object = kev_members_item(objects, at);

		resource->objects.mtime = later(resource->objects.mtime, object->mtime);
	}
}

static void settle_namespace(struct kev_namespace *namespace_)
{
	const struct kev_members *resources = &namespace_->resources.members;

	namespace_->resources.mtime = namespace_->created;
	for (uint32_t at = kev_members_after(resources, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(resources, at)) {
		struct kev_resource *resource = kev_members_item(resources, at);

		settle_resource(resource);
		namespace_->resources.mtime = later(namespace_->resources.mtime, resource->objects.mtime);
	}
	/* A namespace that may not be read has no creationTimestamp. */
	namespace_->born = namespace_->created ? namespace_->created : namespace_->resources.mtime;
	namespace_->control_mtime = namespace_->born;
	if (!namespace_->events.members.count)
		namespace_->events.mtime = namespace_->born;
}

void kev_settle(struct kev_tree *tree)
{
	const struct kev_members *namespaces = &tree->namespaces.members;

	tree->namespaces.mtime = 0;
	for (uint32_t at = kev_members_after(namespaces, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(namespaces, at)) {
		struct kev_namespace *namespace_ = kev_members_item(namespaces, at);

		settle_namespace(namespace_);
		tree->namespaces.mtime = later(tree->namespaces.mtime, namespace_->born);
	}
	/* Nothing at all: an empty dump, or a cluster that shows nothing yet. */
	if (!tree->namespaces.mtime)
		tree->namespaces.mtime = kev_clock_realtime(tree->clock);
	tree->control_mtime = tree->namespaces.mtime;
	tree->born = tree->namespaces.mtime;
	tree->synced = true;
	/* The one node that may have been looked at already: mount(8) does. */
	kev_stale_listing(tree->batch, tree->inodes, (struct kev_place){&kev_role_root, tree});
}
