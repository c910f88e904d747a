#include "kevfs/event/event.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/compact.h"
#include "kevfs/event/fields.h"
#include "kevfs/event/line.h"
#include "kevfs/event/name.h"
#include "kevfs/event/print.h"
#include "kevfs/event/timestamp.h"

/* All strings of an event together: decoding makes at most three bytes of one. */
#define STRINGS_MAX ((size_t)KEV_JSON_TEXT_MAX * 3)

/* An event of more could not be scanned again: kind and apiVersion may be printed in addition. */
#define TOKENS_MAX (KEV_JSON_TOKENS_MAX - 4)

/* Of one that was restored. Later ones come behind it, so it must not be at the end of all time: 2231. */
#define CTIME_MAX (INT64_MAX - 1000000000 * KEV_NS_PER_SEC)

/* The strings that an event gives out, in the order in which they stand behind the struct. */
enum text {
	TEXT_NAMESPACE,
	TEXT_NAME,
	TEXT_UID,
	TEXT_RESOURCE_VERSION,
	TEXT_OBJECT_API_VERSION,
	TEXT_OBJECT_KIND,
	TEXT_OBJECT_NAMESPACE,
	TEXT_OBJECT_NAME,
	TEXT_TYPE,
	TEXT_REASON,
	TEXT_NODE,
	TEXT_COUNT,
};

/* One allocation: the struct, its strings, the printed form. */
struct kev_event {
	_Atomic uint32_t references;
	uint32_t ends[TEXT_COUNT]; /* offset in bytes behind each string */
	uint32_t size;             /* of the printed form, which stands behind the last string */
	uint32_t line_size;        /* of its line in a log */
	uint32_t compact_size;     /* of its line of JSON */
	uint32_t place;            /* the store's own */
	int64_t mtime;
	int64_t written;
	int64_t last_seen;
	int64_t ctime;        /* not before it is published: then immutable like everything else */
	_Atomic int64_t gone; /* the one exception */
	char bytes[];
};

/* Append the strings, in the order of enum text. @return 0 or the buffer's error */
static int append_strings(
	const struct kev_json *json, const struct kev_fields *fields, struct kev_buf *out, uint32_t *ends)
{
	const uint32_t sources[TEXT_NODE] = {
		[TEXT_NAMESPACE] = fields->namespace_,
		[TEXT_NAME] = fields->name,
		[TEXT_UID] = fields->uid,
		[TEXT_RESOURCE_VERSION] = fields->resource_version,
		[TEXT_OBJECT_API_VERSION] = fields->object_api_version,
		[TEXT_OBJECT_KIND] = fields->object_kind,
		[TEXT_OBJECT_NAMESPACE] = fields->object_namespace,
		[TEXT_OBJECT_NAME] = fields->object_name,
		[TEXT_TYPE] = fields->type,
		[TEXT_REASON] = fields->reason,
	};

	for (int i = 0; i < TEXT_NODE; i++) {
		kev_json_append_string(json, sources[i], out);
		ends[i] = (uint32_t)out->len;
	}
	kev_fields_append_node(json, fields, out);
	ends[TEXT_NODE] = (uint32_t)out->len;
	return out->error;
}

static bool latest_managed_time(const struct kev_json *json, uint32_t managed_fields, int64_t *out)
{
	int64_t latest = -1, time;
	uint32_t entry, left;

	if (!kev_json_is(json, managed_fields, KEV_JSON_ARRAY))
		return false;
	entry = managed_fields + 1;
	for (left = kev_json_token(json, managed_fields)->count; left > 0; left--) {
		if (kev_timestamp_get(json, kev_json_get(json, entry, "time"), &time) == 0 && time > latest)
			latest = time;
		entry = kev_json_token(json, entry)->next;
	}
	if (latest < 0)
		return false;
	*out = latest;
	return true;
}

static void set_times(struct kev_event *event, const struct kev_json *json, const struct kev_fields *fields)
{
	const uint32_t by_age[] = {fields->event_time, fields->first_timestamp, fields->last_timestamp,
		fields->observed, fields->creation_timestamp};
	const uint32_t last_seen[] = {
		fields->observed, fields->last_timestamp, fields->event_time, fields->creation_timestamp};
	int64_t created = KEV_NAME_NO_CREATION, written = 0;

	if (kev_timestamp_get(json, fields->creation_timestamp, &created))
		created = KEV_NAME_NO_CREATION;
	if (kev_name_decode_time(kev_event_name(event), created, &event->mtime))
		event->mtime = kev_timestamp_first(json, by_age, KEV_ARRAY_LEN(by_age));
	if (!latest_managed_time(json, fields->managed_fields, &written))
		written = kev_timestamp_first(json, last_seen, KEV_ARRAY_LEN(last_seen));
	/* The server stamps the managed fields before the creation, which may be in the next second. */
	if (created != KEV_NAME_NO_CREATION && created > written)
		written = created;
	event->written = written - written % KEV_NS_PER_SEC;
	event->last_seen = kev_fields_sharpen(kev_fields_last_seen(json, fields), event->mtime);
}

int kev_event_latest_time(const struct kev_json *json, uint32_t index, int64_t *out)
{
	struct kev_fields fields;
	int64_t latest = -1, time;

	kev_fields_find(json, index, &fields);
	const uint32_t times[] = {fields.event_time, fields.first_timestamp, fields.last_timestamp,
		fields.observed, fields.creation_timestamp};

	for (size_t i = 0; i < KEV_ARRAY_LEN(times); i++) {
		if (kev_timestamp_get(json, times[i], &time) == 0 && time > latest)
			latest = time;
	}
	if (latest_managed_time(json, fields.managed_fields, &time) && time > latest)
		latest = time;
	if (latest < 0)
		return -ENOENT;
	*out = latest;
	return 0;
}

/* Is this an Event, as far as one must look? */
static int check(
	const struct kev_json *json, uint32_t index, const struct kev_fields *fields, struct kev_error *error)
{
	uint32_t kind = fields->kind, name = fields->name;

	if (!kev_json_is(json, index, KEV_JSON_OBJECT)) {
		kev_error_set(error, "an Event is a JSON object");
		return -EINVAL;
	}
	/* A list's items have no kind; "" and null mean none too. */
	if (kev_json_is(json, kind, KEV_JSON_STRING) && !kev_json_string_is(json, kind, KEV_STR("")) &&
		!kev_json_string_is(json, kind, KEV_STR("Event"))) {
		struct kev_str raw = kev_json_raw(json, kind);

		kev_error_set(error, "a kind other than Event: \"%.*s\"", (int)(raw.len < 64 ? raw.len : 64),
			raw.data);
		return -EINVAL;
	}
	if (!kev_json_is(json, name, KEV_JSON_STRING) || kev_json_string_is(json, name, KEV_STR(""))) {
		kev_error_set(error, "an Event without metadata.name");
		return -EINVAL;
	}
	return 0;
}

/* How long its lines in the logs are. */
static int measure(struct kev_event *event, const struct kev_json *json, const struct kev_fields *fields)
{
	KEV_CLEANUP(buf_fini) struct kev_buf line;
	int r;

	kev_buf_init(&line, KEV_LINE_MAX);
	r = kev_line_append_event(&line, json, fields, event->last_seen);
	if (r)
		return r;
	event->line_size = (uint32_t)line.len;
	event->compact_size = (uint32_t)kev_compact_size(kev_event_text(event)) + 1;
	return 0;
}

/* Say why the strings or the printed form could not be made. */
static int explain(int r, struct kev_error *error)
{
	switch (r) {
	case -EMSGSIZE:
		kev_error_set(error, "an Event of more than %u bytes", KEV_EVENT_SIZE_MAX);
		return -E2BIG;
	case -E2BIG:
		kev_error_set(error, "an Event of more than %u JSON tokens", TOKENS_MAX);
		return r;
	case -EINVAL:
		kev_error_set(error, "an Event with a number that is too large");
		return r;
	default:
		kev_error_set(error, "out of memory");
		return r;
	}
}

/* The event of what was gathered. @return 0 or -ENOMEM */
static int assemble(const struct kev_event *header, const struct kev_buf *bytes, const struct kev_json *json,
	const struct kev_fields *fields, struct kev_event **out)
{
	struct kev_event *event = malloc(sizeof(*event) + bytes->len);

	if (!event)
		return -ENOMEM;
	memcpy(event, header, sizeof(*header));
	memcpy(event->bytes, bytes->data, bytes->len);
	set_times(event, json, fields);
	if (measure(event, json, fields)) {
		free(event);
		return -ENOMEM;
	}
	*out = event;
	return 0;
}

int kev_event_create(
	const struct kev_json *json, uint32_t index, struct kev_event **out, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf bytes;
	struct kev_event header = {.references = 1};
	struct kev_fields fields;
	int r;

	kev_buf_init(&bytes, STRINGS_MAX);
	kev_fields_find(json, index, &fields);
	r = check(json, index, &fields, error);
	if (r)
		return r;
	/* What is printed is about a tenth longer than the text, without managedFields shorter. */
	kev_buf_reserve(&bytes, kev_json_token(json, index)->len * 5 / 4 + 256);
	r = kev_json_token(json, index)->next - index > TOKENS_MAX ? -E2BIG : 0;
	if (!r)
		r = append_strings(json, &fields, &bytes, header.ends);
	if (!r) {
		bytes.max = bytes.len + KEV_EVENT_SIZE_MAX;
		r = kev_print_event(json, index, &bytes);
	}
	header.size = (uint32_t)(bytes.len - header.ends[TEXT_COUNT - 1]);
	if (!r)
		r = assemble(&header, &bytes, json, &fields, out);
	return r ? explain(r, error) : 0;
}

/* The strings of an event, in the order of enum text. */
static void list_strings(const struct kev_event_parts *parts, struct kev_str out[TEXT_COUNT])
{
	const struct kev_str strings[TEXT_COUNT] = {
		[TEXT_NAMESPACE] = parts->namespace_,
		[TEXT_NAME] = parts->name,
		[TEXT_UID] = parts->uid,
		[TEXT_RESOURCE_VERSION] = parts->resource_version,
		[TEXT_OBJECT_API_VERSION] = parts->object_api_version,
		[TEXT_OBJECT_KIND] = parts->object_kind,
		[TEXT_OBJECT_NAMESPACE] = parts->object_namespace,
		[TEXT_OBJECT_NAME] = parts->object_name,
		[TEXT_TYPE] = parts->type,
		[TEXT_REASON] = parts->reason,
		[TEXT_NODE] = parts->node,
	};

	memcpy(out, strings, sizeof(strings));
}

/* Could kev_event_create() have made it? */
static bool is_possible(const struct kev_event_parts *parts)
{
	return parts->name.len > 0 && parts->text.len > 0 && parts->text.len <= KEV_EVENT_SIZE_MAX &&
	       parts->line_size > 0 && parts->line_size <= KEV_LINE_MAX && parts->compact_size > 0 &&
	       parts->compact_size <= parts->text.len + 1 && parts->mtime >= 0 && parts->last_seen >= 0 &&
	       parts->written >= 0 && parts->written % KEV_NS_PER_SEC == 0 && parts->ctime > 0 &&
	       parts->ctime <= CTIME_MAX;
}

int kev_event_restore(const struct kev_event_parts *parts, struct kev_event **out)
{
	struct kev_str strings[TEXT_COUNT];
	struct kev_event *event, header = {.references = 1};
	size_t len = 0;

	if (!is_possible(parts))
		return -EINVAL;
	list_strings(parts, strings);
	for (int i = 0; i < TEXT_COUNT; i++) {
		if (strings[i].len > STRINGS_MAX - len)
			return -EINVAL;
		len += strings[i].len;
		header.ends[i] = (uint32_t)len;
	}
	header.size = (uint32_t)parts->text.len;
	header.line_size = (uint32_t)parts->line_size;
	header.compact_size = (uint32_t)parts->compact_size;
	header.mtime = parts->mtime;
	header.written = parts->written;
	header.last_seen = parts->last_seen;
	header.ctime = parts->ctime;
	event = malloc(sizeof(*event) + len + parts->text.len);
	if (!event)
		return -ENOMEM;
	memcpy(event, &header, sizeof(header));
	for (int i = 0; i < TEXT_COUNT; i++) {
		if (strings[i].len)
			memcpy(event->bytes + header.ends[i] - strings[i].len, strings[i].data,
				strings[i].len);
	}
	memcpy(event->bytes + len, parts->text.data, parts->text.len);
	*out = event;
	return 0;
}

struct kev_event *kev_event_ref(struct kev_event *event)
{
	atomic_fetch_add_explicit(&event->references, 1, memory_order_relaxed);
	return event;
}

void kev_event_unref(struct kev_event *event)
{
	if (event && atomic_fetch_sub_explicit(&event->references, 1, memory_order_acq_rel) == 1)
		free(event);
}

static struct kev_str get_text(const struct kev_event *event, enum text which)
{
	uint32_t start = which ? event->ends[which - 1] : 0;

	return (struct kev_str){event->bytes + start, event->ends[which] - start};
}

struct kev_str kev_event_namespace(const struct kev_event *event)
{
	return get_text(event, TEXT_NAMESPACE);
}

struct kev_str kev_event_name(const struct kev_event *event)
{
	return get_text(event, TEXT_NAME);
}

struct kev_str kev_event_uid(const struct kev_event *event)
{
	return get_text(event, TEXT_UID);
}

struct kev_str kev_event_resource_version(const struct kev_event *event)
{
	return get_text(event, TEXT_RESOURCE_VERSION);
}

struct kev_str kev_event_object_api_version(const struct kev_event *event)
{
	return get_text(event, TEXT_OBJECT_API_VERSION);
}

struct kev_str kev_event_object_kind(const struct kev_event *event)
{
	return get_text(event, TEXT_OBJECT_KIND);
}

struct kev_str kev_event_object_namespace(const struct kev_event *event)
{
	return get_text(event, TEXT_OBJECT_NAMESPACE);
}

struct kev_str kev_event_object_name(const struct kev_event *event)
{
	return get_text(event, TEXT_OBJECT_NAME);
}

struct kev_str kev_event_type(const struct kev_event *event)
{
	return get_text(event, TEXT_TYPE);
}

struct kev_str kev_event_reason(const struct kev_event *event)
{
	return get_text(event, TEXT_REASON);
}

struct kev_str kev_event_node(const struct kev_event *event)
{
	return get_text(event, TEXT_NODE);
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

size_t kev_event_read(const struct kev_event *event, size_t offset, void *out, size_t len)
{
	if (offset >= event->size)
		return 0;
	if (len > event->size - offset)
		len = event->size - offset;
	memcpy(out, kev_event_text(event).data + offset, len);
	return len;
}

struct kev_str kev_event_text(const struct kev_event *event)
{
	return (struct kev_str){event->bytes + event->ends[TEXT_COUNT - 1], event->size};
}

size_t kev_event_line_size(const struct kev_event *event)
{
	return event->line_size;
}

int kev_event_append_line(const struct kev_event *event, struct kev_json *json, struct kev_buf *out)
{
	struct kev_error error;
	struct kev_fields fields;
	int r = kev_json_scan(json, kev_event_text(event), &error);

	if (r)
		return r;
	kev_fields_find(json, 0, &fields);
	return kev_line_append_event(out, json, &fields, event->last_seen);
}

int kev_event_find_created(const struct kev_event *event, int64_t *out)
{
	struct kev_json *json = kev_json_create();
	struct kev_fields fields;
	struct kev_error error;
	int r = json ? kev_json_scan(json, kev_event_text(event), &error) : -ENOMEM;

	if (!r) {
		kev_fields_find(json, 0, &fields);
		r = kev_timestamp_get(json, fields.creation_timestamp, out) ? -ENOENT : 0;
	}
	kev_json_destroy(json);
	return r;
}

size_t kev_event_compact_size(const struct kev_event *event)
{
	return event->compact_size;
}

int kev_event_append_compact(const struct kev_event *event, struct kev_buf *out)
{
	kev_compact_append(out, kev_event_text(event));
	return kev_buf_append_char(out, '\n');
}

bool kev_event_same(const struct kev_event *a, const struct kev_event *b)
{
	return a == b || (a->size == b->size && kev_str_eq(kev_event_uid(a), kev_event_uid(b)) &&
				 kev_str_eq(kev_event_resource_version(a), kev_event_resource_version(b)) &&
				 memcmp(kev_event_text(a).data, kev_event_text(b).data, a->size) == 0);
}

void kev_event_prefetch(const struct kev_event *event)
{
	/* A cache line each: the struct, and the strings behind it. */
	for (size_t at = 0; at < 3 * 64; at += 64)
		__builtin_prefetch((const char *)event + at);
}

void kev_event_take_apart(const struct kev_event *event, struct kev_event_parts *out)
{
	*out = (struct kev_event_parts){.namespace_ = get_text(event, TEXT_NAMESPACE),
		.name = get_text(event, TEXT_NAME),
		.uid = get_text(event, TEXT_UID),
		.resource_version = get_text(event, TEXT_RESOURCE_VERSION),
		.object_api_version = get_text(event, TEXT_OBJECT_API_VERSION),
		.object_kind = get_text(event, TEXT_OBJECT_KIND),
		.object_namespace = get_text(event, TEXT_OBJECT_NAMESPACE),
		.object_name = get_text(event, TEXT_OBJECT_NAME),
		.type = get_text(event, TEXT_TYPE),
		.reason = get_text(event, TEXT_REASON),
		.node = get_text(event, TEXT_NODE),
		.text = kev_event_text(event),
		.line_size = event->line_size,
		.compact_size = event->compact_size,
		.mtime = event->mtime,
		.written = event->written,
		.last_seen = event->last_seen,
		.ctime = event->ctime};
}

size_t kev_event_memory(const struct kev_event *event)
{
	/* malloc's own header, and its rounding to 16 bytes. */
	return (sizeof(*event) + event->ends[TEXT_COUNT - 1] + event->size + 8 + 15) & ~(size_t)15;
}
