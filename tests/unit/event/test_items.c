#include "../test.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/event/items.h"
#include "kevfs/event/json.h"
#include "scanned.h"

/* What the callback got: each item and a newline. */
struct log {
	struct kev_buf items;
	int result; /* returned at the item number fail_at */
	size_t fail_at, calls;
};

static int on_item(void *context, struct kev_str item)
{
	struct log *log = context;

	log->calls++;
	if (log->result && log->calls == log->fail_at)
		return log->result;
	kev_buf_append_str(&log->items, item);
	kev_buf_append_char(&log->items, '\n');
	return log->items.error;
}

/* Feed a text in chunks of size bytes, each in memory of its own. */
static int feed(struct kev_items *items, struct kev_str text, size_t size, struct kev_error *error)
{
	int r = 0;

	for (size_t at = 0; at < text.len && !r; at += size) {
		size_t len = text.len - at < size ? text.len - at : size;
		char *chunk = malloc(len);

		assert_non_null(chunk);
		memcpy(chunk, text.data + at, len);
		r = kev_items_feed(items, (struct kev_str){chunk, len}, error);
		free(chunk);
	}
	return r ? r : kev_items_finish(items, error);
}

struct expected {
	const char *items, *kind, *resource_version, *continue_;
	uint64_t remaining;
	size_t count;
};

/* The same, whatever the chunks are. */
static void assert_list(const char *text, struct expected expected)
{
	struct kev_str whole = kev_str_c(text);

	for (size_t size = 1; size <= whole.len; size++) {
		struct log log = {.calls = 0};
		struct kev_items *items = kev_items_create(on_item, &log);
		struct kev_error error = {""};

		kev_buf_init(&log.items, 1U << 20);
		if (feed(items, whole, size, &error))
			fail_msg("%s, in chunks of %zu: %s", text, size, error.text);
		assert_str_equal(kev_buf_str(&log.items), kev_str_c(expected.items));
		assert_str_equal(kev_items_kind(items), kev_str_c(expected.kind));
		assert_str_equal(kev_items_resource_version(items), kev_str_c(expected.resource_version));
		assert_str_equal(kev_items_continue(items), kev_str_c(expected.continue_));
		assert_int_equal(kev_items_remaining(items), expected.remaining);
		assert_int_equal(kev_items_count(items), expected.count);
		assert_int_equal(kev_items_oversized(items), 0);
		kev_items_destroy(items);
		kev_buf_fini(&log.items);
	}
}

static void test_feed_api_server(void **state)
{
	(void)state;
	assert_list(
		"{\"kind\":\"EventList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"77\","
		"\"continue\":\"abc\",\"remainingItemCount\":12},\"items\":[{\"a\":1},{\"b\":[{}]},{}]}\n",
		(struct expected){"{\"a\":1}\n{\"b\":[{}]}\n{}\n", "EventList", "77", "abc", 12, 3});
}

static void test_feed_kubectl(void **state)
{
	(void)state;
	assert_list("{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n        {\n            \"a\": 1\n     "
		    "   },\n"
		    "        {}\n    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n"
		    "        \"resourceVersion\": \"\"\n    }\n}\n",
		(struct expected){"{\n            \"a\": 1\n        }\n{}\n", "List", "", "", 0, 2});
}

static void test_feed_no_items(void **state)
{
	(void)state;
	assert_list("{\"items\":[]}", (struct expected){"", "", "", "", 0, 0});
	assert_list("{\"kind\":\"PodList\",\"items\":null}", (struct expected){"", "PodList", "", "", 0, 0});
	assert_list(" \t\r\n{ \"items\" : [ \n ] , \"kind\" : \"A\" } \t\r\n",
		(struct expected){"", "A", "", "", 0, 0});
}

/* Brackets, quotes and backslashes inside of strings, wherever a chunk ends. */
static void test_feed_strings(void **state)
{
	(void)state;
	assert_list("{\"items\":[{\"a}\":\"]}{[\\\"\\\\\"},{\"b\":\"\\\\\\\\\",\"c\":\"\\u0022\"}],\"x\":\"]}"
		    "\\\"\",\"y\":"
		    "[\"}\",{\"]\":\"{\"}],\"items2\":{\"items\":[1]},\"it\\\"ems\":0}",
		(struct expected){"{\"a}\":\"]}{[\\\"\\\\\"}\n{\"b\":\"\\\\\\\\\",\"c\":\"\\u0022\"}\n", "",
			"", "", 0, 2});
}

static void test_feed_members(void **state)
{
	(void)state;
	/* scalars, the last of duplicates, escapes, other types */
	assert_list("{\"a\":1,\"b\":-1.5e5 "
		    ",\"c\":true,\"d\":null,\"kind\":\"A\",\"k\\u0069nd\":\"\\u0042\",\"items\":[],"
		    "\"metadata\":{\"continue\":\"x\"},\"metadata\":{\"resourceVersion\":\"1\"},\"z\":false}",
		(struct expected){"", "B", "1", "", 0, 0});
}

static void test_feed_odd_metadata(void **state)
{
	(void)state;
	assert_list("{\"metadata\":null,\"items\":[]}", (struct expected){"", "", "", "", 0, 0});
	assert_list("{\"metadata\":[],\"kind\":7,\"items\":[]}", (struct expected){"", "", "", "", 0, 0});
	assert_list("{\"metadata\":{\"resourceVersion\":7,\"continue\":null,\"remainingItemCount\":-1},"
		    "\"items\":[]}",
		(struct expected){"", "", "", "", 0, 0});
	assert_list("{\"metadata\":{\"remainingItemCount\":99999999999999999999},\"items\":[]}",
		(struct expected){"", "", "", "", 0, 0});
	assert_list("{\"metadata\":{\"remainingItemCount\":\"5\"},\"items\":[]}",
		(struct expected){"", "", "", "", 0, 0});
	assert_list("{\"\\u006detadata\":{\"resourceVersion\":\"\\u0037\"},\"\\u0069tems\":[{}]}",
		(struct expected){"{}\n", "", "7", "", 0, 1});
}

static void assert_refused(const char *text, const char *message)
{
	struct kev_str whole = kev_str_c(text);

	for (size_t size = 1; size <= whole.len + 1; size++) {
		struct log log = {.calls = 0};
		struct kev_items *items = kev_items_create(on_item, &log);
		struct kev_error error = {""};
		int r;

		kev_buf_init(&log.items, 1U << 20);
		r = feed(items, whole, size, &error);
		if (r != -EINVAL || strcmp(error.text, message) != 0)
			fail_msg("%s, in chunks of %zu: %d, \"%s\" is not \"%s\"", text, size, r, error.text,
				message);
		/* final */
		assert_int_equal(kev_items_feed(items, KEV_STR(" "), &error), -EINVAL);
		assert_string_equal(error.text, message);
		assert_int_equal(kev_items_finish(items, NULL), -EINVAL);
		kev_items_destroy(items);
		kev_buf_fini(&log.items);
	}
}

static void test_feed_invalid(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "list, byte 0: the text is broken off"},
		{" \n", "list, byte 2: the text is broken off"},
		{"404 page not found", "list, byte 0: expected '{': a list is an object"},
		{"[{}]", "list, byte 0: expected '{': a list is an object"},
		{"null", "list, byte 0: expected '{': a list is an object"},
		{"{", "list, byte 1: the text is broken off"},
		{"{}", "list, byte 2: no list: it has no items"},
		{"{,}", "list, byte 1: expected a key or '}'"},
		{"{\"kind\":\"Status\",\"code\":500}", "list, byte 28: no list: it has no items"},
		{"{\"items\":[]", "list, byte 11: the text is broken off"},
		{"{\"items\":[{}", "list, byte 12: the text is broken off"},
		{"{\"items\":[{}]", "list, byte 13: the text is broken off"},
		{"{\"items\":[{\"a\":\"", "list, byte 16: the text is broken off"},
		{"{\"items\":[{},", "list, byte 13: the text is broken off"},
		{"{\"items\":[]},", "list, byte 12: expected the end of the list"},
		{"{\"items\":[]}{\"items\":[]}", "list, byte 12: expected the end of the list"},
		{"{\"items\":[{}}", "list, byte 12: expected ',' or ']'"},
		{"{\"items\":[{},]}", "list, byte 13: expected an object"},
		{"{\"items\":[,{}]}", "list, byte 10: expected an object or ']'"},
		{"{\"items\":[{} {}]}", "list, byte 13: expected ',' or ']'"},
		{"{\"items\":[1]}", "list, byte 10: expected an object or ']'"},
		{"{\"items\":[[]]}", "list, byte 10: expected an object or ']'"},
		{"{\"items\":[{},\"a\"]}", "list, byte 13: expected an object"},
		{"{\"items\":{}}", "list, byte 11: items is neither an array nor null"},
		{"{\"items\":\"\"}", "list, byte 11: items is neither an array nor null"},
		{"{\"items\":7}", "list, byte 10: items is neither an array nor null"},
		{"{\"items\":[],\"items\":[]}", "list, byte 19: a second member called items"},
		{"{\"items\":null,\"\\u0069tems\":[]}", "list, byte 26: a second member called items"},
		{"{\"items\":[],}", "list, byte 12: expected a key"},
		{"{\"items\":[] \"a\":1}", "list, byte 12: expected ',' or '}'"},
		{"{\"items\" []}", "list, byte 9: expected ':'"},
		{"{items:[]}", "list, byte 1: expected a key or '}'"},
		{"{\"a\":nul,\"items\":[]}", "list, byte 8: a broken value ends here"},
		{"{\"a\":,\"items\":[]}", "list, byte 5: a broken value ends here"},
		{"{\"a\":01,\"items\":[]}", "list, byte 7: a broken value ends here"},
		{"{\"a\":[1,],\"items\":[]}", "list, byte 9: a broken value ends here"},
		{"{\"a\":[1},\"items\":[]}", "list, byte 8: a broken value ends here"},
		{"{\"a\":\"\\x\",\"items\":[]}", "list, byte 9: a broken value ends here"},
		{"{\"\\x\":1,\"items\":[]}", "list, byte 5: a broken key ends here"},
		{"{\"a\nb\":1,\"items\":[]}", "list, byte 6: a broken key ends here"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++)
		assert_refused(cases[i].text, cases[i].message);
}

/* Items are split, not validated: brackets that do not match are kev_json_scan's to refuse. */
static void test_feed_broken_item(void **state)
{
	(void)state;
	assert_list("{\"items\":[{\"a\":[}},{nonsense}]}",
		(struct expected){"{\"a\":[}}\n{nonsense}\n", "", "", "", 0, 2});
}

static void test_feed_callback_fails(void **state)
{
	struct kev_str text = KEV_STR("{\"items\":[{},{},{}]}");

	(void)state;
	for (size_t size = 1; size <= text.len; size++) {
		struct log log = {.result = -ENOSPC, .fail_at = 2};
		struct kev_items *items = kev_items_create(on_item, &log);
		struct kev_error error = {"untouched"};

		kev_buf_init(&log.items, 100);
		assert_int_equal(feed(items, text, size, &error), -ENOSPC);
		assert_int_equal(kev_items_feed(items, text, &error), -ENOSPC);
		assert_int_equal(kev_items_finish(items, &error), -ENOSPC);
		assert_string_equal(error.text, "untouched");
		assert_int_equal(log.calls, 2);
		assert_str_equal(kev_buf_str(&log.items), KEV_STR("{}\n"));
		kev_items_destroy(items);
		kev_buf_fini(&log.items);
	}
}

/* An item is there before the list has ended, and stays whatever comes behind it. */
static void test_feed_early(void **state)
{
	struct log log = {.calls = 0};
	struct kev_items *items = kev_items_create(on_item, &log);

	(void)state;
	kev_buf_init(&log.items, 100);
	assert_int_equal(kev_items_feed(items, KEV_STR("{\"kind\":\"L\",\"items\":[{\"a\":1}"), NULL), 0);
	assert_str_equal(kev_buf_str(&log.items), KEV_STR("{\"a\":1}\n"));
	assert_str_equal(kev_items_kind(items), KEV_STR("L"));
	assert_int_equal(kev_items_feed(items, (struct kev_str){NULL, 0}, NULL), 0);
	assert_int_equal(kev_items_feed(items, KEV_STR(",x"), NULL), -EINVAL);
	kev_items_destroy(items);
	kev_items_destroy(NULL);
	kev_buf_fini(&log.items);
}

static int count_bytes(void *context, struct kev_str item)
{
	*(size_t *)context += item.len;
	return 0;
}

static void append_item(struct kev_buf *text, size_t len)
{
	kev_buf_append_c(text, "{\"m\":\"");
	kev_buf_append_fill(text, 'x', len - 8);
	kev_buf_append_c(text, "\"}");
}

/* An item over the cap is left out, whether it comes in one chunk or in many; its neighbours are not. */
static void test_feed_oversized_item(void **state)
{
	static const size_t sizes[] = {SIZE_MAX, 1000003, 16384};
	struct kev_buf text;

	(void)state;
	kev_buf_init(&text, 64U << 20);
	kev_buf_append_c(&text, "{\"items\":[{},");
	append_item(&text, KEV_ITEMS_ITEM_MAX);
	kev_buf_append_c(&text, ",");
	append_item(&text, KEV_ITEMS_ITEM_MAX + 1);
	kev_buf_append_c(&text, ",{\"a\":1}]}");
	for (size_t i = 0; i < KEV_ARRAY_LEN(sizes); i++) {
		size_t bytes = 0, size = sizes[i] < text.len ? sizes[i] : text.len;
		struct kev_items *items = kev_items_create(count_bytes, &bytes);

		assert_int_equal(feed(items, kev_buf_str(&text), size, NULL), 0);
		assert_int_equal(kev_items_count(items), 3);
		assert_int_equal(kev_items_oversized(items), 1);
		assert_int_equal(bytes, 2 + KEV_ITEMS_ITEM_MAX + 7);
		kev_items_destroy(items);
	}
	kev_buf_fini(&text);
}

/* Beside the items, keys and values have a cap of their own. */
static void test_feed_large_member(void **state)
{
	struct kev_buf text;

	(void)state;
	kev_buf_init(&text, 4U << 20);
	for (size_t key = 0; key < 2; key++) {
		for (size_t over = 0; over < 2; over++) {
			for (size_t size = 4096; size <= 4U << 20; size *= 1024) {
				size_t bytes = 0, len = KEV_ITEMS_MEMBER_MAX - 2 + over;
				struct kev_items *items = kev_items_create(count_bytes, &bytes);
				struct kev_error error = {""};

				kev_buf_clear(&text);
				kev_buf_append_c(&text, key ? "{\"" : "{\"a\":\"");
				kev_buf_append_fill(&text, 'x', len);
				kev_buf_append_c(&text, key ? "\":1,\"items\":[]}" : "\",\"items\":[]}");
				assert_int_equal(
					feed(items, kev_buf_str(&text), size, &error), over ? -E2BIG : 0);
				assert_true(!over ||
					    strstr(error.text, "a member beside the items is too large"));
				kev_items_destroy(items);
			}
		}
	}
	kev_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed_api_server),
		cmocka_unit_test(test_feed_kubectl),
		cmocka_unit_test(test_feed_no_items),
		cmocka_unit_test(test_feed_strings),
		cmocka_unit_test(test_feed_members),
		cmocka_unit_test(test_feed_odd_metadata),
		cmocka_unit_test(test_feed_invalid),
		cmocka_unit_test(test_feed_broken_item),
		cmocka_unit_test(test_feed_callback_fails),
		cmocka_unit_test(test_feed_early),
		cmocka_unit_test(test_feed_oversized_item),
		cmocka_unit_test(test_feed_large_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
