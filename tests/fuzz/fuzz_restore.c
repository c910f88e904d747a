/*
 * Any bytes as a row of a history that somebody else wrote: numbers, then strings. What is made of it can be
 * read, printed and asked for everything, whether or not its parts fit together.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/words.h"
#include "check.h"
#include "kevfs/event/attribute.h"
#include "kevfs/event/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rest {
	const uint8_t *data;
	size_t size;
};

static int64_t take_number(struct rest *rest)
{
	uint8_t bytes[8] = {0};
	int64_t number;
	/* Small ones are short. */
	size_t len = rest->size ? *rest->data % 9U : 0;

	if (rest->size) {
		rest->data++;
		rest->size--;
	}
	len = len < rest->size ? len : rest->size;
	if (len)
		memcpy(bytes, rest->data, len);
	rest->data += len;
	rest->size -= len;
	memcpy(&number, bytes, sizeof(number));
	return number;
}

static struct kev_str take_string(struct rest *rest, size_t max)
{
	size_t len = rest->size ? *rest->data : 0;
	struct kev_str s;

	if (rest->size) {
		rest->data++;
		rest->size--;
	}
	len = len < max ? len : max;
	s = (struct kev_str){(const char *)rest->data, len < rest->size ? len : rest->size};
	rest->data += s.len;
	rest->size -= s.len;
	return s;
}

static void use(struct kev_event *event, const struct kev_event_parts *parts)
{
	struct kev_json *json = kev_json_create();
	struct kev_event_parts again;
	struct kev_buf out, space;
	int r;

	check(json != NULL, "no memory");
	kev_buf_init(&space, KEV_EVENT_SIZE_MAX);
	check(kev_event_take_apart(event, &space, &again) == 0, "no memory");
	check(kev_str_eq(again.name, parts->name) && kev_str_eq(again.text, parts->text) &&
			kev_str_eq(again.node, parts->node) && again.mtime == parts->mtime &&
			again.line_size == parts->line_size,
		"other parts");
	check(kev_event_size(event) == parts->text.len, "another size");
	kev_buf_init(&out, 1U << 20);
	r = kev_event_append_line(event, json, &out);
	check(r != -ENOMEM, "no memory");
	kev_buf_clear(&out);
	r = kev_event_append_compact(event, &out);
	check(r == 0 || r == -EMSGSIZE, "no compact form");
	kev_buf_clear(&out);
	r = kev_attribute_list(event, &out);
	check(r == 0 || r == -EINVAL || r == -E2BIG, "no attributes");
	kev_buf_clear(&out);
	r = kev_attribute_append(event, KEV_STR("message"), &out);
	check(r == 0 || r == -ENODATA || r == -EINVAL || r == -E2BIG, "no message");
	kev_buf_fini(&out);
	kev_buf_fini(&space);
	kev_json_destroy(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rest rest = {data, size};
	struct kev_event_parts parts = {.line_size = (uint64_t)take_number(&rest),
		.compact_size = (uint64_t)take_number(&rest),
		.mtime = take_number(&rest),
		.written = take_number(&rest),
		.last_seen = take_number(&rest),
		.ctime = take_number(&rest)};
	struct kev_str *const strings[] = {&parts.namespace_, &parts.name, &parts.uid,
		&parts.resource_version, &parts.object_api_version, &parts.object_kind,
		&parts.object_namespace, &parts.object_name, &parts.type, &parts.reason, &parts.node};
	struct kev_event *event = NULL;
	int r;

	for (size_t i = 0; i < KEV_ARRAY_LEN(strings); i++)
		*strings[i] = take_string(&rest, 255);
	/* The rest is its text. */
	parts.text = (struct kev_str){(const char *)rest.data, rest.size};
	r = kev_event_restore(&parts, words(), &event);
	check(r == 0 || r == -EINVAL, "no memory");
	check((r == 0) == (event != NULL), "an event where there is an error, or none");
	if (event)
		use(event, &parts);
	/* What it shares with the first, it shares only then. */
	for (int i = 0; i < 2 && event; i++) {
		struct kev_event *again = NULL;

		check(kev_event_restore(&parts, words(), &again) == 0, "restored once only");
		use(again, &parts);
		check(kev_event_same(event, again), "shared, and not the same");
		kev_event_unref(event);
		event = again;
	}
	kev_event_unref(event);
	check(kev_intern_count(words()) == 0, "a word that nobody has");
	return 0;
}
