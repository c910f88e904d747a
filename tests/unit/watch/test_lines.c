#include "../test.h"

#include <errno.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/watch/lines.h"

/* What was given, a '|' behind each line. */
struct got {
	struct kev_buf text;
	int stop_at; /* the callback fails at this line; 0 never */
	int count;
};

static int collect(void *context, struct kev_str line)
{
	struct got *got = context;

	kev_buf_append_str(&got->text, line);
	kev_buf_append_char(&got->text, '|');
	return ++got->count == got->stop_at ? -ECANCELED : 0;
}

static void got_init(struct got *got)
{
	*got = (struct got){.stop_at = 0};
	kev_buf_init(&got->text, 1 << 20);
}

static void test_feed_every_cut(void **state)
{
	static const char body[] = "{\"a\":1}\n\n  \r\n{\"b\":\"x y\"}\r\nlong enough\ncut off";
	static const char expected[] = "{\"a\":1}|{\"b\":\"x y\"}\r|long enough|";
	size_t len = strlen(body);

	(void)state;
	/* Two cuts anywhere: a chunk ends where it likes. */
	for (size_t i = 0; i <= len; i++) {
		for (size_t j = i; j <= len; j++) {
			struct kev_lines *lines = kev_lines_create(100);
			const struct kev_str chunks[] = {{body, i}, {body + i, j - i}, {body + j, len - j}};
			struct got got;

			got_init(&got);
			assert_non_null(lines);
			for (size_t k = 0; k < KEV_ARRAY_LEN(chunks); k++)
				assert_int_equal(kev_lines_feed(lines, chunks[k], collect, &got), 0);
			assert_str_equal(kev_buf_str(&got.text), kev_str_c(expected));
			assert_int_equal(kev_lines_skipped(lines), 0);
			kev_buf_fini(&got.text);
			kev_lines_destroy(lines);
		}
	}
}

/* A line of exactly the cap is whole; one byte more is left out, however it comes. */
static void test_feed_skips_over_cap(void **state)
{
	static const char body[] = "12345678\n123456789\nok\n";
	size_t len = strlen(body);

	(void)state;
	for (size_t step = 1; step <= len; step++) {
		struct kev_lines *lines = kev_lines_create(8);
		struct got got;

		got_init(&got);
		for (size_t at = 0; at < len; at += step) {
			struct kev_str chunk = {body + at, step < len - at ? step : len - at};

			assert_int_equal(kev_lines_feed(lines, chunk, collect, &got), 0);
		}
		assert_str_equal(kev_buf_str(&got.text), KEV_STR("12345678|ok|"));
		assert_int_equal(kev_lines_skipped(lines), 1);
		kev_buf_fini(&got.text);
		kev_lines_destroy(lines);
	}
}

static void test_feed_counts_a_long_line_once(void **state)
{
	struct kev_lines *lines = kev_lines_create(4);
	struct got got;

	(void)state;
	got_init(&got);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(kev_lines_feed(lines, KEV_STR("xxxxxxxxxx"), collect, &got), 0);
	assert_int_equal(kev_lines_skipped(lines), 1);
	assert_int_equal(kev_lines_feed(lines, KEV_STR("x\nab\n"), collect, &got), 0);
	assert_str_equal(kev_buf_str(&got.text), KEV_STR("ab|"));
	assert_int_equal(kev_lines_skipped(lines), 1);
	kev_buf_fini(&got.text);
	kev_lines_destroy(lines);
}

static void test_feed_keeps_nul(void **state)
{
	struct kev_lines *lines = kev_lines_create(100);
	struct got got;

	(void)state;
	got_init(&got);
	assert_int_equal(kev_lines_feed(lines, KEV_STR("a\0b"), collect, &got), 0);
	assert_int_equal(kev_lines_feed(lines, KEV_STR("\0c\n"), collect, &got), 0);
	assert_str_equal(kev_buf_str(&got.text), KEV_STR("a\0b\0c|"));
	kev_buf_fini(&got.text);
	kev_lines_destroy(lines);
}

static void test_feed_callback_stops(void **state)
{
	struct kev_lines *lines = kev_lines_create(100);
	struct got got;

	(void)state;
	got_init(&got);
	got.stop_at = 2;
	assert_int_equal(kev_lines_feed(lines, KEV_STR("a\nb\nc\n"), collect, &got), -ECANCELED);
	assert_str_equal(kev_buf_str(&got.text), KEV_STR("a|b|"));
	kev_buf_fini(&got.text);
	kev_lines_destroy(lines);
}

static void test_reset_forgets_the_part(void **state)
{
	struct kev_lines *lines = kev_lines_create(8);
	struct got got;

	(void)state;
	got_init(&got);
	assert_int_equal(kev_lines_feed(lines, KEV_STR("a\nhal"), collect, &got), 0);
	kev_lines_reset(lines);
	assert_int_equal(kev_lines_feed(lines, KEV_STR("b\nmuch too long"), collect, &got), 0);
	kev_lines_reset(lines);
	assert_int_equal(kev_lines_feed(lines, KEV_STR("c\n"), collect, &got), 0);
	assert_str_equal(kev_buf_str(&got.text), KEV_STR("a|b|c|"));
	kev_buf_fini(&got.text);
	kev_lines_destroy(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed_every_cut),
		cmocka_unit_test(test_feed_skips_over_cap),
		cmocka_unit_test(test_feed_counts_a_long_line_once),
		cmocka_unit_test(test_feed_keeps_nul),
		cmocka_unit_test(test_feed_callback_stops),
		cmocka_unit_test(test_reset_forgets_the_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
