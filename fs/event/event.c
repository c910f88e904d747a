#include "kevfs/event/event.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

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

static struct kev_str get_own(const struct kev_event *event, enum kev_pack_own which)
{
	uint32_t start = which ? event->ends[which - 1] : 0;

	return (struct kev_str){event->bytes + start, event->ends[which] - start};
}

static struct kev_str get_field(const struct kev_event *event, enum kev_pack_field which)
{
	return kev_intern_get(event->words, event->pack.fields[which]);
}

static struct kev_str get_codes(const struct kev_event *event)
{
	uint32_t start = event->ends[KEV_PACK_OWN_COUNT - 1];

	return (struct kev_str){event->bytes + start, event->end - start};
}

void kev_event_unref(struct kev_event *event)
{
	if (!event || atomic_fetch_sub_explicit(&event->references, 1, memory_order_acq_rel) != 1)
		return;
	kev_pack_release(event->words, &event->pack, get_codes(event));
	kev_intern_unref(event->words);
	free(event);
}

struct kev_str kev_event_name(const struct kev_event *event)
{
	return get_own(event, KEV_PACK_NAME);
}

struct kev_str kev_event_uid(const struct kev_event *event)
{
	return get_own(event, KEV_PACK_UID);
}

struct kev_str kev_event_resource_version(const struct kev_event *event)
{
	return get_own(event, KEV_PACK_RESOURCE_VERSION);
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
	return event->mtime;
}

bool kev_event_has_named_time(const struct kev_event *event)
{
	int64_t time;

	return kev_name_decode_time(kev_event_name(event), KEV_NAME_NO_CREATION, &time) == 0 &&
	       time == event->mtime;
}

int64_t kev_event_written(const struct kev_event *event)
{
	return event->written;
}

int64_t kev_event_last_seen(const struct kev_event *event)
{
	return event->last_seen;
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
	return event->size;
}

static void expand(const struct kev_event *event, char *out)
{
	struct kev_str own[KEV_PACK_OWN_COUNT];

	for (unsigned i = 0; i < KEV_PACK_OWN_COUNT; i++)
		own[i] = get_own(event, (enum kev_pack_own)i);
	kev_pack_expand(event->words, &event->pack, own, get_codes(event), out);
}

/* Its text, where that is kept as it is. */
static const char *plain_text(const struct kev_event *event)
{
	return event->pack.frame == KEV_INTERN_NONE ? get_codes(event).data : NULL;
}

ssize_t kev_event_read(const struct kev_event *event, size_t offset, void *out, size_t len)
{
	const char *text = plain_text(event);
	char *whole;

	if (offset >= event->size)
		return 0;
	if (len > event->size - offset)
		len = event->size - offset;
	if (text) {
		memcpy(out, text + offset, len);
	} else if (len == event->size) {
		expand(event, out);
	} else {
		whole = malloc(event->size);
		if (!whole)
			return -ENOMEM;
		expand(event, whole);
		memcpy(out, whole + offset, len);
		free(whole);
	}
	return (ssize_t)len;
}

int kev_event_append_text(const struct kev_event *event, struct kev_buf *out)
{
	int r = kev_buf_reserve(out, event->size);

	if (r)
		return r;
	expand(event, out->data + out->len);
	out->len += event->size;
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
	return event->line_size;
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
	return kev_line_append_event(out, json, &fields, event->last_seen);
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
	return event->compact_size;
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

/* Are they packed alike? */
static bool same_codes(const struct kev_event *a, const struct kev_event *b)
{
	return a->words == b->words && memcmp(&a->pack, &b->pack, sizeof(a->pack)) == 0 &&
	       kev_str_eq(kev_event_name(a), kev_event_name(b)) && kev_str_eq(get_codes(a), get_codes(b));
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

bool kev_event_same(const struct kev_event *a, const struct kev_event *b)
{
	return a == b || (a->size == b->size && kev_str_eq(kev_event_uid(a), kev_event_uid(b)) &&
				 kev_str_eq(kev_event_resource_version(a), kev_event_resource_version(b)) &&
				 (same_codes(a, b) || same_text(a, b)));
}

void kev_event_prefetch(const struct kev_event *event)
{
	/* A cache line each: the struct, and the strings behind it. */
	for (size_t at = 0; at < 3 * 64; at += 64)
		__builtin_prefetch((const char *)event + at);
}

int kev_event_take_apart(const struct kev_event *event, struct kev_buf *space, struct kev_event_parts *out)
{
	int r;

	kev_buf_clear(space);
	r = kev_event_append_text(event, space);
	if (r)
		return r;
	*out = (struct kev_event_parts){.namespace_ = kev_event_namespace(event),
		.name = kev_event_name(event),
		.uid = kev_event_uid(event),
		.resource_version = kev_event_resource_version(event),
		.object_api_version = kev_event_object_api_version(event),
		.object_kind = kev_event_object_kind(event),
		.object_namespace = kev_event_object_namespace(event),
		.object_name = kev_event_object_name(event),
		.type = kev_event_type(event),
		.reason = kev_event_reason(event),
		.node = kev_event_node(event),
		.text = kev_buf_str(space),
		.line_size = event->line_size,
		.compact_size = event->compact_size,
		.mtime = event->mtime,
		.written = event->written,
		.last_seen = event->last_seen,
		.ctime = event->ctime};
	return 0;
}

size_t kev_event_memory(const struct kev_event *event)
{
	/* malloc's own header, and its rounding to 16 bytes. */
	return (sizeof(*event) + event->end + 8 + 15) & ~(size_t)15;
}
