#include "sample.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "kevfs/base/log.h"
#include "kevfs/watch/ingest.h"

struct world {
	struct sample sample;
	struct kev_intake *intake;
	struct kev_ingest *events, *pods, *namespaces;
};

static bool never(void *context)
{
	(void)context;
	return false;
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct sample *s;

	assert_non_null(world);
	s = &world->sample;
	sample_init(s);
	world->intake = kev_intake_create(s->store, never, NULL);
	world->events = kev_ingest_create(s->store, world->intake, KEV_SCOPE_EVENTS, &s->clock, "events");
	world->pods = kev_ingest_create(s->store, NULL, KEV_SCOPE_PODS, &s->clock, "pods");
	world->namespaces = kev_ingest_create(s->store, NULL, KEV_SCOPE_NAMESPACES, &s->clock, "namespaces");
	assert_non_null(world->intake);
	assert_non_null(world->events);
	assert_non_null(world->pods);
	assert_non_null(world->namespaces);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_ingest_destroy(world->events);
	kev_ingest_destroy(world->pods);
	kev_ingest_destroy(world->namespaces);
	kev_intake_destroy(world->intake);
	sample_fini(&world->sample);
	free(world);
	return 0;
}

static void item(struct kev_ingest *ingest, const char *text)
{
	assert_int_equal(kev_ingest_item(ingest, kev_str_c(text)), 0);
}

static struct kev_ingest_line line(struct kev_ingest *ingest, const char *type, const char *object)
{
	struct kev_ingest_line out = {.type = KEV_ENVELOPE_UNKNOWN};
	size_t size = strlen(object) + 100;
	char *text = malloc(size);

	assert_non_null(text);
	snprintf(text, size, "{\"type\":\"%s\",\"object\":%s}", type, object);
	assert_int_equal(kev_ingest_line(ingest, kev_str_c(text), KEV_INGEST_LIVE, &out, NULL), 0);
	/* The strings in out borrow from the text, but for the resourceVersion. */
	out.object.data = NULL;
	free(text);
	return out;
}

static void test_item_puts(void **state)
{
	struct world *world = *state;

	item(world->events, sample_event("a", "1", "Pod"));
	item(world->pods, "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"web\"}}");
	item(world->namespaces,
		"{\"metadata\":{\"name\":\"ns\",\"creationTimestamp\":\"2026-07-01T11:00:00Z\"}}");
	assert_string_equal(sample_changes(&world->sample), "+a@1 +pod ns/web +namespace ns");
}

static void test_item_leaves_out_what_makes_no_sense(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"metadata\":{}}",
		"{\"metadata\":{\"name\":7}}", "{\"metadata\":{\"name\":\"\"}}",
		"{\"metadata\":{\"name\":\"x\"},\"count\":1e999}",
		"{\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\"}}"};
	struct world *world = *state;

	for (size_t i = 0; i < KEV_ARRAY_LEN(bad); i++) {
		item(world->events, bad[i]);
		assert_int_equal(kev_ingest_skipped(world->events), i + 1);
	}
	item(world->pods, "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"a\\u0000b\"}}");
	item(world->pods, "{\"metadata\":{\"name\":\"without\"}}");
	item(world->pods, "{\"metadata\":{\"namespace\":\"ns\"}}");
	assert_int_equal(kev_ingest_skipped(world->pods), 3);
	assert_int_equal(kev_meter_get(kev_store_meter(world->sample.store), KEV_METER_SKIPPED),
		KEV_ARRAY_LEN(bad) + 3);
	assert_string_equal(sample_changes(&world->sample), "");
	item(world->events, sample_event("a", "1", "Pod"));
	assert_string_equal(sample_changes(&world->sample), "+a@1");
}

static void test_line_follows_an_event(void **state)
{
	struct world *world = *state;
	struct kev_ingest_line out;

	out = line(world->events, "ADDED", sample_event("a", "1", "Pod"));
	assert_int_equal(out.type, KEV_ENVELOPE_ADDED);
	assert_str_equal(out.resource_version, KEV_STR("1"));
	out = line(world->events, "MODIFIED", sample_event("a", "2", "Pod"));
	assert_str_equal(out.resource_version, KEV_STR("2"));
	out = line(world->events, "DELETED", sample_event("a", "3", "Pod"));
	assert_int_equal(out.type, KEV_ENVELOPE_DELETED);
	assert_str_equal(out.resource_version, KEV_STR("3"));
	assert_string_equal(sample_changes(&world->sample), "+a@1 a@1->2 -a@2");
	assert_int_equal(kev_ingest_skipped(world->events), 0);
}

static void test_line_follows_pods_and_namespaces(void **state)
{
	static const char pod[] =
		"{\"metadata\":{\"namespace\":\"ns\",\"name\":\"web\",\"resourceVersion\":\"5\"}}";
	static const char namespace_[] = "{\"metadata\":{\"name\":\"ns\",\"resourceVersion\":\"6\"}}";
	struct world *world = *state;

	line(world->pods, "ADDED", pod);
	assert_str_equal(line(world->pods, "MODIFIED", pod).resource_version, KEV_STR("5"));
	line(world->namespaces, "ADDED", namespace_);
	line(world->pods, "DELETED", pod);
	line(world->namespaces, "DELETED", namespace_);
	assert_string_equal(
		sample_changes(&world->sample), "+pod ns/web +namespace ns -pod ns/web -namespace ns");
}

static void test_line_bookmark_and_error_change_nothing(void **state)
{
	struct world *world = *state;
	struct kev_ingest_line out;

	out = line(
		world->events, "BOOKMARK", "{\"kind\":\"Event\",\"metadata\":{\"resourceVersion\":\"77\"}}");
	assert_int_equal(out.type, KEV_ENVELOPE_BOOKMARK);
	assert_str_equal(out.resource_version, KEV_STR("77"));
	out = line(world->events, "ERROR", "{\"kind\":\"Status\",\"code\":410}");
	assert_int_equal(out.type, KEV_ENVELOPE_ERROR);
	assert_str_equal(out.resource_version, KEV_STR(""));
	assert_string_equal(sample_changes(&world->sample), "");
	assert_int_equal(kev_ingest_skipped(world->events), 0);
}

static void test_line_gives_the_object_of_an_error(void **state)
{
	struct world *world = *state;
	struct kev_ingest_line out;

	assert_int_equal(
		kev_ingest_line(world->events, KEV_STR("{\"type\":\"ERROR\",\"object\":{\"code\": 410}}"),
			KEV_INGEST_LIVE, &out, NULL),
		0);
	assert_str_equal(out.object, KEV_STR("{\"code\": 410}"));
}

static int line_at(
	struct kev_ingest *ingest, enum kev_ingest_place place, const char *type, const char *object)
{
	struct kev_ingest_line out = {.type = KEV_ENVELOPE_UNKNOWN};
	char text[1200];
	int r;

	snprintf(text, sizeof(text), "{\"type\":\"%s\",\"object\":%s}", type, object);
	r = kev_ingest_line(ingest, kev_str_c(text), place, &out, NULL);
	assert_true(r == 0 || out.type == KEV_ENVELOPE_UNKNOWN);
	return r;
}

static void assert_start(struct kev_ingest *ingest, const char *expected)
{
	struct kev_buf out;
	int r;

	kev_buf_init(&out, 100);
	r = kev_ingest_append_start(ingest, &out);
	assert_int_equal(r, expected[0] ? 0 : -EINVAL);
	assert_str_equal(kev_buf_str(&out), kev_str_c(expected));
	kev_buf_fini(&out);
}

/* Where a watch begins that is to bring the last line once more. */
static void test_start_is_before_the_last(void **state)
{
	struct world *world = *state;

	assert_start(world->events, "");
	/* A list is in the order of names. */
	item(world->events, sample_event("a", "7", "Pod"));
	item(world->events, sample_event("b", "12", "Pod"));
	item(world->events, sample_event("c", "9", "Pod"));
	assert_start(world->events, "11");
	/* So is the list that a watch begins with. */
	assert_int_equal(
		line_at(world->events, KEV_INGEST_LISTED, "ADDED", sample_event("d", "8", "Pod")), 0);
	assert_start(world->events, "11");
	line(world->events, "MODIFIED", sample_event("a", "20", "Pod"));
	assert_start(world->events, "19");
	line(world->events, "DELETED", sample_event("a", "21", "Pod"));
	assert_start(world->events, "20");
	line(world->events, "BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"99\"}}");
	assert_start(world->events, "20");
	line(world->events, "ADDED", sample_event("a", "opaque", "Pod"));
	assert_start(world->events, "");
	line(world->events, "ADDED", "{\"metadata\":{\"name\":\"x\"}}");
	assert_start(world->events, "");
	line(world->events, "ADDED", sample_event("a", "30", "Pod"));
	kev_ingest_begin(world->events);
	assert_start(world->events, "");
}

static void test_line_again(void **state)
{
	struct world *world = *state;

	line(world->events, "ADDED", sample_event("a", "7", "Pod"));
	assert_int_equal(
		line_at(world->events, KEV_INGEST_AGAIN, "ADDED", sample_event("b", "7", "Pod")), -ESTALE);
	assert_int_equal(
		line_at(world->events, KEV_INGEST_AGAIN, "ADDED", sample_event("a", "8", "Pod")), -ESTALE);
	assert_int_equal(
		line_at(world->events, KEV_INGEST_AGAIN, "DELETED", sample_event("a", "7", "Pod")), -ESTALE);
	assert_string_equal(sample_changes(&world->sample), "+a@7");
	/* What is no change says nothing. */
	assert_int_equal(line_at(world->events, KEV_INGEST_AGAIN, "BOOKMARK", "{}"), 0);
	assert_int_equal(line_at(world->events, KEV_INGEST_AGAIN, "ERROR", "{}"), 0);
	assert_int_equal(line_at(world->events, KEV_INGEST_AGAIN, "ADDED", sample_event("a", "7", "Pod")), 0);
	assert_string_equal(sample_changes(&world->sample), "");
	line(world->events, "DELETED", sample_event("a", "9", "Pod"));
	assert_int_equal(
		line_at(world->events, KEV_INGEST_AGAIN, "ADDED", sample_event("a", "9", "Pod")), -ESTALE);
	assert_int_equal(
		line_at(world->events, KEV_INGEST_AGAIN, "DELETED", sample_event("a", "9", "Pod")), 0);
}

static void test_line_that_goes_back(void **state)
{
	struct world *world = *state;

	line(world->events, "ADDED", sample_event("a", "12", "Pod"));
	assert_int_equal(
		line_at(world->events, KEV_INGEST_LIVE, "MODIFIED", sample_event("a", "9", "Pod")), -EINVAL);
	assert_int_equal(
		line_at(world->events, KEV_INGEST_LIVE, "ADDED", sample_event("b", "11", "Pod")), -EINVAL);
	assert_string_equal(sample_changes(&world->sample), "+a@12");
	line(world->events, "MODIFIED", sample_event("a", "12", "Pod"));
	/* As old servers say it. */
	line(world->events, "DELETED", sample_event("a", "3", "Pod"));
	assert_string_equal(sample_changes(&world->sample), "-a@12");
	/* What is no number has no order. */
	line(world->events, "ADDED", sample_event("a", "abc", "Pod"));
	line(world->events, "MODIFIED", sample_event("a", "2", "Pod"));
	assert_string_equal(sample_changes(&world->sample), "+a@abc a@abc->2");
}

static void test_line_unknown_type_goes_on(void **state)
{
	struct world *world = *state;
	struct kev_ingest_line out = line(world->events, "RENAMED", sample_event("a", "9", "Pod"));

	assert_int_equal(out.type, KEV_ENVELOPE_UNKNOWN);
	assert_str_equal(out.resource_version, KEV_STR("9"));
	assert_string_equal(sample_changes(&world->sample), "");
	assert_int_equal(kev_ingest_skipped(world->events), 1);
}

static void test_line_broken_is_an_error(void **state)
{
	static const char *const bad[] = {"", "x", "{", "{}", "[1]", "{\"type\":\"ADDED\"}",
		"{\"type\":\"ADDED\",\"object\":7}", "{\"object\":{}}", "<html>",
		"{\"type\":\"ADDED\",\"object\":{}} x"};
	struct world *world = *state;

	for (size_t i = 0; i < KEV_ARRAY_LEN(bad); i++) {
		struct kev_ingest_line out = {.type = KEV_ENVELOPE_BOOKMARK};
		struct kev_error error = {""};

		assert_int_equal(
			kev_ingest_line(world->events, kev_str_c(bad[i]), KEV_INGEST_LIVE, &out, &error),
			-EINVAL);
		assert_int_equal(out.type, KEV_ENVELOPE_BOOKMARK);
		assert_string_not_equal(error.text, "");
	}
}

/* An update that cannot be shown must not leave the older revision standing. */
static void test_line_unusable_update_removes_the_old(void **state)
{
	struct world *world = *state;
	struct kev_ingest_line out;

	line(world->events, "ADDED", sample_event("a", "1", "Pod"));
	out = line(world->events, "MODIFIED",
		"{\"metadata\":{\"namespace\":\"ns\",\"name\":\"a\",\"resourceVersion\":\"2\"},\"count\":"
		"1e999}");
	assert_str_equal(out.resource_version, KEV_STR("2"));
	assert_string_equal(sample_changes(&world->sample), "+a@1 -a@1");
	assert_int_equal(kev_ingest_skipped(world->events), 1);
}

static void test_line_deletes_a_name_of_any_length(void **state)
{
	struct world *world = *state;
	char object[6000], name[5000];
	struct kev_store_counts counts;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(object, sizeof(object), "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"%s\"}}", name);
	line(world->events, "ADDED", object);
	kev_store_counts(world->sample.store, &counts);
	assert_int_equal(counts.events, 1);
	line(world->events, "DELETED", object);
	kev_store_counts(world->sample.store, &counts);
	assert_int_equal(counts.events, 0);
	assert_int_equal(kev_ingest_skipped(world->events), 0);
}

static void test_line_long_resource_version_is_left_out(void **state)
{
	struct world *world = *state;
	char rv[2000];
	struct kev_ingest_line out;

	memset(rv, '1', sizeof(rv) - 1);
	rv[sizeof(rv) - 1] = '\0';
	char object[2200];
	snprintf(object, sizeof(object),
		"{\"metadata\":{\"namespace\":\"ns\",\"name\":\"a\",\"resourceVersion\":\"%s\"}}", rv);
	out = line(world->events, "ADDED", object);
	assert_str_equal(out.resource_version, KEV_STR(""));
}

/* Lines of the log that say "left out", while the callback runs. */
static int count_log_lines(void (*what)(struct world *world), struct world *world)
{
	int saved = dup(STDERR_FILENO), pipes[2], lines = 0;
	char text[65536];
	ssize_t len;

	assert_true(saved >= 0);
	assert_int_equal(pipe(pipes), 0);
	assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
	what(world);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	close(pipes[1]);
	len = read(pipes[0], text, sizeof(text) - 1);
	close(pipes[0]);
	text[len > 0 ? len : 0] = '\0';
	for (const char *at = text; (at = strstr(at, "left out")); at++)
		lines++;
	return lines;
}

static void skip_many(struct world *world)
{
	for (int i = 0; i < 1000; i++) {
		world->sample.now += 30 * KEV_NS_PER_MS;
		kev_ingest_skip(world->events, 1, "for the test");
	}
}

static void test_skip_is_logged_now_and_then(void **state)
{
	struct world *world = *state;

	kev_log_set_level(KEV_LOG_WARNING);
	/* 30 s: at the beginning, and every ten seconds. */
	assert_int_equal(count_log_lines(skip_many, world), 3);
	kev_log_set_level(KEV_LOG_ERROR);
	assert_int_equal(kev_ingest_skipped(world->events), 1000);
	kev_ingest_skip(world->events, 0, "nothing");
	assert_int_equal(kev_ingest_skipped(world->events), 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_item_puts),
		TEST(test_item_leaves_out_what_makes_no_sense),
		TEST(test_line_follows_an_event),
		TEST(test_line_follows_pods_and_namespaces),
		TEST(test_line_bookmark_and_error_change_nothing),
		TEST(test_line_gives_the_object_of_an_error),
		TEST(test_start_is_before_the_last),
		TEST(test_line_again),
		TEST(test_line_that_goes_back),
		TEST(test_line_unknown_type_goes_on),
		TEST(test_line_broken_is_an_error),
		TEST(test_line_unusable_update_removes_the_old),
		TEST(test_line_deletes_a_name_of_any_length),
		TEST(test_line_long_resource_version_is_left_out),
		TEST(test_skip_is_logged_now_and_then),
	};

	kev_log_set_level(KEV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
