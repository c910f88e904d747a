#ifndef KEVFS_STORE_INTERNAL_H
#define KEVFS_STORE_INTERNAL_H

/* What the modules of the store's one struct share: store.c puts, lose.c takes away, access.c says what of it
 * may be seen, walk.c goes through it. */

#include <pthread.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/hash.h"
#include "kevfs/store/store.h"
#include "kevfs/store/table.h"

#define SCOPE_COUNT (KEV_SCOPE_NAMESPACES + 1)

/*
 * There may be a million events and 150,000 pods, so an entry is small: of an event a slot in the table (its
 * key stands in the event), of a pod one more allocation with both names in it.
 */
struct kev_store {
	const struct kev_clock *clock;
	struct kev_changes *changes;
	struct kev_changes *history; /* the archive's, or NULL */
	struct kev_hash_key random;
	struct kev_meter *meter;
	struct kev_intern *words; /* a reference */

	pthread_mutex_t lock;                  /* protects everything below; a leaf */
	struct kev_table *tables[SCOPE_COUNT]; /* struct kev_event (a reference), struct object (owned) */
	uint64_t event_bytes;
	struct kev_kinds *kinds; /* a reference */
	int64_t last_ctime;      /* the latest ctime given */
	uint32_t generation;     /* relists begun; each slot's mark says when it was last put */
	struct kev_retain retain;
	struct kev_retained retained;
	struct kev_bounds bounds; /* set before anything else is done: read without the lock, too */
	struct kev_oldest oldest; /* all events, where there are bounds; else none */
	uint64_t evicted;
	int64_t evicted_since;     /* realtime */
	bool evicted_told;         /* on the log */
	bool pods_listed;          /* of all namespaces */
	struct kev_buf pods_lists; /* of some: their names, a NUL behind each */
	uint64_t namespace_changes;
	bool restricted;         /* only what is permitted may be seen */
	uint64_t access_changes; /* of restricted and permitted */
	struct kev_table
		*permitted; /* struct object (owned): namespaces; empty where nothing is restricted */
};

/* A pod or a namespace (without a namespace). The names' bytes stand in text, one behind the other. */
struct object {
	uint32_t created; /* seconds since the epoch */
	uint16_t namespace_len, name_len;
	char text[];
};

/* What a slot is found by. */
struct key {
	struct kev_str namespace_, name;
};

/* Borrowed from the event or from room. */
static inline struct key event_key(const struct kev_event *event, struct kev_event_room *room)
{
	return (struct key){kev_event_namespace(event), kev_event_name(event, room)};
}

static inline struct key object_key(const struct object *object)
{
	return (struct key){{object->text, object->namespace_len},
		{object->text + object->namespace_len, object->name_len}};
}

static inline uint32_t hash_of(const struct kev_store *store, const struct key *key)
{
	return kev_table_hash(&store->random, key->namespace_, key->name);
}

/* Can it be the name of a pod or a namespace? */
bool kev_store_is_name(struct kev_str s);

/* @return new, or NULL on ENOMEM */
struct object *kev_store_object_create(const struct key *key, uint32_t created);

/* What a table of objects is searched by. */
bool kev_store_match_object(const void *entry, const void *key);

/* Tell all who follow that an event has changed. */
void kev_store_append_event(struct kev_store *store, struct kev_change *change /* taken */);

/* The same of a pod or a namespace. Without memory the journal says that it lost something: the reader then
 * looks for itself. */
void kev_store_append_object(struct kev_store *store, enum kev_scope_kind kind, const struct object *object,
	bool present, int64_t when);

/* Let go of what is too much, now that event was put, or (NULL) was not. */
void kev_store_evict(struct kev_store *store, struct kev_event *event);

/* Would it be too much by itself? */
bool kev_store_is_too_large(const struct kev_store *store, const struct kev_event *event);

/* One more is let go, or does not come in. */
void kev_store_count_evicted_locked(struct kev_store *store, int64_t now);

/* Would there be too much with so many events, and bytes, more? */
bool kev_store_is_full_locked(const struct kev_store *store, uint64_t count, uint64_t bytes);

/* What is retained is there again, or makes room. @return it was gone since then; 0: it was there */
int64_t kev_store_regain_locked(struct kev_store *store, struct kev_event *event);

#endif
