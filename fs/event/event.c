#include "kevfs/event/event.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/name.h"
#include "kevfs/event/print.h"
#include "kevfs/event/timestamp.h"

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
	TEXT_COUNT,
};

/* One allocation: the struct, its strings, the printed form. */
struct kev_event {
	_Atomic uint32_t references;
	uint32_t ends[TEXT_COUNT]; /* offset in bytes behind each string */
	uint32_t size;             /* of the printed form, which stands behind the last string */
	int64_t mtime;
	int64_t written;
	int64_t ctime; /* not before it is published: then immutable like everything else */
	char bytes[];
};

/* The members that make an event, as token indexes, each KEV_JSON_NONE where absent. */
enum field {
	FIELD_KIND,
	FIELD_METADATA,
	FIELD_API_VERSION,
	FIELD_SERIES,
	FIELD_EVENT_TIME,
	FIELD_OBJECT,
	FIELD_FIRST_TIMESTAMP,
	FIELD_LAST_TIMESTAMP,
	FIELD_COUNT,
};

enum metadata_field {
	METADATA_NAMESPACE,
	METADATA_NAME,
	METADATA_UID,
	METADATA_RESOURCE_VERSION,
	METADATA_CREATION_TIMESTAMP,
	METADATA_MANAGED_FIELDS,
	METADATA_COUNT,
};

enum object_field {
	OBJECT_API_VERSION,
	OBJECT_KIND,
	OBJECT_NAMESPACE,
	OBJECT_NAME,
	OBJECT_COUNT,
};

#define KEY(literal)                         \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

static const struct kev_str core_keys[FIELD_COUNT] = {
	[FIELD_KIND] = KEY("kind"),
	[FIELD_METADATA] = KEY("metadata"),
	[FIELD_API_VERSION] = KEY("apiVersion"),
	[FIELD_SERIES] = KEY("series"),
	[FIELD_EVENT_TIME] = KEY("eventTime"),
	[FIELD_OBJECT] = KEY("involvedObject"),
	[FIELD_FIRST_TIMESTAMP] = KEY("firstTimestamp"),
	[FIELD_LAST_TIMESTAMP] = KEY("lastTimestamp"),
};

/* The same in events.k8s.io/v1, which a dump may hold. */
static const struct kev_str events_keys[] = {
	KEY("regarding"), KEY("deprecatedFirstTimestamp"), KEY("deprecatedLastTimestamp")};

static const struct kev_str metadata_keys[METADATA_COUNT] = {
	[METADATA_NAMESPACE] = KEY("namespace"),
	[METADATA_NAME] = KEY("name"),
	[METADATA_UID] = KEY("uid"),
	[METADATA_RESOURCE_VERSION] = KEY("resourceVersion"),
	[METADATA_CREATION_TIMESTAMP] = KEY("creationTimestamp"),
	[METADATA_MANAGED_FIELDS] = KEY("managedFields"),
};

static const struct kev_str object_keys[OBJECT_COUNT] = {
	[OBJECT_API_VERSION] = KEY("apiVersion"),
	[OBJECT_KIND] = KEY("kind"),
	[OBJECT_NAMESPACE] = KEY("namespace"),
	[OBJECT_NAME] = KEY("name"),
};

/* Where everything stands in the text. */
struct layout {
	uint32_t fields[FIELD_COUNT];
	uint32_t metadata[METADATA_COUNT];
	uint32_t object[OBJECT_COUNT];
};

static void find_fields(const struct kev_json *json, uint32_t index, struct layout *out)
{
	kev_json_get_many(json, index, core_keys, FIELD_COUNT, out->fields);
	if (kev_json_string_is(json, out->fields[FIELD_API_VERSION], KEV_STR("events.k8s.io/v1")))
		kev_json_get_many(
			json, index, events_keys, KEV_ARRAY_LEN(events_keys), out->fields + FIELD_OBJECT);
	kev_json_get_many(json, out->fields[FIELD_METADATA], metadata_keys, METADATA_COUNT, out->metadata);
	kev_json_get_many(json, out->fields[FIELD_OBJECT], object_keys, OBJECT_COUNT, out->object);
}

/* Append the strings, in the order of enum text. @return 0 or the buffer's error */
static int append_strings(
	const struct kev_json *json, const struct layout *layout, struct kev_buf *out, uint32_t *ends)
{
	const uint32_t sources[TEXT_COUNT] = {
		[TEXT_NAMESPACE] = layout->metadata[METADATA_NAMESPACE],
		[TEXT_NAME] = layout->metadata[METADATA_NAME],
		[TEXT_UID] = layout->metadata[METADATA_UID],
		[TEXT_RESOURCE_VERSION] = layout->metadata[METADATA_RESOURCE_VERSION],
		[TEXT_OBJECT_API_VERSION] = layout->object[OBJECT_API_VERSION],
		[TEXT_OBJECT_KIND] = layout->object[OBJECT_KIND],
		[TEXT_OBJECT_NAMESPACE] = layout->object[OBJECT_NAMESPACE],
		[TEXT_OBJECT_NAME] = layout->object[OBJECT_NAME],
	};

	for (int i = 0; i < TEXT_COUNT; i++) {
		kev_json_append_string(json, sources[i], out);
		ends[i] = (uint32_t)out->len;
	}
	return out->error;
}

/* The first of the tokens that holds a time. */
static bool first_time(const struct kev_json *json, const uint32_t *indexes, size_t count, int64_t *out)
{
	for (size_t i = 0; i < count; i++) {
		if (kev_timestamp_get(json, indexes[i], out) == 0)
			return true;
	}
	return false;
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

static void set_times(struct kev_event *event, const struct kev_json *json, const struct layout *layout)
{
	const uint32_t *fields = layout->fields;
	uint32_t observed = kev_json_get(json, fields[FIELD_SERIES], "lastObservedTime");
	uint32_t creation = layout->metadata[METADATA_CREATION_TIMESTAMP];
	const uint32_t by_age[] = {fields[FIELD_EVENT_TIME], fields[FIELD_FIRST_TIMESTAMP],
		fields[FIELD_LAST_TIMESTAMP], observed, creation};
	const uint32_t last_seen[] = {
		observed, fields[FIELD_LAST_TIMESTAMP], fields[FIELD_EVENT_TIME], creation};
	int64_t created = KEV_NAME_NO_CREATION, written = 0;

	if (kev_timestamp_get(json, creation, &created))
		created = KEV_NAME_NO_CREATION;
	if (kev_name_decode_time(kev_event_name(event), created, &event->mtime))
		first_time(json, by_age, KEV_ARRAY_LEN(by_age), &event->mtime);
	if (!latest_managed_time(json, layout->metadata[METADATA_MANAGED_FIELDS], &written))
		first_time(json, last_seen, KEV_ARRAY_LEN(last_seen), &written);
	/* The server stamps the managed fields before the creation, which may be in the next second. */
	if (created != KEV_NAME_NO_CREATION && created > written)
		written = created;
	event->written = written - written % KEV_NS_PER_SEC;
}

int kev_event_latest_time(const struct kev_json *json, uint32_t index, int64_t *out)
{
	struct layout layout;
	const uint32_t *fields = layout.fields;
	int64_t latest = -1, time;

	find_fields(json, index, &layout);
	const uint32_t times[] = {fields[FIELD_EVENT_TIME], fields[FIELD_FIRST_TIMESTAMP],
		fields[FIELD_LAST_TIMESTAMP], kev_json_get(json, fields[FIELD_SERIES], "lastObservedTime"),
		layout.metadata[METADATA_CREATION_TIMESTAMP]};

	for (size_t i = 0; i < KEV_ARRAY_LEN(times); i++) {
		if (kev_timestamp_get(json, times[i], &time) == 0 && time > latest)
			latest = time;
	}
	if (latest_managed_time(json, layout.metadata[METADATA_MANAGED_FIELDS], &time) && time > latest)
		latest = time;
	if (latest < 0)
		return -ENOENT;
	*out = latest;
	return 0;
}

/* Is this an Event, as far as one must look? */
static int check(
	const struct kev_json *json, uint32_t index, const struct layout *layout, struct kev_error *error)
{
	uint32_t kind = layout->fields[FIELD_KIND], name = layout->metadata[METADATA_NAME];

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

/* Say why the strings or the printed form could not be made. */
static int explain(int r, struct kev_error *error)
{
	switch (r) {
	case -EMSGSIZE:
		kev_error_set(error, "an Event of more than %u bytes", KEV_EVENT_SIZE_MAX);
		return -E2BIG;
	case -EINVAL:
		kev_error_set(error, "an Event with a number that is too large");
		return r;
	default:
		kev_error_set(error, "out of memory");
		return r;
	}
}

int kev_event_create(
	const struct kev_json *json, uint32_t index, struct kev_event **out, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf bytes;
	struct kev_event *event, header = {.references = 1};
	struct layout layout;
	int r;

	/* Decoding makes at most three bytes of one. */
	kev_buf_init(&bytes, (size_t)KEV_JSON_TEXT_MAX * 3);
	find_fields(json, index, &layout);
	r = check(json, index, &layout, error);
	if (r)
		return r;
	/* What is printed is about a tenth longer than the text, without managedFields shorter. */
	kev_buf_reserve(&bytes, kev_json_token(json, index)->len * 5 / 4 + 256);
	r = append_strings(json, &layout, &bytes, header.ends);
	if (!r) {
		bytes.max = bytes.len + KEV_EVENT_SIZE_MAX;
		r = kev_print_event(json, index, &bytes);
	}
	if (r)
		return explain(r, error);
	header.size = (uint32_t)(bytes.len - header.ends[TEXT_COUNT - 1]);
	event = malloc(sizeof(*event) + bytes.len);
	if (!event)
		return explain(-ENOMEM, error);
	memcpy(event, &header, sizeof(header));
	memcpy(event->bytes, bytes.data, bytes.len);
	set_times(event, json, &layout);
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

int64_t kev_event_mtime(const struct kev_event *event)
{
	return event->mtime;
}

int64_t kev_event_written(const struct kev_event *event)
{
	return event->written;
}

int64_t kev_event_ctime(const struct kev_event *event)
{
	return event->ctime;
}

void kev_event_set_ctime(struct kev_event *event, int64_t ctime)
{
	event->ctime = ctime;
}

static const char *printed(const struct kev_event *event)
{
	return event->bytes + event->ends[TEXT_COUNT - 1];
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
	memcpy(out, printed(event) + offset, len);
	return len;
}

bool kev_event_same(const struct kev_event *a, const struct kev_event *b)
{
	return a == b || (a->size == b->size && kev_str_eq(kev_event_uid(a), kev_event_uid(b)) &&
				 kev_str_eq(kev_event_resource_version(a), kev_event_resource_version(b)) &&
				 memcmp(printed(a), printed(b), a->size) == 0);
}

size_t kev_event_memory(const struct kev_event *event)
{
	/* malloc's own header, and its rounding to 16 bytes. */
	return (sizeof(*event) + event->ends[TEXT_COUNT - 1] + event->size + 8 + 15) & ~(size_t)15;
}
