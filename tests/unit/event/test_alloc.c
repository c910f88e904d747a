#include "../test.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>

#include "kevfs/event/attribute.h"
#include "kevfs/event/envelope.h"
#include "kevfs/event/event.h"
#include "kevfs/event/items.h"
#include "kevfs/event/metadata.h"
#include "kevfs/event/objects.h"
#include "scanned.h"

/*
 * Every allocation of the room fails in turn. The linker sends each call here (--wrap); AddressSanitizer says
 * what leaks on the way back.
 */
static size_t calls, fail_at = SIZE_MAX;

static bool fails(void)
{
	return ++calls == fail_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
locale_t __real_newlocale(int mask, const char *name, locale_t base);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
locale_t __wrap_newlocale(int mask, const char *name, locale_t base);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return fails() ? NULL : __real_reallocarray(old, count, size);
}

locale_t __wrap_newlocale(int mask, const char *name, locale_t base)
{
	return fails() ? (locale_t)0 : __real_newlocale(mask, name, base);
}

/* Run an action until it succeeds, with one more allocation allowed each time. @return how many there are */
static size_t fail_each(int (*action)(void))
{
	for (size_t n = 1;; n++) {
		int r;

		calls = 0;
		fail_at = n;
		r = action();
		fail_at = SIZE_MAX;
		if (calls < n) {
			assert_int_equal(r, 0);
			return n - 1;
		}
		assert_int_equal(r, -ENOMEM);
	}
}

/* An object that needs everything: escapes in keys and values, doubles, more members than fit the stack, more
 * tokens than the first array holds. */
static struct kev_str rich_object(void)
{
	static char text[20000];
	struct kev_buf buf;
	struct kev_str result;

	if (!*text) {
		kev_buf_init(&buf, sizeof(text));
		kev_buf_append_c(&buf,
			"{\"metadata\":{\"name\":\"a\\n\",\"managedFields\":[{\"n\":1.5}],"
			"\"resourceVersion\":\"7\","
			"\"creationTimestamp\":\"2026-11-23T00:00:00\\u005a\"},\"x\":0.1,\"x\":1e-7");
		for (int i = 0; i < 200; i++)
			kev_buf_printf(&buf, ",\"k\\n%d\":[%d]", i, i);
		kev_buf_append_c(&buf, "}");
		assert_int_equal(buf.error, 0);
		memcpy(text, buf.data, buf.len);
		kev_buf_fini(&buf);
	}
	result = kev_str_c(text);
	return result;
}

static int scan_action(void)
{
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();
	int r;

	if (!json)
		return -ENOMEM;
	r = kev_json_scan(json, rich_object(), NULL);
	assert_int_equal(kev_json_is(json, 0, KEV_JSON_OBJECT), r == 0);
	return r;
}

static void test_scan(void **state)
{
	(void)state;
	rich_object();
	assert_in_range(fail_each(scan_action), 3, 10);
}

static struct kev_json *rich;
static struct kev_event *some_event;

static int event_action(void)
{
	struct kev_event *event = NULL;
	struct kev_error error = {""};
	int r = kev_event_create(rich, 0, &event, &error);

	assert_int_equal(event != NULL, r == 0);
	assert_int_equal(error.text[0] != '\0', r != 0);
	kev_event_unref(event);
	return r;
}

static void test_event_create(void **state)
{
	(void)state;
	rich = scanned(rich_object());
	assert_in_range(fail_each(event_action), 10, 100);
	kev_json_destroy(rich);
}

static int metadata_action(void)
{
	struct kev_metadata metadata;
	int r;

	kev_metadata_init(&metadata);
	r = kev_metadata_read(&metadata, rich, 0);
	kev_metadata_fini(&metadata);
	return r;
}

static void test_metadata_read(void **state)
{
	(void)state;
	rich = scanned(rich_object());
	assert_in_range(fail_each(metadata_action), 2, 5);
	kev_json_destroy(rich);
}

static int envelope_action(void)
{
	KEV_CLEANUP(buf_fini) struct kev_buf version;
	int r;

	kev_buf_init(&version, 100);
	r = kev_envelope_resource_version(rich, 0, &version);
	assert_int_equal(version.len, r ? 0 : 1);
	return r;
}

static void test_envelope_resource_version(void **state)
{
	(void)state;
	rich = scanned(rich_object());
	assert_int_equal(fail_each(envelope_action), 1);
	kev_json_destroy(rich);
}

static int on_item(void *context, struct kev_str item)
{
	(void)context;
	(void)item;
	return 0;
}

static int attribute_action(void)
{
	KEV_CLEANUP(buf_fini) struct kev_buf out = {.max = 1000};
	int r = kev_attribute_append(some_event, KEV_STR("message"), &out);

	return r ? r : kev_attribute_list(some_event, &out);
}

static void test_attribute(void **state)
{
	struct kev_json *json = scanned(KEV_STR("{\"metadata\":{\"name\":\"a\"},\"message\":\"m\"}"));

	(void)state;
	assert_int_equal(kev_event_create(json, 0, &some_event, NULL), 0);
	kev_json_destroy(json);
	assert_in_range(fail_each(attribute_action), 5, 30);
	kev_event_unref(some_event);
}

static int items_action(void)
{
	static const char text[] =
		"{\"kind\":\"EventList\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\"},"
		"\"items\":[{\"a\":\"b\"},{}],\"other\":[1,2]}";
	KEV_CLEANUP(items_destroyp) struct kev_items *items = kev_items_create(on_item, NULL);
	int r = 0;

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(text) - 1 && !r; i++)
		r = kev_items_feed(items, (struct kev_str){text + i, 1}, NULL);
	if (r)
		assert_int_equal(kev_items_finish(items, NULL), r);
	return r ? r : kev_items_finish(items, NULL);
}

static void test_items_feed(void **state)
{
	(void)state;
	assert_in_range(fail_each(items_action), 7, 30);
}

static int on_object(void *context, struct kev_str text, const struct kev_objects_where *where)
{
	(void)context;
	(void)text;
	(void)where;
	return 0;
}

static int objects_action(void)
{
	static const char text[] = "{\"type\":\"ADDED\",\"object\":{}}\n{\"a\":[1,2]}\n";
	KEV_CLEANUP(objects_destroyp) struct kev_objects *objects = kev_objects_create(on_object, NULL);
	struct kev_objects_where broken_off;
	struct kev_error error = {""};
	int r = 0;

	if (!objects)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(text) - 1 && !r; i++)
		r = kev_objects_feed(objects, (struct kev_str){text + i, 1}, &error);
	if (r)
		assert_int_equal(kev_objects_finish(objects, &broken_off, NULL), r);
	assert_int_equal(error.text[0] != '\0', r != 0);
	return r ? r : kev_objects_finish(objects, &broken_off, NULL);
}

static void test_objects_feed(void **state)
{
	(void)state;
	assert_in_range(fail_each(objects_action), 2, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_event_create),
		cmocka_unit_test(test_metadata_read),
		cmocka_unit_test(test_envelope_resource_version),
		cmocka_unit_test(test_attribute),
		cmocka_unit_test(test_items_feed),
		cmocka_unit_test(test_objects_feed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
