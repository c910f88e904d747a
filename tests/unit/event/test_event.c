#include "../test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "../room.h"
#include "../words.h"
#include "created.h"
#include "kevfs/event/event.h"
#include "kevfs/event/line.h"
#include "kevfs/event/print.h"
#include "kevfs/event/timestamp.h"

static int64_t at(const char *text)
{
	int64_t ns;

	assert_int_equal(kev_timestamp_parse(kev_str_c(text), &ns), 0);
	return ns;
}

#define TYPICAL                                                                                         \
	"{\"metadata\":{\"name\":\"web.17f82d400041d81f\",\"namespace\":\"shop\",\"uid\":\"u-1\","      \
	"\"resourceVersion\":\"77\",\"creationTimestamp\":\"2026-11-23T00:00:00Z\",\"managedFields\":[" \
	"{\"time\":\"2026-11-23T00:05:00Z\"},{\"time\":\"2026-11-23T00:07:00Z\"},{}]},"                 \
	"\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"other\",\"name\":\"web\","                \
	"\"apiVersion\":\"v1\",\"uid\":\"p-1\"},\"reason\":\"BackOff\"}"

static void test_create_strings(void **state)
{
	struct kev_event *event = created(KEV_STR(TYPICAL));

	(void)state;
	assert_str_equal(kev_event_namespace(event), KEV_STR("shop"));
	assert_str_equal(kev_event_name(event, ROOM), KEV_STR("web.17f82d400041d81f"));
	assert_str_equal(kev_event_uid(event, ROOM), KEV_STR("u-1"));
	assert_str_equal(kev_event_resource_version(event, ROOM), KEV_STR("77"));
	assert_str_equal(kev_event_object_api_version(event), KEV_STR("v1"));
	assert_str_equal(kev_event_object_kind(event), KEV_STR("Pod"));
	assert_str_equal(kev_event_object_namespace(event), KEV_STR("other"));
	assert_str_equal(kev_event_object_name(event), KEV_STR("web"));
	assert_int_equal(kev_event_mtime(event), 0x17f82d400041d81f);
	assert_int_equal(kev_event_written(event), at("2026-11-23T00:07:00Z"));
	kev_event_unref(event);
}

/* The strings that are kept in few bytes, and those that are nearly like these, come back as they were. */
static void test_create_own_strings(void **state)
{
	static const char *const names[] = {"web.17f82d400041d81f", "web.0000000000000000",
		"web.ffffffffffffffff", "web.17F82d400041d81f", "web.17f82d400041d81",
		"web.17f82d400041d81f0", "web-17f82d400041d81f", "wob.17f82d400041d81f", ".17f82d400041d81f",
		"web", "w"};
	static const char *const uids[] = {"8a3c7a0e-5f6d-4b0e-9d3c-0123456789ab",
		"ffffffff-ffff-ffff-ffff-ffffffffffff", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff",
		"8a3c7a0e-5f6d-4b0e-9d3c-0123456789a", "8a3c7a0e5f6d-4b0e--9d3c-0123456789ab",
		"8a3c7a0e-5f6d-4b0e-9d3c-0123456789ag", "u", ""};
	static const char *const versions[] = {"0", "1", "127", "128", "999999999999999999",
		"1000000000000000000", "18446744073709551616", "00", "01", "-1", "1 ", "x", ""};
	static const char *const objects[] = {"web", "", "we"};
	char text[500];

	(void)state;
	for (size_t i = 0; i < 11 * 13 * 3; i++) {
		const char *name = names[i % 11], *version = versions[i % 13], *uid = uids[i % 8];
		int len = snprintf(text, sizeof(text),
			"{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\",\"resourceVersion\":\"%s\"},"
			"\"involvedObject\":{\"name\":\"%s\"}}",
			name, uid, version, objects[i % 3]);
		struct kev_event *event = created((struct kev_str){text, (size_t)len});

		assert_str_equal(kev_event_name(event, ROOM), kev_str_c(name));
		assert_str_equal(kev_event_uid(event, ROOM), kev_str_c(uid));
		assert_str_equal(kev_event_resource_version(event, ROOM), kev_str_c(version));
		assert_str_equal(kev_event_object_name(event), kev_str_c(objects[i % 3]));
		kev_event_unref(event);
	}
}

/* A name of an object's name has room, or is kept as it is. */
static void test_create_long_names(void **state)
{
	(void)state;
	for (size_t len = 250; len < 260; len++) {
		char name[300], text[1000];
		struct kev_event *event;

		memset(name, 'w', len);
		name[len] = '\0';
		int size = snprintf(text, sizeof(text),
			"{\"metadata\":{\"name\":\"%s.17f82d400041d81f\"},\"involvedObject\":{\"name\":\"%"
			"s\"}}",
			name, name);
		event = created((struct kev_str){text, (size_t)size});
		memcpy(name + len, ".17f82d400041d81f", 17);
		assert_str_equal(kev_event_name(event, ROOM), ((struct kev_str){name, len + 17}));
		assert_int_equal(kev_event_mtime(event), 0x17f82d400041d81f);
		kev_event_unref(event);
	}
}

/* Strings of an event may be absent, of another type, or any bytes. */
static void test_create_strange_strings(void **state)
{
	struct kev_event *event = created(KEV_STR(
		"{\"metadata\":{\"name\":\"a\\u0000/\\ud800\xff\",\"namespace\":null,\"uid\":7,\"uid\":\"\"},"
		"\"involvedObject\":{\"kind\":\"../x\",\"name\":\"\\n\",\"name\":\"..\"}}"));

	(void)state;
	assert_str_equal(kev_event_name(event, ROOM), KEV_STR("a\0/\xef\xbf\xbd\xef\xbf\xbd"));
	assert_str_equal(kev_event_namespace(event), KEV_STR(""));
	assert_str_equal(kev_event_uid(event, ROOM), KEV_STR(""));
	assert_str_equal(kev_event_resource_version(event, ROOM), KEV_STR(""));
	assert_str_equal(kev_event_object_kind(event), KEV_STR("../x"));
	assert_str_equal(kev_event_object_name(event), KEV_STR(".."));
	assert_str_equal(kev_event_object_namespace(event), KEV_STR(""));
	assert_int_equal(kev_event_mtime(event), 0);
	assert_int_equal(kev_event_written(event), 0);
	kev_event_unref(event);
	event = created(KEV_STR("{\"metadata\":{\"name\":\"a\"},\"involvedObject\":\"web\"}"));
	assert_str_equal(kev_event_object_name(event), KEV_STR(""));
	kev_event_unref(event);
}

/* What `kubectl get events.events.k8s.io -o json` prints, as a dump. */
static void test_create_of_events_group(void **state)
{
	struct kev_event *event = created(KEV_STR(
		"{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"a\"},"
		"\"regarding\":{\"kind\":\"Pod\",\"name\":\"web\"},\"involvedObject\":{\"name\":\"no\"},"
		"\"deprecatedFirstTimestamp\":\"2026-11-23T00:01:00Z\",\"firstTimestamp\":7,"
		"\"deprecatedLastTimestamp\":\"2026-11-23T00:02:00Z\"}"));

	(void)state;
	assert_str_equal(kev_event_object_name(event), KEV_STR("web"));
	assert_int_equal(kev_event_mtime(event), at("2026-11-23T00:01:00Z"));
	assert_int_equal(kev_event_written(event), at("2026-11-23T00:02:00Z"));
	kev_event_unref(event);
	/* in core/v1 those names mean nothing */
	event = created(KEV_STR("{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"a\"},"
				"\"regarding\":{\"name\":\"no\"},\"involvedObject\":{\"name\":\"web\"}}"));
	assert_str_equal(kev_event_object_name(event), KEV_STR("web"));
	kev_event_unref(event);
}

static void test_create_refused(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"[]", "an Event is a JSON object"},
		{"{}", "an Event without metadata.name"},
		{"{\"metadata\":{}}", "an Event without metadata.name"},
		{"{\"metadata\":{\"name\":\"\"}}", "an Event without metadata.name"},
		{"{\"metadata\":{\"name\":null}}", "an Event without metadata.name"},
		{"{\"metadata\":{\"name\":\"a\"},\"metadata\":null}", "an Event without metadata.name"},
		{"{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}", "a kind other than Event: \"Pod\""},
		{"{\"kind\":\"event\",\"metadata\":{\"name\":\"a\"}}", "a kind other than Event: \"event\""},
		{"{\"kind\":\"\\u001b[2J\",\"metadata\":{}}", "a kind other than Event: \"\\u001b[2J\""},
		{"{\"metadata\":{\"name\":\"a\"},\"x\":1e999}", "an Event with a number that is too large"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_json *json = scanned(kev_str_c(cases[i].text));
		struct kev_event *event = NULL;
		struct kev_error error;

		assert_int_equal(kev_event_create(json, 0, words(), &event, &error), -EINVAL);
		assert_string_equal(error.text, cases[i].error);
		assert_int_equal(kev_event_create(json, 0, words(), &event, NULL), -EINVAL);
		assert_null(event);
		kev_json_destroy(json);
	}
}

static void test_create_without_token(void **state)
{
	struct kev_json *json = scanned(KEV_STR("{}"));
	struct kev_event *event = NULL;

	(void)state;
	assert_int_equal(kev_event_create(json, KEV_JSON_NONE, words(), &event, NULL), -EINVAL);
	/* a scan that failed has no root */
	assert_int_equal(kev_json_scan(json, KEV_STR("{"), NULL), -EINVAL);
	assert_int_equal(kev_event_create(json, 0, words(), &event, NULL), -EINVAL);
	assert_null(event);
	kev_json_destroy(json);
}

static void test_create_kind_absent(void **state)
{
	static const char *const kinds[] = {"null", "\"\"", "7", "\"Event\"", "\"\\u0045vent\""};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(kinds); i++) {
		char text[100];

		snprintf(text, sizeof(text), "{\"kind\":%s,\"metadata\":{\"name\":\"a\"}}", kinds[i]);
		kev_event_unref(created(kev_str_c(text)));
	}
}

static void test_create_too_large(void **state)
{
	struct kev_event *event = NULL;
	struct kev_json *json;
	struct kev_error error;
	struct kev_buf text;

	(void)state;
	kev_buf_init(&text, KEV_JSON_TEXT_MAX);
	kev_buf_append_c(&text, "{\"metadata\":{\"name\":\"a\"},\"message\":\"");
	/* Six bytes of each. */
	kev_buf_append_fill(&text, '<', 6U << 20);
	kev_buf_append_c(&text, "\"}");
	json = scanned(kev_buf_str(&text));
	assert_int_equal(kev_event_create(json, 0, words(), &event, &error), -E2BIG);
	assert_string_equal(error.text, "an Event of more than 17825792 bytes");
	assert_null(event);
	kev_json_destroy(json);
	kev_buf_fini(&text);
}

/* An event with so many numbers more, nested so deep. */
static int create_nested(unsigned depth, unsigned numbers, struct kev_event **out, struct kev_error *error)
{
	struct kev_json *json;
	struct kev_buf text;
	int r;

	kev_buf_init(&text, KEV_JSON_TEXT_MAX);
	kev_buf_append_c(&text, "{\"metadata\":{\"name\":\"a\"},\"x\":");
	kev_buf_append_fill(&text, '[', depth);
	kev_buf_append_char(&text, '0');
	for (unsigned i = 1; i < numbers; i++)
		kev_buf_append_c(&text, ",0");
	kev_buf_append_fill(&text, ']', depth);
	kev_buf_append_char(&text, '}');
	json = scanned(kev_buf_str(&text));
	r = kev_event_create(json, 0, words(), out, error);
	kev_json_destroy(json);
	kev_buf_fini(&text);
	return r;
}

/* Whatever is an event has its line in a log, however much larger printing made it. */
static void assert_has_line(struct kev_event *event)
{
	struct kev_json *json = kev_json_create();
	struct kev_buf line;

	assert_non_null(json);
	kev_buf_init(&line, KEV_LINE_MAX);
	assert_int_equal(kev_event_append_line(event, json, &line), 0);
	assert_int_equal(line.len, kev_event_line_size(event));
	kev_buf_fini(&line);
	kev_json_destroy(json);
	kev_event_unref(event);
}

static void test_create_so_that_it_can_be_scanned_again(void **state)
{
	/* The object, five tokens of it, the key, and the arrays. */
	const unsigned tokens = KEV_JSON_TOKENS_MAX - 4 - 7;
	struct kev_event *event = NULL;
	struct kev_error error;

	(void)state;
	assert_int_equal(create_nested(900, 4000, &event, &error), 0);
	assert_true(kev_event_size(event) > KEV_EVENT_SIZE_MAX - (1U << 20));
	assert_has_line(event);
	assert_int_equal(create_nested(900, 5200, &event, &error), -E2BIG);
	assert_int_equal(create_nested(1, tokens, &event, &error), 0);
	assert_has_line(event);
	assert_int_equal(create_nested(1, tokens + 1, &event, &error), -E2BIG);
	assert_string_equal(error.text, "an Event of more than 1048572 JSON tokens");
}

/* The mtime: each time that could be it, and which one is. */
static void test_mtime_fallbacks(void **state)
{
	static const struct {
		const char *members, *mtime;
	} cases[] = {
		{"", NULL},
		{"\"eventTime\":null,\"firstTimestamp\":\"\",\"lastTimestamp\":7", NULL},
		{"\"eventTime\":\"2026-11-23T00:00:01.000005Z\",\"firstTimestamp\":\"2026-11-23T00:00:02Z\"",
			"2026-11-23T00:00:01.000005Z"},
		{"\"firstTimestamp\":\"2026-11-23T00:00:02Z\",\"lastTimestamp\":\"2026-11-23T00:00:03Z\"",
			"2026-11-23T00:00:02Z"},
		{"\"eventTime\":null,\"firstTimestamp\":null,\"lastTimestamp\":\"2026-11-23T00:00:03Z\","
		 "\"series\":{\"lastObservedTime\":\"2026-11-23T00:00:04.000000Z\"}",
			"2026-11-23T00:00:03Z"},
		{"\"series\":{\"lastObservedTime\":\"2026-11-23T00:00:04.000001Z\"}",
			"2026-11-23T00:00:04.000001Z"},
		/* outside 1970 to 2261: unset */
		{"\"eventTime\":\"0001-01-01T00:00:00Z\",\"firstTimestamp\":\"9999-12-31T23:59:59Z\","
		 "\"lastTimestamp\":\"2026-11-23T00:00:03+01:00\"",
			"2026-11-22T23:00:03Z"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		for (int with_creation = 0; with_creation < 2; with_creation++) {
			struct kev_event *event;
			char text[400];

			snprintf(text, sizeof(text),
				"{\"metadata\":{\"name\":\"no-time\"%s},\"kind\":\"Event\"%s%s}",
				with_creation ? ",\"creationTimestamp\":\"2026-11-23T00:00:09Z\"" : "",
				*cases[i].members ? "," : "", cases[i].members);
			event = created(kev_str_c(text));
			if (cases[i].mtime)
				assert_int_equal(kev_event_mtime(event), at(cases[i].mtime));
			else
				assert_int_equal(kev_event_mtime(event),
					with_creation ? at("2026-11-23T00:00:09Z") : 0);
			kev_event_unref(event);
		}
	}
}

/* The name's time wins, unless it is more than a day ahead of the creation. */
static void test_mtime_of_name(void **state)
{
	struct kev_event *event;

	(void)state;
	event = created(KEV_STR("{\"metadata\":{\"name\":\"a.17f82d400041d81f\"},\"eventTime\":"
				"\"2026-11-23T00:00:01.000000Z\"}"));
	assert_int_equal(kev_event_mtime(event), 0x17f82d400041d81f);
	kev_event_unref(event);
	event = created(KEV_STR("{\"metadata\":{\"name\":\"a.17f82d400041d81f\",\"creationTimestamp\":"
				"\"2020-01-01T00:00:00Z\"},\"eventTime\":\"2020-01-01T00:00:01.000000Z\"}"));
	assert_int_equal(kev_event_mtime(event), at("2020-01-01T00:00:01Z"));
	kev_event_unref(event);
	/* A creation that counts as unset bounds nothing. */
	event = created(KEV_STR("{\"metadata\":{\"name\":\"a.17f82d400041d81f\",\"creationTimestamp\":"
				"\"0001-01-01T00:00:00Z\"},\"eventTime\":\"2020-01-01T00:00:01.000000Z\"}"));
	assert_int_equal(kev_event_mtime(event), 0x17f82d400041d81f);
	kev_event_unref(event);
	/* The decoded name counts, not its text. */
	event = created(KEV_STR("{\"metadata\":{\"name\":\"a\\u002e17f82d400041d81\\u0066\"}}"));
	assert_int_equal(kev_event_mtime(event), 0x17f82d400041d81f);
	kev_event_unref(event);
}

static void test_written(void **state)
{
	static const struct {
		const char *metadata, *members, *written;
	} cases[] = {
		{"", "", NULL},
		{"\"creationTimestamp\":\"2026-11-23T00:00:01Z\"", "", "2026-11-23T00:00:01Z"},
		{"\"creationTimestamp\":\"2026-11-23T00:00:01Z\"",
			"\"eventTime\":\"2026-11-23T00:00:02.999999Z\"", "2026-11-23T00:00:02Z"},
		{"",
			"\"eventTime\":\"2026-11-23T00:00:02.000000Z\",\"lastTimestamp\":\"2026-11-23T00:00:"
			"03Z\","
			"\"firstTimestamp\":\"2026-11-23T00:00:09Z\"",
			"2026-11-23T00:00:03Z"},
		{"",
			"\"lastTimestamp\":\"2026-11-23T00:00:03Z\","
			"\"series\":{\"lastObservedTime\":\"2026-11-23T00:00:01.500000Z\"}",
			"2026-11-23T00:00:01Z"},
		{"", "\"firstTimestamp\":\"2026-11-23T00:00:09Z\"", NULL},
		/* the latest entry, wherever it stands; others are passed over */
		{"\"managedFields\":[{\"time\":\"2026-11-23T00:00:01Z\"},{\"time\":\"2026-11-23T00:00:08Z\"},"
		 "{\"time\":\"2026-11-23T00:00:02Z\"},{\"time\":null},7,[],{\"x\":{\"time\":\"2027-11-23T00:"
		 "00:00Z\"}}]",
			"\"lastTimestamp\":\"2026-11-23T00:00:09Z\"", "2026-11-23T00:00:08Z"},
		{"\"managedFields\":[]", "\"lastTimestamp\":\"2026-11-23T00:00:09Z\"",
			"2026-11-23T00:00:09Z"},
		{"\"managedFields\":{\"time\":\"2026-11-23T00:00:08Z\"}",
			"\"lastTimestamp\":\"2026-11-23T00:00:09Z\"", "2026-11-23T00:00:09Z"},
		{"\"managedFields\":[{\"time\":\"9999-11-23T00:00:08Z\"}]", "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_event *event;
		char text[600];

		snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"a\"%s%s},\"kind\":\"Event\"%s%s}",
			*cases[i].metadata ? "," : "", cases[i].metadata, *cases[i].members ? "," : "",
			cases[i].members);
		event = created(kev_str_c(text));
		assert_int_equal(kev_event_written(event), cases[i].written ? at(cases[i].written) : 0);
		kev_event_unref(event);
	}
}

static void test_latest_time(void **state)
{
	static const struct {
		const char *text, *latest;
	} cases[] = {
		{"{\"metadata\":{\"name\":\"a\"}}", NULL},
		{"[]", NULL},
		{"{\"metadata\":{\"creationTimestamp\":\"2026-11-23T00:00:01Z\"},\"lastTimestamp\":null}",
			"2026-11-23T00:00:01Z"},
		{"{\"firstTimestamp\":\"2026-11-23T00:00:09Z\",\"lastTimestamp\":\"2026-11-23T00:00:03Z\"}",
			"2026-11-23T00:00:09Z"},
		{"{\"metadata\":{\"creationTimestamp\":\"2026-11-23T00:00:01Z\"},"
		 "\"lastTimestamp\":\"2026-11-23T00:00:03Z\"}",
			"2026-11-23T00:00:03Z"},
		{"{\"eventTime\":\"2026-11-23T00:00:02.5Z\",\"metadata\":{\"creationTimestamp\":"
		 "\"2026-11-23T00:00:01Z\"}}",
			"2026-11-23T00:00:02.5Z"},
		{"{\"series\":{\"lastObservedTime\":\"2026-11-23T00:00:05.25Z\"},\"eventTime\":"
		 "\"2026-11-23T00:00:02Z\"}",
			"2026-11-23T00:00:05.25Z"},
		{"{\"lastTimestamp\":\"2026-11-23T00:00:03Z\",\"metadata\":{\"managedFields\":["
		 "{\"time\":\"2026-11-23T00:00:08Z\"},{\"time\":\"2026-11-23T00:00:04Z\"}]}}",
			"2026-11-23T00:00:08Z"},
		{"{\"lastTimestamp\":\"2026-11-23T00:00:09Z\",\"metadata\":{\"managedFields\":["
		 "{\"time\":\"2026-11-23T00:00:08Z\"}]}}",
			"2026-11-23T00:00:09Z"},
		{"{\"apiVersion\":\"events.k8s.io/v1\",\"deprecatedLastTimestamp\":\"2026-11-23T00:00:03Z\","
		 "\"lastTimestamp\":\"2026-11-23T00:00:09Z\"}",
			"2026-11-23T00:00:03Z"},
		/* out of range counts as unset */
		{"{\"lastTimestamp\":\"9999-11-23T00:00:03Z\",\"eventTime\":\"2026-11-23T00:00:02Z\"}",
			"2026-11-23T00:00:02Z"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_json *json = scanned(kev_str_c(cases[i].text));
		int64_t latest = 4711;

		assert_int_equal(kev_event_latest_time(json, 0, &latest), cases[i].latest ? 0 : -ENOENT);
		assert_int_equal(latest, cases[i].latest ? at(cases[i].latest) : 4711);
		kev_json_destroy(json);
	}
}

static void test_read(void **state)
{
	struct kev_json *json = scanned(KEV_STR(TYPICAL));
	struct kev_event *event = created(KEV_STR(TYPICAL));
	char out[2000];
	struct kev_buf printed;

	(void)state;
	kev_buf_init(&printed, 2000);
	assert_int_equal(kev_print_event(json, 0, &printed), 0);
	assert_int_equal(kev_event_size(event), printed.len);
	assert_int_equal(kev_event_read(event, 0, out, sizeof(out)), printed.len);
	assert_memory_equal(out, printed.data, printed.len);
	assert_int_equal(kev_event_read(event, 5, out, 7), 7);
	assert_memory_equal(out, printed.data + 5, 7);
	out[1] = 'x';
	assert_int_equal(kev_event_read(event, printed.len - 1, out, 7), 1);
	assert_int_equal(out[0], '\n');
	assert_int_equal(out[1], 'x');
	assert_int_equal(kev_event_read(event, 0, out, 0), 0);
	assert_int_equal(kev_event_read(event, printed.len, out, 7), 0);
	assert_int_equal(kev_event_read(event, SIZE_MAX, out, SIZE_MAX), 0);
	assert_int_equal(kev_event_read(event, printed.len - 1, out, SIZE_MAX), 1);
	assert_in_range(kev_event_memory(event), 80, printed.len + 300);
	kev_event_unref(event);
	kev_buf_fini(&printed);
	kev_json_destroy(json);
}

static void test_ctime(void **state)
{
	struct kev_event *event = created(KEV_STR(TYPICAL));

	(void)state;
	assert_int_equal(kev_event_ctime(event), 0);
	kev_event_set_ctime(event, 77);
	assert_int_equal(kev_event_ctime(event), 77);
	kev_event_unref(event);
}

static bool same(const char *a, const char *b)
{
	struct kev_event *x = created(kev_str_c(a)), *y = created(kev_str_c(b));
	bool result = kev_event_same(x, y);

	assert_int_equal(kev_event_same(y, x), result);
	assert_true(kev_event_same(x, x));
	/* When each came to be does not count. */
	kev_event_set_ctime(x, 1);
	assert_int_equal(kev_event_same(x, y), result);
	kev_event_unref(x);
	kev_event_unref(y);
	return result;
}

static void test_same(void **state)
{
	const char *event =
		"{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"1\"},\"count\":1}";

	(void)state;
	assert_true(same(event, event));
	/* the same in another order, and with managedFields, prints the same */
	assert_true(same(event,
		"{\"count\":1,\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{\"uid\":\"u\","
		"\"managedFields\":[],\"resourceVersion\":\"\\u0031\",\"name\":\"a\"}}"));
	assert_false(same(event,
		"{\"metadata\":{\"name\":\"a\",\"uid\":\"v\",\"resourceVersion\":\"1\"},\"count\":1}"));
	assert_false(same(event,
		"{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"2\"},\"count\":1}"));
	assert_false(same(event,
		"{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"1\"},\"count\":2}"));
	assert_false(same(event,
		"{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"1\"},\"count\":11}"));
}

static void *use(void *argument)
{
	struct kev_event *event = argument;
	char out[10];

	for (int i = 0; i < 10000; i++) {
		kev_event_ref(event);
		kev_event_read(event, 0, out, sizeof(out));
		kev_event_unref(event);
	}
	kev_event_unref(event);
	return NULL;
}

/* Whatever else an Event says, and although it was made from another text than it prints. */
static void test_find_created(void **state)
{
	static const char *const without[] = {"{\"metadata\":{\"name\":\"a\"}}",
		"{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":null}}",
		"{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"9999-11-23T00:00:00Z\"}}"};
	struct kev_event *event = created(KEV_STR(TYPICAL));
	int64_t ns = 7;

	(void)state;
	assert_int_equal(kev_event_find_created(event, &ns), 0);
	assert_int_equal(ns, at("2026-11-23T00:00:00Z"));
	kev_event_unref(event);
	for (size_t i = 0; i < KEV_ARRAY_LEN(without); i++) {
		event = created(kev_str_c(without[i]));
		ns = 7;
		assert_int_equal(kev_event_find_created(event, &ns), -ENOENT);
		assert_int_equal(ns, 7);
		kev_event_unref(event);
	}
}

/* Under ThreadSanitizer and AddressSanitizer: the last reference frees, once, behind every use. */
static void test_unref_from_threads(void **state)
{
	struct kev_event *event = created(KEV_STR(TYPICAL));
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, kev_event_ref(event)), 0);
	kev_event_unref(event);
	for (size_t i = 0; i < KEV_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	kev_event_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_strings),
		cmocka_unit_test(test_create_own_strings),
		cmocka_unit_test(test_create_long_names),
		cmocka_unit_test(test_create_strange_strings),
		cmocka_unit_test(test_create_of_events_group),
		cmocka_unit_test(test_create_refused),
		cmocka_unit_test(test_create_without_token),
		cmocka_unit_test(test_create_kind_absent),
		cmocka_unit_test(test_create_too_large),
		cmocka_unit_test(test_create_so_that_it_can_be_scanned_again),
		cmocka_unit_test(test_mtime_fallbacks),
		cmocka_unit_test(test_mtime_of_name),
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_latest_time),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_ctime),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_find_created),
		cmocka_unit_test(test_unref_from_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
