#include "kevfs/store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "kevfs/base/defs.h"
#include "kevfs/event/revision.h"

/* Deletions that the end of a relist, or time, hands to the journal at once. */
#define SWEEP_BATCH 64

/* Namespaces of which pods were listed are remembered up to so many bytes of names. */
#define LISTED_MAX (1U << 20)

static bool same_key(const struct key *a, const struct key *b)
{
	return kev_str_eq(a->name, b->name) && kev_str_eq(a->namespace_, b->namespace_);
}

static bool match_event(const void *entry, const void *key)
{
	const struct key own = event_key(entry);

	return same_key(&own, key);
}

static bool match_object(const void *entry, const void *key)
{
	const struct key own = object_key(entry);

	return same_key(&own, key);
}

static void free_entry(enum kev_scope_kind kind, void *entry)
{
	if (kind == KEV_SCOPE_EVENTS)
		kev_event_unref(entry);
	else
		free(entry);
}

struct kev_store *kev_store_create(const struct kev_clock *clock, struct kev_changes *changes)
{
	struct kev_store *store = calloc(1, sizeof(*store));
	bool complete = true;

	if (!store)
		return NULL;
	store->clock = clock;
	store->changes = changes;
	store->random = kev_hash_random_key();
	kev_retained_init(&store->retained);
	kev_buf_init(&store->pods_lists, LISTED_MAX);
	pthread_mutex_init(&store->lock, NULL);
	for (int i = 0; i < SCOPE_COUNT; i++) {
		store->tables[i] = kev_table_create(i == KEV_SCOPE_EVENTS ? match_event : match_object);
		complete = complete && store->tables[i];
	}
	store->kinds = kev_kinds_create_builtin();
	if (complete && store->kinds)
		return store;
	kev_store_destroy(store);
	return NULL;
}

void kev_store_destroy(struct kev_store *store)
{
	if (!store)
		return;
	for (int i = 0; i < SCOPE_COUNT; i++) {
		struct kev_table_slot *slot;
		size_t position = 0;

		while (store->tables[i] && (slot = kev_table_next(store->tables[i], &position)))
			free_entry((enum kev_scope_kind)i, slot->entry);
		kev_table_destroy(store->tables[i]);
	}
	kev_retained_fini(&store->retained);
	kev_buf_fini(&store->pods_lists);
	kev_kinds_unref(store->kinds);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

void kev_store_set_retain(struct kev_store *store, const struct kev_retain *retain)
{
	pthread_mutex_lock(&store->lock);
	store->retain = *retain;
	pthread_mutex_unlock(&store->lock);
}

static uint32_t hash_of(const struct kev_store *store, const struct key *key)
{
	return kev_table_hash(&store->random, key->namespace_, key->name);
}

/* @param previous  the ctime of the revision that is replaced, 0 where there is none */
static int64_t choose_ctime_locked(const struct kev_store *store, const struct kev_event *event,
	enum kev_origin origin, int64_t previous, int64_t now)
{
	int64_t written = kev_event_written(event), ctime;

	if (origin == KEV_ORIGIN_FIRST_SYNC && written > 0 && written <= now) {
		ctime = written - written % KEV_NS_PER_SEC +
			kev_revision_ns(kev_event_resource_version(event));
		if (ctime <= now && ctime > previous)
			return ctime;
	}
	/* Later than any other: so it also is for a name that was deleted and came back, and where the clock
	 * was set back. */
	return now > store->last_ctime ? now : store->last_ctime + 1;
}

/* What is retained is there again, or makes room. @return it was gone since then; 0: it was there */
static int64_t regain_locked(struct kev_store *store, struct kev_event *event)
{
	int64_t gone = kev_event_gone(event);

	if (gone)
		kev_retained_remove(&store->retained, event);
	return gone;
}

/* The revision is there already. @return 0 where it was gone, and change says that it no longer is; else
 * -EALREADY */
static int put_again_locked(struct kev_store *store, struct kev_event *event, struct kev_change *change)
{
	if (!regain_locked(store, event))
		return -EALREADY;
	change->kind = KEV_CHANGE_GONE;
	change->event = kev_event_ref(event);
	return 0;
}

/* Replace or insert the event that change.event is. @return 0, -ENOMEM, or -EALREADY: it was there */
static int put_event_locked(struct kev_store *store, enum kev_origin origin, struct kev_change *change)
{
	struct kev_table *table = store->tables[KEV_SCOPE_EVENTS];
	struct kev_event *event = change->event, *old = NULL;
	const struct key key = event_key(event);
	uint32_t hash = hash_of(store, &key);
	struct kev_table_slot *slot = kev_table_find(table, hash, &key);
	int64_t ctime;

	if (slot) {
		old = slot->entry;
		slot->mark = store->generation;
		if (kev_event_same(old, event))
			return put_again_locked(store, old, change);
	} else if (kev_table_reserve(table) != 0) {
		return -ENOMEM;
	}
	ctime = choose_ctime_locked(store, event, origin, old ? kev_event_ctime(old) : 0, change->when);
	if (ctime > store->last_ctime)
		store->last_ctime = ctime;
	kev_event_set_ctime(event, ctime);
	if (slot) {
		(void)regain_locked(store, old);
		slot->entry = kev_event_ref(event);
	} else {
		kev_table_insert(table, hash, kev_event_ref(event), store->generation);
	}
	store->event_bytes += kev_event_size(event);
	store->event_bytes -= old ? kev_event_size(old) : 0;
	change->old = old;
	return 0;
}

int kev_store_put(struct kev_store *store, struct kev_event *event, enum kev_origin origin)
{
	struct kev_change change = {
		.kind = KEV_CHANGE_EVENT, .event = event, .when = kev_clock_realtime(store->clock)};
	int r;

	pthread_mutex_lock(&store->lock);
	r = put_event_locked(store, origin, &change);
	pthread_mutex_unlock(&store->lock);
	if (r || change.kind == KEV_CHANGE_GONE)
		kev_event_unref(event);
	if (r)
		return r == -EALREADY ? 0 : r;
	kev_changes_append(store->changes, &change);
	return 0;
}

/* What a change of a pod or a namespace is found by. Without memory the journal says that it lost something:
 * the reader then looks for itself. */
static void append_object(struct kev_store *store, enum kev_scope_kind kind, const struct object *object,
	bool present, int64_t when)
{
	const struct key key = object_key(object);
	struct kev_change change = {.kind = kind == KEV_SCOPE_PODS ? KEV_CHANGE_POD : KEV_CHANGE_NAMESPACE,
		.created = object->created * KEV_NS_PER_SEC,
		.present = present,
		.when = when};

	change.name = kev_str_dup(key.name);
	if (kind == KEV_SCOPE_PODS)
		change.namespace_ = kev_str_dup(key.namespace_);
	if (change.name && (change.namespace_ || kind != KEV_SCOPE_PODS)) {
		kev_changes_append(store->changes, &change);
		return;
	}
	kev_change_fini(&change);
	kev_changes_lose(store->changes);
}

static bool is_name(struct kev_str s)
{
	return s.len > 0 && s.len <= KEV_STORE_NAME_MAX && !memchr(s.data, '\0', s.len);
}

static struct object *create_object(const struct key *key, uint32_t created)
{
	struct object *object = malloc(sizeof(*object) + key->namespace_.len + key->name.len);

	if (!object)
		return NULL;
	object->created = created;
	object->namespace_len = (uint16_t)key->namespace_.len;
	object->name_len = (uint16_t)key->name.len;
	if (key->namespace_.len)
		memcpy(object->text, key->namespace_.data, key->namespace_.len);
	memcpy(object->text + key->namespace_.len, key->name.data, key->name.len);
	return object;
}

/* @param out  set to what is there now where it was not: borrowed until the writer writes again
 * @return 0, -ENOMEM, or -EALREADY */
static int put_object_locked(struct kev_store *store, enum kev_scope_kind kind, const struct key *key,
	uint32_t created, struct object **out)
{
	struct kev_table *table = store->tables[kind];
	uint32_t hash = hash_of(store, key);
	struct kev_table_slot *slot = kev_table_find(table, hash, key);
	struct object *object;

	if (slot) {
		object = slot->entry;
		slot->mark = store->generation;
		if (object->created == created)
			return -EALREADY;
		object->created = created;
		*out = object;
		return 0;
	}
	object = kev_table_reserve(table) == 0 ? create_object(key, created) : NULL;
	if (!object)
		return -ENOMEM;
	kev_table_insert(table, hash, object, store->generation);
	*out = object;
	return 0;
}

static int put_object(
	struct kev_store *store, enum kev_scope_kind kind, const struct key *key, int64_t created)
{
	int64_t seconds = created / KEV_NS_PER_SEC;
	struct object *object = NULL;
	int r;

	if (!is_name(key->name) || (kind == KEV_SCOPE_PODS && !is_name(key->namespace_)))
		return -EINVAL;
	pthread_mutex_lock(&store->lock);
	r = put_object_locked(
		store, kind, key, seconds >= 0 && seconds <= UINT32_MAX ? (uint32_t)seconds : 0, &object);
	pthread_mutex_unlock(&store->lock);
	/* Only this thread writes, so the object is read without the lock. */
	if (object)
		append_object(store, kind, object, true, kev_clock_realtime(store->clock));
	return r == -EALREADY ? 0 : r;
}

int kev_store_put_pod(
	struct kev_store *store, struct kev_str namespace_, struct kev_str name, int64_t created)
{
	const struct key key = {namespace_, name};

	return put_object(store, KEV_SCOPE_PODS, &key, created);
}

int kev_store_put_namespace(struct kev_store *store, struct kev_str name, int64_t created)
{
	const struct key key = {KEV_STR(""), name};

	return put_object(store, KEV_SCOPE_NAMESPACES, &key, created);
}

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
	store->event_bytes -= kev_event_size(event);
	return (struct kev_change){
		.kind = KEV_CHANGE_EVENT, .old = event, .gone = regain_locked(store, event), .when = when};
}

/* The server no longer has what stands in the slot. @return it was taken out: the slot holds another now */
static bool lose_locked(struct kev_store *store, enum kev_scope_kind kind, struct kev_table_slot *slot,
	int64_t when, struct loss *loss)
{
	struct kev_event *event = slot->entry;

	*loss = (struct loss){.object = NULL};
	if (kind != KEV_SCOPE_EVENTS) {
		loss->object = slot->entry;
		kev_table_remove(store->tables[kind], slot);
		return true;
	}
	/* Without memory to retain it, it goes as if nothing were retained. */
	if (!kev_retain_any(&store->retain) || kev_retained_add(&store->retained, event, when) != 0) {
		loss->change = remove_event_locked(store, slot, when);
		return true;
	}
	loss->change = (struct kev_change){.kind = KEV_CHANGE_GONE,
		.event = kev_event_ref(event),
		.gone = kev_event_gone(event),
		.object = object_state_locked(store, event),
		.when = when};
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
		kev_changes_append(store->changes, &loss->change);
		return;
	}
	append_object(store, kind, loss->object, false, when);
	free(loss->object);
}

static void delete_key(struct kev_store *store, enum kev_scope_kind kind, const struct key *key)
{
	int64_t now = kev_clock_realtime(store->clock);
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
		append_loss(store, kind, &loss, now);
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
	uint32_t begun, int64_t when, size_t *position, struct loss losses[SWEEP_BATCH])
{
	struct kev_table_slot *slot;
	size_t count = 0;

	while (count < SWEEP_BATCH && (slot = kev_table_next(store->tables[kind], position))) {
		struct key key;

		/* Whatever is put is marked with the latest relist of any scope. */
		if (slot->mark >= begun || is_lost(kind, slot))
			continue;
		key = kind == KEV_SCOPE_EVENTS ? event_key(slot->entry) : object_key(slot->entry);
		if (namespace_.len && !kev_str_eq(key.namespace_, namespace_))
			continue;
		if (lose_locked(store, kind, slot, when, &losses[count++]))
			--*position;
	}
	return count;
}

void kev_store_relist_end(
	struct kev_store *store, enum kev_scope_kind kind, struct kev_str namespace_, uint32_t begun)
{
	struct loss losses[SWEEP_BATCH];
	size_t position = 0, count;

	/* In batches: the lock is not held while the journal is written. Nobody else writes meanwhile. */
	do {
		int64_t now = kev_clock_realtime(store->clock);

		pthread_mutex_lock(&store->lock);
		count = sweep_locked(store, kind, namespace_, begun, now, &position, losses);
		pthread_mutex_unlock(&store->lock);
		for (size_t i = 0; i < count; i++)
			append_loss(store, kind, &losses[i], now);
	} while (count == SWEEP_BATCH);
	pthread_mutex_lock(&store->lock);
	if (kind == KEV_SCOPE_PODS)
		note_listed_locked(store, namespace_);
	kev_table_shrink(store->tables[kind]);
	pthread_mutex_unlock(&store->lock);
}

/* Delete at most SWEEP_BATCH events that were retained. @return how many */
static size_t expire_locked(struct kev_store *store, int64_t now, struct loss losses[SWEEP_BATCH])
{
	struct kev_event *event;
	size_t count = 0;

	while (count < SWEEP_BATCH && (event = kev_retained_overdue(&store->retained, &store->retain, now))) {
		const struct key key = event_key(event);

		/* What is retained is in the table: it leaves both together. */
		losses[count++].change = remove_event_locked(store,
			kev_table_find(store->tables[KEV_SCOPE_EVENTS], hash_of(store, &key), &key), now);
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
		int64_t now = kev_clock_realtime(store->clock);

		pthread_mutex_lock(&store->lock);
		count = expire_locked(store, now, losses);
		wait = kev_retained_wait(&store->retained, &store->retain, now);
		pthread_mutex_unlock(&store->lock);
		for (size_t i = 0; i < count; i++)
			append_loss(store, KEV_SCOPE_EVENTS, &losses[i], now);
	} while (count == SWEEP_BATCH);
	return wait;
}

void kev_store_set_kinds(struct kev_store *store, struct kev_kinds *kinds)
{
	struct kev_kinds *old;

	pthread_mutex_lock(&store->lock);
	old = store->kinds;
	store->kinds = kinds;
	pthread_mutex_unlock(&store->lock);
	kev_kinds_unref(old);
}

struct kev_kinds *kev_store_kinds(struct kev_store *store)
{
	struct kev_kinds *kinds;

	pthread_mutex_lock(&store->lock);
	kinds = kev_kinds_ref(store->kinds);
	pthread_mutex_unlock(&store->lock);
	return kinds;
}

void kev_store_counts(struct kev_store *store, struct kev_store_counts *out)
{
	pthread_mutex_lock(&store->lock);
	*out = (struct kev_store_counts){.events = kev_table_count(store->tables[KEV_SCOPE_EVENTS]),
		.pods = kev_table_count(store->tables[KEV_SCOPE_PODS]),
		.namespaces = kev_table_count(store->tables[KEV_SCOPE_NAMESPACES]),
		.retained = store->retained.live,
		.event_bytes = store->event_bytes,
		.retained_bytes = store->retained.bytes};
	pthread_mutex_unlock(&store->lock);
}
