/* The views: what they hold, when they cost memory, and what a change says of them. That the kernel never
 * keeps anything stale of them is the model's. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/tree/directory.h"
#include "kevfs/tree/internal.h"

#define HIDDEN "/.kevfs/namespaces/shop"

static const char *const views[] = {"by-type", "by-reason", "by-node"};

static void put(struct world *world, const char *name, const char *type, const char *reason, const char *host)
{
	const struct world_event event = {.name = kev_str_c(name),
		.type = kev_str_c(type),
		.reason = kev_str_c(reason),
		.host = kev_str_c(host)};

	world_put(world, &event, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
}

static void drop(struct world *world, const char *name)
{
	kev_store_delete(world->store, KEV_STR("shop"), kev_str_c(name));
	world_carry(world, NULL, NULL);
}

static const struct kev_view *view_of(struct world *world, enum kev_view_kind kind)
{
	struct kev_namespace *namespace_ = NULL;

	assert_int_equal(kev_namespace_find(world->tree, KEV_STR("shop"), &namespace_), 0);
	return &namespace_->views[kind];
}

static void test_view_links(void **state)
{
	struct world *world = *state;

	put(world, "a", "Normal", "Pulled", "node-1");
	for (size_t i = 0; i < KEV_ARRAY_LEN(views); i++) {
		char path[100], expected[100];
		struct kev_entry link;
		struct kev_buf target;

		snprintf(path, sizeof(path), "/shop/%s", views[i]);
		snprintf(expected, sizeof(expected), "../.kevfs/namespaces/shop/%s", views[i]);
		link = world_find(world, path);
		assert_int_equal(link.attr.type, KEV_NODE_LINK);
		assert_int_equal(link.attr.size, strlen(expected));
		kev_buf_init(&target, 1000);
		assert_int_equal(kev_tree_readlink(world->tree, link.node, &target), 0);
		assert_string_equal(kev_buf_cstr(&target), expected);
		kev_buf_fini(&target);
		world_forget(world, link.node);
		snprintf(path, sizeof(path), HIDDEN "/%s", views[i]);
		assert_int_equal(world_attr(world, path).type, KEV_NODE_DIR);
		assert_int_equal(world_attr(world, path).nlink, 1);
		assert_int_not_equal(world_attr(world, path).ino, link.attr.ino);
	}
}

static void test_view_groups(void **state)
{
	struct world *world = *state;

	put(world, "a", "Normal", "Pulled", "node-1");
	put(world, "b", "Warning", "BackOff", "node-2");
	put(world, "c", "Warning", "BackOff", "");
	assert_lists(world, HIDDEN "/by-type", "Normal\nWarning\n");
	assert_lists(world, HIDDEN "/by-type/Warning", "b\nc\n");
	assert_lists(world, HIDDEN "/by-reason", "BackOff\nPulled\n");
	assert_lists(world, HIDDEN "/by-reason/BackOff", "b\nc\n");
	assert_lists(world, HIDDEN "/by-node", "node-1\nnode-2\n");
	assert_lists(world, HIDDEN "/by-node/node-2", "b\n");
	assert_false(world_has(world, HIDDEN "/by-node/node-3"));
	assert_false(world_has(world, HIDDEN "/by-type/Normal/b"));
	assert_int_equal(world_attr(world, HIDDEN "/by-type/Warning").nlink, 2);
}

static void test_view_hostile_names(void **state)
{
	char text[301], listed[400];
	struct world *world = *state;
	char *list;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put(world, "a", "", "../../etc", ".");
	put(world, "b", "..", "by-type", "\x1b[2J\n");
	put(world, "c", "100%", text, "\xc2\x9b");
	assert_lists(world, HIDDEN "/by-type", "%\n%2E%2E\n100%25\n");
	assert_lists(world, HIDDEN "/by-type/%", "a\n");
	assert_lists(world, HIDDEN "/by-node", "%1B[2J%0A\n%2E\n%C2%9B\n");
	assert_true(world_has(world, HIDDEN "/by-reason/..%2F..%2Fetc/a"));
	assert_true(world_has(world, HIDDEN "/by-reason/by-type/b"));
	assert_false(world_has(world, HIDDEN "/by-type/.."));
	/* The long one is cut, and found by the name under which it is listed. */
	list = world_list(world, HIDDEN "/by-reason");
	snprintf(listed, sizeof(listed), HIDDEN "/by-reason/%s", strstr(list, "xxx"));
	listed[strcspn(listed, "\n")] = '\0';
	free(list);
	assert_int_equal(strlen(strrchr(listed, '/') + 1), 255);
	assert_lists(world, listed, "c\n");
}

/* The same node under every name; its attributes are the same anyway. */
static void test_view_same_nodes(void **state)
{
	static const char *const paths[] = {HIDDEN "/by-type/Normal/a", HIDDEN "/by-reason/Pulled/a",
		HIDDEN "/by-node/node-1/a", "/shop/pods/web/events/a"};
	struct world *world = *state;
	struct kev_entry all, entry;

	put(world, "a", "Normal", "Pulled", "node-1");
	all = world_find(world, HIDDEN "/events/a");
	for (size_t i = 0; i < KEV_ARRAY_LEN(paths); i++) {
		entry = world_find(world, paths[i]);
		assert_int_equal(entry.node, all.node);
		assert_memory_equal(&entry.attr, &all.attr, sizeof(all.attr));
		world_forget(world, entry.node);
	}
	world_forget(world, all.node);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
}

/* Sorted when it is used, and only for as long as that. */
static void test_view_memory(void **state)
{
	struct world *world = *state;
	const struct kev_view *view;
	struct kev_entry directory, group;

	put(world, "a", "Normal", "Pulled", "node-1");
	view = view_of(world, KEV_VIEW_REASON);
	directory = world_find(world, HIDDEN "/by-reason");
	world_attr(world, "/shop/by-reason");
	assert_null(view->groups);
	group = world_find(world, HIDDEN "/by-reason/Pulled");
	assert_non_null(view->groups);
	assert_null(view_of(world, KEV_VIEW_TYPE)->groups);
	world_forget(world, directory.node);
	assert_non_null(view->groups);
	world_forget(world, group.node);
	assert_null(view->groups);
	assert_lists(world, HIDDEN "/by-reason", "Pulled\n");
	assert_null(view->groups);
	/* A name that nobody has is looked for, too. */
	directory = world_find(world, HIDDEN "/by-reason");
	assert_false(world_has(world, HIDDEN "/by-reason/Killing"));
	assert_non_null(view->groups);
	world_forget(world, directory.node);
	assert_null(view->groups);
}

static void test_view_follows(void **state)
{
	struct world *world = *state;
	struct kev_entry nodes[3];

	world_carry(world, NULL, NULL);
	put(world, "a", "Normal", "Pulled", "node-1");
	for (size_t i = 0; i < 3; i++) {
		char path[100];

		snprintf(path, sizeof(path), HIDDEN "/%s", views[i]);
		nodes[i] = world_find(world, path);
		free(world_list(world, path));
	}
	put(world, "b", "Warning", "BackOff", "");
	assert_lists(world, HIDDEN "/by-type", "Normal\nWarning\n");
	put(world, "a", "Warning", "BackOff", "node-2");
	assert_lists(world, HIDDEN "/by-type", "Warning\n");
	assert_lists(world, HIDDEN "/by-type/Warning", "a\nb\n");
	assert_lists(world, HIDDEN "/by-node", "node-2\n");
	put(world, "a", "Warning", "Killing", "");
	assert_lists(world, HIDDEN "/by-reason", "BackOff\nKilling\n");
	assert_lists(world, HIDDEN "/by-node", "");
	drop(world, "b");
	assert_lists(world, HIDDEN "/by-reason", "Killing\n");
	drop(world, "a");
	assert_false(world_has(world, "/shop"));
	/* The namespace is gone, and comes again: its views are the same things. */
	put(world, "c", "Normal", "Pulled", "node-1");
	for (size_t i = 0; i < 3; i++) {
		char path[100];
		struct kev_entry again;

		snprintf(path, sizeof(path), HIDDEN "/%s", views[i]);
		again = world_find(world, path);
		assert_int_equal(again.node, nodes[i].node);
		assert_true(again.attr.mtime > nodes[i].attr.mtime);
		world_forget(world, again.node);
		world_forget(world, again.node);
	}
	assert_lists(world, HIDDEN "/by-type/Normal", "c\n");
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
}

/* Whoever stands in a group sees it become empty, and what comes back to it. */
static void test_view_group_lives_on(void **state)
{
	struct world *world = *state;
	struct kev_entry group, again;
	struct kev_attr attr;

	world_carry(world, NULL, NULL);
	put(world, "a", "Warning", "BackOff", "");
	group = world_find(world, HIDDEN "/by-type/Warning");
	put(world, "a", "Normal", "BackOff", "");
	assert_false(world_has(world, HIDDEN "/by-type/Warning"));
	assert_lists(world, HIDDEN "/by-type", "Normal\n");
	assert_int_equal(kev_tree_getattr(world->tree, group.node, &attr), 0);
	assert_true(attr.mtime > group.attr.mtime);
	assert_int_equal(kev_tree_lookup(world->tree, group.node, KEV_STR("a"), &again), 0);
	assert_int_equal(again.node, 0);
	put(world, "b", "Warning", "BackOff", "");
	again = world_find(world, HIDDEN "/by-type/Warning");
	assert_int_equal(again.node, group.node);
	assert_true(again.attr.mtime > attr.mtime);
	kev_tree_forget(world->tree, group.node, 2);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
}

struct count {
	uint64_t node;
	unsigned entries, listings, attrs;
};

/* Counts what is said of one node. */
static void count_stale(void *context, const struct kev_stale *stale)
{
	struct count *count = context;

	if (stale->node != count->node || strcmp(stale->name, KEV_STALE_BARRIER) == 0)
		return;
	count->entries += stale->kind == KEV_STALE_ENTRY;
	count->listings += stale->kind == KEV_STALE_LISTING;
	count->attrs += stale->kind == KEV_STALE_ATTR;
}

/* One change, and what it says of a node. */
static struct count put_counted(struct world *world, uint64_t node, const struct world_event *event)
{
	struct count count = {.node = node};

	world->now += WORLD_SECOND;
	world_put(world, event, KEV_ORIGIN_LIVE);
	world_carry(world, count_stale, &count);
	return count;
}

/* Its time is that of the directory of all events until it is sorted, and its own from then on. */
static void test_view_time(void **state)
{
	const struct world_event a = {.name = KEV_STR("a"), .uid = KEV_STR("a")},
				 b = {.name = KEV_STR("b"), .uid = KEV_STR("b")},
				 c = {.name = KEV_STR("c"), .uid = KEV_STR("c"), .type = KEV_STR("Warning")};
	struct world *world = *state;
	struct kev_entry view;
	struct count count;
	int64_t before;

	world_carry(world, NULL, NULL);
	put_counted(world, 0, &a);
	view = world_find(world, HIDDEN "/by-type");
	assert_int_equal(view.attr.mtime, world_attr(world, HIDDEN "/events").mtime);
	count = put_counted(world, view.node, &b);
	assert_int_equal(count.attrs, 1);
	assert_int_equal(count.entries + count.listings, 0);
	before = world_attr(world, HIDDEN "/by-type").mtime;
	assert_true(before > view.attr.mtime);
	assert_int_equal(before, world_attr(world, HIDDEN "/events").mtime);
	/* A revision changes no directory's listing. */
	count = put_counted(world, view.node, &b);
	assert_int_equal(count.attrs + count.entries + count.listings, 0);
	/* To sort it changes nothing. */
	assert_lists(world, HIDDEN "/by-type", "Normal\n");
	assert_int_equal(world_attr(world, HIDDEN "/by-type").mtime, before);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b"));
	world_carry(world, NULL, NULL);
	assert_int_equal(world_attr(world, HIDDEN "/by-type").mtime, before);
	count = put_counted(world, view.node, &c);
	assert_int_equal(count.entries, 1);
	assert_int_equal(count.listings, 1);
	assert_true(world_attr(world, HIDDEN "/by-type").mtime > before);
	world_forget(world, view.node);
}

struct taken {
	uint64_t nodes[1000];
	size_t count;
};

static int take(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	struct taken *taken = context;

	(void)name;
	(void)next;
	if (entry->node)
		taken->nodes[taken->count++] = entry->node;
	return 0;
}

/* Let the kernel know everything, hidden or not; it may be on its way. */
static void take_all(struct world *world, struct taken *taken)
{
	/* What is in /.kevfs no listing gives. */
	static const char *const hidden[] = {"/.kevfs", "/.kevfs/namespaces", "/.kevfs/events.log",
		"/.kevfs/events.log.1", "/.kevfs/events.jsonl", "/.kevfs/events.jsonl.1"};
	size_t at = taken->count;

	for (size_t i = 0; i < KEV_ARRAY_LEN(hidden); i++) {
		uint64_t node = world_find(world, hidden[i]).node;

		if (node)
			taken->nodes[taken->count++] = node;
	}
	assert_int_equal(kev_tree_readdir(world->tree, KEV_TREE_ROOT, 0, true, take, taken), 0);
	for (; at < taken->count; at++) {
		int r = kev_tree_readdir(world->tree, taken->nodes[at], 0, true, take, taken);

		assert_true(r == 0 || r == -ENOTDIR);
	}
}

static void count_all(void *context, const struct kev_stale *stale)
{
	size_t *count = context;

	(void)stale;
	(*count)++;
}

/* The change that says the most: the last event of everything moves to where nothing is. */
static void test_view_stale_bound(void **state)
{
	const struct world_event from = {.name = KEV_STR("a"),
					 .uid = KEV_STR("1"),
					 .host = KEV_STR("node-1")},
				 to = {.name = KEV_STR("a"),
					 .uid = KEV_STR("2"),
					 .host = KEV_STR("node-2"),
					 .type = KEV_STR("Warning"),
					 .reason = KEV_STR("BackOff"),
					 .object = KEV_STR("db"),
					 .kind = KEV_STR("Node")};
	struct taken *taken = calloc(1, sizeof(*taken));
	struct world *world = *state;
	size_t moved = 0, gone = 0, back = 0;

	assert_non_null(taken);
	world_enable_logs(world, 1 << 20);
	world_carry(world, NULL, NULL);
	/* Also the directories to which it moves are known, from another time. */
	world_put(world, &to, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	take_all(world, taken);
	world_put(world, &from, KEV_ORIGIN_LIVE);
	world_carry(world, NULL, NULL);
	take_all(world, taken);
	world_put(world, &to, KEV_ORIGIN_LIVE);
	world_carry(world, count_all, &moved);
	take_all(world, taken);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	world_carry(world, count_all, &gone);
	world_put(world, &from, KEV_ORIGIN_LIVE);
	world_carry(world, count_all, &back);
	printf("stale by a move: %zu, by the end of a namespace: %zu, by its return: %zu\n", moved, gone,
		back);
	assert_true(moved <= KEV_STALE_CHANGE_MAX && gone <= KEV_STALE_CHANGE_MAX &&
		    back <= KEV_STALE_CHANGE_MAX);
	assert_true(moved > KEV_STALE_CHANGE_MAX / 3);
	for (size_t i = 0; i < taken->count; i++)
		world_forget(world, taken->nodes[i]);
	free(taken);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
}

#define VIEW_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		VIEW_TEST(test_view_links),
		VIEW_TEST(test_view_groups),
		VIEW_TEST(test_view_hostile_names),
		VIEW_TEST(test_view_same_nodes),
		VIEW_TEST(test_view_memory),
		VIEW_TEST(test_view_follows),
		VIEW_TEST(test_view_group_lives_on),
		VIEW_TEST(test_view_time),
		VIEW_TEST(test_view_stale_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
