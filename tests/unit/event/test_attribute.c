#include "../test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "created.h"
#include "kevfs/event/attribute.h"

/* @return new: the value, NUL-terminated; NULL where there is none */
static char *value_of(const struct kev_event *event, const char *name)
{
	struct kev_buf out;
	char *value = NULL;
	int r;

	kev_buf_init(&out, KEV_ATTRIBUTE_SIZE_MAX);
	r = kev_attribute_append(event, kev_str_c(name), &out);
	assert_true(r == 0 || r == -ENODATA);
	if (!r)
		value = kev_str_dup(kev_buf_str(&out));
	else
		assert_int_equal(out.len, 0);
	kev_buf_fini(&out);
	return value;
}

static void assert_value(const struct kev_event *event, const char *name, const char *expected)
{
	char *value = value_of(event, name);

	if (!expected)
		assert_null(value);
	else
		assert_string_equal(value, expected);
	free(value);
}

/* Those that are listed have a value, in that order; a blank behind each. */
static void assert_listed(const struct kev_event *event, const char *expected)
{
	struct kev_buf names, seen;

	kev_buf_init(&names, 10000);
	kev_buf_init(&seen, 10000);
	assert_int_equal(kev_attribute_list(event, &names), 0);
	for (const char *at = names.data; at && at < names.data + names.len; at += strlen(at) + 1) {
		char *value;

		assert_memory_equal(at, KEV_ATTRIBUTE_PREFIX, strlen(KEV_ATTRIBUTE_PREFIX));
		value = value_of(event, at + strlen(KEV_ATTRIBUTE_PREFIX));
		assert_non_null(value);
		free(value);
		kev_buf_printf(&seen, "%s ", at + strlen(KEV_ATTRIBUTE_PREFIX));
	}
	assert_string_equal(kev_buf_cstr(&seen), expected);
	kev_buf_fini(&names);
	kev_buf_fini(&seen);
}

static void test_append_all(void **state)
{
	struct kev_event *event =
		created(kev_str_c("{\"metadata\":{\"name\":\"web.1\",\"namespace\":\"shop\",\"uid\":"
				  "\"u-1\",\"resourceVersion\":"
				  "\"42\"},\"involvedObject\":{\"kind\":\"ReplicaSet\",\"namespace\":"
				  "\"shop\",\"name\":\"web\"},"
				  "\"reason\":\"BackOff\",\"type\":\"Warning\",\"count\":12,"
				  "\"source\":{\"component\":\"kubelet\",\"host\":\"node-3\"},"
				  "\"firstTimestamp\":\"2026-11-23T01:00:00+01:00\","
				  "\"lastTimestamp\":\"2026-11-23T00:05:00.5Z\","
				  "\"message\":\"Back-off \\u00e9\\n\\\"x\\\"\"}"));

	(void)state;
	assert_value(event, "type", "Warning");
	assert_value(event, "reason", "BackOff");
	assert_value(event, "message", "Back-off \xc3\xa9\n\"x\"");
	assert_value(event, "object", "replicaset/web");
	assert_value(event, "count", "12");
	assert_value(event, "first_seen", "2026-11-23T00:00:00.000000000Z");
	assert_value(event, "last_seen", "2026-11-23T00:05:00.500000000Z");
	assert_value(event, "source", "kubelet");
	assert_value(event, "host", "node-3");
	assert_value(event, "uid", "u-1");
	assert_value(event, "resource_version", "42");
	assert_value(event, "gone", NULL);
	assert_listed(event,
		"type reason message object count first_seen last_seen source host uid resource_version ");
	kev_event_set_gone(event, 1780000000LL * 1000000000);
	assert_value(event, "gone", "2026-05-28T20:26:40.000000000Z");
	assert_listed(event, "type reason message object count first_seen last_seen source host uid "
			     "resource_version gone ");
	kev_event_unref(event);
}

static void test_append_absent(void **state)
{
	struct kev_event *event =
		created(kev_str_c("{\"metadata\":{\"name\":\"a\"},\"type\":\"\",\"reason\":7}"));

	(void)state;
	assert_value(event, "type", NULL);
	assert_value(event, "reason", NULL);
	assert_value(event, "object", NULL);
	assert_value(event, "first_seen", NULL);
	assert_value(event, "no_such", NULL);
	assert_value(event, "", NULL);
	assert_value(event, "TYPE", NULL);
	/* It happened once at least. */
	assert_value(event, "count", "1");
	assert_listed(event, "count ");
	kev_event_unref(event);
}

/* The time in the name is more precise, where it is the same second. */
static void test_append_time_in_name(void **state)
{
	struct kev_event *event = created(kev_str_c("{\"metadata\":{\"name\":\"web-1.18ead12a14b3bd3f\"},"
						    "\"firstTimestamp\":\"2026-11-23T23:43:00Z\","
						    "\"lastTimestamp\":\"2026-11-23T23:44:00Z\"}"));

	(void)state;
	assert_value(event, "first_seen", "2026-11-23T23:43:00.126719295Z");
	assert_value(event, "last_seen", "2026-11-23T23:44:00.000000000Z");
	kev_event_unref(event);
}

static void test_append_events_v1(void **state)
{
	struct kev_event *event = created(kev_str_c(
		"{\"apiVersion\":\"events.k8s.io/v1\",\"metadata\":{\"name\":\"a\"},\"note\":\"said\","
		"\"regarding\":{\"kind\":\"Pod\",\"name\":\"web\"},\"reportingController\":\"c\","
		"\"series\":{\"count\":3,\"lastObservedTime\":\"2026-11-23T00:05:00.123456Z\"},"
		"\"eventTime\":\"2026-11-23T00:00:00.000001Z\"}"));

	(void)state;
	assert_value(event, "message", "said");
	assert_value(event, "object", "pod/web");
	assert_value(event, "source", "c");
	assert_value(event, "host", NULL);
	assert_value(event, "count", "3");
	assert_value(event, "first_seen", "2026-11-23T00:00:00.000001000Z");
	assert_value(event, "last_seen", "2026-11-23T00:05:00.123456000Z");
	kev_event_unref(event);
}

/* Any byte, as it is; an object without a kind, or without a name. */
static void test_append_hostile(void **state)
{
	struct kev_event *event =
		created(kev_str_c("{\"metadata\":{\"name\":\"a\"},\"type\":\"a\\u0000b\\u001b[2J\","
				  "\"involvedObject\":{\"kind\":\"\\u00c9A/Z\",\"name\":\"\"}}"));
	struct kev_buf out;

	(void)state;
	kev_buf_init(&out, 100);
	assert_int_equal(kev_attribute_append(event, KEV_STR("type"), &out), 0);
	assert_int_equal(out.len, 7);
	assert_memory_equal(out.data, "a\0b\x1b[2J", 7);
	kev_buf_fini(&out);
	assert_value(event, "object",
		"\xc3\x89"
		"a/z/");
	kev_event_unref(event);
}

/* What is longer than Linux takes is cut, between two characters. */
static void test_append_long(void **state)
{
	struct kev_buf text, out;
	struct kev_event *event;

	(void)state;
	kev_buf_init(&text, 1 << 20);
	kev_buf_append_c(&text, "{\"metadata\":{\"name\":\"a\"},\"message\":\"x");
	for (int i = 0; i < 40000; i++)
		kev_buf_append_c(&text, "\xc3\xa9");
	kev_buf_append_c(&text, "\"}");
	event = created(kev_str_c(kev_buf_cstr(&text)));
	kev_buf_init(&out, KEV_ATTRIBUTE_SIZE_MAX);
	assert_int_equal(kev_attribute_append(event, KEV_STR("message"), &out), 0);
	assert_int_equal(out.len, KEV_ATTRIBUTE_SIZE_MAX - 1);
	assert_memory_equal(out.data + out.len - 2, "\xc3\xa9", 2);
	kev_buf_fini(&out);
	kev_buf_fini(&text);
	kev_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_all),
		cmocka_unit_test(test_append_absent),
		cmocka_unit_test(test_append_time_in_name),
		cmocka_unit_test(test_append_events_v1),
		cmocka_unit_test(test_append_hostile),
		cmocka_unit_test(test_append_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
