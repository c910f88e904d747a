#include "kevfs/tree/siblings.h"

#include "kevfs/tree/internal.h"
#include "kevfs/tree/object.h"

/* The first one of a directory brings so many with it. */
#define AHEAD_MIN 8

/* Who lists a directory and reads some of it should not be waited for over what is between these. */
#define STEPS_MAX (2 * KEV_SIBLINGS_MAX)

/* Where a file stands among its siblings. */
struct row {
	struct kev_tree *tree;
	const struct kev_members *members;
	uint32_t slot;
};

static struct kev_inode *inode_at(const struct row *row, uint32_t slot)
{
	void *event = kev_members_item(row->members, slot);

	return event ? kev_inodes_find_place(row->tree->inodes, (struct kev_place){&kev_role_event, event})
		     : NULL;
}

static bool find_row(struct kev_tree *tree, const struct kev_inode *inode, struct row *out)
{
	const struct kev_naming naming = kev_listing_naming(tree, &kev_role_event);
	struct kev_place file = kev_inode_place(inode), directory;
	const struct kev_inode *parent = kev_inodes_find(tree->inodes, kev_inode_parent(inode));
	struct kev_str name;

	if (file.role != &kev_role_event || !parent)
		return false;
	directory = kev_inode_place(parent);
	if (directory.role->member != file.role || kev_place_denied(directory))
		return false;
	*out = (struct row){.tree = tree, .members = directory.role->members(directory.item)};
	if (!out->members || naming.name(file.item, naming.scratch, &name))
		return false;
	out->slot = kev_members_slot(out->members, kev_members_hash(naming.key, name), file.item);
	return out->slot != KEV_MEMBERS_NONE;
}

/* How many were read one behind the other, before this one. */
static unsigned count_read(const struct row *row)
{
	unsigned count = 0;

	for (uint32_t slot = row->slot; slot > 0 && count < KEV_SIBLINGS_MAX; count++) {
		const struct kev_inode *inode = inode_at(row, --slot);

		if (!inode || !kev_inode_is_read(inode))
			break;
	}
	return count;
}

/* @param again  the kernel has let go of what it had: of the others as well, for all we know */
static size_t take(const struct row *row, unsigned ahead, bool again, struct kev_sibling *out)
{
	uint32_t slot = row->slot;
	size_t count = 0;

	for (unsigned steps = 0; steps < STEPS_MAX && count < ahead; steps++) {
		struct kev_event *event;
		struct kev_inode *inode;

		slot = kev_members_next(row->members, slot);
		if (slot == KEV_MEMBERS_NONE)
			break;
		event = kev_members_item(row->members, slot);
		inode = inode_at(row, slot);
		if (!inode || (!again && kev_inode_is_read(inode)) ||
			kev_event_size(event) > KEV_SIBLING_SIZE_MAX)
			continue;
		kev_inode_set_read(inode);
		out[count++] = (struct kev_sibling){kev_inode_node(inode), kev_event_ref(event)};
	}
	return count;
}

size_t kev_tree_siblings(struct kev_tree *tree, uint64_t node, struct kev_sibling *out)
{
	struct kev_inode *inode;
	struct row row;
	size_t count = 0;
	unsigned ahead;

	pthread_mutex_lock(&tree->lock);
	inode = kev_inodes_find(tree->inodes, node);
	if (inode && find_row(tree, inode, &row)) {
		ahead = AHEAD_MIN + count_read(&row);
		if (ahead > KEV_SIBLINGS_MAX)
			ahead = KEV_SIBLINGS_MAX;
		count = take(&row, ahead, kev_inode_is_read(inode), out);
		kev_inode_set_read(inode);
	}
	pthread_mutex_unlock(&tree->lock);
	return count;
}
