#include "kevfs/tree/stale.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct kev_stale_batch {
	size_t count;
	struct kev_stale items[KEV_STALE_BATCH_MAX];
};

struct kev_stale_batch *kev_stale_batch_create(void)
{
	struct kev_stale_batch *batch = malloc(sizeof(*batch));

	if (batch)
		batch->count = 0;
	return batch;
}

void kev_stale_batch_destroy(struct kev_stale_batch *batch)
{
	free(batch);
}

bool kev_stale_batch_full(const struct kev_stale_batch *batch)
{
	return batch->count > KEV_STALE_BATCH_MAX - KEV_STALE_CHANGE_MAX;
}

static void append(
	struct kev_stale_batch *batch, enum kev_stale_kind kind, uint64_t node, struct kev_str name)
{
	struct kev_stale *stale = &batch->items[batch->count];

	/* To drop one would leave the kernel stale for ever. */
	assert(batch->count < KEV_STALE_BATCH_MAX && name.len < KEV_STALE_NAME_SIZE);
	batch->count++;
	stale->kind = kind;
	stale->node = node;
	stale->offset = 0;
	if (name.len)
		memcpy(stale->name, name.data, name.len);
	stale->name[name.len] = '\0';
}

/* The item of that kind for the node, or NULL. */
static struct kev_stale *find(struct kev_stale_batch *batch, enum kev_stale_kind kind, uint64_t node)
{
	for (size_t i = batch->count; i-- > 0;) {
		if (batch->items[i].node == node && batch->items[i].kind == kind)
			return &batch->items[i];
	}
	return NULL;
}

void kev_stale_entry(struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place directory,
	struct kev_str name)
{
	const struct kev_inode *inode = NULL;

	if (!directory.role->unkept)
		inode = kev_inodes_find_place(inodes, directory);
	if (inode)
		append(batch, KEV_STALE_ENTRY, kev_inode_node(inode), name);
}

/* Whatever reply has the directory's old attributes: it is taken in before what follows. */
static void append_barrier(struct kev_stale_batch *batch, struct kev_inodes *inodes,
	struct kev_place directory, struct kev_inode *inode)
{
	if (!kev_inode_in_flight(inode))
		return;
	kev_inode_landed(inode);
	/* A reply that the kernel awaits in the parent keeps the parent known. */
	if (directory.role->parent)
		kev_stale_entry(
			batch, inodes, directory.role->parent(directory.item), KEV_STR(KEV_STALE_BARRIER));
}

void kev_stale_listing(struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place directory)
{
	struct kev_inode *inode = kev_inodes_find_place(inodes, directory);
	struct kev_stale *same;

	if (!inode || find(batch, KEV_STALE_LISTING, kev_inode_node(inode)))
		return;
	append_barrier(batch, inodes, directory, inode);
	same = find(batch, KEV_STALE_ATTR, kev_inode_node(inode));
	if (same)
		same->kind = KEV_STALE_LISTING;
	else
		append(batch, KEV_STALE_LISTING, kev_inode_node(inode), KEV_STR(""));
}

void kev_stale_attr(struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place directory)
{
	struct kev_inode *inode = kev_inodes_find_place(inodes, directory);

	if (!inode || find(batch, KEV_STALE_LISTING, kev_inode_node(inode)) ||
		find(batch, KEV_STALE_ATTR, kev_inode_node(inode)))
		return;
	append_barrier(batch, inodes, directory, inode);
	append(batch, KEV_STALE_ATTR, kev_inode_node(inode), KEV_STR(""));
}

void kev_stale_tail(
	struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place file, uint64_t offset)
{
	const struct kev_inode *inode = kev_inodes_find_place(inodes, file);

	if (!inode)
		return;
	append(batch, KEV_STALE_TAIL, kev_inode_node(inode), KEV_STR(""));
	batch->items[batch->count - 1].offset = offset;
}

void kev_stale_size(
	struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place file, uint64_t size)
{
	struct kev_inode *inode = kev_inodes_find_place(inodes, file);

	if (!inode)
		return;
	append_barrier(batch, inodes, file, inode);
	append(batch, KEV_STALE_SIZE, kev_inode_node(inode), KEV_STR(""));
	batch->items[batch->count - 1].offset = size;
}

void kev_stale_deliver(struct kev_stale_batch *batch, kev_tree_stale_fn *stale, void *context)
{
	for (size_t i = 0; stale && i < batch->count; i++)
		stale(context, &batch->items[i]);
	batch->count = 0;
}
