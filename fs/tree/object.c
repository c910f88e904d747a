#include "kevfs/tree/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/event/revision.h"
#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/logs.h"
#include "kevfs/tree/path.h"

int kev_object_find(struct kev_resource *resource, struct kev_str name, struct kev_object **out)
{
	void *item;
	int r = kev_listing_find(
		resource->namespace_->tree, &resource->objects, &kev_role_object, name, &item);

	if (!r)
		*out = item;
	return r;
}

int kev_object_make(struct kev_resource *resource, struct kev_str name, struct kev_object **out)
{
	struct kev_object *object;
	size_t size;
	int r = kev_object_find(resource, name, out);

	if (r != -ENOENT)
		return r;
	/* The name begins in what would be padding: eight bytes less for each of 150,000 pods. */
	size = offsetof(struct kev_object, name) + name.len;
	object = calloc(1, size > sizeof(*object) ? size : sizeof(*object));
	if (!object)
		return -ENOMEM;
	object->resource = resource;
	object->len = (uint8_t)name.len;
	memcpy(object->name, name.data, name.len);
	r = kev_listing_add(resource->namespace_->tree, &resource->objects, &kev_role_object, name, object);
	if (r)
		free(object);
	else
		*out = object;
	return r;
}

int kev_object_prepare(struct kev_object *object)
{
	if (object->events)
		return 0;
	object->events = calloc(1, sizeof(*object->events));
	if (!object->events)
		return -ENOMEM;
	object->events->listing.mtime = object->mtime;
	return 0;
}

int kev_object_reserve(struct kev_object *object)
{
	const struct kev_naming naming =
		kev_listing_naming(object->resource->namespace_->tree, &kev_role_event);

	if (kev_object_prepare(object))
		return -ENOMEM;
	return kev_members_reserve(&object->events->listing.members, &naming);
}

uint32_t kev_object_event_count(const struct kev_object *object)
{
	return object->events ? object->events->listing.members.count : 0;
}

void kev_object_free(struct kev_object *object)
{
	if (object->events) {
		kev_members_fini(&object->events->listing.members);
		kev_log_fini(&object->events->log);
	}
	free(object->events);
	free(object);
}

void kev_object_reap(struct kev_object *object)
{
	struct kev_resource *resource;

	if (object->shown || object->known)
		return;
	resource = object->resource;
	kev_listing_remove(resource->namespace_->tree, &resource->objects,
		(struct kev_str){object->name, object->len}, object);
	kev_object_free(object);
	kev_resource_reap(resource);
}

void kev_object_hold(void *item)
{
	struct kev_object *object = item;

	object->known++;
}

void kev_object_drop(void *item)
{
	struct kev_object *object = item;

	object->known--;
	kev_object_reap(object);
}

bool kev_object_there(const void *item)
{
	const struct kev_object *object = item;

	return object->shown;
}

static int object_name(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	const struct kev_object *object = item;

	(void)scratch;
	*out = (struct kev_str){object->name, object->len};
	return 0;
}

static struct kev_place object_parent(void *item)
{
	struct kev_object *object = item;

	return (struct kev_place){&kev_role_resource, object->resource};
}

static void object_attr(const void *item, struct kev_attr *out)
{
	const struct kev_object *object = item;

	out->mtime = out->ctime = object->mtime;
}

static const struct kev_fixed object_fixed[] = {
	{.name = "events", .role = &kev_role_object_events},
	{.name = "events.log", .role = &kev_role_object_log_link, .item = kev_logs_object_itself},
	{.name = ".kevfs", .role = &kev_role_object_control, .item = kev_logs_object_itself, .hidden = true},
};

const struct kev_role kev_role_object = {
	.type = KEV_NODE_DIR,
	.there = kev_object_there,
	.name = object_name,
	.parent = object_parent,
	.attr = object_attr,
	.fixed = object_fixed,
	.fixed_count = KEV_ARRAY_LEN(object_fixed),
	.hold = kev_object_hold,
	.drop = kev_object_drop,
};

/* The events directory of an object. */

static struct kev_place events_parent(void *item)
{
	return (struct kev_place){&kev_role_object, item};
}

static void events_attr(const void *item, struct kev_attr *out)
{
	const struct kev_object *object = item;

	out->mtime = out->ctime = object->events ? object->events->listing.mtime : object->mtime;
}

static const struct kev_members *events_members(const void *item)
{
	const struct kev_object *object = item;

	return object->events ? &object->events->listing.members : NULL;
}

const struct kev_role kev_role_object_events = {
	.type = KEV_NODE_DIR,
	.there = kev_object_there,
	.parent = events_parent,
	.attr = events_attr,
	.members = events_members,
	.member = &kev_role_event,
	.hold = kev_object_hold,
	.drop = kev_object_drop,
};

/* An event's file: immutable. */

static int event_name(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	struct kev_event_room room;
	int r;

	kev_buf_clear(scratch);
	r = kev_path_append_event(scratch, kev_event_name(item, &room));
	if (!r)
		*out = kev_buf_str(scratch);
	return r;
}

static uint64_t event_ino(const void *item)
{
	return kev_ino_of_event(item);
}

/* Stable across mounts, since both parts are the server's. */
static int64_t last_seen(const struct kev_event *event)
{
	int64_t seen = kev_event_last_seen(event);
	struct kev_event_room room;

	/* It may say no time but in its name. */
	if (seen == 0)
		seen = kev_event_mtime(event);
	return seen - seen % KEV_NS_PER_SEC + kev_revision_ns(kev_event_resource_version(event, &room));
}

static void event_attr(const void *item, struct kev_attr *out)
{
	const struct kev_event *event = item;

	out->size = kev_event_size(event);
	out->mtime = out->birth = kev_event_mtime(event);
	out->last = last_seen(event);
	out->ctime = kev_event_ctime(event);
}

static ssize_t event_read(void *data, uint64_t offset, void *out, size_t len)
{
	return kev_event_read(data, (size_t)offset, out, len);
}

static void event_release(void *data)
{
	kev_event_unref(data);
}

static int event_content(void *item, uint64_t offset, size_t len, struct kev_content *out)
{
	(void)offset, (void)len;
	*out = (struct kev_content){event_read, event_release, kev_event_ref(item)};
	return 0;
}

static void event_hold(void *item)
{
	kev_event_ref(item);
}

static void event_drop(void *item)
{
	kev_event_unref(item);
}

const struct kev_role kev_role_event = {
	.type = KEV_NODE_FILE,
	.name = event_name,
	.ino = event_ino,
	.attr = event_attr,
	.content = event_content,
	.hold = event_hold,
	.drop = event_drop,
};
