#include "notation.h"

#include <errno.h>
#include <stdio.h>

static enum kev_document_type type_of(const char *text, const char *tag, bool plain)
{
	const struct kev_document_scalar scalar = {kev_str_c(text), kev_str_c(tag), plain};
	struct kev_document *document = kev_document_create();
	enum kev_document_type type;

	assert_non_null(document);
	assert_int_equal(kev_document_add_scalar(document, &scalar, KEV_STR(""), 1, NULL), 0);
	type = kev_document_type(kev_document_root(document));
	assert_str_equal(kev_document_text(kev_document_root(document)), kev_str_c(text));
	kev_document_destroy(document);
	return type;
}

/* As kubectl 1.36.3 takes each of these for a token: text is accepted, the others are refused by their type.
 */
static void test_type_of_plain_scalars(void **state)
{
	static const struct {
		enum kev_document_type type;
		const char *texts[48];
	} cases[] = {
		{KEV_DOCUMENT_NULL, {"", "~", "null", "Null", "NULL"}},
		{KEV_DOCUMENT_FLAG,
			{"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N",
				"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}},
		{KEV_DOCUMENT_NUMBER,
			{"0", "-0", "+1", "08", "017", "1_000", "1__0", "1_", "-_1", "0x1F", "0X1f", "0x_1F",
				"0xffffffffffffffff", "-0x1", "+0x1", "0b101", "0B1", "-0b11", "0o17", "0O17",
				"1.5", ".5", "5.", "0.", "-.5", "+.5", ".5e3", "-.5e-3", "1e5", "1E+5",
				"1e1_0", "0e999", "1e-999", "1e308", "0.001e311", ".inf", "-.INF", "+.Inf",
				".nan", ".NaN", "18446744073709551616"}},
		{KEV_DOCUMENT_TEXT,
			{"yEs", "oN", "tRue", "nULL", "_1", "0x", "0X", "0xg", "0b2", "0o8", "-", "+", "_",
				".", "--1", "+-1", ".5e", "1e", "1e+", "1.2.3", "12:30", "2024-01-01",
				"1e999", "12e4567890", "-1e400", "0x1ffffffffffffffff", "+.iNf", "inf", "NaN",
				"e5", "1x", "abc", "<<", "=", "._5", "1e5x", "0b", "1-1"}},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		for (size_t j = 0; cases[i].texts[j]; j++) {
			if (type_of(cases[i].texts[j], "", true) != cases[i].type)
				fail_msg("%s is %d", cases[i].texts[j], type_of(cases[i].texts[j], "", true));
			/* In quotes anything is text. */
			assert_int_equal(type_of(cases[i].texts[j], "", false), KEV_DOCUMENT_TEXT);
		}
	}
}

static void test_type_of_long_numbers(void **state)
{
	char text[600];

	(void)state;
	memset(text, '1', sizeof(text));
	text[308] = '\0';
	assert_int_equal(type_of(text, "", true), KEV_DOCUMENT_NUMBER);
	/* Over a double's range. */
	memset(text, '1', 310);
	text[310] = '\0';
	assert_int_equal(type_of(text, "", true), KEV_DOCUMENT_TEXT);
	memset(text, '0', 310);
	assert_int_equal(type_of(text, "", true), KEV_DOCUMENT_NUMBER);
	/* "0b" and 64 digits, then 65. */
	memset(text, '1', 67);
	text[0] = '0';
	text[1] = 'b';
	text[66] = '\0';
	assert_int_equal(type_of(text, "", true), KEV_DOCUMENT_NUMBER);
	text[66] = '1';
	text[67] = '\0';
	assert_int_equal(type_of(text, "", true), KEV_DOCUMENT_TEXT);
}

static void test_type_of_tags(void **state)
{
	(void)state;
	assert_int_equal(type_of("1", "tag:yaml.org,2002:str", false), KEV_DOCUMENT_TEXT);
	assert_int_equal(type_of("1", "tag:yaml.org,2002:int", false), KEV_DOCUMENT_NUMBER);
	assert_int_equal(type_of("x", "tag:yaml.org,2002:int", false), KEV_DOCUMENT_BROKEN);
	assert_int_equal(type_of("1", "tag:yaml.org,2002:float", false), KEV_DOCUMENT_NUMBER);
	assert_int_equal(type_of("yes", "tag:yaml.org,2002:bool", false), KEV_DOCUMENT_FLAG);
	assert_int_equal(type_of("1", "tag:yaml.org,2002:bool", false), KEV_DOCUMENT_BROKEN);
	assert_int_equal(type_of("", "tag:yaml.org,2002:null", false), KEV_DOCUMENT_NULL);
	assert_int_equal(type_of("x", "tag:yaml.org,2002:null", false), KEV_DOCUMENT_BROKEN);
	assert_int_equal(type_of("YQ==", "tag:yaml.org,2002:binary", false), KEV_DOCUMENT_BROKEN);
	assert_int_equal(type_of("1", "!other", false), KEV_DOCUMENT_TEXT);
}

static void test_empty(void **state)
{
	struct kev_document *document = kev_document_create();

	(void)state;
	assert_non_null(document);
	assert_null(kev_document_root(document));
	kev_document_end(document); /* nothing is open: nothing happens */
	kev_document_destroy(document);
	kev_document_destroy(NULL);
}

static void test_sequence(void **state)
{
	struct kev_document *document = document_of("[ a\n&x { k v }\n*x yes ]", NULL);
	const struct kev_document_node *root, *node;

	(void)state;
	assert_non_null(document);
	root = kev_document_root(document);
	assert_int_equal(kev_document_type(root), KEV_DOCUMENT_SEQUENCE);
	node = kev_document_first(root);
	assert_str_equal(kev_document_text(node), KEV_STR("a"));
	assert_int_equal(kev_document_line(node), 1);
	node = kev_document_next(node);
	assert_int_equal(kev_document_type(node), KEV_DOCUMENT_MAPPING);
	assert_int_equal(kev_document_line(node), 2);
	node = kev_document_next(node);
	/* The alias: what it stands for, where it stands, and its own successor. */
	assert_int_equal(kev_document_type(node), KEV_DOCUMENT_MAPPING);
	assert_int_equal(kev_document_line(node), 3);
	node = kev_document_next(node);
	assert_int_equal(kev_document_type(node), KEV_DOCUMENT_FLAG);
	assert_true(kev_document_flag(node));
	assert_null(kev_document_next(node));
	kev_document_destroy(document);
}

/* Pick a and b of a document's root; "a,b" with "-" for what is not there. */
static void assert_picks(const char *notation, const char *expected)
{
	static const char *const names[] = {"a", "b"};
	struct kev_document *document = document_of(notation, NULL);
	const struct kev_document_node *values[2] = {NULL, NULL};
	char actual[64];

	assert_non_null(document);
	assert_int_equal(kev_document_pick(document, kev_document_root(document), names, 2, values, NULL), 0);
	snprintf(actual, sizeof(actual), "%s,%s", values[0] ? kev_document_text(values[0]).data : "-",
		values[1] ? kev_document_text(values[1]).data : "-");
	assert_string_equal(actual, expected);
	kev_document_destroy(document);
}

static void test_pick(void **state)
{
	(void)state;
	assert_picks("{ }", "-,-");
	assert_picks("{ a 1 b 2 c 3 }", "1,2");
	assert_picks("{ a 1 b 2 a 3 }", "3,2");
	assert_picks("{ x &k a *k 1 }", "1,-");
	assert_picks("{ a &v 1 b *v }", "1,1");
	/* Merge keys count where they stand; of several mappings the first wins. */
	assert_picks("{ m &m { a 1 b 2 } << *m b 3 }", "1,3");
	assert_picks("{ m &m { a 1 b 2 } b 3 << *m }", "1,2");
	assert_picks("{ << [ { a 1 } { a 2 b 2 } ] }", "1,2");
	assert_picks("{ m &m { a 1 } n &n { << *m b 2 } << *n }", "1,2");
	assert_picks("{ << [ ] a 1 }", "1,-");
}

static void assert_pick_fails(const char *notation, const char *text)
{
	static const char *const names[] = {"a"};
	struct kev_document *document = document_of(notation, NULL);
	const struct kev_document_node *const untouched = (const struct kev_document_node *)names;
	const struct kev_document_node *values[1] = {untouched};
	struct kev_error error = {""};

	assert_non_null(document);
	assert_int_equal(
		kev_document_pick(document, kev_document_root(document), names, 1, values, &error), -EINVAL);
	assert_string_equal(error.text, text);
	assert_ptr_equal(values[0], untouched);
	kev_document_destroy(document);
}

static void test_pick_broken_merge_keys(void **state)
{
	static const char text[] = "a merge key (<<) takes a mapping or a list of mappings";

	(void)state;
	assert_pick_fails("{ a 1 << b }", text);
	assert_pick_fails("{ a 1 << ~ }", text);
	assert_pick_fails("{ a 1 << [ b ] }", text);
	assert_pick_fails("{ a 1 l &l [ { } ] << *l }", text);
	assert_pick_fails("{ a 1 << [ { } [ ] ] }", text);
}

/* A chain of merge keys, each value of the next. */
static void test_pick_long_merge_chain(void **state)
{
	char notation[1024];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 17; i++)
		len += (size_t)snprintf(notation + len, sizeof(notation) - len, "{ << ");
	len += (size_t)snprintf(notation + len, sizeof(notation) - len, "{ a 1 } ");
	for (int i = 0; i < 17; i++)
		len += (size_t)snprintf(notation + len, sizeof(notation) - len, "} ");
	assert_pick_fails(notation, "merge keys lead through more than 16 mappings");
}

/* 10^9 pairs in 200 bytes. */
static void test_pick_bomb(void **state)
{
	char notation[2048];
	size_t len = 0;

	(void)state;
	len += (size_t)snprintf(notation, sizeof(notation), "{ x &x0 { a 1 } ");
	for (int i = 1; i < 10; i++) {
		len += (size_t)snprintf(notation + len, sizeof(notation) - len, "x &x%d { << [ ", i);
		for (int j = 0; j < 10; j++)
			len += (size_t)snprintf(notation + len, sizeof(notation) - len, "*x%d ", i - 1);
		len += (size_t)snprintf(notation + len, sizeof(notation) - len, "] } ");
	}
	snprintf(notation + len, sizeof(notation) - len, "<< *x9 }");
	assert_pick_fails(notation, "aliases or merge keys multiply it beyond all measure");
}

static void test_pick_too_many_names(void **state)
{
	const char *names[KEV_DOCUMENT_PICK_MAX + 1];
	const struct kev_document_node *values[KEV_DOCUMENT_PICK_MAX + 1] = {NULL};
	struct kev_document *document = document_of("{ a 1 }", NULL);

	(void)state;
	assert_non_null(document);
	for (size_t i = 0; i < KEV_ARRAY_LEN(names); i++)
		names[i] = "a";
	assert_int_equal(kev_document_pick(document, kev_document_root(document), names, KEV_ARRAY_LEN(names),
				 values, NULL),
		-EINVAL);
	assert_null(values[0]);
	assert_int_equal(kev_document_pick(document, kev_document_root(document), names,
				 KEV_DOCUMENT_PICK_MAX, values, NULL),
		0);
	assert_non_null(values[KEV_DOCUMENT_PICK_MAX - 1]);
	kev_document_destroy(document);
}

static void test_charge(void **state)
{
	struct kev_document *document = kev_document_create();
	struct kev_error error = {""};

	(void)state;
	assert_non_null(document);
	assert_int_equal(kev_document_charge(document, 64U << 20, &error), 0);
	assert_int_equal(kev_document_charge(document, 0, &error), 0);
	assert_int_equal(kev_document_charge(document, 1, &error), -EINVAL);
	assert_int_equal(kev_document_charge(document, SIZE_MAX, &error), -EINVAL);
	kev_document_destroy(document);
}

static void test_alias_errors(void **state)
{
	struct kev_error error = {""};

	(void)state;
	assert_null(document_of("{ a *hunter2 }", &error));
	assert_string_equal(
		error.text, "an alias (*) of an unknown anchor (&): text that begins with * needs quotes");
	assert_null(document_of("&x { a [ *x ] }", &error));
	assert_string_equal(error.text, "an alias (*) inside its own anchor (&)");
}

/* The latest anchor of a name counts, for the aliases behind it. */
static void test_anchor_again(void **state)
{
	(void)state;
	assert_picks("{ c &x 1 a *x d &x 2 b *x }", "1,2");
}

static void test_bounds(void **state)
{
	const struct kev_document_scalar scalar = {KEV_STR("x"), KEV_STR(""), true};
	struct kev_error error = {""};
	struct kev_document *document = kev_document_create();
	int r = 0;

	(void)state;
	assert_non_null(document);
	for (int i = 0; i < 128; i++)
		assert_int_equal(
			kev_document_begin(document, KEV_DOCUMENT_SEQUENCE, KEV_STR(""), 1, &error), 0);
	assert_int_equal(
		kev_document_begin(document, KEV_DOCUMENT_SEQUENCE, KEV_STR(""), 1, &error), -EINVAL);
	assert_string_equal(error.text, "nested more than 128 deep");
	for (int i = 0; i < 1024 && !r; i++)
		r = kev_document_add_scalar(document, &scalar, KEV_STR("x"), 1, &error);
	assert_int_equal(r, 0);
	assert_int_equal(kev_document_add_scalar(document, &scalar, KEV_STR("x"), 1, &error), -EINVAL);
	assert_string_equal(error.text, "more than 1024 anchors");
	for (int i = 0; i < 262144 - 128 - 1025 && !r; i++)
		r = kev_document_add_scalar(document, &scalar, KEV_STR(""), 1, &error);
	assert_int_equal(r, 0);
	assert_int_equal(kev_document_add_scalar(document, &scalar, KEV_STR(""), 1, &error), -EINVAL);
	assert_string_equal(error.text, "more than 262144 values");
	kev_document_destroy(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_type_of_plain_scalars),
		cmocka_unit_test(test_type_of_long_numbers),
		cmocka_unit_test(test_type_of_tags),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_pick),
		cmocka_unit_test(test_pick_broken_merge_keys),
		cmocka_unit_test(test_pick_long_merge_chain),
		cmocka_unit_test(test_pick_bomb),
		cmocka_unit_test(test_pick_too_many_names),
		cmocka_unit_test(test_charge),
		cmocka_unit_test(test_alias_errors),
		cmocka_unit_test(test_anchor_again),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
