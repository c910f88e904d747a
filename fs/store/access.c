#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* Without memory the journal says that it lost something: the reader then looks for itself. */
static void append_access(struct kev_store *store, struct kev_str name, bool permitted)
{
	struct kev_change change = {
		.kind = KEV_CHANGE_ACCESS, .present = permitted, .when = kev_clock_realtime(store->clock)};

	/* The archive is woken by it, and looks for itself. */
	if (store->history)
		kev_changes_append(store->history, &(struct kev_change){.kind = KEV_CHANGE_ACCESS});
	if (name.len) {
		change.name = kev_str_dup(name);
		if (!change.name) {
			kev_changes_lose(store->changes);
			return;
		}
	}
	kev_changes_append(store->changes, &change);
}

static void clear_permitted_locked(struct kev_store *store)
{
	struct kev_table_slot *slot;
	size_t position = 0;

	while ((slot = kev_table_next(store->permitted, &position))) {
		free(slot->entry);
		kev_table_remove(store->permitted, slot);
		position--;
	}
	kev_table_shrink(store->permitted);
}

void kev_store_restrict(struct kev_store *store, bool restricted)
{
	bool changed;

	pthread_mutex_lock(&store->lock);
	changed = store->restricted != restricted || (!restricted && kev_table_count(store->permitted) > 0);
	store->restricted = restricted;
	if (!restricted)
		clear_permitted_locked(store);
	store->access_changes += changed;
	pthread_mutex_unlock(&store->lock);
	if (changed)
		append_access(store, KEV_STR(""), !restricted);
}

/* @return whether it was not so before, or -ENOMEM */
static int set_permitted_locked(struct kev_store *store, const struct key *key, bool permitted)
{
	uint32_t hash = hash_of(store, key);
	struct kev_table_slot *slot = kev_table_find(store->permitted, hash, key);
	struct object *object;

	if (permitted == (slot != NULL))
		return 0;
	if (slot) {
		free(slot->entry);
		kev_table_remove(store->permitted, slot);
		store->access_changes++;
		return 1;
	}
	object = kev_table_reserve(store->permitted) == 0 ? kev_store_object_create(key, 0) : NULL;
	if (!object)
		return -ENOMEM;
	kev_table_insert(store->permitted, hash, object, 0);
	store->access_changes++;
	return 1;
}

int kev_store_permit(struct kev_store *store, struct kev_str namespace_, bool permitted)
{
	const struct key key = {KEV_STR(""), namespace_};
	int r;

	if (!kev_store_is_name(namespace_))
		return -EINVAL;
	pthread_mutex_lock(&store->lock);
	r = set_permitted_locked(store, &key, permitted);
	pthread_mutex_unlock(&store->lock);
	if (r < 0)
		return r;
	if (r)
		append_access(store, namespace_, permitted);
	return 0;
}

bool kev_store_is_permitted(struct kev_store *store, struct kev_str namespace_)
{
	const struct key key = {KEV_STR(""), namespace_};
	bool permitted;

	pthread_mutex_lock(&store->lock);
	permitted = !store->restricted || kev_table_find(store->permitted, hash_of(store, &key), &key);
	pthread_mutex_unlock(&store->lock);
	return permitted;
}

bool kev_store_is_restricted(struct kev_store *store)
{
	bool restricted;

	pthread_mutex_lock(&store->lock);
	restricted = store->restricted;
	pthread_mutex_unlock(&store->lock);
	return restricted;
}

uint64_t kev_store_access_changes(struct kev_store *store)
{
	uint64_t changes;

	pthread_mutex_lock(&store->lock);
	changes = store->access_changes;
	pthread_mutex_unlock(&store->lock);
	return changes;
}
