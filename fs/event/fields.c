#include "kevfs/event/fields.h"

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/num.h"
#include "kevfs/event/number.h"
#include "kevfs/event/timestamp.h"

/* An int64 as kubectl prints it; what is longer is no count. */
#define COUNT_MAX_LEN 24

#define KEY(literal)                         \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

/* In either version. */
enum top {
	KIND,
	METADATA,
	API_VERSION,
	SERIES,
	EVENT_TIME,
	TYPE,
	REASON,
	REPORTING_INSTANCE,
	INVOLVED_OBJECT, /* from here on the names differ */
	FIRST_TIMESTAMP,
	LAST_TIMESTAMP,
	MESSAGE,
	COUNT,
	SOURCE,
	REPORTING_COMPONENT,
	TOP_COUNT,
};

static const struct kev_str core_keys[TOP_COUNT] = {
	[KIND] = KEY("kind"),
	[METADATA] = KEY("metadata"),
	[API_VERSION] = KEY("apiVersion"),
	[SERIES] = KEY("series"),
	[EVENT_TIME] = KEY("eventTime"),
	[TYPE] = KEY("type"),
	[REASON] = KEY("reason"),
	[REPORTING_INSTANCE] = KEY("reportingInstance"),
	[INVOLVED_OBJECT] = KEY("involvedObject"),
	[FIRST_TIMESTAMP] = KEY("firstTimestamp"),
	[LAST_TIMESTAMP] = KEY("lastTimestamp"),
	[MESSAGE] = KEY("message"),
	[COUNT] = KEY("count"),
	[SOURCE] = KEY("source"),
	[REPORTING_COMPONENT] = KEY("reportingComponent"),
};

static const struct kev_str events_keys[TOP_COUNT - INVOLVED_OBJECT] = {
	[INVOLVED_OBJECT - INVOLVED_OBJECT] = KEY("regarding"),
	[FIRST_TIMESTAMP - INVOLVED_OBJECT] = KEY("deprecatedFirstTimestamp"),
	[LAST_TIMESTAMP - INVOLVED_OBJECT] = KEY("deprecatedLastTimestamp"),
	[MESSAGE - INVOLVED_OBJECT] = KEY("note"),
	[COUNT - INVOLVED_OBJECT] = KEY("deprecatedCount"),
	[SOURCE - INVOLVED_OBJECT] = KEY("deprecatedSource"),
	[REPORTING_COMPONENT - INVOLVED_OBJECT] = KEY("reportingController"),
};

static void find_metadata(const struct kev_json *json, struct kev_fields *fields)
{
	static const struct kev_str keys[] = {KEY("namespace"), KEY("name"), KEY("uid"),
		KEY("resourceVersion"), KEY("creationTimestamp"), KEY("managedFields")};
	uint32_t found[KEV_ARRAY_LEN(keys)];

	kev_json_get_many(json, fields->metadata, keys, KEV_ARRAY_LEN(keys), found);
	fields->namespace_ = found[0];
	fields->name = found[1];
	fields->uid = found[2];
	fields->resource_version = found[3];
	fields->creation_timestamp = found[4];
	fields->managed_fields = found[5];
}

static void find_object(const struct kev_json *json, struct kev_fields *fields)
{
	static const struct kev_str keys[] = {KEY("apiVersion"), KEY("kind"), KEY("namespace"), KEY("name")};
	uint32_t found[KEV_ARRAY_LEN(keys)];

	kev_json_get_many(json, fields->involved_object, keys, KEV_ARRAY_LEN(keys), found);
	fields->object_api_version = found[0];
	fields->object_kind = found[1];
	fields->object_namespace = found[2];
	fields->object_name = found[3];
}

/* Is it a string that says something? */
static bool is_set(const struct kev_json *json, uint32_t index)
{
	return kev_json_is(json, index, KEV_JSON_STRING) && kev_json_token(json, index)->len > 0;
}

void kev_fields_find(const struct kev_json *json, uint32_t index, struct kev_fields *out)
{
	uint32_t top[TOP_COUNT], count, component;

	kev_json_get_many(json, index, core_keys, TOP_COUNT, top);
	if (kev_json_string_is(json, top[API_VERSION], KEV_STR("events.k8s.io/v1")))
		kev_json_get_many(
			json, index, events_keys, KEV_ARRAY_LEN(events_keys), top + INVOLVED_OBJECT);
	count = kev_json_get(json, top[SERIES], "count");
	component = kev_json_get(json, top[SOURCE], "component");
	*out = (struct kev_fields){
		.kind = top[KIND],
		.metadata = top[METADATA],
		.involved_object = top[INVOLVED_OBJECT],
		.type = top[TYPE],
		.reason = top[REASON],
		.message = top[MESSAGE],
		.event_time = top[EVENT_TIME],
		.first_timestamp = top[FIRST_TIMESTAMP],
		.last_timestamp = top[LAST_TIMESTAMP],
		.observed = kev_json_get(json, top[SERIES], "lastObservedTime"),
		.count = kev_json_is(json, count, KEV_JSON_NUMBER) ? count : top[COUNT],
		.component = is_set(json, component) ? component : top[REPORTING_COMPONENT],
		.host = kev_json_get(json, top[SOURCE], "host"),
		.reporting_instance = top[REPORTING_INSTANCE],
	};
	find_metadata(json, out);
	find_object(json, out);
}

uint64_t kev_fields_count(const struct kev_json *json, const struct kev_fields *fields)
{
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	uint64_t count = 0;

	kev_buf_init(&text, COUNT_MAX_LEN);
	/* As it is printed: 1e2 and 100 are the same. */
	if (!kev_json_is(json, fields->count, KEV_JSON_NUMBER) ||
		kev_number_append(&text, kev_json_raw(json, fields->count)) ||
		kev_num_parse_u64(kev_buf_str(&text), UINT64_MAX, &count))
		return 1;
	return count ? count : 1;
}

int64_t kev_fields_first_seen(const struct kev_json *json, const struct kev_fields *fields)
{
	const uint32_t times[] = {fields->first_timestamp, fields->event_time, fields->creation_timestamp};

	return kev_timestamp_first(json, times, KEV_ARRAY_LEN(times));
}

int64_t kev_fields_last_seen(const struct kev_json *json, const struct kev_fields *fields)
{
	const uint32_t times[] = {fields->observed, fields->last_timestamp, fields->event_time,
		fields->first_timestamp, fields->creation_timestamp};

	return kev_timestamp_first(json, times, KEV_ARRAY_LEN(times));
}

int64_t kev_fields_sharpen(int64_t seen, int64_t named)
{
	bool same_second = seen / KEV_NS_PER_SEC == named / KEV_NS_PER_SEC;

	return seen % KEV_NS_PER_SEC == 0 && same_second ? named : seen;
}

int kev_fields_append_node(const struct kev_json *json, const struct kev_fields *fields, struct kev_buf *out)
{
	if (is_set(json, fields->host))
		return kev_json_append_string(json, fields->host, out);
	if (kev_json_string_is(json, fields->object_kind, KEV_STR("Node")))
		return kev_json_append_string(json, fields->object_name, out);
	if (kev_json_string_is(json, fields->component, KEV_STR("kubelet")))
		return kev_json_append_string(json, fields->reporting_instance, out);
	return out->error;
}
