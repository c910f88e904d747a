#include "kevfs/tree/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/control.h"
#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/object.h"
#include "kevfs/tree/path.h"

/* Events are fetched from memory so many before they are sorted. */
#define LOOK_AHEAD 8

void kev_view_init(struct kev_namespace *namespace_)
{
	for (int kind = 0; kind < KEV_VIEW_KINDS; kind++)
		namespace_->views[kind] = (struct kev_view){.namespace_ = namespace_, .kind = kind};
}

static int view_of(struct kev_namespace *namespace_, enum kev_view_kind kind, void **out)
{
	*out = &namespace_->views[kind];
	return 0;
}

int kev_view_of_type(void *namespace_, void **out)
{
	return view_of(namespace_, KEV_VIEW_TYPE, out);
}

int kev_view_of_reason(void *namespace_, void **out)
{
	return view_of(namespace_, KEV_VIEW_REASON, out);
}

int kev_view_of_node(void *namespace_, void **out)
{
	return view_of(namespace_, KEV_VIEW_NODE, out);
}

struct kev_str kev_view_name(enum kev_view_kind kind)
{
	switch (kind) {
	case KEV_VIEW_TYPE:
		return KEV_STR("by-type");
	case KEV_VIEW_REASON:
		return KEV_STR("by-reason");
	case KEV_VIEW_NODE:
		return KEV_STR("by-node");
	}
	return KEV_STR("");
}

int kev_view_group_name(
	enum kev_view_kind kind, const struct kev_event *event, struct kev_buf *scratch, struct kev_str *out)
{
	struct kev_str key = kev_event_node(event);

	if (kind == KEV_VIEW_TYPE)
		key = kev_event_type(event);
	else if (kind == KEV_VIEW_REASON)
		key = kev_event_reason(event);
	else if (key.len == 0)
		return -ENOENT;
	if (!kev_path_is_plain(key)) {
		kev_buf_clear(scratch);
		if (kev_path_append_event(scratch, key))
			return -ENOMEM;
		key = kev_buf_str(scratch);
	}
	*out = key;
	return 0;
}

/* Groups. */

int kev_group_find(const struct kev_view *view, struct kev_str name, struct kev_group **out)
{
	void *item;
	int r = kev_listing_find(
		view->namespace_->tree, &view->groups->listing, &kev_role_group, name, &item);

	if (!r)
		*out = item;
	return r;
}

int kev_group_make(struct kev_view *view, struct kev_str name, struct kev_group **out)
{
	struct kev_group *group;
	int r = kev_group_find(view, name, out);

	if (r != -ENOENT)
		return r;
	group = calloc(1, sizeof(*group) + name.len);
	if (!group)
		return -ENOMEM;
	group->view = view;
	group->len = (uint8_t)name.len;
	memcpy(group->name, name.data, name.len);
	r = kev_listing_add(view->namespace_->tree, &view->groups->listing, &kev_role_group, name, group);
	if (r)
		free(group);
	else
		*out = group;
	return r;
}

int kev_group_reserve(struct kev_group *group)
{
	const struct kev_naming naming = kev_listing_naming(group->view->namespace_->tree, &kev_role_event);

	return kev_members_reserve(&group->events.members, &naming);
}

static void free_group(struct kev_group *group)
{
	kev_members_fini(&group->events.members);
	free(group);
}

void kev_group_reap(struct kev_group *group)
{
	const struct kev_view *view = group->view;

	if (group->known || group->events.members.count)
		return;
	kev_listing_remove(view->namespace_->tree, &view->groups->listing,
		(struct kev_str){group->name, group->len}, group);
	free_group(group);
}

static bool group_there(const void *item)
{
	const struct kev_group *group = item;

	return group->events.members.count > 0;
}

static int group_name(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	const struct kev_group *group = item;

	(void)scratch;
	*out = (struct kev_str){group->name, group->len};
	return 0;
}

static struct kev_place group_parent(void *item)
{
	const struct kev_group *group = item;

	return (struct kev_place){&kev_role_view, group->view};
}

static void group_attr(const void *item, struct kev_attr *out)
{
	const struct kev_group *group = item;

	out->mtime = out->ctime = group->events.mtime;
}

static const struct kev_members *group_members(const void *item)
{
	const struct kev_group *group = item;

	return &group->events.members;
}

/* Sorting. */

static void free_groups(struct kev_view *view)
{
	const struct kev_members *groups = &view->groups->listing.members;

	for (uint32_t at = kev_members_after(groups, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(groups, at))
		free_group(kev_members_item(groups, at));
	kev_members_fini(&view->groups->listing.members);
	free(view->groups);
	view->groups = NULL;
}

/* Nobody uses it any more. */
static void release(struct kev_view *view)
{
	if (view->groups && !view->known && !view->groups->known)
		free_groups(view);
}

/* Put an event into its group. */
static int sort_event(struct kev_view *view, struct kev_event *event, struct kev_buf *scratch)
{
	struct kev_tree *tree = view->namespace_->tree;
	struct kev_group *group = NULL;
	struct kev_str name, file;
	int r = kev_view_group_name(view->kind, event, scratch, &name);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = kev_group_make(view, name, &group);
	if (!r)
		r = kev_group_reserve(group);
	if (!r)
		r = kev_role_event.name(event, &tree->scratch, &file);
	if (r)
		return r;
	kev_members_add(&group->events.members, kev_members_hash(&tree->key, file), event);
	if (group->events.mtime < kev_event_ctime(event))
		group->events.mtime = kev_event_ctime(event);
	return 0;
}

/* Put all events of the namespace into their groups. */
static int sort_all(struct kev_view *view)
{
	const struct kev_members *events = &view->namespace_->events.members;
	KEV_CLEANUP(buf_fini) struct kev_buf scratch = {.max = KEV_PATH_NAME_MAX};
	int r = 0;

	for (uint32_t at = kev_members_after(events, 0); at != KEV_MEMBERS_NONE && !r;
		at = kev_members_next(events, at)) {
		const struct kev_event *ahead = kev_members_item(events, at + LOOK_AHEAD);

		if (ahead)
			kev_event_prefetch(ahead);
		r = sort_event(view, kev_members_item(events, at), &scratch);
	}
	return r;
}

static int view_prepare(void *item)
{
	struct kev_view *view = item;
	int r;

	if (view->groups)
		return 0;
	view->groups = calloc(1, sizeof(*view->groups));
	if (!view->groups)
		return -ENOMEM;
	view->groups->listing.mtime = view->namespace_->events.mtime;
	r = sort_all(view);
	if (r)
		free_groups(view);
	return r;
}

static void group_hold(void *item)
{
	struct kev_group *group = item;

	group->known = true;
	group->view->groups->known++;
	kev_namespace_hold(group->view->namespace_);
}

static void group_drop(void *item)
{
	struct kev_group *group = item;
	struct kev_view *view = group->view;

	group->known = false;
	view->groups->known--;
	kev_group_reap(group);
	release(view);
	kev_namespace_drop(view->namespace_);
}

const struct kev_role kev_role_group = {
	.type = KEV_NODE_DIR,
	.there = group_there,
	.name = group_name,
	.parent = group_parent,
	.attr = group_attr,
	.members = group_members,
	.member = &kev_role_event,
	.hold = group_hold,
	.drop = group_drop,
};

/* Views. */

static bool view_there(const void *item)
{
	const struct kev_view *view = item;

	return kev_namespace_there(view->namespace_);
}

static int view_name(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	const struct kev_view *view = item;

	(void)scratch;
	*out = kev_view_name(view->kind);
	return 0;
}

static struct kev_place view_parent(void *item)
{
	const struct kev_view *view = item;

	return (struct kev_place){&kev_role_control_namespace, view->namespace_};
}

static void view_attr(const void *item, struct kev_attr *out)
{
	const struct kev_view *view = item;

	out->mtime = out->ctime = view->groups ? view->groups->listing.mtime : view->namespace_->events.mtime;
}

static const struct kev_members *view_members(const void *item)
{
	const struct kev_view *view = item;

	return view->groups ? &view->groups->listing.members : NULL;
}

static void view_hold(void *item)
{
	struct kev_view *view = item;

	view->known = true;
	kev_namespace_hold(view->namespace_);
}

static void view_drop(void *item)
{
	struct kev_view *view = item;

	view->known = false;
	release(view);
	kev_namespace_drop(view->namespace_);
}

const struct kev_role kev_role_view = {
	.type = KEV_NODE_DIR,
	.uncounted = true,
	.there = view_there,
	.name = view_name,
	.parent = view_parent,
	.attr = view_attr,
	.prepare = view_prepare,
	.members = view_members,
	.member = &kev_role_group,
	.hold = view_hold,
	.drop = view_drop,
};

/* The link in the namespace's directory. */

static struct kev_place link_parent(void *item)
{
	const struct kev_view *view = item;

	return kev_namespace_link_parent(view->namespace_);
}

static void link_attr(const void *item, struct kev_attr *out)
{
	const struct kev_view *view = item;

	kev_namespace_link_attr(view->namespace_, kev_view_name(view->kind), out);
}

static int link_target(const void *item, struct kev_buf *out)
{
	const struct kev_view *view = item;

	return kev_namespace_link_target(view->namespace_, kev_view_name(view->kind), out);
}

static void link_hold(void *item)
{
	const struct kev_view *view = item;

	kev_namespace_hold(view->namespace_);
}

static void link_drop(void *item)
{
	const struct kev_view *view = item;

	kev_namespace_drop(view->namespace_);
}

const struct kev_role kev_role_view_link = {
	.type = KEV_NODE_LINK,
	.there = view_there,
	.name = view_name,
	.parent = link_parent,
	.attr = link_attr,
	.target = link_target,
	.hold = link_hold,
	.drop = link_drop,
};
