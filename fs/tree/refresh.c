#include "kevfs/tree/tree.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "kevfs/tree/control.h"
#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/object.h"
#include "kevfs/tree/path.h"

/* What the kernel knows is looked at in slices of so many (and a few more, until a walk may pause), so that
 * readers wait about a millisecond. */
#define NODES_AT_ONCE 128

/* Names that a directory had, and that the kernel may still know, of such a slice. */
#define NAMES_MAX (1U << 20)

struct refresh {
	struct kev_tree *tree;
	struct kev_place place;
	kev_tree_stale_fn *stale;
	void *context;
};

/* Under the lock, again and again: what a node stands for may go in between. @return false where it did */
static bool find_locked(struct refresh *refresh, uint64_t node)
{
	const struct kev_inode *inode = kev_inodes_find(refresh->tree->inodes, node);

	if (!inode)
		return false;
	refresh->place = kev_inode_place(inode);
	return refresh->place.role->type == KEV_NODE_DIR;
}

static void tell(struct refresh *refresh)
{
	kev_stale_deliver(refresh->tree->batch, refresh->stale, refresh->context);
}

static void stale_name_locked(struct refresh *refresh, struct kev_str name)
{
	kev_stale_entry(refresh->tree->batch, refresh->tree->inodes, refresh->place, name);
}

/* The namespace that the directory is in; NULL: in none. */
static const struct kev_namespace *namespace_of(struct kev_place place)
{
	while (place.role->parent) {
		if (place.role == &kev_role_namespace || place.role == &kev_role_control_namespace)
			return place.item;
		place = place.role->parent(place.item);
	}
	return NULL;
}

/* Can a revision's file have been in the directory? In that of its namespace, if events are there at all: of
 * what the object was, and the group, a revision that is replaced says nothing reliable. */
static int may_hold(struct refresh *refresh, const struct kev_event *event, bool *out)
{
	const struct kev_namespace *namespace_ = namespace_of(refresh->place);
	struct kev_buf *scratch = &refresh->tree->scratch;

	*out = false;
	if (!namespace_ || refresh->place.role->member != &kev_role_event)
		return 0;
	kev_buf_clear(scratch);
	if (kev_path_append_namespace(scratch, kev_event_namespace(event)))
		return -ENOMEM;
	*out = kev_str_eq(kev_buf_str(scratch), (struct kev_str){namespace_->name, namespace_->len});
	return 0;
}

/* The name of what the kernel knows, if it can have been in the directory. */
static int name_of_locked(struct refresh *refresh, struct kev_place known, struct kev_str *name)
{
	bool held;
	int r = 0;

	*name = KEV_STR("");
	if (!known.role->name)
		return 0;
	if (known.role == &kev_role_event)
		r = may_hold(refresh, known.item, &held);
	else
		held = known.role->parent && kev_place_same(known.role->parent(known.item), refresh->place);
	if (r || !held)
		return r;
	return known.role->name(known.item, &refresh->tree->scratch, name);
}

static int append_if_gone_locked(struct refresh *refresh, struct kev_str name, struct kev_buf *names)
{
	struct kev_tree *tree = refresh->tree;
	struct kev_place child;
	size_t at = names->len;
	int r = kev_buf_append_str(names, name);

	if (!r)
		r = kev_buf_append_char(names, '\0');
	if (r)
		return -ENOMEM;
	/* From the copy: the scratch is used again. */
	r = kev_place_child(refresh->place, &tree->key, &tree->scratch, kev_str_c(names->data + at), &child);
	if (!r && child.role)
		names->len = at;
	/* What may not be seen is as good as gone. */
	return r == -EACCES ? 0 : r;
}

/* @return 1 if there are more, 0, or -ENOMEM */
static int collect_gone_locked(struct refresh *refresh, struct kev_inodes_walk *walk, struct kev_buf *names)
{
	const struct kev_inodes *inodes = refresh->tree->inodes;
	size_t looked = 0;
	int r = 0;

	while (!r && (looked < NODES_AT_ONCE || !kev_inodes_may_pause(inodes, walk))) {
		const struct kev_inode *inode = kev_inodes_next(inodes, walk);
		struct kev_str name;

		if (!inode)
			return 0;
		looked++;
		r = name_of_locked(refresh, kev_inode_place(inode), &name);
		if (!r && name.len)
			r = append_if_gone_locked(refresh, name, names);
	}
	return r ? r : 1;
}

static void tell_fixed(struct refresh *refresh, uint64_t node)
{
	struct kev_tree *tree = refresh->tree;

	pthread_mutex_lock(&tree->lock);
	if (find_locked(refresh, node)) {
		const struct kev_role *role = refresh->place.role;

		for (size_t i = 0; i < role->fixed_count; i++)
			stale_name_locked(refresh, kev_str_c(role->fixed[i].name));
	}
	pthread_mutex_unlock(&tree->lock);
	tell(refresh);
}

static void tell_names(struct refresh *refresh, uint64_t node, const struct kev_buf *names)
{
	for (size_t at = 0; at < names->len;) {
		pthread_mutex_lock(&refresh->tree->lock);
		if (!find_locked(refresh, node))
			at = names->len;
		while (at < names->len && !kev_stale_batch_full(refresh->tree->batch)) {
			struct kev_str name = kev_str_c(names->data + at);

			stale_name_locked(refresh, name);
			at += name.len + 1;
		}
		pthread_mutex_unlock(&refresh->tree->lock);
		tell(refresh);
	}
}

/* Whoever waits for the lock has to be woken first: until it runs, this thread would have it again. */
static void give_way(void)
{
	const struct timespec moment = {0, 1};

	nanosleep(&moment, NULL);
}

/* What is in the directory no more, and the kernel knows: a name that is looked up there would still find it.
 * What is in it does not change meanwhile, for this thread changes it; what the kernel learns is no more old.
 */
static int tell_gone(struct refresh *refresh, uint64_t node)
{
	struct kev_inodes_walk walk = {0};
	KEV_CLEANUP(buf_fini) struct kev_buf names;
	int r;

	kev_buf_init(&names, NAMES_MAX);
	do {
		kev_buf_clear(&names);
		pthread_mutex_lock(&refresh->tree->lock);
		r = find_locked(refresh, node) ? collect_gone_locked(refresh, &walk, &names) : 0;
		pthread_mutex_unlock(&refresh->tree->lock);
		give_way();
		if (r >= 0)
			tell_names(refresh, node, &names);
		if (r == 1 && atomic_load(&refresh->tree->given_up))
			r = -ECANCELED;
	} while (r == 1);
	return r;
}

/* @return 1 if there are more, 0, or -ENOMEM */
static int tell_members_locked(struct refresh *refresh, uint64_t *cookie)
{
	const struct kev_role *role = refresh->place.role;
	const struct kev_members *members = role->members ? role->members(refresh->place.item) : NULL;
	uint32_t slot = members ? kev_members_after(members, *cookie) : KEV_MEMBERS_NONE;

	for (; slot != KEV_MEMBERS_NONE; slot = kev_members_next(members, slot)) {
		const void *item = kev_members_item(members, slot);
		struct kev_str name;

		if (kev_stale_batch_full(refresh->tree->batch))
			return 1;
		if (role->member->name(item, &refresh->tree->scratch, &name))
			return -ENOMEM;
		stale_name_locked(refresh, name);
		*cookie = kev_members_cookie(members, slot);
	}
	return 0;
}

static int tell_members(struct refresh *refresh, uint64_t node)
{
	uint64_t cookie = 0;
	int r;

	do {
		pthread_mutex_lock(&refresh->tree->lock);
		r = find_locked(refresh, node) ? tell_members_locked(refresh, &cookie) : 0;
		pthread_mutex_unlock(&refresh->tree->lock);
		tell(refresh);
		if (r == 1 && atomic_load(&refresh->tree->given_up))
			r = -ECANCELED;
	} while (r == 1);
	return r;
}

static void tell_listing(struct refresh *refresh, uint64_t node)
{
	pthread_mutex_lock(&refresh->tree->lock);
	if (find_locked(refresh, node))
		kev_stale_listing(refresh->tree->batch, refresh->tree->inodes, refresh->place);
	pthread_mutex_unlock(&refresh->tree->lock);
	tell(refresh);
}

int kev_tree_refresh(struct kev_tree *tree, uint64_t node, kev_tree_stale_fn *stale, void *context)
{
	struct refresh refresh = {.tree = tree, .stale = stale, .context = context};
	int r;

	tell_fixed(&refresh, node);
	r = tell_gone(&refresh, node);
	if (!r)
		r = tell_members(&refresh, node);
	/* Last of all. */
	if (!r)
		tell_listing(&refresh, node);
	return r;
}
