#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* What the store held at one moment. */
struct snapshot {
	struct kev_event **events; /* references */
	size_t count;
	struct kev_buf objects[SCOPE_COUNT]; /* struct object, packed, each at a multiple of its alignment */
	struct kev_buf permitted;            /* the same */
	bool restricted;
};

static void snapshot_fini(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		kev_event_unref(snapshot->events[i]);
	free(snapshot->events);
	for (int i = 0; i < SCOPE_COUNT; i++)
		kev_buf_fini(&snapshot->objects[i]);
	kev_buf_fini(&snapshot->permitted);
}

/* Bytes that an object takes in a snapshot. */
static size_t packed_size(const struct object *object)
{
	size_t size = sizeof(*object) + object->namespace_len + object->name_len;

	return (size + _Alignof(struct object) - 1) & ~(_Alignof(struct object) - 1);
}

static int copy_objects_locked(const struct kev_table *table, struct kev_buf *out)
{
	struct kev_table_slot *slot;
	size_t position = 0;

	while ((slot = kev_table_next(table, &position))) {
		const struct object *object = slot->entry;
		size_t size = sizeof(*object) + object->namespace_len + object->name_len;

		kev_buf_append(out, object, size);
		kev_buf_append_fill(out, '\0', packed_size(object) - size);
	}
	return out->error;
}

static int copy_events_locked(const struct kev_table *table, struct snapshot *snapshot)
{
	struct kev_table_slot *slot;
	size_t position = 0;

	snapshot->events = calloc(kev_table_count(table) + 1, sizeof(struct kev_event *));
	if (!snapshot->events)
		return -ENOMEM;
	while ((slot = kev_table_next(table, &position)))
		snapshot->events[snapshot->count++] = kev_event_ref(slot->entry);
	return 0;
}

static int snapshot_take_locked(
	struct kev_store *store, const struct kev_store_visitor *visitor, struct snapshot *snapshot)
{
	struct kev_table **tables = store->tables;
	int r = 0;

	snapshot->restricted = store->restricted;
	if (visitor->permitted)
		r = copy_objects_locked(store->permitted, &snapshot->permitted);
	if (!r && visitor->event)
		r = copy_events_locked(tables[KEV_SCOPE_EVENTS], snapshot);
	if (!r && visitor->pod)
		r = copy_objects_locked(tables[KEV_SCOPE_PODS], &snapshot->objects[KEV_SCOPE_PODS]);
	if (!r && visitor->namespace_)
		r = copy_objects_locked(
			tables[KEV_SCOPE_NAMESPACES], &snapshot->objects[KEV_SCOPE_NAMESPACES]);
	return r ? -ENOMEM : 0;
}

static int visit_objects(
	const struct kev_buf *objects, enum kev_scope_kind kind, const struct kev_store_visitor *visitor)
{
	int r = 0;

	for (size_t at = 0; at < objects->len && !r;) {
		const struct object *object = (const void *)(objects->data + at);
		const struct key key = object_key(object);
		int64_t created = object->created * KEV_NS_PER_SEC;

		if (kind == KEV_SCOPE_PODS)
			r = visitor->pod(visitor->context, key.namespace_, key.name, created);
		else
			r = visitor->namespace_(visitor->context, key.name, created);
		at += packed_size(object);
	}
	return r;
}

static int visit_access(const struct snapshot *snapshot, const struct kev_store_visitor *visitor)
{
	const struct kev_buf *permitted = &snapshot->permitted;
	int r = visitor->restricted ? visitor->restricted(visitor->context, snapshot->restricted) : 0;

	for (size_t at = 0; at < permitted->len && !r;) {
		const struct object *object = (const void *)(permitted->data + at);

		r = visitor->permitted(visitor->context, object_key(object).name);
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
	kev_buf_init(&snapshot.permitted, SIZE_MAX);
	pthread_mutex_lock(&store->lock);
	r = snapshot_take_locked(store, visitor, &snapshot);
	pthread_mutex_unlock(&store->lock);
	if (!r)
		r = visit_access(&snapshot, visitor);
	for (size_t i = 0; i < snapshot.count && !r; i++)
		r = visitor->event(visitor->context, snapshot.events[i]);
	if (!r)
		r = visit_objects(&snapshot.objects[KEV_SCOPE_PODS], KEV_SCOPE_PODS, visitor);
	if (!r)
		r = visit_objects(&snapshot.objects[KEV_SCOPE_NAMESPACES], KEV_SCOPE_NAMESPACES, visitor);
	snapshot_fini(&snapshot);
	return r;
}
