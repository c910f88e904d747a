#include "../test.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "kevfs/event/print.h"
#include "scanned.h"

/* One recording: print/<case>.in gives print/<case>.out; an empty one says that kubectl refuses the object.
 */
static void check_recording(const char *directory, const char *name)
{
	struct kev_json *json = kev_json_create();
	char *in, *out;
	size_t in_len, out_len;
	struct kev_error error = {"it was printed"};
	struct kev_buf buf;
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	in = read_file(path, &in_len);
	memcpy(path + strlen(path) - 3, ".out", 5);
	out = read_file(path, &out_len);
	kev_buf_init(&buf, 1U << 20);
	kev_buf_append_c(&buf, "before");
	r = kev_json_scan(json, (struct kev_str){in, in_len}, &error);
	if (!r)
		r = kev_print_event(json, 0, &buf);
	if (r != (out_len ? 0 : -EINVAL))
		fail_msg("%s: %d (%s)", name, r, error.text);
	assert_memory_equal(buf.data, "before", 6);
	if (buf.len != 6 + out_len || memcmp(buf.data + 6, out, out_len) != 0)
		fail_msg("%s: not what kubectl prints, but\n%.*s", name, (int)buf.len, buf.data);
	kev_buf_fini(&buf);
	kev_json_destroy(json);
	free(in);
	free(out);
}

static void test_event_recordings(void **state)
{
	const char *directory = KEVFS_TEST_DIR "/print";
	DIR *dir = opendir(directory);
	struct dirent *entry;
	size_t count = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len > 3 && strcmp(entry->d_name + len - 3, ".in") == 0) {
			check_recording(directory, entry->d_name);
			count++;
		}
	}
	closedir(dir);
	assert_true(count >= 100);
}

static void assert_printed(struct kev_str text, uint32_t index, const char *expected)
{
	struct kev_json *json = scanned(text);
	struct kev_buf buf;

	kev_buf_init(&buf, 1000);
	assert_int_equal(kev_print_event(json, index, &buf), 0);
	assert_string_equal(kev_buf_cstr(&buf), expected);
	kev_buf_fini(&buf);
	kev_json_destroy(json);
}

/* kubectl refuses these. Nothing is lost by showing them. */
static void test_event_without_kind(void **state)
{
	(void)state;
	assert_printed(KEV_STR("{\"apiVersion\":\"v1\"}"), 0,
		"{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Event\"\n}\n");
	assert_printed(KEV_STR("{\"apiVersion\":\"a/b/c\",\"kind\":[1]}"), 0,
		"{\n    \"apiVersion\": \"a/b/c\",\n    \"kind\": \"Event\"\n}\n");
	assert_printed(KEV_STR("{\"apiVersion\":7}"), 0,
		"{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Event\"\n}\n");
}

/* The object can stand anywhere in a text: metadata and kind are its own, not the root's. */
static void test_event_inside(void **state)
{
	(void)state;
	assert_printed(KEV_STR("{\"object\":{\"metadata\":{\"managedFields\":[],\"a\":{}}},\"metadata\":{}}"),
		2,
		"{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Event\",\n    \"metadata\": {\n"
		"        \"a\": {}\n    }\n}\n");
}

static void test_event_is_no_object(void **state)
{
	struct kev_json *json = scanned(KEV_STR("[{},\"x\"]"));
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 100);
	assert_int_equal(kev_print_event(json, 0, &buf), -EINVAL);
	assert_int_equal(kev_print_event(json, 2, &buf), -EINVAL);
	assert_int_equal(kev_print_event(json, KEV_JSON_NONE, &buf), -EINVAL);
	assert_int_equal(buf.len, 0);
	kev_buf_fini(&buf);
	kev_json_destroy(json);
}

static void test_event_over_cap(void **state)
{
	struct kev_str text =
		KEV_STR("{\"b\":\"x\\n<\",\"a\":[1.5,2,{\"k\\n\":null}],\"metadata\":{\"name\":\"a\"}}");
	struct kev_json *json = scanned(text);
	struct kev_buf whole, buf;

	(void)state;
	kev_buf_init(&whole, 1000);
	assert_int_equal(kev_print_event(json, 0, &whole), 0);
	for (size_t cap = 0; cap <= whole.len; cap++) {
		kev_buf_init(&buf, cap);
		assert_int_equal(kev_print_event(json, 0, &buf), cap < whole.len ? -EMSGSIZE : 0);
		assert_int_equal(buf.len, cap < whole.len ? 0 : whole.len);
		kev_buf_fini(&buf);
	}
	kev_buf_fini(&whole);
	kev_json_destroy(json);
}

/* A text whose printed form is about 2000 times as long: it ends at the cap, and soon. */
static void test_event_of_indentation(void **state)
{
	struct kev_json *json;
	struct kev_buf text, buf;

	(void)state;
	kev_buf_init(&text, 1U << 20);
	kev_buf_init(&buf, 32U << 20);
	kev_buf_append_c(&text, "{\"a\":");
	kev_buf_append_fill(&text, '[', KEV_JSON_DEPTH_MAX - 1);
	for (int i = 0; i < 100000; i++)
		kev_buf_append_c(&text, "0,");
	kev_buf_append_c(&text, "0");
	kev_buf_append_fill(&text, ']', KEV_JSON_DEPTH_MAX - 1);
	kev_buf_append_c(&text, "}");
	json = scanned(kev_buf_str(&text));
	assert_int_equal(kev_print_event(json, 0, &buf), -EMSGSIZE);
	assert_int_equal(buf.len, 0);
	kev_buf_fini(&buf);
	kev_buf_fini(&text);
	kev_json_destroy(json);
}

/* More members than insertion sorts, with duplicates, in the order that is worst for it. */
static void test_event_of_many_members(void **state)
{
	const int count = 100000;
	struct kev_json *json;
	struct kev_buf text, buf, expected;

	(void)state;
	kev_buf_init(&text, 8U << 20);
	kev_buf_init(&buf, 8U << 20);
	kev_buf_init(&expected, 8U << 20);
	kev_buf_append_c(&text, "{\"apiVersion\":\"v1\",\"kind\":\"Event\"");
	kev_buf_append_c(&expected, "{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Event\"");
	for (int i = count - 1; i >= 0; i--)
		kev_buf_printf(&text, ",\"long-prefix-%06d\":1,\"long-\\u0070refix-%06d\":%d", i, i, i);
	for (int i = 0; i < count; i++)
		kev_buf_printf(&expected, ",\n    \"long-prefix-%06d\": %d", i, i);
	kev_buf_append_c(&text, "}");
	kev_buf_append_c(&expected, "\n}\n");
	json = scanned(kev_buf_str(&text));
	assert_int_equal(kev_print_event(json, 0, &buf), 0);
	assert_str_equal(kev_buf_str(&buf), kev_buf_str(&expected));
	kev_buf_fini(&expected);
	kev_buf_fini(&buf);
	kev_buf_fini(&text);
	kev_json_destroy(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event_recordings),
		cmocka_unit_test(test_event_without_kind),
		cmocka_unit_test(test_event_inside),
		cmocka_unit_test(test_event_is_no_object),
		cmocka_unit_test(test_event_over_cap),
		cmocka_unit_test(test_event_of_indentation),
		cmocka_unit_test(test_event_of_many_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
