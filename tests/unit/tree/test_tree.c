#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/tree/inode.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/path.h"

static void test_lookup_event(void **state)
{
	struct world *world = *state;
	struct kev_event *event = world_live(world, "shop", "web-1", "web-1.17f82d400041d81f"), *open = NULL;
	struct kev_entry entry;

	world_carry(world, NULL, NULL);
	entry = world_find(world, "/shop/pods/web-1/events/web-1.17f82d400041d81f");
	assert_int_equal(entry.attr.type, KEV_NODE_FILE);
	assert_int_equal(entry.attr.nlink, 1);
	assert_int_equal(entry.attr.size, kev_event_size(event));
	assert_int_equal(entry.attr.mtime, 0x17f82d400041d81fLL);
	assert_int_equal(entry.attr.ctime, kev_event_ctime(event));
	assert_int_not_equal(entry.generation, 0);
	assert_int_equal(kev_tree_open(world->tree, entry.node, &open), 0);
	assert_ptr_equal(open, event);
	kev_event_unref(open);
	world_forget(world, entry.node);
	assert_int_equal(kev_tree_open(world->tree, entry.node, &open), -ESTALE);
	assert_int_equal(kev_tree_getattr(world->tree, entry.node, &entry.attr), -ESTALE);
}

/* -o mtime=last: what the event says itself, to the second; which revision, below. */
static void test_getattr_last_seen(void **state)
{
	struct world *world = *state;
	struct world_event event = {.name = KEV_STR("web-1.17f82d400041d81f"),
		.resource_version = KEV_STR("12000000345"),
		.written = 1727180215};

	world_put(world, &event, KEV_ORIGIN_FIRST_SYNC);
	world_carry(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/shop/pods/web/events/web-1.17f82d400041d81f").last,
		1727180215 * WORLD_SECOND + 345);
	event.resource_version = KEV_STR("12000000346");
	world_put(world, &event, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/shop/pods/web/events/web-1.17f82d400041d81f").last,
		1727180215 * WORLD_SECOND + 346);
	assert_int_equal(world_attr(world, "/shop/pods/web/events/web-1.17f82d400041d81f").mtime,
		0x17f82d400041d81fLL);
	assert_int_equal(world_attr(world, "/shop/pods").last, 0);
}

static void test_lookup_same_node_in_all_events(void **state)
{
	struct world *world = *state;
	struct kev_entry one, two;

	world_live(world, "shop", "web-1", "a");
	world_carry(world, NULL, NULL);
	one = world_find(world, "/shop/pods/web-1/events/a");
	two = world_find(world, "/.kevfs/namespaces/shop/events/a");
	assert_int_not_equal(one.node, 0);
	assert_int_equal(one.node, two.node);
	assert_int_equal(one.attr.ino, two.attr.ino);
	world_forget(world, one.node);
	world_forget(world, two.node);
}

static void test_lookup_absent(void **state)
{
	struct world *world = *state;
	struct kev_entry entry = {.node = 77};

	world_live(world, "shop", "web-1", "a");
	world_carry(world, NULL, NULL);
	assert_false(world_has(world, "/default"));
	assert_false(world_has(world, "/shop/nodes"));
	assert_false(world_has(world, "/shop/pods/web-2"));
	assert_false(world_has(world, "/shop/pods/web-1/b"));
	assert_false(world_has(world, "/shop/pods/web-1/events/b"));
	assert_false(world_has(world, "/.kevfs/namespaces/default"));
	assert_false(world_has(world, "/.kevfs/shop"));
	assert_int_equal(kev_tree_lookup(world->tree, KEV_TREE_ROOT, KEV_STR("."), &entry), 0);
	assert_int_equal(entry.node, 0);
	assert_int_equal(kev_tree_lookup(world->tree, KEV_TREE_ROOT, KEV_STR(""), &entry), 0);
	assert_int_equal(entry.node, 0);
}

static void test_lookup_errors(void **state)
{
	struct world *world = *state;
	struct kev_entry entry, untouched = {.node = 77};

	world_live(world, "shop", "web-1", "a");
	world_carry(world, NULL, NULL);
	assert_int_equal(kev_tree_lookup(world->tree, 999, KEV_STR("a"), &untouched), -ESTALE);
	entry = world_find(world, "/shop/pods/web-1/events/a");
	assert_int_equal(kev_tree_lookup(world->tree, entry.node, KEV_STR("a"), &untouched), -ENOTDIR);
	world_forget(world, entry.node);
	entry = world_find(world, "/shop/events");
	assert_int_equal(kev_tree_lookup(world->tree, entry.node, KEV_STR("a"), &untouched), -ENOTDIR);
	world_forget(world, entry.node);
	assert_int_equal(untouched.node, 77);
}

static void test_readlink(void **state)
{
	struct world *world = *state;
	struct kev_entry entry;
	struct kev_buf target;

	world_live(world, "shop", "web-1", "a");
	world_carry(world, NULL, NULL);
	entry = world_find(world, "/shop/events");
	assert_int_equal(entry.attr.type, KEV_NODE_LINK);
	assert_int_equal(entry.attr.nlink, 1);
	kev_buf_init(&target, 1000);
	assert_int_equal(kev_tree_readlink(world->tree, entry.node, &target), 0);
	assert_str_equal(kev_buf_str(&target), KEV_STR("../.kevfs/namespaces/shop/events"));
	assert_int_equal(entry.attr.size, target.len);
	world_forget(world, entry.node);
	kev_buf_fini(&target);
}

static void test_readlink_errors(void **state)
{
	struct world *world = *state;
	struct kev_event *event = NULL;
	struct kev_buf target;
	struct kev_entry entry;

	world_live(world, "shop", "web-1", "a");
	world_carry(world, NULL, NULL);
	kev_buf_init(&target, 10);
	assert_int_equal(kev_tree_readlink(world->tree, KEV_TREE_ROOT, &target), -EINVAL);
	assert_int_equal(kev_tree_readlink(world->tree, 999, &target), -ESTALE);
	assert_int_equal(target.len, 0);
	entry = world_find(world, "/shop/events");
	assert_int_equal(kev_tree_open(world->tree, entry.node, &event), -EINVAL);
	assert_int_equal(kev_tree_open(world->tree, KEV_TREE_ROOT, &event), -EISDIR);
	assert_null(event);
	world_forget(world, entry.node);
	kev_buf_fini(&target);
}

static void test_getattr_directories(void **state)
{
	struct world *world = *state;

	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("empty"), WORLD_SECOND), 0);
	world_live(world, "shop", "web-1", "a");
	world_live(world, "shop", "web-2", "b");
	world_carry(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/").nlink, 4);
	assert_int_equal(world_attr(world, "/").ino, 1);
	assert_int_equal(world_attr(world, "/empty").nlink, 2);
	assert_int_equal(world_attr(world, "/shop").nlink, 3);
	assert_int_equal(world_attr(world, "/shop/pods").nlink, 4);
	assert_int_equal(world_attr(world, "/shop/pods/web-1").nlink, 3);
	assert_int_equal(world_attr(world, "/shop/pods/web-1/events").nlink, 2);
	assert_int_equal(world_attr(world, "/.kevfs").nlink, 3);
	assert_int_equal(world_attr(world, "/.kevfs").ino, 2);
	assert_int_equal(world_attr(world, "/.kevfs/namespaces").nlink, 4);
	assert_int_equal(world_attr(world, "/.kevfs/namespaces/shop").nlink, 6);
	assert_int_equal(world_attr(world, "/.kevfs/namespaces/shop/events").nlink, 2);
	assert_int_equal(world_attr(world, "/shop").type, KEV_NODE_DIR);
	assert_int_equal(world_attr(world, "/shop").size, 0);
}

/* The numbers that a backup tool has written down. They must never change. */
static void test_getattr_ino_is_stable(void **state)
{
	struct world *world = *state;

	world_live(world, "shop", "web-1", "a");
	world_carry(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/shop").ino, 0x6929b0f3eed1c701ULL);
	assert_int_equal(world_attr(world, "/shop/events").ino, 0x85a0d1c51fcd019eULL);
	assert_int_equal(world_attr(world, "/shop/pods/web-1/events").ino, 0x3f3f315d949e5c75ULL);
	assert_int_equal(world_attr(world, "/shop/pods/web-1/events/a").ino, 0xa5df2850a60b3080ULL);
}

static void test_getattr_ino_differs(void **state)
{
	static const char *const paths[] = {"/", "/.kevfs", "/.kevfs/namespaces", "/.kevfs/namespaces/a",
		"/.kevfs/namespaces/a/events", "/.kevfs/namespaces/b/events", "/a", "/a/events", "/a/pods",
		"/a/pods/x", "/a/pods/x/events", "/a/pods/x/events/n", "/a/pods/x/events/m",
		"/b/pods/x/events/n"};
	uint64_t inos[KEV_ARRAY_LEN(paths)];
	struct world *world = *state;

	world_live(world, "a", "x", "n");
	world_live(world, "a", "x", "m");
	world_live(world, "b", "x", "n");
	world_carry(world, NULL, NULL);
	for (size_t i = 0; i < KEV_ARRAY_LEN(paths); i++) {
		inos[i] = world_attr(world, paths[i]).ino;
		assert_true(inos[i] != 0 && (i < 2 || inos[i] >= 16));
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(inos[i], inos[j]);
	}
}

/* A directory that is gone stays what it is for whoever still knows it, and is that same one if it returns.
 */
static void test_lookup_revived(void **state)
{
	struct world *world = *state;
	struct kev_entry object, events, again;
	struct kev_attr attr;

	world_live(world, "shop", "web-1", "a");
	world_carry(world, NULL, NULL);
	object = world_find(world, "/shop/pods/web-1");
	events = world_find(world, "/shop/pods/web-1/events");
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	world_carry(world, NULL, NULL);
	assert_lists(world, "/", "");
	assert_false(world_has(world, "/shop"));
	assert_int_equal(kev_tree_getattr(world->tree, object.node, &attr), 0);
	assert_int_equal(attr.ino, object.attr.ino);
	assert_int_equal(attr.nlink, 2);
	assert_true(attr.mtime > object.attr.mtime);
	assert_int_equal(kev_tree_lookup(world->tree, object.node, KEV_STR("events"), &again), 0);
	assert_int_equal(again.node, 0);
	world_live(world, "shop", "web-1", "b");
	world_carry(world, NULL, NULL);
	again = world_find(world, "/shop/pods/web-1/events");
	assert_int_equal(again.node, events.node);
	assert_true(again.attr.mtime > events.attr.mtime);
	world_forget(world, again.node);
	world_forget(world, events.node);
	world_forget(world, object.node);
	/* Forgotten before it returns, it is a new one. */
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b"));
	world_carry(world, NULL, NULL);
	world_live(world, "shop", "web-1", "c");
	world_carry(world, NULL, NULL);
	again = world_find(world, "/shop/pods/web-1/events");
	assert_true(again.node > events.node);
	assert_int_equal(again.attr.ino, events.attr.ino);
	world_forget(world, again.node);
}

static void test_forget_frees_what_is_gone(void **state)
{
	struct world *world = *state;
	struct kev_entry object;

	world_live(world, "shop", "web-1", "a");
	world_carry(world, NULL, NULL);
	object = world_find(world, "/shop/pods/web-1");
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	world_carry(world, NULL, NULL);
	assert_int_equal(world->tree->namespaces.members.count, 1);
	world_forget(world, object.node);
	assert_int_equal(world->tree->namespaces.members.count, 0);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
}

/* An open descriptor keeps its snapshot. */
static void test_open_old_revision(void **state)
{
	struct world *world = *state;
	struct kev_event *first = world_live(world, "shop", "web-1", "a"), *second, *open = NULL;
	struct kev_entry before, after;

	world_carry(world, NULL, NULL);
	before = world_find(world, "/shop/pods/web-1/events/a");
	second = world_live(world, "shop", "web-1", "a");
	world_carry(world, NULL, NULL);
	after = world_find(world, "/shop/pods/web-1/events/a");
	assert_int_not_equal(before.node, after.node);
	assert_int_equal(before.attr.ino, after.attr.ino);
	assert_true(after.attr.ctime > before.attr.ctime);
	assert_int_equal(kev_tree_open(world->tree, before.node, &open), 0);
	assert_ptr_equal(open, first);
	kev_event_unref(open);
	assert_int_equal(kev_tree_open(world->tree, after.node, &open), 0);
	assert_ptr_equal(open, second);
	kev_event_unref(open);
	world_forget(world, before.node);
	world_forget(world, after.node);
}

static void test_usage(void **state)
{
	struct world *world = *state;
	struct kev_tree_usage usage;
	struct kev_event *a, *b;

	world_carry(world, NULL, NULL);
	kev_tree_usage(world->tree, &usage);
	assert_int_equal(usage.bytes, 0);
	assert_int_equal(usage.nodes, 1);
	a = world_live(world, "shop", "web-1", "a");
	b = world_live(world, "shop", "web-1", "b");
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("idle"), 0), 0);
	world_carry(world, NULL, NULL);
	kev_tree_usage(world->tree, &usage);
	assert_int_equal(usage.bytes, kev_event_size(a) + kev_event_size(b));
	/* The root, shop, its links, pods, two objects with an events directory each, two events. */
	assert_int_equal(usage.nodes, 1 + 1 + 4 + 1 + 4 + 2);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b"));
	kev_store_delete_pod(world->store, KEV_STR("shop"), KEV_STR("idle"));
	world_carry(world, NULL, NULL);
	kev_tree_usage(world->tree, &usage);
	assert_int_equal(usage.bytes, 0);
	assert_int_equal(usage.nodes, 1);
}

/* Names that the server accepts, in their places. */
static void test_lookup_hostile_names(void **state)
{
	struct world *world = *state;
	const struct world_event events[] = {
		{.name = KEV_STR("a"), .object = KEV_STR("../../etc/passwd")},
		{.name = KEV_STR("b"), .object = KEV_STR("")},
		{.name = KEV_STR("c"), .object = KEV_STR("events")},
		{.name = KEV_STR("d\n\x7f"), .object = KEV_STR("nul\0")},
		{.name = KEV_STR("e"), .object = KEV_STR("x"), .object_namespace = KEV_STR("other")},
		{.name = KEV_STR("f"), .object = KEV_STR("other:x")},
		{.name = KEV_STR("g"), .kind = KEV_STR("events"), .api_version = KEV_STR("")},
		{.name = KEV_STR("h"), .kind = KEV_STR("Event")},
		{.name = KEV_STR("i"), .kind = KEV_STR("../x"), .api_version = KEV_STR("a/b/v1")},
		{.name = KEV_STR("j"), .kind = KEV_STR(""), .object = KEV_STR("..")},
		{.name = KEV_STR("k"), .namespace_ = KEV_STR(".kevfs")},
		{.name = KEV_STR("l"), .namespace_ = KEV_STR("")},
		{.name = KEV_STR("events"), .object = KEV_STR("web")},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(events); i++)
		world_put(world, &events[i], KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	assert_lists(world, "/", "%\n%2Ekevfs\nshop\n");
	assert_lists(world, "/shop", "%\n%2E%2E%2Fx.a%2Fb\n%65%76ents\n%65vents\n" WORLD_LINKS "pods\n");
	assert_lists(
		world, "/shop/pods", "%\n..%2F..%2Fetc%2Fpasswd\nevents\nnul%00\nother%3Ax\nother:x\nweb\n");
	assert_true(world_has(world, "/shop/pods/nul%00/events/d%0A%7F"));
	assert_true(world_has(world, "/.kevfs/namespaces/shop/events/d%0A%7F"));
	assert_false(world_has(world, "/shop/pods/nul%00/events/d\n\x7f"));
	assert_true(world_has(world, "/shop/%/%2E%2E/events/j"));
	assert_true(world_has(world, "/%2Ekevfs/pods/web/events/k"));
	assert_true(world_has(world, "/%/pods/web/events/l"));
	assert_true(world_has(world, "/shop/pods/web/events/events"));
	assert_int_equal(world_attr(world, "/.kevfs").ino, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_lookup_event),
		TEST(test_getattr_last_seen),
		TEST(test_lookup_same_node_in_all_events),
		TEST(test_lookup_absent),
		TEST(test_lookup_errors),
		TEST(test_lookup_revived),
		TEST(test_lookup_hostile_names),
		TEST(test_readlink),
		TEST(test_readlink_errors),
		TEST(test_getattr_directories),
		TEST(test_getattr_ino_is_stable),
		TEST(test_getattr_ino_differs),
		TEST(test_forget_frees_what_is_gone),
		TEST(test_open_old_revision),
		TEST(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
