#include "../test.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/json.h"
#include "kevfs/event/objects.h"

/* What the callback got: each object as LINE:BYTE:TEXT and a '|'. */
struct log {
	struct kev_buf text;
	int result; /* returned at the object number fail_at */
	size_t fail_at, calls;
};

static int on_object(void *context, struct kev_str text, const struct kev_objects_where *where)
{
	struct log *log = context;

	if (++log->calls == log->fail_at)
		return log->result;
	kev_buf_printf(&log->text, "%d:%d:", (int)where->line, (int)where->byte);
	kev_buf_append_str(&log->text, text);
	kev_buf_append_char(&log->text, '|');
	return log->text.error;
}

/* Feed a text in chunks of size bytes, each in memory of its own. @return the end's result */
static int feed(struct kev_objects *objects, struct kev_str text, size_t size,
	struct kev_objects_where *broken_off, struct kev_error *error)
{
	int r = 0;

	for (size_t at = 0; at < text.len && !r; at += size) {
		size_t len = text.len - at < size ? text.len - at : size;
		char *chunk = malloc(len);

		assert_non_null(chunk);
		memcpy(chunk, text.data + at, len);
		r = kev_objects_feed(objects, (struct kev_str){chunk, len}, error);
		free(chunk);
	}
	return r ? r : kev_objects_finish(objects, broken_off, error);
}

/* The same, whatever the chunks are. */
static void assert_objects(const char *text, const char *expected, int end, struct kev_objects_where at)
{
	struct kev_str whole = kev_str_c(text);

	for (size_t size = 1; size <= whole.len + 1; size++) {
		struct log log = {.calls = 0};
		struct kev_objects *objects = kev_objects_create(on_object, &log);
		struct kev_objects_where broken_off = {0, 0};
		struct kev_error error = {""};

		assert_non_null(objects);
		kev_buf_init(&log.text, 1U << 20);
		assert_int_equal(feed(objects, whole, size, &broken_off, &error), end);
		assert_str_equal(kev_buf_str(&log.text), kev_str_c(expected));
		assert_string_equal(error.text, "");
		assert_int_equal(broken_off.line, at.line);
		assert_int_equal(broken_off.byte, at.byte);
		assert_int_equal(kev_objects_oversized(objects), 0);
		kev_objects_destroy(objects);
		kev_buf_fini(&log.text);
	}
}

static const struct kev_objects_where nowhere = {0, 0};

static void test_feed_compact_and_pretty(void **state)
{
	(void)state;
	assert_objects("{\"a\":1}\n{\"b\":[{}]}\n", "1:0:{\"a\":1}|2:8:{\"b\":[{}]}|", 0, nowhere);
	assert_objects("{\n    \"a\": {\n    }\n}\n{\n    \"b\": 1\n}",
		"1:0:{\n    \"a\": {\n    }\n}|5:21:{\n    \"b\": 1\n}|", 0, nowhere);
	assert_objects("{}{} {}\r\n\t{}", "1:0:{}|1:2:{}|1:5:{}|2:10:{}|", 0, nowhere);
	assert_objects("\n\n  {\"x\":\"}{\\\"\\\\\"}\n", "3:4:{\"x\":\"}{\\\"\\\\\"}|", 0, nowhere);
	assert_objects("", "", 0, nowhere);
	assert_objects(" \n", "", 0, nowhere);
}

static void test_finish_broken_off(void **state)
{
	(void)state;
	assert_objects("{\"a\":1}\n{\"b\":", "1:0:{\"a\":1}|", 1, (struct kev_objects_where){2, 8});
	assert_objects("{", "", 1, (struct kev_objects_where){1, 0});
	assert_objects(
		"{}\n{\n    \"a\": {\n    },\n    \"b", "1:0:{}|", 1, (struct kev_objects_where){2, 3});
	assert_objects("{\"a\":\"{}\\\"", "", 1, (struct kev_objects_where){1, 0});
}

static void assert_refused(const char *text, const char *message)
{
	struct kev_str whole = kev_str_c(text);

	for (size_t size = 1; size <= whole.len; size++) {
		struct log log = {.calls = 0};
		struct kev_objects *objects = kev_objects_create(on_object, &log);
		struct kev_objects_where broken_off = {7, 7};
		struct kev_error error = {""};

		assert_non_null(objects);
		kev_buf_init(&log.text, 1U << 20);
		assert_int_equal(feed(objects, whole, size, &broken_off, &error), -EINVAL);
		assert_string_equal(error.text, message);
		/* final */
		error.text[0] = '\0';
		assert_int_equal(kev_objects_feed(objects, KEV_STR("{}"), &error), -EINVAL);
		assert_string_equal(error.text, message);
		assert_int_equal(kev_objects_finish(objects, &broken_off, NULL), -EINVAL);
		assert_int_equal(broken_off.line, 7);
		kev_objects_destroy(objects);
		kev_buf_fini(&log.text);
	}
}

static void test_feed_invalid(void **state)
{
	(void)state;
	assert_refused("x", "line 1 (byte 0): expected '{': there is nothing but objects here");
	assert_refused("{}\n{}\n [{}]", "line 3 (byte 7): expected '{': there is nothing but objects here");
	assert_refused("{}\n,{}", "line 2 (byte 3): expected '{': there is nothing but objects here");
	/* A bracket is missing somewhere, and so all that follows is inside. */
	assert_refused("{}\n{\"a\":{}\n{\"b\":{}}\n{}\n", "line 2 (byte 3): an object that never ends");
	assert_refused("{\"a\":\"\n{\"b\":1}\n", "line 1 (byte 0): an object that never ends");
}

static void test_feed_callback_stops(void **state)
{
	struct log log = {.result = -ECANCELED, .fail_at = 2};
	struct kev_objects *objects = kev_objects_create(on_object, &log);
	struct kev_objects_where broken_off;
	struct kev_error error = {""};

	(void)state;
	kev_buf_init(&log.text, 100);
	assert_int_equal(kev_objects_feed(objects, KEV_STR("{} {} {}"), &error), -ECANCELED);
	assert_string_equal(error.text, "");
	assert_int_equal(kev_objects_feed(objects, KEV_STR("{}"), &error), -ECANCELED);
	assert_int_equal(kev_objects_finish(objects, &broken_off, &error), -ECANCELED);
	assert_int_equal(log.calls, 2);
	kev_objects_destroy(objects);
	kev_buf_fini(&log.text);
}

/* An object of so many bytes, between two others, in chunks of size bytes. @return objects given */
static size_t feed_large(size_t len, size_t size, size_t *oversized)
{
	char *text = malloc(len + 4);
	struct log log = {.calls = 0};
	struct kev_objects *objects = kev_objects_create(on_object, &log);
	struct kev_objects_where broken_off;

	assert_non_null(text);
	memset(text, 'x', len + 4);
	memcpy(text, "{}{\"", 4);
	memcpy(text + len, "\"}{}", 4);
	kev_buf_init(&log.text, (size_t)64 << 20);
	assert_int_equal(feed(objects, (struct kev_str){text, len + 4}, size, &broken_off, NULL), 0);
	*oversized = kev_objects_oversized(objects);
	kev_objects_destroy(objects);
	kev_buf_fini(&log.text);
	free(text);
	return log.calls;
}

static void test_feed_leaves_out_over_cap(void **state)
{
	static const size_t sizes[] = {1U << 16, SIZE_MAX};
	size_t oversized;

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(sizes); i++) {
		assert_int_equal(feed_large(KEV_JSON_TEXT_MAX, sizes[i], &oversized), 3);
		assert_int_equal(oversized, 0);
		assert_int_equal(feed_large(KEV_JSON_TEXT_MAX + 1, sizes[i], &oversized), 2);
		assert_int_equal(oversized, 1);
	}
}

/* What is over the cap and does not end has swallowed the rest. */
static void test_finish_inside_of_what_is_over_cap(void **state)
{
	struct log log = {.calls = 0};
	struct kev_objects *objects = kev_objects_create(on_object, &log);
	struct kev_objects_where broken_off;
	struct kev_error error = {""};
	char chunk[65536];

	(void)state;
	memset(chunk, ' ', sizeof(chunk));
	assert_int_equal(kev_objects_feed(objects, KEV_STR("{"), NULL), 0);
	for (size_t fed = 0; fed <= KEV_JSON_TEXT_MAX; fed += sizeof(chunk))
		assert_int_equal(kev_objects_feed(objects, (struct kev_str){chunk, sizeof(chunk)}, NULL), 0);
	assert_int_equal(kev_objects_finish(objects, &broken_off, &error), -EINVAL);
	assert_string_equal(error.text, "line 1 (byte 0): an object that never ends");
	kev_objects_destroy(objects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed_compact_and_pretty),
		cmocka_unit_test(test_finish_broken_off),
		cmocka_unit_test(test_feed_invalid),
		cmocka_unit_test(test_feed_callback_stops),
		cmocka_unit_test(test_feed_leaves_out_over_cap),
		cmocka_unit_test(test_finish_inside_of_what_is_over_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
