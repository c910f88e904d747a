#include "kevfs/store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "kevfs/base/defs.h"
#include "kevfs/event/revision.h"

/* Namespaces of which pods were listed are remembered up to so many bytes of names. */
#define LISTED_MAX (1U << 20)

static bool same_key(const struct key *a, const struct key *b)
{
	return kev_str_eq(a->name, b->name) && kev_str_eq(a->namespace_, b->namespace_);
}

static bool match_event(const void *entry, const void *key)
{
	struct kev_event_room room;
	const struct key own = event_key(entry, &room);

	return same_key(&own, key);
}

bool kev_store_match_object(const void *entry, const void *key)
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
	kev_oldest_init(&store->oldest);
	kev_buf_init(&store->pods_lists, LISTED_MAX);
	pthread_mutex_init(&store->lock, NULL);
	for (int i = 0; i < SCOPE_COUNT; i++) {
		store->tables[i] =
			kev_table_create(i == KEV_SCOPE_EVENTS ? match_event : kev_store_match_object);
		complete = complete && store->tables[i];
	}
	store->permitted = kev_table_create(kev_store_match_object);
	store->kinds = kev_kinds_create_builtin();
	store->meter = kev_meter_create();
	store->words = kev_intern_create();
	if (complete && store->words && store->permitted && store->kinds && store->meter)
		return store;
	kev_store_destroy(store);
	return NULL;
}

static void free_table(struct kev_table *table, enum kev_scope_kind kind)
{
	struct kev_table_slot *slot;
	size_t position = 0;

	while (table && (slot = kev_table_next(table, &position)))
		free_entry(kind, slot->entry);
	kev_table_destroy(table);
}

void kev_store_destroy(struct kev_store *store)
{
	if (!store)
		return;
	for (int i = 0; i < SCOPE_COUNT; i++)
		free_table(store->tables[i], (enum kev_scope_kind)i);
	free_table(store->permitted, KEV_SCOPE_NAMESPACES);
	kev_retained_fini(&store->retained);
	kev_oldest_fini(&store->oldest);
	kev_buf_fini(&store->pods_lists);
	kev_kinds_unref(store->kinds);
	kev_meter_destroy(store->meter);
	kev_intern_unref(store->words);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

struct kev_intern *kev_store_words(const struct kev_store *store)
{
	return store->words;
}

struct kev_meter *kev_store_meter(const struct kev_store *store)
{
	return store->meter;
}

void kev_store_set_retain(struct kev_store *store, const struct kev_retain *retain)
{
	pthread_mutex_lock(&store->lock);
	store->retain = *retain;
	pthread_mutex_unlock(&store->lock);
}

void kev_store_set_bounds(struct kev_store *store, const struct kev_bounds *bounds)
{
	pthread_mutex_lock(&store->lock);
	store->bounds = *bounds;
	pthread_mutex_unlock(&store->lock);
}

void kev_store_set_history(struct kev_store *store, struct kev_changes *history)
{
	store->history = history;
}

void kev_store_append_event(struct kev_store *store, struct kev_change *change /* taken */)
{
	struct kev_change copy = *change;

	if (store->history) {
		if (copy.event)
			kev_event_ref(copy.event);
		if (copy.old)
			kev_event_ref(copy.old);
		kev_changes_append(store->history, &copy);
	}
	kev_changes_append(store->changes, change);
}

/* @param previous  the ctime of the revision that is replaced, 0 where there is none */
static int64_t choose_ctime_locked(const struct kev_store *store, const struct kev_event *event,
	enum kev_origin origin, int64_t previous, int64_t now)
{
	int64_t written = kev_event_written(event), ctime;
	struct kev_event_room room;

	if (origin == KEV_ORIGIN_FIRST_SYNC && written > 0 && written <= now) {
		ctime = written - written % KEV_NS_PER_SEC +
			kev_revision_ns(kev_event_resource_version(event, &room));
		if (ctime <= now && ctime > previous)
			return ctime;
	}
	/* Later than any other: so it also is for a name that was deleted and came back, and where the clock
	 * was set back. */
	return now > store->last_ctime ? now : store->last_ctime + 1;
}

int64_t kev_store_regain_locked(struct kev_store *store, struct kev_event *event)
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
	if (!kev_store_regain_locked(store, event))
		return -EALREADY;
	change->kind = KEV_CHANGE_GONE;
	change->event = kev_event_ref(event);
	return 0;
}

/* From when an event counts where not all have room. */
static struct kev_aged age_of(
	const struct kev_store *store, struct kev_event *event, bool listed, int64_t now)
{
	return (struct kev_aged){
		event, kev_bounds_any(&store->bounds) ? kev_bounds_age(event, listed, now) : 0};
}

/* Put an event, which has its ctime, where slot is, or (NULL) where there is room. Notes in change what was
 * there. */
static void set_event_locked(struct kev_store *store, struct kev_table_slot *slot, uint32_t hash,
	struct kev_aged aged, struct kev_change *change)
{
	struct kev_event *old = slot ? slot->entry : NULL, *event = aged.event;

	if (kev_event_ctime(event) > store->last_ctime)
		store->last_ctime = kev_event_ctime(event);
	if (old && kev_bounds_any(&store->bounds))
		kev_oldest_remove(&store->oldest, old);
	if (kev_bounds_any(&store->bounds))
		kev_oldest_add(&store->oldest, aged);
	if (slot) {
		(void)kev_store_regain_locked(store, old);
		slot->entry = kev_event_ref(event);
		store->event_bytes -= kev_event_size(old);
	} else {
		kev_table_insert(
			store->tables[KEV_SCOPE_EVENTS], hash, kev_event_ref(event), store->generation);
	}
	store->event_bytes += kev_event_size(event);
	change->old = old;
}

/* Make sure that an event of a new name has a place. @return 0, -ENOMEM, or -EALREADY: it does not come in,
 * since it would be the first to go again */
static int admit_locked(struct kev_store *store, struct kev_aged aged, int64_t now)
{
	if (kev_store_is_too_large(store, aged.event) ||
		(kev_store_is_full_locked(store, 1, kev_event_size(aged.event)) &&
			kev_oldest_would_be_first(&store->oldest, aged))) {
		kev_store_count_evicted_locked(store, now);
		return -EALREADY;
	}
	if (kev_bounds_any(&store->bounds) && kev_oldest_reserve(&store->oldest) != 0)
		return -ENOMEM;
	return kev_table_reserve(store->tables[KEV_SCOPE_EVENTS]);
}

/* Replace or insert the event that change.event is. @return 0, -ENOMEM, or -EALREADY: it was there */
static int put_event_locked(
	struct kev_store *store, struct kev_aged aged, enum kev_origin origin, struct kev_change *change)
{
	struct kev_table *table = store->tables[KEV_SCOPE_EVENTS];
	struct kev_event *event = aged.event, *old = NULL;
	struct kev_event_room room;
	const struct key key = event_key(event, &room);
	uint32_t hash = hash_of(store, &key);
	struct kev_table_slot *slot = kev_table_find(table, hash, &key);
	int64_t ctime;
	int r;

	if (slot) {
		old = slot->entry;
		slot->mark = store->generation;
		if (kev_event_same(old, event))
			return put_again_locked(store, old, change);
	} else {
		r = admit_locked(store, aged, change->when);
		if (r)
			return r;
	}
	ctime = choose_ctime_locked(store, event, origin, old ? kev_event_ctime(old) : 0, change->when);
	kev_event_set_ctime(event, ctime);
	set_event_locked(store, slot, hash, aged, change);
	return 0;
}

int kev_store_put(struct kev_store *store, struct kev_event *event, enum kev_origin origin)
{
	struct kev_change change = {
		.kind = KEV_CHANGE_EVENT, .event = event, .when = kev_clock_realtime(store->clock)};
	struct kev_aged aged = age_of(store, event, origin != KEV_ORIGIN_LIVE, change.when);
	int r;

	pthread_mutex_lock(&store->lock);
	r = put_event_locked(store, aged, origin, &change);
	pthread_mutex_unlock(&store->lock);
	if (r || change.kind == KEV_CHANGE_GONE)
		kev_event_unref(event);
	if (!r && change.kind == KEV_CHANGE_EVENT && !kev_event_has_named_time(event))
		kev_meter_add(store->meter, KEV_METER_UNTIMED, 1);
	if (!r)
		kev_store_append_event(store, &change);
	kev_store_evict(store, r || change.kind == KEV_CHANGE_GONE ? NULL : event);
	return r == -EALREADY ? 0 : r;
}

/* @param gone  its event is set where it is to be marked. @return 0, or -ENOMEM with nothing changed, or
 * -EALREADY: it does not come in */
static int restore_locked(struct kev_store *store, struct kev_aged aged, struct kev_change *change,
	struct kev_change *gone, struct kev_moment now)
{
	struct kev_table *table = store->tables[KEV_SCOPE_EVENTS];
	struct kev_event_room room;
	const struct key key = event_key(aged.event, &room);
	uint32_t hash = hash_of(store, &key);
	struct kev_table_slot *slot = kev_table_find(table, hash, &key);

	int r = slot ? 0 : admit_locked(store, aged, now.real);

	if (r)
		return r;
	if (gone->gone && kev_retained_restore(&store->retained, aged.event, gone->gone, now) != 0)
		return -ENOMEM;
	if (gone->gone)
		gone->event = kev_event_ref(aged.event);
	set_event_locked(store, slot, hash, aged, change);
	return 0;
}

int kev_store_restore(struct kev_store *store, struct kev_event *event, int64_t gone)
{
	struct kev_moment now = kev_moment_slept(store->clock);
	struct kev_change change = {.kind = KEV_CHANGE_EVENT, .event = event, .when = now.real};
	struct kev_change mark = {.kind = KEV_CHANGE_GONE, .gone = gone, .when = now.real};
	struct kev_aged aged = age_of(store, event, true, now.real);
	int r;

	pthread_mutex_lock(&store->lock);
	r = restore_locked(store, aged, &change, &mark, now);
	pthread_mutex_unlock(&store->lock);
	if (r)
		kev_event_unref(event);
	else
		kev_store_append_event(store, &change);
	if (mark.event)
		kev_store_append_event(store, &mark);
	kev_store_evict(store, r ? NULL : event);
	return r == -EALREADY ? 0 : r;
}

void kev_store_append_object(struct kev_store *store, enum kev_scope_kind kind, const struct object *object,
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

bool kev_store_is_name(struct kev_str s)
{
	return s.len > 0 && s.len <= KEV_STORE_NAME_MAX && !memchr(s.data, '\0', s.len);
}

struct object *kev_store_object_create(const struct key *key, uint32_t created)
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
	object = kev_table_reserve(table) == 0 ? kev_store_object_create(key, created) : NULL;
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

	if (!kev_store_is_name(key->name) || (kind == KEV_SCOPE_PODS && !kev_store_is_name(key->namespace_)))
		return -EINVAL;
	pthread_mutex_lock(&store->lock);
	r = put_object_locked(
		store, kind, key, seconds >= 0 && seconds <= UINT32_MAX ? (uint32_t)seconds : 0, &object);
	if (object && kind == KEV_SCOPE_NAMESPACES)
		store->namespace_changes++;
	pthread_mutex_unlock(&store->lock);
	/* Only this thread writes, so the object is read without the lock. */
	if (object)
		kev_store_append_object(store, kind, object, true, kev_clock_realtime(store->clock));
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

uint64_t kev_store_namespace_changes(struct kev_store *store)
{
	uint64_t changes;

	pthread_mutex_lock(&store->lock);
	changes = store->namespace_changes;
	pthread_mutex_unlock(&store->lock);
	return changes;
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
		.evicted = store->evicted,
		.evicted_since = store->evicted_since,
		.event_bytes = store->event_bytes,
		.retained_bytes = store->retained.bytes};
	pthread_mutex_unlock(&store->lock);
}
