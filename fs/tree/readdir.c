#include "kevfs/tree/tree.h"

#include <errno.h>

#include "kevfs/tree/internal.h"

/* Cookies: "." and "..", the fixed entries in their order, then the members by their own. */
enum { COOKIE_DOT = 1, COOKIE_DOTDOT = 2, COOKIE_FIXED = 3 };

struct listing {
	struct kev_tree *tree;
	struct kev_place directory;
	uint64_t node;   /* the directory's */
	uint64_t cookie; /* go on behind it */
	bool nodes;
	kev_tree_emit_fn *emit;
	void *context;
};

/* What a step of a listing says. */
enum { GO_ON = 0, FULL = 1 };

/* Give "." or "..". @return GO_ON or FULL */
static int give_dots(struct listing *listing, struct kev_str name, struct kev_place place, uint64_t cookie)
{
	struct kev_entry entry = {.generation = listing->tree->generation};

	if (cookie <= listing->cookie)
		return GO_ON;
	kev_place_attr(place, &entry.attr);
	return listing->emit(listing->context, name, &entry, cookie) ? FULL : GO_ON;
}

/* Give one entry, with its node if that is wanted. @return GO_ON, FULL or -ENOMEM */
static int give(struct listing *listing, struct kev_str name, struct kev_place place, uint64_t cookie)
{
	struct kev_entry entry = {.generation = listing->tree->generation};
	bool nodes = listing->nodes && !place.role->make && !listing->directory.role->unkept;

	kev_place_attr(place, &entry.attr);
	if (nodes && kev_inodes_take(listing->tree->inodes, place, listing->node, &entry.node))
		return -ENOMEM;
	if (!listing->emit(listing->context, name, &entry, cookie))
		return GO_ON;
	if (nodes)
		kev_inodes_forget(listing->tree->inodes, entry.node, 1);
	return FULL;
}

static int give_fixed(struct listing *listing)
{
	const struct kev_role *role = listing->directory.role;
	int r = GO_ON;

	for (size_t i = 0; i < role->fixed_count && r == GO_ON; i++) {
		const struct kev_fixed *fixed = &role->fixed[i];
		struct kev_place place;

		if (fixed->hidden || COOKIE_FIXED + i <= listing->cookie)
			continue;
		r = kev_place_fixed(listing->directory, fixed, &place);
		if (!r)
			r = give(listing, kev_str_c(fixed->name), place, COOKIE_FIXED + i);
		else if (r == -ENOENT)
			r = GO_ON;
	}
	return r;
}

static int give_members(struct listing *listing)
{
	const struct kev_role *role = listing->directory.role;
	const struct kev_members *members = role->members ? role->members(listing->directory.item) : NULL;
	uint32_t slot;
	int r = GO_ON;

	if (!members)
		return GO_ON;
	for (slot = kev_members_after(members, listing->cookie); slot != KEV_MEMBERS_NONE && r == GO_ON;
		slot = kev_members_next(members, slot)) {
		void *item = kev_members_item(members, slot);
		struct kev_place place = {role->member, item};
		struct kev_str name;

		if (!kev_place_there(place))
			continue;
		r = role->member->name(item, &listing->tree->scratch, &name);
		if (!r)
			r = give(listing, name, place, kev_members_cookie(members, slot));
	}
	return r;
}

static int list(struct listing *listing)
{
	struct kev_place directory = listing->directory;
	struct kev_place parent = directory.role->parent ? directory.role->parent(directory.item) : directory;
	int r;

	if (kev_place_denied(directory))
		return -EACCES;
	r = directory.role->prepare ? directory.role->prepare(directory.item) : 0;
	if (r)
		return r;
	r = give_dots(listing, KEV_STR("."), directory, COOKIE_DOT);
	if (r == GO_ON)
		r = give_dots(listing, KEV_STR(".."), parent, COOKIE_DOTDOT);
	/* What is gone, and still known to somebody, is empty. */
	if (r != GO_ON || !kev_place_there(directory))
		return r;
	r = give_fixed(listing);
	return r == GO_ON ? give_members(listing) : r;
}

int kev_tree_readdir(struct kev_tree *tree, uint64_t node, uint64_t cookie, bool nodes,
	kev_tree_emit_fn *emit, void *context)
{
	struct listing listing = {.tree = tree,
		.node = node,
		.cookie = cookie,
		.nodes = nodes,
		.emit = emit,
		.context = context};
	const struct kev_inode *inode;
	int r = -ESTALE;

	pthread_mutex_lock(&tree->lock);
	inode = kev_inodes_find(tree->inodes, node);
	if (inode) {
		listing.directory = kev_inode_place(inode);
		r = listing.directory.role->type == KEV_NODE_DIR ? list(&listing) : -ENOTDIR;
	}
	pthread_mutex_unlock(&tree->lock);
	return r == FULL ? 0 : r;
}
