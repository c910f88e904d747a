#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"

/* Deletions that the end of a relist, or time, hands to the journal at once. */
#define SWEEP_BATCH 64

/* What is no longer there, until the journal is told. */
struct loss {
	struct kev_change change; /* of an event; owns its reference */
	struct object *object;    /* a pod or a namespace, owned */
};

static bool was_listed_locked(const struct kev_store *store, struct kev_str namespace_)
{
	const struct kev_buf *lists = &store->pods_lists;
	size_t at = 0;

	if (store->pods_listed)
		return true;
	while (at < lists->len) {
		struct kev_str one = kev_str_c(lists->data + at);

		if (kev_str_eq(one, namespace_))
			return true;
		at += one.len + 1;
	}
	return false;
}

/* They are known no more. */
static void unlist_locked(struct kev_store *store, struct kev_str namespace_)
{
	struct kev_buf *lists = &store->pods_lists;
	size_t at = 0;

	if (!namespace_.len) {
		store->pods_listed = false;
		kev_buf_clear(lists);
	}
	while (at < lists->len) {
		size_t len = strlen(lists->data + at) + 1;

		if (!kev_str_eq(kev_str_c(lists->data + at), namespace_)) {
			at += len;
			continue;
		}
		lists->len -= len;
		memmove(lists->data + at, lists->data + at + len, lists->len - at);
	}
}

/* The pods of a namespace, or (empty) of all, are known from now on. */
static void note_listed_locked(struct kev_store *store, struct kev_str namespace_)
{
	if (!namespace_.len)
		store->pods_listed = true;
	if (was_listed_locked(store, namespace_))
		return;
	/* What does not fit remains unknown. */
	if (kev_buf_reserve(&store->pods_lists, namespace_.len + 1) != 0)
		return;
	kev_buf_append_str(&store->pods_lists, namespace_);
	kev_buf_append_char(&store->pods_lists, '\0');
}

static enum kev_object_state object_state_locked(const struct kev_store *store, const struct kev_event *event)
{
	struct key key = {kev_event_object_namespace(event), kev_event_object_name(event)};
	struct kev_str version = kev_event_object_api_version(event);

	if (!kev_str_eq(kev_event_object_kind(event), KEV_STR("Pod")) ||
		(version.len && !kev_str_eq(version, KEV_STR("v1"))))
		return KEV_OBJECT_UNKNOWN;
	if (!key.namespace_.len)
		key.namespace_ = kev_event_namespace(event);
	if (kev_table_find(store->tables[KEV_SCOPE_PODS], hash_of(store, &key), &key))
		return KEV_OBJECT_THERE;
	return was_listed_locked(store, key.namespace_) ? KEV_OBJECT_MISSING : KEV_OBJECT_UNKNOWN;
}

/* Take an event out of the table. @return the change that says so */
static struct kev_change remove_event_locked(
	struct kev_store *store, struct kev_table_slot *slot, int64_t when)
{
	struct kev_event *event = slot->entry;

	kev_table_remove(store->tables[KEV_SCOPE_EVENTS], slot);
	if (kev_bounds_any(&store->bounds))
		kev_oldest_remove(&store->oldest, event);
	store->event_bytes -= kev_event_size(event);
	return (struct kev_change){.kind = KEV_CHANGE_EVENT,
		.old = event,
		.gone = kev_store_regain_locked(store, event),
		.when = when};
}

/* The server no longer has what stands in the slot. @return it was taken out: the slot holds another now */
static bool lose_locked(struct kev_store *store, enum kev_scope_kind kind, struct kev_table_slot *slot,
	struct kev_moment now, struct loss *loss)
{
	struct kev_event *event = slot->entry;

	*loss = (struct loss){.object = NULL};
	if (kind != KEV_SCOPE_EVENTS) {
		loss->object = slot->entry;
		store->namespace_changes += kind == KEV_SCOPE_NAMESPACES ? 1 : 0;
		kev_table_remove(store->tables[kind], slot);
		return true;
	}
	/* Without memory to retain it, it goes as if nothing were retained. */
	if (!kev_retain_any(&store->retain) || kev_retained_add(&store->retained, event, now) != 0) {
		loss->change = remove_event_locked(store, slot, now.real);
		return true;
	}
	loss->change = (struct kev_change){.kind = KEV_CHANGE_GONE,
		.event = kev_event_ref(event),
		.gone = kev_event_gone(event),
		.object = object_state_locked(store, event),
		.when = now.real};
	return false;
}

/* Is it retained, and so lost already? */
static bool is_lost(enum kev_scope_kind kind, const struct kev_table_slot *slot)
{
	return kind == KEV_SCOPE_EVENTS && kev_event_gone(slot->entry) != 0;
}

static void append_loss(
	struct kev_store *store, enum kev_scope_kind kind, struct loss *loss /* taken */, int64_t when)
{
	if (kind == KEV_SCOPE_EVENTS) {
		kev_store_append_event(store, &loss->change);
		return;
	}
	kev_store_append_object(store, kind, loss->object, false, when);
	free(loss->object);
}

static void delete_key(struct kev_store *store, enum kev_scope_kind kind, const struct key *key)
{
	struct kev_moment now = kev_moment_slept(store->clock);
	struct kev_table_slot *slot;
	struct loss loss;
	bool lost = false;

	pthread_mutex_lock(&store->lock);
	slot = kev_table_find(store->tables[kind], hash_of(store, key), key);
	if (slot && !is_lost(kind, slot)) {
		lost = true;
		if (lose_locked(store, kind, slot, now, &loss))
			kev_table_shrink(store->tables[kind]);
	}
	pthread_mutex_unlock(&store->lock);
	if (lost)
		append_loss(store, kind, &loss, now.real);
}

void kev_store_delete(struct kev_store *store, struct kev_str namespace_, struct kev_str name)
{
	const struct key key = {namespace_, name};

	delete_key(store, KEV_SCOPE_EVENTS, &key);
}

void kev_store_delete_pod(struct kev_store *store, struct kev_str namespace_, struct kev_str name)
{
	const struct key key = {namespace_, name};

	delete_key(store, KEV_SCOPE_PODS, &key);
}

void kev_store_delete_namespace(struct kev_store *store, struct kev_str name)
{
	const struct key key = {KEV_STR(""), name};

	delete_key(store, KEV_SCOPE_NAMESPACES, &key);
}

uint32_t kev_store_relist_begin(struct kev_store *store)
{
	uint32_t generation;

	pthread_mutex_lock(&store->lock);
	generation = ++store->generation;
	pthread_mutex_unlock(&store->lock);
	return generation;
}

/* Lose at most SWEEP_BATCH entries that the relist did not see. @return how many */
static size_t sweep_locked(struct kev_store *store, enum kev_scope_kind kind, struct kev_str namespace_,
	uint32_t begun, struct kev_moment now, size_t *position, struct loss losses[SWEEP_BATCH])
{
	struct kev_table_slot *slot;
	size_t count = 0;

	while (count < SWEEP_BATCH && (slot = kev_table_next(store->tables[kind], position))) {
		struct kev_event_room room;
		struct key key;

		/* Whatever is put is marked with the latest relist of any scope. */
		if (slot->mark >= begun || is_lost(kind, slot))
			continue;
		key = kind == KEV_SCOPE_EVENTS ? event_key(slot->entry, &room) : object_key(slot->entry);
		if (namespace_.len && !kev_str_eq(key.namespace_, namespace_))
			continue;
		if (lose_locked(store, kind, slot, now, &losses[count++]))
			--*position;
	}
	return count;
}

/* Lose whatever the relist did not see. */
static void sweep(
	struct kev_store *store, enum kev_scope_kind kind, struct kev_str namespace_, uint32_t begun)
{
	struct loss losses[SWEEP_BATCH];
	size_t position = 0, count;

	/* In batches: the lock is not held while the journal is written. Nobody else writes meanwhile. */
	do {
		struct kev_moment now = kev_moment_slept(store->clock);

		pthread_mutex_lock(&store->lock);
		count = sweep_locked(store, kind, namespace_, begun, now, &position, losses);
		pthread_mutex_unlock(&store->lock);
		for (size_t i = 0; i < count; i++)
			append_loss(store, kind, &losses[i], now.real);
	} while (count == SWEEP_BATCH);
	pthread_mutex_lock(&store->lock);
	kev_table_shrink(store->tables[kind]);
	pthread_mutex_unlock(&store->lock);
}

void kev_store_relist_end(
	struct kev_store *store, enum kev_scope_kind kind, struct kev_str namespace_, uint32_t begun)
{
	sweep(store, kind, namespace_, begun);
	if (kind != KEV_SCOPE_PODS)
		return;
	pthread_mutex_lock(&store->lock);
	note_listed_locked(store, namespace_);
	pthread_mutex_unlock(&store->lock);
}

void kev_store_forget_pods(struct kev_store *store, struct kev_str namespace_)
{
	sweep(store, KEV_SCOPE_PODS, namespace_, kev_store_relist_begin(store));
	pthread_mutex_lock(&store->lock);
	unlist_locked(store, namespace_);
	pthread_mutex_unlock(&store->lock);
}

/* What is in the store, by itself. */
static struct kev_change remove_known_locked(struct kev_store *store, struct kev_event *event, int64_t when)
{
	struct kev_event_room room;
	const struct key key = event_key(event, &room);

	return remove_event_locked(
		store, kev_table_find(store->tables[KEV_SCOPE_EVENTS], hash_of(store, &key), &key), when);
}

/* Delete at most SWEEP_BATCH events that were retained. @return how many */
static size_t expire_locked(struct kev_store *store, struct kev_moment now, struct loss losses[SWEEP_BATCH])
{
	struct kev_event *event;
	size_t count = 0;

	while (count < SWEEP_BATCH && (event = kev_retained_overdue(&store->retained, &store->retain, now))) {
		/* What is retained is in the table: it leaves both together. */
		losses[count++].change = remove_known_locked(store, event, now.real);
	}
	if (count)
		kev_table_shrink(store->tables[KEV_SCOPE_EVENTS]);
	return count;
}

int64_t kev_store_expire(struct kev_store *store)
{
	struct loss losses[SWEEP_BATCH];
	int64_t wait;
	size_t count;

	do {
		struct kev_moment now = kev_moment_slept(store->clock);

		pthread_mutex_lock(&store->lock);
		count = expire_locked(store, now, losses);
		wait = kev_retained_wait(&store->retained, &store->retain, now);
		pthread_mutex_unlock(&store->lock);
		for (size_t i = 0; i < count; i++)
			append_loss(store, KEV_SCOPE_EVENTS, &losses[i], now.real);
	} while (count == SWEEP_BATCH);
	return wait;
}

bool kev_store_is_full_locked(const struct kev_store *store, uint64_t count, uint64_t bytes)
{
	return (store->bounds.count &&
		       kev_table_count(store->tables[KEV_SCOPE_EVENTS]) + count > store->bounds.count) ||
	       (store->bounds.bytes && store->event_bytes + bytes > store->bounds.bytes);
}

void kev_store_count_evicted_locked(struct kev_store *store, int64_t now)
{
	if (!store->evicted++)
		store->evicted_since = now;
}

bool kev_store_is_too_large(const struct kev_store *store, const struct kev_event *event)
{
	return store->bounds.bytes && kev_event_size(event) > store->bounds.bytes;
}

/* Let go of at most SWEEP_BATCH events: first of one that would drive out all others, and itself. @return how
 * many
 */
static size_t evict_locked(
	struct kev_store *store, struct kev_event *large, int64_t now, struct loss losses[SWEEP_BATCH])
{
	size_t count = 0;

	while (count < SWEEP_BATCH && (large || kev_store_is_full_locked(store, 0, 0))) {
		struct kev_event *event = large ? large : kev_oldest_first(&store->oldest);

		large = NULL;
		losses[count++].change = remove_known_locked(store, event, now);
		kev_store_count_evicted_locked(store, now);
	}
	return count;
}

void kev_store_evict(struct kev_store *store, struct kev_event *event)
{
	struct kev_event *large = event && kev_store_is_too_large(store, event) ? event : NULL;
	struct loss losses[SWEEP_BATCH];
	bool first;
	size_t count;

	if (!kev_bounds_any(&store->bounds))
		return;
	do {
		int64_t now = kev_clock_realtime(store->clock);

		pthread_mutex_lock(&store->lock);
		count = evict_locked(store, large, now, losses);
		large = NULL;
		first = store->evicted && !store->evicted_told;
		store->evicted_told = store->evicted;
		pthread_mutex_unlock(&store->lock);
		for (size_t i = 0; i < count; i++)
			append_loss(store, KEV_SCOPE_EVENTS, &losses[i], now);
		if (first)
			kev_log_warning("more Events than max_events or max_bytes allow: the oldest are not "
					"shown; .kevfs/status counts them");
	} while (count == SWEEP_BATCH);
}
