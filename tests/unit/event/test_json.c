#include "../test.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/event/json.h"
#include "oracle.h"
#include "scanned.h"

static void assert_token(const struct kev_json *json, uint32_t index, enum kev_json_type type,
	const char *raw, uint32_t next, uint32_t count)
{
	const struct kev_json_token *token = kev_json_token(json, index);

	assert_int_equal(token->type, type);
	assert_str_equal(kev_json_raw(json, index), kev_str_c(raw));
	assert_int_equal(token->next, next);
	assert_int_equal(token->count, count);
	assert_true(kev_json_is(json, index, type));
}

static void test_scan_tokens(void **state)
{
	struct kev_json *json =
		scanned(KEV_STR(" {\"a\" :[-1,[ ],{}, 2e3],\n\"\":\"x\\n\",\t\"b\":\r{\"c\":null}} "));

	(void)state;
	assert_token(json, 0, KEV_JSON_OBJECT,
		"{\"a\" :[-1,[ ],{}, 2e3],\n\"\":\"x\\n\",\t\"b\":\r{\"c\":null}}", 13, 3);
	assert_token(json, 1, KEV_JSON_STRING, "a", 2, 0);
	assert_token(json, 2, KEV_JSON_ARRAY, "[-1,[ ],{}, 2e3]", 7, 4);
	assert_token(json, 3, KEV_JSON_NUMBER, "-1", 4, 0);
	assert_token(json, 4, KEV_JSON_ARRAY, "[ ]", 5, 0);
	assert_token(json, 5, KEV_JSON_OBJECT, "{}", 6, 0);
	assert_token(json, 6, KEV_JSON_NUMBER, "2e3", 7, 0);
	assert_token(json, 7, KEV_JSON_STRING, "", 8, 0);
	assert_token(json, 8, KEV_JSON_STRING, "x\\n", 9, 0);
	assert_token(json, 9, KEV_JSON_STRING, "b", 10, 0);
	assert_token(json, 10, KEV_JSON_OBJECT, "{\"c\":null}", 13, 1);
	assert_token(json, 11, KEV_JSON_STRING, "c", 12, 0);
	assert_token(json, 12, KEV_JSON_NULL, "null", 13, 0);
	assert_false(kev_json_is(json, 13, KEV_JSON_NULL));
	assert_false(kev_json_is(json, KEV_JSON_NONE, KEV_JSON_NULL));
	kev_json_destroy(json);
}

static void test_scan_valid(void **state)
{
	static const char *const cases[] = {"0", "-0", "-0.0e-0", "1E+9", "10", "0.5", "1e400", "true",
		"false", "null", "\"\"", "[]", "{}", " \t\r\n[ \t\r\n] \t\r\n", "[[[]]]", "{\"\":{\"\":{}}}",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00aF\"", "\"\x7f\"", "\"\xff\xfe\x80\"", "\"\\ud800\"",
		"99999999999999999999999999", "[1,1]", "{\"a\":1,\"a\":1}", "\"'\""};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++)
		kev_json_destroy(scanned(kev_str_c(cases[i])));
}

static void test_scan_invalid(void **state)
{
	static const struct {
		const char *text;
		int byte;
		const char *wrong;
	} cases[] = {
		{" ", 1, "the text ends"},
		{"x", 0, "expected a value"},
		{"nul", 0, "expected a value"},
		{"nulL", 0, "expected a value"},
		{"nullx", 4, "expected the end"},
		{"True", 0, "expected a value"},
		{"tru", 0, "expected a value"},
		{"+1", 0, "expected a value"},
		{".5", 0, "expected a value"},
		{"-", 1, "expected a digit"},
		{"-a", 1, "expected a digit"},
		{"01", 1, "expected the end"},
		{"-01", 2, "expected the end"},
		{"1.", 2, "expected a digit"},
		{"1.e5", 2, "expected a digit"},
		{"1e", 2, "expected a digit"},
		{"1e+", 3, "expected a digit"},
		{"1e5.5", 3, "expected the end"},
		{"0x1", 1, "expected the end"},
		{"1 2", 2, "expected the end"},
		{"NaN", 0, "expected a value"},
		{"-Infinity", 1, "expected a digit"},
		{"\"", 1, "the text ends inside a string"},
		{"\"abcdefghijkl", 13, "the text ends inside a string"},
		{"\"\\\"", 3, "the text ends inside a string"},
		{"\"\\", 1, "no such escape"},
		{"\"\\x\"", 1, "no such escape"},
		{"\"ab\\u12\"", 3, "no such escape"},
		{"\"\\u12g4\"", 1, "no such escape"},
		{"\"\\U0041\"", 1, "no such escape"},
		{"\"\\ud83d\\u12x4\"", 7, "no such escape"},
		{"\"a\nb\"", 2, "a control character"},
		{"\"abcdefghij\x1f\"", 11, "a control character"},
		{"'a'", 0, "expected a value"},
		{"[", 1, "the text ends"},
		{"[1", 2, "expected ',' or ']'"},
		{"[1,", 3, "the text ends"},
		{"[1,]", 3, "expected a value"},
		{"[,1]", 1, "expected a value"},
		{"[1 1]", 3, "expected ',' or ']'"},
		{"[1}", 2, "expected ',' or ']'"},
		{"[}", 1, "expected a value"},
		{"]", 0, "expected a value"},
		{"{", 1, "expected a key"},
		{"{]", 1, "expected a key"},
		{"{1:1}", 1, "expected a key"},
		{"{a:1}", 1, "expected a key"},
		{"{\"a\"", 4, "expected ':'"},
		{"{\"a\" 1}", 5, "expected ':'"},
		{"{\"a\":", 5, "the text ends"},
		{"{\"a\":}", 5, "expected a value"},
		{"{\"a\":1", 6, "expected ',' or '}'"},
		{"{\"a\":1]", 6, "expected ',' or '}'"},
		{"{\"a\":1,", 7, "expected a key"},
		{"{\"a\":1,}", 7, "expected a key"},
		{"{\"a\":1,,\"b\":1}", 7, "expected a key"},
		{"{}{}", 2, "expected the end"},
		{"[]]", 2, "expected the end"},
		{"\xef\xbb\xbf{}", 0, "expected a value"},
		{"\f1", 0, "expected a value"},
		{"\v1", 0, "expected a value"},
		{"\xc2\xa0", 0, "expected a value"},
		{"/**/1", 0, "expected a value"},
	};
	struct kev_json *json = kev_json_create();

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_error error = {""};
		char expected[100];

		assert_int_equal(kev_json_scan(json, kev_str_c(cases[i].text), &error), -EINVAL);
		snprintf(expected, sizeof(expected), "JSON, byte %d: %s", cases[i].byte, cases[i].wrong);
		if (strncmp(error.text, expected, strlen(expected)) != 0)
			fail_msg("%s: \"%s\" is not \"%s\"", cases[i].text, error.text, expected);
		assert_false(kev_json_is(json, 0, KEV_JSON_NULL));
		assert_int_equal(kev_json_get(json, 0, "a"), KEV_JSON_NONE);
	}
	kev_json_destroy(json);
}

static void test_scan_empty(void **state)
{
	struct kev_json *json = kev_json_create();
	struct kev_error error;

	(void)state;
	assert_int_equal(kev_json_scan(json, (struct kev_str){NULL, 0}, &error), -EINVAL);
	assert_string_equal(error.text, "an empty text is no JSON");
	assert_int_equal(kev_json_scan(json, KEV_STR("1\0"), &error), -EINVAL);
	assert_int_equal(kev_json_scan(json, KEV_STR("\0001"), NULL), -EINVAL);
	assert_int_equal(kev_json_scan(json, KEV_STR("\"a\0b\""), NULL), -EINVAL);
	assert_int_equal(kev_json_scan(json, KEV_STR("\"\\\0\""), NULL), -EINVAL);
	kev_json_destroy(json);
}

/* A failed scan leaves nothing of the one before, and a scanner is used again. */
static void test_scan_again(void **state)
{
	struct kev_json *json = kev_json_create();

	(void)state;
	assert_int_equal(kev_json_scan(json, KEV_STR("{\"a\":[1,2,3]}"), NULL), 0);
	assert_int_equal(kev_json_scan(json, KEV_STR("[1,"), NULL), -EINVAL);
	assert_false(kev_json_is(json, 0, KEV_JSON_ARRAY));
	assert_int_equal(kev_json_scan(json, KEV_STR("{\"b\":2}"), NULL), 0);
	assert_int_equal(kev_json_get(json, 0, "a"), KEV_JSON_NONE);
	assert_int_equal(kev_json_get(json, 0, "b"), 2);
	kev_json_destroy(json);
}

static struct kev_str nested(struct kev_buf *buf, size_t depth, const char *open, const char *close)
{
	kev_buf_clear(buf);
	for (size_t i = 0; i < depth; i++)
		kev_buf_append_c(buf, open);
	kev_buf_append_c(buf, "0");
	for (size_t i = 0; i < depth; i++)
		kev_buf_append_c(buf, close);
	return kev_buf_str(buf);
}

static void test_scan_depth(void **state)
{
	struct kev_json *json = kev_json_create();
	struct kev_error error;
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 1U << 20);
	assert_int_equal(kev_json_scan(json, nested(&buf, KEV_JSON_DEPTH_MAX, "[", "]"), NULL), 0);
	assert_int_equal(kev_json_scan(json, nested(&buf, KEV_JSON_DEPTH_MAX + 1, "[", "]"), &error), -E2BIG);
	assert_string_equal(error.text, "JSON, byte 1000: nested too deep");
	assert_false(kev_json_is(json, 0, KEV_JSON_ARRAY));
	assert_int_equal(kev_json_scan(json, nested(&buf, KEV_JSON_DEPTH_MAX, "{\"a\":", "}"), NULL), 0);
	assert_int_equal(
		kev_json_scan(json, nested(&buf, KEV_JSON_DEPTH_MAX + 1, "{\"a\":", "}"), NULL), -E2BIG);
	assert_int_equal(kev_json_scan(json, nested(&buf, 100000, "[", ""), NULL), -E2BIG);
	/* It is the depth that counts, not the number. */
	kev_buf_clear(&buf);
	kev_buf_append_c(&buf, "[[]");
	for (int i = 0; i < 5000; i++)
		kev_buf_append_c(&buf, ",{\"a\":[]}");
	kev_buf_append_c(&buf, "]");
	assert_int_equal(kev_json_scan(json, kev_buf_str(&buf), NULL), 0);
	assert_int_equal(kev_json_token(json, 0)->count, 5001);
	kev_buf_fini(&buf);
	kev_json_destroy(json);
}

static void test_scan_size(void **state)
{
	struct kev_json *json = kev_json_create();
	struct kev_error error;
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, KEV_JSON_TEXT_MAX + 1);
	kev_buf_append_c(&buf, "\"");
	kev_buf_append_fill(&buf, 'x', KEV_JSON_TEXT_MAX - 2);
	kev_buf_append_c(&buf, "\"");
	assert_int_equal(kev_json_scan(json, kev_buf_str(&buf), NULL), 0);
	assert_int_equal(kev_json_token(json, 0)->len, KEV_JSON_TEXT_MAX - 2);
	kev_buf_append_c(&buf, " ");
	assert_int_equal(kev_json_scan(json, kev_buf_str(&buf), &error), -E2BIG);
	assert_string_equal(error.text, "a JSON text of 17825793 bytes: the limit is 17825792");
	assert_false(kev_json_is(json, 0, KEV_JSON_STRING));
	kev_buf_fini(&buf);
	kev_json_destroy(json);
}

static void test_scan_tokens_cap(void **state)
{
	struct kev_json *json = kev_json_create();
	struct kev_error error;
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, KEV_JSON_TEXT_MAX);
	kev_buf_append_c(&buf, "[0");
	for (uint32_t i = 0; i < KEV_JSON_TOKENS_MAX - 2; i++)
		kev_buf_append_c(&buf, ",0");
	kev_buf_append_c(&buf, "]");
	assert_int_equal(kev_json_scan(json, kev_buf_str(&buf), NULL), 0);
	assert_int_equal(kev_json_token(json, 0)->next, KEV_JSON_TOKENS_MAX);
	buf.len--;
	kev_buf_append_c(&buf, ",0]");
	assert_int_equal(kev_json_scan(json, kev_buf_str(&buf), &error), -E2BIG);
	assert_string_equal(error.text, "JSON, byte 2097151: too many values");
	/* and what that took is not kept: the next small text begins anew */
	assert_int_equal(kev_json_scan(json, KEV_STR("[0]"), NULL), 0);
	kev_buf_fini(&buf);
	kev_json_destroy(json);
}

/* Eight bytes are looked at a time: each special byte at each place of a string, at each alignment. */
static void test_scan_string_places(void **state)
{
	static const struct {
		const char *text;
		int r;
		bool plain, same;
	} specials[] = {{"\"", -EINVAL, false, false}, {"\\", -EINVAL, false, false},
		{"\x1f", -EINVAL, false, false}, {"\\n", 0, false, false}, {" ", 0, true, true},
		{"\x7f", 0, true, true}, {"!", 0, true, true}, {"#", 0, true, true}, {"[", 0, true, true},
		{"]", 0, true, true}, {"<", 0, true, false}, {">", 0, true, false}, {"&", 0, true, false},
		{"=", 0, true, true}, {"'", 0, true, true}, {"\x80", 0, false, false},
		{"\xff", 0, false, false}, {"\xa2", 0, false, false}, {"\xc3\xa9", 0, true, true},
		{"\xe2\x82\xac", 0, true, true}, {"\xe2\x80\xa7", 0, true, true},
		{"\xe2\x80\xa8", 0, true, false}, {"\xe2\x80\xa9", 0, true, false},
		{"\xe2\x80\xaa", 0, true, true}, {"\xe2\x81\xa8", 0, true, true},
		{"\xf0\x9f\x98\x80", 0, true, true}, {"\xed\xa0\x80", 0, false, false}};
	struct kev_json *json = kev_json_create();

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(specials); i++) {
		for (size_t before = 0; before < 20; before++) {
			for (size_t after = 1; after < 20; after++) {
				size_t special = strlen(specials[i].text), len = 2 + before + special + after;
				char *text = malloc(len);

				assert_non_null(text);
				memset(text, 'x', len);
				text[0] = text[len - 1] = '"';
				memcpy(text + 1 + before, specials[i].text, special);
				assert_int_equal(kev_json_scan(json, (struct kev_str){text, len}, NULL),
					specials[i].r);
				if (!specials[i].r) {
					assert_int_equal(kev_json_token(json, 0)->len, len - 2);
					assert_int_equal(kev_json_token(json, 0)->plain, specials[i].plain);
					assert_int_equal(kev_json_token(json, 0)->same, specials[i].same);
				}
				free(text);
			}
		}
	}
	kev_json_destroy(json);
}

static void test_get(void **state)
{
	struct kev_json *json =
		scanned(KEV_STR("{\"a\":1,\"b\":{\"a\":2},\"\\u0061b\":3,\"a\":4,\"\":5,\"\xff\":6}"));

	(void)state;
	assert_str_equal(kev_json_raw(json, kev_json_get(json, 0, "a")), KEV_STR("4"));
	assert_str_equal(kev_json_raw(json, kev_json_get(json, 0, "ab")), KEV_STR("3"));
	assert_str_equal(kev_json_raw(json, kev_json_get(json, 0, "")), KEV_STR("5"));
	assert_str_equal(kev_json_raw(json, kev_json_get(json, 0, "\xef\xbf\xbd")), KEV_STR("6"));
	assert_str_equal(
		kev_json_raw(json, kev_json_get(json, kev_json_get(json, 0, "b"), "a")), KEV_STR("2"));
	assert_int_equal(kev_json_get(json, 0, "c"), KEV_JSON_NONE);
	assert_int_equal(kev_json_get(json, 0, "A"), KEV_JSON_NONE);
	assert_int_equal(kev_json_get(json, 0, "\\u0061b"), KEV_JSON_NONE);
	assert_int_equal(kev_json_get(json, KEV_JSON_NONE, "a"), KEV_JSON_NONE);
	assert_int_equal(kev_json_get(json, 2, "a"), KEV_JSON_NONE);
	kev_json_destroy(json);
}

static void test_get_many(void **state)
{
	static const struct kev_str keys[] = {{"c", 1}, {"a", 1}, {"x", 1}, {"n\0", 2}};
	struct kev_json *json =
		scanned(KEV_STR("{\"a\":1,\"n\\u0000\":[2,3],\"n\":4,\"a\":{\"c\":5},\"c\":6}"));
	uint32_t values[KEV_ARRAY_LEN(keys)];

	(void)state;
	kev_json_get_many(json, 0, keys, KEV_ARRAY_LEN(keys), values);
	assert_str_equal(kev_json_raw(json, values[0]), KEV_STR("6"));
	assert_str_equal(kev_json_raw(json, values[1]), KEV_STR("{\"c\":5}"));
	assert_int_equal(values[2], KEV_JSON_NONE);
	assert_str_equal(kev_json_raw(json, values[3]), KEV_STR("[2,3]"));
	kev_json_get_many(json, KEV_JSON_NONE, keys, KEV_ARRAY_LEN(keys), values);
	for (size_t i = 0; i < KEV_ARRAY_LEN(keys); i++)
		assert_int_equal(values[i], KEV_JSON_NONE);
	kev_json_destroy(json);
}

static void assert_decoded(struct kev_str text, struct kev_str expected)
{
	struct kev_json *json = scanned(text);
	struct kev_buf buf;

	kev_buf_init(&buf, 100);
	assert_int_equal(kev_json_append_string(json, 0, &buf), 0);
	assert_str_equal(kev_buf_str(&buf), expected);
	assert_true(kev_json_string_is(json, 0, expected));
	if (expected.len) {
		assert_false(kev_json_string_is(json, 0, (struct kev_str){expected.data, expected.len - 1}));
		assert_false(
			kev_json_string_is(json, 0, (struct kev_str){expected.data + 1, expected.len - 1}));
	}
	kev_buf_append_char(&buf, 'x');
	assert_false(kev_json_string_is(json, 0, kev_buf_str(&buf)));
	kev_buf_fini(&buf);
	kev_json_destroy(json);
}

#define FFFD "\xef\xbf\xbd"

static void test_append_string_decodes(void **state)
{
	(void)state;
	assert_decoded(KEV_STR("\"\""), KEV_STR(""));
	assert_decoded(KEV_STR("\"abc\x7f\""), KEV_STR("abc\x7f"));
	assert_decoded(KEV_STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), KEV_STR("\"\\/\b\f\n\r\t"));
	assert_decoded(KEV_STR("\"\\u0000\\u001F\\u00e9\\u20aC\\uffff\""),
		KEV_STR("\0\x1f\xc3\xa9\xe2\x82\xac\xef\xbf\xbf"));
	assert_decoded(
		KEV_STR("\"\\ud83d\\ude00\\uDBFF\\uDFFF\""), KEV_STR("\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"));
	assert_decoded(KEV_STR("\"\\ud800\""), KEV_STR(FFFD));
	assert_decoded(KEV_STR("\"\\udc00\\ud800\""), KEV_STR(FFFD FFFD));
	assert_decoded(KEV_STR("\"\\ud800\\ud800\\udc00\""), KEV_STR(FFFD "\xf0\x90\x80\x80"));
	assert_decoded(KEV_STR("\"\\ud800\\u0041\""), KEV_STR(FFFD "A"));
	assert_decoded(KEV_STR("\"\\ud800\\n\""), KEV_STR(FFFD "\n"));
	assert_decoded(KEV_STR("\"\\ud800u0041\""), KEV_STR(FFFD "u0041"));
	assert_decoded(KEV_STR("\"\\ud83d\\\\ude00\""), KEV_STR(FFFD "\\ude00"));
	assert_decoded(KEV_STR("\"a\xff\xfe"
			       "b\""),
		KEV_STR("a" FFFD FFFD "b"));
	assert_decoded(KEV_STR("\"\xed\xa0\xbd\xed\xb8\x80\""), KEV_STR(FFFD FFFD FFFD FFFD FFFD FFFD));
	assert_decoded(KEV_STR("\"\xe2\x82\""), KEV_STR(FFFD FFFD));
	assert_decoded(KEV_STR("\"\xc0\x80\xf5\""), KEV_STR(FFFD FFFD FFFD));
	assert_decoded(KEV_STR("\"\xf0\x9f\x98\x80\xef\xbb\xbf\""), KEV_STR("\xf0\x9f\x98\x80\xef\xbb\xbf"));
}

static void test_append_string_appends(void **state)
{
	struct kev_json *json = scanned(KEV_STR("[\"ab\",\"c\\n\",7]"));
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 4);
	assert_int_equal(kev_json_append_string(json, 1, &buf), 0);
	assert_int_equal(kev_json_append_string(json, 0, &buf), 0);
	assert_int_equal(kev_json_append_string(json, 3, &buf), 0);
	assert_int_equal(kev_json_append_string(json, KEV_JSON_NONE, &buf), 0);
	assert_int_equal(kev_json_append_string(json, 2, &buf), 0);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("abc\n"));
	assert_int_equal(kev_json_append_string(json, 1, &buf), -EMSGSIZE);
	assert_int_equal(kev_json_append_string(json, KEV_JSON_NONE, &buf), -EMSGSIZE);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("abc\n"));
	assert_false(kev_json_string_is(json, 0, KEV_STR("")));
	assert_false(kev_json_string_is(json, 3, KEV_STR("7")));
	assert_false(kev_json_string_is(json, KEV_JSON_NONE, KEV_STR("")));
	kev_buf_fini(&buf);
	kev_json_destroy(json);
}

/* A pseudo-random text, the same in every run. */
struct maker {
	struct kev_buf text;
	uint64_t seed;
};

static uint32_t pick(struct maker *m, uint32_t below)
{
	m->seed = m->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(m->seed >> 33) % below;
}

static void make_string(struct maker *m)
{
	static const char *const pieces[] = {"a", "name", "some longer text", "\\n", "\\\"", "\\\\",
		"\\u0041", "\\u20ac", "\\ud83d\\ude00", "\xc3\xa9", "\xe2\x80\xa8", "\xf0\x9f\x98\x80", "<",
		"&", "\x7f", " ", "/", "\\/", "\\u0000", "\\ud800", "\xff", "\xe2\x82", "\t", "\\x", "{", "]",
		",", ":"};
	/* What only one of the two takes is rare, or no text would be left to compare. */
	uint32_t last = pick(m, 16) ? 18 : KEV_ARRAY_LEN(pieces);

	kev_buf_append_char(&m->text, '"');
	for (uint32_t left = pick(m, 4); left > 0; left--)
		kev_buf_append_c(&m->text, pieces[pick(m, last)]);
	kev_buf_append_char(&m->text, '"');
}

static void make_scalar(struct maker *m)
{
	static const char *const numbers[] = {"0", "-0", "1", "-1", "123456789012345678",
		"9223372036854775807", "0.5", "-0.0", "1e5", "1E-5", "1.25e+10", "5e-324",
		"1.7976931348623157e308", "123.456", "9223372036854775808", "1e400", "01", "1.", "-", "+1",
		".5", "1e"};
	static const char *const literals[] = {"true", "false", "null", "nul", "True"};

	switch (pick(m, 3)) {
	case 0:
		kev_buf_append_c(&m->text, numbers[pick(m, pick(m, 16) ? 14 : KEV_ARRAY_LEN(numbers))]);
		break;
	case 1:
		kev_buf_append_c(&m->text, literals[pick(m, pick(m, 16) ? 3 : KEV_ARRAY_LEN(literals))]);
		break;
	default:
		make_string(m);
		break;
	}
}

static void make_value(struct maker *m, int depth)
{
	bool object = pick(m, 2);

	kev_buf_append_c(&m->text, pick(m, 8) ? "" : " \n\t\r");
	if (depth == 0 || pick(m, 3) == 0) {
		make_scalar(m);
		return;
	}
	kev_buf_append_char(&m->text, object ? '{' : '[');
	for (uint32_t count = pick(m, 5), i = 0; i < count; i++) {
		if (i)
			kev_buf_append_char(&m->text, ',');
		if (object) {
			make_string(m);
			kev_buf_append_c(&m->text, pick(m, 8) ? ":" : " : ");
		}
		make_value(m, depth - 1);
	}
	kev_buf_append_char(&m->text, object ? '}' : ']');
}

/* Break a text here and there. */
static void mutate(struct maker *m)
{
	size_t at = pick(m, (uint32_t)m->text.len);

	switch (pick(m, 3)) {
	case 0:
		m->text.data[at] = (char)pick(m, 256);
		break;
	case 1:
		m->text.len = at;
		break;
	default:
		memmove(m->text.data + at, m->text.data + at + 1, m->text.len - at - 1);
		m->text.len--;
		break;
	}
}

static void test_scan_agrees_with_jansson(void **state)
{
	struct maker m = {.seed = 20261123};
	struct kev_json *json = kev_json_create();
	size_t valid = 0, count = 30000;

	(void)state;
	kev_buf_init(&m.text, 1U << 20);
	for (size_t i = 0; i < count; i++) {
		const char *wrong;

		kev_buf_clear(&m.text);
		make_value(&m, 5);
		if (i % 4 == 0)
			mutate(&m);
		wrong = oracle_compare(json, kev_buf_str(&m.text));
		if (wrong)
			fail_msg("%s: %.*s", wrong, (int)m.text.len, m.text.data);
		valid += kev_json_scan(json, kev_buf_str(&m.text), NULL) == 0;
	}
	/* Both kinds of text were there. */
	assert_in_range(valid, count / 4, count * 9 / 10);
	kev_buf_fini(&m.text);
	kev_json_destroy(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan_tokens),
		cmocka_unit_test(test_scan_valid),
		cmocka_unit_test(test_scan_invalid),
		cmocka_unit_test(test_scan_empty),
		cmocka_unit_test(test_scan_again),
		cmocka_unit_test(test_scan_depth),
		cmocka_unit_test(test_scan_size),
		cmocka_unit_test(test_scan_tokens_cap),
		cmocka_unit_test(test_scan_string_places),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_many),
		cmocka_unit_test(test_append_string_decodes),
		cmocka_unit_test(test_append_string_appends),
		cmocka_unit_test(test_scan_agrees_with_jansson),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
