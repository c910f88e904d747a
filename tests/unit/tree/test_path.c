#include "../test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/hash.h"
#include "kevfs/tree/path.h"

/* A buffer with something in it, which an append must leave alone. */
#define BEFORE "before/"

static struct kev_buf made(void)
{
	struct kev_buf buf;

	kev_buf_init(&buf, 1 << 20);
	assert_int_equal(kev_buf_append_c(&buf, BEFORE), 0);
	return buf;
}

static void assert_made(struct kev_buf *buf, struct kev_str expected)
{
	struct kev_str all = kev_buf_str(buf), before = KEV_STR(BEFORE);

	assert_true(kev_str_starts(all, before));
	assert_str_equal(((struct kev_str){all.data + before.len, all.len - before.len}), expected);
	kev_buf_fini(buf);
}

static void assert_event(struct kev_str name, struct kev_str expected)
{
	struct kev_buf buf = made();

	assert_int_equal(kev_path_append_event(&buf, name), 0);
	assert_made(&buf, expected);
	assert_int_equal(kev_path_is_plain(name), kev_str_eq(name, expected));
}

static void test_append_event_plain(void **state)
{
	(void)state;
	assert_event(KEV_STR("web-1.17f82d400041d81f"), KEV_STR("web-1.17f82d400041d81f"));
	assert_event(KEV_STR(" "), KEV_STR(" "));
	assert_event(KEV_STR("..."), KEV_STR("..."));
	assert_event(KEV_STR("..a"), KEV_STR("..a"));
	assert_event(KEV_STR("-rf"), KEV_STR("-rf"));
	assert_event(KEV_STR("events"), KEV_STR("events"));
	assert_event(KEV_STR(".kevfs"), KEV_STR(".kevfs"));
	assert_event(KEV_STR("a\\b$(c)*?[~"), KEV_STR("a\\b$(c)*?[~"));
	assert_event(KEV_STR("fd00:10::1"), KEV_STR("fd00:10::1"));
	assert_event(KEV_STR("\xc3\xb6\xe2\x80\xae\xf0\x9f\x92\xa5"),
		KEV_STR("\xc3\xb6\xe2\x80\xae\xf0\x9f\x92\xa5"));
	assert_event(KEV_STR("\xc2\xa0"), KEV_STR("\xc2\xa0"));
}

static void test_append_event_escaped(void **state)
{
	(void)state;
	assert_event(KEV_STR(""), KEV_STR("%"));
	assert_event(KEV_STR("."), KEV_STR("%2E"));
	assert_event(KEV_STR(".."), KEV_STR("%2E%2E"));
	assert_event(KEV_STR("../../etc/passwd"), KEV_STR("..%2F..%2Fetc%2Fpasswd"));
	assert_event(KEV_STR("%"), KEV_STR("%25"));
	assert_event(KEV_STR("%2E"), KEV_STR("%252E"));
	assert_event(KEV_STR("a\0b"), KEV_STR("a%00b"));
	assert_event(KEV_STR("a\nb\x1f\x7f"), KEV_STR("a%0Ab%1F%7F"));
	/* C1: both bytes. */
	assert_event(KEV_STR("\xc2\x80\xc2\x85\xc2\x9f"), KEV_STR("%C2%80%C2%85%C2%9F"));
	/* No UTF-8: a lone continuation, overlong, a surrogate, over U+10FFFF, cut short. */
	assert_event(KEV_STR("\x80"), KEV_STR("%80"));
	assert_event(KEV_STR("\xc0\xaf"), KEV_STR("%C0%AF"));
	assert_event(KEV_STR("\xed\xa0\x80"), KEV_STR("%ED%A0%80"));
	assert_event(KEV_STR("\xf4\x90\x80\x80"), KEV_STR("%F4%90%80%80"));
	assert_event(KEV_STR("a\xe2\x82"), KEV_STR("a%E2%82"));
}

/* The same name, made of unit a number of times. */
static struct kev_buf repeated(const char *unit, size_t count)
{
	struct kev_buf buf;

	kev_buf_init(&buf, 1 << 20);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(kev_buf_append_c(&buf, unit), 0);
	return buf;
}

static void test_append_event_longest(void **state)
{
	struct kev_buf name = repeated("x", KEV_PATH_NAME_MAX);

	(void)state;
	assert_event(kev_buf_str(&name), kev_buf_str(&name));
	kev_buf_fini(&name);
}

/* unit, count times, is cut so that it begins with kept of those, escaped. */
static void assert_cut(const char *unit, size_t count, const char *escaped, size_t kept)
{
	struct kev_buf name = repeated(unit, count), whole = repeated(escaped, count),
		       expected = repeated(escaped, kept);
	char hex[33];

	kev_hash_hex128(kev_buf_str(&whole), hex);
	assert_int_equal(kev_buf_printf(&expected, "%%~%s", hex), 0);
	assert_true(expected.len <= KEV_PATH_NAME_MAX);
	assert_event(kev_buf_str(&name), kev_buf_str(&expected));
	kev_buf_fini(&name);
	kev_buf_fini(&whole);
	kev_buf_fini(&expected);
}

static void test_append_event_cut(void **state)
{
	(void)state;
	assert_cut("x", 256, "x", 221);
	assert_cut("x", 100000, "x", 221);
	/* 221 is no multiple of 2, 3 or 4: whole characters, whole escapes. */
	assert_cut("\xc3\xb6", 128, "\xc3\xb6", 110);
	assert_cut("\xe2\x82\xac", 100, "\xe2\x82\xac", 73);
	assert_cut("\xf0\x9f\x92\xa5", 64, "\xf0\x9f\x92\xa5", 55);
	assert_cut("/", 86, "%2F", 73);
	assert_cut("\xff", 86, "%FF", 73);
}

static void test_append_event_cut_differs(void **state)
{
	struct kev_buf a = repeated("x", 300), b = repeated("x", 301), one, two;

	(void)state;
	kev_buf_init(&one, 1000);
	kev_buf_init(&two, 1000);
	assert_int_equal(kev_path_append_event(&one, kev_buf_str(&a)), 0);
	assert_int_equal(kev_path_append_event(&two, kev_buf_str(&b)), 0);
	assert_false(kev_str_eq(kev_buf_str(&one), kev_buf_str(&two)));
	kev_buf_fini(&a);
	kev_buf_fini(&b);
	kev_buf_fini(&one);
	kev_buf_fini(&two);
}

static void test_append_event_no_room(void **state)
{
	struct kev_buf buf, name = repeated("x", 300);

	(void)state;
	kev_buf_init(&buf, 3);
	assert_int_equal(kev_path_append_event(&buf, KEV_STR("abcd")), -EMSGSIZE);
	assert_int_equal(buf.len, 0);
	kev_buf_clear(&buf);
	assert_int_equal(kev_path_append_event(&buf, KEV_STR("a/")), -EMSGSIZE);
	assert_int_equal(buf.len, 0);
	kev_buf_clear(&buf);
	assert_int_equal(kev_path_append_event(&buf, kev_buf_str(&name)), -EMSGSIZE);
	assert_int_equal(buf.len, 0);
	kev_buf_fini(&buf);
	kev_buf_fini(&name);
}

static void test_append_event_huge(void **state)
{
	size_t len = KEV_PATH_ESCAPED_MAX / 3 + 1;
	char *name = calloc(1, len);
	struct kev_buf buf;

	(void)state;
	assert_non_null(name);
	kev_buf_init(&buf, 1000);
	assert_int_equal(kev_path_append_event(&buf, (struct kev_str){name, len}), -EMSGSIZE);
	assert_int_equal(buf.len, 0);
	kev_buf_fini(&buf);
	free(name);
}

static void assert_namespace(struct kev_str name, struct kev_str expected)
{
	struct kev_buf buf = made();

	assert_int_equal(kev_path_append_namespace(&buf, name), 0);
	assert_made(&buf, expected);
}

static void test_append_namespace(void **state)
{
	(void)state;
	assert_namespace(KEV_STR("default"), KEV_STR("default"));
	assert_namespace(KEV_STR("events"), KEV_STR("events"));
	assert_namespace(KEV_STR("by-type"), KEV_STR("by-type"));
	assert_namespace(KEV_STR(""), KEV_STR("%"));
	assert_namespace(KEV_STR("a/b"), KEV_STR("a%2Fb"));
	assert_namespace(KEV_STR(".kevfs"), KEV_STR("%2Ekevfs"));
	assert_namespace(KEV_STR(".kevfs-1/"), KEV_STR("%2Ekevfs-1%2F"));
	assert_namespace(KEV_STR(".kevf"), KEV_STR(".kevf"));
	assert_namespace(KEV_STR("events.log"), KEV_STR("%65vents.log"));
	assert_namespace(KEV_STR("events."), KEV_STR("%65vents."));
	assert_namespace(KEV_STR("%65vents.log"), KEV_STR("%2565vents.log"));
}

static void assert_object(
	struct kev_str event_ns, struct kev_str object_ns, struct kev_str name, struct kev_str expected)
{
	struct kev_buf buf = made();

	assert_int_equal(kev_path_append_object(&buf, event_ns, object_ns, name), 0);
	assert_made(&buf, expected);
}

static void test_append_object(void **state)
{
	const struct kev_str ns = KEV_STR("shop");

	(void)state;
	assert_object(ns, ns, KEV_STR("web-1"), KEV_STR("web-1"));
	assert_object(ns, KEV_STR(""), KEV_STR("node-1"), KEV_STR("node-1"));
	assert_object(ns, KEV_STR("other"), KEV_STR("web-1"), KEV_STR("other:web-1"));
	assert_object(KEV_STR(""), KEV_STR("other"), KEV_STR("web-1"), KEV_STR("other:web-1"));
	assert_object(ns, ns, KEV_STR("other:web-1"), KEV_STR("other%3Aweb-1"));
	assert_object(ns, ns, KEV_STR("a:b:c"), KEV_STR("a%3Ab%3Ac"));
	assert_object(ns, KEV_STR("a:b"), KEV_STR("c"), KEV_STR("a%3Ab:c"));
	assert_object(ns, KEV_STR("a"), KEV_STR("b:c"), KEV_STR("a:b:c"));
	assert_object(ns, ns, KEV_STR(""), KEV_STR("%"));
	assert_object(ns, KEV_STR("a"), KEV_STR(""), KEV_STR("a:"));
	assert_object(ns, ns, KEV_STR(".."), KEV_STR("%2E%2E"));
	assert_object(ns, KEV_STR("."), KEV_STR("."), KEV_STR(".:."));
	assert_object(ns, KEV_STR(".."), KEV_STR("a/b"), KEV_STR("..:a%2Fb"));
	assert_object(ns, ns, KEV_STR("events"), KEV_STR("events"));
	assert_object(ns, ns, KEV_STR("nul\0"), KEV_STR("nul%00"));
}

static void assert_resource(struct kev_str group, struct kev_str plural, struct kev_str expected)
{
	struct kev_buf buf = made();

	assert_int_equal(kev_path_append_resource(&buf, group, plural), 0);
	assert_made(&buf, expected);
}

static void test_append_resource(void **state)
{
	(void)state;
	assert_resource(KEV_STR(""), KEV_STR("pods"), KEV_STR("pods"));
	assert_resource(KEV_STR("apps"), KEV_STR("deployments"), KEV_STR("deployments"));
	assert_resource(KEV_STR("example.com"), KEV_STR("widgets"), KEV_STR("widgets.example.com"));
	assert_resource(KEV_STR("a/b"), KEV_STR("widgets"), KEV_STR("widgets.a%2Fb"));
	assert_resource(KEV_STR(""), KEV_STR("events"), KEV_STR("%65vents"));
	assert_resource(KEV_STR("events.k8s.io"), KEV_STR("events"), KEV_STR("%65vents"));
	assert_resource(KEV_STR("example.com"), KEV_STR("events"), KEV_STR("%65vents.example.com"));
	assert_resource(KEV_STR("example.com"), KEV_STR("by-type"), KEV_STR("%62y-type.example.com"));
	assert_resource(KEV_STR("example.com"), KEV_STR("eventsources"), KEV_STR("eventsources.example.com"));
}

static void assert_kind(struct kev_str group, struct kev_str kind, bool taken, struct kev_str expected)
{
	struct kev_buf buf = made();

	assert_int_equal(kev_path_append_kind(&buf, group, kind, taken), 0);
	assert_made(&buf, expected);
}

static void test_append_kind(void **state)
{
	(void)state;
	assert_kind(KEV_STR(""), KEV_STR("Widget"), false, KEV_STR("Widget"));
	assert_kind(KEV_STR("example.com"), KEV_STR("Widget"), false, KEV_STR("Widget.example.com"));
	assert_kind(KEV_STR("apps"), KEV_STR("Widget"), false, KEV_STR("Widget.apps"));
	assert_kind(KEV_STR("com"), KEV_STR("Widget.example"), false, KEV_STR("Widget%2Eexample.com"));
	assert_kind(KEV_STR(""), KEV_STR("../x"), false, KEV_STR("%2E%2E%2Fx"));
	assert_kind(KEV_STR(""), KEV_STR("Pod/log"), false, KEV_STR("Pod%2Flog"));
	assert_kind(KEV_STR(""), KEV_STR(""), false, KEV_STR("%"));
	assert_kind(KEV_STR("x"), KEV_STR(""), false, KEV_STR("%.x"));
	assert_kind(KEV_STR("."), KEV_STR(""), false, KEV_STR("%.."));
	assert_kind(KEV_STR(""), KEV_STR("events"), false, KEV_STR("%65vents"));
	assert_kind(KEV_STR("log"), KEV_STR("events"), false, KEV_STR("%65vents.log"));
	assert_kind(KEV_STR(""), KEV_STR("by-"), false, KEV_STR("%62y-"));
	assert_kind(KEV_STR(""), KEV_STR("By-type"), false, KEV_STR("By-type"));
}

static void test_append_kind_taken(void **state)
{
	(void)state;
	assert_kind(KEV_STR(""), KEV_STR("pods"), true, KEV_STR("%70ods"));
	assert_kind(KEV_STR("x.y"), KEV_STR("widgets"), true, KEV_STR("%77idgets.x.y"));
	/* The resource stands in "%65vents" already. */
	assert_kind(KEV_STR(""), KEV_STR("events"), true, KEV_STR("%65%76ents"));
	assert_kind(KEV_STR("x"), KEV_STR("by-x"), true, KEV_STR("%62%79-x.x"));
}

static void test_append_kind_cut(void **state)
{
	/* The cut falls between characters also behind the '%' that stands for an empty kind. */
	struct kev_buf group = repeated("\xc3\xb6", 200), buf;
	struct kev_str name;

	(void)state;
	kev_buf_init(&buf, 1000);
	assert_int_equal(kev_path_append_kind(&buf, kev_buf_str(&group), KEV_STR(""), false), 0);
	name = kev_buf_str(&buf);
	assert_int_equal(name.len, 2 + 2 * 109 + 2 + 32);
	assert_true(kev_str_starts(name, KEV_STR("%.\xc3\xb6")));
	assert_memory_equal(name.data + 2 + 2 * 109, "%~", 2);
	kev_buf_fini(&buf);
	kev_buf_fini(&group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_event_plain),
		cmocka_unit_test(test_append_event_escaped),
		cmocka_unit_test(test_append_event_longest),
		cmocka_unit_test(test_append_event_cut),
		cmocka_unit_test(test_append_event_cut_differs),
		cmocka_unit_test(test_append_event_no_room),
		cmocka_unit_test(test_append_event_huge),
		cmocka_unit_test(test_append_namespace),
		cmocka_unit_test(test_append_object),
		cmocka_unit_test(test_append_resource),
		cmocka_unit_test(test_append_kind),
		cmocka_unit_test(test_append_kind_taken),
		cmocka_unit_test(test_append_kind_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
