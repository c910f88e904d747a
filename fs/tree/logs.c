#include "kevfs/tree/logs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/tree/control.h"
#include "kevfs/tree/directory.h"
#include "kevfs/tree/edit_event.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/log.h"
#include "kevfs/tree/object.h"
#include "kevfs/tree/object_log.h"

/* Members that a rotation looks at before it lets go of the lock. */
#define STEPS_AT_ONCE 1024

static struct kev_tree *tree_of(const struct kev_object *object)
{
	return object->resource->namespace_->tree;
}

/* The directories that hold the files. */

static struct kev_place tree_home(struct kev_tree *tree)
{
	return (struct kev_place){&kev_role_control, tree};
}

static struct kev_place namespace_home(struct kev_namespace *namespace_)
{
	return (struct kev_place){&kev_role_control_namespace, namespace_};
}

static struct kev_place object_home(struct kev_object *object)
{
	return (struct kev_place){&kev_role_object_control, object};
}

/* What fixed entries ask for. */

static int itself(const struct kev_tree *tree, void *item, void **out)
{
	if (!tree->log_max)
		return -ENOENT;
	*out = item;
	return 0;
}

int kev_logs_tree_itself(void *item, void **out)
{
	return itself(item, item, out);
}

int kev_logs_namespace_itself(void *item, void **out)
{
	const struct kev_namespace *namespace_ = item;

	return itself(namespace_->tree, item, out);
}

int kev_logs_object_itself(void *item, void **out)
{
	return itself(tree_of(item), item, out);
}

int kev_logs_tree_current(void *item, void **out)
{
	struct kev_tree *tree = item;

	return tree->log_max ? kev_log_current(tree, &tree->log, tree_home(tree), out) : -ENOENT;
}

int kev_logs_tree_previous(void *item, void **out)
{
	const struct kev_tree *tree = item;

	return kev_log_previous(&tree->log, out);
}

int kev_logs_namespace_current(void *item, void **out)
{
	struct kev_namespace *namespace_ = item;

	if (!namespace_->tree->log_max)
		return -ENOENT;
	return kev_log_current(namespace_->tree, &namespace_->log, namespace_home(namespace_), out);
}

int kev_logs_namespace_previous(void *item, void **out)
{
	const struct kev_namespace *namespace_ = item;

	return kev_log_previous(&namespace_->log, out);
}

static int object_current(void *item, void **out)
{
	struct kev_object *object = item;
	int r = kev_object_prepare(object);

	if (!r)
		r = kev_object_log_make(object);
	return r ? r : kev_log_current(tree_of(object), &object->events->log, object_home(object), out);
}

static int object_previous(void *item, void **out)
{
	struct kev_object *object = item;
	int r = kev_object_log_make(object);

	if (r)
		return r;
	return object->events ? kev_log_previous(&object->events->log, out) : -ENOENT;
}

/* /<namespace>/<resource>/<object>/.kevfs. It is there for whoever stands in it; others do not find it where
 * the object is not there. */

static struct kev_place object_control_parent(void *item)
{
	return (struct kev_place){&kev_role_object, item};
}

static void object_control_attr(const void *item, struct kev_attr *out)
{
	const struct kev_object *object = item;
	const struct kev_tree *tree = tree_of(object);
	int64_t born = object->resource->namespace_->born;

	/* Its listing changes with a rotation only, and with each; whatever the clock did. */
	out->mtime = out->ctime = (tree->rotated > born ? tree->rotated : born) + tree->rotations;
}

static const struct kev_fixed object_control_fixed[] = {
	{.name = "events.log", .role = &kev_role_log_line, .item = object_current},
	{.name = "events.log.1", .role = &kev_role_log_line, .item = object_previous},
};

const struct kev_role kev_role_object_control = {
	.type = KEV_NODE_DIR,
	.parent = object_control_parent,
	.attr = object_control_attr,
	.fixed = object_control_fixed,
	.fixed_count = KEV_ARRAY_LEN(object_control_fixed),
	.hold = kev_object_hold,
	.drop = kev_object_drop,
};

/* The links. Nothing about them ever changes. */

#define HERE_LOG ".kevfs/events.log"
#define HERE_JSONL ".kevfs/events.jsonl"

static struct kev_place root_link_parent(void *item)
{
	return (struct kev_place){&kev_role_root, item};
}

static void root_link_attr(const struct kev_tree *tree, struct kev_str target, struct kev_attr *out)
{
	out->mtime = out->ctime = tree->born;
	out->size = target.len;
}

static void root_log_attr(const void *item, struct kev_attr *out)
{
	root_link_attr(item, KEV_STR(HERE_LOG), out);
}

static void root_jsonl_attr(const void *item, struct kev_attr *out)
{
	root_link_attr(item, KEV_STR(HERE_JSONL), out);
}

static int here_log_target(const void *item, struct kev_buf *out)
{
	(void)item;
	return kev_buf_append_c(out, HERE_LOG);
}

static int root_jsonl_target(const void *item, struct kev_buf *out)
{
	(void)item;
	return kev_buf_append_c(out, HERE_JSONL);
}

const struct kev_role kev_role_root_log_link = {
	.type = KEV_NODE_LINK,
	.parent = root_link_parent,
	.attr = root_log_attr,
	.target = here_log_target,
	.hold = kev_tree_hold,
	.drop = kev_tree_drop,
};

const struct kev_role kev_role_root_jsonl_link = {
	.type = KEV_NODE_LINK,
	.parent = root_link_parent,
	.attr = root_jsonl_attr,
	.target = root_jsonl_target,
	.hold = kev_tree_hold,
	.drop = kev_tree_drop,
};

static void namespace_log_attr(const void *item, struct kev_attr *out)
{
	kev_namespace_link_attr(item, KEV_STR("events.log"), out);
}

static void namespace_jsonl_attr(const void *item, struct kev_attr *out)
{
	kev_namespace_link_attr(item, KEV_STR("events.jsonl"), out);
}

static int namespace_log_target(const void *item, struct kev_buf *out)
{
	return kev_namespace_link_target(item, KEV_STR("events.log"), out);
}

static int namespace_jsonl_target(const void *item, struct kev_buf *out)
{
	return kev_namespace_link_target(item, KEV_STR("events.jsonl"), out);
}

const struct kev_role kev_role_namespace_log_link = {
	.type = KEV_NODE_LINK,
	.there = kev_namespace_there,
	.parent = kev_namespace_link_parent,
	.attr = namespace_log_attr,
	.target = namespace_log_target,
	.hold = kev_namespace_hold,
	.drop = kev_namespace_drop,
};

const struct kev_role kev_role_namespace_jsonl_link = {
	.type = KEV_NODE_LINK,
	.there = kev_namespace_there,
	.parent = kev_namespace_link_parent,
	.attr = namespace_jsonl_attr,
	.target = namespace_jsonl_target,
	.hold = kev_namespace_hold,
	.drop = kev_namespace_drop,
};

/* As old as its namespace: of its object nothing is known that does not change. */
static void object_link_attr(const void *item, struct kev_attr *out)
{
	const struct kev_object *object = item;

	out->mtime = out->ctime = object->resource->namespace_->born;
	out->size = sizeof(HERE_LOG) - 1;
}

const struct kev_role kev_role_object_log_link = {
	.type = KEV_NODE_LINK,
	.there = kev_object_there,
	.parent = object_control_parent,
	.attr = object_link_attr,
	.target = here_log_target,
	.hold = kev_object_hold,
	.drop = kev_object_drop,
};

/* Appending. */

/* A log, and where its file stands. */
struct target {
	struct kev_log *log;
	struct kev_place home;
};

/* What a state directory holds of a namespace that may not be seen stands in that one's own logs only, which
 * say EACCES. Later an event that comes is about to be seen: its namespace is permitted when all are there.
 */
static bool may_be_told(const struct kev_tree *tree, const struct kev_namespace *namespace_)
{
	return tree->logged || !tree->restricted || (namespace_ && !kev_namespace_denied(namespace_));
}

/* All, and the namespace's. @param object  set to that of the event, whose log it belongs to as well, or NULL
 * @return how many targets there are, or -ENOMEM */
static int find_targets(struct kev_edit *edit, const struct kev_event *event, struct target targets[2],
	struct kev_object **object)
{
	struct kev_tree *tree = edit->tree;
	struct kev_namespace *namespace_;
	int count = 0;

	if (kev_edit_find_owner(edit, event, &namespace_, object))
		return -ENOMEM;
	if (*object && kev_object_prepare(*object))
		return -ENOMEM;
	if (may_be_told(tree, namespace_))
		targets[count++] = (struct target){&tree->log, tree_home(tree)};
	if (namespace_)
		targets[count++] = (struct target){&namespace_->log, namespace_home(namespace_)};
	return count;
}

static int append_to(struct kev_edit *edit, const struct target *targets, int count,
	struct kev_record *record, int64_t when)
{
	for (int i = 0; i < count; i++) {
		if (kev_log_reserve(edit->tree, targets[i].log, targets[i].home))
			return -ENOMEM;
	}
	for (int i = 0; i < count; i++)
		kev_log_append(targets[i].log, record, when);
	kev_meter_add(kev_store_meter(edit->tree->store), KEV_METER_LOG_APPENDED, 1);
	return 0;
}

int kev_logs_append(struct kev_edit *edit, struct kev_record *record, int64_t when)
{
	struct target targets[3];
	struct kev_object *object;
	int count;

	if (!edit->tree->log_max)
		return 0;
	count = find_targets(edit, kev_record_occurrence(record).event, targets, &object);
	if (count < 0 || (object && kev_object_log_make(object)))
		return -ENOMEM;
	if (object)
		targets[count++] = (struct target){&object->events->log, object_home(object)};
	return append_to(edit, targets, count, record, when);
}

int kev_logs_append_first(struct kev_edit *edit, struct kev_record *record, bool current)
{
	struct target targets[2];
	struct kev_object *object;
	int count = find_targets(edit, kev_record_occurrence(record).event, targets, &object);

	if (count < 0 || append_to(edit, targets, count, record, kev_record_time(record)))
		return -ENOMEM;
	if (object)
		kev_object_log_count(object, current);
	return 0;
}

/* @return false without memory */
static bool make_room(struct kev_tree *tree)
{
	size_t room = tree->unlogged.room ? 2 * tree->unlogged.room : 64;
	struct kev_record **items;

	if (tree->unlogged.count < tree->unlogged.room)
		return true;
	items = realloc(tree->unlogged.items, room * sizeof(struct kev_record *));
	if (!items)
		return false;
	tree->unlogged.items = items;
	tree->unlogged.room = room;
	return true;
}

void kev_logs_keep(struct kev_tree *tree, struct kev_record *record)
{
	uint64_t bytes = sizeof(void *) + kev_event_size(kev_record_occurrence(record).event);

	if (tree->unlogged.bytes + bytes > tree->log_max || !make_room(tree)) {
		tree->unlogged.missing++;
		return;
	}
	tree->unlogged.items[tree->unlogged.count++] = kev_record_ref(record);
	tree->unlogged.bytes += bytes;
}

void kev_logs_miss(struct kev_tree *tree)
{
	tree->unlogged.missing++;
}

bool kev_logs_are_behind(const struct kev_tree *tree)
{
	return tree->unlogged.count || tree->unlogged.missing;
}

size_t kev_logs_take_kept(struct kev_tree *tree, struct kev_record ***out, uint64_t *missing)
{
	size_t count = tree->unlogged.count;

	*out = tree->unlogged.items;
	*missing += tree->unlogged.missing;
	memset(&tree->unlogged, 0, sizeof(tree->unlogged));
	return count;
}

/* Rotating. */

#define ROTATE_NS (KEV_LOGS_ROTATE_MS * KEV_NS_PER_MS)

bool kev_logs_full(const struct kev_tree *tree)
{
	return tree->log_max && tree->log_live >= tree->log_max &&
	       kev_clock_monotonic(tree->clock) + (KEV_LOGS_ROTATE_BURST - 1) * ROTATE_NS >= tree->rotate_at;
}

/* A rotation begins: the next ones are due that much later. */
static void count_rotation(struct kev_tree *tree)
{
	int64_t now = kev_clock_monotonic(tree->clock);

	tree->rotate_at = (now > tree->rotate_at ? now : tree->rotate_at) + ROTATE_NS;
}

static void stale_home(struct kev_tree *tree, struct kev_place home)
{
	for (size_t i = 0; i < home.role->fixed_count; i++) {
		const struct kev_fixed *fixed = &home.role->fixed[i];

		if (fixed->role == &kev_role_log_line || fixed->role == &kev_role_log_json)
			kev_stale_entry(tree->batch, tree->inodes, home, kev_str_c(fixed->name));
	}
	kev_stale_listing(tree->batch, tree->inodes, home);
}

static void rotate(struct kev_tree *tree, struct kev_log *log, struct kev_place home, int64_t *mtime)
{
	if (!kev_log_rotate(log))
		return;
	*mtime = tree->rotated > *mtime ? tree->rotated : *mtime + 1;
	stale_home(tree, home);
}

static void rotate_object(struct kev_tree *tree, struct kev_object *object)
{
	kev_object_log_rotate(object);
	/* Their times change together. */
	stale_home(tree, object_home(object));
}

static void *next_item(const struct kev_members *members, uint64_t *cookie)
{
	uint32_t slot = kev_members_after(members, *cookie);

	if (slot == KEV_MEMBERS_NONE)
		return NULL;
	*cookie = kev_members_cookie(members, slot);
	return kev_members_item(members, slot);
}

/* The next object of the namespace that the rotation is at. @return false where there is none */
static bool step_object(struct kev_tree *tree, struct kev_rotation *rotation)
{
	struct kev_namespace *namespace_ =
		kev_members_by_cookie(&tree->namespaces.members, rotation->namespace_);
	struct kev_resource *resource;
	struct kev_object *object = NULL;

	if (!namespace_)
		return false;
	resource = kev_members_by_cookie(&namespace_->resources.members, rotation->resource);
	if (resource)
		object = next_item(&resource->objects.members, &rotation->object);
	if (object) {
		rotate_object(tree, object);
		return true;
	}
	rotation->object = 0;
	return next_item(&namespace_->resources.members, &rotation->resource);
}

/* @return false at the end */
static bool step(struct kev_tree *tree, struct kev_rotation *rotation)
{
	struct kev_namespace *namespace_;

	if (step_object(tree, rotation))
		return true;
	rotation->resource = rotation->object = 0;
	namespace_ = next_item(&tree->namespaces.members, &rotation->namespace_);
	if (!namespace_)
		return false;
	rotate(tree, &namespace_->log, namespace_home(namespace_), &namespace_->control_mtime);
	return true;
}

bool kev_logs_rotate(struct kev_tree *tree, struct kev_rotation *rotation)
{
	int64_t now = kev_clock_realtime(tree->clock);

	if (!rotation->begun) {
		rotation->begun = true;
		tree->log_live = 0;
		tree->rotations++;
		kev_meter_add(kev_store_meter(tree->store), KEV_METER_LOG_ROTATED, 1);
		count_rotation(tree);
		tree->rotated = now > tree->rotated ? now : tree->rotated;
		rotate(tree, &tree->log, tree_home(tree), &tree->control_mtime);
	}
	for (unsigned steps = 0; steps < STEPS_AT_ONCE && !kev_stale_batch_full(tree->batch); steps++) {
		if (!step(tree, rotation))
			return false;
	}
	return true;
}
