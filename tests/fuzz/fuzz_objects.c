/*
 * Any bytes as a stream of objects. In chunks of any size it gives what it gives whole; and it is split as
 * the scanner reads it: what is one valid JSON object is given as one; and all that is given, with the white
 * space between, is the text.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kevfs/base/buf.h"
#include "kevfs/event/json.h"
#include "kevfs/event/objects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that a stream gives. */
struct result {
	struct kev_str text;   /* the stream */
	struct kev_buf places; /* line, byte and length of each object */
	size_t given;          /* bytes of the stream up to the end of the last object */
	size_t count;
	int r;
	struct kev_objects_where broken_off;
	struct kev_error error;
};

static bool is_space(struct kev_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!strchr(" \t\r\n", s.data[i]) || !s.data[i])
			return false;
	}
	return true;
}

static int on_object(void *context, struct kev_str object, const struct kev_objects_where *where)
{
	struct result *result = context;
	uint64_t lines = 1;

	check(object.len >= 2 && object.data[0] == '{', "an object that is none");
	check(where->byte >= result->given && where->byte + object.len <= result->text.len,
		"outside of the text");
	check(memcmp(object.data, result->text.data + where->byte, object.len) == 0, "not what stands there");
	check(is_space((struct kev_str){result->text.data + result->given, where->byte - result->given}),
		"something between was left out");
	for (size_t i = 0; i < where->byte; i++)
		lines += result->text.data[i] == '\n';
	check(lines == where->line, "another line");
	result->given = where->byte + object.len;
	result->count++;
	kev_buf_printf(&result->places, "%llu %llu %zu\n", (unsigned long long)where->line,
		(unsigned long long)where->byte, object.len);
	return 0;
}

/* seed 0: all in one chunk. */
static void run(struct kev_str text, uint64_t seed, struct result *result)
{
	struct kev_objects *objects = kev_objects_create(on_object, result);

	memset(result, 0, sizeof(*result));
	result->text = text;
	kev_buf_init(&result->places, 64U << 20);
	check(objects != NULL, "no memory");
	while (text.len > 0 && !result->r) {
		size_t len = text.len;

		if (seed) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			len = 1 + (seed >> 40) % (seed >> 33 & 1 ? 3 : 40);
			len = len < text.len ? len : text.len;
		}
		result->r = kev_objects_feed(objects, (struct kev_str){text.data, len}, &result->error);
		text.data += len;
		text.len -= len;
	}
	if (!result->r)
		result->r = kev_objects_finish(objects, &result->broken_off, &result->error);
	check((result->r >= 0) == (result->error.text[0] == '\0'), "an error without a text");
	if (result->r == 0)
		check(is_space((struct kev_str){
			      result->text.data + result->given, result->text.len - result->given}),
			"something at the end was left out");
	if (result->r == 1)
		check(result->text.data[result->broken_off.byte] == '{', "broken off elsewhere");
	kev_objects_destroy(objects);
}

static void check_same(const struct result *a, const struct result *b)
{
	check(a->r == b->r, "another result");
	check(strcmp(a->error.text, b->error.text) == 0, "another error");
	check(kev_str_eq(kev_buf_str(&a->places), kev_buf_str(&b->places)), "other objects");
	check(memcmp(&a->broken_off, &b->broken_off, sizeof(a->broken_off)) == 0, "broken off elsewhere");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_str text = {(const char *)data, size};
	struct kev_json *json = kev_json_create();
	struct result whole, chunked;

	run(text, 0, &whole);
	for (uint64_t seed = 1; seed < 4; seed++) {
		run(text, seed * (size + 1), &chunked);
		check_same(&whole, &chunked);
		kev_buf_fini(&chunked.places);
	}
	if (kev_json_scan(json, text, NULL) == 0 && kev_json_is(json, 0, KEV_JSON_OBJECT))
		check(whole.r == 0 && whole.count == 1, "an object that was not given as one");
	kev_buf_fini(&whole.places);
	kev_json_destroy(json);
	return 0;
}
