/*
 * Any bytes as JSON, and as an Event. The scanner agrees with jansson; what an event prints is JSON again,
 * and printing that changes nothing; the event made from it is the same.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/event/oracle.h"
#include "../unit/room.h"
#include "../unit/words.h"
#include "check.h"
#include "kevfs/event/attribute.h"
#include "kevfs/event/event.h"
#include "kevfs/event/metadata.h"
#include "kevfs/event/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Indentation can make megabytes of a few bytes: correct, but no use for finding more. */
#define PRINTED_MAX (1U << 20)

static void check_oracle(struct kev_json *json, struct kev_str text)
{
	const char *wrong = oracle_compare(json, text);

	check(!wrong, wrong);
}

static struct kev_event *make(const struct kev_json *json)
{
	struct kev_event *event = NULL;
	struct kev_error error = {""};
	int r = kev_event_create(json, 0, words(), &event, &error);

	check((r == 0) == (event != NULL), "an event where there is an error, or none");
	check((r == 0) == (error.text[0] == '\0'), "an error without a text");
	return event;
}

static void read_whole(const struct kev_event *event, struct kev_buf *out)
{
	size_t size = kev_event_size(event);

	kev_buf_init(out, PRINTED_MAX);
	check(kev_buf_reserve(out, size) == 0, "no memory");
	out->len = (size_t)kev_event_read(event, 0, out->data, size + 1);
	check(out->len == size, "a size that is not the content's");
	check(size > 3 && out->data[0] == '{' && memcmp(out->data + size - 2, "}\n", 2) == 0, "no object");
}

static void check_same_event(const struct kev_event *a, const struct kev_event *b)
{
	check(kev_str_eq(kev_event_name(a, ROOM), kev_event_name(b, ROOM)), "another name");
	check(kev_str_eq(kev_event_namespace(a), kev_event_namespace(b)), "another namespace");
	check(kev_str_eq(kev_event_uid(a, ROOM), kev_event_uid(b, ROOM)), "another uid");
	check(kev_str_eq(kev_event_resource_version(a, ROOM), kev_event_resource_version(b, ROOM)),
		"another version");
	check(kev_str_eq(kev_event_object_name(a), kev_event_object_name(b)), "another object");
	check(kev_event_mtime(a) == kev_event_mtime(b), "another mtime");
	check(kev_event_last_seen(a) == kev_event_last_seen(b), "last seen at another time");
	check(kev_str_eq(kev_event_type(a), kev_event_type(b)), "another type");
	check(kev_str_eq(kev_event_reason(a), kev_event_reason(b)), "another reason");
	check(kev_str_eq(kev_event_node(a), kev_event_node(b)), "another node");
	check(kev_event_mtime(a) >= 0 && kev_event_written(a) >= 0, "a time before 1970");
}

/* The lines in the logs are as long as was said when the event was made, from another text. */
static void check_lines(struct kev_json *json, const struct kev_event *event)
{
	struct kev_buf line;

	kev_buf_init(&line, PRINTED_MAX);
	check(kev_event_append_line(event, json, &line) == 0, "no line");
	check(line.len == kev_event_line_size(event), "a line that is not as long as was said");
	check(memchr(line.data, '\n', line.len) == line.data + line.len - 1, "a newline inside of a line");
	kev_buf_clear(&line);
	check(kev_event_append_compact(event, &line) == 0, "no compact JSON");
	check(line.len == kev_event_compact_size(event), "compact JSON that is not as long as was said");
	check(memchr(line.data, '\n', line.len) == line.data + line.len - 1, "a newline inside of JSON");
	kev_buf_fini(&line);
}

/* Whatever is listed has a value. */
static void check_attributes(const struct kev_event *event)
{
	const size_t prefix = sizeof(KEV_ATTRIBUTE_PREFIX) - 1;
	struct kev_buf names, value;

	kev_buf_init(&names, 1000);
	kev_buf_init(&value, KEV_ATTRIBUTE_SIZE_MAX);
	check(kev_attribute_list(event, &names) == 0 && names.len > 0, "no attributes");
	for (const char *at = names.data; at < names.data + names.len; at += strlen(at) + 1) {
		kev_buf_clear(&value);
		check(kev_attribute_append(event, kev_str_c(at + prefix), &value) == 0,
			"listed, and not there");
		check(value.len > 0, "an empty value");
	}
	kev_buf_fini(&names);
	kev_buf_fini(&value);
}

/* Print, scan and print again. */
static void check_event(struct kev_json *json, const struct kev_event *event)
{
	struct kev_buf first, second;
	struct kev_event *again;

	read_whole(event, &first);
	check_oracle(json, kev_buf_str(&first));
	again = make(json);
	check(again, "what is printed is no event");
	check_same_event(event, again);
	read_whole(again, &second);
	/* -0.0 prints -0, which is an integer, and prints 0. */
	if (!memmem(first.data, first.len, "-0", 2)) {
		check(kev_str_eq(kev_buf_str(&first), kev_buf_str(&second)), "printed twice it differs");
		check(kev_event_same(event, again), "not the same revision");
	}
	check_lines(json, event);
	check_attributes(event);
	kev_event_unref(again);
	kev_buf_fini(&first);
	kev_buf_fini(&second);
}

/* What is shared only when it comes again is printed alike each time. */
static void check_shared(const struct kev_json *json, const struct kev_event *event)
{
	struct kev_event *again[3];
	struct kev_buf first, other;

	read_whole(event, &first);
	for (size_t i = 0; i < KEV_ARRAY_LEN(again); i++) {
		again[i] = make(json);
		check(again[i], "made once only");
		read_whole(again[i], &other);
		check(kev_str_eq(kev_buf_str(&first), kev_buf_str(&other)), "not to the byte");
		check(kev_event_same(event, again[i]), "shared, and not the same");
		check_same_event(event, again[i]);
		kev_buf_fini(&other);
	}
	for (size_t i = 0; i < KEV_ARRAY_LEN(again); i++)
		kev_event_unref(again[i]);
	kev_buf_fini(&first);
}

static void check_metadata(const struct kev_json *json)
{
	struct kev_metadata metadata;

	kev_metadata_init(&metadata);
	if (kev_metadata_read(&metadata, json, 0) == 0)
		check(metadata.name.len > 0 && metadata.created >= 0, "metadata without a name");
	kev_metadata_fini(&metadata);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_json *json = kev_json_create();
	struct kev_event *event;

	check(json != NULL, "no memory");
	check_oracle(json, (struct kev_str){(const char *)data, size});
	check_metadata(json);
	event = make(json);
	if (event && kev_event_size(event) < PRINTED_MAX) {
		check_shared(json, event);
		check_event(json, event);
	}
	kev_event_unref(event);
	check(kev_intern_count(words()) == 0, "a word that nobody has");
	kev_json_destroy(json);
	return 0;
}
