#include "kevfs/tree/siblings.h"

#include "kevfs/tree/internal.h"
#include "kevfs/tree/object.h"

/* The first one of a directory brings so many with it, and so does one behind another that was read. */
#define AHEAD_MIN 8

/* Of what a directory with so few holds, mostly all is read; out of more, somebody may want just one. */
#define FEW 16

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

/* How many were read one behind the other, before this one. @param first  set to whether it is the first */
static unsigned count_read(const struct row *row, bool *first)
{
	uint32_t slot = row->slot;
	unsigned count = 0, met = 0;

	for (unsigned steps = 0; slot > 0 && count < KEV_SIBLINGS_MAX && steps < STEPS_MAX; steps++) {
		const struct kev_inode *inode;

		/* Some have been deleted. */
		if (!kev_members_item(row->members, --slot))
			continue;
		met++;
		inode = inode_at(row, slot);
		if (!inode || !kev_inode_is_read(row->tree->inodes, inode))
			break;
		count++;
	}
	*first = slot == 0 && met == 0;
	return count;
}

/* How many to bring with it: none where it is read from the midst of many, as readahead has it. */
static unsigned choose_ahead(const struct row *row)
{
	bool first;
	unsigned count = count_read(row, &first);

	if (!count && !first && row->members->count > FEW)
		return 0;
	return AHEAD_MIN + count < KEV_SIBLINGS_MAX ? AHEAD_MIN + count : KEV_SIBLINGS_MAX;
}

static size_t take(const struct row *row, unsigned ahead, struct kev_sibling *out)
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
		if (!inode || kev_inode_is_read(row->tree->inodes, inode) ||
			kev_event_size(event) > KEV_SIBLING_SIZE_MAX)
			continue;
		kev_inode_set_read(row->tree->inodes, inode);
		out[count++] = (struct kev_sibling){kev_inode_node(inode), kev_event_ref(event)};
	}
	return count;
}

size_t kev_tree_siblings(struct kev_tree *tree, uint64_t node, struct kev_sibling *out)
{
	struct kev_inode *inode;
	struct row row;
	size_t count = 0;

	pthread_mutex_lock(&tree->lock);
	inode = kev_inodes_find(tree->inodes, node);
	if (inode && find_row(tree, inode, &row)) {
		/* What of this one it had, it has let go of; of the others as well, for all we know. */
		if (kev_inode_is_read(tree->inodes, inode))
			kev_inodes_let_go(tree->inodes);
		count = take(&row, choose_ahead(&row), out);
		kev_inode_set_read(tree->inodes, inode);
	}
	pthread_mutex_unlock(&tree->lock);
	return count;
}
