#include "../test.h"

#include <errno.h>

#include "kevfs/event/envelope.h"
#include "scanned.h"

static void assert_type(const char *text, enum kev_envelope_type type)
{
	struct kev_json *json = scanned(kev_str_c(text));
	struct kev_envelope envelope = {KEV_ENVELOPE_UNKNOWN, 0};

	assert_int_equal(kev_envelope_read(json, &envelope), 0);
	assert_int_equal(envelope.type, type);
	assert_int_equal(envelope.object, kev_json_get(json, 0, "object"));
	kev_json_destroy(json);
}

static void test_read_types(void **state)
{
	(void)state;
	assert_type("{\"type\":\"ADDED\",\"object\":{}}", KEV_ENVELOPE_ADDED);
	assert_type("{\"type\":\"MODIFIED\",\"object\":{\"type\":\"Normal\"}}", KEV_ENVELOPE_MODIFIED);
	assert_type("{\"object\":{\"type\":\"Normal\"},\"type\":\"DELETED\"}", KEV_ENVELOPE_DELETED);
	assert_type("{\"type\":\"BOOKMARK\",\"object\":{}}\n", KEV_ENVELOPE_BOOKMARK);
	assert_type("{\"type\":\"ERR\\u004fR\",\"object\":{}}", KEV_ENVELOPE_ERROR);
	assert_type("{\"type\":\"added\",\"object\":{}}", KEV_ENVELOPE_UNKNOWN);
	assert_type("{\"type\":\"\",\"object\":{}}", KEV_ENVELOPE_UNKNOWN);
	assert_type("{\"type\":\"ADDED\\u0000\",\"object\":{}}", KEV_ENVELOPE_UNKNOWN);
	assert_type(
		"{\"type\":\"ADDED\",\"type\":\"DELETED\",\"object\":1,\"object\":{}}", KEV_ENVELOPE_DELETED);
}

static void test_read_refused(void **state)
{
	static const char *const cases[] = {"{}", "[]", "null", "\"type\"", "{\"type\":\"ADDED\"}",
		"{\"object\":{}}", "{\"type\":\"ADDED\",\"object\":null}", "{\"type\":1,\"object\":{}}",
		"{\"type\":\"ADDED\",\"object\":[{}]}", "{\"kind\":\"Status\",\"code\":410}"};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_json *json = scanned(kev_str_c(cases[i]));
		struct kev_envelope envelope = {KEV_ENVELOPE_BOOKMARK, 77};

		assert_int_equal(kev_envelope_read(json, &envelope), -EINVAL);
		assert_int_equal(envelope.type, KEV_ENVELOPE_BOOKMARK);
		assert_int_equal(envelope.object, 77);
		kev_json_destroy(json);
	}
}

static void test_resource_version(void **state)
{
	static const char *const refused[] = {"{}", "{\"metadata\":{}}", "{\"metadata\":null}",
		"{\"metadata\":{\"resourceVersion\":7}}", "{\"metadata\":{\"resourceVersion\":\"\"}}",
		"{\"resourceVersion\":\"7\"}"};
	struct kev_json *json = scanned(KEV_STR("{\"metadata\":{\"resourceVersion\":\"1\\u0032\"}}"));
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 3);
	kev_buf_append_c(&buf, "x");
	assert_int_equal(kev_envelope_resource_version(json, 0, &buf), 0);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("x12"));
	assert_int_equal(kev_envelope_resource_version(json, 0, &buf), -EMSGSIZE);
	kev_json_destroy(json);
	kev_buf_clear(&buf);
	for (size_t i = 0; i < KEV_ARRAY_LEN(refused); i++) {
		json = scanned(kev_str_c(refused[i]));
		assert_int_equal(kev_envelope_resource_version(json, 0, &buf), -EINVAL);
		assert_int_equal(kev_envelope_resource_version(json, KEV_JSON_NONE, &buf), -EINVAL);
		assert_int_equal(buf.len, 0);
		assert_int_equal(buf.error, 0);
		kev_json_destroy(json);
	}
	kev_buf_fini(&buf);
}

static void test_kind(void **state)
{
	struct kev_json *json =
		scanned(KEV_STR("[{\"kind\":\"Status\"},{\"kind\":\"\"},{\"Kind\":\"x\"},{}]"));
	uint32_t index = 1;
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 100);
	assert_int_equal(kev_envelope_kind(json, index, &buf), 0);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("Status"));
	for (int i = 0; i < 3; i++) {
		index = kev_json_token(json, index)->next;
		assert_int_equal(kev_envelope_kind(json, index, &buf), -EINVAL);
	}
	assert_int_equal(kev_envelope_kind(json, KEV_JSON_NONE, &buf), -EINVAL);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("Status"));
	kev_buf_fini(&buf);
	kev_json_destroy(json);
}

static bool is_initial_end(const char *text)
{
	struct kev_json *json = scanned(kev_str_c(text));
	bool result = kev_envelope_is_initial_end(json, 0);

	kev_json_destroy(json);
	return result;
}

static void test_is_initial_end(void **state)
{
	(void)state;
	assert_true(
		is_initial_end("{\"kind\":\"Event\",\"metadata\":{\"resourceVersion\":\"9\",\"annotations\":"
			       "{\"k8s.io/initial-events-end\":\"true\"}}}"));
	assert_false(is_initial_end("{\"metadata\":{\"annotations\":{\"k8s.io/initial-events-end\":true}}}"));
	assert_false(
		is_initial_end("{\"metadata\":{\"annotations\":{\"k8s.io/initial-events-end\":\"false\"}}}"));
	assert_false(is_initial_end("{\"metadata\":{\"k8s.io/initial-events-end\":\"true\"}}"));
	assert_false(is_initial_end("{\"metadata\":{\"annotations\":null}}"));
	assert_false(is_initial_end("{\"metadata\":{}}"));
	assert_false(is_initial_end("[]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_types),
		cmocka_unit_test(test_read_refused),
		cmocka_unit_test(test_resource_version),
		cmocka_unit_test(test_kind),
		cmocka_unit_test(test_is_initial_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
