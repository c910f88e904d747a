#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/inode.h"
#include "kevfs/tree/internal.h"

/* Takes entries, at most room at a time. */
struct taker {
	size_t room, count;
	struct {
		char name[KEV_STALE_NAME_SIZE];
		struct kev_entry entry;
		uint64_t next;
	} taken[64];
};

static int take(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	struct taker *taker = context;

	if (taker->count == taker->room)
		return 1;
	memcpy(taker->taken[taker->count].name, name.data, name.len);
	taker->taken[taker->count].name[name.len] = '\0';
	taker->taken[taker->count].entry = *entry;
	taker->taken[taker->count].next = next;
	taker->count++;
	return 0;
}

static struct taker list(struct world *world, uint64_t node, uint64_t cookie, bool nodes, size_t room)
{
	struct taker taker = {.room = room};

	assert_int_equal(kev_tree_readdir(world->tree, node, cookie, nodes, take, &taker), 0);
	return taker;
}

static void test_readdir_dots(void **state)
{
	struct world *world = *state;
	struct kev_entry shop;
	struct taker root, in_shop;

	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	shop = world_find(world, "/shop");
	root = list(world, KEV_TREE_ROOT, 0, true, 64);
	in_shop = list(world, shop.node, 0, true, 64);
	assert_int_equal(root.count, 3);
	assert_string_equal(root.taken[0].name, ".");
	assert_string_equal(root.taken[1].name, "..");
	assert_string_equal(root.taken[2].name, "shop");
	/* The root's parent is somebody else's: it stands for itself. */
	assert_int_equal(root.taken[0].entry.attr.ino, 1);
	assert_int_equal(root.taken[1].entry.attr.ino, 1);
	assert_int_equal(in_shop.taken[0].entry.attr.ino, shop.attr.ino);
	assert_int_equal(in_shop.taken[1].entry.attr.ino, 1);
	/* Nobody looks these up, so nobody forgets them. */
	assert_int_equal(in_shop.taken[0].entry.node, 0);
	assert_int_equal(in_shop.taken[1].entry.node, 0);
	for (size_t i = 2; i < in_shop.count; i++)
		world_forget(world, in_shop.taken[i].entry.node);
	world_forget(world, root.taken[2].entry.node);
	world_forget(world, shop.node);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
}

static void test_readdir_nodes(void **state)
{
	struct world *world = *state;
	struct kev_entry shop, found;
	struct taker plain, plus;
	size_t last;

	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	shop = world_find(world, "/shop");
	plain = list(world, shop.node, 0, false, 64);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 2);
	plus = list(world, shop.node, 0, true, 64);
	last = plus.count - 1;
	assert_int_equal(kev_inodes_count(world->tree->inodes), 2 + plus.count - 2);
	assert_int_equal(plain.count, plus.count);
	for (size_t i = 0; i <= last; i++) {
		assert_string_equal(plain.taken[i].name, plus.taken[i].name);
		assert_int_equal(plain.taken[i].next, plus.taken[i].next);
		assert_int_equal(plain.taken[i].entry.node, 0);
		assert_int_equal(plain.taken[i].entry.attr.ino, plus.taken[i].entry.attr.ino);
		assert_int_equal(plain.taken[i].entry.attr.type, plus.taken[i].entry.attr.type);
	}
	assert_string_equal(plus.taken[2].name, "events");
	assert_int_equal(plus.taken[2].entry.attr.type, KEV_NODE_LINK);
	assert_string_equal(plus.taken[last].name, "pods");
	found = world_find(world, "/shop/pods");
	assert_int_equal(found.node, plus.taken[last].entry.node);
	assert_memory_equal(&found.attr, &plus.taken[last].entry.attr, sizeof(found.attr));
	world_forget(world, found.node);
	for (size_t i = 2; i <= last; i++)
		world_forget(world, plus.taken[i].entry.node);
	world_forget(world, shop.node);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
}

/* What did not fit counts as not given. */
static void test_readdir_full(void **state)
{
	struct world *world = *state;
	struct kev_entry events;
	struct taker taker;

	world_carry(world, NULL, NULL); /* from now on in the order in which they come */
	world_live(world, "shop", "web", "a");
	world_live(world, "shop", "web", "b");
	world_carry(world, NULL, NULL);
	events = world_find(world, "/shop/pods/web/events");
	taker = list(world, events.node, 0, true, 3);
	assert_int_equal(taker.count, 3);
	assert_string_equal(taker.taken[2].name, "a");
	assert_int_equal(kev_inodes_count(world->tree->inodes), 3);
	world_forget(world, taker.taken[2].entry.node);
	taker = list(world, events.node, taker.taken[2].next, true, 64);
	assert_int_equal(taker.count, 1);
	assert_string_equal(taker.taken[0].name, "b");
	world_forget(world, taker.taken[0].entry.node);
	assert_int_equal(list(world, events.node, taker.taken[0].next, true, 64).count, 0);
	assert_int_equal(list(world, events.node, 0, true, 0).count, 0);
	world_forget(world, events.node);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
}

/* One entry at a time is the same as all at once, in every directory. */
static void test_readdir_piecewise(void **state)
{
	static const char *const paths[] = {"/", "/shop", "/shop/pods", "/shop/pods/web",
		"/shop/pods/web/events", "/.kevfs", "/.kevfs/namespaces", "/.kevfs/namespaces/shop",
		"/.kevfs/namespaces/shop/events"};
	struct world *world = *state;
	char name[16];

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		world_live(world, "shop", "web", name);
	}
	world_live(world, "shop", "other", "x");
	world_carry(world, NULL, NULL);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		uint64_t node = world_find(world, paths[i]).node, cookie = 0;
		struct taker all = list(world, node, 0, false, 64);

		for (size_t j = 0; j < all.count; j++) {
			struct taker one = list(world, node, cookie, false, 1);

			assert_int_equal(one.count, 1);
			assert_string_equal(one.taken[0].name, all.taken[j].name);
			assert_true(one.taken[0].next > cookie);
			cookie = one.taken[0].next;
		}
		assert_int_equal(list(world, node, cookie, false, 1).count, 0);
		world_forget(world, node);
	}
}

static void test_readdir_hidden(void **state)
{
	struct world *world = *state;

	world_live(world, "shop", "web", "a");
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("empty"), 0), 0);
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("idle"), 0), 0);
	world_carry(world, NULL, NULL);
	assert_lists(world, "/", "empty\nshop\n");
	assert_lists(world, "/empty", WORLD_LINKS);
	assert_lists(world, "/shop", WORLD_LINKS "pods\n");
	assert_lists(world, "/shop/pods", "idle\nweb\n");
	assert_lists(world, "/shop/pods/idle", "events\n");
	assert_lists(world, "/shop/pods/idle/events", "");
	assert_lists(world, "/.kevfs", "namespaces\n");
	assert_lists(world, "/.kevfs/namespaces", "empty\nshop\n");
	assert_lists(world, "/.kevfs/namespaces/empty", WORLD_LINKS);
	assert_lists(world, "/.kevfs/namespaces/empty/events", "");
	assert_lists(world, "/.kevfs/namespaces/shop/events", "a\n");
}

/* What is gone and still known is empty. */
static void test_readdir_gone(void **state)
{
	static const char *const paths[] = {"/shop", "/shop/pods", "/shop/pods/web", "/shop/pods/web/events",
		"/.kevfs/namespaces/shop", "/.kevfs/namespaces/shop/events"};
	struct world *world = *state;
	uint64_t nodes[6];
	struct kev_attr attr;

	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	for (size_t i = 0; i < 6; i++)
		nodes[i] = world_find(world, paths[i]).node;
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	world_carry(world, NULL, NULL);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(list(world, nodes[i], 0, true, 64).count, 2);
		assert_int_equal(kev_tree_getattr(world->tree, nodes[i], &attr), 0);
		assert_int_equal(attr.nlink, 2);
	}
	for (size_t i = 0; i < 6; i++)
		world_forget(world, nodes[i]);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
	assert_int_equal(world->tree->namespaces.members.count, 0);
}

static void test_readdir_errors(void **state)
{
	struct world *world = *state;
	struct taker taker = {.room = 64};
	struct kev_entry entry;

	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	assert_int_equal(kev_tree_readdir(world->tree, 999, 0, true, take, &taker), -ESTALE);
	entry = world_find(world, "/shop/pods/web/events/a");
	assert_int_equal(kev_tree_readdir(world->tree, entry.node, 0, true, take, &taker), -ENOTDIR);
	world_forget(world, entry.node);
	entry = world_find(world, "/shop/events");
	assert_int_equal(kev_tree_readdir(world->tree, entry.node, 0, true, take, &taker), -ENOTDIR);
	world_forget(world, entry.node);
	assert_int_equal(taker.count, 0);
}

/* An update between two pieces neither repeats nor hides anything. */
static void test_readdir_while_updated(void **state)
{
	struct world *world = *state;
	struct kev_entry events;
	struct taker first, rest;

	world_carry(world, NULL, NULL); /* from now on in the order in which they come */
	world_live(world, "shop", "web", "a");
	world_live(world, "shop", "web", "b");
	world_live(world, "shop", "web", "c");
	world_carry(world, NULL, NULL);
	events = world_find(world, "/shop/pods/web/events");
	first = list(world, events.node, 0, false, 4);
	assert_string_equal(first.taken[3].name, "b");
	world_live(world, "shop", "web", "a");
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b"));
	world_live(world, "shop", "web", "d");
	world_carry(world, NULL, NULL);
	rest = list(world, events.node, first.taken[3].next, false, 64);
	assert_int_equal(rest.count, 2);
	assert_string_equal(rest.taken[0].name, "c");
	assert_string_equal(rest.taken[1].name, "d");
	world_forget(world, events.node);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_readdir_dots),
		TEST(test_readdir_nodes),
		TEST(test_readdir_full),
		TEST(test_readdir_piecewise),
		TEST(test_readdir_hidden),
		TEST(test_readdir_gone),
		TEST(test_readdir_errors),
		TEST(test_readdir_while_updated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
