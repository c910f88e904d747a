#include "../test.h"

#include <errno.h>

#include "kevfs/event/metadata.h"
#include "scanned.h"

static int read_text(struct kev_metadata *metadata, struct kev_str text)
{
	struct kev_json *json = scanned(text);
	int r = kev_metadata_read(metadata, json, 0);

	kev_json_destroy(json);
	return r;
}

static void test_read_pod(void **state)
{
	struct kev_metadata metadata;

	(void)state;
	kev_metadata_init(&metadata);
	assert_int_equal(
		read_text(&metadata,
			KEV_STR("{\"kind\":\"PartialObjectMetadata\",\"metadata\":{\"name\":\"web-1\","
				"\"namespace\":\"shop\",\"resourceVersion\":\"77\",\"managedFields\":[{}],"
				"\"creationTimestamp\":\"1970-01-01T00:00:02Z\"}}")),
		0);
	assert_str_equal(kev_buf_str(&metadata.name), KEV_STR("web-1"));
	assert_str_equal(kev_buf_str(&metadata.namespace_), KEV_STR("shop"));
	assert_str_equal(kev_buf_str(&metadata.resource_version), KEV_STR("77"));
	assert_int_equal(metadata.created, 2000000000);
	kev_metadata_fini(&metadata);
}

/* Nothing of the object before shows through. */
static void test_read_again(void **state)
{
	struct kev_metadata metadata;

	(void)state;
	kev_metadata_init(&metadata);
	assert_int_equal(
		read_text(&metadata, KEV_STR("{\"metadata\":{\"name\":\"a-long-name\",\"namespace\":\"n\","
					     "\"resourceVersion\":\"1\",\"creationTimestamp\":"
					     "\"1970-01-01T00:00:02Z\"}}")),
		0);
	assert_int_equal(read_text(&metadata, KEV_STR("{\"metadata\":{\"name\":\"b\"}}")), 0);
	assert_str_equal(kev_buf_str(&metadata.name), KEV_STR("b"));
	assert_int_equal(metadata.namespace_.len, 0);
	assert_int_equal(metadata.resource_version.len, 0);
	assert_int_equal(metadata.created, 0);
	assert_int_equal(read_text(&metadata, KEV_STR("{\"metadata\":{\"name\":\"c\",\"creationTimestamp\":"
						      "null,\"namespace\":7}}")),
		0);
	assert_int_equal(metadata.created, 0);
	assert_int_equal(metadata.namespace_.len, 0);
	kev_metadata_fini(&metadata);
}

static void test_read_decodes(void **state)
{
	struct kev_metadata metadata;

	(void)state;
	kev_metadata_init(&metadata);
	assert_int_equal(
		read_text(&metadata, KEV_STR("{\"metadat\\u0061\":{\"name\":\"a\\u0000\\n\xff\"}}")), 0);
	assert_str_equal(kev_buf_str(&metadata.name), KEV_STR("a\0\n\xef\xbf\xbd"));
	kev_metadata_fini(&metadata);
}

static void test_read_without_name(void **state)
{
	static const char *const cases[] = {"{}", "[]", "null", "\"metadata\"", "{\"metadata\":null}",
		"{\"metadata\":{}}", "{\"metadata\":{\"name\":null}}", "{\"metadata\":{\"name\":\"\"}}",
		"{\"metadata\":{\"name\":[\"a\"]}}", "{\"name\":\"a\"}",
		"{\"metadata\":{\"name\":\"a\"},\"metadata\":{}}"};
	struct kev_metadata metadata;

	(void)state;
	kev_metadata_init(&metadata);
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++)
		assert_int_equal(read_text(&metadata, kev_str_c(cases[i])), -EINVAL);
	kev_metadata_fini(&metadata);
}

static void test_read_long_name(void **state)
{
	struct kev_metadata metadata;
	struct kev_buf text;

	(void)state;
	kev_metadata_init(&metadata);
	for (size_t len = 4096; len <= 4097; len++) {
		kev_buf_init(&text, 10000);
		kev_buf_append_c(&text, "{\"metadata\":{\"name\":\"");
		kev_buf_append_fill(&text, 'x', len);
		kev_buf_append_c(&text, "\"}}");
		assert_int_equal(read_text(&metadata, kev_buf_str(&text)), len == 4096 ? 0 : -EMSGSIZE);
		kev_buf_fini(&text);
	}
	/* and it can be used again */
	assert_int_equal(read_text(&metadata, KEV_STR("{\"metadata\":{\"name\":\"b\"}}")), 0);
	assert_str_equal(kev_buf_str(&metadata.name), KEV_STR("b"));
	kev_metadata_fini(&metadata);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_pod),
		cmocka_unit_test(test_read_again),
		cmocka_unit_test(test_read_decodes),
		cmocka_unit_test(test_read_without_name),
		cmocka_unit_test(test_read_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
