#include "kevfs/event/event.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "event_own.h"
#include "event_struct.h"
#include "kevfs/base/buf.h"
#include "kevfs/event/compact.h"
#include "kevfs/event/fields.h"
#include "kevfs/event/line.h"
#include "kevfs/event/name.h"
#include "kevfs/event/timestamp.h"

struct kev_event *kev_event_ref(struct kev_event *event)
{
	atomic_fetch_add_explicit(&event->references, 1, memory_order_relaxed);
	return event;
}

static struct event_own get_own(const struct kev_event *event)
{
	struct event_own own;

	event_own_get(event->bytes, &own);
	return own;
}

static struct kev_str get_field(const struct kev_event *event, enum kev_pack_field which)
{
	struct event_own own;

	/* Most fields are words of the pack: for them nothing else is looked at. */
	own.codes = KEV_STR("");
	if (which < KEV_PACK_TYPE)
		event_own_get_pack(event->bytes, &own.pack);
	else
		event_own_get(event->bytes, &own);
	return kev_pack_field(event->words, &own.pack, own.codes, which);
}

void kev_event_unref(struct kev_event *event)
{
	struct event_own own;

	if (!event || atomic_fetch_sub_explicit(&event->references, 1, memory_order_acq_rel) != 1)
		return;
	own = get_own(event);
	kev_pack_release(event->words, &own.pack, own.codes);
	kev_intern_unref(event->words);
	free(event);
}

struct kev_str kev_event_name(const struct kev_event *event, struct kev_event_room *room)
{
	struct event_own own = get_own(event);

	return event_own_name(&own, kev_event_object_name(event), room);
}

struct kev_str kev_event_uid(const struct kev_event *event, struct kev_event_room *room)
{
	struct event_own own = get_own(event);

	return event_own_uid(&own, room);
}

struct kev_str kev_event_resource_version(const struct kev_event *event, struct kev_event_room *room)
{
	struct event_own own = get_own(event);

	return event_own_resource_version(&own, room);
}

struct kev_str kev_event_namespace(const struct kev_event *event)
{
	return get_field(event, KEV_PACK_NAMESPACE);
}

struct kev_str kev_event_object_api_version(const struct kev_event *event)
{
	return get_field(event, KEV_PACK_OBJECT_API_VERSION);
}

struct kev_str kev_event_object_kind(const struct kev_event *event)
{
	return get_field(event, KEV_PACK_OBJECT_KIND);
}

struct kev_str kev_event_object_namespace(const struct kev_event *event)
{
	return get_field(event, KEV_PACK_OBJECT_NAMESPACE);
}

struct kev_str kev_event_object_name(const struct kev_event *event)
{
	return get_field(event, KEV_PACK_OBJECT_NAME);
}

struct kev_str kev_event_type(const struct kev_event *event)
{
	return get_field(event, KEV_PACK_TYPE);
}

struct kev_str kev_event_reason(const struct kev_event *event)
{
	return get_field(event, KEV_PACK_REASON);
}

struct kev_str kev_event_node(const struct kev_event *event)
{
	return get_field(event, KEV_PACK_NODE);
}

int64_t kev_event_mtime(const struct kev_event *event)
{
	return get_own(event).mtime;
}

bool kev_event_has_named_time(const struct kev_event *event)
{
	struct kev_event_room room;
	int64_t time;

	return kev_name_decode_time(kev_event_name(event, &room), KEV_NAME_NO_CREATION, &time) == 0 &&
	       time == kev_event_mtime(event);
}

int64_t kev_event_written(const struct kev_event *event)
{
	return get_own(event).written;
}

int64_t kev_event_last_seen(const struct kev_event *event)
{
	return get_own(event).last_seen;
}

int64_t kev_event_ctime(const struct kev_event *event)
{
	return event->ctime;
}

void kev_event_set_ctime(struct kev_event *event, int64_t ctime)
{
	event->ctime = ctime;
}

int64_t kev_event_gone(const struct kev_event *event)
{
	return atomic_load_explicit(&event->gone, memory_order_relaxed);
}

void kev_event_set_gone(struct kev_event *event, int64_t gone)
{
	atomic_store_explicit(&event->gone, gone, memory_order_relaxed);
}

uint32_t kev_event_place(const struct kev_event *event)
{
	return event->place;
}

void kev_event_set_place(struct kev_event *event, uint32_t place)
{
	event->place = place;
}

size_t kev_event_size(const struct kev_event *event)
{
	return get_own(event).size;
}

static void expand(const struct kev_event *event, const struct event_own *own, char *out)
{
	struct kev_event_room rooms[KEV_PACK_OWN_COUNT];
	const struct kev_str strings[] = {
		[KEV_PACK_NAME] = event_own_name(own, kev_event_object_name(event), &rooms[KEV_PACK_NAME]),
		[KEV_PACK_UID] = event_own_uid(own, &rooms[KEV_PACK_UID]),
		[KEV_PACK_RESOURCE_VERSION] =
			event_own_resource_version(own, &rooms[KEV_PACK_RESOURCE_VERSION])};

	kev_pack_expand(event->words, &own->pack, strings, own->mtime, own->codes, out);
}

ssize_t kev_event_read(const struct kev_event *event, size_t offset, void *out, size_t len)
{
	struct event_own own = get_own(event);
	struct kev_str text = kev_pack_plain(event->words, &own.pack, own.codes);
	char *whole;

	if (offset >= own.size)
		return 0;
	if (len > own.size - offset)
		len = own.size - offset;
	if (text.data) {
		memcpy(out, text.data + offset, len);
	} else if (len == own.size) {
		expand(event, &own, out);
	} else {
		whole = malloc(own.size);
		if (!whole)
			return -ENOMEM;
		expand(event, &own, whole);
		memcpy(out, whole + offset, len);
		free(whole);
	}
	return (ssize_t)len;
}

int kev_event_append_text(const struct kev_event *event, struct kev_buf *out)
{
	struct event_own own = get_own(event);
	int r = kev_buf_reserve(out, own.size);

	if (r)
		return r;
	expand(event, &own, out->data + out->len);
	out->len += own.size;
	return 0;
}

int kev_event_scan(const struct kev_event *event, struct kev_buf *text, struct kev_json *json)
{
	struct kev_error error;
	int r = kev_event_append_text(event, text);

	return r ? r : kev_json_scan(json, kev_buf_str(text), &error);
}

size_t kev_event_line_size(const struct kev_event *event)
{
	return get_own(event).line_size;
}

int kev_event_append_line(const struct kev_event *event, struct kev_json *json, struct kev_buf *out)
{
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	struct kev_fields fields;
	int r;

	kev_buf_init(&text, KEV_EVENT_SIZE_MAX);
	r = kev_event_scan(event, &text, json);
	if (r)
		return r;
	kev_fields_find(json, 0, &fields);
	return kev_line_append_event(out, json, &fields, kev_event_last_seen(event));
}

int kev_event_find_created(const struct kev_event *event, int64_t *out)
{
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	struct kev_fields fields;
	int r;

	kev_buf_init(&text, KEV_EVENT_SIZE_MAX);
	r = json ? kev_event_scan(event, &text, json) : -ENOMEM;
	if (!r) {
		kev_fields_find(json, 0, &fields);
		r = kev_timestamp_get(json, fields.creation_timestamp, out) ? -ENOENT : 0;
	}
	return r;
}

size_t kev_event_compact_size(const struct kev_event *event)
{
	return get_own(event).compact_size;
}

int kev_event_append_compact(const struct kev_event *event, struct kev_buf *out)
{
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	int r;

	kev_buf_init(&text, KEV_EVENT_SIZE_MAX);
	r = kev_event_append_text(event, &text);
	if (r)
		return r;
	kev_compact_append(out, kev_buf_str(&text));
	return kev_buf_append_char(out, '\n');
}

/* Bytes behind the struct. */
static size_t own_size(const struct kev_event *event)
{
	struct event_own own = get_own(event);

	return (size_t)((const unsigned char *)own.codes.data + own.codes.len - event->bytes);
}

/* Are they packed alike? */
static bool same_codes(const struct kev_event *a, const struct kev_event *b)
{
	size_t size = own_size(a);

	return a->words == b->words && size == own_size(b) && memcmp(a->bytes, b->bytes, size) == 0;
}

/* The one's words may not have been shared yet when the other was made, so the same text may be packed
 * otherwise. Who has no memory to look takes them for different: then one is written once more. */
static bool same_text(const struct kev_event *a, const struct kev_event *b)
{
	KEV_CLEANUP(buf_fini) struct kev_buf one, other;

	kev_buf_init(&one, KEV_EVENT_SIZE_MAX);
	kev_buf_init(&other, KEV_EVENT_SIZE_MAX);
	return kev_event_append_text(a, &one) == 0 && kev_event_append_text(b, &other) == 0 &&
	       kev_str_eq(kev_buf_str(&one), kev_buf_str(&other));
}

/* Have they the same uid and resourceVersion, and texts of the same size? */
static bool same_revision(const struct kev_event *a, const struct kev_event *b)
{
	struct event_own one = get_own(a), other = get_own(b);
	struct kev_event_room rooms[2];

	return one.size == other.size &&
	       kev_str_eq(event_own_uid(&one, &rooms[0]), event_own_uid(&other, &rooms[1])) &&
	       kev_str_eq(event_own_resource_version(&one, &rooms[0]),
		       event_own_resource_version(&other, &rooms[1]));
}

bool kev_event_same(const struct kev_event *a, const struct kev_event *b)
{
	return a == b || same_codes(a, b) || (same_revision(a, b) && same_text(a, b));
}

void kev_event_prefetch(const struct kev_event *event)
{
	/* Of nearly all it is two cache lines. */
	__builtin_prefetch(event);
	__builtin_prefetch((const char *)event + 64);
}

int kev_event_take_apart(const struct kev_event *event, struct kev_buf *space, struct kev_event_parts *out)
{
	struct event_own own = get_own(event);
	int r;

	kev_buf_clear(space);
	r = kev_event_append_text(event, space);
	if (r)
		return r;
	*out = (struct kev_event_parts){.namespace_ = kev_event_namespace(event),
		.object_api_version = kev_event_object_api_version(event),
		.object_kind = kev_event_object_kind(event),
		.object_namespace = kev_event_object_namespace(event),
		.object_name = kev_event_object_name(event),
		.type = kev_event_type(event),
		.reason = kev_event_reason(event),
		.node = kev_event_node(event),
		.text = kev_buf_str(space),
		.line_size = own.line_size,
		.compact_size = own.compact_size,
		.mtime = own.mtime,
		.written = own.written,
		.last_seen = own.last_seen,
		.ctime = event->ctime};
	out->name = event_own_name(&own, out->object_name, &out->rooms[0]);
	out->uid = event_own_uid(&own, &out->rooms[1]);
	out->resource_version = event_own_resource_version(&own, &out->rooms[2]);
	return 0;
}

size_t kev_event_memory(const struct kev_event *event)
{
	/* malloc's own header, and its rounding to 16 bytes. */
	return (sizeof(*event) + own_size(event) + 8 + 15) & ~(size_t)15;
}
