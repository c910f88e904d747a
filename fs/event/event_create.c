#include "kevfs/event/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event_own.h"
#include "event_struct.h"
#include "kevfs/base/buf.h"
#include "kevfs/event/compact.h"
#include "kevfs/event/fields.h"
#include "kevfs/event/line.h"
#include "kevfs/event/name.h"
#include "kevfs/event/pack.h"
#include "kevfs/event/print.h"
#include "kevfs/event/timestamp.h"

/* All strings of an event together: decoding makes at most three bytes of one. */
#define STRINGS_MAX ((size_t)KEV_JSON_TEXT_MAX * 3)

/* An event of more could not be scanned again: kind and apiVersion may be printed in addition. */
#define TOKENS_MAX (KEV_JSON_TOKENS_MAX - 4)

/* So long the codes of nearly all texts are at most. */
#define CODES_USUAL 256U

/* So long is what else is an event's own, but for strings of any length. */
#define BYTES_USUAL 256U

/* Of one that was restored. Later ones come behind it, so it must not be at the end of all time: 2231. */
#define CTIME_MAX (INT64_MAX - 1000000000 * KEV_NS_PER_SEC)

/* What an event is made of. */
struct draft {
	struct kev_buf strings; /* decoded; what is known points there */
	struct kev_buf text, codes, bytes;
	struct kev_pack_known known;
	struct event_own own;
	int64_t ctime;
};

/* Decode the strings that are known without the text. @return 0 or the buffer's error */
static int read_strings(const struct kev_json *json, const struct kev_fields *fields, struct draft *draft)
{
	struct kev_pack_known *known = &draft->known;
	const struct {
		uint32_t index;
		struct kev_str *out;
	} sources[] = {
		{fields->name, &known->own[KEV_PACK_NAME]},
		{fields->uid, &known->own[KEV_PACK_UID]},
		{fields->resource_version, &known->own[KEV_PACK_RESOURCE_VERSION]},
		{fields->namespace_, &known->fields[KEV_PACK_NAMESPACE]},
		{fields->object_api_version, &known->fields[KEV_PACK_OBJECT_API_VERSION]},
		{fields->object_kind, &known->fields[KEV_PACK_OBJECT_KIND]},
		{fields->object_namespace, &known->fields[KEV_PACK_OBJECT_NAMESPACE]},
		{fields->object_name, &known->fields[KEV_PACK_OBJECT_NAME]},
		{fields->type, &known->fields[KEV_PACK_TYPE]},
		{fields->reason, &known->fields[KEV_PACK_REASON]},
	};
	struct kev_buf *strings = &draft->strings;
	size_t start = 0;

	for (size_t i = 0; i < KEV_ARRAY_LEN(sources); i++) {
		kev_json_append_string(json, sources[i].index, strings);
		sources[i].out->len = strings->len - start;
		start = strings->len;
	}
	kev_fields_append_node(json, fields, strings);
	known->fields[KEV_PACK_NODE].len = strings->len - start;
	if (strings->error)
		return strings->error;
	/* Only now they do not move any more. */
	start = 0;
	for (size_t i = 0; i < KEV_ARRAY_LEN(sources); i++) {
		sources[i].out->data = strings->data + start;
		start += sources[i].out->len;
	}
	known->fields[KEV_PACK_NODE].data = strings->data + start;
	return 0;
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

static void set_times(struct draft *draft, const struct kev_json *json, const struct kev_fields *fields)
{
	struct event_own *own = &draft->own;
	const uint32_t by_age[] = {fields->event_time, fields->first_timestamp, fields->last_timestamp,
		fields->observed, fields->creation_timestamp};
	const uint32_t last_seen[] = {
		fields->observed, fields->last_timestamp, fields->event_time, fields->creation_timestamp};
	int64_t created = KEV_NAME_NO_CREATION, written = 0;

	if (kev_timestamp_get(json, fields->creation_timestamp, &created))
		created = KEV_NAME_NO_CREATION;
	if (kev_name_decode_time(draft->known.own[KEV_PACK_NAME], created, &own->mtime))
		own->mtime = kev_timestamp_first(json, by_age, KEV_ARRAY_LEN(by_age));
	if (!latest_managed_time(json, fields->managed_fields, &written))
		written = kev_timestamp_first(json, last_seen, KEV_ARRAY_LEN(last_seen));
	/* The server stamps the managed fields before the creation, which may be in the next second. */
	if (created != KEV_NAME_NO_CREATION && created > written)
		written = created;
	own->written = written - written % KEV_NS_PER_SEC;
	own->last_seen = kev_fields_sharpen(kev_fields_last_seen(json, fields), own->mtime);
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
static int measure(struct draft *draft, const struct kev_json *json, const struct kev_fields *fields)
{
	KEV_CLEANUP(buf_fini) struct kev_buf line;
	int r;

	kev_buf_init(&line, KEV_LINE_MAX);
	r = kev_line_append_event(&line, json, fields, draft->own.last_seen);
	draft->own.line_size = line.len;
	draft->own.compact_size = kev_compact_size(kev_buf_str(&draft->text)) + 1;
	return r ? -ENOMEM : 0;
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

static void init(struct draft *draft)
{
	memset(draft, 0, sizeof(*draft));
	kev_buf_init(&draft->strings, STRINGS_MAX);
	kev_buf_init(&draft->text, KEV_EVENT_SIZE_MAX);
	kev_buf_init(&draft->codes, (size_t)KEV_EVENT_SIZE_MAX * 2);
	kev_buf_init(&draft->bytes, STRINGS_MAX + BYTES_USUAL);
	kev_buf_reserve(&draft->codes, CODES_USUAL);
	kev_buf_reserve(&draft->bytes, BYTES_USUAL);
}

static void fini(struct draft *draft)
{
	kev_buf_fini(&draft->strings);
	kev_buf_fini(&draft->text);
	kev_buf_fini(&draft->codes);
	kev_buf_fini(&draft->bytes);
}

/* Put what is the event's own, but for its codes. @return 0 or the buffer's error */
static int put_own(struct draft *draft, size_t size)
{
	const struct event_own_strings strings = {.name = draft->known.own[KEV_PACK_NAME],
		.uid = draft->known.own[KEV_PACK_UID],
		.resource_version = draft->known.own[KEV_PACK_RESOURCE_VERSION],
		.object_name = draft->known.fields[KEV_PACK_OBJECT_NAME]};

	draft->own.size = size;
	draft->own.codes = kev_buf_str(&draft->codes);
	event_own_put(&draft->bytes, &draft->own, &strings);
	return draft->bytes.error;
}

/* The event of a draft of which all is known but what packing gives. @return 0 or -ENOMEM */
static int assemble(
	struct draft *draft, struct kev_str text, struct kev_intern *words, struct kev_event **out)
{
	struct kev_buf *bytes = &draft->bytes, *codes = &draft->codes;
	struct kev_event *event = NULL;

	draft->known.time = draft->own.mtime;
	if (kev_pack_make(words, &draft->known, text, codes, &draft->own.pack))
		return -ENOMEM;
	if (put_own(draft, text.len) == 0)
		event = malloc(sizeof(*event) + bytes->len + codes->len);
	if (!event) {
		kev_pack_release(words, &draft->own.pack, kev_buf_str(codes));
		return -ENOMEM;
	}
	*event = (struct kev_event){.references = 1, .words = kev_intern_ref(words), .ctime = draft->ctime};
	memcpy(event->bytes, bytes->data, bytes->len);
	if (codes->len)
		memcpy(event->bytes + bytes->len, codes->data, codes->len);
	*out = event;
	return 0;
}

static int create(struct draft *draft, const struct kev_json *json, uint32_t index, struct kev_intern *words,
	struct kev_event **out, struct kev_error *error)
{
	struct kev_fields fields;
	int r;

	kev_fields_find(json, index, &fields);
	r = check(json, index, &fields, error);
	if (r)
		return r;
	/* What is printed is about a tenth longer than the text, without managedFields shorter. */
	kev_buf_reserve(&draft->text, kev_json_token(json, index)->len * 5 / 4 + 256);
	r = kev_json_token(json, index)->next - index > TOKENS_MAX ? -E2BIG : 0;
	if (!r)
		r = read_strings(json, &fields, draft);
	if (!r)
		r = kev_print_event(json, index, &draft->text);
	if (r)
		return explain(r, error);
	set_times(draft, json, &fields);
	r = measure(draft, json, &fields);
	if (!r)
		r = assemble(draft, kev_buf_str(&draft->text), words, out);
	return r ? explain(r, error) : 0;
}

int kev_event_create(const struct kev_json *json, uint32_t index, struct kev_intern *words,
	struct kev_event **out, struct kev_error *error)
{
	struct draft draft;
	int r;

	init(&draft);
	r = create(&draft, json, index, words, out, error);
	fini(&draft);
	return r;
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

/* What is known of an event that was taken apart. @return 0, or -EINVAL (too much of it) */
static int know(struct kev_pack_known *known, const struct kev_event_parts *parts)
{
	size_t len = 0;

	*known = (struct kev_pack_known){
		.own = {[KEV_PACK_NAME] = parts->name,
			[KEV_PACK_UID] = parts->uid,
			[KEV_PACK_RESOURCE_VERSION] = parts->resource_version},
		.fields = {[KEV_PACK_NAMESPACE] = parts->namespace_,
			[KEV_PACK_OBJECT_API_VERSION] = parts->object_api_version,
			[KEV_PACK_OBJECT_KIND] = parts->object_kind,
			[KEV_PACK_OBJECT_NAMESPACE] = parts->object_namespace,
			[KEV_PACK_OBJECT_NAME] = parts->object_name,
			[KEV_PACK_TYPE] = parts->type,
			[KEV_PACK_REASON] = parts->reason,
			[KEV_PACK_NODE] = parts->node},
	};
	for (int i = 0; i < KEV_PACK_OWN_COUNT + KEV_PACK_FIELD_COUNT; i++) {
		size_t more = i < KEV_PACK_OWN_COUNT ? known->own[i].len
						     : known->fields[i - KEV_PACK_OWN_COUNT].len;

		if (more > STRINGS_MAX - len)
			return -EINVAL;
		len += more;
	}
	return 0;
}

int kev_event_restore(const struct kev_event_parts *parts, struct kev_intern *words, struct kev_event **out)
{
	struct draft draft;
	int r;

	if (!is_possible(parts))
		return -EINVAL;
	init(&draft);
	r = know(&draft.known, parts);
	draft.own = (struct event_own){.line_size = parts->line_size,
		.compact_size = parts->compact_size,
		.mtime = parts->mtime,
		.written = parts->written,
		.last_seen = parts->last_seen};
	draft.ctime = parts->ctime;
	if (!r)
		r = assemble(&draft, parts->text, words, out);
	fini(&draft);
	return r;
}
