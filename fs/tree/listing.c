#include "kevfs/tree/listing.h"

#include "kevfs/tree/internal.h"

struct kev_naming kev_listing_naming(struct kev_tree *tree, const struct kev_role *role)
{
	return (struct kev_naming){role->name, &tree->key, &tree->scratch};
}

int kev_listing_find(struct kev_tree *tree, const struct kev_listing *listing, const struct kev_role *role,
	struct kev_str name, void **out)
{
	const struct kev_naming naming = kev_listing_naming(tree, role);
	uint32_t slot;
	int r = kev_members_find(&listing->members, &naming, name, kev_members_hash(&tree->key, name), &slot);

	if (!r)
		*out = kev_members_item(&listing->members, slot);
	return r;
}

int kev_listing_add(struct kev_tree *tree, struct kev_listing *listing, const struct kev_role *role,
	struct kev_str name, void *item)
{
	const struct kev_naming naming = kev_listing_naming(tree, role);
	int r = kev_members_reserve(&listing->members, &naming);

	if (!r)
		kev_members_add(&listing->members, kev_members_hash(&tree->key, name), item);
	return r;
}

void kev_listing_remove(
	struct kev_tree *tree, struct kev_listing *listing, struct kev_str name, const void *item)
{
	uint32_t hash = kev_members_hash(&tree->key, name);

	kev_members_remove(&listing->members, hash, kev_members_slot(&listing->members, hash, item));
}
