#include "../test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "created.h"
#include "kevfs/event/compact.h"
#include "kevfs/event/event.h"
#include "kevfs/event/line.h"
#include "kevfs/event/timestamp.h"

static void assert_line(const char *text, const char *line)
{
	struct kev_event *event = created(kev_str_c(text));
	struct kev_json *json = kev_json_create();
	struct kev_buf out;

	kev_buf_init(&out, KEV_LINE_MAX);
	assert_int_equal(kev_event_append_line(event, json, &out), 0);
	assert_string_equal(kev_buf_cstr(&out), line);
	assert_int_equal(out.len, kev_event_line_size(event));
	kev_buf_fini(&out);
	kev_json_destroy(json);
	kev_event_unref(event);
}

static void test_append_event(void **state)
{
	(void)state;
	assert_line("{\"metadata\":{\"name\":\"web.1\",\"namespace\":\"shop\"},"
		    "\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"shop\",\"name\":\"web\"},"
		    "\"reason\":\"BackOff\",\"type\":\"Warning\",\"count\":12,"
		    "\"source\":{\"component\":\"kubelet\",\"host\":\"node-3\"},"
		    "\"firstTimestamp\":\"2026-11-23T00:00:00Z\",\"lastTimestamp\":\"2026-11-23T00:05:00Z\","
		    "\"message\":\"Back-off restarting failed container\"}",
		"2026-11-23T00:05:00.000Z shop/pod/web Warning BackOff x12 kubelet/node-3 "
		"Back-off restarting failed container\n");
}

static void test_append_event_series(void **state)
{
	(void)state;
	assert_line("{\"metadata\":{\"name\":\"web.1\",\"namespace\":\"shop\"},"
		    "\"involvedObject\":{\"kind\":\"ReplicaSet\",\"name\":\"web\"},\"reason\":\"R\","
		    "\"type\":\"Normal\",\"count\":2,\"series\":{\"count\":7,"
		    "\"lastObservedTime\":\"2026-11-23T00:05:00.123456Z\"},\"eventTime\":"
		    "\"2026-11-23T00:01:00.5Z\",\"source\":{},\"reportingComponent\":\"default-scheduler\","
		    "\"reportingInstance\":\"i\",\"message\":\"m\"}",
		"2026-11-23T00:05:00.123Z shop/replicaset/web Normal R x7 default-scheduler m\n");
}

static void test_append_event_of_the_newer_version(void **state)
{
	(void)state;
	assert_line("{\"apiVersion\":\"events.k8s.io/v1\",\"metadata\":{\"name\":\"web.1\","
		    "\"namespace\":\"shop\"},\"regarding\":{\"kind\":\"Pod\",\"name\":\"web\"},"
		    "\"note\":\"a note\",\"deprecatedCount\":3,\"deprecatedSource\":{\"component\":\"c\"},"
		    "\"deprecatedLastTimestamp\":\"2026-11-23T00:05:00Z\",\"reason\":\"R\",\"type\":\"T\"}",
		"2026-11-23T00:05:00.000Z shop/pod/web T R x3 c a note\n");
}

/* What happened once has its name's time, to the millisecond. */
static void test_append_event_time_of_name(void **state)
{
	(void)state;
	assert_line("{\"metadata\":{\"name\":\"web.17f82d400041d81f\",\"namespace\":\"shop\"},"
		    "\"lastTimestamp\":\"2024-09-24T12:16:50Z\",\"count\":1}",
		"2024-09-24T12:16:50.002Z shop/-/- - - x1 - \n");
}

static void test_sharpen(void **state)
{
	(void)state;
	assert_int_equal(
		kev_fields_sharpen(5 * KEV_NS_PER_SEC, 5 * KEV_NS_PER_SEC + 7), 5 * KEV_NS_PER_SEC + 7);
	assert_int_equal(kev_fields_sharpen(5 * KEV_NS_PER_SEC, 6 * KEV_NS_PER_SEC), 5 * KEV_NS_PER_SEC);
	assert_int_equal(
		kev_fields_sharpen(5 * KEV_NS_PER_SEC + 1, 5 * KEV_NS_PER_SEC + 7), 5 * KEV_NS_PER_SEC + 1);
	assert_int_equal(kev_fields_sharpen(0, 0), 0);
}

static void test_append_event_nothing(void **state)
{
	(void)state;
	assert_line("{\"metadata\":{\"name\":\"a\"}}", "- -/-/- - - x1 - \n");
}

static void test_append_event_hostile(void **state)
{
	(void)state;
	assert_line(
		"{\"metadata\":{\"name\":\"a\",\"namespace\":\"-\"},\"type\":\"a b\\nc\","
		"\"involvedObject\":{\"name\":\"\\u0000\\u001b[2J\",\"kind\":\"X/\\u00c4\"},"
		"\"reason\":\"\\u202ex\\\\y\",\"message\":\"one\\ntwo\\r\\tC:\\\\d \\u009b\\ud800 \\u00e4\","
		"\"count\":1e2}",
		"- \\x2d/x/\u00c4/\\x00\\x1b[2J a\\x20b\\nc \\xe2\\x80\\xaex\\\\y x100 - "
		"one\\ntwo\\r\\tC:\\\\d \\xc2\\x9b\uFFFD \u00e4\n");
}

static void test_append_count(void **state)
{
	(void)state;
	assert_line("{\"metadata\":{\"name\":\"a\"},\"count\":0}", "- -/-/- - - x1 - \n");
	assert_line("{\"metadata\":{\"name\":\"a\"},\"count\":-3}", "- -/-/- - - x1 - \n");
	assert_line("{\"metadata\":{\"name\":\"a\"},\"count\":\"3\"}", "- -/-/- - - x1 - \n");
	assert_line("{\"metadata\":{\"name\":\"a\"},\"count\":18446744073709551615}", "- -/-/- - - x1 - \n");
	assert_line("{\"metadata\":{\"name\":\"a\"},\"count\":9223372036854775807}",
		"- -/-/- - - x9223372036854775807 - \n");
}

/* A field and a message are cut at whole characters. */
static void test_append_long(void **state)
{
	char *text = malloc(KEV_LINE_MESSAGE_MAX * 2 + 1);
	struct kev_buf out;
	struct kev_line line = {.count = 1};

	(void)state;
	memset(text, 'x', KEV_LINE_MESSAGE_MAX * 2);
	line.reason = (struct kev_str){text, KEV_LINE_FIELD_MAX + 1};
	line.message = (struct kev_str){text, KEV_LINE_MESSAGE_MAX + 1};
	memcpy(text + KEV_LINE_MESSAGE_MAX - 1, "\u00e4", 2);
	kev_buf_init(&out, KEV_LINE_MAX);
	assert_int_equal(kev_line_append(&out, &line), 0);
	assert_int_equal(out.len, strlen("- -/-/- - ") + KEV_LINE_FIELD_MAX + strlen("... x1 - ") +
					  KEV_LINE_MESSAGE_MAX - 1 + strlen("...\n"));
	kev_buf_clear(&out);
	memset(text, '\x1b', KEV_LINE_MESSAGE_MAX);
	line.namespace_ = line.kind = line.object = line.type = line.reason = line.component = line.host =
		line.message = (struct kev_str){text, KEV_LINE_MESSAGE_MAX * 2};
	assert_int_equal(kev_line_append(&out, &line), 0);
	assert_in_range(out.len, 4 * (KEV_LINE_MESSAGE_MAX + 7 * KEV_LINE_FIELD_MAX), KEV_LINE_MAX);
	kev_buf_fini(&out);
	free(text);
}

static void assert_node(const char *rest, const char *node)
{
	char text[512];
	struct kev_event *event;

	snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"a\"},%s}", rest);
	event = created(kev_str_c(text));
	assert_str_equal(kev_event_node(event), kev_str_c(node));
	kev_event_unref(event);
}

static void test_node(void **state)
{
	(void)state;
	assert_node(
		"\"source\":{\"host\":\"n1\"},\"involvedObject\":{\"kind\":\"Node\",\"name\":\"n2\"}", "n1");
	assert_node(
		"\"source\":{\"host\":\"\"},\"involvedObject\":{\"kind\":\"Node\",\"name\":\"n2\"}", "n2");
	assert_node("\"reportingComponent\":\"kubelet\",\"reportingInstance\":\"n3\"", "n3");
	assert_node("\"reportingComponent\":\"default-scheduler\",\"reportingInstance\":\"s-0\"", "");
	assert_node("\"source\":{\"host\":5}", "");
}

static void test_compact(void **state)
{
	static const char text[] = " {\n  \"a b\" : [ 1 , \"x \\\" y\\\\\" , { } ] ,\t\"c\":\"\"}\n";
	struct kev_str json = kev_str_c(text);
	struct kev_buf out;

	(void)state;
	kev_buf_init(&out, 1000);
	assert_int_equal(kev_compact_append(&out, json), 0);
	assert_str_equal(kev_buf_str(&out), KEV_STR("{\"a b\":[1,\"x \\\" y\\\\\",{}],\"c\":\"\"}"));
	assert_int_equal(kev_compact_size(json), out.len);
	kev_buf_fini(&out);
	kev_buf_init(&out, 10);
	assert_int_equal(kev_compact_append(&out, json), -EMSGSIZE);
	kev_buf_fini(&out);
	assert_int_equal(kev_compact_size(KEV_STR("\"\\")), 2);
	assert_int_equal(kev_compact_size(KEV_STR("")), 0);
}

static void test_event_compact(void **state)
{
	struct kev_event *event =
		created(kev_str_c("{\"metadata\":{\"name\":\"a\",\"x\":[]},\"message\":\"b  c\"}"));
	struct kev_buf out;

	(void)state;
	kev_buf_init(&out, 1000);
	assert_int_equal(kev_event_append_compact(event, &out), 0);
	assert_str_equal(kev_buf_str(&out), KEV_STR("{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"message\":"
						    "\"b  c\",\"metadata\":{\"name\":"
						    "\"a\",\"x\":[]}}\n"));
	assert_int_equal(kev_event_compact_size(event), out.len);
	kev_buf_fini(&out);
	kev_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_event),
		cmocka_unit_test(test_append_event_series),
		cmocka_unit_test(test_append_event_of_the_newer_version),
		cmocka_unit_test(test_append_event_time_of_name),
		cmocka_unit_test(test_sharpen),
		cmocka_unit_test(test_append_event_nothing),
		cmocka_unit_test(test_append_event_hostile),
		cmocka_unit_test(test_append_count),
		cmocka_unit_test(test_append_long),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_event_compact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
