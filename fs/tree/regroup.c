#include "kevfs/tree/regroup.h"

#include <errno.h>

#include "kevfs/tree/internal.h"

/* The group of an event; NULL: it is in none. @param make  it may be new: make it, with room for the event */
static int find_group(struct kev_edit *edit, struct kev_view *view, const struct kev_event *event, bool make,
	struct kev_group **out)
{
	struct kev_str name;
	int r = kev_view_group_name(view->kind, event, &edit->directory, &name);

	*out = NULL;
	if (r)
		return r == -ENOENT ? 0 : r;
	if (!make)
		return kev_group_find(view, name, out);
	r = kev_group_make(view, name, out);
	if (!r)
		r = kev_group_reserve(*out);
	return r;
}

static int prepare_view(struct kev_edit *edit, struct kev_view *view, const struct kev_event *old,
	const struct kev_event *event, struct kev_regroup *out)
{
	int r = 0;

	if (!view->groups)
		return 0;
	if (old)
		r = find_group(edit, view, old, false, &out->from[view->kind]);
	if (!r && event)
		r = find_group(edit, view, event, true, &out->to[view->kind]);
	return r;
}

int kev_regroup_prepare(struct kev_edit *edit, struct kev_namespace *namespace_, const struct kev_event *old,
	const struct kev_event *event, struct kev_regroup *out)
{
	int r = 0;

	*out = (struct kev_regroup){{NULL}, {NULL}};
	for (int kind = 0; kind < KEV_VIEW_KINDS && !r; kind++)
		r = prepare_view(edit, &namespace_->views[kind], old, event, out);
	for (int kind = 0; kind < KEV_VIEW_KINDS && r; kind++) {
		if (out->to[kind])
			kev_group_reap(out->to[kind]);
	}
	return r;
}

static struct kev_place place_of(struct kev_group *group)
{
	return (struct kev_place){&kev_role_group, group};
}

/* It begins, or ceases, to be there. */
static void show_group(struct kev_edit *edit, struct kev_group *group)
{
	kev_edit_change_member(edit, kev_role_group.parent(group), &group->view->groups->listing.mtime,
		(struct kev_str){group->name, group->len});
}

static void add(struct kev_edit *edit, struct kev_group *group, const struct kev_regroup_change *change)
{
	kev_members_add(&group->events.members, change->hash, change->event);
	kev_edit_change_entry(edit, place_of(group), &group->events, change->file, change->event, true);
	if (group->events.members.count == 1)
		show_group(edit, group);
}

static void remove_old(
	struct kev_edit *edit, struct kev_group *group, const struct kev_regroup_change *change)
{
	struct kev_members *members = &group->events.members;

	kev_members_remove(members, change->hash, kev_members_slot(members, change->hash, change->old));
	kev_edit_change_entry(edit, place_of(group), &group->events, change->file, change->old, true);
	if (members->count == 0)
		show_group(edit, group);
	kev_group_reap(group);
}

static void replace_old(
	struct kev_edit *edit, struct kev_group *group, const struct kev_regroup_change *change)
{
	struct kev_members *members = &group->events.members;

	kev_members_replace(members, kev_members_slot(members, change->hash, change->old), change->event);
	kev_edit_change_entry(
		edit, place_of(group), &group->events, change->file, change->event, change->membership);
}

void kev_regroup_commit(struct kev_edit *edit, struct kev_namespace *namespace_,
	const struct kev_regroup *regroup, const struct kev_regroup_change *change)
{
	struct kev_tree *tree = edit->tree;

	for (int kind = 0; kind < KEV_VIEW_KINDS; kind++) {
		struct kev_view *view = &namespace_->views[kind];
		struct kev_group *from = regroup->from[kind], *to = regroup->to[kind];

		/* Its time is that of the directory of all events. */
		if (!view->groups && change->membership)
			kev_stale_attr(tree->batch, tree->inodes, (struct kev_place){&kev_role_view, view});
		if (from && from == to) {
			replace_old(edit, from, change);
			continue;
		}
		if (to)
			add(edit, to, change);
		if (from)
			remove_old(edit, from, change);
	}
}
