/* What is read next: which files, how many, and how often. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "kevfs/tree/path.h"
#include "kevfs/tree/siblings.h"

#define MANY 200
#define EVENTS "/shop/pods/web/events"

static int count_entry(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	uint64_t *nodes = context;

	(void)name, (void)next;
	if (entry->node) {
		while (*nodes)
			nodes++;
		*nodes = entry->node;
	}
	return 0;
}

/* A directory that somebody has listed: its nodes, in its order, 0 behind the last. */
struct listed {
	uint64_t directory;
	uint64_t nodes[MANY + 1];
};

static void list(struct world *world, const char *path, struct listed *out)
{
	*out = (struct listed){.directory = world_find(world, path).node};
	assert_int_equal(kev_tree_readdir(world->tree, out->directory, 0, true, count_entry, out->nodes), 0);
}

static void forget(struct world *world, const struct listed *listed)
{
	for (const uint64_t *node = listed->nodes; *node; node++)
		world_forget(world, *node);
	world_forget(world, listed->directory);
}

static void fill(struct world *world, int count)
{
	char name[32];

	/* What comes first of all comes in no order. */
	world_carry(world, NULL, NULL);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "e%03d", i);
		world_live(world, "shop", "web", name);
	}
	world_carry(world, NULL, NULL);
}

/* Read a file. @return how many come with it; they are those of nodes, one behind the other */
static size_t read_one(struct world *world, uint64_t node, const uint64_t *nodes)
{
	struct kev_sibling siblings[KEV_SIBLINGS_MAX];
	size_t count = kev_tree_siblings(world->tree, node, siblings);

	assert_true(nodes || count == 0);
	for (size_t i = 0; nodes && i < count; i++) {
		assert_int_equal(siblings[i].node, nodes[i]);
		kev_event_unref(siblings[i].event);
	}
	return count;
}

static void read_all(struct world *world, uint64_t node)
{
	struct kev_sibling siblings[KEV_SIBLINGS_MAX];
	size_t count = kev_tree_siblings(world->tree, node, siblings);

	while (count)
		kev_event_unref(siblings[--count].event);
}

/* More come the more were read; none twice, and none that was there before who reads began. */
static void test_ahead(void **state)
{
	struct world *world = *state;
	struct listed listed;
	size_t at = 0, count;
	unsigned reads = 0;

	fill(world, MANY);
	list(world, EVENTS, &listed);
	assert_int_equal(read_one(world, listed.nodes[0], &listed.nodes[1]), 8);
	for (at = 9; at < MANY; at += count + 1, reads++) {
		count = read_one(world, listed.nodes[at], &listed.nodes[at + 1]);
		assert_true(count <= KEV_SIBLINGS_MAX);
		assert_true(at + count + 1 >= MANY || count > 8);
	}
	assert_int_equal(at, MANY);
	assert_true(reads < 8);
	/* The last one has none behind it. */
	assert_int_equal(read_one(world, listed.nodes[MANY - 1], NULL), 0);
	forget(world, &listed);
}

/* Where the kernel asks again for what it had, it has let go of the others, too. */
static void test_again(void **state)
{
	struct world *world = *state;
	struct listed listed;

	fill(world, 5);
	list(world, EVENTS, &listed);
	assert_int_equal(read_one(world, listed.nodes[0], &listed.nodes[1]), 4);
	assert_int_equal(read_one(world, listed.nodes[0], &listed.nodes[1]), 4);
	assert_int_equal(read_one(world, listed.nodes[2], &listed.nodes[3]), 2);
	forget(world, &listed);
}

/* Who reads one here and one there is not brought what stands behind them; nor where the kernel has let go of
 * all of them, after they were read one behind the other. */
static void test_here_and_there(void **state)
{
	struct world *world = *state;
	struct listed listed;

	fill(world, MANY);
	list(world, EVENTS, &listed);
	assert_int_equal(read_one(world, listed.nodes[100], NULL), 0);
	assert_int_equal(read_one(world, listed.nodes[50], NULL), 0);
	assert_int_equal(read_one(world, listed.nodes[51], &listed.nodes[52]), 9);
	for (int at = 0; at < MANY; at++)
		read_all(world, listed.nodes[at]);
	for (int at = 10; at < MANY; at += 20)
		assert_int_equal(read_one(world, listed.nodes[at], NULL), 0);
	assert_int_equal(read_one(world, listed.nodes[11], &listed.nodes[12]), 9);
	forget(world, &listed);
}

/* One behind the other they stand also where others were between them. */
static void test_gaps(void **state)
{
	struct world *world = *state;
	struct listed listed;
	char name[32];

	fill(world, MANY);
	list(world, EVENTS, &listed);
	for (int i = 1; i < 31; i++) {
		snprintf(name, sizeof(name), "e%03d", i);
		kev_store_delete(world->store, KEV_STR("shop"), kev_str_c(name));
	}
	world_carry(world, NULL, NULL);
	assert_int_equal(read_one(world, listed.nodes[0], &listed.nodes[31]), 8);
	assert_int_equal(read_one(world, listed.nodes[39], &listed.nodes[40]), 17);
	forget(world, &listed);
}

/* Only what the kernel knows can be given to it. */
static void test_unknown(void **state)
{
	struct world *world = *state;
	struct kev_entry one, other;

	fill(world, 5);
	one = world_find(world, EVENTS "/e001");
	assert_int_equal(read_one(world, one.node, NULL), 0);
	other = world_find(world, EVENTS "/e003");
	/* That one is no longer known to have been found in a directory. */
	assert_int_equal(read_one(world, one.node, NULL), 0);
	world_forget(world, one.node);
	assert_int_equal(read_one(world, one.node, NULL), 0);
	world_forget(world, other.node);
}

static void test_known_by_name(void **state)
{
	struct world *world = *state;
	struct kev_entry directory, one, other;

	fill(world, 5);
	directory = world_find(world, EVENTS);
	one = world_find(world, EVENTS "/e001");
	other = world_find(world, EVENTS "/e003");
	assert_int_equal(read_one(world, one.node, &other.node), 1);
	world_forget(world, one.node);
	world_forget(world, other.node);
	world_forget(world, directory.node);
}

/* In the directory where it was found, of the several that hold it. */
static void test_directory(void **state)
{
	struct world *world = *state;
	struct listed object, all;

	fill(world, 3);
	world_live(world, "shop", "other", "o");
	world_carry(world, NULL, NULL);
	list(world, EVENTS, &object);
	assert_int_equal(read_one(world, object.nodes[0], &object.nodes[1]), 2);
	list(world, "/.kevfs/namespaces/shop/events", &all);
	assert_int_equal(all.nodes[0], object.nodes[0]);
	assert_int_equal(read_one(world, all.nodes[0], &all.nodes[1]), 3);
	forget(world, &object);
	forget(world, &all);
}

/* What has left its directory, what is too long, and what is no event. */
static void test_others(void **state)
{
	struct world *world = *state;
	struct world_event large = {.name = KEV_STR("large")};
	struct listed listed;
	char *message = malloc(KEV_SIBLING_SIZE_MAX);
	uint64_t gone;

	assert_non_null(message);
	memset(message, 'x', KEV_SIBLING_SIZE_MAX);
	large.message = (struct kev_str){message, KEV_SIBLING_SIZE_MAX};
	fill(world, 2);
	world_put(world, &large, KEV_ORIGIN_LIVE);
	world_live(world, "shop", "web", "last");
	world_carry(world, NULL, NULL);
	list(world, EVENTS, &listed);
	gone = listed.nodes[0];
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("e000"));
	world_carry(world, NULL, NULL);
	assert_int_equal(read_one(world, gone, NULL), 0);
	assert_int_equal(read_one(world, listed.nodes[1], &listed.nodes[3]), 1);
	assert_int_equal(read_one(world, listed.directory, NULL), 0);
	assert_int_equal(read_one(world, UINT64_MAX, NULL), 0);
	forget(world, &listed);
	free(message);
}

/* Whose events may not be seen any more, of those none is given. */
static void test_denied(void **state)
{
	struct world *world = *state;
	struct listed listed;

	fill(world, 5);
	list(world, EVENTS, &listed);
	kev_store_restrict(world->store, true);
	world_follow(world, NULL, NULL);
	assert_int_equal(read_one(world, listed.nodes[0], NULL), 0);
	forget(world, &listed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_ahead),
		TEST(test_again),
		TEST(test_here_and_there),
		TEST(test_gaps),
		TEST(test_unknown),
		TEST(test_known_by_name),
		TEST(test_directory),
		TEST(test_others),
		TEST(test_denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
