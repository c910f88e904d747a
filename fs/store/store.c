#include "kevfs/store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/hash.h"
#include "kevfs/base/num.h"
#include "kevfs/store/table.h"

/* Deletions that the end of a relist hands to the journal at once. */
#define SWEEP_BATCH 64

#define SCOPE_COUNT (KEV_SCOPE_NAMESPACES + 1)

/*
 * There may be a million events and 150,000 pods, so an entry is small: of an event a slot in the table (its
 * key stands in the event), of a pod one more allocation with both names in it.
 */
struct kev_store {
	const struct kev_clock *clock;
	struct kev_changes *changes;
	struct kev_hash_key random;

	pthread_mutex_t lock;                  /* protects everything below; a leaf */
	struct kev_table *tables[SCOPE_COUNT]; /* struct kev_event (a reference), struct object (owned) */
	uint64_t event_bytes;
	struct kev_kinds *kinds; /* a reference */
	int64_t last_ctime;      /* the latest ctime given */
	uint32_t generation;     /* relists begun; each slot's mark says when it was last put */
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

static struct key event_key(const struct kev_event *event)
{
	return (struct key){kev_event_namespace(event), kev_event_name(event)};
}

static struct key object_key(const struct object *object)
{
	return (struct key){{object->text, object->namespace_len},
		{object->text + object->namespace_len, object->name_len}};
}

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
	kev_kinds_unref(store->kinds);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

static uint32_t hash_of(const struct kev_store *store, const struct key *key)
{
	return kev_table_hash(&store->random, key->namespace_, key->name);
}

/* Below a second, a ctime of the first sync says which revision it is. */
static int64_t revision_ns(struct kev_str resource_version)
{
	/* Not a random key: the next mount must say the same. */
	static const struct kev_hash_key fixed = {0, 0};
	struct kev_str digits = resource_version;
	uint64_t value;

	if (digits.len > 9) {
		digits.data += digits.len - 9;
		digits.len = 9;
	}
	for (size_t i = 0; i < resource_version.len; i++) {
		if (resource_version.data[i] < '0' || resource_version.data[i] > '9')
			digits.len = 0;
	}
	if (kev_num_parse_u64(digits, UINT64_MAX, &value) != 0)
		value = kev_hash_sip13(&fixed, resource_version.data, resource_version.len);
	return (int64_t)(value % KEV_NS_PER_SEC);
}

/* @param previous  the ctime of the revision that is replaced, 0 where there is none */
static int64_t choose_ctime_locked(const struct kev_store *store, const struct kev_event *event,
	enum kev_origin origin, int64_t previous, int64_t now)
{
	int64_t written = kev_event_written(event), ctime;

	if (origin == KEV_ORIGIN_FIRST_SYNC && written > 0 && written <= now) {
		ctime = written - written % KEV_NS_PER_SEC + revision_ns(kev_event_resource_version(event));
		if (ctime <= now && ctime > previous)
			return ctime;
	}
	/* Later than any other: so it also is for a name that was deleted and came back, and where the clock
	 * was set back. */
	return now > store->last_ctime ? now : store->last_ctime + 1;
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
			return -EALREADY;
	} else if (kev_table_reserve(table) != 0) {
		return -ENOMEM;
	}
	ctime = choose_ctime_locked(store, event, origin, old ? kev_event_ctime(old) : 0, change->when);
	if (ctime > store->last_ctime)
		store->last_ctime = ctime;
	kev_event_set_ctime(event, ctime);
	if (slot)
		slot->entry = kev_event_ref(event);
	else
		kev_table_insert(table, hash, kev_event_ref(event), store->generation);
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
	if (r) {
		kev_event_unref(event);
		return r == -EALREADY ? 0 : r;
	}
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

/* Take the slot's entry out. The caller hands it to append_deleted(). */
static void *remove_locked(struct kev_store *store, enum kev_scope_kind kind, struct kev_table_slot *slot)
{
	void *entry = slot->entry;

	kev_table_remove(store->tables[kind], slot);
	if (kind == KEV_SCOPE_EVENTS)
		store->event_bytes -= kev_event_size(entry);
	return entry;
}

static void append_deleted(
	struct kev_store *store, enum kev_scope_kind kind, void *entry /* taken */, int64_t when)
{
	struct kev_change change = {.kind = KEV_CHANGE_EVENT, .when = when};

	if (kind == KEV_SCOPE_EVENTS) {
		change.old = entry;
		kev_changes_append(store->changes, &change);
		return;
	}
	append_object(store, kind, entry, false, when);
	free(entry);
}

static void delete_key(struct kev_store *store, enum kev_scope_kind kind, const struct key *key)
{
	struct kev_table_slot *slot;
	void *entry = NULL;

	pthread_mutex_lock(&store->lock);
	slot = kev_table_find(store->tables[kind], hash_of(store, key), key);
	if (slot) {
		entry = remove_locked(store, kind, slot);
		kev_table_shrink(store->tables[kind]);
	}
	pthread_mutex_unlock(&store->lock);
	if (entry)
		append_deleted(store, kind, entry, kev_clock_realtime(store->clock));
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

/* Take at most SWEEP_BATCH entries out that the relist did not see. @return how many */
static size_t sweep_locked(struct kev_store *store, enum kev_scope_kind kind, struct kev_str namespace_,
	uint32_t begun, size_t *position, void *removed[SWEEP_BATCH])
{
	struct kev_table_slot *slot;
	size_t count = 0;

	while (count < SWEEP_BATCH && (slot = kev_table_next(store->tables[kind], position))) {
		struct key key;

		/* Whatever is put is marked with the latest relist of any scope. */
		if (slot->mark >= begun)
			continue;
		key = kind == KEV_SCOPE_EVENTS ? event_key(slot->entry) : object_key(slot->entry);
		if (namespace_.len && !kev_str_eq(key.namespace_, namespace_))
			continue;
		removed[count++] = remove_locked(store, kind, slot);
		--*position;
	}
	return count;
}

void kev_store_relist_end(
	struct kev_store *store, enum kev_scope_kind kind, struct kev_str namespace_, uint32_t begun)
{
	void *removed[SWEEP_BATCH];
	size_t position = 0, count;

	/* In batches: the lock is not held while the journal is written. Nobody else writes meanwhile. */
	do {
		pthread_mutex_lock(&store->lock);
		count = sweep_locked(store, kind, namespace_, begun, &position, removed);
		pthread_mutex_unlock(&store->lock);
		for (size_t i = 0; i < count; i++)
			append_deleted(store, kind, removed[i], kev_clock_realtime(store->clock));
	} while (count == SWEEP_BATCH);
	pthread_mutex_lock(&store->lock);
	kev_table_shrink(store->tables[kind]);
	pthread_mutex_unlock(&store->lock);
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
		.event_bytes = store->event_bytes};
	pthread_mutex_unlock(&store->lock);
}

/* What the store held at one moment. */
struct snapshot {
	struct kev_event **events; /* references */
	size_t count;
	struct kev_buf objects[SCOPE_COUNT]; /* struct object, packed, each at a multiple of its alignment */
};

static void snapshot_fini(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		kev_event_unref(snapshot->events[i]);
	free(snapshot->events);
	for (int i = 0; i < SCOPE_COUNT; i++)
		kev_buf_fini(&snapshot->objects[i]);
}

/* Bytes that an object takes in a snapshot. */
static size_t packed_size(const struct object *object)
{
	size_t size = sizeof(*object) + object->namespace_len + object->name_len;

	return (size + _Alignof(struct object) - 1) & ~(_Alignof(struct object) - 1);
}

static int copy_objects_locked(struct kev_store *store, enum kev_scope_kind kind, struct kev_buf *out)
{
	struct kev_table_slot *slot;
	size_t position = 0;

	while ((slot = kev_table_next(store->tables[kind], &position))) {
		const struct object *object = slot->entry;
		size_t size = sizeof(*object) + object->namespace_len + object->name_len;

		kev_buf_append(out, object, size);
		kev_buf_append_fill(out, '\0', packed_size(object) - size);
	}
	return out->error;
}

static int snapshot_take_locked(struct kev_store *store, struct snapshot *snapshot)
{
	struct kev_table *table = store->tables[KEV_SCOPE_EVENTS];
	struct kev_table_slot *slot;
	size_t position = 0;

	snapshot->events = calloc(kev_table_count(table) + 1, sizeof(struct kev_event *));
	if (!snapshot->events)
		return -ENOMEM;
	while ((slot = kev_table_next(table, &position)))
		snapshot->events[snapshot->count++] = kev_event_ref(slot->entry);
	if (copy_objects_locked(store, KEV_SCOPE_PODS, &snapshot->objects[KEV_SCOPE_PODS]) ||
		copy_objects_locked(store, KEV_SCOPE_NAMESPACES, &snapshot->objects[KEV_SCOPE_NAMESPACES]))
		return -ENOMEM;
	return 0;
}

static int visit_objects(
	const struct kev_buf *objects, enum kev_scope_kind kind, const struct kev_store_visitor *visitor)
{
	int r = 0;

	for (size_t at = 0; at < objects->len && !r;) {
		const struct object *object = (const void *)(objects->data + at);
		const struct key key = object_key(object);
		int64_t created = object->created * KEV_NS_PER_SEC;

		if (kind == KEV_SCOPE_PODS && visitor->pod)
			r = visitor->pod(visitor->context, key.namespace_, key.name, created);
		else if (kind == KEV_SCOPE_NAMESPACES && visitor->namespace_)
			r = visitor->namespace_(visitor->context, key.name, created);
		at += packed_size(object);
	}
	return r;
}

int kev_store_walk(struct kev_store *store, const struct kev_store_visitor *visitor)
{
	struct snapshot snapshot = {.events = NULL};
	int r;

	for (int i = 0; i < SCOPE_COUNT; i++)
		kev_buf_init(&snapshot.objects[i], SIZE_MAX);
	pthread_mutex_lock(&store->lock);
	r = snapshot_take_locked(store, &snapshot);
	pthread_mutex_unlock(&store->lock);
	for (size_t i = 0; i < snapshot.count && !r && visitor->event; i++)
		r = visitor->event(visitor->context, snapshot.events[i]);
	if (!r)
		r = visit_objects(&snapshot.objects[KEV_SCOPE_PODS], KEV_SCOPE_PODS, visitor);
	if (!r)
		r = visit_objects(&snapshot.objects[KEV_SCOPE_NAMESPACES], KEV_SCOPE_NAMESPACES, visitor);
	snapshot_fini(&snapshot);
	return r;
}
