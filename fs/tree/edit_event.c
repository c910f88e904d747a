#include "kevfs/tree/edit_event.h"

#include <errno.h>

#include "kevfs/tree/control.h"
#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/object.h"
#include "kevfs/tree/object_log.h"
#include "kevfs/tree/path.h"
#include "kevfs/tree/regroup.h"

/* Where an event stands, or would. */
struct spot {
	struct kev_namespace *namespace_; /* NULL: there is no such directory */
	struct kev_event *current;        /* the revision that the tree holds; NULL: none */
	uint32_t slot;                    /* of current */
	uint32_t hash;                    /* of its file name */
	struct kev_event_room room;       /* where that may stand */
	struct kev_str file;
};

static int find_spot(struct kev_edit *edit, const struct kev_event *event, struct spot *spot)
{
	struct kev_tree *tree = edit->tree;
	const struct kev_naming naming = kev_listing_naming(tree, &kev_role_event);
	int r;

	*spot = (struct spot){.current = NULL};
	spot->file = kev_event_name(event, &spot->room);
	kev_buf_clear(&edit->directory);
	if (kev_path_append_namespace(&edit->directory, kev_event_namespace(event)))
		return -ENOMEM;
	if (!kev_path_is_plain(spot->file)) {
		kev_buf_clear(&edit->file);
		if (kev_path_append_event(&edit->file, spot->file))
			return -ENOMEM;
		spot->file = kev_buf_str(&edit->file);
	}
	spot->hash = kev_members_hash(&tree->key, spot->file);
	r = kev_namespace_find(tree, kev_buf_str(&edit->directory), &spot->namespace_);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = kev_members_find(&spot->namespace_->events.members, &naming, spot->file, spot->hash, &spot->slot);
	if (!r)
		spot->current = kev_members_item(&spot->namespace_->events.members, spot->slot);
	return r == -ENOENT ? 0 : r;
}

/* An event's object, and the name of its resource. */
struct owner {
	struct kev_resource_name *name;
	struct kev_object *object;
};

/* Find what an event stands under, or make it. On failure nothing that was made is left, and a namespace that
 * has nothing is reaped. */
static int make_owner(struct kev_edit *edit, struct kev_namespace *namespace_, const struct kev_event *event,
	struct owner *out)
{
	kev_buf_clear(&edit->directory);
	if (kev_resource_names_get(edit->tree->names, edit->kinds, kev_event_object_api_version(event),
		    kev_event_object_kind(event), &out->name) ||
		kev_path_append_object(&edit->directory, kev_event_namespace(event),
			kev_event_object_namespace(event), kev_event_object_name(event))) {
		kev_namespace_reap(namespace_);
		return -ENOMEM;
	}
	return kev_edit_make_object(edit, namespace_, kev_resource_name_str(out->name), &out->object);
}

int kev_edit_is_current(struct kev_edit *edit, const struct kev_event *event, bool *current)
{
	struct spot spot;
	int r = find_spot(edit, event, &spot);

	if (!r)
		*current = spot.current == event;
	return r;
}

int kev_edit_find_owner(struct kev_edit *edit, const struct kev_event *event,
	struct kev_namespace **namespace_, struct kev_object **object)
{
	struct kev_resource_name *name;
	struct kev_resource *resource;
	int r;

	*namespace_ = NULL;
	*object = NULL;
	kev_buf_clear(&edit->directory);
	if (kev_path_append_namespace(&edit->directory, kev_event_namespace(event)))
		return -ENOMEM;
	r = kev_namespace_find(edit->tree, kev_buf_str(&edit->directory), namespace_);
	if (!r)
		r = kev_resource_names_get(edit->tree->names, edit->kinds,
			kev_event_object_api_version(event), kev_event_object_kind(event), &name);
	if (!r)
		r = kev_resource_find(*namespace_, kev_resource_name_str(name), &resource);
	kev_buf_clear(&edit->directory);
	if (!r && kev_path_append_object(&edit->directory, kev_event_namespace(event),
			  kev_event_object_namespace(event), kev_event_object_name(event)))
		return -ENOMEM;
	if (!r)
		r = kev_object_find(resource, kev_buf_str(&edit->directory), object);
	return r == -ENOENT ? 0 : r;
}

static bool is_same_object(const struct kev_event *a, const struct kev_event *b)
{
	return kev_str_eq(kev_event_object_name(a), kev_event_object_name(b)) &&
	       kev_str_eq(kev_event_object_kind(a), kev_event_object_kind(b)) &&
	       kev_str_eq(kev_event_object_namespace(a), kev_event_object_namespace(b)) &&
	       kev_str_eq(kev_event_object_api_version(a), kev_event_object_api_version(b));
}

/* An object has a revision more. */
static void revise(struct kev_edit *edit, struct kev_object *object, const struct kev_event *event)
{
	int64_t ctime = kev_event_ctime(event);

	if (!kev_edit_is_first_sync(edit)) {
		kev_edit_advance(&object->mtime, ctime);
	} else if (object->revised) {
		object->mtime = ctime > object->mtime ? ctime : object->mtime;
	} else {
		object->mtime = ctime;
		object->events->listing.mtime = 0;
	}
	object->revised = true;
	kev_stale_attr(edit->tree->batch, edit->tree->inodes, (struct kev_place){&kev_role_object, object});
}

static void add_to_object(
	struct kev_edit *edit, struct kev_object *object, const struct spot *spot, struct kev_event *event)
{
	kev_members_add(&object->events->listing.members, spot->hash, event);
	kev_edit_change_entry(edit, (struct kev_place){&kev_role_object_events, object},
		&object->events->listing, spot->file, event, true);
}

static void remove_from_object(struct kev_edit *edit, struct kev_object *object, const struct spot *spot)
{
	struct kev_members *members = &object->events->listing.members;

	kev_members_remove(members, spot->hash, kev_members_slot(members, spot->hash, spot->current));
	kev_edit_change_entry(edit, (struct kev_place){&kev_role_object_events, object},
		&object->events->listing, spot->file, spot->current, true);
}

/* In the directory of all events of the namespace. */
static void put_in_namespace(
	struct kev_edit *edit, const struct spot *spot, struct kev_event *event, bool membership)
{
	struct kev_listing *events = &spot->namespace_->events;
	uint32_t slot = spot->slot;

	if (spot->current)
		kev_members_replace(&events->members, slot, event);
	else
		slot = kev_members_add(&events->members, spot->hash, event);
	kev_members_mark(&events->members, slot, true);
	kev_edit_change_entry(edit, (struct kev_place){&kev_role_control_events, spot->namespace_}, events,
		spot->file, event, membership);
}

/* In the views. */
static void regroup(struct kev_edit *edit, const struct spot *spot, struct kev_event *event,
	const struct kev_regroup *groups, bool membership)
{
	kev_regroup_commit(edit, spot->namespace_, groups,
		&(struct kev_regroup_change){.old = spot->current,
			.event = event,
			.file = spot->file,
			.hash = spot->hash,
			.membership = membership});
}

/* The tree has the revision no more. What the first sync brought, as far as it is still in the logs, these
 * alone have from now on. */
static void let_go(struct kev_tree *tree, struct kev_event *event)
{
	tree->usage.bytes -= kev_event_size(event);
	tree->usage.nodes--;
	if (tree->rotations < tree->first_until && kev_event_ctime(event) <= tree->logged_at)
		tree->log_live += kev_event_compact_size(event);
	kev_event_unref(event);
}

/* Everything is found and nothing can fail any more. */
static void commit(struct kev_edit *edit, const struct spot *spot, struct kev_event *event,
	const struct owner *from, const struct owner *to, const struct kev_regroup *groups)
{
	struct kev_tree *tree = edit->tree;
	struct kev_event *old = spot->current;
	struct kev_event_room rooms[2];
	/* Another uid is another file, with another st_ino, which the cached listing holds. */
	bool other = !old || !kev_str_eq(kev_event_uid(old, &rooms[0]), kev_event_uid(event, &rooms[1]));

	kev_event_ref(event);
	kev_resource_names_use(tree->names, to->name);
	tree->usage.bytes += kev_event_size(event);
	tree->usage.nodes++;
	revise(edit, to->object, event);
	if (from->object == to->object) {
		struct kev_listing *events = &to->object->events->listing;

		kev_members_replace(
			&events->members, kev_members_slot(&events->members, spot->hash, old), event);
		kev_edit_change_entry(edit, (struct kev_place){&kev_role_object_events, to->object}, events,
			spot->file, event, other);
	} else {
		add_to_object(edit, to->object, spot, event);
		if (old)
			remove_from_object(edit, from->object, spot);
	}
	put_in_namespace(edit, spot, event, other);
	regroup(edit, spot, event, groups, other);
	kev_edit_show_object(edit, to->object);
	if (!old)
		return;
	kev_resource_names_release(tree->names, from->name);
	kev_edit_show_object(edit, from->object);
	kev_object_reap(from->object);
	let_go(tree, old);
}

/* Make room for an event more. */
static int reserve(struct kev_edit *edit, const struct spot *spot, struct kev_object *object)
{
	const struct kev_naming naming = kev_listing_naming(edit->tree, &kev_role_event);

	if (kev_object_reserve(object))
		return -ENOMEM;
	/* It stays in its slot, which making room might change. */
	if (spot->current)
		return 0;
	return kev_members_reserve(&spot->namespace_->events.members, &naming);
}

/* Put event where spot is. */
static int put(struct kev_edit *edit, struct spot *spot, struct kev_event *event)
{
	struct owner from = {NULL, NULL}, to;
	struct kev_regroup groups;
	bool stays;
	int r = 0;

	if (!spot->namespace_)
		r = kev_namespace_make(edit->tree, kev_buf_str(&edit->directory), &spot->namespace_);
	if (!r && spot->current)
		r = make_owner(edit, spot->namespace_, spot->current, &from);
	if (r)
		return r;
	stays = spot->current && is_same_object(spot->current, event);
	to = from;
	if (!stays)
		r = make_owner(edit, spot->namespace_, event, &to);
	if (r)
		return r;
	if ((spot->current && kev_object_log_make(from.object)) || kev_object_log_make(to.object) ||
		(!stays && reserve(edit, spot, to.object)) ||
		kev_regroup_prepare(edit, spot->namespace_, spot->current, event, &groups)) {
		kev_object_reap(to.object);
		return -ENOMEM;
	}
	commit(edit, spot, event, &from, &to, &groups);
	return 0;
}

static int delete (struct kev_edit *edit, const struct spot *spot)
{
	struct kev_tree *tree = edit->tree;
	struct kev_listing *events = &spot->namespace_->events;
	struct kev_event *event = spot->current;
	struct kev_regroup groups;
	struct owner owner;
	int r = make_owner(edit, spot->namespace_, event, &owner);

	if (!r)
		r = kev_object_log_make(owner.object);
	if (!r)
		r = kev_regroup_prepare(edit, spot->namespace_, event, NULL, &groups);
	if (r)
		return r;
	kev_members_remove(&events->members, spot->hash, spot->slot);
	kev_edit_change_entry(edit, (struct kev_place){&kev_role_control_events, spot->namespace_}, events,
		spot->file, event, true);
	regroup(edit, spot, NULL, &groups, true);
	remove_from_object(edit, owner.object, spot);
	kev_resource_names_release(tree->names, owner.name);
	kev_edit_show_object(edit, owner.object);
	kev_object_reap(owner.object);
	let_go(tree, event);
	return 0;
}

int kev_edit_put_event(struct kev_edit *edit, struct kev_event *event)
{
	struct spot spot;
	int r = find_spot(edit, event, &spot);

	if (r)
		return r;
	if (spot.current != event)
		return put(edit, &spot, event);
	kev_members_mark(&spot.namespace_->events.members, spot.slot, true);
	return 0;
}

int kev_edit_delete_event(struct kev_edit *edit, struct kev_event *event)
{
	struct spot spot;
	int r = find_spot(edit, event, &spot);

	return r ? r : delete (edit, &spot);
}

/* Is the change old → event newer than what the tree holds? */
static bool is_news(
	const struct kev_event *current, const struct kev_event *old, const struct kev_event *event)
{
	if (current == event)
		return false;
	/* Where the tree has nothing, a revision that comes is news; if it is from before a deletion that the
	 * tree has seen, the journal repeats the deletion. */
	if (current == old || !current)
		return true;
	/* The tree is ahead (a resync overtook the journal), or behind (memory failed it). */
	if (event)
		return kev_event_ctime(event) > kev_event_ctime(current);
	return kev_event_ctime(old) >= kev_event_ctime(current);
}

int kev_edit_change_event(struct kev_edit *edit, struct kev_event *old, struct kev_event *event)
{
	struct spot spot;
	int r;

	if (!old && !event)
		return 0;
	r = find_spot(edit, event ? event : old, &spot);
	if (r || !is_news(spot.current, old, event))
		return r;
	return event ? put(edit, &spot, event) : delete (edit, &spot);
}
