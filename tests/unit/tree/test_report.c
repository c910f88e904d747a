#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/store/health.h"
#include "kevfs/tree/inode.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/report.h"

#define STATUS "/.kevfs/status"
#define METRICS "/.kevfs/metrics"

/* What a file holds, read in small pieces. @return new */
static char *read_all(struct world *world, uint64_t node, size_t size)
{
	char *text = calloc(1, size + 1);
	size_t at = 0, got = 1;

	assert_non_null(text);
	while (got > 0) {
		size_t len = size - at < 7 ? size - at + 1 : 7;
		char piece[8];

		assert_int_equal(kev_tree_read(world->tree, node, at, piece, len, &got), 0);
		assert_true(at + got <= size);
		memcpy(text + at, piece, got);
		at += got;
	}
	assert_int_equal(at, size);
	return text;
}

/* Look a file up, and read it. @return new */
static char *read_report(struct world *world, const char *path)
{
	struct kev_entry entry = world_find(world, path);
	char *text = read_all(world, entry.node, entry.attr.size);

	assert_true(entry.momentary);
	world_forget(world, entry.node);
	return text;
}

#define assert_contains(text, part)                                \
	do {                                                       \
		if (!strstr(text, part))                           \
			fail_msg("%s\nis not in\n%s", part, text); \
	} while (0)

static struct kev_health *attach(struct world *world, const char *source)
{
	struct kev_health *health = kev_health_create(&world->clock);

	assert_non_null(health);
	kev_tree_set_about(
		world->tree, &(struct kev_tree_about){
				     .health = health, .source = source, .server = "https://127.0.0.1:6443"});
	return health;
}

static void test_status_is_not_there_without_health(void **state)
{
	struct world *world = *state;

	world_carry(world, NULL, NULL);
	assert_false(world_has(world, STATUS));
	assert_lists(world, "/.kevfs", "namespaces\n");
}

static void test_status_says_all(void **state)
{
	struct world *world = *state;
	struct kev_health *health = attach(world, "prod");
	struct kev_event *event = world_live(world, "shop", "web-1", "a");
	char *text, *expected;

	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("web-1"), 0), 0);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("shop"), 0), 0);
	assert_non_null(kev_health_add(health, KEV_SCOPE_EVENTS, NULL));
	kev_health_synced(health);
	world_carry(world, NULL, NULL);
	text = read_report(world, STATUS);
	assert_true(asprintf(&expected,
			    "{\n"
			    "    \"version\": \"" KEVFS_VERSION "\",\n"
			    "    \"source\": \"prod\",\n"
			    "    \"server\": \"https://127.0.0.1:6443\",\n"
			    "    \"mtime\": \"name\",\n"
			    "    \"started\": \"2026-05-28T20:26:40.000000000Z\",\n"
			    "    \"synced\": true,\n"
			    "    \"synced_at\": \"2026-05-28T20:26:40.000000000Z\",\n"
			    "    \"stale\": true,\n"
			    "    \"since\": \"2026-05-28T20:26:40.000000000Z\",\n"
			    "    \"connected\": false,\n"
			    "    \"last_error\": \"\",\n"
			    "    \"events\": 1,\n"
			    "    \"retained\": 0,\n"
			    "    \"pods\": 1,\n"
			    "    \"namespaces\": 1,\n"
			    "    \"event_bytes\": %zu,\n"
			    "    \"retained_bytes\": 0,\n"
			    "    \"skipped\": 0,\n"
			    "    \"evicted\": 0,\n"
			    "    \"held_directories\": 0,\n"
			    "    \"halted\": false,\n"
			    "    \"behind\": false,\n"
			    "    \"watches\": {\n"
			    "        \"events\": {\n"
			    "            \"connected\": false,\n"
			    "            \"since\": \"2026-05-28T20:26:40.000000000Z\",\n"
			    "            \"reconnects\": 0,\n"
			    "            \"relists\": 0,\n"
			    "            \"last_error\": \"\",\n"
			    "            \"count\": 1,\n"
			    "            \"denied\": 0,\n"
			    "            \"each\": [\n"
			    "                {\n"
			    "                    \"namespace\": null,\n"
			    "                    \"state\": \"idle\",\n"
			    "                    \"since\": \"2026-05-28T20:26:40.000000000Z\",\n"
			    "                    \"resource_version\": \"\",\n"
			    "                    \"seconds_since_last_byte\": null,\n"
			    "                    \"received_bytes\": 0,\n"
			    "                    \"reconnects\": 0,\n"
			    "                    \"relists\": 0,\n"
			    "                    \"last_error\": \"\",\n"
			    "                    \"last_error_time\": null\n"
			    "                }\n"
			    "            ]\n"
			    "        }\n"
			    "    }\n"
			    "}\n",
			    kev_event_size(event)) > 0);
	assert_string_equal(text, expected);
	free(expected);
	free(text);
	kev_health_destroy(health);
}

static void test_status_says_all_of_each_watch(void **state)
{
	static const struct kev_error why = {"pods of namespace pay may not be listed"};
	struct world *world = *state;
	struct kev_health *health = attach(world, "prod");
	struct kev_health_record *one = kev_health_add(health, KEV_SCOPE_PODS, "shop");
	struct kev_health_record *other = kev_health_add(health, KEV_SCOPE_PODS, "pay");
	char *text;

	kev_health_listing(health, one, false);
	kev_health_connecting(health, one, KEV_STR("7\"8"));
	kev_health_connected(health, one);
	kev_health_heard(health, one, 4711, KEV_STR(""));
	kev_health_denied(health, other, &why);
	world->now += 1234567890;
	kev_health_synced(health);
	text = read_report(world, STATUS);
	assert_contains(text, "    \"synced_at\": \"2026-05-28T20:26:41.234567890Z\",\n");
	assert_contains(text,
		"    \"watches\": {\n"
		"        \"pods\": {\n"
		"            \"connected\": true,\n"
		"            \"since\": \"2026-05-28T20:26:40.000000000Z\",\n"
		"            \"reconnects\": 0,\n"
		"            \"relists\": 0,\n"
		"            \"last_error\": \"pods of namespace pay may not be listed\",\n"
		"            \"count\": 2,\n"
		"            \"denied\": 1,\n"
		"            \"each\": [\n"
		"                {\n"
		"                    \"namespace\": \"shop\",\n"
		"                    \"state\": \"watching\",\n"
		"                    \"since\": \"2026-05-28T20:26:40.000000000Z\",\n"
		"                    \"resource_version\": \"7\\\"8\",\n"
		"                    \"seconds_since_last_byte\": 1.234,\n"
		"                    \"received_bytes\": 4711,\n"
		"                    \"reconnects\": 0,\n"
		"                    \"relists\": 0,\n"
		"                    \"last_error\": \"\",\n"
		"                    \"last_error_time\": null\n"
		"                },\n"
		"                {\n"
		"                    \"namespace\": \"pay\",\n"
		"                    \"state\": \"denied\",\n"
		"                    \"since\": \"2026-05-28T20:26:40.000000000Z\",\n"
		"                    \"resource_version\": \"\",\n"
		"                    \"seconds_since_last_byte\": null,\n"
		"                    \"received_bytes\": 0,\n"
		"                    \"reconnects\": 0,\n"
		"                    \"relists\": 0,\n"
		"                    \"last_error\": \"pods of namespace pay may not be listed\",\n"
		"                    \"last_error_time\": \"2026-05-28T20:26:40.000000000Z\"\n"
		"                }\n"
		"            ]\n"
		"        }\n"
		"    }\n"
		"}\n");
	free(text);
	kev_health_destroy(health);
}

static void test_metrics_say_all(void **state)
{
	static const struct kev_error why = {"no"};
	struct world *world = *state;
	struct kev_health *health = attach(world, "prod");
	struct kev_meter *meter = kev_store_meter(world->store);
	struct kev_health_record *events = kev_health_add(health, KEV_SCOPE_EVENTS, "a\"b\\c\n\xff");
	char *text;

	world_live(world, "shop", "web-1", "a");
	kev_health_heard(health, events, 99, KEV_STR("7"));
	kev_health_connected(health, events);
	assert_non_null(kev_health_add(health, KEV_SCOPE_PODS, NULL));
	kev_health_denied(health, kev_health_add(health, KEV_SCOPE_PODS, "pay"), &why);
	kev_meter_add(meter, KEV_METER_STALE_TAILS, 3);
	kev_meter_answered(meter, NULL, KEV_METER_READ, 5000, false);
	kev_meter_answered(meter, NULL, KEV_METER_READ, 2 * KEV_NS_PER_SEC, true);
	world->now += KEV_NS_PER_SEC / 2;
	world_carry(world, NULL, NULL);
	text = read_report(world, METRICS);
	assert_contains(text, "# HELP kevfs_build_info Which kevfs this is.\n# TYPE kevfs_build_info gauge\n"
			      "kevfs_build_info{version=\"" KEVFS_VERSION "\"} 1\n");
	assert_contains(text, "\nkevfs_start_time_seconds 1780000000.000000000\n");
	assert_contains(text, "\nkevfs_synced 0\n");
	assert_null(strstr(text, "kevfs_synced_timestamp_seconds"));
	assert_contains(text, "\nkevfs_stale 1\n");
	assert_contains(text, "\nkevfs_events 1\n");
	assert_contains(text, "\nkevfs_connected{resource=\"events\"} 1\n"
			      "kevfs_connected{resource=\"pods\"} 0\n#");
	assert_contains(text, "\nkevfs_watches{resource=\"pods\",state=\"denied\"} 1\n");
	assert_contains(text, "\nkevfs_watches{resource=\"pods\",state=\"idle\"} 1\n");
	assert_contains(text,
		"\nkevfs_watch_up{resource=\"events\",namespace=\"a\\\"b\\\\c\\\\x0a\\\\xff\"} 1\n"
		"kevfs_watch_up{resource=\"pods\",namespace=\"\"} 0\n"
		"kevfs_watch_up{resource=\"pods\",namespace=\"pay\"} 0\n#");
	/* Of those that were never heard of there is no age. */
	assert_contains(text,
		"\nkevfs_watch_silence_seconds{resource=\"events\",namespace=\"a\\\"b\\\\c\\\\x0a\\\\xff\"} "
		"0.500000000\n#");
	assert_contains(text, "kevfs_watch_received_bytes_total{resource=\"pods\",namespace=\"\"} 0\n");
	assert_contains(
		text, "\nkevfs_fuse_operation_duration_seconds_bucket{operation=\"read\",le=\"1e-05\"} 1\n");
	assert_contains(
		text, "\nkevfs_fuse_operation_duration_seconds_bucket{operation=\"read\",le=\"1\"} 1\n");
	assert_contains(text,
		"\nkevfs_fuse_operation_duration_seconds_bucket{operation=\"read\",le=\"+Inf\"} 2\n"
		"kevfs_fuse_operation_duration_seconds_sum{operation=\"read\"} 2.000005000\n"
		"kevfs_fuse_operation_duration_seconds_count{operation=\"read\"} 2\n");
	assert_contains(text, "\nkevfs_fuse_errors_total{operation=\"read\"} 1\n");
	assert_contains(text, "\nkevfs_invalidations_total{kind=\"tail\"} 3\n");
	assert_null(strstr(text, "kevfs_history"));
	free(text);
	kev_health_synced(health);
	text = read_report(world, METRICS);
	assert_contains(text, "\nkevfs_synced 1\n");
	assert_contains(text, "\nkevfs_synced_timestamp_seconds 1780000000.500000000\n");
	assert_contains(text, "\nkevfs_stale 0\n");
	free(text);
	kev_health_destroy(health);
}

/* However well all watches are, who says so may hang. */
static void test_a_feed_that_hangs(void **state)
{
	struct world *world = *state;
	struct kev_health *health = attach(world, "prod");
	struct kev_meter *meter = kev_store_meter(world->store);
	struct kev_meter_mark *feed =
		kev_meter_begin(meter, KEV_METER_FEEDING, kev_clock_monotonic(&world->clock));
	char *text;

	kev_health_set_meter(health, meter);
	kev_health_connected(health, kev_health_add(health, KEV_SCOPE_EVENTS, NULL));
	kev_health_synced(health);
	world_carry(world, NULL, NULL);
	text = read_report(world, STATUS);
	assert_contains(text, "    \"stale\": false,\n");
	free(text);
	world->now += 42 * KEV_NS_PER_SEC;
	text = read_report(world, STATUS);
	assert_contains(text, "    \"stale\": true,\n    \"since\": \"2026-05-28T20:26:40.000000000Z\",\n");
	assert_contains(
		text, "    \"last_error\": \"the thread that follows the cluster was to go on 42 s ago, ");
	free(text);
	text = read_report(world, METRICS);
	assert_contains(text, "\nkevfs_stale 1\n");
	assert_contains(text, "\nkevfs_feed_late_seconds 42.000000000\n");
	free(text);
	kev_meter_end(feed);
	kev_health_destroy(health);
}

/* Whoever waits for nobody has nothing to say of that. */
static void test_metrics_of_a_file(void **state)
{
	struct world *world = *state;
	struct kev_health *health = attach(world, "file:x");
	char *text;

	kev_health_synced(health);
	world_carry(world, NULL, NULL);
	text = read_report(world, METRICS);
	assert_null(strstr(text, "kevfs_watch"));
	assert_null(strstr(text, "kevfs_connected"));
	assert_contains(text, "\nkevfs_stale 0\n");
	free(text);
	kev_health_destroy(health);
}

static void test_version(void **state)
{
	struct world *world = *state;
	struct kev_health *health = attach(world, "prod");
	char *text;

	text = read_report(world, "/.kevfs/version");
	assert_string_equal(text, "kevfs " KEVFS_VERSION "\n");
	free(text);
	kev_tree_set_about(world->tree,
		&(struct kev_tree_about){.health = health, .source = "", .version = "kevfs 9\nlibfuse 8\n"});
	text = read_report(world, "/.kevfs/version");
	assert_string_equal(text, "kevfs 9\nlibfuse 8\n");
	free(text);
	kev_health_destroy(health);
}

/* However many are held, they take so much at most; and one more can be had for each that is given back. */
static void test_they_are_bounded(void **state)
{
	struct world *world = *state;
	struct kev_health *health = attach(world, "prod");
	char *large = calloc(1, (1U << 20) + 1);
	uint64_t nodes[64] = {0};
	struct kev_entry entry, control = world_find(world, "/.kevfs"), untouched;
	size_t count = 0;
	int r;

	assert_non_null(large);
	memset(large, 'x', 1U << 20);
	kev_tree_set_about(
		world->tree, &(struct kev_tree_about){.health = health, .source = "", .version = large});
	while (!(r = kev_tree_lookup(world->tree, control.node, KEV_STR("version"), &entry))) {
		assert_true(count < KEV_ARRAY_LEN(nodes));
		nodes[count++] = entry.node;
	}
	assert_int_equal(r, -ENFILE);
	assert_true(count > 16);
	assert_true(world->tree->report_bytes <= KEV_REPORTS_MAX);
	untouched = entry;
	assert_int_equal(kev_tree_lookup(world->tree, control.node, KEV_STR("version"), &entry), -ENFILE);
	assert_memory_equal(&untouched, &entry, sizeof(entry));
	world_forget(world, nodes[--count]);
	assert_int_equal(kev_tree_lookup(world->tree, control.node, KEV_STR("version"), &entry), 0);
	world_forget(world, entry.node);
	while (count)
		world_forget(world, nodes[--count]);
	assert_int_equal(world->tree->report_bytes, 0);
	world_forget(world, control.node);
	kev_health_destroy(health);
	free(large);
}

static void test_status_escapes(void **state)
{
	static const struct kev_error why = {"server said \"no\" \\x1b[0m"};
	struct world *world = *state;
	struct kev_health *health = attach(world, "a\"b\\c\n\xff\x1b[0m\xc3\xa9");
	struct kev_health_record *pods = kev_health_add(health, KEV_SCOPE_PODS, NULL);
	struct kev_entry entry;
	char *text;

	kev_health_failed(health, pods, &why);
	world_carry(world, NULL, NULL);
	entry = world_find(world, STATUS);
	text = read_all(world, entry.node, entry.attr.size);
	assert_non_null(strstr(text, "\"source\": \"a\\\"b\\\\c\\\\x0a\\\\xff\\\\x1b[0m\xc3\xa9\",\n"));
	assert_non_null(strstr(text, "\"last_error\": \"server said \\\"no\\\" \\\\x1b[0m\",\n"));
	free(text);
	world_forget(world, entry.node);
	kev_health_destroy(health);
}

/* Whoever looks it up has one of his own, which stays as it is. */
static void test_status_is_another_node_each_time(void **state)
{
	static const struct kev_error why = {"refused"};
	struct world *world = *state;
	struct kev_health *health = attach(world, "prod");
	struct kev_health_record *pods = kev_health_add(health, KEV_SCOPE_PODS, NULL);
	struct kev_entry first, second;
	struct kev_attr attr;
	size_t known;
	char *text, *again;

	world_carry(world, NULL, NULL);
	known = kev_inodes_count(world->tree->inodes);
	first = world_find(world, STATUS);
	assert_true(first.momentary);
	assert_false(first.attr.momentary);
	assert_int_equal(first.attr.type, KEV_NODE_FILE);
	assert_true(first.attr.mtime == WORLD_NOW);
	text = read_all(world, first.node, first.attr.size);
	kev_health_failed(health, pods, &why);
	world->now += 1;
	second = world_find(world, STATUS);
	assert_int_not_equal(second.node, first.node);
	assert_int_equal(second.attr.ino, first.attr.ino);
	assert_int_not_equal(second.attr.size, first.attr.size);
	assert_true(second.attr.mtime == WORLD_NOW + 1);
	again = read_all(world, first.node, first.attr.size);
	assert_string_equal(again, text);
	free(again);
	free(text);
	assert_int_equal(kev_tree_getattr(world->tree, first.node, &attr), 0);
	assert_int_equal(attr.size, first.attr.size);
	world_forget(world, first.node);
	assert_int_equal(kev_tree_getattr(world->tree, first.node, &attr), -ESTALE);
	world_forget(world, second.node);
	assert_int_equal(kev_inodes_count(world->tree->inodes), known);
	kev_health_destroy(health);
}

static int expect_no_node(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	(void)next;
	if (!kev_str_eq(name, KEV_STR("status")))
		return 0;
	assert_int_equal(entry->node, 0);
	assert_int_equal(entry->attr.type, KEV_NODE_FILE);
	assert_int_equal(entry->attr.ino, KEV_INO_STATUS);
	++*(int *)context;
	return 0;
}

static int refuse_status(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	(void)entry, (void)next, (void)context;
	return kev_str_eq(name, KEV_STR("status"));
}

/* A listing must not hand out one that would then be kept. */
static void test_status_is_listed_without_a_node(void **state)
{
	struct world *world = *state;
	struct kev_health *health = attach(world, "prod");
	struct kev_entry control;
	size_t known;
	int count = 0;

	world_carry(world, NULL, NULL);
	assert_lists(world, "/.kevfs", "metrics\nnamespaces\nstatus\nversion\n");
	control = world_find(world, "/.kevfs");
	assert_int_equal(kev_tree_readdir(world->tree, control.node, 0, true, expect_no_node, &count), 0);
	assert_int_equal(count, 1);
	known = kev_inodes_count(world->tree->inodes);
	assert_int_equal(kev_tree_readdir(world->tree, control.node, 0, true, refuse_status, NULL), 0);
	assert_int_equal(kev_inodes_count(world->tree->inodes), known);
	world_forget(world, control.node);
	kev_health_destroy(health);
}

static void test_is_early(void **state)
{
	struct world *world = *state;
	struct kev_health *health = attach(world, "prod");
	struct kev_entry control, status, absent;
	struct kev_attr attr;

	assert_true(kev_tree_is_early(world->tree, KEV_TREE_ROOT, KEV_STR(".kevfs")));
	assert_false(kev_tree_is_early(world->tree, KEV_TREE_ROOT, KEV_STR("")));
	assert_false(kev_tree_is_early(world->tree, KEV_TREE_ROOT, KEV_STR("status")));
	assert_false(kev_tree_is_early(world->tree, 999, KEV_STR("")));
	/* Before the first sync nothing is said for good … */
	control = world_find(world, "/.kevfs");
	assert_true(control.momentary && control.attr.momentary);
	assert_true(kev_tree_is_early(world->tree, control.node, KEV_STR("")));
	assert_true(kev_tree_is_early(world->tree, control.node, KEV_STR("status")));
	assert_false(kev_tree_is_early(world->tree, control.node, KEV_STR("namespaces")));
	status = world_find(world, STATUS);
	assert_true(kev_tree_is_early(world->tree, status.node, KEV_STR("")));
	assert_int_equal(kev_tree_lookup(world->tree, KEV_TREE_ROOT, KEV_STR("x"), &absent), 0);
	assert_true(absent.momentary);
	/* … and then all is, but for what is made on the fly. */
	world_carry(world, NULL, NULL);
	assert_int_equal(kev_tree_getattr(world->tree, control.node, &attr), 0);
	assert_false(attr.momentary);
	assert_int_equal(kev_tree_lookup(world->tree, KEV_TREE_ROOT, KEV_STR("x"), &absent), 0);
	assert_false(absent.momentary);
	world_forget(world, status.node);
	world_forget(world, control.node);
	kev_health_destroy(health);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_status_is_not_there_without_health),
		TEST(test_status_says_all),
		TEST(test_status_says_all_of_each_watch),
		TEST(test_metrics_say_all),
		TEST(test_metrics_of_a_file),
		TEST(test_a_feed_that_hangs),
		TEST(test_version),
		TEST(test_they_are_bounded),
		TEST(test_status_escapes),
		TEST(test_status_is_another_node_each_time),
		TEST(test_status_is_listed_without_a_node),
		TEST(test_is_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
