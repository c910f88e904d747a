#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"

/* Two namespaces, each with an event of a pod; what went stale, a line each. */
struct fixture {
	struct world *world;
	struct kev_buf said;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->world = world_create();
	kev_buf_init(&fixture->said, 1 << 20);
	world_live(fixture->world, "shop", "web", "a");
	world_live(fixture->world, "pay", "till", "b");
	world_carry(fixture->world, NULL, NULL);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	kev_buf_fini(&fixture->said);
	world_destroy(fixture->world);
	free(fixture);
	return 0;
}

static void say(void *context, const struct kev_stale *stale)
{
	static const char *const kinds[] = {
		[KEV_STALE_ENTRY] = "entry", [KEV_STALE_LISTING] = "listing", [KEV_STALE_ATTR] = "attr"};
	struct fixture *fixture = context;

	if (strcmp(stale->name, KEV_STALE_BARRIER) != 0)
		kev_buf_printf(&fixture->said, "%s %llu %s\n", kinds[stale->kind],
			(unsigned long long)stale->node, stale->name);
}

/* Let the tree follow the store. */
static void carry(struct fixture *fixture)
{
	kev_buf_clear(&fixture->said);
	world_carry(fixture->world, say, fixture);
}

/* Was it said of that node? */
static bool was_said(struct fixture *fixture, const char *kind, uint64_t node, const char *name)
{
	KEV_CLEANUP(buf_fini) struct kev_buf line;
	const char *said = kev_buf_cstr(&fixture->said);

	kev_buf_init(&line, 1000);
	kev_buf_printf(&line, "%s %llu %s\n", kind, (unsigned long long)node, name);
	return said && strstr(said, kev_buf_cstr(&line));
}

static int emit_nothing(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	(void)context, (void)name, (void)entry, (void)next;
	return 0;
}

static int list(struct fixture *fixture, uint64_t node)
{
	return kev_tree_readdir(fixture->world->tree, node, 0, false, emit_nothing, NULL);
}

static int look_up(struct fixture *fixture, uint64_t node, const char *name)
{
	struct kev_entry entry = {.node = 4711};
	int r = kev_tree_lookup(fixture->world->tree, node, kev_str_c(name), &entry);

	if (r)
		assert_int_equal(entry.node, 4711);
	else if (entry.node)
		world_forget(fixture->world, entry.node);
	return r;
}

static void permit(struct fixture *fixture, const char *name, bool permitted)
{
	assert_int_equal(kev_store_permit(fixture->world->store, kev_str_c(name), permitted), 0);
}

static void test_denied(void **state)
{
	struct fixture *fixture = *state;
	static const char *const paths[] = {"/shop", "/.kevfs/namespaces/shop"};

	permit(fixture, "pay", true);
	kev_store_restrict(fixture->world->store, true);
	carry(fixture);
	for (size_t i = 0; i < KEV_ARRAY_LEN(paths); i++) {
		struct kev_entry entry = world_find(fixture->world, paths[i]);

		/* It is there, and is a directory. */
		assert_int_not_equal(entry.node, 0);
		assert_int_equal(entry.attr.type, KEV_NODE_DIR);
		assert_int_equal(entry.attr.nlink, 1);
		assert_int_equal(list(fixture, entry.node), -EACCES);
		assert_int_equal(look_up(fixture, entry.node, "events"), -EACCES);
		assert_int_equal(look_up(fixture, entry.node, "pods"), -EACCES);
		assert_int_equal(look_up(fixture, entry.node, "nobody"), -EACCES);
		world_forget(fixture->world, entry.node);
	}
	assert_lists(fixture->world, "/", "pay\nshop\n");
	assert_lists(fixture->world, "/.kevfs/namespaces", "pay\nshop\n");
	assert_lists(fixture->world, "/pay/pods/till/events", "b\n");
	assert_lists(fixture->world, "/.kevfs/namespaces/pay/by-type/Normal", "b\n");
}

/* Whoever stands further down sees no more, either. */
static void test_denied_below(void **state)
{
	struct fixture *fixture = *state;
	static const char *const paths[] = {"/shop/pods", "/shop/pods/web", "/shop/pods/web/events",
		"/.kevfs/namespaces/shop/events", "/.kevfs/namespaces/shop/by-type",
		"/.kevfs/namespaces/shop/by-type/Normal"};
	uint64_t nodes[KEV_ARRAY_LEN(paths)];
	struct kev_attr attr;

	for (size_t i = 0; i < KEV_ARRAY_LEN(paths); i++) {
		nodes[i] = world_find(fixture->world, paths[i]).node;
		assert_int_not_equal(nodes[i], 0);
		assert_int_equal(list(fixture, nodes[i]), 0);
	}
	kev_store_restrict(fixture->world->store, true);
	carry(fixture);
	for (size_t i = 0; i < KEV_ARRAY_LEN(paths); i++) {
		assert_int_equal(list(fixture, nodes[i]), -EACCES);
		assert_int_equal(look_up(fixture, nodes[i], "web"), -EACCES);
		assert_int_equal(kev_tree_getattr(fixture->world->tree, nodes[i], &attr), 0);
	}
	kev_store_restrict(fixture->world->store, false);
	carry(fixture);
	for (size_t i = 0; i < KEV_ARRAY_LEN(paths); i++) {
		assert_int_equal(list(fixture, nodes[i]), 0);
		world_forget(fixture->world, nodes[i]);
	}
}

/* What is open is read to its end. */
static void test_denied_file(void **state)
{
	struct fixture *fixture = *state;
	struct kev_entry file = world_find(fixture->world, "/shop/pods/web/events/a");
	char text[16];
	size_t got = 0;

	kev_store_restrict(fixture->world->store, true);
	carry(fixture);
	assert_int_equal(kev_tree_read(fixture->world->tree, file.node, 0, text, sizeof(text), &got), 0);
	assert_int_equal(got, sizeof(text));
	world_forget(fixture->world, file.node);
}

static void check_stale(struct fixture *fixture, uint64_t control, uint64_t namespaces, uint64_t shop)
{
	assert_true(was_said(fixture, "entry", KEV_TREE_ROOT, "shop"));
	assert_true(was_said(fixture, "entry", namespaces, "shop"));
	assert_true(was_said(fixture, "listing", shop, ""));
	assert_true(was_said(fixture, "listing", control, ""));
	assert_true(was_said(fixture, "entry", shop, "events"));
	assert_true(was_said(fixture, "entry", control, "by-node"));
}

static void test_access_goes_stale(void **state)
{
	struct fixture *fixture = *state;
	struct world *world = fixture->world;
	uint64_t shop = world_find(world, "/shop").node, pay = world_find(world, "/pay").node;
	uint64_t namespaces = world_find(world, "/.kevfs/namespaces").node;
	uint64_t control = world_find(world, "/.kevfs/namespaces/shop").node;
	struct kev_attr before, after;

	permit(fixture, "pay", true);
	carry(fixture);
	assert_int_equal(fixture->said.len, 0);
	assert_int_equal(kev_tree_getattr(world->tree, shop, &before), 0);
	kev_store_restrict(world->store, true);
	carry(fixture);
	check_stale(fixture, control, namespaces, shop);
	assert_true(was_said(fixture, "entry", shop, "pods"));
	/* The kernel tells by the time whether its listing is still right. */
	assert_int_equal(kev_tree_getattr(world->tree, shop, &after), 0);
	assert_true(after.mtime > before.mtime);
	/* Others are none of its business. */
	assert_false(was_said(fixture, "entry", KEV_TREE_ROOT, "pay"));
	assert_false(was_said(fixture, "listing", pay, ""));
	assert_false(was_said(fixture, "listing", KEV_TREE_ROOT, ""));
	permit(fixture, "shop", true);
	carry(fixture);
	check_stale(fixture, control, namespaces, shop);
	assert_int_equal(kev_tree_getattr(world->tree, shop, &before), 0);
	assert_true(before.mtime > after.mtime);
	assert_int_equal(before.nlink, 3);
	/* Nothing changes for the eye. */
	kev_store_restrict(world->store, false);
	carry(fixture);
	assert_int_equal(fixture->said.len, 0);
	world_forget(world, shop);
	world_forget(world, pay);
	world_forget(world, namespaces);
	world_forget(world, control);
}

/* A namespace that comes while it may not be seen is born so, and so are its attributes. */
static void test_denied_from_birth(void **state)
{
	struct fixture *fixture = *state;
	struct world *world = fixture->world;
	uint64_t node;

	kev_store_restrict(world->store, true);
	carry(fixture);
	world_live(world, "new", "web", "c");
	carry(fixture);
	node = world_find(world, "/new").node;
	assert_int_equal(list(fixture, node), -EACCES);
	permit(fixture, "new", true);
	carry(fixture);
	assert_true(was_said(fixture, "listing", node, ""));
	assert_int_equal(list(fixture, node), 0);
	world_forget(world, node);
}

/* A name may be permitted before there is anything of it, and is not kept when it is no more. */
static void test_permitted_before_it_is_there(void **state)
{
	struct fixture *fixture = *state;
	struct world *world = fixture->world;

	kev_store_restrict(world->store, true);
	permit(fixture, "new", true);
	carry(fixture);
	assert_false(world_has(world, "/new"));
	world_live(world, "new", "web", "c");
	carry(fixture);
	assert_lists(world, "/new/pods/web/events", "c\n");
	kev_store_delete(world->store, KEV_STR("new"), KEV_STR("c"));
	permit(fixture, "new", false);
	carry(fixture);
	assert_false(world_has(world, "/new"));
}

/* A resync brings what the journal lost; also that nothing is permitted any more. */
static void test_resync(void **state)
{
	struct fixture *fixture = *state;
	struct world *world = fixture->world;
	uint64_t shop = world_find(world, "/shop").node, pay = world_find(world, "/pay").node;

	permit(fixture, "pay", true);
	kev_store_restrict(world->store, true);
	kev_changes_lose(world->changes);
	carry(fixture);
	assert_int_equal(list(fixture, shop), -EACCES);
	assert_int_equal(list(fixture, pay), 0);
	assert_true(was_said(fixture, "listing", shop, ""));
	assert_false(was_said(fixture, "entry", KEV_TREE_ROOT, "pay"));
	permit(fixture, "pay", false);
	permit(fixture, "shop", true);
	kev_changes_lose(world->changes);
	carry(fixture);
	assert_int_equal(list(fixture, shop), 0);
	assert_int_equal(list(fixture, pay), -EACCES);
	assert_true(was_said(fixture, "listing", shop, "") && was_said(fixture, "listing", pay, ""));
	kev_store_restrict(world->store, false);
	permit(fixture, "shop", true);
	kev_changes_lose(world->changes);
	carry(fixture);
	assert_int_equal(list(fixture, pay), 0);
	/* What is permitted while all may be seen counts when that ends. */
	kev_store_restrict(world->store, true);
	carry(fixture);
	assert_int_equal(list(fixture, shop), 0);
	assert_int_equal(list(fixture, pay), -EACCES);
	world_forget(world, shop);
	world_forget(world, pay);
}

/* More than a batch of stale names holds. */
static void test_many(void **state)
{
	struct fixture *fixture = *state;
	struct world *world = fixture->world;
	uint64_t nodes[100];
	char path[16] = "/";

	for (int i = 0; i < 100; i++) {
		snprintf(path + 1, sizeof(path) - 1, "n%d", i);
		world_live(world, path + 1, "web", "c");
		world_carry(world, NULL, NULL);
		nodes[i] = world_find(world, path).node;
	}
	kev_store_restrict(world->store, true);
	carry(fixture);
	for (int i = 0; i < 100; i++) {
		assert_true(was_said(fixture, "listing", nodes[i], ""));
		assert_true(was_said(fixture, "entry", nodes[i], "pods"));
		assert_int_equal(list(fixture, nodes[i]), -EACCES);
		world_forget(world, nodes[i]);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_denied),
		TEST(test_denied_below),
		TEST(test_denied_file),
		TEST(test_access_goes_stale),
		TEST(test_denied_from_birth),
		TEST(test_permitted_before_it_is_there),
		TEST(test_resync),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
