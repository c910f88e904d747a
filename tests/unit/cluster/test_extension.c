#include "notation.h"

#include <errno.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/extension.h"

static int json_of(const char *notation, json_t **out, struct kev_error *error)
{
	struct kev_document *document = document_of(notation, NULL);
	int r;

	assert_non_null(document);
	r = kev_extension_json(document, kev_document_root(document), out, error);
	kev_document_destroy(document);
	return r;
}

static void assert_json(const char *notation, const char *expected)
{
	json_t *json = NULL;
	char *text;

	assert_int_equal(json_of(notation, &json, NULL), 0);
	text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

static void assert_refused(const char *notation, const char *text)
{
	json_t untouched = {.type = JSON_NULL}, *json = &untouched;
	struct kev_error error = {""};

	assert_int_equal(json_of(notation, &json, &error), -EINVAL);
	assert_string_equal(error.text, text);
	assert_ptr_equal(json, &untouched);
}

static void test_json_types(void **state)
{
	(void)state;
	assert_json("~", "null");
	assert_json("{ a yes b off c text d [ ] e { } f ~ }",
		"{\"a\":true,\"b\":false,\"c\":\"text\",\"d\":[],\"e\":{},\"f\":null}");
	assert_json("[ [ &x { a 1 } ] *x ]", "[[{\"a\":1}],{\"a\":1}]");
}

/* As yaml.v2 and strconv read them. */
static void test_json_numbers(void **state)
{
	(void)state;
	assert_json("[ 0 -0 7 -7 +7 1_000 0x1F -0X1f 0b101 0o17 017 08 0_9 ]",
		"[0,0,7,-7,7,1000,31,-31,5,15,15,8.0,9.0]");
	assert_json("[ 1.5 -1.5 .5 1. 1e3 -1E-3 0.0 ]", "[1.5,-1.5,0.5,1.0,1000.0,-0.001,0.0]");
	assert_json("[ 9223372036854775807 -9223372036854775807 18446744073709551615 0xffffffffffffffff ]",
		"[9223372036854775807,-9223372036854775807,1.8446744073709552e19,1.8446744073709552e19]");
	assert_refused("[ .inf ]", "a number that JSON does not have");
	assert_refused("-.INF", "a number that JSON does not have");
	assert_refused(".nan", "a number that JSON does not have");
}

static void test_json_keys(void **state)
{
	(void)state;
	/* The last one counts. */
	assert_json("{ a 1 << { a 2 b 2 } b 3 }", "{\"a\":2,\"b\":3}");
	assert_refused("{ 7 a }", "a key that is not text");
	assert_refused("{ yes a }", "a key that is not text");
	assert_refused("{ << 7 }", "a merge key (<<) takes a mapping or a list of mappings");
}

/* Aliases multiply: values, depth, bytes. */
static void test_json_bounds(void **state)
{
	struct kev_buf text;

	(void)state;
	kev_buf_init(&text, 1U << 20);
	kev_buf_append_c(&text, "[ &a0 [ x x x x x x x x x x ] ");
	for (int i = 1; i < 5; i++) {
		kev_buf_printf(&text, "&a%d [ ", i);
		for (int j = 0; j < 10; j++)
			kev_buf_printf(&text, "*a%d ", i - 1);
		kev_buf_append_c(&text, "] ");
	}
	kev_buf_append_c(&text, "]");
	assert_refused(kev_buf_cstr(&text), "it holds too many values");
	kev_buf_clear(&text);
	kev_buf_append_c(&text, "[ &a0 [ x ] ");
	for (int i = 1; i < 100; i++)
		kev_buf_printf(&text, "&a%d [ *a%d ] ", i, i - 1);
	kev_buf_append_c(&text, "]");
	assert_refused(kev_buf_cstr(&text), "it is nested too deeply");
	for (int key = 0; key < 2; key++) {
		kev_buf_clear(&text);
		kev_buf_append_c(&text, key ? "[ &a { " : "[ &a ");
		kev_buf_append_fill(&text, 'x', 100000);
		kev_buf_append_c(&text, key ? " v } *a *a ]" : " *a *a ]");
		assert_refused(kev_buf_cstr(&text), "it is too large");
	}
	kev_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_types),
		cmocka_unit_test(test_json_numbers),
		cmocka_unit_test(test_json_keys),
		cmocka_unit_test(test_json_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
