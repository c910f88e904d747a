#include "../test.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../nomem.h"
#include "../words.h"
#include "kevfs/event/pack.h"

/* Packs a text as often as it takes until all of it is shared that will be, and compares what comes back each
 * time. @return bytes of the codes of the last */
static size_t assert_comes_back(const struct kev_pack_known *known, struct kev_str text)
{
	struct kev_pack packs[4];
	struct kev_buf codes[4];
	char *out = malloc(text.len + 1);
	size_t count = kev_intern_count(words()), last;

	assert_non_null(out);
	for (size_t i = 0; i < KEV_ARRAY_LEN(packs); i++) {
		kev_buf_init(&codes[i], text.len * 2 + 100);
		assert_int_equal(kev_pack_make(words(), known, text, &codes[i], &packs[i]), 0);
		for (size_t field = 0; field < KEV_PACK_FIELD_COUNT; field++)
			assert_str_equal(kev_pack_field(words(), &packs[i], kev_buf_str(&codes[i]),
						 (enum kev_pack_field)field),
				known->fields[field]);
		out[text.len] = 'x';
		kev_pack_expand(words(), &packs[i], known->own, known->time, kev_buf_str(&codes[i]), out);
		assert_int_equal(out[text.len], 'x');
		assert_memory_equal(out, text.data, text.len);
	}
	last = codes[KEV_ARRAY_LEN(codes) - 1].len;
	for (size_t i = 0; i < KEV_ARRAY_LEN(packs); i++) {
		kev_pack_release(words(), &packs[i], kev_buf_str(&codes[i]));
		kev_buf_fini(&codes[i]);
	}
	assert_int_equal(kev_intern_count(words()), count);
	free(out);
	return last;
}

static const struct kev_pack_known pod = {
	.own = {[KEV_PACK_NAME] = {"web-1.17f82d400041d81f", 22},
		[KEV_PACK_UID] = {"8a3c7a0e-5f6d-4b0e-9d3c-0123456789ab", 36},
		[KEV_PACK_RESOURCE_VERSION] = {"123456", 6}},
	.fields = {[KEV_PACK_NAMESPACE] = {"default", 7},
		[KEV_PACK_OBJECT_API_VERSION] = {"v1", 2},
		[KEV_PACK_OBJECT_KIND] = {"Pod", 3},
		[KEV_PACK_OBJECT_NAMESPACE] = {"default", 7},
		[KEV_PACK_OBJECT_NAME] = {"web-1", 5},
		[KEV_PACK_TYPE] = {"Normal", 6},
		[KEV_PACK_REASON] = {"Scheduled", 9},
		[KEV_PACK_NODE] = {"node-3", 6}},
};

#define TYPICAL                                                                 \
	"{\n"                                                                   \
	"    \"apiVersion\": \"v1\",\n"                                         \
	"    \"count\": 12,\n"                                                  \
	"    \"eventTime\": null,\n"                                            \
	"    \"firstTimestamp\": \"2026-11-23T00:00:00Z\",\n"                   \
	"    \"involvedObject\": {\n"                                           \
	"        \"apiVersion\": \"v1\",\n"                                     \
	"        \"kind\": \"Pod\",\n"                                          \
	"        \"name\": \"web-1\",\n"                                        \
	"        \"namespace\": \"default\",\n"                                 \
	"        \"resourceVersion\": \"4711\",\n"                              \
	"        \"uid\": \"00000000-ffff-4b0e-9d3c-0123456789ab\"\n"           \
	"    },\n"                                                              \
	"    \"kind\": \"Event\",\n"                                            \
	"    \"lastTimestamp\": \"2026-11-23T00:00:00Z\",\n"                    \
	"    \"message\": \"Successfully assigned default/web-1 to node-3\",\n" \
	"    \"metadata\": {\n"                                                 \
	"        \"creationTimestamp\": \"2026-11-23T00:00:00Z\",\n"            \
	"        \"name\": \"web-1.17f82d400041d81f\",\n"                       \
	"        \"namespace\": \"default\",\n"                                 \
	"        \"resourceVersion\": \"123456\",\n"                            \
	"        \"uid\": \"8a3c7a0e-5f6d-4b0e-9d3c-0123456789ab\"\n"           \
	"    },\n"                                                              \
	"    \"reason\": \"Scheduled\",\n"                                      \
	"    \"reportingComponent\": \"\",\n"                                   \
	"    \"reportingInstance\": \"\",\n"                                    \
	"    \"source\": {\n"                                                   \
	"        \"component\": \"default-scheduler\"\n"                        \
	"    },\n"                                                              \
	"    \"type\": \"Normal\"\n"                                            \
	"}\n"

/* It is worth its while. */
static void test_typical(void **state)
{
	(void)state;
	assert_in_range(assert_comes_back(&pod, KEV_STR(TYPICAL)), 5, 15);
}

/* A line of each kind of value, near values that are not quite of that kind. */
static void test_values(void **state)
{
	static const char *const values[] = {"0", "1", "127", "128", "999999999999999999",
		"9999999999999999999", "00", "01", "-1", "1.5", "1e3", "12x", "\"0\"", "\"00\"",
		"\"18446744073709551616\"", "\"1970-01-01T00:00:00Z\"", "\"2106-02-07T06:28:15Z\"",
		"\"2106-02-07T06:28:16Z\"", "\"2261-12-31T23:59:59Z\"", "\"2026-11-23t00:00:00Z\"",
		"\"2026-11-23T00:00:00z\"", "\"2026-11-23T00:00:00.000000Z\"",
		"\"2026-11-23T00:00:00.999999Z\"", "\"2026-11-23T00:00:00.12345Z\"",
		"\"2026-11-23T00:00:00.1234567Z\"", "\"2026-11-23T00:00:00+0:00Z\"",
		"\"2026-11-23T00:00:00+01:00\"", "\"2026-13-23T00:00:00Z\"",
		"\"2026-11-23T00:00:00.00001+00:00\"", "\"2026-11-23T00:00:0.000001Z\"",
		"\"00000000-0000-0000-0000-000000000000\"", "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
		"\"FFFFFFFF-ffff-ffff-ffff-ffffffffffff\"", "\"ffffffffaffff-ffff-ffff-ffffffffffff\"",
		"\"ffffffff-ffff-ffff-ffff-fffffffffffg\"", "\"\"", "\"\\\"\"", "\"a\\\",\"", "\",\"", "null",
		"true", "{}", "[]", "[", "{", "\"", "\"a", "a\"", "", ",", "\"web-1\"", "\"Web-1\"",
		"\"web-1web-1web-1\"", "\"on node-3 default of node-3default\"",
		"\"nodenode-3-3 webweb-1-1\"",
		"\"more than a hundred characters, so that its length takes two bytes as a varint, which is "
		"seven bits"
		" of each, and so 128 of them or more\""};
	char text[1000];

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(values); i++) {
		for (size_t j = 0; j < KEV_ARRAY_LEN(values); j++) {
			int len = snprintf(text, sizeof(text),
				"{\n    \"a\": %s,\n    \"b\": %s,\n  \"c\": %s\n}\n", values[i], values[j],
				values[i]);

			assert_comes_back(&pod, (struct kev_str){text, (size_t)len});
		}
	}
}

/* Whatever it is, and whatever is known. */
static void test_strange_texts(void **state)
{
	static const struct kev_pack_known nothing,
		marks = {.own = {{"\1\2\3", 3}},
			.fields = {{"\1ab", 3}, {"", 0}, {"\n\n\n", 3}, {"\3", 1}, {"\2\2\2", 3}, {"abc", 3},
				{"\"", 1}, {"\1\1\1", 3}}};
	static const char text[] =
		"\"a\": \"long enough: \1ab abc \2\2\2 \1\1\1\",\n \"b\": \0\n\"c\": \"\1\2\3\"\n\n\n";
	static const char *const texts[] = {"", "\n", "\"", "\"\"", "\"\":", "\"\": ", "\"\": \"",
		"\"\": \"\"", "\"\": 1", "\"\":1", "\"\": 1,", "\": 1", "\"a\": \"\n\"",
		"  \"a\\\": \"b\": \"c\"\n", "x", "\r\n\n\n\"x\"",
		"\"a\": \"long enough: abc default web-1\""};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(texts); i++) {
		assert_comes_back(&nothing, kev_str_c(texts[i]));
		assert_comes_back(&marks, kev_str_c(texts[i]));
		assert_comes_back(&pod, kev_str_c(texts[i]));
	}
	for (size_t len = 0; len <= sizeof(text); len++) {
		assert_comes_back(&marks, (struct kev_str){text, len});
		assert_comes_back(&marks, (struct kev_str){text + sizeof(text) - len, len});
	}
}

/* A name that looks like what stands for another one is not taken for that. */
static void test_names_of_marks(void **state)
{
	struct kev_pack_known hostile = pod;

	(void)state;
	hostile.fields[KEV_PACK_NODE] = KEV_STR("\1-x");
	assert_comes_back(&hostile, KEV_STR("\"message\": \"it is about web-1-x, as it seems\"\n"));
	hostile.fields[KEV_PACK_NODE] = KEV_STR("to \2");
	assert_comes_back(&hostile, KEV_STR("\"message\": \"it went to default and back\"\n"));
}

static void test_long_texts(void **state)
{
	struct kev_buf text;

	(void)state;
	/* Of more lines than there is room for values, and longer than is looked at. */
	for (size_t lines = 60; lines < 4000; lines = lines < 70 ? lines + 1 : 2 * lines) {
		kev_buf_init(&text, 1U << 20);
		for (size_t i = 0; i < lines; i++)
			kev_buf_printf(&text, "\"a\": \"%zu default\",\n", i);
		assert_int_equal(text.error, 0);
		assert_comes_back(&pod, kev_buf_str(&text));
		kev_buf_fini(&text);
	}
	for (size_t len = 2000; len < 20000; len += 13) {
		kev_buf_init(&text, 1U << 20);
		kev_buf_append_c(&text, "\"message\": \"web-1 ");
		kev_buf_append_fill(&text, 'w', len);
		kev_buf_append_c(&text, " node-3\"\n");
		assert_comes_back(&pod, kev_buf_str(&text));
		kev_buf_fini(&text);
	}
}

static int make_one(void *context)
{
	struct kev_intern *some = context;
	struct kev_pack pack;
	struct kev_buf codes;
	size_t count = kev_intern_count(some);
	int r;

	kev_buf_init(&codes, 10000);
	r = kev_pack_make(some, &pod, KEV_STR(TYPICAL), &codes, &pack);
	if (!r) {
		char out[sizeof(TYPICAL)];

		kev_pack_expand(some, &pack, pod.own, pod.time, kev_buf_str(&codes), out);
		assert_memory_equal(out, TYPICAL, sizeof(TYPICAL) - 1);
		kev_pack_release(some, &pack, kev_buf_str(&codes));
	}
	assert_int_equal(kev_intern_count(some), count);
	kev_buf_fini(&codes);
	return r;
}

static int make_three(void *context)
{
	struct kev_intern *some = kev_intern_create();
	int r = some ? 0 : -ENOMEM;

	(void)context;
	for (int i = 0; i < 3 && !r; i++)
		r = make_one(some);
	kev_intern_unref(some);
	return r;
}

/* What could have been shared is not, or nothing is held. */
static void test_make_without_memory(void **state)
{
	(void)state;
	assert_in_range(nomem_fail_some(make_three, NULL), 20, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typical),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_strange_texts),
		cmocka_unit_test(test_names_of_marks),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_make_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
