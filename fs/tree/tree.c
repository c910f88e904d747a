#include "kevfs/tree/tree.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/object.h"
#include "kevfs/tree/path.h"

struct kev_tree *kev_tree_create(const struct kev_clock *clock, struct kev_store *store)
{
	struct kev_tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->clock = clock;
	tree->store = store;
	tree->key = kev_hash_random_key();
	tree->generation = kev_hash_random_key().k0 | 1;
	tree->usage.nodes = 1;
	kev_buf_init(&tree->scratch, KEV_PATH_NAME_MAX);
	pthread_mutex_init(&tree->lock, NULL);
	tree->batch = kev_stale_batch_create();
	tree->names = kev_resource_names_create();
	tree->inodes = kev_inodes_create((struct kev_place){&kev_role_root, tree});
	if (tree->batch && tree->names && tree->inodes)
		return tree;
	kev_tree_destroy(tree);
	return NULL;
}

void kev_tree_destroy(struct kev_tree *tree)
{
	if (!tree)
		return;
	/* First the nodes: with them go the things that only the kernel still knew. */
	kev_inodes_destroy(tree->inodes);
	kev_directory_free_all(tree);
	kev_log_fini(&tree->log);
	kev_records_free(tree->unlogged.items, tree->unlogged.count);
	kev_resource_names_destroy(tree->names);
	kev_stale_batch_destroy(tree->batch);
	kev_buf_fini(&tree->scratch);
	pthread_mutex_destroy(&tree->lock);
	free(tree);
}

void kev_tree_give_up(struct kev_tree *tree)
{
	atomic_store(&tree->given_up, true);
}

void kev_tree_set_log_max(struct kev_tree *tree, uint64_t max)
{
	tree->log_max = max;
	tree->usage.nodes += max ? 2 : 0; /* the root's links */
}

void kev_tree_set_about(struct kev_tree *tree, const struct kev_tree_about *about)
{
	tree->about = *about;
}

/* What a node stands for. @return false where the kernel does not know it (any more) */
static bool find_place_locked(const struct kev_tree *tree, uint64_t node, struct kev_place *out)
{
	const struct kev_inode *inode = kev_inodes_find(tree->inodes, node);

	if (inode)
		*out = kev_inode_place(inode);
	return inode;
}

static int find_child_locked(struct kev_tree *tree, uint64_t parent, struct kev_str name,
	struct kev_place *directory, struct kev_place *out)
{
	if (!find_place_locked(tree, parent, directory))
		return -ESTALE;
	if (directory->role->type != KEV_NODE_DIR)
		return -ENOTDIR;
	return kev_place_child(*directory, &tree->key, &tree->scratch, name, out);
}

/* Give out a place, or (without a role) that there is none. */
static int give_locked(struct kev_tree *tree, uint64_t parent, struct kev_place place, struct kev_entry *out)
{
	/* Before the first sync nothing is said for good. */
	struct kev_entry entry = {.generation = tree->generation, .momentary = !tree->synced};
	int r = 0;

	if (place.role) {
		kev_place_attr(place, &entry.attr);
		entry.attr.momentary = !tree->synced;
		r = kev_inodes_take(tree->inodes, place, parent, &entry.node);
	}
	if (!r)
		*out = entry;
	return r;
}

/* Give out what was found in a directory. */
static int give_found_locked(struct kev_tree *tree, uint64_t parent, struct kev_place directory,
	struct kev_place place, struct kev_entry *out)
{
	int r = give_locked(tree, parent, place, out);

	if (!r && directory.role->unkept) {
		out->momentary = out->momentary || !place.role || place.role->type != KEV_NODE_DIR;
		out->attr.momentary = true;
	}
	return r;
}

/* Give out what is made on the fly. */
static int give_made(struct kev_tree *tree, uint64_t parent, struct kev_place where, struct kev_entry *out)
{
	struct kev_place made;
	int r = where.role->make(where.item, &made);

	if (r)
		return r;
	pthread_mutex_lock(&tree->lock);
	r = give_locked(tree, parent, made, out);
	pthread_mutex_unlock(&tree->lock);
	made.role->drop(made.item);
	/* The name means another thing the next time; this one never changes. */
	if (!r) {
		out->momentary = true;
		out->attr.momentary = false;
	}
	return r;
}

int kev_tree_lookup(struct kev_tree *tree, uint64_t parent, struct kev_str name, struct kev_entry *out)
{
	struct kev_place directory, place = {NULL, NULL};
	bool made;
	int r;

	pthread_mutex_lock(&tree->lock);
	r = find_child_locked(tree, parent, name, &directory, &place);
	made = !r && place.role && place.role->make;
	if (!r && !made)
		r = give_found_locked(tree, parent, directory, place, out);
	pthread_mutex_unlock(&tree->lock);
	return made ? give_made(tree, parent, place, out) : r;
}

static bool is_early_locked(const struct kev_tree *tree, uint64_t node, struct kev_str name)
{
	struct kev_place place;

	if (!find_place_locked(tree, node, &place))
		return false;
	for (size_t i = 0; i < place.role->fixed_count; i++) {
		const struct kev_fixed *fixed = &place.role->fixed[i];

		if (kev_str_eq(name, kev_str_c(fixed->name)))
			return fixed->role->early;
	}
	return name.len == 0 && place.role->early;
}

bool kev_tree_is_early(struct kev_tree *tree, uint64_t node, struct kev_str name)
{
	bool early;

	pthread_mutex_lock(&tree->lock);
	early = is_early_locked(tree, node, name);
	pthread_mutex_unlock(&tree->lock);
	return early;
}

void kev_tree_forget(struct kev_tree *tree, uint64_t node, uint64_t count)
{
	pthread_mutex_lock(&tree->lock);
	kev_inodes_forget(tree->inodes, node, count);
	pthread_mutex_unlock(&tree->lock);
}

int kev_tree_getattr(struct kev_tree *tree, uint64_t node, struct kev_attr *out)
{
	struct kev_place place;
	bool found;

	pthread_mutex_lock(&tree->lock);
	found = find_place_locked(tree, node, &place);
	if (found) {
		kev_place_attr(place, out);
		out->momentary = !tree->synced;
	}
	pthread_mutex_unlock(&tree->lock);
	return found ? 0 : -ESTALE;
}

int kev_tree_path(struct kev_tree *tree, uint64_t node, struct kev_buf *out)
{
	struct kev_place place;
	int r = 0;

	pthread_mutex_lock(&tree->lock);
	if (find_place_locked(tree, node, &place) && place.role != &kev_role_event)
		r = kev_place_append_path(place, out);
	pthread_mutex_unlock(&tree->lock);
	return r;
}

static int readlink_locked(struct kev_tree *tree, uint64_t node, struct kev_buf *out)
{
	struct kev_place place;

	if (!find_place_locked(tree, node, &place))
		return -ESTALE;
	if (place.role->type != KEV_NODE_LINK)
		return -EINVAL;
	return place.role->target(place.item, out) ? -ENOMEM : 0;
}

int kev_tree_readlink(struct kev_tree *tree, uint64_t node, struct kev_buf *out)
{
	int r;

	pthread_mutex_lock(&tree->lock);
	r = readlink_locked(tree, node, out);
	pthread_mutex_unlock(&tree->lock);
	return r;
}

static int open_locked(struct kev_tree *tree, uint64_t node, struct kev_event **out)
{
	struct kev_place place;

	if (!find_place_locked(tree, node, &place))
		return -ESTALE;
	if (place.role->type == KEV_NODE_DIR)
		return -EISDIR;
	if (place.role != &kev_role_event)
		return -EINVAL;
	*out = kev_event_ref(place.item);
	return 0;
}

int kev_tree_open(struct kev_tree *tree, uint64_t node, struct kev_event **out)
{
	int r;

	pthread_mutex_lock(&tree->lock);
	r = open_locked(tree, node, out);
	pthread_mutex_unlock(&tree->lock);
	return r;
}

static int content_locked(
	struct kev_tree *tree, uint64_t node, uint64_t offset, size_t len, struct kev_content *out)
{
	struct kev_place place;

	if (!find_place_locked(tree, node, &place))
		return -ESTALE;
	if (place.role->type == KEV_NODE_DIR)
		return -EISDIR;
	if (!place.role->content)
		return -EINVAL;
	return place.role->content(place.item, offset, len, out);
}

int kev_tree_read(struct kev_tree *tree, uint64_t node, uint64_t offset, void *out, size_t len, size_t *got)
{
	struct kev_content content;
	ssize_t count;
	int r;

	pthread_mutex_lock(&tree->lock);
	r = content_locked(tree, node, offset, len, &content);
	pthread_mutex_unlock(&tree->lock);
	if (r)
		return r;
	count = content.read(content.data, offset, out, len);
	content.release(content.data);
	if (count < 0)
		return (int)count;
	*got = (size_t)count;
	return 0;
}

void kev_tree_usage(struct kev_tree *tree, struct kev_tree_usage *out)
{
	pthread_mutex_lock(&tree->lock);
	*out = tree->usage;
	pthread_mutex_unlock(&tree->lock);
}
