/* An event that is made again from its parts is the same in all that can be asked of it. */
#include "../test.h"

#include <dirent.h>
#include <errno.h>

#include "../room.h"
#include "../words.h"
#include "kevfs/event/event.h"
#include "kevfs/event/line.h"
#include "scanned.h"

static void assert_equal(const struct kev_event *a, const struct kev_event *b)
{
	struct kev_buf text[2];

	kev_buf_init(&text[0], KEV_EVENT_SIZE_MAX);
	kev_buf_init(&text[1], KEV_EVENT_SIZE_MAX);
	assert_int_equal(kev_event_append_text(a, &text[0]), 0);
	assert_int_equal(kev_event_append_text(b, &text[1]), 0);
	assert_str_equal(kev_event_namespace(a), kev_event_namespace(b));
	assert_str_equal(kev_event_name(a, ROOM), kev_event_name(b, ROOM));
	assert_str_equal(kev_event_uid(a, ROOM), kev_event_uid(b, ROOM));
	assert_str_equal(kev_event_resource_version(a, ROOM), kev_event_resource_version(b, ROOM));
	assert_str_equal(kev_event_object_api_version(a), kev_event_object_api_version(b));
	assert_str_equal(kev_event_object_kind(a), kev_event_object_kind(b));
	assert_str_equal(kev_event_object_namespace(a), kev_event_object_namespace(b));
	assert_str_equal(kev_event_object_name(a), kev_event_object_name(b));
	assert_str_equal(kev_event_type(a), kev_event_type(b));
	assert_str_equal(kev_event_reason(a), kev_event_reason(b));
	assert_str_equal(kev_event_node(a), kev_event_node(b));
	assert_str_equal(kev_buf_str(&text[0]), kev_buf_str(&text[1]));
	assert_true(kev_event_mtime(a) == kev_event_mtime(b));
	assert_true(kev_event_written(a) == kev_event_written(b));
	assert_true(kev_event_last_seen(a) == kev_event_last_seen(b));
	assert_true(kev_event_ctime(a) == kev_event_ctime(b));
	assert_int_equal(kev_event_line_size(a), kev_event_line_size(b));
	assert_int_equal(kev_event_compact_size(a), kev_event_compact_size(b));
	assert_true(kev_event_same(a, b));
	kev_buf_fini(&text[0]);
	kev_buf_fini(&text[1]);
}

static struct kev_event *event_of(struct kev_str text)
{
	struct kev_json *json = kev_json_create();
	struct kev_event *event = NULL;
	struct kev_error error;

	assert_non_null(json);
	if (kev_json_scan(json, text, &error) == 0 && kev_event_create(json, 0, words(), &event, &error) == 0)
		kev_event_set_ctime(event, 1782907200123456789);
	kev_json_destroy(json);
	return event;
}

static void test_restore_every_sample(void **state)
{
	DIR *directory = opendir(KEVFS_TEST_DIR "/print");
	const struct dirent *entry;
	unsigned count = 0;

	(void)state;
	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		char path[4096];
		struct kev_event *event, *again = NULL;
		struct kev_event_parts parts;
		struct kev_buf space;
		size_t len;
		char *text;

		if (!strstr(entry->d_name, ".in"))
			continue;
		snprintf(path, sizeof(path), KEVFS_TEST_DIR "/print/%s", entry->d_name);
		text = read_file(path, &len);
		event = event_of((struct kev_str){text, len});
		free(text);
		if (!event)
			continue;
		kev_buf_init(&space, KEV_EVENT_SIZE_MAX);
		assert_int_equal(kev_event_take_apart(event, &space, &parts), 0);
		assert_int_equal(kev_event_restore(&parts, words(), &again), 0);
		assert_equal(event, again);
		kev_event_unref(event);
		kev_event_unref(again);
		kev_buf_fini(&space);
		count++;
	}
	closedir(directory);
	assert_true(count > 50);
}

#define EVENT                                                                                           \
	"{\"metadata\":{\"name\":\"web.17f82d400041d81f\",\"namespace\":\"shop\",\"uid\":\"u\\u0000\"," \
	"\"resourceVersion\":\"77\",\"creationTimestamp\":\"2026-11-23T00:00:00Z\"},"                   \
	"\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"other\",\"name\":\"web\","                \
	"\"apiVersion\":\"v1\"},\"type\":\"Warning\",\"reason\":\"BackOff\","                           \
	"\"source\":{\"host\":\"node-1\"}}"

/* What no event has is refused, whatever it is: the parts come from a file. */
static void test_restore_refuses(void **state)
{
	static const char room[1];
	struct kev_event *event = event_of(KEV_STR(EVENT)), *untouched = event, *out = event;
	struct kev_event_parts parts, good;
	struct kev_buf space;

	(void)state;
	kev_buf_init(&space, KEV_EVENT_SIZE_MAX);
	assert_int_equal(kev_event_take_apart(event, &space, &good), 0);
#define REFUSED(field, value)                                                        \
	do {                                                                         \
		parts = good;                                                        \
		parts.field = (value);                                               \
		assert_int_equal(kev_event_restore(&parts, words(), &out), -EINVAL); \
		assert_ptr_equal(out, untouched);                                    \
	} while (0)
	/* None of these may be read as far as its length says. */
	REFUSED(name, KEV_STR(""));
	REFUSED(text, KEV_STR(""));
	REFUSED(text, ((struct kev_str){room, KEV_EVENT_SIZE_MAX + 1}));
	REFUSED(name, ((struct kev_str){room, (size_t)KEV_JSON_TEXT_MAX * 3 + 1}));
	REFUSED(namespace_, ((struct kev_str){room, SIZE_MAX}));
	REFUSED(node, ((struct kev_str){room, SIZE_MAX - 1}));
	REFUSED(line_size, 0);
	REFUSED(line_size, KEV_LINE_MAX + 1);
	REFUSED(line_size, UINT64_MAX);
	REFUSED(compact_size, 0);
	REFUSED(compact_size, good.text.len + 2);
	REFUSED(mtime, -1);
	REFUSED(last_seen, INT64_MIN);
	REFUSED(written, -1000000000);
	REFUSED(written, 1);
	REFUSED(ctime, 0);
	REFUSED(ctime, INT64_MAX);
	parts = good;
	assert_int_equal(kev_event_restore(&parts, words(), &out), 0);
	assert_equal(event, out);
	kev_event_unref(out);
	kev_event_unref(event);
	kev_buf_fini(&space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restore_every_sample),
		cmocka_unit_test(test_restore_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
