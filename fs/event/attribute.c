#include "kevfs/event/attribute.h"

#include <errno.h>

#include "kevfs/base/text.h"
#include "kevfs/event/fields.h"
#include "kevfs/event/timestamp.h"

/* An event, and where the fields stand in its text. */
struct source {
	const struct kev_event *event;
	struct kev_buf text;
	struct kev_json *json;
	struct kev_fields fields;
};

static void append_type(const struct source *source, struct kev_buf *out)
{
	kev_buf_append_str(out, kev_event_type(source->event));
}

static void append_reason(const struct source *source, struct kev_buf *out)
{
	kev_buf_append_str(out, kev_event_reason(source->event));
}

static void append_message(const struct source *source, struct kev_buf *out)
{
	kev_json_append_string(source->json, source->fields.message, out);
}

static void append_count(const struct source *source, struct kev_buf *out)
{
	kev_buf_printf(out, "%llu", (unsigned long long)kev_fields_count(source->json, &source->fields));
}

static void append_time(struct kev_buf *out, int64_t time)
{
	char text[KEV_TIMESTAMP_SIZE];

	if (time <= 0)
		return;
	kev_timestamp_format(time, text);
	kev_buf_append_c(out, text);
}

static void append_first_seen(const struct source *source, struct kev_buf *out)
{
	int64_t seen = kev_fields_first_seen(source->json, &source->fields);

	append_time(out, kev_fields_sharpen(seen, kev_event_mtime(source->event)));
}

static void append_last_seen(const struct source *source, struct kev_buf *out)
{
	append_time(out, kev_event_last_seen(source->event));
}

static void append_gone(const struct source *source, struct kev_buf *out)
{
	append_time(out, kev_event_gone(source->event));
}

static void append_component(const struct source *source, struct kev_buf *out)
{
	kev_json_append_string(source->json, source->fields.component, out);
}

static void append_host(const struct source *source, struct kev_buf *out)
{
	kev_json_append_string(source->json, source->fields.host, out);
}

static void append_uid(const struct source *source, struct kev_buf *out)
{
	struct kev_event_room room;

	kev_buf_append_str(out, kev_event_uid(source->event, &room));
}

static void append_resource_version(const struct source *source, struct kev_buf *out)
{
	struct kev_event_room room;

	kev_buf_append_str(out, kev_event_resource_version(source->event, &room));
}

static void append_object(const struct source *source, struct kev_buf *out)
{
	struct kev_str kind = kev_event_object_kind(source->event),
		       name = kev_event_object_name(source->event);
	size_t start = out->len;

	if (kind.len + name.len == 0)
		return;
	kev_buf_append_str(out, kind);
	kev_text_lower(out, start);
	kev_buf_append_char(out, '/');
	kev_buf_append_str(out, name);
}

/* In the order in which they are listed. An empty value is none. */
static const struct attribute {
	const char *name;
	void (*append)(const struct source *source, struct kev_buf *out);
} attributes[] = {
	{"type", append_type},
	{"reason", append_reason},
	{"message", append_message},
	{"object", append_object},
	{"count", append_count},
	{"first_seen", append_first_seen},
	{"last_seen", append_last_seen},
	{"source", append_component},
	{"host", append_host},
	{"uid", append_uid},
	{"resource_version", append_resource_version},
	{"gone", append_gone},
};

/* Scan an event's text. @return 0, -E2BIG or -ENOMEM; close_source() in any case */
static int open_source(struct source *source, const struct kev_event *event)
{
	int r;

	source->event = event;
	kev_buf_init(&source->text, KEV_EVENT_SIZE_MAX);
	source->json = kev_json_create();
	if (!source->json)
		return -ENOMEM;
	r = kev_event_scan(event, &source->text, source->json);
	if (!r)
		kev_fields_find(source->json, 0, &source->fields);
	return r;
}

static void close_source(struct source *source)
{
	kev_json_destroy(source->json);
	kev_buf_fini(&source->text);
}

/* Decoded strings are UTF-8: cut between two characters. */
static struct kev_str cut(struct kev_str value)
{
	if (value.len <= KEV_ATTRIBUTE_SIZE_MAX)
		return value;
	value.len = KEV_ATTRIBUTE_SIZE_MAX;
	while (value.len > 0 && ((unsigned char)value.data[value.len] & 0xc0) == 0x80)
		value.len--;
	return value;
}

/* The value, whole, in an empty buffer. @return 0, -ENODATA or -ENOMEM */
static int make_value(const struct source *source, const struct attribute *attribute, struct kev_buf *value)
{
	attribute->append(source, value);
	if (value->error)
		return value->error;
	return value->len ? 0 : -ENODATA;
}

int kev_attribute_append(const struct kev_event *event, struct kev_str name, struct kev_buf *out)
{
	/* Decoding makes at most three bytes of one. */
	KEV_CLEANUP(buf_fini) struct kev_buf value = {.max = (size_t)KEV_JSON_TEXT_MAX * 3};
	const struct attribute *found = NULL;
	struct source source;
	int r;

	for (size_t i = 0; i < KEV_ARRAY_LEN(attributes); i++) {
		if (kev_str_eq(name, kev_str_c(attributes[i].name)))
			found = &attributes[i];
	}
	if (!found)
		return -ENODATA;
	r = open_source(&source, event);
	if (!r)
		r = make_value(&source, found, &value);
	if (!r)
		r = kev_buf_append_str(out, cut(kev_buf_str(&value)));
	close_source(&source);
	return r;
}

int kev_attribute_list(const struct kev_event *event, struct kev_buf *out)
{
	KEV_CLEANUP(buf_fini) struct kev_buf value = {.max = (size_t)KEV_JSON_TEXT_MAX * 3};
	struct source source;
	int r = open_source(&source, event);

	for (size_t i = 0; i < KEV_ARRAY_LEN(attributes) && !r; i++) {
		kev_buf_clear(&value);
		r = make_value(&source, &attributes[i], &value);
		if (r == -ENODATA) {
			r = 0;
			continue;
		}
		kev_buf_append_c(out, KEV_ATTRIBUTE_PREFIX);
		kev_buf_append_c(out, attributes[i].name);
		kev_buf_append_char(out, '\0');
	}
	close_source(&source);
	return r ? r : out->error;
}
