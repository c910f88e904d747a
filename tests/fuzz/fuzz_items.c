/*
 * Any bytes as the body of a list. In chunks of any size it gives what it gives whole; and it is split as the
 * scanner reads it: a list that is valid JSON is accepted with the same items, and one that is accepted with
 * valid items is valid JSON.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kevfs/base/buf.h"
#include "kevfs/event/items.h"
#include "kevfs/event/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that a body gives, as bytes. */
struct result {
	struct kev_buf items; /* each item, and a NUL */
	struct kev_json *json;
	bool valid; /* every item is JSON */
	int r;
	struct kev_error error;
	char summary[200]; /* counts, and the members' beginnings */
};

static int on_item(void *context, struct kev_str item)
{
	struct result *result = context;

	check(item.len >= 2 && item.data[0] == '{', "an item that is no object");
	kev_buf_append_str(&result->items, item);
	kev_buf_append_char(&result->items, '\0');
	if (kev_json_scan(result->json, item, NULL))
		result->valid = false;
	return 0;
}

static void summarize(struct kev_items *items, struct result *result)
{
	struct kev_str kind = kev_items_kind(items), version = kev_items_resource_version(items),
		       token = kev_items_continue(items);

	snprintf(result->summary, sizeof(result->summary), "%zu %zu %llu %zu %zu %zu %.*s %.*s %.*s",
		kev_items_count(items), kev_items_oversized(items),
		(unsigned long long)kev_items_remaining(items), kind.len, version.len, token.len,
		(int)(kind.len < 30 ? kind.len : 30), kind.len ? kind.data : "",
		(int)(version.len < 30 ? version.len : 30), version.len ? version.data : "",
		(int)(token.len < 30 ? token.len : 30), token.len ? token.data : "");
}

/* seed 0: all in one chunk. */
static void run(struct kev_str text, uint64_t seed, struct result *result)
{
	struct kev_items *items = kev_items_create(on_item, result);

	memset(result, 0, sizeof(*result));
	kev_buf_init(&result->items, 64U << 20);
	result->json = kev_json_create();
	result->valid = true;
	check(items && result->json, "no memory");
	while (text.len > 0 && !result->r) {
		size_t len = text.len;

		if (seed) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			len = 1 + (seed >> 40) % (seed >> 33 & 1 ? 3 : 40);
			len = len < text.len ? len : text.len;
		}
		result->r = kev_items_feed(items, (struct kev_str){text.data, len}, &result->error);
		text.data += len;
		text.len -= len;
	}
	if (!result->r)
		result->r = kev_items_finish(items, &result->error);
	check((result->r == 0) == (result->error.text[0] == '\0'), "an error without a text");
	summarize(items, result);
	kev_items_destroy(items);
}

static void fini(struct result *result)
{
	kev_buf_fini(&result->items);
	kev_json_destroy(result->json);
}

static void check_same(const struct result *a, const struct result *b)
{
	check(a->r == b->r, "another result");
	check(strcmp(a->error.text, b->error.text) == 0, "another error");
	check(strcmp(a->summary, b->summary) == 0, "other members");
	check(kev_str_eq(kev_buf_str(&a->items), kev_buf_str(&b->items)), "other items");
}

/* Is the scanned root what we call a list: an object with one member items, an array of objects or null? */
static bool is_list(const struct kev_json *json)
{
	uint32_t key = 1, items = kev_json_get(json, 0, "items"), element;
	size_t count = 0;

	if (!kev_json_is(json, 0, KEV_JSON_OBJECT))
		return false;
	for (uint32_t left = kev_json_token(json, 0)->count; left > 0; left--) {
		count += kev_json_string_is(json, key, KEV_STR("items"));
		key = kev_json_token(json, key + 1)->next;
	}
	if (count != 1)
		return false;
	if (!kev_json_is(json, items, KEV_JSON_ARRAY))
		return kev_json_is(json, items, KEV_JSON_NULL);
	element = items + 1;
	for (uint32_t left = kev_json_token(json, items)->count; left > 0; left--) {
		if (!kev_json_is(json, element, KEV_JSON_OBJECT))
			return false;
		element = kev_json_token(json, element)->next;
	}
	return true;
}

static void check_items(const struct kev_json *json, const struct result *result)
{
	uint32_t items = kev_json_get(json, 0, "items"), element = items + 1;
	size_t at = 0;

	for (uint32_t left = kev_json_token(json, items)->count; left > 0; left--) {
		struct kev_str raw = kev_json_raw(json, element);

		check(result->items.len - at > raw.len &&
				memcmp(result->items.data + at, raw.data, raw.len) == 0 &&
				result->items.data[at + raw.len] == '\0',
			"another item than the scanner's");
		at += raw.len + 1;
		element = kev_json_token(json, element)->next;
	}
	check(at == result->items.len, "more items than the scanner's");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_str text = {(const char *)data, size};
	struct kev_json *json = kev_json_create();
	struct result whole, chunked;
	int r;

	run(text, 0, &whole);
	for (uint64_t seed = 1; seed < 4; seed++) {
		run(text, seed * (size + 1), &chunked);
		check_same(&whole, &chunked);
		fini(&chunked);
	}
	r = kev_json_scan(json, text, NULL);
	if (r == 0)
		check((whole.r == 0) == is_list(json), "a list refused, or something else accepted");
	if (r == 0 && whole.r == 0)
		check_items(json, &whole);
	if (whole.r == 0 && whole.valid)
		check(r == 0 || r == -E2BIG, "accepted, but no JSON");
	fini(&whole);
	kev_json_destroy(json);
	return 0;
}
