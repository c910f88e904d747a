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

static struct kev_health *attach(struct world *world, const char *source)
{
	struct kev_health *health = kev_health_create(&world->clock);

	assert_non_null(health);
	kev_tree_set_about(world->tree, &(struct kev_tree_about){.health = health, .source = source});
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
	struct kev_entry entry;
	char *text;

	world_live(world, "shop", "web-1", "a");
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("web-1"), 0), 0);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("shop"), 0), 0);
	assert_non_null(kev_health_add(health, KEV_SCOPE_EVENTS, NULL));
	kev_health_synced(health);
	world_carry(world, NULL, NULL);
	entry = world_find(world, STATUS);
	text = read_all(world, entry.node, entry.attr.size);
	assert_string_equal(text, "{\n"
				  "    \"version\": \"" KEVFS_VERSION "\",\n"
				  "    \"source\": \"prod\",\n"
				  "    \"mtime\": \"name\",\n"
				  "    \"started\": \"2026-05-28T20:26:40.000000000Z\",\n"
				  "    \"synced\": true,\n"
				  "    \"stale\": true,\n"
				  "    \"since\": \"2026-05-28T20:26:40.000000000Z\",\n"
				  "    \"last_error\": \"\",\n"
				  "    \"events\": 1,\n"
				  "    \"retained\": 0,\n"
				  "    \"pods\": 1,\n"
				  "    \"namespaces\": 1,\n"
				  "    \"watches\": {\n"
				  "        \"events\": {\n"
				  "            \"connected\": false,\n"
				  "            \"since\": \"2026-05-28T20:26:40.000000000Z\",\n"
				  "            \"reconnects\": 0,\n"
				  "            \"relists\": 0,\n"
				  "            \"last_error\": \"\"\n"
				  "        }\n"
				  "    }\n"
				  "}\n");
	free(text);
	world_forget(world, entry.node);
	kev_health_destroy(health);
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
	assert_int_equal(entry->attr.ino, KEV_INO_REPORT);
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
	assert_lists(world, "/.kevfs", "namespaces\nstatus\n");
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
		TEST(test_status_escapes),
		TEST(test_status_is_another_node_each_time),
		TEST(test_status_is_listed_without_a_node),
		TEST(test_is_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
