#include "../test.h"

#include <errno.h>

#include "../nomem.h"
#include "../words.h"
#include "kevfs/event/attribute.h"
#include "kevfs/event/envelope.h"
#include "kevfs/event/event.h"
#include "kevfs/event/items.h"
#include "kevfs/event/metadata.h"
#include "kevfs/event/objects.h"
#include "scanned.h"

/* Every allocation of the room fails in turn. */

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

static int scan_action(void *context)
{
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();
	int r;

	(void)context;
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
	assert_in_range(nomem_fail_each(scan_action, NULL), 3, 10);
}

static struct kev_json *rich;
static struct kev_event *some_event;

static int event_action(void *context)
{
	struct kev_event *event = NULL;
	struct kev_error error = {""};
	int r = kev_event_create(rich, 0, words(), &event, &error);

	(void)context;
	assert_int_equal(event != NULL, r == 0);
	assert_int_equal(error.text[0] != '\0', r != 0);
	kev_event_unref(event);
	return r;
}

static void test_event_create(void **state)
{
	(void)state;
	rich = scanned(rich_object());
	(void)words();
	/* It can do without sharing. */
	assert_in_range(nomem_fail_some(event_action, NULL), 10, 100);
	kev_json_destroy(rich);
}

static int metadata_action(void *context)
{
	struct kev_metadata metadata;
	int r;

	(void)context;
	kev_metadata_init(&metadata);
	r = kev_metadata_read(&metadata, rich, 0);
	kev_metadata_fini(&metadata);
	return r;
}

static void test_metadata_read(void **state)
{
	(void)state;
	rich = scanned(rich_object());
	assert_in_range(nomem_fail_each(metadata_action, NULL), 2, 5);
	kev_json_destroy(rich);
}

static int envelope_action(void *context)
{
	KEV_CLEANUP(buf_fini) struct kev_buf version;
	int r;

	(void)context;
	kev_buf_init(&version, 100);
	r = kev_envelope_resource_version(rich, 0, &version);
	assert_int_equal(version.len, r ? 0 : 1);
	return r;
}

static void test_envelope_resource_version(void **state)
{
	(void)state;
	rich = scanned(rich_object());
	assert_int_equal(nomem_fail_each(envelope_action, NULL), 1);
	kev_json_destroy(rich);
}

static int on_item(void *context, struct kev_str item)
{
	(void)context;
	(void)item;
	return 0;
}

static int attribute_action(void *context)
{
	KEV_CLEANUP(buf_fini) struct kev_buf out = {.max = 1000};
	int r = kev_attribute_append(some_event, KEV_STR("message"), &out);

	(void)context;
	return r ? r : kev_attribute_list(some_event, &out);
}

static void test_attribute(void **state)
{
	struct kev_json *json = scanned(KEV_STR("{\"metadata\":{\"name\":\"a\"},\"message\":\"m\"}"));

	(void)state;
	assert_int_equal(kev_event_create(json, 0, words(), &some_event, NULL), 0);
	kev_json_destroy(json);
	assert_in_range(nomem_fail_each(attribute_action, NULL), 5, 30);
	kev_event_unref(some_event);
}

static int items_action(void *context)
{
	static const char text[] =
		"{\"kind\":\"EventList\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\"},"
		"\"items\":[{\"a\":\"b\"},{}],\"other\":[1,2]}";
	KEV_CLEANUP(items_destroyp) struct kev_items *items = kev_items_create(on_item, NULL);
	int r = 0;

	(void)context;
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
	assert_in_range(nomem_fail_each(items_action, NULL), 7, 30);
}

static int on_object(void *context, struct kev_str text, const struct kev_objects_where *where)
{
	(void)context;
	(void)text;
	(void)where;
	return 0;
}

static int objects_action(void *context)
{
	static const char text[] = "{\"type\":\"ADDED\",\"object\":{}}\n{\"a\":[1,2]}\n";
	KEV_CLEANUP(objects_destroyp) struct kev_objects *objects = kev_objects_create(on_object, NULL);
	struct kev_objects_where broken_off;
	struct kev_error error = {""};
	int r = 0;

	(void)context;
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
	assert_in_range(nomem_fail_each(objects_action, NULL), 2, 5);
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
