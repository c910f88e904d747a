/* Readers of every kind while the tree changes: for ThreadSanitizer, and for counts that must come out even.
 */
#include "world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/internal.h"

#define READERS 3
#define CHANGES 3000

static atomic_bool stop;

/* cmocka's assertions belong to the main thread: a reader counts what is wrong. */
static atomic_ulong wrong, opened, walked;

struct walk {
	struct kev_tree *tree;
	struct {
		uint64_t node;
		enum kev_node_type type;
	} given[200];
	size_t count;
};

static int remember(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	struct walk *walk = context;

	(void)name;
	(void)next;
	if (walk->count == sizeof(walk->given) / sizeof(walk->given[0]))
		return 1;
	if (!entry->node)
		return 0;
	walk->given[walk->count].node = entry->node;
	walk->given[walk->count++].type = entry->attr.type;
	return 0;
}

static void read_event(struct kev_tree *tree, uint64_t node)
{
	struct kev_event *event = NULL;
	struct kev_attr attr;
	char text[64];

	if (kev_tree_open(tree, node, &event) || kev_tree_getattr(tree, node, &attr)) {
		wrong++;
		return;
	}
	if (attr.size != kev_event_size(event) ||
		kev_event_read(event, 0, text, sizeof(text)) != sizeof(text) || text[0] != '{')
		wrong++;
	opened++;
	kev_event_unref(event);
}

static void read_link(struct kev_tree *tree, uint64_t node)
{
	struct kev_buf target;

	kev_buf_init(&target, 1000);
	if (kev_tree_readlink(tree, node, &target) ||
		!kev_str_starts(kev_buf_str(&target), KEV_STR("../.kevfs/")))
		wrong++;
	kev_buf_fini(&target);
}

static void read_directory(struct kev_tree *tree, uint64_t node)
{
	struct walk walk = {.tree = tree};
	struct kev_tree_usage usage;

	if (kev_tree_readdir(tree, node, 0, true, remember, &walk))
		wrong++;
	for (size_t i = 0; i < walk.count; i++) {
		if (walk.given[i].type == KEV_NODE_DIR)
			read_directory(tree, walk.given[i].node);
		else if (walk.given[i].type == KEV_NODE_FILE)
			read_event(tree, walk.given[i].node);
		else
			read_link(tree, walk.given[i].node);
		kev_tree_forget(tree, walk.given[i].node, 1);
	}
	kev_tree_usage(tree, &usage);
	walked++;
}

static void *read_all(void *context)
{
	struct kev_tree *tree = context;
	struct kev_entry entry;

	while (!atomic_load(&stop)) {
		read_directory(tree, KEV_TREE_ROOT);
		if (kev_tree_lookup(tree, KEV_TREE_ROOT, KEV_STR(".kevfs"), &entry)) {
			wrong++;
			continue;
		}
		read_directory(tree, entry.node);
		kev_tree_forget(tree, entry.node, 1);
	}
	return NULL;
}

static void change(struct world *world, unsigned i)
{
	char name[32], object[32];

	snprintf(name, sizeof(name), "e%u", i * 31 % 97);
	snprintf(object, sizeof(object), "o%u", i * 31 % 97 % 7);
	if (i % 3)
		world_live(world, i % 2 ? "one" : "two", object, name);
	else
		kev_store_delete(world->store, i % 4 ? KEV_STR("one") : KEV_STR("two"), kev_str_c(name));
	if (i % 5 == 0)
		assert_int_equal(kev_store_put_pod(world->store, KEV_STR("one"), kev_str_c(object), 0), 0);
	if (i % 7 == 0)
		kev_store_delete_pod(world->store, KEV_STR("one"), kev_str_c(object));
}

static void lookup_too(void *context, const struct kev_stale *stale)
{
	struct kev_attr attr;

	/* Would hang if the lock were held. */
	if (kev_tree_getattr(context, stale->node, &attr) == 0 && attr.type != KEV_NODE_DIR)
		wrong++;
}

static void test_readers_and_applier(void **state)
{
	struct world *world = *state;
	pthread_t readers[READERS];

	world_carry(world, NULL, NULL);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_all, world->tree), 0);
	for (unsigned i = 0; i < CHANGES; i++) {
		change(world, i);
		world_carry(world, lookup_too, world->tree);
		if (i % 500 == 0)
			assert_int_equal(kev_tree_resync(world->tree, lookup_too, world->tree), 0);
	}
	/* On a busy machine the readers may have hardly begun. */
	while (atomic_load(&walked) < 1000)
		sched_yield();
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_true(atomic_load(&opened) > 0);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_readers_and_applier, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
