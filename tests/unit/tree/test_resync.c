#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "kevfs/base/defs.h"
#include "kevfs/tree/internal.h"

static void resync(struct world *world, kev_tree_stale_fn *stale, void *context)
{
	struct kev_change change;
	bool wanted = false;

	/* What the journal holds is lost. */
	while (kev_changes_take(world->changes, &change, 1, 0, &wanted))
		kev_change_fini(&change);
	assert_int_equal(kev_tree_resync(world->tree, stale, context), 0);
}

static void put_pod(struct world *world, const char *namespace_, const char *name, int64_t created)
{
	assert_int_equal(kev_store_put_pod(world->store, kev_str_c(namespace_), kev_str_c(name),
				 created * WORLD_SECOND),
		0);
}

static void put_namespace(struct world *world, const char *name, int64_t created)
{
	assert_int_equal(kev_store_put_namespace(world->store, kev_str_c(name), created * WORLD_SECOND), 0);
}

static struct kev_event *put_first(
	struct world *world, const char *object, const char *name, const char *version, int64_t written)
{
	const struct world_event event = {.object = kev_str_c(object),
		.name = kev_str_c(name),
		.resource_version = kev_str_c(version),
		.written = written};

	return world_put(world, &event, KEV_ORIGIN_FIRST_SYNC);
}

/* The times of the first sync follow from what the cluster says, whatever the order. */
static void test_resync_first_times(void **state)
{
	struct world *world = *state;
	struct kev_event *late;

	put_namespace(world, "shop", 1000);
	put_namespace(world, "idle", 2000);
	put_pod(world, "shop", "web", 5000);
	put_pod(world, "shop", "quiet", 3000);
	put_first(world, "web", "a", "7", 4000);
	late = put_first(world, "web", "b", "8", 4500);
	put_first(world, "web", "c", "9", 4400);
	resync(world, NULL, NULL);
	assert_int_equal(kev_event_ctime(late), 4500 * WORLD_SECOND + 8);
	/* The pod is younger than its events (it was made again); its newest revision counts. */
	assert_int_equal(world_attr(world, "/shop/pods/web").mtime, kev_event_ctime(late));
	assert_int_equal(world_attr(world, "/shop/pods/web/events").mtime, kev_event_ctime(late));
	assert_int_equal(world_attr(world, "/.kevfs/namespaces/shop/events").mtime, kev_event_ctime(late));
	assert_int_equal(world_attr(world, "/shop/pods/quiet").mtime, 3000 * WORLD_SECOND);
	assert_int_equal(world_attr(world, "/shop/pods/quiet/events").mtime, 3000 * WORLD_SECOND);
	assert_int_equal(world_attr(world, "/shop/pods").mtime, kev_event_ctime(late));
	assert_int_equal(world_attr(world, "/shop").mtime, kev_event_ctime(late));
	assert_int_equal(world_attr(world, "/shop/events").mtime, 1000 * WORLD_SECOND);
	assert_int_equal(world_attr(world, "/.kevfs/namespaces/shop").mtime, 1000 * WORLD_SECOND);
	assert_int_equal(world_attr(world, "/idle").mtime, 2000 * WORLD_SECOND);
	assert_int_equal(world_attr(world, "/.kevfs/namespaces/idle/events").mtime, 2000 * WORLD_SECOND);
	assert_int_equal(world_attr(world, "/").mtime, 2000 * WORLD_SECOND);
	assert_int_equal(world_attr(world, "/.kevfs").mtime, 2000 * WORLD_SECOND);
}

static void test_resync_first_empty(void **state)
{
	struct world *world = *state;

	resync(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/").mtime, world->now);
	assert_int_equal(world_attr(world, "/.kevfs").mtime, world->now);
	assert_lists(world, "/", "");
}

/* After the first one, a change has a moment. */
static void test_resync_second_times(void **state)
{
	struct world *world = *state;
	int64_t pods;

	put_namespace(world, "shop", 1000);
	put_first(world, "web", "a", "7", 4000);
	resync(world, NULL, NULL);
	pods = world_attr(world, "/shop/pods").mtime;
	world->now += WORLD_SECOND;
	world_live(world, "shop", "web", "b");
	resync(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/shop/pods/web/events").mtime, world->now);
	assert_int_equal(world_attr(world, "/shop/pods").mtime, pods);
	assert_int_equal(world_attr(world, "/").mtime, 1000 * WORLD_SECOND);
}

static void count(void *context, const struct kev_stale *stale)
{
	int *counts = context;

	counts[stale->kind]++;
}

static void test_resync_no_difference(void **state)
{
	struct world *world = *state;
	struct kev_entry entry;
	int counts[3] = {0};

	put_namespace(world, "shop", 1000);
	put_pod(world, "shop", "quiet", 3000);
	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	entry = world_find(world, "/shop/pods/web/events/a");
	resync(world, count, counts);
	assert_int_equal(counts[0] + counts[1] + counts[2], 0);
	world_forget(world, entry.node);
}

/* What was lost from the journal, in every sort of thing. */
static void test_resync_difference(void **state)
{
	struct world *world = *state;
	struct kev_event *kept;

	put_namespace(world, "shop", 1000);
	put_namespace(world, "ends", 1000);
	put_pod(world, "shop", "ends", 3000);
	put_pod(world, "shop", "stays", 3000);
	put_pod(world, "elsewhere", "ends", 3000);
	kept = world_live(world, "shop", "web", "kept");
	world_live(world, "shop", "web", "updated");
	world_live(world, "shop", "web", "deleted");
	world_live(world, "other", "gone", "deleted");
	world_carry(world, NULL, NULL);
	kev_store_delete_namespace(world->store, KEV_STR("ends"));
	kev_store_delete_pod(world->store, KEV_STR("shop"), KEV_STR("ends"));
	kev_store_delete_pod(world->store, KEV_STR("elsewhere"), KEV_STR("ends"));
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("deleted"));
	kev_store_delete(world->store, KEV_STR("other"), KEV_STR("deleted"));
	put_namespace(world, "comes", 1000);
	put_pod(world, "shop", "comes", 3000);
	world_live(world, "shop", "web", "updated");
	world_live(world, "shop", "web", "created");
	resync(world, NULL, NULL);
	assert_lists(world, "/", "comes\nshop\n");
	assert_lists(world, "/shop/pods", "comes\nstays\nweb\n");
	assert_lists(world, "/shop/pods/web/events", "created\nkept\nupdated\n");
	assert_lists(world, "/.kevfs/namespaces/shop/events", "created\nkept\nupdated\n");
	assert_int_equal(world_attr(world, "/shop/pods/web/events/kept").ctime, kev_event_ctime(kept));
	/* And a second time, from marks that are all set. */
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("kept"));
	kev_store_delete_pod(world->store, KEV_STR("shop"), KEV_STR("stays"));
	kev_store_delete_namespace(world->store, KEV_STR("comes"));
	resync(world, NULL, NULL);
	assert_lists(world, "/", "shop\n");
	assert_lists(world, "/shop/pods", "comes\nweb\n");
	assert_lists(world, "/shop/pods/web/events", "created\nupdated\n");
}

static int count_lines(struct world *world, const char *path)
{
	char *list = world_list(world, path);
	int lines = 0;

	for (char *at = list; *at; at++)
		lines += *at == '\n';
	free(list);
	return lines;
}

/* Many, so that passes go on in pieces. */
static void test_resync_many(void **state)
{
	enum { COUNT = 10000 };
	struct world *world = *state;
	char name[32];

	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		world_live(world, i % 2 ? "even" : "odd", "web", name);
		put_pod(world, "even", name, 1000);
	}
	world_carry(world, NULL, NULL);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		if (i % 10)
			kev_store_delete(
				world->store, i % 2 ? KEV_STR("even") : KEV_STR("odd"), kev_str_c(name));
		if (i % 5)
			kev_store_delete_pod(world->store, KEV_STR("even"), kev_str_c(name));
	}
	resync(world, NULL, NULL);
	assert_lists(world, "/", "even\nodd\n");
	assert_lists(world, "/.kevfs/namespaces/even/events", "");
	assert_int_equal(count_lines(world, "/odd/pods/web/events"), COUNT / 10);
	assert_int_equal(count_lines(world, "/even/pods"), COUNT / 5);
}

/* The root may have been looked at before there was anything. */
static void test_resync_first_says_root(void **state)
{
	struct world *world = *state;
	int counts[3] = {0};

	put_namespace(world, "shop", 1000);
	resync(world, count, counts);
	assert_int_equal(counts[KEV_STALE_ENTRY], 1);
	assert_true(counts[KEV_STALE_LISTING] >= 1);
	assert_int_equal(counts[KEV_STALE_ATTR], 0);
}

/* A kind keeps its directory when discovery learns of it, for as long as something stands there. */
static void test_resync_kinds_remembered(void **state)
{
	struct world *world = *state;
	const struct world_event one = {.name = KEV_STR("a"),
					 .kind = KEV_STR("Gadget"),
					 .api_version = KEV_STR("example.com/v1")},
				 two = {.name = KEV_STR("b"),
					 .kind = KEV_STR("Gadget"),
					 .api_version = KEV_STR("example.com/v1")};
	struct kev_kinds *kinds = kev_kinds_create_builtin();

	world_put(world, &one, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	assert_non_null(kinds);
	assert_int_equal(
		kev_kinds_add(kinds, KEV_STR("example.com"), KEV_STR("Gadget"), KEV_STR("gadgets")), 0);
	kev_store_set_kinds(world->store, kinds);
	world_put(world, &two, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	assert_lists(world, "/shop", "Gadget.example.com\n" WORLD_LINKS);
	assert_lists(world, "/shop/Gadget.example.com/web/events", "a\nb\n");
	resync(world, NULL, NULL);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b"));
	world_carry(world, NULL, NULL);
	assert_lists(world, "/", "");
}

/* Kinds that come and go leave no memory behind. */
static void test_resync_kinds_forgotten(void **state)
{
	struct world *world = *state;
	char kind[32];

	world_carry(world, NULL, NULL);
	for (int i = 0; i < 2 * KEV_RESOURCE_NAMES_UNUSED_MAX; i++) {
		const struct world_event event = {
			.kind = {kind, (size_t)snprintf(kind, sizeof(kind), "K%d", i)}};

		world_put(world, &event, KEV_ORIGIN_LIVE);
		if (i % 2) {
			kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("web.1"));
			world_carry(world, NULL, NULL);
		}
	}
	assert_int_equal(kev_resource_names_count(world->tree->names), KEV_RESOURCE_NAMES_UNUSED_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_resync_first_times),
		TEST(test_resync_first_empty),
		TEST(test_resync_first_says_root),
		TEST(test_resync_second_times),
		TEST(test_resync_no_difference),
		TEST(test_resync_difference),
		TEST(test_resync_many),
		TEST(test_resync_kinds_remembered),
		TEST(test_resync_kinds_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
